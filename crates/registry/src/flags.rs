//! What a person has to look at before a tool is used. Must never panic nor clear anything: flags only add doubt.

use std::sync::Arc;

use model::ids::ServerName;

use crate::catalog::Catalog;
use crate::definition::Definition;

/// One thing a person has to look at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flag {
    /// What it is.
    pub code: FlagCode,
    /// Where in the definition: a JSON Pointer (RFC 6901).
    pub at: String,
    /// What stands there, short, everything hidden made visible.
    pub excerpt: String,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)*) => {
        /// Why a person has to look. Stable: codes are only ever added.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
        pub enum FlagCode { $($(#[$doc])* $variant,)* }

        impl FlagCode {
            /// Every code, for documents and tests.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

codes! {
    /// Characters a reader does not see, or sees elsewhere than they are.
    HiddenCharacters = "hidden_characters",
    /// Letters of several scripts in one word, or styled letters.
    MixedScript = "mixed_script",
    /// A name or title that reads like another tool's.
    LookAlike = "look_alike",
    /// Text that instructs the model rather than describing the tool.
    AimedAtModel = "aimed_at_model",
    /// A path where secrets are kept.
    SecretPath = "secret_path",
    /// More text than a person reads.
    LongText = "long_text",
    /// An `x-mcp-header` that breaks the protocol's rules.
    InvalidHeaderParameter = "invalid_header_parameter",
    /// A schema that points outside itself.
    RemoteReference = "remote_reference",
    /// A schema that arguments cannot be checked against.
    UnusableSchema = "unusable_schema",
    /// Annotations that say less than name and arguments do.
    ContradictedAnnotation = "contradicted_annotation",
    /// The definition was there under another name.
    Renamed = "renamed",
}

impl FlagCode {
    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == word)
    }
}

/// The names a new tool is compared with.
#[derive(Clone, Debug, Default)]
pub struct KnownNames {}

impl KnownNames {
    /// Those of the registry, and those listed beside it.
    #[must_use]
    pub fn of(_catalog: &Catalog, _listed: &[Arc<Definition>], _server: &ServerName) -> Self {
        Self {}
    }
}

/// Everything a person has to look at.
#[must_use]
pub fn inspect(_definition: &Definition, _known: &KnownNames) -> Vec<Flag> {
    Vec::new()
}
