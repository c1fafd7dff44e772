//! When a window begins: the five fields of crontab, on the local calendar.
//!
//! Days and minutes are matched as people read them on a wall; what that means where clocks are
//! changed is not decided here. See `docs/decisions/006-windows-match-local-minutes.md` for why
//! this is no library.

use std::fmt;

use jiff::civil::{Date, date};

/// A cron expression of five fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    text: String,
    /// Minutes of the day at which it begins, ascending, never empty.
    minutes: Vec<u16>,
    days: Set,
    months: Set,
    weekdays: Set,
    /// Whether a day counts when either of its fields matches: neither begins with `*`.
    either_day: bool,
}

/// What is wrong with an expression, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronMistake {
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: String,
}

/// Numbers from 0 to 63.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Set(u64);

/// One of the five fields.
struct Field {
    name: &'static str,
    least: u8,
    most: u8,
    /// Names of its numbers, from the least on.
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", least: 0, most: 59, names: &[] },
    Field { name: "hour", least: 0, most: 23, names: &[] },
    Field { name: "day of the month", least: 1, most: 31, names: &[] },
    Field {
        name: "month",
        least: 1,
        most: 12,
        names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
    },
    // Sunday is 0 and 7.
    Field { name: "day of the week", least: 0, most: 7, names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"] },
];

/// Longer expressions are refused.
const LONGEST: usize = 200;

/// What a whole expression looks like.
const EXAMPLE: &str =
    "write five fields, minute, hour, day of the month, month and day of the week, such as `0 18 * * FRI`";

impl Cron {
    /// Reads an expression.
    ///
    /// # Errors
    /// With the first field that is wrong.
    pub fn parse(text: &str) -> Result<Self, CronMistake> {
        let wrong = |message: String, help: &str| Err(CronMistake { message, help: help.to_owned() });
        if text.len() > LONGEST {
            return wrong(
                format!("the cron expression has {} characters; at most {LONGEST} are read", text.len()),
                EXAMPLE,
            );
        }
        if text.trim_start().starts_with('@') {
            return wrong(format!("`{text}` is a nickname, which not every cron knows"), EXAMPLE);
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = words.as_slice() else {
            let message = format!("`{text}` has {} fields", words.len());
            let help = if words.len() == 6 {
                "leave out the seconds or the year; a window begins with a minute"
            } else {
                EXAMPLE
            };
            return wrong(message, help);
        };
        let [minutes, hours, days, months, mut weekdays] = [
            FIELDS[0].read(minute)?,
            FIELDS[1].read(hour)?,
            FIELDS[2].read(day)?,
            FIELDS[3].read(month)?,
            FIELDS[4].read(weekday)?,
        ];
        if weekdays.contains(7) {
            weekdays.insert(0);
        }
        let of_hour = |hour: u8| (0..60).filter(|minute| minutes.contains(*minute)).map(move |m| (hour, m));
        let cron = Self {
            text: words.join(" "),
            minutes: (0..24)
                .filter(|hour| hours.contains(*hour))
                .flat_map(of_hour)
                .map(|(hour, minute)| u16::from(hour) * 60 + u16::from(minute))
                .collect(),
            days,
            months,
            weekdays,
            either_day: !day.starts_with('*') && !weekday.starts_with('*'),
        };
        if !cron.ever_matches() {
            return wrong(
                format!("`{text}` names a day that no year has"),
                "correct the day of the month or the month",
            );
        }
        Ok(cron)
    }

    /// Says whether it begins on a day.
    pub fn matches_day(&self, day: Date) -> bool {
        let of_month = self.days.contains(number(day.day()));
        let of_week = self.weekdays.contains(number(day.weekday().to_sunday_zero_offset()));
        let is_day = if self.either_day { of_month || of_week } else { of_month && of_week };
        is_day && self.months.contains(number(day.month()))
    }

    /// Returns the minutes of a day at which it begins, ascending.
    pub fn minutes(&self) -> &[u16] {
        &self.minutes
    }

    /// Says whether it begins every day.
    pub fn is_daily(&self) -> bool {
        let every = |set: Set, field: &Field| {
            (field.least..=field.most.min(31)).all(|n| set.contains(n) || n == 7 && field.most == 7)
        };
        let (days, weekdays) = (every(self.days, &FIELDS[2]), every(self.weekdays, &FIELDS[4]));
        let all_days = if self.either_day { days || weekdays } else { days && weekdays };
        all_days && every(self.months, &FIELDS[3])
    }

    /// Returns the most minutes from one beginning to the next when it begins every day.
    pub fn longest_pause(&self) -> u16 {
        let (first, last) = (self.minutes.first().copied().unwrap_or(0), self.minutes.last().copied().unwrap_or(0));
        let within = self.minutes.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
        within.max(24 * 60 - last + first)
    }

    /// Says whether any day matches. The calendar repeats itself after 28 years between 1901 and 2099.
    fn ever_matches(&self) -> bool {
        let first = date(2024, 1, 1);
        (0..28 * 366).any(|days| first.checked_add(jiff::Span::new().days(days)).is_ok_and(|day| self.matches_day(day)))
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Set {
    fn contains(self, number: u8) -> bool {
        self.0 & (1 << number) != 0
    }

    fn insert(&mut self, number: u8) {
        self.0 |= 1 << number;
    }
}

impl Field {
    /// Reads a list of numbers, ranges and steps.
    fn read(&self, text: &str) -> Result<Set, CronMistake> {
        let mut set = Set(0);
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                None => (part, None),
                Some((range, step)) => (range, Some(step)),
            };
            let (from, to) = match range.split_once('-') {
                _ if range == "*" => (self.least, self.most),
                Some((from, to)) => (self.number(from, part)?, self.number(to, part)?),
                None if step.is_some() => {
                    let message = format!("`{part}` has a step and no range");
                    return Err(CronMistake { message, help: format!("write `{range}-{}/N` or `*/N`", self.most) });
                }
                None => {
                    let number = self.number(range, part)?;
                    (number, number)
                }
            };
            if from > to {
                let message = format!("`{part}` ends before it begins");
                let help = format!(
                    "write two ranges, such as `{range_from}-{},{}-{range_to}`",
                    self.most_name(),
                    self.least_name(),
                    range_from = range.split('-').next().unwrap_or_default(),
                    range_to = range.rsplit('-').next().unwrap_or_default()
                );
                return Err(CronMistake { message, help });
            }
            let step = match step.map(str::parse::<u8>) {
                None => 1,
                Some(Ok(step)) if step > 0 => step,
                Some(_) => {
                    let message = format!("`{part}` has a step that is no number of at least 1");
                    return Err(CronMistake { message, help: "write it like `*/15`".to_owned() });
                }
            };
            (from..=to).step_by(usize::from(step)).for_each(|number| set.insert(number));
        }
        Ok(set)
    }

    /// Reads one number or name; `part` is what it stands in.
    fn number(&self, text: &str, part: &str) -> Result<u8, CronMistake> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = match named {
            Some(index) => u8::try_from(index).ok().map(|index| index + self.least),
            None if is_number => text.parse().ok(),
            None => None,
        };
        number.filter(|number| (self.least..=self.most).contains(number)).ok_or_else(|| {
            let message = match part {
                "" => format!("a {} is missing in the list", self.name),
                part if text.is_empty() => format!("a {} is missing in `{part}`", self.name),
                part if part == text => format!("`{text}` is no {}", self.name),
                part => format!("`{text}` in `{part}` is no {}", self.name),
            };
            let names = match self.names {
                [] => String::new(),
                [first, .., last] => format!(", or {first} to {last}"),
                [only] => format!(", or {only}"),
            };
            CronMistake {
                message,
                help: format!("write a number from {} to {}{names}, `*`, or a list", self.least, self.most),
            }
        })
    }

