//! What a child says outside of calls. Must never pass on what holds a credential of ours.

use std::sync::{Arc, PoisonError, Weak};

use bytes::Bytes;
use mcp::outbound;
use mcp::reply::{Announcement, Outcome};
use mcp::version::Era;
use model::ids::ServerName;
use model::method::Method;
use ports::changes::Change;
use ports::upstream::{Answer, Forward, UpstreamFault};

use super::StdioConnection;
use crate::carrier::Carrier as _;
use crate::hear::{Asker, Ear, Opened, Teller, Wanted, keep_listening, keep_subscribed};
use crate::speak;
use crate::table::Ticket;

impl StdioConnection {
    /// Whether this very child declares what a subscription was decided on.
    pub(crate) async fn check(self: &Arc<Self>, forward: &Forward) -> Result<(), UpstreamFault> {
        self.verified().await?.pinned(&forward.tool).map(drop)
    }

    /// Listens to the child, until it ends or nobody wants to.
    pub(crate) async fn attend(self: &Arc<Self>, ear: &Arc<Ear>) {
        *self.ear.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(ear);
        let mut stopping = self.handle.stopping();
        let listening = async {
            match self.version().era() {
                Era::Legacy => {
                    ear.attend(true);
                    keep_subscribed(ear, &**self).await;
                }
                Era::Modern => keep_listening(ear, self).await,
            }
        };
        tokio::select! {
            () = listening => {}
            _ = stopping.wait_for(|stop| *stop) => {}
        }
    }

    /// The child said something of its own accord.
    pub(super) fn note(&self, said: Announcement) {
        let change = match said {
            Announcement::Granted { subscription, uris } => {
                self.granted.send_replace((subscription, uris));
                return;
            }
            Announcement::Updated(uri) if self.guard.finds(&uri) => return,
            Announcement::Updated(uri) => Change::Updated(uri),
            Announcement::Resources => Change::Resources,
            Announcement::Prompts => Change::Prompts,
        };
        let ear = self.ear.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        ear.inspect(|ear| ear.hear(&change));
    }
}

impl Asker for StdioConnection {
    fn server(&self) -> &ServerName {
        &self.server
    }

    async fn ask(&self, message: impl Fn(u64) -> Bytes + Send + Sync) -> Result<Outcome, UpstreamFault> {
        self.ask(message).await
    }

    fn refusal(&self, outcome: Outcome) -> Result<Answer, UpstreamFault> {
        let of = (&self.server, Method::Subscribe);
        speak::answer(of, outcome, self.limits.message_bytes_max, &self.guard)
    }
}

/// A `subscriptions/listen` that is open.
pub(crate) struct Listened {
    connection: Weak<StdioConnection>,
    ticket: Ticket,
}

impl Drop for Listened {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.upgrade()
            && connection.table.abandon(self.ticket.id)
        {
            // A child that reads nothing cannot be told.
            let _untold = connection.outbox.try_send(outbound::cancelled(self.ticket.id, "nobody listens"));
        }
    }
}

impl Teller for Arc<StdioConnection> {
    type Stream = Listened;

    fn server(&self) -> &ServerName {
        &self.server
    }

    async fn open(&self, wanted: &Wanted) -> Result<Opened<Listened>, UpstreamFault> {
        let mut granted = self.granted.subscribe();
        let place = self.outbox.reserve().await.map_err(|_| self.gone())?;
        let ticket = self.table.open(false)?;
        let mut open = Listened { connection: Arc::downgrade(self), ticket };
        let (id, uris) = (open.ticket.id, wanted.uris.iter().cloned().collect::<Vec<_>>());
        let (prompts, resources) = (wanted.prompts, wanted.resources);
        let wire = speak::wire(self.version());
        place.send(outbound::listen(&wire, id, &outbound::Wanted { prompts, resources, uris: &uris }));
        let uris = tokio::select! {
            biased;
            granted = granted.wait_for(|(subscription, _)| *subscription == id) => {
                granted.map(|granted| granted.1.clone()).map_err(|_| self.gone())?
            }
            answered = &mut open.ticket.done => {
                let outcome = answered.unwrap_or_else(|_| Err(self.gone()))?;
                return self.refusal(outcome).map(Opened::Refused);
            }
        };
        Ok(Opened::Granted(open, uris))
    }

    async fn ended(&self, stream: &mut Listened) {
        let _how = (&mut stream.ticket.done).await;
    }
}
