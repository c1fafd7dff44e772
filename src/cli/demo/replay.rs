//! Plays a real repository's own history through the local forge.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use git2::{Commit, Oid, Repository};

use super::stage::Stage;
use crate::{
    cli::output::counted,
    domain::{
        ids::{BranchName, RepositoryId, StrategyId},
        strategy::{PromotionStrategy, parse_strategies},
    },
    git::{
        batch::Entry,
        mirror::{Mirror, Push, Remote},
        tree::{self, Edits},
    },
};

/// How often what is waited for may be reported for one commit: more than any chain has links.
const ROUNDS: usize = 200;

/// Plays the newest `count` first-parent commits that touch the strategy's sources; returns how
/// many there were.
pub(super) async fn play(stage: &Stage, repo: &Path, strategy: &Path, count: u32) -> anyhow::Result<usize> {
    let text = std::fs::read(strategy).with_context(|| format!("could not read `{}`", strategy.display()))?;
    let parsed = parse(strategy, &text)?;
    let name = repo.file_stem().and_then(|name| name.to_str()).unwrap_or("replay").to_owned();
    let source = Mirror::open(&stage.folder.join("replay.git"))?;
    let head = fetch(&source, repo).await?;
    let prefixes = source_prefixes(&parsed);
    let wanted = usize::try_from(count).context("so many commits cannot be played")?;
    let commits = source.read(move |repository, _| rewrite(repository, head, &prefixes, wanted, &text)).await?;
    if commits.is_empty() {
        bail!("no commit of `{}` touches the sources of the strategy", repo.display());
    }
    let repository = stage.create_repository(&name, Vec::new()).await?;
    let commits_of = counted(commits.len(), "commit");
    stage.say(format_args!("Playing {commits_of} of {name}: {}/{repository}", stage.forge.url()));
    let id = StrategyId { repository: repository.clone(), name: parsed.name.clone() };
    let mut before = None;
    for (number, (commit, subject)) in commits.iter().enumerate() {
        push(stage, &source, &repository, before, *commit).await?;
        before = Some(*commit);
        promote_everywhere(stage, &id).await?;
        let short = commit.to_string();
        let subject: String = subject.chars().take(60).collect();
        let places = stage.board(&repository, &id.name)?.places;
        let runs: Vec<String> = places
            .iter()
            .map(|view| {
                let taken = view.taken.as_ref().map_or("nothing", |dry| dry.short());
                let same = if view.taken_as_no_op { " (no-op)" } else { "" };
                format!("{} {taken}{same}", view.place)
            })
            .collect();
        stage.say(format_args!(
            "[{}/{}] {} {subject}: {}",
            number + 1,
            commits.len(),
            short.get(..7).unwrap_or(&short),
            runs.join(", ")
        ));
        for notice in places.iter().flat_map(|view| &view.notices) {
            stage.say(format_args!("        {notice}"));
        }
    }
    stage.say("");
    Ok(commits.len())
}

