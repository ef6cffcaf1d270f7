//! What survives a crash. Must never be written but by the store's writer, at the instant of a commit.

use std::collections::HashMap;

use ledger::{Body, Entry, Outcome, OutcomeBody, TaskPlace};
use model::approval::{Approval, ApprovalKey, PENDING_MAX, PENDING_PER_AGENT_MAX, Standing};
use model::denial::Reason;
use model::digest::{Digest, Salt};
use model::ids::{AgentId, CallId, Epoch, TaskId};
use model::time::Micros;
use model::tool::ToolRef;
use ports::approvals::{ApprovalStep, Asking};
use ports::control::{ControlChange, ControlState};
use ports::record::{CommitFault, Expect, Item};

/// One entry with what stands beside it.
#[derive(Clone)]
pub struct Durable {
    /// The entry.
    pub entry: Entry,
    /// Its salts.
    pub salts: Vec<(&'static str, Salt)>,
    /// The control epoch when it was committed.
    pub committed: Epoch,
    /// Its leaf.
    pub leaf: String,
}

/// What a commit looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checks {
    pub(crate) epochs: bool,
    pub(crate) approvals: bool,
}

/// The disk of one node.
#[derive(Default)]
pub struct Disk {
    /// The log.
    pub entries: Vec<Durable>,
    /// The control state.
    pub control: ControlState,
    /// Requests for approvals, with their arguments.
    pub approvals: Vec<(Approval, String)>,
    places: HashMap<TaskId, u64>,
}

impl Disk {
    /// Commits one item, unless what it expects is not so and `checks` asks for that.
    pub(crate) fn item(&mut self, item: Item, checks: Checks) -> Result<u64, CommitFault> {
        let stale = matches!(item.expects, Expect::Epoch(epoch) if epoch.0 != self.control.epoch);
        if stale && checks.epochs {
            return Err(CommitFault::EpochMoved);
        }
        if let Some(step) = item.approval {
            let done = self.step(step, item.entry.at);
            if checks.approvals {
                done?;
            }
        }
        let index = self.append(item.entry, item.salts);
        if let Some(listed) = item.listed {
            for (tool, digest) in listed.tools {
                self.control.listed.retain(|(agent, name, _)| *agent != listed.agent || *name != tool);
                self.control.listed.push((listed.agent.clone(), tool, digest));
            }
        }
        Ok(index)
    }

    fn step(&mut self, step: ApprovalStep, now: Micros) -> Result<(), CommitFault> {
        let next = match step {
            ApprovalStep::Ask(asking) => return self.ask(*asking, now),
            ApprovalStep::Forget(id) => {
                self.approvals.retain(|(kept, _)| kept.id != id || kept.standing(now) != Standing::Expired);
                return Ok(());
            }
            ApprovalStep::Answer(said) => self
                .approval(|kept| kept.id == said.id)
                .and_then(|kept| kept.answered(said.call, said.approved, said.answer)),
            ApprovalStep::Use(using) => self
                .approval(|kept| kept.id == using.id)
                .and_then(|kept| kept.used(&using.key, using.by, now)),
        };
        let next = next.ok_or(CommitFault::ApprovalGone)?;
        for (kept, _) in self.approvals.iter_mut().filter(|(kept, _)| kept.id == next.id) {
            *kept = next.clone();
        }
        Ok(())
    }

    fn ask(&mut self, asking: Asking, now: Micros) -> Result<(), CommitFault> {
        self.approvals.retain(|(kept, _)| !kept.forgotten(now));
        let asked = asking.approval;
        if self.last(&asked.key).is_some_and(|last| !last.may_be_asked_anew(now)) {
            return Err(CommitFault::ApprovalGone);
        }
        let waiting = self.approvals.iter().filter(|(kept, _)| kept.standing(now) == Standing::Waiting);
        let own = waiting.clone().filter(|(kept, _)| kept.key.agent == asked.key.agent).count();
        for (count, max) in [(waiting.count(), PENDING_MAX), (own, PENDING_PER_AGENT_MAX)] {
            if count >= max {
                return Err(CommitFault::TooManyWait(count));
            }
        }
        self.approvals.retain(|(kept, _)| kept.key != asked.key);
        self.approvals.push((asked, asking.arguments));
        Ok(())
    }

