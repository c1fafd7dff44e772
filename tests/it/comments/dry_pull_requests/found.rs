//! What is found again when webhooks or the database are lost, and what that costs.

use hydromote::local_forge::MergeMethod;

use super::with_dry_pull;
use crate::world::{DEVELOPER, READER, REPOSITORY, TestResult, World, everywhere};

#[tokio::test]
async fn a_comment_and_a_merge_whose_webhooks_are_lost_are_found_by_the_timer() -> TestResult {
    let (mut world, number) = with_dry_pull().await?;
    world.forge.lose_webhooks(1);
    let comment = world.comment_on(DEVELOPER, number, "/hydromote status").await?;
    assert_eq!(world.reactions(comment).await?, "");
    world.ring_the_timer()?;
    world.settle().await?;
    assert_eq!(world.reactions(comment).await?, "hydromote: eyes");
    world.forge.lose_webhooks(10);
    world.merge_dry_pull(number, MergeMethod::Squash).await?;
    world.forge.lose_webhooks(0);
    world.comment_on(DEVELOPER, number, "/promote").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, is verified
    #3 hydromote: This pull request became the dry commit second, which is not on `main` as it was last read: it is about to be read, it is older than all that counts, or a forced push took it away.

    `/promote` by developer:

    Not done: the commit of this pull request is not on the dry branch as it was last read. When it was merged just now, write the command again in a moment.

    `/hydromote status` by developer:

    This comment says how it stands, and is kept up to date.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #3 developer: /hydromote status
    #3 developer: /promote
    ");
    world.ring_the_timer()?;
    world.settle().await?;
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

    `/promote` by developer:

    Not done: the commit of this pull request is not on the dry branch as it was last read. When it was merged just now, write the command again in a moment.

    `/hydromote status` by developer:

    This comment says how it stands, and is kept up to date.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #3 developer: /hydromote status
    #3 developer: /promote
    ");
    world.finish().await
}

#[tokio::test]
async fn the_loss_of_the_database_loses_neither_our_comment_nor_a_command() -> TestResult {
    let (mut world, number) = with_dry_pull().await?;
    world.comment_on(READER, number, "/hydromote status").await?;
    world.merge_dry_pull(number, MergeMethod::Squash).await?;
    world.stop().await;
    world.forge.as_user(DEVELOPER).comment(REPOSITORY, number, "/hydromote retry").await?;
    world.restart_without_database().await?;
    world.settle().await?;
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

    `/hydromote retry` by developer:

    What had failed is tried again.

    `/hydromote status` by reader:

    This was done before; what was answered has been lost together with the service's database.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #3 reader: /hydromote status
    #3 developer: /hydromote retry
    ");
    world.finish().await
}

#[tokio::test]
async fn nobody_is_asked_about_pull_requests_on_which_nobody_gave_a_command() -> TestResult {
    let (mut world, number) = with_dry_pull().await?;
    let before = (world.calls_about_pull_requests(), world.calls_about_comments());
    world.forge.hold_webhooks();
    world.pass_minutes(10)?;
    world.settle().await?;
    assert_eq!((world.calls_about_pull_requests(), world.calls_about_comments()), before);
    world.forge.release_webhooks(hydromote::local_forge::Release::InOrder);
    world.comment_on(DEVELOPER, number, "What does this change?").await?;
    assert_eq!(world.calls_about_pull_requests(), before.0);
    world.board().await?;
    world.finish().await
}

#[tokio::test]
async fn the_timer_asks_once_for_all_of_them() -> TestResult {
    let (mut world, number) = with_dry_pull().await?;
    let another = world.open_dry_pull("third", everywhere("v3")).await?;
    let calls = async |world: &mut World| {
        let before = world.calls_about_pull_requests();
        world.ring_the_timer()?;
        world.settle().await?;
        Ok::<_, Box<dyn std::error::Error>>(world.calls_about_pull_requests() - before)
    };
    let without = calls(&mut world).await?;
    world.comment_on(READER, number, "/hydromote status").await?;
    world.comment_on(READER, another, "/hydromote status").await?;
    assert_eq!(calls(&mut world).await?, without);
    world.board().await?;
    world.finish().await
}
