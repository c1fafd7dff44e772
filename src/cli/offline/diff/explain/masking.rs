//! Secrets, shown without what they say.

use serde_json::Value;

use super::read;
use crate::git::resources::{self, ResourceId};

/// Returns a resource as it may be shown beside `other`, what it is compared with: a Secret without what it says, but
/// for whether that differs.
pub(super) fn masked(id: &ResourceId, text: &str, other: Option<&String>, when: &str) -> String {
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
