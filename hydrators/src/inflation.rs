//! Renders the charts of a kustomization with our own call of Helm, before Kustomize runs.
//!
//! Kustomize would start Helm itself, with words of the kustomization as its arguments, and fetch. So it is never told
//! of charts: what Helm wrote is laid beside the kustomization as a base, and Kustomize reads a kustomization that
//! names this base where the author's names charts. Which chart, which values and which namespace: the rules are those of
//! Kustomize's `HelmChartInflationGenerator`.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::canonical::has_merge_key;
use crate::closure::Closure;
use crate::failure::{RenderFailure, line_of};
use crate::helm::{self, Given, Looked};
use crate::helm_charts::{self, ChartEntry, Fields, ValuesMerge};
use crate::indexed::IndexedTree;
use crate::kustomization::Kustomization;
use crate::program::Scratch;
use crate::render::{Room, no_room};
use crate::renderers::Renderers;
use crate::source::{Release, RenderOptions, ValueFile};
use crate::tree::{Place, join, name};
use crate::values::{self, Reader, Values};
use crate::yaml;

/// The base beside a kustomization, in the folder that Kustomize reads.
pub(crate) const BASE: &str = ".hydromote-charts";
/// The namespace of a release that nobody gave one.
const NAMESPACE: &str = "default";
/// The values that a chart itself has.
const VALUES: &str = "values.yaml";
/// What the base does to all objects: it marks them as Kustomize's own generator does, which keeps them from getting
/// another namespace than Helm gave them. Kustomize takes the mark away again.
const MARK: &str = "transformers:
- |-
  apiVersion: builtin
  kind: AnnotationsTransformer
  metadata: {name: helm-generated}
  annotations: {internal.config.kubernetes.io/helm-generated: \"true\"}
  fieldSpecs: [{path: metadata/annotations, create: true}]
";

/// The charts of one kustomization, ready to be rendered.
#[derive(Debug)]
pub(crate) struct Inflation {
    folder: String,
    /// The kustomization.
    file: String,
    /// What Kustomize reads instead of it.
    text: String,
    charts: Vec<Chart>,
}

/// The charts of one kustomization, rendered.
#[derive(Debug)]
pub(crate) struct Inflated<'a> {
    of: &'a Inflation,
    /// One for each chart.
    texts: Vec<String>,
}

#[derive(Debug)]
struct Chart {
    entry: ChartEntry,
    looked: Looked,
    /// The values that the entry has itself.
    inline: Option<Values>,
    /// The file that these are merged with.
    merged_with: Option<String>,
}

impl Inflation {
    /// Looks at the charts of the kustomization in `folder`, if it has any. `inherited` are the namespaces of what
    /// builds on it.
    pub(crate) fn look(
        tree: &IndexedTree,
        folder: &str,
        kustomization: &Kustomization,
        inherited: &BTreeSet<Option<String>>,
        options: &RenderOptions,
    ) -> Result<Option<Self>, RenderFailure> {
        let entries = helm_charts::read(kustomization)?;
        let Some(first) = entries.first() else { return Ok(None) };
        // Also a link to nowhere is there.
        if tree.index().resolve(folder, BASE) != Place::Missing || tree.index().entry(&join(folder, BASE)).is_some() {
            return Err(
                first.fault(format!("`{BASE}` is where its output is put; rename what this repository has there"))
            );
        }
        let Kustomization { file, text, .. } = kustomization;
        let document = yaml::read_document(text).ok().flatten();
        let written = document.as_ref().and_then(|document| document.root.get(helm_charts::FIELD)?.items());
        let own = kustomization.namespace();
        let mut charts = Vec::with_capacity(entries.len());
        for (position, entry) in entries.into_iter().enumerate() {
            let node = written.and_then(|written| written.get(position)?.get("valuesInline"));
            let is_certain = document.as_ref().is_some_and(|document| !document.has_properties);
            let inline = match entry.fields.values_inline.is_empty() {
                true => None,
                false => Some(
                    node.filter(|node| is_certain && !has_merge_key(node))
                        .ok_or_else(|| entry.fault(UNCERTAIN_INLINE))?,
                ),
            };
            let inline = inline.map(|node| Values::of(node, Reader::Kustomization));
            let given = Some(&entry.fields.namespace).filter(|namespace| !namespace.is_empty());
            let namespace = match given.or(own.as_ref()) {
                Some(namespace) => namespace.clone(),
                None => inherited_by(&entry, inherited)?,
            };
            charts.push(Chart::look(tree, folder, entry, namespace, inline, options)?);
        }
        let text = without_charts(kustomization)?;
        Ok(Some(Self { folder: folder.to_string(), file: file.clone(), text, charts }))
    }

