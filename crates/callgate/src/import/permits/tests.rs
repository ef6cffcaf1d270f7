//! What the proposed permits let through, decided by the policy engine itself.

use std::sync::Arc;

use clients::{ProposedTool, Surroundings, propose};
use model::digest::Digest;
use model::ids::{AgentId, GroupName, ServerName, ToolName};
use model::json::{Json, RawJson};
use model::limits::JsonLimits;
use model::principal::{AgentFacts, Attestation, Principal};
use model::task::Task;
use model::time::Micros;
use model::tool::{PinnedTool, Risk, ToolRef};
use policy::{
    ApprovalEvidence, Decision, DecisionRequest, PolicySnapshot, PolicySource, ServerFacts, ToolFacts,
};
use serde_json::{Value, json};

const WORKSPACE: &str = "/people/ann/code";
const STATE: &str = "/people/ann/.config/callgate/state";

/// Tools that write, by the arguments they take.
const TOOLS: [(&str, &[&str]); 7] = [
    ("write_file", &["path", "content"]),
    ("edit", &["cwd", "path"]),
    ("add", &["repo_path", "files"]),
    ("run", &["cwd", "command"]),
    ("fetch", &["uri"]),
    ("open", &["url"]),
    ("crawl", &["urls"]),
];

struct Proposed {
    policy: PolicySnapshot,
    tools: Vec<ToolFacts>,
}

fn schema(arguments: &[&str]) -> Value {
    let of = |name: &&str| match *name {
        "files" | "urls" => json!({"type": "array", "items": {"type": "string"}}),
        "url" => json!({"type": "string", "format": "uri"}),
        _ => json!({"type": "string"}),
    };
    let properties: serde_json::Map<String, Value> =
        arguments.iter().map(|name| ((*name).to_owned(), of(name))).collect();
    json!({"type": "object", "properties": properties})
}

fn parsed(value: &Value) -> Json {
    RawJson::parse(value.to_string().into(), &JsonLimits::REQUEST).unwrap().1
}

fn facts(name: &str, arguments: &[&str]) -> ToolFacts {
    let tool = ToolRef { server: ServerName::parse("files").unwrap(), tool: ToolName::parse(name).unwrap() };
    let risk = if name == "run" { Risk::Privileged } else { Risk::Write };
    ToolFacts {
        tool: PinnedTool { name: tool, definition: Digest::of(name.as_bytes()), risk },
        input_schema: parsed(&schema(arguments)),
        returns_secrets: false,
    }
}

fn proposed() -> Proposed {
    let facts: Vec<ToolFacts> = TOOLS.iter().map(|(name, arguments)| facts(name, arguments)).collect();
    let tools: Vec<ProposedTool> = facts
        .iter()
        .zip(TOOLS)
        .map(|(facts, (_, arguments))| {
            let schema = json!({"inputSchema": schema(arguments)});
            ProposedTool {
                server: "files".to_owned(),
                action: policy::action_of(&facts.tool.name),
                risk: facts.tool.risk.as_str().to_owned(),
                texts: super::arguments(&schema, super::is_text),
                others: super::arguments(&schema, |schema| !super::is_text(schema)),
                lists: super::arguments(&schema, super::is_list),
            }
        })
        .collect();
    let around = Surroundings {
        name: "workspace".to_owned(),
        workspace: Some(WORKSPACE.to_owned()),
        own: vec![STATE.to_owned(), format!("{WORKSPACE}/gate/callgate.toml")],
        places: clients::places(&tools),
    };
    let source = PolicySource { file: "workspace.cedar".to_owned(), text: propose(&tools, &around) };
    let server = ServerFacts { name: ServerName::parse("files").unwrap(), environment: "local".to_owned() };
    let policy = PolicySnapshot::compile(&[source], &[server], &facts)
        .unwrap_or_else(|problems| panic!("{}", problems.first().unwrap()));
    Proposed { policy, tools: facts }
}

impl Proposed {
    fn decide(&self, name: &str, arguments: &Value) -> &'static str {
        let facts = self.tools.iter().find(|facts| facts.tool.name.tool.as_str() == name).unwrap();
        let agent = AgentId::parse("ada").unwrap();
        let groups = vec![GroupName::parse("known").unwrap()];
        let principal = Principal {
            agent: agent.clone(),
            facts: Arc::new(AgentFacts { groups, owner: String::new() }),
            attestation: Attestation::LocalPeer,
        };
        let decision = self.policy.decide(&DecisionRequest {
            principal: &principal,
            task: &Task::implicit(&agent).unwrap(),
            tool: &facts.tool,
            arguments: &parsed(arguments),
            approval: &ApprovalEvidence::none(),
            now: Micros(1_700_000_000_000_000),
        });
        match decision {
            Decision::Permit(_) => "permit",
            Decision::Park(_) => "park",
            Decision::Deny(_) => "deny",
        }
    }

    fn all(&self, name: &str, expected: &str, calls: &[Value]) {
        for arguments in calls {
            assert_eq!(self.decide(name, arguments), expected, "{name} {arguments}");
        }
    }
}

#[test]
fn writes_inside_the_workspace_need_no_person() {
    let proposed = proposed();
    let inside = |path: &str| format!("{WORKSPACE}/{path}");
    proposed.all(
        "write_file",
        "permit",
        &[json!({"path": inside("src/a.rs")}), json!({"path": inside(".gitignore")})],
    );
    let edits = [
        json!({"cwd": WORKSPACE, "path": "src/a.rs"}),
        json!({"cwd": inside("src"), "path": "a.rs"}),
        json!({"cwd": WORKSPACE, "path": inside("src/a.rs")}),
    ];
    proposed.all("edit", "permit", &edits);
    proposed.all("add", "permit", &[json!({"repo_path": WORKSPACE, "files": ["src/a.rs", "b"]})]);
}

