//! Proposes a strategy for a repository that has none: what `hydromote init` writes.
//!
//! - Only the listing of the tree is needed, and the text of a few charts; nothing is run.
//! - What is proposed is valid: it reads without mistakes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::pattern::check_path;

/// Names that environments usually have, in the order in which they are promoted. Names in one
/// row mean the same.
const USUAL: [&[&str]; 8] = [
    &["sandbox"],
    &["dev", "develop", "development"],
    &["test", "testing"],
    &["int", "integration"],
    &["qa"],
    &["stage", "staging", "stg", "preprod", "pre-prod"],
    &["canary"],
    &["prod", "production", "prd", "live"],
];

/// Folders that never hold what runs.
const IGNORED: [&str; 9] =
    [".git", ".github", ".gitlab", ".hydromote", "docs", "test", "tests", "node_modules", "vendor"];

/// Where folders are written that are called as the environments are.
const ROOT_OUTPUT: &str = "manifests";

/// Returns a commented strategy for the repository `name` with the files `listing`.
///
/// `read` gives the text of a file of the listing, when it has one.
pub fn propose_strategy<'a>(
    name: &str,
    listing: impl IntoIterator<Item = &'a str>,
    read: impl Fn(&str) -> Option<String>,
) -> String {
    let tree = Tree::new(listing);
    let found = Found::in_tree(&tree, &read);
    let environments = found.environments();
    let mut text = header(name);
    found.write_sources(&mut text);
    found.write_vars(&mut text, &environments);
    write_environments(&mut text, &environments, &found);
    text
}

/// The folders of a repository, each with the names of its files.
struct Tree<'a> {
    folders: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

impl<'a> Tree<'a> {
    fn new(listing: impl IntoIterator<Item = &'a str>) -> Self {
        let mut folders: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for path in listing {
            let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
            let is_ignored = folder.split('/').any(|segment| IGNORED.contains(&segment));
            if !is_ignored && (folder.is_empty() || is_plain(folder)) {
                folders.entry(folder).or_default().insert(file);
            }
        }
        Self { folders }
    }

    fn is_chart(&self, folder: &str) -> bool {
        self.has(folder, &["Chart.yaml"])
    }

    fn is_kustomization(&self, folder: &str) -> bool {
        self.has(folder, &["kustomization.yaml", "kustomization.yml", "Kustomization"])
    }

    fn has_yaml(&self, folder: &str) -> bool {
        let files = self.folders.get(folder);
        files.is_some_and(|files| files.iter().any(|file| file.ends_with(".yaml") || file.ends_with(".yml")))
    }

    fn has(&self, folder: &str, names: &[&str]) -> bool {
        self.folders.get(folder).is_some_and(|files| names.iter().any(|name| files.contains(name)))
    }

    /// Says whether `folder` is a part of a chart, such as its templates.
    fn is_inside_chart(&self, folder: &str) -> bool {
        parents(folder).any(|parent| self.is_chart(parent))
    }
}

/// Says whether `folder` can stand in a strategy as it is, without quotes and escapes.
fn is_plain(folder: &str) -> bool {
    check_path(folder).is_ok() && folder.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b))
}

/// Returns the folders that `folder` is in.
fn parents(folder: &str) -> impl Iterator<Item = &str> {
    folder.match_indices('/').map(|(at, _)| folder.get(..at).unwrap_or(folder))
}

/// Returns where `name` stands in the usual order.
pub(super) fn rank(name: &str) -> Option<usize> {
    USUAL.iter().position(|names| names.contains(&name.to_ascii_lowercase().as_str()))
}

/// What can be rendered, by how it is told apart by environment.
#[derive(Default)]
struct Found {
    /// Patterns with `{environment}`, each with the names found for it.
    overlays: BTreeMap<String, BTreeSet<String>>,
    /// Charts, each with the names for which it has value files.
    charts: BTreeMap<String, BTreeSet<String>>,
    /// Folders that are the same in every environment.
    folders: BTreeSet<String>,
}

