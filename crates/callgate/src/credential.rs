//! The operator credential and the two sockets: where they are, and who can read them (promise 12, ADR 0014).
//!
//! Must never make the credential readable to anybody but its owner, nor serve both faces on one socket.

use std::io::Write as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use model::agent_key::{CredentialKind, NewCredential};
use ports::clock::Entropy;
use ports::secret::Secret;
use server::OperatorAuthority;

use crate::adapters::SystemEntropy;
use crate::exit::{CANNOT_CREATE, Failure, INTERNAL, NOT_PERMITTED};

/// Longest path of a Unix socket on Linux, without its end.
const SOCKET_PATH_MAX: usize = 107;

/// The admin socket of a state directory.
pub(crate) fn socket(state: &Path) -> PathBuf {
    state.join("admin.sock")
}

/// The agents' socket of a state directory.
pub(crate) fn agents_socket(state: &Path) -> PathBuf {
    state.join("agents.sock")
}

fn key_file(state: &Path) -> PathBuf {
    state.join("operator.key")
}

/// The operator credential, as whoever runs this can read it.
pub(crate) fn read(state: &Path) -> Result<Secret, Failure> {
    let path = key_file(state);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Secret::new(text.trim().to_owned())),
        Err(error) => Err(Failure::new(
            NOT_PERMITTED,
            format!(
                "cannot read the operator credential `{}`: {error}; run this as its owner",
                path.display()
            ),
        )),
    }
}

/// The authority behind the operator credential, which is made at the first start.
pub(crate) fn ensure(state: &Path) -> Result<OperatorAuthority, Failure> {
    let path = key_file(state);
    if !path.exists() {
        create(&path)?;
    }
    let about = std::fs::symlink_metadata(&path).map_err(|error| {
        Failure::new(NOT_PERMITTED, format!("cannot look at `{}`: {error}", path.display()))
    })?;
    let own = about.is_file() && about.uid() == rustix::process::geteuid().as_raw();
    if !own || about.permissions().mode() & 0o077 != 0 {
        let text = format!(
            "`{}` must be a file of this user that nobody else can read; `chmod 600` it, or delete it for a new one",
            path.display()
        );
        return Err(Failure::new(NOT_PERMITTED, text));
    }
    let text = read(state)?;
    OperatorAuthority::from_credential(text.reveal()).ok_or_else(|| {
        let text = format!("`{}` is no operator credential; delete it and start again", path.display());
        Failure::new(NOT_PERMITTED, text)
    })
}

fn create(path: &Path) -> Result<(), Failure> {
    let mut random = [0u8; 40];
    SystemEntropy.fill(&mut random).map_err(|fault| Failure::new(INTERNAL, fault.to_string()))?;
    let credential = NewCredential::from_random(CredentialKind::Operator, &random);
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| writeln!(file, "{}", credential.text));
    written.map_err(|error| {
        Failure::new(
            CANNOT_CREATE,
            format!("cannot write the operator credential `{}`: {error}", path.display()),
        )
    })
}

/// Binds a socket for this user alone. The caller holds the lock of the state directory, so a socket that is there is
/// stale.
pub(crate) fn bind(path: &Path) -> Result<tokio::net::UnixListener, Failure> {
    let refuse = |what: String| Failure::new(CANNOT_CREATE, what);
    let shown = path.display();
    if path.as_os_str().len() > SOCKET_PATH_MAX {
        let text = format!("`{shown}` is too long for a socket; give `store.path` a shorter directory");
        return Err(refuse(text));
    }
    match std::fs::symlink_metadata(path) {
        Ok(about) if about.file_type().is_socket() => std::fs::remove_file(path)
            .map_err(|error| refuse(format!("cannot remove the stale socket `{shown}`: {error}")))?,
        Ok(_) => return Err(refuse(format!("`{shown}` is in the way and is no socket; move it elsewhere"))),
        Err(_) => {}
    }
    let listener = tokio::net::UnixListener::bind(path)
        .map_err(|error| refuse(format!("cannot make the socket `{shown}`: {error}")))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(|error| refuse(format!("cannot protect the socket `{shown}`: {error}")))?;
    Ok(listener)
}
