//! Certification. Must never certify a flagged, privileged or changed tool that no person named.

use std::sync::Arc;

use model::digest::Digest;
use model::tool::{Risk, ToolRef};
use ports::control::ControlChange;
use registry::certify::{bulk_certifiable, certify};
use registry::{CertifyRequest, Consent, ToolRecord};

use crate::change::{Change, Takes, Turn};
use crate::{Admin, AdminError, Picture, compile};

/// One tool to be certified by name.
#[derive(Clone, Debug)]
pub struct CertifyNamed {
    /// Which.
    pub tool: ToolRef,
    /// The digest that was shown with the full definition.
    pub shown: Digest,
    /// Another risk class than proposed.
    pub risk: Option<Risk>,
    /// Whether its results are secrets, when the operator says so.
    pub returns_secrets: Option<bool>,
}

/// A tool as a person was shown it among others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shown {
    /// Which.
    pub tool: ToolRef,
    /// The digest of its definition.
    pub definition: Digest,
    /// The risk class that was shown.
    pub risk: Risk,
}

/// What one step certified, and what it left for a person to look at.
#[derive(Clone, Debug, Default)]
pub struct BulkReport {
    /// Certified now.
    pub certified: Vec<ToolRef>,
    /// Left in quarantine, and why.
    pub left: Vec<(ToolRef, String)>,
}

fn as_shown(record: &ToolRecord, shown: &Shown) -> Result<(), String> {
    let same = (shown.definition, shown.risk) == (record.digest, record.risk);
    if same { Ok(()) } else { Err("it changed after it was shown".to_owned()) }
}

impl Admin {
    /// Certifies in one step exactly these, as they were shown. What is another by now, or needs a closer look, stays in
    /// quarantine.
    ///
    /// # Errors
    /// [`AdminError::Policy`] when the policies would not fit the certified tools; nothing is certified then.
    pub async fn certify_shown(&self, by: &str, shown: &[Shown]) -> Result<BulkReport, AdminError> {
        let turn = self.turn().await;
        let request = CertifyRequest {
            consent: Consent::Bulk,
            risk: None,
            returns_secrets: None,
            by: by.to_owned(),
            at: self.ports.clock.now(),
        };
        let mut report = BulkReport::default();
        let mut records = Vec::new();
        let catalog = Arc::clone(&self.current().catalog);
        for record in catalog.all().filter(|record| !record.usable()) {
            let Some(shown) = shown.iter().find(|shown| shown.tool == record.name) else { continue };
            match as_shown(record, shown)
                .and_then(|()| bulk_certifiable(record).map_err(|why| why.to_string()))
                .and_then(|()| certify(record, &request).map_err(|refusal| refusal.to_string()))
            {
                Ok(certified) => {
                    report.certified.push(record.name.clone());
                    records.push(certified);
                }
                Err(why) => report.left.push((record.name.clone(), why)),
            }
        }
        self.put_certified(turn, by, records).await?;
        Ok(report)
    }

    /// Certifies one tool, whose full definition the operator was shown.
    ///
    /// # Errors
    /// When there is no such tool, when its definition is another by now, or when the policies would not fit.
    pub async fn certify_named(&self, by: &str, named: CertifyNamed) -> Result<ToolRecord, AdminError> {
        let turn = self.turn().await;
        let record = self.tool(&named.tool)?;
        let request = CertifyRequest {
            consent: Consent::ByName(named.shown),
            risk: named.risk,
            returns_secrets: named.returns_secrets,
            by: by.to_owned(),
            at: self.ports.clock.now(),
        };
        let certified = certify(&record, &request)
            .map_err(|refusal| AdminError::Refused(format!("`{}`: {refusal}", named.tool)))?;
        self.put_certified(turn, by, vec![certified.clone()]).await?;
        Ok(certified)
    }

    /// Puts a certified tool back into quarantine: hidden and refused at once, its open calls cancelled.
    ///
    /// # Errors
    /// When there is no such tool.
    pub async fn quarantine(&self, by: &str, tool: &ToolRef) -> Result<(), AdminError> {
        let turn = self.turn().await;
        let record = self.tool(tool)?.quarantined(self.ports.clock.now());
        let entry = self.entry(by, "tool.quarantined", tool.to_string(), "by an operator".to_owned());
        let current = self.current();
        let catalog = Arc::new(current.catalog.with([record.clone()]));
        let next = Picture { catalog, ..Picture::of(&current) };
        let (change, entries) = (ControlChange::PutTools(vec![record]), vec![entry]);
        let takes = Takes::Tools(vec![tool.clone()]);
        self.carry_out(turn, Change { change, entries, next, takes, loaded: None }).await?;
        Ok(())
    }

    /// One tool of the registry, in any status.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn tool(&self, tool: &ToolRef) -> Result<Arc<ToolRecord>, AdminError> {
        let found = self.current().catalog.get(tool).cloned();
        found.ok_or_else(|| {
            AdminError::NotFound(format!("no tool `{tool}`; `callgate tools list` shows them"))
        })
    }

    async fn put_certified(&self, turn: Turn, by: &str, records: Vec<ToolRecord>) -> Result<(), AdminError> {
        if records.is_empty() {
            return Ok(());
        }
        let current = self.current();
        let catalog = Arc::new(current.catalog.with(records.iter().cloned()));
        let policy = Arc::new(compile(&self.sources(), &catalog).map_err(AdminError::Policy)?);
        let entries = records
            .iter()
            .map(|record| {
                let detail = format!("{} as {}", record.digest, record.risk);
                self.entry(by, "tool.certified", record.name.to_string(), detail)
            })
            .collect();
        let next = Picture { catalog, policy, ..Picture::of(&current) };
        let change = ControlChange::PutTools(records);
        self.carry_out(turn, Change { change, entries, next, takes: Takes::Nothing, loaded: None }).await?;
        Ok(())
    }
}