impl Found {
    fn in_tree(tree: &Tree<'_>, read: &impl Fn(&str) -> Option<String>) -> Self {
        let mut found = Self::default();
        for (&folder, files) in tree.folders.iter().filter(|(folder, _)| !folder.is_empty()) {
            if tree.is_inside_chart(folder) {
                continue;
            }
            if tree.is_chart(folder) {
                if !is_library(&read(&format!("{folder}/Chart.yaml")).unwrap_or_default()) {
                    found.charts.insert(folder.to_owned(), values_of(files));
                }
            } else if let Some((pattern, name)) = overlay(folder)
                && (tree.is_kustomization(folder) || tree.has_yaml(folder))
                && !parents(folder).any(|parent| tree.is_kustomization(parent))
            {
                found.overlays.entry(pattern).or_default().insert(name.to_owned());
            }
        }
        found.keep_outermost_overlays();
        if found.overlays.is_empty() && found.charts.is_empty() {
            found.folders = plain_folders(tree);
        }
        found.keep_one_for_each_output();
        found
    }

    /// Drops what would be written to the folder of something before it: upper and lower case count as
    /// equal there.
    fn keep_one_for_each_output(&mut self) {
        let mut outputs = BTreeSet::new();
        let mut is_first = |path: &str| {
            let segments: Vec<&str> = path.split('/').filter(|segment| *segment != "{environment}").collect();
            let output = if segments.is_empty() { ROOT_OUTPUT.to_owned() } else { segments.join("/") };
            outputs.insert(output.to_ascii_lowercase())
        };
        self.overlays.retain(|pattern, _| is_first(pattern));
        self.charts.retain(|chart, _| is_first(chart));
        self.folders.retain(|folder| is_first(folder));
    }

    /// Drops folders below an overlay: the overlay's own renderer reads them.
    fn keep_outermost_overlays(&mut self) {
        let patterns: Vec<String> = self.overlays.keys().cloned().collect();
        self.overlays.retain(|pattern, _| {
            !patterns.iter().any(|outer| pattern.strip_prefix(outer.as_str()).is_some_and(|rest| rest.starts_with('/')))
        });
    }

    /// Returns the names of the environments, in the order in which they are promoted.
    fn environments(&self) -> Vec<String> {
        let overlays: Vec<&String> = self.overlays.values().flatten().collect();
        let names = if overlays.is_empty() { self.charts.values().flatten().collect() } else { overlays };
        let unique: BTreeMap<String, &String> =
            names.into_iter().map(|name| (name.to_ascii_lowercase(), name)).collect();
        let mut names: Vec<String> = unique.into_values().cloned().collect();
        names.sort_by_key(|name| rank(name));
        if names.is_empty() { ["dev", "staging", "prod"].map(str::to_owned).to_vec() } else { names }
    }

    fn write_sources(&self, text: &mut String) {
        text.push_str(
            "\n  # What is rendered. `hydromote validate` prints the table of what these match.\n  sources:\n",
        );
        if !self.overlays.is_empty() {
            add(text, "    # One folder per environment; `{environment}` is the name of an environment below.");
        }
        for pattern in self.overlays.keys() {
            add(text, &format!("    - path: \"{pattern}\""));
            if pattern == "{environment}" {
                add(text, &format!("      output: {ROOT_OUTPUT}           # never the root of the branch"));
            }
        }
        if !self.charts.is_empty() {
            add(text, "    # Charts, rendered once per environment.");
        }
        for (chart, values) in &self.charts {
            add(text, &format!("    - chart: {chart}"));
            if !values.is_empty() {
                add(text, "      valueFiles:                 # over the chart's own values.yaml; `?`: may be absent");
                add(text, &format!("        - \"{chart}/values-{{tier}}.yaml?\""));
            }
        }
        if !self.folders.is_empty() {
            add(text, "    # The same in every environment; use `{environment}` in the path to tell them apart.");
        }
        for folder in &self.folders {
            add(text, &format!("    - path: {folder}"));
        }
        if self.overlays.is_empty() && self.charts.is_empty() && self.folders.is_empty() {
            add(text, "    # Nothing to render was found yet: name the folder that you will add.");
            add(text, "    - path: \"deploy/{environment}\"");
        }
    }

