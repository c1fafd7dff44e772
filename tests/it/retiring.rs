//! Strategies that are deleted, and environments that go or are proposed elsewhere: what is left behind.

use crate::world::{Fallible, READER, TestResult, World, config, everywhere, strategy};

const FILE: &str = "hydromote.yaml";

/// Starts with first verified everywhere, and second in dev and proposed for staging.
async fn proposed() -> Fallible<World> {
    let mut world = World::with_environments(&["dev", "staging"]).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    world.board().await?;
    Ok(world)
}

#[tokio::test]
async fn a_strategy_that_is_deleted_ends_and_leaves_what_runs() -> TestResult {
    let mut world = proposed().await?;
    let before = world.branches().await?;
    world.delete_dry("gone", FILE).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    #4 was closed: Promote second to staging: second
    hydromote/staging on (commit): Closed by Hydromote: the strategy shop was deleted
    ");
    world.restart().await?;
    world.push_dry("more", everywhere("v3")).await?;
    world.settle().await?;
    let after = world.branches().await?;
    let of_environments = |name: &&String| name.starts_with("env/");
    for name in before.keys().filter(of_environments) {
        assert_eq!(after.get(name), before.get(name), "{name}");
    }
    assert_eq!(world.file("env/dev", "shop/manifest.yaml").await?, Some(config("v2")));
    insta::assert_snapshot!(world.board().await?, @"
    #4 was closed: Promote second to staging: second
    hydromote/staging on (commit): Closed by Hydromote: the strategy shop was deleted
    ");
    world.finish().await
}

#[tokio::test]
async fn a_strategy_that_comes_back_goes_on_where_it_was() -> TestResult {
    let mut world = proposed().await?;
    world.delete_dry("gone", FILE).await?;
    world.settle().await?;
    world.push_dry("back", vec![(FILE.to_owned(), strategy(&["dev", "staging"]))]).await?;
    world.settle().await?;
    let back = world.board().await?;
    insta::assert_snapshot!(back, @"
    dev      second, `health` has not been reported; back changes nothing
    staging  first, is verified; wants second in #5
             - waits for `health` on dev, which has not been reported
    #4 was closed: Promote second to staging: second
    hydromote/hydrate on gone: dev: the strategy `shop` is not in this commit
    ");
    world.restart_without_database().await?;
    world.settle().await?;
    assert_eq!(world.board().await?, back);
    world.healthy("dev").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified; back changes nothing
    staging  second, `health` has not been reported; back changes nothing
    #4 was closed: Promote second to staging: second
    hydromote/hydrate on gone: dev: the strategy `shop` is not in this commit
    ");
    world.finish().await
}

#[tokio::test]
async fn a_strategy_that_holds_is_deleted_on_somebodys_word_alone() -> TestResult {
    let named = format!("spec:\n  permissions: {{override: [\"user:{READER}\"]}}\n");
    let mut world = World::with_strategy(&strategy(&["dev", "staging"]).replace("spec:\n", &named)).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.hold("staging", "audit").await?;
    let number = world.open_deletion("gone", FILE).await?;
    insta::assert_snapshot!(world.board().await?, @r#"
    dev      first, is verified
    staging  first, is verified
             - developer holds it: audit
             = developer holds it: audit (Strict)
    #3 is open: gone
    #3 hydromote: This pull request is not merged yet. Once it is, it becomes a dry commit of `main`, and goes to `dev` and `staging` as their gates open; this comment then says how far it is.

    | environment | runs now | held | would change |
    |---|---|---|---|
    | dev | first |  | is no longer in the strategy |
    | staging | first | developer holds it: audit | is no longer in the strategy |

    **Preview** of (commit), merged with first of `main` and compared with it: nothing that is rendered changes.

    **Strategy** `shop`:

    - the strategy ends: nothing is promoted by it any more, and what it brought stays on its branches
    - dev goes; `env/dev` stays as it is
    - staging goes; `env/staging` stays as it is

    It drops what is under way:

    - staging would no longer be held (developer holds it: audit)

    It comes into force when somebody with maintain access, or a place in `permissions.override`, writes `/hydromote override reason="…"` here, or when none of that is under way any more. Until then the strategy in force stays, also once this is merged; nothing is promoted then.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    hydromote/preview on (commit): needs `/hydromote override`: staging would no longer be held (developer holds it: audit)
    "#);
    world.merge_dry_pull(number, hydromote::local_forge::MergeMethod::Squash).await?;
    let kept = world.board().await?;
    insta::assert_snapshot!(kept, @r#"
    dev      first, is verified
    staging  first, is verified
             - developer holds it: audit
             = developer holds it: audit (Strict)
    mistake: gone deletes the strategy from `hydromote.yaml`, which drops what is under way, and waits for `/hydromote override` on its pull request, or `hydromote override`
    mistake:   staging would no longer be held (developer holds it: audit)
    #3 hydromote: This pull request became the dry commit gone of `main`.

    | environment | what became of it | closed gates |
    |---|---|---|
    | dev | it is looked at next |  |
    | staging | it waits for dev, which does not run it yet | developer holds it: audit |

    **Strategy** `shop`, which is not in force as this pull request has it:

    - the strategy ends: nothing is promoted by it any more, and what it brought stays on its branches
    - dev goes; `env/dev` stays as it is
    - staging goes; `env/staging` stays as it is

    It drops what is under way:

    - staging would no longer be held (developer holds it: audit)

    It comes into force when somebody with maintain access, or a place in `permissions.override`, writes `/hydromote override reason="…"` here, or when none of that is under way any more. Until then the strategy in force stays, and nothing is promoted.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    hydromote/preview on (commit): needs `/hydromote override`: staging would no longer be held (developer holds it: audit)
    hydromote/strategy/shop on gone: Not in force without an override: staging would no longer be held (developer holds it: audit)
    "#);
    world.restart_without_database().await?;
    world.settle().await?;
    assert_eq!(world.board().await?, kept);
    world.comment_on(READER, number, "/hydromote override reason=\"the shop closes\"").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @r#"
    #3 hydromote: This pull request became the dry commit gone of `main`, where no strategy is in force any more: nothing is promoted.

    `/hydromote override reason="the shop closes"` by reader:

    Accepted for gone: the strategy may be changed so, although it drops what is under way. This is bound to the text of the file as it is now.

    <!-- hydromote:status-comment -->
    #3 reader: /hydromote override reason="the shop closes"
    hydromote/preview on (commit): needs `/hydromote override`: staging would no longer be held (developer holds it: audit)
    "#);
    world.finish().await
}

#[tokio::test]
async fn a_strategy_that_holds_ends_when_the_hold_does() -> TestResult {
    let mut world = proposed().await?;
    world.hold("staging", "audit").await?;
    world.delete_dry("gone", FILE).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, `health` has not been reported
    staging  first, is verified; wants second in #4
             - the newest strategy is not in force: gone deletes the strategy from `hydromote.yaml`, which drops what is under way, and waits for `/hydromote override` on its pull request, or `hydromote override`
             - developer holds it: audit
             - waits for `health` on dev, which has not been reported
             = developer holds it: audit (Strict)
    mistake: gone deletes the strategy from `hydromote.yaml`, which drops what is under way, and waits for `/hydromote override` on its pull request, or `hydromote override`
    mistake:   staging would no longer be held (developer holds it: audit)
    hydromote/strategy/shop on gone: Not in force without an override: staging would no longer be held (developer holds it: audit)
    ");
    world.unhold("staging").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    #4 was closed: Promote second to staging: second
    hydromote/staging on (commit): Closed by Hydromote: the strategy shop was deleted
    ");
    world.finish().await
}

#[tokio::test]
async fn nothing_ends_while_a_strategy_file_has_mistakes_or_the_branch_is_elsewhere() -> TestResult {
    let mut world = proposed().await?;
    let broken = strategy(&["dev", "staging, autoMrege: false"]);
    world.replace_dry("moved", FILE, vec![(".hydromote/shop.yaml".to_owned(), broken)]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, `health` has not been reported
    staging  first, is verified; wants second in #4
             - the newest strategy is not in force: the strategy is no longer in `hydromote.yaml` on main, and may be in `.hydromote/shop.yaml`, which has mistakes
             - waits for `health` on dev, which has not been reported
    mistake: the strategy is no longer in `hydromote.yaml` on main, and may be in `.hydromote/shop.yaml`, which has mistakes
    ");
    // What stands where the folder belongs is no folder without strategies.
    world.push_dry("no folder", vec![(".hydromote".to_owned(), "nothing".to_owned())]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    [hydromote]
    mistake: .hydromote:1:1: the file holds no strategy
    mistake:   write one, or remove the file; `hydromote init` proposes one
    [shop]
    dev      second, `health` has not been reported
    staging  first, is verified; wants second in #4
             - the newest strategy is not in force: the strategy is no longer in `hydromote.yaml` on main, and may be in `.hydromote`, which has mistakes
             - waits for `health` on dev, which has not been reported
    mistake: the strategy is no longer in `hydromote.yaml` on main, and may be in `.hydromote`, which has mistakes
    ");
    let other = world.unrelated_commit("README.md", "Something else.")?;
    world.force_push("main", &other).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, `health` has not been reported
    staging  first, is verified; #4 is open
    mistake: the strategy is no longer in `hydromote.yaml` on main, whose history is another one than that of second, which had it; put it back to go on
    ");
    world.finish().await
}

#[tokio::test]
async fn what_is_proposed_for_an_environment_that_goes_or_is_proposed_elsewhere_is_closed() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging", "prod"]).await?;
    world.settle().await?;
    world.board().await?;
    let elsewhere = strategy(&["dev", "staging, proposedBranch: env/staging-shop-next"]);
    world.push_dry("elsewhere", vec![(FILE.to_owned(), elsewhere)]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, `health` has not been reported; elsewhere changes nothing
    staging  nothing; wants elsewhere in #4
             - waits for `health` on dev, which has not been reported
    #2 was closed: Promote first to staging: first
    #3 was closed: Promote first to prod: first
    hydromote/prod on (commit): Closed by Hydromote: prod is no longer in the strategy
    hydromote/staging on (commit): Closed by Hydromote: promotions to staging are proposed on env/staging-shop-next now
    ");
    world.finish().await
}
