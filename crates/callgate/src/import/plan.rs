//! Which server each entry becomes: a new table, one that is there, or the same as another. Must never change what
//! `callgate.toml` already says.

use std::collections::BTreeMap;
use std::path::Path;

use clients::{GateServer, Imported, Index, Sealing, free_name, gate_name, same_table, table_of};
use config::{Config, Resolve, ResolveFault};
use model::digest::Digest;
use model::ids::ServerName;
use ports::secret::Secret;

use crate::exit::{CONFIG, Failure};
use crate::import::gather::{Entry, Resolved};
use crate::import::vault::Vault;

/// What will be done.
#[derive(Default)]
pub(crate) struct Plan {
    /// Tables to append.
    pub(crate) tables: Vec<String>,
    /// Secrets to seal.
    pub(crate) sealings: Vec<Sealing>,
    /// What to remember.
    pub(crate) imported: Vec<Imported>,
    /// Of each entry: the server it becomes and whether that is new.
    pub(crate) becomes: Vec<Becomes>,
    /// Of each entry that is left alone: client, name, why.
    pub(crate) left: Vec<(&'static str, String, String)>,
}

/// What an entry becomes.
pub(crate) struct Becomes {
    pub(crate) client: &'static str,
    pub(crate) name: String,
    pub(crate) server: String,
    pub(crate) what: &'static str,
    /// Names of its sealed values that a process will have as arguments.
    pub(crate) arguments: Vec<String>,
    /// How many values are sealed.
    pub(crate) sealed: usize,
    /// Directories it is given that hold Callgate's own files.
    pub(crate) exposes: Vec<String>,
}

impl Becomes {
    /// Nothing is to be done for this entry.
    pub(crate) fn there(client: &'static str, entry: &Entry, server: String, what: &'static str) -> Self {
        let name = entry.name.clone();
        Self { client, name, server, what, arguments: Vec::new(), sealed: 0, exposes: Vec::new() }
    }
}

/// Where names are looked up.
pub(crate) struct Known<'a> {
    pub(crate) config: &'a str,
    pub(crate) base: &'a Path,
    pub(crate) vault: Option<&'a Vault>,
    pub(crate) index: &'a Index,
    /// Servers of this run: what each resolves to.
    pub(crate) claimed: BTreeMap<String, Digest>,
}

/// How a name can be had.
enum Fit {
    /// Nobody has it.
    New,
    /// It is this very server.
    Same,
    /// It is this server with other secrets.
    Reseal,
    /// Another server has it.
    Taken,
}

impl Known<'_> {
    /// An entry that was imported before and has not changed since.
    pub(crate) fn unchanged(&self, entry: &Entry, canonical: &str) -> Option<Imported> {
        let known = self.index.find(&entry.path.to_string_lossy(), &entry.at)?;
        (self.has(&known.server) && known.entry == entry_digest(canonical)).then(|| known.clone())
    }

    /// Whether the configuration has a server of this name.
    pub(crate) fn has(&self, server: &str) -> bool {
        let name = ServerName::parse(server).ok();
        name.and_then(|name| same_table(self.config, &name, "").ok()).is_some_and(|there| there.is_some())
    }

    /// Directories among a server's arguments that hold Callgate's own files.
    fn exposes(&self, resolved: &Resolved) -> Vec<String> {
        let arguments = resolved.server.plain_arguments();
        let holds =
            |argument: &&String| argument.starts_with('/') && self.base.starts_with(argument.as_str());
        arguments.iter().filter(holds).cloned().collect()
    }

    /// Finds a name for a resolved entry and adds it to the plan.
    pub(crate) fn add(&mut self, entry: &Entry, resolved: &Resolved, plan: &mut Plan) -> Result<(), Failure> {
        let digest = resolved.server.digest();
        let canonical = entry.what.as_ref().map(|what| what.canonical.clone()).unwrap_or_default();
        let path = entry.path.to_string_lossy().into_owned();
        let before = self.index.find(&path, &entry.at).map(|known| known.server.clone());
        let origin = format!("from {}: {} ({path})", entry.kind.name(), entry.name);
        let mut tried: Vec<ServerName> = Vec::new();
        let first = self.first_name(entry, before.as_deref(), digest);
        loop {
            let name = free_name(&first, |name| tried.contains(name));
            let made = table_of(&name, &resolved.server, &origin);
            let fit = self.fit(&name, &made, digest, before.as_deref())?;
            if matches!(fit, Fit::Taken) {
                tried.push(name);
                continue;
            }
            if matches!(fit, Fit::New)
                && let Err(why) = usable(&made, self.base)
            {
                plan.left.push((entry.kind.name(), entry.name.clone(), why));
                return Ok(());
            }
            let imported = Imported {
                client: entry.kind.name().to_owned(),
                path,
                at: entry.at.clone(),
                server: name.as_str().to_owned(),
                entry: entry_digest(&canonical),
                resolved: digest.to_string(),
                env_file: resolved
                    .env_file
                    .clone()
                    .map(|(path, names)| (path.to_string_lossy().into_owned(), names)),
            };
            self.claimed.insert(name.as_str().to_owned(), digest);
            take(plan, entry, made, imported, &fit);
            if let Some(last) = plan.becomes.last_mut() {
                last.exposes = self.exposes(resolved);
            }
            return Ok(());
        }
    }

    /// The name it had, the name of the same server elsewhere, or the client's.
    fn first_name(&self, entry: &Entry, before: Option<&str>, digest: Digest) -> ServerName {
        let claimed = self.claimed.iter().find(|(_, known)| **known == digest).map(|(name, _)| name.as_str());
        let text = digest.to_string();
        let elsewhere = self.index.servers_of(&text).next();
        let name = claimed.or(before).or(elsewhere).and_then(|name| ServerName::parse(name).ok());
        name.unwrap_or_else(|| gate_name(&entry.name))
    }

    fn fit(
        &self,
        name: &ServerName,
        made: &GateServer,
        digest: Digest,
        before: Option<&str>,
    ) -> Result<Fit, Failure> {
        if let Some(claimed) = self.claimed.get(name.as_str()) {
            return Ok(if *claimed == digest { Fit::Same } else { Fit::Taken });
        }
        let there = same_table(self.config, name, &made.table)
            .map_err(|fault| Failure::new(CONFIG, format!("the configuration: {fault}")))?;
        Ok(match there {
            None => Fit::New,
            Some(false) => Fit::Taken,
            Some(true) => {
                let held =
                    self.vault.map_or(Ok(made.sealings.is_empty()), |vault| vault.holds(&made.sealings))?;
                match (held, before == Some(name.as_str())) {
                    (true, _) => Fit::Same,
                    (false, true) => Fit::Reseal,
                    (false, false) => Fit::Taken,
                }
            }
        })
    }
}

