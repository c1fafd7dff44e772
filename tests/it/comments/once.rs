//! That each command is done once, for what its author saw.

use hydromote::local_forge::{Fault, FaultKind, Release};
use jiff::SignedDuration;

use super::waiting;
use crate::world::{BOT, DEVELOPER, TestResult, World, everywhere};

#[tokio::test]
async fn a_comment_whose_webhook_is_lost_is_found_by_the_timer() -> TestResult {
    let mut world = waiting().await?;
    world.home().lose_webhooks(1);
    let comment = world.comment_by(DEVELOPER, "prod", "/promote").await?;
    assert_eq!(world.reactions(comment).await?, "");
    world.ring_the_timer()?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, `health` has not been reported
    #2 developer: /promote
    #2 hydromote: This pull request has ended. **prod** runs first.

    `/promote` by developer:

    Done: prod runs first.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    world.finish().await
}

#[tokio::test]
async fn a_comment_whose_webhook_comes_twice_is_done_once() -> TestResult {
    let mut world = waiting().await?;
    world.home().hold_webhooks();
    let number = world.open_pull("prod").await?.number;
    world.home().as_user(DEVELOPER).comment(world.home_name(), number, "/retry").await?;
    world.home().release_webhooks(Release::Doubled);
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for a person to promote it
    #2 developer: /retry
    #2 hydromote: Nothing runs in **prod** yet, and first is proposed here.

    | closed gate | since | who opens it |
    |---|---|---|
    | waits for a person to promote it | (time) | whoever may promote: `promote`, or a merge by hand |

    `/retry` by developer:

    What had failed is tried again.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    world.finish().await
}

#[tokio::test]
async fn a_restart_repeats_no_command() -> TestResult {
    let mut world = waiting().await?;
    world.comment_by(DEVELOPER, "prod", "/retry").await?;
    let before = world.board().await?;
    world.restart().await?;
    world.settle().await?;
    assert_eq!(world.board().await?, before);
    world.finish().await
}

#[tokio::test]
async fn a_command_in_whose_middle_the_service_was_killed_is_not_repeated() -> TestResult {
    let mut world = waiting().await?;
    world.home().hold_webhooks();
    let number = world.open_pull("prod").await?.number;
    let comment = world.home().as_user(DEVELOPER).comment(world.home_name(), number, "/promote").await?;
    world.leave_half_done(comment, number).await?;
    world.home().release_webhooks(Release::InOrder);
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

    The service stopped while it did this, and does not know how far it came. Look at what is there now, and write the command again if it is still needed.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    world.finish().await
}

#[tokio::test]
async fn the_loss_of_the_database_repeats_no_command_and_forgets_none() -> TestResult {
    let mut world = waiting().await?;
    world.comment_by(DEVELOPER, "prod", "/retry").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for a person to promote it
    #2 developer: /retry
    #2 hydromote: Nothing runs in **prod** yet, and first is proposed here.

    | closed gate | since | who opens it |
    |---|---|---|
    | waits for a person to promote it | (time) | whoever may promote: `promote`, or a merge by hand |

    `/retry` by developer:

    What had failed is tried again.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    world.stop().await;
    let number = world.open_pull("prod").await?.number;
    world.home().as_user(DEVELOPER).comment(world.home_name(), number, "/status").await?;
    world.restart_without_database().await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for a person to promote it
    #2 developer: /retry
    #2 hydromote: Nothing runs in **prod** yet, and first is proposed here.

    | closed gate | since | who opens it |
    |---|---|---|
    | waits for a person to promote it | (time) | whoever may promote: `promote`, or a merge by hand |

    `/status` by developer:

    This comment says how it stands, and is kept up to date.

    `/retry` by developer:

    This was done before; what was answered has been lost together with the service's database.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #2 developer: /status
    ");
    world.finish().await
}

#[tokio::test]
async fn a_promotion_is_dropped_with_words_when_something_else_is_proposed() -> TestResult {
    let prod = "prod, autoMerge: false, newer: supersede, proposedCommitStatuses: [{key: ticket}]";
    let mut world = World::with_environments(&["dev", prod]).await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    world.healthy_all(&["dev", "dev"]).await?;
    world.comment_by(DEVELOPER, "prod", "/promote").await?;
    world.force_push_dry("first", "third", everywhere("v3")).await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      third, is verified
    prod     nothing; wants third in #2
             - `ticket` has not been reported on the proposal
             - waits for a person to promote it
    #2 developer: /promote
    #2 hydromote: Nothing runs in **prod** yet, and third is proposed here.

    | closed gate | since | who opens it |
    |---|---|---|
    | `ticket` has not been reported on the proposal | (time) | whoever reports `ticket` on the head of the pull request |
    | waits for a person to promote it | (time) | whoever may promote: `promote`, or a merge by hand |

    `/promote` by developer:

    Dropped: what is proposed for prod is no longer second. Look at what is there now, and write the command again.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    world.finish().await
}

