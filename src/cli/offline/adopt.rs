//! `hydromote take-over`: takes over an environment branch that another tool, or people, wrote until now.
//!
//! What runs on it is counted as one dry SHA: the one that another hydrator's metadata names, the one that
//! is given, or the newest that renders to what is there. Without `--push` it only says what it would do.

mod dry;
mod push;
mod report;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use anyhow::{Context, bail};
use git2::{Oid, Repository};

use self::{
    dry::Found,
    report::{Difference, Report, State},
};
use super::{
    checkout::Checkout,
    format::Output,
    renderer::{Renderer, Rendering, Tools, repo_url},
    strategies::{self, StrategyArgument, Target},
};
use crate::{
    adopt::{
        survey::{Rendered, Survey, survey},
        takeover::{self, Claim},
    },
    cli::Outcome,
    domain::{
        adoption::TakenOver,
        content::Content,
        ids::{EnvironmentName, LaneName, RootName},
    },
    git::{
        history,
        metadata::Origin,
        resources::{self, Budget},
        trailers::Trailers,
        tree,
    },
    messages::{DryText, Messages},
    reconcile::hydrate::open_tree,
};

/// How much of the differences is shown, bytes.
const DIFFERENCES_SHOWN: usize = 1 << 20;

/// How long it may take to compare, seconds.
const COMPARE_SECONDS: u64 = 20;

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 it was or can be taken over, 1 it cannot, 2 could not run.\n\
                        Switch the other tool off before `--push`: two that write one branch undo each other's work.")]
pub struct Args {
    /// The environment
    #[arg(value_name = "ENV", value_parser = |name: &str| EnvironmentName::new(name))]
    environment: EnvironmentName,
    /// A work tree or a bare repository, with the environment branch fetched
    #[arg(long, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
    /// The dry revision whose strategy is used; HEAD when absent
    #[arg(long)]
    rev: Option<String>,
    #[command(flatten)]
    strategy: StrategyArgument,
    /// The dry revision that what runs counts as; else what the branch says, else the newest that renders to it
    #[arg(long, value_name = "REV")]
    dry: Option<String>,
    /// Takes over this folder too, which nothing renders to any more, so that the next promotion removes it; may be given several times
    #[arg(long, value_name = "FOLDER", value_parser = |name: &str| RootName::new(name))]
    take: Vec<RootName>,
    /// The remote that has the branch; `.` for the repository itself
    #[arg(long, value_name = "NAME", default_value = "origin")]
    remote: String,
    /// Pushes the commit, if the branch still is where it was seen
    #[arg(long)]
    push: bool,
    /// The address that metadata names; that of `origin` when absent
    #[arg(long, value_name = "URL")]
    repo_url: Option<String>,
    #[command(flatten)]
    tools: Tools,
    #[command(flatten)]
    output: Output,
}

/// Runs the command.
pub async fn run(args: Args) -> anyhow::Result<Outcome> {
    let checkout = Checkout::open(&args.repo).await?;
    let target = target(&checkout, &args).await?;
    let mut report = Report::new(&target);
    let Some(head) = head(&checkout, &args, &target)? else {
        bail!(
            "`{}` is not in this repository as a branch of `{}`; fetch it first, or name its remote with `--remote`",
            target.environment.branch,
            args.remote
        );
    };
    report.active_sha = head.to_string();
    if let Some(words) = already_ours(&checkout.repository()?, &target, head)? {
        report.state = State::Refused;
        report.blockers.push(words);
        return Ok(finish(&args, &report));
    }
    let renderer = Renderer::new(&checkout, &args.tools).await?;
    let found = dry::find(&checkout, &renderer, &args, &target, head).await?;
    let Found { dry, by, target, rendering } = match found {
        Ok(found) => found,
        Err(words) => {
            report.state = State::Refused;
            report.blockers.push(words);
            return Ok(finish(&args, &report));
        }
    };
    report.dry_sha = Some(dry.clone());
    report.found_by = Some(by);
    let repository = checkout.repository()?;
    let view = View::of(&repository, head, &rendering, &args.take)?;
    report.tell(&view, &rendering);
    let differs = differences(&repository, &view, &rendering, &mut report)?;
    if !report.blockers.is_empty() {
        report.state = State::Refused;
        return Ok(finish(&args, &report));
    }
    let adoption = if differs { TakenOver::Differing } else { TakenOver::AsRendered };
    let claim = claim(&checkout, &args, &target, &dry, &rendering)?;
    let content = view.content.clone().unwrap_or_default();
    let who = checkout.committer()?;
    let written = takeover::commit(&repository, head, &view.survey, content, claim, adoption, &who);
    match written {
        Ok(written) => report.commit = Some(written.commit.to_string()),
        Err(error) => {
            report.state = State::Refused;
            report.blockers.push(error.to_string());
            return Ok(finish(&args, &report));
        }
    }
    report.state = State::Possible;
    if let (true, Some(commit)) = (args.push, &report.commit) {
        push::push(&checkout, &args.remote, &target.environment.branch, head, commit).await?;
        report.state = State::Adopted;
    }
    Ok(finish(&args, &report))
}

fn finish(args: &Args, report: &Report) -> Outcome {
    args.output.write(report, Report::text);
    if report.state == State::Refused { Outcome::No } else { Outcome::Done }
}

