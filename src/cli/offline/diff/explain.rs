//! What a difference means: which resources are the same under another name, what is noise, and what to look at first.
//!
//! Guarantees:
//!
//! - Everything that differs is told: what is folded is counted, and named by its resource.
//! - Nothing that a Secret says is told, but for the keys of its data.

mod masking;
mod noise;
mod pairs;
mod risk;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use self::{
    masking::masked,
    noise::without_noise,
    pairs::{pairs, renamed},
    risk::look_at,
};
use crate::{
    cli::output,
    git::resources::{self, ResourceChange, ResourceId, Resources},
};

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

fn read(text: &str) -> Option<Value> {
    serde_saphyr::from_str(text).ok()
}
