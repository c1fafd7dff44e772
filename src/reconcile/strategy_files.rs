//! Strategy files on the dry branch, and which strategies are in force.
//!
//! A strategy that a later commit broke or deleted stays in force as it was, with the mistake:
//! what it waits for is shown, and nothing is promoted on a guess. One that was renamed is replaced, as if
//! its text had changed, by the one that proposes on the same branches.

use std::collections::BTreeSet;

use git2::{Oid, Repository};

use crate::{
    domain::{
        ids::{BranchName, DrySha, EnvironmentName, LaneName, RepositoryId, StrategyId, StrategyName},
        strategy::{Mistake, PromotionStrategy, parse_strategies_of},
    },
    git::GitError,
    store::Document,
};

/// The strategy file at the root of a repository.
pub const FILE: &str = "hydromote.yaml";
/// The folder of further strategy files.
pub const FOLDER: &str = ".hydromote";

/// A strategy file: its path and content.
pub type File = (String, Vec<u8>);

/// A strategy in force.
#[derive(Debug, Clone, PartialEq)]
pub struct InForce {
    /// The strategy.
    pub strategy: PromotionStrategy,
    /// Where it was read, and what is wrong with a newer one.
    pub document: Document,
    /// The one under another name that is to take its place, when it is no longer in the files.
    pub successor: Option<Box<InForce>>,
}

impl InForce {
    fn successor_id(&self) -> Option<StrategyId> {
        Some(self.successor.as_ref()?.document.strategy.clone())
    }
}

/// A file that has mistakes and never had a strategy in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// A name to show it under.
    pub id: StrategyId,
    /// The mistakes.
    pub mistake: String,
}

/// What the strategy files of a repository amount to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settled {
    /// Strategies in force.
    pub in_force: Vec<InForce>,
    /// Files without any.
    pub broken: Vec<Broken>,
}

/// Reads the strategy files at a dry SHA.
pub fn read(repository: &Repository, dry: &DrySha) -> Result<Vec<File>, GitError> {
    read_tree(repository, repository.find_commit(Oid::from_str(dry.as_str())?)?.tree_id())
}

/// Reads the strategy files in a tree.
pub fn read_tree(repository: &Repository, tree: Oid) -> Result<Vec<File>, GitError> {
    let tree = repository.find_tree(tree)?;
    let mut paths: Vec<(String, Oid)> = Vec::new();
    if let Some(entry) = tree.get_name(FILE) {
        paths.push((FILE.to_owned(), entry.id()));
    }
    let folder = tree.get_name(FOLDER).and_then(|entry| entry.to_object(repository).ok()?.peel_to_tree().ok());
    for entry in folder.iter().flat_map(|folder| folder.iter()) {
        let name = String::from_utf8_lossy(entry.name_bytes()).into_owned();
        if name.ends_with(".yaml") || name.ends_with(".yml") {
            paths.push((format!("{FOLDER}/{name}"), entry.id()));
        }
    }
    let blob = |(path, id)| Some((path, repository.find_blob(id).ok()?.content().to_vec()));
    Ok(paths.into_iter().filter_map(blob).collect())
}

/// Decides which strategies are in force at `dry`, given those that were before.
pub fn settle(
    repository: &RepositoryId,
    dry_branch: &BranchName,
    dry: &DrySha,
    files: &[File],
    before: Vec<Document>,
) -> Settled {
    let mut settled = Settled::default();
    let mut mistakes: Vec<(String, String)> = Vec::new();
    for (read, (path, bytes)) in parse_strategies_of(repository, files).into_iter().zip(files) {
        match read.strategies {
            Err(found) => mistakes.push((path.clone(), words(&found))),
            Ok(strategies) => {
                for strategy in strategies {
                    let document = Document {
                        strategy: StrategyId { repository: repository.clone(), name: strategy.name.clone() },
                        dry: dry.clone(),
                        path: path.clone(),
                        text: String::from_utf8_lossy(bytes).into_owned(),
                        mistake: None,
                    };
                    match misplaced(&strategy, dry_branch) {
                        Some(mistake) => mistakes.push((path.clone(), format!("{path}: {mistake}"))),
                        None => settled.in_force.push(InForce { strategy, document, successor: None }),
                    }
                }
            }
        }
    }
    let known: BTreeSet<StrategyId> = before.iter().map(|document| document.strategy.clone()).collect();
    let in_files = settled.in_force.clone();
    for mut document in before {
        if settled.in_force.iter().any(|other| other.document.strategy == document.strategy) {
            continue;
        }
        let gone = || format!("the strategy is no longer in `{}` on {dry_branch}; put it back to go on", document.path);
        let broken = mistakes.iter().find(|(path, _)| *path == document.path).map(|(_, mistake)| mistake.clone());
        document.mistake = Some(broken.clone().unwrap_or_else(gone));
        let Some(mut last) = last_good(repository, document) else { continue };
        if broken.is_none() {
            let successor = in_files.iter().find(|other| last.strategy.proposes_as(&other.strategy));
            last.successor = successor.cloned().map(Box::new);
        }
        settled.in_force.push(last);
    }
    let successors: BTreeSet<StrategyId> = settled.in_force.iter().filter_map(InForce::successor_id).collect();
    settled
        .in_force
        .retain(|one| known.contains(&one.document.strategy) || !successors.contains(&one.document.strategy));
    for (path, mistake) in mistakes {
        if !settled.in_force.iter().any(|other| other.document.path == path) {
            let id = StrategyId { repository: repository.clone(), name: name_of(&path) };
            settled.broken.push(Broken { id, mistake });
        }
    }
    settled
}