/// Returns the environment as the strategy has it now.
async fn target(checkout: &Checkout, args: &Args) -> anyhow::Result<Target> {
    let dry = checkout.resolve(args.rev.as_deref())?;
    let tree = open_tree(checkout.mirror(), &dry).await?;
    let strategies = strategies::read(checkout, &*tree, &args.strategy)?;
    if strategies.is_empty() {
        return Err(strategies::none_found(checkout));
    }
    let mut targets = strategies::targets(&strategies, std::slice::from_ref(&args.environment))?;
    let target = targets.pop().context("the environment is in no strategy")?;
    if target.strategy.lanes.label().is_some() {
        bail!("the strategy has several lanes; a branch is taken over with one lane, then split");
    }
    Ok(target)
}

fn head(checkout: &Checkout, args: &Args, target: &Target) -> anyhow::Result<Option<Oid>> {
    let branch = &target.environment.branch;
    // Without a remote nothing can be pushed, and looking is still of use.
    if !args.push && args.remote != "." && !checkout.has_remote(&args.remote) {
        return Ok(checkout.branch(branch)?.map(|(_, head)| head));
    }
    checkout.remote_branch(&args.remote, branch)
}

/// Says why a branch on which we promoted is not taken over.
fn already_ours(repository: &Repository, target: &Target, head: Oid) -> anyhow::Result<Option<String>> {
    let commit = repository.find_commit(head)?;
    let owned = tree::owned(repository, commit.tree_id())?;
    let by_trailers = Trailers::parse(&String::from_utf8_lossy(commit.message_bytes())).is_some();
    let ran = !owned.content.is_empty() || by_trailers || history::was_promoted_to(repository, head)?;
    let (branch, name) = (&target.environment.branch, &target.environment.name);
    Ok(ran.then(|| {
        format!(
            "Hydromote has promoted to `{branch}` already, so there is nothing to take over; where somebody changed it since, \
             `hydromote explain {name}` says what to do about the drift"
        )
    }))
}

/// What is on the branch, and what it becomes.
struct View {
    /// What the dry commit renders to.
    rendered: Rendered,
    survey: Survey,
    /// Absent when the branch cannot be rewritten.
    content: Option<Content>,
    problem: Option<String>,
}

impl View {
    fn of(repository: &Repository, head: Oid, rendering: &Rendering, take: &[RootName]) -> anyhow::Result<Self> {
        let rendered = documents(repository, rendering)?;
        let take: BTreeSet<RootName> = take.iter().cloned().collect();
        let survey = survey(repository, repository.find_commit(head)?.tree_id(), &rendered, &take)?;
        let (content, problem) = match takeover::contents(repository, &survey, &rendered) {
            Ok(content) => (Some(content), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Ok(Self { rendered, survey, content, problem })
    }

    /// Counts outputs that are not what the dry commit renders to.
    fn distance(&self, rendering: &Rendering) -> usize {
        match &self.content {
            Some(content) => content.differing(&rendering.content).len(),
            None => usize::MAX,
        }
    }
}

/// Reads the documents of what was rendered.
fn documents(repository: &Repository, rendering: &Rendering) -> anyhow::Result<Rendered> {
    let mut rendered = Rendered::new();
    for (root, id) in rendering.content.iter() {
        let mut documents = Vec::new();
        for entry in tree::files(repository, Oid::from_str(id.as_str())?)?.into_values() {
            let blob = repository.find_blob(entry.id)?;
            documents.extend(hydrators::read_documents(&String::from_utf8_lossy(blob.content()), None)?);
        }
        rendered.insert(root.clone(), documents);
    }
    Ok(rendered)
}

/// Fills in how what runs differs from what the dry commit renders to; says whether it does.
fn differences(
    repository: &Repository,
    view: &View,
    rendering: &Rendering,
    report: &mut Report,
) -> anyhow::Result<bool> {
    let Some(content) = &view.content else { return Ok(true) };
    let until = std::time::Instant::now() + std::time::Duration::from_secs(COMPARE_SECONDS);
    let mut budget = Budget { bytes: DIFFERENCES_SHOWN, until };
    let roots: BTreeSet<&RootName> = content.differing(&rendering.content).into_iter().collect();
    for root in &roots {
        let old = resources::of_rendering(repository, content.get(root))?;
        let new = resources::of_rendering(repository, rendering.content.get(root))?;
        let changes = resources::compare_within(&old, &new, &mut budget);
        report.differences.extend(changes.iter().map(|change| Difference::of(root, change)));
    }
    Ok(!roots.is_empty())
}

fn claim(
    checkout: &Checkout,
    args: &Args,
    target: &Target,
    dry: &crate::domain::ids::DrySha,
    rendering: &Rendering,
) -> anyhow::Result<Claim> {
    let repository = checkout.repository()?;
    let commit = history::dry_commit(&repository, dry)?;
    let address = repo_url(checkout, args.repo_url.clone());
    let text = DryText::new(&commit.sha, &commit.subject, &commit.author);
    let messages = Messages::built_in();
    let mut readmes = BTreeMap::new();
    for (root, info) in &rendering.roots {
        readmes.insert(root.clone(), messages.readme(root, &text, &address, &info.commands)?);
    }
    let (strategy, environment) = (target.strategy.name.clone(), target.environment.name.clone());
    let origin = Origin { strategy, environment, lane: LaneName::single() };
    Ok(Claim { dry: commit, origin, repo_url: address, roots: rendering.roots.clone(), readmes })
}
