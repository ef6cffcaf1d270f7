//! What servers say of tasks that they make (extension `io.modelcontextprotocol/tasks`). Must never take one that nobody
//! offered to take, nor the state of one that was not asked about.

use mcp::reply::{Outcome, ResultKind, UpstreamResult};
use mcp::server_task::ID;
use mcp::version::{Era, ProtocolVersion};
use model::client::ClientCapabilities;
use model::json::Json;
use model::method::Method;
use ports::upstream::{Answer, Forward, UpstreamFault};

use crate::asked;
use crate::fault::violation;
use crate::measure::Measure;
use crate::speak;

/// The answer of a server of this revision to a call, whether or not a task is in it.
pub(crate) fn answer(
    forward: &Forward,
    version: ProtocolVersion,
    outcome: Outcome,
    measure: &Measure,
) -> Result<Answer, UpstreamFault> {
    of_task(forward, version, &outcome, measure).unwrap_or_else(|| {
        let whom = (&forward.tool.name.server, speak::method(forward));
        speak::answer(whom, outcome, measure.left(), measure.guard())
    })
}

fn of_task(
    forward: &Forward,
    version: ProtocolVersion,
    outcome: &Outcome,
    measure: &Measure,
) -> Option<Result<Answer, UpstreamFault>> {
    let Outcome::Result(result) = outcome else { return None };
    let fits = result.raw().as_bytes().len() <= measure.left();
    let offered = forward.client.has(ClientCapabilities::SERVER_TASKS);
    if version.era() == Era::Legacy || !fits || !offered {
        return None;
    }
    let server = &forward.tool.name.server;
    let answer = match (speak::method(forward), result.kind()) {
        (Method::CallTool, ResultKind::Task) => match result.server_task_id() {
            Some(id) if result.is_new_server_task() => Ok(of(result, id, forward)),
            _ => Err(violation(server, "what it made of the call has not the shape of a task")),
        },
        (Method::GetServerTask, ResultKind::Complete) => match result.server_task_id() {
            Some(id)
                if result.has_shape(Method::GetServerTask) && asked_about(forward).as_deref() == Some(id) =>
            {
                Ok(of(result, id, forward))
            }
            _ => Err(violation(server, "what it says is not how the task stands that it was asked about")),
        },
        _ => return None,
    };
    Some(answer.and_then(|answer| measure.guard().pass(server, answer)))
}

fn of(result: &UpstreamResult, id: &str, forward: &Forward) -> Answer {
    let server = &forward.tool.name.server;
    let asks = result.server_task_asks(forward.client).into_iter();
    let asks = asks.filter(|(_, asked)| asked::may_be_opened(server, asked));
    let asks = asks.map(|(key, asked)| asked::carried(key, asked)).collect();
    Answer::ServerTask { result: result.raw().clone(), id: id.into(), asks }
}

fn asked_about(forward: &Forward) -> Option<Box<str>> {
    let arguments = Json::parse(forward.arguments.as_bytes(), &model::limits::JsonLimits::REQUEST).ok()?;
    arguments.get(ID).and_then(Json::as_str).map(Box::from)
}
