//! The environment and working directory of a child. Must never pass a variable nobody named.

use std::io;
use std::path::{Path, PathBuf};

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

/// The credentials among the variables: none of them may come back.
pub(super) fn guarded(command: &Command) -> Guard {
    let secret = |name: &String| command.env_secrets.contains(name);
    Guard::of(command.env.iter().filter(|(name, _)| secret(name)).map(|(_, value)| value))
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
    use ports::secret::Secret;

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
}
