//! `hydromote verify`: renders again what environment branches claim to hold, and compares.
//!
//! Everything claims something by its metadata:
//!
//! - The file at the branch's root, where one strategy writes it, names the dry SHA of all that this strategy has
//!   there: that must be what it renders to, nothing less. A root that fails there and may keep what it has
//!   (`onFailure: keepLast`) must be what the dry SHA in its own metadata renders to.
//! - Every other output, of another strategy or in a lane, names its strategy and its own dry SHA, and must be
//!   what that renders to. What should be there as well, and is not, nobody says.

use std::{collections::BTreeSet, path::PathBuf};

use anyhow::bail;
use serde::Serialize;

use super::{
    branch::{BranchContent, Claim, OutputComparison, compare},
    checkout::Checkout,
    format::Output,
    renderer::{Renderer, Rendering, Tools},
    strategies::{self, StrategyArgument, Target},
};
use crate::{
    cli::{Outcome, output},
    domain::{
        ids::{BranchName, DrySha, EnvironmentName, RootName, StrategyName},
        strategy::{Environment, PromotionStrategy},
    },
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
    /// The dry SHA that the file at its root claims, where there is one.
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
    let all = || strategies.iter().flat_map(|strategy| &strategy.environments);
    if let Some(unknown) = args.environment.iter().find(|name| all().all(|environment| environment.name != **name)) {
        let names = all().map(|environment| format!("`{}`", environment.name)).collect::<BTreeSet<_>>();
        bail!("there is no environment `{unknown}`; there are {}", names.into_iter().collect::<Vec<_>>().join(", "));
    }
    let mut wanted: Vec<(Option<EnvironmentName>, BranchName)> = Vec::new();
    for Environment { name, branch, .. } in all() {
        let is_asked = args.environment.is_empty() || args.environment.contains(name);
        // Strategies may share it.
        if is_asked && wanted.iter().all(|(_, known)| known != branch) {
            wanted.push((Some(name.clone()), branch.clone()));
        }
    }
    Ok(wanted)
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
    let content = BranchContent::read(&checkout.repository()?, head)?;
    verified.active_sha = Some(head.to_string());
    verified.foreign_files = content.foreign.clone();
    if content.metadata.is_none() && content.owned.content.is_empty() {
        verified.state = State::Empty;
        return Ok(verified);
    }
    let claimant = content.metadata.as_ref().map(|metadata| metadata.hydromote.clone());
    if let Some(origin) = &claimant {
        verified.environment.get_or_insert_with(|| origin.environment.clone());
    }
    let verifier =
        Verifier { checkout, renderer, strategy, environment: verified.environment.clone(), branch: &verified.branch };
    let is_claimed = |root: &RootName| {
        claimant.as_ref().is_some_and(|origin| content.owned.strategies.get(root) == Some(&origin.strategy))
    };
    let mut outputs = Vec::new();
    if let Some(metadata) = &content.metadata {
        let dry = DrySha::new(metadata.dry_sha.clone()).ok();
        match verifier.whole(&metadata.hydromote.strategy, dry.as_ref(), &content.only(is_claimed)).await? {
            Ok(compared) => outputs.extend(compared),
            Err(reason) => verified.reason = Some(reason),
        }
        verified.dry_sha = dry;
    }
    let rest = content.only(|root| !is_claimed(root));
    for (claim, roots) in rest.claims() {
        outputs.extend(verifier.each(&claim, &rest.only(|root| roots.contains(root))).await?);
    }
    outputs.sort_by(|one, two| one.output().cmp(two.output()));
    let is_unverifiable = verified.reason.is_some() || outputs.iter().any(OutputComparison::is_unverifiable);
    let differs = |one: &OutputComparison| !one.is_in_order() && !one.is_unverifiable();
    verified.state = match outputs.iter().any(differs) {
        true => State::Differs,
        false if is_unverifiable => State::Unverifiable,
        false => State::Equal,
    };
    verified.outputs = outputs;
    Ok(verified)
}

/// Renders what a branch claims.
struct Verifier<'a> {
    checkout: &'a Checkout,
    renderer: &'a Renderer<'a>,
    strategy: &'a StrategyArgument,
    environment: Option<EnvironmentName>,
    branch: &'a BranchName,
}

