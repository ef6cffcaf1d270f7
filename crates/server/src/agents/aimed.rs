//! Finds the server that a request at the door of all servers is for (ADR 0024). Must never guess: what could be for two,
//! or may be for one that did not answer, is refused.

use std::sync::Arc;

use mcp::edit;
use mcp::fault::ProtocolFault;
use mcp::template;
use model::call::ToolCall;
use model::ids::ServerName;
use model::json::{Json, RawJson};
use model::method::Method;
use registry::names::{self, PromptName};

use super::Exchange;
use super::cursors::with_arguments;
use super::several::{Budget, Missing};

/// Longest piece of a name or URI that an answer repeats.
const SHOWN_CHARS_MAX: usize = 200;

/// How a text is looked for among what servers list.
#[derive(Clone, Copy)]
enum Looked {
    /// As the URI of a resource.
    Resource,
    /// As a template itself.
    Template,
    /// As a URI that a template makes.
    Made,
}

impl Looked {
    const fn list(self) -> Method {
        match self {
            Self::Resource => Method::ListResources,
            Self::Template | Self::Made => Method::ListTemplates,
        }
    }

    fn is_in(self, text: &str, listed: &[String]) -> bool {
        listed.iter().any(|listed| match self {
            Self::Resource | Self::Template => listed == text,
            Self::Made => template::matches(listed, text),
        })
    }
}

