//! What is wrong with the settings, each mistake with its place and what to do about it.

use std::fmt;

use toml::{Spanned, de::DeTable, de::DeValue};

/// The settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}", .mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct SettingsError {
    /// Every mistake that was found; never empty.
    pub mistakes: Vec<Mistake>,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The file with line and column, or the environment variable, or the file alone for what is not there.
    pub place: String,
    /// The key, such as `forges.github.repositories`; empty for a file that is no TOML.
    pub key: String,
    /// What is wrong, and the remedy.
    pub text: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.key {
            "" => write!(f, "{}: {}", self.place, self.text),
            key => write!(f, "{}: `{key}` {}", self.place, self.text),
        }
    }
}

/// Collects mistakes, and knows where each key stands.
pub(super) struct Mistakes<'a> {
    file: &'a str,
    text: &'a str,
    variables: &'a [(String, String)],
    found: Vec<Mistake>,
}

impl<'a> Mistakes<'a> {
    pub(super) fn new(file: &'a str, text: &'a str, variables: &'a [(String, String)]) -> Self {
        Self { file, text, variables, found: Vec::new() }
    }

    /// Adds a mistake at a key, which names the variable that set it, else its place in the file.
    pub(super) fn add(&mut self, key: &str, text: impl Into<String>) {
        let name = super::variable(key);
        let place = match self.variables.iter().find(|(variable, _)| variable.eq_ignore_ascii_case(&name)) {
            Some((variable, _)) => format!("environment variable {variable}"),
            None => self.place_of(key),
        };
        self.found.push(Mistake { place, key: key.to_owned(), text: text.into() });
    }

    /// Adds what the reader of TOML says, with the line that it points at unless that may hold a secret.
    pub(super) fn add_toml(&mut self, error: &toml::de::Error) {
        let place = error.span().map_or_else(|| self.file.to_owned(), |span| self.place_at(span.start));
        let line =
            error.span().and_then(|span| self.text.get(..span.start)).map_or(0, |before| before.matches('\n').count());
        let line = self.text.lines().nth(line).unwrap_or_default();
        let may_be_secret = ["token", "secret", "proxy"].iter().any(|word| line.contains(word));
        let text = if may_be_secret { error.message().to_owned() } else { error.to_string().trim_end().to_owned() };
        self.found.push(Mistake { place, key: String::new(), text });
    }

    /// Returns the mistakes, if there are any.
    pub(super) fn finish(&mut self) -> Result<(), SettingsError> {
        if self.found.is_empty() { Ok(()) } else { Err(SettingsError { mistakes: std::mem::take(&mut self.found) }) }
    }

    /// Returns the place of a key, or of the nearest table around it that is there.
    fn place_of(&self, key: &str) -> String {
        let Ok(root) = DeTable::parse(self.text) else { return self.file.to_owned() };
        let mut table = root.get_ref();
        let mut offset = None;
        let mut parts = key.split('.');
        while let Some(part) = parts.next() {
            let Some((name, value)) = table.iter().find(|(name, _)| name.get_ref().as_ref() == part) else { break };
            offset = Some(Spanned::span(name).start);
            match value.get_ref() {
                DeValue::Table(inner) => table = inner,
                // In a list of tables the next part is a number.
                DeValue::Array(list) => {
                    let entry = parts.next().and_then(|number| list.get(number.parse::<usize>().ok()?));
                    let Some(entry) = entry else { break };
                    offset = Some(Spanned::span(entry).start);
                    let DeValue::Table(inner) = entry.get_ref() else { break };
                    table = inner;
                }
                _ => break,
            }
        }
        offset.map_or_else(|| self.file.to_owned(), |offset| self.place_at(offset))
    }

    fn place_at(&self, offset: usize) -> String {
        let before = self.text.get(..offset).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("{}:{line}:{column}", self.file)
    }
}
