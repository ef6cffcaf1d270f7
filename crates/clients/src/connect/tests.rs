//! Connect then disconnect is the identity on bytes, whatever the file looks like.

use proptest::prelude::*;

use super::*;

fn path(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn shim(server: &str) -> ShimEntry {
    ShimEntry::new("/usr/bin/callgate", "/people/ann/.config/callgate/callgate.toml", "cursor", server)
}

fn read(text: &str, format: Format) -> Document {
    Document::parse(text.as_bytes(), format).unwrap()
}

/// Connects the entries, looks at the result as a client would, and puts it back.
fn there_and_back(text: &str, format: Format, ats: &[Vec<String>]) -> String {
    let document = read(text, format);
    let targets: Vec<Target> =
        ats.iter().map(|at| Target { at: at.clone(), entry: shim(at.last().unwrap()) }).collect();
    let connected = connect(&document, format, "/f", &targets).unwrap();
    let after = read(&connected.text, format);
    for at in ats {
        let entry = after.get(at).unwrap();
        assert_eq!(ShimEntry::recognise(entry), Some(("cursor".to_owned(), at.last().unwrap().clone())));
        assert!(!connected.text.contains("hunter2"), "{}", connected.text);
    }
    let kept = Kept::from_text(&connected.kept.to_text()).unwrap();
    let restored = restore(&after, format, &kept).unwrap();
    assert!(restored.exact && restored.left.is_empty());
    assert_eq!(restored.text, text);
    // Without the whole original the entries' own texts must do as well, but for scattered TOML.
    if format == Format::Json {
        let spare = Kept { original: None, ..kept };
        assert_eq!(restore(&after, format, &spare).unwrap().text, text);
    }
    connected.text
}

const DESKTOP: &str = "{\r\n    \"globalShortcut\": \"Ctrl+Space\",\r\n    \"mcpServers\": {\r\n        \"files\": {\r\n            \"command\": \"npx\",\r\n            \"args\": [\"-y\", \"x\"],\r\n            \"env\": {\"T\": \"hunter2\"}\r\n        },\r\n        \"other\": {\"command\": \"a\"}\r\n    },\r\n    \"theme\": \"dark\"\r\n}\r\n";

#[test]
fn a_strict_json_file_keeps_its_line_ends_and_indentation() {
    let after = there_and_back(DESKTOP, Format::Json, &[path(&["mcpServers", "files"])]);
    assert!(after.contains("        \"files\": {\r\n            \"command\": \"/usr/bin/callgate\",\r\n            \"args\": [\"--config\", "));
    assert!(after.contains("\r\n        },\r\n        \"other\": {\"command\": \"a\"}\r\n"));
    assert!(!after.replace("\r\n", "").contains('\n'));
}

const VSCODE: &str = "\u{feff}// my servers, not /* one */ \"\n{\n\t\"inputs\": [{ \"id\": \"k\", }, ],\n\t\"servers\": {\n\t\t// the \"files\": {}\n\t\t\"files\": { // why\n\t\t\t\"type\": \"stdio\",\n\t\t\t\"command\": \"npx\", /* , } */\n\t\t\t\"env\": { \"A\": \"hunter2\", },\n\t\t},\n\t\t/* last */ \"web\": { \"type\": \"http\", \"url\": \"https://h/mcp\", \"headers\": {\"K\": \"hunter2\"} },\n\t}, // end\n}\n// bye";

#[test]
fn comments_and_commas_stay() {
    let ats = [path(&["servers", "files"]), path(&["servers", "web"])];
    let after = there_and_back(VSCODE, Format::Json, &ats);
    assert!(
        after
            .starts_with("\u{feff}// my servers, not /* one */ \"\n{\n\t\"inputs\": [{ \"id\": \"k\", }, ],")
    );
    assert!(after.contains("\t\t\"files\": {\n\t\t\t\"type\": \"stdio\",\n\t\t\t\"command\""));
    assert!(after.contains("/* last */ \"web\": { \"type\": \"stdio\", \"command\""));
    assert!(after.ends_with("\t}, // end\n}\n// bye"));
}

const CODEX: &str = "# mine\nmodel = \"o5\" # best\n\n[mcp_servers.files]\ncommand = \"npx\"   # as installed\nargs = [\n  \"-y\", # yes\n  \"[x]\",\n]\nstartup_timeout_sec = 20\n\n[mcp_servers.files.env]\nTOKEN = \"hunter2\"\n\n# between\n[mcp_servers.\"my web\"]\nurl = 'https://h/mcp'\nhttp_headers = { A = \"hunter2\" }\n\n[profiles.x]\nmodel = \"\"\"\n[mcp_servers.no]\n\"\"\"\n\n[mcp_servers.files.more]\nz = \"hunter2\"";

#[test]
fn toml_tables_are_replaced_where_they_stand() {
    let ats = [path(&["mcp_servers", "files"]), path(&["mcp_servers", "my web"])];
    let after = there_and_back(CODEX, Format::Toml, &ats);
    let head = "# mine\nmodel = \"o5\" # best\n\n[mcp_servers.files]\ncommand = \"/usr/bin/callgate\"\nargs = [\"--config\", ";
    assert!(after.starts_with(head), "{after}");
    assert!(
        after.contains("startup_timeout_sec = 20\n\n# between\n[mcp_servers.\"my web\"]\ncommand"),
        "{after}"
    );
    assert!(after.ends_with("[mcp_servers.no]\n\"\"\"\n\n"), "{after}");
}

#[test]
fn every_way_to_write_a_toml_entry_is_understood() {
    for text in [
        "mcp_servers = { files = { command = \"a\", env = { T = \"hunter2\" } }, o = {command = \"b\"} }\n",
        "[mcp_servers]\nfiles = { command = \"a\", env = { T = \"hunter2\" } } # c\nx.command = \"c\"\n",
        "[mcp_servers]\n  files.command = \"a\"\n  files.env.T = \"hunter2\"\n  x.command = \"c\"\n[y]\n",
        "mcp_servers.files.command = \"a\"\r\nmcp_servers.files.args = [\"hunter2\"]\r\n",
        "[mcp_servers.files.env]\nT = \"hunter2\"\n[mcp_servers.files]\ncommand = \"a\"",
        "\u{feff}[ mcp_servers . \"files\" ]\ncommand = '''a'''\nenv.T = \"\"\"\nhunter2\"\"\"\"\"\n",
    ] {
        there_and_back(text, Format::Toml, &[path(&["mcp_servers", "files"])]);
    }
    let array = read("[[mcp_servers.files]]\ncommand = \"a\"\n", Format::Toml);
    let target = Target { at: path(&["mcp_servers", "files"]), entry: shim("files") };
    assert!(connect(&array, Format::Toml, "/f", &[target]).is_err());
}

#[test]
fn edits_of_the_person_stay_when_a_file_is_put_back() {
    let document = read(DESKTOP, Format::Json);
    let targets =
        ["files", "other"].map(|name| Target { at: path(&["mcpServers", name]), entry: shim(name) });
    let connected = connect(&document, Format::Json, "/f", &targets).unwrap();
    // A client writes the whole file anew, another theme, a new server, and one of ours is gone.
    let mut value: serde_json::Value = serde_json::from_str(&connected.text).unwrap();
    value["theme"] = "light".into();
    value["mcpServers"]["new"] = serde_json::json!({"command": "new"});
    value["mcpServers"].as_object_mut().unwrap().remove("other");
    let edited = serde_json::to_string_pretty(&value).unwrap();
    let restored = restore(&read(&edited, Format::Json), Format::Json, &connected.kept).unwrap();
    assert!(!restored.exact);
    assert_eq!(restored.left, [Left { at: path(&["mcpServers", "other"]), because: Because::TakenOut }]);
    let back: serde_json::Value = serde_json::from_str(&restored.text).unwrap();
    assert_eq!(back["theme"], "light");
    assert_eq!(back["mcpServers"]["new"]["command"], "new");
    assert_eq!(back["mcpServers"]["files"]["env"]["T"], "hunter2");
    // An entry that the person changed is theirs.
    value["mcpServers"]["files"]["command"] = "mine".into();
    let edited = value.to_string();
    let restored = restore(&read(&edited, Format::Json), Format::Json, &connected.kept).unwrap();
    assert_eq!(restored.text, edited);
    assert_eq!(restored.left.len(), 2);
}

#[test]
fn edits_around_toml_entries_stay_too() {
    let document = read(CODEX, Format::Toml);
    let target = Target { at: path(&["mcp_servers", "files"]), entry: shim("files") };
    let connected = connect(&document, Format::Toml, "/f", &[target]).unwrap();
    let edited = format!("{}\n[added]\na = 1\n", connected.text.replace("\"o5\"", "\"o6\""));
    let restored = restore(&read(&edited, Format::Toml), Format::Toml, &connected.kept).unwrap();
    let back = read(&restored.text, Format::Toml);
    assert_eq!(back.get(&path(&["model"])).unwrap().as_str(), Some("o6"));
    assert_eq!(back.get(&path(&["mcp_servers", "files", "more", "z"])).unwrap().as_str(), Some("hunter2"));
    assert!(back.get(&path(&["added", "a"])).is_some());
}

const PROJECTS: &str = "{\n  \"mcpServers\": {\"files\": {\"command\": \"a\", \"env\": {\"T\": \"hunter2\"}}},\n  \"projects\": {\n    \"/one\": {\"mcpServers\": {\"files\": { \"command\" : \"b\" }}},\n    \"/two\": {\"mcpServers\": {\"files\": {\"command\":\"c\"}}}\n  }\n}\n";

/// The three entries of one name, by what leads to them.
fn of_projects() -> [Vec<String>; 3] {
    [
        path(&["mcpServers", "files"]),
        path(&["projects", "/one", "mcpServers", "files"]),
        path(&["projects", "/two", "mcpServers", "files"]),
    ]
}

#[test]
fn what_was_not_asked_for_stays_connected_until_it_is() {
    let ats = of_projects();
    let targets = ats.clone().map(|at| Target { at, entry: shim("files") });
    let connected = connect(&read(PROJECTS, Format::Json), Format::Json, "/f", &targets).unwrap();
    let one = |at: &[String]| at != ats[2];
    let first =
        disconnect(&read(&connected.text, Format::Json), Format::Json, &connected.kept, &one).unwrap();
    assert!(first.restored.exact && first.restored.left.is_empty());
    assert_eq!(first.back, ats[..2]);
    let between = read(&first.restored.text, Format::Json);
    let shims: Vec<bool> =
        ats.iter().map(|at| between.get(at).and_then(ShimEntry::recognise).is_some()).collect();
    assert_eq!(shims, [false, false, true]);
    let kept = first.kept.unwrap();
    assert_eq!(kept.entries().collect::<Vec<_>>(), [&ats[2]]);
    // Asking again for what is back changes nothing.
    let again = disconnect(&between, Format::Json, &kept, &one).unwrap();
    assert!(again.back.is_empty() && again.restored.text == between.text() && again.kept.is_some());
    let second = disconnect(&between, Format::Json, &again.kept.unwrap(), &|_| true).unwrap();
    assert!(second.kept.is_none() && second.restored.exact);
    assert_eq!(second.restored.text, PROJECTS);
}

#[test]
fn an_entry_that_is_gone_is_said_once_and_no_longer_kept() {
    let ats = of_projects();
    let targets = ats.clone().map(|at| Target { at, entry: shim("files") });
    let connected = connect(&read(PROJECTS, Format::Json), Format::Json, "/f", &targets).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&connected.text).unwrap();
    value["projects"].as_object_mut().unwrap().remove("/one");
    value["projects"]["/two"]["mcpServers"]["files"]["command"] = "mine".into();
    let edited = read(&value.to_string(), Format::Json);
    let done = disconnect(&edited, Format::Json, &connected.kept, &|_| true).unwrap();
    assert_eq!(done.back, ats[..1]);
    let left: Vec<_> = done.restored.left.iter().map(|left| (&left.at, left.because)).collect();
    assert_eq!(left, [(&ats[1], Because::TakenOut), (&ats[2], Because::Changed)]);
    assert_eq!(done.kept.unwrap().entries().collect::<Vec<_>>(), [&ats[2]], "what was changed waits");
}

