//! Reads kustomizations: what a kustomization builds on and which files it names.
//!
//! Nothing is judged here, apart from what is not local: [`is_remote`].

use std::collections::BTreeSet;

use serde_json::Value;

use crate::indexed::IndexedTree;
use crate::tree::{Index, Place, join};

/// The names that Kustomize looks for, in its order.
pub(crate) const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// The fields of a kustomization that name something or make something run.
const FIELDS: &[&str] = &[
    "kind",
    "resources",
    "bases",
    "components",
    "generators",
    "transformers",
    "validators",
    "crds",
    "configurations",
    "patchesStrategicMerge",
    "patches",
    "patchesJson6902",
    "replacements",
    "openapi",
    "configMapGenerator",
    "secretGenerator",
    "helmGlobals",
    "helmCharts",
    "helmChartInflationGenerator",
];
/// The same, one level below.
const INNER_FIELDS: &[&str] = &["path", "files", "envs", "env"];

/// One kustomization file.
#[derive(Debug)]
pub(crate) struct Kustomization {
    /// Its path.
    pub(crate) file: String,
    pub(crate) text: String,
    pub(crate) value: Value,
}

/// A string in a kustomization that names something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    /// The field that it stands in.
    pub(crate) field: &'static str,
    pub(crate) text: String,
    pub(crate) role: Role,
}

/// What a reference is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A file of objects, or a folder with another kustomization.
    Build,
    /// The same, whose objects configure plugins; or such objects in the text itself.
    Plugin,
    /// A file.
    File,
}

/// Why a kustomization cannot be read.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) file: String,
    pub(crate) line: Option<u64>,
    pub(crate) message: String,
}

/// Returns the path of a folder's kustomization.
pub(crate) fn find(index: &Index, folder: &str) -> Option<String> {
    NAMES.iter().map(|name| join(folder, name)).find(|path| matches!(index.resolve("", path), Place::File(_)))
}

impl Kustomization {
    /// Reads the text of the kustomization at `file`.
    pub(crate) fn parse(file: String, text: String) -> Result<Self, Unreadable> {
        match serde_saphyr::from_str::<Value>(&text) {
            Ok(value) => Ok(Self { file, text, value }),
            Err(error) => Err(Unreadable {
                file,
                line: error.location().map(|location| location.line()),
                message: error.without_snippet().to_string(),
            }),
        }
    }

    /// Returns whether this is a part of other kustomizations only.
    pub(crate) fn is_component(&self) -> bool {
        self.value.get("kind").and_then(Value::as_str) == Some("Component")
    }

    /// Returns the namespace that it gives what it builds; Kustomize takes a number or truth value for a text.
    pub(crate) fn namespace(&self) -> Option<String> {
        match self.value.get("namespace")? {
            Value::String(namespace) => Some(namespace.clone()).filter(|namespace| !namespace.is_empty()),
            value @ (Value::Number(_) | Value::Bool(_)) => Some(value.to_string()),
            _ => None,
        }
    }

    /// Returns a field that is one of those that are looked at here, but in other letters, and that field.
    ///
    /// Kustomize takes both for the same.
    pub(crate) fn misspelt(&self) -> Option<(&str, &'static str)> {
        let inner = self.value.as_object().into_iter().flatten().flat_map(|(_, value)| match value {
            Value::Array(items) => items.as_slice(),
            value => std::slice::from_ref(value),
        });
        let fields = std::iter::once((&self.value, FIELDS)).chain(inner.map(|value| (value, INNER_FIELDS)));
        fields.filter_map(|(value, known)| Some((value.as_object()?, known))).find_map(|(entries, known)| {
            entries.keys().find_map(|key| {
                let meant = known.iter().find(|name| **name != key && folded(name) == folded(key))?;
                Some((key.as_str(), *meant))
            })
        })
    }

