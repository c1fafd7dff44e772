//! Whose deliveries are asked for next, and when.
//!
//! - All have their turn at the start and after each outage of the forge, and keep it until they were asked for.
//! - Those that could not be asked for wait for a pause of their own, which grows, whatever is told meanwhile; nobody
//!   else waits for them.
//! - Nobody is asked for before the forge lets us.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::Instant;

use crate::domain::ids::RepositoryId;

/// The first pause of those that could not be asked for; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// Whose deliveries are kept together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Whose {
    /// Those of the App, which are of all repositories.
    App,
    /// Those of this repository.
    Repository(RepositoryId),
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::App => f.write_str("the App"),
            Self::Repository(repository) => repository.fmt(f),
        }
    }
}

/// Whose turn it is.
#[derive(Debug)]
pub(super) struct Turns {
    /// Where whoever was not asked for yet begins.
    since: Option<Timestamp>,
    /// Until when the forge does not let us ask, as it said in the last round.
    held_until: Option<Instant>,
    /// Those that were asked for, or could not be.
    each: BTreeMap<Whose, Turn>,
}

#[derive(Debug)]
struct Turn {
    /// What failed before is not asked for.
    since: Option<Timestamp>,
    standing: Standing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It is theirs.
    Due,
    /// It is theirs after a pause.
    Paused { until: Instant, pause: Duration },
    /// They were asked for.
    Over,
}

impl Turns {
    /// Gives everybody a turn; what failed before `since` is not asked for.
    pub(super) fn new(since: Option<Timestamp>) -> Self {
        Self { since, held_until: None, each: BTreeMap::new() }
    }

    /// Gives everybody another turn.
    pub(super) fn begin_again(&mut self) {
        for turn in self.each.values_mut().filter(|turn| turn.standing == Standing::Over) {
            turn.standing = Standing::Due;
        }
    }

    /// Begins a round; returns those of `all` whose turn it is.
    pub(super) fn due(&mut self, all: BTreeSet<Whose>, now: Instant) -> BTreeSet<Whose> {
        if self.is_held(now) {
            return BTreeSet::new();
        }
        self.held_until = None;
        self.each.retain(|whose, _| all.contains(whose));
        let is_due = |whose: &Whose| match self.each.get(whose).map(|turn| turn.standing) {
            None | Some(Standing::Due) => true,
            Some(Standing::Paused { until, .. }) => until <= now,
            Some(Standing::Over) => false,
        };
        all.into_iter().filter(is_due).collect()
    }

    /// Returns before when nothing is asked for that failed.
    pub(super) fn since(&self, whose: &Whose) -> Option<Timestamp> {
        self.each.get(whose).map_or(self.since, |turn| turn.since)
    }

    /// Notes that the forge lets nobody be asked for until this time has passed.
    pub(super) fn hold(&mut self, wait: Duration, now: Instant) {
        self.held_until = now.checked_add(wait.max(FIRST_PAUSE)).max(self.held_until);
    }

    /// Says whether the forge lets nobody be asked for.
    pub(super) fn is_held(&self, now: Instant) -> bool {
        self.held_until.is_some_and(|until| until > now)
    }

    /// Notes that one could not be asked for.
    pub(super) fn put_off(&mut self, whose: &Whose, now: Instant) {
        let since = self.since(whose);
        let turn = self.each.entry(whose.clone()).or_insert(Turn { since, standing: Standing::Due });
        let pause = match turn.standing {
            Standing::Paused { pause, .. } => (pause * 2).min(LONGEST_PAUSE),
            Standing::Due | Standing::Over => FIRST_PAUSE,
        };
        turn.standing = Standing::Paused { until: now + pause, pause };
    }

    /// Notes that these were asked for in a round that had begun at this time.
    pub(super) fn end(&mut self, asked: BTreeSet<Whose>, begun: Timestamp) {
        let over = |whose| (whose, Turn { since: Some(begun), standing: Standing::Over });
        self.each.extend(asked.into_iter().map(over));
    }

    /// Returns when the next round begins, where one is needed.
    pub(super) fn next(&self) -> Option<Instant> {
        let paused = self.each.values().filter_map(|turn| match turn.standing {
            Standing::Paused { until, .. } => Some(until),
            Standing::Due | Standing::Over => None,
        });
        self.held_until.or_else(|| paused.min())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn repository(name: &str) -> Whose {
        Whose::Repository(RepositoryId::new(name).expect("an owner and a name"))
    }

    fn all() -> BTreeSet<Whose> {
        ["acme/failing", "acme/shop", "acme/web"].map(repository).into()
    }

    fn begun(minute: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_mins(minute)
    }

    #[test]
    fn those_that_could_not_be_asked_for_are_asked_for_alone_with_growing_pauses() {
        let (mut turns, mut now) = (Turns::new(Some(begun(0))), Instant::now());
        let failing = repository("acme/failing");
        assert_eq!(turns.due(all(), now), all());
        turns.put_off(&failing, now);
        turns.end([repository("acme/shop"), repository("acme/web")].into(), begun(1));
        let mut pauses = Vec::new();
        for _ in 0..14 {
            let next = turns.next().expect("it is asked for again");
            assert_eq!(turns.due(all(), next - SECOND / 2), BTreeSet::new());
            assert_eq!(turns.due(all(), next), [failing.clone()].into());
            pauses.push((next - now).as_secs());
            now = next;
            turns.put_off(&failing, now);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600]);
        assert_eq!(turns.since(&failing), Some(begun(0)));
        assert_eq!(turns.since(&repository("acme/shop")), Some(begun(1)));
        turns.end([failing.clone()].into(), begun(2));
        assert_eq!((turns.next(), turns.since(&failing)), (None, Some(begun(2))));
    }

    #[test]
    fn after_an_outage_all_are_asked_for_but_those_that_wait_for_their_pause() {
        let (mut turns, now) = (Turns::new(None), Instant::now());
        turns.put_off(&repository("acme/failing"), now);
        turns.end([repository("acme/shop")].into(), begun(1));
        assert_eq!(turns.due(all(), now), [repository("acme/web")].into());
        turns.end([repository("acme/web")].into(), begun(1));
        turns.begin_again();
        assert_eq!(turns.due(all(), now), ["acme/shop", "acme/web"].map(repository).into());
        assert_eq!(turns.due(all(), now + SECOND), all());
    }

    #[test]
    fn for_whoever_is_not_served_any_more_nobody_waits() {
        let (mut turns, now) = (Turns::new(None), Instant::now());
        turns.put_off(&repository("acme/failing"), now);
        assert_eq!(turns.due(BTreeSet::new(), now + SECOND), BTreeSet::new());
        assert_eq!(turns.next(), None);
    }

    #[test]
    fn nobody_is_asked_for_before_the_forge_lets_us_whatever_is_told() {
        let (mut turns, now) = (Turns::new(None), Instant::now());
        turns.put_off(&repository("acme/failing"), now);
        turns.end([repository("acme/shop")].into(), begun(1));
        turns.hold(60 * SECOND, now);
        turns.hold(SECOND, now);
        turns.begin_again();
        assert_eq!(turns.due(all(), now + 59 * SECOND), BTreeSet::new());
        assert_eq!(turns.next(), Some(now + 60 * SECOND));
        assert_eq!(turns.due(all(), now + 60 * SECOND), all());
        turns.end(all(), begun(2));
        assert_eq!(turns.next(), None);
        turns.hold(Duration::ZERO, now);
        assert_eq!(turns.next(), Some(now + SECOND), "it is waited a moment at least");
    }
}
