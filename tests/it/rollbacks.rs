//! Rollbacks and holds: what comes back, what stays out, and what ends them.

use hydromote::local_forge::StatusState;

use crate::world::{TestResult, World, config, everywhere, strategy};

/// Dev and staging run `first`, verified, and `second` fails in staging.
async fn second_fails_in_staging(staging: &str) -> Result<World, Box<dyn std::error::Error>> {
    let mut world = World::with_environments(&["dev", staging, "prod"]).await?;
    world.healthy_all(&["dev", "staging", "prod"]).await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    world.healthy("dev").await?;
    world.settle().await?;
    world.report("staging", "health", StatusState::Failure).await?;
    world.settle().await?;
    Ok(world)
}

#[tokio::test]
async fn a_failure_rolls_back_by_itself_and_nothing_brings_the_bad_content_back() -> TestResult {
    let mut world = second_fails_in_staging("staging, rollback: {automatic: true}").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    staging  first, `health` has not been reported
             = Hydromote rolled it back: `health` failed (Next)
             ! second is kept out by the rollback of staging; it waits for a fix, a revert or `unhold staging`
    prod     first, is verified
             ! second is kept out by the rollback of staging; it waits for a fix, a revert or `unhold staging`
    #6 was closed: Promote second to prod: second
    hydromote/prod on (commit): Closed by Hydromote: kept out by the rollback of staging
    ");
    assert_eq!(world.file("env/staging", "shop/manifest.yaml").await?, Some(config("v1")));
    let back = world.board().await?;

    world.restart().await?;
    world.settle().await?;
    assert_eq!(world.board().await?, back, "a restart");
    world.restart_without_database().await?;
    world.settle().await?;
    assert_eq!(world.board().await?, back, "a lost database");
    // The same bad content by another commit, and an edit of the strategy on the way.
    let edited = strategy(&["dev", "staging, rollback: {automatic: true}, soak: 1s", "prod"]);
    world.push_dry("edited", vec![("hydromote.yaml".to_owned(), edited)]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified; edited changes nothing
    staging  first, `health` has not been reported
             = Hydromote rolled it back: `health` failed (Next)
             ! edited is kept out by the rollback of staging; it waits for a fix, a revert or `unhold staging`
             ! second is kept out by the rollback of staging; it waits for a fix, a revert or `unhold staging`
    prod     first, is verified
             ! edited is kept out by the rollback of staging; it waits for a fix, a revert or `unhold staging`
             ! second is kept out by the rollback of staging; it waits for a fix, a revert or `unhold staging`
    #6 was closed: Promote second to prod: second
    hydromote/prod on (commit): Closed by Hydromote: kept out by the rollback of staging
    ");
    assert_eq!(world.file("env/staging", "shop/manifest.yaml").await?, Some(config("v1")));

    world.push_dry("fixed", everywhere("v3")).await?;
    world.settle().await?;
    world.healthy("dev").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      fixed, is verified
    staging  fixed, `health` has not been reported
    prod     first, is verified; wants fixed in #10
             - waits for `health` on staging, which has not been reported
             ! edited is kept out by the rollback of staging; it waits for a fix, a revert or `unhold staging`
             ! second is kept out by the rollback of staging; it waits for a fix, a revert or `unhold staging`
    #6 was closed: Promote second to prod: second
    hydromote/prod on (commit): Closed by Hydromote: kept out by the rollback of staging
    ");
    world.pass_minutes(1)?;
    world.healthy_all(&["staging", "prod"]).await?;
    assert_eq!(world.file("env/prod", "shop/manifest.yaml").await?, Some(config("v3")));
    world.board().await?;
    world.finish().await
}

#[tokio::test]
async fn a_person_rolls_back_and_a_revert_ends_the_hold() -> TestResult {
    let mut world = second_fails_in_staging("staging").await?;
    world.roll_back("staging", "checkout is slow").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    staging  first, `health` has not been reported
             = developer rolled it back: checkout is slow (Next)
             ! second is kept out by the rollback of staging; it waits for a fix, a revert or `unhold staging`
    prod     first, is verified
             ! second is kept out by the rollback of staging; it waits for a fix, a revert or `unhold staging`
    #6 was closed: Promote second to prod: second
    hydromote/prod on (commit): Closed by Hydromote: kept out by the rollback of staging
    ");
    world.push_dry("reverted", everywhere("v1")).await?;
    world.settle().await?;
    world.healthy_all(&["dev", "staging"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      reverted, is verified
    staging  first, is verified; reverted changes nothing
    prod     first, is verified; reverted changes nothing
    #6 was closed: Promote second to prod: second
    hydromote/prod on (commit): Closed by Hydromote: kept out by the rollback of staging
    ");
    world.finish().await
}

#[tokio::test]
async fn what_is_unrelated_to_the_failure_does_not_bring_it_back() -> TestResult {
    let two_roots = strategy(&["dev"]).replace(
        "  activeCommitStatuses:",
        "    - path: more/{environment}\n      output: more\n  activeCommitStatuses:",
    );
    let mut world = World::with_strategy(&two_roots).await?;
    let more = |version: &str| ("more/dev/more.yaml".to_owned(), config(version));
    world.healthy("dev").await?;
    world.push_dry("both", vec![more("m1")]).await?;
    world.settle().await?;
    world.healthy("dev").await?;
    world.settle().await?;
    world.push_dry("bad", everywhere("v2")).await?;
    world.settle().await?;
    world.report("dev", "health", StatusState::Failure).await?;
    world.settle().await?;
    world.roll_back("dev", "it fails").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      both, `health` has not been reported
             = developer rolled it back: it fails (Next)
             ! bad is kept out by the rollback of dev; it waits for a fix, a revert or `unhold dev`
    ");
    world.push_dry("unrelated", vec![more("m2")]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      both, `health` has not been reported
             = developer rolled it back: it fails (Next)
             ! unrelated is kept out by the rollback of dev; it waits for a fix, a revert or `unhold dev`
             ! bad is kept out by the rollback of dev; it waits for a fix, a revert or `unhold dev`
    ");
    assert_eq!(world.file("env/dev", "shop/manifest.yaml").await?, Some(config("v1")));
    world.push_dry("fixed", everywhere("v3")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      fixed, `health` has not been reported");
    assert_eq!(world.file("env/dev", "more/manifest.yaml").await?, Some(config("m2")));
    world.finish().await
}

#[tokio::test]
async fn a_rollback_that_was_accepted_is_done_although_the_database_is_lost_before_it() -> TestResult {
    let mut world = second_fails_in_staging("staging").await?;
    world.fail_pushes(1);
    world.roll_back("staging", "checkout is slow").await?;
    world.restart_without_database().await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    staging  first, `health` has not been reported
             = developer rolled it back: checkout is slow (Next)
             ! second is kept out by the rollback of staging; it waits for a fix, a revert or `unhold staging`
    prod     first, is verified
             ! second is kept out by the rollback of staging; it waits for a fix, a revert or `unhold staging`
    #6 was closed: Promote second to prod: second
    hydromote/prod on (commit): Closed by Hydromote: kept out by the rollback of staging
    ");
    assert_eq!(world.file("env/staging", "shop/manifest.yaml").await?, Some(config("v1")));
    world.finish().await
}

#[tokio::test]
async fn a_hold_stops_everything_and_is_found_again_without_the_database() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging"]).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.hold("staging", "the database is being moved").await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    world.healthy("dev").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    staging  first, is verified; wants second in #4
             - developer holds it: the database is being moved
             = developer holds it: the database is being moved (Strict)
    ");
    let held = world.board().await?;
    world.restart_without_database().await?;
    world.settle().await?;
    assert_eq!(world.board().await?, held);
    world.unhold("staging").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    staging  second, `health` has not been reported
    ");
    world.restart_without_database().await?;
    world.settle().await?;
    assert_eq!(world.file("env/staging", "shop/manifest.yaml").await?, Some(config("v2")));
    world.finish().await
}

/// Otherwise the forge would go on saying that it is held, and be believed when the database is lost.
#[tokio::test]
async fn an_unhold_that_did_not_reach_the_forge_is_given_again() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging"]).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.hold("staging", "the database is being moved").await?;
    world.settle().await?;
    world.refuse_statuses();
    assert!(world.unhold("staging").await.is_err());
    world.home().clear_faults();
    world.unhold("staging").await?;
    world.restart_without_database().await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    staging  first, is verified
    ");
    world.finish().await
}

#[tokio::test]
async fn unhold_lets_in_again_what_a_rollback_keeps_out() -> TestResult {
    let mut world = second_fails_in_staging("staging").await?;
    world.roll_back("staging", "it fails").await?;
    world.settle().await?;
    assert_eq!(world.file("env/staging", "shop/manifest.yaml").await?, Some(config("v1")));
    world.unhold("staging").await?;
    world.settle().await?;
    world.restart_without_database().await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    staging  second, `health` has not been reported
    prod     first, is verified; wants second in #8
             - waits for `health` on staging, which has not been reported
    #6 was closed: Promote second to prod: second
    ");
    assert_eq!(world.file("env/staging", "shop/manifest.yaml").await?, Some(config("v2")));
    world.finish().await
}

#[tokio::test]
async fn rollbacks_that_cannot_be_say_why() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging"]).await?;
    let refused = |error: Option<Box<dyn std::error::Error>>| error.map(|e| e.to_string()).unwrap_or_default();
    insta::assert_snapshot!(refused(world.roll_back("dev", "why not").await.err()), @"There is nothing to roll dev back to.");
    world.healthy_all(&["dev", "staging"]).await?;
    insta::assert_snapshot!(refused(world.roll_back("dev", " ").await.err()), @"A rollback of dev needs a reason.");
    insta::assert_snapshot!(refused(world.roll_back("prod", "why not").await.err()), @"There is no environment `prod` in `acme/shop/shop`.");
    insta::assert_snapshot!(refused(world.unhold("dev").await.err()), @"dev is not held, and no rollback of it keeps anything out.");
    world.board().await?;
    world.finish().await
}

#[tokio::test]
async fn what_was_rolled_back_may_be_promoted_again_by_squash() -> TestResult {
    let mut world = World::with_environments(&["dev, mergeMethod: squash"]).await?;
    world.healthy("dev").await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    world.roll_back("dev", "it is slow").await?;
    world.settle().await?;
    assert_eq!(world.file("env/dev", "shop/manifest.yaml").await?, Some(config("v1")));
    world.unhold("dev").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      second, `health` has not been reported");
    assert_eq!(world.file("env/dev", "shop/manifest.yaml").await?, Some(config("v2")));
    world.finish().await
}

#[tokio::test]
async fn a_file_in_the_way_of_a_rollback_is_shown_and_never_overwritten() -> TestResult {
    let mut world = World::with_environments(&["dev"]).await?;
    world.healthy("dev").await?;
    let moved = strategy(&["dev"]).replace("output: shop", "output: store");
    world.push_dry("moved", vec![("hydromote.yaml".to_owned(), moved)]).await?;
    world.settle().await?;
    world.push_foreign("dev", vec![("shop/manifest.yaml".to_owned(), "theirs: true\n".to_owned())]).await?;
    world.settle().await?;
    world.roll_back("dev", "it is slow").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      moved, `health` has not been reported
             - is being rolled back to first (developer)
             - `shop/manifest.yaml` on the branch was not written by Hydromote, and would be overwritten
             = developer rolled it back: it is slow (Next)
    ");
    world.unhold("dev").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      moved, `health` has not been reported");
    assert_eq!(world.file("env/dev", "shop/manifest.yaml").await?.as_deref(), Some("theirs: true\n"));
    world.finish().await
}

#[tokio::test]
async fn a_hold_outlives_a_rollback_that_is_cancelled() -> TestResult {
    let mut world = second_fails_in_staging("staging").await?;
    world.hold("staging", "incident").await?;
    world.stop_the_clock();
    world.refuse_merges(9);
    world.roll_back("staging", "it fails").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    staging  second, `health` failed
             - is being rolled back to first (developer)
             - the forge does not merge it: Server Error
             - developer rolled it back and holds it: it fails; incident
             = developer rolled it back and holds it: it fails; incident (Strict)
    prod     first, is verified
             ! second is kept out by the rollback of staging; it waits for a fix, a revert or `unhold staging`
    #6 was closed: Promote second to prod: second
    #7 is open: Roll staging back to first: first
    hydromote/prod on (commit): Closed by Hydromote: kept out by the rollback of staging
    ");
    world.unhold("staging").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    staging  second, `health` failed
             - developer holds it: incident
             = developer holds it: incident (Strict)
    prod     first, is verified; wants second in #8
             - waits for `health` on staging, which failed
    #6 was closed: Promote second to prod: second
    #7 was closed: Roll staging back to first: first
    hydromote/rollback/staging on (commit): Cancelled by Hydromote: a person took it back
    ");
    world.finish().await
}
