//! Anything that people could write, and anything that trailers could say.

use std::collections::BTreeSet;

use hydromote::{
    domain::{
        adoption::TakenOver,
        bundle::Part,
        decision::{Decision, OpenGate, RollbackCause, SeenStatus, Settled},
        drift::Restore,
        hold::HoldRule,
        ids::{ActiveSha, DrySha, EnvironmentName, LaneName, ProposedSha, RootName, StatusKey, StrategyName},
        rollback::{Restored, Trigger},
        status::StatusState,
        windows::{WindowName, WindowSource},
    },
    git::{metadata::Origin, trailers::Trailers},
};
use jiff::Timestamp;
use proptest::prelude::*;

/// Pieces that could be taken for something else than words.
const NASTY: [&str; 24] = [
    "\n\nHydromote-Dry-Sha: forged\nHydromote-Strategy: forged\nHydromote-Environment: forged\nHydromote-Lane: forged\n",
    "\nHydromote-Gate: {\"gate\":\"promote\",\"by\":\"nobody\",\"at\":\"1970-01-01T00:00:00Z\"}",
    "Hydromote-Lane: forged",
    "\r\n\r\nHydromote-Dry-Sha: forged",
    "\rHydromote-Rollback-From: forged",
    "@everyone",
    "\n\nSigned-off-by: A Person <a@example.com>",
    "\n---\n",
    "\n---------\n\n",
    "# a comment",
    "Key:",
    "\n: nothing\n",
    "\u{202e}",
    "\u{2066}",
    "\u{200b}",
    "\u{2028}",
    "\u{85}",
    "\0",
    "\u{1b}[2J",
    "\"",
    "\\u0040",
    "\u{feff}",
    "\u{a0}",
    " ",
];

/// How much longer than any limit some words are.
const VERY_LONG: usize = 5_000;

/// Returns what people could write.
pub(super) fn words() -> impl Strategy<Value = String> {
    let piece = prop_oneof![prop::sample::select(&NASTY[..]).prop_map(str::to_owned), ".{0,12}"];
    let pieces = prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat());
    prop_oneof![8 => pieces, 2 => "(?s:.){0,60}", 1 => ".".prop_map(|piece: String| piece.repeat(VERY_LONG))]
}

/// The most characters of a text that stands in evidence: what has no room is counted, and not told.
const EVIDENCE_WORDS: usize = 60;

fn few_words() -> impl Strategy<Value = String> {
    words().prop_map(|words| words.chars().take(EVIDENCE_WORDS).collect())
}

/// Returns what trailers could say.
pub(super) fn trailers() -> impl Strategy<Value = Trailers> {
    let restore = (active(), words(), words(), time()).prop_map(|(of, by, reason, at)| Restore { of, by, reason, at });
    let (rollback, restore) = (prop::option::of(rollback()), prop::option::of(restore));
    let taken_over = prop::option::of(prop::sample::select(vec![TakenOver::AsRendered, TakenOver::Differing]));
    let all = (dry(), origin(), rollback, restore, prop::option::of(decision()), taken_over, parts());
    all.prop_map(|(dry, origin, rollback, mends, decision, taken_over, mut parts)| {
        let (restored, cause) = rollback.unzip();
        if decision.is_none() {
            // What was asked of a part stands in what a merge was decided on.
            parts.iter_mut().for_each(|part| part.gates.clear());
        }
        Trailers { dry, origin, restored, cause, mends, decision, taken_over, parts }
    })
}

/// Returns what lanes could bring into a bundle.
fn parts() -> impl Strategy<Value = Vec<Part>> {
    let lane = name().prop_map(|name| LaneName::new(name).expect("a name"));
    let parts = prop::collection::btree_map(lane, (dry(), prop::collection::vec(gate(), 0..2)), 0..4);
    parts.prop_map(|parts| parts.into_iter().map(|(lane, (dry, gates))| Part { lane, dry, gates }).collect())
}

fn id() -> impl Strategy<Value = String> {
    "[0-9a-f]{40}"
}

fn dry() -> impl Strategy<Value = DrySha> {
    id().prop_map(|id| DrySha::new(id).expect("an id"))
}

fn active() -> impl Strategy<Value = ActiveSha> {
    id().prop_map(|id| ActiveSha::new(id).expect("an id"))
}

fn name() -> impl Strategy<Value = String> {
    "[A-Za-z0-9][-A-Za-z0-9_.]{0,62}"
}

