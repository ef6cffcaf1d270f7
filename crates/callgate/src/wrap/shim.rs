//! Carries one message to the daemon and its answer back. Must never send a call twice once it may have arrived.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use mcp::jsonrpc::RequestId;
use model::limits::JsonLimits;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::daemon::Daemon;
use super::door::{Answer, Door, DoorFault, is_stopped};
use super::lines::Output;
use super::message::{Kind, Message, Wish};
use super::open::Open;
use super::reply;
use super::session::{Session, is_unknown};
use super::target::Target;

/// A cancellation can overtake its call on the way: it is said once more after this.
const ONCE_MORE: Duration = Duration::from_millis(200);
/// Time for telling the daemon of a cancellation; after that the request is given up here.
const CANCEL_WITHIN: Duration = Duration::from_secs(5);
/// Tries of one message: the daemon can go away and come back meanwhile.
const TRIES: u32 = 3;

const LOST: &str = "the callgate daemon went away; the tool may have acted: see `callgate log tail`";

/// The session, held by whoever opens it so that nobody else speaks before it is open.
pub(super) type Turn = Option<OwnedMutexGuard<Session>>;

/// One client, one server, one agent.
pub(super) struct Shim {
    door: Door,
    daemon: Daemon,
    limits: JsonLimits,
    agent: String,
    idle: Duration,
    /// Why nothing can be carried at all.
    broken: Option<String>,
    session: Arc<Mutex<Session>>,
    open: Open,
    output: Output,
    /// The daemon went away, and has not been heard of since.
    doubted: AtomicBool,
}

impl Shim {
    pub(super) fn new(target: Target, output: Output) -> Self {
        let Target { door, daemon, limits, agent, idle, broken } = target;
        let (session, open, doubted) = (Arc::default(), Open::default(), AtomicBool::new(false));
        Self { door, daemon, limits, agent, idle, broken, session, open, output, doubted }
    }

    pub(super) const fn door(&self) -> &Door {
        &self.door
    }

    pub(super) const fn output(&self) -> &Output {
        &self.output
    }

    pub(super) fn session(&self) -> &Mutex<Session> {
        &self.session
    }

    pub(super) const fn limits(&self) -> &JsonLimits {
        &self.limits
    }

    /// How often the daemon is shown that somebody is here.
    pub(super) fn still_here_every(&self) -> Duration {
        (self.idle / 3).max(Duration::from_secs(1))
    }

    pub(super) async fn still_here(&self) {
        // Nothing hangs on the answer: whoever needs the daemon finds out.
        let _there = self.door.answers().await;
    }

    pub(super) async fn too_long(&self) {
        let text = format!("a line is longer than {} bytes and was not read", self.limits.bytes_max);
        self.output.put(&reply::error(None, text)).await;
    }

    pub(super) async fn too_many(&self, message: &Message) {
        let text = "too many requests are open; try again when some are answered";
        self.output.put(&reply::error(message.kind.id(), text)).await;
    }

    /// What a message takes before anything else runs: `initialize` the session, so that what follows waits for it.
    pub(super) fn turn(&self, message: &Message) -> Turn {
        let opens = matches!(message.kind, Kind::Initialize(_)) && message.modern.is_none();
        opens.then(|| Arc::clone(&self.session).try_lock_owned().ok()).flatten()
    }

    /// Carries one message to its end.
    pub(super) async fn carry(&self, message: Message, turn: Turn) {
        let Some(id) = message.kind.id().cloned() else { return self.tell(message).await };
        let place = self.open.enter(&id, message.modern.is_some());
        let carried = self.request(&message, turn);
        // Of the stateless revision a request is taken back by closing its connection; any that the daemon cannot be
        // told of is given up.
        let taken_back = async {
            match &place {
                Some(place) => place.cancelled().await,
                None => std::future::pending().await,
            }
        };
        let carried = tokio::select! {
            carried = carried => carried,
            () = taken_back => return,
        };
        if let Err(why) = carried {
            self.output.put(&reply::error(Some(&id), why)).await;
        }
    }

