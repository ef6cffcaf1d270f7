//! What a server says outside of calls: on the stream of a session, or in answer to `subscriptions/listen`. Must never
//! pass on what holds a credential of ours, nor open a stream again without a pause.

use std::future::pending;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use http::{Method as HttpMethod, StatusCode};
use mcp::outbound;
use mcp::reply::{Announcement, Outcome, UpstreamMessage, UpstreamNotification};
use mcp::version::Era;
use model::ids::ServerName;
use model::method::Method;
use ports::changes::Change;
use ports::secret::Secret;
use ports::upstream::{Answer, Forward, UpstreamFault};
use tokio::time::{Duration, Instant};

use super::handshake::Replied;
use super::oauth::Answers;
use super::response::{Part, Response};
use super::site::{Session, header};
use super::{HttpConnection, leased, session_is_lost};
use crate::fault::violation;
use crate::hear::{Asker, Ear, Opened, Teller, Wanted, keep_listening, keep_subscribed};
use crate::speak;

/// Messages outside of calls are counted over so long.
const WINDOW: Duration = Duration::from_secs(60);

impl HttpConnection {
    /// Whether what a subscription was decided on is what this connection found.
    pub(crate) async fn check(self: &Arc<Self>, forward: &Forward) -> Result<(), UpstreamFault> {
        self.verified(leased(&forward.lease)).await?.pinned(&forward.tool).map(drop)
    }

    /// Listens to the server, until it cannot be or nobody wants to.
    pub(crate) async fn attend(self: &Arc<Self>, ear: &Arc<Ear>) {
        *self.ear.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(ear);
        let renewed = self.renewed.notified();
        tokio::pin!(renewed);
        renewed.as_mut().enable();
        let listening =
            Listening { connection: Arc::clone(self), session: self.session(), credential: ear.credential() };
        let heard = async {
            match listening.session.version.era() {
                Era::Modern => keep_listening(ear, &listening).await,
                Era::Legacy => {
                    tokio::select! {
                        () = keep_subscribed(ear, &listening) => {}
                        () = listening.stream(ear) => {}
                    }
                }
            }
        };
        tokio::select! {
            () = heard => {}
            () = renewed => {}
        }
    }

    /// What a server said on whatever stream.
    pub(super) fn announced(&self, said: Announcement, credential: Option<&Secret>) {
        let change = match said {
            Announcement::Granted { .. } => return,
            Announcement::Updated(uri) if self.site.guard(credential).finds(&uri) => return,
            Announcement::Updated(uri) => Change::Updated(uri),
            Announcement::Resources => Change::Resources,
            Announcement::Prompts => Change::Prompts,
        };
        let ear = self.ear.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        ear.inspect(|ear| ear.hear(&change));
    }

    /// The server said that its tools changed: they are listed again at once, once.
    fn tools_announced(self: &Arc<Self>, credential: Option<&Secret>) {
        self.definitions.changed();
        if self.relisting.swap(true, Ordering::AcqRel) {
            return;
        }
        let (own, credential) = (Arc::clone(self), credential.cloned());
        tokio::spawn(async move {
            let listed = own.verified(credential.as_ref()).await;
            own.relisting.store(false, Ordering::Release);
            if let Err(fault) = listed {
                tracing::warn!(server = %own.site.server, why = %fault.private, "changed tools are not listed");
            }
        });
    }
}

/// One session, or one way a stateless server is spoken to, while it is listened to.
struct Listening {
    connection: Arc<HttpConnection>,
    session: Arc<Session>,
    credential: Option<Secret>,
}

/// How a stream of a session came to nothing.
enum Closed {
    /// It ended, or broke.
    Over,
    /// The server has no such stream.
    None,
    /// The server does not know the session.
    SessionLost,
}

impl Listening {
    /// The stream of the session (MCP 2025-11-25, Transports), opened again for as long as the session lasts.
    async fn stream(&self, ear: &Ear) {
        let limits = &self.connection.site.limits;
        let mut pause = limits.backoff_first;
        loop {
            let began = Instant::now();
            match self.read_stream(ear).await {
                Closed::Over => {}
                Closed::None => return pending().await,
                Closed::SessionLost => return self.renew().await,
            }
            if began.elapsed() >= WINDOW {
                pause = limits.backoff_first;
            }
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(limits.backoff_max);
            ear.miss();
        }
    }

    async fn read_stream(&self, ear: &Ear) -> Closed {
        let site = &self.connection.site;
        let credential = self.credential.as_ref();
        if site.ready().await.is_err() {
            return Closed::Over;
        }
        let request = site.request(HttpMethod::GET, &self.session.headers(), credential, Bytes::new());
        let mut response = site.send(request, site.limits.message_bytes_max);
        let opened = response.opened().await;
        // Whatever it said: what is told at all is told from here on.
        ear.attend(true);
        if opened.is_err() {
            return Closed::Over;
        }
        let mut heard = Heard::default();
        loop {
            match response.next().await {
                Ok(Part::Message(message)) => {
                    if !heard.one_more(site.limits.notifications_max) {
                        tracing::warn!(server = %site.server, "it floods its stream, which is closed for a while");
                        return Closed::Over;
                    }
                    self.take(*message);
                }
                Ok(Part::Refused(StatusCode::NOT_FOUND, _)) if self.session.id.is_some() => {
                    return Closed::SessionLost;
                }
                Ok(Part::Refused(status, _)) => return self.refused(status),
                Ok(Part::End) | Err(_) => return Closed::Over,
            }
        }
    }

    fn refused(&self, status: StatusCode) -> Closed {
        match status {
            StatusCode::UNAUTHORIZED => {
                self.connection.credential_refused();
                Closed::Over
            }
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_FOUND | StatusCode::NOT_IMPLEMENTED => {
                Closed::None
            }
            _ => Closed::Over,
        }
    }

