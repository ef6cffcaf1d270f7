//! The first words with an HTTP server: which era, which revision, which session? Must never take 401, 403 or
//! silence for an era.

use bytes::Bytes;
use http::header::HeaderValue;
use http::{Method, StatusCode};
use mcp::outbound;
use mcp::probe::{Verdict, judge};
use mcp::reply::{Offers, Outcome, UpstreamMessage};
use mcp::version::{Era, ProtocolVersion};
use model::client::ClientCapabilities;
use ports::secret::Secret;
use ports::upstream::UpstreamFault;

use super::oauth::{Answers, Challenge, Refused};
use super::response::{Part, Response, Unreadable};
use super::site::{Session, Site, Way, header};
use super::sse::{NotOpened, Opened};
use crate::config::Era as Configured;
use crate::fault::{unavailable, violation};
use crate::speak::client;

/// Longest session id taken.
const SESSION_ID_BYTES: usize = 512;
/// Ids within a handshake, which has no other requests open.
const PROBE: u64 = 1;

/// Why a request of ours that is not a call came to nothing.
pub(super) enum Stopped {
    Fault(UpstreamFault),
    /// 401 or 403.
    Refused(Box<Refused>, UpstreamFault),
}

impl From<UpstreamFault> for Stopped {
    fn from(fault: UpstreamFault) -> Self {
        Self::Fault(fault)
    }
}

/// What a handshake came to.
pub(super) enum Begun {
    /// Streamable HTTP: a session, or the way a stateless server is spoken to.
    Session(Session),
    /// HTTP+SSE: a stream that is open.
    Events(Box<Opened>),
}

/// What `initialize` came to by streamable HTTP.
enum Initialized {
    Session(Session),
    /// With a status by which a server may mean that it speaks the older transport.
    Refused(UpstreamFault),
}

/// What a request of ours that is not a call came to.
pub(super) enum Replied {
    /// A JSON-RPC response and its HTTP status.
    Outcome(Outcome, StatusCode),
    /// Another status without one.
    Refused(StatusCode),
}

impl Site {
    /// Finds out how the server is spoken to, and begins a session if it has such.
    /// `client` is what a server with sessions is told that it may ask.
    pub(super) async fn handshake(
        &self,
        credential: Option<&Secret>,
        client: ClientCapabilities,
    ) -> Result<Begun, UpstreamFault> {
        let mut answers = Answers::default();
        loop {
            self.ready().await?;
            match self.handshake_once(credential, client).await {
                Ok(begun) => return Ok(begun),
                Err(stopped) => self.again(stopped, &mut answers).await?,
            }
        }
    }

    /// Sees to it that requests have a good token, if they need one.
    pub(super) async fn ready(&self) -> Result<(), UpstreamFault> {
        match &self.oauth {
            Some(oauth) => oauth.ready().await,
            None => Ok(()),
        }
    }

    /// `Ok` when the request may be made again, with another token.
    pub(super) async fn again(&self, stopped: Stopped, answers: &mut Answers) -> Result<(), UpstreamFault> {
        match (stopped, &self.oauth) {
            (Stopped::Refused(refused, _), Some(oauth)) if answers.take(&refused) => {
                oauth.answer(*refused).await
            }
            (Stopped::Fault(fault) | Stopped::Refused(_, fault), _) => Err(fault),
        }
    }

    /// What the server wants of a request without a token.
    pub(super) async fn challenge(&self) -> Challenge {
        let initialize =
            outbound::initialize(PROBE, ProtocolVersion::LATEST_LEGACY, client(), ClientCapabilities::NONE);
        let (headers, discover) = discovery();
        for (headers, body) in [(headers, discover), (Vec::new(), initialize)] {
            let mut request = self.request(Method::POST, &headers, None, body);
            request.headers_mut().remove(http::header::AUTHORIZATION);
            let mut response = self.send(request, self.limits.message_bytes_max);
            if let Ok(Part::Refused(status, _)) = response.next().await
                && let Some(refused) = response.refused(status)
            {
                return refused.challenge;
            }
        }
        Challenge::default()
    }

    async fn handshake_once(
        &self,
        credential: Option<&Secret>,
        client: ClientCapabilities,
    ) -> Result<Begun, Stopped> {
        match self.known_way() {
            Some(Way::Session) => self.begin(credential, client).await,
            Some(Way::Events) => self.open(credential).await,
            Some(Way::Stateless) => match self.discover(credential).await? {
                Some(session) => Ok(Begun::Session(session)),
                None => {
                    self.remember(None);
                    let text = "it does not answer `server/discover` as a modern server";
                    Err(unavailable(&self.server, text).into())
                }
            },
            None => match self.discover(credential).await? {
                Some(session) => {
                    self.remember(Some(Way::Stateless));
                    Ok(Begun::Session(session))
                }
                None => self.begin(credential, client).await,
            },
        }
    }

