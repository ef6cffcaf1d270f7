//! Every key: section, type, default, meaning. The one place from which reading, schema and reference page follow.
//!
//! Must never have a key whose default permits anything, nor one that weakens protection without `dangerous_`.

/// A table of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Section {
    Listen,
    Store,
    Policy,
    Limits,
    Server,
    /// Within a server's.
    Auth,
    Notify,
    Log,
}

impl Section {
    /// In the order of the reference.
    pub(crate) const ALL: [Self; 8] = [
        Self::Listen,
        Self::Store,
        Self::Policy,
        Self::Limits,
        Self::Server,
        Self::Auth,
        Self::Notify,
        Self::Log,
    ];
    /// Those at the top of the file.
    pub(crate) const TOP: [Self; 7] =
        [Self::Listen, Self::Store, Self::Policy, Self::Limits, Self::Server, Self::Notify, Self::Log];

    /// The name of its table at the top of the file.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Listen => "listen",
            Self::Store => "store",
            Self::Policy => "policy",
            Self::Limits => "limits",
            Self::Server => "servers",
            Self::Auth => "auth",
            Self::Notify => "notify",
            Self::Log => "log",
        }
    }

    /// The name as the reference shows it.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Server => "servers.NAME",
            Self::Auth => "servers.NAME.auth",
            other => other.name(),
        }
    }

    pub(crate) const fn doc(self) -> &'static str {
        match self {
            Self::Listen => "Where clients come in.",
            Self::Store => "Where state is kept.",
            Self::Policy => "Where policies are read from.",
            Self::Limits => "The bounds. Each is a number; none can be switched off.",
            Self::Server => {
                "One upstream server; `NAME` is 1 to 32 of `a-z 0-9 - _` without `__`. Give either `command` or `url`."
            }
            Self::Auth => {
                "How tokens for a server are got (OAuth 2.1), when it wants them. Only with `url`, and without `bearer` or a header `authorization`. Everything has a default: most servers need none of it, only `callgate servers login NAME`."
            }
            Self::Notify => "How a person is told what waits for them, besides `callgate status`.",
            Self::Log => "What is printed on standard error while running. This is not the record.",
        }
    }

    /// Its keys, in the order of the reference.
    pub(crate) fn keys(self) -> impl Iterator<Item = &'static Key> {
        KEYS.iter().filter(move |key| key.section == self)
    }
}

/// What a key holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Text,
    Bool,
    Integer {
        min: u64,
        max: u64,
    },
    TextList,
    Choice(&'static [&'static str]),
    /// Text that must be a reference to a secret.
    Secret,
    /// A table of texts, each of which may be a reference.
    SecretMap,
    /// A table with keys of its own.
    Table(Section),
}

impl Kind {
    /// The kind as problems and the reference name it.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Text => "a string".to_owned(),
            Self::Bool => "`true` or `false`".to_owned(),
            Self::Integer { min, max } => format!("an integer from {min} to {max}"),
            Self::TextList => "a list of strings".to_owned(),
            Self::Choice(words) => format!("one of {}", crate::problem::quoted(words.iter().copied())),
            Self::Secret => "`\"${sealed:NAME}\"`, `\"${file:path}\"` or `\"${env:NAME}\"`".to_owned(),
            Self::SecretMap => "a table of strings".to_owned(),
            Self::Table(section) => format!("the table `[{}]`", section.title()),
        }
    }

    /// True when what was written may be a secret and so is never shown.
    pub(crate) const fn hides(self) -> bool {
        matches!(self, Self::Secret | Self::SecretMap | Self::Table(_))
    }
}

/// One key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) section: Section,
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// TOML text of the default; empty when there is none.
    pub(crate) default: &'static str,
    pub(crate) doc: &'static str,
}

const fn key(
    section: Section,
    name: &'static str,
    kind: Kind,
    default: &'static str,
    doc: &'static str,
) -> Key {
    Key { section, name, kind, default, doc }
}

use Kind::{Bool, Choice, Integer, Secret, SecretMap, Text, TextList};
use Section::{Auth, Limits, Listen, Log, Notify, Policy, Server, Store};

