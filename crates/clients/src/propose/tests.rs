//! What the proposed policies say.

use super::*;

fn tool(server: &str, name: &str, texts: &[&str]) -> ProposedTool {
    ProposedTool {
        server: server.to_owned(),
        action: format!("{server}::Action::\"{name}\""),
        risk: "write".to_owned(),
        texts: texts.iter().map(|&text| text.to_owned()).collect(),
        others: Vec::new(),
        lists: Vec::new(),
    }
}

#[test]
fn writes_are_permitted_in_the_workspace_and_nowhere_else() {
    let tools = [
        tool("files", "write_file", &["content", "path"]),
        tool("files", "create_directory", &["path"]),
        tool("git", "git_commit", &["message", "repo_path"]),
        tool("memory", "add", &["text"]),
    ];
    let around = Surroundings {
        name: "workspace".to_owned(),
        workspace: Some("/people/ann/wo*rk".to_owned()),
        own: vec!["/people/ann/.config/callgate".to_owned()],
        places: path(),
    };
    let text = propose(&tools, &around);
    assert!(text.contains("files::Action::\"write_file\",\n    files::Action::\"create_directory\""));
    assert!(text.contains("context.args.path like \"/people/ann/wo\\*rk/*\""));
    assert!(text.contains("context.args.repo_path == \"/people/ann/wo*rk\""));
    assert!(text.contains("context.args.path like \"*..*\""));
    assert!(text.contains("context.args.path like \"/people/ann/.config/callgate*\""));
    assert!(text.contains("//     memory::Action::\"add\",\n//   ],"));
    assert!(!text.contains("\n    memory::"));
}

#[test]
fn what_names_no_path_is_spared_by_server_and_our_files_are_kept_where_nothing_writes() {
    let tools = [tool("memory", "add", &["text"]), tool("notes", "note", &["text"])];
    let text = propose(&tools, &around());
    let permits = text.split("// permit (").skip(1);
    let spared: Vec<&str> = permits.filter(|permit| !permit.contains("\"sample\"")).collect();
    assert_eq!(spared.len(), 2, "{text}");
    for block in spared {
        assert!(!(block.contains("memory::Action") && block.contains("notes::Action")), "{block}");
    }
    let reads = [tool("files", "read_file", &["path"])];
    let text = propose(&[], &Surroundings { places: places(&reads), ..around() });
    assert!(text.contains("callgate-itself") && text.contains("files::Action::\"read_file\""), "{text}");
}

#[test]
fn no_policy_names_tools_of_two_servers() {
    let tools = [tool("files", "write_file", &["path"]), tool("notes", "write_note", &["path"])];
    let text = propose(&tools, &Surroundings { places: places(&tools), ..around() });
    let policies: Vec<&str> = text.split("@id(").filter(|policy| policy.contains("Action::")).collect();
    let of = |server: &str| policies.iter().filter(|policy| policy.contains(server)).count();
    assert!(of("files::Action") >= 2 && of("notes::Action") >= 2, "{text}");
    for policy in policies {
        assert!(!(policy.contains("files::Action") && policy.contains("notes::Action")), "{policy}");
    }
}

#[test]
fn a_workspace_that_is_too_much_is_not_permitted() {
    let tools = [tool("files", "write_file", &["path"])];
    let text = propose(
        &tools,
        &Surroundings { name: "w".to_owned(), workspace: None, own: Vec::new(), places: path() },
    );
    assert!(!text.contains("write_file"));
    assert!(text.contains("w/other-writes"));
}

#[test]
fn what_a_server_asks_of_a_model_waits_for_nobody() {
    let text = propose(&[tool("files", "write_file", &["path"])], &around());
    let (_, others) = text.split_once("w/other-writes").unwrap();
    assert!(others.split_once(';').unwrap().0.contains("unless { action in Callgate::Action::\"sample\" }"));
    assert!(text.contains("// @id(\"w/sampling\")"), "and how to permit it is shown");
}

fn path() -> Vec<Place> {
    places(&[tool("files", "write_file", &["path"])])
}

fn around() -> Surroundings {
    Surroundings {
        name: "w".to_owned(),
        workspace: Some("/w".to_owned()),
        own: vec!["/w/state".to_owned()],
        places: path(),
    }
}

