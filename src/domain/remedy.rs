//! Who can open a closed gate, and how.
//!
//! Like the words of the gates themselves these stand here once, for every face of the product.

use super::{
    approvals::ApprovalWait,
    gate::{Gate, StatusWait, Verdict},
    hold::HoldRule,
    ids::{EnvironmentName, Place},
};

/// Nobody has to do anything.
const BY_ITSELF: &str = "by itself";

/// Returns who can open `gate` of `place`, and how, in one sentence without a full stop.
pub fn of(gate: &Gate, place: &Place) -> String {
    match gate {
        Gate::Strategy { .. } => "whoever may push to the dry branch: commit a strategy without the mistake".into(),
        Gate::BranchGone { branch, .. } => {
            format!(
                "whoever may roll back: `restore {}`; or whoever pushes `{branch}` again where it was",
                place.environment
            )
        }
        Gate::Drift { .. } => format!(
            "whoever may roll back: `restore {0}` or `adopt {0}`; or a push that takes it back",
            place.environment
        ),
        Gate::ForeignWork { .. } => {
            format!("whoever may roll back: `restore {}` proposes anew over it", place.environment)
        }
        Gate::Rollback { .. } => "it ends with the merge of the rollback; `unhold` cancels it".into(),
        Gate::Hold { hold } => match hold.rule {
            HoldRule::Strict => format!("whoever may roll back: `unhold {}`", place.environment),
            HoldRule::Next => {
                format!(
                    "the first newer commit that is not kept out, or whoever may roll back: `unhold {}`",
                    place.environment
                )
            }
        },
        Gate::Obstacle { .. } => "whoever may push to the branch: move that file away".into(),
        Gate::DependsOn { environment, waits } => of_verdict(waits, environment),
        Gate::Settling { waits: Verdict::Soak { .. } } => BY_ITSELF.into(),
        Gate::Settling { waits } => {
            format!("{}; or by itself after the deadline", of_verdict(waits, &place.environment))
        }
        Gate::Window { until: Some(_), .. } => {
            "by itself; or whoever may override windows: `promote` with `override=windows` and a reason".into()
        }
        Gate::Window { until: None, .. } => {
            "whoever may override windows: `promote` with `override=windows` and a reason".into()
        }
        Gate::Bundle { number: Some(number) } => {
            format!("whoever may promote or close {number}, which goes first")
        }
        Gate::Bundle { number: None } => BY_ITSELF.into(),
        Gate::MostOpen { .. } => "whoever may promote or close one of the other pull requests".into(),
        Gate::ProposedStatus { key, waits } => of_status(waits, &format!("`{key}` on the head of the pull request")),
        Gate::Approvals { waits } => of_approvals(waits),
        Gate::Promote => "whoever may promote: `promote`, or a merge by hand".into(),
        Gate::Unopened { head } => {
            format!("whoever may open pull requests: one from `{head}` into the environment's branch")
        }
        Gate::Forge { .. } => "whoever can meet the forge's conditions; it is asked again by itself".into(),
    }
}

fn of_approvals(waits: &ApprovalWait) -> String {
    match waits {
        ApprovalWait::ChangesRequested { by, .. } => {
            format!("{by}: a review that approves, or the dismissal of that one")
        }
        ApprovalWait::Count { .. } | ApprovalWait::CodeOwners { .. } => {
            "whoever the gate names: a review that approves the pull request at its head".into()
        }
        ApprovalWait::NoCodeOwners | ApprovalWait::LongCodeOwners => {
            "whoever may push to the active branch: a `CODEOWNERS` file that the forge would read".into()
        }
        ApprovalWait::UnreadTeam { .. } => {
            "whoever runs the service: its account must be allowed to see the team".into()
        }
        ApprovalWait::UnknownAuthor { .. } | ApprovalWait::UntoldAuthors { .. } => {
            "whoever may change the strategy: `approvals` without `notAuthor`; or a merge by hand".into()
        }
    }
}

/// Returns who can change a verdict in an environment.
fn of_verdict(waits: &Verdict, environment: &EnvironmentName) -> String {
    match waits {
        Verdict::Status { key, waits } => of_status(waits, &format!("`{key}` on the branch of {environment}")),
        Verdict::Soak { .. } | Verdict::Unrecorded | Verdict::Verified => BY_ITSELF.into(),
        Verdict::NotTaken => format!("with the promotion to {environment}: its own gates say what it waits for"),
        Verdict::Upstream { environment } => format!("with what {environment} waits for"),
        Verdict::Revoked => format!("whoever mends it: a newer commit that succeeds in {environment}"),
        Verdict::Rejected { number } => format!("whoever may reopen {number}, or a newer commit"),
        Verdict::RejectedCommit { by } => format!("{by}, or whoever may reject: `unreject`; or a newer commit"),
        Verdict::Blocked { environment } => {
            format!("a fix or a revert, or whoever may roll back: `unhold {environment}`")
        }
        Verdict::Adopted { .. } | Verdict::TakenOver | Verdict::Overtaken { .. } => {
            format!("a newer commit that is verified in {environment}")
        }
    }
}

fn of_status(waits: &StatusWait, on: &str) -> String {
    match waits {
        StatusWait::Missing | StatusWait::Pending | StatusWait::Fewer { .. } => format!("whoever reports {on}"),
        StatusWait::Error => format!("whoever reports {on}: the check has to run again"),
        StatusWait::Failed => format!("a newer commit; or whoever reports {on}, when it succeeds after all"),
        StatusWait::Settle { .. } => BY_ITSELF.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{LaneName, PullRequestNumber, StatusKey};

    #[test]
    fn each_gate_names_who_opens_it() {
        let environment = EnvironmentName::new("staging").expect("a name");
        let place = Place { environment: environment.clone(), lane: LaneName::single() };
        let key = StatusKey::new("health").expect("a key");
        let waits = |waits| Gate::DependsOn { environment: environment.clone(), waits };
        let said = [
            waits(Verdict::Status { key: key.clone(), waits: StatusWait::Missing }),
            waits(Verdict::Status { key: key.clone(), waits: StatusWait::Failed }),
            waits(Verdict::Rejected { number: PullRequestNumber(4) }),
            waits(Verdict::Blocked { environment: environment.clone() }),
            Gate::Settling { waits: Verdict::Soak { until: jiff::Timestamp::UNIX_EPOCH } },
            Gate::ProposedStatus { key, waits: StatusWait::Error },
            Gate::Promote,
        ]
        .map(|gate| of(&gate, &place));
        insta::assert_snapshot!(said.join("\n"), @"
        whoever reports `health` on the branch of staging
        a newer commit; or whoever reports `health` on the branch of staging, when it succeeds after all
        whoever may reopen #4, or a newer commit
        a fix or a revert, or whoever may roll back: `unhold staging`
        by itself
        whoever reports `health` on the head of the pull request: the check has to run again
        whoever may promote: `promote`, or a merge by hand
        ");
    }
}
