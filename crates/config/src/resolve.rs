//! Secret references: `${sealed:NAME}`, `${env:NAME}` and `${file:path}`. Must never read anything itself, nor accept
//! half a reference.

use std::path::Path;

use ports::sealed::{REFERENCE, SecretText};
use ports::secret::Secret;

/// Most bytes of one secret.
pub(crate) const SECRET_BYTES_MAX: usize = 64 << 10;

/// Where secrets are read from. The composition root reads the process environment and the file system.
pub trait Resolve {
    /// The value of an environment variable.
    ///
    /// # Errors
    /// [`ResolveFault`] when it is not set or not UTF-8.
    fn env(&self, name: &str) -> Result<Secret, ResolveFault>;

    /// The whole text of a file. `path` is already joined to the directory of the configuration.
    ///
    /// # Errors
    /// [`ResolveFault`] when it cannot be read or is not UTF-8. Refuse a file of more than 64 KiB before reading it.
    fn file(&self, path: &Path) -> Result<Secret, ResolveFault>;

    /// A value of the sealed store in this directory, to check it; `None` when it is not there. What servers get is
    /// read again when they are started.
    ///
    /// # Errors
    /// [`ResolveFault`] when the store cannot be read.
    fn sealed(&self, directory: &Path, name: &str) -> Result<Option<Secret>, ResolveFault>;
}

/// Why a secret could not be read, in words that hold no part of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ResolveFault(pub String);

/// A value that may be a reference.
pub(crate) enum Reference<'a> {
    /// `${env:NAME}`.
    Env(&'a str),
    /// `${file:path}`.
    File(&'a str),
    /// Text with `${sealed:NAME}` in it.
    Sealed(SecretText),
    /// Text without `${`.
    Literal(&'a str),
    /// Holds `${` but is none of these.
    Broken,
}

impl<'a> Reference<'a> {
    pub(crate) fn parse(text: &'a str) -> Self {
        if !text.contains("${") {
            return Self::Literal(text);
        }
        if text.contains(REFERENCE) {
            // What is left without these must not look like another reference.
            let only = text.matches("${").count() == text.matches(REFERENCE).count();
            let read = SecretText::with_references(text).ok().filter(|_| only);
            return read.map_or(Self::Broken, Self::Sealed);
        }
        let inner = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        let whole =
            inner.filter(|inner| !inner.contains(['$', '{', '}'])).and_then(|inner| inner.split_once(':'));
        match whole {
            Some(("env", name)) if is_variable_name(name) => Self::Env(name),
            Some(("file", path)) if !path.is_empty() && !path.contains('\0') => Self::File(path),
            _ => Self::Broken,
        }
    }

    /// Reads what can be read now. One line end at the end of a file is not part of the secret.
    pub(crate) fn resolve(self, base_dir: &Path, resolve: &dyn Resolve) -> Result<SecretText, ResolveFault> {
        let secret = match self {
            Self::Env(name) => resolve.env(name)?,
            Self::File(path) => {
                let read = resolve.file(&base_dir.join(path))?;
                let text = read.reveal();
                let text =
                    text.strip_suffix('\n').map_or(text, |rest| rest.strip_suffix('\r').unwrap_or(rest));
                Secret::new(text.to_owned())
            }
            Self::Sealed(text) => return Ok(text),
            Self::Literal(text) => {
                check_text(text)?;
                return Ok(SecretText::plain(text));
            }
            Self::Broken => return Err(ResolveFault("not a reference".to_owned())),
        };
        check_text(secret.reveal())?;
        Ok(SecretText::known(secret))
    }
}

fn check_text(text: &str) -> Result<(), ResolveFault> {
    if text.len() > SECRET_BYTES_MAX {
        return Err(ResolveFault(format!("longer than {SECRET_BYTES_MAX} bytes")));
    }
    if text.contains('\0') {
        return Err(ResolveFault("holds a NUL byte".to_owned()));
    }
    Ok(())
}

/// Whether an environment variable can have this name.
pub(crate) fn is_variable_name(name: &str) -> bool {
    let start = |b: &u8| b.is_ascii_alphabetic() || *b == b'_';
    (1..=128).contains(&name.len())
        && name.as_bytes().first().is_some_and(start)
        && name.bytes().all(|b| start(&b) || b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_reference_is_one_but_sealed_parts_are() {
        assert!(matches!(Reference::parse("${env:A_1}"), Reference::Env("A_1")));
        assert!(matches!(Reference::parse("${file:run/token}"), Reference::File("run/token")));
        assert!(matches!(Reference::parse("plain $HOME"), Reference::Literal("plain $HOME")));
        for sealed in ["${sealed:a}", "Bearer ${sealed:a/b}!", "${sealed:a}${sealed:b}"] {
            assert!(matches!(Reference::parse(sealed), Reference::Sealed(_)), "{sealed}");
        }
        for broken in [
            "${env:}",
            "${env:A B}",
            "x${env:A}",
            "${env:A}x",
            "${}",
            "${vault:x}",
            "${file:}",
            "${env:A",
            "${sealed:}",
            "${sealed:a",
            "${sealed:a b}",
            "${sealed:a}${env:A}",
            "${HOME}${sealed:a}",
        ] {
            assert!(matches!(Reference::parse(broken), Reference::Broken), "{broken}");
        }
    }
}
