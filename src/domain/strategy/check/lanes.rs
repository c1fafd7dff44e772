//! Lanes: the label that divides the roots, and how many pull requests may be open.

use std::num::NonZeroU32;

use super::labels::Bound;
use crate::domain::{
    lane::Lanes,
    strategy::{
        Proposing,
        document::{EnvironmentDocument, LanesDocument, Spec},
        mistake::Report,
        nearest::nearest,
        pattern::is_label,
        position::At,
    },
};

/// Returns how the roots are divided; `captures` are the labels that each source captures itself.
pub(super) fn lanes(spec: &Spec, captures: &[Vec<String>], bound: &Bound<'_>, report: &mut Report<'_>) -> Lanes {
    let Some(LanesDocument { by }) = &spec.lanes else { return Lanes::default() };
    let label = by.value.as_str();
    if !is_label(label) {
        let help = "write the name of a label that the sources capture, such as `service`";
        report.mistake(by.position, format!("`{label}` cannot be the name of a label"), help);
        return Lanes::default();
    }
    let differing = spec.environments.value.iter().find(|environment| environment.value.vars.contains_key(label));
    if label == "environment" || differing.is_some() {
        report.mistake(
            by.position,
            format!(
                "the label `{label}` differs from environment to environment, and lanes are the same in all of them"
            ),
            "divide by a label that a source captures, or that `vars` of the strategy give",
        );
        return Lanes::default();
    }
    for (source, captures) in spec.sources.value.iter().zip(captures) {
        if bound.is_bound(label) || captures.iter().any(|capture| capture == label) {
            continue;
        }
        let known: Vec<&str> = captures.iter().map(String::as_str).collect();
        let help = match nearest(label, &known) {
            Some(word) => format!("divide by `{word}`, or capture `{{{label}}}` in `path` or `each`"),
            None => format!("capture it with `{{{label}}}` in `path` or `each`, or add it to `vars` of the strategy"),
        };
        let message = format!("roots of this source have no label `{label}`, by which `lanes` divides");
        report.mistake(source.position, message, help);
    }
    Lanes::by(label)
}

/// Returns which lanes of an environment share a pull request.
pub(super) fn proposing(
    At { value: document, .. }: &At<EnvironmentDocument>,
    has_lanes: bool,
    report: &mut Report<'_>,
) -> Proposing {
    let Some(word) = &document.lanes else { return Proposing::default() };
    let Some(proposing) = word.read(report) else { return Proposing::default() };
    if !has_lanes {
        let help = "add `lanes: {by: …}` to the strategy, or remove it: one lane has one pull request";
        report.mistake(word.position(), "there are no lanes that could share a pull request", help);
    }
    if let Some(most) = &document.max_open_pull_requests {
        let help = "remove `maxOpenPullRequests`, or `lanes: all`";
        report.mistake(most.position, "all lanes of this environment share one pull request", help);
    }
    proposing
}

/// Returns how many promotion pull requests of an environment may be open at once.
pub(super) fn most_open(text: Option<&At<u32>>, report: &mut Report<'_>) -> Option<NonZeroU32> {
    let most = text?;
    let number = NonZeroU32::new(most.value);
    if number.is_none() {
        let help = "write at least 1, or hold the environment to stop its promotions";
        report.mistake(most.position, "with no pull request open nothing would ever be promoted", help);
    }
    number
}
