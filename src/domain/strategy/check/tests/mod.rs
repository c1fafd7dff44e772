//! Every mistake with its whole text.

mod approvals;
mod documents;
mod environments;
mod lanes;
mod permissions;
mod sources;
mod statuses;
mod strategies;
mod windows;

use std::fmt::Write as _;

use crate::domain::strategy::{StrategyFile, parse_strategies};

const HEADER: &str = "\
apiVersion: hydromote.dev/v1alpha1
kind: PromotionStrategy
metadata: {name: shop}
";

/// Returns what is said about a document with this `spec`.
fn said(spec: &str) -> String {
    said_of(&format!("{HEADER}spec:\n{spec}"))
}

/// Returns what is said about a document with these sources and some sound environments.
fn said_of_sources(sources: &str) -> String {
    said(&format!(
        "  activeCommitStatuses: [{{key: health}}]
  environments: [{{branch: env/dev}}, {{branch: env/prod, vars: {{tier: high}}}}]
  sources:\n{sources}"
    ))
}

/// Returns what is said about a document with these environments and some sound sources.
fn said_of_environments(environments: &str) -> String {
    said(&format!(
        "  sources: [{{path: deploy}}]\n  activeCommitStatuses: [{{key: health}}]\n  environments:\n{environments}"
    ))
}

fn said_of(text: &str) -> String {
    told(&parse_strategies(&[("hydromote.yaml", text)]))
}

fn told(files: &[StrategyFile]) -> String {
    let mut told = String::new();
    for file in files {
        for mistake in file.strategies.as_ref().err().into_iter().flatten().chain(&file.warnings) {
            writeln!(told, "{mistake}").expect("because writing to a string cannot fail");
        }
    }
    if told.is_empty() { "nothing".to_owned() } else { told }
}
