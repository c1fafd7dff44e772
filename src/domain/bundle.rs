//! Bundles: what all lanes of an environment promote in one pull request.
//!
//! - A bundle has a *part* for each lane that is in it: the lane's own dry SHA and content. Runs, gates before the
//!   proposal, holds, rollbacks and records stay with the lane.
//! - What is asked of the proposed SHA (statuses, a person's word, windows, the forge's conditions) is asked once.
//! - A bundle is one commit: it is merged whole or not at all.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{
    candidate::Wish,
    content::Content,
    decision::{Decision, OpenGate},
    ids::{ActiveSha, DrySha, EnvironmentName, LaneName, Place, ProposedSha, PullRequestNumber, RootName, TreeId},
    snapshot::OpenPullRequest,
};

/// The most lanes that go in one pull request: its commit names each of them. The others follow in the next one.
pub const MOST_PARTS: usize = 200;

/// What is proposed for all lanes of an environment together, as it was observed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bundle {
    /// The head of the proposed branch.
    pub head: Option<ProposedSha>,
    /// The lanes that are in it, each with its dry SHA, as its message says.
    pub parts: BTreeMap<LaneName, DrySha>,
    /// The open pull request.
    pub pull_request: Option<OpenPullRequest>,
    /// Open pull requests from the time when each lane had its own.
    pub outdated: BTreeMap<LaneName, OpenPullRequest>,
}

/// What one lane brings into a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The lane.
    pub lane: LaneName,
    /// Its dry SHA.
    pub dry: DrySha,
    /// The gates of this lane alone, with their evidence.
    pub gates: Vec<OpenGate>,
}

/// On what the merge of a bundle was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleDecision {
    /// What was asked once: its gates are those of the proposed SHA.
    pub shared: Decision,
    /// What was asked of each lane.
    pub parts: Vec<Part>,
}

/// One step of a bundle: what [`super::plan::Action`] is for a lane that goes by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Move the proposed branch to one commit of these parts on the active head.
    Propose {
        /// What each lane in it wants.
        parts: BTreeMap<LaneName, Wish>,
        /// The head to compose on.
        expected_active: ActiveSha,
        /// The proposed branch's head.
        expected_proposed: Option<ProposedSha>,
    },
    /// Open the pull request.
    Open {
        /// The head.
        proposed: ProposedSha,
        /// What each lane in it wants.
        parts: BTreeMap<LaneName, Wish>,
    },
    /// Write title and body of the pull request for another head.
    Describe {
        /// The pull request.
        number: PullRequestNumber,
        /// The head.
        proposed: ProposedSha,
        /// What each lane in it wants.
        parts: BTreeMap<LaneName, Wish>,
    },
    /// Merge the pull request.
    Merge {
        /// The pull request.
        number: PullRequestNumber,
        /// The active head that the result was computed on.
        expected_active: ActiveSha,
        /// On what it was decided, and on which head.
        decision: Box<BundleDecision>,
        /// The tree that the environment must hold afterwards.
        tree: TreeId,
    },
    /// Close a pull request of one lane that has its part in the bundle now.
    CloseOutdated {
        /// The lane.
        lane: LaneName,
        /// The pull request.
        number: PullRequestNumber,
        /// Its head.
        head: ProposedSha,
    },
}

/// Returns the place in whose name a bundle is proposed: no lane is called so by a label.
pub fn place_of(environment: &EnvironmentName) -> Place {
    Place { environment: environment.clone(), lane: LaneName::single() }
}

/// Divides what lanes want so that no root is in two parts: one that moves is in the lane that takes it over, which
/// does not run it yet.
pub fn divide(
    mut parts: BTreeMap<LaneName, Wish>,
    runs: impl Fn(&LaneName, &RootName) -> bool,
) -> BTreeMap<LaneName, Wish> {
    let taken_over: BTreeSet<(RootName, LaneName)> = parts
        .iter()
        .flat_map(|(lane, wish)| wish.content.iter().map(move |(root, _)| (lane, root)))
        .filter(|(lane, root)| !runs(lane, root))
        .map(|(lane, root)| (root.clone(), lane.clone()))
        .collect();
    for (lane, wish) in &mut parts {
        let goes = |root: &RootName| taken_over.iter().any(|(taken, by)| taken == root && by != lane);
        wish.content = wish.content.only(|root| !goes(root) || !runs(lane, root));
    }
    parts
}

/// Returns the content of all parts together.
pub fn content(parts: &BTreeMap<LaneName, Wish>) -> Content {
    parts.values().flat_map(|wish| wish.content.iter()).map(|(root, id)| (root.clone(), id.clone())).collect()
}

/// Says which dry SHAs go for which lanes, in words.
pub fn in_words<'a>(parts: impl Iterator<Item = (&'a LaneName, &'a DrySha)>) -> String {
    let words: Vec<String> = parts.map(|(lane, dry)| format!("{} for {lane}", dry.short())).collect();
    words.join(", ")
}

impl BundleDecision {
    /// Returns on what the merge was decided as one lane sees it.
    pub fn of_lane(&self, lane: &LaneName) -> Option<Decision> {
        let part = self.parts.iter().find(|part| part.lane == *lane)?;
        let gates = part.gates.iter().chain(&self.shared.gates).cloned().collect();
        Some(Decision { gates, ..self.shared.clone() })
    }

    /// Returns the dry SHA of each lane.
    pub fn dries(&self) -> impl Iterator<Item = (&LaneName, &DrySha)> {
        self.parts.iter().map(|part| (&part.lane, &part.dry))
    }
}

impl Step {
    /// Says whether it brings content onto an active branch.
    pub fn is_merge(&self) -> bool {
        matches!(self, Self::Merge { .. })
    }

    /// Says what is done in an environment.
    pub(super) fn tell(&self, environment: &EnvironmentName, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |parts: &BTreeMap<LaneName, Wish>| in_words(parts.iter().map(|(lane, wish)| (lane, &wish.dry)));
        match self {
            Self::Propose { parts, .. } => write!(f, "propose {} in {environment}", of(parts)),
            Self::Open { parts, .. } => {
                write!(f, "open a pull request to promote {} to {environment}", of(parts))
            }
            Self::Describe { number, parts, .. } => write!(f, "describe {} in {number} for {environment}", of(parts)),
            Self::Merge { number, decision, .. } => {
                write!(f, "merge {number}: {} goes to {environment}", in_words(decision.dries()))
            }
            Self::CloseOutdated { lane, number, .. } => write!(f, "close {number} for {environment}/{lane}"),
        }
    }
}