#[derive(Clone, Debug)]
enum Tree {
    Scalar(String),
    Array(Vec<Tree>),
    Object(Vec<Tree>),
}

fn tree() -> impl Strategy<Value = Tree> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        Just("-1.5e3".to_owned()),
        "[a-z/*,{}\\[\\]]{0,8}".prop_map(|text| format!("\"{text}\\\"//\"")),
    ];
    let leaf = scalar.prop_map(Tree::Scalar);
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Tree::Array),
            proptest::collection::vec(inner, 0..3).prop_map(Tree::Object),
        ]
    })
}

fn filler() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just(" ".to_owned()),
        Just("\r\n\t".to_owned()),
        Just("// a \" } ,\n".to_owned()),
        Just("/* ] \" é */".to_owned()),
    ]
}

fn write(tree: &Tree, fill: &mut dyn FnMut() -> String, out: &mut String) {
    out.push_str(&fill());
    match tree {
        Tree::Scalar(text) => out.push_str(text),
        Tree::Array(items) | Tree::Object(items) => {
            let object = matches!(tree, Tree::Object(_));
            out.push(if object { '{' } else { '[' });
            for (position, item) in items.iter().enumerate() {
                out.push_str(&fill());
                if object {
                    out.push_str(&format!("\"k{position}\"{}:", fill()));
                }
                write(item, fill, out);
                let last = position + 1 == items.len();
                let filled = fill();
                out.push_str(if !last || filled.len() > 5 { "," } else { "" });
                out.push_str(&filled);
            }
            out.push(if object { '}' } else { ']' });
        }
    }
    out.push_str(&fill());
}

