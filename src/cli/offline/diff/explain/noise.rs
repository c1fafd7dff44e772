//! What tools change with each release, whatever else changes.

use std::collections::BTreeSet;

use crate::git::resources::{self, ResourceId};

/// Labels and annotations that tools change with each release, whatever else changes.
const NOISE: &[&str] = &["helm.sh/chart:", "app.kubernetes.io/version:", "chart:"];

/// How annotations begin that hold the digest of something else.
const CHECKSUM: &str = "checksum/";

/// Returns the text of before with the labels and annotations of tools as they are now, and which of them differ.
pub(super) fn without_noise(id: &ResourceId, old: &str, new: &str) -> (String, BTreeSet<String>) {
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
