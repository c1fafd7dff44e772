//! `hydromote demo`: a local forge and the service in one process, and a course of promotions to
//! look at.
//!
//! Everything is real: the repository is pushed to over HTTP, the service hears of it by signed
//! webhooks, renders with Helm and Kustomize, and speaks with the forge through the GitHub adapter.

mod cost;
mod example;
mod replay;
mod stage;
mod story;
mod summary;

use std::{path::PathBuf, time::Instant};

use self::stage::Stage;
use super::{Outcome, output};
use crate::app::{self, Verbosity};

/// Flags of `demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Plays the story to its end and exits
    #[arg(long)]
    once: bool,
    /// How the end is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    output: Format,
    /// Keeps everything here: bare repositories under `git/`, the database; must be empty
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Plays the history of this repository (a git directory or a bundle) instead of the story
    #[arg(long, value_name = "REPO", requires = "strategy")]
    repo: Option<PathBuf>,
    /// The strategy for that repository
    #[arg(long, value_name = "FILE", requires = "repo")]
    strategy: Option<PathBuf>,
    /// How many of its newest commits that touch the strategy's sources are played
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    commits: u32,
    /// Looks for Helm and Kustomize here first
    #[arg(long, value_name = "DIR", env = "HYDROMOTE_TOOLS")]
    tools: Option<PathBuf>,
}

/// How the end is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON document; the story goes to standard error.
    Json,
}

/// Prints the story as it happens.
#[derive(Debug, Clone, Copy)]
struct Narrator {
    format: Format,
}

impl Narrator {
    /// Prints one line of the story.
    fn say(self, line: impl std::fmt::Display) {
        match self.format {
            Format::Text => output::line(line),
            Format::Json => output::progress(line),
        }
    }
}

/// Runs the demo.
pub async fn run(args: Args) -> anyhow::Result<Outcome> {
    app::telemetry(Verbosity::Demo);
    app::install_tls();
    let narrator = Narrator { format: args.output };
    let temporary = if args.dir.is_none() { Some(tempfile::tempdir()?) } else { None };
    let folder = match (&args.dir, &temporary) {
        (Some(dir), _) => stage::empty_folder(dir)?,
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => unreachable!("because one of the two was made"),
    };
    let began = Instant::now();
    let stage = Stage::set(&folder, args.tools.as_deref(), narrator).await?;
    let played = async {
        match (&args.repo, &args.strategy) {
            (Some(repo), Some(strategy)) => replay::play(&stage, repo, strategy, args.commits).await,
            _ => story::play(&stage).await,
        }
    };
    let played = tokio::select! {
        played = played => played,
        () = app::end_of_service() => {
            stage.strike().await?;
            return Ok(Outcome::Done);
        }
    };
    let outcome = match played {
        Ok(dry_commits) => {
            summary::print(&stage, dry_commits, began, args.output).await?;
            if !args.once {
                stage.stay_up().await?;
            }
            Ok(Outcome::Done)
        }
        Err(error) => Err(error),
    };
    stage.strike().await?;
    outcome
}
