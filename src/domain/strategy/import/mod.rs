//! Proposes a strategy from what another tool was told: gitops-promoter's `PromotionStrategy` and its gates,
//! and Argo CD's applications with a `sourceHydrator`.
//!
//! - What cannot be carried over stands in the proposal as a comment, in the words of its field; nothing is
//!   dropped in silence.
//! - Nothing is asked of a cluster, and nothing is run.

mod argocd;
mod documents;
mod promoter;
mod write;

use std::collections::BTreeSet;

use self::documents::Document;
pub use self::documents::ImportMistake;

/// Proposes the text of a strategy file from documents of other tools, each a name and its text.
///
/// `name` is that of the repository, and `listing` its files: they tell charts from other folders.
///
/// # Errors
///
/// Every document that cannot be read, or that there is nothing to begin with.
pub fn import_strategy<'a>(
    name: &str,
    inputs: &[(String, String)],
    listing: impl IntoIterator<Item = &'a str>,
) -> Result<String, Vec<ImportMistake>> {
    let (mut documents, mut mistakes) = (Vec::new(), Vec::new());
    for (file, text) in inputs {
        match documents::read(file, text) {
            Ok(read) => documents.extend(read),
            Err(found) => mistakes.extend(found),
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let mut notes = Vec::new();
    let applications = argocd::applications(&documents, &mut notes).map_err(|mistake| vec![mistake])?;
    let pipelines =
        promoter::pipelines(name, &documents, &applications, &mut notes).map_err(|mistake| vec![mistake])?;
    if pipelines.is_empty() {
        return Err(vec![nothing_found(inputs, &documents)]);
    }
    let charts: BTreeSet<&str> = listing.into_iter().filter_map(|path| path.strip_suffix("/Chart.yaml")).collect();
    notes.extend(documents.iter().filter(|document| !is_known(document)).map(|document| {
        format!("{} was not read: it says nothing about what is rendered, or in which order.", document.place())
    }));
    Ok(write::strategies(&pipelines, &applications, &charts, notes))
}

fn is_known(document: &Document) -> bool {
    argocd::is_known(document) || promoter::is_known(document)
}

fn nothing_found(inputs: &[(String, String)], documents: &[Document]) -> ImportMistake {
    let kinds: BTreeSet<String> = documents.iter().map(|document| format!("`{}`", document.kind)).collect();
    let found = match kinds.is_empty() {
        true => "no document".to_owned(),
        false => kinds.into_iter().collect::<Vec<_>>().join(", "),
    };
    ImportMistake {
        file: inputs.first().map(|(file, _)| file.clone()).unwrap_or_default(),
        line: None,
        message: format!(
            "there is neither a `PromotionStrategy` of gitops-promoter nor an `Application` with `spec.sourceHydrator`, \
             but {found}; give the files that hold them, or run `hydromote init` without `--from`"
        ),
    }
}

#[cfg(test)]
mod tests;
