//! What is wrong in a strategy file, where, and what would be right.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::position::Position;

/// Whether a strategy can be used in spite of a [`Mistake`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, and may do something that its author did not mean.
    Warning,
}

/// Something wrong in a strategy file. Its `Display` is several lines for people to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// Whether the strategy can be used all the same.
    pub severity: Severity,
    /// The file, as a path in the repository.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1, in characters.
    pub column: u64,
    /// The text that it points to.
    pub snippet: String,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: String,
    /// The whole line, for `Display`.
    #[serde(skip)]
    context: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let gutter = " ".repeat(self.line.to_string().len());
        let before: usize = usize::try_from(self.column.saturating_sub(1)).unwrap_or(0);
        let marks = self.snippet.chars().count().max(1);
        writeln!(f, "{severity}: {}", self.message)?;
        writeln!(f, "{gutter}--> {}:{}:{}", self.file, self.line, self.column)?;
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{} | {}", self.line, self.context)?;
        if before <= self.context.chars().count() {
            writeln!(f, "{gutter} | {}{}", " ".repeat(before), "^".repeat(marks))?;
        }
        write!(f, "{gutter} = help: {}", self.help)
    }
}

/// Nobody reads more mistakes than this in one go; also bounds the work on hostile files.
const MOST_MISTAKES: usize = 100;

/// A strategy file and what has been found wrong in it so far.
#[derive(Debug)]
pub struct Report<'a> {
    path: &'a str,
    lines: Vec<&'a str>,
    found: Vec<Mistake>,
    later: Vec<(Timestamp, Mistake)>,
}

impl<'a> Report<'a> {
    /// Returns an empty report on the file `path` with the content `text`.
    pub fn new(path: &'a str, text: &'a str) -> Self {
        Self { path, lines: text.lines().collect(), found: Vec::new(), later: Vec::new() }
    }

    /// Returns the file, as a path in the repository.
    pub fn path(&self) -> &'a str {
        self.path
    }

    /// Adds a mistake.
    pub fn mistake(&mut self, position: Position, message: impl Into<String>, help: impl Into<String>) {
        self.add(Severity::Error, position, message.into(), help.into());
    }

    /// Adds a warning.
    pub fn warning(&mut self, position: Position, message: impl Into<String>, help: impl Into<String>) {
        self.add(Severity::Warning, position, message.into(), help.into());
    }

    /// Adds a warning that holds from a time on: what is right today is not read with a clock.
    pub fn warning_from(
        &mut self,
        from: Timestamp,
        position: Position,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        if self.later.len() < MOST_MISTAKES {
            let warning = self.found_at(Severity::Warning, position, message.into(), help.into());
            self.later.push((from, warning));
        }
    }

    /// Takes the warnings that hold from a time on.
    pub fn take_later(&mut self) -> Vec<(Timestamp, Mistake)> {
        std::mem::take(&mut self.later)
    }

    /// Says whether there are so many mistakes that no more are taken. Warnings do not count, so
    /// that they can never crowd out a mistake.
    pub fn is_full(&self) -> bool {
        self.is_full_of(Severity::Error)
    }

    /// Returns where `key` is written, given where its value begins.
    pub fn key(&self, key: &str, value: Position) -> Position {
        /// A key is at most this many lines above its value: comments may stand between.
        const ABOVE: usize = 50;
        let last = usize::try_from(value.line).unwrap_or(usize::MAX);
        let first = last.saturating_sub(ABOVE).max(1);
        (first..=last)
            .rev()
            .filter_map(|line| {
                let content = self.line(line);
                let limit = if line == last { char_offset(content, value.column) } else { content.len() };
                let offset = content.get(..limit)?.rfind(key)?;
                let column = content.get(..offset)?.chars().count() + 1;
                Some(Position { line: line as u64, column: column as u64 })
            })
            .next()
            .unwrap_or(value)
    }

    /// Returns what stands in its line before a position, and what from it on.
    pub fn around(&self, position: Position) -> Option<(&str, &str)> {
        let line = self.line(usize::try_from(position.line).ok()?);
        line.split_at_checked(char_offset(line, position.column))
    }

    /// Returns the place behind the last character.
    pub fn end(&self) -> Position {
        self.inside(Position { line: u64::MAX, column: 1 })
    }

    /// Returns everything found, in the order of the file.
    pub fn into_found(mut self) -> Vec<Mistake> {
        self.found.sort_by_key(|mistake| (mistake.line, mistake.column));
        self.found.dedup();
        self.found
    }

    fn add(&mut self, severity: Severity, position: Position, message: String, help: String) {
        if self.is_full_of(severity) {
            return;
        }
        let mistake = self.found_at(severity, position, message, help);
        self.found.push(mistake);
    }

    fn found_at(&self, severity: Severity, position: Position, message: String, help: String) -> Mistake {
        let position = self.inside(position);
        let line = self.line(usize::try_from(position.line).unwrap_or(1));
        let rest = line.get(char_offset(line, position.column)..).unwrap_or("");
        Mistake {
            severity,
            file: self.path.to_owned(),
            line: position.line,
            column: position.column,
            snippet: shown(token(rest)),
            message,
            help,
            context: shown(line),
        }
    }

    fn is_full_of(&self, severity: Severity) -> bool {
        self.found.iter().filter(|mistake| mistake.severity == severity).count() >= MOST_MISTAKES
    }

    /// Returns the nearest place that exists: positions behind the end come from unfinished files.
    fn inside(&self, position: Position) -> Position {
        let lines = self.lines.len().max(1) as u64;
        if position.line > lines {
            let column = self.line(self.lines.len()).chars().count() as u64 + 1;
            return Position { line: lines, column };
        }
        Position { line: position.line.max(1), column: position.column.max(1) }
    }

    fn line(&self, line: usize) -> &'a str {
        self.lines.get(line.saturating_sub(1)).unwrap_or(&"").trim_start_matches('\u{feff}')
    }
}

/// Returns the byte at which the character `column` (from 1) begins.
fn char_offset(line: &str, column: u64) -> usize {
    let characters = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    line.char_indices().nth(characters).map_or(line.len(), |(offset, _)| offset)
}

/// Returns the value or key that `rest` of a line begins with.
fn token(rest: &str) -> &str {
    let end = match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => rest.get(1..).and_then(|r| r.find(quote)).map_or(rest.len(), |i| i + 2),
        Some('[' | '{') => 1,
        _ => [", ", ",", "]", "}", ": ", " #"].iter().filter_map(|end| rest.find(end)).min().unwrap_or(rest.len()),
    };
    rest.get(..end).unwrap_or(rest).trim_end().trim_end_matches(':')
}

/// Returns `text` fit for a terminal: no control characters, no endless lines.
fn shown(text: &str) -> String {
    /// Lines longer than this are cut.
    const WIDEST: usize = 160;
    text.chars().take(WIDEST).map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim_end().to_owned()
}
