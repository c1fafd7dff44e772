//! The latest plan of every strategy, for pages, commands and waiting tests.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::strategy_changes::KeptOut;
use crate::{
    domain::{
        fate::{Fate, fate},
        gate::Gate,
        ids::{BranchName, DestinationId, DrySha, Place, RepositoryId, StrategyId, StrategyName},
        ledger::Ledger,
        plan::PlaceView,
        snapshot::Snapshot,
        strategy::{MergeMode, PromotionStrategy},
    },
    forge::Pages,
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
    /// The dry repository's page on the forge.
    pub repository_url: String,
    /// Where the forge shows its things.
    #[serde(default)]
    pub pages: Pages,
    /// The repository with the environments' branches, when it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<BoardDestination>,
    /// What is wrong with the newest strategy document; the one before it is in force.
    pub mistake: Option<String>,
    /// The newest strategy, when it has no mistake and stays out until a person lets it in.
    #[serde(skip)]
    pub kept_out: Option<KeptOut>,
    /// Why the last look could not be finished.
    pub trouble: Option<String>,
    /// Why the forge sends no webhooks, and what to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// Every place, in the order of the strategy.
    pub places: Vec<PlaceView>,
    /// What is about to be done, in words; empty at rest.
    pub next: Vec<String>,
    /// When everything was read last.
    pub looked_at: Timestamp,
    /// When time alone changes something.
    pub wake_at: Option<Timestamp>,
    /// About the dry commits that places name.
    pub commits: BTreeMap<DrySha, CommitText>,
    /// What the plan was made from, to answer questions about single commits.
    #[serde(skip)]
    pub looked: Looked,
}

/// Another repository with the environments' branches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoardDestination {
    /// It.
    pub id: DestinationId,
    /// Its page on the forge.
    pub url: String,
    /// Where the forge shows its things.
    pub pages: Pages,
}

/// What a plan was made from. Two of them are not compared: what people see is.
#[derive(Debug, Clone, Default)]
pub struct Looked(pub Option<(Arc<PromotionStrategy>, Arc<Snapshot>)>);

impl PartialEq for Looked {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Looked {}

impl StrategyBoard {
    /// Returns the repository with the environments' branches, when it is not the dry one.
    pub fn destination_id(&self) -> Option<&DestinationId> {
        self.destination.as_ref().map(|destination| &destination.id)
    }

    /// Returns the page of the repository with the environments' branches, and where its forge shows things.
    pub fn promotions(&self) -> (&str, Pages) {
        let elsewhere = self.destination.as_ref().map(|destination| (destination.url.as_str(), destination.pages));
        elsewhere.unwrap_or((&self.repository_url, self.pages))
    }

    /// Returns every dry SHA that begins so, on the line and among those that run.
    pub fn dry_beginning_with(&self, beginning: &str) -> Vec<DrySha> {
        let looked = self.looked.0.as_ref();
        looked.map(|(_, snapshot)| snapshot.line.all_beginning_with(beginning)).unwrap_or_default()
    }

    /// Returns the place in whose name content of a place is proposed, as far as the strategy is known.
    pub fn proposer(&self, place: &Place) -> Place {
        let strategy = self.looked.0.as_ref().map(|(strategy, _)| strategy);
        strategy.map_or_else(|| place.clone(), |strategy| strategy.proposer(place))
    }

    /// Returns the name by which what is reported on the active branch of a place is told from what other strategies
    /// report there, where others may.
    pub fn told_apart(&self, place: &Place) -> Option<&StrategyName> {
        self.looked.0.as_ref()?.0.told_apart(place)
    }

    /// Says whether what is proposed for a place may be promoted before there is a pull request.
    pub fn needs_no_pull_request(&self, place: &Place) -> bool {
        matches!(self.mode(place), Some(MergeMode::Direct | MergeMode::Link))
    }

    /// Returns the page on which a person opens the pull request that a place waits for.
    pub fn to_open(&self, view: &PlaceView) -> Option<String> {
        let waits = view.gates.iter().find_map(|closed| match &closed.gate {
            Gate::Unopened { head } => Some(head),
            _ => None,
        });
        let (url, pages) = self.promotions();
        let head = waits.filter(|_| view.proposed.is_some() && self.mode(&view.place) == Some(MergeMode::Link))?;
        Some(pages.new_pull_request(url, head, &view.branch))
    }

    fn mode(&self, place: &Place) -> Option<MergeMode> {
        Some(self.looked.0.as_ref()?.0.environment(&place.environment)?.merge_mode)
    }

    /// Says whether a dry SHA is on the line as it was looked at.
    pub fn is_on_line(&self, dry: &DrySha) -> bool {
        self.looked.0.as_ref().is_some_and(|(_, snapshot)| snapshot.line.contains(dry))
    }

    /// Says whether a place has taken a dry SHA or something newer.
    pub fn is_behind(&self, view: &PlaceView, dry: &DrySha) -> bool {
        let Some((_, snapshot)) = &self.looked.0 else { return false };
        view.taken.as_ref().is_some_and(|taken| snapshot.line.position(dry) <= snapshot.line.position(taken))
    }

