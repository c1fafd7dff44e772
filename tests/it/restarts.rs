//! The service stops and starts again, with and without its database.

use git2::Repository;
use hydromote::local_forge::StatusState;

use crate::{
    program::until,
    world::{TestResult, World, everywhere},
};

#[tokio::test]
async fn a_restart_in_the_middle_changes_nothing() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging", "prod, autoMerge: false"]).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    let before = world.board().await?;
    insta::assert_snapshot!(before, @"
    dev      second, `health` has not been reported
    staging  first, is verified; wants second in #5
             - waits for `health` on dev, which has not been reported
    prod     nothing; wants first in #3
             - waits for a person to promote it
    ");
    world.restart().await?;
    world.settle().await?;
    assert_eq!(world.board().await?, before);
    world.healthy_all(&["dev", "staging"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    staging  second, is verified
    prod     nothing; wants second in #3
             - waits for a person to promote it
    ");
    world.finish().await
}

#[tokio::test]
async fn what_happened_while_it_was_down_is_found_after_the_start() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging"]).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    world.stop().await;
    world.push_dry("third", everywhere("v3")).await?;
    world.healthy("dev").await?;
    world.start().await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      third, `health` has not been reported
    staging  second, `health` has not been reported; wants third in #6
             - waits for `health` on dev, which has not been reported
             - what runs here is not settled: `health` has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn records_come_back_from_the_forge_when_the_database_is_lost() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging", "prod, autoMerge: false"]).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    // The check runs again: what is verified stays so, by its record.
    world.report("dev", "health", StatusState::Pending).await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    let before = world.board().await?;
    insta::assert_snapshot!(before, @"
    dev      second, `health` has not been reported
    staging  first, is verified; wants second in #5
             - waits for `health` on dev, which has not been reported
    prod     nothing; wants first in #3
             - waits for a person to promote it
    ");
    world.restart_without_database().await?;
    world.settle().await?;
    assert_eq!(world.board().await?, before);
    world.healthy_all(&["dev", "staging"]).await?;
    world.promote("prod").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    staging  second, is verified
    prod     second, `health` has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn a_promotion_that_was_asked_for_is_made_although_the_database_is_lost_before_it() -> TestResult {
    let mut world = World::with_environments(&["dev", "prod, autoMerge: false"]).await?;
    world.promote("prod").await?;
    world.settle().await?;
    world.restart_without_database().await?;
    world.healthy("dev").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, `health` has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn a_failure_after_the_record_is_remembered_without_the_database() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging, autoMerge: false"]).await?;
    world.healthy_all(&["dev"]).await?;
    world.report("dev", "health", StatusState::Failure).await?;
    world.settle().await?;
    let before = world.board().await?;
    insta::assert_snapshot!(before, @"
    dev      first, `health` failed
    staging  nothing; wants first in #2
             - waits for `health` on dev, which failed
             - waits for a person to promote it
    hydromote/verified on (commit): first is no longer verified in dev: `health` failed
    ");
    world.restart_without_database().await?;
    world.settle().await?;
    assert_eq!(world.board().await?, before);
    world.finish().await
}

#[tokio::test]
async fn what_was_squashed_by_hand_in_other_words_is_recognised_without_the_database() -> TestResult {
    let mut world = World::with_environments(&["dev, autoMerge: false", "staging"]).await?;
    world.squash_in_own_words("dev").await?;
    world.settle().await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    world.squash_in_own_words("dev").await?;
    world.settle().await?;
    let before = world.board().await?;
    insta::assert_snapshot!(before, @"
    dev      second, `health` has not been reported
    staging  first, is verified; wants second in #4
             - waits for `health` on dev, which has not been reported
    ");
    world.restart_without_database().await?;
    world.settle().await?;
    assert_eq!(world.board().await?, before);
    world.finish().await
}

/// Has the service drop what its mirror does not need, at its next start: it was kept in order last when the service was
/// new, and since then something was left behind.
async fn drop_unused(world: &mut World) -> TestResult {
    let mirror = world.mirror();
    let left_behind = Repository::open_bare(&mirror)?.blob(b"left behind")?;
    std::fs::write(mirror.join("hydromote-dropped-at"), "2020-01-01T00:00:00Z\n")?;
    world.restart().await?;
    world.settle().await?;
    until("it is dropped", async || Ok((!Repository::open_bare(&mirror)?.odb()?.exists(left_behind)).then_some(())))
        .await
}

/// What a forced push took off the dry branch and still runs counts as just after what it shares with it, also when no
/// branch holds it and the mirror was cleaned, or lost; when the forge lost it, too, as just after what it replaced.
#[tokio::test]
async fn what_left_the_dry_branch_and_runs_keeps_its_place_on_it() -> TestResult {
    let mut world = World::with_environments(&["dev", "prod"]).await?;
    world.healthy_all(&["dev", "prod"]).await?;
    for (subject, version) in [("second", "v2"), ("leaves", "v3")] {
        world.push_dry(subject, everywhere(version)).await?;
        world.settle().await?;
        world.healthy_all(&["dev", "prod"]).await?;
    }
    world.force_push_dry("second", "instead", everywhere("v4")).await?;
    world.settle().await?;
    let before = world.board().await?;
    insta::assert_snapshot!(before, @"
    dev      instead, `health` has not been reported
    prod     leaves, is verified; wants instead in #8
             - waits for `health` on dev, which has not been reported
    ");
    drop_unused(&mut world).await?;
    assert_eq!(world.board().await?, before, "prod does not go back to `second`");
    std::fs::remove_dir_all(world.mirror())?;
    world.restart().await?;
    world.settle().await?;
    assert_eq!(world.board().await?, before);
    world.lose_what_is_on_no_branch()?;
    std::fs::remove_dir_all(world.mirror())?;
    world.restart().await?;
    until("it is taken to be lost", async || Ok(world.look().await?.ok())).await?;
    world.settle().await?;
    assert_eq!(world.board().await?, before);
    world.finish().await
}

/// A fetch that comes to no end, as on a full disk, may leave a commit in the mirror without what is in it.
#[tokio::test]
async fn a_commit_that_lies_in_the_mirror_without_its_content_is_fetched_with_it() -> TestResult {
    let mut world = World::with_environments(&["dev"]).await?;
    world.healthy_all(&["dev"]).await?;
    let second = world.push_dry("second", everywhere("v2")).await?;
    world.leave_in_mirror_alone(&second)?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    insta::assert_snapshot!(world.board().await?, @"dev      second, is verified");
    world.finish().await
}

#[tokio::test]
async fn a_mirror_loses_what_nobody_needs_and_nothing_else() -> TestResult {
    let mut world = World::with_environments(&["dev", "prod, autoMerge: false"]).await?;
    world.healthy_all(&["dev"]).await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    drop_unused(&mut world).await?;
    // A proposal is composed of what was rendered before, and earlier content is gone back to.
    world.promote("prod").await?;
    world.settle().await?;
    world.roll_back("dev", "it is slow").await?;
    world.healthy_all(&["dev"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, `health` has not been reported
             = developer rolled it back: it is slow (Next)
             ! second is kept out by the rollback of dev; it waits for a fix, a revert or `unhold dev`
    prod     second, `health` has not been reported
             ! second, which runs here, was rolled back in dev; roll it back here too, or wait for a fix
    hydromote/verified on (commit): second is no longer verified in dev: it was rolled back
    ");
    world.push_dry("third", everywhere("v3")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      third, `health` has not been reported
    prod     second, `health` has not been reported; wants third in #6
             - waits for `health` on dev, which has not been reported
             - what runs here is not settled: `health` has not been reported
             - waits for a person to promote it
             ! second, which runs here, was rolled back in dev; roll it back here too, or wait for a fix
    hydromote/verified on (commit): second is no longer verified in dev: it was rolled back
    ");
    world.finish().await
}
