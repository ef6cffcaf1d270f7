//! What is taken away while a call is under way: before its intent, before it is sent, while it is open. Must never wait
//! for the call to end by itself.

use std::sync::Arc;
use std::time::Duration;

use admin::Says;
use call::Finished;
use ledger::Outcome;
use model::denial::Reason;
use ports::clock::Clock as _;
use sim::edges::LeaseFault;
use sim::upstream::Plan;
use sim::{Node, World};

use crate::setup::{
    BY, NO_WRITES, OPEN, POLICY, add, agent, at_peace, bench, call, caller, outcome, policies, refusal,
    request, run, server, settle, start, tool,
};

/// The call is decided, then the world changes before its intent is committed.
async fn overtaken(change: impl AsyncFnOnce(&Node), name: &str) -> (Arc<World>, Node, Finished) {
    let (world, node, key) = bench(8).await;
    let caller = caller(&node, &key).await;
    node.store.hold(true);
    let (_, finished) = tokio::join!(change(&node), async {
        settle().await;
        let mut handle = node.door.call(caller, request(name, OPEN)).await.expect("it is resolved");
        handle.detach();
        settle().await;
        assert_eq!(node.store.waiting(), 2, "the change waits before the intent");
        node.store.hold(false);
        handle.done.await.unwrap()
    });
    (world, node, finished)
}

#[test]
fn a_call_overtaken_by_a_harmless_change_is_decided_again() {
    run(async {
        let change = async |node: &Node| drop(add(node, "bob", &[]).await);
        let (world, node, finished) = overtaken(change, "alpha__get_item").await;
        assert!(matches!(finished, Finished::Answered(..)), "{finished:?}");
        at_peace(&world, &node);
    });
}

#[test]
fn a_call_overtaken_by_a_change_that_forbids_it_is_refused_and_recorded() {
    run(async {
        let remove = async |node: &Node| node.admin.remove_agent(BY, &agent("ada")).await.unwrap();
        let (world, node, finished) = overtaken(remove, "alpha__get_item").await;
        let refused = refusal(finished);
        let recorded = world.disk().of(refused.call).count();
        assert_eq!(recorded, 1, "refused as {} without an entry", refused.denial.reason);
        assert!(matches!(refused.denial.reason, Reason::InvalidCredential | Reason::Revoked));
        assert!(world.seen().forwarded.is_empty());
        at_peace(&world, &node);

        let tighten = async |node: &Node| drop(node.admin.load_policies(policies(NO_WRITES)).await.unwrap());
        let (world, node, finished) = overtaken(tighten, "alpha__update_item").await;
        assert_eq!(refusal(finished).denial.reason, Reason::UnknownTool);
        assert!(world.seen().forwarded.is_empty());
        at_peace(&world, &node);
    });
}

/// The intent is durable and the lease is on its way; then something is taken away.
async fn revoked(lease: LeaseFault, change: impl AsyncFnOnce(&Node), name: &str) {
    let (world, node, key) = bench(8).await;
    node.broker.fail_next(lease);
    let handle = start(&node, &key, name, OPEN).await.expect("it is staged");
    settle().await;
    assert!(world.disk().intent(handle.id).is_some_and(|intent| intent.entry.is_intent()));
    change(&node).await;
    let refused = refusal(handle.done.await.unwrap());
    assert_eq!(refused.denial.reason, Reason::Revoked);
    assert_eq!(outcome(&world, refused.call), Some(Outcome::NotSent(Reason::Revoked)));
    assert!(world.seen().forwarded.is_empty(), "nothing was sent");
    at_peace(&world, &node);
}

#[test]
fn what_is_revoked_between_intent_and_sending_is_not_sent() {
    let name = "alpha__update_item";
    run(async {
        let remove = async |node: &Node| node.admin.remove_agent(BY, &agent("ada")).await.unwrap();
        revoked(LeaseFault::Hangs, remove, name).await;
        let withdraw =
            async |node: &Node| node.admin.quarantine(BY, &tool("alpha", "update_item")).await.unwrap();
        revoked(LeaseFault::Hangs, withdraw, name).await;
        let tighten = async |node: &Node| drop(node.admin.load_policies(policies(NO_WRITES)).await.unwrap());
        revoked(LeaseFault::Slow(500), tighten, name).await;
    });
}

#[test]
fn a_call_overtaken_by_the_end_of_its_key_is_refused_and_recorded() {
    run(async {
        let rotate = |overlap: i64| {
            async move |node: &Node| {
                drop(node.admin.rotate_agent(BY, &agent("ada"), 30, overlap).await.unwrap());
            }
        };
        let (world, node, finished) = overtaken(rotate(0), "alpha__get_item").await;
        let refused = refusal(finished);
        assert_eq!(refused.denial.reason, Reason::InvalidCredential);
        assert_eq!(world.disk().of(refused.call).count(), 1);
        assert!(world.seen().forwarded.is_empty());
        at_peace(&world, &node);

        let (world, node, finished) = overtaken(rotate(60), "alpha__get_item").await;
        assert!(matches!(finished, Finished::Answered(..)), "its key lives on: {finished:?}");
        at_peace(&world, &node);
    });
}

