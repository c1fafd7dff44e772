//! What people see of a place: what runs, what is wanted, and why it waits.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{
    decision::{OpenGate, SeenStatus},
    drift::{Adoption, Drift, ForeignWork, Restore},
    gate::{ClosedGate, GateId, Verdict, clock},
    hold::Hold,
    ids::{
        ActiveSha, BranchName, DrySha, EnvironmentName, Place, ProposedSha, PullRequestNumber, RootName, StatusKey,
        TreeId,
    },
    rollback::{Choice, Guard, Rollback},
    status::{Reporter, StatusState},
};

/// One lane of one environment as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceView {
    /// Which place.
    #[serde(flatten)]
    pub place: Place,
    /// The active branch.
    pub branch: BranchName,
    /// Its head, when it exists.
    pub active: Option<ActiveSha>,
    /// The head's tree.
    pub tree: Option<TreeId>,
    /// What runs.
    pub running: Option<RunningView>,
    /// The newest dry SHA that was taken.
    pub taken: Option<DrySha>,
    /// Whether it was taken as a no-op.
    pub taken_as_no_op: bool,
    /// The dry SHA that is wanted next.
    pub wanted: Option<DrySha>,
    /// The proposed SHA.
    pub proposed: Option<ProposedSha>,
    /// The open pull request.
    pub pull_request: Option<PullRequestNumber>,
    /// What somebody else changed of ours, whether anything newer is wanted or not.
    pub drift: Option<Drift>,
    /// Who has it restored.
    pub restore: Option<Restore>,
    /// What somebody else pushed onto the proposed branch.
    pub foreign: Option<ForeignWork>,
    /// The commit that brought what runs.
    pub brought_by: Option<ActiveSha>,
    /// Commits that restored earlier content and whose blocks stand.
    pub restoring: Vec<ActiveSha>,
    /// The hold in force.
    pub hold: Option<Hold>,
    /// The rollback under way.
    pub rollback: Option<Rollback>,
    /// What it could be rolled back to, newest first.
    pub choices: Vec<Choice>,
    /// What keeps the wanted dry SHA from being merged, first gate first.
    pub gates: Vec<ClosedGate>,
    /// Which gates of the wanted dry SHA are open, with their evidence.
    pub open: Vec<OpenGate>,
    /// The newest report on what a closed gate waits for, where it waits for a commit status.
    pub seen: BTreeMap<GateId, SeenStatus>,
    /// What is reported on what runs and nobody waits for, by key.
    #[serde(default)]
    pub unasked: Vec<Unasked>,
    /// When time alone changes something here.
    pub changes_at: Option<Timestamp>,
    /// What else people should know.
    pub notices: Vec<Notice>,
}

impl PlaceView {
    /// Returns a place where nothing runs, and nothing waits.
    pub fn empty(place: Place, branch: BranchName) -> Self {
        Self {
            place,
            branch,
            active: None,
            tree: None,
            running: None,
            taken: None,
            taken_as_no_op: false,
            wanted: None,
            proposed: None,
            pull_request: None,
            drift: None,
            restore: None,
            foreign: None,
            brought_by: None,
            restoring: Vec::new(),
            hold: None,
            rollback: None,
            choices: Vec::new(),
            gates: Vec::new(),
            open: Vec::new(),
            seen: BTreeMap::new(),
            unasked: Vec::new(),
            changes_at: None,
            notices: Vec::new(),
        }
    }
}

/// What runs in a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningView {
    /// The dry SHA of its content.
    pub dry: DrySha,
    /// Since when.
    pub since: Timestamp,
    /// Whether it is verified, and what it waits for otherwise.
    pub verdict: Verdict,
    /// The number of roots.
    pub roots: usize,
    /// Who took it as it was, when somebody else brought it.
    #[serde(default)]
    pub adopted: Option<Adoption>,
}

/// A commit status on what runs that nobody waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unasked {
    /// Its key, or the check run's name.
    pub key: StatusKey,
    /// Its newest verdict.
    pub state: StatusState,
    /// Who reported it, where that is known.
    pub by: Option<Reporter>,
    /// Who would have to, where a rule asks for this key and only the reporter is another.
    pub wanted: Option<Reporter>,
}

