//! What lists do to the registry.

use model::tool::Risk;
use proptest::prelude::*;

use super::*;
use crate::testing::{apply, by_name, certified, definition, listed, reader, server, tool};

fn seen(catalog: &Catalog, definitions: &[Arc<Definition>]) -> Observation {
    observe(catalog, &server("s"), definitions, Micros(5))
}

fn kinds(observation: &Observation) -> Vec<(&str, &ChangeKind)> {
    observation.changes.iter().map(|c| (c.record.name.tool.as_str(), &c.kind)).collect()
}

#[test]
fn new_tools_wait_and_the_same_again_changes_nothing() {
    let tools = [reader("a", ""), reader("b", "")];
    let first = seen(&Catalog::default(), &tools);
    assert_eq!(kinds(&first), [("a", &ChangeKind::Appeared), ("b", &ChangeKind::Appeared)]);
    let catalog = apply(&Catalog::default(), &first);
    assert_eq!(catalog.usable().count(), 0);
    let record = catalog.get(&tool("s", "a")).unwrap();
    assert_eq!((record.waits(), record.since), (Some("new"), Micros(5)));
    assert!(seen(&catalog, &tools).changes.is_empty());
    let catalog = certified(&catalog, "a");
    assert_eq!(catalog.usable().count(), 1);
    let record = catalog.get(&tool("s", "a")).unwrap();
    assert_eq!((record.waits(), record.since), (None, record.certified.as_ref().unwrap().at));
    assert!(seen(&catalog, &tools).changes.is_empty());
}

