//! The entry that a client gets instead of the server: the shim's command. Must never hold a credential.

use model::json::Json;

/// Members of an old entry that say how the client treats the server, not what the server is.
const KEPT: [&str; 10] = [
    "disabled",
    "enabled",
    "startup_timeout_sec",
    "startup_timeout_ms",
    "tool_timeout_sec",
    "timeout",
    "enabled_tools",
    "disabled_tools",
    "autoApprove",
    "alwaysAllow",
];

/// A connected entry.
#[derive(Clone, PartialEq, Debug)]
pub struct ShimEntry {
    /// The absolute path of this program.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// True when the old entry said what it is: then this says `stdio`.
    typed: bool,
    kept: Vec<(String, Json)>,
}

impl ShimEntry {
    /// The entry for one server of one client.
    #[must_use]
    pub fn new(program: &str, config: &str, agent: &str, server: &str) -> Self {
        let args = ["--config", config, "wrap", "--agent", agent, "--server", server];
        let args = args.into_iter().map(str::to_owned).collect();
        Self { command: program.to_owned(), args, typed: false, kept: Vec::new() }
    }

    /// The same with what the old entry said about the client itself.
    #[must_use]
    pub(crate) fn like(&self, old: &Json) -> Self {
        let kept = KEPT.iter().filter_map(|name| {
            let value = old.get(name).filter(|value| harmless(value))?;
            Some(((*name).to_owned(), value.clone()))
        });
        Self { typed: old.get("type").is_some(), kept: kept.collect(), ..self.clone() }
    }

    /// Its members in the order they are written.
    pub(crate) fn members(&self) -> Vec<(String, Json)> {
        let args = self.args.iter().map(|arg| Json::String(arg.as_str().into())).collect();
        let mut members = Vec::new();
        if self.typed {
            members.push(("type".to_owned(), Json::String("stdio".into())));
        }
        members.push(("command".to_owned(), Json::String(self.command.as_str().into())));
        members.push(("args".to_owned(), Json::Array(args)));
        members.extend(self.kept.iter().cloned());
        members
    }

    /// Its value.
    pub(crate) fn value(&self) -> Json {
        let members = self.members().into_iter();
        let members =
            members.map(|(name, value)| model::json::Member { name: name.into(), span: 0..0, value });
        Json::Object(members.collect())
    }

    /// A connected entry as it stands in a file.
    #[must_use]
    pub fn read(entry: &Json) -> Option<Self> {
        let (agent, server) = Self::recognise(entry)?;
        let program = entry.get("command")?.as_str()?;
        let Json::Array(args) = entry.get("args")? else { return None };
        Some(Self::new(program, args.get(1)?.as_str()?, &agent, &server))
    }

    /// Whether an entry is a connected one: which agent and server it names.
    #[must_use]
    pub fn recognise(entry: &Json) -> Option<(String, String)> {
        let Some(Json::Array(args)) = entry.get("args") else { return None };
        let args: Vec<&str> = args.iter().filter_map(Json::as_str).collect();
        match args.as_slice() {
            ["--config", _, "wrap", "--agent", agent, "--server", server] if entry.get("env").is_none() => {
                Some(((*agent).to_owned(), (*server).to_owned()))
            }
            _ => None,
        }
    }
}

/// A flag, a number, or names: nothing that could be a credential.
fn harmless(value: &Json) -> bool {
    match value {
        Json::Bool(_) | Json::Number(_) => true,
        Json::Array(items) => items.iter().all(|item| {
            item.as_str()
                .is_some_and(|text| text.len() <= 128 && !crate::credential::looks_like_credential(text))
        }),
        _ => false,
    }
}
