//! Golden problem lists, defaults, and properties over random files.

use std::path::Path;

use ports::sealed::{SealedValues, SecretText};
use ports::secret::Secret;
use proptest::prelude::*;

use crate::keys::{KEYS, Kind, Section};
use crate::{Config, ConfigProblem, Era, Resolve, ResolveFault, Server, Transport};

/// Knows `TOKEN`, `SPACED`, `run/token`, and the sealed `git/token`, `spaced` and `url`.
struct Given;

impl Resolve for Given {
    fn env(&self, name: &str) -> Result<Secret, ResolveFault> {
        match name {
            "TOKEN" => Ok(Secret::new("from-env".to_owned())),
            "SPACED" => Ok(Secret::new("two words".to_owned())),
            _ => Err(ResolveFault("it is not set".to_owned())),
        }
    }

    fn file(&self, path: &Path) -> Result<Secret, ResolveFault> {
        match path.to_str() {
            Some("/etc/callgate/run/token") => Ok(Secret::new("from-file\n".to_owned())),
            _ => Err(ResolveFault("no such file".to_owned())),
        }
    }

    fn sealed(&self, directory: &Path, name: &str) -> Result<Option<Secret>, ResolveFault> {
        assert_eq!(directory, Path::new("/etc/callgate/state/sealed"));
        match name {
            "git/token" => Ok(Some(Secret::new("sealed-token".to_owned()))),
            "spaced" => Ok(Some(Secret::new("two words".to_owned()))),
            "url" => Ok(Some(Secret::new("https://a.example/secret/mcp".to_owned()))),
            "locked" => Err(ResolveFault("permission denied".to_owned())),
            _ => Ok(None),
        }
    }
}

fn parse(text: &str) -> Result<Config, Vec<ConfigProblem>> {
    Config::parse("callgate.toml", text, Path::new("/etc/callgate"), &Given)
}

fn problems(text: &str) -> Vec<ConfigProblem> {
    parse(text).err().unwrap_or_default()
}

/// Compares all problems of a file, one line each, with what is expected.
fn check(text: &str, expected: &[&str]) {
    let lines: Vec<_> = problems(text).iter().map(ToString::to_string).collect();
    assert!(lines == expected, "found:\n{}", lines.join("\n"));
}

#[test]
fn an_empty_file_is_the_safe_default() {
    let config = parse("").ok().unwrap();
    assert!(config.listen.address.ip().is_loopback());
    assert!(config.listen.allowed_origins.is_empty());
    assert!(config.servers.is_empty());
    assert!(config.weakenings().is_empty());
    assert_eq!(config.store.path, Path::new("/etc/callgate/state"));
    assert_eq!(config.policy.paths, [Path::new("/etc/callgate/policies")]);
    assert_eq!(config.limits.call, model::limits::CallLimits::DEFAULT);
    assert_eq!(config.limits.request, model::limits::JsonLimits::REQUEST);
}

#[test]
fn the_documented_defaults_are_the_real_ones() {
    let mut text = String::new();
    for section in Section::ALL {
        // It is of servers behind a URL.
        if section == Section::Auth {
            continue;
        }
        let name = if section == Section::Server { "servers.a" } else { section.name() };
        text.push_str(&format!("[{name}]\n"));
        if section == Section::Server {
            text.push_str("command = [\"a\"]\n");
        }
        for key in section.keys().filter(|key| !key.default.is_empty()) {
            if section != Section::Server || !["headers", "dangerous_plaintext"].contains(&key.name) {
                text.push_str(&format!("{} = {}\n", key.name, key.default));
            }
        }
    }
    let written = parse(&text).map_err(|problems| format!("{problems:?}")).ok().unwrap();
    let silent = parse("[servers.a]\ncommand = [\"a\"]\n").ok().unwrap();
    assert_eq!(written.listen, silent.listen);
    assert_eq!(written.store, silent.store);
    assert_eq!(written.policy, silent.policy);
    assert_eq!(written.limits, silent.limits);
    assert_eq!(written.log, silent.log);
    assert_eq!(written.notify, silent.notify);
    assert!(silent.notify.desktop);
    assert!(!parse("[notify]\ndesktop = false\n").ok().unwrap().notify.desktop);
    let facts = |config: &Config| match config.servers.as_slice() {
        [server] => match &server.transport {
            Transport::Stdio(stdio) => (
                stdio.env_pass.clone(),
                stdio.env.len(),
                server.shareable,
                server.environment.clone(),
                server.era,
                server.secret_tools.clone(),
            ),
            Transport::Http(_) => panic!("a command is no url"),
        },
        _ => panic!("one server"),
    };
    assert_eq!(facts(&written), facts(&silent));
}

