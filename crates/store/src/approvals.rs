//! Approvals, written and read. Must never let one be used twice, or for another call: a step is checked and done in
//! the transaction of its entry, by the one who writes.

use model::approval::{
    Answer, Approval, ApprovalId, ApprovalKey, ApprovalState, KEPT_SECONDS, PENDING_MAX,
    PENDING_PER_AGENT_MAX, Standing,
};
use model::call::CallDigest;
use model::digest::Digest;
use model::ids::{AgentId, CallId, GroupName, NameError, PolicyId, ServerName, TaskId, ToolName};
use model::json::{Json, write_string};
use model::limits::JsonLimits;
use model::time::Micros;
use model::tool::{PinnedTool, Risk, ToolRef};
use ports::approvals::{Answering, ApprovalStep, Asking, Unreadable, Using};
use ports::fault::Fault;
use ports::record::CommitFault;
use rusqlite::{Connection, Params, Row};

use crate::connection;
use crate::sql::{self, uint};

/// Does a step, or says why it cannot be done; then nothing of it is.
pub(crate) fn take(
    connection: &Connection,
    step: &ApprovalStep,
    now: Micros,
) -> rusqlite::Result<Result<(), CommitFault>> {
    overwriting(connection, || match step {
        ApprovalStep::Ask(asking) => ask(connection, asking, now),
        ApprovalStep::Answer(answering) => answer(connection, answering),
        ApprovalStep::Use(using) => act(connection, using, now),
        ApprovalStep::Forget(id) => forget(connection, *id, now).map(Ok),
    })
}

/// Writes to this table, with what is deleted or moved in its pages overwritten: arguments of calls are among it. Its
/// pages are no other table's, and those are written without, for it costs every commit.
fn overwriting<T>(
    connection: &Connection,
    write: impl FnOnce() -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    connection::overwrite(connection, true)?;
    let written = write();
    connection::overwrite(connection, false)?;
    written
}

fn ask(connection: &Connection, asking: &Asking, now: Micros) -> rusqlite::Result<Result<(), CommitFault>> {
    drop_over(connection, now)?;
    let asked = &asking.approval;
    let earlier = of_key(connection, &asked.key)?;
    if earlier.is_some_and(|earlier| !earlier.is_ok_and(|earlier| earlier.may_be_asked_anew(now))) {
        return Ok(Err(CommitFault::ApprovalGone));
    }
    let (all, own): (i64, i64) = sql::APPROVAL_COUNT
        .prepare(connection)?
        .query_row((asked.key.agent.as_str(), now.0), |row| Ok((row.get(0)?, row.get(1)?)))?;
    for (waiting, max) in [(all, PENDING_MAX), (own, PENDING_PER_AGENT_MAX)] {
        let waiting = usize::try_from(uint(waiting)).unwrap_or(usize::MAX);
        if waiting >= max {
            return Ok(Err(CommitFault::TooManyWait(waiting)));
        }
    }
    let key = (asked.key.call.0.as_bytes().as_slice(), asked.key.agent.as_str(), asked.key.task.as_str());
    sql::APPROVAL_DROP_KEY.prepare(connection)?.execute(key)?;
    sql::APPROVAL_PUT.prepare(connection)?.execute(rusqlite::params![
        asked.id.call().to_bytes().as_slice(),
        asked.key.call.0.as_bytes().as_slice(),
        asked.key.agent.as_str(),
        asked.key.task.as_str(),
        asked.tool.name.server.as_str(),
        asked.tool.name.tool.as_str(),
        asked.tool.definition.as_bytes().as_slice(),
        asked.tool.risk.as_str(),
        spaced(asked.approvers.iter().map(GroupName::as_str)),
        spaced(asked.policies.iter().map(PolicyId::as_str)),
        texts(&asked.reasons),
        asked.self_approvable,
        asked.created.0,
        asked.until.0,
        asking.arguments.as_str(),
    ])?;
    Ok(Ok(()))
}

fn answer(connection: &Connection, answering: &Answering) -> rusqlite::Result<Result<(), CommitFault>> {
    let kept = of_id(connection, answering.id)?.and_then(Result::ok);
    let next =
        kept.and_then(|kept| kept.answered(answering.call, answering.approved, answering.answer.clone()));
    set(connection, next)
}

