//! What was observed of one strategy: plain data, with the time as one of its fields.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    adoption::TakenOver,
    approvals::Reviewed,
    bundle::Bundle,
    content::Content,
    drift::{Adoption, Drift, ForeignWork, LastPromoted, Restore},
    gate::GateId,
    hold::Hold,
    hydration::Hydration,
    ids::{ActiveSha, DrySha, EnvironmentName, Place, ProposedSha, PullRequestNumber, RootName, StrategyName, TreeId},
    line::DryLine,
    overdue::Told,
    rejection::Rejection,
    rollback::{Restored, Rollback},
    selection::RootLabels,
    status::{CommitStatus, StatusState},
    windows::WindowOverride,
};

/// One look at git, the forge and the store.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// When it was taken.
    pub now: Timestamp,
    /// The dry line.
    pub line: DryLine,
    /// Each lane of each environment of the strategy.
    pub places: BTreeMap<Place, PlaceState>,
    /// What is proposed where all lanes of an environment share a pull request.
    pub bundles: BTreeMap<EnvironmentName, Bundle>,
    /// Dry SHAs that a person rejected everywhere.
    pub rejections: BTreeMap<DrySha, Rejection>,
    /// Why the strategy in force is not the newest one: the newest has this mistake.
    pub mistake: Option<String>,
    /// Since when gates are closed, as remembered from earlier plans.
    pub closed_since: BTreeMap<(Place, GateId), Timestamp>,
    /// What did not go smoothly when the strategies of the repository were hydrated, this one among them:
    /// one status on a dry SHA speaks for all of them.
    pub troubles: BTreeMap<DrySha, Vec<(StrategyName, EnvironmentName, Hydration)>>,
    /// What was last reported on dry SHAs about their hydration.
    pub hydrate_reports: BTreeMap<DrySha, PostedStatus>,
}

/// One lane of one environment.
#[derive(Debug, Clone, Default)]
pub struct PlaceState {
    /// The active branch.
    pub active: Active,
    /// What is known of hydrating dry SHAs for this place.
    pub hydrations: BTreeMap<DrySha, Hydration>,
    /// Dry SHAs that commits on the active branch name which are no proposals that we know: whether they were promoted
    /// shows only by what came of hydrating them.
    pub claimed: BTreeSet<DrySha>,
    /// The labels of the roots on the active branch.
    pub labels: RootLabels,
    /// What the proposed branch holds.
    pub proposal: Option<Proposal>,
    /// The open promotion pull request.
    pub pull_request: Option<OpenPullRequest>,
    /// Reports on the proposed SHA.
    pub proposed_reports: Vec<CommitStatus>,
    /// Dry SHAs whose pull request a person closed here.
    pub rejected: BTreeMap<DrySha, ClosedProposal>,
    /// A person's wish to promote, bound to one proposed SHA.
    pub promote: Option<PromoteRequest>,
    /// A person's wish to go past closed windows, bound to one proposed SHA.
    pub window_override: Option<WindowOverride>,
    /// What people say of the proposed SHA in the open pull request, where the environment asks them.
    pub reviewed: Option<Reviewed>,
    /// The overdue waits that people were told of.
    pub told: Told,
    /// Our own status on the proposed SHA.
    pub own_status: Option<(ProposedSha, PostedStatus)>,
    /// The forge's last refusal to merge.
    pub refusal: Option<Refusal>,
    /// Says that another hydrator writes the proposed branch too.
    pub rival: Option<String>,
    /// Why the last proposal could not be composed.
    pub obstacle: Option<Obstacle>,
    /// The hold that is in force.
    pub hold: Option<Hold>,
    /// What our own status says of holds, and on which commit.
    pub hold_status: Option<(ActiveSha, PostedStatus)>,
    /// The rollback that is under way.
    pub rollback: Option<Rollback>,
    /// What the rollback's branch holds.
    pub restoration: Option<Proposal>,
    /// The rollback's open pull request.
    pub rollback_pull_request: Option<OpenPullRequest>,
    /// Runs, by the commit that brought them, from which a rollback was cancelled.
    pub cancelled: BTreeSet<ActiveSha>,
    /// What our own status says of drift, on the commit that brought it.
    pub drift_status: Option<PostedStatus>,
    /// A person's wish that drift be restored, and how far it is.
    pub restoring: Option<Restoring>,
    /// Commits of somebody else on the proposed branch.
    pub foreign: Option<ForeignWork>,
}

