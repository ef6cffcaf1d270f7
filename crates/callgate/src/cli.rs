//! The command line. Must never take a secret as an argument.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Every tool call its own authorization decision, between AI agents and what they can touch.
#[derive(Parser)]
#[command(
    name = "callgate",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  callgate import cursor                       takes over the servers of an assistant
  callgate connect cursor                      lets it reach them through Callgate; `disconnect` takes it back
  callgate approvals                           what waits for you
  callgate log tail --follow                   every call as it happens
  callgate explain 01KAJ5W7Y0Q2S7M4F1N8ZB3C6D  one of them
  callgate doctor                              what is well and what is not

Data goes to standard output, everything else to standard error. Exit codes: 0 ok, 1 the answer is no,
2 usage, 65 bad input, 69 unavailable, 70 internal, 73 cannot create, 74 input/output, 75 try again,
77 not an operator, 78 bad configuration."
)]
pub(crate) struct Cli {
    /// The configuration file; without, `callgate.toml` here, or `~/.config/callgate/callgate.toml`.
    #[arg(long, global = true, env = "CALLGATE_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// How to print what was asked for.
    #[arg(long, short, global = true, value_enum, default_value_t = Output::Human)]
    pub(crate) output: Output,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How data is printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Human,
    /// One JSON document.
    Json,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve agents until stopped (SIGTERM ends, SIGHUP reads the policies again).
    Up(Up),
    /// Take over the servers of assistants: seal credentials, list tools, propose permits.
    Import(crate::import::Import),
    /// Let a client reach its imported servers through Callgate, under their old names.
    Connect(crate::connect::Connect),
    /// Put a client's files back as they were.
    Disconnect(crate::connect::Disconnect),
    /// The clients of this machine, and which of their servers are connected.
    Clients,
    /// Speak MCP on standard input and output for one server, through the local daemon, which is started if need be.
    #[command(after_help = "\
Examples:
  callgate wrap --agent cursor --server github
  callgate wrap --agent cursor -- npx -y @modelcontextprotocol/server-filesystem /srv/work

For the `mcp.json` of a client that starts its servers. The agent must have been added with
`callgate agents add NAME --local`; the server must be in the configuration, and its tools certified.")]
    Wrap(Wrap),
    /// End what a killed daemon leaves behind; started by it.
    #[command(hide = true)]
    Leash,
    /// What is in force: policies, tools, agents, entries; what waits for a person.
    Status,
    /// What is well on this machine and what is not, each with its fix.
    Doctor(crate::doctor::Doctor),
    /// A guided run on real servers with a real client, in a scratch folder: a read, a refusal, an approval, a changed tool.
    Tour(crate::tour::Tour),
    /// The tour's own server.
    #[command(hide = true)]
    TourServer {
        /// Where its tool's definition is.
        definition: PathBuf,
    },
    /// The agents that may call.
    #[command(subcommand)]
    Agents(Agents),
    /// The configured servers.
    #[command(subcommand)]
    Servers(Servers),
    /// The tools of the registry: certified, or in quarantine.
    #[command(subcommand)]
    Tools(Tools),
    /// Calls that wait for a person's approval; without a command, the list.
    Approvals(Approvals),
    /// The Cedar policies.
    #[command(subcommand)]
    Policy(Policy),
    /// The record of every call.
    #[command(subcommand)]
    Log(Log),
    /// One call from the record, in words.
    Explain {
        /// The call's id, as `log tail` shows it, or the id of an approval that it waited for.
        call: String,
    },
    /// Secrets kept encrypted in the state directory; the configuration names them as `${sealed:NAME}`.
    #[command(subcommand)]
    Seal(crate::seal::Seal),
    /// The configuration file.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the completion script of a shell: `callgate completions bash > …/bash-completion/completions/callgate`.
    Completions {
        /// Which shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write the pages of every command into a directory.
    Man {
        /// Where to write them.
        directory: Option<PathBuf>,
    },
}

#[derive(Args)]
pub(crate) struct Up {
    /// End when no client was there for ten minutes: how `callgate wrap` starts it.
    #[arg(long)]
    on_demand: bool,
    /// Another time than ten minutes.
    #[arg(long, hide = true, requires = "on_demand", default_value_t = 600, value_name = "SECONDS")]
    idle_seconds: u64,
    /// Start the same in a session of its own, and end.
    #[arg(long, hide = true, requires = "on_demand", conflicts_with = "detached")]
    pub(crate) detach: bool,
    /// Say on standard output what became of the start.
    #[arg(long, hide = true, requires = "on_demand")]
    pub(crate) detached: bool,
}

impl Up {
    /// After how long without a client to end.
    pub(crate) fn idle(&self) -> Option<Duration> {
        self.on_demand.then(|| Duration::from_secs(self.idle_seconds))
    }
}

#[derive(Args)]
pub(crate) struct Wrap {
    /// The agent the client acts as: one that was added with `--local`.
    #[arg(long, default_value = "local", value_name = "NAME")]
    pub(crate) agent: String,
    /// The configured server.
    #[arg(long, value_name = "NAME", required_unless_present = "command", conflicts_with = "command")]
    pub(crate) server: Option<String>,
    /// Instead of --server: the command of a configured server, exactly.
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
    /// As of `up`.
    #[arg(long, hide = true, default_value_t = 600, value_name = "SECONDS")]
    pub(crate) idle_seconds: u64,
}

#[derive(Subcommand)]
pub(crate) enum Agents {
    /// All agents and their keys' expiry. Keys are never shown again.
    List,
    /// Add an agent and print its key, once.
    Add(AddAgent),
    /// Make a new key; the old ones end after the overlap.
    Rotate(RotateAgent),
    /// Remove an agent: its keys stop now and its open calls are cancelled.
    Remove {
        /// The agent.
        name: String,
    },
}

#[derive(Args)]
pub(crate) struct AddAgent {
    /// A name that was never used: a-z 0-9 . _ -
    pub(crate) name: String,
    /// A group that policies name; may be repeated.
    #[arg(long = "group", value_name = "GROUP")]
    pub(crate) groups: Vec<String>,
    /// The person who answers for it.
    #[arg(long, default_value = "")]
    pub(crate) owner: String,
    /// Days until the key ends.
    #[arg(long, default_value_t = 90, value_name = "DAYS")]
    pub(crate) expires_days: i64,
    /// Without a key: programs of the user who runs this command may act as it on this machine (`callgate wrap`).
    #[arg(long, conflicts_with = "expires_days")]
    pub(crate) local: bool,
}

#[derive(Args)]
pub(crate) struct RotateAgent {
    /// The agent.
    pub(crate) name: String,
    /// Days until the new key ends.
    #[arg(long, default_value_t = 90, value_name = "DAYS")]
    pub(crate) expires_days: i64,
    /// Seconds the old keys still work.
    #[arg(long, default_value_t = 0, value_name = "SECONDS")]
    pub(crate) overlap_seconds: i64,
}

#[derive(Subcommand)]
pub(crate) enum Servers {
    /// The servers and how many of their tools are certified.
    List,
    /// Connect and list a server's tools now; without a name, all.
    Refresh {
        /// The server.
        server: Option<String>,
    },
    /// Get tokens for a server that wants them (OAuth), in a browser. They are kept sealed; agents never see them.
    Login(Login),
    /// Remove a server's tokens, and tell who gave them.
    Logout {
        /// The server.
        server: String,
    },
}

#[derive(Args)]
pub(crate) struct Login {
    /// The server.
    pub(crate) server: String,
    /// Only print the address where the login goes on.
    #[arg(long)]
    pub(crate) no_browser: bool,
}

#[derive(Subcommand)]
pub(crate) enum Tools {
    /// Tools, their status, risk class and flags.
    List {
        /// Only this server's.
        #[arg(long)]
        server: Option<String>,
        /// Only these: `quarantined` or `certified`.
        #[arg(long)]
        status: Option<String>,
    },
    /// One tool in full: definition, flags, what changed since it was certified.
    Show {
        /// `server__tool`.
        tool: String,
    },
    /// Certify a tool by name at the definition you were shown, or all that need no closer look.
    Certify(CertifyTool),
    /// Hide and refuse a tool until it is certified again.
    Quarantine {
        /// `server__tool`.
        tool: String,
    },
}

#[derive(Args)]
pub(crate) struct CertifyTool {
    /// `server__tool`.
    #[arg(required_unless_present = "all_unflagged", conflicts_with = "all_unflagged")]
    pub(crate) tool: Option<String>,
    /// The definition digest that `tools show` printed.
    #[arg(long, value_name = "SHA256", requires = "tool")]
    pub(crate) definition: Option<String>,
    /// Another risk class than proposed: `read`, `write` or `privileged`.
    #[arg(long, requires = "tool")]
    pub(crate) risk: Option<String>,
    /// Whether its results are secrets.
    #[arg(long, requires = "tool", value_name = "true|false")]
    pub(crate) returns_secrets: Option<bool>,
    /// Every tool without flags that is not privileged, in one step. Shows them and asks; one that changes meanwhile is
    /// left.
    #[arg(long)]
    pub(crate) all_unflagged: bool,
    /// With --all-unflagged: only this server's.
    #[arg(long, requires = "all_unflagged")]
    pub(crate) server: Option<String>,
    /// Do not ask; what is certified is shown all the same.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Args)]
pub(crate) struct Approvals {
    #[command(subcommand)]
    pub(crate) command: Option<ApprovalsCommand>,
}

#[derive(Subcommand)]
pub(crate) enum ApprovalsCommand {
    /// What waits, and what can be used; with --all, what ended within the last hour too.
    List {
        /// Also what was used, rejected, or has expired, unless the same call was asked anew since.
        #[arg(long)]
        all: bool,
    },
    /// One in full: exactly what will run.
    Show {
        /// The approval's id, or its beginning.
        id: String,
    },
    /// Let this very call run once. Shows it in full and asks.
    Approve(Approve),
    /// Say no; the agent is told what you say to it.
    Reject {
        /// The approval's id, or its beginning.
        id: String,
        /// What to tell the agent.
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Show new ones as they come, and ask in place on a terminal.
    Watch,
}

#[derive(Args)]
pub(crate) struct Approve {
    /// The approval's id, or its beginning.
    pub(crate) id: String,
    /// For the record.
    #[arg(long, default_value = "")]
    pub(crate) note: String,
    /// Do not ask. Needs --digest.
    #[arg(long, requires = "digest")]
    pub(crate) yes: bool,
    /// The call digest that `approvals show` printed: what was seen is what is approved.
    #[arg(long, value_name = "SHA256", requires = "yes")]
    pub(crate) digest: Option<String>,
}

#[derive(Subcommand)]
pub(crate) enum Policy {
    /// Check the policy files against the certified tools: every problem, with file and line.
    Check {
        /// Files or directories instead of the configured ones.
        paths: Vec<PathBuf>,
    },
    /// Put the policy files into force; on any problem the old ones stay.
    Reload,
    /// The Cedar schema, for editors.
    Schema,
}

#[derive(Subcommand)]
pub(crate) enum Log {
    /// The newest entries.
    Tail {
        /// How many.
        #[arg(long, short = 'n', default_value_t = 20)]
        limit: usize,
        /// From this index instead of the newest.
        #[arg(long)]
        from: Option<u64>,
        /// Go on printing as entries come.
        #[arg(long, short)]
        follow: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the configuration file: every problem, with line and fix.
    Check,
    /// The JSON Schema of the configuration.
    Schema,
}
