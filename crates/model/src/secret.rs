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
