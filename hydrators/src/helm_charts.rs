//! Reads `helmCharts` of kustomizations: which charts are asked for, and how they are to be rendered.
//!
//! The fields, what they mean and what stands for an absent one are those of Kustomize's `HelmChart` and
//! `HelmChartInflationGenerator`.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::failure::{RenderFailure, line_of};
use crate::indexed::IndexedTree;
use crate::kustomization::{self, Kustomization};
use crate::remote_chart::RemoteChart;
use crate::tree::{Place, join};
use crate::yaml::{self, Node};

/// The field.
pub(crate) const FIELD: &str = "helmCharts";
/// The field with what holds for all charts.
pub(crate) const GLOBALS: &str = "helmGlobals";
/// The older form of both.
const OLDER: &str = "helmChartInflationGenerator";
/// Where charts lie unless `helmGlobals` says otherwise.
const HOME: &str = "charts";
/// What Helm calls a release that nobody named.
const UNNAMED: &str = "release-name";
/// Any version.
const ANY: &str = "*";

/// One entry of `helmCharts`.
#[derive(Debug, Clone)]
pub(crate) struct ChartEntry {
    pub(crate) fields: Fields,
    /// The file that it stands in.
    file: String,
    line: Option<u64>,
    /// Below which folder charts lie, as seen from the kustomization.
    home: String,
}

/// What an entry says. Texts are empty where it says nothing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Fields {
    name: String,
    version: String,
    repo: String,
    release_name: String,
    name_template: String,
    pub(crate) namespace: String,
    pub(crate) values_file: String,
    pub(crate) additional_values_files: Vec<String>,
    pub(crate) values_inline: serde_json::Map<String, Value>,
    pub(crate) values_merge: ValuesMerge,
    #[serde(rename = "includeCRDs")]
    pub(crate) include_crds: bool,
    pub(crate) skip_hooks: bool,
    pub(crate) skip_tests: bool,
    pub(crate) api_versions: Vec<String>,
    pub(crate) kube_version: String,
    /// It changes what Helm tells of a failure, and nothing that it renders.
    debug: bool,
    devel: bool,
}

/// What becomes of a value that both the file and the entry have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ValuesMerge {
    /// That of the entry counts.
    #[default]
    Override,
    /// That of the file counts.
    Merge,
    /// The file does not count at all.
    Replace,
}

/// What holds for all charts of a kustomization.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Globals {
    chart_home: String,
    config_home: String,
}

/// A chart that the graph of a kustomization asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedChart {
    /// The kustomization that asks for it.
    pub file: String,
    /// The line there, from 1.
    pub line: Option<u64>,
    /// Where it is.
    pub place: ChartPlace,
}

/// Where a chart of a kustomization is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChartPlace {
    /// In this folder of the tree.
    Folder(String),
    /// Elsewhere.
    Remote(RemoteChart),
}

/// Returns whether any kustomization of the tree asks for charts.
pub fn has_helm_charts(tree: &IndexedTree) -> bool {
    let kustomizations = tree.index().folders().filter_map(|folder| tree.kustomization(folder));
    let asks = |known: &Result<Kustomization, _>| known.as_ref().is_ok_and(|found| found.value.get(FIELD).is_some());
    kustomizations.into_iter().any(|known| asks(&known))
}

/// Returns the charts that the kustomization in `dir` and all that it builds on ask for. What is wrong with an entry is
/// for the renderer to say.
pub fn asked_charts(tree: &IndexedTree, dir: &str) -> Vec<AskedChart> {
    let mut asked = Vec::new();
    for folder in kustomization::bases(tree, dir).into_iter().chain([dir.to_string()]) {
        let Some(known) = tree.kustomization(&folder) else { continue };
        let Ok(kustomization) = &*known else { continue };
        for entry in read(kustomization).unwrap_or_default() {
            let place = match tree.index().resolve(&folder, &entry.local()) {
                Place::Folder(chart) => Some(ChartPlace::Folder(chart)),
                _ => entry.remote().map(ChartPlace::Remote),
            };
            asked.extend(place.map(|place| AskedChart { file: entry.file, line: entry.line, place }));
        }
    }
    asked
}

