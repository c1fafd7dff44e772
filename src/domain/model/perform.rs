//! How an action changes the world: the way the adapters do it, refusing what has moved.

use super::{
    configuration::Configuration,
    state::{Commit, Hold, Kind, Mark, Place, Proposal, Record, Report, Rollback, State, Step, bit},
    steps::holds,
};

/// For how long a refused merge is not tried again, in milliseconds.
const REFUSED_FOR: u32 = 5_000;

/// Whether an action was performed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Performed {
    Done,
    /// The world is not as the plan saw it: the service looks again.
    Moved,
}

/// Performs one action.
pub(super) fn perform(of: &Configuration, state: &mut State, step: Step) -> Performed {
    state.now += 1;
    let now = state.now;
    let guards = of.guards;
    match step {
        Step::CreateBranch { environment } => {
            let branch = &mut state.branches[usize::from(environment)];
            if !branch.commits.is_empty() {
                return Performed::Moved;
            }
            branch.commits.push(Commit { kind: Kind::First, contents: [0; 2], at: now, record: Record::None });
        }
        Step::Hydrate { environment, dry } => {
            for lane in 0..of.lane_count() {
                state.places[usize::from(of.place(environment, lane))].hydrated |= bit(dry);
            }
        }
        Step::Propose { place, dry, content, parent, over } => {
            let place = state.at(place);
            // Only the proposed branch is compared: on another head it is made again.
            if place.proposal.map(|p| p.id) != over {
                return Performed::Moved;
            }
            place.proposals += 1;
            place.proposal = Some(Proposal { id: place.proposals, parent, dry, content, since: now, early: None });
            (place.own, place.ticket) = (None, None);
            place.promoted = place.promoted.filter(|_| !guards.promotes_one_head);
            place.refused = place.refused.filter(|(rollback, _)| *rollback);
        }
        Step::Open { place, parent } => {
            if !state.branches[usize::from(of.of(place).0)].is_at(parent) {
                return Performed::Moved;
            }
            state.at(place).open = true;
        }
        Step::Close { place: at } => {
            let place = state.at(at);
            if !place.open {
                return Performed::Moved;
            }
            if !guards.knows_own_closing {
                super::happen::close(state, at);
            }
            state.at(at).open = false;
        }
        Step::Report { place, id, ready } => {
            let place = state.at(place);
            if place.proposal.is_some_and(|proposal| proposal.id == id) {
                place.own = Some(ready);
            }
        }
        Step::Record { place, commit } => state.record(of, place, commit, Record::Verified),
        Step::Revoke { place, commit } => state.record(of, place, commit, Record::Revoked),
        Step::Merge { place, id, parent, held, .. } => {
            let moved = guards.merges_on_its_head && !state.branches[usize::from(of.of(place).0)].is_at(parent);
            if moved || (guards.merges_as_held && holds(state) != held) {
                return Performed::Moved;
            }
            let there = state.at(place);
            let Some(proposal) = there.proposal.filter(|proposal| proposal.id == id) else { return Performed::Moved };
            if !there.open {
                there.refused = Some((false, now + REFUSED_FOR));
                return Performed::Done;
            }
            bring(of, state, place, proposal, false);
        }
        Step::PostHold { place, commit, mark } => {
            let place = state.at(place);
            let as_seen = match mark {
                Mark::Held(hold) => place.hold == Some(hold),
                Mark::Ended | Mark::Released => place.hold.is_none(),
            };
            if !as_seen {
                return Performed::Moved;
            }
            place.mark = Some((commit, mark));
        }
        Step::EndHold { place, commit, hold } => {
            let place = state.at(place);
            if place.hold != Some(hold) {
                return Performed::Moved;
            }
            (place.hold, place.mark) = (None, Some((commit, Mark::Ended)));
        }
        Step::StartRollback { place, commit, rollback, hold, seen } => {
            let place = state.at(place);
            if place.rollback.is_some() || place.hold != seen {
                return Performed::Moved;
            }
            start_rollback(place, commit, rollback, hold, guards.marks_holds);
        }
        Step::ProposeRollback { place, rollback, parent, over } => {
            let (environment, lane) = of.of(place);
            let commit = state.branches[usize::from(environment)].commits[usize::from(rollback.to)];
            let place = state.at(place);
            if place.restoration.map(|p| p.id) != over {
                return Performed::Moved;
            }
            place.proposals += 1;
            let (content, dry) = (commit.contents[usize::from(lane)], rollback.dry);
            place.restoration = Some(Proposal { id: place.proposals, parent, dry, content, since: now, early: None });
            place.refused = place.refused.filter(|(rollback, _)| !*rollback);
        }
        Step::OpenRollback { place, parent } => {
            if !state.branches[usize::from(of.of(place).0)].is_at(parent) {
                return Performed::Moved;
            }
            state.at(place).rollback_open = true;
        }
        Step::MergeRollback { place, rollback, id, parent, held } => {
            let moved = guards.merges_on_its_head && !state.branches[usize::from(of.of(place).0)].is_at(parent);
            if moved || (guards.merges_as_held && holds(state) != held) {
                return Performed::Moved;
            }
            let there = state.at(place);
            let Some(restoration) = there.restoration.filter(|p| p.id == id) else { return Performed::Moved };
            if !there.rollback_open {
                there.refused = Some((true, now + REFUSED_FOR));
                return Performed::Done;
            }
            bring_back(of, state, place, rollback, restoration);
        }
        Step::FinishRollback { place: at, commit, rollback } => {
            let place = state.at(at);
            // A person took it back while it was merged.
            let taken_back = place.cancelled & bit(rollback.bad_commit) != 0;
            place.cancelled &= !bit(rollback.bad_commit);
            (place.rollback, place.before) = (None, None);
            if taken_back {
                (place.hold, place.mark) = (None, Some((commit, Mark::Released)));
                release(of, state, at, Some(commit));
            }
        }
        Step::CancelRollback { place: at, commit, rollback, open } => {
            let (environment, lane) = of.of(at);
            let branch = &state.branches[usize::from(environment)];
            let merged =
                branch.running(lane).is_some_and(|running| brought(branch.commits[usize::from(running)], rollback));
            let place = state.at(at);
            if open && merged {
                return Performed::Moved;
            }
            place.mark = Some((commit, place.before.map_or(Mark::Ended, Mark::Held)));
            if guards.remembers_cancelling {
                place.cancelled |= bit(rollback.bad_commit);
            }
            place.rollback_open = false;
            (place.hold, place.rollback) = (place.before.take(), None);
        }
    }
    Performed::Done
}

