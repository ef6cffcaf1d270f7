//! Children that hang, crash, flood, change and lie. No caller may wait for ever, be told a lie, or be disturbed
//! by another's.

use std::time::Duration;

use model::denial::Reason;
use ports::sealed::SecretText;
use ports::upstream::{Sent, UpstreamEvent, Upstreams as _};
use upstream::{Limits, Transport};

use crate::support::{agent, child, finish, rig, text};

#[tokio::test]
async fn a_crash_fails_what_is_open_and_the_next_call_finds_a_new_child() {
    let rig = rig(child("crash.py"));
    rig.refresh().await.unwrap();
    let (one, two) = tokio::join!(rig.say("crash", ""), rig.say("crash", ""));
    for fault in [one.unwrap_err(), two.unwrap_err()] {
        // The second was on its way to the same child, or found it gone.
        let expected = [(Reason::UpstreamViolation, Sent::Maybe), (Reason::UpstreamUnavailable, Sent::No)];
        assert!(expected.contains(&(fault.reason, fault.sent)), "{fault}");
    }
    let fault = rig.say("crash", "").await.unwrap_err();
    assert_eq!((fault.reason, fault.sent), (Reason::UpstreamViolation, Sent::Maybe));
    assert_eq!(text(&rig.say("echo", "again").await.unwrap()), "echo: again");
}

#[tokio::test]
async fn a_program_that_cannot_start_is_named_and_not_hammered() {
    let mut config = child("good.py");
    config.limits = Limits { backoff_first: Duration::from_secs(10), ..config.limits };
    config.shareable = true;
    let Transport::Stdio(command) = &mut config.transport else { panic!() };
    command.argv = vec![SecretText::plain("/nonexistent/program")];
    let rig = rig(config);
    let fault = rig.refresh().await.unwrap_err();
    assert_eq!((fault.reason, fault.sent), (Reason::UpstreamUnavailable, Sent::No));
    assert!(fault.private.contains("`/nonexistent/program` cannot be started"), "{fault}");
    let fault = rig.refresh().await.unwrap_err();
    assert!(fault.private.contains("failed 1 times in a row; next attempt in"), "{fault}");
}

#[tokio::test]
async fn a_child_that_exits_at_once_is_reported_with_its_code() {
    let mut config = child("good.py");
    let Transport::Stdio(command) = &mut config.transport else { panic!() };
    command.argv = ["python3", "-c", "import sys; sys.exit(7)"].map(SecretText::plain).to_vec();
    let fault = rig(config).refresh().await.unwrap_err();
    assert!(fault.private.contains("exited with code 7"), "{fault}");
}

#[tokio::test]
async fn a_child_that_says_nothing_is_given_up() {
    let mut config = child("mute.py");
    config.limits = Limits { start: Duration::from_millis(300), ..config.limits };
    let fault = rig(config).refresh().await.unwrap_err();
    assert!(fault.private.contains("within 300 ms"), "{fault}");
    assert_eq!(fault.sent, Sent::No);
}

#[tokio::test]
async fn a_cursor_that_comes_back_is_refused() {
    let rig = rig(child("loops.py"));
    let fault = rig.refresh().await.unwrap_err();
    assert!(fault.private.contains("comes back to a page"), "{fault}");
    assert_eq!(rig.lists(), 0);
}

#[tokio::test]
async fn too_many_tools_are_refused() {
    let mut config = child("good.py");
    config.limits = Limits { tools_max: 5, ..config.limits };
    let rig = rig(config);
    assert!(rig.refresh().await.unwrap_err().private.contains("larger than allowed"));
    assert_eq!(rig.lists(), 0);
}

#[tokio::test]
async fn nothing_is_served_when_the_registry_cannot_take_the_list() {
    let rig = rig(child("good.py"));
    rig.refresh().await.unwrap();
    rig.break_registry();
    let fault = rig.say("echo", "x").await.unwrap_err();
    assert_eq!((fault.reason, fault.sent), (Reason::UpstreamUnavailable, Sent::No));
}

#[tokio::test]
async fn a_changed_tool_is_refused_until_its_new_definition_is_decided_on() {
    let rig = rig(child("changing.py"));
    rig.refresh().await.unwrap();
    let before = rig.call("target", "{}");
    let stale = rig.call("target", "{}");
    assert_eq!(rig.text(before).await, "target ran");
    assert_eq!(text(&rig.say("swap", "").await.unwrap()), "swapped");
    let fault = rig.run(stale).await.unwrap_err();
    assert_eq!((fault.reason, fault.sent), (Reason::DefinitionChanged, Sent::No));
    rig.listed(3).await;
    assert_eq!(rig.text(rig.call("target", "{}")).await, "target ran");
    // A child of another agent still has the old tools: the new definition is none of its.
    let mut other = rig.call("target", "{}");
    other.agent = agent("b");
    assert_eq!(rig.run(other).await.unwrap_err().reason, Reason::DefinitionChanged);
}

#[tokio::test]
async fn a_broken_definition_does_not_take_the_others_down() {
    let rig = rig(child("changing.py"));
    rig.refresh().await.unwrap();
    assert_eq!(rig.newest().len(), 3);
    assert_eq!(text(&rig.say("target", "").await.unwrap()), "target ran");
}

#[tokio::test]
async fn a_flood_of_stderr_disturbs_nobody() {
    let rig = rig(child("flood.py"));
    rig.refresh().await.unwrap();
    assert_eq!(text(&rig.say("stderr", "").await.unwrap()), "wrote");
}

