//! The strategy as it is written in YAML, word for word.
//!
//! These types say which words the document has; the JSON Schema is made from them. They refuse
//! unknown words and wrong types, one at a time. Everything else that can be wrong is found, all
//! at once, by `check`. Words whose behaviour is not built yet are fields too, so that they get a
//! better answer than "unknown"; the schema leaves them out.

mod approvals;
mod windows;

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor, value::MapAccessDeserializer},
};

pub use self::{
    approvals::ApprovalsDocument,
    windows::{WindowDocument, WindowsDocument},
};
use super::{
    Layout, MergeMethod, MergeMode, Newer, OnFailure, Proposing, SecretPolicy, SourceKind, StatusScope,
    check::permissions,
    duration,
    position::At,
    word::{ApiVersion, Kind, Word},
};

/// The value of a word that is not built yet.
pub type NotYet = Option<At<IgnoredAny>>;

/// Labels by name. The text may contain `{environment}`.
pub type Vars = BTreeMap<String, At<String>>;

/// What Hydromote renders from a repository, and in which order environments take it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "PromotionStrategy")]
pub struct Document {
    /// The version of this format.
    pub api_version: Word<ApiVersion>,
    /// The kind of this document.
    pub kind: Word<Kind>,
    /// What the strategy is called.
    pub metadata: Metadata,
    /// Sources, environments, their order and gates.
    pub spec: Spec,
}

/// What the strategy is called.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// The name of the strategy, unique in its repository: letters, digits, `-`, `_` and `.`.
    pub name: At<String>,
}

/// Sources, environments, their order and gates.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spec {
    /// The branch that people commit to. Default: the branch that this file is read from.
    pub dry_branch: Option<At<String>>,
    /// Where the environment branches are. Default: in this repository.
    pub destination: Option<Destination>,
    /// What is rendered.
    pub sources: At<Vec<At<SourceDocument>>>,
    /// Labels of every root, by name.
    #[serde(default)]
    pub vars: Vars,
    /// How everything is rendered.
    pub render: Option<RenderDocument>,
    /// Commit statuses that must succeed on every active branch before its content is verified.
    #[serde(default)]
    pub active_commit_statuses: Vec<At<StatusDocument>>,
    /// Commit statuses that must succeed on every proposed commit before it is merged.
    #[serde(default)]
    pub proposed_commit_statuses: Vec<At<StatusDocument>>,
    /// How promotions reach the active branches: by pull requests of Hydromote (`pull-request`), by its push without any
    /// (`direct`), or by pull requests that people open from a branch that it prepares (`link`). Default: `pull-request`.
    pub merge_mode: Option<Word<MergeMode>>,
    /// What happens when something goes wrong.
    pub rollback: Option<RollbackDocument>,
    /// What happens to a proposal that waits when something newer may be promoted: `supersede` lets the newer one take
    /// its place, `finish` lets it go on until it is merged, fails or passes its deadline. Default: `finish` where commit
    /// statuses or approvals are asked for on the proposed commit, else `supersede`.
    pub newer: Option<Word<Newer>>,
    /// The environments, in the order in which they are promoted unless `dependsOn` says otherwise.
    pub environments: At<Vec<At<EnvironmentDocument>>>,
    /// Who may give commands in comments without the right on the repository that they need. Those who have the right
    /// still may.
    pub permissions: Option<PermissionsDocument>,
    /// When promotions may be merged, in every environment.
    pub windows: Option<WindowsDocument>,
    /// How the roots are divided into lanes, each of which is promoted by itself. Default: one lane with every root.
    pub lanes: Option<LanesDocument>,
    /// How many promotion pull requests may be open at once in each environment. Default: one for each lane.
    pub max_open_pull_requests: Option<At<u32>>,
    /// Who is mentioned when a wait passes its deadline: `team:SLUG` for a team of the repository's organisation,
    /// `user:LOGIN` for one person.
    #[serde(default)]
    pub notify: Vec<GranteeText>,
    /// Which reviews a promotion needs, in every environment that does not say it by itself.
    pub approvals: Option<ApprovalsDocument>,
    #[schemars(skip)]
    #[doc(hidden)]
    pub targets: NotYet,
    #[schemars(skip)]
    #[doc(hidden)]
    pub waves: NotYet,
    #[schemars(skip)]
    #[doc(hidden)]
    pub hooks: NotYet,
}

/// Who may give commands in comments without the right on the repository: `team:SLUG` for the members of a team of the
/// repository's organisation, `user:LOGIN` for one person.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PermissionsDocument {
    /// Who may give `promote`, `unhold`, `reject`, `unreject` and `preview` without write access.
    #[serde(default)]
    pub promote: Vec<GranteeText>,
    /// Who may give `rollback` without maintain access.
    #[serde(default)]
    pub rollback: Vec<GranteeText>,
    /// Who may give `promote override=windows` without maintain access.
    #[serde(default, rename = "override")]
    pub overriding: Vec<GranteeText>,
}

/// People as they were written.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct GranteeText(pub At<String>);

