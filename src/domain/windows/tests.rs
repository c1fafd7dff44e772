//! Windows against an implementation of another kind: it walks over instants minute by minute, reads
//! the wall clock at each, and keeps what it saw.

use std::collections::BTreeSet;

use jiff::{Span, Timestamp, civil::DateTime, tz::TimeZone};
use proptest::prelude::*;

use super::*;
use crate::domain::ids::ProposedSha;

/// Zones whose clocks are changed by an hour, by half an hour, at midnight, and never.
const ZONES: [&str; 6] =
    ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Kolkata", "UTC"];

/// Days around which clocks are changed somewhere, and some other.
const DAYS: [&str; 7] =
    ["2026-03-29", "2026-10-25", "2026-03-08", "2026-11-01", "2026-04-05", "2026-09-06", "2026-06-15"];

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn window(cron: &str, duration: &str, timezone: &str) -> Window {
    let text =
        WindowText { cron: Some(cron), duration: Some(duration), timezone: Some(timezone), ..WindowText::default() };
    text.read().expect("a window")
}

fn once(from: &str, to: &str, timezone: &str) -> Window {
    let text = WindowText { from: Some(from), to: Some(to), timezone: Some(timezone), ..WindowText::default() };
    text.read().expect("a window")
}

fn allow(windows: &[Window]) -> Windows {
    Windows { allow: windows.to_vec(), deny: Vec::new() }
}

fn deny(windows: &[Window]) -> Windows {
    Windows { allow: Vec::new(), deny: windows.to_vec() }
}

/// Returns in short how windows stand.
fn told(windows: &Windows, at: &str) -> String {
    let until = |until: Option<Timestamp>| until.map_or("for ever".to_owned(), |until| format!("until {until}"));
    match windows.standing(time(at)) {
        Standing::Open { until: end, .. } => format!("open {}", until(end)),
        Standing::Closed { until: end, .. } => format!("closed {}", until(end)),
    }
}

#[test]
fn a_weekend_is_closed_from_friday_evening_to_monday_morning() {
    let weekend = deny(&[window("0 18 * * FRI", "62h", "Europe/Berlin")]);
    assert_eq!(told(&weekend, "2026-06-12T15:59:59Z"), "open until 2026-06-12T16:00:00Z");
    assert_eq!(told(&weekend, "2026-06-12T16:00:00Z"), "closed until 2026-06-15T06:00:00Z");
    assert_eq!(told(&weekend, "2026-06-15T06:00:00Z"), "open until 2026-06-19T16:00:00Z");
    // In the night to Sunday clocks go forward: 62 hours pass all the same, and end at nine.
    assert_eq!(told(&weekend, "2026-03-28T12:00:00Z"), "closed until 2026-03-30T07:00:00Z");
    assert_eq!(told(&weekend, "2026-10-24T12:00:00Z"), "closed until 2026-10-26T06:00:00Z");
}

#[test]
fn an_occurrence_begins_after_a_gap_and_once_where_clocks_show_its_time_twice() {
    let nightly = allow(&[window("30 2 * * *", "10m", "Europe/Berlin")]);
    assert_eq!(told(&nightly, "2026-03-29T00:00:00Z"), "closed until 2026-03-29T01:00:00Z");
    assert_eq!(told(&nightly, "2026-03-29T01:00:00Z"), "open until 2026-03-29T01:10:00Z");
    assert_eq!(told(&nightly, "2026-10-25T00:00:00Z"), "closed until 2026-10-25T00:30:00Z");
    assert_eq!(told(&nightly, "2026-10-25T00:40:00Z"), "closed until 2026-10-26T01:30:00Z");
}

#[test]
fn what_denies_wins_and_the_end_is_looked_for_through_windows_that_overlap() {
    let windows = Windows {
        allow: vec![window("0 8 * * MON-FRI", "9h", "UTC"), window("0 12 * * *", "8h", "UTC")],
        deny: vec![window("0 0 * * *", "10h", "UTC"), once("2026-06-15T09:00", "2026-06-16T13:30", "UTC")],
    };
    // Monday, 15 June 2026.
    assert_eq!(told(&windows, "2026-06-15T09:30:00Z"), "closed until 2026-06-16T13:30:00Z");
    assert_eq!(told(&windows, "2026-06-17T10:00:00Z"), "open until 2026-06-17T20:00:00Z");
    assert_eq!(told(&windows, "2026-06-20T11:00:00Z"), "closed until 2026-06-20T12:00:00Z");
}

