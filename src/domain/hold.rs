//! Holds: a place is stopped, by a person or with a rollback.
//!
//! - `strict` stops everything; only a person or its expiry ends it. An expiry turns it into `next`.
//! - `next` stops nothing that is newer than [`Hold::through`], and ends when the place takes such a
//!   dry SHA.
//! - What a hold says stands on the forge, in one commit status of ours on the active head, before
//!   anything follows from it; so it can be read back when the store is lost.

use std::{collections::BTreeSet, fmt};

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use serde::{Deserialize, Serialize};

use super::{
    gate::clock,
    ids::{DrySha, RootName},
    line::DryLine,
    snapshot::PostedStatus,
    status::{CommitStatus, StatusState},
};

/// The fewest characters of a dry SHA in the status: enough to name one commit, few enough for a reason beside it.
const SHA_LENGTH: usize = 16;

/// The most characters of roots in the status.
const ROOTS_LENGTH: usize = 30;

/// What ends the number of roots that are not named; no folder ends so.
const UNNAMED: char = '/';

/// What begins the description once a person has taken a hold, and what rollbacks blocked, back.
const RELEASED: &str = "Released by ";

/// A place is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// What it stops.
    pub rule: HoldRule,
    /// Whose hold it is.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub at: Timestamp,
    /// When a `strict` one turns into `next`.
    pub expires_at: Option<Timestamp>,
    /// What the place had taken: only what is newer ends a `next` hold.
    pub through: Option<DrySha>,
    /// The dry SHA whose content a rollback restores, for the hold of a rollback.
    pub target: Option<DrySha>,
    /// The roots that it restores; all that differ when there are none.
    #[serde(default)]
    pub roots: BTreeSet<RootName>,
}

/// What a hold stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HoldRule {
    /// Nothing that is newer than what was taken: it ends by itself.
    Next,
    /// Everything.
    Strict,
}

/// What a status of ours on the active branch says of a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldMark {
    /// It is in force.
    Held(Box<Hold>),
    /// It ended by itself; what rollbacks blocked stays blocked.
    Ended,
    /// A person took it back, and what rollbacks blocked with it.
    Released,
}

impl HoldRule {
    /// Returns the word used in statuses and trailers.
    pub fn word(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Strict => "strict",
        }
    }

    /// Returns the rule of a word.
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Next, Self::Strict].into_iter().find(|rule| rule.word() == word)
    }
}

impl Hold {
    /// Returns what it stops at `now`.
    pub fn rule_at(&self, now: Timestamp) -> HoldRule {
        match self.expires_at {
            Some(expiry) if expiry <= now => HoldRule::Next,
            _ => self.rule,
        }
    }

    /// Says whether everything is stopped at `now`.
    pub fn stops_everything(&self, now: Timestamp) -> bool {
        self.rule_at(now) == HoldRule::Strict
    }

    /// Returns the status that stands on the active head while it is in force.
    pub fn status(&self) -> PostedStatus {
        let rule = self.rule.word();
        let sha = |word: &str, sha: &Option<DrySha>| {
            sha.as_ref().map(|sha| format!(" {word} {}", beginning(sha.as_str()))).unwrap_or_default()
        };
        let until = self.expires_at.map(|at| format!(" until {}", whole_second(at))).unwrap_or_default();
        let text = format!(
            "{rule}{}{}{}{until} by {}: {}",
            sha("from", &self.through),
            sha("to", &self.target),
            self.only(),
            self.by.replace(": ", " "),
            self.reason
        );
        PostedStatus::new(StatusState::Pending, &text)
    }

    /// Returns which roots a rollback restores, or how many where they do not fit beside the rest.
    fn only(&self) -> String {
        let names: Vec<&str> = self.roots.iter().map(RootName::as_str).collect();
        let text = names.join(",");
        match names.len() {
            0 => String::new(),
            _ if text.len() <= ROOTS_LENGTH && !names.iter().any(|name| name.contains([' ', ','])) => {
                format!(" only {text}")
            }
            many => format!(" only {many}{UNNAMED}"),
        }
    }

    /// Returns the status of a hold that ended by itself.
    pub fn ended(reason: &str) -> PostedStatus {
        PostedStatus::new(StatusState::Success, &format!("Ended: {reason}"))
    }

