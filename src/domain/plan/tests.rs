//! The rules, one by one. Dry SHAs and environments are words.

use super::*;
use crate::domain::{
    hydration::{Hydration, HydrationFailure},
    ids::{DrySha, StrategyName},
    snapshot::PostedStatus,
    status::StatusState,
    world::{World, environment, rule, strategy},
};

/// Returns a board: one line for each place.
fn board(world: &mut World) -> String {
    let plan = world.settle();
    let mut lines = Vec::new();
    for view in &plan.places {
        let runs = view.running.as_ref().map_or("nothing".into(), |r| format!("{} ({})", r.dry, r.verdict));
        let no_op =
            if view.taken_as_no_op { format!(", at {}", view.taken.as_ref().expect("taken")) } else { "".into() };
        let wants = view.wanted.as_ref().map(|dry| format!(", wants {dry}")).unwrap_or_default();
        let gates: Vec<_> = view.gates.iter().map(ToString::to_string).collect();
        let gates = if gates.is_empty() { String::new() } else { format!(": {}", gates.join("; ")) };
        let notices: String = view.notices.iter().map(|notice| format!(" [{notice}]")).collect();
        lines.push(format!("{} runs {runs}{no_op}{wants}{gates}{notices}", view.place));
    }
    lines.join("\n")
}

fn healthy(world: &mut World, name: &str) {
    world.settle();
    world.report_health(&World::name(name), StatusState::Success);
}

fn dry(name: &str) -> DrySha {
    DrySha::new(name).expect("a word")
}

