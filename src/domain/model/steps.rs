//! The actions of a plan as steps of the model: what they expect to find, and nothing that is only said.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::{
    configuration::Configuration,
    names::{held, hold_of, id, mark_of, place_id, rollback_of},
    state::{Proposal, State, Step, number},
};
use crate::domain::{ids::EnvironmentName, plan::Action, status::StatusState};

/// Returns a plan's actions that change more than words, each with its place among all of them.
pub(super) fn steps(of: &Configuration, state: &State, actions: &[Action]) -> Vec<(usize, Step)> {
    let step = |(index, action)| Some((index, step(of, state, action)?));
    actions.iter().enumerate().filter_map(step).collect()
}

fn step(of: &Configuration, state: &State, action: &Action) -> Option<Step> {
    let at = |place| place_id(of, place);
    let there = |place| &state.places[usize::from(place_id(of, place))];
    let in_environment = |name: &EnvironmentName| {
        let position = of.strategy.environments.iter().position(|environment| environment.name == *name);
        number(position.expect("an environment"))
    };
    let opened_on = |proposal: Option<Proposal>, place: u8| {
        let head = state.branches[usize::from(of.of(place).0)].head().filter(|_| of.guards.opens_on_the_seen_head);
        head.or(proposal.map(|proposal| proposal.parent)).expect("because it was seen")
    };
    Some(match action {
        // What is told of hydrations decides nothing, and every pull request describes its head.
        Action::ReportHydration { .. }
        | Action::DescribePullRequest { .. }
        | Action::TellOverdue { .. }
        | Action::PostDrift { .. } => return None,
        Action::BringBranchBack { .. }
        | Action::ProposeRestore { .. }
        | Action::OpenRestore { .. }
        | Action::MergeRestore { .. }
        | Action::EndRestore { .. }
        | Action::Bundle { .. } => unreachable!("nobody in the model asks for it: {action}"),
        Action::CreateBranch { environment, .. } => Step::CreateBranch { environment: in_environment(environment) },
        Action::Hydrate { environment, dry } => {
            Step::Hydrate { environment: in_environment(environment), dry: id(dry.as_str()) }
        }
        Action::Propose { place, dry, content, expected_active, expected_proposed } => Step::Propose {
            place: at(place),
            dry: id(dry.as_str()),
            content: held(content),
            parent: id(expected_active.as_str()),
            over: expected_proposed.as_ref().map(|sha| id(sha.as_str())),
        },
        Action::OpenPullRequest { place, .. } => {
            Step::Open { place: at(place), parent: opened_on(there(place).proposal, at(place)) }
        }
        Action::ClosePullRequest { place, .. } => Step::Close { place: at(place) },
        Action::PostStatus { place, proposed, status } => {
            let (proposed, ready) = (id(proposed.as_str()), status.state == StatusState::Success);
            // The words of a status decide nothing.
            if there(place).own == Some(ready) {
                return None;
            }
            Step::Report { place: at(place), id: proposed, ready }
        }
        Action::RecordVerified { place, brought_by, .. } => {
            Step::Record { place: at(place), commit: id(brought_by.as_str()) }
        }
        Action::Revoke { place, brought_by, .. } => Step::Revoke { place: at(place), commit: id(brought_by.as_str()) },
        Action::Merge { place, expected_head, expected_active, dry, .. } => Step::Merge {
            place: at(place),
            id: id(expected_head.as_str()),
            dry: id(dry.as_str()),
            parent: id(expected_active.as_str()),
            held: holds(state),
        },
        Action::PostHold { place, active, status } => {
            Step::PostHold { place: at(place), commit: id(active.as_str()), mark: mark_of(status, there(place).hold) }
        }
        Action::EndHold { place, active, hold, .. } => {
            Step::EndHold { place: at(place), commit: id(active.as_str()), hold: hold_of(hold) }
        }
        Action::StartRollback { place, active, start } => Step::StartRollback {
            place: at(place),
            commit: id(active.as_str()),
            rollback: rollback_of(&start.rollback),
            hold: hold_of(&start.hold),
            seen: there(place).hold,
        },
        Action::ProposeRollback { place, rollback, expected_active, expected_proposed } => Step::ProposeRollback {
            place: at(place),
            rollback: rollback_of(rollback),
            parent: id(expected_active.as_str()),
            over: expected_proposed.as_ref().map(|sha| id(sha.as_str())),
        },
        Action::OpenRollback { place, .. } => {
            Step::OpenRollback { place: at(place), parent: opened_on(there(place).restoration, at(place)) }
        }
        Action::MergeRollback { place, rollback, expected_head, expected_active, .. } => Step::MergeRollback {
            place: at(place),
            rollback: rollback_of(rollback),
            id: id(expected_head.as_str()),
            parent: id(expected_active.as_str()),
            held: holds(state),
        },
        Action::FinishRollback { place, active, rollback } => {
            let (commit, rollback) = (id(active.as_str()), rollback_of(rollback));
            Step::FinishRollback { place: at(place), commit, rollback }
        }
        Action::CancelRollback { place, active, rollback, pull_request, .. } => Step::CancelRollback {
            place: at(place),
            commit: id(active.as_str()),
            rollback: rollback_of(rollback),
            open: pull_request.is_some(),
        },
    })
}

/// Returns what all holds, rollbacks and rejections are, as one number: a merge is refused when they are not
/// as they were seen.
pub(super) fn holds(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    for place in &state.places {
        (place.hold, place.rollback, place.cancelled).hash(&mut hasher);
    }
    for dry in &state.dries {
        dry.rejected.hash(&mut hasher);
    }
    hasher.finish()
}
