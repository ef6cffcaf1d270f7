//! A client that listens is told when it would be shown other tools: of nothing else, and for as long as it may be.

use std::sync::Arc;

use call::Watch;
use model::call::Endpoint;
use model::denial::Reason;
use ports::secret::Secret;
use sim::Node;

use crate::setup::{
    BY, NO_WRITES, POLICY, add, agent, at_peace, bench, caller, certify, policies, run, server, settle, tool,
};

async fn watch(node: &Node, key: &Secret, endpoint: Endpoint) -> Watch {
    Watch::new(Arc::clone(&node.door), caller(node, key).await, endpoint, None).unwrap()
}

/// Whether it is told by now.
async fn told(watch: &mut Watch) -> bool {
    tokio::select! {
        biased;
        changed = watch.changed() => {
            changed.unwrap();
            true
        }
        () = settle() => false,
    }
}

#[test]
fn a_change_is_told_to_whom_it_shows_other_tools() {
    run(async {
        let (world, node, ada) = bench(8).await;
        let bob = add(&node, "bob", &["analysts"]).await;
        let beta = Endpoint::Server(server("beta"));
        let mut all = watch(&node, &ada, Endpoint::All).await;
        let mut hers = watch(&node, &ada, beta.clone()).await;
        let mut his = watch(&node, &bob, beta).await;
        assert!(!told(&mut all).await, "nothing happened");
        add(&node, "eve", &[]).await;
        node.admin.load_policies(policies(&format!("{POLICY}\n"))).await.unwrap();
        for watch in [&mut all, &mut hers, &mut his] {
            assert!(!told(watch).await, "what is shown is the same");
        }
        // Only analysts may know the rows.
        node.admin.quarantine(BY, &tool("beta", "get_rows")).await.unwrap();
        assert!(told(&mut his).await && !told(&mut his).await, "once");
        assert!(!told(&mut hers).await && !told(&mut all).await, "a tool she may not know changed");
        certify(&node, &tool("beta", "get_rows")).await;
        assert!(told(&mut his).await);
        node.admin.load_policies(policies(NO_WRITES)).await.unwrap();
        assert!(told(&mut all).await, "policy shows her fewer tools");
        assert!(!told(&mut his).await);
        at_peace(&world, &node);
    });
}

#[test]
fn nobody_listens_with_a_key_that_ended() {
    run(async {
        let (world, node, ada) = bench(8).await;
        let bob = add(&node, "bob", &[]).await;
        let mut removed = watch(&node, &bob, Endpoint::All).await;
        let mut rotated = watch(&node, &ada, Endpoint::All).await;
        node.admin.remove_agent(BY, &agent("bob")).await.unwrap();
        assert_eq!(removed.changed().await.unwrap_err().reason, Reason::InvalidCredential);
        assert!(!told(&mut rotated).await);
        node.admin.rotate_agent(BY, &agent("ada"), 30, 0).await.unwrap();
        assert_eq!(rotated.changed().await.unwrap_err().reason, Reason::InvalidCredential);
        let expiring = add(&node, "eve", &[]).await;
        let mut expired = watch(&node, &expiring, Endpoint::All).await;
        expired.verify().await.unwrap();
        node.clock.jump(31 * 86_400);
        assert_eq!(expired.verify().await.unwrap_err().reason, Reason::InvalidCredential);
        at_peace(&world, &node);
    });
}