#[test]
fn each_environment_waits_for_the_one_before_it() {
    let mut world = World::chain(&["dev", "staging"]);
    world.push("dry-1", &[Some(1), Some(1)]);
    insta::assert_snapshot!(board(&mut world), @"
    dev runs dry-1 (`health` has not been reported)
    staging runs nothing, wants dry-1: waits for `health` on dev, which has not been reported
    ");
    healthy(&mut world, "dev");
    insta::assert_snapshot!(board(&mut world), @"
    dev runs dry-1 (is verified)
    staging runs dry-1 (`health` has not been reported)
    ");
}

#[test]
fn the_first_content_is_an_ordinary_promotion_on_an_empty_branch() {
    let mut world = World::chain(&["dev"]);
    world.push("dry-1", &[Some(1)]);
    world.settle();
    let commits = world.environments[&World::name("dev")].commits.clone().expect("a branch");
    assert!(commits[0].content.is_empty());
    assert_eq!(commits.len(), 2);
    assert_eq!(world.merges, [(World::name("dev"), dry("dry-1"))]);
}

#[test]
fn a_commit_that_changes_nothing_is_taken_without_a_merge() {
    let mut world = World::chain(&["dev", "staging", "prod"]);
    world.push("dry-1", &[Some(1), Some(1), Some(1)]);
    for name in ["dev", "staging", "prod"] {
        healthy(&mut world, name);
    }
    world.push("dry-2", &[Some(2), Some(1), Some(2)]);
    insta::assert_snapshot!(board(&mut world), @"
    dev runs dry-2 (`health` has not been reported)
    staging runs dry-1 (is verified)
    prod runs dry-1 (is verified), wants dry-2: waits for staging, which is unchanged by it and waits for dev
    ");
    healthy(&mut world, "dev");
    insta::assert_snapshot!(board(&mut world), @"
    dev runs dry-2 (is verified)
    staging runs dry-1 (is verified), at dry-2
    prod runs dry-2 (`health` has not been reported)
    ");
}

/// Defect 4 of the model: a no-op may pass only what is verified before it.
#[test]
fn a_no_op_does_not_pass_on_a_dry_sha_that_is_unverified_before_it() {
    let mut world = World::chain(&["dev", "staging", "prod"]);
    world.push("dry-1", &[Some(1), Some(1), Some(1)]);
    for name in ["dev", "staging", "prod"] {
        healthy(&mut world, name);
    }
    // Changes dev and prod, not staging: staging's own head is verified, dev's is not.
    world.push("dry-2", &[Some(2), Some(1), Some(2)]);
    world.settle();
    let prod: Vec<_> = world.merges.iter().filter(|(name, _)| *name == World::name("prod")).collect();
    assert_eq!(prod.len(), 1);
}

/// Defect 7 of the model: what is revoked upstream passes no no-op any more.
#[test]
fn a_no_op_is_verified_only_while_what_is_before_it_is() {
    let mut world = World::chain(&["dev", "staging", "prod"]);
    world.strategy.environments[2].auto_merge = false;
    world.push("dry-1", &[Some(1), Some(1), Some(1)]);
    healthy(&mut world, "dev");
    healthy(&mut world, "staging");
    world.push("dry-2", &[Some(1), Some(1), Some(2)]);
    world.settle();
    world.report_health(&World::name("dev"), StatusState::Failure);
    world.settle();
    world.promote(&World::name("prod"));
    insta::assert_snapshot!(board(&mut world), @"
    dev runs dry-1 (`health` failed), at dry-2
    staging runs dry-1 (is verified)
    prod runs dry-1 (`health` has not been reported), wants dry-2: waits for staging, which is unchanged by it and waits for dev; what runs here is not settled: `health` has not been reported; waits for a person to promote it
    ");
    assert!(!world.merges.contains(&(World::name("prod"), dry("dry-2"))));
}

/// Defect 3 of the model.
#[test]
fn nothing_moves_backward_when_a_newer_one_is_revoked() {
    let mut world = World::chain(&["dev", "staging", "prod"]);
    world.push("dry-1", &[Some(1), Some(1), Some(1)]);
    for name in ["dev", "staging", "prod"] {
        healthy(&mut world, name);
    }
    world.push("dry-2", &[Some(1), Some(1), Some(2)]);
    world.settle();
    world.report_health(&World::name("dev"), StatusState::Failure);
    world.settle();
    assert_eq!(world.merges.last(), Some(&(World::name("prod"), dry("dry-2"))));
}

/// Defect 11 of the model: filter first, choose then.
#[test]
fn what_cannot_be_hydrated_or_was_rejected_does_not_close_the_line() {
    let mut world = World::chain(&["dev", "staging"]);
    world.push("dry-1", &[Some(1), Some(1)]);
    healthy(&mut world, "dev");
    world.push("dry-2", &[Some(2), Some(2)]);
    world.push("dry-3", &[None, Some(3)]);
    healthy(&mut world, "dev");
    world.settle();
    world.close_by_hand(&World::name("staging"));
    insta::assert_snapshot!(board(&mut world), @"
    dev runs dry-2 (is verified) [dry-3 could not be hydrated: does not render]
    staging runs dry-1 (`health` has not been reported), wants dry-3: waits for dev, which does not run it yet; what runs here is not settled: `health` has not been reported [dry-2 was rejected by closing #14; reopen it to take that back]
    ");
}

#[test]
fn what_was_rejected_does_not_come_back_with_a_commit_that_changes_nothing_about_it() {
    let mut world = World::chain(&["dev"]);
    let dev = World::name("dev");
    world.strategy.environments[0].auto_merge = false;
    world.push("dry-1", &[Some(1)]);
    world.settle();
    world.close_by_hand(&dev);
    world.push("dry-2", &[Some(1)]);
    world.settle();
    assert_eq!(world.environments[&dev].pull_request, None);
    world.push("dry-3", &[Some(3)]);
    world.settle();
    assert_eq!(world.environments[&dev].proposal.as_ref().map(|p| p.dry.clone()), Some(dry("dry-3")));
}

/// Defect 15 of the model.
#[test]
fn strategies_of_one_repository_agree_on_what_is_reported_of_a_commit() {
    let mut world = World::chain(&["dev"]);
    world.push("dry-1", &[Some(1)]);
    world.settle();
    let name = StrategyName::new("another").expect("a name");
    let failure = HydrationFailure { file: None, line: None, message: "no".into(), retry_at: None };
    let mut snapshot = world.snapshot();
    let trouble = (name, World::name("dev"), Hydration::Failed(failure));
    snapshot.troubles.insert(dry("dry-1"), vec![trouble]);
    let reports = plan(&world.strategy, &snapshot).actions;
    let failed = PostedStatus::new(StatusState::Failure, "dev: no");
    assert_eq!(reports, [Action::ReportHydration { dry: dry("dry-1"), status: failed.clone() }]);
    snapshot.hydrate_reports.insert(dry("dry-1"), failed);
    assert_eq!(plan(&world.strategy, &snapshot).actions, []);
}

#[test]
fn a_dry_sha_that_left_the_line_is_not_promoted() {
    let mut world = World::chain(&["dev", "staging"]);
    world.push("dry-1", &[Some(1), Some(1)]);
    healthy(&mut world, "dev");
    healthy(&mut world, "staging");
    world.push("dry-2", &[Some(2), Some(2)]);
    world.settle();
    world.drop_dry(1);
    world.push("dry-3", &[Some(3), Some(3)]);
    healthy(&mut world, "dev");
    insta::assert_snapshot!(board(&mut world), @"
    dev runs dry-3 (`health` has not been reported)
    staging runs dry-1 (is verified), wants dry-3: waits for `health` on dev, which has not been reported
    ");
    assert!(!world.merges.contains(&(World::name("staging"), dry("dry-2"))));
}

/// Defect 5 of the model.
#[test]
fn while_what_runs_is_neither_verified_nor_failed_nothing_is_merged() {
    let mut world = World::chain(&["dev"]);
    world.strategy.environments[0].soak = jiff::SignedDuration::from_mins(10);
    world.push("dry-1", &[Some(1)]);
    world.settle();
    world.push("dry-2", &[Some(2)]);
    world.report_health(&World::name("dev"), StatusState::Success);
    insta::assert_snapshot!(board(&mut world), @"dev runs dry-1 (soaks until 1970-01-12 13:56:41Z), wants dry-2: what runs here soaks until 1970-01-12 13:56:41Z");
    world.wait(600);
    insta::assert_snapshot!(board(&mut world), @"dev runs dry-2 (`health` has not been reported)");
}

/// Defect 9 of the model.
#[test]
fn a_fix_follows_a_failure_at_once_and_silence_after_the_deadline() {
    let mut world = World::chain(&["dev"]);
    world.push("dry-1", &[Some(1)]);
    world.settle();
    world.report_health(&World::name("dev"), StatusState::Failure);
    world.push("dry-2", &[Some(2)]);
    world.settle();
    assert_eq!(world.merges.len(), 2);
    world.push("dry-3", &[Some(3)]);
    let plan = world.settle();
    assert_eq!(world.merges.len(), 2);
    let until = plan.wake_at.expect("settling has an end");
    world.wait(until.duration_since(world.now).as_secs());
    world.settle();
    assert_eq!(world.merges.len(), 3);
}

/// Defect 26 of the model: after a fast-forward the head is the proposed SHA.
#[test]
fn what_was_reported_before_the_merge_proves_nothing() {
    let mut world = World::chain(&["dev", "staging"]);
    world.fast_forward = true;
    world.strategy.environments[0].auto_merge = false;
    world.push("dry-1", &[Some(1), Some(1)]);
    world.settle();
    let dev = World::name("dev");
    let proposed = world.environments[&dev].proposal.clone().expect("a proposal").sha;
    world.report(proposed.as_str(), "health", StatusState::Success);
    world.promote(&dev);
    insta::assert_snapshot!(board(&mut world), @"
    dev runs dry-1 (`health` has not been reported)
    staging runs nothing, wants dry-1: waits for `health` on dev, which has not been reported
    ");
}

#[test]
fn an_error_or_a_new_run_of_a_check_takes_nothing_back() {
    let mut world = World::chain(&["dev"]);
    world.push("dry-1", &[Some(1)]);
    healthy(&mut world, "dev");
    world.settle();
    for state in [StatusState::Error, StatusState::Pending] {
        world.report_health(&World::name("dev"), state);
        insta::allow_duplicates!(insta::assert_snapshot!(board(&mut world), @"dev runs dry-1 (is verified)"));
    }
    world.report_health(&World::name("dev"), StatusState::Failure);
    insta::assert_snapshot!(board(&mut world), @"dev runs dry-1 (`health` failed)");
    world.report_health(&World::name("dev"), StatusState::Success);
    insta::assert_snapshot!(board(&mut world), @"dev runs dry-1 (is verified)");
}

#[test]
fn success_must_stand_for_as_long_as_it_is_to_settle() {
    let mut world = World::chain(&["dev"]);
    world.strategy.environments[0].active_statuses[0].settle = jiff::SignedDuration::from_secs(30);
    world.push("dry-1", &[Some(1)]);
    healthy(&mut world, "dev");
    insta::assert_snapshot!(board(&mut world), @"dev runs dry-1 (`health` succeeded and must stand until 1970-01-12 13:47:12Z)");
    world.wait(30);
    insta::assert_snapshot!(board(&mut world), @"dev runs dry-1 (is verified)");
}

/// The forge's times are whole seconds: in the one in which other content came nobody knows what was first.
#[test]
fn what_was_reported_in_the_second_in_which_other_content_came_proves_nothing() {
    for (pause, recorded) in [(1, true), (0, false)] {
        let mut world = World::chain(&["dev"]);
        world.strategy.environments[0].auto_merge = false;
        let dev = World::name("dev");
        world.push("dry-1", &[Some(1)]);
        world.settle();
        world.merge_by_hand(&dev);
        world.push("dry-2", &[Some(2)]);
        world.settle();
        world.tick = jiff::SignedDuration::ZERO;
        world.report_health(&dev, StatusState::Success);
        world.wait(pause);
        world.merge_by_hand(&dev);
        let records = |action: &Action| matches!(action, Action::RecordVerified { .. });
        assert_eq!(world.plan().actions.iter().any(records), recorded, "after {pause} s");
    }
}

/// Clocks of two machines differ: what is there to be read was reported.
#[test]
fn a_report_that_the_forge_dates_after_our_now_counts_once_our_clock_is_there() {
    let mut world = World::chain(&["dev"]);
    world.push("dry-1", &[Some(1)]);
    world.settle();
    world.wait(100);
    let reported_at = world.now;
    world.report_health(&World::name("dev"), StatusState::Success);
    let mut snapshot = world.snapshot();
    snapshot.now = reported_at - jiff::SignedDuration::from_secs(3);
    let ahead = plan(&world.strategy, &snapshot);
    assert_eq!(ahead.wake_at, Some(reported_at));
    snapshot.now = reported_at;
    let there = plan(&world.strategy, &snapshot);
    assert!(matches!(there.actions.as_slice(), [Action::RecordVerified { .. }]), "{:?}", there.actions);
}

#[test]
fn drift_stops_the_environment_until_it_is_taken_back() {
    let mut world = World::chain(&["dev"]);
    let dev = World::name("dev");
    world.push("dry-1", &[Some(1)]);
    healthy(&mut world, "dev");
    world.push_foreign(&dev, true);
    world.push("dry-2", &[Some(2)]);
    insta::assert_snapshot!(board(&mut world), @"dev runs dry-1 (is being recorded as verified), wants dry-2: eve changed `shop` on the branch in foreign; what runs here is being recorded as verified");
    world.restore(&dev);
    world.settle();
    assert_eq!(world.merges.last(), Some(&(dev, dry("dry-2"))));
}

#[test]
fn drift_shows_though_nothing_newer_is_wanted() {
    let mut world = World::chain(&["dev"]);
    let dev = World::name("dev");
    world.push("dry-1", &[Some(1)]);
    healthy(&mut world, "dev");
    world.settle();
    world.push_foreign(&dev, true);
    let place = world.settle().places.remove(0);
    assert_eq!((place.wanted, place.gates), (None, vec![]));
    let drift = place.drift.map(Gate::from).expect("drift");
    insta::assert_snapshot!(drift, @"eve changed `shop` on the branch in foreign");
    world.restore(&dev);
    assert_eq!(world.settle().places.remove(0).drift, None);
}

#[test]
fn a_branch_that_somebody_deletes_is_not_made_anew() {
    let mut world = World::chain(&["dev"]);
    let dev = World::name("dev");
    world.push("dry-1", &[Some(1)]);
    healthy(&mut world, "dev");
    world.settle();
    let commits = world.environments.get_mut(&dev).expect("an environment").commits.take();
    world.push("dry-2", &[Some(2)]);
    insta::assert_snapshot!(board(&mut world), @"dev runs nothing: somebody deleted `env/dev`; push it again to go on");
    world.environments.get_mut(&dev).expect("an environment").commits = commits;
    world.settle();
    assert_eq!(world.merges.last(), Some(&(dev, dry("dry-2"))));
}

#[test]
fn a_foreign_commit_beside_our_files_is_taken_along() {
    let mut world = World::chain(&["dev", "staging"]);
    world.push("dry-1", &[Some(1), Some(1)]);
    world.settle();
    world.push_foreign(&World::name("dev"), false);
    healthy(&mut world, "dev");
    insta::assert_snapshot!(board(&mut world), @"
    dev runs dry-1 (is verified)
    staging runs dry-1 (`health` has not been reported)
    ");
}

/// Defects 6 and 20 of the model: own status waits neither for `promote` nor for the forge.
#[test]
fn own_status_is_success_while_only_a_person_or_the_forge_is_waited_for() {
    let mut world = World::chain(&["dev"]);
    world.strategy.environments[0].auto_merge = false;
    world.push("dry-1", &[Some(1)]);
    world.settle();
    let (_, status) = world.environments[&World::name("dev")].own_status.clone().expect("a status");
    assert_eq!(status.state, StatusState::Success);
}

/// Defect 21 of the model.
#[test]
fn own_status_goes_back_when_a_gate_closes_again() {
    let mut world = World::chain(&["dev", "prod"]);
    world.strategy.environments[1].auto_merge = false;
    world.push("dry-1", &[Some(1), Some(1)]);
    healthy(&mut world, "dev");
    world.settle();
    let status = |world: &World| world.environments[&World::name("prod")].own_status.clone().expect("a status").1;
    assert_eq!(status(&world).state, StatusState::Success);
    world.report_health(&World::name("dev"), StatusState::Failure);
    world.settle();
    insta::assert_snapshot!(format!("{:?}", status(&world)), @r#"PostedStatus { state: Pending, description: "Waits for `health` on dev, which failed" }"#);
}

/// Defect 19 of the model.
#[test]
fn a_newer_candidate_with_the_same_content_leaves_the_pull_request_alone() {
    let mut world = World::chain(&["dev"]);
    let dev = World::name("dev");
    world.strategy.environments[0].auto_merge = false;
    world.push("dry-1", &[Some(1)]);
    world.settle();
    let before = world.environments[&dev].proposal.clone();
    world.push("dry-2", &[Some(1)]);
    world.settle();
    assert_eq!(world.environments[&dev].proposal, before);
}

#[test]
fn a_newer_candidate_supersedes_the_one_that_waits_in_the_same_pull_request() {
    let mut world = World::chain(&["dev"]);
    let dev = World::name("dev");
    world.strategy.environments[0].auto_merge = false;
    world.push("dry-1", &[Some(1)]);
    world.settle();
    let number = world.environments[&dev].pull_request;
    world.push("dry-2", &[Some(2)]);
    world.settle();
    assert_eq!(world.environments[&dev].pull_request, number);
    assert_eq!(world.environments[&dev].proposal.as_ref().map(|p| p.dry.clone()), Some(dry("dry-2")));
}

/// Defects 18 and 23 of the model: what a person promoted stays, until a check fails on it.
#[test]
fn what_a_person_promoted_is_not_superseded_unless_a_check_fails_on_it() {
    let mut world = World::chain(&["dev"]);
    let dev = World::name("dev");
    world.strategy.environments[0].auto_merge = false;
    world.strategy.environments[0].proposed_statuses = vec![rule("ticket")];
    world.push("dry-1", &[Some(1)]);
    world.settle();
    world.promote(&dev);
    world.push("dry-2", &[Some(2)]);
    insta::assert_snapshot!(board(&mut world), @"dev runs nothing, wants dry-1: `ticket` has not been reported on the proposal");
    let proposed = world.environments[&dev].proposal.clone().expect("a proposal").sha;
    world.report(proposed.as_str(), "ticket", StatusState::Failure);
    insta::assert_snapshot!(board(&mut world), @"dev runs nothing, wants dry-2: `ticket` has not been reported on the proposal; waits for a person to promote it");
}

#[test]
fn a_pull_request_whose_difference_has_gone_is_closed_and_rejects_nothing() {
    let mut world = World::chain(&["dev", "staging"]);
    world.push("dry-1", &[Some(1), Some(1)]);
    healthy(&mut world, "dev");
    healthy(&mut world, "staging");
    world.push("dry-2", &[Some(2), Some(2)]);
    world.settle();
    assert!(world.environments[&World::name("staging")].pull_request.is_some());
    world.push("dry-3", &[Some(2), Some(1)]);
    insta::assert_snapshot!(board(&mut world), @"
    dev runs dry-2 (`health` has not been reported), at dry-3
    staging runs dry-1 (is verified)
    ");
    assert!(world.environments[&World::name("staging")].pull_request.is_none());
}

#[test]
fn a_refused_merge_is_a_closed_gate_in_the_forges_words() {
    let mut world = World::chain(&["dev"]);
    let dev = World::name("dev");
    world.strategy.environments[0].auto_merge = false;
    world.push("dry-1", &[Some(1)]);
    world.settle();
    world.promote(&dev);
    let proposed = world.environments[&dev].proposal.clone().expect("a proposal").sha;
    let retry_at = world.now + jiff::SignedDuration::from_secs(5);
    let words = "at least 1 approving review is required".to_owned();
    let refusal = crate::domain::snapshot::Refusal { proposed, words, retry_at, tries: 0 };
    world.environments.get_mut(&dev).expect("an environment").refusal = Some(refusal);
    insta::assert_snapshot!(board(&mut world), @"dev runs nothing, wants dry-1: the forge does not merge it: at least 1 approving review is required");
    assert_eq!(world.plan().wake_at, Some(retry_at));
}

#[test]
fn a_broken_strategy_promotes_nothing() {
    let mut world = World::chain(&["dev"]);
    world.push("dry-1", &[Some(1)]);
    world.settle();
    world.report_health(&World::name("dev"), StatusState::Failure);
    world.push("dry-2", &[Some(2)]);
    let hydrated = world.plan().actions.into_iter().find(|a| matches!(a, Action::Hydrate { .. })).expect("new");
    world.perform(&hydrated);
    let mut snapshot = world.snapshot();
    snapshot.mistake = Some("hydromote.yaml:3:1: unknown key `enviroments`".into());
    let plan = plan(&world.strategy, &snapshot);
    let acts = |a: &Action| matches!(a, Action::Propose { .. } | Action::Merge { .. } | Action::OpenPullRequest { .. });
    assert!(!plan.actions.iter().any(acts));
    insta::assert_snapshot!(plan.places[0].gates[0].to_string(), @"the newest strategy is not in force: hydromote.yaml:3:1: unknown key `enviroments`");
}

#[test]
fn a_merge_by_hand_through_closed_gates_takes_a_rejection_back() {
    let mut world = World::chain(&["dev", "staging"]);
    world.push("dry-1", &[Some(1), Some(1)]);
    world.settle();
    let staging = World::name("staging");
    world.merge_by_hand(&staging);
    insta::assert_snapshot!(board(&mut world), @"
    dev runs dry-1 (`health` has not been reported)
    staging runs dry-1 (`health` has not been reported)
    ");
}

#[test]
fn in_a_diamond_both_sides_must_have_verified_it() {
    let mut world = World::new(strategy(vec![
        environment("dev", &[]),
        environment("eu", &["dev"]),
        environment("us", &["dev"]),
        environment("prod", &["eu", "us"]),
    ]));
    world.push("dry-1", &[Some(1); 4]);
    healthy(&mut world, "dev");
    healthy(&mut world, "eu");
    insta::assert_snapshot!(board(&mut world), @"
    dev runs dry-1 (is verified)
    eu runs dry-1 (is verified)
    us runs dry-1 (`health` has not been reported)
    prod runs nothing, wants dry-1: waits for `health` on us, which has not been reported
    ");
    healthy(&mut world, "us");
    world.settle();
    assert_eq!(world.merges.last(), Some(&(World::name("prod"), dry("dry-1"))));
}

#[test]
fn a_proposal_that_only_says_that_it_is_ours_is_made_again() {
    let mut world = World::chain(&["prod"]);
    world.strategy.environments[0].auto_merge = false;
    world.push("dry-1", &[Some(1)]);
    world.settle();
    let mut snapshot = world.snapshot();
    assert!(plan(&world.strategy, &snapshot).actions.is_empty());
    let state = snapshot.places.values_mut().next().expect("a place");
    state.proposal.as_mut().expect("a proposal").composed = false;
    let actions = plan(&world.strategy, &snapshot).actions;
    assert!(matches!(actions.as_slice(), [Action::Propose { .. }]), "{actions:?}");
}

#[test]
fn a_history_that_cannot_be_hydrated_is_not_walked_to_its_end() {
    let mut world = World::chain(&["dev"]);
    for n in 0..100 {
        world.push(&format!("dry-{n}"), &[None]);
    }
    world.settle();
    let snapshot = world.snapshot();
    let tried = snapshot.places.values().next().expect("a place").hydrations.len();
    assert!((2..=20).contains(&tried), "{tried} were tried");
    // A fix is hydrated as always.
    world.push("fix", &[Some(1)]);
    world.settle();
    assert_eq!(world.merges, [(World::name("dev"), dry("fix"))]);
}
