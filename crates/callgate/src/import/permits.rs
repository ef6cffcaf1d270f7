//! Permits for the writes of a workspace, proposed and put into force. Must never write a policy that this person was
//! not shown.

mod name;

use std::path::{Path, PathBuf};

use clients::{ProposedTool, Surroundings, propose};
use model::digest::Digest;
use model::ids::{ServerName, ToolName};
use model::method::Method;
use model::tool::ToolRef;
use serde_json::{Value, json};
use server::PolicyFiles as _;

use crate::exit::{DATA, Failure, NEGATIVE, note};
use crate::files::PolicyDirectory;
use crate::import::ask::{Asking, Choice, tell};
use crate::import::tools::{Around, once};
use crate::import::vault::Vault;
use crate::import::write;
use crate::remote::Operator;
use crate::render::{list, text};

/// Proposes the permits of this workspace, and puts them into force when this person agrees.
pub(super) async fn permits(
    operator: &Operator,
    around: &Around<'_>,
    config: &config::Config,
) -> Result<Value, Failure> {
    let Some(directory) = config.policy.paths.iter().find(|path| path.is_dir()) else {
        note("`policy.paths` names no directory, so no permits are proposed");
        return Ok(Value::Null);
    };
    let tools = certified(operator).await?;
    let writes: Vec<ProposedTool> = tools.iter().filter(|tool| tool.risk != "read").cloned().collect();
    let places = clients::places(&tools);
    // Nothing to permit; and no argument through which Callgate's own files could be named.
    if writes.is_empty() && places.is_empty() {
        return Ok(Value::Null);
    }
    let surroundings = Surroundings { places, ..surroundings(around, config) };
    if surroundings.workspace.is_none() {
        note("the workspace is your home directory or above it: writes there are not permitted as a whole;");
        note("run this again with `--workspace DIR` for permits of one project");
    }
    let proposed = propose(&writes, &surroundings);
    let target = directory.join(format!("{}.cedar", surroundings.name));
    let before = std::fs::read_to_string(&target).ok();
    if before.as_deref() == Some(proposed.as_str()) {
        return reload(operator, &target).await;
    }
    let mut vault = Vault::open(&config.store.path)?;
    let sealed = format!("clients/policy/{}", surroundings.name);
    let ours = vault.get(&sealed)?.map(|digest| digest.reveal().to_owned());
    let edited = before.as_ref().is_some_and(|text| Some(digest(text)) != ours);
    if edited && around.asking == Asking::Yes {
        note(&format!("`{}` was edited since it was proposed; it stays as it is", target.display()));
        return reload(operator, &target).await;
    }
    let shown = target.display().to_string();
    let text = match &before {
        Some(before) => clients::unified(&shown, before, &proposed, &[]),
        None => format!("\nproposed policy {shown}:\n\n{proposed}"),
    };
    tell(around.human, &text);
    let Some(accepted) = accept(operator, around, config, &target, proposed).await? else {
        note("no permits were written: agents can read and list, and nothing else");
        return Ok(Value::Null);
    };
    write::replace(&target, before.as_ref().map(String::as_bytes), &accepted)?;
    vault.put(&sealed, digest(&accepted))?;
    reload(operator, &target).await
}

fn digest(text: &str) -> String {
    Digest::of(text.as_bytes()).to_string()
}

async fn reload(operator: &Operator, target: &Path) -> Result<Value, Failure> {
    let answer = operator.ask("policy/reload", json!({})).await?;
    Ok(json!({"file": target, "in_force": answer}))
}

/// The text this person accepts, perhaps edited; checked with all other policies.
async fn accept(
    operator: &Operator,
    around: &Around<'_>,
    config: &config::Config,
    target: &Path,
    proposed: String,
) -> Result<Option<String>, Failure> {
    let mut current = proposed;
    loop {
        let problems = problems(operator, config, target, &current).await?;
        problems.iter().for_each(|problem| note(problem));
        if !problems.is_empty() && around.asking == Asking::Yes {
            return Err(Failure::new(DATA, "the proposed policy does not fit yours; nothing was written"));
        }
        let question = if problems.is_empty() { "put this policy into force?" } else { "correct it?" };
        match around.asking.chooses(question).await? {
            Choice::Yes if problems.is_empty() => return Ok(Some(current)),
            Choice::Yes | Choice::Edit => current = edit(config, &current)?,
            Choice::No => return Ok(None),
        }
    }
}

