//! A server as a child process: one JSON-RPC message a line. Must never share a child between lanes, nor keep
//! one whose output can no longer be trusted.

mod child;
mod environment;
mod handshake;
mod hear;
mod launch;
mod pipes;
mod stderr;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use mcp::outbound;
use mcp::question::known_to;
use mcp::reply::{Announcement, Offers, Outcome};
use mcp::version::{Era, ProtocolVersion};
use model::client::{ClientCapabilities, LogLevel};
use model::denial::Reason;
use model::ids::ServerName;
use ports::definitions::DefinitionObserver;
use ports::upstream::{Forward, ResultStream, UpstreamFault};
use tokio::sync::{mpsc, watch};

pub(crate) use self::launch::Launch;
use crate::asked::{PACE, Retry};
use crate::carrier::{CarriedStream, Carrier, Sending};
use crate::config::{Limits, ServerConfig};
use crate::connection::Call;
use crate::definitions::{Definitions, Lister, Page, Verified};
use crate::fault::{before_call, maybe_sent, unavailable, violation};
use crate::guard::Guard;
use crate::hear::Ear;
use crate::lane::LaneKey;
use crate::speak;
use crate::table::{Asking, Table, Ticket, Wants};

/// Messages that wait to be written; a child that does not read makes callers wait.
const OUTBOX: usize = 64;

/// A child that answered the handshake, listed its tools and had them reported.
pub(crate) struct StdioConnection {
    server: ServerName,
    limits: Limits,
    version: OnceLock<ProtocolVersion>,
    offers: OnceLock<Offers>,
    /// What the server is told that it may ask.
    client: ClientCapabilities,
    /// Whether it is everybody's.
    shared: bool,
    /// From which level on it logs, as far as it was told.
    level: tokio::sync::Mutex<Option<LogLevel>>,
    table: Table,
    outbox: mpsc::Sender<Bytes>,
    handle: child::Handle,
    guard: Arc<Guard>,
    definitions: Definitions,
    relisting: AtomicBool,
    served: AtomicBool,
    /// The newest subscription that the child acknowledged.
    granted: watch::Sender<(u64, Vec<Box<str>>)>,
    /// Who hears what it says outside of calls.
    ear: Mutex<Weak<Ear>>,
}

impl StdioConnection {
    /// Starts a child and makes it ready to serve.
    ///
    /// # Errors
    /// In words for an operator; the child is stopped.
    pub(crate) async fn start(
        config: &ServerConfig,
        launch: Launch,
        (work_dir, whose): (&Path, &LaneKey),
        observer: Arc<dyn DefinitionObserver>,
    ) -> Result<Arc<Self>, UpstreamFault> {
        let private_dir = work_dir.join(config.name.as_str()).join(whose.directory());
        let spawned = child::spawn(&config.name, &launch, &private_dir, config.limits.stop)
            .map_err(|why| unavailable(&config.name, why))?;
        let (outbox, inbox) = mpsc::channel(OUTBOX);
        let connection = Arc::new(Self {
            server: config.name.clone(),
            limits: config.limits,
            version: OnceLock::new(),
            offers: OnceLock::new(),
            client: whose.client(),
            shared: *whose == LaneKey::Shared,
            level: tokio::sync::Mutex::default(),
            table: Table::default(),
            outbox,
            handle: spawned.handle,
            guard: Arc::new(environment::guarded(&launch)),
            definitions: Definitions::new((config.name.clone(), config.limits), observer, whose),
            relisting: AtomicBool::new(false),
            served: AtomicBool::new(false),
            granted: watch::Sender::default(),
            ear: Mutex::default(),
        });
        drop(launch);
        tokio::spawn(pipes::write(spawned.stdin, inbox, connection.handle.stopping()));
        tokio::spawn(pipes::read(Arc::downgrade(&connection), spawned.stdout));
        match connection.make_ready(config).await {
            Ok(()) => Ok(connection),
            Err(fault) => Err(connection.failed_start(fault).await),
        }
    }

