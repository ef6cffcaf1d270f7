//! Secrets in memory. Must never implement `Debug`, `Display` or `Serialize`, nor be compared with `==`.

use zeroize::Zeroize as _;

/// A secret text. Only adapters that must send or hash it call `reveal`. Overwritten in memory when dropped.
#[derive(Clone)]
pub struct Secret(String);

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Secret {
    /// Takes ownership of the text.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for sending or hashing, never for showing.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Whether a text can name a secret in the sealed store: 1 to 200 of `a-z A-Z 0-9 . _ / -`.
#[must_use]
pub fn is_sealed_name(name: &str) -> bool {
    let known = |b: u8| b.is_ascii_alphanumeric() || b"._/-".contains(&b);
    (1..=200).contains(&name.len()) && name.bytes().all(known)
}
