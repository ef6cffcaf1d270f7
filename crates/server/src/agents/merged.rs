//! Lists beside tools at the door of all servers: one page of each, as one (ADR 0024). Must never hang for a server, nor
//! leave one out unseen.

use mcp::edit;
use mcp::fault::ProtocolFault;
use mcp::jsonrpc::{RequestId, result_message};
use mcp::merge::{self, LeftOut, Merged};
use mcp::page::{self, Next};
use mcp::version::Era;
use model::call::ToolCall;
use model::denial::Reason;
use model::ids::ServerName;
use model::json::RawJson;
use model::method::Method;
use registry::names;

use super::Exchange;
use super::cursors::{Cursors, Positions};
use super::several::page_of;
use crate::reply::{self, Reply};

/// What the servers gave together.
#[derive(Default)]
struct Gathered {
    items: Vec<RawJson>,
    next: Positions,
    left_out: Vec<LeftOut>,
}

impl Exchange<'_> {
    /// Answers a list from all servers at which this caller may ask for it: from their beginning, or from where they go on.
    pub(super) async fn merged(
        &self,
        era: Era,
        id: &RequestId,
        call: &ToolCall,
        servers: Vec<ServerName>,
    ) -> Reply {
        let method = call.method;
        let cursors = Cursors::of(&self.face.door, &self.caller.principal().agent, call);
        let begin = cursors.as_ref().map_or(Ok(None), |cursors| cursors.begin(call));
        let (Some(cursors), Ok(begin)) = (cursors, begin) else {
            let fault =
                ProtocolFault::params("`cursor` was not given by this server").with_id(Some(id.clone()));
            return self.fault(fault, method.as_str()).await;
        };
        let pages: Vec<(ServerName, Option<String>)> = match begin {
            None => servers.into_iter().map(|server| (server, None)).collect(),
            // What this caller may not ask for any more is not there any more.
            Some(positions) => {
                let known = positions.into_iter().filter(|(server, _)| servers.contains(server));
                known.map(|(server, cursor)| (server, Some(cursor))).collect()
            }
        };
        let mut gathered = self.gather(call, pages).await;
        let next = gathered.next(&cursors);
        let Gathered { items, left_out, .. } = &gathered;
        let merged = Merged { method, items, next: next.as_deref(), left_out };
        reply::json(200, result_message(id, &merged.result(era, &self.face.server)))
    }

    async fn gather(&self, call: &ToolCall, pages: Vec<(ServerName, Option<String>)>) -> Gathered {
        let asked = |(server, cursor): (ServerName, Option<String>)| {
            let mut page = page_of(call.method, &server, cursor.as_deref())?;
            page.meta.trace.clone_from(&call.meta.trace);
            Some((server, page))
        };
        let calls = pages.into_iter().filter_map(asked).collect();
        let mut gathered = Gathered::default();
        for (server, answer) in self.ask_all(calls).await {
            match answer {
                Ok(page) => gathered.add(call.method, server, &page),
                Err(missing) => gathered.left_out.push(LeftOut { server, reason: missing.code() }),
            }
        }
        gathered
    }
}

impl Gathered {
    fn add(&mut self, method: Method, server: ServerName, page: &RawJson) {
        let items = merge::items(method, page);
        self.items.extend(items.iter().filter_map(|item| shown(method, &server, item)));
        match page::next(page) {
            Next::End => {}
            Next::At(cursor) => self.next.push((server, cursor)),
            Next::Broken => {
                self.left_out.push(LeftOut { server, reason: Reason::UpstreamViolation.code() });
            }
        }
    }

    /// Where all of it goes on. Should not all cursors fit into one, the longest are left out.
    fn next(&mut self, cursors: &Cursors) -> Option<String> {
        while !self.next.is_empty() {
            match cursors.seal(&self.next) {
                Ok(text) => return Some(text),
                Err(fault) => {
                    let longest = self.next.iter().enumerate().max_by_key(|(_, (_, cursor))| cursor.len());
                    let (server, _) = self.next.remove(longest.map_or(0, |(at, _)| at));
                    tracing::warn!(%server, %fault, "where a list goes on cannot be carried");
                    self.left_out.push(LeftOut { server, reason: Reason::LimitExceeded.code() });
                }
            }
        }
        None
    }
}

/// An item at the door of all servers. A prompt without a name could not be asked for.
fn shown(method: Method, server: &ServerName, item: &RawJson) -> Option<RawJson> {
    if method != Method::ListPrompts {
        return Some(merge::of_server(item, server));
    }
    let own = edit::member(item, "name").and_then(|name| edit::text(&name))?;
    let named = edit::with(item, "name", &edit::string(&names::of_prompt(server, &own)));
    Some(merge::of_server(&named, server))
}
