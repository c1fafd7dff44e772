//! `docs/gates.md` explains every gate, with the very words that people see.

use hydromote::domain::gate::{Gate, StatusWait, Verdict};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{read, sections};
use crate::world::{Fallible, TestResult};

/// Gates as they are stored, one at least for each kind.
fn gates() -> Vec<Value> {
    let waits = |verdict: &str| json!({"verdict": verdict});
    vec![
        json!({"gate": "strategy", "mistake": "hydromote.yaml:12:5: `soak` is no duration"}),
        json!({"gate": "branch_gone", "branch": "env/prod", "last": "4f916e3"}),
        json!({"gate": "branch_gone", "branch": "env/prod", "last": null}),
        drift(json!({"way": "commits"})),
        drift(json!({"way": "commits", "newest": "77bbbbb"})),
        drift(json!({"way": "merge", "number": 7})),
        drift(json!({"way": "forced_push", "author": null, "promoted": {"commit": "4f916e3", "dry": "8ee0571"}})),
        json!({"gate": "foreign_work", "head": "b1a2c3d", "author": "developer", "outputs": ["api"]}),
        json!({"gate": "foreign_work", "head": "b1a2c3d", "author": "developer", "outputs": []}),
        drift(json!({"way": "commits", "author": "Argo CD", "hydrator": "argo-cd"})),
        json!({"gate": "rollback", "to": "8ee0571", "by": "developer"}),
        json!({"gate": "hold", "hold": {"rule": "strict", "by": "developer", "reason": "the database is being moved",
            "at": "2026-03-01T10:00:00Z", "expires_at": "2026-03-01T10:30:00Z", "through": null, "target": null}}),
        json!({"gate": "hold", "hold": {"rule": "strict", "by": "developer", "reason": "`health` failed",
            "at": "2026-03-01T10:00:00Z", "expires_at": null, "through": "4f916e3", "target": "8ee0571"}}),
        json!({"gate": "obstacle", "message": "`api/manifest.yaml` on the branch was not written by Hydromote, and would be overwritten"}),
        json!({"gate": "depends_on", "environment": "staging", "waits": waits("not_taken")}),
        json!({"gate": "depends_on", "environment": "staging", "waits":
            {"verdict": "status", "key": "health", "waits": {"wait": "missing"}}}),
        json!({"gate": "settling", "waits": {"verdict": "status", "key": "health", "waits": {"wait": "pending"}}}),
        json!({"gate": "settling", "waits": {"verdict": "soak", "until": "2026-03-01T10:30:00Z"}}),
        json!({"gate": "window", "of": "strategy", "window": "weekend", "until": "2026-03-02T07:00:00Z"}),
        json!({"gate": "window", "of": "strategy", "window": null, "until": "2026-03-02T07:00:00Z"}),
        json!({"gate": "window", "of": "server", "window": "year end", "until": "2026-03-02T07:00:00Z"}),
        json!({"gate": "window", "of": "server", "window": null, "until": null}),
        json!({"gate": "bundle", "number": 7}),
        json!({"gate": "bundle", "number": null}),
        json!({"gate": "most_open", "open": 10}),
        json!({"gate": "proposed_status", "key": "change-ticket", "waits": {"wait": "missing"}}),
        json!({"gate": "approvals", "wait": "count", "needed": 2, "from": ["team:qa"], "given": ["ada"], "passed_over": [
            {"by": "bob", "because": "other_head"}, {"by": "carol", "because": "author", "dry": "4f916e3"},
            {"by": "dan", "because": "not_among"}]}),
        json!({"gate": "approvals", "wait": "changes_requested", "by": "ada", "on": null}),
        json!({"gate": "approvals", "wait": "changes_requested", "by": "ada", "on": "4f916e3"}),
        json!({"gate": "approvals", "wait": "code_owners", "path": "shop/manifest.yaml", "more": 2,
            "owners": ["@acme/web", "@ada"]}),
        json!({"gate": "approvals", "wait": "no_code_owners"}),
        json!({"gate": "approvals", "wait": "long_code_owners"}),
        json!({"gate": "approvals", "wait": "unread_team", "team": "team:qa"}),
        json!({"gate": "approvals", "wait": "unknown_author", "dry": "4f916e3", "name": "Eve"}),
        json!({"gate": "approvals", "wait": "untold_authors", "read": 1000}),
        json!({"gate": "approvals", "wait": "untold_authors", "read": null}),
        json!({"gate": "promote"}),
        json!({"gate": "unopened", "head": "env/prod-next"}),
        json!({"gate": "forge", "words": "At least 1 approving review is required."}),
    ]
}

