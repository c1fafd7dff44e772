//! Who promotes into which other repositories: who hears of something there learns here whom it concerns.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use crate::domain::ids::{DestinationId, RepositoryId};

/// Other repositories with environments' branches, each with the dry repositories. Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub struct Destinations(Arc<Mutex<BTreeSet<(DestinationId, RepositoryId)>>>);

impl Destinations {
    /// Notes that strategies of `dry` promote into `destination`. It is noted before anything is read there: what
    /// happens in between is heard of.
    pub fn note(&self, destination: &DestinationId, dry: &RepositoryId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((destination.clone(), dry.clone()));
    }

    /// Returns the dry repositories that what happens in the repositories meant by `is_meant` concerns.
    pub fn concerned(&self, is_meant: impl Fn(&DestinationId) -> bool) -> Vec<(DestinationId, RepositoryId)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().filter(|(destination, _)| is_meant(destination)).cloned().collect()
    }
}
