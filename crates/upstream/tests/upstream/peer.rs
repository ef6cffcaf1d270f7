//! An HTTP server on loopback that answers as a test says, down to the bytes, and remembers what it was asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use model::json::Json;
use model::limits::JsonLimits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) http_method: String,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Json,
    /// The body to the byte.
    pub(crate) text: String,
}

impl Seen {
    /// The JSON-RPC method; empty for answers and other requests.
    pub(crate) fn method(&self) -> &str {
        self.body.get("method").and_then(Json::as_str).unwrap_or_default()
    }

    /// A header's only value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} came twice");
        value
    }

    /// The id, as JSON.
    pub(crate) fn id(&self) -> String {
        self.body.get("id").map_or_else(|| "null".to_owned(), Json::canonical)
    }

    /// The tool's name.
    pub(crate) fn tool(&self) -> &str {
        self.body.get("params").and_then(|p| p.get("name")).and_then(Json::as_str).unwrap_or_default()
    }
}

/// What to do next on a connection.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Write(Vec<u8>),
    /// Events, as they come out of the channel, until the other side closes.
    Relay(Arc<tokio::sync::Mutex<tokio::sync::mpsc::UnboundedReceiver<String>>>),
    /// Wait until the other side closes.
    Hang,
    /// Close in the middle.
    Close,
    /// Wait until the question with this id is answered, and say on the stream what comes of it.
    Answered(&'static str, fn(call: &Seen, answer: &Seen) -> Vec<String>),
}

pub(crate) type Reply = Vec<Step>;

/// `application/json` with a length.
pub(crate) fn json(status: u16, extra: &str, body: &str) -> Reply {
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{extra}\r\n",
        body.len()
    );
    vec![Step::Write([head.as_bytes(), body.as_bytes()].concat())]
}

/// A status without a body.
pub(crate) fn empty(status: u16, extra: &str) -> Reply {
    vec![Step::Write(format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n{extra}\r\n").into_bytes())]
}

/// Events; the stream is left open, so that steps may follow.
pub(crate) fn events(messages: &[String]) -> Reply {
    let mut out =
        b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    out.extend(chunks(messages));
    vec![Step::Write(out)]
}

fn chunks(messages: &[String]) -> Vec<u8> {
    let mut out = Vec::new();
    for message in messages {
        let event = format!("event: message\ndata: {message}\n\n");
        out.extend_from_slice(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes());
    }
    out
}

/// Events and their end, all at once.
pub(crate) fn whole_events(messages: &[String]) -> Reply {
    let parts = events(messages).into_iter().chain([end()]);
    let bytes = parts.flat_map(|step| if let Step::Write(bytes) = step { bytes } else { Vec::new() });
    vec![Step::Write(bytes.collect())]
}

/// The end of a chunked body.
pub(crate) fn end() -> Step {
    Step::Write(b"0\r\n\r\n".to_vec())
}

/// A result for the request.
pub(crate) fn result(seen: &Seen, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, seen.id())
}

/// A result with one text.
pub(crate) fn said(seen: &Seen, text: &str) -> String {
    result(seen, &format!(r#"{{"content":[{{"type":"text","text":"{text}"}}]}}"#))
}

pub(crate) fn error(id: &str, code: i64, message: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"{message}"}}}}"#)
}

type Behave = dyn Fn(&Seen) -> Reply + Send + Sync;

/// A running server.
pub(crate) struct Peer {
    pub(crate) url: String,
    seen: watch::Sender<Vec<Seen>>,
    connections: Arc<AtomicUsize>,
    closed: watch::Sender<usize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Peer {
    pub(crate) async fn start(behave: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Arc<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let (seen, closed) = (watch::channel(Vec::new()).0, watch::channel(0).0);
        let connections = Arc::new(AtomicUsize::new(0));
        let behave: Arc<Behave> = Arc::new(behave);
        let (log, count, ended) = (seen.clone(), Arc::clone(&connections), closed.clone());
        let task = tokio::spawn(async move {
            // Ended with the peer: nobody is answered on a connection that was kept.
            let mut serving = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let (behave, log, ended) = (Arc::clone(&behave), log.clone(), ended.clone());
                serving.spawn(async move {
                    serve(stream, &*behave, &log).await;
                    ended.send_modify(|count| *count += 1);
                });
            }
        });
        Arc::new(Self { url, seen, connections, closed, task })
    }

    /// All requests of a JSON-RPC method so far.
    pub(crate) fn asked(&self, method: &str) -> Vec<Seen> {
        self.seen.borrow().iter().filter(|seen| seen.method() == method).cloned().collect()
    }

    /// All requests so far.
    pub(crate) fn all(&self) -> Vec<Seen> {
        self.seen.borrow().clone()
    }

