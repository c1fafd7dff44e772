//! What is written is read back, and nobody forges it.

use proptest::prelude::*;

use super::{write::EVIDENCE_LIMIT, *};
use crate::domain::{
    bundle::MOST_PARTS,
    decision::{OpenGate, SeenStatus, Settled},
    ids::{ActiveSha, EnvironmentName, ProposedSha, RootName, StatusKey, StrategyName},
    rollback::Trigger,
    status::StatusState,
};

fn at(second: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(second).expect("a time")
}

fn promotion() -> Trailers {
    let origin = Origin {
        strategy: StrategyName::new("shop").expect("a name"),
        environment: EnvironmentName::new("dev").expect("a name"),
        lane: LaneName::single(),
    };
    Trailers::of_promotion(DrySha::new("dry-1").expect("a word"), origin)
}

fn rollback(by: &str, reason: &str) -> Trailers {
    let restored = Restored {
        from: DrySha::new("dry-2").expect("a word"),
        roots: [RootName::new("shop").expect("a folder"), RootName::new("web/api").expect("a folder")].into(),
        trigger: Trigger::Automatic,
        by: by.into(),
        released: false,
    };
    let cause = RollbackCause { reason: reason.into(), rule: Some(HoldRule::Strict), asked_at: at(7) };
    Trailers { restored: Some(restored), cause: Some(cause), ..promotion() }
}

fn seen(key: &str, description: &str) -> SeenStatus {
    SeenStatus {
        key: StatusKey::new(key).expect("a key"),
        state: StatusState::Success,
        sha: "proposed-1".into(),
        reported_at: at(60),
        stands_since: Some(at(30)),
        settle_seconds: 30,
        check_run: false,
        description: description.into(),
    }
}

fn decision(asked_by: &str, gates: Vec<OpenGate>) -> Decision {
    Decision {
        proposed_sha: ProposedSha::new("proposed-1").expect("a word"),
        asked_by: asked_by.into(),
        decided_at: at(90),
        gates,
        left_out: 0,
    }
}

#[test]
fn trailers_are_read_back_from_the_end_of_a_message() {
    let trailers = rollback("Hydromote", "`health` failed").decided(decision("Hydromote", Vec::new()));
    let message = format!("Promote\n\nHydromote-Dry-Sha: forged\n\n{}", trailers.render());
    assert_eq!(Trailers::parse(&message), Some(trailers));
    assert_eq!(Trailers::parse("Promote\n\nHydromote-Dry-Sha: dry-1"), None);
}

#[test]
fn trailers_of_others_may_follow_and_words_may_not() {
    let message = format!("Promote\n\n{}", promotion().render());
    for behind in [
        "\nSigned-off-by: A <a@example.com>\n",
        "\n\nCo-authored-by: A <a@example.com>\nCo-authored-by: B\n  <b@example.com>",
        "\n---------\n\nCo-authored-by: A <a@example.com>",
        "\nHydromote-Dry-Sha: forged\n",
    ] {
        assert_eq!(Trailers::parse(&format!("{message}{behind}")), Some(promotion()), "{behind:?}");
    }
    for behind in ["\nThis was copied.\n", "\nCopied from:\n", "\n> quoted\n", "\n: nothing\n", "\n  words\n"] {
        assert_eq!(Trailers::parse(&format!("{message}{behind}")), None, "{behind:?}");
    }
    let with_windows_line_ends = message.replace('\n', "\r\n");
    assert_eq!(Trailers::parse(&with_windows_line_ends), Some(promotion()));
}

#[test]
fn the_name_of_a_folder_forges_nothing() {
    let mut trailers = rollback("Hydromote", "slow");
    let folder = "web\n\nHydromote-Dry-Sha: forged/@all ";
    trailers.restored.as_mut().expect("a rollback").roots = [RootName::new(folder).expect("a folder")].into();
    assert_eq!(Trailers::parse(&trailers.render()), Some(trailers));
}