    /// Returns everything that the kustomization names.
    pub(crate) fn references(&self) -> Vec<Reference> {
        let mut found = Vec::new();
        let mut add = |field, role, text: &Value| {
            if let Some(text) = text.as_str() {
                found.push(Reference { field, text: text.to_string(), role });
            }
        };
        for field in ["resources", "bases", "components"] {
            self.list(field).for_each(|item| add(field, Role::Build, item));
        }
        for field in ["generators", "transformers", "validators"] {
            self.list(field).for_each(|item| add(field, Role::Plugin, item));
        }
        for field in ["crds", "configurations"] {
            self.list(field).for_each(|item| add(field, Role::File, item));
        }
        for item in self.list("patchesStrategicMerge").filter(|item| !item.as_str().is_some_and(is_inline)) {
            add("patchesStrategicMerge", Role::File, item);
        }
        for field in ["patches", "patchesJson6902", "replacements"] {
            self.list(field).filter_map(|item| item.get("path")).for_each(|path| add(field, Role::File, path));
        }
        if let Some(path) = self.value.pointer("/openapi/path") {
            add("openapi", Role::File, path);
        }
        for field in ["configMapGenerator", "secretGenerator"] {
            for item in self.list(field) {
                for list in ["files", "envs"] {
                    for entry in item.get(list).and_then(Value::as_array).into_iter().flatten() {
                        let path = entry.as_str().map(|text| text.split_once('=').map_or(text, |(_, path)| path));
                        path.into_iter().for_each(|path| add(field, Role::File, &path.into()));
                    }
                }
                item.get("env").into_iter().for_each(|path| add(field, Role::File, path));
            }
        }
        found
    }

    fn list(&self, field: &str) -> impl Iterator<Item = &Value> {
        self.value.get(field).and_then(Value::as_array).into_iter().flatten()
    }
}

/// Returns a field's name as Go compares it, which Kustomize is written in: case does not count, also
/// for two letters that are not of ASCII.
pub(crate) fn folded(name: &str) -> String {
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    name.chars().map(fold).collect()
}

/// Returns whether an entry is an object itself instead of the path of one.
pub(crate) fn is_inline(text: &str) -> bool {
    text.contains('\n') || text.trim_start().starts_with('{')
}

/// Returns whether Kustomize would fetch an entry from elsewhere.
///
/// The forms are those of Kustomize's `repospec`; it decides by the text, even when such a folder
/// exists.
pub(crate) fn is_remote(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let first = lower.split('/').next().unwrap_or_default();
    lower.contains("://")
        || ["git::", "gh:", "github.com/", "github.com:"].iter().any(|prefix| lower.starts_with(prefix))
        || first.contains('@') && (first.contains(':') || lower.contains('/'))
        || lower.contains("?ref=")
}

/// Returns the folders of all local kustomizations that the one in `folder` builds on.
pub(crate) fn bases(tree: &IndexedTree, folder: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut ahead = vec![folder.to_string()];
    while let Some(folder) = ahead.pop() {
        let Some(known) = tree.kustomization(&folder) else { continue };
        let Ok(kustomization) = &*known else { continue };
        for reference in kustomization.references() {
            if reference.role != Role::File
                && !is_remote(&reference.text)
                && let Place::Folder(base) = tree.index().resolve(&folder, &reference.text)
                && seen.insert(base.clone())
            {
                ahead.push(base);
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kustomize_would_fetch_is_remote() {
        for text in [
            "https://example.com/x.yaml",
            "github.com/org/repo//path?ref=v1",
            "GitHub.com/org/repo",
            "git::https://example.com/x",
            "git@example.com:org/repo",
            "user@example.com/org/repo",
            "ssh://git@example.com/x",
            "gh:org/repo",
            "example.com/org/repo.git?ref=v1",
            "file:///etc",
        ] {
            assert!(is_remote(text), "{text}");
        }
        for text in ["../base", "./a.yaml", "a@b.yaml", "base", "github.company/x"] {
            assert!(!is_remote(text), "{text}");
        }
    }

    #[test]
    fn all_kinds_of_references_are_found() {
        let text = "
resources: [../base, a.yaml]
components: [../c]
transformers: [t.yaml, \"apiVersion: builtin\\nkind: X\"]
patches: [{path: p.yaml}, {patch: '- op: x'}]
patchesStrategicMerge: ['{a: b}', s.yaml]
configMapGenerator: [{name: c, files: [x=f.txt, g.txt], envs: [e.env]}]
openapi: {path: o.json}
";
        let kustomization = Kustomization::parse("kustomization.yaml".into(), text.into()).expect("readable");
        let texts: Vec<_> = kustomization.references().into_iter().map(|reference| reference.text).collect();
        assert_eq!(
            texts,
            [
                "../base",
                "a.yaml",
                "../c",
                "t.yaml",
                "apiVersion: builtin\nkind: X",
                "s.yaml",
                "p.yaml",
                "o.json",
                "f.txt",
                "g.txt",
                "e.env"
            ]
        );
    }
}
