//! Deciding on what is read only, against deciding on everything, checked by Cedar against the schema.

use cedar_policy::{Context, Request};
use proptest::prelude::*;

use super::values::{conforming, members, schema, value};
use super::*;
use crate::arguments::{Converted, convert};
use crate::evaluate::approval_value;
use crate::reads::Reads;

const SCHEMA: &str = r#"{"type":"object","required":["n","o"],"properties":{
    "n":{"type":"integer"},"s":{"type":"string"},"l":{"type":"array","items":{"type":"string"}},
    "at":{"type":"string","format":"date-time"},"f":{"type":"number"},"any":{},
    "z":{"type":["integer","null"]},
    "o":{"type":"object","required":["k"],"properties":{"k":{"type":"integer"},"t":{"type":"string"}}}}}"#;

fn condition() -> impl Strategy<Value = String> {
    let atom = prop_oneof![
        Just("context.args.n > 3"),
        Just("context.args.n + 1 > 3"),
        Just("context.args.n * 4 - context.args.o.k < 9"),
        Just("context.args has s && context.args.s like \"a*\""),
        Just("context.args has o.t && context.args.o.t == \"x\""),
        Just("context.args has l && context.args.l.contains(\"x\")"),
        Just("context.args has l_json && context.args.l_json like \"*x*\""),
        Just("context.args has f_floor && context.args.f_floor * 2 > 1"),
        Just("context.args has any_json"),
        Just("context.args has z_json && !(context.args has z)"),
        Just("context.args has at && context.args.at < context.time"),
        Just("context has undeclared && context.undeclared.names.contains(\"/u\")"),
        Just("context.time < datetime(\"2030-01-01\")"),
        Just("[context.args.o].contains(context.args.o)"),
        Just("[context.args].contains(context.args)"),
        Just("principal has owner && principal.owner == \"ann\""),
        Just("resource.environment == \"production\""),
        Just("9223372036854775807 + 1 > 0"),
    ];
    let joined = (proptest::collection::vec(atom, 1..4), any::<bool>());
    joined.prop_map(|(atoms, all)| {
        let atoms: Vec<String> = atoms.iter().map(|atom| format!("({atom})")).collect();
        atoms.join(if all { " && " } else { " || " })
    })
}

fn policy() -> impl Strategy<Value = String> {
    let effect = prop_oneof![3 => Just("permit"), 1 => Just("forbid")];
    let clause = prop_oneof![3 => Just("when"), 1 => Just("unless")];
    let scope = "principal, action == s::Action::\"t\", resource";
    prop_oneof![
        4 => (effect.clone(), clause, condition())
            .prop_map(move |(effect, clause, condition)| format!("{effect} ({scope}) {clause} {{ {condition} }};")),
        1 => effect.prop_map(move |effect| format!("{effect} ({scope});")),
        1 => condition().prop_map(move |condition| {
            format!("@approvers(\"ops\") permit ({scope}) when {{ ({condition}) && context.approval.count >= 1 }};")
        }),
    ]
}

