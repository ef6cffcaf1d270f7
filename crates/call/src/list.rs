//! `tools/list` through the same door: only what the same policies could permit, and remembered as listed.

use std::collections::BTreeSet;
use std::sync::Arc;

use ledger::{Body, Entry, ListBody};
use model::call::Endpoint;
use model::denial::Denial;
use model::digest::Digest;
use model::ids::ServerName;
use model::method::Method;
use model::task::Task;
use model::tool::ToolRef;
use ports::record::{CommitFault, Expect, Item};
use registry::ToolRecord;

use crate::driver::Door;
use crate::identified::Caller;
use crate::refuse::{Place, Refused};
use crate::run::DECISIONS_MAX;

/// One tool as it is shown at one endpoint.
pub struct ListedTool {
    /// The name at this endpoint.
    pub name: String,
    /// The tool.
    pub record: Arc<ToolRecord>,
}

/// What a principal is shown, in a stable order.
pub struct Listed {
    /// The tools.
    pub tools: Vec<ListedTool>,
    /// What tells whether the same is shown later: [`crate::Watch`].
    pub shown: Digest,
}

impl Door {
    /// The tools that exist for this caller at this endpoint. Durable as listed before it returns.
    ///
    /// # Errors
    /// A refusal when it cannot be recorded, or its agent asks too often.
    pub async fn list(&self, caller: &Caller, endpoint: &Endpoint) -> Result<Listed, Refused> {
        let stamp = self.stamp()?;
        let agent = &caller.principal.agent;
        self.rates.other(agent, stamp.started).map_err(|denial| self.too_often(&stamp, agent, denial))?;
        let refuse = |why: String| Refused { call: stamp.id, denial: Denial::indeterminate(why) };
        let task = Task::implicit(&caller.principal.agent).map_err(|error| refuse(error.to_string()))?;
        let place = Place::new(stamp, caller, &task, endpoint).method("tools/list");
        let mut caller = caller.clone();
        for _ in 0..DECISIONS_MAX {
            match self.show(&caller, endpoint, &task).await {
                Ok(Some(listed)) => {
                    self.rates.written(&caller.principal.agent, stamp.started);
                    return Ok(listed);
                }
                Ok(None) => match caller.refresh(&self.ports).await {
                    Ok(fresh) => caller = fresh,
                    Err(denial) => return Err(self.refuse_early(place, denial).await),
                },
                Err(why) => return Err(self.refuse_early(place, Denial::indeterminate(why)).await),
            }
        }
        let why = format!("the facts changed under {DECISIONS_MAX} lists in a row");
        Err(self.refuse_early(place, Denial::indeterminate(why)).await)
    }

    /// One list under one picture; `None` when the picture went stale before the list was durable.
    async fn show(
        &self,
        caller: &Caller,
        endpoint: &Endpoint,
        task: &Task,
    ) -> Result<Option<Listed>, String> {
        let (agent, epoch) = (&caller.principal.agent, caller.snapshot.epoch);
        let tools = self.visible(caller, endpoint, task);
        let shown: Vec<(ToolRef, Digest)> =
            tools.iter().map(|tool| (tool.record.name.clone(), tool.record.digest)).collect();
        let listed = self.listings.changes(agent, &shown);
        let digest = shown_digest(&tools);
        let body = ListBody {
            agent: agent.clone(),
            task: task.id.clone(),
            endpoint: endpoint.clone(),
            tools: tools.len() as u64,
            shown: digest,
        };
        let entry = Entry { at: self.ports.clock.now(), epoch, body: Body::List(body) };
        let (salts, expects) = (Vec::new(), Expect::Epoch(epoch));
        let item = Item { entry, salts, expects, listed: Some(listed.clone()), approval: None };
        let pending = self.ports.record.stage(item).map_err(|fault| fault.to_string())?;
        match pending.await {
            Ok(_) => {
                self.listings.remember(&listed);
                Ok(Some(Listed { tools, shown: digest }))
            }
            Err(CommitFault::EpochMoved) => Ok(None),
            Err(fault) => Err(fault.to_string()),
        }
    }

