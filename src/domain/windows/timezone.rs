//! Time zones by their IANA names, from the data that is part of the program: what a window means
//! depends on no file of the machine.

use std::sync::LazyLock;

use jiff::{
    Timestamp,
    civil::DateTime,
    tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase},
};

use crate::domain::strategy::nearest::nearest;

static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// Returns the time zone of that name.
pub(super) fn timezone(name: &str) -> Option<TimeZone> {
    DATABASE.get(name).ok().filter(|zone| zone.iana_name().is_some() || *zone == TimeZone::UTC)
}

/// Returns the name that was probably meant: one that ends so, or the nearest.
pub(super) fn nearest_timezone(text: &str) -> Option<String> {
    let known: Vec<String> = DATABASE.available().map(|name| name.as_str().to_owned()).collect();
    let place = text.replace(' ', "_");
    let ends_so = |name: &&String| name.rsplit('/').next().is_some_and(|last| last.eq_ignore_ascii_case(&place));
    let names: Vec<&str> = known.iter().map(String::as_str).collect();
    known.iter().find(ends_so).cloned().or_else(|| nearest(&place, &names).map(str::to_owned))
}

/// Returns the instant of a local time: the first one where clocks show it twice, the end of the gap
/// where they never show it.
pub(super) fn instant(zone: &TimeZone, local: DateTime) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
            offset.to_timestamp(local).ok()
        }
        AmbiguousOffset::Gap { before, after } => {
            let (early, late) = (after.to_timestamp(local).ok()?, before.to_timestamp(local).ok()?);
            let end = zone.following(early).take_while(|t| t.timestamp() <= late).find(|t| t.offset() == after);
            Some(end.map_or(late, |transition| transition.timestamp()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(zone: &str, local: &str) -> String {
        let zone = timezone(zone).expect("a zone");
        instant(&zone, local.parse().expect("a time")).expect("in range").to_string()
    }

    #[test]
    fn a_local_time_is_the_first_instant_or_the_end_of_the_gap() {
        assert_eq!(at("Europe/Berlin", "2026-03-28T02:30"), "2026-03-28T01:30:00Z");
        assert_eq!(at("Europe/Berlin", "2026-03-29T02:30"), "2026-03-29T01:00:00Z");
        assert_eq!(at("Europe/Berlin", "2026-10-25T02:30"), "2026-10-25T00:30:00Z");
        // Midnight itself does not exist.
        assert_eq!(at("America/Asuncion", "2023-10-01T00:00"), "2023-10-01T04:00:00Z");
        // Half an hour, and a day that an island left out.
        assert_eq!(at("Australia/Lord_Howe", "2026-10-04T02:15"), "2026-10-03T15:30:00Z");
        assert_eq!(at("Pacific/Apia", "2011-12-30T12:00"), "2011-12-30T10:00:00Z");
        assert_eq!(at("UTC", "2026-03-29T02:30"), "2026-03-29T02:30:00Z");
    }

    #[test]
    fn a_name_with_a_slip_is_found() {
        assert!(timezone("europe/berlin").is_some());
        assert_eq!(timezone("Berlin"), None);
        assert_eq!(nearest_timezone("Berlin").as_deref(), Some("Europe/Berlin"));
        assert_eq!(nearest_timezone("Europe/Berlni").as_deref(), Some("Europe/Berlin"));
        assert_eq!(nearest_timezone("new york").as_deref(), Some("America/New_York"));
        assert_eq!(nearest_timezone("nowhere at all, not even near"), None);
        assert!(timezone("UTC").is_some() && timezone("Etc/UTC").is_some());
    }
}
