//! What people, checks and time do to a state.

use super::{
    configuration::{Chance, Configuration},
    event::Event,
    names::{self, rollback_of},
    observe,
    perform::{bring, bring_back, release, start_rollback},
    state::{Closed, Commit, Hold, Kind, Mark, Moment, Record, Report, Rollback, State, UNIT, bit, number},
};
use crate::domain::{
    ids::DrySha,
    ledger::Ledger,
    rollback::{self, Trigger},
    snapshot::Snapshot,
    status::StatusState,
};

/// How long an expiring hold lasts.
const HELD_FOR: Moment = 600_000;

/// The version of a foreign change.
const FOREIGN: u8 = 15;

/// Lets an event happen that is not the service's; `seen` is what the service sees before it.
pub(super) fn happen(of: &Configuration, state: &mut State, seen: &Snapshot, event: Event) {
    state.now += 1;
    match event {
        Event::Act | Event::GoOn => unreachable!("the service acts by its plan"),
        Event::Push(which) => {
            state.spend(Chance::Push);
            of.push(state, of.pushes[usize::from(which)]);
        }
        Event::Drop => drop_newest(state),
        Event::Report { environment, commit, state: said } => report(state, environment, commit, said),
        Event::Early { place, state: said } => {
            state.spend(Chance::Early);
            let now = state.now;
            if let Some(proposal) = &mut state.at(place).proposal {
                proposal.early = Some((said, now));
            }
        }
        Event::Ticket { place, state: said } => {
            state.spend(if said == StatusState::Success { Chance::Promote } else { Chance::Failure });
            state.at(place).ticket = Some(said);
        }
        Event::Foreign { environment, ours } => {
            state.spend(if ours { Chance::Drift } else { Chance::Foreign });
            push_foreign(state, environment, |contents, _| contents[0] = if ours { FOREIGN } else { contents[0] });
        }
        Event::Restore { environment } => push_foreign(state, environment, |contents, running| *contents = running),
        Event::MergeByHand { place } => {
            state.spend(Chance::ByHand);
            let proposal = state.at(place).proposal.expect("because it is open");
            bring(of, state, place, proposal, true);
        }
        Event::Close { place } => {
            state.spend(Chance::Close);
            close(state, place);
        }
        Event::MergeRollbackByHand { place } => {
            state.spend(Chance::RollbackByHand);
            let there = state.at(place);
            let (rollback, restoration) = there.rollback.zip(there.restoration).expect("because it is open");
            bring_back(of, state, place, rollback, restoration);
        }
        Event::CloseRollback { place } => {
            state.spend(Chance::CloseRollback);
            let place = state.at(place);
            place.rollback_open = false;
            place.cancelled_by_closing |= bit(place.rollback.expect("because it is open").bad_commit);
        }
        Event::Hold { place, expires } => {
            state.spend(if expires { Chance::Expiring } else { Chance::Hold });
            hold(of, state, seen, place, expires);
        }
        Event::Unhold { place } => {
            state.spend(Chance::Unhold);
            unhold(of, state, place);
        }
        Event::RollBack { place, known_good } => {
            state.spend(Chance::Rollback);
            roll_back(of, state, seen, place, known_good);
        }
        Event::Promote { place } => {
            state.spend(Chance::Promote);
            let now = state.now;
            state.at(place).promoted = Some(now);
        }
        Event::Reject { dry } => {
            state.spend(Chance::Reject);
            state.dries[usize::from(dry)].rejected = Some(state.now);
        }
        Event::TakeBack { dry } => {
            state.spend(Chance::TakeBack);
            state.dries[usize::from(dry)].rejected = None;
        }
        Event::LoseDatabase => {
            state.spend(Chance::Loss);
            lose_the_database(of, state, seen);
        }
        Event::Wait(units) => {
            state.spend(Chance::Wait);
            state.now += units * UNIT;
        }
    }
}

fn drop_newest(state: &mut State) {
    state.spend(Chance::Drop);
    let gone = state.line.pop().expect("because one more is there");
    let shared = state.line.last().copied();
    for (id, dry) in state.dries.iter_mut().enumerate() {
        if number(id) == gone || dry.shared == Some(gone) {
            dry.shared = shared;
        }
    }
}

fn report(state: &mut State, environment: u8, commit: u8, said: StatusState) {
    let now = state.now;
    let branch = &state.branches[usize::from(environment)];
    let is_first = !branch.reports.iter().any(|report| report.commit == commit);
    let is_head = branch.is_at(commit);
    let chance = match said {
        _ if !is_head => Some(Chance::OldHead),
        StatusState::Pending | StatusState::Error => Some(Chance::Noise),
        StatusState::Failure if is_first => Some(Chance::Failure),
        _ if !is_first && state.may(Chance::Flip) => Some(Chance::Flip),
        _ => None,
    };
    if let Some(chance) = chance {
        state.spend(chance);
    }
    state.branches[usize::from(environment)].reports.push(Report { commit, state: said, at: now });
}

