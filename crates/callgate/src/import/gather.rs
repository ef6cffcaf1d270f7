//! What the clients' files say, resolved. Must never run or contact anything that is found there.

use std::path::{Path, PathBuf};

use clients::{
    Around, Definition, Facts, Hidden, Kind, Location, Places, Scope, SplitServer, Transport, Unusable,
    expand, found, read_env_file, split,
};

use crate::exit::Failure;
use crate::import::ask::Answers;
use crate::import::place::{self, ClientFile};

/// One entry of one file.
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) path: PathBuf,
    pub(crate) scope: Scope,
    pub(crate) name: String,
    pub(crate) at: Vec<String>,
    /// What it is, or why it is left alone.
    pub(crate) what: Result<Definition, Unusable>,
    inputs: Vec<clients::Input>,
}

/// Everything that was found.
pub(crate) struct Gathered {
    pub(crate) entries: Vec<Entry>,
    /// Files that are there, by client.
    pub(crate) files: Vec<(Kind, PathBuf)>,
    /// Files that could not be read.
    pub(crate) problems: Vec<String>,
}

/// Reads the files of these clients.
pub(crate) fn gather(kinds: &[Kind], places: &Places) -> Gathered {
    let mut gathered = Gathered { entries: Vec::new(), files: Vec::new(), problems: Vec::new() };
    for location in kinds.iter().flat_map(|kind| kind.locations(places)) {
        match place::read(&location) {
            ClientFile::Absent => {}
            ClientFile::Unreadable(problem) => {
                if !gathered.problems.contains(&problem) {
                    gathered.problems.push(problem);
                }
            }
            ClientFile::Read(document) => {
                let file = (location.kind, location.path.clone());
                if !gathered.files.contains(&file) {
                    gathered.files.push(file);
                }
                let inputs = clients::inputs(document.tree());
                let entries = found(&document, &location).into_iter();
                gathered.entries.extend(entries.map(|one| entry(&location, one, inputs.clone())));
            }
        }
    }
    gathered
}

fn entry(location: &Location, one: clients::Found, inputs: Vec<clients::Input>) -> Entry {
    Entry {
        kind: location.kind,
        path: location.path.clone(),
        scope: location.scope,
        name: one.name,
        at: one.at,
        what: one.what,
        inputs,
    }
}

/// An entry with everything resolved.
pub(crate) struct Resolved {
    pub(crate) server: SplitServer,
    /// The file of variables, and the names it gave.
    pub(crate) env_file: Option<(PathBuf, Vec<String>)>,
}

/// Resolves an entry; the reason when it cannot be.
pub(crate) async fn resolve(
    entry: &Entry,
    places: &Places,
    answers: &mut Answers,
) -> Result<Result<Resolved, String>, Failure> {
    let definition = match &entry.what {
        Ok(definition) => definition,
        Err(why) => return Ok(Err(why.to_string())),
    };
    for input in wanted(definition, &entry.inputs) {
        answers.want(&input.id, &input.description).await?;
    }
    Ok(resolved(entry, definition, places, answers))
}

/// The inputs that a definition mentions.
fn wanted<'a>(definition: &Definition, inputs: &'a [clients::Input]) -> Vec<&'a clients::Input> {
    let mentioned =
        |input: &&clients::Input| definition.canonical.contains(&format!("${{input:{}}}", input.id));
    inputs.iter().filter(mentioned).collect()
}

fn resolved(
    entry: &Entry,
    definition: &Definition,
    places: &Places,
    answers: &Answers,
) -> Result<Resolved, String> {
    let env = |name: &str| std::env::var(name).ok();
    let input = |id: &str| -> Option<Hidden> { answers.get(id) };
    let (home, workspace) = (places.home.to_string_lossy(), places.workspace.to_string_lossy());
    let facts = || Facts { env: &env, input: &input, home: &home, workspace: &workspace };
    let syntax = entry.kind.syntax();
    let env_file = match &definition.transport {
        Transport::Stdio(stdio) => stdio.env_file.as_deref(),
        Transport::Http(_) => None,
    };
    let mut variables = Vec::new();
    let mut file = None;
    if let Some(written) = env_file {
        let parts = expand(written, syntax, &facts()).map_err(|missing| missing.to_string())?;
        let path = places.workspace.join(clients::text_of(&parts));
        variables = read_variables(&path)?;
        file = Some((path, variables.iter().map(|(name, _)| name.clone()).collect()));
    }
    let around = Around {
        syntax,
        facts: facts(),
        exists: &|path| Path::new(path).exists(),
        env_file: &variables,
        starts_in: (entry.scope != Scope::User).then_some(&*workspace),
    };
    let server = split(definition, &around).map_err(|missing| missing.to_string())?;
    Ok(Resolved { server, env_file: file })
}

fn read_variables(path: &Path) -> Result<Vec<(String, String)>, String> {
    let shown = path.display();
    let bytes = place::bytes(path).map_err(|problem| format!("its `envFile` `{shown}`: {problem}"))?;
    let bytes = bytes.ok_or_else(|| format!("its `envFile` `{shown}` is not there"))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("its `envFile` `{shown}` is not UTF-8"))?;
    read_env_file(&text).map_err(|fault| format!("its `envFile` `{shown}`: {fault}"))
}