    /// The methods beside tools that this caller could be permitted at this endpoint; none on any doubt.
    #[must_use]
    pub fn methods(&self, caller: &Caller, endpoint: &Endpoint) -> Vec<Method> {
        let of = |server: &ServerName| matches!(endpoint, Endpoint::Server(only) if only == server);
        let mut methods: Vec<Method> = self
            .operations(caller)
            .into_iter()
            .filter(|(server, _)| *endpoint == Endpoint::All || of(server))
            .map(|(_, method)| method)
            .collect();
        methods.sort_unstable();
        methods.dedup();
        methods
    }

    /// The servers at which this caller could be permitted a method beside tools, in order; none on any doubt.
    #[must_use]
    pub fn servers_with(&self, caller: &Caller, method: Method) -> Vec<ServerName> {
        let of = |(server, known): (ServerName, Method)| (known == method).then_some(server);
        let mut servers: Vec<ServerName> = self.operations(caller).into_iter().filter_map(of).collect();
        servers.sort_unstable();
        servers
    }

    /// Those of these servers that have resources, but of which this caller may not ask for this list: what is theirs
    /// cannot be told.
    #[must_use]
    pub fn unlisted(&self, caller: &Caller, list: Method, servers: &[ServerName]) -> Vec<ServerName> {
        let may = self.servers_with(caller, list);
        let has = |server: &ServerName| {
            let mut records = caller.snapshot.catalog.of_server(server).filter(|record| record.present);
            records.any(|record| Method::of(&record.name.tool).is_some_and(Method::of_resources))
        };
        servers.iter().filter(|server| !may.contains(server) && has(server)).cloned().collect()
    }

    fn operations(&self, caller: &Caller) -> Vec<(ServerName, Method)> {
        let Ok(task) = Task::implicit(&caller.principal.agent) else { return Vec::new() };
        let view = self.views.of(&caller.snapshot, &caller.principal, &task);
        let usable = caller.snapshot.catalog.usable();
        let known = usable.filter(|record| view.contains(&record.name));
        known
            .filter_map(|record| Some((record.name.server.clone(), Method::of(&record.name.tool)?)))
            .collect()
    }

    /// What tells whether a caller is shown the same as before.
    pub(crate) fn shown(&self, caller: &Caller, endpoint: &Endpoint) -> Result<Digest, Denial> {
        let task = Task::implicit(&caller.principal.agent);
        let task = task.map_err(|error| Denial::indeterminate(error.to_string()))?;
        Ok(shown_digest(&self.visible(caller, endpoint, &task)))
    }

    /// The servers whose tools a caller is shown.
    pub(crate) fn servers_shown(&self, caller: &Caller, endpoint: &Endpoint) -> BTreeSet<ServerName> {
        let Ok(task) = Task::implicit(&caller.principal.agent) else { return BTreeSet::new() };
        let shown = self.visible(caller, endpoint, &task);
        shown.iter().map(|tool| tool.record.name.server.clone()).collect()
    }

    fn visible(&self, caller: &Caller, endpoint: &Endpoint, task: &Task) -> Vec<ListedTool> {
        let snapshot = &caller.snapshot;
        let view = self.views.of(snapshot, &caller.principal, task);
        let mut tools: Vec<ListedTool> = snapshot
            .catalog
            .usable()
            .filter(|record| Method::of(&record.name.tool).is_none() && view.contains(&record.name))
            .filter_map(|record| {
                let name = match endpoint {
                    Endpoint::All => snapshot.names.name(&record.name)?.to_owned(),
                    Endpoint::Server(server) if *server == record.name.server => {
                        record.name.tool.as_str().to_owned()
                    }
                    Endpoint::Server(_) => return None,
                };
                Some(ListedTool { name, record: Arc::clone(record) })
            })
            .collect();
        tools.sort_by(|left, right| left.name.cmp(&right.name));
        tools
    }
}

fn shown_digest(tools: &[ListedTool]) -> Digest {
    let line = |tool: &ListedTool| format!("{} {}\n", tool.record.name, tool.record.digest);
    let lines: Vec<String> = tools.iter().map(line).collect();
    let parts: Vec<&[u8]> = lines.iter().map(String::as_bytes).collect();
    Digest::of_parts("callgate/list/v1", &parts)
}
