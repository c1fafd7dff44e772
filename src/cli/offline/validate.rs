//! `hydromote validate`: every mistake that can be found without a server, and the table of roots.

use std::{path::PathBuf, sync::Arc};

use hydrators::{IndexedTree, Mistakes, SourceTree, TreeLimits};
use serde::Serialize;

use super::{
    checkout::Checkout,
    format::Output,
    lanes,
    mistakes::{Found, place_of_branch},
    roots::EnvironmentRoots,
    strategies::{self, StrategyArgument, Target},
};
use crate::{
    cli::{Outcome, output},
    domain::{
        ids::{DrySha, StrategyName},
        strategy::{Mistake, PromotionStrategy, mistake::Report},
    },
    reconcile::{hydrate::open_tree, sources, strategy_files::File},
};

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 valid (warnings are allowed), 1 there are mistakes, 2 could not run.")]
pub struct Args {
    /// A work tree, a bare repository or a bundle
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// The revision to look at; when absent, the files of the work tree as they are
    #[arg(long)]
    rev: Option<String>,
    #[command(flatten)]
    strategy: StrategyArgument,
    #[command(flatten)]
    output: Output,
}

/// What was found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Validation {
    /// Whether there are no mistakes; warnings are allowed.
    valid: bool,
    /// The commit that was looked at; absent for the files of a work tree.
    dry_sha: Option<DrySha>,
    /// What is wrong: the strategy cannot be used.
    mistakes: Vec<Mistake>,
    /// What can be used, but may not be meant.
    warnings: Vec<Mistake>,
    /// The strategies that could be read.
    strategies: Vec<StrategyRoots>,
}

/// The roots of one strategy.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StrategyRoots {
    /// The strategy.
    name: StrategyName,
    /// Its file.
    file: String,
    /// Its environments, in order; one with mistakes in its sources is left out.
    environments: Vec<EnvironmentRoots>,
}

/// Runs the command.
pub async fn run(args: Args) -> anyhow::Result<Outcome> {
    let checkout = Checkout::open(&args.dir).await?;
    let (tree, dry_sha) = tree(&checkout, args.rev.as_deref()).await?;
    let files = strategies::files(&checkout, &*tree, &args.strategy)?;
    if files.is_empty() {
        return Err(strategies::none_found(&checkout));
    }
    let indexed = IndexedTree::read(tree, TreeLimits::default())?;
    let mut validation =
        Validation { valid: true, dry_sha, mistakes: Vec::new(), warnings: Vec::new(), strategies: Vec::new() };
    let now = (crate::app::wall_clock())();
    for (read, file) in strategies::parse(&checkout, &files).into_iter().zip(&files) {
        validation.warnings.extend(read.warnings_at(now));
        match read.strategies {
            Err(mistakes) => validation.mistakes.extend(mistakes),
            Ok(strategies) => {
                for strategy in strategies {
                    validation.mistakes.extend(misplaced(&checkout, &strategy, file));
                    validation.look_at(&indexed, &strategy, file);
                }
            }
        }
    }
    validation.valid = validation.mistakes.is_empty();
    args.output.write(&validation, Validation::text);
    Ok(if validation.valid { Outcome::Done } else { Outcome::No })
}

/// Returns the files to look at: those of a commit, or of the work tree where there is one.
async fn tree(checkout: &Checkout, revision: Option<&str>) -> anyhow::Result<(Arc<dyn SourceTree>, Option<DrySha>)> {
    if revision.is_none()
        && let Some(tree) = checkout.work_tree()?
    {
        return Ok((Arc::new(tree), None));
    }
    let dry = checkout.resolve(revision)?;
    Ok((open_tree(checkout.mirror(), &dry).await?, Some(dry)))
}

/// Returns the mistake of an environment branch that is in the way of the dry branch.
fn misplaced(checkout: &Checkout, strategy: &PromotionStrategy, (path, bytes): &File) -> Vec<Mistake> {
    let text = String::from_utf8_lossy(bytes);
    let mut report = Report::new(path, &text);
    if strategy.dry_branch.is_none()
        && let Some(dry) = checkout.dry_branch()
        && let Some(environment) = strategy.conflict_with_dry_branch(&dry)
    {
        report.mistake(
            place_of_branch(&text, environment.branch.as_str()),
            format!("the branch of {} cannot stand beside the dry branch `{dry}`", environment.name),
            "give the environment a branch of its own, or name the dry branch with `dryBranch`",
        );
    }
    report.into_found()
}

impl Validation {
    /// Finds the roots of every environment, and what is wrong with the sources there.
    fn look_at(&mut self, tree: &IndexedTree, strategy: &PromotionStrategy, (path, bytes): &File) {
        let text = String::from_utf8_lossy(bytes);
        let (mut found, mut environments) = (Found::default(), Vec::new());
        for environment in &strategy.environments {
            let resolved = sources::resolve(&strategy.sources, &environment.name);
            let labels = sources::labels(&strategy.sources, &environment.name);
            let target = Target { strategy: strategy.clone(), environment: environment.clone() };
            match hydrators::discover(tree, &resolved, &labels) {
                Ok(discovery) => {
                    lanes::mistakes(&discovery.roots, &strategy.lanes)
                        .into_iter()
                        .for_each(|mistake| found.add(&environment.name, mistake));
                    output::progress(format_args!(
                        "{}: {}",
                        environment.name,
                        output::counted(discovery.roots.len(), "root")
                    ));
                    environments.push(EnvironmentRoots::new(&target, discovery));
                }
                Err(Mistakes(mistakes)) => {
                    output::progress(format_args!("{}: {} mistakes in the sources", environment.name, mistakes.len()));
                    mistakes.into_iter().for_each(|mistake| found.add(&environment.name, mistake));
                }
            }
        }
        if environments.len() == strategy.environments.len() {
            add_matching_nothing(&environments, &mut found);
        }
        self.mistakes.extend(found.into_mistakes(path, &text, strategy.environments.len()));
        self.strategies.push(StrategyRoots { name: strategy.name.clone(), file: path.clone(), environments });
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for mistake in self.mistakes.iter().chain(&self.warnings) {
            text += &format!("{mistake}\n\n");
        }
        for strategy in &self.strategies {
            text += &format!("strategy {} ({})\n\n", strategy.name, strategy.file);
            for environment in &strategy.environments {
                text += &format!("{}\n", environment.text());
            }
        }
        let warnings = match self.warnings.len() {
            0 => String::new(),
            1 => ", 1 warning".to_owned(),
            more => format!(", {more} warnings"),
        };
        text += &match self.mistakes.len() {
            0 => format!("valid{warnings}"),
            1 => format!("1 mistake{warnings}"),
            more => format!("{more} mistakes{warnings}"),
        };
        text
    }
}

/// Adds the sources that have no root in any environment: what they name does not exist.
fn add_matching_nothing(environments: &[EnvironmentRoots], found: &mut Found) {
    for (position, environment) in environments.iter().enumerate() {
        for unmatched in &environment.unmatched {
            let is_unmatched = |other: &EnvironmentRoots| other.unmatched.iter().any(|u| u.line == unmatched.line);
            if position == 0 && environments.iter().all(is_unmatched) {
                environments.iter().for_each(|e| found.add(&e.name, matches_nothing(unmatched.line)));
            }
        }
    }
}

fn matches_nothing(line: u64) -> hydrators::Mistake {
    let message =
        "this source matches nothing in any environment; name folders that are in the repository, or remove it";
    hydrators::Mistake { source: 0, line, text: String::new(), message: message.to_owned() }
}
