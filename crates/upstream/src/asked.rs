//! What a server asks of the client during one call, whatever carries it. Must never ask the client anything while a
//! question is open, answer a server what the client did not, nor send the client to a page beyond https.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use mcp::jsonrpc::{RequestId, RpcError};
use mcp::question::{self, InputRequired, QuestionFault};
use mcp::reply::ServerRequest;
use model::client::ClientCapabilities;
use model::ids::ServerName;
use model::json::{Json, RawJson};
use model::method::Method;
use ports::upstream::{Question, Reply};

use crate::measure::{Measure, Unfit};

/// Questions of a server with sessions that wait for their turn.
const WAITING_MAX: usize = 16;
/// How long a server waits that is to be called again with nothing new.
pub(crate) const PACE: Duration = Duration::from_millis(250);
/// The code that says a person or client refused (MCP 2025-11-25, Sampling).
const REFUSED: i64 = -1;

/// What is asked during one call and not answered yet.
#[derive(Default)]
pub(crate) struct Asked {
    round: Round,
    waiting: VecDeque<(ServerRequest, Question)>,
    last_key: u64,
}

/// What the client was asked last.
#[derive(Default)]
enum Round {
    /// Nothing that is open.
    #[default]
    None,
    /// By a server with sessions; `None` once it wants no answer any more.
    Session(Option<ServerRequest>),
    /// By a stateless server.
    Input(Input),
}

struct Input {
    kinds: Vec<(Box<str>, Method)>,
    /// Not asked, but declined here.
    declined: Vec<Box<str>>,
    state: Option<RawJson>,
}

/// What becomes of a request of a server with sessions.
#[derive(Debug)]
pub(crate) enum Took {
    /// It is answered here.
    Answer(Bytes),
    /// It waits for its turn.
    Waits,
}

/// What the client's answer makes of the call.
#[derive(Debug)]
pub(crate) enum Next {
    /// Nothing was asked.
    Nothing,
    /// It goes on; the server is told this, if anything.
    Tell(Option<Bytes>),
    /// It is sent again.
    Again(Retry),
}

/// What a stateless server gets with the same call again.
#[derive(Clone, Debug)]
pub(crate) struct Retry {
    responses: Option<Vec<(Box<str>, RawJson)>>,
    state: Option<RawJson>,
}

impl Retry {
    /// As it is written.
    pub(crate) fn wire(&self) -> mcp::outbound::Again<'_> {
        mcp::outbound::Again { responses: self.responses.as_deref(), state: self.state.as_ref() }
    }

    /// Whether it brings nothing new: a server that wants only this is not asked at once.
    pub(crate) fn empty(&self) -> bool {
        self.responses.as_ref().is_none_or(Vec::is_empty)
    }
}

impl Asked {
    /// Whether the client has not answered yet.
    pub(crate) const fn open(&self) -> bool {
        !matches!(self.round, Round::None)
    }

    /// Whether nothing of the call is open at the server: a stateless one waits to be called again.
    pub(crate) const fn between(&self) -> bool {
        matches!(self.round, Round::Input(_))
    }

    /// Takes a request of a server with sessions, to which `can` was declared.
    pub(crate) fn take(
        &mut self,
        (server, can): (&ServerName, ClientCapabilities),
        request: ServerRequest,
        measure: &mut Measure,
    ) -> Result<Took, Unfit> {
        let asked = match request.question(can) {
            Ok(asked) => asked,
            Err(QuestionFault::NotDeclared) => return Ok(Took::Answer(request.answer())),
            Err(fault) => return Ok(Took::Answer(request.error(&fault.error()))),
        };
        if !may_be_opened(server, &asked) {
            return Ok(Took::Answer(request.result(&decline())));
        }
        if self.waiting.len() >= WAITING_MAX {
            return Err(Unfit::Wrong("it asks more at once than is carried during one call"));
        }
        measure.take([&asked.params_raw])?;
        self.last_key += 1;
        let question = carried(self.last_key.to_string().into(), asked);
        self.waiting.push_back((request, question));
        Ok(Took::Waits)
    }

    /// What is to be asked now.
    pub(crate) fn next_question(&mut self) -> Option<Question> {
        if self.open() {
            return None;
        }
        let (request, question) = self.waiting.pop_front()?;
        self.round = Round::Session(Some(request));
        Some(question)
    }

