//! Generated resources whose names end in a hash of what they say: the same one under another name.

use std::collections::BTreeMap;

use crate::{
    domain::preview::Resource,
    git::resources::{ResourceId, Resources},
};

/// The letters of the hash that Kustomize puts behind the names of generated ConfigMaps and Secrets.
const HASH_LETTERS: &str = "2456789bcdfghkmt";

/// How long that hash is.
const HASH_LENGTH: usize = 10;

/// A generated resource that has another hash in its name.
pub(super) struct Pair {
    old: ResourceId,
    pub(super) was: Resource,
    pub(super) new: ResourceId,
    new_name: String,
}

/// Finds what was generated anew: of one stem there is one that goes and one that comes.
pub(super) fn pairs(old: &Resources, new: &Resources) -> Vec<Pair> {
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
pub(super) fn renamed(id: &ResourceId, text: &str, now: Option<&String>, pairs: &[Pair]) -> (ResourceId, String) {
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
