//! How a record is kept by a store: one JSON text. Must never read back anything it did not write.

use std::sync::Arc;

use model::digest::Digest;
use model::ids::{ServerName, ToolName};
use model::json::{Json, Member, RawJson};
use model::limits::JsonLimits;
use model::time::Micros;
use model::tool::{Risk, ToolRef, ToolStatus};

use crate::definition::{DEFINITION_LIMITS, Definition};
use crate::flags::{Flag, FlagCode};
use crate::record::{Certification, ToolRecord};
use crate::risk::RiskProposal;

/// Two definitions, each escaped at worst sixfold, and what is said about them.
const LIMITS: JsonLimits = JsonLimits {
    bytes_max: 16 * DEFINITION_LIMITS.bytes_max,
    depth_max: 8,
    values_max: 4_000,
    number_chars_max: 24,
};

/// Why a kept record cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the kept record cannot be read: {0}; it is damaged, or written by a later version")]
pub struct StoredFault(String);

/// Writes a record as one JSON text.
#[must_use]
pub fn encode(record: &ToolRecord) -> String {
    let proposed = object(vec![
        ("risk", string(record.proposed.risk.as_str())),
        ("because", Json::Array(record.proposed.because.iter().map(|line| string(line)).collect())),
        ("contradicted", Json::Bool(record.proposed.contradicted)),
        ("returns_secrets", Json::Bool(record.proposed.returns_secrets)),
    ]);
    let flag = |flag: &Flag| {
        object(vec![
            ("code", string(flag.code.as_str())),
            ("at", string(&flag.at)),
            ("excerpt", string(&flag.excerpt)),
        ])
    };
    let certified = |c: &Certification| {
        object(vec![("by", string(&c.by)), ("at", number(c.at)), ("digest", string(&c.digest.to_string()))])
    };
    let definition = |definition: &Arc<Definition>| string(definition.raw().as_str());
    object(vec![
        ("v", Json::Number("1".into())),
        ("server", string(record.name.server.as_str())),
        ("tool", string(record.name.tool.as_str())),
        ("definition", definition(&record.definition)),
        ("digest", string(&record.digest.to_string())),
        ("risk", string(record.risk.as_str())),
        ("proposed", proposed),
        ("flags", Json::Array(record.flags.iter().map(flag).collect())),
        ("status", string(record.status.as_str())),
        ("present", Json::Bool(record.present)),
        ("returns_secrets", Json::Bool(record.returns_secrets)),
        ("first_seen", number(record.first_seen)),
        ("since", number(record.since)),
        ("certified", record.certified.as_ref().map_or(Json::Null, certified)),
        ("previous", record.previous.as_ref().map_or(Json::Null, definition)),
    ])
    .canonical()
}

/// Reads what [`encode`] wrote. The digest is computed anew and must be the one that was kept.
///
/// # Errors
/// [`StoredFault`]: which part is not as written.
pub fn decode(text: &str) -> Result<ToolRecord, StoredFault> {
    let json = Json::parse(text.as_bytes(), &LIMITS).map_err(|fault| StoredFault(fault.to_string()))?;
    if json.get("v").and_then(Json::as_i64) != Some(1) {
        return Err(bad("v"));
    }
    let server = ServerName::parse(text_of(&json, "server")?).map_err(|_| bad("server"))?;
    let tool = ToolName::parse(text_of(&json, "tool")?).map_err(|_| bad("tool"))?;
    let definition = definition_of(text_of(&json, "definition")?)?;
    let digest = digest_of(&json)?;
    let record = ToolRecord {
        name: ToolRef { server, tool },
        digest,
        definition,
        risk: risk_of(&json)?,
        proposed: proposed_of(part(&json, "proposed")?)?,
        flags: list_of(&json, "flags")?.iter().map(flag_of).collect::<Result<_, _>>()?,
        status: ToolStatus::parse(text_of(&json, "status")?).ok_or_else(|| bad("status"))?,
        present: bool_of(&json, "present")?,
        returns_secrets: bool_of(&json, "returns_secrets")?,
        first_seen: micros_of(&json, "first_seen")?,
        since: since_of(&json)?,
        certified: optional(&json, "certified")?.map(certified_of).transpose()?,
        previous: optional(&json, "previous")?.map(previous_of).transpose()?,
    };
    check(record)
}

