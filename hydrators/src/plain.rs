//! Renders a folder of YAML files: all of them, also below, as they are.

use crate::canonical::read_documents;
use crate::closure::Closure;
use crate::failure::RenderFailure;
use crate::folders::is_manifest_name;
use crate::indexed::IndexedTree;
use crate::render::{Raw, refuse_incomplete};
use crate::tree::Place;

/// The manifests of a folder.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) closure: Closure,
    /// Their paths, sorted.
    files: Vec<String>,
}

/// Lists the manifests of `dir`; hidden files and folders are not among them.
pub(crate) fn list(tree: &IndexedTree, dir: &str) -> Result<Listed, RenderFailure> {
    refuse_incomplete(tree, dir)?;
    let prefix = if dir.is_empty() { 0 } else { dir.len() + 1 };
    let mut listed = Listed { closure: Closure::default(), files: Vec::new() };
    for entry in tree.index().below(dir) {
        let inner = &entry.path[prefix..];
        let is_hidden = inner.split('/').any(|segment| segment.starts_with('.'));
        if is_hidden || !is_manifest_name(inner) {
            continue;
        }
        if let Place::File(_) = listed.closure.follow(tree, "", &entry.path) {
            listed.files.push(entry.path.clone());
        }
    }
    Ok(listed)
}

/// Reads the manifests.
pub(crate) fn render(tree: &IndexedTree, listed: &Listed) -> Result<Raw, RenderFailure> {
    let mut documents = Vec::new();
    for file in &listed.files {
        if tree.is_pointer(file)? {
            return Err(RenderFailure::pointer(file));
        }
        documents.extend(read_documents(&tree.read_text(file)?, Some(file))?);
    }
    Ok(Raw { documents, commands: Vec::new(), renderer: "plain YAML".to_string() })
}
