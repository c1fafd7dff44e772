//! The resources of rendered manifests, and how two sets of them differ.
//!
//! Comparing for a page has a [`Budget`]: what is past it is named and not shown, and neither is
//! what a Secret says.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::{Duration, Instant},
};

use git2::{Oid, Repository};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use similar::TextDiff;

use super::{
    GitError,
    batch::Entry,
    metadata,
    tree::{self, Owned},
};
use crate::domain::{
    ids::{RenderingId, RootName},
    preview::Resource,
};

/// The longest that comparing one resource may take; the difference is coarser after that.
const COMPARE_LIMIT: Duration = Duration::from_millis(500);

/// Larger files are not compared for a page, bytes.
const FILE_LIMIT: usize = 4 << 20;

/// How much of one resource's difference a page shows, bytes.
const SHOWN_LIMIT: usize = 48 << 10;

/// How many lines stand around a change.
const CONTEXT_LINES: usize = 3;

/// What an object says that only names another.
const REFERENCE: [&str; 8] = ["apiVersion", "apiGroup", "group", "kind", "name", "namespace", "key", "optional"];

/// The annotation in which kubectl keeps the whole of an object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Which resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceId {
    /// The API group; empty for the core group.
    group: String,
    /// The kind.
    kind: String,
    /// The namespace; empty when the manifest names none.
    namespace: String,
    /// The name; empty when the manifest names none.
    name: String,
    /// Tells resources without a name apart: which one of its kind in the file, from 0.
    #[serde(skip)]
    occurrence: usize,
}

/// The texts of resources.
pub type Resources = BTreeMap<ResourceId, String>;

/// One resource that differs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceChange {
    #[serde(flatten)]
    id: ResourceId,
    /// What happened to it.
    change: Change,
    /// The difference as a unified diff.
    diff: String,
    /// How much of it that is.
    #[serde(skip)]
    shown: Shown,
}

/// How much of a difference is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// All of it.
    Whole,
    /// Its beginning, or nothing: the budget is used up.
    Cut,
    /// Nothing, since it is a Secret.
    Secret,
}

/// What comparing may cost.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// How many bytes of differences may still be made.
    pub bytes: usize,
    /// When it must be over.
    pub until: Instant,
}

/// What happened to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It has another text.
    Changed,
}

/// What a manifest says about itself.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Head {
    api_version: String,
    kind: String,
    metadata: Metadata,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
}

/// Reads the resources of a rendering; none when there is no rendering.
pub fn of_rendering(repository: &Repository, rendering: Option<&RenderingId>) -> Result<Resources, GitError> {
    let mut resources = Resources::new();
    let Some(rendering) = rendering else { return Ok(resources) };
    for entry in tree::files(repository, Oid::from_str(rendering.as_str())?)?.into_values() {
        let blob = repository.find_blob(entry.id)?;
        read(&String::from_utf8_lossy(blob.content()), &mut resources);
    }
    Ok(resources)
}

/// Reads the resources of a text.
#[cfg(test)]
pub fn of_text(text: &str) -> Resources {
    let mut resources = Resources::new();
    read(text, &mut resources);
    resources
}

/// Reads the resources of a rendering as far as its files are small enough; says too whether one was not.
pub fn of_rendering_within(
    repository: &Repository,
    rendering: Option<&RenderingId>,
) -> Result<(Resources, bool), GitError> {
    let (mut resources, mut left_out) = (Resources::new(), false);
    let Some(rendering) = rendering else { return Ok((resources, left_out)) };
    let odb = repository.odb()?;
    for Entry { id, .. } in tree::files(repository, Oid::from_str(rendering.as_str())?)?.into_values() {
        if odb.read_header(id)?.0 > FILE_LIMIT {
            left_out = true;
            continue;
        }
        read(&String::from_utf8_lossy(repository.find_blob(id)?.content()), &mut resources);
    }
    Ok((resources, left_out))
}

/// Reads the resources of a root among what is owned in a tree; says too whether a file was too
/// large to be read.
pub fn of_root(repository: &Repository, owned: &Owned, root: &RootName) -> Result<(Resources, bool), GitError> {
    let (mut resources, mut left_out) = (Resources::new(), false);
    let none = BTreeMap::new();
    let odb = repository.odb()?;
    for (path, Entry { id, .. }) in owned.files.get(root).unwrap_or(&none) {
        let inside = path.strip_prefix(root.as_str()).map_or(path.as_str(), |path| path.trim_start_matches('/'));
        if metadata::names_the_dry_sha(inside) {
            continue;
        }
        if odb.read_header(*id)?.0 > FILE_LIMIT {
            left_out = true;
            continue;
        }
        read(&String::from_utf8_lossy(repository.find_blob(*id)?.content()), &mut resources);
    }
    Ok((resources, left_out))
}

