//! What must hold of every plan and of everything that is done, by the invariants of the design.

use super::{
    configuration::Configuration,
    happen::lose_the_database,
    look::Look,
    state::{Hold, Kind, Mark, Moment, Place, Rollback, State, Step, bit},
    truth::Truth,
};
use crate::domain::status::StatusState;

/// A failure that is older starts no rollback, in milliseconds.
const TWENTY_MINUTES: Moment = 1_200_000;

/// The time between two rollbacks that start by themselves, in milliseconds.
const HOUR: Moment = 3_600_000;

/// Whether an invariant holds; else which one does not, in words.
pub(super) type Checked = Result<(), String>;

/// Returns the words unless it `holds`.
pub(super) fn check(holds: bool, words: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(words()) }
}

/// Checks what a plan decides, at the moment at which it does.
pub(super) fn check_plan(of: &Configuration, state: &State, look: &Look) -> Checked {
    look.all().try_for_each(|step| check_decision(Truth { of, state }, step))
}

fn check_decision(truth: Truth<'_>, step: Step) -> Checked {
    let of = truth.of;
    let name = |place: u8| super::names::place(of, place).to_string();
    match step {
        Step::Merge { place, dry, .. } => check_promotion(truth, place, dry),
        // 2: A record needs a success on a commit that holds exactly that content, made after it came.
        Step::Record { place, commit } => {
            let (environment, lane) = of.of(place);
            let earned = truth.has_earned(environment, lane, commit);
            check(earned, || format!("2: commit {commit} of {} is recorded as verified and was not", name(place)))
        }
        // 9: Only a failure, or a rollback, takes a record back.
        Step::Revoke { place, commit } => {
            let (environment, lane) = of.of(place);
            let failed = truth.ever_failed(environment, lane, commit) || truth.was_left(environment, lane, commit);
            check(failed, || format!("9: commit {commit} of {} is revoked and nothing failed", name(place)))
        }
        Step::StartRollback { place, rollback, .. } => check_start(truth, place, rollback),
        // 12: The hold of a person ends when it expires, or by a person.
        Step::EndHold { place, hold, .. } => {
            let expired = hold.expires.is_some_and(|at| at <= truth.state.now);
            let ends = expired || (hold.target.is_some() && !hold.strict);
            check(ends, || format!("12: the hold of {} ends by itself", name(place)))
        }
        _ => Ok(()),
    }
}

/// Checks that a rollback may start by itself.
fn check_start(truth: Truth<'_>, place: u8, rollback: Rollback) -> Checked {
    let (of, state) = (truth.of, truth.state);
    let (environment, lane) = of.of(place);
    let name = super::names::place(of, place);
    let (branch, there) = (&state.branches[usize::from(environment)], &state.places[usize::from(place)]);
    // 9: Only a failure starts it, one that somebody could still wait for us to answer.
    check(truth.has_failed(environment, lane), || format!("9: {name} is rolled back and nothing failed"))?;
    let old = truth.failed_at(environment, lane).is_some_and(|at| state.now > at + TWENTY_MINUTES);
    check(!old, || format!("9: {name} is rolled back for an old failure"))?;
    let commit = branch.commits[usize::from(rollback.bad_commit)];
    let promoted = matches!(commit.kind, Kind::Promoted { .. });
    check(promoted, || format!("11: {name} is rolled back by itself from restored content"))?;
    let cancelled = (there.cancelled | there.cancelled_by_closing) & bit(rollback.bad_commit) != 0;
    check(!cancelled, || format!("11: {name} is rolled back by itself again, and a person had taken that back"))?;
    let before = truth.went_back_from(environment, lane);
    let again = before.iter().any(|(_, content)| *content == commit.contents[usize::from(lane)]);
    check(!again, || format!("11: {name} is rolled back by itself from the same content again"))?;
    let paused = before.iter().all(|(at, _)| state.now >= at + HOUR);
    check(paused, || format!("11: {name} is rolled back by itself twice within an hour"))?;
    // 2: It goes to what is verified.
    let good = truth.is_known_good(environment, lane, rollback.to);
    check(good, || format!("2: {name} goes back by itself to what is not verified"))
}

/// Checks that a promotion may be merged.
fn check_promotion(truth: Truth<'_>, place: u8, dry: u8) -> Checked {
    let (of, state) = (truth.of, truth.state);
    let (environment, lane) = of.of(place);
    let name = super::names::place(of, place);
    let branch = &state.branches[usize::from(environment)];
    // 1: Everything that it depends on has verified it at this moment.
    for before in of.before(environment) {
        let verified = truth.has_verified(before, lane, dry);
        let upstream = &of.rules(before).name;
        check(verified, || format!("1: dry-{dry} is merged into {name} and {upstream} has not verified it"))?;
    }
    // 3: Nothing is merged over somebody else's change.
    check(!state.is_lane_drifted(environment, lane), || format!("3: dry-{dry} is merged over drift in {name}"))?;
    // 4: What is blocked or rejected is not merged, and nothing into what is held.
    check(!truth.is_blocked(environment, lane, dry), || format!("4: dry-{dry} is blocked and merged into {name}"))?;
    let refused = truth.is_refused(environment, lane, dry) || truth.is_rejected(environment, lane, dry);
    check(!refused, || format!("4: dry-{dry} was rejected and is merged into {name}"))?;
    // 13: Only a rollback goes back.
    let running = branch.running(lane).and_then(|at| branch.commits[usize::from(at)].brought());
    let newer = running.is_none_or(|(_, running)| truth.position(dry) > truth.position(running));
    check(newer, || format!("13: dry-{dry} is merged into {name}, which runs a newer one"))?;
    // 14: Nothing is promoted that left the line.
    check(state.line.contains(&dry), || format!("14: dry-{dry} left the line and is merged into {name}"))?;
    // What runs is verified or has failed, or its time is over; restored content is not waited for.
    check(truth.is_settled(environment, lane), || {
        format!("2: dry-{dry} is merged into {name}, where nothing is known yet")
    })?;
    let there = &state.places[usize::from(place)];
    let rules = of.rules(environment);
    // A person's wish is for what was proposed when it was made.
    let promoted = there.promoted.zip(there.proposal).is_some_and(|(at, proposal)| at > proposal.since);
    check(rules.auto_merge || promoted, || format!("1: dry-{dry} is merged into {name} and nobody promoted it"))?;
    let ticket = rules.proposed_statuses.is_empty() || there.ticket == Some(StatusState::Success);
    check(ticket, || format!("1: dry-{dry} is merged into {name} without a ticket"))?;
    // A second rollback in a row stops everything until a person has looked.
    check(!truth.went_back_twice(environment, lane), || format!("4: {name} went back twice by itself and goes on"))
}

