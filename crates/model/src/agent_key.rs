//! The text form of agent keys and of the operator credential, and their hashes. Must never keep a clear secret
//! longer than it takes to show or hash it.
//!
//! Form: `PREFIX_ID_SECRET`, ID 16 and SECRET 64 lower-case hex digits. The secret is 256 random bits, so one
//! SHA-256 is enough: there is nothing to guess that a slow hash would protect.

use crate::digest::{Digest, hex, unhex};
use crate::principal::KeyId;

/// Which kind of credential a text is. The prefix keeps the two apart at first sight (promise 12).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CredentialKind {
    /// `cgk_…`: an agent's key.
    Agent,
    /// `cgo_…`: the operator's credential.
    Operator,
}

impl CredentialKind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Agent => "cgk_",
            Self::Operator => "cgo_",
        }
    }
}

/// A fresh credential. No `Debug`: `text` is secret and is shown once.
pub struct NewCredential {
    /// The public part.
    pub id: KeyId,
    /// The whole credential, for its holder.
    pub text: String,
    /// What is stored.
    pub secret_sha256: [u8; 32],
}

impl NewCredential {
    /// Makes one of 40 random bytes: 8 for the id, 32 for the secret.
    #[must_use]
    pub fn from_random(kind: CredentialKind, random: &[u8; 40]) -> Self {
        let (id, secret) = random.split_at(8);
        let id = hex(id);
        let text = format!("{}{id}_{}", kind.prefix(), hex(secret));
        Self { id: KeyId(id), text, secret_sha256: *Digest::of(secret).as_bytes() }
    }
}

/// A credential as presented: the id to look up and the hash to compare. Holds no clear secret.
pub struct PresentedCredential {
    /// The public part.
    pub id: KeyId,
    /// SHA-256 of the secret part.
    pub secret_sha256: [u8; 32],
}

impl PresentedCredential {
    /// Reads the text form of `kind`. `None` for anything else; says nothing of why.
    #[must_use]
    pub fn parse(kind: CredentialKind, text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(kind.prefix())?.split_once('_')?;
        let lower_hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if id.len() != 16 || secret.len() != 64 || !lower_hex(id) || !lower_hex(secret) {
            return None;
        }
        let secret_sha256 = *Digest::of(&unhex(secret)?).as_bytes();
        Some(Self { id: KeyId(id.to_owned()), secret_sha256 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_credential_is_read_back_as_its_kind_only() {
        let new = NewCredential::from_random(CredentialKind::Agent, &[7; 40]);
        let read = PresentedCredential::parse(CredentialKind::Agent, &new.text).unwrap();
        assert_eq!((read.id, read.secret_sha256), (new.id, new.secret_sha256));
        assert!(PresentedCredential::parse(CredentialKind::Operator, &new.text).is_none());
        for bad in ["", "cgk_", "cgk_00_00", &new.text.to_uppercase(), &format!("{}0", new.text)] {
            assert!(PresentedCredential::parse(CredentialKind::Agent, bad).is_none(), "{bad}");
        }
    }
}
