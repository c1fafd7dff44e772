//! GitLab's deliveries: proven by a token or by a signature, and reduced to hints.
//!
//! The token is the secret itself, in a header; a signature covers id, time and body, and its key never travels. A secret
//! that begins with `whsec_` is such a key and proves nothing as a token, so that whoever reads one delivery can make no
//! other.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, Mac};
use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{Hint, HintKind, PayloadError, Push, SignatureError, User, branch, read, text};
use crate::domain::ids::{PullRequestNumber, RepositoryId};

/// What begins a secret that signs: <https://www.standardwebhooks.com>.
const SIGNING_KEY: &str = "whsec_";
/// The version of the signatures that we know.
const VERSION: &str = "v1,";
/// The most signatures that are tried of one delivery.
const MAX_SIGNATURES: usize = 8;
/// How far the time of a signature may be from ours; an older delivery was kept by somebody.
const MAX_AGE: SignedDuration = SignedDuration::from_mins(5);

/// What a delivery brings to show that it is genuine.
#[derive(Debug, Clone, Copy)]
pub struct Proof<'a> {
    token: Option<&'a str>,
    signed: Option<Signed<'a>>,
}

#[derive(Debug, Clone, Copy)]
struct Signed<'a> {
    id: &'a str,
    timestamp: &'a str,
    signatures: &'a str,
}

impl<'a> Proof<'a> {
    /// Reads the headers.
    pub(super) fn read(headers: &'a HeaderMap) -> Result<Self, SignatureError> {
        let text = |name| text(headers, name).filter(|text| !text.is_empty());
        let token = text("x-gitlab-token");
        let signed = || {
            let (id, timestamp) = (text("webhook-id")?, text("webhook-timestamp")?);
            Some(Signed { id, timestamp, signatures: text("webhook-signature")? })
        };
        let signed = signed();
        if token.is_none() && signed.is_none() { Err(SignatureError::Missing) } else { Ok(Self { token, signed }) }
    }

    /// Tries every secret in constant time.
    pub(super) fn check(&self, secrets: &[SecretString], body: &[u8], now: Timestamp) -> Result<(), SignatureError> {
        let by_token = secrets.iter().filter(|secret| self.is_token(secret)).count();
        let by_signature = secrets.iter().filter(|secret| self.is_signed_with(secret, body)).count();
        match (by_token + by_signature, by_token, self.signed) {
            (0, _, _) => Err(SignatureError::Mismatch),
            (_, 0, Some(signed)) if !signed.is_recent(now) => Err(SignatureError::Stale),
            _ => Ok(()),
        }
    }

    fn is_token(&self, secret: &SecretString) -> bool {
        let secret = secret.expose_secret();
        // Hashes have one length, whatever was sent.
        let same = Sha256::digest(secret).ct_eq(&Sha256::digest(self.token.unwrap_or_default()));
        bool::from(same) && !secret.is_empty() && !secret.starts_with(SIGNING_KEY)
    }

    fn is_signed_with(&self, secret: &SecretString, body: &[u8]) -> bool {
        let key = secret.expose_secret().strip_prefix(SIGNING_KEY).and_then(|key| BASE64_STANDARD.decode(key).ok());
        match (key, self.signed) {
            (Some(key), Some(signed)) if !key.is_empty() => signed.fits(&key, body),
            _ => false,
        }
    }
}

impl Signed<'_> {
    fn fits(&self, key: &[u8], body: &[u8]) -> bool {
        let candidates = self.signatures.split_ascii_whitespace().take(MAX_SIGNATURES);
        let fits = |signature: Vec<u8>| {
            let head = format!("{}.{}.", self.id, self.timestamp);
            Hmac::<Sha256>::new_from_slice(key)
                .is_ok_and(|mac| mac.chain_update(head).chain_update(body).verify_slice(&signature).is_ok())
        };
        let decoded = candidates.filter_map(|one| BASE64_STANDARD.decode(one.strip_prefix(VERSION)?).ok());
        decoded.filter(|signature| fits(signature.clone())).count() > 0
    }

    fn is_recent(&self, now: Timestamp) -> bool {
        let signed = self.timestamp.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
        signed.is_some_and(|signed| now.duration_since(signed).abs() <= MAX_AGE)
    }
}

