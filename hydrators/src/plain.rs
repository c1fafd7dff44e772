//! Renders a folder of YAML files: all of them, also below, as they are.

use crate::canonical::read_documents;
use crate::export::ExportedTree;
use crate::failure::RenderFailure;
use crate::folders::is_manifest_name;
use crate::render::{Raw, refuse_incomplete};
use crate::tree::Place;

/// Reads the manifests of `dir`, sorted by path; hidden files and folders are not among them.
pub(crate) fn render(exported: &ExportedTree, dir: &str) -> Result<Raw, RenderFailure> {
    refuse_incomplete(exported, dir)?;
    let prefix = if dir.is_empty() { 0 } else { dir.len() + 1 };
    let mut documents = Vec::new();
    for entry in exported.index().below(dir) {
        let inner = &entry.path[prefix..];
        let is_hidden = inner.split('/').any(|segment| segment.starts_with('.'));
        if is_hidden || !is_manifest_name(inner) {
            continue;
        }
        let Place::File(_) = exported.index().resolve("", &entry.path) else { continue };
        if exported.is_pointer(&entry.path) {
            return Err(RenderFailure::pointer(&entry.path));
        }
        let text = exported.read_text(&entry.path)?;
        documents.extend(read_documents(&text, Some(&entry.path))?);
    }
    Ok(Raw { documents, commands: Vec::new(), renderer: "plain YAML".to_string() })
}
