//! The numbers of the model in the words of the rules, and back.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::{
    configuration::Configuration,
    state::{self, Held, Moment},
};
use crate::domain::{
    content::Content,
    hold::{Hold, HoldRule},
    ids::{ActiveSha, DrySha, Place, RenderingId, RootName},
    rollback::{AUTOMATIC, Rollback, Target, Trigger},
    snapshot::PostedStatus,
    status::StatusState,
};

/// The person who does everything.
pub(super) const PERSON: &str = "ada";

/// Why anybody does anything.
pub(super) const REASON: &str = "a reason";

/// Returns how the rules say who asked.
pub(super) fn triggered(automatic: bool) -> (Trigger, String) {
    if automatic { (Trigger::Automatic, AUTOMATIC.into()) } else { (Trigger::Person, PERSON.into()) }
}

/// Returns a content in the words of the rules.
pub(super) fn content(of: &Configuration, at: u8, held: Held) -> Content {
    let lane = &of.lanes[usize::from(of.of(at).1)];
    let roots = [("shop", held & 0x0f), ("web", held >> 4)];
    let present = roots.into_iter().filter(|(_, version)| *version > 0);
    present
        .map(|(root, version)| {
            let root = RootName::new(format!("{lane}/{root}")).expect("a folder");
            (root, RenderingId::new(format!("v{version}")).expect("a word"))
        })
        .collect()
}

/// Returns a content as the model writes it.
pub(super) fn held(content: &Content) -> Held {
    let version = |id: &RenderingId| id.as_str()[1..].parse::<Held>().expect("because it was named so");
    let shift = |root: &RootName| if root.as_str().ends_with("/web") { 4 } else { 0 };
    content.iter().map(|(root, rendering)| version(rendering) << shift(root)).sum()
}

/// Returns a time in the words of the rules.
pub(super) fn time(moment: Moment) -> Timestamp {
    Timestamp::from_millisecond(1_000_000_000 + i64::from(moment)).expect("a time")
}

/// Returns a time as the model writes it.
pub(super) fn moment(time: Timestamp) -> Moment {
    Moment::try_from(time.as_millisecond() - 1_000_000_000).expect("because it was made of one")
}

/// Returns how long `duration` is.
pub(super) fn length(duration: SignedDuration) -> Moment {
    Moment::try_from(duration.as_millis()).expect("because durations of the model are short")
}

/// Returns the id of a dry commit.
pub(super) fn dry(id: u8) -> DrySha {
    DrySha::new(format!("dry-{id}")).expect("a word")
}

/// Returns the id of a commit on an active branch.
pub(super) fn active(environment: u8, commit: u8) -> ActiveSha {
    ActiveSha::new(format!("active-{environment}-{commit}")).expect("a word")
}

/// Returns the number at the end of a name.
pub(super) fn id(name: &str) -> u8 {
    name.rsplit('-').next().and_then(|id| id.parse().ok()).expect("because it was named so")
}

/// Returns a place in the words of the rules.
pub(super) fn place(of: &Configuration, at: u8) -> Place {
    let (environment, lane) = of.of(at);
    Place { environment: of.rules(environment).name.clone(), lane: of.lanes[usize::from(lane)].clone() }
}

/// Returns the number of a place.
pub(super) fn place_id(of: &Configuration, place: &Place) -> u8 {
    of.places().find(|at| self::place(of, *at) == *place).expect("because it is one of ours")
}

/// Returns a hold in the words of the rules.
pub(super) fn hold(hold: state::Hold) -> Hold {
    Hold {
        rule: if hold.strict { HoldRule::Strict } else { HoldRule::Next },
        by: triggered(hold.automatic).1,
        reason: REASON.into(),
        at: time(hold.at),
        expires_at: hold.expires.map(time),
        through: hold.through.map(dry),
        target: hold.target.map(dry),
        roots: BTreeSet::new(),
    }
}

/// Returns a hold as the model writes it.
pub(super) fn hold_of(hold: &Hold) -> state::Hold {
    state::Hold {
        strict: hold.rule == HoldRule::Strict,
        automatic: hold.by == AUTOMATIC,
        at: moment(hold.at),
        expires: hold.expires_at.map(moment),
        through: hold.through.as_ref().map(|dry| id(dry.as_str())),
        target: hold.target.as_ref().map(|dry| id(dry.as_str())),
    }
}

/// Returns a rollback in the words of the rules.
pub(super) fn rollback(environment: u8, rollback: state::Rollback) -> Rollback {
    let (trigger, by) = triggered(rollback.automatic);
    Rollback {
        target: Target { dry: dry(rollback.dry), commit: active(environment, rollback.to) },
        bad: dry(rollback.bad),
        bad_commit: active(environment, rollback.bad_commit),
        roots: BTreeSet::new(),
        trigger,
        by,
        reason: REASON.into(),
        at: time(rollback.at),
    }
}

/// Returns a rollback as the model writes it.
pub(super) fn rollback_of(rollback: &Rollback) -> state::Rollback {
    state::Rollback {
        dry: id(rollback.target.dry.as_str()),
        to: id(rollback.target.commit.as_str()),
        bad: id(rollback.bad.as_str()),
        bad_commit: id(rollback.bad_commit.as_str()),
        automatic: rollback.trigger == Trigger::Automatic,
        at: moment(rollback.at),
    }
}

/// Returns what the forge shows of a hold.
pub(super) fn posted(mark: state::Mark) -> PostedStatus {
    match mark {
        state::Mark::Held(held) => hold(held).status(),
        state::Mark::Ended => Hold::ended("it is over"),
        state::Mark::Released => Hold::released(PERSON),
    }
}

/// Returns what a status of ours says of a hold.
pub(super) fn mark_of(status: &PostedStatus, hold: Option<state::Hold>) -> state::Mark {
    match (status.state, hold) {
        (StatusState::Pending, Some(hold)) => state::Mark::Held(hold),
        _ => state::Mark::Ended,
    }
}