proptest! {
    #[test]
    fn any_json_with_comments_comes_back(
        trees in proptest::collection::vec(tree(), 3),
        entries in proptest::collection::vec(tree(), 1..4),
        fillers in proptest::collection::vec(filler(), 1..40),
        pick in any::<u8>(),
    ) {
        let mut at = 0;
        let mut fill = || { at += 1; fillers[at % fillers.len()].clone() };
        let servers = Tree::Object(entries.clone());
        let whole = Tree::Object(trees.into_iter().chain([servers]).collect());
        let mut text = String::new();
        write(&whole, &mut fill, &mut text);
        let ats: Vec<Vec<String>> = (0..entries.len())
            .filter(|position| pick & (1 << position) != 0)
            .map(|position| path(&["k3", &format!("k{position}")]))
            .collect();
        there_and_back(&text, Format::Json, &ats);
    }

    #[test]
    fn any_toml_comes_back(
        names in proptest::collection::btree_set("[a-z]{1,3}|[a-z]\\.[ #\\[\\]=]{1,2}", 1..4),
        shapes in proptest::collection::vec(0usize..4, 4),
        comments in proptest::collection::vec("(# [a-z\\[\\]\"'=]{0,9})?", 4),
        crlf in any::<bool>(),
        pick in any::<u8>(),
    ) {
        let mut text = String::from("top = [ 1, # ]\n 2 ]\n");
        for (position, name) in names.iter().enumerate() {
            let key = crate::gate::toml_key(name);
            let comment = &comments[position];
            text.push_str(&match shapes[position] {
                0 => format!("{comment}\n[s.{key}] {comment}\ncommand = \"a\"\n{comment}\n[s.{key}.env]\nT = 'hunter2'\n"),
                1 => format!("[s.{key}]\ncommand = \"a\"\nargs = [\n\"hunter2\",\n{comment}\n]\nenv.\"x y\" = \"\\\"#\"\n\n"),
                2 => format!("[s.{key}]\nx = \"\"\"\n[s.zz]\n\"\"\" {comment}\n[other-{position}]\na = 1\n[s.{key}.env]\nT = 1979-05-27\n"),
                _ => format!("[s.{key}]\n{comment}\n"),
            });
        }
        if crlf {
            text = text.replace('\n', "\r\n");
        }
        let ats: Vec<Vec<String>> = names
            .iter()
            .enumerate()
            .filter(|(position, name)| pick & (1 << position) != 0 && !name.is_empty())
            .map(|(_, name)| path(&["s", name]))
            .collect();
        let ats: Vec<Vec<String>> = if ats.len() == names.len() { ats } else {
            // Only connect what leaves no planted text behind in this test.
            names.iter().map(|name| path(&["s", name])).collect()
        };
        there_and_back(&text, Format::Toml, &ats);
    }
}