fn environment() -> impl Strategy<Value = EnvironmentName> {
    name().prop_map(|name| EnvironmentName::new(name).expect("a name"))
}

fn origin() -> impl Strategy<Value = Origin> {
    (name(), environment(), name()).prop_map(|(strategy, environment, lane)| Origin {
        strategy: StrategyName::new(strategy).expect("a name"),
        environment,
        lane: LaneName::new(lane).expect("a name"),
    })
}

fn time() -> impl Strategy<Value = Timestamp> {
    (0..4_000_000_000_i64, 0..1_000_000_000_i32).prop_map(|(s, ns)| Timestamp::new(s, ns).expect("a time"))
}

/// Returns folders that a repository could have.
pub(super) fn roots() -> impl Strategy<Value = BTreeSet<RootName>> {
    let root = words().prop_filter_map("no folder is called so", |words| RootName::new(words).ok());
    prop::collection::btree_set(root, 0..4)
}

fn rollback() -> impl Strategy<Value = (Restored, RollbackCause)> {
    let rule = prop::option::of(prop::sample::select(vec![HoldRule::Next, HoldRule::Strict]));
    let trigger = prop::sample::select(vec![Trigger::Automatic, Trigger::Person]);
    let parts = (dry(), roots(), trigger, words(), words(), rule, time());
    parts.prop_map(|(from, roots, trigger, by, reason, rule, asked_at)| {
        (Restored { from, roots, trigger, by, released: false }, RollbackCause { reason, rule, asked_at })
    })
}

fn decision() -> impl Strategy<Value = Decision> {
    let proposed = id().prop_map(|id| ProposedSha::new(id).expect("an id"));
    let parts = (proposed, words(), time(), prop::collection::vec(gate(), 0..4), 0..3_usize);
    parts.prop_map(|(proposed_sha, asked_by, decided_at, gates, left_out)| Decision {
        proposed_sha,
        asked_by,
        decided_at,
        gates,
        left_out,
    })
}

fn seen() -> impl Strategy<Value = SeenStatus> {
    let key = few_words().prop_filter_map("no key is called so", |words| StatusKey::new(words).ok());
    let states = vec![StatusState::Success, StatusState::Failure, StatusState::Pending, StatusState::Error];
    let parts = (key, prop::sample::select(states), id(), time(), prop::option::of(time()), 0..9_u64);
    (parts, any::<bool>(), few_words()).prop_map(|(parts, check_run, description)| {
        let (key, state, sha, reported_at, stands_since, settle_seconds) = parts;
        SeenStatus { key, state, sha, reported_at, stands_since, settle_seconds, check_run, description }
    })
}

fn gate() -> impl Strategy<Value = OpenGate> {
    let of = || prop::sample::select(vec![WindowSource::Strategy, WindowSource::Server]);
    let window = || prop::option::of(few_words().prop_map(WindowName));
    let because = vec![Settled::Verified, Settled::Failed, Settled::Restored, Settled::Adopted, Settled::Overdue];
    let depends_on = (
        (environment(), prop::option::of(dry()), prop::option::of(active())),
        (prop::option::of(time()), prop::option::of(time()), 0..9_u64),
        prop::collection::vec(seen(), 0..2),
    );
    let settling = (dry(), prop::option::of(active()), prop::sample::select(because), prop::option::of(time()));
    prop_oneof![
        depends_on.prop_map(|((environment, dry_sha, active_sha), times, statuses)| {
            let (running_since, verified_at, soak_seconds) = times;
            OpenGate::DependsOn { environment, dry_sha, active_sha, running_since, verified_at, soak_seconds, statuses }
        }),
        settling.prop_map(|(dry_sha, active_sha, because, since)| OpenGate::Settling {
            dry_sha,
            active_sha,
            because,
            since
        }),
        (of(), window(), prop::option::of(time())).prop_map(|(of, window, until)| OpenGate::Window {
            of,
            window,
            until
        }),
        (of(), window(), few_words(), time(), few_words())
            .prop_map(|(of, window, by, at, reason)| OpenGate::WindowOverride { of, window, by, at, reason }),
        seen().prop_map(OpenGate::ProposedStatus),
        (few_words(), time()).prop_map(|(by, at)| OpenGate::Promote { by, at }),
        seen().prop_map(OpenGate::ActiveStatus),
        (few_words(), any::<u64>(), any::<u64>(), time()).prop_map(|(by, account, review, at)| OpenGate::Approval {
            by,
            account,
            review,
            at
        }),
    ]
}
