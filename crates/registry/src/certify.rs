//! A person's word for a definition. Must never be given in bulk for a tool a person has to look at.

use model::digest::Digest;
use model::time::Micros;
use model::tool::{Risk, ToolStatus};

use crate::flags::FlagCode;
use crate::record::{Certification, ToolRecord};
use crate::schema::SchemaFault;

/// What an operator asks for.
#[derive(Clone, Debug)]
pub struct CertifyRequest {
    /// Named, or one of many.
    pub consent: Consent,
    /// Another risk class than the one in force.
    pub risk: Option<Risk>,
    /// Whether its results are secrets, when the operator says so.
    pub returns_secrets: Option<bool>,
    /// Which operator.
    pub by: String,
    /// When.
    pub at: Micros,
}

/// How closely the operator looked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Consent {
    /// By name, after the full definition was shown: its digest is given back.
    ByName(Digest),
    /// With many others in one step.
    Bulk,
}

/// Why a tool is not certified with many others in one step.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WhyNot {
    /// Nothing is left to certify.
    #[error("it is certified already")]
    Already,
    /// The server's last list did not have it.
    #[error("its server does not list it any more")]
    Absent,
    /// Arguments could not be checked.
    #[error("its input schema cannot be used: {0}")]
    UnusableSchema(SchemaFault),
    /// A person has to look.
    #[error("it is flagged: {}", words(.0))]
    Flagged(Vec<FlagCode>),
    /// A person has to look.
    #[error("its risk is `privileged`")]
    Privileged,
    /// It was certified at another definition; a person has to look at the difference.
    #[error("its definition changed since it was certified")]
    Changed,
    /// It is as it was certified, but withdrawn since; a person has to look.
    #[error("it was certified as it is now, and put back into quarantine since")]
    Withdrawn,
}

/// Why a certification was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CertifyRefusal {
    /// Not in bulk.
    #[error("it can only be certified by name, after its definition was shown: {0}")]
    ByNameOnly(WhyNot),
    /// Not at all, as it stands.
    #[error("it cannot be certified: {0}")]
    Impossible(WhyNot),
    /// What was shown is not what is there.
    #[error(
        "the definition shown was {shown}, the definition now is {now}: show it again and give that digest"
    )]
    OtherDigest {
        /// The digest given back.
        shown: Digest,
        /// The digest of the record.
        now: Digest,
    },
    /// A lower risk class, or fewer precautions, in bulk.
    #[error("it is proposed as {proposed}: to treat it as less, certify it by name")]
    LoweredInBulk {
        /// What the definition suggests, in words.
        proposed: String,
    },
}

/// Whether a tool may be certified with many others in one step.
///
/// # Errors
/// [`WhyNot`], the weightiest reason first.
pub fn bulk_certifiable(record: &ToolRecord) -> Result<(), WhyNot> {
    possible(record)?;
    if record.usable() {
        return Err(WhyNot::Already);
    }
    if !record.flags.is_empty() {
        let mut codes: Vec<FlagCode> = record.flags.iter().map(|flag| flag.code).collect();
        codes.sort_unstable();
        codes.dedup();
        return Err(WhyNot::Flagged(codes));
    }
    if record.risk == Risk::Privileged || record.proposed.risk == Risk::Privileged {
        return Err(WhyNot::Privileged);
    }
    match &record.certified {
        Some(certified) if certified.digest == record.digest => Err(WhyNot::Withdrawn),
        Some(_) => Err(WhyNot::Changed),
        None => Ok(()),
    }
}

/// Certifies a tool at the definition it has now. Certifying again by name changes its risk.
///
/// # Errors
/// [`CertifyRefusal`]: why not, and what to do.
pub fn certify(record: &ToolRecord, request: &CertifyRequest) -> Result<ToolRecord, CertifyRefusal> {
    possible(record).map_err(CertifyRefusal::Impossible)?;
    let risk = request.risk.unwrap_or(record.risk);
    let returns_secrets = request.returns_secrets.unwrap_or(record.returns_secrets);
    match request.consent {
        Consent::ByName(shown) if shown != record.digest => {
            return Err(CertifyRefusal::OtherDigest { shown, now: record.digest });
        }
        Consent::ByName(_) => {}
        Consent::Bulk => {
            bulk_certifiable(record).map_err(CertifyRefusal::ByNameOnly)?;
            refuse_lowering(record, risk, returns_secrets)?;
        }
    }
    let certification = Certification { by: request.by.clone(), at: request.at, digest: record.digest };
    Ok(ToolRecord {
        risk,
        returns_secrets,
        status: ToolStatus::Certified,
        since: request.at,
        certified: Some(certification),
        previous: None,
        ..record.clone()
    })
}

fn possible(record: &ToolRecord) -> Result<(), WhyNot> {
    if !record.present {
        return Err(WhyNot::Absent);
    }
    record.definition.arguments().map(drop).map_err(|fault| WhyNot::UnusableSchema(fault.clone()))
}

fn refuse_lowering(record: &ToolRecord, risk: Risk, returns_secrets: bool) -> Result<(), CertifyRefusal> {
    let floor = record.risk.max(record.proposed.risk);
    if risk < floor {
        return Err(CertifyRefusal::LoweredInBulk { proposed: format!("`{floor}`") });
    }
    if !returns_secrets && (record.returns_secrets || record.proposed.returns_secrets) {
        return Err(CertifyRefusal::LoweredInBulk { proposed: "returning secrets".to_owned() });
    }
    Ok(())
}

fn words(codes: &[FlagCode]) -> String {
    codes.iter().map(|code| code.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
