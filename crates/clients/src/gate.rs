//! A server as `callgate.toml` has it: text to append, and what goes into the sealed store. Must never put a secret
//! into the text, nor change what the file already says.

use model::ids::ServerName;
use model::json::Json;

use crate::document::{Document, DocumentFault, Format};
use crate::split::{Hidden, Part, Parts, Plan, SplitServer, joined};

/// A secret and its name in the sealed store. No `Debug`.
#[derive(Clone)]
pub struct Sealing {
    /// Its name.
    pub name: String,
    /// The secret.
    pub value: Hidden,
}

/// A server's table and its secrets.
pub struct GateServer {
    /// The table, to be appended to the file.
    pub table: String,
    /// What it refers to.
    pub sealings: Vec<Sealing>,
}

/// The table of one server. `origin` is a comment for people: where it came from.
#[must_use]
pub fn table_of(name: &ServerName, server: &SplitServer, origin: &str) -> GateServer {
    let mut writer = Writer { server: name.as_str(), sealings: Vec::new() };
    let comment: String = origin.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut table = format!("# {comment}\n[servers.{name}]\n");
    match &server.plan {
        Plan::Stdio { command, env, env_pass, cwd } => {
            let command: Vec<String> =
                command.iter().enumerate().map(|(at, arg)| writer.text(arg, &format!("arg/{at}"))).collect();
            table.push_str(&format!("command = {}\n", list(&command)));
            if let Some(cwd) = cwd {
                table.push_str(&format!("cwd = {}\n", toml_string(cwd)));
            }
            if !env_pass.is_empty() {
                table.push_str(&format!("env_pass = {}\n", list(env_pass)));
            }
            let env = env.iter().map(|(name, value)| (name, writer.text(value, &format!("env/{name}"))));
            table.push_str(&sub_table(name, "env", env.collect()));
        }
        Plan::Http { url, headers, sse } => {
            let url = writer.text(url, "url");
            table.push_str(&format!("url = {}\n", toml_string(&url)));
            if *sse {
                table.push_str("era = \"sse\"\n");
            }
            let mut rest = Vec::new();
            for (header, value) in headers {
                match bearer(header, value) {
                    Some(token) => {
                        let reference = writer.text(&vec![Part::Secret(token)], "bearer");
                        table.push_str(&format!("bearer = {}\n", toml_string(&reference)));
                    }
                    None => rest.push((header, writer.text(value, &format!("header/{header}")))),
                }
            }
            table.push_str(&sub_table(name, "headers", rest));
        }
    }
    GateServer { table, sealings: writer.sealings }
}

fn sub_table(server: &ServerName, name: &str, pairs: Vec<(&String, String)>) -> String {
    if pairs.is_empty() {
        return String::new();
    }
    let lines = pairs.iter().map(|(name, value)| format!("{} = {}\n", toml_key(name), toml_string(value)));
    format!("\n[servers.{server}.{name}]\n{}", lines.collect::<String>())
}

/// The token of `Authorization: Bearer …`.
fn bearer(header: &str, value: &Parts) -> Option<Hidden> {
    if !header.eq_ignore_ascii_case("authorization") {
        return None;
    }
    let text = joined(value);
    let (scheme, token) = text.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| Hidden::new(token.to_owned()))
}

struct Writer<'a> {
    server: &'a str,
    sealings: Vec<Sealing>,
}

impl Writer<'_> {
    /// A text with references in place of its secrets. What would be read as a reference is sealed too.
    fn text(&mut self, parts: &Parts, what: &str) -> String {
        let mut out = String::new();
        let mut count = 0;
        for part in parts {
            match part {
                Part::Plain(text) if !text.contains("${") => out.push_str(text),
                Part::Plain(text) => out.push_str(&self.seal(what, &mut count, &Hidden::new(text.clone()))),
                Part::Secret(secret) if secret.reveal().is_empty() => {}
                Part::Secret(secret) => out.push_str(&self.seal(what, &mut count, secret)),
            }
        }
        out
    }

    fn seal(&mut self, what: &str, count: &mut usize, value: &Hidden) -> String {
        *count += 1;
        let suffix = if *count > 1 { format!(".{count}") } else { String::new() };
        let name = format!("servers/{}/{what}{suffix}", self.server);
        let reference = format!("${{sealed:{name}}}");
        self.sealings.push(Sealing { name, value: value.clone() });
        reference
    }
}

fn list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| toml_string(text)).collect();
    format!("[{}]", texts.join(", "))
}

/// A TOML basic string.
pub(crate) fn toml_string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A TOML key, quoted when it must be.
pub(crate) fn toml_key(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if bare { name.to_owned() } else { toml_string(name) }
}

/// Whether a configuration has a server of this name, and whether it is the same as in `table`.
///
/// # Errors
/// [`DocumentFault`] when the configuration is not TOML.
pub fn same_table(config: &str, name: &ServerName, table: &str) -> Result<Option<bool>, DocumentFault> {
    let at = ["servers".to_owned(), name.as_str().to_owned()];
    let value = |text: &str| -> Result<Option<String>, DocumentFault> {
        Ok(Document::parse(text.as_bytes(), Format::Toml)?.get(&at).map(Json::canonical))
    };
    let there = value(config)?;
    let new = value(table)?;
    Ok(there.map(|there| Some(there) == new))
}

/// Appends tables to a configuration; everything that was there stays, byte for byte.
///
/// # Errors
/// [`DocumentFault`] when the configuration is not TOML, or is written so that nothing can be appended.
pub fn append(config: &str, tables: &[String]) -> Result<String, DocumentFault> {
    let mut out = config.to_owned();
    for table in tables {
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(table);
    }
    Document::parse(config.as_bytes(), Format::Toml)?;
    let inline = || DocumentFault::Unchangeable("servers".to_owned());
    Document::parse(out.as_bytes(), Format::Toml).map_err(|_| inline())?;
    Ok(out)
}

#[cfg(test)]
mod tests;
