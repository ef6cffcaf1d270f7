//! The steps of the tour, in order. Must never go on when a step did not end as it says.

use serde_json::{Value, json};

use super::scratch::Scratch;
use super::server::POISONED;
use super::stage::Stage;
use crate::exit::{CANNOT_CREATE, Failure, INTERNAL, NEGATIVE, put};
use crate::render::{list, text};

fn unexpected(what: &str, said: &str) -> Failure {
    Failure::new(INTERNAL, format!("the tour expected {what}, and got: {said}; please report this"))
}

/// Servers are listed, tools looked at, an agent is added.
pub(super) async fn prepare(stage: &Stage) -> Result<(), Failure> {
    stage
        .step(
            "1  A door, two servers, an assistant",
            [
                "Two MCP servers run behind a Callgate of their own. New tools wait until a person has looked at them;",
                "those that need no closer look are certified in one step. The assistant gets a name and no key.",
            ],
        )
        .await?;
    stage.quietly(&["servers", "refresh"]).await?;
    stage.operator(&["tools", "certify", "--all-unflagged", "--yes"], 4).await?;
    stage.operator(&["agents", "add", "tour", "--local"], 2).await?;
    Ok(())
}

/// What policy permits.
pub(super) async fn read(stage: &Stage, scratch: &Scratch) -> Result<(), Failure> {
    stage
        .step(
            "2  A read",
            [
                "The assistant starts `callgate wrap` in place of the server: the same tools under the same names.",
                "Policy permits reading, so the call goes through, and is recorded before it is sent.",
            ],
        )
        .await?;
    stage.client("files", None).await?;
    let path = scratch.work().join("notes.txt");
    let told = stage.client("files", Some(("read_text_file", json!({"path": path})))).await?;
    if told.ok { Ok(()) } else { Err(unexpected("the file", &told.text)) }
}

/// What policy refuses.
pub(super) async fn refused(stage: &Stage) -> Result<(), Failure> {
    stage
        .step(
            "3  A write that policy refuses",
            [
                "The same tool is permitted below the workspace and refused outside it: the arguments decide.",
                "The server never sees this call; the assistant reads why.",
            ],
        )
        .await?;
    let arguments = json!({"path": "/etc/callgate-tour.txt", "content": "hello"});
    let told = stage.client("files", Some(("write_file", arguments))).await?;
    if told.ok { Err(unexpected("a refusal", &told.text)) } else { Ok(()) }
}

/// What waits for a person. Answers the call's id.
pub(super) async fn parked(stage: &Stage, scratch: &Scratch) -> Result<(), Failure> {
    stage
        .step(
            "4  A call that waits for you",
            [
                "Policy wants a person for moving files. The call is not sent and not lost: it waits for you, who answer on",
                "another socket with another credential. `callgate doctor` says whether yours is out of an assistant's reach.",
            ],
        )
        .await?;
    let (from, to) = (scratch.work().join("notes.txt"), scratch.work().join("todo.txt"));
    let call = || Some(("move_file", json!({"source": from, "destination": to})));
    let told = stage.client("files", call()).await?;
    let waiting = stage.json(&["approvals", "list"]).await?;
    let Some(one) = list(&waiting, "approvals").first().filter(|_| !told.ok) else {
        return Err(unexpected("a call that waits", &told.text));
    };
    let id = text(one, "approval").to_owned();
    stage.operator(&["approvals", "show", &id], 40).await?;
    let shown = stage.json(&["approvals", "show", &id]).await?;
    if !stage.agreed("let this call run once?").await? {
        stage.operator(&["approvals", "reject", &id, "--note", "not today"], 2).await?;
        stage.client("files", call()).await?;
        return Ok(());
    }
    let digest = text(&shown, "call").to_owned();
    stage.operator(&["approvals", "approve", &id, "--yes", "--digest", &digest], 2).await?;
    let told = stage.client("files", call()).await?;
    if told.ok && to.exists() { Ok(()) } else { Err(unexpected("the file to be moved", &told.text)) }
}

/// What a server changes behind your back.
pub(super) async fn drifted(stage: &Stage, scratch: &Scratch) -> Result<(), Failure> {
    stage
        .step(
            "5  A tool that changes",
            [
                "The weather server is harmless when you certify it. Then it is updated, and its tool says something else.",
                "What was reviewed is what is called: the changed tool is refused until a person has looked.",
            ],
        )
        .await?;
    let call = || Some(("forecast", json!({"city": "Vienna"})));
    stage.client("weather", None).await?;
    stage.client("weather", call()).await?;
    let written = std::fs::write(scratch.definition(), POISONED);
    written
        .map_err(|error| Failure::new(CANNOT_CREATE, format!("cannot update the tour's server: {error}")))?;
    put("  (the server is updated)");
    stage.operator(&["servers", "refresh", "weather"], 1).await?;
    let told = stage.client("weather", call()).await?;
    if told.ok || !told.text.contains("a person") {
        return Err(unexpected("a changed tool to be refused", &told.text));
    }
    stage.operator(&["status"], 12).await?;
    stage.operator(&["tools", "show", "weather__forecast"], 24).await?;
    Ok(())
}

/// What the record has.
pub(super) async fn record(stage: &Stage) -> Result<(), Failure> {
    stage
        .step(
            "6  The record",
            [
                "Every decision and every outcome, in order; nothing is sent before its entry is on the disk.",
                "One call explained: who, which definition, which policies, whose approval, how it ended.",
            ],
        )
        .await?;
    stage.operator(&["log", "tail", "--limit", "12"], 12).await?;
    let read = stage.json(&["log", "tail", "--limit", "200"]).await?;
    let moved = list(&read, "entries").iter().rev().find_map(|entry| {
        let leaf = entry.get("leaf").filter(|leaf| text(leaf, "tool") == "move_file")?;
        leaf.get("call").and_then(Value::as_str)
    });
    let Some(call) = moved else {
        return Err(Failure::new(NEGATIVE, "the record has no call of `move_file`"));
    };
    stage.operator(&["explain", call], 60).await?;
    Ok(())
}
