//! What somebody may do in a repository, weakest first, as forges grade it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A person's right on a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// None, not even reading.
    None,
    /// Reading and commenting.
    Read,
    /// Labels, closing and reopening; a Reporter on GitLab.
    Triage,
    /// Pushing and merging; a Developer on GitLab.
    Write,
    /// Settings without access rights; a Maintainer on GitLab.
    Maintain,
    /// Everything.
    Admin,
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "no access",
            Self::Read => "read",
            Self::Triage => "triage",
            Self::Write => "write",
            Self::Maintain => "maintain",
            Self::Admin => "admin",
        })
    }
}
