//! A world in memory for tests of the rules: git, a forge, people and time as plain data.
//!
//! It performs actions the way the adapters do, refuses what has moved, and keeps its own book of
//! what was proved where ([`World::has_proved`]) to hold the planner against.

mod book;
mod people;
mod service;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::domain::{
    approvals::Reviewed,
    content::Content,
    hold::Hold,
    hydration::Hydration,
    ids::{
        ActiveSha, BranchName, DrySha, EnvironmentName, LaneName, Place, ProposedSha, PullRequestNumber, RenderingId,
        RootName, StatusKey, StrategyName,
    },
    lane::Lanes,
    overdue::Told,
    permission::Grants,
    rejection::Rejection,
    rollback::{Restored, Rollback},
    snapshot::{ClosedProposal, OpenPullRequest, PostedStatus, PromoteRequest, Proposal, Record, Refusal},
    status::CommitStatus,
    strategy::{
        Environment, MergeMethod, MergeMode, Newer, PromotionStrategy, Proposing, RenderOptions, Sources, StatusRule,
    },
    windows::{EnvironmentWindows, WindowOverride},
};

/// What a dry commit renders to in each environment; absent where it cannot be rendered.
pub(super) type Renderings = BTreeMap<EnvironmentName, Option<Content>>;

/// The roots of a world, as many as it has.
const ROOTS: [&str; 3] = ["shop", "web", "db"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BranchCommit {
    pub(super) sha: ActiveSha,
    pub(super) content: Content,
    /// The dry SHA, for commits that brought a proposal.
    pub(super) dry: Option<DrySha>,
    /// What the trailers of a rollback's commit say.
    pub(super) restored: Option<Restored>,
    /// When it came here, by the forge's clock.
    pub(super) at: Timestamp,
    pub(super) existed_before: bool,
    /// When it came here, in the order of everything that happened.
    pub(super) number: u32,
}

/// What the forge does not show yet of the last merge into an environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Unseen {
    #[default]
    Nothing,
    /// The branch has moved, and this pull request is still shown as open.
    End(OpenPullRequest),
    /// The pull request has ended, and the branch is shown as it was.
    Head,
}

/// What the forge is late to show of merges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Late {
    PullRequest,
    Branch,
}

#[derive(Debug, Clone, Default)]
pub(super) struct EnvironmentWorld {
    pub(super) commits: Option<Vec<BranchCommit>>,
    pub(super) proposal: Option<Proposal>,
    pub(super) pull_request: Option<PullRequestNumber>,
    pub(super) described: Option<ProposedSha>,
    pub(super) own_status: Option<(ProposedSha, PostedStatus)>,
    pub(super) hydrations: BTreeMap<DrySha, Hydration>,
    pub(super) records: BTreeMap<ActiveSha, Record>,
    pub(super) promote: Option<PromoteRequest>,
    pub(super) window_override: Option<WindowOverride>,
    pub(super) reviewed: Option<Reviewed>,
    pub(super) told: Told,
    pub(super) rejected: BTreeMap<DrySha, ClosedProposal>,
    pub(super) refusal: Option<Refusal>,
    /// What the store holds of a hold and a rollback.
    pub(super) hold: Option<Hold>,
    pub(super) rollback: Option<Rollback>,
    /// The hold of a person that was in force before the rollback.
    pub(super) before: Option<Hold>,
    pub(super) restoration: Option<Proposal>,
    pub(super) rollback_pull_request: Option<PullRequestNumber>,
    pub(super) cancelled: BTreeSet<ActiveSha>,
    /// What our own status says of drift, on the newest commit of it.
    pub(super) drift_status: Option<PostedStatus>,
    /// Runs whose rollback ended with its pull request closed by a person: on the forge.
    pub(super) closed_rollbacks: BTreeSet<ActiveSha>,
    pub(super) unseen: Unseen,
    /// Restoring commits on which a status of ours says that a person released them: on the forge.
    pub(super) releases: BTreeSet<ActiveSha>,
    /// What our own status says of holds, oldest first: this is on the forge.
    pub(super) hold_statuses: Vec<(ActiveSha, CommitStatus)>,
    /// Whether a pull request was ever merged here.
    was_promoted_to: bool,
    /// The hold of a person, by the book: until when it stops everything, if that ends.
    stopped: Option<Option<Timestamp>>,
    /// Rejections by closing a pull request, by the book, each with its number among all that happened.
    refused: Vec<(u32, Kept)>,
    /// Runs, by the commit that brought them, whose content was proved and has not failed since.
    proved: BTreeSet<ActiveSha>,
    /// The same, be it that somebody's change covered the content: it counts once that is taken back.
    proved_under_drift: BTreeSet<ActiveSha>,
    /// Those that ran and that nobody can doubt, whatever the clocks say.
    plainly: BTreeSet<ActiveSha>,
    /// Restoring commits whose dry SHA was proved before, and has not failed since.
    stands: BTreeSet<ActiveSha>,
    /// Those of them of which nobody can doubt it.
    stands_plainly: BTreeSet<ActiveSha>,
}

