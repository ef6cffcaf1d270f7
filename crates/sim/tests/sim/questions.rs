//! What a server asks during a call: decided, recorded and shown before it is answered, and the answer recorded before it
//! goes on. Must never be sent anywhere but to the server that asked, in the call that it asked in.

use std::sync::Arc;
use std::time::Duration;

use call::{CallHandle, Finished, Passing, Round, Whose};
use ledger::{Body, Outcome, Verdict};
use model::call::{CallMeta, Endpoint, ToolCall};
use model::client::ClientCapabilities;
use model::denial::Reason;
use model::ids::CallId;
use model::method::Method;
use ports::secret::Secret;
use ports::upstream::Reply;
use sim::upstream::Plan;
use sim::{Knobs, Node, World};

use crate::setup::{
    BY, NO_WRITES, add, agent, at_peace, caller, outcome, policies, ready, refusal, request, run, server,
    settle, world,
};

const ALL: ClientCapabilities =
    ClientCapabilities::ELICIT_FORM.with(ClientCapabilities::SAMPLING).with(ClientCapabilities::ROOTS);

/// `alpha` may ask; sampling is for nobody, for it is a write.
async fn bench() -> (Arc<World>, Node, Secret) {
    let world = world(8);
    for method in Method::QUESTIONS {
        world.servers.declare(&server("alpha"), method);
    }
    let node = ready(&world, Knobs::quiet(11)).await;
    node.admin.load_policies(policies(NO_WRITES)).await.unwrap();
    let key = add(&node, "ada", &[]).await;
    (world, node, key)
}

