//! In which order environments move, and what they wait for.

use std::path::Path;

use crate::world::{TestResult, World, everywhere, only};

#[tokio::test]
async fn the_first_commit_ever_creates_the_branches_through_pull_requests() -> TestResult {
    let mut world = World::empty().await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"");
    let strategy = crate::world::strategy(&["dev", "staging"]);
    let files = everywhere("v1").into_iter().chain([("hydromote.yaml".to_owned(), strategy)]).collect();
    world.push_dry("first", files).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, `health` has not been reported
    staging  nothing; wants first in #2
             - waits for `health` on dev, which has not been reported
    ");
    assert_eq!(
        world.file("env/dev", "shop/manifest.yaml").await?.as_deref(),
        Some(crate::world::config("v1").as_str())
    );
    assert_eq!(world.file("env/staging", "shop/manifest.yaml").await?, None);
    world.finish().await
}

#[tokio::test]
async fn staging_waits_until_dev_reports_health() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging"]).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, `health` has not been reported
    staging  first, is verified; wants second in #4
             - waits for `health` on dev, which has not been reported
    ");
    world.healthy("dev").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    staging  second, `health` has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn another_layout_is_one_promotion_there_and_one_back() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging"]).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    let plain = crate::world::strategy(&["dev", "staging"]);
    let laid_out = plain.replace("  sources:", "  render: {layout: resources}\n  sources:");
    for (commit, strategy, there, gone) in [
        ("second", laid_out, "shop/configmap_web.yaml", "shop/manifest.yaml"),
        ("third", plain, "shop/manifest.yaml", "shop/configmap_web.yaml"),
    ] {
        world.push_dry(commit, vec![("hydromote.yaml".to_owned(), strategy)]).await?;
        world.settle().await?;
        world.healthy_all(&["dev", "staging"]).await?;
        for branch in ["env/dev", "env/staging"] {
            assert_eq!(world.file(branch, there).await?.as_deref(), Some(crate::world::config("v1").as_str()));
            assert_eq!(world.file(branch, gone).await?, None);
        }
        assert_eq!(world.board().await?, format!("dev      {commit}, is verified\nstaging  {commit}, is verified"));
    }
    world.finish().await
}

#[tokio::test]
async fn the_shop_goes_through_all_environments_with_helm_and_kustomize() -> TestResult {
    let mut world = World::empty().await?;
    world.push_dry("first", folder("examples/shop")?).await?;
    world.settle().await?;
    world.healthy_all(&["dev", "staging"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    staging  first, is verified
    prod     nothing; wants first in #3
             - waits for a person to promote it
    ");
    world.promote("prod").await?;
    world.settle().await?;
    world.healthy_all(&["prod"]).await?;

    let values = std::fs::read_to_string("examples/shop/charts/web/values.yaml")?;
    let bump = values.replace("web:1.0.0", "web:1.1.0");
    world.push_dry("bump", vec![("charts/web/values.yaml".to_owned(), bump)]).await?;
    world.settle().await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.promote("prod").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      bump, is verified
    staging  bump, is verified
    prod     bump, `health` has not been reported
    ");

    world.healthy_all(&["prod"]).await?;
    let web = std::fs::read_to_string("examples/shop/environments/prod/web.yaml")?;
    world
        .push_dry("log less in prod", vec![("environments/prod/web.yaml".to_owned(), format!("{web}logLevel: warn\n"))])
        .await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      bump, is verified; log less in prod changes nothing
    staging  bump, is verified; log less in prod changes nothing
    prod     bump, is verified; wants log less in prod in #7
             - waits for a person to promote it
    ");
    world.finish().await
}

#[tokio::test]
async fn a_commit_that_changes_nothing_in_the_middle_passes_it() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging", "prod"]).await?;
    world.healthy_all(&["dev", "staging", "prod"]).await?;
    let files = only("dev", "v2").into_iter().chain(only("prod", "v2")).collect();
    world.push_dry("not staging", files).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      not staging, `health` has not been reported
    staging  first, is verified
    prod     first, is verified; wants not staging in #5
             - waits for staging, which is unchanged by it and waits for dev
    ");
    world.healthy("dev").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      not staging, is verified
    staging  first, is verified; not staging changes nothing
    prod     not staging, `health` has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn a_commit_that_changes_nothing_anywhere_is_taken_without_a_pull_request() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging"]).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.push_dry("words", vec![("README.md".to_owned(), "words\n".to_owned())]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified; words changes nothing
    staging  first, is verified; words changes nothing
    ");
    assert_eq!(world.home().pull_requests(world.home_name()).await?.len(), 2);
    world.finish().await
}

#[tokio::test]
async fn a_soak_ends_when_its_time_has_passed() -> TestResult {
    let mut world = World::with_environments(&["dev, soak: 10m", "staging"]).await?;
    world.healthy("dev").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, soaks until (time)
    staging  nothing; wants first in #2
             - waits for dev, which soaks until (time)
    ");
    world.pass_minutes(11)?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    staging  first, `health` has not been reported
    ");
    world.finish().await
}

/// Returns every file below a folder of the project.
fn folder(path: &str) -> Result<Vec<(String, String)>, std::io::Error> {
    let (mut files, mut folders) = (Vec::new(), vec![Path::new(path).to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next)? {
            let entry = entry?.path();
            if entry.is_dir() {
                folders.push(entry);
            } else {
                let name = entry.strip_prefix(path).unwrap_or(&entry).display().to_string();
                files.push((name, std::fs::read_to_string(&entry)?));
            }
        }
    }
    Ok(files)
}
