//! The control state, written and read. Must never keep half a change: each is a savepoint of its own.

use std::collections::HashMap;
use std::sync::Arc;

use model::digest::Digest;
use model::ids::{AgentId, GroupName, ServerName, ToolName};
use model::principal::{Agent, AgentFacts, AgentKey, KeyId};
use model::time::Micros;
use model::tool::ToolRef;
use ports::control::{ControlChange, ControlState};
use ports::fault::Fault;
use registry::{ToolRecord, stored};
use rusqlite::{Connection, ErrorCode, Row};

use crate::approvals;
use crate::sql::{self, int, uint};

/// Applies one change and sets the epoch. A change that contradicts what is kept (a key id that another agent
/// has) is undone and told; any other failure is the caller's to fence on.
pub(crate) fn apply(
    connection: &Connection,
    change: &ControlChange,
    epoch: u64,
) -> rusqlite::Result<Result<(), Fault>> {
    connection.execute_batch("SAVEPOINT change")?;
    match put(connection, change, epoch) {
        Ok(()) => {
            connection.execute_batch("RELEASE change")?;
            Ok(Ok(()))
        }
        Err(problem) if problem.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            connection.execute_batch("ROLLBACK TO change; RELEASE change")?;
            Ok(Err(Fault::new(format_args!("the change contradicts what is kept: {problem}"))))
        }
        Err(problem) => Err(problem),
    }
}

fn put(connection: &Connection, change: &ControlChange, epoch: u64) -> rusqlite::Result<()> {
    sql::CONTROL_EPOCH.prepare(connection)?.execute((int(epoch),))?;
    match change {
        ControlChange::PutAgent(agent) => put_agent(connection, agent),
        ControlChange::PutTools(tools) => put_tools(connection, tools),
        ControlChange::PolicyLoaded(digest) => {
            sql::CONTROL_POLICY.prepare(connection)?.execute((digest.as_bytes().as_slice(),)).map(drop)
        }
    }
}

fn put_agent(connection: &Connection, agent: &Agent) -> rusqlite::Result<()> {
    let groups: Vec<&str> = agent.facts.groups.iter().map(GroupName::as_str).collect();
    let removed = agent.removed.map(|at| at.0);
    let name = agent.id.as_str();
    let owner = agent.facts.owner.as_str();
    let agent_row = (name, owner, groups.join(" "), agent.added.0, removed, agent.local_user);
    sql::AGENT_PUT.prepare(connection)?.execute(agent_row)?;
    if let Some(at) = agent.removed {
        approvals::end(connection, &agent.id, at)?;
    }
    sql::KEY_DROP.prepare(connection)?.execute((name,))?;
    let mut put = sql::KEY_PUT.prepare(connection)?;
    for (place, key) in (0i64..).zip(&agent.keys) {
        let secret = key.secret_sha256.as_slice();
        put.execute((key.id.0.as_str(), name, place, secret, key.created.0, key.expires.0))?;
    }
    Ok(())
}

fn put_tools(connection: &Connection, tools: &[ToolRecord]) -> rusqlite::Result<()> {
    let mut put = sql::TOOL_PUT.prepare(connection)?;
    for tool in tools {
        put.execute((
            tool.name.server.as_str(),
            tool.name.tool.as_str(),
            tool.digest.as_bytes().as_slice(),
            tool.risk.as_str(),
            tool.status.as_str(),
            tool.present,
            stored::encode(tool),
        ))?;
    }
    Ok(())
}

/// All of it, as of one moment.
pub(crate) fn load(connection: &Connection) -> Result<ControlState, Fault> {
    let moment = connection.unchecked_transaction().map_err(Fault::new)?;
    let (epoch, policy_set): (i64, Option<[u8; 32]>) = sql::CONTROL_GET
        .prepare(&moment)
        .and_then(|mut get| get.query_row((), |row| Ok((row.get(0)?, row.get(1)?))))
        .map_err(Fault::new)?;
    Ok(ControlState {
        epoch: uint(epoch),
        agents: agents(&moment)?,
        tools: all(&moment, sql::TOOL_ALL, tool)?,
        listed: all(&moment, sql::LISTED_ALL, listed)?,
        policy_set: policy_set.map(Digest::from_bytes),
    })
}

