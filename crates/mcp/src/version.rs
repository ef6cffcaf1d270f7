//! The protocol revisions Callgate speaks. Must never treat an unknown revision as one it knows.

use std::fmt;

/// A revision of MCP, oldest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum ProtocolVersion {
    /// 2025-03-26: the first with streamable HTTP.
    V2025_03_26,
    /// 2025-06-18: structured content.
    V2025_06_18,
    /// 2025-11-25: the last with sessions.
    V2025_11_25,
    /// 2026-07-28: stateless.
    V2026_07_28,
}

/// The two families of revisions, which share little but JSON-RPC.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Era {
    /// With sessions: up to 2025-11-25.
    Legacy,
    /// Stateless: 2026-07-28 and later.
    Modern,
}

impl ProtocolVersion {
    /// Every revision known here.
    pub const ALL: [Self; 4] = [Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25, Self::V2026_07_28];
    /// The stateless ones: all that `server/discover` and `-32022` name.
    pub const MODERN: [Self; 1] = [Self::V2026_07_28];
    /// The newest with sessions: what `initialize` is answered with when the client's is unknown.
    pub const LATEST_LEGACY: Self = Self::V2025_11_25;
    /// The newest.
    pub const LATEST: Self = Self::V2026_07_28;

    /// The date that names it on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// Reads the date, when it is one of [`Self::ALL`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == text)
    }

    /// Which family it belongs to.
    #[must_use]
    pub const fn era(self) -> Era {
        match self {
            Self::V2025_03_26 | Self::V2025_06_18 | Self::V2025_11_25 => Era::Legacy,
            Self::V2026_07_28 => Era::Modern,
        }
    }

    /// What `initialize` is answered with: the requested revision if it has sessions and is known, else the
    /// newest with sessions.
    #[must_use]
    pub fn negotiate(requested: &str) -> Self {
        match Self::parse(requested) {
            Some(version) if version.era() == Era::Legacy => version,
            _ => Self::LATEST_LEGACY,
        }
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_round_trip_and_only_known_ones_are_read() {
        assert!(ProtocolVersion::ALL.iter().all(|v| ProtocolVersion::parse(v.as_str()) == Some(*v)));
        for unknown in ["2024-11-05", "2099-01-01", "", "2026-07-28 ", "DRAFT-2026-07-28"] {
            assert_eq!(ProtocolVersion::parse(unknown), None, "{unknown}");
        }
        assert!(ProtocolVersion::ALL.is_sorted());
    }

    #[test]
    fn initialize_is_answered_with_a_revision_that_has_sessions() {
        assert_eq!(ProtocolVersion::negotiate("2025-03-26"), ProtocolVersion::V2025_03_26);
        assert_eq!(ProtocolVersion::negotiate("2026-07-28"), ProtocolVersion::V2025_11_25);
        assert_eq!(ProtocolVersion::negotiate("2024-11-05"), ProtocolVersion::V2025_11_25);
    }
}
