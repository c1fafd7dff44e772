//! Reads strategy files: from bytes to strategies or mistakes.
//!
//! - A file is used whole or not at all: one mistake in it and none of its strategies counts.
//! - Nothing that somebody can write into a file makes this panic, recurse without end or use
//!   much memory: size, depth, aliases and nodes are bounded before anything is built.

use jiff::Timestamp;
use serde_saphyr::options::DuplicateKeyPolicy;

use super::{
    PromotionStrategy, check,
    document::Document,
    mistake::{Mistake, Report, Severity},
    position::Position,
    yaml_error::report_yaml_error,
};
use crate::domain::ids::RepositoryId;

/// Strategy files larger than this are refused.
const LARGEST_FILE: usize = 256 * 1024;

/// More YAML documents in one file are refused.
const MOST_DOCUMENTS: usize = 64;

/// What a strategy file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct StrategyFile {
    /// The file, as a path in the repository.
    pub path: String,
    /// Its strategies, or everything that is wrong with it.
    pub strategies: Result<Vec<PromotionStrategy>, Vec<Mistake>>,
    /// What can be used, but may not be meant.
    pub warnings: Vec<Mistake>,
    /// What can be used, but is pointless from a time on.
    pub later_warnings: Vec<(Timestamp, Mistake)>,
}

impl StrategyFile {
    /// Returns what can be used at a time, but may not be meant, in the order of the file.
    pub fn warnings_at(&self, now: Timestamp) -> Vec<Mistake> {
        let later = self.later_warnings.iter().filter(|(from, _)| *from <= now).map(|(_, warning)| warning);
        let mut warnings: Vec<Mistake> = self.warnings.iter().chain(later).cloned().collect();
        warnings.sort_by_key(|warning| (warning.line, warning.column));
        warnings
    }
}

/// Reads the strategy `files` of one repository, each a path and its content.
///
/// A `destination` is a mistake here, as it is not known which repository the files are of.
pub fn parse_strategies<P: AsRef<str>, T: AsRef<[u8]>>(files: &[(P, T)]) -> Vec<StrategyFile> {
    parse(None, files)
}

/// Reads the strategy `files` of `repository`, each a path and its content.
pub fn parse_strategies_of<P: AsRef<str>, T: AsRef<[u8]>>(
    repository: &RepositoryId,
    files: &[(P, T)],
) -> Vec<StrategyFile> {
    parse(Some(repository), files)
}

fn parse<P: AsRef<str>, T: AsRef<[u8]>>(repository: Option<&RepositoryId>, files: &[(P, T)]) -> Vec<StrategyFile> {
    let mut reports = Vec::new();
    let mut found = Vec::new();
    for (path, bytes) in files {
        let bytes = bytes.as_ref();
        let text = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        let mut report = Report::new(path.as_ref(), text);
        let documents = read_documents(bytes, text, &mut report);
        let strategies: Vec<_> =
            documents.iter().map(|document| check::strategy(document, repository, &mut report)).collect();
        found.push((documents, strategies));
        reports.push(report);
    }
    check::check_across(&found, &mut reports);
    found.into_iter().zip(reports).map(|((_, strategies), report)| finish(strategies, report)).collect()
}

fn finish(strategies: Vec<Option<PromotionStrategy>>, mut report: Report<'_>) -> StrategyFile {
    let path = report.path().to_owned();
    let later_warnings = report.take_later();
    let (mistakes, warnings): (Vec<_>, Vec<_>) =
        report.into_found().into_iter().partition(|mistake| mistake.severity == Severity::Error);
    let strategies = if mistakes.is_empty() { Ok(strategies.into_iter().flatten().collect()) } else { Err(mistakes) };
    StrategyFile { path, strategies, warnings, later_warnings }
}

/// Returns the YAML documents of a file, or none and a mistake. `text` is what of it is UTF-8.
fn read_documents(bytes: &[u8], text: &str, report: &mut Report<'_>) -> Vec<Document> {
    let start = Position { line: 1, column: 1 };
    if bytes.len() > LARGEST_FILE {
        let message = format!("the file has {} bytes; at most {LARGEST_FILE} are read", bytes.len());
        report.mistake(start, message, "divide it into several files under `.hydromote/`");
        return Vec::new();
    }
    if text.len() < bytes.len() {
        let message = format!("byte {} of the file is not UTF-8 text", text.len());
        report.mistake(report.end(), message, "save the file as UTF-8");
        return Vec::new();
    }
    match serde_saphyr::from_str_multiple_with_options::<Document, Vec<Document>>(text, options()) {
        Ok(documents) if documents.is_empty() => {
            report.mistake(
                start,
                "the file holds no strategy",
                "write one, or remove the file; `hydromote init` proposes one",
            );
            documents
        }
        Ok(documents) => documents,
        Err(error) => {
            report_yaml_error(error.without_snippet(), report);
            Vec::new()
        }
    }
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: MOST_DOCUMENTS,
            max_depth: 32,
            flow_nesting_limit: 32,
            max_nodes: 100_000,
            max_events: 250_000,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_merge_keys: 1_000,
            max_recorded_anchor_events: 100_000,
            max_recorded_anchor_bytes: 4 * LARGEST_FILE,
            max_total_scalar_bytes: 4 * LARGEST_FILE,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 100_000,
            max_replay_stack_depth: 16,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
        emit_comments: false,
    }
}

#[cfg(test)]
mod tests;
