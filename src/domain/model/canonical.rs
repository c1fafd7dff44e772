//! What makes two states the same: everything that the rules can tell apart, and nothing else.
//!
//! Of times, that is which of two things on one branch came first, which of a branch's commits came after a
//! rollback or a rejection, and how many jumps of time lie behind what still waits for one.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::{
    configuration::Configuration,
    state::{Branch, Hold, Kind, Mark, Moment, Place, Proposal, Rollback, State, UNIT, number},
};
use crate::domain::{status::StatusState, strategy::Newer};

/// The most jumps of time that anything waits for: an hour and a soak.
const LONGEST: Moment = 7;

/// Returns a number that is the same for states that are.
pub(super) fn fingerprint(of: &Configuration, state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    let view = View { of, state };
    (&state.line, &state.left, &state.late).hash(&mut hasher);
    for dry in &state.dries {
        (&dry.contents, dry.shared, dry.rejected.map(|at| view.orders(at))).hash(&mut hasher);
    }
    for environment in 0..of.environments() {
        view.hash_branch(environment, &mut hasher);
    }
    for at in of.places() {
        view.hash_place(at, &mut hasher);
    }
    hasher.finish()
}

struct View<'a> {
    of: &'a Configuration,
    state: &'a State,
}

impl View<'_> {
    /// Returns how many jumps of time lie behind `at`.
    fn age(&self, at: Moment) -> Moment {
        (self.state.now.saturating_sub(at) / UNIT).min(LONGEST)
    }

    /// Returns how many commits of each branch came until `at`.
    fn orders(&self, at: Moment) -> Vec<u8> {
        self.state.branches.iter().map(|branch| until(branch, at)).collect()
    }

    fn hash_branch(&self, environment: u8, hasher: &mut DefaultHasher) {
        let branch = &self.state.branches[usize::from(environment)];
        let soaks = !self.of.rules(environment).soak.is_zero();
        let running: Vec<_> = (0..self.of.lane_count()).map(|lane| branch.running(lane)).collect();
        for (index, commit) in branch.commits.iter().enumerate() {
            (commit.kind, commit.contents, commit.record).hash(hasher);
            let is_back = matches!(commit.kind, Kind::Restored { .. });
            if soaks || is_back || running.contains(&Some(number(index))) {
                self.age(commit.at).hash(hasher);
            }
            if is_back {
                self.orders(commit.at).hash(hasher);
            }
        }
        let oldest = running.iter().flatten().min().copied().unwrap_or_default();
        for report in &branch.reports {
            (report.commit, report.state, until(branch, report.at)).hash(hasher);
            if soaks || (report.state == StatusState::Failure && report.commit >= oldest) {
                self.age(report.at).hash(hasher);
            }
        }
        branch.reports.len().hash(hasher);
    }

    fn hash_place(&self, at: u8, hasher: &mut DefaultHasher) {
        let place: &Place = &self.state.places[usize::from(at)];
        let (environment, _) = self.of.of(at);
        let branch = &self.state.branches[usize::from(environment)];
        // A promoted or finishing proposal has a deadline.
        let waits = self.of.rules(environment).newer == Newer::Finish || place.promoted.is_some();
        let proposal = |proposal: Option<Proposal>| {
            proposal.map(|p| {
                // Only a plan that was made earlier can tell one proposal from another with the same words.
                let id = (!self.state.late.is_empty()).then_some(p.id);
                (id, p.parent, p.dry, p.content, waits.then(|| self.age(p.since)), p.early.map(|(said, _)| said))
            })
        };
        (
            place.hydrated,
            proposal(place.proposal),
            place.open,
            place.own,
            place.ticket,
            place.promoted.map(|at| self.age(at)),
        )
            .hash(hasher);
        place.refused.map(|(rollback, until)| (rollback, until > self.state.now)).hash(hasher);
        for closed in &place.closed {
            (closed.dry, closed.content, closed.parent, until(branch, closed.at)).hash(hasher);
        }
        place.closed.len().hash(hasher);
        (self.hold(place.hold), self.hold(place.before)).hash(hasher);
        place
            .mark
            .map(|(commit, mark)| {
                let said = if let Mark::Held(hold) = mark { Some(hold) } else { None };
                (commit, mark == Mark::Released, self.hold(said))
            })
            .hash(hasher);
        let rollback = |r: Rollback| (r.dry, r.to, r.bad, r.bad_commit, r.automatic, self.orders(r.at));
        place.rollback.map(rollback).hash(hasher);
        (proposal(place.restoration), place.rollback_open, place.cancelled, place.cancelled_by_closing).hash(hasher);
    }

    fn hold(&self, hold: Option<Hold>) -> impl Hash + use<> {
        hold.map(|h| {
            let expires = h.expires.map(|at| at <= self.state.now);
            // A rollback is dated by its hold once the database was lost.
            (h.strict, h.automatic, expires, h.through, h.target, h.target.map(|_| self.orders(h.at)))
        })
    }
}

/// Returns how many commits of a branch came until `at`.
fn until(branch: &Branch, at: Moment) -> u8 {
    number(branch.commits.iter().filter(|commit| commit.at <= at).count())
}
