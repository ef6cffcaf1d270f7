//! The sealed store of a state directory, for whoever needs its values, and for the tokens that servers want. Must never
//! make one but to keep a token: `seal put` does.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use broker::sealed::{Sealed, SealedFault};
use model::ids::ServerName;
use ports::BoxFuture;
use ports::fault::Fault;
use ports::sealed::{DIRECTORY, SealedSecrets, SealedValues};
use ports::secret::Secret;
use ports::tokens::{Stamp, TokenStore, sealed_name};

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

impl SealedStore {
    /// Off the runtime's threads: files are read and written, and a lock may be waited for.
    fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> Result<T, SealedFault> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, Fault>> {
        let directory = self.0.clone();
        let working = tokio::task::spawn_blocking(move || work(&directory).map_err(Fault::new));
        Box::pin(async move {
            working.await.unwrap_or_else(|_| Err(Fault::new("using the sealed store was interrupted")))
        })
    }
}

impl TokenStore for SealedStore {
    /// The store is replaced whole with each change.
    fn stamp(&self) -> Stamp {
        let about = std::fs::metadata(broker::sealed::file(&self.0));
        Stamp(about.map_or(0, |about| {
            let changed = i128::from(about.mtime()) * 1_000_000_000 + i128::from(about.mtime_nsec());
            (u128::from(about.ino()) << 96) ^ (u128::from(about.len()) << 80) ^ changed.unsigned_abs()
        }))
    }

    fn load<'a>(&'a self, server: &'a ServerName) -> BoxFuture<'a, Result<Option<Secret>, Fault>> {
        let name = sealed_name(server);
        self.apart(move |directory| match Sealed::open_existing(directory)? {
            Some(store) => store.get(&name),
            None => Ok(None),
        })
    }

    fn keep<'a>(&'a self, server: &'a ServerName, text: &'a Secret) -> BoxFuture<'a, Result<(), Fault>> {
        let (name, text) = (sealed_name(server), text.clone());
        self.apart(move |directory| Sealed::open(directory)?.put(&name, &text))
    }

    fn forget<'a>(&'a self, server: &'a ServerName) -> BoxFuture<'a, Result<bool, Fault>> {
        let name = sealed_name(server);
        self.apart(move |directory| match Sealed::open_existing(directory)? {
            Some(mut store) => store.remove(&name),
            None => Ok(false),
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