#[derive(Clone)]
pub(super) struct World {
    pub(super) strategy: PromotionStrategy,
    pub(super) now: Timestamp,
    pub(super) line: Vec<DrySha>,
    left: BTreeMap<DrySha, Option<DrySha>>,
    pub(super) renderings: BTreeMap<DrySha, Renderings>,
    pub(super) environments: BTreeMap<EnvironmentName, EnvironmentWorld>,
    statuses: BTreeMap<String, Vec<CommitStatus>>,
    hydrate_reports: BTreeMap<DrySha, PostedStatus>,
    /// Dry commits that people rejected: on the forge.
    pub(super) rejections: BTreeMap<DrySha, Rejection>,
    pub(super) merges: Vec<(EnvironmentName, DrySha)>,
    /// What was rolled back, as the book has it.
    pub(super) rolled_back: Vec<RolledBack>,
    /// Pull requests that were merged: on the forge.
    merged: BTreeSet<PullRequestNumber>,
    /// What people merged by hand: the number of rollbacks before, and its own among all that happened.
    overridden: BTreeMap<(EnvironmentName, DrySha), (usize, u32)>,
    /// The forge merges by moving the branch to the proposed commit itself.
    pub(super) fast_forward: bool,
    /// How many roots each environment has.
    pub(super) roots: usize,
    /// How far the forge's clock is ahead of ours; it dates everything in whole seconds.
    pub(super) forge_ahead: SignedDuration,
    /// The time between two things that happen.
    pub(super) tick: SignedDuration,
    /// What the forge is late to show of merges to come.
    pub(super) late: Option<Late>,
    next: u32,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.strategy.environments.iter().map(|e| e.name.as_str()).collect();
        let (forward, roots) = (self.fast_forward, self.roots);
        let (ahead, tick) = (self.forge_ahead, self.tick);
        let names = names.join(", ");
        write!(f, "World of {names}: {roots} roots, forward {forward}, {ahead} ahead, tick {tick}")
    }
}

/// What a rollback or a closed pull request keeps out, as the book has it: from T to B.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) target: Option<DrySha>,
    target_content: Content,
    pub(super) bad: DrySha,
    bad_content: Content,
}

/// One rollback, as the book has it from the moment it was accepted.
#[derive(Debug, Clone)]
pub(super) struct RolledBack {
    pub(super) environment: EnvironmentName,
    pub(super) kept: Kept,
    /// What it leaves, by the commit that brought it.
    left: ActiveSha,
    released: bool,
}

/// Whether an action was performed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Performed {
    Done,
    Moved,
}