/// Where the environment branches are.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Destination {
    /// The repository as `owner/name`. When it is another one than that of this file, the server's settings must allow
    /// it under `[[destinations]]`.
    pub repository: At<String>,
    /// The forge that it is on, by its name in the server's settings. Default: the one that this file is on.
    pub forge: Option<At<String>>,
}

/// One source: folders or a chart that are rendered for every environment.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceDocument {
    /// A folder with a kustomization, a chart or plain YAML. `{environment}` and `{var}` stand for labels, any other
    /// `{name}` captures a segment or a part of one, `*` matches one segment, `**` any number.
    pub path: Option<At<String>>,
    /// A pattern of folders: `chart` is rendered once for each folder that matches.
    pub each: Option<At<String>>,
    /// A folder of this repository with a `Chart.yaml`, or a chart from elsewhere, which `hydromote lock` pins:
    /// `{oci: …, version: …}` or `{repository: …, name: …, version: …}`.
    pub chart: Option<At<ChartReference>>,
    /// Takes only folders of this kind.
    pub kind: Option<Word<SourceKind>>,
    /// Patterns of folders that are never rendered by themselves.
    #[serde(default)]
    pub exclude: Vec<At<String>>,
    /// The folder on the environment branch, with labels. Default: the release name, else the matched path without the
    /// segment that is the environment.
    pub output: Option<At<String>>,
    /// What happens when a root of this source cannot be rendered: `hold` stops the promotion, `keepLast` keeps what
    /// this root has and goes on with the others.
    pub on_failure: Option<Word<OnFailure>>,
    /// The name of the Helm release, with labels.
    pub release_name: Option<At<String>>,
    /// The namespace given to Helm, with labels.
    pub namespace: Option<At<String>>,
    /// Value files in this repository, with labels. One that ends in `?` may be absent.
    #[serde(default)]
    pub value_files: Vec<At<String>>,
    /// Values laid over the value files.
    pub values: Option<At<serde_json::Map<String, serde_json::Value>>>,
    /// How this source is rendered, where it differs from the environment's options.
    pub render: Option<RenderDocument>,
}

/// A chart: a folder of this repository, or a chart from elsewhere.
#[derive(Debug)]
pub enum ChartReference {
    /// A folder of this repository.
    Folder(String),
    /// A chart from elsewhere.
    Remote(Box<RemoteChartDocument>),
}

/// A chart from elsewhere, with labels in each of its texts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemoteChartDocument {
    /// Its address in an OCI registry, such as `oci://registry.example.com/charts/redis`.
    pub oci: Option<At<String>>,
    /// The address of a chart repository, such as `https://charts.example.com`.
    pub repository: Option<At<String>>,
    /// Its name in the chart repository.
    pub name: Option<At<String>>,
    /// Its version, or a range of versions, such as `20.1.0` or `^20.1`.
    pub version: Option<At<String>>,
}

/// Options of rendering.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RenderDocument {
    /// The Kubernetes version that is rendered for, such as `"1.34"`.
    pub kube_version: Option<At<String>>,
    /// Additional API versions that charts may ask for.
    pub api_versions: Option<Vec<At<String>>>,
    /// Whether a chart's `crds/` are rendered. Entries of `helmCharts` in a kustomization decide for themselves. Default:
    /// true.
    #[serde(rename = "includeCRDs")]
    pub include_crds: Option<bool>,
    /// Whether Helm test hooks are left out. Entries of `helmCharts` decide for themselves. Default: true.
    pub skip_tests: Option<bool>,
    /// How files are laid out in an output folder: one `manifest.yaml`, or `resources`, a file for each. Default:
    /// `manifest`.
    pub layout: Option<Word<Layout>>,
    /// What happens to a `Secret` with data. Default: `refuse`.
    pub secrets: Option<Word<SecretPolicy>>,
    /// The version of Helm that must render, such as `3.19.0`.
    pub helm_version: Option<At<String>>,
    /// The version of Kustomize that must render, such as `5.8.0`.
    pub kustomize_version: Option<At<String>>,
    /// Whether each root is rendered twice, and refused by name when that gives something else. Default: false.
    pub prove: Option<bool>,
}

/// A commit status or check run that must succeed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StatusDocument {
    /// The status's context or the check run's name. `*` stands for anything within one segment, `{environment}` and
    /// other labels for their values: with a label that sources capture, the status is asked of each root by itself.
    pub key: At<String>,
    /// Of which roots a key with a captured label is asked on an active branch: `all`, or those that `changed`, whose
    /// rendering is not what was verified there before. Default: `all`.
    pub scope: Option<Word<StatusScope>>,
    /// Who has to report it: `argocd` or `flux` for what the service's own receivers were told, else the login of an
    /// account. What others report under the key does not count. Default: anybody.
    pub from: Option<At<String>>,
    /// How many of the keys that match must have succeeded, none of them having failed. Default: all that were reported,
    /// and one at least.
    #[schemars(range(min = 1, max = 100))]
    pub at_least: Option<At<i64>>,
    /// How long success must stand before it counts. Default: it counts at once.
    pub settle: Option<At<DurationText>>,
    /// After how long of waiting people are told. On an active branch, from the end of the soak on: until then content
    /// that is neither verified nor failed keeps newer content out; the longest of an environment counts. Default: `1h`.
    /// On a proposed commit, from the proposal on: until then `newer: finish` keeps a proposal that something newer could
    /// replace. Default: `24h`.
    pub deadline: Option<At<DurationText>>,
}

