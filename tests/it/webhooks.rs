//! Webhooks are hints: lost, doubled or out of order they change nothing but the delay.

use hydromote::local_forge::{MergeMethod, Release};

use crate::world::{REPOSITORY, TestResult, World, everywhere};

#[tokio::test]
async fn a_push_whose_webhook_is_lost_is_found_by_the_timer() -> TestResult {
    let mut world = World::with_environments(&["dev"]).await?;
    world.healthy_all(&["dev"]).await?;
    world.forge.lose_webhooks(1);
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      first, is verified");
    world.ring_the_timer()?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      second, `health` has not been reported");
    world.finish().await
}

#[tokio::test]
async fn a_report_whose_webhook_is_lost_is_found_by_the_timer() -> TestResult {
    let mut world = World::with_environments(&["dev"]).await?;
    world.forge.lose_webhooks(1);
    world.healthy("dev").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      first, `health` has not been reported");
    world.ring_the_timer()?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      first, is verified");
    world.finish().await
}

#[tokio::test]
async fn a_merge_by_hand_of_which_only_the_push_is_heard_is_not_taken_for_a_leftover() -> TestResult {
    let mut world = World::with_environments(&["dev, autoMerge: false"]).await?;
    world.forge.lose_webhooks(1);
    world.merge_by_hand("dev", MergeMethod::Merge).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      first, `health` has not been reported");
    world.finish().await
}

#[tokio::test]
async fn webhooks_that_come_twice_change_nothing() -> TestResult {
    after_a_release(Release::Doubled).await
}

#[tokio::test]
async fn webhooks_out_of_order_change_nothing() -> TestResult {
    after_a_release(Release::Reversed).await
}

/// A push and a report are held back, and let go in an odd way.
async fn after_a_release(how: Release) -> TestResult {
    let mut world = World::with_environments(&["dev", "staging"]).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.forge.hold_webhooks();
    world.push_dry("second", everywhere("v2")).await?;
    world.push_dry("third", everywhere("v3")).await?;
    assert!(world.forge.release_webhooks(how) >= 2);
    world.settle().await?;
    world.forge.hold_webhooks();
    world.healthy("dev").await?;
    world.forge.release_webhooks(how);
    world.settle().await?;
    let board = world.board().await?;
    insta::allow_duplicates! {
        insta::assert_snapshot!(board, @"
        dev      third, is verified
        staging  third, `health` has not been reported
        ");
    }
    assert_eq!(world.forge.pull_requests(REPOSITORY).await?.len(), 4);
    world.finish().await
}
