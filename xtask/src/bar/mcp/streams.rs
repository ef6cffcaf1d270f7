//! Two hundred long-lived streams while calls go on: all alive at the end, nothing left over when they close.
//!
//! Must never restart the gateway between two readings, nor count a stream as alive that is told nothing.

use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::Request;
use hyper::header::HOST;
use serde_json::Value;
use tokio::time::sleep;

use crate::bar::figure::{Figure, Figures, Want, list};
use crate::bar::gateway::{Gateway, permits};
use crate::bar::process::Held;
use crate::bar::rig::Rig;
use crate::bench::client::Connection;

mod open;
mod pace;

use open::Streams;

const STREAMS: usize = 200;
/// Each may have 64 streams.
const AGENTS: usize = 4;
const CALLS_PER_SECOND: f64 = 1000.0;
/// Growth is taken over this much of the end, and over half of a shorter run.
const LAST: Duration = Duration::from_secs(300);
const GROWTH_MB_MAX: f64 = 8.0;
const SAMPLE_EVERY: Duration = Duration::from_secs(2);
const WARM_UP: Duration = Duration::from_secs(5);
/// Until all streams have heard of one change, and until what they held is given back.
const TOLD_MAX: Duration = Duration::from_secs(10);
const GIVEN_BACK_MAX: Duration = Duration::from_secs(120);

/// What the run showed.
struct Seen {
    alive: usize,
    told: usize,
    load: pace::Report,
    memory: Vec<f64>,
    before: Held,
    after: Held,
    upstream_open: u64,
}

/// All figures of the part.
pub(crate) fn measure(rig: &Rig, minutes: f64, figures: &mut Figures) -> Result<(), String> {
    let time =
        Duration::try_from_secs_f64(minutes * 60.0).map_err(|_| "`--minutes` is no time".to_owned())?;
    let (_process, upstream) = rig.upstream(false)?;
    let gateway = Gateway::set_up_with(rig, "streams", upstream, &policy())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start a runtime: {error}"))?;
    let seen = runtime.block_on(observe(&gateway, upstream, time))?;
    print(&seen, time, figures);
    drop(gateway);
    // Its record is large.
    rig.folder("streams").map(|_| ())
}

fn agent(number: usize) -> String {
    format!("listener-{number}")
}

fn policy() -> String {
    (0..AGENTS).map(|number| permits(&agent(number))).collect()
}

async fn observe(gateway: &Gateway, upstream: std::net::SocketAddr, time: Duration) -> Result<Seen, String> {
    let keys = (0..AGENTS).map(|number| gateway.add_agent(&agent(number))).collect::<Result<Vec<_>, _>>()?;
    pace::run(gateway, CALLS_PER_SECOND, WARM_UP).await?;
    let process = gateway.process()?;
    let before = process.held()?;
    let streams = Streams::open(gateway, &keys, STREAMS).await?;
    let mut memory = Vec::new();
    let sampling = async {
        loop {
            memory.push(process.rss_anon_mb()?);
            sleep(SAMPLE_EVERY).await;
        }
    };
    let load = tokio::select! {
        load = pace::run(gateway, CALLS_PER_SECOND, time) => load?,
        problem = sampling => return problem,
    };
    memory.push(process.rss_anon_mb()?);
    let alive = streams.alive();
    let told = told(gateway, &streams).await?;
    let upstream_open = answering(upstream).await?;
    drop(streams);
    let after = given_back(gateway, before).await?;
    Ok(Seen { alive, told, load, memory, before, after, upstream_open })
}

/// How many streams hear of a tool that is gone.
async fn told(gateway: &Gateway, streams: &Streams) -> Result<usize, String> {
    streams.listen_for_a_change();
    gateway.json(&["tools", "quarantine", "legacy__sum"])?;
    let started = Instant::now();
    while streams.told() < STREAMS && started.elapsed() < TOLD_MAX {
        sleep(Duration::from_millis(20)).await;
    }
    Ok(streams.told())
}

