//! The key of a sealed store, or of handles, and what it does. Must never use a nonce twice on purpose, nor leave a plaintext behind.

use aws_lc_rs::aead::{AES_256_GCM, AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::{Zeroize as _, Zeroizing};

use super::fault::SealedFault;

/// Bytes of a key.
pub(crate) const KEY_BYTES: usize = 32;
/// Bytes of a nonce. They are random: at 96 bits, and at the rate at which people write secrets, none comes twice.
pub(crate) const NONCE_BYTES: usize = 12;
/// Bytes that sealing adds.
pub(crate) const TAG_BYTES: usize = 16;

/// What a sealed text is bound to.
#[derive(Clone, Copy)]
pub(crate) enum Bound<'a> {
    /// The name it is kept under.
    Name(&'a str),
    /// Everything of a file before its seal.
    File(&'a [u8]),
    /// What a handle is for.
    Handle(&'a [u8]),
}

impl Bound<'_> {
    /// No text bound to a name can be taken for one bound to a file.
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Name(name) => [b"callgate sealed name\0", name.as_bytes()].concat(),
            Self::File(file) => [b"callgate sealed file\0", file].concat(),
            Self::Handle(about) => [b"callgate handle\0".as_slice(), about].concat(),
        }
    }
}

/// A key in memory.
pub(crate) struct Key(LessSafeKey);

impl Key {
    /// From the bytes of a key file.
    pub(crate) fn of(bytes: &[u8; KEY_BYTES]) -> Option<Self> {
        UnboundKey::new(&AES_256_GCM, bytes).ok().map(|key| Self(LessSafeKey::new(key)))
    }

    /// As [`Self::of`], for what agents can make any number of: a nonce that comes twice tells at most that a text did.
    pub(crate) fn of_handles(bytes: &[u8; KEY_BYTES]) -> Option<Self> {
        UnboundKey::new(&AES_256_GCM_SIV, bytes).ok().map(|key| Self(LessSafeKey::new(key)))
    }

    /// Nonce, ciphertext and tag of a text. `None` when the provider fails.
    pub(crate) fn seal(&self, bound: Bound<'_>, text: &[u8]) -> Result<Option<Vec<u8>>, SealedFault> {
        let mut nonce = [0; NONCE_BYTES];
        fill(&mut nonce)?;
        // Made with room for all of it: growing would leave a copy of the text behind.
        let mut work = Zeroizing::new(Vec::with_capacity(text.len() + TAG_BYTES));
        work.extend_from_slice(text);
        let nonce_used = Nonce::assume_unique_for_key(nonce);
        let sealed = self.0.seal_in_place_append_tag(nonce_used, Aad::from(bound.bytes()), &mut *work);
        Ok(sealed.is_ok().then(|| [nonce.as_slice(), &work].concat()))
    }

    /// The text behind nonce, ciphertext and tag; `None` unless it was sealed by this key and bound to the same.
    pub(crate) fn open(&self, bound: Bound<'_>, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut work = sealed.to_vec();
        let length = self.0.open_in_place(nonce, Aad::from(bound.bytes()), &mut work).map(|text| text.len());
        match length {
            Ok(length) => {
                work.truncate(length);
                Some(work)
            }
            Err(_) => {
                work.zeroize();
                None
            }
        }
    }
}

/// Fills with the kernel's randomness.
pub(crate) fn fill(out: &mut [u8]) -> Result<(), SealedFault> {
    let mut filled = 0;
    while let Some(rest) = out.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty()) {
            Ok(0) => return Err(SealedFault::Random(std::io::ErrorKind::UnexpectedEof.into())),
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(problem) => return Err(SealedFault::Random(problem.into())),
        }
    }
    Ok(())
}
