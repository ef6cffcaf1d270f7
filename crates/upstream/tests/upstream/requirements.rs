//! Security requirements of MCP that are kept at this edge, by their numbers in `docs/threats/mcp-requirements.md`.
//! Must never test what a better-named test shows already.

use std::time::Duration;

use model::denial::Reason;
use model::json::Json;
use ports::sealed::SecretText;
use ports::upstream::Sent;
use upstream::Transport;

use crate::peer::{Peer, empty, json, modern, result};
use crate::support::{child, finish, rig, site, text, tree};

#[tokio::test]
async fn s23_nothing_that_a_server_points_to_is_fetched() {
    let elsewhere = Peer::start(|_| empty(200, "")).await;
    let there = elsewhere.url.clone();
    let server = move |seen: &crate::peer::Seen| match seen.method() {
        "server/discover" => {
            let us = format!(
                r#"{{"name":"l","version":"1","websiteUrl":"{there}","icons":[{{"src":"{there}","mimeType":"image/svg+xml"}}]}}"#
            );
            let offers = r#""supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}"#;
            let meta = format!(r#""_meta":{{"io.modelcontextprotocol/serverInfo":{us}}}"#);
            json(200, "", &result(seen, &format!("{{{offers},{meta}}}")))
        }
        "tools/list" => {
            let schema = format!(
                r#"{{"type":"object","$schema":"{there}","properties":{{"a":{{"$ref":"{there}"}}}}}}"#
            );
            let echo = format!(r#"{{"name":"echo","icons":[{{"src":"{there}"}}],"inputSchema":{schema}}}"#);
            json(200, "", &result(seen, &format!(r#"{{"tools":[{echo}]}}"#)))
        }
        "tools/call" => {
            let link = format!(r#"{{"type":"resource_link","uri":"{there}","name":"n"}}"#);
            let said = r#"{"type":"text","text":"said"}"#;
            json(200, "", &result(seen, &format!(r#"{{"content":[{said},{link}]}}"#)))
        }
        _ => empty(202, ""),
    };
    let peer = Peer::start(server).await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    assert_eq!(text(&rig.run(rig.call("echo", "{}")).await.unwrap()), "said");
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn s45_no_shell_reads_the_command_line() {
    let words = ["$(echo a)", "`echo b`", "; echo c", "*", "$HOME", "a b", "\"q\"", ""];
    let mut config = child("good.py");
    let Transport::Stdio(command) = &mut config.transport else { panic!() };
    command.argv.extend(words.map(str::to_owned).map(SecretText::plain));
    let rig = rig(config);
    rig.refresh().await.unwrap();
    let asked =
        rig.call("environment", r#"{"text":"x","command":"echo","argv":["y"],"cwd":"/","env":{"Z":"z"}}"#);
    let ports::upstream::Answer::Result { result, .. } = rig.run(asked).await.unwrap() else { panic!() };
    let Some(Json::Array(content)) = tree(&result).get("content").cloned() else { panic!() };
    let said = content[0].get("text").and_then(Json::as_str).unwrap().to_owned();
    let seen = tree(&crate::support::raw(&said));
    let Some(Json::Array(argv)) = seen.get("argv") else { panic!() };
    assert_eq!(argv.iter().filter_map(Json::as_str).collect::<Vec<_>>(), words);
    assert_eq!(seen.get("env").and_then(|env| env.get("Z")), None);
}

#[tokio::test]
async fn s49_progress_does_not_move_the_end_of_a_call() {
    let rig = rig(child("hang.py"));
    rig.refresh().await.unwrap();
    // The child is up before the short call begins.
    rig.say("cancelled", "").await.unwrap();
    let mut call = rig.call("ticks", "{}");
    (call.wants_progress, call.deadline) = (true, Duration::from_secs(1));
    let (progress, answer) = finish(rig.open(call).await.unwrap()).await;
    assert!(progress.len() > 1, "it lives, and says so");
    let fault = answer.unwrap_err();
    assert_eq!((fault.reason, fault.sent), (Reason::UpstreamTimeout, Sent::Maybe));
}

#[tokio::test]
async fn s53_one_invalid_annotation_takes_no_other_tool_away() {
    let peer = Peer::start(modern(|seen| json(200, "", &crate::peer::said(seen, "hi")))).await;
    let rig = rig(site(peer.url.clone()));
    rig.refresh().await.unwrap();
    let refused = rig.run(rig.call("bad-header", r#"{"n":1}"#)).await.unwrap_err();
    assert_eq!(refused.sent, Sent::No);
    assert!(refused.private.contains("x-mcp-header"), "{}", refused.private);
    assert_eq!(text(&rig.run(rig.call("echo", "{}")).await.unwrap()), "hi");
    assert!(peer.asked("tools/call").iter().all(|call| call.tool() == "echo"));
}
