//! One process: the real door and administration over simulated ports. Must never share memory with the next one
//! but for the world.

use std::sync::Arc;

use admin::{Admin, AdminPorts, Policies, Sources, StartFault, Started};
use call::listings::Listings;
use call::{Door, Revoker};
use identity::Agents;
use model::ids::ServerName;
use model::limits::CallLimits;
use ports::Ports;
use ports::clock::{Clock as _, Spawner};
use ports::definitions::DefinitionObserver as _;
use ports::fault::Fault;
use ports::record::Record as _;

use crate::clock::{SimClock, SimEntropy};
use crate::edges::{SimApprovals, SimBroker, SimSnapshots};
use crate::handles::SimHandles;
use crate::steps::{SimSpawner, Steps};
use crate::store::{Honesty, SimRecord, SimStore};
use crate::upstream::{Plan, SimUpstreams};
use crate::world::World;

/// What is chosen for a process.
#[derive(Clone, Copy, Debug)]
pub struct Knobs {
    /// Chance.
    pub seed: u64,
    /// How the store keeps its promises.
    pub honesty: Honesty,
    /// How calls go upstream when nothing is scripted; by chance when `None`.
    pub upstream: Option<Plan>,
    /// How often of a hundred leasing goes wrong.
    pub lease_faults: u64,
}

impl Knobs {
    /// A process in which nothing goes wrong by itself.
    #[must_use]
    pub const fn quiet(seed: u64) -> Self {
        Self { seed, honesty: Honesty::Honest, upstream: Some(Plan::Answers(1)), lease_faults: 0 }
    }
}

/// See the module.
pub struct Node {
    /// The door.
    pub door: Arc<Door>,
    /// Administration.
    pub admin: Arc<Admin>,
    /// The store.
    pub store: Arc<SimStore>,
    /// The servers.
    pub upstreams: Arc<SimUpstreams>,
    /// Time.
    pub clock: Arc<SimClock>,
    /// Randomness.
    pub entropy: Arc<SimEntropy>,
    /// Leases.
    pub broker: Arc<SimBroker>,
    /// Approvals.
    pub approvals: Arc<SimApprovals>,
    /// Where its tasks run.
    pub spawner: Arc<SimSpawner>,
    /// Its life.
    pub steps: Arc<Steps>,
    world: Arc<World>,
}

impl Node {
    /// Starts a process on the world's disk: recovers, compiles, wires.
    ///
    /// # Errors
    /// [`StartFault`], as the real one.
    pub async fn open(world: &Arc<World>, sources: Sources, knobs: Knobs) -> Result<Self, StartFault> {
        let clock = Arc::new(SimClock::start());
        world.disk().recover(clock.now());
        let entropy = Arc::new(SimEntropy::new(knobs.seed));
        let steps = Steps::alive();
        let spawner = Arc::new(SimSpawner(Arc::clone(&steps)));
        let store = SimStore::new(Arc::clone(&world.disk), knobs.seed ^ 1, knobs.honesty);
        spawner.spawn(Box::pin(Arc::clone(&store).write()));
        let approvals = Arc::new(SimApprovals::new(world));
        let started = Started::read(store.as_ref(), sources, Policies::Required).await?;
        let snapshots = Arc::new(SimSnapshots::new(Arc::clone(&started.snapshot)));
        world.begin(&snapshots);
        let revocation = Arc::new(Revoker::default());
        let admin = started.admin(AdminPorts {
            control: Arc::clone(&store) as _,
            records: Arc::clone(&store) as _,
            record: Arc::new(SimRecord(Arc::clone(&store))),
            approvals: Arc::clone(&approvals) as _,
            snapshots: Arc::clone(&snapshots) as _,
            revocation: Arc::clone(&revocation) as _,
            clock: Arc::clone(&clock) as _,
            entropy: Arc::clone(&entropy) as _,
            spawner: Arc::clone(&spawner) as _,
        });
        let upstreams = SimUpstreams::new(world, knobs.seed ^ 2, knobs.upstream);
        let broker = Arc::new(SimBroker::new(knobs.seed ^ 3, knobs.lease_faults));
        let ports = Ports {
            identity: Arc::new(Agents),
            snapshots,
            record: Arc::new(SimRecord(Arc::clone(&store))),
            approvals: Arc::clone(&approvals) as _,
            broker: Arc::clone(&broker) as _,
            handles: Arc::new(SimHandles::default()),
            upstreams: Arc::clone(&upstreams) as _,
            clock: Arc::clone(&clock) as _,
            entropy: Arc::clone(&entropy) as _,
            spawner: Arc::clone(&spawner) as _,
        };
        let limits = CallLimits { open_calls_per_task_max: world.open_calls_max, ..CallLimits::DEFAULT };
        let door = Door::new(ports, limits, Listings::new(started.listed.clone()));
        revocation.connect(Arc::clone(&door), Arc::clone(&upstreams) as _);
        let world = Arc::clone(world);
        let node =
            Self { door, admin, store, upstreams, clock, entropy, broker, approvals, spawner, steps, world };
        started.note_policies(&node.admin).await?;
        Ok(node)
    }

    /// What stands outside it.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// False once the record is fenced.
    #[must_use]
    pub fn healthy(&self) -> bool {
        SimRecord(Arc::clone(&self.store)).healthy()
    }

    /// A connection to this server lists its tools.
    ///
    /// # Errors
    /// As the observer.
    pub async fn connect(&self, server: &ServerName) -> Result<(), Fault> {
        let offered = self.world.servers.list(server);
        self.admin.observed(server, offered).await?;
        let names: Vec<_> =
            self.admin.current().catalog.of_server(server).map(|record| record.name.clone()).collect();
        for name in &names {
            self.world.acknowledged_withdrawal(name);
        }
        Ok(())
    }
}
