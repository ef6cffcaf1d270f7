//! Subscriptions to resources: each is a call that was permitted and recorded, and then goes on (ADR 0027).
//!
//! Must never tell of anything for longer than policy, key and registry would permit it anew, nor hold a subscription that
//! nobody hears.

use std::sync::Arc;

use model::call::ToolCall;
use model::denial::{Denial, Reason};
use model::ids::CallId;
use model::json::RawJson;
use model::method::Method;
use ports::broker::LeaseRequest;
use ports::changes::{Change, Changes, Subscribed};
use ports::upstream::{Answer, Sent, UpstreamFault};
use tokio::sync::mpsc;

use crate::decided::Standing;
use crate::driver::{Door, Finished, micros};
use crate::forwarded::UntrustedResult;
use crate::identified::Caller;
use crate::intended::Intended;
use crate::labelled::Labelled;
use crate::open_calls::{CancelToken, OpenCallGuard, Told};
use crate::refuse::{Place, Refused};
use crate::resolved::Resolved;
use crate::supervise::{CatchPanic, Supervised};

/// Subscriptions one agent may hold.
const PER_AGENT_MAX: usize = 256;

/// A subscription on its way.
pub struct Subscribing {
    /// The call.
    pub id: CallId,
    /// How it ended for its caller, and the subscription if it was granted.
    pub done: Supervised<(Finished, Option<Subscription>)>,
}

/// A subscription. Ends when it is dropped, or cancelled.
pub struct Subscription {
    updates: mpsc::Receiver<Box<str>>,
    cancel: CancelToken,
}

impl Subscription {
    /// The next URI that changed: the one subscribed to, or one below it. `None`: it has ended.
    pub async fn next(&mut self) -> Option<Box<str>> {
        self.updates.recv().await
    }

    /// Ends it from elsewhere.
    #[must_use]
    pub fn canceller(&self) -> CancelToken {
        self.cancel.clone()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.cancel.cancel(Reason::Cancelled);
    }
}

/// What goes on once it is granted.
struct Held {
    standing: Standing,
    caller: Caller,
    cancel: CancelToken,
    _open: OpenCallGuard,
}

impl Door {
    /// Walks one subscription from received to recorded; from there on it is told of what changes.
    ///
    /// # Errors
    /// A recorded refusal when it was refused before its decision.
    pub async fn subscribe(self: &Arc<Self>, caller: Caller, call: ToolCall) -> Result<Subscribing, Refused> {
        let stamp = self.stamp()?;
        let agent = &caller.principal.agent;
        self.rates.call(agent, stamp.started).map_err(|denial| self.too_often(&stamp, agent, denial))?;
        let method = call.method;
        let resolved = self.resolve(stamp, caller, call).await?;
        if method != Method::Subscribe {
            let denial = Denial::indeterminate("a call that is no subscription came as one");
            return Err(self.refuse_resolved(&resolved, denial).await);
        }
        if self.subscriptions.count_of(&resolved.principal().agent) >= PER_AGENT_MAX {
            let text = format!("this agent holds {PER_AGENT_MAX} subscriptions already; end one");
            let denial = Denial::new(Reason::LimitExceeded, text);
            return Err(self.refuse_resolved(&resolved, denial).await);
        }
        let door = Arc::clone(self);
        let rest = Box::pin(async move { door.decide_and_subscribe(resolved).await });
        Ok(Subscribing { id: stamp.id, done: Supervised::new(rest, Arc::clone(&self.ports.spawner)) })
    }

    async fn decide_and_subscribe(self: &Arc<Self>, resolved: Resolved) -> (Finished, Option<Subscription>) {
        // Listed as open before anything is staged: a revocation that commits after this intent finds it.
        let cancel = CancelToken::default();
        let (id, tool) = (resolved.stamp().id, resolved.tool().name.clone());
        let open = self.subscriptions.enter(id, resolved.principal(), vec![tool], cancel.clone());
        let place = Place::of(&resolved.bound);
        match CatchPanic::new(self.permit(resolved, &cancel)).await {
            Ok(Ok((intended, _reservation))) => self.begin(*intended, cancel, open).await,
            Ok(Err(refused)) => (Finished::Refused(refused), None),
            Err(_) => {
                let denial = Denial::indeterminate("a panic while the subscription was decided");
                (Finished::Refused(self.refuse_early(place, denial).await), None)
            }
        }
    }

