//! `callgate import`: the servers of assistants become Callgate's, their credentials sealed, their tools certified, their
//! writes permitted where this person agrees. Must never print a secret, nor change a client's file.

pub(crate) mod ask;
mod daemon;
pub(crate) mod gather;
mod permits;
pub(crate) mod place;
mod plan;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod tools;
pub(crate) mod vault;
pub(crate) mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use clients::{Kind, Places, Unusable};
use serde_json::json;

use crate::cli::Output;
use crate::exit::{CONFIG, Failure, NEGATIVE, OK, put, say};
use crate::files::{self, Read};
use crate::terminal;

use ask::{Answers, Asking, tell};
use gather::Gathered;
use plan::{Known, Plan};
use vault::Vault;

pub(crate) use plan::entry_digest;

/// The policies a new configuration begins with.
pub(crate) const STARTER: &str = include_str!("../../../policies/starter.cedar");

#[derive(Args)]
#[command(after_help = "\
Examples:
  callgate import                              every client that is found
  callgate import claude-code cursor           these two
  callgate import vscode --input api-key=@key.txt
  callgate import --dry-run                    shows what would be written

Values of env, envFile, headers, and whatever looks like a credential go into the sealed store; `callgate.toml` only
refers to them. Clients' files stay as they are: `callgate connect CLIENT` changes them. Running this again goes on
where it stopped.")]
pub(crate) struct Import {
    /// claude-desktop, claude-code, cursor, vscode or codex; without, all.
    #[arg(value_parser = kind, value_name = "CLIENT")]
    clients: Vec<Kind>,
    /// Where the assistant works; without, this directory.
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Accept everything that is proposed.
    #[arg(long)]
    yes: bool,
    /// A value that a client would ask for, from a file; may be repeated. Without it, it is asked on the terminal, or
    /// read from standard input as a JSON object.
    #[arg(long = "input", value_name = "ID=@FILE")]
    inputs: Vec<String>,
    /// Do not start the servers: their tools are listed and certified later.
    #[arg(long)]
    no_start: bool,
    /// Resolve entries again that have not changed: variables or an environment file may have.
    #[arg(long)]
    again: bool,
}

/// Reads a client's name.
pub(crate) fn kind(text: &str) -> Result<Kind, String> {
    Kind::parse(text).ok_or_else(|| {
        let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        format!("known are {}", names.join(", "))
    })
}

/// Where the configuration is, and what it says now.
struct Here {
    path: PathBuf,
    base: PathBuf,
    state: PathBuf,
    /// The bytes of the file, when it is there.
    bytes: Option<Vec<u8>>,
}

impl Here {
    fn read(path: &Path) -> Result<Self, Failure> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let base = path.parent().unwrap_or(Path::new("/")).to_path_buf();
        let bytes = place::bytes(&path)
            .map_err(|problem| Failure::new(CONFIG, format!("`{}`: {problem}", path.display())))?;
        let mut state = base.join("state");
        if bytes.is_some() {
            match files::read_config(&path)? {
                Read::Good(config) => state.clone_from(&config.store.path),
                Read::Bad(problems) => {
                    return Err(Failure::of_lines(
                        CONFIG,
                        problems.iter().map(ToString::to_string).collect(),
                    ));
                }
            }
        }
        Ok(Self { path, base, state, bytes })
    }

    fn text(&self) -> String {
        self.bytes.as_deref().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
    }
}

/// `callgate import`.
pub(crate) async fn run(config: &Path, import: Import, output: Output) -> Result<u8, Failure> {
    let broken_off = "broken off; `callgate import` goes on where it stopped";
    terminal::interruptible(imported(config, import, output), broken_off).await
}

async fn imported(config: &Path, import: Import, output: Output) -> Result<u8, Failure> {
    let human = output == Output::Human;
    let places = place::places(import.workspace.as_deref())?;
    let kinds = if import.clients.is_empty() { Kind::ALL.to_vec() } else { import.clients.clone() };
    let here = Here::read(config)?;
    let gathered = gather::gather(&kinds, &places);
    let mut answers = Answers::read(&import.inputs)?;
    let plan = planned(&here, &gathered, &places, &mut answers, import.again).await?;
    show(&here, &gathered, &plan, human);
    if import.dry_run {
        return Ok(finish(&plan, &gathered, output, &json!({"dry_run": true})));
    }
    if plan.becomes.is_empty() {
        let nothing = "no server was found that is not imported or connected already";
        return if gathered.files.is_empty() && gathered.problems.is_empty() {
            let where_to = "; its page in docs/clients says where it is looked for";
            Err(Failure::new(NEGATIVE, format!("no client's file was found for {}{where_to}", names(&kinds))))
        } else {
            crate::exit::note(&format!("callgate: {nothing}"));
            Ok(finish(&plan, &gathered, output, &json!({})))
        };
    }
    let asking = Asking::of(import.yes)?;
    if !plan.tables.is_empty() || !plan.sealings.is_empty() {
        let question = format!("write this into `{}`?", here.path.display());
        if !asking.agrees(&question).await? {
            return Err(Failure::new(NEGATIVE, "nothing was written"));
        }
    }
    store(&here, &plan)?;
    let mut report = json!({});
    if !import.no_start {
        let servers: Vec<String> = tools::once(plan.becomes.iter().map(|one| one.server.clone()));
        let around = tools::Around { config: &here.path, places: &places, asking, human, servers };
        report = tools::run(&around).await?;
    }
    if human {
        next(&plan, &here, &places);
    }
    Ok(finish(&plan, &gathered, output, &report))
}

fn names(kinds: &[Kind]) -> String {
    kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ")
}

