//! The commit statuses that gates wait for.

use std::{collections::BTreeMap, num::NonZeroU32};

use jiff::SignedDuration;

use super::{environments::duration, identifier, labels::Bound};
use crate::domain::{
    deployed::Tool,
    ids::{EnvironmentName, StatusKey},
    status::Reporter,
    strategy::{
        StatusRule, StatusScope,
        document::{Spec, StatusDocument, Vars},
        key_pattern::{KeyPattern, OWN_PREFIX, labels_of},
        mistake::Report,
        position::At,
    },
};

/// More statuses of one kind are refused.
const MOST: usize = 100;

/// More reports under one pattern are refused.
const MOST_KEYS: i64 = 100;

/// The longest login.
const LONGEST_LOGIN: usize = 100;

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

/// Puts the values of labels that an environment gives in the place of their names; those that roots give stay.
pub(super) fn bind(rules: Vec<StatusRule>, environment: &EnvironmentName, vars: [&Vars; 2]) -> Vec<StatusRule> {
    let written = |label: &str| vars.iter().find_map(|vars| vars.get(label)).map(|value| value.value.as_str());
    // The value of a variable may have the environment in it, and nothing else.
    let value = |label: &str| match label {
        "environment" => Some(environment.to_string()),
        label => written(label).map(|value| value.replace("{environment}", environment.as_str())),
    };
    let bind = |rule: StatusRule| {
        let values: BTreeMap<String, String> =
            rule.pattern.labels().filter_map(|label| Some((label.to_owned(), value(label)?))).collect();
        let pattern = rule.pattern.bind(|label| values.get(label).map(String::as_str));
        // A value may be too long for a key; then nothing can be reported under it either.
        let key = StatusKey::new(pattern.to_string()).unwrap_or_else(|_| rule.key.clone());
        StatusRule { pattern, key, ..rule }
    };
    rules.into_iter().map(bind).collect()
}

/// Checks the labels in keys; `captures` are those that each source captures itself.
pub(super) fn check_labels(spec: &Spec, captures: &[Vec<String>], bound: &Bound<'_>, report: &mut Report<'_>) {
    let captures: Vec<String> = captures.iter().flatten().cloned().collect();
    let environments = || spec.environments.value.iter().map(|environment| &environment.value);
    let active = environments().map(|one| &one.active_commit_statuses);
    for list in std::iter::once(&spec.active_commit_statuses).chain(active) {
        list.iter().take(MOST).for_each(|status| check_active(&status.value, &captures, bound, report));
    }
    let proposed = environments().map(|one| &one.proposed_commit_statuses);
    for list in std::iter::once(&spec.proposed_commit_statuses).chain(proposed) {
        list.iter().take(MOST).for_each(|status| check_proposed(&status.value, &captures, bound, report));
    }
}

fn check_active(document: &StatusDocument, captures: &[String], bound: &Bound<'_>, report: &mut Report<'_>) {
    let (key, labels) = (&document.key, labels_of(&document.key.value));
    labels.iter().for_each(|label| bound.check_used(label, captures, key.position, report));
    let of_roots = labels.iter().any(|label| !bound.is_bound(label));
    if let Some(scope) = document.scope.as_ref().filter(|_| !of_roots)
        && scope.meaning() == Some(StatusScope::Changed)
    {
        let help = match captures.first() {
            Some(label) => {
                format!("use a label that tells roots apart in the key, such as `{{{label}}}`, or remove `scope`")
            }
            None => "remove `scope`; no source captures a label that a key could tell roots apart by".to_owned(),
        };
        let message = format!("`{}` is the same for every root, so none can be left out", key.value);
        report.mistake(scope.position(), message, help);
    }
}

fn check_proposed(document: &StatusDocument, captures: &[String], bound: &Bound<'_>, report: &mut Report<'_>) {
    let key = &document.key;
    if let Some(scope) = &document.scope {
        let position = report.key("scope", scope.position());
        report.mistake(position, "a status of a proposal is asked of the whole, not of roots", "remove `scope`");
    }
    for label in labels_of(&key.value) {
        if captures.contains(&label) && !bound.is_bound(&label) {
            let message = format!("`{{{label}}}` differs from root to root, and a proposal is asked about as a whole");
            report.mistake(key.position, message, "write `*` in its place, or ask in `activeCommitStatuses`");
        } else {
            bound.check_used(&label, captures, key.position, report);
        }
    }
}

