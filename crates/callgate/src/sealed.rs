//! The sealed store of a state directory, for whoever needs its values. Must never make one: `seal put` does.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use broker::sealed::Sealed;
use ports::BoxFuture;
use ports::fault::Fault;
use ports::sealed::{DIRECTORY, SealedSecrets, SealedValues};
use ports::secret::Secret;

/// The store, read anew whenever something is started.
pub(crate) struct SealedStore(PathBuf);

impl SealedStore {
    /// Of a state directory.
    pub(crate) fn new(state: &Path) -> Self {
        Self(state.join(DIRECTORY))
    }
}

impl SealedSecrets for SealedStore {
    fn values<'a>(&'a self, names: &'a BTreeSet<String>) -> BoxFuture<'a, Result<SealedValues, Fault>> {
        let (directory, names) = (self.0.clone(), names.clone());
        let reading = tokio::task::spawn_blocking(move || read(&directory, &names));
        Box::pin(async move {
            reading.await.unwrap_or_else(|_| Err(Fault::new("reading the sealed store was interrupted")))
        })
    }
}

fn read(directory: &Path, names: &BTreeSet<String>) -> Result<SealedValues, Fault> {
    let mut values = SealedValues::new();
    let Some(store) = Sealed::open_existing(directory).map_err(Fault::new)? else { return Ok(values) };
    for name in names {
        if let Some(secret) = store.get(name).map_err(Fault::new)? {
            values.insert(name.clone(), secret);
        }
    }
    Ok(values)
}

/// The store, read once: for checking a configuration.
#[derive(Default)]
pub(crate) struct SealedOnce(OnceCell<Result<Option<Sealed>, String>>);

impl SealedOnce {
    /// A value; `None` when it or the store is not there.
    pub(crate) fn get(&self, directory: &Path, name: &str) -> Result<Option<Secret>, String> {
        let opened = self.0.get_or_init(|| Sealed::open_existing(directory).map_err(|e| e.to_string()));
        match opened {
            Ok(Some(store)) => store.get(name).map_err(|fault| fault.to_string()),
            Ok(None) => Ok(None),
            Err(problem) => Err(problem.clone()),
        }
    }
}
