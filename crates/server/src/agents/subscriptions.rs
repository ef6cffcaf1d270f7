//! Subscriptions to resources: `resources/subscribe` in a session, or part of `subscriptions/listen`. Must never grant one
//! that the door did not.

use std::sync::Arc;

use call::{Finished, Subscribing, Subscription};
use mcp::answer;
use mcp::edit;
use mcp::fault::ProtocolFault;
use mcp::jsonrpc::{RequestId, result_message};
use mcp::version::Era;
use model::call::{CallMeta, Endpoint, ToolCall};
use model::client::ClientCapabilities;
use model::json::{Json, Member, RawJson};
use model::method::Method;
use ports::upstream::Answer;

use super::Exchange;
use super::answering::Answering;
use super::sessions::Session;
use crate::reply::{self, Reply};

/// A subscription that is wanted, and on its way.
pub(super) struct Pending {
    pub(super) uri: Box<str>,
    subscribing: Subscribing,
}

impl Pending {
    /// The subscription, if it was granted.
    pub(super) async fn granted(self) -> Option<(Box<str>, Subscription)> {
        match self.subscribing.done.await {
            Some((Finished::Answered(_, Answer::Result { .. }), Some(subscription))) => {
                Some((self.uri, subscription))
            }
            _ => None,
        }
    }
}

impl Exchange<'_> {
    /// `resources/subscribe`.
    pub(super) async fn subscribe_to(
        &self,
        session: &Arc<Session>,
        answering: Answering,
        call: ToolCall,
    ) -> Reply {
        let uri = call.arguments.get("uri").and_then(Json::as_str).map(Box::from);
        let subscribing = match self.face.door.subscribe(self.caller.clone(), call).await {
            Ok(subscribing) => subscribing,
            Err(refused) => return answering.refusal(&refused).into_reply(),
        };
        let Some((finished, subscription)) = subscribing.done.await else {
            return answering.end(None).into_reply();
        };
        if let (Some(uri), Some(subscription)) = (uri, subscription) {
            session.updates.keep(uri, subscription);
        }
        answering.end(Some(finished)).into_reply()
    }

    /// `resources/unsubscribe`: of one that is not there nothing is to be ended.
    pub(super) async fn unsubscribe(&self, session: &Session, id: RequestId, uri: &str) -> Reply {
        const METHOD: &str = "resources/unsubscribe";
        if !self.face.door.methods(&self.caller, &self.endpoint).contains(&Method::Subscribe) {
            let fault = ProtocolFault::method(Era::Legacy, METHOD).with_id(Some(id));
            return self.fault(fault, METHOD).await;
        }
        session.updates.end(uri);
        reply::json(200, result_message(&id, &answer::empty()))
    }

    /// One URI of `subscriptions/listen`. What is refused is recorded, and left out of what is granted.
    pub(super) async fn wanted(&self, uri: &str, client: ClientCapabilities) -> Option<Pending> {
        let value = Json::String(Box::from(uri));
        let arguments = Json::Object(vec![Member { name: Box::from("uri"), value, span: 0..0 }]);
        let call = ToolCall {
            endpoint: self.endpoint.clone(),
            method: Method::Subscribe,
            name: String::new(),
            arguments,
            arguments_raw: edit::with(&RawJson::empty_object(), "uri", &edit::string(uri)),
            meta: CallMeta { client, ..CallMeta::default() },
        };
        let call = match self.endpoint {
            Endpoint::All => self.aimed(call).await.ok()?,
            Endpoint::Server(_) => call,
        };
        let mut subscribing = self.face.door.subscribe(self.caller.clone(), call).await.ok()?;
        // They are awaited one after the other, and go on together.
        subscribing.done.detach();
        Some(Pending { uri: Box::from(uri), subscribing })
    }
}
