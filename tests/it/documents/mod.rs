//! The documentation says what the code does: whatever can be derived from the code is compared with it.

mod audit;
mod gates;
mod links;
mod metrics;
mod reference;
mod running;

use std::path::{Path, PathBuf};

use crate::world::Fallible;

/// Returns a path of the project.
pub(crate) fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Reads a file of the project.
fn read(path: &str) -> Fallible<String> {
    Ok(std::fs::read_to_string(project(path)).map_err(|error| format!("{path}: {error}"))?)
}

/// Returns the text under each heading of the second level, with the heading's words.
fn sections(page: &str) -> Vec<(&str, &str)> {
    let parts = page.split("\n## ").skip(1);
    parts.map(|part| part.split_once('\n').unwrap_or((part, ""))).collect()
}