fn act(connection: &Connection, using: &Using, now: Micros) -> rusqlite::Result<Result<(), CommitFault>> {
    let kept = of_id(connection, using.id)?.and_then(Result::ok);
    set(connection, kept.and_then(|kept| kept.used(&using.key, using.by, now)))
}

fn forget(connection: &Connection, id: ApprovalId, now: Micros) -> rusqlite::Result<()> {
    let kept = of_id(connection, id)?.and_then(Result::ok);
    if kept.is_some_and(|kept| kept.standing(now) == Standing::Expired) {
        sql::APPROVAL_DROP.prepare(connection)?.execute((id.call().to_bytes().as_slice(),))?;
    }
    Ok(())
}

/// Nothing is kept for long after it is over. How many were deleted.
pub(crate) fn sweep(connection: &Connection, now: Micros) -> rusqlite::Result<usize> {
    overwriting(connection, || drop_over(connection, now))
}

fn drop_over(connection: &Connection, now: Micros) -> rusqlite::Result<usize> {
    let before = now.plus_seconds(-KEPT_SECONDS).0;
    sql::APPROVAL_SWEEP.prepare(connection)?.execute((before,))
}

/// What an agent has ends with it.
pub(crate) fn end(connection: &Connection, agent: &AgentId, at: Micros) -> rusqlite::Result<()> {
    overwriting(connection, || {
        sql::APPROVAL_END.prepare(connection)?.execute((agent.as_str(), at.0)).map(drop)
    })
}

/// Writes the next state; when there is none, what was asked for cannot be done.
fn set(connection: &Connection, next: Option<Approval>) -> rusqlite::Result<Result<(), CommitFault>> {
    let Some(next) = next else { return Ok(Err(CommitFault::ApprovalGone)) };
    let used_by = match &next.state {
        ApprovalState::Used(_, by) => Some(by.to_bytes()),
        _ => None,
    };
    let answer = next.answer();
    sql::APPROVAL_SET.prepare(connection)?.execute(rusqlite::params![
        next.id.call().to_bytes().as_slice(),
        next.until.0,
        word(&next.state),
        answer.map(|answer| answer.at.0),
        answer.map(|answer| answer.by.as_str()),
        answer.map(|answer| answer.note.as_str()),
        answer.map(|answer| spaced(answer.groups.iter().map(GroupName::as_str))),
        answer.map(|answer| answer.self_approved),
        used_by.as_ref().map(<[u8; 16]>::as_slice),
    ])?;
    Ok(Ok(()))
}

const fn word(state: &ApprovalState) -> &'static str {
    match state {
        ApprovalState::Pending => "pending",
        ApprovalState::Approved(_) => "approved",
        ApprovalState::Rejected(_) => "rejected",
        ApprovalState::Used(..) => "used",
        ApprovalState::Ended => "ended",
    }
}

fn spaced<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(" ")
}

fn texts(texts: &[String]) -> String {
    let mut out = String::from("[");
    for (position, text) in texts.iter().enumerate() {
        out.push_str(if position > 0 { "," } else { "" });
        write_string(&mut out, text);
    }
    out.push(']');
    out
}

/// The last request for a call. One that cannot be read is a fault of its own, and usable for nothing.
pub(crate) fn of_key(
    connection: &Connection,
    key: &ApprovalKey,
) -> rusqlite::Result<Option<Result<Approval, Fault>>> {
    let key = (key.call.0.as_bytes().as_slice(), key.agent.as_str(), key.task.as_str());
    Ok(rows(connection, sql::APPROVAL_OF_KEY, key)?.pop())
}

fn of_id(connection: &Connection, id: ApprovalId) -> rusqlite::Result<Option<Result<Approval, Fault>>> {
    Ok(rows(connection, sql::APPROVAL_OF_ID, (id.call().to_bytes().as_slice(),))?.pop())
}

/// All that can be read, oldest first.
pub(crate) fn all(connection: &Connection) -> Result<Vec<Approval>, Fault> {
    Ok(rows(connection, sql::APPROVAL_ALL, ()).map_err(Fault::new)?.into_iter().flatten().collect())
}