    /// A server with sessions wants no answer to this request of its own any more.
    pub(crate) fn withdrawn(&mut self, id: &RequestId) {
        self.waiting.retain(|(request, _)| request.id != *id);
        if let Round::Session(open) = &mut self.round
            && open.as_ref().is_some_and(|request| request.id == *id)
        {
            *open = None;
        }
    }

    /// Takes what a stateless server wants first. What is to be asked of it, maybe nothing.
    pub(crate) fn require(
        &mut self,
        server: &ServerName,
        wanted: InputRequired,
        measure: &mut Measure,
    ) -> Result<Vec<Question>, Unfit> {
        measure.take(wanted.state.iter())?;
        let (mut questions, mut declined, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
        for (key, asked) in wanted.questions {
            if measure.guard().finds(&key) {
                return Err(Unfit::Leaks);
            }
            measure.take([&asked.params_raw])?;
            if may_be_opened(server, &asked) {
                kinds.push((key.clone(), asked.method));
                questions.push(carried(key, asked));
            } else {
                declined.push(key);
            }
        }
        self.round = Round::Input(Input { kinds, declined, state: wanted.state });
        Ok(questions)
    }

    /// The client answered, or will not.
    pub(crate) fn answered(&mut self, replies: Vec<Reply>) -> Next {
        match std::mem::take(&mut self.round) {
            Round::None => Next::Nothing,
            Round::Session(request) => {
                let result = replies.into_iter().next().and_then(|reply| reply.result);
                Next::Tell(request.map(|request| told(&request, result.as_ref())))
            }
            Round::Input(input) => Next::Again(again(input, &replies)),
        }
    }

    /// The call is over: what a server with sessions is told that still waits for answers.
    pub(crate) fn given_up(&mut self) -> Vec<Bytes> {
        let open = match std::mem::take(&mut self.round) {
            Round::Session(request) => request,
            Round::None | Round::Input(_) => None,
        };
        let waiting = self.waiting.drain(..).map(|(request, _)| request);
        let over = RpcError::new(REFUSED, "The call is over");
        open.into_iter().chain(waiting).map(|request| request.error(&over)).collect()
    }
}

/// What a server with sessions is told.
fn told(request: &ServerRequest, result: Option<&RawJson>) -> Bytes {
    match result {
        Some(result) => request.result(result),
        None if Method::parse_question(&request.method) == Some(Method::Elicit) => request.result(&decline()),
        None => request.error(&RpcError::new(REFUSED, "The request was refused")),
    }
}

/// Only the keys that were answered; a person who is not asked declines.
fn again(input: Input, replies: &[Reply]) -> Retry {
    let asked_nothing = input.kinds.is_empty() && input.declined.is_empty();
    let mut responses: Vec<_> = input.declined.into_iter().map(|key| (key, decline())).collect();
    for (key, method) in input.kinds {
        let given = replies.iter().find(|reply| reply.key == key).and_then(|reply| reply.result.clone());
        let declined = || (method == Method::Elicit).then(decline);
        if let Some(result) = given.or_else(declined) {
            responses.push((key, result));
        }
    }
    Retry { responses: (!asked_nothing).then_some(responses), state: input.state }
}

/// As the port has it.
pub(crate) fn carried(key: Box<str>, asked: question::Asked) -> Question {
    let question::Asked { method, params, params_raw } = asked;
    Question { key, method, params, params_raw }
}

fn decline() -> RawJson {
    let text = Bytes::from_static(br#"{"action":"decline"}"#);
    RawJson::slice(&text, &(0..text.len()))
}

/// Whether a person may be sent to the page, if a page is what it is about.
pub(crate) fn may_be_opened(server: &ServerName, asked: &question::Asked) -> bool {
    let Some(url) = asked.params.get("url").and_then(Json::as_str) else { return true };
    let safe = asked.method != Method::Elicit || is_safe(url);
    if !safe {
        tracing::warn!(%server, "asks to open an address that is neither `https` nor on this machine: declined");
    }
    safe
}

/// `https`, or `http` to this machine, with nobody's name in front of the host.
fn is_safe(url: &str) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else { return false };
    let Some(authority) = uri.authority().filter(|authority| !authority.as_str().contains('@')) else {
        return false;
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    match uri.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => {
            host.eq_ignore_ascii_case("localhost")
                || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
        }
        _ => false,
    }
}
