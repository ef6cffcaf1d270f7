//! What keeps a call going: whoever waits for it polls it, and when nobody does any more it has a task of its own.
//!
//! Must never drop a call that has begun, nor swallow a panic silently: the caller of [`CatchPanic`] turns it into a
//! denial.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ports::BoxFuture;
use ports::clock::Spawner;
use tokio::sync::oneshot;

/// Something that goes on to its end: in the task that polls this, without a hand-over between threads; in a task of
/// its own from [`Self::detach`] on, or when this is dropped before the end.
pub struct Supervised<T: Send + 'static> {
    place: Place<T>,
    spawner: Arc<dyn Spawner>,
}

enum Place<T> {
    Here(BoxFuture<'static, T>),
    There(oneshot::Receiver<T>),
    Ended,
}

impl<T: Send + 'static> Supervised<T> {
    pub(crate) fn new(future: BoxFuture<'static, T>, spawner: Arc<dyn Spawner>) -> Self {
        Self { place: Place::Here(future), spawner }
    }

    /// Hands the rest to a task of its own. The end still arrives here.
    pub fn detach(&mut self) {
        match std::mem::replace(&mut self.place, Place::Ended) {
            Place::Here(future) => {
                let (sender, receiver) = oneshot::channel();
                // The receiver may be gone by then; the record has the end all the same.
                self.spawner.spawn(Box::pin(async move { drop(sender.send(future.await)) }));
                self.place = Place::There(receiver);
            }
            other => self.place = other,
        }
    }
}

impl<T: Send + 'static> Future for Supervised<T> {
    /// `None` when its own task ended without an answer: it panicked, or the process is ending.
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Taken out while it is polled: what panicked is not polled again.
        let mut place = std::mem::replace(&mut self.place, Place::Ended);
        let polled = match &mut place {
            Place::Here(future) => future.as_mut().poll(context).map(Some),
            Place::There(receiver) => Pin::new(receiver).poll(context).map(Result::ok),
            Place::Ended => Poll::Ready(None),
        };
        if polled.is_pending() {
            self.place = place;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Supervised<T> {
    fn drop(&mut self) {
        if let Place::Here(_) = self.place {
            self.detach();
        }
    }
}

/// A panic was caught while polling.
#[derive(Debug)]
pub(crate) struct Panicked;

/// Polls a future and turns a panic into [`Panicked`].
pub(crate) struct CatchPanic<'a, T>(BoxFuture<'a, T>);

impl<'a, T> CatchPanic<'a, T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'a) -> Self {
        Self(Box::pin(future))
    }
}

impl<T> Future for CatchPanic<'_, T> {
    type Output = Result<T, Panicked>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let inner = &mut self.get_mut().0;
        match catch_unwind(AssertUnwindSafe(|| inner.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    }
}

#[cfg(test)]
mod tests;
