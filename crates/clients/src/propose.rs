//! Permits for the writes of one workspace, as Cedar that a person reads and edits. Must never permit a path outside the
//! workspace, nor a file that decides what the assistant may do.

/// A certified tool that writes.
#[derive(Clone, Debug)]
pub struct ProposedTool {
    /// Its server.
    pub server: String,
    /// Its action in policies, such as `files::Action::"write_file"`.
    pub action: String,
    /// Its risk class: `write` or `privileged`.
    pub risk: String,
    /// Its arguments that are texts.
    pub texts: Vec<String>,
    /// Its other arguments: no pattern can hold them inside a directory.
    pub others: Vec<String>,
    /// Those of the others that are lists of texts.
    pub lists: Vec<String>,
}

/// An argument that may name a place, and the tools of one server that take it: a policy's actions cannot mix servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    server: String,
    name: String,
    list: bool,
    actions: Vec<String>,
}

/// All arguments of these tools that may name a place.
#[must_use]
pub fn places(tools: &[ProposedTool]) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    for tool in tools {
        let texts = tool.texts.iter().map(|name| (name, false));
        for (name, list) in texts.chain(tool.lists.iter().map(|name| (name, true))) {
            if !may_name_a_place(name) && !PATHS.contains(&name.as_str()) && !ROOTS.contains(&name.as_str()) {
                continue;
            }
            let same =
                |place: &&mut Place| place.server == tool.server && place.name == *name && place.list == list;
            match places.iter_mut().find(same) {
                Some(place) => place.actions.push(tool.action.clone()),
                None => {
                    let (server, actions) = (tool.server.clone(), vec![tool.action.clone()]);
                    places.push(Place { server, name: name.clone(), list, actions });
                }
            }
        }
    }
    places
}

/// What the permits are about.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// What the ids of the policies begin with.
    pub name: String,
    /// The workspace, absolute; `None` when it is too much to permit: the home directory, `/`.
    pub workspace: Option<String>,
    /// Directories and files of Callgate itself, absolute.
    pub own: Vec<String>,
    /// What certified tools, those that read included, take that may name a place.
    pub places: Vec<Place>,
}

/// Arguments that name a file or directory.
const PATHS: [&str; 16] = [
    "path",
    "file",
    "file_path",
    "filepath",
    "filename",
    "source",
    "destination",
    "directory",
    "dir",
    "folder",
    "target",
    "relative_path",
    "uri_path",
    "output_path",
    "target_file",
    "notebook_path",
];
/// Arguments that name a whole repository or project.
const ROOTS: [&str; 8] = [
    "repo_path",
    "repository",
    "repository_path",
    "project_path",
    "project_root",
    "working_directory",
    "workdir",
    "cwd",
];
/// Parts of names of arguments that may name a place, if they are none of the above: what they name would be outside.
const PLACES: [&str; 9] = ["path", "file", "dir", "folder", "dest", "src", "target", "uri", "url"];
/// Those of them that hold an address, which may spell a path with escapes.
const ADDRESSES: [&str; 2] = ["uri", "url"];
/// Whole names of such arguments.
const PLACE_NAMES: [&str; 7] = ["from", "to", "old", "new", "dst", "output", "root"];
/// Paths that a server takes as relative to its one repository.
const RELATIVE: [&str; 2] = ["files", "paths"];
/// What decides about the assistant or Callgate itself, or runs by itself: never written without a person, nor put in
/// place as a whole directory.
const GUARDED: [&str; 10] = [
    ".git",
    ".mcp.json",
    ".vscode",
    ".cursor",
    ".claude",
    ".codex",
    ".envrc",
    ".husky",
    ".env",
    "callgate.toml",
];

const HEAD: &str = "\
// What assistants may write without asking, proposed by `callgate import` from the tools it found. Edit it as you like:
// `callgate policy check` finds mistakes, `callgate policy reload` puts it into force.
//
// A path with `..` in it, or one through a link, could lead out again; the first is excluded here, the second is
// for the server to check.
";

/// The policies.
#[must_use]
pub fn propose(tools: &[ProposedTool], around: &Surroundings) -> String {
    let mut out = HEAD.to_owned();
    out.push_str(&around.workspace.as_deref().map(workspace_line).unwrap_or_default());
    let groups = around.workspace.as_deref().map(|workspace| (workspace, groups(tools)));
    if let Some((workspace, groups)) = groups {
        for (position, group) in groups.iter().enumerate() {
            out.push('\n');
            out.push_str(&permit(group, position + 1, workspace, around));
        }
    }
    out.push('\n');
    out.push_str(&OTHERS.replace("workspace/", &format!("{}/", around.name)));
    out.push_str(&spare(tools));
    out.push_str(&own(around));
    out
}

