//! Why a root could not be rendered, in words for its author or for the operator.
//!
//! Nothing here names a path of the machine: files are relative to the dry tree.

use std::fmt;

/// A root that could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct RenderFailure {
    /// Who has to act.
    pub kind: FailureKind,
    /// The file that is at fault, relative to the dry tree.
    pub file: Option<String>,
    /// The line in that file, from 1.
    pub line: Option<u64>,
    /// What is wrong; the renderer's own words where it spoke.
    pub message: String,
}

/// Who has to act on a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The author of the dry sources has to mend them.
    Author,
    /// The operator of the service has to mend the installation; trying again may help.
    Operator,
    /// A limit on time, memory or output was reached: a runaway source, or a limit that is too low.
    Limit,
}

impl RenderFailure {
    pub(crate) fn author(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Author, file: None, line: None, message: message.into() }
    }

    pub(crate) fn operator(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Operator, ..Self::author(message) }
    }

    pub(crate) fn limit(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Limit, ..Self::author(message) }
    }

    /// Says which file was rendered when a limit was reached, which no renderer says itself.
    pub(crate) fn of(self, file: &str) -> Self {
        if self.kind == FailureKind::Limit { self.at(file, None) } else { self }
    }

    /// Returns the failure of a file that Git LFS keeps elsewhere.
    pub(crate) fn pointer(file: &str) -> Self {
        Self::author(format!(
            "the content of `{file}` is kept by Git LFS, which is not fetched; commit the file itself"
        ))
        .at(file, None)
    }

    pub(crate) fn at(mut self, file: impl Into<String>, line: Option<u64>) -> Self {
        self.file = Some(file.into());
        self.line = line;
        self
    }
}

impl fmt::Display for RenderFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}: {}", self.message),
            (Some(file), None) => write!(f, "{file}: {}", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

/// Returns the line (from 1) on which `needle` first stands in `text`.
pub(crate) fn line_of(text: &str, needle: &str) -> Option<u64> {
    let position = text.find(needle)?;
    Some(text[..position].matches('\n').count() as u64 + 1)
}
