//! A person's word for tools. Must never certify what this person was not shown.

use std::io::IsTerminal as _;

use model::ids::ToolName;
use model::method::Method;
use serde_json::{Value, json};

use crate::cli::{CertifyTool, Output};
use crate::exit::{Failure, NEGATIVE, OK, USAGE, note, put};
use crate::operate::print;
use crate::remote::Operator;
use crate::render::{self, list, text};
use crate::terminal::{asked, is_yes};

/// Characters of a digest in a table: `sha256:` and twelve digits.
const DIGEST_CHARS: usize = 19;

/// `tools certify`.
pub(crate) async fn run(operator: &Operator, certify: CertifyTool, output: Output) -> Result<u8, Failure> {
    if certify.all_unflagged {
        let value = unflagged(operator, certify.server.as_deref(), certify.yes).await?;
        print(output, &value, render::bulk);
        return Ok(OK);
    }
    let tool = certify.tool.unwrap_or_default();
    let definition = match certify.definition {
        Some(definition) => definition,
        None => show_and_ask(operator, &tool).await?,
    };
    let params = json!({
        "tool": tool,
        "definition": definition,
        "risk": certify.risk,
        "returns_secrets": certify.returns_secrets,
    });
    let value = operator.ask("tools/certify", params).await?;
    print(output, &value, render::certified);
    Ok(OK)
}

/// Tools that wait: those that are certified by name only, and the others.
pub(crate) fn apart(waiting: impl Iterator<Item = Value>) -> (Vec<Value>, Vec<Value>) {
    waiting.partition(|tool| tool.get("by_name_because").is_some_and(Value::is_string))
}

/// Certifies exactly what was shown: a tool that is another by now stays where it is. Answers `certified` and `left`.
pub(crate) async fn shown(operator: &Operator, tools: &[Value]) -> Result<Value, Failure> {
    let one = |tool: &Value| json!({"tool": text(tool, "tool"), "definition": text(tool, "definition"), "risk": text(tool, "risk")});
    let shown: Vec<Value> = tools.iter().map(one).collect();
    operator.ask("tools/certify_shown", json!({"shown": shown})).await
}

/// Everything that needs no closer look, after it was shown. Names what is left, and why.
async fn unflagged(operator: &Operator, server: Option<&str>, yes: bool) -> Result<Value, Failure> {
    let asked = json!({"server": server, "status": "quarantined"});
    let answer = operator.ask("tools/list", asked).await?;
    let (by_name, plain) = apart(list(&answer, "tools").iter().cloned());
    let mut left: Vec<Value> = by_name
        .iter()
        .map(|tool| json!({"tool": text(tool, "tool"), "because": text(tool, "by_name_because")}))
        .collect();
    if plain.is_empty() {
        return Ok(json!({"certified": [], "left": left}));
    }
    note(&table(&plain));
    if !yes {
        confirm(&format!("certify these {} as they are shown?", counted(&plain))).await?;
    }
    let answer = shown(operator, &plain).await?;
    left.extend_from_slice(list(&answer, "left"));
    Ok(json!({"certified": list(&answer, "certified"), "left": left}))
}

/// How many tools, and how many of the methods that are asked for beside them.
pub(crate) fn counted(all: &[Value]) -> String {
    let of = |one: &Value| ToolName::parse(text(one, "name")).ok().and_then(|name| Method::of(&name));
    let methods = all.iter().filter(|one| of(one).is_some()).count();
    let said = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    match (all.len() - methods, methods) {
        (tools, 0) => said(tools, "tool"),
        (0, methods) => said(methods, "method"),
        (tools, methods) => format!("{} and {}", said(tools, "tool"), said(methods, "method")),
    }
}

/// What a yes is asked for.
fn table(tools: &[Value]) -> String {
    let row = |tool: &Value| {
        let digest = text(tool, "definition").chars().take(DIGEST_CHARS).collect();
        vec![text(tool, "tool").to_owned(), text(tool, "risk").to_owned(), digest]
    };
    render::table(&["TOOL", "RISK", "DEFINITION"], &tools.iter().map(row).collect::<Vec<_>>())
}

/// Shows the full definition, and takes a yes for exactly that.
async fn show_and_ask(operator: &Operator, tool: &str) -> Result<String, Failure> {
    if !std::io::stdin().is_terminal() {
        let text =
            format!("run `callgate tools show {tool}`, then give `--definition` with the digest it prints");
        return Err(Failure::new(USAGE, text));
    }
    let value = operator.ask("tools/show", json!({"tool": tool})).await?;
    put(&render::tool(&value));
    confirm(&format!("certify `{tool}` at this definition?")).await?;
    Ok(text(&value, "definition").to_owned())
}

/// Asks on the terminal; without one, `--yes` is needed.
async fn confirm(question: &str) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(USAGE, format!("{question} give `--yes`: there is no terminal to ask on")));
    }
    let answer = asked(&format!("{question} [y/N] ")).await?;
    if is_yes(&answer) { Ok(()) } else { Err(Failure::new(NEGATIVE, "nothing was certified")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_names_each_tool_with_its_risk_and_the_beginning_of_its_digest() {
        let digest = format!("sha256:0123456789ab{}", "f".repeat(52));
        let tool = json!({"tool": "files__read", "risk": "read", "definition": digest});
        let shown = table(&[tool]);
        assert!(shown.lines().next().is_some_and(|head| head.starts_with("TOOL")));
        assert_eq!(shown.lines().nth(1), Some("files__read  read  sha256:0123456789ab"));
    }

    #[test]
    fn tools_and_methods_are_counted_apart() {
        let all = ["read", "write", "mcp:resources/list", "mcp:resources/read", "mcp:prompts/list"];
        let all = all.map(|name| json!({"name": name}));
        let said = |from: usize, to: usize| counted(&all[from..to]);
        assert_eq!(said(0, 5), "2 tools and 3 methods");
        assert_eq!(said(1, 3), "1 tool and 1 method");
        assert_eq!((said(0, 2).as_str(), said(2, 4).as_str()), ("2 tools", "2 methods"));
    }

    #[test]
    fn what_has_to_be_looked_at_is_kept_apart() {
        let tool = |name: &str, because: Value| json!({"tool": name, "by_name_because": because});
        let (by_name, plain) =
            apart([tool("s__run", json!("it is privileged")), tool("s__read", Value::Null)].into_iter());
        assert_eq!((text(&by_name[0], "tool"), text(&plain[0], "tool")), ("s__run", "s__read"));
        assert_eq!((by_name.len(), plain.len()), (1, 1));
    }
}
