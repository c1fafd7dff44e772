//! Lanes that appear, disappear, are renamed, and are turned on and off; roots that move between them.

use hydromote::local_forge::StatusState;

use super::{divided, service, strategy, world};
use crate::world::{Fallible, Files, TestResult, World, config};

/// Two services, both in the lane of their team, which their folder names.
fn of_team(team: &str, name: &str, version: &str) -> Files {
    ["dev", "prod"].map(|e| (format!("teams/{team}/{name}/{e}/config.yaml"), config(version))).into()
}

/// A strategy whose lanes are teams.
fn by_team(environments: &[&str]) -> String {
    strategy(environments)
        .replace("services/{service}/{environment}", "teams/{team}/{service}/{environment}")
        .replace("by: service", "by: team")
}

async fn teams(environments: &[&str]) -> Fallible<World> {
    let mut world = World::empty().await?;
    let mut files =
        [of_team("shop", "cart", "v1"), of_team("shop", "jobs", "v1"), of_team("money", "pay", "v1")].concat();
    files.push(("hydromote.yaml".to_owned(), by_team(environments)));
    world.push_dry("first", files).await?;
    world.settle().await?;
    Ok(world)
}

#[tokio::test]
async fn a_lane_appears_with_its_first_root_and_goes_with_its_last() -> TestResult {
    let mut world = world(&["dev", "prod"]).await?;
    world.healthy_all(&["dev", "prod"]).await?;
    world.push_dry("add search", service("search", "v1")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified; add search changes nothing
    dev/pay  first, is verified; add search changes nothing
    dev/search add search, `health` has not been reported
    prod/cart first, is verified; add search changes nothing
    prod/pay first, is verified; add search changes nothing
    prod/search nothing; first changes nothing; wants add search in #6
             - waits for `health` on dev, which has not been reported
    ");
    world.healthy_all(&["dev", "prod"]).await?;
    for environment in ["dev", "prod"] {
        world.delete_dry(&format!("drop search in {environment}"), &format!("services/search/{environment}")).await?;
    }
    world.settle().await?;
    world.healthy_all(&["dev", "prod"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified; drop search in prod changes nothing
    dev/pay  first, is verified; drop search in prod changes nothing
    prod/cart first, is verified; drop search in prod changes nothing
    prod/pay first, is verified; drop search in prod changes nothing
    ");
    assert_eq!(world.file("env/prod", "search/manifest.yaml").await?, None);
    world.finish().await
}

/// Returns what was promoted to a lane of an environment, and with which pull request.
async fn promoted(world: &World, environment: &str, lane: &str) -> Fallible<Vec<(u64, String)>> {
    let history = world.history().await?;
    let promotions = history["promotions"].as_array().ok_or("a list")?.iter();
    let of_lane = promotions.filter(|promotion| promotion["environment"] == environment && promotion["lane"] == lane);
    let mut promoted: Vec<_> = of_lane
        .map(|promotion| {
            let number = promotion["pullRequest"]["number"].as_u64().unwrap_or_default();
            (number, world.in_words(promotion["commit"]["sha"].as_str().unwrap_or_default()))
        })
        .collect();
    promoted.sort();
    Ok(promoted)
}

#[tokio::test]
async fn what_was_promoted_to_a_lane_stays_in_the_history_when_the_lane_is_gone() -> TestResult {
    let mut world = world(&["dev", "prod"]).await?;
    world.healthy_all(&["dev", "prod"]).await?;
    world.delete_dry("drop pay", "services/pay").await?;
    world.settle().await?;
    world.healthy_all(&["dev", "prod"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified; drop pay changes nothing
    prod/cart first, is verified; drop pay changes nothing
    ");
    let in_prod = promoted(&world, "prod", "pay").await?;
    assert_eq!(in_prod, [(4, "first".to_owned()), (6, "drop pay".to_owned())]);
    let in_dev = promoted(&world, "dev", "pay").await?;
    assert_eq!(in_dev, [(2, "first".to_owned()), (5, "drop pay".to_owned())]);
    world.restart_without_database().await?;
    world.settle().await?;
    assert_eq!(promoted(&world, "prod", "pay").await?, in_prod);
    assert_eq!(promoted(&world, "dev", "pay").await?, in_dev);
    world.board().await?;
    world.finish().await
}

#[tokio::test]
async fn a_root_that_moves_to_another_lane_stays_until_that_lane_takes_it_over() -> TestResult {
    let mut world = teams(&["dev", "prod"]).await?;
    world.healthy_all(&["dev", "prod"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/money first, is verified
    dev/shop first, is verified
    prod/money first, is verified
    prod/shop first, is verified
    ");
    // The lane that it goes to waits; nothing of it is gone meanwhile.
    world.hold_lane("dev", "money", "month end").await?;
    for environment in ["dev", "prod"] {
        world.delete_dry(&format!("leave {environment}"), &format!("teams/shop/jobs/{environment}")).await?;
    }
    world.push_dry("jobs is of money", of_team("money", "jobs", "v1")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/money first, is verified; wants jobs is of money in #5
             - developer holds it: month end
             = developer holds it: month end (Strict)
    dev/shop first, is verified; jobs is of money changes nothing
    prod/money first, is verified; leave prod changes nothing; wants jobs is of money in #6
             - waits for dev, which does not run it yet
    prod/shop first, is verified; jobs is of money changes nothing
    ");
    assert!(world.file("env/dev", "jobs/manifest.yaml").await?.is_some());
    world.unhold_lane("dev", "money").await?;
    world.settle().await?;
    world.healthy_all(&["dev", "prod"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/money first, is verified; jobs is of money changes nothing
    dev/shop first, is verified; jobs is of money changes nothing
    prod/money first, is verified; jobs is of money changes nothing
    prod/shop first, is verified; jobs is of money changes nothing
    ");
    assert!(world.file("env/prod", "jobs/manifest.yaml").await?.is_some());
    world.push_dry("jobs 2", of_team("money", "jobs", "v2")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/money jobs 2, `health` has not been reported
    dev/shop first, is verified; jobs 2 changes nothing
    prod/money first, is verified; jobs is of money changes nothing; wants jobs 2 in #8
             - waits for `health` on dev, which has not been reported
    prod/shop first, is verified; jobs 2 changes nothing
    ");
    world.finish().await
}

#[tokio::test]
async fn a_root_that_moves_after_the_database_was_lost_leaves_what_its_lane_runs_as_it_is() -> TestResult {
    let mut world = teams(&["dev"]).await?;
    world.healthy_all(&["dev"]).await?;
    world.push_dry("cart 2", of_team("shop", "cart", "v2")).await?;
    world.settle().await?;
    world.restart_without_database().await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    world.replace_dry("jobs is of money", "teams/shop/jobs", of_team("money", "jobs", "v1")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/money first, is verified; jobs is of money changes nothing
    dev/shop cart 2, is verified; jobs is of money changes nothing
    ");
    world.finish().await
}

#[tokio::test]
async fn lanes_are_turned_on_and_off_while_everything_runs() -> TestResult {
    let mut world = World::empty().await?;
    let mut files = [service("cart", "v1"), service("pay", "v1")].concat();
    files.push(("hydromote.yaml".to_owned(), divided("", &["dev", "prod, autoMerge: false"])));
    world.push_dry("first", files).await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for a person to promote it
    ");
    world.push_dry("divide", vec![("hydromote.yaml".to_owned(), strategy(&["dev", "prod, autoMerge: false"]))]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified; divide changes nothing
    dev/pay  first, is verified; divide changes nothing
    prod/cart nothing; wants divide in #3
             - waits for a person to promote it
    prod/pay nothing; wants divide in #4
             - waits for a person to promote it
    #2 was closed: Promote first to prod: first
    hydromote/prod on (commit): Closed by Hydromote: nothing is left to promote
    ");
    world.promote_lane("prod", "cart").await?;
    world.push_dry("cart 2", service("cart", "v2")).await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart cart 2, is verified
    dev/pay  first, is verified; cart 2 changes nothing
    prod/cart divide, `health` has not been reported; wants cart 2 in #6
             - what runs here is not settled: `health` has not been reported
             - waits for a person to promote it
    prod/pay nothing; wants divide in #4
             - waits for a person to promote it
    #2 was closed: Promote first to prod: first
    hydromote/prod on (commit): Closed by Hydromote: nothing is left to promote
    ");
    world
        .push_dry("undivide", vec![("hydromote.yaml".to_owned(), divided("", &["dev", "prod, autoMerge: false"]))])
        .await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      cart 2, is verified; undivide changes nothing
    prod     divide, `health` has not been reported; wants undivide in #7
             - what runs here is not settled: `health` has not been reported
             - waits for a person to promote it
    #2 was closed: Promote first to prod: first
    #4 was closed: Promote divide to prod/pay: divide
    #6 was closed: Promote cart 2 to prod/cart: cart 2
    hydromote/prod on (commit): Closed by Hydromote: nothing is left to promote
    hydromote/prod/cart on (commit): Closed by Hydromote: nothing is left to promote
    hydromote/prod/pay on (commit): Closed by Hydromote: nothing is left to promote
    ");
    world.promote("prod").await?;
    world.settle().await?;
    world.report("prod", "health", StatusState::Success).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      cart 2, is verified; undivide changes nothing
    prod     undivide, `health` has not been reported
    #2 was closed: Promote first to prod: first
    #4 was closed: Promote divide to prod/pay: divide
    #6 was closed: Promote cart 2 to prod/cart: cart 2
    hydromote/prod on (commit): Closed by Hydromote: nothing is left to promote
    hydromote/prod/cart on (commit): Closed by Hydromote: nothing is left to promote
    hydromote/prod/pay on (commit): Closed by Hydromote: nothing is left to promote
    ");
    world.finish().await
}

#[tokio::test]
async fn no_more_pull_requests_are_open_than_may_be() -> TestResult {
    let mut world = world(&["dev", "prod, autoMerge: false, maxOpenPullRequests: 1"]).await?;
    world.healthy_all(&["dev"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified
    dev/pay  first, is verified
    prod/cart nothing; wants first in #3
             - waits for a person to promote it
    prod/pay nothing; wants first
             - waits for the pull request of another lane, the one that may be open
             - waits for a person to promote it
    ");
    world.promote_lane("prod", "cart").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified
    dev/pay  first, is verified
    prod/cart first, `health` has not been reported
    prod/pay nothing; wants first in #4
             - waits for a person to promote it
    ");
    world.finish().await
}

#[tokio::test]
async fn what_a_person_merges_behind_another_lane_is_known() -> TestResult {
    let mut world = world(&["dev", "prod, autoMerge: false"]).await?;
    world.healthy_all(&["dev"]).await?;
    world.promote_lane("prod", "pay").await?;
    world.squash_in_own_words("prod").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified
    dev/pay  first, is verified
    prod/cart first, `health` has not been reported
    prod/pay first, `health` has not been reported
    ");
    world.restart_without_database().await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified
    dev/pay  first, is verified
    prod/cart first, `health` has not been reported
    prod/pay first, `health` has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn what_somebody_else_changes_is_drift_in_its_own_lane() -> TestResult {
    let mut world = world(&["dev"]).await?;
    world.healthy_all(&["dev"]).await?;
    world.push_foreign("dev", vec![("cart/manifest.yaml".to_owned(), config("by hand"))]).await?;
    world.settle().await?;
    world.push_dry("second", [service("cart", "v2"), service("pay", "v2")].concat()).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified; wants second
             - stranger changed `cart` on the branch in (commit)
    dev/pay  second, `health` has not been reported
    hydromote/drift/dev/cart on (commit): stranger changed `cart` on the branch in (commit)
    ");
    world.finish().await
}

#[tokio::test]
async fn lanes_that_are_far_apart_go_back_to_nothing_older_when_they_are_turned_off() -> TestResult {
    const DEV: [&str; 1] = ["dev, autoMerge: false"];
    let mut world = world(&DEV).await?;
    for lane in ["cart", "pay"] {
        world.promote_lane("dev", lane).await?;
        world.settle().await?;
        world.healthy_all(&["dev"]).await?;
    }
    world.push_dry("pay 2", service("pay", "v2")).await?;
    world.settle().await?;
    world.push_dry("cart 2", service("cart", "v2")).await?;
    world.settle().await?;
    let broken = vec![("services/pay/dev/config.yaml".to_owned(), "kind: [".to_owned())];
    world.push_dry("cart 3", [service("cart", "v3"), broken].concat()).await?;
    world.settle().await?;
    // The one that is merged last brings what is older.
    for lane in ["cart", "pay"] {
        world.promote_lane("dev", lane).await?;
        world.settle().await?;
        world.healthy_all(&["dev"]).await?;
    }
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart cart 3, is verified
    dev/pay  pay 2, is verified; cart 2 changes nothing
             ! cart 3 could not be hydrated: services/pay/dev/config.yaml:1: `pay`: unclosed bracket '['
    hydromote/hydrate on cart 3: dev: services/pay/dev/config.yaml:1: `pay`: unclosed bracket '['
    ");
    world.push_dry("undivide", vec![("hydromote.yaml".to_owned(), divided("", &DEV))]).await?;
    world.settle().await?;
    // It renders up to cart 2, and cart is further on.
    insta::assert_snapshot!(world.board().await?, @"
    dev      pay 2, is verified
             ! undivide could not be hydrated: services/pay/dev/config.yaml:1: `pay`: unclosed bracket '['
             ! cart 3 could not be hydrated: services/pay/dev/config.yaml:1: `pay`: unclosed bracket '['
    hydromote/hydrate on cart 3: dev: services/pay/dev/config.yaml:1: `pay`: unclosed bracket '['
    hydromote/hydrate on undivide: dev: services/pay/dev/config.yaml:1: `pay`: unclosed bracket '['
    ");
    assert_eq!(world.file("env/dev", "cart/manifest.yaml").await?, Some(config("v3")));
    world.push_dry("pay 3", service("pay", "v3")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      pay 2, is verified; wants pay 3 in #5
             - waits for a person to promote it
             ! undivide could not be hydrated: services/pay/dev/config.yaml:1: `pay`: unclosed bracket '['
             ! cart 3 could not be hydrated: services/pay/dev/config.yaml:1: `pay`: unclosed bracket '['
    hydromote/hydrate on cart 3: dev: services/pay/dev/config.yaml:1: `pay`: unclosed bracket '['
    hydromote/hydrate on undivide: dev: services/pay/dev/config.yaml:1: `pay`: unclosed bracket '['
    ");
    world.finish().await
}