/// How the roots are divided into lanes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LanesDocument {
    /// The label whose values name the lanes: one that every source captures, or that `vars` of the strategy give.
    pub by: At<String>,
}

/// What happens when something goes wrong.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RollbackDocument {
    /// Whether content that fails a listed active commit status is rolled back without being asked for. Default: false.
    pub automatic: Option<At<bool>>,
}

/// One environment with its gates.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvironmentDocument {
    /// The name. Default: the last segment of `branch`.
    pub name: Option<At<String>>,
    /// The active branch: what runs in this environment.
    pub branch: At<String>,
    /// The branch on which promotions are proposed. Default: `branch` with `-next` behind it. Strategies that share an
    /// active branch need one each.
    pub proposed_branch: Option<At<String>>,
    /// Labels of this environment's roots; they win over those of the strategy.
    #[serde(default)]
    pub vars: Vars,
    /// The environments that must have verified a commit before it is promoted here. Default: the one listed before.
    pub depends_on: Option<Vec<At<String>>>,
    /// Whether a promotion with open gates is merged without being asked for. Default: true.
    pub auto_merge: Option<bool>,
    /// How long content must run here before it is verified. Default: no time.
    pub soak: Option<At<DurationText>>,
    /// How pull requests are merged. Default: `merge`.
    pub merge_method: Option<Word<MergeMethod>>,
    /// What happens to a proposal that waits when something newer may be promoted, where it differs from the strategy's.
    pub newer: Option<Word<Newer>>,
    /// How this environment is rendered, where it differs from the strategy's options.
    pub render: Option<RenderDocument>,
    /// Commit statuses that must succeed on this active branch, in addition to the strategy's.
    #[serde(default)]
    pub active_commit_statuses: Vec<At<StatusDocument>>,
    /// Commit statuses that must succeed on the proposed commit, in addition to the strategy's.
    #[serde(default)]
    pub proposed_commit_statuses: Vec<At<StatusDocument>>,
    /// How promotions reach the active branch. Default: as the strategy says.
    pub merge_mode: Option<Word<MergeMode>>,
    /// What happens when something goes wrong.
    pub rollback: Option<RollbackDocument>,
    /// When promotions may be merged here, in addition to the strategy's windows.
    pub windows: Option<WindowsDocument>,
    /// How many promotion pull requests may be open at once here, where it differs from the strategy's.
    pub max_open_pull_requests: Option<At<u32>>,
    /// How long a proposal may wait here before people are told, whatever it waits for. Default: people are told of
    /// waits that have a deadline of their own.
    pub deadline: Option<At<DurationText>>,
    /// Who is mentioned when a wait of this environment passes its deadline, in addition to the strategy's.
    #[serde(default)]
    pub notify: Vec<GranteeText>,
    /// Which reviews a promotion needs here, instead of the strategy's.
    pub approvals: Option<ApprovalsDocument>,
    /// `all` puts what each lane has ready into one pull request. Default: each lane has its own.
    pub lanes: Option<Word<Proposing>>,
    #[schemars(skip)]
    #[doc(hidden)]
    pub permissions: NotYet,
    #[schemars(skip)]
    #[doc(hidden)]
    pub targets: NotYet,
    #[schemars(skip)]
    #[doc(hidden)]
    pub waves: NotYet,
    #[schemars(skip)]
    #[doc(hidden)]
    pub hooks: NotYet,
}

/// A duration as it was written.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct DurationText(pub String);

impl Spec {
    /// Returns the words that are not built yet, with their values.
    pub fn not_yet(&self) -> [(&'static str, &NotYet); 3] {
        [("targets", &self.targets), ("waves", &self.waves), ("hooks", &self.hooks)]
    }
}

impl EnvironmentDocument {
    /// Returns the words that are not built yet, with their values.
    pub fn not_yet(&self) -> [(&'static str, &NotYet); 4] {
        [("permissions", &self.permissions), ("targets", &self.targets), ("waves", &self.waves), ("hooks", &self.hooks)]
    }
}

impl JsonSchema for DurationText {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A duration such as `30s`, `10m`, `1h30m` or `2d`.",
            "pattern": duration::PATTERN,
        })
    }
}

impl JsonSchema for GranteeText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Grantee".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": permissions::PATTERN })
    }
}

impl JsonSchema for ChartReference {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Chart".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "string" }, generator.subschema_for::<RemoteChartDocument>()] })
    }
}

impl<'de> Deserialize<'de> for ChartReference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = ChartReference;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a folder with a chart, or a chart from elsewhere")
            }

            fn visit_str<E>(self, text: &str) -> Result<ChartReference, E> {
                Ok(ChartReference::Folder(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ChartReference, A::Error> {
                let remote = RemoteChartDocument::deserialize(MapAccessDeserializer::new(map))?;
                Ok(ChartReference::Remote(Box::new(remote)))
            }
        }

        deserializer.deserialize_any(Reader)
    }
}
