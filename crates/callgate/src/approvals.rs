//! `callgate approvals`: what waits for a person, and the person's answer. Must never send a yes for a call that was not
//! shown in full, or whose digest was not given.

use std::collections::{HashMap, HashSet};
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use registry::visible::shortened;
use rustix::termios::{QueueSelector, tcflush};
use serde_json::{Value, json};

use crate::cli::{Approvals, ApprovalsCommand, Approve, Output};
use crate::exit::{Failure, NEGATIVE, OK, UNAVAILABLE, USAGE, note, put};
use crate::operate::print;
use crate::remote::Operator;
use crate::render::{list, local, number, table, text, words};
use crate::terminal::is_yes;

/// How often `watch` looks.
const WATCH_PERIOD: Duration = Duration::from_millis(300);
/// Characters of the arguments in the list; `show` has all.
const ARGUMENTS_CHARS: usize = 60;
/// How many rows of the list show them: each is asked for.
const ARGUMENTS_SHOWN: usize = 50;

pub(crate) async fn run(operator: &Operator, approvals: Approvals, output: Output) -> Result<u8, Failure> {
    match approvals.command.unwrap_or(ApprovalsCommand::List { all: false }) {
        ApprovalsCommand::List { all } => {
            let value = kept(operator, all).await?;
            let arguments =
                if output == Output::Human { arguments(operator, &value).await } else { HashMap::new() };
            print(output, &value, |value| lines(value, &arguments));
        }
        ApprovalsCommand::Show { id } => {
            let value = operator.ask("approvals/show", json!({"id": id})).await?;
            print(output, &value, in_full);
        }
        ApprovalsCommand::Approve(approve) => return self::approve(operator, approve, output).await,
        ApprovalsCommand::Reject { id, note } => {
            let value = operator.ask("approvals/reject", json!({"id": id, "note": note})).await?;
            print(output, &value, answered);
        }
        ApprovalsCommand::Watch => return watch(operator, output).await,
    }
    Ok(OK)
}

/// What is kept; without `all`, what can still be answered or used.
async fn kept(operator: &Operator, all: bool) -> Result<Value, Failure> {
    let value = operator.ask("approvals/list", json!({})).await?;
    let mut kept = list(&value, "approvals").to_vec();
    kept.retain(|one| all || matches!(text(one, "state"), "waiting" | "approved"));
    Ok(json!({"approvals": kept, "unreadable": list(&value, "unreadable")}))
}

/// The beginning of what each would run with.
async fn arguments(operator: &Operator, kept: &Value) -> HashMap<String, String> {
    let mut begun = HashMap::new();
    for one in list(kept, "approvals").iter().take(ARGUMENTS_SHOWN) {
        let id = text(one, "approval");
        // One that went away meanwhile has none to show.
        if let Ok(shown) = operator.ask("approvals/show", json!({"id": id})).await {
            begun.insert(id.to_owned(), begin(text(&shown, "arguments_text")));
        }
    }
    begun
}

/// The arguments on one line, as far as there is room.
fn begin(arguments: &str) -> String {
    let line = arguments.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    shortened(&line, ARGUMENTS_CHARS)
}

async fn approve(operator: &Operator, approve: Approve, output: Output) -> Result<u8, Failure> {
    let (id, call) = match approve.digest {
        Some(digest) => (approve.id, digest),
        None => {
            if !std::io::stdin().is_terminal() {
                let text = format!(
                    "there is no terminal to ask on: run `callgate approvals show {}`, then give `--yes` and \
                     `--digest` with the call digest it prints",
                    approve.id
                );
                return Err(Failure::new(USAGE, text));
            }
            let shown = operator.ask("approvals/show", json!({"id": approve.id})).await?;
            // Whatever the output is: who answers has to see it.
            note(&in_full(&shown));
            if !is_yes(&asked("let this call run once? [y/N]")) {
                return Err(Failure::new(NEGATIVE, "nothing was approved"));
            }
            (text(&shown, "approval").to_owned(), text(&shown, "call").to_owned())
        }
    };
    let params = json!({"id": id, "call": call, "note": approve.note});
    let value = operator.ask("approvals/approve", params).await?;
    print(output, &value, answered);
    Ok(OK)
}

/// One line from the terminal. What was typed before the question was there answers something else, and is dropped.
fn asked(question: &str) -> String {
    if tcflush(std::io::stdin(), QueueSelector::IFlush).is_err() {
        return String::new();
    }
    drop(write!(std::io::stderr(), "{question} "));
    let mut answer = String::new();
    drop(std::io::stdin().read_line(&mut answer));
    answer.trim().to_owned()
}

