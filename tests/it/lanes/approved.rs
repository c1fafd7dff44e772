//! Approvals where lanes share a branch: what was approved is what is merged, whatever the others do meanwhile.

use hydromote::local_forge::ReviewState;

use super::world;
use crate::world::{REPOSITORY, STRANGER, TestResult, World};

impl World {
    /// Approves what is proposed in a lane's own pull request, and lets everything happen.
    async fn approve_lane(&mut self, environment: &str, lane: &str) -> TestResult {
        let head = self.proposed(environment, lane).await?;
        let pulls = self.forge.pull_requests(REPOSITORY).await?;
        let pull = pulls.iter().find(|pull| pull.is_open() && pull.head_sha == head).ok_or("it is not proposed")?;
        self.forge.as_user(STRANGER).review(REPOSITORY, pull.number, ReviewState::Approved, "").await?;
        self.settle().await
    }
}

#[tokio::test]
async fn what_was_approved_before_another_lane_was_merged_stays_proposed_without_the_database() -> TestResult {
    let mut world = world(&["dev", "prod, approvals: {count: 1}"]).await?;
    world.healthy_all(&["dev"]).await?;
    world.hold_lane("prod", "pay", "month end").await?;
    world.approve_lane("prod", "pay").await?;
    let approved = world.proposed("prod", "pay").await?;
    world.approve_lane("prod", "cart").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified
    dev/pay  first, is verified
    prod/cart first, `health` has not been reported
    prod/pay nothing; wants first in #4
             - developer holds it: month end
             = developer holds it: month end (Strict)
    ");
    world.restart_without_database().await?;
    world.settle().await?;
    world.unhold_lane("prod", "pay").await?;
    assert_eq!(world.proposed("prod", "pay").await?, approved);
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified
    dev/pay  first, is verified
    prod/cart first, `health` has not been reported
    prod/pay first, `health` has not been reported
    ");
    world.finish().await
}
