//! Pages are reachable, and lead to files that are there.

use super::{project, read};
use crate::world::{Fallible, TestResult};

/// Returns the pages of `docs`, as paths in the project.
fn pages() -> Fallible<Vec<String>> {
    let mut pages = Vec::new();
    for entry in std::fs::read_dir(project("docs"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".md") {
            pages.push(format!("docs/{name}"));
        }
    }
    Ok(pages)
}

#[test]
fn every_page_is_linked_from_the_readme() -> TestResult {
    let readme = read("README.md")?;
    let missing: Vec<_> = pages()?.into_iter().filter(|page| !readme.contains(&format!("]({page}"))).collect();
    assert!(missing.is_empty(), "README.md does not link {missing:?}");
    Ok(())
}

#[test]
fn links_lead_to_files_that_are_there() -> TestResult {
    let mut checked = 0;
    for page in pages()?.into_iter().chain(["README.md".to_owned(), "CONTRIBUTING.md".to_owned()]) {
        let text = read(&page)?;
        let folder = project(&page).parent().map(ToOwned::to_owned).unwrap_or_default();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or_default();
            if link.contains("://") || path.is_empty() {
                continue;
            }
            assert!(folder.join(path).exists(), "{page} links `{link}`, which is not there");
            checked += 1;
        }
    }
    assert!(checked > 10, "only {checked} links were found");
    Ok(())
}
