//! The environment and working directory of a child. Must never pass a variable nobody named.

use std::io;
use std::path::{Path, PathBuf};

use ports::secret::Secret;

use super::launch::Launch;
use crate::config::ENV_ALWAYS;
use crate::credentials;
use crate::guard::Guard;

/// The variables of a child: those always passed, those the operator lets through, those the operator sets.
/// Later ones win.
pub(super) fn variables(launch: &Launch) -> Vec<(String, std::ffi::OsString)> {
    let passed = ENV_ALWAYS.iter().copied().chain(launch.env_pass.iter().map(String::as_str));
    let mut out: Vec<_> =
        passed.filter_map(|name| std::env::var_os(name).map(|value| (name.to_owned(), value))).collect();
    out.extend(launch.env.iter().map(|(name, value)| (name.clone(), value.reveal().into())));
    out
}

/// The credentials among arguments and variables: none of them may come back. Those the configuration says are, and
/// variables whose names say so, however they got here.
pub(super) fn guarded(launch: &Launch) -> Guard {
    let passed = launch.env_pass.iter().filter(|name| names_a_credential(name));
    let passed: Vec<_> = passed.filter_map(|name| std::env::var(name).ok()).map(Secret::new).collect();
    let set = launch.env.iter().filter(|(name, _)| names_a_credential(name)).map(|(_, value)| value);
    Guard::of(launch.secrets.iter().chain(set).chain(&passed))
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

/// The values a child could echo on stderr that must not be logged: every secret, and everything the operator set or
/// let through, but for values too short to be secrets.
pub(super) fn secret_values(launch: &Launch) -> Vec<String> {
    let passed = launch.env_pass.iter().filter_map(|name| std::env::var(name).ok());
    let set = launch.env.iter().map(|(_, value)| value).chain(&launch.secrets);
    let set = set.flat_map(|secret| credentials::of(secret.reveal()));
    let mut values: Vec<_> = passed.chain(set).filter(|value| value.len() >= 6).collect();
    // The longest first: what is a part of another is not left beside a hole.
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    values
}

/// The child's working directory: the configured one, or a private one of its own.
///
/// # Errors
/// When the private one cannot be made.
pub(super) fn working_directory(launch: &Launch, private: &Path) -> io::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt as _;
    if let Some(configured) = &launch.cwd {
        return Ok(configured.clone());
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(private)?;
    Ok(private.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(env: &[(&str, &str)], secrets: &[&str]) -> Launch {
        let secret = |text: &&str| Secret::new((*text).to_owned());
        Launch {
            argv: Vec::new(),
            env: env.iter().map(|(name, value)| ((*name).to_owned(), secret(value))).collect(),
            secrets: secrets.iter().map(secret).collect(),
            env_pass: vec!["CARGO_PKG_NAME".to_owned(), "NOT_SET_ANYWHERE".to_owned()],
            cwd: None,
            leash: None,
        }
    }

    #[test]
    fn only_named_variables_pass_and_the_operators_win() {
        let launch = launch(&[("PATH", "/only/here")], &["argument"]);
        let variables = variables(&launch);
        let allowed = |name: &str| ENV_ALWAYS.contains(&name) || name == "CARGO_PKG_NAME";
        assert!(variables.iter().all(|(name, _)| allowed(name)));
        assert_eq!(variables.iter().rfind(|(name, _)| name == "PATH").unwrap().1, "/only/here");
        let values = secret_values(&launch);
        assert!(values.contains(&"/only/here".to_owned()) && values.contains(&"argument".to_owned()));
    }

    #[test]
    fn credentials_are_known_by_reference_and_by_name() {
        let launch = launch(
            &[
                ("REFERENCED", "by-reference"),
                ("github_token", "typed-in-plainly"),
                ("NODE_ENV", "production"),
                ("KEY_FILE", "/run/keys/a.pem"),
                ("MONKEY", "not-a-key"),
            ],
            &["by-reference", "--key=in-an-argument"],
        );
        let guard = guarded(&launch);
        for secret in ["by-reference", "typed-in-plainly", "in-an-argument"] {
            assert!(guard.finds(secret), "{secret}");
        }
        for plain in ["production", "/run/keys/a.pem", "not-a-key"] {
            assert!(!guard.finds(plain), "{plain}");
        }
    }
}
