//! Approvals: shown, and answered by a person. Must never let an agent answer (its callers prove an operator first),
//! nor take a yes for another call than the one that was shown.

use ledger::{ApprovalBody, Body, Entry};
use model::approval::{Answer, Approval, ApprovalId, NOTE_CHARS_MAX, Standing};
use model::call::CallDigest;
use model::digest::{Commitment, Salt};
use model::ids::GroupName;
use model::time::Micros;
use ports::approvals::{Answering, ApprovalStep, Unreadable};
use ports::fault::Fault;
use ports::record::{CommitFault, Expect, Item};
use registry::visible::shortened;

use crate::{Admin, AdminError};

/// Operators there are: the holder of the one operator credential (ADR 0014).
const OPERATORS: usize = 1;

/// A request for an approval, for showing.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The request.
    pub approval: Approval,
    /// Where it stands now.
    pub standing: Standing,
}

/// A request with what will run.
#[derive(Clone, Debug)]
pub struct AskedInFull {
    /// The request.
    pub asked: Asked,
    /// The canonical arguments that its call digest was made from, whole.
    pub arguments: String,
}

/// What a person answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// Yes, to exactly this call.
    Yes(CallDigest),
    /// No.
    No,
}

/// For whom an operator answers.
#[derive(Debug, PartialEq, Eq)]
struct Stand {
    groups: Vec<GroupName>,
    self_approved: bool,
}

/// Solo mode: the only operator answers for every group that is asked, and for the agent too. It ends by itself when
/// there is a second one: who answers for what has to be kept then.
fn stand(operators: usize, asked: &Approval) -> Option<Stand> {
    (operators == 1).then(|| Stand { groups: asked.approvers.clone(), self_approved: true })
}

impl Admin {
    /// All requests that are kept and can be read, oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn approvals(&self) -> Result<Vec<Asked>, AdminError> {
        let now = self.ports.clock.now();
        let kept = self.ports.approvals.all().await?;
        let kept = kept.into_iter().filter(|approval| !approval.forgotten(now));
        Ok(kept.map(|approval| Asked { standing: approval.standing(now), approval }).collect())
    }

    /// Those that cannot be read: they hide no other, and are deleted when their time is over.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn unreadable_approvals(&self) -> Result<Vec<Unreadable>, AdminError> {
        Ok(self.ports.approvals.unreadable().await?)
    }

    /// The one whose id begins so, with what will run.
    ///
    /// # Errors
    /// When there is none or more than one, or what is kept of it contradicts itself.
    pub async fn approval(&self, id: &str) -> Result<AskedInFull, AdminError> {
        let asked = self.asked(id).await?;
        let approval = &asked.approval;
        let arguments = self.ports.approvals.arguments(approval.id).await?;
        let arguments = arguments.ok_or_else(|| no_such(id))?;
        if CallDigest::of(&approval.tool, &arguments) != approval.key.call {
            let text =
                format!("the arguments kept for approval {} are not those it is bound to", approval.id);
            return Err(Fault::new(text).into());
        }
        Ok(AskedInFull { asked, arguments })
    }

    /// Answers a request. A yes is durable before this resolves, and used by no call yet.
    ///
    /// # Errors
    /// When it does not wait any more, another call was shown, or a yes could not be used.
    pub async fn answer(&self, by: &str, id: &str, says: Says, note: &str) -> Result<Asked, AdminError> {
        let asked = self.asked(id).await?;
        waiting(&asked)?;
        let approval = asked.approval;
        if let Says::Yes(shown) = says {
            self.may_be_approved(&approval, shown)?;
        }
        let Some(Stand { groups, self_approved }) = stand(OPERATORS, &approval) else {
            return Err(AdminError::Refused(
                "it is not kept for which groups an operator answers".to_owned(),
            ));
        };
        let at = self.ports.clock.now();
        let note = shortened(note.trim(), NOTE_CHARS_MAX);
        let approved = matches!(says, Says::Yes(_));
        let self_approved = approved && self_approved;
        let answer = Answer { at, by: by.to_owned(), note, groups, self_approved };
        let next = approval.answered(approval.key.call, approved, answer.clone());
        let next = next.ok_or_else(|| gone(approval.id))?;
        let (entry, salt) = self.answer_entry(&approval, &answer, (approved, next.until))?;
        let answering = Answering { id: approval.id, call: approval.key.call, approved, answer };
        let step = Some(ApprovalStep::Answer(Box::new(answering)));
        let salts = vec![("bound", salt)];
        let item = Item { entry, salts, expects: Expect::Nothing, listed: None, approval: step };
        match self.ports.record.stage(item)?.await {
            Ok(_) => Ok(Asked { standing: next.standing(at), approval: next }),
            Err(CommitFault::ApprovalGone) => Err(gone(approval.id)),
            Err(fault) => Err(Fault::new(fault).into()),
        }
    }

    async fn asked(&self, id: &str) -> Result<Asked, AdminError> {
        let mut found = self.approvals().await?;
        found.retain(|asked| asked.approval.id.begins_with(id));
        match found.len() {
            0 => Err(self.unknown(id).await?),
            1 => found.pop().ok_or_else(|| no_such(id)),
            many => Err(AdminError::Refused(format!(
                "`{}` begins {many} approvals; give more of the id",
                shown(id)
            ))),
        }
    }

    /// Why there is none of this id.
    async fn unknown(&self, id: &str) -> Result<AdminError, AdminError> {
        let unreadable = self.unreadable_approvals().await?;
        let meant =
            unreadable.iter().find_map(|kept| Some((kept.id.filter(|kept| kept.begins_with(id))?, kept)));
        Ok(match meant {
            Some((id, kept)) => AdminError::Refused(format!(
                "approval {id} cannot be read ({}) and cannot be answered; it is deleted an hour after its time",
                kept.problem
            )),
            None => no_such(id),
        })
    }

    /// A yes that could not be used is not taken: who gave it would think that the call can run.
    fn may_be_approved(&self, approval: &Approval, shown: CallDigest) -> Result<(), AdminError> {
        let refused = |text: String| Err(AdminError::Refused(text));
        if shown != approval.key.call {
            return refused(format!(
                "the digest is of another call than approval {}; look at `callgate approvals show {}` and give the \
                 digest it prints",
                approval.id, approval.id
            ));
        }
        let current = self.current();
        let tool = current.catalog.get(&approval.tool.name).filter(|record| record.usable());
        if tool.is_none_or(|record| record.pinned() != approval.tool) {
            return refused(format!(
                "`{}` is not the certified tool any more that approval {} was asked for; the agent has to call again",
                approval.tool.name, approval.id
            ));
        }
        if !approval.self_approvable {
            return refused(format!(
                "policy asks for more than one operator can give ({}); nothing was approved",
                approval.policies.iter().map(|policy| policy.as_str()).collect::<Vec<_>>().join(", ")
            ));
        }
        Ok(())
    }

    fn answer_entry(
        &self,
        approval: &Approval,
        answer: &Answer,
        (approved, until): (bool, Micros),
    ) -> Result<(Entry, Salt), Fault> {
        let mut salt = [0u8; 32];
        self.ports.entropy.fill(&mut salt)?;
        let salt = Salt(salt);
        let body = ApprovalBody {
            approval: approval.id,
            task: approval.key.task.clone(),
            agent: approval.key.agent.clone(),
            tool: approval.tool.clone(),
            bound: Commitment::to(&salt, "bound", approval.key.call.0.as_bytes()),
            approved,
            by: answer.by.clone(),
            groups: answer.groups.clone(),
            self_approved: answer.self_approved,
            until,
            note: answer.note.clone(),
        };
        Ok((Entry { at: answer.at, epoch: self.current().epoch, body: Body::Approval(body) }, salt))
    }
}