    /// As a server of the revisions with `initialize`: by streamable HTTP, or, if it refuses that as those do that
    /// know only the older transport, by that.
    async fn begin(&self, credential: Option<&Secret>, client: ClientCapabilities) -> Result<Begun, Stopped> {
        let refused = match self.initialize(credential, client).await? {
            Initialized::Session(session) => {
                self.remember(Some(Way::Session));
                return Ok(Begun::Session(session));
            }
            Initialized::Refused(fault) => fault,
        };
        match Opened::at(self, credential).await {
            Ok(opened) => {
                self.remember(Some(Way::Events));
                Ok(Begun::Events(Box::new(opened)))
            }
            Err(NotOpened::Absent(_)) => Err(refused.into()),
            Err(NotOpened::Stopped(stopped)) => Err(stopped),
        }
    }

    /// As a server that was found, or said, to speak the older transport.
    async fn open(&self, credential: Option<&Secret>) -> Result<Begun, Stopped> {
        match Opened::at(self, credential).await {
            Ok(opened) => Ok(Begun::Events(Box::new(opened))),
            Err(NotOpened::Absent(fault)) => {
                self.remember(None);
                Err(fault.into())
            }
            Err(NotOpened::Stopped(stopped)) => Err(stopped),
        }
    }

    /// `None`: it is not modern.
    async fn discover(&self, credential: Option<&Secret>) -> Result<Option<Session>, Stopped> {
        let (headers, body) = discovery();
        let mut response = self.post(&headers, credential, body);
        let (verdict, offers) = match self.reply(&mut response, PROBE, |_| {}).await? {
            Replied::Outcome(outcome, status) => (judge(&outcome, Some(status.as_u16())), outcome.offers()),
            Replied::Refused(status) if status.is_client_error() => (Verdict::Legacy, Offers::default()),
            Replied::Refused(status) => return Err(self.refused(status).into()),
        };
        response.finish();
        match verdict {
            Verdict::Modern(version) => Ok(Some(Session::new(version, None, offers))),
            Verdict::Legacy => Ok(None),
            Verdict::Incompatible => {
                Err(unavailable(&self.server, "it speaks only revisions that we do not speak").into())
            }
        }
    }

    async fn initialize(
        &self,
        credential: Option<&Secret>,
        can: ClientCapabilities,
    ) -> Result<Initialized, Stopped> {
        let body = outbound::initialize(PROBE, ProtocolVersion::LATEST_LEGACY, client(), can);
        let mut response = self.post(&[], credential, body);
        let older = |status: StatusCode| matches!(status.as_u16(), 400 | 404 | 405);
        let outcome = match self.reply(&mut response, PROBE, |_| {}).await? {
            Replied::Refused(status) if older(status) => {
                return Ok(Initialized::Refused(self.refused(status)));
            }
            Replied::Refused(status) => return Err(self.refused(status).into()),
            Replied::Outcome(Outcome::Error(_), status) if older(status) => {
                let fault = unavailable(&self.server, "it answers `initialize` with an error");
                return Ok(Initialized::Refused(fault));
            }
            Replied::Outcome(outcome, _) => outcome,
        };
        let Outcome::Result(result) = &outcome else {
            return Err(unavailable(&self.server, "it answers `initialize` with an error").into());
        };
        let version = result.protocol_version().and_then(ProtocolVersion::parse);
        let Some(version) = version.filter(|version| version.era() == Era::Legacy) else {
            let known = match self.era {
                Configured::Auto => "it answers `initialize` with a revision we do not speak",
                _ => "it answers `initialize` with a revision we do not speak; configure its era",
            };
            return Err(unavailable(&self.server, known).into());
        };
        let id = response.session().map(|id| self.session_id(id)).transpose()?;
        response.finish();
        let session = Session::new(version, id, outcome.offers());
        self.notify(&session, credential, outbound::initialized()).await?;
        Ok(Initialized::Session(session))
    }

    fn session_id(&self, id: &HeaderValue) -> Result<HeaderValue, UpstreamFault> {
        let visible = id.as_bytes().iter().all(|byte| (0x21..=0x7e).contains(byte));
        if !visible || id.is_empty() || id.len() > SESSION_ID_BYTES {
            return Err(violation(&self.server, "its session id is not made of visible characters"));
        }
        let mut id = id.clone();
        id.set_sensitive(true);
        Ok(id)
    }