    /// A request: answered in the end, or the reason why not.
    async fn request(&self, message: &Message, turn: Turn) -> Result<(), String> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        if message.modern.is_none() && matches!(message.kind, Kind::Initialize(_)) {
            let session = match turn {
                Some(session) => session,
                None => Arc::clone(&self.session).lock_owned().await,
            };
            return self.initialize(message, session).await;
        }
        for _ in 1..TRIES {
            match self.attempt(message).await {
                Err(DoorFault::Away) => self.daemon.ensure(&self.door).await?,
                Err(DoorFault::Lost) if !matches!(message.kind, Kind::Call(_)) => {}
                ended => return ended.map_err(words),
            }
        }
        self.attempt(message).await.map_err(words)
    }

    /// One try. After a loss the daemon must give a sign of life before anything is sent to it again, so that a call
    /// is not given to a process that is ending.
    async fn attempt(&self, message: &Message) -> Result<(), DoorFault> {
        if self.doubted.load(Ordering::Relaxed) && !self.door.answers().await {
            return Err(DoorFault::Away);
        }
        let tried = self.door.watched(self.exchange(message)).await;
        let doubted = matches!(tried, Err(DoorFault::Lost | DoorFault::Away | DoorFault::Silent(_)));
        self.doubted.store(doubted, Ordering::Relaxed);
        tried
    }

    async fn exchange(&self, message: &Message) -> Result<(), DoorFault> {
        if let Some(headers) = &message.modern {
            let answer = self.door.post(message.text.clone(), headers.clone()).await?;
            return self.relay(&message.kind, answer).await;
        }
        let headers = {
            let mut session = self.session.lock().await;
            match &message.kind {
                Kind::Level(_) => session.note_level(message.text.clone()),
                Kind::Subscription(_, uri, Wish::Begin) => session.note_subscription(uri, &message.text),
                Kind::Subscription(_, uri, Wish::End) => session.end_subscription(uri),
                _ => {}
            }
            session.headers()
        };
        let answer = self.door.post(message.text.clone(), headers.clone()).await?;
        if !is_unknown(answer.response.status(), &headers) {
            return self.relay(&message.kind, answer).await;
        }
        drop(answer);
        let again = {
            let mut session = self.session.lock().await;
            session.reopen(&headers, &self.door, &self.limits).await?;
            session.headers()
        };
        let answer = self.door.post(message.text.clone(), again).await?;
        self.relay(&message.kind, answer).await
    }

    /// Opens the client's session.
    async fn initialize(
        &self,
        message: &Message,
        mut session: OwnedMutexGuard<Session>,
    ) -> Result<(), String> {
        let before = session.begin(message.text.clone());
        if !before.is_empty() {
            // The client began anew; what it had ends.
            drop(self.door.watched(self.door.delete(before)).await);
        }
        let post = || self.door.watched(self.door.post(message.text.clone(), HeaderMap::new()));
        let mut answer = post().await;
        for _ in 1..TRIES {
            match answer {
                Err(DoorFault::Away | DoorFault::Lost) => self.daemon.ensure(&self.door).await?,
                Ok(_) | Err(DoorFault::Silent(_) | DoorFault::Unusable(_)) => break,
            }
            answer = post().await;
        }
        let answer = answer.map_err(words)?;
        let (status, head) = (answer.response.status(), answer.response.headers().clone());
        let body = self.door.watched(reply::whole(answer)).await.map_err(words)?;
        session.keep(&head, &body, &self.limits);
        self.answer(&message.kind, status, body).await;
        Ok(())
    }

    async fn relay(&self, kind: &Kind, answer: Answer) -> Result<(), DoorFault> {
        if reply::is_stream(&answer) {
            return reply::stream(answer, &self.output).await;
        }
        let status = answer.response.status();
        let body = reply::whole(answer).await?;
        self.answer(kind, status, body).await;
        Ok(())
    }

    async fn answer(&self, kind: &Kind, status: http::StatusCode, body: Bytes) {
        if let Some(line) = reply::line(kind, status, body, &self.agent) {
            self.output.put(&line).await;
        }
    }

    /// A message that waits for no answer. A daemon that is away has nothing to be told.
    async fn tell(&self, message: Message) {
        if let Some(broken) = self.broken.as_ref().filter(|_| message.kind.is_answered()) {
            return self.output.put(&reply::error(None, broken.clone())).await;
        }
        match &message.kind {
            Kind::Cancelled(id) => self.take_back(id, &message).await,
            Kind::Initialized => {
                self.session.lock().await.note_opened(message.text.clone());
                self.post_note(&message).await;
            }
            _ => self.post_note(&message).await,
        }
    }

    async fn take_back(&self, id: &RequestId, message: &Message) {
        if self.open.cancel(id) {
            return;
        }
        let told = async {
            self.attempt(message).await?;
            tokio::time::sleep(ONCE_MORE).await;
            if self.open.waits(id) { self.attempt(message).await } else { Ok(()) }
        };
        if !matches!(tokio::time::timeout(CANCEL_WITHIN, told).await, Ok(Ok(()))) {
            self.open.give_up(id);
        }
    }

    async fn post_note(&self, message: &Message) {
        let posted = match self.attempt(message).await {
            Err(DoorFault::Away) if message.kind == Kind::Unreadable => self.revive(message).await,
            posted => posted.map_err(words),
        };
        if let Err(why) = posted
            && message.kind == Kind::Unreadable
        {
            self.output.put(&reply::error(None, why)).await;
        }
    }

    /// Even what cannot be read is the daemon's to answer.
    async fn revive(&self, message: &Message) -> Result<(), String> {
        self.daemon.ensure(&self.door).await?;
        self.attempt(message).await.map_err(words)
    }

    /// Ends the session, if there is one and somebody to tell.
    pub(super) async fn goodbye(&self) {
        let session = self.session.lock().await;
        if session.is_open() {
            drop(self.door.delete(session.headers()).await);
        }
    }
}

fn words(fault: DoorFault) -> String {
    match fault {
        DoorFault::Away => "the callgate daemon is not there; try again".to_owned(),
        DoorFault::Lost => LOST.to_owned(),
        DoorFault::Silent(process) => {
            let (who, fix) = match process {
                Some(process) if is_stopped(process) => (
                    format!("the callgate daemon, process {process},"),
                    format!("it is stopped: `kill -CONT {process}` lets it go on"),
                ),
                Some(process) => (
                    format!("the callgate daemon, process {process},"),
                    "look into `daemon.log` before you end it".to_owned(),
                ),
                None => ("the callgate daemon".to_owned(), "end it, then try again".to_owned()),
            };
            format!("{who} gives no sign of life; what was asked for may still happen; {fix}")
        }
        DoorFault::Unusable(why) => format!("callgate: {why}"),
    }
}
