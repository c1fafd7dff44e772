//! Commits by other people on environment branches.

use crate::world::{TestResult, World, config, everywhere};

#[tokio::test]
async fn a_foreign_change_of_our_files_stops_the_environment_until_it_is_taken_back() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging"]).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.push_foreign("dev", vec![("shop/manifest.yaml".to_owned(), config("by-hand"))]).await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified; wants second
             - stranger changed `shop` on the branch in (commit)
    staging  first, is verified; wants second in #3
             - waits for dev, which does not run it yet
    ");
    world.push_foreign("dev", vec![("shop/manifest.yaml".to_owned(), config("v1"))]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, `health` has not been reported
    staging  first, is verified; wants second in #3
             - waits for `health` on dev, which has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn a_foreign_commit_beside_our_files_is_taken_along_and_resets_no_soak() -> TestResult {
    let mut world = World::with_environments(&["dev, soak: 10m", "staging"]).await?;
    world.healthy("dev").await?;
    world.settle().await?;
    world.pass_minutes(6)?;
    world.push_foreign("dev", vec![("CODEOWNERS".to_owned(), "* @ops\n".to_owned())]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, soaks until (time)
    staging  nothing; wants first in #2
             - waits for dev, which soaks until (time)
    ");
    world.pass_minutes(6)?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    staging  first, `health` has not been reported
    ");
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    assert_eq!(world.file("env/dev", "CODEOWNERS").await?.as_deref(), Some("* @ops\n"));
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, `health` has not been reported
    staging  first, `health` has not been reported; wants second in #4
             - waits for `health` on dev, which has not been reported
             - what runs here is not settled: `health` has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn an_active_branch_that_somebody_deletes_stops_the_environment_until_it_is_back() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging"]).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    let was_at = world.delete_by_hand("dev").await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    world.restart_without_database().await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      nothing
             - somebody deleted `env/dev`; push it again to go on, it was at (commit)
    staging  first, is verified; wants second in #3
             - waits for dev, which does not run it yet
    ");
    world.fast_forward_by_hand("dev", &was_at).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, `health` has not been reported
    staging  first, is verified; wants second in #3
             - waits for `health` on dev, which has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn a_file_of_somebody_else_in_our_way_is_shown_and_never_overwritten() -> TestResult {
    let mut world = World::empty().await?;
    let branch = "env/dev".to_owned();
    let theirs = vec![("shop/manifest.yaml".to_owned(), "theirs: true\n".to_owned())];
    let commit = hydromote::local_forge::CommitFiles { branch, message: "theirs".to_owned(), files: theirs };
    world.forge.commit_files(crate::world::REPOSITORY, crate::world::STRANGER, commit).await?;
    let strategy = crate::world::strategy(&["dev"]);
    let files = everywhere("v1").into_iter().chain([("hydromote.yaml".to_owned(), strategy)]).collect();
    world.push_dry("first", files).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      nothing; wants first
             - `shop/manifest.yaml` on the branch was not written by Hydromote, and would be overwritten; `hydromote adopt dev` takes the branch over
    ");
    assert_eq!(world.file("env/dev", "shop/manifest.yaml").await?.as_deref(), Some("theirs: true\n"));
    world.finish().await
}
