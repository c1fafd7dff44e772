//! How pull requests are merged: by whom, with which method, and what the forge does after it.

use hydromote::local_forge::{MergeMethod, MergeSettings, Protection, PullChange, ReviewState, StatusState};

use crate::world::{DEVELOPER, TestResult, World, everywhere, strategy};

#[tokio::test]
async fn a_person_may_merge_through_closed_gates() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging", "prod"]).await?;
    world.healthy_all(&["dev", "staging", "prod"]).await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    world.merge_by_hand("staging", MergeMethod::Merge).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, `health` has not been reported
    staging  second, `health` has not been reported
    prod     first, is verified; wants second in #6
             - waits for `health` on staging, which has not been reported
    ");
    world.healthy_all(&["staging", "dev"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    staging  second, is verified
    prod     second, `health` has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn a_merge_by_hand_waits_for_nothing_more_with_squash() -> TestResult {
    merged_by_hand(MergeMethod::Squash).await
}

#[tokio::test]
async fn a_merge_by_hand_waits_for_nothing_more_with_rebase() -> TestResult {
    merged_by_hand(MergeMethod::Rebase).await
}

async fn merged_by_hand(method: MergeMethod) -> TestResult {
    let mut world = World::with_environments(&["dev, autoMerge: false", "staging"]).await?;
    world.merge_by_hand("dev", method).await?;
    world.settle().await?;
    world.healthy_all(&["dev", "staging"]).await?;
    let board = world.board().await?;
    insta::allow_duplicates! {
        insta::assert_snapshot!(board, @"
        dev      first, is verified
        staging  first, is verified
        ");
    }
    world.finish().await
}

#[tokio::test]
async fn environments_may_be_merged_by_squash_and_by_rebase() -> TestResult {
    let environments = ["dev, mergeMethod: squash", "staging, mergeMethod: rebase"];
    let mut world = World::with_environments(&environments).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    world.healthy_all(&["dev", "staging"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    staging  second, is verified
    ");
    world.restart_without_database().await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    staging  second, is verified
    ");
    world.finish().await
}

#[tokio::test]
async fn the_proposed_branch_may_be_deleted_after_the_merge() -> TestResult {
    let mut world = World::empty().await?;
    let settings = MergeSettings { delete_branch_on_merge: true, ..MergeSettings::default() };
    world.home().set_merge_settings(world.home_name(), settings).await?;
    world.begin(&strategy(&["dev", "staging"])).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, `health` has not been reported
    staging  first, is verified; wants second in #4
             - waits for `health` on dev, which has not been reported
    ");
    world.healthy_all(&["dev", "staging"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    staging  second, is verified
    ");
    assert!(world.branch("env/dev-next").await.is_err());
    world.finish().await
}

#[tokio::test]
async fn a_report_before_the_merge_proves_nothing_and_one_after_it_does() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging, autoMerge: false"]).await?;
    world.healthy("dev").await?;
    world.settle().await?;
    let proposed = world.open_pull("staging").await?.head_sha;
    world.report_on(&proposed, "health", StatusState::Success).await?;
    world.promote("staging").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    staging  first, `health` has not been reported
    ");
    world.healthy("staging").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    staging  first, is verified
    ");
    world.finish().await
}

#[tokio::test]
async fn a_proposal_pushed_by_hand_is_taken_as_merged() -> TestResult {
    let mut world = World::with_environments(&["dev, autoMerge: false", "staging"]).await?;
    let proposed = world.open_pull("dev").await?.head_sha;
    world.report_on(&proposed, "health", StatusState::Success).await?;
    world.fast_forward_by_hand("dev", &proposed).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, `health` has not been reported
    staging  nothing; wants first in #2
             - waits for `health` on dev, which has not been reported
    ");
    // The forge's times are whole seconds: of the second of the push nothing counts yet.
    while world.board().await?.starts_with("dev      first, `health` has not been reported") {
        world.healthy("dev").await?;
        world.settle().await?;
    }
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    staging  first, `health` has not been reported
    ");
    world.finish().await
}

/// The forge tells of a push before it tells that this merged the pull request.
#[tokio::test]
async fn a_report_before_a_push_by_hand_proves_nothing_while_the_forge_catches_up() -> TestResult {
    let mut world = World::with_environments(&["dev, autoMerge: false"]).await?;
    let proposed = world.open_pull("dev").await?.head_sha;
    world.report_on(&proposed, "health", StatusState::Success).await?;
    world.fast_forward_unnoticed("dev", &proposed)?;
    world.ring_the_timer()?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, `health` has not been reported
    #1 was closed: Promote first to dev: first
    hydromote/dev on (commit): Closed by Hydromote: nothing is left to promote
    ");
    world.fast_forward_by_hand("dev", &proposed).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, `health` has not been reported
    #1 was closed: Promote first to dev: first
    hydromote/dev on (commit): Closed by Hydromote: nothing is left to promote
    ");
    world.finish().await
}

/// Begins with something verified on dev, then with rules for its branch and something to promote.
async fn refused_by(rules: Protection) -> Result<World, Box<dyn std::error::Error>> {
    let mut world = World::with_environments(&["dev"]).await?;
    world.healthy_all(&["dev"]).await?;
    world.home().protect(world.home_name(), "env/dev", Some(rules)).await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    Ok(world)
}

#[tokio::test]
async fn what_a_ruleset_still_asks_for_is_told_and_the_merge_follows_when_it_is_there() -> TestResult {
    let required_contexts = vec!["ci".to_owned(), "policy".to_owned()];
    let rules = Protection { required_contexts, required_approvals: 1, is_ruleset: true, ..Protection::default() };
    let mut world = refused_by(rules).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified; wants second in #2
             - the forge does not merge it: Pull Request is not mergeable; `ci` has not been reported; `policy` has not been reported; it needs 1 approving review by people with write access, and has 0
    ");
    let pull = world.open_pull("dev").await?;
    world.home().as_user(DEVELOPER).review(world.home_name(), pull.number, ReviewState::Approved, "").await?;
    world.report_on(&pull.head_sha, "ci", StatusState::Failure).await?;
    world.report_on(&pull.head_sha, "policy", StatusState::Pending).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified; wants second in #2
             - the forge does not merge it: Pull Request is not mergeable; `ci` has failed; `policy` is pending
    ");
    world.report_on(&pull.head_sha, "ci", StatusState::Success).await?;
    world.report_on(&pull.head_sha, "policy", StatusState::Success).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      second, `health` has not been reported");
    world.finish().await
}

#[tokio::test]
async fn of_classic_protection_the_required_checks_are_told_to_those_who_may_not_see_the_rest() -> TestResult {
    let required_contexts = vec!["ci".to_owned()];
    let mut world = refused_by(Protection { required_contexts, ..Protection::default() }).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified; wants second in #2
             - the forge does not merge it: Pull Request is not mergeable; `ci` has not been reported
    ");
    let head = world.open_pull("dev").await?.head_sha;
    world.report_on(&head, "ci", StatusState::Success).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      second, `health` has not been reported");
    world.finish().await
}

#[tokio::test]
async fn a_merge_queue_is_recognised_and_told_what_to_do_about() -> TestResult {
    let mut world = refused_by(Protection { merge_queue: true, is_ruleset: true, ..Protection::default() }).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified; wants second in #2
             - the forge does not merge it: Pull Request is not mergeable; the branch is merged into through a merge queue, which would test and merge other commits than those that were decided on: leave it out of that rule, or let the account of the service bypass it
    ");
    world.home().protect(world.home_name(), "env/dev", None).await?;
    let number = world.open_pull("dev").await?.number;
    // Somebody tells that something has changed there, or `hydromote retry` does.
    let change = PullChange { body: Some("Try again.".to_owned()), ..PullChange::default() };
    world.home().as_user(DEVELOPER).edit(world.home_name(), number, change).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      second, `health` has not been reported");
    world.finish().await
}

#[tokio::test]
async fn a_repository_that_allows_one_way_to_merge_says_which() -> TestResult {
    let mut world = World::empty().await?;
    let settings = MergeSettings { allow_merge_commit: false, allow_rebase_merge: false, ..MergeSettings::default() };
    world.home().set_merge_settings(world.home_name(), settings).await?;
    world.begin(&strategy(&["dev"])).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      nothing; wants first in #1
             - the forge does not merge it: Merge commits are not allowed on this repository; `merge` is no way to merge there: set `mergeMethod: squash` for the environment
    ");
    let fixed = ("hydromote.yaml".to_owned(), strategy(&["dev, mergeMethod: squash"]));
    world.push_dry("merge by squash", vec![fixed]).await?;
    world.settle().await?;
    // After the pause that follows a refusal.
    world.pass_minutes(1)?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      first, `health` has not been reported; merge by squash changes nothing");
    world.finish().await
}

#[tokio::test]
async fn a_pull_request_that_somebody_made_a_draft_waits_until_it_is_ready() -> TestResult {
    let mut world = World::with_environments(&["dev, proposedCommitStatuses: [{key: ticket}]"]).await?;
    let pull = world.open_pull("dev").await?;
    world.home().set_draft(world.home_name(), pull.number, true).await?;
    world.report_on(&pull.head_sha, "ticket", StatusState::Success).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      nothing; wants first in #1
             - the forge does not merge it: Pull Request is not mergeable; it is a draft: mark it as ready for review
    ");
    world.home().set_draft(world.home_name(), pull.number, false).await?;
    world.report_on(&pull.head_sha, "ticket", StatusState::Success).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      first, `health` has not been reported");
    world.finish().await
}

/// Somebody has our pull request go into the dry branch: it is none of ours then, and another one takes its place.
#[tokio::test]
async fn a_pull_request_whose_base_was_changed_is_opened_anew() -> TestResult {
    let mut world = World::with_environments(&["dev, autoMerge: false"]).await?;
    retarget(&world).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      nothing; wants first in #2
             - waits for a person to promote it
    #1 is open: Promote first to dev: first
    ");
    world.promote("dev").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, `health` has not been reported
    #1 is open: Promote first to dev: first
    ");
    world.finish().await
}

/// Nobody is told of it, and the merge is decided on: nothing rendered may come onto the dry branch.
#[tokio::test]
async fn a_base_that_was_changed_unheard_is_noticed_before_the_merge() -> TestResult {
    let mut world = World::with_environments(&["dev, autoMerge: false"]).await?;
    let main = world.branch("main").await?;
    world.home().lose_webhooks(1);
    retarget(&world).await?;
    world.promote("dev").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, `health` has not been reported
    #1 is open: Promote first to dev: first
    ");
    assert_eq!(world.branch("main").await?, main, "the dry branch is as it was");
    world.finish().await
}

async fn retarget(world: &World) -> TestResult {
    let number = world.open_pull("dev").await?.number;
    let change = PullChange { base: Some("main".to_owned()), ..PullChange::default() };
    Ok(world.home().as_user(DEVELOPER).edit(world.home_name(), number, change).await?)
}