fn check(record: ToolRecord) -> Result<ToolRecord, StoredFault> {
    if record.digest != record.definition.digest() || &record.name.tool != record.definition.name() {
        return Err(bad("digest"));
    }
    let certified = record.certified.as_ref().is_some_and(|c| c.digest == record.digest);
    if record.status == ToolStatus::Certified && !certified {
        return Err(bad("certified"));
    }
    Ok(record)
}

fn bad(part: &str) -> StoredFault {
    StoredFault(format!("`{part}` is not as written"))
}

fn string(text: &str) -> Json {
    Json::String(text.into())
}

fn number(at: Micros) -> Json {
    Json::Number(at.0.to_string().into())
}

fn object(members: Vec<(&'static str, Json)>) -> Json {
    let member = |(name, value): (&str, Json)| Member { name: name.into(), span: 0..0, value };
    Json::Object(members.into_iter().map(member).collect())
}

fn part<'a>(json: &'a Json, name: &str) -> Result<&'a Json, StoredFault> {
    json.get(name).ok_or_else(|| bad(name))
}

fn optional<'a>(json: &'a Json, name: &str) -> Result<Option<&'a Json>, StoredFault> {
    Ok(Some(part(json, name)?).filter(|value| **value != Json::Null))
}

fn text_of<'a>(json: &'a Json, name: &str) -> Result<&'a str, StoredFault> {
    part(json, name)?.as_str().ok_or_else(|| bad(name))
}

fn bool_of(json: &Json, name: &str) -> Result<bool, StoredFault> {
    match part(json, name)? {
        Json::Bool(value) => Ok(*value),
        _ => Err(bad(name)),
    }
}

fn list_of<'a>(json: &'a Json, name: &str) -> Result<&'a [Json], StoredFault> {
    match part(json, name)? {
        Json::Array(items) => Ok(items),
        _ => Err(bad(name)),
    }
}

fn micros_of(json: &Json, name: &str) -> Result<Micros, StoredFault> {
    part(json, name)?.as_i64().map(Micros).ok_or_else(|| bad(name))
}

/// Records of 0.1 before it was kept have none: the last thing known of them then.
fn since_of(json: &Json) -> Result<Micros, StoredFault> {
    match (json.get("since"), optional(json, "certified")?) {
        (Some(_), _) => micros_of(json, "since"),
        (None, Some(certified)) => micros_of(certified, "at"),
        (None, None) => micros_of(json, "first_seen"),
    }
}

fn risk_of(json: &Json) -> Result<Risk, StoredFault> {
    Risk::parse(text_of(json, "risk")?).ok_or_else(|| bad("risk"))
}

fn digest_of(json: &Json) -> Result<Digest, StoredFault> {
    Digest::parse(text_of(json, "digest")?).ok_or_else(|| bad("digest"))
}

fn definition_of(text: &str) -> Result<Arc<Definition>, StoredFault> {
    let raw = RawJson::parse(text.as_bytes().to_vec().into(), &DEFINITION_LIMITS);
    let (raw, _) = raw.map_err(|fault| StoredFault(format!("its definition: {fault}")))?;
    let definition =
        Definition::parse(&raw).map_err(|fault| StoredFault(format!("its definition: {fault}")))?;
    Ok(Arc::new(definition))
}

fn previous_of(json: &Json) -> Result<Arc<Definition>, StoredFault> {
    definition_of(json.as_str().ok_or_else(|| bad("previous"))?)
}

fn proposed_of(json: &Json) -> Result<RiskProposal, StoredFault> {
    let line = |line: &Json| line.as_str().map(str::to_owned).ok_or_else(|| bad("because"));
    Ok(RiskProposal {
        risk: risk_of(json)?,
        because: list_of(json, "because")?.iter().map(line).collect::<Result<_, _>>()?,
        contradicted: bool_of(json, "contradicted")?,
        returns_secrets: bool_of(json, "returns_secrets")?,
    })
}

fn flag_of(json: &Json) -> Result<Flag, StoredFault> {
    Ok(Flag {
        code: FlagCode::parse(text_of(json, "code")?).ok_or_else(|| bad("code"))?,
        at: text_of(json, "at")?.to_owned(),
        excerpt: text_of(json, "excerpt")?.to_owned(),
    })
}

fn certified_of(json: &Json) -> Result<Certification, StoredFault> {
    Ok(Certification {
        by: text_of(json, "by")?.to_owned(),
        at: micros_of(json, "at")?,
        digest: digest_of(json)?,
    })
}

#[cfg(test)]
mod tests;
