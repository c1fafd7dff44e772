//! On which pull requests commands are done.

use hydromote::local_forge::{Fault, FaultKind, MergeMethod};

use super::waiting;
use crate::world::{DEVELOPER, TestResult};

#[tokio::test]
async fn nothing_is_promoted_from_a_pull_request_that_has_ended() -> TestResult {
    let mut world = waiting().await?;
    let number = world.open_pull("prod").await?.number;
    world.merge_by_hand("prod", MergeMethod::Merge).await?;
    world.settle().await?;
    world.comment_on(DEVELOPER, number, "/promote").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, `health` has not been reported
    #2 developer: /promote
    #2 hydromote: This pull request has ended. **prod** runs first.

    `/promote` by developer:

    Not done: this pull request has ended. Nothing waits to be promoted to prod.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    world.finish().await
}

#[tokio::test]
async fn our_comment_follows_a_pull_request_that_is_closed_and_opened_again() -> TestResult {
    let mut world = waiting().await?;
    world.comment_by(DEVELOPER, "prod", "/status").await?;
    let before = world.board().await?;
    let number = world.close_by_hand("prod").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing
             ! first was rejected by closing #2; reopen it to take that back
    #2 was closed: Promote first to prod: first
    #2 developer: /status
    #2 hydromote: This pull request has ended. Nothing runs in **prod** yet.

    > first was rejected by closing #2; reopen it to take that back

    `/status` by developer:

    This comment says how it stands, and is kept up to date.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    world.reopen(number).await?;
    world.settle().await?;
    assert_eq!(world.board().await?, before);
    world.finish().await
}

#[tokio::test]
async fn a_locked_conversation_holds_up_no_other() -> TestResult {
    let mut world = waiting().await?;
    let (path_contains, kind) = ("/reactions".to_owned(), FaultKind::Status(403));
    world.forge.fail(Fault { method: Some("POST".to_owned()), path_contains, times: 1, kind });
    let locked = world.comment_by(DEVELOPER, "prod", "/promote").await?;
    assert_eq!(world.reactions(locked).await?, "");
    world.comment_by(DEVELOPER, "prod", "/status").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for a person to promote it
    #2 developer: /promote
    #2 developer: /status
    #2 hydromote: Nothing runs in **prod** yet, and first is proposed here.

    | closed gate | since | who opens it |
    |---|---|---|
    | waits for a person to promote it | (time) | whoever may promote: `promote`, or a merge by hand |

    `/status` by developer:

    This comment says how it stands, and is kept up to date.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    world.finish().await
}

#[tokio::test]
async fn a_pull_request_into_another_branch_than_the_dry_one_gets_silence() -> TestResult {
    let mut world = waiting().await?;
    let number = world.open_pull_into("env/dev", "a topic", vec![("x".to_owned(), "x".to_owned())]).await?;
    world.comment_on(DEVELOPER, number, "/promote").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for a person to promote it
    #3 is open: a topic
    #3 developer: /promote
    ");
    world.finish().await
}
