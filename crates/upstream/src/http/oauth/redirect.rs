//! Where the browser comes back to after a login: one loopback address, for one answer. Must never take an answer
//! without the state of this very login, nor listen to anything but this machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use model::bytes_eq::constant_time_eq;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::address::{Address, is_loopback};
use super::encode::read_form;
use super::fault::OauthFault;

/// Longest head of a request.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Most time for one request: browsers open connections that they do not use.
const REQUEST: Duration = Duration::from_secs(10);
/// Most connections at once.
const CONNECTIONS_MAX: usize = 32;
/// How long a person has.
const MINUTES: u64 = 10;

/// The fields of an answer.
pub(super) type Fields = Vec<(String, String)>;

/// A listener for one login.
pub(super) struct Redirect {
    listener: TcpListener,
    path: String,
    uri: String,
}

impl Redirect {
    /// Listens, on a port of the system's choice unless one is configured.
    ///
    /// # Errors
    /// When the configured address is not one of this machine, or is taken.
    pub(super) async fn listen(configured: Option<&str>) -> Result<Self, OauthFault> {
        let machine = |problem: String| OauthFault::Machine(problem);
        let (port, path) = match configured {
            None => (0, "/callback".to_owned()),
            Some(uri) => of(uri).map_err(|what| machine(format!("`redirect` cannot be used: {what}")))?,
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let failed = |error: std::io::Error| machine(format!("cannot listen on {address}: {error}"));
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let uri = configured.map_or_else(|| format!("http://127.0.0.1:{port}{path}"), str::to_owned);
        Ok(Self { listener, path, uri })
    }

    /// As the authorization server is told.
    pub(super) fn uri(&self) -> &str {
        &self.uri
    }

    /// The fields of the first answer with this state.
    ///
    /// # Errors
    /// When there is none in time.
    pub(super) async fn answer(&self, state: &str) -> Result<Fields, OauthFault> {
        let nobody = |_| OauthFault::NobodyCame(MINUTES);
        tokio::time::timeout(Duration::from_secs(MINUTES * 60), self.first(state)).await.map_err(nobody)?
    }

    async fn first(&self, state: &str) -> Result<Fields, OauthFault> {
        let mut open: JoinSet<Option<Fields>> = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if open.len() < CONNECTIONS_MAX => {
                    let failed = |error| OauthFault::Machine(format!("cannot take the answer of the login: {error}"));
                    let (stream, _) = accepted.map_err(failed)?;
                    let (path, state) = (self.path.clone(), state.to_owned());
                    open.spawn(async move {
                        tokio::time::timeout(REQUEST, serve(stream, &path, &state)).await.ok().flatten()
                    });
                }
                Some(ended) = open.join_next() => {
                    if let Ok(Some(fields)) = ended {
                        return Ok(fields);
                    }
                }
            }
        }
    }
}

/// Port and path of a configured address.
fn of(uri: &str) -> Result<(u16, String), &'static str> {
    let address = Address::parse(uri)?;
    let port = uri.parse::<http::Uri>().ok().and_then(|uri| uri.port_u16()).filter(|port| *port != 0);
    match port {
        Some(port)
            if is_loopback(address.host()) && uri.starts_with("http://") && address.query().is_none() =>
        {
            let path = address.path();
            Ok((port, if path.is_empty() { "/".to_owned() } else { path.to_owned() }))
        }
        _ => Err("it is `http://127.0.0.1:PORT/PATH` with a port"),
    }
}

/// Whether a configured address can be listened on.
#[must_use]
pub fn is_redirect(uri: &str) -> bool {
    of(uri).is_ok()
}