#[tokio::test]
async fn a_flood_of_progress_fails_that_call_only() {
    let mut config = child("flood.py");
    config.limits = Limits { notifications_max: 1000, ..config.limits };
    let rig = rig(config);
    rig.refresh().await.unwrap();
    let mut call = rig.call("progress", "{}");
    call.wants_progress = true;
    let (progress, answer) = finish(rig.open(call).await.unwrap()).await;
    assert!(progress.len() <= 1000);
    let fault = answer.unwrap_err();
    assert_eq!((fault.reason, fault.sent), (Reason::UpstreamViolation, Sent::Maybe));
    assert_eq!(text(&rig.say("echo", "x").await.unwrap()), "echo: x");
}

#[tokio::test]
async fn a_large_answer_passes_and_one_beyond_the_calls_bound_does_not() {
    let rig = rig(child("flood.py"));
    rig.refresh().await.unwrap();
    let arguments = r#"{"text":"10000000"}"#;
    assert_eq!(rig.text(rig.call("line", arguments)).await.len(), 10_000_000);
    let mut bounded = rig.call("line", arguments);
    bounded.bytes_max = 1 << 20;
    let fault = rig.run(bounded).await.unwrap_err();
    assert_eq!((fault.reason, fault.sent), (Reason::LimitExceeded, Sent::Maybe));
}

#[tokio::test]
async fn an_endless_line_ends_the_child_and_every_caller_is_told() {
    let mut config = child("flood.py");
    config.limits = Limits { message_bytes_max: 1 << 20, ..config.limits };
    let rig = rig(config);
    rig.refresh().await.unwrap();
    let (one, two) = tokio::join!(rig.say("line", "3000000"), rig.say("line", "3000000"));
    assert_eq!(one.unwrap_err().reason, Reason::UpstreamViolation);
    assert_eq!(two.unwrap_err().reason, Reason::UpstreamViolation);
    assert_eq!(text(&rig.say("echo", "x").await.unwrap()), "echo: x");
}

#[tokio::test]
async fn a_little_noise_is_ignored_and_much_of_it_ends_the_child() {
    let mut config = child("garbage.py");
    config.limits = Limits { strikes_max: 10, ..config.limits };
    let rig = rig(config);
    rig.refresh().await.unwrap();
    for tool in ["noise", "stray"] {
        assert_eq!(text(&rig.say(tool, "5").await.unwrap()), "last");
        let fault = rig.say(tool, "20").await.unwrap_err();
        assert_eq!((fault.reason, fault.sent), (Reason::UpstreamViolation, Sent::Maybe), "{tool}");
        assert_eq!(text(&rig.say("echo", "x").await.unwrap()), "last");
    }
}

#[tokio::test]
async fn a_message_that_is_not_utf8_ends_the_child() {
    let rig = rig(child("garbage.py"));
    rig.refresh().await.unwrap();
    assert_eq!(rig.say("bytes", "1").await.unwrap_err().reason, Reason::UpstreamViolation);
}

#[tokio::test]
async fn the_first_answer_counts_and_repeats_reach_nobody() {
    let rig = rig(child("garbage.py"));
    rig.refresh().await.unwrap();
    assert_eq!(text(&rig.say("twice", "3").await.unwrap()), "first");
    assert_eq!(text(&rig.say("echo", "x").await.unwrap()), "last");
}

#[tokio::test]
async fn too_many_open_calls_are_refused_before_they_are_sent() {
    let mut config = child("hang.py");
    config.limits = Limits { calls_max: 2, ..config.limits };
    let rig = rig(config);
    rig.refresh().await.unwrap();
    let _one = rig.open(rig.call("hang", "{}")).await.unwrap();
    let two = rig.open(rig.call("hang", "{}")).await.unwrap();
    let fault = rig.say("cancelled", "").await.unwrap_err();
    assert_eq!((fault.reason, fault.sent), (Reason::LimitExceeded, Sent::No));
    drop(two);
    rig.say("cancelled", "").await.unwrap();
}

#[tokio::test]
async fn a_stubborn_child_and_its_own_child_are_gone_after_shutdown() {
    use tokio::io::AsyncReadExt as _;

    // The grandchild holds a connection for as long as it lives.
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let rig = rig(child("family.py"));
    rig.refresh().await.unwrap();
    assert_eq!(text(&rig.say("fork", &port).await.unwrap()), "forked");
    let (mut life, _) = listener.accept().await.unwrap();
    assert_eq!(life.read_u8().await.unwrap(), b'x');
    let began = std::time::Instant::now();
    rig.upstreams.shutdown().await;
    assert!(began.elapsed() < Duration::from_secs(5));
    let end = tokio::time::timeout(Duration::from_secs(5), life.read_u8()).await.unwrap();
    assert!(end.is_err(), "the grandchild is gone");
}

#[tokio::test]
async fn shutdown_fails_what_is_open() {
    let rig = rig(child("hang.py"));
    rig.refresh().await.unwrap();
    let mut open = rig.open(rig.call("hang", "{}")).await.unwrap();
    rig.upstreams.shutdown().await;
    let UpstreamEvent::Done(Err(fault)) = open.next().await else { panic!() };
    assert_eq!((fault.reason, fault.sent), (Reason::Cancelled, Sent::Maybe));
}