/// What the gateway holds once it holds no more than before, or when the time for that is over.
async fn given_back(gateway: &Gateway, before: Held) -> Result<Held, String> {
    let started = Instant::now();
    loop {
        let now = gateway.process()?.held()?;
        let back = now.files <= before.files && now.threads <= before.threads;
        if back || started.elapsed() > GIVEN_BACK_MAX {
            return Ok(now);
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Requests that the upstream has not answered yet.
async fn answering(upstream: std::net::SocketAddr) -> Result<u64, String> {
    let request = Request::get("/seen").header(HOST, upstream.to_string()).body(Full::default());
    let request = request.map_err(|error| format!("cannot ask the upstream: {error}"))?;
    let answer = Connection::open(upstream).await?.send(request).await?;
    let seen: Value = serde_json::from_slice(&answer.body).map_err(|error| format!("no JSON: {error}"))?;
    seen.get("answering").and_then(Value::as_u64).ok_or_else(|| "the upstream says nothing".to_owned())
}

fn print(seen: &Seen, time: Duration, figures: &mut Figures) {
    let all = STREAMS as f64;
    let minutes = time.as_secs_f64() / 60.0;
    let mut figure = |name: &str, unit: &str, want: Want, value: f64, how: &str| {
        figures.add(&Figure::new(name, unit, want), value, how);
    };
    let mix =
        format!("half are streams of sessions, half subscriptions, of {AGENTS} agents; {minutes:.1} min");
    figure("streams open at the end", "streams", Want::Exactly(all), seen.alive as f64, &mix);
    let how = "then a tool is put in quarantine, and each stream must hear of it";
    figure("streams told of a change at the end", "streams", Want::Exactly(all), seen.told as f64, how);
    let how = format!("{} calls served in {:.1} s beside the streams", seen.load.served, seen.load.seconds);
    let want = Want::AtLeast(CALLS_PER_SECOND);
    figure("calls beside the streams", "calls/s", want, seen.load.per_second(), &how);
    let how = format!("refused, or on a connection that failed: {}", seen.load.examples.join(" | "));
    figure("calls not served", "calls", Want::Exactly(0.0), seen.load.lost as f64, &how);
    let (growth, how) = growth(&seen.memory, time);
    figure("RssAnon growth at the end", "MB", Want::AtMost(GROWTH_MB_MAX), growth, &how);
    let left = |after: usize, before: usize| (after as f64 - before as f64).max(0.0);
    let how = format!("{} before the streams, {} after they closed", seen.before.files, seen.after.files);
    let value = left(seen.after.files, seen.before.files);
    figure("file descriptors left over", "files", Want::Exactly(0.0), value, &how);
    let how = format!("{} before the streams, {} after they closed", seen.before.threads, seen.after.threads);
    let value = left(seen.after.threads, seen.before.threads);
    figure("threads left over", "threads", Want::Exactly(0.0), value, &how);
    let how = "requests the upstream has not answered when the load is over";
    figure("upstream calls open at the end", "calls", Want::Exactly(0.0), seen.upstream_open as f64, how);
}

/// From the beginning of the last minutes to the end.
fn growth(memory: &[f64], time: Duration) -> (f64, String) {
    let last = LAST.min(time / 2);
    let samples = (last.as_secs_f64() / SAMPLE_EVERY.as_secs_f64()) as usize;
    let at = |back: usize| memory.get(memory.len().saturating_sub(1 + back)).copied().unwrap_or(f64::NAN);
    let step = (memory.len() / 10).max(1);
    let some: Vec<f64> = memory.iter().copied().step_by(step).collect();
    let how =
        format!("over the last {:.1} min; RssAnon on the way: {}", last.as_secs_f64() / 60.0, list(&some));
    (at(0) - at(samples), how)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_that_of_the_end() {
        let memory: Vec<f64> =
            (0..=300).map(|sample| if sample < 150 { 0.0 } else { f64::from(sample) }).collect();
        let (value, how) = growth(&memory, Duration::from_secs(600));
        assert!((value - 150.0).abs() < 1e-9, "{how}");
        assert!(growth(&memory[..60], Duration::from_secs(118)).0.abs() < 1e-9);
        assert!(growth(&[], Duration::from_secs(1)).0.is_nan());
    }
}
