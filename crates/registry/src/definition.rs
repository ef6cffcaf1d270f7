//! One tool definition as its server wrote it, read strictly and bounded. Must never be changed after reading.

use std::fmt;
use std::sync::OnceLock;

use model::digest::Digest;
use model::ids::{NameError, ToolName};
use model::json::{Json, JsonFault, Member, RawJson};
use model::limits::JsonLimits;
use model::method::Method;

use crate::header::HeaderParameters;
use crate::schema::{ArgumentSchema, SchemaFault};

/// Bounds on one definition. The largest seen in the field are about 30 KiB.
pub const DEFINITION_LIMITS: JsonLimits =
    JsonLimits { bytes_max: 128 << 10, depth_max: 64, values_max: 20_000, number_chars_max: 64 };

static ABSENT: Json = Json::Null;

/// A tool's definition: one element of a `tools/list` result (MCP 2026-07-28, Tools).
pub struct Definition {
    name: ToolName,
    raw: RawJson,
    tree: Json,
    digest: Digest,
    body: Digest,
    mirrors: bool,
    arguments: OnceLock<Result<ArgumentSchema, SchemaFault>>,
}

/// The annotations a server may give. Untrusted: they may only make us stricter, except that `read` asks for
/// `read_only == Some(true)` among other things.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Hints {
    /// `readOnlyHint`.
    pub read_only: Option<bool>,
    /// `destructiveHint`.
    pub destructive: Option<bool>,
    /// `idempotentHint`.
    pub idempotent: Option<bool>,
    /// `openWorldHint`.
    pub open_world: Option<bool>,
}

/// Why a definition cannot enter the registry.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DefinitionFault {
    /// Not strict JSON, or over a limit.
    #[error("the definition cannot be read: {0}")]
    Json(#[from] JsonFault),
    /// Not an object, or a member of the wrong kind.
    #[error("`{member}` of the definition must be {expected}")]
    Member {
        /// Which member; empty for the definition itself.
        member: &'static str,
        /// What the protocol asks for.
        expected: &'static str,
    },
    /// A name outside the grammar.
    #[error("{0}; ask the server's author to rename the tool")]
    Name(#[from] NameError),
    /// The name of an operation, which no tool may have.
    #[error("the name is one that callgate gives; ask the server's author to rename the tool")]
    ReservedName,
    /// The same name twice in one list.
    #[error("the server lists this name more than once, so it is not clear which one is meant")]
    DuplicateName,
    /// Too many tools in one list.
    #[error("the server lists more than {max} tools; those after are left out")]
    TooManyTools {
        /// How many are read.
        max: usize,
    },
}

impl Definition {
    /// Reads one element of a `tools/list` result, as [`Self::parse`] does.
    ///
    /// # Errors
    /// [`DefinitionFault`], also for a name that is not a server's to give.
    pub fn listed(raw: &RawJson) -> Result<Self, DefinitionFault> {
        let definition = Self::parse(raw)?;
        match Method::of(&definition.name) {
            Some(_) => Err(DefinitionFault::ReservedName),
            None => Ok(definition),
        }
    }

    /// Reads one definition. Keeps its own copy of the bytes, so that the message it
    /// was cut from can be freed.
    ///
    /// # Errors
    /// [`DefinitionFault`]: what does not fit, and where.
    pub fn parse(raw: &RawJson) -> Result<Self, DefinitionFault> {
        let (raw, tree) = RawJson::parse(raw.as_bytes().to_vec().into(), &DEFINITION_LIMITS)?;
        check_shape(&tree)?;
        let name = ToolName::parse(tree.get("name").and_then(Json::as_str).unwrap_or_default())?;
        let digest = Digest::of_parts("callgate/definition/v1", &[tree.canonical().as_bytes()]);
        let body = body_digest(&tree);
        let mirrors =
            HeaderParameters::of(tree.get("inputSchema").unwrap_or(&ABSENT)) != HeaderParameters::default();
        Ok(Self { name, raw, tree, digest, body, mirrors, arguments: OnceLock::new() })
    }

    /// The server's own name for the tool.
    #[must_use]
    pub const fn name(&self) -> &ToolName {
        &self.name
    }

    /// The definition byte for byte.
    #[must_use]
    pub const fn raw(&self) -> &RawJson {
        &self.raw
    }

    /// The definition as a tree.
    #[must_use]
    pub const fn tree(&self) -> &Json {
        &self.tree
    }

    /// SHA-256 over the whole canonical definition: everything a model or client sees. The order of members and
    /// white space do not change it.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The same without the name: equal for a tool that was only renamed.
    #[must_use]
    pub const fn body_digest(&self) -> Digest {
        self.body
    }

    /// `inputSchema`; always an object.
    #[must_use]
    pub fn input_schema(&self) -> &Json {
        self.tree.get("inputSchema").unwrap_or(&ABSENT)
    }

    /// Whether any of its parameters carries `x-mcp-header`, rightly or not.
    #[must_use]
    pub const fn mirrors(&self) -> bool {
        self.mirrors
    }

    /// `outputSchema`.
    #[must_use]
    pub fn output_schema(&self) -> Option<&Json> {
        self.tree.get("outputSchema").filter(|schema| **schema != Json::Null)
    }

    /// `title`, else `annotations.title`.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        let annotated = || self.tree.get("annotations").and_then(|a| a.get("title")).and_then(Json::as_str);
        self.tree.get("title").and_then(Json::as_str).or_else(annotated)
    }

    /// `description`.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.tree.get("description").and_then(Json::as_str)
    }

    /// The annotations.
    #[must_use]
    pub fn hints(&self) -> Hints {
        let hint = |name| match self.tree.get("annotations").and_then(|a| a.get(name)) {
            Some(Json::Bool(value)) => Some(*value),
            _ => None,
        };
        Hints {
            read_only: hint("readOnlyHint"),
            destructive: hint("destructiveHint"),
            idempotent: hint("idempotentHint"),
            open_world: hint("openWorldHint"),
        }
    }

    /// The compiled `inputSchema`, compiled once at first use.
    ///
    /// # Errors
    /// The [`SchemaFault`] that makes the tool unusable: no call of it can be checked.
    pub fn arguments(&self) -> Result<&ArgumentSchema, &SchemaFault> {
        self.arguments.get_or_init(|| ArgumentSchema::compile(self.input_schema())).as_ref()
    }
}

