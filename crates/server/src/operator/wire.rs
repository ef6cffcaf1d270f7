//! Parameters of the admin API. Must never have a field whose absence means more power.

use serde::Deserialize;

/// Structures that a request is read into: each member once, and no member that is not known.
macro_rules! parameters {
    ($($(#[$about:meta])* struct $name:ident {
        $($(#[$member_about:meta])* $member:ident: $kind:ty,)*
    })*) => {
        $($(#[$about])*
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            $($(#[$member_about])* pub(super) $member: $kind,)*
        })*
    };
}

parameters! {
    /// `agents/add`.
    struct AddAgent {
        name: String,
        #[serde(default)]
        groups: Vec<String>,
        #[serde(default)]
        owner: String,
        /// Days of the key; none with `local_user`.
        days: Option<i64>,
        /// Without a key, for the processes of this user of the machine.
        local_user: Option<u32>,
    }

    /// `agents/rotate`.
    struct RotateAgent {
        name: String,
        days: i64,
        overlap_seconds: i64,
    }

    /// `agents/remove`.
    struct NamedAgent {
        name: String,
    }

    /// `tools/certify_shown`: these tools, if they still are what was shown.
    struct CertifyShown {
        shown: Vec<ShownTool>,
    }

    /// A tool as it was shown.
    struct ShownTool {
        tool: String,
        definition: String,
        risk: String,
    }

    /// `servers/refresh`; without a name, all.
    struct NamedServer {
        server: Option<String>,
    }

    /// `tools/list`.
    struct ListTools {
        server: Option<String>,
        status: Option<String>,
    }

    /// `tools/show`, `tools/quarantine`.
    struct NamedTool {
        tool: String,
    }

    /// `tools/certify`.
    struct CertifyTool {
        tool: String,
        definition: String,
        risk: Option<String>,
        returns_secrets: Option<bool>,
    }

    /// `log/read`: `from` an index, or the last `limit` entries.
    struct ReadLog {
        from: Option<u64>,
        limit: usize,
    }

    /// `log/call`.
    struct NamedCall {
        call: String,
    }

    /// `approvals/show`: an id or the beginning of one.
    struct NamedApproval {
        id: String,
    }

    /// `approvals/approve`: with the digest of the call that was shown.
    struct Approve {
        id: String,
        call: String,
        #[serde(default)]
        note: String,
    }

    /// `approvals/reject`.
    struct Reject {
        id: String,
        #[serde(default)]
        note: String,
    }

    /// `policy/check`: the texts to check.
    struct CheckPolicies {
        files: Vec<PolicyFile>,
    }

    /// One policy file.
    struct PolicyFile {
        file: String,
        text: String,
    }
}
