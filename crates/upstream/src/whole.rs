//! What a server offers in all, from what it lists to clients of different abilities: some servers list fewer tools to a client
//! that can be asked less. Must never take what one client is not shown for something the server has no more.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mcp::edit;
use model::client::ClientCapabilities;
use model::ids::ServerName;
use model::json::RawJson;
use model::method::Method;
use ports::BoxFuture;
use ports::definitions::{DefinitionObserver, Offered};
use ports::fault::Fault;

use crate::config::Limits;

/// What the registry is told of one server.
pub(crate) struct Whole {
    observer: Arc<dyn DefinitionObserver>,
    /// What it listed last, by what was declared to it. Held while the registry is told, so that it is told in order.
    known: tokio::sync::Mutex<Known>,
}

impl Whole {
    /// Within what one list may have.
    pub(crate) fn new(observer: Arc<dyn DefinitionObserver>, limits: &Limits) -> Arc<Self> {
        let (tools_max, bytes_max) = (limits.tools_max, limits.list_bytes_max);
        let known = Known { by_client: HashMap::new(), tools_max, bytes_max };
        Arc::new(Self { observer, known: tokio::sync::Mutex::new(known) })
    }

    /// For a connection on which this was declared.
    pub(crate) fn seen_with(self: &Arc<Self>, client: ClientCapabilities) -> Arc<dyn DefinitionObserver> {
        Arc::new(Part { whole: Arc::clone(self), client })
    }
}

/// What one connection lists.
struct Part {
    whole: Arc<Whole>,
    client: ClientCapabilities,
}

impl DefinitionObserver for Part {
    fn observed<'a>(&'a self, server: &'a ServerName, offered: Offered) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            let mut known = self.whole.known.lock().await;
            let all = known.with(self.client, offered);
            self.whole.observer.observed(server, all).await
        })
    }
}

struct Known {
    by_client: HashMap<ClientCapabilities, Listed>,
    tools_max: usize,
    bytes_max: usize,
}

struct Listed {
    /// By name; an element without one under its place.
    tools: HashMap<String, RawJson>,
    methods: Vec<Method>,
}

impl Known {
    /// The server lists this to a client of those abilities: what it offers in all, this first.
    fn with(&mut self, client: ClientCapabilities, offered: Offered) -> Offered {
        let named = |(at, tool): (usize, &RawJson)| {
            let name = edit::member(tool, "name").and_then(|leaf| edit::text(&leaf));
            (name.unwrap_or_else(|| format!("\0{at}")), tool.clone())
        };
        let tools: HashMap<_, _> = offered.tools.iter().enumerate().map(named).collect();
        let before = self.by_client.remove(&client).map(|listed| listed.tools).unwrap_or_default();
        for (other, listed) in &mut self.by_client {
            // Who can be asked more is not shown less; and what was shown and is not any more is gone for all.
            let less = client.has(*other);
            listed.tools.retain(|name, tool| match tools.get(name) {
                Some(latest) => {
                    tool.clone_from(latest);
                    true
                }
                None => !(less || before.contains_key(name)),
            });
            if less {
                listed.methods.retain(|method| offered.methods.contains(method));
            }
        }
        let mut all = offered.clone();
        let mut rest: HashMap<&String, &RawJson> = HashMap::new();
        for listed in self.by_client.values() {
            rest.extend(listed.tools.iter().filter(|(name, _)| !tools.contains_key(*name)));
            all.methods.extend(listed.methods.iter().filter(|method| !offered.methods.contains(method)));
        }
        let mut rest: Vec<_> = rest.into_iter().collect();
        rest.sort_by_key(|(name, _)| *name);
        let (mut bytes, mut dropped) = (bytes_of(&all.tools), HashSet::new());
        for (name, tool) in rest {
            let more = bytes.saturating_add(tool.as_bytes().len());
            if all.tools.len() >= self.tools_max || more > self.bytes_max {
                dropped.insert(name.clone());
                continue;
            }
            bytes = more;
            all.tools.push(tool.clone());
        }
        all.methods.sort();
        all.methods.dedup();
        // What is told of no more is not kept either, or lists of many clients would add up.
        for listed in self.by_client.values_mut() {
            listed.tools.retain(|name, _| !dropped.contains(name));
        }
        self.by_client.insert(client, Listed { tools, methods: offered.methods });
        all
    }
}

