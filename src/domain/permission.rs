//! What somebody may do in a repository: as forges grade it, weakest first, and as a strategy adds to it.

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

/// The right on the repository that going past windows needs, beside that of promoting, and a change of the
/// strategy that drops what is under way.
pub const OVERRIDE_NEEDS: Permission = Permission::Maintain;

/// A key of `spec.permissions`: what people may do without the right on the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grant {
    /// `permissions.promote`.
    Promote,
    /// `permissions.rollback`.
    Rollback,
    /// `permissions.override`.
    Override,
}

/// People that a strategy names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grantee {
    /// The members of a team of the repository's organisation, by its slug.
    Team(String),
    /// One person, by the login.
    User(String),
}

/// What a strategy lets people do, beside those who have the right on the repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Who may promote, and take back what keeps promotions.
    pub promote: Vec<Grantee>,
    /// Who may roll back.
    pub rollback: Vec<Grantee>,
    /// Who may promote although windows are closed.
    pub overriding: Vec<Grantee>,
}

impl Grants {
    /// Returns the people that a key names.
    pub fn of(&self, grant: Grant) -> &[Grantee] {
        match grant {
            Grant::Promote => &self.promote,
            Grant::Rollback => &self.rollback,
            Grant::Override => &self.overriding,
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Promote => "permissions.promote",
            Self::Rollback => "permissions.rollback",
            Self::Override => "permissions.override",
        })
    }
}

impl fmt::Display for Grantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Team(slug) => write!(f, "team:{slug}"),
            Self::User(login) => write!(f, "user:{login}"),
        }
    }
}
