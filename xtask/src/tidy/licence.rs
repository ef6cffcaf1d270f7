//! Licences of every package against the allowed ones. Must never take an expression it cannot read for allowed.

use crate::tidy::Findings;
use crate::tidy::graph::Metadata;
use crate::tidy::layers::Layers;

/// Our crates are Apache-2.0; third parties have an allowed licence or are listed by name.
pub(crate) fn check(graph: &Metadata, layers: &Layers, found: &mut Findings) {
    for package in &graph.packages {
        let licence = package.license.as_deref().unwrap_or("none");
        let place = format!("{} {}", package.name, package.version);
        if package.source.is_none() && licence != "Apache-2.0" {
            found.add("licence", place, format!("is `{licence}`; our crates are `Apache-2.0`"));
        } else if !allowed(licence, &layers.licences.allow) && !layers.licences.listed.contains(&package.name)
        {
            found.add("licence", place, format!("`{licence}` is not allowed in xtask/layers.toml"));
        }
    }
}

/// Whether an SPDX expression can be met with allowed licences alone.
fn allowed(expression: &str, allow: &[String]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let met = any_of(&words, &mut at, allow);
    met == Some(true) && at == words.len()
}

fn any_of(words: &[&str], at: &mut usize, allow: &[String]) -> Option<bool> {
    let mut met = all_of(words, at, allow)?;
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        met |= all_of(words, at, allow)?;
    }
    Some(met)
}

fn all_of(words: &[&str], at: &mut usize, allow: &[String]) -> Option<bool> {
    let mut met = one(words, at, allow)?;
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(words, at, allow)?;
    }
    Some(met)
}

fn one(words: &[&str], at: &mut usize, allow: &[String]) -> Option<bool> {
    let word = words.get(*at)?;
    *at += 1;
    if *word == "(" {
        let met = any_of(words, at, allow)?;
        *at += 1;
        return (words.get(*at - 1) == Some(&")")).then_some(met);
    }
    let mut name = (*word).to_owned();
    if words.get(*at) == Some(&"WITH") {
        name = format!("{name} WITH {}", words.get(*at + 1)?);
        *at += 2;
    }
    Some(allow.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::graph::Package;
    use crate::tidy::layers::sample;

    #[test]
    fn expressions_are_read_as_spdx() {
        let allow = ["MIT", "Apache-2.0", "Unicode-3.0", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned);
        for good in [
            "MIT",
            "GPL-3.0 OR MIT",
            "MIT/GPL-2.0",
            "(MIT OR GPL-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception",
            "GPL-2.0 OR MIT AND Apache-2.0",
        ] {
            assert!(allowed(good, &allow), "{good}");
        }
        for bad in
            ["GPL-3.0", "MIT AND MPL-2.0", "none", "", "(MIT", "MIT MIT", "MIT WITH other", "GPL OR MPL"]
        {
            assert!(!allowed(bad, &allow), "{bad}");
        }
    }

    #[test]
    fn a_package_of_ours_or_theirs_with_a_wrong_licence_is_found() {
        let package = |licence: &str, source: Option<&str>| Package {
            name: "a".to_owned(),
            version: "1".to_owned(),
            license: Some(licence.to_owned()),
            source: source.map(str::to_owned),
            dependencies: Vec::new(),
        };
        let packages = vec![package("MIT", None), package("MPL-2.0", Some("x")), package("MIT", Some("x"))];
        let mut found = Findings::default();
        check(&Metadata { packages, target_directory: String::new() }, &sample(), &mut found);
        assert_eq!(found.0.len(), 2);
    }
}