fn all<T>(
    connection: &Connection,
    query: sql::Sql,
    read: fn(&Row<'_>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let mut statement = query.prepare(connection).map_err(Fault::new)?;
    let mut rows = statement.query(()).map_err(Fault::new)?;
    let mut out = Vec::new();
    while let Some(row) = rows.next().map_err(Fault::new)? {
        out.push(read(row)?);
    }
    Ok(out)
}

fn agents(connection: &Connection) -> Result<Vec<Agent>, Fault> {
    let mut keys: HashMap<AgentId, Vec<AgentKey>> = HashMap::new();
    for (agent, key) in all(connection, sql::KEY_ALL, key)? {
        keys.entry(agent).or_default().push(key);
    }
    let mut agents = all(connection, sql::AGENT_ALL, agent)?;
    for agent in &mut agents {
        agent.keys = keys.remove(&agent.id).unwrap_or_default();
    }
    Ok(agents)
}

fn text(row: &Row<'_>, column: usize) -> Result<String, Fault> {
    row.get(column).map_err(Fault::new)
}

fn agent(row: &Row<'_>) -> Result<Agent, Fault> {
    let id = AgentId::parse(&text(row, 0)?).map_err(Fault::new)?;
    let groups = text(row, 2)?.split_ascii_whitespace().map(GroupName::parse).collect::<Result<_, _>>();
    let facts = AgentFacts { groups: groups.map_err(Fault::new)?, owner: text(row, 1)? };
    let removed: Option<i64> = row.get(4).map_err(Fault::new)?;
    let added = Micros(row.get(3).map_err(Fault::new)?);
    let local_user: Option<u32> = row.get(5).map_err(Fault::new)?;
    let (facts, removed) = (Arc::new(facts), removed.map(Micros));
    Ok(Agent { id, facts, keys: Vec::new(), local_user, added, removed })
}

fn key(row: &Row<'_>) -> Result<(AgentId, AgentKey), Fault> {
    let agent = AgentId::parse(&text(row, 0)?).map_err(Fault::new)?;
    let key = AgentKey {
        id: KeyId(text(row, 1)?),
        secret_sha256: row.get(2).map_err(Fault::new)?,
        created: Micros(row.get(3).map_err(Fault::new)?),
        expires: Micros(row.get(4).map_err(Fault::new)?),
    };
    Ok((agent, key))
}

fn tool_ref(row: &Row<'_>, column: usize) -> Result<ToolRef, Fault> {
    let server = ServerName::parse(&text(row, column)?).map_err(Fault::new)?;
    let tool = ToolName::parse(&text(row, column + 1)?).map_err(Fault::new)?;
    Ok(ToolRef { server, tool })
}

/// A record whose own text says otherwise than the columns beside it was edited by hand: refused.
fn tool(row: &Row<'_>) -> Result<ToolRecord, Fault> {
    let name = tool_ref(row, 0)?;
    let digest = Digest::from_bytes(row.get(2).map_err(Fault::new)?);
    let record =
        stored::decode(&text(row, 4)?).map_err(|fault| Fault::new(format_args!("tool `{name}`: {fault}")))?;
    if record.name != name || record.digest != digest || record.status.as_str() != text(row, 3)? {
        return Err(Fault::new(format_args!("tool `{name}`: the kept record contradicts its row")));
    }
    Ok(record)
}

fn listed(row: &Row<'_>) -> Result<(AgentId, ToolRef, Digest), Fault> {
    let agent = AgentId::parse(&text(row, 0)?).map_err(Fault::new)?;
    Ok((agent, tool_ref(row, 1)?, Digest::from_bytes(row.get(3).map_err(Fault::new)?)))
}
