//! Names and identifiers of the field, each a type of its own that cannot be built invalid.
//!
//! The three commit types are never mixed: a dry SHA is something people committed, a proposed
//! SHA is a commit that wants to run, an active SHA is a commit that runs.

use std::{borrow::Borrow, fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A text that is not what the identifier asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct InvalidId {
    text: String,
    expected: &'static str,
}

macro_rules! id {
    ($(#[$meta:meta])* $name:ident, $expected:literal, $check:expr) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Returns the identifier that `text` spells.
            ///
            /// # Errors
            /// When the text has another form.
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                let check: fn(&str) -> bool = $check;
                if check(&text) { Ok(Self(text)) } else { Err(InvalidId { text, expected: $expected }) }
            }

            /// Returns the identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

/// Says whether `text` can be an object id; rule tests use words, so only the alphabet is checked.
fn is_object_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Says whether git accepts `text` as the name of a branch (the rules of `git check-ref-format`).
fn is_branch_name(text: &str) -> bool {
    let segment = |s: &str| !s.is_empty() && !s.starts_with('.') && !s.ends_with(".lock");
    !text.is_empty()
        && text.len() <= 244
        && !text.starts_with('-')
        && !text.ends_with('.')
        && !text.contains("..")
        && !text.contains("@{")
        && text != "@"
        && text.split('/').all(segment)
        && !text.bytes().any(|b| b <= b' ' || b == 0x7f || b"~^:?*[\\".contains(&b))
}

/// Says whether `text` is a short name: letters, digits, `-`, `_`, `.`, beginning with a letter or digit.
fn is_short_name(text: &str) -> bool {
    text.len() <= 63
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// Says whether `text` is a relative folder without `.` and `..` segments.
fn is_folder(text: &str) -> bool {
    !text.is_empty() && text.split('/').all(|s| !s.is_empty() && s != "." && s != ".." && s != ".git")
}

/// Says whether `text` has the form `owner/name`; GitLab's owners are groups in groups: `group/subgroup/name`.
fn is_repository(text: &str) -> bool {
    let part = |s: &str| {
        !s.is_empty() && !s.starts_with('.') && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    text.contains('/') && text.split('/').all(part)
}

id!(
    /// One commit of the dry line: the first-parent history of the dry branch.
    DrySha, "a commit id", is_object_id
);
id!(
    /// A commit on an active branch: what runs.
    ActiveSha, "a commit id", is_object_id
);
id!(
    /// A commit on a proposed branch: what wants to run.
    ProposedSha, "a commit id", is_object_id
);
id!(
    /// The head of a pull request that promotes nothing: what would become a dry commit.
    HeadSha, "a commit id", is_object_id
);
id!(
    /// A git tree.
    TreeId, "a tree id", is_object_id
);
id!(
    /// The output of one root, identified by the git tree of its rendered files.
    ///
    /// Files that only name the dry SHA (metadata, README) are not part of it.
    RenderingId, "a tree id", is_object_id
);
id!(
    /// A root, named by its output folder on the environment branch.
    RootName, "a relative folder", is_folder
);
id!(
    /// A named place with one active branch.
    EnvironmentName, "a name of letters, digits, `-`, `_` and `.` that begins with a letter or digit", is_short_name
);
id!(
    /// The roots that travel through the environments together.
    LaneName, "a name of letters, digits, `-`, `_` and `.` that begins with a letter or digit", is_short_name
);
id!(
    /// The name of a strategy, unique in its repository.
    StrategyName, "a name of letters, digits, `-`, `_` and `.` that begins with a letter or digit", is_short_name
);
id!(
    /// A branch, without `refs/heads/`.
    BranchName, "a branch name", is_branch_name
);
id!(
    /// A repository on the forge, as `owner/name`; the owner may be a group in a group.
    RepositoryId, "a repository as `owner/name`", is_repository
);
id!(
    /// The name of a forge in the server's settings.
    ForgeName, "a name of letters, digits, `-`, `_` and `.` that begins with a letter or digit", is_short_name
);
id!(
    /// The key of a commit status or the name of a check run, at most 255 characters.
    StatusKey, "a status key", |text| !text.is_empty() && text.len() <= 255 && !text.contains(char::is_control)
);

impl Borrow<str> for ForgeName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl LaneName {
    /// Returns the lane of a strategy that does not divide its roots.
    pub fn single() -> Self {
        Self("default".into())
    }
}

impl DrySha {
    /// Returns the first seven characters, the usual short form.
    pub fn short(&self) -> &str {
        self.0.get(..7).unwrap_or(&self.0)
    }
}

impl ActiveSha {
    /// Returns the first seven characters, the usual short form.
    pub fn short(&self) -> &str {
        self.0.get(..7).unwrap_or(&self.0)
    }
}

impl ProposedSha {
    /// Returns the first seven characters, the usual short form.
    pub fn short(&self) -> &str {
        self.0.get(..7).unwrap_or(&self.0)
    }
}

impl HeadSha {
    /// Returns the first seven characters, the usual short form.
    pub fn short(&self) -> &str {
        self.0.get(..7).unwrap_or(&self.0)
    }
}

impl RepositoryId {
    /// Returns the account or group that owns the repository.
    pub fn owner(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(owner, _)| owner)
    }

    /// Returns the repository's name without its owner.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(_, name)| name)
    }

    /// Says whether both are one repository: forges do not tell upper from lower case in names.
    pub fn is(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }

    /// Says whether the owner is a group in a group, which only GitLab has.
    pub fn is_in_subgroup(&self) -> bool {
        self.owner().contains('/')
    }
}

/// A repository that is not the dry one, in which environments have their branches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DestinationId {
    /// The forge that it is on.
    pub forge: ForgeName,
    /// Its name there.
    pub repository: RepositoryId,
}

impl DestinationId {
    /// Says whether both are one repository.
    pub fn is(&self, other: &Self) -> bool {
        self.forge == other.forge && self.repository.is(&other.repository)
    }
}

impl fmt::Display for DestinationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.repository, self.forge)
    }
}

