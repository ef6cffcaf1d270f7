//! What of a server's configuration is worth a word.

use config::Era;
use model::ids::ServerName;

use super::*;
use crate::style::Style;

fn server(program: &str, arguments: &[&str], env: &[(&str, &str)]) -> Server {
    let text = |text: &&str| SecretText::with_references(text).unwrap();
    let transport = Transport::Stdio(Stdio {
        program: program.to_owned(),
        args: arguments.iter().map(text).collect(),
        env: env.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect(),
        env_pass: Vec::new(),
        cwd: None,
    });
    with(transport)
}

fn http(url: &str) -> Server {
    let url = SecretText::with_references(url).unwrap();
    with(Transport::Http(Http {
        url,
        bearer: None,
        headers: Vec::new(),
        ca_file: None,
        dangerous_plaintext: false,
        auth: config::Auth::default(),
    }))
}

fn with(transport: Transport) -> Server {
    Server {
        name: ServerName::parse("files").unwrap(),
        transport,
        shareable: false,
        environment: "local".to_owned(),
        era: Era::Auto,
        secret_tools: std::collections::BTreeSet::new(),
    }
}

fn said(server: Server) -> String {
    let mut found = Findings::default();
    look(&mut found, &[server]);
    found.text(Style::PLAIN)
}

#[test]
fn a_program_that_is_not_there_is_a_problem() {
    assert!(said(server("no-such-program-anywhere", &[], &[])).contains("not in PATH"));
    assert!(said(server("/bin/no-such-program", &[], &[])).contains("1 problem"));
    assert!(said(server("sh", &[], &[])).contains("0 problems, 0 warnings"));
}

#[test]
fn credentials_in_clear_are_warned_of_and_never_shown() {
    let secret = "ghp_0123456789abcdefghijklmnopqrstuvwxyz";
    for server in [
        server("sh", &[&format!("--token={secret}")], &[]),
        server("sh", &["--token", secret], &[]),
        server("sh", &["--api-key", "hunter2hunter2"], &[]),
        server("sh", &[secret], &[]),
        server("sh", &[], &[("SERVICE_TOKEN", "hunter2hunter2")]),
        http(&format!("https://example.com/mcp?api_key={secret}")),
        http("https://user:hunter2hunter2@example.com/mcp"),
    ] {
        let said = said(server);
        assert!(said.contains("1 warning") && said.contains("callgate seal put"), "{said}");
        assert!(!said.contains(secret) && !said.contains("hunter2"), "{said}");
    }
}

#[test]
fn what_is_no_credential_is_not_warned_of() {
    for server in [
        server("sh", &["-y", "@modelcontextprotocol/server-filesystem@2026.8.31", "/srv/project"], &[]),
        server("sh", &["--token-file", "a", "--verbose"], &[("LOG_LEVEL", "debug")]),
        server("sh", &[], &[("SERVICE_TOKEN", "${sealed:service}")]),
        http("https://example.com/mcp?version=2"),
    ] {
        assert!(said(server).contains("0 warnings"));
    }
    let argument = said(server("sh", &["--token", "${sealed:service}"], &[]));
    assert!(argument.contains("list of processes") && argument.contains("1 warning"), "{argument}");
}

#[test]
fn a_fetched_program_without_a_version_is_noted() {
    let notes = |program: &str, arguments: &[&str]| {
        let mut found = Findings::default();
        let Transport::Stdio(child) = server(program, arguments, &[]).transport else { panic!() };
        pinned(&mut found, &http("https://example.com"), &child);
        found.text(Style::PLAIN).contains("newest")
    };
    assert!(notes("npx", &["-y", "@modelcontextprotocol/server-filesystem", "/srv"]));
    assert!(notes("npx", &["-y", "some-server@latest"]));
    assert!(notes("/usr/bin/uvx", &["mcp-server-git"]));
    assert!(!notes("npx", &["-y", "@modelcontextprotocol/server-filesystem@2026.8.31"]));
    assert!(!notes("uvx", &["mcp-server-git==2026.10.19"]));
    assert!(!notes("docker", &["run", "-i", "--rm", "mcp/git:1.2"]));
    assert!(!notes("python3", &["server.py"]));
}
