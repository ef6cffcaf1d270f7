//! Calls whose server waits for an answer that their client brings in another request (MCP 2026-07-28, Multi round-trip
//! requests; ADR 0025). Each is still open upstream and owned by this process: it is never sent again.
//!
//! Must never give a call to anyone but the agent that made it, for anything but the same request, or twice.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::call::{Endpoint, ToolCall};
use model::denial::{Denial, Reason};
use model::digest::Digest;
use model::ids::AgentId;
use model::method::Method;
use model::principal::Attestation;
use ports::handles::{Bound, Kind};

use crate::driver::{CallHandle, Door};
use crate::identified::Caller;
use crate::question::Round;

/// Calls one agent may have suspended.
const PER_AGENT_MAX: usize = 32;
/// Calls that may be suspended in all: each holds memory, and a connection or process of its server.
const ALL_MAX: usize = 1024;

type Id = [u8; 16];

/// Whose call it is, and which: what brings it back has to be the same.
#[derive(Clone, Debug)]
pub struct Whose {
    agent: AgentId,
    /// How it proved to be that agent: what was begun with more is not gone on with by less.
    attestation: Attestation,
    endpoint: Endpoint,
    method: Method,
    digest: Digest,
}

impl Whose {
    /// Of a request of this caller.
    #[must_use]
    pub fn of(caller: &Caller, call: &ToolCall) -> Self {
        let canonical = call.arguments.canonical();
        let digest = Digest::of_parts("callgate/suspended/v1", &[call.name.as_bytes(), canonical.as_bytes()]);
        let (agent, attestation) = (caller.principal().agent.clone(), caller.principal().attestation);
        Self { agent, attestation, endpoint: call.endpoint.clone(), method: call.method, digest }
    }

    const fn bound(&self) -> Bound<'_> {
        let Self { agent, endpoint, method, digest, .. } = self;
        Bound { kind: Kind::RequestState, agent, endpoint, method: *method, digest }
    }
}

struct Suspended {
    agent: AgentId,
    attestation: Attestation,
    handle: CallHandle,
    round: Round,
    until: Duration,
}

/// The calls that wait.
#[derive(Default)]
pub(crate) struct SuspendedCalls(Mutex<HashMap<Id, Suspended>>);

impl SuspendedCalls {
    /// Those whose time has come are dropped: the calls themselves end by then.
    fn current(&self, now: Duration) -> MutexGuard<'_, HashMap<Id, Suspended>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, kept| kept.until > now);
        all
    }
}

impl Door {
    /// Keeps an open call until its client answers the round. The text to bring it back with, once.
    ///
    /// # Errors
    /// `limit_exceeded` when too many wait, `indeterminate` when no text can be made; the call is then cancelled.
    pub fn suspend(&self, mut handle: CallHandle, round: Round, whose: &Whose) -> Result<String, Denial> {
        handle.detach();
        let cancel = handle.canceller();
        let kept = self.keep(handle, round, whose);
        kept.inspect_err(|_| cancel.cancel(Reason::Cancelled))
    }

    fn keep(&self, handle: CallHandle, round: Round, whose: &Whose) -> Result<String, Denial> {
        let doubt = |fault: ports::fault::Fault| Denial::indeterminate(fault.to_string());
        let mut id = Id::default();
        self.ports.entropy.fill(&mut id).map_err(doubt)?;
        let wait = Duration::from_millis(self.limits.answer_millis_max);
        let (now, until) = (self.ports.clock.now(), self.ports.clock.elapsed().saturating_add(wait));
        let text = self
            .ports
            .handles
            .seal(&whose.bound(), &id, now.plus_seconds(i64::try_from(wait.as_secs()).unwrap_or(i64::MAX)))
            .map_err(doubt)?;
        let mut all = self.suspended.current(self.ports.clock.elapsed());
        let of_agent = all.values().filter(|kept| kept.agent == whose.agent).count();
        if all.len() >= ALL_MAX || of_agent >= PER_AGENT_MAX {
            let text = "too many calls wait for answers to what their servers asked; answer or cancel some";
            return Err(Denial::new(Reason::LimitExceeded, text));
        }
        let (agent, attestation) = (whose.agent.clone(), whose.attestation);
        all.insert(id, Suspended { agent, attestation, handle, round, until });
        Ok(text)
    }

    /// The call that this text was given for, and what its server asks: once, and only for the same request of the same
    /// agent. Before an answer goes on, the policies in force decide anew whether the call may.
    ///
    /// # Errors
    /// `invalid_arguments`, the same for every text that brings nothing back; `limit_exceeded` when the agent asks too often.
    pub fn resume(
        &self,
        caller: &Caller,
        call: &ToolCall,
        text: &str,
    ) -> Result<(CallHandle, Round), Denial> {
        let whose = Whose::of(caller, call);
        let opened = self.ports.handles.open(&whose.bound(), text, self.ports.clock.now());
        let id = opened.and_then(|payload| Id::try_from(payload).ok());
        let now = self.ports.clock.elapsed();
        self.rates.call(&whose.agent, now)?;
        let mut all = self.suspended.current(now);
        let same = |kept: &Suspended| kept.agent == whose.agent && kept.attestation == whose.attestation;
        match id.filter(|id| all.get(id).is_some_and(same)).and_then(|id| all.remove(&id)) {
            Some(kept) => Ok((kept.handle, kept.round)),
            None => Err(gone()),
        }
    }

    /// Calls that wait for answers of their clients.
    #[must_use]
    pub fn suspended(&self) -> usize {
        self.suspended.current(self.ports.clock.elapsed()).len()
    }
}

fn gone() -> Denial {
    Denial::new(
        Reason::InvalidArguments,
        "`requestState` has expired, was used already, or was not issued for this request; send the request without it",
    )
}