/// The number of a pull request in its repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct PullRequestNumber(pub u64);

impl fmt::Display for PullRequestNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// One lane of one environment: where a promotion arrives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// The environment.
    pub environment: EnvironmentName,
    /// The lane.
    pub lane: LaneName,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lane == LaneName::single() {
            write!(f, "{}", self.environment)
        } else {
            write!(f, "{}/{}", self.environment, self.lane)
        }
    }
}

/// A strategy of a repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct StrategyId {
    /// The repository that holds the strategy.
    pub repository: RepositoryId,
    /// Its `metadata.name`.
    pub name: StrategyName,
}

impl StrategyId {
    /// Returns what it is called in the paths of pages and of the API: three segments, whatever the owner is.
    ///
    /// The slashes of `group/subgroup` are written as `%2F`, as in GitLab's own API.
    pub fn path(&self) -> String {
        format!("{}/{}/{}", self.repository.owner().replace('/', "%2F"), self.repository.name(), self.name)
    }
}

impl FromStr for StrategyId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let (repository, name) = text.rsplit_once('/').unwrap_or((text, ""));
        Ok(Self { repository: RepositoryId::new(repository)?, name: StrategyName::new(name)? })
    }
}

impl fmt::Display for StrategyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.repository, self.name)
    }
}

impl RootName {
    /// Says whether two output folders are one, or one is inside the other: whatever applies the outer one applies both.
    pub fn meets(&self, other: &Self) -> bool {
        let inside = |outer: &str, inner: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        inside(self.as_str(), other.as_str()) || inside(other.as_str(), self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branch_names_follow_git_check_ref_format() {
        for good in ["main", "env/dev", "env/dev-next", "a.b"] {
            assert!(BranchName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-x", "a..b", "a b", "a~", "env//dev", ".a", "a/.b", "x.lock", "a.", "@", "a@{b"] {
            assert!(BranchName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_owner_may_be_a_group_in_a_group() {
        let id: StrategyId = "acme/web/shop/default".parse().expect("a strategy");
        assert_eq!((id.repository.owner(), id.repository.name(), id.name.as_str()), ("acme/web", "shop", "default"));
        assert_eq!((id.to_string().as_str(), id.path().as_str()), ("acme/web/shop/default", "acme%2Fweb/shop/default"));
        let plain: StrategyId = "acme/shop/default".parse().expect("a strategy");
        assert_eq!((plain.path(), plain.repository.is_in_subgroup()), (plain.to_string(), false));
        for bad in ["acme", "acme/", "/shop", "acme//shop", "acme/../shop", "acme/web/.git"] {
            assert!(RepositoryId::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_output_folder_is_never_the_root_and_never_leaves_it() {
        for bad in ["", ".", "..", "a/../b", "/a", "a/", ".git", "a/.git/b"] {
            assert!(RootName::new(bad).is_err(), "{bad}");
        }
        assert!(RootName::new("components/web").is_ok());
    }
}
