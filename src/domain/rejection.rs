//! Rejections of a dry commit by command: it is nowhere a candidate, and nowhere verified.
//!
//! - It is about that one dry SHA. What is newer brings its change along, unless that takes it back.
//! - It ends what the commit was good for, not what runs: where it runs it goes on running.
//! - It stands on the dry SHA, in one commit status of ours, before it is acknowledged; so it can be
//!   read back when the store is lost.
//! - A merge by hand lifts it in that environment, and a person takes it back.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    snapshot::PostedStatus,
    status::{CommitStatus, StatusState},
};

/// What begins the description of a rejection; who rejected it follows.
const REJECTED_BY: &str = "Rejected by ";

/// What begins the description of one that was taken back.
const TAKEN_BACK_BY: &str = "Taken back by ";

/// A person does not want a dry commit anywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// Who.
    pub by: String,
    /// Why; may be empty.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

impl Rejection {
    /// Returns the status that stands on the dry SHA while the rejection does.
    pub fn status(&self) -> PostedStatus {
        let by = self.by.replace(": ", " ");
        let reason = if self.reason.is_empty() { String::new() } else { format!(": {}", self.reason) };
        PostedStatus::new(StatusState::Failure, &format!("{REJECTED_BY}{by}{reason}"))
    }

    /// Returns the status of a rejection that a person took back.
    pub fn taken_back(by: &str) -> PostedStatus {
        PostedStatus::new(StatusState::Success, &format!("{TAKEN_BACK_BY}{by}"))
    }

