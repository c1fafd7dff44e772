//! What people reject: pull requests that they close, and dry commits.

use crate::world::{TestResult, World, everywhere};

#[tokio::test]
async fn a_closed_pull_request_rejects_its_commit_and_a_newer_one_goes_on() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging"]).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.push_dry("bad", everywhere("v2")).await?;
    world.settle().await?;
    world.close_by_hand("staging").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      bad, `health` has not been reported
    staging  first, is verified
             ! bad was rejected by closing #4; reopen it to take that back
    #4 was closed: Promote bad to staging: bad
    ");
    world.healthy_all(&["dev"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      bad, is verified
    staging  first, is verified
             ! bad was rejected by closing #4; reopen it to take that back
    #4 was closed: Promote bad to staging: bad
    ");
    world.push_dry("good", everywhere("v3")).await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      good, is verified
    staging  good, `health` has not been reported
    #4 was closed: Promote bad to staging: bad
    ");
    world.finish().await
}

#[tokio::test]
async fn reopening_takes_the_rejection_back() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging"]).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    let number = world.close_by_hand("staging").await?;
    world.healthy_all(&["dev"]).await?;
    world.reopen(number).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    staging  second, `health` has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn a_rejection_survives_the_loss_of_the_database() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging"]).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.push_dry("bad", everywhere("v2")).await?;
    world.settle().await?;
    world.close_by_hand("staging").await?;
    world.healthy_all(&["dev"]).await?;
    world.restart_without_database().await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      bad, is verified
    staging  first, is verified
             ! bad was rejected by closing #4; reopen it to take that back
    #4 was closed: Promote bad to staging: bad
    ");
    world.finish().await
}

#[tokio::test]
async fn a_pull_request_that_we_closed_is_no_rejection_even_without_the_database() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging"]).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    world.push_dry("revert", everywhere("v1")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, `health` has not been reported; wants revert in #5
             - what runs here is not settled: `health` has not been reported
    staging  first, is verified
    #4 was closed: Promote second to staging: second
    hydromote/staging on (commit): Closed by Hydromote: nothing is left to promote
    ");
    world.healthy_all(&["dev"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      revert, `health` has not been reported
    staging  second, `health` has not been reported; wants revert in #7
             - waits for `health` on dev, which has not been reported
             - what runs here is not settled: `health` has not been reported
    #4 was closed: Promote second to staging: second
    ");
    world.restart_without_database().await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      revert, `health` has not been reported
    staging  second, `health` has not been reported; wants revert in #7
             - waits for `health` on dev, which has not been reported
             - what runs here is not settled: `health` has not been reported
    #4 was closed: Promote second to staging: second
    ");
    world.push_dry("again", everywhere("v2")).await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      again, `health` has not been reported
    staging  second, `health` has not been reported; wants revert in #9
             - what runs here is not settled: `health` has not been reported
    #4 was closed: Promote second to staging: second
    #7 was closed: Promote revert to staging: revert
    ");
    world.finish().await
}

#[tokio::test]
async fn a_rejected_commit_is_promoted_nowhere_until_that_is_taken_back() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging", "prod, autoMerge: false"]).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.promote("prod").await?;
    world.settle().await?;
    world.healthy_all(&["prod"]).await?;
    world.push_dry("bad", everywhere("v2")).await?;
    world.settle().await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.reject("bad", "it loses orders").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      bad, was rejected by developer
             ! bad was rejected by developer: it loses orders; `unreject bad` takes that back
    staging  bad, was rejected by developer
             ! bad was rejected by developer: it loses orders; `unreject bad` takes that back
    prod     first, is verified
             ! bad was rejected by developer: it loses orders; `unreject bad` takes that back
    #6 was closed: Promote bad to prod: bad
    hydromote/prod on (commit): Closed by Hydromote: its dry commit was rejected
    hydromote/reject/shop on bad: Rejected by developer: it loses orders
    ");
    let refused = world.reject("bad", "").await.expect_err("because it is rejected").to_string();
    insta::assert_snapshot!(world.in_words(&refused), @"bad is rejected already, by developer.");

    world.restart_without_database().await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      bad, was rejected by developer
             ! bad was rejected by developer: it loses orders; `unreject bad` takes that back
    staging  bad, was rejected by developer
             ! bad was rejected by developer: it loses orders; `unreject bad` takes that back
    prod     first, is verified
             ! bad was rejected by developer: it loses orders; `unreject bad` takes that back
    #6 was closed: Promote bad to prod: bad
    hydromote/prod on (commit): Closed by Hydromote: its dry commit was rejected
    hydromote/reject/shop on bad: Rejected by developer: it loses orders
    ");

    world.unreject("bad").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      bad, is verified
    staging  bad, is verified
    prod     first, is verified; wants bad in #7
             - waits for a person to promote it
    #6 was closed: Promote bad to prod: bad
    ");
    let refused = world.unreject("bad").await.expect_err("because it is not rejected").to_string();
    insta::assert_snapshot!(world.in_words(&refused), @"bad is not rejected.");
    // What was taken back stays taken back.
    world.restart_without_database().await?;
    world.settle().await?;
    world.board().await?;
    world.promote("prod").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      bad, is verified
    staging  bad, is verified
    prod     bad, `health` has not been reported
    #6 was closed: Promote bad to prod: bad
    ");
    world.finish().await
}