fn push_foreign(state: &mut State, environment: u8, change: impl Fn(&mut [u8; 2], [u8; 2])) {
    let now = state.now;
    let branch = &mut state.branches[usize::from(environment)];
    let mut contents = branch.commits.last().expect("because a branch has a first commit").contents;
    let running = [0, 1]
        .map(|lane| branch.running(lane).map_or(0, |at| branch.commits[usize::from(at)].contents[usize::from(lane)]));
    change(&mut contents, running);
    branch.commits.push(Commit { kind: Kind::Foreign, contents, at: now, record: Record::None });
}

/// Somebody closes the open pull request of a promotion.
pub(super) fn close(state: &mut State, place: u8) {
    let at = state.now;
    let place = state.at(place);
    place.open = false;
    if let Some(proposal) = place.proposal {
        place.closed.retain(|closed| closed.dry != proposal.dry);
        let (dry, content, parent) = (proposal.dry, proposal.content, proposal.parent);
        place.closed.push(Closed { dry, content, at, parent });
        place.closed.sort_by_key(|closed| closed.dry);
    }
}

fn hold(of: &Configuration, state: &mut State, seen: &Snapshot, place: u8, expires: bool) {
    let (environment, _) = of.of(place);
    let ledger = Ledger::new(&of.strategy, seen);
    let taken = ledger.taken(of.rules(environment), &names::place(of, place));
    let commit = state.branches[usize::from(environment)].head().expect("because it exists");
    let at = state.now;
    let hold = Hold {
        strict: of.guards.persons_hold_strictly,
        automatic: false,
        at,
        expires: expires.then_some(at + HELD_FOR),
        through: taken.map(|taken| names::id(taken.dry.as_str())),
        target: None,
    };
    let place = state.at(place);
    (place.hold, place.mark) = (Some(hold), Some((commit, Mark::Held(hold))));
}

fn unhold(of: &Configuration, state: &mut State, place: u8) {
    let (environment, _) = of.of(place);
    let commit = state.branches[usize::from(environment)].head().expect("because it exists");
    let there = state.at(place);
    // What a rollback was started under holds on.
    there.mark = Some((commit, there.before.map_or(Mark::Released, Mark::Held)));
    match there.rollback {
        // The next look closes its pull request, and its hold goes with it.
        Some(rollback) => there.cancelled |= bit(rollback.bad_commit),
        None => there.hold = None,
    }
    release(of, state, place, None);
}

fn roll_back(of: &Configuration, state: &mut State, seen: &Snapshot, place: u8, known_good: bool) {
    let (environment, _) = of.of(place);
    let (rules, name) = (of.rules(environment), names::place(of, place));
    let observed = &seen.places[&name];
    let choices = rollback::choices(&Ledger::new(&of.strategy, seen), rules, &name, observed);
    let choice = choices.into_iter().find(|choice| choice.known_good || !known_good);
    let (Some(choice), Some(running)) = (choice, observed.running()) else { return };
    let rollback = rollback::Rollback {
        target: choice.target,
        bad: running.dry.clone(),
        bad_commit: running.brought_by().expect("a commit").clone(),
        roots: Default::default(),
        trigger: Trigger::Person,
        by: "ada".into(),
        reason: "a reason".into(),
        at: names::time(state.now),
    };
    let start = rollback::start(rollback, observed);
    let commit = state.branches[usize::from(environment)].head().expect("because it exists");
    let (rollback, hold): (Rollback, Hold) = (rollback_of(&start.rollback), names::hold_of(&start.hold));
    start_rollback(state.at(place), commit, rollback, hold, of.guards.marks_holds);
}

/// The database is lost, and read back from the forge and git.
pub(super) fn lose_the_database(of: &Configuration, state: &mut State, seen: &Snapshot) {
    state.late.clear();
    for at in of.places() {
        let observed = &seen.places[&names::place(of, at)];
        let known: Vec<&DrySha> = observed.branch().into_iter().flat_map(|b| &b.runs).map(|run| &run.dry).collect();
        let place = &mut state.places[usize::from(at)];
        let hold = place.mark.and_then(|(_, mark)| {
            let reported = if let Mark::Held(hold) = mark { hold.at } else { 0 };
            observe::read_back(mark, reported, seen, &known)
        });
        let rollback = hold.as_ref().and_then(|hold| rollback::under_way(hold, observed, &seen.line));
        let before = hold.as_ref().filter(|_| rollback.is_some()).and_then(rollback::held_before);
        place.before = before.as_ref().map(names::hold_of);
        place.hold = hold.as_ref().map(names::hold_of);
        place.rollback = rollback.as_ref().map(rollback_of);
        place.cancelled |= place.cancelled_by_closing;
        place.cancelled_by_closing = 0;
        (place.promoted, place.refused) = (None, None);
        if of.hydrates {
            place.hydrated = 0;
        }
    }
}
