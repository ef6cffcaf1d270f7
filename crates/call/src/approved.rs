//! State 6, approved: evidence for a *new* decision. Must never resume a call: with evidence it is decided again, and
//! the evidence is used up in the transaction of its intent.

use model::approval::{
    ARGUMENTS_BYTES_MAX, Approval, ApprovalId, ApprovalKey, ApprovalState, PENDING_SECONDS, Standing,
};
use model::denial::{Denial, Reason};
use model::time::Micros;
use policy::{ApprovalEvidence, Park};

use crate::decided::Decided;
use crate::resolved::Resolved;

/// What one approval proves. Made of an approval that can be used now, for exactly the call that is decided.
#[derive(Clone, Debug)]
pub struct Evidence {
    id: ApprovalId,
    approval: ApprovalEvidence,
}

impl Evidence {
    /// Nothing unless it was approved, for this very call, and can be used at this moment.
    #[must_use]
    pub fn of(approval: &Approval, key: &ApprovalKey, now: Micros) -> Option<Self> {
        if approval.standing(now) != Standing::Approved || approval.key != *key {
            return None;
        }
        let answer = approval.answer()?;
        let (groups, self_approved) = (answer.groups.clone(), answer.self_approved);
        let evidence = ApprovalEvidence { count: 1, groups, exact: true, self_approved };
        Some(Self { id: approval.id, approval: evidence })
    }

    /// What is used up when a call acts on it.
    #[must_use]
    pub const fn id(&self) -> ApprovalId {
        self.id
    }

    /// What policy is told.
    #[must_use]
    pub const fn approval(&self) -> &ApprovalEvidence {
        &self.approval
    }
}

/// A call that policy would permit with an approval. Nothing was sent.
pub struct Parked {
    pub(crate) resolved: Resolved,
    pub(crate) request: Park,
}

impl Parked {
    pub(crate) const fn new(resolved: Resolved, request: Park) -> Self {
        Self { resolved, request }
    }

    /// What an approval must be bound to.
    #[must_use]
    pub fn key(&self) -> ApprovalKey {
        self.resolved.approval_key()
    }

    /// → decided again, with the evidence there is for exactly this call.
    #[must_use]
    pub fn decide_again(self, evidence: &Evidence, now: Micros) -> Decided {
        self.resolved.decide(Some(evidence), now)
    }

    /// What a person is to be asked.
    ///
    /// # Errors
    /// `limit_exceeded` when the arguments are more than a person could read.
    pub fn question(&self, now: Micros) -> Result<Approval, Denial> {
        if self.resolved.canonical.len() > ARGUMENTS_BYTES_MAX {
            let text = format!(
                "policy permits this call only with a person's approval, and nobody can be asked about more than \
                 {} KiB of arguments; send less at once",
                ARGUMENTS_BYTES_MAX >> 10
            );
            return Err(self.refused(Reason::LimitExceeded, text));
        }
        let alone = ApprovalEvidence {
            count: 1,
            groups: self.request.approvers.clone(),
            exact: true,
            self_approved: true,
        };
        Ok(Approval {
            id: ApprovalId::of(self.resolved.stamp().id),
            key: self.key(),
            tool: self.resolved.tool().clone(),
            approvers: self.request.approvers.clone(),
            policies: self.request.policies.clone(),
            reasons: self.request.reasons.clone(),
            self_approvable: self.resolved.permitted_with(&alone, now),
            created: now,
            until: now.plus_seconds(PENDING_SECONDS),
            state: ApprovalState::Pending,
        })
    }

    /// The agent has to wait for this one.
    #[must_use]
    pub fn waits_for(&self, approval: &Approval) -> Denial {
        let reasons = match self.request.reasons.as_slice() {
            [] => String::new(),
            reasons => format!(" ({})", reasons.join("; ")),
        };
        let text = format!(
            "waiting for a person: approval {}, expires {}; call again with the same arguments once approved{reasons}",
            approval.id,
            seconds(approval.until),
        );
        let whom: Vec<&str> = self.request.approvers.iter().map(|group| group.as_str()).collect();
        let private = format!("waits for approval {} by: {}", approval.id, whom.join(", "));
        self.refused(Reason::ApprovalRequired, text)
            .with_private(private)
            .with_approval(approval.id, approval.until)
    }

    /// A person said no, and it is too early to ask again.
    #[must_use]
    pub fn rejected_by(&self, approval: &Approval) -> Denial {
        let answer = approval.answer();
        let said = match answer.map_or("", |answer| answer.note.as_str()) {
            "" => "without giving a reason".to_owned(),
            note => format!("and said: {note}"),
        };
        let text = format!(
            "a person rejected this call (approval {}) {said}; the same call can be asked for again after {}",
            approval.id,
            seconds(approval.until),
        );
        let by = answer.map_or("", |answer| answer.by.as_str());
        self.refused(Reason::ApprovalRejected, text)
            .with_private(format!("approval {} was rejected by {by}", approval.id))
            .with_approval(approval.id, approval.until)
    }

    /// Its time went by.
    #[must_use]
    pub fn too_late(&self, approval: &Approval) -> Denial {
        let how = match approval.state {
            ApprovalState::Approved(_) => "was given and not used in time",
            _ => "was not answered in time",
        };
        let text = format!(
            "approval {} {how} and expired {}; call again with the same arguments to ask anew",
            approval.id,
            seconds(approval.until),
        );
        self.refused(Reason::ApprovalExpired, text).with_approval(approval.id, approval.until)
    }

    /// There is an approval, and policy asks for more than it is.
    #[must_use]
    pub fn wants_more_than(&self, approval: &Approval) -> Denial {
        let text = format!(
            "approval {} was given, and policy asks for more than this one: another person, or one who does not \
             answer for this agent",
            approval.id,
        );
        self.refused(Reason::ApprovalRequired, text).with_approval(approval.id, approval.until)
    }

    /// Nobody is asked, for others wait.
    #[must_use]
    pub fn too_many(&self, waiting: usize) -> Denial {
        let text = format!(
            "policy permits this call only with a person's approval, and {waiting} calls wait for a person already; \
             try again when some are answered"
        );
        self.refused(Reason::LimitExceeded, text)
    }

    /// Nobody could say whether there is evidence.
    #[must_use]
    pub fn cannot_tell(&self, why: String) -> Denial {
        Denial::indeterminate(why).with_policies(self.request.policies.clone())
    }

    fn refused(&self, reason: Reason, text: String) -> Denial {
        Denial::new(reason, text).with_policies(self.request.policies.clone())
    }
}

/// To the second, for people.
fn seconds(at: Micros) -> String {
    let text = at.rfc3339();
    text.get(..19).map_or_else(|| text.clone(), |short| format!("{short}Z"))
}
