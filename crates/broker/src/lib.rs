//! Upstream credentials (PIP): who gets which, for how long; and what is sealed: secrets at rest, handles for clients.
//! Ring 2.
//!
//! Must never hand a server the credential of another, nor show one.

pub mod handles;
pub mod sealed;

use std::collections::HashMap;

use model::denial::Denial;
use model::ids::ServerName;
use ports::BoxFuture;
use ports::broker::{Broker, Lease, LeaseRequest};
use ports::secret::Secret;

/// Credentials that the operator configured, one per server. They do not end with a task: the weakest form.
#[derive(Default)]
pub struct StaticBroker {
    bearers: HashMap<ServerName, Secret>,
}

impl StaticBroker {
    /// Of the servers that have one; all others need none.
    #[must_use]
    pub const fn new(bearers: HashMap<ServerName, Secret>) -> Self {
        Self { bearers }
    }
}

impl Broker for StaticBroker {
    fn lease<'a>(&'a self, request: &'a LeaseRequest) -> BoxFuture<'a, Result<Lease, Denial>> {
        let lease = match self.bearers.get(&request.server) {
            Some(bearer) => Lease::Bearer(bearer.clone()),
            None => Lease::NoCredentialNeeded,
        };
        Box::pin(std::future::ready(Ok(lease)))
    }

    /// Nothing was minted, so nothing is given back.
    fn release<'a>(&'a self, _: &'a LeaseRequest) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use model::ids::{CallId, TaskId};
    use model::time::Micros;

    use super::*;

    fn leased(broker: &StaticBroker, server: &str) -> Option<String> {
        let request = LeaseRequest {
            call: CallId::new(Micros(0), [0; 10]),
            task: TaskId::parse("agent:a").unwrap(),
            server: ServerName::parse(server).unwrap(),
        };
        let Poll::Ready(lease) =
            broker.lease(&request).as_mut().poll(&mut Context::from_waker(Waker::noop()))
        else {
            panic!("a static lease waits for nothing")
        };
        match lease.unwrap() {
            Lease::Bearer(secret) => Some(secret.reveal().to_owned()),
            Lease::NoCredentialNeeded => None,
        }
    }

    #[test]
    fn each_server_gets_its_own_credential_and_no_other() {
        let of =
            |name: &str, secret: &str| (ServerName::parse(name).unwrap(), Secret::new(secret.to_owned()));
        let broker = StaticBroker::new(HashMap::from([of("git", "g"), of("pay", "p")]));
        assert_eq!(leased(&broker, "git").as_deref(), Some("g"));
        assert_eq!(leased(&broker, "pay").as_deref(), Some("p"));
        assert_eq!(leased(&broker, "time"), None);
        assert_eq!(leased(&StaticBroker::default(), "git"), None);
    }
}