/// The others.
pub(crate) fn unreadable(connection: &Connection) -> Result<Vec<Unreadable>, Fault> {
    let mut statement = sql::APPROVAL_ALL.prepare(connection).map_err(Fault::new)?;
    let mut rows = statement.query(()).map_err(Fault::new)?;
    let mut out = Vec::new();
    while let Some(row) = rows.next().map_err(Fault::new)? {
        if let Err(problem) = approval(row) {
            let id = row.get(0).ok().map(|id| ApprovalId::of(CallId::from_bytes(id)));
            out.push(Unreadable { id, problem });
        }
    }
    Ok(out)
}

/// The arguments of one.
pub(crate) fn arguments(connection: &Connection, id: ApprovalId) -> Result<Option<String>, Fault> {
    let mut get = sql::APPROVAL_ARGUMENTS.prepare(connection).map_err(Fault::new)?;
    let mut found = get.query((id.call().to_bytes().as_slice(),)).map_err(Fault::new)?;
    match found.next().map_err(Fault::new)? {
        Some(row) => row.get(0).map(Some).map_err(Fault::new),
        None => Ok(None),
    }
}

fn rows(
    connection: &Connection,
    query: sql::Sql,
    which: impl Params,
) -> rusqlite::Result<Vec<Result<Approval, Fault>>> {
    let mut statement = query.prepare(connection)?;
    let mut rows = statement.query(which)?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        out.push(approval(row));
    }
    Ok(out)
}

fn column<T: rusqlite::types::FromSql>(row: &Row<'_>, at: usize) -> Result<T, Fault> {
    row.get(at).map_err(Fault::new)
}

fn names<T>(text: &str, parse: fn(&str) -> Result<T, NameError>) -> Result<Vec<T>, Fault> {
    text.split_ascii_whitespace().map(parse).collect::<Result<_, _>>().map_err(Fault::new)
}

fn reasons(text: &str) -> Result<Vec<String>, Fault> {
    let tree = Json::parse(text.as_bytes(), &JsonLimits::REQUEST).map_err(Fault::new)?;
    let Json::Array(items) = tree else { return Err(Fault::new("the reasons of an approval are no list")) };
    Ok(items.iter().filter_map(Json::as_str).map(str::to_owned).collect())
}

fn approval(row: &Row<'_>) -> Result<Approval, Fault> {
    let text = |at| column::<String>(row, at);
    let digest = |at| column::<[u8; 32]>(row, at).map(Digest::from_bytes);
    let server = ServerName::parse(&text(4)?).map_err(Fault::new)?;
    let tool = ToolName::parse(&text(5)?).map_err(Fault::new)?;
    let risk = Risk::parse(&text(7)?).ok_or_else(|| Fault::new("an approval's risk class is none"))?;
    Ok(Approval {
        id: ApprovalId::of(CallId::from_bytes(column(row, 0)?)),
        key: ApprovalKey {
            call: CallDigest(digest(1)?),
            agent: AgentId::parse(&text(2)?).map_err(Fault::new)?,
            task: TaskId::parse(&text(3)?).map_err(Fault::new)?,
        },
        tool: PinnedTool { name: ToolRef { server, tool }, definition: digest(6)?, risk },
        approvers: names(&text(8)?, GroupName::parse)?,
        policies: names(&text(9)?, PolicyId::parse)?,
        reasons: reasons(&text(10)?)?,
        self_approvable: column(row, 11)?,
        created: Micros(column(row, 12)?),
        until: Micros(column(row, 13)?),
        state: state(row)?,
    })
}

fn state(row: &Row<'_>) -> Result<ApprovalState, Fault> {
    let word = column::<String>(row, 14)?;
    match word.as_str() {
        "pending" => return Ok(ApprovalState::Pending),
        "ended" => return Ok(ApprovalState::Ended),
        _ => {}
    }
    let answer = Answer {
        at: Micros(column(row, 15)?),
        by: column(row, 16)?,
        note: column(row, 17)?,
        groups: names(&column::<String>(row, 18)?, GroupName::parse)?,
        self_approved: column(row, 19)?,
    };
    match word.as_str() {
        "approved" => Ok(ApprovalState::Approved(answer)),
        "rejected" => Ok(ApprovalState::Rejected(answer)),
        "used" => Ok(ApprovalState::Used(answer, CallId::from_bytes(column(row, 20)?))),
        _ => Err(Fault::new(format_args!("`{word}` is no state of an approval"))),
    }
}
