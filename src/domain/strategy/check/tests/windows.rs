//! Mistakes in deployment windows.

use super::{HEADER, said};
use crate::domain::strategy::parse_strategies;

/// Returns a spec with the windows of prod, and perhaps more keys of its own.
fn spec(windows: &str, more: &str) -> String {
    format!(
        "  sources: [{{path: deploy}}]
  activeCommitStatuses: [{{key: health}}]
{more}  environments:
  - {{branch: env/dev}}
  - branch: env/prod
    windows:
{windows}"
    )
}

#[test]
fn windows_are_those_of_the_strategy_and_of_the_environment() {
    let more =
        "  windows: {deny: [{cron: \"0 18 * * FRI\", duration: 62h, timezone: Europe/Berlin, reason: weekend}]}\n";
    let own = "      allow: [{cron: 0 8 * * MON-FRI, duration: 9h}]\n      deny: [{from: 2026-12-20T00:00, to: \"2027-01-04 06:00\"}]\n";
    let files = parse_strategies(&[("hydromote.yaml", format!("{HEADER}spec:\n{}", spec(own, more)))]);
    let strategies = files[0].strategies.as_ref().expect("because the document is sound");
    let counts: Vec<_> = strategies[0]
        .environments
        .iter()
        .map(|e| (e.windows.strategy.allow.len(), e.windows.strategy.deny.len(), e.windows.server.is_empty()))
        .collect();
    assert_eq!(counts, [(0, 1, true), (1, 2, true)]);
}

