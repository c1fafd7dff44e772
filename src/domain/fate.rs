//! What became of one dry SHA in one environment: why a commit is, or is not, there.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    block::BlockCause,
    gate::{Verdict, clock},
    hydration::Hydration,
    ids::{DrySha, EnvironmentName, Place, PullRequestNumber},
    ledger::{Blocked, Ledger},
    plan::PlaceView,
    snapshot::Snapshot,
    strategy::Environment,
};

/// What became of a dry SHA in one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "fate")]
pub enum Fate {
    /// It is not on the dry line.
    NotOnLine,
    /// It runs.
    Runs {
        /// Since when.
        since: Timestamp,
        /// Whether it is verified.
        verdict: Verdict,
    },
    /// It ran, and other content runs now.
    Ran {
        /// Since when it ran.
        since: Timestamp,
        /// What runs now.
        now: DrySha,
    },
    /// It changed nothing, and was taken.
    NoOp {
        /// Whether it is verified.
        verdict: Verdict,
    },
    /// A person closed its pull request, or one that covers it.
    Rejected {
        /// The pull request.
        number: PullRequestNumber,
    },
    /// A person rejected it everywhere.
    RejectedCommit {
        /// Who.
        by: String,
        /// Why; may be empty.
        reason: String,
    },
    /// A rollback keeps it out.
    Blocked {
        /// Of which environment.
        environment: EnvironmentName,
    },
    /// It could not be rendered.
    NotHydrated {
        /// The author's file and line, and the renderer's words.
        message: String,
    },
    /// Something newer was taken before its turn came.
    PassedOver {
        /// What was taken.
        by: DrySha,
    },
    /// It is proposed, and waits for the gates of the place.
    Proposed,
    /// Something newer is proposed, and brings it along.
    ComesWith {
        /// What is proposed.
        newer: DrySha,
    },
    /// An environment before has not verified it.
    Waits {
        /// That environment.
        environment: EnvironmentName,
        /// What is known of it there.
        verdict: Verdict,
    },
    /// It is looked at next.
    Pending,
}

