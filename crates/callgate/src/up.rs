//! `callgate up`: serves agents and operators until stopped. Must never accept a call before recovery is durable.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use admin::Policies;
use config::{Config, LogFormat};
use server::{AgentFace, FaceSettings, ListenLimits, PolicyFiles as _, serve_tcp, serve_unix};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::cli;
use crate::compose::Node;
use crate::credential;
use crate::detach::Report;
use crate::exit::{CANNOT_CREATE, Failure, INTERNAL, OK, note};
use crate::files;
use crate::idle::Attended;
use crate::notify;

/// Time for open requests once we are told to stop.
const DRAIN: Duration = Duration::from_secs(30);
/// Time for a request body.
const BODY_WITHIN: Duration = Duration::from_secs(30);
/// How often counted noise is written, if there is any.
const NOISE_PERIOD: Duration = Duration::from_secs(10);
/// How often approvals that are long over are deleted, whether or not anybody asks for one.
const SWEEP_PERIOD: Duration = Duration::from_secs(15);

pub(crate) async fn run(path: &Path, up: &cli::Up) -> Result<u8, Failure> {
    let outcome = serve_until_stopped(path, up).await;
    if let Some(failure) = outcome.as_ref().err().filter(|_| up.detached) {
        Report::failed(failure);
    }
    outcome
}

async fn serve_until_stopped(path: &Path, up: &cli::Up) -> Result<u8, Failure> {
    let config = files::config(path)?;
    start_logging(&config);
    for notice in config.notices() {
        note(&format!("callgate: warning: {notice}"));
    }
    let node = Node::open(&config, Policies::Required).await?;
    let served = serve(&config, &node, up).await;
    let closed = node.close().await;
    served.and(closed).map(|()| OK)
}

async fn serve(config: &Config, node: &Node, up: &cli::Up) -> Result<(), Failure> {
    let state = &config.store.path;
    let authority = credential::ensure(state)?;
    let listener = listen(config, up.idle().is_some()).await?;
    let address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
    let operators = credential::bind(&credential::socket(state))?;
    let locals = credential::bind(&credential::agents_socket(state))?;
    let mut signals = Signals::new()?;
    let (stop, stopped) = watch::channel(false);
    let limits = ListenLimits { connections_max: config.limits.connections_max, ..ListenLimits::default() };
    let face = AgentFace::new(Arc::clone(&node.door), settings(config), stopped.clone());
    let agents = Attended::new(face, Arc::clone(&node.clock));
    let mut faces = tokio::task::JoinSet::new();
    if let Some(listener) = listener {
        faces.spawn(serve_tcp(listener, Arc::clone(&agents), limits, stopped.clone()));
    }
    faces.spawn(serve_unix(locals, Arc::clone(&agents), limits, stopped.clone()));
    let face = node.operator_face(authority);
    let on_demand = up.idle().is_some();
    face.served_by(server::Daemon { pid: std::process::id(), since: node.clock.now(), on_demand });
    faces.spawn(serve_unix(operators, face, ListenLimits::default(), stopped));
    greet(node, address, state);
    if up.detached {
        Report::ready();
    }
    let refreshing = tokio::spawn(refresh_all(Arc::clone(&node.upstreams), Arc::clone(&node.admin)));
    let noise = tokio::spawn(flush_noise(Arc::clone(&node.door)));
    let sweeping = tokio::spawn(sweep(Arc::clone(&node.store), Arc::clone(&node.clock)));
    let notify = notify::desktop(Arc::clone(&node.admin), Arc::clone(&node.clock));
    let notices = config.notify.desktop.then(|| tokio::spawn(notify));
    tokio::select! {
        () = signals.until_told_to_stop(node) => {}
        () = agents.idle(up.idle(), &node.door) => note("callgate: no client for a while; it was started on demand and ends"),
    }
    refreshing.abort();
    noise.abort();
    sweeping.abort();
    notices.inspect(tokio::task::JoinHandle::abort);
    // The sockets are ours until the lock is given back. Nobody new comes in while the others are waited for.
    for socket in [credential::agents_socket(state), credential::socket(state)] {
        drop(std::fs::remove_file(socket));
    }
    stop.send_replace(true);
    if tokio::time::timeout(DRAIN, faces.join_all()).await.is_err() {
        note("callgate: some requests did not end in time and are cut off");
    }
    Ok(())
}

