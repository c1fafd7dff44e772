//! Who may give commands by the strategy, without the right on the repository.

use hydromote::local_forge::{Fault, FaultKind, MergeMethod};

use crate::world::{DEVELOPER, READER, STRANGER, TestResult, World, everywhere, only, strategy};

/// The organisation of every story.
const ORGANIZATION: &str = "acme";

/// Starts with dev healthy and prod waiting for a person in #2, under a strategy with these permissions.
async fn waiting_with(permissions: &str) -> Result<World, Box<dyn std::error::Error>> {
    let strategy = strategy(&["dev", "prod, autoMerge: false"]);
    let mut world = World::empty().await?;
    world.forge.set_team(ORGANIZATION, "qa", &[READER]).await?;
    world.forge.set_team(ORGANIZATION, "sre", &[STRANGER]).await?;
    world.begin(&strategy.replace("spec:\n", &format!("spec:\n  permissions: {permissions}\n"))).await?;
    world.healthy_all(&["dev"]).await?;
    Ok(world)
}

#[tokio::test]
async fn a_member_of_a_named_team_promotes_without_write_access() -> TestResult {
    let mut world = waiting_with("{promote: [\"team:QA\"]}").await?;
    world.comment_by(READER, "prod", "/promote").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, `health` has not been reported
    #2 reader: /promote
    #2 hydromote: This pull request has ended. **prod** runs first.

    `/promote` by reader:

    Done: prod runs first.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    world.finish().await
}

#[tokio::test]
async fn a_named_person_promotes_and_those_with_the_right_still_may() -> TestResult {
    let mut world = waiting_with("{promote: [\"user:Reader\"]}").await?;
    world.comment_by(READER, "prod", "/hydromote unhold\n/hydromote hold\n/hydromote rollback dev").await?;
    world.comment_by(DEVELOPER, "prod", "/promote").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, `health` has not been reported
    #2 reader: /hydromote unhold
    /hydromote hold
    /hydromote rollback dev
    #2 hydromote: This pull request has ended. **prod** runs first.

    `/promote` by developer:

    Done: prod runs first.

    `/hydromote rollback dev` by reader:

    `rollback` needs maintain access to this repository, and reader has read.

    `/hydromote hold` by reader:

    `hold` needs triage access to this repository, and reader has read.

    `/hydromote unhold` by reader:

    prod is not held, and no rollback of it keeps anything out. See what it waits for with `hydromote explain`.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #2 developer: /promote
    ");
    world.finish().await
}

#[tokio::test]
async fn who_is_in_no_named_team_is_told_what_would_do() -> TestResult {
    let mut world = waiting_with("{promote: [\"team:sre\", \"user:developer\"]}").await?;
    world.comment_by(READER, "prod", "/promote").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for a person to promote it
    #2 reader: /promote
    #2 hydromote: Nothing runs in **prod** yet, and first is proposed here.

    | closed gate | since | who opens it |
    |---|---|---|
    | waits for a person to promote it | (time) | whoever may promote: `promote`, or a merge by hand |

    `/promote` by reader:

    `promote` needs write access to this repository, or a place in `permissions.promote` of the strategy, and reader has read.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    world.finish().await
}

#[tokio::test]
async fn teams_that_cannot_be_read_count_for_nobody_and_are_named() -> TestResult {
    let mut world = waiting_with("{promote: [\"team:gone\", \"team:qa\"]}").await?;
    let forbidden =
        Fault { method: None, path_contains: "/teams/qa/".to_owned(), times: u32::MAX, kind: FaultKind::Status(403) };
    world.forge.fail(forbidden);
    world.comment_by(READER, "prod", "/promote").await?;
    world.forge.clear_faults();
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for a person to promote it
    #2 reader: /promote
    #2 hydromote: Nothing runs in **prod** yet, and first is proposed here.

    | closed gate | since | who opens it |
    |---|---|---|
    | waits for a person to promote it | (time) | whoever may promote: `promote`, or a merge by hand |

    `/promote` by reader:

    `promote` needs write access to this repository, or a place in `permissions.promote` of the strategy, and reader has read. Could not be read: `team:gone`, `team:qa`. Such a team is not there, or the service may not see it.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    // What is read again is no longer forbidden.
    world.comment_by(READER, "prod", "/promote").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, `health` has not been reported
    #2 reader: /promote
    #2 hydromote: This pull request has ended. **prod** runs first.

    `/promote` by reader:

    Done: prod runs first.

    `/promote` by reader:

    `promote` needs write access to this repository, or a place in `permissions.promote` of the strategy, and reader has read. Could not be read: `team:gone`, `team:qa`. Such a team is not there, or the service may not see it.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #2 reader: /promote
    ");
    world.finish().await
}

