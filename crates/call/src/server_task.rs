//! Upstream tasks: what a server makes of a tool call that takes its time (extension `io.modelcontextprotocol/tasks`).
//! Its client holds a sealed handle of it, and each request about it is a call of its own (ADR 0028).
//!
//! Must never take a handle for a permission, show a client a server's own name of a task, nor a question of one that
//! was not permitted.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use model::call::{Endpoint, ServerTask, ToolCall};
use model::client::ClientCapabilities;
use model::denial::{Denial, Reason};
use model::digest::Digest;
use model::ids::{AgentId, ServerName, ToolName};
use model::json::RawJson;
use model::method::Method;
use model::principal::Principal;
use model::task::Task;
use model::tool::{PinnedTool, ToolRef};
use ports::fault::Fault;
use ports::handles::{Bound, Kind};
use ports::snapshot::Snapshot;
use ports::upstream::{Answer, Question};

use crate::driver::{Door, Finished, micros};
use crate::forwarded::UntrustedResult;
use crate::identified::Caller;
use crate::labelled::Labelled;
use crate::open_calls::CancelToken;
use crate::question::Between;
use crate::resolved::Resolved;
use crate::shown::{Asks, asked_digest};
use crate::supervise::CatchPanic;
use crate::view::View;

/// How long a handle is good, whatever its server says. The server may forget the task before.
const GOOD_SECONDS: i64 = 7 * 24 * 60 * 60;
/// Bytes of a definition's digest.
const DIGEST_BYTES: usize = 32;

/// What a client's handle stands for.
#[derive(Clone, Debug)]
pub struct OpenedTask {
    /// What the request about it is decided with.
    pub task: ServerTask,
    /// The server's own id.
    pub id: Box<str>,
    /// The questions of it that this client was shown, by their keys: what may be answered.
    pub asked: Vec<Box<str>>,
}

impl Door {
    /// The upstream task that a text stands for, at this door, for the agent that it was given to. `None` says nothing
    /// about why. Permits nothing: the request is resolved and decided as without it.
    #[must_use]
    pub fn server_task(&self, caller: &Caller, endpoint: &Endpoint, text: &str) -> Option<OpenedTask> {
        let agent = &caller.principal.agent;
        let now = self.ports.clock.now();
        let payload = bound(agent, endpoint, |bound| self.ports.handles.open(bound, text, now))?;
        let Sealed { client, definition, tool, id } = read(&payload)?;
        let server = &tool.server;
        let asked = self.shown.keys(&(agent.clone(), server.clone(), id.clone()));
        let task = Task::implicit(agent).ok()?;
        let view = self.views.of(&caller.snapshot, &caller.principal, &task);
        let may_ask = |method: Method| {
            method.operation().is_some_and(|tool| view.contains(&ToolRef { server: server.clone(), tool }))
        };
        let asked = asked.into_iter().filter(|(_, method)| may_ask(*method)).map(|(key, _)| key).collect();
        let task = ServerTask { tool, definition, client, handle: text.into() };
        Some(OpenedTask { task, id, asked })
    }

    /// What the server of a call may be told of its client's abilities: what policy could permit it to use.
    pub(crate) fn told(&self, resolved: &Resolved) -> ClientCapabilities {
        let (caller, call) = (&resolved.bound.identified.caller, resolved.call());
        let server = &resolved.tool().name.server;
        let told = self.askable(caller, resolved.task(), server, call.meta.client);
        let view = self.views.of(&caller.snapshot, &caller.principal, resolved.task());
        let could = |method: &Method| {
            let tool = method.operation();
            tool.is_some_and(|tool| view.contains(&ToolRef { server: server.clone(), tool }))
        };
        // A client that may look after a task but not answer or stop it had better have none.
        if Method::ON_SERVER_TASKS.iter().all(could) {
            return told;
        }
        told.without(ClientCapabilities::SERVER_TASKS)
    }

    /// Readies what a server says of a task for its client: under a handle, with those questions that were permitted.
    pub(crate) async fn hand_over(&self, labelled: Labelled, cancel: &CancelToken) -> Labelled {
        let Labelled { intended, result } = labelled;
        let resolved = &intended.permitted.resolved;
        let result = match result {
            UntrustedResult::Answered(Answer::ServerTask { result, id, asks }) => {
                match CatchPanic::new(self.handed_over(resolved, &id, asks, cancel)).await {
                    Ok(Ok((id, asks))) => UntrustedResult::Answered(Answer::ServerTask { result, id, asks }),
                    Ok(Err(fault)) => UntrustedResult::Unknown(Reason::Indeterminate, fault.to_string()),
                    Err(_) => {
                        let why = "a panic while a task was handed over".to_owned();
                        UntrustedResult::Unknown(Reason::Indeterminate, why)
                    }
                }
            }
            // Whatever it asks in there, nobody decided on it.
            UntrustedResult::Answered(Answer::Result { .. })
                if resolved.call().method == Method::GetServerTask =>
            {
                let why = "the state of a task came as something else".to_owned();
                UntrustedResult::Unknown(Reason::UpstreamViolation, why)
            }
            other => other,
        };
        Labelled { intended, result }
    }

    async fn handed_over(
        &self,
        resolved: &Resolved,
        id: &str,
        asks: Vec<Question>,
        cancel: &CancelToken,
    ) -> Result<(Box<str>, Vec<Question>), Fault> {
        match &resolved.call().meta.server_task {
            None => Ok((self.seal_task(resolved, id)?, Vec::new())),
            Some(task) => {
                let asks = self.permit_asks(resolved, (task, id), asks, cancel).await;
                Ok((task.handle.clone(), asks))
            }
        }
    }

