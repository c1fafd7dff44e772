//! What commands do there: promote, roll back, reject, and who may.

use hydromote::local_forge::MergeMethod;

use super::with_dry_pull;
use crate::world::{DEVELOPER, READER, TestResult, World, everywhere, only, strategy};

#[tokio::test]
async fn only_what_brings_its_commit_is_promoted_from_it() -> TestResult {
    let (mut world, number) = with_dry_pull().await?;
    world.merge_dry_pull(number, MergeMethod::Squash).await?;
    world.comment_on(DEVELOPER, number, "/promote dev\n/hydromote diff prod\n/promote stagin").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, `health` has not been reported
    prod     first, is verified; wants second in #5
             - waits for `health` on dev, which has not been reported
             - waits for a person to promote it
    #3 hydromote: This pull request became the dry commit second of `main`.

    | environment | what became of it | closed gates |
    |---|---|---|
    | dev | it runs since (time); `health` has not been reported |  |
    | prod | it is proposed here (#5) | waits for `health` on dev, which has not been reported; waits for a person to promote it |

    It renders as previewed.

    `/promote stagin` by developer:

    There is no environment `stagin` in `acme/shop/shop`. There is `dev`, `prod`.

    `/hydromote diff prod` by developer:

    The promotion to prod changes 1 file: 1 line comes, 1 goes.

    <details><summary>Differences</summary>

    ````diff
    diff --git a/shop/manifest.yaml b/shop/manifest.yaml
    index (commit)..(commit) 100644
    --- a/shop/manifest.yaml
    +++ b/shop/manifest.yaml
    @@ -1,6 +1,6 @@
     apiVersion: v1
     data:
    -  version: v1
    +  version: v2
     kind: ConfigMap
     metadata:
       name: web
    ````

    </details>

    `/promote dev` by developer:

    Not done: nothing that is proposed for dev brings second. What became of it there: it runs since (time); `health` has not been reported.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #3 developer: /promote dev
    /hydromote diff prod
    /promote stagin
    ");
    world.finish().await
}

#[tokio::test]
async fn what_is_newer_brings_it_along() -> TestResult {
    let (mut world, number) = with_dry_pull().await?;
    world.merge_dry_pull(number, MergeMethod::Squash).await?;
    world.healthy_all(&["dev"]).await?;
    let newer = world.open_dry_pull("third", everywhere("v3")).await?;
    world.merge_dry_pull(newer, MergeMethod::Merge).await?;
    world.healthy_all(&["dev"]).await?;
    world.comment_on(DEVELOPER, number, "/promote").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      third, is verified
    prod     third, `health` has not been reported
    #3 hydromote: This pull request became the dry commit second of `main`. It has been everywhere: this comment is edited again when somebody gives a command.

    | environment | what became of it | closed gates |
    |---|---|---|
    | dev | it ran from (time); third runs now |  |
    | prod | it came along with third, which is newer |  |

    It renders as previewed.

    `/promote` by developer:

    Done: prod runs third.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #6 hydromote: This pull request became the dry commit third of `main`.

    | environment | what became of it | closed gates |
    |---|---|---|
    | dev | it runs since (time); is verified |  |
    | prod | it runs since (time); `health` has not been reported |  |

    It renders as previewed.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #3 developer: /promote
    ");
    world.finish().await
}

#[tokio::test]
async fn where_there_is_a_choice_it_must_be_named() -> TestResult {
    let mut world =
        World::with_environments(&["dev", "staging, autoMerge: false", "prod, autoMerge: false, dependsOn: [dev]"])
            .await?;
    world.healthy_all(&["dev"]).await?;
    world.promote("staging").await?;
    world.promote("prod").await?;
    world.settle().await?;
    world.healthy_all(&["staging", "prod"]).await?;
    let number = world.open_dry_pull("second", everywhere("v2")).await?;
    world.merge_dry_pull(number, MergeMethod::Squash).await?;
    world.healthy_all(&["dev"]).await?;
    world.comment_on(DEVELOPER, number, "/promote\n/hydromote diff\n/hydromote hold\n/rollback").await?;
    insta::assert_snapshot!(world.board().await?, @r#"
    dev      second, is verified
    staging  first, is verified; wants second in #6
             - waits for a person to promote it
    prod     first, is verified; wants second in #7
             - waits for a person to promote it
    #4 hydromote: This pull request became the dry commit second of `main`.

    | environment | what became of it | closed gates |
    |---|---|---|
    | dev | it runs since (time); is verified |  |
    | staging | it is proposed here (#6) | waits for a person to promote it |
    | prod | it is proposed here (#7) | waits for a person to promote it |

    It renders as previewed.

    `/rollback` by developer:

    `rollback` names no environment. Write it as `/hydromote rollback <environment> [to=<commit>|steps=<n>] [only=<labels>] [reason="…"]`.

    `/hydromote hold` by developer:

    `hold` names no environment, and this pull request is about more than one. Name one: `/hydromote hold dev`, `/hydromote hold staging` or `/hydromote hold prod`.

    `/hydromote diff` by developer:

    Not done: second is proposed for `staging` and `prod`. Name one: `/hydromote diff staging` or `/hydromote diff prod`.

    `/promote` by developer:

    Not done: second is proposed for `staging` and `prod`. Name one: `/hydromote promote staging` or `/hydromote promote prod`.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #4 developer: /promote
    /hydromote diff
    /hydromote hold
    /rollback
    "#);
    world.comment_on(DEVELOPER, number, "/promote staging").await?;
    insta::assert_snapshot!(world.board().await?, @r#"
    dev      second, is verified
    staging  second, `health` has not been reported
    prod     first, is verified; wants second in #7
             - waits for a person to promote it
    #4 hydromote: This pull request became the dry commit second of `main`.

    | environment | what became of it | closed gates |
    |---|---|---|
    | dev | it runs since (time); is verified |  |
    | staging | it runs since (time); `health` has not been reported |  |
    | prod | it is proposed here (#7) | waits for a person to promote it |

    It renders as previewed.

    `/promote staging` by developer:

    Done: staging runs second.

    `/rollback` by developer:

    `rollback` names no environment. Write it as `/hydromote rollback <environment> [to=<commit>|steps=<n>] [only=<labels>] [reason="…"]`.

    `/hydromote hold` by developer:

    `hold` names no environment, and this pull request is about more than one. Name one: `/hydromote hold dev`, `/hydromote hold staging` or `/hydromote hold prod`.

    `/hydromote diff` by developer:

    Not done: second is proposed for `staging` and `prod`. Name one: `/hydromote diff staging` or `/hydromote diff prod`.

    `/promote` by developer:

    Not done: second is proposed for `staging` and `prod`. Name one: `/hydromote promote staging` or `/hydromote promote prod`.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #4 developer: /promote
    /hydromote diff
    /hydromote hold
    /rollback
    #4 developer: /promote staging
    "#);
    world.finish().await
}

#[tokio::test]
async fn an_environment_is_rolled_back_from_it() -> TestResult {
    let (mut world, number) = with_dry_pull().await?;
    world.merge_dry_pull(number, MergeMethod::Squash).await?;
    world.comment_on(DEVELOPER, number, "/rollback dev reason=\"it is slow\"").await?;
    insta::assert_snapshot!(world.board().await?, @r#"
    dev      first, `health` has not been reported
             = developer rolled it back: it is slow (Next)
             ! second is kept out by the rollback of dev; it waits for a fix, a revert or `unhold dev`
    prod     first, is verified
             ! second is kept out by the rollback of dev; it waits for a fix, a revert or `unhold dev`
    #5 was closed: Promote second to prod: second (#3)
    #3 hydromote: This pull request became the dry commit second of `main`.

    | environment | what became of it | closed gates |
    |---|---|---|
    | dev | the rollback of dev keeps it out; it waits for a fix, a revert or `unhold dev` | developer rolled it back: it is slow |
    | prod | the rollback of dev keeps it out; it waits for a fix, a revert or `unhold dev` |  |

    It renders as previewed.

    `/rollback dev reason="it is slow"` by developer:

    dev goes back from second to first. What carries the content of second is kept out until a fix, a revert or `/hydromote unhold dev`.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #3 developer: /rollback dev reason="it is slow"
    hydromote/prod on (commit): Closed by Hydromote: kept out by the rollback of dev
    "#);
    world.finish().await
}

#[tokio::test]
async fn its_commit_is_rejected_and_taken_back_from_it() -> TestResult {
    let (mut world, number) = with_dry_pull().await?;
    world.merge_dry_pull(number, MergeMethod::Squash).await?;
    world.comment_on(DEVELOPER, number, "/reject reason=\"the wrong price\"").await?;
    insta::assert_snapshot!(world.board().await?, @r#"
    dev      second, was rejected by developer
             ! second was rejected by developer: the wrong price; `unreject second` takes that back
    prod     first, is verified
             ! second was rejected by developer: the wrong price; `unreject second` takes that back
    #5 was closed: Promote second to prod: second (#3)
    #3 hydromote: This pull request became the dry commit second of `main`.

    | environment | what became of it | closed gates |
    |---|---|---|
    | dev | it runs since (time); was rejected by developer |  |
    | prod | developer rejected it: the wrong price; push a fix, or take that back with `unreject` |  |

    It renders as previewed.

    `/reject reason="the wrong price"` by developer:

    second is promoted nowhere, and verified nowhere, until somebody writes `/hydromote unreject second`. Newer commits still bring what it changed. It goes on running in dev; `/hydromote rollback` brings back what ran before.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #3 developer: /reject reason="the wrong price"
    hydromote/prod on (commit): Closed by Hydromote: its dry commit was rejected
    hydromote/reject/shop on second: Rejected by developer: the wrong price
    "#);
    world.comment_on(DEVELOPER, number, "/unreject").await?;
    insta::assert_snapshot!(world.board().await?, @r#"
    dev      second, `health` has not been reported
    prod     first, is verified; wants second in #6
             - waits for `health` on dev, which has not been reported
             - waits for a person to promote it
    #5 was closed: Promote second to prod: second (#3)
    #3 hydromote: This pull request became the dry commit second of `main`.

    | environment | what became of it | closed gates |
    |---|---|---|
    | dev | it runs since (time); `health` has not been reported |  |
    | prod | it is proposed here (#6) | waits for `health` on dev, which has not been reported; waits for a person to promote it |

    It renders as previewed.

    `/unreject` by developer:

    second may be promoted again.

    `/reject reason="the wrong price"` by developer:

    second is promoted nowhere, and verified nowhere, until somebody writes `/hydromote unreject second`. Newer commits still bring what it changed. It goes on running in dev; `/hydromote rollback` brings back what ran before.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #3 developer: /reject reason="the wrong price"
    #3 developer: /unreject
    "#);
    world.finish().await
}

#[tokio::test]
async fn who_lacks_the_right_is_told_so() -> TestResult {
    let (mut world, number) = with_dry_pull().await?;
    world.merge_dry_pull(number, MergeMethod::Squash).await?;
    world.healthy_all(&["dev"]).await?;
    world.comment_on(READER, number, "/promote prod\n/hydromote hold prod").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    prod     first, is verified; wants second in #5
             - waits for a person to promote it
    #3 hydromote: This pull request became the dry commit second of `main`.

    | environment | what became of it | closed gates |
    |---|---|---|
    | dev | it runs since (time); is verified |  |
    | prod | it is proposed here (#5) | waits for a person to promote it |

    It renders as previewed.

    `/hydromote hold prod` by reader:

    `hold` needs triage access to this repository, and reader has read.

    `/promote prod` by reader:

    `promote` needs write access to this repository, and reader has read.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #3 reader: /promote prod
    /hydromote hold prod
    ");
    world.finish().await
}

#[tokio::test]
async fn two_strategies_on_one_branch_are_told_apart() -> TestResult {
    let other = strategy(&["dev", "prod"]).replace("name: shop", "name: cellar").replace("env/", "env/cellar-");
    let other = other.replace("output: shop", "output: cellar");
    let mut world = World::empty().await?;
    let mut files = everywhere("v1");
    files.push((".hydromote/cellar.yaml".to_owned(), other));
    files.push((".hydromote/shop.yaml".to_owned(), strategy(&["dev", "staging, autoMerge: false"])));
    world.push_dry("first", files).await?;
    world.settle().await?;
    let number = world.open_dry_pull("second", only("staging", "v2")).await?;
    world.merge_dry_pull(number, MergeMethod::Squash).await?;
    world.comment_on(DEVELOPER, number, "/hydromote hold dev\n/hydromote hold staging\n/promote").await?;
    // The strategies are looked at side by side: which of them opens its pull request first is open.
    let numbers = ["#1", "#2", "#3", "#4"];
    let board = numbers.iter().fold(world.board().await?, |board, number| board.replace(number, "#n"));
    insta::assert_snapshot!(board, @"
    [cellar]
    dev      first, `health` has not been reported; second changes nothing
    prod     nothing; wants first in #n
             - waits for `health` on dev, which has not been reported
    [shop]
    dev      first, `health` has not been reported; second changes nothing
    staging  nothing; wants second in #n
             - developer holds it
             - waits for `health` on dev, which has not been reported
             = developer holds it (Strict)
    #5 hydromote: This pull request became the dry commit second of `main`.

    | environment | what became of it | closed gates |
    |---|---|---|
    | cellar: dev | it changes nothing here and was taken; `health` has not been reported |  |
    | cellar: prod | it waits for `health` on dev, which has not been reported |  |
    | shop: dev | it changes nothing here and was taken; `health` has not been reported |  |
    | shop: staging | it is proposed here (#n) | developer holds it; waits for `health` on dev, which has not been reported |

    It renders as previewed.

    `/promote` by developer:

    Accepted: staging gets second as soon as all other gates are open.

    `/hydromote hold staging` by developer:

    staging is held: nothing is promoted to it until somebody writes `/hydromote unhold staging`.

    `/hydromote hold dev` by developer:

    The strategies `cellar` and `shop` each have an environment dev. Write the command on the promotion pull request of the one that you mean.

    [Status page of cellar](https://hydromote.example.com/strategies/acme/shop/cellar) · [Status page of shop](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #5 developer: /hydromote hold dev
    /hydromote hold staging
    /promote
    ");
    world.finish().await
}
