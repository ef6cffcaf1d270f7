//! The load generator: a closed loop over kept-alive connections of a client that builds and parses its JSON.
//!
//! Must never count an answer that does not carry its own call's id and marker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use serde_json::Value;
use tokio::sync::Barrier;

use crate::bench::client::{Answer, Connection};
use crate::bench::wire::{Speaker, Target, Wire};

/// As many as the upstream and the gateway have on two cores.
const WORKER_THREADS: usize = 2;
const EXAMPLES_MAX: usize = 3;
const RUN_SECONDS_MAX: u64 = 600;

/// When a run ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stop {
    /// After this many calls in all.
    Calls(u64),
    /// After this long.
    After(Duration),
}

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Where to.
    pub(crate) target: Target,
    /// In which revision.
    pub(crate) wire: Wire,
    /// Kept-alive connections, each with one call in flight.
    pub(crate) connections: usize,
    /// When to end.
    pub(crate) stop: Stop,
    /// All legacy connections use one session instead of one each.
    pub(crate) one_session: bool,
    /// Markers count up from here, so that runs can be told apart.
    pub(crate) first_marker: u64,
}

/// What a run saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// Answers that carried their call's marker.
    pub(crate) served: u64,
    /// Whole answers that did not.
    pub(crate) refused: u64,
    /// Connections that failed.
    pub(crate) broken: u64,
    /// First to last call.
    pub(crate) elapsed: Duration,
    /// Nanoseconds of each served call, sorted.
    pub(crate) nanos: Vec<u32>,
    /// A few texts of what went wrong.
    pub(crate) examples: Vec<String>,
}

impl Report {
    /// Served calls per second.
    pub(crate) fn per_second(&self) -> f64 {
        self.served as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// The latency at this share (0.5 = median) in microseconds.
    pub(crate) fn micros(&self, share: f64) -> f64 {
        let at = (self.nanos.len() as f64 * share) as usize;
        let nanos = self.nanos.get(at.min(self.nanos.len().saturating_sub(1))).copied().unwrap_or(0);
        f64::from(nanos) / 1e3
    }

    /// An error unless every call was served.
    pub(crate) fn clean(self, what: &str) -> Result<Self, String> {
        if self.refused + self.broken == 0 && self.served > 0 {
            return Ok(self);
        }
        Err(format!(
            "{what}: {} served, {} refused, {} connections failed: {}",
            self.served,
            self.refused,
            self.broken,
            self.examples.join(" | ")
        ))
    }

    fn note(&mut self, text: String) {
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(text);
        }
    }

    fn join(&mut self, other: Self) {
        self.served += other.served;
        self.refused += other.refused;
        self.broken += other.broken;
        self.elapsed = self.elapsed.max(other.elapsed);
        self.nanos.extend(other.nanos);
        other.examples.into_iter().for_each(|text| self.note(text));
    }
}

/// Shared by the connections of one run.
struct Shared {
    next: AtomicU64,
    end: u64,
    over: AtomicBool,
    start: Barrier,
}

/// Runs a plan on a runtime of its own.
pub(crate) fn run(plan: &Plan) -> Result<Report, String> {
    run_then(plan, || {})
}

/// Runs a plan; `begun` is called once all connections are open and calls begin.
pub(crate) fn run_then(plan: &Plan, begun: impl FnOnce()) -> Result<Report, String> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(WORKER_THREADS).enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start the load runtime: {error}"))?;
    let limit = Duration::from_secs(RUN_SECONDS_MAX);
    runtime.block_on(async {
        match tokio::time::timeout(limit, drive(plan, begun)).await {
            Ok(report) => report,
            Err(_) => Err(format!("the run did not end within {RUN_SECONDS_MAX} s")),
        }
    })
}

async fn drive(plan: &Plan, begun: impl FnOnce()) -> Result<Report, String> {
    let shared = Arc::new(Shared {
        next: AtomicU64::new(plan.first_marker),
        end: match plan.stop {
            Stop::Calls(calls) => plan.first_marker.saturating_add(calls),
            Stop::After(_) => u64::MAX,
        },
        over: AtomicBool::new(false),
        start: Barrier::new(plan.connections + 1),
    });
    let lines = open_all(plan).await?;
    let tasks: Vec<_> = lines.into_iter().map(|line| tokio::spawn(line.calls(Arc::clone(&shared)))).collect();
    shared.start.wait().await;
    begun();
    let finish = async {
        let mut report = Report::default();
        for task in tasks {
            report.join(task.await.map_err(|error| format!("a connection task failed: {error}"))?);
        }
        Ok::<_, String>(report)
    };
    let timer = async {
        if let Stop::After(time) = plan.stop {
            tokio::time::sleep(time).await;
            shared.over.store(true, Ordering::Relaxed);
        }
        std::future::pending::<()>().await;
    };
    let mut report = tokio::select! { report = finish => report?, () = timer => Report::default() };
    report.nanos.sort_unstable();
    Ok(report)
}

