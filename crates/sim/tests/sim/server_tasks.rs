//! Upstream tasks (extension `io.modelcontextprotocol/tasks`): who may ask about one, and what it may ask. Must never be
//! reached with a handle alone.

use std::sync::Arc;

use call::{Finished, Refused};
use ledger::{Body, Outcome};
use model::call::{CallMeta, Endpoint, ToolCall};
use model::client::ClientCapabilities;
use model::denial::Reason;
use model::ids::CallId;
use model::method::Method;
use ports::secret::Secret;
use ports::upstream::{Answer, Question};
use sim::upstream::{Plan, TASK_ID};
use sim::{Knobs, Node, World};

use crate::setup::{
    BY, NO_WRITES, POLICY, add, agent, at_peace, caller, certify, outcome, policies, reader, ready, refusal,
    request, run, server, settle, tool, world,
};

const ALL: ClientCapabilities =
    ClientCapabilities::SERVER_TASKS.with(ClientCapabilities::ELICIT_FORM).with(ClientCapabilities::SAMPLING);

/// `alpha` makes tasks, and may ask persons, but not models.
async fn bench() -> (Arc<World>, Node, [Secret; 2]) {
    let world = world(8);
    for method in Method::ON_SERVER_TASKS.into_iter().chain(Method::QUESTIONS) {
        world.servers.declare(&server("alpha"), method);
    }
    let node = ready(&world, Knobs::quiet(11)).await;
    node.admin.load_policies(policies(&with_tasks(NO_WRITES))).await.unwrap();
    let keys = [add(&node, "ada", &[]).await, add(&node, "bob", &[]).await];
    (world, node, keys)
}

fn with_tasks(policy: &str) -> String {
    format!(
        r#"{policy} @id("tasks") permit (principal, action in Callgate::Action::"upstream_task", resource);"#
    )
}

fn alpha() -> Endpoint {
    Endpoint::Server(server("alpha"))
}

