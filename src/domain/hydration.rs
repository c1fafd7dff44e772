//! What came of hydrating an environment at a dry SHA, and what of it travels in one lane.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    content::Content,
    ids::{LaneName, RootName},
    lane::{Lanes, NoLane},
    selection::RootLabels,
};

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

/// What came of hydrating one environment at one dry SHA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum EnvironmentHydration {
    /// The roots were found.
    Done(RenderedRoots),
    /// They were not: nothing of the environment was rendered.
    Failed(HydrationFailure),
}

/// The roots of one environment at one dry SHA.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderedRoots {
    /// Those that were rendered.
    pub content: Content,
    /// Those that failed and keep what they have (`onFailure: keepLast`), with the reason.
    pub kept: BTreeMap<RootName, String>,
    /// Those that failed and hold up their lane.
    pub failed: BTreeMap<RootName, HydrationFailure>,
    /// The labels of all of them.
    pub labels: RootLabels,
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
        /// Roots that are in other lanes at this dry SHA: where they run in this one, they stay until
        /// the other lane takes them over.
        elsewhere: BTreeSet<RootName>,
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

impl EnvironmentHydration {
    /// Returns what of it travels in one lane. A root that is in no lane stops all of them: nobody knows
    /// which one it belongs to.
    pub fn of_lane(&self, lanes: &Lanes, lane: &LaneName) -> Hydration {
        self.divided(|root, labels| lanes.of(root, labels), lane)
    }

    /// Returns the same where it is told by `of` which lane a root is in.
    pub fn divided(
        &self,
        of: impl Fn(&RootName, &BTreeMap<String, String>) -> Result<LaneName, NoLane>,
        lane: &LaneName,
    ) -> Hydration {
        let roots = match self {
            Self::Done(roots) => roots,
            Self::Failed(failure) => return Hydration::Failed(failure.clone()),
        };
        let mut of_roots = BTreeMap::new();
        for (root, labels) in &roots.labels {
            match of(root, labels) {
                Ok(lane) => of_roots.insert(root, lane),
                Err(no_lane) => return Hydration::Failed(HydrationFailure::of_author(no_lane.to_string())),
            };
        }
        let is_here = |root: &RootName| of_roots.get(root) == Some(lane);
        match first_failure(roots.failed.iter().filter(|(root, _)| is_here(root))) {
            Some(failure) => Hydration::Failed(failure),
            None => Hydration::Done {
                content: roots.content.only(is_here),
                kept: roots
                    .kept
                    .iter()
                    .filter(|(root, _)| is_here(root))
                    .map(|(r, why)| (r.clone(), why.clone()))
                    .collect(),
                elsewhere: of_roots.into_iter().filter(|(_, at)| at != lane).map(|(root, _)| root.clone()).collect(),
            },
        }
    }
}

impl HydrationFailure {
    /// Returns a mistake of the author that has no place in a file.
    pub fn of_author(message: String) -> Self {
        Self { file: None, line: None, message, retry_at: None }
    }
}

/// Returns the failure to show: one of the installation comes first, since it says nothing about the
/// content.
fn first_failure<'a>(failed: impl Iterator<Item = (&'a RootName, &'a HydrationFailure)>) -> Option<HydrationFailure> {
    let mut failed: Vec<_> = failed.collect();
    failed.sort_by_key(|(_, failure)| failure.retry_at.is_none());
    let (root, failure) = failed.first()?;
    let more = failed.len() - 1;
    let others = if more > 0 { format!(" (and {more} more roots)") } else { String::new() };
    Some(HydrationFailure { message: format!("`{root}`: {}{others}", failure.message), ..(*failure).clone() })
}

