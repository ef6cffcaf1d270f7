//! What the simulated upstream servers offer right now. Must never be what the registry is told by anything else.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use model::digest::Digest;
use model::ids::{ServerName, ToolName};
use model::json::RawJson;
use model::limits::JsonLimits;
use model::method::Method;
use model::tool::ToolRef;
use ports::definitions::Offered;
use registry::Definition;

/// The servers and their tools, each a JSON text.
#[derive(Default)]
pub struct SimServers(Mutex<BTreeMap<ServerName, BTreeMap<ToolName, String>>>);

impl SimServers {
    /// A server offers this tool from now on. `false` when the text is no definition.
    pub fn offer(&self, server: &ServerName, definition: &str) -> bool {
        let Some(read) = raw(definition).as_ref().and_then(|raw| Definition::parse(raw).ok()) else {
            return false;
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(server.clone()).or_default().insert(read.name().clone(), definition.to_owned());
        true
    }

    /// A server declares this method from now on.
    pub fn declare(&self, server: &ServerName, method: Method) {
        let definition = registry::operation::definition(method);
        let text = definition.map(|definition| definition.raw().as_str().to_owned()).unwrap_or_default();
        self.offer(server, &text);
    }

    /// A server offers it no more.
    pub fn withdraw(&self, tool: &ToolRef) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tools) = all.get_mut(&tool.server) {
            tools.remove(&tool.tool);
        }
    }

    /// What a server lists and declares.
    #[must_use]
    pub fn list(&self, server: &ServerName) -> Offered {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut offered = Offered::default();
        for (name, text) in all.get(server).into_iter().flatten() {
            match Method::of(name) {
                Some(method) => offered.methods.push(method),
                None => offered.tools.extend(raw(text)),
            }
        }
        offered
    }

    /// The digest of a tool as it is offered.
    #[must_use]
    pub fn digest(&self, tool: &ToolRef) -> Option<Digest> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = all.get(&tool.server)?.get(&tool.tool)?;
        Some(Definition::parse(&raw(text)?).ok()?.digest())
    }
}

/// JSON text as the edge would hand it on.
#[must_use]
pub fn raw(text: &str) -> Option<RawJson> {
    RawJson::parse(Bytes::from(text.to_owned()), &JsonLimits::UPSTREAM).ok().map(|(raw, _)| raw)
}