impl std::fmt::Display for Unasked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` is reported as {}", self.key, self.state.word())?;
        if let Some(by) = &self.by {
            write!(f, " by {by}")?;
        }
        match &self.wanted {
            Some(wanted) => write!(f, ", and only what {wanted} reports counts"),
            None => f.write_str(", and nobody waits for it"),
        }
    }
}

/// Something that people should know though no gate waits for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "notice")]
pub enum Notice {
    /// A dry SHA newer than what was taken could not be hydrated.
    HydrationFailed {
        /// The dry SHA.
        dry: DrySha,
        /// The author's file, line and the renderer's words.
        message: String,
        /// When it is tried again; absent when only a commit mends it.
        retry_at: Option<Timestamp>,
    },
    /// A dry SHA newer than what was taken was rejected by closing its pull request.
    Rejected {
        /// The dry SHA.
        dry: DrySha,
        /// The pull request.
        number: PullRequestNumber,
    },
    /// A person rejected a dry SHA everywhere, which is newer than what was taken, or runs.
    RejectedCommit {
        /// The dry SHA.
        dry: DrySha,
        /// Who.
        by: String,
        /// Why; may be empty.
        reason: String,
    },
    /// A dry SHA newer than what was taken is kept out by a rollback.
    Blocked {
        /// The dry SHA.
        dry: DrySha,
        /// The environment that was rolled back.
        environment: EnvironmentName,
    },
    /// What runs carries what an environment before rolled back.
    RunsBlocked {
        /// The dry SHA.
        dry: DrySha,
        /// The environment that was rolled back.
        environment: EnvironmentName,
    },
    /// A rollback brought only some roots back.
    PartlyBack {
        /// The dry SHA that they went back to.
        dry: DrySha,
        /// The dry SHA that the others still are of.
        rest: DrySha,
        /// How many roots went back.
        count: usize,
        /// The first of them.
        first: RootName,
    },
    /// A person lets the proposal go past windows that are closed.
    WindowsOverridden {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// What runs should have its verdict by now.
    Overdue {
        /// What it waits for.
        waits: Verdict,
        /// Since when it is overdue.
        since: Timestamp,
    },
    /// What runs has failed, and is not rolled back by itself.
    Guarded {
        /// Why not.
        guard: Guard,
    },
    /// Drift is being restored.
    Restoring {
        /// Who asked for it.
        by: String,
        /// The pull request that does, once it is open.
        number: Option<PullRequestNumber>,
    },
    /// Somebody else's content runs, which a person adopted.
    Adopted {
        /// Who did.
        by: String,
        /// Why; may be empty.
        reason: String,
    },
    /// Roots that failed keep their last good rendering.
    Kept {
        /// The dry SHA.
        dry: DrySha,
        /// How many roots.
        roots: usize,
        /// The first of them and the reason.
        message: String,
    },
}

impl std::fmt::Display for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::HydrationFailed { dry, message, .. } => {
                write!(f, "{} could not be hydrated: {message}", dry.short())
            }
            Self::Rejected { dry, number } => {
                write!(f, "{} was rejected by closing {number}; reopen it to take that back", dry.short())
            }
            Self::RejectedCommit { dry, by, reason } => {
                let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
                write!(f, "{} was rejected by {by}{why}; `unreject {}` takes that back", dry.short(), dry.short())
            }
            Self::Blocked { dry, environment } => write!(
                f,
                "{} is kept out by the rollback of {environment}; it waits for a fix, a revert or `unhold {environment}`",
                dry.short()
            ),
            Self::RunsBlocked { dry, environment } => write!(
                f,
                "{}, which runs here, was rolled back in {environment}; roll it back here too, or wait for a fix",
                dry.short()
            ),
            Self::PartlyBack { dry, rest, count: 1, first } => {
                write!(f, "only `{first}` went back to {}; the rest is of {}", dry.short(), rest.short())
            }
            Self::PartlyBack { dry, rest, count, first } => write!(
                f,
                "only `{first}` and {} more went back to {}; the rest is of {}",
                count - 1,
                dry.short(),
                rest.short()
            ),
            Self::WindowsOverridden { by, reason } => write!(f, "{by} overrides the windows: {reason}"),
            Self::Overdue { waits, since } => {
                write!(f, "the verdict on what runs is overdue since {}: {waits}", clock(*since))
            }
            Self::Guarded { guard } => write!(f, "it failed and is not rolled back by itself: {guard}"),
            Self::Restoring { by, number: None } => write!(f, "{by} has the branch restored"),
            Self::Restoring { by, number: Some(number) } => write!(f, "{by} has the branch restored with {number}"),
            Self::Adopted { by, reason } => {
                let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
                write!(f, "{by} adopted what others put here{why}; it verifies nothing")
            }
            Self::Kept { dry, roots: 1, message } => {
                write!(f, "in {} a root keeps its last good rendering: {message}", dry.short())
            }
            Self::Kept { dry, roots, message } => {
                write!(f, "in {} {roots} roots keep their last good rendering, first {message}", dry.short())
            }
        }
    }
}