#[tokio::test]
async fn nothing_is_rolled_back_to_a_rejected_commit_even_without_the_database() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging"]).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.reject("first", "it loses orders").await?;
    world.settle().await?;
    let refused = world.roll_back("staging", "slow").await.expect_err("because first is rejected").to_string();
    insta::assert_snapshot!(refused, @"There is nothing to roll staging back to.");
    world.restart_without_database().await?;
    world.settle().await?;
    let still = world.roll_back("staging", "slow").await.expect_err("because first is rejected").to_string();
    assert_eq!(still, refused);
    world.board().await?;
    world.finish().await
}

#[tokio::test]
async fn a_commit_that_is_rejected_before_its_turn_is_passed_over() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging"]).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.push_dry("bad", everywhere("v2")).await?;
    world.settle().await?;
    world.reject("bad", "").await?;
    world.push_dry("good", everywhere("v3")).await?;
    world.healthy_all(&["dev"]).await?;
    world.healthy_all(&["dev"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      good, is verified
    staging  good, `health` has not been reported
    #4 was closed: Promote bad to staging: bad
    hydromote/reject/shop on bad: Rejected by developer
    hydromote/staging on (commit): Closed by Hydromote: its dry commit was rejected
    ");
    world.finish().await
}

#[tokio::test]
async fn a_rejection_that_a_stop_left_on_the_forge_alone_can_be_taken_back() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging"]).await?;
    world.healthy_all(&["dev"]).await?;
    world.leave_half_rejected("first").await?;
    world.unreject("first").await?;
    world.restart_without_database().await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    staging  first, `health` has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn what_is_no_dry_commit_is_not_rejected() -> TestResult {
    let mut world = World::with_environments(&["dev"]).await?;
    let active = world.branch("env/dev").await?;
    for commit in ["abc", "0123456789", "../../etc", active.as_str()] {
        let refused = world.reject_commit(commit).await.expect_err("because it is none").to_string();
        assert!(refused.contains("is not a commit id") || refused.contains("is not on `main`"), "{refused}");
    }
    world.board().await?;
    world.finish().await
}

/// A commit with the content of one that was rejected is kept out, also when the rejected one has left the dry branch and
/// nobody knows any more what it rendered to: its pull request holds it.
#[tokio::test]
async fn what_was_rejected_stays_out_when_what_it_rendered_to_is_forgotten() -> TestResult {
    let mut world = World::with_environments(&["dev", "prod"]).await?;
    world.healthy_all(&["dev", "prod"]).await?;
    world.hold("prod", "look first").await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    world.close_by_hand("prod").await?;
    world.settle().await?;
    world.force_push_dry("first", "amended", everywhere("v2")).await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    world.unhold("prod").await?;
    world.settle().await?;
    let before = world.board().await?;
    insta::assert_snapshot!(before, @"
    dev      second, is verified; amended changes nothing
    prod     first, is verified
             ! amended was rejected by closing #4; reopen it to take that back
    #4 was closed: Promote second to prod: second
    ");
    world.forget_hydrations().await?;
    world.settle().await?;
    assert_eq!(world.board().await?, before);
    world.finish().await
}
