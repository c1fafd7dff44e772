//! `docs/audit.md` shows the trailers as they are written.

use hydromote::{
    domain::{
        decision::{Decision, RollbackCause},
        hold::HoldRule,
        rollback::{Restored, Trigger},
    },
    git::{metadata::Origin, trailers::Trailers},
};
use serde_json::json;

use super::read;
use crate::world::{Fallible, TestResult};

/// A promotion to prod that a person asked for.
fn promotion() -> Fallible<Trailers> {
    let origin: Origin = serde_json::from_value(json!({"strategy": "shop", "environment": "prod", "lane": "default"}))?;
    let decision: Decision = serde_json::from_value(json!({
        "proposedSha": "c7d1f0a",
        "askedBy": "developer",
        "decidedAt": "2026-03-01T10:30:02.518Z",
        "gates": [
            {"gate": "depends_on", "environment": "staging", "drySha": "4f916e3", "activeSha": "b1a2c3d",
                "runningSince": "2026-03-01T09:12:40Z", "verifiedAt": "2026-03-01T09:22:41.007Z", "soakSeconds": 600,
                "statuses": [{"key": "health", "state": "success", "sha": "b1a2c3d", "reportedAt": "2026-03-01T09:13:05Z"}]},
            {"gate": "settling", "drySha": "8ee0571", "activeSha": "90f3e6b", "because": "verified",
                "since": "2026-02-27T15:01:12.345Z"},
            {"gate": "window", "of": "strategy", "window": "office hours", "until": "2026-03-01T17:00:00Z"},
            {"gate": "window_override", "of": "server", "window": "year end", "by": "developer",
                "at": "2026-03-01T10:30:01.107Z", "reason": "the shop is down"},
            {"gate": "proposed_status", "key": "change-ticket", "state": "success", "sha": "c7d1f0a",
                "reportedAt": "2026-03-01T10:02:00Z", "description": "CHG-1042 approved"},
            {"gate": "promote", "by": "developer", "at": "2026-03-01T10:30:01.125Z"},
        ],
    }))?;
    Ok(Trailers::of_promotion("4f916e3".to_owned().try_into()?, origin).decided(decision))
}

/// A rollback of prod that a person asked for, in words that need care.
fn rollback() -> Fallible<Trailers> {
    let decision: Decision = serde_json::from_value(json!({
        "proposedSha": "d02b7e4",
        "askedBy": "developer",
        "decidedAt": "2026-03-01T11:04:09.901Z",
        "gates": [],
    }))?;
    let restored = Restored {
        from: "4f916e3".to_owned().try_into()?,
        roots: Default::default(),
        trigger: Trigger::Person,
        by: "developer".into(),
        released: false,
    };
    let cause = RollbackCause {
        reason: "checkout is slow, ask @web".into(),
        rule: Some(HoldRule::Next),
        asked_at: "2026-03-01T11:04:07.251Z".parse()?,
    };
    let dry = "8ee0571".to_owned().try_into()?;
    Ok(Trailers { dry, restored: Some(restored), cause: Some(cause), ..promotion()? }.decided(decision))
}

#[test]
fn the_trailers_are_shown_as_they_are_written() -> TestResult {
    let page = read("docs/audit.md")?;
    for trailers in [promotion()?, rollback()?] {
        let text = trailers.render();
        assert!(page.contains(&format!("```text\n{text}```")), "docs/audit.md does not show:\n{text}");
        assert_eq!(Trailers::parse(&text), Some(trailers));
    }
    Ok(())
}

#[test]
fn every_trailer_is_explained_and_nothing_else() -> TestResult {
    let (page, code) = (read("docs/audit.md")?, read("src/git/trailers/mod.rs")?);
    let written = code.lines().filter_map(|line| line.strip_prefix("const ")?.split('"').nth(1));
    let written: Vec<&str> = written.filter(|key| key.starts_with("Hydromote-")).collect();
    assert!(written.len() >= 16, "{written:?}");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `Hydromote-")).collect();
    let explained: Vec<&str> =
        rows.iter().flat_map(|row| row.split('`').filter(|part| part.starts_with("Hydromote-"))).collect();
    for key in &written {
        assert!(explained.contains(key), "docs/audit.md does not explain `{key}`");
    }
    for key in explained {
        assert!(written.contains(&key), "docs/audit.md explains `{key}`, which is not written");
    }
    Ok(())
}
