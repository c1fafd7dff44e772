//! What a plan can ask for: one variant for each change outside this process.

use crate::domain::{
    bundle,
    content::Content,
    decision::Decision,
    drift::{Drift, Restore},
    hold::Hold,
    ids::{ActiveSha, BranchName, DrySha, EnvironmentName, Place, ProposedSha, PullRequestNumber, TreeId},
    overdue::{Overdue, Waiting},
    permission::Grantee,
    rollback::{Rollback, Start},
    snapshot::PostedStatus,
};

/// One change to make outside this process.
///
/// A variant carries the state it was decided on. Applying it to a world that has moved on is an
/// error, never an overwrite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Create a missing active branch with an empty commit.
    CreateBranch {
        /// The environment.
        environment: EnvironmentName,
        /// Its active branch.
        branch: BranchName,
    },
    /// Render a dry SHA for one environment.
    Hydrate {
        /// The environment.
        environment: EnvironmentName,
        /// The dry SHA.
        dry: DrySha,
    },
    /// Move the proposed branch to a snapshot commit of this content on the active head.
    Propose {
        /// For which place.
        place: Place,
        /// The dry SHA.
        dry: DrySha,
        /// The content to compose.
        content: Content,
        /// The head to compose on.
        expected_active: ActiveSha,
        /// The proposed branch's head.
        expected_proposed: Option<ProposedSha>,
    },
    /// Open the promotion pull request.
    OpenPullRequest {
        /// For which place.
        place: Place,
        /// The head.
        proposed: ProposedSha,
        /// The dry SHA that it proposes.
        dry: DrySha,
    },
    /// Write title and body of the pull request for another head.
    DescribePullRequest {
        /// For which place.
        place: Place,
        /// The pull request.
        number: PullRequestNumber,
        /// The head.
        proposed: ProposedSha,
        /// The dry SHA that it proposes.
        dry: DrySha,
    },
    /// Close a pull request that is not to be merged any more.
    ClosePullRequest {
        /// For which place.
        place: Place,
        /// The pull request.
        number: PullRequestNumber,
        /// Its head.
        head: ProposedSha,
        /// Why, in words.
        reason: String,
    },
    /// Post our own status on the proposed SHA.
    PostStatus {
        /// For which place.
        place: Place,
        /// The proposed SHA.
        proposed: ProposedSha,
        /// The status.
        status: PostedStatus,
    },
    /// Report on a dry SHA what came of its hydration.
    ReportHydration {
        /// The dry SHA.
        dry: DrySha,
        /// The status.
        status: PostedStatus,
    },
    /// Record on the forge that what runs is verified.
    RecordVerified {
        /// In which place.
        place: Place,
        /// The commit that brought the content; names the run.
        brought_by: ActiveSha,
        /// The newest commit that holds it.
        active: ActiveSha,
        /// The dry SHA.
        dry: DrySha,
    },
    /// Take a record of verification back.
    Revoke {
        /// In which place.
        place: Place,
        /// The commit that brought the content; names the run.
        brought_by: ActiveSha,
        /// The newest commit that holds it.
        active: ActiveSha,
        /// The dry SHA.
        dry: DrySha,
        /// The key that failed.
        reason: String,
    },
    /// Merge the promotion pull request, or push what it would make.
    Merge {
        /// For which place.
        place: Place,
        /// The pull request; absent where none is made.
        number: Option<PullRequestNumber>,
        /// The head that the gates were checked on.
        expected_head: ProposedSha,
        /// The active head that the result was computed on.
        expected_active: ActiveSha,
        /// On what it was decided.
        decision: Box<Decision>,
        /// The tree that the environment must hold afterwards.
        tree: TreeId,
        /// The dry SHA.
        dry: DrySha,
    },
    /// Tell people of waits that have passed their deadline.
    TellOverdue {
        /// In which place.
        place: Place,
        /// What waits.
        waiting: Waiting,
        /// Everything that is overdue of it; some of it was not told.
        overdue: Vec<Overdue>,
        /// Whom to tell.
        people: Vec<Grantee>,
    },
    /// Take a step of the pull request that all lanes of an environment share.
    Bundle {
        /// The environment.
        environment: EnvironmentName,
        /// The step.
        step: bundle::Step,
    },
    /// Put what a hold says on the active head.
    PostHold {
        /// In which place.
        place: Place,
        /// The active head.
        active: ActiveSha,
        /// The status.
        status: PostedStatus,
    },
    /// End a hold that nothing is left to wait for.
    EndHold {
        /// In which place.
        place: Place,
        /// The active head.
        active: ActiveSha,
        /// The hold; another one does not end.
        hold: Box<Hold>,
        /// Why it ends.
        reason: String,
    },
    /// Write a rollback that starts by itself down, with its hold.
    StartRollback {
        /// In which place.
        place: Place,
        /// The active head.
        active: ActiveSha,
        /// The rollback and its hold.
        start: Box<Start>,
    },
    /// Move the rollback's branch to a commit with the earlier content on the active head.
    ProposeRollback {
        /// In which place.
        place: Place,
        /// The rollback.
        rollback: Box<Rollback>,
        /// The head to compose on.
        expected_active: ActiveSha,
        /// The head of the rollback's branch.
        expected_proposed: Option<ProposedSha>,
    },
    /// Open the rollback's pull request.
    OpenRollback {
        /// In which place.
        place: Place,
        /// The rollback.
        rollback: Box<Rollback>,
        /// The head.
        proposed: ProposedSha,
    },
    /// Merge the rollback's pull request, or push what it would make.
    MergeRollback {
        /// In which place.
        place: Place,
        /// The rollback.
        rollback: Box<Rollback>,
        /// The pull request; absent where none is made.
        number: Option<PullRequestNumber>,
        /// The head.
        expected_head: ProposedSha,
        /// The active head that the result was composed on.
        expected_active: ActiveSha,
        /// On what it was decided.
        decision: Box<Decision>,
        /// The tree that the environment must hold afterwards.
        tree: TreeId,
    },
    /// Note that a rollback is done; its hold stays.
    FinishRollback {
        /// In which place.
        place: Place,
        /// The commit that restored the content.
        active: ActiveSha,
        /// The rollback.
        rollback: Box<Rollback>,
    },
    /// Say of drift on the commit that brought it that it is there.
    PostDrift {
        /// In which place.
        place: Place,
        /// That commit.
        commit: ActiveSha,
        /// The status.
        status: PostedStatus,
    },
    /// Make an active branch that somebody deleted again, where it was.
    BringBranchBack {
        /// In which place.
        place: Place,
        /// The active branch.
        branch: BranchName,
        /// The commit that the last promotion made on it.
        at: ActiveSha,
        /// Who asked for it.
        restore: Box<Restore>,
    },
    /// Move the restoring branch to a commit on the active head that holds what was promoted last.
    ProposeRestore {
        /// In which place.
        place: Place,
        /// What is there instead.
        drift: Box<Drift>,
        /// Who asked for it.
        restore: Box<Restore>,
        /// The head to compose on.
        expected_active: ActiveSha,
        /// The head of the restoring branch.
        expected_proposed: Option<ProposedSha>,
    },
    /// Open the pull request that restores.
    OpenRestore {
        /// In which place.
        place: Place,
        /// What is there instead.
        drift: Box<Drift>,
        /// Who asked for it.
        restore: Box<Restore>,
        /// The head.
        proposed: ProposedSha,
    },
    /// Merge the pull request that restores, or push what it would make.
    MergeRestore {
        /// In which place.
        place: Place,
        /// What is there instead.
        drift: Box<Drift>,
        /// Who asked for it.
        restore: Box<Restore>,
        /// The pull request; absent where none is made.
        number: Option<PullRequestNumber>,
        /// The active head that the result was composed on.
        expected_active: ActiveSha,
        /// On what it was decided.
        decision: Box<Decision>,
        /// The tree that the environment must hold afterwards.
        tree: TreeId,
    },
    /// Note that nothing is restored any more: it is done, or its drift is not what the person saw.
    EndRestore {
        /// In which place.
        place: Place,
        /// What was asked for; another wish does not end.
        restore: Box<Restore>,
        /// Its open pull request.
        pull_request: Option<PullRequestNumber>,
        /// Why.
        reason: String,
    },
    /// Give a rollback up, and its hold and block with it.
    CancelRollback {
        /// In which place.
        place: Place,
        /// The active head.
        active: ActiveSha,
        /// The rollback.
        rollback: Box<Rollback>,
        /// Its open pull request.
        pull_request: Option<PullRequestNumber>,
        /// Why.
        reason: String,
    },
}

