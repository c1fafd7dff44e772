//! Environments without a pull request of ours: what is pushed, and what people open themselves.

use hydromote::local_forge::{NewPull, PullState, StatusState};

use crate::world::{DEVELOPER, Fallible, TestResult, World, everywhere, only};

/// Returns a strategy for which everything goes this way.
fn strategy(mode: &str, environments: &[&str]) -> String {
    crate::world::strategy(environments).replace("\nspec:\n", &format!("\nspec:\n  mergeMode: {mode}\n"))
}

#[tokio::test]
async fn what_is_promoted_directly_is_pushed_once_every_gate_is_open() -> TestResult {
    let mut world = World::with_strategy(&strategy("direct", &["dev", "prod, autoMerge: false"])).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, `health` has not been reported
    prod     nothing; wants first
             - waits for `health` on dev, which has not been reported
             - waits for a person to promote it
    ");
    world.healthy("dev").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first
             - waits for a person to promote it
    ");
    world.promote("prod").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, `health` has not been reported
    ");
    assert!(world.home().pull_requests(world.home_name()).await?.is_empty());
    let trailers = world.trailers(&world.branch("env/prod").await?).await?;
    assert_eq!(trailers["Hydromote-Asked-By"], ["developer"]);
    assert_eq!(trailers["Hydromote-Gate"].len(), 2, "{trailers:?}");
    let history = world.told_in_words(&world.printed_history("text").await?);
    assert!(history.contains("prod runs first") && !history.contains("by hand"), "{history}");
    world.restart_without_database().await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, `health` has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn a_direct_rollback_is_pushed_and_stays() -> TestResult {
    let mut world = World::with_strategy(&strategy("direct", &["dev, rollback: {automatic: true}", "prod"])).await?;
    world.healthy_all(&["dev", "prod"]).await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    world.report("dev", "health", StatusState::Failure).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, `health` has not been reported
             = Hydromote rolled it back: `health` failed (Next)
             ! second is kept out by the rollback of dev; it waits for a fix, a revert or `unhold dev`
    prod     first, is verified
             ! second is kept out by the rollback of dev; it waits for a fix, a revert or `unhold dev`
    ");
    world.push_dry("third", everywhere("v3")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      third, `health` has not been reported
    prod     first, is verified; wants third
             - waits for `health` on dev, which has not been reported
             ! second is kept out by the rollback of dev; it waits for a fix, a revert or `unhold dev`
    ");
    assert!(world.home().pull_requests(world.home_name()).await?.is_empty());
    world.finish().await
}

#[tokio::test]
async fn a_direct_push_goes_around_nothing_that_people_put_there() -> TestResult {
    let mut world = World::with_strategy(&strategy("direct", &["dev"])).await?;
    world.healthy("dev").await?;
    world.settle().await?;
    world.push_foreign("dev", vec![("CODEOWNERS".to_owned(), "* @acme/qa\n".to_owned())]).await?;
    world.push_dry("second", only("dev", "v2")).await?;
    world.settle().await?;
    assert_eq!(world.file("env/dev", "CODEOWNERS").await?.as_deref(), Some("* @acme/qa\n"));
    insta::assert_snapshot!(world.board().await?, @"dev      second, `health` has not been reported");
    world.push_foreign("dev", vec![("shop/manifest.yaml".to_owned(), "by: hand\n".to_owned())]).await?;
    world.push_dry("third", only("dev", "v3")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, `health` has not been reported; wants third
             - stranger changed `shop` on the branch in (commit)
             - what runs here is not settled: `health` has not been reported
    hydromote/drift/dev on (commit): stranger changed `shop` on the branch in (commit)
    ");
    world.restore("dev", "the other was a mistake").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, `health` has not been reported; wants third
             - what runs here is not settled: `health` has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn a_direct_push_that_the_forge_refuses_is_told_in_its_words_and_tried_again() -> TestResult {
    let mut world = World::with_strategy(&strategy("direct", &["dev"])).await?;
    world.healthy("dev").await?;
    world.settle().await?;
    let rule = hydromote::local_forge::Protection { require_pull_request: true, ..Default::default() };
    world.home().protect(world.home_name(), "env/dev", Some(rule)).await?;
    world.push_dry("second", only("dev", "v2")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified; wants second
             - the forge does not merge it: [remote rejected] (hook declined): error: GH006: Protected branch update failed for refs/heads/env/dev.        ; remote: error: Changes must be made through a pull request.        ; remote: error: hook declined to update refs/heads/env/dev        ; error: failed to push some refs to <address>
    ");
    world.finish().await
}

async fn open_by_hand(world: &mut World, environment: &str) -> Fallible<u64> {
    let (head, base) = (format!("env/{environment}-next"), format!("env/{environment}"));
    let new = NewPull { head, base, title: "Ship it".to_owned(), ..NewPull::default() };
    let number = world.home().as_user(DEVELOPER).open_pull_request(world.home_name(), new).await?;
    world.settle().await?;
    Ok(number)
}

#[tokio::test]
async fn a_person_opens_the_pull_request_from_the_branch_that_was_prepared() -> TestResult {
    let mut world = World::with_strategy(&strategy("link", &["dev", "prod"])).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      nothing; wants first
             - waits for a person to open the pull request from `env/dev-next`
    prod     nothing; wants first
             - waits for dev, which does not run it yet
             - waits for a person to open the pull request from `env/prod-next`
    ");
    let shown = world.api("/strategies/acme/shop/shop").await?;
    let to_open = shown["environments"][0]["openUrl"].as_str().unwrap_or_default();
    assert!(to_open.ends_with(&format!("{}/compare/env/dev...env/dev-next?expand=1", world.home_name())), "{to_open}");
    open_by_hand(&mut world, "dev").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, `health` has not been reported
    prod     nothing; wants first
             - waits for `health` on dev, which has not been reported
             - waits for a person to open the pull request from `env/prod-next`
    ");
    world.healthy("dev").await?;
    world.settle().await?;
    let number = open_by_hand(&mut world, "prod").await?;
    let merged = world.home().pull_request(world.home_name(), number).await?;
    assert_eq!(merged.state, PullState::Merged);
    assert_eq!(world.told_in_words(&merged.title), "Promote first to prod: first");
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, `health` has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn the_way_may_change_while_a_promotion_waits() -> TestResult {
    let mut world = World::with_strategy(&strategy("pull-request", &["dev, autoMerge: false"])).await?;
    world
        .push_dry("second", vec![("hydromote.yaml".to_owned(), strategy("direct", &["dev, autoMerge: false"]))])
        .await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      nothing; wants first in #1
             - waits for a person to promote it
    ");
    world.promote("dev").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      first, `health` has not been reported; second changes nothing");
    world.finish().await
}