/// Checks what a step did.
pub(super) fn check_effect(of: &Configuration, before: &State, step: Step, after: &State) -> Checked {
    let place = match step {
        Step::Merge { place, .. } | Step::MergeRollback { place, .. } => place,
        // 12: What we close ourselves is no rejection.
        Step::Close { place } => {
            let closed = |state: &State| state.places[usize::from(place)].closed.len();
            return check(closed(before) == closed(after), || {
                format!("12: our closing in place {place} became a rejection")
            });
        }
        _ => return Ok(()),
    };
    let (environment, lane) = of.of(place);
    let name = super::names::place(of, place);
    let commits = |state: &State| state.branches[usize::from(environment)].commits.clone();
    let (old, new) = (commits(before), commits(after));
    if old == new {
        return Ok(());
    }
    let there = &before.places[usize::from(place)];
    let is_rollback = matches!(step, Step::MergeRollback { .. });
    // 5: What was there stays, and one commit comes on top.
    check(new.split_last().map(|(_, rest)| rest) == Some(&old), || format!("5: the branch of {name} was rewritten"))?;
    // 3, 7: The result is what was composed on the head that the merge names.
    let merged = if is_rollback { there.restoration } else { there.proposal };
    let merged = merged.filter(|merged| before.branches[usize::from(environment)].fits(lane, *merged));
    let mut result = old.last().map_or([0; 2], |head| head.contents);
    result[usize::from(lane)] = merged.map_or(u8::MAX, |merged| merged.content);
    let composed = new.last().map(|commit| commit.contents) == Some(result);
    check(composed, || format!("3, 7: a merge into {name} was composed on another head"))?;
    if is_rollback { check_rollback(there, &name.to_string()) } else { check_held(before, there, &name.to_string()) }
}

/// 4: Nothing is merged into what is held or goes back at this moment.
fn check_held(state: &State, place: &Place, name: &str) -> Checked {
    let of_person = |hold: Hold| hold.target.is_none() && hold.expires.is_none_or(|at| at > state.now);
    let held = place.hold.is_some_and(|hold| hold.stops(state.now) || of_person(hold));
    check(!held, || format!("4: a promotion is merged into {name}, which is held"))?;
    check(place.rollback.is_none(), || format!("4: a promotion is merged into {name}, which goes back"))
}

/// 6: Hold and block stand on the forge, and no promotion looks ready, before a rollback is merged.
fn check_rollback(place: &Place, name: &str) -> Checked {
    let mark = place.mark.map(|(_, mark)| mark);
    let held = place.hold.is_some_and(|hold| matches!(mark, Some(Mark::Held(marked)) if said(marked) == said(hold)));
    check(held, || format!("6: {name} is rolled back and its hold is not on the forge"))?;
    let ready = place.open && place.own == Some(true);
    check(!ready, || format!("6: {name} is rolled back and a promotion looks ready"))
}

/// Returns what the forge says of a hold: its end in whole seconds.
fn said(hold: Hold) -> (bool, Option<u8>, Option<u8>, Option<Moment>) {
    (hold.strict, hold.through, hold.target, hold.expires.map(|at| at.div_ceil(1_000)))
}

/// 12: If the database were lost now, no hold, block or rollback would be.
pub(super) fn check_loss(of: &Configuration, state: &State, look: &Look) -> Checked {
    let mut lost = state.clone();
    lose_the_database(of, &mut lost, &look.snapshot);
    for (at, (was, is)) in of.places().zip(state.places.iter().zip(&lost.places)) {
        let name = super::names::place(of, at);
        let (environment, lane) = of.of(at);
        let taken_back = |r: &Rollback| (was.cancelled | was.cancelled_by_closing) & bit(r.bad_commit) != 0;
        let stops = |place: &Place| place.hold.is_some_and(|hold| hold.stops(state.now));
        if let Some(rollback) = was.rollback.filter(taken_back) {
            // Its hold goes with it, and that of a person stays.
            let stayed = !was.before.is_some_and(|hold| hold.stops(state.now)) || stops(is);
            check(stayed, || format!("12: the hold of a person of {name} is lost with {rollback:?}"))?;
            continue;
        }
        check(was.hold.map(said) == is.hold.map(said), || format!("12: the hold of {name} is lost with the database"))?;
        let running = state.branches[usize::from(environment)].running(lane);
        let under_way = was.rollback.filter(|rollback| running == Some(rollback.bad_commit));
        let what = |rollback: Option<Rollback>| rollback.map(|r| (r.dry, r.bad, r.bad_commit));
        let same = what(under_way) == what(is.rollback) || state.is_lane_drifted(environment, lane);
        check(same, || format!("12: the rollback of {name} is lost with the database, or made up"))?;
    }
    Ok(())
}