    /// Adds what the charts are rendered from to a closure.
    pub(crate) fn add_to(&self, closure: &mut Closure) {
        self.charts.iter().for_each(|chart| closure.join(&chart.looked.closure));
    }

    /// Renders the charts; at most `most` bytes.
    pub(crate) async fn render(
        &self,
        renderers: &Renderers,
        tree: &IndexedTree,
        room: &Room,
        most: usize,
    ) -> Result<Inflated<'_>, RenderFailure> {
        let mut inflated = Inflated { of: self, texts: Vec::with_capacity(self.charts.len()) };
        for chart in &self.charts {
            inflated.texts.push(chart.render(renderers, tree, room).await?);
            if inflated.bytes() > most {
                let message = "all charts of the kustomization together render to more than the limit";
                return Err(RenderFailure::limit(message).at(self.file.clone(), None));
            }
        }
        Ok(inflated)
    }
}

impl Inflated<'_> {
    /// Returns how large it is.
    pub(crate) fn bytes(&self) -> usize {
        self.texts.iter().map(String::len).sum()
    }

    /// Lays it where Kustomize reads it. No chart is rendered after this, for it would see what is not in the tree.
    pub(crate) fn lay(&self, room: &Room) -> std::io::Result<()> {
        let Inflation { folder, file, text, .. } = self.of;
        let folder = room.sources.join(folder);
        let base = folder.join(BASE);
        fs::create_dir(&base)?;
        let names: Vec<String> = (0..self.texts.len()).map(|position| format!("{position}.yaml")).collect();
        for (name, text) in names.iter().zip(&self.texts) {
            fs::write(base.join(name), text)?;
        }
        fs::write(base.join("kustomization.yaml"), format!("resources: [{}]\n{MARK}", names.join(", ")))?;
        // It may be a link to a file that others read too.
        let file = folder.join(name(file));
        fs::remove_file(&file)?;
        fs::write(&file, text)
    }
}

impl Chart {
    fn look(
        tree: &IndexedTree,
        folder: &str,
        entry: ChartEntry,
        namespace: String,
        inline: Option<Values>,
        options: &RenderOptions,
    ) -> Result<Self, RenderFailure> {
        let mut closure = Closure::default();
        let fields = &entry.fields;
        let chart = place(tree, folder, &entry, &mut closure)?;
        let replaced = inline.is_some() && fields.values_merge == ValuesMerge::Replace;
        let values = if replaced { None } else { values_file(tree, folder, &entry, &chart, &mut closure)? };
        let (merged_with, first) = if inline.is_some() { (values, None) } else { (None, values) };
        let additional = fields.additional_values_files.iter();
        let additional = additional
            .map(|path| value_file(tree, folder, &entry, "additionalValuesFiles", path, &mut closure))
            .collect::<Result<Vec<_>, _>>()?;
        let value_files = first.into_iter().chain(additional).map(|path| ValueFile { path, optional: false });
        let release = Release {
            chart,
            name: entry.release().to_string(),
            namespace,
            value_files: value_files.collect(),
            ..Release::default()
        };
        let of_entry = |failure| of_entry(failure, &entry);
        let mut looked = helm::look(tree, &release, &options_of(fields, options)).map_err(of_entry)?;
        if fields.skip_hooks {
            looked.without_hooks();
        }
        looked.closure.join(&closure);
        Ok(Self { looked, inline, merged_with, entry })
    }

    async fn render(&self, renderers: &Renderers, tree: &IndexedTree, room: &Room) -> Result<String, RenderFailure> {
        let own = Room { scratch: Scratch::new().map_err(no_room)?, sources: room.sources.clone() };
        let given = self.given(tree)?.map(|values| Given::Under(values.write()));
        let text = helm::run(renderers, tree, &self.looked, given, &own).await;
        let text = text.map_err(|failure| of_entry(failure, &self.entry))?;
        self.looked.documents(&text).map_err(|failure| of_entry(failure, &self.entry))?;
        Ok(text)
    }

