//! Calls under way: found by agent and by tool, cancelled once, off the list when they end.

use model::denial::Reason;
use model::ids::CallId;
use model::principal::{Attestation, Principal};

use super::{CancelToken, OpenCalls};
use crate::testing::{NOW, principal, tool};

#[test]
fn a_revocation_finds_its_calls_and_no_others() {
    let calls = OpenCalls::default();
    let enter = |number, agent: &str, name: &str| {
        let token = CancelToken::default();
        let id = CallId::new(NOW, [number; 10]);
        (calls.enter(id, &principal(agent), vec![tool(name)], token.clone()), token)
    };
    let (guard, one) = enter(1, "ada", "get_item");
    let (_guard, two) = enter(2, "ada", "get_other");
    let (_guard, three) = enter(3, "bob", "get_item");
    assert_eq!(calls.cancel_tool(&tool("get_item"), Reason::Revoked), 2);
    assert_eq!(
        [one.reason(), two.reason(), three.reason()],
        [Some(Reason::Revoked), None, Some(Reason::Revoked)]
    );
    drop(guard);
    assert_eq!(calls.cancel_agent(&principal("ada").agent, Reason::Cancelled), 1);
    assert_eq!(two.reason(), Some(Reason::Cancelled));
    assert_eq!(calls.count(), 2);
}

#[test]
fn the_end_of_a_key_ends_what_was_called_with_a_key() {
    let calls = OpenCalls::default();
    let enter = |number, attestation| {
        let (token, principal) = (CancelToken::default(), Principal { attestation, ..principal("ada") });
        (
            calls.enter(CallId::new(NOW, [number; 10]), &principal, vec![tool("get_item")], token.clone()),
            token,
        )
    };
    let (_keyed, with_a_key) = enter(1, Attestation::AgentKey);
    let (_local, without) = enter(2, Attestation::LocalPeer);
    assert_eq!(calls.cancel_keyed(&principal("bob").agent, Reason::Revoked), 0);
    assert_eq!(calls.cancel_keyed(&principal("ada").agent, Reason::Revoked), 1);
    assert_eq!((with_a_key.reason(), without.reason()), (Some(Reason::Revoked), None));
}

#[test]
fn the_first_reason_is_kept() {
    let token = CancelToken::default();
    token.cancel(Reason::Revoked);
    token.cancel(Reason::Cancelled);
    assert_eq!(token.reason(), Some(Reason::Revoked));
}
