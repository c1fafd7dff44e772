//! Webhook deliveries of the forges, verified and reduced to hints. Pure.
//!
//! A hint says where to look again, never what is there: deliveries are lost, repeated and come in
//! any order, so the truth is read from git and the forge. Nothing of a payload is echoed in errors.

mod gitea;
mod gitlab;
#[cfg(test)]
mod hostile;

use hmac::{Hmac, Mac};
use http::HeaderMap;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::Sha256;

use crate::domain::ids::{PullRequestNumber, RepositoryId};

/// Where to look again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    /// The repository.
    pub repository: RepositoryId,
    /// What in it.
    pub about: HintKind,
}

/// What an event was about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum HintKind {
    /// A branch moved.
    Branch {
        /// Its name.
        name: String,
        /// Where it points now; none when it was deleted.
        after: Option<String>,
    },
    /// Something was reported about a commit.
    Commit {
        /// The commit.
        sha: String,
        /// The key, or the check run's name, where the event names one.
        key: Option<String>,
    },
    /// A pull request changed.
    PullRequest {
        /// Its number.
        number: PullRequestNumber,
        /// Its head now.
        head: Option<String>,
        /// `open`, `closed` or `merged` now.
        state: Option<String>,
    },
    /// Somebody commented on a pull request.
    Comment {
        /// Its number.
        pull_request: PullRequestNumber,
        /// The comment's id.
        comment: u64,
        /// The numeric id of who wrote it.
        author: Option<u64>,
    },
    /// A review was given, changed or dismissed.
    Review {
        /// Its number.
        pull_request: PullRequestNumber,
    },
    /// The forge tries whether it reaches us.
    Ping,
    /// Genuine, and nothing to us.
    Other,
}

/// Why a delivery is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is no signature.
    #[error("the delivery has no signature: set a secret on the forge's webhook")]
    Missing,
    /// The signature has another form.
    #[error("the delivery's signature has another form than an HMAC-SHA256 in hexadecimal digits")]
    Malformed,
    /// The signature was made with another secret, or over another body.
    #[error("the delivery's signature does not fit any active secret")]
    Mismatch,
    /// The signature fits, and is too old or from the future.
    #[error(
        "the delivery was signed more than five minutes from now: compare the clocks of the forge and of the service"
    )]
    Stale,
}

/// Why a genuine delivery says nothing to us.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// The body is no JSON.
    #[error("the delivery is not JSON: set the webhook's content type to `application/json`")]
    NotJson,
    /// A field that we need is missing or has another type.
    #[error("the `{event}` delivery is not as expected")]
    Shape {
        /// The event.
        event: String,
        /// Which field.
        #[source]
        source: serde_json::Error,
    },
}

/// How a kind of forge signs, names and numbers its deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// GitHub's.
    GitHub,
    /// Gitea's and Forgejo's.
    Gitea,
    /// GitLab's.
    GitLab,
}

/// What a delivery brings to show that it is genuine.
#[derive(Debug, Clone, Copy)]
pub enum Proof<'a> {
    /// The hexadecimal digits of a signature over the body.
    Signature(&'a str),
    /// GitLab's token, or its signature.
    GitLab(gitlab::Proof<'a>),
}

impl Proof<'_> {
    /// Checks the proof against each active secret; `now` tells the age of those that have one.
    ///
    /// # Errors
    /// When nobody who knows an active secret sent exactly this body.
    pub fn check(&self, secrets: &[SecretString], body: &[u8], now: Timestamp) -> Result<(), SignatureError> {
        match self {
            Self::Signature(signature) => verify(secrets, signature, body),
            Self::GitLab(proof) => proof.check(secrets, body, now),
        }
    }
}

