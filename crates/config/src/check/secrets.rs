//! Values that may be or hold references to secrets. Must never show a value, written or read.
//!
//! What is read once, with the configuration (`${env:…}`, `${file:…}`), is a problem when it cannot be used. What is
//! read when a server is started (`${sealed:…}`) is a warning: the other servers work.

use ports::sealed::{SealedValues, SecretText};
use ports::secret::Secret;

use super::Surroundings;
use crate::problem::shown;
use crate::read::{At, Reader, Says};
use crate::resolve::Reference;

/// What a filled-in text must look like.
pub(super) struct Form {
    pub(super) want: &'static str,
    pub(super) got: &'static str,
    pub(super) fits: fn(&str) -> bool,
}

/// Nothing more than every value: no NUL.
pub(super) const ANY: Form =
    Form { want: "text without NUL", got: "a value with a NUL byte", fits: |text| !text.contains('\0') };

/// What follows `Bearer ` in a header.
pub(super) const BEARER: Form = Form {
    want: "visible ASCII characters without spaces, as a header can carry",
    got: "a secret with other characters",
    fits: |text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()),
};

/// An upstream's URL.
pub(super) const URL: Form = Form {
    want: "an `https://` URL, or `http://` to this machine, without user name, password or `#`",
    got: "something else (not shown)",
    fits: |text| super::hosts::reach(text).is_some(),
};

/// Where a value is and what it must look like.
pub(super) struct Place<'a> {
    pub(super) key: &'a str,
    pub(super) around: &'a Surroundings<'a>,
    pub(super) form: &'a Form,
}

/// Whether the value is one reference and nothing else. A broken one counts: it has its own problem.
pub(super) fn is_whole_reference(text: &str) -> bool {
    match Reference::parse(text) {
        Reference::Sealed(_) => text.starts_with("${") && text.find('}') == text.len().checked_sub(1),
        Reference::Literal(_) => false,
        Reference::Env(_) | Reference::File(_) | Reference::Broken => true,
    }
}

/// Notes a secret that was written into the file.
pub(super) fn literal(reader: &mut Reader<'_>, key: &str, offset: usize) {
    let want = "`\"${sealed:NAME}\"`, `\"${file:path}\"` or `\"${env:NAME}\"`";
    let fix = "keep the secret with `callgate seal put NAME`, write `\"${sealed:NAME}\"` here, and replace the secret, since it was written down";
    reader.note(offset, key, &Says { got: "a literal (not shown)", want, fix });
}

/// The text behind a value; noted and `None` when it cannot be read.
pub(super) fn value(
    reader: &mut Reader<'_>,
    key: &str,
    given: &At<String>,
    around: &Surroundings<'_>,
) -> Option<SecretText> {
    let reference = Reference::parse(&given.value);
    let source = match &reference {
        Reference::Env(name) => format!("the environment variable `{name}`"),
        Reference::File(path) => format!("the file {}", shown(path)),
        Reference::Literal(_) | Reference::Sealed(_) => "this text".to_owned(),
        Reference::Broken => {
            let want = "plain text, text with `${sealed:NAME}` in it, or exactly one of `\"${env:NAME}\"`, `\"${file:path}\"`";
            let fix = "let such a reference be the whole value";
            reader.note(given.offset, key, &Says { got: "text with `${` in it (not shown)", want, fix });
            return None;
        }
    };
    match reference.resolve(around.base_dir, around.resolve) {
        Ok(text) => Some(text),
        Err(fault) => {
            let got = format!("{source}, which cannot be used: {fault}");
            let fix = "set the variable or write the file before starting";
            reader.note(given.offset, key, &Says { got: &got, want: "text that can be read", fix });
            None
        }
    }
}

/// Text where only `${sealed:NAME}` is a reference: an argument, a URL.
pub(super) fn embedded(reader: &mut Reader<'_>, given: &At<String>, place: &Place<'_>) -> Option<SecretText> {
    let Ok(text) = SecretText::with_references(&given.value) else {
        let want = "`${sealed:NAME}` with a name of 1 to 200 of `a-z A-Z 0-9 . _ / -`";
        let fix = "correct the name, and end it with `}`";
        reader.note(given.offset, place.key, &Says { got: "something else after `${sealed:`", want, fix });
        return None;
    };
    // What is written there as it is has its own checks.
    if text.as_plain().is_none() {
        check(reader, &At { value: &text, offset: given.offset }, place);
    }
    Some(text)
}

/// Notes a text that does not look as it must: a problem, or a warning when the sealed store has it so.
pub(super) fn check(reader: &mut Reader<'_>, text: &At<&SecretText>, place: &Place<'_>) {
    let names: Vec<_> = text.value.sealed_names().collect();
    let values = sealed_values(reader, &names, text.offset, place);
    let Some(filled) = values.and_then(|values| text.value.fill(&values).ok()) else { return };
    if (place.form.fits)(filled.text.reveal()) {
        return;
    }
    let Form { want, got, .. } = place.form;
    if names.is_empty() {
        let fix = "check what the file or variable holds";
        reader.note(text.offset, place.key, &Says { got, want, fix });
    } else {
        let fix = "put another value with `callgate seal put`; until then this server is unavailable";
        reader.warn(text.offset, place.key, &Says { got, want, fix });
    }
}

/// The values of these names; warned and `None` when one cannot be had.
fn sealed_values(
    reader: &mut Reader<'_>,
    names: &[&str],
    offset: usize,
    place: &Place<'_>,
) -> Option<SealedValues> {
    let mut values = SealedValues::new();
    let mut complete = true;
    for name in names {
        let (got, fix) = match place.around.resolve.sealed(&place.around.sealed, name) {
            Ok(Some(secret)) => {
                values.insert((*name).to_owned(), secret);
                continue;
            }
            Ok(None) => {
                let got = format!("the sealed secret `{name}`, which is not there");
                (got, format!("`callgate seal put {name}`; until then this server is unavailable"))
            }
            Err(fault) => {
                let got = format!("the sealed secret `{name}`, which cannot be read: {fault}");
                (got, "correct that; until then this server is unavailable".to_owned())
            }
        };
        complete = false;
        reader.warn(offset, place.key, &Says { got: &got, want: "a secret that is there", fix: &fix });
    }
    complete.then_some(values)
}

/// What stands for a sealed part where the rest of a text is checked.
pub(super) const PLACEHOLDER: &str = "sealed";

/// The text with every sealed part replaced by [`PLACEHOLDER`].
pub(super) fn with_placeholders(text: &SecretText) -> String {
    let value = |name: &str| (name.to_owned(), Secret::new(PLACEHOLDER.to_owned()));
    let values = text.sealed_names().map(value).collect();
    text.fill(&values).map(|filled| filled.text.reveal().to_owned()).unwrap_or_default()
}
