//! What Argo CD's notifications tell: the document that our recipe's template writes.
//!
//! Argo CD has no form of its own for this; `hydromote init --cd argocd` prints the template. It takes what the
//! application's status says, and what that means is decided here:
//!
//! - Health is of what runs, so it is the revision's only while the application is synced to it.
//! - A sync that failed is the revision's failure; one that broke (`Error`) says nothing about the content.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use super::{Heard, Refusal};
use crate::domain::{
    deployed::{Tool, key},
    status::StatusState,
};

/// The document.
#[derive(Debug, Deserialize)]
struct Document {
    application: String,
    namespace: String,
    #[serde(default, deserialize_with = "text")]
    cluster: String,
    #[serde(deserialize_with = "text")]
    repository: String,
    #[serde(deserialize_with = "text")]
    revision: String,
    #[serde(deserialize_with = "text")]
    sync: String,
    #[serde(deserialize_with = "text")]
    health: String,
    #[serde(default)]
    operation: Operation,
    #[serde(default, deserialize_with = "text")]
    message: String,
    #[serde(default, deserialize_with = "text")]
    at: String,
}

/// The last sync.
#[derive(Debug, Default, Deserialize)]
struct Operation {
    #[serde(default, deserialize_with = "text")]
    phase: String,
    #[serde(default, deserialize_with = "text")]
    revision: String,
}

/// Reads a text; what the template does not find is null.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads the document.
pub(super) fn read(body: &[u8]) -> Result<Heard, Refusal> {
    let document: Document = super::document(body)?;
    let repository = super::repository(&document.repository).ok_or(Refusal::NoRepository)?;
    let key = key(Tool::ArgoCd, &document.application, &document.cluster, &document.namespace);
    let key = key.ok_or(Refusal::Shape("`application`, `namespace` or `cluster`"))?;
    let sha = super::commit(&document.revision)?;
    let (state, what) = judge(&document);
    let words = if document.message.is_empty() { what } else { format!("{what}: {}", document.message) };
    let at: Option<Timestamp> = document.at.parse().ok();
    Ok(Heard { repository, key, sha, state, words, at })
}

/// Returns what the document says of its revision, and in which words.
fn judge(document: &Document) -> (StatusState, String) {
    let Document { operation, revision, sync, health, .. } = document;
    let operated = !operation.revision.is_empty() && operation.revision == *revision;
    match (operation.phase.as_str(), sync.as_str(), health.as_str()) {
        ("Failed", ..) if operated => (StatusState::Failure, "the sync failed".to_owned()),
        ("Error", ..) if operated => (StatusState::Error, "the sync broke".to_owned()),
        // A hook of the sync may still be running when everything else is there.
        ("Running" | "Terminating", ..) if operated => (StatusState::Pending, "syncing".to_owned()),
        (_, "Synced", "Healthy") => (StatusState::Success, "synced and healthy".to_owned()),
        (_, "Synced", "Degraded") => (StatusState::Failure, "synced and degraded".to_owned()),
        (_, "Synced", "Progressing" | "Suspended" | "Missing") => {
            (StatusState::Pending, format!("synced and {}", health.to_ascii_lowercase()))
        }
        (_, "Synced", _) => (StatusState::Error, "its health is unknown".to_owned()),
        (_, "OutOfSync", _) => (StatusState::Pending, "not synced yet".to_owned()),
        _ => (StatusState::Error, "whether it is synced is unknown".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEALTHY: &str = include_str!("../../../tests/data/deployed/argocd-healthy.json");

    /// Returns what is heard when fields of the sample are others.
    fn heard(changes: &[(&str, &str)]) -> Result<Heard, Refusal> {
        let mut document: serde_json::Value = serde_json::from_str(HEALTHY).expect("because the sample is JSON");
        for (pointer, value) in changes {
            *document.pointer_mut(pointer).expect("because the sample has it") = (*value).into();
        }
        read(document.to_string().as_bytes())
    }

    fn state(changes: &[(&str, &str)]) -> StatusState {
        heard(changes).expect("a report").state
    }

    #[test]
    fn health_is_of_the_revision_only_while_it_is_synced() {
        assert_eq!(state(&[]), StatusState::Success);
        assert_eq!(state(&[("/health", "Degraded")]), StatusState::Failure);
        assert_eq!(state(&[("/health", "Progressing")]), StatusState::Pending);
        assert_eq!(state(&[("/health", "Unknown")]), StatusState::Error);
        for health in ["Healthy", "Degraded"] {
            assert_eq!(state(&[("/sync", "OutOfSync"), ("/health", health)]), StatusState::Pending, "{health}");
            assert_eq!(state(&[("/sync", "Unknown"), ("/health", health)]), StatusState::Error, "{health}");
        }
    }

    #[test]
    fn a_failed_sync_is_a_failure_of_the_revision_that_it_was_of() {
        assert_eq!(state(&[("/operation/phase", "Failed")]), StatusState::Failure);
        assert_eq!(state(&[("/operation/phase", "Failed"), ("/sync", "OutOfSync")]), StatusState::Failure);
        assert_eq!(state(&[("/operation/phase", "Error")]), StatusState::Error);
        assert_eq!(state(&[("/operation/phase", "Running")]), StatusState::Pending);
        let older =
            [("/operation/phase", "Failed"), ("/operation/revision", "0000000000000000000000000000000000000000")];
        assert_eq!(state(&older), StatusState::Success, "it was of another revision");
    }

    #[test]
    fn what_names_no_commit_or_repository_is_nothing_to_us() {
        assert!(matches!(heard(&[("/revision", "")]), Err(Refusal::NoCommit)));
        assert!(matches!(heard(&[("/repository", "")]), Err(Refusal::NoRepository)));
        assert!(matches!(heard(&[("/application", "a/b")]), Err(Refusal::Shape(_))));
        assert!(matches!(read(b"{"), Err(Refusal::NotJson)));
        assert!(matches!(read(b"{}"), Err(Refusal::Shape(_))));
    }

    #[test]
    fn the_sample_has_what_the_template_writes_and_nothing_else() {
        let recipe = include_str!("../../../docs/recipes/argocd.yaml");
        let (_, template) = recipe.split_once("template.hydromote").expect("the template");
        let sample: serde_json::Value = serde_json::from_str(HEALTHY).expect("because the sample is JSON");
        let named = |text: &str| -> std::collections::BTreeSet<String> {
            let quoted = text.match_indices("\":").filter_map(|(at, _)| text[..at].rsplit('"').next());
            quoted.map(str::to_owned).collect()
        };
        assert_eq!(named(template), named(&sample.to_string()));
    }

    #[test]
    fn what_the_template_does_not_find_is_null() {
        let mut document: serde_json::Value = serde_json::from_str(HEALTHY).expect("because the sample is JSON");
        document["cluster"] = serde_json::Value::Null;
        document.as_object_mut().expect("an object").remove("operation");
        assert_eq!(read(document.to_string().as_bytes()).expect("a report").state, StatusState::Success);
    }

    #[test]
    fn the_sample_is_heard_whole() {
        let heard = heard(&[]).expect("a report");
        assert_eq!(heard.repository.as_str(), "acme/shop");
        assert_eq!(heard.key.as_str(), "application/shop-dev/argocd");
        assert!(heard.at.is_some());
    }
}