#[tokio::test]
async fn a_named_team_rolls_back_and_may_nothing_else() -> TestResult {
    let mut world = waiting_with("{rollback: [\"team:qa\"]}").await?;
    world.comment_by(READER, "prod", "/promote\n/rollback dev").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for a person to promote it
    #2 reader: /promote
    /rollback dev
    #2 hydromote: Nothing runs in **prod** yet, and first is proposed here.

    | closed gate | since | who opens it |
    |---|---|---|
    | waits for a person to promote it | (time) | whoever may promote: `promote`, or a merge by hand |

    `/rollback dev` by reader:

    There is nothing to roll dev back to. Nothing else ran there of an older dry SHA; push a fix or a revert.

    `/promote` by reader:

    `promote` needs write access to this repository, and reader has read.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    world.finish().await
}

#[tokio::test]
async fn who_left_the_team_may_no_longer() -> TestResult {
    let mut world = waiting_with("{promote: [\"team:qa\"]}").await?;
    world.forge.set_team(ORGANIZATION, "qa", &[DEVELOPER]).await?;
    world.comment_by(READER, "prod", "/promote").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - waits for a person to promote it
    #2 reader: /promote
    #2 hydromote: Nothing runs in **prod** yet, and first is proposed here.

    | closed gate | since | who opens it |
    |---|---|---|
    | waits for a person to promote it | (time) | whoever may promote: `promote`, or a merge by hand |

    `/promote` by reader:

    `promote` needs write access to this repository, or a place in `permissions.promote` of the strategy, and reader has read.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    world.finish().await
}

#[tokio::test]
async fn of_several_strategies_on_a_branch_each_must_name_who_commands_all_of_them() -> TestResult {
    let mut world = World::empty().await?;
    let cellar =
        strategy(&["dev, autoMerge: false"]).replace("name: shop", "name: cellar").replace("env/", "env/cellar-");
    let shop = strategy(&["staging, autoMerge: false"]);
    let mut files = everywhere("v1");
    files.push((".hydromote/cellar.yaml".to_owned(), cellar.replace("output: shop", "output: cellar")));
    let named = shop.replace("spec:\n", &format!("spec:\n  permissions: {{promote: [\"user:{READER}\"]}}\n"));
    files.push((".hydromote/shop.yaml".to_owned(), named));
    world.push_dry("first", files).await?;
    world.settle().await?;
    let number = world.open_dry_pull("second", only("staging", "v2")).await?;
    world.merge_dry_pull(number, MergeMethod::Squash).await?;
    world.comment_on(READER, number, "/promote staging\n/reject").await?;
    let board = world.board().await?;
    for verb in ["promote", "reject"] {
        let refused = format!("`{verb}` needs write access to this repository, or a place in `permissions.promote`");
        assert!(board.contains(&refused), "{board}");
    }
    assert!(!board.contains("hydromote/reject/"), "{board}");
    // Where one strategy alone is concerned, it is enough that this one names them.
    world.comment_by(READER, "staging", "/reject").await?;
    let board = world.board().await?;
    assert!(board.contains("hydromote/reject/shop on second: Rejected by reader"), "{board}");
    assert!(!board.contains("hydromote/reject/cellar"), "{board}");
    world.finish().await
}

#[tokio::test]
async fn nobody_is_asked_again_for_every_command_of_one_comment() -> TestResult {
    let mut world = waiting_with("{promote: [\"team:sre\", \"team:gone\"]}").await?;
    // What was answered once comes without a body from then on.
    world.comment_by(READER, "prod", "/promote").await?;
    let mut asked = Vec::new();
    for body in ["/promote", "/promote\n/unhold\n/reject\n/promote prod\n/unreject"] {
        let before = world.calls_about_teams();
        world.comment_by(READER, "prod", body).await?;
        asked.push(world.calls_about_teams() - before);
    }
    assert!(asked[0] > 0 && asked[0] == asked[1], "{asked:?}");
    let refused = world.board().await?.matches("Could not be read: `team:gone`").count();
    assert_eq!(refused, 5, "five answers are shown, and each says why");
    world.finish().await
}
