//! Selections of roots by their labels: `service=web,team=shop`.
//!
//! Every condition must hold. Beside the labels that the strategy gives a root, each has `output`:
//! its own folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::ids::RootName;

/// The label that every root has: its output folder.
const OUTPUT: &str = "output";

/// The most conditions of one selection.
const CONDITIONS_LIMIT: usize = 10;

/// The labels of the roots on a branch.
pub type RootLabels = BTreeMap<RootName, BTreeMap<String, String>>;

/// Which roots are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection(Vec<(String, String)>);

/// Why a text selects nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// A part is no condition.
    #[error("`{0}` is no condition; write `label=value`")]
    Condition(String),
    /// It has too many parts.
    #[error("a selection has at most {CONDITIONS_LIMIT} conditions")]
    TooMany,
}

impl Selection {
    /// Reads a selection.
    ///
    /// # Errors
    /// [`SelectionError`] when a part is no condition.
    pub fn parse(text: &str) -> Result<Self, SelectionError> {
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        if parts.len() > CONDITIONS_LIMIT {
            return Err(SelectionError::TooMany);
        }
        let condition = |part: &str| match part.split_once('=') {
            Some((label, value)) if !label.trim().is_empty() && !value.trim().is_empty() => {
                Ok((label.trim().to_owned(), value.trim().to_owned()))
            }
            _ => Err(SelectionError::Condition(part.to_owned())),
        };
        parts.into_iter().map(condition).collect::<Result<_, _>>().map(Self)
    }

    /// Returns those of `roots` that are meant.
    pub fn select<'a>(&self, roots: impl IntoIterator<Item = &'a RootName>, labels: &RootLabels) -> BTreeSet<RootName> {
        let value = |root: &'a RootName, label: &str| match label {
            OUTPUT => Some(root.as_str()),
            label => labels.get(root).and_then(|labels| labels.get(label)).map(String::as_str),
        };
        let is_meant = |root: &&'a RootName| self.0.iter().all(|(label, wanted)| value(root, label) == Some(wanted));
        roots.into_iter().filter(is_meant).cloned().collect()
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let conditions: Vec<String> = self.0.iter().map(|(label, value)| format!("{label}={value}")).collect();
        f.write_str(&conditions.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(name: &str) -> RootName {
        RootName::new(name).expect("a folder")
    }

    fn labels() -> RootLabels {
        let of = |service: &str| {
            BTreeMap::from([("service".to_owned(), service.to_owned()), ("team".into(), "shop".into())])
        };
        RootLabels::from([
            (root("apps/web"), of("web")),
            (root("apps/api"), of("api")),
            (root("plain"), BTreeMap::new()),
        ])
    }

    fn selected(text: &str) -> Vec<String> {
        let selection = Selection::parse(text).expect("a selection");
        let labels = labels();
        selection.select(labels.keys(), &labels).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_condition_must_hold() {
        assert_eq!(selected("team=shop"), ["apps/api", "apps/web"]);
        assert_eq!(selected("team=shop, service=web"), ["apps/web"]);
        assert_eq!(selected("output=plain"), ["plain"]);
        assert!(selected("service=other").is_empty());
    }

    #[test]
    fn what_is_no_selection_is_refused() {
        for text in ["", "web", "service=", "=web", "service=web,"] {
            assert!(matches!(Selection::parse(text), Err(SelectionError::Condition(_))), "{text}");
        }
        assert_eq!(Selection::parse(&["a=b"; 11].join(",")), Err(SelectionError::TooMany));
    }
}
