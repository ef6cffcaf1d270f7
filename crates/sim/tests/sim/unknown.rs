//! A tool that does not exist, one in quarantine and one that policy hides are one answer and one kind of entry.

use ledger::{Body, RefusalBody};
use model::call::Endpoint;
use model::denial::Denial;
use sim::{Knobs, Node, World};

use crate::setup::{BY, add, at_peace, caller, ready, request, run, server, tool, words, world};

async fn refused(node: &Node, world: &World, endpoint: &Endpoint, name: &str) -> (Denial, RefusalBody) {
    let key = add(node, &format!("agent-{}", world.disk().entries.len()), &[]).await;
    let caller = caller(node, &key).await;
    let mut call = request(name, r#"{"id":"open"}"#);
    call.endpoint = endpoint.clone();
    let refused = node.door.call(caller, call).await.err().expect("it is refused");
    let disk = world.disk();
    let mut entries = disk.of(refused.call);
    let body = match entries.next().map(|kept| &kept.entry.body) {
        Some(Body::Refusal(body)) => body.clone(),
        other => panic!("recorded as {other:?}"),
    };
    assert!(entries.next().is_none(), "one entry for one refusal");
    (refused.denial, body)
}

#[test]
fn unknown_quarantined_and_hidden_tools_are_refused_alike() {
    run(async {
        let world = world(8);
        let node = ready(&world, Knobs::quiet(1)).await;
        node.admin.quarantine(BY, &tool("alpha", "update_item")).await.unwrap();
        // Hidden by policy, in quarantine, on no server, no name at all.
        let doors = [
            (Endpoint::All, ["beta__get_rows", "alpha__update_item", "alpha__no_such", "no such"]),
            (Endpoint::Server(server("beta")), ["get_rows", "no_such", "get_item", "no such"]),
            (Endpoint::Server(server("alpha")), ["update_item", "no_such", "get_rows", "no such"]),
        ];
        for (endpoint, names) in doors {
            for name in names {
                let (denial, body) = refused(&node, &world, &endpoint, name).await;
                assert_eq!(denial.public, format!("Unknown tool: {name}"), "{endpoint:?} {name}");
                assert_eq!(denial.reason.code(), "unknown_tool");
                assert_eq!(denial.policies, []);
                assert_eq!((body.reason, body.named.as_str()), (denial.reason, name));
                assert_eq!((body.method.as_str(), body.endpoint), ("tools/call", endpoint.clone()));
                assert!(!body.why.is_empty(), "the operator learns why");
            }
        }
        assert!(world.seen().forwarded.is_empty());
        at_peace(&world, &node);
    });
}

#[test]
fn a_change_is_told_only_to_who_may_still_know_the_tool() {
    run(async {
        let world = world(8);
        let node = ready(&world, Knobs::quiet(2)).await;
        let key = add(&node, "ada", &["analysts"]).await;
        let other = add(&node, "bob", &[]).await;
        let seen = node.door.list(&caller(&node, &key).await, &Endpoint::All).await.ok().unwrap();
        assert!(seen.tools.iter().any(|tool| tool.name == "beta__get_rows"));
        let seen = node.door.list(&caller(&node, &other).await, &Endpoint::All).await.ok().unwrap();
        assert!(seen.tools.iter().all(|tool| tool.name != "beta__get_rows"));
        assert!(world.servers.offer(&server("beta"), &crate::setup::reader("get_rows", 2)));
        node.connect(&server("beta")).await.unwrap();
        let ask = async |key| {
            let call = request("beta__get_rows", r#"{"id":"open"}"#);
            let refused = node.door.call(caller(&node, key).await, call).await.err();
            refused.map(|refused| refused.denial.reason.code())
        };
        assert_eq!(ask(&key).await, Some("definition_changed"), "it was listed to ada");
        let call = request("beta__get_rows", r#"{"id":"open"}"#);
        let refused = node.door.call(caller(&node, &key).await, call).await.err().unwrap();
        let told = refused.denial.public;
        assert!(told.contains("a person") && told.contains("`callgate tools show beta__get_rows`"), "{told}");
        assert_eq!(ask(&other).await, Some("unknown_tool"), "it never was to bob");
        // Policy now hides the tool from ada too: that it changed is no longer hers to know.
        let hidden = crate::setup::POLICY.replace("\"analysts\"", "\"nobody\"");
        node.admin.load_policies(crate::setup::policies(&hidden)).await.unwrap();
        assert_eq!(ask(&key).await, Some("unknown_tool"), "policy hides it from ada");
        assert!(words(&world).iter().all(|word| word != "intent"));
        at_peace(&world, &node);
    });
}
