//! A server of HTTP+SSE on loopback that says on its streams what a test says, and remembers what it was asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use crate::peer::{Seen, TOOLS, read_request, result};

/// What one POST brings.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    /// Written to the stream of its session, as it is.
    pub(crate) stream: String,
    /// Whether the stream is closed then.
    pub(crate) ends: bool,
}

/// Taken, and this event on the stream.
pub(crate) fn event(message: &str) -> Told {
    written(&format!("event: message\ndata: {}\n\n", message.replace('\n', "\ndata: ")))
}

/// Taken, and these bytes on the stream.
pub(crate) fn written(stream: &str) -> Told {
    Told { status: 202, stream: stream.to_owned(), ends: false }
}

/// Taken, and nothing on the stream.
pub(crate) fn silent() -> Told {
    written("")
}

/// Not taken.
pub(crate) fn refused(status: u16) -> Told {
    Told { status, ..silent() }
}

/// Read, and never answered: its connection stays as it is.
pub(crate) fn stuck() -> Told {
    refused(0)
}

/// Taken, and the stream ends.
pub(crate) fn cut() -> Told {
    Told { ends: true, ..silent() }
}

type Behave = dyn Fn(&Seen) -> Told + Send + Sync;
type Greet = dyn Fn(usize) -> String + Send + Sync;

#[derive(Default)]
struct Streams {
    count: usize,
    open: HashMap<usize, mpsc::UnboundedSender<Option<String>>>,
}

struct Shared {
    behave: Box<Behave>,
    greet: Box<Greet>,
    streams: Mutex<Streams>,
    seen: watch::Sender<Vec<Seen>>,
    closed: watch::Sender<usize>,
}

/// A running server.
pub(crate) struct OldPeer {
    pub(crate) url: String,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for OldPeer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The first event as servers write it.
pub(crate) fn endpoint(path: &str) -> String {
    format!("event: endpoint\ndata: {path}\n\n")
}

impl OldPeer {
    /// One that behaves but for how it answers calls.
    pub(crate) async fn start(call: impl Fn(&Seen) -> Told + Send + Sync + 'static) -> Self {
        Self::greeting(|stream| endpoint(&format!("/messages?s={stream}")), call).await
    }

    /// One that begins its streams with this.
    pub(crate) async fn greeting(
        greet: impl Fn(usize) -> String + Send + Sync + 'static,
        call: impl Fn(&Seen) -> Told + Send + Sync + 'static,
    ) -> Self {
        let behave = move |seen: &Seen| match seen.method() {
            "initialize" => {
                let body = r#"{"protocolVersion":"2024-11-05","capabilities":{"tools":{}},"serverInfo":{"name":"o","version":"1"}}"#;
                event(&result(seen, body))
            }
            "tools/list" => event(&result(seen, TOOLS)),
            "tools/call" => call(seen),
            _ => silent(),
        };
        Self::behaving(greet, behave).await
    }

    /// One that does as it is told.
    pub(crate) async fn behaving(
        greet: impl Fn(usize) -> String + Send + Sync + 'static,
        behave: impl Fn(&Seen) -> Told + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/sse", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            behave: Box::new(behave),
            greet: Box::new(greet),
            streams: Mutex::default(),
            seen: watch::channel(Vec::new()).0,
            closed: watch::channel(0).0,
        });
        let own = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&own)));
            }
        });
        Self { url, shared, task }
    }

    /// Writes to a stream, counted from 1.
    pub(crate) fn push(&self, stream: usize, text: &str) {
        self.shared.push(stream, Some(text.to_owned()));
    }

    /// Ends a stream.
    pub(crate) fn end(&self, stream: usize) {
        self.shared.push(stream, None);
    }

    /// How many streams were opened.
    pub(crate) fn opened(&self) -> usize {
        self.shared.streams.lock().unwrap().count
    }

    /// Waits until so many streams were closed by the other side.
    pub(crate) async fn wait_closed(&self, count: usize) {
        self.shared.closed.subscribe().wait_for(|closed| *closed >= count).await.unwrap();
    }

    /// All requests so far.
    pub(crate) fn all(&self) -> Vec<Seen> {
        self.shared.seen.borrow().clone()
    }

    /// All requests of a JSON-RPC method so far.
    pub(crate) fn asked(&self, method: &str) -> Vec<Seen> {
        self.all().into_iter().filter(|seen| seen.method() == method).collect()
    }

    /// Waits for a request like this.
    pub(crate) async fn wait(&self, like: impl Fn(&Seen) -> bool) -> Seen {
        let mut seen = self.shared.seen.subscribe();
        let all = seen.wait_for(|all| all.iter().any(&like)).await.unwrap();
        all.iter().find(|one| like(one)).cloned().unwrap()
    }
}

impl Shared {
    fn push(&self, stream: usize, text: Option<String>) {
        if let Some(open) = self.streams.lock().unwrap().open.get(&stream) {
            let _gone = open.send(text);
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    stream.set_nodelay(true).unwrap();
    let mut stream = BufReader::new(stream);
    while let Some(seen) = read_request(&mut stream).await {
        shared.seen.send_modify(|all| all.push(seen.clone()));
        if seen.http_method == "GET" {
            return events(&mut stream, &shared).await;
        }
        let told = match seen.path.split_once("?s=") {
            Some((_, of)) => {
                let (of, told) = (of.parse().unwrap(), (shared.behave)(&seen));
                shared.push(
                    of,
                    Some(told.stream.clone()).filter(|text| !text.is_empty()).or(Some(String::new())),
                );
                if told.ends {
                    shared.push(of, None);
                }
                told
            }
            None => refused(404),
        };
        if told.status == 0 {
            return std::future::pending().await;
        }
        let reply = format!(
            "HTTP/1.1 {} X\r\ncontent-type: text/plain\r\ncontent-length: 8\r\n\r\nAccepted",
            told.status
        );
        if stream.get_mut().write_all(reply.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn events(stream: &mut BufReader<TcpStream>, shared: &Shared) {
    let (open, mut texts) = mpsc::unbounded_channel();
    let number = {
        let mut streams = shared.streams.lock().unwrap();
        streams.count += 1;
        let number = streams.count;
        streams.open.insert(number, open);
        number
    };
    let head =
        "HTTP/1.1 200 X\r\ncontent-type: text/event-stream; charset=utf-8\r\nconnection: close\r\n\r\n";
    let greeting = format!("{head}{}", (shared.greet)(number));
    let (mut from, mut to) = stream.get_mut().split();
    if to.write_all(greeting.as_bytes()).await.is_ok() {
        loop {
            tokio::select! {
                _ = from.read_u8() => break,
                text = texts.recv() => match text {
                    Some(Some(text)) if to.write_all(text.as_bytes()).await.is_ok() => {}
                    _ => break,
                },
            }
        }
    }
    shared.streams.lock().unwrap().open.remove(&number);
    shared.closed.send_modify(|count| *count += 1);
}