#[test]
fn servers_are_read_and_secrets_resolved() {
    let config = parse(
        r#"
        [servers.files]
        command = ["node", "server.js", "/srv"]
        env = { PLAIN = "x", TOKEN = "${env:TOKEN}", FILE = "${file:run/token}" }
        env_pass = ["PATH"]
        secret_tools = ["read_secret"]
        [servers.remote]
        url = "https://mcp.example.com/mcp"
        bearer = "${file:run/token}"
        ca_file = "ca.pem"
        era = "modern"
        shareable = true
        environment = "production"
        "#,
    )
    .ok()
    .unwrap();
    let [files, remote] = config.servers.as_slice() else { panic!("two servers") };
    let Transport::Stdio(stdio) = &files.transport else { panic!("a child") };
    assert_eq!((stdio.program.as_str(), stdio.args.len()), ("node", 2));
    assert_eq!(stdio.cwd, None);
    let env: Vec<_> = stdio.env.iter().map(|(name, value)| (name.as_str(), read(value))).collect();
    let read_now = |text: &str, secret| (text.to_owned(), secret);
    assert_eq!(
        env,
        [("FILE", read_now("from-file", 1)), ("PLAIN", read_now("x", 0)), ("TOKEN", read_now("from-env", 1))]
    );
    assert_eq!(stdio.env_pass, ["PATH"]);
    assert_eq!(files.secret_tools.len(), 1);
    let Transport::Http(http) = &remote.transport else { panic!("a url") };
    assert_eq!(http.bearer.as_ref().map(read), Some(read_now("from-file", 1)));
    assert_eq!(http.ca_file.as_deref(), Some(Path::new("/etc/callgate/ca.pem")));
    assert_eq!(
        (remote.era, remote.shareable, remote.environment.as_str()),
        (Era::Modern, true, "production")
    );
}

#[test]
fn the_old_http_transport_is_for_urls() {
    let era = |text: &str| parse(text).map(|config| config.servers[0].era);
    assert_eq!(era("[servers.a]\nurl = \"https://h.test/sse\"\nera = \"sse\"\n").ok(), Some(Era::Sse));
    let problems = era("[servers.a]\ncommand = [\"a\"]\nera = \"sse\"\n").err().unwrap();
    assert_eq!(
        problems.iter().map(|problem| (problem.line, problem.key.as_str())).collect::<Vec<_>>(),
        [(3, "servers.a.era")]
    );
}

/// What a text is without the sealed store, and how many secrets it holds.
fn read(text: &SecretText) -> (String, usize) {
    let filled = text.fill(&SealedValues::new()).unwrap();
    (filled.text.reveal().to_owned(), filled.secrets.len())
}

const SEALED: &str = r#"
[servers.child]
command = ["npx", "server", "--token=${sealed:git/token}", "${HOME}"]
env = { TOKEN = "${sealed:git/token}", DSN = "pg://u:${sealed:git/token}@h/" }
[servers.remote]
url = "${sealed:url}"
bearer = "${sealed:git/token}"
headers = { X-Org = "acme", "X-Api-Key" = "${env:TOKEN}", Cookie = "a=${sealed:git/token}" }
"#;

#[test]
fn sealed_references_stay_names_until_a_server_starts() {
    let config = parse(SEALED).map_err(|problems| format!("{problems:?}")).ok().unwrap();
    assert_eq!(config.warnings, []);
    let texts: Vec<_> = config.servers.iter().flat_map(Server::secret_texts).collect();
    let written: Vec<_> = texts.iter().map(|(key, text)| format!("{key}: {}", text.as_written())).collect();
    assert_eq!(
        written,
        [
            "servers.child.command: server",
            "servers.child.command: --token=${sealed:git/token}",
            "servers.child.command: ${HOME}",
            "servers.child.env.DSN: pg://u:${sealed:git/token}@h/",
            "servers.child.env.TOKEN: ${sealed:git/token}",
            "servers.remote.url: ${sealed:url}",
            "servers.remote.bearer: ${sealed:git/token}",
            "servers.remote.headers.cookie: a=${sealed:git/token}",
            "servers.remote.headers.x-api-key: [secret]",
            "servers.remote.headers.x-org: acme",
        ]
    );
    assert!(config.weakenings().iter().any(|line| line.contains("`servers.child.command`")));
}

#[test]
fn what_the_sealed_store_lacks_is_a_warning_and_no_problem() {
    let text = r#"
[servers.child]
command = ["a", "${sealed:gone}"]
env = { A = "${sealed:locked}" }
[servers.remote]
url = "${sealed:git/token}"
bearer = "${sealed:spaced}"
headers = { X-A = "x ${sealed:also/gone}" }
"#;
    let config = parse(text).map_err(|problems| format!("{problems:?}")).ok().unwrap();
    let lines: Vec<_> = config.warnings.iter().map(ToString::to_string).collect();
    assert!(
        lines == include_str!("../../tests/wrong/sealed.out").lines().collect::<Vec<_>>(),
        "found:\n{}",
        lines.join("\n")
    );
    let none_shown = ["two words", "sealed-token"];
    assert!(lines.iter().all(|line| none_shown.iter().all(|secret| !line.contains(secret))));
}

