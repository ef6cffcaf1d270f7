//! What clients say they can do and want to hear (MCP 2025-11-25, Lifecycle; 2026-07-28, Base Protocol). Must never take
//! from what cannot be read that a client can be asked.

use model::client::{ClientCapabilities, LogLevel};
use model::json::Json;

use crate::server_task::EXTENSION;
use crate::version::ProtocolVersion;
use ClientCapabilities as Can;

/// A member of what is declared, and what it stands for.
type Row = (&'static str, ClientCapabilities);

const ELICITATION: [Row; 2] = [("form", Can::ELICIT_FORM), ("url", Can::ELICIT_URL)];
const SAMPLING: [Row; 2] = [("context", Can::SAMPLING_CONTEXT), ("tools", Can::SAMPLING_TOOLS)];

/// Reads `ClientCapabilities`: what of it Callgate carries. Unknown members say nothing.
///
/// # Errors
/// What is wrong: a known member that is no object.
pub fn capabilities(declared: &Json) -> Result<ClientCapabilities, String> {
    if !matches!(declared, Json::Object(_)) {
        return Err(format!("it must be an object, found {}", declared.kind()));
    }
    let mut can = Can::NONE;
    if let Some(elicitation) = object(declared, "elicitation")? {
        let modes = members(elicitation, &ELICITATION)?;
        // Without a word about modes it is forms, the only mode there was at first.
        can = can.with(if modes.is_empty() { Can::ELICIT_FORM } else { modes });
    }
    if let Some(sampling) = object(declared, "sampling")? {
        can = can.with(Can::SAMPLING).with(members(sampling, &SAMPLING)?);
    }
    if object(declared, "roots")?.is_some() {
        can = can.with(Can::ROOTS);
    }
    // What an extension is set to means nothing yet, and others are none of ours.
    if declared.get("extensions").is_some_and(|extensions| extensions.get(EXTENSION).is_some()) {
        can = can.with(Can::SERVER_TASKS);
    }
    Ok(can)
}

/// What a client of a revision with sessions can do, by what it declares and what that revision has.
#[must_use]
pub const fn in_revision(declared: ClientCapabilities, version: ProtocolVersion) -> ClientCapabilities {
    // The tasks of 2025-11-25 are others.
    let declared = declared.without(Can::SERVER_TASKS);
    let elicits = declared.has(Can::ELICIT_FORM) || declared.has(Can::ELICIT_URL);
    let later = Can::ELICIT_FORM.with(Can::ELICIT_URL).with(Can::SAMPLING_CONTEXT).with(Can::SAMPLING_TOOLS);
    let mut can = declared.without(later);
    // Whoever could sample could be given context, before there was a word for it.
    if can.has(Can::SAMPLING) {
        can = can.with(Can::SAMPLING_CONTEXT);
    }
    match version {
        ProtocolVersion::V2025_03_26 => can,
        ProtocolVersion::V2025_06_18 if elicits => can.with(Can::ELICIT_FORM),
        ProtocolVersion::V2025_06_18 => can,
        ProtocolVersion::V2025_11_25 | ProtocolVersion::V2026_07_28 => declared,
    }
}

/// Reads a log level, when there is one.
///
/// # Errors
/// That it is none.
pub fn log_level(value: Option<&Json>) -> Result<Option<LogLevel>, String> {
    let Some(value) = value else { return Ok(None) };
    let level = value.as_str().and_then(LogLevel::parse);
    level.map(Some).ok_or_else(|| {
        let names: Vec<_> = LogLevel::ALL.into_iter().map(LogLevel::as_str).collect();
        format!("must be one of {}", names.join(", "))
    })
}

fn object<'a>(of: &'a Json, name: &str) -> Result<Option<&'a Json>, String> {
    match of.get(name) {
        None => Ok(None),
        Some(value @ Json::Object(_)) => Ok(Some(value)),
        Some(other) => Err(format!("`{name}` must be an object, found {}", other.kind())),
    }
}

fn members(of: &Json, rows: &[Row]) -> Result<ClientCapabilities, String> {
    rows.iter().try_fold(Can::NONE, |can, (name, meant)| {
        Ok(if object(of, name)?.is_some() { can.with(*meant) } else { can })
    })
}

#[cfg(test)]
mod tests {
    use model::limits::JsonLimits;
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<ClientCapabilities, String> {
        capabilities(&Json::parse(text.as_bytes(), &JsonLimits::REQUEST).unwrap())
    }

    #[test]
    fn what_is_declared_is_what_can_be_asked() {
        let form_url = Can::ELICIT_FORM.with(Can::ELICIT_URL);
        for (text, can) in [
            ("{}", Can::NONE),
            (r#"{"experimental":5,"extensions":{"a/b":{}},"x":[]}"#, Can::NONE),
            (r#"{"elicitation":{}}"#, Can::ELICIT_FORM),
            (r#"{"elicitation":{"x":1}}"#, Can::ELICIT_FORM),
            (r#"{"elicitation":{"url":{}}}"#, Can::ELICIT_URL),
            (r#"{"elicitation":{"form":{"applyDefaults":true},"url":{}}}"#, form_url),
            (r#"{"sampling":{}}"#, Can::SAMPLING),
            (r#"{"sampling":{"tools":{}}}"#, Can::SAMPLING.with(Can::SAMPLING_TOOLS)),
            (
                r#"{"sampling":{"context":{}},"roots":{"listChanged":true}}"#,
                Can::SAMPLING.with(Can::SAMPLING_CONTEXT).with(Can::ROOTS),
            ),
        ] {
            assert_eq!(read(text), Ok(can), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for text in [
            "[]",
            r#"{"elicitation":null}"#,
            r#"{"elicitation":true}"#,
            r#"{"elicitation":{"url":true}}"#,
            r#"{"sampling":[]}"#,
            r#"{"sampling":{"tools":1}}"#,
            r#"{"roots":"x"}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_revision_has_what_it_had_when_it_was_written() {
        let all = read(r#"{"elicitation":{"form":{},"url":{}},"sampling":{"tools":{}},"roots":{}}"#).unwrap();
        let oldest = Can::SAMPLING.with(Can::SAMPLING_CONTEXT).with(Can::ROOTS);
        assert_eq!(in_revision(all, ProtocolVersion::V2025_03_26), oldest);
        assert_eq!(in_revision(all, ProtocolVersion::V2025_06_18), oldest.with(Can::ELICIT_FORM));
        assert_eq!(in_revision(all, ProtocolVersion::V2025_11_25), all);
        assert!(in_revision(Can::NONE, ProtocolVersion::V2025_06_18).is_empty());
    }

    #[test]
    fn levels_are_those_of_the_protocol() {
        let level =
            |text: &str| log_level(Some(&Json::parse(text.as_bytes(), &JsonLimits::REQUEST).unwrap()));
        assert_eq!(level(r#""warning""#), Ok(Some(LogLevel::Warning)));
        assert_eq!(log_level(None), Ok(None));
        for wrong in [r#""Warning""#, r#""trace""#, "3", "null"] {
            assert!(level(wrong).unwrap_err().contains("emergency"), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_declared_by_names_that_are_not_those(name in "[a-z_A-Z/.]{1,12}", value in "[1-9]{1,3}|\\{\\}") {
            prop_assume!(!["elicitation", "sampling", "roots"].contains(&&*name));
            prop_assert_eq!(read(&format!(r#"{{"{name}":{value}}}"#)), Ok(Can::NONE));
        }
    }
}
