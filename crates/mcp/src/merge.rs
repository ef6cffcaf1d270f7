//! Lists of several servers as one. Must never hide that a server's part is missing, nor let a server write what is
//! ours.

use model::ids::ServerName;
use model::json::RawJson;
use model::method::Method;

use crate::edit;
use crate::implementation::Implementation;
use crate::meta;
use crate::shape::{Cache, Object, own_result};
use crate::version::Era;

/// The member that holds the items of a list; `None` when the method has none.
#[must_use]
pub const fn items_of(method: Method) -> Option<&'static str> {
    match method {
        Method::ListResources => Some("resources"),
        Method::ListTemplates => Some("resourceTemplates"),
        Method::ListPrompts => Some("prompts"),
        _ => None,
    }
}

/// The items of one server's page. What is no object is left out.
#[must_use]
pub fn items(method: Method, page: &RawJson) -> Vec<RawJson> {
    let all = items_of(method).map(|name| edit::elements(page, name)).unwrap_or_default();
    all.into_iter().filter(|item| item.as_bytes().starts_with(b"{")).collect()
}

/// An item as it is shown beside those of other servers: with the name of its server in `_meta`.
#[must_use]
pub fn of_server(item: &RawJson, server: &ServerName) -> RawJson {
    let known = edit::member(item, "_meta").filter(|known| known.as_bytes().starts_with(b"{"));
    let known = known.unwrap_or_else(RawJson::empty_object);
    edit::with(item, "_meta", &edit::with(&known, meta::SERVER, &edit::string(server.as_str())))
}

/// A server whose part of a list is missing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeftOut {
    /// Which.
    pub server: ServerName,
    /// Why: the stable code of a refusal, or `error`.
    pub reason: &'static str,
}

/// One page of the merged list.
#[derive(Clone, Debug)]
pub struct Merged<'a> {
    /// Of which list.
    pub method: Method,
    /// The items of all servers.
    pub items: &'a [RawJson],
    /// Where it goes on.
    pub next: Option<&'a str>,
    /// Who is missing.
    pub left_out: &'a [LeftOut],
}

impl Merged<'_> {
    /// The result, for a client of this era.
    #[must_use]
    pub fn result(&self, era: Era, server: &Implementation) -> RawJson {
        let bytes: usize = self.items.iter().map(|item| item.as_bytes().len() + 1).sum();
        let mut out = Object::with_capacity(bytes + 256);
        let list = out.member(items_of(self.method).unwrap_or("items")).raw("[");
        for (position, item) in self.items.iter().enumerate() {
            list.raw(if position > 0 { "," } else { "" }).leaf(item);
        }
        list.raw("]");
        if let Some(next) = self.next {
            out.member("nextCursor").string(next);
        }
        if !self.left_out.is_empty() {
            let mut inner = Object::with_capacity(128);
            let missing = inner.member(meta::LEFT_OUT).raw("[");
            for (position, left) in self.left_out.iter().enumerate() {
                missing.raw(if position > 0 { "," } else { "" });
                missing.raw(r#"{"server":"#).string(left.server.as_str());
                missing.raw(r#","reason":"#).string(left.reason).raw("}");
            }
            missing.raw("]");
            out.member("_meta").leaf(&inner.finish());
        }
        own_result(era, &out.finish(), server, Cache::Private(0))
    }
}

#[cfg(test)]
mod tests {
    use model::limits::JsonLimits;

    use super::*;

    fn raw(text: &str) -> RawJson {
        RawJson::parse(text.as_bytes().to_vec().into(), &JsonLimits::REQUEST).unwrap().0
    }

    fn server(name: &str) -> ServerName {
        ServerName::parse(name).unwrap()
    }

    #[test]
    fn items_say_whose_they_are_and_no_server_says_it_for_another() {
        let page = raw(r#"{"resources":[{"uri":"a:b","_meta":{"x":1,"dev.callgate/server":"other"}},7,{}]}"#);
        let items: Vec<_> = items(Method::ListResources, &page);
        let shown: Vec<_> =
            items.iter().map(|item| of_server(item, &server("git")).as_str().to_owned()).collect();
        assert_eq!(
            shown,
            [
                r#"{"uri":"a:b","_meta":{"x":1,"dev.callgate/server":"git"}}"#,
                r#"{"_meta":{"dev.callgate/server":"git"}}"#
            ]
        );
        assert!(super::items(Method::ListPrompts, &page).is_empty());
        assert!(super::items(Method::GetPrompt, &page).is_empty());
    }

    #[test]
    fn who_is_missing_is_seen_in_both_eras() {
        let items = [raw(r#"{"name":"a"}"#), raw(r#"{"name":"b"}"#)];
        let left_out = [LeftOut { server: server("git"), reason: "upstream_timeout" }];
        let page = |next, left_out| Merged { method: Method::ListPrompts, items: &items, next, left_out };
        let us = Implementation::new("callgate", "1");
        let text = page(Some("c"), &left_out).result(Era::Legacy, &us);
        assert_eq!(
            text.as_str(),
            r#"{"prompts":[{"name":"a"},{"name":"b"}],"nextCursor":"c","_meta":{"dev.callgate/left_out":[{"server":"git","reason":"upstream_timeout"}]}}"#
        );
        let text = page(None, &left_out).result(Era::Modern, &us);
        assert!(text.as_str().contains(r#""dev.callgate/left_out":[{"server":"git""#), "{text:?}");
        assert!(text.as_str().contains(r#""cacheScope":"private""#), "{text:?}");
        assert_eq!(
            page(None, &[]).result(Era::Legacy, &us).as_str(),
            r#"{"prompts":[{"name":"a"},{"name":"b"}]}"#
        );
    }
}