/// Returns what the dry branch makes wrong about a strategy.
fn misplaced(strategy: &PromotionStrategy, dry_branch: &BranchName) -> Option<String> {
    if let Some(other) = strategy.dry_branch.as_ref().filter(|branch| *branch != dry_branch) {
        return Some(format!(
            "`dryBranch: {other}` is not the repository's default branch; strategies are read from `{dry_branch}`"
        ));
    }
    strategy.conflict_with_dry_branch(dry_branch).map(|environment| {
        format!(
            "the branch `{}` of {} cannot stand beside the dry branch `{dry_branch}`",
            environment.branch, environment.name
        )
    })
}

/// Reads a document that was in force.
pub fn last_good(repository: &RepositoryId, document: Document) -> Option<InForce> {
    let file = (document.path.clone(), document.text.clone().into_bytes());
    let read = parse_strategies_of(repository, &[file]).into_iter().next()?;
    let strategy = read.strategies.ok()?.into_iter().find(|s| s.name == document.strategy.name)?;
    Some(InForce { strategy, document, successor: None })
}

/// Returns what the strategy in force is at a dry SHA, by its name, else by where it proposes, or one environment of it;
/// or why there is none.
pub fn strategy_at(
    repository: &RepositoryId,
    files: &[File],
    in_force: &PromotionStrategy,
    environment: Option<&EnvironmentName>,
) -> Result<PromotionStrategy, (Option<String>, Option<u64>, String)> {
    let (mut mistake, mut by_branch) = (None, None);
    let proposed =
        |strategy: &PromotionStrategy| Some(strategy.environment(environment?)?.branch_of_lane(&LaneName::single()));
    let is_it = |other: &PromotionStrategy| match proposed(in_force) {
        Some(branch) => proposed(other) == Some(branch),
        None => other.proposes_as(in_force),
    };
    for read in parse_strategies_of(repository, files) {
        match read.strategies {
            Ok(strategies) => {
                for strategy in strategies {
                    if strategy.name == in_force.name {
                        return Ok(strategy);
                    }
                    by_branch = by_branch.or_else(|| is_it(&strategy).then_some(strategy));
                }
            }
            Err(found) => mistake = mistake.or(found.into_iter().next()),
        }
    }
    match (by_branch, mistake) {
        (_, Some(mistake)) => Err((Some(mistake.file), Some(mistake.line), mistake.message)),
        (Some(other_name), None) => Ok(other_name),
        (None, None) => Err((None, None, format!("the strategy `{}` is not in this commit", in_force.name))),
    }
}

/// Returns what is wrong, where, and below each what would be right.
fn words(mistakes: &[Mistake]) -> String {
    let line = |m: &Mistake| {
        let help = if m.help.is_empty() { String::new() } else { format!("\n  {}", m.help) };
        format!("{}:{}:{}: {}{help}", m.file, m.line, m.column, m.message)
    };
    mistakes.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Returns a name under which a file without strategies is shown.
fn name_of(path: &str) -> StrategyName {
    let stem = path.rsplit('/').next().unwrap_or(path);
    let stem = stem.trim_end_matches(".yaml").trim_end_matches(".yml");
    StrategyName::new(stem).or_else(|_| StrategyName::new("hydromote")).expect("because `hydromote` is a name")
}
