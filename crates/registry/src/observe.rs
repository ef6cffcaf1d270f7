//! What a server's list changes in the registry. Must never lower a risk class, nor leave a changed tool certified.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use model::digest::Digest;
use model::ids::{ServerName, ToolName};
use model::time::Micros;
use model::tool::{ToolRef, ToolStatus};

use crate::catalog::Catalog;
use crate::definition::Definition;
use crate::flags::{self, Flag, FlagCode, KnownNames};
use crate::record::ToolRecord;
use crate::risk;

/// Most tools kept of one server, absent ones too, so that a server that invents names fills nothing.
pub const TOOLS_PER_SERVER_MAX: usize = 2048;

/// What one list changes.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// What the registry has to keep, by name.
    pub changes: Vec<Change>,
    /// New tools that were not taken, because the server already has [`TOOLS_PER_SERVER_MAX`].
    pub ignored: Vec<ToolName>,
}

/// One changed record.
#[derive(Clone, Debug)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// The record from now on.
    pub record: ToolRecord,
}

/// What happened to a tool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ChangeKind {
    /// First seen.
    Appeared,
    /// First seen under this name; the same definition was there under another that is gone.
    Renamed {
        /// The old name.
        from: ToolName,
    },
    /// Another definition.
    Changed {
        /// The digest before.
        from: Digest,
    },
    /// Not listed any more.
    Disappeared,
    /// Listed again, with the definition it had.
    Returned,
}

/// Compares what a server lists with what the registry has of it. `definitions` is everything it lists, names
/// unique. An empty result means nothing has to be written.
#[must_use]
pub fn observe(
    catalog: &Catalog,
    server: &ServerName,
    definitions: &[Arc<Definition>],
    at: Micros,
) -> Observation {
    let listed: HashSet<&ToolName> = definitions.iter().map(|definition| definition.name()).collect();
    let view = View { catalog, server, listed: &listed, definitions, known: OnceCell::new(), at };
    let mut room = TOOLS_PER_SERVER_MAX.saturating_sub(catalog.of_server(server).count());
    let gone = view.gone_by_body();
    let mut out = Observation::default();
    for definition in definitions {
        match catalog.tool(server, definition.name()) {
            Some(record) => out.changes.extend(view.known_tool(record, definition)),
            None if room == 0 => out.ignored.push(definition.name().clone()),
            None => {
                room -= 1;
                out.changes.push(view.new_tool(definition, &gone));
            }
        }
    }
    out.changes.extend(view.disappeared());
    out.changes.sort_by(|left, right| left.record.name.cmp(&right.record.name));
    out
}

struct View<'a> {
    catalog: &'a Catalog,
    server: &'a ServerName,
    listed: &'a HashSet<&'a ToolName>,
    definitions: &'a [Arc<Definition>],
    known: OnceCell<KnownNames>,
    at: Micros,
}

impl<'a> View<'a> {
    /// Tools of this server that the list does not have, by what they are but for the name.
    fn gone_by_body(&self) -> HashMap<Digest, &'a Arc<ToolRecord>> {
        let gone = self.catalog.of_server(self.server).filter(|r| !self.listed.contains(&r.name.tool));
        gone.map(|record| (record.definition.body_digest(), record)).collect()
    }

    fn inspect(&self, definition: &Definition) -> Vec<Flag> {
        flags::inspect(definition, self.known.get_or_init(|| KnownNames::of(self.catalog, self.definitions)))
    }

    fn new_tool(&self, definition: &Arc<Definition>, gone: &HashMap<Digest, &Arc<ToolRecord>>) -> Change {
        let name = ToolRef { server: self.server.clone(), tool: definition.name().clone() };
        let proposed = risk::propose(definition);
        let mut record = ToolRecord {
            name,
            definition: Arc::clone(definition),
            digest: definition.digest(),
            risk: proposed.risk,
            returns_secrets: proposed.returns_secrets,
            flags: self.inspect(definition),
            proposed,
            status: ToolStatus::Quarantined,
            present: true,
            first_seen: self.at,
            since: self.at,
            certified: None,
            previous: None,
        };
        let Some(old) = gone.get(&definition.body_digest()) else {
            return Change { kind: ChangeKind::Appeared, record };
        };
        record.risk = record.risk.max(old.risk);
        record.returns_secrets |= old.returns_secrets;
        record.flags.push(renamed(&old.name.tool));
        Change { kind: ChangeKind::Renamed { from: old.name.tool.clone() }, record }
    }

    fn known_tool(&self, record: &Arc<ToolRecord>, definition: &Arc<Definition>) -> Option<Change> {
        if record.digest == definition.digest() {
            let back = || ToolRecord { present: true, ..ToolRecord::clone(record) };
            return (!record.present).then(|| Change { kind: ChangeKind::Returned, record: back() });
        }
        let proposed = risk::propose(definition);
        let previous = match record.status {
            ToolStatus::Certified => Some(Arc::clone(&record.definition)),
            ToolStatus::Quarantined => record.previous.clone(),
        };
        let changed = ToolRecord {
            definition: Arc::clone(definition),
            digest: definition.digest(),
            risk: record.risk.max(proposed.risk),
            returns_secrets: record.returns_secrets || proposed.returns_secrets,
            flags: self.flags_again(record, definition),
            proposed,
            status: ToolStatus::Quarantined,
            since: self.at,
            present: true,
            previous,
            ..ToolRecord::clone(record)
        };
        Some(Change { kind: ChangeKind::Changed { from: record.digest }, record: changed })
    }

    /// The flags of the new definition; that a tool was renamed is not forgotten until it is certified.
    fn flags_again(&self, record: &ToolRecord, definition: &Definition) -> Vec<Flag> {
        let mut flags = self.inspect(definition);
        if record.certified.is_none() {
            flags.extend(record.flags.iter().filter(|flag| flag.code == FlagCode::Renamed).cloned());
        }
        flags
    }

    fn disappeared(&self) -> impl Iterator<Item = Change> {
        let gone =
            self.catalog.of_server(self.server).filter(|r| r.present && !self.listed.contains(&r.name.tool));
        gone.map(|record| Change {
            kind: ChangeKind::Disappeared,
            record: ToolRecord { present: false, ..ToolRecord::clone(record) },
        })
    }
}

fn renamed(from: &ToolName) -> Flag {
    Flag {
        code: FlagCode::Renamed,
        at: "/name".to_owned(),
        excerpt: format!("the same as `{from}`, which is gone"),
    }
}

#[cfg(test)]
mod tests;
