//! What a difference means: which resources are the same under another name, what is noise, and what to look at first.
//!
//! Guarantees:
//!
//! - Everything that differs is told: what is folded is counted, and named by its resource.
//! - Nothing that a Secret says is told, but for the keys of its data.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::{
    cli::output,
    domain::preview::{Resource, Risk},
    git::resources::{self, Change, ResourceChange, ResourceId, Resources},
};

/// Labels and annotations that tools change with each release, whatever else changes.
const NOISE: &[&str] = &["helm.sh/chart:", "app.kubernetes.io/version:", "chart:"];

/// How annotations begin that hold the digest of something else.
const CHECKSUM: &str = "checksum/";

/// The letters of the hash that Kustomize puts behind the names of generated ConfigMaps and Secrets.
const HASH_LETTERS: &str = "2456789bcdfghkmt";

/// How long that hash is.
const HASH_LENGTH: usize = 10;

/// Fields that a cluster does not let be changed: by group, kind and JSON pointer.
const IMMUTABLE: &[(&str, &str, &str)] = &[
    ("apps", "Deployment", "/spec/selector"),
    ("apps", "DaemonSet", "/spec/selector"),
    ("apps", "ReplicaSet", "/spec/selector"),
    ("apps", "StatefulSet", "/spec/selector"),
    ("apps", "StatefulSet", "/spec/serviceName"),
    ("apps", "StatefulSet", "/spec/volumeClaimTemplates"),
    ("apps", "StatefulSet", "/spec/podManagementPolicy"),
    ("batch", "Job", "/spec/template"),
    ("batch", "Job", "/spec/selector"),
    ("batch", "Job", "/spec/completions"),
    ("", "Service", "/spec/clusterIP"),
    ("", "PersistentVolumeClaim", "/spec/storageClassName"),
    ("", "PersistentVolumeClaim", "/spec/accessModes"),
    ("", "PersistentVolumeClaim", "/spec/volumeName"),
    ("", "Secret", "/type"),
    ("storage.k8s.io", "StorageClass", "/provisioner"),
    ("storage.k8s.io", "StorageClass", "/parameters"),
    ("rbac.authorization.k8s.io", "RoleBinding", "/roleRef"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding", "/roleRef"),
    ("apiextensions.k8s.io", "CustomResourceDefinition", "/spec/group"),
    ("apiextensions.k8s.io", "CustomResourceDefinition", "/spec/scope"),
];

/// What differs between two renderings of a root, the riskiest first.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Explained {
    /// The resources that differ.
    resources: Vec<Explanation>,
    /// Those in which nothing differs but the hash in the name of what they refer to.
    references_alone: Vec<String>,
    /// Those in which nothing differs but labels and annotations of tools, each with these.
    noise_alone: BTreeMap<String, BTreeSet<String>>,
}

/// One resource that differs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Explanation {
    #[serde(flatten)]
    change: ResourceChange,
    /// Its name before, where that had another hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    was: Option<String>,
    /// What to look at, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    look_at: Vec<String>,
    /// Labels and annotations of tools that differ too, and are not in the difference.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    noise: BTreeSet<String>,
    #[serde(skip)]
    rank: u8,
}