#[test]
fn a_changed_tool_is_out_of_use_and_the_reviewed_definition_is_kept() {
    let catalog = certified(&listed(&Catalog::default(), &[reader("a", "")], 1), "a");
    let before = catalog.get(&tool("s", "a")).unwrap().digest;
    let second = seen(&catalog, &[reader("a", r#""description":"2""#)]);
    assert_eq!(kinds(&second), [("a", &ChangeKind::Changed { from: before })]);
    let catalog = apply(&catalog, &second);
    let third = apply(&catalog, &seen(&catalog, &[reader("a", r#""description":"3""#)]));
    let record = third.get(&tool("s", "a")).unwrap();
    assert!(!record.usable());
    assert_eq!((record.previous_digest(), record.first_seen), (Some(before), Micros(1)));
    assert_eq!(
        (record.waits(), record.since),
        (Some("its definition changed since it was certified"), Micros(5))
    );
    let back = apply(&third, &seen(&third, &[reader("a", "")]));
    let record = back.get(&tool("s", "a")).unwrap();
    assert!(!record.usable(), "changing back is a change too");
    assert_eq!(record.waits(), Some("its definition changed and changed back"));
}

#[test]
fn a_tool_that_is_gone_stays_known_and_comes_back_as_it_was() {
    let tools = [reader("a", "")];
    let catalog = certified(&listed(&Catalog::default(), &tools, 1), "a");
    let gone = seen(&catalog, &[]);
    assert_eq!(kinds(&gone), [("a", &ChangeKind::Disappeared)]);
    let catalog = apply(&catalog, &gone);
    assert_eq!((catalog.len(), catalog.usable().count()), (1, 0));
    assert_eq!(catalog.get(&tool("s", "a")).unwrap().waits(), None, "nobody can look at what is gone");
    assert!(seen(&catalog, &[]).changes.is_empty());
    let back = seen(&catalog, &tools);
    assert_eq!(kinds(&back), [("a", &ChangeKind::Returned)]);
    assert_eq!(apply(&catalog, &back).usable().count(), 1);
}

#[test]
fn a_rename_is_noticed_and_inherits_the_risk() {
    let catalog = listed(&Catalog::default(), &[reader("a", "")], 1);
    let record = catalog.get(&tool("s", "a")).unwrap();
    let request = crate::CertifyRequest { risk: Some(Risk::Privileged), ..by_name(record.digest) };
    let catalog = catalog.with([crate::certify::certify(record, &request).unwrap()]);
    let renamed = seen(&catalog, &[reader("b", "")]);
    let from = ChangeKind::Renamed { from: record.name.tool.clone() };
    assert_eq!(kinds(&renamed), [("a", &ChangeKind::Disappeared), ("b", &from)]);
    let fresh = &renamed.changes[1].record;
    assert_eq!((fresh.status, fresh.risk), (ToolStatus::Quarantined, Risk::Privileged));
    assert_eq!(fresh.flags.iter().map(|f| f.code).collect::<Vec<_>>(), [FlagCode::Renamed]);
    let catalog = apply(&catalog, &renamed);
    let changed = seen(&catalog, &[reader("b", r#""description":"2""#)]);
    assert!(
        changed.changes[0].record.flags.iter().any(|f| f.code == FlagCode::Renamed),
        "not washed off by a change"
    );
}

#[test]
fn a_server_that_invents_names_fills_nothing() {
    let mut catalog = Catalog::default();
    for round in 0..4 {
        let tools: Vec<_> = (0..700).map(|i| reader(&format!("t{round}_{i}"), "")).collect();
        let seen = seen(&catalog, &tools);
        catalog = apply(&catalog, &seen);
        assert_eq!(seen.ignored.is_empty(), round < 2);
    }
    assert_eq!(catalog.len(), TOOLS_PER_SERVER_MAX);
}

#[test]
fn other_servers_are_left_alone() {
    let catalog = listed(&Catalog::default(), &[reader("a", "")], 1);
    let other = observe(&catalog, &server("t"), &[reader("a", "")], Micros(2));
    assert_eq!(kinds(&other), [("a", &ChangeKind::Appeared)]);
    assert_eq!(apply(&catalog, &other).all().filter(|r| r.present).count(), 2);
}

fn any_definition() -> impl Strategy<Value = Arc<Definition>> {
    let name = prop_oneof![Just("a"), Just("b"), Just("run_x"), Just("get_token")];
    (name, prop_oneof![Just(""), Just("1"), Just("2")], any::<bool>(), any::<bool>()).prop_map(|(name, text, hint, code)| {
        let code = if code { r#","properties":{"command":{"type":"string"}}"# } else { "" };
        definition(&format!(
            r#"{{"name":"{name}","description":"{text}","annotations":{{"readOnlyHint":{hint}}},"inputSchema":{{"type":"object"{code}}}}}"#
        ))
    })
}

fn any_list() -> impl Strategy<Value = Vec<Arc<Definition>>> {
    prop::collection::vec(any_definition(), 0..4).prop_map(|mut list| {
        list.sort_by(|left, right| left.name().cmp(right.name()));
        list.dedup_by(|left, right| left.name() == right.name());
        list
    })
}

proptest! {
    #[test]
    fn risk_never_falls_by_itself_and_no_changed_tool_stays_certified(
        lists in prop::collection::vec((any_list(), any::<bool>()), 1..6)
    ) {
        let mut catalog = Catalog::default();
        for (list, certify_all) in lists {
            let next = listed(&catalog, &list, 1);
            for record in next.all() {
                let old = catalog.get(&record.name);
                prop_assert!(old.is_none_or(|old| record.risk >= old.risk));
                prop_assert!(old.is_none_or(|old| record.returns_secrets || !old.returns_secrets));
                prop_assert!(!record.usable() || old.is_some_and(|old| old.digest == record.digest));
                let listed = list.iter().find(|d| d.name() == &record.name.tool);
                prop_assert_eq!(record.present, listed.is_some());
                prop_assert!(listed.is_none_or(|listed| listed.digest() == record.digest));
            }
            catalog = next;
            if certify_all {
                let names: Vec<String> = catalog.all().filter(|r| r.present).map(|r| r.name.tool.to_string()).collect();
                catalog = names.iter().fold(catalog, |catalog, name| certified(&catalog, name));
            }
        }
    }
}
