//! From files and facts to a snapshot. Must never return a snapshot while anything is wrong.

use std::collections::{BTreeMap, HashMap};

use cedar_policy::EntityUid;
use model::digest::Digest;
use model::ids::ServerName;

use crate::check::{self, World};
use crate::decision::ApprovalEvidence;
use crate::evaluate::approval_value;
use crate::facts::{PolicySource, ServerFacts, ToolFacts};
use crate::index::{Index, Rule};
use crate::instant::Clock;
use crate::names::{self, Types};
use crate::prepared::Memo;
use crate::problem::{PolicyProblem, ProblemKind};
use crate::schema::{self, ToolType};
use crate::snapshot::{Entry, Place, PolicySnapshot};
use crate::source::{on_large_stack, parse};

/// Compiles on a thread with a large stack.
pub(crate) fn load(
    sources: &[PolicySource],
    servers: &[ServerFacts],
    tools: &[ToolFacts],
) -> Result<PolicySnapshot, Vec<PolicyProblem>> {
    let built = on_large_stack(|| build(sources, servers, tools));
    let mut problems = match built {
        Some(Ok(snapshot)) => return Ok(snapshot),
        Some(Err(problems)) => problems,
        None => vec![whole("the policies could not be read on a thread of their own".to_owned())],
    };
    problems.sort();
    problems.dedup();
    Err(problems)
}

fn build(
    sources: &[PolicySource],
    servers: &[ServerFacts],
    tools: &[ToolFacts],
) -> Result<PolicySnapshot, Vec<PolicyProblem>> {
    let types = Types::new().ok_or_else(|| vec![whole("the entity types have no names".to_owned())])?;
    let names: Vec<ServerName> = servers.iter().map(|server| server.name.clone()).collect();
    let tool_types: Vec<ToolType> = tools.iter().map(ToolType::of).collect();
    let entries = entries(&types, servers, tool_types).map_err(|message| vec![whole(message)])?;
    let by_action: BTreeMap<EntityUid, &ToolType> =
        entries.iter().map(|entry| (entry.action.clone(), &entry.kind)).collect();
    let schema = schema::compile(&names, by_action.values().copied())
        .map_err(|error| vec![whole(format!("the schema of these tools is not valid: {error}"))])?;
    let mut problems = Vec::new();
    let parsed = parse(sources, &mut problems);
    let world = World { sources, tools: &by_action, schema: &schema };
    let checked = check::check(&world, parsed);
    problems.extend(checked.problems);
    if !problems.is_empty() {
        problems.extend(checked.notices);
        return Err(problems);
    }
    let mut notices = checked.notices;
    notices.sort();
    notices.dedup();
    Ok(PolicySnapshot {
        digest: digest(sources, servers, tools),
        notices,
        schema,
        types,
        index: Index::new(Rule::all(&checked.policies)),
        servers: places(servers, entries.len()),
        tools: entries
            .into_iter()
            .map(|entry| (entry.kind.tool.name.clone(), entry))
            .collect::<HashMap<_, _>>(),
        memo: Memo::default(),
        clock: Clock::default(),
        nobody: approval_value(&ApprovalEvidence::none()),
    })
}

fn entries(types: &Types, servers: &[ServerFacts], tools: Vec<ToolType>) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::with_capacity(tools.len());
    for (number, kind) in tools.into_iter().enumerate() {
        let name = &kind.tool.name;
        if !servers.iter().any(|server| server.name == name.server) {
            return Err(format!(
                "tool `{name}` belongs to server `{}`, which is not configured",
                name.server
            ));
        }
        let action = names::tool_action(name).ok_or_else(|| format!("tool `{name}` has no action name"))?;
        let ancestors = kind.groups().iter().map(|group| types.shared_action(group)).collect();
        entries.push(Entry { number, action, ancestors, kind });
    }
    let mut names: Vec<_> = entries.iter().map(|entry| &entry.kind.tool.name).collect();
    names.sort();
    match names.array_windows::<2>().find(|[left, right]| left == right) {
        Some([name, _]) => Err(format!("tool `{name}` is given twice")),
        None => Ok(entries),
    }
}

fn places(servers: &[ServerFacts], first: usize) -> BTreeMap<ServerName, Place> {
    let place = |(at, server): (usize, &ServerFacts)| {
        let place = Place { number: first + at, environment: server.environment.clone() };
        (server.name.clone(), place)
    };
    servers.iter().enumerate().map(place).collect()
}

/// A problem that no file is to blame for.
fn whole(message: String) -> PolicyProblem {
    PolicyProblem {
        file: "(tools)".to_owned(),
        line: 1,
        column: 1,
        policy: None,
        kind: ProblemKind::Schema,
        message,
        fix: "report this: policies are refused until it is gone".to_owned(),
    }
}

/// Over everything that a decision can depend on, in an order that does not depend on the caller.
fn digest(sources: &[PolicySource], servers: &[ServerFacts], tools: &[ToolFacts]) -> Digest {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut line =
        |parts: &[&[u8]]| lines.push(Digest::of_parts("callgate/policy/part/v1", parts).as_bytes().to_vec());
    for source in sources {
        line(&[b"source", source.file.as_bytes(), source.text.as_bytes()]);
    }
    for server in servers {
        line(&[b"server", server.name.as_str().as_bytes(), server.environment.as_bytes()]);
    }
    for tool in tools {
        let pinned = &tool.tool;
        line(&[
            b"tool",
            pinned.name.to_string().as_bytes(),
            pinned.definition.as_bytes(),
            pinned.risk.as_str().as_bytes(),
            &[u8::from(tool.returns_secrets)],
            tool.input_schema.canonical().as_bytes(),
        ]);
    }
    lines.sort();
    let parts: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
    Digest::of_parts("callgate/policy/v1", &parts)
}