#[test]
fn every_other_write_waits_for_a_person() {
    let proposed = proposed();
    let inside = |path: &str| format!("{WORKSPACE}/{path}");
    let outside = ["/people/ann/other", "/people/ann/code2/a", "code/a", "~/a", "file:///people/ann/code/a"];
    proposed.all("write_file", "park", &outside.map(|path| json!({"path": path})));
    proposed.all("write_file", "park", &[json!({"path": inside("../a")}), json!({"content": "no path"})]);
    let elsewhere = ["/etc/a", "~/a", "file:///etc/a", "../a", "a/../../b"];
    proposed.all("edit", "park", &elsewhere.map(|path| json!({"cwd": WORKSPACE, "path": path})));
    proposed.all("edit", "park", &outside.map(|cwd| json!({"cwd": cwd, "path": "a"})));
    proposed.all(
        "edit",
        "park",
        &[json!({"cwd": inside("../b"), "path": "a"}), json!({"path": inside("a")})],
    );
    let listed = |path: &str| json!({"repo_path": WORKSPACE, "files": ["a", path]});
    proposed.all("add", "park", &elsewhere.map(listed));
    proposed.all("run", "park", &[json!({"cwd": WORKSPACE, "command": "true"})]);
}

#[test]
fn what_decides_about_the_assistant_waits_however_it_is_named() {
    let proposed = proposed();
    let inside = |path: &str| format!("{WORKSPACE}/{path}");
    for name in [
        ".git",
        ".git/hooks/pre-commit",
        "sub/.git/config",
        ".mcp.json",
        ".vscode/tasks.json",
        ".claude",
        ".env",
    ] {
        proposed.all("write_file", "park", &[json!({"path": inside(name)})]);
        let (named, whole) =
            (json!({"cwd": WORKSPACE, "path": name}), json!({"cwd": WORKSPACE, "path": inside(name)}));
        proposed.all("edit", "park", &[named, whole]);
        proposed.all("add", "park", &[json!({"repo_path": WORKSPACE, "files": ["a", name]})]);
    }
    // A root inside it makes every name beside it one of its files.
    for root in [".git", ".git/hooks", "sub/.git/hooks", ".vscode", ".claude/"] {
        proposed.all("edit", "park", &[json!({"cwd": inside(root), "path": "pre-commit"})]);
        proposed.all("add", "park", &[json!({"repo_path": inside(root), "files": ["a"]})]);
    }
}

#[test]
fn what_is_callgates_own_is_for_nobody() {
    let proposed = proposed();
    let own = [STATE, "/people/ann/.config/callgate/state/store.db", "/people/ann/code/gate/callgate.toml"];
    proposed.all("write_file", "deny", &own.map(|path| json!({"path": path})));
    proposed.all("edit", "deny", &own.map(|path| json!({"cwd": WORKSPACE, "path": path})));
    proposed.all(
        "edit",
        "deny",
        &[json!({"cwd": STATE, "path": "store.db"}), json!({"cwd": WORKSPACE, "path": "gate/callgate.toml"})],
    );
    proposed.all("run", "deny", &[json!({"cwd": STATE, "command": "true"})]);
}

#[test]
fn what_is_callgates_own_is_for_nobody_however_an_address_spells_it() {
    let proposed = proposed();
    let key = "/people/ann/.config/callgate/state/operator.key";
    let plain = [
        key.to_owned(),
        format!("file://{key}"),
        format!("FILE:{key}"),
        format!("file://localhost{key}"),
        format!("files://here{key}"),
    ];
    let escaped = [
        "file:///people/ann/.config/callgate/st%61te/operator.key",
        "FILE:///people/ann/.config/%63allgate/state/operator.key",
        " file:/people/ann/.config/callgate%2Fstate/operator.key",
        "file://%6cocalhost/people/ann/.config/callgate/st%2561te/operator.key",
        "/people/ann/.config/callgate/st%61te/operator.key",
        "files://here/st%61te/operator.key",
        "file:///people/ann/.config/callgate\\state\\operator.key",
        "file:///people/ann/.config/callgate/st\tate/operator.key",
        "file:///people/ann/.config/callgate/sta\nte/operator.key",
        "fi\rle:///people/ann/.config/callgate/sta\rte/operator.key",
    ];
    let all: Vec<&str> = plain.iter().map(String::as_str).chain(escaped).collect();
    let with = |name: &str| all.iter().map(|one| json!({name: one})).collect::<Vec<_>>();
    proposed.all("fetch", "deny", &with("uri"));
    proposed.all("open", "deny", &with("url"));
    let listed: Vec<Value> = all.iter().map(|one| json!({"urls": ["https://example.org/", one]})).collect();
    proposed.all("crawl", "deny", &listed);
    let with_a_scheme: Vec<Value> =
        escaped.iter().filter(|one| one.contains(':')).map(|one| json!({"path": one})).collect();
    proposed.all("write_file", "deny", &with_a_scheme);
}

#[test]
fn addresses_and_names_that_are_not_callgates_own_are_decided_as_ever() {
    let proposed = proposed();
    let others =
        ["https://example.org/a%20b", "http://example.org/?q=%61", "file:///people/ann/a", "memo://a"];
    proposed.all("fetch", "park", &others.map(|uri| json!({"uri": uri})));
    proposed.all("open", "park", &others.map(|url| json!({"url": url})));
    proposed.all("crawl", "park", &[json!({"urls": ["https://example.org/a", "memo://a"]})]);
    let inside = |path: &str| json!({"path": format!("{WORKSPACE}/{path}")});
    proposed.all("write_file", "permit", &[inside("100%.md"), inside("a: b.md")]);
}
