//! Resolved: one name, one tool at one definition, arguments that fit; or one answer for all that is not known.

use model::call::{CallDigest, Endpoint};
use model::denial::{Denial, Reason};
use model::ids::ServerName;
use model::limits::CallLimits;
use model::task::Task;

use crate::listings::Listings;
use crate::received::Received;
use crate::testing::{caller, changed, first, pinned, principal, request, resolve, resolved, stamp, tool};

const OPEN: &str = r#"{"id":"open"}"#;

fn refused(listings: &Listings, name: &str, arguments: &str) -> (Denial, bool) {
    let unresolved = resolve(&first(), listings, request(name, arguments)).err().expect("it is refused");
    (unresolved.denial, unresolved.tool.is_some())
}

#[test]
fn a_call_is_pinned_to_the_certified_definition() {
    let resolved = resolved("alpha__get_item", r#"{ "count": 1, "id": "open" }"#);
    assert_eq!(resolved.tool, pinned(&first(), "get_item"));
    assert_eq!(resolved.canonical, r#"{"count":1,"id":"open"}"#);
    assert_eq!(resolved.digest, CallDigest::of(&resolved.tool, &resolved.canonical));
}

#[test]
fn each_door_has_its_own_names() {
    let door = |name: &str, server: &str| {
        let mut call = request(name, OPEN);
        call.endpoint = Endpoint::Server(ServerName::parse(server).unwrap());
        resolve(&first(), &Listings::default(), call).ok().map(|resolved| resolved.tool.name.to_string())
    };
    assert_eq!(door("get_item", "alpha").as_deref(), Some("alpha__get_item"));
    assert_eq!(door("alpha__get_item", "alpha"), None);
    assert_eq!(door("get_item", "beta"), None);
}

#[test]
fn unknown_hidden_and_quarantined_are_one_answer_whatever_the_arguments() {
    let names = ["alpha__no_such", "beta__get_item", "alpha__get_hidden", "alpha__get_new", "", "é\u{0}"];
    for name in names {
        for arguments in [OPEN, "{}", r#"{"id":7}"#] {
            let (denial, names_tool) = refused(&Listings::default(), name, arguments);
            let expected = Denial::unknown_tool(name).with_private(denial.private.clone());
            assert_eq!(denial, expected);
            assert!(!names_tool, "the record must not name the tool");
        }
    }
}

#[test]
fn arguments_that_do_not_fit_are_named_by_pointer() {
    let cases = [
        ("{}", "id"),
        (r#"{"id":7}"#, "/id"),
        (r#"{"id":"a","count":"many"}"#, "/count"),
        (r#"{"id":"a","count":1.5}"#, "/count"),
    ];
    for (arguments, pointer) in cases {
        let (denial, names_tool) = refused(&Listings::default(), "alpha__get_item", arguments);
        assert_eq!(denial.reason, Reason::InvalidArguments);
        assert!(denial.public.contains(pointer), "{}", denial.public);
        assert!(names_tool, "the record names the tool");
    }
}

#[test]
fn a_definition_that_changed_since_it_was_listed_is_refused() {
    let listed = |definition| Listings::new(vec![(principal("ada").agent, tool("get_item"), definition)]);
    let old = pinned(&first(), "get_item").definition;
    let call = || request("alpha__get_item", OPEN);
    assert!(resolve(&first(), &listed(old), call()).is_ok(), "as it was listed");
    for (snapshot, what) in [(changed(true), "certified again"), (changed(false), "not certified again")] {
        let unresolved = resolve(&snapshot, &listed(old), call()).err().expect(what);
        let expected =
            if what == "certified again" { Reason::DefinitionChanged } else { Reason::UnknownTool };
        // Not compiled into these policies, a changed tool could be permitted to nobody.
        assert_eq!(unresolved.denial.reason, expected, "{what}");
    }
    let new = pinned(&changed(true), "get_item").definition;
    assert!(resolve(&changed(true), &listed(new), call()).is_ok(), "listed again");
    assert!(resolve(&changed(true), &Listings::default(), call()).is_ok(), "never listed");
}

#[test]
fn a_task_of_another_agent_takes_no_call() {
    let others = Task::implicit(&principal("bob").agent).unwrap();
    let received = Received::new(stamp(), request("alpha__get_item", OPEN), &CallLimits::DEFAULT).unwrap();
    let denial = received.identify(caller(&first())).bind(others).err().expect("it is bob's");
    assert_eq!(denial.reason, Reason::Indeterminate);
}
