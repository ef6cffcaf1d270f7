//! Security requirements of MCP that the protocol's own crate keeps, by their numbers in
//! `docs/threats/mcp-requirements.md`. Must never look inside: what is tested is what others call.

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use mcp::answer::{self, Asked, Refusal};
    use mcp::fault::ProtocolFault;
    use mcp::implementation::Implementation;
    use mcp::inbound::{Inbound, parse_body};
    use mcp::jsonrpc::{RpcError, code};
    use mcp::outbound::{self, ToolRequest, Wire};
    use mcp::relay;
    use mcp::request::{Call, ClientRequest};
    use mcp::version::{Era, ProtocolVersion};
    use model::client::ClientCapabilities;
    use model::denial::{Denial, Reason};
    use model::json::Json;
    use model::limits::JsonLimits;
    use model::method::Method;
    use proptest::prelude::*;

    /// A request with a canary wherever nothing of the client's may pass.
    fn laden(method: Method, parameters: &str) -> Call {
        let text = format!(
            r#"{{"canary1":1,"jsonrpc":"2.0","id":"canary2","method":"{}","params":{{"canary3":[],{parameters},
            "sampling":"canary4","_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28",
            "io.modelcontextprotocol/clientCapabilities":{{"experimental":{{"canary5":{{}}}}}},
            "io.modelcontextprotocol/clientInfo":{{"name":"canary6","version":"1"}},"progressToken":"canary7",
            "com.example/canary8":"x","authorization":"canary9","traceparent":"00-trace-01"}}}}}}"#,
            method.as_str()
        );
        let Inbound::Request(request) = parse_body(&Bytes::from(text), &JsonLimits::REQUEST).unwrap() else {
            panic!()
        };
        let (_, ClientRequest::Call(call)) = request.read(Era::Modern).unwrap() else { panic!() };
        *call
    }

    #[test]
    fn s36_nothing_of_the_clients_envelope_leaves() {
        let us = Implementation::new("callgate", "1");
        for (method, parameters) in [
            (Method::CallTool, r#""name":"t","arguments":{"a":"kept"}"#),
            (Method::ReadResource, r#""uri":"kept:a""#),
            (Method::GetPrompt, r#""name":"kept","arguments":{"a":"b"}"#),
            (
                Method::Complete,
                r#""ref":{"type":"ref/prompt","name":"kept"},"argument":{"name":"a","value":""}"#,
            ),
        ] {
            let call = laden(method, parameters);
            for wire in [Wire::Legacy, Wire::Modern { version: ProtocolVersion::V2026_07_28, client: &us }] {
                let (name, arguments) = (call.name.as_str(), &call.arguments_raw);
                let (client, log, again) = (ClientCapabilities::NONE, None, None);
                let (trace, progress) = (&call.meta.trace, Some(7));
                let request = ToolRequest { name, arguments, trace, progress, client, log, again };
                let sent = outbound::call(&wire, 7, method, &request);
                let text = String::from_utf8(sent.to_vec()).unwrap();
                assert!(!text.contains("canary"), "{text}");
                assert!(text.contains("kept") && text.contains("00-trace-01"), "{text}");
                let tree = Json::parse(&sent, &JsonLimits::REQUEST).unwrap();
                let id = tree.get("id").and_then(Json::as_i64);
                let token = tree.get("params").and_then(|p| p.get("_meta")?.get("progressToken")?.as_i64());
                assert_eq!((id, token), (Some(7), Some(7)), "ids and tokens are our own");
            }
        }
    }

    /// What JSON-RPC and MCP define for what we say ourselves, and our own code outside their range.
    const LEGAL: [i64; 9] = [
        code::PARSE_ERROR,
        code::INVALID_REQUEST,
        code::METHOD_NOT_FOUND,
        code::INVALID_PARAMS,
        code::INTERNAL_ERROR,
        code::HEADER_MISMATCH,
        code::MISSING_CAPABILITY,
        code::UNSUPPORTED_VERSION,
        code::DENIED,
    ];

    #[test]
    fn s59_every_refusal_has_a_legal_code() {
        assert!(!(-32768..=-32000).contains(&code::DENIED));
        let server = Implementation::new("callgate", "1");
        let methods = [Method::CallTool, Method::ReadResource, Method::GetPrompt, Method::Complete];
        for (era, method) in [Era::Legacy, Era::Modern].into_iter().flat_map(|era| methods.map(|m| (era, m)))
        {
            for reason in Reason::ALL {
                let asked = Asked { era, method, server: &server };
                match answer::refusal(&asked, &Denial::new(reason, "no"), None) {
                    Refusal::Error(error) => assert!(LEGAL.contains(&error.code), "{reason:?} {error:?}"),
                    Refusal::Result(result) => {
                        let tree = Json::parse(result.as_bytes(), &JsonLimits::UPSTREAM).unwrap();
                        assert_eq!(tree.get("isError"), Some(&Json::Bool(true)));
                    }
                }
            }
            assert!(LEGAL.contains(&ProtocolFault::method(era, "m").error.code));
        }
        for fault in [
            ProtocolFault::invalid_request("m"),
            ProtocolFault::envelope("m"),
            ProtocolFault::params("m"),
            ProtocolFault::header("m"),
            ProtocolFault::version("m"),
            ProtocolFault::session_missing(),
            ProtocolFault::session_unknown(),
            ProtocolFault::http_method(),
        ] {
            assert!(LEGAL.contains(&fault.error.code), "{fault:?}");
        }
    }

    proptest! {
        #[test]
        fn s59_no_error_of_a_server_speaks_of_our_conversation_with_it(
            given in prop_oneof![any::<i64>(), -32800_i64..-31900],
            modern in any::<bool>(),
        ) {
            let era = if modern { Era::Modern } else { Era::Legacy };
            let shown = relay::error(era, ClientCapabilities::NONE, RpcError::new(given, "m")).code;
            prop_assert!(!(-32099..=-32020).contains(&shown) || (shown == -32042 && era == Era::Legacy));
            prop_assert!(![code::PARSE_ERROR, code::INVALID_REQUEST].contains(&shown));
            prop_assert!(shown != -32002 || era == Era::Legacy, "retired in the newest revision");
            prop_assert!(shown == given || [code::INTERNAL_ERROR, code::INVALID_PARAMS].contains(&shown));
        }
    }
}
