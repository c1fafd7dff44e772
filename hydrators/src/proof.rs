//! Compares two renderings of the same inputs: what differs in them depends on something else.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::canonical::{Document, Identity};
use crate::failure::RenderFailure;

/// How many paths are named.
const NAMED: usize = 10;

/// Fails when two renderings of one root differ, and says where.
pub(crate) fn compare(first: &[Document], second: &[Document]) -> Result<(), RenderFailure> {
    let mut found = differences(first, second);
    if found.is_empty() {
        return Ok(());
    }
    let more = if found.len() > NAMED { format!(", and {} more", found.len() - NAMED) } else { String::new() };
    found.truncate(NAMED);
    Err(RenderFailure::author(format!(
        "it renders to something else each time (`prove`): {}{more}. A function such as `randAlphaNum`, `genCA`, `now` or \
         `uuidv4` does that; give the value instead",
        found.join(", ")
    )))
}

/// Says where two renderings of one root differ: the resource and the JSON pointer into it, never a value.
pub(crate) fn differences(first: &[Document], second: &[Document]) -> Vec<String> {
    let (first, second) = (by_identity(first), by_identity(second));
    let mut found = Vec::new();
    for (key, one) in &first {
        let identity = &key.0;
        match second.get(key) {
            None => found.push(format!("{identity} is there once and not again")),
            Some(other) if one.text() == other.text() => {}
            Some(other) => {
                let mut paths = Vec::new();
                walk(&value(one), &value(other), &mut String::new(), &mut paths);
                match paths.is_empty() {
                    true => found.push(format!("{identity} in how it is written")),
                    false => found.extend(paths.iter().map(|path| format!("{identity} at `{path}`"))),
                }
            }
        }
    }
    let new = second.keys().filter(|key| !first.contains_key(*key));
    found.extend(new.map(|(identity, _)| format!("{identity} is there the second time alone")));
    found
}

/// Nameless documents are told apart by their place.
fn by_identity(documents: &[Document]) -> BTreeMap<(Identity, usize), &Document> {
    let mut found: BTreeMap<(Identity, usize), &Document> = BTreeMap::new();
    for document in documents {
        let mut place = 0;
        while found.contains_key(&(document.identity.clone(), place)) {
            place += 1;
        }
        found.insert((document.identity.clone(), place), document);
    }
    found
}

fn value(document: &Document) -> Value {
    serde_saphyr::from_str(document.text()).unwrap_or_default()
}

/// Adds the JSON pointers of what differs.
fn walk(one: &Value, other: &Value, path: &mut String, found: &mut Vec<String>) {
    match (one, other) {
        _ if one == other => {}
        (Value::Object(one), Value::Object(other)) => {
            let keys: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for key in keys {
                let (one, other) = (one.get(key).unwrap_or(&Value::Null), other.get(key).unwrap_or(&Value::Null));
                step(&key.replace('~', "~0").replace('/', "~1"), one, other, path, found);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (position, (one, other)) in one.iter().zip(other).enumerate() {
                step(&position.to_string(), one, other, path, found);
            }
        }
        _ => found.push(if path.is_empty() { "/".to_owned() } else { path.clone() }),
    }
}

fn step(key: &str, one: &Value, other: &Value, path: &mut String, found: &mut Vec<String>) {
    let length = path.len();
    path.push('/');
    path.push_str(key);
    walk(one, other, path, found);
    path.truncate(length);
}
