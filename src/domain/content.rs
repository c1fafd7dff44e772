//! What one lane holds in one environment: a map from root to rendering.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::ids::{RenderingId, RootName};

/// The renderings of the roots of one lane in one environment.
///
/// Two contents are the same when each root has the same rendering. An empty content means that
/// nothing runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Content(BTreeMap<RootName, RenderingId>);

impl Content {
    /// Says whether there is no root at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the rendering of `root`.
    pub fn get(&self, root: &RootName) -> Option<&RenderingId> {
        self.0.get(root)
    }

    /// Sets the rendering of `root`.
    pub fn insert(&mut self, root: RootName, rendering: RenderingId) {
        self.0.insert(root, rendering);
    }

    /// Returns roots and renderings, ordered by root.
    pub fn iter(&self) -> impl Iterator<Item = (&RootName, &RenderingId)> {
        self.0.iter()
    }

    /// Returns the number of roots.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the part of it that is in these roots.
    pub fn only(&self, is_meant: impl Fn(&RootName) -> bool) -> Self {
        self.0.iter().filter(|(root, _)| is_meant(root)).map(|(root, id)| (root.clone(), id.clone())).collect()
    }

    /// Returns this content with what `other` holds in place of the roots that both have, and beside the others.
    pub fn laid_under(&self, other: &Self) -> Self {
        self.iter().chain(other.iter()).map(|(root, rendering)| (root.clone(), rendering.clone())).collect()
    }

    /// Returns the roots that differ between `self` and `other`, also those that only one has.
    pub fn differing<'a>(&'a self, other: &'a Self) -> BTreeSet<&'a RootName> {
        self.0.keys().chain(other.0.keys()).filter(|root| self.get(root) != other.get(root)).collect()
    }
}

impl FromIterator<(RootName, RenderingId)> for Content {
    fn from_iter<I: IntoIterator<Item = (RootName, RenderingId)>>(renderings: I) -> Self {
        Self(renderings.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(roots: &[(&str, &str)]) -> Content {
        roots
            .iter()
            .map(|(root, id)| (RootName::new(*root).expect("a folder"), RenderingId::new(*id).expect("an id")))
            .collect()
    }

    #[test]
    fn differing_roots_include_those_that_only_one_side_has() {
        let (old, new) = (content(&[("a", "1"), ("b", "1")]), content(&[("b", "2"), ("c", "1")]));
        let names: Vec<_> = old.differing(&new).into_iter().map(RootName::as_str).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }
}
