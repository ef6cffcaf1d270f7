//! The lock file: how many packages, from where, which more than once.
//!
//! Must never allow a package from anywhere but the one registry.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::tidy::Findings;
use crate::tidy::layers::{Layers, Ratchet};
use crate::tidy::size::compare;

/// `Cargo.lock`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Lock {
    package: Vec<Locked>,
}

#[derive(Clone, Debug, Deserialize)]
struct Locked {
    name: String,
    source: Option<String>,
    checksum: Option<String>,
}

impl Lock {
    /// How many packages.
    pub(crate) fn len(&self) -> usize {
        self.package.len()
    }
}

/// Count, sources, duplicates.
pub(crate) fn check(lock: &Lock, layers: &Layers, ratchet: &Ratchet, found: &mut Findings) {
    let limit = layers.lock.packages_max;
    if lock.len() > limit {
        found.add("lock", "Cargo.lock", format!("{} packages, the limit is {limit}", lock.len()));
    }
    let mut sources = BTreeSet::new();
    let mut versions: BTreeMap<String, usize> = BTreeMap::new();
    for package in &lock.package {
        *versions.entry(package.name.clone()).or_default() += 1;
        let Some(source) = &package.source else { continue };
        sources.insert(source.as_str());
        if !source.starts_with("registry+") || package.checksum.is_none() {
            found.add("lock", &package.name, "must come from the registry, with a checksum");
        }
    }
    if sources.len() > 1 {
        found.add("lock", "Cargo.lock", "packages come from more than one place");
    }
    compare("duplicates", &versions, 1, &ratchet.duplicates, found);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::layers::sample;

    fn problems(packages: &[(&str, Option<&str>)], ratchet: &Ratchet) -> Vec<String> {
        let package = packages.iter().map(|(name, source)| Locked {
            name: (*name).to_owned(),
            source: source.map(str::to_owned),
            checksum: source.map(str::to_owned),
        });
        let mut found = Findings::default();
        check(&Lock { package: package.collect() }, &sample(), ratchet, &mut found);
        found.problems()
    }

    #[test]
    fn count_source_and_duplicates_are_checked() {
        let none = Ratchet::default();
        let one = Some("registry+a");
        assert!(problems(&[("a", one), ("b", None)], &none).is_empty());
        assert_eq!(problems(&[("a", one), ("b", one), ("c", one)], &none).len(), 1);
        assert_eq!(problems(&[("a", Some("git+x"))], &none).len(), 1);
        assert_eq!(problems(&[("a", one), ("b", Some("registry+b"))], &none).len(), 1);
        assert_eq!(problems(&[("a", one), ("a", one)], &none).len(), 1);
        let listed = Ratchet { duplicates: [("a".to_owned(), 2)].into(), ..Ratchet::default() };
        assert!(problems(&[("a", one), ("a", one)], &listed).is_empty());
        assert_eq!(problems(&[("a", one)], &listed).len(), 1);
    }
}
