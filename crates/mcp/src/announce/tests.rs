//! What is told, byte for byte. Must never hold an id that was not the client's own.

use super::*;

#[test]
fn what_a_subscriber_hears_names_its_subscription_as_it_was_written() {
    let of_session = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    assert_eq!(changed(List::Tools, None), of_session);
    for (id, written) in [(RequestId::ours(7), "7"), (RequestId::Text("7".into()), "\"7\"")] {
        let about = format!(r#""_meta":{{"io.modelcontextprotocol/subscriptionId":{written}}}"#);
        for (list, name) in
            [(List::Tools, "tools"), (List::Prompts, "prompts"), (List::Resources, "resources")]
        {
            assert_eq!(
                changed(list, Some(&id)),
                format!(
                    r#"{{"jsonrpc":"2.0","method":"notifications/{name}/list_changed","params":{{{about}}}}}"#
                )
            );
        }
        let method = r#""method":"notifications/resources/updated""#;
        assert_eq!(
            updated("a:\"b", Some(&id)),
            format!(r#"{{"jsonrpc":"2.0",{method},"params":{{{about},"uri":"a:\"b"}}}}"#)
        );
        assert_eq!(updated("a:b", None), format!(r#"{{"jsonrpc":"2.0",{method},"params":{{"uri":"a:b"}}}}"#));
        assert_eq!(
            listened(&id),
            format!(r#"{{"jsonrpc":"2.0","id":{written},"result":{{"resultType":"complete",{about}}}}}"#)
        );
    }
}

#[test]
fn what_is_not_carried_is_not_granted() {
    let id = RequestId::ours(7);
    let granted = |listen: &Listen| String::from_utf8(acknowledged(&id, listen).to_vec()).unwrap();
    let nothing = granted(&Listen { tasks: true, ..Listen::default() });
    assert!(nothing.ends_with(r#""notifications":{}}}"#), "{nothing}");
    let uris = vec![Box::from("a:b"), Box::from("a:c")];
    let all = Listen { tools: true, prompts: true, resources: true, uris, tasks: false };
    assert_eq!(
        granted(&all),
        r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":7},"notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true,"resourceSubscriptions":["a:b","a:c"]}}}"#
    );
    let one = granted(&Listen { prompts: true, ..Listen::default() });
    assert!(one.ends_with(r#""notifications":{"promptsListChanged":true}}}"#), "{one}");
}
