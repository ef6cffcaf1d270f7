//! The methods of MCP that pass between a client and an upstream server. Must never hold one that is not decided on: what
//! is not here is not carried.

use crate::ids::ToolName;

/// What registry names of methods begin with. No tool of a server can have such a name.
const PREFIX: &str = "mcp:";

/// A request of a client that an upstream server answers (MCP 2026-07-28, Server features), or of a server that the client
/// of an open call answers (Client features).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Method {
    /// `tools/call`.
    CallTool,
    /// `resources/list`.
    ListResources,
    /// `resources/templates/list`.
    ListTemplates,
    /// `resources/read`.
    ReadResource,
    /// `resources/subscribe`.
    Subscribe,
    /// `prompts/list`.
    ListPrompts,
    /// `prompts/get`.
    GetPrompt,
    /// `completion/complete`.
    Complete,
    /// `tasks/get`: how an upstream task stands, and what came of it (extension `io.modelcontextprotocol/tasks`).
    GetServerTask,
    /// `tasks/update`: answers what an upstream task asks.
    UpdateServerTask,
    /// `tasks/cancel`: asks an upstream task to stop.
    CancelServerTask,
    /// `elicitation/create`: the server asks the client's person.
    Elicit,
    /// `sampling/createMessage`: the server asks the client's model.
    Sample,
    /// `roots/list`: the server asks where the client works.
    ListRoots,
}

impl Method {
    /// Those that name no tool: the registry keeps each as an operation of its server (ADR 0022).
    pub const BESIDE_TOOLS: [Self; 10] = [
        Self::ListResources,
        Self::ListTemplates,
        Self::ReadResource,
        Self::Subscribe,
        Self::ListPrompts,
        Self::GetPrompt,
        Self::Complete,
        Self::GetServerTask,
        Self::UpdateServerTask,
        Self::CancelServerTask,
    ];

    /// What is asked about an upstream task. Each names one that its client was given before.
    pub const ON_SERVER_TASKS: [Self; 3] =
        [Self::GetServerTask, Self::UpdateServerTask, Self::CancelServerTask];

    /// What a server asks of the client whose call it serves.
    pub const QUESTIONS: [Self; 3] = [Self::Elicit, Self::Sample, Self::ListRoots];

    /// As the protocol writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CallTool => "tools/call",
            Self::ListResources => "resources/list",
            Self::ListTemplates => "resources/templates/list",
            Self::ReadResource => "resources/read",
            Self::Subscribe => "resources/subscribe",
            Self::ListPrompts => "prompts/list",
            Self::GetPrompt => "prompts/get",
            Self::Complete => "completion/complete",
            Self::GetServerTask => "tasks/get",
            Self::UpdateServerTask => "tasks/update",
            Self::CancelServerTask => "tasks/cancel",
            Self::Elicit => "elicitation/create",
            Self::Sample => "sampling/createMessage",
            Self::ListRoots => "roots/list",
        }
    }

    /// Reads what a client asks. What servers ask is none of it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let all = std::iter::once(Self::CallTool).chain(Self::BESIDE_TOOLS);
        all.into_iter().find(|method| method.as_str() == text)
    }

    /// Reads what a server asks. What clients ask is none of it.
    #[must_use]
    pub fn parse_question(text: &str) -> Option<Self> {
        Self::QUESTIONS.into_iter().find(|method| method.as_str() == text)
    }

    /// Whether a server asks it, and the client answers.
    #[must_use]
    pub const fn is_question(self) -> bool {
        matches!(self, Self::Elicit | Self::Sample | Self::ListRoots)
    }

    /// Whether a server without sessions may ask the client before it answers this (MCP 2026-07-28, Multi round-trip
    /// requests).
    #[must_use]
    pub const fn may_ask(self) -> bool {
        matches!(self, Self::CallTool | Self::ReadResource | Self::GetPrompt)
    }

    /// Whether it is asked about an upstream task.
    #[must_use]
    pub const fn is_on_server_task(self) -> bool {
        matches!(self, Self::GetServerTask | Self::UpdateServerTask | Self::CancelServerTask)
    }

    /// Whether only a server that has resources answers it.
    #[must_use]
    pub const fn of_resources(self) -> bool {
        matches!(self, Self::ListResources | Self::ListTemplates | Self::ReadResource | Self::Subscribe)
    }

    /// The name it has in the registry, beside the tools of its server; `None` for `tools/call`.
    #[must_use]
    pub fn operation(self) -> Option<ToolName> {
        ToolName::parse(&format!("{PREFIX}{}", self.as_str())).ok()
    }

    /// The method that a registry name stands for; `None` for a tool's.
    #[must_use]
    pub fn of(name: &ToolName) -> Option<Self> {
        Self::named(name.as_str())
    }

    /// As [`Self::of`], of any text.
    pub(crate) fn named(text: &str) -> Option<Self> {
        let method = text.strip_prefix(PREFIX)?;
        let operations = Self::BESIDE_TOOLS.into_iter().chain(Self::QUESTIONS);
        operations.into_iter().find(|known| known.as_str() == method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_and_tools_share_no_name() {
        for method in Method::BESIDE_TOOLS.into_iter().chain(Method::QUESTIONS) {
            let name = method.operation().unwrap();
            assert_eq!(Method::of(&name), Some(method));
            let (asked, question) = (Method::parse(method.as_str()), Method::parse_question(method.as_str()));
            let found = if method.is_question() { (question, asked) } else { (asked, question) };
            assert_eq!(found, (Some(method), None), "one side asks it, never the other");
            assert_eq!(
                Method::of(&ToolName::parse(method.as_str()).unwrap()),
                None,
                "a tool may be named so"
            );
        }
        assert_eq!(Method::CallTool.operation(), None);
        for none in ["mcp:", "mcp:tools/call", "mcp:x", "mcp:resources/Read", "a:b", ":resources/read"] {
            assert!(ToolName::parse(none).is_err(), "{none}");
        }
    }
}
