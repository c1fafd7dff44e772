//! Changes of the strategy while something is under way: what is told before, what comes into force, and on whose
//! word.

use hydromote::local_forge::MergeMethod;

use crate::world::{Fallible, Files, READER, STRANGER, TestResult, World, everywhere, strategy};

/// Returns a strategy of these environments in which READER may override.
fn with_override(environments: &[&str]) -> String {
    let named = format!("spec:\n  permissions: {{override: [\"user:{READER}\"]}}\n");
    strategy(environments).replace("spec:\n", &named)
}

fn file(text: String) -> Files {
    vec![("hydromote.yaml".to_owned(), text)]
}

const SOAKS: [&str; 2] = ["dev, soak: 1h", "prod"];

const DOES_NOT_SOAK: [&str; 2] = ["dev", "prod"];

/// Starts with first soaking in dev, and waiting for that in prod.
async fn soaking() -> Fallible<World> {
    let mut world = World::with_strategy(&with_override(&SOAKS)).await?;
    world.healthy_all(&["dev"]).await?;
    Ok(world)
}

/// Starts with first verified everywhere, and prod held.
async fn held() -> Fallible<World> {
    let mut world = World::with_strategy(&with_override(&["dev", "prod"])).await?;
    world.healthy_all(&["dev", "prod"]).await?;
    world.hold("prod", "audit").await?;
    world.settle().await?;
    Ok(world)
}

/// Returns the part of our comment that is about the strategy.
async fn told(world: &mut World) -> Fallible<String> {
    let board = world.board().await?;
    let (_, told) = board.split_once("**Strategy**").ok_or_else(|| format!("nothing of a strategy in {board}"))?;
    Ok(format!("**Strategy**{}", told.split("[Status page]").next().unwrap_or_default().trim_end()))
}

