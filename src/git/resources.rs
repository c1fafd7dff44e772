//! The resources of rendered manifests, and how two sets of them differ.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use git2::{Oid, Repository};
use serde::{Deserialize, Serialize};
use similar::TextDiff;

use crate::{domain::ids::RenderingId, git::tree};

/// The longest that comparing one resource may take; the difference is coarser after that.
const COMPARE_LIMIT: Duration = Duration::from_millis(500);

/// How many lines stand around a change.
const CONTEXT_LINES: usize = 3;

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
}

/// What happened to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Change {
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
pub fn of_rendering(repository: &Repository, rendering: Option<&RenderingId>) -> anyhow::Result<Resources> {
    let mut resources = Resources::new();
    let Some(rendering) = rendering else { return Ok(resources) };
    for entry in tree::files(repository, Oid::from_str(rendering.as_str())?)?.into_values() {
        let blob = repository.find_blob(entry.id)?;
        read(&String::from_utf8_lossy(blob.content()), &mut resources);
    }
    Ok(resources)
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

fn change(id: &ResourceId, old: Option<&String>, new: Option<&String>) -> Option<ResourceChange> {
    let change = match (old, new) {
        (None, _) => Change::Added,
        (_, None) => Change::Removed,
        (Some(old), Some(new)) if old == new => return None,
        _ => Change::Changed,
    };
    let (old, new) = (old.map_or("", String::as_str), new.map_or("", String::as_str));
    let side = |exists: bool| if exists { id.to_string() } else { "/dev/null".to_owned() };
    let compared = TextDiff::configure().timeout(COMPARE_LIMIT).diff_lines(old, new);
    let (from, to) = (side(change != Change::Added), side(change != Change::Removed));
    let diff = compared.unified_diff().context_radius(CONTEXT_LINES).header(&from, &to).to_string();
    Some(ResourceChange { id: id.clone(), change, diff })
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

impl fmt::Display for ResourceId {
    /// Writes `group/Kind namespace/name`, without what is empty.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |text: &str| if text.is_empty() { String::new() } else { format!("{text}/") };
        write!(f, "{}{} {}{}", part(&self.group), self.kind, part(&self.namespace), self.name)
    }
}

impl ResourceChange {
    /// Returns one line about it.
    pub fn title(&self) -> String {
        let word = match self.change {
            Change::Added => "added",
            Change::Removed => "removed",
            Change::Changed => "changed",
        };
        format!("{word} {}", self.id)
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
        let mut found = Resources::new();
        read(text, &mut found);
        found
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
    fn resources_without_a_name_are_kept_apart() {
        let text = "kind: Job\nmetadata:\n  generateName: a-\n---\nkind: Job\nmetadata:\n  generateName: b-\n";
        assert_eq!(resources(text).len(), 2);
    }
}
