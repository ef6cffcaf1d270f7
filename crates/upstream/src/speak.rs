//! What both transports say and understand alike. Must never take a result we did not ask for as an answer.

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use mcp::implementation::Implementation;
use mcp::outbound::{self, ToolRequest, Wire};
use mcp::question::InputRequired;
use mcp::reply::{LogUpdate, Outcome, ProgressUpdate, ResultKind, UpstreamResult};
use mcp::version::{Era, ProtocolVersion};
use model::ids::ServerName;
use model::json::RawJson;
use model::limits::JsonLimits;
use model::method::Method;
use ports::upstream::{Answer, Forward, LogMessage, Progress, UpstreamFault};

use crate::asked::Retry;
use crate::config::Limits;
use crate::definitions::Page;
use crate::fault::{maybe_sent, unavailable, violation};
use crate::guard::Guard;
use crate::measure::Unfit;

/// Who we say we are.
pub(crate) fn client() -> &'static Implementation {
    static CLIENT: LazyLock<Implementation> =
        LazyLock::new(|| Implementation::new("callgate", env!("CARGO_PKG_VERSION")));
    &CLIENT
}

/// How a server of this revision is spoken to.
pub(crate) fn wire(version: ProtocolVersion) -> Wire<'static> {
    match version.era() {
        Era::Legacy => Wire::Legacy,
        Era::Modern => Wire::Modern { version, client: client() },
    }
}

/// What is asked of the server.
pub(crate) fn method(forward: &Forward) -> Method {
    Method::of(&forward.tool.name.tool).unwrap_or(Method::CallTool)
}

/// The request of a call, or of the same call again.
pub(crate) fn request(forward: &Forward, version: ProtocolVersion, id: u64, again: Option<&Retry>) -> Bytes {
    let request = ToolRequest {
        name: forward.tool.name.tool.as_str(),
        arguments: &forward.arguments,
        trace: &forward.trace,
        progress: forward.wants_progress.then_some(id),
        client: forward.client,
        log: forward.log,
        again: again.map(Retry::wire),
    };
    outbound::call(&wire(version), id, method(forward), &request)
}

/// The bounds on one message.
pub(crate) const fn message_limits(limits: &Limits) -> JsonLimits {
    JsonLimits { bytes_max: limits.message_bytes_max, ..JsonLimits::UPSTREAM }
}

/// Most bytes of an error's `data`; more is left out.
const ERROR_DATA_BYTES_MAX: usize = 64 << 10;

/// The answer to a call of the method, if it holds none of our credentials.
pub(crate) fn answer(
    (server, method): (&ServerName, Method),
    outcome: Outcome,
    bytes_max: usize,
    guard: &Guard,
) -> Result<Answer, UpstreamFault> {
    guard.pass(server, shaped((server, method), outcome, bytes_max)?)
}

fn shaped(
    (server, method): (&ServerName, Method),
    outcome: Outcome,
    bytes_max: usize,
) -> Result<Answer, UpstreamFault> {
    let too_large = || {
        let text = format!("its answer is larger than the {bytes_max} bytes a call may return");
        Err(maybe_sent(model::denial::Reason::LimitExceeded, server, text))
    };
    match outcome {
        Outcome::Result(result) if result.raw().as_bytes().len() > bytes_max => too_large(),
        Outcome::Result(result) => match result.kind() {
            ResultKind::Complete if !result.has_shape(method) => {
                let text = format!("its result has not the shape of a result of `{}`", method.as_str());
                Err(violation(server, text))
            }
            ResultKind::Complete => {
                let is_error = method == Method::CallTool && result.is_error();
                Ok(Answer::Result { result: result.raw().clone(), is_error })
            }
            ResultKind::InputRequired => Err(violation(server, "it asks for input where none can be given")),
            ResultKind::Task => Err(violation(server, "it made a task of the call, which we did not offer")),
            ResultKind::Unknown => Err(violation(server, "its result is of a kind nobody knows")),
        },
        Outcome::Error(error) => {
            let fits = |data: &RawJson| data.as_bytes().len() <= bytes_max.min(ERROR_DATA_BYTES_MAX);
            let data = error.data.filter(fits);
            Ok(Answer::Error { code: error.code, message: error.message, data })
        }
    }
}

/// One page of tools, without those whose definitions hold one of our credentials.
pub(crate) fn page(server: &ServerName, outcome: &Outcome, guard: &Guard) -> Result<Page, UpstreamFault> {
    let result = result(server, "tools/list", outcome)?;
    let mut tools =
        result.tools().ok_or_else(|| violation(server, "its answer to `tools/list` has no `tools`"))?;
    let listed = tools.len();
    tools.retain(|tool| !guard.finds(tool.as_str()));
    if tools.len() < listed {
        // Not by name: that may be the credential.
        let (count, why) = (listed - tools.len(), "their definitions hold a credential of callgate's");
        tracing::warn!(%server, count, why, "tools left out");
    }
    let next = result.next_cursor().map(str::to_owned);
    Ok(Page { tools, next, ttl: Some(Duration::from_millis(result.ttl_millis())) })
}

/// The result of a request of ours that must not fail.
pub(crate) fn result<'a>(
    server: &ServerName,
    method: &str,
    outcome: &'a Outcome,
) -> Result<&'a UpstreamResult, UpstreamFault> {
    match outcome {
        Outcome::Result(result) => Ok(result),
        Outcome::Error(error) => {
            Err(violation(server, format!("it answers `{method}` with error {}", error.code)))
        }
    }
}

/// What a stateless server wants before it answers this call; `None` when this is an answer.
pub(crate) fn wanted(
    forward: &Forward,
    version: ProtocolVersion,
    outcome: &Outcome,
) -> Option<Result<InputRequired, Unfit>> {
    let Outcome::Result(result) = outcome else { return None };
    let asks = matches!(method(forward), Method::CallTool | Method::GetPrompt | Method::ReadResource);
    if result.kind() != ResultKind::InputRequired || version.era() == Era::Legacy || !asks {
        return None;
    }
    Some(result.input_required(forward.client).map_err(Unfit::Asks))
}

/// A log message as the port has it, if the call wants it.
pub(crate) fn log(forward: &Forward, update: LogUpdate) -> Option<LogMessage> {
    let LogUpdate { level, logger, data } = update;
    forward.log.is_some_and(|least| level >= least).then_some(LogMessage { level, logger, data })
}

/// Progress as the port has it.
pub(crate) fn progress(update: ProgressUpdate) -> Progress {
    let ProgressUpdate { progress, total, message, .. } = update;
    Progress { progress, total, message }
}

/// The revision in an answer to `initialize`, on a connection that carries many requests.
pub(crate) fn legacy_version(
    server: &ServerName,
    result: &UpstreamResult,
) -> Result<ProtocolVersion, UpstreamFault> {
    /// The oldest revision, which differs from later ones there in nothing we use.
    const OLDEST: &str = "2024-11-05";
    let text = result.protocol_version().unwrap_or_default();
    if text == OLDEST {
        return Ok(ProtocolVersion::V2025_03_26);
    }
    match ProtocolVersion::parse(text) {
        Some(version) if version.era() == Era::Legacy => Ok(version),
        _ => Err(unavailable(server, "it answers `initialize` with a revision we do not speak")),
    }
}
