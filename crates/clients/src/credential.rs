//! What looks like a credential, by its name or by itself. Must rather take a word for a credential than the reverse.

/// Beginnings that well-known services give their credentials.
const PREFIXES: [&str; 42] = [
    "sk-",
    "sk_",
    "pk_live_",
    "rk_live_",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "gldt-",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "xoxs-",
    "xoxe",
    "xapp-",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "eyJ",
    "npm_",
    "pypi-",
    "hf_",
    "dop_v1_",
    "SG.",
    "shpat_",
    "lin_api_",
    "ntn_",
    "secret_",
    "figd_",
    "sntrys_",
    "glsa_",
    "tvly-",
    "ATATT",
    "cgk_",
    "cgo_",
    "AGE-SECRET-KEY-",
    "whsec_",
    "sbp_",
];

/// Words of a name that say what it holds.
const WORDS: [&str; 29] = [
    "TOKEN",
    "TOKENS",
    "SECRET",
    "SECRETS",
    "PASSWORD",
    "PASSWD",
    "PASS",
    "PWD",
    "PASSPHRASE",
    "PAT",
    "KEY",
    "KEYS",
    "APIKEY",
    "CREDENTIAL",
    "CREDENTIALS",
    "CREDS",
    "AUTH",
    "AUTHORIZATION",
    "BEARER",
    "COOKIE",
    "SESSION",
    "DSN",
    "SIGNATURE",
    "SIG",
    "JWT",
    "PIN",
    "OTP",
    "SALT",
    "PRIVATE",
];

/// Parts of a name that say so without being a word of it.
const PARTS: [&str; 7] = ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "APIKEY", "CREDENTIAL", "ACCESSKEY"];

/// Variables that are settings, whatever short value they have.
const PUBLIC: [&str; 22] = [
    "NODE_ENV",
    "ENVIRONMENT",
    "ENV",
    "LOG_LEVEL",
    "LOGLEVEL",
    "LOG_FORMAT",
    "RUST_LOG",
    "DEBUG",
    "VERBOSE",
    "TZ",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "NO_COLOR",
    "FORCE_COLOR",
    "PYTHONUNBUFFERED",
    "PYTHONIOENCODING",
    "NODE_NO_WARNINGS",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "TERM",
];

/// Longest value of a setting that is shown.
const PUBLIC_VALUE_MAX: usize = 40;
/// Shortest credential of a known service.
const KNOWN_MIN: usize = 12;
/// Shortest text that is random enough to be one.
const RANDOM_MIN: usize = 20;

/// Whether a variable, flag, header or query parameter of this name holds a credential.
#[must_use]
pub fn name_of_credential(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let joined: String = upper.chars().filter(char::is_ascii_alphanumeric).collect();
    if PARTS.iter().any(|part| joined.contains(part)) {
        return true;
    }
    words(name).iter().any(|word| WORDS.contains(&word.as_str()))
}