    async fn make_ready(&self, config: &ServerConfig) -> Result<(), UpstreamFault> {
        let (version, offers) = self.handshake(config.era).await?;
        // Set once, here.
        let _set = (self.version.set(version), self.offers.set(offers));
        self.definitions.ensure(self).await?;
        tracing::info!(server = %self.server, %version, "child is ready");
        Ok(())
    }

    /// Says how the child ended, when it did, and logs its last words.
    async fn failed_start(&self, fault: UpstreamFault) -> UpstreamFault {
        /// A child that closed its output has usually ended, or will at once.
        const PATIENCE: Duration = Duration::from_millis(500);
        if self.alive() {
            self.handle.stop();
            tracing::warn!(server = %self.server, stderr = %self.handle.last_words(), "child is not usable");
            return fault;
        }
        let how = tokio::time::timeout(PATIENCE, self.handle.ended()).await;
        let how = how.unwrap_or_else(|_| "closed its output".to_owned());
        tracing::warn!(server = %self.server, stderr = %self.handle.last_words(), %how, "child did not start");
        unavailable(&self.server, format!("its child {how} before it was ready; see the log for its stderr"))
    }

    pub(crate) fn alive(&self) -> bool {
        self.table.alive()
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
        self.set_level(call.forward.log).await?;
        let ticket = self.send(&call.forward, None).await?;
        let with = ((), Arc::clone(&self.guard));
        Ok(Box::new(CarriedStream::new(Arc::clone(self), with, ticket, call)))
    }

    /// Sends a call, or the same call again, once its tool is found to be what was decided on.
    async fn send(
        self: &Arc<Self>,
        forward: &Forward,
        again: Option<&Retry>,
    ) -> Result<Ticket, UpstreamFault> {
        loop {
            let verified = self.verified().await?;
            verified.pinned(&forward.tool)?;
            let place = self.outbox.reserve().await.map_err(|_| self.gone())?;
            // The tools may have changed while the child was slow to read.
            if self.definitions.unchanged(&verified) {
                let (progress, questions) = (forward.wants_progress, !self.may_ask().is_empty());
                let ticket = self.table.open_wanting(Wants { progress, log: forward.log, questions })?;
                place.send(speak::request(forward, self.version(), ticket.id, again));
                return Ok(ticket);
            }
        }
    }

    /// Has a child of the older era log from the level on that a call wants, unless it does. What it logs for others
    /// is dropped by their calls.
    async fn set_level(&self, wanted: Option<LogLevel>) -> Result<(), UpstreamFault> {
        let takes = self.version().era() == Era::Legacy && self.offers().logging;
        let Some(wanted) = wanted.filter(|_| takes) else { return Ok(()) };
        let mut level = self.level.lock().await;
        if level.is_none_or(|level| level > wanted) {
            if let Outcome::Error(_) =
                self.ask(|id| outbound::set_level(id, wanted)).await.map_err(before_call)?
            {
                tracing::debug!(server = %self.server, "does not take the level of messages");
            }
            *level = Some(wanted);
        }
        Ok(())
    }

    fn gone(&self) -> UpstreamFault {
        unavailable(&self.server, "its child has ended; try again")
    }

    /// The current list. Listing goes on when the caller stops waiting.
    async fn verified(self: &Arc<Self>) -> Result<Arc<Verified>, UpstreamFault> {
        if let Some(verified) = self.definitions.fresh() {
            return Ok(verified);
        }
        let own = Arc::clone(self);
        let listing = tokio::spawn(async move {
            tokio::time::timeout(own.limits.start, own.definitions.ensure(&*own)).await
        });
        match listing.await {
            Ok(Ok(result)) => result.map_err(before_call),
            Ok(Err(_)) => Err(unavailable(&self.server, "it did not list its changed tools in time")),
            Err(_) => Err(unavailable(&self.server, "listing its tools was interrupted; try again")),
        }
    }

    /// Lists the tools now and reports them.
    pub(crate) async fn relist(&self) -> Result<(), UpstreamFault> {
        match tokio::time::timeout(self.limits.start, self.definitions.relist(self)).await {
            Ok(result) => result.map(drop),
            Err(_) => Err(unavailable(&self.server, "it did not list its tools in time")),
        }
    }

