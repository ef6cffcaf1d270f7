//! Findings and how they are shown. Must never have a warning or a problem without a fix.

use serde_json::{Value, json};

use crate::style::{Ink, Style};

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Note,
    /// Works, and should be changed.
    Warning,
    /// Does not work, or does not protect.
    Problem,
}

impl Level {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }

    const fn ink(self) -> Ink {
        match self {
            Self::Ok => Ink::Green,
            Self::Note => Ink::Blue,
            Self::Warning => Ink::Yellow,
            Self::Problem => Ink::Red,
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Finding {
    area: &'static str,
    level: Level,
    text: String,
    fix: Option<String>,
}

/// All of them, in the order they were made.
#[derive(Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, area: &'static str, level: Level, text: String, fix: Option<String>) {
        self.0.push(Finding { area, level, text: plain(&text), fix: fix.as_deref().map(plain) });
    }

    pub(super) fn ok(&mut self, area: &'static str, text: impl Into<String>) {
        self.add(area, Level::Ok, text.into(), None);
    }

    pub(super) fn note(&mut self, area: &'static str, text: impl Into<String>) {
        self.add(area, Level::Note, text.into(), None);
    }

    pub(super) fn warning(&mut self, area: &'static str, text: impl Into<String>, fix: impl Into<String>) {
        self.add(area, Level::Warning, text.into(), Some(fix.into()));
    }

    pub(super) fn problem(&mut self, area: &'static str, text: impl Into<String>, fix: impl Into<String>) {
        self.add(area, Level::Problem, text.into(), Some(fix.into()));
    }

    pub(super) fn worst(&self) -> Level {
        self.0.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
    }

    fn count(&self, level: Level) -> usize {
        self.0.iter().filter(|finding| finding.level == level).count()
    }

    pub(super) fn json(&self) -> Value {
        let one = |finding: &Finding| json!({"area": finding.area, "level": finding.level.word(), "text": finding.text, "fix": finding.fix});
        json!({
            "ok": self.worst() < Level::Problem,
            "worst": self.worst().word(),
            "findings": self.0.iter().map(one).collect::<Vec<_>>(),
        })
    }

    /// By area, in the order areas first came up.
    pub(super) fn text(&self, style: Style) -> String {
        let mut areas: Vec<&str> = Vec::new();
        for finding in &self.0 {
            if !areas.contains(&finding.area) {
                areas.push(finding.area);
            }
        }
        let mut lines = Vec::new();
        for area in areas {
            lines.push(style.paint(Ink::Bold, area));
            for finding in self.0.iter().filter(|finding| finding.area == area) {
                let word = style.paint(finding.level.ink(), &format!("{:<8}", finding.level.word()));
                lines.push(format!("  {word} {}", finding.text));
                lines.extend(finding.fix.iter().map(|fix| format!("           → {fix}")));
            }
        }
        let (problems, warnings) = (self.count(Level::Problem), self.count(Level::Warning));
        let ink = if problems > 0 { Ink::Red } else { Ink::Green };
        let counted =
            |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        let sum = format!("{}, {}", counted(problems, "problem"), counted(warnings, "warning"));
        lines.push(format!("\n{}", style.paint(ink, &sum)));
        lines.join("\n")
    }
}

/// One line without control characters: parts of it may come from files and servers.
fn plain(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    registry::visible::visible(&line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_shown_by_area_with_their_fix_and_counted() {
        let mut found = Findings::default();
        found.ok("state", "private");
        found.warning("servers", "not pinned", "name a version");
        found.problem("state", "readable\u{1b}[31m by others", "chmod go-rwx state");
        let text = found.text(Style::PLAIN);
        let wanted = "state\n  ok       private\n  problem  readable [31m by others\n           → chmod go-rwx state\nservers\n  warning  not pinned\n           → name a version\n\n1 problem, 1 warning";
        assert_eq!(text, wanted);
        assert_eq!(found.json()["ok"], false);
        assert_eq!(found.json()["findings"][1]["fix"], "name a version");
    }
}
