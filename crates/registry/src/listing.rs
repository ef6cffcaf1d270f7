//! What a server offers: one whole `tools/list`, read element by element, and the methods it declares. Must never drop a
//! tool silently: each is read or reported.

use std::collections::HashMap;
use std::sync::Arc;

use model::json::{Json, RawJson};
use model::limits::JsonLimits;
use model::method::Method;

use crate::definition::{DEFINITION_LIMITS, Definition, DefinitionFault};
use crate::operation;
use crate::visible::shortened;

/// Most tools read from one list.
pub const TOOLS_LISTED_MAX: usize = 1024;

/// What a server lists.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The tools that can enter the registry, in the server's order.
    pub definitions: Vec<Arc<Definition>>,
    /// Those that cannot, for the operator.
    pub refused: Vec<RefusedDefinition>,
}

/// A listed tool that cannot enter the registry.
#[derive(Clone, Debug)]
pub struct RefusedDefinition {
    /// Its place in the list, from 0.
    pub position: usize,
    /// The name it gave, shortened, hidden characters made visible; empty when it gave none.
    pub name: String,
    /// Why.
    pub fault: DefinitionFault,
}

impl Listing {
    /// Reads each tool; of a name that comes twice, none is taken. Beside them stand the operations of the methods.
    #[must_use]
    pub fn read(tools: &[RawJson], methods: &[Method]) -> Self {
        let mut listing = Self::default();
        listing.definitions.extend(methods.iter().copied().filter_map(operation::definition));
        let mut read = Vec::new();
        let mut times: HashMap<String, usize> = HashMap::new();
        for (position, raw) in tools.iter().enumerate() {
            if position >= TOOLS_LISTED_MAX {
                let fault = DefinitionFault::TooManyTools { max: TOOLS_LISTED_MAX };
                listing.refused.push(RefusedDefinition { position, name: String::new(), fault });
                break;
            }
            match Definition::listed(raw) {
                Ok(definition) => {
                    *times.entry(definition.name().as_str().to_owned()).or_default() += 1;
                    read.push((position, definition));
                }
                Err(fault) => {
                    let name = name_of(raw);
                    listing.refused.push(RefusedDefinition { position, name, fault });
                }
            }
        }
        for (position, definition) in read {
            let name = definition.name().as_str();
            if times.get(name).is_some_and(|count| *count > 1) {
                let (name, fault) = (name.to_owned(), DefinitionFault::DuplicateName);
                listing.refused.push(RefusedDefinition { position, name, fault });
            } else {
                listing.definitions.push(Arc::new(definition));
            }
        }
        listing.refused.sort_by_key(|refused| refused.position);
        listing
    }
}

fn name_of(raw: &RawJson) -> String {
    const GENEROUS: JsonLimits = JsonLimits { bytes_max: 16 << 20, depth_max: 128, ..DEFINITION_LIMITS };
    let tree = Json::parse(raw.as_bytes(), &GENEROUS).ok();
    tree.as_ref()
        .and_then(|t| t.get("name"))
        .and_then(Json::as_str)
        .map_or_else(String::new, |name| shortened(name, 128))
}

#[cfg(test)]
mod tests;
