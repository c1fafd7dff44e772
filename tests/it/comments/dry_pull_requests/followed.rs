//! What our comment says while a commit travels, and when it ends.

use hydromote::local_forge::MergeMethod;

use super::with_dry_pull;
use crate::world::{DEVELOPER, READER, REPOSITORY, TestResult, everywhere};

#[tokio::test]
async fn before_the_merge_it_is_said_what_comes_then() -> TestResult {
    let (mut world, number) = with_dry_pull().await?;
    world.comment_on(DEVELOPER, number, "/hydromote status\n/promote prod\n/hydromote diff\n/reject").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, is verified
    #3 is open: second
    #3 hydromote: This pull request is not merged yet. Once it is, it becomes a dry commit of `main`, and goes to `dev` and `prod` as their gates open; this comment then says how far it is.

    | environment | runs now | held | would change |
    |---|---|---|---|
    | dev | first |  | 1 changed |
    | prod | first |  | 1 changed |

    **Preview** of (commit), merged with first of `main` and compared with it:

    | | resource | environments |
    |---|---|---|
    | changed | `ConfigMap web` | dev, prod |

    <details><summary>Differences</summary>

    ````diff
    # dev, prod
    --- ConfigMap web
    +++ ConfigMap web
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

    `/reject` by developer:

    Not done: this pull request is not merged yet. Once it is, what it changes is proposed in each environment; write the command again then.

    `/hydromote diff` by developer:

    Not done: this pull request is not merged yet. Once it is, what it changes is proposed in each environment; write the command again then.

    `/promote prod` by developer:

    Not done: this pull request is not merged yet. Once it is, what it changes is proposed in each environment; write the command again then.

    `/hydromote status` by developer:

    This comment says how it stands, and is kept up to date.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #3 developer: /hydromote status
    /promote prod
    /hydromote diff
    /reject
    ");
    world
        .comment_on(
            DEVELOPER,
            number,
            "/hydromote hold prod reason=\"a fair\"\n/hydromote retry\n/hydromote unhold\n/hydromote hold stagin",
        )
        .await?;
    insta::assert_snapshot!(world.board().await?, @r#"
    dev      first, is verified
    prod     first, is verified
             - developer holds it: a fair
             = developer holds it: a fair (Strict)
    #3 is open: second
    #3 hydromote: This pull request is not merged yet. Once it is, it becomes a dry commit of `main`, and goes to `dev` and `prod` as their gates open; this comment then says how far it is.

    | environment | runs now | held | would change |
    |---|---|---|---|
    | dev | first |  | 1 changed |
    | prod | first | developer holds it: a fair | 1 changed |

    **Preview** of (commit), merged with first of `main` and compared with it:

    | | resource | environments |
    |---|---|---|
    | changed | `ConfigMap web` | dev, prod |

    <details><summary>Differences</summary>

    ````diff
    # dev, prod
    --- ConfigMap web
    +++ ConfigMap web
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

    `/hydromote hold stagin` by developer:

    There is no environment `stagin` in `acme/shop/shop`. There is `dev`, `prod`.

    `/hydromote unhold` by developer:

    `unhold` names no environment, and this pull request is about more than one. Name one: `/hydromote unhold dev` or `/hydromote unhold prod`.

    `/hydromote retry` by developer:

    What had failed is tried again.

    `/hydromote hold prod reason="a fair"` by developer:

    prod is held: nothing is promoted to it until somebody writes `/hydromote unhold prod`.

    `/reject` by developer:

    Not done: this pull request is not merged yet. Once it is, what it changes is proposed in each environment; write the command again then.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #3 developer: /hydromote status
    /promote prod
    /hydromote diff
    /reject
    #3 developer: /hydromote hold prod reason="a fair"
    /hydromote retry
    /hydromote unhold
    /hydromote hold stagin
    "#);
    world.finish().await
}

#[tokio::test]
async fn a_commit_is_followed_on_its_whole_way() -> TestResult {
    let (mut world, number) = with_dry_pull().await?;
    let comment = world.comment_on(READER, number, "/hydromote status").await?;
    assert_eq!(world.reactions(comment).await?, "hydromote: eyes");
    world.merge_dry_pull(number, MergeMethod::Squash).await?;
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

    `/hydromote status` by reader:

    This comment says how it stands, and is kept up to date.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #3 reader: /hydromote status
    ");
    world.healthy_all(&["dev"]).await?;
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

    `/hydromote status` by reader:

    This comment says how it stands, and is kept up to date.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #3 reader: /hydromote status
    ");
    world.comment_on(DEVELOPER, number, "/promote").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    prod     second, `health` has not been reported
    #3 hydromote: This pull request became the dry commit second of `main`.

    | environment | what became of it | closed gates |
    |---|---|---|
    | dev | it runs since (time); is verified |  |
    | prod | it runs since (time); `health` has not been reported |  |

    It renders as previewed.

    `/promote` by developer:

    Done: prod runs second.

    `/hydromote status` by reader:

    This comment says how it stands, and is kept up to date.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #3 reader: /hydromote status
    #3 developer: /promote
    ");
    world.healthy_all(&["prod"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    prod     second, is verified
    #3 hydromote: This pull request became the dry commit second of `main`. It has been everywhere: this comment is edited again when somebody gives a command.

    | environment | what became of it | closed gates |
    |---|---|---|
    | dev | it runs since (time); is verified |  |
    | prod | it runs since (time); is verified |  |

    It renders as previewed.

    `/promote` by developer:

    Done: prod runs second.

    `/hydromote status` by reader:

    This comment says how it stands, and is kept up to date.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #3 reader: /hydromote status
    #3 developer: /promote
    ");
    let told = world.forge.comments(REPOSITORY, number).await?;
    world.push_dry("third", everywhere("v3")).await?;
    world.settle().await?;
    assert_eq!(world.forge.comments(REPOSITORY, number).await?, told, "it was told to its end");
    insta::assert_snapshot!(world.board().await?, @"
    dev      third, `health` has not been reported
    prod     second, is verified; wants third in #7
             - waits for `health` on dev, which has not been reported
             - waits for a person to promote it
    #3 hydromote: This pull request became the dry commit second of `main`. It has been everywhere: this comment is edited again when somebody gives a command.

    | environment | what became of it | closed gates |
    |---|---|---|
    | dev | it runs since (time); is verified |  |
    | prod | it runs since (time); is verified |  |

    It renders as previewed.

    `/promote` by developer:

    Done: prod runs second.

    `/hydromote status` by reader:

    This comment says how it stands, and is kept up to date.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #3 reader: /hydromote status
    #3 developer: /promote
    ");
    world.finish().await
}

#[tokio::test]
async fn whatever_the_way_of_merging_its_commit_is_found() -> TestResult {
    for method in [MergeMethod::Merge, MergeMethod::Squash, MergeMethod::Rebase] {
        let (mut world, number) = with_dry_pull().await?;
        world.merge_dry_pull(number, method).await?;
        world.comment_on(READER, number, "/hydromote status").await?;
        let board = world.board().await?;
        assert!(board.contains("This pull request became the dry commit second of `main`."), "{method:?}: {board}");
        assert!(board.contains("| prod | it is proposed here"), "{method:?}: {board}");
        world.finish().await?;
    }
    Ok(())
}

#[tokio::test]
async fn one_that_was_closed_says_so() -> TestResult {
    let (mut world, number) = with_dry_pull().await?;
    world.forge.as_user(DEVELOPER).close(REPOSITORY, number).await?;
    world.comment_on(DEVELOPER, number, "/promote prod\n/hydromote status").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, is verified
    #3 was closed: second
    #3 hydromote: This pull request was closed without being merged: nothing of it is promoted.

    `/hydromote status` by developer:

    This comment says how it stands, and is kept up to date.

    `/promote prod` by developer:

    Not done: this pull request was closed without being merged, so nothing of it is promoted. Write the command on the pull request whose commit it is about.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #3 developer: /promote prod
    /hydromote status
    ");
    world.reopen(number).await?;
    world.settle().await?;
    let reopened = world.board().await?;
    assert!(reopened.contains("#3 hydromote: This pull request is not merged yet."), "{reopened}");
    world.finish().await
}
