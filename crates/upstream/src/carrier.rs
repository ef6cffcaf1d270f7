//! A connection that carries many requests at once: what came of each is read from one stream. Must never take a
//! message for an answer that nobody asked for.

mod call;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use mcp::outbound;
use mcp::reply::{UpstreamMessage, UpstreamNotification};
use model::ids::ServerName;
use ports::upstream::UpstreamFault;

pub(crate) use self::call::CarriedStream;
use crate::conduct::{Conduct, Flood};
use crate::config::Limits;
use crate::fault::violation;
use crate::speak;
use crate::table::{Settled, Table};

/// Such a connection.
pub(crate) trait Carrier: Send + Sync + 'static {
    /// How one call was sent: what comes after it goes the same way.
    type Sending: Send;
    /// To whom.
    fn server(&self) -> &ServerName;
    /// Within which bounds.
    fn limits(&self) -> &Limits;
    /// What is open.
    fn table(&self) -> &Table;
    /// Whether it ever answered a call.
    fn served(&self) -> &AtomicBool;
    /// The answer was lost with the connection.
    fn lost(&self) -> UpstreamFault;
    /// The server said that its tools changed.
    fn tools_changed(self: &Arc<Self>);
    /// Says something that belongs to no call. Never waits: who does not read cannot be told.
    fn say(self: &Arc<Self>, message: Bytes);
    /// Says something that belongs to a call, not before the call itself. Never waits either.
    fn say_of(self: &Arc<Self>, sending: &Self::Sending, message: Bytes);
}

/// Takes one message of the server. What it answers tells whether it was asked for.
///
/// # Errors
/// When it floods.
pub(crate) fn take<C: Carrier>(
    connection: &Arc<C>,
    message: UpstreamMessage,
    conduct: &mut Conduct,
) -> Result<Option<Settled>, Flood> {
    match message {
        UpstreamMessage::Response { id, outcome } => Ok(Some(connection.table().settle(id, Ok(outcome)))),
        UpstreamMessage::Notification(notification) => {
            conduct.count(connection.limits().notifications_max)?;
            take_notification(connection, notification);
            Ok(None)
        }
        UpstreamMessage::Request(request) => {
            conduct.count(connection.limits().notifications_max)?;
            // `{}` to `ping`, an error to everything else.
            connection.say(request.answer());
            Ok(None)
        }
    }
}

fn take_notification<C: Carrier>(connection: &Arc<C>, notification: UpstreamNotification) {
    match notification {
        UpstreamNotification::Progress(update) => {
            let id = update.token;
            let max = connection.limits().notifications_max;
            if !connection.table().progress(id, speak::progress(update), max) {
                let fault = violation(connection.server(), "it floods the call with progress");
                connection.table().settle(Some(id), Err(fault));
                connection.say(outbound::cancelled(id, "too much progress"));
            }
        }
        UpstreamNotification::ToolsChanged => connection.tools_changed(),
        UpstreamNotification::Log(_)
        | UpstreamNotification::Cancelled { .. }
        | UpstreamNotification::Other => {}
    }
}
