//! Who is heard, and what counts as a command.

use super::waiting;
use crate::world::{BOT, DEVELOPER, OTHER_BOT, READER, STRANGER, TestResult};

#[tokio::test]
async fn who_lacks_the_right_is_told_so() -> TestResult {
    let mut world = waiting().await?;
    world.comment_by(READER, "prod", "/promote").await?;
    world.comment_by(STRANGER, "prod", "/rollback prod").await?;
    world.comment_by(READER, "prod", "/status").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for a person to promote it
    #2 reader: /promote
    #2 hydromote: Nothing runs in **prod** yet, and first is proposed here.

    | closed gate | since | who opens it |
    |---|---|---|
    | waits for a person to promote it | (time) | whoever may promote: `promote`, or a merge by hand |

    `/status` by reader:

    This comment says how it stands, and is kept up to date.

    `/rollback prod` by stranger:

    `rollback` needs maintain access to this repository, and stranger has write.

    `/promote` by reader:

    `promote` needs write access to this repository, and reader has read.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #2 stranger: /rollback prod
    #2 reader: /status
    ");
    world.finish().await
}

#[tokio::test]
async fn programs_are_not_heard() -> TestResult {
    let mut world = waiting().await?;
    world.comment_by(OTHER_BOT, "prod", "/promote").await?;
    world.comment_by(BOT, "prod", "/promote").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for a person to promote it
    #2 other-bot: /promote
    #2 hydromote: /promote
    ");
    world.finish().await
}

#[tokio::test]
async fn what_is_written_into_a_comment_later_does_not_count() -> TestResult {
    let mut world = waiting().await?;
    let comment = world.comment_by(DEVELOPER, "prod", "Looks good.").await?;
    world.home().as_user(DEVELOPER).edit_comment(world.home_name(), comment, "/promote").await?;
    world.ring_the_timer()?;
    world.settle().await?;
    assert_eq!(world.reactions(comment).await?, "");
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for a person to promote it
    #2 developer: /promote
    ");
    world.finish().await
}

#[tokio::test]
async fn code_quotes_and_talk_about_commands_get_silence() -> TestResult {
    let mut world = waiting().await?;
    world.comment_by(DEVELOPER, "prod", "Write `/promote` then.\n\n```\n/promote\n```\n\n> /promote").await?;
    world.comment_by(DEVELOPER, "prod", "/lgtm").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for a person to promote it
    #2 developer: Write `/promote` then.

    ```
    /promote
    ```

    > /promote
    #2 developer: /lgtm
    ");
    world.finish().await
}
