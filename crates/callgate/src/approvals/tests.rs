//! Who can answer (promise 12), on real sockets: the operator credential on the operators' face, and nothing else
//! anywhere. And what a person is shown.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use admin::Policies;
use model::agent_key::{CredentialKind, NewCredential};
use server::{AgentFace, ListenLimits, serve_tcp, serve_unix};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;

use super::*;
use crate::compose::Node;
use crate::{credential, files, up};

const VERBS: [&str; 4] = ["approvals/list", "approvals/show", "approvals/approve", "approvals/reject"];

/// A directory of its own, removed at the end.
struct Home(PathBuf);

impl Home {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("callgate-approvals-{}-{number}", std::process::id()));
        std::fs::create_dir_all(path.join("policies")).unwrap();
        std::fs::write(path.join("callgate.toml"), "").unwrap();
        Self(path)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// The status of one request, as bytes on the wire.
async fn status(mut stream: impl AsyncRead + AsyncWrite + Unpin, verb: &str, headers: &str) -> u16 {
    let body = r#"{"id":"apr_0","call":"sha256:00","note":""}"#;
    let body = if verb == "approvals/list" { "{}" } else { body };
    let request = format!(
        "POST /v1/{verb} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0u8; 12];
    stream.read_exact(&mut answer).await.unwrap();
    std::str::from_utf8(&answer).unwrap()[9..].parse().unwrap()
}

#[tokio::test]
async fn nothing_that_an_agent_holds_answers_for_a_person_on_any_face() {
    let home = Home::new();
    let config = files::config(&home.0.join("callgate.toml")).unwrap();
    let state = config.store.path.clone();
    let node = Node::open(&config, Policies::MayBeBroken).await.unwrap();
    let authority = credential::ensure(&state).unwrap();
    let operator = credential::read(&state).unwrap();
    let operators = node.operator_face(authority);
    let added = operators.dispatch("agents/add", json!({"name": "ada", "days": 1})).await.unwrap();
    let key = text(&added, "key").to_owned();
    let (_stop, stopped) = watch::channel(false);
    let agents = AgentFace::new(Arc::clone(&node.door), up::settings(&config), stopped.clone());
    let (admin_path, agents_path) = (credential::socket(&state), credential::agents_socket(&state));
    let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let limits = ListenLimits::default();
    let admin_socket = credential::bind(&admin_path).unwrap();
    tokio::spawn(serve_unix(admin_socket, operators, limits, stopped.clone()));
    let agents_socket = credential::bind(&agents_path).unwrap();
    tokio::spawn(serve_unix(agents_socket, Arc::clone(&agents), limits, stopped.clone()));
    tokio::spawn(serve_tcp(tcp, agents, limits, stopped));

    let bearer = |credential: &str| format!("Authorization: Bearer {credential}\r\n");
    let another = NewCredential::from_random(CredentialKind::Operator, &[7; 40]).text;
    let held = [
        String::new(),
        "Callgate-Agent: ada\r\n".to_owned(),
        bearer(&key),
        bearer(&key.replacen("cgk_", "cgo_", 1)),
        bearer(&another),
    ];
    for verb in VERBS {
        for headers in &held {
            let stream = tokio::net::UnixStream::connect(&admin_path).await.unwrap();
            assert_eq!(status(stream, verb, headers).await, 401, "{verb} with `{headers}`");
        }
        // Where agents are there is no such verb, whatever is presented.
        for headers in held.iter().chain([&bearer(operator.reveal())]) {
            let stream = tokio::net::UnixStream::connect(&agents_path).await.unwrap();
            assert_eq!(status(stream, verb, headers).await, 404, "{verb} with `{headers}`");
            let stream = tokio::net::TcpStream::connect(address).await.unwrap();
            assert_eq!(status(stream, verb, headers).await, 404, "{verb} with `{headers}`");
        }
    }
    let proven = [("approvals/list", 200), ("approvals/approve", 400), ("approvals/reject", 400)];
    for (verb, expected) in proven {
        let stream = tokio::net::UnixStream::connect(&admin_path).await.unwrap();
        assert_eq!(status(stream, verb, &bearer(operator.reveal())).await, expected, "{verb}");
    }
    node.close().await.unwrap();
}

#[test]
fn a_person_is_shown_everything_and_what_the_agent_wrote_stands_behind_a_bar() {
    let long = "x".repeat(100_000);
    let shown = json!({
        "approval": "apr_01", "state": "waiting", "until": "2026-11-21T09:15:00.000000Z", "agent": "ada",
        "owner": "ann", "task": "agent:ada", "tool": "git__push", "risk": "privileged", "call": "sha256:ab",
        "reasons": ["a push leaves this machine"], "policies": ["p1"], "approvers": ["operators"],
        "self_approvable": false, "arguments_bytes": 100_010,
        "arguments_text": format!("{{\n  \"text\": \"{long}\"\n}}"),
    });
    let text = in_full(&shown);
    for part in ["git__push (risk privileged)", "ada (owner: ann)", "a push leaves this machine", "sha256:ab"]
    {
        assert!(text.contains(part), "{part}");
    }
    assert!(text.contains("beware"), "one yes is not enough");
    assert!(text.contains(&format!("  |   \"text\": \"{long}\"")), "nothing is cut");
    let (_, arguments) = text.split_once("as the agent wrote them:\n").unwrap();
    assert!(arguments.lines().all(|line| line.starts_with("  | ")));
}

#[tokio::test]
async fn a_request_that_went_away_does_not_end_the_watch() {
    let home = Home::new();
    let config = files::config(&home.0.join("callgate.toml")).unwrap();
    let operator = Operator::reach(&config).await.unwrap();
    let gone = operator.ask("approvals/show", json!({"id": "apr_01KAJ5W7Y0Q2S7M4F1N8ZB3C6D"})).await;
    assert_eq!(gone.unwrap_err().code, NEGATIVE);
    // Returns, and so would the next one be shown.
    meet(&operator, "apr_01KAJ5W7Y0Q2S7M4F1N8ZB3C6D", Output::Json, false).await;
    operator.close().await.unwrap();
}

#[test]
fn the_list_shows_the_tool_the_beginning_of_the_arguments_and_the_time_here_and_names_what_cannot_be_read() {
    let value = json!({
        "approvals": [{
            "approval": "apr_01", "state": "waiting", "agent": "ada", "tool": "git__push",
            "until": "2026-11-21T09:15:07.123456Z",
        }],
        "unreadable": [{"approval": "apr_02", "problem": "an approval's risk class is none"}],
    });
    let begun =
        begin("{\n  \"remote\": \"origin\",\n  \"text\": \"long and longer and longer and longer still\"\n}");
    assert_eq!(begun, r#"{ "remote": "origin", "text": "long and longer and longer an…"#);
    let shown = lines(&value, &HashMap::from([("apr_01".to_owned(), begun.clone())]));
    let (row, unread) = (shown.lines().nth(1).unwrap(), shown.lines().nth(2).unwrap());
    assert!(row.contains("git__push") && row.ends_with(&begun), "{row}");
    assert!(row.contains(":07 ") && !row.contains(".123456"), "to the second: {row}");
    assert!(unread.contains("apr_02") && unread.contains("risk class"), "{unread}");
}
