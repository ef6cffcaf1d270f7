//! The names a tool could be taken for. Must never compare a tool with itself.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::script::skeleton;
use crate::catalog::Catalog;
use crate::definition::Definition;

/// Names and titles of all known tools, by what they look like.
#[derive(Clone, Debug, Default)]
pub struct KnownNames {
    by_skeleton: HashMap<String, BTreeSet<String>>,
}

impl KnownNames {
    /// Those of the registry, on every server, gone ones too; and those listed beside.
    #[must_use]
    pub fn of(catalog: &Catalog, listed: &[Arc<Definition>]) -> Self {
        let mut known = Self::default();
        let kept = catalog.all().map(|record| &record.definition);
        for definition in kept.chain(listed) {
            known.add(definition.name().as_str());
            definition.title().into_iter().for_each(|title| known.add(title));
        }
        known
    }

    fn add(&mut self, name: &str) {
        let skeleton = skeleton(name);
        if !skeleton.is_empty() {
            self.by_skeleton.entry(skeleton).or_default().insert(name.to_owned());
        }
    }

    /// Another tool's name that `name` is taken for. A title in plain ASCII may well repeat a name.
    pub(super) fn other_than(&self, name: &str, is_title: bool) -> Option<&str> {
        if is_title && name.is_ascii() {
            return None;
        }
        let alike = self.by_skeleton.get(&skeleton(name))?;
        let other = |known: &&String| known.as_str() != name && (is_title || !known.contains(' '));
        alike.iter().find(other).map(String::as_str)
    }
}
