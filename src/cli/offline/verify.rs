//! `hydromote verify`: renders again what environment branches claim to hold, and compares.
//!
//! The claim is the dry SHA in the metadata at the branch's root: the content of the branch must be
//! what that renders to. A root that fails there and may keep what it has (`onFailure: keepLast`)
//! must be what the dry SHA in its own metadata renders to.

use std::path::PathBuf;

use anyhow::bail;
use serde::Serialize;

use super::{
    branch::{BranchContent, OutputComparison, compare},
    checkout::Checkout,
    format::Output,
    renderer::{Renderer, Tools},
    strategies::{self, StrategyArgument, Target},
};
use crate::{
    cli::{Outcome, output},
    domain::ids::{BranchName, DrySha, EnvironmentName},
    git::metadata::BranchMetadata,
    reconcile::hydrate::open_tree,
};

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 every branch holds what it claims, 1 one does not, 2 could not run.\n\
                        Files of other people on a branch are listed, and are no difference.")]
pub struct Args {
    /// A work tree, a bare repository or a bundle, with the environment branches
    #[arg(long, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
    /// The dry revision whose strategy names the environments; HEAD when absent
    #[arg(long)]
    rev: Option<String>,
    #[command(flatten)]
    strategy: StrategyArgument,
    /// Only this environment; may be given several times
    #[arg(long, value_name = "NAME", value_parser = |name: &str| EnvironmentName::new(name))]
    environment: Vec<EnvironmentName>,
    /// This branch, such as a proposed one, instead of the active branches
    #[arg(long, value_name = "BRANCH", value_parser = |name: &str| BranchName::new(name))]
    branch: Option<BranchName>,
    #[command(flatten)]
    tools: Tools,
    #[command(flatten)]
    output: Output,
}

/// What the branches hold, compared with what they claim.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Verification {
    /// Whether every branch that is there holds what it claims.
    equal: bool,
    /// The branches.
    branches: Vec<VerifiedBranch>,
}

/// One branch.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct VerifiedBranch {
    /// The environment; absent when a branch was named that does not say whose it is.
    environment: Option<EnvironmentName>,
    /// The branch.
    branch: BranchName,
    /// `equal`, `differs`, `unverifiable` (with `reason`), `empty` (nothing was promoted yet) or
    /// `absent`; all but `differs` and `unverifiable` are in order.
    state: State,
    /// The commit that was looked at.
    active_sha: Option<String>,
    /// The dry SHA that the branch claims.
    dry_sha: Option<DrySha>,
    /// Why nothing could be compared.
    reason: Option<String>,
    /// The output folders.
    outputs: Vec<OutputComparison>,
    /// Files that are not Hydromote's.
    foreign_files: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Equal,
    Differs,
    Unverifiable,
    Empty,
    Absent,
}

/// Runs the command.
pub async fn run(args: Args) -> anyhow::Result<Outcome> {
    let checkout = Checkout::open(&args.repo).await?;
    let wanted = wanted(&checkout, &args).await?;
    let renderer = Renderer::new(&checkout, &args.tools).await?;
    let mut branches = Vec::new();
    for (environment, branch) in wanted {
        let verified = verify(&checkout, &renderer, &args.strategy, environment, branch).await?;
        output::progress(format_args!("{}: {}", verified.branch, verified.state.word()));
        branches.push(verified);
    }
    if branches.iter().all(|branch| branch.state == State::Absent) {
        let names = branches.iter().map(|b| format!("`{}`", b.branch)).collect::<Vec<_>>().join(", ");
        bail!("the repository has none of the branches {names}; fetch them first");
    }
    let equal = branches.iter().all(|branch| !matches!(branch.state, State::Differs | State::Unverifiable));
    args.output.write(&Verification { equal, branches }, Verification::text);
    Ok(if equal { Outcome::Done } else { Outcome::No })
}

/// Returns the branches to look at.
async fn wanted(checkout: &Checkout, args: &Args) -> anyhow::Result<Vec<(Option<EnvironmentName>, BranchName)>> {
    if let Some(branch) = &args.branch {
        return match args.environment.as_slice() {
            [] => Ok(vec![(None, branch.clone())]),
            [one] => Ok(vec![(Some(one.clone()), branch.clone())]),
            _ => bail!("`--branch` is about one environment"),
        };
    }
    let dry = checkout.resolve(args.rev.as_deref())?;
    let tree = open_tree(checkout.mirror(), &dry).await?;
    let strategies = strategies::read(checkout, &*tree, &args.strategy)?;
    if strategies.is_empty() {
        return Err(strategies::none_found(checkout));
    }
    let targets = strategies::targets(&strategies, &args.environment)?;
    Ok(targets.into_iter().map(|t| (Some(t.environment.name), t.environment.branch)).collect())
}

