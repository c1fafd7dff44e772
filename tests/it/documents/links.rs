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
            if link.contains("://") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { project(&page) } else { folder.join(path) };
            assert!(target.exists(), "{page} links `{link}`, which is not there");
            if !anchor.is_empty() {
                let text = std::fs::read_to_string(&target)?;
                let mut headings = text.lines().filter(|line| line.starts_with('#'));
                assert!(headings.any(|line| slug(line) == anchor), "{page} links `{link}`, which is no heading");
            }
            checked += 1;
        }
    }
    assert!(checked > 10, "only {checked} links were found");
    Ok(())
}

/// Returns the anchor that forges give a heading.
fn slug(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
