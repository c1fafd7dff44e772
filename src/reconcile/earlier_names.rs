//! Which names strategies had before: read from the dry line alone, so that it is known whatever else is lost.
//!
//! A strategy was renamed by a commit that takes its name from the files, and has one there that proposes on a branch of
//! it. One that was deleted, and to whose branch another came later, was not: what it left is of whoever renders it.

use std::collections::{BTreeMap, BTreeSet};

use git2::{Oid, Repository};

use super::{
    strategy_changes::first_parents,
    strategy_files::{self, FILE, FOLDER},
};
use crate::{
    domain::{
        ids::{BranchName, DrySha, LaneName, RepositoryId, StrategyName},
        strategy::{Environment, PromotionStrategy, parse_strategies_of},
    },
    git::GitError,
};

/// How many texts of the strategy files are read, the newest first: what was renamed longer ago has been promoted since.
const VERSIONS_READ: usize = 50;

/// The earlier names of whoever proposes on a branch, by the active branch and the proposed one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EarlierNames(BTreeMap<(BranchName, BranchName), BTreeSet<StrategyName>>);

impl EarlierNames {
    /// Reads them from the dry line, as far as it is searched.
    pub fn read(repository: &Repository, id: &RepositoryId, head: &DrySha) -> Result<Self, GitError> {
        let mut names = Self::default();
        let (mut newer, mut read): (Option<Vec<PromotionStrategy>>, Option<[Option<Oid>; 2]>) = (None, None);
        let mut versions = 0;
        for commit in first_parents(repository, head)? {
            let commit = repository.find_commit(Oid::from_str(commit.as_str())?);
            // The mirror need not have everything that is old.
            let Ok(tree) = commit.and_then(|commit| commit.tree()) else { break };
            let texts = [FILE, FOLDER].map(|name| tree.get_name(name).map(|entry| entry.id()));
            if read == Some(texts) {
                continue;
            }
            if versions == VERSIONS_READ {
                break;
            }
            (read, versions) = (Some(texts), versions + 1);
            let Ok(files) = strategy_files::read_tree(repository, tree.id()) else { break };
            let strategies: Result<Vec<_>, _> =
                parse_strategies_of(id, &files).into_iter().map(|file| file.strategies).collect();
            // What a file with mistakes had is what it had before and has again.
            let Ok(strategies) = strategies else { continue };
            let older: Vec<PromotionStrategy> = strategies.into_iter().flatten().collect();
            if let Some(newer) = &newer {
                names.note(&older, newer);
            }
            newer = Some(older);
        }
        Ok(names)
    }

    /// Notes who took the place of whom from one text to the next.
    fn note(&mut self, older: &[PromotionStrategy], newer: &[PromotionStrategy]) {
        let is_gone = |before: &&PromotionStrategy| newer.iter().all(|after| after.name != before.name);
        let proposed: BTreeSet<_> = newer.iter().flat_map(|after| &after.environments).map(branches).collect();
        for before in older.iter().filter(is_gone) {
            for pair in before.environments.iter().map(branches).filter(|pair| proposed.contains(pair)) {
                self.0.entry(pair).or_default().insert(before.name.clone());
            }
        }
    }

    /// Returns the earlier names of the strategy that an environment is of.
    pub fn of(&self, environment: &Environment) -> BTreeSet<StrategyName> {
        self.0.get(&branches(environment)).cloned().unwrap_or_default()
    }
}

fn branches(environment: &Environment) -> (BranchName, BranchName) {
    (environment.branch.clone(), environment.branch_of_lane(&LaneName::single()))
}
