//! Seeds: agents, operators, servers, faults and crashes at random. A failure prints its seed.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use admin::Says;
use call::Finished;
use model::approval::{Standing, USABLE_SECONDS};
use model::call::Endpoint;
use ports::clock::Spawner as _;
use ports::identity::Presented;
use ports::secret::Secret;
use sim::rng::Rng;
use sim::store::{DiskFault, Honesty};
use sim::{Knobs, Node, World, judge};
use tokio::sync::mpsc;

use crate::setup::{
    BY, NO_WRITES, POLICY, add, agent, at_peace, call, certify_listed, policies, reader, ready, request,
    server, sources, tool, world, writer,
};

const AGENTS: [(&str, &[&str]); 3] = [("ada", &[]), ("bob", &["analysts"]), ("cyd", &["coders"])];
const NAMES: [&str; 7] = [
    "alpha__get_item",
    "alpha__update_item",
    "alpha__run_command",
    "beta__get_rows",
    "alpha__no_such",
    "gamma__get_item",
    "no such\u{0} tool",
];
const ARGUMENTS: [&str; 5] =
    [r#"{"id":"open"}"#, r#"{"id":"shut"}"#, r#"{"id":7}"#, r#"{}"#, r#"{"id":"open","more":[[[]]]}"#];
const CALLS: u64 = 24;
const CHANGES: u64 = 16;
const ANSWERS: u64 = 24;

/// What one run did, for knowing that runs do anything at all.
#[derive(Default)]
struct Tally {
    forwarded: usize,
    answered: usize,
    refused: usize,
    approved: usize,
    died: usize,
    fenced: usize,
}

struct Actor {
    node: Arc<Node>,
    world: Arc<World>,
    rng: Rng,
    keys: Arc<Mutex<BTreeMap<String, Secret>>>,
}

impl Actor {
    async fn pause(&self, millis: u64) {
        tokio::time::sleep(self.rng.within(Duration::from_millis(millis))).await;
    }

    fn key(&self, name: &str) -> Secret {
        self.keys.lock().unwrap()[name].clone()
    }

    async fn client(self, name: &'static str) {
        for _ in 0..CALLS {
            self.pause(8).await;
            let presented = if self.rng.chance(3) {
                Presented::Bearer(Secret::new("cgk_wrong".to_owned()))
            } else {
                Presented::Bearer(self.key(name))
            };
            let Ok(caller) = self.node.door.identify(presented).await else { continue };
            if self.rng.chance(20) {
                let endpoint =
                    if self.rng.chance(50) { Endpoint::All } else { Endpoint::Server(server("alpha")) };
                let before = self.lists();
                match self.node.door.list(&caller, &endpoint).await {
                    Ok(_) if self.lists() > before => {}
                    Ok(_) => self.world.violation("(d) a list left before its entry was durable"),
                    Err(gone) => judge::refused(&self.world, gone.call, &gone.denial, self.node.healthy()),
                }
                continue;
            }
            let call = if self.rng.chance(50) {
                request("alpha__get_item", ARGUMENTS[0])
            } else if self.rng.chance(40) {
                request("alpha__run_command", ARGUMENTS[0])
            } else {
                request(self.rng.pick(&NAMES).unwrap(), self.rng.pick(&ARGUMENTS).unwrap())
            };
            match self.node.door.call(caller, call).await {
                Err(gone) => judge::refused(&self.world, gone.call, &gone.denial, self.node.healthy()),
                Ok(handle) if self.rng.chance(15) => {
                    self.pause(20).await;
                    drop(handle);
                }
                Ok(handle) => self.follow(handle).await,
            }
        }
    }

    async fn follow(&self, mut handle: call::CallHandle) {
        if self.rng.chance(40) {
            handle.detach();
        }
        if self.rng.chance(25) {
            let wait = self.rng.within(Duration::from_millis(30));
            if tokio::time::timeout(wait, &mut handle.done).await.map(|end| self.end(end)).is_ok() {
                return;
            }
            handle.cancel();
        }
        self.end(handle.done.await);
    }

    fn end(&self, finished: Option<Finished>) {
        match finished {
            Some(finished) => judge::finished(&self.world, &finished, self.node.healthy()),
            None => self.world.violation("(f) a call's task ended without an answer"),
        }
    }

    fn lists(&self) -> usize {
        self.world.disk().entries.iter().filter(|kept| kept.entry.kind() == "list").count()
    }

    async fn operator(self) {
        for version in 2..2 + CHANGES {
            self.pause(12).await;
            if self.rng.chance(60) {
                self.certify_all().await;
            }
            let change = self.change(version);
            if self.rng.chance(15) {
                // An operator's connection breaks: the change is whole or not at all.
                drop(tokio::time::timeout(self.rng.within(Duration::from_millis(4)), change).await);
            } else {
                change.await;
            }
        }
    }

    /// A person who answers what waits, now and then too late, and now and then for another call than was shown.
    async fn approver(self) {
        let admin = &self.node.admin;
        for _ in 0..ANSWERS {
            self.pause(8).await;
            if self.rng.chance(4) {
                self.node.clock.jump(USABLE_SECONDS);
            }
            let Ok(mut asked) = admin.approvals().await else { continue };
            asked.retain(|one| one.standing == Standing::Waiting || self.rng.chance(5));
            let Some(one) = self.rng.pick(&asked).map(|one| &one.approval) else { continue };
            let says = match self.rng.below(10) {
                0 => Says::No,
                1 => Says::Yes(self.rng.pick(&asked).unwrap().approval.key.call),
                _ => Says::Yes(one.key.call),
            };
            let id = one.id.to_string();
            let answer = admin.answer(BY, &id, says, "by chance");
            if self.rng.chance(10) {
                // The person's connection breaks: the answer is whole or not at all.
                drop(tokio::time::timeout(self.rng.within(Duration::from_millis(4)), answer).await);
            } else if let Ok(answered) = answer.await {
                judge::answered(&self.world, &answered, says);
            }
        }
    }

    /// A diligent operator: what waits is looked at and certified by name.
    async fn certify_all(&self) {
        let admin = &self.node.admin;
        for name in [tool("alpha", "get_item"), tool("alpha", "update_item"), tool("beta", "get_rows")] {
            let Ok(record) = admin.tool(&name) else { continue };
            let shown = record.digest;
            let named = admin::CertifyNamed { tool: name, shown, risk: None, returns_secrets: None };
            if !record.usable() {
                drop(admin.certify_named(BY, named).await);
            }
        }
    }

    async fn change(&self, version: u64) {
        let admin = &self.node.admin;
        match self.rng.below(9) {
            0 | 1 => drop(certify_listed(admin).await),
            2 => {
                self.world.servers.offer(&server("alpha"), &reader("get_item", version));
                drop(self.node.connect(&server("alpha")).await);
            }
            3 => {
                self.world.servers.offer(&server("alpha"), &writer("update_item", version % 3));
                self.pause(3).await;
                drop(self.node.connect(&server("alpha")).await);
            }
            4 => {
                let name =
                    if self.rng.chance(50) { tool("alpha", "get_item") } else { tool("beta", "get_rows") };
                if admin.quarantine(BY, &name).await.is_ok() {
                    self.world.acknowledged_withdrawal(&name);
                }
            }
            5 => {
                let text = if self.rng.chance(50) { POLICY } else { NO_WRITES };
                drop(admin.load_policies(policies(text)).await);
            }
            6 => {
                let names =
                    [tool("alpha", "get_item"), tool("alpha", "update_item"), tool("beta", "get_rows")];
                let name = self.rng.pick(&names).unwrap().clone();
                let Ok(record) = admin.tool(&name) else { return };
                let shown = record.digest;
                let named = admin::CertifyNamed { tool: name, shown, risk: None, returns_secrets: None };
                drop(admin.certify_named(BY, named).await);
            }
            7 if self.rng.chance(25) => {
                let name = agent(AGENTS[usize::try_from(self.rng.below(3)).unwrap()].0);
                if admin.remove_agent(BY, &name).await.is_ok() {
                    self.world.acknowledged_removal(&name);
                }
            }
            7 => self.node.clock.jump(i64::try_from(self.rng.below(20)).unwrap() - 10),
            _ => {
                let name = AGENTS[usize::try_from(self.rng.below(3)).unwrap()].0;
                if let Ok(new) = admin.rotate_agent(BY, &agent(name), 30, 60).await {
                    self.keys.lock().unwrap().insert(name.to_owned(), new.key);
                }
            }
        }
    }
}

/// One process among agents and an operator. `true` when it lived to the end.
async fn live(world: &Arc<World>, knobs: Knobs, rng: &Rng) -> (Arc<Node>, bool) {
    let node = Arc::new(ready(world, knobs).await);
    let keys = Arc::new(Mutex::new(BTreeMap::new()));
    for (name, groups) in AGENTS {
        let key = add(&node, name, groups).await;
        keys.lock().unwrap().insert(name.to_owned(), key);
    }
    if rng.chance(25) {
        let fault = if rng.chance(50) { DiskFault::Before } else { DiskFault::After };
        node.store.fail_at(5 + rng.below(60), fault);
    }
    if rng.chance(40) {
        node.steps.dies_in(rng.below(1200));
    }
    let (ends, mut ended) = mpsc::channel::<()>(1);
    let actor = || Actor {
        node: Arc::clone(&node),
        world: Arc::clone(world),
        rng: Rng::new(rng.next()),
        keys: Arc::clone(&keys),
    };
    let clients = AGENTS.iter().flat_map(|agent| [agent.0, agent.0]);
    for name in clients {
        spawn(&node, &ends, actor().client(name));
    }
    spawn(&node, &ends, actor().operator());
    spawn(&node, &ends, actor().approver());
    drop(ends);
    let everything = async {
        let _ = ended.recv().await;
        // Calls whose handles were dropped end too.
        tokio::time::sleep(Duration::from_secs(400)).await;
    };
    let lived = tokio::select! {
        end = tokio::time::timeout(Duration::from_secs(6000), everything) => {
            if end.is_err() {
                world.violation("(f) something hangs although nothing is wrong any more");
            }
            true
        }
        () = node.steps.death() => false,
    };
    (node, lived)
}

fn spawn(node: &Node, ends: &mpsc::Sender<()>, actor: impl Future<Output = ()> + Send + 'static) {
    let ends = ends.clone();
    node.spawner.spawn(Box::pin(async move {
        actor.await;
        drop(ends);
    }));
}

/// A fresh process on the same disk serves, and what was taken away stays away.
async fn after(world: &Arc<World>, seed: u64) {
    let removed: Vec<_> = world.seen().removed.iter().cloned().collect();
    let node = Node::open(world, sources(POLICY), Knobs::quiet(seed)).await.unwrap();
    judge::at_rest(world);
    for name in removed {
        let kept = node.admin.current().agents.by_name(&name).cloned();
        if kept.is_none_or(|agent| agent.removed.is_none()) {
            world.violation(format!("(c) the removal of `{name}` was acknowledged and lost"));
        }
    }
    for name in ["alpha", "beta"] {
        node.connect(&server(name)).await.unwrap();
    }
    let key = add(&node, "new-after-crash", &[]).await;
    let name = tool("alpha", "get_item");
    crate::setup::certify(&node, &name).await;
    match call(&node, &key, "alpha__get_item", r#"{"id":"open"}"#).await {
        Finished::Answered(..) => {}
        Finished::Refused(refused) => {
            world
                .violation(format!("(f) once faults stopped a call was refused: {}", refused.denial.private));
        }
    }
    at_peace(world, &node);
}

/// One seed. What it broke, and what it did.
fn seed(seed: u64, honesty: Honesty) -> (Vec<String>, Tally) {
    let rng = Rng::new(seed);
    let world = world(3);
    let knobs = Knobs { seed, honesty, upstream: None, lease_faults: 3 };
    let mut tally = Tally::default();
    crate::setup::run(async {
        let (node, lived) = live(&world, knobs, &rng).await;
        tally.died = usize::from(!lived);
        tally.fenced = usize::from(!node.healthy());
        if lived && node.healthy() {
            judge::at_rest(&world);
            judge::in_force(&world);
            if node.door.open_calls().count() > 0 || !node.broker.held().is_empty() {
                world.violation("(f) all is quiet, and calls are still open or leases held");
            }
        }
    });
    tally.forwarded = world.seen().forwarded.len();
    tally.approved = judge::approvals_used(&world);
    tally.answered = world.seen().answered;
    tally.refused = world.seen().refused;
    let broken = world.seen().violations.clone();
    if broken.is_empty() {
        crate::setup::run(after(&world, seed ^ 0xFF));
    }
    let broken = world.seen().violations.clone();
    (broken, tally)
}

fn seeds() -> u64 {
    std::env::var("CALLGATE_SIM_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(300)
}

#[test]
fn no_promise_is_broken_in_any_seed() {
    let only: Option<u64> = std::env::var("CALLGATE_SIM_SEED").ok().and_then(|text| text.parse().ok());
    let mut total = Tally::default();
    let mut failed = Vec::new();
    for number in only.map_or(0..seeds(), |one| one..one + 1) {
        let (broken, tally) = seed(number, Honesty::Honest);
        total.forwarded += tally.forwarded;
        total.approved += tally.approved;
        total.answered += tally.answered;
        total.refused += tally.refused;
        total.died += tally.died;
        total.fenced += tally.fenced;
        if !broken.is_empty() {
            failed.push(format!("seed {number} (CALLGATE_SIM_SEED={number}): {}", broken.join("\n  ")));
        }
    }
    println!(
        "forwarded {}, of these approved {}, answered {}, refused {}, died {}, fenced {}",
        total.forwarded, total.approved, total.answered, total.refused, total.died, total.fenced
    );
    assert!(failed.is_empty(), "{} seeds failed:\n{}", failed.len(), failed.join("\n"));
    if only.is_none() {
        assert!(total.approved > 0, "no approval was used");
        assert!(total.answered > 0 && total.refused > 0 && total.died > 0 && total.fenced > 0);
    }
}

#[test]
fn one_seed_is_one_run() {
    let once = |number| {
        let (broken, tally) = seed(number, Honesty::Honest);
        (broken, tally.forwarded, tally.answered, tally.refused)
    };
    for number in 0..5 {
        assert_eq!(once(number), once(number), "seed {number}");
    }
}

/// The checkers are worth something: each broken store is caught.
#[test]
fn a_store_that_lies_is_caught() {
    let lies = [
        (Honesty::AcknowledgesEarly, "(a) forwarded without a durable intent"),
        (Honesty::IgnoresEpochs, "(a) decided at epoch"),
        (Honesty::ReusesApprovals, "(j)"),
        (Honesty::LosesOutcomes, "(d)"),
    ];
    for (honesty, expected) in lies {
        let caught = (0..50).any(|number| seed(number, honesty).0.iter().any(|what| what.contains(expected)));
        assert!(caught, "{honesty:?} was not caught as `{expected}` in 50 seeds");
    }
}
