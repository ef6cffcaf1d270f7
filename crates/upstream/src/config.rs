//! What an operator says about each upstream server. Must never be built from anything a request says: the
//! command line, the environment and the address come from the configuration alone.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use model::ids::ServerName;
use ports::sealed::SecretText;

pub use crate::http::oauth::KeyAudience;
use crate::leash::Leash;

/// One upstream server. No `Debug`: it may hold secrets.
#[derive(Clone)]
pub struct ServerConfig {
    /// Its name.
    pub name: ServerName,
    /// How it is reached.
    pub transport: Transport,
    /// Whether agents may share one child or session: only for servers that keep no state of a caller.
    pub shareable: bool,
    /// Which protocol era it speaks.
    pub era: Era,
    /// Its bounds.
    pub limits: Limits,
}

/// How a server is reached.
#[derive(Clone)]
pub enum Transport {
    /// A child process, one JSON-RPC message a line.
    Stdio(Command),
    /// Streamable HTTP, or HTTP+SSE.
    Http(HttpTarget),
}

/// A child's command. There is no shell: each element is one argument.
#[derive(Clone)]
pub struct Command {
    /// Program and arguments. A program without `/` is looked for in the `PATH` of this process.
    /// What is secret in them is filled in when the child is started, and nothing it says may hold it.
    pub argv: Vec<SecretText>,
    /// Variables set to these values. What is secret in them may not come back; nor may the values of variables
    /// whose names say so, like `GITHUB_TOKEN`, set or passed on.
    pub env: Vec<(String, SecretText)>,
    /// Names of variables passed on from the environment of this process, besides [`ENV_ALWAYS`].
    pub env_pass: Vec<String>,
    /// Working directory. Without one, each child gets a private directory of its own under the work
    /// directory, so relative paths in `argv` need this to be set.
    pub cwd: Option<PathBuf>,
    /// What ends the child's group when this process is killed.
    pub leash: Option<Leash>,
}

/// What every child gets from the environment of this process, when set there: where programs and the home
/// are, and how text and time look. Nothing else passes without being named.
pub const ENV_ALWAYS: [&str; 7] = ["PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"];

/// A server reached by HTTP.
#[derive(Clone)]
pub struct HttpTarget {
    /// `http://` or `https://`, without user, password or fragment.
    pub url: SecretText,
    /// PEM file with certificate authorities that are trusted besides the public ones.
    pub ca_file: Option<PathBuf>,
    /// Whether `http://` may leave this machine: only for a network that is trusted as a whole.
    pub allow_plain: bool,
    /// A credential the operator gave this server, for handshakes and lists. A lease's own goes first.
    pub bearer: Option<SecretText>,
    /// Headers of every request, besides those of HTTP and MCP.
    pub headers: Vec<(String, SecretText)>,
    /// How tokens for it are got, when it wants them and has neither a bearer nor a header `authorization`.
    pub oauth: OauthConfig,
}

/// How tokens for a server are got (OAuth 2.1). What is not said is found out.
#[derive(Clone, Default)]
pub struct OauthConfig {
    /// On whose behalf.
    pub grant: Grant,
    /// Who we are there: an id that was registered, or the https address of a client metadata document.
    pub client_id: Option<String>,
    /// Proves it. Goes to the token endpoint of `issuer` only.
    pub client_secret: Option<SecretText>,
    /// Proves it by signatures: a PEM private key.
    pub client_key: Option<SecretText>,
    /// Whom these signatures are for.
    pub key_audience: KeyAudience,
    /// The only authorization server that tokens are taken from.
    pub issuer: Option<String>,
    /// Hosts in private networks that the server may name, besides its own and the issuer's.
    pub hosts: Vec<String>,
    /// All that is ever asked for. Empty: what the server wants.
    pub scopes: Vec<String>,
    /// Where a login comes back to, `http://127.0.0.1:PORT/PATH`. Without one a free port is taken.
    pub redirect: Option<String>,
}

/// On whose behalf tokens are got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grant {
    /// A person's, who logs in (`authorization_code`).
    #[default]
    AuthorizationCode,
    /// Callgate's own (`client_credentials`).
    ClientCredentials,
}

