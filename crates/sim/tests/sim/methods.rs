//! What a server offers beside tools goes through the same door: certified, decided by its own action, recorded. Must
//! never be reachable as a tool.

use std::sync::Arc;

use call::Finished;
use ledger::{Body, Outcome};
use model::call::{Endpoint, ToolCall};
use model::denial::Reason;
use model::method::Method;
use ports::secret::Secret;
use sim::{Knobs, Node, World};

use crate::setup::{
    BY, POLICY, add, at_peace, call, caller, outcome, policies, ready, refusal, request, run, server, tool,
    world,
};

const URI: &str = r#"{"uri":"note://one"}"#;

/// `alpha` has resources and prompts; everything is certified. With the keys of two agents.
async fn bench() -> (Arc<World>, Node, [Secret; 2]) {
    let world = world(8);
    for method in [Method::ListResources, Method::ReadResource, Method::GetPrompt] {
        world.servers.declare(&server("alpha"), method);
    }
    let node = ready(&world, Knobs::quiet(11)).await;
    node.admin.load_policies(policies(&with_methods())).await.unwrap();
    let keys = [add(&node, "ada", &[]).await, add(&node, "bob", &["analysts"]).await];
    (world, node, keys)
}

/// Reading and getting are permitted too.
fn with_methods() -> String {
    format!(
        r#"{POLICY}
@id("methods") permit (
  principal,
  action in [Callgate::Action::"read_resource", Callgate::Action::"get_prompt"],
  resource
);"#
    )
}

fn asking(method: Method, parameters: &str, endpoint: Endpoint) -> ToolCall {
    ToolCall { method, endpoint, ..request("", parameters) }
}