    /// Asks something that is not a call.
    async fn ask(&self, message: impl FnOnce(u64) -> Bytes) -> Result<Outcome, UpstreamFault> {
        let place = self.outbox.reserve().await.map_err(|_| self.gone())?;
        let ticket = self.table.open(false)?;
        let _until_answered = Asking { table: &self.table, id: ticket.id };
        place.send(message(ticket.id));
        ticket.done.await.unwrap_or_else(|_| Err(self.gone()))
    }

    /// Ends the connection: what is open fails for this reason, the child is stopped and waited for.
    pub(crate) async fn close(&self, reason: Reason) {
        let fault = maybe_sent(reason, &self.server, "its connection was closed by callgate");
        self.table.end(&fault);
        self.handle.stop();
        let how = self.handle.ended().await;
        tracing::debug!(server = %self.server, %how, "child");
    }

    /// The child broke the protocol or went away: what is open fails, and it is stopped.
    fn condemn(&self, what: &str) {
        if self.alive() {
            tracing::warn!(server = %self.server, what, stderr = %self.handle.last_words(), "child is given up");
        }
        self.table.end(&violation(&self.server, what));
        self.handle.stop();
    }
}

impl Carrier for StdioConnection {
    type Sending = ();

    fn server(&self) -> &ServerName {
        &self.server
    }

    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn table(&self) -> &Table {
        &self.table
    }

    fn served(&self) -> &AtomicBool {
        &self.served
    }

    fn lost(&self) -> UpstreamFault {
        violation(&self.server, "its child has ended in the middle of the call")
    }

    /// No call passes until they are listed and reported again, which begins at once, once.
    fn tools_changed(self: &Arc<Self>) {
        self.definitions.changed();
        if self.version.get().is_none() || self.relisting.swap(true, Ordering::AcqRel) {
            return;
        }
        let own = Arc::clone(self);
        tokio::spawn(async move {
            let listed = own.verified().await;
            own.relisting.store(false, Ordering::Release);
            if let Err(fault) = listed {
                tracing::warn!(server = %own.server, why = %fault.private, "changed tools are not listed");
            }
        });
    }

    fn announced(&self, said: Announcement) {
        self.note(said);
    }

    fn say(self: &Arc<Self>, message: Bytes) {
        let _untold = self.outbox.try_send(message);
    }

    fn say_over(self: &Arc<Self>, (): &(), message: Bytes) {
        self.say(message);
    }

    fn answer_of(self: &Arc<Self>, (): &(), message: Bytes) -> bool {
        self.outbox.try_send(message).is_ok()
    }

    fn version(&self) -> ProtocolVersion {
        self.version.get().copied().unwrap_or(ProtocolVersion::LATEST_LEGACY)
    }

    fn may_ask(&self) -> ClientCapabilities {
        match self.version().era() {
            Era::Legacy => known_to(self.version(), self.client),
            Era::Modern => ClientCapabilities::NONE,
        }
    }

    fn send_again(self: &Arc<Self>, forward: Arc<Forward>, retry: Retry) -> Sending<()> {
        let own = Arc::clone(self);
        Box::pin(async move {
            if retry.empty() {
                tokio::time::sleep(PACE).await;
            }
            Ok((own.send(&forward, Some(&retry)).await?, ()))
        })
    }
}

impl Lister for StdioConnection {
    /// A legacy child announces changes by itself; a modern one only to subscribers, which we are not yet.
    fn ages(&self) -> bool {
        self.version().era() == Era::Modern
    }

    fn offers(&self) -> Offers {
        self.offers.get().cloned().unwrap_or_default()
    }

    async fn page(&self, cursor: Option<String>) -> Result<Page, UpstreamFault> {
        let wire = speak::wire(self.version());
        let outcome = self.ask(|id| outbound::list_tools(&wire, id, cursor.as_deref())).await?;
        speak::page(&self.server, &outcome, &self.guard)
    }
}
