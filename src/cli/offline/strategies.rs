//! The strategies that a command works with: the repository's own, or a file given instead.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use hydrators::SourceTree;

use super::checkout::Checkout;
use crate::{
    cli::output,
    domain::{
        ids::EnvironmentName,
        strategy::{Environment, PromotionStrategy, StrategyFile, parse_strategies, parse_strategies_of},
    },
    reconcile::strategy_files::{FILE, FOLDER, File},
};

/// Which strategy to use.
#[derive(Debug, Default, clap::Args)]
pub struct StrategyArgument {
    /// A strategy file, in the repository or outside of it, instead of the repository's own
    #[arg(long, value_name = "FILE")]
    strategy: Option<PathBuf>,
}

/// One environment of a strategy.
#[derive(Debug, Clone)]
pub struct Target {
    /// The strategy.
    pub strategy: PromotionStrategy,
    /// The environment.
    pub environment: Environment,
}

/// Returns the strategy files in `tree`, or the one that was asked for; none is no error.
pub fn files(checkout: &Checkout, tree: &dyn SourceTree, argument: &StrategyArgument) -> anyhow::Result<Vec<File>> {
    let listed = tree.entries().context("could not list the repository")?;
    let read = |path: &str| Ok((path.to_owned(), tree.read(path).with_context(|| format!("could not read `{path}`"))?));
    let Some(wanted) = &argument.strategy else {
        return listed.iter().filter(|entry| is_strategy_file(&entry.path)).map(|entry| read(&entry.path)).collect();
    };
    // A file of the repository is taken as it is at the revision; any other as it is on disk.
    let inside = in_repository(checkout, wanted);
    if let Some(path) = inside.filter(|path| listed.iter().any(|entry| entry.path == *path)) {
        return Ok(vec![read(&path)?]);
    }
    let bytes = std::fs::read(wanted).with_context(|| format!("could not read the strategy `{}`", wanted.display()))?;
    let name = wanted.file_name().map_or_else(|| FILE.to_owned(), |name| name.to_string_lossy().into_owned());
    Ok(vec![(name, bytes)])
}

/// Reads strategy files.
pub fn parse(checkout: &Checkout, files: &[File]) -> Vec<StrategyFile> {
    match checkout.id() {
        Some(id) => parse_strategies_of(&id, files),
        None => parse_strategies(files),
    }
}

/// Returns the strategies in `tree`, or fails with their mistakes.
pub fn read(
    checkout: &Checkout,
    tree: &dyn SourceTree,
    argument: &StrategyArgument,
) -> anyhow::Result<Vec<PromotionStrategy>> {
    let files = files(checkout, tree, argument)?;
    let (mut strategies, mut mistakes) = (Vec::new(), 0);
    for file in parse(checkout, &files) {
        match file.strategies {
            Ok(read) => strategies.extend(read),
            Err(found) => {
                mistakes += found.len();
                found.iter().for_each(|mistake| output::progress(format_args!("{mistake}\n")));
            }
        }
    }
    match mistakes {
        0 => Ok(strategies),
        1 => bail!("the strategy has a mistake; `hydromote validate` shows it"),
        more => bail!("the strategy has {more} mistakes; `hydromote validate` shows them"),
    }
}

/// Returns the error for a revision without any strategy.
pub fn none_found(checkout: &Checkout) -> anyhow::Error {
    if checkout.work_folder().is_some_and(|folder| folder.join(FILE).is_file()) {
        return anyhow::anyhow!(
            "there is no strategy at this revision; commit `{FILE}`, or name the file with `--strategy`"
        );
    }
    anyhow::anyhow!("there is no strategy: neither `{FILE}` nor `{FOLDER}/*.yaml`; `hydromote init` proposes one")
}

/// Returns the environments to work on: all, or those that were asked for.
pub fn targets(strategies: &[PromotionStrategy], wanted: &[EnvironmentName]) -> anyhow::Result<Vec<Target>> {
    let all: Vec<Target> = strategies
        .iter()
        .flat_map(|s| s.environments.iter().map(|e| Target { strategy: s.clone(), environment: e.clone() }))
        .collect();
    let names = || all.iter().map(|target| format!("`{}`", target.environment.name)).collect::<Vec<_>>().join(", ");
    if let Some(unknown) = wanted.iter().find(|name| all.iter().all(|target| target.environment.name != **name)) {
        bail!("there is no environment `{unknown}`; there are {}", names());
    }
    let chosen: Vec<Target> =
        all.iter().filter(|t| wanted.is_empty() || wanted.contains(&t.environment.name)).cloned().collect();
    for (position, target) in chosen.iter().enumerate() {
        let name = &target.environment.name;
        if let Some(other) = chosen[..position].iter().find(|other| other.environment.name == *name) {
            let (one, two) = (&other.strategy.name, &target.strategy.name);
            bail!("the strategies `{one}` and `{two}` both have an environment `{name}`; choose one with `--strategy`");
        }
    }
    Ok(chosen)
}

fn is_strategy_file(path: &str) -> bool {
    let in_folder = path.strip_prefix(FOLDER).and_then(|rest| rest.strip_prefix('/'));
    let is_yaml = |name: &str| !name.contains('/') && (name.ends_with(".yaml") || name.ends_with(".yml"));
    path == FILE || in_folder.is_some_and(is_yaml)
}

/// Returns the path in the repository that a path on the command line means.
fn in_repository(checkout: &Checkout, wanted: &Path) -> Option<String> {
    let Some(full) = wanted.canonicalize().ok() else {
        return wanted.is_relative().then(|| wanted.to_string_lossy().trim_start_matches("./").to_owned());
    };
    let folder = checkout.work_folder()?.canonicalize().ok()?;
    Some(full.strip_prefix(folder).ok()?.to_string_lossy().into_owned())
}
