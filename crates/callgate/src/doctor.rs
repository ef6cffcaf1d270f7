//! `callgate doctor`: what is well, what is not, and the command that mends it. Must never change anything but one small
//! file it removes again, never need the daemon, nor print a secret.

mod clients;
mod configuration;
mod daemon;
mod finding;
mod machine;
mod separation;
mod servers;
mod state;

use std::path::{Path, PathBuf};

use ::clients::Kind;
use clap::Args;
use config::Config;
use serde_json::{Value, json};

use crate::cli::Output;
use crate::exit::{Failure, NEGATIVE, OK, note};
use crate::files::{self, Read};
use crate::operate::print;
use crate::remote::Operator;
use crate::style::Style;
use finding::{Findings, Level};

#[derive(Args)]
#[command(after_help = "\
Each line is ok, a note, a warning or a problem; a problem or a warning has its fix below. Exit code 1: there is a problem.

Listing the servers' tools starts them, as `callgate up` does; `--no-servers` leaves them alone.")]
pub(crate) struct Doctor {
    /// Only this client's files: claude-desktop, claude-code, cursor, vscode or codex.
    #[arg(long, value_parser = crate::import::kind, value_name = "CLIENT")]
    client: Option<Kind>,
    /// Where the assistant works; without, this directory.
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Do not start or ask the servers.
    #[arg(long)]
    no_servers: bool,
}

/// Servers of a configuration that nobody chose are not started.
pub(crate) async fn run(path: &Path, chosen: bool, doctor: Doctor, output: Output) -> Result<u8, Failure> {
    let mut found = Findings::default();
    machine::look(&mut found);
    let config = match files::read_config(path) {
        Ok(Read::Good(config)) => {
            configuration::look(&mut found, path, &config);
            Some(config)
        }
        Ok(Read::Bad(problems)) => {
            configuration::broken(&mut found, path, &problems);
            None
        }
        Err(failure) => {
            configuration::missing(&mut found, &failure);
            None
        }
    };
    if let Some(config) = &config {
        look(&mut found, config, (chosen, &doctor)).await;
    }
    clients::look(&mut found, doctor.client, doctor.workspace.as_deref());
    let code = if found.worst() == Level::Problem { NEGATIVE } else { OK };
    let style = Style::stdout();
    print(output, &found.json(), |_: &Value| found.text(style));
    Ok(code)
}

/// Everything that needs a valid configuration.
async fn look(found: &mut Findings, config: &Config, (chosen, doctor): (bool, &Doctor)) {
    state::look(found, &config.store.path);
    daemon::look(found, config).await;
    servers::look(found, &config.servers);
    servers::logins(found, config);
    let there = crate::compose::store_file(config).exists();
    let operator = if there { reach(found, config).await } else { None };
    configuration::policies(found, config, operator.as_ref()).await;
    separation::look(found, config, operator.as_ref()).await;
    let Some(operator) = operator else {
        if !there {
            found.note("store", "nothing is kept yet: `callgate up` makes the store at its first start");
        }
        return;
    };
    machine::clock(found, newest(&operator).await.as_deref());
    if doctor.no_servers {
        found.note("servers", "not asked (`--no-servers`)");
    } else if !chosen && !operator.is_daemon() {
        let text = "not started: the configuration is one that lies in this directory; if it is yours, `callgate --config callgate.toml doctor` asks its servers";
        found.note("servers", text);
    } else {
        note("asking the servers for their tools …");
        servers::ask(found, &operator).await;
    }
    if let Err(failure) = operator.close().await {
        found.problem("store", failure.text(), "look at the disk and its free space");
    }
}

async fn reach(found: &mut Findings, config: &Config) -> Option<Operator> {
    match Operator::reach(config).await {
        Ok(operator) => Some(operator),
        Err(failure) => {
            let fix = "do what the line says, then run `callgate doctor` again";
            found.problem("store", failure.text(), fix);
            None
        }
    }
}

/// When the newest entry of the record was written.
async fn newest(operator: &Operator) -> Option<String> {
    let read = operator.ask("log/read", json!({"limit": 1})).await.ok()?;
    read.pointer("/entries/0/leaf/at").and_then(Value::as_str).map(str::to_owned)
}
