//! Strategy files that are broken, or several.

use crate::world::{TestResult, World, config, everywhere, strategy};

const FILE: &str = "hydromote.yaml";

#[tokio::test]
async fn a_strategy_that_a_commit_breaks_is_shown_with_its_mistake_and_promotes_nothing() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging"]).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    let broken = strategy(&["dev", "staging, autoMrege: false"]);
    let files = everywhere("v2").into_iter().chain([(FILE.to_owned(), broken)]).collect();
    world.push_dry("typo", files).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    staging  first, is verified
    mistake: hydromote.yaml:13:44: `autoMrege` is not a field here
    mistake:   did you mean `autoMerge`?
    ");
    world.push_dry("fix", vec![(FILE.to_owned(), strategy(&["dev", "staging"]))]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      fix, `health` has not been reported
    staging  first, is verified; wants fix in #4
             - waits for `health` on dev, which has not been reported
    hydromote/hydrate on typo: dev: hydromote.yaml:13: `autoMrege` is not a field here
    ");
    world.finish().await
}

#[tokio::test]
async fn a_strategy_that_never_was_right_is_shown_with_its_mistakes() -> TestResult {
    let mut world = World::with_strategy(&strategy(&["dev, dependsOn: [prod]", "staging, soak: soon"])).await?;
    insta::assert_snapshot!(world.board().await?, @"
    mistake: hydromote.yaml:12:48: there is no environment `prod`
    mistake:   environments are `dev` and `staging`
    mistake: hydromote.yaml:13:50: `soon` is not a duration
    mistake:   write a number and a unit, such as `30s`, `10m`, `1h30m` or `2d`; at most a year
    ");
    world.push_dry("fix", vec![(FILE.to_owned(), strategy(&["dev"]))]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      fix, `health` has not been reported");
    world.finish().await
}

#[tokio::test]
async fn several_strategies_go_their_own_ways() -> TestResult {
    let mut world = World::empty().await?;
    let shop = strategy(&["dev", "staging"]);
    let blog =
        strategy(&["dev"]).replace("name: shop", "name: blog").replace("env/", "blog/").replace("apps/", "blog/");
    world
        .push_dry(
            "first",
            everywhere("v1")
                .into_iter()
                .chain([
                    (".hydromote/shop.yaml".to_owned(), shop),
                    (".hydromote/blog.yaml".to_owned(), blog),
                    ("blog/dev/blog.yaml".to_owned(), config("v1")),
                ])
                .collect(),
        )
        .await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    [blog]
    dev      first, `health` has not been reported
    [shop]
    dev      first, `health` has not been reported
    staging  nothing; wants first in #3
             - waits for `health` on dev, which has not been reported
    ");
    world.push_dry("broken", vec![("blog/dev/blog.yaml".to_owned(), "kind: [".to_owned())]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    [blog]
    dev      first, `health` has not been reported
             ! broken could not be hydrated: blog/dev/blog.yaml:1: `shop`: unclosed bracket '['
    [shop]
    dev      first, `health` has not been reported; broken changes nothing
    staging  nothing; wants first in #3
             - waits for `health` on dev, which has not been reported
    hydromote/hydrate on broken: dev: blog/dev/blog.yaml:1: `shop`: unclosed bracket '['
    ");
    world.push_dry("second", everywhere("v2")).await?;
    // It is proposed before the word on dev comes, and goes back to what that is about.
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    [blog]
    dev      first, `health` has not been reported
             ! second could not be hydrated: blog/dev/blog.yaml:1: `shop`: unclosed bracket '['
             ! broken could not be hydrated: blog/dev/blog.yaml:1: `shop`: unclosed bracket '['
    [shop]
    dev      second, `health` has not been reported
    staging  broken, `health` has not been reported; wants second in #5
             - waits for `health` on dev, which has not been reported
             - what runs here is not settled: `health` has not been reported
    hydromote/hydrate on broken: dev: blog/dev/blog.yaml:1: `shop`: unclosed bracket '['
    hydromote/hydrate on second: dev: blog/dev/blog.yaml:1: `shop`: unclosed bracket '['
    ");
    world.finish().await
}