/// Says whether a file holds a Kubernetes object; one that is too large to be read may.
pub fn is_manifest(repository: &Repository, id: Oid) -> Result<bool, GitError> {
    let (size, kind) = repository.odb()?.read_header(id)?;
    if kind != git2::ObjectType::Blob || size > FILE_LIMIT {
        return Ok(kind == git2::ObjectType::Blob);
    }
    let mut resources = Resources::new();
    read(&String::from_utf8_lossy(repository.find_blob(id)?.content()), &mut resources);
    Ok(resources.keys().any(|id| !id.kind.is_empty()))
}

/// Adds the resources of one manifest file. A line of three dashes always ends a document: inside
/// of one, text is indented.
fn read(text: &str, resources: &mut Resources) {
    let mut add = |document: String| {
        if !document.trim().is_empty() {
            let mut id = ResourceId::of(&document);
            while resources.contains_key(&id) {
                id.occurrence += 1;
            }
            resources.insert(id, document);
        }
    };
    let mut document = String::new();
    for line in text.split_inclusive('\n') {
        if line.trim_end() == "---" {
            add(std::mem::take(&mut document));
        } else {
            document.push_str(line);
        }
    }
    add(document);
}

/// Returns what differs, ordered by resource.
pub fn compare(old: &Resources, new: &Resources) -> Vec<ResourceChange> {
    let ids: BTreeSet<&ResourceId> = old.keys().chain(new.keys()).collect();
    ids.into_iter().filter_map(|id| change(id, old.get(id), new.get(id))).collect()
}

/// Returns what differs, ordered by resource, as far as the budget goes; all of it is named.
pub fn compare_within(old: &Resources, new: &Resources, budget: &mut Budget) -> Vec<ResourceChange> {
    let ids: BTreeSet<&ResourceId> = old.keys().chain(new.keys()).collect();
    ids.into_iter().filter_map(|id| change_within(id, old.get(id), new.get(id), budget)).collect()
}

fn change_within(
    id: &ResourceId,
    old: Option<&String>,
    new: Option<&String>,
    budget: &mut Budget,
) -> Option<ResourceChange> {
    let kind = kind_of_change(old, new)?;
    let untold = |shown| Some(ResourceChange { id: id.clone(), change: kind, diff: String::new(), shown });
    if [old, new].into_iter().flatten().any(|document| may_tell_secrets(id, document)) {
        return untold(Shown::Secret);
    }
    if budget.bytes == 0 || Instant::now() >= budget.until {
        return untold(Shown::Cut);
    }
    let mut change = change(id, old, new)?;
    let limit = budget.bytes.min(SHOWN_LIMIT);
    if change.diff.len() > limit {
        let end = change.diff.as_bytes()[..limit].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        change.diff.truncate(end);
        change.shown = Shown::Cut;
    }
    budget.bytes -= change.diff.len();
    Some(change)
}

/// Says whether a document may hold the data of a `Secret`: one by itself, one inside another object, what kubectl
/// applied last, or what is no resource that can be read.
pub fn may_tell_secrets(id: &ResourceId, document: &str) -> bool {
    id.kind.is_empty() || serde_saphyr::from_str(document).map_or(true, |value| holds_secret(&value))
}

fn holds_secret(value: &Value) -> bool {
    match value {
        Value::Object(entries) => {
            (entries.get("kind").is_some_and(|kind| kind == "Secret") && !is_reference(entries))
                || entries.contains_key(LAST_APPLIED)
                || entries.values().any(holds_secret)
        }
        Value::Array(items) => items.iter().any(holds_secret),
        _ => false,
    }
}

/// Says whether an object only names another.
fn is_reference(entries: &serde_json::Map<String, Value>) -> bool {
    entries.contains_key("name") && entries.keys().all(|key| REFERENCE.contains(&key.as_str()))
}

fn kind_of_change(old: Option<&String>, new: Option<&String>) -> Option<Change> {
    match (old, new) {
        (None, _) => Some(Change::Added),
        (_, None) => Some(Change::Removed),
        (Some(old), Some(new)) => (old != new).then_some(Change::Changed),
    }
}

fn change(id: &ResourceId, old: Option<&String>, new: Option<&String>) -> Option<ResourceChange> {
    let change = kind_of_change(old, new)?;
    let (old, new) = (old.map_or("", String::as_str), new.map_or("", String::as_str));
    let side = |exists: bool| if exists { id.to_string() } else { "/dev/null".to_owned() };
    let compared = TextDiff::configure().timeout(COMPARE_LIMIT).diff_lines(old, new);
    let (from, to) = (side(change != Change::Added), side(change != Change::Removed));
    let diff = compared.unified_diff().context_radius(CONTEXT_LINES).header(&from, &to).to_string();
    Some(ResourceChange { id: id.clone(), change, diff, shown: Shown::Whole })
}