async fn problems(
    operator: &Operator,
    config: &config::Config,
    target: &Path,
    new: &str,
) -> Result<Vec<String>, Failure> {
    let all =
        PolicyDirectory(config.policy.paths.clone()).read().map_err(|problem| Failure::new(DATA, problem))?;
    let shown = target.display().to_string();
    let others = all.into_iter().filter(|source| source.file != shown);
    let mut files: Vec<Value> =
        others.map(|source| json!({"file": source.file, "text": source.text})).collect();
    files.push(json!({"file": shown, "text": new}));
    let answer = operator.ask("policy/check", json!({"files": files})).await?;
    let line = |one: &Value| {
        let at = one.get("line").and_then(Value::as_u64).unwrap_or(0);
        format!("{}:{at}: {}; {}", text(one, "file"), text(one, "message"), text(one, "fix"))
    };
    // Problems of other files are theirs: they do not keep this one out.
    Ok(list(&answer, "problems").iter().filter(|one| text(one, "file") == shown).map(line).collect())
}

/// Opens the person's editor on a copy.
fn edit(config: &config::Config, text: &str) -> Result<String, Failure> {
    let path = config.store.path.join("proposed.cedar");
    drop(std::fs::remove_file(&path));
    write::replace(&path, None, text)?;
    let editor =
        ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok()).unwrap_or_else(|| "vi".into());
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or("vi");
    let status = std::process::Command::new(program).args(words).arg(&path).status();
    let edited = std::fs::read_to_string(&path);
    drop(std::fs::remove_file(&path));
    match (status, edited) {
        (Ok(status), Ok(edited)) if status.success() => Ok(edited),
        _ => Err(Failure::new(NEGATIVE, format!("the editor `{editor}` failed; nothing was written"))),
    }
}

/// The certified tools with their arguments: of every server, because the file is about all of them.
async fn certified(operator: &Operator) -> Result<Vec<ProposedTool>, Failure> {
    let mut tools = Vec::new();
    let answer = operator.ask("tools/list", json!({"server": null, "status": null})).await?;
    for tool in list(&answer, "tools") {
        let usable = tool.get("usable") == Some(&json!(true));
        let name = ServerName::parse(text(tool, "server")).ok().zip(ToolName::parse(text(tool, "name")).ok());
        let Some((server, tool_name)) = name.filter(|_| usable) else { continue };
        if Method::of(&tool_name).is_some_and(Method::is_question) {
            // What a server asks is no write of an agent, and names no place an agent reaches.
            continue;
        }
        let shown = operator.ask("tools/show", json!({"tool": text(tool, "tool")})).await?;
        let definition: Value = serde_json::from_str(text(&shown, "definition_text")).unwrap_or_default();
        tools.push(ProposedTool {
            server: server.as_str().to_owned(),
            action: policy::action_of(&ToolRef { server, tool: tool_name }),
            risk: text(tool, "risk").to_owned(),
            texts: arguments(&definition, is_text),
            others: arguments(&definition, |schema| !is_text(schema)),
            lists: arguments(&definition, is_list),
        });
    }
    Ok(tools)
}

/// What policies see as a text: of the formats, some are a type of their own there.
fn is_text(schema: &Value) -> bool {
    let another = matches!(text(schema, "format"), "date-time" | "ipv4" | "ipv6");
    text(schema, "type") == "string" && !another
}

/// A list of texts.
fn is_list(schema: &Value) -> bool {
    text(schema, "type") == "array" && schema.pointer("/items/type") == Some(&json!("string"))
}

/// The arguments of this kind.
fn arguments(definition: &Value, kind: impl Fn(&Value) -> bool) -> Vec<String> {
    let properties = definition.pointer("/inputSchema/properties").and_then(Value::as_object);
    let of_kind = properties.into_iter().flatten().filter(|(_, schema)| kind(schema));
    of_kind.map(|(name, _)| name.clone()).collect()
}

fn surroundings(around: &Around<'_>, config: &config::Config) -> Surroundings {
    let workspace = &around.places.workspace;
    let too_much = around.places.home.starts_with(workspace);
    let shown = |path: &Path| path.to_string_lossy().into_owned();
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let mut own: Vec<PathBuf> = vec![around.config.to_path_buf(), config.store.path.clone()];
    own.extend(config.policy.paths.iter().cloned());
    let also: Vec<PathBuf> = own.iter().map(|path| real(path)).collect();
    own.extend(also);
    let own = once(own.iter().map(|path| shown(path)));
    Surroundings {
        name: name(around, config),
        workspace: (!too_much).then(|| shown(workspace)),
        own,
        places: Vec::new(),
    }
}

/// The name of this workspace's file of policies.
fn name(around: &Around<'_>, config: &config::Config) -> String {
    let directory = config.policy.paths.iter().find(|path| path.is_dir());
    name::file_name(&around.places.workspace, &|name| {
        std::fs::read_to_string(directory?.join(format!("{name}.cedar"))).ok()
    })
}

#[cfg(test)]
mod tests;