/// Returns the charts that a kustomization itself asks for.
pub(crate) fn read(kustomization: &Kustomization) -> Result<Vec<ChartEntry>, RenderFailure> {
    let Kustomization { file, text, value } = kustomization;
    let fault = |line: Option<u64>, message: String| RenderFailure::author(message).at(file.clone(), line);
    let given = |field: &str| value.get(field).filter(|value| !value.is_null());
    if given(OLDER).is_some() {
        let message = format!("`{OLDER}` is refused: write `{FIELD}` instead, as `kustomize edit fix` does");
        return Err(fault(line_of(text, OLDER), message));
    }
    let globals = match given(GLOBALS) {
        None => Globals::default(),
        Some(globals) => {
            parse(globals).map_err(|problem| fault(line_of(text, GLOBALS), format!("`{GLOBALS}`: {problem}")))?
        }
    };
    if !globals.config_home.is_empty() {
        let message = format!(
            "`{GLOBALS}`: `configHome` can make Helm run programs of the repository, and is refused; remove it"
        );
        return Err(fault(line_of(text, "configHome"), message));
    }
    let Some(charts) = given(FIELD) else { return Ok(Vec::new()) };
    let Some(charts) = charts.as_array() else {
        return Err(fault(line_of(text, FIELD), format!("`{FIELD}` is no list of charts")));
    };
    let lines = lines(text);
    let home = if globals.chart_home.is_empty() { HOME.to_string() } else { globals.chart_home };
    let mut entries = Vec::with_capacity(charts.len());
    for (position, chart) in charts.iter().enumerate() {
        let line = lines.get(position).copied().or_else(|| line_of(text, FIELD));
        let fields = parse(chart).map_err(|problem| fault(line, format!("`{FIELD}`: {problem}")))?;
        let entry = ChartEntry { fields, file: file.clone(), line, home: home.clone() };
        entry.check()?;
        entries.push(entry);
    }
    Ok(entries)
}

impl ChartEntry {
    /// Returns a failure of this entry.
    pub(crate) fn fault(&self, message: impl AsRef<str>) -> RenderFailure {
        let message = format!("`{FIELD}`, `{}`: {}", self.fields.name, message.as_ref());
        RenderFailure::author(message).at(self.file.clone(), self.line)
    }

    fn check(&self) -> Result<(), RenderFailure> {
        let Fields { name, version, devel, release_name, name_template, .. } = &self.fields;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() {
            return Err(self.fault("the chart has no `name`"));
        }
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(is_plain) {
            return Err(self.fault(format!(
                "`{name}` is no name of a chart: use letters, digits, `.`, `_` and `-`, beginning with a letter or \
                 digit; where charts lie is `{GLOBALS}.chartHome`"
            )));
        }
        if version.contains('/') || version.starts_with('-') {
            return Err(self.fault(format!("`{version}` is no version of a chart")));
        }
        if *devel {
            return Err(
                self.fault("`devel` is refused; write a `version` that takes pre-releases, such as `>=1.0.0-0`")
            );
        }
        if name_template.contains("{{") {
            return Err(self.fault(
                "`nameTemplate` with functions is refused: it is given nothing to name a release by, so what it gives \
                 is the same each time, or random; write the name as `releaseName`",
            ));
        }
        if !name_template.is_empty() && !release_name.is_empty() {
            return Err(self.fault("it has both `releaseName` and `nameTemplate`; remove one"));
        }
        Ok(())
    }

    /// Returns the name of the release.
    pub(crate) fn release(&self) -> &str {
        let Fields { release_name, name_template, .. } = &self.fields;
        [release_name.as_str(), name_template, UNNAMED].into_iter().find(|name| !name.is_empty()).unwrap_or(UNNAMED)
    }

    /// Returns where the chart lies when it is in the tree, as seen from the kustomization.
    pub(crate) fn local(&self) -> String {
        let Fields { name, version, repo, .. } = &self.fields;
        match version.is_empty() || repo.is_empty() {
            true => join(&self.home, name),
            false => format!("{}/{name}-{version}/{name}", self.home),
        }
    }

    /// Returns which chart from elsewhere it is when it is not in the tree.
    pub(crate) fn remote(&self) -> Option<RemoteChart> {
        let Fields { name, version, repo, .. } = &self.fields;
        let version = if version.is_empty() { ANY.to_string() } else { version.clone() };
        match repo.is_empty() {
            true => None,
            false if repo.starts_with("oci://") => {
                let location = format!("{}/{name}", repo.trim_end_matches('/'));
                Some(RemoteChart { location, name: None, version })
            }
            false => Some(RemoteChart { location: repo.clone(), name: Some(name.clone()), version }),
        }
    }
}

