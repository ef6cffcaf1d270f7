//! What one call waits longer with the gateway in front, against what its durable commits cost by themselves.
//!
//! Must never compare with a commit measured at another time: all three alternate, in short turns.

use crate::bar::commit::Bare;
use crate::bar::figure::{Figure, Figures, Want, list, median};
use crate::bar::gateway::Gateway;
use crate::bar::rig::{Rig, bare};
use crate::bench::load::{Plan, Stop, run};
use crate::bench::wire::{Target, Wire};

/// Short turns, so that a disk that is slow for a while is slow for all three.
const TURNS: u32 = 4;
const CALLS: u64 = 500;
const COMMITS: usize = 150;
/// Until the write-ahead log has its size and is written in place: a growing file makes slower commits.
const COMMITS_BEFORE: usize = 3000;
/// Intent and outcome.
const COMMITS_ON_PATH: f64 = 2.0;
const ADDED_MICROS_MAX: f64 = 200.0;
const COMMIT_FACTOR: f64 = 1.2;

/// Both wires.
pub(crate) fn measure(rig: &Rig, figures: &mut Figures) -> Result<(), String> {
    let (_upstream, upstream) = rig.upstream(false)?;
    let gateway = Gateway::set_up(rig, "latency", upstream)?;
    let commits = Bare::new(&rig.folder("commit")?)?;
    commits.micros(COMMITS_BEFORE)?;
    for wire in [Wire::Legacy, Wire::Modern] {
        let (mut added, mut bare_p50, mut direct_p50) = (Vec::new(), Vec::new(), Vec::new());
        for turn in 0..=rig.rounds * TURNS {
            let direct = p50(bare(upstream), wire)?;
            let through = p50(gateway.target(wire), wire)?;
            let commit = median(&commits.micros(COMMITS)?);
            if turn > 0 {
                added.push(through - direct);
                bare_p50.push(commit);
                direct_p50.push(direct);
            }
        }
        let commit = median(&bare_p50);
        let limit = ADDED_MICROS_MAX + COMMITS_ON_PATH * COMMIT_FACTOR * commit;
        let how = format!(
            "median of p50 through - p50 direct of each turn: {}; direct p50 {:.0} us; a bare commit {commit:.0} us; \
             want {ADDED_MICROS_MAX} + {COMMITS_ON_PATH} x {COMMIT_FACTOR} x {commit:.0}",
            list(&added),
            median(&direct_p50)
        );
        let name = format!("added p50 at one connection, {}", wire.revision());
        figures.add(&Figure::new(name, "us", Want::AtMost(limit)), median(&added), &how);
    }
    Ok(())
}

fn p50(target: Target, wire: Wire) -> Result<f64, String> {
    let stop = Stop::Calls(CALLS);
    let plan = Plan { target, wire, connections: 1, stop, one_session: false, first_marker: 0 };
    Ok(run(&plan)?.clean("one connection")?.micros(0.5))
}
