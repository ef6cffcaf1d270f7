//! Configured texts with secrets in them, and the sealed store that keeps the secrets. Must never show one, nor let a
//! text be used while a secret of it is missing.

use std::collections::{BTreeMap, BTreeSet};

use crate::BoxFuture;
use crate::fault::Fault;
use crate::secret::Secret;

/// The sealed store's directory within the state directory.
pub const DIRECTORY: &str = "sealed";

/// How a reference to the sealed store begins in a text; it ends with `}`.
pub const REFERENCE: &str = "${sealed:";

/// Values of the sealed store by name, as far as they are there.
pub type SealedValues = BTreeMap<String, Secret>;

/// The sealed store, for who starts what needs its secrets.
pub trait SealedSecrets: Send + Sync {
    /// The values of these names as they are now; names that are not there are left out.
    ///
    /// # Errors
    /// When the store cannot be read, in words for an operator.
    fn values<'a>(&'a self, names: &'a BTreeSet<String>) -> BoxFuture<'a, Result<SealedValues, Fault>>;
}

/// A configured text, parts of which may be secret. No `Debug`: it may hold them.
#[derive(Clone, Default)]
pub struct SecretText {
    parts: Vec<Part>,
}

/// A part of a text.
#[derive(Clone)]
enum Part {
    /// As the configuration has it.
    Plain(String),
    /// A secret that was read with the configuration.
    Known(Secret),
    /// The name of a secret in the sealed store.
    Sealed(String),
}

/// A text with everything filled in. No `Debug`.
pub struct Filled {
    /// The whole.
    pub text: Secret,
    /// The secrets in it.
    pub secrets: Vec<Secret>,
}

/// A text that cannot be used: a secret of this name is not in the sealed store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no sealed secret `{0}`; `callgate seal put {0}`")]
pub struct Missing(pub String);

impl SecretText {
    /// Text that is no secret.
    #[must_use]
    pub fn plain(text: impl Into<String>) -> Self {
        Self { parts: vec![Part::Plain(text.into())] }
    }

    /// Text that is a secret as a whole.
    #[must_use]
    pub fn known(secret: Secret) -> Self {
        Self { parts: vec![Part::Known(secret)] }
    }

    /// Text in which `${sealed:NAME}` is a reference and everything else stands for itself.
    ///
    /// # Errors
    /// When something begins as a reference and is none.
    pub fn with_references(text: &str) -> Result<Self, NoReference> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(REFERENCE) {
            let (name, after) = after.split_once('}').ok_or(NoReference)?;
            if !is_sealed_name(name) {
                return Err(NoReference);
            }
            if !before.is_empty() {
                parts.push(Part::Plain(before.to_owned()));
            }
            parts.push(Part::Sealed(name.to_owned()));
            rest = after;
        }
        if !rest.is_empty() || parts.is_empty() {
            parts.push(Part::Plain(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// The text, when no part of it is secret.
    #[must_use]
    pub fn as_plain(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Plain(text)] => Some(text),
            _ => None,
        }
    }

    /// The text for people: references as they are written, `[secret]` for what was read.
    #[must_use]
    pub fn as_written(&self) -> String {
        let part = |part: &Part| match part {
            Part::Plain(text) => text.clone(),
            Part::Known(_) => "[secret]".to_owned(),
            Part::Sealed(name) => format!("{REFERENCE}{name}}}"),
        };
        self.parts.iter().map(part).collect()
    }

    /// The names it wants from the sealed store.
    pub fn sealed_names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Sealed(name) => Some(name.as_str()),
            Part::Plain(_) | Part::Known(_) => None,
        })
    }

    /// Fills in the values of the sealed store.
    ///
    /// # Errors
    /// The first name that is missing.
    pub fn fill(&self, values: &SealedValues) -> Result<Filled, Missing> {
        let (mut whole, mut secrets) = (Vec::new(), Vec::new());
        for part in &self.parts {
            match part {
                Part::Plain(text) => whole.push(text.as_str()),
                Part::Known(secret) => {
                    whole.push(secret.reveal());
                    secrets.push(secret.clone());
                }
                Part::Sealed(name) => {
                    let secret = values.get(name).ok_or_else(|| Missing(name.clone()))?;
                    whole.push(secret.reveal());
                    secrets.push(secret.clone());
                }
            }
        }
        Ok(Filled { text: Secret::new(whole.concat()), secrets })
    }
}

/// Something that begins as a reference to the sealed store and is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`${{sealed:` is followed by a name of 1 to 200 of `a-z A-Z 0-9 . _ / -` and `}}`")]
pub struct NoReference;

/// Whether a text can name a secret in the sealed store: 1 to 200 of `a-z A-Z 0-9 . _ / -`.
#[must_use]
pub fn is_sealed_name(name: &str) -> bool {
    let known = |b: u8| b.is_ascii_alphanumeric() || b"._/-".contains(&b);
    (1..=200).contains(&name.len()) && name.bytes().all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &SecretText) -> Result<(String, Vec<String>), Missing> {
        let values = [("a", "AAA"), ("b/c", "${sealed:a}")];
        let values = values.map(|(name, value)| (name.to_owned(), Secret::new(value.to_owned()))).into();
        let Filled { text, secrets } = text.fill(&values)?;
        let secrets = secrets.iter().map(|secret| secret.reveal().to_owned()).collect();
        Ok((text.reveal().to_owned(), secrets))
    }

    #[test]
    fn references_are_filled_once_and_everything_else_stands_for_itself() {
        for (text, expected, secrets) in [
            ("", "", &[][..]),
            ("${HOME} $ {} ${env:A}", "${HOME} $ {} ${env:A}", &[]),
            ("${sealed:a}", "AAA", &["AAA"]),
            ("x${sealed:a}${sealed:b/c}}", "xAAA${sealed:a}}", &["AAA", "${sealed:a}"]),
        ] {
            let parsed = SecretText::with_references(text).unwrap();
            let secrets = secrets.iter().map(|secret| (*secret).to_owned()).collect();
            assert_eq!(filled(&parsed), Ok((expected.to_owned(), secrets)), "{text}");
            assert_eq!(parsed.as_written(), text);
            assert_eq!(parsed.as_plain().is_some(), parsed.sealed_names().next().is_none(), "{text}");
        }
        for none in ["${sealed:}", "${sealed:a", "x ${sealed:a b}", "${sealed:${sealed:a}}"] {
            assert!(SecretText::with_references(none).is_err(), "{none}");
        }
    }

    #[test]
    fn what_is_missing_is_named_and_what_was_read_is_not_shown() {
        let text = SecretText::with_references("${sealed:a}-${sealed:gone}").unwrap();
        let missing = filled(&text).unwrap_err();
        assert_eq!(missing.to_string(), "there is no sealed secret `gone`; `callgate seal put gone`");
        let known = SecretText::known(Secret::new("hunter2".to_owned()));
        assert_eq!((known.as_written().as_str(), known.as_plain()), ("[secret]", None));
    }
}
