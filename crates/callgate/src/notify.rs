//! A desktop notification when tools go to quarantine, so that a person learns it where they work.
//!
//! Must never show a word that a server chose: only names from the configuration, and counts. Must never involve a
//! shell, nor wait for the desktop: a notification that cannot be shown is lost, `callgate status` is not.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use admin::Admin;
use model::digest::Digest;
use model::ids::ServerName;
use model::tool::ToolRef;
use ports::clock::Clock;
use registry::{Catalog, ToolRecord};

/// How often is looked; looking is comparing two numbers.
const LOOK: Duration = Duration::from_secs(2);
/// At most one notification of one server in this time. What comes meanwhile waits for the next.
const APART: Duration = Duration::from_secs(300);
/// Time a notification has to be handed over.
const WITHIN: Duration = Duration::from_secs(5);

/// Looks for tools that went to quarantine until it is dropped. Does nothing on a machine without a desktop.
pub(crate) async fn desktop(admin: Arc<Admin>, clock: Arc<dyn Clock>) {
    let Some(program) = notify_send() else { return };
    let mut snapshot = admin.current();
    let mut waits = Waits::from(&snapshot.catalog);
    loop {
        tokio::time::sleep(LOOK).await;
        let current = admin.current();
        if current.epoch != snapshot.epoch {
            waits.look(&current.catalog);
        }
        snapshot = current;
        for bulletin in waits.due(&snapshot.catalog, clock.elapsed()) {
            show(&program, &bulletin).await;
        }
    }
}

/// One server's tools that wait since the last notification.
#[derive(PartialEq, Eq, Debug)]
struct Bulletin {
    server: ServerName,
    changed: usize,
    new: usize,
}

impl Bulletin {
    fn text(&self) -> String {
        let count = |number: usize, word: &str| (number > 0).then(|| format!("{number} {word}"));
        let counts: Vec<String> =
            [count(self.changed, "changed"), count(self.new, "new")].into_iter().flatten().collect();
        format!(
            "{}: {}. No agent can use them until you look: callgate status",
            self.server,
            counts.join(", ")
        )
    }
}

/// What waits, and what was told of it.
struct Waits {
    seen: HashSet<(ToolRef, Digest)>,
    untold: BTreeMap<ServerName, HashSet<ToolRef>>,
    told: HashMap<ServerName, Duration>,
}

impl Waits {
    /// What waits at the start is no news.
    fn from(catalog: &Catalog) -> Self {
        let mut waits = Self { seen: HashSet::new(), untold: BTreeMap::new(), told: HashMap::new() };
        waits.look(catalog);
        waits.untold.clear();
        waits
    }

    fn look(&mut self, catalog: &Catalog) {
        let waiting: Vec<&Arc<ToolRecord>> = catalog.all().filter(|tool| is_news(tool, catalog)).collect();
        for tool in &waiting {
            if !self.seen.contains(&(tool.name.clone(), tool.digest)) {
                self.untold.entry(tool.name.server.clone()).or_default().insert(tool.name.clone());
            }
        }
        self.seen = waiting.iter().map(|tool| (tool.name.clone(), tool.digest)).collect();
    }

    /// What is to be told now.
    fn due(&mut self, catalog: &Catalog, now: Duration) -> Vec<Bulletin> {
        let told = &self.told;
        let due = |server: &ServerName| told.get(server).is_none_or(|at| now.saturating_sub(*at) >= APART);
        let servers: Vec<ServerName> = self.untold.keys().filter(|server| due(server)).cloned().collect();
        let mut bulletins = Vec::new();
        for server in servers {
            let tools = self.untold.remove(&server).unwrap_or_default();
            let still: Vec<_> = tools
                .iter()
                .filter_map(|name| catalog.get(name))
                .filter(|tool| is_news(tool, catalog))
                .collect();
            if still.is_empty() {
                continue;
            }
            let changed = still.iter().filter(|tool| tool.certified.is_some()).count();
            self.told.insert(server.clone(), now);
            bulletins.push(Bulletin { server, changed, new: still.len() - changed });
        }
        bulletins
    }
}

/// Waits for a person who does not know it: not what an operator withdrew, nor a server that is only being set up.
fn is_news(tool: &ToolRecord, catalog: &Catalog) -> bool {
    let withdrawn =
        tool.previous.is_none() && tool.certified.as_ref().is_some_and(|c| c.digest == tool.digest);
    let in_use = || catalog.of_server(&tool.name.server).any(|other| other.certified.is_some());
    tool.waits().is_some() && !withdrawn && in_use()
}

/// The program that shows notifications, where there is a session to show them in.
fn notify_send() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let bus = set("XDG_RUNTIME_DIR").map(|directory| PathBuf::from(directory).join("bus"));
    if set("DBUS_SESSION_BUS_ADDRESS").is_none() && !bus.is_some_and(|bus| bus.exists()) {
        return None;
    }
    let path = set("PATH")?;
    std::env::split_paths(&path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join("notify-send"))
        .find(|program| program.is_file())
}

async fn show(program: &std::path::Path, bulletin: &Bulletin) {
    let text = bulletin.text();
    let child = tokio::process::Command::new(program)
        .args(["--app-name=Callgate", "--urgency=normal", "--", "Callgate: tools wait for a person", &text])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    match child {
        Ok(mut child) => drop(tokio::time::timeout(WITHIN, child.wait()).await),
        Err(error) => tracing::debug!(%error, "no notification could be shown"),
    }
}

#[cfg(test)]
mod tests;