impl PartialEq for Definition {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl Eq for Definition {}

impl fmt::Debug for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Definition").field("name", &self.name).field("digest", &self.digest).finish()
    }
}

fn check_shape(tree: &Json) -> Result<(), DefinitionFault> {
    let fault = |member, expected| Err(DefinitionFault::Member { member, expected });
    if !matches!(tree, Json::Object(_)) {
        return fault("", "an object");
    }
    if tree.get("name").and_then(Json::as_str).is_none() {
        return fault("name", "a string");
    }
    if tree.get("inputSchema").is_none_or(|s| s.get("type").and_then(Json::as_str) != Some("object")) {
        return fault("inputSchema", "a JSON Schema object with `\"type\": \"object\"`");
    }
    for member in ["title", "description"] {
        if !matches!(tree.get(member), None | Some(Json::Null | Json::String(_))) {
            return fault(member, "a string");
        }
    }
    if !matches!(tree.get("outputSchema"), None | Some(Json::Null | Json::Object(_))) {
        return fault("outputSchema", "a JSON Schema object");
    }
    check_annotations(tree.get("annotations"))
}

fn check_annotations(annotations: Option<&Json>) -> Result<(), DefinitionFault> {
    let fault = |member, expected| Err(DefinitionFault::Member { member, expected });
    let annotations = match annotations {
        None | Some(Json::Null) => return Ok(()),
        Some(object @ Json::Object(_)) => object,
        Some(_) => return fault("annotations", "an object"),
    };
    for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
        if !matches!(annotations.get(hint), None | Some(Json::Null | Json::Bool(_))) {
            return fault(hint, "true or false");
        }
    }
    match annotations.get("title") {
        None | Some(Json::Null | Json::String(_)) => Ok(()),
        Some(_) => fault("annotations.title", "a string"),
    }
}

fn body_digest(tree: &Json) -> Digest {
    let body: Vec<Member> = match tree {
        Json::Object(members) => members.iter().filter(|m| &*m.name != "name").cloned().collect(),
        _ => Vec::new(),
    };
    Digest::of_parts("callgate/definition-body/v1", &[Json::Object(body).canonical().as_bytes()])
}

#[cfg(test)]
mod tests;
