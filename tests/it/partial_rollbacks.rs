//! Rollbacks of some roots: what goes back, what stays, and what is kept out.

use crate::world::{Files, TestResult, World, config, strategy};

/// Returns a change of one service everywhere.
fn service(name: &str, version: &str) -> Files {
    let environments = ["dev", "staging"];
    environments.map(|environment| (format!("apps/{name}/{environment}/app.yaml"), config(version))).into()
}

/// Dev and staging run v2 of web and api, of which v1 is verified.
async fn both_changed() -> Result<World, Box<dyn std::error::Error>> {
    let services = strategy(&["dev", "staging"])
        .replace("path: apps/{environment}", "path: apps/{service}/{environment}")
        .replace("output: shop", "output: \"{service}\"");
    let mut world = World::empty().await?;
    let first = [service("web", "v1"), service("api", "v1"), vec![("hydromote.yaml".to_owned(), services)]];
    world.push_dry("first", first.concat()).await?;
    world.settle().await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.push_dry("second", [service("web", "v2"), service("api", "v2")].concat()).await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    Ok(world)
}

async fn versions(world: &World, environment: &str) -> Result<String, Box<dyn std::error::Error>> {
    let branch = format!("env/{environment}");
    let mut found = Vec::new();
    for service in ["web", "api"] {
        let text = world.file(&branch, &format!("{service}/manifest.yaml")).await?.unwrap_or_default();
        let version = text.lines().find_map(|line| line.trim().strip_prefix("version: ")).unwrap_or("none").to_owned();
        found.push(format!("{service} {version}"));
    }
    Ok(found.join(", "))
}

#[tokio::test]
async fn only_the_named_roots_go_back_and_only_they_are_kept_out() -> TestResult {
    let mut world = both_changed().await?;
    world.roll_back_only("staging", Some("service=web"), "web is slow").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    staging  first, `health` has not been reported
             = developer rolled it back: web is slow (Next)
             ! only `web` went back to first; the rest is of second
             ! second is kept out by the rollback of staging; it waits for a fix, a revert or `unhold staging`
    ");
    assert_eq!(versions(&world, "staging").await?, "web v1, api v2");
    world.restart_without_database().await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    staging  first, `health` has not been reported
             = developer rolled it back: web is slow (Next)
             ! only `web` went back to first; the rest is of second
             ! second is kept out by the rollback of staging; it waits for a fix, a revert or `unhold staging`
    ");

    world.push_dry("unrelated", service("api", "v3")).await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    assert_eq!(versions(&world, "staging").await?, "web v1, api v2");
    world.push_dry("fixed", service("web", "v3")).await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      fixed, is verified
    staging  fixed, `health` has not been reported
    ");
    assert_eq!(versions(&world, "staging").await?, "web v3, api v3");
    world.finish().await
}

#[tokio::test]
async fn a_rollback_of_some_roots_goes_on_without_the_database() -> TestResult {
    let mut world = both_changed().await?;
    world.roll_back_only("staging", Some("output=web"), "web is slow").await?;
    // Nothing of it was done yet: all that is left is what stands on the forge.
    world.restart_without_database().await?;
    world.settle().await?;
    assert_eq!(versions(&world, "staging").await?, "web v1, api v2");
    world.board().await?;
    world.finish().await
}

#[tokio::test]
async fn a_selection_of_nothing_is_refused() -> TestResult {
    let mut world = both_changed().await?;
    let mut refused = Vec::new();
    for only in ["service=db", "web", "team=shop,service=web"] {
        let error = world.roll_back_only("staging", Some(only), "web is slow").await.err();
        refused.push(world.in_words(&error.map(|error| error.to_string()).unwrap_or_default()));
    }
    insta::assert_snapshot!(refused.join("\n"), @"
    No root of staging that first had otherwise is `service=db`.
    `web` is no condition; write `label=value`.
    No root of staging that first had otherwise is `team=shop,service=web`.
    ");
    world.board().await?;
    world.finish().await
}
