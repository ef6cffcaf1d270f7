//! What one connection has listed, and the digests of it. Must never let a call pass on a list that is not
//! reported, or that the server has since said has changed.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use mcp::param_header::{AnnotationFault, ParamHeaders};
use mcp::reply::Offers;
use model::denial::Reason;
use model::digest::Digest;
use model::ids::ServerName;
use model::json::RawJson;
use model::method::Method;
use model::tool::PinnedTool;
use ports::definitions::{DefinitionObserver, Offered};
use ports::upstream::UpstreamFault;
use registry::{Definition, Listing};
use tokio::time::{Duration, Instant};

use crate::config::Limits;
use crate::fault::{not_sent, unavailable, violation};
use crate::lane::LaneKey;

/// One page of `tools/list`.
pub(crate) struct Page {
    /// The elements of `tools`, as they came.
    pub(crate) tools: Vec<RawJson>,
    /// `nextCursor`; empty is a cursor too.
    pub(crate) next: Option<String>,
    /// `ttlMs`.
    pub(crate) ttl: Option<Duration>,
}

/// Whoever can ask a server for a page.
pub(crate) trait Lister: Send + Sync {
    /// Whether its lists grow old: a change may go unannounced.
    fn ages(&self) -> bool;
    /// What the server declares to offer.
    fn offers(&self) -> Offers;
    /// One page. `None` is the first.
    fn page(&self, cursor: Option<String>) -> impl Future<Output = Result<Page, UpstreamFault>> + Send;
}

/// A tool as this connection lists it.
pub(crate) struct Listed {
    digest: Digest,
    /// What modern HTTP mirrors in headers; an invalid annotation makes the tool unusable there.
    pub(crate) headers: Result<ParamHeaders, AnnotationFault>,
}

/// A list that was reported to the registry.
pub(crate) struct Verified {
    tools: HashMap<Box<str>, Listed>,
    change: u64,
    stale_at: Option<Instant>,
}

impl Verified {
    /// The definition, if it is the one that was decided on.
    ///
    /// # Errors
    /// `definition_changed` when it is missing or differs: nothing may be sent.
    pub(crate) fn pinned(&self, tool: &PinnedTool) -> Result<&Listed, UpstreamFault> {
        let name = tool.name.tool.as_str();
        let refuse = |what: &str| {
            let text = format!("`{name}` {what}; list and certify what it offers again");
            Err(not_sent(Reason::DefinitionChanged, &tool.name.server, text))
        };
        match self.tools.get(name) {
            None => refuse("is not listed by this connection"),
            Some(listed) if listed.digest != tool.definition => {
                refuse(&format!("is {} on this connection, not {}", listed.digest, tool.definition))
            }
            Some(listed) => Ok(listed),
        }
    }
}

/// The definitions of one connection.
pub(crate) struct Definitions {
    server: ServerName,
    limits: Limits,
    observer: Arc<dyn DefinitionObserver>,
    /// Whether the server can ask whoever it serves: not on a connection of many.
    asks: bool,
    current: RwLock<Option<Arc<Verified>>>,
    changes: AtomicU64,
    one_at_a_time: tokio::sync::Mutex<()>,
}

impl Definitions {
    pub(crate) fn new(
        (server, limits): (ServerName, Limits),
        observer: Arc<dyn DefinitionObserver>,
        whose: &LaneKey,
    ) -> Self {
        let (current, changes) = (RwLock::new(None), AtomicU64::new(0));
        let (asks, one_at_a_time) = (*whose != LaneKey::Shared, tokio::sync::Mutex::new(()));
        Self { server, limits, observer, asks, current, changes, one_at_a_time }
    }