impl ResourceId {
    fn of(document: &str) -> Self {
        let head: Head = serde_saphyr::from_str(document).unwrap_or_default();
        let group = head.api_version.split_once('/').map_or("", |(group, _)| group).to_owned();
        let Metadata { name, namespace } = head.metadata;
        Self {
            group,
            kind: head.kind,
            namespace: namespace.unwrap_or_default(),
            name: name.unwrap_or_default(),
            occurrence: 0,
        }
    }
}

impl ResourceId {
    /// Returns the resource as previews name it.
    pub fn named(&self) -> Resource {
        Resource {
            group: self.group.clone(),
            kind: self.kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }
}

impl fmt::Display for ResourceId {
    /// Writes `group/Kind namespace/name`, without what is empty.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |text: &str| if text.is_empty() { String::new() } else { format!("{text}/") };
        write!(f, "{}{} {}{}", part(&self.group), self.kind, part(&self.namespace), self.name)
    }
}

impl Change {
    /// Returns the word that people read.
    pub fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

impl ResourceChange {
    /// Returns one line about it.
    pub fn title(&self) -> String {
        format!("{} {}", self.change.word(), self.id)
    }

    /// Returns what happened to it.
    pub fn change(&self) -> Change {
        self.change
    }

    /// Returns which resource it is.
    pub fn id(&self) -> &ResourceId {
        &self.id
    }

    /// Returns how much of the difference is shown.
    pub fn shown(&self) -> Shown {
        self.shown
    }

    /// Returns the unified diff.
    pub fn diff(&self) -> &str {
        &self.diff
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resources(text: &str) -> Resources {
        of_text(text)
    }

    #[test]
    fn resources_are_compared_by_what_they_are_and_not_by_where_they_stand() {
        let a = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: \"1\"\n";
        let b = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: b\n  namespace: n\n";
        let changed = a.replace('1', "2").replace("v2", "v1");
        let changes = compare(&resources(&format!("{a}---\n{b}")), &resources(&changed));
        let titles: Vec<String> = changes.iter().map(ResourceChange::title).collect();
        assert_eq!(titles, ["changed ConfigMap a", "removed apps/Deployment n/b"]);
        insta::assert_snapshot!(changes[0].diff(), @r#"
        --- ConfigMap a
        +++ ConfigMap a
        @@ -3,4 +3,4 @@
         metadata:
           name: a
         data:
        -  x: "1"
        +  x: "2"
        "#);
    }

    #[test]
    fn what_is_past_the_budget_is_named_and_a_secret_is_never_shown() {
        let new = resources(
            "kind: A\nmetadata: {name: a}\nx: 1\n---\nkind: B\nmetadata: {name: b}\n---\nkind: Secret\nx: hidden\n",
        );
        let mut budget = Budget { bytes: 60, until: Instant::now() + Duration::from_secs(60) };
        let changes = compare_within(&Resources::new(), &new, &mut budget);
        let told: Vec<_> = changes.iter().map(|change| (change.title(), change.shown())).collect();
        let expected = [("added A a", Shown::Cut), ("added B b", Shown::Cut), ("added Secret ", Shown::Secret)];
        assert_eq!(told, expected.map(|(title, shown)| (title.to_owned(), shown)));
        assert!(changes[0].diff().ends_with('\n') && changes.iter().all(|change| !change.diff().contains("hidden")));
        let mut late = Budget { bytes: 1 << 20, until: Instant::now() };
        assert!(compare_within(&Resources::new(), &new, &mut late).iter().all(|change| change.diff().is_empty()));
    }

    #[test]
    fn resources_without_a_name_are_kept_apart() {
        let text = "kind: Job\nmetadata:\n  generateName: a-\n---\nkind: Job\nmetadata:\n  generateName: b-\n";
        assert_eq!(resources(text).len(), 2);
    }

    #[test]
    fn a_secret_inside_another_object_is_found() {
        let may_tell = |text: &str| resources(text).iter().any(|(id, document)| may_tell_secrets(id, document));
        for text in [
            "apiVersion: v1\nkind: List\nitems:\n- kind: \"S\\u0065cret\"\n  data: {p: aHVudGVy}\n",
            "apiVersion: template.openshift.io/v1\nkind: Template\nobjects:\n- {kind: Secret, stringData: {p: hunter2}}\n",
            "apiVersion: apps/v1\nkind: ControllerRevision\ndata:\n  spec: {template: {kind: Secret, data: {p: aA==}}}\n",
            "kind: Service\nmetadata:\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: '{}'\n",
            "kind: Deployment\nspec: {template: {metadata: {annotations: \
             {kubectl.kubernetes.io/last-applied-configuration: x}}}}\n",
            "apiVersion: v1\nkind: Secret\n",
            "kind: [unreadable\n",
        ] {
            assert!(may_tell(text), "{text}");
        }
        for text in [
            "kind: ConfigMapList\nitems:\n- {kind: ConfigMap, data: {about: the Secret}}\n",
            "kind: List\nitems:\n- {kind: SealedSecret}\n- {kind: secret}\n",
        ] {
            assert!(!may_tell(text), "{text}");
        }
    }
}
