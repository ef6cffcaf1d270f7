//! `callgate connect`, `disconnect`, `clients`: a client's entries become the shim's and come back. Must never keep a
//! client's text anywhere but sealed, nor change a byte outside the entries.

mod agent;
mod change;
mod env_file;

use std::path::{Path, PathBuf};

use clap::Args;
use clients::{Kind, Places, SealedText, ShimEntry};
use serde_json::{Value, json};

use crate::cli::Output;
use crate::exit::{Failure, IO, NEGATIVE, OK, note, put, say};
use crate::files;
use crate::import::place::{self, ClientFile};
use crate::import::vault::{self, Vault};
use crate::import::{kind, tools, write};

use change::Change;

#[derive(Args)]
#[command(after_help = "\
Examples:
  callgate connect claude-code --dry-run       the change, secrets masked
  callgate connect claude-code
  callgate disconnect claude-code              the files as they were, byte for byte

Only servers that `callgate import` took over are connected. What the file held is kept in the sealed store. End the
client first if it writes its own file while it runs, and start it again afterwards.")]
pub(crate) struct Connect {
    #[command(flatten)]
    what: What,
    /// Only this server, by its name in the client or in Callgate; may be repeated.
    #[arg(long = "server", value_name = "NAME")]
    servers: Vec<String>,
    /// Whether secrets are taken out of files that `envFile` names: `auto` leaves files called `.env` alone, because
    /// your project reads them too.
    #[arg(long, value_enum, default_value_t = EnvFiles::Auto)]
    env_files: EnvFiles,
}

/// What happens to files that `envFile` names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum EnvFiles {
    /// Take secrets out, but not of files called `.env`, nor of one elsewhere that a file of the workspace names.
    Auto,
    /// Take secrets out of all.
    Move,
    /// Leave all as they are.
    Keep,
}

#[derive(Args)]
pub(crate) struct Disconnect {
    #[command(flatten)]
    what: What,
    /// The entries of every workspace, not only of this one.
    #[arg(long)]
    all: bool,
}