    /// Returns the values that are in no file, merged with those that are.
    fn given(&self, tree: &IndexedTree) -> Result<Option<Values>, RenderFailure> {
        let (Some(inline), Some(file)) = (&self.inline, &self.merged_with) else { return Ok(self.inline.clone()) };
        let fault = |message: String, line| RenderFailure::author(message).at(file.clone(), line);
        let text = tree.read_text(file)?;
        let document = yaml::read_document(&text).map_err(|bad| fault(bad.message, Some(bad.line)))?;
        let values = match &document {
            None => return Ok(Some(inline.clone())),
            Some(document) if document.has_properties || has_merge_key(&document.root) => {
                return Err(fault(UNCERTAIN_FILE.into(), None));
            }
            Some(document) => match values::doubt(&document.root) {
                Some((line, message)) => {
                    let message = format!("{message}: the file is merged with `valuesInline`");
                    return Err(fault(message, Some(line)));
                }
                None => Values::of(&document.root, Reader::Values),
            },
        };
        let (under, over) = match self.entry.fields.values_merge {
            ValuesMerge::Merge => (inline.clone(), values),
            ValuesMerge::Override | ValuesMerge::Replace => (values, inline.clone()),
        };
        let unmergeable =
            |problem| self.entry.fault(format!("`valuesInline` and `{file}` cannot be merged: {problem}"));
        under.merge(over).map(Some).map_err(unmergeable)
    }
}

/// Why inline values are refused.
const UNCERTAIN_INLINE: &str = "`valuesInline` cannot be read with certainty in a file with anchors, aliases, merge \
                                keys or tags; write out what is meant, or put the values into a `valuesFile`";
/// Why values are not merged.
const UNCERTAIN_FILE: &str = "values with anchors, aliases, merge keys or tags are not merged with `valuesInline`; write out what \
                              is meant, or put what is in `valuesInline` into one of `additionalValuesFiles`";

/// Returns the namespace that a chart gets from what builds on its kustomization.
fn inherited_by(entry: &ChartEntry, inherited: &BTreeSet<Option<String>>) -> Result<String, RenderFailure> {
    let mut names = inherited.iter().map(|name| name.as_deref().unwrap_or(NAMESPACE));
    let name = names.next().unwrap_or(NAMESPACE);
    match names.find(|other| *other != name) {
        Some(other) => Err(entry.fault(format!(
            "what builds on this kustomization would have it rendered for the namespaces `{name}` and `{other}` at \
             once; give it a `namespace`, or make what builds on it roots of their own"
        ))),
        None => Ok(name.to_string()),
    }
}

/// Returns the folder of a chart.
fn place(tree: &IndexedTree, folder: &str, entry: &ChartEntry, closure: &mut Closure) -> Result<String, RenderFailure> {
    let local = entry.local();
    let here = match closure.follow(tree, folder, &local) {
        Place::Folder(chart) => return Ok(chart),
        Place::Outside => return Err(entry.fault(format!("`{local}` is outside of the repository"))),
        Place::File(_) => return Err(entry.fault(format!("`{local}` is a file, and no folder with a chart"))),
        Place::Missing => join(folder, &local),
    };
    let Some(remote) = entry.remote() else {
        return Err(entry.fault(format!("there is no chart in `{here}`, and no `repo` that has it")));
    };
    match tree.index().resolve("", &remote.folder()) {
        Place::Folder(chart) => Ok(chart),
        _ => Err(entry.fault(format!(
            "the chart is not in `{here}`, and the one of `{}` is not pinned; run `hydromote lock`, and commit \
             `hydromote.lock`",
            remote.location
        ))),
    }
}

/// Returns the value file that counts as the chart's own.
fn values_file(
    tree: &IndexedTree,
    folder: &str,
    entry: &ChartEntry,
    chart: &str,
    closure: &mut Closure,
) -> Result<Option<String>, RenderFailure> {
    if !entry.fields.values_file.is_empty() {
        return value_file(tree, folder, entry, "valuesFile", &entry.fields.values_file, closure).map(Some);
    }
    let values = join(chart, VALUES);
    let Place::File(file) = tree.index().resolve("", &values) else { return Ok(None) };
    let is_fetched = entry.remote().is_some_and(|remote| remote.folder() == chart);
    if is_fetched || is_in(&file, folder) {
        return Ok(Some(values));
    }
    Err(entry.fault(format!(
        "`{values}` is outside of the kustomization's folder, from where Kustomize takes no values; name a `valuesFile`"
    )))
}