    fn seal_task(&self, resolved: &Resolved, id: &str) -> Result<Box<str>, Fault> {
        let PinnedTool { name: tool, definition, .. } = resolved.tool().clone();
        let payload = written(&Sealed { client: self.told(resolved), definition, tool, id: id.into() });
        let (agent, endpoint) = (&resolved.principal().agent, &resolved.call().endpoint);
        let expires = self.ports.clock.now().plus_seconds(GOOD_SECONDS);
        let sealed = bound(agent, endpoint, |bound| self.ports.handles.seal(bound, &payload, expires))?;
        Ok(sealed.into())
    }

    /// Those questions of a task that its client may be shown. One that was permitted stays so, while the task asks it and
    /// nothing changed here.
    async fn permit_asks(
        &self,
        resolved: &Resolved,
        (task, id): (&ServerTask, &str),
        asks: Vec<Question>,
        cancel: &CancelToken,
    ) -> Vec<Question> {
        let caller = &resolved.bound.identified.caller;
        let server = &resolved.tool().name.server;
        let whose = (resolved.principal().agent.clone(), server.clone(), Box::from(id));
        let epoch = self.ports.snapshots.current().epoch;
        let between = Between { caller, server, cancel };
        let (mut shown, mut permitted) = (Asks::new(epoch), Vec::new());
        for question in asks {
            let digest = asked_digest(&question);
            let known = self.shown.knows(&whose, epoch, (&question.key, digest));
            if known || self.permit_shown(&between, task, &question).await {
                shown.insert(question.key.clone(), question.method, digest);
                permitted.push(question);
            }
        }
        self.shown.remember(whose, shown, self.ports.clock.elapsed());
        permitted
    }

    /// Decides one question and records that it is shown. Its answer comes with another request.
    async fn permit_shown(&self, between: &Between<'_>, task: &ServerTask, question: &Question) -> bool {
        let Some(intended) = self.permit_question(between, question, Some(task)).await else {
            return false;
        };
        let stamp = *intended.permitted.resolved.stamp();
        let shown = Answer::Result { result: RawJson::empty_object(), is_error: false };
        let labelled = Labelled { intended: *intended, result: UntrustedResult::Answered(shown) };
        let waited = micros(self.ports.clock.elapsed().saturating_sub(stamp.started));
        matches!(self.record_outcome(stamp.id, labelled, waited).await, Finished::Answered(..))
    }
}

/// Whether a request about a task comes with one whose tool this principal may still call, at the definition that the task
/// was made of. One answer for all that it does not.
pub(crate) fn check(call: &ToolCall, snapshot: &Snapshot, view: &View) -> Result<(), Denial> {
    if !call.method.is_on_server_task() {
        return Ok(());
    }
    let why = match &call.meta.server_task {
        None => "what names the task was not sealed for this agent and server, or has expired",
        Some(task) if !usable(task, snapshot) => "the tool that it was made of changed, or is in quarantine",
        Some(task) if !view.contains(&task.tool) => "policy permits the tool that it was made of in no case",
        Some(_) => return Ok(()),
    };
    Err(Denial::unknown_server_task().with_private(why))
}

/// Whether what a call is about, if it is about a task, may be gone on with under this snapshot.
pub(crate) fn stands(resolved: &Resolved, snapshot: &Arc<Snapshot>) -> bool {
    let Some(task) = &resolved.call().meta.server_task else { return true };
    let (principal, of): (&Principal, &Task) = (resolved.principal(), resolved.task());
    usable(task, snapshot) && snapshot.policy.could_permit(principal, of, &task.tool)
}

fn usable(task: &ServerTask, snapshot: &Snapshot) -> bool {
    let record = snapshot.catalog.get(&task.tool);
    record.is_some_and(|record| record.usable() && record.digest == task.definition)
}

/// Any request about a task may bring it.
fn bound<T>(agent: &AgentId, endpoint: &Endpoint, with: impl FnOnce(&Bound<'_>) -> T) -> T {
    let digest = Digest::of_parts("callgate/server-task/v1", &[]);
    let (kind, method) = (Kind::Task, Method::GetServerTask);
    with(&Bound { kind, agent, endpoint, method, digest: &digest })
}

/// What a handle holds.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Sealed {
    client: ClientCapabilities,
    definition: Digest,
    tool: ToolRef,
    id: Box<str>,
}

/// What the server was told, the digest of the tool's definition, the names of server and tool with their length before
/// them, the id.
fn written(sealed: &Sealed) -> Vec<u8> {
    let Sealed { client, definition, tool, id } = sealed;
    let mut out = vec![client.bits()];
    out.extend_from_slice(definition.as_bytes());
    for name in [tool.server.as_str(), tool.tool.as_str()] {
        out.extend_from_slice(&u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend_from_slice(name.as_bytes());
    }
    out.extend_from_slice(id.as_bytes());
    out
}

fn read(payload: &[u8]) -> Option<Sealed> {
    let ([bits], rest) = payload.split_first_chunk::<1>()?;
    let (definition, mut rest) = rest.split_first_chunk::<DIGEST_BYTES>()?;
    let server = ServerName::parse(take(&mut rest)?).ok()?;
    let tool = ToolRef { server, tool: ToolName::parse(take(&mut rest)?).ok()? };
    let (client, definition) = (ClientCapabilities::from_bits(*bits), Digest::from_bytes(*definition));
    Some(Sealed { client, definition, tool, id: std::str::from_utf8(rest).ok()?.into() })
}

fn take<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (text, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    *bytes = rest;
    std::str::from_utf8(text).ok()
}