/// What is connected or disconnected.
#[derive(Args)]
struct What {
    /// claude-desktop, claude-code, cursor, vscode or codex.
    #[arg(value_parser = kind, value_name = "CLIENT")]
    client: Kind,
    /// Where the assistant works; without, this directory.
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Show the change, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

/// `callgate connect`.
pub(crate) async fn connect(config: &Path, connect: Connect, output: Output) -> Result<u8, Failure> {
    let what = &connect.what;
    let config_path = std::path::absolute(config).unwrap_or_else(|_| config.to_path_buf());
    let config = files::config(&config_path)?;
    let places = place::places(what.workspace.as_deref())?;
    let import_first = || {
        let text = format!("nothing was imported from {} yet; run `callgate import {0}`", what.client.name());
        Failure::new(NEGATIVE, text)
    };
    let mut vault = Vault::open_existing(&config.store.path)?.ok_or_else(import_first)?;
    let index = vault.index()?;
    let program = program()?;
    let wanted = change::Wanted {
        client: what.client,
        program: &program,
        config: &config_path.to_string_lossy(),
        servers: &config.servers.iter().map(|server| server.name.as_str().to_owned()).collect::<Vec<_>>(),
        only: &connect.servers,
        index: &index,
    };
    let mut changes = Vec::new();
    for (path, locations) in place::by_file(what.client, &places) {
        if let Some(change) = change::connecting(&path, &locations, &wanted, &vault)? {
            changes.push(change);
        }
    }
    if changes.iter().all(|change| change.entries.is_empty()) {
        changes.iter().for_each(Change::say_left);
        return Err(import_first());
    }
    let wanted_files =
        env_file::Wanted { client: what.client, how: connect.env_files, workspace: &places.workspace };
    let env_files = env_file::taking(&changes, &index, &vault, &wanted_files)?;
    if what.dry_run {
        let secrets = vault.of_servers()?;
        changes.iter().for_each(|change| change.show(&secrets));
        env_files.iter().for_each(env_file::Taking::show);
        return Ok(OK);
    }
    agent::ensure(&config, what.client.name()).await?;
    for change in &changes {
        change.carry_out(&mut vault)?;
    }
    for taking in &env_files {
        taking.carry_out(&mut vault, what.client.name())?;
    }
    said(&changes, &env_files, what.client, &vault, output)
}

fn said(
    changes: &[Change],
    env_files: &[env_file::Taking],
    client: Kind,
    vault: &Vault,
    output: Output,
) -> Result<u8, Failure> {
    if output == Output::Json {
        report(changes, client);
        return Ok(OK);
    }
    let secrets = vault.of_servers()?;
    for change in changes {
        change.say(&secrets);
    }
    env_files.iter().for_each(env_file::Taking::say);
    say(&format!("\nstart {} again; `callgate disconnect {0}` puts everything back", client.name()));
    put("`callgate approvals` shows what waits for you, `callgate log tail --follow` every call");
    Ok(OK)
}

/// This program's own path, as clients will start it.
fn program() -> Result<String, Failure> {
    let path = std::env::current_exe()
        .map_err(|error| Failure::new(crate::exit::INTERNAL, format!("cannot find this program: {error}")))?;
    Ok(path.to_string_lossy().into_owned())
}

/// `callgate disconnect`. Needs neither the daemon nor a configuration that is right.
pub(crate) fn disconnect(config: &Path, disconnect: &Disconnect, output: Output) -> Result<u8, Failure> {
    let Disconnect { what, all } = disconnect;
    let places = place::places(what.workspace.as_deref())?;
    let client = what.client;
    let vault = Vault::open_existing(&state_of(config))?;
    let Some(mut vault) = vault else {
        say(&format!("{} is not connected", client.name()));
        return Ok(OK);
    };
    let index = vault.index()?;
    let locations = client.locations(&places);
    let here = |path: &Path, at: &[String]| {
        *all || locations.iter().any(|location| location.path == path && location.holds(at))
    };
    let format = locations.first().map_or(clients::Format::Json, |location| location.format);
    let asked = change::Asked { client, format, entry: &here };
    let mut files: Vec<PathBuf> = place::by_file(client, &places).into_iter().map(|(path, _)| path).collect();
    let elsewhere = index.all().filter(|one| *all && one.client == client.name());
    files.extend(elsewhere.map(|one| PathBuf::from(&one.path)));
    let mut changes = Vec::new();
    for path in tools::once(files.into_iter()) {
        changes.extend(change::disconnecting(&path, &asked, &vault)?);
    }
    let (env_files, all_back) = env_file::putting_back(&index, &vault, &asked);
    if what.dry_run {
        let secrets = vault.of_servers()?;
        changes.iter().for_each(|change| change.show(&secrets));
        env_files.iter().for_each(env_file::Taking::show_back);
        return Ok(OK);
    }
    for taking in &env_files {
        taking.put_back(&mut vault, client.name())?;
    }
    for change in &changes {
        change.put_back(&mut vault)?;
    }
    said_back(&changes, client, output);
    Ok(if all_back && changes.iter().all(Change::complete) { OK } else { NEGATIVE })
}

fn report(changes: &[Change], client: Kind) {
    let changes: Vec<Value> = changes.iter().map(Change::report).collect();
    put(&json!({"client": client.name(), "files": changes}).to_string());
}

fn said_back(changes: &[Change], client: Kind, output: Output) {
    if output == Output::Json {
        report(changes, client);
        return;
    }
    if changes.iter().all(Change::idle) {
        say(&format!("{} is not connected", client.name()));
    }
    changes.iter().for_each(Change::say_back);
    if !changes.iter().all(Change::idle) {
        say(&format!("start {} again", client.name()));
    }
}

/// The state directory; of a configuration that cannot be read, where it is by default.
fn state_of(config: &Path) -> PathBuf {
    match files::read_config(config) {
        Ok(files::Read::Good(config)) => config.store.path,
        Ok(files::Read::Bad(_)) | Err(_) => {
            note("the configuration cannot be read; looking for the sealed store beside it");
            let path = std::path::absolute(config).unwrap_or_else(|_| config.to_path_buf());
            path.parent().unwrap_or(Path::new("/")).join("state")
        }
    }
}

/// A client's file and how it stands.
pub(crate) struct ClientState {
    pub(crate) client: &'static str,
    pub(crate) path: PathBuf,
    /// Entries that are the shim's.
    pub(crate) connected: Vec<String>,
    /// Entries that are not.
    pub(crate) direct: Vec<String>,
    /// The program that a connected entry starts, when it is not there.
    pub(crate) program_gone: Option<PathBuf>,
    /// Why it cannot be read.
    pub(crate) problem: Option<String>,
}

/// Every client's files that are there.
pub(crate) fn states(places: &Places) -> Vec<ClientState> {
    let mut states = Vec::new();
    for kind in Kind::ALL {
        for (path, locations) in place::by_file(kind, places) {
            let mut state = ClientState {
                client: kind.name(),
                path,
                connected: Vec::new(),
                direct: Vec::new(),
                program_gone: None,
                problem: None,
            };
            let mut there = false;
            for location in &locations {
                match place::read(location) {
                    ClientFile::Absent => {}
                    ClientFile::Unreadable(problem) => {
                        there = true;
                        state.problem = Some(problem);
                    }
                    ClientFile::Read(document) => {
                        there = true;
                        for one in clients::found(&document, location) {
                            let entry = document.get(&one.at);
                            let ours = entry.and_then(ShimEntry::recognise).is_some();
                            let program =
                                entry.and_then(|entry| entry.get("command")?.as_str()).map(PathBuf::from);
                            if ours {
                                state.connected.push(one.name)
                            } else {
                                state.direct.push(one.name)
                            }
                            if let Some(program) = program.filter(|program| ours && !program.is_file()) {
                                state.program_gone = Some(program);
                            }
                        }
                    }
                }
            }
            if there {
                states.push(state);
            }
        }
    }
    states
}

/// `callgate clients`.
pub(crate) fn clients(output: Output) -> Result<u8, Failure> {
    let states = states(&place::places(None)?);
    if output == Output::Json {
        let states: Vec<Value> = states
            .iter()
            .map(|one| {
                json!({"client": one.client, "file": one.path, "connected": one.connected, "direct": one.direct, "problem": one.problem})
            })
            .collect();
        put(&json!({"clients": states}).to_string());
        return Ok(OK);
    }
    if states.is_empty() {
        put("no client's file was found");
    }
    for one in &states {
        say(&format!("{:<14} {}", one.client, one.path.display()));
        let names = |names: &[String]| {
            names.iter().map(|name| clients::mask(name, &[])).collect::<Vec<_>>().join(", ")
        };
        if let Some(problem) = &one.problem {
            say(&format!("  cannot be read: {problem}"));
        }
        if !one.connected.is_empty() {
            say(&format!("  through callgate: {}", names(&one.connected)));
        }
        if !one.direct.is_empty() {
            say(&format!("  direct: {}", names(&one.direct)));
        }
    }
    Ok(OK)
}

/// What is wrong with a file.
fn wrong(path: &Path, problem: &dyn std::fmt::Display) -> Failure {
    Failure::new(IO, format!("`{}`: {problem}", path.display()))
}

/// What is kept of a file.
fn kept<T: SealedText>(vault: &Vault, client: &str, path: &Path) -> Result<Option<T>, Failure> {
    let Some(text) = vault.get(&kept_name(client, path))? else { return Ok(None) };
    let damaged = || Failure::new(IO, format!("what is kept of `{}` cannot be read", path.display()));
    T::from_text(text.reveal()).map(Some).ok_or_else(damaged)
}

/// Where a file's old text is kept.
fn kept_name(client: &str, path: &Path) -> String {
    vault::file_name(client, path)
}

/// Replaces a file.
fn replace(path: &Path, read: &[u8], text: &str) -> Result<(), Failure> {
    write::replace(path, Some(read), text)
}
