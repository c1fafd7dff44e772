//! What is to be rendered, and how: plain data, given by the caller.

use std::collections::BTreeMap;

use crate::remote_chart::RemoteChart;

/// The Kubernetes version for charts when nobody chose one.
///
/// A constant of ours, so that a rendering does not change with the version that a Helm program
/// happens to be built with.
pub const DEFAULT_KUBE_VERSION: &str = "1.34";

/// Labels of a root, by name.
pub type Labels = BTreeMap<String, String>;

/// One source of a strategy. Its strings may contain labels, as `{name}`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Source {
    /// A folder pattern: kustomization, chart or plain YAML.
    pub path: Option<String>,
    /// A folder pattern; one root per matching folder, with `chart`.
    pub each: Option<String>,
    /// A chart folder.
    pub chart: Option<String>,
    /// A chart from elsewhere, instead of a folder.
    pub remote: Option<RemoteChart>,
    /// Restricts `path` to folders of one kind.
    pub kind: Option<SourceKind>,
    /// Globs of folders that are never roots.
    pub exclude: Vec<String>,
    /// The output folder.
    pub output: Option<String>,
    /// What happens to others when a root of this source fails.
    pub on_failure: OnFailure,
    /// The Helm release name.
    pub release_name: Option<String>,
    /// The Helm namespace.
    pub namespace: Option<String>,
    /// Value files, relative to the tree; one that ends in `?` may be absent.
    pub value_files: Vec<String>,
    /// Inline values.
    pub values: Option<serde_json::Map<String, serde_json::Value>>,
    /// Options of rendering, resolved by the caller for this source and environment.
    pub options: RenderOptions,
    /// The line of the source in the strategy, from 1.
    pub line: u64,
}

/// The renderer that a folder is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// A folder with a kustomization.
    Kustomize,
    /// A folder with a `Chart.yaml`.
    Helm,
    /// A folder of YAML files.
    Plain,
}

/// What happens to the other roots of a lane when one fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// The lane is not promoted.
    #[default]
    Hold,
    /// The root keeps what it has, or stays out; the rest goes on.
    KeepLast,
}

/// Options of rendering, complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderOptions {
    /// Kubernetes version given to Helm: `1.34` or `1.34.2`.
    pub kube_version: String,
    /// Additional API versions given to Helm.
    pub api_versions: Vec<String>,
    /// Whether a chart's `crds/` are rendered.
    pub include_crds: bool,
    /// Whether Helm test hooks are left out.
    pub skip_tests: bool,
    /// How files are laid out.
    pub layout: Layout,
    /// What happens to a `Secret` with data.
    pub secrets: SecretPolicy,
    /// Whether a root is rendered twice, to prove that it is deterministic.
    pub prove: bool,
    /// The Helm version that must render, without the `v`.
    pub helm_version: Option<String>,
    /// The Kustomize version that must render, without the `v`.
    pub kustomize_version: Option<String>,
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self {
            kube_version: DEFAULT_KUBE_VERSION.to_string(),
            api_versions: Vec::new(),
            include_crds: true,
            skip_tests: true,
            layout: Layout::Manifest,
            secrets: SecretPolicy::Refuse,
            prove: false,
            helm_version: None,
            kustomize_version: None,
        }
    }
}

/// How the files of a root are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One `manifest.yaml`.
    Manifest,
    /// One file for each resource.
    Resources,
}

/// What happens to a `Secret` with data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretPolicy {
    /// The root fails.
    Refuse,
    /// It is committed.
    Allow,
}

/// One root: what is rendered into one output folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Root {
    /// The output folder on the environment branch; normalised, never empty.
    pub output: String,
    /// All labels: the environment, variables and captures.
    pub labels: Labels,
    /// The source that the root comes from, by position.
    pub source: usize,
    /// The line of that source in the strategy.
    pub line: u64,
    /// What is rendered.
    pub input: Input,
    /// What happens to others when the root fails.
    pub on_failure: OnFailure,
    /// How it is rendered.
    pub options: RenderOptions,
    /// Outputs of the roots that build on this one's folder.
    pub base_of: Vec<String>,
}

/// What a root renders; all paths are relative to the tree.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A kustomization.
    Kustomize {
        /// Its folder.
        dir: String,
    },
    /// A release of a chart.
    Helm(Box<Release>),
    /// A folder of YAML files.
    Plain {
        /// The folder.
        dir: String,
    },
}

/// A release of a chart.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Release {
    /// The chart's folder; that of a chart from elsewhere is there once it was put there.
    pub chart: String,
    /// Which chart from elsewhere it is.
    pub remote: Option<RemoteChart>,
    /// The release name.
    pub name: String,
    /// The namespace.
    pub namespace: String,
    /// Value files, in order.
    pub value_files: Vec<ValueFile>,
    /// Inline values, laid over the files.
    pub values: Option<serde_json::Map<String, serde_json::Value>>,
}

/// One value file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueFile {
    /// The path, relative to the tree.
    pub path: String,
    /// Whether the file may be absent.
    pub optional: bool,
}

impl Input {
    /// Returns the folder that is rendered.
    pub fn dir(&self) -> &str {
        match self {
            Self::Kustomize { dir } | Self::Plain { dir } => dir,
            Self::Helm(release) => &release.chart,
        }
    }
}