    fn take(&self, message: UpstreamMessage) {
        let credential = self.credential.as_ref();
        match message {
            UpstreamMessage::Notification(UpstreamNotification::Announced(said)) => {
                self.connection.announced(said, credential);
            }
            UpstreamMessage::Notification(UpstreamNotification::ToolsChanged) => {
                self.connection.tools_announced(credential);
            }
            // It is no call's: `{}` to `ping`, an error to everything else. A stateless server asks nothing so.
            UpstreamMessage::Request(request) if self.session.version.era() == Era::Legacy => {
                self.connection.aside(&self.session, credential, vec![request.answer()]);
            }
            UpstreamMessage::Request(_) => {}
            UpstreamMessage::Notification(_) | UpstreamMessage::Response { .. } => {}
        }
    }

    /// Begins another session; whoever listens to this one stops.
    async fn renew(&self) {
        if let Err(fault) = self.connection.renew(&self.session, self.credential.as_ref()).await {
            tracing::debug!(server = %self.connection.site.server, why = %fault.private, "no other session");
        }
    }
}

/// How much was said.
struct Heard {
    messages: u64,
    since: Instant,
}

impl Default for Heard {
    fn default() -> Self {
        Self { messages: 0, since: Instant::now() }
    }
}

impl Heard {
    fn one_more(&mut self, most: u64) -> bool {
        if self.since.elapsed() >= WINDOW {
            *self = Self::default();
        }
        self.messages += 1;
        self.messages <= most
    }
}

impl Asker for Listening {
    fn server(&self) -> &ServerName {
        &self.connection.site.server
    }

    async fn ask(&self, message: impl Fn(u64) -> Bytes + Send + Sync) -> Result<Outcome, UpstreamFault> {
        let (connection, credential) = (&self.connection, self.credential.as_ref());
        let (site, mut answers) = (&connection.site, Answers::default());
        let hear = |message: &UpstreamMessage| {
            if let UpstreamMessage::Notification(_) = message {
                self.take(message.clone());
            }
        };
        let replied = loop {
            site.ready().await?;
            let id = connection.next_id();
            let mut response = site.post(&self.session.headers(), credential, message(id));
            match site.reply(&mut response, id, hear).await {
                Ok(replied) => {
                    response.finish();
                    break replied;
                }
                Err(stopped) => site.again(stopped, &mut answers).await?,
            }
        };
        if session_is_lost(&self.session, &replied) && !answers_to(&replied) {
            connection.renew(&self.session, credential).await?;
            // Asked again in the other session, by who listens to that.
            return pending().await;
        }
        match replied {
            Replied::Outcome(outcome, _) => Ok(outcome),
            Replied::Refused(status) => Err(connection.site.refused(status)),
        }
    }

    fn refusal(&self, outcome: Outcome) -> Result<Answer, UpstreamFault> {
        let site = &self.connection.site;
        let guard = site.guard(self.credential.as_ref());
        speak::answer((&site.server, Method::Subscribe), outcome, site.limits.message_bytes_max, &guard)
    }
}

/// Whether an error is about the request, and not the session it came in.
const fn answers_to(replied: &Replied) -> bool {
    matches!(replied, Replied::Outcome(_, StatusCode::OK))
}

impl Teller for Listening {
    type Stream = Response;

    fn server(&self) -> &ServerName {
        &self.connection.site.server
    }

    async fn open(&self, wanted: &Wanted) -> Result<Opened<Response>, UpstreamFault> {
        let (site, version) = (&self.connection.site, self.session.version);
        site.ready().await?;
        let id = self.connection.next_id();
        let mut headers = self.session.headers();
        let ours = outbound::headers(version, "subscriptions/listen", None);
        headers.extend(ours.iter().filter_map(|(name, value)| header(name, value)));
        let uris: Vec<_> = wanted.uris.iter().cloned().collect();
        let filter = outbound::Wanted { prompts: wanted.prompts, resources: wanted.resources, uris: &uris };
        let body = outbound::listen(&speak::wire(version), id, &filter);
        let mut response = site.post(&headers, self.credential.as_ref(), body);
        match response.next().await.map_err(|unreadable| site.unreadable(unreadable))? {
            Part::Message(message) => match *message {
                UpstreamMessage::Notification(UpstreamNotification::Announced(Announcement::Granted {
                    subscription,
                    uris,
                })) if subscription == id => Ok(Opened::Granted(response, uris)),
                UpstreamMessage::Response { outcome, .. } => self.refusal(outcome).map(Opened::Refused),
                _ => Err(violation(&site.server, "it tells before it acknowledges the subscription")),
            },
            Part::Refused(StatusCode::UNAUTHORIZED, _) => {
                self.connection.credential_refused();
                Err(site.refused(StatusCode::UNAUTHORIZED))
            }
            Part::Refused(status, Some(message)) => match *message {
                UpstreamMessage::Response { outcome: outcome @ Outcome::Error(_), .. } => {
                    self.refusal(outcome).map(Opened::Refused)
                }
                _ => Err(site.refused(status)),
            },
            Part::Refused(status, None) => Err(site.refused(status)),
            Part::End => Err(violation(&site.server, "it ended its response without an answer")),
        }
    }

    async fn ended(&self, stream: &mut Response) {
        let mut heard = Heard::default();
        while let Ok(Part::Message(message)) = stream.next().await {
            if matches!(*message, UpstreamMessage::Response { .. })
                || !heard.one_more(self.connection.site.limits.notifications_max)
            {
                return;
            }
            self.take(*message);
        }
    }
}
