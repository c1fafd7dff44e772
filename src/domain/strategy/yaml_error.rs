//! What the YAML reader refuses, in words for the author of the file.

use serde_saphyr::Error;

use super::{
    mistake::Report,
    nearest::{list, nearest},
    position::Position,
};

/// Adds the mistake that `error` is about.
pub(super) fn report_yaml_error(error: &Error, report: &mut Report<'_>) {
    let position: Position = error.location().map(Position::from).unwrap_or_default();
    let (message, help) = explain(error);
    let help = match error.without_snippet() {
        Error::Unexpected { expected: "mapping start", .. } => longhand(report, position).unwrap_or(help),
        _ => help,
    };
    report.mistake(position, message, help);
}

/// The maps of which people write the one value that they mean, each with the field that this belongs to.
const SHORTHANDS: [(&str, &str); 2] = [("approvals", "count"), ("lanes", "by")];

/// Returns how a value is written that stands where a map with it belongs.
fn longhand(report: &Report<'_>, value: Position) -> Option<String> {
    let (before, from) = report.around(value)?;
    let key = before.trim_end().strip_suffix(':')?;
    let (key, field) = SHORTHANDS.into_iter().find(|(word, _)| key.ends_with(word))?;
    let is_end = |c: char| c.is_whitespace() || matches!(c, ',' | '}' | '#');
    let value = from.split(is_end).next().filter(|value| value.chars().all(|c| c.is_alphanumeric() || c == '-'));
    Some(format!("write `{key}: {{{field}: {}}}`", value.filter(|value| !value.is_empty())?))
}

/// Returns what is wrong and what would be right.
fn explain(error: &Error) -> (String, String) {
    match error {
        Error::AliasError { error, .. } => explain(error.without_snippet()),
        Error::SerdeUnknownField { field, expected, .. } => unknown_field(field, expected),
        Error::SerdeMissingField { field, .. } => {
            (format!("`{field}` is missing here"), format!("add `{field}:` to this entry"))
        }
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().map_or_else(|| "a key".to_owned(), |key| format!("`{key}`"));
            (format!("{key} stands here twice"), "keep one of them".to_owned())
        }
        Error::InvalidBooleanStrict { .. } => {
            ("this is neither `true` nor `false`".to_owned(), "write `true` or `false`".to_owned())
        }
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            (format!("this is {unexpected}"), format!("write {expected}"))
        }
        Error::NullIntoString { .. } => ("there is no value".to_owned(), "write a text".to_owned()),
        Error::Unexpected { expected, .. } => (format!("{} belongs here", form(expected)), remedy(expected).to_owned()),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => (
            "the file is larger, deeper or has more aliases than a strategy needs".to_owned(),
            "write it out, or divide it into several files under `.hydromote/`".to_owned(),
        ),
        other => {
            (format!("this is not YAML: {}", first_line(other)), "check quotes, colons and indentation".to_owned())
        }
    }
}

/// Returns the reader's name of a form of YAML in common words.
fn form(expected: &str) -> &str {
    match expected {
        "string scalar" => "a text",
        "sequence start" => "a list",
        "mapping start" => "a map",
        other => other,
    }
}

/// Returns how a form of YAML is written.
fn remedy(expected: &str) -> &'static str {
    match expected {
        "string scalar" => "write one text; quote it when it begins with `{`, `[`, `*` or `&`",
        "sequence start" => "begin each entry with `- `, or write `[]`",
        "mapping start" => "write `key: value` pairs",
        _ => "compare it with the JSON Schema: `hydromote schema`",
    }
}

fn unknown_field(field: &str, expected: &[&'static str]) -> (String, String) {
    let message = format!("`{field}` is not a field here");
    match nearest(field, expected) {
        Some(word) => (message, format!("did you mean `{word}`?")),
        None => (message, format!("fields here are {}", list(expected, "and"))),
    }
}

/// Returns the reader's own words, without the place, which stands elsewhere already.
fn first_line(error: &Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.split(" at line ").next().unwrap_or_default().to_owned()
}
