//! `cargo xtask bar mcp`: the promised figures of the whole of MCP. What each means: docs/reference/bar.md.
//!
//! Must never count as passed what a suite excuses, nor leave out a part that could not be measured.

use std::path::{Path, PathBuf};

use crate::bar::figure::Figures;
use crate::bar::rig::Rig;
use crate::bar::{again_for_release, clients};

mod conformance;
mod properties;
mod results;
mod rounds;
mod streams;

/// What to measure and how hard.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct McpArgs {
    /// Only this part; may be repeated
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// Minutes of load on the open streams
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Cases of each property test
    #[arg(long, default_value_t = 20_000)]
    cases: u32,
    /// Take the binaries from here instead of building them for release
    #[arg(long, value_name = "DIR")]
    binaries: Option<PathBuf>,
}

/// The parts of the bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// The conformance suite, as server and as client
    Conformance,
    /// Two hundred long-lived streams under load: alive, and no leak
    Streams,
    /// How soon an upstream knows that its call was cancelled
    Cancel,
    /// Questions of servers to clients of the other era, with real clients
    Rounds,
    /// Property tests of what reads untrusted bytes
    Properties,
}

const ALL: [Part; 5] = [Part::Conformance, Part::Streams, Part::Cancel, Part::Rounds, Part::Properties];

/// Measures; an error when any figure falls short or a part could not be measured.
pub(crate) fn run(args: &McpArgs, root: &Path, target: &Path) -> Result<(), String> {
    let Some(binaries) = &args.binaries else { return again_for_release(root, target) };
    let rig = Rig::for_suites(root, binaries)?;
    let parts = if args.only.is_empty() { ALL.to_vec() } else { args.only.clone() };
    let mut figures = Figures::default();
    for part in parts {
        eprintln!("bar: {part:?}");
        if let Err(problem) = measure(part, args, &rig, &mut figures) {
            figures.unmeasured(&format!("{part:?}").to_lowercase(), &problem);
        }
    }
    figures.verdict()
}

fn measure(part: Part, args: &McpArgs, rig: &Rig, figures: &mut Figures) -> Result<(), String> {
    match part {
        Part::Conformance => conformance::measure(rig, figures),
        Part::Streams => streams::measure(rig, args.minutes, figures),
        Part::Cancel => clients::suite(rig, "cancel", figures),
        Part::Rounds => rounds::measure(rig, figures),
        Part::Properties => properties::measure(rig, args.cases, figures),
    }
}
