//! How fast the record commits: entries a second, latency, and CPU of an entry, at 1 and 64 producers.
//!
//! Must never be read as a promise: it measures this machine's disk too. Run it with
//! `cargo run --release -p store --example commit_bench [directory]`.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ledger::{Body, DecisionBody, Entry, Outcome, OutcomeBody, Verdict};
use model::call::Endpoint;
use model::digest::{Commitment, Digest, Salt};
use model::ids::{AgentId, CallId, Epoch, PolicyId, ServerName, TaskId, ToolName};
use model::time::Micros;
use model::tool::{PinnedTool, Risk, ToolRef};
use ports::record::{Expect, Item, Record};
use store::{OpenOptions, Store};

type Fault = Box<dyn Error + Send + Sync>;

struct Subject {
    agent: AgentId,
    task: TaskId,
    tool: PinnedTool,
    policy: PolicyId,
}

fn subject(producer: u64) -> Result<Subject, Fault> {
    let name = ToolRef { server: ServerName::parse("filesystem")?, tool: ToolName::parse("read_text_file")? };
    Ok(Subject {
        agent: AgentId::parse(&format!("agent-{producer}"))?,
        task: TaskId::parse(&format!("agent:agent-{producer}"))?,
        tool: PinnedTool { name, definition: Digest::of(b"definition"), risk: Risk::Read },
        policy: PolicyId::parse("read-tools-for-known-agents")?,
    })
}

fn entry(subject: &Subject, at: Micros, number: u64) -> (Entry, Salt) {
    let call = CallId::from_bytes(
        ((u128::from(at.0.unsigned_abs() / 1000) << 80) | u128::from(number)).to_be_bytes(),
    );
    let salt = Salt([7; 32]);
    let (call, intent) = (call, number.is_multiple_of(2));
    let commitment = Commitment::to(&salt, "arguments", b"{\"path\":\"README.md\"}");
    let body = if intent {
        Body::Decision(DecisionBody {
            call,
            task: subject.task.clone(),
            agent: subject.agent.clone(),
            attestation: "agent-key",
            endpoint: Endpoint::Server(subject.tool.name.server.clone()),
            tool: subject.tool.clone(),
            verdict: Verdict::Permit,
            policies: vec![subject.policy.clone()],
            policy_set: subject.tool.definition,
            why: "permitted by `read-tools-for-known-agents`".to_owned(),
            arguments: commitment,
            arguments_bytes: 20,
            decide_micros: 31,
            approval: None,
        })
    } else {
        let call = CallId::from_bytes((u128::from_be_bytes(call.to_bytes()) - 1).to_be_bytes());
        let (task, outcome, why) = (subject.task.clone(), Outcome::Completed, String::new());
        let (result, result_bytes, upstream_micros) = (Some(commitment), 812, 140);
        Body::Outcome(OutcomeBody { call, task, outcome, why, result, result_bytes, upstream_micros })
    };
    (Entry { at, epoch: Epoch(0), body }, salt)
}

async fn produce(store: Arc<Store>, producer: u64, count: u64) -> Result<Vec<u32>, Fault> {
    let subject = subject(producer)?;
    let mut times = Vec::with_capacity(usize::try_from(count)?);
    for number in 0..count {
        let at = Micros(1_795_254_000_000_000 + i64::try_from(number / 2)? * 1000);
        let (entry, salt) = entry(&subject, at, producer << 32 | number);
        let begun = Instant::now();
        let item = Item {
            entry,
            salts: vec![("arguments", salt)],
            expects: Expect::Epoch(Epoch(0)),
            listed: None,
            approval: None,
        };
        store.stage(item)?.await?;
        times.push(u32::try_from(begun.elapsed().as_nanos()).unwrap_or(u32::MAX));
    }
    Ok(times)
}

/// Nanoseconds of CPU: of all threads, and of the writer alone (`schedstat`, Linux).
fn cpu() -> (u64, u64) {
    let (mut all, mut writer) = (0, 0);
    for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let read = |name: &str| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let ran = read("schedstat").split(' ').next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        all += ran;
        if read("comm").trim() == "store-writer" {
            writer += ran;
        }
    }
    (all, writer)
}

fn rss_anon_kib() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or("?").trim().to_owned()
}

fn main() -> Result<(), Fault> {
    let directory = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = directory.join(format!("commit-bench-{}", std::process::id()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    let options = OpenOptions { now: Micros(0), node: "bench".to_owned() };
    let begun = Instant::now();
    let store = Arc::new(Store::open(&directory.join("bench.db"), &options)?);
    println!("made in {:?}: RssAnon {}", begun.elapsed(), rss_anon_kib());
    let mut first = 0;
    for (producers, each) in [(1, 4000), (64, 2000), (16, 4000), (64, 2400), (1, 4000)] {
        let (cpu_before, begun) = (cpu(), Instant::now());
        let tasks: Vec<_> = (first..first + producers)
            .map(|producer| runtime.spawn(produce(Arc::clone(&store), producer, each)))
            .collect();
        first += producers;
        let mut times = Vec::new();
        for task in tasks {
            times.extend(runtime.block_on(task)??);
        }
        let (took, cpu_after, count) = (begun.elapsed(), cpu(), producers * each);
        times.sort_unstable();
        let nanos = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
        let at = |percent| Duration::from_nanos(u64::from(nanos(percent)));
        println!(
            "{producers:>3} producers: {:>7.0} entries/s  p50 {:?}  p99 {:?}  cpu/entry {:.1} us (writer {:.1})  RssAnon {}",
            count as f64 / took.as_secs_f64(),
            at(50),
            at(99),
            (cpu_after.0 - cpu_before.0) as f64 / 1000.0 / count as f64,
            (cpu_after.1 - cpu_before.1) as f64 / 1000.0 / count as f64,
            rss_anon_kib(),
        );
    }
    // Not closed: nothing is checkpointed, as after a crash.
    drop(store);
    let begun = Instant::now();
    let store = Store::open(&directory.join("bench.db"), &options)?;
    println!("reopened in {:?}: {:?}", begun.elapsed(), runtime.block_on(store.facts())?);
    drop(store);
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}