#[test]
fn each_mistake_of_a_window_has_its_place() {
    let windows = "
      allow:
      - {cron: \"0 0 18 * * FRI\", duration: 1h}
      - {cron: 0 25 * * *, duration: 0s}
      - {cron: 0 8 * * *, duration: 400d}
      - {cron: 0 8 * * *}
      - {duration: 1h, timezone: Berlin}
      - {from: 2026-12-20T00:00, to: 2026-12-20T00:00}
      - {from: 2026-12-20, to: 2026-12-24T00:00Z}
      - {from: 2026-12-20T00:00}
      - {cron: 0 8 * * *, duration: 1h, from: 2026-12-20T00:00, to: 2026-12-21T00:00}
      - {}
      - {reason: \"because\", timezone: Mars/Olympus}
      deny: []
";
    insta::assert_snapshot!(said(&spec(windows, "")), @r#"
    error: `0 0 18 * * FRI` has 6 fields
      --> hydromote.yaml:13:16
       |
    13 |       - {cron: "0 0 18 * * FRI", duration: 1h}
       |                ^^^^^^^^^^^^^^^^
       = help: leave out the seconds or the year; a window begins with a minute
    error: `25` is no hour
      --> hydromote.yaml:14:16
       |
    14 |       - {cron: 0 25 * * *, duration: 0s}
       |                ^^^^^^^^^^
       = help: write a number from 0 to 23, `*`, or a list
    error: the window has no length
      --> hydromote.yaml:14:38
       |
    14 |       - {cron: 0 25 * * *, duration: 0s}
       |                                      ^^
       = help: write how long it is, such as `8h`, or remove it
    error: `400d` is not a duration
      --> hydromote.yaml:15:37
       |
    15 |       - {cron: 0 8 * * *, duration: 400d}
       |                                     ^^^^
       = help: write a number and a unit, such as `30m`, `8h`, `62h` or `2d`; at most a year
    error: the window does not say how long it is
      --> hydromote.yaml:16:16
       |
    16 |       - {cron: 0 8 * * *}
       |                ^^^^^^^^^
       = help: write `cron` and `duration` for one that comes again, `from` and `to` for one that comes once
    error: the window does not say when it begins
      --> hydromote.yaml:17:20
       |
    17 |       - {duration: 1h, timezone: Berlin}
       |                    ^^
       = help: write `cron` and `duration` for one that comes again, `from` and `to` for one that comes once
    error: `Berlin` is no time zone
      --> hydromote.yaml:17:34
       |
    17 |       - {duration: 1h, timezone: Berlin}
       |                                  ^^^^^^
       = help: did you mean `Europe/Berlin`?
    error: `2026-12-20T00:00` is not after `2026-12-20T00:00`
      --> hydromote.yaml:18:38
       |
    18 |       - {from: 2026-12-20T00:00, to: 2026-12-20T00:00}
       |                                      ^^^^^^^^^^^^^^^^
       = help: write a later time, or exchange the two
    error: `2026-12-20` is no local time
      --> hydromote.yaml:19:16
       |
    19 |       - {from: 2026-12-20, to: 2026-12-24T00:00Z}
       |                ^^^^^^^^^^
       = help: write it like `2026-12-20T18:00`, before the year 2200; the zone stands in `timezone`
    error: `2026-12-24T00:00Z` is no local time
      --> hydromote.yaml:19:32
       |
    19 |       - {from: 2026-12-20, to: 2026-12-24T00:00Z}
       |                                ^^^^^^^^^^^^^^^^^
       = help: write it like `2026-12-20T18:00`, before the year 2200; the zone stands in `timezone`
    error: the window does not say when it ends
      --> hydromote.yaml:20:16
       |
    20 |       - {from: 2026-12-20T00:00}
       |                ^^^^^^^^^^^^^^^^
       = help: write `cron` and `duration` for one that comes again, `from` and `to` for one that comes once
    error: the window both comes again and comes once
      --> hydromote.yaml:21:47
       |
    21 |       - {cron: 0 8 * * *, duration: 1h, from: 2026-12-20T00:00, to: 2026-12-21T00:00}
       |                                               ^^^^^^^^^^^^^^^^
       = help: write `cron` and `duration` for one that comes again, `from` and `to` for one that comes once
    error: the window does not say when it is
      --> hydromote.yaml:22:9
       |
    22 |       - {}
       |         ^
       = help: write `cron` and `duration` for one that comes again, `from` and `to` for one that comes once
    error: the window does not say when it is
      --> hydromote.yaml:23:9
       |
    23 |       - {reason: "because", timezone: Mars/Olympus}
       |         ^
       = help: write `cron` and `duration` for one that comes again, `from` and `to` for one that comes once
    error: `Mars/Olympus` is no time zone
      --> hydromote.yaml:23:39
       |
    23 |       - {reason: "because", timezone: Mars/Olympus}
       |                                       ^^^^^^^^^^^^
       = help: write a name of the IANA database, such as `Europe/Berlin`; the default is `UTC`
    error: `deny` lists no window
      --> hydromote.yaml:24:7
       |
    24 |       deny: []
       |       ^^^^
       = help: list at least one, or remove `deny`
    "#);
}

#[test]
fn an_entry_that_is_no_window_is_refused() {
    insta::assert_snapshot!(said(&spec("      deny: [weekend]", "")), @"
    error: a map belongs here
      --> hydromote.yaml:11:14
       |
    11 |       deny: [weekend]
       |              ^^^^^^^
       = help: write `key: value` pairs
    ");
    insta::assert_snapshot!(said(&spec("      deny:\n      -", "")), @"
    error: a map belongs here
      --> hydromote.yaml:12:8
       |
    12 |       -
       |        ^
       = help: write `key: value` pairs
    ");
    insta::assert_snapshot!(said(&spec("      deny: [{cron: 0 8 * * *, duration: 1h, tz: UTC}]", "")), @"
    error: `tz` is not a field here
      --> hydromote.yaml:11:46
       |
    11 |       deny: [{cron: 0 8 * * *, duration: 1h, tz: UTC}]
       |                                              ^^
       = help: did you mean `to`?
    ");
}

#[test]
fn windows_that_never_open_are_a_mistake_where_they_are_listed() {
    let covered = "      allow: [{cron: 0 9 * * SAT, duration: 1h}]\n      deny: [{cron: 0 18 * * FRI, duration: 62h}]";
    insta::assert_snapshot!(said(&spec(covered, "")), @"
    error: the windows never open: what denies covers all that allows
      --> hydromote.yaml:12:7
       |
    12 |       deny: [{cron: 0 18 * * FRI, duration: 62h}]
       |       ^^^^
       = help: shorten a window of `deny`, or add one to `allow` at another time
    ");
    let always = "  windows: {deny: [{cron: \"0 * * * *\", duration: 1h}]}\n";
    insta::assert_snapshot!(said(&spec("      allow: [{cron: 0 9 * * SAT, duration: 1h}]", always)), @r#"
    error: the windows never open: what denies covers all that allows
     --> hydromote.yaml:7:13
      |
    7 |   windows: {deny: [{cron: "0 * * * *", duration: 1h}]}
      |             ^^^^
      = help: shorten a window of `deny`, or add one to `allow` at another time
    "#);
    let more = "  windows: {allow: [{cron: 0 9 * * SAT, duration: 1h}]}\n";
    insta::assert_snapshot!(said(&spec("      deny: [{cron: 0 18 * * FRI, duration: 62h}]", more)), @"
    error: the windows never open: what denies covers all that allows
      --> hydromote.yaml:12:7
       |
    12 |       deny: [{cron: 0 18 * * FRI, duration: 62h}]
       |       ^^^^
       = help: shorten a window of `deny`, or add one to `allow` at another time
    ");
}

#[test]
fn a_window_that_is_over_is_a_warning_from_then_on() {
    let windows = "      deny: [{from: 2026-12-20T00:00, to: 2027-01-04T06:00, timezone: Europe/Berlin}]";
    let files = parse_strategies(&[("hydromote.yaml", format!("{HEADER}spec:\n{}", spec(windows, "")))]);
    let told = |now: &str| {
        let warnings = files[0].warnings_at(now.parse().expect("a time"));
        warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(told("2027-01-04T04:59:59Z"), "");
    insta::assert_snapshot!(told("2027-01-04T05:00:00Z"), @"
    warning: the window is over since 2027-01-04T06:00
      --> hydromote.yaml:11:43
       |
    11 |       deny: [{from: 2026-12-20T00:00, to: 2027-01-04T06:00, timezone: Europe/Berlin}]
       |                                           ^^^^^^^^^^^^^^^^
       = help: remove it, or correct its times
    ");
}
