//! What we ask an upstream to tell of its own accord. Must never name what nobody here was permitted to hear of.

use bytes::Bytes;

use super::{Separator, Wire, finish, request, write_meta};

/// What a stateless server is to tell.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// `promptsListChanged`.
    pub prompts: bool,
    /// `resourcesListChanged`.
    pub resources: bool,
    /// `resourceSubscriptions`.
    pub uris: &'a [Box<str>],
}

/// `resources/subscribe`, legacy only.
#[must_use]
pub fn subscribe(id: u64, uri: &str) -> Bytes {
    of_uri(id, "resources/subscribe", uri)
}

/// `resources/unsubscribe`, legacy only.
#[must_use]
pub fn unsubscribe(id: u64, uri: &str) -> Bytes {
    of_uri(id, "resources/unsubscribe", uri)
}

fn of_uri(id: u64, method: &str, uri: &str) -> Bytes {
    let mut out = request(id, method);
    out.raw(r#"{"uri":"#).string(uri).raw("}");
    finish(out)
}

/// `subscriptions/listen`, modern only. Of changed tools we always want to know.
#[must_use]
pub fn listen(wire: &Wire<'_>, id: u64, wanted: &Wanted<'_>) -> Bytes {
    let mut out = request(id, "subscriptions/listen");
    out.raw(r#"{"notifications":{"toolsListChanged":true"#);
    out.raw(if wanted.prompts { r#","promptsListChanged":true"# } else { "" });
    out.raw(if wanted.resources { r#","resourcesListChanged":true"# } else { "" });
    if !wanted.uris.is_empty() {
        out.raw(r#","resourceSubscriptions":["#);
        for (position, uri) in wanted.uris.iter().enumerate() {
            out.raw(if position > 0 { "," } else { "" }).string(uri);
        }
        out.raw("]");
    }
    out.raw("}");
    write_meta(&mut out, Separator::Comma, wire, None);
    finish(out.raw("}").take())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::implementation::Implementation;
    use crate::version::ProtocolVersion;

    #[test]
    fn a_server_is_asked_for_what_is_wanted_and_no_more() {
        assert_eq!(
            subscribe(3, "a:\"b"),
            r#"{"jsonrpc":"2.0","id":3,"method":"resources/subscribe","params":{"uri":"a:\"b"}}"#
        );
        assert_eq!(
            unsubscribe(4, "a:b"),
            r#"{"jsonrpc":"2.0","id":4,"method":"resources/unsubscribe","params":{"uri":"a:b"}}"#
        );
        let client = Implementation::new("us", "1");
        let wire = Wire::Modern { version: ProtocolVersion::LATEST, client: &client };
        let sent = |prompts, uris: &[Box<str>]| {
            let sent = listen(&wire, 5, &Wanted { prompts, resources: false, uris });
            String::from_utf8(sent.to_vec()).unwrap()
        };
        let begin = r#"{"jsonrpc":"2.0","id":5,"method":"subscriptions/listen","params":{"notifications":{"#;
        let all = sent(true, &["a:b".into(), "a:c".into()]);
        let filter = r#""toolsListChanged":true,"promptsListChanged":true,"resourceSubscriptions":["a:b","a:c"]},"_meta":{"#;
        assert!(all.starts_with(&format!("{begin}{filter}")), "{all}");
        assert!(sent(false, &[]).starts_with(&format!(r#"{begin}"toolsListChanged":true}},"_meta":{{"#)));
    }
}