    /// Returns what became of a dry SHA in each place.
    pub fn fates(&self, dry: &DrySha) -> Vec<(&PlaceView, Fate)> {
        let Some((strategy, snapshot)) = &self.looked.0 else { return Vec::new() };
        let ledger = Ledger::new(strategy, snapshot);
        let of = |view| -> Option<(&PlaceView, Fate)> {
            let view: &PlaceView = view;
            let environment = strategy.environment(&view.place.environment)?;
            Some((view, fate(&ledger, environment, &view.place, view, dry, snapshot)))
        };
        self.places.iter().filter_map(of).collect()
    }
}

/// A dry commit as pages show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitText {
    /// The first line of its message.
    pub subject: String,
    /// Its author's name.
    pub author: String,
}

/// Everything that is published.
#[derive(Debug, Default)]
pub struct Published {
    strategies: BTreeMap<StrategyId, StrategyBoard>,
    /// Why repositories that have no board yet could not be looked at.
    troubles: BTreeMap<RepositoryId, String>,
    /// Why the forge sends no webhooks of a repository.
    webhooks: BTreeMap<RepositoryId, String>,
}

impl Published {
    /// Returns why no webhooks come of the repositories that a board is about.
    fn webhook(&self, board: &StrategyBoard) -> Option<String> {
        let elsewhere = board.destination_id().map(|destination| &destination.repository);
        [Some(&board.id.repository), elsewhere].into_iter().flatten().find_map(|name| self.webhooks.get(name)).cloned()
    }
}

/// All boards; readers can wait for changes.
#[derive(Debug, Clone)]
pub struct Boards {
    sender: Arc<watch::Sender<Published>>,
}

impl Default for Boards {
    fn default() -> Self {
        Self { sender: Arc::new(watch::channel(Published::default()).0) }
    }
}

impl Boards {
    /// Publishes a board.
    pub fn publish(&self, mut board: StrategyBoard) {
        self.sender.send_modify(|published| {
            board.webhook = published.webhook(&board);
            published.strategies.insert(board.id.clone(), board);
        });
    }

    /// Changes a published board.
    pub fn change(&self, id: &StrategyId, change: impl FnOnce(&mut StrategyBoard)) {
        self.sender.send_modify(|published| {
            if let Some(board) = published.strategies.get_mut(id) {
                change(board);
            }
        });
    }

    /// Takes away the board of a strategy whose place another one has taken.
    pub fn remove(&self, id: &StrategyId) {
        self.sender.send_if_modified(|published| published.strategies.remove(id).is_some());
    }

    /// Takes away the boards of a repository that are not about one of `there`.
    pub fn keep_only(&self, repository: &RepositoryId, there: &[StrategyId]) {
        self.sender.send_if_modified(|published| {
            let before = published.strategies.len();
            published.strategies.retain(|id, _| id.repository != *repository || there.contains(id));
            published.strategies.len() != before
        });
    }

    /// Says on every board of a repository why it could not be looked at; a repository without
    /// boards says it by itself.
    pub fn trouble(&self, repository: &RepositoryId, words: &str) {
        self.sender.send_modify(|published| {
            let mut shown = false;
            for (_, board) in published.strategies.iter_mut().filter(|(id, _)| id.repository == *repository) {
                board.trouble = Some(words.to_owned());
                shown = true;
            }
            if !shown {
                published.troubles.insert(repository.clone(), words.to_owned());
            }
        });
    }

    /// Takes back that a repository could not be looked at.
    pub fn recovered(&self, repository: &RepositoryId) {
        self.sender.send_if_modified(|published| {
            let mut changed = published.troubles.remove(repository).is_some();
            for (_, board) in published.strategies.iter_mut().filter(|(id, _)| id.repository == *repository) {
                changed |= board.trouble.take().is_some();
            }
            changed
        });
    }

    /// Says on every board that is about a repository why the forge sends no webhooks of it, or takes that back; returns
    /// the words when they are news.
    pub fn tell_of_webhook(&self, repository: &RepositoryId, words: Option<String>) -> Option<String> {
        let mut news = None;
        self.sender.send_if_modified(|published| {
            let before = match &words {
                Some(words) => published.webhooks.insert(repository.clone(), words.clone()),
                None => published.webhooks.remove(repository),
            };
            let ids: Vec<StrategyId> = published.strategies.keys().cloned().collect();
            for id in ids {
                let told = published.strategies.get(&id).and_then(|board| published.webhook(board));
                if let Some(board) = published.strategies.get_mut(&id) {
                    board.webhook = told;
                }
            }
            let changed = before != words;
            news = words.filter(|_| changed);
            changed
        });
        news
    }

    /// Returns every board.
    pub fn all(&self) -> BTreeMap<StrategyId, StrategyBoard> {
        self.sender.borrow().strategies.clone()
    }

    /// Returns the board of one strategy.
    pub fn of(&self, id: &StrategyId) -> Option<StrategyBoard> {
        self.sender.borrow().strategies.get(id).cloned()
    }

    /// Returns why repositories that have no board yet could not be looked at.
    pub fn troubles(&self) -> BTreeMap<RepositoryId, String> {
        self.sender.borrow().troubles.clone()
    }

    /// Returns a receiver that learns of every change.
    pub fn subscribe(&self) -> watch::Receiver<Published> {
        self.sender.subscribe()
    }
}