impl Action {
    /// Says whether it begins or ends a hold or a rollback: merges are decided anew after it.
    pub fn changes_holds(&self) -> bool {
        matches!(
            self,
            Self::EndHold { .. }
                | Self::StartRollback { .. }
                | Self::FinishRollback { .. }
                | Self::CancelRollback { .. }
                | Self::EndRestore { .. }
        )
    }

    /// Says whether it brings content onto an active branch.
    pub fn is_merge(&self) -> bool {
        match self {
            Self::Bundle { step, .. } => step.is_merge(),
            _ => matches!(self, Self::Merge { .. } | Self::MergeRollback { .. } | Self::MergeRestore { .. }),
        }
    }
}

/// Says how something is brought onto a branch.
fn merged(number: Option<PullRequestNumber>) -> String {
    number.map_or_else(|| "push".to_owned(), |number| format!("merge {number}"))
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CreateBranch { environment, branch } => write!(f, "create `{branch}` for {environment}"),
            Self::Hydrate { environment, dry } => write!(f, "hydrate {} for {environment}", dry.short()),
            Self::Propose { place, dry, .. } => write!(f, "propose {} for {place}", dry.short()),
            Self::OpenPullRequest { place, dry, .. } => {
                write!(f, "open a pull request to promote {} to {place}", dry.short())
            }
            Self::DescribePullRequest { place, number, dry, .. } => {
                write!(f, "describe {} in {number} for {place}", dry.short())
            }
            Self::ClosePullRequest { place, number, .. } => write!(f, "close {number} for {place}"),
            Self::PostStatus { place, status, .. } => {
                write!(f, "report `{}` for {place}: {}", status.state.word(), status.description)
            }
            Self::ReportHydration { dry, status } => {
                write!(f, "report `{}` on {}: {}", status.state.word(), dry.short(), status.description)
            }
            Self::RecordVerified { place, dry, .. } => write!(f, "record {} as verified in {place}", dry.short()),
            Self::Revoke { place, dry, reason, .. } => {
                write!(f, "take back that {} is verified in {place}: {reason}", dry.short())
            }
            Self::Merge { place, number, dry, .. } => write!(f, "{}: {} goes to {place}", merged(*number), dry.short()),
            Self::TellOverdue { place, overdue, .. } => {
                let words: Vec<_> = overdue.iter().map(|overdue| overdue.words.as_str()).collect();
                write!(f, "tell people about {place}: {}", words.join("; "))
            }
            Self::Bundle { environment, step } => step.tell(environment, f),
            Self::PostHold { place, status, .. } => write!(f, "mark the hold of {place}: {}", status.description),
            Self::EndHold { place, reason, .. } => write!(f, "end the hold of {place}: {reason}"),
            Self::StartRollback { place, start, .. } => {
                write!(
                    f,
                    "start to roll {place} back to {}: {}",
                    start.rollback.target.dry.short(),
                    start.rollback.reason
                )
            }
            Self::ProposeRollback { place, rollback, .. } => {
                write!(f, "propose to roll {place} back to {}", rollback.target.dry.short())
            }
            Self::OpenRollback { place, rollback, .. } => {
                write!(f, "open a pull request to roll {place} back to {}", rollback.target.dry.short())
            }
            Self::MergeRollback { place, number, rollback, .. } => {
                write!(f, "{}: {place} goes back to {}", merged(*number), rollback.target.dry.short())
            }
            Self::FinishRollback { place, rollback, .. } => {
                write!(f, "note that {place} is back at {}", rollback.target.dry.short())
            }
            Self::PostDrift { place, status, .. } => write!(f, "mark the drift of {place}: {}", status.description),
            Self::BringBranchBack { place, branch, at, .. } => {
                write!(f, "make `{branch}` of {place} again at {}", at.short())
            }
            Self::ProposeRestore { place, .. } => write!(f, "propose to restore {place}"),
            Self::OpenRestore { place, .. } => write!(f, "open a pull request to restore {place}"),
            Self::MergeRestore { place, number, .. } => {
                write!(f, "{}: {place} is again what was promoted last", merged(*number))
            }
            Self::EndRestore { place, reason, .. } => write!(f, "end the restoring of {place}: {reason}"),
            Self::CancelRollback { place, reason, .. } => write!(f, "cancel the rollback of {place}: {reason}"),
        }
    }
}
