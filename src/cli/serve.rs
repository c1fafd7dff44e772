//! `hydromote serve`: the service.

use std::path::PathBuf;

use super::Outcome;

/// Flags of `serve`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The settings file
    #[arg(long, value_name = "FILE", env = "HYDROMOTE_CONFIG")]
    config: Option<PathBuf>,
}

/// Runs the service until a signal ends it.
pub async fn run(args: Args) -> anyhow::Result<Outcome> {
    crate::app::serve(args.config.as_deref()).await?;
    Ok(Outcome::Done)
}
