//! Says which folders of a tree can be rendered, and by what.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::helm_charts;
use crate::indexed::IndexedTree;
use crate::kustomization::Kustomization;
use crate::source::SourceKind;
use crate::tree::{self, Place, join};

/// What the folders of a tree are.
#[derive(Debug)]
pub(crate) struct Folders {
    /// Folders with a kustomization, and whether it is a Component.
    kustomizations: BTreeMap<String, bool>,
    /// Folders with a chart.
    charts: BTreeSet<String>,
    /// Charts that are parts of others: libraries, vendored dependencies, and what a kustomization has below it to
    /// render it itself.
    parts: BTreeSet<String>,
    /// Folders with YAML directly in them.
    yaml: BTreeSet<String>,
}

impl Folders {
    pub(crate) fn of(tree: &IndexedTree) -> Self {
        let index = tree.index();
        let mut folders = Self {
            kustomizations: BTreeMap::new(),
            charts: BTreeSet::new(),
            parts: BTreeSet::new(),
            yaml: BTreeSet::new(),
        };
        for folder in index.folders() {
            if let Some(known) = tree.kustomization(folder) {
                let is_component = known.as_ref().as_ref().is_ok_and(Kustomization::is_component);
                folders.kustomizations.insert(folder.to_string(), is_component);
                folders
                    .parts
                    .extend(known.as_ref().as_ref().map(|known| inner_charts(tree, folder, known)).unwrap_or_default());
            }
            let chart = join(folder, "Chart.yaml");
            if matches!(index.resolve("", &chart), Place::File(_)) {
                if tree.read_text(&chart).is_ok_and(|text| is_library(&text)) {
                    folders.parts.insert(folder.to_string());
                }
                folders.charts.insert(folder.to_string());
            }
            if index.files_in(folder).any(is_manifest_name) {
                folders.yaml.insert(folder.to_string());
            }
        }
        let vendored = folders.charts.iter().filter(|chart| folders.is_in_chart(chart)).cloned().collect::<Vec<_>>();
        folders.parts.extend(vendored);
        folders
    }

    /// Returns what a folder is for; a kustomization goes before a chart, and both before YAML.
    pub(crate) fn kind(&self, folder: &str) -> Option<SourceKind> {
        [SourceKind::Kustomize, SourceKind::Helm, SourceKind::Plain].into_iter().find(|kind| self.is(folder, *kind))
    }

    /// Returns whether a folder can be rendered as `kind`.
    pub(crate) fn is(&self, folder: &str, kind: SourceKind) -> bool {
        match kind {
            SourceKind::Kustomize => self.kustomizations.get(folder) == Some(&false),
            SourceKind::Helm => self.charts.contains(folder),
            SourceKind::Plain => {
                let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
                self.yaml.contains(folder)
                    || self.yaml.range(prefix.clone()..).next().is_some_and(|f| f.starts_with(&prefix))
            }
        }
    }

    pub(crate) fn is_component(&self, folder: &str) -> bool {
        self.kustomizations.get(folder) == Some(&true)
    }

    /// Returns the folders that a pattern with wildcards may match.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = (&str, SourceKind)> {
        let kustomizations =
            self.kustomizations.iter().filter(|(_, is_component)| !**is_component).map(|(folder, _)| folder);
        let charts = self.charts.difference(&self.parts).filter(|folder| !self.kustomizations.contains_key(*folder));
        let plain = self.yaml.iter().filter(|folder| !self.is_in_root(folder));
        kustomizations
            .map(|folder| (folder.as_str(), SourceKind::Kustomize))
            .chain(charts.map(|folder| (folder.as_str(), SourceKind::Helm)))
            .chain(plain.map(|folder| (folder.as_str(), SourceKind::Plain)))
    }

    /// Returns whether a folder is a kustomization or a chart, or lies inside one.
    fn is_in_root(&self, folder: &str) -> bool {
        with_parents(folder).any(|folder| self.kustomizations.contains_key(folder) || self.charts.contains(folder))
    }

    fn is_in_chart(&self, folder: &str) -> bool {
        with_parents(folder).skip(1).any(|folder| self.charts.contains(folder))
    }
}

/// Returns the charts below a kustomization that it renders.
fn inner_charts(tree: &IndexedTree, folder: &str, kustomization: &Kustomization) -> Vec<String> {
    let entries = helm_charts::read(kustomization).unwrap_or_default();
    let charts = entries.iter().filter_map(|entry| match tree.index().resolve(folder, &entry.local()) {
        Place::Folder(chart) => Some(chart),
        _ => None,
    });
    charts.filter(|chart| with_parents(chart).skip(1).any(|above| above == folder)).collect()
}

/// Returns a folder and all folders that it is in, down to the tree's own.
fn with_parents(folder: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(folder), |folder| (!folder.is_empty()).then(|| tree::parent(folder)))
}

fn is_library(chart: &str) -> bool {
    let value: Option<Value> = serde_saphyr::from_str(chart).ok();
    value.and_then(|chart| Some(chart.get("type")?.as_str()? == "library")).unwrap_or(false)
}

/// Returns whether a file name is one of manifests.
pub(crate) fn is_manifest_name(name: &str) -> bool {
    !name.starts_with('.') && [".yaml", ".yml", ".json"].iter().any(|suffix| name.ends_with(suffix))
}
