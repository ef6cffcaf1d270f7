//! A connection that carries many requests at once: what came of each is read from one stream. Must never take a
//! message for an answer that nobody asked for.

mod call;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use mcp::outbound;
use mcp::reply::{Announcement, ServerRequest, UpstreamMessage, UpstreamNotification};
use mcp::version::ProtocolVersion;
use model::client::ClientCapabilities;
use model::ids::ServerName;
use model::method::Method;
use ports::BoxFuture;
use ports::upstream::{Forward, UpstreamFault};

pub(crate) use self::call::CarriedStream;
use crate::asked::Retry;
use crate::conduct::{Conduct, Flood};
use crate::config::Limits;
use crate::fault::violation;
use crate::speak;
use crate::table::{Settled, Table, Ticket, Unasked};

/// Why a call ends whose server asks faster than it can be answered, or without end.
const ASKS_TOO_MUCH: &str = "it asks more than is carried during one call";

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
    /// The server said that something else changed, or what it will tell of.
    fn announced(&self, said: Announcement);
    /// Says something that belongs to no call. Never waits: who does not read cannot be told.
    fn say(self: &Arc<Self>, message: Bytes);
    /// Says that a call is over, which each is once. Not before the call itself, and never waits either.
    fn say_over(self: &Arc<Self>, sending: &Self::Sending, message: Bytes);
    /// Answers what was asked during a call, in the same way. False when too many answers are on their way: it is lost.
    fn answer_of(self: &Arc<Self>, sending: &Self::Sending, message: Bytes) -> bool;
    /// The revision that is spoken.
    fn version(&self) -> ProtocolVersion {
        ProtocolVersion::LATEST_LEGACY
    }
    /// What the server may ask by requests of its own.
    fn may_ask(&self) -> ClientCapabilities {
        ClientCapabilities::NONE
    }
    /// Sends the same call again, as only stateless servers want it.
    fn send_again(self: &Arc<Self>, _: Arc<Forward>, _: Retry) -> Sending<Self::Sending> {
        let fault = violation(self.server(), "it wants a call again that is open there");
        Box::pin(std::future::ready(Err(fault)))
    }
}

/// A call being sent; all is left undone when it is dropped.
pub(crate) type Sending<S> = BoxFuture<'static, Result<(Ticket, S), UpstreamFault>>;

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
            take_request(connection, request);
            Ok(None)
        }
    }
}

fn take_request<C: Carrier>(connection: &Arc<C>, request: ServerRequest) {
    let asks = Method::parse_question(&request.method).is_some() && !connection.may_ask().is_empty();
    let unasked = if asks { connection.table().ask(request).err() } else { Some(Unasked::Nobody(request)) };
    match unasked {
        // `{}` to `ping`, an error to everything else.
        Some(Unasked::Nobody(request)) => connection.say(request.answer()),
        Some(Unasked::TooMuch(id)) => end(connection, id, ASKS_TOO_MUCH),
        None => {}
    }
}

/// Ends a call of which the server says too much.
fn end<C: Carrier>(connection: &Arc<C>, id: u64, what: &str) {
    connection.table().settle(Some(id), Err(violation(connection.server(), what)));
    connection.say(outbound::cancelled(id, what));
}

fn take_notification<C: Carrier>(connection: &Arc<C>, notification: UpstreamNotification) {
    match notification {
        UpstreamNotification::Progress(update) => {
            let id = update.token;
            let max = connection.limits().notifications_max;
            if !connection.table().progress(id, speak::progress(update), max) {
                end(connection, id, "it floods the call with progress");
            }
        }
        UpstreamNotification::ToolsChanged => connection.tools_changed(),
        UpstreamNotification::Announced(said) => connection.announced(said),
        UpstreamNotification::Log(update) => {
            for id in connection.table().log(&update, connection.limits().notifications_max) {
                end(connection, id, "it floods the call with messages");
            }
        }
        UpstreamNotification::Cancelled { request: Some(id) } => connection.table().withdrawn(&id),
        UpstreamNotification::Cancelled { request: None } | UpstreamNotification::Other => {}
    }
}
