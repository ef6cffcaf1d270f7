//! The operators' face: the admin API, JSON over HTTP on a Unix socket only its owner can open.
//!
//! Must never accept what an agent holds, nor be served where agents are (promise 12). The same dispatch serves the
//! command line when no daemon runs, so that there is one way to change anything.

mod api;
mod approvals;
pub mod authority;
mod show;
mod wire;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use admin::{Admin, AdminError};
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use model::time::Micros;
use policy::PolicySource;
use ports::BoxFuture;
use ports::identity::Presented;
use ports::upstream::Upstreams;
use serde_json::{Value, json};

use crate::body::{self, BodyFault, ReplyBody};
use crate::head;
use crate::listen::{self, Face};
use crate::reply::{self, Reply};
use authority::OperatorAuthority;

/// `policy/check` carries all policy files.
const BODY_BYTES_MAX: usize = 64 << 20;
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// Reads the policy files again.
pub trait PolicyFiles: Send + Sync {
    /// The files as they are now.
    ///
    /// # Errors
    /// What could not be read, in words.
    fn read(&self) -> Result<Vec<PolicySource>, String>;
}

/// What an operator can ask for.
pub struct OperatorFace {
    admin: Arc<Admin>,
    upstreams: Arc<dyn Upstreams>,
    files: Arc<dyn PolicyFiles>,
    authority: OperatorAuthority,
    daemon: OnceLock<Daemon>,
}

/// The process that serves, for `status`.
#[derive(Clone, Copy, Debug)]
pub struct Daemon {
    /// Its number.
    pub pid: u32,
    /// When it began to serve.
    pub since: Micros,
    /// A client started it, and it ends when there is none for a while.
    pub on_demand: bool,
}

/// Why a request was not carried out, with a word for scripts.
#[derive(Debug)]
pub struct ApiError {
    /// `bad_request`, `refused`, `not_found`, `policy`, `unavailable`.
    pub code: &'static str,
    /// In words.
    pub message: String,
    /// More, for `policy`: every problem.
    pub details: Vec<String>,
}

impl ApiError {
    pub(crate) fn bad_request(message: impl std::fmt::Display) -> Self {
        Self { code: "bad_request", message: message.to_string(), details: Vec::new() }
    }

    pub(crate) fn unavailable(message: impl std::fmt::Display) -> Self {
        Self { code: "unavailable", message: message.to_string(), details: Vec::new() }
    }

    fn status(&self) -> u16 {
        match self.code {
            "bad_request" => 400,
            "not_found" => 404,
            "refused" | "policy" => 409,
            _ => 503,
        }
    }

    fn body(&self) -> Value {
        json!({"error": {"code": self.code, "message": self.message, "details": self.details}})
    }
}

impl From<AdminError> for ApiError {
    fn from(error: AdminError) -> Self {
        let message = error.to_string();
        let (code, details) = match error {
            AdminError::Refused(_) => ("refused", Vec::new()),
            AdminError::NotFound(_) => ("not_found", Vec::new()),
            AdminError::Policy(problems) => ("policy", problems.iter().map(ToString::to_string).collect()),
            AdminError::Fault(_) => ("unavailable", Vec::new()),
        };
        Self { code, message, details }
    }
}

impl OperatorFace {
    /// A face over the use cases.
    #[must_use]
    pub fn new(
        admin: Arc<Admin>,
        upstreams: Arc<dyn Upstreams>,
        files: Arc<dyn PolicyFiles>,
        authority: OperatorAuthority,
    ) -> Arc<Self> {
        Arc::new(Self { admin, upstreams, files, authority, daemon: OnceLock::new() })
    }

    /// This face is served, by this daemon. What was said first stays.
    pub fn served_by(&self, daemon: Daemon) {
        self.daemon.get_or_init(|| daemon);
    }

    /// Carries out one request of a proven operator: `verb` such as `agents/add`, and its parameters.
    ///
    /// # Errors
    /// [`ApiError`]; nothing changed then.
    pub fn dispatch<'a>(&'a self, verb: &'a str, params: Value) -> BoxFuture<'a, Result<Value, ApiError>> {
        Box::pin(self.carry_out(verb, params))
    }

    async fn route(&self, request: Request<Incoming>) -> Reply {
        let presented = head::presented(request.headers());
        if !self.authority.proves(&presented) {
            let known = matches!(presented, Presented::Bearer(_));
            return reply::unauthorized(known, "not_an_operator", "this needs the operator credential");
        }
        listen::settle(&request);
        let Some(verb) = request.uri().path().strip_prefix("/v1/").map(str::to_owned) else {
            return reply::refusal(404, "not_found", "no such path");
        };
        if request.method() != http::Method::POST {
            return reply::refusal(405, "method_not_allowed", "send POST");
        }
        let text = match body::read(request.into_body(), BODY_BYTES_MAX, BODY_WITHIN).await {
            Ok(text) => text,
            Err(BodyFault::TooLarge) => {
                return reply::refusal(
                    413,
                    "bad_request",
                    "the request is larger than 64 MiB; send less at once",
                );
            }
            Err(BodyFault::TooSlow | BodyFault::Broken) => {
                return reply::refusal(
                    400,
                    "bad_request",
                    "the request did not arrive whole in time; try again",
                );
            }
        };
        let params = if text.is_empty() { Ok(json!({})) } else { serde_json::from_slice(&text) };
        let (status, body) = match params {
            Err(error) => {
                let error = ApiError::bad_request(format!("the body is not JSON: {error}"));
                (error.status(), error.body())
            }
            Ok(params) => match self.dispatch(&verb, params).await {
                Ok(value) => (200, value),
                Err(error) => (error.status(), error.body()),
            },
        };
        reply::json(status, Bytes::from(body.to_string()))
    }
}

impl Face for OperatorFace {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<ReplyBody> {
        self.route(request).await
    }
}
