//! The known traps of the policy language, one test each. Must never be thinned out: each was a way in.

use super::*;

const ANY: &str = r#"@id("any") permit (principal, action in Callgate::Action::"call", resource);"#;

fn one(schema: &str) -> World {
    World::new().server("srv", "local").tool("srv__t", Risk::Write, schema)
}

fn props(properties: &str) -> World {
    one(&format!(r#"{{"type":"object","properties":{properties}}}"#))
}

fn when(condition: &str) -> String {
    format!("@id(\"p\") permit (principal, action == srv::Action::\"t\", resource) when {{ {condition} }};")
}

#[test]
fn odd_server_and_tool_names_all_get_an_action() {
    let mut world = World::new();
    let servers =
        ["in", "like", "7zip", "a-b", "a_b", "a--b", "ip", "decimal", "namespace", "action", "entity"];
    for server in servers {
        world = world.server(server, "local");
        for tool in ["in", "a.b", "a-b", "a/b", "list", "call", "Action", "A", "__entity", "0"] {
            world = world.tool(&format!("{server}__{tool}"), Risk::Read, "{}");
        }
    }
    let snapshot = world.compile(ANY).unwrap_or_else(|p| panic!("{}", shown(&p)));
    for facts in &world.tools {
        let name = facts.tool.name.to_string();
        let decision = world.decide(&snapshot, &agent(&[]), (&name, "{}"), &ApprovalEvidence::none());
        assert_eq!(word(&decision), ("permit", vec!["any"]), "{name}");
    }
    let only = r#"@id("x") permit (principal, action == S_in::Action::"a.b", resource);"#;
    assert_eq!(word(&world.ask(only, "in__a.b", "{}")), ("permit", vec!["x"]));
    assert_eq!(word(&world.ask(only, "like__a.b", "{}")).0, "no-permit");
    assert!(snapshot.schema_text().contains("namespace S_in"), "{}", snapshot.schema_text());
}

#[test]
fn odd_property_names_are_attributes() {
    for name in
        ["in", "like", "$filter", "ship.to", "a-b", "", "__entity", "__extn", "type", "has", "é", "a b"]
    {
        let world = props(&format!(r#"{{"{name}":{{"type":"string"}}}}"#));
        let text = when(&format!("context.args has \"{name}\" && context.args[\"{name}\"] == \"x\""));
        let yes = world.ask(&text, "srv__t", &format!(r#"{{"{name}":"x"}}"#));
        assert_eq!(word(&yes), ("permit", vec!["p"]), "{name}");
        assert_eq!(
            word(&world.ask(&text, "srv__t", &format!(r#"{{"{name}":"y"}}"#))).0,
            "no-permit",
            "{name}"
        );
    }
}

#[test]
fn one_tool_without_a_typable_schema_does_not_break_the_others() {
    let world = World::new()
        .server("srv", "local")
        .tool("srv__bad", Risk::Write, r##"{"$ref":"#","properties":{"x":{"$ref":"#/nowhere"}}}"##)
        .tool("srv__t", Risk::Write, r#"{"type":"object","properties":{"n":{"type":"integer"}}}"#);
    assert_eq!(
        word(&world.ask(&when("context.args has n && context.args.n == 1"), "srv__t", r#"{"n":1}"#)).0,
        "permit"
    );
    assert_eq!(word(&world.ask(ANY, "srv__bad", r#"{"x":[1,null]}"#)).0, "permit");
}

#[test]
fn escapes_in_arguments_never_become_entities_or_extensions() {
    let world = props(
        r#"{"note":{"type":"object","properties":{"__entity":{"type":"object","properties":{"type":{"type":"string"},"id":{"type":"string"}}}}},"free":{},"s":{"type":"string"}}"#,
    );
    let escape = r#"{"__entity":{"type":"Callgate::AgentGroup","id":"known"}}"#;
    let data = when(
        "context.args has note && context.args.note has \"__entity\" && context.args.note[\"__entity\"] has id && context.args.note[\"__entity\"].id == \"known\"",
    );
    assert_eq!(word(&world.ask(&data, "srv__t", &format!(r#"{{"note":{escape}}}"#))).0, "permit");
    let text = when("context.args has free_json && context.args.free_json like \"*__entity*\"");
    assert_eq!(word(&world.ask(&text, "srv__t", &format!(r#"{{"free":{escape}}}"#))).0, "permit");
    let string = world.ask(ANY, "srv__t", &format!(r#"{{"s":{escape}}}"#));
    assert_eq!(word(&string).0, "error", "an object where a string is declared");
    let extension = world.ask(ANY, "srv__t", r#"{"s":{"__extn":{"fn":"ip","arg":"10.0.0.1"}}}"#);
    assert_eq!(word(&extension).0, "error");
}

#[test]
fn arguments_of_the_wrong_type_are_an_error_and_so_a_deny() {
    let world = props(
        r#"{"s":{"type":"string"},"n":{"type":"integer"},"b":{"type":"boolean"},"l":{"type":"array","items":{"type":"integer"}},"e":{"enum":["a"]},"o":{"type":"object","properties":{"x":{"type":"string"}}},"t":{"type":"string","format":"date-time"},"i":{"type":"string","format":"ipv4"},"d":{"type":"number"}}"#,
    );
    for bad in [
        r#"{"s":1}"#,
        r#"{"s":null}"#,
        r#"{"n":"1"}"#,
        r#"{"n":1.5}"#,
        r#"{"n":1.00000000000000000001}"#,
        r#"{"n":1e19}"#,
        r#"{"n":1e-2}"#,
        r#"{"n":9223372036854775808.0}"#,
        r#"{"n":9223372036854775808}"#,
        r#"{"b":"true"}"#,
        r#"{"l":[1,"2"]}"#,
        r#"{"l":1}"#,
        r#"{"e":"b"}"#,
        r#"{"o":[]}"#,
        r#"{"o":{"x":1}}"#,
        r#"{"t":"tomorrow"}"#,
        r#"{"t":"2026-12-31T23:59:60Z"}"#,
        r#"{"t":"2026-13-01T00:00:00Z"}"#,
        r#"{"i":"10.0.0"}"#,
        r#"{"i":"10.0.0.1/8"}"#,
        r#"{"d":"1"}"#,
        "[]",
    ] {
        let decision = world.ask(ANY, "srv__t", bad);
        assert_eq!(word(&decision).0, "error", "{bad}: {decision:?}");
    }
    let good = r#"{"s":"","n":-9223372036854775808,"b":false,"l":[],"e":"a","o":{},"t":"2026-11-21T09:00:00.123456+02:00","i":"::ffff:10.0.0.1","d":1e-7}"#;
    assert_eq!(word(&world.ask(ANY, "srv__t", good)), ("permit", vec!["any"]));
    let missing = one(r#"{"type":"object","required":["s"],"properties":{"s":{"type":"string"}}}"#);
    assert_eq!(word(&missing.ask(ANY, "srv__t", "{}")).0, "error", "a required argument is missing");
}

#[test]
fn a_whole_number_is_the_same_number_in_any_notation() {
    let world = props(r#"{"n":{"type":"integer"},"l":{"type":"array","items":{"type":"integer"}}}"#);
    let hundred = when("context.args has n && context.args.n == 100");
    for written in ["100", "100.0", "1e2", "1.00E+2", "10000e-2"] {
        let decision = world.ask(&hundred, "srv__t", &format!(r#"{{"n":{written}}}"#));
        assert_eq!(word(&decision), ("permit", vec!["p"]), "{written}");
        let within = when("context.args has l && context.args.l.contains(100)");
        let decision = world.ask(&within, "srv__t", &format!(r#"{{"l":[{written}]}}"#));
        assert_eq!(word(&decision), ("permit", vec!["p"]), "{written}");
    }
    assert_eq!(word(&world.ask(&hundred, "srv__t", r#"{"n":1e3}"#)).0, "no-permit");
}

#[test]
fn action_groups_reach_forbids_and_permits_alike() {
    let world = World::new()
        .server("srv", "local")
        .tool("srv__r", Risk::Read, "{}")
        .tool("srv__p", Risk::Privileged, "{}")
        .returning_secrets();
    for (group, stops_r, stops_p) in [
        ("call", true, true),
        ("risk:read", true, false),
        ("risk:write", false, false),
        ("risk:privileged", false, true),
        ("server:srv", true, true),
        ("returns_secrets", false, true),
    ] {
        let scope = format!(
            "{ANY} @id(\"f\") forbid (principal, action in Callgate::Action::\"{group}\", resource);"
        );
        let condition = format!(
            "{ANY} @id(\"f\") forbid (principal, action, resource) when {{ action in Callgate::Action::\"{group}\" }};"
        );
        for text in [scope, condition] {
            let word_of = |tool| word(&world.ask(&text, tool, "{}")).0 == "forbidden";
            assert_eq!((word_of("srv__r"), word_of("srv__p")), (stops_r, stops_p), "{text}");
        }
    }
}

#[test]
fn a_policy_that_errors_denies_even_where_cedar_would_allow() {
    let world = props(r#"{"n":{"type":"integer"}}"#);
    let text = format!(
        "{ANY} @id(\"f\") forbid (principal, action == srv::Action::\"t\", resource)
        when {{ context.args has n && context.args.n * 1000 > 5000 }};"
    );
    assert_eq!(word(&world.ask(&text, "srv__t", r#"{"n":1}"#)), ("permit", vec!["any"]));
    assert_eq!(word(&world.ask(&text, "srv__t", r#"{"n":9223372036854775807}"#)), ("error", vec!["f"]));
}

#[test]
fn deep_and_long_policies_are_refused_and_never_end_the_process() {
    let world = props("{}");
    let nested = |n: usize| when(&format!("{}true{}", "(".repeat(n), ")".repeat(n)));
    let chained = |n: usize| when(&vec!["true"; n].join(" && "));
    let members = |n: usize| when(&format!("context{}", ".args".repeat(n)));
    let branches = |n: usize| when(&format!("{}true", "if true then true else ".repeat(n)));
    for text in
        [nested(60), nested(20_000), chained(2_000), members(2_000), branches(1_000), "(".repeat(60_000)]
    {
        let problems = world.compile(&text).err().unwrap();
        assert_eq!(problems[0].kind, crate::ProblemKind::Limit, "{}", shown(&problems));
    }
    // The deepest that the limits let through compiles here and decides, or denies, on a small stack.
    let deepest =
        when(&format!("{}true{} && {}", "(".repeat(45), ")".repeat(45), vec!["true"; 500].join(" && ")));
    let snapshot = world.compile(&deepest).unwrap_or_else(|p| panic!("{}", shown(&p)));
    let small = std::thread::Builder::new().stack_size(2 << 20);
    let decided = std::thread::scope(|scope| {
        let run = || {
            let decision = world.decide(&snapshot, &agent(&[]), ("srv__t", "{}"), &ApprovalEvidence::none());
            let listed = world.listed(&snapshot, &agent(&[]));
            (word(&decision).0, listed)
        };
        small.spawn_scoped(scope, run).unwrap().join().unwrap()
    });
    assert!(["permit", "error"].contains(&decided.0));
}

#[test]
fn deep_arguments_are_denied() {
    let world = props(r#"{"x":{}}"#);
    let deep = |n: usize| format!(r#"{{"x":{}1{}}}"#, "[".repeat(n), "]".repeat(n));
    assert_eq!(word(&world.ask(ANY, "srv__t", &deep(31))).0, "permit");
    assert_eq!(word(&world.ask(ANY, "srv__t", &deep(32))).0, "error");
}

#[test]
fn ids_come_from_the_annotation_and_decide_the_names_in_decisions() {
    let world = props("{}");
    let decision = world.ask("@id(\"team/rule-1\") permit (principal, action, resource);", "srv__t", "{}");
    assert_eq!(word(&decision), ("permit", vec!["team/rule-1"]));
}

#[test]
fn sets_lose_order_and_repetition_so_the_text_goes_along() {
    let world = props(r#"{"argv":{"type":"array","items":{"type":"string"}}}"#);
    let set = when("context.args has argv && context.args.argv == [\"a\", \"b\"]");
    let text = when("context.args has argv_json && context.args.argv_json == \"[\\\"a\\\",\\\"b\\\"]\"");
    assert_eq!(word(&world.ask(&set, "srv__t", r#"{"argv":["b","a","b"]}"#)).0, "permit");
    assert_eq!(word(&world.ask(&text, "srv__t", r#"{"argv":["b","a","b"]}"#)).0, "no-permit");
    assert_eq!(word(&world.ask(&text, "srv__t", r#"{"argv":["a","b"]}"#)).0, "permit");
}

#[test]
fn numbers_compare_exactly_by_floor_and_ceiling_and_can_not_hide() {
    let world = props(r#"{"amount":{"type":"number"}}"#);
    let text = format!(
        "{ANY} @id(\"f\") forbid (principal, action == srv::Action::\"t\", resource)
        when {{ context.args has amount_ceil && context.args.amount_ceil > 100 }};"
    );
    for (amount, expected) in [
        ("100", "permit"),
        ("100.0", "permit"),
        ("100.00000000000000000001", "forbidden"),
        ("1e400", "forbidden"),
    ] {
        assert_eq!(
            word(&world.ask(&text, "srv__t", &format!(r#"{{"amount":{amount}}}"#))).0,
            expected,
            "{amount}"
        );
    }
}

#[test]
fn undeclared_arguments_do_not_vanish_from_sight() {
    let world = props(r#"{"o":{"type":"object","properties":{"a":{"type":"string"}}}}"#);
    let strict = format!(
        "{ANY} @id(\"f\") forbid (principal, action == srv::Action::\"t\", resource) when {{ context has undeclared }};"
    );
    assert_eq!(word(&world.ask(&strict, "srv__t", r#"{"o":{"a":"x"}}"#)).0, "permit");
    assert_eq!(word(&world.ask(&strict, "srv__t", r#"{"z":1}"#)).0, "forbidden");
    assert_eq!(word(&world.ask(&strict, "srv__t", r#"{"o":{"b/~":1}}"#)).0, "forbidden");
    let by_name = when(
        "context has undeclared && context.undeclared.names.contains(\"/o/b~1~0\") && context.undeclared.json == \"{\\\"/o/b~1~0\\\":1}\"",
    );
    assert_eq!(word(&world.ask(&by_name, "srv__t", r#"{"o":{"b/~":1}}"#)).0, "permit");
}

#[test]
fn null_is_neither_absent_nor_a_value() {
    let world = props(r#"{"path":{"anyOf":[{"type":"string"},{"type":"null"}]}}"#);
    let typed = when("context.args has path && context.args.path like \"/data/*\"");
    let null =
        when("context.args has path_json && context.args.path_json == \"null\" && !(context.args has path)");
    assert_eq!(word(&world.ask(&typed, "srv__t", r#"{"path":"/data/x"}"#)).0, "permit");
    assert_eq!(word(&world.ask(&typed, "srv__t", r#"{"path":null}"#)).0, "no-permit");
    assert_eq!(word(&world.ask(&null, "srv__t", r#"{"path":null}"#)).0, "permit");
    assert_eq!(word(&world.ask(&null, "srv__t", "{}")).0, "no-permit");
}

#[test]
fn time_and_addresses_are_typed() {
    let world =
        props(r#"{"at":{"type":"string","format":"date-time"},"host":{"type":"string","format":"ipv4"}}"#);
    let at = when("context.args has at && context.args.at < context.time");
    assert_eq!(word(&world.ask(&at, "srv__t", r#"{"at":"2026-11-21T10:59:59+02:00"}"#)).0, "permit");
    assert_eq!(word(&world.ask(&at, "srv__t", r#"{"at":"2026-11-21T11:00:01+02:00"}"#)).0, "no-permit");
    let host = when("context.args has host && context.args.host.isInRange(ip(\"10.0.0.0/8\"))");
    assert_eq!(word(&world.ask(&host, "srv__t", r#"{"host":"10.1.2.3"}"#)).0, "permit");
    assert_eq!(word(&world.ask(&host, "srv__t", r#"{"host":"11.1.2.3"}"#)).0, "no-permit");
}

#[test]
fn one_guarded_policy_covers_many_tools() {
    let world = World::new()
        .server("fs", "local")
        .tool(
            "fs__read",
            Risk::Read,
            r#"{"type":"object","required":["path"],"properties":{"path":{"type":"string"}}}"#,
        )
        .tool("fs__copy", Risk::Read, r#"{"type":"object","properties":{"path":{"type":"integer"}}}"#)
        .tool("fs__sync", Risk::Read, r#"{"type":"object","properties":{"other":{"type":"string"}}}"#);
    let text = "permit (principal, action in Callgate::Action::\"server:fs\", resource)
        when { context has args && context.args has path && context.args.path like \"/data/*\" };";
    let problems = world.compile(text).err().unwrap();
    assert!(shown(&problems).contains("like") || !problems.is_empty(), "a number is not a text");
    let mut world = world;
    world.tools.remove(1);
    assert_eq!(word(&world.ask(text, "fs__read", r#"{"path":"/data/a"}"#)).0, "permit");
    assert_eq!(
        word(&world.ask(text, "fs__sync", r#"{"path":"/data/a"}"#)).0,
        "no-permit",
        "undeclared there"
    );
    let unguarded = text.replace("context.args has path && ", "");
    assert_eq!(world.compile(&unguarded).err().unwrap()[0].kind, crate::ProblemKind::Type);
}

#[test]
fn facts_of_the_principal_its_task_and_the_server_are_there_and_absent_ones_are_absent() {
    let world = props("{}");
    for condition in [
        "principal has owner && principal.owner == \"ann\"",
        "principal.attestation == \"agent-key\"",
        "principal.task == Callgate::Task::\"agent:coder\" && principal.task.origin == \"implicit\"",
        "principal in Callgate::AgentGroup::\"known\" && principal == Callgate::Agent::\"coder\"",
        "resource == Callgate::Server::\"srv\" && resource.environment == \"local\"",
        "context.time == datetime(\"2026-11-21T09:00:00Z\")",
    ] {
        assert_eq!(word(&world.ask(&when(condition), "srv__t", "{}")), ("permit", vec!["p"]), "{condition}");
    }
    assert_eq!(world.compile(&when("principal.budget > 1")).err().unwrap()[0].kind, crate::ProblemKind::Type);
    let snapshot = world.compile(&when("principal has owner")).unwrap();
    let nobody =
        Principal { facts: Arc::new(AgentFacts { groups: vec![], owner: String::new() }), ..agent(&[]) };
    let none = ApprovalEvidence::none();
    assert_eq!(word(&world.decide(&snapshot, &agent(&[]), ("srv__t", "{}"), &none)).0, "permit");
    // The same agent name with other facts must not meet what was prepared for the first.
    assert_eq!(word(&world.decide(&snapshot, &nobody, ("srv__t", "{}"), &none)).0, "no-permit");
}

#[test]
fn what_the_snapshot_does_not_know_is_denied_as_an_error() {
    let world = props("{}");
    let snapshot = world.compile(ANY).unwrap();
    let other = World::new().server("other", "x").tool("other__t", Risk::Read, "{}");
    let none = ApprovalEvidence::none();
    assert_eq!(word(&other.decide(&snapshot, &agent(&[]), ("other__t", "{}"), &none)).0, "error");
    let mut changed = world.clone();
    changed.tools[0].tool.definition = Digest::of(b"another");
    assert_eq!(word(&changed.decide(&snapshot, &agent(&[]), ("srv__t", "{}"), &none)).0, "error");
    let mut raised = world;
    raised.tools[0].tool.risk = Risk::Privileged;
    assert_eq!(word(&raised.decide(&snapshot, &agent(&[]), ("srv__t", "{}"), &none)).0, "error");
    assert_eq!(
        word(&props("{}").ask("", "srv__t", "{}")).0,
        "no-permit",
        "with no policy nothing is permitted"
    );
}

#[test]
fn lists_show_what_could_be_permitted_and_nothing_else() {
    let world = World::new()
        .server("a", "local")
        .server("b", "production")
        .tool("a__read", Risk::Read, r#"{"type":"object","properties":{"n":{"type":"integer"}}}"#)
        .tool("a__write", Risk::Write, "{}")
        .tool("a__held", Risk::Privileged, "{}")
        .tool("b__read", Risk::Read, "{}");
    let list = "permit (principal, action == Callgate::Action::\"list\", resource) when { resource.environment == \"local\" };";
    let read = "permit (principal, action in Callgate::Action::\"risk:read\", resource);";
    let some = "permit (principal, action == a::Action::\"read\", resource) when { context.args has n && context.args.n > 3 };";
    let held = "@approvers(\"x\") permit (principal in Callgate::AgentGroup::\"ops\", action == a::Action::\"held\", resource)
        when { context.approval.count >= 1 };";
    let never = "forbid (principal, action == a::Action::\"read\", resource) when { principal.attestation == \"agent-key\" };";
    let overflow =
        "forbid (principal, action == a::Action::\"read\", resource) when { 9223372036854775807 + 1 > 0 };";
    for (text, groups, expected) in [
        (String::new(), vec![], vec![]),
        (read.to_owned(), vec![], vec![]),
        (list.to_owned(), vec![], vec![]),
        (format!("{list}{read}"), vec![], vec!["a__read"]),
        (format!("{list}{some}"), vec![], vec!["a__read"]),
        (format!("{list}{held}"), vec![], vec![]),
        (format!("{list}{held}"), vec!["ops"], vec!["a__held"]),
        (format!("{list}{read}{never}"), vec![], vec![]),
        (format!("{list}{read}{overflow}"), vec![], vec![]),
    ] {
        let snapshot = world.compile(&text).unwrap_or_else(|p| panic!("{}", shown(&p)));
        assert_eq!(world.listed(&snapshot, &agent(&groups)), expected, "{text}");
    }
}

#[test]
fn the_schema_text_is_cedar_and_says_what_is_in_force() {
    let world = World::new().server("my-fs", "local").tool(
        "my-fs__read",
        Risk::Read,
        r#"{"type":"object","required":["$p"],"properties":{"$p":{"type":"string"},"n":{"type":"number"}}}"#,
    );
    let snapshot = world.compile("").unwrap();
    let text = snapshot.schema_text();
    for part in [
        "namespace my__fs",
        "\"$p\": String",
        "n_json?: String",
        "n_ceil?: Long",
        "risk:read",
        "server:my-fs",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let (schema, warnings) = cedar_policy::Schema::from_cedarschema_str(&text).unwrap();
    assert_eq!(warnings.count(), 0);
    assert!(schema.actions().count() > 5);
}

#[test]
fn facts_of_entities_outside_the_call_cannot_be_asked_for() {
    let world = props("{}");
    for condition in [
        "Callgate::Agent::\"other\" in Callgate::AgentGroup::\"known\"",
        "Callgate::Agent::\"other\".attestation == \"agent-key\"",
        "Callgate::Agent::\"other\" has owner",
        "(if true then principal else Callgate::Agent::\"other\").attestation == \"agent-key\"",
        "srv::Action::\"t\" in Callgate::Action::\"call\"",
        "Callgate::Agent::\"other\" is Callgate::Agent in Callgate::AgentGroup::\"known\"",
    ] {
        let problems =
            world.compile(&when(condition)).err().unwrap_or_else(|| panic!("accepted: {condition}"));
        assert_eq!(problems[0].kind, crate::ProblemKind::Type, "{condition}");
    }
    let fine = when(
        "[Callgate::Agent::\"coder\"].contains(principal) && principal in [Callgate::AgentGroup::\"known\"]",
    );
    assert_eq!(word(&world.ask(&fine, "srv__t", "{}")).0, "permit");
}

#[test]
fn a_list_of_actions_cannot_mix_servers_and_says_so() {
    let world = props("{}").server("b", "local").tool("b__t", Risk::Read, "{}");
    let text = "permit (principal, action in [srv::Action::\"t\", b::Action::\"t\"], resource);";
    let problems = world.compile(text).err().unwrap();
    assert!(problems[0].fix.contains("one policy for each server"), "{}", shown(&problems));
}

#[test]
fn a_task_of_another_agent_is_a_doubt_and_says_no() {
    let world = props("{}");
    let snapshot =
        world.compile("permit (principal, action, resource);").unwrap_or_else(|p| panic!("{}", shown(&p)));
    let (principal, tool) = (agent(&[]), &world.tools[0].tool);
    let others = Task::implicit(&AgentId::parse("other").unwrap()).unwrap();
    let decision = snapshot.decide(&DecisionRequest {
        principal: &principal,
        task: &others,
        tool,
        arguments: &json("{}"),
        approval: &ApprovalEvidence::none(),
        now: NOON,
    });
    assert!(matches!(decision, Decision::Deny(denial) if denial.kind == DenyKind::Error));
    assert!(!snapshot.could_permit(&principal, &others, &tool.name));
    let unknown = ToolRef { tool: ToolName::parse("unheard_of").unwrap(), ..tool.name.clone() };
    let own = Task::implicit(&principal.agent).unwrap();
    assert!(snapshot.could_permit(&principal, &own, &tool.name));
    assert!(!snapshot.could_permit(&principal, &own, &unknown), "what is not certified is not shown");
}

#[test]
fn whatever_a_decision_depends_on_changes_the_digest() {
    let digest = |world: &World, text: &str| {
        world.compile(text).unwrap_or_else(|problems| panic!("{}", shown(&problems))).digest()
    };
    let text = "permit (principal, action, resource);";
    let tool = |world: World, risk| world.tool("srv__t", risk, "{}");
    let local = || World::new().server("srv", "local");
    let worlds = [
        tool(local(), Risk::Read),
        tool(local(), Risk::Write),
        tool(local(), Risk::Read).returning_secrets(),
        tool(World::new().server("srv", "production"), Risk::Read),
        local().tool("srv__t", Risk::Read, r#"{"type":"object","properties":{"a":{"type":"string"}}}"#),
        tool(local(), Risk::Read).tool("srv__u", Risk::Read, "{}"),
    ];
    let mut digests: Vec<Digest> = worlds.iter().map(|world| digest(world, text)).collect();
    digests.push(digest(&worlds[0], "permit (principal, action, resource) when { true };"));
    assert_eq!(digests[0], digest(&tool(local(), Risk::Read), text));
    let count = digests.len();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), count);
}
