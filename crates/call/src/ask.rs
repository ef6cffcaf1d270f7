//! Between *decided* and *approved*: what becomes of a call that policy would permit with an approval.
//!
//! Must never ask twice for one call, nor tell the agent that it waits before the request is durable.

use model::approval::Standing;
use model::denial::{Denial, Reason};
use model::time::Micros;
use ports::approvals::{ApprovalStep, Asking};
use ports::record::Expect;

use crate::approved::{Evidence, Parked};
use crate::decided::{Decided, Permitted};
use crate::driver::Door;
use crate::refuse::{Effect, Refused, Unrecorded};
use crate::resolved::Resolved;

/// What came of deciding.
pub(crate) enum Chosen {
    /// It may go on.
    Permitted(Box<Permitted>),
    /// What it was decided on is not so any more: decide again.
    Moved(Box<Resolved>),
    /// It may not; recorded.
    Refused(Refused),
}

fn no_time_for_a_person() -> Denial {
    let text =
        "policy wants a person's approval for this, and what a server asks during a call cannot wait for one";
    Denial::new(Reason::PolicyDenied, text)
}

impl Door {
    /// State 5, and 6 when policy asks for a person: with evidence the call is decided again.
    pub(crate) async fn decide(&self, resolved: Resolved) -> Chosen {
        let now = self.ports.clock.now();
        match resolved.decide(None, now) {
            Decided::Permit(permitted) => Chosen::Permitted(permitted),
            Decided::Deny(denied) => {
                Chosen::Refused(self.refuse_resolved(&denied.resolved, denied.denial).await)
            }
            // A server that asks waits for nobody, and puts nothing of its own before those who approve.
            Decided::Park(parked) if parked.resolved.call().method.is_question() => {
                self.refuse_parked(*parked, |_| no_time_for_a_person()).await
            }
            Decided::Park(parked) => self.ask(*parked, now).await,
        }
    }

    async fn ask(&self, parked: Parked, now: Micros) -> Chosen {
        let last = match self.ports.approvals.last(&parked.key()).await {
            Ok(last) => last,
            Err(fault) => {
                return self.refuse_parked(parked, |parked| parked.cannot_tell(fault.to_string())).await;
            }
        };
        let Some(last) = last else {
            return self.ask_anew(parked, now).await;
        };
        match last.standing(now) {
            Standing::Over => self.ask_anew(parked, now).await,
            Standing::Waiting => self.refuse_parked(parked, |parked| parked.waits_for(&last)).await,
            Standing::Rejected => self.refuse_parked(parked, |parked| parked.rejected_by(&last)).await,
            Standing::Expired => {
                let effect = Effect { step: ApprovalStep::Forget(last.id), expects: Expect::Nothing };
                let denial = parked.too_late(&last);
                self.refuse_with(parked, denial, effect).await
            }
            Standing::Approved => {
                let Some(evidence) = Evidence::of(&last, &parked.key(), now) else {
                    let why = "the approval that was found is for another call";
                    return self.refuse_parked(parked, |parked| parked.cannot_tell(why.to_owned())).await;
                };
                match parked.decide_again(&evidence, now) {
                    Decided::Permit(permitted) => Chosen::Permitted(permitted),
                    Decided::Deny(denied) => {
                        Chosen::Refused(self.refuse_resolved(&denied.resolved, denied.denial).await)
                    }
                    Decided::Park(parked) => {
                        self.refuse_parked(*parked, |parked| parked.wants_more_than(&last)).await
                    }
                }
            }
        }
    }

    /// A request that waits from now on, durable with the entry of this refusal.
    async fn ask_anew(&self, parked: Parked, now: Micros) -> Chosen {
        let approval = match parked.question(now) {
            Ok(approval) => approval,
            Err(denial) => return self.refuse_parked(parked, |_| denial).await,
        };
        let denial = parked.waits_for(&approval);
        let expects = Expect::Epoch(parked.resolved.snapshot().epoch);
        let arguments = parked.resolved.canonical.clone();
        let step = ApprovalStep::Ask(Box::new(Asking { approval, arguments }));
        self.refuse_with(parked, denial, Effect { step, expects }).await
    }

    async fn refuse_parked(&self, parked: Parked, why: impl FnOnce(&Parked) -> Denial) -> Chosen {
        let denial = why(&parked);
        Chosen::Refused(self.refuse_resolved(&parked.resolved, denial).await)
    }

    async fn refuse_with(&self, parked: Parked, denial: Denial, effect: Effect) -> Chosen {
        match self.refuse_and(&parked.resolved, denial, effect).await {
            Ok(refused) => Chosen::Refused(refused),
            Err(Unrecorded::Moved) => Chosen::Moved(Box::new(parked.resolved)),
            Err(Unrecorded::TooManyWait(waiting)) => {
                self.refuse_parked(parked, |parked| parked.too_many(waiting)).await
            }
            Err(Unrecorded::Failed(why)) => Chosen::Refused(Refused {
                call: parked.resolved.stamp().id,
                denial: Denial::indeterminate(why),
            }),
        }
    }
}