fn alpha() -> Endpoint {
    Endpoint::Server(server("alpha"))
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

#[test]
fn a_method_is_decided_recorded_and_forwarded_as_a_tool_is() {
    run(async {
        let (world, node, [ada, _]) = bench().await;
        let Finished::Answered(id, _) = ask(&node, &ada, asking(Method::ReadResource, URI, alpha())).await
        else {
            panic!("reads are permitted");
        };
        assert_eq!(world.seen().forwarded, [id]);
        assert_eq!(outcome(&world, id), Some(Outcome::Completed));
        let kept = world.disk().intent(id).expect("an intent first").clone();
        let Body::Decision(body) = &kept.entry.body else { panic!("a decision") };
        assert_eq!(body.tool.name.to_string(), "alpha__mcp:resources/read");
        let wrong = ask(&node, &ada, asking(Method::ReadResource, r#"{"uri":7}"#, alpha())).await;
        assert_eq!(refusal(wrong).denial.reason, Reason::InvalidArguments);
        at_peace(&world, &node);
    });
}

#[test]
fn what_is_given_something_is_a_write_and_needs_a_permit_of_its_own() {
    run(async {
        let (world, node, [ada, _]) = bench().await;
        node.admin.load_policies(policies(POLICY)).await.unwrap();
        let page = || asking(Method::ListResources, "{}", alpha());
        assert!(matches!(ask(&node, &ada, page()).await, Finished::Answered(..)), "reads are permitted");
        for (method, parameters) in [(Method::ReadResource, URI), (Method::GetPrompt, r#"{"name":"greet"}"#)]
        {
            let refused = refusal(ask(&node, &ada, asking(method, parameters, alpha())).await);
            assert_eq!(refused.denial.reason, Reason::PolicyDenied, "{method:?}");
        }
        assert_eq!(world.seen().forwarded.len(), 1);
        at_peace(&world, &node);
    });
}

#[test]
fn policies_speak_of_methods_by_their_own_actions_and_groups() {
    run(async {
        let (world, node, [ada, bob]) = bench().await;
        let rules = format!(
            r#"{}
@id("notes") forbid (principal, action == alpha::Action::"mcp:resources/read", resource)
when {{ context.args.uri like "note://*" }} unless {{ principal in Callgate::AgentGroup::"analysts" }};
@id("prompts") forbid (principal, action in Callgate::Action::"get_prompt", resource)
unless {{ principal in Callgate::AgentGroup::"analysts" }};"#,
            with_methods()
        );
        node.admin.load_policies(policies(&rules)).await.unwrap();
        let read = || asking(Method::ReadResource, URI, alpha());
        let refused = refusal(ask(&node, &ada, read()).await);
        assert_eq!(refused.denial.reason, Reason::PolicyDenied);
        assert!(matches!(ask(&node, &bob, read()).await, Finished::Answered(..)));
        let other = asking(Method::ReadResource, r#"{"uri":"page://one"}"#, alpha());
        assert!(matches!(ask(&node, &ada, other).await, Finished::Answered(..)));
        let prompt = || asking(Method::GetPrompt, r#"{"name":"greet"}"#, alpha());
        assert_eq!(refusal(ask(&node, &ada, prompt()).await).denial.reason, Reason::UnknownTool, "hidden");
        assert!(matches!(ask(&node, &bob, prompt()).await, Finished::Answered(..)));
        at_peace(&world, &node);
    });
}

#[test]
fn what_a_caller_may_not_know_is_not_declared_and_is_one_answer() {
    run(async {
        let (world, node, [ada, _]) = bench().await;
        let declared = async |endpoint: &Endpoint| node.door.methods(&caller(&node, &ada).await, endpoint);
        let all = [Method::ListResources, Method::ReadResource, Method::GetPrompt];
        assert_eq!(declared(&alpha()).await, all);
        assert_eq!(declared(&Endpoint::All).await, all);
        let with = async |method| node.door.servers_with(&caller(&node, &ada).await, method);
        assert_eq!(with(Method::GetPrompt).await, [server("alpha")]);
        assert_eq!(with(Method::Complete).await, []);
        assert_eq!(declared(&Endpoint::Server(server("beta"))).await, []);
        node.admin.quarantine(BY, &tool("alpha", "mcp:resources/read")).await.unwrap();
        assert_eq!(declared(&alpha()).await, [Method::ListResources, Method::GetPrompt]);
        // In quarantine, not offered, no such server, no server named.
        let beta = Endpoint::Server(server("beta"));
        for (method, endpoint) in [
            (Method::ReadResource, alpha()),
            (Method::Complete, alpha()),
            (Method::ReadResource, beta),
            (Method::ReadResource, Endpoint::Server(server("none"))),
            (Method::GetPrompt, Endpoint::All),
        ] {
            let refused = refusal(ask(&node, &ada, asking(method, URI, endpoint)).await);
            assert_eq!(refused.denial.public, "Unknown tool: ");
            let disk = world.disk();
            let [kept] = disk.of(refused.call).collect::<Vec<_>>()[..] else { panic!("one entry") };
            let Body::Refusal(body) = &kept.entry.body else { panic!("a refusal") };
            assert_eq!(body.method, method.as_str());
        }
        for name in ["beta", "none", "Alpha", "alpha__x"] {
            let name = name.to_owned();
            let asked = ToolCall { name, ..asking(Method::GetPrompt, URI, Endpoint::All) };
            assert_eq!(refusal(ask(&node, &ada, asked).await).denial.reason, Reason::UnknownTool);
        }
        assert!(world.seen().forwarded.is_empty());
        let name = "alpha".to_owned();
        let asked = ToolCall { name, ..asking(Method::GetPrompt, r#"{"name":"greet"}"#, Endpoint::All) };
        assert!(matches!(ask(&node, &ada, asked).await, Finished::Answered(..)));
        at_peace(&world, &node);
    });
}

#[test]
fn a_method_is_no_tool_and_a_tool_is_no_method() {
    run(async {
        let (world, node, [ada, _]) = bench().await;
        for name in ["mcp:resources/read", "alpha__mcp:resources/read", "alpha__mcp_resources_read"] {
            for endpoint in [alpha(), Endpoint::All] {
                let asked = ToolCall { endpoint, ..request(name, URI) };
                assert_eq!(refusal(ask(&node, &ada, asked).await).denial.reason, Reason::UnknownTool);
            }
        }
        let listed = node.door.list(&caller(&node, &ada).await, &alpha()).await.unwrap();
        let names: Vec<_> = listed.tools.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(names, ["get_item", "run_command", "update_item"]);
        assert!(matches!(
            call(&node, &ada, "alpha__get_item", r#"{"id":"open"}"#).await,
            Finished::Answered(..)
        ));
        at_peace(&world, &node);
    });
}

#[test]
fn a_server_that_may_be_read_from_and_not_listed_is_none_that_lists_nothing() {
    run(async {
        let (world, node, [ada, _]) = bench().await;
        let servers = [server("alpha"), server("beta")];
        let unlisted = async |list| node.door.unlisted(&caller(&node, &ada).await, list, &servers);
        assert_eq!(unlisted(Method::ListResources).await, [], "listed, or without resources");
        assert_eq!(unlisted(Method::ListTemplates).await, [server("alpha")]);
        let rules = format!(
            r#"{}
@id("lists") forbid (principal, action == alpha::Action::"mcp:resources/list", resource);"#,
            with_methods()
        );
        node.admin.load_policies(policies(&rules)).await.unwrap();
        assert_eq!(unlisted(Method::ListResources).await, [server("alpha")], "by policy");
        node.admin.load_policies(policies(&with_methods())).await.unwrap();
        assert_eq!(unlisted(Method::ListResources).await, []);
        node.admin.quarantine(BY, &tool("alpha", "mcp:resources/list")).await.unwrap();
        assert_eq!(unlisted(Method::ListResources).await, [server("alpha")], "in quarantine");
        at_peace(&world, &node);
    });
}
