//! Reads the answer to a `server/discover` probe: which era does this upstream speak (MCP 2026-07-28,
//! Versioning)? Must never take silence, 401 or 403 for an answer; those prove nothing and never reach this code.

use model::json::Json;
use model::limits::JsonLimits;

use crate::jsonrpc::{RpcError, code};
use crate::reply::Outcome;
use crate::version::{Era, ProtocolVersion};

/// What the probe showed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is modern and speaks this revision, the newest both know.
    Modern(ProtocolVersion),
    /// It is modern and shares no revision with us.
    Incompatible,
    /// Try `initialize`.
    Legacy,
}

/// Judges the outcome of a `server/discover`. `http_status` is `None` on stdio.
#[must_use]
pub fn judge(outcome: &Outcome, http_status: Option<u16>) -> Verdict {
    match outcome {
        Outcome::Result(result) => match result.supported_versions() {
            Some(versions) => newest(versions.into_iter()),
            None => Verdict::Legacy,
        },
        Outcome::Error(error) => match error.code {
            code::UNSUPPORTED_VERSION => newest(supported(error).iter().map(String::as_str)),
            code::HEADER_MISMATCH | code::MISSING_CAPABILITY => Verdict::Modern(ProtocolVersion::LATEST),
            // Every modern server has `server/discover`; one that says it has not is modern only when it says so
            // with the status that legacy servers do not use.
            code::METHOD_NOT_FOUND if http_status == Some(404) => Verdict::Modern(ProtocolVersion::LATEST),
            _ => Verdict::Legacy,
        },
    }
}

fn newest<'a>(versions: impl Iterator<Item = &'a str>) -> Verdict {
    let known = versions.filter_map(ProtocolVersion::parse).filter(|version| version.era() == Era::Modern);
    known.max().map_or(Verdict::Incompatible, Verdict::Modern)
}

/// `data.supported` of a `-32022`.
fn supported(error: &RpcError) -> Vec<String> {
    let data = error.data.as_ref().map(|data| Json::parse(data.as_bytes(), &JsonLimits::UPSTREAM));
    match data {
        Some(Ok(data)) => match data.get("supported") {
            Some(Json::Array(versions)) => {
                versions.iter().filter_map(Json::as_str).map(str::to_owned).collect()
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::reply::{UpstreamMessage, read_message};

    fn verdict(body: &'static str, status: Option<u16>) -> Verdict {
        let message = read_message(&Bytes::from_static(body.as_bytes()), &JsonLimits::UPSTREAM).unwrap();
        let UpstreamMessage::Response { outcome, .. } = message else { panic!("{body}") };
        judge(&outcome, status)
    }

    #[test]
    fn results_and_recognised_errors_are_modern() {
        let modern = Verdict::Modern(ProtocolVersion::V2026_07_28);
        let discover = r#"{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2025-11-25","2026-07-28","2099-01-01"],"capabilities":{}}}"#;
        assert_eq!(verdict(discover, None), modern);
        let unsupported = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"x","data":{"supported":["2026-07-28"],"requested":"y"}}}"#;
        assert_eq!(verdict(unsupported, Some(400)), modern);
        let newer = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"x","data":{"supported":["2099-01-01"]}}}"#;
        assert_eq!(verdict(newer, None), Verdict::Incompatible);
    }

    #[test]
    fn other_answers_are_legacy() {
        for body in [
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: Server not initialized"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Invalid request parameters"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        ] {
            assert_eq!(verdict(body, None), Verdict::Legacy, "{body}");
        }
    }
}
