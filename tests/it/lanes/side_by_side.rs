//! What one lane does, and what the others do not notice of it.

use super::{service, world};
use crate::world::TestResult;

#[tokio::test]
async fn each_service_goes_by_itself() -> TestResult {
    let mut world = world(&["dev", "prod"]).await?;
    world.healthy_all(&["dev", "prod"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified
    dev/pay  first, is verified
    prod/cart first, is verified
    prod/pay first, is verified
    ");
    world.push_dry("cart 2", service("cart", "v2")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart cart 2, `health` has not been reported
    dev/pay  first, is verified; cart 2 changes nothing
    prod/cart first, is verified; wants cart 2 in #6
             - waits for `health` on dev, which has not been reported
    prod/pay first, is verified; cart 2 changes nothing
    ");
    // A report on a later head counts for what every lane runs there.
    world.healthy("dev").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart cart 2, is verified
    dev/pay  first, is verified; cart 2 changes nothing
    prod/cart cart 2, `health` has not been reported
    prod/pay first, is verified; cart 2 changes nothing
    ");
    assert_eq!(world.file("env/prod", "nothing.yaml").await?, None);
    world.finish().await
}

#[tokio::test]
async fn a_merge_in_one_lane_leaves_the_proposals_of_the_others_as_they_are() -> TestResult {
    let mut world = world(&["dev", "prod, autoMerge: false"]).await?;
    world.healthy("dev").await?;
    world.settle().await?;
    let before = world.proposed("prod", "pay").await?;
    world.promote_lane("prod", "cart").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified
    dev/pay  first, is verified
    prod/cart first, `health` has not been reported
    prod/pay nothing; wants first in #4
             - waits for a person to promote it
    ");
    assert_eq!(world.proposed("prod", "pay").await?, before);
    world.promote_lane("prod", "pay").await?;
    assert_eq!(world.proposed("prod", "pay").await?, before);
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified
    dev/pay  first, is verified
    prod/cart first, `health` has not been reported
    prod/pay first, `health` has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn what_does_not_render_holds_up_its_own_lane_alone() -> TestResult {
    let mut world = world(&["dev"]).await?;
    world.healthy("dev").await?;
    world.settle().await?;
    let mut files = [service("cart", "v2"), service("pay", "v2")].concat();
    files[0].1 = "kind: [".to_owned();
    world.push_dry("half", files).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified
             ! half could not be hydrated: services/cart/dev/config.yaml:1: `cart`: unclosed bracket '['
    dev/pay  half, `health` has not been reported
    hydromote/hydrate on half: dev: services/cart/dev/config.yaml:1: `cart`: unclosed bracket '['
    ");
    world.finish().await
}

#[tokio::test]
async fn a_hold_and_a_rollback_stop_one_lane() -> TestResult {
    let mut world = world(&["dev"]).await?;
    world.healthy("dev").await?;
    world.settle().await?;
    let both = |version: &str| [service("cart", version), service("pay", version)].concat();
    world.push_dry("second", both("v2")).await?;
    world.settle().await?;
    world.roll_back_lane("dev", "cart", "orders are lost").await?;
    world.hold_lane("dev", "pay", "wait for the audit").await?;
    world.push_dry("third", both("v3")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart third, `health` has not been reported
    dev/pay  second, `health` has not been reported; wants third in #7
             - developer holds it: wait for the audit
             - what runs here is not settled: `health` has not been reported
             = developer holds it: wait for the audit (Strict)
    ");
    world.restart_without_database().await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart third, `health` has not been reported
    dev/pay  second, `health` has not been reported; wants third in #7
             - developer holds it: wait for the audit
             - what runs here is not settled: `health` has not been reported
             = developer holds it: wait for the audit (Strict)
    ");
    world.finish().await
}