    fn least_name(&self) -> String {
        self.names.first().map_or_else(|| self.least.to_string(), |name| (*name).to_owned())
    }

    fn most_name(&self) -> String {
        self.names.last().map_or_else(|| self.most.to_string(), |name| (*name).to_owned())
    }
}

/// Returns a day, month or weekday as fields count them.
fn number(number: i8) -> u8 {
    u8::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        Cron::parse(text).err().map_or_else(|| "right".to_owned(), |m| format!("{} = {}", m.message, m.help))
    }

    fn days(text: &str, month: i8) -> Vec<i8> {
        let cron = Cron::parse(text).expect("an expression");
        let first = date(2026, month, 1);
        first
            .series(jiff::Span::new().days(1))
            .take_while(|d| d.month() == month)
            .filter(|d| cron.matches_day(*d))
            .map(|d| d.day())
            .collect()
    }

    #[test]
    fn days_of_the_month_and_of_the_week_are_matched_as_crontab_does() {
        assert_eq!(days("0 18 * * FRI", 3), [6, 13, 20, 27]);
        assert_eq!(days("0 0 1,15 * *", 3), [1, 15]);
        // Both fields are given: either of them will do.
        assert_eq!(days("0 0 2 * MON", 3), [2, 9, 16, 23, 30]);
        // One begins with `*`: both must match.
        assert_eq!(days("0 0 */7 * SUN", 3), [1, 8, 15, 22, 29]);
        assert_eq!(days("0 0 * 3 0,7", 3), days("0 0 * * sun", 3));
        assert_eq!(days("0 0 29 feb *", 2), Vec::<i8>::new());
        assert_eq!(days("* * 30-31 * *", 3), [30, 31]);
    }

