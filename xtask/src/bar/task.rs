//! 64 connections on one task: the sequencer must not refuse what policy permits.
//!
//! Must never retry a refused call.

use crate::bar::figure::{Figure, Figures, Want};
use crate::bar::gateway::Gateway;
use crate::bar::rig::Rig;
use crate::bench::load::{Plan, Stop, run};
use crate::bench::wire::Wire;

const CONNECTIONS: usize = 64;
const CALLS: u64 = 20_000;

/// One agent and so one task; on the legacy wire also one session.
pub(crate) fn measure(rig: &Rig, figures: &mut Figures) -> Result<(), String> {
    let (_upstream, upstream) = rig.upstream(false)?;
    let gateway = Gateway::set_up(rig, "task", upstream)?;
    for wire in [Wire::Legacy, Wire::Modern] {
        let target = gateway.target(wire);
        let stop = Stop::Calls(CALLS);
        let plan = Plan { target, wire, connections: CONNECTIONS, stop, one_session: true, first_marker: 0 };
        let report = run(&plan)?;
        let wrong = CALLS - report.served.min(CALLS);
        let how = format!(
            "{CALLS} permitted calls on {CONNECTIONS} connections of one agent: {} served, {} refused, {} connections \
             failed {}",
            report.served,
            report.refused,
            report.broken,
            report.examples.join(" | ")
        );
        let name = format!("spurious denials on one task, {}", wire.revision());
        figures.add(&Figure::new(name, "calls", Want::Exactly(0.0)), wrong as f64, &how);
    }
    Ok(())
}
