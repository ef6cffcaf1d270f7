//! Handles for clients, sealed and bound (ADR 0023). Must never say why one does not open, nor open one for another agent,
//! door, method or purpose than it was sealed for.
//!
//! The text is `cgh1_` and, in base64url without padding: the id of the key (4 bytes), the kind (1), when it expires
//! (8, microseconds, big-endian), then nonce, ciphertext and tag (AES-256-GCM-SIV). The associated data are
//! everything before the nonce and all that it is bound to.

mod fault;
mod text;

use std::path::Path;

use model::call::Endpoint;
use model::digest::Digest;
use model::time::Micros;
use ports::fault::Fault;
use ports::handles::{Bound, Handles, Kind, PAYLOAD_BYTES_MAX};
use zeroize::Zeroizing;

pub use self::fault::HandlesFault;

use crate::sealed::crypt::{self, KEY_BYTES, Key, NONCE_BYTES, TAG_BYTES};
use crate::sealed::files::Place;

/// How every text begins: what it is, and the version of its form.
const PREFIX: &str = "cgh1_";
/// Bytes before the nonce: id of the key, kind, end.
const HEAD_BYTES: usize = 4 + 1 + 8;
/// Most bytes behind the prefix, decoded.
const BYTES_MAX: usize = HEAD_BYTES + NONCE_BYTES + PAYLOAD_BYTES_MAX + TAG_BYTES;

/// Seals with one key of this process and one that is kept.
pub struct SealedHandles {
    /// For what ends with the process.
    passing: Named,
    /// For what survives it.
    lasting: Named,
}

/// A key and its id.
struct Named {
    id: [u8; 4],
    key: Key,
}

impl Named {
    fn of(bytes: &[u8; KEY_BYTES]) -> Option<Self> {
        let [a, b, c, d, ..] = *Digest::of_parts("callgate/handle-key/v1", &[bytes.as_slice()]).as_bytes();
        Some(Self { id: [a, b, c, d], key: Key::of_handles(bytes)? })
    }

    fn new() -> Result<Self, HandlesFault> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        crypt::fill(bytes.as_mut_slice())?;
        Self::of(&bytes).ok_or(HandlesFault::Provider)
    }
}

impl SealedHandles {
    /// With the key in this directory; makes directory and key when there is none.
    ///
    /// # Errors
    /// When the key is damaged, others can use it, or the system refuses. Nothing is changed then.
    pub fn open(directory: &Path) -> Result<Self, HandlesFault> {
        let place = Place::new(directory);
        place.make()?;
        place.check()?;
        let bytes = match place.read_key_bytes()? {
            Some(bytes) => bytes,
            None => Self::make(&place)?,
        };
        place.clear_leftovers()?;
        let lasting = Named::of(&bytes).ok_or(HandlesFault::Provider)?;
        Ok(Self { passing: Named::new()?, lasting })
    }

    fn make(place: &Place) -> Result<Zeroizing<[u8; KEY_BYTES]>, HandlesFault> {
        let _lock = place.lock()?;
        // Another process may have made it meanwhile.
        if let Some(bytes) = place.read_key_bytes()? {
            return Ok(bytes);
        }
        place.make_key()?;
        place.read_key_bytes()?.ok_or(HandlesFault::Provider)
    }

    const fn key(&self, kind: Kind) -> &Named {
        match kind {
            Kind::RequestState => &self.passing,
            Kind::Cursor | Kind::Task => &self.lasting,
        }
    }
}

impl Handles for SealedHandles {
    fn seal(&self, bound: &Bound<'_>, payload: &[u8], expires: Micros) -> Result<String, Fault> {
        if payload.len() > PAYLOAD_BYTES_MAX {
            let bytes = payload.len();
            return Err(Fault::new(format!("a handle holds {PAYLOAD_BYTES_MAX} bytes, and not {bytes}")));
        }
        let named = self.key(bound.kind);
        let mut out = Vec::with_capacity(HEAD_BYTES + NONCE_BYTES + payload.len() + TAG_BYTES);
        out.extend_from_slice(&named.id);
        out.push(kind_byte(bound.kind));
        out.extend_from_slice(&expires.0.to_be_bytes());
        let about = about(&out, bound);
        let sealed = named.key.seal(crypt::Bound::Handle(&about), payload).map_err(Fault::new)?;
        out.extend(sealed.ok_or_else(|| Fault::new(HandlesFault::Provider))?);
        Ok(format!("{PREFIX}{}", text::encode(&out)))
    }

    fn open(&self, bound: &Bound<'_>, text: &str, now: Micros) -> Option<Vec<u8>> {
        let bytes = text::decode(text.strip_prefix(PREFIX)?, BYTES_MAX)?;
        let (head, sealed) = bytes.split_at_checked(HEAD_BYTES)?;
        let (id, rest) = head.split_first_chunk::<4>()?;
        let (kind, expires) = rest.split_first_chunk::<1>()?;
        let named = self.key(bound.kind);
        if *id != named.id || *kind != [kind_byte(bound.kind)] {
            return None;
        }
        let payload = named.key.open(crypt::Bound::Handle(&about(head, bound)), sealed)?;
        let expires = Micros(i64::from_be_bytes(expires.try_into().ok()?));
        (now < expires).then_some(payload)
    }
}

const fn kind_byte(kind: Kind) -> u8 {
    match kind {
        Kind::RequestState => 1,
        Kind::Cursor => 2,
        Kind::Task => 3,
    }
}

/// The associated data: each part with its length before it, so that no two lists of parts are alike.
fn about(head: &[u8], bound: &Bound<'_>) -> Vec<u8> {
    // No server has an empty name.
    let endpoint = match bound.endpoint {
        Endpoint::All => "",
        Endpoint::Server(server) => server.as_str(),
    };
    let parts: [&[u8]; 5] = [
        head,
        bound.agent.as_str().as_bytes(),
        endpoint.as_bytes(),
        bound.method.as_str().as_bytes(),
        bound.digest.as_bytes(),
    ];
    let mut out = Vec::new();
    for part in parts {
        out.extend_from_slice(&(part.len() as u64).to_be_bytes());
        out.extend_from_slice(part);
    }
    out
}

#[cfg(test)]
mod tests;
