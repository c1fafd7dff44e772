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

/// Who made a rendering, and for what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootInfo {
    /// The commands, reproducible in a checkout of the dry SHA.
    pub commands: Vec<String>,
    /// Name and version of the renderer.
    pub renderer: String,
    /// The labels of the root.
    pub labels: BTreeMap<String, String>,
}

/// What came of hydrating one lane of one environment at one dry SHA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Hydration {
    /// Every root was rendered, or may keep what it has.
    Done {
        /// The rendered roots.
        content: Content,
        /// Roots that failed and keep what they have (`onFailure: keepLast`), with the reason.
        kept: BTreeMap<RootName, String>,
    },
    /// A root failed; the lane is not promoted on half a rendering.
    Failed(HydrationFailure),
}

/// Why a dry SHA could not be hydrated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HydrationFailure {
    /// The author's file, relative to the repository, where known.
    pub file: Option<String>,
    /// The line in it, from 1.
    pub line: Option<u64>,
    /// The renderer's own words.
    pub message: String,
    /// When to try again; absent for a mistake of the author, which only a commit mends.
    pub retry_at: Option<jiff::Timestamp>,
}

impl std::fmt::Display for HydrationFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}: {}", self.message),
            (Some(file), None) => write!(f, "{file}: {}", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

impl Hydration {
    /// Returns the content that an environment would hold that runs `running` now, or nothing when
    /// hydration failed.
    pub fn content_over(&self, running: &Content) -> Option<Content> {
        let Self::Done { content, kept } = self else { return None };
        let mut content = content.clone();
        for root in kept.keys() {
            if let Some(rendering) = running.get(root) {
                content.insert(root.clone(), rendering.clone());
            }
        }
        Some(content)
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
    fn a_root_that_keeps_its_last_rendering_takes_it_from_what_runs() {
        let failing = RootName::new("web").expect("a folder");
        let hydration = Hydration::Done {
            content: content(&[("db", "db-2")]),
            kept: BTreeMap::from([(failing, "broken".to_owned())]),
        };
        assert_eq!(
            hydration.content_over(&content(&[("db", "db-1"), ("web", "web-1")])),
            Some(content(&[("db", "db-2"), ("web", "web-1")]))
        );
        assert_eq!(hydration.content_over(&Content::default()), Some(content(&[("db", "db-2")])));
    }

    #[test]
    fn differing_roots_include_those_that_only_one_side_has() {
        let (old, new) = (content(&[("a", "1"), ("b", "1")]), content(&[("b", "2"), ("c", "1")]));
        let names: Vec<_> = old.differing(&new).into_iter().map(RootName::as_str).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }
}
