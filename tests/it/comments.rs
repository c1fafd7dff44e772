//! Commands in comments: who may give them, that each is done once, and what is answered.

use hydromote::local_forge::{Fault, FaultKind, MergeMethod, Release};
use jiff::SignedDuration;

use crate::world::{BOT, DEVELOPER, OTHER_BOT, READER, REPOSITORY, STRANGER, TestResult, World, everywhere};

/// Starts with dev healthy, and prod waiting for a person in #2.
async fn waiting() -> Result<World, Box<dyn std::error::Error>> {
    let mut world = World::with_environments(&["dev", "prod, autoMerge: false"]).await?;
    world.healthy_all(&["dev"]).await?;
    Ok(world)
}

#[tokio::test]
async fn a_comment_promotes() -> TestResult {
    let mut world = waiting().await?;
    let comment = world.comment_by(DEVELOPER, "prod", "Looks good.\r\n\r\n/promote").await?;
    assert_eq!(world.reactions(comment).await?, "hydromote: eyes");
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, `health` has not been reported
    #2 developer: Looks good.

    /promote
    #2 hydromote: This pull request has ended. **prod** runs first.

    `/promote` by developer:

    Done: prod runs first.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    world.finish().await
}

#[tokio::test]
async fn what_is_accepted_waits_for_the_other_gates_and_says_so() -> TestResult {
    let mut world = World::with_environments(&["dev", "prod, autoMerge: false"]).await?;
    world.comment_by(DEVELOPER, "prod", "@hydromote promote").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, `health` has not been reported
    prod     nothing; wants first in #2
             - waits for `health` on dev, which has not been reported
    #2 developer: @hydromote promote
    #2 hydromote: Nothing runs in **prod** yet, and first is proposed here.

    | closed gate | since |
    |---|---|
    | waits for `health` on dev, which has not been reported | (time) |

    `@hydromote promote` by developer:

    Accepted: prod gets first as soon as all other gates are open.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    world.healthy("dev").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, `health` has not been reported
    #2 developer: @hydromote promote
    #2 hydromote: This pull request has ended. **prod** runs first.

    `@hydromote promote` by developer:

    Done: prod runs first.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    world.finish().await
}

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

    | closed gate | since |
    |---|---|
    | waits for a person to promote it | (time) |

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
    world.forge.as_user(DEVELOPER).edit_comment(REPOSITORY, comment, "/promote").await?;
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

