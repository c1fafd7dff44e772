//! Which repositories may be promoted into which others.

use std::collections::BTreeMap;

use super::{
    ForgeSettings, RepositoryPattern, ServedRepositories, check::repository_pattern, file::DestinationSection,
    mistake::Mistakes,
};
use crate::domain::ids::{DestinationId, ForgeName, RepositoryId};

/// Where they stand in the file.
const SECTION: &str = "destinations";

/// Repositories whose strategies may promote into others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedDestination {
    /// Those with the dry branches.
    pub from: ServedRepositories,
    /// Those with the environments' branches.
    pub to: ServedRepositories,
    /// The forge of the latter; that of the former when absent.
    pub forge: Option<ForgeName>,
}

impl AllowedDestination {
    /// Says whether strategies of `dry`, which is on the forge `own`, may promote into `destination`.
    pub fn allows(&self, dry: &RepositoryId, own: &ForgeName, destination: &DestinationId) -> bool {
        let forge = self.forge.as_ref().unwrap_or(own);
        *forge == destination.forge && self.from.contains(dry) && self.to.contains(&destination.repository)
    }
}

/// Reads `[[destinations]]`.
pub(super) fn destinations(
    sections: &[DestinationSection],
    forges: &BTreeMap<ForgeName, ForgeSettings>,
    mistakes: &mut Mistakes<'_>,
) -> Vec<AllowedDestination> {
    let numbered = sections.iter().enumerate();
    numbered.map(|(number, section)| destination(&format!("{SECTION}.{number}"), section, forges, mistakes)).collect()
}

fn destination(
    key: &str,
    section: &DestinationSection,
    forges: &BTreeMap<ForgeName, ForgeSettings>,
    mistakes: &mut Mistakes<'_>,
) -> AllowedDestination {
    let forge = section.forge.as_ref().and_then(|name| {
        let known = forges.keys().find(|forge| forge.as_str() == name).cloned();
        if known.is_none() {
            mistakes.add(&format!("{key}.forge"), format!("is `{name}`, which is none of `[forges]`"));
        }
        known
    });
    AllowedDestination {
        from: patterns(&format!("{key}.from"), &section.from, mistakes),
        to: patterns(&format!("{key}.to"), &section.to, mistakes),
        forge,
    }
}

fn patterns(key: &str, texts: &[String], mistakes: &mut Mistakes<'_>) -> ServedRepositories {
    if texts.is_empty() {
        mistakes.add(key, "is empty; name repositories as `owner/name` or `owner/*`");
    }
    ServedRepositories(texts.iter().filter_map(|text| repository_pattern(key, text, mistakes)).collect())
}

/// Refuses repositories that would be served on two forges: strategies are known by the repository's name.
pub(super) fn refuse_served_twice(forges: &BTreeMap<ForgeName, ForgeSettings>, mistakes: &mut Mistakes<'_>) {
    let all: Vec<(&ForgeName, &RepositoryPattern)> =
        forges.iter().flat_map(|(name, forge)| forge.repositories.0.iter().map(move |one| (name, one))).collect();
    for (index, (name, pattern)) in all.iter().enumerate() {
        let before = all[..index].iter().find(|(other, earlier)| other != name && earlier.meets(pattern));
        if let Some((other, earlier)) = before {
            let words =
                format!("holds `{pattern}`, and `forges.{other}` has `{earlier}`: a name is served on one forge only");
            mistakes.add(&format!("forges.{name}.repositories"), words);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(patterns: &[&str]) -> ServedRepositories {
        ServedRepositories(patterns.iter().filter_map(|text| RepositoryPattern::parse(text)).collect())
    }

    #[test]
    fn only_the_named_pairs_are_allowed() {
        let repository = |text: &str| RepositoryId::new(text).expect("an owner and a name");
        let forge = |text: &str| ForgeName::new(text).expect("a name");
        let to = |name: &str, text: &str| DestinationId { forge: forge(name), repository: repository(text) };
        let here = AllowedDestination { from: served(&["acme/*"]), to: served(&["acme/environments"]), forge: None };
        let there = AllowedDestination { forge: Some(forge("lab")), ..here.clone() };
        for (allowed, dry, destination, expected) in [
            (&here, "acme/shop", to("hub", "Acme/Environments"), true),
            (&here, "acme/shop", to("hub", "acme/other"), false),
            (&here, "evil/shop", to("hub", "acme/environments"), false),
            (&here, "acme/shop", to("lab", "acme/environments"), false),
            (&there, "acme/shop", to("lab", "acme/environments"), true),
            (&there, "acme/shop", to("hub", "acme/environments"), false),
        ] {
            let is_allowed = allowed.allows(&repository(dry), &forge("hub"), &destination);
            assert_eq!(is_allowed, expected, "{dry} into {destination}");
        }
    }
}