/// Writes that name no path, as a permit to uncomment for each server: a policy's actions cannot mix servers.
fn spare(tools: &[ProposedTool]) -> String {
    let mut servers: Vec<&str> = Vec::new();
    for tool in tools {
        if !servers.contains(&tool.server.as_str()) {
            servers.push(&tool.server);
        }
    }
    servers.into_iter().map(|server| spare_of(server, tools)).collect()
}

fn spare_of(server: &str, tools: &[ProposedTool]) -> String {
    let named = |tool: &&ProposedTool| {
        let path = |text: &String| PATHS.contains(&text.as_str()) || ROOTS.contains(&text.as_str());
        tool.server == server && tool.risk == "write" && !tool.texts.iter().any(path)
    };
    let lines: Vec<String> =
        tools.iter().filter(named).map(|tool| format!("//     {},\n", tool.action)).collect();
    if lines.is_empty() {
        return String::new();
    }
    format!(
        "\n// These of `{server}` name no path. Take the comment marks away from those that need no asking:\n// permit (\n//   principal in Callgate::AgentGroup::\"known\",\n//   action in [\n{}//   ],\n//   resource\n// );\n",
        lines.concat()
    )
}

/// The comment that says which workspace a file of policies is about.
#[must_use]
pub fn workspace_line(workspace: &str) -> String {
    format!("// Workspace: {}\n", escaped(workspace))
}

/// Tools of one server with the same arguments.
struct Group<'a> {
    server: &'a str,
    actions: Vec<&'a str>,
    paths: Vec<&'a str>,
    roots: Vec<&'a str>,
    /// Lists of paths below the root.
    lists: Vec<&'a str>,
}

fn groups(tools: &[ProposedTool]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for tool in tools.iter().filter(|tool| tool.risk == "write") {
        let (paths, roots) = (named(&tool.texts, &PATHS), named(&tool.texts, &ROOTS));
        let lists = if roots.is_empty() { Vec::new() } else { named(&tool.lists, &RELATIVE) };
        if (paths.is_empty() && roots.is_empty()) || leads_elsewhere(tool, !roots.is_empty()) {
            continue;
        }
        let same = |group: &&mut Group<'_>| {
            group.server == tool.server
                && group.paths == paths
                && group.roots == roots
                && group.lists == lists
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.actions.push(&tool.action),
            None => {
                groups.push(Group { server: &tool.server, actions: vec![&tool.action], paths, roots, lists })
            }
        }
    }
    groups
}

/// Those of these arguments that have one of these names.
fn named<'a>(arguments: &'a [String], names: &[&str]) -> Vec<&'a str> {
    arguments.iter().map(String::as_str).filter(|name| names.contains(name)).collect()
}

/// Whether an argument may name a place that the permit says nothing about.
fn leads_elsewhere(tool: &ProposedTool, has_root: bool) -> bool {
    let held = |name: &str| PATHS.contains(&name) || ROOTS.contains(&name);
    let texts = tool.texts.iter().map(String::as_str).filter(|name| !held(name));
    let others = tool.others.iter().map(String::as_str);
    let listed = |name: &str| tool.lists.iter().any(|list| list == name);
    let mut others = others.filter(|name| !(has_root && RELATIVE.contains(name) && listed(name)));
    texts.into_iter().any(may_name_a_place) || others.any(may_name_a_place)
}

fn may_name_a_place(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    PLACE_NAMES.contains(&name.as_str()) || PLACES.iter().any(|part| name.contains(part))
}

/// Members of a list, in its canonical text, that are not below the root they stand beside.
fn leaves_the_root(list: &str) -> Vec<String> {
    let patterns = ["*..*", "*\\\"/*", "*\\\"~*", "*\\\"file:*"];
    let held = patterns.map(|pattern| format!("context.args.{list}_json like \"{pattern}\"")).join(" || ");
    vec![format!("(context.args has {list}_json && ({held}))")]
}

fn guards_in_a_list(list: &str, name: &str) -> String {
    let patterns = ["*\\\"{}\\\"*", "*\\\"{}/*", "*/{}/*", "*/{}\\\"*"];
    let held = patterns
        .map(|pattern| format!("context.args.{list}_json like \"{}\"", pattern.replace("{}", name)))
        .join(" || ");
    format!("(context.args has {list}_json && ({held}))")
}