#[tokio::test]
async fn a_soak_that_something_waits_for_is_turned_off_only_on_somebodys_word() -> TestResult {
    let mut world = soaking().await?;
    let number = world.open_dry_pull("no soak", file(with_override(&DOES_NOT_SOAK))).await?;
    insta::assert_snapshot!(told(&mut world).await?, @r#"
    **Strategy** `shop`:

    It drops what is under way:

    - first, which waits in prod, would no longer wait for the soak of dev, until (time)

    It comes into force when somebody with maintain access, or a place in `permissions.override`, writes `/hydromote override reason="…"` here, or when none of that is under way any more. Until then the strategy in force stays, also once this is merged; nothing is promoted then.
    "#);
    insta::assert_snapshot!(world.preview_reports(number).await?[0], @"Failure: needs `/hydromote override`: first, which waits in prod, would no longer wait for the soak of dev, until (time)");
    world.merge_dry_pull(number, MergeMethod::Squash).await?;
    insta::assert_snapshot!(world.board().await?, @r#"
    dev      first, soaks until (time)
    prod     nothing; wants first in #2
             - the newest strategy is not in force: `hydromote.yaml` in no soak drops what is under way, and waits for `/hydromote override` on its pull request, or `hydromote override`
             - waits for dev, which soaks until (time)
    mistake: `hydromote.yaml` in no soak drops what is under way, and waits for `/hydromote override` on its pull request, or `hydromote override`
    mistake:   first, which waits in prod, would no longer wait for the soak of dev, until (time)
    #3 hydromote: This pull request became the dry commit no soak of `main`.

    | environment | what became of it | closed gates |
    |---|---|---|
    | dev | it is looked at next |  |
    | prod | it waits for dev, which does not run it yet |  |

    **Strategy** `shop`, which is not in force as this pull request has it:

    It drops what is under way:

    - first, which waits in prod, would no longer wait for the soak of dev, until (time)

    It comes into force when somebody with maintain access, or a place in `permissions.override`, writes `/hydromote override reason="…"` here, or when none of that is under way any more. Until then the strategy in force stays, and nothing is promoted.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    hydromote/preview on (commit): needs `/hydromote override`: first, which waits in prod, would no longer wait for the soak of dev, until (time)
    hydromote/strategy/shop on no soak: Not in force without an override: first, which waits in prod, would no longer wait for the soak of dev, until (time)
    "#);
    // Neither who may promote nor a restart lets it in.
    world.comment_on(STRANGER, number, "/hydromote override reason=\"in a hurry\"").await?;
    world.restart().await?;
    world.settle().await?;
    let board = world.board().await?;
    assert!(board.contains("`override` needs maintain access to this repository"), "{board}");
    assert!(board.contains("mistake: `hydromote.yaml` in no soak drops what is under way"), "{board}");
    world.comment_on(READER, number, "/hydromote override reason=\"the shop is down\"").await?;
    insta::assert_snapshot!(world.board().await?, @r#"
    dev      first, is verified; no soak changes nothing
    prod     first, `health` has not been reported; no soak changes nothing
    #3 hydromote: This pull request became the dry commit no soak of `main`.

    | environment | what became of it | closed gates |
    |---|---|---|
    | dev | it changes nothing here and was taken; is verified |  |
    | prod | it changes nothing here and was taken; `health` has not been reported |  |

    `/hydromote override reason="the shop is down"` by reader:

    Accepted for no soak: the strategy may be changed so, although it drops what is under way. This is bound to the text of the file as it is now.

    `/hydromote override reason="in a hurry"` by stranger:

    `override` needs maintain access to this repository, or a place in `permissions.override` of the strategy, and stranger has write.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #3 stranger: /hydromote override reason="in a hurry"
    #3 reader: /hydromote override reason="the shop is down"
    hydromote/preview on (commit): needs `/hydromote override`: first, which waits in prod, would no longer wait for the soak of dev, until (time)
    "#);
    world.finish().await
}

#[tokio::test]
async fn a_word_given_before_the_merge_counts_for_what_lands() -> TestResult {
    let mut world = soaking().await?;
    let number = world.open_dry_pull("no soak", file(with_override(&DOES_NOT_SOAK))).await?;
    world.comment_on(READER, number, "/hydromote override reason=\"the shop is down\"").await?;
    insta::assert_snapshot!(told(&mut world).await?, @r#"
    **Strategy** `shop`:

    It drops what is under way:

    - first, which waits in prod, would no longer wait for the soak of dev, until (time)

    reader lets it: the shop is down

    `/hydromote override reason="the shop is down"` by reader:

    Accepted for (commit): the strategy may be changed so, although it drops what is under way. This is bound to the text of the file as it is now.
    "#);
    assert_eq!(world.preview_reports(number).await?[0], "Success: changes nothing that is rendered");
    world.merge_dry_pull(number, MergeMethod::Merge).await?;
    let board = world.board().await?;
    assert!(board.contains("prod     first, `health` has not been reported"), "{board}");
    world.finish().await
}

#[tokio::test]
async fn a_word_is_for_the_text_that_was_read() -> TestResult {
    let mut world = soaking().await?;
    let number = world.open_dry_pull("shorter", file(with_override(&["dev, soak: 30m", "prod"]))).await?;
    world.comment_on(READER, number, "/hydromote override reason=hurry").await?;
    assert_eq!(world.preview_reports(number).await?[0], "Success: changes nothing that is rendered");
    world.push_to_pull(number, file(with_override(&DOES_NOT_SOAK))).await?;
    insta::assert_snapshot!(world.preview_reports(number).await?[0], @"Failure: needs `/hydromote override`: first, which waits in prod, would no longer wait for the soak of dev, until (time)");
    world.board().await?;
    world.finish().await
}

#[tokio::test]
async fn a_direct_push_stays_out_until_nothing_is_under_way() -> TestResult {
    let mut world = soaking().await?;
    world.push_dry("no soak", file(with_override(&DOES_NOT_SOAK))).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, soaks until (time)
    prod     nothing; wants first in #2
             - the newest strategy is not in force: `hydromote.yaml` in no soak drops what is under way, and waits for `/hydromote override` on its pull request, or `hydromote override`
             - waits for dev, which soaks until (time)
    mistake: `hydromote.yaml` in no soak drops what is under way, and waits for `/hydromote override` on its pull request, or `hydromote override`
    mistake:   first, which waits in prod, would no longer wait for the soak of dev, until (time)
    hydromote/strategy/shop on no soak: Not in force without an override: first, which waits in prod, would no longer wait for the soak of dev, until (time)
    ");
    world.pass_minutes(61)?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified; no soak changes nothing
    prod     first, `health` has not been reported; no soak changes nothing
             ! the verdict on what runs is overdue since (time): `health` has not been reported
    #2 hydromote: **prod** waits longer than it should.

    - the verdict on what runs is overdue since (time): `health` has not been reported

    Nothing is merged or rolled back because of it. [Status page](https://hydromote.example.com/strategies/acme/shop/shop)

    <!-- hydromote:overdue verdict%(commit) -->
    ");
    world.finish().await
}

#[tokio::test]
async fn an_environment_that_is_held_does_not_go_with_its_hold() -> TestResult {
    let mut world = held().await?;
    let number = world.open_dry_pull("drop prod", file(with_override(&["dev"]))).await?;
    insta::assert_snapshot!(told(&mut world).await?, @r#"
    **Strategy** `shop`:

    - prod goes; `env/prod` stays as it is

    It drops what is under way:

    - prod would no longer be held (developer holds it: audit)

    It comes into force when somebody with maintain access, or a place in `permissions.override`, writes `/hydromote override reason="…"` here, or when none of that is under way any more. Until then the strategy in force stays, also once this is merged; nothing is promoted then.
    "#);
    world.merge_dry_pull(number, MergeMethod::Merge).await?;
    insta::assert_snapshot!(world.board().await?, @r#"
    dev      first, is verified
    prod     first, is verified
             - developer holds it: audit
             = developer holds it: audit (Strict)
    mistake: `hydromote.yaml` in drop prod drops what is under way, and waits for `/hydromote override` on its pull request, or `hydromote override`
    mistake:   prod would no longer be held (developer holds it: audit)
    #3 hydromote: This pull request became the dry commit drop prod of `main`.

    | environment | what became of it | closed gates |
    |---|---|---|
    | dev | it is looked at next |  |
    | prod | it waits for dev, which does not run it yet | developer holds it: audit |

    **Strategy** `shop`, which is not in force as this pull request has it:

    - prod goes; `env/prod` stays as it is

    It drops what is under way:

    - prod would no longer be held (developer holds it: audit)

    It comes into force when somebody with maintain access, or a place in `permissions.override`, writes `/hydromote override reason="…"` here, or when none of that is under way any more. Until then the strategy in force stays, and nothing is promoted.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    hydromote/preview on (commit): needs `/hydromote override`: prod would no longer be held (developer holds it: audit)
    hydromote/strategy/shop on drop prod: Not in force without an override: prod would no longer be held (developer holds it: audit)
    "#);
    // What stays out stays out, whatever the service has lost.
    world.restart_without_database().await?;
    world.settle().await?;
    let board = world.board().await?;
    assert!(board.contains("= developer holds it: audit (Strict)"), "{board}");
    assert!(board.contains("mistake: `hydromote.yaml` in drop prod drops what is under way"), "{board}");
    world.unhold("prod").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified; drop prod changes nothing
    #3 hydromote: This pull request became the dry commit drop prod of `main`. It has been everywhere: this comment is edited again when somebody gives a command.

    | environment | what became of it | closed gates |
    |---|---|---|
    | dev | it changes nothing here and was taken; is verified |  |

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    hydromote/preview on (commit): needs `/hydromote override`: prod would no longer be held (developer holds it: audit)
    ");
    world.finish().await
}

#[tokio::test]
async fn an_accepted_word_survives_the_loss_of_the_database() -> TestResult {
    let mut world = held().await?;
    let number = world.open_dry_pull("drop prod", file(with_override(&["dev"]))).await?;
    world.comment_on(READER, number, "/hydromote override reason=\"prod moves away\"").await?;
    world.board().await?;
    world.restart_without_database().await?;
    world.settle().await?;
    assert_eq!(world.preview_reports(number).await?[0], "Success: prod: is no longer in the strategy");
    world.merge_dry_pull(number, MergeMethod::Squash).await?;
    let board = world.board().await?;
    assert!(!board.contains("mistake") && !board.contains("prod  "), "{board}");
    world.finish().await
}

#[tokio::test]
async fn ordinary_changes_come_into_force_with_their_commit() -> TestResult {
    let mut world = soaking().await?;
    let added = with_override(&["dev, soak: 1h", "staging", "prod, proposedCommitStatuses: [{key: ticket}]"]);
    let number = world.open_dry_pull("more", file(added)).await?;
    insta::assert_snapshot!(told(&mut world).await?, @"
    **Strategy** `shop`:

    - staging is new, on `env/staging`, and comes after `dev`
    - prod comes after `staging`
    - first would wait for more in prod: waits for staging, which does not run it yet; `ticket` has not been reported on the proposal
    ");
    assert_eq!(world.preview_reports(number).await?[0], "Success: staging: 1 added");
    world.merge_dry_pull(number, MergeMethod::Squash).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, soaks until (time); more changes nothing
    staging  nothing; wants more in #4
             - waits for dev, which soaks until (time)
    prod     nothing; wants first in #2
             - waits for staging, which does not run it yet
             - `ticket` has not been reported on the proposal
    #3 hydromote: This pull request became the dry commit more of `main`.

    | environment | what became of it | closed gates |
    |---|---|---|
    | dev | it changes nothing here and was taken; soaks until (time) |  |
    | staging | it is proposed here (#4) | waits for dev, which soaks until (time) |
    | prod | it waits for staging, which does not run it yet |  |

    It renders as previewed.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    ");
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    world.board().await?;
    world.finish().await
}

#[tokio::test]
async fn a_mistake_is_told_with_its_place() -> TestResult {
    let mut world = soaking().await?;
    let mistaken = with_override(&["dev, soak: soon", "prod"]);
    let number = world.open_dry_pull("soon", file(mistaken)).await?;
    insta::assert_snapshot!(told(&mut world).await?, @"
    **Strategy** `shop`:

    > hydromote.yaml:13:42: `soon` is not a duration
    > write a number and a unit, such as `30s`, `10m`, `1h30m` or `2d`; at most a year

    Until that is mended the strategy in force stays, and nothing is promoted.
    ");
    insta::assert_snapshot!(world.preview_reports(number).await?[0], @"Failure: dev: hydromote.yaml:13: `soon` is not a duration");
    world.finish().await
}
