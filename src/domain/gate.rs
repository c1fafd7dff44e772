//! The conditions of a promotion, each open or closed with a reason.
//!
//! The words of a closed gate are written here, once: the status page, `explain`, the commit
//! status and the pull request all show them as they stand.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    approvals::ApprovalWait,
    drift::{Drift, ForeignWork},
    hold::Hold,
    ids::{ActiveSha, BranchName, DrySha, EnvironmentName, PullRequestNumber, StatusKey},
    windows::{self, WindowName, WindowSource},
};

/// What keeps one gate closed.
///
/// The order of the variants is the order in which gates are asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "gate")]
pub enum Gate {
    /// The newest strategy is not in force: nothing is promoted on a guess.
    Strategy {
        /// Why not: a mistake, or that it drops something to which nobody has agreed.
        mistake: String,
    },
    /// Somebody deleted the active branch.
    BranchGone {
        /// The branch.
        branch: BranchName,
        /// The commit that the last promotion made on it, where the forge says so.
        last: Option<ActiveSha>,
    },
    /// Somebody else changed what we own on the active branch.
    Drift {
        /// What they did.
        #[serde(flatten)]
        drift: Box<Drift>,
    },
    /// Somebody else pushed onto the proposed branch.
    ForeignWork {
        /// What they did.
        #[serde(flatten)]
        work: Box<ForeignWork>,
    },
    /// A rollback is under way.
    Rollback {
        /// The dry SHA that it goes back to.
        to: DrySha,
        /// Who asked.
        by: String,
    },
    /// A person, or a second rollback in a row, stopped everything.
    Hold {
        /// The hold.
        hold: Box<Hold>,
    },
    /// The active branch holds something that we did not write where we would write.
    Obstacle {
        /// What is in the way.
        message: String,
    },
    /// An environment before this one has not verified the dry SHA.
    DependsOn {
        /// That environment.
        environment: EnvironmentName,
        /// What it waits for.
        waits: Verdict,
    },
    /// What runs here has neither been verified nor failed.
    Settling {
        /// What it waits for.
        waits: Verdict,
    },
    /// Windows are closed.
    Window {
        /// Whose windows.
        of: WindowSource,
        /// The window that denies it; none where it is outside of those that allow.
        window: Option<WindowName>,
        /// When they open; absent when no opening is in sight.
        until: Option<Timestamp>,
    },
    /// As many promotion pull requests are open in the environment as may be.
    MostOpen {
        /// How many.
        open: u32,
    },
    /// It goes in the next pull request of all lanes: this one is not replaced for it.
    Bundle {
        /// The pull request that is to end first.
        number: Option<PullRequestNumber>,
    },
    /// A commit status on the proposed SHA.
    ProposedStatus {
        /// Its key.
        key: StatusKey,
        /// What is wrong with it.
        waits: StatusWait,
    },
    /// People have not approved the proposed SHA, or object.
    Approvals {
        /// What is missing.
        #[serde(flatten)]
        waits: ApprovalWait,
    },
    /// The environment merges only when a person asks.
    Promote,
    /// The environment's pull requests are opened by people.
    Unopened {
        /// The branch from which.
        head: BranchName,
    },
    /// The forge's own conditions.
    Forge {
        /// The forge's words.
        words: String,
    },
}

/// Names a gate across plans, to remember since when it is closed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GateId(pub String);

/// A closed gate with its times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosedGate {
    /// The gate and what keeps it closed.
    #[serde(flatten)]
    pub gate: Gate,
    /// Since when it is closed.
    pub since: Timestamp,
    /// When it opens or is looked at again by itself, where time alone does that.
    pub until: Option<Timestamp>,
    /// Until when it may be closed before people are told.
    #[serde(default)]
    pub deadline: Option<Timestamp>,
    /// Whether that time has come.
    #[serde(default)]
    pub is_overdue: bool,
}

/// Why a commit status does not count as a success yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "wait")]
pub enum StatusWait {
    /// Nothing was reported.
    Missing,
    /// It is pending.
    Pending,
    /// The check itself broke.
    Error,
    /// It failed.
    Failed,
    /// Some of the keys have succeeded, and more are asked for.
    Fewer {
        /// How many have.
        succeeded: u32,
        /// How many have to.
        asked: u32,
    },
    /// It succeeded, and must stand until this time.
    Settle {
        /// The time.
        until: Timestamp,
    },
}

