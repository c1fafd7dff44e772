//! One hostile repository, as it is written down.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use hydrators::{Labels, Limits, RenderOptions, Source, Tool, TreeLimits};
use serde::Deserialize;

/// A case. In texts, `@canary@` is a file outside of the tree with a secret in it, `@outside@` the
/// folder that it is in, and `@port@` a port on which somebody listens and counts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Case {
    /// What is tried, and where that is known from.
    #[expect(dead_code, reason = "it is for whoever reads the case")]
    about: String,
    pub(super) sources: Vec<CaseSource>,
    #[serde(flatten)]
    pub(super) tree: Content,
    #[serde(default)]
    pub(super) limits: CaseLimits,
    /// Words that the refusal must have: the file at fault, and why.
    #[serde(default)]
    pub(super) refused: Vec<String>,
    /// Words that the output must have, when the attack is harmless.
    #[serde(default)]
    pub(super) renders: Vec<String>,
    /// What the next commit has instead; nothing for what it deletes.
    #[serde(default)]
    pub(super) next: BTreeMap<String, Option<String>>,
    /// The sources in the next commit, when they change.
    #[serde(default)]
    pub(super) next_sources: Vec<CaseSource>,
    /// The same without any check of ours.
    #[serde(default)]
    pub(super) unchecked: Vec<Unchecked>,
}

/// What is in the tree.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct Content {
    pub(super) files: BTreeMap<String, String>,
    /// Files that can be run.
    pub(super) programs: BTreeMap<String, String>,
    /// Files that are no text, in hexadecimal digits.
    pub(super) binaries: BTreeMap<String, String>,
    pub(super) links: BTreeMap<String, String>,
    pub(super) submodules: Vec<String>,
    /// Files that are made of repetition.
    pub(super) repeated: BTreeMap<String, Repeated>,
    /// So many empty files.
    pub(super) many: Option<Many>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Repeated {
    #[serde(default)]
    pub(super) before: String,
    pub(super) text: String,
    pub(super) times: usize,
    #[serde(default)]
    pub(super) after: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Many {
    pub(super) folder: String,
    pub(super) count: usize,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct CaseSource {
    path: Option<String>,
    each: Option<String>,
    chart: Option<String>,
    output: Option<String>,
    release_name: Option<String>,
    namespace: Option<String>,
    value_files: Vec<String>,
    api_versions: Vec<String>,
    kube_version: Option<String>,
}

/// Limits that are lower than usual, so that what grows without end ends soon.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct CaseLimits {
    seconds: u64,
    memory_mib: u64,
    output_mib: usize,
    scratch_mib: u64,
    tree_mib: u64,
}

impl Default for CaseLimits {
    fn default() -> Self {
        Self { seconds: 20, memory_mib: 512, output_mib: 8, scratch_mib: 8, tree_mib: 64 }
    }
}

/// A run of a program that nothing of ours has checked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Unchecked {
    run: Vec<String>,
    /// Words that it must end with, in its own message or in ours; it may also come to a good end, as
    /// long as nothing is read, written or connected to.
    #[serde(default)]
    pub(super) says: Vec<String>,
}

impl Case {
    pub(super) fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
        let case: Self = serde_saphyr::from_str(&text).map_err(|error| error.to_string())?;
        if case.refused.is_empty() == case.renders.is_empty() {
            return Err("it must be refused, or render".into());
        }
        Ok(case)
    }

    /// Returns the same with the names of this run's ground in it.
    pub(super) fn on(&self, names: &dyn Fn(&str) -> String) -> Self {
        let mut case = self.clone();
        let texts = |map: &mut BTreeMap<String, String>| map.values_mut().for_each(|text| *text = names(text));
        texts(&mut case.tree.files);
        texts(&mut case.tree.programs);
        texts(&mut case.tree.links);
        for source in case.sources.iter_mut().chain(&mut case.next_sources) {
            source.value_files.iter_mut().for_each(|path| *path = names(path));
        }
        for unchecked in &mut case.unchecked {
            unchecked.run.iter_mut().for_each(|word| *word = names(word));
        }
        case.refused.iter_mut().for_each(|word| *word = names(word));
        case
    }

    /// Returns the case as the next commit has it.
    pub(super) fn next(&self) -> Self {
        let mut next = self.clone();
        for (path, text) in &self.next {
            next.tree.files.remove(path);
            next.tree.programs.remove(path);
            next.tree.binaries.remove(path);
            next.tree.links.remove(path);
            next.tree.repeated.remove(path);
            next.tree.submodules.retain(|submodule| submodule != path);
            next.tree.many = next.tree.many.filter(|many| many.folder != *path);
            if let Some(text) = text {
                next.tree.files.insert(path.clone(), text.clone());
            }
        }
        if !self.next_sources.is_empty() {
            next.sources.clone_from(&self.next_sources);
        }
        next
    }

    pub(super) fn uses_helm(&self) -> bool {
        let is_run = self.unchecked.iter().any(|unchecked| unchecked.tool() == Some(Tool::Helm));
        let is_inflated = self.tree.files.values().any(|text| text.contains("helmCharts"));
        is_run || is_inflated || self.sources.iter().any(|source| source.chart.is_some())
    }

    pub(super) fn sources(&self) -> Vec<Source> {
        self.sources.iter().map(CaseSource::source).collect()
    }

    pub(super) fn labels(&self) -> Labels {
        Labels::from([("environment".into(), "dev".into())])
    }
}

impl CaseSource {
    fn source(&self) -> Source {
        let options = RenderOptions { api_versions: self.api_versions.clone(), ..RenderOptions::default() };
        let kube_version = self.kube_version.clone().unwrap_or_else(|| options.kube_version.clone());
        Source {
            path: self.path.clone(),
            each: self.each.clone(),
            chart: self.chart.clone(),
            output: self.output.clone(),
            release_name: self.release_name.clone(),
            namespace: self.namespace.clone(),
            value_files: self.value_files.clone(),
            options: RenderOptions { kube_version, ..options },
            line: 7,
            ..Source::default()
        }
    }
}

impl CaseLimits {
    pub(super) fn of_programs(&self) -> Limits {
        Limits {
            wall: Duration::from_secs(self.seconds),
            memory_bytes: self.memory_mib << 20,
            stdout_bytes: self.output_mib << 20,
            scratch_bytes: self.scratch_mib << 20,
            ..Limits::default()
        }
    }

    pub(super) fn of_trees(&self) -> TreeLimits {
        TreeLimits { bytes: self.tree_mib << 20, ..TreeLimits::default() }
    }
}

impl Unchecked {
    pub(super) fn tool(&self) -> Option<Tool> {
        let name = self.run.first()?;
        [Tool::Helm, Tool::Kustomize].into_iter().find(|tool| tool.name() == name)
    }

    pub(super) fn arguments(&self) -> Vec<std::ffi::OsString> {
        self.run.iter().skip(1).map(Into::into).collect()
    }
}