fn take(plan: &mut Plan, entry: &Entry, made: GateServer, imported: Imported, fit: &Fit) {
    let arguments = made.sealings.iter().filter(|one| one.name.contains("/arg/"));
    plan.becomes.push(Becomes {
        client: entry.kind.name(),
        name: entry.name.clone(),
        server: imported.server.clone(),
        what: match (fit, plan.becomes.iter().any(|other| other.server == imported.server)) {
            (Fit::New, _) => "new",
            (Fit::Reseal, _) => "its secrets are replaced",
            (Fit::Same | Fit::Taken, true) => "the same server as above",
            (Fit::Same | Fit::Taken, false) => "there already",
        },
        arguments: arguments.map(|one| one.name.clone()).collect(),
        sealed: if matches!(fit, Fit::New | Fit::Reseal) { made.sealings.len() } else { 0 },
        exposes: Vec::new(),
    });
    match fit {
        Fit::New => {
            plan.tables.push(made.table);
            plan.sealings.extend(made.sealings);
        }
        Fit::Reseal => plan.sealings.extend(made.sealings),
        Fit::Same | Fit::Taken => {}
    }
    plan.imported.push(imported);
}

/// The digest of an entry as it is written, to see later that it changed.
pub(crate) fn entry_digest(canonical: &str) -> String {
    Digest::of(canonical.as_bytes()).to_string()
}

/// Whether Callgate takes such a table. The reasons never show a secret.
fn usable(made: &GateServer, base: &Path) -> Result<(), String> {
    let pending = Pending(&made.sealings);
    match Config::parse("callgate.toml", &made.table, base, &pending) {
        Ok(_) => Ok(()),
        Err(problems) => {
            let problems =
                problems.iter().map(|one| format!("`{}` is {}; wanted is {}", one.key, one.got, one.want));
            let problems = problems.collect::<Vec<_>>().join("; ");
            Err(format!("Callgate cannot use it: {problems}"))
        }
    }
}

/// Secrets that are not sealed yet.
struct Pending<'a>(&'a [Sealing]);

impl Resolve for Pending<'_> {
    fn env(&self, name: &str) -> Result<Secret, ResolveFault> {
        Err(ResolveFault(format!("`{name}` is not asked for here")))
    }

    fn file(&self, path: &Path) -> Result<Secret, ResolveFault> {
        Err(ResolveFault(format!("`{}` is not asked for here", path.display())))
    }

    fn sealed(&self, _: &Path, name: &str) -> Result<Option<Secret>, ResolveFault> {
        let found = self.0.iter().find(|one| one.name == name);
        Ok(found.map(|one| Secret::new(one.value.reveal().to_owned())))
    }
}
