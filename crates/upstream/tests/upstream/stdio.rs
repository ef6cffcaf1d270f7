//! Children that behave. Each test asserts what an agent or operator would notice.

use std::time::Duration;

use model::denial::Reason;
use model::json::Json;
use ports::sealed::SecretText;
use ports::upstream::{Answer, Sent, UpstreamEvent, Upstreams as _};
use upstream::{Limits, Transport};

use crate::support::{agent, child, finish, raw, rig, text, tree};

fn json(text: &str) -> Json {
    tree(&raw(text))
}

#[tokio::test]
async fn every_page_is_listed_and_calls_are_answered() {
    let rig = rig(child("good.py"));
    rig.refresh().await.unwrap();
    assert_eq!(rig.newest().len(), 6);
    assert_eq!(text(&rig.say("echo", "hi").await.unwrap()), "echo: hi");
    let failed = rig.say("fail", "").await.unwrap();
    assert!(matches!(failed, Answer::Result { is_error: true, .. }));
}

#[tokio::test]
async fn line_ends_inside_arguments_do_not_break_the_line() {
    let rig = rig(child("good.py"));
    rig.refresh().await.unwrap();
    let pretty = "{\n  \"text\": \"a\\nb\"\r\n}";
    assert_eq!(rig.text(rig.call("echo", pretty)).await, "echo: a\nb");
}

#[tokio::test]
async fn one_agents_state_never_answers_another() {
    let rig = rig(child("good.py"));
    rig.refresh().await.unwrap();
    assert_eq!(text(&rig.say("count", "").await.unwrap()), "1");
    assert_eq!(text(&rig.say("count", "").await.unwrap()), "2");
    let mut other = rig.call("count", "{}");
    other.agent = agent("b");
    assert_eq!(rig.text(other).await, "1");
}

