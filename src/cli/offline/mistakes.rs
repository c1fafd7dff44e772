//! Mistakes that show only when sources meet the files of the repository, with their place.

use std::collections::BTreeMap;

use crate::domain::{
    ids::EnvironmentName,
    strategy::{Mistake, mistake::Report, position::Position},
};

/// What to do when a message does not say it itself.
const HELP: &str = "change this source, or the files that it is about";

/// Mistakes of one strategy file, each with the environments that have it.
#[derive(Debug, Default)]
pub struct Found {
    by_place: BTreeMap<(u64, String, String), Vec<EnvironmentName>>,
}

impl Found {
    /// Adds a mistake that was found for an environment.
    pub fn add(&mut self, environment: &EnvironmentName, mistake: hydrators::Mistake) {
        let key = (mistake.line, mistake.text, mistake.message);
        self.by_place.entry(key).or_default().push(environment.clone());
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_place.is_empty()
    }

    /// Returns the mistakes with their places in the file. One that not all of `environments` have
    /// names those that do.
    pub fn into_mistakes(self, path: &str, text: &str, environments: usize) -> Vec<Mistake> {
        let mut report = Report::new(path, text);
        for ((line, pointed, message), having) in self.by_place {
            let (message, help) = message.rsplit_once("; ").unwrap_or((&message, HELP));
            let names: Vec<&str> = having.iter().map(EnvironmentName::as_str).collect();
            let only = if having.len() < environments { format!(" (in {})", names.join(", ")) } else { String::new() };
            report.mistake(place(text, line, &pointed), format!("{message}{only}"), help);
        }
        report.into_found()
    }
}

/// Returns where a branch is named in a strategy file, or its beginning.
pub fn place_of_branch(text: &str, branch: &str) -> Position {
    let names_it = |line: &&str| line.contains("branch") && line.contains(branch);
    let line = text.lines().position(|line| names_it(&line)).unwrap_or_default();
    place(text, line as u64 + 1, branch)
}

/// Returns where `pointed` stands in the source that begins at `line`, or where the source begins.
/// Line 0 is the whole file.
fn place(text: &str, line: u64, pointed: &str) -> Position {
    let first = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let begins = text.lines().nth(first).unwrap_or_default();
    let is_next =
        |candidate: &str| line > 0 && indentation(candidate) <= indentation(begins) && !candidate.trim().is_empty();
    let inside = text.lines().enumerate().skip(first);
    let inside = inside.take_while(|(number, candidate)| *number == first || !is_next(candidate));
    let find = |wanted: &str| {
        inside.clone().filter(|_| !wanted.is_empty()).find_map(|(number, line)| {
            let column = line.get(..line.find(wanted)?)?.chars().count();
            Some(Position { line: number as u64 + 1, column: column as u64 + 1 })
        })
    };
    let name = pointed.split(": ").next().unwrap_or_default();
    let start = || Position { line: first as u64 + 1, column: indentation(begins) as u64 + 1 };
    find(pointed).or_else(|| find(name).filter(|_| line == 0)).unwrap_or_else(start)
}
