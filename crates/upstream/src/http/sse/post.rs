//! What is posted to a server of the old transport. Must never leave after it was cancelled, after the tools changed
//! that it was compared with, or twice.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::StatusCode;
use ports::secret::Secret;
use ports::upstream::UpstreamFault;
use tokio::sync::watch;
use tokio::time::Instant;

use super::SseConnection;
use crate::definitions::Verified;
use crate::fault::unavailable;
use crate::http::ASIDE;
use crate::http::response::{Part, Response, Unreadable};

/// A request on its way.
pub(super) struct Posting {
    /// Its id in the table.
    pub(super) id: u64,
    pub(super) credential: Option<Secret>,
    /// The list it was compared with, if it is a call.
    pub(super) verified: Option<Arc<Verified>>,
    /// When nobody waits for it any more.
    pub(super) until: Instant,
}

/// What is known of a request that was posted.
#[derive(Clone)]
pub(crate) struct Sending {
    /// Set once it is known whether it left.
    left: watch::Receiver<Option<bool>>,
    pub(super) credential: Option<Secret>,
}

impl Sending {
    /// Whether the request may have reached the server, as soon as that is known.
    pub(super) async fn left(&mut self) -> bool {
        let known = self.left.wait_for(Option::is_some).await;
        // Whoever posted it is gone, which tells nothing.
        known.map_or(true, |left| left.unwrap_or(true))
    }
}

impl SseConnection {
    /// Posts a request in a task of its own. What becomes of it stands in the table.
    pub(super) fn send(self: &Arc<Self>, posting: Posting, body: Bytes) -> Sending {
        let (tell, left) = watch::channel(None);
        let sending = Sending { left, credential: posting.credential.clone() };
        let own = Arc::clone(self);
        tokio::spawn(async move {
            let mut post = own.post(posting.credential.as_ref(), body);
            let refused = tokio::time::timeout_at(posting.until, own.deliver(&posting, &mut post)).await;
            tell.send_replace(Some(post.begun()));
            match refused {
                Ok(Ok(())) => post.finish(),
                Ok(Err(fault)) => drop(own.table.settle(Some(posting.id), Err(fault))),
                // Its caller knows the time too.
                Err(_) => {}
            }
        });
        sending
    }

    /// Until the server took it, or it may not leave any more.
    async fn deliver(&self, posting: &Posting, post: &mut Response) -> Result<(), UpstreamFault> {
        let mut stirred = self.stirred.subscribe();
        loop {
            if !post.begun() {
                self.may_leave(posting)?;
            }
            tokio::select! {
                biased;
                _ = stirred.changed(), if !post.begun() => {}
                part = post.next() => return self.taken(part),
            }
        }
    }

    fn may_leave(&self, posting: &Posting) -> Result<(), UpstreamFault> {
        let unchanged = posting.verified.as_ref().is_none_or(|list| self.definitions.unchanged(list));
        match (self.table.is_open(posting.id), unchanged) {
            (true, true) => Ok(()),
            (true, false) => Err(unavailable(&self.site.server, "its tools have just changed; try again")),
            // Nobody hears it.
            (false, _) => Err(unavailable(&self.site.server, "the request was given up")),
        }
    }

    /// 202, says the protocol; any success will do. What is in it is no answer.
    fn taken(&self, part: Result<Part, Unreadable>) -> Result<(), UpstreamFault> {
        match part {
            Ok(Part::Refused(status, _)) => {
                // The session, or our credential, is not known any more: whatever comes next needs another.
                let for_good = matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE)
                    || (status == StatusCode::UNAUTHORIZED
                        && (self.site.sealed || self.site.oauth.is_some()));
                if for_good {
                    self.refused.store(true, Ordering::Release);
                }
                Err(self.site.refused(status))
            }
            Ok(_) => Ok(()),
            Err(unreadable) => Err(self.site.unreadable(unreadable)),
        }
    }

    /// Posts something that nothing answers.
    pub(super) async fn post_aside(
        &self,
        credential: Option<&Secret>,
        message: Bytes,
    ) -> Result<(), UpstreamFault> {
        let mut post = self.post(credential, message);
        let taken = self.taken(post.next().await);
        post.finish();
        taken
    }

    /// The same, for a bounded time; nobody waits for it.
    pub(super) async fn tell(&self, credential: Option<&Secret>, message: Bytes) {
        match tokio::time::timeout(ASIDE, self.post_aside(credential, message)).await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => tracing::debug!(why = %fault.private, "not delivered"),
            Err(_) => tracing::debug!(server = %self.site.server, "not delivered in time"),
        }
    }

    /// The same, of a call: once that has left, if it does.
    pub(super) async fn tell_after(self: Arc<Self>, mut sending: Sending, message: Bytes) {
        if sending.left().await {
            self.tell(sending.credential.as_ref(), message).await;
        }
    }

    fn post(&self, credential: Option<&Secret>, body: Bytes) -> Response {
        let request = self.site.request_to(&self.endpoint, (http::Method::POST, &[]), credential, body);
        self.site.send(request, 0)
    }
}