fn parse(path: &Path, text: &[u8]) -> anyhow::Result<PromotionStrategy> {
    let file = (path.display().to_string(), text);
    let read = parse_strategies(&[file]).into_iter().next().context("there is no strategy")?;
    match read.strategies {
        Ok(strategies) => strategies.into_iter().next().context("the file holds no strategy"),
        Err(mistakes) => {
            bail!("{}", mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n"))
        }
    }
}

/// Fetches the main branch of a git directory or a bundle; returns its head.
async fn fetch(source: &Mirror, repo: &Path) -> anyhow::Result<Oid> {
    let path: PathBuf = repo.canonicalize().with_context(|| format!("could not find `{}`", repo.display()))?;
    let remote = Remote { url: path.display().to_string(), authorization: None };
    for name in ["main", "master"] {
        let branch = BranchName::new(name)?;
        if source.fetch_branches(&remote, std::slice::from_ref(&branch)).await.is_ok()
            && let Some(head) = source.branch(&branch).await?
        {
            return Ok(head);
        }
    }
    bail!("`{}` has no branch `main` or `master` that can be read", repo.display())
}

/// Returns the top folders of the sources: a change below one of them may change a root, also when
/// it is in a base beside the overlays. An empty text stands for the whole repository.
fn source_prefixes(strategy: &PromotionStrategy) -> BTreeSet<String> {
    let sources = &strategy.sources.sources;
    sources
        .iter()
        .flat_map(|s| s.path.iter().chain(&s.each).chain(&s.chart).chain(&s.value_files))
        .map(|pattern| {
            let first = pattern.split('/').next().unwrap_or_default();
            if first.contains(['{', '*']) { String::new() } else { first.to_owned() }
        })
        .collect()
}

/// Makes the newest commits that touch the sources into a history of their own, oldest first, each
/// with the strategy in its tree.
fn rewrite(
    repository: &Repository,
    head: Oid,
    prefixes: &BTreeSet<String>,
    count: usize,
    strategy: &[u8],
) -> Result<Vec<(Oid, String)>, crate::git::GitError> {
    let mut walk = repository.revwalk()?;
    walk.simplify_first_parent()?;
    walk.push(head)?;
    let mut chosen = Vec::new();
    for id in walk {
        let commit = repository.find_commit(id?)?;
        if touches(repository, &commit, prefixes)? {
            chosen.push(commit);
            if chosen.len() == count {
                break;
            }
        }
    }
    let mut rewritten: Vec<(Oid, String)> = Vec::new();
    for commit in chosen.into_iter().rev() {
        let mut batch = crate::git::batch::Batch::default();
        let blob = batch.blob(strategy.to_vec())?;
        let edits: Edits = [("hydromote.yaml".to_owned(), Some(Entry::file(blob)))].into();
        let tree = tree::edit(repository, &mut batch, Some(commit.tree_id()), &edits)?.unwrap_or(commit.tree_id());
        batch.write(repository)?;
        let tree = repository.find_tree(tree)?;
        let message = String::from_utf8_lossy(commit.message_bytes()).into_owned();
        let parent = rewritten.last().map(|(id, _)| repository.find_commit(*id)).transpose()?;
        let parents: Vec<&Commit<'_>> = parent.iter().collect();
        let id = repository.commit(None, &commit.author(), &commit.committer(), &message, &tree, &parents)?;
        rewritten.push((id, message.lines().next().unwrap_or_default().to_owned()));
    }
    Ok(rewritten)
}

fn touches(repository: &Repository, commit: &Commit<'_>, prefixes: &BTreeSet<String>) -> Result<bool, git2::Error> {
    let before = commit.parent(0).ok().map(|parent| parent.tree()).transpose()?;
    let diff = repository.diff_tree_to_tree(before.as_ref(), Some(&commit.tree()?), None)?;
    let below = |path: &Path| prefixes.iter().any(|prefix| prefix.is_empty() || path.starts_with(prefix));
    Ok(diff.deltas().any(|delta| [delta.old_file().path(), delta.new_file().path()].into_iter().flatten().any(below)))
}

async fn push(
    stage: &Stage,
    source: &Mirror,
    repository: &RepositoryId,
    before: Option<Oid>,
    commit: Oid,
) -> anyhow::Result<()> {
    let remote = stage.developer_remote(repository);
    let push = Push { branch: BranchName::new("main")?, expected: before, new: Some(commit) };
    Ok(source.push(&remote, &[push]).await?)
}

/// Lets everything happen that the newest commit leads to, with every key reported as success.
async fn promote_everywhere(stage: &Stage, id: &StrategyId) -> anyhow::Result<()> {
    for _ in 0..ROUNDS {
        stage.settle(&id.repository).await?;
        if !stage.do_what_is_waited_for(id).await? && !stage.let_time_pass(id).await? {
            return Ok(());
        }
    }
    bail!("the strategy {id} does not come to rest")
}
