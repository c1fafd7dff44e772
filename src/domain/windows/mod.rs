//! When promotions may be merged: deployment windows.
//!
//! - A window that denies wins over any that allows. Where some allow, it is open only inside of one;
//!   where none are listed, it is always open.
//! - A window holds from its beginning on, and no longer at its end.
//! - What is asked here is asked at a time that is given; what is found is found with an effort that
//!   is bounded, whatever somebody lists.

mod cron;
mod overriding;
mod policy;
mod recurring;
#[cfg(test)]
mod tests;
mod text;
mod timezone;
mod words;

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    cron::{Cron, CronMistake},
    overriding::{EnvironmentWindows, WindowOverride, WindowSource},
    policy::{PolicyWindow, ServerWindows},
    recurring::Recurring,
    text::{Field, WindowText, Wrong},
    words::{write_closed, write_open, write_overridden},
};

/// How far ahead an opening or closing is looked for.
const HORIZON: SignedDuration = SignedDuration::from_hours(24 * 366);

/// Windows of one owner.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Windows {
    /// Inside of one of these it is open; always, when there are none.
    pub allow: Vec<Window>,
    /// Inside of one of these it is closed, whatever allows it.
    pub deny: Vec<Window>,
}

/// One window.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// When it is.
    pub when: When,
    /// What it is for, in its author's words; may be empty.
    pub reason: String,
}

/// When a window is.
#[derive(Debug, Clone, PartialEq)]
pub enum When {
    /// Again and again.
    Recurring(Box<Recurring>),
    /// Once.
    Once {
        /// Its beginning.
        from: Timestamp,
        /// Its end.
        to: Timestamp,
    },
}

/// Whether it is open, by which window, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Promotions may be merged.
    Open {
        /// The window that allows it; none where nothing needs to.
        inside: Option<WindowName>,
        /// Until when; nothing when no end is in sight.
        until: Option<Timestamp>,
    },
    /// Promotions wait.
    Closed {
        /// The window that denies it; none where it is outside of those that allow.
        inside: Option<WindowName>,
        /// Until when; nothing when no opening is in sight.
        until: Option<Timestamp>,
    },
}

/// A window as it is shown and written down: its reason, or when it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct WindowName(pub String);

/// How much more may be looked at to answer one question.
struct Effort(u32);

impl Effort {
    /// More than any sensible list needs, and milliseconds at most: a week has 2,016 times five minutes.
    fn new() -> Self {
        Self(4_000)
    }

    fn is_left(&mut self) -> bool {
        self.0 = self.0.saturating_sub(1);
        self.0 > 0
    }
}

