//! Secrets planted in every field of an entry are in no table, and each is sealed.

use super::*;
use crate::kind::Kind;
use crate::kind::tests::places;
use crate::server::found;
use crate::split::{Around, split};
use crate::{Facts, names::gate_name};

struct Made {
    table: String,
    sealed: Vec<(String, String)>,
}

fn made(kind: Kind, text: &str) -> Made {
    let location = kind.locations(&places(false)).into_iter().next().unwrap();
    let document = Document::parse(text.as_bytes(), location.format).unwrap();
    let mut all = found(&document, &location);
    let one = all.remove(0);
    let env = |name: &str| match name {
        "FROM_ENV" | "PASSED" => Some("planted-in-the-environment".to_owned()),
        _ => None,
    };
    let input = |id: &str| (id == "key").then(|| Hidden::new("planted-input".to_owned()));
    let around = Around {
        syntax: kind.syntax(),
        facts: Facts { env: &env, input: &input, home: "/people/ann", workspace: "/people/ann/code" },
        exists: &|path| path == "/people/ann/data",
        env_file: &[("FILE_VAR".to_owned(), "planted-env-file".to_owned())],
        starts_in: None,
    };
    let server = split(&one.what.ok().unwrap(), &around).unwrap();
    let made = table_of(&gate_name(&one.name), &server, "from a test");
    let sealed = made.sealings.iter().map(|one| (one.name.clone(), one.value.reveal().to_owned())).collect();
    Made { table: made.table, sealed }
}

#[test]
fn a_child_process_keeps_nothing_in_clear() {
    let text = r#"{"mcpServers": {"My Server": {
        "command": "npx",
        "args": ["-y", "pkg", "--api-key", "planted-flag", "--token=planted-equals", "ghp_plantedplantedplanted01",
            "postgresql://ann:planted-user@db/x", "-e", "PASS_IT=planted-docker", "--header", "Authorization: planted-h",
            "https://h/sse?k=planted-query", "${input:key}x", "/people/ann/data", "{\"password\": \"planted-json\"}"],
        "env": {"API": "planted-env", "NODE_ENV": "production", "DATA": "/people/ann/data", "V": "${env:FROM_ENV}"},
        "envFile": "x.env",
        "cwd": "sub"
    }}}"#;
    let made = made(Kind::Cursor, text);
    assert!(!made.table.contains("planted"), "{}", made.table);
    for value in [
        "planted-flag",
        "planted-equals",
        "ghp_plantedplantedplanted01",
        "ann:planted-user",
        "planted-docker",
        " planted-h",
        "k=planted-query",
        "planted-env",
        "planted-in-the-environment",
        "planted-env-file",
        "{\"password\": \"planted-json\"}",
    ] {
        assert!(made.sealed.iter().any(|(_, sealed)| sealed == value), "{value}");
    }
    assert!(made.sealed.iter().any(|(_, sealed)| sealed.contains("planted-input")));
    for kept in [
        "[servers.my-server]\ncommand = [\"npx\", \"-y\", \"pkg\", \"--api-key\", \"${sealed:servers/my-server/arg/4}\", ",
        "\"--token=${sealed:servers/my-server/arg/5}\"",
        "\"postgresql://${sealed:servers/my-server/arg/7}@db/x\"",
        "\"PASS_IT=${sealed:servers/my-server/arg/9}\"",
        "\"https://h/sse?${sealed:servers/my-server/arg/12}\"",
        "\"/people/ann/data\"",
        "cwd = \"/people/ann/code/sub\"",
        "NODE_ENV = \"production\"",
        "API = \"${sealed:servers/my-server/env/API}\"",
    ] {
        assert!(made.table.contains(kept), "{kept} is not in\n{}", made.table);
    }
}

#[test]
fn an_address_keeps_nothing_in_clear() {
    let text = r#"{"mcpServers": {"web": {"type": "http", "url": "https://ann:planted%2Fpw@h.example/mcp/sk-plantedplanted?a=planted-q",
        "headers": {"X-Key": "planted-header", "Accept": "text/html", "User-Agent": "me/1"}}}}"#;
    let made = made(Kind::ClaudeCode, text);
    assert!(!made.table.contains("planted"), "{}", made.table);
    let url = "url = \"https://h.example/mcp/${sealed:servers/web/url}?${sealed:servers/web/url.2}\"";
    assert!(made.table.contains(url), "{}", made.table);
    assert!(made.table.contains("User-Agent = \"me/1\"") && !made.table.contains("Accept"));
    let basic = made.sealed.iter().find(|(name, _)| name == "servers/web/header/Authorization");
    assert_eq!(basic.unwrap().1, "Basic YW5uOnBsYW50ZWQvcHc=");
}

#[test]
fn what_a_client_speaks_by_the_old_transport_is_spoken_to_so() {
    let entry = |kind: &str| {
        format!(r#"{{"mcpServers": {{"web": {{"type": "{kind}", "url": "https://h.example/sse"}}}}}}"#)
    };
    let (old, new) = (made(Kind::ClaudeCode, &entry("sse")), made(Kind::ClaudeCode, &entry("http")));
    assert!(old.table.contains("url = \"https://h.example/sse\"\nera = \"sse\"\n"), "{}", old.table);
    assert!(!new.table.contains("era"), "{}", new.table);
}

#[test]
fn a_bearer_is_the_servers_bearer() {
    let text = "[mcp_servers.web]\nurl = \"https://h/mcp\"\nbearer_token_env_var = \"FROM_ENV\"\n[mcp_servers.web.env_http_headers]\nX = \"PASSED\"\n";
    let made = made(Kind::Codex, text);
    assert!(made.table.contains("bearer = \"${sealed:servers/web/bearer}\""), "{}", made.table);
    assert!(made.table.contains("X = \"${sealed:servers/web/header/X}\""), "{}", made.table);
    let bearer = made.sealed.iter().find(|(name, _)| name == "servers/web/bearer");
    assert_eq!(bearer.unwrap().1, "planted-in-the-environment");
}

#[test]
fn what_reads_as_a_reference_is_sealed() {
    let text =
        r#"{"mcpServers": {"a": {"command": "x", "args": ["a ${HOME} b"], "env": {"DEBUG": "${x}"}}}}"#;
    let made = made(Kind::ClaudeDesktop, text);
    assert!(made.table.contains("command = [\"x\", \"${sealed:servers/a/arg/1}\"]"), "{}", made.table);
    assert!(made.table.contains("DEBUG = \"${sealed:servers/a/env/DEBUG}\""), "{}", made.table);
}

#[test]
fn a_configuration_grows_and_stays() {
    let name = gate_name("a");
    let table = "[servers.a]\ncommand = [\"x\"]\n".to_owned();
    let grown = append("# mine\n[log]\nlevel = \"warn\" # quiet", std::slice::from_ref(&table)).unwrap();
    assert_eq!(grown, format!("# mine\n[log]\nlevel = \"warn\" # quiet\n\n{table}"));
    assert_eq!(same_table(&grown, &name, &table), Ok(Some(true)));
    assert_eq!(same_table(&grown, &name, "[servers.a]\ncommand = [\"y\"]\n"), Ok(Some(false)));
    assert_eq!(same_table("", &name, &table), Ok(None));
    assert!(append("servers = {}\n", &[table]).is_err());
}
