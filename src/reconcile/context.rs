//! What the worker of one strategy works with.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::{
    LookError, attention::Attention, board::BoardDestination, destinations::Destinations, earlier_names::EarlierNames,
    forges::Forges, hydrate::Hydrator, sharing::Sharing, strategy_changes::KeptOut, strategy_files::Grounds,
};
use crate::{
    domain::{
        ids::{
            BranchName, DestinationId, ForgeName, LaneName, Place, RepositoryId, RootName, StrategyId, StrategyName,
        },
        strategy::{Environment, PromotionStrategy},
        windows::ServerWindows,
    },
    forge::{Account, ForgeError, Repository, SharedForge},
    git::{
        history::BranchCommit,
        metadata::Origin,
        mirror::{Mirror, Remote, Watched},
    },
    messages::Messages,
    store::Store,
};

/// Tells the time; a value in tests.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What all workers share.
#[derive(Clone)]
pub struct Shared {
    /// The store.
    pub store: Store,
    /// Prose.
    pub messages: Messages,
    /// Renders.
    pub hydrator: Arc<Hydrator>,
    /// The forges.
    pub forges: Forges,
    /// Who promotes into which other repositories.
    pub destinations: Destinations,
    /// When the server lets promotions be merged.
    pub server_windows: Arc<ServerWindows>,
    /// The time.
    pub clock: Clock,
    /// The service's own address for people, without a slash at its end.
    pub public_url: Option<String>,
}

/// One repository as the workers see it.
#[derive(Clone)]
pub struct RepositoryContext {
    /// The repository's name.
    pub id: RepositoryId,
    /// What all workers share.
    pub shared: Shared,
    /// The forge's name in the settings.
    pub forge_name: ForgeName,
    /// The forge.
    pub forge: SharedForge,
    /// Our account on it.
    pub account: Account,
    /// What the forge says of the repository.
    pub details: Repository,
    /// Its mirror.
    pub mirror: Mirror,
    /// One turn, to merge into a branch that strategies share.
    pub merging: Arc<Semaphore>,
}

/// One strategy as its worker sees it.
#[derive(Clone)]
pub struct StrategyContext {
    /// What all workers share.
    pub shared: Shared,
    /// The repository with the dry branch.
    pub dry: RepositoryContext,
    /// The repository with the environments' branches; the same one, unless the strategy has a `destination`.
    pub destination: RepositoryContext,
    /// The strategy's name.
    pub id: StrategyId,
    /// The dry branch.
    pub dry_branch: BranchName,
    /// The strategy in force: the last one without mistakes.
    pub strategy: Arc<PromotionStrategy>,
    /// The other strategies of the repository that are in force, each with its active branches.
    pub others: Arc<BTreeMap<StrategyName, BTreeSet<BranchName>>>,
    /// What strategies were called before.
    pub earlier: Arc<EarlierNames>,
    /// What is wrong with the newest one, when that is another.
    pub mistake: Option<String>,
    /// The newest one, when it has no mistake and stays out.
    pub kept_out: Option<KeptOut>,
}

impl StrategyContext {
    /// Returns the active and proposed branches of the strategy.
    pub fn watched(&self) -> Vec<Watched> {
        watched(&self.strategy)
    }

