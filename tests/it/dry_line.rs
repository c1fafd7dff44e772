//! The dry branch is moved by force.

use crate::world::{TestResult, World, everywhere, only};

#[tokio::test]
async fn a_commit_that_left_the_line_is_never_promoted() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging", "prod"]).await?;
    world.healthy_all(&["dev", "staging", "prod"]).await?;
    world.push_dry("leaves", everywhere("v2")).await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    world.force_push_dry("first", "instead", everywhere("v3")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      instead, `health` has not been reported
    staging  leaves, `health` has not been reported; wants instead in #8
             - waits for `health` on dev, which has not been reported
             - what runs here is not settled: `health` has not been reported
    prod     first, is verified; wants instead in #6
             - waits for staging, which does not run it yet
    ");
    world.healthy_all(&["dev", "staging", "prod"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      instead, is verified
    staging  instead, `health` has not been reported
    prod     first, is verified; wants instead in #6
             - waits for `health` on staging, which has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn what_runs_stays_when_the_line_goes_back_to_what_ran_before() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging"]).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.push_dry("leaves", everywhere("v2")).await?;
    world.settle().await?;
    world.force_push_dry("first", "words", vec![("README.md".to_owned(), "words\n".to_owned())]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      leaves, `health` has not been reported; wants words in #5
             - what runs here is not settled: `health` has not been reported
    staging  first, is verified
    #4 was closed: Promote leaves to staging: leaves
    hydromote/staging on (commit): Closed by Hydromote: nothing is left to promote
    ");
    world.healthy_all(&["dev"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      words, `health` has not been reported
    staging  first, is verified
    #4 was closed: Promote leaves to staging: leaves
    hydromote/staging on (commit): Closed by Hydromote: nothing is left to promote
    ");
    world.finish().await
}

#[tokio::test]
async fn a_file_that_is_deleted_is_deleted_where_it_runs() -> TestResult {
    let mut world = World::with_environments(&["dev"]).await?;
    world
        .push_dry("more", vec![("apps/dev/more.yaml".to_owned(), crate::world::config("v1").replace("web", "more"))])
        .await?;
    world.healthy_all(&["dev"]).await?;
    world.delete_dry("less", "apps/dev/more.yaml").await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    insta::assert_snapshot!(world.board().await?, @"dev      less, `health` has not been reported");
    assert_eq!(
        world.file("env/dev", "shop/manifest.yaml").await?.as_deref(),
        Some(crate::world::config("v1").as_str())
    );
    world.push_dry("only staging", only("staging", "v2")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      less, `health` has not been reported; only staging changes nothing");
    world.finish().await
}
