//! Which parts of a secret are credentials by themselves. Must never take a part that is no secret for one, where that
//! can be told: an answer that holds it is kept back.

/// The shortest path of a secret URL that is a credential: shorter ones are just `/mcp`.
const PATH_BYTES_MIN: usize = 16;
/// How deep a credential can be wrapped: an option, a header, a scheme, and a URL.
const DEPTH_MAX: usize = 4;

/// The secret, and what of it a server may say alone: `abc` of `Bearer abc`, `--token=abc`, `X-Key: abc`,
/// `https://user:abc@host/`, `https://host/?key=abc`, and of the Base64 of `user:abc` after `Basic`.
pub(crate) fn of(secret: &str) -> Vec<String> {
    let mut found = vec![secret];
    let mut inner = vec![secret];
    for _ in 0..DEPTH_MAX {
        inner = inner.into_iter().flat_map(within).collect();
        found.extend(&inner);
    }
    let passwords: Vec<_> = found.iter().filter_map(|part| password(part)).collect();
    found.into_iter().map(str::to_owned).chain(passwords).collect()
}

/// The password of a `Basic` credential.
fn password(text: &str) -> Option<String> {
    let (scheme, encoded) = text.split_once(' ')?;
    let text = scheme.eq_ignore_ascii_case("basic").then(|| base64(encoded.trim()))?;
    String::from_utf8(text?).ok()?.split_once(':').map(|(_, password)| password.to_owned())
}

/// The bytes behind Base64 of either alphabet.
fn base64(text: &str) -> Option<Vec<u8>> {
    let (mut bits, mut count, mut out) = (0_u32, 0, Vec::new());
    for character in text.trim_end_matches('=').bytes() {
        let six = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(six)) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    Some(out)
}

fn within(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    found.extend(after_scheme(text));
    found.extend(after_name(text, '='));
    found.extend(after_name(text, ':').map(str::trim_start));
    in_url(text, &mut found);
    found
}

/// What follows the scheme of an `Authorization` header.
fn after_scheme(text: &str) -> Option<&str> {
    const SCHEMES: [&str; 5] = ["bearer", "basic", "token", "apikey", "api-key"];
    let (scheme, rest) = text.split_once(' ')?;
    SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known)).then(|| rest.trim())
}

/// What follows an option, a variable, a header or a user name.
fn after_name(text: &str, sign: char) -> Option<&str> {
    let (name, value) = text.split_once(sign)?;
    let known = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    (!name.is_empty() && name.bytes().all(known) && !value.starts_with("//")).then_some(value)
}

/// Password, path and the values of the query.
fn in_url<'a>(text: &'a str, found: &mut Vec<&'a str>) {
    let Some((_, rest)) = text.split_once("://") else { return };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let Some((authority, rest)) = rest.split_at_checked(authority_end) else { return };
    let user_info = authority.rsplit_once('@').map(|(user_info, _)| user_info);
    found.extend(user_info.and_then(|user_info| user_info.split_once(':')).map(|(_, password)| password));
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    found.extend(Some(path).filter(|path| path.len() >= PATH_BYTES_MIN));
    found.extend(query.split(['&', '#']).filter_map(|pair| pair.split_once('=')).map(|(_, value)| value));
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn what_a_server_may_say_alone_is_found() {
        for (secret, part) in [
            ("hunter2", "hunter2"),
            ("Bearer abc.def", "abc.def"),
            ("--token=abc", "abc"),
            ("TOKEN=abc", "abc"),
            ("--header=Authorization: Bearer abc", "abc"),
            ("Authorization:token abc", "abc"),
            ("postgres://app:p%40ss@db:5432/app", "p%40ss"),
            ("https://host/mcp?a=1&key=abc#x", "abc"),
            ("https://host/s/0123456789abcdef/mcp", "/s/0123456789abcdef/mcp"),
            ("user:abc", "abc"),
            ("Basic dXNlcjpodW50ZXIyLWh1bnRlcjI=", "hunter2-hunter2"),
            ("Authorization: basic dTo_Pz8-Pj4=", "???>>>"),
        ] {
            assert!(of(secret).contains(&part.to_owned()), "{secret}: {:?}", of(secret));
        }
    }

    #[test]
    fn what_is_no_secret_by_itself_is_left_alone() {
        for (secret, part) in [
            ("https://host/mcp?key=abc", "/mcp"),
            ("https://host/mcp?key=abc", "host"),
            ("postgres://app:pw@db:5432/app", "app"),
            ("Bearer abc", "Bearer"),
            ("some words here", "here"),
            ("https://host:8443/mcp", "8443/mcp"),
        ] {
            assert!(!of(secret).contains(&part.to_owned()), "{secret}: {:?}", of(secret));
        }
    }
}