#[test]
fn headers_have_their_own_problems() {
    check(
        include_str!("../../tests/wrong/headers.toml"),
        &include_str!("../../tests/wrong/headers.out").lines().collect::<Vec<_>>(),
    );
}

#[test]
fn weakening_keys_are_reported_when_on() {
    let config = parse(
        "[listen]\naddress = \"0.0.0.0:80\"\ndangerous_plaintext = true\n\
         [servers.a]\nurl = \"http://10.0.0.1/\"\ndangerous_plaintext = true\n",
    );
    let weakenings = config.map(|config| config.weakenings()).ok().unwrap();
    let keys: Vec<_> = weakenings.iter().filter_map(|line| line.split('`').nth(1)).collect();
    assert_eq!(keys, ["listen.dangerous_plaintext", "servers.a.dangerous_plaintext"]);
}

#[test]
fn every_problem_of_a_file_is_shown_at_once() {
    check(
        include_str!("../../tests/wrong/many.toml"),
        &include_str!("../../tests/wrong/many.out").lines().collect::<Vec<_>>(),
    );
}

#[test]
fn servers_have_their_own_problems() {
    check(
        include_str!("../../tests/wrong/servers.toml"),
        &include_str!("../../tests/wrong/servers.out").lines().collect::<Vec<_>>(),
    );
}

#[test]
fn text_that_is_not_toml_has_every_syntax_problem() {
    check(
        include_str!("../../tests/wrong/syntax.toml"),
        &include_str!("../../tests/wrong/syntax.out").lines().collect::<Vec<_>>(),
    );
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let found = problems(&"#".repeat((1 << 20) + 1));
    assert_eq!(found.len(), 1);
    assert!(found.iter().all(|problem| problem.want.contains("at most 1048576 bytes")));
}

#[test]
fn a_secret_in_the_wrong_place_is_never_repeated() {
    let secret = "sk-live-0123456789";
    for text in [
        format!("[servers.a]\nurl = \"https://a.example/\"\nbearer = \"{secret}\""),
        format!("[servers.a]\nurl = \"https://a.example/\"\nbearer = [\"{secret}\"]"),
        format!("[servers.a]\nurl = \"https://u:{secret}@a.example/\""),
        format!("[servers.a]\nurl = \"https://a.example/\"\nheaders = {{ Authorization = \"{secret}\" }}"),
        format!("[servers.a]\nurl = \"https://a.example/\"\nheaders = {{ X-A = \"{secret}\\n\" }}"),
        format!("[servers.a]\ncommand = [\"a\", \"${{sealed:{secret} }}\"]"),
        format!("[servers.a]\ncommand = [\"a\"]\nenv = {{ A = \"x${{{secret}\" }}"),
        format!("[servers.a]\ncommand = [\"a\"]\nenv = {{ A = [\"{secret}\"] }}"),
        format!("[servers.a]\ncommand = [\"a\"]\nenv = \"{secret}\""),
        format!("[servers.a]\nurl = \"https://a.example/\"\nbearer = \"{secret}"),
        format!("[servers.a]\nurl = \"https://a.example/\"\nbearer = {secret}"),
        format!("[servers.a]\nurl = \"https://a.example/\"\nauth = {{ client_secret = \"{secret}\" }}"),
        format!("[servers.a]\nurl = \"https://a.example/\"\nauth = {{ client_key = [\"{secret}\"] }}"),
        format!("[servers.a]\nurl = \"https://a.example/\"\nauth = \"{secret}\""),
    ] {
        let found = problems(&text);
        assert!(!found.is_empty(), "{text}");
        for problem in found {
            let whole = format!("{problem} {problem:?}");
            assert!(!whole.contains("0123456789"), "{whole}");
        }
    }
}

#[test]
fn the_example_is_valid_and_shows_every_key() {
    let text = include_str!("../../../../examples/callgate.toml");
    let lines = problems(text).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
    for key in KEYS {
        let table = format!(".{}]", key.name);
        let shown = text.contains(&format!("{} = ", key.name)) || text.contains(&table);
        assert!(shown, "the example does not show `{}`", key.name);
    }
}

