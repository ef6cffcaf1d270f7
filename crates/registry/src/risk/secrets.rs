//! Whether a tool's results look like secrets. Must never be cleared by an annotation.

use crate::definition::Definition;
use crate::schema::properties;

use super::words::words;

/// One word is enough.
const SECRETS: &[&str] = &[
    "secret",
    "secrets",
    "password",
    "passwords",
    "passwd",
    "credential",
    "credentials",
    "apikey",
    "apikeys",
    "token",
    "tokens",
    "env",
    "environ",
    "dotenv",
    "printenv",
    "keychain",
    "keyring",
    "passphrase",
    "otp",
    "totp",
];
/// Two words in a row are needed.
const PAIRS: &[(&str, &str)] = &[
    ("api", "key"),
    ("api", "keys"),
    ("private", "key"),
    ("private", "keys"),
    ("access", "key"),
    ("access", "keys"),
    ("ssh", "key"),
    ("ssh", "keys"),
    ("secret", "key"),
    ("connection", "string"),
    ("environment", "variable"),
    ("environment", "variables"),
    ("recovery", "codes"),
];
/// The secret goes in, or is only counted; none comes out.
const TAKES: &[&str] = &[
    "set", "put", "store", "delete", "remove", "revoke", "update", "add", "count", "estimate", "validate",
    "verify", "change", "save", "write", "import", "usage", "limit", "budget", "reset", "expire",
];
/// These tokens only page through results.
const PAGING: &[&str] =
    &["next", "page", "continuation", "cursor", "sync", "previous", "max", "total", "count"];
const PHRASES: &[&str] = &[
    "all environment variables",
    "returns environment variables",
    "prints environment variables",
    "returns the secret",
    "returns a secret",
    "secret value",
    "returns credentials",
    "returns the password",
];

/// Why, when it does.
pub(super) fn reason(definition: &Definition) -> Option<String> {
    let name = words(definition.name().as_str());
    let takes = name.iter().any(|word| TAKES.contains(&word.as_str()));
    if let Some(word) = named(&name)
        && !takes
    {
        return Some(format!("its name has `{word}`: what it returns may be a secret"));
    }
    let output = definition.output_schema().map(properties).unwrap_or_default();
    for property in output {
        let words = words(property.name);
        if named(&words).is_some() && !words.iter().any(|word| PAGING.contains(&word.as_str())) {
            return Some("its output schema has a field named like a secret".to_owned());
        }
    }
    let description = definition.description().unwrap_or_default().to_lowercase();
    let phrase = PHRASES.iter().find(|phrase| description.contains(**phrase) && !takes)?;
    Some(format!("its description says `{phrase}`"))
}

fn named(words: &[String]) -> Option<&str> {
    let single = words.iter().find(|word| SECRETS.contains(&word.as_str())).map(String::as_str);
    single.or_else(|| {
        let is_pair = |pair: &&[String]| match pair {
            [left, right] => PAIRS.contains(&(left.as_str(), right.as_str())),
            _ => false,
        };
        words.windows(2).find(is_pair).and_then(|pair| pair.last()).map(String::as_str)
    })
}
