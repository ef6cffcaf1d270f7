//! A server reached by HTTP+SSE, the transport of 2024-11-05: messages are posted to where the server says, and all
//! answers come on one stream of events. Must never post to another origin, send anything twice, or trust a session
//! whose stream is lost.

mod endpoint;
mod events;
mod hear;
mod post;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use bytes::Bytes;
use http::Uri;
use mcp::outbound;
use mcp::question::known_to;
use mcp::reply::{Announcement, Offers, Outcome};
use mcp::version::ProtocolVersion;
use model::client::{ClientCapabilities, LogLevel};
use model::denial::Reason;
use model::ids::ServerName;
use ports::definitions::DefinitionObserver;
use ports::secret::Secret;
use ports::upstream::{ResultStream, UpstreamFault};
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

pub(super) use self::events::{NotOpened, Opened};
use self::post::{Posting, Sending};
use super::leased;
use super::site::Site;
use crate::carrier::{CarriedStream, Carrier};
use crate::config::Limits;
use crate::connection::Call;
use crate::definitions::{Definitions, Lister, Page, Verified};
use crate::fault::{before_call, maybe_sent, unavailable, violation};
use crate::guard::Guard;
use crate::hear::Ear;
use crate::lane::LaneKey;
use crate::speak;
use crate::table::{Asking, Table, Wants};

/// Answers to a server's own requests that are on their way at once; a server that asks faster gets no more.
const ASIDES: usize = 16;

/// A session of a lane that has listed its tools and had them reported.
pub(crate) struct SseConnection {
    site: Arc<Site>,
    endpoint: Uri,
    /// With which the stream was opened.
    credential: Option<Secret>,
    /// What the server is told that it may ask.
    client: ClientCapabilities,
    /// Whether agents share it.
    shared: bool,
    /// From which level on it logs, as far as it was told.
    level: tokio::sync::Mutex<Option<LogLevel>>,
    version: OnceLock<ProtocolVersion>,
    offers: OnceLock<Offers>,
    table: Table,
    definitions: Definitions,
    relisting: AtomicBool,
    served: AtomicBool,
    /// The server takes no more of it, although its stream is open.
    refused: AtomicBool,
    /// Told when what has not left yet may not leave any more.
    stirred: watch::Sender<()>,
    asides: Arc<Semaphore>,
    /// Who hears what it says outside of calls.
    ear: Mutex<Weak<Ear>>,
    reader: OnceLock<AbortHandle>,
}

impl SseConnection {
    /// Makes an open stream ready to serve.
    ///
    /// # Errors
    /// In words for an operator.
    pub(super) async fn start(
        site: &Arc<Site>,
        opened: Opened,
        observer: Arc<dyn DefinitionObserver>,
        (credential, whose): (Option<&Secret>, &LaneKey),
    ) -> Result<Arc<Self>, UpstreamFault> {
        let Opened { events, endpoint } = opened;
        let connection = Arc::new(Self {
            site: Arc::clone(site),
            endpoint,
            credential: credential.cloned(),
            version: OnceLock::new(),
            offers: OnceLock::new(),
            table: Table::default(),
            definitions: Definitions::new((site.server.clone(), site.limits), observer, whose),
            client: whose.client(),
            shared: *whose == LaneKey::Shared,
            level: tokio::sync::Mutex::default(),
            relisting: AtomicBool::new(false),
            served: AtomicBool::new(false),
            refused: AtomicBool::new(false),
            stirred: watch::channel(()).0,
            asides: Arc::new(Semaphore::new(ASIDES)),
            ear: Mutex::default(),
            reader: OnceLock::new(),
        });
        let reader = tokio::spawn(events::read(Arc::downgrade(&connection), events));
        // Set once, here.
        let _set = connection.reader.set(reader.abort_handle());
        match connection.make_ready().await {
            Ok(()) => Ok(connection),
            Err(fault) => {
                connection.close(Reason::Cancelled);
                Err(fault)
            }
        }
    }

    async fn make_ready(self: &Arc<Self>) -> Result<(), UpstreamFault> {
        let credential = self.credential.as_ref();
        let (version, own) = (ProtocolVersion::LATEST_LEGACY, speak::client());
        let initialize = |id| outbound::initialize(id, version, own, self.client);
        let outcome = self.ask(credential, initialize).await?;
        let Outcome::Result(result) = outcome else {
            return Err(unavailable(&self.site.server, "it answers `initialize` with an error"));
        };
        let version = speak::legacy_version(&self.site.server, &result)?;
        // Set once, here.
        let _set = (self.version.set(version), self.offers.set(result.offers()));
        self.post_aside(credential, outbound::initialized()).await?;
        self.definitions.ensure(&self.listing(credential)).await?;
        tracing::info!(server = %self.site.server, %version, transport = "sse", "server answers");
        Ok(())
    }

