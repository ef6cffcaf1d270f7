//! States 5 to 11 of one call, which goes on whether or not its connection does (ADR 0005, 0020).
//!
//! Must never forward but through [`crate::leased::Leased`], nor leave a durable intent without its outcome.

use std::sync::Arc;

use ledger::{Body, Entry, Verdict};
use model::denial::{Denial, Reason};
use model::digest::Salt;
use model::ids::CallId;
use ports::approvals::{ApprovalStep, Using};
use ports::broker::{Lease, LeaseRequest};
use ports::fault::Fault;
use ports::record::{CommitFault, Expect, Item};
use tokio::sync::mpsc;

use crate::approved::Evidence;
use crate::ask::Chosen;
use crate::decided::Permitted;
use crate::driver::{Door, Finished, micros};
use crate::exchange::{Exchange, Passing};
use crate::forwarded::UntrustedResult;
use crate::intended::Intended;
use crate::labelled::Labelled;
use crate::open_calls::CancelToken;
use crate::refuse::{DecisionFacts, Place, Refused};
use crate::resolved::Resolved;
use crate::sequencer::{Reservation, Revision, Sequencer, StageRefusal};
use crate::server_task;
use crate::supervise::CatchPanic;

/// Times a call is decided before a moving world makes it a denial.
pub(crate) const DECISIONS_MAX: usize = 8;

/// What became of staging an intent.
enum Intent {
    Durable(Box<Intended>, Reservation),
    Moved(Box<Permitted>),
    Refused(Refused),
}

impl Door {
    /// States 5 to 11. Whoever drives this drives it to its end: [`crate::supervise::Supervised`].
    pub(crate) async fn decide_and_run(
        self: &Arc<Self>,
        resolved: Resolved,
        cancel: CancelToken,
        passing: mpsc::Sender<Passing>,
    ) -> Finished {
        // Listed as open before anything is staged: a revocation that commits after this call's intent finds it.
        let id = resolved.stamp().id;
        let task = resolved.call().meta.server_task.iter().map(|task| task.tool.clone());
        let tools = std::iter::once(resolved.tool().name.clone()).chain(task).collect();
        let _open = self.open.enter(id, resolved.principal(), tools, cancel.clone());
        let place = Place::of(&resolved.bound);
        match CatchPanic::new(self.permit(resolved, &cancel)).await {
            Ok(Ok((intended, _reservation))) => self.run(*intended, cancel, passing).await,
            Ok(Err(refused)) => Finished::Refused(refused),
            Err(_) => {
                let denial = Denial::indeterminate("a panic while the call was decided");
                Finished::Refused(self.refuse_early(place, denial).await)
            }
        }
    }

    /// States 5 to 7: decides until the facts hold still for as long as a commit takes.
    pub(crate) async fn permit(
        &self,
        mut resolved: Resolved,
        cancel: &CancelToken,
    ) -> Result<(Box<Intended>, Reservation), Refused> {
        let sequencer = self.sequencers.of(resolved.task(), self.limits.open_calls_per_task_max);
        for _ in 0..DECISIONS_MAX {
            let revision = sequencer.revision();
            let permitted = match self.decide(resolved).await {
                Chosen::Permitted(permitted) => *permitted,
                Chosen::Moved(moved) => {
                    resolved = self.again(*moved).await?;
                    continue;
                }
                Chosen::Refused(refused) => return Err(refused),
            };
            match self.intend(&sequencer, revision, permitted, cancel).await {
                Intent::Durable(intended, reservation) => return Ok((intended, reservation)),
                Intent::Moved(permitted) => resolved = self.again(permitted.resolved).await?,
                Intent::Refused(refused) => return Err(refused),
            }
        }
        let denial =
            Denial::indeterminate(format!("the facts changed under {DECISIONS_MAX} decisions in a row"));
        Err(self.refuse_resolved(&resolved, denial).await)
    }

    /// Resolves a call anew under the current snapshot, after the one it carried went stale.
    async fn again(&self, resolved: Resolved) -> Result<Resolved, Refused> {
        let caller = match resolved.bound.identified.caller.refresh(&self.ports).await {
            Ok(caller) => caller,
            Err(denial) => return Err(self.refuse_resolved(&resolved, denial).await),
        };
        let stamp = *resolved.stamp();
        self.resolve(stamp, caller, resolved.bound.identified.received.call).await
    }

