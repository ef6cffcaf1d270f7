//! `kill -9` under load, again and again; then the record must account for everything the upstream saw.
//!
//! Must never ask the gateway what it forwarded: the upstream counts.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::HOST;
use hyper::{Method, Request};
use serde_json::Value;

use crate::bar::figure::{Figure, Figures, Want};
use crate::bar::gateway::{AGENT, Gateway};
use crate::bar::record::{Record, Recorded};
use crate::bar::rig::Rig;
use crate::bench::client::Connection;
use crate::bench::load::{Plan, Report, Stop, run_then};
use crate::bench::wire::Wire;

const CONNECTIONS: usize = 16;
const MILLIS_MIN: u64 = 20;
const MILLIS_MAX: u64 = 400;
const SERVE_SECONDS_MAX: f64 = 1.0;
const RESTART_LIMIT: Duration = Duration::from_secs(20);
const SETTLE_LIMIT: Duration = Duration::from_secs(5);

/// What the rounds found.
#[derive(Debug, Default)]
struct Tally {
    forwarded: u64,
    acknowledged: u64,
    intents: u64,
    unknown: u64,
    without_intent: u64,
    wrong_outcomes: u64,
    acknowledged_unrecorded: u64,
    marker_twice: u64,
    opened: u32,
    serve_seconds: Vec<f64>,
}

/// All rounds, then one figure for each promise.
pub(crate) fn measure(rig: &Rig, figures: &mut Figures) -> Result<(), String> {
    let (_upstream, upstream) = rig.upstream(true)?;
    let mut gateway = Gateway::set_up(rig, "kill", upstream)?;
    let mut record = Record::default();
    record.read(&gateway)?;
    record.take();
    let mut random = rig.seed.max(1);
    let mut tally = Tally::default();
    for round in 0..rig.kills {
        forget(upstream)?;
        let wire = if round % 2 == 0 { Wire::Legacy } else { Wire::Modern };
        let after = Duration::from_millis(MILLIS_MIN + next(&mut random) % (MILLIS_MAX - MILLIS_MIN));
        let report = kill_under_load(&mut gateway, wire, u64::from(round) << 32, after)?;
        let seen = settled(upstream)?;
        let started = Instant::now();
        gateway.start()?;
        gateway
            .first_call(wire, RESTART_LIMIT)
            .map_err(|problem| format!("after kill {round}: {problem}"))?;
        tally.serve_seconds.push(started.elapsed().as_secs_f64());
        tally.opened += 1;
        record.read(&gateway)?;
        tally.round(&report, &seen, &record.take());
    }
    gateway.kill();
    let damage = check_database(&gateway.store(), &rig.folder("kill-copy")?);
    print(rig, &tally, damage, figures);
    Ok(())
}

impl Tally {
    /// One round. Calls that only ask whether the gateway serves again are another agent's and are not counted
    /// against what the upstream saw; each must have its one outcome like any other.
    fn round(&mut self, report: &Report, seen: &Seen, calls: &BTreeMap<String, Recorded>) {
        let load = || calls.values().filter(|call| call.agent == AGENT);
        let intents: u64 = load().map(|call| u64::from(call.intents)).sum();
        let completed = load().filter(|call| call.outcomes == ["completed"]).count() as u64;
        let wrong =
            calls.values().filter(|call| call.intents != 1 || call.outcomes.len() != 1).count() as u64;
        self.forwarded += seen.calls;
        self.acknowledged += report.served;
        self.intents += intents;
        self.unknown += load().filter(|call| call.outcomes == ["unknown"]).count() as u64;
        self.without_intent += seen.calls.saturating_sub(intents);
        self.acknowledged_unrecorded += report.served.saturating_sub(completed);
        self.wrong_outcomes += wrong;
        self.marker_twice += seen.twice;
    }
}