#[tokio::test]
async fn a_shareable_server_runs_once() {
    let mut config = child("good.py");
    config.shareable = true;
    let rig = rig(config);
    rig.refresh().await.unwrap();
    assert_eq!(text(&rig.say("count", "").await.unwrap()), "1");
    let mut other = rig.call("count", "{}");
    other.agent = agent("b");
    assert_eq!(rig.text(other).await, "2");
    assert_eq!(rig.lists(), 1);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_child_sees_only_named_variables_its_own_directory_and_its_own_descriptors() {
    let mut config = child("good.py");
    let Transport::Stdio(command) = &mut config.transport else { panic!() };
    command.env.push(("SET".to_owned(), SecretText::plain("by operator")));
    command.env_pass.push("CARGO_PKG_NAME".to_owned());
    let rig = rig(config);
    rig.refresh().await.unwrap();
    let seen = json(&text(&rig.say("environment", "").await.unwrap()));
    let Some(Json::Object(variables)) = seen.get("env") else { panic!() };
    // This process has many of these from its build tool. (A wrapper around the interpreter may add its own.)
    let from_here = variables.iter().filter(|variable| variable.name.starts_with("CARGO"));
    assert_eq!(from_here.map(|variable| &*variable.name).collect::<Vec<_>>(), ["CARGO_PKG_NAME"]);
    let env = seen.get("env").unwrap();
    assert_eq!(env.get("SET").and_then(Json::as_str), Some("by operator"));
    assert_eq!(env.get("CARGO_PKG_NAME").and_then(Json::as_str), Some("upstream"));
    let cwd = seen.get("cwd").and_then(Json::as_str).unwrap();
    let own = rig.work_dir.join("s/agent-a").canonicalize().unwrap();
    assert_eq!(cwd, own.display().to_string());
    // Its three, the one that lists them, and those this very process was started with and told to pass on.
    let expected = 4 + passed_on();
    assert_eq!(seen.get("fds").and_then(Json::as_i64), Some(expected));
}

#[cfg(target_os = "linux")]
/// Descriptors of this process, but for the first three, that any child gets: those without `O_CLOEXEC`.
fn passed_on() -> i64 {
    let entries = std::fs::read_dir("/proc/self/fdinfo").unwrap().filter_map(Result::ok);
    let passes = |entry: &std::fs::DirEntry| {
        let number: u32 = entry.file_name().to_str().unwrap().parse().unwrap();
        let info = std::fs::read_to_string(entry.path()).unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap_or("02000000");
        number > 2 && u32::from_str_radix(flags.trim(), 8).unwrap() & 0o2_000_000 == 0
    };
    i64::try_from(entries.filter(passes).count()).unwrap()
}

#[tokio::test]
async fn progress_reaches_only_the_call_that_asked() {
    let rig = rig(child("good.py"));
    rig.refresh().await.unwrap();
    let mut call = rig.call("progress", "{}");
    call.wants_progress = true;
    let (progress, answer) = finish(rig.open(call).await.unwrap()).await;
    assert_eq!(text(&answer.unwrap()), "done");
    assert_eq!(progress.len(), 1);
    assert_eq!(progress[0].progress.as_str(), "1");
    assert_eq!(progress[0].total.as_ref().unwrap().as_str(), "2");
    assert_eq!(progress[0].message.as_ref().unwrap().as_str(), "\"half\"");
}

#[tokio::test]
async fn a_server_may_ping_and_ask_nothing_else() {
    let rig = rig(child("good.py"));
    rig.refresh().await.unwrap();
    let Json::Array(answers) = json(&text(&rig.say("ask", "").await.unwrap())) else { panic!() };
    let by_id = |id: &str| answers.iter().find(|a| a.get("id").and_then(Json::as_str) == Some(id)).unwrap();
    assert_eq!(by_id("p").get("result"), Some(&Json::Object(Vec::new())));
    let refused = by_id("r").get("error").and_then(|e| e.get("code")).and_then(Json::as_i64);
    assert_eq!(refused, Some(-32601));
}

#[tokio::test]
async fn a_modern_only_server_gets_an_envelope_with_every_request() {
    let rig = rig(child("modern.py"));
    rig.refresh().await.unwrap();
    let mut call = rig.call("meta", "{}");
    call.trace = vec![(Box::from("traceparent"), raw("\"00-1-2-01\""))];
    call.wants_progress = true;
    let meta = json(&rig.text(call).await);
    let version = meta.get("io.modelcontextprotocol/protocolVersion").and_then(Json::as_str);
    assert_eq!(version, Some("2026-07-28"));
    assert_eq!(meta.get("traceparent").and_then(Json::as_str), Some("00-1-2-01"));
    assert!(meta.get("progressToken").is_some_and(|token| matches!(token, Json::Number(_))));
}

#[tokio::test]
async fn a_cancelled_call_ends_and_the_child_is_told() {
    let rig = rig(child("hang.py"));
    rig.refresh().await.unwrap();
    let mut stream = rig.open(rig.call("hang", "{}")).await.unwrap();
    stream.cancel().await;
    let UpstreamEvent::Done(Err(fault)) = stream.next().await else { panic!() };
    assert_eq!((fault.reason, fault.sent), (Reason::Cancelled, Sent::Maybe));
    let dropped = rig.open(rig.call("hang", "{}")).await.unwrap();
    drop(dropped);
    let told = json(&text(&rig.say("cancelled", "").await.unwrap()));
    let Some(Json::Array(cancelled)) = told.get("cancelled") else { panic!() };
    assert_eq!(cancelled.len(), 2);
    assert_eq!(cancelled.last(), told.get("hung"));
}

#[tokio::test]
async fn a_call_ends_at_its_deadline_and_the_child_is_told() {
    let rig = rig(child("hang.py"));
    rig.refresh().await.unwrap();
    // The child is up before the short call begins.
    rig.say("cancelled", "").await.unwrap();
    let mut call = rig.call("hang", "{}");
    call.deadline = Duration::from_millis(50);
    let fault = rig.run(call).await.unwrap_err();
    assert_eq!((fault.reason, fault.sent), (Reason::UpstreamTimeout, Sent::Maybe));
    let told = json(&text(&rig.say("cancelled", "").await.unwrap()));
    assert!(matches!(told.get("cancelled"), Some(Json::Array(ids)) if ids.len() == 1));
}

#[tokio::test]
async fn lanes_are_bounded_and_forgetting_an_agent_frees_one() {
    let mut config = child("hang.py");
    config.limits = Limits { lanes_max: 1, ..config.limits };
    let rig = rig(config);
    rig.refresh().await.unwrap();
    let mut held = rig.open(rig.call("hang", "{}")).await.unwrap();
    let other = || {
        let mut call = rig.call("cancelled", "{}");
        call.agent = agent("b");
        call
    };
    let fault = rig.run(other()).await.unwrap_err();
    assert_eq!((fault.reason, fault.sent), (Reason::LimitExceeded, Sent::No));
    rig.upstreams.forget(&agent("a")).await;
    let UpstreamEvent::Done(Err(fault)) = held.next().await else { panic!() };
    assert_eq!((fault.reason, fault.sent), (Reason::Revoked, Sent::Maybe), "it was not the client's wish");
    rig.run(other()).await.unwrap();
}

#[tokio::test]
async fn an_idle_lane_is_closed_and_opened_again_when_needed() {
    let mut config = child("good.py");
    config.limits = Limits { idle: Duration::from_millis(20), ..config.limits };
    let rig = rig(config);
    rig.refresh().await.unwrap();
    assert_eq!(text(&rig.say("count", "").await.unwrap()), "1");
    let mut tries = 0;
    // State that is gone shows that the child was another one; each try is idle for longer.
    while text(&rig.say("count", "").await.unwrap()) != "1" {
        tries += 1;
        tokio::time::sleep(Duration::from_millis(20 * tries)).await;
    }
}

#[tokio::test]
async fn nothing_starts_after_shutdown() {
    let rig = rig(child("good.py"));
    rig.refresh().await.unwrap();
    rig.say("echo", "x").await.unwrap();
    rig.upstreams.shutdown().await;
    let fault = rig.say("echo", "x").await.unwrap_err();
    assert_eq!((fault.reason, fault.sent), (Reason::UpstreamUnavailable, Sent::No));
    assert!(rig.refresh().await.is_err());
}