async fn open_all(plan: &Plan) -> Result<Vec<Line>, String> {
    let mut lines = Vec::with_capacity(plan.connections);
    let mut session = None;
    for _ in 0..plan.connections {
        let line = Line::open(plan, session.as_deref()).await?;
        if plan.one_session {
            session.clone_from(&line.session);
        }
        lines.push(line);
    }
    Ok(lines)
}

/// One connection of a client.
pub(crate) struct Line {
    connection: Connection,
    speaker: Speaker,
    session: Option<String>,
    owns_session: bool,
}

impl Line {
    /// Connects and, on the legacy wire without a session to join, shakes hands.
    pub(crate) async fn open(plan: &Plan, session: Option<&str>) -> Result<Self, String> {
        let mut speaker = Speaker::new(&plan.target, plan.wire)?;
        let mut connection = Connection::open(plan.target.addr).await?;
        let mut session = session.map(str::to_owned);
        if let Some(session) = &session {
            speaker.join(session)?;
        } else if plan.wire == Wire::Legacy {
            session = shake_hands(&mut speaker, &mut connection).await?;
        }
        Ok(Self { connection, speaker, session, owns_session: !plan.one_session })
    }

    /// One call; whether its own id and marker came back.
    pub(crate) async fn call(&mut self, number: u64) -> Result<Result<(), String>, String> {
        let (id, marker) = (format!("i{number:016x}"), format!("m{number:016x}"));
        let answer = self.connection.send(self.speaker.echo(&id, &marker)?).await?;
        Ok(if echoed(&answer, &id, &marker) { Ok(()) } else { Err(answer.words()) })
    }

    async fn calls(mut self, shared: Arc<Shared>) -> Report {
        let mut report = Report::default();
        report.nanos.reserve(1 << 14);
        shared.start.wait().await;
        let started = Instant::now();
        while !shared.over.load(Ordering::Relaxed) {
            let number = shared.next.fetch_add(1, Ordering::Relaxed);
            if number >= shared.end {
                break;
            }
            let sent = Instant::now();
            match self.call(number).await {
                Ok(Ok(())) => {
                    report.served += 1;
                    report.nanos.push(u32::try_from(sent.elapsed().as_nanos()).unwrap_or(u32::MAX));
                }
                Ok(Err(text)) => {
                    report.refused += 1;
                    report.note(text);
                }
                Err(text) => {
                    report.broken += 1;
                    report.note(text);
                    break;
                }
            }
        }
        report.elapsed = started.elapsed();
        if report.broken == 0 {
            self.end_session().await;
        }
        report
    }

    /// What a well-behaved client does; not part of the measured time.
    pub(crate) async fn end_session(&mut self) {
        if self.owns_session && self.session.take().is_some() {
            let _ = self.connection.send(self.speaker.end()).await;
        }
    }
}

/// Whether the tool's one text is the marker, in the answer to this id.
fn echoed(answer: &Answer, id: &str, marker: &str) -> bool {
    let text =
        |message: &Value| message.pointer("/result/content/0/text")?.as_str().map(|text| text == marker);
    answer.status == StatusCode::OK && answer.message(id).is_some_and(|message| text(&message) == Some(true))
}

/// The two messages of the legacy handshake; the session, when the server gave one.
pub(crate) async fn shake_hands(
    speaker: &mut Speaker,
    connection: &mut Connection,
) -> Result<Option<String>, String> {
    let answer = connection.send(speaker.initialize("i0")?).await?;
    if answer.status != StatusCode::OK || answer.message("i0").is_none() {
        return Err(format!("initialize was answered {}", answer.words()));
    }
    let session = answer.session();
    if let Some(session) = &session {
        speaker.join(session)?;
    }
    let answer = connection.send(speaker.initialized()?).await?;
    if answer.status.is_success() {
        return Ok(session);
    }
    Err(format!("notifications/initialized was answered {}", answer.words()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

    use super::*;

    fn answer(status: StatusCode, text: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = serde_json::json!({"id": "i1", "result": {"content": [{"type": "text", "text": text}]}});
        Answer { status, headers, body: Bytes::from(body.to_string()) }
    }

    #[test]
    fn only_its_own_id_and_marker_count() {
        let good = answer(StatusCode::OK, "m1");
        assert!(echoed(&good, "i1", "m1"));
        assert!(!echoed(&good, "i2", "m1") && !echoed(&good, "i1", "m2"));
        assert!(!echoed(&answer(StatusCode::BAD_GATEWAY, "m1"), "i1", "m1"));
        assert!(!echoed(&answer(StatusCode::OK, "m1 and more"), "i1", "m1"));
    }
}
