//! What operators and servers change: whole, in order, recorded, and in force when it is acknowledged.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use admin::{AdminError, CertifyNamed, NewAgent, NewLocalAgent, Shown, StartFault};
use call::Finished;
use ledger::{Body, Outcome};
use model::denial::Reason;
use model::digest::Digest;
use model::tool::Risk;
use ports::definitions::{DefinitionObserver, Offered};
use ports::identity::{LocalPeer, Presented};
use ports::secret::Secret;
use sim::store::DiskFault;
use sim::upstream::Plan;
use sim::{Knobs, Node, World};

use crate::setup::{
    BY, OPEN, POLICY, add, agent, at_peace, call, certify, certify_listed, policies, reader, ready, refusal,
    run, server, sources, start, tool, words, world, writer,
};

async fn valid(node: &Node, key: &Secret) -> bool {
    node.door.identify(Presented::Bearer(key.clone())).await.is_ok()
}

fn named(name: &model::tool::ToolRef, shown: Digest) -> CertifyNamed {
    CertifyNamed { tool: name.clone(), shown, risk: None, returns_secrets: None }
}

/// The text of a refusal that changed nothing.
async fn unchanged<T>(
    world: &World,
    node: &Node,
    asked: impl Future<Output = Result<T, AdminError>>,
) -> String {
    let (before, entries) = (node.admin.current(), world.disk().entries.len());
    let error = asked.await.err().expect("it is refused");
    assert!(Arc::ptr_eq(&before, &node.admin.current()), "nothing was published");
    assert_eq!(world.disk().entries.len(), entries, "nothing was written");
    error.to_string()
}

#[test]
fn flagged_and_privileged_tools_are_certified_by_name_only() {
    run(async {
        let world = world(8);
        let flagged = reader("find_notes", 1).replace("version 1", "Finds notes.\u{200b}");
        assert!(world.servers.offer(&server("alpha"), &flagged));
        let node = Node::open(&world, sources(POLICY), Knobs::quiet(1)).await.unwrap();
        node.connect(&server("alpha")).await.unwrap();
        let report = certify_listed(&node.admin).await.unwrap();
        let left: Vec<String> = report.left.iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(left, ["alpha__find_notes", "alpha__run_command"]);
        assert!(report.left.iter().all(|(_, why)| !why.is_empty()));
        for name in [tool("alpha", "find_notes"), tool("alpha", "run_command")] {
            let shown = node.admin.tool(&name).unwrap().digest;
            let other = Digest::of(b"another definition");
            unchanged(&world, &node, node.admin.certify_named(BY, named(&name, other))).await;
            let certified = node.admin.certify_named(BY, named(&name, shown)).await.unwrap();
            assert!(certified.usable());
        }
        let again = certify_listed(&node.admin).await.unwrap();
        assert!(again.certified.is_empty(), "there is nothing left");
        at_peace(&world, &node);
    });
}

#[test]
fn what_was_shown_is_what_is_certified() {
    run(async {
        let world = world(8);
        let node = Node::open(&world, sources(POLICY), Knobs::quiet(1)).await.unwrap();
        node.connect(&server("alpha")).await.unwrap();
        let shown = |name: &str| {
            let record = node.admin.tool(&tool("alpha", name)).unwrap();
            Shown { tool: record.name.clone(), definition: record.digest, risk: record.risk }
        };
        let (read, write, run) = (shown("get_item"), shown("update_item"), shown("run_command"));
        // While the person reads, the server brings another definition of the first.
        assert!(world.servers.offer(&server("alpha"), &reader("get_item", 2)));
        node.connect(&server("alpha")).await.unwrap();
        let lower = Shown { risk: Risk::Read, ..write.clone() };
        let report = node.admin.certify_shown(BY, &[read.clone(), lower]).await.unwrap();
        assert!(report.certified.is_empty(), "neither is what was shown");
        let left: Vec<String> = report.left.iter().map(|(name, why)| format!("{name}: {why}")).collect();
        let changed = |name: &str| format!("alpha__{name}: it changed after it was shown");
        assert_eq!(left, [changed("get_item"), changed("update_item")], "each is named");
        let report = node.admin.certify_shown(BY, &[read.clone(), write.clone(), run]).await.unwrap();
        assert_eq!(report.certified, [write.tool], "nor does it certify what is certified by name only");
        assert!(!node.admin.tool(&read.tool).unwrap().usable());
        at_peace(&world, &node);
    });
}