fn get_item(endpoint: Endpoint) -> ToolCall {
    let name = if endpoint == Endpoint::All { "alpha__get_item" } else { "get_item" };
    let meta = CallMeta { client: ALL, ..CallMeta::default() };
    ToolCall { meta, endpoint, ..request(name, r#"{"id":"1"}"#) }
}

/// What the edge makes of a request about a task.
async fn about(
    node: &Node,
    key: &Secret,
    method: Method,
    (endpoint, handle): (Endpoint, &str),
) -> (ToolCall, usize) {
    let opened = node.door.server_task(&caller(node, key).await, &endpoint, handle);
    let arguments = |id: &str| match method {
        Method::UpdateServerTask => format!(r#"{{"taskId":"{id}","inputResponses":{{}}}}"#),
        _ => format!(r#"{{"taskId":"{id}"}}"#),
    };
    let asked = opened.as_ref().map_or(0, |opened| opened.asked.len());
    let text = arguments(opened.as_ref().map_or("unopened", |opened| &opened.id));
    let meta = CallMeta {
        client: ALL,
        server_task: opened.map(|opened| Box::new(opened.task)),
        ..CallMeta::default()
    };
    (ToolCall { method, endpoint, meta, ..request("", &text) }, asked)
}

async fn ask(node: &Node, key: &Secret, asked: ToolCall) -> Finished {
    match node.door.call(caller(node, key).await, asked).await {
        Ok(mut handle) => {
            handle.detach();
            handle.done.await.expect("it ends")
        }
        Err(refused) => Finished::Refused(refused),
    }
}

/// A call of which a task is made: the call, and the client's handle.
async fn make(node: &Node, key: &Secret) -> (CallId, String) {
    node.upstreams.script([Plan::MakesTask]);
    match ask(node, key, get_item(alpha())).await {
        Finished::Answered(call, Answer::ServerTask { id, .. }) => (call, id.into()),
        other => panic!("{other:?}"),
    }
}

async fn look(node: &Node, key: &Secret, handle: &str) -> Finished {
    let (call, _) = about(node, key, Method::GetServerTask, (alpha(), handle)).await;
    ask(node, key, call).await
}

fn unknown(finished: Finished) -> Refused {
    let refused = refusal(finished);
    assert_eq!(refused.denial.reason, Reason::InvalidArguments);
    assert_eq!(refused.denial.public, model::denial::Denial::unknown_server_task().public);
    refused
}

fn shown(finished: Finished) -> Vec<Question> {
    match finished {
        Finished::Answered(_, Answer::ServerTask { asks, .. }) => asks,
        other => panic!("{other:?}"),
    }
}

fn intents_of(world: &World, tool: &str) -> usize {
    let disk = world.disk();
    let of = |body: &Body| matches!(body, Body::Decision(body) if body.tool.name.to_string() == tool);
    disk.entries.iter().filter(|durable| durable.entry.is_intent() && of(&durable.entry.body)).count()
}

#[test]
fn a_task_has_a_handle_for_its_client_and_every_look_is_a_call() {
    run(async {
        let (world, node, [ada, _]) = bench().await;
        let (call, handle) = make(&node, &ada).await;
        assert!(!handle.contains(TASK_ID), "the server's own name stays here");
        assert_eq!(outcome(&world, call), Some(Outcome::Completed));
        let said = world.disk().of(call).any(
            |durable| matches!(&durable.entry.body, Body::Outcome(body) if body.why.contains("made a task")),
        );
        assert!(said, "the outcome says that a task was made");
        for method in Method::ON_SERVER_TASKS {
            node.upstreams.script([if method == Method::GetServerTask {
                Plan::TaskStands
            } else {
                Plan::Answers(0)
            }]);
            let (call, _) = about(&node, &ada, method, (alpha(), &handle)).await;
            let Finished::Answered(id, answer) = ask(&node, &ada, call).await else { panic!("{method:?}") };
            if let Answer::ServerTask { id, .. } = answer {
                assert_eq!(*id, *handle, "under the name that its client knows");
            }
            assert_eq!(outcome(&world, id), Some(Outcome::Completed));
            assert_eq!(intents_of(&world, &format!("alpha__{}", method.operation().unwrap())), 1);
        }
        at_peace(&world, &node);
    });
}

#[test]
fn s31_a_handle_is_nothing_to_another_agent_at_another_door_or_in_another_form() {
    run(async {
        let (world, node, [ada, bob]) = bench().await;
        let (_, handle) = make(&node, &ada).await;
        let forwarded = world.seen().forwarded.len();
        unknown(look(&node, &bob, &handle).await);
        unknown(look(&node, &ada, "").await);
        unknown(look(&node, &ada, TASK_ID).await);
        unknown(look(&node, &ada, &format!("{handle}x")).await);
        for elsewhere in [Endpoint::All, Endpoint::Server(server("beta"))] {
            let (call, _) = about(&node, &ada, Method::GetServerTask, (elsewhere, &handle)).await;
            assert!(call.meta.server_task.is_none());
            let refused = refusal(ask(&node, &ada, call).await);
            assert_eq!(refused.denial.reason, Reason::UnknownTool, "nothing there has tasks");
        }
        tokio::time::sleep(std::time::Duration::from_secs(8 * 24 * 60 * 60)).await;
        unknown(look(&node, &ada, &handle).await);
        assert_eq!(world.seen().forwarded.len(), forwarded, "no server heard of it");
        at_peace(&world, &node);
    });
}

#[test]
fn at_the_door_of_all_servers_a_handle_leads_back_to_the_one_that_has_the_task() {
    run(async {
        let (world, node, [ada, bob]) = bench().await;
        node.upstreams.script([Plan::MakesTask]);
        let made = ask(&node, &ada, get_item(Endpoint::All)).await;
        let Finished::Answered(_, Answer::ServerTask { id: handle, .. }) = made else { panic!("{made:?}") };
        unknown(look(&node, &ada, &handle).await);
        let all = |key: Secret| {
            let (node, handle) = (&node, &handle);
            async move { about(node, &key, Method::GetServerTask, (Endpoint::All, handle)).await.0 }
        };
        let call = all(ada.clone()).await;
        let of = call.meta.server_task.as_ref().map(|task| task.tool.to_string());
        assert_eq!(of.as_deref(), Some("alpha__get_item"));
        node.upstreams.script([Plan::TaskStands]);
        let call = ToolCall { name: "alpha".to_owned(), ..call };
        assert_eq!(shown(ask(&node, &ada, call).await).len(), 0);
        let call = ToolCall { name: "alpha".to_owned(), ..all(bob.clone()).await };
        unknown(ask(&node, &bob, call).await);
        at_peace(&world, &node);
    });
}

#[test]
fn a_tool_that_may_not_be_called_any_more_takes_its_tasks_with_it() {
    run(async {
        let (world, node, [ada, _]) = bench().await;
        let (_, handle) = make(&node, &ada).await;
        let forbidden = r#"@id("no") forbid (principal, action == alpha::Action::"get_item", resource);"#;
        node.admin.load_policies(policies(&with_tasks(&format!("{NO_WRITES}{forbidden}")))).await.unwrap();
        unknown(look(&node, &ada, &handle).await);
        node.admin.load_policies(policies(&with_tasks(NO_WRITES))).await.unwrap();
        assert_eq!(shown(look_at_rest(&node, &ada, &handle).await).len(), 0, "it was only kept from it");

        world.servers.offer(&server("alpha"), &reader("get_item", 2));
        node.connect(&server("alpha")).await.unwrap();
        unknown(look(&node, &ada, &handle).await);
        certify(&node, &tool("alpha", "get_item")).await;
        unknown(look(&node, &ada, &handle).await);
        at_peace(&world, &node);
    });
}

async fn look_at_rest(node: &Node, key: &Secret, handle: &str) -> Finished {
    node.upstreams.script([Plan::TaskStands]);
    look(node, key, handle).await
}

#[test]
fn what_is_taken_away_ends_a_look_that_is_open() {
    run(async {
        let (world, node, [ada, _]) = bench().await;
        let (_, handle) = make(&node, &ada).await;
        node.upstreams.script([Plan::Hangs]);
        let (call, _) = about(&node, &ada, Method::GetServerTask, (alpha(), &handle)).await;
        let mut open = node.door.call(caller(&node, &ada).await, call).await.unwrap();
        open.detach();
        settle().await;
        world.servers.offer(&server("alpha"), &reader("get_item", 2));
        node.connect(&server("alpha")).await.unwrap();
        assert_eq!(refusal(open.done.await.unwrap()).denial.reason, Reason::Revoked);
        at_peace(&world, &node);
    });
}

#[test]
fn what_a_task_asks_is_decided_once_recorded_and_only_then_shown() {
    run(async {
        let (world, node, [ada, _]) = bench().await;
        let (_, handle) = make(&node, &ada).await;
        for _ in 0..3 {
            node.upstreams.script([Plan::TaskAsks(Method::Elicit)]);
            assert_eq!(shown(look(&node, &ada, &handle).await).len(), 1);
        }
        assert_eq!(intents_of(&world, "alpha__mcp:elicitation/create"), 1, "not at every look");
        let (_, asked) = about(&node, &ada, Method::UpdateServerTask, (alpha(), &handle)).await;
        assert_eq!(asked, 1, "it may be answered");

        node.upstreams.script([Plan::TaskAsks(Method::Sample)]);
        assert_eq!(shown(look(&node, &ada, &handle).await).len(), 0, "nobody may be permitted that");
        let (_, asked) = about(&node, &ada, Method::UpdateServerTask, (alpha(), &handle)).await;
        assert_eq!(asked, 0, "what was not shown is not answered");
        at_peace(&world, &node);
    });
}

#[test]
fn other_policies_decide_anew_what_was_shown() {
    run(async {
        let (world, node, [ada, _]) = bench().await;
        let (_, handle) = make(&node, &ada).await;
        node.upstreams.script([Plan::TaskAsks(Method::Elicit)]);
        assert_eq!(shown(look(&node, &ada, &handle).await).len(), 1);
        let silent = r#"@id("no") forbid (principal, action in Callgate::Action::"elicit", resource);"#;
        node.admin.load_policies(policies(&with_tasks(&format!("{NO_WRITES}{silent}")))).await.unwrap();
        let (_, asked) = about(&node, &ada, Method::UpdateServerTask, (alpha(), &handle)).await;
        assert_eq!(asked, 0, "an answer does not go where the question may not come from");
        node.upstreams.script([Plan::TaskAsks(Method::Elicit)]);
        assert_eq!(shown(look(&node, &ada, &handle).await).len(), 0);
        at_peace(&world, &node);
    });
}

#[test]
fn a_state_that_is_none_does_not_reach_the_client() {
    run(async {
        let (world, node, [ada, _]) = bench().await;
        let (_, handle) = make(&node, &ada).await;
        node.upstreams.script([Plan::Answers(0)]);
        let refused = refusal(look(&node, &ada, &handle).await);
        assert_eq!(refused.denial.reason, Reason::UpstreamViolation);
        at_peace(&world, &node);
    });
}

#[test]
fn a_server_hears_of_tasks_only_where_all_that_is_asked_about_them_could_be_permitted() {
    run(async {
        let (world, node, [ada, _]) = bench().await;
        let told = async |endpoint| {
            node.upstreams.script([Plan::Answers(0)]);
            drop(ask(&node, &ada, get_item(endpoint)).await);
            world.seen().told.pop().unwrap().has(ClientCapabilities::SERVER_TASKS)
        };
        assert!(told(alpha()).await);
        assert!(told(Endpoint::All).await);
        node.admin.load_policies(policies(NO_WRITES)).await.unwrap();
        assert!(!told(alpha()).await, "it could be looked after, but not stopped");
        node.admin.load_policies(policies(POLICY)).await.unwrap();
        node.admin.remove_agent(BY, &agent("bob")).await.unwrap();
        at_peace(&world, &node);
    });
}
