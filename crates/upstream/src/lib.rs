//! MCP clients for the upstream servers of the configuration: children on stdio, and streamable HTTP. Ring 2.
//!
//! Must never send a call whose tool this very connection has not listed at the definition that was decided
//! on; let one agent's state answer another; start anything a request named; or send a call twice.

mod asked;
mod carrier;
mod conduct;
pub mod config;
mod connection;
mod credentials;
mod definitions;
mod fault;
mod guard;
mod hear;
mod http;
mod lane;
pub mod leash;
mod measure;
mod server;
mod server_task;
mod speak;
mod stdio;
mod table;
mod whole;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::client::ClientCapabilities;
use model::denial::Reason;
use model::ids::{AgentId, ServerName};
use ports::BoxFuture;
use ports::changes::{Changes, Listening, Subscribed};
use ports::definitions::DefinitionObserver;
use ports::sealed::SealedSecrets;
use ports::tokens::TokenStore;
use ports::upstream::{Forward, ResultStream, UpstreamFault, Upstreams as Port};
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use crate::config::{
    Command, ConfigError, Era, Grant, HttpTarget, KeyAudience, Limits, OauthConfig, ServerConfig, Transport,
};
use crate::connection::Call;
use crate::fault::{maybe_sent, not_sent, unavailable};
pub use crate::http::oauth::{Login, OauthFault, Standing, is_redirect, is_scope};
use crate::server::{Means, Server};

/// Most time for ending everything; then this process leaves, and children are killed with it.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// All configured servers.
pub struct Upstreams {
    servers: HashMap<ServerName, Arc<Server>>,
}

impl Upstreams {
    /// Checks the configuration. Nothing is started or connected before the first call or refresh.
    ///
    /// Children without a configured directory get private ones under `work_dir`. What servers want from the sealed
    /// store is read whenever one of their children or connections is started.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn new(
        configs: Vec<ServerConfig>,
        observer: &Arc<dyn DefinitionObserver>,
        (sealed, tokens): (&Arc<dyn SealedSecrets>, &Arc<dyn TokenStore>),
        work_dir: PathBuf,
    ) -> Result<Self, Vec<ConfigError>> {
        let (observer, sealed, tokens) = (Arc::clone(observer), Arc::clone(sealed), Arc::clone(tokens));
        let means = Means { observer, sealed, tokens, work_dir };
        let (mut servers, mut errors) = (HashMap::new(), Vec::new());
        for config in configs {
            let name = config.name.clone();
            if servers.contains_key(&name) {
                errors.push(ConfigError::Duplicate(name));
                continue;
            }
            match checked(config, &means) {
                Ok(server) => drop(servers.insert(name, Arc::new(server))),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(Self { servers }) } else { Err(errors) }
    }

    fn server(&self, name: &ServerName) -> Result<&Arc<Server>, UpstreamFault> {
        self.servers.get(name).ok_or_else(|| unavailable(name, "it is not in the configuration"))
    }

    async fn open_in_time(&self, forward: Forward) -> Result<Box<dyn ResultStream>, UpstreamFault> {
        let deadline = Instant::now() + forward.deadline;
        let name = forward.tool.name.server.clone();
        match tokio::time::timeout_at(deadline, self.open_by(forward, deadline)).await {
            Ok(result) => result,
            Err(_) => Err(not_sent(Reason::UpstreamTimeout, &name, "no connection within the call's time")),
        }
    }

    async fn open_by(
        &self,
        mut forward: Forward,
        deadline: Instant,
    ) -> Result<Box<dyn ResultStream>, UpstreamFault> {
        let server = self.server(&forward.tool.name.server)?;
        if server.config.shareable {
            // On a connection of many, nobody could tell whose client a server asks.
            forward.client = forward.client.within(ClientCapabilities::SERVER_TASKS);
        }
        // A task may live in one connection only. Whether a client can be given one is no matter of connections.
        let told = forward.server_task.unwrap_or(forward.client);
        let lane = server.lane(&forward.agent, told.without(ClientCapabilities::SERVER_TASKS))?;
        let place = lane.enter(server)?;
        let connection = lane.connection(server, http::leased(&forward.lease)).await?;
        connection.call(Call { forward, place, deadline }).await
    }
}

impl Upstreams {
    async fn subscribe_in_time(&self, forward: Forward) -> Result<Subscribed, UpstreamFault> {
        let server = self.server(&forward.tool.name.server)?;
        match tokio::time::timeout(forward.deadline, hear::subscribe(server, &forward)).await {
            Ok(result) => result,
            Err(_) => {
                let what = "it did not answer a subscription within the call's time";
                Err(maybe_sent(Reason::UpstreamTimeout, &server.config.name, what))
            }
        }
    }
}

fn checked(config: ServerConfig, means: &Means) -> Result<Server, ConfigError> {
    let no_program =
        |command: &Command| command.argv.first().is_none_or(|program| program.as_plain() == Some(""));
    let http = match &config.transport {
        Transport::Stdio(command) if no_program(command) => return Err(ConfigError::NoCommand(config.name)),
        Transport::Stdio(_) => None,
        Transport::Http(target) => Some(http::Sites::new(&config, target, &means.tokens)?),
    };
    Ok(Server::new(config, means.clone(), http))
}

impl Port for Upstreams {
    fn open(&self, forward: Forward) -> BoxFuture<'_, Result<Box<dyn ResultStream>, UpstreamFault>> {
        Box::pin(self.open_in_time(forward))
    }

    fn subscribe(&self, forward: Forward) -> BoxFuture<'_, Result<Subscribed, UpstreamFault>> {
        Box::pin(self.subscribe_in_time(forward))
    }

    fn listen(&self, listening: Listening) -> BoxFuture<'_, Result<Box<dyn Changes>, UpstreamFault>> {
        Box::pin(async move {
            let hearing = hear::listen(self.server(&listening.server)?, &listening).await?;
            Ok(Box::new(hearing) as Box<dyn Changes>)
        })
    }

    fn refresh<'a>(&'a self, server: &'a ServerName) -> BoxFuture<'a, Result<(), UpstreamFault>> {
        Box::pin(async move { self.server(server)?.refresh().await })
    }

    fn forget<'a>(&'a self, agent: &'a AgentId) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let mut ends = JoinSet::new();
            for server in self.servers.values() {
                let (server, agent) = (Arc::clone(server), agent.clone());
                ends.spawn(async move { server.forget(&agent).await });
            }
            while ends.join_next().await.is_some() {}
        })
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let mut ends = JoinSet::new();
            for server in self.servers.values() {
                let server = Arc::clone(server);
                ends.spawn(async move { server.shutdown().await });
            }
            let all = async { while ends.join_next().await.is_some() {} };
            if tokio::time::timeout(SHUTDOWN, all).await.is_err() {
                tracing::warn!("some upstream servers did not end in time");
            }
        })
    }
}
