//! Files of variables that entries named: their secrets are sealed, so they leave the file and come back. Must never
//! take a variable out that the import did not seal.

use std::path::{Path, PathBuf};

use clients::{Index, KeptEnvFile, Kind, take_out};

use super::change::Change;
use super::{EnvFiles, kept_name, replace};
use crate::exit::{Failure, IO, note, say};
use crate::import::place;
use crate::import::vault::Vault;

/// The change of one file of variables.
pub(super) struct Taking {
    path: PathBuf,
    now: Vec<u8>,
    text: String,
    kept: KeptEnvFile,
}

/// What is wanted of files of variables.
pub(super) struct Wanted<'a> {
    pub(super) client: Kind,
    pub(super) how: EnvFiles,
    pub(super) workspace: &'a Path,
}

impl Wanted<'_> {
    /// A file of the workspace may have been written by anybody: it does not get files elsewhere changed.
    fn reaches_out(&self, named_in: &Path, path: &Path) -> bool {
        let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let workspace = real(self.workspace);
        named_in.starts_with(self.workspace) && !real(path).starts_with(workspace)
    }
}

/// What connecting takes out.
pub(super) fn taking(
    changes: &[Change],
    index: &Index,
    vault: &Vault,
    wanted: &Wanted<'_>,
) -> Result<Vec<Taking>, Failure> {
    let mut takings: Vec<Taking> = Vec::new();
    for change in changes {
        for imported in index.of_file(&change.path.to_string_lossy()) {
            let connected = imported.at.last().is_some_and(|name| change.entries.contains(name));
            let Some((path, names)) = imported.env_file.as_ref().filter(|_| connected) else { continue };
            let path = Path::new(path);
            if takings.iter().any(|one| one.path == path) {
                continue;
            }
            let sealed: Vec<String> = names
                .iter()
                .filter(|name| {
                    let sealed = vault.get(&format!("servers/{}/env/{name}", imported.server));
                    sealed.is_ok_and(|sealed| sealed.is_some())
                })
                .cloned()
                .collect();
            let reaches_out = wanted.reaches_out(&change.path, path);
            takings.extend(one(path, &sealed, vault, (wanted, reaches_out))?);
        }
    }
    Ok(takings)
}

fn one(
    path: &Path,
    sealed: &[String],
    vault: &Vault,
    (wanted, reaches_out): (&Wanted<'_>, bool),
) -> Result<Option<Taking>, Failure> {
    let (client, how) = (wanted.client, wanted.how);
    let shown = path.display();
    let projects = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".env"));
    let Some((now, text)) = read(path)? else { return Ok(None) };
    let text = match kept(vault, client.name(), path)? {
        Some(kept) => kept.put_back(&text),
        None => text,
    };
    if sealed.is_empty() {
        return Ok(None);
    }
    if how == EnvFiles::Keep || (how == EnvFiles::Auto && (projects || reaches_out)) {
        note(&format!(
            "warning: {shown} still holds {} in clear, where the assistant may read it; `--env-files move` takes them out as well",
            sealed.join(", ")
        ));
        return Ok(None);
    }
    let (text, kept) = take_out(&path.to_string_lossy(), &text, sealed);
    if kept.count() == 0 {
        return Ok(None);
    }
    Ok(Some(Taking { path: path.to_path_buf(), now, text, kept }))
}

fn read(path: &Path) -> Result<Option<(Vec<u8>, String)>, Failure> {
    let wrong =
        |problem: &dyn std::fmt::Display| Failure::new(IO, format!("`{}`: {problem}", path.display()));
    let Some(now) = place::bytes(path).map_err(|problem| wrong(&problem))? else { return Ok(None) };
    let text = String::from_utf8(now.clone()).map_err(|_| wrong(&"not UTF-8 text"))?;
    Ok(Some((now, text)))
}

fn kept(vault: &Vault, client: &str, path: &Path) -> Result<Option<KeptEnvFile>, Failure> {
    let text = vault.get(&kept_name(client, path))?;
    Ok(text.and_then(|text| KeptEnvFile::from_text(text.reveal())))
}

/// What disconnecting puts back.
pub(super) fn putting_back(index: &Index, vault: &Vault, client: Kind) -> Result<Vec<Taking>, Failure> {
    let mut takings: Vec<Taking> = Vec::new();
    let of_client = index.all().filter(|one| one.client == client.name());
    for (path, _) in of_client.filter_map(|one| one.env_file.as_ref()) {
        let path = Path::new(path);
        if takings.iter().any(|one| one.path == path) {
            continue;
        }
        let (Some(kept), Some((now, text))) = (kept(vault, client.name(), path)?, read(path)?) else {
            continue;
        };
        let text = kept.put_back(&text);
        takings.push(Taking { path: path.to_path_buf(), now, text, kept });
    }
    Ok(takings)
}

impl Taking {
    /// Seals what the file was, then writes it.
    pub(super) fn carry_out(&self, vault: &mut Vault, client: &str) -> Result<(), Failure> {
        vault.put(&kept_name(client, &self.path), self.kept.to_text())?;
        if self.now == self.text.as_bytes() { Ok(()) } else { replace(&self.path, &self.now, &self.text) }
    }

    /// Writes the file as it was, then forgets what was sealed of it.
    pub(super) fn put_back(&self, vault: &mut Vault, client: &str) -> Result<(), Failure> {
        if self.now != self.text.as_bytes() {
            replace(&self.path, &self.now, &self.text)?;
        }
        vault.remove(&kept_name(client, &self.path))
    }

    pub(super) fn show(&self) {
        say(&format!("{}: {} variables would be taken out", self.path.display(), self.kept.count()));
    }

    pub(super) fn say(&self) {
        say(&format!(
            "took {} variables out of {}, which entries named as `envFile`; if another program reads it, disconnect and connect with `--env-files keep`",
            self.kept.count(),
            self.path.display()
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_workspaces_own_files_are_changed_for_a_file_of_the_workspace() {
        let workspace = Path::new("/people/site");
        let wanted = Wanted { client: Kind::VsCode, how: EnvFiles::Auto, workspace };
        let ours = Path::new("/people/site/.vscode/mcp.json");
        assert!(wanted.reaches_out(ours, Path::new("/people/ann/credentials")));
        assert!(!wanted.reaches_out(ours, Path::new("/people/site/secrets.txt")));
        assert!(
            !wanted
                .reaches_out(Path::new("/people/ann/.cursor/mcp.json"), Path::new("/people/ann/credentials"))
        );
    }
}
