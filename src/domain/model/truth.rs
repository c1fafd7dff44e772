//! What is so, read off the branches and what was reported on their commits: a second, small reading of
//! the design that asks neither the ledger nor our records.

use super::{
    configuration::Configuration,
    names::length,
    state::{Branch, Commit, Held, Kind, Moment, State, bit, number},
};
use crate::domain::status::StatusState;

/// Answers questions about one state.
#[derive(Clone, Copy)]
pub(super) struct Truth<'a> {
    pub(super) of: &'a Configuration,
    pub(super) state: &'a State,
}

/// Says whether a commit restored content and still blocks what it left.
pub(super) fn blocks(commit: &Commit) -> bool {
    matches!(commit.kind, Kind::Restored { released: false, .. })
}

impl Truth<'_> {
    /// Returns where a dry commit counts on the line: what left it counts as just after what it shares.
    pub(super) fn position(self, dry: u8) -> usize {
        let on_line = |dry: u8| self.state.line.iter().position(|other| *other == dry);
        match on_line(dry) {
            Some(at) => 2 * at + 2,
            None => self.state.dries[usize::from(dry)].shared.and_then(on_line).map_or(0, |at| 2 * at + 3),
        }
    }

    /// Returns the branch of an environment.
    pub(super) fn branch(&self, environment: u8) -> &Branch {
        &self.state.branches[usize::from(environment)]
    }

    /// Returns a commit of it.
    pub(super) fn commit(&self, environment: u8, commit: u8) -> &Commit {
        &self.branch(environment).commits[usize::from(commit)]
    }

    /// Returns the commits that brought something to a lane, oldest first.
    pub(super) fn brought(&self, environment: u8, lane: u8) -> impl DoubleEndedIterator<Item = u8> {
        let commits = self.branch(environment).commits.iter().enumerate();
        commits.filter(move |(_, commit)| commit.brings_to(lane)).map(|(index, _)| number(index))
    }

    /// Returns what a commit holds in a lane.
    pub(super) fn content(&self, environment: u8, lane: u8, commit: u8) -> Held {
        self.commit(environment, commit).contents[usize::from(lane)]
    }

    fn next(&self, environment: u8, lane: u8, brought: u8) -> Option<u8> {
        self.brought(environment, lane).find(|later| *later > brought)
    }

    /// Returns when other content took the place of what a commit brought, and was not taken back.
    fn end(&self, environment: u8, lane: u8, brought: u8) -> Moment {
        let next = self.next(environment, lane, brought);
        let until = next.map_or(self.branch(environment).commits.len(), usize::from);
        let content = self.content(environment, lane, brought);
        let holds = |at: &usize| self.content(environment, lane, number(*at)) == content;
        let last = (usize::from(brought)..until).rev().find(holds).expect("because the first one does");
        self.branch(environment).commits.get(last + 1).map_or(Moment::MAX, |commit| commit.at)
    }

    /// Returns what was reported on the commits that hold what `brought` brought, after they came, oldest first.
    fn reports(&self, environment: u8, lane: u8, brought: u8) -> impl Iterator<Item = (Moment, StatusState)> {
        let until = self.next(environment, lane, brought).unwrap_or(u8::MAX);
        let content = self.content(environment, lane, brought);
        self.branch(environment).reports.iter().filter_map(move |report| {
            let holds = (brought..until).contains(&report.commit)
                && self.content(environment, lane, report.commit) == content
                && report.at > self.commit(environment, report.commit).at;
            holds.then_some((report.at, report.state))
        })
    }

    /// Says whether what a commit brought was reported healthy when it had soaked, while it ran, and has
    /// not failed since.
    pub(super) fn has_earned(&self, environment: u8, lane: u8, brought: u8) -> bool {
        let since = self.commit(environment, brought).at;
        let soaked = since + length(self.of.rules(environment).soak);
        let end = self.end(environment, lane, brought);
        let (mut healthy, mut earned) = (false, false);
        for (at, said) in self.reports(environment, lane, brought) {
            earned |= healthy && soaked <= at && soaked < end;
            match said {
                StatusState::Failure => (healthy, earned) = (false, false),
                // What did not run any more earns nothing, and an unfinished check takes nothing back.
                _ if at >= end => {}
                _ => healthy = said == StatusState::Success,
            }
        }
        earned || (healthy && soaked <= self.state.now && soaked < end)
    }

    /// Says whether a failure was ever reported on what a commit brought, or on the same content later.
    pub(super) fn ever_failed(&self, environment: u8, lane: u8, brought: u8) -> bool {
        let content = self.content(environment, lane, brought);
        let same = |later: &u8| *later >= brought && self.content(environment, lane, *later) == content;
        self.brought(environment, lane).filter(same).any(|at| self.failed_on(environment, lane, at))
    }

    fn failed_on(&self, environment: u8, lane: u8, brought: u8) -> bool {
        self.reports(environment, lane, brought).any(|(_, said)| said == StatusState::Failure)
    }

    /// Says whether a rollback left what a commit brought.
    pub(super) fn was_left(&self, environment: u8, lane: u8, brought: u8) -> bool {
        let next = self.next(environment, lane, brought);
        next.is_some_and(|next| matches!(self.commit(environment, next).kind, Kind::Restored { .. }))
    }

    /// Says whether what a commit brought is proved: earned, not failed where the same content came again,
    /// and not left by a rollback.
    pub(super) fn is_proved(&self, environment: u8, lane: u8, brought: u8) -> bool {
        let content = self.content(environment, lane, brought);
        if content == 0 {
            return true;
        }
        let again = |later: &u8| *later > brought && self.content(environment, lane, *later) == content;
        let failed_again =
            self.brought(environment, lane).filter(again).any(|at| self.failed_on(environment, lane, at));
        self.has_earned(environment, lane, brought) && !failed_again && !self.was_left(environment, lane, brought)
    }

    /// Says whether content that a rollback restored goes on with what it had proved before.
    fn stands(&self, environment: u8, lane: u8, brought: u8) -> bool {
        let Kind::Restored { to, .. } = self.commit(environment, brought).kind else { return false };
        // The target may be a later commit that held what was brought before.
        let target = self.brought(environment, lane).rev().find(|earlier| *earlier <= to);
        !self.was_left(environment, lane, brought)
            && !self.ever_failed(environment, lane, brought)
            && target.is_some_and(|t| self.is_proved(environment, lane, t) || self.stands(environment, lane, t))
    }

    /// Says whether an environment has verified a dry commit for a lane.
    pub(super) fn has_verified(&self, environment: u8, lane: u8, dry: u8) -> bool {
        if self.is_kept_out(environment, lane, dry) {
            return false;
        }
        let ran = |at: &u8| self.commit(environment, *at).brought() == Some((lane, dry));
        if let Some(at) = self.brought(environment, lane).rev().find(ran) {
            return self.is_proved(environment, lane, at) || self.stands(environment, lane, at);
        }
        let place = usize::from(self.of.place(environment, lane));
        let known = self.state.places[place].hydrated & bit(dry) != 0;
        let Some(content) = self.state.dries[usize::from(dry)].contents[place].filter(|_| known) else { return false };
        let position = self.position(dry);
        let dry_of =
            |at: u8| self.commit(environment, at).brought().map(|(_, dry)| dry).expect("because it brought it");
        let on = self.brought(environment, lane).rev().find(|at| self.position(dry_of(*at)) < position);
        let holds = match on {
            Some(at) => self.content(environment, lane, at) == content && self.is_proved(environment, lane, at),
            None => content == 0,
        };
        holds && self.state.line.contains(&dry) && self.is_verified_before(environment, lane, dry)
    }

    /// Says whether everything that an environment depends on has verified a dry commit.
    pub(super) fn is_verified_before(&self, environment: u8, lane: u8, dry: u8) -> bool {
        self.of.before(environment).all(|before| self.has_verified(before, lane, dry))
    }

    /// Says whether the newest verdict on what runs is a failure.
    pub(super) fn has_failed(&self, environment: u8, lane: u8) -> bool {
        let Some(running) = self.branch(environment).running(lane) else { return false };
        let says = |said: &StatusState| matches!(said, StatusState::Success | StatusState::Failure);
        let newest = self.reports(environment, lane, running).map(|(_, said)| said).filter(says).last();
        newest == Some(StatusState::Failure)
    }

    /// Says whether two rollbacks in a row that started by themselves, with nothing verified between, still stop a
    /// place: nobody has taken the second one's hold back.
    pub(super) fn went_back_twice(&self, environment: u8, lane: u8) -> bool {
        let automatic = |at: &u8| matches!(self.commit(environment, *at).kind, Kind::Restored { automatic: true, .. });
        let mut back = self.brought(environment, lane).rev().filter(automatic);
        let (Some(second), Some(first)) = (back.next(), back.next()) else { return false };
        let proved = |at: u8| {
            matches!(self.commit(environment, at).kind, Kind::Promoted { .. }) && self.has_earned(environment, lane, at)
        };
        let between = self.brought(environment, lane).filter(|at| *at > first && *at < second).any(proved);
        !between && blocks(self.commit(environment, second))
    }

    /// Returns when the newest failure of what runs was reported.
    pub(super) fn failed_at(&self, environment: u8, lane: u8) -> Option<Moment> {
        let running = self.branch(environment).running(lane)?;
        let failed = self.reports(environment, lane, running).filter(|(_, said)| *said == StatusState::Failure);
        failed.map(|(at, _)| at).last()
    }

    /// Returns when rollbacks that started by themselves came, and which content each left.
    pub(super) fn went_back_from(&self, environment: u8, lane: u8) -> Vec<(Moment, Held)> {
        let brought: Vec<u8> = self.brought(environment, lane).collect();
        let automatic = |pair: &[u8]| {
            let commit = self.commit(environment, pair[1]);
            let is_it = matches!(commit.kind, Kind::Restored { automatic: true, .. });
            is_it.then(|| (commit.at, self.content(environment, lane, pair[0])))
        };
        brought.windows(2).filter_map(automatic).collect()
    }

    /// Says whether what the commit `at` holds is proved, by itself or before it was restored.
    pub(super) fn is_known_good(&self, environment: u8, lane: u8, at: u8) -> bool {
        let brought = self.brought(environment, lane).rev().find(|earlier| *earlier <= at);
        brought.is_some_and(|at| self.is_proved(environment, lane, at) || self.stands(environment, lane, at))
    }

    /// Says whether what runs keeps no promotion waiting: it was restored, proved or has failed, or has run for
    /// an hour longer than its soak.
    pub(super) fn is_settled(&self, environment: u8, lane: u8) -> bool {
        let Some(running) = self.branch(environment).running(lane) else { return true };
        let commit = self.commit(environment, running);
        let deadline = commit.at + length(self.of.rules(environment).settle_deadline());
        matches!(commit.kind, Kind::Restored { .. })
            || self.is_proved(environment, lane, running)
            || self.has_failed(environment, lane)
            || self.state.now >= deadline
    }
}