impl Explained {
    /// Compares two renderings.
    pub(super) fn of(old: &Resources, new: &Resources) -> Self {
        let pairs = pairs(old, new);
        let renamed: Resources = old.iter().map(|(id, text)| renamed(id, text, new.get(id), &pairs)).collect();
        let (mut before, mut noise) = (Resources::new(), BTreeMap::new());
        for (id, text) in &renamed {
            let (text, keys) = match new.get(id) {
                Some(new) => without_noise(id, text, new),
                None => (text.clone(), BTreeSet::new()),
            };
            before.insert(id.clone(), text);
            noise.insert(id, keys);
        }
        let mut explained = Self::default();
        for (id, text) in new {
            let (Some(after_pairs), Some(after_noise)) = (renamed.get(id), before.get(id)) else { continue };
            if old.get(id) != Some(text) && after_pairs == text {
                explained.references_alone.push(id.to_string());
            } else if after_pairs != text && after_noise == text {
                explained.noise_alone.insert(id.to_string(), noise.get(id).cloned().unwrap_or_default());
            }
        }
        let was: BTreeMap<&ResourceId, &str> = pairs.iter().map(|pair| (&pair.new, pair.was.name.as_str())).collect();
        let told = |change: ResourceChange| {
            let id = change.id();
            let (rank, look_at) = look_at(&change, before.get(id), new.get(id));
            let was = was.get(id).map(|name| (*name).to_owned());
            let noise = noise.get(id).cloned().unwrap_or_default();
            Explanation { was, look_at, noise, rank, change }
        };
        let masked = |of: &Resources, other: &Resources, when: &str| -> Resources {
            of.iter().map(|(id, text)| (id.clone(), masked(id, text, other.get(id), when))).collect()
        };
        let (shown_before, shown_after) = (masked(&before, new, "before"), masked(new, &before, "after"));
        explained.resources = resources::compare(&shown_before, &shown_after).into_iter().map(told).collect();
        explained.resources.sort_by_key(|explanation| explanation.rank);
        explained
    }

    /// Writes it for people: what differs in a line each, then how.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for explanation in &self.resources {
            text += &format!("  {}\n", explanation.title());
        }
        let counted = |ids: &[&str]| format!("{}: {}", output::counted(ids.len(), "resource"), ids.join(", "));
        if !self.references_alone.is_empty() {
            let ids: Vec<&str> = self.references_alone.iter().map(String::as_str).collect();
            text += &format!("  nothing but the hash of what is referred to differs in {}\n", counted(&ids));
        }
        if !self.noise_alone.is_empty() {
            let keys: BTreeSet<&str> = self.noise_alone.values().flatten().map(String::as_str).collect();
            let ids: Vec<&str> = self.noise_alone.keys().map(String::as_str).collect();
            text += &format!("  nothing but {} differs in {}\n", Vec::from_iter(keys).join(", "), counted(&ids));
        }
        text.push('\n');
        for explanation in self.resources.iter().filter(|explanation| !explanation.change.diff().is_empty()) {
            text += &format!("{}\n", explanation.change.diff());
        }
        text
    }
}

impl Explanation {
    fn title(&self) -> String {
        let was = self.was.as_ref().map(|was| format!(" (was {was})")).unwrap_or_default();
        let look_at = if self.look_at.is_empty() { String::new() } else { format!(": {}", self.look_at.join(", ")) };
        let noise = match self.noise.len() {
            0 => String::new(),
            _ => format!(" (not shown: {})", self.noise.iter().cloned().collect::<Vec<_>>().join(", ")),
        };
        format!("{}{was}{look_at}{noise}", self.change.title())
    }
}

/// A generated resource that has another hash in its name.
struct Pair {
    old: ResourceId,
    was: Resource,
    new: ResourceId,
    new_name: String,
}

/// Finds what was generated anew: of one stem there is one that goes and one that comes.
fn pairs(old: &Resources, new: &Resources) -> Vec<Pair> {
    let hashed = |of: &Resources, other: &Resources| {
        let mut found: BTreeMap<Resource, Vec<ResourceId>> = BTreeMap::new();
        for id in of.keys().filter(|id| !other.contains_key(id)) {
            let resource = id.named();
            if let Some(stem) = stem(&resource) {
                found.entry(Resource { name: stem.to_owned(), ..resource.clone() }).or_default().push(id.clone());
            }
        }
        found
    };
    let (gone, come) = (hashed(old, new), hashed(new, old));
    let pair = |(stem, ids): (Resource, Vec<ResourceId>)| {
        let ([old], [new]) = (&ids[..], &come.get(&stem)?[..]) else { return None };
        Some(Pair { old: old.clone(), was: old.named(), new: new.clone(), new_name: new.named().name })
    };
    gone.into_iter().filter_map(pair).collect()
}

