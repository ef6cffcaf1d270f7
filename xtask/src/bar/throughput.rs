//! Throughput as a ratio to direct, in alternating rounds; the gateway's CPU; who used the cores.
//!
//! Must never compare numbers of different runs: every ratio is taken within its own round.

use std::net::SocketAddr;

use crate::bar::figure::{Figure, Figures, Want, list, median};
use crate::bar::gateway::Gateway;
use crate::bar::process::{Running, machine_cpu, own_cpu};
use crate::bar::rig::{Rig, bare};
use crate::bench::load::{Plan, Report, Stop, run};
use crate::bench::wire::{Target, Wire};

const CPU_SECONDS_MAX: f64 = 1.3;

/// The least share of direct.
const fn ratio_min(wire: Wire) -> f64 {
    match wire {
        Wire::Legacy => 0.28,
        Wire::Modern => 0.32,
    }
}

/// The upstream, the proxy and, when measured, the gateway.
struct Stand<'a> {
    rig: &'a Rig,
    upstream: (Running, SocketAddr),
    proxy: (Running, SocketAddr),
    gateway: Option<Gateway>,
}

/// CPU seconds of the three while the gateway was under load.
#[derive(Clone, Copy, Default)]
struct Cpu {
    gateway: f64,
    upstream: f64,
    load: f64,
    machine: f64,
    seconds: f64,
}

#[derive(Default)]
struct Rounds {
    direct: Vec<f64>,
    gateway: Vec<f64>,
    proxy_ratio: Vec<f64>,
    ratio: Vec<f64>,
    cpu_per_10k: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
    /// CPU microseconds of one direct call in the load generator and in the upstream.
    direct_load: Vec<f64>,
    direct_upstream: Vec<f64>,
    cpu: Cpu,
}

/// The floor alone: direct and proxy, for rigs without a gateway.
pub(crate) fn floor(rig: &Rig, figures: &mut Figures) -> Result<(), String> {
    let upstream = rig.upstream(false)?;
    let proxy = rig.proxy(upstream.1)?;
    both(&Stand { rig, upstream, proxy, gateway: None }, figures)
}

/// Both wires at 16 and 64 connections.
pub(crate) fn measure(rig: &Rig, figures: &mut Figures) -> Result<(), String> {
    let upstream = rig.upstream(false)?;
    let proxy = rig.proxy(upstream.1)?;
    let gateway = Some(Gateway::set_up(rig, "throughput", upstream.1)?);
    both(&Stand { rig, upstream, proxy, gateway }, figures)
}

fn both(stand: &Stand<'_>, figures: &mut Figures) -> Result<(), String> {
    for wire in [Wire::Legacy, Wire::Modern] {
        for connections in [16, 64] {
            stand.warm(wire, connections)?;
            let mut rounds = Rounds::default();
            for _ in 0..stand.rig.rounds {
                stand.round(wire, connections, &mut rounds)?;
            }
            print(wire, connections, &rounds, figures);
        }
    }
    Ok(())
}

