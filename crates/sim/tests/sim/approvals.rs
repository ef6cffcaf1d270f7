//! Calls that a person has to approve: asked for once, answered, used once, by nobody else and for nothing else.

use std::sync::Arc;
use std::time::Duration;

use admin::{Asked, Says};
use call::{Finished, Refused};
use ledger::{Body, Verdict};
use model::approval::{KEPT_SECONDS, PENDING_PER_AGENT_MAX, PENDING_SECONDS, Standing, USABLE_SECONDS};
use model::denial::Reason;
use ports::secret::Secret;
use sim::edges::ApprovalsMood;
use sim::{Knobs, Node, World};

use crate::setup::{
    BY, OPEN, POLICY, add, agent, at_peace, call, certify, policies, ready, refusal, run, server, sources,
    tool, words, world, writer,
};

const RUN: &str = "alpha__run_command";

async fn bench() -> (Arc<World>, Node, Secret) {
    let world = world(8);
    let node = ready(&world, Knobs::quiet(11)).await;
    let key = add(&node, "ada", &[]).await;
    (world, node, key)
}

async fn refused(node: &Node, key: &Secret, arguments: &str) -> Refused {
    refusal(call(node, key, RUN, arguments).await)
}

async fn waiting(node: &Node) -> Vec<Asked> {
    let all = node.admin.approvals().await.unwrap();
    all.into_iter().filter(|asked| asked.standing == Standing::Waiting).collect()
}

/// The one that waits, answered.
async fn answer(node: &Node, yes: bool, note: &str) -> Asked {
    let asked = waiting(node).await.pop().expect("one waits");
    let says = if yes { Says::Yes(asked.approval.key.call) } else { Says::No };
    node.admin.answer(BY, &asked.approval.id.to_string(), says, note).await.unwrap()
}

