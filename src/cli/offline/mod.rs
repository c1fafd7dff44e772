//! Commands that need no server and no forge.

use super::Outcome;

/// A command that needs no server and no forge.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Prints the JSON Schema of strategy files
    Schema,
}

/// Runs one.
pub async fn run(command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Schema => super::output::json(&crate::domain::strategy::schema()),
    }
    Ok(Outcome::Done)
}
