//! Which repositories the service works for; everything else is ignored.

use std::fmt;

use crate::domain::ids::RepositoryId;

/// `owner/name`, `owner/*`, or `group/**`: those of the group and of every group in it.
///
/// Forges do not tell upper from lower case in names, so neither does this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryPattern {
    owner: String,
    which: Which,
}

/// Which repositories of an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Which {
    /// The one of this name.
    One(String),
    /// All of its own.
    Own,
    /// All of its own, and all of the groups in it.
    Below,
}

impl RepositoryPattern {
    /// Returns the pattern that `text` spells.
    pub fn parse(text: &str) -> Option<Self> {
        for (ending, which) in [("/*", Which::Own), ("/**", Which::Below)] {
            if let Some(owner) = text.strip_suffix(ending) {
                let any = RepositoryId::new(format!("{owner}/any")).ok()?;
                return Some(Self { owner: any.owner().to_lowercase(), which });
            }
        }
        let one = RepositoryId::new(text).ok()?;
        Some(Self { owner: one.owner().to_lowercase(), which: Which::One(one.name().to_lowercase()) })
    }

    fn matches(&self, repository: &RepositoryId) -> bool {
        let owner = repository.owner().to_ascii_lowercase();
        match &self.which {
            Which::One(name) => owner == self.owner && repository.name().eq_ignore_ascii_case(name),
            Which::Own => owner == self.owner,
            Which::Below => {
                owner.strip_prefix(&self.owner).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
        }
    }

    /// Says whether a repository may be meant by both.
    pub fn meets(&self, other: &Self) -> bool {
        let is_below = |inner: &str, outer: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match (&self.which, &other.which) {
            (Which::One(_), _) => self.exact().is_some_and(|one| other.matches(&one)),
            (_, Which::One(_)) => other.meets(self),
            (Which::Own, Which::Own) => self.owner == other.owner,
            (Which::Own, Which::Below) => is_below(&self.owner, &other.owner),
            (Which::Below, Which::Own) => other.meets(self),
            (Which::Below, Which::Below) => is_below(&self.owner, &other.owner) || is_below(&other.owner, &self.owner),
        }
    }

    /// Says whether it names groups in groups, which only GitLab has.
    pub fn has_subgroups(&self) -> bool {
        self.owner.contains('/') || self.which == Which::Below
    }

    /// Returns the one repository that it names.
    pub fn exact(&self) -> Option<RepositoryId> {
        let Which::One(name) = &self.which else { return None };
        RepositoryId::new(format!("{}/{name}", self.owner)).ok()
    }
}

impl fmt::Display for RepositoryPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let which = match &self.which {
            Which::One(name) => name,
            Which::Own => "*",
            Which::Below => "**",
        };
        write!(f, "{}/{which}", self.owner)
    }
}

/// The repositories that may be served.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServedRepositories(pub Vec<RepositoryPattern>);

impl ServedRepositories {
    /// Says whether the service works for a repository.
    pub fn contains(&self, repository: &RepositoryId) -> bool {
        self.0.iter().any(|pattern| pattern.matches(repository))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_one_repository_or_all_of_an_owner() {
        let served =
            ServedRepositories(["Acme/shop", "tools/*"].iter().filter_map(|p| RepositoryPattern::parse(p)).collect());
        let is_served = |text: &str| RepositoryId::new(text).is_ok_and(|repository| served.contains(&repository));
        for yes in ["acme/shop", "ACME/Shop", "tools/a", "Tools/b.c"] {
            assert!(is_served(yes), "{yes}");
        }
        for no in ["acme/shop2", "acme/other", "toolsy/a", "evil/shop"] {
            assert!(!is_served(no), "{no}");
        }
        for bad in ["", "*", "*/*", "acme", "acme/", "/shop", "acme/sh*", "**", "a/**/b", "../x", "acme/../*"] {
            assert_eq!(RepositoryPattern::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn patterns_that_may_mean_one_repository_meet() {
        let pattern = |text: &str| RepositoryPattern::parse(text).expect("a pattern");
        for (one, other, expected) in [
            ("acme/shop", "Acme/Shop", true),
            ("acme/shop", "acme/*", true),
            ("acme/shop", "acme/web", false),
            ("acme/*", "acme/*", true),
            ("acme/*", "acme/web/*", false),
            ("acme/web/*", "acme/**", true),
            ("acme/*", "acme/web/**", false),
            ("acme/**", "acme/web/**", true),
            ("acme/**", "acmes/**", false),
        ] {
            assert_eq!(pattern(one).meets(&pattern(other)), expected, "{one} and {other}");
            assert_eq!(pattern(other).meets(&pattern(one)), expected, "{other} and {one}");
        }
    }

    #[test]
    fn groups_in_groups_are_named_one_by_one_or_all() {
        let is_served = |pattern: &str, repository: &str| {
            let pattern = RepositoryPattern::parse(pattern).expect("a pattern");
            pattern.matches(&RepositoryId::new(repository).expect("a repository"))
        };
        for (pattern, yes, no) in [
            ("acme/*", "acme/shop", "acme/web/shop"),
            ("acme/web/*", "Acme/Web/shop", "acme/shop"),
            ("acme/web/shop", "acme/web/Shop", "acme/web/shop2"),
            ("acme/**", "acme/web/shop", "acmes/shop"),
            ("acme/**", "acme/shop", "other/acme/shop"),
        ] {
            assert!(is_served(pattern, yes), "{pattern}: {yes}");
            assert!(!is_served(pattern, no), "{pattern}: {no}");
        }
    }
}
