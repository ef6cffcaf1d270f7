//! After the servers are configured: list their tools and certify them. Must never certify what this person was not
//! shown.

use std::path::Path;

use clients::Places;
use model::ids::ToolName;
use model::method::Method;
use serde_json::{Value, json};

use crate::certify;
use crate::exit::{Failure, NEGATIVE, note};
use crate::files;
use crate::import::ask::{Asking, tell};
use crate::import::{daemon, permits};
use crate::remote::Operator;
use crate::render::{self, list, text};

/// What this step works on.
pub(crate) struct Around<'a> {
    pub(crate) config: &'a Path,
    pub(crate) places: &'a Places,
    pub(crate) asking: Asking,
    pub(crate) human: bool,
    pub(crate) servers: Vec<String>,
}

/// Each once, in order.
pub(crate) fn once<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for one in all {
        if !seen.contains(&one) {
            seen.push(one);
        }
    }
    seen
}

/// Lists, certifies, proposes.
pub(crate) async fn run(around: &Around<'_>) -> Result<Value, Failure> {
    let config = files::config(around.config)?;
    let operator = Operator::reach(&config).await?;
    let operator = match unknown(&operator, around).await {
        Ok(missing) if missing.is_empty() => operator,
        Ok(missing) => {
            operator.close().await?;
            restarted(&config, around, &missing).await?
        }
        Err(failure) => {
            operator.close().await?;
            return Err(failure);
        }
    };
    let done = steps(&operator, around, &config).await;
    let closed = operator.close().await;
    done.and_then(|done| closed.map(|()| done))
}

async fn steps(operator: &Operator, around: &Around<'_>, config: &config::Config) -> Result<Value, Failure> {
    let unreachable = refresh(operator, around).await?;
    let certified = certify_all(operator, around).await?;
    let policy = permits::permits(operator, around, config).await?;
    Ok(json!({"unreachable": unreachable, "certified": certified, "policy": policy}))
}

/// Servers of this import that whoever answers does not know: a daemon that started before it.
async fn unknown(operator: &Operator, around: &Around<'_>) -> Result<Vec<String>, Failure> {
    let answer = operator.ask("servers/list", json!({})).await?;
    let known: Vec<String> =
        list(&answer, "servers").iter().map(|one| text(one, "server").to_owned()).collect();
    Ok(around.servers.iter().filter(|name| !known.contains(name)).cloned().collect())
}

/// With the person's word, the daemon ends; clients that need one start it again, with the new configuration.
async fn restarted(
    config: &config::Config,
    around: &Around<'_>,
    missing: &[String],
) -> Result<Operator, Failure> {
    note(&format!(
        "the daemon that runs does not know {} yet: it reads its configuration at start",
        missing.join(", ")
    ));
    let stops = around
        .asking
        .agrees("stop it? Connected clients start it again, a `callgate up` of yours you do")
        .await?;
    if !stops {
        return Err(Failure::new(
            NEGATIVE,
            "everything is written; stop the daemon, then run this again to list the tools",
        ));
    }
    let operator = daemon::replaced(config).await?;
    let still = unknown(&operator, around).await;
    match still {
        Ok(still) if still.is_empty() => Ok(operator),
        other => {
            operator.close().await?;
            let still = other?.join(", ");
            let text =
                format!("another daemon with another configuration was started: it does not know {still}");
            Err(Failure::new(NEGATIVE, text))
        }
    }
}

/// Starts each server to list its tools. Those that do not start are said and left for later.
async fn refresh(operator: &Operator, around: &Around<'_>) -> Result<Vec<String>, Failure> {
    let mut unreachable = Vec::new();
    for server in &around.servers {
        note(&format!("listing the tools of {server} …"));
        let answer = operator.ask("servers/refresh", json!({"server": server})).await?;
        for one in list(&answer, "refreshed") {
            if one.get("ok") != Some(&json!(true)) {
                let problem: String = text(one, "problem").chars().filter(|c| !c.is_control()).collect();
                note(&format!("  {server} did not answer: {problem}"));
                note(&format!("  `callgate servers refresh {server}` tries again"));
                unreachable.push(server.clone());
            }
        }
    }
    Ok(unreachable)
}

/// The tools of this import as they are now.
async fn tools(operator: &Operator, around: &Around<'_>) -> Result<Vec<Value>, Failure> {
    let answer = operator.ask("tools/list", json!({"server": null, "status": null})).await?;
    let ours = |tool: &Value| {
        let present = tool.get("present") == Some(&json!(true));
        present && around.servers.iter().any(|server| server == text(tool, "server"))
    };
    Ok(list(&answer, "tools").iter().filter(|tool| ours(tool)).cloned().collect())
}

