//! `hydromote demo`.

use super::Outcome;

/// Flags of `demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Plays the story to its end and exits
    #[arg(long)]
    once: bool,
}

/// Runs the demo.
pub async fn run(_args: Args) -> anyhow::Result<Outcome> {
    Ok(Outcome::Done)
}
