//! Client assertions: a signature in place of a shared secret (RFC 7523, `private_key_jwt`). Must never sign for another
//! audience than the authorization server the operator named, nor for longer than minutes.

use std::fmt;
use std::sync::Arc;

use model::json::write_string;
use ports::secret::Secret;
use rustls::SignatureScheme;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::sign::SigningKey;

use super::encode::base64url;
use super::fault::OauthFault;

/// How long an assertion is good.
const GOOD_FOR_SECONDS: u64 = 120;

/// The signatures we make, best first.
const ALGORITHMS: [(SignatureScheme, &str); 3] = [
    (SignatureScheme::ED25519, "EdDSA"),
    (SignatureScheme::ECDSA_NISTP256_SHA256, "ES256"),
    (SignatureScheme::RSA_PKCS1_SHA256, "RS256"),
];

/// A key that signs. No `Debug`.
#[derive(Clone)]
pub(super) struct Signer(Arc<dyn SigningKey>);

/// What an assertion says.
pub(super) struct Claims<'a> {
    pub(super) client: &'a str,
    pub(super) audience: &'a str,
    pub(super) now_seconds: u64,
    pub(super) id: &'a str,
}

impl Signer {
    /// Reads a private key in PEM form.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn read(pem: &Secret) -> Result<Self, OauthFault> {
        let key = PrivateKeyDer::from_pem_slice(pem.reveal().as_bytes());
        let key = key.map_err(|_| OauthFault::Key("it holds no private key"))?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let key = provider.key_provider.load_private_key(key);
        key.map(Self).map_err(|_| OauthFault::Key("its kind of key is not known"))
    }

    /// A signed assertion.
    ///
    /// # Errors
    /// When the key cannot sign in any way that authorization servers read.
    pub(super) fn assertion(&self, claims: &Claims<'_>) -> Result<Secret, OauthFault> {
        let none = || OauthFault::Key("it makes no signature of RS256, ES256 or EdDSA");
        let fits = |scheme: SignatureScheme| self.0.choose_scheme(&[scheme]);
        let (signer, scheme, name) = ALGORITHMS
            .into_iter()
            .find_map(|(scheme, name)| fits(scheme).map(|signer| (signer, scheme, name)))
            .ok_or_else(none)?;
        let header = format!("{{\"alg\":\"{name}\",\"typ\":\"JWT\"}}");
        let text = format!("{}.{}", base64url(header.as_bytes()), base64url(claims.to_string().as_bytes()));
        let signature = signer.sign(text.as_bytes()).map_err(|_| none())?;
        let signature = match scheme {
            SignatureScheme::ECDSA_NISTP256_SHA256 => fixed(&signature).ok_or_else(none)?,
            _ => signature,
        };
        Ok(Secret::new(format!("{text}.{}", base64url(&signature))))
    }
}

impl fmt::Display for Claims<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| {
            let mut out = String::new();
            write_string(&mut out, text);
            out
        };
        let (client, audience, id) = (quoted(self.client), quoted(self.audience), quoted(self.id));
        let (from, until) = (self.now_seconds, self.now_seconds.saturating_add(GOOD_FOR_SECONDS));
        write!(
            f,
            r#"{{"iss":{client},"sub":{client},"aud":{audience},"iat":{from},"exp":{until},"jti":{id}}}"#
        )
    }
}

/// The two numbers of an ECDSA signature over P-256, 32 bytes each (RFC 7518 §3.4), from their DER form.
fn fixed(der: &[u8]) -> Option<Vec<u8>> {
    let [0x30, length, rest @ ..] = der else { return None };
    if usize::from(*length) != rest.len() {
        return None;
    }
    let (first, rest) = integer(rest)?;
    let (second, rest) = integer(rest)?;
    rest.is_empty().then(|| [first, second].concat())
}

fn integer(der: &[u8]) -> Option<([u8; 32], &[u8])> {
    let [0x02, length, rest @ ..] = der else { return None };
    let (number, rest) = rest.split_at_checked(usize::from(*length))?;
    let number = match number {
        [0, positive @ ..] => positive,
        positive => positive,
    };
    let mut out = [0; 32];
    out.get_mut(32_usize.checked_sub(number.len())?..)?.copy_from_slice(number);
    Some((out, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Made for this test; nobody knows them as anything else.
    const P256: &str = include_str!("testdata/p256.pem");
    const ED25519: &str = include_str!("testdata/ed25519.pem");

    fn signed(pem: &str) -> String {
        let claims = Claims { client: "gate", audience: "https://as.example", now_seconds: 1000, id: "x" };
        let signer = Signer::read(&Secret::new(pem.to_owned())).unwrap();
        signer.assertion(&claims).unwrap().reveal().to_owned()
    }

    #[test]
    fn an_assertion_is_for_one_audience_and_some_minutes() {
        for (pem, header) in
            [(P256, r#"{"alg":"ES256","typ":"JWT"}"#), (ED25519, r#"{"alg":"EdDSA","typ":"JWT"}"#)]
        {
            let text = signed(pem);
            let parts: Vec<&str> = text.split('.').collect();
            let [head, claims, signature] = parts[..] else { panic!("{text}") };
            assert_eq!(head, base64url(header.as_bytes()));
            let expected =
                r#"{"iss":"gate","sub":"gate","aud":"https://as.example","iat":1000,"exp":1120,"jti":"x"}"#;
            assert_eq!(claims, base64url(expected.as_bytes()));
            assert_eq!(signature.len(), 86, "64 bytes");
        }
    }

    #[test]
    fn what_is_no_key_is_told_without_it() {
        for none in ["", "hunter2", "-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n"] {
            let fault = Signer::read(&Secret::new(none.to_owned())).err().unwrap();
            assert!(!fault.to_string().contains("hunter2"), "{fault}");
        }
    }

    #[test]
    fn numbers_of_a_signature_are_padded_and_cut_to_their_size() {
        let short = fixed(&[0x30, 6, 2, 1, 7, 2, 1, 9]).unwrap();
        assert_eq!((short.len(), short[31], short[63]), (64, 7, 9));
        let long: Vec<u8> = [&[0x30, 70, 2, 33, 0][..], &[0xff; 32], &[2, 33, 0], &[0xee; 32]].concat();
        assert_eq!(fixed(&long).unwrap(), [[0xff; 32], [0xee; 32]].concat());
        for bad in
            [&[][..], &[0x30, 5, 2, 1, 7, 2, 1, 9], &[0x30, 3, 2, 1, 7], &[0x30, 7, 2, 1, 7, 2, 1, 9, 0]]
        {
            assert!(fixed(bad).is_none(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_reading_a_signature_fall_over(der: Vec<u8>) {
            drop(fixed(&der));
        }
    }
}