/// Lines that are nearly right, so that random files get past the grammar.
fn line() -> impl Strategy<Value = String> {
    let names = KEYS.iter().map(|key| key.name.to_owned()).collect::<Vec<_>>();
    let name = prop_oneof![4 => proptest::sample::select(names), 1 => "[a-z_]{1,12}"];
    let value = prop_oneof![
        Just("true".to_owned()),
        Just("-1".to_owned()),
        Just("99999999999999999999".to_owned()),
        Just("1.5".to_owned()),
        Just("1979-05-27".to_owned()),
        Just("[]".to_owned()),
        Just("[1, \"a\", []]".to_owned()),
        Just("{ A = \"${env:TOKEN}\", b = 1 }".to_owned()),
        Just("{ host = \"a\", x = \"${sealed:gone}\" }".to_owned()),
        Just("\"${sealed:git/token}\"".to_owned()),
        Just("[\"a\", \"${sealed:\", \"${sealed:gone}\"]".to_owned()),
        Just("\"${file:run/token}\"".to_owned()),
        "\"[ -!#-\\[\\]-~é]{0,20}\"",
    ];
    let table = prop_oneof![
        Just("[listen]".to_owned()),
        Just("[servers.a]".to_owned()),
        Just("[servers.\"B é\"]".to_owned()),
        Just("[servers]".to_owned()),
        Just("[limits]".to_owned()),
        Just("[log]".to_owned()),
        Just("[[policy]]".to_owned()),
        Just("[nonsense]".to_owned()),
    ];
    prop_oneof![3 => (name, value).prop_map(|(name, value)| format!("{name} = {value}")), 1 => table]
}

fn complete(problem: &ConfigProblem) -> bool {
    let one_line = |text: &str| !text.is_empty() && !text.contains(['\n', '\r']);
    problem.line > 0
        && problem.column > 0
        && [&problem.file, &problem.key, &problem.got, &problem.want, &problem.fix]
            .into_iter()
            .all(|t| one_line(t))
}

proptest! {
    #[test]
    fn no_text_panics_and_every_problem_is_complete(text in "\\PC{0,200}") {
        for problem in problems(&text) {
            prop_assert!(complete(&problem), "{problem:?}");
        }
    }

    #[test]
    fn no_nearly_right_file_panics_and_every_problem_is_complete(
        lines in proptest::collection::vec(line(), 0..12)
    ) {
        for problem in problems(&lines.join("\n")) {
            prop_assert!(complete(&problem), "{problem:?}");
        }
    }

    #[test]
    fn an_unknown_key_is_never_ignored(name in "[a-z]{1,10}_x") {
        for section in Section::ALL {
            let (table, before) = match section {
                Section::Server => ("servers.a", ""),
                Section::Auth => ("servers.a.auth", "[servers.a]\nurl = \"https://a.example/mcp\"\n"),
                section => (section.name(), ""),
            };
            let text = format!("{before}[{table}]\n{name} = 1\n");
            let key = format!("{table}.{name}");
            prop_assert!(problems(&text).iter().any(|problem| problem.key == key));
        }
    }
}

#[test]
fn how_tokens_are_got_is_read() {
    let config = parse(
        r#"
        [servers.plain]
        url = "https://a.example/mcp"

        [servers.own]
        url = "https://a.example/mcp"
        [servers.own.auth]
        grant = "client_credentials"
        client_id = "gate"
        client_secret = "${sealed:git/token}"
        issuer = "https://login.corp.example/t1"
        hosts = ["login.corp.example"]
        scopes = ["git:read"]
        redirect = "http://127.0.0.1:8765/callback"
        client_key_audience = "token_endpoint"
        "#,
    )
    .map_err(|problems| format!("{problems:?}"))
    .ok()
    .unwrap();
    let auth = |at: usize| match &config.servers[at].transport {
        Transport::Http(http) => http.auth.clone(),
        Transport::Stdio(_) => panic!("it has a url"),
    };
    let (own, plain) = (auth(0), auth(1));
    assert!(!plain.client_credentials && plain.client_id.is_none() && plain.scopes.is_empty());
    assert!(own.client_credentials && own.key_for_token_endpoint);
    assert_eq!(own.client_id.as_deref(), Some("gate"));
    assert_eq!(own.issuer.as_deref(), Some("https://login.corp.example/t1"));
    assert_eq!((own.hosts, own.scopes), (vec!["login.corp.example".to_owned()], vec!["git:read".to_owned()]));
    assert_eq!(own.redirect.as_deref(), Some("http://127.0.0.1:8765/callback"));
    assert_eq!(own.client_secret.unwrap().as_written(), "${sealed:git/token}");
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn what_is_wrong_with_how_tokens_are_got_is_told_at_once() {
    check(
        include_str!("../../tests/wrong/auth.toml"),
        &include_str!("../../tests/wrong/auth.out").lines().collect::<Vec<_>>(),
    );
}

#[test]
fn keys_that_hold_secrets_are_known_to_hide() {
    let hiding: Vec<_> = KEYS.iter().filter(|key| key.kind.hides()).map(|key| key.name).collect();
    assert_eq!(hiding, ["env", "bearer", "headers", "auth", "client_secret", "client_key"]);
    assert!(!Kind::Text.hides());
}
