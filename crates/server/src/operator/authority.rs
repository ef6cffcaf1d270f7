//! Who counts as an operator: the holder of the credential in the state directory. Must never accept an agent's key.

use model::agent_key::{CredentialKind, PresentedCredential};
use model::bytes_eq::constant_time_eq;
use ports::identity::Presented;

/// Compares presented credentials with the operator's. Holds its hash only.
pub struct OperatorAuthority {
    id: String,
    secret_sha256: [u8; 32],
}

impl OperatorAuthority {
    /// From the text of the operator credential (`cgo_…`).
    #[must_use]
    pub fn from_credential(text: &str) -> Option<Self> {
        let credential = PresentedCredential::parse(CredentialKind::Operator, text)?;
        Some(Self { id: credential.id.0, secret_sha256: credential.secret_sha256 })
    }

    /// True when exactly the operator credential was presented.
    #[must_use]
    pub fn proves(&self, presented: &Presented) -> bool {
        let Presented::Bearer(secret) = presented else { return false };
        let Some(credential) = PresentedCredential::parse(CredentialKind::Operator, secret.reveal()) else {
            return false;
        };
        let same_id = constant_time_eq(credential.id.0.as_bytes(), self.id.as_bytes());
        let same_secret = constant_time_eq(&credential.secret_sha256, &self.secret_sha256);
        same_id && same_secret
    }
}

#[cfg(test)]
mod tests {
    use model::agent_key::NewCredential;
    use ports::secret::Secret;

    use super::*;

    #[test]
    fn only_the_operator_credential_proves_an_operator() {
        let operator = NewCredential::from_random(CredentialKind::Operator, &[1; 40]);
        let other = NewCredential::from_random(CredentialKind::Operator, &[2; 40]);
        let agent = NewCredential::from_random(CredentialKind::Agent, &[1; 40]);
        let authority = OperatorAuthority::from_credential(&operator.text).unwrap();
        let bearer = |text: &str| Presented::Bearer(Secret::new(text.to_owned()));
        assert!(authority.proves(&bearer(&operator.text)));
        assert!(!authority.proves(&bearer(&other.text)));
        assert!(!authority.proves(&bearer(&agent.text)));
        assert!(!authority.proves(&bearer(&agent.text.replace("cgk_", "cgo_").replace("01", "02"))));
        assert!(!authority.proves(&Presented::Nothing));
        assert!(OperatorAuthority::from_credential(&agent.text).is_none());
    }
}
