//! `layers.toml` and `ratchet.toml` as types. Must never accept a key it does not know.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// What `xtask/layers.toml` declares.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Layers {
    /// From 0 up.
    pub(crate) ring: Vec<Ring>,
    /// Arrows for tests only.
    pub(crate) dev: Dev,
    /// Crates that only these may use.
    pub(crate) only: BTreeMap<String, Vec<String>>,
    /// Heavy dependencies and who owns them.
    pub(crate) owners: BTreeMap<String, Vec<String>>,
    /// Bans lifted for one crate.
    #[serde(default)]
    pub(crate) exception: Vec<Exception>,
    /// Licences of packages.
    pub(crate) licences: Licences,
    /// Limits of the lock file.
    pub(crate) lock: LockLimits,
}

/// One ring.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ring {
    /// 0 is innermost.
    pub(crate) level: u8,
    /// In words.
    pub(crate) what: String,
    /// Who is in it.
    pub(crate) crates: Vec<String>,
    /// Arrows inside it, as `a -> b`.
    pub(crate) inner: Vec<String>,
}

/// Arrows for tests only.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dev {
    /// As `a -> b`.
    pub(crate) arrows: Vec<String>,
}

/// A ban lifted for one crate.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exception {
    /// For whom.
    #[serde(rename = "crate")]
    pub(crate) krate: String,
    /// What it may use.
    pub(crate) uses: String,
    /// The reason; never empty.
    pub(crate) why: String,
}

/// Licences of packages.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Licences {
    /// For every package.
    pub(crate) allow: Vec<String>,
    /// Packages allowed by name.
    pub(crate) listed: Vec<String>,
}

/// Limits of the lock file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LockLimits {
    /// Most packages.
    pub(crate) packages_max: usize,
}

/// What `xtask/ratchet.toml` lists.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ratchet {
    /// Path → lines.
    pub(crate) files: BTreeMap<String, usize>,
    /// `path function` → lines.
    pub(crate) functions: BTreeMap<String, usize>,
    /// Crate → versions.
    pub(crate) duplicates: BTreeMap<String, usize>,
}

impl Layers {
    /// The ring of a crate.
    pub(crate) fn ring(&self, krate: &str) -> Option<&Ring> {
        self.ring.iter().find(|ring| ring.crates.iter().any(|name| name == krate))
    }

    /// The level of a crate, from the path of one of its files.
    pub(crate) fn level_of_path(&self, path: &str) -> Option<(String, u8)> {
        let krate = path.strip_prefix("crates/")?.split('/').next()?;
        self.ring(krate).map(|ring| (krate.to_owned(), ring.level))
    }
}

/// Reads a TOML file.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
    toml::from_str(&text).map_err(|error| format!("cannot read `{}`: {error}", path.display()))
}

/// A small declaration for tests of the checks.
#[cfg(test)]
pub(crate) fn sample() -> Layers {
    let text = r#"
        ring = [
            { level = 0, what = "rules", crates = ["model", "policy"], inner = ["policy -> model"] },
            { level = 1, what = "path", crates = ["ports", "call"], inner = ["call -> ports"] },
            { level = 2, what = "edges", crates = ["store", "server"], inner = [] },
        ]
        dev.arrows = []
        only.call = ["server"]
        owners.rusqlite = ["store"]
        owners."hyper/server" = ["server"]
        exception = [{ crate = "policy", uses = "std::thread", why = "deep stack" }]
        licences = { allow = ["MIT", "Apache-2.0"], listed = [] }
        lock.packages_max = 2
    "#;
    toml::from_str(text).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(toml::from_str::<Ratchet>("files = {}\nfunctions = {}\nduplicates = {}\n").is_ok());
        assert!(
            toml::from_str::<Ratchet>("files = {}\nfunctions = {}\nduplicates = {}\nmore = 1\n").is_err()
        );
    }

    #[test]
    fn a_path_has_its_crates_ring() {
        assert_eq!(sample().level_of_path("crates/call/src/lib.rs"), Some(("call".to_owned(), 1)));
        assert_eq!(sample().level_of_path("xtask/src/main.rs"), None);
    }
}
