//! Which repositories the service works for; everything else is ignored.

use std::fmt;

use crate::domain::ids::RepositoryId;

/// `owner/name`, or `owner/*`. Forges do not tell upper from lower case in names, so neither does this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryPattern {
    owner: String,
    name: Option<String>,
}

impl RepositoryPattern {
    /// Returns the pattern that `text` spells.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(owner) = text.strip_suffix("/*") {
            let any = RepositoryId::new(format!("{owner}/any")).ok()?;
            return Some(Self { owner: any.owner().to_lowercase(), name: None });
        }
        let one = RepositoryId::new(text).ok()?;
        Some(Self { owner: one.owner().to_lowercase(), name: Some(one.name().to_lowercase()) })
    }

    fn matches(&self, repository: &RepositoryId) -> bool {
        repository.owner().eq_ignore_ascii_case(&self.owner)
            && self.name.as_ref().is_none_or(|name| repository.name().eq_ignore_ascii_case(name))
    }

    /// Returns the one repository that it names.
    pub fn exact(&self) -> Option<RepositoryId> {
        RepositoryId::new(format!("{}/{}", self.owner, self.name.as_ref()?)).ok()
    }
}

impl fmt::Display for RepositoryPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name.as_deref().unwrap_or("*"))
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
        for bad in ["", "*", "*/*", "acme", "acme/", "/shop", "acme/sh*", "a/b/c", "a/b/*", "../x", "acme/../*"] {
            assert_eq!(RepositoryPattern::parse(bad), None, "{bad}");
        }
    }
}
