//! What the tests share: configurations, calls, and an observer that remembers. Must never sleep to wait.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use model::client::ClientCapabilities;
use model::ids::{AgentId, CallId, ServerName, ToolName};
use model::json::{Json, RawJson};
use model::limits::JsonLimits;
use model::time::Micros;
use model::tool::{PinnedTool, Risk, ToolRef};
use ports::BoxFuture;
use ports::broker::Lease;
use ports::definitions::{DefinitionObserver, Offered};
use ports::fault::Fault;
use ports::sealed::{SealedSecrets, SealedValues, SecretText};
use ports::secret::Secret;
use ports::tokens::{Stamp, TokenStore, sealed_name};
use ports::upstream::{
    Answer, Forward, Progress, Question, Reply, ResultStream, UpstreamEvent, UpstreamFault, Upstreams as _,
};
use registry::Listing;
use tokio::sync::watch;
use upstream::{Command, Era, HttpTarget, Limits, OauthConfig, ServerConfig, Transport, Upstreams};

/// Remembers the newest list.
pub(crate) struct Observer {
    lists: watch::Sender<Vec<Vec<RawJson>>>,
    refuse: Mutex<bool>,
}

impl DefinitionObserver for Observer {
    fn observed<'a>(&'a self, _: &'a ServerName, offered: Offered) -> BoxFuture<'a, Result<(), Fault>> {
        let refused = *self.refuse.lock().unwrap();
        if !refused {
            self.lists.send_modify(|lists| lists.push(offered.tools));
        }
        Box::pin(std::future::ready(if refused { Err(Fault::new("the store is gone")) } else { Ok(()) }))
    }
}

/// One server named `s`, and everything needed to call it.
pub(crate) struct Rig {
    pub(crate) upstreams: Upstreams,
    pub(crate) observer: Arc<Observer>,
    pub(crate) work_dir: PathBuf,
}

impl Drop for Rig {
    fn drop(&mut self) {
        // Left behind only if the machine is out of order.
        let _left = std::fs::remove_dir_all(&self.work_dir);
    }
}

pub(crate) fn name() -> ServerName {
    ServerName::parse("s").unwrap()
}

pub(crate) fn agent(name: &str) -> AgentId {
    AgentId::parse(name).unwrap()
}

pub(crate) fn script(file: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers").join(file).display().to_string()
}

/// A child running one of the scripts. Output is unbuffered and no byte code is written.
pub(crate) fn child(file: &str) -> ServerConfig {
    let argv = ["python3", "-B", "-u", &script(file)].map(str::to_owned).to_vec();
    let argv = argv.into_iter().map(SecretText::plain).collect();
    let command = Command { argv, env: Vec::new(), env_pass: Vec::new(), cwd: None, leash: None };
    config(Transport::Stdio(command))
}

pub(crate) fn site(url: String) -> ServerConfig {
    let url = SecretText::plain(url);
    let headers = Vec::new();
    let oauth = OauthConfig::default();
    config(Transport::Http(HttpTarget {
        url,
        ca_file: None,
        allow_plain: false,
        bearer: None,
        headers,
        oauth,
    }))
}

fn config(transport: Transport) -> ServerConfig {
    let limits = Limits { stop: Duration::from_millis(300), ..Limits::DEFAULT };
    ServerConfig { name: name(), transport, shareable: false, era: Era::Auto, limits }
}

/// A sealed store in memory, and how often it was written.
#[derive(Default)]
pub(crate) struct Store(pub(crate) Mutex<BTreeMap<String, String>>, AtomicUsize);

impl Store {
    pub(crate) fn put(&self, name: &str, value: &str) {
        self.0.lock().unwrap().insert(name.to_owned(), value.to_owned());
        self.1.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn writes(&self) -> usize {
        self.1.load(Ordering::Relaxed)
    }
}

impl SealedSecrets for Store {
    fn values<'a>(&'a self, names: &'a BTreeSet<String>) -> BoxFuture<'a, Result<SealedValues, Fault>> {
        let store = self.0.lock().unwrap();
        let value = |name: &String| Some((name.clone(), Secret::new(store.get(name)?.clone())));
        Box::pin(std::future::ready(Ok(names.iter().filter_map(value).collect())))
    }
}

impl TokenStore for Store {
    fn stamp(&self) -> Stamp {
        let mut hasher = std::hash::DefaultHasher::new();
        self.0.lock().unwrap().hash(&mut hasher);
        Stamp(hasher.finish().into())
    }

    fn load<'a>(&'a self, server: &'a ServerName) -> BoxFuture<'a, Result<Option<Secret>, Fault>> {
        let text = self.0.lock().unwrap().get(&sealed_name(server)).cloned();
        Box::pin(std::future::ready(Ok(text.map(Secret::new))))
    }

    fn keep<'a>(&'a self, server: &'a ServerName, text: &'a Secret) -> BoxFuture<'a, Result<(), Fault>> {
        self.put(&sealed_name(server), text.reveal());
        Box::pin(std::future::ready(Ok(())))
    }

    fn forget<'a>(&'a self, server: &'a ServerName) -> BoxFuture<'a, Result<bool, Fault>> {
        let gone = self.0.lock().unwrap().remove(&sealed_name(server)).is_some();
        Box::pin(std::future::ready(Ok(gone)))
    }
}

pub(crate) fn rig(config: ServerConfig) -> Rig {
    rig_with(config, Arc::default())
}

