//! Names in Cedar: namespaces of servers, actions of tools, entities. Must never map two names to one.

use cedar_policy::{EntityId, EntityTypeName, EntityUid};
use model::ids::{AgentId, GroupName, ServerName, TaskId};
use model::method::Method;
use model::tool::{Risk, ToolRef};

/// The namespace of everything that is not a tool.
pub(crate) const SHARED: &str = "Callgate";
/// The action that gates what a server shows.
pub(crate) const LIST: &str = "list";
/// The action group of all tools.
pub(crate) const CALL: &str = "call";
/// The action group of tools whose results hold secrets.
pub(crate) const RETURNS_SECRETS: &str = "returns_secrets";
/// The action group of what shows and reads resources.
pub(crate) const READ_RESOURCE: &str = "read_resource";
/// The action group of what shows and gets prompts.
pub(crate) const GET_PROMPT: &str = "get_prompt";
/// The action group of completion.
pub(crate) const COMPLETE: &str = "complete";
/// The action group of what is asked about upstream tasks.
pub(crate) const UPSTREAM_TASK: &str = "upstream_task";
/// The action group of what servers ask of a client's person.
pub(crate) const ELICIT: &str = "elicit";
/// The action group of what servers ask of a client's model.
pub(crate) const SAMPLE: &str = "sample";
/// The action group of asking where a client works.
pub(crate) const LIST_ROOTS: &str = "list_roots";
/// An action nobody can request. It is in every group, so that a policy on a group is valid with no tool in it.
pub(crate) const NO_TOOL: &str = "(no tool)";
/// The group every registered agent is in.
pub(crate) const KNOWN: &str = "known";

const RESERVED: [&str; 9] = ["if", "then", "else", "in", "is", "has", "like", "true", "false"];

/// The Cedar namespace of a server: its own name when that is an identifier, `-` written as `__`.
///
/// Names that this would make ambiguous or illegal (a leading digit, a reserved word, `-` next to `-` or `_`) get
/// the prefix `S_` and `D` for `-`. Server names have neither upper case nor `__`, so no two share a namespace.
pub(crate) fn namespace(server: &ServerName) -> String {
    let name = server.as_str();
    let illegal = name.starts_with(|c: char| c.is_ascii_digit()) || RESERVED.contains(&name);
    let ambiguous = ["--", "-_", "_-"].iter().any(|pair| name.contains(pair));
    if illegal || ambiguous { format!("S_{}", name.replace('-', "D")) } else { name.replace('-', "__") }
}

/// A tool's action as policies write it: `SERVER::Action::"TOOL"`. Neither name has a character that needs an escape.
#[must_use]
pub fn action_of(tool: &ToolRef) -> String {
    format!("{}::Action::\"{}\"", namespace(&tool.server), tool.tool)
}

/// The group of what is asked beside tools; `None` for a tool.
pub(crate) fn kind_group(tool: &ToolRef) -> Option<&'static str> {
    Some(match Method::of(&tool.tool)? {
        Method::ListResources | Method::ListTemplates | Method::ReadResource | Method::Subscribe => {
            READ_RESOURCE
        }
        Method::ListPrompts | Method::GetPrompt => GET_PROMPT,
        Method::Complete => COMPLETE,
        Method::GetServerTask | Method::UpdateServerTask | Method::CancelServerTask => UPSTREAM_TASK,
        Method::Elicit => ELICIT,
        Method::Sample => SAMPLE,
        Method::ListRoots => LIST_ROOTS,
        Method::CallTool => return None,
    })
}

/// The group of one risk class.
pub(crate) fn risk_group(risk: Risk) -> String {
    format!("risk:{risk}")
}

/// The group of one server's tools.
pub(crate) fn server_group(server: &ServerName) -> String {
    format!("server:{server}")
}

/// The entity types, parsed once.
#[derive(Clone, Debug)]
pub(crate) struct Types {
    agent: EntityTypeName,
    group: EntityTypeName,
    task: EntityTypeName,
    server: EntityTypeName,
    action: EntityTypeName,
}

impl Types {
    /// Parses the type names; `None` would mean that a constant above is not an identifier.
    pub(crate) fn new() -> Option<Self> {
        let parse = |name: &str| format!("{SHARED}::{name}").parse::<EntityTypeName>().ok();
        Some(Self {
            agent: parse("Agent")?,
            group: parse("AgentGroup")?,
            task: parse("Task")?,
            server: parse("Server")?,
            action: parse("Action")?,
        })
    }

    pub(crate) fn agent(&self, id: &AgentId) -> EntityUid {
        uid(&self.agent, id.as_str())
    }

    pub(crate) fn known(&self) -> EntityUid {
        uid(&self.group, KNOWN)
    }

    pub(crate) fn group(&self, id: &GroupName) -> EntityUid {
        uid(&self.group, id.as_str())
    }

    pub(crate) fn task(&self, id: &TaskId) -> EntityUid {
        uid(&self.task, id.as_str())
    }

    pub(crate) fn server(&self, id: &ServerName) -> EntityUid {
        uid(&self.server, id.as_str())
    }

    /// An action or action group of the shared namespace.
    pub(crate) fn shared_action(&self, id: &str) -> EntityUid {
        uid(&self.action, id)
    }
}

/// The action of a tool.
pub(crate) fn tool_action(tool: &ToolRef) -> Option<EntityUid> {
    let action = format!("{}::Action", namespace(&tool.server)).parse::<EntityTypeName>().ok()?;
    Some(uid(&action, tool.tool.as_str()))
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn server(name: &str) -> ServerName {
        ServerName::parse(name).unwrap()
    }

    #[test]
    fn plain_names_stay_and_odd_ones_are_still_identifiers() {
        let cases = [
            ("git", "git"),
            ("my_server", "my_server"),
            ("my-server", "my__server"),
            ("in", "S_in"),
            ("like", "S_like"),
            ("7zip", "S_7zip"),
            ("a--b", "S_aDDb"),
            ("a-_b", "S_aD_b"),
            ("a_-b", "S_a_Db"),
        ];
        for (name, expected) in cases {
            assert_eq!(namespace(&server(name)), expected);
            assert!(format!("{expected}::Action").parse::<EntityTypeName>().is_ok(), "{expected}");
        }
    }

    proptest! {
        #[test]
        fn no_two_servers_share_a_namespace(names in proptest::collection::vec("[ab1]{1,2}[ab_-]{0,4}[ab]", 1..40)) {
            let mut seen: HashMap<String, String> = HashMap::new();
            for name in names {
                let Ok(server) = ServerName::parse(&name) else { continue };
                let space = namespace(&server);
                let type_name = format!("{space}::Action");
                prop_assert!(type_name.parse::<EntityTypeName>().is_ok());
                if let Some(other) = seen.insert(space, name.clone()) {
                    prop_assert_eq!(other, name);
                }
            }
        }
    }
}