/// How far the restoring of drift is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restoring {
    /// Who asked for it.
    pub restore: Restore,
    /// What its branch holds.
    pub proposal: Option<Proposal>,
    /// Its open pull request.
    pub pull_request: Option<OpenPullRequest>,
    /// The pull request that a person closed: they do not want it any more.
    pub closed: Option<PullRequestNumber>,
}

/// An active branch.
#[derive(Debug, Clone, Default)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are the large one")]
pub enum Active {
    /// The branch does not exist.
    #[default]
    Missing,
    /// The branch was promoted to, and somebody deleted it.
    Gone {
        /// The commit that the last promotion made on it, where the forge says so.
        last: Option<ActiveSha>,
    },
    /// The branch exists.
    Present(ActiveBranch),
}

/// An active branch that exists, seen from one lane.
#[derive(Debug, Clone)]
pub struct ActiveBranch {
    /// Its head.
    pub head: ActiveSha,
    /// The head's tree.
    pub tree: TreeId,
    /// A commit by somebody else that changed what we own, and was not taken back.
    pub drift: Option<Drift>,
    /// What ran, newest first; empty when nothing was ever promoted.
    pub runs: Vec<Run>,
}

impl ActiveBranch {
    /// Returns what ran before a dry SHA did for the first time; nothing where it never ran.
    pub fn ran_before(&self, dry: &DrySha) -> impl Iterator<Item = &DrySha> {
        // What a rollback brought says nothing of where it belongs.
        let first = self.runs.iter().rposition(|run| run.dry == *dry).filter(|at| self.runs[*at].restored.is_none());
        let older = first.map_or([].as_slice(), |first| &self.runs[first + 1..]);
        older.iter().map(|run| &run.dry)
    }
}

/// A stretch of the active branch over which the lane's content stayed the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The dry SHA that the content came from.
    pub dry: DrySha,
    /// The content.
    pub content: Content,
    /// The commits that hold it, newest first; the last one brought it.
    pub commits: Vec<ActiveCommit>,
    /// The record of verification, as last written.
    pub record: Option<Record>,
    /// Reports on these commits.
    pub reports: Vec<Report>,
    /// The roots of the content, as keys with labels ask about them.
    pub roots: Vec<RunRoot>,
    /// When other content took its place, by a promotion or by somebody else's commit.
    pub ended_at: Option<Timestamp>,
    /// How it came about, when a rollback brought it.
    pub restored: Option<Restored>,
    /// Whether it came about beside the lane, by promotions of others from which its roots were taken over:
    /// then it is the content of no dry SHA.
    pub beside: bool,
    /// Who took it as it was, when somebody else brought it: then it is the content of no dry SHA, and
    /// [`Run::dry`] is the one that ran before.
    pub adopted: Option<Adoption>,
    /// Set when it ran before the branch was taken over.
    pub taken_over: Option<TakenOver>,
}

/// A root that runs, as keys with its labels ask about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRoot {
    /// The root.
    pub name: RootName,
    /// Its labels; empty when they are not known.
    pub labels: BTreeMap<String, String>,
    /// Whether its rendering is not what was verified before.
    pub changed: bool,
    /// Reports on earlier commits that hold the same rendering of it.
    pub earlier: Vec<Report>,
}

/// A commit on the active branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveCommit {
    /// The commit.
    pub sha: ActiveSha,
    /// When it came onto the branch.
    pub arrived_at: Timestamp,
    /// Whether the commit existed before it came onto the branch (a fast-forward), so that
    /// something may have been reported on it earlier.
    pub existed_before: bool,
}

/// A commit status on a commit of the active branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The commit.
    pub commit: ActiveSha,
    /// What was reported.
    pub status: CommitStatus,
}

/// The record of verification: written once to the forge, and taken back by a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Record {
    /// The content was verified.
    Verified {
        /// When.
        at: Timestamp,
    },
    /// It failed later.
    Revoked {
        /// When.
        at: Timestamp,
    },
}

/// What a proposed branch holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Its head.
    pub sha: ProposedSha,
    /// The head's only parent.
    pub parent: ActiveSha,
    /// The head's tree: exactly what the environment holds after the merge.
    pub tree: TreeId,
    /// The dry SHA that it proposes.
    pub dry: DrySha,
    /// The content that it proposes.
    pub content: Content,
    /// Since when it is proposed.
    pub since: Timestamp,
    /// Whether merging it gives exactly its content now: it stands on the active head, or nothing that it
    /// would write has changed since.
    pub fits: bool,
    /// Whether we are known to have composed it. A commit that only says so may hold anything beside
    /// this content, and is composed again.
    pub composed: bool,
}

