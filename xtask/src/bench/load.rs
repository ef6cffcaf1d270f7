//! The load generator: closed loop over kept-alive connections on one thread.
//!
//! Must never count an answer that does not carry its own call's marker.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Barrier;

use crate::bench::http::{Reader, find};
use crate::bench::wire::{Target, Template, Wire};

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
    target: Target,
}

/// Runs a plan on a runtime of its own, on this thread.
pub(crate) fn run(plan: &Plan) -> Result<Report, String> {
    run_then(plan, || {})
}

/// Runs a plan; `begun` is called once all connections are open and calls begin.
pub(crate) fn run_then(plan: &Plan, begun: impl FnOnce()) -> Result<Report, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
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
    loopback(plan.target.addr)?;
    let shared = Arc::new(Shared {
        next: AtomicU64::new(plan.first_marker),
        end: match plan.stop {
            Stop::Calls(calls) => plan.first_marker.saturating_add(calls),
            Stop::After(_) => u64::MAX,
        },
        over: AtomicBool::new(false),
        start: Barrier::new(plan.connections + 1),
        target: plan.target.clone(),
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

/// One connection.
pub(crate) struct Line {
    stream: TcpStream,
    reader: Reader,
    template: Template,
    session: Option<String>,
    owns_session: bool,
}

impl Line {
    /// Connects and, on the legacy wire without a session to join, shakes hands.
    pub(crate) async fn open(plan: &Plan, session: Option<&str>) -> Result<Self, String> {
        let target = &plan.target;
        let stream = TcpStream::connect(target.addr).await;
        let mut stream = stream.map_err(|error| format!("cannot connect to `{}`: {error}", target.addr))?;
        stream.set_nodelay(true).map_err(|error| format!("cannot set TCP_NODELAY: {error}"))?;
        let mut reader = Reader::default();
        let mut session = session.map(str::to_owned);
        if plan.wire == Wire::Legacy && session.is_none() {
            session = shake_hands(target, &mut stream, &mut reader).await?;
        }
        let template = target.echo(plan.wire, session.as_deref());
        Ok(Self { stream, reader, template, session, owns_session: !plan.one_session })
    }

    /// One call; whether its own marker came back.
    pub(crate) async fn call(&mut self, number: u64) -> Result<Result<(), String>, String> {
        let (request, marker) = self.template.with(number);
        self.stream.write_all(request).await.map_err(|error| format!("cannot send: {error}"))?;
        let answer = self.reader.answer(&mut self.stream).await?;
        if answer.status == 200 && find(answer.body, &marker).is_some() {
            return Ok(Ok(()));
        }
        let text: String = String::from_utf8_lossy(answer.body).chars().take(300).collect();
        Ok(Err(format!("{} {text}", answer.status)))
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
            self.end_session(&shared.target).await;
        }
        report
    }

    /// What a well-behaved client does; not part of the measured time.
    async fn end_session(&mut self, target: &Target) {
        if let Some(session) = self.session.take().filter(|_| self.owns_session) {
            let sent = self.stream.write_all(target.end(&session).as_bytes()).await;
            if sent.is_ok() {
                let _ = self.reader.answer(&mut self.stream).await;
            }
        }
    }
}

async fn shake_hands(
    target: &Target,
    stream: &mut TcpStream,
    reader: &mut Reader,
) -> Result<Option<String>, String> {
    let send = |error| format!("cannot send the handshake: {error}");
    stream.write_all(target.initialize().as_bytes()).await.map_err(send)?;
    let answer = reader.answer(stream).await?;
    if answer.status != 200 {
        let text = String::from_utf8_lossy(answer.body).into_owned();
        return Err(format!("initialize was answered {} {text}", answer.status));
    }
    let session = answer.session;
    stream.write_all(target.initialized(session.as_deref()).as_bytes()).await.map_err(send)?;
    let answer = reader.answer(stream).await?;
    match answer.status {
        200..=299 => Ok(session),
        status => Err(format!("notifications/initialized was answered {status}")),
    }
}

/// Refuses anything but loopback.
pub(crate) fn loopback(addr: SocketAddr) -> Result<(), String> {
    if addr.ip().is_loopback() {
        return Ok(());
    }
    Err(format!("`{addr}` is not a loopback address; the bench pieces never leave this machine"))
}