#[tokio::test]
async fn a_comment_on_what_its_author_did_not_see_promotes_nothing() -> TestResult {
    let mut world = waiting().await?;
    world.home().lose_webhooks(1);
    let comment = world.comment_by(DEVELOPER, "prod", "/promote").await?;
    world.home().backdate_comment(world.home_name(), comment, SignedDuration::from_mins(5)).await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    world.ring_the_timer()?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    prod     nothing; wants second in #2
             - waits for a person to promote it
    #2 developer: /promote
    #2 hydromote: Nothing runs in **prod** yet, and second is proposed here.

    | closed gate | since | who opens it |
    |---|---|---|
    | waits for a person to promote it | (time) | whoever may promote: `promote`, or a merge by hand |

    `/promote` by developer:

    Not done: the commit that is proposed for prod came after this comment was written, or is about to change. Look at what is there now, and write the command again.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    world.finish().await
}

#[tokio::test]
async fn a_reaction_and_an_answer_whose_answers_are_lost_are_made_once() -> TestResult {
    let mut world = waiting().await?;
    for (method, path) in [("POST", "/reactions"), ("POST", "/issues/2/comments")] {
        let (method, kind) = (Some(method.to_owned()), FaultKind::AnswerLost(502));
        world.home().fail(Fault { method, path_contains: path.to_owned(), times: 1, kind });
    }
    let comment = world.home().as_user(DEVELOPER).comment(world.home_name(), 2, "/retry").await?;
    // Each lost answer ends a look, and the next one goes on.
    for _ in 0..2 {
        drop(world.settle().await);
    }
    world.settle().await?;
    assert_eq!(world.reactions(comment).await?, "hydromote: eyes");
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for a person to promote it
    #2 developer: /retry
    #2 hydromote: Nothing runs in **prod** yet, and first is proposed here.

    | closed gate | since | who opens it |
    |---|---|---|
    | waits for a person to promote it | (time) | whoever may promote: `promote`, or a merge by hand |

    `/retry` by developer:

    What had failed is tried again.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    world.finish().await
}

#[tokio::test]
async fn a_promotion_whose_acceptance_was_answered_with_an_error_is_told_as_done() -> TestResult {
    let mut world = waiting().await?;
    let head = world.open_pull("prod").await?.head_sha;
    let (method, kind) = (Some("POST".to_owned()), FaultKind::AnswerLost(502));
    let path_contains = format!("/statuses/{head}");
    let comment = world.home().as_user(DEVELOPER).comment(world.home_name(), 2, "/promote").await?;
    world.home().fail(Fault { method, path_contains, times: 1, kind });
    // The next look reads the acceptance back, and merges before it comes to the comment again.
    drop(world.settle().await);
    world.settle().await?;
    assert_eq!(world.reactions(comment).await?, "hydromote: eyes");
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, `health` has not been reported
    #2 developer: /promote
    #2 hydromote: This pull request has ended. **prod** runs first.

    `/promote` by developer:

    Done: prod runs first.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    world.finish().await
}

#[tokio::test]
async fn while_few_calls_are_left_comments_wait_and_promotions_go_on() -> TestResult {
    let mut world = waiting().await?;
    world.home().spend_calls(BOT, 4_600);
    let comment = world.home().as_user(DEVELOPER).comment(world.home_name(), 2, "/promote").await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    assert_eq!(world.reactions(comment).await?, "");
    let board = world.board().await?;
    assert!(board.starts_with("dev      second, `health` has not been reported"), "{board}");
    let told = " calls to the forge are left, which are kept for merges; comments wait ";
    assert!(board.contains(told), "{board}");
    world.finish().await
}

#[tokio::test]
async fn where_comments_may_not_be_read_promotions_go_on() -> TestResult {
    let mut world = waiting().await?;
    let (path_contains, kind) = ("/issues/comments".to_owned(), FaultKind::Status(403));
    world.home().fail(Fault { method: None, path_contains, times: u32::MAX, kind });
    world.comment_by(DEVELOPER, "prod", "/promote").await?;
    world.promote("prod").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, `health` has not been reported
    #2 developer: /promote
    ");
    world.home().clear_faults();
    world.finish().await
}

#[tokio::test]
async fn looks_at_which_nothing_changes_ask_nothing_about_comments() -> TestResult {
    let mut world = waiting().await?;
    world.comment_by(DEVELOPER, "prod", "/status").await?;
    let before = world.calls_about_comments();
    world.healthy_all(&["dev", "dev"]).await?;
    world.pass_minutes(10)?;
    world.settle().await?;
    assert_eq!(world.calls_about_comments(), before);
    world.board().await?;
    world.finish().await
}

#[tokio::test]
async fn our_comment_comes_back_when_somebody_deletes_it() -> TestResult {
    let mut world = waiting().await?;
    world.comment_by(DEVELOPER, "prod", "/status").await?;
    let (path_contains, kind) = ("/issues/comments/".to_owned(), FaultKind::Status(404));
    world.home().fail(Fault { method: Some("PATCH".to_owned()), path_contains, times: 1, kind });
    world.comment_by(DEVELOPER, "prod", "/retry").await?;
    let ours = world.home().comments(world.home_name(), 2).await?.into_iter().filter(|comment| comment.author == BOT);
    assert_eq!(ours.count(), 2, "the one that the forge says is gone, and the new one");
    world.board().await?;
    world.finish().await
}