/// A proposal whose pull request a person closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedProposal {
    /// The pull request.
    pub number: PullRequestNumber,
    /// When it was closed.
    pub at: Timestamp,
    /// The head's parent, where it is on the active branch as we know it: what that commit holds
    /// would have been replaced.
    pub parent: Option<ActiveSha>,
    /// What it proposed, where it was read off its head: when it is not known what came of hydrating the dry SHA.
    pub content: Option<Content>,
}

/// An open promotion pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenPullRequest {
    /// The number.
    pub number: PullRequestNumber,
    /// The head as the forge sees it.
    pub head: ProposedSha,
    /// The proposed SHA that its title and body describe, as far as we know.
    pub described: Option<ProposedSha>,
}

/// A person's wish to promote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromoteRequest {
    /// The head that it is bound to.
    pub proposed: ProposedSha,
    /// Who asked.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A status of ours as it stands on the forge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostedStatus {
    /// The state.
    pub state: StatusState,
    /// The description.
    pub description: String,
}

/// When a proposed branch was moved to its head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposedAt {
    /// The head.
    pub proposed: ProposedSha,
    /// When.
    pub at: Timestamp,
}

/// A merge that the forge refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The head that was to be merged.
    pub proposed: ProposedSha,
    /// The forge's words.
    pub words: String,
    /// When to ask again, unless something changes before.
    pub retry_at: Timestamp,
    /// How often it was asked again for this head.
    pub tries: u32,
}

/// Why a proposal could not be composed on the active branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obstacle {
    /// The dry SHA that was to be proposed.
    pub dry: DrySha,
    /// The head that it was to be composed on.
    pub active: ActiveSha,
    /// What is in the way.
    pub message: String,
}

/// The most characters of a description that forges keep.
const DESCRIPTION_LIMIT: usize = 140;

impl PostedStatus {
    /// Makes a status; a description longer than forges keep is cut.
    pub fn new(state: StatusState, description: &str) -> Self {
        let line = description.split_whitespace().collect::<Vec<_>>().join(" ");
        let description = if line.chars().count() <= DESCRIPTION_LIMIT {
            line
        } else {
            line.chars().take(DESCRIPTION_LIMIT - 1).chain(['…']).collect()
        };
        Self { state, description }
    }
}

impl Snapshot {
    /// Returns the lanes of one environment.
    pub fn places_of(&self, environment: &EnvironmentName) -> impl Iterator<Item = (&Place, &PlaceState)> {
        self.places.iter().filter(move |(place, _)| place.environment == *environment)
    }
}

impl PlaceState {
    /// Returns the active branch when it exists.
    pub fn branch(&self) -> Option<&ActiveBranch> {
        match &self.active {
            Active::Missing | Active::Gone { .. } => None,
            Active::Present(branch) => Some(branch),
        }
    }

    /// Returns the runs of the active branch, newest first, to be completed.
    pub fn runs_mut(&mut self) -> &mut [Run] {
        match &mut self.active {
            Active::Missing | Active::Gone { .. } => &mut [],
            Active::Present(branch) => &mut branch.runs,
        }
    }

    /// Returns what runs.
    pub fn running(&self) -> Option<&Run> {
        self.branch().and_then(|branch| branch.runs.first())
    }

    /// Returns the content that runs; empty when nothing does.
    pub fn running_content(&self) -> Content {
        self.running().map(|run| run.content.clone()).unwrap_or_default()
    }
}

impl Run {
    /// Returns when the content came onto the branch.
    pub fn since(&self) -> Timestamp {
        self.commits.last().map(|commit| commit.arrived_at).unwrap_or_default()
    }

    /// Says whether the content is that of no dry SHA: a rollback of some roots made it, it came about beside the
    /// lane, or it was adopted.
    pub fn is_mixed(&self) -> bool {
        self.beside
            || self.adopted.is_some()
            || self.restored.as_ref().is_some_and(|restored| !restored.roots.is_empty())
    }

    /// Says whether a promotion brought the content.
    pub fn is_promoted(&self) -> bool {
        self.restored.is_none() && self.adopted.is_none()
    }

    /// Returns it as what was promoted last.
    pub fn as_promoted(&self) -> Option<LastPromoted> {
        Some(LastPromoted { commit: self.commits.first()?.sha.clone(), dry: self.dry.clone() })
    }

    /// Returns the commit that brought the content.
    pub fn brought_by(&self) -> Option<&ActiveSha> {
        self.commits.last().map(|commit| &commit.sha)
    }
}