fn rule(document: &StatusDocument, lines: &mut BTreeMap<String, u64>, report: &mut Report<'_>) -> Option<StatusRule> {
    let key = &document.key;
    if let Some(line) = lines.insert(key.value.clone(), key.position.line) {
        report.mistake(
            key.position,
            format!("`{}` is asked for already, in line {line}", key.value),
            "remove one of them; the statuses of the strategy hold for each environment",
        );
    }
    let settle = document.settle.as_ref().map_or(Some(SignedDuration::ZERO), |text| duration(text, report));
    let deadline = document.deadline.as_ref().map(|text| duration(text, report));
    let pattern = pattern(key, report);
    let scope = document.scope.as_ref().map_or(Some(StatusScope::All), |scope| scope.read(report));
    let from = document.from.as_ref().map_or(Some(None), |from| reporter(from, report).map(Some));
    let at_least = document.at_least.as_ref();
    let at_least = at_least.map_or(Some(None), |number| self::at_least(number, pattern.as_ref(), report).map(Some));
    Some(StatusRule {
        key: identifier(key, StatusKey::new, report)?,
        pattern: pattern?,
        scope: scope?,
        from: from?,
        at_least: at_least?,
        settle: settle?,
        deadline: deadline.map_or(Some(None), |deadline| deadline.map(Some))?,
    })
}

fn pattern(key: &At<String>, report: &mut Report<'_>) -> Option<KeyPattern> {
    let pattern = match KeyPattern::parse(&key.value) {
        Ok(pattern) => pattern,
        Err(malformed) => {
            report.mistake(key.position, malformed.problem, malformed.remedy);
            return None;
        }
    };
    if key.value.starts_with(OWN_PREFIX) {
        report.mistake(
            key.position,
            format!("`{}` is a status that Hydromote reports itself", key.value),
            "name a status that your own checks or your delivery tool report",
        );
    } else if pattern.reaches_our_own() {
        report.mistake(
            key.position,
            format!("`{}` would match what Hydromote reports itself, such as `{OWN_PREFIX}verified`", key.value),
            "write the first segment out, such as `kustomization/*`",
        );
    }
    Some(pattern)
}

fn reporter(from: &At<String>, report: &mut Report<'_>) -> Option<Reporter> {
    let text = from.value.as_str();
    if let Some(tool) = Tool::of(text) {
        return Some(Reporter::Tool(tool));
    }
    let login = text.strip_prefix("user:").unwrap_or(text);
    // Apps report under the login of their bot: `name[bot]`.
    let name = login.strip_suffix("[bot]").unwrap_or(login);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !name.is_empty() && name.len() <= LONGEST_LOGIN && name.chars().all(is_plain) {
        return Some(Reporter::Account(login.to_owned()));
    }
    let help = match text.strip_prefix("team:") {
        Some(_) => "a team does not report; name one account, `argocd` or `flux`".to_owned(),
        None => match text.trim_start_matches('@') {
            bare if bare != text && bare.chars().all(is_plain) => format!("write `{bare}`"),
            _ => "write `argocd`, `flux`, or a login as the forge shows it, such as `github-actions[bot]`".to_owned(),
        },
    };
    report.mistake(from.position, format!("`{text}` is nobody who reports"), help);
    None
}

fn at_least(number: &At<i64>, pattern: Option<&KeyPattern>, report: &mut Report<'_>) -> Option<NonZeroU32> {
    let At { value, position } = *number;
    let asked = u32::try_from(value).ok().and_then(NonZeroU32::new).filter(|_| value <= MOST_KEYS);
    match asked {
        None if value == 0 => {
            report.mistake(position, "no success is asked for", "write `1` or more, or remove the status");
        }
        None => {
            let message = format!("`{value}` is no number of keys that can be asked for");
            report.mistake(position, message, format!("write a number from `1` to `{MOST_KEYS}`"));
        }
        Some(asked) if asked.get() > 1 && pattern.is_some_and(|pattern| !pattern.has_stars()) => {
            let message = format!("{asked} keys are asked for, and without `*` there is only one");
            report.mistake(position, message, "write `*` where the keys differ, or remove `atLeast`");
            return None;
        }
        Some(_) => {}
    }
    asked
}
