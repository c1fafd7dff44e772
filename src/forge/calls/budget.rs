//! What a forge still allows one credential, and for what it is kept.
//!
//! - The forge says with its answers how many calls are left of which limit until when. A limit is of a *resource*,
//!   a part of the API; which one a call counts for is known from the answers to earlier calls on its route.
//! - When little is left, comments wait for the reset: merges, what they are decided on, and the statuses that forges
//!   ask for before they merge go on to the last call.
//! - When the forge asks to be left alone, nothing goes out until then.
//! - Answers cost nothing of it when they say that nothing changed, which reads ask for: see `etags.rs`.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use tokio::time::Instant;

use super::{Answer, Importance, answer::QuotaTold};
use crate::forge::LimitedBy;

/// One part of so many of a limit is kept from comments.
const KEPT_PART: u64 = 10;
/// More resources than any forge has are not remembered.
const MOST_RESOURCES: usize = 64;

/// What is left to one credential.
#[derive(Debug, Default)]
pub(super) struct Budget {
    pause: Option<Instant>,
    /// How often in a row the forge has limited us.
    strikes: u32,
    quotas: BTreeMap<String, Quota>,
    /// For which resource calls on a route count.
    resources: HashMap<&'static str, String>,
    /// The resource that was told last.
    latest: String,
}

/// What is left of one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Quota {
    remaining: u64,
    limit: Option<u64>,
    reset: Instant,
}

/// A call that may not go out yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) wait: Duration,
    pub(super) by: LimitedBy,
}

impl Budget {
    /// Fails when a call on `route` has to wait.
    pub(super) fn check(&self, route: &'static str, importance: Importance, now: Instant) -> Result<(), Held> {
        let left = |until: Instant| Some(until.saturating_duration_since(now)).filter(|wait| !wait.is_zero());
        if let Some(wait) = self.pause.and_then(left) {
            return Err(Held { wait, by: LimitedBy::Forge });
        }
        let resource = self.resources.get(route).unwrap_or(&self.latest);
        let Some(quota) = self.quotas.get(resource) else { return Ok(()) };
        let Some(wait) = left(quota.reset) else { return Ok(()) };
        match (quota.remaining, quota.limit) {
            (0, _) => Err(Held { wait, by: LimitedBy::Forge }),
            (remaining, Some(limit)) if importance == Importance::Comment && remaining <= limit / KEPT_PART => {
                Err(Held { wait, by: LimitedBy::Reserve { remaining, limit } })
            }
            _ => Ok(()),
        }
    }

    /// Takes in what an answer says; returns how long to wait when it is a refusal for that reason.
    pub(super) fn note(&mut self, route: &'static str, answer: &Answer, now: Instant) -> Option<Duration> {
        let quota = answer.quota();
        if let Some(told) = quota {
            self.note_quota(route, told, now);
        }
        let Some(wait) = answer.wait(self.strikes) else {
            self.strikes = 0;
            return None;
        };
        self.strikes += 1;
        // A resource that is used up leaves the others.
        if answer.retry_after().is_some() || quota.is_none_or(|told| told.remaining > 0) {
            self.pause = now.checked_add(wait).max(self.pause);
        }
        Some(wait)
    }

    fn note_quota(&mut self, route: &'static str, told: QuotaTold<'_>, now: Instant) {
        let Some(reset) = now.checked_add(told.reset_in) else { return };
        if self.quotas.len() >= MOST_RESOURCES && !self.quotas.contains_key(told.resource) {
            return;
        }
        let resource = told.resource.to_owned();
        self.resources.insert(route, resource.clone());
        self.latest.clone_from(&resource);
        self.quotas.insert(resource, Quota { remaining: told.remaining, limit: told.limit, reset });
    }