#[derive(Deserialize)]
struct InProject {
    project: Project,
}

#[derive(Deserialize)]
struct Project {
    path_with_namespace: RepositoryId,
}

#[derive(Deserialize)]
struct MergeRequestEvent {
    object_attributes: MergeRequest,
}

#[derive(Deserialize)]
struct MergeRequest {
    iid: PullRequestNumber,
    state: Option<String>,
    action: Option<String>,
    last_commit: Option<Commit>,
}

#[derive(Deserialize)]
struct Commit {
    id: String,
}

#[derive(Deserialize)]
struct NoteEvent {
    user: Option<User>,
    object_attributes: Note,
    merge_request: Option<Commented>,
}

#[derive(Deserialize)]
struct Note {
    id: u64,
    #[serde(default)]
    system: bool,
    /// Older releases tell of new ones alone, without a word for it.
    action: Option<String>,
}

#[derive(Deserialize)]
struct Commented {
    iid: PullRequestNumber,
}

#[derive(Deserialize)]
struct PipelineEvent {
    object_attributes: Pipeline,
}

#[derive(Deserialize)]
struct Pipeline {
    sha: String,
}

#[derive(Deserialize)]
struct JobEvent {
    sha: String,
    build_name: Option<String>,
}

/// Returns where GitLab's delivery tells us to look; none when it names no project.
///
/// The kind stands in the body, where hooks of groups and of the whole server say it as well.
pub(super) fn reduce(event: &str, body: &[u8]) -> Result<Option<Hint>, PayloadError> {
    let payload: Value = serde_json::from_slice(body).map_err(|_| PayloadError::NotJson)?;
    let about = match payload.get("object_kind").and_then(Value::as_str) {
        Some("push") => branch(read::<Push>(event, &payload)?),
        Some("merge_request") => merge_request(read::<MergeRequestEvent>(event, &payload)?.object_attributes),
        Some("note") => note(read(event, &payload)?),
        Some("pipeline") => {
            let sha = read::<PipelineEvent>(event, &payload)?.object_attributes.sha;
            HintKind::Commit { sha, key: None }
        }
        Some("build") => {
            let JobEvent { sha, build_name: key } = read(event, &payload)?;
            HintKind::Commit { sha, key }
        }
        _ => HintKind::Other,
    };
    if matches!(about, HintKind::Other) || payload.get("project").is_none_or(Value::is_null) {
        return Ok(None);
    }
    let repository = read::<InProject>(event, &payload)?.project.path_with_namespace;
    Ok(Some(Hint { repository, about }))
}

/// Returns a merge request with what the event says it is now, or that its reviews changed.
fn merge_request(now: MergeRequest) -> HintKind {
    let is_review = matches!(now.action.as_deref(), Some("approved" | "unapproved" | "approval" | "unapproval"));
    if is_review {
        return HintKind::Review { pull_request: now.iid };
    }
    let state = now.state.map(|state| if state == "opened" { "open".to_owned() } else { state });
    let is_open = state.as_deref() == Some("open");
    let head = now.last_commit.filter(|_| is_open).map(|commit| commit.id);
    HintKind::PullRequest { number: now.iid, head, state }
}