/// Every key there is.
pub(crate) static KEYS: &[Key] = &[
    key(
        Listen,
        "address",
        Text,
        "\"127.0.0.1:8787\"",
        "IP address and port. An address that other machines can reach needs `dangerous_plaintext`, because there is no TLS on this side yet.",
    ),
    key(
        Listen,
        "allowed_origins",
        TextList,
        "[]",
        "Browser origins that may call besides those of this machine's loopback names, each `scheme://host` or `scheme://host:port`. A request with any other `Origin` is refused. There is no wildcard.",
    ),
    key(
        Listen,
        "allowed_hosts",
        TextList,
        "[]",
        "`Host` values that are accepted besides the loopback names, each `host` or `host:port`. There is no wildcard.",
    ),
    key(
        Listen,
        "dangerous_plaintext",
        Bool,
        "false",
        "Serve an address that other machines can reach without TLS: keys and data can be read on the way. Printed at start.",
    ),
    key(
        Store,
        "path",
        Text,
        "\"state\"",
        "Directory of the database, the operator's credential and the admin socket, relative to this file. Only one process uses it at a time.",
    ),
    key(
        Policy,
        "paths",
        TextList,
        "[\"policies\"]",
        "Files, or directories whose `.cedar` files are read, relative to this file. With no policy nothing is permitted.",
    ),
    key(
        Limits,
        "request_bytes_max",
        Integer { min: 1024, max: 67_108_864 },
        "4194304",
        "Bytes of one request of a client.",
    ),
    key(
        Limits,
        "upstream_seconds_max",
        Integer { min: 1, max: 86_400 },
        "300",
        "Seconds an upstream has for one call, progress or not. After that the outcome is `unknown`.",
    ),
    key(
        Limits,
        "result_bytes_max",
        Integer { min: 1024, max: 268_435_456 },
        "16777216",
        "Bytes of one upstream result, all its events together.",
    ),
    key(
        Limits,
        "open_calls_per_task_max",
        Integer { min: 1, max: 65_536 },
        "256",
        "Calls one task may have open at once. More are refused with `limit_exceeded`.",
    ),
    key(
        Limits,
        "calls_per_minute_max",
        Integer { min: 1, max: 60_000_000 },
        "600000",
        "Calls one agent may begin in a minute, all at once or spread. More are refused with `limit_exceeded`, counted and not recorded one by one.",
    ),
    key(
        Limits,
        "lists_and_refusals_per_minute_max",
        Integer { min: 1, max: 60_000_000 },
        "6000",
        "Lists of tools one agent may ask for in a minute, and refusals it may cause, together. After that whatever it asks is refused as above, until there is room.",
    ),
    key(
        Limits,
        "connections_max",
        Integer { min: 1, max: 65_536 },
        "1024",
        "Client connections open at once. More wait to be accepted.",
    ),
    key(
        Server,
        "command",
        TextList,
        "",
        "Program and arguments of a child process that speaks MCP on standard input and output. No shell is involved. Arguments may hold `${sealed:NAME}`; other programs of this machine can see them in the list of processes, so prefer `env`.",
    ),
    key(
        Server,
        "url",
        Text,
        "",
        "The MCP endpoint of a server behind HTTP: `https://…`, or `http://` to this machine. May hold `${sealed:NAME}`.",
    ),
    key(
        Server,
        "env",
        SecretMap,
        "{}",
        "Variables for the child: text, which may hold `${sealed:NAME}`, or `\"${env:NAME}\"` or `\"${file:path}\"`. Only with `command`.",
    ),
    key(
        Server,
        "env_pass",
        TextList,
        "[]",
        "Variables the child gets as Callgate has them, besides `PATH`, `HOME`, `LANG`, `LC_ALL`, `LC_CTYPE`, `TZ` and `TMPDIR`, which every child gets. It gets no others. Only with `command`.",
    ),
    key(
        Server,
        "cwd",
        Text,
        "",
        "Directory the child runs in, relative to this file. Without it each child gets a private directory of its own under `work` in the store, so relative paths in `command` need this key. Only with `command`.",
    ),
    key(
        Server,
        "shareable",
        Bool,
        "false",
        "One child or session may serve several agents. Otherwise each agent has its own, so that one agent's state never answers another.",
    ),
    key(
        Server,
        "environment",
        Text,
        "\"local\"",
        "The environment this server belongs to, as policies see it: 1 to 64 of `a-z 0-9 . _ -`.",
    ),
    key(
        Server,
        "era",
        Choice(&["auto", "legacy", "modern", "sse"]),
        "\"auto\"",
        "Which MCP to speak with it: `modern` is 2026-07-28, `legacy` is the revisions with `initialize`, up to 2025-11-25, `sse` is the HTTP transport of 2024-11-05 (only with `url`). `auto` asks, in this order.",
    ),
    key(
        Server,
        "bearer",
        Secret,
        "",
        "Sent to this server as `Authorization: Bearer …`: `\"${sealed:NAME}\"`, `\"${file:path}\"` or `\"${env:NAME}\"`, never the secret itself. Only with `url`.",
    ),
    key(
        Server,
        "headers",
        SecretMap,
        "{}",
        "More headers of every request to this server, by name: text, which may hold `${sealed:NAME}`, or `\"${env:NAME}\"` or `\"${file:path}\"`. A header that carries a credential must be a reference. `Authorization` only without `bearer`; headers of HTTP and MCP themselves are refused. Only with `url`.",
    ),
    key(
        Server,
        "ca_file",
        Text,
        "",
        "PEM file of certificate authorities to trust for this server besides the public ones, relative to this file. Only with `https://`.",
    ),
    key(
        Server,
        "secret_tools",
        TextList,
        "[]",
        "Names of tools whose results are secrets. The shipped policies refuse these to agents.",
    ),
    key(
        Server,
        "dangerous_plaintext",
        Bool,
        "false",
        "Reach a server on another machine by `http://`: what is sent, the bearer too, can be read on the way. Printed at start.",
    ),
    key(Server, "auth", Kind::Table(Auth), "", "How tokens for this server are got. Only with `url`."),
    key(
        Auth,
        "grant",
        Choice(&["authorization_code", "client_credentials"]),
        "\"authorization_code\"",
        "On whose behalf: a person's, who logs in with `callgate servers login NAME`, or Callgate's own, with `client_id`, `issuer` and `client_secret` or `client_key`.",
    ),
    key(
        Auth,
        "client_id",
        Text,
        "",
        "Who Callgate is there: the id it was registered with, or the `https://` address of its client metadata document. Without it, it registers itself where that is possible.",
    ),
    key(
        Auth,
        "client_secret",
        Secret,
        "",
        "Proves it: `\"${sealed:NAME}\"`, `\"${file:path}\"` or `\"${env:NAME}\"`. Sent to the token endpoint of `issuer` only, as `client_secret_basic` or else `client_secret_post`.",
    ),
    key(
        Auth,
        "client_key",
        Secret,
        "",
        "Proves it by signatures (`private_key_jwt`), in place of `client_secret`: a PEM private key, P-256, Ed25519 or RSA, as a reference.",
    ),
    key(
        Auth,
        "client_key_audience",
        Choice(&["issuer", "token_endpoint"]),
        "\"issuer\"",
        "Whom these signatures are for. Older authorization servers want their token endpoint.",
    ),
    key(
        Auth,
        "issuer",
        Text,
        "",
        "The only authorization server that tokens are taken from, exactly as it names itself. Without it, the one the server names.",
    ),
    key(
        Auth,
        "hosts",
        TextList,
        "[]",
        "Hosts that the server may name although they lie in a private network, besides its own host and the issuer's. What it names otherwise must lead to the public internet.",
    ),
    key(
        Auth,
        "scopes",
        TextList,
        "[]",
        "The only scopes that are ever asked for. Without any, a login asks for those the server wants, and `client_credentials` for none.",
    ),
    key(
        Auth,
        "redirect",
        Text,
        "",
        "Where a login comes back to, `http://127.0.0.1:PORT/PATH`, if it was registered so. Without it, `/callback` on a free port.",
    ),
    key(
        Notify,
        "desktop",
        Bool,
        "true",
        "Show a desktop notification (`notify-send`, where there is one and a session) when a server in use brings changed or new tools. It names the server and how many, nothing a server wrote; at most one of a server in five minutes.",
    ),
    key(Log, "format", Choice(&["human", "json"]), "\"human\"", "How lines look."),
    key(
        Log,
        "level",
        Choice(&["error", "warn", "info", "debug", "trace"]),
        "\"info\"",
        "How much is printed. No level prints arguments, results or secrets.",
    ),
];

/// The key of that name in that section.
pub(crate) fn find(section: Section, name: &str) -> Option<&'static Key> {
    section.keys().find(|key| key.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_few_keys_and_units_and_dangers_are_in_their_names() {
        assert!(KEYS.len() < 64);
        for key in KEYS {
            assert_eq!(KEYS.iter().filter(|k| k.section == key.section && k.name == key.name).count(), 1);
            assert!(key.doc.ends_with('.'), "{}", key.name);
            if matches!(key.kind, Integer { .. }) {
                assert!(key.name.ends_with("_max"), "{}", key.name);
            }
        }
    }
}