fn value_file(
    tree: &IndexedTree,
    folder: &str,
    entry: &ChartEntry,
    field: &str,
    path: &str,
    closure: &mut Closure,
) -> Result<String, RenderFailure> {
    let fault = |problem: &str| Err(entry.fault(format!("`{field}` names `{path}`, which {problem}")));
    if path.starts_with('-') || path.contains("://") || path.contains(',') {
        return fault("is no path of a value file in this repository");
    }
    match closure.follow(tree, folder, path) {
        Place::File(file) if !is_in(&file, folder) => {
            fault("is outside of the kustomization's folder, from where Kustomize takes no values; move it there")
        }
        Place::File(file) if tree.is_pointer(&file)? => Err(RenderFailure::pointer(&file)),
        Place::File(file) => Ok(file),
        Place::Folder(_) => fault("is a folder"),
        Place::Missing => fault("does not exist"),
        Place::Outside => fault("is outside of the repository"),
    }
}

fn is_in(path: &str, folder: &str) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// What an entry says goes over what the strategy says, as it goes over flags of Kustomize.
fn options_of(fields: &Fields, options: &RenderOptions) -> RenderOptions {
    let Fields { kube_version, api_versions, include_crds, skip_tests, .. } = fields;
    let mut options = RenderOptions { include_crds: *include_crds, skip_tests: *skip_tests, ..options.clone() };
    if !kube_version.is_empty() {
        options.kube_version.clone_from(kube_version);
    }
    if !api_versions.is_empty() {
        options.api_versions.clone_from(api_versions);
    }
    options
}

/// Points to the entry, unless it is known better where the fault is.
fn of_entry(failure: RenderFailure, entry: &ChartEntry) -> RenderFailure {
    if failure.file.is_some() {
        return failure;
    }
    RenderFailure { kind: failure.kind, ..entry.fault(failure.message) }
}

/// Returns a kustomization's text with the base in place of its charts, and all else as it was.
fn without_charts(kustomization: &Kustomization) -> Result<String, RenderFailure> {
    let Kustomization { file, text, value } = kustomization;
    let fault =
        |field: &str, message: String| Err(RenderFailure::author(message).at(file.clone(), line_of(text, field)));
    if value.get("bases").is_some() {
        return fault("bases", "`bases` cannot stand beside `helmCharts`; move what it names to `resources`".into());
    }
    let (mut written, mut expected) = (text.clone(), value.clone());
    for (field, range) in yaml::fields(text).into_iter().rev() {
        let instead = match field.as_str() {
            helm_charts::FIELD => format!("bases: [\"{BASE}\"]"),
            helm_charts::GLOBALS => format!("{}: {{}}", helm_charts::GLOBALS),
            _ => continue,
        };
        let end = if text[range.clone()].ends_with('\n') { "\n" } else { "" };
        written.replace_range(range, &(instead + end));
    }
    if let Some(fields) = expected.as_object_mut() {
        fields.remove(helm_charts::FIELD);
        fields.insert("bases".into(), json!([BASE]));
        fields.entry(helm_charts::GLOBALS).and_modify(|globals| *globals = json!({}));
    }
    match serde_saphyr::from_str::<Value>(&written) {
        Ok(again) if again == expected => Ok(written),
        _ => fault(
            helm_charts::FIELD,
            "`helmCharts` cannot be told from the rest of the file: other fields refer to it, or it is written in an \
             unusual way; write it as a list of its own"
                .into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without(text: &str) -> Result<String, String> {
        let kustomization = Kustomization::parse("app/kustomization.yaml".into(), text.into()).expect("readable");
        without_charts(&kustomization).map_err(|failure| failure.to_string())
    }

    #[test]
    fn the_rest_of_a_kustomization_stays_as_it_is() {
        let text = "# ours\nnamespace: 010 # text\nhelmGlobals:\n  chartHome: x\nhelmCharts:\n- name: web\n  valuesInline:\n    a: |\n      b\nlabels: [{pairs: {a: 'b'}}]\n";
        assert_eq!(
            without(text).as_deref(),
            Ok(
                "# ours\nnamespace: 010 # text\nhelmGlobals: {}\nbases: [\".hydromote-charts\"]\nlabels: [{pairs: {a: 'b'}}]\n"
            )
        );
        assert_eq!(
            without("{helmCharts: [{name: web}], namePrefix: a-}").as_deref(),
            Ok("{bases: [\".hydromote-charts\"], namePrefix: a-}")
        );
        assert_eq!(without("\"helmCharts\":\n  - name: web").as_deref(), Ok("bases: [\".hydromote-charts\"]"));
    }

    #[test]
    fn what_cannot_be_told_apart_is_refused() {
        for text in [
            "helmCharts: &c [{name: web}]\nlabels: *c\n",
            "? helmCharts\n: [{name: web}]\n",
            "bases: []\nhelmCharts: [{name: web}]\n",
        ] {
            assert!(without(text).is_err(), "{text}");
        }
    }
}
