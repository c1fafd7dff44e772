//! Writes to the terminal: the one place that does.

use std::io::Write;

/// Writes a line to standard output. A reader that went away ends nothing.
pub fn line(text: impl std::fmt::Display) {
    drop(writeln!(std::io::stdout().lock(), "{text}"));
}

/// Writes a line to standard error: progress, for people.
pub fn progress(text: impl std::fmt::Display) {
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

/// Returns a number of things in words: `1 root`, `2 roots`.
pub fn counted(count: usize, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{plural}")
}

/// Writes a value as one JSON document to standard output.
pub fn json(value: &impl serde::Serialize) {
    line(serde_json::to_string_pretty(value).expect("because what is printed has text keys only"));
}

/// Writes a value as one line of JSON to standard output.
pub fn json_line(value: &impl serde::Serialize) {
    line(serde_json::to_string(value).expect("because what is printed has text keys only"));
}

/// Writes an error with its causes to standard error.
pub fn error(error: &anyhow::Error) {
    progress(format_args!("error: {error:#}"));
}
