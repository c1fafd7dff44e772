//! How mutants distort what the rules are told.

use std::collections::BTreeMap;

use crate::domain::{
    hold::{Hold, HoldRule},
    ids::DrySha,
    line::DryLine,
    plan::Action,
    rollback::Restored,
    snapshot::{Active, PlaceState, Record, Report, Run, Snapshot},
    status::StatusState,
    strategy::{Environment, PromotionStrategy},
};

/// Changes each environment of a strategy.
pub(super) fn of_environments(strategy: &mut PromotionStrategy, change: impl Fn(&mut Environment)) {
    strategy.environments.iter_mut().for_each(change);
}

/// Changes each place.
pub(super) fn of_places(seen: &mut Snapshot, change: impl Fn(&mut PlaceState)) {
    seen.places.values_mut().for_each(change);
}

/// Changes each run.
pub(super) fn of_runs(seen: &mut Snapshot, change: impl Fn(&mut Run)) {
    of_places(seen, |state| state.runs_mut().iter_mut().for_each(&change));
}

/// Changes each report, knowing when the commit that it is on came.
pub(super) fn of_reports(seen: &mut Snapshot, change: impl Fn(jiff::Timestamp, &mut Report)) {
    of_runs(seen, |run| {
        let arrived: BTreeMap<_, _> =
            run.commits.iter().map(|commit| (commit.sha.clone(), commit.arrived_at)).collect();
        run.reports.iter_mut().for_each(|report| change(arrived[&report.commit], report));
    });
}

/// Says whether a run is recorded as verified.
pub(super) fn is_verified(run: &Run) -> bool {
    matches!(run.record, Some(Record::Verified { .. }))
}

/// Forgets what was reported after a run had ended.
pub(super) fn forget_late_reports(run: &mut Run) {
    let end = run.ended_at;
    run.reports.retain(|report| end.is_none_or(|end| report.status.reported_at < end));
}

/// Counts what was reported on a run for the one after it.
pub(super) fn inherit_reports(seen: &mut Snapshot) {
    of_places(seen, |state| {
        let runs = state.runs_mut();
        for newer in 1..runs.len() {
            let (after, before) = runs.split_at_mut(newer);
            let Some(newer) = after.last_mut() else { continue };
            let (since, Some(commit)) = (newer.since(), newer.brought_by().cloned()) else { continue };
            let inherited = before[0].reports.iter().cloned().map(|mut report| {
                (report.status.reported_at, report.commit) = (since, commit.clone());
                report
            });
            newer.reports.splice(0..0, inherited);
        }
    });
}

/// Takes back what rollbacks of a place block.
pub(super) fn release(state: &mut PlaceState) {
    let restored = |run: &mut Run| run.restored = run.restored.take().map(|r| Restored { released: true, ..r });
    state.runs_mut().iter_mut().for_each(restored);
}

/// Takes back what rollbacks block where a strict hold has expired, or there is none.
pub(super) fn release_what_expired(seen: &mut Snapshot) {
    let now = seen.now;
    of_places(seen, |state| {
        let expired = |hold: &Hold| hold.rule == HoldRule::Strict && !hold.stops_everything(now);
        if state.hold.as_ref().is_none_or(expired) && state.rollback.is_none() {
            release(state);
        }
    });
}

/// Puts every dry commit on the line, in the order in which it was seen.
pub(super) fn forget_that_any_left(seen: &mut Snapshot) {
    let mut all: Vec<DrySha> = seen.line.all_beginning_with("dry-").into_iter().collect();
    all.sort();
    seen.line = DryLine::new(all, []);
}

/// Takes somebody else's change for nothing.
pub(super) fn forget_drift(seen: &mut Snapshot) {
    of_places(seen, |state| {
        if let Active::Present(branch) = &mut state.active
            && branch.drift.take().is_some()
            && let Some(run) = branch.runs.first_mut()
        {
            run.ended_at = None;
        }
    });
}

/// Says whether an action takes our own status back.
pub(super) fn says_pending(action: &Action) -> bool {
    matches!(action, Action::PostStatus { status, .. } if status.state == StatusState::Pending)
}

/// Shows one lane what was recorded in another.
pub(super) fn mix_lanes(seen: &mut Snapshot) {
    let of_lanes: Vec<_> = seen.places.keys().cloned().collect();
    for pair in of_lanes.chunks(2) {
        let [one, other] = pair else { continue };
        let records: Vec<_> =
            seen.places[one].branch().into_iter().flat_map(|b| &b.runs).map(|run| run.record).collect();
        let Some(there) = seen.places.get_mut(other) else { continue };
        for (run, record) in there.runs_mut().iter_mut().zip(records) {
            run.record = run.record.or(record);
        }
    }
}
