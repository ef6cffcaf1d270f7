//! Arguments against a tool's input schema. Must never fetch a reference, echo a value, or run without bound.
//!
//! `format` is an annotation (JSON Schema 2020-12, Validation §7.2.1) in every dialect: the server judges it.

mod cost;
mod faults;
mod number;
mod outline;
mod walk;

use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use model::json::Json;
use model::limits::CallLimits;
use serde_json::Value;

use cost::Budget;
use outline::Outline;

pub(crate) use walk::push_step;
pub use walk::{Property, Step, properties, subschemas};

/// Most subschemas of one schema.
pub const SUBSCHEMAS_MAX: usize = 2_000;
/// Most faults told about one call.
pub const FAULTS_MAX: usize = 8;
/// Steps one check may take: a subschema meeting a value is one.
const STEPS_MAX: u64 = 1_000_000;
/// Steps above which faults are not told one by one, since collecting them takes memory for each.
const STEPS_DETAILED_MAX: u64 = 20_000;
/// Bytes of one compiled pattern.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Steps back that a pattern with look-around may take; others never step back.
const BACKTRACKS_MAX: usize = 10_000;

/// One thing wrong with the arguments. Names where and what is expected; never a value.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{path}`: {problem}")]
pub struct ArgumentFault {
    /// JSON Pointer (RFC 6901) into the arguments; empty for the arguments themselves.
    pub path: String,
    /// What is expected there.
    pub problem: String,
}

/// Why a schema cannot be used. `at` is a JSON Pointer into the schema.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SchemaFault {
    /// The root is not `"type": "object"`.
    #[error("the schema must have `\"type\": \"object\"` at its root")]
    NotAnObject,
    /// A `$schema` we do not know.
    #[error(
        "`$schema` at `{at}` names a dialect that is not supported: use JSON Schema 2020-12, 2019-09 or draft 7, 6 or 4"
    )]
    Dialect {
        /// Where.
        at: String,
    },
    /// A reference that leaves the schema. Never fetched.
    #[error("the reference at `{at}` leaves the schema: only references that begin with `#` are followed")]
    RemoteReference {
        /// Where.
        at: String,
    },
    /// A reference to nothing.
    #[error("the reference at `{at}` points to nothing in the schema")]
    Unresolved {
        /// Where.
        at: String,
    },
    /// A schema resource inside the schema, which would move what `#` means.
    #[error("`$id` at `{at}`: schemas with an identity of their own inside a schema are not supported")]
    EmbeddedResource {
        /// Where.
        at: String,
    },
    /// A reference that leads to itself without entering the value.
    #[error("the schema at `{at}` refers to itself without end")]
    Endless {
        /// Where.
        at: String,
    },
    /// Over a bound.
    #[error("the schema has more than {max} {what}")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// How many are allowed.
        max: usize,
    },
    /// A number that cannot be compared exactly.
    #[error("the number at `{at}` is too large or too precise to compare with")]
    Number {
        /// Where.
        at: String,
    },
    /// Not a schema of its dialect.
    #[error("`{keyword}` at `{at}` is not valid in JSON Schema")]
    Invalid {
        /// Where.
        at: String,
        /// The rule of the dialect it breaks.
        keyword: String,
    },
}

/// A compiled input schema.
pub struct ArgumentSchema {
    validator: Validator,
    outline: Outline,
    /// Some pattern needs the engine that steps back.
    backtracks: bool,
}

impl ArgumentSchema {
    /// Compiles an `inputSchema`. The dialect is `$schema`, else 2020-12.
    ///
    /// # Errors
    /// [`SchemaFault`]: why no arguments can be checked against it.
    pub fn compile(schema: &Json) -> Result<Self, SchemaFault> {
        if schema.get("type").and_then(Json::as_str) != Some("object") {
            return Err(SchemaFault::NotAnObject);
        }
        let value = number::to_value(schema).map_err(|fault| SchemaFault::Number { at: fault.path })?;
        let draft = dialect(&value)?;
        let outline = Outline::of(&value, draft)?;
        let options = jsonschema::options().offline().with_draft(draft).should_validate_formats(false);
        let linear = PatternOptions::regex().size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX);
        let first = match options.clone().with_pattern_options(linear).build(&value) {
            Ok(validator) => return Ok(Self { validator, outline, backtracks: false }),
            Err(error) => invalid(&error),
        };
        let careful = PatternOptions::fancy_regex()
            .backtrack_limit(BACKTRACKS_MAX)
            .size_limit(PATTERN_BYTES_MAX)
            .dfa_size_limit(PATTERN_BYTES_MAX);
        let validator = options.with_pattern_options(careful).build(&value).map_err(|_| first)?;
        Ok(Self { validator, outline, backtracks: true })
    }

    /// Checks the arguments of one call. A number that cannot be compared exactly (an integer outside
    /// -2^63 to 2^64-1 that no double holds, a fraction with more digits than a double keeps) is a fault:
    /// it is never rounded and then judged.
    ///
    /// # Errors
    /// At most [`FAULTS_MAX`] faults, none of which holds a value of the arguments.
    pub fn check(&self, args: &Json) -> Result<(), Vec<ArgumentFault>> {
        let whole = |problem: &str| vec![ArgumentFault { path: String::new(), problem: problem.to_owned() }];
        if args.depth() > CallLimits::DEFAULT.argument_depth_max {
            return Err(whole("is nested too deeply"));
        }
        let value = number::to_value(args).map_err(|fault| vec![fault])?;
        let budget = Budget { steps_max: STEPS_MAX, backtracks: self.backtracks };
        let Some(steps) = budget.spend(&self.outline, &value) else {
            return Err(whole("is too large to be checked against this tool's schema"));
        };
        if self.validator.is_valid(&value) {
            return Ok(());
        }
        if steps > STEPS_DETAILED_MAX {
            return Err(whole("does not fit this tool's schema, and is too large to say where"));
        }
        let mut found: Vec<ArgumentFault> = Vec::new();
        for error in self.validator.iter_errors(&value) {
            faults::describe(&mut found, &error);
            if found.len() >= FAULTS_MAX {
                break;
            }
        }
        found.truncate(FAULTS_MAX);
        if found.is_empty() { Err(whole("does not fit this tool's schema")) } else { Err(found) }
    }
}

impl std::fmt::Debug for ArgumentSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArgumentSchema").field("backtracks", &self.backtracks).finish_non_exhaustive()
    }
}

fn dialect(schema: &Value) -> Result<Draft, SchemaFault> {
    let Some(given) = schema.get("$schema") else { return Ok(Draft::Draft202012) };
    let given = given.as_str().unwrap_or_default();
    let plain = given.strip_suffix('#').unwrap_or(given);
    match plain.split_once("://").map_or(plain, |(_, rest)| rest) {
        "json-schema.org/draft/2020-12/schema" => Ok(Draft::Draft202012),
        "json-schema.org/draft/2019-09/schema" => Ok(Draft::Draft201909),
        "json-schema.org/draft-07/schema" => Ok(Draft::Draft7),
        "json-schema.org/draft-06/schema" => Ok(Draft::Draft6),
        "json-schema.org/draft-04/schema" => Ok(Draft::Draft4),
        _ => Err(SchemaFault::Dialect { at: "/$schema".to_owned() }),
    }
}

fn invalid(error: &ValidationError<'_>) -> SchemaFault {
    let at = crate::visible::shortened(error.instance_path().as_str(), 200);
    SchemaFault::Invalid { at, keyword: error.kind().keyword().to_owned() }
}

#[cfg(test)]
mod tests;