pub(super) fn environment(name: &str, depends_on: &[&str]) -> Environment {
    let name_of = |name: &str| EnvironmentName::new(name).expect("a name");
    Environment {
        name: name_of(name),
        branch: BranchName::new(format!("env/{name}")).expect("a branch"),
        proposed: None,
        depends_on: depends_on.iter().map(|name| name_of(name)).collect(),
        auto_merge: true,
        soak: SignedDuration::ZERO,
        active_statuses: vec![rule("health")],
        proposed_statuses: Vec::new(),
        approvals: None,
        deadline: None,
        notify: Vec::new(),
        newer: Newer::Supersede,
        merge_method: MergeMethod::Merge,
        merge_mode: MergeMode::default(),
        automatic_rollback: false,
        windows: EnvironmentWindows::default(),
        most_open: None,
        proposing: Proposing::default(),
    }
}

pub(super) fn rule(key: &str) -> StatusRule {
    StatusRule::of(StatusKey::new(key).expect("a key"))
}

pub(super) fn strategy(environments: Vec<Environment>) -> PromotionStrategy {
    PromotionStrategy {
        name: StrategyName::new("shop").expect("a name"),
        dry_branch: None,
        destination: None,
        sources: Sources {
            sources: Vec::new(),
            vars: BTreeMap::new(),
            environment_vars: BTreeMap::new(),
            render: RenderOptions::default(),
            environment_render: BTreeMap::new(),
        },
        lanes: Lanes::default(),
        environments,
        permissions: Grants::default(),
    }
}

/// Returns the content of a world with one root, in this version; 0 is nothing.
pub(super) fn content(version: u32) -> Content {
    contents(&[version])
}

/// Returns a content with each root in its version; 0 is none.
pub(super) fn contents(versions: &[u32]) -> Content {
    let present = ROOTS.iter().zip(versions).filter(|(_, version)| **version > 0);
    present.map(|(root, version)| (root_name(root), rendering(*version))).collect()
}

pub(super) fn root_name(name: &str) -> RootName {
    RootName::new(name).expect("a folder")
}

fn rendering(version: u32) -> RenderingId {
    RenderingId::new(format!("v{version}")).expect("a word")
}

impl World {
    pub(super) fn new(strategy: PromotionStrategy) -> Self {
        let environments = strategy.environments.iter().map(|e| (e.name.clone(), Default::default())).collect();
        Self {
            strategy,
            now: Timestamp::from_second(1_000_000).expect("a time"),
            line: Vec::new(),
            left: BTreeMap::new(),
            renderings: BTreeMap::new(),
            environments,
            statuses: BTreeMap::new(),
            hydrate_reports: BTreeMap::new(),
            rejections: BTreeMap::new(),
            merges: Vec::new(),
            rolled_back: Vec::new(),
            merged: BTreeSet::new(),
            overridden: BTreeMap::new(),
            fast_forward: false,
            roots: 1,
            forge_ahead: SignedDuration::ZERO,
            tick: SignedDuration::from_secs(1),
            late: None,
            next: 1,
        }
    }

    pub(super) fn chain(names: &[&str]) -> Self {
        let environments = names
            .iter()
            .enumerate()
            .map(|(i, name)| environment(name, if i == 0 { &[] } else { &names[i - 1..i] }))
            .collect();
        Self::new(strategy(environments))
    }

    pub(super) fn name(name: &str) -> EnvironmentName {
        EnvironmentName::new(name).expect("a name")
    }

    pub(super) fn place(name: &EnvironmentName) -> Place {
        Place { environment: name.clone(), lane: LaneName::single() }
    }

    fn fresh(&mut self, kind: &str) -> String {
        self.next += 1;
        format!("{kind}-{}", self.next)
    }

    pub(super) fn wait(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
        self.prove();
    }

    /// Lets the time pass that lies between two things that happen.
    fn tick(&mut self) {
        self.now += self.tick;
        self.prove();
    }

    /// Returns the time as the forge writes it down.
    fn forge_now(&self) -> Timestamp {
        Timestamp::from_second((self.now + self.forge_ahead).as_second()).expect("a time")
    }
}
