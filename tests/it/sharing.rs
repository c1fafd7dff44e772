//! Strategies that share the branches of their environments.

use crate::world::{Fallible, Files, TestResult, World, config, everywhere, strategy};

/// A strategy beside the one that every story has, with the same branches.
fn blog(environments: &[&str]) -> String {
    let apart = |text: &&str| {
        let (name, more) = text.split_once(',').unwrap_or((text, ""));
        let more = if more.is_empty() { String::new() } else { format!(",{more}") };
        format!("{name}, proposedBranch: env/{name}-blog-next{more}")
    };
    let environments: Vec<String> = environments.iter().map(apart).collect();
    let environments: Vec<&str> = environments.iter().map(String::as_str).collect();
    strategy(&environments)
        .replace("name: shop", "name: blog")
        .replace("output: shop", "output: blog")
        .replace("apps/", "blog/")
}

/// A version of the blog for both environments.
fn posts(version: &str) -> Files {
    ["dev", "staging"].map(|environment| (format!("blog/{environment}/web.yaml"), config(version))).into()
}

/// Two strategies whose first content is verified in both environments.
async fn both() -> Fallible<World> {
    let mut world = World::empty().await?;
    let mut files = [everywhere("v1"), posts("v1")].concat();
    files.push((".hydromote/shop.yaml".to_owned(), strategy(&["dev", "staging"])));
    files.push((".hydromote/blog.yaml".to_owned(), blog(&["dev", "staging"])));
    world.push_dry("first", files).await?;
    world.settle().await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.settle().await?;
    Ok(world)
}

