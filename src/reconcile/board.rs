//! The latest plan of every strategy, for pages, commands and waiting tests.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::domain::{
    ids::{BranchName, DrySha, RepositoryId, StrategyId},
    plan::PlaceView,
};

/// One strategy as it was last looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StrategyBoard {
    /// The strategy.
    pub id: StrategyId,
    /// The dry branch.
    pub dry_branch: BranchName,
    /// Its head.
    pub dry_head: Option<DrySha>,
    /// The repository's page on the forge.
    pub repository_url: String,
    /// What is wrong with the newest strategy document; the one before it is in force.
    pub mistake: Option<String>,
    /// Why the last look could not be finished.
    pub trouble: Option<String>,
    /// Every place, in the order of the strategy.
    pub places: Vec<PlaceView>,
    /// What is about to be done, in words; empty at rest.
    pub next: Vec<String>,
    /// When the last look ended.
    pub looked_at: Timestamp,
    /// When time alone changes something.
    pub wake_at: Option<Timestamp>,
    /// About the dry commits that places name.
    pub commits: BTreeMap<DrySha, CommitText>,
}

/// A dry commit as pages show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitText {
    /// The first line of its message.
    pub subject: String,
    /// Its author's name.
    pub author: String,
}

/// All boards; readers can wait for changes.
#[derive(Debug, Clone)]
pub struct Boards {
    sender: Arc<watch::Sender<BTreeMap<StrategyId, StrategyBoard>>>,
}

impl Default for Boards {
    fn default() -> Self {
        Self { sender: Arc::new(watch::channel(BTreeMap::new()).0) }
    }
}

impl Boards {
    /// Publishes a board.
    pub fn publish(&self, board: StrategyBoard) {
        self.sender.send_modify(|boards| {
            boards.insert(board.id.clone(), board);
        });
    }

    /// Changes a published board.
    pub fn change(&self, id: &StrategyId, change: impl FnOnce(&mut StrategyBoard)) {
        self.sender.send_modify(|boards| {
            if let Some(board) = boards.get_mut(id) {
                change(board);
            }
        });
    }

    /// Takes down the boards of a repository that are not among these.
    pub fn keep_only(&self, repository: &RepositoryId, strategies: &[StrategyId]) {
        self.sender.send_modify(|boards| {
            boards.retain(|id, _| id.repository != *repository || strategies.contains(id));
        });
    }

    /// Returns every board.
    pub fn all(&self) -> BTreeMap<StrategyId, StrategyBoard> {
        self.sender.borrow().clone()
    }

    /// Returns the board of one strategy.
    pub fn of(&self, id: &StrategyId) -> Option<StrategyBoard> {
        self.sender.borrow().get(id).cloned()
    }

    /// Returns a receiver that learns of every change.
    pub fn subscribe(&self) -> watch::Receiver<BTreeMap<StrategyId, StrategyBoard>> {
        self.sender.subscribe()
    }
}