fn bytes_of(tools: &[RawJson]) -> usize {
    tools.iter().map(|tool| tool.as_bytes().len()).sum()
}

#[cfg(test)]
mod tests {
    use model::limits::JsonLimits;

    use super::*;

    const MORE: ClientCapabilities = ClientCapabilities::ALL;
    const LESS: ClientCapabilities = ClientCapabilities::ROOTS;

    fn offered(names: &[&str]) -> Offered {
        let tool = |name: &&str| {
            let text = format!(r#"{{"name":"{name}"}}"#).into_bytes();
            RawJson::parse(text.into(), &JsonLimits::UPSTREAM).unwrap().0
        };
        Offered { tools: names.iter().map(tool).collect(), methods: Vec::new() }
    }

    fn known() -> Known {
        Known { by_client: HashMap::new(), tools_max: 4, bytes_max: 1 << 10 }
    }

    fn names(offered: &Offered) -> Vec<String> {
        let mut names: Vec<_> = offered.tools.iter().map(|tool| tool.as_str().to_owned()).collect();
        names.sort();
        names.iter().map(|text| text[9..text.len() - 2].to_owned()).collect()
    }

    #[test]
    fn a_client_that_is_shown_less_takes_nothing_away() {
        let mut known = known();
        assert_eq!(names(&known.with(MORE, offered(&["a", "ask"]))), ["a", "ask"]);
        assert_eq!(names(&known.with(LESS, offered(&["a"]))), ["a", "ask"]);
        assert_eq!(names(&known.with(LESS, offered(&["a", "b"]))), ["a", "ask", "b"]);
    }

    #[test]
    fn the_whole_is_no_larger_than_one_list_may_be() {
        let (mut by_count, mut by_bytes) = (known(), Known { bytes_max: 36, ..known() });
        for known in [&mut by_count, &mut by_bytes] {
            known.with(MORE, offered(&["a", "b"]));
        }
        assert_eq!(names(&by_count.with(LESS, offered(&["c", "d", "e"]))), ["a", "c", "d", "e"]);
        let kept: usize = by_count.by_client.values().map(|listed| listed.tools.len()).sum();
        assert_eq!(kept, 4, "what is left out is not kept");
        assert_eq!(names(&by_bytes.with(LESS, offered(&["c", "d"]))), ["a", "c", "d"]);
    }

    #[test]
    fn what_the_most_able_client_is_not_shown_is_gone() {
        let mut known = known();
        known.with(LESS, offered(&["a", "old"]));
        assert_eq!(names(&known.with(MORE, offered(&["a"]))), ["a"]);
        assert_eq!(names(&known.with(LESS, offered(&["a"]))), ["a"]);
    }

    #[test]
    fn what_a_client_was_shown_and_is_not_any_more_is_gone_for_all() {
        let mut known = known();
        known.with(MORE, offered(&["a", "ask", "old"]));
        known.with(LESS, offered(&["a", "old"]));
        assert_eq!(names(&known.with(LESS, offered(&["a"]))), ["a", "ask"]);
    }

    #[test]
    fn the_latest_definition_is_the_one_that_is_told() {
        let mut known = known();
        known.with(MORE, offered(&["a"]));
        let text = r#"{"name":"a","description":"changed"}"#.as_bytes().to_vec();
        let tool = RawJson::parse(text.into(), &JsonLimits::UPSTREAM).unwrap().0;
        let all = known.with(LESS, Offered { tools: vec![tool.clone()], methods: Vec::new() });
        assert_eq!(all.tools.iter().map(RawJson::as_str).collect::<Vec<_>>(), [tool.as_str()]);
        let other = known.with(ClientCapabilities::SAMPLING, offered(&[]));
        assert_eq!(other.tools.iter().map(RawJson::as_str).collect::<Vec<_>>(), [tool.as_str()]);
    }
}
