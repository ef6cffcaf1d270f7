//! The composition root: one node from a configuration. Must never serve anything: `up` and `operate` do.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use admin::{Admin, AdminPorts, Policies, Sources, StartFault, Started};
use broker::StaticBroker;
use broker::handles::SealedHandles;
use call::listings::Listings;
use call::{Door, Revoker};
use config::{Config, Transport};
use identity::Agents;
use model::tool::ToolRef;
use policy::ServerFacts;
use ports::Ports;
use ports::clock::Clock;
use ports::control::Control;
use ports::definitions::DefinitionObserver;
use ports::record::{Record, Records};
use ports::sealed::{SealedSecrets, SealedValues, SecretText};
use ports::snapshot::Snapshots;
use ports::tokens::TokenStore;
use ports::upstream::Upstreams;
use server::{OperatorAuthority, OperatorFace, PolicyFiles};
use store::{OpenFault, OpenOptions, Store};
use upstream::leash::Leash;

use crate::adapters::{SnapshotCell, SystemClock, SystemEntropy, TokioSpawner};
use crate::exit::{CONFIG, DATA, Failure, IO, TRY_AGAIN, UNAVAILABLE};
use crate::files::PolicyDirectory;
use crate::sealed::SealedStore;

/// Most time for calls to reach their outcome once the upstreams are gone.
const CALLS_END: Duration = Duration::from_secs(5);

/// Everything that runs in one process.
pub(crate) struct Node {
    pub(crate) store: Arc<Store>,
    pub(crate) admin: Arc<Admin>,
    pub(crate) door: Arc<Door>,
    pub(crate) upstreams: Arc<dyn Upstreams>,
    pub(crate) files: Arc<PolicyDirectory>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The file of the embedded store.
pub(crate) fn store_file(config: &Config) -> std::path::PathBuf {
    config.store.path.join("callgate.db")
}

impl Node {
    /// Opens the store, compiles the policies and wires everything. Nothing is served yet.
    pub(crate) async fn open(config: &Config, policies: Policies) -> Result<Self, Failure> {
        let clock = Arc::new(SystemClock::start());
        let files = Arc::new(PolicyDirectory(config.policy.paths.clone()));
        let sources = sources(config, &files, policies)?;
        let store = open_store(config, clock.as_ref()).await?;
        let control: Arc<dyn Control> = Arc::clone(&store) as Arc<dyn Control>;
        let started = match Started::read(control.as_ref(), sources, policies).await {
            Ok(started) => started,
            Err(fault) => {
                drop(store.close(clock.now()).await);
                return Err(start_failure(&fault));
            }
        };
        let snapshots = Arc::new(SnapshotCell::new(Arc::clone(&started.snapshot)));
        let revoker = Arc::new(Revoker::default());
        let admin = started.admin(AdminPorts {
            control,
            records: Arc::clone(&store) as Arc<dyn Records>,
            record: Arc::clone(&store) as Arc<dyn Record>,
            approvals: Arc::clone(&store) as _,
            snapshots: Arc::clone(&snapshots) as Arc<dyn Snapshots>,
            revocation: Arc::clone(&revoker) as _,
            clock: Arc::clone(&clock) as _,
            entropy: Arc::new(SystemEntropy),
            spawner: Arc::new(TokioSpawner(tokio::runtime::Handle::current())),
        });
        let upstreams = upstreams(config, &admin, policies)?;
        let ports = Ports {
            identity: Arc::new(Agents),
            snapshots,
            record: Arc::clone(&store) as Arc<dyn Record>,
            approvals: Arc::clone(&store) as _,
            broker: Arc::new(broker(config)),
            handles: Arc::new(handles(config)?),
            upstreams: Arc::clone(&upstreams),
            clock: Arc::clone(&clock) as _,
            entropy: Arc::new(SystemEntropy),
            spawner: Arc::new(TokioSpawner(tokio::runtime::Handle::current())),
        };
        let door = Door::new(ports, config.limits.call, Listings::new(started.listed.clone()));
        revoker.connect(Arc::clone(&door), Arc::clone(&upstreams));
        if policies == Policies::Required {
            let noted = started.note_policies(&admin).await;
            noted.map_err(|fault| Failure::new(UNAVAILABLE, fault.to_string()))?;
        }
        Ok(Self { store, admin, door, upstreams, files, clock })
    }

