//! Scopes, as a set that keeps its order. Must never hold what is no scope, nor more than a bounded number.

use std::fmt;

/// Most scopes of a set.
const SCOPES_MAX: usize = 100;
/// Most bytes of one.
const SCOPE_BYTES_MAX: usize = 256;

/// Scopes to ask for. None is a set too: then the server chooses.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) struct Scopes(Vec<String>);

impl Scopes {
    /// Scopes as OAuth writes them: separated by spaces (RFC 6749 §3.3). `None` when one of them is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::of(text.split(' ').filter(|scope| !scope.is_empty()))
    }

    /// A set of these. `None` when one of them is no scope, or they are too many.
    pub(super) fn of<'a>(scopes: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut out = Self::default();
        for scope in scopes {
            let fits = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
            if scope.is_empty() || scope.len() > SCOPE_BYTES_MAX || !scope.bytes().all(fits) {
                return None;
            }
            if !out.0.iter().any(|known| known == scope) {
                out.0.push(scope.to_owned());
            }
        }
        (out.0.len() <= SCOPES_MAX).then_some(out)
    }

    /// These and those, in this order; as many as a set may have.
    pub(super) fn union(&self, more: &Self) -> Self {
        let both = self.0.iter().chain(more.0.iter().filter(|scope| !self.0.contains(scope)));
        Self(both.take(SCOPES_MAX).cloned().collect())
    }

    /// Whether all of those are among these.
    pub(super) fn covers(&self, others: &Self) -> bool {
        others.0.iter().all(|scope| self.0.contains(scope))
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Separated by spaces.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_keep_their_order_and_hold_scopes_only() {
        let set = |text| Scopes::parse(text).unwrap();
        assert_eq!(set("b a b  c").to_string(), "b a c");
        assert_eq!(set("b a").union(&set("a c")).to_string(), "b a c");
        assert!(set("a b c").covers(&set("c a")) && !set("a").covers(&set("a b")));
        assert!(set("").is_empty() && set("a").covers(&set("")));
        for none in ["a\"b", "a\\b", "a\tb", "\u{e9}", &"x".repeat(257)] {
            assert!(Scopes::parse(none).is_none(), "{none}");
        }
        let many = (0..101).map(|number| number.to_string()).collect::<Vec<_>>().join(" ");
        assert!(Scopes::parse(&many).is_none());
    }
}
