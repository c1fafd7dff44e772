//! Rollbacks, holds and rejections by comment.

use hydromote::local_forge::StatusState;

use crate::world::{DEVELOPER, STRANGER, TestResult, World, config, everywhere};

#[tokio::test]
async fn an_environment_is_held_and_let_go_by_comment() -> TestResult {
    let mut world = World::with_environments(&["dev", "prod, autoMerge: false"]).await?;
    world.healthy("dev").await?;
    world.settle().await?;
    world.comment_by(DEVELOPER, "prod", "/hold reason=\"the database is being moved\"\n/promote").await?;
    insta::assert_snapshot!(world.board().await?, @r#"
    dev      first, is verified
    prod     nothing; wants first in #2
             - developer holds it: the database is being moved
             = developer holds it: the database is being moved (Strict)
    #2 developer: /hold reason="the database is being moved"
    /promote
    #2 hydromote: Nothing runs in **prod** yet, and first is proposed here.

    | closed gate | since | who opens it |
    |---|---|---|
    | developer holds it: the database is being moved | (time) | whoever may roll back: `unhold prod` |

    `/promote` by developer:

    Accepted: prod gets first as soon as all other gates are open.

    `/hold reason="the database is being moved"` by developer:

    prod is held: nothing is promoted to it until somebody writes `/hydromote unhold prod`.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    "#);
    world.comment_by(DEVELOPER, "prod", "/unhold").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @r#"
    dev      first, is verified
    prod     first, `health` has not been reported
    #2 developer: /hold reason="the database is being moved"
    /promote
    #2 hydromote: This pull request has ended. **prod** runs first.

    `/unhold` by developer:

    Taken back for prod: the hold of developer.

    `/promote` by developer:

    Done: prod runs first.

    `/hold reason="the database is being moved"` by developer:

    prod is held: nothing is promoted to it until somebody writes `/hydromote unhold prod`.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #2 developer: /unhold
    "#);
    world.finish().await
}

#[tokio::test]
async fn an_environment_before_is_rolled_back_from_the_pull_request_after_it() -> TestResult {
    let mut world = World::with_environments(&["dev", "prod, autoMerge: false"]).await?;
    world.healthy("dev").await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    world.report("dev", "health", StatusState::Failure).await?;
    world.settle().await?;
    world.comment_by(DEVELOPER, "prod", "/rollback dev steps=1 reason=\"it fails\"").await?;
    world.settle().await?;
    assert_eq!(world.file("env/dev", "shop/manifest.yaml").await?, Some(config("v1")));
    insta::assert_snapshot!(world.board().await?, @r#"
    dev      first, `health` has not been reported
             = developer rolled it back: it fails (Next)
             ! second is kept out by the rollback of dev; it waits for a fix, a revert or `unhold dev`
    prod     nothing; wants first in #2
             - waits for a person to promote it
             ! second is kept out by the rollback of dev; it waits for a fix, a revert or `unhold dev`
    #2 developer: /rollback dev steps=1 reason="it fails"
    #2 hydromote: Nothing runs in **prod** yet, and first is proposed here.

    | closed gate | since | who opens it |
    |---|---|---|
    | waits for a person to promote it | (time) | whoever may promote: `promote`, or a merge by hand |

    > second is kept out by the rollback of dev; it waits for a fix, a revert or `unhold dev`

    `/rollback dev steps=1 reason="it fails"` by developer:

    dev goes back from second to first. What carries the content of second is kept out until a fix, a revert or `/hydromote unhold dev`.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    "#);
    world.finish().await
}

#[tokio::test]
async fn what_is_proposed_is_rejected_by_comment() -> TestResult {
    let mut world = World::with_environments(&["dev", "prod, autoMerge: false"]).await?;
    world.healthy("dev").await?;
    world.settle().await?;
    world.comment_by(DEVELOPER, "prod", "/reject reason=\"not before the audit\"").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @r#"
    dev      first, was rejected by developer
             ! first was rejected by developer: not before the audit; `unreject first` takes that back
    prod     nothing
             ! first was rejected by developer: not before the audit; `unreject first` takes that back
    #2 was closed: Promote first to prod: first
    #2 developer: /reject reason="not before the audit"
    #2 hydromote: This pull request has ended. Nothing runs in **prod** yet.

    > first was rejected by developer: not before the audit; `unreject first` takes that back

    `/reject reason="not before the audit"` by developer:

    first is promoted nowhere, and verified nowhere, until somebody writes `/hydromote unreject first`. Newer commits still bring what it changed. It goes on running in dev; `/hydromote rollback` brings back what ran before.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    hydromote/prod on (commit): Closed by Hydromote: its dry commit was rejected
    hydromote/reject/shop on first: Rejected by developer: not before the audit
    "#);
    world.finish().await
}

#[tokio::test]
async fn drift_is_restored_by_comment_by_those_who_may_and_never_unseen() -> TestResult {
    let mut world = World::with_environments(&["dev", "prod, autoMerge: false"]).await?;
    world.healthy("dev").await?;
    world.settle().await?;
    let by_hand = |version| vec![("shop/manifest.yaml".to_owned(), config(version))];
    world.push_foreign("dev", by_hand("by-hand")).await?;
    world.settle().await?;
    world.comment_by(STRANGER, "prod", "/hydromote adopt dev").await?;
    world.comment_by(DEVELOPER, "prod", "/hydromote restore dev reason=\"a mistake\"").await?;
    assert_eq!(world.file("env/dev", "shop/manifest.yaml").await?, Some(config("v1")));
    world.push_foreign("dev", by_hand("hotfix")).await?;
    world.settle().await?;
    world.comment_by(DEVELOPER, "prod", "/hydromote adopt dev").await?;
    insta::assert_snapshot!(world.board().await?, @r#"
    dev      first, runs what developer adopted, which verifies nothing
             ! developer adopted what others put here; it verifies nothing
    prod     nothing; wants first in #2
             - waits for a person to promote it
    #2 stranger: /hydromote adopt dev
    #2 hydromote: Nothing runs in **prod** yet, and first is proposed here.

    | closed gate | since | who opens it |
    |---|---|---|
    | waits for a person to promote it | (time) | whoever may promote: `promote`, or a merge by hand |

    `/hydromote adopt dev` by developer:

    dev runs what (commit) brought. It verifies nothing; the next promotion replaces it.

    `/hydromote restore dev reason="a mistake"` by developer:

    dev gets back what was promoted last, over (commit). Files that Hydromote does not own stay.

    `/hydromote adopt dev` by stranger:

    `adopt` needs maintain access to this repository, and stranger has write.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #2 developer: /hydromote restore dev reason="a mistake"
    #2 developer: /hydromote adopt dev
    "#);
    world.finish().await
}