fn brought(commit: Commit, rollback: Rollback) -> bool {
    matches!(commit.kind, Kind::Restored { from, to, .. } if from == rollback.bad && to == rollback.to)
}

/// Writes a rollback down with its hold, and puts the hold on the forge.
pub(super) fn start_rollback(place: &mut Place, commit: u8, rollback: Rollback, hold: Hold, marks: bool) {
    place.before = place.hold.take().filter(|hold| hold.target.is_none());
    place.cancelled &= !bit(rollback.bad_commit);
    place.cancelled_by_closing &= !bit(rollback.bad_commit);
    (place.hold, place.rollback) = (Some(hold), Some(rollback));
    if marks {
        place.mark = Some((commit, Mark::Held(hold)));
    }
}

/// Takes back what rollbacks of a place block: of all of them, or of what one commit restored.
pub(super) fn release(of: &Configuration, state: &mut State, place: u8, only: Option<u8>) {
    let (environment, at) = of.of(place);
    for (index, commit) in state.branches[usize::from(environment)].commits.iter_mut().enumerate() {
        if let Kind::Restored { lane, released, .. } = &mut commit.kind {
            *released |= *lane == at && only.is_none_or(|only| usize::from(only) == index);
        }
    }
}

/// Brings what is proposed onto the branch, the way the forge merges.
pub(super) fn bring(of: &Configuration, state: &mut State, place: u8, proposal: Proposal, by_hand: bool) {
    let (_, lane) = of.of(place);
    state.at(place).open = false;
    arrive(of, state, place, proposal, Kind::Promoted { lane, dry: proposal.dry, by_hand });
}

/// Brings a rollback onto the branch.
pub(super) fn bring_back(of: &Configuration, state: &mut State, place: u8, rollback: Rollback, restoration: Proposal) {
    let (_, lane) = of.of(place);
    state.at(place).rollback_open = false;
    let Rollback { dry, bad: from, to, automatic, .. } = rollback;
    arrive(of, state, place, restoration, Kind::Restored { lane, dry, from, to, automatic, released: false });
}

fn arrive(of: &Configuration, state: &mut State, place: u8, proposal: Proposal, kind: Kind) {
    let (environment, lane) = of.of(place);
    let now = state.now;
    let branch = &mut state.branches[usize::from(environment)];
    let mut contents = branch.commits.last().expect("because a branch has a first commit").contents;
    contents[usize::from(lane)] = proposal.content;
    branch.commits.push(Commit { kind, contents, at: now, record: Record::None });
    if let Some((said, at)) = proposal.early.filter(|_| of.fast_forward) {
        let commit = branch.head().expect("because it has commits");
        branch.reports.push(Report { commit, state: said, at });
    }
}

impl State {
    /// Returns a place, to be changed.
    pub(super) fn at(&mut self, place: u8) -> &mut Place {
        &mut self.places[usize::from(place)]
    }

    fn record(&mut self, of: &Configuration, place: u8, commit: u8, record: Record) {
        self.branches[usize::from(of.of(place).0)].commits[usize::from(commit)].record = record;
    }
}