    /// Sends a notification, or an answer to a question.
    pub(super) async fn notify(
        &self,
        session: &Session,
        credential: Option<&Secret>,
        message: Bytes,
    ) -> Result<(), UpstreamFault> {
        let mut response = self.post(&session.headers(), credential, message);
        match response.next().await {
            Ok(Part::Refused(status, _)) => Err(self.refused(status)),
            Ok(_) => Ok(()),
            Err(unreadable) => Err(self.unreadable(unreadable)),
        }
    }

    /// Ends a session.
    pub(super) async fn end(&self, session: &Session) {
        if session.id.is_some() {
            let request = self.request(Method::DELETE, &session.headers(), None, Bytes::new());
            // Best effort: a server may not allow it, and ends idle sessions anyway.
            let _ended = self.send(request, 0).next().await;
        }
    }

    pub(super) fn post(
        &self,
        headers: &[(http::HeaderName, HeaderValue)],
        credential: Option<&Secret>,
        body: Bytes,
    ) -> Response {
        self.send(self.request(Method::POST, headers, credential, body), self.limits.message_bytes_max)
    }

    /// Reads on to the reply with this id. Notifications go to `hear`; questions are not answered here.
    pub(super) async fn reply(
        &self,
        response: &mut Response,
        id: u64,
        hear: impl Fn(&UpstreamMessage) + Send,
    ) -> Result<Replied, Stopped> {
        for _ in 0..=self.limits.notifications_max {
            match response.next().await.map_err(|unreadable| self.unreadable(unreadable))? {
                Part::Message(message) => match *message {
                    UpstreamMessage::Response { id: Some(given), outcome } if given == id => {
                        return Ok(Replied::Outcome(outcome, StatusCode::OK));
                    }
                    UpstreamMessage::Response { .. } => {
                        return Err(violation(&self.server, "it answers under an id that is not ours").into());
                    }
                    other => hear(&other),
                },
                Part::Refused(status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN), _) => {
                    let fault = self.refused(status);
                    return Err(match response.refused(status) {
                        Some(refused) => Stopped::Refused(Box::new(refused), fault),
                        None => fault.into(),
                    });
                }
                Part::Refused(status, Some(message)) => {
                    return Ok(match *message {
                        UpstreamMessage::Response { id: None, outcome } => Replied::Outcome(outcome, status),
                        UpstreamMessage::Response { id: Some(given), outcome } if given == id => {
                            Replied::Outcome(outcome, status)
                        }
                        _ => Replied::Refused(status),
                    });
                }
                Part::Refused(status, None) => return Ok(Replied::Refused(status)),
                Part::End => {
                    return Err(violation(&self.server, "it ended its response without an answer").into());
                }
            }
        }
        Err(violation(&self.server, "it floods a response with notifications").into())
    }

    /// The fault for a status that carries no answer.
    pub(super) fn refused(&self, status: StatusCode) -> UpstreamFault {
        use model::denial::Reason;
        let why = match status.as_u16() {
            401 => "it does not accept our credential (401); check the credential configured for it",
            403 => "it forbids what our credential asks (403); check the credential configured for it",
            300..=399 => "it redirects, which is never followed; configure the address it redirects to",
            404 | 405 => "there is no MCP endpoint at this address; check the path of its url",
            429 => "it asks us to slow down (429)",
            _ => "it answers with an HTTP error",
        };
        let text = format!("{why} (status {})", status.as_u16());
        crate::fault::maybe_sent(Reason::UpstreamUnavailable, &self.server, text)
    }

    /// The fault for a response that cannot be read.
    pub(super) fn unreadable(&self, unreadable: Unreadable) -> UpstreamFault {
        use model::denial::Reason;
        match unreadable {
            Unreadable::Broken(broken) if broken.sent => violation(&self.server, broken.why),
            Unreadable::Broken(broken) => unavailable(&self.server, broken.why),
            Unreadable::Violation(why) => violation(&self.server, why),
            Unreadable::TooLarge => crate::fault::maybe_sent(
                Reason::LimitExceeded,
                &self.server,
                "its answer is larger than allowed",
            ),
        }
    }
}

/// `server/discover`: its headers and body.
fn discovery() -> (Vec<(http::HeaderName, HeaderValue)>, Bytes) {
    let version = ProtocolVersion::LATEST;
    let headers = outbound::headers(version, "server/discover", None);
    let headers = headers.iter().filter_map(|(name, value)| header(name, value)).collect();
    (headers, outbound::discover(PROBE, version, client()))
}
