//! Commands that need no server, and but for `doctor` no forge.
//!
//! They read a repository and never write to it (`init` and `lock` write one file to its work tree, and `adopt`
//! pushes one commit when it is told to).
//! Progress goes to standard error, results to standard output.

pub mod adopt;
pub mod branch;
pub mod checkout;
pub mod diff;
pub mod doctor;
pub mod format;
pub mod hydrate;
pub mod init;
mod lanes;
pub mod lock;
pub mod mistakes;
pub mod progress;
pub mod renderer;
pub mod roots;
pub mod schema;
pub mod strategies;
pub mod validate;
pub mod verify;
pub mod work_tree;

use super::Outcome;

/// A command that needs no server and no forge.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Writes a commented hydromote.yaml for what is in a repository
    Init(init::Args),
    /// Takes over an environment branch that another tool wrote until now
    TakeOver(adopt::Args),
    /// Finds every mistake in the strategy, and shows what would be rendered
    Validate(validate::Args),
    /// Pins charts from elsewhere in hydromote.lock
    Lock(lock::Args),
    /// Renders environments to a folder, exactly as they would be committed
    Hydrate(hydrate::Args),
    /// Shows what changes in the rendered manifests between two revisions
    Diff(diff::Args),
    /// Renders again what environment branches claim to hold, and compares
    Verify(verify::Args),
    /// Says whether this machine can render, what the kernel keeps renderers from, and what forges let the service do
    Doctor(doctor::Args),
    /// Prints the JSON Schema of strategy files
    Schema,
}

/// Runs one.
pub async fn run(command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Init(args) => init::run(&args).await,
        Command::TakeOver(args) => adopt::run(args).await,
        Command::Validate(args) => validate::run(args).await,
        Command::Lock(args) => lock::run(args).await,
        Command::Hydrate(args) => hydrate::run(args).await,
        Command::Diff(args) => diff::run(args).await,
        Command::Verify(args) => verify::run(args).await,
        Command::Doctor(args) => doctor::run(args).await,
        Command::Schema => Ok(schema::run()),
    }
}
