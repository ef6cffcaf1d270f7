//! The one walk over the states, and the door everything comes in by.
//!
//! Must never contain policy. From its decision on, before anything is staged, a call owns itself (ADR 0005): the
//! connection holds a [`CallHandle`] that it may poll or drop, cancelling is a message, and every intent reaches
//! *recorded*.

use std::sync::Arc;
use std::time::Duration;

use model::call::{Endpoint, ToolCall};
use model::denial::{Denial, Reason};
use model::digest::Salt;
use model::ids::{AgentId, CallId};
use model::limits::CallLimits;
use model::method::Method;
use model::task::Task;
use ports::Ports;
use ports::fault::Fault;
use ports::identity::Presented;
use ports::upstream::Answer;
use registry::Definition;
use tokio::sync::mpsc;

use crate::exchange::Passing;
use crate::identified::Caller;
use crate::listings::Listings;
use crate::noise::Noise;
use crate::open_calls::{CancelToken, OpenCalls};
use crate::rates::Rates;
use crate::received::{Received, Stamp};
use crate::refuse::Place;
pub use crate::refuse::Refused;
use crate::resolved::{Lookup, Resolved, mirroring};
use crate::sequencer::Sequencers;
use crate::shown::Shown;
use crate::supervise::Supervised;
use crate::suspended::SuspendedCalls;
use crate::view::Views;

/// What waits for a slow connection; more is dropped, never the terminal.
const PASSING_QUEUE: usize = 32;

/// The door: ports, limits, and the state this node keeps for calls.
pub struct Door {
    pub(crate) ports: Ports,
    pub(crate) limits: CallLimits,
    pub(crate) sequencers: Sequencers,
    pub(crate) views: Views,
    pub(crate) listings: Listings,
    pub(crate) noise: Noise,
    pub(crate) rates: Rates,
    pub(crate) open: OpenCalls,
    /// Those that go on after their outcome.
    pub(crate) subscriptions: OpenCalls,
    pub(crate) suspended: SuspendedCalls,
    pub(crate) shown: Shown,
}

/// How a call ended for its caller.
#[derive(Debug)]
pub enum Finished {
    /// Permitted, sent, recorded.
    Answered(CallId, Answer),
    /// Refused at any state, recorded.
    Refused(Refused),
}

/// What a connection holds of a call. Dropping it does not end the call, which then goes on in a task of its own;
/// `cancel` asks it to end.
pub struct CallHandle {
    /// The call.
    pub id: CallId,
    /// What passes while the call is open. Closed when it ends.
    pub passing: mpsc::Receiver<Passing>,
    /// The end. Until [`Self::detach`] the call only goes on while this is polled.
    pub done: Supervised<Finished>,
    cancel: CancelToken,
}

impl CallHandle {
    /// Lets the call go on in a task of its own, whether or not `done` is polled: for whoever waits for anything
    /// else meanwhile, such as a slow reader.
    pub fn detach(&mut self) {
        self.done.detach();
    }

    /// Asks the call to end (MCP, Cancellation).
    pub fn cancel(&self) {
        self.cancel.cancel(Reason::Cancelled);
    }

    /// A token that does the same, to be kept apart from the handle.
    #[must_use]
    pub fn canceller(&self) -> CancelToken {
        self.cancel.clone()
    }
}

impl Door {
    /// A door over these ports. `listed` is what the store kept of earlier listings.
    #[must_use]
    pub fn new(ports: Ports, limits: CallLimits, listings: Listings) -> Arc<Self> {
        Arc::new(Self {
            rates: Rates::new(&limits),
            ports,
            limits,
            sequencers: Sequencers::default(),
            views: Views::default(),
            listings,
            noise: Noise::default(),
            open: OpenCalls::default(),
            subscriptions: OpenCalls::default(),
            suspended: SuspendedCalls::default(),
            shown: Shown::default(),
        })
    }

    /// Verifies the credential of one request. A refusal is counted, not written.
    ///
    /// # Errors
    /// `unauthenticated` or `invalid_credential`.
    pub async fn identify(&self, presented: Presented) -> Result<Caller, Denial> {
        let verified = Caller::verify(&self.ports, Arc::new(presented)).await;
        verified.inspect_err(|denial| self.noise.count(denial.reason, &self.ports))
    }

    /// The calls under way, for revocation.
    #[must_use]
    pub const fn open_calls(&self) -> &OpenCalls {
        &self.open
    }

    /// The subscriptions that are heard, for revocation.
    #[must_use]
    pub const fn subscriptions(&self) -> &OpenCalls {
        &self.subscriptions
    }

    /// The noise meter, for its summary.
    #[must_use]
    pub const fn noise(&self) -> &Noise {
        &self.noise
    }

    /// The ports.
    #[must_use]
    pub const fn ports(&self) -> &Ports {
        &self.ports
    }

    /// The definition of what a call names, if it mirrors arguments in headers and this caller may know it. Decides
    /// nothing: the call is resolved anew.
    #[must_use]
    pub fn mirroring(&self, caller: &Caller, call: &ToolCall) -> Option<Arc<Definition>> {
        let record = mirroring(call, &caller.snapshot)?;
        let task = Task::implicit(&caller.principal.agent).ok()?;
        let view = self.views.of(&caller.snapshot, &caller.principal, &task);
        view.contains(&record.name).then(|| Arc::clone(&record.definition))
    }