impl Transport {
    /// The names it wants from the sealed store.
    pub(crate) fn sealed_names(&self) -> BTreeSet<String> {
        let texts: Vec<&SecretText> = match self {
            Self::Stdio(command) => {
                command.argv.iter().chain(command.env.iter().map(|(_, text)| text)).collect()
            }
            Self::Http(target) => {
                let headers = target.headers.iter().map(|(_, text)| text);
                let OauthConfig { client_secret, client_key, .. } = &target.oauth;
                let own = [&target.url].into_iter().chain(&target.bearer).chain(headers);
                own.chain(client_secret).chain(client_key).collect()
            }
        };
        texts.into_iter().flat_map(SecretText::sealed_names).map(str::to_owned).collect()
    }
}

/// Which protocol era a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// Find out.
    Auto,
    /// The revisions with `initialize`, from 2024-11-05 to 2025-11-25.
    Legacy,
    /// The stateless revisions, from 2026-07-28.
    Modern,
    /// HTTP+SSE, the transport of 2024-11-05. Only of a server that is reached by HTTP.
    Sse,
}

/// The bounds on one server. None is optional.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most time from starting to connect until all tools are listed. Servers in scripting languages start
    /// slowly, the more so when a package manager fetches them first.
    pub start: Duration,
    /// A lane without calls for so long is closed.
    pub idle: Duration,
    /// Most lanes of one server.
    pub lanes_max: usize,
    /// Most calls one lane has open.
    pub calls_max: usize,
    /// Most pages of one list.
    pub pages_max: usize,
    /// Most tools of one list.
    pub tools_max: usize,
    /// Most bytes of one list, all pages together.
    pub list_bytes_max: usize,
    /// Most bytes of one message: a line, an event, a body.
    pub message_bytes_max: usize,
    /// Most notifications during one call.
    pub notifications_max: u64,
    /// A child that wrote so many bad lines with no good answer between them is killed.
    pub strikes_max: u32,
    /// A list obtained by HTTP is trusted for so long, and as long as its `ttlMs` says, ...
    pub list_age_min: Duration,
    /// ... but never for longer than this.
    pub list_age_max: Duration,
    /// First pause after a failed start; doubles with each failure in a row.
    pub backoff_first: Duration,
    /// Longest pause.
    pub backoff_max: Duration,
    /// How long a child has to leave after its input is closed, and once more after SIGTERM.
    pub stop: Duration,
}

impl Limits {
    /// What `callgate.toml` gets when it says nothing.
    pub const DEFAULT: Self = Self {
        start: Duration::from_secs(30),
        idle: Duration::from_secs(15 * 60),
        lanes_max: 64,
        calls_max: 256,
        pages_max: 64,
        tools_max: 2_000,
        list_bytes_max: 16 << 20,
        message_bytes_max: 16 << 20,
        notifications_max: 10_000,
        strikes_max: 32,
        list_age_min: Duration::from_secs(60),
        list_age_max: Duration::from_secs(600),
        backoff_first: Duration::from_millis(200),
        backoff_max: Duration::from_secs(30),
        stop: Duration::from_secs(2),
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Why a server's configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Two servers have one name.
    #[error("server `{0}` is configured twice; give each its own name")]
    Duplicate(ServerName),
    /// No program.
    #[error("server `{0}` has no command; write the program and its arguments")]
    NoCommand(ServerName),
    /// Not an address we use.
    #[error("server `{server}` has url `{url}`: {problem}")]
    Url {
        /// Which server.
        server: ServerName,
        /// The url, escaped and shortened.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A header that cannot be sent.
    #[error(
        "server `{server}` has a header `{name}` that cannot be sent; a value is visible ASCII and spaces"
    )]
    Header {
        /// Which server.
        server: ServerName,
        /// Which header.
        name: String,
    },
    /// The bearer cannot be sent.
    #[error("server `{0}` has a bearer that cannot be sent; it is visible ASCII without spaces")]
    Bearer(ServerName),
    /// A scope that is none.
    #[error(
        "server `{0}` has a scope that is none; it is visible ASCII without spaces, quotes and backslashes"
    )]
    Scopes(ServerName),
    /// A secret it wants is not in the sealed store.
    #[error("server `{server}`: {missing}")]
    Missing {
        /// Which server.
        server: ServerName,
        /// Which secret.
        missing: ports::sealed::Missing,
    },
    /// The file of certificate authorities cannot be used.
    #[error("server `{server}` has ca_file `{file}`: {problem}")]
    Authorities {
        /// Which server.
        server: ServerName,
        /// The file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The TLS provider does not offer what we need.
    #[error("tls cannot be set up: {0}")]
    Tls(String),
}
