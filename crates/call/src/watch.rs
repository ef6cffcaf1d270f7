//! Telling a client that listens when it would be shown something else. Must never tell more than that, nor go on for a
//! caller whose credential has ended.

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::Arc;

use model::call::Endpoint;
use model::client::ClientCapabilities;
use model::denial::Denial;
use model::digest::Digest;
use model::ids::ServerName;
use model::method::Method;
use model::task::Task;
use ports::changes::{Change, Changes, Listening};
use tokio::sync::mpsc;

use crate::driver::Door;
use crate::identified::Caller;

/// Which lists changed: those that the caller could ask for anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Changed {
    /// Of tools.
    pub tools: bool,
    /// Of prompts.
    pub prompts: bool,
    /// Of resources, or of their templates.
    pub resources: bool,
}

impl Changed {
    const fn any(self) -> bool {
        self.tools || self.prompts || self.resources
    }
}

/// What one caller is shown at one endpoint, and whether that changed.
pub struct Watch {
    door: Arc<Door>,
    caller: Caller,
    endpoint: Endpoint,
    shown: Digest,
    visible: Visible,
    /// What changed and was not told yet.
    untold: Changed,
    ear: Ear,
}

/// The servers of whose tools, prompts and resources the caller may know here.
#[derive(Clone, PartialEq, Eq, Default)]
struct Visible {
    tools: BTreeSet<ServerName>,
    prompts: Vec<ServerName>,
    resources: Vec<ServerName>,
}

impl Visible {
    fn of(door: &Door, caller: &Caller, endpoint: &Endpoint) -> Self {
        let with = |method| {
            let here = |server: &ServerName| match endpoint {
                Endpoint::All => true,
                Endpoint::Server(only) => server == only,
            };
            door.servers_with(caller, method).into_iter().filter(here).collect()
        };
        let tools = door.servers_shown(caller, endpoint);
        Self { tools, prompts: with(Method::ListPrompts), resources: with(Method::ListResources) }
    }

    fn servers(&self) -> BTreeSet<ServerName> {
        self.tools.iter().chain(&self.prompts).chain(&self.resources).cloned().collect()
    }
}

/// What is heard of servers' own lists.
#[derive(Default)]
struct Ear {
    /// What the client can do, when it wants to hear of them.
    wanted: Option<ClientCapabilities>,
    /// Of these.
    servers: BTreeSet<ServerName>,
    heard: Option<mpsc::Receiver<(ServerName, Change)>>,
}

impl Watch {
    /// Begins with what the caller was last shown, or else with what it would be shown now.
    ///
    /// # Errors
    /// `indeterminate` when what it is shown cannot be told.
    pub fn new(
        door: Arc<Door>,
        caller: Caller,
        endpoint: Endpoint,
        shown: Option<Digest>,
    ) -> Result<Self, Denial> {
        let shown = match shown {
            Some(shown) => shown,
            None => door.shown(&caller, &endpoint)?,
        };
        let visible = Visible::of(&door, &caller, &endpoint);
        let (untold, ear) = (Changed::default(), Ear::default());
        Ok(Self { door, caller, endpoint, shown, visible, untold, ear })
    }

    /// Hears what the servers of all that is shown tell, too: what they say of tools goes to the registry. Resolves when it does, as far as can be known.
    pub async fn hear_servers(&mut self, client: ClientCapabilities) {
        self.ear.wanted = Some(client);
        self.attune().await;
    }

    /// What it was last told of.
    #[must_use]
    pub const fn shown(&self) -> Digest {
        self.shown
    }

    /// Which lists the caller may ask for now.
    #[must_use]
    pub const fn visible(&self) -> Changed {
        let Visible { prompts, resources, .. } = &self.visible;
        Changed { tools: true, prompts: !prompts.is_empty(), resources: !resources.is_empty() }
    }

    /// Resolves when the caller would be shown something else. Safe to drop and call again.
    ///
    /// # Errors
    /// When its credential is one no longer.
    pub async fn changed(&mut self) -> Result<Changed, Denial> {
        loop {
            self.look()?;
            if self.untold.any() {
                // What is told is told to whom it was to be told, at this moment.
                self.verify().await?;
                return Ok(std::mem::take(&mut self.untold));
            }
            self.attune().await;
            let epoch = self.caller.snapshot.epoch;
            tokio::select! {
                () = self.door.ports.snapshots.moved(epoch) => self.verify().await?,
                change = self.ear.next() => match change {
                    Some((of, Change::Prompts)) => self.untold.prompts |= self.visible.prompts.contains(&of),
                    Some((of, Change::Resources)) => self.untold.resources |= self.visible.resources.contains(&of),
                    Some((_, Change::Updated(_))) => {}
                    None => self.ear.heard = None,
                },
            }
        }
    }

    /// Compares with what was shown.
    fn look(&mut self) -> Result<(), Denial> {
        let shown = self.door.shown(&self.caller, &self.endpoint)?;
        let visible = Visible::of(&self.door, &self.caller, &self.endpoint);
        self.untold.tools |= shown != self.shown;
        self.untold.prompts |= visible.prompts != self.visible.prompts;
        self.untold.resources |= visible.resources != self.visible.resources;
        (self.shown, self.visible) = (shown, visible);
        Ok(())
    }

    /// Listens to those servers of which the caller may know anything that is listed.
    async fn attune(&mut self) {
        let servers = self.visible.servers();
        let (Some(client), true) = (self.ear.wanted, servers != self.ear.servers) else { return };
        let Ok(task) = Task::implicit(&self.caller.principal.agent) else { return };
        let (tell, heard) = mpsc::channel(1);
        let (begun, mut all_begun) = mpsc::channel::<()>(1);
        for server in &servers {
            let client = self.door.askable(&self.caller, &task, server, client);
            let agent = self.caller.principal.agent.clone();
            let listening =
                Listening { server: server.clone(), agent, client, prompts: true, resources: true };
            let upstreams = Arc::clone(&self.door.ports.upstreams);
            let (tell, begun) = (tell.clone(), begun.clone());
            self.door.ports.spawner.spawn(Box::pin(async move {
                let server = listening.server.clone();
                if let Ok(changes) = upstreams.listen(listening).await {
                    drop(begun);
                    pass_on(changes, &server, &tell).await;
                }
            }));
        }
        drop(begun);
        // Those that listened before end with their receiver.
        (self.ear.servers, self.ear.heard) = (servers, Some(heard));
        // Nobody says anything here: it closes when the last has begun.
        let _closed = all_begun.recv().await;
    }

    /// Verifies the credential again, for it may end by its time alone.
    ///
    /// # Errors
    /// When it is one no longer.
    pub async fn verify(&mut self) -> Result<(), Denial> {
        self.caller = self.caller.refresh(&self.door.ports).await?;
        Ok(())
    }
}

impl Ear {
    async fn next(&mut self) -> Option<(ServerName, Change)> {
        match &mut self.heard {
            Some(heard) => heard.recv().await,
            None => pending().await,
        }
    }
}

/// Until the server says no more, or nobody listens.
async fn pass_on(
    mut changes: Box<dyn Changes>,
    server: &ServerName,
    tell: &mpsc::Sender<(ServerName, Change)>,
) {
    loop {
        let change = tokio::select! {
            biased;
            () = tell.closed() => return,
            change = changes.next() => change,
        };
        let Some(change) = change else { return };
        if tell.send((server.clone(), change)).await.is_err() {
            return;
        }
    }
}