/// Returns the name of a generated resource without its hash.
fn stem(resource: &Resource) -> Option<&str> {
    if !is_generated(resource) {
        return None;
    }
    let (stem, hash) = resource.name.rsplit_once('-')?;
    (hash.len() == HASH_LENGTH && hash.chars().all(|letter| HASH_LETTERS.contains(letter))).then_some(stem)
}

/// Says whether a resource is of a kind that Kustomize generates.
fn is_generated(resource: &Resource) -> bool {
    resource.group.is_empty() && matches!(resource.kind.as_str(), "ConfigMap" | "Secret")
}

/// Returns a resource of before with the hashes of now: in its own name, and where it refers to what has another one.
fn renamed(id: &ResourceId, text: &str, now: Option<&String>, pairs: &[Pair]) -> (ResourceId, String) {
    let own = pairs.iter().find(|pair| pair.old == *id);
    let resource = id.named();
    // What a ConfigMap or a Secret says is data, whatever it looks like.
    let is_untouched = own.is_none() && is_generated(&resource);
    if pairs.is_empty() || is_untouched || now.is_some_and(|now| now == text) {
        return (id.clone(), text.to_owned());
    }
    let scalars = scalars(text);
    let beside = |of: &Scalar, key: &str| {
        let is_beside = |scalar: &&Scalar| scalar.mapping == of.mapping && scalar.key == Some(key);
        scalars.iter().find(is_beside).map(|scalar| scalar.value)
    };
    let by = |scalar: &Scalar| match own {
        Some(own) => (scalar.is_own_name && scalar.value == own.was.name).then_some(own),
        None => pairs.iter().filter(|pair| pair.was.name == scalar.value).find(|pair| {
            let kind = beside(scalar, "kind").filter(|_| scalar.key == Some("name")).or_else(|| scalar.kind());
            let namespace = beside(scalar, "namespace").unwrap_or(&resource.namespace);
            !scalar.is_own_name && kind == Some(&pair.was.kind) && namespace == pair.was.namespace
        }),
    };
    let (mut out, mut done) = (String::with_capacity(text.len()), 0);
    for scalar in &scalars {
        if let Some(pair) = by(scalar) {
            out += &text[done..scalar.at];
            out += &pair.new_name;
            done = scalar.at + scalar.value.len();
        }
    }
    (own.map_or(id, |own| &own.new).clone(), out + &text[done..])
}

/// A value on a line of its own, or on that of its key.
struct Scalar<'a> {
    /// Where it begins.
    at: usize,
    value: &'a str,
    /// Its key; none for an item of a list.
    key: Option<&'a str>,
    /// The key of what holds it.
    parent: Option<&'a str>,
    /// Which mapping its key is in.
    mapping: usize,
    /// Whether it is what the resource is called.
    is_own_name: bool,
}

impl Scalar<'_> {
    /// Returns the kind of what it names, as far as its keys say that.
    fn kind(&self) -> Option<&'static str> {
        let of_key = |key: &str| {
            let key = key.to_ascii_lowercase();
            let kinds = [("configmap", "ConfigMap"), ("secret", "Secret")];
            kinds.into_iter().find(|(word, _)| key.contains(word)).map(|(_, kind)| kind)
        };
        match self.key {
            None | Some("name") => self.parent.and_then(of_key),
            Some(key) => of_key(key),
        }
    }
}

