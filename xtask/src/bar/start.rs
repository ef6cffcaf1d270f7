//! From the start of the process to the first call served, with a store that is set up and 100 policies.
//!
//! Must never count a refusal as served.

use std::time::{Duration, Instant};

use crate::bar::figure::{Figure, Figures, Want, list};
use crate::bar::gateway::Gateway;
use crate::bar::rig::Rig;
use crate::bench::wire::Wire;

const MILLIS_MAX: f64 = 50.0;
const STARTS: usize = 7;

/// The worst of several starts.
pub(crate) fn measure(rig: &Rig, figures: &mut Figures) -> Result<(), String> {
    let (_upstream, upstream) = rig.upstream(false)?;
    let mut gateway = Gateway::set_up(rig, "start", upstream)?;
    for wire in [Wire::Legacy, Wire::Modern] {
        let mut millis = Vec::new();
        for start in 0..=STARTS {
            gateway.kill();
            let started = Instant::now();
            gateway.start()?;
            gateway.first_call(wire, Duration::from_secs(10))?;
            if start > 0 {
                millis.push(started.elapsed().as_secs_f64() * 1e3);
            }
        }
        let worst = millis.iter().copied().fold(0.0, f64::max);
        let how = format!(
            "worst of {STARTS} starts: {}; the process is started, then asked again and again",
            list(&millis)
        );
        let name = format!("first call served after start, {}", wire.revision());
        figures.add(&Figure::new(name, "ms", Want::AtMost(MILLIS_MAX)), worst, &how);
    }
    Ok(())
}