fn permit(group: &Group<'_>, number: usize, workspace: &str, around: &Surroundings) -> String {
    let inside = like_text(workspace);
    let mut conditions = Vec::new();
    let (mut dots, mut guarded) = (Vec::new(), Vec::new());
    for root in &group.roots {
        let exact = cedar_string(workspace);
        conditions.push(format!(
            "context.args has {root} && (context.args.{root} == {exact} || context.args.{root} like \"{inside}/*\")"
        ));
        dots.push(format!("context.args.{root} like \"*..*\""));
        // What is named beside a root is in it: a root inside something guarded would let every name through.
        guarded.extend(GUARDED.map(|name| guards(root, name, false)));
    }
    for path in &group.paths {
        // Beside a root, a path may be relative to it.
        if group.roots.is_empty() {
            conditions.push(format!("context.args has {path} && context.args.{path} like \"{inside}/*\""));
        } else {
            conditions.push(format!(
                "context.args has {path} && (context.args.{path} like \"{inside}/*\" || !(context.args.{path} like \"/*\" || context.args.{path} like \"~*\" || context.args.{path} like \"file:*\"))"
            ));
        }
        dots.push(format!("context.args.{path} like \"*..*\""));
        for name in GUARDED {
            guarded.push(guards(path, name, !group.roots.is_empty()));
        }
        for own in around.own.iter().filter(|own| own.starts_with(workspace)) {
            guarded.push(format!("context.args.{path} like \"{}*\"", like_text(own)));
        }
    }
    for list in &group.lists {
        dots.extend(leaves_the_root(list));
        guarded.extend(GUARDED.iter().map(|name| guards_in_a_list(list, name)));
    }
    let actions = group.actions.join(",\n    ");
    let mut text = format!(
        "// `{}`: inside this workspace only.\n@id(\"{}/{}-{number}\")\npermit (\n  principal in Callgate::AgentGroup::\"known\",\n  action in [\n    {actions}\n  ],\n  resource\n)\nwhen {{\n  {}\n}}\nunless {{ {} }}",
        group.server,
        around.name,
        group.server,
        conditions.join(" &&\n  "),
        dots.join(" || ")
    );
    if !guarded.is_empty() {
        text.push_str(&format!("\nunless {{\n  {}\n}}", guarded.join(" ||\n  ")));
    }
    text.push_str(";\n");
    text
}

/// A file or directory of that name, and what is in it; relative too, where a path may be.
fn guards(path: &str, name: &str, relative: bool) -> String {
    let like = |pattern: &str| format!("context.args.{path} like \"{pattern}\"");
    let mut patterns = vec![like(&format!("*/{name}")), like(&format!("*/{name}/*"))];
    if relative {
        patterns.extend([like(name), like(&format!("{name}/*"))]);
    }
    patterns.join(" || ")
}