#[test]
fn a_changed_tool_is_certified_by_name_only_and_its_risk_never_falls_by_itself() {
    run(async {
        let world = world(8);
        let node = ready(&world, Knobs::quiet(2)).await;
        let name = tool("alpha", "update_item");
        assert!(world.servers.offer(&server("alpha"), &reader("update_item", 2)));
        node.connect(&server("alpha")).await.unwrap();
        let report = certify_listed(&node.admin).await.unwrap();
        assert!(report.certified.is_empty());
        certify(&node, &name).await;
        assert_eq!(node.admin.tool(&name).unwrap().risk, Risk::Write);
        at_peace(&world, &node);
    });
}

#[test]
fn a_policy_that_does_not_fit_keeps_a_tool_out_and_changes_nothing() {
    run(async {
        let world = world(8);
        let node = ready(&world, Knobs::quiet(3)).await;
        let strict = format!(
            "{POLICY}\n@id(\"shut\") forbid (principal, action == alpha::Action::\"get_item\", resource)\nwhen {{ context.args.id like \"shut*\" }};"
        );
        node.admin.load_policies(policies(&strict)).await.unwrap();
        let number = reader("get_item", 2).replace(r#""id":{"type":"string"}"#, r#""id":{"type":"integer"}"#);
        assert!(world.servers.offer(&server("alpha"), &number));
        node.connect(&server("alpha")).await.unwrap();
        let name = tool("alpha", "get_item");
        let shown = node.admin.tool(&name).unwrap().digest;
        let problem = unchanged(&world, &node, node.admin.certify_named(BY, named(&name, shown))).await;
        assert!(problem.contains("policies do not fit"), "{problem}");
        assert!(!node.admin.tool(&name).unwrap().usable());
        // Other tools are not held up by it, nor are other changes.
        add(&node, "bob", &[]).await;
        certify(&node, &tool("alpha", "update_item")).await;
        let broken = policies("permit (principal, action, resource) when { context.nothing };");
        unchanged(&world, &node, node.admin.load_policies(broken)).await;
        at_peace(&world, &node);
    });
}

#[test]
fn a_server_that_changes_or_drops_a_tool_ends_its_open_calls() {
    run(async {
        let world = world(8);
        let node = ready(&world, Knobs::quiet(4)).await;
        let key = add(&node, "ada", &[]).await;
        let original = reader("get_item", 1);
        let change = || world.servers.offer(&server("alpha"), &reader("get_item", 2));
        let remove = || {
            world.servers.withdraw(&tool("alpha", "get_item"));
            true
        };
        let changes: [(&dyn Fn() -> bool, bool); 2] = [(&remove, true), (&change, false)];
        for (change, comes_back) in changes {
            node.upstreams.script([Plan::Hangs, Plan::Hangs]);
            let hit = start(&node, &key, "alpha__get_item", OPEN).await.unwrap_or_else(|_| panic!("staged"));
            let other =
                start(&node, &key, "alpha__update_item", OPEN).await.unwrap_or_else(|_| panic!("staged"));
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert!(change());
            node.connect(&server("alpha")).await.unwrap();
            let refused = refusal(hit.done.await.unwrap());
            assert_eq!(world.disk().outcome(refused.call), Some(Outcome::Unknown(Reason::Revoked)));
            assert_eq!(world.disk().outcomes(other.id), 0, "calls of other tools go on");
            other.cancel();
            refusal(other.done.await.unwrap());
            let refused = refusal(call(&node, &key, "alpha__get_item", OPEN).await);
            assert_eq!(refused.denial.reason, Reason::UnknownTool);
            if comes_back {
                assert!(world.servers.offer(&server("alpha"), &original));
                node.connect(&server("alpha")).await.unwrap();
                let back = call(&node, &key, "alpha__get_item", OPEN).await;
                assert!(matches!(back, Finished::Answered(..)), "as it was certified");
            }
        }
        at_peace(&world, &node);
    });
}

#[test]
fn listing_the_same_again_writes_nothing() {
    run(async {
        let world = world(8);
        let node = ready(&world, Knobs::quiet(5)).await;
        let (before, entries) = (node.admin.current(), world.disk().entries.len());
        node.connect(&server("alpha")).await.unwrap();
        assert!(Arc::ptr_eq(&before, &node.admin.current()));
        assert_eq!(world.disk().entries.len(), entries);
    });
}

#[test]
fn a_rotated_key_ends_after_its_overlap() {
    run(async {
        let world = world(8);
        let node = ready(&world, Knobs::quiet(6)).await;
        let ada = agent("ada");
        let first = add(&node, "ada", &[]).await;
        let second = node.admin.rotate_agent(BY, &ada, 30, 60).await.unwrap().key;
        assert!(valid(&node, &first).await && valid(&node, &second).await);
        tokio::time::sleep(Duration::from_secs(59)).await;
        assert!(valid(&node, &first).await);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(!valid(&node, &first).await && valid(&node, &second).await);
        let third = node.admin.rotate_agent(BY, &ada, 1, 0).await.unwrap().key;
        assert!(!valid(&node, &second).await && valid(&node, &third).await);
        for _ in 0..3 {
            node.admin.rotate_agent(BY, &ada, 30, 3600).await.unwrap();
        }
        let why = unchanged(&world, &node, node.admin.rotate_agent(BY, &ada, 30, 3600)).await;
        assert!(why.contains("rotate without overlap"), "{why}");
        let last = node.admin.rotate_agent(BY, &ada, 30, 0).await.unwrap().key;
        assert!(!valid(&node, &third).await && valid(&node, &last).await);
        let long = node.admin.rotate_agent(BY, &ada, 30, 30 * 86_400).await.unwrap().key;
        node.clock.jump(86_400);
        assert!(!valid(&node, &last).await && valid(&node, &long).await, "no overlap is longer than a day");
        node.clock.jump(31 * 86_400);
        assert!(!valid(&node, &long).await, "a key expires");
        at_peace(&world, &node);
    });
}

#[test]
fn a_removed_agent_is_gone_and_its_name_stays_taken() {
    run(async {
        let world = world(8);
        let node = ready(&world, Knobs::quiet(7)).await;
        let key = add(&node, "ada", &[]).await;
        let bystander = add(&node, "bob", &[]).await;
        node.upstreams.script([Plan::Hangs]);
        let hit = start(&node, &key, "alpha__get_item", OPEN).await.unwrap_or_else(|_| panic!("staged"));
        tokio::time::sleep(Duration::from_millis(50)).await;
        node.upstreams.script([Plan::Answers(100)]);
        let other =
            start(&node, &bystander, "alpha__get_item", OPEN).await.unwrap_or_else(|_| panic!("staged"));
        tokio::time::sleep(Duration::from_millis(50)).await;
        let ada = agent("ada");
        node.admin.remove_agent(BY, &ada).await.unwrap();
        world.acknowledged_removal(&ada);
        assert!(!valid(&node, &key).await);
        assert_eq!(refusal(hit.done.await.unwrap()).denial.reason, Reason::Revoked);
        assert!(matches!(other.done.await.unwrap(), Finished::Answered(..)));
        let new = || NewAgent { id: ada.clone(), groups: vec![], owner: String::new(), key_days: 30 };
        let why = unchanged(&world, &node, node.admin.add_agent(BY, new())).await;
        assert!(why.contains("stays taken"), "{why}");
        unchanged(&world, &node, node.admin.rotate_agent(BY, &ada, 30, 0)).await;
        unchanged(&world, &node, node.admin.remove_agent(BY, &ada)).await;
        at_peace(&world, &node);
    });
}

#[test]
fn a_key_lives_between_a_day_and_a_year() {
    run(async {
        let world = world(8);
        let node = ready(&world, Knobs::quiet(8)).await;
        for key_days in [i64::MIN, -1, 0, 367, i64::MAX] {
            let new = NewAgent { id: agent("ada"), groups: vec![], owner: String::new(), key_days };
            unchanged(&world, &node, node.admin.add_agent(BY, new)).await;
        }
    });
}

#[test]
fn a_change_that_cannot_be_written_is_not_published() {
    for fault in [DiskFault::Before, DiskFault::After] {
        run(async {
            let world = world(8);
            let node = ready(&world, Knobs::quiet(9)).await;
            let key = add(&node, "ada", &[]).await;
            let before = node.admin.current();
            node.store.fail_at(1, fault);
            assert!(matches!(node.admin.remove_agent(BY, &agent("ada")).await, Err(AdminError::Fault(_))));
            assert!(Arc::ptr_eq(&before, &node.admin.current()));
            assert!(world.servers.offer(&server("alpha"), &reader("get_item", 2)));
            assert!(node.connect(&server("alpha")).await.is_err(), "no connection serves on this list");
            // What is on the disk is unknown, so nothing is decided any more.
            let refused = refusal(call(&node, &key, "alpha__get_item", OPEN).await);
            assert_eq!(refused.denial.reason, Reason::Indeterminate);
            assert!(world.seen().forwarded.is_empty());
        });
    }
}

#[test]
fn a_change_is_made_whole_when_nobody_waits_for_it_any_more() {
    run(async {
        let world = world(8);
        let node = ready(&world, Knobs::quiet(10)).await;
        let key = add(&node, "ada", &[]).await;
        let other = add(&node, "bob", &[]).await;
        node.upstreams.script([Plan::Hangs]);
        let open = start(&node, &key, "alpha__get_item", OPEN).await.unwrap_or_else(|_| panic!("staged"));
        tokio::time::sleep(Duration::from_millis(50)).await;
        node.store.hold(true);
        let ada = agent("ada");
        let removal = node.admin.remove_agent(BY, &ada);
        assert!(
            tokio::time::timeout(Duration::from_millis(5), removal).await.is_err(),
            "it waits for the disk"
        );
        node.store.hold(false);
        assert_eq!(refusal(open.done.await.unwrap()).denial.reason, Reason::Revoked);
        assert!(!valid(&node, &key).await);
        assert!(matches!(call(&node, &other, "alpha__get_item", OPEN).await, Finished::Answered(..)));
        at_peace(&world, &node);
    });
}

#[test]
fn changes_at_the_same_time_are_made_one_after_the_other() {
    run(async {
        let world = world(8);
        let node = ready(&world, Knobs::quiet(11)).await;
        let before = node.admin.current().epoch.0;
        assert!(world.servers.offer(&server("alpha"), &writer("update_item", 2)));
        let (rows, alpha) = (tool("beta", "get_rows"), server("alpha"));
        let (_, _, _, quarantined, listed) = tokio::join!(
            add(&node, "ada", &[]),
            add(&node, "bob", &["analysts"]),
            add(&node, "cyd", &[]),
            node.admin.quarantine(BY, &rows),
            node.connect(&alpha),
        );
        quarantined.unwrap();
        listed.unwrap();
        let now = node.admin.current();
        assert_eq!(now.epoch.0, before + 5);
        assert_eq!(now.agents.all().count(), 3);
        assert!(!now.catalog.get(&rows).unwrap().usable());
        assert!(!now.catalog.get(&tool("alpha", "update_item")).unwrap().usable());
        let epochs: Vec<u64> = world.pictures().unwrap().history().iter().map(|it| it.epoch.0).collect();
        assert!(epochs.is_sorted(), "{epochs:?}");
        at_peace(&world, &node);
    });
}

#[test]
fn every_change_says_who_made_it() {
    run(async {
        let world = world(8);
        let node = ready(&world, Knobs::quiet(12)).await;
        add(&node, "ada", &[]).await;
        node.admin.rotate_agent(BY, &agent("ada"), 30, 0).await.unwrap();
        node.admin.quarantine(BY, &tool("alpha", "get_item")).await.unwrap();
        node.admin.remove_agent(BY, &agent("ada")).await.unwrap();
        let all = words(&world);
        assert_eq!(all[all.len() - 4..], ["agent.added", "key.rotated", "tool.quarantined", "agent.removed"]);
        let disk = world.disk();
        for kept in &disk.entries {
            let Body::Control(body) = &kept.entry.body else { continue };
            let upstream = body.what == "tool.quarantined" && body.by.starts_with("upstream:");
            assert!(body.by == BY || body.by == "config" || upstream, "{} by {}", body.what, body.by);
            assert!(!kept.leaf.contains("cgk_"), "a key is in the record");
        }
    });
}

#[test]
fn no_process_starts_to_decide_with_policies_that_do_not_compile() {
    run(async {
        let broken = sources("permit (principal, action, resource) when { context.nothing };");
        let started = Node::open(&world(8), broken, Knobs::quiet(19)).await;
        assert!(matches!(started.err(), Some(StartFault::Policy(problems)) if !problems.is_empty()));
    });
}

#[test]
fn nobody_acts_as_a_local_agent_that_was_removed() {
    run(async {
        let world = world(8);
        let node = ready(&world, Knobs::quiet(20)).await;
        let claim = agent("ada");
        let local =
            NewLocalAgent { id: claim.clone(), groups: vec![], owner: String::new(), local_user: 1000 };
        node.admin.add_local_agent(BY, local).await.unwrap();
        let peer = async |uid| {
            let peer = LocalPeer { uid, pid: None, claim: claim.clone() };
            node.door.identify(Presented::LocalPeer(peer)).await.is_ok()
        };
        assert_eq!([peer(1000).await, peer(1001).await, peer(0).await], [true, false, false]);
        node.admin.remove_agent(BY, &claim).await.unwrap();
        assert!(!peer(1000).await);
        assert_eq!(node.admin.current().agents.by_name(&claim).unwrap().local_user, None);
        at_peace(&world, &node);
    });
}

#[test]
fn the_tools_of_a_server_that_is_not_configured_any_more_are_gone() {
    let world = world(8);
    let key = run(async { add(&ready(&world, Knobs::quiet(17)).await, "ada", &["analysts"]).await });
    run(async {
        let mut fewer = sources("permit (principal, action, resource);");
        fewer.servers.retain(|facts| facts.name != server("beta"));
        let node = Node::open(&world, fewer, Knobs::quiet(18)).await.unwrap();
        let refused = refusal(call(&node, &key, "beta__get_rows", OPEN).await);
        assert_eq!(refused.denial.reason, Reason::UnknownTool);
        assert!(matches!(call(&node, &key, "alpha__get_item", OPEN).await, Finished::Answered(..)));
        at_peace(&world, &node);
    });
}

#[test]
fn a_new_process_has_what_was_acknowledged() {
    let world = world(8);
    let key = run(async {
        let node = ready(&world, Knobs::quiet(13)).await;
        add(&node, "bob", &[]).await;
        node.admin.remove_agent(BY, &agent("bob")).await.unwrap();
        node.admin.quarantine(BY, &tool("alpha", "update_item")).await.unwrap();
        add(&node, "ada", &[]).await
    });
    run(async {
        let entries = world.disk().entries.len();
        let node = Node::open(&world, sources(POLICY), Knobs::quiet(14)).await.unwrap();
        let loaded = world.disk().entries.len() - entries;
        assert!(loaded <= 1, "at most that the policies are others now");
        assert!(valid(&node, &key).await);
        let bob = node.admin.current().agents.by_name(&agent("bob")).cloned().unwrap();
        assert!(bob.removed.is_some() && bob.keys.is_empty(), "nothing of its keys is kept");
        assert!(matches!(call(&node, &key, "alpha__get_item", OPEN).await, Finished::Answered(..)));
        let refused = refusal(call(&node, &key, "alpha__update_item", OPEN).await);
        assert_eq!(refused.denial.reason, Reason::UnknownTool);
        at_peace(&world, &node);
    });
}

#[test]
fn a_list_is_read_before_its_turn() {
    run(async {
        let world = world(8);
        let node = ready(&world, Knobs::quiet(1)).await;
        let offered =
            Offered { tools: vec![sim::servers::raw(r#"{"name":7}"#).unwrap()], methods: Vec::new() };
        let alpha = server("alpha");
        // Has its turn, and does not end it before this test waits.
        let mut change = Box::pin(node.admin.load_policies(policies(POLICY)));
        assert!(polled(change.as_mut()).is_pending());
        let mut observed = node.admin.observed(&alpha, offered);
        assert!(polled(observed.as_mut()).is_pending());
        assert_eq!(node.admin.refused_definitions(&alpha).len(), 1, "it was read");
        change.await.unwrap();
        observed.await.unwrap();
        at_peace(&world, &node);
    });
}

/// Once, by hand.
fn polled<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
