//! A client's name for a server → Callgate's. Must never make a name that the configuration refuses.

use model::ids::ServerName;

const LENGTH_MAX: usize = 32;

/// The nearest name that the configuration takes: lower case, anything else a `-`.
#[must_use]
pub fn gate_name(name: &str) -> ServerName {
    let mut out = String::new();
    for c in name.to_lowercase().chars() {
        match c {
            'a'..='z' | '0'..='9' => out.push(c),
            '_' if !out.ends_with(['-', '_']) => out.push('_'),
            _ if !out.ends_with(['-', '_']) => out.push('-'),
            _ => {}
        }
    }
    let short = shortened(&out, LENGTH_MAX);
    parsed(if short.is_empty() { "server" } else { short })
}

/// The name itself, or with the first number that makes it free.
pub fn free_name(name: &ServerName, taken: impl Fn(&ServerName) -> bool) -> ServerName {
    let mut candidate = name.clone();
    let mut number = 2u32;
    while taken(&candidate) {
        let suffix = format!("-{number}");
        let stem = shortened(name.as_str(), LENGTH_MAX - suffix.len());
        candidate = parsed(&format!("{stem}{suffix}"));
        number += 1;
    }
    candidate
}

fn shortened(name: &str, length: usize) -> &str {
    let name = name.trim_matches(['-', '_']);
    name.get(..length.min(name.len())).unwrap_or_default().trim_end_matches(['-', '_'])
}

/// `name` is of the grammar by construction; were it not, the reserve is.
fn parsed(name: &str) -> ServerName {
    let mut candidate = name.to_owned();
    loop {
        match ServerName::parse(&candidate) {
            Ok(name) => return name,
            Err(_) => candidate = "server".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_stay_readable() {
        for (given, wanted) in [
            ("GitHub MCP", "github-mcp"),
            ("filesystem", "filesystem"),
            ("@acme/files", "acme-files"),
            ("a__b", "a_b"),
            ("__", "server"),
            ("日本", "server"),
            ("a-very-long-name-that-goes-on-and-on-and-on", "a-very-long-name-that-goes-on-an"),
        ] {
            assert_eq!(gate_name(given).as_str(), wanted);
        }
        let taken = ["git", "git-2"];
        let free = free_name(&gate_name("git"), |name| taken.contains(&name.as_str()));
        assert_eq!(free.as_str(), "git-3");
    }

    proptest! {
        #[test]
        fn every_name_has_one(name in ".{0,60}", count in 1usize..20) {
            let mut taken = Vec::new();
            for _ in 0..count {
                let free = free_name(&gate_name(&name), |name| taken.contains(name));
                prop_assert!(!taken.contains(&free));
                taken.push(free);
            }
        }
    }
}
