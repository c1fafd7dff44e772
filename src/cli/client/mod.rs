//! Commands that ask or tell a running service.
//!
//! They find the service and the token by themselves on the machine of a demo or a `serve`; see
//! [`discovery`]. The words that they print are the API's.

pub mod discovery;
mod drift;
mod explain;
mod history;
mod hold;
mod overriding;
mod plan;
mod promote;
mod reject;
mod report;
mod retry;
mod rollback;
mod service;
mod status;
mod table;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use super::Outcome;
use service::{Failure, Service};

/// A command that asks or tells a running service.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Shows the state of every environment
    Status(status::Args),
    /// Shows what is about to be done
    Plan(plan::Args),
    /// Says why an environment runs what it runs, and what the next promotion waits for
    Explain(explain::Args),
    /// Shows what ran when
    History(history::Args),
    /// Promotes what is proposed in an environment
    Promote(promote::Args),
    /// Stops everything in an environment
    Hold(hold::HoldArgs),
    /// Takes a hold back, and what rollbacks keep out
    Unhold(hold::UnholdArgs),
    /// Brings back what ran in an environment before
    Rollback(rollback::Args),
    /// Brings back what was promoted last, over what others put into an environment
    Restore(drift::Args),
    /// Takes what others put into an environment as what runs there
    Adopt(drift::Args),
    /// Keeps a dry commit from being promoted anywhere
    Reject(reject::RejectArgs),
    /// Takes the rejection of a dry commit back
    Unreject(reject::UnrejectArgs),
    /// Lets a changed strategy come into force that drops what is under way
    Override(overriding::Args),
    /// Reports a commit status, such as `health success --sha SHA`
    Report(report::Args),
    /// Has everything that failed tried again
    Retry(retry::Args),
}

/// Where the service is.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Target {
    /// The service's address; found by itself on the same machine
    #[arg(long, value_name = "URL", env = "HYDROMOTE_SERVER")]
    pub server: Option<String>,
    /// The file with the API token
    #[arg(long, value_name = "FILE", env = "HYDROMOTE_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
    /// The strategy, as OWNER/REPO[/NAME]; not needed when there is one
    #[arg(long, value_name = "STRATEGY", env = "HYDROMOTE_STRATEGY")]
    pub strategy: Option<String>,
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// The API's document.
    Json,
}

/// Flags of commands that read.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Reading {
    #[command(flatten)]
    target: Target,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Flags of commands that act.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Acting {
    #[command(flatten)]
    target: Target,
    /// Who asks, for the record
    #[arg(long = "as", value_name = "NAME", env = "USER")]
    by: Option<String>,
}

/// Runs one.
pub async fn run(command: Command) -> anyhow::Result<Outcome> {
    crate::app::install_tls();
    let done = match command {
        Command::Status(args) => status::run(args).await,
        Command::Plan(args) => plan::run(args).await,
        Command::Explain(args) => explain::run(args).await,
        Command::History(args) => history::run(args).await,
        Command::Promote(args) => promote::run(args).await,
        Command::Hold(args) => hold::hold(args, (crate::app::wall_clock())()).await,
        Command::Unhold(args) => hold::unhold(args).await,
        Command::Rollback(args) => rollback::run(args).await,
        Command::Restore(args) => drift::run(drift::Act::Restore, args).await,
        Command::Adopt(args) => drift::run(drift::Act::Adopt, args).await,
        Command::Reject(args) => reject::reject(args).await,
        Command::Unreject(args) => reject::unreject(args).await,
        Command::Override(args) => overriding::run(args).await,
        Command::Report(args) => report::run(args).await,
        Command::Retry(args) => retry::run(args).await,
    };
    match done {
        Ok(()) => Ok(Outcome::Done),
        Err(Failure::No(problem)) => {
            super::output::progress(format_args!("{}\n{}", problem.error, problem.help));
            Ok(Outcome::No)
        }
        Err(Failure::CouldNot(error)) => Err(error),
    }
}
