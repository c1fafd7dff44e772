//! What can happen next: to the service, among people, in checks, and as time passes.

use std::fmt;

use super::{
    configuration::{Chance, Configuration},
    state::{Mark, Moment, State, number},
};
use crate::domain::status::StatusState;

/// One thing that happens. Environments, places, commits and dry commits are numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The service looks, and performs the first action of its plan; the rest may follow late, or never.
    Act,
    /// The service performs the next action of a plan that it made earlier.
    GoOn,
    /// A dry commit is pushed, by its number among those of the configuration.
    Push(u8),
    /// The newest dry commit leaves the line.
    Drop,
    Report {
        environment: u8,
        commit: u8,
        state: StatusState,
    },
    Early {
        place: u8,
        state: StatusState,
    },
    Ticket {
        place: u8,
        state: StatusState,
    },
    /// Somebody pushes to an active branch, and changes what we own there or not.
    Foreign {
        environment: u8,
        ours: bool,
    },
    /// Somebody takes foreign changes back.
    Restore {
        environment: u8,
    },
    MergeByHand {
        place: u8,
    },
    Close {
        place: u8,
    },
    MergeRollbackByHand {
        place: u8,
    },
    CloseRollback {
        place: u8,
    },
    Hold {
        place: u8,
        expires: bool,
    },
    Unhold {
        place: u8,
    },
    /// To last known-good, or one step back whatever it is.
    RollBack {
        place: u8,
        known_good: bool,
    },
    Promote {
        place: u8,
    },
    Reject {
        dry: u8,
    },
    TakeBack {
        dry: u8,
    },
    LoseDatabase,
    Wait(Moment),
}

/// Returns what else than the service's next action can happen.
pub(super) fn events(of: &Configuration, state: &State) -> Vec<Event> {
    let mut events = Vec::new();
    if !state.late.is_empty() {
        events.push(Event::GoOn);
    }
    if state.may(Chance::Push) {
        events.extend((0..number(of.pushes.len())).map(Event::Push));
    }
    if state.may(Chance::Drop) && state.line.len() > 1 {
        events.push(Event::Drop);
    }
    for environment in 0..of.environments() {
        reports(of, state, environment, &mut events);
        let branch = &state.branches[usize::from(environment)];
        if branch.commits.len() < 2 {
            continue;
        }
        for (chance, ours) in [(Chance::Foreign, false), (Chance::Drift, true)] {
            if state.may(chance) {
                events.push(Event::Foreign { environment, ours });
            }
        }
        if state.is_drifted(of, environment) {
            events.push(Event::Restore { environment });
        }
    }
    for place in of.places() {
        of_people(of, state, place, &mut events);
    }
    for dry in state.line.iter().copied().rev().take(2) {
        match state.dries[usize::from(dry)].rejected {
            None if state.may(Chance::Reject) => events.push(Event::Reject { dry }),
            Some(_) if state.may(Chance::TakeBack) => events.push(Event::TakeBack { dry }),
            _ => {}
        }
    }
    if state.may(Chance::Loss) {
        events.push(Event::LoseDatabase);
    }
    if state.may(Chance::Wait) {
        events.extend(of.waits.iter().copied().map(Event::Wait));
    }
    events
}

/// Adds what may be reported on the head of a branch, and on an earlier one.
fn reports(of: &Configuration, state: &State, environment: u8, events: &mut Vec<Event>) {
    let branch = &state.branches[usize::from(environment)];
    let Some(head) = branch
        .head()
        .filter(|_| of.places().any(|p| of.of(p).0 == environment && branch.running(of.of(p).1).is_some()))
    else {
        return;
    };
    let newest = branch.reports.iter().rev().find(|report| report.commit == head).map(|report| report.state);
    let mut may = |commit, reported: StatusState| events.push(Event::Report { environment, commit, state: reported });
    if newest.is_none() {
        may(head, StatusState::Success);
        if state.may(Chance::Failure) {
            may(head, StatusState::Failure);
        }
    } else if state.may(Chance::Flip) {
        [StatusState::Success, StatusState::Failure]
            .into_iter()
            .filter(|other| Some(*other) != newest)
            .for_each(|s| may(head, s));
    } else if matches!(newest, Some(StatusState::Pending | StatusState::Error)) {
        may(head, StatusState::Success);
    }
    if state.may(Chance::Noise) {
        [StatusState::Pending, StatusState::Error]
            .into_iter()
            .filter(|other| Some(*other) != newest)
            .for_each(|s| may(head, s));
    }
    if state.may(Chance::OldHead) && head > 1 {
        [StatusState::Success, StatusState::Failure].into_iter().for_each(|s| may(head - 1, s));
    }
}