/// What is known about a dry SHA in one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// It is verified.
    Verified,
    /// The environment has not taken it.
    NotTaken,
    /// A listed status has not succeeded on what runs.
    Status {
        /// The key.
        key: StatusKey,
        /// What is wrong with it.
        waits: StatusWait,
    },
    /// The content must run longer.
    Soak {
        /// Until when.
        until: Timestamp,
    },
    /// Everything has succeeded; the record is about to be written.
    Unrecorded,
    /// A status that had succeeded failed later.
    Revoked,
    /// A person rejected it here.
    Rejected {
        /// The pull request that was closed.
        number: PullRequestNumber,
    },
    /// A person rejected it everywhere.
    RejectedCommit {
        /// Who.
        by: String,
    },
    /// A rollback blocks it.
    Blocked {
        /// The environment that was rolled back.
        environment: EnvironmentName,
    },
    /// It changed nothing here and an environment before has not verified it.
    Upstream {
        /// That environment.
        environment: EnvironmentName,
    },
    /// Somebody else's content runs, which a person adopted.
    Adopted {
        /// Who did.
        by: String,
    },
    /// Content that was taken over runs instead, and is not what it renders to.
    TakenOver,
    /// It ran, and other content runs now.
    Overtaken {
        /// What runs now.
        by: DrySha,
    },
}

impl Verdict {
    /// Says whether a status failed.
    pub fn is_failed(&self) -> bool {
        matches!(self, Self::Revoked | Self::Status { waits: StatusWait::Failed, .. })
    }

    /// Returns the time at which the verdict changes by itself.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Soak { until } | Self::Status { waits: StatusWait::Settle { until }, .. } => Some(*until),
            _ => None,
        }
    }
}

impl StatusWait {
    /// Returns the time at which the wait ends by itself.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Settle { until } => Some(*until),
            _ => None,
        }
    }
}

impl Gate {
    /// Returns the name under which the gate is remembered.
    pub fn id(&self) -> GateId {
        GateId(match self {
            Self::Strategy { .. } => "strategy".into(),
            Self::BranchGone { .. } => "branch-gone".into(),
            Self::Drift { drift } => format!("drift:{}", drift.commit),
            Self::ForeignWork { work } => format!("foreign-work:{}", work.head),
            Self::Rollback { .. } => "rollback".into(),
            Self::Hold { .. } => "hold".into(),
            Self::Obstacle { .. } => "obstacle".into(),
            Self::DependsOn { environment, .. } => format!("depends-on:{environment}"),
            Self::Settling { .. } => "settling".into(),
            Self::Window { of: WindowSource::Strategy, .. } => "window".into(),
            Self::Window { of: WindowSource::Server, .. } => "window:server".into(),
            Self::MostOpen { .. } => "most-open".into(),
            Self::Bundle { .. } => "bundle".into(),
            Self::ProposedStatus { key, .. } => format!("proposed:{key}"),
            Self::Approvals { waits } => format!("approvals:{}", waits.id()),
            Self::Promote => "promote".into(),
            Self::Unopened { .. } => "unopened".into(),
            Self::Forge { .. } => "forge".into(),
        })
    }

    /// Says whether our own commit status waits for this gate: all down to approvals, so that a
    /// person can merge by hand what only waits for `promote`, and the forge can wait for us.
    pub fn holds_own_status(&self) -> bool {
        !matches!(self, Self::Promote | Self::Unopened { .. } | Self::Forge { .. })
    }

    /// Says whether it is asked of what is proposed, once where lanes share a pull request, and not of a lane.
    pub fn is_of_proposal(&self) -> bool {
        match self {
            Self::Window { .. }
            | Self::MostOpen { .. }
            | Self::Bundle { .. }
            | Self::ProposedStatus { .. }
            | Self::Approvals { .. }
            | Self::Promote
            | Self::Unopened { .. }
            | Self::Forge { .. } => true,
            Self::Strategy { .. }
            | Self::BranchGone { .. }
            | Self::Drift { .. }
            | Self::ForeignWork { .. }
            | Self::Rollback { .. }
            | Self::Hold { .. }
            | Self::Obstacle { .. }
            | Self::DependsOn { .. }
            | Self::Settling { .. } => false,
        }
    }

    /// Says whether nothing is even proposed while it is closed.
    pub fn stops_proposing(&self) -> bool {
        matches!(
            self,
            Self::Strategy { .. }
                | Self::Drift { .. }
                | Self::ForeignWork { .. }
                | Self::Rollback { .. }
                | Self::Obstacle { .. }
                | Self::MostOpen { .. }
        )
    }