    pub(crate) fn alive(&self) -> bool {
        self.table.alive() && !self.refused.load(Ordering::Acquire)
    }

    pub(crate) fn served(&self) -> bool {
        self.served.load(Ordering::Acquire)
    }

    /// Sends one call.
    pub(crate) async fn call(self: &Arc<Self>, call: Call) -> Result<Box<dyn ResultStream>, UpstreamFault> {
        let mut call = call;
        if self.shared {
            // Nobody could tell whose messages they are.
            call.forward.log = None;
        }
        let lease = leased(&call.forward.lease);
        self.site.ready().await?;
        self.set_level(lease, call.forward.log).await?;
        let verified = self.verified(lease).await?;
        verified.pinned(&call.forward.tool)?;
        let guard = self.guard(lease);
        let (progress, log, questions) =
            (call.forward.wants_progress, call.forward.log, !self.may_ask().is_empty());
        let ticket = self.table.open_wanting(Wants { progress, log, questions })?;
        let body = speak::request(&call.forward, self.version(), ticket.id, None);
        let posting = Posting {
            id: ticket.id,
            credential: lease.cloned(),
            verified: Some(verified),
            until: call.deadline,
        };
        let sending = self.send(posting, body);
        Ok(Box::new(CarriedStream::new(Arc::clone(self), (sending, guard), ticket, call)))
    }

    /// Has the server log from the level on that a call wants, unless it does. What it logs for others is dropped by
    /// their calls.
    async fn set_level(
        self: &Arc<Self>,
        credential: Option<&Secret>,
        wanted: Option<LogLevel>,
    ) -> Result<(), UpstreamFault> {
        let takes = self.offers.get().is_some_and(|offers| offers.logging);
        let Some(wanted) = wanted.filter(|_| takes) else { return Ok(()) };
        let mut level = self.level.lock().await;
        if level.is_none_or(|level| level > wanted) {
            let set = self.ask(credential, |id| outbound::set_level(id, wanted)).await;
            if let Outcome::Error(_) = set.map_err(before_call)? {
                tracing::debug!(server = %self.site.server, "does not take the level of messages");
            }
            *level = Some(wanted);
        }
        Ok(())
    }

    /// What may not come back to a call with this credential: neither it nor what the stream was opened with.
    fn guard(&self, lease: Option<&Secret>) -> Arc<Guard> {
        match (lease, &self.credential) {
            (Some(lease), Some(own)) if !super::filled::same(lease, own) => {
                Arc::new(Guard::of(self.site.filled.secrets.iter().chain([lease, own])))
            }
            (lease, own) => self.site.guard(lease.or(own.as_ref())),
        }
    }

    /// The current list. Listing goes on when the caller stops waiting.
    async fn verified(self: &Arc<Self>, credential: Option<&Secret>) -> Result<Arc<Verified>, UpstreamFault> {
        if let Some(verified) = self.definitions.fresh() {
            return Ok(verified);
        }
        let (own, credential) = (Arc::clone(self), credential.cloned());
        let listing = tokio::spawn(async move {
            let listing = own.listing(credential.as_ref());
            tokio::time::timeout(own.site.limits.start, own.definitions.ensure(&listing)).await
        });
        match listing.await {
            Ok(Ok(result)) => result.map_err(before_call),
            Ok(Err(_)) => Err(unavailable(&self.site.server, "it did not list its tools in time")),
            Err(_) => Err(unavailable(&self.site.server, "listing its tools was interrupted; try again")),
        }
    }

    /// Lists the tools now and reports them.
    pub(crate) async fn relist(self: &Arc<Self>, credential: Option<&Secret>) -> Result<(), UpstreamFault> {
        let listing = self.listing(credential);
        match tokio::time::timeout(self.site.limits.start, self.definitions.relist(&listing)).await {
            Ok(result) => result.map(drop),
            Err(_) => Err(unavailable(&self.site.server, "it did not list its tools in time")),
        }
    }