    /// State 7: stages the intent through the task's sequencer and waits until it is durable.
    async fn intend(
        &self,
        sequencer: &Arc<Sequencer>,
        revision: Revision,
        permitted: Permitted,
        cancel: &CancelToken,
    ) -> Intent {
        let id = permitted.resolved.stamp().id;
        let refuse =
            async |permitted: &Permitted, denial| self.refuse_resolved(&permitted.resolved, denial).await;
        if let Some(reason) = cancel.reason() {
            let denial = Denial::new(reason, "the call was cancelled before anything was sent");
            return Intent::Refused(refuse(&permitted, denial).await);
        }
        let (item, result_salt) = match self.intent_item(&permitted) {
            Ok(made) => made,
            Err(fault) => {
                let denial = Denial::indeterminate(fault.to_string());
                return Intent::Refused(refuse(&permitted, denial).await);
            }
        };
        match sequencer.stage(revision, self.ports.record.as_ref(), item) {
            Err(StageRefusal::Changed) => Intent::Moved(Box::new(permitted)),
            Err(StageRefusal::Denied(denial)) => Intent::Refused(refuse(&permitted, denial).await),
            Ok((reservation, pending)) => match pending.await {
                Ok(receipt) => Intent::Durable(Box::new(permitted.intend(receipt, result_salt)), reservation),
                Err(CommitFault::EpochMoved | CommitFault::ApprovalGone) => {
                    Intent::Moved(Box::new(permitted))
                }
                Err(fault @ (CommitFault::Fenced(_) | CommitFault::TooManyWait(_))) => {
                    let denial = Denial::indeterminate(fault.to_string());
                    Intent::Refused(Refused { call: id, denial })
                }
            },
        }
    }

    /// The intent, and the salt that its result will be blinded with: afterwards nothing may be missing.
    fn intent_item(&self, permitted: &Permitted) -> Result<(Item, Salt), Fault> {
        let resolved = &permitted.resolved;
        let (salt, result_salt) = (self.salt()?, self.salt()?);
        let facts = DecisionFacts {
            bound: &resolved.bound,
            tool: &resolved.tool,
            canonical: &resolved.canonical,
            policies: permitted.permit().policies(),
            why: "",
            approval: permitted.evidence().map(Evidence::id),
        };
        let using = permitted.evidence().map(|evidence| {
            let (id, key, by) = (evidence.id(), resolved.approval_key(), resolved.stamp().id);
            ApprovalStep::Use(Box::new(Using { id, key, by }))
        });
        let body = Body::Decision(self.decision(&facts, Verdict::Permit, &salt));
        let epoch = resolved.snapshot().epoch;
        let entry = Entry { at: self.ports.clock.now(), epoch, body };
        let salts = vec![("arguments", salt)];
        let expects = Expect::Epoch(epoch);
        Ok((Item { entry, salts, expects, listed: None, approval: using }, result_salt))
    }

    /// States 8 to 11. A panic inside becomes the outcome `unknown`.
    async fn run(
        self: &Arc<Self>,
        intended: Intended,
        cancel: CancelToken,
        passing: mpsc::Sender<Passing>,
    ) -> Finished {
        let resolved = &intended.permitted.resolved;
        let id = resolved.stamp().id;
        let server = resolved.tool().name.server.clone();
        let request = LeaseRequest { call: id, task: resolved.task().id.clone(), server };
        let started = self.ports.clock.elapsed();
        let labelled = self.send(intended, &request, cancel.clone(), passing).await;
        let labelled = self.hand_over(labelled, &cancel).await;
        let upstream_micros = micros(self.ports.clock.elapsed().saturating_sub(started));
        let finished = self.record_outcome(id, labelled, upstream_micros).await;
        // The outcome is recorded: a panic in giving the lease back takes nothing from the caller.
        drop(CatchPanic::new(async { self.ports.broker.release(&request).await }).await);
        finished
    }

