//! Credentials that are replaced while the service runs.

use hydromote::local_forge::{Fault, FaultKind, Release};

use crate::world::{BOT, TestResult, World, everywhere};

#[tokio::test]
async fn a_token_that_is_replaced_before_it_ends_is_never_missed() -> TestResult {
    let mut world = World::with_environments(&["dev"]).await?;
    world.healthy_all(&["dev"]).await?;
    world.forge.hold_webhooks();
    world.renew_token().await?;
    world.hand_over_token()?;
    world.forge.release_webhooks(Release::InOrder);
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      second, `health` has not been reported");
    world.finish().await
}

#[tokio::test]
async fn a_revoked_token_is_told_with_what_to_do_and_work_goes_on_with_the_next_one() -> TestResult {
    let mut world = World::with_environments(&["dev"]).await?;
    world.healthy_all(&["dev"]).await?;
    world.forge.revoke_token(BOT).await?;
    world.push_dry("second", everywhere("v2")).await?;
    // Git notices it first, which asks for the branches.
    let by_git = world.look_in_vain().await?;
    insta::assert_snapshot!(by_git, @"could not list the branches of the repository: the forge refused the credentials; they may have expired or been revoked: put new ones into their file, and work goes on by itself");
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    trouble: could not list the branches of the repository: the forge refused the credentials; they may have expired or been revoked: put new ones into their file, and work goes on by itself
    ");
    world.renew_token().await?;
    world.hand_over_token()?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      second, `health` has not been reported");
    world.finish().await
}

#[tokio::test]
async fn a_refusal_by_the_api_is_told_and_work_goes_on_by_itself() -> TestResult {
    let mut world = World::with_environments(&["dev"]).await?;
    let (method, path_contains) = (Some("GET".to_owned()), "/statuses".to_owned());
    world.forge.fail(Fault { method, path_contains, times: 100, kind: FaultKind::Status(401) });
    world.healthy("dev").await?;
    let by_api = world.look_in_vain().await?;
    insta::assert_snapshot!(by_api, @"the forge refused the credentials while it was asked to list the reports about `(commit)` of `acme/shop`: Server Error; they may have expired or been revoked: put new ones into their file, and work goes on by itself");
    world.forge.clear_faults();
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      first, is verified");
    world.finish().await
}

#[tokio::test]
async fn an_empty_file_keeps_the_token_that_it_held() -> TestResult {
    let mut world = World::with_environments(&["dev"]).await?;
    std::fs::write(world.token_file(), "")?;
    world.healthy("dev").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      first, is verified");
    world.finish().await
}

#[tokio::test]
async fn a_webhook_secret_that_is_replaced_is_taken_up() -> TestResult {
    let mut world = World::with_environments(&["dev"]).await?;
    world.healthy_all(&["dev"]).await?;
    world.renew_webhook_secret("another secret of the webhook").await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    // What is signed with another secret is not heard.
    insta::assert_snapshot!(world.board().await?, @"dev      first, is verified");
    world.hand_over_webhook_secret()?;
    world.push_dry("third", everywhere("v3")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      third, `health` has not been reported");
    world.finish().await
}