#[tokio::test]
async fn several_commands_and_mistakes_are_answered_in_one_comment() -> TestResult {
    let mut world = waiting().await?;
    world.comment_by(DEVELOPER, "prod", "/hydromote promoet\n/retry\n/promote stagin").await?;
    world.comment_by(DEVELOPER, "prod", "/hold prod reason=\"not now\"\n/hydromote preview").await?;
    insta::assert_snapshot!(world.board().await?, @r#"
    dev      first, is verified
    prod     nothing; wants first in #2
             - developer holds it: not now
             - waits for a person to promote it
             = developer holds it: not now (Strict)
    #2 developer: /hydromote promoet
    /retry
    /promote stagin
    #2 hydromote: Nothing runs in **prod** yet, and first is proposed here.

    | closed gate | since |
    |---|---|
    | developer holds it: not now | (time) |
    | waits for a person to promote it | (time) |

    `/hydromote preview` by developer:

    Not done: this version of Hydromote does not know how to `preview` yet.

    `/hold prod reason="not now"` by developer:

    prod is held: nothing is promoted to it until somebody writes `/hydromote unhold prod`.

    `/promote stagin` by developer:

    There is no environment `stagin` in `acme/shop/shop`. There is `dev`, `prod`.

    `/retry` by developer:

    What had failed is tried again.

    `/hydromote promoet` by developer:

    `promoet` is no command. Did you mean `promote`? `/hydromote help` lists what there is.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #2 developer: /hold prod reason="not now"
    /hydromote preview
    "#);
    world.comment_by(DEVELOPER, "prod", &"/retry\n".repeat(11)).await?;
    insta::assert_snapshot!(world.board().await?, @r#"
    dev      first, is verified
    prod     nothing; wants first in #2
             - developer holds it: not now
             - waits for a person to promote it
             = developer holds it: not now (Strict)
    #2 developer: /hydromote promoet
    /retry
    /promote stagin
    #2 hydromote: Nothing runs in **prod** yet, and first is proposed here.

    | closed gate | since |
    |---|---|
    | developer holds it: not now | (time) |
    | waits for a person to promote it | (time) |

    `…` by developer:

    Nothing was done: a comment may hold at most 10 commands.

    `/hydromote preview` by developer:

    Not done: this version of Hydromote does not know how to `preview` yet.

    `/hold prod reason="not now"` by developer:

    prod is held: nothing is promoted to it until somebody writes `/hydromote unhold prod`.

    `/promote stagin` by developer:

    There is no environment `stagin` in `acme/shop/shop`. There is `dev`, `prod`.

    `/retry` by developer:

    What had failed is tried again.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #2 developer: /hold prod reason="not now"
    /hydromote preview
    #2 developer: /retry
    /retry
    /retry
    /retry
    /retry
    /retry
    /retry
    /retry
    /retry
    /retry
    /retry
    "#);
    world.finish().await
}

#[tokio::test]
async fn help_and_diff_are_answered() -> TestResult {
    let mut world = waiting().await?;
    world.comment_by(READER, "prod", "/hydromote help\n/hydromote diff\n/hydromote diff dev").await?;
    insta::assert_snapshot!(world.board().await?, @r#"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for a person to promote it
    #2 reader: /hydromote help
    /hydromote diff
    /hydromote diff dev
    #2 hydromote: Nothing runs in **prod** yet, and first is proposed here.

    | closed gate | since |
    |---|---|
    | waits for a person to promote it | (time) |

    `/hydromote diff dev` by reader:

    Nothing waits to be promoted to dev. There is nothing to compare.

    `/hydromote diff` by reader:

    The promotion to prod changes 1 file: 6 lines come, 0 go.

    <details><summary>Differences</summary>

    ````diff
    diff --git a/shop/manifest.yaml b/shop/manifest.yaml
    new file mode 100644
    index (commit)..(commit)
    --- /dev/null
    +++ b/shop/manifest.yaml
    @@ -0,0 +1,6 @@
    +apiVersion: v1
    +data:
    +  version: v1
    +kind: ConfigMap
    +metadata:
    +  name: web
    ````

    </details>

    `/hydromote help` by reader:

    | command | what it does | who may give it |
    |---|---|---|
    | `status` | shows what runs, what waits, and for what | read |
    | `diff [environment]` | shows what the promotion changes | read |
    | `help` | shows this list | read |
    | `hold [environment] [reason="…"]` | stops an environment until somebody writes `unhold` | triage |
    | `retry` | tries again what failed | triage |
    | `promote [environment]` | promotes what is proposed, once every other gate is open | write |
    | `unhold [environment]` | ends a hold | write |
    | `reject [commit]` | rejects a dry commit (not built yet) | write |
    | `preview` | renders a pull request before it is merged (not built yet) | write |
    | `rollback <environment> [to=<commit>\|steps=<n>] [reason="…"]` | brings earlier content back | maintain |

    Write each on a line of its own, as `/hydromote …` or `@hydromote …`. `status`, `hold`, `retry`, `promote`, `unhold`, `reject`, `rollback` may also stand alone: `/promote`.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    "#);
    world.finish().await
}

#[tokio::test]
async fn another_environment_can_be_named() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging, autoMerge: false", "prod, autoMerge: false"]).await?;
    world.healthy_all(&["dev"]).await?;
    world.comment_by(DEVELOPER, "prod", "/promote staging").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    staging  first, `health` has not been reported
    prod     nothing; wants first in #3
             - waits for `health` on staging, which has not been reported
             - waits for a person to promote it
    #3 developer: /promote staging
    #3 hydromote: Nothing runs in **prod** yet, and first is proposed here.

    | closed gate | since |
    |---|---|
    | waits for `health` on staging, which has not been reported | (time) |
    | waits for a person to promote it | (time) |

    `/promote staging` by developer:

    Done: staging runs first.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    world.finish().await
}

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

    | closed gate | since |
    |---|---|
    | waits for a person to promote it | (time) |

    `/status` by developer:

    This comment says how it stands, and is kept up to date.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    world.finish().await
}

#[tokio::test]
async fn a_pull_request_of_somebody_else_gets_silence() -> TestResult {
    let mut world = waiting().await?;
    world.push_foreign("topic", vec![("x".to_owned(), "x".to_owned())]).await?;
    let new = hydromote::local_forge::NewPull {
        head: "env/topic".to_owned(),
        base: "main".to_owned(),
        title: "A topic".to_owned(),
        body: None,
        draft: false,
    };
    let number = world.forge.as_user(STRANGER).open_pull_request(REPOSITORY, new).await?;
    world.comment_on(DEVELOPER, number, "/promote").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for a person to promote it
    #3 is open: A topic
    #3 developer: /promote
    ");
    world.finish().await
}

#[tokio::test]
async fn a_comment_whose_webhook_is_lost_is_found_by_the_timer() -> TestResult {
    let mut world = waiting().await?;
    world.forge.lose_webhooks(1);
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
    world.forge.hold_webhooks();
    let number = world.open_pull("prod").await?.number;
    world.forge.as_user(DEVELOPER).comment(REPOSITORY, number, "/retry").await?;
    world.forge.release_webhooks(Release::Doubled);
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for a person to promote it
    #2 developer: /retry
    #2 hydromote: Nothing runs in **prod** yet, and first is proposed here.

    | closed gate | since |
    |---|---|
    | waits for a person to promote it | (time) |

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
    world.forge.hold_webhooks();
    let number = world.open_pull("prod").await?.number;
    let comment = world.forge.as_user(DEVELOPER).comment(REPOSITORY, number, "/promote").await?;
    world.leave_half_done(comment, number).await?;
    world.forge.release_webhooks(Release::InOrder);
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for a person to promote it
    #2 developer: /promote
    #2 hydromote: Nothing runs in **prod** yet, and first is proposed here.

    | closed gate | since |
    |---|---|
    | waits for a person to promote it | (time) |

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

    | closed gate | since |
    |---|---|
    | waits for a person to promote it | (time) |

    `/retry` by developer:

    What had failed is tried again.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    world.stop().await;
    let number = world.open_pull("prod").await?.number;
    world.forge.as_user(DEVELOPER).comment(REPOSITORY, number, "/status").await?;
    world.restart_without_database().await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for a person to promote it
    #2 developer: /retry
    #2 hydromote: Nothing runs in **prod** yet, and first is proposed here.

    | closed gate | since |
    |---|---|
    | waits for a person to promote it | (time) |

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
    let prod = "prod, autoMerge: false, proposedCommitStatuses: [{key: ticket}]";
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

    | closed gate | since |
    |---|---|
    | `ticket` has not been reported on the proposal | (time) |
    | waits for a person to promote it | (time) |

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
    world.forge.lose_webhooks(1);
    let comment = world.comment_by(DEVELOPER, "prod", "/promote").await?;
    world.forge.backdate_comment(REPOSITORY, comment, SignedDuration::from_mins(5)).await?;
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

    | closed gate | since |
    |---|---|
    | waits for a person to promote it | (time) |

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
        world.forge.fail(Fault { method, path_contains: path.to_owned(), times: 1, kind });
    }
    let comment = world.forge.as_user(DEVELOPER).comment(REPOSITORY, 2, "/retry").await?;
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

    | closed gate | since |
    |---|---|
    | waits for a person to promote it | (time) |

    `/retry` by developer:

    What had failed is tried again.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    world.finish().await
}

#[tokio::test]
async fn where_comments_may_not_be_read_promotions_go_on() -> TestResult {
    let mut world = waiting().await?;
    let (path_contains, kind) = ("/issues/comments".to_owned(), FaultKind::Status(403));
    world.forge.fail(Fault { method: None, path_contains, times: u32::MAX, kind });
    world.comment_by(DEVELOPER, "prod", "/promote").await?;
    world.promote("prod").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, `health` has not been reported
    #2 developer: /promote
    ");
    world.forge.clear_faults();
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
    world.forge.fail(Fault { method: Some("PATCH".to_owned()), path_contains, times: 1, kind });
    world.comment_by(DEVELOPER, "prod", "/retry").await?;
    let ours = world.forge.comments(REPOSITORY, 2).await?.into_iter().filter(|comment| comment.author == BOT);
    assert_eq!(ours.count(), 2, "the one that the forge says is gone, and the new one");
    world.board().await?;
    world.finish().await
}
