//! Files replaced as a whole. Must never leave half a file, nor one that others can read who could not before.

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::exit::{Failure, IO, TRY_AGAIN};
use crate::import::place;

/// Replaces a file that still is what was read; links are followed. A new file is for this user alone.
pub(crate) fn replace(path: &Path, read: Option<&[u8]>, text: &str) -> Result<(), Failure> {
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let shown = path.display();
    let wrong = |error: std::io::Error| Failure::new(IO, format!("cannot write `{shown}`: {error}"));
    let about = std::fs::metadata(&target).ok();
    let (temporary, mut file) = temporary(&target, about.as_ref()).map_err(wrong)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(wrong);
    let written = written.and_then(|()| unchanged(&target, read, &shown.to_string()));
    let renamed = written.and_then(|()| std::fs::rename(&temporary, &target).map_err(wrong));
    if let Err(failure) = renamed {
        drop(std::fs::remove_file(&temporary));
        return Err(failure);
    }
    if let Some(directory) = target.parent().and_then(|directory| std::fs::File::open(directory).ok()) {
        directory.sync_all().map_err(wrong)?;
    }
    Ok(())
}

/// Somebody may have written it since: then nothing is done.
fn unchanged(target: &Path, read: Option<&[u8]>, shown: &str) -> Result<(), Failure> {
    let now = place::bytes(target).map_err(|problem| Failure::new(IO, format!("`{shown}`: {problem}")))?;
    if now.as_deref() == read {
        return Ok(());
    }
    let text =
        format!("`{shown}` was changed by somebody else just now; nothing was written; run this again");
    Err(Failure::new(TRY_AGAIN, text))
}

/// A new file beside the target, with its mode and owner.
fn temporary(target: &Path, about: Option<&std::fs::Metadata>) -> std::io::Result<(PathBuf, std::fs::File)> {
    let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let path = target.with_file_name(format!(".{name}.callgate-{}", std::process::id()));
    // What a killed process of the same number left.
    drop(std::fs::remove_file(&path));
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    if let Some(about) = about {
        let own = file.metadata()?;
        if (own.uid(), own.gid()) != (about.uid(), about.gid()) {
            std::os::unix::fs::fchown(&file, Some(about.uid()), Some(about.gid()))?;
        }
        file.set_permissions(std::fs::Permissions::from_mode(about.permissions().mode() & 0o7777))?;
    }
    Ok((path, file))
}