    #[test]
    fn minutes_are_those_of_every_hour_that_is_named() {
        let minutes = |text: &str| Cron::parse(text).expect("an expression").minutes().to_vec();
        assert_eq!(minutes("30 9,12-14 * * *"), [570, 750, 810, 870]);
        assert_eq!(minutes("*/20 23 * * *"), [1380, 1400, 1420]);
        assert_eq!(minutes("5-20/10 0 * * *"), [5, 15]);
        assert_eq!(minutes("* * * * *").len(), 1440);
    }

    #[test]
    fn what_begins_every_day_is_known_with_its_longest_pause() {
        let pause = |text: &str| {
            let cron = Cron::parse(text).expect("an expression");
            cron.is_daily().then(|| cron.longest_pause())
        };
        assert_eq!(pause("0 * * * *"), Some(60));
        assert_eq!(pause("0 8,18 * * *"), Some(14 * 60));
        assert_eq!(pause("0 8 * * 1-7"), Some(24 * 60));
        assert_eq!(pause("0 8 1 * 0-6"), Some(24 * 60));
        assert_eq!(pause("0 8 * * MON-FRI"), None);
        assert_eq!(pause("0 8 1-30 * *"), None);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_field() {
        let wrong = [
            "0 18 * *",
            "0 0 18 * * FRI",
            "60 * * * *",
            "0 25 * * *",
            "0 0 0 * *",
            "0 0 * MON *",
            "0 0 * * FRI-MON",
            "5/10 * * * *",
            "*/0 * * * *",
            "1,,2 * * * *",
            "@daily",
            "0 0 30 2 *",
            "0 0 L * *",
            "",
            "1- * * * *",
            "-1 * * * *",
        ];
        insta::assert_snapshot!(wrong.map(|text| format!("{text}: {}", told(text))).join("\n"), @"
        0 18 * *: `0 18 * *` has 4 fields = write five fields, minute, hour, day of the month, month and day of the week, such as `0 18 * * FRI`
        0 0 18 * * FRI: `0 0 18 * * FRI` has 6 fields = leave out the seconds or the year; a window begins with a minute
        60 * * * *: `60` is no minute = write a number from 0 to 59, `*`, or a list
        0 25 * * *: `25` is no hour = write a number from 0 to 23, `*`, or a list
        0 0 0 * *: `0` is no day of the month = write a number from 1 to 31, `*`, or a list
        0 0 * MON *: `MON` is no month = write a number from 1 to 12, or JAN to DEC, `*`, or a list
        0 0 * * FRI-MON: `FRI-MON` ends before it begins = write two ranges, such as `FRI-SAT,SUN-MON`
        5/10 * * * *: `5/10` has a step and no range = write `5-59/N` or `*/N`
        */0 * * * *: `*/0` has a step that is no number of at least 1 = write it like `*/15`
        1,,2 * * * *: a minute is missing in the list = write a number from 0 to 59, `*`, or a list
        @daily: `@daily` is a nickname, which not every cron knows = write five fields, minute, hour, day of the month, month and day of the week, such as `0 18 * * FRI`
        0 0 30 2 *: `0 0 30 2 *` names a day that no year has = correct the day of the month or the month
        0 0 L * *: `L` is no day of the month = write a number from 1 to 31, `*`, or a list
        : `` has 0 fields = write five fields, minute, hour, day of the month, month and day of the week, such as `0 18 * * FRI`
        1- * * * *: a minute is missing in `1-` = write a number from 0 to 59, `*`, or a list
        -1 * * * *: a minute is missing in `-1` = write a number from 0 to 59, `*`, or a list
        ");
        assert!(told(&"1,".repeat(1_000)).contains("at most 200"));
        assert_eq!(told(" 0  18 * *\tFri "), "right");
    }
}