    /// Returns the status of a hold that a person took back.
    pub fn released(by: &str) -> PostedStatus {
        PostedStatus::new(StatusState::Success, &format!("{RELEASED}{by}"))
    }
}

impl HoldMark {
    /// Reads what a status of ours says; nothing when it is not one of those above.
    ///
    /// The dry SHAs are found by their beginnings among `known` and on `line`.
    pub fn read(status: &CommitStatus, line: &DryLine, known: &[&DrySha]) -> Option<Self> {
        match status.state {
            StatusState::Success if status.description.starts_with(RELEASED) => Some(Self::Released),
            StatusState::Success => Some(Self::Ended),
            StatusState::Pending => {
                read_hold(&status.description, status.reported_at, line, known).map(|hold| Self::Held(Box::new(hold)))
            }
            StatusState::Failure | StatusState::Error => None,
        }
    }
}

fn read_hold(text: &str, at: Timestamp, line: &DryLine, known: &[&DrySha]) -> Option<Hold> {
    // A name that was cut ends the text.
    let (head, reason) = text.split_once(": ").unwrap_or((text.trim_end_matches(":"), ""));
    let (conditions, by) = head.split_once(" by ")?;
    let mut words = conditions.split(' ');
    let rule = HoldRule::of_word(words.next()?)?;
    let find = |beginning: &str| {
        let whole = known.iter().copied().find(|sha| sha.as_str() == beginning);
        let among_known = whole.or_else(|| known.iter().copied().find(|sha| sha.as_str().starts_with(beginning)));
        among_known.or_else(|| line.beginning_with(beginning)).cloned()
    };
    let mut hold = Hold {
        rule,
        by: by.to_owned(),
        reason: reason.to_owned(),
        at,
        expires_at: None,
        through: None,
        target: None,
        roots: BTreeSet::new(),
    };
    let mut unknown_roots = false;
    while let (Some(word), Some(value)) = (words.next(), words.next()) {
        match word {
            "from" => hold.through = find(value),
            "to" => hold.target = find(value),
            "only" if value.ends_with(UNNAMED) => unknown_roots = true,
            "only" => hold.roots = value.split(',').filter_map(|root| RootName::new(root).ok()).collect(),
            "until" => hold.expires_at = value.parse().ok(),
            _ => return None,
        }
    }
    if unknown_roots {
        // What was to go back is not known any more: a person must say it again.
        (hold.rule, hold.target) = (HoldRule::Strict, None);
    }
    Some(hold)
}

fn whole_second(at: Timestamp) -> Timestamp {
    at.round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Ceil)).unwrap_or(at)
}

