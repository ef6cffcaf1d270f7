//! Secrets at rest: one encrypted file with its key beside it, for this user alone.
//!
//! Must never overwrite what it cannot read, make a second key, or hold a plaintext longer than it takes to hand it
//! on. It keeps secrets out of configuration files, their copies, searches and partial backups; whoever can read the
//! whole directory can read the secrets (docs/threats/secrets-at-rest.md).
//!
//! A `Sealed` is a view: what others write is seen after [`Sealed::reload`], or in another one. Writing reads the file
//! anew under a lock, so that no process loses what another wrote. The format is described in `format`.

pub(crate) mod crypt;
mod fault;
pub(crate) mod files;
mod format;

use std::path::{Path, PathBuf};

use ports::sealed::is_sealed_name;
use ports::secret::Secret;
use zeroize::Zeroize as _;

pub use self::fault::SealedFault;

use self::crypt::{Bound, Key};
use self::files::Place;
use self::format::{Records, Unreadable};

/// Most bytes of a value, ...
pub const VALUE_BYTES_MAX: usize = 64 << 10;
/// ... and of one whose name begins with `clients/`: those are whole files of MCP clients.
pub const CLIENT_BYTES_MAX: usize = 4 << 20;
/// Most names of a store.
pub const NAMES_MAX: usize = 10_000;
/// Most bytes of its file.
pub const STORE_BYTES_MAX: usize = 128 << 20;

/// An open sealed store: ciphertexts and the key. No `Debug`.
pub struct Sealed {
    place: Place,
    key: Key,
    records: Records,
}

impl Sealed {
    /// Opens the store of a directory; makes directory, key and an empty store when there is none.
    ///
    /// # Errors
    /// When it is damaged, its key is missing, others can use it, or the system refuses. Nothing is changed then.
    pub fn open(directory: &Path) -> Result<Self, SealedFault> {
        let place = Place::new(directory);
        place.make()?;
        place.check()?;
        if let Some(sealed) = Self::read(&place)? {
            place.clear_leftovers()?;
            return Ok(sealed);
        }
        let lock = place.lock()?;
        // Another process may have made it meanwhile.
        if let Some(sealed) = Self::read(&place)? {
            return Ok(sealed);
        }
        let key = match place.read_key()? {
            Some(key) => key,
            None => {
                place.make_key()?;
                place.read_key()?.ok_or_else(|| damaged(&place, "its new key cannot be read"))?
            }
        };
        let mut sealed = Self { place, key, records: Records::new() };
        sealed.store(Records::new())?;
        drop(lock);
        sealed.place.clear_leftovers()?;
        Ok(sealed)
    }

    /// Opens the store of a directory, and makes nothing: `None` when there is none.
    ///
    /// # Errors
    /// As for [`Sealed::open`].
    pub fn open_existing(directory: &Path) -> Result<Option<Self>, SealedFault> {
        let place = Place::new(directory);
        let sealed = if place.check()? { Self::read(&place)? } else { None };
        if sealed.is_some() {
            // Where nothing can be written it stays: what is read does not depend on it.
            place.clear_leftovers().unwrap_or_default();
        }
        Ok(sealed)
    }

    fn read(place: &Place) -> Result<Option<Self>, SealedFault> {
        let Some(bytes) = place.read_store(STORE_BYTES_MAX)? else { return Ok(None) };
        let Some(key) = place.read_key()? else {
            return Err(SealedFault::KeyMissing { path: place.store().with_file_name("key") });
        };
        let records = unpacked(place, &key, &bytes)?;
        Ok(Some(Self { place: place.clone(), key, records }))
    }

    /// Sees what other processes wrote since.
    ///
    /// # Errors
    /// As for [`Sealed::open`]; what was seen before stays.
    pub fn reload(&mut self) -> Result<(), SealedFault> {
        self.records = self.current()?;
        Ok(())
    }

    fn current(&self) -> Result<Records, SealedFault> {
        match self.place.read_store(STORE_BYTES_MAX)? {
            Some(bytes) => unpacked(&self.place, &self.key, &bytes),
            None => Err(damaged(&self.place, "it is gone")),
        }
    }

