//! The bytes of a sealed store's file. Must never take a file whose seal does not hold, nor one with bytes left over.
//!
//! Version 1; numbers are big-endian:
//!
//! ```text
//! magic      16 bytes  "callgate sealed\n"
//! version     4 bytes  1
//! count       4 bytes  records that follow, sorted by name, no name twice
//! record:
//!   length    2 bytes  of the name
//!   name               1 to 200 of a-z A-Z 0-9 . _ / -
//!   length    4 bytes  of what follows in this record
//!   nonce    12 bytes
//!   ciphertext
//!   tag      16 bytes  AES-256-GCM; associated data: "callgate sealed name\0" and the name
//! seal       12 bytes nonce, 16 bytes tag: AES-256-GCM of nothing; associated data: "callgate sealed file\0" and
//!            every byte before
//! ```
//!
//! The tag of a record binds the value to its name; the seal binds the records to one another, so that none can be
//! taken out, put back, or cut off. An older file as a whole, with its own seal, is not told from a newer one.

use std::collections::BTreeMap;

use ports::sealed::is_sealed_name;

use super::crypt::{Bound, Key, NONCE_BYTES, TAG_BYTES};
use super::fault::SealedFault;

const MAGIC: &[u8; 16] = b"callgate sealed\n";
const VERSION: u32 = 1;
const SEAL_BYTES: usize = NONCE_BYTES + TAG_BYTES;

/// Name → nonce, ciphertext and tag.
pub(super) type Records = BTreeMap<String, Vec<u8>>;

/// Why bytes are no store of this key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unreadable {
    Version(u32),
    Damaged(&'static str),
}

/// The bytes of a file. `None` when the provider fails or a length does not fit.
pub(super) fn write(key: &Key, records: &Records) -> Result<Option<Vec<u8>>, SealedFault> {
    let Some(mut out) = unsealed(records) else { return Ok(None) };
    let seal = key.seal(Bound::File(&out), &[])?;
    Ok(seal.map(|seal| {
        out.extend_from_slice(&seal);
        out
    }))
}

fn unsealed(records: &Records) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(size(records));
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&u32::try_from(records.len()).ok()?.to_be_bytes());
    for (name, sealed) in records {
        out.extend_from_slice(&u16::try_from(name.len()).ok()?.to_be_bytes());
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&u32::try_from(sealed.len()).ok()?.to_be_bytes());
        out.extend_from_slice(sealed);
    }
    Some(out)
}

/// How many bytes the file has.
pub(super) fn size(records: &Records) -> usize {
    let each = |(name, sealed): (&String, &Vec<u8>)| 2 + name.len() + 4 + sealed.len();
    MAGIC.len() + 8 + records.iter().map(each).sum::<usize>() + SEAL_BYTES
}

/// The records of a file.
pub(super) fn read(key: &Key, bytes: &[u8]) -> Result<Records, Unreadable> {
    let mut rest = Rest(bytes);
    if rest.take(MAGIC.len())? != MAGIC {
        return Err(Unreadable::Damaged("it does not begin as one"));
    }
    // Another version may be sealed in another way.
    match rest.number()? {
        VERSION => {}
        other => return Err(Unreadable::Version(other)),
    }
    let before = bytes.len().checked_sub(SEAL_BYTES).and_then(|at| bytes.split_at_checked(at));
    let (before, seal) = before.ok_or(CUT)?;
    if key.open(Bound::File(before), seal).is_none() {
        return Err(Unreadable::Damaged("its seal does not hold"));
    }
    let count = rest.number()?;
    let mut records = Records::new();
    for _ in 0..count {
        let (name, sealed) = rest.record()?;
        if records.last_key_value().is_some_and(|(last, _)| last.as_str() >= name) {
            return Err(Unreadable::Damaged("its names are not in order"));
        }
        records.insert(name.to_owned(), sealed.to_vec());
    }
    if rest.0.len() != SEAL_BYTES {
        return Err(Unreadable::Damaged("it has bytes left over"));
    }
    Ok(records)
}

const CUT: Unreadable = Unreadable::Damaged("it is cut off");

/// What is still to be read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(CUT)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, Unreadable> {
        let bytes = self.take(4)?;
        bytes.try_into().map(u32::from_be_bytes).map_err(|_| CUT)
    }

    fn length(&mut self) -> Result<usize, Unreadable> {
        let bytes = self.take(2)?;
        bytes.try_into().map(u16::from_be_bytes).map(usize::from).map_err(|_| CUT)
    }

    fn record(&mut self) -> Result<(&'a str, &'a [u8]), Unreadable> {
        let length = self.length()?;
        let name = std::str::from_utf8(self.take(length)?).ok().filter(|name| is_sealed_name(name));
        let name = name.ok_or(Unreadable::Damaged("it has a name that none has"))?;
        let length = usize::try_from(self.number()?).map_err(|_| CUT)?;
        Ok((name, self.take(length)?))
    }
}