#[test]
fn a_call_waits_is_approved_runs_once_and_then_waits_again() {
    run(async {
        let (world, node, key) = bench().await;
        let before = words(&world).len();
        let first = refused(&node, &key, OPEN).await;
        assert_eq!(first.denial.reason, Reason::ApprovalRequired);
        let (id, until) = first.denial.approval().expect("it says which");
        assert_eq!(id.call(), first.call, "the approval leads to the call that asked first");
        assert!(first.denial.public.starts_with(&format!("waiting for a person: approval {id}, expires ")));
        let again = refused(&node, &key, OPEN).await;
        assert_eq!(again.denial.approval(), Some((id, until)), "it is not asked twice");
        assert_eq!(waiting(&node).await.len(), 1);
        let full = node.admin.approval(&id.to_string()[..12]).await.unwrap();
        assert_eq!((full.arguments.as_str(), full.asked.approval.self_approvable), (OPEN, true));
        let epoch = node.admin.current().epoch;
        let given = answer(&node, true, "go ahead").await;
        assert_eq!(given.standing, Standing::Approved);
        assert_eq!(node.admin.current().epoch, epoch, "open calls need not be decided again");
        assert!(world.seen().forwarded.is_empty(), "an approval resumes nothing");
        let Finished::Answered(acting, _) = call(&node, &key, RUN, OPEN).await else {
            panic!("it is permitted")
        };
        assert_eq!(world.seen().forwarded, [acting]);
        let third = refused(&node, &key, OPEN).await;
        let (anew, _) = third.denial.approval().unwrap();
        assert_ne!(anew, id, "what is used is used");
        assert_eq!(
            words(&world)[before..],
            ["decision", "decision", "approval", "intent", "outcome", "decision"]
        );
        {
            let disk = world.disk();
            let intent = &disk.intent(acting).unwrap().leaf;
            assert!(intent.contains(&format!(r#""approval":"{id}""#)), "{intent}");
            let leaf = &disk.entries.iter().find(|kept| kept.entry.kind() == "approval").unwrap().leaf;
            for part in
                [r#""answer":"approved""#, r#""by":"operator:ann""#, r#""self_approved":true"#, "go ahead"]
            {
                assert!(leaf.contains(part), "{leaf}");
            }
            assert!(!leaf.contains("open"), "arguments stay out of the record");
        }
        at_peace(&world, &node);
    });
}

#[test]
fn other_arguments_another_agent_and_another_definition_need_their_own() {
    run(async {
        let (world, node, key) = bench().await;
        let other = add(&node, "bob", &[]).await;
        let asked = refused(&node, &key, OPEN).await.denial.approval().unwrap().0;
        answer(&node, true, "").await;
        assert_ne!(refused(&node, &key, r#"{"id":"shut"}"#).await.denial.approval().unwrap().0, asked);
        assert_ne!(refused(&node, &other, OPEN).await.denial.approval().unwrap().0, asked);
        assert!(world.servers.offer(&server("alpha"), &writer("run_command", 2)));
        node.connect(&server("alpha")).await.unwrap();
        certify(&node, &tool("alpha", "run_command")).await;
        assert_ne!(
            refused(&node, &key, OPEN).await.denial.approval().unwrap().0,
            asked,
            "another definition"
        );
        assert!(world.seen().forwarded.is_empty());
        at_peace(&world, &node);
    });
}

#[test]
fn arguments_that_are_not_those_it_is_bound_to_are_not_shown() {
    run(async {
        let (world, node, key) = bench().await;
        let asked = refused(&node, &key, OPEN).await.denial.approval().unwrap().0.to_string();
        world.disk().approvals[0].1 = r#"{"id":"harmless"}"#.to_owned();
        let error = node.admin.approval(&asked).await.expect_err("the kept arguments were changed");
        assert!(error.to_string().contains("are not those it is bound to"), "{error}");
        at_peace(&world, &node);
    });
}

#[test]
fn two_calls_racing_for_one_approval_are_one_call() {
    run(async {
        let (world, node, key) = bench().await;
        refused(&node, &key, OPEN).await;
        answer(&node, true, "").await;
        let ends = tokio::join!(
            call(&node, &key, RUN, OPEN),
            call(&node, &key, RUN, OPEN),
            call(&node, &key, RUN, OPEN),
        );
        let ends = [ends.0, ends.1, ends.2];
        assert_eq!(world.seen().forwarded.len(), 1);
        let reasons: Vec<_> = ends
            .into_iter()
            .filter_map(|end| match end {
                Finished::Refused(refused) => Some((refused.denial.reason, refused.denial.approval())),
                Finished::Answered(..) => None,
            })
            .collect();
        assert_eq!(reasons.len(), 2);
        assert!(reasons.iter().all(|(reason, _)| *reason == Reason::ApprovalRequired), "{reasons:?}");
        assert_eq!(reasons[0].1, reasons[1].1, "both wait for the same new one");
        at_peace(&world, &node);
    });
}

#[test]
fn a_rejection_is_told_with_its_reason_and_without_who_and_can_be_asked_again_later() {
    run(async {
        let (world, node, key) = bench().await;
        let id = refused(&node, &key, OPEN).await.denial.approval().unwrap().0;
        answer(&node, false, "not on a \u{202e}Friday").await;
        let told = refused(&node, &key, OPEN).await;
        assert_eq!((told.denial.reason, told.denial.approval().unwrap().0), (Reason::ApprovalRejected, id));
        assert!(told.denial.public.contains("not on a \\u{202e}Friday"), "{}", told.denial.public);
        assert!(!told.denial.public.contains("ann") && told.denial.private.contains("operator:ann"));
        node.clock.jump(PENDING_SECONDS);
        let anew = refused(&node, &key, OPEN).await;
        assert_eq!(anew.denial.reason, Reason::ApprovalRequired);
        assert_ne!(anew.denial.approval().unwrap().0, id);
        at_peace(&world, &node);
    });
}

#[test]
fn what_expired_is_told_once_and_then_asked_anew() {
    run(async {
        let (world, node, key) = bench().await;
        let id = refused(&node, &key, OPEN).await.denial.approval().unwrap().0;
        node.clock.jump(PENDING_SECONDS);
        let error = node.admin.answer(BY, &id.to_string(), Says::No, "").await.err().unwrap();
        assert!(error.to_string().contains("expired"), "{error}");
        let told = refused(&node, &key, OPEN).await;
        assert_eq!((told.denial.reason, told.denial.approval().unwrap().0), (Reason::ApprovalExpired, id));
        assert!(told.denial.public.contains("was not answered in time"), "{}", told.denial.public);
        let anew = refused(&node, &key, OPEN).await.denial;
        assert_eq!(anew.reason, Reason::ApprovalRequired);
        // An approval that nobody used in time is used by nobody.
        answer(&node, true, "").await;
        node.clock.jump(USABLE_SECONDS);
        let late = refused(&node, &key, OPEN).await.denial;
        assert_eq!(late.reason, Reason::ApprovalExpired);
        assert!(late.public.contains("not used in time"), "{}", late.public);
        // Of what is long ago nothing is told.
        refused(&node, &key, OPEN).await;
        node.clock.jump(PENDING_SECONDS + KEPT_SECONDS);
        assert_eq!(refused(&node, &key, OPEN).await.denial.reason, Reason::ApprovalRequired);
        assert!(world.seen().forwarded.is_empty());
        at_peace(&world, &node);
    });
}

#[test]
fn a_request_outlives_the_process_and_ends_with_its_agent() {
    run(async {
        let (world, node, key) = bench().await;
        let other = add(&node, "bob", &[]).await;
        let id = refused(&node, &key, OPEN).await.denial.approval().unwrap().0;
        refused(&node, &other, OPEN).await;
        drop(node);
        let node = Node::open(&world, sources(POLICY), Knobs::quiet(12)).await.unwrap();
        assert_eq!(refused(&node, &key, OPEN).await.denial.approval().unwrap().0, id);
        node.admin.remove_agent(BY, &agent("bob")).await.unwrap();
        let left: Vec<_> = waiting(&node).await.into_iter().map(|asked| asked.approval.id).collect();
        assert_eq!(left, [id], "bob's ended with bob");
        answer(&node, true, "").await;
        node.connect(&server("alpha")).await.unwrap();
        assert!(matches!(call(&node, &key, RUN, OPEN).await, Finished::Answered(..)));
        at_peace(&world, &node);
    });
}

#[test]
fn a_yes_is_only_taken_for_the_call_that_was_shown_and_that_it_can_let_run() {
    run(async {
        let (world, node, key) = bench().await;
        let first = refused(&node, &key, OPEN).await.denial.approval().unwrap().0;
        let second = refused(&node, &key, r#"{"id":"shut"}"#).await.denial.approval().unwrap().0;
        let shown = node.admin.approval(&first.to_string()).await.unwrap().asked.approval.key.call;
        let entries = world.disk().entries.len();
        let said =
            async |id: &str, says| node.admin.answer(BY, id, says, "").await.err().unwrap().to_string();
        let text = said(&second.to_string(), Says::Yes(shown)).await;
        assert!(text.contains("of another call"), "{text}");
        let text = said("apr_", Says::No).await;
        assert!(text.contains("no approval"), "{text}");
        let text = said("apr_0", Says::No).await;
        assert!(text.contains("2 approvals"), "{text}");
        node.admin.quarantine(BY, &tool("alpha", "run_command")).await.unwrap();
        let text = said(&first.to_string(), Says::Yes(shown)).await;
        assert!(text.contains("not the certified tool any more"), "{text}");
        certify(&node, &tool("alpha", "run_command")).await;
        node.admin.answer(BY, &first.to_string(), Says::Yes(shown), "").await.unwrap();
        let text = said(&first.to_string(), Says::No).await;
        assert!(text.contains("approved already"), "{text}");
        let control = ["tool.quarantined", "tool.certified", "approval"];
        assert_eq!(words(&world)[entries..], control, "what was refused left nothing");
        at_peace(&world, &node);
    });
}

#[test]
fn what_one_person_cannot_give_is_not_taken_from_one() {
    run(async {
        let (world, node, key) = bench().await;
        let alone = POLICY.replace(
            "context.approval.count >= 1",
            "context.approval.count >= 1 && !context.approval.self_approved",
        );
        node.admin.load_policies(policies(&alone)).await.unwrap();
        refused(&node, &key, OPEN).await;
        let asked = waiting(&node).await.pop().unwrap().approval;
        assert!(!asked.self_approvable);
        let says = Says::Yes(asked.key.call);
        let error = node.admin.answer(BY, &asked.id.to_string(), says, "").await.err().unwrap();
        assert!(error.to_string().contains("more than one operator can give"), "{error}");
        // Approved under a policy that was content with one person; the one in force by now is not.
        answer(&node, false, "").await;
        node.admin.load_policies(policies(POLICY)).await.unwrap();
        refused(&node, &key, r#"{"id":"shut"}"#).await;
        answer(&node, true, "").await;
        node.admin.load_policies(policies(&alone)).await.unwrap();
        let told = refused(&node, &key, r#"{"id":"shut"}"#).await.denial;
        assert_eq!(told.reason, Reason::ApprovalRequired);
        assert!(told.public.contains("policy asks for more"), "{}", told.public);
        assert!(world.seen().forwarded.is_empty());
        at_peace(&world, &node);
    });
}

#[test]
fn one_agent_cannot_fill_the_list_and_asking_again_fills_nothing() {
    run(async {
        let (world, node, key) = bench().await;
        let other = add(&node, "bob", &[]).await;
        let arguments = |number: usize| format!(r#"{{"id":"n{number}"}}"#);
        for number in 0..PENDING_PER_AGENT_MAX {
            refused(&node, &key, &arguments(number)).await;
            refused(&node, &key, &arguments(number)).await;
        }
        assert_eq!(waiting(&node).await.len(), PENDING_PER_AGENT_MAX);
        let one_more = refused(&node, &key, OPEN).await;
        assert_eq!(one_more.denial.reason, Reason::LimitExceeded);
        let recorded = match &world.disk().of(one_more.call).next().unwrap().entry.body {
            Body::Decision(body) => (body.verdict, body.approval),
            other => panic!("{other:?}"),
        };
        assert_eq!(recorded, (Verdict::Deny(Reason::LimitExceeded), None));
        assert_eq!(refused(&node, &other, OPEN).await.denial.reason, Reason::ApprovalRequired, "bob may ask");
        assert_eq!(refused(&node, &key, &arguments(0)).await.denial.reason, Reason::ApprovalRequired);
        at_peace(&world, &node);
    });
}

#[test]
fn who_cannot_tell_whether_there_is_an_approval_says_no() {
    run(async {
        let (world, node, key) = bench().await;
        refused(&node, &key, OPEN).await;
        answer(&node, true, "").await;
        let asked = node.approvals.asked();
        node.approvals.set(ApprovalsMood::Faulty);
        assert_eq!(refused(&node, &key, OPEN).await.denial.reason, Reason::Indeterminate);
        node.approvals.set(ApprovalsMood::AsKept);
        node.entropy.dry_after(1);
        let dry = refused(&node, &key, r#"{"id":"shut"}"#).await;
        assert_eq!(dry.denial.reason, Reason::Indeterminate, "{}", dry.denial.public);
        node.entropy.refill();
        assert!(waiting(&node).await.is_empty(), "what could not be recorded was not asked for");
        assert!(world.seen().forwarded.is_empty());
        assert!(matches!(call(&node, &key, RUN, OPEN).await, Finished::Answered(..)), "it was not used up");
        assert_eq!(node.approvals.asked() - asked, 3, "only what policy parks is asked about");
        tokio::time::sleep(Duration::from_millis(1)).await;
        at_peace(&world, &node);
    });
}
