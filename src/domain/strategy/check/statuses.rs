//! The commit statuses that gates wait for.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::{environments::duration, identifier};
use crate::domain::{
    ids::StatusKey,
    strategy::{StatusRule, document::StatusDocument, mistake::Report, position::At},
};

/// Keys that begin with this are our own reports; waiting for one would wait for ourselves.
const OWN_PREFIX: &str = "hydromote/";

/// More statuses of one kind are refused.
const MOST: usize = 100;

/// The rules on the active branch and those on the proposed commit.
pub(super) struct Both {
    /// On the active branch.
    pub(super) active: Vec<StatusRule>,
    /// On the proposed commit.
    pub(super) proposed: Vec<StatusRule>,
    lines: [BTreeMap<String, u64>; 2],
}

impl Both {
    /// Returns the rules that the strategy has for every environment.
    pub(super) fn read(
        active: &[At<StatusDocument>],
        proposed: &[At<StatusDocument>],
        report: &mut Report<'_>,
    ) -> Self {
        Self { active: Vec::new(), proposed: Vec::new(), lines: Default::default() }.with(active, proposed, report)
    }

    /// Returns these rules and those that an environment adds.
    pub(super) fn with(
        &self,
        active: &[At<StatusDocument>],
        proposed: &[At<StatusDocument>],
        report: &mut Report<'_>,
    ) -> Self {
        let mut lines = self.lines.clone();
        for statuses in [active, proposed] {
            if let Some(extra) = statuses.get(MOST) {
                let message = format!("a list has at most {MOST} statuses");
                report.mistake(extra.value.key.position, message, "report one status that sums up the others");
            }
        }
        let [active_lines, proposed_lines] = &mut lines;
        let mut both = Self { active: self.active.clone(), proposed: self.proposed.clone(), lines: Default::default() };
        both.active.extend(active.iter().take(MOST).filter_map(|status| rule(&status.value, active_lines, report)));
        both.proposed
            .extend(proposed.iter().take(MOST).filter_map(|status| rule(&status.value, proposed_lines, report)));
        both.lines = lines;
        both
    }
}

fn rule(document: &StatusDocument, lines: &mut BTreeMap<String, u64>, report: &mut Report<'_>) -> Option<StatusRule> {
    let key = &document.key;
    if key.value.starts_with(OWN_PREFIX) {
        report.mistake(
            key.position,
            format!("`{}` is a status that Hydromote reports itself", key.value),
            "name a status that your own checks or your delivery tool report",
        );
    }
    if let Some(line) = lines.insert(key.value.clone(), key.position.line) {
        report.mistake(
            key.position,
            format!("`{}` is asked for already, in line {line}", key.value),
            "remove one of them; the statuses of the strategy hold for each environment",
        );
    }
    let settle = document.settle.as_ref().map_or(Some(SignedDuration::ZERO), |text| duration(text, report));
    let deadline = document.deadline.as_ref().map(|text| duration(text, report));
    Some(StatusRule {
        key: identifier(key, StatusKey::new, report)?,
        settle: settle?,
        deadline: deadline.map_or(Some(None), |deadline| deadline.map(Some))?,
    })
}
