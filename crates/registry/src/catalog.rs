//! All tools the registry knows, at one instant. Must never be changed in place: a change makes the next one.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::ids::{ServerName, ToolName};
use model::tool::ToolRef;

use crate::record::ToolRecord;

/// An immutable picture of the registry. Cheap to clone per server.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    servers: BTreeMap<ServerName, BTreeMap<ToolName, Arc<ToolRecord>>>,
}

impl Catalog {
    /// From what the store kept. The last of two records with one name wins.
    pub fn new(records: impl IntoIterator<Item = ToolRecord>) -> Self {
        Self::default().with(records)
    }

    /// The picture after these records were inserted or replaced.
    #[must_use]
    pub fn with(&self, records: impl IntoIterator<Item = ToolRecord>) -> Self {
        let mut next = self.clone();
        for record in records {
            let tools = next.servers.entry(record.name.server.clone()).or_default();
            tools.insert(record.name.tool.clone(), Arc::new(record));
        }
        next
    }

    /// One tool, in any status.
    #[must_use]
    pub fn get(&self, name: &ToolRef) -> Option<&Arc<ToolRecord>> {
        self.tool(&name.server, &name.tool)
    }

    /// One tool by its server and own name, in any status.
    #[must_use]
    pub fn tool(&self, server: &ServerName, tool: &ToolName) -> Option<&Arc<ToolRecord>> {
        self.servers.get(server)?.get(tool)
    }

    /// A server's tools in any status, by name.
    pub fn of_server<'a>(
        &'a self,
        server: &ServerName,
    ) -> impl Iterator<Item = &'a Arc<ToolRecord>> + use<'a> {
        self.servers.get(server).into_iter().flat_map(BTreeMap::values)
    }

    /// All tools in any status, by server and name.
    pub fn all(&self) -> impl Iterator<Item = &Arc<ToolRecord>> {
        self.servers.values().flat_map(BTreeMap::values)
    }

    /// The tools that may be listed and called.
    pub fn usable(&self) -> impl Iterator<Item = &Arc<ToolRecord>> {
        self.all().filter(|record| record.usable())
    }

    /// Number of tools in any status.
    #[must_use]
    pub fn len(&self) -> usize {
        self.servers.values().map(BTreeMap::len).sum()
    }

    /// True when nothing was ever listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