    /// Returns the branches on which changes of these places are proposed.
    pub fn heads<'p>(&self, places: impl Iterator<Item = &'p Place>) -> BTreeMap<BranchName, Place> {
        let mut heads = BTreeMap::new();
        for place in places {
            let Some(environment) = self.strategy.environment(&place.environment) else { continue };
            heads.insert(environment.proposed_branch(&place.lane), place.clone());
            heads.insert(environment.rollback_branch(&place.lane), place.clone());
            heads.insert(environment.restore_branch(&place.lane), place.clone());
        }
        heads
    }

    /// Returns what commits of a place say about where they belong.
    pub fn origin(&self, place: &Place) -> Origin {
        Origin { strategy: self.id.name.clone(), environment: place.environment.clone(), lane: place.lane.clone() }
    }

    /// Returns which outputs on the branch of an environment are of this strategy, which `renders` these now.
    pub fn sharing<'r>(&self, environment: &Environment, renders: impl IntoIterator<Item = &'r RootName>) -> Sharing {
        let renders = renders.into_iter().cloned().collect();
        let here = self.others.iter().filter(|(_, branches)| branches.contains(&environment.branch));
        let others = here.map(|(name, _)| name.clone()).collect();
        let earlier = self.earlier.of(environment);
        Sharing { own: self.id.name.clone(), others: Arc::new(others), renders, earlier }
    }

    /// Makes a commit of a strategy that is no longer in force one of this strategy.
    pub fn claim(&self, commit: BranchCommit) -> BranchCommit {
        let others = Arc::new(self.others.keys().cloned().collect());
        let (renders, earlier) = (BTreeSet::new(), BTreeSet::new());
        Sharing { own: self.id.name.clone(), others, renders, earlier }.claim(commit)
    }

    /// Says whether everything on the branch of an environment travels together: then a file at its root names the
    /// dry SHA.
    pub fn is_undivided(&self, environment: &Environment) -> bool {
        self.strategy.lanes.label().is_none() && !environment.is_named_apart()
    }

    /// Returns the place in whose name content of a place is proposed.
    pub fn proposer(&self, place: &Place) -> Place {
        self.strategy.proposer(place)
    }

    /// Returns the address and fresh credentials of the repository with the environments' branches.
    pub async fn remote(&self) -> Result<Remote, ForgeError> {
        self.destination.remote().await
    }

    /// Returns the repository with the environments' branches, when it is not the dry one.
    pub fn board_destination(&self) -> Option<BoardDestination> {
        let (id, details) = (self.destination.destination_id(), &self.destination.details);
        let there = BoardDestination { id, url: details.web_url.clone(), pages: details.pages };
        (!self.dry.is(&self.destination)).then_some(there)
    }

    /// Brings the mirror up to date with the remotes.
    pub async fn refresh(&self) -> Result<(), LookError> {
        let dry = [Watched::Shallow(self.dry_branch.clone())];
        if self.dry.is(&self.destination) {
            self.dry.refresh(&[&dry[..], &self.watched()].concat()).await?;
            return Ok(());
        }
        self.dry.refresh(&dry).await?;
        self.destination.refresh(&self.watched()).await?;
        Ok(())
    }

    /// Returns the page of the strategy.
    pub fn page(&self) -> Option<String> {
        self.shared.public_url.as_ref().map(|url| format!("{url}/strategies/{}", self.id.path()))
    }

    /// Returns the time.
    pub fn now(&self) -> Timestamp {
        (self.shared.clock)()
    }
}

impl RepositoryContext {
    /// Says whether both are the same repository.
    pub fn is(&self, other: &Self) -> bool {
        self.forge_name == other.forge_name && self.id == other.id
    }

    /// Returns what it is called where it is the destination of strategies in another repository.
    pub fn destination_id(&self) -> DestinationId {
        DestinationId { forge: self.forge_name.clone(), repository: self.id.clone() }
    }

    /// Returns what a strategy on the dry branch must fit beside its text.
    pub fn grounds(&self) -> Grounds<'_> {
        Grounds { repository: &self.id, dry_branch: &self.details.default_branch, forges: &self.shared.forges }
    }

    /// Says whether a branch is, or may be, somewhere else than the mirror has it.
    pub async fn is_stale(&self, attention: &Attention) -> Result<bool, LookError> {
        match attention {
            Attention::Everything => Ok(true),
            Attention::Branch { branch, after } => {
                Ok(self.mirror.branch(branch).await?.map(|id| id.to_string()) != *after)
            }
            Attention::Commit { .. }
            | Attention::PullRequest { .. }
            | Attention::Comment { .. }
            | Attention::Deployed(_)
            | Attention::Elsewhere { .. }
            | Attention::Command => Ok(false),
        }
    }

    /// Brings these branches up to date with the remote; says whether any has moved.
    pub async fn refresh(&self, branches: &[Watched]) -> Result<bool, LookError> {
        Ok(self.mirror.refresh(&self.remote().await?, branches).await?)
    }

    /// Returns the address and fresh credentials of the repository.
    pub async fn remote(&self) -> Result<Remote, ForgeError> {
        let remote = self.forge.git_remote(&self.id).await?;
        Ok(Remote { url: remote.url, authorization: remote.authorization })
    }
}

/// Returns the active branches of a strategy and those on which changes of them are proposed, whatever the lane.
pub fn watched(strategy: &PromotionStrategy) -> Vec<Watched> {
    let of = |environment: &Environment| {
        let proposed = environment.proposed_branch(&LaneName::single());
        [Watched::One(environment.branch.clone()), Watched::StartingWith(proposed.to_string())]
    };
    strategy.environments.iter().flat_map(of).collect()
}
