//! Requests about upstream tasks (extension `io.modelcontextprotocol/tasks`; ADR 0028). Must never send a server a client's
//! handle, nor say why one stands for nothing.

use mcp::fault::ProtocolFault;
use mcp::server_task;
use model::call::{CallMeta, Endpoint, ToolCall};
use model::denial::Denial;
use model::json::Json;

use super::Exchange;
use super::cursors::with_arguments;

impl Exchange<'_> {
    /// A request about a task, with what its client's handle stands for. One that stands for nothing stays as it is: the
    /// door refuses it, in the order in which it refuses everything.
    ///
    /// # Errors
    /// That the task is unknown, at the door of all servers: no other could say so.
    pub(super) fn of_server_task(&self, mut call: ToolCall) -> Result<ToolCall, ProtocolFault> {
        let door = &self.face.door;
        let handle = call.arguments.get(server_task::ID).and_then(Json::as_str);
        let opened = handle.and_then(|text| door.server_task(&self.caller, &call.endpoint, text));
        let unknown = || ProtocolFault::params(Denial::unknown_server_task().public);
        let Some(opened) = opened else {
            let nowhere =
                call.endpoint == Endpoint::All && !door.servers_with(&self.caller, call.method).is_empty();
            return if nowhere { Err(unknown()) } else { Ok(call) };
        };
        if call.endpoint == Endpoint::All {
            call.name = opened.task.tool.server.as_str().to_owned();
        }
        let raw = server_task::for_server(&call.arguments_raw, &opened.id, &opened.asked);
        let meta = CallMeta { server_task: Some(Box::new(opened.task)), ..std::mem::take(&mut call.meta) };
        with_arguments(ToolCall { meta, ..call }, &raw).ok_or_else(unknown)
    }
}
