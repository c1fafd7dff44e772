//! Whose windows an environment has, and the word of a person who goes past them.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Standing, Windows};
use crate::domain::ids::ProposedSha;

/// Who lists a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WindowSource {
    /// The strategy of the repository.
    Strategy,
    /// The settings of the server, which no repository can weaken.
    Server,
}

/// The windows of one environment. Those of both owners must be open.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EnvironmentWindows {
    /// Those of the strategy.
    pub strategy: Windows,
    /// Those of the server.
    pub server: Windows,
    /// Whether the server lets people override its own.
    pub server_overridable: bool,
}

/// A person's wish to merge one proposal although windows are closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowOverride {
    /// The head that it is bound to.
    pub proposed: ProposedSha,
    /// Who asked.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

impl EnvironmentWindows {
    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.strategy.is_empty() && self.server.is_empty()
    }

    /// Returns how each owner's windows stand, of those who have any.
    pub fn standings(&self, at: Timestamp) -> impl Iterator<Item = (WindowSource, Standing)> {
        let both = [(WindowSource::Strategy, &self.strategy), (WindowSource::Server, &self.server)];
        both.into_iter().filter(|(_, windows)| !windows.is_empty()).map(move |(of, windows)| (of, windows.standing(at)))
    }

    /// Says whether an override reaches the windows of an owner: it is for what was closed when it was given,
    /// and ends when that opens.
    pub fn is_overridden(&self, of: WindowSource, overriding: &WindowOverride, now: Timestamp) -> bool {
        let windows = match of {
            WindowSource::Strategy => &self.strategy,
            WindowSource::Server => &self.server,
        };
        self.may_override(of)
            && match windows.standing(overriding.at) {
                Standing::Closed { until, .. } => until.is_none_or(|until| now < until),
                Standing::Open { .. } => false,
            }
    }

    /// Says whether a person may go past the windows of an owner.
    pub fn may_override(&self, of: WindowSource) -> bool {
        match of {
            WindowSource::Strategy => true,
            WindowSource::Server => self.server_overridable,
        }
    }
}

impl fmt::Display for WindowSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Strategy => "the strategy",
            Self::Server => "the server",
        })
    }
}
