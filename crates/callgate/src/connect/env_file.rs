//! Files of variables that entries named: their secrets are sealed, so they leave the file and come back. Must never
//! take a variable out that the import did not seal.

use std::path::{Path, PathBuf};

use clients::{Index, KeptEnvFile, Kind, SealedText as _, take_out};

use super::change::{Asked, Change};
use super::{EnvFiles, kept, kept_name, replace, wrong};
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

    /// Why a file stays as it is, when it does.
    fn spares(&self, named_in: &Path, path: &Path) -> Option<&'static str> {
        let projects = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".env"));
        match self.how {
            EnvFiles::Move => None,
            EnvFiles::Keep => Some("it stays as it is, as `--env-files keep` asks"),
            EnvFiles::Auto if projects => Some(
                "your project probably reads it too, so it stays as it is; `--env-files move` takes them out nevertheless",
            ),
            EnvFiles::Auto if self.reaches_out(named_in, path) => Some(
                "it is outside the workspace and only a file of the workspace names it, so it stays as it is; `--env-files move` takes them out nevertheless",
            ),
            EnvFiles::Auto => None,
        }
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
            let connected = change.entries.contains(&imported.at);
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
            let same_file = index.all().filter(|one| one.client == wanted.client.name());
            let same_file = same_file.filter_map(|one| one.env_file.as_ref());
            let same_file = same_file.filter(|(one, _)| Path::new(one) == path);
            let all: Vec<String> = same_file.flat_map(|(_, names)| names.iter().cloned()).collect();
            takings.extend(one(path, (&sealed, &all), vault, (wanted, &change.path))?);
        }
    }
    Ok(takings)
}

fn one(
    path: &Path,
    (sealed, all): (&[String], &[String]),
    vault: &Vault,
    (wanted, named_in): (&Wanted<'_>, &Path),
) -> Result<Option<Taking>, Failure> {
    let Some((now, text)) = read(path)? else { return Ok(None) };
    let older: Option<KeptEnvFile> = kept(vault, wanted.client.name(), path)?;
    let standing = text;
    let text = older.as_ref().map_or_else(|| standing.clone(), |kept| kept.put_back(&standing));
    if sealed.is_empty() {
        return Ok(None);
    }
    let out = |text: &str, name: &String| take_out("", text, std::slice::from_ref(name)).1.count();
    if let Some(why) = wanted.spares(named_in, path) {
        let clear: Vec<String> = sealed.iter().filter(|name| out(&standing, name) > 0).cloned().collect();
        if !clear.is_empty() {
            let (shown, clear) = (path.display(), clear.join(", "));
            note(&format!("warning: {shown} holds {clear} in clear, where the assistant may read it: {why}"));
        }
        return Ok(None);
    }
    // What is out already stays out: another server's variables may stand in the same file.
    let taken = all.iter().filter(|name| out(&standing, name) < out(&text, name));
    let names: Vec<String> = sealed.iter().chain(taken).cloned().collect();
    let base = text;
    let (text, mut kept) = take_out(&path.to_string_lossy(), &base, &names);
    if kept.count() == 0 {
        return Ok(None);
    }
    if let Some(older) = &older {
        kept.keep_missing(older, &base);
    }
    Ok(Some(Taking { path: path.to_path_buf(), now, text, kept }))
}

fn read(path: &Path) -> Result<Option<(Vec<u8>, String)>, Failure> {
    let Some(now) = place::bytes(path).map_err(|problem| wrong(path, &problem))? else { return Ok(None) };
    let text = String::from_utf8(now.clone()).map_err(|_| wrong(path, &"not UTF-8 text"))?;
    Ok(Some((now, text)))
}

/// What disconnecting puts back of what the entries that are asked for name, and whether that is all.
pub(super) fn putting_back(index: &Index, vault: &Vault, asked: &Asked<'_>) -> (Vec<Taking>, bool) {
    let client = asked.client;
    let mut paths: Vec<&Path> = Vec::new();
    for imported in index.all().filter(|one| one.client == client.name()) {
        let here = (asked.entry)(Path::new(&imported.path), &imported.at);
        let path = imported.env_file.as_ref().map(|(path, _)| Path::new(path)).filter(|_| here);
        paths.extend(path.filter(|path| !paths.contains(path)));
    }
    let (mut takings, mut all) = (Vec::new(), true);
    for path in paths {
        match back(path, vault, client) {
            Ok(Some(taking)) => {
                all &= taking.complete();
                takings.push(taking);
            }
            Ok(None) => {}
            Err(failure) => {
                note(&format!(
                    "{}; nothing of it is put back, what was sealed of it stays sealed",
                    failure.text()
                ));
                all = false;
            }
        }
    }
    (takings, all)
}

fn back(path: &Path, vault: &Vault, client: Kind) -> Result<Option<Taking>, Failure> {
    let Some(kept) = kept::<KeptEnvFile>(vault, client.name(), path)? else { return Ok(None) };
    let gone = || Failure::new(IO, format!("`{}` is gone", path.display()));
    let (now, text) = read(path)?.ok_or_else(gone)?;
    let text = kept.put_back(&text);
    Ok(Some(Taking { path: path.to_path_buf(), now, text, kept }))
}

impl Taking {
    /// Seals what the file was, then writes it.
    pub(super) fn carry_out(&self, vault: &mut Vault, client: &str) -> Result<(), Failure> {
        vault.put(&kept_name(client, &self.path), self.kept.to_text())?;
        if self.now == self.text.as_bytes() { Ok(()) } else { replace(&self.path, &self.now, &self.text) }
    }

    /// Whether every line is back.
    fn complete(&self) -> bool {
        self.kept.missing(&self.text) == 0
    }

    /// Writes the file as it was, then forgets what was sealed of it, unless a line could not be put back.
    pub(super) fn put_back(&self, vault: &mut Vault, client: &str) -> Result<(), Failure> {
        if self.now != self.text.as_bytes() {
            replace(&self.path, &self.now, &self.text)?;
        }
        if self.complete() {
            return vault.remove(&kept_name(client, &self.path));
        }
        note(&format!(
            "{}: {} of {} variables were not put back, because the lines in their places were edited; they stay sealed",
            self.path.display(),
            self.kept.missing(&self.text),
            self.kept.count()
        ));
        Ok(())
    }

    pub(super) fn show(&self) {
        let (path, count) = (self.path.display(), self.kept.count());
        say(&format!("{path}: {count} variables would be taken out and sealed"));
    }

    pub(super) fn show_back(&self) {
        let (path, count) = (self.path.display(), self.kept.count() - self.kept.missing(&self.text));
        say(&format!("{path}: {count} variables would be put back"));
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
    fn a_file_that_stays_says_why() {
        let workspace = Path::new("/people/site");
        let of = |how| Wanted { client: Kind::VsCode, how, workspace };
        let ours = Path::new("/people/site/.vscode/mcp.json");
        let (env, plain) = (Path::new("/people/site/.env.local"), Path::new("/people/site/secrets.txt"));
        let kept = of(EnvFiles::Keep).spares(ours, plain).unwrap();
        assert!(kept.contains("keep") && !kept.contains("move"), "what was asked for is not advised against");
        assert!(of(EnvFiles::Auto).spares(ours, env).unwrap().contains("your project"));
        assert!(of(EnvFiles::Auto).spares(ours, Path::new("/people/ann/x")).unwrap().contains("outside"));
        assert_eq!(of(EnvFiles::Auto).spares(ours, plain), None);
        assert_eq!(of(EnvFiles::Move).spares(ours, env), None);
    }

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
