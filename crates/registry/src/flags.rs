//! What a person has to look at before a tool is used. Must never panic nor clear anything: flags only add doubt.

mod aimed;
mod known;
mod script;
mod text;

use model::json::Json;

use crate::definition::Definition;
use crate::header::HeaderParameters;
use crate::risk;
use crate::schema::{SchemaFault, subschemas};
use crate::visible::shortened;

pub use known::KnownNames;

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

/// Most flags of one code, so that a definition full of them stays readable.
const FLAGS_PER_CODE_MAX: usize = 4;
/// Characters of one text that a person still reads.
const TEXT_CHARS_MAX: usize = 4_000;
const EXCERPT_CHARS_MAX: usize = 160;

/// Everything a person has to look at. Empty means nothing was found, not that nothing is there.
#[must_use]
pub fn inspect(definition: &Definition, known: &KnownNames) -> Vec<Flag> {
    let mut found = Found::default();
    text::texts(definition.tree(), &mut |at, text| found.text(at, text));
    found.names(definition, known);
    found.schemas(definition);
    let proposal = risk::propose(definition);
    if proposal.contradicted {
        let because = proposal.because.get(1).map_or("", String::as_str);
        found.add(FlagCode::ContradictedAnnotation, "/annotations", because);
    }
    found.flags.sort_by(|left, right| (left.code, &left.at).cmp(&(right.code, &right.at)));
    found.flags
}

#[derive(Default)]
struct Found {
    flags: Vec<Flag>,
}

impl Found {
    fn add(&mut self, code: FlagCode, at: &str, excerpt: &str) {
        if self.flags.iter().filter(|flag| flag.code == code).count() < FLAGS_PER_CODE_MAX {
            let (at, excerpt) = (shortened(at, EXCERPT_CHARS_MAX), shortened(excerpt, EXCERPT_CHARS_MAX));
            self.flags.push(Flag { code, at, excerpt });
        }
    }

    fn text(&mut self, at: &str, text: &str) {
        if let Some(excerpt) = text::hidden(text) {
            self.add(FlagCode::HiddenCharacters, at, excerpt);
        }
        if let Some(word) = script::mixed_word(text) {
            self.add(FlagCode::MixedScript, at, word);
        }
        if let Some(words) = aimed::at_model(text) {
            self.add(FlagCode::AimedAtModel, at, &words);
        }
        if let Some(path) = aimed::secret_path(text) {
            self.add(FlagCode::SecretPath, at, path);
        }
        if text.chars().nth(TEXT_CHARS_MAX).is_some() {
            self.add(FlagCode::LongText, at, text);
        }
    }

    fn names(&mut self, definition: &Definition, known: &KnownNames) {
        let name = definition.name().as_str();
        if let Some(other) = known.other_than(name, false) {
            self.add(FlagCode::LookAlike, "/name", &format!("`{name}` reads like `{other}`"));
        }
        if let Some(title) = definition.title()
            && let Some(other) = known.other_than(title, true)
        {
            self.add(FlagCode::LookAlike, "/title", &format!("`{title}` reads like `{other}`"));
        }
    }

    fn schemas(&mut self, definition: &Definition) {
        for at in HeaderParameters::of(definition.input_schema()).invalid {
            self.add(
                FlagCode::InvalidHeaderParameter,
                &format!("/inputSchema{at}"),
                "breaks the protocol's rules",
            );
        }
        match definition.arguments() {
            Ok(_) => {}
            Err(SchemaFault::RemoteReference { at }) => {
                self.add(FlagCode::RemoteReference, &format!("/inputSchema{at}"), "is never fetched");
            }
            Err(fault) => self.add(FlagCode::UnusableSchema, "/inputSchema", &fault.to_string()),
        }
        if let Some(schema) = definition.output_schema() {
            self.remote_references(schema);
        }
    }

    fn remote_references(&mut self, schema: &Json) {
        let mut open = vec![(schema, "/outputSchema".to_owned())];
        while let Some((schema, at)) = open.pop() {
            let reference = ["$ref", "$dynamicRef"].iter().find_map(|keyword| schema.get(keyword)?.as_str());
            if let Some(reference) = reference.filter(|text| !text.starts_with('#')) {
                self.add(FlagCode::RemoteReference, &at, reference);
            }
            open.extend(subschemas(schema).into_iter().map(|step| (step.schema, step.pointer(&at))));
        }
    }
}

#[cfg(test)]
mod tests;
