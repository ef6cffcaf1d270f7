//! `[servers.NAME]`. Must never accept a literal where a secret reference is wanted, nor show what was written there.

use std::collections::BTreeSet;

use model::ids::{GroupName, ServerName, ToolName};
use ports::sealed::{REFERENCE, SecretText};

use super::hosts::{Reach, reach};
use super::secrets::Place;
use super::{Surroundings, auth, headers, path, secrets};
use crate::domain::{Era, Http, Server, Stdio, Transport};
use crate::problem::shown;
use crate::read::{At, Reader, Says, Table};
use crate::resolve::is_variable_name;

/// Most servers of one configuration.
const SERVERS_MAX: usize = 256;

const ONLY_STDIO: [&str; 3] = ["env", "env_pass", "cwd"];
const ONLY_HTTP: [&str; 5] = ["bearer", "headers", "ca_file", "dangerous_plaintext", "auth"];

pub(super) fn servers(
    reader: &mut Reader<'_>,
    table: &Table<'_, '_>,
    around: &Surroundings<'_>,
) -> Vec<Server> {
    let children = reader.children(table);
    if children.len() > SERVERS_MAX {
        let got = format!("{} servers", children.len());
        let want = format!("at most {SERVERS_MAX}");
        reader.note(table.offset, "servers", &Says { got: &got, want: &want, fix: "remove some" });
    }
    children.iter().filter_map(|child| server(reader, child, around)).collect()
}

fn server(reader: &mut Reader<'_>, table: &Table<'_, '_>, around: &Surroundings<'_>) -> Option<Server> {
    reader.unknown_keys(table);
    let written = table.name.strip_prefix("servers.").unwrap_or(&table.name);
    let name = ServerName::parse(written);
    if name.is_err() {
        let want = "1 to 32 of `a-z 0-9 - _`, beginning and ending with a letter or digit, without `__`";
        let fix = "rename the server; tools are shown as `NAME__tool`";
        reader.note(table.offset, &table.name, &Says { got: &shown(written), want, fix });
    }
    let transport = transport(reader, table, around);
    let environment = environment(reader, table);
    let secret_tools = secret_tools(reader, table);
    let era = era(reader, table);
    let shareable = reader.bool(table, "shareable");
    Some(Server { name: name.ok()?, transport: transport?, shareable, environment, era, secret_tools })
}

fn transport(reader: &mut Reader<'_>, table: &Table<'_, '_>, around: &Surroundings<'_>) -> Option<Transport> {
    match (table.has("command"), table.has("url")) {
        (Some(_), None) => {
            foreign(reader, table, &ONLY_HTTP, "url");
            stdio(reader, table, around).map(Transport::Stdio)
        }
        (None, Some(_)) => {
            foreign(reader, table, &ONLY_STDIO, "command");
            http(reader, table, around).map(Transport::Http)
        }
        (None, None) => {
            let fix = "add `command = [\"program\", \"argument\"]` or `url = \"https://…\"`";
            let says = Says { got: "neither `command` nor `url`", want: "one of them", fix };
            reader.note(table.offset, &table.name, &says);
            None
        }
        (Some(_), Some(offset)) => {
            let says = Says { got: "both `command` and `url`", want: "one of them", fix: "remove one" };
            reader.note(offset, &table.key("url"), &says);
            None
        }
    }
}

