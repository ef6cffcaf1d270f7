//! `docs/cookbook.md` from the examples and their golden files. Must never say what was not decided.

use serde_json::Value;

use crate::decided::{Example, list, text, words};

const HEAD: &str = "\
# Policy cookbook

<!-- Written by crates/sim/tests/cookbook from policies/cookbook; a test compares. Do not edit. -->

Twenty policies to copy. Each is a file in [`policies/cookbook`](../policies/cookbook), compiled and decided by the
tests exactly as shown: tools as the servers list them, with the risk class Callgate proposes for them. Copy a file
into your `policies` directory, change names and bounds, then:

```sh
callgate policy check      # finds names that do not exist, wrong types, what can never apply
callgate policy reload     # puts it into force
```

Three rules carry all of it. With no permit, nothing is allowed. A forbid wins over every permit. A call that would be
permitted with an approval waits for one (`callgate approvals`). Where nothing else is said, the examples stand beside
[`policies/starter.cedar`](../policies/starter.cedar): agents list and read, privileged tools wait for an
approval, tools that return secrets are refused. `callgate policy schema` prints every name you can use.

What policies here cannot say, so that you do not look for it: weekdays, named time zones (write offsets, as in
[13](#13-a-deployment-window-with-a-time-zone)), the length of a list, a condition on each element of a list (use
`NAME_json`, its canonical text, as in [3](#3-secret-files-never)), how often something was called before, and where
data in an argument came from.
";

const TAIL: &str = "
## Where the tools come from

| listing | what it is |
|---|---|
";

/// The whole page.
pub(crate) fn page(names: &[String]) -> String {
    let mut page = HEAD.to_owned();
    for name in names {
        section(&mut page, name);
    }
    page.push_str(TAIL);
    for listing in crate::examples::names("servers", ".json") {
        let listed: Value =
            serde_json::from_str(&crate::examples::read(&format!("servers/{listing}.json"))).unwrap();
        let (about, count) = (text(&listed, "about"), list(&listed, "tools").len());
        page.push_str(&format!("| {listing} | {about}; {count} tools |\n"));
    }
    page
}

fn section(page: &mut String, name: &str) {
    let source = crate::examples::read(&format!("{name}.cedar"));
    let comment: Vec<&str> =
        source.lines().map_while(|line| line.strip_prefix("//")).map(str::trim).collect();
    let (title, prose) = (comment[0], comment.get(2..).unwrap_or_default().join("\n"));
    let code: Vec<&str> = source.lines().skip_while(|line| line.starts_with("//")).collect();
    let number: usize = name.split('-').next().and_then(|number| number.parse().ok()).unwrap();
    let example = Example::read(name);
    page.push_str(&format!(
        "\n## {number}. {title}\n\n{prose}\n\n```cedar\n{}\n```\n\n",
        code.join("\n").trim()
    ));
    let mut beside = example.also();
    if beside != ["starter.cedar"] {
        beside.retain(|file| *file != "starter.cedar");
        let files: Vec<String> = beside.iter().map(|file| format!("`{file}`")).collect();
        page.push_str(&match files.is_empty() {
            true => "Decided here without the starter policies.\n\n".to_owned(),
            false => format!("Decided here beside the starter policies and {}.\n\n", files.join(", ")),
        });
    }
    let listings: Vec<String> = example.listings().iter().map(|name| format!("`{name}`")).collect();
    page.push_str(&format!("Tools of {}:\n\n| call | is |\n|---|---|\n", listings.join(", ")));
    for case in example.cases() {
        page.push_str(&format!("| {} | {} |\n", call(case), answer(case)));
    }
}

fn call(case: &Value) -> String {
    let arguments = case["arguments"].to_string().replace('|', "\\|");
    let mut said = format!("`{} {arguments}`", text(case, "call"));
    let groups = words(case, "groups");
    if !groups.is_empty() {
        said.push_str(&format!(" by an agent of {}", quoted(&groups)));
    }
    if let Some(at) = case["at"].as_str() {
        said.push_str(&format!(" at {}", at.replace('T', " ").replace('Z', " UTC")));
    }
    if let Some(count) = case["approval"]["count"].as_u64() {
        let people = if count == 1 { "one person".to_owned() } else { format!("{count} people") };
        said.push_str(&format!(", approved by {people} of {}", quoted(&words(&case["approval"], "groups"))));
        if case["approval"]["self_approved"] == true {
            said.push_str(", one of whom answers for the agent");
        }
    }
    said
}

fn answer(case: &Value) -> String {
    let by = || words(case, "by").iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
    let mut said = match text(case, "decision") {
        "permit" => format!("permitted by {}", by()),
        "park" => format!("held, asking {}, by {}", quoted(&words(case, "approvers")), by()),
        "forbidden" => format!("refused by {}", by()),
        _ => "refused: nothing permits it".to_owned(),
    };
    if case["listed"] == false {
        said.push_str("; the tool is not even listed");
    }
    said
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(" and ")
}