#[test]
fn what_has_no_end_in_sight_is_said_so() {
    assert_eq!(told(&Windows::default(), "2026-06-15T09:30:00Z"), "open for ever");
    let once = once("2026-12-20T00:00", "2027-01-04T06:00", "Europe/Berlin");
    assert_eq!(told(&deny(std::slice::from_ref(&once)), "2026-12-24T00:00:00Z"), "closed until 2027-01-04T05:00:00Z");
    assert_eq!(told(&deny(std::slice::from_ref(&once)), "2027-01-04T05:00:00Z"), "open for ever");
    assert_eq!(told(&allow(&[once]), "2027-01-04T05:00:00Z"), "closed for ever");
    assert_eq!(told(&allow(&[window("* * * * *", "1m", "UTC")]), "2026-06-15T09:30:30Z"), "open for ever");
    assert_eq!(told(&deny(&[window("0 * * * *", "1h", "UTC")]), "2026-06-15T09:30:30Z"), "closed for ever");
    // With clocks that are changed, the hour that comes twice has one beginning.
    let hourly = deny(&[window("0 * * * *", "1h", "Europe/Berlin")]);
    assert_eq!(told(&hourly, "2026-06-15T09:30:30Z"), "closed until 2026-10-25T01:00:00Z");
}

#[test]
fn windows_that_never_open_are_known_whenever_they_are_asked_about() {
    let office = window("0 8 * * MON-FRI", "10h", "Europe/Berlin");
    let all_day = window("0 0 * * *", "25h", "Europe/Berlin");
    let freeze = once("2026-12-20T00:00", "2027-01-04T06:00", "UTC");
    let inside = once("2026-12-24T00:00", "2026-12-25T00:00", "UTC");
    let opens = |allow: &[Window], deny: &[Window]| Windows { allow: allow.to_vec(), deny: deny.to_vec() }.ever_opens();
    assert!(opens(&[], &[]));
    assert!(opens(&[], std::slice::from_ref(&freeze)));
    assert!(opens(std::slice::from_ref(&office), std::slice::from_ref(&freeze)));
    assert!(!opens(&[], std::slice::from_ref(&all_day)));
    assert!(!opens(std::slice::from_ref(&office), std::slice::from_ref(&all_day)));
    assert!(!opens(std::slice::from_ref(&inside), std::slice::from_ref(&freeze)));
    assert!(opens(&[inside, office], &[freeze]));
    assert!(opens(&[window("0 0 29 2 *", "1h", "UTC")], &[]));
    assert!(!opens(&[window("0 9 * * SAT", "1h", "UTC")], &[window("0 18 * * FRI", "62h", "UTC")]));
}

#[test]
fn endless_lists_take_bounded_work() {
    let busy =
        (0..20).map(|n| window(&format!("{n}-59/2 * 1-30 1-11 *"), "1m", "America/New_York")).collect::<Vec<_>>();
    let (half, other) = busy.split_at(10);
    let windows = Windows { allow: half.to_vec(), deny: other.to_vec() };
    // Whatever it says, it says it.
    let _ = windows.standing(time("2026-03-01T00:00:30Z"));
    assert!(windows.ever_opens());
}

#[test]
fn a_window_is_shown_by_its_reason_or_by_its_times() {
    let named = |window: Window| window.name().to_string();
    assert_eq!(named(window("0  18 * * fri", "62h", "Europe/Berlin")), "0 18 * * fri for 62h, Europe/Berlin");
    let freeze = once("2026-12-20T00:00", "2027-01-04T06:00", "Europe/Berlin");
    assert_eq!(named(freeze.clone()), "2026-12-19 23:00:00Z to 2027-01-04 05:00:00Z");
    assert_eq!(named(Window { reason: "year end".into(), ..freeze }), "year end");
}

/// A recurring window as the other implementation has it.
#[derive(Debug, Clone)]
struct Plain {
    minutes: BTreeSet<i8>,
    hours: BTreeSet<i8>,
    /// From Sunday on.
    weekdays: BTreeSet<i8>,
    duration: i64,
    zone: &'static str,
}

impl Plain {
    fn window(&self) -> Window {
        let list = |numbers: &BTreeSet<i8>| numbers.iter().map(i8::to_string).collect::<Vec<_>>().join(",");
        let cron = format!("{} {} * * {}", list(&self.minutes), list(&self.hours), list(&self.weekdays));
        window(&cron, &format!("{}m", self.duration), self.zone)
    }

    fn begins(&self, local: DateTime) -> bool {
        self.minutes.contains(&local.minute())
            && self.hours.contains(&local.hour())
            && self.weekdays.contains(&local.weekday().to_sunday_zero_offset())
    }

    /// Returns the minutes, from `first` on, at which an occurrence is under way: the wall clock is read at
    /// each minute, and it begins when a time is shown for the first time, or was jumped over.
    fn active(&self, first: Timestamp, minutes: i64) -> Vec<bool> {
        let zone = TimeZone::get(self.zone).expect("a zone");
        let before = self.duration + 2 * 24 * 60;
        let (mut active, mut left) = (Vec::new(), 0);
        let mut newest: Option<DateTime> = None;
        for minute in -before..minutes {
            let local = zone.to_datetime(first + SignedDuration::from_mins(minute));
            let mut shown = newest.map_or(local, |newest| newest + Span::new().minutes(1));
            while shown <= local {
                if self.begins(shown) {
                    left = self.duration;
                }
                newest = Some(shown);
                shown += Span::new().minutes(1);
            }
            if minute >= 0 {
                active.push(left > 0);
            }
            left -= 1;
        }
        active
    }
}

