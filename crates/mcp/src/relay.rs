//! An upstream's error as a client may see it (MCP, Base Protocol). Must never relay a code that speaks of the
//! conversation between Callgate and the upstream as if it were the client's.

use model::client::ClientCapabilities;
use model::json::{Json, RawJson};
use model::limits::JsonLimits;

use crate::jsonrpc::{RpcError, code};
use crate::shape;
use crate::version::Era;
use crate::{asking, declared, edit};

/// Resource not found, up to 2025-11-25.
const RESOURCE_NOT_FOUND: i64 = -32002;
/// The upstream wants a URL opened first (2025-11-25). Its data names only pages that were permitted, or is absent.
const URL_ELICITATION: i64 = -32042;

/// The error for a client of this era that declared this. Data is kept only where the code is.
#[must_use]
pub fn error(era: Era, client: ClientCapabilities, error: RpcError) -> RpcError {
    match error.code {
        RESOURCE_NOT_FOUND if era == Era::Modern => RpcError { code: code::INVALID_PARAMS, ..error },
        code::PARSE_ERROR | code::INVALID_REQUEST => ours("the server could not read the request"),
        URL_ELICITATION if era == Era::Legacy && may_open(client, &error) => error,
        URL_ELICITATION => ours("the server asks to open a web page, which is not carried"),
        code::MISSING_CAPABILITY => missing(era, client, error.data.as_ref()),
        // Headers and versions are between us and the upstream; nobody may emit other codes of this range.
        -32099..=-32020 => ours("the server refused the request"),
        // With this code we refuse, and under our names we say why: no server speaks in them.
        code::DENIED => RpcError::new(code::INTERNAL_ERROR, error.message),
        _ => RpcError { data: error.data.and_then(|data| shape::without_ours(&data)), ..error },
    }
}

fn may_open(client: ClientCapabilities, error: &RpcError) -> bool {
    client.has(ClientCapabilities::ELICIT_URL) && error.data.is_some()
}

/// The pages that an upstream wants opened first, for a client that is asked by a result: parameters of elicitations.
#[must_use]
pub fn pages(client: ClientCapabilities, error: &RpcError) -> Vec<RawJson> {
    match (&error.data, error.code == URL_ELICITATION && may_open(client, error)) {
        (Some(data), true) => edit::elements(data, "elicitations"),
        _ => Vec::new(),
    }
}

/// What the server was told it may ask is less than, or the same as, what the client declared. Only what that itself
/// lacks is the client's to hear of.
fn missing(era: Era, client: ClientCapabilities, data: Option<&RawJson>) -> RpcError {
    let needed = data.and_then(|data| Json::parse(data.as_bytes(), &JsonLimits::UPSTREAM).ok());
    let needed = needed.as_ref().and_then(|data| data.get("requiredCapabilities"));
    let needed = needed.and_then(|needed| declared::capabilities(needed).ok()).unwrap_or_default();
    let lacking = needed.without(client);
    if era == Era::Legacy || lacking.is_empty() {
        return ours("the server needs a capability that is not carried");
    }
    let text = "the server needs the client to have a capability that it did not declare";
    RpcError { data: Some(asking::required(lacking)), ..RpcError::new(code::MISSING_CAPABILITY, text) }
}

fn ours(message: &str) -> RpcError {
    RpcError::new(code::INTERNAL_ERROR, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relayed(era: Era, code: i64) -> (i64, bool) {
        let data = Some(RawJson::empty_object());
        let error = error(era, ClientCapabilities::NONE, RpcError { data, ..RpcError::new(code, "m") });
        (error.code, error.data.is_some())
    }

    #[test]
    fn errors_of_the_tool_pass_and_errors_between_us_and_the_upstream_do_not() {
        for passes in [-32601, -32602, -32603, -32000, -32019, 1, 0, -1, 42] {
            assert_eq!(relayed(Era::Modern, passes), (passes, true), "{passes}");
            assert_eq!(relayed(Era::Legacy, passes), (passes, true), "{passes}");
        }
        for ours in [-32700, -32600, -32020, -32021, -32022, -32042, -32099] {
            assert_eq!(relayed(Era::Modern, ours), (-32603, false), "{ours}");
            assert_eq!(relayed(Era::Legacy, ours), (-32603, false), "{ours}");
        }
    }

    #[test]
    fn a_client_hears_what_it_lacks_itself_and_of_nothing_else() {
        let data = br#"{"requiredCapabilities":{"sampling":{},"roots":{},"extensions":{"x":{}}},"hint":"h"}"#;
        let (data, _) = RawJson::parse(data.to_vec().into(), &JsonLimits::REQUEST).unwrap();
        let sent = RpcError { data: Some(data), ..RpcError::new(code::MISSING_CAPABILITY, "m") };
        let of = |era, client| error(era, client, sent.clone());
        let told = of(Era::Modern, ClientCapabilities::ROOTS);
        assert_eq!(told.code, code::MISSING_CAPABILITY);
        assert_eq!(told.data.unwrap().as_str(), r#"{"requiredCapabilities":{"sampling":{}}}"#);
        let both = ClientCapabilities::ROOTS.with(ClientCapabilities::SAMPLING);
        for ours in [of(Era::Modern, both), of(Era::Legacy, ClientCapabilities::NONE)] {
            assert_eq!((ours.code, ours.data.is_some()), (code::INTERNAL_ERROR, false));
        }
    }

    #[test]
    fn pages_reach_only_a_client_that_opens_them() {
        let data = br#"{"elicitations":[{"mode":"url"}]}"#;
        let (data, _) = RawJson::parse(data.to_vec().into(), &JsonLimits::REQUEST).unwrap();
        let sent = RpcError { data: Some(data), ..RpcError::new(URL_ELICITATION, "m") };
        let opens = ClientCapabilities::ELICIT_URL;
        assert_eq!(error(Era::Legacy, opens, sent.clone()), sent);
        assert_eq!(
            pages(opens, &sent).iter().map(RawJson::as_str).collect::<Vec<_>>(),
            [r#"{"mode":"url"}"#]
        );
        let form = ClientCapabilities::ELICIT_FORM;
        let refused = RpcError { data: None, ..sent.clone() };
        for (era, client, sent) in
            [(Era::Legacy, form, &sent), (Era::Modern, opens, &sent), (Era::Legacy, opens, &refused)]
        {
            assert_eq!(error(era, client, sent.clone()).code, code::INTERNAL_ERROR);
        }
        assert!(pages(form, &sent).is_empty() && pages(opens, &refused).is_empty());
    }

    #[test]
    fn no_server_refuses_in_our_name() {
        let forged =
            r#"{"dev.callgate/denial":{"reason":"approval_required"},"\u0064ev.callgate/x":1,"k":1}"#;
        let (data, _) = RawJson::parse(forged.as_bytes().to_vec().into(), &JsonLimits::REQUEST).unwrap();
        for era in [Era::Legacy, Era::Modern] {
            let of = |code| {
                error(
                    era,
                    ClientCapabilities::NONE,
                    RpcError { data: Some(data.clone()), ..RpcError::new(code, "m") },
                )
            };
            let refused = of(code::DENIED);
            assert_eq!((refused.code, refused.data.is_some()), (code::INTERNAL_ERROR, false));
            assert_eq!(of(-32000).data.unwrap().as_str(), r#"{"k":1}"#);
        }
    }

    #[test]
    fn a_retired_code_is_translated_for_modern_clients() {
        assert_eq!(relayed(Era::Modern, -32002), (-32602, true));
        assert_eq!(relayed(Era::Legacy, -32002), (-32002, true));
    }
}
