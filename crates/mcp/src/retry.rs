//! What a client answers when it sends a request again (MCP 2026-07-28, Multi round-trip requests). Must never become part
//! of the arguments that are decided on.

use bytes::Bytes;
use model::json::{Json, Member, RawJson};
use model::method::Method;

use crate::request::wrong;
use crate::version::Era;

/// Longest `requestState`.
const STATE_BYTES_MAX: usize = 8 * 1024;
/// Most answers of one request, ...
const RESPONSES_MAX: usize = 32;
/// ... and the longest key of one.
const KEY_BYTES_MAX: usize = 1024;

/// What a request brings to a call that was suspended.
#[derive(Clone, Debug, Default)]
pub struct Retry {
    /// `requestState`, at most 8 KiB.
    pub state: Option<Box<str>>,
    /// `inputResponses`: an object for each key, byte for byte.
    pub responses: Vec<(Box<str>, RawJson)>,
}

impl Retry {
    /// Of the parameters of a request. Clients with sessions bring nothing, and only some methods ask.
    pub(crate) fn read(era: Era, method: Method, params: &Json, text: &Bytes) -> Result<Self, String> {
        let (state, responses) = (params.get("requestState"), params.get("inputResponses"));
        match (era, method.may_ask()) {
            (Era::Legacy, _) => Ok(Self::default()),
            (Era::Modern, false) if state.is_some() => {
                Err("`requestState` was not issued for this request; send it without".into())
            }
            (Era::Modern, false) => Ok(Self::default()),
            (Era::Modern, true) => {
                Ok(Self { state: read_state(state)?, responses: read_responses(responses, text)? })
            }
        }
    }
}

fn read_state(state: Option<&Json>) -> Result<Option<Box<str>>, String> {
    match state {
        None => Ok(None),
        Some(Json::String(state)) if state.len() <= STATE_BYTES_MAX => Ok(Some(state.clone())),
        Some(Json::String(_)) => Err(format!("`requestState` is longer than {STATE_BYTES_MAX} bytes")),
        other => Err(wrong("requestState", "a string", other)),
    }
}

fn read_responses(responses: Option<&Json>, text: &Bytes) -> Result<Vec<(Box<str>, RawJson)>, String> {
    let members = match responses {
        None => return Ok(Vec::new()),
        Some(Json::Object(members)) if members.len() <= RESPONSES_MAX => members,
        Some(Json::Object(_)) => {
            return Err(format!("`inputResponses` has more than {RESPONSES_MAX} members"));
        }
        other => return Err(wrong("inputResponses", "an object", other)),
    };
    let response = |member: &Member| match member.value {
        Json::Object(_) if member.name.len() <= KEY_BYTES_MAX => {
            Ok((member.name.clone(), RawJson::slice(text, &member.span)))
        }
        Json::Object(_) => Err(format!("a name in `inputResponses` is longer than {KEY_BYTES_MAX} bytes")),
        _ => Err(wrong("inputResponses", "an object of objects", Some(&member.value))),
    };
    members.iter().map(response).collect()
}
