//! What must hold when the service has nothing to do.

use super::{
    configuration::Configuration,
    look::Look,
    safety::{Checked, check},
    state::{Record, State},
    truth::Truth,
};

/// Checks a state in which the service's plan is empty.
pub(super) fn check_rest(of: &Configuration, state: &State, look: &Look) -> Checked {
    let truth = Truth { of, state };
    for (at, view) in of.places().zip(&look.plan.places) {
        let (environment, lane) = of.of(at);
        let (place, name) = (&state.places[usize::from(at)], &view.place);
        // 10: Every wait has a reason, and we wake when it ends.
        check(view.wanted.is_none() || !view.gates.is_empty(), || {
            format!("10: {name} wants something and does nothing")
        })?;
        let now = look.snapshot.now;
        for until in view.gates.iter().filter_map(|gate| gate.until).filter(|until| *until > now) {
            let wakes = look.plan.wake_at.is_some_and(|at| at <= until);
            check(wakes, || format!("10: {name} waits until {until} and nothing wakes us"))?;
        }
        // Our own status is success only while every gate down to approvals is open, and then it is.
        if place.open && view.wanted.is_some() {
            let closed = view.gates.iter().any(|gate| gate.gate.holds_own_status());
            check(place.own != Some(closed), || format!("10: own status of {name} says otherwise than its gates"))?;
        }
        let stops = place.hold.is_some_and(|hold| hold.stops(state.now));
        check(!stops || !view.gates.is_empty() || view.wanted.is_none(), || {
            format!("10: {name} is held and does not say so")
        })?;
        // 1: A no-op is taken only when everything before has verified it.
        if let Some(dry) = view.taken.as_ref().filter(|_| view.taken_as_no_op).map(|dry| super::names::id(dry.as_str()))
        {
            let verified = truth.is_verified_before(environment, lane, dry);
            check(verified, || format!("1: {name} took dry-{dry}, which is not verified before it"))?;
            let kept_out = truth.is_kept_out(environment, lane, dry);
            check(!kept_out, || format!("4: {name} took dry-{dry}, which is kept out"))?;
            check(state.line.contains(&dry), || format!("14: {name} took dry-{dry}, which left the line"))?;
        }
        check_records(truth, at)?;
        check_explained(truth, at, look)?;
    }
    Ok(())
}

/// 2, 9: What is recorded as verified was, and what was is recorded.
fn check_records(truth: Truth<'_>, at: u8) -> Checked {
    let (of, state) = (truth.of, truth.state);
    let (environment, lane) = of.of(at);
    let name = super::names::place(of, at);
    if state.is_lane_drifted(environment, lane) {
        return Ok(());
    }
    let branch = &state.branches[usize::from(environment)];
    for (index, commit) in branch.commits.iter().enumerate().filter(|(_, commit)| commit.brings_to(lane)) {
        let brought = super::state::number(index);
        let proved = truth.is_proved(environment, lane, brought);
        let content = commit.contents[usize::from(lane)];
        let recorded = commit.record == Record::Verified;
        check(!recorded || proved, || format!("2, 9: commit {index} of {name} is recorded as verified and is not"))?;
        let runs = branch.running(lane) == Some(brought);
        let missing = proved && !recorded && content != 0 && runs;
        check(!missing, || format!("9: commit {index} of {name} is verified and nothing is recorded"))?;
    }
    Ok(())
}

/// 15: What is verified before a place is taken there, passed over by a newer one, or explained.
fn check_explained(truth: Truth<'_>, at: u8, look: &Look) -> Checked {
    let (of, state) = (truth.of, truth.state);
    let (environment, lane) = of.of(at);
    let view = &look.plan.places[usize::from(at)];
    let id = |dry: &crate::domain::ids::DrySha| super::names::id(dry.as_str());
    let reached = view.taken.iter().chain(&view.wanted).map(|dry| truth.position(id(dry))).max().unwrap_or_default();
    let drifted = (0..of.environments()).any(|environment| state.is_drifted(of, environment));
    for dry in state.line.iter().copied().filter(|dry| truth.position(*dry) > reached) {
        let explained = !view.gates.is_empty()
            || view.notices.iter().any(|notice| notice.to_string().contains(&format!("dry-{dry}")));
        let verified = truth.is_verified_before(environment, lane, dry);
        check(drifted || !verified || explained, || {
            format!("15: dry-{dry} is verified before {} and unexplained", view.place)
        })?;
    }
    Ok(())
}
