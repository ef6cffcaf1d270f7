//! A compiled policy set: one immutable value that decides. Must never change after it was made.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cedar_policy::{EntityUid, RestrictedExpression as Value, Schema};
use model::digest::Digest;
use model::ids::ServerName;
use model::principal::Principal;
use model::task::Task;
use model::tool::ToolRef;

use crate::decision::{ApprovalEvidence, Decision, DecisionRequest};
use crate::evaluate::{Question, approval_value, cannot_tell};
use crate::facts::{PolicySource, ServerFacts, ToolFacts};
use crate::index::Index;
use crate::instant::Clock;
use crate::names::Types;
use crate::prepared::{Memo, Prepared, Target, prepare};
use crate::problem::PolicyProblem;
use crate::reads::Reads;
use crate::schema::{self, ToolType};

/// A policy set compiled against the certified tools. `Send + Sync`; hold it behind an `Arc`.
pub struct PolicySnapshot {
    pub(crate) digest: Digest,
    pub(crate) notices: Vec<PolicyProblem>,
    pub(crate) schema: Schema,
    pub(crate) types: Types,
    pub(crate) index: Index,
    pub(crate) servers: BTreeMap<ServerName, Place>,
    pub(crate) tools: HashMap<ToolRef, Entry>,
    pub(crate) memo: Memo,
    pub(crate) clock: Clock,
    /// The approval of nobody, which most calls have.
    pub(crate) nobody: Option<Value>,
}

/// One server.
pub(crate) struct Place {
    /// A number that no tool and no other server has.
    pub(crate) number: usize,
    pub(crate) environment: String,
}

/// One tool.
pub(crate) struct Entry {
    /// A number that no server and no other tool has.
    pub(crate) number: usize,
    pub(crate) action: EntityUid,
    pub(crate) ancestors: Vec<EntityUid>,
    pub(crate) kind: ToolType,
}

impl PolicySnapshot {
    /// Compiles for publishing: everything found wrong is refused, warnings and policies that never apply too.
    ///
    /// # Errors
    /// Every problem at once, sorted by file and position. Never empty.
    pub fn compile(
        sources: &[PolicySource],
        servers: &[ServerFacts],
        tools: &[ToolFacts],
    ) -> Result<Self, Vec<PolicyProblem>> {
        let snapshot = Self::load(sources, servers, tools)?;
        if snapshot.notices.is_empty() { Ok(snapshot) } else { Err(snapshot.notices) }
    }

    /// Compiles for serving: as [`Self::compile`], but a policy that cannot apply to any certified tool (its tool
    /// is new, or quarantined) is set aside and listed in [`Self::notices`] instead of keeping the door shut.
    /// Setting it aside changes no decision.
    ///
    /// # Errors
    /// Every problem at once, sorted by file and position. Never empty.
    pub fn load(
        sources: &[PolicySource],
        servers: &[ServerFacts],
        tools: &[ToolFacts],
    ) -> Result<Self, Vec<PolicyProblem>> {
        crate::compile::load(sources, servers, tools)
    }

    /// Over the sources, servers and tools: equal digests decide equally.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Policies that were set aside by [`Self::load`], or lost a tool from their scope, with why.
    #[must_use]
    pub fn notices(&self) -> &[PolicyProblem] {
        &self.notices
    }

    /// How many policies are in force.
    #[must_use]
    pub const fn policy_count(&self) -> usize {
        self.index.len()
    }

    /// Decides one call.
    #[must_use]
    pub fn decide(&self, request: &DecisionRequest<'_>) -> Decision {
        match self.question(request) {
            Ok(question) if *request.approval == ApprovalEvidence::none() => {
                question.decide(self.nobody.clone())
            }
            Ok(question) => question.decide(approval_value(request.approval)),
            Err(explanation) => cannot_tell(explanation),
        }
    }

    /// True when this principal could be permitted this tool with some arguments, approval and time, and may
    /// list its server. What `tools/list` shows, and the only tools reasons are given for (promise 11).
    /// The answer is kept per principal, task and tool.
    #[must_use]
    pub fn could_permit(&self, principal: &Principal, task: &Task, tool: &ToolRef) -> bool {
        self.could(principal, task, tool).unwrap_or(false)
    }

    /// The Cedar schema as text, for editors and `callgate policy schema`. Made anew at each call.
    #[must_use]
    pub fn schema_text(&self) -> String {
        let servers: Vec<ServerName> = self.servers.keys().cloned().collect();
        let mut tools: Vec<&ToolType> = self.tools.values().map(|entry| &entry.kind).collect();
        tools.sort_by(|left, right| left.tool.name.cmp(&right.tool.name));
        schema::text(&servers, &tools)
    }

    fn question<'a>(&'a self, request: &DecisionRequest<'a>) -> Result<Question<'a>, String> {
        let entry = self.tools.get(&request.tool.name).ok_or_else(|| {
            format!("`{}` is not among the tools these policies were compiled for", request.tool.name)
        })?;
        if entry.kind.tool != *request.tool {
            return Err(format!("`{}` is pinned to another definition or risk", request.tool.name));
        }
        let prepared = self.prepared_tool(request.principal, request.task, entry);
        let nothing = Reads::default();
        let reads = prepared.as_ref().map_or(&nothing, |prepared| &prepared.bucket.reads);
        let shape = &entry.kind.arguments;
        let arguments =
            crate::arguments::convert(shape, request.arguments, reads).map_err(|fault| fault.to_string())?;
        Ok(Question {
            schema: &self.schema,
            prepared: prepared?,
            action: &entry.action,
            shape,
            given: request.arguments,
            arguments,
            time: self.clock.value(request.now).ok_or("the clock is outside the years 0 to 9999")?,
        })
    }

    pub(crate) fn prepared_tool(
        &self,
        principal: &Principal,
        task: &Task,
        entry: &Entry,
    ) -> Result<Arc<Prepared>, String> {
        let server = &entry.kind.tool.name.server;
        let target = Target {
            number: entry.number,
            action: &entry.action,
            ancestors: &entry.ancestors,
            server,
            environment: &self.place(server)?.environment,
        };
        self.prepared(principal, task, &target)
    }

    pub(crate) fn prepared(
        &self,
        principal: &Principal,
        task: &Task,
        target: &Target<'_>,
    ) -> Result<Arc<Prepared>, String> {
        self.memo.get(principal, task, target, || prepare(&self.types, &self.index, principal, task, target))
    }

    pub(crate) fn place(&self, server: &ServerName) -> Result<&Place, String> {
        self.servers.get(server).ok_or_else(|| format!("server `{server}` is not configured"))
    }
}