/// Returns the values of a document in block style that take no more than a line.
fn scalars(text: &str) -> Vec<Scalar<'_>> {
    let mut above: Vec<(usize, Option<&str>, usize)> = Vec::new();
    // The column that the lines of a block of text are right of.
    let mut block: Option<usize> = None;
    let (mut found, mut start, mut mappings) = (Vec::new(), 0, 0);
    for line in text.split('\n') {
        let begin = start;
        start += line.len() + 1;
        let mut inner = line.trim_start_matches(' ');
        let mut column = line.len() - inner.len();
        if inner.trim_end().is_empty() || block.is_some_and(|left| column > left) {
            continue;
        }
        block = None;
        if inner.starts_with('#') {
            continue;
        }
        let mut dash = None;
        while let Some(item) = inner.strip_prefix("- ") {
            dash = Some(column);
            inner = item.trim_start_matches(' ');
            column = line.len() - inner.len();
        }
        let (key, value) = match inner.split_once(": ") {
            Some((key, value)) => (Some(key), value),
            None => inner.trim_end().strip_suffix(':').map_or((None, inner), |key| (Some(key), "")),
        };
        let mut mapping = None;
        while let Some((of, _, at)) = above.pop_if(|(of, ..)| *of >= column) {
            mapping = (of == column && dash.is_none()).then_some(at);
        }
        let mapping = mapping.unwrap_or_else(|| {
            mappings += 1;
            mappings
        });
        let parent = above.last().and_then(|(_, key, _)| *key);
        let is_own_name = above.len() == 1 && parent == Some("metadata") && key == Some("name");
        above.push((column, key, mapping));
        let value = value.split(" #").next().unwrap_or_default().trim_end();
        let header = value.rsplit(' ').next().unwrap_or_default();
        let is_modifier = |c: char| matches!(c, '+' | '-') || c.is_ascii_digit();
        if header.strip_prefix(['|', '>']).is_some_and(|rest| rest.chars().all(is_modifier)) {
            block = if key.is_some() { Some(column) } else { dash };
            continue;
        }
        let at = begin + (line.len() - inner.len()) + key.map_or(0, |key| key.len() + 2);
        let value = value.trim_start();
        let skipped = text.get(at..).map_or(0, |rest| rest.len() - rest.trim_start_matches(' ').len());
        let quoted = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
        if !value.is_empty() {
            let at = at + skipped + usize::from(quoted.is_some());
            found.push(Scalar { at, value: quoted.unwrap_or(value), key, parent, mapping, is_own_name });
        }
    }
    found
}

/// Returns the text of before with the labels and annotations of tools as they are now, and which of them differ.
fn without_noise(id: &ResourceId, old: &str, new: &str) -> (String, BTreeSet<String>) {
    if old == new {
        return (old.to_owned(), BTreeSet::new());
    }
    let (mut of_old, mut of_new) = (noise(old), noise(new));
    if [old, new].into_iter().any(|text| resources::may_tell_secrets(id, text)) {
        // What looks like an annotation further in may be what a Secret says.
        let is_of_metadata = |(_, place): &(usize, String)| {
            let keys: Vec<&str> = place.split('\n').collect();
            matches!(keys[..], ["metadata:", "labels:" | "annotations:", _])
        };
        of_old.retain(is_of_metadata);
        of_new.retain(is_of_metadata);
    }
    let is_same_place = of_old.iter().map(|(_, place)| place).eq(of_new.iter().map(|(_, place)| place));
    if !is_same_place {
        return (old.to_owned(), BTreeSet::new());
    }
    let (mut lines, new_lines): (Vec<&str>, Vec<&str>) = (old.split('\n').collect(), new.split('\n').collect());
    let mut keys = BTreeSet::new();
    for ((old, place), (new, _)) in of_old.iter().zip(&of_new) {
        if lines[*old] != new_lines[*new] {
            keys.insert(place.rsplit('\n').next().unwrap_or_default().to_owned());
            lines[*old] = new_lines[*new];
        }
    }
    (lines.join("\n"), keys)
}

/// Returns the lines with labels and annotations of tools, each with its place: the keys above it and its own.
fn noise(text: &str) -> Vec<(usize, String)> {
    let mut above: Vec<(usize, &str)> = Vec::new();
    let mut found = Vec::new();
    for (number, line) in text.split('\n').enumerate() {
        let inner = line.trim_start_matches([' ', '-']);
        let column = line.len() - inner.len();
        if inner.is_empty() {
            continue;
        }
        while above.last().is_some_and(|(of, _)| *of >= column) {
            above.pop();
        }
        let parent = above.last().map(|(_, key)| *key);
        let is_noise = NOISE.iter().any(|key| inner.starts_with(key)) || inner.starts_with(CHECKSUM);
        if is_noise && matches!(parent, Some("labels:" | "annotations:")) && has_value(inner) {
            let keys: Vec<&str> = above.iter().map(|(_, key)| *key).collect();
            let key = inner.split(": ").next().unwrap_or_default();
            found.push((number, format!("{}\n{key}", keys.join("\n"))));
        }
        above.push((column, inner));
    }
    found
}

