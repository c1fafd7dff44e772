//! What must become of a state when everybody does their part.

use super::{
    configuration::Configuration,
    course::{Course, Pace},
    event::Event,
    safety::{Checked, check},
    state::State,
};
use crate::domain::status::StatusState;

/// Enough of every chance for people to do their part.
const PLENTY: u8 = 200;

/// What is reported from here on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reported {
    /// That everything is healthy.
    Everything,
    /// That the fix is: of nothing older is ever heard again.
    Fix,
}

/// 8, 11, 16: From this state the service comes to rest, stopped after every action or not; and a fix that is
/// pushed then gets everywhere, without a person but for what only people end: strict holds, drift,
/// and environments that promote when asked.
pub(super) fn check_future(course: &mut Course<'_>, of: &Configuration, pace: Pace, reported: Reported) -> Checked {
    course.state.left.fill(PLENTY);
    course.settle(pace)?;
    of.push(&mut course.state, &of.everything());
    let fix = course.state.dries.last().expect("because it was just pushed").contents.clone();
    for _ in 0..2 * of.environments() + 3 {
        course.settle(pace)?;
        go_well(course, of, reported, &fix)?;
    }
    course.settle(pace)?;
    for at in of.places() {
        let (environment, lane) = of.of(at);
        let head = course.state.branches[usize::from(environment)].commits.last();
        let holds = head.map(|commit| commit.contents[usize::from(lane)]);
        let name = super::names::place(of, at);
        check(holds == fix[usize::from(at)], || {
            format!("16: a fix does not get to {name} ({reported:?} is reported)")
        })?;
    }
    Ok(())
}

/// Lets everybody do their part once, and enough time pass for every wait that ends.
fn go_well(course: &mut Course<'_>, of: &Configuration, reported: Reported, fix: &[Option<u8>]) -> Checked {
    let mut events = Vec::new();
    for environment in 0..of.environments() {
        if course.state.is_drifted(of, environment) {
            events.push(Event::Restore { environment });
        }
    }
    for place in of.places() {
        let there = &course.state.places[usize::from(place)];
        if there.hold.is_some_and(|hold| hold.strict) {
            events.push(Event::Unhold { place });
        }
        let is_fix = |dry: u8| usize::from(dry) + 1 == course.state.dries.len();
        if there.open && there.proposal.is_some_and(|p| reported == Reported::Everything || is_fix(p.dry)) {
            events.extend([Event::Ticket { place, state: StatusState::Success }, Event::Promote { place }]);
        }
    }
    for environment in 0..of.environments() {
        let branch = &course.state.branches[usize::from(environment)];
        let Some(head) = branch.head() else { continue };
        let newest = branch.reports.iter().rev().find(|report| report.commit == head);
        let is_fix = (0..of.lane_count()).any(|lane| {
            let held = branch.commits[usize::from(head)].contents[usize::from(lane)];
            Some(held) == fix[usize::from(of.place(environment, lane))]
        });
        let is_told = reported == Reported::Everything || is_fix;
        if is_told && newest.is_none_or(|report| report.state != StatusState::Success) {
            events.push(Event::Report { environment, commit: head, state: StatusState::Success });
        }
    }
    events.push(Event::Wait(12));
    events.into_iter().try_for_each(|event| {
        let look = course.look();
        course.happen(&look, event)
    })
}

/// Returns the state from which a search starts: nothing was ever promoted, or one dry commit runs verified
/// everywhere.
pub(super) fn start(of: &Configuration) -> Result<State, String> {
    let empty = of.empty();
    if of.fresh {
        return Ok(empty);
    }
    let mut course = Course::from(of, empty.clone(), false);
    check_future(&mut course, of, Pace::Plans, Reported::Everything)?;
    let place = |place: &super::state::Place| super::state::Place { ticket: None, promoted: None, ..place.clone() };
    let places = course.state.places.iter().map(place).collect();
    Ok(State { left: empty.left, places, ..course.state })
}

/// Checks every future that is tried of one state.
pub(super) fn check_futures(of: &Configuration, state: &State) -> Result<(), (Pace, Reported, String)> {
    for (pace, reported) in [(Pace::Plans, Reported::Everything), (Pace::Stopping, Reported::Fix)] {
        let mut course = Course::from(of, state.clone(), false);
        check_future(&mut course, of, pace, reported).map_err(|words| (pace, reported, words))?;
    }
    Ok(())
}