impl Stand<'_> {
    fn plan(&self, target: Target, wire: Wire, connections: usize) -> Plan {
        let stop = Stop::After(self.rig.time);
        Plan { target, wire, connections, stop, one_session: false, first_marker: 0 }
    }

    fn load(&self, target: Target, wire: Wire, connections: usize) -> Result<Report, String> {
        let place = format!("{} connections to {}{}", connections, target.addr, target.path);
        run(&self.plan(target, wire, connections))?.clean(&place)
    }

    fn warm(&self, wire: Wire, connections: usize) -> Result<(), String> {
        let targets = [bare(self.upstream.1), bare(self.proxy.1)];
        let gateway = self.gateway.as_ref().map(|gateway| gateway.target(wire));
        for target in targets.into_iter().chain(gateway) {
            let mut plan = self.plan(target, wire, connections);
            plan.stop = Stop::Calls(2000);
            run(&plan)?.clean("warming up")?;
        }
        Ok(())
    }

    fn round(&self, wire: Wire, connections: usize, rounds: &mut Rounds) -> Result<(), String> {
        let direct = self.direct(wire, connections, rounds)?;
        if let Some(gateway) = &self.gateway {
            let before = self.cpu(gateway)?;
            let report = self.load(gateway.target(wire), wire, connections)?;
            let after = self.cpu(gateway)?;
            rounds.gateway.push(report.per_second());
            rounds.ratio.push(report.per_second() / direct);
            rounds.cpu_per_10k.push((after.gateway - before.gateway) * 1e4 / report.served as f64);
            rounds.p50.push(report.micros(0.5));
            rounds.p99.push(report.micros(0.99));
            rounds.cpu.gateway += after.gateway - before.gateway;
            rounds.cpu.upstream += after.upstream - before.upstream;
            rounds.cpu.load += after.load - before.load;
            rounds.cpu.machine += after.machine - before.machine;
            rounds.cpu.seconds += report.elapsed.as_secs_f64();
        }
        let proxy = self.load(bare(self.proxy.1), wire, connections)?;
        rounds.proxy_ratio.push(proxy.per_second() / direct);
        Ok(())
    }

    fn direct(&self, wire: Wire, connections: usize, rounds: &mut Rounds) -> Result<f64, String> {
        let (load, upstream) = (own_cpu()?, self.upstream.0.cpu()?);
        let report = self.load(bare(self.upstream.1), wire, connections)?;
        let micros_each = |seconds: f64| seconds * 1e6 / report.served as f64;
        rounds.direct_load.push(micros_each(own_cpu()? - load));
        rounds.direct_upstream.push(micros_each(self.upstream.0.cpu()? - upstream));
        rounds.direct.push(report.per_second());
        Ok(report.per_second())
    }

    fn cpu(&self, gateway: &Gateway) -> Result<Cpu, String> {
        Ok(Cpu {
            gateway: gateway.process()?.cpu()?,
            upstream: self.upstream.0.cpu()?,
            load: own_cpu()?,
            machine: machine_cpu()?,
            seconds: 0.0,
        })
    }
}

impl Rounds {
    /// What a direct call is here, so that a reader can judge what the ratios are ratios to.
    fn direct_words(&self) -> String {
        let (load, upstream) = (median(&self.direct_load), median(&self.direct_upstream));
        format!(
            "direct {:.0} calls/s with {:.1} us of CPU for each call (load generator {load:.1}, upstream {upstream:.1})",
            median(&self.direct),
            load + upstream
        )
    }
}

fn print(wire: Wire, connections: usize, rounds: &Rounds, figures: &mut Figures) {
    let at = format!("{} at {connections} connections", wire.revision());
    let (direct, words) = (median(&rounds.direct), rounds.direct_words());
    let figure = Figure::new(format!("direct, {at}"), "calls/s", Want::Information);
    figures.add(&figure, direct, &format!("each round: {}; {words}", list(&rounds.direct)));
    let proxy = format!("proxy / direct of each round: {}; {words}", list(&rounds.proxy_ratio));
    let figure = Figure::new(format!("proxy ratio, {at}"), "", Want::Information);
    figures.add(&figure, median(&rounds.proxy_ratio), &proxy);
    if rounds.ratio.is_empty() {
        return;
    }
    let how = format!(
        "median of gateway / direct of each round: {}; gateway {:.0} calls/s, p50 {:.0} us, p99 {:.0} us; {words}; {}",
        list(&rounds.ratio),
        median(&rounds.gateway),
        median(&rounds.p50),
        median(&rounds.p99),
        limit(rounds.cpu)
    );
    let figure = Figure::new(format!("throughput ratio, {at}"), "", Want::AtLeast(ratio_min(wire)));
    figures.add(&figure, median(&rounds.ratio), &how);
    if connections == 16 {
        let how = format!("utime + stime of the gateway in each round: {}", list(&rounds.cpu_per_10k));
        let name = format!("gateway CPU per 10 000 calls, {at}");
        figures.add(
            &Figure::new(name, "s", Want::AtMost(CPU_SECONDS_MAX)),
            median(&rounds.cpu_per_10k),
            &how,
        );
    }
}

/// Who used the cores, and so what limits the throughput.
fn limit(cpu: Cpu) -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as f64;
    let share = |seconds: f64| 100.0 * seconds / (cpu.seconds * cores).max(1e-9);
    let others = (cpu.machine - cpu.gateway - cpu.upstream - cpu.load).max(0.0);
    format!(
        "of {cores} cores the gateway used {:.0} %, the upstream {:.0} %, the load generator {:.0} %, everything else \
         {:.0} %, nobody {:.0} %",
        share(cpu.gateway),
        share(cpu.upstream),
        share(cpu.load),
        share(others),
        (100.0 - share(cpu.machine)).max(0.0)
    )
}
