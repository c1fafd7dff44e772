//! Deliveries that nobody recorded: real ones that were changed at random, and bytes that never were one.
//!
//! Whatever comes is refused in words or becomes a hint about the repository that it names; nothing but the exact body with
//! a secret's proof is believed.

use proptest::{prelude::*, sample::Index};
use serde_json::json;

use super::*;

macro_rules! samples {
    ($folder:literal: $($file:literal $event:literal),+ $(,)?) => {
        &[$(($event, include_str!(concat!("../../../tests/data/webhooks-", $folder, "/", $file, ".json")))),+]
    };
}

/// Events with what was once sent with them.
type Samples = &'static [(&'static str, &'static str)];

const GITHUB: Samples = samples!("github":
    "check_run.completed" "check_run",
    "check_suite.completed" "check_suite",
    "delete" "delete",
    "installation.created" "installation",
    "issue_comment.created" "issue_comment",
    "ping" "ping",
    "pull_request.closed" "pull_request",
    "pull_request_review.submitted" "pull_request_review",
    "push" "push",
    "status" "status",
);
const GITEA: Samples = samples!("gitea":
    "create" "create",
    "issue_comment.created" "issue_comment",
    "issue_comment.on_issue" "issue_comment",
    "pull_request.merged" "pull_request",
    "pull_request_approved" "pull_request_approved",
    "push" "push",
    "status" "status",
);
const GITLAB: Samples = samples!("gitlab":
    "build" "Job Hook",
    "emoji_note_merge_request" "Emoji Hook",
    "merge_request" "Merge Request Hook",
    "note_merge_request" "Note Hook",
    "pipeline" "Pipeline Hook",
    "push" "Push Hook",
    "tag_push" "Tag Push Hook",
);
const DIALECTS: [(Dialect, Samples); 3] =
    [(Dialect::GitHub, GITHUB), (Dialect::Gitea, GITEA), (Dialect::GitLab, GITLAB)];

/// One thing that is done to a payload.
#[derive(Debug, Clone)]
enum Change {
    Remove,
    Put(Value),
    Wrap,
}

fn changes() -> impl Strategy<Value = Change> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "/",
            "..",
            "a/../b",
            "-x/y",
            "refs/heads/",
            "refs/tags/v1",
            "0000",
            "\u{0}\u{202e}"
        ])
        .prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!([[[[[[[[{}]]]]]]]])),
    ];
    prop_oneof![Just(Change::Remove), value.prop_map(Change::Put), Just(Change::Wrap)]
}

/// Returns where every value of a document is.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            all.push(format!("{at}/{}", escaped(key)));
            pointers(value, &format!("{at}/{}", escaped(key)), all);
        }),
        Value::Array(list) => list.iter().enumerate().for_each(|(nth, value)| {
            all.push(format!("{at}/{nth}"));
            pointers(value, &format!("{at}/{nth}"), all);
        }),
        _ => {}
    }
}

fn change(payload: &mut Value, place: &Index, change: &Change) {
    let mut all = Vec::new();
    pointers(payload, "", &mut all);
    if all.is_empty() {
        return;
    }
    let pointer = place.get(&all);
    let (parent, key) = pointer.rsplit_once('/').expect("because each begins with one");
    match change {
        Change::Remove => match payload.pointer_mut(parent) {
            Some(Value::Object(fields)) => drop(fields.shift_remove(&key.replace("~1", "/").replace("~0", "~"))),
            Some(Value::Array(list)) => drop(key.parse().map(|nth: usize| list.remove(nth))),
            _ => {}
        },
        Change::Put(value) => payload.pointer_mut(pointer).into_iter().for_each(|at| at.clone_from(value)),
        Change::Wrap => payload.pointer_mut(pointer).into_iter().for_each(|at| *at = json!([at.take()])),
    }
}

/// Says whether a text stands somewhere in a payload.
fn holds(payload: &Value, text: &str) -> bool {
    match payload {
        Value::String(one) => one == text,
        Value::Array(list) => list.iter().any(|one| holds(one, text)),
        Value::Object(fields) => fields.values().any(|one| holds(one, text)),
        _ => false,
    }
}