#[test]
fn nothing_is_said_of_paths_where_no_tool_takes_one() {
    let memory = [tool("memory", "add", &["text"])];
    let text = propose(&memory, &Surroundings { places: places(&memory), ..around() });
    assert!(!text.contains("callgate-itself"), "{text}");
}

#[test]
fn what_is_ours_is_kept_from_every_argument_that_names_a_place() {
    let mut many = tool("files", "read_many", &["head"]);
    many.lists = vec!["paths".to_owned(), "words".to_owned()];
    let tools = [tool("files", "move_file", &["source", "destination-dir"]), many];
    let own = vec!["/people/ann/.config/callgate/state".to_owned()];
    let text = propose(&tools, &Surroundings { places: places(&tools), own, ..around() });
    for wanted in [
        "context.args has source }",
        "context.args.source like \"/people/ann/.config/callgate/state*\"",
        "context.args has \"destination-dir\" }",
        "context.args[\"destination-dir\"] like",
        "context.args has paths_json }",
        "context.args.paths_json like \"*/callgate/*state\\\"*\"",
    ] {
        assert!(text.contains(wanted), "{wanted} is not in {text}");
    }
    assert!(!text.contains("words") && !text.contains("args.head"), "{text}");
}

#[test]
fn an_address_with_escapes_is_none_of_an_agents_and_a_web_address_may_have_them() {
    let mut many = tool("web", "crawl", &["file"]);
    many.lists = vec!["urls".to_owned()];
    let tools = [tool("web", "open", &["pageUrl"]), many];
    let text = propose(&tools, &Surroundings { places: places(&tools), ..around() });
    for wanted in [
        "(!(context.args.pageUrl like \"http://*\" || context.args.pageUrl like \"https://*\") &&",
        "context.args.pageUrl like \"*%*\"",
        "context.args.urls_json like \"*%*\"",
        "context.args.file like \"*:*%*\"",
        "has to be written without escapes",
    ] {
        assert!(text.contains(wanted), "{wanted} is not in {text}");
    }
    assert!(!text.contains("context.args.file like \"*%*\""), "{text}");
}

#[test]
fn an_argument_that_no_pattern_holds_keeps_its_tool_out() {
    let mut many = tool("files", "copy_many", &["path"]);
    many.others = vec!["extra_paths".to_owned()];
    let mut add = tool("git", "git_add", &["repo_path"]);
    add.others = vec!["files".to_owned()];
    add.lists = vec!["files".to_owned()];
    let mut run = tool("shell", "execute", &["command", "cwd"]);
    run.risk = "privileged".to_owned();
    let tools = [
        tool("files", "rename", &["path", "new_path"]),
        tool("files", "copy", &["path", "to"]),
        tool("files", "save", &["path", "outputFile"]),
        many,
        add,
        run,
        tool("files", "write_file", &["content", "path"]),
    ];
    let text = propose(&tools, &around());
    assert!(!text.contains("shell::"), "privileged tools wait for a person: {text}");
    for held in ["files_json like \"*..*\"", "files_json like \"*\\\"/*\"", "files_json like \"*/.git/*\""] {
        assert!(text.contains(held), "{held} is not in {text}");
    }
    for kept_out in ["rename", "copy", "save", "copy_many"] {
        assert!(!text.contains(&format!("    files::Action::\"{kept_out}\"")), "{kept_out}: {text}");
    }
    assert!(
        text.contains("    git::Action::\"git_add\"") && text.contains("    files::Action::\"write_file\"")
    );
}

#[test]
fn a_path_beside_a_root_stays_inside_and_guards_are_for_names_too() {
    let text = propose(&[tool("run", "edit", &["cwd", "path"])], &around());
    assert!(text.contains("(context.args.path like \"/w/*\" || !(context.args.path like \"/*\""), "{text}");
    for pattern in [".git/*", "*/.git", "*/.git/*", "callgate.toml", "*/callgate.toml"] {
        assert!(text.contains(&format!("context.args.path like \"{pattern}\"")), "{pattern}: {text}");
    }
}

#[test]
fn own_files_are_kept_under_other_spellings_as_well() {
    let text = propose(&[], &around());
    for pattern in ["*/./*", "*//*", "*/../*", "state/*", "*/state/*", "*/state"] {
        assert!(text.contains(&format!("context.args.path like \"{pattern}\"")), "{pattern}: {text}");
    }
}