async fn watch(operator: &Operator, output: Output) -> Result<u8, Failure> {
    if !operator.is_daemon() {
        let text = "no daemon serves this state directory, so no call can come; start `callgate up`";
        return Err(Failure::new(UNAVAILABLE, text));
    }
    let asks = output == Output::Human && std::io::stdin().is_terminal();
    let mut seen = HashSet::new();
    loop {
        let value = operator.ask("approvals/list", json!({})).await?;
        for one in list(&value, "unreadable") {
            if seen.insert(one.to_string()) {
                note(&unread(one));
            }
        }
        for one in list(&value, "approvals").iter().filter(|one| text(one, "state") == "waiting") {
            let id = text(one, "approval");
            if seen.insert(id.to_owned()) {
                meet(operator, id, output, asks).await;
            }
        }
        tokio::time::sleep(WATCH_PERIOD).await;
    }
}

/// Shows a new one, and takes an answer where there is somebody to give one.
///
/// It may go away while it is shown or read: that ends nothing, the next one is waited for all the same. A daemon that
/// is gone is noticed by who asks for the list.
async fn meet(operator: &Operator, id: &str, output: Output, asks: bool) {
    let shown = match operator.ask("approvals/show", json!({"id": id})).await {
        Ok(shown) => shown,
        Err(failure) => return failure.print(),
    };
    print(output, &shown, |shown| format!("{}\n", in_full(shown)));
    if !asks {
        return;
    }
    let (verb, params) = match asked("[y] let it run once, [n] reject, [Enter] leave it waiting:").as_str() {
        yes if is_yes(yes) => ("approvals/approve", json!({"id": id, "call": text(&shown, "call")})),
        "n" | "N" | "no" => {
            let said = asked("what to tell the agent (may be empty):");
            ("approvals/reject", json!({"id": id, "note": said}))
        }
        _ => return,
    };
    match operator.ask(verb, params).await {
        Ok(value) => put(&format!("{}\n", answered(&value))),
        Err(failure) => failure.print(),
    }
}

fn lines(value: &Value, arguments: &HashMap<String, String>) -> String {
    let mut shown = rows(list(value, "approvals"), arguments);
    for one in list(value, "unreadable") {
        shown.push('\n');
        shown.push_str(&unread(one));
    }
    shown
}

fn unread(one: &Value) -> String {
    let (id, problem) = (text(one, "approval"), text(one, "problem"));
    let id = if id.is_empty() { "one" } else { id };
    format!(
        "cannot be read: {id}: {problem}; it can be used for nothing and is deleted an hour after its time"
    )
}

fn rows(kept: &[Value], arguments: &HashMap<String, String>) -> String {
    if kept.is_empty() {
        return "nothing waits for an approval".to_owned();
    }
    let rows: Vec<Vec<String>> = kept
        .iter()
        .map(|one| {
            let (id, until) = (text(one, "approval"), local(text(one, "until")));
            let begun = arguments.get(id).map_or("…", String::as_str);
            let cells = [id, text(one, "state"), text(one, "agent"), &until, text(one, "tool"), begun];
            cells.iter().map(|cell| (*cell).to_owned()).collect()
        })
        .collect();
    table(&["APPROVAL", "STATE", "AGENT", "UNTIL", "TOOL", "ARGUMENTS"], &rows)
}

/// Everything, nothing shortened. What the agent wrote stands behind a bar.
fn in_full(value: &Value) -> String {
    let mut rows = vec![
        ("approval", text(value, "approval").to_owned()),
        ("state", format!("{}, until {}", text(value, "state"), local(text(value, "until")))),
        ("agent", with(text(value, "agent"), "owner", text(value, "owner"))),
        ("task", text(value, "task").to_owned()),
        ("tool", format!("{} (risk {})", text(value, "tool"), text(value, "risk"))),
        ("definition", text(value, "definition").to_owned()),
        (
            "asked because",
            list(value, "reasons").iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; "),
        ),
        ("by policies", words(value, "policies")),
        ("of groups", words(value, "approvers")),
        ("call digest", text(value, "call").to_owned()),
    ];
    if value.get("self_approvable") == Some(&json!(false)) {
        rows.push(("beware", "policy asks for more than one operator can give".to_owned()));
    }
    if let Some(answer) = value.get("answer").filter(|answer| answer.is_object()) {
        let said = with(text(answer, "by"), "said", text(answer, "note"));
        rows.push(("answered", format!("{} by {said}", local(text(answer, "at")))));
    }
    rows.retain(|(_, cell)| !cell.is_empty());
    let mut lines: Vec<String> = rows.iter().map(|(name, cell)| format!("{name:<14} {cell}")).collect();
    lines.push(format!("arguments, all {} bytes as the agent wrote them:", number(value, "arguments_bytes")));
    lines.extend(text(value, "arguments_text").lines().map(|line| format!("  | {line}")));
    lines.join("\n")
}

fn with(what: &str, name: &str, more: &str) -> String {
    if more.is_empty() { what.to_owned() } else { format!("{what} ({name}: {more})") }
}

fn answered(value: &Value) -> String {
    let (id, until) = (text(value, "approval"), local(text(value, "until")));
    if text(value, "state") == "approved" {
        return format!("{id} is approved: the agent can make this call once, until {until}");
    }
    format!("{id} is rejected: the same call is refused until {until}")
}

#[cfg(test)]
mod tests;