fn hmac(secret: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("because any length is a key");
    hex::encode(mac.chain_update(body).finalize().into_bytes())
}

proptest! {
    #[test]
    fn a_changed_delivery_is_refused_or_tells_of_what_it_names(
        forge in 0..DIALECTS.len(),
        sample in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), changes()), 1..6),
    ) {
        let (dialect, samples) = DIALECTS[forge];
        let (event, text) = sample.get(samples);
        let mut payload: Value = serde_json::from_str(text).expect("because the samples are JSON");
        for (place, one) in &changes {
            change(&mut payload, place, one);
        }
        if let Ok(Some(hint)) = dialect.reduce(event, payload.to_string().as_bytes()) {
            prop_assert!(holds(&payload, hint.repository.as_str()), "{} is nowhere in it", hint.repository);
        }
    }

    #[test]
    fn bytes_that_are_no_delivery_are_refused(
        forge in 0..DIALECTS.len(),
        sample in any::<Index>(),
        (body, cut) in (prop::collection::vec(any::<u8>(), 0..300), any::<Index>()),
    ) {
        let (dialect, samples) = DIALECTS[forge];
        let (event, text) = sample.get(samples);
        let named = dialect.reduce(event, &body).ok().flatten();
        prop_assert_eq!(named, None);
        let truncated = &text.as_bytes()[..cut.index(text.trim_end().len())];
        prop_assert!(matches!(dialect.reduce(event, truncated), Err(PayloadError::NotJson)));
    }

    #[test]
    fn only_the_exact_body_with_its_proof_is_believed(
        secret in "[ -~]{1,40}",
        body in prop::collection::vec(any::<u8>(), 0..200),
        (place, bit, digit) in (any::<Index>(), 0u8..8, any::<Index>()),
        claimed in "[ -~]{0,80}",
    ) {
        let secrets = [SecretString::from("another one"), SecretString::from(secret.clone())];
        let now = Timestamp::UNIX_EPOCH;
        let proof = hmac(&secret, &body);
        prop_assert_eq!(Proof::Signature(&proof).check(&secrets, &body, now), Ok(()));
        let mut other = body.clone();
        match other.is_empty() {
            true => other.push(bit),
            false => other[place.index(body.len())] ^= 1 << bit,
        }
        prop_assert_eq!(Proof::Signature(&proof).check(&secrets, &other, now), Err(SignatureError::Mismatch));
        let at = digit.index(proof.len());
        let forged = format!("{}{}{}", &proof[..at], if &proof[at..=at] == "0" { "1" } else { "0" }, &proof[at + 1..]);
        prop_assert!(Proof::Signature(&forged).check(&secrets, &body, now).is_err());
        prop_assert!(Proof::Signature(&claimed).check(&secrets, &body, now).is_err());
        prop_assert!(Proof::Signature(&proof).check(&secrets[..1], &body, now).is_err());
    }

    #[test]
    fn headers_of_any_text_never_prove_anything(
        forge in 0..DIALECTS.len(),
        texts in prop::collection::vec("[ -~]{0,60}", 8),
        body in prop::collection::vec(any::<u8>(), 0..50),
    ) {
        let names = ["x-hub-signature-256", "x-gitea-signature", "x-forgejo-signature", "x-gitlab-token", "webhook-id",
            "webhook-timestamp", "webhook-signature", "x-hub-signature"];
        let mut headers = HeaderMap::new();
        for (name, text) in names.into_iter().zip(&texts) {
            headers.insert(name, text.parse().expect("because it is plain text"));
        }
        let secrets = [SecretString::from("a secret that nobody guesses"), SecretString::from("whsec_bm9ib2R5IGd1ZXNzZXMgaXQ=")];
        let (dialect, _) = DIALECTS[forge];
        let believed = dialect.proof(&headers).and_then(|proof| proof.check(&secrets, &body, Timestamp::UNIX_EPOCH));
        prop_assert!(believed.is_err());
    }
}
