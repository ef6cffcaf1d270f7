//! One flight at a time, and when a token is due.

use ports::BoxFuture;
use ports::fault::Fault;
use ports::sealed::SealedValues;
use proptest::prelude::*;

use super::super::kept::Identity;
use super::*;
use crate::config::OauthConfig;
use crate::http::dial::tls_config;

/// Keeps nothing, and has what somebody else put there.
#[derive(Default)]
struct Nowhere(Option<Secret>);

impl TokenStore for Nowhere {
    fn stamp(&self) -> Stamp {
        Stamp(0)
    }

    fn load<'a>(&'a self, _: &'a ServerName) -> BoxFuture<'a, Result<Option<Secret>, Fault>> {
        Box::pin(std::future::ready(Ok(self.0.clone())))
    }

    fn keep<'a>(&'a self, _: &'a ServerName, _: &'a Secret) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(std::future::ready(Err(Fault::new("the disk is full"))))
    }

    fn forget<'a>(&'a self, _: &'a ServerName) -> BoxFuture<'a, Result<bool, Fault>> {
        Box::pin(std::future::ready(Ok(false)))
    }
}

fn client() -> OauthClient {
    client_with(Nowhere::default())
}

fn client_with(store: Nowhere) -> OauthClient {
    let server = ServerName::parse("s").unwrap();
    let settings = Settings::of(&server, &OauthConfig::default(), &SealedValues::new()).unwrap();
    let (tls, store) = (tls_config(None).unwrap(), Arc::new(store));
    let parts = Parts { server, settings, secrets: Vec::new(), tls, store };
    OauthClient::new("https://a.example/mcp", parts).unwrap()
}

fn kept(got_at: u64, expires_at: Option<u64>) -> Kept {
    Kept {
        issuer: "https://as.example".to_owned(),
        resource: "https://a.example/mcp".to_owned(),
        identity: Identity { id: "gate".to_owned(), auth: ClientAuth::Nothing, secret: None },
        access: Some(Secret::new("token-4711".to_owned())),
        got_at,
        expires_at,
        refresh: None,
        scopes: Scopes::default(),
        wanted: Scopes::default(),
    }
}

#[tokio::test]
async fn who_waits_for_a_flight_that_fails_does_not_fly() {
    let (client, failed) = (client(), OauthFault::NotDescribed);
    let (land, landing) = tokio::sync::oneshot::channel::<()>();
    let first = client.fly(async {
        landing.await.unwrap();
        Err(failed.clone())
    });
    let waiting = client.fly(async { panic!("this is a second flight") });
    let release = async {
        tokio::task::yield_now().await;
        land.send(()).unwrap();
    };
    let (first, waiting, ()) = tokio::join!(first, waiting, release);
    assert_eq!((first, waiting), (Err(failed.clone()), Err(failed)));
    // Who comes later tries again.
    assert_eq!(client.fly(async { Ok(()) }).await, Ok(()));
}

#[tokio::test]
async fn a_token_that_cannot_be_kept_is_used_all_the_same() {
    let client = client();
    client.keep(kept(0, None)).await;
    client.reload().await.unwrap();
    let token = client.current().unwrap();
    assert_eq!(token.header.as_ref().and_then(|header| header.to_str().ok()), Some("Bearer token-4711"));
    assert!(token.header.as_ref().is_some_and(HeaderValue::is_sensitive));
    assert!(token.guard.finds("it is token-4711"));
}

#[tokio::test]
async fn a_renewal_does_not_bring_back_what_was_removed_or_replaced_meanwhile() {
    let (before, renewed) = (kept(0, None), kept(1, None));
    let removed = client();
    removed.keep(before.clone()).await;
    removed.replace(&before, renewed.clone()).await.unwrap();
    assert!(removed.current().is_none(), "there was a logout");

    let other = Kept { access: Some(Secret::new("another-login".to_owned())), ..kept(2, None) };
    let replaced = client_with(Nowhere(Some(other.write())));
    replaced.keep(before.clone()).await;
    replaced.replace(&before, renewed.clone()).await.unwrap();
    let token = replaced.current().unwrap();
    assert_eq!(token.kept.access.as_ref().map(Secret::reveal), Some("another-login"));

    let unchanged = client_with(Nowhere(Some(before.write())));
    unchanged.replace(&before, renewed).await.unwrap();
    assert_eq!(unchanged.current().unwrap().kept.got_at, 1);
}

proptest! {
    #[test]
    fn a_token_is_due_before_it_is_over_and_not_from_the_beginning(
        got_at in 0_u64..1 << 40,
        life in 1_u64..1 << 30,
        age in 0_u64..1 << 31,
    ) {
        let client = client();
        let token = client.ready_made(kept(got_at, Some(got_at + life)));
        let now = got_at + age;
        prop_assert!(!token.is_over(now) || token.is_due(now));
        prop_assert!(age * 4 >= life * 3 || !token.is_due(now), "not before three quarters of its life");
        prop_assert!(age + 60 >= life || !token.is_due(now), "not before its last minute");
        let endless = client.ready_made(kept(got_at, None));
        prop_assert!(!endless.is_due(now) && !endless.is_over(now));
    }
}
