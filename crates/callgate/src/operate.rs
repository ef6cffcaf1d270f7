//! Every command but `up`: ask the operators' face, print what came of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use config::Config;
use serde_json::{Value, json};
use server::PolicyFiles as _;

use crate::cli::{Agents, Command, ConfigCommand, Log, Output, Policy, Servers, Tools};
use crate::exit::{DATA, Failure, NEGATIVE, OK, USAGE, put};
use crate::files::{self, PolicyDirectory, Read};
use crate::remote::Operator;
use crate::{approvals, certify, compose, login, render};

/// How often `log tail --follow` looks.
const FOLLOW_PERIOD: Duration = Duration::from_millis(300);

/// `config check` and `config schema`.
pub(crate) fn config(path: &Path, command: ConfigCommand, output: Output) -> Result<u8, Failure> {
    if matches!(command, ConfigCommand::Schema) {
        put(config::json_schema().trim_end());
        return Ok(OK);
    }
    let (value, code) = match files::read_config(path)? {
        Read::Good(config) if policies_missing(&config).is_some() => {
            let problem = policies_missing(&config).unwrap_or_default();
            (json!({"ok": false, "problems": [{"key": "policy.paths", "message": problem}]}), NEGATIVE)
        }
        Read::Good(config) => {
            let names: Vec<&str> = config.servers.iter().map(|server| server.name.as_str()).collect();
            let warnings = config.notices();
            (json!({"ok": true, "servers": names, "warnings": warnings, "problems": []}), OK)
        }
        Read::Bad(problems) => {
            let problems: Vec<Value> = problems.iter().map(render::config_problem).collect();
            (json!({"ok": false, "problems": problems}), NEGATIVE)
        }
    };
    print(output, &value, render::config_check);
    Ok(code)
}

/// What keeps the policy files from being read.
fn policies_missing(config: &Config) -> Option<String> {
    PolicyDirectory(config.policy.paths.clone()).read().err()
}

/// Every other command.
pub(crate) async fn run(path: &Path, command: Command, output: Output) -> Result<u8, Failure> {
    let config = files::config(path)?;
    if let Command::Policy(Policy::Check { paths }) = &command {
        return check_policies(&config, paths, output).await;
    }
    let operator = Operator::reach(&config).await?;
    let code = match command {
        Command::Servers(Servers::List) => servers(&operator, &config, output).await,
        command => carry_out(&operator, command, output).await,
    };
    let closed = operator.close().await;
    code.and_then(|code| closed.map(|()| code))
}

/// The servers, and how their tokens stand.
async fn servers(operator: &Operator, config: &Config, output: Output) -> Result<u8, Failure> {
    let mut value = operator.ask("servers/list", json!({})).await?;
    login::add_standings(config, &mut value);
    print(output, &value, render::servers);
    Ok(OK)
}

type Render = fn(&Value) -> String;

async fn carry_out(operator: &Operator, command: Command, output: Output) -> Result<u8, Failure> {
    let (verb, params, render): (&str, Value, Render) = match command {
        Command::Status => ("status", json!({}), render::status),
        Command::Agents(command) => agents(command),
        Command::Servers(Servers::Refresh { server }) => {
            ("servers/refresh", json!({"server": server}), render::refreshed)
        }
        Command::Tools(Tools::List { server, status }) => {
            ("tools/list", json!({"server": server, "status": status}), render::tools)
        }
        Command::Tools(Tools::Show { tool }) => ("tools/show", json!({"tool": tool}), render::tool),
        Command::Tools(Tools::Quarantine { tool }) => {
            ("tools/quarantine", json!({"tool": tool}), render::quarantined)
        }
        Command::Tools(Tools::Certify(certify)) => return certify::run(operator, certify, output).await,
        Command::Approvals(command) => return approvals::run(operator, command, output).await,
        Command::Policy(Policy::Reload) => ("policy/reload", json!({}), render::reloaded),
        Command::Policy(Policy::Schema) => ("policy/schema", json!({}), render::schema),
        Command::Log(Log::Tail { limit, from, follow }) => {
            return tail(operator, json!({"limit": limit, "from": from}), follow, output).await;
        }
        Command::Explain { call } => {
            // An approval has the id of the call that asked for it, and the agent's answer shows only that.
            let call = call.strip_prefix("apr_").unwrap_or(&call);
            ("log/call", json!({"call": call}), render::explain)
        }
        Command::Up(_)
        | Command::Wrap(_)
        | Command::Leash
        | Command::Config(_)
        | Command::Seal(_)
        | Command::Completions { .. }
        | Command::Man { .. }
        | Command::Import(_)
        | Command::Connect(_)
        | Command::Disconnect(_)
        | Command::Clients
        | Command::Doctor(_)
        | Command::Tour(_)
        | Command::TourServer { .. }
        | Command::Servers(Servers::List | Servers::Login(_) | Servers::Logout { .. })
        | Command::Policy(Policy::Check { .. }) => {
            return Err(Failure::new(USAGE, "this command does not ask an operator"));
        }
    };
    let value = operator.ask(verb, params).await?;
    print(output, &value, render);
    Ok(code_of(&value))
}