/// Says whether a value stands on the line of its key.
fn has_value(line: &str) -> bool {
    line.split_once(": ").is_some_and(|(_, value)| !value.starts_with(['|', '>', '&', '*', '!']))
}

/// Says what to look at in a change, and how early.
fn look_at(change: &ResourceChange, old: Option<&String>, new: Option<&String>) -> (u8, Vec<String>) {
    let resource = change.id().named();
    let risk = Risk::of(&resource);
    let mut words: Vec<String> = Vec::new();
    let mut rank = if risk.is_some() { 3 } else { 5 };
    words.extend(risk.filter(|risk| *risk != Risk::Secret).map(|risk| risk.words().to_owned()));
    if change.change() == Change::Removed {
        return (if risk.is_some() { 0 } else { 1 }, words);
    }
    let is_secretive = [old, new].into_iter().flatten().any(|text| resources::may_tell_secrets(change.id(), text));
    let (Some(old), Some(new)) = (old.and_then(|text| read(text)), new.and_then(|text| read(text))) else {
        return (rank, words);
    };
    let of_kind = |(group, kind, _): &&(&str, &str, &str)| *group == resource.group && *kind == resource.kind;
    let fields = IMMUTABLE.iter().filter(of_kind).map(|(.., pointer)| *pointer);
    let fixed = old.pointer("/immutable") == Some(&Value::Bool(true));
    let data = ["/data", "/binaryData", "/stringData"].into_iter().filter(|_| fixed);
    for pointer in fields.chain(data).filter(|pointer| old.pointer(pointer) != new.pointer(pointer)) {
        words.push(format!("`{}` cannot be changed", pointer[1..].replace('/', ".")));
        rank = rank.min(2);
    }
    if is_secretive {
        return (rank, words);
    }
    let (before, after) = (images(&old), images(&new));
    for (container, image) in after.iter().filter(|(container, image)| before.get(*container) != Some(image)) {
        words.push(match before.get(container) {
            Some(was) => format!("image {was} -> {image}"),
            None => format!("image {image} is new"),
        });
        rank = rank.min(4);
    }
    let replicas = |value: &Value| value.pointer("/spec/replicas").map(Value::to_string);
    if replicas(&old) != replicas(&new) {
        let told = |value: &Value| replicas(value).unwrap_or_else(|| "not set".to_owned());
        words.push(format!("replicas {} -> {}", told(&old), told(&new)));
        rank = rank.min(4);
    }
    (rank, words)
}

fn read(text: &str) -> Option<Value> {
    serde_saphyr::from_str(text).ok()
}

/// Returns the image of each container, by its place.
fn images(value: &Value) -> BTreeMap<String, String> {
    fn walk(value: &Value, place: &str, found: &mut BTreeMap<String, String>) {
        match value {
            Value::Object(entries) => {
                let name = entries.get("name").and_then(Value::as_str).unwrap_or_default();
                if let Some(image) = entries.get("image").and_then(Value::as_str) {
                    found.insert(format!("{place}/{name}"), image.to_owned());
                }
                entries.iter().for_each(|(key, value)| walk(value, &format!("{place}/{key}"), found));
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, place, found)),
            _ => {}
        }
    }
    let mut found = BTreeMap::new();
    if let Some(spec) = value.get("spec") {
        walk(spec, "", &mut found);
    }
    found
}

/// Returns a resource as it may be shown beside `other`, what it is compared with: a Secret without what it says, but
/// for whether that differs.
fn masked(id: &ResourceId, text: &str, other: Option<&String>, when: &str) -> String {
    let is_same = other.is_some_and(|other| other == text);
    let mut either = [Some(text), other.map(String::as_str)].into_iter().flatten();
    if is_same || !either.any(|text| resources::may_tell_secrets(id, text)) {
        return text.to_owned();
    }
    let unshown = || format!("(not shown, as it is {when})\n");
    let is_secret = id.named().kind == "Secret";
    let Some(mut value) = read(text).filter(|value| is_secret && value.is_object()) else { return unshown() };
    let of_other = other.and_then(|text| read(text)).unwrap_or_default();
    let is_told = value != of_other;
    mask(&mut value, &of_other, when);
    match serde_saphyr::to_string(&value) {
        Ok(shown) if is_told => shown,
        Ok(shown) => format!("{shown}# written in another way {when}\n"),
        Err(_) => unshown(),
    }
}

