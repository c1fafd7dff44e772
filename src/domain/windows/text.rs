//! Reads one window from the texts that somebody wrote, and says everything that is wrong with them.
//!
//! The same for the strategy and for the server's settings; each knows where its texts stand.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use super::{
    Cron, Recurring, When, Window,
    timezone::{instant, nearest_timezone, timezone},
};
use crate::domain::strategy::parse_duration;

/// The most characters of a reason.
const REASON_LIMIT: usize = 100;

/// A window as it was written.
#[derive(Debug, Clone, Copy, Default)]
pub struct WindowText<'a> {
    /// When occurrences begin.
    pub cron: Option<&'a str>,
    /// How long each is.
    pub duration: Option<&'a str>,
    /// When it begins that comes once.
    pub from: Option<&'a str>,
    /// When that ends.
    pub to: Option<&'a str>,
    /// Whose clocks.
    pub timezone: Option<&'a str>,
    /// What it is for.
    pub reason: Option<&'a str>,
}

/// A text of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// `cron`.
    Cron,
    /// `duration`.
    Duration,
    /// `from`.
    From,
    /// `to`.
    To,
    /// `timezone`.
    Timezone,
    /// `reason`.
    Reason,
    /// The window as a whole.
    Whole,
}

/// Something that is wrong with a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// With which text.
    pub field: Field,
    /// What.
    pub message: String,
    /// What would be right.
    pub help: String,
}

impl Wrong {
    fn new(field: Field, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { field, message: message.into(), help: help.into() }
    }
}

/// The two forms of a window.
const FORMS: &str = "write `cron` and `duration` for one that comes again, `from` and `to` for one that comes once";

impl WindowText<'_> {
    /// Reads the window.
    ///
    /// # Errors
    /// With everything that is wrong.
    pub fn read(&self) -> Result<Window, Vec<Wrong>> {
        let mut wrong = Vec::new();
        let zone = self.zone(&mut wrong);
        let reason = self.reason(&mut wrong);
        let recurs = self.cron.is_some() || self.duration.is_some();
        let once = self.from.is_some() || self.to.is_some();
        let when = match (recurs, once) {
            (true, true) => {
                let field = if self.from.is_some() { Field::From } else { Field::To };
                wrong.push(Wrong::new(field, "the window both comes again and comes once", FORMS));
                None
            }
            (false, false) => {
                wrong.push(Wrong::new(Field::Whole, "the window does not say when it is", FORMS));
                None
            }
            (true, false) => self.recurring(zone, &mut wrong),
            (false, true) => self.once(zone, &mut wrong),
        };
        match when {
            Some(when) if wrong.is_empty() => Ok(Window { when, reason }),
            _ => Err(wrong),
        }
    }

    fn zone(&self, wrong: &mut Vec<Wrong>) -> Option<TimeZone> {
        let Some(name) = self.timezone else { return Some(TimeZone::UTC) };
        let zone = timezone(name);
        if zone.is_none() {
            let help = match nearest_timezone(name) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "write a name of the IANA database, such as `Europe/Berlin`; the default is `UTC`".to_owned(),
            };
            wrong.push(Wrong::new(Field::Timezone, format!("`{name}` is no time zone"), help));
        }
        zone
    }

    fn reason(&self, wrong: &mut Vec<Wrong>) -> String {
        let reason = self.reason.unwrap_or_default();
        if reason.chars().count() > REASON_LIMIT || reason.contains(char::is_control) {
            let message = format!("the reason is no single line of at most {REASON_LIMIT} characters");
            wrong.push(Wrong::new(
                Field::Reason,
                message,
                "shorten it; it is shown in every status of the environment",
            ));
        }
        reason.trim().to_owned()
    }

    fn recurring(&self, zone: Option<TimeZone>, wrong: &mut Vec<Wrong>) -> Option<When> {
        let (Some(cron), Some(duration)) = (self.cron, self.duration) else {
            let (field, message) = match self.cron {
                Some(_) => (Field::Cron, "the window does not say how long it is"),
                None => (Field::Duration, "the window does not say when it begins"),
            };
            wrong.push(Wrong::new(field, message, FORMS));
            return None;
        };
        let cron = Cron::parse(cron).map_err(|m| wrong.push(Wrong::new(Field::Cron, m.message, m.help))).ok();
        let length = parse_duration(duration);
        let length = match length {
            Some(length) if length.is_zero() => {
                let message = "the window has no length";
                wrong.push(Wrong::new(Field::Duration, message, "write how long it is, such as `8h`, or remove it"));
                None
            }
            None => {
                let message = format!("`{duration}` is not a duration");
                let help = "write a number and a unit, such as `30m`, `8h`, `62h` or `2d`; at most a year";
                wrong.push(Wrong::new(Field::Duration, message, help));
                None
            }
            length => length,
        };
        Some(When::Recurring(Box::new(Recurring { cron: cron?, duration: length?, timezone: zone? })))
    }

    fn once(&self, zone: Option<TimeZone>, wrong: &mut Vec<Wrong>) -> Option<When> {
        let (Some(from), Some(to)) = (self.from, self.to) else {
            let (field, message) = match self.from {
                Some(_) => (Field::From, "the window does not say when it ends"),
                None => (Field::To, "the window does not say when it begins"),
            };
            wrong.push(Wrong::new(field, message, FORMS));
            return None;
        };
        let zone = zone.unwrap_or(TimeZone::UTC);
        let mut read = |field, text| {
            let time = local(text, &zone);
            if time.is_none() {
                let message = format!("`{text}` is no local time");
                let help = "write it like `2026-12-20T18:00`, before the year 2200; the zone stands in `timezone`";
                wrong.push(Wrong::new(field, message, help));
            }
            time
        };
        let (begins, ends) = (read(Field::From, from), read(Field::To, to));
        let (begins, ends) = (begins?, ends?);
        if ends <= begins {
            let message = format!("`{to}` is not after `{from}`");
            wrong.push(Wrong::new(Field::To, message, "write a later time, or exchange the two"));
            return None;
        }
        Some(When::Once { from: begins, to: ends })
    }
}

/// The years in which windows may begin and end.
const YEARS: std::ops::RangeInclusive<i16> = 1970..=2199;

/// Reads a local time: a date with a time of day, and no offset.
fn local(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let has_time = text.len() <= 32 && text.contains(['T', 't', ' ']);
    let time: DateTime = text.parse().ok().filter(|time: &DateTime| has_time && YEARS.contains(&time.year()))?;
    instant(zone, time)
}