/// Words of a name in upper case: `apiKey`, `API_KEY` and `api-key` have the same two.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    let mut lower = false;
    for c in name.chars() {
        let starts = !c.is_ascii_alphanumeric() || (lower && c.is_ascii_uppercase());
        if starts {
            words.push(String::new());
        }
        lower = c.is_ascii_lowercase() || c.is_ascii_digit();
        if let (true, Some(last)) = (c.is_ascii_alphanumeric(), words.last_mut()) {
            last.push(c.to_ascii_uppercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether some part of a text looks like a credential.
#[must_use]
pub fn looks_like_credential(text: &str) -> bool {
    if text.contains("-----BEGIN") {
        return true;
    }
    let lower = text.trim_start().to_ascii_lowercase();
    let value = lower.split_once(':').map_or("", |(_, value)| value.trim_start());
    let schemes = ["bearer ", "basic ", "token "];
    if schemes.iter().any(|scheme| lower.starts_with(scheme) || value.starts_with(scheme)) {
        return true;
    }
    text.split(|c: char| !(c.is_ascii_alphanumeric() || "-_.+=~".contains(c))).any(is_credential_word)
}

fn is_credential_word(word: &str) -> bool {
    if word.len() >= KNOWN_MIN && PREFIXES.iter().any(|prefix| word.starts_with(prefix)) {
        return true;
    }
    word.split('.').any(is_random)
}

/// Letters and digits mixed as no word of a language mixes them, or both cases without sense.
fn is_random(word: &str) -> bool {
    if word.len() < RANDOM_MIN {
        return false;
    }
    word.split(['-', '_', '=', '+', '~']).any(|piece| {
        let digits = piece.bytes().filter(u8::is_ascii_digit).count();
        let upper = piece.bytes().filter(u8::is_ascii_uppercase).count();
        let lower = piece.bytes().filter(u8::is_ascii_lowercase).count();
        let mixed = digits >= 2 && upper + lower >= 1 && piece.len() >= 6;
        let cases = upper >= 4 && lower >= 4 && piece.len() >= RANDOM_MIN;
        let number = digits == piece.len() && piece.len() >= RANDOM_MIN;
        mixed || cases || number
    })
}

/// Whether a variable may be shown: a setting, a flag, a small number, a path that is there. Anything else may be a
/// secret.
pub(crate) fn is_public(name: &str, value: &str, exists: &dyn Fn(&str) -> bool) -> bool {
    if value.is_empty() {
        return true;
    }
    if name_of_credential(name) || looks_like_credential(value) {
        return false;
    }
    let flag = ["true", "false", "yes", "no", "on", "off", "0", "1"];
    let number = value.len() <= 5 && value.bytes().all(|b| b.is_ascii_digit());
    let setting = PUBLIC.contains(&name) && value.len() <= PUBLIC_VALUE_MAX;
    let path = value.starts_with('/') && value.split(':').all(exists);
    flag.contains(&value.to_ascii_lowercase().as_str()) || number || setting || path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_credentials_are_seen() {
        for name in [
            "GITHUB_PERSONAL_ACCESS_TOKEN",
            "apiKey",
            "--api-key",
            "X-Api-Key",
            "DB_PASSWORD",
            "dbpassword",
            "Cookie",
            "AWS_SECRET_ACCESS_KEY",
            "Authorization",
            "client_secret",
            "PGPASSWORD",
            "accesstoken",
        ] {
            assert!(name_of_credential(name), "{name}");
        }
        for name in ["NODE_ENV", "author", "--path", "keyboard", "monkey", "X-Region", "compass"] {
            assert!(!name_of_credential(name), "{name}");
        }
    }

    #[test]
    fn credentials_are_seen_by_themselves() {
        for text in [
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "sk-proj-abcdefghijkl",
            "xoxb-123456789012-abcdef",
            "AKIAIOSFODNN7EXAMPLE",
            "Bearer abc",
            "eyJhbGciOiJIUzI1NiJ9.e30.x",
            "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
            "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
            "{\"a\":\"ghp_0123456789abcdef\"}",
            "-----BEGIN PRIVATE KEY-----",
        ] {
            assert!(looks_like_credential(text), "{text}");
        }
        for text in [
            "-y",
            "@modelcontextprotocol/server-filesystem",
            "@scope/package@1.2.3",
            "/people/ann/code/project",
            "mcp-server-git",
            "--repository",
            "https://mcp.example.com/mcp",
            "ghcr.io/github/github-mcp-server",
            "a-long-name-of-many-small-words",
            "mcp-server-time==2024.11.25",
            "America/New_York",
            "sk-SK",
        ] {
            assert!(!looks_like_credential(text), "{text}");
        }
    }

    #[test]
    fn only_obvious_settings_are_public() {
        let exists = |path: &str| path == "/srv/data" || path == "/usr/bin";
        for (name, value) in [
            ("NODE_ENV", "production"),
            ("X", "true"),
            ("PORT", "8080"),
            ("DATA", "/srv/data"),
            ("DIRS", "/srv/data:/usr/bin"),
            ("EMPTY", ""),
        ] {
            assert!(is_public(name, value, &exists), "{name}");
        }
        for (name, value) in [
            ("NAME", "ann"),
            ("API_KEY", "1"),
            ("DATA", "/not/there"),
            ("NODE_ENV", "ghp_0123456789abcdef"),
            ("TENANT", "acme"),
            ("NUMBER", "123456"),
        ] {
            assert!(!is_public(name, value, &exists), "{name}");
        }
    }
}
