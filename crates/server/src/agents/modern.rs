//! Requests of 2026-07-28: every one stands alone. Must never remember anything between two of them.

use http::HeaderMap;
use mcp::answer;
use mcp::classify::Envelope;
use mcp::fault::ProtocolFault;
use mcp::inbound::InboundRequest;
use mcp::jsonrpc::{RequestId, error_message, result_message};
use mcp::request::ClientRequest;
use mcp::version::Era;
use model::digest::Digest;

use super::Exchange;
use super::calls::{Modern, Way};
use crate::reply::{self, Reply};

/// Lists are filtered by policy now; how long that holds is not known, so nothing may be cached.
const TTL_MILLIS: u64 = 0;

impl Exchange<'_> {
    pub(super) async fn modern(
        &self,
        request: InboundRequest,
        envelope: &Envelope,
        headers: &HeaderMap,
    ) -> Reply {
        let method = request.method.clone();
        let (id, request) = match request.read(Era::Modern) {
            Ok(read) => read,
            Err(fault) => return self.fault(fault, &method).await,
        };
        match request {
            ClientRequest::Discover => {
                let methods = self.face.door.methods(&self.caller, &self.endpoint);
                let result = answer::discover(&self.face.server, &methods, TTL_MILLIS);
                reply::json(200, result_message(&id, &result))
            }
            ClientRequest::ListTools { cursor } => self.list(Era::Modern, &id, cursor.as_deref()).await.0,
            ClientRequest::Listen(wanted) if wanted.tasks && !envelope.declares_tasks() => {
                self.fault(ProtocolFault::tasks_undeclared().with_id(Some(id)), &method).await
            }
            ClientRequest::Listen(wanted) => self.subscribe(id, wanted, envelope.client).await,
            ClientRequest::Call(call) if call.method.is_on_server_task() && !envelope.declares_tasks() => {
                self.fault(ProtocolFault::tasks_undeclared().with_id(Some(id)), &method).await
            }
            ClientRequest::Call(call) => {
                let modern = Modern { headers, client: envelope.client, log: envelope.log };
                self.call(Way::Modern(modern), id, *call).await
            }
            ClientRequest::Initialize(_)
            | ClientRequest::Ping
            | ClientRequest::SetLogLevel(_)
            | ClientRequest::Unsubscribe { .. } => {
                let fault = ProtocolFault::method(Era::Modern, &method).with_id(Some(id));
                self.fault(fault, &method).await
            }
        }
    }

    /// `tools/list`, in one page; with what was shown.
    pub(super) async fn list(
        &self,
        era: Era,
        id: &RequestId,
        cursor: Option<&str>,
    ) -> (Reply, Option<Digest>) {
        if cursor.is_some() {
            let fault =
                ProtocolFault::params("`cursor` was not given by this server").with_id(Some(id.clone()));
            return (self.fault(fault, "tools/list").await, None);
        }
        let listed = match self.face.door.list(&self.caller, &self.endpoint).await {
            Ok(listed) => listed,
            Err(refused) => {
                let error = answer::refused_method(era, "tools/list", &refused.denial, Some(refused.call));
                return (reply::json(200, error_message(Some(id), &error)), None);
            }
        };
        let own_names = matches!(self.endpoint, model::call::Endpoint::Server(_));
        let tools: Vec<_> = listed
            .tools
            .iter()
            .map(|tool| {
                let name = (!own_names).then_some(tool.name.as_str());
                mcp::shape::tool(era, tool.record.definition.raw(), name)
            })
            .collect();
        let result = answer::tools(era, &tools, &self.face.server, TTL_MILLIS);
        (reply::json(200, result_message(id, &result)), Some(listed.shown))
    }
}
