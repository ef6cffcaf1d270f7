//! A child's command with its secrets filled in. Must never be kept longer than the child's start takes, but for the
//! values that may not come back; nor have a `Debug`.

use std::path::PathBuf;

use ports::sealed::{Filled, Missing, SealedValues};
use ports::secret::Secret;

use crate::config::Command;
use crate::leash::Leash;

/// What a child is started with.
pub(crate) struct Launch {
    pub(super) argv: Vec<Secret>,
    pub(super) env: Vec<(String, Secret)>,
    /// What of it is secret.
    pub(super) secrets: Vec<Secret>,
    pub(super) env_pass: Vec<String>,
    pub(super) cwd: Option<PathBuf>,
    pub(super) leash: Option<Leash>,
}

impl Launch {
    /// With the values that the sealed store has now.
    ///
    /// # Errors
    /// The first one that is missing.
    pub(crate) fn of(command: &Command, values: &SealedValues) -> Result<Self, Missing> {
        let (mut argv, mut env, mut secrets) = (Vec::new(), Vec::new(), Vec::new());
        for text in &command.argv {
            let Filled { text, secrets: of_it } = text.fill(values)?;
            argv.push(text);
            secrets.extend(of_it);
        }
        for (name, text) in &command.env {
            let Filled { text, secrets: of_it } = text.fill(values)?;
            env.push((name.clone(), text));
            secrets.extend(of_it);
        }
        let (env_pass, cwd, leash) = (command.env_pass.clone(), command.cwd.clone(), command.leash.clone());
        Ok(Self { argv, env, secrets, env_pass, cwd, leash })
    }
}