    /// The last request for a call.
    #[must_use]
    pub fn last(&self, key: &ApprovalKey) -> Option<&Approval> {
        self.approval(|kept| kept.key == *key)
    }

    fn approval(&self, which: impl Fn(&Approval) -> bool) -> Option<&Approval> {
        self.approvals.iter().map(|(kept, _)| kept).find(|kept| which(kept))
    }

    /// Commits one change of the control state.
    pub(crate) fn change(&mut self, change: ControlChange, entries: Vec<Entry>) -> Epoch {
        self.control.epoch += 1;
        match change {
            ControlChange::PutAgent(agent) => {
                self.control.agents.retain(|kept| kept.id != agent.id);
                if let Some(at) = agent.removed {
                    for (kept, _) in self.approvals.iter_mut().filter(|(kept, _)| kept.key.agent == agent.id)
                    {
                        *kept = kept.ended(at).unwrap_or_else(|| kept.clone());
                    }
                }
                self.control.agents.push(agent);
            }
            ControlChange::PutTools(tools) => {
                for tool in tools {
                    self.control.tools.retain(|kept| kept.name != tool.name);
                    self.control.tools.push(tool);
                }
            }
            ControlChange::PolicyLoaded(digest) => self.control.policy_set = Some(digest),
        }
        for entry in entries {
            self.append(entry, Vec::new());
        }
        Epoch(self.control.epoch)
    }

    fn append(&mut self, entry: Entry, salts: Vec<(&'static str, Salt)>) -> u64 {
        let place = entry.task().map(|task| {
            let place = self.places.entry(task.clone()).or_default();
            *place += 1;
            TaskPlace(*place)
        });
        let leaf = entry.leaf(place);
        let index = self.entries.len() as u64;
        self.entries.push(Durable { entry, salts, committed: Epoch(self.control.epoch), leaf });
        index
    }

    /// What opening does after a crash: each dangling intent gets one `unknown`.
    pub fn recover(&mut self, now: Micros) {
        let dangling: Vec<(CallId, TaskId)> = self
            .entries
            .iter()
            .filter(|durable| durable.entry.is_intent())
            .filter_map(|durable| Some((durable.entry.call()?, durable.entry.task()?.clone())))
            .filter(|(call, _)| self.outcomes(*call) == 0)
            .collect();
        for (call, task) in dangling {
            let body = OutcomeBody {
                call,
                task,
                outcome: Outcome::Unknown(Reason::Indeterminate),
                why: "the process ended while this call was open".to_owned(),
                result: None,
                result_bytes: 0,
                upstream_micros: 0,
            };
            let epoch = Epoch(self.control.epoch);
            self.append(Entry { at: now, epoch, body: Body::Outcome(body) }, Vec::new());
        }
    }

    /// The durable intent of a call.
    #[must_use]
    pub fn intent(&self, call: CallId) -> Option<&Durable> {
        self.of(call).find(|durable| durable.entry.is_intent())
    }

    /// How many outcomes a call has.
    #[must_use]
    pub fn outcomes(&self, call: CallId) -> usize {
        self.of(call).filter(|durable| matches!(durable.entry.body, Body::Outcome(_))).count()
    }

    /// How a call ended, if it did.
    #[must_use]
    pub fn outcome(&self, call: CallId) -> Option<Outcome> {
        self.of(call).find_map(|durable| match &durable.entry.body {
            Body::Outcome(body) => Some(body.outcome),
            _ => None,
        })
    }

    /// The entries of one call, oldest first.
    pub fn of(&self, call: CallId) -> impl Iterator<Item = &Durable> {
        self.entries.iter().filter(move |durable| durable.entry.call() == Some(call))
    }

    /// The digest last listed to an agent.
    #[must_use]
    pub fn listed(&self, agent: &AgentId, tool: &ToolRef) -> Option<Digest> {
        let mut all = self.control.listed.iter();
        all.find(|(to, name, _)| to == agent && name == tool).map(|(_, _, digest)| *digest)
    }
}
