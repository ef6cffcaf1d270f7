//! Why there is no token, in words for an operator. Must never hold a token, a code or a secret, nor text a server
//! chose, but for addresses and error codes in their bounds.

/// What went wrong on the way to a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OauthFault {
    /// A document cannot be had.
    #[error("`{address}` cannot be used: {what}")]
    Fetch {
        /// Which.
        address: String,
        /// Why.
        what: String,
    },
    /// A description is wrong or incomplete.
    #[error("`{address}` says something that cannot be used: {what}")]
    Described {
        /// Where it was.
        address: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The server names authorization servers, and not the one of the configuration.
    #[error(
        "the server names other authorization servers than `issuer` in the configuration, `{issuer}`; if it moved, \
         change `issuer`"
    )]
    OtherIssuer {
        /// The one of the configuration.
        issuer: String,
    },
    /// Nothing says how to get a token.
    #[error("the server says nowhere how to get a token; give it a `bearer`, or ask whoever runs it")]
    NotDescribed,
    /// Who we are is not known to the authorization server.
    #[error(
        "`{issuer}` registers no clients by itself; register callgate there and write its `client_id` into the \
         `auth` table of the server"
    )]
    NotRegistered {
        /// The authorization server.
        issuer: String,
    },
    /// The token endpoint said no.
    #[error("`{issuer}` gives no token: {code}")]
    Refused {
        /// The authorization server.
        issuer: String,
        /// Its code (RFC 6749 §5.2), or its status.
        code: String,
    },
    /// What it gave is no token we can use.
    #[error("`{issuer}` gives a token that cannot be used: {what}")]
    Unusable {
        /// The authorization server.
        issuer: String,
        /// Why.
        what: &'static str,
    },
    /// The redirect does not belong to the login.
    #[error("the answer of the login cannot be trusted: {0}")]
    Answer(&'static str),
    /// The person, or the authorization server, said no.
    #[error("the login was refused: {0}")]
    Denied(String),
    /// Nobody answered.
    #[error("nobody finished the login within {0} minutes")]
    NobodyCame(u64),
    /// A key of the configuration cannot sign.
    #[error("`client_key` cannot sign: {0}; it is a PEM private key, P-256, Ed25519 or RSA")]
    Key(&'static str),
    /// Something of this machine.
    #[error("{0}")]
    Machine(String),
    /// Only a person can go on.
    #[error("{why}; `callgate servers login {server}`")]
    Login {
        /// Which server.
        server: String,
        /// Why.
        why: &'static str,
    },
}

impl OauthFault {
    /// Whether asking again can come to nothing else: what was given is not, or no longer, good.
    pub(super) const fn is_final(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Login { .. })
    }
}

/// An error code as it may be shown: what RFC 6749 and its successors have, and nothing longer.
pub(super) fn code(given: &str) -> String {
    let fits = (1..=64).contains(&given.len())
        && given
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.".contains(&byte));
    if fits { given.to_owned() } else { "an error without a code".to_owned() }
}