fn agents(command: Agents) -> (&'static str, Value, Render) {
    match command {
        Agents::List => ("agents/list", json!({}), render::agents),
        Agents::Add(add) => {
            let user = add.local.then(|| rustix::process::geteuid().as_raw());
            let days = user.is_none().then_some(add.expires_days);
            let (groups, owner) = (add.groups, add.owner);
            let params =
                json!({"name": add.name, "groups": groups, "owner": owner, "days": days, "local_user": user});
            ("agents/add", params, render::new_agent)
        }
        Agents::Rotate(rotate) => {
            let params = json!({
                "name": rotate.name,
                "days": rotate.expires_days,
                "overlap_seconds": rotate.overlap_seconds,
            });
            ("agents/rotate", params, render::new_key)
        }
        Agents::Remove { name } => ("agents/remove", json!({"name": name}), render::removed),
    }
}

/// A server that could not be listed is an answer of no.
fn code_of(value: &Value) -> u8 {
    let refreshed = value.get("refreshed").and_then(Value::as_array);
    let failed = refreshed.is_some_and(|all| all.iter().any(|one| one.get("ok") == Some(&json!(false))));
    if failed { NEGATIVE } else { OK }
}

pub(crate) fn print(output: Output, value: &Value, render: impl Fn(&Value) -> String) {
    match output {
        Output::Json => put(&value.to_string()),
        Output::Human => put(render(value).trim_end()),
    }
}

async fn tail(operator: &Operator, mut params: Value, follow: bool, output: Output) -> Result<u8, Failure> {
    loop {
        let value = operator.ask("log/read", params.clone()).await?;
        let entries = value.get("entries").and_then(Value::as_array).cloned().unwrap_or_default();
        match output {
            Output::Human => entries.iter().for_each(|entry| put(&render::entry_line(entry))),
            Output::Json if follow => entries.iter().for_each(|entry| put(&entry.to_string())),
            Output::Json => put(&value.to_string()),
        }
        if !follow {
            return Ok(OK);
        }
        let last = entries.last().and_then(|entry| entry.get("index")).and_then(Value::as_u64);
        let next = last.map_or_else(|| value.get("size").and_then(Value::as_u64), |index| Some(index + 1));
        params = json!({"limit": 1000, "from": next});
        tokio::time::sleep(FOLLOW_PERIOD).await;
    }
}

/// Needs the certified tools, so it asks whoever holds the store; without a store there are none yet.
async fn check_policies(config: &Config, paths: &[PathBuf], output: Output) -> Result<u8, Failure> {
    let paths = if paths.is_empty() { config.policy.paths.clone() } else { paths.to_vec() };
    let sources = PolicyDirectory(paths).read().map_err(|problem| Failure::new(DATA, problem))?;
    let files: Vec<Value> =
        sources.iter().map(|source| json!({"file": source.file, "text": source.text})).collect();
    let value = if compose::store_file(config).exists() {
        let operator = Operator::reach(config).await?;
        let value = operator.ask("policy/check", json!({"files": files})).await;
        operator.close().await?;
        value?
    } else {
        render::checked_without_tools(&sources, config)
    };
    let ok = value.get("ok") == Some(&json!(true));
    print(output, &value, render::policy_check);
    Ok(if ok { OK } else { NEGATIVE })
}