    /// States 8 to 10.
    async fn send(
        self: &Arc<Self>,
        intended: Intended,
        request: &LeaseRequest,
        cancel: CancelToken,
        passing: mpsc::Sender<Passing>,
    ) -> Labelled {
        let lease = match self.lease(&intended, request, &cancel).await {
            Ok(lease) => lease,
            Err((reason, why)) => {
                return Labelled { intended, result: UntrustedResult::NotSent(reason, why) };
            }
        };
        let resolved = &intended.permitted.resolved;
        let caller = resolved.bound.identified.caller.clone();
        let server = resolved.tool().name.server.clone();
        let client = self.told(resolved);
        let (forwarded, forward) = intended.lease(lease).forward(&self.limits, client);
        let exchange = Exchange { door: Arc::clone(self), caller, server, cancel, passing };
        let result = match CatchPanic::new(exchange.run(forward, &forwarded.intended)).await {
            Ok(result) => result.into(),
            Err(_) => {
                UntrustedResult::Unknown(Reason::Indeterminate, "a panic while the call was open".into())
            }
        };
        forwarded.label(result)
    }

    /// State 8. A lease that does not come is heard no longer than the call is wanted.
    pub(crate) async fn lease(
        &self,
        intended: &Intended,
        request: &LeaseRequest,
        cancel: &CancelToken,
    ) -> Result<Lease, (Reason, String)> {
        let leasing = CatchPanic::new(async { self.ports.broker.lease(request).await });
        let lease = tokio::select! {
            biased;
            reason = cancel.cancelled() => return Err((reason, "cancelled before a lease was there".into())),
            leased = leasing => match leased {
                Ok(leased) => leased.map_err(|denial| (denial.reason, denial.private))?,
                Err(_) => return Err((Reason::Indeterminate, "a panic while leasing".into())),
            },
        };
        if self.stands(intended) {
            return Ok(lease);
        }
        Err((Reason::Revoked, "the policies in force by now do not permit it".into()))
    }

    /// Whether the policies in force permit it still.
    pub(crate) fn stands(&self, intended: &Intended) -> bool {
        let (snapshot, now) = (self.ports.snapshots.current(), self.ports.clock.now());
        server_task::stands(&intended.permitted.resolved, &snapshot)
            && intended.permitted.stands_under(&snapshot.policy, now)
    }

    /// Whether, after a wait, all of it would be so again: the credential is good, the tool is certified as it was, and
    /// the policies in force permit it at this time.
    pub(crate) async fn stands_again(&self, intended: &Intended) -> bool {
        let permitted = &intended.permitted;
        let Ok(caller) = permitted.resolved.bound.identified.caller.refresh(&self.ports).await else {
            return false;
        };
        let (tool, snapshot) = (permitted.resolved.tool(), &caller.snapshot);
        let record = snapshot.catalog.get(&tool.name);
        let certified = record.is_some_and(|record| record.usable() && record.digest == tool.definition);
        let now = self.ports.clock.now();
        certified && permitted.standing().holds(&snapshot.policy, &caller.principal, now)
    }

    pub(crate) async fn record_outcome(
        &self,
        id: CallId,
        labelled: Labelled,
        upstream_micros: u64,
    ) -> Finished {
        let (body, salts) = (labelled.outcome(upstream_micros), labelled.salts());
        let epoch = self.ports.snapshots.current().epoch;
        let entry = Entry { at: self.ports.clock.now(), epoch, body: Body::Outcome(body) };
        let item = Item { entry, salts, expects: Expect::Nothing, listed: None, approval: None };
        let recorded = match self.ports.record.stage(item) {
            Ok(pending) => pending.await.map_err(|fault| fault.to_string()),
            Err(fault) => Err(fault.to_string()),
        };
        match recorded {
            Err(why) => Finished::Refused(Refused { call: id, denial: withheld(why) }),
            Ok(_) => match labelled.record().release() {
                Ok(answer) => Finished::Answered(id, answer),
                Err(denial) => Finished::Refused(Refused { call: id, denial }),
            },
        }
    }
}

/// The outcome is not durable, so the answer stays here; the caller must not take that for "nothing happened".
fn withheld(why: String) -> Denial {
    Denial::new(
        Reason::Indeterminate,
        "the outcome of this call could not be recorded, so its answer is withheld; the tool may have acted",
    )
    .with_private(why)
}
