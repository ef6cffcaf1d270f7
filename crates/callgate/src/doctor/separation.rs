//! Whether the machine can tell agents from the operator (promise 12). Must never say that it can when it is not known.

use std::os::unix::fs::MetadataExt as _;

use config::Config;
use serde_json::{Value, json};

use super::finding::Findings;
use crate::connect::states;
use crate::import::place;
use crate::remote::Operator;
use crate::render::{list, text};

const FIX: &str = "run Callgate as a user of its own, whom clients reach by the port and a key instead of `callgate connect` (step by step in docs/operate/solo-machine.md), or take command execution away from the assistant";

pub(super) async fn look(found: &mut Findings, config: &Config, operator: Option<&Operator>) {
    let own = rustix::process::geteuid().as_raw();
    let owner = std::fs::metadata(&config.store.path).map_or(own, |about| about.uid());
    let agents = match operator {
        Some(operator) => operator.ask("agents/list", json!({})).await.unwrap_or_default(),
        None => Value::Null,
    };
    let shared = sharing(&agents, owner);
    let clients = clients_here(own == owner);
    if shared.is_empty() && clients.is_empty() {
        return found.note("separation", format!("the operator is user {owner}; which user your agents run as cannot be told from here: it should be another one"));
    }
    let who = [shared, clients].concat().join(", ");
    let warned = format!(
        "agents and operator are one user ({owner}): {who}. Whoever runs commands as that user can read the operator's credential, approve its own calls and change policies; the machine cannot prevent it, and the record shows only what went through the door"
    );
    found.warning("separation", warned, FIX);
}

/// Agents that act without a key as the user who is the operator.
fn sharing(agents: &Value, owner: u32) -> Vec<String> {
    list(agents, "agents")
        .iter()
        .filter(|agent| agent.get("local_user") == Some(&json!(owner)))
        .filter(|agent| agent.get("removed").is_none_or(Value::is_null))
        .map(|agent| format!("agent {}", text(agent, "agent")))
        .collect()
}

/// Clients whose files are in the operator's own home run as the operator.
fn clients_here(operators_home: bool) -> Vec<String> {
    let Some(places) = place::places(None).ok().filter(|_| operators_home) else { return Vec::new() };
    let mut names: Vec<String> = states(&places).iter().map(|one| format!("client {}", one.client)).collect();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_agents_of_the_operators_user_that_are_there_share() {
        let agents = json!({"agents": [
            {"agent": "mine", "local_user": 1000, "removed": null},
            {"agent": "gone", "local_user": 1000, "removed": "2026-01-01T00:00:00Z"},
            {"agent": "other", "local_user": 1001, "removed": null},
            {"agent": "keyed", "local_user": null, "removed": null},
        ]});
        assert_eq!(sharing(&agents, 1000), ["agent mine"]);
    }
}
