//! Strategy files on the dry branch, and which strategies are in force.
//!
//! - A strategy that a later commit broke stays in force as it was, with the mistake: what it waits for is shown, and
//!   nothing is promoted on a guess.
//! - One that was renamed is replaced, as if its text had changed, by the one that proposes on the same branches.
//! - One that was deleted ends, as by a change that takes all its environments. Only what is certain is a deletion: every
//!   file could be read and has no mistakes, and none of them has it.

use std::collections::BTreeSet;

use git2::{ObjectType, Oid, Repository, TreeEntry};

use super::forges::Forges;
use crate::{
    domain::{
        ids::{BranchName, DrySha, EnvironmentName, LaneName, RepositoryId, StrategyId, StrategyName},
        strategy::{Mistake, PromotionStrategy, StrategyFile, parse_strategies_of},
    },
    git::GitError,
    store::Document,
};

/// The strategy file at the root of a repository.
pub const FILE: &str = "hydromote.yaml";
/// The folder of further strategy files.
pub const FOLDER: &str = ".hydromote";

/// The largest strategy file, bytes; a larger one is as one without a strategy.
const LARGEST: usize = 1 << 20;

/// A strategy file: its path and content.
pub type File = (String, Vec<u8>);

/// A strategy in force.
#[derive(Debug, Clone, PartialEq)]
pub struct InForce {
    /// The strategy.
    pub strategy: PromotionStrategy,
    /// Where it was read, and what is wrong with a newer one.
    pub document: Document,
    /// What is to take its place.
    pub next: Next,
}

/// What is to take the place of a strategy in force.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// It is in the files, or may be.
    Itself,
    /// One under another name, which proposes on a branch of it.
    Renamed(Box<InForce>),
    /// Nothing: its file, or what stood of it in one, was deleted.
    Nothing,
}

impl InForce {
    fn successor_id(&self) -> Option<StrategyId> {
        match &self.next {
            Next::Renamed(successor) => Some(successor.document.strategy.clone()),
            Next::Itself | Next::Nothing => None,
        }
    }

    /// Returns what is left of it once it was deleted.
    pub fn ended(&self) -> Self {
        let document = Document { text: String::new(), mistake: None, ..self.document.clone() };
        Self { strategy: self.strategy.ended(), document, next: Next::Itself }
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
    let mut files = Vec::new();
    if let Some(entry) = tree.get_name(FILE) {
        files.push((FILE.to_owned(), content(repository, &entry)?));
    }
    match tree.get_name(FOLDER) {
        None => {}
        Some(folder) if folder.kind() == Some(ObjectType::Tree) => {
            for entry in repository.find_tree(folder.id())?.iter() {
                let name = String::from_utf8_lossy(entry.name_bytes()).into_owned();
                if name.ends_with(".yaml") || name.ends_with(".yml") {
                    files.push((format!("{FOLDER}/{name}"), content(repository, &entry)?));
                }
            }
        }
        Some(_) => files.push((FOLDER.to_owned(), Vec::new())),
    }
    Ok(files)
}

/// Returns the content of a file. What stands where one belongs, and is none, is as one without a strategy: a mistake.
fn content(repository: &Repository, entry: &TreeEntry<'_>) -> Result<Vec<u8>, GitError> {
    match entry.kind() {
        Some(ObjectType::Blob) if repository.odb()?.read_header(entry.id())?.0 > LARGEST => Ok(Vec::new()),
        Some(ObjectType::Blob) => Ok(repository.find_blob(entry.id())?.content().to_vec()),
        _ => Ok(Vec::new()),
    }
}

/// What a strategy must fit beside its text.
pub struct Grounds<'a> {
    /// The repository that it is in.
    pub repository: &'a RepositoryId,
    /// The branch.
    pub dry_branch: &'a BranchName,
    /// The forges, and who may promote where.
    pub forges: &'a Forges,
}

