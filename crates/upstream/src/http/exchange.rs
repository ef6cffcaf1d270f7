//! One HTTP request and its response, driven in the caller's own task. Must never follow a redirect, nor put a
//! connection back into the pool before its response was read to the end.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::TrySendError;

use super::dial::{Dialer, Link};

/// An idle connection is not used again after this: servers close theirs after 5 s (Node) or later, and a
/// request that crosses such a close may or may not have arrived.
const IDLE: Duration = Duration::from_secs(4);
/// Idle connections kept.
const IDLE_MAX: usize = 128;

/// Why an exchange failed, and whether the request may have arrived.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) sent: bool,
    pub(super) why: String,
}

/// Connections waiting for the next request, newest last.
pub(super) struct Pool {
    dialer: Dialer,
    idle: Mutex<Vec<(Link, Instant)>>,
}

impl Pool {
    pub(super) const fn new(dialer: Dialer) -> Self {
        Self { dialer, idle: Mutex::new(Vec::new()) }
    }

    /// A connection that is open as far as can be told.
    async fn link(&self) -> Result<Link, Broken> {
        while let Some(mut link) = self.pop() {
            let open = poll_fn(|cx| Poll::Ready(link.drive(cx))).await;
            if open && link.sender.is_ready() {
                return Ok(link);
            }
        }
        self.dialer.dial().await.map_err(|why| Broken { sent: false, why })
    }

    fn pop(&self) -> Option<Link> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let (link, since) = idle.pop()?;
        if since.elapsed() < IDLE {
            return Some(link);
        }
        // The newest is too old, so all are.
        idle.clear();
        None
    }

    fn put(&self, link: Link) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push((link, Instant::now()));
        }
    }
}

type Sending =
    Pin<Box<dyn Future<Output = Result<Response<Incoming>, TrySendError<Request<Full<Bytes>>>>> + Send>>;
type Linking = Pin<Box<dyn Future<Output = Result<Link, Broken>> + Send>>;

enum State {
    Linking(Linking, Box<Request<Full<Bytes>>>),
    Sending(Link, Sending),
    Reading(Link, Incoming),
    Over,
}

/// A request on its way. Nothing is sent before it is polled. Dropping it closes the connection, unless the
/// response was read to its end.
pub(super) struct Exchange {
    pool: Arc<Pool>,
    state: State,
}

impl Exchange {
    /// Prepares a request.
    pub(super) fn new(pool: &Arc<Pool>, request: Request<Full<Bytes>>) -> Self {
        let own = Arc::clone(pool);
        let linking: Linking = Box::pin(async move { own.link().await });
        Self { pool: Arc::clone(pool), state: State::Linking(linking, Box::new(request)) }
    }

    /// Whether any byte of the request may have left.
    pub(super) const fn begun(&self) -> bool {
        !matches!(self.state, State::Linking(..))
    }

    /// The response head. Safe to drop and call again until it resolved.
    pub(super) async fn head(&mut self) -> Result<http::response::Parts, Broken> {
        poll_fn(|cx| self.poll_head(cx)).await
    }

    /// The next bytes of the body; `None` at its end. Safe to drop and call again.
    pub(super) async fn chunk(&mut self) -> Option<Result<Bytes, Broken>> {
        poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// Whether the body is known to be over, without waiting.
    pub(super) fn at_end(&mut self) -> bool {
        let mut nobody = Context::from_waker(Waker::noop());
        matches!(self.poll_chunk(&mut nobody), Poll::Ready(None))
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<http::response::Parts, Broken>> {
        loop {
            match std::mem::replace(&mut self.state, State::Over) {
                State::Linking(mut linking, request) => match linking.as_mut().poll(cx) {
                    Poll::Pending => {
                        self.state = State::Linking(linking, request);
                        return Poll::Pending;
                    }
                    Poll::Ready(Err(broken)) => return Poll::Ready(Err(broken)),
                    Poll::Ready(Ok(mut link)) => {
                        let sending = Box::pin(link.sender.try_send_request(*request));
                        self.state = State::Sending(link, sending);
                    }
                },
                State::Sending(mut link, mut sending) => {
                    link.drive(cx);
                    match sending.as_mut().poll(cx) {
                        Poll::Pending => {
                            self.state = State::Sending(link, sending);
                            return Poll::Pending;
                        }
                        Poll::Ready(Ok(response)) => {
                            let (parts, body) = response.into_parts();
                            self.state = State::Reading(link, body);
                            return Poll::Ready(Ok(parts));
                        }
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(unsent_or_broken(error))),
                    }
                }
                State::Reading(..) | State::Over => {
                    return Poll::Ready(Err(Broken {
                        sent: true,
                        why: "response was read twice".to_owned(),
                    }));
                }
            }
        }
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        let State::Reading(link, body) = &mut self.state else { return Poll::Ready(None) };
        let mut asked = false;
        loop {
            match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(bytes) if !bytes.is_empty() => return Poll::Ready(Some(Ok(bytes))),
                    _ => continue,
                },
                Poll::Ready(Some(Err(error))) => {
                    self.state = State::Over;
                    return Poll::Ready(Some(Err(Broken { sent: true, why: cut(&error) })));
                }
                Poll::Ready(None) => {
                    self.give_back(cx);
                    return Poll::Ready(None);
                }
                Poll::Pending if asked => return Poll::Pending,
                Poll::Pending => {}
            }
            // The body asks, the driver reads, the body is asked once more.
            link.drive(cx);
            asked = true;
        }
    }

    /// The response ended: the connection may serve again.
    fn give_back(&mut self, cx: &mut Context<'_>) {
        if let State::Reading(mut link, _) = std::mem::replace(&mut self.state, State::Over)
            && link.drive(cx)
            && link.sender.is_ready()
        {
            self.pool.put(link);
        }
    }
}

fn unsent_or_broken(mut error: TrySendError<Request<Full<Bytes>>>) -> Broken {
    let sent = error.take_message().is_none();
    Broken { sent, why: cut(error.error()) }
}

/// Our words for what went wrong; hyper's own text holds no bytes of a message.
fn cut(error: &hyper::Error) -> String {
    use std::error::Error as _;
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("connection broke: {error}{cause}")
}