impl Hydration {
    /// Returns the content that a lane would hold that holds `running` now, or nothing when hydration
    /// failed.
    pub fn content_over(&self, running: &Content) -> Option<Content> {
        let Self::Done { content, kept, elsewhere } = self else { return None };
        let mut content = content.clone();
        for root in kept.keys().chain(elsewhere) {
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
    use crate::domain::ids::RenderingId;

    fn root(name: &str) -> RootName {
        RootName::new(name).expect("a folder")
    }

    fn content(roots: &[(&str, &str)]) -> Content {
        roots.iter().map(|(name, id)| (root(name), RenderingId::new(*id).expect("an id"))).collect()
    }

    fn labels(roots: &[(&str, &str)]) -> RootLabels {
        let service = |value: &str| BTreeMap::from([("service".to_owned(), value.to_owned())]);
        roots.iter().map(|(name, value)| (root(name), service(value))).collect()
    }

    fn lane(name: &str) -> LaneName {
        LaneName::new(name).expect("a name")
    }

    fn failure(message: &str) -> HydrationFailure {
        HydrationFailure::of_author(message.to_owned())
    }

    #[test]
    fn a_root_that_keeps_its_last_rendering_takes_it_from_what_runs() {
        let hydration = Hydration::Done {
            content: content(&[("db", "db-2")]),
            kept: BTreeMap::from([(root("web"), "broken".to_owned())]),
            elsewhere: BTreeSet::new(),
        };
        assert_eq!(
            hydration.content_over(&content(&[("db", "db-1"), ("web", "web-1")])),
            Some(content(&[("db", "db-2"), ("web", "web-1")]))
        );
        assert_eq!(hydration.content_over(&Content::default()), Some(content(&[("db", "db-2")])));
    }

    #[test]
    fn a_root_that_fails_holds_up_its_own_lane_alone() {
        let hydration = EnvironmentHydration::Done(RenderedRoots {
            content: content(&[("cart", "cart-2"), ("pay", "pay-2")]),
            failed: BTreeMap::from([(root("pay-jobs"), failure("no such value"))]),
            labels: labels(&[("cart", "cart"), ("pay", "pay"), ("pay-jobs", "pay")]),
            ..RenderedRoots::default()
        });
        let lanes = Lanes::by("service");
        let EnvironmentHydration::Done(roots) = &hydration else { panic!("the roots were found") };
        let of_roots = roots.labels.iter().map(|(root, labels)| lanes.of(root, labels));
        assert_eq!(of_roots.collect::<Result<BTreeSet<_>, _>>(), Ok(BTreeSet::from([lane("cart"), lane("pay")])));
        assert_eq!(
            hydration.of_lane(&lanes, &lane("cart")).content_over(&Content::default()),
            Some(content(&[("cart", "cart-2")]))
        );
        assert_eq!(hydration.of_lane(&lanes, &lane("pay")), Hydration::Failed(failure("`pay-jobs`: no such value")));
        // Undivided, it holds up everything.
        assert_eq!(
            hydration.of_lane(&Lanes::default(), &LaneName::single()),
            Hydration::Failed(failure("`pay-jobs`: no such value"))
        );
    }

    #[test]
    fn a_root_that_moved_to_another_lane_stays_until_that_lane_takes_it_over() {
        let hydration = EnvironmentHydration::Done(RenderedRoots {
            content: content(&[("cart", "cart-2"), ("jobs", "jobs-2")]),
            labels: labels(&[("cart", "cart"), ("jobs", "pay")]),
            ..RenderedRoots::default()
        });
        let cart = hydration.of_lane(&Lanes::by("service"), &lane("cart"));
        assert_eq!(
            cart.content_over(&content(&[("cart", "cart-1"), ("jobs", "jobs-1"), ("old", "old-1")])),
            Some(content(&[("cart", "cart-2"), ("jobs", "jobs-1")]))
        );
    }

    #[test]
    fn a_root_without_a_lane_stops_all_of_them() {
        let hydration = EnvironmentHydration::Done(RenderedRoots {
            content: content(&[("cart", "cart-2")]),
            labels: RootLabels::from([(root("cart"), BTreeMap::new())]),
            ..RenderedRoots::default()
        });
        let Hydration::Failed(failure) = hydration.of_lane(&Lanes::by("service"), &lane("pay")) else {
            panic!("stopped")
        };
        insta::assert_snapshot!(failure, @"`cart` has no label `service`, by which the strategy divides its lanes");
    }

    #[test]
    fn what_the_installation_did_not_manage_is_told_before_mistakes() {
        let later = Some(jiff::Timestamp::UNIX_EPOCH);
        let timed_out = HydrationFailure { retry_at: later, ..failure("took too long") };
        let failed = BTreeMap::from([(root("a"), failure("no such value")), (root("b"), timed_out)]);
        let shown = first_failure(failed.iter()).expect("some");
        assert_eq!((shown.message.as_str(), shown.retry_at), ("`b`: took too long (and 1 more roots)", later));
    }
}
