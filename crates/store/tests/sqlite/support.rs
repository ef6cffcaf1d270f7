//! Where the tests put their files, and how they open a store there. Must never leave a directory behind.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use model::time::Micros;
use rusqlite::Connection;
use store::{OpenOptions, Store};

use crate::conformance::Backend;

/// A directory of its own, removed at the end.
pub(crate) struct TempDir(pub(crate) PathBuf);

impl TempDir {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("callgate-store-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("data").join("callgate.db")
    }

    /// The file behind the store's back.
    pub(crate) fn raw(&self) -> Connection {
        Connection::open(self.file()).unwrap()
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

pub(crate) fn options() -> OpenOptions {
    OpenOptions { now: Micros(1_795_254_000_000_000), node: "node-1".to_owned() }
}

impl Backend for TempDir {
    type Store = Store;

    fn open(&self) -> Arc<Store> {
        Arc::new(Store::open(&self.file(), &options()).unwrap())
    }
}
