//! Shows that a branch says after it was taken over what it said before.
//!
//! Both trees are read back from git. Their manifests are compared twice: by our own reading, which takes
//! no two words for the same that any reader could tell apart, and by a parser that has no part in
//! writing them. Every other file has to be the very same.

use std::collections::{BTreeMap, BTreeSet};

use git2::{Oid, Repository};
use hydrators::Meaning;
use serde::Deserialize;
use serde_norway::Value;

use super::{survey::Survey, takeover::TakeoverError};
use crate::{
    domain::ids::RootName,
    git::{GitError, batch::Entry, metadata, tree},
};

type Files = BTreeMap<String, Entry>;

/// Fails unless `after` says what `before` says.
///
/// # Errors
///
/// [`TakeoverError::Differs`] with what differs.
pub fn prove(repository: &Repository, before: Oid, after: Oid, survey: &Survey) -> Result<(), TakeoverError> {
    let (before, after) = (tree::files(repository, before)?, tree::files(repository, after)?);
    for (root, output) in &survey.outputs {
        let texts = |files: &Files, paths: &BTreeSet<String>| -> Result<Vec<String>, GitError> {
            let entries = paths.iter().filter_map(|path| files.get(path));
            entries.map(|entry| text(repository, entry.id)).collect()
        };
        let written = BTreeSet::from([format!("{root}/manifest.yaml")]);
        compare(root, &texts(&before, &output.manifests)?, &texts(&after, &written)?)?;
    }
    compare_the_rest(&before, &after, survey)
}

fn text(repository: &Repository, id: Oid) -> Result<String, GitError> {
    Ok(String::from_utf8_lossy(repository.find_blob(id)?.content()).into_owned())
}

fn compare(root: &RootName, before: &[String], after: &[String]) -> Result<(), TakeoverError> {
    let differs = |how: &str| TakeoverError::Differs(format!("`{root}` {how}"));
    let (ours_before, ours_after) = (meanings(before), meanings(after));
    match (ours_before, ours_after) {
        (Some(before), Some(after)) if before == after => {}
        (Some(before), Some(after)) => {
            let lost = before.iter().filter(|one| !after.contains(one)).count();
            return Err(differs(&format!("would lose or change {lost} of {} documents", before.len())));
        }
        _ => return Err(differs("cannot be read again")),
    }
    match (values(before), values(after)) {
        (Some(before), Some(after)) if before == after => Ok(()),
        (Some(_), Some(_)) => Err(differs("says something else to another reader of YAML")),
        _ => Err(differs("cannot be read by another reader of YAML")),
    }
}

/// Returns what documents say by our own reading, sorted.
fn meanings(texts: &[String]) -> Option<Vec<Meaning>> {
    let mut meanings = Vec::new();
    for text in texts {
        meanings.extend(hydrators::read_documents(text, None).ok()?.iter().map(hydrators::Document::meaning));
    }
    meanings.sort();
    Some(meanings)
}

/// Returns what documents say to a parser that is not ours, sorted.
fn values(texts: &[String]) -> Option<Vec<String>> {
    let mut values = Vec::new();
    for text in texts {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for document in serde_norway::Deserializer::from_str(text) {
            let mut value = Value::deserialize(document).ok()?;
            value.apply_merge().ok()?;
            if !value.is_null() {
                values.push(sorted(&value));
            }
        }
    }
    values.sort();
    Some(values)
}

/// Writes a value with its keys in order; equal texts are equal values.
fn sorted(value: &Value) -> String {
    match value {
        Value::Mapping(entries) => {
            let mut entries: Vec<String> =
                entries.iter().map(|(key, value)| format!("{}:{}", sorted(key), sorted(value))).collect();
            entries.sort();
            format!("{{{}}}", entries.join(","))
        }
        Value::Sequence(items) => format!("[{}]", items.iter().map(sorted).collect::<Vec<_>>().join(",")),
        Value::Tagged(tagged) => format!("{}{}", tagged.tag, sorted(&tagged.value)),
        scalar => format!("{scalar:?}"),
    }
}

/// What is not ours to write has to be the very same.
fn compare_the_rest(before: &Files, after: &Files, survey: &Survey) -> Result<(), TakeoverError> {
    let ours = |path: &str| {
        path == metadata::FILE_NAME
            || survey.outputs.iter().any(|(root, output)| {
                let written = ["manifest.yaml", metadata::FILE_NAME, metadata::README];
                output.files.contains_key(path) || written.iter().any(|name| path == format!("{root}/{name}"))
            })
    };
    let rest = |files: &Files| -> Files {
        files.iter().filter(|(path, _)| !ours(path)).map(|(path, entry)| (path.clone(), *entry)).collect()
    };
    let (before, after) = (rest(before), rest(after));
    match before.iter().find(|(path, entry)| after.get(*path) != Some(entry)) {
        Some((path, _)) => Err(TakeoverError::Differs(format!("`{path}` is not ours and would change"))),
        None if before.len() != after.len() => Err(TakeoverError::Differs("files would be added".to_owned())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(before: &[&str], after: &[&str]) -> Result<(), String> {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let root = RootName::new("shop").expect("a folder");
        compare(&root, &own(before), &own(after)).map_err(|error| error.to_string())
    }

    const A: &str = "apiVersion: v1\nkind: A\nmetadata: {name: a}\n";
    const B: &str = "apiVersion: v1\nkind: B\nmetadata: {name: b}\n";

    #[test]
    fn the_same_documents_in_other_files_and_quotes_say_the_same() {
        let both = format!("kind: B\napiVersion: 'v1'\nmetadata:\n  name: \"b\"\n---\n{A}");
        assert_eq!(proof(&[A, B], &[&both]), Ok(()));
    }

    #[test]
    fn a_document_that_is_lost_added_or_changed_is_noticed() {
        let both = format!("{A}---\n{B}");
        insta::assert_snapshot!(proof(&[A, B], &[A]).expect_err("differs"), @"what would be written does not say the same as what is there: `shop` would lose or change 1 of 2 documents");
        assert!(proof(&[A], &[&both]).is_err());
        assert!(
            proof(
                &[&A.replace("{name: a}", "{name: a, labels: {x: on}}")],
                &[&A.replace("{name: a}", "{name: a, labels: {x: \"on\"}}")]
            )
            .is_err()
        );
        assert!(proof(&[A], &["{"]).is_err());
    }
}