async fn certify_all(operator: &Operator, around: &Around<'_>) -> Result<Vec<String>, Failure> {
    let listed = tools(operator, around).await?.into_iter();
    let waiting = listed.filter(|tool| tool.get("usable") != Some(&json!(true)));
    let (later, plain) = certify::apart(waiting);
    let mut certified = Vec::new();
    if !plain.is_empty() {
        show_plain(around, &plain);
        if around.asking.agrees(&format!("certify these {}?", certify::counted(&plain))).await? {
            certified.extend(certify_shown(operator, &plain).await?);
        }
    }
    if !later.is_empty() {
        let shown = show_later(operator, &later).await?;
        let question = format!("certify these {} as well, exactly as they are shown?", shown.len());
        if !shown.is_empty() && around.asking.insists(&question).await? {
            certified.extend(certify_named(operator, &shown).await?);
        } else if !shown.is_empty() {
            note("left in quarantine: `callgate tools show TOOL` shows one in full and how to certify it");
        }
    }
    withheld(operator, around).await?;
    Ok(certified)
}

/// Certifies what was shown, and says what stays where it is.
async fn certify_shown(operator: &Operator, plain: &[Value]) -> Result<Vec<String>, Failure> {
    let answer = certify::shown(operator, plain).await?;
    for one in list(&answer, "left") {
        left(text(one, "tool"), text(one, "because"));
    }
    Ok(list(&answer, "certified").iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// The same for those that are certified by name only.
async fn certify_named(operator: &Operator, later: &[Value]) -> Result<Vec<String>, Failure> {
    let mut certified = Vec::new();
    for tool in later {
        let name = text(tool, "tool");
        let params = json!({
            "tool": name,
            "definition": text(tool, "definition"),
            "risk": text(tool, "risk"),
            "returns_secrets": tool.get("returns_secrets"),
        });
        match operator.ask("tools/certify", params).await {
            Ok(_) => certified.push(name.to_owned()),
            Err(refused) if refused.code == NEGATIVE => left(name, &refused.text()),
            Err(failure) => return Err(failure),
        }
    }
    Ok(certified)
}

fn left(tool: &str, because: &str) {
    note(&format!(
        "{tool} stays in quarantine: {because}; `callgate tools show {tool}` shows it as it is now"
    ));
}

/// Tools that agents do not get whatever is certified.
async fn withheld(operator: &Operator, around: &Around<'_>) -> Result<(), Failure> {
    let all = tools(operator, around).await?;
    let secret = |tool: &&Value| tool.get("returns_secrets") == Some(&json!(true));
    let names: Vec<&str> = all.iter().filter(secret).map(|tool| text(tool, "tool")).collect();
    if !names.is_empty() {
        note(&format!(
            "agents do not see {}: what it returns are secrets (policy starter/no-secrets)",
            names.join(", ")
        ));
    }
    Ok(())
}

fn show_plain(around: &Around<'_>, plain: &[Value]) {
    let say = |text: &str| tell(around.human, text);
    say("\nproposed risk of the tools (read: permitted; write, privileged: need a permit):");
    for server in &around.servers {
        for risk in ["read", "write", "privileged"] {
            let of = |tool: &&Value| text(tool, "server") == server && text(tool, "risk") == risk;
            let names = once(plain.iter().filter(of).map(|tool| in_short(text(tool, "name"))));
            if !names.is_empty() {
                say(&format!("  {server:<16} {risk:<10} {}", names.join(", ")));
            }
        }
    }
}

/// A tool by its name; what is asked beside tools by what it is about, once for all its methods.
fn in_short(name: &str) -> &str {
    let method = ToolName::parse(name).ok().and_then(|name| Method::of(&name));
    match method {
        None | Some(Method::CallTool) => name,
        Some(Method::ListResources | Method::ListTemplates) => "what resources it has",
        Some(Method::ListPrompts) => "what prompts it has",
        Some(Method::ReadResource) => "reading its resources",
        Some(Method::Subscribe) => "watching its resources",
        Some(Method::GetPrompt) => "getting its prompts",
        Some(Method::Complete) => "its completion",
        Some(Method::GetServerTask | Method::UpdateServerTask | Method::CancelServerTask) => "its tasks",
        Some(Method::Elicit) => "asking you",
        Some(Method::Sample) => "asking the model",
        Some(Method::ListRoots) => "asking where you work",
    }
}

/// Shows each in full; what was shown is what may be certified here. One that a person certified before is looked at by
/// itself, with what changed.
async fn show_later(operator: &Operator, later: &[Value]) -> Result<Vec<Value>, Failure> {
    note("\nthese need a closer look:");
    let mut shown = Vec::new();
    for tool in later {
        let name = text(tool, "tool");
        note(&format!("\n{name}: {}", text(tool, "by_name_because")));
        let full = operator.ask("tools/show", json!({"tool": name})).await?;
        if full.get("certified").is_some_and(|certified| !certified.is_null()) {
            left(name, "it was certified before");
            continue;
        }
        note(&render::definition(&full));
        shown.push(full);
    }
    Ok(shown)
}
