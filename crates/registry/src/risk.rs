//! What a tool could do at worst, guessed from its definition. Must never propose `read` unless the server says so.
//!
//! Annotations are untrusted: they only ever raise, but that `read` needs `readOnlyHint: true` besides.

mod arguments;
mod secrets;
mod words;

use model::method::Method;
use model::tool::Risk;

use crate::definition::Definition;
use crate::schema::properties;
use words::{Deed, deed, words};

/// A proposal for a person to confirm.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RiskProposal {
    /// The highest risk any argument could reach, as far as the definition tells.
    pub risk: Risk,
    /// Why, one line each, in words for a person.
    pub because: Vec<String>,
    /// The annotations say less than name or arguments do.
    pub contradicted: bool,
    /// Its results look like secrets.
    pub returns_secrets: bool,
}

const POWER_PHRASES: &[&str] = &[
    "arbitrary code",
    "arbitrary command",
    "arbitrary sql",
    "arbitrary javascript",
    "arbitrary python",
    "shell command",
    "terminal command",
    "raw sql",
    "execute sql",
    "executes sql",
    "execute commands",
    "execute javascript",
    "evaluate javascript",
    "as root",
];

struct Finding {
    risk: Risk,
    because: String,
    /// It makes `readOnlyHint: true` a lie.
    contradicts: bool,
}

impl Finding {
    fn power(because: String) -> Self {
        Self { risk: Risk::Privileged, because, contradicts: true }
    }

    fn write(because: String) -> Self {
        Self { risk: Risk::Write, because, contradicts: true }
    }
}

/// Proposes a risk class, with reasons.
#[must_use]
pub fn propose(definition: &Definition) -> RiskProposal {
    if let Some(method) = Method::of(definition.name()) {
        return of_operation(method);
    }
    let read_only = definition.hints().read_only == Some(true);
    let mut found = findings(definition);
    let base = if read_only { Risk::Read } else { Risk::Write };
    let risk = found.iter().map(|finding| finding.risk).fold(base, Risk::max);
    let contradicted = read_only && found.iter().any(|finding| finding.contradicts);
    let first = match definition.hints().read_only {
        Some(true) => "its server says it only reads",
        Some(false) => "its server says it changes things",
        None => "its server does not say that it only reads",
    };
    let mut because = vec![first.to_owned()];
    found.sort_by_key(|finding| std::cmp::Reverse(finding.risk));
    because.extend(found.into_iter().map(|finding| finding.because));
    let secret = secrets::reason(definition);
    let returns_secrets = secret.is_some();
    because.extend(secret);
    because.truncate(16);
    RiskProposal { risk, because, contradicted, returns_secrets }
}

/// An operation is ours to describe; what the server does with what it is given is its own. One that is given a URI or
/// arguments is a second way to run the server's code: nothing says that it does less than a tool that takes as much.
fn of_operation(method: Method) -> RiskProposal {
    let (risk, why) = match method {
        Method::ListResources | Method::ListTemplates | Method::ListPrompts => {
            (Risk::Read, "it takes nothing from the caller but a place in the list")
        }
        Method::Elicit => (Risk::Read, "the client's person sees what is asked, and answers or does not"),
        Method::ListRoots => {
            (Risk::Read, "the server learns where the client works, and nothing of what is there")
        }
        Method::Sample => (
            Risk::Write,
            "the server has the client's model work for it, and what it answers leaves to the server",
        ),
        Method::GetServerTask => {
            (Risk::Read, "it looks after what a permitted call began, and gives the server nothing")
        }
        Method::UpdateServerTask => {
            (Risk::Write, "what the client answers leaves to the server, which goes on with it")
        }
        Method::CancelServerTask => {
            (Risk::Write, "it ends, at some point, what a permitted call began, and cannot be taken back")
        }
        Method::CallTool
        | Method::ReadResource
        | Method::Subscribe
        | Method::GetPrompt
        | Method::Complete => (
            Risk::Write,
            "what the server does with what the caller gives, the server decides: data can leave in it",
        ),
    };
    RiskProposal { risk, because: vec![why.to_owned()], contradicted: false, returns_secrets: false }
}

fn findings(definition: &Definition) -> Vec<Finding> {
    let mut found = Vec::new();
    let name = words(definition.name().as_str());
    let deed = deed(&name);
    match deed {
        Some((Deed::Commands, word)) => found.push(Finding::power(format!("its name has `{word}`"))),
        Some((Deed::Writes | Deed::Deletes, word)) => {
            found.push(Finding::write(format!("its name has `{word}`")))
        }
        Some((Deed::Reads, _)) | None => {}
    }
    hints(&mut found, definition);
    let description = definition.description().unwrap_or_default().to_lowercase();
    if let Some(phrase) = POWER_PHRASES.iter().find(|phrase| description.contains(**phrase)) {
        found.push(Finding::power(format!("its description says `{phrase}`")));
    }
    let named = properties(definition.input_schema());
    let reads = matches!(deed, Some((Deed::Reads, _)));
    let context = format!("{} {description}", name.join(" "));
    arguments::inspect(&mut found, &named, reads, &context);
    found
}

fn hints(found: &mut Vec<Finding>, definition: &Definition) {
    let hints = definition.hints();
    if hints.destructive != Some(true) {
        return;
    }
    if hints.open_world == Some(true) {
        found.push(Finding::power("its server says it destroys, and reaches outside".to_owned()));
    } else {
        found.push(Finding::write("its server says it may destroy".to_owned()));
    }
}

#[cfg(test)]
mod tests;
