//! Risk proposals on definitions as servers in the field write them.

use model::tool::Risk::{self, Privileged, Read, Write};

use super::*;
use crate::testing::definition;

fn tool(name: &str, hints: &str, properties: &str) -> RiskProposal {
    propose(&definition(&format!(
        r#"{{"name":"{name}","annotations":{{{hints}}},"inputSchema":{{"type":"object","properties":{{{properties}}}}}}}"#
    )))
}

const READS: &str = r#""readOnlyHint":true"#;
const QUERY: &str = r#""query":{"type":"string"}"#;

#[test]
fn a_tool_without_annotations_never_only_reads() {
    for name in ["read_file", "list", "x", "get_time", "search_nodes"] {
        assert_eq!(tool(name, "", "").risk, Write, "{name}");
    }
}

#[test]
fn tools_that_say_they_read_and_look_so_are_read() {
    for (name, properties) in [
        ("read_file", r#""path":{"type":"string"}"#),
        ("git_log", ""),
        ("git_status", ""),
        ("search_nodes", QUERY),
        ("get_workflow_run", ""),
        ("list_payments", ""),
        ("describe_table", r#""table":{"type":"string"}"#),
        ("getCountry", r#""country_code":{"type":"string"}"#),
        ("browser_console_messages", ""),
        ("echo", r#""message":{"type":"string"}"#),
        ("list_items", r#""mode":{"enum":["short","long"]}"#),
    ] {
        let found = tool(name, READS, properties);
        assert_eq!((found.risk, found.contradicted), (Read, false), "{name}: {:?}", found.because);
    }
}

#[test]
fn names_and_arguments_raise_what_the_server_says() {
    let cases: &[(&str, &str, Risk)] = &[
        ("delete_file", "", Write),
        ("git_commit", "", Write),
        ("get_or_create_user", "", Write),
        ("delete_all_users", "", Privileged),
        ("drop_table", "", Privileged),
        ("executeSQL", "", Privileged),
        ("run_shell", "", Privileged),
        ("transfer-funds", "", Privileged),
        ("grant_access", "", Privileged),
        ("admin.panel", "", Privileged),
        ("helper", r#""command":{"type":"string"}"#, Privileged),
        ("helper", r#""args":{"type":"object","properties":{"jsCode":{"type":"string"}}}"#, Privileged),
        ("helper", r#""code":{"anyOf":[{"type":"string"},{"type":"null"}]}"#, Privileged),
        ("helper", r#""command":{"type":"array","items":{"type":"string"}}"#, Privileged),
        ("http_request", r#""url":{"type":"string"},"body":{}"#, Privileged),
        ("manage", r#""action":{"enum":["list","delete"]}"#, Write),
        ("manage", r#""action":{"enum":["list","execute"]}"#, Privileged),
        ("manage", r#""action":{"anyOf":[{"const":"get"},{"const":"drop_database"}]}"#, Privileged),
        ("manage", r#""action":{"type":"string"}"#, Write),
        ("database", QUERY, Privileged),
        ("helper", QUERY, Write),
    ];
    for (name, properties, risk) in cases {
        let found = tool(name, READS, properties);
        assert_eq!(
            (found.risk, found.contradicted),
            (*risk, true),
            "{name} {properties}: {:?}",
            found.because
        );
    }
    let fetch = tool("fetch", READS, r#""url":{"type":"string"}"#);
    assert_eq!((fetch.risk, fetch.contradicted), (Write, false));
}

#[test]
fn what_the_server_says_can_only_raise() {
    assert_eq!(tool("x", r#""readOnlyHint":true,"destructiveHint":true"#, "").risk, Write);
    assert_eq!(tool("x", r#""destructiveHint":true,"openWorldHint":true"#, "").risk, Privileged);
    let soft = r#""readOnlyHint":true,"destructiveHint":false,"idempotentHint":true,"openWorldHint":false"#;
    assert_eq!(tool("run_command", soft, "").risk, Privileged);
}

#[test]
fn values_of_a_closed_list_are_not_something_to_run() {
    assert_eq!(tool("show", READS, r#""command":{"enum":["status","log"]}"#).risk, Read);
}

#[test]
fn tools_that_return_secrets_are_marked() {
    for name in [
        "get-env",
        "printEnv",
        "get_secret",
        "read_env",
        "printenv",
        "create_token",
        "list_credentials",
        "get_api_key",
        "showPassword",
        "get_environment_variables",
    ] {
        assert!(tool(name, READS, "").returns_secrets, "{name}");
    }
    for name in ["set_secret", "revoke_token", "count_tokens", "read_file", "tokenize", "get_environment"] {
        assert!(!tool(name, READS, "").returns_secrets, "{name}");
    }
    let output = |field: &str| {
        propose(&definition(&format!(
            r#"{{"name":"login","inputSchema":{{"type":"object"}},
                "outputSchema":{{"type":"object","properties":{{"{field}":{{"type":"string"}}}}}}}}"#
        )))
    };
    assert!(output("access_token").returns_secrets);
    assert!(!output("nextPageToken").returns_secrets);
}