/// Reads a mapping as Kustomize does: null is the same as nothing.
fn parse<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    let mut value = value.clone();
    if let Some(entries) = value.as_object_mut() {
        entries.retain(|_, value| !value.is_null());
    }
    serde_json::from_value(value).map_err(|error| error.to_string())
}

/// Returns the lines in which the entries begin.
fn lines(text: &str) -> Vec<u64> {
    let Ok(Some(tree)) = yaml::read_document(text) else { return Vec::new() };
    let entries = tree.root.get(FIELD).and_then(Node::items).unwrap_or_default();
    entries.iter().map_while(Node::line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(text: &str) -> Result<Vec<ChartEntry>, String> {
        let kustomization = Kustomization::parse("app/kustomization.yaml".into(), text.into()).expect("readable");
        read(&kustomization).map_err(|failure| failure.to_string())
    }

    #[test]
    fn charts_lie_where_kustomize_looks_for_them() {
        let local = |text: &str| entries(text).expect(text)[0].local();
        assert_eq!(local("helmCharts: [{name: web}]"), "charts/web");
        assert_eq!(local("helmCharts: [{name: web, version: 1.0.0}]"), "charts/web");
        assert_eq!(local("helmCharts: [{name: web, repo: 'https://x'}]"), "charts/web");
        let both = "helmGlobals: {chartHome: ../home}\nhelmCharts: [{name: web, repo: 'https://x', version: 1.0.0}]";
        assert_eq!(local(both), "../home/web-1.0.0/web");
    }

    #[test]
    fn charts_from_elsewhere_are_named_as_sources_name_them() {
        let remote = |text: &str| entries(text).expect(text)[0].remote().expect("one from elsewhere");
        let found = remote("helmCharts: [{name: web, repo: 'oci://r.example.com/charts/', version: 1.0.0}]");
        let expected =
            RemoteChart { location: "oci://r.example.com/charts/web".into(), name: None, version: "1.0.0".into() };
        assert_eq!(found, expected);
        let found = remote("helmCharts: [{name: web, repo: 'https://c.example.com'}]");
        let (location, name) = ("https://c.example.com".into(), Some("web".into()));
        assert_eq!(found, RemoteChart { location, name, version: "*".into() });
    }

    #[test]
    fn what_cannot_be_guarded_is_refused_with_its_line() {
        for (text, line, words) in [
            ("helmGlobals: {configHome: x}", 1, "remove it"),
            ("helmGlobals:\n  chartHome: x\n  configHome: x", 3, "remove it"),
            ("helmGlobals: {ConfigHome: x}", 1, "unknown field"),
            ("helmChartInflationGenerator: [{chartName: x}]", 1, "write `helmCharts`"),
            ("helmCharts: {name: x}", 1, "no list"),
            ("helmCharts:\n- name: a\n- name: ../b", 3, "no name of a chart"),
            ("helmCharts:\n- name: -b", 2, "no name of a chart"),
            ("helmCharts:\n- releaseName: b", 2, "has no `name`"),
            ("helmCharts:\n- name: a\n  Repo: b", 2, "unknown field `Repo`"),
            ("helmCharts:\n- name: a\n  version: ../b", 2, "no version"),
            ("helmCharts:\n- name: a\n  releaseName: on", 2, "expected a string"),
            ("helmCharts:\n- name: a\n  releaseName: 12", 2, "expected a string"),
            ("helmCharts:\n- name: a\n  devel: true", 2, "pre-releases"),
            ("helmCharts:\n- name: a\n  nameTemplate: '{{ randAlpha 5 }}'", 2, "write the name as `releaseName`"),
            ("helmCharts:\n- {name: a, nameTemplate: b, releaseName: c}", 2, "remove one"),
            ("helmCharts:\n- name: a\n  valuesMerge: deep", 2, "`override`, `merge`, `replace`"),
        ] {
            let told = entries(text).expect_err(text);
            assert!(told.starts_with(&format!("app/kustomization.yaml:{line}: ")), "{text}: {told}");
            assert!(told.contains(words), "{text}: {told}");
        }
    }

    #[test]
    fn a_release_that_nobody_named_has_helms_name() {
        let names: Vec<_> = entries("helmCharts: [{name: a, releaseName: b}, {name: a, nameTemplate: c}, {name: a}]")
            .expect("entries")
            .iter()
            .map(|entry| entry.release().to_string())
            .collect();
        assert_eq!(names, ["b", "c", "release-name"]);
    }
}