impl Dialect {
    /// Returns what a delivery brings to show that it is genuine, before the body is read.
    ///
    /// # Errors
    /// When it brings nothing, or something of another form.
    pub fn proof(self, headers: &HeaderMap) -> Result<Proof<'_>, SignatureError> {
        match self {
            Self::GitHub | Self::Gitea => self.signature(headers).map(Proof::Signature),
            Self::GitLab => gitlab::Proof::read(headers).map(Proof::GitLab),
        }
    }

    /// Returns the signature's hexadecimal digits, before the body is read.
    ///
    /// # Errors
    /// When there is none, or it has another form.
    fn signature(self, headers: &HeaderMap) -> Result<&str, SignatureError> {
        let prefixed = text(headers, "x-hub-signature-256");
        // Without a secret Gitea sends empty ones.
        let bare = ["x-gitea-signature", "x-forgejo-signature"].into_iter().find_map(|name| text(headers, name));
        match (self, bare.filter(|bare| !bare.is_empty()), prefixed) {
            (Self::Gitea, Some(bare), _) => Ok(bare),
            (Self::Gitea, None, Some("sha256=")) | (_, _, None) => Err(SignatureError::Missing),
            (_, _, Some(prefixed)) => prefixed.strip_prefix("sha256=").ok_or(SignatureError::Malformed),
        }
    }

    /// Returns the names of the headers that say the event and the delivery's id, the forge's own first.
    pub fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::GitHub => &[("x-github-event", "x-github-delivery")],
            Self::Gitea => &[("x-gitea-event", "x-gitea-delivery"), ("x-forgejo-event", "x-forgejo-delivery")],
            // The first is part of what is signed, and the second the same; older releases have the last alone.
            Self::GitLab => &[
                ("x-gitlab-event", "webhook-id"),
                ("x-gitlab-event", "idempotency-key"),
                ("x-gitlab-event", "x-gitlab-event-uuid"),
            ],
        }
    }

    /// Returns where a delivery tells us to look; none when it names no repository.
    ///
    /// # Errors
    /// When the body is no JSON, or lacks what an event that we need must have.
    pub fn reduce(self, event: &str, body: &[u8]) -> Result<Option<Hint>, PayloadError> {
        match self {
            Self::GitHub => reduce_github(event, body),
            Self::Gitea => gitea::reduce(event, body),
            Self::GitLab => gitlab::reduce(event, body),
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Checks a signature, the digits of an HMAC-SHA256 over the raw body, against each active secret.
///
/// Every secret is tried in constant time, so that the answer's delay says nothing about them.
///
/// # Errors
/// When nobody who knows an active secret sent exactly this body.
pub(crate) fn verify(secrets: &[SecretString], signature: &str, body: &[u8]) -> Result<(), SignatureError> {
    let signature = hex::decode(signature).map_err(|_| SignatureError::Malformed)?;
    let fits = |secret: &SecretString| {
        let key = secret.expose_secret().as_bytes();
        Hmac::<Sha256>::new_from_slice(key)
            .is_ok_and(|mac| mac.chain_update(body).verify_slice(&signature).is_ok() && !key.is_empty())
    };
    let fitting = secrets.iter().filter(|secret| fits(secret)).count();
    if fitting > 0 { Ok(()) } else { Err(SignatureError::Mismatch) }
}

/// Returns where GitHub's delivery tells us to look; none when it names no repository.
///
/// # Errors
/// When the body is no JSON, or lacks what an event that we need must have.
fn reduce_github(event: &str, body: &[u8]) -> Result<Option<Hint>, PayloadError> {
    let payload: Value = serde_json::from_slice(body).map_err(|_| PayloadError::NotJson)?;
    let about = match event {
        "push" => branch(read(event, &payload)?),
        "status" => {
            let status: Status = read(event, &payload)?;
            HintKind::Commit { sha: status.sha, key: status.context }
        }
        "check_run" => {
            let run = read::<CheckRun>(event, &payload)?.check_run;
            HintKind::Commit { sha: run.head_sha, key: run.name }
        }
        "check_suite" => HintKind::Commit { sha: read::<CheckSuite>(event, &payload)?.check_suite.head_sha, key: None },
        "pull_request" => pull_request(read(event, &payload)?),
        "pull_request_review" => {
            HintKind::Review { pull_request: read::<PullRequest>(event, &payload)?.pull_request.number }
        }
        "issue_comment" => comment(read(event, &payload)?),
        "ping" => HintKind::Ping,
        _ => HintKind::Other,
    };
    let needs_repository = !matches!(about, HintKind::Ping | HintKind::Other);
    if payload.get("repository").is_none_or(Value::is_null) && !needs_repository {
        return Ok(None);
    }
    let repository = read::<InRepository>(event, &payload)?.repository.full_name;
    Ok(Some(Hint { repository, about }))
}

fn read<T: DeserializeOwned>(event: &str, payload: &Value) -> Result<T, PayloadError> {
    T::deserialize(payload).map_err(|source| PayloadError::Shape { event: event.to_owned(), source })
}

#[derive(Deserialize)]
struct InRepository {
    repository: Repository,
}

#[derive(Deserialize)]
struct Repository {
    full_name: RepositoryId,
}

#[derive(Deserialize)]
struct Push {
    #[serde(rename = "ref")]
    name: String,
    after: Option<String>,
    #[serde(default)]
    deleted: bool,
}

/// Returns a moved branch; tags are nothing to us.
fn branch(push: Push) -> HintKind {
    let Some(name) = push.name.strip_prefix("refs/heads/") else { return HintKind::Other };
    let is_gone = |sha: &str| push.deleted || sha.bytes().all(|digit| digit == b'0');
    HintKind::Branch { name: name.to_owned(), after: push.after.filter(|sha| !is_gone(sha)) }
}

#[derive(Deserialize)]
struct Status {
    sha: String,
    context: Option<String>,
}

#[derive(Deserialize)]
struct CheckRun {
    check_run: Check,
}

#[derive(Deserialize)]
struct CheckSuite {
    check_suite: Check,
}

#[derive(Deserialize)]
struct Check {
    head_sha: String,
    name: Option<String>,
}

#[derive(Deserialize)]
struct PullRequest {
    pull_request: Numbered,
    #[serde(default)]
    changes: Option<Changes>,
}

#[derive(Deserialize)]
struct Changes {
    base: Option<Value>,
}

#[derive(Deserialize)]
struct Numbered {
    number: PullRequestNumber,
    state: Option<String>,
    merged: Option<bool>,
    head: Option<Head>,
}

#[derive(Deserialize)]
struct Head {
    sha: Option<String>,
}

/// Returns a pull request with what the event says it is now.
fn pull_request(event: PullRequest) -> HintKind {
    let now = event.pull_request;
    if event.changes.is_some_and(|changes| changes.base.is_some()) {
        // It goes into another branch than before, which neither head nor state tell.
        return HintKind::PullRequest { number: now.number, head: None, state: None };
    }
    let state = if now.merged == Some(true) { Some("merged".to_owned()) } else { now.state };
    HintKind::PullRequest { number: now.number, head: now.head.and_then(|head| head.sha), state }
}

#[derive(Deserialize)]
struct IssueComment {
    action: String,
    issue: Issue,
    comment: Comment,
}

#[derive(Deserialize)]
struct Issue {
    number: PullRequestNumber,
    pull_request: Option<Value>,
}

#[derive(Deserialize)]
struct Comment {
    id: u64,
    user: Option<User>,
}

#[derive(Deserialize)]
struct User {
    id: u64,
}

/// Returns a new comment on a pull request; edits never run a command, and issues are nothing to us.
fn comment(event: IssueComment) -> HintKind {
    if event.action == "created" && event.issue.pull_request.is_some() {
        let author = event.comment.user.map(|user| user.id);
        HintKind::Comment { pull_request: event.issue.number, comment: event.comment.id, author }
    } else {
        HintKind::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! sample {
        ($name:literal) => {
            include_bytes!(concat!("../../tests/data/webhooks-github/", $name, ".json"))
        };
    }

    /// From <https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries#testing-the-webhook-payload-validation>.
    const SECRET: &str = "It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    const SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn verified(
        dialect: Dialect,
        secrets: &[SecretString],
        signature: Option<&str>,
        body: &[u8],
    ) -> Result<(), SignatureError> {
        let mut headers = HeaderMap::new();
        if let Some(signature) = signature {
            headers.insert("x-hub-signature-256", signature.parse().expect("because it is plain text"));
        }
        verify(secrets, dialect.signature(&headers)?, body)
    }

    fn about(event: &str, body: &[u8]) -> HintKind {
        reduce_github(event, body).expect("because the sample is genuine").expect("because it names a repository").about
    }

    fn pull(number: u64) -> PullRequestNumber {
        PullRequestNumber(number)
    }

    #[test]
    fn a_signature_fits_one_of_the_active_secrets() {
        let secrets = |texts: &[&str]| texts.iter().map(|text| SecretString::from(*text)).collect::<Vec<_>>();
        let verify = |texts: &[&str], signature| verified(Dialect::GitHub, &secrets(texts), signature, BODY);
        assert_eq!(verify(&[SECRET], Some(SIGNATURE)), Ok(()));
        assert_eq!(verify(&["new", SECRET], Some(SIGNATURE)), Ok(()));
        assert_eq!(verify(&["new", "old"], Some(SIGNATURE)), Err(SignatureError::Mismatch));
        assert_eq!(verify(&[], Some(SIGNATURE)), Err(SignatureError::Mismatch));
        assert_eq!(verify(&[SECRET], None), Err(SignatureError::Missing));
        for malformed in ["", "sha1=aa", "sha256=zz", &SIGNATURE[7..]] {
            assert_eq!(verify(&[SECRET], Some(malformed)), Err(SignatureError::Malformed), "{malformed}");
        }
        for short in ["sha256=", &SIGNATURE[..20]] {
            assert!(verify(&[SECRET], Some(short)).is_err(), "{short}");
        }
        assert_eq!(
            verified(Dialect::GitHub, &secrets(&[SECRET]), Some(SIGNATURE), b"hello"),
            Err(SignatureError::Mismatch)
        );
    }

    #[test]
    fn an_empty_secret_never_fits() {
        let mac = Hmac::<Sha256>::new_from_slice(b"").expect("because any length is a key").chain_update(BODY);
        let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        assert_eq!(verified(Dialect::GitHub, &["".into()], Some(&signature), BODY), Err(SignatureError::Mismatch));
    }

    #[test]
    fn samples_become_hints() {
        let sha = || "ec26c3e57ca3a959ca5aad62de7213c562f8c821".to_owned();
        let hint = reduce_github("check_run", sample!("check_run.completed")).ok().flatten();
        let repository = RepositoryId::new("Codertocat/Hello-World").expect("because it is an owner and a name");
        let key = Some("Octocoders-linter".to_owned());
        assert_eq!(hint, Some(Hint { repository, about: HintKind::Commit { sha: sha(), key } }));
        let suite = HintKind::Commit { sha: sha(), key: None };
        assert_eq!(about("check_suite", sample!("check_suite.completed")), suite);
        let sha = "6113728f27ae82c7b1a177c8d03f9e96e0adf246".to_owned();
        let key = Some("default".to_owned());
        assert_eq!(about("status", sample!("status")), HintKind::Commit { sha, key });
        let state = |body: &[u8]| match about("pull_request", body) {
            HintKind::PullRequest { number, head: Some(_), state } => (number, state),
            other => panic!("{other:?}"),
        };
        assert_eq!(state(sample!("pull_request.synchronize")), (pull(2), Some("open".into())));
        assert_eq!(state(sample!("pull_request.closed")), (pull(2), Some("closed".into())));
        let retargeted = br#"{"action": "edited", "changes": {"base": {"ref": {"from": "env/dev"}}},
            "pull_request": {"number": 2, "state": "open", "head": {"sha": "a"}}, "repository": {"full_name": "a/b"}}"#;
        let stale = HintKind::PullRequest { number: pull(2), head: None, state: None };
        assert_eq!(about("pull_request", retargeted), stale);
        let review = HintKind::Review { pull_request: pull(2) };
        assert_eq!(about("pull_request_review", sample!("pull_request_review.submitted")), review);
        assert_eq!(about("ping", sample!("ping")), HintKind::Ping);
        assert_eq!(about("repository", sample!("repository.renamed")), HintKind::Other);
        assert_eq!(about("delete", sample!("delete")), HintKind::Other);
        assert_eq!(reduce_github("installation", sample!("installation.created")).ok(), Some(None));
        assert_eq!(about("never_heard_of", sample!("ping")), HintKind::Other);
    }

    #[test]
    fn every_public_sample_is_read() -> Result<(), Box<dyn std::error::Error>> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/webhooks-github");
        let mut read = std::collections::BTreeMap::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if path.extension().is_some_and(|extension| extension == "json") {
                let event = name.split('.').next().unwrap_or_default();
                let hint = reduce_github(event, &std::fs::read(&path)?)?;
                read.insert(name, hint.map(|hint| format!("{:?}", hint.about)));
            }
        }
        insta::assert_debug_snapshot!(read, @r#"
        {
            "branch_protection_rule.edited": Some(
                "Other",
            ),
            "check_run.completed": Some(
                "Commit { sha: \"ec26c3e57ca3a959ca5aad62de7213c562f8c821\", key: Some(\"Octocoders-linter\") }",
            ),
            "check_run.created": Some(
                "Commit { sha: \"ec26c3e57ca3a959ca5aad62de7213c562f8c821\", key: Some(\"Octocoders-linter\") }",
            ),
            "check_run.rerequested": Some(
                "Commit { sha: \"d6fde92930d4715a2b49857d24b940956b26d2d3\", key: Some(\"randscape\") }",
            ),
            "check_suite.completed": Some(
                "Commit { sha: \"ec26c3e57ca3a959ca5aad62de7213c562f8c821\", key: None }",
            ),
            "check_suite.rerequested": Some(
                "Commit { sha: \"ec26c3e57ca3a959ca5aad62de7213c562f8c821\", key: None }",
            ),
            "create": Some(
                "Other",
            ),
            "delete": Some(
                "Other",
            ),
            "deployment_status.created": Some(
                "Other",
            ),
            "installation.created": None,
            "installation.deleted": None,
            "installation_repositories.added": None,
            "installation_repositories.removed": None,
            "issue_comment.created": Some(
                "Other",
            ),
            "issue_comment.edited": Some(
                "Other",
            ),
            "ping": Some(
                "Ping",
            ),
            "pull_request.closed": Some(
                "PullRequest { number: PullRequestNumber(2), head: Some(\"ec26c3e57ca3a959ca5aad62de7213c562f8c821\"), state: Some(\"closed\") }",
            ),
            "pull_request.labeled": Some(
                "PullRequest { number: PullRequestNumber(2), head: Some(\"ec26c3e57ca3a959ca5aad62de7213c562f8c821\"), state: Some(\"open\") }",
            ),
            "pull_request.opened": Some(
                "PullRequest { number: PullRequestNumber(2), head: Some(\"ec26c3e57ca3a959ca5aad62de7213c562f8c821\"), state: Some(\"open\") }",
            ),
            "pull_request.reopened": Some(
                "PullRequest { number: PullRequestNumber(2), head: Some(\"ec26c3e57ca3a959ca5aad62de7213c562f8c821\"), state: Some(\"open\") }",
            ),
            "pull_request.synchronize": Some(
                "PullRequest { number: PullRequestNumber(2), head: Some(\"ec26c3e57ca3a959ca5aad62de7213c562f8c821\"), state: Some(\"open\") }",
            ),
            "pull_request_review.dismissed": Some(
                "Review { pull_request: PullRequestNumber(2) }",
            ),
            "pull_request_review.submitted": Some(
                "Review { pull_request: PullRequestNumber(2) }",
            ),
            "push": Some(
                "Other",
            ),
            "repository.renamed": Some(
                "Other",
            ),
            "status": Some(
                "Commit { sha: \"6113728f27ae82c7b1a177c8d03f9e96e0adf246\", key: Some(\"default\") }",
            ),
        }
        "#);
        Ok(())
    }

    #[test]
    fn only_new_comments_on_pull_requests_count() {
        let comment = |action: &str, issue: Value| {
            let body = serde_json::json!({"action": action, "issue": issue, "comment": {"id": 5, "user": {"id": 9}},
                "repository": {"full_name": "acme/shop"}});
            about("issue_comment", body.to_string().as_bytes())
        };
        let on_pull = || serde_json::json!({"number": 7, "pull_request": {"url": "u"}});
        let written = HintKind::Comment { pull_request: pull(7), comment: 5, author: Some(9) };
        assert_eq!(comment("created", on_pull()), written);
        assert_eq!(comment("edited", on_pull()), HintKind::Other);
        assert_eq!(comment("created", serde_json::json!({"number": 7})), HintKind::Other);
        assert_eq!(about("issue_comment", sample!("issue_comment.edited")), HintKind::Other);
    }

    #[test]
    fn branches_move_and_end_and_tags_do_not_count() {
        let push = |name: &str, after: &str| {
            let body = serde_json::json!({"ref": name, "after": after, "repository": {"full_name": "acme/shop"}});
            about("push", body.to_string().as_bytes())
        };
        let branch = |after: Option<&str>| HintKind::Branch { name: "env/dev".into(), after: after.map(str::to_owned) };
        assert_eq!(push("refs/heads/env/dev", "abc"), branch(Some("abc")));
        assert_eq!(push("refs/heads/env/dev", &"0".repeat(40)), branch(None));
        assert_eq!(push("refs/tags/v1", "abc"), HintKind::Other);
        assert_eq!(about("push", sample!("push")), HintKind::Other);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        assert!(matches!(reduce_github("push", b"payload=%7B%7D"), Err(PayloadError::NotJson)));
        assert!(matches!(reduce_github("unknown", b""), Err(PayloadError::NotJson)));
        let deep = "[".repeat(100_000);
        assert!(matches!(reduce_github("push", deep.as_bytes()), Err(PayloadError::NotJson)));
        for (event, body) in [
            ("push", r#"{"ref": "refs/heads/x"}"#),
            ("push", r#"{"ref": "refs/heads/x", "repository": {"full_name": "../.."}}"#),
            ("status", r#"{"repository": {"full_name": "acme/shop"}}"#),
            ("pull_request", r#"{"pull_request": {"number": "7"}, "repository": {"full_name": "acme/shop"}}"#),
            ("issue_comment", "[]"),
        ] {
            let error = reduce_github(event, body.as_bytes());
            assert!(matches!(error, Err(PayloadError::Shape { .. })), "{event}: {error:?}");
        }
        assert_eq!(reduce_github("ping", b"{}").ok(), Some(None));
    }
}