/// Returns drift that differs so from the plainest.
fn drift(otherwise: Value) -> Value {
    let mut drift = json!({"gate": "drift", "commit": "b1a2c3d", "newest": "b1a2c3d", "author": "developer", "outputs": ["api"],
        "promoted": null});
    for (key, value) in otherwise.as_object().into_iter().flatten() {
        drift[key] = value.clone();
    }
    drift
}

/// What is known of a dry SHA, one at least for each kind.
fn verdicts() -> Vec<Value> {
    vec![
        json!({"verdict": "verified"}),
        json!({"verdict": "not_taken"}),
        json!({"verdict": "status", "key": "health", "waits": {"wait": "failed"}}),
        json!({"verdict": "soak", "until": "2026-03-01T10:30:00Z"}),
        json!({"verdict": "unrecorded"}),
        json!({"verdict": "revoked"}),
        json!({"verdict": "rejected", "number": 7}),
        json!({"verdict": "rejected_commit", "by": "ada"}),
        json!({"verdict": "blocked", "environment": "staging"}),
        json!({"verdict": "upstream", "environment": "dev"}),
        json!({"verdict": "adopted", "by": "ada"}),
        json!({"verdict": "taken_over"}),
        json!({"verdict": "overtaken", "by": "8ee0571"}),
    ]
}

/// What a commit status waits for, one at least for each kind.
fn waits() -> Vec<Value> {
    vec![
        json!({"wait": "missing"}),
        json!({"wait": "pending"}),
        json!({"wait": "error"}),
        json!({"wait": "failed"}),
        json!({"wait": "fewer", "succeeded": 1, "asked": 2}),
        json!({"wait": "settle", "until": "2026-03-01T10:30:00Z"}),
    ]
}

/// Returns the kinds that an enum has: whoever reads it names them all when it is given another.
fn kinds<T: DeserializeOwned>(tag: &str) -> Fallible<Vec<String>> {
    let unknown = serde_json::from_value::<T>(json!({tag: "?"})).err().ok_or("`?` was read as a kind")?.to_string();
    let (_, known) = unknown.split_once("expected").ok_or_else(|| format!("no kinds are named: {unknown}"))?;
    Ok(known.split('`').skip(1).step_by(2).map(str::to_owned).collect())
}

/// Returns each sample with its kind and its words; every kind of the enum must have one.
fn words<T: DeserializeOwned + std::fmt::Display>(tag: &str, samples: Vec<Value>) -> Fallible<Vec<(String, String)>> {
    let mut words = Vec::new();
    for sample in samples {
        let kind = sample[tag].as_str().ok_or("a sample has no kind")?.to_owned();
        let read: T = serde_json::from_value(sample).map_err(|error| format!("the sample of `{kind}`: {error}"))?;
        words.push((kind, read.to_string()));
    }
    for kind in kinds::<T>(tag)? {
        let has_sample = words.iter().any(|(sampled, _)| *sampled == kind);
        assert!(
            has_sample,
            "the {tag} `{kind}` is new: add a sample to tests/it/documents/gates.rs, and explain it in docs/gates.md"
        );
    }
    Ok(words)
}

#[test]
fn every_gate_has_its_section_with_its_words() -> TestResult {
    let page = read("docs/gates.md")?;
    let sections = sections(&page);
    let kinds = kinds::<Gate>("gate")?;
    assert!(kinds.len() >= 9, "{kinds:?}");
    for (kind, words) in words::<Gate>("gate", gates())? {
        let section = sections.iter().find(|(heading, _)| *heading == format!("`{kind}`"));
        let (_, text) = section.ok_or_else(|| format!("docs/gates.md has no section `{kind}`; it says: {words}"))?;
        assert!(text.contains(&words), "the section `{kind}` of docs/gates.md does not hold its words: {words}");
        assert!(text.contains("**What to do.**"), "the section `{kind}` of docs/gates.md does not say what to do");
    }
    for heading in sections.iter().filter_map(|(heading, _)| heading.strip_prefix('`')?.strip_suffix('`')) {
        assert!(kinds.iter().any(|kind| kind == heading), "docs/gates.md explains `{heading}`, which is no gate");
    }
    Ok(())
}

#[test]
fn every_verdict_and_every_wait_is_explained() -> TestResult {
    let page = read("docs/gates.md")?;
    let all = words::<Verdict>("verdict", verdicts())?.into_iter().chain(words::<StatusWait>("wait", waits())?);
    for (kind, words) in all {
        assert!(page.contains(&format!("\n| {words} |")), "docs/gates.md has no row for `{kind}`: {words}");
    }
    Ok(())
}
