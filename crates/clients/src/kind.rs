//! The assistants that are known and where each keeps its files. Must never look whether a file is there.

use std::path::{Path, PathBuf};

use crate::document::Format;
use crate::expand::Syntax;

/// An assistant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// Claude Desktop.
    ClaudeDesktop,
    /// Claude Code.
    ClaudeCode,
    /// Cursor.
    Cursor,
    /// VS Code.
    VsCode,
    /// Codex.
    Codex,
}

/// For whom an entry counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Wherever this person works.
    User,
    /// In one workspace, for whoever works there.
    Project,
    /// In one workspace, for this person.
    Local,
}

/// The directories of this person and this run. All absolute.
#[derive(Clone, Debug)]
pub struct Places {
    /// The home directory.
    pub home: PathBuf,
    /// `$XDG_CONFIG_HOME`, or `.config` in the home directory.
    pub config_home: PathBuf,
    /// `$CLAUDE_CONFIG_DIR`, when it is set.
    pub claude_config: Option<PathBuf>,
    /// `$CODEX_HOME`, when it is set.
    pub codex_home: Option<PathBuf>,
    /// Where the assistant works.
    pub workspace: PathBuf,
    /// True on macOS.
    pub macos: bool,
}

/// One table of servers in one file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Location {
    /// Whose.
    pub kind: Kind,
    /// The file.
    pub path: PathBuf,
    /// How it is written.
    pub format: Format,
    /// For whom.
    pub scope: Scope,
    /// The names that lead to the table of servers.
    pub table: Vec<String>,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::ClaudeDesktop, Self::ClaudeCode, Self::Cursor, Self::VsCode, Self::Codex];

    /// The name on the command line, and of the agent.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => "claude-desktop",
            Self::ClaudeCode => "claude-code",
            Self::Cursor => "cursor",
            Self::VsCode => "vscode",
            Self::Codex => "codex",
        }
    }

    /// The workspace that an entry of a file of several workspaces is for.
    #[must_use]
    pub fn workspace_of(self, at: &[String]) -> Option<&str> {
        match (self, at) {
            (Self::ClaudeCode, [projects, workspace, ..]) if projects == "projects" => Some(workspace),
            _ => None,
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Which variables its files may hold.
    #[must_use]
    pub const fn syntax(self) -> Syntax {
        match self {
            Self::ClaudeDesktop | Self::Codex => Syntax::None,
            Self::ClaudeCode => Syntax::Shell,
            Self::Cursor | Self::VsCode => Syntax::Editor,
        }
    }

    /// Its files, whether or not they are there, those of the person first.
    #[must_use]
    pub fn locations(self, places: &Places) -> Vec<Location> {
        let json = |path: PathBuf, scope, table: &[&str]| Location {
            kind: self,
            path,
            format: Format::Json,
            scope,
            table: table.iter().map(|&name| name.to_owned()).collect(),
        };
        let work = &places.workspace;
        match self {
            Self::ClaudeDesktop => {
                let file = places.application("Claude").join("claude_desktop_config.json");
                vec![json(file, Scope::User, &["mcpServers"])]
            }
            Self::ClaudeCode => {
                let file = places.claude_config.as_ref().unwrap_or(&places.home).join(".claude.json");
                let project = work.to_string_lossy();
                vec![
                    json(file.clone(), Scope::User, &["mcpServers"]),
                    json(file, Scope::Local, &["projects", &project, "mcpServers"]),
                    json(work.join(".mcp.json"), Scope::Project, &["mcpServers"]),
                ]
            }
            Self::Cursor => {
                let file = |directory: &Path| directory.join(".cursor").join("mcp.json");
                once_each(vec![
                    json(file(&places.home), Scope::User, &["mcpServers"]),
                    json(file(work), Scope::Project, &["mcpServers"]),
                ])
            }
            Self::VsCode => {
                let user = places.application("Code").join("User").join("mcp.json");
                vec![
                    json(user, Scope::User, &["servers"]),
                    json(work.join(".vscode").join("mcp.json"), Scope::Project, &["servers"]),
                ]
            }
            Self::Codex => {
                let home = places.codex_home.clone().unwrap_or_else(|| places.home.join(".codex"));
                let table = vec!["mcp_servers".to_owned()];
                let toml = |path, scope| {
                    let (format, table) = (Format::Toml, table.clone());
                    Location { kind: self, path, format, scope, table }
                };
                once_each(vec![
                    toml(home.join("config.toml"), Scope::User),
                    toml(work.join(".codex").join("config.toml"), Scope::Project),
                ])
            }
        }
    }
}

/// A workspace that is the home directory has one file, not two.
fn once_each(mut locations: Vec<Location>) -> Vec<Location> {
    let mut seen: Vec<(PathBuf, Vec<String>)> = Vec::new();
    locations.retain(|location| {
        let key = (location.path.clone(), location.table.clone());
        let new = !seen.contains(&key);
        seen.push(key);
        new
    });
    locations
}

impl Location {
    /// Whether an entry stands in this very table.
    #[must_use]
    pub fn holds(&self, at: &[String]) -> bool {
        at.split_last().is_some_and(|(_, table)| table == self.table)
    }
}

impl Places {
    /// Where a desktop application keeps its settings.
    fn application(&self, name: &str) -> PathBuf {
        if self.macos {
            return self.home.join("Library").join("Application Support").join(name);
        }
        self.config_home.join(name)
    }
}

impl Scope {
    /// In a word or two.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Project => "project",
            Self::Local => "local",
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn places(macos: bool) -> Places {
        Places {
            home: "/people/ann".into(),
            config_home: "/people/ann/.config".into(),
            claude_config: None,
            codex_home: None,
            workspace: "/people/ann/code".into(),
            macos,
        }
    }

    fn paths(kind: Kind, places: &Places) -> Vec<String> {
        kind.locations(places).iter().map(|one| one.path.display().to_string()).collect()
    }

    #[test]
    fn each_assistant_has_its_files() {
        let linux = places(false);
        assert_eq!(
            paths(Kind::ClaudeDesktop, &linux),
            ["/people/ann/.config/Claude/claude_desktop_config.json"]
        );
        assert_eq!(
            paths(Kind::ClaudeCode, &linux),
            ["/people/ann/.claude.json", "/people/ann/.claude.json", "/people/ann/code/.mcp.json"]
        );
        assert_eq!(
            paths(Kind::Cursor, &linux),
            ["/people/ann/.cursor/mcp.json", "/people/ann/code/.cursor/mcp.json"]
        );
        assert_eq!(
            paths(Kind::VsCode, &linux),
            ["/people/ann/.config/Code/User/mcp.json", "/people/ann/code/.vscode/mcp.json"]
        );
        assert_eq!(
            paths(Kind::Codex, &linux),
            ["/people/ann/.codex/config.toml", "/people/ann/code/.codex/config.toml"]
        );
        assert_eq!(
            paths(Kind::ClaudeDesktop, &places(true)),
            ["/people/ann/Library/Application Support/Claude/claude_desktop_config.json"]
        );
    }

    #[test]
    fn a_home_that_is_the_workspace_has_each_file_once() {
        let home = Places { workspace: "/people/ann".into(), ..places(false) };
        assert_eq!(paths(Kind::Cursor, &home).len(), 1);
        assert_eq!(paths(Kind::Codex, &home).len(), 1);
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.name()), Some(kind));
        }
    }
}
