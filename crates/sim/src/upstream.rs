//! Upstream servers that answer, hang, crash, lie or panic, by script or by chance. Must never send a call whose
//! definition is not the one its server offers now: that check is the adapter's part of the contract.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::denial::Reason;
use model::ids::{AgentId, CallId, ServerName};
use model::json::{Json, RawJson};
use model::limits::JsonLimits;
use model::method::Method;
use ports::BoxFuture;
use ports::changes::{Change, Changes, Listening, Subscribed};
use ports::upstream::{
    Answer, Forward, Progress, Question, Reply, ResultStream, Sent, UpstreamEvent, UpstreamFault, Upstreams,
};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::rng::Rng;
use crate::servers::raw;
use crate::voices::Hears;
use crate::world::World;

/// What every server calls its task.
pub const TASK_ID: &str = "upstream-task-1";

/// How one call goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plan {
    /// It answers after so many milliseconds.
    Answers(u64),
    /// It answers `isError`.
    ToolError,
    /// It answers a JSON-RPC error.
    RpcError,
    /// Nothing can be sent.
    Unreachable,
    /// The connection never comes up.
    NeverOpens,
    /// It never answers.
    Hangs,
    /// The connection breaks.
    Crashes,
    /// It breaks the protocol.
    Lies,
    /// It sends more than allowed.
    Floods,
    /// It sends progress without end, always ready.
    Chatters,
    /// It asks the client this, waits, and answers.
    Asks(Method),
    /// As before, after more progress than waits for a slow client.
    AsksLate(Method),
    /// It makes a task of the call.
    MakesTask,
    /// It says that the task works.
    TaskStands,
    /// It says that the task asks the client this.
    TaskAsks(Method),
    /// The adapter panics before anything is sent.
    PanicsOpening,
    /// The adapter panics after it was sent.
    PanicsAnswering,
}

const BY_CHANCE: [Plan; 12] = [
    Plan::Answers(0),
    Plan::Answers(1),
    Plan::Answers(5),
    Plan::Answers(40),
    Plan::ToolError,
    Plan::RpcError,
    Plan::Unreachable,
    Plan::Hangs,
    Plan::Crashes,
    Plan::Lies,
    Plan::Floods,
    Plan::PanicsAnswering,
];

/// The servers of one process.
pub struct SimUpstreams {
    world: Arc<World>,
    rng: Rng,
    script: Mutex<VecDeque<Plan>>,
    /// What is done when the script is empty; by chance when `None`.
    otherwise: Option<Plan>,
}

impl SimUpstreams {
    /// Of one process.
    #[must_use]
    pub fn new(world: &Arc<World>, seed: u64, otherwise: Option<Plan>) -> Arc<Self> {
        let (world, rng, script) = (Arc::clone(world), Rng::new(seed), Mutex::default());
        Arc::new(Self { world, rng, script, otherwise })
    }

    /// What the next calls meet.
    pub fn script(&self, plans: impl IntoIterator<Item = Plan>) {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).extend(plans);
    }

    fn plan(&self) -> Plan {
        let scripted = self.script.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        scripted
            .or(self.otherwise)
            .unwrap_or_else(|| self.rng.pick(&BY_CHANCE).copied().unwrap_or(Plan::Answers(0)))
    }

    async fn send(&self, forward: Forward) -> Result<Box<dyn ResultStream>, UpstreamFault> {
        let plan = self.plan();
        if self.otherwise.is_none() && self.rng.chance(40) {
            tokio::time::sleep(self.rng.within(Duration::from_millis(10))).await;
        }
        match plan {
            Plan::Unreachable => return Err(fault(Sent::No, Reason::UpstreamUnavailable)),
            Plan::PanicsOpening => std::panic::resume_unwind(Box::new("a simulated panic")),
            Plan::NeverOpens => {
                tokio::time::sleep(forward.deadline).await;
                return Err(fault(Sent::No, Reason::UpstreamUnavailable));
            }
            _ => {}
        }
        if self.world.servers.digest(&forward.tool.name) != Some(forward.tool.definition) {
            return Err(fault(Sent::No, Reason::DefinitionChanged));
        }
        self.world.forwarded(&forward);
        let now = Instant::now();
        let millis = if let Plan::Answers(millis) = plan { millis } else { self.rng.below(20) };
        let (due, progress) = match plan {
            Plan::Hangs => (now + forward.deadline, self.rng.below(3)),
            Plan::Chatters => (now, u64::MAX),
            Plan::AsksLate(_) => (now, 100),
            _ => (now + Duration::from_millis(millis), self.rng.below(3)),
        };
        let world = Arc::clone(&self.world);
        let asks = if let Plan::Asks(method) | Plan::AsksLate(method) = plan { Some(method) } else { None };
        let (call, answer_within) = (forward.call, forward.answer_within);
        Ok(Box::new(SimStream { world, call, plan, due, progress, asks, waits: false, answer_within }))
    }
}

