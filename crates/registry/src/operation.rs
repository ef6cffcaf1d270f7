//! What a server offers beside tools, written down as definitions of our own, so that it is certified, listed, decided
//! and recorded as tools are (ADR 0022). Must never be read from what a server sent: a server only says that it has it.

use std::sync::{Arc, LazyLock};

use model::json::RawJson;
use model::limits::JsonLimits;
use model::method::Method;

use crate::definition::Definition;

static DEFINITIONS: LazyLock<Vec<(Method, Arc<Definition>)>> = LazyLock::new(|| {
    let defined = |method: Method| Some((method, Arc::new(parse(method)?)));
    Method::BESIDE_TOOLS.into_iter().chain(Method::QUESTIONS).filter_map(defined).collect()
});

/// The definition of an operation; `None` for `tools/call`, which is none.
#[must_use]
pub fn definition(method: Method) -> Option<Arc<Definition>> {
    let of =
        |(known, definition): &(Method, Arc<Definition>)| (*known == method).then(|| Arc::clone(definition));
    DEFINITIONS.iter().find_map(of)
}

fn parse(method: Method) -> Option<Definition> {
    let (title, description, schema) = texts(method)?;
    let name = method.operation()?;
    let text = format!(
        r#"{{"name":"{name}","title":"{title}","description":"{description}","inputSchema":{schema},"annotations":{{"readOnlyHint":true}}}}"#
    );
    let (raw, _) = RawJson::parse(text.into_bytes().into(), &JsonLimits::REQUEST).ok()?;
    Definition::parse(&raw).ok()
}

const PAGE: &str = r#"{"type":"object","properties":{"cursor":{"type":"string","maxLength":4096}},"additionalProperties":false}"#;
const READ: &str = r#"{"type":"object","properties":{"uri":{"type":"string","maxLength":8192}},"required":["uri"],"additionalProperties":false}"#;
const GET: &str = r#"{"type":"object","properties":{"name":{"type":"string","maxLength":256},"arguments":{"type":"object","additionalProperties":{"type":"string"}}},"required":["name"],"additionalProperties":false}"#;
const COMPLETE: &str = r#"{"type":"object","properties":{"ref":{"type":"object","properties":{"type":{"type":"string","enum":["ref/prompt","ref/resource"]},"name":{"type":"string","maxLength":256},"title":{"type":"string","maxLength":1024},"uri":{"type":"string","maxLength":8192}},"required":["type"],"additionalProperties":false},"argument":{"type":"object","properties":{"name":{"type":"string","maxLength":256},"value":{"type":"string","maxLength":8192}},"required":["name","value"],"additionalProperties":false},"context":{"type":"object","properties":{"arguments":{"type":"object","additionalProperties":{"type":"string"}}},"additionalProperties":false}},"required":["ref","argument"],"additionalProperties":false}"#;
const TASK: &str = r#"{"type":"object","properties":{"taskId":{"type":"string","minLength":1,"maxLength":2048}},"required":["taskId"],"additionalProperties":false}"#;
const UPDATE: &str = r#"{"type":"object","properties":{"taskId":{"type":"string","minLength":1,"maxLength":2048},"inputResponses":{"type":"object"}},"required":["taskId","inputResponses"],"additionalProperties":false}"#;

// What a server asks is the server's to word: its parameters are bounded as its messages are, and shown to policy.
const ELICIT: &str = r#"{"type":"object","properties":{"mode":{"type":"string","enum":["form","url"]},"message":{"type":"string","maxLength":65536},"requestedSchema":{"type":"object"},"url":{"type":"string","maxLength":8192},"elicitationId":{"type":"string","maxLength":1024}},"required":["message"],"additionalProperties":false}"#;
const SAMPLE: &str = r#"{"type":"object","properties":{"messages":{"type":"array"},"maxTokens":{"type":"integer"},"systemPrompt":{"type":"string"},"includeContext":{"type":"string","enum":["none","thisServer","allServers"]},"temperature":{"type":"number"},"stopSequences":{"type":"array","items":{"type":"string"}},"modelPreferences":{"type":"object"},"metadata":{"type":"object"},"tools":{"type":"array"},"toolChoice":{"type":"object"}},"required":["messages","maxTokens"],"additionalProperties":false}"#;
const ROOTS: &str = r#"{"type":"object","properties":{},"additionalProperties":false}"#;

/// Title, description and parameters (MCP 2026-07-28: Resources, Prompts, Completion).
const fn texts(method: Method) -> Option<(&'static str, &'static str, &'static str)> {
    Some(match method {
        Method::CallTool => return None,
        Method::ListResources => ("List resources", "Lists the resources this server offers.", PAGE),
        Method::ListTemplates => {
            ("List resource templates", "Lists the forms of URI this server resolves.", PAGE)
        }
        Method::ReadResource => ("Read a resource", "Returns what stands at one URI of this server.", READ),
        Method::Subscribe => (
            "Subscribe to a resource",
            "The server tells when what stands at one URI of it changes, and not what.",
            READ,
        ),
        Method::ListPrompts => ("List prompts", "Lists the prompts this server offers.", PAGE),
        Method::GetPrompt => ("Get a prompt", "Returns the messages of one prompt of this server.", GET),
        Method::Complete => (
            "Complete an argument",
            "Proposes values for one argument of a prompt or of a URI template.",
            COMPLETE,
        ),
        Method::GetServerTask => (
            "Look after a task of the server",
            "Returns how a task of this server stands that it made of a tool call, what it asks, and what came of it.",
            TASK,
        ),
        Method::UpdateServerTask => (
            "Answer a task of the server",
            "Answers what a task of this server asks that it made of a tool call.",
            UPDATE,
        ),
        Method::CancelServerTask => (
            "Stop a task of the server",
            "Asks this server to stop a task that it made of a tool call.",
            TASK,
        ),
        Method::Elicit => (
            "Ask the person",
            "The server asks the person at the client of one of its open calls to fill a form or to open a page.",
            ELICIT,
        ),
        Method::Sample => (
            "Ask the model",
            "The server asks the model of the client of one of its open calls to go on with messages of the server's.",
            SAMPLE,
        ),
        Method::ListRoots => {
            ("Ask for the roots", "The server asks where the client of one of its open calls works.", ROOTS)
        }
    })
}

#[cfg(test)]
mod tests {
    use model::tool::Risk;

    use super::*;
    use crate::catalog::Catalog;
    use crate::flags::{self, KnownNames};
    use crate::risk;

    #[test]
    fn every_operation_is_defined_needs_no_second_look_and_reads_only_if_it_is_given_nothing() {
        let methods = || Method::BESIDE_TOOLS.into_iter().chain(Method::QUESTIONS);
        let all: Vec<_> = methods().map(|method| definition(method).unwrap()).collect();
        let known = KnownNames::of(&Catalog::default(), &all);
        for (method, definition) in methods().zip(&all) {
            assert_eq!(Method::of(definition.name()), Some(method));
            let proposed = risk::propose(definition);
            let lists = method.as_str().ends_with("/list");
            let risk = if lists || matches!(method, Method::Elicit | Method::GetServerTask) {
                Risk::Read
            } else {
                Risk::Write
            };
            assert_eq!(proposed.risk, risk, "{method:?}: {:?}", proposed.because);
            assert!(!proposed.returns_secrets, "{method:?}: {:?}", proposed.because);
            assert_eq!(flags::inspect(definition, &known), [], "{method:?}");
            assert!(definition.arguments().is_ok(), "{method:?}");
        }
        assert!(definition(Method::CallTool).is_none());
    }
}
