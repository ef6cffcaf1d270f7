//! The requests under way, by id. Must never cancel another request than the one that was named.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mcp::jsonrpc::RequestId;
use tokio::sync::Notify;

/// Requests that wait for their answer.
#[derive(Default)]
pub(super) struct Open(Mutex<HashMap<RequestId, Arc<Request>>>);

/// A request under way.
struct Request {
    /// Whether ending its connection takes it back; else a message does.
    by_connection: bool,
    cancelled: Notify,
}

/// One of them, until it is dropped.
pub(super) struct Place<'a> {
    open: &'a Open,
    id: RequestId,
    request: Arc<Request>,
}

impl Open {
    /// A place for a request. A second one of the same id has none: the door refuses it.
    pub(super) fn enter(&self, id: &RequestId, by_connection: bool) -> Option<Place<'_>> {
        let mut all = self.all();
        if all.contains_key(id) {
            return None;
        }
        let request = Arc::new(Request { by_connection, cancelled: Notify::new() });
        all.insert(id.clone(), Arc::clone(&request));
        Some(Place { open: self, id: id.clone(), request })
    }

    /// Whether a request still waits.
    pub(super) fn waits(&self, id: &RequestId) -> bool {
        self.all().contains_key(id)
    }

    /// Takes a request back, if ending its connection does that; else the daemon has to be told.
    pub(super) fn cancel(&self, id: &RequestId) -> bool {
        let request = self.all().get(id).map(Arc::clone);
        request
            .filter(|request| request.by_connection)
            .map(|request| request.cancelled.notify_one())
            .is_some()
    }

    /// Gives a request up, whichever way it is taken back: the daemon could not be told.
    pub(super) fn give_up(&self, id: &RequestId) {
        let request = self.all().get(id).map(Arc::clone);
        request.inspect(|request| request.cancelled.notify_one());
    }

    fn all(&self) -> MutexGuard<'_, HashMap<RequestId, Arc<Request>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// Resolves when the request is taken back by ending its connection, or given up.
    pub(super) async fn cancelled(&self) {
        self.request.cancelled.notified().await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.open.all().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_named_request_is_taken_back() {
        let open = Open::default();
        let (one, two) = (RequestId::ours(1), RequestId::ours(2));
        let (first, second) = (open.enter(&one, true).unwrap(), open.enter(&two, false).unwrap());
        assert!(open.enter(&one, true).is_none());
        assert!(!open.cancel(&RequestId::ours(3)) && !open.cancel(&two));
        assert!(open.cancel(&one));
        first.cancelled().await;
        drop(first);
        open.give_up(&two);
        second.cancelled().await;
        assert!(!open.waits(&one) && open.waits(&two));
        assert!(open.enter(&one, true).is_some());
    }
}
