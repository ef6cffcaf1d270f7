//! What servers say outside of calls, and who wants to hear it. Must never let an agent hear of anything but what it was
//! permitted to, nor begin a connection for whoever only listens to lists.

mod ear;
mod keeper;
mod listener;
mod listening;
mod subscriptions;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use self::ear::Verdict;
pub(crate) use self::ear::{Ear, Wanted};
pub(crate) use self::listener::Hearing;
use self::listener::Wants;
pub(crate) use self::listening::{Opened, Teller, keep_listening};
pub(crate) use self::subscriptions::{Asker, keep_subscribed};
use crate::fault::not_sent;
use crate::lane::LaneKey;
use crate::server::Server;
use model::denial::Reason;
use model::json::Json;
use ports::changes::{Listening, Subscribed};
use ports::secret::Secret;
use ports::upstream::{Forward, UpstreamFault};
use tokio::sync::oneshot;
use tokio::time::{Duration, timeout};

/// Most time that a call of the agent, or who begins to listen, waits until the server was told.
const TOLD_WITHIN: Duration = Duration::from_secs(2);

/// The ears of one server: one for each lane that anybody listens on.
#[derive(Default)]
pub(crate) struct Ears(Mutex<HashMap<LaneKey, Weak<Ear>>>);

impl Ears {
    fn lock(&self) -> MutexGuard<'_, HashMap<LaneKey, Weak<Ear>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, key: &LaneKey) -> Arc<Ear> {
        let mut all = self.lock();
        if let Some(ear) = all.get(key).and_then(Weak::upgrade) {
            return ear;
        }
        all.retain(|_, ear| ear.strong_count() > 0);
        let ear = Arc::new(Ear::default());
        all.insert(key.clone(), Arc::downgrade(&ear));
        ear
    }

    /// Whether anybody listens on this lane.
    pub(crate) fn any(&self, key: &LaneKey) -> bool {
        self.lock().get(key).and_then(Weak::upgrade).is_some_and(|ear| ear.is_wanted())
    }

    /// Resolves when what is said on a connection of this lane that has just begun is heard, or soon.
    pub(crate) async fn settled(&self, key: &LaneKey) {
        let ear = self.lock().get(key).and_then(Weak::upgrade);
        if let Some(ear) = ear.filter(|ear| ear.is_wanted()) {
            let _late = timeout(TOLD_WITHIN, ear.attended()).await;
        }
    }

    /// Nothing is heard on these lanes any more.
    pub(crate) fn end(&self, which: impl Fn(&LaneKey) -> bool) {
        let mut ended = Vec::new();
        self.lock().retain(|key, ear| {
            let ends = which(key);
            if ends {
                ended.extend(ear.upgrade());
            }
            !ends
        });
        for ear in ended {
            ear.end();
        }
    }
}

/// Begins one subscription on the lane of its agent.
pub(crate) async fn subscribe(server: &Arc<Server>, forward: &Forward) -> Result<Subscribed, UpstreamFault> {
    let lane = server.lane(&forward.agent, forward.client)?;
    let credential = crate::http::leased(&forward.lease);
    let connection = lane.connection(server, credential).await?;
    connection.check(forward).await?;
    let wants = Wants { prompts: false, resources: false, uri: Some(uri(server, forward)?) };
    let (hearing, verdict) = begin(server, lane.key(), wants, credential)?;
    match verdict.await {
        Ok(Ok(None)) => Ok(Subscribed::To(Box::new(hearing))),
        Ok(Ok(Some(refused))) => Ok(Subscribed::Refused(refused)),
        Ok(Err(fault)) => Err(fault),
        Err(_) => Err(not_sent(Reason::UpstreamUnavailable, &server.config.name, "its connection was ended")),
    }
}

/// Begins to listen to lists.
pub(crate) async fn listen(server: &Arc<Server>, listening: &Listening) -> Result<Hearing, UpstreamFault> {
    let wants = Wants { prompts: listening.prompts, resources: listening.resources, uri: None };
    let key = server.key(&listening.agent, listening.client);
    let (hearing, _nothing) = begin(server, &key, wants, None)?;
    if server.live(&key).is_some() {
        server.ears.settled(&key).await;
    }
    Ok(hearing)
}

fn begin(
    server: &Arc<Server>,
    key: &LaneKey,
    wants: Wants,
    credential: Option<&Secret>,
) -> Result<(Hearing, oneshot::Receiver<Verdict>), UpstreamFault> {
    let ear = server.ears.of(key);
    let Some((hearing, verdict)) = Ear::add(&ear, wants, credential) else {
        let text = "so many listen to it already that no more can";
        return Err(not_sent(Reason::LimitExceeded, &server.config.name, text));
    };
    if ear.needs_keeper() {
        tokio::spawn(keeper::keep(Arc::clone(server), key.clone(), ear));
    }
    Ok((hearing, verdict))
}

fn uri(server: &Server, forward: &Forward) -> Result<Box<str>, UpstreamFault> {
    let limits = crate::speak::message_limits(&server.config.limits);
    let arguments = Json::parse(forward.arguments.as_bytes(), &limits).ok();
    let uri = arguments.as_ref().and_then(|arguments| arguments.get("uri")?.as_str());
    uri.map(Box::from)
        .ok_or_else(|| not_sent(Reason::Malformed, &server.config.name, "no URI to subscribe to"))
}