impl SimUpstreams {
    async fn tell(&self, forward: Forward) -> Result<Subscribed, UpstreamFault> {
        match self.plan() {
            Plan::Unreachable => return Err(fault(Sent::No, Reason::UpstreamUnavailable)),
            Plan::PanicsOpening => std::panic::resume_unwind(Box::new("a simulated panic")),
            Plan::Hangs | Plan::NeverOpens => {
                tokio::time::sleep(forward.deadline).await;
                return Err(fault(Sent::Maybe, Reason::UpstreamTimeout));
            }
            Plan::RpcError => {
                let message = "no (simulated)".to_owned();
                return Ok(Subscribed::Refused(Answer::Error { code: -32602, message, data: None }));
            }
            _ => {}
        }
        if self.world.servers.digest(&forward.tool.name) != Some(forward.tool.definition) {
            return Err(fault(Sent::No, Reason::DefinitionChanged));
        }
        self.world.forwarded(&forward);
        let arguments = Json::parse(forward.arguments.as_bytes(), &JsonLimits::UPSTREAM).ok();
        let uri = arguments.as_ref().and_then(|all| all.get("uri")?.as_str()).unwrap_or_default();
        let (server, agent) = (forward.tool.name.server.clone(), forward.agent.clone());
        let heard = self.world.voices.hear(server, agent, Hears::Resource(Box::from(uri)));
        self.world.subscribed(forward.call);
        let world = Arc::clone(&self.world);
        Ok(Subscribed::To(Box::new(SimChanges { world, call: Some(forward.call), heard })))
    }
}

/// What is heard of a server.
struct SimChanges {
    world: Arc<World>,
    /// The subscription; none of who listens to lists.
    call: Option<CallId>,
    heard: mpsc::UnboundedReceiver<Change>,
}

impl Changes for SimChanges {
    fn next(&mut self) -> BoxFuture<'_, Option<Change>> {
        Box::pin(self.heard.recv())
    }
}

impl Drop for SimChanges {
    fn drop(&mut self) {
        if let Some(call) = self.call {
            self.world.closed(call);
        }
    }
}

fn fault(sent: Sent, reason: Reason) -> UpstreamFault {
    UpstreamFault { sent, reason, private: "as the simulation wants".to_owned() }
}

impl Upstreams for SimUpstreams {
    fn open(&self, forward: Forward) -> BoxFuture<'_, Result<Box<dyn ResultStream>, UpstreamFault>> {
        Box::pin(self.send(forward))
    }

    fn subscribe(&self, forward: Forward) -> BoxFuture<'_, Result<Subscribed, UpstreamFault>> {
        Box::pin(self.tell(forward))
    }

    fn listen(&self, listening: Listening) -> BoxFuture<'_, Result<Box<dyn Changes>, UpstreamFault>> {
        let Listening { server, agent, prompts, resources, .. } = listening;
        let heard = self.world.voices.hear(server, agent, Hears::Lists { prompts, resources });
        let changes = SimChanges { world: Arc::clone(&self.world), call: None, heard };
        Box::pin(std::future::ready(Ok(Box::new(changes) as Box<dyn Changes>)))
    }

    fn refresh<'a>(&'a self, _: &'a ServerName) -> BoxFuture<'a, Result<(), UpstreamFault>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn forget<'a>(&'a self, agent: &'a AgentId) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            tokio::time::sleep(self.rng.within(Duration::from_millis(2))).await;
            self.world.seen().forgotten.insert(agent.clone());
        })
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// One open call.
struct SimStream {
    world: Arc<World>,
    call: CallId,
    plan: Plan,
    due: Instant,
    progress: u64,
    /// What it asks before it answers.
    asks: Option<Method>,
    waits: bool,
    answer_within: Duration,
}