impl Windows {
    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }

    /// Returns these windows and others of the same owner.
    #[must_use]
    pub fn and(&self, others: &Self) -> Self {
        let both = |one: &[Window], other: &[Window]| one.iter().chain(other).cloned().collect();
        Self { allow: both(&self.allow, &others.allow), deny: both(&self.deny, &others.deny) }
    }

    /// Says whether it is open at a time, why, and until when.
    pub fn standing(&self, at: Timestamp) -> Standing {
        let mut effort = Effort::new();
        let longest = |windows: &[Window], effort: &mut Effort| {
            let ends = windows.iter().filter(|window| window.is_active(at));
            let ends = ends.map(|window| (window.end(at, effort).unwrap_or(Timestamp::MAX), window.name()));
            ends.reduce(|one, other| if other.0 > one.0 { other } else { one }).map(|(_, name)| name)
        };
        let (denied, allowed) = (longest(&self.deny, &mut effort), longest(&self.allow, &mut effort));
        if denied.is_some() || (allowed.is_none() && !self.allow.is_empty()) {
            return Standing::Closed { inside: denied, until: self.next_opening(at, &mut effort) };
        }
        Standing::Open { inside: allowed, until: self.next_closing(at, &mut effort) }
    }

    /// Says whether there is any time at which it is open. The answer does not depend on when it is
    /// asked: what comes again is looked at over a leap year, what comes once when it comes.
    pub fn ever_opens(&self) -> bool {
        const LEAP_YEAR: &str = "2024-01-01T00:00:00Z";
        let start: Timestamp = LEAP_YEAR.parse().expect("because the constant is a time");
        let recurring = |windows: &[Window]| {
            windows.iter().filter(|window| matches!(window.when, When::Recurring(_))).cloned().collect::<Vec<_>>()
        };
        let opens = |windows: &Self, from: Timestamp| {
            let mut effort = Effort::new();
            windows.next_opening(from, &mut effort).is_some() || !effort.is_left()
        };
        let again = Self { allow: recurring(&self.allow), deny: recurring(&self.deny) };
        if (self.allow.is_empty() || !again.allow.is_empty()) && opens(&again, start) {
            return true;
        }
        self.allow.iter().any(|window| match window.when {
            When::Once { from, .. } => opens(&Self { allow: vec![window.clone()], deny: self.deny.clone() }, from),
            When::Recurring(_) => false,
        })
    }

    /// Returns the first time from `at` on at which it is open, within the horizon.
    fn next_opening(&self, at: Timestamp, effort: &mut Effort) -> Option<Timestamp> {
        let (mut time, last) = (at, at + HORIZON);
        while effort.is_left() && time <= last {
            let denied = self.deny.iter().filter(|window| window.is_active(time));
            time = match denied.map(|window| window.end(time, effort).unwrap_or(Timestamp::MAX)).max() {
                Some(end) => end,
                None if self.is_allowed(time) => return Some(time),
                None => self.allow.iter().filter_map(|window| window.next_start(time)).min()?,
            };
        }
        None
    }

    /// Returns the first time after `at`, at which it is open, at which it is not, within the horizon.
    fn next_closing(&self, at: Timestamp, effort: &mut Effort) -> Option<Timestamp> {
        let denied = self.deny.iter().filter_map(|window| window.next_start(at)).min();
        let allowed = (!self.allow.is_empty()).then(|| self.end_of_allowance(at, effort)).flatten();
        denied.into_iter().chain(allowed).min().filter(|time| *time <= at + HORIZON)
    }

    /// Returns when no window allows any more what one does at `at`, through all that overlap.
    fn end_of_allowance(&self, at: Timestamp, effort: &mut Effort) -> Option<Timestamp> {
        let mut time = at;
        while effort.is_left() && time <= at + HORIZON {
            let under_way = self.allow.iter().filter(|window| window.is_active(time));
            match under_way.map(|window| window.end(time, effort).unwrap_or(Timestamp::MAX)).max() {
                Some(later) => time = later,
                None => return Some(time),
            }
        }
        None
    }

    fn is_allowed(&self, at: Timestamp) -> bool {
        self.allow.is_empty() || self.allow.iter().any(|window| window.is_active(at))
    }
}

impl Window {
    /// Returns when it is over for good; nothing for what comes again.
    pub fn over(&self) -> Option<Timestamp> {
        match self.when {
            When::Once { to, .. } => Some(to),
            When::Recurring(_) => None,
        }
    }

    /// Returns how it is shown.
    pub fn name(&self) -> WindowName {
        WindowName(if self.reason.is_empty() { self.when.to_string() } else { self.reason.clone() })
    }

    fn is_active(&self, at: Timestamp) -> bool {
        match &self.when {
            When::Once { from, to } => *from <= at && at < *to,
            When::Recurring(recurring) => recurring.is_active(at),
        }
    }

    fn end(&self, at: Timestamp, effort: &mut Effort) -> Option<Timestamp> {
        match &self.when {
            When::Once { to, .. } => Some(*to),
            When::Recurring(recurring) => recurring.end(at, effort),
        }
    }

    fn next_start(&self, at: Timestamp) -> Option<Timestamp> {
        match &self.when {
            When::Once { from, to } => Some(*from).filter(|from| *from > at && to > from),
            When::Recurring(recurring) => recurring.next_start(at),
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recurring(recurring) => {
                let zone = recurring.timezone.iana_name().unwrap_or("UTC");
                write!(f, "{} for {:#}, {zone}", recurring.cron, recurring.duration)
            }
            Self::Once { from, to } => {
                write!(f, "{} to {}", super::gate::clock(*from), super::gate::clock(*to))
            }
        }
    }
}

impl fmt::Display for WindowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
