//! A person's consent to one exact call: asked for, answered, used once. Must never be usable for another call, twice,
//! or after its time.

use std::fmt;

use crate::call::CallDigest;
use crate::ids::{AgentId, CallId, GroupName, PolicyId, TaskId};
use crate::time::Micros;
use crate::tool::PinnedTool;

/// Seconds a request waits for a person.
pub const PENDING_SECONDS: i64 = 900;
/// Seconds an approval can be used.
pub const USABLE_SECONDS: i64 = 300;
/// Seconds a request is kept after it is over, for showing and for telling the agent how it ended.
pub const KEPT_SECONDS: i64 = 3600;
/// Most requests of one agent that wait.
pub const PENDING_PER_AGENT_MAX: usize = 32;
/// Most requests that wait.
pub const PENDING_MAX: usize = 1000;
/// Most bytes of canonical arguments that a person can be asked about: nobody reads more.
pub const ARGUMENTS_BYTES_MAX: usize = 256 << 10;
/// Most characters of what a person says to an answer.
pub const NOTE_CHARS_MAX: usize = 500;

const PREFIX: &str = "apr_";

/// One request for an approval. It has the number of the call that asked first, so that the record leads from one to
/// the other. Shown as `apr_` and 26 characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApprovalId(CallId);

impl ApprovalId {
    /// Of the call that asked first.
    #[must_use]
    pub const fn of(call: CallId) -> Self {
        Self(call)
    }

    /// The call that asked first.
    #[must_use]
    pub const fn call(self) -> CallId {
        self.0
    }

    /// Reads the whole form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        CallId::parse(text.strip_prefix(PREFIX)?).map(Self)
    }

    /// Whether the text is the beginning of this id, with or without `apr_`, in either case.
    #[must_use]
    pub fn begins_with(self, text: &str) -> bool {
        let short = text.strip_prefix(PREFIX).unwrap_or(text);
        let whole = self.0.to_string();
        !short.is_empty() && whole.get(..short.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(short))
    }
}

impl fmt::Display for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.0)
    }
}

impl fmt::Debug for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What an approval is bound to: exactly this call, by this agent, for this task.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ApprovalKey {
    /// Tool definition and arguments.
    pub call: CallDigest,
    /// Who calls.
    pub agent: AgentId,
    /// For which task.
    pub task: TaskId,
}

/// One request, and what became of it. The arguments are kept beside it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Approval {
    /// Its id.
    pub id: ApprovalId,
    /// What it is bound to.
    pub key: ApprovalKey,
    /// The tool, at the definition and risk that was decided on.
    pub tool: PinnedTool,
    /// The groups any of whose members may answer.
    pub approvers: Vec<GroupName>,
    /// The policies that ask.
    pub policies: Vec<PolicyId>,
    /// Their `@reason` texts.
    pub reasons: Vec<String>,
    /// Whether policy is content with one person who answers for the agent (solo mode).
    pub self_approvable: bool,
    /// When it was asked for.
    pub created: Micros,
    /// Until when the present state matters.
    pub until: Micros,
    /// What became of it.
    pub state: ApprovalState,
}

/// What became of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ApprovalState {
    /// Nobody answered yet.
    Pending,
    /// A person said yes.
    Approved(Answer),
    /// A person said no.
    Rejected(Answer),
    /// A call acted on the yes.
    Used(Answer, CallId),
    /// What it belongs to ended: its agent was removed.
    Ended,
}

/// What a person answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// When.
    pub at: Micros,
    /// Who: `operator:NAME`.
    pub by: String,
    /// What the person says to it.
    pub note: String,
    /// The approver groups the person answers for.
    pub groups: Vec<GroupName>,
    /// True when the person also answers for the agent (solo mode).
    pub self_approved: bool,
}

/// Where a request stands at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// A person can answer.
    Waiting,
    /// A call can act on it.
    Approved,
    /// A person said no, and asking again so soon gets the same answer.
    Rejected,
    /// Nobody answered in time, or nobody used the answer in time.
    Expired,
    /// It is over: used, ended, or long ago.
    Over,
}

impl Standing {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Over => "over",
        }
    }
}

impl Approval {
    /// Where it stands.
    #[must_use]
    pub fn standing(&self, now: Micros) -> Standing {
        let lapsed = now >= self.until;
        match &self.state {
            ApprovalState::Used(..) | ApprovalState::Ended => Standing::Over,
            ApprovalState::Pending | ApprovalState::Approved(_) if self.forgotten(now) => Standing::Over,
            ApprovalState::Pending | ApprovalState::Approved(_) if lapsed => Standing::Expired,
            ApprovalState::Rejected(_) if lapsed => Standing::Over,
            ApprovalState::Pending => Standing::Waiting,
            ApprovalState::Approved(_) => Standing::Approved,
            ApprovalState::Rejected(_) => Standing::Rejected,
        }
    }

    /// Whether it is so long over that nothing is kept of it.
    #[must_use]
    pub fn forgotten(&self, now: Micros) -> bool {
        now >= self.until.plus_seconds(KEPT_SECONDS)
    }

    /// Whether the same call may ask anew.
    #[must_use]
    pub fn may_be_asked_anew(&self, now: Micros) -> bool {
        self.standing(now) == Standing::Over
    }

    /// What a person's answer makes of it; nothing when it waits no more, or another call was meant.
    #[must_use]
    pub fn answered(&self, call: CallDigest, approved: bool, answer: Answer) -> Option<Self> {
        if self.standing(answer.at) != Standing::Waiting || self.key.call != call {
            return None;
        }
        let next = self.clone();
        Some(if approved {
            let until = answer.at.plus_seconds(USABLE_SECONDS);
            Self { until, state: ApprovalState::Approved(answer), ..next }
        } else {
            Self { state: ApprovalState::Rejected(answer), ..next }
        })
    }

    /// What a call that acts on it makes of it; nothing when there is no approval of exactly this call to use now.
    #[must_use]
    pub fn used(&self, key: &ApprovalKey, by: CallId, now: Micros) -> Option<Self> {
        match &self.state {
            ApprovalState::Approved(answer)
                if self.standing(now) == Standing::Approved && self.key == *key =>
            {
                let state = ApprovalState::Used(answer.clone(), by);
                Some(Self { until: now, state, ..self.clone() })
            }
            _ => None,
        }
    }

    /// What the end of its agent makes of it; nothing when it was over.
    #[must_use]
    pub fn ended(&self, now: Micros) -> Option<Self> {
        let living = matches!(self.standing(now), Standing::Waiting | Standing::Approved);
        living.then(|| Self { until: now, state: ApprovalState::Ended, ..self.clone() })
    }

    /// What the person answered, if one did.
    #[must_use]
    pub const fn answer(&self) -> Option<&Answer> {
        match &self.state {
            ApprovalState::Approved(answer)
            | ApprovalState::Rejected(answer)
            | ApprovalState::Used(answer, _) => Some(answer),
            ApprovalState::Pending | ApprovalState::Ended => None,
        }
    }
}

#[cfg(test)]
mod tests;
