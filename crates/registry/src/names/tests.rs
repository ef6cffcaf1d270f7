//! Names on the aggregated endpoint.

use model::time::Micros;
use proptest::prelude::*;

use super::*;
use crate::observe::observe;
use crate::testing::{apply, reader, server, tool};

fn add(catalog: &Catalog, server_name: &str, names: &[&str], at: i64) -> Catalog {
    let known = catalog.of_server(&server(server_name)).map(|r| std::sync::Arc::clone(&r.definition));
    let definitions: Vec<_> = known.chain(names.iter().map(|name| reader(name, ""))).collect();
    apply(catalog, &observe(catalog, &server(server_name), &definitions, Micros(at)))
}

#[test]
fn names_fit_every_client() {
    let long = "x".repeat(128);
    let catalog = add(&Catalog::default(), "s", &["read_file", "a.b/c", &long], 1);
    let names = Names::of(&catalog);
    assert_eq!(names.name(&tool("s", "read_file")), Some("s__read_file"));
    assert_eq!(names.name(&tool("s", "a.b/c")), Some("s__a_b_c"));
    let short = names.name(&tool("s", &long)).unwrap();
    assert!(short.len() == 64 && short.starts_with("s__xxx"));
    assert_eq!(names.resolve(short), Some(&tool("s", &long)));
    assert_eq!(names.resolve("s__a.b/c"), None);
}

#[test]
fn a_name_stays_with_the_tool_that_had_it_first() {
    let catalog = add(&Catalog::default(), "s", &["a.b"], 1);
    let catalog = add(&catalog, "s", &["a_b", "a/b"], 2);
    let names = Names::of(&catalog);
    assert_eq!(names.name(&tool("s", "a.b")), Some("s__a_b"));
    assert!(names.name(&tool("s", "a_b")).unwrap().starts_with("s__a_b_"));
    let at_once = Names::of(&add(&Catalog::default(), "s", &["a.b", "a_b"], 1));
    assert_eq!(at_once.name(&tool("s", "a_b")), Some("s__a_b"), "at once, the exact name wins");
}

proptest! {
    #[test]
    fn every_tool_has_one_name_and_every_name_one_tool(
        early in prop::collection::btree_set("[ab_./-]{1,4}|[a.]{60,64}", 1..12),
        late in prop::collection::btree_set("[ab_./-]{1,4}|[a_]{60,64}", 1..12),
        other in prop::collection::btree_set("[ab_./-]{1,4}", 1..6),
    ) {
        let list = |set: &std::collections::BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>();
        let (early, other) = (list(&early), list(&other));
        let late: Vec<_> = late.into_iter().filter(|name| !early.contains(name)).collect();
        let refs = |v: &[String]| v.iter().map(String::clone).collect::<Vec<_>>();
        let first = add(&Catalog::default(), "a", &refs(&early).iter().map(String::as_str).collect::<Vec<_>>(), 1);
        let second = add(&first, "a-b", &refs(&other).iter().map(String::as_str).collect::<Vec<_>>(), 2);
        let third = add(&second, "a", &refs(&late).iter().map(String::as_str).collect::<Vec<_>>(), 3);
        let (before, after) = (Names::of(&first), Names::of(&third));
        for record in third.all() {
            let name = after.name(&record.name).unwrap();
            prop_assert_eq!(after.resolve(name), Some(&record.name));
            prop_assert!(name.len() <= NAME_CHARS_MAX && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
        }
        for record in first.all() {
            prop_assert_eq!(before.name(&record.name), after.name(&record.name));
        }
    }
}

#[test]
fn prompts_have_names_that_every_client_takes_and_that_lead_back() {
    let git = server("git");
    for (own, shown) in [("review", "git__review"), ("_x", "git___x"), ("a__b", "git__a__b"), ("", "git__")] {
        assert_eq!(of_prompt(&git, own), shown);
        assert_eq!(read_prompt(shown), Some((git.clone(), PromptName::Plain(own))));
    }
    for own in ["says: ¡hola!", &"x".repeat(80), "a b"] {
        let name = of_prompt(&git, own);
        assert!(name.len() <= NAME_CHARS_MAX && name == safe(&name), "{name}");
        assert!(
            matches!(read_prompt(&name), Some((server, PromptName::MayBeShort(_))) if server == git),
            "{name}"
        );
    }
    assert_ne!(of_prompt(&git, "a b"), of_prompt(&git, "a c"));
    assert_ne!(of_prompt(&git, "a b"), of_prompt(&git, "a/b"));
    for none in ["", "review", "git_review", "Git__x", "__x", "git_"] {
        assert_eq!(read_prompt(none), None, "{none}");
    }
}

proptest! {
    #[test]
    fn every_prompt_name_leads_to_its_server(server_name in "[a-c]([a-c_-]?[a-c]){0,4}", own in "\\PC{0,70}") {
        prop_assume!(ServerName::parse(&server_name).is_ok());
        let server = server(&server_name);
        let name = of_prompt(&server, &own);
        prop_assert!(name.len() <= NAME_CHARS_MAX && name == safe(&name));
        let (found, rest) = read_prompt(&name).unwrap();
        prop_assert_eq!(found, server);
        if let PromptName::Plain(rest) = rest {
            prop_assert_eq!(rest, own);
        }
    }
}