pub(crate) fn rig_with(config: ServerConfig, sealed: Arc<Store>) -> Rig {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let unique = format!("upstream-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let work_dir = std::env::temp_dir().join(unique);
    let observer = Arc::new(Observer { lists: watch::channel(Vec::new()).0, refuse: Mutex::new(false) });
    let heard: Arc<dyn DefinitionObserver> = Arc::<Observer>::clone(&observer);
    let tokens: Arc<dyn TokenStore> = Arc::<Store>::clone(&sealed);
    let sealed: Arc<dyn SealedSecrets> = sealed;
    let upstreams = Upstreams::new(vec![config], &heard, (&sealed, &tokens), work_dir.clone()).unwrap();
    Rig { upstreams, observer, work_dir }
}

impl Rig {
    /// How often tools were reported.
    pub(crate) fn lists(&self) -> usize {
        self.observer.lists.borrow().len()
    }

    /// The tools last reported.
    pub(crate) fn newest(&self) -> Vec<RawJson> {
        self.observer.lists.borrow().last().cloned().unwrap_or_default()
    }

    /// Waits until tools were reported so often.
    pub(crate) async fn listed(&self, times: usize) {
        let mut lists = self.observer.lists.subscribe();
        lists.wait_for(|lists| lists.len() >= times).await.unwrap();
    }

    /// From now on the registry cannot take lists.
    pub(crate) fn break_registry(&self) {
        *self.observer.refuse.lock().unwrap() = true;
    }

    pub(crate) async fn refresh(&self) -> Result<(), UpstreamFault> {
        self.upstreams.refresh(&name()).await
    }

    /// A tool as it was reported last.
    pub(crate) fn tool(&self, tool: &str) -> PinnedTool {
        let listing = Listing::read(&self.newest(), &[]);
        let found = listing.definitions.iter().find(|definition| definition.name().as_str() == tool);
        let definition = found.unwrap_or_else(|| panic!("{tool} is not listed")).digest();
        let tool = ToolName::parse(tool).unwrap();
        PinnedTool { name: ToolRef { server: name(), tool }, definition, risk: Risk::Read }
    }

    /// A call of a tool as it was reported last.
    pub(crate) fn call(&self, tool: &str, arguments: &str) -> Forward {
        Forward { arguments: raw(arguments), ..self.call_with(self.tool(tool)) }
    }

    /// A call without arguments.
    pub(crate) fn call_with(&self, tool: PinnedTool) -> Forward {
        Forward {
            call: CallId::new(Micros(1), [1; 10]),
            agent: agent("a"),
            tool,
            arguments: raw("{}"),
            trace: Vec::new(),
            wants_progress: false,
            answer_within: Duration::from_secs(30),
            client: ClientCapabilities::NONE,
            server_task: None,
            log: None,
            lease: Lease::NoCredentialNeeded,
            deadline: Duration::from_secs(30),
            bytes_max: 16 << 20,
        }
    }

    pub(crate) async fn open(&self, forward: Forward) -> Result<Box<dyn ResultStream>, UpstreamFault> {
        self.upstreams.open(forward).await
    }

    /// The answer, whatever came before it.
    pub(crate) async fn run(&self, forward: Forward) -> Result<Answer, UpstreamFault> {
        finish(self.open(forward).await?).await.1
    }

    /// The text of the answer.
    pub(crate) async fn text(&self, forward: Forward) -> String {
        text(&self.run(forward).await.unwrap())
    }

    /// Calls a tool that takes `text`.
    pub(crate) async fn say(&self, tool: &str, text: &str) -> Result<Answer, UpstreamFault> {
        self.run(self.call(tool, &format!(r#"{{"text":"{text}"}}"#))).await
    }
}

pub(crate) async fn finish(
    mut stream: Box<dyn ResultStream>,
) -> (Vec<Progress>, Result<Answer, UpstreamFault>) {
    let mut progress = Vec::new();
    loop {
        match stream.next().await {
            UpstreamEvent::Progress(step) => progress.push(step),
            UpstreamEvent::Log(_) | UpstreamEvent::Asks(_) => panic!("nothing of that was asked for"),
            UpstreamEvent::Done(answer) => return (progress, answer),
        }
    }
}

/// Everything a client can be asked.
pub(crate) fn able() -> ClientCapabilities {
    use ClientCapabilities as Can;
    let all = [
        Can::ELICIT_FORM,
        Can::ELICIT_URL,
        Can::SAMPLING,
        Can::SAMPLING_CONTEXT,
        Can::SAMPLING_TOOLS,
        Can::ROOTS,
    ];
    all.into_iter().fold(Can::NONE, Can::with)
}

/// The next event, which asks.
pub(crate) async fn asks(stream: &mut Box<dyn ResultStream>) -> Vec<Question> {
    match stream.next().await {
        UpstreamEvent::Asks(questions) => questions,
        other => panic!("{other:?}"),
    }
}

/// Answers a round: texts by their keys.
pub(crate) async fn reply(stream: &mut Box<dyn ResultStream>, replies: &[(&str, Option<&str>)]) {
    let reply =
        |(key, result): &(&str, Option<&str>)| Reply { key: Box::from(*key), result: result.map(raw) };
    stream.answer(replies.iter().map(reply).collect()).await;
}

pub(crate) fn raw(text: &str) -> RawJson {
    RawJson::parse(Bytes::from(text.to_owned()), &JsonLimits::REQUEST).unwrap().0
}

pub(crate) fn tree(raw: &RawJson) -> Json {
    Json::parse(raw.as_bytes(), &JsonLimits::UPSTREAM).unwrap()
}

pub(crate) fn text(answer: &Answer) -> String {
    let Answer::Result { result, .. } = answer else { panic!("{answer:?}") };
    let tree = tree(result);
    let Some(Json::Array(content)) = tree.get("content") else { panic!("no content") };
    content[0].get("text").and_then(Json::as_str).unwrap().to_owned()
}

/// Hears nothing.
pub(crate) struct Deaf;

impl DefinitionObserver for Deaf {
    fn observed<'a>(&'a self, _: &'a ServerName, _: Offered) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