    /// Returns the time at which the gate changes by itself.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::DependsOn { waits, .. } | Self::Settling { waits } => waits.until(),
            Self::ProposedStatus { waits, .. } => waits.until(),
            Self::Hold { hold } => hold.expires_at,
            Self::Window { until, .. } => *until,
            _ => None,
        }
    }
}

impl From<Drift> for Gate {
    fn from(drift: Drift) -> Self {
        Self::Drift { drift: Box::new(drift) }
    }
}

impl fmt::Display for StatusWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("has not been reported"),
            Self::Pending => f.write_str("is pending"),
            Self::Error => f.write_str("could not be checked (error)"),
            Self::Failed => f.write_str("failed"),
            Self::Fewer { succeeded, asked } => write!(f, "has succeeded for {succeeded} of {asked}"),
            Self::Settle { until } => write!(f, "succeeded and must stand until {}", clock(*until)),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verified => f.write_str("is verified"),
            Self::NotTaken => f.write_str("does not run it yet"),
            Self::Status { key, waits } => write!(f, "`{key}` {waits}"),
            Self::Soak { until } => write!(f, "soaks until {}", clock(*until)),
            Self::Unrecorded => f.write_str("is being recorded as verified"),
            Self::Revoked => f.write_str("was verified and failed later"),
            Self::Rejected { number } => write!(f, "rejected it by closing {number}"),
            Self::RejectedCommit { by } => write!(f, "was rejected by {by}"),
            Self::Blocked { environment } => write!(f, "is kept from it by the rollback of {environment}"),
            Self::Upstream { environment } => write!(f, "is unchanged by it and waits for {environment}"),
            Self::Adopted { by } => write!(f, "runs what {by} adopted, which verifies nothing"),
            Self::TakenOver => f.write_str("runs what was taken over, which is not what it renders to"),
            Self::Overtaken { by } => write!(f, "went on to {} before it was verified", by.short()),
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Strategy { mistake } => write!(f, "the newest strategy is not in force: {}", first_line(mistake)),
            Self::BranchGone { branch, last: Some(last) } => {
                write!(f, "somebody deleted `{branch}`; push it again to go on, it was at {last}")
            }
            Self::BranchGone { branch, last: None } => {
                write!(f, "somebody deleted `{branch}`; push it again to go on")
            }
            Self::Drift { drift } => drift.fmt(f),
            Self::ForeignWork { work } => write!(f, "{work}; `restore` proposes anew"),
            Self::Rollback { to, by } => write!(f, "is being rolled back to {} ({by})", to.short()),
            Self::Hold { hold } => hold.fmt(f),
            Self::Obstacle { message } => f.write_str(message),
            Self::DependsOn { environment, waits } => match waits {
                Verdict::Status { key, waits } => write!(f, "waits for `{key}` on {environment}, which {waits}"),
                _ => write!(f, "waits for {environment}, which {waits}"),
            },
            Self::Settling { waits } => match waits {
                Verdict::Status { .. } => write!(f, "what runs here is not settled: {waits}"),
                _ => write!(f, "what runs here {waits}"),
            },
            Self::Window { of, window, until } => windows::write_closed(f, *of, window.as_ref(), *until),
            Self::Bundle { number: Some(number) } => write!(f, "goes in the pull request after {number}"),
            Self::Bundle { number: None } => f.write_str("goes in the next pull request"),
            Self::MostOpen { open: 1 } => {
                f.write_str("waits for the pull request of another lane, the one that may be open")
            }
            Self::MostOpen { open } => {
                write!(f, "waits for one of the {open} pull requests of other lanes, as many as may be open")
            }
            Self::ProposedStatus { key, waits } => write!(f, "`{key}` {waits} on the proposal"),
            Self::Approvals { waits } => waits.fmt(f),
            Self::Promote => f.write_str("waits for a person to promote it"),
            Self::Unopened { head } => write!(f, "waits for a person to open the pull request from `{head}`"),
            Self::Forge { words } => write!(f, "the forge does not merge it: {}", first_line(words)),
        }
    }
}

impl fmt::Display for ClosedGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.gate.fmt(f)?;
        match self.deadline.filter(|_| self.is_overdue) {
            Some(deadline) => write!(f, ", overdue since {}", clock(deadline)),
            None => Ok(()),
        }
    }
}

/// Returns a time as people read it, in UTC.
pub fn clock(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
