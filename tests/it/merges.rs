//! How pull requests are merged: by whom, with which method, and what the forge does after it.

use hydromote::local_forge::{MergeMethod, MergeSettings, StatusState};

use crate::world::{REPOSITORY, TestResult, World, everywhere};

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
    world.forge.set_merge_settings(REPOSITORY, settings).await?;
    world.begin(&crate::world::strategy(&["dev", "staging"])).await?;
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