impl Exchange<'_> {
    /// The call, with its server found and names as that server writes them.
    ///
    /// # Errors
    /// Why it is for no server, for the caller: one answer for what is not there and what is hidden.
    pub(super) async fn aimed(&self, call: ToolCall) -> Result<ToolCall, ProtocolFault> {
        let servers = self.face.door.servers_with(&self.caller, call.method);
        // Where the method itself is none for this caller, the door says so.
        if servers.is_empty() {
            return Ok(call);
        }
        match call.method {
            Method::GetPrompt => {
                let name = call.arguments.get("name").and_then(Json::as_str).unwrap_or_default().to_owned();
                let (server, own) = self.prompt(&name, &servers).await?;
                let raw = edit::with(&call.arguments_raw, "name", &edit::string(&own));
                readdressed(call, &server, &raw)
            }
            Method::ReadResource | Method::Subscribe => {
                let uri = call.arguments.get("uri").and_then(Json::as_str).unwrap_or_default().to_owned();
                let server = self.resource(&uri, &servers, &[Looked::Resource, Looked::Made]).await?;
                let raw = call.arguments_raw.clone();
                readdressed(call, &server, &raw)
            }
            Method::Complete => self.completion(call, &servers).await,
            _ => Ok(call),
        }
    }

    async fn completion(&self, call: ToolCall, servers: &[ServerName]) -> Result<ToolCall, ProtocolFault> {
        let of = |name: &str| {
            let reference = call.arguments.get("ref")?;
            Some(reference.get(name)?.as_str()?.to_owned())
        };
        match (of("type").as_deref(), of("name"), of("uri"), edit::member(&call.arguments_raw, "ref")) {
            (Some("ref/prompt"), Some(name), _, Some(reference)) => {
                let (server, own) = self.prompt(&name, servers).await?;
                let reference = edit::with(&reference, "name", &edit::string(&own));
                let raw = edit::with(&call.arguments_raw, "ref", &reference);
                readdressed(call, &server, &raw)
            }
            (Some("ref/resource"), _, Some(uri), _) => {
                let looked = [Looked::Template, Looked::Resource, Looked::Made];
                let server = self.resource(&uri, servers, &looked).await?;
                let raw = call.arguments_raw.clone();
                readdressed(call, &server, &raw)
            }
            _ => Err(ProtocolFault::params(
                "`ref` must be a `ref/prompt` with its `name` or a `ref/resource` with its `uri`",
            )),
        }
    }

    /// The server of a prompt, and the prompt's own name.
    async fn prompt(
        &self,
        name: &str,
        servers: &[ServerName],
    ) -> Result<(ServerName, String), ProtocolFault> {
        let unknown = || ProtocolFault::params(format!("Unknown prompt: {}", short(name)));
        let (server, own) = names::read_prompt(name).ok_or_else(unknown)?;
        if !servers.contains(&server) {
            return Err(unknown());
        }
        let own = match own {
            PromptName::Plain(own) => own,
            PromptName::MayBeShort(own) => match self.listed_prompt(name, own, &server).await {
                Some(listed) => return Ok((server, listed)),
                // The server says whether it has one of that very name.
                None => own,
            },
        };
        Ok((server, own.to_owned()))
    }

    /// The own name of the prompt that is listed under an aggregated name: the one that has it plainly comes first.
    async fn listed_prompt(&self, name: &str, own: &str, server: &ServerName) -> Option<String> {
        let list = Method::ListPrompts;
        if !self.face.door.servers_with(&self.caller, list).contains(server) {
            return None;
        }
        let budget = Arc::new(Budget::default());
        let (_, listed) = self.all_listed(list, std::slice::from_ref(server), &budget).await.pop()?;
        let listed = listed.ok()?;
        let plain = listed.iter().find(|listed| *listed == own);
        plain.or_else(|| listed.iter().find(|listed| names::of_prompt(server, listed) == name)).cloned()
    }

    /// The server of a URI: the only one that can be meant, or the only one that lists it.
    async fn resource(
        &self,
        uri: &str,
        servers: &[ServerName],
        looked: &[Looked],
    ) -> Result<ServerName, ProtocolFault> {
        if let [only] = servers {
            return Ok(only.clone());
        }
        if uri.len() > template::URI_BYTES_MAX {
            return Err(about(uri, "it is too long to be looked for"));
        }
        let budget = Arc::new(Budget::default());
        let mut lists: Vec<(Method, Vec<_>)> = Vec::new();
        for look in looked {
            let list = look.list();
            if !lists.iter().any(|(known, _)| *known == list) {
                lists.push((list, self.whole_lists(uri, list, servers, &budget).await?));
            }
            let Some((_, lists)) = lists.iter().find(|(known, _)| *known == list) else { continue };
            let found: Vec<_> = lists
                .iter()
                .filter(|(_, listed)| look.is_in(uri, listed))
                .map(|(server, _)| server)
                .collect();
            match found.as_slice() {
                [] => {}
                [only] => return Ok((*only).clone()),
                several => {
                    let several: Vec<_> = several.iter().map(|server| format!("`{server}`")).collect();
                    return Err(about(uri, &format!("{} have it", several.join(" and "))));
                }
            }
        }
        Err(about(uri, "no server here lists it"))
    }

    /// What each server lists. A server of which it cannot be known might have the URI, whoever else lists it.
    async fn whole_lists(
        &self,
        uri: &str,
        list: Method,
        servers: &[ServerName],
        budget: &Arc<Budget>,
    ) -> Result<Vec<(ServerName, Vec<String>)>, ProtocolFault> {
        let untold = |why: String| about(uri, &format!("whose it is cannot be told, for {why}"));
        let door = &self.face.door;
        if let Some(hidden) = door.unlisted(&self.caller, list, servers).first() {
            return Err(untold(format!("you may not ask `{hidden}` for its `{}`", list.as_str())));
        }
        let may = door.servers_with(&self.caller, list);
        let may: Vec<_> = may.into_iter().filter(|server| servers.contains(server)).collect();
        let mut lists = Vec::with_capacity(may.len());
        for (server, listed) in self.all_listed(list, &may, budget).await {
            let silent = |missing: Missing| untold(format!("`{server}` did not answer ({})", missing.code()));
            let listed = listed.map_err(silent)?;
            lists.push((server, listed));
        }
        Ok(lists)
    }
}

/// Resource not found, as far as this door can tell, and what to do next.
fn about(uri: &str, what: &str) -> ProtocolFault {
    let text = format!("`{}`: {what}; ask for it at `/mcp/NAME`, the door of its server", short(uri));
    let mut fault = ProtocolFault::params(text);
    fault.error.data = Some(edit::with(&RawJson::empty_object(), "uri", &edit::string(uri)));
    fault
}

fn readdressed(call: ToolCall, server: &ServerName, arguments: &RawJson) -> Result<ToolCall, ProtocolFault> {
    let call = ToolCall { name: server.as_str().to_owned(), ..call };
    with_arguments(call, arguments).ok_or_else(|| ProtocolFault::params("the parameters cannot be carried"))
}

fn short(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).flat_map(char::escape_debug).collect()
}
