//! One word for how a place stands, for colours, tables and summaries.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{
    gate::{Gate, StatusWait, Verdict},
    plan::{Notice, PlaceView},
};

/// How one lane of one environment stands. What needs people most wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// What runs is verified, and nothing waits.
    Verified,
    /// Nothing runs and nothing waits.
    Empty,
    /// What runs is not verified yet.
    Settling,
    /// Something newer waits for gates that open by themselves.
    Waiting,
    /// Every gate is open; it is on its way.
    Promoting,
    /// Only a person's word is missing.
    NeedsPerson,
    /// It is held, or is being rolled back.
    Held,
    /// Something newer cannot come: hydration, the strategy, the branch or the forge stops it.
    Stopped,
    /// What runs was rejected by a person.
    Rejected,
    /// What runs failed.
    Failed,
    /// Somebody else changed what we own.
    Drifted,
}

impl Standing {
    /// Returns how a place stands.
    pub fn of(view: &PlaceView) -> Self {
        let gate = |is: fn(&Gate) -> bool| view.gates.iter().any(|closed| is(&closed.gate));
        let verdict = view.running.as_ref().map(|running| &running.verdict);
        let hydration_failed = view.notices.iter().any(|notice| matches!(notice, Notice::HydrationFailed { .. }));
        if view.drift.is_some() {
            Self::Drifted
        } else if view.rollback.is_some() {
            Self::Held
        } else if verdict.is_some_and(Verdict::is_failed) {
            Self::Failed
        } else if gate(|g| matches!(g, Gate::Strategy { .. } | Gate::Obstacle { .. } | Gate::Forge { .. }))
            || gate(|g| matches!(g, Gate::BranchGone { .. }))
            || gate(|g| matches!(g, Gate::ProposedStatus { waits: StatusWait::Failed, .. }))
            || (view.wanted.is_none() && hydration_failed)
        {
            Self::Stopped
        } else if gate(|g| matches!(g, Gate::Hold { .. } | Gate::Rollback { .. })) {
            Self::Held
        } else if view.wanted.is_some() {
            match view.gates.as_slice() {
                [] => Self::Promoting,
                gates if gates.iter().all(|one| matches!(one.gate, Gate::Promote | Gate::Unopened { .. })) => {
                    Self::NeedsPerson
                }
                _ => Self::Waiting,
            }
        } else if matches!(verdict, Some(Verdict::RejectedCommit { .. })) {
            Self::Rejected
        } else if view.hold.is_some() {
            // A rollback keeps something out, and a fix has not come yet.
            Self::Held
        } else {
            match verdict {
                None => Self::Empty,
                Some(Verdict::Verified) => Self::Verified,
                Some(_) => Self::Settling,
            }
        }
    }

    /// Returns the words that people read.
    pub fn words(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Empty => "nothing runs yet",
            Self::Settling => "not verified yet",
            Self::Waiting => "waiting",
            Self::Promoting => "promoting",
            Self::NeedsPerson => "waits for a person",
            Self::Held => "held",
            Self::Stopped => "stopped",
            Self::Rejected => "runs what was rejected",
            Self::Failed => "failed",
            Self::Drifted => "drifted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        ids::{BranchName, DrySha, EnvironmentName, LaneName, Place},
        plan::RunningView,
    };

    fn running(verdict: Verdict) -> PlaceView {
        let place = Place { environment: EnvironmentName::new("prod").expect("a name"), lane: LaneName::single() };
        let dry = DrySha::new("dry-1").expect("a word");
        PlaceView {
            running: Some(RunningView { dry, since: jiff::Timestamp::UNIX_EPOCH, verdict, roots: 1, adopted: None }),
            ..PlaceView::empty(place, BranchName::new("env/prod").expect("a branch"))
        }
    }

    #[test]
    fn what_runs_and_is_rejected_has_a_word_of_its_own_until_something_newer_comes() {
        let rejected = running(Verdict::RejectedCommit { by: "ada".into() });
        assert_eq!(Standing::of(&rejected), Standing::Rejected);
        let wanted = Some(DrySha::new("dry-2").expect("a word"));
        assert_eq!(Standing::of(&PlaceView { wanted, ..rejected }), Standing::Promoting);
        assert_eq!(Standing::of(&running(Verdict::Verified)), Standing::Verified);
    }
}
