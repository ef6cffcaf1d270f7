//! `cargo xtask bar`: each promised figure measured, printed as one JSON object a line, and compared.
//!
//! Must never hold a figure that was not measured in this run, and never loosen what a figure must be. What each
//! figure means and how it is taken: docs/reference/bar.md.

use std::path::{Path, PathBuf};
use std::process::Command;

mod clients;
mod commit;
mod decision;
mod figure;
mod gateway;
mod kill;
mod latency;
pub(crate) mod mcp;
mod memory;
mod process;
mod record;
mod rig;
mod start;
mod task;
mod throughput;

use figure::Figures;
use rig::Rig;

/// What to measure and how hard.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DoorArgs {
    /// Only this part; may be repeated
    #[arg(long, value_enum)]
    pub(crate) only: Vec<Part>,
    /// How often the gateway is killed under load
    #[arg(long, default_value_t = 100)]
    pub(crate) kills: u32,
    /// Alternating rounds of each comparison
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: u32,
    /// Seconds of load in each round
    #[arg(long, default_value_t = 2)]
    pub(crate) seconds: u64,
    /// Where the random moments start from
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Take the binaries from here instead of building them for release
    #[arg(long, value_name = "DIR")]
    pub(crate) binaries: Option<PathBuf>,
}

/// The parts of the bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// Direct against the bare proxy alone; needs no gateway
    Floor,
    /// Ratio to direct, CPU of the gateway
    Throughput,
    /// What one call waits longer
    Latency,
    /// Idle and growth
    Memory,
    /// From start to the first call served
    Start,
    /// A decision among 10 000 policies
    Decision,
    /// Many connections on one task
    Task,
    /// `kill -9` under load
    Kill,
    /// Real clients and servers
    Clients,
    /// Bad input, bad upstreams, definitions that change
    BadInput,
}

const ALL: [Part; 9] = [
    Part::Throughput,
    Part::Latency,
    Part::Memory,
    Part::Start,
    Part::Decision,
    Part::Task,
    Part::Kill,
    Part::Clients,
    Part::BadInput,
];

/// Where the binaries are, when they are not to be built.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct FirstMinutesArgs {
    /// Take the binaries from here instead of building them for release
    #[arg(long, value_name = "DIR")]
    pub(crate) binaries: Option<PathBuf>,
}

/// A person's first minutes; as [`door`].
pub(crate) fn first_minutes(args: &FirstMinutesArgs, root: &Path, target: &Path) -> Result<(), String> {
    let Some(binaries) = &args.binaries else { return again_for_release(root, target) };
    let rig = Rig::for_suites(root, binaries)?;
    let mut figures = Figures::default();
    if let Err(problem) = clients::first_minutes(&rig, &mut figures) {
        figures.unmeasured("first minutes", &problem);
    }
    figures.verdict()
}

/// Measures; an error when any figure falls short or a part could not be measured.
pub(crate) fn door(args: &DoorArgs, root: &Path, target: &Path) -> Result<(), String> {
    let Some(binaries) = &args.binaries else { return again_for_release(root, target) };
    let rig = Rig::new(args, root, binaries)?;
    let parts = if args.only.is_empty() { ALL.to_vec() } else { args.only.clone() };
    let mut figures = Figures::default();
    for part in parts {
        eprintln!("bar: {part:?}");
        if let Err(problem) = measure(part, &rig, &mut figures) {
            figures.unmeasured(&format!("{part:?}").to_lowercase(), &problem);
        }
    }
    figures.verdict()
}

fn measure(part: Part, rig: &Rig, figures: &mut Figures) -> Result<(), String> {
    match part {
        Part::Floor => throughput::floor(rig, figures),
        Part::Throughput => throughput::measure(rig, figures),
        Part::Latency => latency::measure(rig, figures),
        Part::Memory => memory::measure(rig, figures),
        Part::Start => start::measure(rig, figures),
        Part::Decision => decision::measure(rig, figures),
        Part::Task => task::measure(rig, figures),
        Part::Kill => kill::measure(rig, figures),
        Part::Clients => clients::clients(rig, figures),
        Part::BadInput => clients::bad_input(rig, figures),
    }
}

/// Builds for release and hands over: a load generator without optimisation would flatter the gateway.
fn again_for_release(root: &Path, target: &Path) -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let build = [
        "build",
        "--release",
        "--locked",
        "--bin",
        "xtask",
        "--bin",
        "callgate",
        "--example",
        "decide_bench",
    ];
    let built = Command::new(cargo).args(build).current_dir(root).status();
    if !built.is_ok_and(|status| status.success()) {
        return Err("the release build failed".to_owned());
    }
    let binaries = target.join("release");
    let mut command = Command::new(binaries.join("xtask"));
    command.args(std::env::args_os().skip(1)).arg("--binaries").arg(&binaries);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err("the bar was not met; each line above says which figure and by how much".to_owned()),
        Err(error) => Err(format!("cannot run the release build: {error}")),
    }
}