#[test]
fn a_question_overtaken_by_the_end_of_its_agent_is_not_asked() {
    run(async {
        let remove = async |node: &Node| node.admin.remove_agent(BY, &agent("ada")).await.unwrap();
        let (world, node, finished) = overtaken(remove, "alpha__run_command").await;
        assert_eq!(refusal(finished).denial.reason, Reason::InvalidCredential);
        assert!(
            node.admin.approvals().await.unwrap().is_empty(),
            "nobody is asked for an agent that is gone"
        );
        at_peace(&world, &node);
    });
}

#[test]
fn a_call_whose_connection_never_opens_ends_with_its_agent() {
    run(async {
        let (world, node, key) = bench(8).await;
        node.upstreams.script([Plan::NeverOpens]);
        let handle = start(&node, &key, "alpha__get_item", OPEN).await.expect("it is staged");
        settle().await;
        let before = node.clock.elapsed();
        node.admin.remove_agent(BY, &agent("ada")).await.unwrap();
        assert_eq!(refusal(handle.done.await.unwrap()).denial.reason, Reason::Revoked);
        assert!(node.clock.elapsed() - before < Duration::from_secs(1), "not at the upstream's leisure");
        assert!(world.seen().forgotten.contains(&agent("ada")), "its connections are closed too");
        at_peace(&world, &node);
    });
}

#[test]
fn a_server_that_drops_several_tools_ends_the_open_calls_of_each() {
    run(async {
        let drop_both = async |node: &Node| {
            let servers = &node.world().servers;
            servers.withdraw(&tool("alpha", "get_item"));
            servers.withdraw(&tool("alpha", "update_item"));
            node.connect(&server("alpha")).await.unwrap();
        };
        assert_eq!(open_after(drop_both).await, [false, false]);
    });
}

#[test]
fn an_approved_call_goes_on_under_policies_that_ask_for_the_same_approval() {
    run(async {
        let (world, node, key) = bench(8).await;
        let name = "alpha__run_command";
        let asked = refusal(call(&node, &key, name, OPEN).await).denial.approval().unwrap().0.to_string();
        let says = Says::Yes(node.admin.approval(&asked).await.unwrap().asked.approval.key.call);
        node.admin.answer(BY, &asked, says, "").await.unwrap();
        node.upstreams.script([Plan::Answers(500)]);
        let handle = start(&node, &key, name, OPEN).await.expect("it is staged");
        settle().await;
        assert_eq!(world.seen().forwarded.len(), 1);
        let harmless = format!("{POLICY}\n// A word more.");
        node.admin.load_policies(policies(&harmless)).await.unwrap();
        let finished = handle.done.await.unwrap();
        assert!(matches!(finished, Finished::Answered(..)), "{finished:?}");
        at_peace(&world, &node);
    });
}

/// Two calls are open, one that reads and one that writes; then something is taken away. Whether each still is open.
async fn open_after(change: impl AsyncFnOnce(&Node)) -> [bool; 2] {
    let (world, node, key) = bench(8).await;
    node.upstreams.script([Plan::Hangs, Plan::Hangs]);
    let mut handles = Vec::new();
    for name in ["alpha__get_item", "alpha__update_item"] {
        handles.push(start(&node, &key, name, OPEN).await.expect("it is staged"));
    }
    settle().await;
    assert_eq!(world.seen().forwarded.len(), 2);
    change(&node).await;
    settle().await;
    let mut open = Vec::new();
    for handle in handles {
        let is_open = outcome(&world, handle.id).is_none();
        let reason = if is_open { Reason::Cancelled } else { Reason::Revoked };
        handle.cancel();
        let refused = refusal(handle.done.await.unwrap());
        assert_eq!(refused.denial.reason, reason);
        assert_eq!(outcome(&world, refused.call), Some(Outcome::Unknown(reason)), "it was sent");
        open.push(is_open);
    }
    at_peace(&world, &node);
    [open[0], open[1]]
}

#[test]
fn other_policies_end_the_open_calls_that_they_do_not_permit_and_no_others() {
    run(async {
        let load = |text: &'static str| {
            async move |node: &Node| {
                drop(node.admin.load_policies(policies(text)).await.unwrap());
            }
        };
        assert_eq!(open_after(load(NO_WRITES)).await, [true, false]);
        assert_eq!(open_after(load(POLICY)).await, [true, true]);
        let none = r#"@id("list") permit (principal, action == Callgate::Action::"list", resource);"#;
        assert_eq!(open_after(load(none)).await, [false, false]);
    });
}

#[test]
fn a_key_that_ends_before_its_time_takes_its_open_calls_with_it() {
    run(async {
        let rotate = |name: &'static str, overlap: i64| {
            async move |node: &Node| {
                if name != "ada" {
                    add(node, name, &[]).await;
                }
                drop(node.admin.rotate_agent(BY, &agent(name), 30, overlap).await.unwrap());
            }
        };
        assert_eq!(open_after(rotate("ada", 0)).await, [false, false]);
        assert_eq!(open_after(rotate("ada", 60)).await, [true, true], "the old key lives on");
        assert_eq!(open_after(rotate("bob", 0)).await, [true, true]);
    });
}
