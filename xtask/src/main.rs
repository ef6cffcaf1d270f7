//! The project's chores: `tidy` (the rules as checks), `ci`, `bar` (the promised figures) and hidden bench pieces.
//!
//! Must never be needed by the product: nothing depends on this crate.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bar;
mod bench;
mod ci;
mod tidy;

#[derive(Parser)]
#[command(name = "xtask", about = "The project's chores")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Checks the project's rules; each finding says where and what to do
    Tidy {
        /// First rewrites docs/reference/deps.out
        #[arg(long)]
        bless: bool,
    },
    /// Everything a change must pass: tidy, format, lints, build, tests, documents, kill
    Ci {
        /// Only this step; may be repeated
        #[arg(long)]
        only: Vec<String>,
    },
    /// Measures the promised figures, one JSON object a line; fails when one falls short
    #[command(subcommand)]
    Bar(Bar),
    /// A fast MCP server on loopback
    #[command(hide = true)]
    FastUpstream {
        #[command(flatten)]
        listen: bench::serve::Listen,
        /// Which revisions it answers
        #[arg(long, value_enum, default_value = "both")]
        era: bench::upstream::Era,
        /// Keep each call's argument for `GET /seen`
        #[arg(long)]
        log: bool,
    },
    /// A proxy that checks nothing, on loopback
    #[command(hide = true)]
    BareProxy {
        #[command(flatten)]
        listen: bench::serve::Listen,
        /// Where everything goes
        #[arg(long)]
        to: SocketAddr,
    },
    /// Sends calls of `echo` and prints what it saw
    #[command(hide = true)]
    Load(LoadArgs),
}

#[derive(Subcommand)]
enum Bar {
    /// The door: real servers governed for real clients, end to end
    Door(bar::DoorArgs),
    /// A person's first minutes: import, connect, the first governed call, shims, leaks
    FirstMinutes(bar::FirstMinutesArgs),
    /// The whole of MCP: conformance, long-lived streams under load, cancelling, questions, property tests
    Mcp(bar::mcp::McpArgs),
}

#[derive(clap::Args)]
struct LoadArgs {
    #[arg(long)]
    addr: SocketAddr,
    #[arg(long, default_value = "/mcp")]
    path: String,
    #[arg(long, default_value = "none")]
    key: String,
    #[arg(long, value_enum, default_value = "modern")]
    wire: bench::wire::Wire,
    #[arg(long, default_value_t = 16)]
    connections: usize,
    #[arg(long, default_value_t = 10_000)]
    calls: u64,
}

fn load(args: LoadArgs) -> Result<(), String> {
    let plan = bench::load::Plan {
        target: bench::wire::Target { addr: args.addr, path: args.path, key: args.key },
        wire: args.wire,
        connections: args.connections,
        stop: bench::load::Stop::Calls(args.calls),
        one_session: false,
        first_marker: 0,
    };
    let report = bench::load::run(&plan)?;
    println!(
        r#"{{"served":{},"refused":{},"broken":{},"per_second":{:.0},"p50_micros":{:.1},"p99_micros":{:.1}}}"#,
        report.served,
        report.refused,
        report.broken,
        report.per_second(),
        report.micros(0.5),
        report.micros(0.99)
    );
    report.clean("load").map(|_| ())
}

fn main() -> ExitCode {
    let result = match Cli::parse().chore {
        Chore::Tidy { bless } => tidy::run(bless),
        Chore::Ci { only } => tidy::target().and_then(|target| ci::run(&tidy::root(), &target, &only)),
        Chore::Bar(Bar::Door(args)) => {
            tidy::target().and_then(|target| bar::door(&args, &tidy::root(), &target))
        }
        Chore::Bar(Bar::FirstMinutes(args)) => {
            tidy::target().and_then(|target| bar::first_minutes(&args, &tidy::root(), &target))
        }
        Chore::Bar(Bar::Mcp(args)) => {
            tidy::target().and_then(|target| bar::mcp::run(&args, &tidy::root(), &target))
        }
        Chore::FastUpstream { listen, era, log } => bench::upstream::run(listen, era, log),
        Chore::BareProxy { listen, to } => bench::proxy::run(listen, to),
        Chore::Load(args) => load(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
