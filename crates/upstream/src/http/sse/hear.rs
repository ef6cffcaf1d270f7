//! What a server says on its stream outside of calls. Must never pass on what holds a credential of ours.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use mcp::reply::{Announcement, Outcome};
use model::ids::ServerName;
use model::method::Method;
use ports::changes::Change;
use ports::secret::Secret;
use ports::upstream::{Answer, Forward, UpstreamFault};

use super::SseConnection;
use crate::hear::{Asker, Ear, keep_subscribed};
use crate::http::leased;
use crate::speak;

/// The session, asked with one credential.
struct Hearing<'a> {
    connection: &'a Arc<SseConnection>,
    credential: Option<Secret>,
}

impl SseConnection {
    /// Whether what a subscription was decided on is what this session found.
    pub(crate) async fn check(self: &Arc<Self>, forward: &Forward) -> Result<(), UpstreamFault> {
        self.verified(leased(&forward.lease)).await?.pinned(&forward.tool).map(drop)
    }

    /// Listens to the server, until its stream ends or nobody wants to.
    pub(crate) async fn attend(self: &Arc<Self>, ear: &Arc<Ear>) {
        *self.ear.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(ear);
        ear.attend(true);
        let hearing = Hearing { connection: self, credential: ear.credential() };
        let mut stirred = self.stirred.subscribe();
        let over = async { while self.alive() && stirred.changed().await.is_ok() {} };
        tokio::select! {
            () = keep_subscribed(ear, &hearing) => {}
            () = over => {}
        }
    }

    /// The server said something of its own accord.
    pub(super) fn note(&self, said: Announcement) {
        let change = match said {
            Announcement::Granted { .. } => return,
            Announcement::Updated(uri) if self.site.guard(self.credential.as_ref()).finds(&uri) => return,
            Announcement::Updated(uri) => Change::Updated(uri),
            Announcement::Resources => Change::Resources,
            Announcement::Prompts => Change::Prompts,
        };
        let ear = self.ear.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        ear.inspect(|ear| ear.hear(&change));
    }
}

impl Asker for Hearing<'_> {
    fn server(&self) -> &ServerName {
        &self.connection.site.server
    }

    async fn ask(&self, message: impl Fn(u64) -> Bytes + Send + Sync) -> Result<Outcome, UpstreamFault> {
        self.connection.ask(self.credential.as_ref(), message).await
    }

    fn refusal(&self, outcome: Outcome) -> Result<Answer, UpstreamFault> {
        let site = &self.connection.site;
        let guard = site.guard(self.credential.as_ref());
        speak::answer((&site.server, Method::Subscribe), outcome, site.limits.message_bytes_max, &guard)
    }
}
