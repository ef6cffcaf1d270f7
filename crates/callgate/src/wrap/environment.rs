//! What the daemon gets of the environment of the client that happens to start it. Must never pass a variable that is
//! neither of the few below nor named by the configuration: the next client has another environment.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use config::{Config, Resolve, ResolveFault, Transport};
use ports::secret::Secret;

use crate::files;

/// Who the user is, where things are, and in which language and time zone.
const ALWAYS: [&str; 8] =
    ["HOME", "USER", "LOGNAME", "PATH", "LANG", "TMPDIR", "TZ", "DBUS_SESSION_BUS_ADDRESS"];
/// Whole families of names.
const FAMILIES: [&str; 3] = ["LC_", "XDG_", "CALLGATE_"];

/// The variables of a daemon that is started on demand.
pub(super) fn of_daemon(config: &Path) -> Vec<(OsString, OsString)> {
    // One that cannot be read names nothing; the daemon says what is wrong with it.
    let named = named(|names| files::config_with(config, names).ok());
    std::env::vars_os().filter(|(name, _)| passes(name, &named)).collect()
}

fn passes(name: &OsStr, named: &[String]) -> bool {
    let Some(name) = name.to_str() else { return false };
    ALWAYS.contains(&name)
        || FAMILIES.iter().any(|family| name.starts_with(family))
        || named.iter().any(|own| own == name)
}

/// The variables that a configuration names: `${env:NAME}`, and `env_pass`.
fn named(read: impl FnOnce(&Names) -> Option<Config>) -> Vec<String> {
    let names = Names::default();
    let config = read(&names);
    let mut named = names.0.into_inner().unwrap_or_else(PoisonError::into_inner);
    for server in config.into_iter().flat_map(|config| config.servers) {
        if let Transport::Stdio(child) = server.transport {
            named.extend(child.env_pass);
        }
    }
    named
}

/// Takes down which variables are asked for, and reads none.
#[derive(Default)]
struct Names(Mutex<Vec<String>>);

impl Resolve for Names {
    fn env(&self, name: &str) -> Result<Secret, ResolveFault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(name.to_owned());
        Ok(Secret::new("placeholder".to_owned()))
    }

    fn file(&self, _: &Path) -> Result<Secret, ResolveFault> {
        Ok(Secret::new("placeholder".to_owned()))
    }

    fn sealed(&self, _: &Path, _: &str) -> Result<Option<Secret>, ResolveFault> {
        Ok(Some(Secret::new("placeholder".to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
[servers.fs]
command = ["server-filesystem"]
env_pass = ["EDITOR"]
[servers.fs.env]
TOKEN = "${env:FORGE_TOKEN}"
[servers.web]
url = "https://example.com/mcp"
bearer = "${env:WEB_TOKEN}"
"#;

    #[test]
    fn the_daemon_gets_what_everybody_has_and_what_the_configuration_names_and_nothing_else() {
        let parse = |names: &Names| Config::parse("callgate.toml", TEXT, Path::new("/base"), names).ok();
        let named = named(parse);
        for name in [
            "HOME",
            "PATH",
            "LC_ALL",
            "XDG_RUNTIME_DIR",
            "CALLGATE_CONFIG",
            "EDITOR",
            "FORGE_TOKEN",
            "WEB_TOKEN",
        ] {
            assert!(passes(OsStr::new(name), &named), "{name}");
        }
        for name in ["TOKEN", "AWS_SECRET_ACCESS_KEY", "LD_PRELOAD", "NODE_OPTIONS", "HOMER", "SSH_AUTH_SOCK"]
        {
            assert!(!passes(OsStr::new(name), &named), "{name}");
        }
    }
}