    fn write_vars(&self, text: &mut String, environments: &[String]) {
        if self.charts.values().all(BTreeSet::is_empty) {
            return;
        }
        let differs = environments.iter().any(|environment| self.tier(environment).is_some());
        text.push_str("\n  # Labels for the sources above");
        text.push_str(if differs { "; an environment can have its own.\n" } else { ".\n" });
        text.push_str("  vars:\n    tier: \"{environment}\"\n");
    }

    /// Returns the name that value files have for `environment`, when it is another name.
    fn tier(&self, environment: &str) -> Option<&str> {
        let names: BTreeSet<&str> = self.charts.values().flatten().map(String::as_str).collect();
        if names.contains(environment) {
            return None;
        }
        names.into_iter().find(|name| rank(name) == rank(environment))
    }
}

/// Returns the pattern and the environment of a folder that has an environment's name in its path.
fn overlay(folder: &str) -> Option<(String, &str)> {
    let segments: Vec<&str> = folder.split('/').collect();
    let at = segments.iter().rposition(|segment| rank(segment).is_some())?;
    let name = *segments.get(at)?;
    let pattern: Vec<&str> = segments
        .iter()
        .enumerate()
        .map(|(index, segment)| if index == at { "{environment}" } else { segment })
        .collect();
    Some((pattern.join("/"), name))
}

/// Returns the environments for which a chart has value files.
fn values_of(files: &BTreeSet<&str>) -> BTreeSet<String> {
    files
        .iter()
        .filter_map(|file| file.strip_prefix("values-")?.strip_suffix(".yaml"))
        .filter(|name| rank(name).is_some())
        .map(str::to_owned)
        .collect()
}

/// Says whether a `Chart.yaml` is of a chart that other charts use and that renders nothing.
fn is_library(chart: &str) -> bool {
    chart.lines().any(|line| line.trim_end() == "type: library")
}

/// Returns the outermost folders of YAML.
fn plain_folders(tree: &Tree<'_>) -> BTreeSet<String> {
    let holds = |folder: &str| tree.is_kustomization(folder) || tree.has_yaml(folder);
    let is_outermost = |folder: &str| holds(folder) && !parents(folder).any(holds);
    tree.folders.keys().filter(|folder| !folder.is_empty() && is_outermost(folder)).map(|f| (*f).to_owned()).collect()
}

/// Returns a name that a strategy or an environment can have.
pub(super) fn plain_name(name: &str) -> String {
    let name: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' })
        .skip_while(|c| !c.is_ascii_alphanumeric())
        .take(63)
        .collect();
    if name.is_empty() { "main".to_owned() } else { name }
}

/// Returns the first lines of a strategy.
pub(super) fn header(name: &str) -> String {
    let name = plain_name(name);
    format!(
        "\
# What Hydromote renders from this repository, and in which order environments take it.
# `hydromote validate` checks this file; `hydromote hydrate --repo . --out OUT` shows what it renders.
apiVersion: hydromote.dev/v1alpha1
kind: PromotionStrategy
metadata:
  name: \"{name}\"
spec:
"
    )
    .trim_end()
    .to_owned()
        + "\n"
}

fn write_environments(text: &mut String, environments: &[String], found: &Found) {
    text.push_str(
        "
  # Whoever deploys the branches below reports this commit status on their heads; until then nothing
  # is promoted further. `hydromote report health success --sha SHA` does it by hand.
  activeCommitStatuses:
    - key: health

  # In this order, unless `dependsOn` says otherwise.
  environments:
",
    );
    for (index, environment) in environments.iter().enumerate() {
        add(text, &format!("    - name: {environment}"));
        add(text, &format!("      branch: env/{environment}"));
        if let Some(tier) = found.tier(environment) {
            add(text, &format!("      vars: {{tier: {tier}}}"));
        }
        if index > 0 && index + 1 == environments.len() {
            add(text, "      autoMerge: false              # waits for /promote, or for a merge by hand");
        }
    }
}

fn add(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("because writing to a string cannot fail");
}

#[cfg(test)]
mod tests;