fn print(rig: &Rig, tally: &Tally, damage: Result<(), String>, figures: &mut Figures) {
    let kills = rig.kills;
    let how = format!(
        "{kills} kills at random moments under {CONNECTIONS} connections, seed {}: {} calls forwarded, {} \
         acknowledged, {} intents, {} outcomes `unknown`",
        rig.seed, tally.forwarded, tally.acknowledged, tally.intents, tally.unknown
    );
    for (name, calls) in [
        ("forwarded calls without intent", tally.without_intent),
        ("intents without exactly one outcome", tally.wrong_outcomes),
        ("answers without a recorded outcome", tally.acknowledged_unrecorded),
        ("calls forwarded twice", tally.marker_twice),
    ] {
        figures.add(&Figure::new(name, "calls", Want::Exactly(0.0)), calls as f64, &how);
    }
    let opens = 100.0 * f64::from(tally.opened) / f64::from(kills.max(1));
    figures.add(&Figure::new("database opens after kill", "%", Want::Exactly(100.0)), opens, &how);
    let sound =
        damage.as_ref().err().map_or("quick_check of a copy after the last kill says ok", String::as_str);
    figures.add_check("database is sound after the last kill", damage.is_ok(), sound);
    let slowest = tally.serve_seconds.iter().copied().fold(0.0, f64::max);
    let how = format!("slowest of {kills} restarts, from process start to a call served");
    figures.add(&Figure::new("serves again after kill", "s", Want::Below(SERVE_SECONDS_MAX)), slowest, &how);
}

/// Loads from another thread, kills after `after`; what the clients saw.
fn kill_under_load(
    gateway: &mut Gateway,
    wire: Wire,
    marker: u64,
    after: Duration,
) -> Result<Report, String> {
    let plan = Plan {
        target: gateway.target(wire),
        wire,
        connections: CONNECTIONS,
        stop: Stop::After(after + Duration::from_secs(30)),
        one_session: false,
        first_marker: marker,
    };
    let (started, begun) = std::sync::mpsc::channel();
    let load = std::thread::spawn(move || {
        run_then(&plan, move || {
            let _ = started.send(());
        })
    });
    if begun.recv().is_ok() {
        std::thread::sleep(after);
    }
    gateway.kill();
    let report = load.join().map_err(|_| "the load thread failed".to_owned())?;
    let report = report.map_err(|problem| format!("load before a kill: {problem}"))?;
    if report.refused > 0 {
        return Err(format!(
            "{} calls were refused before the kill: {}",
            report.refused,
            report.examples.join(" | ")
        ));
    }
    Ok(report)
}

/// What the upstream counted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    calls: u64,
    open: u64,
    twice: u64,
}

/// Waits until the dead gateway's connections are gone, so that every byte it sent was read.
fn settled(upstream: SocketAddr) -> Result<Seen, String> {
    let started = Instant::now();
    loop {
        let seen = read_seen(&ask(upstream, Method::GET)?)?;
        if seen.open <= 1 {
            return Ok(seen);
        }
        if started.elapsed() > SETTLE_LIMIT {
            return Err(format!("{} upstream connections are still open after the kill", seen.open - 1));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn forget(upstream: SocketAddr) -> Result<(), String> {
    ask(upstream, Method::DELETE).map(|_| ())
}

fn ask(upstream: SocketAddr, method: Method) -> Result<Bytes, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start a runtime: {error}"))?;
    let request = Request::builder().method(method).uri("/seen").header(HOST, upstream.to_string());
    let request = request.body(Full::default()).map_err(|error| format!("not a request: {error}"))?;
    let asked = runtime.block_on(async { Connection::open(upstream).await?.send(request).await });
    asked.map(|answer| answer.body).map_err(|problem| format!("cannot ask the upstream: {problem}"))
}

fn read_seen(body: &[u8]) -> Result<Seen, String> {
    let value: Value =
        serde_json::from_slice(body).map_err(|error| format!("the upstream's count: {error}"))?;
    let number = |name: &str| value.get(name).and_then(Value::as_u64).unwrap_or(0);
    let markers = value.get("markers").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut texts: Vec<&str> = markers.iter().filter_map(Value::as_str).collect();
    let before = texts.len();
    texts.sort_unstable();
    texts.dedup();
    Ok(Seen { calls: number("calls"), open: number("open"), twice: (before - texts.len()) as u64 })
}

/// Copies the dead gateway's state and lets SQLite check the copy.
fn check_database(store: &Path, copy: &Path) -> Result<(), String> {
    let mut databases: Vec<PathBuf> = Vec::new();
    for entry in
        std::fs::read_dir(store).map_err(|error| format!("cannot read the state folder: {error}"))?.flatten()
    {
        let path = entry.path();
        if path.is_file() {
            let to = copy.join(entry.file_name());
            std::fs::copy(&path, &to)
                .map_err(|error| format!("cannot copy `{}`: {error}", path.display()))?;
            databases.push(to);
        }
    }
    databases.retain(|path| std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"SQLite format 3")));
    if databases.is_empty() {
        return Err("no database was found in the state folder".to_owned());
    }
    for path in databases {
        let check = || -> rusqlite::Result<String> {
            rusqlite::Connection::open(&path)?.query_row("PRAGMA quick_check", [], |row| row.get(0))
        };
        match check() {
            Ok(answer) if answer == "ok" => {}
            Ok(answer) => return Err(format!("`{}`: {answer}", path.display())),
            Err(error) => return Err(format!("`{}`: {error}", path.display())),
        }
    }
    Ok(())
}

