//! The verbs of approvals. Must never take a yes without the digest of the call that was shown, nor show less than all
//! of what will run.

use admin::{Asked, AskedInFull, Says};
use model::approval::{ApprovalId, ApprovalState, Standing};
use model::call::CallDigest;
use model::digest::Digest;
use model::json::Json;
use model::limits::JsonLimits;
use ports::approvals::Unreadable;
use registry::visible::{pretty, visible};
use serde_json::{Value, json};

use super::api::OPERATOR;
use super::{ApiError, OperatorFace, show, wire};

impl OperatorFace {
    pub(super) async fn approvals(&self) -> Result<Value, ApiError> {
        let asked = self.admin.approvals().await?;
        let unreadable = self.admin.unreadable_approvals().await?;
        let unreadable: Vec<Value> = unreadable.iter().map(unread).collect();
        let asked: Vec<Value> = asked.iter().map(|one| self.line(one)).collect();
        Ok(json!({"approvals": asked, "unreadable": unreadable}))
    }

    pub(super) async fn show_approval(&self, params: wire::NamedApproval) -> Result<Value, ApiError> {
        let AskedInFull { asked, arguments } = self.admin.approval(&params.id).await?;
        let tree = Json::parse(arguments.as_bytes(), &JsonLimits::REQUEST).map_err(ApiError::unavailable)?;
        let lines: Vec<String> = pretty(&tree).lines().map(visible).collect();
        let mut shown = self.line(&asked);
        if let Value::Object(members) = &mut shown {
            members.insert("arguments_text".into(), json!(lines.join("\n")));
            members.insert("arguments_bytes".into(), json!(arguments.len()));
        }
        Ok(shown)
    }

    pub(super) async fn approve(&self, params: wire::Approve) -> Result<Value, ApiError> {
        let shown = Digest::parse(&params.call).ok_or_else(|| {
            ApiError::bad_request("give the call digest (`sha256:…`) that `approvals show` printed")
        })?;
        let says = Says::Yes(CallDigest(shown));
        Ok(self.line(&self.admin.answer(OPERATOR, &params.id, says, &params.note).await?))
    }

    pub(super) async fn reject(&self, params: wire::Reject) -> Result<Value, ApiError> {
        Ok(self.line(&self.admin.answer(OPERATOR, &params.id, Says::No, &params.note).await?))
    }

    /// How many wait.
    pub(super) async fn approvals_pending(&self) -> Result<usize, ApiError> {
        let asked = self.admin.approvals().await?;
        Ok(asked.iter().filter(|one| one.standing == Standing::Waiting).count())
    }

    /// The entries of the answers that a call's entries speak of: they belong to the call that asked first.
    pub(super) async fn answers_to(&self, entries: &[Value]) -> Result<Vec<Value>, ApiError> {
        let named = entries.iter().filter_map(|entry| entry.pointer("/leaf/approval")?.as_str());
        let mut asked: Vec<ApprovalId> = named.filter_map(ApprovalId::parse).collect();
        asked.dedup();
        let mut answers = Vec::new();
        for id in asked {
            let of = self.admin.records().of_call(id.call()).await.map_err(ApiError::unavailable)?;
            answers.extend(
                of.iter().map(show::entry).filter(|entry| is_answer(entry) && !entries.contains(entry)),
            );
        }
        Ok(answers)
    }

    fn line(&self, asked: &Asked) -> Value {
        let approval = &asked.approval;
        let owner =
            self.admin.current().agents.by_name(&approval.key.agent).map(|agent| visible(&agent.facts.owner));
        let names =
            |names: &[model::ids::GroupName]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        let answer = approval.answer().map(|answer| {
            json!({
                "at": answer.at.rfc3339(),
                "by": visible(&answer.by),
                "note": visible(&answer.note),
                "groups": names(&answer.groups),
                "self_approved": answer.self_approved,
            })
        });
        let used_by = match &approval.state {
            ApprovalState::Used(_, call) => Some(call.to_string()),
            _ => None,
        };
        json!({
            "approval": approval.id.to_string(),
            "state": state(asked),
            "agent": approval.key.agent.as_str(),
            "owner": owner,
            "task": approval.key.task.as_str(),
            "tool": approval.tool.name.to_string(),
            "definition": approval.tool.definition.to_string(),
            "risk": approval.tool.risk.as_str(),
            "call": approval.key.call.0.to_string(),
            "approvers": names(&approval.approvers),
            "policies": approval.policies.iter().map(|policy| policy.as_str()).collect::<Vec<_>>(),
            "reasons": approval.reasons.iter().map(|reason| visible(reason)).collect::<Vec<_>>(),
            "self_approvable": approval.self_approvable,
            "asked_by": approval.id.call().to_string(),
            "created": approval.created.rfc3339(),
            "until": approval.until.rfc3339(),
            "answer": answer,
            "used_by": used_by,
        })
    }
}

fn unread(kept: &Unreadable) -> Value {
    let id = kept.id.map(|id| id.to_string());
    json!({"approval": id, "problem": visible(&kept.problem.to_string())})
}

fn is_answer(entry: &Value) -> bool {
    entry.pointer("/leaf/kind").and_then(Value::as_str) == Some("approval")
}

/// One word; what is over says how it ended.
fn state(asked: &Asked) -> &'static str {
    match (&asked.approval.state, asked.standing) {
        (ApprovalState::Used(..), _) => "used",
        (ApprovalState::Ended, _) => "ended",
        (ApprovalState::Rejected(_), Standing::Over) => Standing::Rejected.as_str(),
        (_, Standing::Over) => Standing::Expired.as_str(),
        (_, standing) => standing.as_str(),
    }
}