    /// Reads what a status of ours says; nothing when it stands for none.
    pub fn read(status: &CommitStatus) -> Option<Self> {
        let text = status.description.strip_prefix(REJECTED_BY).filter(|_| status.state == StatusState::Failure)?;
        let (by, reason) = text.split_once(": ").unwrap_or((text, ""));
        Some(Self { by: by.to_owned(), reason: reason.to_owned(), at: status.reported_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        gate::{StatusWait, Verdict},
        ids::{DrySha, StatusKey},
        plan::plan,
        status::StatusSource,
        world::World,
    };

    fn reported(posted: &PostedStatus) -> CommitStatus {
        CommitStatus {
            id: 1,
            key: StatusKey::new("hydromote/reject/shop").expect("a key"),
            state: posted.state,
            description: posted.description.clone(),
            reported_at: Timestamp::UNIX_EPOCH,
            source: StatusSource::Status,
            creator: None,
            reporter: None,
        }
    }

    fn rejection(by: &str, reason: &str) -> Rejection {
        Rejection { by: by.into(), reason: reason.into(), at: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn what_is_on_the_forge_is_read_back() {
        for rejection in [rejection("ada", "it loses orders: all of them"), rejection("ada", "")] {
            assert_eq!(Rejection::read(&reported(&rejection.status())), Some(rejection));
        }
        let odd = Rejection::read(&reported(&rejection("ada: a friend", "why").status())).expect("stands");
        assert_eq!((odd.by.as_str(), odd.reason.as_str()), ("ada a friend", "why"));
    }

    fn dry(name: &str) -> DrySha {
        DrySha::new(name).expect("a word")
    }

    /// Dev has verified two commits, of which staging, which merges only when asked, has the first.
    fn second_is_proposed() -> World {
        let mut world = World::chain(&["dev", "staging"]);
        world.push("dry-1", &[Some(1), Some(1)]);
        for name in ["dev", "staging"] {
            world.settle();
            world.report_health(&World::name(name), StatusState::Success);
        }
        world.strategy.environments[1].auto_merge = false;
        world.push("dry-2", &[Some(2), Some(2)]);
        world.settle();
        world.report_health(&World::name("dev"), StatusState::Success);
        world.settle();
        world
    }

    fn told(world: &World) -> String {
        let plan = plan(&world.strategy, &world.snapshot());
        let lines = plan.places.iter().map(|view| {
            let runs = view.running.as_ref().map_or("nothing", |running| running.dry.as_str());
            let wants = view.wanted.as_ref().map(|dry| format!(", wants {dry}")).unwrap_or_default();
            let notices: String = view.notices.iter().map(|notice| format!("; {notice}")).collect();
            format!("{}: {runs}{wants}{notices}", view.place)
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn it_is_nowhere_a_candidate_and_a_newer_one_goes_on() {
        let mut world = second_is_proposed();
        insta::assert_snapshot!(told(&world), @"
        dev: dry-2
        staging: dry-1, wants dry-2
        ");
        world.reject(&dry("dry-2"));
        world.settle();
        insta::assert_snapshot!(told(&world), @"
        dev: dry-2; dry-2 was rejected by ada: it loses orders; `unreject dry-2` takes that back
        staging: dry-1; dry-2 was rejected by ada: it loses orders; `unreject dry-2` takes that back
        ");
        assert_eq!(world.environments[&World::name("staging")].pull_request, None, "it was closed by us");
        world.push("dry-3", &[Some(2), Some(2)]);
        world.settle();
        insta::assert_snapshot!(told(&world), @"
        dev: dry-2; dry-2 was rejected by ada: it loses orders; `unreject dry-2` takes that back
        staging: dry-1, wants dry-3; dry-2 was rejected by ada: it loses orders; `unreject dry-2` takes that back
        ");
    }

    #[test]
    fn it_is_proposed_again_once_that_is_taken_back() {
        let mut world = second_is_proposed();
        world.reject(&dry("dry-2"));
        world.settle();
        world.take_back(&dry("dry-2"));
        world.settle();
        insta::assert_snapshot!(told(&world), @"
        dev: dry-2
        staging: dry-1, wants dry-2
        ");
    }

    #[test]
    fn a_merge_by_hand_lifts_it_there() {
        let mut world = second_is_proposed();
        world.reject(&dry("dry-2"));
        world.merge_by_hand(&World::name("staging"));
        world.settle();
        insta::assert_snapshot!(told(&world), @"
        dev: dry-2; dry-2 was rejected by ada: it loses orders; `unreject dry-2` takes that back
        staging: dry-2
        ");
    }

    #[test]
    fn nothing_is_rolled_back_to_it() {
        let mut world = second_is_proposed();
        let staging = World::name("staging");
        world.promote(&staging);
        world.settle();
        world.report_health(&staging, StatusState::Success);
        world.reject(&dry("dry-1"));
        world.report_health(&staging, StatusState::Failure);
        world.roll_back(&staging, None);
        assert_eq!(world.environments[&staging].rollback, None);
    }

    #[test]
    fn a_rollback_that_is_under_way_to_it_goes_on() {
        let mut world = second_is_proposed();
        let staging = World::name("staging");
        world.promote(&staging);
        world.settle();
        world.roll_back(&staging, None);
        world.reject(&dry("dry-1"));
        world.settle();
        insta::assert_snapshot!(told(&world), @"
        dev: dry-2
        staging: dry-1; dry-1 was rejected by ada: it loses orders; `unreject dry-1` takes that back; dry-2 is kept out by the rollback of staging; it waits for a fix, a revert or `unhold staging`
        ");
    }

    #[test]
    fn what_a_person_merged_by_hand_since_can_be_rolled_back_to() {
        let mut world = second_is_proposed();
        let staging = World::name("staging");
        world.reject(&dry("dry-2"));
        world.merge_by_hand(&staging);
        world.settle();
        world.report_health(&staging, StatusState::Success);
        world.push("dry-3", &[Some(3), Some(3)]);
        world.settle();
        world.report_health(&World::name("dev"), StatusState::Success);
        world.settle();
        world.promote(&staging);
        world.settle();
        world.report_health(&staging, StatusState::Failure);
        world.roll_back(&staging, None);
        let rollback = world.environments[&staging].rollback.as_ref().expect("dry-2 is known good there");
        assert_eq!(rollback.target.dry, dry("dry-2"));
    }

    #[test]
    fn what_runs_and_failed_is_told_to_have_failed_though_it_is_rejected() {
        let mut world = second_is_proposed();
        let dev = World::name("dev");
        world.reject(&dry("dry-2"));
        let verdict = |world: &World| {
            let plan = plan(&world.strategy, &world.snapshot());
            let view = plan.places.into_iter().find(|view| view.place.environment == World::name("dev"));
            view.and_then(|view| view.running).expect("dev runs dry-2").verdict
        };
        assert_eq!(verdict(&world), Verdict::RejectedCommit { by: "ada".into() });
        world.report_health(&dev, StatusState::Failure);
        let failed = verdict(&world);
        assert!(matches!(failed, Verdict::Revoked | Verdict::Status { waits: StatusWait::Failed, .. }), "{failed}");
    }

    #[test]
    fn one_that_was_taken_back_stands_no_more() {
        assert_eq!(Rejection::read(&reported(&Rejection::taken_back("ada"))), None);
    }
}