/// xorshift: the moments of one seed are always the same.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(agent: &str, outcomes: &[&str]) -> Recorded {
        let outcomes = outcomes.iter().map(|word| (*word).to_owned()).collect();
        Recorded { agent: agent.to_owned(), intents: 1, outcomes }
    }

    fn tally(served: u64, forwarded: u64, calls: &[&[&str]]) -> Tally {
        let mut tally = Tally::default();
        let calls =
            calls.iter().enumerate().map(|(at, outcomes)| (at.to_string(), recorded(AGENT, outcomes)));
        let probe = [("probe".to_owned(), recorded("probe", &["completed"]))];
        let seen = Seen { calls: forwarded, open: 1, twice: 0 };
        let report = Report { served, ..Report::default() };
        tally.round(&report, &seen, &calls.chain(probe).collect());
        tally
    }

    #[test]
    fn a_round_that_holds_counts_nothing() {
        let good = tally(1, 2, &[&["completed"], &["unknown"]]);
        assert_eq!((good.without_intent, good.wrong_outcomes, good.acknowledged_unrecorded), (0, 0, 0));
        assert_eq!(good.unknown, 1);
    }

    #[test]
    fn each_broken_promise_is_counted() {
        assert_eq!(tally(1, 3, &[&["completed"], &["unknown"]]).without_intent, 1);
        assert_eq!(tally(0, 1, &[&[], &["unknown", "unknown"]]).wrong_outcomes, 2);
        assert_eq!(tally(2, 2, &[&["completed"], &["unknown"]]).acknowledged_unrecorded, 1);
        let twice = read_seen(br#"{"calls":3,"open":1,"markers":["a","b","a"]}"#).unwrap();
        assert_eq!(twice, Seen { calls: 3, open: 1, twice: 1 });
    }

    #[test]
    fn moments_are_repeatable_and_differ() {
        let (mut a, mut b) = (5, 5);
        assert_eq!(next(&mut a), next(&mut b));
        assert_ne!(next(&mut a), b);
    }

    #[test]
    fn a_state_folder_without_a_sound_database_fails() {
        let folder = std::env::temp_dir().join(format!("xtask-kill-{}", std::process::id()));
        let (store, copy) = (folder.join("store"), folder.join("copy"));
        std::fs::create_dir_all(&store).unwrap();
        std::fs::create_dir_all(&copy).unwrap();
        assert!(check_database(&store, &copy).is_err());
        let path = store.join("a.db");
        rusqlite::Connection::open(&path)
            .unwrap()
            .execute_batch("CREATE TABLE a (b); CREATE TABLE c (d)")
            .unwrap();
        assert_eq!(check_database(&store, &copy), Ok(()));
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.truncate(bytes.len() - 4096);
        std::fs::write(&path, bytes).unwrap();
        assert!(check_database(&store, &copy).is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