    /// Keeps a value under a name, in place of what was there. Durable when this returns.
    ///
    /// # Errors
    /// When name or value is not allowed, or the store cannot be read or written. Nothing is changed then.
    pub fn put(&mut self, name: &str, value: &Secret) -> Result<(), SealedFault> {
        self.put_all([(name, value)])
    }

    /// Keeps several values, all or none.
    ///
    /// # Errors
    /// As for [`Sealed::put`].
    pub fn put_all<'a>(
        &mut self,
        values: impl IntoIterator<Item = (&'a str, &'a Secret)>,
    ) -> Result<(), SealedFault> {
        let mut sealed = Vec::new();
        for (name, value) in values {
            let value = self.seal(name, value)?;
            sealed.push((name.to_owned(), value));
        }
        let _lock = self.place.lock()?;
        let mut records = self.current()?;
        records.extend(sealed);
        self.store(records)
    }

    fn seal(&self, name: &str, value: &Secret) -> Result<Vec<u8>, SealedFault> {
        if !is_sealed_name(name) {
            return Err(SealedFault::Name);
        }
        let (text, max) = (value.reveal().as_bytes(), bytes_max(name));
        if text.len() > max {
            return Err(SealedFault::TooLarge { name: name.to_owned(), bytes: text.len(), max });
        }
        let sealed = self.key.seal(Bound::Name(name), text)?;
        sealed.ok_or_else(|| damaged(&self.place, "its key cannot be used"))
    }

    /// The caller holds the lock.
    fn store(&mut self, records: Records) -> Result<(), SealedFault> {
        if records.len() > NAMES_MAX || format::size(&records) > STORE_BYTES_MAX {
            return Err(SealedFault::Full { names: NAMES_MAX, bytes: STORE_BYTES_MAX });
        }
        let bytes = format::write(&self.key, &records)?;
        let bytes = bytes.ok_or_else(|| damaged(&self.place, "its key cannot be used"))?;
        self.place.write_store(&bytes)?;
        self.records = records;
        Ok(())
    }

    /// The value of a name, as of opening, reloading or writing.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn get(&self, name: &str) -> Result<Option<Secret>, SealedFault> {
        let Some(sealed) = self.records.get(name) else { return Ok(None) };
        let text = self.key.open(Bound::Name(name), sealed);
        let text = text.ok_or_else(|| damaged(&self.place, "a value does not belong to its name"))?;
        match String::from_utf8(text) {
            Ok(text) => Ok(Some(Secret::new(text))),
            Err(error) => {
                error.into_bytes().zeroize();
                Err(damaged(&self.place, "a value is no text"))
            }
        }
    }

    /// Its names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.records.keys().map(String::as_str)
    }

    /// Forgets a name; false when it was not there. Durable when this returns.
    ///
    /// # Errors
    /// When the store cannot be read or written. Nothing is changed then.
    pub fn remove(&mut self, name: &str) -> Result<bool, SealedFault> {
        let _lock = self.place.lock()?;
        let mut records = self.current()?;
        let there = records.remove(name).is_some();
        if there {
            self.store(records)?;
        } else {
            self.records = records;
        }
        Ok(there)
    }
}

/// The file of the store in a directory. Each change replaces it whole.
#[must_use]
pub fn file(directory: &Path) -> PathBuf {
    Place::new(directory).store()
}

fn bytes_max(name: &str) -> usize {
    if name.starts_with("clients/") { CLIENT_BYTES_MAX } else { VALUE_BYTES_MAX }
}

fn damaged(place: &Place, what: &'static str) -> SealedFault {
    SealedFault::Damaged { path: place.store(), what }
}

fn unpacked(place: &Place, key: &Key, bytes: &[u8]) -> Result<Records, SealedFault> {
    format::read(key, bytes).map_err(|unreadable| match unreadable {
        Unreadable::Version(version) => SealedFault::Version { path: place.store(), version },
        Unreadable::Damaged(what) => damaged(place, what),
    })
}

#[cfg(test)]
mod tests;
