//! Names on the aggregated endpoint: `server__tool` in the characters and length every client takes.
//!
//! Must never give one name to two tools, nor move a name from one tool to another as tools are added.

use std::cmp::Reverse;
use std::collections::HashMap;

use model::digest::Digest;
use model::ids::ServerName;
use model::method::Method;
use model::tool::ToolRef;

use crate::catalog::Catalog;
use crate::record::ToolRecord;

/// Most characters of a name. Clients take `[A-Za-z0-9_-]{1,64}`.
pub const NAME_CHARS_MAX: usize = 64;

/// Every tool's aggregated name, both ways. Injective.
#[derive(Clone, Debug, Default)]
pub struct Names {
    by_tool: HashMap<ToolRef, String>,
    by_name: HashMap<String, ToolRef>,
}

impl Names {
    /// From the whole catalog, quarantined and absent tools too, so that a name stays where it is whatever
    /// happens to a tool: who was seen first has the first choice.
    #[must_use]
    pub fn of(catalog: &Catalog) -> Self {
        // Operations are not called by name.
        let tools = catalog.all().filter(|record| Method::of(&record.name.tool).is_none());
        let mut records: Vec<&ToolRecord> = tools.map(|record| &**record).collect();
        records.sort_by_key(|record| (record.first_seen, Reverse(fits(&record.name)), &record.name));
        let mut names = Self::default();
        for record in records {
            names.add(&record.name);
        }
        names
    }

    /// The aggregated name of a tool.
    #[must_use]
    pub fn name(&self, tool: &ToolRef) -> Option<&str> {
        self.by_tool.get(tool).map(String::as_str)
    }

    /// The tool behind an aggregated name.
    #[must_use]
    pub fn resolve(&self, name: &str) -> Option<&ToolRef> {
        self.by_name.get(name)
    }

    fn add(&mut self, tool: &ToolRef) {
        // 64 hex digits tell any two tools apart; the loop ends at the first length that is free.
        for digits in [0, 8, 16, 24] {
            let name = candidate(tool, digits);
            if name.len() <= NAME_CHARS_MAX && !self.by_name.contains_key(&name) {
                self.by_tool.insert(tool.clone(), name.clone());
                self.by_name.insert(name, tool.clone());
                return;
            }
        }
    }
}

/// Digits behind the name of a prompt that clients would not take as it is.
const PROMPT_DIGITS: usize = 8;

/// The aggregated name of a prompt. Nobody certified it, so it is made of itself alone: where its plain name is not what
/// every client takes, digits of its digest tell it apart.
#[must_use]
pub fn of_prompt(server: &ServerName, prompt: &str) -> String {
    let full = format!("{server}__{prompt}");
    if full.len() <= NAME_CHARS_MAX && full == safe(&full) {
        return full;
    }
    shortened(&safe(&full), [server.as_str(), prompt], PROMPT_DIGITS)
}

/// What an aggregated name of a prompt says: the server, and its own name, plain or made fit.
#[must_use]
pub fn read_prompt(name: &str) -> Option<(ServerName, PromptName<'_>)> {
    // No server's name has `__` or ends in `_`.
    let (server, prompt) = name.split_once("__")?;
    let server = ServerName::parse(server).ok()?;
    let digits = prompt.rsplit_once('_').map_or("", |(_, digits)| digits);
    let hex = digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let may_be_short = digits.len() == PROMPT_DIGITS && hex;
    Some((server, if may_be_short { PromptName::MayBeShort(prompt) } else { PromptName::Plain(prompt) }))
}

/// What stands behind the server in the aggregated name of a prompt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PromptName<'a> {
    /// The prompt's own name.
    Plain(&'a str),
    /// The prompt's own name, or one that was made fit: only the server's list tells.
    MayBeShort(&'a str),
}

fn fits(tool: &ToolRef) -> bool {
    let full = tool.to_string();
    full == safe(&full) && full.len() <= NAME_CHARS_MAX
}

fn safe(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

/// The name with so many digits of its digest behind it, cut in front of them to fit.
fn candidate(tool: &ToolRef, digits: usize) -> String {
    let plain = safe(&tool.to_string());
    if digits == 0 {
        return plain;
    }
    shortened(&plain, [tool.server.as_str(), tool.tool.as_str()], digits)
}

fn shortened(plain: &str, [server, own]: [&str; 2], digits: usize) -> String {
    let parts: [&[u8]; 2] = [server.as_bytes(), own.as_bytes()];
    let digest = Digest::of_parts("callgate/aggregated-name/v1", &parts).to_string();
    let hex: String = digest.chars().skip_while(|c| *c != ':').skip(1).take(digits).collect();
    let kept: String = plain.chars().take(NAME_CHARS_MAX - 1 - digits).collect();
    format!("{kept}_{hex}")
}

#[cfg(test)]
mod tests;
