//! What a policy set is compiled from. Must never hold anything a call says: only files and the registry.

use model::ids::ServerName;
use model::json::Json;
use model::tool::PinnedTool;

/// One `.cedar` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySource {
    /// The name people know it by; shown in problems.
    pub file: String,
    /// Its text, at most 64 KiB.
    pub text: String,
}

/// One configured server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFacts {
    /// Its name in the configuration.
    pub name: ServerName,
    /// Where it stands, as the operator wrote it: `production`, `local`, and so on. Never from the call.
    pub environment: String,
}

/// One tool whose definition a person certified.
///
/// A tool that is quarantined again (its definition changed) is passed with the definition last certified, so
/// that policies that name it stay valid; the call path refuses it before a decision is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolFacts {
    /// Name, definition and risk.
    pub tool: PinnedTool,
    /// Its `inputSchema`.
    pub input_schema: Json,
    /// True when its results hold secrets.
    pub returns_secrets: bool,
}
