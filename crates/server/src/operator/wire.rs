//! Parameters of the admin API. Must never have a field whose absence means more power.

use serde::Deserialize;

/// `agents/add`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AddAgent {
    pub(super) name: String,
    #[serde(default)]
    pub(super) groups: Vec<String>,
    #[serde(default)]
    pub(super) owner: String,
    /// Days of the key; none with `local_user`.
    pub(super) days: Option<i64>,
    /// Without a key, for the processes of this user of the machine.
    pub(super) local_user: Option<u32>,
}

/// `agents/rotate`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateAgent {
    pub(super) name: String,
    pub(super) days: i64,
    pub(super) overlap_seconds: i64,
}

/// `agents/remove`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedAgent {
    pub(super) name: String,
}

/// `tools/certify_shown`: these tools, if they still are what was shown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CertifyShown {
    pub(super) shown: Vec<ShownTool>,
}

/// A tool as it was shown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShownTool {
    pub(super) tool: String,
    pub(super) definition: String,
    pub(super) risk: String,
}

/// `servers/refresh`; without a name, all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedServer {
    pub(super) server: Option<String>,
}

/// `tools/list`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListTools {
    pub(super) server: Option<String>,
    pub(super) status: Option<String>,
}

/// `tools/show`, `tools/quarantine`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedTool {
    pub(super) tool: String,
}

/// `tools/certify`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CertifyTool {
    pub(super) tool: String,
    pub(super) definition: String,
    pub(super) risk: Option<String>,
    pub(super) returns_secrets: Option<bool>,
}

/// `log/read`: `from` an index, or the last `limit` entries.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadLog {
    pub(super) from: Option<u64>,
    pub(super) limit: usize,
}

/// `log/call`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedCall {
    pub(super) call: String,
}

/// `approvals/show`: an id or the beginning of one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedApproval {
    pub(super) id: String,
}

/// `approvals/approve`: with the digest of the call that was shown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Approve {
    pub(super) id: String,
    pub(super) call: String,
    #[serde(default)]
    pub(super) note: String,
}

/// `approvals/reject`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reject {
    pub(super) id: String,
    #[serde(default)]
    pub(super) note: String,
}

/// `policy/check`: the texts to check.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckPolicies {
    pub(super) files: Vec<PolicyFile>,
}

/// One policy file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyFile {
    pub(super) file: String,
    pub(super) text: String,
}
