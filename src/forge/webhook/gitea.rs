//! Gitea's events, and Forgejo's.
//!
//! - What happens to the head of an open pull request is a `pull_request` event, and a branch that is deleted a
//!   `delete` event without a `push`.
//! - A comment on a pull request comes as `issue_comment`, with `is_pull`.
//! - Each verdict of a review is an event of its own. Dismissing one is none: polling finds that.
//! - A payload tells the state in which it was sent, not that of the event, and the head of a pull request that has
//!   ended as its branch is now.
//! - A delivery that fails is not repeated.

use serde::Deserialize;
use serde_json::Value;

use super::{Comment, Hint, HintKind, InRepository, Numbered, PayloadError, PullRequest, Push, Status, branch, read};

#[derive(Deserialize)]
struct IssueComment {
    action: String,
    issue: Issue,
    comment: Comment,
    #[serde(default)]
    is_pull: bool,
}

#[derive(Deserialize)]
struct Issue {
    number: crate::domain::ids::PullRequestNumber,
}

#[derive(Deserialize)]
struct Deleted {
    /// Without `refs/heads/`.
    #[serde(rename = "ref")]
    name: String,
    ref_type: String,
}

/// Returns where a delivery tells us to look; none when it names no repository.
pub(super) fn reduce(event: &str, body: &[u8]) -> Result<Option<Hint>, PayloadError> {
    let payload: Value = serde_json::from_slice(body).map_err(|_| PayloadError::NotJson)?;
    let about = match event {
        "push" => branch(read::<Push>(event, &payload)?),
        "delete" => deleted(read(event, &payload)?),
        "status" => {
            let status: Status = read(event, &payload)?;
            HintKind::Commit { sha: status.sha, key: status.context }
        }
        "pull_request" => pull_request(read::<PullRequest>(event, &payload)?.pull_request),
        "pull_request_approved" | "pull_request_rejected" | "pull_request_comment" => {
            HintKind::Review { pull_request: read::<PullRequest>(event, &payload)?.pull_request.number }
        }
        "issue_comment" => comment(read(event, &payload)?),
        _ => HintKind::Other,
    };
    if payload.get("repository").is_none_or(Value::is_null) && about == HintKind::Other {
        return Ok(None);
    }
    let repository = read::<InRepository>(event, &payload)?.repository.full_name;
    Ok(Some(Hint { repository, about }))
}

fn deleted(event: Deleted) -> HintKind {
    match event.ref_type.as_str() {
        "branch" => HintKind::Branch { name: event.name, after: None },
        _ => HintKind::Other,
    }
}

/// Returns a pull request with what the event says it is now; the head only of an open one.
fn pull_request(now: Numbered) -> HintKind {
    let merged = now.merged == Some(true);
    let state = if merged { Some("merged".to_owned()) } else { now.state };
    let is_open = state.as_deref() == Some("open");
    HintKind::PullRequest { number: now.number, head: now.head.filter(|_| is_open).and_then(|head| head.sha), state }
}