    /// The server said that its tools changed: nothing passes before they were listed again.
    pub(crate) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// The current list, unless it is outdated.
    pub(crate) fn fresh(&self) -> Option<Arc<Verified>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let verified = current.as_ref()?;
        let young = verified.stale_at.is_none_or(|at| Instant::now() < at);
        (young && self.unchanged(verified)).then(|| Arc::clone(verified))
    }

    /// Whether the server has not said since that its tools changed.
    pub(crate) fn unchanged(&self, verified: &Verified) -> bool {
        verified.change == self.changes.load(Ordering::Acquire)
    }

    /// The current list, obtained anew when it is outdated.
    pub(crate) async fn ensure(&self, lister: &impl Lister) -> Result<Arc<Verified>, UpstreamFault> {
        if let Some(verified) = self.fresh() {
            return Ok(verified);
        }
        let _turn = self.one_at_a_time.lock().await;
        match self.fresh() {
            Some(verified) => Ok(verified),
            None => self.list(lister).await,
        }
    }

    /// Lists now, whatever is known.
    pub(crate) async fn relist(&self, lister: &impl Lister) -> Result<Arc<Verified>, UpstreamFault> {
        let _turn = self.one_at_a_time.lock().await;
        self.list(lister).await
    }

    async fn list(&self, lister: &impl Lister) -> Result<Arc<Verified>, UpstreamFault> {
        /// A server that changes its tools while they are listed gets so many tries.
        const TRIES: usize = 3;
        for _ in 0..TRIES {
            let change = self.changes.load(Ordering::Acquire);
            let (tools, ttl) = match lister.offers().tools {
                true => self.read_all(lister).await?,
                false => (Vec::new(), Duration::MAX),
            };
            if change != self.changes.load(Ordering::Acquire) {
                continue;
            }
            // Asked now: listing may have begun another session.
            let mut methods = lister.offers().methods;
            if self.asks {
                methods.extend(Method::QUESTIONS);
            }
            let listing = Listing::read(&tools, &methods);
            self.observer
                .observed(&self.server, Offered { tools, methods })
                .await
                .map_err(|e| unavailable(&self.server, format!("its tools could not be registered: {e}")))?;
            return Ok(self.publish(listing, change, lister.ages().then_some(ttl)));
        }
        Err(unavailable(&self.server, "it changes its tools faster than they can be listed"))
    }

    fn publish(&self, listing: Listing, change: u64, ttl: Option<Duration>) -> Arc<Verified> {
        for refused in &listing.refused {
            tracing::warn!(server = %self.server, tool = %refused.name, why = %refused.fault, "tool left out");
        }
        let by_name = |tool: Arc<Definition>| {
            let headers = ParamHeaders::of_schema(tool.input_schema());
            (Box::from(tool.name().as_str()), Listed { digest: tool.digest(), headers })
        };
        let tools = listing.definitions.into_iter().map(by_name).collect();
        let (least, most) = (self.limits.list_age_min, self.limits.list_age_max);
        let stale_at = ttl.map(|ttl| Instant::now() + ttl.clamp(least, most.max(least)));
        let verified = Arc::new(Verified { tools, change, stale_at });
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&verified));
        verified
    }

    async fn read_all(&self, lister: &impl Lister) -> Result<(Vec<RawJson>, Duration), UpstreamFault> {
        let refuse = |what: &str| Err(violation(&self.server, format!("its list of tools {what}")));
        let mut tools = Vec::new();
        let mut seen = Vec::new();
        let (mut bytes, mut ttl, mut cursor) = (0usize, Duration::MAX, None);
        for _ in 0..self.limits.pages_max {
            let page = lister.page(cursor.take()).await?;
            bytes = bytes.saturating_add(page.tools.iter().map(|tool| tool.as_bytes().len()).sum());
            ttl = ttl.min(page.ttl.unwrap_or_default());
            tools.extend(page.tools);
            if tools.len() > self.limits.tools_max || bytes > self.limits.list_bytes_max {
                return refuse("is larger than allowed");
            }
            let Some(next) = page.next else { return Ok((tools, ttl)) };
            if seen.contains(&next) {
                return refuse("comes back to a page it already gave");
            }
            seen.push(next.clone());
            cursor = Some(next);
        }
        refuse("has more pages than allowed")
    }
}
