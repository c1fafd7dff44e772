//! Taking over a branch that another tool, or people, wrote until now.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::EnvironmentName;

/// How the content of a branch that was taken over stands to the dry SHA that it is counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TakenOver {
    /// It is what the dry SHA renders to.
    AsRendered,
    /// It is something else, which runs there all the same: it says nothing about the dry SHA.
    Differing,
}

/// A tool that writes environment branches, as we do: two of them undo each other's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OtherHydrator {
    /// The source hydrator of Argo CD.
    ArgoCd,
    /// gitops-promoter.
    GitopsPromoter,
}

impl TakenOver {
    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::AsRendered => "as-rendered",
            Self::Differing => "differing",
        }
    }

    /// Reads the word for it.
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::AsRendered, Self::Differing].into_iter().find(|one| one.word() == word)
    }
}

impl OtherHydrator {
    /// Returns what ends its writing.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::ArgoCd => "take `sourceHydrator` out of the applications that write it",
            Self::GitopsPromoter => "delete the PromotionStrategy of gitops-promoter that names it",
        }
    }

    /// Says that its files are where ours would be, on a branch that nobody took over yet.
    pub fn before_adoption(self, path: &str, environment: &EnvironmentName) -> String {
        format!(
            "`{path}` on the branch was written by {self}; {}, then `hydromote take-over {environment}` takes the branch over",
            self.remedy()
        )
    }

    /// Says that it goes on writing a branch on which we have promoted.
    pub fn after_adoption(self, path: &str) -> String {
        format!("{self} still writes this branch: `{path}` is from it; {}, then revert its commits", self.remedy())
    }

    /// Says that it writes a proposed branch too.
    pub fn on_proposed(self, branch: &str, commit: &str) -> String {
        format!("{self} writes `{branch}` too, last in {commit}; {}, then delete that branch", self.remedy())
    }
}

impl fmt::Display for OtherHydrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ArgoCd => "Argo CD's source hydrator",
            Self::GitopsPromoter => "gitops-promoter",
        })
    }
}
