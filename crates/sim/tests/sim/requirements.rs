//! Security requirements of MCP that the path of a call keeps, by their numbers in `docs/threats/mcp-requirements.md`.
//! Must never test what a better-named test shows already.

use call::{Caller, Finished, Listed};
use model::call::Endpoint;
use model::denial::Reason;
use model::digest::Digest;
use sim::Node;

use crate::setup::{
    NO_WRITES, OPEN, add, at_peace, bench, call, caller, policies, refusal, request, run, server,
};

fn shown(listed: &Listed) -> Vec<(String, Digest)> {
    listed.tools.iter().map(|tool| (tool.name.clone(), tool.record.definition.digest())).collect()
}

async fn lists(node: &Node, caller: &Caller) -> Vec<Vec<(String, Digest)>> {
    let mut all = Vec::new();
    for endpoint in [Endpoint::All, Endpoint::Server(server("alpha")), Endpoint::Server(server("beta"))] {
        all.push(shown(&node.door.list(caller, &endpoint).await.unwrap()));
    }
    all
}

#[test]
fn s33_a_list_depends_on_who_asks_and_not_on_what_was_asked_before() {
    run(async {
        let (world, node, ada) = bench(8).await;
        let bob = add(&node, "bob", &["analysts"]).await;
        let before = lists(&node, &caller(&node, &ada).await).await;
        let of_bob = lists(&node, &caller(&node, &bob).await).await;
        assert_ne!(before, of_bob, "an analyst is shown rows too");
        for key in [&ada, &bob] {
            for name in
                ["alpha__get_item", "alpha__update_item", "alpha__run_command", "beta__get_rows", "no__such"]
            {
                for arguments in [OPEN, r#"{"id":"shut"}"#, r#"{"id":7}"#, "{}"] {
                    let _any = call(&node, key, name, arguments).await;
                }
            }
        }
        for _ in 0..3 {
            assert_eq!(lists(&node, &caller(&node, &ada).await).await, before);
            assert_eq!(lists(&node, &caller(&node, &bob).await).await, of_bob);
        }
        at_peace(&world, &node);
    });
}

#[test]
fn s60_other_policies_count_at_once_for_who_is_connected_already() {
    run(async {
        let (world, node, ada) = bench(8).await;
        // As a session or an open connection would hold them.
        let (early, earlier) = (caller(&node, &ada).await, caller(&node, &ada).await);
        assert!(lists(&node, &early).await[0].iter().any(|(name, _)| name == "alpha__update_item"));
        assert!(matches!(call(&node, &ada, "alpha__update_item", OPEN).await, Finished::Answered(..)));
        node.admin.load_policies(policies(NO_WRITES)).await.unwrap();
        let sent = world.seen().forwarded.len();
        assert!(!lists(&node, &early).await[0].iter().any(|(name, _)| name == "alpha__update_item"));
        let refused = match node.door.call(earlier, request("alpha__update_item", OPEN)).await {
            Ok(mut handle) => {
                handle.detach();
                refusal(handle.done.await.unwrap())
            }
            Err(refused) => refused,
        };
        assert_eq!(refused.denial.reason, Reason::UnknownTool, "hidden like any other");
        assert_eq!(world.seen().forwarded.len(), sent);
        at_peace(&world, &node);
    });
}
