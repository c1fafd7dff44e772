//! GitHub's hourly budget per account, counted and shown but never enforced; faults script refusals.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;

/// How many calls GitHub allows an account per hour.
const LIMIT: u64 = 5_000;
const HOUR_S: i64 = 3_600;

/// What is left of one account's budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budget {
    pub(super) limit: u64,
    pub(super) used: u64,
    /// When the budget is full again, in seconds since the epoch.
    pub(super) reset: i64,
}

impl Budget {
    pub(super) fn remaining(self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}

/// The budgets of all accounts.
#[derive(Debug, Default)]
pub(super) struct RateLimit {
    used: Mutex<HashMap<String, (i64, u64)>>,
}

impl RateLimit {
    /// Counts `cost` calls of `login` (an empty login for those without a token) at `now`.
    pub(super) fn spend(&self, login: &str, cost: u64, now: Timestamp) -> Budget {
        let hour = now.as_second() / HOUR_S;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = used.entry(login.to_owned()).or_insert((hour, 0));
        if entry.0 != hour {
            *entry = (hour, 0);
        }
        entry.1 += cost;
        Budget { limit: LIMIT, used: entry.1, reset: (hour + 1) * HOUR_S }
    }
}

#[cfg(test)]
mod tests {
    use super::{LIMIT, RateLimit, Timestamp};

    #[test]
    fn the_budget_is_full_again_in_the_next_hour() {
        let limit = RateLimit::default();
        assert_eq!(limit.spend("dev", 2, Timestamp::UNIX_EPOCH).remaining(), LIMIT - 2);
        let next = Timestamp::from_second(3_600).unwrap_or_default();
        assert_eq!(limit.spend("dev", 1, next).remaining(), LIMIT - 1);
    }
}
