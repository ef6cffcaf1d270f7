//! The agent that a connected client acts as. Must never give an existing agent to another user.

use config::Config;
use serde_json::{Value, json};

use crate::exit::{Failure, NEGATIVE};
use crate::remote::Operator;

/// Makes sure that programs of this user may act as the agent.
pub(super) async fn ensure(config: &Config, name: &str) -> Result<(), Failure> {
    let operator = Operator::reach(config).await?;
    let done = added(&operator, name).await;
    let closed = operator.close().await;
    done.and(closed)
}

async fn added(operator: &Operator, name: &str) -> Result<(), Failure> {
    let own = rustix::process::getuid().as_raw();
    let answer = operator.ask("agents/list", json!({})).await?;
    let agents = answer.get("agents").and_then(Value::as_array);
    let found = agents.into_iter().flatten().find(|one| one.get("agent") == Some(&json!(name)));
    match found {
        None => {
            let owner = std::env::var("USER").unwrap_or_default();
            let params = json!({"name": name, "groups": [], "owner": owner, "local_user": own});
            operator.ask("agents/add", params).await.map(drop)
        }
        Some(agent) if agent.get("removed").is_some_and(Value::is_string) => {
            let text = format!(
                "the agent `{name}` was removed, and a removed agent's name is never used again; the client stays as it is"
            );
            Err(Failure::new(NEGATIVE, text))
        }
        Some(agent) if agent.get("local_user") == Some(&json!(own)) => Ok(()),
        Some(_) => {
            let text = format!(
                "there is an agent `{name}` that is not for this user's programs (it has a key, or is another user's); the client stays as it is"
            );
            Err(Failure::new(NEGATIVE, text))
        }
    }
}
