//! Why a chart cannot be had, by who has to act.

/// Why a chart cannot be had. It names no path of the machine and no secret, and quotes no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ChartError {
    /// Who has to act.
    pub reaction: Reaction,
    /// What is wrong, and the remedy.
    pub message: String,
}

/// Who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// The author: what is asked for cannot be had.
    Author,
    /// The operator: settings, credentials, or the network; trying again may help.
    Operator,
    /// Whoever keeps the chart: what they send is not what it should be.
    Wrong,
}

impl ChartError {
    pub(super) fn author(message: impl Into<String>) -> Self {
        Self { reaction: Reaction::Author, message: message.into() }
    }

    pub(super) fn operator(message: impl Into<String>) -> Self {
        Self { reaction: Reaction::Operator, message: message.into() }
    }

    pub(super) fn wrong(message: impl Into<String>) -> Self {
        Self { reaction: Reaction::Wrong, message: message.into() }
    }
}
