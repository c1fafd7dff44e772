//! A window that comes again and again.
//!
//! - An occurrence begins at the local time of its cron expression: at the end of the gap where
//!   clocks leave that time out, once and at the first where they show it twice.
//! - From there its duration is time that passes, whatever clocks do in it.
//! - Occurrences that overlap or touch are one span.

use jiff::{SignedDuration, Span, Timestamp, civil::Date, tz::TimeZone};

use super::{Effort, HORIZON, cron::Cron, timezone::instant};

/// A window that comes again and again.
#[derive(Debug, Clone, PartialEq)]
pub struct Recurring {
    /// When it begins.
    pub cron: Cron,
    /// How long each occurrence is.
    pub duration: SignedDuration,
    /// Whose clocks the expression is read by.
    pub timezone: TimeZone,
}

impl Recurring {
    /// Says whether an occurrence is under way.
    pub(super) fn is_active(&self, at: Timestamp) -> bool {
        self.last_start(at).is_some()
    }

    /// Returns when the span around `at` ends; nothing when no occurrence is under way, and when the end
    /// is too far to be looked for.
    pub(super) fn end(&self, at: Timestamp, effort: &mut Effort) -> Option<Timestamp> {
        let (mut end, last) = (at, at + HORIZON);
        while let Some(start) = self.last_start(end) {
            end = self.unbroken_until(start).map_or(start + self.duration, |far| far.max(start + self.duration));
            if !effort.is_left() || end > last {
                return None;
            }
        }
        Some(end).filter(|end| *end > at)
    }

    /// Returns when the next occurrence begins after `at`, within the horizon.
    pub(super) fn next_start(&self, at: Timestamp) -> Option<Timestamp> {
        let (mut day, last) = (self.local_day(at, -1)?, self.local_day(at + HORIZON, 0)?);
        while day <= last {
            if self.cron.matches_day(day) {
                let minutes = self.cron.minutes();
                let next = minutes.partition_point(|minute| self.start(day, *minute).is_none_or(|start| start <= at));
                if let Some(start) = minutes.get(next).and_then(|minute| self.start(day, *minute)) {
                    return Some(start);
                }
            }
            day = day.tomorrow().ok()?;
        }
        None
    }

    /// Returns when the newest occurrence began that is still under way.
    fn last_start(&self, at: Timestamp) -> Option<Timestamp> {
        let (mut day, first) = (self.local_day(at, 1)?, self.local_day(at - self.duration, -1)?);
        while day >= first {
            if self.cron.matches_day(day) {
                let minutes = self.cron.minutes();
                let after = minutes.partition_point(|minute| self.start(day, *minute).is_some_and(|start| start <= at));
                let newest = after.checked_sub(1).and_then(|index| self.start(day, minutes[index]));
                if let Some(start) = newest {
                    return (at < start + self.duration).then_some(start);
                }
            }
            day = day.yesterday().ok()?;
        }
        None
    }

    /// Returns until when it certainly has no break from a beginning on, where it follows on itself every
    /// day: up to some time before clocks are changed.
    fn unbroken_until(&self, from: Timestamp) -> Option<Timestamp> {
        let follows = SignedDuration::from_mins(self.cron.longest_pause().into()) <= self.duration;
        if !follows || !self.cron.is_daily() {
            return None;
        }
        let changes = self.timezone.following(from).next().map(|change| change.timestamp());
        // Nothing that clocks are changed by is as long as two days.
        let far = changes.map_or(Timestamp::MAX, |at| at) - SignedDuration::from_hours(48);
        Some(far.min(from + HORIZON + SignedDuration::from_hours(24))).filter(|far| *far > from)
    }

    /// Returns the instant of a minute of a day.
    fn start(&self, day: Date, minute: u16) -> Option<Timestamp> {
        let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
        instant(&self.timezone, day.at(hour, minute, 0, 0))
    }

    fn local_day(&self, at: Timestamp, days: i64) -> Option<Date> {
        self.timezone.to_datetime(at).date().checked_add(Span::new().days(days)).ok()
    }
}
