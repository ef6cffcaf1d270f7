//! Whether a URI is of a template (RFC 6570). Must never take longer than the product of their lengths.

/// Longest template that is looked at.
pub const BYTES_MAX: usize = 1024;
/// Longest URI that is looked at: as long as one may be that is read.
pub const URI_BYTES_MAX: usize = 8192;
/// Most expressions of a template that is looked at.
const EXPRESSIONS_MAX: usize = 32;

/// A piece of a template.
enum Piece<'a> {
    /// Stands for itself.
    Literal(&'a [u8]),
    /// At least one byte of one path segment.
    Segment,
    /// Any bytes, or none.
    Anything,
    /// Nothing, or this byte and any others.
    Optional(u8),
}

/// Whether a URI can be what the template makes of some values. `{x}` and `{+x}` are as servers read them: a part of one
/// path segment, and anything; the other operators add something that begins with their own sign, or nothing.
#[must_use]
pub fn matches(template: &str, uri: &str) -> bool {
    if template.len() > BYTES_MAX || uri.len() > URI_BYTES_MAX {
        return false;
    }
    let Some(pieces) = pieces(template) else { return false };
    let uri = uri.as_bytes();
    // Where the pieces so far can end.
    let mut ends = vec![false; uri.len() + 1];
    if let Some(begin) = ends.first_mut() {
        *begin = true;
    }
    for piece in &pieces {
        ends = after(&ends, piece, uri);
    }
    ends.last() == Some(&true)
}

fn pieces(template: &str) -> Option<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (expression, after) = after.split_once('}')?;
        pieces.push(Piece::Literal(before.as_bytes()));
        pieces.push(match expression.as_bytes().first()? {
            b'+' => Piece::Anything,
            sign @ (b'#' | b'/' | b'.' | b';' | b'?' | b'&') => Piece::Optional(*sign),
            _ => Piece::Segment,
        });
        rest = after;
        if pieces.len() > 2 * EXPRESSIONS_MAX {
            return None;
        }
    }
    pieces.push(Piece::Literal(rest.as_bytes()));
    Some(pieces)
}

/// Where a piece can end that begins where those before it end.
fn after(ends: &[bool], piece: &Piece<'_>, uri: &[u8]) -> Vec<bool> {
    let mut next = vec![false; ends.len()];
    // Whether a piece that began before goes on here.
    let mut going = false;
    for (at, begins) in ends.iter().copied().enumerate() {
        let byte = uri.get(at).copied();
        let end = match piece {
            Piece::Literal(text) => {
                let matches = begins && uri.get(at..).is_some_and(|rest| rest.starts_with(text));
                if let (true, Some(end)) = (matches, next.get_mut(at + text.len())) {
                    *end = true;
                }
                continue;
            }
            Piece::Segment => {
                let end = going;
                going = (going || begins) && !matches!(byte, Some(b'/' | b'?' | b'#'));
                end
            }
            Piece::Anything => {
                going |= begins;
                going
            }
            Piece::Optional(sign) => {
                let end = going || begins;
                going |= begins && byte == Some(*sign);
                end
            }
        };
        if let Some(slot) = next.get_mut(at) {
            *slot |= end;
        }
    }
    next
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_uri_is_of_the_templates_that_can_make_it() {
        for (template, uri, expected) in [
            ("note://of/{who}", "note://of/ada", true),
            ("note://of/{who}", "note://of/gr%C3%BC%C3%9Fe", true),
            ("note://of/{who}", "note://of/", false),
            ("note://of/{who}", "note://of/a/b", false),
            ("note://of/{who}", "xnote://of/a", false),
            ("note://of/{who}/all", "note://of/a/all", true),
            ("note://of/{who}/all", "note://of/a/al", false),
            ("file:///{+path}", "file:///a/b/c.txt", true),
            ("file://{/path}", "file:///a/b", true),
            ("file://{/path}", "file://", true),
            ("db://{table}/rows{?limit,offset}", "db://t/rows?limit=3", true),
            ("db://{table}/rows{?limit,offset}", "db://t/rows", true),
            ("db://{table}/rows{?limit,offset}", "db://t/rowsx", false),
            ("a://{x}-{y}", "a://1-2-3", true),
            ("a://{x}{y}", "a://1", false),
            ("a://x", "a://x", true),
            ("a://x", "a://xy", false),
            ("", "", true),
            ("a://{x", "a://1", false),
            ("a://{}", "a://1", false),
        ] {
            assert_eq!(matches(template, uri), expected, "{template} {uri}");
        }
    }

    #[test]
    fn what_is_too_long_is_of_none() {
        let (longest, text) = ("a".repeat(BYTES_MAX), "a".repeat(URI_BYTES_MAX));
        assert!(matches(&longest, &longest) && matches("a{+x}", &text));
        let longer = format!("{longest}a");
        assert!(!matches(&longer, &longer) && !matches("a{+x}", &format!("{text}a")));
    }

    proptest! {
        #[test]
        fn what_values_make_of_a_template_is_of_it(
            before in "[a-z:/]{0,6}", value in "[a-z0-9.-]{1,6}", after in "[a-z/]{0,6}", any in "[ -~]{0,8}",
        ) {
            let segment = format!("{before}{{x}}{after}");
            let filled = format!("{before}{value}{after}");
            prop_assert!(matches(&segment, &filled));
            let whole = format!("{before}{{+x}}{after}");
            let filled = format!("{before}{any}{after}");
            prop_assert!(matches(&whole, &filled));
        }

        #[test]
        fn a_template_without_an_expression_is_a_uri(template in "[{}+/?a-]{0,200}", uri in "[/?a-]{0,400}") {
            let matched = matches(&template, &uri);
            let literal = !template.contains('{');
            prop_assert!(!literal || matched == (template == uri));
        }
    }
}
