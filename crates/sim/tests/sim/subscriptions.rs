//! Subscriptions to resources: permitted and recorded as calls are, told for as long as they would be permitted anew.

use std::sync::Arc;

use call::{Finished, Subscription, Watch};
use ledger::{Body, Outcome};
use model::call::{Endpoint, ToolCall};
use model::client::ClientCapabilities;
use model::denial::Reason;
use model::method::Method;
use ports::changes::Change;
use ports::secret::Secret;
use sim::upstream::Plan;
use sim::{Knobs, Node, World};

use crate::setup::{
    BY, POLICY, add, agent, at_peace, caller, certify, outcome, policies, ready, refusal, request, run,
    server, settle, tool, world,
};

const NOTE: &str = r#"{"uri":"note://one"}"#;

/// Subscribing to notes is permitted to analysts.
const SUBSCRIBE: &str = r#"
@id("watch") permit (principal in Callgate::AgentGroup::"analysts", action == alpha::Action::"mcp:resources/subscribe", resource)
when { context.args.uri like "note://*" };"#;

fn with_subscriptions() -> String {
    format!("{POLICY}{SUBSCRIBE}")
}

/// `alpha` has resources and prompts; everything is certified. `bob` is an analyst.
async fn bench() -> (Arc<World>, Node, [Secret; 2]) {
    let world = world(8);
    for method in [Method::ListResources, Method::Subscribe, Method::ListPrompts] {
        world.servers.declare(&server("alpha"), method);
    }
    let node = ready(&world, Knobs::quiet(17)).await;
    node.admin.load_policies(policies(&with_subscriptions())).await.unwrap();
    let keys = [add(&node, "ada", &[]).await, add(&node, "bob", &["analysts"]).await];
    (world, node, keys)
}

fn alpha() -> Endpoint {
    Endpoint::Server(server("alpha"))
}

async fn ask(node: &Node, key: &Secret, parameters: &str) -> (Finished, Option<Subscription>) {
    let asked = ToolCall { method: Method::Subscribe, endpoint: alpha(), ..request("", parameters) };
    match node.door.subscribe(caller(node, key).await, asked).await {
        Ok(mut subscribing) => {
            subscribing.done.detach();
            subscribing.done.await.expect("it ends")
        }
        Err(refused) => (Finished::Refused(refused), None),
    }
}

async fn granted(node: &Node, key: &Secret) -> Subscription {
    let (finished, subscription) = ask(node, key, NOTE).await;
    assert!(matches!(finished, Finished::Answered(..)), "{finished:?}");
    subscription.expect("it is held")
}

fn changed(world: &World) -> usize {
    world.voices.say(&server("alpha"), &Change::Updated("note://one".into()))
}

/// It has ended, here and at the server, and nothing more is told.
async fn ended(world: &World, node: &Node, mut subscription: Subscription) {
    settle().await;
    assert_eq!(node.door.subscriptions().count(), 0);
    assert_eq!(changed(world), 0, "the server is still asked to tell");
    assert_eq!(subscription.next().await, None);
    drop(subscription);
    at_peace(world, node);
}