async fn verify(
    checkout: &Checkout,
    renderer: &Renderer<'_>,
    strategy: &StrategyArgument,
    environment: Option<EnvironmentName>,
    branch: BranchName,
) -> anyhow::Result<VerifiedBranch> {
    let mut verified = VerifiedBranch {
        environment,
        branch,
        state: State::Absent,
        active_sha: None,
        dry_sha: None,
        reason: None,
        outputs: Vec::new(),
        foreign_files: Vec::new(),
    };
    let Some((_, head)) = checkout.branch(&verified.branch)? else { return Ok(verified) };
    let mut content = BranchContent::read(&checkout.repository()?, head)?;
    verified.active_sha = Some(head.to_string());
    verified.foreign_files = content.foreign.clone();
    let Some(metadata) = &content.metadata else {
        let is_empty = content.owned.content.is_empty();
        verified.state = if is_empty { State::Empty } else { State::Unverifiable };
        verified.reason = (!is_empty).then(|| "the branch has no `hydrator.metadata` that names a dry SHA".into());
        return Ok(verified);
    };
    let of = metadata.hydromote.strategy.clone();
    content.owned = content.owned.only(|root| content.owned.strategies.get(root) == Some(&of));
    verified.environment.get_or_insert_with(|| metadata.hydromote.environment.clone());
    verified.dry_sha = DrySha::new(metadata.dry_sha.clone()).ok();
    match compare_with_claim(checkout, renderer, strategy, &verified, metadata, &content).await? {
        Ok(outputs) => {
            let equal = outputs.iter().all(OutputComparison::is_in_order);
            verified.state = if equal { State::Equal } else { State::Differs };
            verified.outputs = outputs;
        }
        Err(reason) => {
            verified.state = State::Unverifiable;
            verified.reason = Some(reason);
        }
    }
    Ok(verified)
}

/// Renders the claim and compares; the inner error says why there is nothing to compare with.
async fn compare_with_claim(
    checkout: &Checkout,
    renderer: &Renderer<'_>,
    strategy: &StrategyArgument,
    verified: &VerifiedBranch,
    metadata: &BranchMetadata,
    content: &BranchContent,
) -> anyhow::Result<Result<Vec<OutputComparison>, String>> {
    let Some(dry) = verified.dry_sha.clone() else { return Ok(Err("the metadata names no dry SHA".into())) };
    let target = match target(checkout, strategy, verified.environment.as_ref(), metadata, &dry).await? {
        Ok(target) => target,
        Err(reason) => return Ok(Err(reason)),
    };
    let mut expected = renderer.render(&dry, &target).await?;
    if let Some(whole) = expected.failures.iter().find(|failure| failure.output.is_none()) {
        return Ok(Err(whole.to_string()));
    }
    for (root, own) in content.kept(&expected.failures) {
        let target = self::target(checkout, strategy, verified.environment.as_ref(), metadata, &own).await?;
        let Ok(target) = target else { continue };
        let earlier = renderer.render(&own, &target).await?;
        if let Some(rendering) = earlier.content.get(&root) {
            expected.content.insert(root.clone(), rendering.clone());
            expected.failures.retain(|failure| failure.output.as_deref() != Some(root.as_str()));
        }
    }
    Ok(Ok(compare(&checkout.repository()?, content, &expected)?))
}

/// Returns the environment as the strategy had it at `dry`, or why it cannot be known.
async fn target(
    checkout: &Checkout,
    strategy: &StrategyArgument,
    environment: Option<&EnvironmentName>,
    metadata: &BranchMetadata,
    dry: &DrySha,
) -> anyhow::Result<Result<Target, String>> {
    let tree = match open_tree(checkout.mirror(), dry).await {
        Ok(tree) => tree,
        Err(_) => return Ok(Err(format!("the dry commit {dry} is not in this repository; fetch it first"))),
    };
    let strategies = match strategies::read(checkout, &*tree, strategy) {
        Ok(strategies) => strategies,
        Err(error) => return Ok(Err(format!("{error:#}, at {}", dry.short()))),
    };
    let claimed = &metadata.hydromote.strategy;
    let found = strategies.into_iter().find(|strategy| strategy.name == *claimed).and_then(|strategy| {
        let environment = strategy.environment(environment?)?.clone();
        Some(Target { strategy, environment })
    });
    let name = environment.map(EnvironmentName::as_str).unwrap_or_default();
    Ok(found.ok_or_else(|| format!("the strategy `{claimed}` had no environment `{name}` at {}", dry.short())))
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Differs => "differs",
            Self::Unverifiable => "could not be verified",
            Self::Empty => "empty: nothing was promoted yet",
            Self::Absent => "absent",
        }
    }
}

impl Verification {
    fn text(&self) -> String {
        let mut text = String::new();
        for branch in &self.branches {
            let claim = branch.dry_sha.as_ref().map(|dry| format!(" (claims {})", dry.short())).unwrap_or_default();
            text += &format!("{}: {}{claim}\n", branch.branch, branch.state.word());
            if let Some(reason) = &branch.reason {
                text += &format!("  {reason}\n");
            }
            for output in &branch.outputs {
                text += &output.text();
            }
            for path in &branch.foreign_files {
                text += &format!("  not ours  {path}\n");
            }
        }
        text
    }
}
