//! The shop of `examples/shop`, and changes of it.

use std::path::Path;

use crate::{documents::project, world::Fallible};

/// Where it is.
const FOLDER: &str = "examples/shop";

/// Files to commit: path and text.
pub(crate) type Files = Vec<(String, String)>;

/// Returns every file of the shop.
pub(crate) fn all() -> Fallible<Files> {
    let root = project(FOLDER);
    let mut files = Vec::new();
    collect(&root, &root, &mut files)?;
    Ok(files)
}

fn collect(root: &Path, folder: &Path, files: &mut Files) -> Fallible<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else {
            let name = path.strip_prefix(root)?.to_string_lossy().into_owned();
            files.push((name, std::fs::read_to_string(&path)?));
        }
    }
    Ok(())
}

/// Returns one file of the shop with a part of it replaced.
fn changed(path: &str, from: &str, to: &str) -> Fallible<(String, String)> {
    let text = std::fs::read_to_string(project(FOLDER).join(path))?;
    if !text.contains(from) {
        return Err(format!("{path} does not hold `{from}`").into());
    }
    Ok((path.to_owned(), text.replace(from, to)))
}

/// Returns the change that brings another image of the web front end.
pub(crate) fn web(version: &str) -> Fallible<Files> {
    Ok(vec![changed("charts/web/values.yaml", "web:1.0.0", &format!("web:{version}"))?])
}

/// Returns the change that brings another image of the API.
pub(crate) fn api(version: &str) -> Fallible<Files> {
    Ok(vec![changed("deploy/base/kustomization.yaml", "newTag: 1.0.0", &format!("newTag: {version}"))?])
}

/// Returns a change that touches dev and prod, and nothing in staging.
pub(crate) fn beside_staging() -> Fallible<Files> {
    let with = |place: &str, line: &str| -> Fallible<(String, String)> {
        let path = format!("environments/{place}/web.yaml");
        let text = std::fs::read_to_string(project(FOLDER).join(&path))?;
        Ok((path, format!("{text}{line}\n")))
    };
    Ok(vec![with("dev", "logLevel: debug")?, with("prod", "logLevel: warn")?])
}