fn beginning(sha: &str) -> &str {
    sha.get(..SHA_LENGTH).unwrap_or(sha)
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.target, self.expires_at) {
            (Some(_), _) if self.rule == HoldRule::Next => write!(f, "{} rolled it back", self.by)?,
            (Some(_), _) => write!(f, "{} rolled it back and holds it", self.by)?,
            (None, None) => write!(f, "{} holds it", self.by)?,
            (None, Some(until)) => write!(f, "{} holds it until {}", self.by, clock(until))?,
        }
        if self.reason.is_empty() { Ok(()) } else { write!(f, ": {}", self.reason) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ids::StatusKey, status::StatusSource};

    fn dry(name: &str) -> DrySha {
        DrySha::new(name).expect("a word")
    }

    fn hold() -> Hold {
        Hold {
            rule: HoldRule::Strict,
            by: "ada".into(),
            reason: "incident: checkout is down".into(),
            at: Timestamp::from_second(100).expect("a time"),
            expires_at: Some(Timestamp::from_second(700).expect("a time")),
            through: Some(dry("0123456789abcdef0123456789abcdef01234567")),
            target: None,
            roots: BTreeSet::new(),
        }
    }

    fn reported(status: &PostedStatus) -> CommitStatus {
        CommitStatus {
            key: StatusKey::new("hydromote/hold/dev").expect("a key"),
            state: status.state,
            source: StatusSource::Status,
            reported_at: Timestamp::from_second(100).expect("a time"),
            id: 1,
            description: status.description.clone(),
            creator: Some(1),
            reporter: None,
        }
    }

    #[test]
    fn a_hold_is_read_back_from_its_status() {
        let line = DryLine::new(vec![dry("0123456789abcdef0123456789abcdef01234567"), dry("dry-2")], []);
        let strict = hold();
        insta::assert_snapshot!(strict.status().description, @"strict from 0123456789abcdef until 1970-01-01T00:11:40Z by ada: incident: checkout is down");
        let rollback = Hold {
            rule: HoldRule::Next,
            expires_at: None,
            through: Some(dry("dry-2")),
            target: Some(dry("dry-1")),
            ..hold()
        };
        insta::assert_snapshot!(rollback.status().description, @"next from dry-2 to dry-1 by ada: incident: checkout is down");
        for hold in [strict, rollback] {
            let mark = HoldMark::read(&reported(&hold.status()), &line, &[&dry("dry-1")]);
            assert_eq!(mark, Some(HoldMark::Held(Box::new(hold))));
        }
        assert_eq!(HoldMark::read(&reported(&Hold::ended("taken")), &line, &[]), Some(HoldMark::Ended));
        assert_eq!(HoldMark::read(&reported(&Hold::released("ada")), &line, &[]), Some(HoldMark::Released));
    }

    #[test]
    fn an_end_that_is_read_back_is_never_earlier() {
        let at = |millis| Timestamp::from_millisecond(millis).expect("a time");
        for (end, read_back) in [(700_000, 700_000), (700_001, 701_000), (700_999, 701_000)] {
            let hold = Hold { expires_at: Some(at(end)), ..hold() };
            let Some(HoldMark::Held(read)) = HoldMark::read(&reported(&hold.status()), &DryLine::default(), &[]) else {
                panic!("it is read back");
            };
            assert_eq!(read.expires_at, Some(at(read_back)));
        }
    }

    #[test]
    fn a_long_name_or_reason_never_costs_what_the_hold_says() {
        let line = DryLine::new(vec![dry("0123456789abcdef0123456789abcdef01234567")], []);
        let long = Hold { by: "n".repeat(80), reason: "r".repeat(300), target: Some(dry("dry-1")), ..hold() };
        let Some(HoldMark::Held(read)) = HoldMark::read(&reported(&long.status()), &line, &[&dry("dry-1")]) else {
            panic!("it is read back");
        };
        assert_eq!((read.rule, &read.through, &read.target), (long.rule, &long.through, &long.target));
        let unending = Hold { by: "n".repeat(300), ..long };
        assert!(HoldMark::read(&reported(&unending.status()), &line, &[]).is_some(), "a cut name ends the text");
    }

    #[test]
    fn which_roots_go_back_is_read_back_and_where_that_is_not_known_a_person_is_asked() {
        let line = DryLine::new(vec![dry("dry-2")], []);
        let roots = |names: &[&str]| names.iter().map(|name| RootName::new(*name).expect("a folder")).collect();
        let hold = Hold {
            rule: HoldRule::Next,
            expires_at: None,
            through: Some(dry("dry-2")),
            target: Some(dry("dry-1")),
            roots: roots(&["apps/web", "api"]),
            ..hold()
        };
        insta::assert_snapshot!(hold.status().description, @"next from dry-2 to dry-1 only api,apps/web by ada: incident: checkout is down");
        let read = |hold: &Hold| HoldMark::read(&reported(&hold.status()), &line, &[&dry("dry-1")]);
        assert_eq!(read(&hold), Some(HoldMark::Held(Box::new(hold.clone()))));
        for names in [["a root", "spaces"], ["a,b", "c"], ["a-root-with-a-very-long-name", "another"]] {
            let hold = Hold { roots: roots(&names), ..hold.clone() };
            let Some(HoldMark::Held(read)) = read(&hold) else { panic!("{} is read back", hold.status().description) };
            assert_eq!((read.rule, read.target), (HoldRule::Strict, None));
        }
    }

    #[test]
    fn an_expiry_turns_strict_into_next() {
        let hold = hold();
        let at = |second| Timestamp::from_second(second).expect("a time");
        assert_eq!((hold.rule_at(at(699)), hold.rule_at(at(700))), (HoldRule::Strict, HoldRule::Next));
    }
}
