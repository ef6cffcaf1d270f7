//! A server reached by streamable HTTP, either era. Must never share a session between lanes, nor use one lane's
//! credential for another.

mod call;
mod dial;
mod exchange;
mod filled;
mod handshake;
mod hear;
pub(crate) mod oauth;
mod public;
mod response;
mod site;
mod sites;
mod sse;
mod target;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use mcp::classify::named_by;
use mcp::outbound;
use mcp::reply::{Offers, Outcome, UpstreamMessage, UpstreamNotification};
use mcp::version::Era;
use model::client::ClientCapabilities;
use model::denial::Reason;
use model::json::Json;
use model::method::Method;
use ports::broker::Lease;
use ports::definitions::DefinitionObserver;
use ports::secret::Secret;
use ports::upstream::{Forward, ResultStream, UpstreamFault};
use tokio::sync::Notify;

use self::call::HttpStream;
use self::handshake::{Begun, Replied, Stopped};
use self::oauth::Answers;
use self::site::{Session, Site, header};
pub(crate) use self::sites::Sites;
pub(crate) use self::sse::SseConnection;
use crate::asked::Retry;
use crate::connection::{Call, Connection};
use crate::definitions::{Definitions, Listed, Lister, Page, Verified};
use crate::fault::{before_call, not_sent, unavailable};
use crate::hear::Ear;
use crate::lane::LaneKey;
use crate::speak;

/// Most time for what is sent on the side: cancellations, answers, the end of a session.
const ASIDE: Duration = Duration::from_secs(2);

/// The bearer of a lease.
pub(crate) const fn leased(lease: &Lease) -> Option<&Secret> {
    match lease {
        Lease::Bearer(secret) => Some(secret),
        Lease::NoCredentialNeeded => None,
    }
}

/// Finds out how a site is spoken to, and makes a connection to it ready.
///
/// # Errors
/// In words for an operator.
pub(crate) async fn connect(
    site: &Arc<Site>,
    observer: Arc<dyn DefinitionObserver>,
    (credential, whose): (Option<&Secret>, &LaneKey),
) -> Result<Connection, UpstreamFault> {
    match site.handshake(credential, whose.client()).await? {
        Begun::Session(session) => {
            HttpConnection::start(site, session, observer, (credential, whose)).await.map(Connection::Http)
        }
        Begun::Events(opened) => {
            SseConnection::start(site, *opened, observer, (credential, whose)).await.map(Connection::Sse)
        }
    }
}

/// One lane's way to a server: a session, or what a stateless server has listed to it.
pub(crate) struct HttpConnection {
    site: Arc<Site>,
    session: RwLock<Arc<Session>>,
    definitions: Definitions,
    last_id: AtomicU64,
    dead: AtomicBool,
    served: AtomicBool,
    closed: OnceLock<Reason>,
    one_renewal: tokio::sync::Mutex<()>,
    /// What the server is told that it may ask.
    client: ClientCapabilities,
    /// Told whenever another session begins.
    renewed: Notify,
    relisting: AtomicBool,
    /// Who hears what it says outside of calls.
    ear: Mutex<Weak<Ear>>,
}

impl HttpConnection {
    /// Lists.
    ///
    /// # Errors
    /// In words for an operator.
    async fn start(
        site: &Arc<Site>,
        session: Session,
        observer: Arc<dyn DefinitionObserver>,
        (credential, whose): (Option<&Secret>, &LaneKey),
    ) -> Result<Arc<Self>, UpstreamFault> {
        let client = whose.client();
        tracing::info!(server = %site.server, version = %session.version, "server answers");
        let connection = Arc::new(Self {
            site: Arc::clone(site),
            session: RwLock::new(Arc::new(session)),
            definitions: Definitions::new((site.server.clone(), site.limits), observer, whose),
            last_id: AtomicU64::new(0),
            dead: AtomicBool::new(false),
            served: AtomicBool::new(false),
            closed: OnceLock::new(),
            one_renewal: tokio::sync::Mutex::new(()),
            client,
            renewed: Notify::new(),
            relisting: AtomicBool::new(false),
            ear: Mutex::default(),
        });
        match connection.definitions.ensure(&connection.asking(credential)).await {
            Ok(_) => Ok(connection),
            Err(fault) => {
                connection.close(Reason::Cancelled).await;
                Err(fault)
            }
        }
    }

    pub(crate) fn alive(&self) -> bool {
        !self.dead.load(Ordering::Acquire)
    }

    pub(crate) fn served(&self) -> bool {
        self.served.load(Ordering::Acquire)
    }

    /// The server takes our credential no longer: the next call begins a connection with what is sealed by then.
    fn credential_refused(&self) {
        if self.site.sealed {
            self.dead.store(true, Ordering::Release);
        }
    }

    /// Prepares one call. It is sent when its stream is first read.
    pub(crate) async fn call(self: &Arc<Self>, call: Call) -> Result<Box<dyn ResultStream>, UpstreamFault> {
        let id = self.next_id();
        let outgoing = self.outgoing(&call.forward, id, None).await?;
        Ok(Box::new(HttpStream::new(Arc::clone(self), call, id, outgoing)))
    }

    fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// The request for a call, or for the same call again, once its tool is found to be what was decided on.
    async fn outgoing(
        self: &Arc<Self>,
        forward: &Forward,
        id: u64,
        again: Option<&Retry>,
    ) -> Result<Outgoing, UpstreamFault> {
        self.site.ready().await?;
        let verified = self.verified(leased(&forward.lease)).await?;
        let session = self.session();
        self.set_level(&session, forward).await?;
        // Also true of another session begun meanwhile: that counts as a change.
        if !self.definitions.unchanged(&verified) {
            return Err(unavailable(&self.site.server, "its tools have just changed; try again"));
        }
        let listed = verified.pinned(&forward.tool)?;
        let mut headers = session.headers();
        if session.version.era() == Era::Modern {
            self.modern_headers(&mut headers, forward, listed)?;
        }
        let body = speak::request(forward, session.version, id, again);
        Ok(Outgoing { session, headers, body })
    }

    fn modern_headers(
        &self,
        headers: &mut Vec<(HeaderName, HeaderValue)>,
        forward: &Forward,
        listed: &Listed,
    ) -> Result<(), UpstreamFault> {
        let unusable = |why: &dyn std::fmt::Display| unavailable(&self.site.server, why);
        let limits = speak::message_limits(&self.site.limits);
        let arguments = || Json::parse(forward.arguments.as_bytes(), &limits).map_err(|e| unusable(&e));
        let method = speak::method(forward);
        headers.push((HeaderName::from_static("mcp-method"), HeaderValue::from_static(method.as_str())));
        let name = match (method, named_by(method.as_str())) {
            (Method::CallTool, _) => Some(forward.tool.name.tool.as_str().to_owned()),
            (_, Some(member)) => arguments()?.get(member).and_then(Json::as_str).map(str::to_owned),
            (_, None) => None,
        };
        if let Some(name) = name {
            let value = HeaderValue::from_str(&mcp::header::encode(&name)).map_err(|e| unusable(&e))?;
            headers.push((HeaderName::from_static("mcp-name"), value));
        }
        let mirrored = listed.headers.as_ref().map_err(|e| unusable(e))?;
        if !mirrored.is_empty() {
            let arguments = arguments()?;
            let values = mirrored.write(&arguments).map_err(|e| unusable(&e))?;
            for (name, value) in &values {
                headers.push(header(name, value).ok_or_else(|| unusable(&"an argument fits no header"))?);
            }
        }
        Ok(())
    }