/// Returns a new comment on a pull request; edits never run a command, and issues are nothing to us.
fn comment(event: IssueComment) -> HintKind {
    if event.action == "created" && event.is_pull {
        let author = event.comment.user.map(|user| user.id);
        HintKind::Comment { pull_request: event.issue.number, comment: event.comment.id, author }
    } else {
        HintKind::Other
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use http::HeaderMap;

    use super::*;
    use crate::{
        domain::ids::PullRequestNumber,
        forge::webhook::{Dialect, SignatureError, verify},
    };

    macro_rules! samples {
        ($($name:literal),* $(,)?) => {
            [$(($name, include_bytes!(concat!("../../../tests/data/webhooks-gitea/", $name, ".json")).as_slice())),*]
        };
    }

    /// Every sample that is kept.
    const SAMPLES: [(&str, &[u8]); 15] = samples![
        "create",
        "delete",
        "issue_comment.created",
        "issue_comment.deleted",
        "issue_comment.edited",
        "issue_comment.on_issue",
        "pull_request.closed",
        "pull_request.label_updated",
        "pull_request.merged",
        "pull_request.opened",
        "pull_request.reopened",
        "pull_request.synchronized",
        "pull_request_approved",
        "push",
        "status",
    ];

    #[derive(Deserialize)]
    struct Sent {
        event: String,
        /// None of those whose bytes were not kept as they came.
        signature: Option<String>,
    }

    fn sent() -> BTreeMap<String, Sent> {
        let text = include_str!("../../../tests/data/webhooks-gitea/signatures.json");
        serde_json::from_str(text).expect("because it names events and signatures")
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let value = |text: &str| text.parse().expect("because it is plain text");
        pairs.iter().map(|(name, text)| ((*name).parse().expect("because it is a name"), value(text))).collect()
    }

    #[test]
    fn every_sample_is_genuine_and_says_where_to_look() {
        let mut told = String::new();
        let sent = sent();
        assert_eq!(sent.len(), SAMPLES.len());
        assert_eq!(sent.values().filter(|sent| sent.signature.is_some()).count(), 13);
        for (name, body) in SAMPLES {
            let Sent { event, signature } = &sent[name];
            if let Some(signature) = signature {
                let headers = headers(&[("x-gitea-signature", signature)]);
                let digits = Dialect::Gitea.signature(&headers).expect("because it is signed");
                assert_eq!(verify(&["another".into(), "s3cret".into()], digits, body), Ok(()), "{name}");
                assert_eq!(verify(&["another".into()], digits, body), Err(SignatureError::Mismatch), "{name}");
            }
            let hint = reduce(event, body).expect("because it is as expected").expect("because it names a repository");
            told.push_str(&format!("{name}: {} {:?}\n", hint.repository, hint.about));
        }
        insta::assert_snapshot!(told, @r#"
        create: acme/envs Other
        delete: acme/envs Branch { name: "env/dev-next", after: None }
        issue_comment.created: acme/envs Comment { pull_request: PullRequestNumber(1), comment: 4, author: Some(1) }
        issue_comment.deleted: acme/envs Other
        issue_comment.edited: acme/envs Other
        issue_comment.on_issue: acme/envs Other
        pull_request.closed: acme/envs PullRequest { number: PullRequestNumber(1), head: None, state: Some("closed") }
        pull_request.label_updated: acme/envs PullRequest { number: PullRequestNumber(7), head: Some("f7e275e75a1bd72a4de2ab1050cfd7d39aa01849"), state: Some("open") }
        pull_request.merged: acme/envs PullRequest { number: PullRequestNumber(1), head: None, state: Some("merged") }
        pull_request.opened: acme/envs PullRequest { number: PullRequestNumber(1), head: Some("aafbf213262e10fdb75764a7c5ee973b49358b3b"), state: Some("open") }
        pull_request.reopened: acme/envs PullRequest { number: PullRequestNumber(1), head: Some("9c39420ffdfea71ca7e3a4c08bd58c4d1a77a0cb"), state: Some("open") }
        pull_request.synchronized: acme/envs PullRequest { number: PullRequestNumber(1), head: Some("9c39420ffdfea71ca7e3a4c08bd58c4d1a77a0cb"), state: Some("open") }
        pull_request_approved: acme/envs Review { pull_request: PullRequestNumber(1) }
        push: acme/envs Branch { name: "env/dev", after: Some("293b374f8a5909c734a4a395ea1d30f7418ca4ca") }
        status: acme/envs Commit { sha: "9c39420ffdfea71ca7e3a4c08bd58c4d1a77a0cb", key: Some("hydromote/gates") }
        "#);
    }

    #[test]
    fn both_forms_of_the_signature_count_and_an_empty_one_is_none() {
        let digits = |pairs: &[(&'static str, &str)]| Dialect::Gitea.signature(&headers(pairs)).map(str::to_owned);
        assert_eq!(digits(&[("x-gitea-signature", "ab"), ("x-hub-signature-256", "sha256=cd")]), Ok("ab".into()));
        assert_eq!(digits(&[("x-forgejo-signature", "ab")]), Ok("ab".into()));
        assert_eq!(digits(&[("x-hub-signature-256", "sha256=cd")]), Ok("cd".into()));
        assert_eq!(digits(&[]), Err(SignatureError::Missing));
        assert_eq!(
            digits(&[("x-gitea-signature", ""), ("x-hub-signature-256", "sha256=")]),
            Err(SignatureError::Missing)
        );
        assert_eq!(digits(&[("x-hub-signature-256", "ab")]), Err(SignatureError::Malformed));
        assert_eq!(verify(&["s".into()], "no digits", b""), Err(SignatureError::Malformed));
        // GitHub's has one form.
        let github = Dialect::GitHub.signature(&headers(&[("x-gitea-signature", "ab")])).map(str::to_owned);
        assert_eq!(github, Err(SignatureError::Missing));
    }

    #[test]
    fn reviews_with_any_verdict_are_heard_of() {
        let body = serde_json::json!({"action": "reviewed", "pull_request": {"number": 7},
            "repository": {"full_name": "acme/shop"}});
        for event in ["pull_request_approved", "pull_request_rejected", "pull_request_comment"] {
            let hint = reduce(event, body.to_string().as_bytes()).expect("because it is as expected");
            let review = HintKind::Review { pull_request: PullRequestNumber(7) };
            assert_eq!(hint.map(|hint| hint.about), Some(review), "{event}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        assert!(matches!(reduce("push", b"payload=%7B%7D"), Err(PayloadError::NotJson)));
        for (event, body) in [
            ("push", r#"{"ref": "refs/heads/x"}"#),
            ("delete", r#"{"ref": "x", "repository": {"full_name": "acme/shop"}}"#),
            ("status", r#"{"repository": {"full_name": "acme/shop"}}"#),
            ("issue_comment", "[]"),
        ] {
            let error = reduce(event, body.as_bytes());
            assert!(matches!(error, Err(PayloadError::Shape { .. })), "{event}: {error:?}");
        }
        assert_eq!(reduce("package", b"{}").ok(), Some(None));
    }
}