    /// Asks something that is not a call.
    async fn ask(
        self: &Arc<Self>,
        credential: Option<&Secret>,
        message: impl FnOnce(u64) -> Bytes,
    ) -> Result<Outcome, UpstreamFault> {
        let ticket = self.table.open(false)?;
        let id = ticket.id;
        let _until_answered = Asking { table: &self.table, id };
        let until = Instant::now() + self.site.limits.start;
        let posting = Posting { id, credential: credential.cloned(), verified: None, until };
        let _sending = self.send(posting, message(id));
        ticket.done.await.unwrap_or_else(|_| Err(self.lost()))
    }

    /// Ends the session: what is open fails for this reason, and its stream is closed.
    pub(crate) fn close(&self, reason: Reason) {
        self.table.end(&maybe_sent(reason, &self.site.server, "its connection was closed by callgate"));
        self.stirred.send_replace(());
        self.stop_reading();
    }

    /// The server broke the protocol or its stream: what is open fails.
    fn condemn(&self, what: &str) {
        if self.table.alive() {
            tracing::warn!(server = %self.site.server, what, "session is given up");
        }
        self.table.end(&violation(&self.site.server, what));
        self.stirred.send_replace(());
    }

    fn stop_reading(&self) {
        if let Some(reader) = self.reader.get() {
            reader.abort();
        }
    }

    const fn listing<'a>(self: &'a Arc<Self>, credential: Option<&'a Secret>) -> Listing<'a> {
        Listing { connection: self, credential }
    }
}

impl Drop for SseConnection {
    fn drop(&mut self) {
        self.stop_reading();
    }
}

impl Carrier for SseConnection {
    type Sending = Sending;

    fn server(&self) -> &ServerName {
        &self.site.server
    }

    fn limits(&self) -> &Limits {
        &self.site.limits
    }

    fn table(&self) -> &Table {
        &self.table
    }

    fn served(&self) -> &AtomicBool {
        &self.served
    }

    fn lost(&self) -> UpstreamFault {
        violation(&self.site.server, "its event stream ended in the middle of the call")
    }

    /// No call passes until they are listed and reported again, which begins at once, once.
    fn tools_changed(self: &Arc<Self>) {
        self.definitions.changed();
        self.stirred.send_replace(());
        if self.version.get().is_none() || self.relisting.swap(true, Ordering::AcqRel) {
            return;
        }
        let own = Arc::clone(self);
        tokio::spawn(async move {
            let listed = own.verified(own.credential.as_ref()).await;
            own.relisting.store(false, Ordering::Release);
            if let Err(fault) = listed {
                tracing::warn!(server = %own.site.server, why = %fault.private, "changed tools are not listed");
            }
        });
    }

    fn announced(&self, said: Announcement) {
        self.note(said);
    }

    fn say(self: &Arc<Self>, message: Bytes) {
        let Ok(place) = Arc::clone(&self.asides).try_acquire_owned() else { return };
        let own = Arc::clone(self);
        tokio::spawn(async move {
            let _place = place;
            own.tell(own.credential.as_ref(), message).await;
        });
    }

    fn say_over(self: &Arc<Self>, sending: &Sending, message: Bytes) {
        // What has not left need not be taken back.
        self.stirred.send_replace(());
        tokio::spawn(Arc::clone(self).tell_after(sending.clone(), message));
    }

    fn answer_of(self: &Arc<Self>, sending: &Sending, message: Bytes) -> bool {
        let Ok(place) = Arc::clone(&self.asides).try_acquire_owned() else { return false };
        let telling = Arc::clone(self).tell_after(sending.clone(), message);
        tokio::spawn(async move {
            let _place = place;
            telling.await;
        });
        true
    }

    fn version(&self) -> ProtocolVersion {
        self.version.get().copied().unwrap_or(ProtocolVersion::LATEST_LEGACY)
    }

    fn may_ask(&self) -> ClientCapabilities {
        known_to(self.version(), self.client)
    }
}

/// Lists with one credential.
struct Listing<'a> {
    connection: &'a Arc<SseConnection>,
    credential: Option<&'a Secret>,
}

impl Lister for Listing<'_> {
    fn offers(&self) -> Offers {
        self.connection.offers.get().cloned().unwrap_or_default()
    }

    /// Changes are announced on the stream, by servers that do; what answers behind an address can be replaced.
    fn ages(&self) -> bool {
        true
    }

    async fn page(&self, cursor: Option<String>) -> Result<Page, UpstreamFault> {
        let connection = self.connection;
        let wire = speak::wire(connection.version());
        connection.site.ready().await?;
        let ask = |id| outbound::list_tools(&wire, id, cursor.as_deref());
        let outcome = connection.ask(self.credential, ask).await?;
        speak::page(&connection.site.server, &outcome, &connection.guard(self.credential))
    }
}
