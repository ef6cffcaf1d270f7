//! Calls at a steady rate: each connection has its own beat and makes up for what it missed.
//!
//! Must never count an answer that is not its own call's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};

use crate::bar::gateway::Gateway;
use crate::bench::load::{Line, Plan, Stop};
use crate::bench::wire::Wire;

/// On each wire.
const CONNECTIONS: usize = 8;
/// A little more is offered than is wanted, or rounding alone would fall short.
const HEADROOM: f64 = 1.02;
const EXAMPLES_MAX: usize = 3;

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) served: u64,
    /// Refused, or on a connection that failed.
    pub(super) lost: u64,
    pub(super) seconds: f64,
    /// A few texts of what went wrong.
    pub(super) examples: Vec<String>,
}

impl Report {
    pub(super) fn per_second(&self) -> f64 {
        self.served as f64 / self.seconds.max(1e-9)
    }

    fn lose(&mut self, text: String) {
        self.lost += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(text);
        }
    }
}

/// Calls of both wires for this long, half on each.
pub(super) async fn run(gateway: &Gateway, per_second: f64, time: Duration) -> Result<Report, String> {
    let numbers = Arc::new(AtomicU64::new(0));
    let beat = Duration::from_secs_f64(2.0 * CONNECTIONS as f64 / (per_second * HEADROOM));
    let mut lines = Vec::new();
    for wire in [Wire::Legacy, Wire::Modern] {
        let target = gateway.target(wire);
        let plan = Plan {
            target,
            wire,
            connections: 1,
            stop: Stop::After(time),
            one_session: false,
            first_marker: 0,
        };
        for _ in 0..CONNECTIONS {
            lines.push(Line::open(&plan, None).await?);
        }
    }
    let started = Instant::now();
    let calls: Vec<_> = lines
        .into_iter()
        .map(|line| tokio::spawn(calls(line, Arc::clone(&numbers), (beat, started + time))))
        .collect();
    let mut report = Report::default();
    for task in calls {
        let one = task.await.map_err(|error| format!("a connection task failed: {error}"))?;
        report.served += one.served;
        report.lost += one.lost;
        report.seconds = report.seconds.max(one.seconds);
        report.examples.extend(one.examples);
    }
    report.examples.truncate(EXAMPLES_MAX);
    Ok(report)
}

async fn calls(mut line: Line, numbers: Arc<AtomicU64>, (beat, end): (Duration, Instant)) -> Report {
    let (mut report, started) = (Report::default(), Instant::now());
    let mut beats = interval(beat);
    beats.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while Instant::now() < end {
        beats.tick().await;
        match line.call(numbers.fetch_add(1, Ordering::Relaxed)).await {
            Ok(Ok(())) => report.served += 1,
            Ok(Err(text)) => report.lose(text),
            Err(text) => {
                report.lose(text);
                break;
            }
        }
    }
    report.seconds = started.elapsed().as_secs_f64();
    line.end_session().await;
    report
}