fn get_item() -> ToolCall {
    let meta = CallMeta { client: ALL, ..CallMeta::default() };
    ToolCall { meta, endpoint: Endpoint::Server(server("alpha")), ..request("get_item", r#"{"id":"1"}"#) }
}

async fn begin(node: &Node, key: &Secret, method: Method) -> CallHandle {
    node.upstreams.script([Plan::Asks(method)]);
    let mut handle = node.door.call(caller(node, key).await, get_item()).await.unwrap();
    handle.detach();
    handle
}

async fn asked(handle: &mut CallHandle) -> Round {
    loop {
        match handle.passing.recv().await {
            Some(Passing::Asks(round)) => return round,
            Some(_) => {}
            None => panic!("it ended without asking"),
        }
    }
}

fn reply(text: &str) -> Vec<Reply> {
    vec![Reply { key: Box::from("question"), result: sim::servers::raw(text) }]
}

#[test]
fn a_question_is_recorded_before_it_is_shown_and_its_answer_before_it_goes_on() {
    run(async {
        let (world, node, key) = bench().await;
        let mut handle = begin(&node, &key, Method::Elicit).await;
        let round = asked(&mut handle).await;
        assert_eq!(round.questions()[0].params_raw.as_str(), r#"{"message":"which one?"}"#);
        let question = questions(&world, handle.id)[0];
        let Body::Decision(body) = world.disk().intent(question).unwrap().entry.body.clone() else {
            panic!()
        };
        assert_eq!(body.tool.name.to_string(), "alpha__mcp:elicitation/create");
        assert_eq!(body.verdict, Verdict::Permit);
        assert_eq!(outcome(&world, question), None, "nothing is known of it yet");
        round.answer(reply(r#"{"action":"accept","content":{"n":1}}"#));
        assert!(matches!(handle.done.await, Some(Finished::Answered(..))));
        assert_eq!(outcome(&world, question), Some(Outcome::Completed));
        let (call, replies) = world.seen().replied.pop().expect("the server has it");
        assert_eq!(call, handle.id);
        assert_eq!(replies[0].result.as_ref().unwrap().as_str(), r#"{"action":"accept","content":{"n":1}}"#);
        at_peace(&world, &node);
    });
}

#[test]
fn what_policy_does_not_permit_is_asked_of_nobody() {
    run(async {
        let (world, node, key) = bench().await;
        let mut handle = begin(&node, &key, Method::Sample).await;
        assert!(matches!(handle.done.await, Some(Finished::Answered(..))), "the server goes on without");
        while let Some(passing) = handle.passing.recv().await {
            assert!(matches!(passing, Passing::Progress(_)), "the client saw nothing of it");
        }
        assert!(world.seen().replied[0].1[0].result.is_none());
        at_peace(&world, &node);
    });
}

#[test]
fn a_server_is_told_only_of_what_it_could_be_permitted_to_use() {
    run(async {
        let (world, node, key) = bench().await;
        let handle = node.door.call(caller(&node, &key).await, get_item()).await.unwrap();
        drop(handle.done.await);
        let told = world.seen().told.clone();
        assert!(told[0].has(ClientCapabilities::ELICIT_FORM.with(ClientCapabilities::ROOTS)));
        assert!(!told[0].has(ClientCapabilities::SAMPLING), "nobody may be permitted that");
        at_peace(&world, &node);
    });
}

#[test]
fn a_client_that_goes_away_has_answered_nothing() {
    run(async {
        let (world, node, key) = bench().await;
        let mut handle = begin(&node, &key, Method::Elicit).await;
        drop(asked(&mut handle).await);
        assert!(matches!(handle.done.await, Some(Finished::Answered(..))));
        assert!(world.seen().replied[0].1[0].result.is_none());
        at_peace(&world, &node);
    });
}

#[test]
fn a_suspended_call_comes_back_once_and_only_for_the_same_request_of_the_same_agent() {
    run(async {
        let (world, node, key) = bench().await;
        let other = add(&node, "bob", &[]).await;
        let mut handle = begin(&node, &key, Method::Elicit).await;
        let (id, round) = (handle.id, asked(&mut handle).await);
        let (ada, bob) = (caller(&node, &key).await, caller(&node, &other).await);
        let state = node.door.suspend(handle, round, &Whose::of(&ada, &get_item())).unwrap();
        let elsewhere = ToolCall { endpoint: Endpoint::All, ..get_item() };
        let renamed = ToolCall { name: "update_item".to_owned(), ..get_item() };
        let changed = ToolCall { ..with(r#"{"id":"2"}"#) };
        for (who, call) in [(&bob, get_item()), (&ada, elsewhere), (&ada, renamed), (&ada, changed)] {
            let refused = node.door.resume(who, &call, &state).err().expect("it is not theirs");
            assert_eq!(refused.reason, Reason::InvalidArguments);
        }
        let (mut handle, round) = node.door.resume(&ada, &get_item(), &state).unwrap();
        assert_eq!((handle.id, node.door.suspended()), (id, 0));
        assert!(node.door.resume(&ada, &get_item(), &state).is_err(), "once");
        round.answer(reply(r#"{"action":"decline"}"#));
        assert!(matches!((&mut handle.done).await, Some(Finished::Answered(..))));
        assert_eq!(world.seen().forwarded, [id], "it was sent once");
        at_peace(&world, &node);
    });
}

/// The intents beside that of the call.
fn questions(world: &World, call: CallId) -> Vec<CallId> {
    let disk = world.disk();
    let intents = disk.entries.iter().filter(|durable| durable.entry.is_intent());
    intents.filter_map(|durable| durable.entry.call()).filter(|id| *id != call).collect()
}

fn with(arguments: &str) -> ToolCall {
    let call = get_item();
    let other = request("get_item", arguments);
    ToolCall { arguments: other.arguments, arguments_raw: other.arguments_raw, ..call }
}

#[test]
fn what_is_taken_away_ends_a_suspended_call_and_its_question() {
    run(async {
        let (world, node, key) = bench().await;
        let mut handle = begin(&node, &key, Method::Elicit).await;
        let round = asked(&mut handle).await;
        let ada = caller(&node, &key).await;
        let state = node.door.suspend(handle, round, &Whose::of(&ada, &get_item())).unwrap();
        node.admin.remove_agent(BY, &agent("ada")).await.unwrap();
        let (handle, round) = node.door.resume(&ada, &get_item(), &state).unwrap();
        round.answer(reply(r#"{"action":"accept","content":{}}"#));
        let refused = refusal(handle.done.await.expect("it ended"));
        assert_eq!(refused.denial.reason, Reason::Revoked);
        assert!(world.seen().replied.is_empty(), "nothing went on");
        at_peace(&world, &node);
    });
}

#[test]
fn an_answer_goes_on_only_while_policy_permits_the_call() {
    run(async {
        let (world, node, key) = bench().await;
        let mut handle = begin(&node, &key, Method::Elicit).await;
        let round = asked(&mut handle).await;
        let stricter = format!(
            r#"{NO_WRITES} @id("no") forbid (principal, action == alpha::Action::"get_item", resource);"#
        );
        node.admin.load_policies(policies(&stricter)).await.unwrap();
        round.answer(reply(r#"{"action":"accept","content":{}}"#));
        let refused = refusal(handle.done.await.expect("it ended"));
        assert_eq!(refused.denial.reason, Reason::Revoked);
        assert!(world.seen().replied.is_empty());
        at_peace(&world, &node);
    });
}

#[test]
fn a_suspended_call_that_nobody_comes_back_for_ends() {
    run(async {
        let (world, node, key) = bench().await;
        let mut handle = begin(&node, &key, Method::Elicit).await;
        let (id, round) = (handle.id, asked(&mut handle).await);
        let ada = caller(&node, &key).await;
        let state = node.door.suspend(handle, round, &Whose::of(&ada, &get_item())).unwrap();
        assert_eq!(node.door.suspended(), 1);
        tokio::time::sleep(Duration::from_secs(601)).await;
        assert_eq!(node.door.suspended(), 0);
        assert!(node.door.resume(&ada, &get_item(), &state).is_err());
        assert_eq!(outcome(&world, id), Some(Outcome::Unknown(Reason::UpstreamTimeout)));
        let question = questions(&world, id)[0];
        assert_eq!(outcome(&world, question), Some(Outcome::Unknown(Reason::Cancelled)));
        at_peace(&world, &node);
    });
}

#[test]
fn an_answer_to_a_question_that_was_forbidden_meanwhile_does_not_go_on() {
    run(async {
        let (world, node, key) = bench().await;
        let mut handle = begin(&node, &key, Method::Elicit).await;
        let round = asked(&mut handle).await;
        let stricter = format!(
            r#"{NO_WRITES} @id("no") forbid (principal, action in Callgate::Action::"elicit", resource);"#
        );
        node.admin.load_policies(policies(&stricter)).await.unwrap();
        round.answer(reply(r#"{"action":"accept","content":{}}"#));
        assert!(
            matches!((&mut handle.done).await, Some(Finished::Answered(..))),
            "the call itself is permitted"
        );
        assert!(world.seen().replied[0].1[0].result.is_none());
        let question = questions(&world, handle.id)[0];
        assert_eq!(outcome(&world, question), Some(Outcome::Unknown(Reason::Cancelled)));
        at_peace(&world, &node);
    });
}

#[test]
fn a_client_that_does_not_read_keeps_no_revocation_from_being_heard() {
    run(async {
        let (world, node, key) = bench().await;
        node.upstreams.script([Plan::AsksLate(Method::Elicit)]);
        let mut handle = node.door.call(caller(&node, &key).await, get_item()).await.unwrap();
        handle.detach();
        settle().await;
        node.admin.remove_agent(BY, &agent("ada")).await.unwrap();
        let refused = refusal((&mut handle.done).await.expect("it ended"));
        assert_eq!(refused.denial.reason, Reason::Revoked);
        while let Some(passing) = handle.passing.recv().await {
            assert!(matches!(passing, Passing::Progress(_)), "what was revoked is not asked");
        }
        at_peace(&world, &node);
    });
}

#[test]
fn a_question_that_wants_a_person_is_refused_and_asks_none() {
    run(async {
        let (world, node, key) = bench().await;
        let parks = format!(
            r#"{NO_WRITES} @id("person") @approvers("operators") permit (principal, action in Callgate::Action::"sample", resource)
when {{ context.approval.count >= 1 }};"#
        );
        node.admin.load_policies(policies(&parks)).await.unwrap();
        let handle = begin(&node, &key, Method::Sample).await;
        assert!(matches!(handle.done.await, Some(Finished::Answered(..))));
        assert!(world.seen().replied[0].1[0].result.is_none());
        assert!(world.disk().approvals.is_empty(), "nobody has to look at what a server wrote");
        at_peace(&world, &node);
    });
}
