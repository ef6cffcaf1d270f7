//! Reaching the operators' face: the running daemon's socket, or the same face in this process when there is none.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use admin::Policies;
use bytes::Bytes;
use config::Config;
use http::header::{AUTHORIZATION, HOST, HeaderValue};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use ports::secret::Secret;
use serde_json::Value;
use server::OperatorFace;

use crate::compose::Node;
use crate::credential;
use crate::exit::{DATA, Failure, INTERNAL, NEGATIVE, NOT_PERMITTED, UNAVAILABLE, USAGE};

/// Most time for one request; listing a server's tools may start it first.
const WITHIN: Duration = Duration::from_secs(120);

/// Where requests go.
pub(crate) enum Operator {
    /// The daemon that serves this state directory.
    Daemon { state: std::path::PathBuf, credential: Secret },
    /// No daemon runs: this process holds the store.
    Here { face: Arc<OperatorFace>, node: Box<Node> },
}

impl Operator {
    /// The daemon if it answers, else the store itself.
    pub(crate) async fn reach(config: &Config) -> Result<Self, Failure> {
        let state = config.store.path.clone();
        if tokio::net::UnixStream::connect(credential::socket(&state)).await.is_ok() {
            let credential = credential::read(&state)?;
            return Ok(Self::Daemon { state, credential });
        }
        let node = Node::open(config, Policies::MayBeBroken).await?;
        let authority = match credential::ensure(&state) {
            Ok(authority) => authority,
            Err(failure) => {
                node.close().await?;
                return Err(failure);
            }
        };
        Ok(Self::Here { face: node.operator_face(authority), node: Box::new(node) })
    }

    /// Whether a daemon answers, rather than this process for itself.
    pub(crate) const fn is_daemon(&self) -> bool {
        matches!(self, Self::Daemon { .. })
    }

    /// Carries out one verb.
    pub(crate) async fn ask(&self, verb: &str, params: Value) -> Result<Value, Failure> {
        match self {
            Self::Here { face, .. } => face
                .dispatch(verb, params)
                .await
                .map_err(|error| failure(error.code, &error.message, &error.details)),
            Self::Daemon { state, credential } => {
                let asking = post(state, credential, verb, params);
                match tokio::time::timeout(WITHIN, asking).await {
                    Ok(answer) => answer,
                    Err(_) => Err(Failure::new(UNAVAILABLE, "the daemon did not answer in time")),
                }
            }
        }
    }

    /// Gives the store back, when this process held it.
    pub(crate) async fn close(self) -> Result<(), Failure> {
        match self {
            Self::Daemon { .. } => Ok(()),
            Self::Here { node, .. } => node.close().await,
        }
    }
}

fn failure(code: &str, message: &str, details: &[String]) -> Failure {
    let exit = match code {
        "bad_request" => USAGE,
        "not_found" | "refused" => NEGATIVE,
        "policy" => DATA,
        "not_an_operator" | "invalid_credential" => NOT_PERMITTED,
        _ => UNAVAILABLE,
    };
    if details.is_empty() {
        return Failure::new(exit, message);
    }
    Failure::of_lines(exit, details.to_vec())
}

/// The credential is sent only to a process of this user or of root: whoever else answers is not the daemon.
fn only_to_ourselves(stream: &tokio::net::UnixStream) -> Result<(), Failure> {
    let peer = stream.peer_cred().map(|peer| peer.uid()).ok();
    let own = rustix::process::geteuid().as_raw();
    if peer.is_some_and(|peer| peer == own || peer == 0) {
        return Ok(());
    }
    let text = "the admin socket is answered by another user's process; nothing was sent; look at the state directory";
    Err(Failure::new(NOT_PERMITTED, text))
}

async fn post(state: &Path, credential: &Secret, verb: &str, params: Value) -> Result<Value, Failure> {
    let unavailable =
        |error: &dyn std::fmt::Display| Failure::new(UNAVAILABLE, format!("the daemon: {error}"));
    let stream =
        tokio::net::UnixStream::connect(credential::socket(state)).await.map_err(|e| unavailable(&e))?;
    only_to_ourselves(&stream)?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| unavailable(&error))?;
    // Ends with the sender; its error, if any, is the request's error too.
    let driving = tokio::spawn(connection);
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", credential.reveal()))
        .map_err(|_| Failure::new(NOT_PERMITTED, "the operator credential is not text"))?;
    bearer.set_sensitive(true);
    let request = http::Request::post(format!("/v1/{verb}"))
        .header(HOST, "localhost")
        .header(AUTHORIZATION, bearer)
        .body(Full::new(Bytes::from(params.to_string())))
        .map_err(|error| Failure::new(INTERNAL, error.to_string()))?;
    let response = sender.send_request(request).await.map_err(|error| unavailable(&error))?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(|error| unavailable(&error))?.to_bytes();
    driving.abort();
    let value: Value = serde_json::from_slice(&body).map_err(|error| unavailable(&error))?;
    if status.is_success() {
        return Ok(value);
    }
    let text = |name: &str| value.pointer(name).and_then(Value::as_str).unwrap_or("").to_owned();
    let details = value.pointer("/error/details").and_then(Value::as_array).cloned().unwrap_or_default();
    let details: Vec<String> = details.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    Err(failure(&text("/error/code"), &text("/error/message"), &details))
}