    /// Returns how long the forge asked to be left alone from `now` on.
    pub(super) fn pause(&self, now: Instant) -> Duration {
        self.pause.map(|until| until.saturating_duration_since(now)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    const PULLS: &str = "/repos/{owner}/{repo}/pulls";
    const SEARCH: &str = "/search";

    /// Returns an answer that says what is left, with a reset in 100 s.
    fn told(status: u16, resource: &str, remaining: u64, limit: u64) -> Answer {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-ratelimit-resource", resource.to_owned()),
            ("x-ratelimit-remaining", remaining.to_string()),
            ("x-ratelimit-limit", limit.to_string()),
            ("x-ratelimit-reset", "1700000100".to_owned()),
            ("date", "Tue, 14 Nov 2023 22:13:20 GMT".to_owned()),
        ] {
            headers.insert(name, value.parse().expect("because the tests use plain values"));
        }
        Answer { status: StatusCode::from_u16(status).expect("because it is a code"), headers, body: String::new() }
    }

    fn seconds(budget: &Budget, route: &'static str, importance: Importance, now: Instant) -> Option<u64> {
        budget.check(route, importance, now).err().map(|held| held.wait.as_secs())
    }

    #[test]
    fn comments_wait_when_a_tenth_is_left_and_merges_go_on_to_the_last_call() {
        let (mut budget, now) = (Budget::default(), Instant::now());
        budget.note(PULLS, &told(200, "core", 501, 5000), now);
        assert_eq!(budget.check(PULLS, Importance::Comment, now), Ok(()));
        budget.note(PULLS, &told(200, "core", 500, 5000), now);
        let held = Held { wait: Duration::from_secs(100), by: LimitedBy::Reserve { remaining: 500, limit: 5000 } };
        assert_eq!(budget.check(PULLS, Importance::Comment, now), Err(held));
        budget.note(PULLS, &told(200, "core", 1, 5000), now);
        assert_eq!(budget.check(PULLS, Importance::Status, now), Ok(()));
        assert_eq!(budget.check(PULLS, Importance::Merge, now), Ok(()));
        budget.note(PULLS, &told(200, "core", 0, 5000), now);
        assert_eq!(seconds(&budget, PULLS, Importance::Merge, now), Some(100));
        assert_eq!(seconds(&budget, PULLS, Importance::Comment, now + Duration::from_secs(100)), None);
    }

    #[test]
    fn a_resource_that_is_used_up_leaves_the_others() {
        let (mut budget, now) = (Budget::default(), Instant::now());
        budget.note(SEARCH, &told(200, "search", 9, 30), now);
        budget.note(PULLS, &told(200, "core", 4000, 5000), now);
        assert_eq!(budget.note(SEARCH, &told(403, "search", 0, 30), now), Some(Duration::from_secs(100)));
        assert_eq!(seconds(&budget, SEARCH, Importance::Merge, now), Some(100));
        assert_eq!(seconds(&budget, PULLS, Importance::Comment, now), None);
    }

    #[test]
    fn a_forge_that_asks_to_wait_is_left_alone_by_everything() {
        let (mut budget, now) = (Budget::default(), Instant::now());
        let mut limited = told(429, "core", 4000, 5000);
        limited.headers.insert("retry-after", "30".parse().expect("because it is plain"));
        assert_eq!(budget.note(PULLS, &limited, now), Some(Duration::from_secs(30)));
        assert_eq!(seconds(&budget, SEARCH, Importance::Merge, now), Some(30));
        assert_eq!(budget.pause(now), Duration::from_secs(30));
        assert_eq!(seconds(&budget, SEARCH, Importance::Merge, now + Duration::from_secs(30)), None);
        budget.note(PULLS, &told(200, "core", 4000, 5000), now);
        assert_eq!(budget.strikes, 0);
    }

    #[test]
    fn a_forge_that_tells_nothing_is_asked_on() {
        let (mut budget, now) = (Budget::default(), Instant::now());
        let answer = Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: String::new() };
        assert_eq!(budget.note(PULLS, &answer, now), None);
        assert_eq!(budget.check(PULLS, Importance::Comment, now), Ok(()));
    }
}
