//! A connection of any kind that has listed and reported its tools. Must never carry a call before its tool
//! was compared with that list.

use std::sync::Arc;

use model::denial::Reason;
use ports::secret::Secret;
use ports::upstream::{Forward, ResultStream, UpstreamFault};
use tokio::time::Instant;

use crate::hear::Ear;
use crate::http::{HttpConnection, SseConnection};
use crate::lane::Place;
use crate::stdio::StdioConnection;

/// A call that has its place and its time.
pub(crate) struct Call {
    pub(crate) forward: Forward,
    pub(crate) place: Place,
    pub(crate) deadline: Instant,
}

/// An open connection.
pub(crate) enum Connection {
    /// To a child.
    Stdio(Arc<StdioConnection>),
    /// To an HTTP server.
    Http(Arc<HttpConnection>),
    /// To a server of the older HTTP transport.
    Sse(Arc<SseConnection>),
}

impl Connection {
    /// False once no call can be served any more.
    pub(crate) fn alive(&self) -> bool {
        match self {
            Self::Stdio(connection) => connection.alive(),
            Self::Http(connection) => connection.alive(),
            Self::Sse(connection) => connection.alive(),
        }
    }

    /// Whether it ever answered a call: if so, its end is no failed start.
    pub(crate) fn served(&self) -> bool {
        match self {
            Self::Stdio(connection) => connection.served(),
            Self::Http(connection) => connection.served(),
            Self::Sse(connection) => connection.served(),
        }
    }

    /// Sends one call.
    pub(crate) async fn call(&self, call: Call) -> Result<Box<dyn ResultStream>, UpstreamFault> {
        match self {
            Self::Stdio(connection) => connection.call(call).await,
            Self::Http(connection) => connection.call(call).await,
            Self::Sse(connection) => connection.call(call).await,
        }
    }

    /// Whether a subscription is to what this very connection found.
    pub(crate) async fn check(&self, forward: &Forward) -> Result<(), UpstreamFault> {
        match self {
            Self::Stdio(connection) => connection.check(forward).await,
            Self::Http(connection) => connection.check(forward).await,
            Self::Sse(connection) => connection.check(forward).await,
        }
    }

    /// Listens to what its server says outside of calls, until it cannot or nobody wants to.
    pub(crate) async fn attend(&self, ear: &Arc<Ear>) {
        match self {
            Self::Stdio(connection) => connection.attend(ear).await,
            Self::Http(connection) => connection.attend(ear).await,
            Self::Sse(connection) => connection.attend(ear).await,
        }
    }

    /// Lists the tools now and reports them.
    pub(crate) async fn relist(&self, credential: Option<&Secret>) -> Result<(), UpstreamFault> {
        match self {
            Self::Stdio(connection) => connection.relist().await,
            Self::Http(connection) => connection.relist(credential).await,
            Self::Sse(connection) => connection.relist(credential).await,
        }
    }

    /// Ends it: the child is stopped, the session closed. What is open or comes later fails for this reason.
    pub(crate) async fn close(&self, reason: Reason) {
        match self {
            Self::Stdio(connection) => connection.close(reason).await,
            Self::Http(connection) => connection.close(reason).await,
            Self::Sse(connection) => connection.close(reason),
        }
    }
}
