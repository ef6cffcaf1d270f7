//! The requests under way, by id. Must never cancel another request than the one that was named.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mcp::jsonrpc::RequestId;
use tokio::sync::Notify;

/// Requests that wait for their answer.
#[derive(Default)]
pub(super) struct Open(Mutex<HashMap<RequestId, Arc<Notify>>>);

/// One of them, until it is dropped.
pub(super) struct Place<'a> {
    open: &'a Open,
    id: RequestId,
    cancelled: Arc<Notify>,
}

impl Open {
    /// A place for a request. A second one of the same id has none: the door refuses it.
    pub(super) fn enter(&self, id: &RequestId) -> Option<Place<'_>> {
        let mut all = self.all();
        if all.contains_key(id) {
            return None;
        }
        let cancelled = Arc::new(Notify::new());
        all.insert(id.clone(), Arc::clone(&cancelled));
        Some(Place { open: self, id: id.clone(), cancelled })
    }

    /// Whether a request still waits.
    pub(super) fn waits(&self, id: &RequestId) -> bool {
        self.all().contains_key(id)
    }

    /// Takes a request back.
    pub(super) fn cancel(&self, id: &RequestId) {
        if let Some(cancelled) = self.all().get(id) {
            cancelled.notify_one();
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<RequestId, Arc<Notify>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// Resolves when the request is taken back.
    pub(super) async fn cancelled(&self) {
        self.cancelled.notified().await;
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
        let (first, _second) = (open.enter(&one).unwrap(), open.enter(&two).unwrap());
        assert!(open.enter(&one).is_none());
        open.cancel(&RequestId::ours(3));
        open.cancel(&one);
        first.cancelled().await;
        drop(first);
        assert!(!open.waits(&one) && open.waits(&two));
        assert!(open.enter(&one).is_some());
    }
}
