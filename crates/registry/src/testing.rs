//! What the tests of this crate share. Must never be compiled into the product.

use std::sync::Arc;

use model::ids::{ServerName, ToolName};
use model::json::{Json, RawJson};
use model::limits::JsonLimits;
use model::time::Micros;
use model::tool::ToolRef;

use crate::catalog::Catalog;
use crate::certify::{CertifyRequest, Consent, certify};
use crate::definition::Definition;
use crate::observe::{Observation, observe};

pub(crate) fn raw(text: &str) -> RawJson {
    RawJson::parse(text.to_owned().into_bytes().into(), &JsonLimits::UPSTREAM).unwrap().0
}

pub(crate) fn json(text: &str) -> Json {
    Json::parse(text.as_bytes(), &JsonLimits::UPSTREAM).unwrap()
}

pub(crate) fn definition(text: &str) -> Arc<Definition> {
    Arc::new(Definition::parse(&raw(text)).unwrap())
}

/// A tool that only reads, and one more member, which may be empty.
pub(crate) fn reader(name: &str, more: &str) -> Arc<Definition> {
    let more = if more.is_empty() { String::new() } else { format!(",{more}") };
    definition(&format!(
        r#"{{"name":"{name}","inputSchema":{{"type":"object"}},"annotations":{{"readOnlyHint":true}}{more}}}"#
    ))
}

pub(crate) fn server(name: &str) -> ServerName {
    ServerName::parse(name).unwrap()
}

pub(crate) fn tool(server_name: &str, name: &str) -> ToolRef {
    ToolRef { server: server(server_name), tool: ToolName::parse(name).unwrap() }
}

pub(crate) fn apply(catalog: &Catalog, observation: &Observation) -> Catalog {
    catalog.with(observation.changes.iter().map(|change| change.record.clone()))
}

/// The catalog after server `s` listed these.
pub(crate) fn listed(catalog: &Catalog, definitions: &[Arc<Definition>], at: i64) -> Catalog {
    apply(catalog, &observe(catalog, &server("s"), definitions, Micros(at)))
}

pub(crate) fn by_name(digest: model::digest::Digest) -> CertifyRequest {
    let consent = Consent::ByName(digest);
    CertifyRequest { consent, risk: None, returns_secrets: None, by: "ann".to_owned(), at: Micros(9) }
}

/// The catalog after a person certified that tool by name.
pub(crate) fn certified(catalog: &Catalog, name: &str) -> Catalog {
    let record = catalog.get(&tool("s", name)).unwrap();
    catalog.with([certify(record, &by_name(record.digest)).unwrap()])
}
