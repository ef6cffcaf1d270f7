//! Anonymous memory of the gateway: idle, and how much it grows between two counts of calls.
//!
//! Must never restart the gateway between the two readings.

use std::time::Duration;

use crate::bar::figure::{Figure, Figures, Want};
use crate::bar::gateway::Gateway;
use crate::bar::rig::Rig;
use crate::bench::load::{Plan, Stop, run};
use crate::bench::wire::Wire;

const IDLE_MB_MAX: f64 = 45.0;
const GROWTH_MB_MAX: f64 = 8.0;
const FIRST_CALLS: u64 = 50_000;
const LAST_CALLS: u64 = 200_000;
const CONNECTIONS: usize = 16;
const SETTLE: Duration = Duration::from_secs(1);

/// Idle, then growth.
pub(crate) fn measure(rig: &Rig, figures: &mut Figures) -> Result<(), String> {
    let (_upstream, upstream) = rig.upstream(false)?;
    let mut gateway = Gateway::set_up(rig, "memory", upstream)?;
    gateway.kill();
    gateway.start()?;
    gateway.first_call(Wire::Modern, Duration::from_secs(10))?;
    std::thread::sleep(SETTLE);
    let idle = gateway.process()?.rss_anon_mb()?;
    let how = "RssAnon one second after start and one call, store set up, 100 policies";
    figures.add(&Figure::new("RssAnon idle", "MB", Want::AtMost(IDLE_MB_MAX)), idle, how);
    calls(&gateway, 0, FIRST_CALLS)?;
    let first = gateway.process()?.rss_anon_mb()?;
    calls(&gateway, FIRST_CALLS, LAST_CALLS)?;
    let last = gateway.process()?.rss_anon_mb()?;
    let how = format!(
        "RssAnon {first:.1} MB after {FIRST_CALLS} calls, {last:.1} MB after {LAST_CALLS}; both wires"
    );
    figures.add(&Figure::new("RssAnon growth", "MB", Want::AtMost(GROWTH_MB_MAX)), last - first, &how);
    Ok(())
}

/// Half on each wire.
fn calls(gateway: &Gateway, from: u64, to: u64) -> Result<(), String> {
    for wire in [Wire::Legacy, Wire::Modern] {
        let stop = Stop::Calls((to - from) / 2);
        let target = gateway.target(wire);
        let plan =
            Plan { target, wire, connections: CONNECTIONS, stop, one_session: false, first_marker: from };
        run(&plan)?.clean("calls for memory")?;
    }
    Ok(())
}
