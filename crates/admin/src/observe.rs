//! What upstreams list → the registry. Must never let a connection serve a call before the registry that its list
//! makes is durable and published.

use std::sync::{Arc, PoisonError};

use model::ids::ServerName;
use model::tool::ToolRef;
use ports::BoxFuture;
use ports::control::ControlChange;
use ports::definitions::{DefinitionObserver, Offered};
use ports::fault::Fault;
use registry::observe::observe;
use registry::{Change, ChangeKind, Listing};

use crate::change::{Change as Made, Takes};
use crate::{Admin, Picture};

impl DefinitionObserver for Admin {
    fn observed<'a>(&'a self, server: &'a ServerName, offered: Offered) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(self.take_listing(server, offered))
    }
}

impl Admin {
    async fn take_listing(&self, server: &ServerName, offered: Offered) -> Result<(), Fault> {
        // A large list takes its time to read: nobody who revokes something waits for it.
        let listing = Listing::read(&offered.tools, &offered.methods);
        self.keep_refused(server, &listing);
        let turn = self.turn().await;
        let current = self.current();
        let observation = observe(&current.catalog, server, &listing.definitions, self.ports.clock.now());
        if observation.changes.is_empty() {
            return Ok(());
        }
        let by = format!("upstream:{server}");
        let entries = observation
            .changes
            .iter()
            .map(|change| self.entry(&by, word(change), change.record.name.to_string(), detail(change)))
            .collect();
        let withdrawn: Vec<ToolRef> = observation
            .changes
            .iter()
            .filter(|change| !change.record.usable())
            .map(|change| change.record.name.clone())
            .collect();
        let records: Vec<_> = observation.changes.into_iter().map(|change| change.record).collect();
        let catalog = Arc::new(current.catalog.with(records.iter().cloned()));
        let next = Picture { catalog, ..Picture::of(&current) };
        let change = ControlChange::PutTools(records);
        let takes = Takes::Tools(withdrawn);
        self.carry_out(turn, Made { change, entries, next, takes, loaded: None }).await.map(drop)
    }

    fn keep_refused(&self, server: &ServerName, listing: &Listing) {
        let words = listing.refused.iter().map(|refused| format!("`{}`: {}", refused.name, refused.fault));
        let mut all = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(server.clone(), words.collect());
    }
}

const fn word(change: &Change) -> &'static str {
    match change.kind {
        ChangeKind::Appeared | ChangeKind::Renamed { .. } | ChangeKind::Changed { .. } => "tool.quarantined",
        ChangeKind::Disappeared => "tool.gone",
        ChangeKind::Returned => "tool.returned",
    }
}

fn detail(change: &Change) -> String {
    let record = &change.record;
    match &change.kind {
        ChangeKind::Appeared => format!("new, {}", record.digest),
        ChangeKind::Renamed { from } => {
            format!("new, the same as `{from}`, which is gone; {}", record.digest)
        }
        ChangeKind::Changed { from } => format!("changed from {from} to {}", record.digest),
        ChangeKind::Disappeared => "its server does not list it any more".to_owned(),
        ChangeKind::Returned => format!("listed again as it was, {}", record.digest),
    }
}