/// The TCP socket. Started on demand for local clients, one can do without it.
async fn listen(config: &Config, on_demand: bool) -> Result<Option<tokio::net::TcpListener>, Failure> {
    let address = config.listen.address;
    match tokio::net::TcpListener::bind(address).await {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if on_demand => {
            note(&format!(
                "callgate: warning: cannot listen on {address}: {error}; serving local clients only"
            ));
            Ok(None)
        }
        Err(error) => {
            let text = format!("cannot listen on {address}: {error}; change `listen.address`");
            Err(Failure::new(CANNOT_CREATE, text))
        }
    }
}

pub(crate) fn settings(config: &Config) -> FaceSettings {
    FaceSettings {
        allowed: server::agents::Allowed {
            hosts: config.listen.allowed_hosts.clone(),
            origins: config.listen.allowed_origins.clone(),
        },
        json: config.limits.request,
        body_within: BODY_WITHIN,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn greet(node: &Node, address: Option<std::net::SocketAddr>, state: &Path) {
    let snapshot = node.admin.current();
    for notice in snapshot.policy.notices() {
        let policy = notice.policy.as_ref().map_or("", |policy| policy.as_str());
        let (file, line) = (&notice.file, notice.line);
        note(&format!(
            "callgate: policy `{policy}` ({file}:{line}) waits: no certified tool it could apply to (`policy check` says more)"
        ));
    }
    let usable = snapshot.catalog.usable().count();
    let policies = snapshot.policy.policy_count();
    note(&format!("callgate: {policies} policies, {usable} certified tools"));
    note(&format!(
        "callgate: whoever can read {} is the operator; run agents as another user (docs/operate)",
        state.display()
    ));
    match address {
        Some(address) => {
            note(&format!("callgate: ready: http://{address}/mcp and http://{address}/mcp/SERVER"))
        }
        None => note("callgate: ready for local clients (`callgate wrap`)"),
    }
}

/// Lists every server's tools once, side by side, so that what is new or changed is in quarantine before anybody
/// asks.
async fn refresh_all(upstreams: Arc<dyn ports::upstream::Upstreams>, admin: Arc<admin::Admin>) {
    let mut listing = tokio::task::JoinSet::new();
    for server in admin.servers() {
        let upstreams = Arc::clone(&upstreams);
        listing.spawn(async move {
            match upstreams.refresh(&server.name).await {
                Ok(()) => tracing::info!(server = %server.name, "tools listed"),
                Err(fault) => {
                    tracing::warn!(server = %server.name, problem = %fault.private, "tools not listed")
                }
            }
        });
    }
    listing.join_all().await;
}

async fn flush_noise(door: Arc<call::Door>) {
    loop {
        tokio::time::sleep(NOISE_PERIOD).await;
        door.noise().flush(door.ports(), false);
    }
}

async fn sweep(store: Arc<store::Store>, clock: Arc<dyn ports::clock::Clock>) {
    loop {
        // A store that cannot be written ends the daemon otherwise; one that is busy is swept the next time.
        if let Err(fault) = store.sweep(clock.now()).await {
            tracing::warn!(%fault, "what is over was not swept");
        }
        tokio::time::sleep(SWEEP_PERIOD).await;
    }
}

/// The signals that are listened to.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(|error| Failure::new(INTERNAL, error.to_string()));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    async fn until_told_to_stop(&mut self, node: &Node) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => reload(node).await,
                () = fenced(node) => {
                    note("callgate: the record cannot be written; stopping (the supervisor should start it again)");
                    return;
                }
            }
        }
    }
}

async fn fenced(node: &Node) {
    while node.door.ports().record.healthy() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn reload(node: &Node) {
    let sources = match node.files.read() {
        Ok(sources) => sources,
        Err(problem) => return note(&format!("callgate: policies not reloaded: {problem}")),
    };
    match node.admin.load_policies(sources).await {
        Ok(snapshot) => note(&format!("callgate: {} policies in force", snapshot.policy.policy_count())),
        Err(error) => note(&format!("callgate: policies not reloaded: {error}")),
    }
}

fn start_logging(config: &Config) {
    let level = match config.log.level.as_str() {
        "error" => tracing::Level::ERROR,
        "warn" => tracing::Level::WARN,
        "debug" => tracing::Level::DEBUG,
        "trace" => tracing::Level::TRACE,
        _ => tracing::Level::INFO,
    };
    let builder = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr);
    // A second initialisation can only happen in tests.
    match config.log.format {
        LogFormat::Json => drop(builder.json().try_init()),
        LogFormat::Human => drop(builder.with_ansi(false).try_init()),
    }
}
