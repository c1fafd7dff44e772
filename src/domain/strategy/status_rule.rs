//! What a gate asks of commit statuses.

use std::num::NonZeroU32;

use jiff::SignedDuration;

use super::key_pattern::KeyPattern;
use crate::domain::{
    ids::StatusKey,
    snapshot::RunRoot,
    status::{CommitStatus, Reporter},
};

/// The label that every root has whose labels are known.
const ENVIRONMENT: &str = "environment";

/// A commit status that a gate waits for, or several under one pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusRule {
    /// The key as it was written, with the labels of the environment in their places: the name of the rule.
    pub key: StatusKey,
    /// Which keys are meant.
    pub pattern: KeyPattern,
    /// Of which roots it is asked, when its key has labels of theirs.
    pub scope: StatusScope,
    /// Who has to report it; anybody who may when there is none.
    pub from: Option<Reporter>,
    /// How many of the keys that match must have succeeded; all that were reported, and one at least, when there is none.
    pub at_least: Option<NonZeroU32>,
    /// How long success must stand before it counts.
    pub settle: SignedDuration,
    /// After how long of waiting people are told.
    pub deadline: Option<SignedDuration>,
}

/// Of which roots a key with labels is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StatusScope {
    /// Of each.
    #[default]
    All,
    /// Of those whose rendering is not what was verified here before.
    Changed,
}

/// One thing that a rule asks: of the whole, or of one root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask<'a> {
    /// The keys that are meant.
    pub pattern: KeyPattern,
    /// The root that it is asked of.
    pub root: Option<&'a RunRoot>,
}

/// What a rule asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked<'a> {
    /// These; nothing when there are none.
    These(Vec<Ask<'a>>),
    /// The labels of some root are not known, so neither is what is asked of it.
    Unknown,
}

impl StatusRule {
    /// Returns the rule that asks for one key, and nothing else of it.
    pub fn of(key: StatusKey) -> Self {
        Self {
            pattern: KeyPattern::exactly(&key),
            key,
            scope: StatusScope::All,
            from: None,
            at_least: None,
            settle: SignedDuration::ZERO,
            deadline: None,
        }
    }

    /// Returns what is asked of something that holds these roots.
    ///
    /// A root that has none of the labels in the key is not asked about; roots of one name are asked about once each.
    pub fn asked<'a>(&self, roots: &'a [RunRoot]) -> Asked<'a> {
        if self.pattern.labels().next().is_none() {
            return Asked::These(vec![Ask { pattern: self.pattern.clone(), root: None }]);
        }
        let known = |root: &RunRoot| root.labels.contains_key(ENVIRONMENT);
        if roots.is_empty() || !roots.iter().all(known) {
            return Asked::Unknown;
        }
        let is_meant = |root: &&RunRoot| root.changed || self.scope == StatusScope::All;
        let ask = |root: &'a RunRoot| {
            let pattern = self.pattern.bind(|label| root.labels.get(label).map(String::as_str));
            let is_whole = pattern.labels().next().is_none();
            is_whole.then_some(Ask { pattern, root: Some(root) })
        };
        Asked::These(roots.iter().filter(is_meant).filter_map(ask).collect())
    }

    /// Says whether a status is by whom the rule asks.
    pub fn is_from(&self, status: &CommitStatus) -> bool {
        match (&self.from, &status.reporter) {
            (None, _) => true,
            (Some(Reporter::Account(wanted)), Some(Reporter::Account(login))) => wanted.eq_ignore_ascii_case(login),
            (Some(wanted), Some(reporter)) => wanted == reporter,
            (Some(_), None) => false,
        }
    }

    /// Says whether a status is one that the rule counts for something that holds these roots.
    pub fn counts(&self, status: &CommitStatus, roots: &[RunRoot]) -> bool {
        match self.asked(roots) {
            Asked::These(asks) => self.is_from(status) && asks.iter().any(|ask| ask.pattern.matches(&status.key)),
            Asked::Unknown => false,
        }
    }

    /// Says whether the rule asks for less than `before`.
    pub fn asks_less_than(&self, before: &Self) -> bool {
        let fewer = match (before.at_least, self.at_least) {
            (Some(before), Some(after)) => after < before,
            (None, after) => after.is_some() && before.pattern.has_stars(),
            (Some(_), None) => false,
        };
        fewer
            || (before.from.is_some() && self.from != before.from)
            || (before.scope == StatusScope::All && self.scope == StatusScope::Changed)
    }
}
