//! The binary: composition root and command line. Must never hold a rule of its own: it wires and it prints.

mod adapters;
mod approvals;
mod certify;
mod cli;
mod complete;
mod compose;
mod connect;
mod credential;
mod detach;
mod doctor;
mod exit;
mod files;
mod idle;
mod import;
mod login;
mod notify;
mod operate;
mod remote;
mod render;
mod seal;
mod sealed;
mod style;
mod terminal;
mod tour;
mod up;
mod wrap;

use clap::Parser;

/// Entries are made in one thread and freed in another, by the hundred at once: the system's allocator waits for its
/// locks then.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Printing help cannot fail in a way that matters more than the exit code.
            drop(error.print());
            let code = if error.use_stderr() { exit::USAGE } else { exit::OK };
            return std::process::ExitCode::from(code);
        }
    };
    let outcome = match &cli.command {
        // Neither needs what serves: a client starts many of the first.
        cli::Command::Wrap(wrap) => wrap::run(&files::config_path(cli.config.as_deref()), wrap),
        cli::Command::Up(up) if up.detach => detach::start(),
        cli::Command::Leash => {
            wrap::small::begin_anew();
            upstream::leash::watch(std::io::stdin().lock());
            Ok(exit::OK)
        }
        _ => serve(cli),
    };
    match outcome {
        Ok(code) => std::process::ExitCode::from(code),
        Err(failure) => {
            failure.print();
            std::process::ExitCode::from(failure.code)
        }
    }
}

fn serve(cli: cli::Cli) -> Result<u8, exit::Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads()).enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(error) => Err(exit::Failure::new(exit::INTERNAL, format!("cannot start: {error}"))),
    }
}

/// One a core and at least two: one may be waiting for the disk (ADR 0020).
fn threads() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get).max(2)
}

async fn run(cli: cli::Cli) -> Result<u8, exit::Failure> {
    let output = cli.output;
    let config = files::config_path(cli.config.as_deref());
    if matches!(cli.command, cli::Command::Import(_) | cli::Command::Connect(_)) {
        files::only_chosen(cli.config.as_deref(), &config)?;
    }
    match cli.command {
        cli::Command::Up(up) => up::run(&config, &up).await,
        cli::Command::Config(command) => operate::config(&config, command, output),
        cli::Command::Completions { shell } => complete::completions(shell),
        cli::Command::Man { directory } => complete::man(directory.as_deref()),
        cli::Command::Seal(command) => seal::run(&config, command, output).await,
        cli::Command::Import(import) => import::run(&config, import, output).await,
        cli::Command::Connect(connect) => connect::connect(&config, connect, output).await,
        cli::Command::Disconnect(disconnect) => connect::disconnect(&config, &disconnect, output),
        cli::Command::Tour(tour) => tour::run(tour).await,
        cli::Command::TourServer { definition } => tour::serve(&definition),
        cli::Command::Doctor(doctor) => {
            let chosen = files::is_chosen(cli.config.as_deref(), &config);
            doctor::run(&config, chosen, doctor, output).await
        }
        cli::Command::Clients => connect::clients(output),
        cli::Command::Servers(cli::Servers::Login(login)) => login::login(&config, &login, output).await,
        cli::Command::Servers(cli::Servers::Logout { server }) => login::logout(&config, &server).await,
        command => operate::run(&config, command, output).await,
    }
}
