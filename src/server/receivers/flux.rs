//! What Flux's notification controller tells by its provider `generic-hmac`: its events.
//!
//! <https://fluxcd.io/flux/components/notification/events/>. An event names no repository; the alert of our recipe adds
//! it, and the cluster, under `eventMetadata`.
//!
//! - Only Kustomizations are heard: what a source fetched is not what runs, and a HelmRelease names a chart's version.
//! - Of the reasons, those are failures that say something of the content. A source that cannot be reached or a
//!   dependency that is not ready says nothing of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use super::{Heard, Refusal};
use crate::domain::{
    deployed::{Tool, key},
    status::StatusState,
};

/// The kind of object that applies a folder of a repository.
const KUSTOMIZATION: &str = "Kustomization";

/// An event.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    involved_object: Object,
    severity: String,
    reason: String,
    #[serde(default)]
    message: String,
    timestamp: Option<Timestamp>,
    #[serde(default)]
    metadata: Option<BTreeMap<String, String>>,
}

/// What it is about.
#[derive(Debug, Deserialize)]
struct Object {
    kind: String,
    name: String,
    #[serde(default)]
    namespace: String,
}

/// Reads an event.
pub(super) fn read(body: &[u8]) -> Result<Heard, Refusal> {
    let event: Event = super::document(body)?;
    if event.involved_object.kind != KUSTOMIZATION {
        return Err(Refusal::NotHeard("only events of Kustomizations say what runs"));
    }
    let metadata = event.metadata.unwrap_or_default();
    // Older controllers have the group of the kind before the name.
    let text = |name: &str| {
        let is_meant = |key: &str| key == name || key.rsplit_once('/').is_some_and(|(_, last)| last == name);
        metadata.iter().find(|(key, value)| is_meant(key) && !value.is_empty()).map(|(_, value)| value.as_str())
    };
    let repository = text("repository").and_then(super::repository).ok_or(Refusal::NoRepository)?;
    // Of an artifact that was made from a repository, the repository's revision is the one that we know.
    let sha = super::commit(text("originRevision").or(text("revision")).unwrap_or_default())?;
    let Object { name, namespace, .. } = &event.involved_object;
    let key = key(Tool::Flux, name, text("cluster").unwrap_or_default(), namespace);
    let key = key.ok_or(Refusal::Shape("`involvedObject.name`, `involvedObject.namespace` or `cluster`"))?;
    let state = judge(&event.severity, &event.reason);
    let words = format!("{}: {}", event.reason, event.message);
    Ok(Heard { repository, key, sha, state, words, at: event.timestamp })
}

/// Returns what a reason says.
fn judge(severity: &str, reason: &str) -> StatusState {
    match (severity, reason) {
        (_, "BuildFailed" | "ReconciliationFailed" | "HealthCheckFailed" | "ValidationFailed" | "PruneFailed") => {
            StatusState::Failure
        }
        ("error", _) => StatusState::Error,
        (_, "ReconciliationSucceeded") => StatusState::Success,
        _ => StatusState::Pending,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUCCEEDED: &str = include_str!("../../../tests/data/deployed/flux-succeeded.json");
    const DOCUMENTED: &str = include_str!("../../../tests/data/deployed/flux-documented.json");

    fn heard(change: impl FnOnce(&mut serde_json::Value)) -> Result<Heard, Refusal> {
        let mut event: serde_json::Value = serde_json::from_str(SUCCEEDED).expect("because the sample is JSON");
        change(&mut event);
        read(event.to_string().as_bytes())
    }

    #[test]
    fn the_sample_is_heard_whole() {
        let heard = heard(|_| ()).expect("a report");
        assert_eq!(heard.repository.as_str(), "acme/shop");
        assert_eq!(heard.key.as_str(), "kustomization/shop/eu-1.flux-system");
        assert_eq!(heard.sha, "731f7eaddfb6af01cb2173e18f0f75b0ba780ef1");
        assert_eq!(heard.state, StatusState::Success);
        assert_eq!(heard.at, "2026-03-01T10:04:00Z".parse().ok());
    }

    #[test]
    fn only_reasons_that_are_of_the_content_are_failures() {
        for (severity, reason, state) in [
            ("error", "HealthCheckFailed", StatusState::Failure),
            ("error", "BuildFailed", StatusState::Failure),
            ("error", "ReconciliationFailed", StatusState::Failure),
            ("error", "ArtifactFailed", StatusState::Error),
            ("error", "DependencyNotReady", StatusState::Error),
            ("info", "DependencyNotReady", StatusState::Pending),
            ("info", "Progressing", StatusState::Pending),
            ("info", "ReconciliationSucceeded", StatusState::Success),
        ] {
            assert_eq!(judge(severity, reason), state, "{severity} {reason}");
        }
    }

    #[test]
    fn an_event_as_flux_documents_it_lacks_only_the_repository() {
        assert!(matches!(read(DOCUMENTED.as_bytes()), Err(Refusal::NoRepository)));
        let mut event: serde_json::Value = serde_json::from_str(DOCUMENTED).expect("because the sample is JSON");
        event["metadata"]["repository"] = "https://git.example.com/acme/shop.git".into();
        let heard = read(event.to_string().as_bytes()).expect("a report");
        assert_eq!((heard.key.as_str(), heard.state), ("kustomization/webapp/apps", StatusState::Failure));
    }

    #[test]
    fn what_says_nothing_of_a_commit_that_runs_is_nothing_to_us() {
        let source = heard(|event| event["involvedObject"]["kind"] = "GitRepository".into());
        assert!(matches!(source, Err(Refusal::NotHeard(_))));
        let chart = heard(|event| event["metadata"]["revision"] = "6.5.4".into());
        assert!(matches!(chart, Err(Refusal::NoCommit)));
        let without = heard(|event| event["metadata"] = serde_json::Value::Null);
        assert!(matches!(without, Err(Refusal::NoRepository)));
        let origin = heard(|event| {
            event["metadata"]["revision"] = format!("latest@sha256:{}", "0".repeat(64)).into();
            event["metadata"]["originRevision"] = "main@sha1:731f7eaddfb6af01cb2173e18f0f75b0ba780ef1".into();
        });
        assert_eq!(origin.expect("a report").sha, "731f7eaddfb6af01cb2173e18f0f75b0ba780ef1");
    }
}