/// Decides which strategies are in force at `dry`, given those that were before.
pub fn settle(grounds: &Grounds<'_>, dry: &DrySha, files: &[File], before: Vec<Document>) -> Settled {
    let Grounds { repository, dry_branch, .. } = *grounds;
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
                    match misplaced(&strategy, grounds) {
                        Some(mistake) => mistakes.push((path.clone(), format!("{path}: {mistake}"))),
                        None => settled.in_force.push(InForce { strategy, document, next: Next::Itself }),
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
        let broken = mistakes.iter().find(|(path, _)| *path == document.path).map(|(_, mistake)| mistake.clone());
        // It may stand in any file that cannot be read.
        let elsewhere = mistakes.first().map(|(path, _)| {
            format!(
                "the strategy is no longer in `{}` on {dry_branch}, and may be in `{path}`, which has mistakes",
                document.path
            )
        });
        let gone = || format!("the strategy is no longer in `{}` on {dry_branch}", document.path);
        document.mistake = Some(broken.clone().or(elsewhere).unwrap_or_else(gone));
        let Some(mut last) = last_good(repository, document) else { continue };
        if broken.is_none() {
            let successor = in_files.iter().find(|other| last.strategy.proposes_as(&other.strategy));
            last.next = match successor {
                Some(successor) => Next::Renamed(Box::new(successor.clone())),
                None if mistakes.is_empty() => Next::Nothing,
                None => Next::Itself,
            };
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

/// Returns what the dry branch or the server makes wrong about a strategy.
fn misplaced(strategy: &PromotionStrategy, grounds: &Grounds<'_>) -> Option<String> {
    let dry_branch = grounds.dry_branch;
    let refuses = |wanted| grounds.forges.destination(grounds.repository, wanted).err();
    if let Some(refused) = strategy.destination.as_ref().and_then(refuses) {
        return Some(format!("`destination` cannot be used: {refused}"));
    }
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
    Some(InForce { strategy, document, next: Next::Itself })
}

/// Says whether a strategy in force is in none of the files, and none of those has mistakes.
pub fn is_deleted(repository: &RepositoryId, files: &[File], in_force: &PromotionStrategy) -> bool {
    let is_it = |other: &PromotionStrategy| other.name == in_force.name || other.proposes_as(in_force);
    let is_without = |read: StrategyFile| read.strategies.is_ok_and(|strategies| !strategies.iter().any(is_it));
    parse_strategies_of(repository, files).into_iter().all(is_without)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const SHOP: &str = "
apiVersion: hydromote.dev/v1alpha1
kind: PromotionStrategy
metadata: {name: shop}
spec:
  sources: [{path: 'apps/{environment}', output: shop}]
  environments: [{name: dev, branch: env/dev}]
";

    fn file(path: &str, text: &str) -> File {
        (path.to_owned(), text.as_bytes().to_vec())
    }

    /// Returns what is to take the place of `shop`, which was in force, in a word.
    fn next_of_shop(files: &[File]) -> &'static str {
        let repository = RepositoryId::new("acme/shop").expect("an owner and a name");
        let (main, dry) = (BranchName::new("main").expect("a branch"), DrySha::new("dry-1").expect("a word"));
        let forges = Forges::new(BTreeMap::new(), Vec::new());
        let grounds = Grounds { repository: &repository, dry_branch: &main, forges: &forges };
        let before = settle(&grounds, &dry, &[file(FILE, SHOP)], Vec::new()).in_force;
        let before: Vec<Document> = before.into_iter().map(|one| one.document).collect();
        let settled = settle(&grounds, &dry, files, before);
        let shop = settled.in_force.iter().find(|one| one.document.strategy.name.as_str() == "shop");
        match shop.map(|one| &one.next) {
            None => "lost",
            Some(Next::Itself) => "itself",
            Some(Next::Renamed(_)) => "renamed",
            Some(Next::Nothing) => "nothing",
        }
    }

    #[test]
    fn only_what_is_in_no_file_and_may_be_in_none_was_deleted() {
        let (broken, other) = (SHOP.replace("branch:", "brnch:"), SHOP.replace("name: shop", "name: other"));
        let elsewhere = other.replace("env/dev", "env/other");
        assert_eq!(next_of_shop(&[]), "nothing");
        assert_eq!(next_of_shop(&[file(FILE, SHOP)]), "itself");
        assert_eq!(next_of_shop(&[file(".hydromote/shop.yaml", SHOP)]), "itself", "it was moved");
        assert_eq!(next_of_shop(&[file(FILE, &other)]), "renamed");
        assert_eq!(next_of_shop(&[file(FILE, &elsewhere)]), "nothing", "another one took its file");
        assert_eq!(next_of_shop(&[file(FILE, &broken)]), "itself");
        assert_eq!(next_of_shop(&[file(".hydromote/shop.yaml", &broken)]), "itself", "it may be in there");
        assert_eq!(next_of_shop(&[file(FILE, "")]), "itself", "a file that holds no strategy is a mistake");
        assert_eq!(next_of_shop(&[file(FOLDER, "")]), "itself", "the folder cannot be read");
    }

    #[test]
    fn what_stands_where_strategies_belong_and_is_no_file_is_not_left_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let repository = Repository::init_bare(folder.path()).expect("a repository");
        let blob = repository.blob(b"text").expect("a blob");
        let mut tree = repository.treebuilder(None).expect("a tree");
        tree.insert(FOLDER, blob, 0o100_644).expect("an entry");
        let id = tree.write().expect("a tree");
        let names = |tree| read_tree(&repository, tree).expect("files").into_iter().map(|(path, _)| path);
        assert_eq!(names(id).collect::<Vec<_>>(), [FOLDER]);
        let mut tree = repository.treebuilder(None).expect("a tree");
        tree.insert(FILE, id, 0o040_000).expect("an entry");
        let id = tree.write().expect("a tree");
        assert_eq!(names(id).collect::<Vec<_>>(), [FILE]);
    }
}