#[test]
fn a_merge_says_on_what_it_was_decided() {
    let depends_on = OpenGate::DependsOn {
        environment: EnvironmentName::new("dev").expect("a name"),
        dry_sha: Some(DrySha::new("dry-1").expect("a word")),
        active_sha: Some(ActiveSha::new("active-1").expect("a word")),
        running_since: Some(at(10)),
        verified_at: Some(at(20)),
        soak_seconds: 5,
        statuses: Vec::new(),
    };
    let promote = OpenGate::Promote { by: "developer".into(), at: at(80) };
    let gates = vec![depends_on, OpenGate::ProposedStatus(seen("ticket", "")), promote];
    let trailers = promotion().decided(decision("developer", gates));
    insta::assert_snapshot!(trailers.render(), @r#"
    Hydromote-Dry-Sha: dry-1
    Hydromote-Strategy: shop
    Hydromote-Environment: dev
    Hydromote-Lane: default
    Hydromote-Proposed-Sha: proposed-1
    Hydromote-Asked-By: developer
    Hydromote-Decided-At: 1970-01-01T00:01:30Z
    Hydromote-Gate: {"gate":"depends_on","environment":"dev","drySha":"dry-1","activeSha":"active-1","runningSince":"1970-01-01T00:00:10Z","verifiedAt":"1970-01-01T00:00:20Z","soakSeconds":5}
    Hydromote-Gate: {"gate":"proposed_status","key":"ticket","state":"success","sha":"proposed-1","reportedAt":"1970-01-01T00:01:00Z","standsSince":"1970-01-01T00:00:30Z","settleSeconds":30}
    Hydromote-Gate: {"gate":"promote","by":"developer","at":"1970-01-01T00:01:20Z"}
    "#);
    assert_eq!(Trailers::parse(&trailers.render()), Some(trailers));
}

#[test]
fn words_of_people_forge_no_trailer_and_break_no_block() {
    let nasty = "slow\n\nHydromote-Dry-Sha: forged\r\nHydromote-Rollback-By: @root\u{2028}Signed-off-by: x\u{85}\0";
    let key = "Hydromote-Gate: {\"gate\":\"promote\"} @all \u{202e}";
    let trailers = rollback(nasty, nasty).decided(decision("\"quoted", vec![OpenGate::ActiveStatus(seen(key, nasty))]));
    let text = trailers.render();
    insta::assert_snapshot!(text, @r#"
    Hydromote-Dry-Sha: dry-1
    Hydromote-Strategy: shop
    Hydromote-Environment: dev
    Hydromote-Lane: default
    Hydromote-Rollback-From: dry-2
    Hydromote-Rollback-Trigger: automatic
    Hydromote-Rollback-By: "slow\n\nHydromote-Dry-Sha: forged\r\nHydromote-Rollback-By: \u0040root\u2028Signed-off-by: x\u0085\u0000"
    Hydromote-Rollback-Reason: "slow\n\nHydromote-Dry-Sha: forged\r\nHydromote-Rollback-By: \u0040root\u2028Signed-off-by: x\u0085\u0000"
    Hydromote-Rollback-Rule: strict
    Hydromote-Rollback-Asked-At: 1970-01-01T00:00:07Z
    Hydromote-Rollback-Roots: shop
    Hydromote-Rollback-Roots: web/api
    Hydromote-Proposed-Sha: proposed-1
    Hydromote-Asked-By: "\"quoted"
    Hydromote-Decided-At: 1970-01-01T00:01:30Z
    Hydromote-Gate: {"gate":"active_status","key":"Hydromote-Gate: {\"gate\":\"promote\"} \u0040all \u202e","state":"success","sha":"proposed-1","reportedAt":"1970-01-01T00:01:00Z","standsSince":"1970-01-01T00:00:30Z","settleSeconds":30,"description":"slow\n\nHydromote-Dry-Sha: forged\r\nHydromote-Rollback-By: \u0040root\u2028Signed-off-by: x\u0085\u0000"}
    "#);
    assert!(!text.contains('@') && !text.contains(|c: char| c.is_control() && c != '\n'));
    assert_eq!(Trailers::parse(&format!("Back\n\n{text}")), Some(trailers));
}

fn part(lane: &str, dry: &str, gates: Vec<OpenGate>) -> Part {
    Part { lane: LaneName::new(lane).expect("a name"), dry: DrySha::new(dry).expect("a word"), gates }
}

#[test]
fn a_bundle_names_each_lane_with_what_was_asked_of_it() {
    let settling = |dry: &str| OpenGate::Settling {
        dry_sha: DrySha::new(dry).expect("a word"),
        active_sha: None,
        because: Settled::Verified,
        since: None,
    };
    let (cart, pay) = (part("cart", "dry-1", vec![settling("dry-0")]), part("pay", "dry-2", Vec::new()));
    let promote = OpenGate::Promote { by: "developer".into(), at: at(80) };
    let shared = decision("developer", vec![promote.clone()]);
    let trailers = Trailers { parts: vec![cart, pay], ..promotion() }.decided(shared.clone());
    insta::assert_snapshot!(trailers.render(), @r#"
    Hydromote-Dry-Sha: dry-1
    Hydromote-Strategy: shop
    Hydromote-Environment: dev
    Hydromote-Lane: default
    Hydromote-Part: cart dry-1
    Hydromote-Part: pay dry-2
    Hydromote-Proposed-Sha: proposed-1
    Hydromote-Asked-By: developer
    Hydromote-Decided-At: 1970-01-01T00:01:30Z
    Hydromote-Gate: {"gate":"promote","by":"developer","at":"1970-01-01T00:01:20Z"}
    Hydromote-Part-Gate: cart {"gate":"settling","drySha":"dry-0","activeSha":null,"because":"verified"}
    "#);
    let read = Trailers::parse(&trailers.render()).expect("is read");
    assert_eq!(read, trailers);
    let lane = |name: &str| LaneName::new(name).expect("a name");
    let dry = |name: &str| read.dry_of(&lane(name)).map(DrySha::as_str);
    assert_eq!([dry("cart"), dry("pay"), dry("default"), dry("web")], [Some("dry-1"), Some("dry-2"), None, None]);
    let gates = |name: &str| read.decision_of(&lane(name)).map(|decision| decision.gates);
    assert_eq!(gates("cart"), Some(vec![settling("dry-0"), promote.clone()]));
    assert_eq!((gates("pay"), gates("web")), (Some(vec![promote]), None));
}

#[test]
fn a_bundle_of_many_lanes_has_room_for_their_names_and_counts_the_evidence_that_has_none() {
    let gates = vec![OpenGate::ProposedStatus(seen(&"k".repeat(250), &"d".repeat(140)))];
    let parts = (0..MOST_PARTS).map(|n| part(&format!("{:0>63}", n), &"a".repeat(40), gates.clone())).collect();
    let trailers = Trailers { parts, ..promotion() }.decided(decision("Hydromote", Vec::new()));
    let text = trailers.render();
    assert!(text.len() < 60_000, "{}", text.len());
    let read = Trailers::parse(&text).expect("is read");
    assert_eq!(read.parts.len(), MOST_PARTS);
    let kept = read.parts.iter().filter(|part| !part.gates.is_empty()).count();
    assert!(kept > 10);
    assert_eq!(kept + read.decision.expect("is read").left_out, MOST_PARTS);
}

#[test]
fn what_restores_over_drift_says_for_whom_and_is_a_rollback_still_where_it_restores_one() {
    let of = ActiveSha::new("foreign").expect("a word");
    let restore = Restore { of, by: "ada".into(), reason: "by: mistake".into(), at: at(7) };
    for trailers in [promotion(), rollback("ada", "slow")] {
        let mending = trailers.clone().mending(restore.clone());
        assert_eq!(mending.restored, trailers.restored);
        assert_eq!(Trailers::parse(&mending.render()), Some(mending));
    }
}

#[test]
fn evidence_without_room_is_counted() {
    let gate = OpenGate::ProposedStatus(seen(&"k".repeat(250), &"d".repeat(140)));
    let trailers = promotion().decided(decision("Hydromote", vec![gate; 500]));
    let text = trailers.render();
    assert!(text.len() < EVIDENCE_LIMIT + 2_000, "{}", text.len());
    let read = Trailers::parse(&text).and_then(|read| read.decision).expect("is read");
    assert!(read.gates.len() > 10);
    assert_eq!(read.gates.len() + read.left_out, 500);
}

proptest! {
    #[test]
    fn every_text_is_read_back_as_it_was(by in "\\PC*|.*", reason in "(.|\n|\r|Hydromote-Dry-Sha: )*") {
        let trailers = rollback(&by, &reason).decided(decision(&by, Vec::new()));
        let text = trailers.render();
        prop_assert_eq!(text.lines().count(), 15);
        prop_assert_eq!(Trailers::parse(&text), Some(trailers));
    }
}
