//! `callgate seal`: secrets into the sealed store and out of it, by whoever may write the state directory.
//!
//! Must never take a value as an argument, show one, or ask the daemon: it reads the store by itself when it starts
//! something.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use broker::sealed::{Sealed, SealedFault, VALUE_BYTES_MAX};
use clap::Subcommand;
use config::Config;
use ports::sealed::{DIRECTORY, is_sealed_name};
use ports::secret::Secret;
use ports::tokens::PREFIX;
use serde_json::{Value, json};

use crate::cli::Output;
use crate::exit::{DATA, Failure, IO, NEGATIVE, NOT_PERMITTED, OK, note, put};
use crate::files;
use crate::terminal;

#[derive(Subcommand)]
pub(crate) enum Seal {
    /// Keep a secret under a name: asked for without showing it, or read from standard input.
    Put {
        /// How the configuration names it, as `${sealed:NAME}`: 1 to 200 of a-z A-Z 0-9 . _ / -
        name: String,
    },
    /// The names, and which keys of the configuration want them. Values are never shown.
    List,
    /// Forget a secret.
    Remove {
        /// Its name.
        name: String,
    },
}

pub(crate) async fn run(path: &Path, command: Seal, output: Output) -> Result<u8, Failure> {
    let config = files::config(path)?;
    let directory = config.store.path.join(DIRECTORY);
    match command {
        Seal::Put { name } => keep(&config, &directory, &name).await,
        Seal::List => {
            let store = Sealed::open_existing(&directory).map_err(failure)?;
            let value = listing(&config, store.as_ref());
            match output {
                Output::Json => put(&value.to_string()),
                Output::Human => put(render(&value).trim_end()),
            }
            Ok(OK)
        }
        Seal::Remove { name } => remove(&config, &directory, &name),
    }
}

async fn keep(config: &Config, directory: &Path, name: &str) -> Result<u8, Failure> {
    if !is_sealed_name(name) {
        return Err(failure(SealedFault::Name));
    }
    // Before anything is asked: what is wrong with the store is wrong with any value.
    let mut store = Sealed::open(directory).map_err(failure)?;
    let value = if std::io::stdin().is_terminal() { ask(name).await? } else { read()? };
    if value.reveal().is_empty() {
        return Err(Failure::new(DATA, "the value is empty; nothing was sealed"));
    }
    store.put(name, &value).map_err(failure)?;
    note(&format!("callgate: `{name}` is sealed; write it as \"${{sealed:{name}}}\""));
    if !wanted(config, name).is_empty() {
        note("callgate: a running daemon uses it for children and connections that it starts from now on");
    }
    Ok(OK)
}

fn remove(config: &Config, directory: &Path, name: &str) -> Result<u8, Failure> {
    let removed = match Sealed::open_existing(directory).map_err(failure)? {
        Some(mut store) => store.remove(name).map_err(failure)?,
        None => false,
    };
    if !removed {
        note(&format!("callgate: there is no sealed secret `{name}`"));
        return Ok(NEGATIVE);
    }
    note(&format!("callgate: `{name}` is removed"));
    for key in wanted(config, name) {
        note(&format!("callgate: `{key}` wants it: what is started from now on is unavailable"));
    }
    Ok(OK)
}

/// The keys of the configuration that want a name.
fn wanted(config: &Config, name: &str) -> Vec<String> {
    let texts = config.servers.iter().flat_map(config::Server::secret_texts);
    let wants = texts.filter(|(_, text)| text.sealed_names().any(|wanted| wanted == name));
    wants.map(|(key, _)| key).collect()
}

/// Every name that is there or wanted.
fn listing(config: &Config, store: Option<&Sealed>) -> Value {
    let mut names: BTreeMap<String, (bool, Vec<String>)> = BTreeMap::new();
    for name in store.into_iter().flat_map(Sealed::names) {
        let login = name.strip_prefix(PREFIX).map(|server| format!("the login to {server}"));
        names.insert(name.to_owned(), (true, login.into_iter().collect()));
    }
    for (key, text) in config.servers.iter().flat_map(config::Server::secret_texts) {
        for name in text.sealed_names() {
            names.entry(name.to_owned()).or_default().1.push(key.clone());
        }
    }
    let secret = |(name, (there, keys)): (&String, &(bool, Vec<String>))| json!({"name": name, "there": there, "wanted_by": keys});
    json!({"secrets": names.iter().map(secret).collect::<Vec<_>>()})
}

fn render(value: &Value) -> String {
    let secrets = value.get("secrets").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let line = |secret: &Value| {
        let name = secret.get("name").and_then(Value::as_str).unwrap_or_default();
        let there = secret.get("there").and_then(Value::as_bool).unwrap_or_default();
        let keys = secret.get("wanted_by").and_then(Value::as_array).into_iter().flatten();
        let keys: Vec<_> = keys.filter_map(Value::as_str).collect();
        let keys = if keys.is_empty() { "not in the configuration".to_owned() } else { keys.join(", ") };
        let missing = if there { "" } else { "MISSING, " };
        format!("{name}  {missing}{keys}")
    };
    secrets.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// All of standard input. One line end at its end is not part of the value.
fn read() -> Result<Secret, Failure> {
    let mut text = String::with_capacity(VALUE_BYTES_MAX + 3);
    let most = VALUE_BYTES_MAX as u64 + 3;
    let read = std::io::stdin().lock().take(most).read_to_string(&mut text);
    let value = terminal::without_line_end(Secret::new(text));
    match read {
        Ok(read) if read as u64 == most => {
            Err(Failure::new(DATA, format!("the value has more than {VALUE_BYTES_MAX} bytes")))
        }
        Ok(_) => Ok(value),
        Err(error) => Err(Failure::new(DATA, format!("cannot read the value from standard input: {error}"))),
    }
}

/// One line from the terminal, not shown while it is typed.
async fn ask(name: &str) -> Result<Secret, Failure> {
    let question = format!("Value of `{name}` (not shown): ");
    let answer = terminal::hidden(&question, "give the value on standard input instead");
    terminal::interruptible(answer, "nothing was sealed").await
}

fn failure(fault: SealedFault) -> Failure {
    let code = match &fault {
        SealedFault::Name | SealedFault::TooLarge { .. } => DATA,
        SealedFault::Exposed { .. } | SealedFault::Foreign { .. } => NOT_PERMITTED,
        SealedFault::Io { problem, .. } if problem.kind() == std::io::ErrorKind::PermissionDenied => {
            NOT_PERMITTED
        }
        _ => IO,
    };
    Failure::new(code, fault.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_what_is_there_and_what_is_missing() {
        let value = json!({"secrets": [
            {"name": "a", "there": true, "wanted_by": ["servers.x.env.A"]},
            {"name": "b", "there": false, "wanted_by": ["servers.x.bearer", "servers.y.url"]},
            {"name": "c", "there": true, "wanted_by": []},
        ]});
        let lines =
            "a  servers.x.env.A\nb  MISSING, servers.x.bearer, servers.y.url\nc  not in the configuration";
        assert_eq!(render(&value), lines);
    }
}
