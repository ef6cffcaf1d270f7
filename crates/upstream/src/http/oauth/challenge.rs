//! `WWW-Authenticate` of a 401 or 403: what a server wants. Must never take a challenge that could be read in two ways.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

use super::scopes::Scopes;

/// Longest header read.
const HEADER_BYTES_MAX: usize = 8 << 10;
/// Most headers read.
const HEADERS_MAX: usize = 8;

/// The `Bearer` challenge (RFC 6750 §3, RFC 9728 §5.1). Without one everything is absent.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Challenge {
    /// Where the server describes itself, as it was written.
    pub(super) resource_metadata: Option<String>,
    /// What it wants for this request.
    pub(super) scopes: Option<Scopes>,
    /// Its token is good, and not good enough.
    pub(super) insufficient: bool,
}

impl Challenge {
    /// The first `Bearer` challenge of a response.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(WWW_AUTHENTICATE).iter().take(HEADERS_MAX);
        let texts = values.filter_map(|value| value.to_str().ok());
        texts.filter_map(Self::parse).next().unwrap_or_default()
    }

    /// The first `Bearer` challenge of a header; `None` when there is none, or a parameter of it comes twice.
    fn parse(text: &str) -> Option<Self> {
        if text.len() > HEADER_BYTES_MAX {
            return None;
        }
        let mut rest = Rest(text);
        let mut parameters: Option<Vec<(String, String)>> = None;
        while let Some(item) = rest.next_item()? {
            match (item, &mut parameters) {
                (Item::Scheme(_), Some(_)) => break,
                (Item::Scheme(scheme), none) if scheme.eq_ignore_ascii_case("bearer") => {
                    *none = Some(Vec::new())
                }
                (Item::Parameter(name, value), Some(known)) => {
                    if known.iter().any(|(other, _)| *other == name) {
                        return None;
                    }
                    known.push((name, value));
                }
                (Item::Scheme(_) | Item::Parameter(..), None) | (Item::Opaque, _) => {}
            }
        }
        let mut parameters = parameters?;
        let mut take = |name: &str| {
            let at = parameters.iter().position(|(known, _)| known == name)?;
            Some(parameters.swap_remove(at).1)
        };
        let insufficient = take("error").is_some_and(|error| error == "insufficient_scope");
        let scopes = take("scope").and_then(|scopes| Scopes::parse(&scopes));
        Some(Self { resource_metadata: take("resource_metadata"), scopes, insufficient })
    }
}

/// One thing of a list of challenges (RFC 9110 §11.6.1).
enum Item<'a> {
    Scheme(&'a str),
    /// Name in lower case.
    Parameter(String, String),
    /// A credential in place of parameters.
    Opaque,
}

struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    /// The next item: `Some(None)` at the end, `None` when it cannot be read.
    #[expect(clippy::option_option, reason = "unreadable and over are two things")]
    fn next_item(&mut self) -> Option<Option<Item<'a>>> {
        self.0 = self.0.trim_start_matches([' ', '\t', ',']);
        if self.0.is_empty() {
            return Some(None);
        }
        let word = self.token();
        if word.is_empty() {
            return None;
        }
        let after = self.0.trim_start_matches([' ', '\t']);
        let Some(value) = after.strip_prefix('=') else {
            return Some(Some(self.scheme_or_opaque(word)));
        };
        let value = value.trim_start_matches([' ', '\t']);
        if value.is_empty() || value.starts_with(['=', ',']) {
            // The padding of a credential.
            self.0 = value.trim_start_matches('=');
            return Some(Some(Item::Opaque));
        }
        self.0 = value;
        let value = if value.starts_with('"') { self.quoted()? } else { self.token().to_owned() };
        if value.is_empty() && !self.0.is_empty() && !self.0.starts_with([' ', '\t', ',']) {
            return None;
        }
        Some(Some(Item::Parameter(word.to_ascii_lowercase(), value)))
    }

    /// A credential may hold `/` and `+` beyond a token.
    fn scheme_or_opaque(&mut self, word: &'a str) -> Item<'a> {
        if self.0.starts_with('/') {
            let end = self.0.find([' ', '\t', ',']).unwrap_or(self.0.len());
            self.0 = self.0.get(end..).unwrap_or_default();
            return Item::Opaque;
        }
        Item::Scheme(word)
    }

    fn token(&mut self) -> &'a str {
        let fits = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let end = self.0.find(|c| !fits(c)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at_checked(end).unwrap_or((self.0, ""));
        self.0 = rest;
        token
    }

    fn quoted(&mut self) -> Option<String> {
        let mut out = String::new();
        let mut chars = self.0.chars();
        chars.next();
        loop {
            match chars.next()? {
                '"' => break,
                '\\' => out.push(chars.next()?),
                other => out.push(other),
            }
        }
        self.0 = chars.as_str();
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<Challenge> {
        Challenge::parse(text)
    }

    #[test]
    fn the_bearer_challenge_is_found_among_others() {
        let wanted = Challenge {
            resource_metadata: Some("https://a.example/.well-known/oauth-protected-resource/mcp".to_owned()),
            scopes: Scopes::parse("mcp:read git:write"),
            insufficient: false,
        };
        let parameters = r#"resource_metadata="https://a.example/.well-known/oauth-protected-resource/mcp", scope="mcp:read git:write""#;
        for text in [
            format!("Bearer {parameters}"),
            format!("bearer realm=\"a, \\\"b\\\" Bearer scope=x\" , {parameters}"),
            format!("Basic realm=\"simple\", Bearer {parameters}"),
            format!("Negotiate, Bearer error=\"invalid_token\",{parameters}"),
            format!("Negotiate abc/+d==, Bearer {parameters}, DPoP algs=\"ES256\", scope=\"other\""),
            format!("BEARER Error=invalid_token , {parameters}, Basic scope=\"b\""),
        ] {
            assert_eq!(read(&text), Some(wanted.clone()), "{text}");
        }
    }

    #[test]
    fn what_is_no_challenge_of_ours_asks_for_nothing() {
        for none in [
            "",
            "Basic realm=\"a\"",
            "Bearer scope=\"a\", scope=\"b\"",
            "Bearer scope=\"a",
            "=",
            "Bearer \u{1}",
        ] {
            assert_eq!(read(none), None, "{none}");
        }
        assert_eq!(read("Bearer"), Some(Challenge::default()));
        assert_eq!(read("Bearer scope=\"a\\\\b\""), Some(Challenge::default()), "no scope");
    }

    #[test]
    fn a_challenge_says_that_more_scope_is_wanted() {
        let mut headers = HeaderMap::new();
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=x"));
        let text = "Bearer error=\"insufficient_scope\", scope=\"b\", resource_metadata=\"https://a/\"";
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(text));
        let challenge = Challenge::of(&headers);
        assert!(challenge.insufficient);
        assert_eq!(challenge.scopes, Scopes::parse("b"));
        assert_eq!(Challenge::of(&HeaderMap::new()), Challenge::default());
    }

    proptest! {
        #[test]
        fn nothing_makes_reading_fall_over(text in "[ -~]{0,60}", tail: String) {
            drop(read(&text));
            drop(read(&format!("Bearer {text}{tail}")));
        }

        #[test]
        fn a_quoted_value_cannot_end_its_parameter(value in "[ -~]{0,40}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            let challenge = read(&format!("Bearer resource_metadata=\"{quoted}\", scope=\"mine\"")).unwrap();
            prop_assert_eq!(challenge.resource_metadata, Some(value));
            prop_assert_eq!(challenge.scopes, Scopes::parse("mine"));
        }
    }
}