/// Returns a new comment on a merge request; edits never run a command, and what GitLab itself notes is none.
fn note(event: NoteEvent) -> HintKind {
    let note = event.object_attributes;
    let is_new = note.action.as_deref().is_none_or(|action| action == "create");
    match event.merge_request {
        Some(Commented { iid }) if is_new && !note.system => {
            HintKind::Comment { pull_request: iid, comment: note.id, author: event.user.map(|user| user.id) }
        }
        _ => HintKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::webhook::Dialect;

    macro_rules! samples {
        ($($name:literal),* $(,)?) => {
            [$(($name, include_bytes!(concat!("../../../tests/data/webhooks-gitlab/", $name, ".json")).as_slice())),*]
        };
    }

    /// Every sample that is kept.
    const SAMPLES: [(&str, &[u8]); 10] = samples![
        "build",
        "deployment",
        "emoji_merge_request",
        "emoji_note_merge_request",
        "job",
        "merge_request",
        "note_merge_request",
        "pipeline",
        "push",
        "tag_push",
    ];

    const BODY: &[u8] = br#"{"object_kind":"push"}"#;
    const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNED_AT: i64 = 1_614_265_330;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let value = |text: &str| text.parse().expect("because it is plain text");
        pairs.iter().map(|(name, text)| ((*name).parse().expect("because it is a name"), value(text))).collect()
    }

    fn check(pairs: &[(&'static str, &str)], secrets: &[&str], body: &[u8], now: i64) -> Result<(), SignatureError> {
        let secrets: Vec<SecretString> = secrets.iter().map(|secret| SecretString::from(*secret)).collect();
        let now = Timestamp::from_second(now).expect("because the tests use plain times");
        Dialect::GitLab.proof(&headers(pairs))?.check(&secrets, body, now)
    }

    #[test]
    fn every_sample_says_where_to_look() {
        let mut told = String::new();
        for (name, body) in SAMPLES {
            let hint = reduce(name, body).expect("because it is as expected");
            let words = hint.map_or("nothing".into(), |hint| format!("{} {:?}", hint.repository, hint.about));
            told.push_str(&format!("{name}: {words}\n"));
        }
        insta::assert_snapshot!(told);
    }

    #[test]
    fn a_token_is_one_of_the_active_secrets() {
        let sent = |token| check(&[("x-gitlab-token", token)], &["new", "old"], BODY, 0);
        assert_eq!(sent("new"), Ok(()));
        assert_eq!(sent("old"), Ok(()));
        assert_eq!(sent("ol"), Err(SignatureError::Mismatch));
        assert_eq!(sent(""), Err(SignatureError::Missing));
        assert_eq!(check(&[("x-gitlab-token", "old")], &[], BODY, 0), Err(SignatureError::Mismatch));
        assert_eq!(check(&[("x-gitlab-token", " ")], &[""], BODY, 0), Err(SignatureError::Mismatch));
        assert_eq!(check(&[("x-hub-signature-256", "sha256=00")], &["s"], BODY, 0), Err(SignatureError::Missing));
    }

    #[test]
    fn a_key_that_signs_proves_nothing_as_a_token() {
        assert_eq!(check(&[("x-gitlab-token", KEY)], &[KEY], BODY, 0), Err(SignatureError::Mismatch));
    }

    /// The example of <https://github.com/standard-webhooks/standard-webhooks>.
    const EXAMPLE: [(&str, &str); 3] = [
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    ];
    const EXAMPLE_BODY: &[u8] = br#"{"test": 2432232314}"#;

    #[test]
    fn a_signature_covers_id_time_and_body() {
        assert_eq!(check(&EXAMPLE, &["a token", KEY], EXAMPLE_BODY, SIGNED_AT + 60), Ok(()));
        assert_eq!(check(&EXAMPLE, &[KEY], BODY, SIGNED_AT), Err(SignatureError::Mismatch));
        assert_eq!(
            check(&EXAMPLE, &["whsec_AAAA", "whsec_?", "whsec_"], EXAMPLE_BODY, SIGNED_AT),
            Err(SignatureError::Mismatch)
        );
        for (index, other) in [(0, "msg_other"), (1, "1614265331"), (2, "v1,AAAA"), (2, "v2,g0hM9SsE"), (2, "nothing")]
        {
            let mut changed = EXAMPLE;
            changed[index].1 = other;
            assert_eq!(check(&changed, &[KEY], EXAMPLE_BODY, SIGNED_AT), Err(SignatureError::Mismatch), "{other}");
        }
        assert_eq!(check(&EXAMPLE[..2], &[KEY], EXAMPLE_BODY, SIGNED_AT), Err(SignatureError::Missing));
    }

    #[test]
    fn one_of_several_signatures_does() {
        let several = format!("v1,AAAA {}", EXAMPLE[2].1);
        let sent = [EXAMPLE[0], EXAMPLE[1], ("webhook-signature", several.as_str())];
        assert_eq!(check(&sent, &[KEY], EXAMPLE_BODY, SIGNED_AT), Ok(()));
    }

    #[test]
    fn a_delivery_that_somebody_kept_is_refused() {
        for now in [SIGNED_AT + 301, SIGNED_AT - 301] {
            assert_eq!(check(&EXAMPLE, &[KEY], EXAMPLE_BODY, now), Err(SignatureError::Stale));
        }
        let with_token = [EXAMPLE[0], EXAMPLE[1], EXAMPLE[2], ("x-gitlab-token", "t")];
        assert_eq!(check(&with_token, &["t"], EXAMPLE_BODY, SIGNED_AT + 301), Ok(()));
    }

    fn about(payload: Value) -> HintKind {
        let mut payload = payload;
        payload["project"] = serde_json::json!({"path_with_namespace": "acme/shop"});
        let hint = reduce("Hook", payload.to_string().as_bytes()).expect("because it is as expected");
        hint.map_or(HintKind::Other, |hint| hint.about)
    }

    #[test]
    fn only_new_comments_of_people_on_merge_requests_count() {
        let comment = |action: Value, system: bool, merge_request: Value| {
            about(serde_json::json!({"object_kind": "note", "user": {"id": 9}, "merge_request": merge_request,
                "object_attributes": {"id": 5, "action": action, "system": system}}))
        };
        let on = || serde_json::json!({"iid": 7});
        let written = HintKind::Comment { pull_request: PullRequestNumber(7), comment: 5, author: Some(9) };
        assert_eq!(comment("create".into(), false, on()), written);
        assert_eq!(comment(Value::Null, false, on()), written);
        assert_eq!(comment("update".into(), false, on()), HintKind::Other);
        assert_eq!(comment("create".into(), true, on()), HintKind::Other);
        assert_eq!(comment("create".into(), false, Value::Null), HintKind::Other);
    }

    #[test]
    fn approvals_are_reviews_and_everything_else_is_the_merge_request() {
        let event = |action: &str, state: &str| {
            about(serde_json::json!({"object_kind": "merge_request", "object_attributes": {
                "iid": 7, "action": action, "state": state, "last_commit": {"id": "head"}}}))
        };
        let number = PullRequestNumber(7);
        for action in ["approved", "unapproved", "approval", "unapproval"] {
            assert_eq!(event(action, "opened"), HintKind::Review { pull_request: number }, "{action}");
        }
        let pull = |head: Option<&str>, state: &str| HintKind::PullRequest {
            number,
            head: head.map(str::to_owned),
            state: Some(state.to_owned()),
        };
        assert_eq!(event("update", "opened"), pull(Some("head"), "open"));
        assert_eq!(event("merge", "merged"), pull(None, "merged"));
        assert_eq!(event("close", "closed"), pull(None, "closed"));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        assert!(matches!(reduce("Push Hook", b"payload=%7B%7D"), Err(PayloadError::NotJson)));
        for body in [
            r#"{"object_kind": "push", "project": {"path_with_namespace": "acme/shop"}}"#,
            r#"{"object_kind": "push", "ref": "refs/heads/x", "project": {"path_with_namespace": "../.."}}"#,
            r#"{"object_kind": "note", "project": {"path_with_namespace": "acme/shop"}}"#,
            r#"{"object_kind": "merge_request", "object_attributes": {"iid": "7"}}"#,
        ] {
            let error = reduce("Hook", body.as_bytes());
            assert!(matches!(error, Err(PayloadError::Shape { .. })), "{body}: {error:?}");
        }
        assert_eq!(reduce("Hook", b"{}").ok(), Some(None));
    }
}