fn waiting(asked: &Asked) -> Result<(), AdminError> {
    let what = match asked.standing {
        Standing::Waiting => return Ok(()),
        Standing::Approved => "is approved already",
        Standing::Rejected => "was rejected already",
        Standing::Expired => "expired; the agent has to call again",
        Standing::Over => "is over; the agent has to call again",
    };
    Err(AdminError::Refused(format!("approval {} {what}", asked.approval.id)))
}

fn gone(id: ApprovalId) -> AdminError {
    AdminError::Refused(format!("approval {id} was answered meanwhile, or its time is over"))
}

fn no_such(id: &str) -> AdminError {
    AdminError::NotFound(format!("no approval `{}`; `callgate approvals` shows them", shown(id)))
}

fn shown(id: &str) -> String {
    shortened(id, 40)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::approval::ApprovalState;
    use model::digest::Digest;
    use model::ids::{AgentId, CallId, ServerName, TaskId, ToolName};
    use model::tool::{PinnedTool, Risk, ToolRef};

    #[test]
    fn the_only_operator_answers_for_all_and_ceases_to_with_a_second() {
        let server = ServerName::parse("git").unwrap();
        let name = ToolRef { server, tool: ToolName::parse("push").unwrap() };
        let agent = AgentId::parse("ada").unwrap();
        let groups = vec![GroupName::parse("finance").unwrap(), GroupName::parse("operators").unwrap()];
        let asked = Approval {
            id: ApprovalId::of(CallId::from_bytes([1; 16])),
            key: model::approval::ApprovalKey {
                call: CallDigest(Digest::of(b"push")),
                task: TaskId::parse("agent:ada").unwrap(),
                agent,
            },
            tool: PinnedTool { name, definition: Digest::of(b"push"), risk: Risk::Privileged },
            approvers: groups.clone(),
            policies: Vec::new(),
            reasons: Vec::new(),
            self_approvable: true,
            created: Micros(0),
            until: Micros(1),
            state: ApprovalState::Pending,
        };
        assert_eq!(stand(1, &asked), Some(Stand { groups, self_approved: true }));
        assert_eq!(stand(0, &asked), None);
        assert_eq!(stand(2, &asked), None, "solo mode ends by itself");
    }
}