#[test]
fn a_subscription_is_decided_recorded_and_told_of_what_changes() {
    run(async {
        let (world, node, [ada, bob]) = bench().await;
        let (finished, subscription) = ask(&node, &bob, NOTE).await;
        let Finished::Answered(id, _) = finished else { panic!("it is permitted") };
        assert_eq!(world.seen().forwarded, [id]);
        assert_eq!(outcome(&world, id), Some(Outcome::Completed));
        {
            let kept = world.disk().intent(id).expect("an intent first").clone();
            let Body::Decision(body) = &kept.entry.body else { panic!("a decision") };
            assert_eq!(body.tool.name.to_string(), "alpha__mcp:resources/subscribe");
        }
        assert!(!node.broker.held().is_empty(), "its lease lasts as long as it does");
        let mut subscription = subscription.unwrap();
        for _ in 0..3 {
            assert_eq!(changed(&world), 1);
            assert_eq!(subscription.next().await.as_deref(), Some("note://one"));
        }
        let (refused, none) = ask(&node, &ada, NOTE).await;
        assert_eq!(refusal(refused).denial.reason, Reason::PolicyDenied);
        assert!(none.is_none());
        let (refused, none) = ask(&node, &bob, r#"{"uri":"page://one"}"#).await;
        assert_eq!(refusal(refused).denial.reason, Reason::PolicyDenied);
        assert!(none.is_none());
        drop(subscription);
        settle().await;
        assert_eq!((changed(&world), node.door.subscriptions().count()), (0, 0));
        at_peace(&world, &node);
    });
}

#[test]
fn what_the_server_refuses_is_answered_and_leaves_nothing() {
    run(async {
        let (world, node, [_, bob]) = bench().await;
        for (plan, expected) in [
            (Plan::RpcError, Outcome::ToolError),
            (Plan::Unreachable, Outcome::NotSent(Reason::UpstreamUnavailable)),
            (Plan::PanicsOpening, Outcome::Unknown(Reason::Indeterminate)),
        ] {
            node.upstreams.script([plan]);
            let (finished, none) = ask(&node, &bob, NOTE).await;
            let id = match finished {
                Finished::Answered(id, _) => id,
                Finished::Refused(refused) => refused.call,
            };
            assert_eq!(outcome(&world, id), Some(expected), "{plan:?}");
            assert!(none.is_none());
            settle().await;
            at_peace(&world, &node);
        }
    });
}

#[test]
fn s60_a_subscription_ends_when_it_would_not_be_permitted_any_more() {
    run(async {
        let (world, node, [_, bob]) = bench().await;
        let held = granted(&node, &bob).await;
        let same = format!("{}\n", with_subscriptions());
        node.admin.load_policies(policies(&same)).await.unwrap();
        settle().await;
        assert_eq!(node.door.subscriptions().count(), 1, "it is permitted still");
        node.admin.load_policies(policies(POLICY)).await.unwrap();
        ended(&world, &node, held).await;
        node.admin.load_policies(policies(&same)).await.unwrap();

        let held = granted(&node, &bob).await;
        node.admin.quarantine(BY, &tool("alpha", "mcp:resources/subscribe")).await.unwrap();
        ended(&world, &node, held).await;
        certify(&node, &tool("alpha", "mcp:resources/subscribe")).await;

        let held = granted(&node, &bob).await;
        let bob = node.admin.rotate_agent(BY, &agent("bob"), 30, 0).await.unwrap().key;
        ended(&world, &node, held).await;

        let held = granted(&node, &bob).await;
        node.admin.remove_agent(BY, &agent("bob")).await.unwrap();
        world.acknowledged_removal(&agent("bob"));
        ended(&world, &node, held).await;
    });
}

#[test]
fn nothing_is_told_once_the_key_has_ended_by_its_time() {
    run(async {
        let (world, node, [_, bob]) = bench().await;
        let held = granted(&node, &bob).await;
        node.clock.jump(31 * 86_400);
        assert_eq!(changed(&world), 1, "the server does not know");
        ended(&world, &node, held).await;
    });
}

#[test]
fn one_agent_holds_so_many_and_the_places_come_back() {
    run(async {
        let (world, node, [_, bob]) = bench().await;
        let mut held = Vec::new();
        let refused = loop {
            match ask(&node, &bob, NOTE).await {
                (Finished::Answered(..), subscription) => held.push(subscription.unwrap()),
                (refused, _) => break refusal(refused),
            }
        };
        assert_eq!((held.len(), refused.denial.reason), (256, Reason::LimitExceeded));
        held.pop();
        settle().await;
        held.push(granted(&node, &bob).await);
        drop(held);
        settle().await;
        at_peace(&world, &node);
    });
}

#[test]
fn a_subscription_is_no_call_and_a_call_no_subscription() {
    run(async {
        let (world, node, [_, bob]) = bench().await;
        let asked = || ToolCall { method: Method::Subscribe, endpoint: alpha(), ..request("", NOTE) };
        let refused = node.door.call(caller(&node, &bob).await, asked()).await.err().unwrap();
        assert_eq!(refused.denial.reason, Reason::Indeterminate);
        let list = ToolCall { method: Method::ListResources, endpoint: alpha(), ..request("", "{}") };
        let refused = node.door.subscribe(caller(&node, &bob).await, list).await.err().unwrap();
        assert_eq!(refused.denial.reason, Reason::Indeterminate);
        assert!(world.seen().forwarded.is_empty());
        at_peace(&world, &node);
    });
}

/// What is told by now: prompts, resources.
async fn told(watch: &mut Watch) -> (bool, bool) {
    tokio::select! {
        biased;
        changed = watch.changed() => {
            let changed = changed.unwrap();
            (changed.prompts, changed.resources)
        }
        () = settle() => (false, false),
    }
}

#[test]
fn changed_lists_are_told_to_whom_they_are_shown() {
    run(async {
        let (world, node, [ada, bob]) = bench().await;
        let no_prompts = format!(
            r#"{POLICY}
@id("prompts") forbid (principal, action in Callgate::Action::"get_prompt", resource)
unless {{ principal in Callgate::AgentGroup::"analysts" }};"#
        );
        let watch = async |key: &Secret, endpoint: Endpoint| {
            let of = caller(&node, key).await;
            let mut watch = Watch::new(Arc::clone(&node.door), of, endpoint, None).unwrap();
            watch.hear_servers(ClientCapabilities::NONE).await;
            watch
        };
        let mut hers = watch(&ada, alpha()).await;
        let mut his = watch(&bob, Endpoint::All).await;
        let mut elsewhere = watch(&bob, Endpoint::Server(server("beta"))).await;
        let say = |change: Change| world.voices.say(&server("alpha"), &change);
        assert_eq!(told(&mut hers).await, (false, false));
        assert_eq!(say(Change::Prompts), 2);
        for (watch, expected) in [(&mut hers, true), (&mut his, true), (&mut elsewhere, false)] {
            assert_eq!(told(watch).await, (expected, false));
        }
        say(Change::Resources);
        assert_eq!((told(&mut hers).await, told(&mut his).await), ((false, true), (false, true)));
        node.admin.load_policies(policies(&no_prompts)).await.unwrap();
        assert_eq!(told(&mut hers).await, (true, false), "she is shown none any more");
        assert_eq!(told(&mut his).await, (false, false));
        say(Change::Prompts);
        assert_eq!((told(&mut hers).await, told(&mut his).await), ((false, false), (true, false)));
        drop((hers, his, elsewhere));
        settle().await;
        assert_eq!(world.voices.listening(&agent("ada")) + world.voices.listening(&agent("bob")), 0);
        at_peace(&world, &node);
    });
}