#[tokio::test]
async fn strategies_that_share_branches_promote_side_by_side() -> TestResult {
    let mut world = both().await?;
    insta::assert_snapshot!(world.board().await?, @"
    [blog]
    dev      first, is verified
    staging  first, is verified
    [shop]
    dev      first, is verified
    staging  first, is verified
    ");
    for (branch, file) in [("env/dev", "shop/manifest.yaml"), ("env/staging", "blog/manifest.yaml")] {
        assert_eq!(world.file(branch, file).await?, Some(config("v1")));
    }
    world.push_dry("posts", posts("v2")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    [blog]
    dev      posts, `health` has not been reported
    staging  first, is verified; wants posts in #6
             - waits for `health` on dev, which has not been reported
    [shop]
    dev      first, is verified; posts changes nothing
    staging  first, is verified; posts changes nothing
    ");
    // A report on a head that the other strategy made counts for both.
    world.push_dry("shop", everywhere("v2")).await?;
    world.settle().await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    [blog]
    dev      posts, is verified; shop changes nothing
    staging  posts, is verified; shop changes nothing
    [shop]
    dev      shop, is verified
    staging  shop, is verified
    ");
    assert_eq!(world.file("env/staging", "shop/manifest.yaml").await?, Some(config("v2")));
    assert_eq!(world.file("env/staging", "blog/manifest.yaml").await?, Some(config("v2")));
    world.finish().await
}

#[tokio::test]
async fn what_stops_one_strategy_on_a_branch_leaves_the_other_alone() -> TestResult {
    let mut world = both().await?;
    world.turn_to("blog")?;
    world.hold("staging", "a reader complained").await?;
    world.push_dry("second", posts("v2")).await?;
    world.settle().await?;
    world.push_dry("third", everywhere("v2")).await?;
    world.settle().await?;
    world.healthy("dev").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    [blog]
    dev      second, is verified; third changes nothing
    staging  first, is verified; wants second in #6
             - developer holds it: a reader complained
             = developer holds it: a reader complained (Strict)
    [shop]
    dev      third, is verified
    staging  third, `health` has not been reported
    ");
    world.roll_back("dev", "the posts are upside down").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    [blog]
    dev      first, `health` has not been reported
             = developer rolled it back: the posts are upside down (Next)
             ! third is kept out by the rollback of dev; it waits for a fix, a revert or `unhold dev`
             ! second is kept out by the rollback of dev; it waits for a fix, a revert or `unhold dev`
    staging  first, is verified
             - developer holds it: a reader complained
             = developer holds it: a reader complained (Strict)
             ! third is kept out by the rollback of dev; it waits for a fix, a revert or `unhold dev`
             ! second is kept out by the rollback of dev; it waits for a fix, a revert or `unhold dev`
    [shop]
    dev      third, is verified
    staging  third, `health` has not been reported
    #6 was closed: Promote second to staging: second
    hydromote/staging on (commit): Closed by Hydromote: kept out by the rollback of dev
    hydromote/verified:blog on (commit): second is no longer verified in dev: it was rolled back
    ");
    assert_eq!(world.file("env/dev", "blog/manifest.yaml").await?, Some(config("v1")));
    assert_eq!(world.file("env/dev", "shop/manifest.yaml").await?, Some(config("v2")));
    let before = world.board().await?;
    world.restart_without_database().await?;
    world.settle().await?;
    assert_eq!(world.board().await?, before);
    world.finish().await
}

#[tokio::test]
async fn a_strategy_that_is_deleted_leaves_its_folders_on_a_shared_branch() -> TestResult {
    let mut world = both().await?;
    world.delete_dry("no blog", ".hydromote/blog.yaml").await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    staging  second, is verified
    ");
    assert_eq!(world.file("env/staging", "blog/manifest.yaml").await?, Some(config("v1")));
    world.finish().await
}

#[tokio::test]
async fn a_strategy_that_is_renamed_goes_on_with_its_folders() -> TestResult {
    let mut world = both().await?;
    let renamed = blog(&["dev", "staging"]).replace("name: blog", "name: journal");
    let files = [posts("v2"), vec![(".hydromote/blog.yaml".to_owned(), renamed)]].concat();
    world.push_dry("renamed", files).await?;
    world.settle().await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    [journal]
    dev      renamed, is verified
    staging  renamed, is verified
    [shop]
    dev      first, is verified; renamed changes nothing
    staging  first, is verified; renamed changes nothing
    ");
    assert_eq!(world.file("env/staging", "blog/manifest.yaml").await?, Some(config("v2")));
    world.finish().await
}

#[tokio::test]
async fn a_strategy_that_is_renamed_goes_on_with_what_is_proposed_and_what_people_refused() -> TestResult {
    let mut world = both().await?;
    world.push_dry("refused", posts("v2")).await?;
    world.settle().await?;
    let pull = world.on_forge().await?.pulls.values().map(|pull| pull.number).max().ok_or("nothing is proposed")?;
    world.close_pull(pull).await?;
    world.push_dry("fixed", posts("v3")).await?;
    world.settle().await?;
    let renamed = blog(&["dev", "staging"]).replace("name: blog", "name: journal");
    world.push_dry("renamed", vec![(".hydromote/blog.yaml".to_owned(), renamed)]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    [journal]
    dev      refused, `health` has not been reported; wants fixed in #7
             - what runs here is not settled: `health` has not been reported
    staging  first, is verified; wants fixed in #8
             - waits for dev, which does not run it yet
             ! refused was rejected by closing #6; reopen it to take that back
    [shop]
    dev      first, is verified; renamed changes nothing
    staging  first, is verified; renamed changes nothing
    #6 was closed: Promote refused to staging: refused
    ");
    world.push_dry("again", posts("v2")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    [journal]
    dev      refused, `health` has not been reported; again changes nothing
    staging  first, is verified; wants fixed in #8
             - waits for dev, which does not run it yet
             ! again was rejected by closing #6; reopen it to take that back
             ! refused was rejected by closing #6; reopen it to take that back
    [shop]
    dev      first, is verified; again changes nothing
    staging  first, is verified; again changes nothing
    #6 was closed: Promote refused to staging: refused
    #7 was closed: Promote fixed to dev: fixed
    hydromote/dev on (commit): Closed by Hydromote: nothing is left to promote
    ");
    world.finish().await
}

#[tokio::test]
async fn a_strategy_that_is_renamed_while_it_holds_stays_until_somebody_says_so() -> TestResult {
    let mut world = both().await?;
    world.turn_to("blog")?;
    world.hold("staging", "a reader complained").await?;
    let renamed = blog(&["dev", "staging"]).replace("name: blog", "name: journal");
    let files = [posts("v2"), vec![(".hydromote/blog.yaml".to_owned(), renamed)]].concat();
    world.push_dry("renamed", files).await?;
    world.settle().await?;
    let before = world.board().await?;
    insta::assert_snapshot!(before, @"
    [blog]
    dev      first, is verified
    staging  first, is verified
             - developer holds it: a reader complained
             = developer holds it: a reader complained (Strict)
    mistake: `.hydromote/blog.yaml` in renamed drops what is under way, and waits for `/hydromote override` on its pull request, or `hydromote override`
    mistake:   staging would no longer be held (developer holds it: a reader complained)
    [shop]
    dev      first, is verified; renamed changes nothing
    staging  first, is verified; renamed changes nothing
    hydromote/strategy/blog on renamed: Not in force without an override: staging would no longer be held (developer holds it: a reader complained)
    ");
    world.restart_without_database().await?;
    world.settle().await?;
    assert_eq!(world.board().await?, before);
    world.unhold("staging").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    [journal]
    dev      renamed, `health` has not been reported
    staging  first, is verified; wants renamed in #6
             - waits for `health` on dev, which has not been reported
    [shop]
    dev      first, is verified; renamed changes nothing
    staging  first, is verified; renamed changes nothing
    ");
    world.finish().await
}

#[tokio::test]
async fn outputs_of_strategies_on_one_branch_do_not_meet() -> TestResult {
    let mut world = both().await?;
    let inside = blog(&["dev", "staging"]).replace("output: blog", "output: shop/blog");
    world.push_dry("inside", vec![(".hydromote/blog.yaml".to_owned(), inside)]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    [blog]
    dev      first, is verified; wants inside
             - `shop/blog` would stand with `shop` of the strategy `shop`, which shares the branch; give one of them another `output`
    staging  first, is verified; wants inside
             - `shop/blog` would stand with `shop` of the strategy `shop`, which shares the branch; give one of them another `output`
             - waits for dev, which does not run it yet
    [shop]
    dev      first, is verified; inside changes nothing
    staging  first, is verified; inside changes nothing
    ");
    world.finish().await
}

#[tokio::test]
async fn a_forced_push_is_drift_of_the_strategy_whose_content_it_took_alone() -> TestResult {
    let mut world = both().await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    world.push_dry("third", posts("v2")).await?;
    world.settle().await?;
    let before = world.before("env/dev").await?;
    world.force_push("env/dev", &before).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    [blog]
    dev      first, is verified; second changes nothing; wants third
             - somebody unknown changed `blog` with a forced push, which took (commit) away
    staging  first, is verified; second changes nothing; wants third in #8
             - waits for dev, which does not run it yet
    [shop]
    dev      second, `health` has not been reported; third changes nothing
    staging  first, is verified; wants second in #6
             - waits for `health` on dev, which has not been reported
    hydromote/drift/dev:blog on (commit): somebody unknown changed `blog` with a forced push, which took (commit) away
    ");
    world.finish().await
}

#[tokio::test]
async fn an_environment_goes_to_another_strategy_when_its_own_has_let_it_go() -> TestResult {
    let mut world = both().await?;
    world.turn_to("blog")?;
    world.hold("staging", "a reader complained").await?;
    let files = [("shop", strategy(&["dev"])), ("blog", blog(&["dev"]))]
        .map(|(name, text)| (format!(".hydromote/{name}.yaml"), text));
    let stage = blog(&["staging"]).replace("name: blog", "name: stage");
    world.push_dry("moved", files.into_iter().chain([(".hydromote/stage.yaml".to_owned(), stage)]).collect()).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    [blog]
    dev      first, is verified
    staging  first, is verified
             - developer holds it: a reader complained
             = developer holds it: a reader complained (Strict)
    mistake: `.hydromote/blog.yaml` in moved drops what is under way, and waits for `/hydromote override` on its pull request, or `hydromote override`
    mistake:   staging would no longer be held (developer holds it: a reader complained)
    [shop]
    dev      first, is verified; moved changes nothing
    [stage]
    mistake: `.hydromote/stage.yaml` proposes on a branch of the strategy `blog`, which is in force as it was; it waits for that to end
    hydromote/strategy/blog on moved: Not in force without an override: staging would no longer be held (developer holds it: a reader complained)
    ");
    world.unhold("staging").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    [blog]
    dev      first, is verified; moved changes nothing
    [shop]
    dev      first, is verified; moved changes nothing
    [stage]
    staging  first, is verified; moved changes nothing
    ");
    world.finish().await
}

#[tokio::test]
async fn one_strategy_takes_the_place_of_two() -> TestResult {
    let mut world = both().await?;
    let one = strategy(&["dev", "staging, proposedBranch: env/staging-blog-next"]).replace("name: shop", "name: all");
    world.delete_dry("no blog", ".hydromote/blog.yaml").await?;
    world.delete_dry("no shop", ".hydromote/shop.yaml").await?;
    world.push_dry("joined", vec![(".hydromote/all.yaml".to_owned(), one)]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified; joined changes nothing
    staging  nothing; wants joined
             - hydromote changed `shop` on the branch in (commit)
    hydromote/drift/staging:all on (commit): hydromote changed `shop` on the branch in (commit)
    hydromote/hydrate on no shop: dev: the strategy `all` is not in this commit
    ");
    world.finish().await
}

#[tokio::test]
async fn outputs_that_would_meet_are_not_both_merged_though_each_fits_by_itself() -> TestResult {
    let mut world = both().await?;
    let inside = strategy(&["dev", "staging"]).replace("output: shop", "output: notes/shop");
    let around = blog(&["dev", "staging"]).replace("output: blog", "output: notes");
    let files = [("shop", inside), ("blog", around)].map(|(name, text)| (format!(".hydromote/{name}.yaml"), text));
    world.push_dry("notes", files.into()).await?;
    world.settle().await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.settle().await?;
    // Which of them goes first is chance: that the other one waits is not.
    let board = world.board().await?;
    assert_eq!(board.matches("would stand with").count(), 2, "{board}");
    for branch in ["env/dev", "env/staging"] {
        let (inside, around) = ("notes/shop/manifest.yaml", "notes/manifest.yaml");
        let is_there = [world.file(branch, inside).await?.is_some(), world.file(branch, around).await?.is_some()];
        assert_eq!(is_there.into_iter().filter(|there| *there).count(), 1, "{branch}: {board}");
    }
    world.finish().await
}

#[tokio::test]
async fn a_folder_that_is_not_rendered_any_more_goes_with_the_old_name() -> TestResult {
    let mut world = both().await?;
    let renamed =
        blog(&["dev", "staging"]).replace("name: blog", "name: journal").replace("output: blog", "output: log");
    world.push_dry("renamed", vec![(".hydromote/blog.yaml".to_owned(), renamed)]).await?;
    // What was called so before is read from the dry line.
    world.restart_without_database().await?;
    world.settle().await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    [journal]
    dev      renamed, is verified
    staging  renamed, is verified
    [shop]
    dev      first, is verified; renamed changes nothing
    staging  first, is verified; renamed changes nothing
    ");
    for branch in ["env/dev", "env/staging"] {
        assert_eq!(world.file(branch, "blog/manifest.yaml").await?, None);
        assert_eq!(world.file(branch, "log/manifest.yaml").await?, Some(config("v1")));
        assert_eq!(world.file(branch, "shop/manifest.yaml").await?, Some(config("v1")));
    }
    world.finish().await
}

#[tokio::test]
async fn what_a_deleted_strategy_left_stays_when_another_one_comes_to_its_branches() -> TestResult {
    let mut world = both().await?;
    world.delete_dry("no blog", ".hydromote/blog.yaml").await?;
    world.settle().await?;
    let later = blog(&["dev", "staging"]).replace("name: blog", "name: journal").replace("output: blog", "output: log");
    world.push_dry("journal", vec![(".hydromote/journal.yaml".to_owned(), later)]).await?;
    world.settle().await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    [journal]
    dev      journal, is verified
    staging  journal, is verified
    [shop]
    dev      first, is verified; journal changes nothing
    staging  first, is verified; journal changes nothing
    ");
    for path in ["blog/manifest.yaml", "log/manifest.yaml"] {
        assert_eq!(world.file("env/staging", path).await?, Some(config("v1")), "{path}");
    }
    world.finish().await
}
