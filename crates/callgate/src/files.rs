//! Reading the configuration and policy files. Must never enter sub-directories of a policy directory nor read more
//! than its bounds.

use std::path::{Path, PathBuf};

use config::{Config, ConfigProblem, Resolve, ResolveFault};
use policy::PolicySource;
use ports::secret::Secret;
use server::PolicyFiles;

use crate::exit::{CONFIG, Failure, USAGE};
use crate::sealed::SealedOnce;

const CONFIG_BYTES_MAX: u64 = 1 << 20;
const SECRET_BYTES_MAX: u64 = 64 << 10;
const POLICY_BYTES_MAX: u64 = 64 << 10;
const POLICY_FILES_MAX: usize = 4096;

/// The process environment, the file system and the sealed store.
#[derive(Default)]
struct Process {
    sealed: SealedOnce,
}

impl Resolve for Process {
    fn env(&self, name: &str) -> Result<Secret, ResolveFault> {
        match std::env::var(name) {
            Ok(value) => Ok(Secret::new(value)),
            Err(_) => {
                Err(ResolveFault(format!("the environment variable `{name}` is not set, or not UTF-8")))
            }
        }
    }

    fn file(&self, path: &Path) -> Result<Secret, ResolveFault> {
        let text = read_bounded(path, SECRET_BYTES_MAX).map_err(ResolveFault)?;
        Ok(Secret::new(text))
    }

    fn sealed(&self, directory: &Path, name: &str) -> Result<Option<Secret>, ResolveFault> {
        self.sealed.get(directory, name).map_err(ResolveFault)
    }
}

fn read_bounded(path: &Path, bytes_max: u64) -> Result<String, String> {
    use std::io::Read as _;
    let cannot = |error: std::io::Error| format!("cannot read `{}`: {error}", path.display());
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(cannot)?;
    let length = file.take(bytes_max + 1).read_to_string(&mut text).map_err(cannot)?;
    if length as u64 > bytes_max {
        return Err(format!("`{}` is larger than {bytes_max} bytes", path.display()));
    }
    Ok(text)
}

/// The configuration file: the one given (`--config`, `CALLGATE_CONFIG`), `callgate.toml` here if there is one, else this
/// person's, whether or not it is there.
pub(crate) fn config_path(given: Option<&Path>) -> PathBuf {
    if let Some(given) = given {
        return given.to_path_buf();
    }
    let here = PathBuf::from("callgate.toml");
    if here.exists() {
        return here;
    }
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
    home.map_or(here, |home| home.join("callgate").join("callgate.toml"))
}

/// Whether a person named this configuration file or it is their own. One that merely lies in the directory they are in
/// may be anybody's: a copied project's, or an assistant's.
pub(crate) fn is_chosen(given: Option<&Path>, path: &Path) -> bool {
    given.is_some() || path.is_absolute()
}

/// For commands that put programs and permits of the file into a client's hands.
///
/// # Errors
/// When the file merely lies in this directory.
pub(crate) fn only_chosen(given: Option<&Path>, path: &Path) -> Result<(), Failure> {
    if is_chosen(given, path) {
        return Ok(());
    }
    let text = "a `callgate.toml` lies in this directory, and it may be anybody's; give `--config callgate.toml` if it is \
                the one you mean, or `--config ~/.config/callgate/callgate.toml` for your own";
    Err(Failure::new(USAGE, text))
}

/// What became of reading the configuration file.
pub(crate) enum Read {
    Good(Box<Config>),
    Bad(Vec<ConfigProblem>),
}

/// Reads and checks the configuration file.
pub(crate) fn read_config(path: &Path) -> Result<Read, Failure> {
    read_with(path, &Process::default())
}

fn read_with(path: &Path, secrets: &dyn Resolve) -> Result<Read, Failure> {
    let text = read_bounded(path, CONFIG_BYTES_MAX).map_err(|problem| {
        let fix = "give another file with `--config`, or begin with `callgate import`";
        Failure::new(CONFIG, format!("{problem}; {fix}"))
    })?;
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let base = absolute.parent().unwrap_or(Path::new("/"));
    match Config::parse(&path.display().to_string(), &text, base, secrets) {
        Ok(config) => Ok(Read::Good(Box::new(config))),
        Err(problems) => Ok(Read::Bad(problems)),
    }
}

/// The configuration, or every problem of it.
pub(crate) fn config(path: &Path) -> Result<Config, Failure> {
    config_with(path, &Process::default())
}

/// The same, with secrets from elsewhere.
pub(crate) fn config_with(path: &Path, secrets: &dyn Resolve) -> Result<Config, Failure> {
    match read_with(path, secrets)? {
        Read::Good(config) => Ok(*config),
        Read::Bad(problems) => {
            Err(Failure::of_lines(CONFIG, problems.iter().map(ToString::to_string).collect()))
        }
    }
}

/// The policy files of the configuration.
pub(crate) struct PolicyDirectory(pub(crate) Vec<PathBuf>);

impl PolicyFiles for PolicyDirectory {
    fn read(&self) -> Result<Vec<PolicySource>, String> {
        let mut sources = Vec::new();
        for path in &self.0 {
            if path.is_dir() {
                for file in cedar_files(path)? {
                    sources.push(source(&file)?);
                }
            } else {
                let fix =
                    "create it (a set to begin with is policies/starter.cedar) or change `policy.paths`";
                sources.push(source(path).map_err(|problem| format!("{problem}; {fix}"))?);
            }
            if sources.len() > POLICY_FILES_MAX {
                return Err(format!("more than {POLICY_FILES_MAX} policy files"));
            }
        }
        Ok(sources)
    }
}

/// The `.cedar` files of a directory, by name; sub-directories are not entered.
fn cedar_files(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let shown = directory.display();
    let entries = std::fs::read_dir(directory).map_err(|error| format!("cannot read `{shown}`: {error}"))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| format!("cannot read `{shown}`: {error}"))?.path();
        if path.extension().is_some_and(|extension| extension == "cedar") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn source(path: &Path) -> Result<PolicySource, String> {
    let text = read_bounded(path, POLICY_BYTES_MAX)?;
    Ok(PolicySource { file: path.display().to_string(), text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_this_directory_is_chosen_only_by_name() {
        let here = Path::new("callgate.toml");
        assert!(!is_chosen(None, here) && is_chosen(Some(here), here));
        assert!(only_chosen(None, here).is_err() && only_chosen(Some(here), here).is_ok());
        assert!(is_chosen(None, Path::new("/people/ann/.config/callgate/callgate.toml")));
    }
}