fn arguments() -> impl Strategy<Value = String> {
    let n = prop_oneof![Just("1"), Just("5"), Just("9223372036854775807"), Just("\"5\""), Just("1e400")];
    let o = prop_oneof![
        4 => Just(r#""o":{"k":1}"#),
        1 => Just(r#""o":{"k":-9223372036854775808,"t":"x"}"#),
        1 => Just(r#""o":{"t":"x"}"#),
    ];
    let more = vec![
        r#""s":"abc""#,
        r#""l":["x","y"]"#,
        r#""at":"2026-01-02T03:04:05Z""#,
        r#""at":"2026-02-30T03:04:05Z""#,
        r#""f":1.5"#,
        r#""any":{"a":null}"#,
        r#""z":null"#,
        r#""u":1"#,
    ];
    (n, o, proptest::sample::subsequence(more, 0..4)).prop_map(|(n, o, mut more)| {
        more.dedup_by_key(|member| member[..4].to_owned());
        let more: Vec<String> = more.iter().map(|member| format!(",{member}")).collect();
        format!(r#"{{"n":{n},{o}{}}}"#, more.concat())
    })
}

/// Whether Cedar takes these arguments for those of the tool; `None` when some value of them is none to Cedar.
fn checked(world: &World, snapshot: &PolicySnapshot, converted: &Converted) -> Option<Result<(), String>> {
    let principal = agent(&[]);
    let entry = snapshot.tools.get(&world.tools[0].tool.name).unwrap();
    let prepared =
        snapshot.prepared_tool(&principal, &Task::implicit(&principal.agent).unwrap(), entry).unwrap();
    let mut pairs = vec![
        ("args".to_owned(), converted.args.clone()),
        ("approval".to_owned(), approval_value(&ApprovalEvidence::none()).unwrap()),
        ("time".to_owned(), snapshot.clock.value(NOON).unwrap()),
    ];
    pairs.extend(converted.undeclared.clone().map(|value| ("undeclared".to_owned(), value)));
    let context = Context::from_pairs(pairs).ok()?;
    let (agent, resource) = (prepared.agent.clone(), prepared.resource.clone());
    let request = Request::new(agent, entry.action.clone(), resource, context, Some(&snapshot.schema));
    Some(request.map(drop).map_err(|error| error.to_string()))
}

/// The same schema in which every object requires its first member.
fn requiring(schema: &mut serde_json::Value) {
    let first = schema.get("properties").and_then(|p| p.as_object()?.keys().next().cloned());
    if let (Some(first), serde_json::Value::Object(members)) = (first, &mut *schema) {
        members.insert("required".to_owned(), serde_json::json!([first]));
    }
    match schema {
        serde_json::Value::Object(members) => members.values_mut().for_each(requiring),
        serde_json::Value::Array(items) => items.iter_mut().for_each(requiring),
        _ => {}
    }
}

/// The value without the member that comes first in it or below.
fn without_one(value: &mut serde_json::Value) -> bool {
    match value {
        serde_json::Value::Object(members) => {
            if members.values_mut().any(without_one) {
                return true;
            }
            let first = members.keys().next().cloned();
            first.is_some_and(|first| members.remove(&first).is_some())
        }
        serde_json::Value::Array(items) => items.iter_mut().any(without_one),
        _ => false,
    }
}

fn judged(input: &str, arguments: &str) -> Result<(), TestCaseError> {
    let world = World::new().server("s", "x").tool("s__t", Risk::Write, input);
    let snapshot = world.compile("permit (principal, action, resource);").unwrap();
    let shape = &snapshot.tools.get(&world.tools[0].tool.name).unwrap().kind.arguments;
    let arguments = json(arguments);
    let whole = convert(shape, &arguments, &Reads::everything());
    let least = convert(shape, &arguments, &Reads::default());
    match (whole, least) {
        (Ok(whole), Ok(least)) => {
            prop_assert_eq!((whole.complete, whole.unsettled), (least.complete, least.unsettled));
            match checked(&world, &snapshot, &whole) {
                Some(Ok(())) => prop_assert!(whole.complete),
                Some(Err(error)) => prop_assert!(!whole.complete, "{error}"),
                None => prop_assert!(whole.unsettled),
            }
        }
        (whole, least) => prop_assert_eq!(whole.err(), least.err()),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn converted_arguments_that_are_complete_are_as_the_schema_says(
        properties in members(schema()),
        arguments in members(value()),
        seed in 0u64..1000,
    ) {
        let input = format!(r#"{{"type":"object","properties":{properties}}}"#);
        let mut input: serde_json::Value = serde_json::from_str(&input).unwrap();
        requiring(&mut input);
        let mut fitting = conforming(&input, seed);
        let input = input.to_string();
        judged(&input, &arguments)?;
        for _ in 0..4 {
            judged(&input, &fitting.to_string())?;
            without_one(&mut fitting);
        }
    }

    #[test]
    fn what_was_kept_and_left_out_changes_no_decision(
        policies in proptest::collection::vec(policy(), 1..8),
        calls in proptest::collection::vec((arguments(), 0u32..2), 1..6),
    ) {
        let world = World::new().server("s", "production").tool("s__t", Risk::Write, SCHEMA);
        let text = policies.join("\n");
        let warm = world.load(&text).unwrap_or_else(|p| panic!("{}", shown(&p)));
        let decide = |snapshot: &PolicySnapshot, arguments: &str, approvals| {
            let evidence = if approvals == 0 { ApprovalEvidence::none() } else { approved(approvals, &["ops"]) };
            world.decide(snapshot, &agent(&[]), ("s__t", arguments), &evidence)
        };
        decide(&warm, r#"{"n":1,"o":{"k":1}}"#, 0);
        for (arguments, approvals) in &calls {
            let first = decide(&world.load(&text).unwrap(), arguments, *approvals);
            prop_assert_eq!(decide(&warm, arguments, *approvals), first);
        }
    }
}