    /// Walks one call from received to recorded.
    ///
    /// # Errors
    /// A recorded refusal when it was refused before its decision; one that is counted when its agent asks too often.
    pub async fn call(self: &Arc<Self>, caller: Caller, call: ToolCall) -> Result<CallHandle, Refused> {
        let stamp = self.stamp()?;
        let method = call.method;
        let agent = &caller.principal.agent;
        self.rates.call(agent, stamp.started).map_err(|denial| self.too_often(&stamp, agent, denial))?;
        let resolved = self.resolve(stamp, caller, call).await?;
        if method == Method::Subscribe {
            let denial = Denial::indeterminate("a subscription came as a call, and nobody would hear of it");
            return Err(self.refuse_resolved(&resolved, denial).await);
        }
        let cancel = CancelToken::default();
        let (passing_in, passing) = mpsc::channel(PASSING_QUEUE);
        let door = Arc::clone(self);
        let token = cancel.clone();
        let rest = Box::pin(async move { door.decide_and_run(resolved, token, passing_in).await });
        let done = Supervised::new(rest, Arc::clone(&self.ports.spawner));
        Ok(CallHandle { id: stamp.id, passing, done, cancel })
    }

    /// Records that a request of a verified caller was refused by the edge; counts it when its agent asks too often, and
    /// then says that instead.
    pub async fn refuse(
        &self,
        caller: &Caller,
        endpoint: &Endpoint,
        method: &str,
        denial: Denial,
    ) -> Refused {
        let stamp = match self.stamp() {
            Ok(stamp) => stamp,
            Err(refused) => return refused,
        };
        let agent = &caller.principal.agent;
        if let Err(denial) = self.rates.other(agent, stamp.started) {
            return self.too_often(&stamp, agent, denial);
        }
        let task = match Task::implicit(&caller.principal.agent) {
            Ok(task) => task,
            Err(error) => {
                return Refused { call: stamp.id, denial: Denial::indeterminate(error.to_string()) };
            }
        };
        self.refuse_early(Place::new(stamp, caller, &task, endpoint).method(method), denial).await
    }

    /// States 1 to 4.
    pub(crate) async fn resolve(
        &self,
        stamp: Stamp,
        caller: Caller,
        call: ToolCall,
    ) -> Result<Resolved, Refused> {
        let principal = caller.principal.clone();
        let task = match Task::implicit(&principal.agent) {
            Ok(task) => task,
            Err(error) => {
                return Err(Refused { call: stamp.id, denial: Denial::indeterminate(error.to_string()) });
            }
        };
        let place = Place::new(stamp, &caller, &task, &call.endpoint);
        let place = place.of_method(call.method).naming(&call.name);
        let received = match Received::new(stamp, call, &self.limits) {
            Ok(received) => received,
            Err(denial) => return Err(self.refuse_early(place, denial).await),
        };
        let view = self.views.of(&caller.snapshot, &principal, &task);
        let bound = match received.identify(caller).bind(task) {
            Ok(bound) => bound,
            Err(denial) => return Err(self.refuse_early(place, denial).await),
        };
        let lookup = Lookup { view: &view, listings: &self.listings };
        match bound.resolve(&lookup) {
            Ok(resolved) => Ok(resolved),
            Err(unresolved) => match &unresolved.tool {
                None => Err(self.refuse_early(place, unresolved.denial).await),
                Some(tool) => {
                    let canonical = unresolved.bound.call().arguments.canonical();
                    Err(self.refuse_decided(&unresolved.bound, tool, &canonical, unresolved.denial).await)
                }
            },
        }
    }

    /// A refusal that is counted and no entry.
    pub(crate) fn too_often(&self, stamp: &Stamp, agent: &AgentId, denial: Denial) -> Refused {
        self.noise.count_of(denial.reason, agent, &self.ports);
        Refused { call: stamp.id, denial }
    }

    pub(crate) fn stamp(&self) -> Result<Stamp, Refused> {
        let at = self.ports.clock.now();
        let started = self.ports.clock.elapsed();
        let mut random = [0u8; 10];
        let drawn = self.ports.entropy.fill(&mut random);
        let id = CallId::new(at, random);
        match drawn {
            Ok(()) => Ok(Stamp { id, at, started }),
            Err(fault) => {
                // The id is not unique, so no entry may carry it: counted instead.
                self.noise.count(Reason::Indeterminate, &self.ports);
                Err(Refused { call: id, denial: Denial::indeterminate(fault.to_string()) })
            }
        }
    }

    pub(crate) fn salt(&self) -> Result<Salt, Fault> {
        let mut bytes = [0u8; 32];
        self.ports.entropy.fill(&mut bytes)?;
        Ok(Salt(bytes))
    }

    pub(crate) fn micros_since(&self, stamp: &Stamp) -> u64 {
        micros(self.ports.clock.elapsed().saturating_sub(stamp.started))
    }
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
