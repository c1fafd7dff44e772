//! Which labels have a value, and where.

use std::collections::{BTreeMap, BTreeSet};

use super::name_of;
use crate::domain::strategy::{
    document::{Spec, Vars},
    mistake::Report,
    nearest::nearest,
    pattern::{is_label, labels, parse_template},
    position::Position,
};

/// The label that every root has: the name of its environment.
const ENVIRONMENT: &str = "environment";

/// Reserved for the cluster that a root is for; not built yet.
const TARGET: &str = "target";

/// The labels that have a value before any folder is matched.
pub(super) struct Bound<'a> {
    everywhere: BTreeSet<&'a str>,
    /// Labels that only some environments give, each with the environments that do not.
    missing: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Bound<'a> {
    /// Returns the labels that `spec` binds by `vars`, and reports what is wrong with those.
    pub(super) fn new(spec: &'a Spec, report: &mut Report<'_>) -> Self {
        let environments: Vec<_> = spec.environments.value.iter().map(|e| &e.value).collect();
        check_vars(&spec.vars, report);
        environments.iter().for_each(|environment| check_vars(&environment.vars, report));

        let mut everywhere: BTreeSet<&str> = spec.vars.keys().map(String::as_str).collect();
        everywhere.insert(ENVIRONMENT);
        let mut missing = BTreeMap::new();
        for name in environments.iter().flat_map(|environment| environment.vars.keys()) {
            let without: Vec<&str> = environments
                .iter()
                .filter(|environment| !environment.vars.contains_key(name))
                .map(|environment| name_of(environment))
                .collect();
            if without.is_empty() {
                everywhere.insert(name);
            } else if !everywhere.contains(name.as_str()) {
                missing.insert(name.as_str(), without);
            }
        }
        Self { everywhere, missing }
    }

    /// Says whether `label` has a value in every environment.
    pub(super) fn is_bound(&self, label: &str) -> bool {
        self.everywhere.contains(label)
    }

    /// Reports `label` when it has a value in some environments only, or is reserved.
    pub(super) fn check_partly_bound(&self, label: &str, position: Position, report: &mut Report<'_>) -> bool {
        if label == TARGET && !self.is_bound(label) {
            report.mistake(position, "targets are not yet supported", "use another label than `{target}`");
            return true;
        }
        let Some(without) = self.missing.get(label) else { return false };
        let names: Vec<String> = without.iter().map(|name| format!("`{name}`")).collect();
        let environments = if names.len() == 1 { "environment" } else { "environments" };
        report.mistake(
            position,
            format!("`{label}` has no value in {environments} {}", names.join(", ")),
            format!("add `{label}` to `vars` there, or to the `vars` of the strategy"),
        );
        true
    }

    /// Reports `label` when it has no value here. `captures` are those that the source's own pattern binds.
    pub(super) fn check_used(&self, label: &str, captures: &[String], position: Position, report: &mut Report<'_>) {
        if report.is_full()
            || self.is_bound(label)
            || captures.iter().any(|capture| capture == label)
            || self.check_partly_bound(label, position, report)
        {
            return;
        }
        let known: Vec<&str> = self.everywhere.iter().copied().chain(captures.iter().map(String::as_str)).collect();
        let help = match nearest(label, &known) {
            Some(word) => format!("did you mean `{{{word}}}`?"),
            None => format!("capture it with `{{{label}}}` in `path` or `each`, or add it to `vars`"),
        };
        report.mistake(position, format!("the label `{label}` is used but never bound"), help);
    }
}

/// Returns the values of `vars`.
pub(super) fn values(vars: &Vars) -> BTreeMap<String, String> {
    vars.iter().map(|(name, value)| (name.clone(), value.value.clone())).collect()
}

fn check_vars(vars: &Vars, report: &mut Report<'_>) {
    for (name, value) in vars {
        let key = |report: &Report<'_>| report.key(name, value.position);
        if name == ENVIRONMENT || name == TARGET {
            report.mistake(key(report), format!("`{name}` is always set by Hydromote"), "give the label another name");
        } else if !is_label(name) {
            let help = "use letters, digits, `-` and `_`, beginning with a letter";
            report.mistake(key(report), format!("`{name}` cannot be the name of a label"), help);
        }
        match parse_template(&value.value) {
            Err(error) => report.mistake(value.position, error.problem, error.remedy),
            Ok(pieces) => {
                for label in labels(&pieces).filter(|label| *label != ENVIRONMENT) {
                    report.mistake(
                        value.position,
                        format!("the value of a label cannot use `{{{label}}}`"),
                        "only `{environment}` may stand here",
                    );
                }
            }
        }
    }
}
