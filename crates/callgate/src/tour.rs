//! `callgate tour`: a guided run on real servers, with a real client, in a scratch folder that is gone afterwards.
//!
//! Must never touch this person's configuration, state or clients, nor leave a process or a file behind, Ctrl-C included.

mod scratch;
mod server;
mod stage;
mod steps;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::{Failure, INTERNAL, NEGATIVE, OK, USAGE, put};
use crate::style::{Ink, Style};
use scratch::Scratch;
use stage::Stage;

pub(crate) use server::serve;

#[derive(Args)]
#[command(after_help = "\
It takes three minutes and needs Node 20 or newer. Everything happens in a scratch folder of its own; your configuration, your
clients and your servers are not looked at.")]
pub(crate) struct Tour {
    /// Do not wait for Enter, and answer yes.
    #[arg(long)]
    yes: bool,
    /// A folder whose `node_modules` has the filesystem server and the MCP SDK; without, they are fetched from npm.
    #[arg(long, value_name = "DIR")]
    packages: Option<PathBuf>,
}

pub(crate) async fn run(tour: Tour) -> Result<u8, Failure> {
    let waits = !tour.yes;
    if waits && !std::io::stdin().is_terminal() {
        return Err(Failure::new(USAGE, "there is no terminal to wait on; give `--yes`"));
    }
    let program = std::env::current_exe()
        .map_err(|error| Failure::new(INTERNAL, format!("cannot find this program: {error}")))?;
    let mut scratch = Scratch::make()?;
    let played = tokio::select! {
        played = play(&mut scratch, &program, waits, tour.packages.as_deref()) => played,
        ended = told_to_stop() => ended.and(Err(Failure::new(NEGATIVE, "the tour ended early; its scratch folder is gone"))),
    };
    scratch.stop().await;
    let root = scratch.root.clone();
    drop(scratch);
    played?;
    let style = Style::stdout();
    put(&format!("\n{}", style.paint(Ink::Bold, "That was it.")));
    put(&format!("{} and everything in it is gone. With your own assistant:\n", root.display()));
    put("  callgate import CLIENT      takes over its servers; credentials are sealed");
    put(
        "  callgate connect CLIENT     puts Callgate in between; `callgate disconnect CLIENT` takes it out again",
    );
    put("  callgate doctor             says what is well on this machine and what is not");
    Ok(OK)
}

async fn play(
    scratch: &mut Scratch,
    program: &Path,
    waits: bool,
    packages: Option<&Path>,
) -> Result<(), Failure> {
    let (root, config) = (scratch.root.display(), scratch.config());
    put(&format!(
        "A tour of Callgate in {root}. Each command below runs with `--config {}`.",
        config.display()
    ));
    scratch.packages(packages).await?;
    scratch.furnish(program)?;
    scratch.start(program).await?;
    let stage = Stage {
        program: program.to_path_buf(),
        config: scratch.config(),
        client: scratch.client(),
        style: Style::stdout(),
        waits,
    };
    steps::prepare(&stage).await?;
    steps::read(&stage, scratch).await?;
    steps::refused(&stage).await?;
    steps::parked(&stage, scratch).await?;
    steps::drifted(&stage, scratch).await?;
    steps::record(&stage).await
}

/// Ctrl-C, or being told to end.
async fn told_to_stop() -> Result<(), Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::new(INTERNAL, error.to_string()));
    let (mut interrupt, mut terminate, mut hangup) =
        (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?, listen(SignalKind::hangup())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}
