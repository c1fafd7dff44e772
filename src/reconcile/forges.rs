//! The forges that the service works with, and which repositories may be promoted into which others.

use std::{collections::BTreeMap, fmt, sync::Arc};

use crate::{
    domain::{
        ids::{DestinationId, ForgeName, RepositoryId},
        strategy::Destination,
    },
    forge::SharedForge,
    settings::{AllowedDestination, ServedRepositories},
};

/// One forge.
#[derive(Clone)]
pub struct ServedForge {
    /// Reaches it.
    pub forge: SharedForge,
    /// The repositories whose dry branches are watched.
    pub repositories: ServedRepositories,
}

/// All forges. Cloning is cheap.
#[derive(Clone)]
pub struct Forges {
    forges: Arc<BTreeMap<ForgeName, ServedForge>>,
    allowed: Arc<Vec<AllowedDestination>>,
}

impl Forges {
    /// Makes them; `allowed` says who may promote into another repository.
    pub fn new(forges: BTreeMap<ForgeName, ServedForge>, allowed: Vec<AllowedDestination>) -> Self {
        Self { forges: Arc::new(forges), allowed: Arc::new(allowed) }
    }

    /// Returns those of a test: one, which serves `acme` alone.
    #[cfg(test)]
    pub(crate) fn of_one(forge: SharedForge) -> Self {
        let repositories =
            ServedRepositories(crate::settings::RepositoryPattern::parse("acme/*").into_iter().collect());
        let name = ForgeName::new("github").expect("because it is a name");
        Self::new(BTreeMap::from([(name, ServedForge { forge, repositories })]), Vec::new())
    }

    /// Returns a forge by its name.
    pub fn named(&self, name: &ForgeName) -> Option<&SharedForge> {
        self.forges.get(name).map(|served| &served.forge)
    }

    /// Returns the forge of a repository that is served.
    pub fn serving(&self, repository: &RepositoryId) -> Option<(&ForgeName, &SharedForge)> {
        let mut serving = self.forges.iter().filter(|(_, served)| served.repositories.contains(repository));
        serving.next().map(|(name, served)| (name, &served.forge))
    }

    /// Returns the repository into which strategies of `dry` may promote, or why they may not.
    pub fn destination(&self, dry: &RepositoryId, wanted: &Destination) -> Result<DestinationId, String> {
        let repository = wanted.repository.clone();
        let Some((own, _)) = self.serving(dry) else { return Err(format!("{dry} is not served")) };
        let forge = wanted.forge.as_ref().unwrap_or(own);
        if !self.forges.contains_key(forge) {
            let known: Vec<&str> = self.forges.keys().map(ForgeName::as_str).collect();
            return Err(format!("the server knows no forge `{forge}`; it knows {}", known.join(", ")));
        }
        if forge != own && repository.is(dry) {
            return Err(format!("{repository} on {forge} has the name of this repository; give it another one"));
        }
        let id = DestinationId { forge: forge.clone(), repository };
        if self.allowed.iter().any(|allowed| allowed.allows(dry, own, &id)) {
            return Ok(id);
        }
        Err(format!(
            "the server does not let {dry} promote into {id}; its settings would have to allow it with \
             `[[destinations]]`, `from = [\"{dry}\"]`, `to = [\"{}\"]`",
            id.repository
        ))
    }
}

impl fmt::Debug for Forges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.forges.keys()).finish()
    }
}
