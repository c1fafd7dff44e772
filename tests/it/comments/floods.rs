//! More than is read or done at once, and commands that the forge does not let be done.

use hydromote::{
    forge::COMMENTS_AT_ONCE,
    local_forge::{Fault, FaultKind},
};

use super::waiting;
use crate::world::{DEVELOPER, READER, TestResult, World};

/// Has the forge refuse the next status.
fn refuse_a_status(world: &World, code: u16) {
    world.home().fail(Fault {
        method: Some("POST".to_owned()),
        path_contains: "/statuses/".to_owned(),
        times: 1,
        kind: FaultKind::Status(code),
    });
}

#[tokio::test]
async fn a_command_after_more_comments_than_are_read_at_once_is_heard() -> TestResult {
    let mut world = waiting().await?;
    let number = world.open_pull("prod").await?.number;
    let reader = world.home().as_user(READER);
    let flood = COMMENTS_AT_ONCE + 50;
    world.home().lose_webhooks(u32::try_from(flood)?);
    for _ in 0..flood {
        reader.comment(world.home_name(), number, "+1").await?;
    }
    world.home().as_user(DEVELOPER).comment(world.home_name(), number, "/promote").await?;
    world.settle().await?;
    let board = world.board().await?;
    assert!(board.contains("prod     first, `health` has not been reported\n"), "{board}");
    world.finish().await
}

#[tokio::test]
async fn more_commands_than_are_done_in_one_look_are_all_done() -> TestResult {
    let mut world = waiting().await?;
    let number = world.open_pull("prod").await?.number;
    world.home().lose_webhooks(24);
    let mut last = 0;
    for _ in 0..25 {
        last = world.home().as_user(READER).comment(world.home_name(), number, "/hydromote status").await?;
    }
    world.settle().await?;
    assert_eq!(world.reactions(last).await?, "hydromote: eyes");
    let board = world.board().await?;
    assert_eq!(board.matches("#2 hydromote: ").count(), 1, "one answer for all: {board}");
    world.finish().await
}

#[tokio::test]
async fn a_command_that_the_forge_does_not_let_be_done_is_answered_in_its_words() -> TestResult {
    let mut world = waiting().await?;
    refuse_a_status(&world, 403);
    world.comment_by(DEVELOPER, "prod", "/promote").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for a person to promote it
    #2 developer: /promote
    #2 hydromote: Nothing runs in **prod** yet, and first is proposed here.

    | closed gate | since | who opens it |
    |---|---|---|
    | waits for a person to promote it | (time) | whoever may promote: `promote`, or a merge by hand |

    `/promote` by developer:

    Not done: the credentials do not suffice to post the status `hydromote/promote/prod` on `(commit)` of `acme/shop`: Server Error. See what the service may do there with `hydromote doctor --config`.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    world.finish().await
}

#[tokio::test]
async fn a_command_is_done_later_where_the_token_was_not_valid() -> TestResult {
    let mut world = waiting().await?;
    refuse_a_status(&world, 401);
    world.home().lose_webhooks(1);
    world.comment_by(DEVELOPER, "prod", "/promote").await?;
    world.ring_the_timer()?;
    let trouble = world.look_in_vain().await?;
    assert!(trouble.contains("the forge refused the credentials"), "{trouble}");
    world.settle().await?;
    let board = world.board().await?;
    assert!(board.contains("prod     first, `health` has not been reported\n"), "{board}");
    world.finish().await
}