/// Masks all of a Secret but what it is and the keys of its data.
fn mask(secret: &mut Value, other: &Value, when: &str) {
    let hide = |entry: &mut Value, other: Option<&Value>| {
        let is_same = other == Some(&*entry);
        let shown = if is_same { "(not shown)".to_owned() } else { format!("(not shown, as it is {when})") };
        *entry = Value::from(shown);
    };
    for (key, entry) in secret.as_object_mut().into_iter().flatten() {
        let other = other.get(key);
        match (key.as_str(), &mut *entry) {
            ("apiVersion" | "kind" | "type", Value::String(_)) | ("immutable", Value::Bool(_)) => {}
            ("data" | "stringData", Value::Object(entries)) => {
                entries.iter_mut().for_each(|(key, entry)| hide(entry, other.and_then(|other| other.get(key))));
            }
            ("metadata", Value::Object(fields)) => {
                let is_shown = |key: &str, field: &Value| matches!(key, "name" | "namespace") && field.is_string();
                for (key, field) in fields.iter_mut().filter(|(key, field)| !is_shown(key, field)) {
                    hide(field, other.and_then(|other| other.get(key)));
                }
            }
            _ => hide(entry, other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(old: &str, new: &str) -> String {
        Explained::of(&resources::of_text(old), &resources::of_text(new)).text()
    }

    fn deployment(config: &str, chart: &str, more: &str) -> String {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  labels:\n    helm.sh/chart: {chart}\n  name: web\nspec:\n\
             {more}  template:\n    spec:\n      containers:\n      - image: web:1\n        name: web\n      volumes:\n      \
             - configMap:\n          name: {config}\n"
        )
    }

    fn config(name: &str, level: &str) -> String {
        format!("apiVersion: v1\ndata:\n  level: {level}\nkind: ConfigMap\nmetadata:\n  name: {name}\n")
    }

    #[test]
    fn generated_resources_are_paired_and_what_refers_to_them_is_folded() {
        let (old, new) = ("settings-22k9gm7cf9", "settings-b4t2hg6m8k");
        let old = format!("{}---\n{}", config(old, "low"), deployment(old, "web-1", ""));
        let new = format!("{}---\n{}", config(new, "high"), deployment(new, "web-1", ""));
        insta::assert_snapshot!(told(&old, &new), @"
          changed ConfigMap settings-b4t2hg6m8k (was settings-22k9gm7cf9)
          nothing but the hash of what is referred to differs in 1 resource: apps/Deployment web

        --- ConfigMap settings-b4t2hg6m8k
        +++ ConfigMap settings-b4t2hg6m8k
        @@ -1,6 +1,6 @@
         apiVersion: v1
         data:
        -  level: low
        +  level: high
         kind: ConfigMap
         metadata:
           name: settings-b4t2hg6m8k
        ");
        // Two of one stem belong to nobody in particular.
        let more = config("settings-mmmmmmmmmm", "low");
        assert!(told(&format!("{old}---\n{more}"), &new).contains("removed ConfigMap settings-22k9gm7cf9"));
    }

    #[test]
    fn noise_is_counted_and_never_hides_anything_else() {
        let old = deployment("c", "web-1", "  replicas: 1\n");
        insta::assert_snapshot!(told(&old, &deployment("c", "web-2", "  replicas: 1\n")), @"  nothing but helm.sh/chart differs in 1 resource: apps/Deployment web");
        insta::assert_snapshot!(told(&old, &deployment("c", "web-2", "  replicas: 3\n")), @"
          changed apps/Deployment web: replicas 1 -> 3 (not shown: helm.sh/chart)

        --- apps/Deployment web
        +++ apps/Deployment web
        @@ -5,7 +5,7 @@
             helm.sh/chart: web-2
           name: web
         spec:
        -  replicas: 1
        +  replicas: 3
           template:
             spec:
               containers:
        ");
        // What selects by a label is none.
        let selector = |version: &str| {
            deployment(
                "c",
                "web-1",
                &format!("  selector:\n    matchLabels:\n      app.kubernetes.io/version: {version}\n"),
            )
        };
        insta::assert_snapshot!(told(&selector("1"), &selector("2")), @"
          changed apps/Deployment web: `spec.selector` cannot be changed

        --- apps/Deployment web
        +++ apps/Deployment web
        @@ -7,7 +7,7 @@
         spec:
           selector:
             matchLabels:
        -      app.kubernetes.io/version: 1
        +      app.kubernetes.io/version: 2
           template:
             spec:
               containers:
        ");
    }

    #[test]
    fn what_is_risky_comes_first() {
        let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: all\nrules: []\n";
        let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: data\n";
        let old = [
            config("a", "low"),
            config("b", "low"),
            role.replace("[]", "{}"),
            claim.to_owned(),
            deployment("c", "w", ""),
        ];
        let image = deployment("c", "w", "").replace("web:1", "web:2");
        let new = [config("a", "high"), role.to_owned(), image];
        let told = told(&old.join("---\n"), &new.join("---\n"));
        insta::assert_snapshot!(told.lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n"), @"
        removed PersistentVolumeClaim data: holds data
        removed ConfigMap b
        changed rbac.authorization.k8s.io/ClusterRole all: grants rights
        changed apps/Deployment web: image web:1 -> web:2
        changed ConfigMap a
        ");
    }

    #[test]
    fn nothing_that_a_secret_says_is_told() {
        let secret = |password: &str, name: &str| {
            format!(
                "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\nstringData:\n  password: {password}\n  user: admin\ntype: Opaque\n"
            )
        };
        let list = |password: &str| {
            format!("apiVersion: v1\nitems:\n- kind: Secret\n  stringData: {{p: {password}}}\nkind: SecretList\n")
        };
        let old = format!("{}---\n{}", secret("hunter2", "s"), list("hunter2"));
        let new = format!("{}---\n{}---\n{}", secret("hunter3", "s"), list("hunter3"), secret("hunter4", "new"));
        let shown = told(&old, &new);
        assert!(!shown.contains("hunter") && !shown.contains("admin"), "{shown}");
        let quoted = old.replace("password: hunter2", "password: 'hunter2'");
        assert!(told(&old, &quoted).contains("changed Secret s"));
        insta::assert_snapshot!(shown, @"
          added Secret new
          changed Secret s
          changed SecretList 

        --- /dev/null
        +++ Secret new
        @@ -0,0 +1,8 @@
        +apiVersion: v1
        +kind: Secret
        +metadata:
        +  name: new
        +stringData:
        +  password: (not shown, as it is after)
        +  user: (not shown, as it is after)
        +type: Opaque

        --- Secret s
        +++ Secret s
        @@ -3,6 +3,6 @@
         metadata:
           name: s
         stringData:
        -  password: (not shown, as it is before)
        +  password: (not shown, as it is after)
           user: (not shown)
         type: Opaque

        --- SecretList 
        +++ SecretList 
        @@ -1 +1 @@
        -(not shown, as it is before)
        +(not shown, as it is after)
        ");
    }

    #[test]
    fn what_is_misplaced_in_a_secret_is_not_told_either() {
        let secret = |more: &str| format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n{more}");
        for more in [
            "stringData: |\n  password: WORD\n",
            "stringData: |\n  annotations:\n    checksum/WORD: NUMBER\n",
            "password: WORD\n",
            "stringdata: {p: WORD}\n",
            "data: [WORD]\n",
            "  annotations: [WORD]\n",
            "  labels: {l: WORD}\n",
            "type: [WORD]\n",
            "spec: {image: WORD}\n",
        ] {
            let of = |word: &str, number: &str| secret(&more.replace("WORD", word).replace("NUMBER", number));
            let shown = told(&of("hunter2", "1"), &of("hunter3", "2"));
            assert!(shown.contains("changed Secret s") && !shown.contains("hunter"), "{shown}");
            assert!(shown.contains("as it is before") && shown.contains("as it is after"), "{shown}");
            assert!(!told("", &of("hunter2", "1")).contains("hunter"), "{more}");
        }
        let template = |word: &str| {
            format!(
                "apiVersion: template.openshift.io/v1\nkind: Template\nobjects:\n\
                 - {{kind: Secret, stringData: {{p: {word}}}}}\n"
            )
        };
        let shown = told(&template("hunter2"), &template("hunter3"));
        assert!(shown.contains("changed template.openshift.io/Template") && !shown.contains("hunter"), "{shown}");
        // Of what holds a Secret at one side alone, the other is not told either.
        let shown = told(&template("hunter2"), &template("hunter3").replace("Secret", "Other"));
        assert!(!shown.contains("hunter"), "{shown}");
    }

    #[test]
    fn hashes_are_those_of_a_namespace_and_a_kind() {
        let [h1, h2, h3] = ["c-2222222222", "c-4444444444", "c-5555555555"];
        let within = |text: String, namespace: &str| {
            text.replacen("metadata:\n", &format!("metadata:\n  namespace: {namespace}\n"), 1)
        };
        let both = |a: &str, b: &str, web_a: &str, web_b: &str| {
            [
                within(config(a, "x"), "a"),
                within(config(b, "x"), "b"),
                within(deployment(web_a, "w", ""), "a"),
                within(deployment(web_b, "w", ""), "b"),
            ]
            .join("---\n")
        };
        // A chain: `c-4…` comes in one namespace, and goes in the other.
        let shown = told(&both(h1, h2, h1, h2), &both(h2, h3, h2, h3));
        assert_eq!(
            shown.trim_end(),
            "  nothing but the hash of what is referred to differs in 4 resources: \
             ConfigMap a/c-4444444444, ConfigMap b/c-5555555555, apps/Deployment a/web, apps/Deployment b/web"
        );
        // To refer to what another namespace has is a change.
        let shown = told(&both(h1, h2, h1, h2), &both(h2, h3, h3, h3));
        assert!(shown.contains("changed apps/Deployment a/web"), "{shown}");
        assert!(shown.contains("-          name: c-4444444444\n+          name: c-5555555555"), "{shown}");
        // What is the same on both sides still is, also when what it refers to is gone.
        let shown = told(&both(h1, h2, h1, h2), &both(h2, h3, h1, h3));
        assert!(!shown.contains("Deployment a/web"), "{shown}");
        // What refers to another kind, and text, is none of it.
        let (old, new) = (config(h1, "x"), config(h2, "x"));
        for text in [
            "kind: Pod\nmetadata:\n  name: p\nspec:\n  secretName: NAME\n",
            "kind: Pod\nmetadata:\n  name: p\nspec:\n  ref:\n    name: NAME\n    kind: Secret\n",
            "kind: Pod\nmetadata:\n  name: p\nspec:\n  text: |\n    configMapRef:\n      name: NAME\n",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: p\ndata:\n  configMap: NAME\n",
        ] {
            let of = |config: &str, name: &str| format!("{config}---\n{}", text.replace("NAME", name));
            let shown = told(&of(&old, h1), &of(&new, h2));
            assert!(shown.contains(" p\n") && shown.contains("+") && shown.contains(h1), "{shown}");
        }
        let text = "kind: Pod\nmetadata:\n  name: p\nspec:\n  refs:\n  - kind: ConfigMap\n    name: 'NAME'\n  \
                    configMaps:\n  - NAME\n";
        let of = |config: &str, name: &str| format!("{config}---\n{}", text.replace("NAME", name));
        assert!(told(&of(&old, h1), &of(&new, h2)).contains("differs in 2 resources: ConfigMap c-4444444444, Pod p"));
    }
}
