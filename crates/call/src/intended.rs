//! State 7, intended: the intent is durable. Must never be made but from the record's own receipt.

use model::call::CallDigest;
use model::digest::Salt;
use ports::record::Receipt;

use crate::decided::Permitted;
use crate::leased::Leased;
use ports::broker::Lease;

/// Proof that the intent of exactly this call survives a power cut.
#[derive(Debug)]
pub struct IntentReceipt {
    call: CallDigest,
    index: u64,
}

/// A permitted call whose intent is durable.
pub struct Intended {
    pub(crate) permitted: Permitted,
    pub(crate) receipt: IntentReceipt,
    /// Blinds the result. Drawn before anything is sent, so that recording the outcome needs nothing that fails.
    pub(crate) result_salt: Salt,
}

impl Permitted {
    /// → intended, with the receipt the record gave for this call's intent.
    #[must_use]
    pub(crate) fn intend(self, receipt: Receipt, result_salt: Salt) -> Intended {
        let receipt = IntentReceipt { call: self.permit().call(), index: receipt.index };
        Intended { permitted: self, receipt, result_salt }
    }
}

impl Intended {
    /// → leased, with the credential minted for this permit.
    #[must_use]
    pub(crate) fn lease(self, lease: Lease) -> Leased {
        Leased { intended: self, lease }
    }

    /// Index of the intent in the log.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.receipt.index
    }

    /// The digest the intent was recorded for; equals the permit's by construction.
    #[must_use]
    pub const fn call(&self) -> CallDigest {
        self.receipt.call
    }
}
