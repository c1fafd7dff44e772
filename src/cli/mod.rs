//! The command line: one file per command.
//!
//! Exit codes are stable: 0 done, 1 the answer is no (invalid, differs, blocked), 2 could not run.

pub mod client;
pub mod demo;
pub mod offline;
pub mod output;
pub mod serve;

use std::{ffi::OsString, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};

/// Hydrates Kubernetes manifests into environment branches and promotes them by pull request.
#[derive(Debug, Parser)]
#[command(name = "hydromote", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the service
    Serve(serve::Args),
    /// Shows the whole course on this machine: a local forge, an example repository, promotions
    Demo(demo::Args),
    #[command(flatten)]
    Offline(offline::Command),
    #[command(flatten)]
    Client(client::Command),
    /// Prints a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Lists where `HYDROMOTE_CRASH` can have the service end; builds for tests only
    #[cfg(debug_assertions)]
    #[command(hide = true)]
    CrashPoints,
    /// Starts a program under limits; the service calls itself so
    #[command(hide = true, disable_help_flag = true)]
    Launch {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// What a command came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is done, or the answer is yes.
    Done,
    /// The answer is no: invalid, differs, blocked.
    No,
}

/// Runs the command line; returns the exit code.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        // Before any thread exists: the process becomes another program.
        Command::Launch { arguments } => hydrators::launch::run(arguments),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "hydromote", &mut std::io::stdout());
            Ok(Outcome::Done)
        }
        #[cfg(debug_assertions)]
        Command::CrashPoints => {
            crate::crash::fail_points().for_each(|point| output::line(&point));
            Ok(Outcome::Done)
        }
        Command::Serve(args) => in_runtime(serve::run(args)),
        Command::Demo(args) => in_runtime(demo::run(args)),
        Command::Offline(command) => in_runtime(offline::run(command)),
        Command::Client(command) => in_runtime(client::run(command)),
    };
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::No) => ExitCode::from(1),
        Err(error) => {
            output::error(&error);
            ExitCode::from(2)
        }
    }
}

fn in_runtime(work: impl Future<Output = anyhow::Result<Outcome>>) -> anyhow::Result<Outcome> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}
