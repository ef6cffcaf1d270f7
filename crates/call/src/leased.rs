//! State 8, leased: permit, durable intent and credential are together. The only state that can be forwarded.

use std::time::Duration;

use model::client::ClientCapabilities;
use model::limits::CallLimits;
use ports::broker::Lease;
use ports::upstream::Forward;

use crate::forwarded::Forwarded;
use crate::intended::Intended;

/// A call ready to leave.
pub struct Leased {
    pub(crate) intended: Intended,
    pub(crate) lease: Lease,
}

impl Leased {
    /// → forwarded: splits into what leaves and what stays. The only place in the product that makes a
    /// [`Forward`]. `client` is what the server may be told of the client's abilities.
    pub(crate) fn forward(self, limits: &CallLimits, client: ClientCapabilities) -> (Forwarded, Forward) {
        let call = self.intended.permitted.resolved.call();
        let forward = Forward {
            call: self.intended.permitted.resolved.stamp().id,
            agent: self.intended.permitted.resolved.principal().agent.clone(),
            tool: self.intended.permitted.resolved.tool().clone(),
            arguments: call.arguments_raw.clone(),
            trace: call.meta.trace.clone(),
            wants_progress: call.meta.wants_progress,
            client,
            server_task: call.meta.server_task.as_ref().map(|task| task.client),
            log: call.meta.log,
            lease: self.lease,
            deadline: Duration::from_millis(limits.upstream_millis_max),
            answer_within: Duration::from_millis(limits.answer_millis_max),
            bytes_max: limits.result_bytes_max,
        };
        (Forwarded { intended: self.intended }, forward)
    }
}