const OTHERS: &str = "\
// Every other write waits for you: `callgate approvals` shows what is asked.
@id(\"workspace/other-writes\")
@reason(\"this write waits for a person's approval\")
@approvers(\"operators\")
permit (
  principal in Callgate::AgentGroup::\"known\",
  action in [Callgate::Action::\"risk:write\", Callgate::Action::\"risk:privileged\"],
  resource
)
unless { action in Callgate::Action::\"sample\" }
when { context.approval.count >= 1 };

// What a server asks of the assistant's model cannot wait for you. To permit it, take the comment marks away.
// @id(\"workspace/sampling\")
// permit (
//   principal in Callgate::AgentGroup::\"known\",
//   action in Callgate::Action::\"sample\",
//   resource
// );
";

const OWN_REASON: &str = "Callgate's own files are not for agents";
const ADDRESS_REASON: &str = "Callgate's own files are not for agents; an address that is none of `http://` or `https://` has to be written without escapes (`%`)";

/// Nothing of Callgate's own is for an assistant, neither to read nor to write: one forbid for each argument that may
/// name a place, about the tools that take it.
fn own(around: &Surroundings) -> String {
    let mut out = String::new();
    for (position, place) in around.places.iter().enumerate() {
        let attribute = if place.list { format!("{}_json", place.name) } else { place.name.clone() };
        let mut patterns = if place.list {
            inside_a_list(&access(&attribute), around)
        } else {
            as_a_text(&access(&attribute), around)
        };
        if patterns.is_empty() {
            continue;
        }
        patterns.push(escaped_spellings(place, &access(&attribute)));
        let reason = if holds_addresses(&place.name) { ADDRESS_REASON } else { OWN_REASON };
        if position == 0 {
            out.push_str("\n// Nobody reads or writes Callgate's own files through a tool.");
        }
        let number = if position == 0 { String::new() } else { format!("-{}", position + 1) };
        out.push_str(&format!(
            "\n@id(\"{}/callgate-itself{number}\")\n@reason({})\nforbid (\n  principal,\n  action in [\n    {}\n  ],\n  resource\n)\nwhen {{ context has args && context.args has {} }}\nwhen {{\n  {}\n}};\n",
            around.name,
            cedar_string(reason),
            place.actions.join(",\n    "),
            key(&attribute),
            patterns.join(" ||\n  ")
        ));
    }
    out
}

fn is_word(name: &str) -> bool {
    const CEDARS: [&str; 8] = ["if", "then", "else", "in", "is", "like", "has", "true"];
    let letters = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    letters && !name.starts_with(|c: char| c.is_ascii_digit()) && !CEDARS.contains(&name) && name != "false"
}

fn key(attribute: &str) -> String {
    if is_word(attribute) { attribute.to_owned() } else { cedar_string(attribute) }
}

fn access(attribute: &str) -> String {
    if is_word(attribute) {
        return format!("context.args.{attribute}");
    }
    format!("context.args[{}]", cedar_string(attribute))
}

fn as_a_text(access: &str, around: &Surroundings) -> Vec<String> {
    let mut patterns: Vec<String> =
        around.own.iter().map(|own| format!("{access} like \"{}*\"", like_text(own))).collect();
    patterns.extend(other_spellings(access, around));
    patterns
}

/// In the canonical text of a list there is no telling where a path begins: the last two names of what is ours, in
/// whatever spelling stands between them.
fn inside_a_list(access: &str, around: &Surroundings) -> Vec<String> {
    let mut patterns = Vec::new();
    for end in ends(around) {
        let end = end.trim_start_matches('*').trim_start_matches('/').trim_end_matches("/*").to_owned();
        for begin in ["\\\"", "/"] {
            for after in ["\\\"", "/"] {
                let pattern = format!("{access} like \"*{begin}{end}{after}*\"");
                if !patterns.contains(&pattern) {
                    patterns.push(pattern);
                }
            }
        }
    }
    patterns
}

/// The same files as a server that resolves paths finds them: through `.`, `..`, `//`, `~`, or from where it runs.
fn other_spellings(access: &str, around: &Surroundings) -> Vec<String> {
    let like = |pattern: &str| format!("{access} like \"{pattern}\"");
    let ends = ends(around);
    if ends.is_empty() {
        return Vec::new();
    }
    let odd = ["*//*", "*/./*", "*/../*"].map(like).join(" || ");
    let ends: Vec<String> = ends.iter().map(|end| like(end)).collect();
    vec![format!("((!({access} like \"/*\") || {odd}) &&\n    ({}))", ends.join(" ||\n    "))]
}

fn holds_addresses(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ADDRESSES.iter().any(|part| name.contains(part))
}

/// What a server that reads addresses makes a path of, and no pattern can: `%61` is `a`, `\` is `/`, a tab or line end
/// is nothing. Which path it is cannot be told, so that none is let through. The scheme is not compared with `file`: it
/// may be written `FILE`, be one of the server's own, or be missing. Web addresses are full of escapes and name no file;
/// in a list of addresses no pattern tells which member has the escape. Arguments that are not called an address
/// are held to it only where something like a scheme stands before the escape: `100%.md` is a name of a file.
fn escaped_spellings(place: &Place, access: &str) -> String {
    let like = |pattern: &str| format!("{access} like \"{pattern}\"");
    let address = holds_addresses(&place.name);
    let start = if address { "*" } else { "*:*" };
    if place.list {
        // In the canonical text of a list a tab or line end is written with a backslash.
        return [format!("{start}%*"), format!("{start}\\\\*")].map(|pattern| like(&pattern)).join(" || ");
    }
    let escapes = ["%", "\\\\", "\\t", "\\n", "\\r"].map(|escape| like(&format!("{start}{escape}*")));
    let web = ["http://*", "https://*"].map(like).join(" || ");
    format!("(!({web}) &&\n    ({}))", escapes.join(" || "))
}

/// How a path to something of ours may end, as patterns.
fn ends(around: &Surroundings) -> Vec<String> {
    let mut ends = Vec::new();
    for own in &around.own {
        let inside = around.workspace.as_deref().is_some_and(|workspace| own.starts_with(workspace));
        let parts: Vec<String> = own.split('/').filter(|part| !part.is_empty()).map(like_text).collect();
        let starts = match parts.as_slice() {
            [.., parent, last] if !inside => vec![format!("*{parent}/*{last}")],
            [.., last] => vec![last.clone(), format!("*/{last}")],
            [] => continue,
        };
        for end in starts.into_iter().flat_map(|start| [format!("{start}/*"), start]) {
            if !ends.contains(&end) {
                ends.push(end);
            }
        }
    }
    ends
}

fn cedar_string(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// A text inside the quotes of a `like` pattern.
fn like_text(text: &str) -> String {
    escaped(text).replace('*', "\\*")
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests;