/// Answers one request; its fields when it is the answer of this login.
async fn serve(mut stream: TcpStream, path: &str, state: &str) -> Option<Fields> {
    let head = head(&mut stream).await?;
    let fields = fields(&head, path, state);
    let (status, text) = match &fields {
        Some(_) => {
            ("200 OK", "Callgate has the answer. You can close this page and go back to the terminal.")
        }
        None => ("404 Not Found", "This is no answer to the login that Callgate waits for."),
    };
    let reply = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
         cache-control: no-store\r\nreferrer-policy: no-referrer\r\nx-content-type-options: nosniff\r\n\
         connection: close\r\n\r\n{text}",
        text.len()
    );
    // Whether the page is seen changes nothing.
    let _unseen = stream.write_all(reply.as_bytes()).await;
    let _unclosed = stream.shutdown().await;
    fields
}

async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut chunk = [0; 2048];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        let count = stream.read(&mut chunk).await.ok().filter(|count| *count > 0)?;
        head.extend_from_slice(chunk.get(..count)?);
        if head.len() > HEAD_BYTES_MAX {
            return None;
        }
    }
    String::from_utf8(head).ok()
}

/// The fields of a request that has this path and state.
fn fields(head: &str, path: &str, state: &str) -> Option<Fields> {
    let line = head.lines().next()?;
    let target = line.strip_prefix("GET ")?.split(' ').next()?;
    let (at, query) = target.split_once('?')?;
    let fields = read_form(query).filter(|_| at == path)?;
    let given = fields.iter().find(|(name, _)| name == "state")?;
    constant_time_eq(given.1.as_bytes(), state.as_bytes()).then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_with_the_state_of_this_login_is_one() {
        let read = |head: &str| fields(head, "/callback", "s-1").is_some();
        assert!(read("GET /callback?code=c&state=s-1 HTTP/1.1\r\nhost: x\r\n\r\n"));
        for none in [
            "GET /callback?code=c&state=s-2 HTTP/1.1\r\n\r\n",
            "GET /callback?code=c HTTP/1.1\r\n\r\n",
            "GET /other?code=c&state=s-1 HTTP/1.1\r\n\r\n",
            "POST /callback?code=c&state=s-1 HTTP/1.1\r\n\r\n",
            "GET /callback?code=c&state=s-1&state=s-2 HTTP/1.1\r\n\r\n",
            "GET /callback HTTP/1.1\r\n\r\n",
            "",
        ] {
            assert!(!read(none), "{none}");
        }
    }

    #[test]
    fn only_addresses_of_this_machine_are_listened_on() {
        assert_eq!(of("http://127.0.0.1:8765/callback"), Ok((8765, "/callback".to_owned())));
        assert_eq!(of("http://localhost:8765"), Ok((8765, "/".to_owned())));
        for bad in [
            "http://127.0.0.1/callback",
            "https://127.0.0.1:1/x",
            "http://10.0.0.1:1/x",
            "http://localhost:0/",
            "http://localhost:1/?a=b",
            "x",
        ] {
            assert!(!is_redirect(bad), "{bad}");
        }
    }

    #[tokio::test]
    async fn s14_strangers_are_sent_away_until_the_answer_comes() {
        let redirect = Redirect::listen(None).await.unwrap();
        let address = redirect
            .uri()
            .strip_prefix("http://")
            .and_then(|uri| uri.strip_suffix("/callback"))
            .unwrap()
            .to_owned();
        let browser = async move {
            let unused = TcpStream::connect(&address).await.unwrap();
            let mut answers = Vec::new();
            for query in ["code=evil&state=guess", "code=good&state=s-1"] {
                let mut stream = TcpStream::connect(&address).await.unwrap();
                let request = format!("GET /callback?{query} HTTP/1.1\r\nhost: x\r\n\r\n");
                stream.write_all(request.as_bytes()).await.unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).await.unwrap();
                answers.push(answer.split(' ').nth(1).unwrap_or_default().to_owned());
            }
            drop(unused);
            answers
        };
        let (answer, seen) = tokio::join!(redirect.answer("s-1"), browser);
        assert!(answer.unwrap().contains(&("code".to_owned(), "good".to_owned())));
        assert_eq!(seen, ["404", "200"]);
    }
}