impl SimStream {
    fn end(&self) -> Result<Answer, UpstreamFault> {
        match self.plan {
            Plan::Answers(_) | Plan::Chatters | Plan::Asks(_) | Plan::AsksLate(_) => {
                Ok(result(&format!(r#"{{"content":[],"n":"{}"}}"#, self.call), false))
            }
            Plan::MakesTask | Plan::TaskStands => Ok(server_task(Vec::new())),
            Plan::TaskAsks(method) => Ok(server_task(vec![question(method)])),
            Plan::ToolError => Ok(result(r#"{"content":[],"isError":true}"#, true)),
            Plan::RpcError => {
                Ok(Answer::Error { code: -32000, message: "no (simulated)".to_owned(), data: None })
            }
            Plan::Hangs => Err(fault(Sent::Maybe, Reason::UpstreamTimeout)),
            Plan::Lies => Err(fault(Sent::Maybe, Reason::UpstreamViolation)),
            Plan::Floods => Err(fault(Sent::Maybe, Reason::LimitExceeded)),
            Plan::PanicsAnswering => std::panic::resume_unwind(Box::new("a simulated panic")),
            _ => Err(fault(Sent::Maybe, Reason::UpstreamUnavailable)),
        }
    }

    async fn event(&mut self) -> UpstreamEvent {
        if self.progress > 0 {
            self.progress -= 1;
            if self.progress.is_multiple_of(64) {
                // As a real connection does now and then, however fast it is.
                tokio::task::yield_now().await;
            }
            let progress = RawJson::empty_object();
            return UpstreamEvent::Progress(Progress { progress, total: None, message: None });
        }
        if let Some(method) = self.asks.take() {
            self.waits = true;
            return UpstreamEvent::Asks(vec![question(method)]);
        }
        if self.waits {
            // Nobody answers for so long.
            tokio::time::sleep(self.answer_within).await;
            self.world.ended(self.call, false);
            return UpstreamEvent::Done(Err(fault(Sent::Maybe, Reason::UpstreamTimeout)));
        }
        tokio::time::sleep_until(self.due).await;
        let end = self.end();
        self.world.ended(self.call, end.is_ok());
        UpstreamEvent::Done(end)
    }
}

fn question(method: Method) -> Question {
    let text = match method {
        Method::Sample => r#"{"messages":[],"maxTokens":9}"#,
        Method::Elicit => r#"{"message":"which one?"}"#,
        _ => "{}",
    };
    let read = RawJson::parse(text.as_bytes().to_vec().into(), &JsonLimits::UPSTREAM).ok();
    let (params_raw, params) = read.unwrap_or_else(|| (RawJson::empty_object(), Json::Object(Vec::new())));
    Question { key: Box::from("question"), method, params, params_raw }
}

fn server_task(asks: Vec<Question>) -> Answer {
    let result = raw(&format!(r#"{{"taskId":"{TASK_ID}"}}"#)).unwrap_or_else(RawJson::empty_object);
    Answer::ServerTask { result, id: TASK_ID.into(), asks }
}

fn result(text: &str, is_error: bool) -> Answer {
    Answer::Result { result: raw(text).unwrap_or_else(RawJson::empty_object), is_error }
}

impl ResultStream for SimStream {
    fn next(&mut self) -> BoxFuture<'_, UpstreamEvent> {
        Box::pin(self.event())
    }

    fn answer(&mut self, replies: Vec<Reply>) -> BoxFuture<'_, ()> {
        self.waits = false;
        self.world.replied(self.call, replies);
        Box::pin(std::future::ready(()))
    }

    fn cancel(&mut self) -> BoxFuture<'_, ()> {
        self.world.cancelled(self.call);
        Box::pin(std::future::ready(()))
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        self.world.closed(self.call);
    }
}