impl Verifier<'_> {
    /// Renders one dry SHA and compares all that a strategy has; the inner error says why there is nothing to compare
    /// with.
    async fn whole(
        &self,
        of: &StrategyName,
        dry: Option<&DrySha>,
        content: &BranchContent,
    ) -> anyhow::Result<Result<Vec<OutputComparison>, String>> {
        let Some(dry) = dry else { return Ok(Err("the metadata names no dry SHA".into())) };
        let mut expected = match self.rendered(of, dry).await? {
            Ok(expected) => expected,
            Err(reason) => return Ok(Err(reason)),
        };
        for (root, own) in content.kept(&expected.failures) {
            let Ok(earlier) = self.rendered(of, &own).await? else { continue };
            if let Some(rendering) = earlier.content.get(&root) {
                expected.content.insert(root.clone(), rendering.clone());
                expected.failures.retain(|failure| failure.output.as_deref() != Some(root.as_str()));
            }
        }
        Ok(Ok(compare(&self.checkout.repository()?, content, &expected)?))
    }

    /// Compares outputs of one claim with what that renders to.
    async fn each(&self, claim: &Claim, content: &BranchContent) -> anyhow::Result<Vec<OutputComparison>> {
        let rendered = match &claim.dry {
            Some(dry) => self.rendered(&claim.strategy, dry).await?,
            None => Err("its metadata names no dry SHA".to_owned()),
        };
        let roots: BTreeSet<&RootName> = content.owned.content.iter().map(|(root, _)| root).collect();
        match rendered {
            Ok(mut expected) => {
                expected.content = expected.content.only(|root| roots.contains(root));
                let is_here = |output: &str| roots.iter().any(|root| root.as_str() == output);
                expected.failures.retain(|failure| failure.output.as_deref().is_some_and(is_here));
                compare(&self.checkout.repository()?, content, &expected)
            }
            Err(reason) => {
                Ok(roots.into_iter().map(|root| OutputComparison::unverifiable(root, claim, &reason)).collect())
            }
        }
    }

    /// Renders a dry SHA as a strategy had it, or says why it cannot be known.
    async fn rendered(&self, of: &StrategyName, dry: &DrySha) -> anyhow::Result<Result<Rendering, String>> {
        let target = match self.target(of, dry).await? {
            Ok(target) => target,
            Err(reason) => return Ok(Err(reason)),
        };
        let rendering = self.renderer.render(dry, &target).await?;
        match rendering.failures.iter().find(|failure| failure.output.is_none()) {
            Some(whole) => Ok(Err(whole.to_string())),
            None => Ok(Ok(rendering)),
        }
    }

    /// Returns the environment as the strategy had it at `dry`, or why it cannot be known.
    async fn target(&self, of: &StrategyName, dry: &DrySha) -> anyhow::Result<Result<Target, String>> {
        let tree = match open_tree(self.checkout.mirror(), dry).await {
            Ok(tree) => tree,
            Err(_) => return Ok(Err(format!("the dry commit {dry} is not in this repository; fetch it first"))),
        };
        let strategies = match strategies::read(self.checkout, &*tree, self.strategy) {
            Ok(strategies) => strategies,
            Err(error) => return Ok(Err(format!("{error:#}, at {}", dry.short()))),
        };
        let found = strategies.into_iter().find(|strategy| strategy.name == *of);
        let found = found.and_then(|strategy| {
            let environment = self.environment_of(&strategy)?.clone();
            Some(Target { strategy, environment })
        });
        Ok(found.ok_or_else(|| match &self.environment {
            Some(name) => format!("the strategy `{of}` had no environment `{name}` at {}", dry.short()),
            None => format!("the strategy `{of}` had no environment with this branch at {}", dry.short()),
        }))
    }

    /// Returns the environment that a branch is of: the one that has it, else the one that was named or is claimed, else
    /// the one that proposes on it.
    fn environment_of<'s>(&self, strategy: &'s PromotionStrategy) -> Option<&'s Environment> {
        let has_it = strategy.environments.iter().find(|environment| environment.branch == *self.branch);
        let named = || strategy.environment(self.environment.as_ref()?);
        let proposes =
            || strategy.environments.iter().find(|environment| environment.lane_of_branch(self.branch).is_some());
        has_it.or_else(named).or_else(proposes)
    }
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
