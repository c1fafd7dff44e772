//! Windows of the server, for the repositories and environments that it names.

use globset::{GlobBuilder, GlobMatcher};

use super::{Window, Windows};
use crate::domain::ids::{EnvironmentName, RepositoryId};

/// The windows of the server.
#[derive(Debug, Clone, Default)]
pub struct ServerWindows {
    /// Inside of one of these it is open.
    pub allow: Vec<PolicyWindow>,
    /// Inside of one of these it is closed.
    pub deny: Vec<PolicyWindow>,
    /// Whether people may override them.
    pub overridable: bool,
}

/// A window of the server, and where it holds.
#[derive(Debug, Clone)]
pub struct PolicyWindow {
    /// The window.
    pub window: Window,
    /// Patterns of `owner/name`; everywhere when there are none.
    pub repositories: Vec<GlobMatcher>,
    /// Patterns of environments; everywhere when there are none.
    pub environments: Vec<GlobMatcher>,
}

impl ServerWindows {
    /// Returns the windows that hold in an environment of a repository.
    pub fn of(&self, repository: &RepositoryId, environment: &EnvironmentName) -> Windows {
        let here = |windows: &[PolicyWindow]| {
            let holds = |window: &&PolicyWindow| window.holds_in(repository, environment);
            windows.iter().filter(holds).map(|window| window.window.clone()).collect()
        };
        Windows { allow: here(&self.allow), deny: here(&self.deny) }
    }
}

impl PolicyWindow {
    /// Returns what matches names like `text`, in which `*` stands for anything, also for groups in groups;
    /// upper and lower case are the same, as they are to forges.
    pub fn pattern(text: &str) -> Option<GlobMatcher> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '*');
        if text.is_empty() || !text.chars().all(plain) {
            return None;
        }
        let glob = GlobBuilder::new(text).case_insensitive(true).build();
        glob.ok().map(|glob| glob.compile_matcher())
    }

    fn holds_in(&self, repository: &RepositoryId, environment: &EnvironmentName) -> bool {
        let matches = |patterns: &[GlobMatcher], name: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| pattern.is_match(name))
        };
        matches(&self.repositories, repository.as_ref()) && matches(&self.environments, environment.as_str())
    }
}
