//! Commands that ask or tell a running service.

use super::Outcome;

/// A command that asks or tells a running service.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Shows the state of every environment
    Status,
}

/// Runs one.
pub async fn run(command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Status => Ok(Outcome::Done),
    }
}