    /// Waits for a request like this.
    pub(crate) async fn wait(&self, like: impl Fn(&Seen) -> bool) -> Seen {
        let mut seen = self.seen.subscribe();
        let all = seen.wait_for(|all| all.iter().any(&like)).await.unwrap();
        all.iter().find(|one| like(one)).cloned().unwrap()
    }

    /// Waits until so many connections were closed.
    pub(crate) async fn wait_closed(&self, count: usize) {
        self.closed.subscribe().wait_for(|closed| *closed >= count).await.unwrap();
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve(stream: TcpStream, behave: &Behave, log: &watch::Sender<Vec<Seen>>) {
    stream.set_nodelay(true).unwrap();
    let mut stream = BufReader::new(stream);
    while let Some(seen) = read_request(&mut stream).await {
        log.send_modify(|all| all.push(seen.clone()));
        for step in behave(&seen) {
            match step {
                Step::Write(bytes) if stream.get_mut().write_all(&bytes).await.is_ok() => {}
                Step::Relay(voice) => return relay(&mut stream, &voice).await,
                Step::Hang => {
                    // Returns when the other side closes; it sends nothing meanwhile.
                    let _closed = stream.read_u8().await;
                    return;
                }
                Step::Answered(id, say) => {
                    let is_answer = |one: &Seen| one.method().is_empty() && one.id() == id;
                    let mut all = log.subscribe();
                    let all = all.wait_for(|all| all.iter().any(is_answer)).await.unwrap().clone();
                    let answer = all.iter().find(|one| is_answer(one)).unwrap();
                    if stream.get_mut().write_all(&chunks(&say(&seen, answer))).await.is_err() {
                        return;
                    }
                }
                Step::Write(_) | Step::Close => return,
            }
        }
    }
}

async fn relay(
    stream: &mut BufReader<TcpStream>,
    voice: &tokio::sync::Mutex<tokio::sync::mpsc::UnboundedReceiver<String>>,
) {
    loop {
        // One stream at a time has the word; the next takes over when it is closed.
        let told = async { voice.lock().await.recv().await };
        let message = tokio::select! {
            _closed = stream.read_u8() => return,
            message = told => message,
        };
        let Some(message) = message else { return drop(stream.read_u8().await) };
        let event = format!("event: message\ndata: {message}\n\n");
        let chunk = format!("{:x}\r\n{event}\r\n", event.len());
        if stream.get_mut().write_all(chunk.as_bytes()).await.is_err() {
            return;
        }
    }
}

pub(crate) async fn read_request(stream: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let text = String::from_utf8(head).unwrap();
    let mut lines = text.lines();
    let mut line = lines.next()?.split(' ').map(str::to_owned);
    let (http_method, path) = (line.next()?, line.next()?);
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let text = String::from_utf8(body).unwrap();
    let body = Json::parse(text.as_bytes(), &JsonLimits::REQUEST).unwrap_or(Json::Null);
    Some(Seen { http_method, path, headers, body, text })
}

/// The tools every peer lists.
pub(crate) const TOOLS: &str = r#"{"tools":[
  {"name":"echo","inputSchema":{"type":"object"}},
  {"name":"query","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}},
  {"name":"bad-header","inputSchema":{"type":"object","properties":{"n":{"type":"number","x-mcp-header":"N"}}}}
],"ttlMs":0}"#;

/// A stateless server; `call` answers `tools/call`.
pub(crate) fn modern(
    call: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
) -> impl Fn(&Seen) -> Reply + Send + Sync {
    move |seen| match seen.method() {
        "server/discover" => json(
            200,
            "",
            &result(seen, r#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}"#),
        ),
        "tools/list" => json(200, "", &result(seen, TOOLS)),
        "tools/call" => call(seen),
        _ => json(404, "", &error(&seen.id(), -32601, "Method not found")),
    }
}

/// A server with sessions: ids count from `session-1`; only the newest is known.
pub(crate) fn legacy(
    call: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
) -> impl Fn(&Seen) -> Reply + Send + Sync {
    let sessions = Mutex::new(0);
    move |seen| match (seen.http_method.as_str(), seen.method()) {
        ("POST", "server/discover") => {
            json(400, "", &error("null", -32000, "Bad Request: Server not initialized"))
        }
        ("POST", "initialize") => {
            let mut sessions = sessions.lock().unwrap();
            *sessions += 1;
            let head = format!("mcp-session-id: session-{sessions}\r\n");
            let body = r#"{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"l","version":"1"}}"#;
            let mut reply = whole_events(&[result(seen, body)]);
            if let Some(Step::Write(bytes)) = reply.first_mut() {
                let at = bytes.windows(2).position(|two| two == b"\r\n").unwrap() + 2;
                bytes.splice(at..at, head.into_bytes());
            }
            reply
        }
        ("DELETE", _) => empty(200, ""),
        (_, "tools/list") => json(200, "", &result(seen, TOOLS)),
        (_, "tools/call") => call(seen),
        _ => empty(202, ""),
    }
}