fn of_people(of: &Configuration, state: &State, at: u8, events: &mut Vec<Event>) {
    let (environment, lane) = of.of(at);
    let (branch, place) = (&state.branches[usize::from(environment)], &state.places[usize::from(at)]);
    if branch.commits.is_empty() {
        return;
    }
    let rules = of.rules(environment);
    let mut may = |chance: Chance, can: bool, event: Event| {
        if can && state.may(chance) {
            events.push(event);
        }
    };
    if let Some(proposal) = place.proposal.filter(|_| place.open) {
        let mergeable = branch.fits(lane, proposal);
        may(Chance::ByHand, mergeable, Event::MergeByHand { place: at });
        may(Chance::Close, true, Event::Close { place: at });
        may(Chance::Promote, !rules.auto_merge && place.promoted.is_none(), Event::Promote { place: at });
        if of.fast_forward && proposal.early.is_none() {
            for said in [StatusState::Success, StatusState::Failure] {
                may(Chance::Early, true, Event::Early { place: at, state: said });
            }
        }
        if !rules.proposed_statuses.is_empty() && place.ticket != Some(StatusState::Success) {
            may(Chance::Promote, true, Event::Ticket { place: at, state: StatusState::Success });
            may(Chance::Failure, place.ticket.is_none(), Event::Ticket { place: at, state: StatusState::Failure });
        }
    }
    if place.rollback.is_some() && place.rollback_open {
        let mergeable = place.restoration.is_some_and(|restoration| branch.fits(lane, restoration));
        may(Chance::RollbackByHand, mergeable, Event::MergeRollbackByHand { place: at });
        may(Chance::CloseRollback, true, Event::CloseRollback { place: at });
    }
    let free = place.rollback.is_none() && place.hold.is_none_or(|hold| !hold.strict);
    may(Chance::Hold, free, Event::Hold { place: at, expires: false });
    may(Chance::Expiring, free, Event::Hold { place: at, expires: true });
    let marked = matches!(place.mark, Some((_, Mark::Held(_))));
    let held =
        place.hold.is_some() || place.rollback.is_some() || marked || branch.commits.iter().any(super::truth::blocks);
    may(Chance::Unhold, held, Event::Unhold { place: at });
    if place.rollback.is_none() && branch.commits.len() > 2 && !state.is_lane_drifted(environment, lane) {
        may(Chance::Rollback, true, Event::RollBack { place: at, known_good: true });
        may(Chance::Rollback, true, Event::RollBack { place: at, known_good: false });
    }
}

impl State {
    /// Says whether somebody else's change stands on a branch.
    pub(super) fn is_drifted(&self, of: &Configuration, environment: u8) -> bool {
        (0..of.lane_count()).any(|lane| self.is_lane_drifted(environment, lane))
    }

    /// Says whether somebody else's change stands in what one lane owns.
    pub(super) fn is_lane_drifted(&self, environment: u8, lane: u8) -> bool {
        let branch = &self.branches[usize::from(environment)];
        let running = branch.running(lane).map_or(0, |at| branch.commits[usize::from(at)].contents[usize::from(lane)]);
        branch.commits.last().is_some_and(|head| head.contents[usize::from(lane)] != running)
    }
}

/// An event of a configuration, in words.
pub(super) struct Told<'a>(pub(super) &'a Configuration, pub(super) Event);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(of, event) = self;
        let place = |at: u8| super::names::place(of, at).to_string();
        let name = |environment: u8| of.rules(environment).name.to_string();
        match *event {
            Event::Act => f.write_str("the service acts"),
            Event::GoOn => f.write_str("the service goes on with an earlier plan"),
            Event::Push(which) => write!(f, "a dry commit is pushed: {}", of.pushes[usize::from(which)]),
            Event::Drop => f.write_str("the newest dry commit leaves the line"),
            Event::Report { environment, commit, state } => {
                write!(f, "`health` is reported as {} on commit {commit} of {}", state.word(), name(environment))
            }
            Event::Early { place: at, state } => {
                write!(f, "`health` is reported as {} on the proposal for {}", state.word(), place(at))
            }
            Event::Ticket { place: at, state } => {
                write!(f, "`ticket` is reported as {} on the proposal for {}", state.word(), place(at))
            }
            Event::Foreign { environment, ours: true } => {
                write!(f, "somebody changes what we own in {}", name(environment))
            }
            Event::Foreign { environment, ours: false } => {
                write!(f, "somebody pushes to {} beside what we own", name(environment))
            }
            Event::Restore { environment } => write!(f, "somebody takes the change of {} back", name(environment)),
            Event::MergeByHand { place: at } => write!(f, "a person merges the promotion to {}", place(at)),
            Event::Close { place: at } => write!(f, "a person closes the promotion to {}", place(at)),
            Event::MergeRollbackByHand { place: at } => write!(f, "a person merges the rollback of {}", place(at)),
            Event::CloseRollback { place: at } => write!(f, "a person closes the rollback of {}", place(at)),
            Event::Hold { place: at, expires: false } => write!(f, "a person holds {}", place(at)),
            Event::Hold { place: at, expires: true } => write!(f, "a person holds {} for ten minutes", place(at)),
            Event::Unhold { place: at } => write!(f, "a person takes the hold of {} back", place(at)),
            Event::RollBack { place: at, known_good: true } => write!(f, "a person rolls {} back", place(at)),
            Event::RollBack { place: at, known_good: false } => write!(f, "a person rolls {} one step back", place(at)),
            Event::Promote { place: at } => write!(f, "a person promotes to {}", place(at)),
            Event::Reject { dry } => write!(f, "a person rejects dry-{dry}"),
            Event::TakeBack { dry } => write!(f, "a person takes back that dry-{dry} is rejected"),
            Event::LoseDatabase => f.write_str("the database is lost"),
            Event::Wait(units) => write!(f, "{} minutes pass", units * 10),
        }
    }
}
