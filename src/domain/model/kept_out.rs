//! What is kept out of an environment, and by whom: read off the branches and the closed pull requests.

use super::{
    state::{Closed, Commit, Held, Kind, Moment, bit},
    truth::{Truth, blocks},
};

/// What is kept out: from a good T to a bad B.
struct Kept {
    target: Option<u8>,
    good: Held,
    bad: u8,
    bad_content: Held,
}

impl Kept {
    /// Says whether a content carries what is bad: every root in which T and B differ is as in one of
    /// them, and one at least as in B.
    fn carries(&self, content: Held) -> bool {
        let roots = [0x0f, 0xf0].into_iter().filter(|root| self.good & root != self.bad_content & root);
        let same = |one: Held, other: Held, root: Held| one & root == other & root;
        let (mut bad, mut other) = (false, false);
        for root in roots {
            match (same(content, self.bad_content, root), same(content, self.good, root)) {
                (true, _) => bad = true,
                (false, true) => {}
                (false, false) => other = true,
            }
        }
        bad && !other
    }

    /// Says whether it keeps `dry` out, which renders to `content` where it was kept out.
    fn covers(&self, truth: Truth<'_>, dry: u8, content: Option<Held>) -> bool {
        if self.target == Some(dry) {
            return false;
        }
        let position = truth.position(dry);
        let between = position > self.target.map_or(0, |t| truth.position(t)) && position <= truth.position(self.bad);
        between || dry == self.bad || content.is_none_or(|content| self.carries(content))
    }
}

impl Truth<'_> {
    /// Says whether anything keeps a dry commit out of an environment: a rollback there or before, a closed
    /// pull request, or that it was rejected everywhere.
    pub(super) fn is_kept_out(&self, environment: u8, lane: u8, dry: u8) -> bool {
        self.is_rejected(environment, lane, dry)
            || self.is_refused(environment, lane, dry)
            || self.is_blocked(environment, lane, dry)
    }

    /// Says whether a person rejected a dry commit and nobody has merged it here by hand since.
    pub(super) fn is_rejected(&self, environment: u8, lane: u8, dry: u8) -> bool {
        let rejected = self.state.dries[usize::from(dry)].rejected;
        rejected.is_some_and(|at| !self.came_after(environment, lane, dry, at))
    }

    fn came_after(&self, environment: u8, lane: u8, dry: u8, at: Moment) -> bool {
        self.branch(environment).commits.iter().any(|commit| {
            let promoted = matches!(commit.kind, Kind::Promoted { .. });
            promoted && commit.brought() == Some((lane, dry)) && commit.at > at
        })
    }

    /// Says whether a person closed the pull request of a dry commit, or of one that would have brought
    /// along what it carries.
    pub(super) fn is_refused(&self, environment: u8, lane: u8, dry: u8) -> bool {
        let place = self.of.place(environment, lane);
        let running = self.branch(environment).running(lane).and_then(|at| self.commit(environment, at).brought());
        let is_newer = self.position(dry) > running.map_or(0, |(_, running)| self.position(running));
        let content = self.content_of(environment, lane, dry);
        self.state.places[usize::from(place)].closed.iter().any(|closed| {
            let kept = self.kept_by_closing(environment, lane, closed);
            // A merge by hand takes a refusal back.
            let in_force = !self.came_after(environment, lane, closed.dry, closed.at);
            let overridden = self.came_after(environment, lane, dry, closed.at);
            in_force && !overridden && (dry == closed.dry || (is_newer && kept.covers(*self, dry, content)))
        })
    }

    fn kept_by_closing(&self, environment: u8, lane: u8, closed: &Closed) -> Kept {
        let replaced = self.brought(environment, lane).rev().find(|at| *at <= closed.parent);
        Kept {
            target: replaced.and_then(|at| self.commit(environment, at).brought()).map(|(_, dry)| dry),
            good: replaced.map_or(0, |at| self.content(environment, lane, at)),
            bad: closed.dry,
            bad_content: closed.content,
        }
    }

    /// Says whether a rollback of an environment or of one before it keeps a dry commit out.
    pub(super) fn is_blocked(&self, environment: u8, lane: u8, dry: u8) -> bool {
        let mut before = vec![environment];
        let mut next = 0;
        while let Some(at) = before.get(next) {
            let more: Vec<u8> = self.of.before(*at).filter(|more| !before.contains(more)).collect();
            before.extend(more);
            next += 1;
        }
        before.into_iter().any(|there| {
            let content = self.content_of(there, lane, dry);
            self.kept_by_rollbacks(there, lane).into_iter().any(|(since, kept)| {
                !self.by_hand_after(environment, lane, since, |commit, _| commit.brought() == Some((lane, dry)))
                    && kept.covers(*self, dry, content)
            })
        })
    }

    /// Returns what rollbacks of one environment keep out, and since when.
    fn kept_by_rollbacks(&self, environment: u8, lane: u8) -> Vec<(Moment, Kept)> {
        let mut kept = Vec::new();
        let content = |at: u8| self.content(environment, lane, at);
        for at in self.brought(environment, lane) {
            let commit = self.commit(environment, at);
            let Kind::Restored { dry, from, .. } = commit.kind else { continue };
            let left = self.brought(environment, lane).rev().find(|earlier| *earlier < at);
            let bad_content = left.map_or(0, content);
            let entry = Kept { target: Some(dry), good: content(at), bad: from, bad_content };
            // Whoever merged by hand what it keeps out has taken it back here.
            let taken_back = self.by_hand_after(environment, lane, commit.at, |newer, content| {
                newer.brought() == Some((lane, from)) || entry.carries(content)
            });
            if blocks(commit) && !taken_back {
                kept.push((commit.at, entry));
            }
        }
        let place = &self.state.places[usize::from(self.of.place(environment, lane))];
        if let Some(rollback) = place.rollback {
            let running = self.branch(environment).running(lane);
            let cancelled = (place.cancelled | place.cancelled_by_closing) & bit(rollback.bad_commit) != 0;
            if !cancelled && running == Some(rollback.bad_commit) {
                let (good, bad_content) = (content(rollback.to), content(rollback.bad_commit));
                kept.push((rollback.at, Kept { target: Some(rollback.dry), good, bad: rollback.bad, bad_content }));
            }
        }
        kept
    }

    fn by_hand_after(&self, environment: u8, lane: u8, at: Moment, is_it: impl Fn(&Commit, Held) -> bool) -> bool {
        self.branch(environment).commits.iter().any(|commit| {
            let by_hand = matches!(commit.kind, Kind::Promoted { lane: of, by_hand: true, .. } if of == lane);
            by_hand && commit.at > at && is_it(commit, commit.contents[usize::from(lane)])
        })
    }

    /// Returns what a dry commit holds in an environment: what ran there, else what it renders to.
    fn content_of(&self, environment: u8, lane: u8, dry: u8) -> Option<Held> {
        let ran = self
            .brought(environment, lane)
            .rev()
            .find(|at| self.commit(environment, *at).brought() == Some((lane, dry)));
        match ran {
            Some(at) => Some(self.content(environment, lane, at)),
            None => self.state.dries[usize::from(dry)].contents[usize::from(self.of.place(environment, lane))],
        }
    }
}