fn plain() -> impl Strategy<Value = Plain> {
    use prop::collection::btree_set;
    let minutes = btree_set(prop::sample::select(vec![0_i8, 1, 15, 30, 45, 59]), 1..3);
    let hours = prop_oneof![btree_set(0_i8..4, 1..4), btree_set(0_i8..24, 1..24), Just((0..24).collect())];
    let weekdays = prop_oneof![Just((0_i8..7).collect()), btree_set(0_i8..7, 1..4)];
    let duration = prop::sample::select(vec![1_i64, 15, 30, 60, 90, 120, 600, 1_500, 3_720]);
    let zone = prop::sample::select(ZONES.to_vec());
    (minutes, hours, weekdays, duration, zone).prop_map(|(minutes, hours, weekdays, duration, zone)| Plain {
        minutes,
        hours,
        weekdays,
        duration,
        zone,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// At every minute of three days it is open or closed as the other implementation has it, and the next
    /// change that is told is the next change there.
    #[test]
    fn windows_stand_as_the_clock_on_the_wall_says(
        allowing in prop::collection::vec(plain(), 0..3),
        denying in prop::collection::vec(plain(), 0..3),
        day in prop::sample::select(DAYS.to_vec()),
    ) {
        const MINUTES: i64 = 3 * 24 * 60;
        let first = time(&format!("{day}T00:00:00Z")) - SignedDuration::from_hours(36);
        let windows = Windows {
            allow: allowing.iter().map(Plain::window).collect(),
            deny: denying.iter().map(Plain::window).collect(),
        };
        let active = |plains: &[Plain]| plains.iter().map(|plain| plain.active(first, MINUTES)).collect::<Vec<_>>();
        let (allowed, denied) = (active(&allowing), active(&denying));
        let any = |of: &[Vec<bool>], minute: usize| of.iter().any(|active| active[minute]);
        let open: Vec<bool> = (0..usize::try_from(MINUTES).expect("small"))
            .map(|minute| !any(&denied, minute) && (allowed.is_empty() || any(&allowed, minute)))
            .collect();
        let mut told: Option<(bool, Option<Timestamp>)> = None;
        for (minute, expected) in open.iter().enumerate() {
            let at = first + SignedDuration::from_mins(i64::try_from(minute).expect("small"));
            // Asked again where the answer changes, and now and then in between.
            let changed = minute == 0 || open[minute - 1] != *expected;
            if let Some((_, until)) = told.filter(|_| changed) {
                prop_assert_eq!(until, Some(at), "the change that was told before {}", at);
            }
            if changed || minute % 97 == 0 {
                let (is_open, until) = match windows.standing(at) {
                    Standing::Open { until, .. } => (true, until),
                    Standing::Closed { until, .. } => (false, until),
                };
                prop_assert_eq!(is_open, *expected, "at {}", at);
                prop_assert!(until.is_none_or(|until| until > at));
                if let Some((_, before)) = told.filter(|_| !changed) {
                    prop_assert_eq!(until, before, "asked again at {}", at);
                }
                told = Some((is_open, until));
            }
        }
    }
}

#[test]
fn what_is_too_far_away_is_refused() {
    for year in ["9999", "2200", "1969"] {
        let (from, to) = (format!("{year}-01-01T00:00"), format!("{year}-06-01T00:00"));
        let text = WindowText { from: Some(&from), to: Some(&to), ..WindowText::default() };
        assert!(text.read().is_err(), "{year}");
    }
    assert!(
        Windows { allow: vec![once("2199-12-01T00:00", "2199-12-31T00:00", "UTC")], deny: Vec::new() }.ever_opens()
    );
}

#[test]
fn an_override_is_for_what_was_closed_when_it_was_given_and_ends_with_it() {
    let (weekend, freeze) =
        (once("2026-11-21T00:00", "2026-11-23T08:00", "UTC"), once("2026-12-20T00:00", "2027-01-04T00:00", "UTC"));
    let strategy = Windows { allow: Vec::new(), deny: vec![weekend, freeze] };
    let windows = EnvironmentWindows { strategy, ..EnvironmentWindows::default() };
    let given = |at: &str| WindowOverride {
        proposed: ProposedSha::new("proposed-1").expect("an id"),
        by: "ada".into(),
        reason: "the shop is down".into(),
        at: time(at),
    };
    let counts = |at: &str, now: &str| windows.is_overridden(WindowSource::Strategy, &given(at), time(now));
    assert!(counts("2026-11-21T10:00:00Z", "2026-11-22T10:00:00Z"));
    assert!(!counts("2026-11-21T10:00:00Z", "2026-12-24T10:00:00Z"));
    assert!(!counts("2026-11-20T10:00:00Z", "2026-11-21T10:00:00Z"));
}
