//! What a call meets on its way, one thing at a time.

use std::time::Duration;

use call::Finished;
use ledger::{Body, Outcome, Verdict};
use model::call::Endpoint;
use model::denial::Reason;
use ports::clock::Clock as _;
use ports::identity::Presented;
use ports::secret::Secret;
use sim::edges::{ApprovalsMood, LeaseFault};
use sim::store::DiskFault;
use sim::upstream::Plan;
use sim::{Knobs, Node, World};

use crate::setup::{
    BY, OPEN, POLICY, add, at_peace, bench, call, caller, certify, outcome, reader, ready, refusal, request,
    run, server, settle, sources, start, tool, words, world,
};

#[test]
fn a_call_is_intended_sent_and_recorded_once() {
    run(async {
        let (world, node, key) = bench(8).await;
        let before = words(&world).len();
        let Finished::Answered(id, _) = call(&node, &key, "alpha__update_item", OPEN).await else {
            panic!("it is permitted");
        };
        assert_eq!(words(&world)[before..], ["intent", "outcome"]);
        assert_eq!(world.seen().forwarded, [id]);
        assert_eq!(outcome(&world, id), Some(Outcome::Completed));
        at_peace(&world, &node);
    });
}

#[test]
fn refusals_after_resolution_say_why_and_are_recorded_with_the_tool() {
    run(async {
        let (world, node, key) = bench(8).await;
        let cases = [
            ("alpha__update_item", r#"{"id":"shut"}"#, Reason::PolicyDenied),
            ("alpha__get_item", r#"{"id":7}"#, Reason::InvalidArguments),
            ("alpha__run_command", OPEN, Reason::ApprovalRequired),
        ];
        for (name, arguments, reason) in cases {
            let refused = refusal(call(&node, &key, name, arguments).await);
            assert_eq!(refused.denial.reason, reason, "{}", refused.denial.private);
            let disk = world.disk();
            let [kept] = disk.of(refused.call).collect::<Vec<_>>()[..] else { panic!("one entry") };
            let Body::Decision(body) = &kept.entry.body else { panic!("a decision on a known tool") };
            let expected =
                if reason == Reason::ApprovalRequired { Verdict::Park } else { Verdict::Deny(reason) };
            assert_eq!(body.verdict, expected);
            assert_eq!(format!("{}", body.tool.name), name);
            assert_eq!(kept.salts.len(), 1, "the arguments are committed to, not written");
            assert!(!kept.leaf.contains("shut"));
        }
        assert!(world.seen().forwarded.is_empty());
        at_peace(&world, &node);
    });
}

#[test]
fn an_invalid_argument_is_named_by_its_pointer() {
    run(async {
        let (_world, node, key) = bench(8).await;
        let refused = refusal(call(&node, &key, "alpha__get_item", r#"{"id":7}"#).await);
        assert!(refused.denial.public.contains("/id"), "{}", refused.denial.public);
    });
}

#[test]
fn sixty_four_calls_at_once_on_one_task_are_all_answered() {
    run(async {
        let (world, node, key) = bench(256).await;
        let mut handles = Vec::new();
        for _ in 0..64 {
            handles.push(start(&node, &key, "alpha__get_item", OPEN).await.expect("it is staged"));
        }
        for handle in handles {
            let end = handle.done.await.unwrap();
            assert!(matches!(end, Finished::Answered(..)), "a spurious denial: {end:?}");
        }
        at_peace(&world, &node);
    });
}

#[test]
fn a_task_has_no_more_calls_open_than_its_limit() {
    run(async {
        let (world, node, key) = bench(3).await;
        node.upstreams.script([Plan::Hangs; 3]);
        let mut handles = Vec::new();
        for _ in 0..10 {
            handles.push(start(&node, &key, "alpha__get_item", OPEN).await.expect("it is staged"));
        }
        settle().await;
        assert_eq!(world.seen().forwarded.len(), 3);
        let mut reasons = Vec::new();
        for handle in handles {
            reasons.push(refusal(handle.done.await.unwrap()).denial.reason);
        }
        let limited = reasons.iter().filter(|reason| **reason == Reason::LimitExceeded).count();
        let late = reasons.iter().filter(|reason| **reason == Reason::UpstreamTimeout).count();
        assert_eq!((limited, late), (7, 3), "{reasons:?}");
        assert!(matches!(call(&node, &key, "alpha__get_item", OPEN).await, Finished::Answered(..)));
        at_peace(&world, &node);
    });
}

#[test]
fn a_call_counts_as_open_until_its_outcome() {
    run(async {
        let (world, node, key) = bench(1).await;
        node.upstreams.script([Plan::Answers(500)]);
        let first = start(&node, &key, "alpha__get_item", OPEN).await.expect("it is staged");
        settle().await;
        assert_eq!(world.seen().forwarded, [first.id]);
        let second = refusal(call(&node, &key, "alpha__get_item", OPEN).await);
        assert_eq!(second.denial.reason, Reason::LimitExceeded);
        assert!(matches!(first.done.await.unwrap(), Finished::Answered(..)));
        assert!(matches!(call(&node, &key, "alpha__get_item", OPEN).await, Finished::Answered(..)));
        at_peace(&world, &node);
    });
}

#[test]
fn a_panic_in_an_adapter_ends_one_call_and_nothing_else() {
    run(async {
        let (world, node, key) = bench(8).await;
        for plan in [Plan::PanicsOpening, Plan::PanicsAnswering] {
            node.upstreams.script([plan]);
            let refused = refusal(call(&node, &key, "alpha__get_item", OPEN).await);
            assert_eq!(outcome(&world, refused.call), Some(Outcome::Unknown(Reason::Indeterminate)));
        }
        node.broker.fail_next(LeaseFault::Panics);
        let refused = refusal(call(&node, &key, "alpha__get_item", OPEN).await);
        assert_eq!(outcome(&world, refused.call), Some(Outcome::NotSent(Reason::Indeterminate)));
        node.approvals.set(ApprovalsMood::Panics);
        let refused = refusal(call(&node, &key, "alpha__run_command", OPEN).await);
        assert_eq!(refused.denial.reason, Reason::Indeterminate);
        assert_eq!(world.disk().of(refused.call).count(), 1, "the refusal is recorded");
        node.approvals.set(ApprovalsMood::AsKept);
        assert!(matches!(call(&node, &key, "alpha__get_item", OPEN).await, Finished::Answered(..)));
        at_peace(&world, &node);
    });
}

#[test]
fn a_cancelled_call_ends_at_once_even_in_a_flood() {
    run(async {
        let (world, node, key) = bench(8).await;
        for plan in [Plan::Hangs, Plan::Chatters] {
            node.upstreams.script([plan]);
            let handle = start(&node, &key, "alpha__get_item", OPEN).await.expect("it is staged");
            let before = node.clock.elapsed();
            // Time stands still while something is always ready: only the arrival tells.
            world.arrived.notified().await;
            handle.cancel();
            let refused = refusal(handle.done.await.unwrap());
            assert_eq!(outcome(&world, refused.call), Some(Outcome::Unknown(Reason::Cancelled)));
            assert!(world.seen().cancelled.contains(&refused.call), "the upstream is told to stop");
            assert!(node.clock.elapsed() - before < Duration::from_secs(1));
        }
        at_peace(&world, &node);
    });
}

#[test]
fn an_answer_that_comes_with_its_cancellation_is_not_given() {
    run(async {
        let (world, node, key) = bench(8).await;
        node.upstreams.script([Plan::Answers(100)]);
        let handle = start(&node, &key, "alpha__get_item", OPEN).await.expect("it is staged");
        world.arrived.notified().await;
        // The answer is due at the very moment in which this wakes, which is before the call does.
        tokio::time::sleep(Duration::from_millis(100)).await;
        handle.cancel();
        let refused = refusal(handle.done.await.unwrap());
        assert_eq!(outcome(&world, refused.call), Some(Outcome::Unknown(Reason::Cancelled)));
        assert!(world.seen().cancelled.contains(&refused.call), "the upstream is told to stop");
        at_peace(&world, &node);
    });
}

#[test]
fn a_cancellation_before_sending_sends_nothing() {
    run(async {
        let (world, node, key) = bench(8).await;
        node.store.hold(true);
        let handle = start(&node, &key, "alpha__get_item", OPEN).await.expect("it is staged");
        settle().await;
        handle.cancel();
        node.store.hold(false);
        let refused = refusal(handle.done.await.unwrap());
        assert_eq!(outcome(&world, refused.call), Some(Outcome::NotSent(Reason::Cancelled)));
        assert!(world.seen().forwarded.is_empty());
        at_peace(&world, &node);
    });
}

#[test]
fn a_call_cancelled_before_its_intent_has_none() {
    run(async {
        let (world, node, key) = bench(8).await;
        let caller = caller(&node, &key).await;
        let handle = node.door.call(caller, request("alpha__get_item", OPEN)).await.expect("it is resolved");
        let before = words(&world).len();
        handle.cancel();
        assert_eq!(refusal(handle.done.await.unwrap()).denial.reason, Reason::Cancelled);
        assert_eq!(words(&world)[before..], ["decision"], "a refusal, and no intent");
        at_peace(&world, &node);
    });
}

#[test]
fn a_call_whose_client_is_gone_is_recorded_all_the_same() {
    run(async {
        let (world, node, key) = bench(8).await;
        node.upstreams.script([Plan::Answers(1000)]);
        let id = start(&node, &key, "alpha__get_item", OPEN).await.expect("it is staged").id;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(outcome(&world, id), Some(Outcome::Completed));
        at_peace(&world, &node);
    });
}

#[test]
fn what_upstreams_do_wrong_is_told_apart() {
    run(async {
        let (world, node, key) = bench(8).await;
        let cases = [
            (Plan::Unreachable, Outcome::NotSent(Reason::UpstreamUnavailable)),
            (Plan::Hangs, Outcome::Unknown(Reason::UpstreamTimeout)),
            (Plan::Crashes, Outcome::Unknown(Reason::UpstreamUnavailable)),
            (Plan::Lies, Outcome::Unknown(Reason::UpstreamViolation)),
            (Plan::Floods, Outcome::Unknown(Reason::LimitExceeded)),
        ];
        for (plan, expected) in cases {
            node.upstreams.script([plan]);
            let refused = refusal(call(&node, &key, "alpha__get_item", OPEN).await);
            assert_eq!(outcome(&world, refused.call), Some(expected));
            assert!(!refused.denial.public.contains("simulation"), "{}", refused.denial.public);
            let sent = matches!(expected, Outcome::Unknown(_));
            assert_eq!(sent, !refused.denial.public.contains("nothing was sent"));
        }
        for plan in [Plan::ToolError, Plan::RpcError] {
            node.upstreams.script([plan]);
            let Finished::Answered(id, _) = call(&node, &key, "alpha__get_item", OPEN).await else {
                panic!("a tool's own error is an answer");
            };
            assert_eq!(outcome(&world, id), Some(Outcome::ToolError));
        }
        at_peace(&world, &node);
    });
}

#[test]
fn a_server_that_changed_before_it_said_so_gets_nothing() {
    run(async {
        let (world, node, key) = bench(8).await;
        assert!(world.servers.offer(&server("alpha"), &reader("get_item", 2)));
        let refused = refusal(call(&node, &key, "alpha__get_item", OPEN).await);
        assert_eq!(outcome(&world, refused.call), Some(Outcome::NotSent(Reason::DefinitionChanged)));
        assert!(refused.denial.public.contains("a person"), "nobody certified it yet");
        assert!(world.seen().forwarded.is_empty());
        at_peace(&world, &node);
    });
}

#[test]
fn a_tool_that_changed_since_it_was_listed_is_refused_until_it_is_listed_again() {
    run(async {
        let (world, node, key) = bench(8).await;
        let list = async || node.door.list(&caller(&node, &key).await, &Endpoint::All).await;
        assert_eq!(list().await.ok().unwrap().tools.len(), 3);
        assert!(world.servers.offer(&server("alpha"), &reader("get_item", 2)));
        node.connect(&server("alpha")).await.unwrap();
        certify(&node, &tool("alpha", "get_item")).await;
        let refused = refusal(call(&node, &key, "alpha__get_item", OPEN).await);
        assert_eq!(refused.denial.reason, Reason::DefinitionChanged);
        assert!(refused.denial.public.contains("list the tools again"), "somebody certified it already");
        assert_eq!(list().await.ok().unwrap().tools.len(), 3);
        assert!(matches!(call(&node, &key, "alpha__get_item", OPEN).await, Finished::Answered(..)));
        at_peace(&world, &node);
    });
}

/// `get_item` changes, and a person certifies the change.
async fn change_item(world: &World, node: &Node) {
    assert!(world.servers.offer(&server("alpha"), &reader("get_item", 2)));
    node.connect(&server("alpha")).await.unwrap();
    certify(node, &tool("alpha", "get_item")).await;
}

#[test]
fn what_was_listed_is_known_to_the_next_process() {
    let world = world(8);
    let key = run(async {
        let node = ready(&world, Knobs::quiet(15)).await;
        let key = add(&node, "ada", &[]).await;
        assert!(node.door.list(&caller(&node, &key).await, &Endpoint::All).await.is_ok());
        key
    });
    run(async {
        let node = Node::open(&world, sources(POLICY), Knobs::quiet(16)).await.unwrap();
        change_item(&world, &node).await;
        let refused = refusal(call(&node, &key, "alpha__get_item", OPEN).await);
        assert_eq!(refused.denial.reason, Reason::DefinitionChanged);
        at_peace(&world, &node);
    });
}

#[test]
fn a_list_that_did_not_leave_was_not_listed() {
    run(async {
        let (world, node, key) = bench(8).await;
        let list = async || node.door.list(&caller(&node, &key).await, &Endpoint::All).await;
        assert!(list().await.is_ok());
        change_item(&world, &node).await;
        node.store.room(0);
        assert!(list().await.is_err());
        node.store.room(usize::MAX);
        let refused = refusal(call(&node, &key, "alpha__get_item", OPEN).await);
        assert_eq!(refused.denial.reason, Reason::DefinitionChanged, "the agent knows the old one only");
        at_peace(&world, &node);
    });
}

#[test]
fn a_door_of_one_server_shows_its_tools_by_their_own_names() {
    run(async {
        let (world, node, _) = bench(8).await;
        let analyst = caller(&node, &add(&node, "bob", &["analysts"]).await).await;
        let names = async |endpoint: Endpoint| {
            let listed = node.door.list(&analyst, &endpoint).await.ok().unwrap();
            listed.tools.into_iter().map(|tool| tool.name).collect::<Vec<_>>()
        };
        assert_eq!(names(Endpoint::Server(server("beta"))).await, ["get_rows"]);
        assert!(names(Endpoint::Server(server("gamma"))).await.is_empty());
        assert!(names(Endpoint::All).await.contains(&"beta__get_rows".to_owned()));
        at_peace(&world, &node);
    });
}

#[test]
fn a_list_that_cannot_be_recorded_does_not_leave() {
    run(async {
        let (world, node, key) = bench(8).await;
        let caller = caller(&node, &key).await;
        node.store.fail_at(1, DiskFault::Before);
        let listed = node.door.list(&caller, &Endpoint::All).await;
        assert_eq!(listed.err().map(|refused| refused.denial.reason), Some(Reason::Indeterminate));
        assert!(world.disk().control.listed.is_empty());
    });
}

#[test]
fn a_list_overtaken_by_a_removal_shows_nothing() {
    run(async {
        let (world, node, key) = bench(8).await;
        let caller = caller(&node, &key).await;
        node.store.hold(true);
        let (removed, listed) = tokio::join!(node.admin.remove_agent(BY, &caller.principal().agent), async {
            settle().await;
            let list = node.door.list(&caller, &Endpoint::All);
            let release = async {
                settle().await;
                node.store.hold(false);
            };
            tokio::join!(list, release).0
        });
        removed.unwrap();
        let refused = listed.err().expect("the agent is gone");
        assert_eq!(refused.denial.reason, Reason::InvalidCredential);
        assert_eq!(world.disk().of(refused.call).count(), 1);
        at_peace(&world, &node);
    });
}

#[test]
fn a_fenced_record_refuses_everything_and_sends_nothing() {
    for fault in [DiskFault::Before, DiskFault::After] {
        run(async {
            let (world, node, key) = bench(8).await;
            node.store.fail_at(1, fault);
            for _ in 0..3 {
                let refused = refusal(call(&node, &key, "alpha__get_item", OPEN).await);
                assert_eq!(refused.denial.reason, Reason::Indeterminate);
            }
            // What cannot be recorded tells no reason either.
            for (name, arguments) in [("alpha__update_item", r#"{"id":"shut"}"#), ("alpha__nothing", OPEN)] {
                let refused = refusal(call(&node, &key, name, arguments).await);
                assert_eq!(refused.denial.reason, Reason::Indeterminate, "{name}");
            }
            assert!(!node.healthy());
            assert!(world.seen().forwarded.is_empty());
            world.disk().recover(node.clock.now());
            sim::judge::at_rest(&world);
            assert_eq!(world.seen().violations, Vec::<String>::new());
        });
    }
}

#[test]
fn an_answer_whose_outcome_is_not_durable_does_not_leave() {
    for fault in [DiskFault::Before, DiskFault::After] {
        run(async {
            let (world, node, key) = bench(8).await;
            node.store.fail_at(2, fault);
            let refused = refusal(call(&node, &key, "alpha__get_item", OPEN).await);
            assert_eq!(refused.denial.reason, Reason::Indeterminate);
            assert!(refused.denial.public.contains("may have acted"), "{}", refused.denial.public);
            assert_eq!(world.seen().forwarded.len(), 1);
        });
    }
}

#[test]
fn an_outcome_is_taken_even_when_the_record_takes_nothing_else() {
    run(async {
        let (world, node, key) = bench(8).await;
        node.upstreams.script([Plan::Answers(200)]);
        let handle = start(&node, &key, "alpha__get_item", OPEN).await.expect("it is staged");
        settle().await;
        node.store.room(0);
        assert!(matches!(handle.done.await.unwrap(), Finished::Answered(..)));
        let refused = refusal(call(&node, &key, "alpha__get_item", OPEN).await);
        assert_eq!(refused.denial.reason, Reason::Indeterminate);
        assert_eq!(world.seen().forwarded.len(), 1);
        at_peace(&world, &node);
    });
}

#[test]
fn without_randomness_nothing_is_sent_that_is_not_recorded() {
    for draws in 0..8 {
        run(async {
            let (world, node, key) = bench(8).await;
            node.entropy.dry_after(draws);
            let finished = call(&node, &key, "alpha__get_item", OPEN).await;
            if draws < 3 {
                assert_eq!(refusal(finished).denial.reason, Reason::Indeterminate, "{draws} draws");
                assert!(world.seen().forwarded.is_empty());
            }
            node.entropy.refill();
            assert!(matches!(call(&node, &key, "alpha__get_item", OPEN).await, Finished::Answered(..)));
            // Without a salt there is no commitment to the arguments, but there is an entry.
            node.entropy.dry_after(1);
            let refused = refusal(call(&node, &key, "alpha__update_item", r#"{"id":"shut"}"#).await);
            assert_eq!(world.disk().of(refused.call).count(), 1, "{}", refused.denial.public);
            at_peace(&world, &node);
        });
    }
}

#[test]
fn noise_is_one_entry_in_ten_seconds_and_loses_no_count() {
    run(async {
        let (world, node, _) = bench(8).await;
        for _ in 0..350 {
            let wrong = Presented::Bearer(Secret::new("cgk_wrong".to_owned()));
            assert!(node.door.identify(wrong).await.is_err());
            assert!(node.door.identify(Presented::Nothing).await.is_err());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        node.door.noise().flush(node.door.ports(), true);
        settle().await;
        let disk = world.disk();
        let details = disk.entries.iter().filter_map(|kept| match &kept.entry.body {
            Body::Lifecycle(body) if body.what == "noise" => Some((kept.entry.at, body.detail.clone())),
            _ => None,
        });
        let noise: Vec<_> = details.collect();
        assert_eq!(noise.len(), 5, "35 seconds and the flush at the end: {noise:?}");
        for pair in noise[..4].windows(2) {
            assert!(pair[1].0.since(pair[0].0) >= 10_000_000, "{noise:?}");
        }
        let count = |word: &str| -> u64 {
            let words = noise.iter().flat_map(|(_, detail)| detail.split(' '));
            words.filter_map(|pair| pair.strip_prefix(word)?.strip_prefix('=')?.parse::<u64>().ok()).sum()
        };
        assert_eq!((count("invalid_credential"), count("unauthenticated")), (350, 350));
    });
}