async fn planned(
    here: &Here,
    gathered: &Gathered,
    places: &Places,
    answers: &mut Answers,
    again: bool,
) -> Result<Plan, Failure> {
    let vault = Vault::open_existing(&here.state)?;
    let index = vault.as_ref().map(Vault::index).transpose()?.unwrap_or_default();
    let config = here.text();
    let mut known = Known {
        config: &config,
        base: &here.base,
        vault: vault.as_ref(),
        index: &index,
        claimed: BTreeMap::new(),
    };
    let mut plan = Plan::default();
    for entry in &gathered.entries {
        let client = entry.kind.name();
        let there = match &entry.what {
            Ok(what) if !again => {
                known.unchanged(entry, &what.canonical).map(|known| (known.server, "there already"))
            }
            Err(Unusable::Connected { server }) => {
                known.has(server).then(|| (server.clone(), "connected already"))
            }
            Ok(_) | Err(_) => None,
        };
        if let Some((server, what)) = there {
            plan.becomes.push(plan::Becomes::there(client, entry, server, what));
            continue;
        }
        match gather::resolve(entry, places, answers).await? {
            Ok(resolved) => known.add(entry, &resolved, &mut plan)?,
            Err(why) => plan.left.push((client, entry.name.clone(), why)),
        }
    }
    Ok(plan)
}

/// Secrets first, then what refers to them, then the memory of it: stopped anywhere, the next run goes on.
fn store(here: &Here, plan: &Plan) -> Result<(), Failure> {
    vault::make_private(&here.base)?;
    let mut vault = Vault::open(&here.state)?;
    if !plan.sealings.is_empty() {
        vault.put_all(&plan.sealings)?;
    }
    if !plan.tables.is_empty() || here.bytes.is_none() {
        let text = clients::append(&here.text(), &plan.tables).map_err(|fault| {
            let text =
                format!("`{}`: {fault}; write servers as `[servers.NAME]` tables", here.path.display());
            Failure::new(CONFIG, text)
        })?;
        write::replace(&here.path, here.bytes.as_deref(), &text)?;
    }
    starter(here)?;
    let mut index = vault.index()?;
    plan.imported.iter().for_each(|one| index.put(one.clone()));
    vault.put_index(&index)
}

/// A policies directory that is not there, or holds nothing, gets the starter.
fn starter(here: &Here) -> Result<(), Failure> {
    let directory = here.base.join("policies");
    if files::config(&here.path)?.policy.paths != [directory.clone()] {
        return Ok(());
    }
    vault::make_private(&directory)?;
    let entries = std::fs::read_dir(&directory).into_iter().flatten().filter_map(Result::ok);
    let mut policies = entries.filter(|entry| entry.path().extension().is_some_and(|end| end == "cedar"));
    if policies.next().is_some() {
        return Ok(());
    }
    write::replace(&directory.join("starter.cedar"), None, STARTER)
}

fn show(here: &Here, gathered: &Gathered, plan: &Plan, human: bool) {
    let say = |text: &str| tell(human, text);
    for (kind, path) in &gathered.files {
        say(&format!("found {} in {}", kind.name(), path.display()));
    }
    for problem in &gathered.problems {
        say(&format!("cannot read {problem}"));
    }
    for one in &plan.becomes {
        let sealed = match one.sealed {
            0 => String::new(),
            1 => ", 1 value sealed".to_owned(),
            count => format!(", {count} values sealed"),
        };
        let name = clients::mask(&one.name, &[]);
        say(&format!("  {:<14} {name} -> [servers.{}] ({}{sealed})", one.client, one.server, one.what));
    }
    for (client, name, why) in &plan.left {
        say(&format!("  {client:<14} {} left alone: {why}", clients::mask(name, &[])));
    }
    for one in plan.becomes.iter().filter(|one| !one.exposes.is_empty()) {
        say(&format!(
            "note: `{}` may reach {}, where Callgate keeps its own files; give it a narrower directory",
            one.server,
            one.exposes.join(", ")
        ));
    }
    if !plan.tables.is_empty() {
        say(&format!("\nto be added to {}:\n", here.path.display()));
        say(plan.tables.join("\n").trim_end());
        say("");
    }
    for one in plan.becomes.iter().filter(|one| !one.arguments.is_empty()) {
        say(&format!(
            "note: `{}` gets {} as an argument: every program of your user can read it in the process list while the server runs; if the server can take it from a variable, write `env` instead",
            one.server,
            one.arguments.join(", ")
        ));
    }
}

fn next(plan: &Plan, here: &Here, places: &Places) {
    let clients = tools::once(plan.becomes.iter().map(|one| one.client.to_owned()));
    let standard = files::config_path(None).canonicalize().ok();
    let config = if standard.is_some() && standard == here.path.canonicalize().ok() {
        String::new()
    } else {
        format!(" --config {}", here.path.display())
    };
    put("\nnext, for each client (`--dry-run` shows the change):");
    for client in clients {
        say(&format!("  callgate{config} connect {client} --workspace {}", places.workspace.display()));
    }
}

/// The JSON report, and the exit code.
fn finish(plan: &Plan, gathered: &Gathered, output: Output, more: &serde_json::Value) -> u8 {
    if output == Output::Json {
        let servers: Vec<_> = plan
            .becomes
            .iter()
            .map(|one| {
                json!({"client": one.client, "name": one.name, "server": one.server, "what": one.what, "sealed": one.sealed})
            })
            .collect();
        let left: Vec<_> = plan
            .left
            .iter()
            .map(|(client, name, why)| json!({"client": client, "name": name, "because": why}))
            .collect();
        put(&json!({"servers": servers, "left": left, "problems": gathered.problems, "then": more})
            .to_string());
    }
    if plan.becomes.is_empty() && !(plan.left.is_empty() && gathered.problems.is_empty()) {
        NEGATIVE
    } else {
        OK
    }
}
