//! Faults of upstreams, built in one place. Must never hold a credential, an argument or text an upstream
//! chose: `private` names what happened in our own words.

use std::fmt::Display;

use model::denial::Reason;
use model::ids::ServerName;
use ports::upstream::{Sent, UpstreamFault};

use crate::config::ConfigError;

/// Nothing left this process.
pub(crate) fn not_sent(reason: Reason, server: &ServerName, what: impl Display) -> UpstreamFault {
    UpstreamFault { sent: Sent::No, reason, private: format!("server `{server}`: {what}") }
}

/// The upstream may have acted.
pub(crate) fn maybe_sent(reason: Reason, server: &ServerName, what: impl Display) -> UpstreamFault {
    UpstreamFault { sent: Sent::Maybe, reason, private: format!("server `{server}`: {what}") }
}

/// The upstream cannot be reached or used, and nothing was sent.
pub(crate) fn unavailable(server: &ServerName, what: impl Display) -> UpstreamFault {
    not_sent(Reason::UpstreamUnavailable, server, what)
}

/// What the configuration says came to nothing that can be used; nothing was sent.
pub(crate) fn unusable(error: &ConfigError) -> UpstreamFault {
    UpstreamFault { sent: Sent::No, reason: Reason::UpstreamUnavailable, private: error.to_string() }
}

/// The upstream broke the protocol after something was sent.
pub(crate) fn violation(server: &ServerName, what: impl Display) -> UpstreamFault {
    maybe_sent(Reason::UpstreamViolation, server, what)
}

/// The upstream wrote a credential of ours into what an agent would have read.
pub(crate) fn leaked(server: &ServerName) -> UpstreamFault {
    violation(server, "its answer held a credential of callgate's")
}

/// The same fault, seen from a call of which nothing was sent: listing and handshakes carry no call.
pub(crate) fn before_call(fault: UpstreamFault) -> UpstreamFault {
    UpstreamFault { sent: Sent::No, ..fault }
}