    /// The operators' face over this node.
    pub(crate) fn operator_face(&self, authority: OperatorAuthority) -> Arc<OperatorFace> {
        let files = Arc::clone(&self.files) as Arc<dyn PolicyFiles>;
        OperatorFace::new(Arc::clone(&self.admin), Arc::clone(&self.upstreams), files, authority)
    }

    /// Ends children and sessions, writes what waits, and closes the store.
    pub(crate) async fn close(&self) -> Result<(), Failure> {
        self.upstreams.shutdown().await;
        self.calls_end().await;
        self.door.noise().flush(self.door.ports(), true);
        let closed = self.store.close(self.clock.now()).await;
        closed.map_err(|fault| Failure::new(IO, format!("the store did not close cleanly: {fault}")))
    }
}

impl Node {
    /// Waits for the calls that run on their own: with the upstreams gone each ends soon, and has its outcome.
    async fn calls_end(&self) {
        let began = self.clock.elapsed();
        while self.door.open_calls().count() > 0 && self.clock.elapsed().saturating_sub(began) < CALLS_END {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn sources(config: &Config, files: &PolicyDirectory, policies: Policies) -> Result<Sources, Failure> {
    let servers = config
        .servers
        .iter()
        .map(|server| ServerFacts { name: server.name.clone(), environment: server.environment.clone() })
        .collect();
    let secret_tools: HashSet<ToolRef> = config
        .servers
        .iter()
        .flat_map(|server| {
            let name =
                |tool: &model::ids::ToolName| ToolRef { server: server.name.clone(), tool: tool.clone() };
            server.secret_tools.iter().map(name)
        })
        .collect();
    let policies = match (files.read(), policies) {
        (Ok(policies), _) => policies,
        (Err(problem), Policies::Required) => return Err(Failure::new(DATA, problem)),
        (Err(_), Policies::MayBeBroken) => Vec::new(),
    };
    Ok(Sources { policies, servers, secret_tools })
}

async fn open_store(config: &Config, clock: &dyn Clock) -> Result<Arc<Store>, Failure> {
    let path = store_file(config);
    let options = OpenOptions { now: clock.now(), node: "node-1".to_owned() };
    let opened = tokio::task::spawn_blocking(move || Store::open(&path, &options)).await;
    match opened {
        Ok(Ok(store)) => Ok(Arc::new(store)),
        Ok(Err(fault)) => {
            let code = if matches!(fault, OpenFault::Locked { .. }) { TRY_AGAIN } else { IO };
            Err(Failure::new(code, fault.to_string()))
        }
        Err(error) => Err(Failure::new(IO, format!("opening the store failed: {error}"))),
    }
}

fn start_failure(fault: &StartFault) -> Failure {
    match fault {
        StartFault::Policy(problems) => {
            Failure::of_lines(DATA, problems.iter().map(ToString::to_string).collect())
        }
        StartFault::Fault(fault) => Failure::new(UNAVAILABLE, fault.to_string()),
    }
}

fn upstreams(config: &Config, admin: &Arc<Admin>, policies: Policies) -> Result<Arc<dyn Upstreams>, Failure> {
    let observer: Arc<dyn DefinitionObserver> = Arc::clone(admin) as _;
    // A command that asks for one thing is soon over; what serves runs for long.
    let leash = if policies == Policies::Required { leash(config) } else { None };
    let servers = config.servers.iter().map(|server| upstream_config(server, leash.as_ref())).collect();
    let store = Arc::new(SealedStore::new(&config.store.path));
    let tokens: Arc<dyn TokenStore> = Arc::<SealedStore>::clone(&store);
    let sealed: Arc<dyn SealedSecrets> = store;
    let stores = (&sealed, &tokens);
    match upstream::Upstreams::new(servers, &observer, stores, config.store.path.join("work")) {
        Ok(upstreams) => Ok(Arc::new(upstreams)),
        Err(errors) => Err(Failure::of_lines(CONFIG, errors.iter().map(ToString::to_string).collect())),
    }
}

/// What ends the children when this process is killed. One can do without it.
fn leash(config: &Config) -> Option<Leash> {
    let children = config.servers.iter().any(|server| matches!(server.transport, Transport::Stdio(_)));
    let started = children.then(|| std::env::current_exe().and_then(|own| Leash::start(&own, "leash")))?;
    let unheld = |error: std::io::Error| {
        tracing::warn!(%error, "servers that ignore the end of their input outlive this process if it is killed");
    };
    started.map_err(unheld).ok()
}

pub(crate) fn upstream_config(server: &config::Server, leash: Option<&Leash>) -> upstream::ServerConfig {
    let transport = match &server.transport {
        Transport::Stdio(child) => {
            let program = SecretText::plain(child.program.clone());
            let argv = std::iter::once(program).chain(child.args.iter().cloned()).collect();
            upstream::Transport::Stdio(upstream::Command {
                argv,
                env: child.env.clone(),
                env_pass: child.env_pass.clone(),
                cwd: child.cwd.clone(),
                leash: leash.cloned(),
            })
        }
        Transport::Http(http) => upstream::Transport::Http(upstream::HttpTarget {
            url: http.url.clone(),
            ca_file: http.ca_file.clone(),
            allow_plain: http.dangerous_plaintext,
            bearer: http.bearer.clone(),
            headers: http.headers.clone(),
            oauth: oauth_config(&http.auth),
        }),
    };
    let era = match server.era {
        config::Era::Auto => upstream::Era::Auto,
        config::Era::Legacy => upstream::Era::Legacy,
        config::Era::Modern => upstream::Era::Modern,
        config::Era::Sse => upstream::Era::Sse,
    };
    let limits = upstream::Limits::DEFAULT;
    upstream::ServerConfig { name: server.name.clone(), transport, shareable: server.shareable, era, limits }
}

/// Seals with the key in the state directory, which the first start makes.
fn handles(config: &Config) -> Result<SealedHandles, Failure> {
    let opened = SealedHandles::open(&config.store.path.join("handles"));
    opened.map_err(|fault| Failure::new(IO, fault.to_string()))
}

fn oauth_config(auth: &config::Auth) -> upstream::OauthConfig {
    use upstream::{Grant, KeyAudience};
    upstream::OauthConfig {
        grant: if auth.client_credentials { Grant::ClientCredentials } else { Grant::AuthorizationCode },
        client_id: auth.client_id.clone(),
        client_secret: auth.client_secret.clone(),
        client_key: auth.client_key.clone(),
        key_audience: match auth.key_for_token_endpoint {
            true => KeyAudience::TokenEndpoint,
            false => KeyAudience::Issuer,
        },
        issuer: auth.issuer.clone(),
        hosts: auth.hosts.clone(),
        scopes: auth.scopes.clone(),
        redirect: auth.redirect.clone(),
    }
}

/// Leases what was read with the configuration. A sealed bearer is read when a connection is begun, and is the
/// connection's own.
fn broker(config: &Config) -> StaticBroker {
    let bearers = config.servers.iter().filter_map(|server| match &server.transport {
        Transport::Http(http) => {
            let bearer = http.bearer.as_ref()?.fill(&SealedValues::new()).ok()?;
            Some((server.name.clone(), bearer.text))
        }
        Transport::Stdio(_) => None,
    });
    StaticBroker::new(bearers.collect::<HashMap<_, _>>())
}
