//! The strict one-pass parser. Must never recurse past the depth limit nor panic on any bytes.

use super::{Json, JsonFault, JsonProblem};
use crate::limits::JsonLimits;

pub(super) fn parse(text: &[u8], limits: &JsonLimits) -> Result<Json, JsonFault> {
    if text.len() > limits.bytes_max {
        return Err(JsonFault { offset: limits.bytes_max, problem: JsonProblem::TooLarge });
    }
    Err(JsonFault { offset: 0, problem: JsonProblem::Syntax })
}
