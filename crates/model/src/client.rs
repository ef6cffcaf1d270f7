//! What a client can do for a server during a call, and what it wants to hear (MCP 2026-07-28, Base Protocol). Must
//! never hold more than the client declared: a server is asked for nothing the client cannot answer.

/// The abilities a client declared that Callgate carries. A set; empty by default.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClientCapabilities(u8);

impl ClientCapabilities {
    /// None.
    pub const NONE: Self = Self(0);
    /// `elicitation.form`: its person can be asked to fill a form.
    pub const ELICIT_FORM: Self = Self(1);
    /// `elicitation.url`: its person can be asked to open a page.
    pub const ELICIT_URL: Self = Self(1 << 1);
    /// `sampling`: its model can be asked to go on.
    pub const SAMPLING: Self = Self(1 << 2);
    /// `sampling.context`.
    pub const SAMPLING_CONTEXT: Self = Self(1 << 3);
    /// `sampling.tools`.
    pub const SAMPLING_TOOLS: Self = Self(1 << 4);
    /// `roots`: it has roots to tell.
    pub const ROOTS: Self = Self(1 << 5);
    /// `extensions["io.modelcontextprotocol/tasks"]`: it can be given an upstream task for a result.
    pub const SERVER_TASKS: Self = Self(1 << 6);

    /// All that a server can ask.
    pub const ALL: Self = Self(0b11_1111);

    /// Of what [`Self::bits`] gave.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// Whether all of these are in the set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both sets.
    #[must_use]
    pub const fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// This set without the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// A short text that no other set has.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }
}

/// How grave a log message is (RFC 5424, as MCP, Logging, uses it). Ordered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum LogLevel {
    /// `debug`.
    Debug,
    /// `info`.
    Info,
    /// `notice`.
    Notice,
    /// `warning`.
    Warning,
    /// `error`.
    Error,
    /// `critical`.
    Critical,
    /// `alert`.
    Alert,
    /// `emergency`.
    Emergency,
}

impl LogLevel {
    /// All, least grave first.
    pub const ALL: [Self; 8] = [
        Self::Debug,
        Self::Info,
        Self::Notice,
        Self::Warning,
        Self::Error,
        Self::Critical,
        Self::Alert,
        Self::Emergency,
    ];

    /// As the protocol writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Alert => "alert",
            Self::Emergency => "emergency",
        }
    }

    /// Reads what the protocol writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_what_was_put_in() {
        let both = ClientCapabilities::ROOTS.with(ClientCapabilities::SAMPLING);
        assert!(both.has(ClientCapabilities::ROOTS) && !both.has(ClientCapabilities::ELICIT_FORM));
        assert!(!both.has(ClientCapabilities::ROOTS.with(ClientCapabilities::ELICIT_URL)));
        assert_eq!(both.without(ClientCapabilities::ROOTS), ClientCapabilities::SAMPLING);
        assert!(both.within(ClientCapabilities::ELICIT_URL).is_empty());
    }

    #[test]
    fn levels_are_read_as_written_and_in_order() {
        for level in LogLevel::ALL {
            assert_eq!(LogLevel::parse(level.as_str()), Some(level));
        }
        assert!(LogLevel::ALL.is_sorted());
        assert_eq!(LogLevel::parse("Debug"), None);
    }
}
