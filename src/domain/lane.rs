//! How the roots of a strategy are divided into lanes: by the value of a label, or not at all.

use std::{collections::BTreeMap, fmt};

use super::ids::{LaneName, RootName};

/// How a rollback's branch is called after its lane: no lane may be called so itself.
pub const ROLLBACK_SUFFIX: &str = "rollback";

/// How the branch on which a lane is restored over drift is called after it; here too.
pub const RESTORE_SUFFIX: &str = "restore";

/// Divides roots into lanes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lanes {
    by: Option<String>,
}

/// What a branch of an environment beside the active one is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaneBranch {
    /// A lane's content is proposed on it.
    Proposed(LaneName),
    /// A lane's earlier content is brought back on it.
    Rollback(LaneName),
    /// What was promoted last to a lane is restored on it.
    Restore(LaneName),
}

/// Why a root is in no lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoLane {
    /// It lacks the label.
    Unlabelled {
        /// The root.
        root: RootName,
        /// The label.
        label: String,
    },
    /// The label's value cannot be the name of a lane.
    Unnamable {
        /// The root.
        root: RootName,
        /// The label.
        label: String,
        /// Its value.
        value: String,
    },
}

impl Lanes {
    /// Divides roots by the value of this label.
    pub fn by(label: impl Into<String>) -> Self {
        Self { by: Some(label.into()) }
    }

    /// Returns the label that divides, or nothing when all roots travel together.
    pub fn label(&self) -> Option<&str> {
        self.by.as_deref()
    }

    /// Returns the lane of a root with these labels.
    ///
    /// # Errors
    /// [`NoLane`] when it has no usable value of the label.
    pub fn of(&self, root: &RootName, labels: &BTreeMap<String, String>) -> Result<LaneName, NoLane> {
        let Some(label) = &self.by else { return Ok(LaneName::single()) };
        let (root, label) = (root.clone(), label.clone());
        let Some(value) = labels.get(&label) else { return Err(NoLane::Unlabelled { root, label }) };
        match LaneName::new(value.clone()) {
            Ok(lane) if !is_taken(&lane) => Ok(lane),
            _ => Err(NoLane::Unnamable { root, label, value: value.clone() }),
        }
    }
}

/// Says whether a name means something else already: the lane of strategies that have one, or the branch
/// on which another lane is rolled back or restored.
fn is_taken(lane: &LaneName) -> bool {
    *lane == LaneName::single()
        || [ROLLBACK_SUFFIX, RESTORE_SUFFIX]
            .iter()
            .filter_map(|suffix| lane.as_str().strip_suffix(suffix))
            .any(|rest| rest.is_empty() || rest.ends_with('-'))
}

impl fmt::Display for NoLane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlabelled { root, label } => {
                write!(f, "`{root}` has no label `{label}`, by which the strategy divides its lanes")
            }
            Self::Unnamable { root, label, value } => write!(
                f,
                "`{root}` has the label `{label}: {value}`, which cannot name a lane: use letters, digits, `-`, `_` and \
                 `.`, not `default`, and no `rollback` or `restore` at the \
                 end"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(value: Option<&str>) -> String {
        let labels = value.map(|value| ("service".to_owned(), value.to_owned())).into_iter().collect();
        match Lanes::by("service").of(&RootName::new("web").expect("a folder"), &labels) {
            Ok(lane) => lane.to_string(),
            Err(no_lane) => no_lane.to_string(),
        }
    }

    #[test]
    fn the_label_names_the_lane() {
        assert_eq!(lane(Some("cart")), "cart");
        assert_eq!(lane(Some("rollbacks")), "rollbacks");
        insta::assert_snapshot!(lane(None), @"`web` has no label `service`, by which the strategy divides its lanes");
        insta::assert_snapshot!(lane(Some("a/b")), @"`web` has the label `service: a/b`, which cannot name a lane: use letters, digits, `-`, `_` and `.`, not `default`, and no `rollback` or `restore` at the end");
        for taken in ["default", "rollback", "cart-rollback", "restore", "cart-restore", ""] {
            assert!(lane(Some(taken)).contains("cannot name a lane"), "{taken}");
        }
    }

    #[test]
    fn without_a_label_all_roots_travel_together() {
        let root = RootName::new("web").expect("a folder");
        assert_eq!(Lanes::default().of(&root, &BTreeMap::new()), Ok(LaneName::single()));
    }
}
