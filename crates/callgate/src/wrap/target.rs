//! Which daemon and which server a shim is for, from the configuration. Must never read a secret: the daemon does.

use std::path::{Path, PathBuf};
use std::time::Duration;

use config::{Config, Resolve, ResolveFault, Transport};
use http::header::HeaderValue;
use model::ids::{AgentId, ServerName};
use model::limits::JsonLimits;
use ports::sealed::SecretText;
use ports::secret::Secret;

use super::daemon::Daemon;
use super::door::Door;
use crate::cli::Wrap;
use crate::exit::{CONFIG, Failure, USAGE};
use crate::{credential, files};

/// Where a shim's messages go.
pub(super) struct Target {
    pub(super) door: Door,
    pub(super) daemon: Daemon,
    pub(super) limits: JsonLimits,
    pub(super) agent: String,
    pub(super) idle: Duration,
    /// Why nothing can be carried; every request is answered with it.
    pub(super) broken: Option<String>,
}

/// What a shim puts where a secret would be.
struct Blank;

impl Resolve for Blank {
    fn env(&self, _: &str) -> Result<Secret, ResolveFault> {
        Ok(Secret::new("placeholder".to_owned()))
    }

    fn file(&self, _: &Path) -> Result<Secret, ResolveFault> {
        Ok(Secret::new("placeholder".to_owned()))
    }

    fn sealed(&self, _: &Path, _: &str) -> Result<Option<Secret>, ResolveFault> {
        Ok(Some(Secret::new("placeholder".to_owned())))
    }
}

/// The target of a command line.
///
/// # Errors
/// When a name is none, or no server has the command. A configuration that cannot be used is told to the client.
pub(super) fn find(path: &Path, wrap: &Wrap) -> Result<Target, Failure> {
    let wrong = |error: model::ids::NameError| Failure::new(USAGE, error.to_string());
    let agent = AgentId::parse(&wrap.agent).map_err(wrong)?;
    let named = wrap.server.as_deref().map(ServerName::parse).transpose().map_err(wrong)?;
    let (config, broken) = match files::config_with(path, &Blank) {
        Ok(config) => (Some(config), None),
        Err(failure) => (None, Some(format!("callgate: {}", failure.text()))),
    };
    let (server, missing) = match (named, &config) {
        (Some(name), Some(config)) => {
            let missing = missing(config, &name, path);
            (name.to_string(), missing)
        }
        (Some(name), None) => (name.to_string(), None),
        (None, Some(config)) => (with_command(config, &wrap.command, path)?.to_string(), None),
        (None, None) => (String::new(), None),
    };
    let state = config.as_ref().map_or_else(PathBuf::new, |config| config.store.path.clone());
    let idle = Duration::from_secs(wrap.idle_seconds);
    Ok(Target {
        door: Door {
            socket: credential::agents_socket(&state),
            path: format!("/mcp/{server}"),
            agent: HeaderValue::from_str(agent.as_str())
                .map_err(|error| Failure::new(USAGE, error.to_string()))?,
        },
        daemon: Daemon::new(path, &state, idle),
        limits: config.as_ref().map_or(JsonLimits::REQUEST, |config| config.limits.request),
        agent: agent.to_string(),
        idle,
        broken: broken.or(missing),
    })
}

fn missing(config: &Config, name: &ServerName, path: &Path) -> Option<String> {
    let known = config.servers.iter().any(|server| server.name == *name);
    (!known).then(|| {
        format!("callgate: `{}` has no server `{name}`; add `[servers.{name}]` to it", path.display())
    })
}

/// The server that runs exactly this command. One with a secret in its command is found by `--server` only.
fn with_command<'a>(config: &'a Config, command: &[String], path: &Path) -> Result<&'a ServerName, Failure> {
    let runs = |server: &&config::Server| match &server.transport {
        Transport::Stdio(child) => {
            let program = std::iter::once(Some(child.program.as_str()));
            let own = program.chain(child.args.iter().map(SecretText::as_plain));
            own.eq(command.iter().map(|part| Some(part.as_str())))
        }
        Transport::Http(_) => false,
    };
    let found: Vec<_> = config.servers.iter().filter(runs).map(|server| &server.name).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => {
            let quoted: Vec<String> =
                command.iter().map(|part| serde_json::json!(part).to_string()).collect();
            Err(Failure::of_lines(
                CONFIG,
                vec![
                    format!("no server in `{}` has this command; if it is to be one, add under a name you choose:", path.display()),
                    "[servers.NAME]".to_owned(),
                    format!("command = [{}]", quoted.join(", ")),
                    "then start the daemon again and certify its tools (`callgate tools list --status quarantined`)".to_owned(),
                ],
            ))
        }
        several => {
            let names: Vec<&str> = several.iter().map(|name| name.as_str()).collect();
            let text = format!(
                "several servers have this command ({}); say which with `--server`",
                names.join(", ")
            );
            Err(Failure::new(CONFIG, text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
[servers.fs]
command = ["npx", "-y", "server-filesystem", "/tmp"]
[servers.fs.env]
TOKEN = "${env:SURELY_NOT_SET_ANYWHERE}"
[servers.one]
command = ["same"]
[servers.two]
command = ["same"]
[servers.web]
url = "https://example.com/mcp"
"#;

    fn config() -> Config {
        Config::parse("callgate.toml", TEXT, Path::new("/base"), &Blank).unwrap()
    }

    fn found(command: &[&str]) -> Result<String, Failure> {
        let command: Vec<String> = command.iter().map(|part| (*part).to_owned()).collect();
        with_command(&config(), &command, Path::new("callgate.toml")).map(ToString::to_string)
    }

    #[test]
    fn a_command_is_found_only_when_it_is_the_same_to_the_last_argument() {
        assert_eq!(found(&["npx", "-y", "server-filesystem", "/tmp"]).unwrap(), "fs");
        for other in [&["npx", "-y", "server-filesystem"][..], &["npx", "-y", "server-filesystem", "/"], &[]]
        {
            let failure = found(other).unwrap_err();
            assert_eq!(failure.code, CONFIG);
            assert!(failure.text().contains("[servers.NAME]"), "{}", failure.text());
        }
        assert!(found(&["same"]).unwrap_err().text().contains("one, two"));
    }

    #[test]
    fn a_server_that_is_not_configured_is_told() {
        let name = |text| ServerName::parse(text).unwrap();
        assert!(missing(&config(), &name("git"), Path::new("x.toml")).unwrap().contains("[servers.git]"));
        assert_eq!(missing(&config(), &name("web"), Path::new("x.toml")), None);
    }
}
