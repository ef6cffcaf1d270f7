//! `callgate servers login` and `logout`: tokens for a server that wants them, by whoever may write the state directory.
//!
//! Must never show a token, open an address through a shell, or tell the daemon of one: it sees what is kept before each
//! request, and is only asked to list what can be listed now.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use config::Config;
use model::ids::ServerName;
use ports::sealed::{DIRECTORY, SealedSecrets};
use ports::tokens::{TokenStore, sealed_name};
use serde_json::{Value, json};
use upstream::{Login, OauthFault, ServerConfig, Standing};

use crate::cli::{self, Output};
use crate::exit::{CONFIG, DATA, Failure, IO, NEGATIVE, OK, UNAVAILABLE, note};
use crate::operate::print;
use crate::remote::Operator;
use crate::sealed::{SealedOnce, SealedStore};
use crate::{compose, files, render, terminal};

pub(crate) async fn login(path: &Path, login: &cli::Login, output: Output) -> Result<u8, Failure> {
    let config = files::config(path)?;
    let server = configured(&config, &login.server)?;
    let to = reach(&config, &server).await?;
    let name = &server.name;
    let show = |url: &str| {
        note(&format!("callgate: to log in to `{name}`, open this address in a browser of this machine:"));
        note(url);
        if !login.no_browser {
            browse(url);
        }
    };
    let run = async { to.run(show).await.map_err(|fault| failure(&fault)) };
    let standing = terminal::interruptible(run, "the login was broken off; nothing was kept").await?;
    print(output, &value(name, &standing), |_| {
        let scopes = if standing.scopes.is_empty() { "none in particular" } else { &standing.scopes };
        format!("{name}: logged in at {}; scopes: {scopes}", standing.issuer)
    });
    list(&config, name).await;
    Ok(OK)
}

/// Lists the tools of a server that could not be asked before. The login is kept whatever comes of it.
async fn list(config: &Config, name: &ServerName) {
    let asked = async {
        let operator = Operator::reach(config).await?;
        let refreshed = operator.ask("servers/refresh", json!({"server": name.as_str()})).await;
        operator.close().await?;
        refreshed
    };
    let refreshed = asked.await.map(|value| render::refreshed(&value));
    let line = refreshed.unwrap_or_else(|failure| format!("{name}: {}", failure.text()));
    note(&format!("callgate: {line}; `callgate status` names tools that wait for you"));
}

pub(crate) async fn logout(path: &Path, server: &str) -> Result<u8, Failure> {
    let config = files::config(path)?;
    let gone = match configured(&config, server) {
        Ok(server) => reach(&config, &server).await?.out().await.map_err(|fault| failure(&fault))?,
        // A server that is not configured any more may have left its tokens.
        Err(unknown) => {
            let name = ServerName::parse(server).map_err(|_| unknown)?;
            let gone = SealedStore::new(&config.store.path).forget(&name).await;
            gone.map_err(|fault| Failure::new(IO, fault.to_string()))?
        }
    };
    if gone {
        note(&format!("callgate: `{server}` is logged out; its tokens are removed"));
        return Ok(OK);
    }
    note(&format!("callgate: there are no tokens of `{server}`"));
    Ok(NEGATIVE)
}

/// Adds to a list of servers how the tokens of each stand.
pub(crate) fn add_standings(config: &Config, servers: &mut Value) {
    let (store, directory) = (SealedOnce::default(), config.store.path.join(DIRECTORY));
    for server in servers.get_mut("servers").and_then(Value::as_array_mut).into_iter().flatten() {
        let name = ServerName::parse(render::text(server, "server"));
        let standing = name.ok().and_then(|name| standing(&store, &directory, &name));
        if let (Some(standing), Some(server)) = (standing, server.as_object_mut()) {
            server.insert("login".to_owned(), about(&standing));
        }
    }
}

/// How the tokens of a server stand; `None` when there are none, or they cannot be read.
pub(crate) fn standing(store: &SealedOnce, directory: &Path, server: &ServerName) -> Option<Standing> {
    let kept = store.get(directory, &sealed_name(server)).ok().flatten()?;
    Standing::of(&kept)
}

fn about(standing: &Standing) -> Value {
    json!({
        "issuer": standing.issuer,
        "scopes": standing.scopes,
        "usable": standing.usable,
        "ends_at_seconds": standing.ends_at,
    })
}

fn value(server: &ServerName, standing: &Standing) -> Value {
    json!({"server": server.as_str(), "login": about(standing)})
}

fn configured(config: &Config, name: &str) -> Result<ServerConfig, Failure> {
    let found = config.servers.iter().find(|server| server.name.as_str() == name);
    let found = found.map(|server| compose::upstream_config(server, None));
    let names = || config.servers.iter().map(|server| server.name.as_str()).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| Failure::new(DATA, format!("there is no server `{name}`; there are: {}", names())))
}

async fn reach(config: &Config, server: &ServerConfig) -> Result<Login, Failure> {
    let store = Arc::new(SealedStore::new(&config.store.path));
    let tokens: Arc<dyn TokenStore> = Arc::<SealedStore>::clone(&store);
    let sealed: Arc<dyn SealedSecrets> = store;
    Login::to(server, &sealed, &tokens).await.map_err(|fault| failure(&fault))
}

fn failure(fault: &OauthFault) -> Failure {
    let code = match fault {
        OauthFault::Fetch { .. } => UNAVAILABLE,
        OauthFault::Denied(_) | OauthFault::NobodyCame(_) | OauthFault::Refused { .. } => NEGATIVE,
        OauthFault::OtherIssuer { .. } | OauthFault::NotRegistered { .. } | OauthFault::Key(_) => CONFIG,
        _ => DATA,
    };
    Failure::new(code, fault.to_string())
}

/// Opens an address in a browser, where a person sits in front of one. The address is one argument of one program.
fn browse(url: &str) {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let desktop = cfg!(target_os = "macos") || set("DISPLAY") || set("WAYLAND_DISPLAY");
    if !desktop || !std::io::stderr().is_terminal() {
        return;
    }
    let Some(program) = in_path(program) else { return };
    let quiet = Command::new(program)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    // The address is on the screen all the same.
    drop(quiet);
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut places = std::env::split_paths(&path).filter(|directory| directory.is_absolute());
    places.find_map(|directory| Some(directory.join(program)).filter(|program| program.is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_login_came_to_is_told_with_a_code() {
        let refused = OauthFault::Refused { issuer: "https://as.example".to_owned(), code: "x".to_owned() };
        assert_eq!(failure(&refused).code, NEGATIVE);
        assert_eq!(failure(&OauthFault::Key("none")).code, CONFIG);
        assert_eq!(failure(&OauthFault::Answer("none")).code, DATA);
    }
}
