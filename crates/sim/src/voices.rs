//! What the simulated servers say of their own accord, and who hears it. Must never choose who may: it tells whoever asked.

use std::sync::{Mutex, PoisonError};

use model::ids::{AgentId, ServerName};
use ports::changes::Change;
use tokio::sync::mpsc;

/// What one hears.
pub(crate) enum Hears {
    /// That a resource changed.
    Resource(Box<str>),
    /// That lists did.
    Lists {
        /// Of prompts.
        prompts: bool,
        /// Of resources.
        resources: bool,
    },
}

struct Ear {
    server: ServerName,
    agent: AgentId,
    hears: Hears,
    tell: mpsc::UnboundedSender<Change>,
}

/// Everybody who hears.
#[derive(Default)]
pub struct Voices(Mutex<Vec<Ear>>);

impl Voices {
    pub(crate) fn hear(
        &self,
        server: ServerName,
        agent: AgentId,
        hears: Hears,
    ) -> mpsc::UnboundedReceiver<Change> {
        let (tell, heard) = mpsc::unbounded_channel();
        self.lock().push(Ear { server, agent, hears, tell });
        heard
    }

    /// A server says this on all its connections. How many heard it.
    pub fn say(&self, server: &ServerName, change: &Change) -> usize {
        let all = self.lock();
        let hears = |ear: &&Ear| match (&ear.hears, change) {
            (Hears::Resource(own), Change::Updated(uri)) => own == uri,
            (Hears::Lists { prompts, .. }, Change::Prompts) => *prompts,
            (Hears::Lists { resources, .. }, Change::Resources) => *resources,
            _ => false,
        };
        let told = all.iter().filter(|ear| ear.server == *server).filter(hears);
        told.filter(|ear| ear.tell.send(change.clone()).is_ok()).count()
    }

    /// How many listen for an agent.
    #[must_use]
    pub fn listening(&self, agent: &AgentId) -> usize {
        self.lock().iter().filter(|ear| ear.agent == *agent && !ear.tell.is_closed()).count()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Ear>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
