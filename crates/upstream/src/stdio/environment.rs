//! The environment and working directory of a child. Must never pass a variable nobody named.

use std::io;
use std::path::{Path, PathBuf};

use ports::secret::Secret;

use crate::config::{Command, ENV_ALWAYS};
use crate::guard::Guard;

/// The variables of a child: those always passed, those the operator lets through, those the operator sets.
/// Later ones win.
pub(super) fn variables(command: &Command) -> Vec<(String, std::ffi::OsString)> {
    let passed = ENV_ALWAYS.iter().copied().chain(command.env_pass.iter().map(String::as_str));
    let mut out: Vec<_> =
        passed.filter_map(|name| std::env::var_os(name).map(|value| (name.to_owned(), value))).collect();
    out.extend(command.env.iter().map(|(name, value)| (name.clone(), value.reveal().into())));
    out
}

/// The credentials among the variables: none of them may come back. Those the configuration says are, and those
/// whose names say so, however they got here.
pub(super) fn guarded(command: &Command) -> Guard {
    let secret = |name: &String| command.env_secrets.contains(name) || names_a_credential(name);
    let passed = command.env_pass.iter().filter(|name| names_a_credential(name));
    let passed: Vec<_> = passed.filter_map(|name| std::env::var(name).ok()).map(Secret::new).collect();
    let set = command.env.iter().filter(|(name, _)| secret(name)).map(|(_, value)| value);
    Guard::of(set.chain(&passed))
}

/// `GITHUB_TOKEN` and `API_KEY` do, `KEY_FILE` does not: that a path comes back is nothing unusual.
fn names_a_credential(name: &str) -> bool {
    const WORDS: [&str; 9] =
        ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "KEY", "APIKEY", "CREDENTIAL", "CREDENTIALS", "PAT"];
    const PLACES: [&str; 7] = ["FILE", "PATH", "DIR", "URL", "URI", "ID", "NAME"];
    let name = name.to_ascii_uppercase();
    let says = |words: &[&str], word: &str| words.contains(&word);
    let place = name.rsplit('_').next().is_some_and(|last| says(&PLACES, last));
    !place && name.split('_').any(|word| says(&WORDS, word))
}

/// The values a child could echo on stderr that must not be logged: everything the operator set or let
/// through, but for values too short to be secrets.
pub(super) fn secret_values(command: &Command) -> Vec<String> {
    let passed = command.env_pass.iter().filter_map(|name| std::env::var(name).ok());
    let set = command.env.iter().map(|(_, value)| value.reveal().to_owned());
    passed.chain(set).filter(|value| value.len() >= 6).collect()
}

/// The child's working directory: the configured one, or a private one of its own.
///
/// # Errors
/// When the private one cannot be made.
pub(super) fn working_directory(command: &Command, private: &Path) -> io::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt as _;
    if let Some(configured) = &command.cwd {
        return Ok(configured.clone());
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(private)?;
    Ok(private.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_named_variables_pass_and_the_operators_win() {
        let command = Command {
            argv: Vec::new(),
            env: vec![("PATH".to_owned(), Secret::new("/only/here".to_owned()))],
            env_secrets: Vec::new(),
            env_pass: vec!["CARGO_PKG_NAME".to_owned(), "NOT_SET_ANYWHERE".to_owned()],
            cwd: None,
        };
        let variables = variables(&command);
        let allowed = |name: &str| ENV_ALWAYS.contains(&name) || name == "CARGO_PKG_NAME";
        assert!(variables.iter().all(|(name, _)| allowed(name)));
        assert_eq!(variables.iter().rfind(|(name, _)| name == "PATH").unwrap().1, "/only/here");
        assert!(secret_values(&command).contains(&"/only/here".to_owned()));
    }

    #[test]
    fn credentials_are_known_by_reference_and_by_name() {
        let set = |name: &str, value: &str| (name.to_owned(), Secret::new(value.to_owned()));
        let command = Command {
            argv: Vec::new(),
            env: vec![
                set("REFERENCED", "by-reference"),
                set("github_token", "typed-in-plainly"),
                set("NODE_ENV", "production"),
                set("KEY_FILE", "/run/keys/a.pem"),
                set("MONKEY", "not-a-key"),
            ],
            env_secrets: vec!["REFERENCED".to_owned()],
            env_pass: Vec::new(),
            cwd: None,
        };
        let guard = guarded(&command);
        for secret in ["by-reference", "typed-in-plainly"] {
            assert!(guard.finds(secret), "{secret}");
        }
        for plain in ["production", "/run/keys/a.pem", "not-a-key"] {
            assert!(!guard.finds(plain), "{plain}");
        }
    }
}