    /// States 8 to 11, and what follows.
    async fn begin(
        self: &Arc<Self>,
        intended: Intended,
        cancel: CancelToken,
        open: OpenCallGuard,
    ) -> (Finished, Option<Subscription>) {
        let resolved = &intended.permitted.resolved;
        let (id, caller) = (resolved.stamp().id, resolved.bound.identified.caller.clone());
        let (task, server) = (resolved.task().id.clone(), resolved.tool().name.server.clone());
        let lease = LeaseRequest { call: id, task, server };
        let standing = intended.permitted.standing();
        let started = self.ports.clock.elapsed();
        let (labelled, changes) = self.ask_upstream(intended, &lease, &cancel).await;
        let upstream_micros = micros(self.ports.clock.elapsed().saturating_sub(started));
        let finished = self.record_outcome(id, labelled, upstream_micros).await;
        match changes {
            Some(changes) if matches!(finished, Finished::Answered(..)) => {
                // One at a time: what waits behind it is counted once by the upstream.
                let (tell, updates) = mpsc::channel(1);
                let held = Held { standing, caller, cancel: cancel.clone(), _open: open };
                let door = Arc::clone(self);
                self.ports.spawner.spawn(Box::pin(async move {
                    drop(CatchPanic::new(door.tell(&held, changes, tell)).await);
                    door.release(&lease).await;
                }));
                (finished, Some(Subscription { updates, cancel }))
            }
            changes => {
                drop(changes);
                self.release(&lease).await;
                (finished, None)
            }
        }
    }

    async fn release(&self, lease: &LeaseRequest) {
        drop(CatchPanic::new(async { self.ports.broker.release(lease).await }).await);
    }

    /// States 8 to 10.
    async fn ask_upstream(
        &self,
        intended: Intended,
        request: &LeaseRequest,
        cancel: &CancelToken,
    ) -> (Labelled, Option<Box<dyn Changes>>) {
        let lease = match self.lease(&intended, request, cancel).await {
            Ok(lease) => lease,
            Err((reason, why)) => {
                return (Labelled { intended, result: UntrustedResult::NotSent(reason, why) }, None);
            }
        };
        let resolved = &intended.permitted.resolved;
        let (caller, task) = (&resolved.bound.identified.caller, resolved.task());
        let client = self.askable(caller, task, &request.server, resolved.call().meta.client);
        let (forwarded, forward) = intended.lease(lease).forward(&self.limits, client);
        let subscribed = CatchPanic::new(self.ports.upstreams.subscribe(forward));
        let begun = tokio::select! {
            biased;
            reason = taken_away(cancel, || self.stands(&forwarded.intended)) => Err(stopped(reason)),
            subscribed = subscribed => subscribed.unwrap_or_else(|_| Err(panicked())),
        };
        let (result, changes) = match begun {
            Ok(Subscribed::To(changes)) => {
                (Ok(Answer::Result { result: RawJson::empty_object(), is_error: false }), Some(changes))
            }
            Ok(Subscribed::Refused(answer)) => (Ok(answer), None),
            Err(fault) => (Err(fault), None),
        };
        (forwarded.label(result.into()), changes)
    }

    /// Tells of what changes, for as long as it may.
    async fn tell(&self, held: &Held, mut changes: Box<dyn Changes>, updates: mpsc::Sender<Box<str>>) {
        loop {
            let uri = tokio::select! {
                biased;
                () = self.ended(held) => return,
                () = updates.closed() => return,
                change = changes.next() => match change {
                    Some(Change::Updated(uri)) => uri,
                    Some(Change::Resources | Change::Prompts) => continue,
                    None => return,
                },
            };
            // A key ends by its time alone, and so may what a policy permits.
            if !self.may_hear(held).await {
                return;
            }
            tokio::select! {
                biased;
                () = self.ended(held) => return,
                sent = updates.send(uri) => if sent.is_err() { return },
            }
        }
    }

    /// Resolves when nothing may be told any more.
    async fn ended(&self, held: &Held) {
        while let Told::LookAgain = held.cancel.told().await {
            if !self.may_hear(held).await {
                return;
            }
        }
    }

    /// Whether it would be permitted now.
    async fn may_hear(&self, held: &Held) -> bool {
        let Ok(caller) = held.caller.refresh(&self.ports).await else { return false };
        held.standing.holds(&caller.snapshot.policy, caller.principal(), self.ports.clock.now())
    }
}

/// Resolves when it has to stop before it began.
async fn taken_away(cancel: &CancelToken, stands: impl Fn() -> bool + Send) -> Reason {
    loop {
        match cancel.told().await {
            Told::Stop(reason) => return reason,
            Told::LookAgain if stands() => {}
            Told::LookAgain => return Reason::Revoked,
        }
    }
}

fn stopped(reason: Reason) -> UpstreamFault {
    let private = "taken away while the server was asked to tell".to_owned();
    UpstreamFault { sent: Sent::Maybe, reason, private }
}

fn panicked() -> UpstreamFault {
    let private = "a panic while the server was asked to tell".to_owned();
    UpstreamFault { sent: Sent::Maybe, reason: Reason::Indeterminate, private }
}
