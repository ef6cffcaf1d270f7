//! Typed identifiers. Must never hold a name that breaks its own grammar: the only way in is `parse`.

use std::fmt;
use std::sync::Arc;

use crate::method::Method;

/// Why a name was refused: which grammar, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not {what}: {allowed}")]
pub struct NameError {
    given: String,
    what: &'static str,
    allowed: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $allowed:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type(Arc<str>);

        impl $type {
            /// Checks the grammar.
            ///
            /// # Errors
            /// [`NameError`] with what was given (shortened) and what is allowed.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    return Ok(Self(Arc::from(text)));
                }
                let given = text.chars().take(80).flat_map(char::escape_default).collect();
                Err(NameError { given, what: $what, allowed: $allowed })
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($type), self.0)
            }
        }
    };
}

fn lower_name(text: &str, max: usize, also: &[u8]) -> bool {
    let bytes = text.as_bytes();
    let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=max).contains(&bytes.len())
        && bytes.first().is_some_and(plain)
        && bytes.last().is_some_and(plain)
        && bytes.iter().all(|b| plain(b) || also.contains(b))
}

name!(
    /// An agent's name in the registry of agents.
    AgentId,
    "an agent name",
    "1 to 64 of a-z 0-9 . _ -, beginning and ending with a letter or digit",
    |text| lower_name(text, 64, b"._-")
);
name!(
    /// A group of agents that policies name.
    GroupName,
    "a group name",
    "1 to 64 of a-z 0-9 . _ -, beginning and ending with a letter or digit",
    |text| lower_name(text, 64, b"._-")
);
name!(
    /// An upstream server's name in the configuration. Has no `__`, which separates server from tool.
    ServerName,
    "a server name",
    "1 to 32 of a-z 0-9 - _, beginning and ending with a letter or digit, without `__`",
    |text| lower_name(text, 32, b"-_") && !text.contains("__")
);
name!(
    /// A tool's own name on its server, case-sensitive (MCP 2026-07-28, Tools), or that of an operation
    /// ([`Method::operation`]).
    ToolName,
    "a tool name",
    "1 to 128 of A-Z a-z 0-9 _ . / -",
    |text| (1..=128).contains(&text.len())
        && (text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_./-".contains(&b))
            || Method::named(text).is_some())
);
name!(
    /// A unit of delegated work. Implicit tasks are named `agent:NAME`.
    TaskId,
    "a task id",
    "1 to 96 of a-z 0-9 . _ : -",
    |text| (1..=96).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._:-".contains(&b))
);
name!(
    /// A policy's id: its `@id`, or file and position.
    PolicyId,
    "a policy id",
    "1 to 128 printable ASCII characters without spaces",
    |text| (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
);

/// One call: a ULID (48-bit milliseconds, 80 random bits), 26 characters of Crockford base 32.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(u128);

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl CallId {
    /// Builds the id from the time and 10 random bytes.
    #[must_use]
    pub fn new(at: crate::time::Micros, random: [u8; 10]) -> Self {
        let millis = u128::from(at.0.max(0).unsigned_abs() / 1000) & 0xFFFF_FFFF_FFFF;
        let low = random.iter().fold(0u128, |acc, byte| acc << 8 | u128::from(*byte));
        Self(millis << 80 | low)
    }

    /// Reads the 26-character form, either case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 26 {
            return None;
        }
        let mut value = 0u128;
        for byte in text.bytes() {
            let digit = CROCKFORD.iter().position(|c| *c == byte.to_ascii_uppercase())?;
            value = value.checked_mul(32)?.checked_add(digit as u128)?;
        }
        Some(Self(value))
    }

    /// The 16 bytes, big-endian: sorts by time.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// From the 16 bytes of `to_bytes`.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for position in (0..26).rev() {
            let index = usize::try_from(self.0 >> (position * 5) & 31).unwrap_or(0);
            f.write_char(char::from(CROCKFORD.get(index).copied().unwrap_or(b'0')))?;
        }
        Ok(())
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Counts changes of what decisions are made from: agents, registry, policy. Grows by one a change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Epoch(pub u64);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Micros;

    #[test]
    fn names_keep_their_grammar() {
        for good in ["git", "a1", "my-server", "my_server"] {
            assert!(ServerName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "Git", "a__b", "-a", "a-", "a b", "é", &"a".repeat(33)] {
            assert!(ServerName::parse(bad).is_err(), "{bad}");
        }
        assert!(ToolName::parse("payments/get.Order-2").is_ok());
        assert!(ToolName::parse("a b").is_err());
        assert!(ToolName::parse("раypal").is_err());
    }

    #[test]
    fn call_ids_round_trip_and_sort_by_time() {
        let early = CallId::new(Micros(1_000_000), [255; 10]);
        let late = CallId::new(Micros(2_000_000), [0; 10]);
        assert!(early < late && early.to_string() < late.to_string());
        assert_eq!(CallId::parse(&early.to_string()), Some(early));
        assert_eq!(CallId::parse("ZZZZZZZZZZZZZZZZZZZZZZZZZZ"), None);
        assert_eq!(CallId::from_bytes(late.to_bytes()), late);
    }
}