    fn session(&self) -> Arc<Session> {
        Arc::clone(&self.session.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The current list. Listing goes on when the caller stops waiting.
    async fn verified(self: &Arc<Self>, credential: Option<&Secret>) -> Result<Arc<Verified>, UpstreamFault> {
        if let Some(verified) = self.definitions.fresh() {
            return Ok(verified);
        }
        let (own, credential) = (Arc::clone(self), credential.cloned());
        let listing = tokio::spawn(async move {
            let asking = own.asking(credential.as_ref());
            tokio::time::timeout(own.site.limits.start, own.definitions.ensure(&asking)).await
        });
        match listing.await {
            Ok(Ok(result)) => result.map_err(before_call),
            Ok(Err(_)) => Err(unavailable(&self.site.server, "it did not list its tools in time")),
            Err(_) => Err(unavailable(&self.site.server, "listing its tools was interrupted; try again")),
        }
    }

    /// Lists the tools now and reports them.
    pub(crate) async fn relist(&self, credential: Option<&Secret>) -> Result<(), UpstreamFault> {
        let asking = self.asking(credential);
        match tokio::time::timeout(self.site.limits.start, self.definitions.relist(&asking)).await {
            Ok(result) => result.map(drop),
            Err(_) => Err(unavailable(&self.site.server, "it did not list its tools in time")),
        }
    }

    /// The server does not know this session any more: begins another, once for all who noticed. What it has
    /// listed is to be verified again.
    async fn renew(&self, lost: &Arc<Session>, credential: Option<&Secret>) -> Result<(), UpstreamFault> {
        let _turn = self.one_renewal.lock().await;
        if let Some(reason) = self.closed.get() {
            return Err(not_sent(*reason, &self.site.server, "its connection was closed by callgate"));
        }
        if !Arc::ptr_eq(lost, &self.session()) {
            return Ok(());
        }
        let fault = match self.site.handshake(credential, self.client).await {
            Ok(Begun::Session(session)) => {
                self.definitions.changed();
                *self.session.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(session);
                self.renewed.notify_waiters();
                return Ok(());
            }
            Ok(Begun::Events(_)) => unavailable(&self.site.server, "it changed its transport; try again"),
            Err(fault) => fault,
        };
        self.dead.store(true, Ordering::Release);
        Err(fault)
    }

    /// Sends something beside a call, one after the other, without waiting for it.
    fn aside(self: &Arc<Self>, session: &Arc<Session>, credential: Option<&Secret>, messages: Vec<Bytes>) {
        if messages.is_empty() {
            return;
        }
        let (own, session, credential) = (Arc::clone(self), Arc::clone(session), credential.cloned());
        tokio::spawn(async move {
            for message in messages {
                let sending = own.site.notify(&session, credential.as_ref(), message);
                match tokio::time::timeout(ASIDE, sending).await {
                    Ok(Ok(())) => {}
                    Ok(Err(fault)) => tracing::debug!(why = %fault.private, "not delivered"),
                    Err(_) => tracing::debug!(server = %own.site.server, "not delivered in time"),
                }
            }
        });
    }

    /// Has a server with sessions log from the level on that a call wants, unless it does. What it logs for others
    /// is dropped by their calls.
    async fn set_level(&self, session: &Session, forward: &Forward) -> Result<(), UpstreamFault> {
        let takes = session.version.era() == Era::Legacy && session.offers.logging;
        let Some(wanted) = forward.log.filter(|_| takes) else { return Ok(()) };
        let mut level = session.level.lock().await;
        if level.is_some_and(|level| level <= wanted) {
            return Ok(());
        }
        let (id, credential) = (self.next_id(), leased(&forward.lease));
        let mut answers = Answers::default();
        let (response, replied) = loop {
            let body = outbound::set_level(id, wanted);
            let mut response = self.site.post(&session.headers(), credential, body);
            match self.site.reply(&mut response, id, |_| {}).await {
                Ok(replied) => break (response, replied),
                Err(stopped) => self.site.again(stopped, &mut answers).await.map_err(before_call)?,
            }
        };
        match replied {
            Replied::Outcome(Outcome::Result(_), _) => {}
            // Without its messages the call is still what was asked for.
            Replied::Outcome(Outcome::Error(_), _) | Replied::Refused(_) => {
                tracing::debug!(server = %self.site.server, "does not take the level of messages");
            }
        }
        response.finish();
        *level = Some(wanted);
        Ok(())
    }

    /// Ends the session, and begins no other.
    pub(crate) async fn close(&self, reason: Reason) {
        // Only the first reason counts.
        let _earlier = self.closed.set(reason);
        self.dead.store(true, Ordering::Release);
        let session = self.session();
        if tokio::time::timeout(ASIDE, self.site.end(&session)).await.is_err() {
            tracing::debug!(server = %self.site.server, "session was not ended in time");
        }
    }

    const fn asking<'a>(&'a self, credential: Option<&'a Secret>) -> Asking<'a> {
        Asking { connection: self, credential }
    }
}

/// A call's request, not sent yet.
struct Outgoing {
    session: Arc<Session>,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

/// Lists with one credential.
struct Asking<'a> {
    connection: &'a HttpConnection,
    credential: Option<&'a Secret>,
}

impl Asking<'_> {
    async fn ask(&self, session: &Session, cursor: Option<&str>) -> Result<Replied, UpstreamFault> {
        let mut answers = Answers::default();
        loop {
            match self.ask_once(session, cursor).await {
                Ok(replied) => return Ok(replied),
                Err(stopped) => self.connection.site.again(stopped, &mut answers).await?,
            }
        }
    }

    async fn ask_once(&self, session: &Session, cursor: Option<&str>) -> Result<Replied, Stopped> {
        let connection = self.connection;
        let id = connection.next_id();
        let mut headers = session.headers();
        if session.version.era() == Era::Modern {
            let all = outbound::headers(session.version, "tools/list", None);
            headers.extend(all.iter().filter_map(|(name, value)| header(name, value)));
        }
        let body = outbound::list_tools(&speak::wire(session.version), id, cursor);
        let mut response = connection.site.post(&headers, self.credential, body);
        let hear = |message: &UpstreamMessage| {
            if matches!(message, UpstreamMessage::Notification(UpstreamNotification::ToolsChanged)) {
                connection.definitions.changed();
            }
        };
        let replied = connection.site.reply(&mut response, id, hear).await?;
        response.finish();
        Ok(replied)
    }
}

impl Lister for Asking<'_> {
    fn offers(&self) -> Offers {
        self.connection.session().offers.clone()
    }

    /// There is no stream of ours on which a change could be announced, but that of a call.
    fn ages(&self) -> bool {
        true
    }

    async fn page(&self, cursor: Option<String>) -> Result<Page, UpstreamFault> {
        let site = &self.connection.site;
        let mut session = self.connection.session();
        let mut replied = self.ask(&session, cursor.as_deref()).await?;
        if session_is_lost(&session, &replied) && cursor.is_none() {
            self.connection.renew(&session, self.credential).await?;
            session = self.connection.session();
            replied = self.ask(&session, None).await?;
        }
        match replied {
            Replied::Outcome(outcome, _) => speak::page(&site.server, &outcome, &site.guard(self.credential)),
            Replied::Refused(status) => Err(site.refused(status)),
        }
    }
}

/// 404 says so; some servers answer 400 to a session they do not know.
fn session_is_lost(session: &Session, replied: &Replied) -> bool {
    let status = match replied {
        Replied::Outcome(Outcome::Error(_), status) | Replied::Refused(status) => *status,
        Replied::Outcome(Outcome::Result(_), _) => return false,
    };
    session.id.is_some() && matches!(status, StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST)
}
