//! What to look at first: what goes away, what a cluster refuses, what grants rights, what runs.

use std::collections::BTreeMap;

use serde_json::Value;

use super::read;
use crate::{
    domain::preview::Risk,
    git::resources::{self, Change, ResourceChange},
};

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

/// Says what to look at in a change, and how early.
pub(super) fn look_at(change: &ResourceChange, old: Option<&String>, new: Option<&String>) -> (u8, Vec<String>) {
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
