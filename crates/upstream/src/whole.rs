//! What a server offers in all, from what it lists to clients of different abilities: some servers list fewer tools to a client
//! that can be asked less. Must never take what one client is not shown for something the server has no more.

use std::collections::HashMap;
use std::sync::Arc;

use mcp::edit;
use model::client::ClientCapabilities;
use model::ids::ServerName;
use model::json::RawJson;
use model::method::Method;
use ports::BoxFuture;
use ports::definitions::{DefinitionObserver, Offered};
use ports::fault::Fault;

/// What the registry is told of one server.
pub(crate) struct Whole {
    observer: Arc<dyn DefinitionObserver>,
    /// What it listed last, by what was declared to it. Held while the registry is told, so that it is told in order.
    known: tokio::sync::Mutex<Known>,
}

impl Whole {
    pub(crate) fn new(observer: Arc<dyn DefinitionObserver>) -> Arc<Self> {
        Arc::new(Self { observer, known: tokio::sync::Mutex::default() })
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

#[derive(Default)]
struct Known(HashMap<ClientCapabilities, Listed>);

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
        let before = self.0.remove(&client).map(|listed| listed.tools).unwrap_or_default();
        for (other, listed) in &mut self.0 {
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
        for listed in self.0.values() {
            rest.extend(listed.tools.iter().filter(|(name, _)| !tools.contains_key(*name)));
            all.methods.extend(listed.methods.iter().filter(|method| !offered.methods.contains(method)));
        }
        let mut rest: Vec<_> = rest.into_iter().collect();
        rest.sort_by_key(|(name, _)| *name);
        all.tools.extend(rest.into_iter().map(|(_, tool)| tool.clone()));
        all.methods.sort();
        all.methods.dedup();
        self.0.insert(client, Listed { tools, methods: offered.methods });
        all
    }
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

    fn names(offered: &Offered) -> Vec<String> {
        let mut names: Vec<_> = offered.tools.iter().map(|tool| tool.as_str().to_owned()).collect();
        names.sort();
        names.iter().map(|text| text[9..text.len() - 2].to_owned()).collect()
    }

    #[test]
    fn a_client_that_is_shown_less_takes_nothing_away() {
        let mut known = Known::default();
        assert_eq!(names(&known.with(MORE, offered(&["a", "ask"]))), ["a", "ask"]);
        assert_eq!(names(&known.with(LESS, offered(&["a"]))), ["a", "ask"]);
        assert_eq!(names(&known.with(LESS, offered(&["a", "b"]))), ["a", "ask", "b"]);
    }

    #[test]
    fn what_the_most_able_client_is_not_shown_is_gone() {
        let mut known = Known::default();
        known.with(LESS, offered(&["a", "old"]));
        assert_eq!(names(&known.with(MORE, offered(&["a"]))), ["a"]);
        assert_eq!(names(&known.with(LESS, offered(&["a"]))), ["a"]);
    }

    #[test]
    fn what_a_client_was_shown_and_is_not_any_more_is_gone_for_all() {
        let mut known = Known::default();
        known.with(MORE, offered(&["a", "ask", "old"]));
        known.with(LESS, offered(&["a", "old"]));
        assert_eq!(names(&known.with(LESS, offered(&["a"]))), ["a", "ask"]);
    }

    #[test]
    fn the_latest_definition_is_the_one_that_is_told() {
        let mut known = Known::default();
        known.with(MORE, offered(&["a"]));
        let text = r#"{"name":"a","description":"changed"}"#.as_bytes().to_vec();
        let tool = RawJson::parse(text.into(), &JsonLimits::UPSTREAM).unwrap().0;
        let all = known.with(LESS, Offered { tools: vec![tool.clone()], methods: Vec::new() });
        assert_eq!(all.tools.iter().map(RawJson::as_str).collect::<Vec<_>>(), [tool.as_str()]);
        let other = known.with(ClientCapabilities::SAMPLING, offered(&[]));
        assert_eq!(other.tools.iter().map(RawJson::as_str).collect::<Vec<_>>(), [tool.as_str()]);
    }
}
