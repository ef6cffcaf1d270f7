//! Why handles cannot be sealed, in words for an operator. Must never hold a key.

use std::path::PathBuf;

use crate::sealed::SealedFault;

/// What went wrong with the key of handles. Whatever it is, nothing was overwritten.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandlesFault {
    /// The key is none.
    #[error(
        "the key `{}` of cursors and task ids is damaged; remove it: the next start makes a new one, and clients begin \
         their lists anew",
        path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
    },
    /// Its file or directory cannot be used.
    #[error(transparent)]
    Files(SealedFault),
    /// The crypto provider does not take a key of ours.
    #[error("the crypto provider refuses a key of 32 bytes; report this with your platform")]
    Provider,
}

impl From<SealedFault> for HandlesFault {
    fn from(fault: SealedFault) -> Self {
        match fault {
            SealedFault::Damaged { path, .. } => Self::Damaged { path },
            other => Self::Files(other),
        }
    }
}
