//! The name of a workspace's file of policies. Must never be that of another workspace.

use std::path::Path;

use model::digest::{Digest, hex};

/// How much of a path's digest stands in a file's name.
const DIGEST_CHARS: usize = 12;

/// The file that is about this workspace already; else `workspace`, or with the directory's name, or with a digest of
/// the whole path as well: the first that is not about another workspace.
pub(super) fn file_name(workspace: &Path, read: &dyn Fn(&str) -> Option<String>) -> String {
    let shown = workspace.to_string_lossy();
    let base = workspace.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let named = format!("workspace-{}", clients::gate_name(&base));
    let digest: String = hex(Digest::of(shown.as_bytes()).as_bytes()).chars().take(DIGEST_CHARS).collect();
    let unique = format!("{named}-{digest}");
    let names = ["workspace", named.as_str(), unique.as_str()];
    let mark = clients::workspace_line(&shown);
    let is_mark = |line: &str| line == mark.trim_end();
    let of_this = names.iter().find(|name| read(name).is_some_and(|text| text.lines().any(is_mark)));
    let of_nobody = |text: String| !text.lines().any(|line| line.starts_with("// Workspace: "));
    let free = names.iter().find(|name| read(name).is_none_or(of_nobody));
    of_this.or(free).map_or(unique.clone(), |name| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The names that workspaces get one after the other, each leaving its file.
    fn names(workspaces: &[&str]) -> Vec<String> {
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        let mut given = |workspace: &&str| {
            let name = file_name(Path::new(workspace), &|name| files.get(name).cloned());
            files.insert(name.clone(), format!("// mine\n{}\n", clients::workspace_line(workspace)));
            name
        };
        workspaces.iter().map(&mut given).collect()
    }

    #[test]
    fn workspaces_of_one_name_have_files_of_their_own() {
        let three = ["/people/ann/api", "/people/bob/api", "/people/eve/api"];
        let given = names(&[three[0], three[1], three[2], three[2], three[1], three[0]]);
        assert_eq!(given[..2], ["workspace", "workspace-api"]);
        assert!(given[2].starts_with("workspace-api-") && given[2].len() == "workspace-api-".len() + 12);
        assert_eq!(given[3..], [given[2].clone(), given[1].clone(), given[0].clone()], "each its own again");
    }

    #[test]
    fn a_directory_whose_path_begins_alike_is_another() {
        assert_eq!(names(&["/people/ann/api-2", "/people/ann/api"]), ["workspace", "workspace-api"]);
    }

    #[test]
    fn a_workspace_finds_its_file_although_another_name_is_free() {
        let own = clients::workspace_line("/people/ann/api");
        let read = |name: &str| (name == "workspace-api").then(|| own.clone());
        assert_eq!(file_name(Path::new("/people/ann/api"), &read), "workspace-api");
    }
}