/// Returns what became of `dry` in a place that is planned as `view` shows.
pub fn fate(
    ledger: &Ledger<'_>,
    environment: &Environment,
    place: &Place,
    view: &PlaceView,
    dry: &DrySha,
    snapshot: &Snapshot,
) -> Fate {
    let line = &snapshot.line;
    let state = snapshot.places.get(place);
    let runs = state.and_then(|state| state.branch()).map(|branch| branch.runs.as_slice()).unwrap_or_default();
    let run = runs.iter().position(|run| run.dry == *dry);
    let verdict = state.and_then(|state| ledger.running_verdict(environment, state));
    if let (Some(0), Some(verdict)) = (run, verdict) {
        return Fate::Runs { since: runs[0].since(), verdict };
    }
    match ledger.blocked(environment, place, dry).filter(|blocked| ledger.is_kept_out(place, dry, blocked)) {
        Some(Blocked { cause: BlockCause::ClosedPullRequest(number), .. }) => return Fate::Rejected { number },
        Some(Blocked { cause: BlockCause::Rollback, environment, .. }) => {
            return Fate::Blocked { environment };
        }
        Some(Blocked { cause: BlockCause::RejectedCommit, .. }) => {
            let (by, reason) =
                snapshot.rejections.get(dry).map(|r| (r.by.clone(), r.reason.clone())).unwrap_or_default();
            return Fate::RejectedCommit { by, reason };
        }
        _ => {}
    }
    if let Some(index) = run {
        return Fate::Ran { since: runs[index].since(), now: runs[0].dry.clone() };
    }
    if !line.contains(dry) {
        return Fate::NotOnLine;
    }
    if let Some(taken) = &view.taken
        && line.position(dry) <= line.position(taken)
    {
        let verdict = ledger.verdict(&place.environment, &place.lane, dry);
        return if dry == taken || verdict == Verdict::Verified {
            Fate::NoOp { verdict }
        } else {
            Fate::PassedOver { by: taken.clone() }
        };
    }
    if let Some(Hydration::Failed(failure)) = state.and_then(|state| state.hydrations.get(dry)) {
        return Fate::NotHydrated { message: failure.to_string() };
    }
    match &view.wanted {
        Some(wanted) if wanted == dry => return Fate::Proposed,
        Some(wanted) if line.position(dry) < line.position(wanted) => {
            return Fate::ComesWith { newer: wanted.clone() };
        }
        _ => {}
    }
    match ledger.upstream_wait(environment, &place.lane, dry) {
        Some(before) => {
            let verdict = ledger.verdict(&before, &place.lane, dry);
            Fate::Waits { environment: before, verdict }
        }
        None => Fate::Pending,
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOnLine => f.write_str("it is not on the dry branch, so it is never promoted"),
            Self::Runs { since, verdict } => write!(f, "it runs since {}; {verdict}", clock(*since)),
            Self::Ran { since, now } => write!(f, "it ran from {}; {} runs now", clock(*since), now.short()),
            Self::NoOp { verdict } => write!(f, "it changes nothing here and was taken; {verdict}"),
            Self::Rejected { number } => write!(f, "it was rejected by closing {number}; reopen that, or push a fix"),
            Self::RejectedCommit { by, reason } => {
                let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
                write!(f, "{by} rejected it{why}; push a fix, or take that back with `unreject`")
            }
            Self::Blocked { environment } => write!(
                f,
                "the rollback of {environment} keeps it out; it waits for a fix, a revert or `unhold {environment}`"
            ),
            Self::NotHydrated { message } => write!(f, "it could not be hydrated: {message}"),
            Self::PassedOver { by } => write!(f, "it came along with {}, which is newer", by.short()),
            Self::Proposed => f.write_str("it is proposed here"),
            Self::ComesWith { newer } => {
                write!(f, "{}, which is newer, is proposed and brings it along", newer.short())
            }
            Self::Waits { environment, verdict } => match verdict {
                Verdict::Status { key, waits } => write!(f, "it waits for `{key}` on {environment}, which {waits}"),
                verdict => write!(f, "it waits for {environment}, which {verdict}"),
            },
            Self::Pending => f.write_str("it is looked at next"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{plan::plan, status::StatusState, world::World};

    fn told(world: &mut World, dry: &str) -> String {
        world.settle();
        let snapshot = world.snapshot();
        let plan = plan(&world.strategy, &snapshot);
        let ledger = Ledger::new(&world.strategy, &snapshot);
        let dry = DrySha::new(dry).expect("a word");
        let lines = plan.places.iter().map(|view| {
            let environment = world.strategy.environment(&view.place.environment).expect("an environment");
            format!("{}: {}", view.place, fate(&ledger, environment, &view.place, view, &dry, &snapshot))
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_commit_is_explained_on_its_whole_way() {
        let mut world = World::chain(&["dev", "staging", "prod"]);
        for (name, version) in [("dry-1", 1), ("dry-2", 2), ("dry-3", 3)] {
            world.push(name, &[Some(version), Some(version), Some(version)]);
        }
        insta::assert_snapshot!(told(&mut world, "dry-2"), @"
        dev: it came along with dry-3, which is newer
        staging: dry-3, which is newer, is proposed and brings it along
        prod: dry-3, which is newer, is proposed and brings it along
        ");
        insta::assert_snapshot!(told(&mut world, "dry-3"), @"
        dev: it runs since 1970-01-12 13:46:43Z; `health` has not been reported
        staging: it is proposed here
        prod: it is proposed here
        ");
        world.report_health(&World::name("dev"), StatusState::Success);
        world.settle();
        world.report_health(&World::name("staging"), StatusState::Success);
        insta::assert_snapshot!(told(&mut world, "dry-3"), @"
        dev: it runs since 1970-01-12 13:46:43Z; is verified
        staging: it runs since 1970-01-12 13:46:45Z; is verified
        prod: it runs since 1970-01-12 13:46:47Z; `health` has not been reported
        ");
        world.push("dry-4", &[Some(3), Some(4), None]);
        insta::assert_snapshot!(told(&mut world, "dry-4"), @"
        dev: it changes nothing here and was taken; is verified
        staging: it runs since 1970-01-12 13:46:49Z; `health` has not been reported
        prod: it could not be hydrated: does not render
        ");
        insta::assert_snapshot!(told(&mut world, "dry-9"), @"
        dev: it is not on the dry branch, so it is never promoted
        staging: it is not on the dry branch, so it is never promoted
        prod: it is not on the dry branch, so it is never promoted
        ");
    }

    #[test]
    fn what_a_rollback_keeps_out_is_explained() {
        let mut world = World::chain(&["dev", "prod"]);
        world.push("dry-1", &[Some(1), Some(1)]);
        for name in ["dev", "prod"] {
            world.settle();
            world.report_health(&World::name(name), StatusState::Success);
        }
        world.push("dry-2", &[Some(2), Some(2)]);
        world.settle();
        world.report_health(&World::name("dev"), StatusState::Failure);
        world.roll_back(&World::name("dev"), None);
        insta::assert_snapshot!(told(&mut world, "dry-2"), @"
        dev: the rollback of dev keeps it out; it waits for a fix, a revert or `unhold dev`
        prod: the rollback of dev keeps it out; it waits for a fix, a revert or `unhold dev`
        ");
    }
}