fn era(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Era {
    let era = match reader.choice(table, "era") {
        Some("legacy") => Era::Legacy,
        Some("modern") => Era::Modern,
        Some("sse") => Era::Sse,
        _ => Era::Auto,
    };
    if let (Era::Sse, Some(offset), Some(_)) = (era, table.has("era"), table.has("command")) {
        let want = "`\"auto\"`, `\"legacy\"` or `\"modern\"`";
        let says = Says { got: "a transport of HTTP for a child", want, fix: "remove it, or use `url`" };
        reader.note(offset, &table.key("era"), &says);
    }
    era
}

fn foreign(reader: &mut Reader<'_>, table: &Table<'_, '_>, names: &[&str], with: &str) {
    for name in names {
        if let Some(offset) = table.has(name) {
            let got = format!("a key that works only with `{with}`");
            let fix = format!("remove it, or use `{with}`");
            reader.note(offset, &table.key(name), &Says { got: &got, want: "no such key here", fix: &fix });
        }
    }
}

fn stdio(reader: &mut Reader<'_>, table: &Table<'_, '_>, around: &Surroundings<'_>) -> Option<Stdio> {
    let env = env(reader, table, around);
    let env_pass = env_pass(reader, table, &env);
    let given = reader.text(table, "cwd");
    let cwd = given.map(|given| path(reader, &table.key("cwd"), &given, around));
    let given = reader.list(table, "command")?;
    let (program, args) = command(reader, &table.key("command"), given, around)?;
    Some(Stdio { program, args, env, env_pass, cwd })
}

fn command(
    reader: &mut Reader<'_>,
    key: &str,
    given: At<Vec<At<String>>>,
    around: &Surroundings<'_>,
) -> Option<(String, Vec<SecretText>)> {
    let mut parts = Vec::new();
    for part in &given.value {
        if part.value.contains('\0') {
            let says = Says { got: "a NUL byte", want: "text without NUL", fix: "remove it" };
            reader.note(part.offset, key, &says);
        }
        parts.extend(secrets::embedded(reader, part, &Place { key, around, form: &secrets::ANY }));
    }
    let program = given.value.first().filter(|program| !program.value.is_empty());
    let Some(program) = program else {
        let fix = "write it like `[\"npx\", \"-y\", \"some-server\"]`";
        let says = Says { got: "no program", want: "a program and its arguments", fix };
        reader.note(given.offset, key, &says);
        return None;
    };
    if program.value.contains(REFERENCE) {
        let fix = "write the program as it is; its arguments may be secret";
        let says = Says { got: "a reference as the program", want: "a path or a name", fix };
        reader.note(program.offset, key, &says);
    }
    let args = parts.into_iter().skip(1).collect();
    Some((program.value.clone(), args))
}

fn env(
    reader: &mut Reader<'_>,
    table: &Table<'_, '_>,
    around: &Surroundings<'_>,
) -> Vec<(String, SecretText)> {
    let mut env = Vec::new();
    for (name, value) in reader.map(table, "env") {
        let key = format!("{}.{}", table.key("env"), name.value);
        variable(reader, &key, &name);
        if let Some(text) = secrets::value(reader, &key, &value, around) {
            secrets::check(
                reader,
                &At { value: &text, offset: value.offset },
                &Place { key: &key, around, form: &secrets::ANY },
            );
            env.push((name.value, text));
        }
    }
    env
}

fn variable(reader: &mut Reader<'_>, key: &str, name: &At<String>) {
    if !is_variable_name(&name.value) {
        let want = "a variable name: 1 to 128 of `A-Z a-z 0-9 _`, not beginning with a digit";
        let says = Says { got: &shown(&name.value), want, fix: "rename it" };
        reader.note(name.offset, key, &says);
    }
}

fn env_pass(reader: &mut Reader<'_>, table: &Table<'_, '_>, env: &[(String, SecretText)]) -> Vec<String> {
    let key = table.key("env_pass");
    let Some(given) = reader.list(table, "env_pass") else {
        return Vec::new();
    };
    for name in &given.value {
        variable(reader, &key, name);
        if env.iter().any(|(set, _)| *set == name.value) {
            let says = Says {
                got: &shown(&name.value),
                want: "each variable once",
                fix: "remove it here or in `env`",
            };
            reader.note(name.offset, &key, &says);
        }
    }
    given.value.into_iter().map(|name| name.value).collect()
}

fn http(reader: &mut Reader<'_>, table: &Table<'_, '_>, around: &Surroundings<'_>) -> Option<Http> {
    let dangerous_plaintext = reader.bool(table, "dangerous_plaintext");
    let bearer = bearer(reader, table, around);
    let headers = headers::headers(reader, table, around);
    let auth = auth::auth(reader, table, around, &headers);
    let ca_file = reader.text(table, "ca_file");
    let ca_offset = ca_file.as_ref().map(|given| given.offset);
    let ca_file = ca_file.map(|given| path(reader, &table.key("ca_file"), &given, around));
    let given = reader.text(table, "url")?;
    let url =
        secrets::embedded(reader, &given, &Place { key: &table.key("url"), around, form: &secrets::URL })?;
    if let (None, Some(offset)) = (url.as_plain(), table.has("auth")) {
        let got = "a `url` that holds a secret, which whoever gives tokens would be told";
        let says = Says {
            got,
            want: "a plain `url` with `auth`",
            fix: "write the `url` as it is, or remove `auth`",
        };
        reader.note(offset, &table.key("auth"), &says);
    }
    let written = secrets::with_placeholders(&url);
    // What begins with a reference is known once it is read; it is checked then, and when it is connected to.
    if !written.starts_with(secrets::PLACEHOLDER) {
        let reached = reach(&written);
        url_form(reader, table, &given, reached, dangerous_plaintext);
        if let (Some(offset), Some(Reach::Loopback | Reach::Plaintext)) = (ca_offset, reached) {
            let says =
                Says { got: "certificates for an `http://` URL", want: "`https://`", fix: "remove it" };
            reader.note(offset, &table.key("ca_file"), &says);
        }
    }
    Some(Http { url, bearer, headers, ca_file, dangerous_plaintext, auth })
}

fn url_form(
    reader: &mut Reader<'_>,
    table: &Table<'_, '_>,
    given: &At<String>,
    reached: Option<Reach>,
    dangerous_plaintext: bool,
) {
    let key = table.key("url");
    match reached {
        None => {
            let want = "an `https://` URL without user name, password or `#`";
            let fix = "write it like `\"https://mcp.example.com/mcp\"`; a credential goes into `bearer`";
            reader.note(given.offset, &key, &Says { got: "something else (not shown)", want, fix });
        }
        Some(Reach::Plaintext) if !dangerous_plaintext => {
            let want = "`https://`, or `http://` to this machine";
            let fix = "use `https://`, or set `dangerous_plaintext = true` for this server";
            reader.note(given.offset, &key, &Says { got: "`http://` to another machine", want, fix });
        }
        Some(_) => {}
    }
}

fn bearer(reader: &mut Reader<'_>, table: &Table<'_, '_>, around: &Surroundings<'_>) -> Option<SecretText> {
    let given = reader.text(table, "bearer")?;
    let key = table.key("bearer");
    if !secrets::is_whole_reference(&given.value) {
        secrets::literal(reader, &key, given.offset);
        return None;
    }
    let text = secrets::value(reader, &key, &given, around)?;
    secrets::check(
        reader,
        &At { value: &text, offset: given.offset },
        &Place { key: &key, around, form: &secrets::BEARER },
    );
    Some(text)
}

fn environment(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> String {
    let Some(given) = reader.text(table, "environment") else {
        return "local".to_owned();
    };
    // The same grammar as a group's name, so that policies can write either without escapes.
    if GroupName::parse(&given.value).is_err() {
        let want = "1 to 64 of `a-z 0-9 . _ -`, beginning and ending with a letter or digit";
        let fix = "write a plain word such as `\"local\"` or `\"production\"`";
        reader.note(given.offset, &table.key("environment"), &Says { got: &shown(&given.value), want, fix });
    }
    given.value
}

fn secret_tools(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> BTreeSet<ToolName> {
    let mut tools = BTreeSet::new();
    for given in reader.list(table, "secret_tools").map(|list| list.value).unwrap_or_default() {
        match ToolName::parse(&given.value) {
            Ok(name) => drop(tools.insert(name)),
            Err(_) => {
                let want = "a tool's own name: 1 to 128 of `A-Z a-z 0-9 _ . / -`";
                let fix = "write the name as the server lists it, without `SERVER__`";
                let says = Says { got: &shown(&given.value), want, fix };
                reader.note(given.offset, &table.key("secret_tools"), &says);
            }
        }
    }
    tools
}
