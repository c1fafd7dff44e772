//! Deployment windows: what they hold up and what they never do, and who goes past them.

use hydromote::{
    app,
    domain::windows::{PolicyWindow, ServerWindows, WindowText},
};
use jiff::SignedDuration;
use serde_json::Value;

use crate::world::{DEVELOPER, Fallible, READER, STRANGER, TestResult, World, everywhere, strategy};

/// Returns the local times, in UTC, so many minutes from now.
fn from_now(minutes: i64) -> String {
    ((app::wall_clock())() + SignedDuration::from_mins(minutes)).strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// Returns dev, and prod with a window that denies from so many minutes from now on, for two hours.
fn frozen_from(minutes: i64, more: &str) -> String {
    let (from, to) = (from_now(minutes), from_now(minutes + 120));
    let prod = format!("prod, windows: {{deny: [{{from: \"{from}\", to: \"{to}\", reason: freeze}}]}}{more}");
    strategy(&["dev", &prod])
}

/// Starts with prod frozen, and first waiting there in #2.
async fn frozen(more: &str) -> Fallible<World> {
    let mut world = World::with_strategy(&frozen_from(-60, more)).await?;
    world.healthy_all(&["dev"]).await?;
    Ok(world)
}

/// Returns the gates about windows that the commit records which was merged into prod last, without times.
async fn recorded(world: &World) -> Fallible<Vec<String>> {
    let trailers = world.trailers(&world.branch("env/prod").await?).await?;
    let gates = trailers.get("Hydromote-Gate").ok_or("no gate is recorded")?;
    let mut told = Vec::new();
    for gate in gates.iter().filter(|gate| gate.contains("\"gate\":\"window")) {
        let mut gate: Value = serde_json::from_str(gate)?;
        for time in ["at", "until"] {
            gate.as_object_mut().map(|gate| gate.remove(time));
        }
        told.push(gate.to_string());
    }
    Ok(told)
}

#[tokio::test]
async fn a_closed_window_holds_a_promotion_until_it_opens() -> TestResult {
    let mut world = frozen("").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - closed by a window (freeze) until (time)
    ");
    world.pass_minutes(30)?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - closed by a window (freeze) until (time)
    ");
    world.pass_minutes(31)?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     first, `health` has not been reported
             ! the verdict on what runs is overdue since (time): `health` has not been reported
    #2 hydromote: **prod** waits longer than it should.

    - the verdict on what runs is overdue since (time): `health` has not been reported

    Nothing is merged or rolled back because of it. [Status page](https://hydromote.example.com/strategies/acme/shop/shop)

    <!-- hydromote:overdue verdict%(commit) -->
    ");
    insta::assert_snapshot!(recorded(&world).await?.join("\n"), @r#"{"gate":"window","of":"strategy"}"#);
    world.finish().await
}

#[tokio::test]
async fn our_own_status_goes_back_when_the_window_closes() -> TestResult {
    let mut world = World::with_strategy(&frozen_from(60, ", autoMerge: false")).await?;
    world.healthy_all(&["dev"]).await?;
    let own = async |world: &World| -> Fallible<String> {
        let head = world.open_pull("prod").await?.head_sha;
        let forge = world.on_forge().await?;
        let newest = forge.statuses.iter().rfind(|status| status.sha == head && status.context == "hydromote/prod");
        let newest = newest.ok_or("there is no status of ours")?;
        let said = newest.description.clone().unwrap_or_default();
        Ok(world.told_in_words(&format!("{:?} {said}", newest.state)))
    };
    insta::assert_snapshot!(own(&world).await?, @"Success Ready to be promoted");
    world.pass_minutes(61)?;
    world.settle().await?;
    insta::assert_snapshot!(own(&world).await?, @"Pending Closed by a window (freeze) until (time)");
    world.promote("prod").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    prod     nothing; wants first in #2
             - closed by a window (freeze) until (time)
    ");
    world.finish().await
}

#[tokio::test]
async fn who_may_goes_past_a_closed_window_with_a_reason() -> TestResult {
    let mut world = frozen("").await?;
    world.comment_by(STRANGER, "prod", "/promote override=windows reason=\"the shop is down\"").await?;
    world.comment_by(DEVELOPER, "prod", "/promote override=windows\n/promote override=gates reason=now").await?;
    insta::assert_snapshot!(world.board().await?, @r#"
    dev      first, is verified
    prod     nothing; wants first in #2
             - closed by a window (freeze) until (time)
    #2 stranger: /promote override=windows reason="the shop is down"
    #2 hydromote: Nothing runs in **prod** yet, and first is proposed here.

    | closed gate | since | who opens it |
    |---|---|---|
    | closed by a window (freeze) until (time) | (time) | by itself; or whoever may override windows: `promote` with `override=windows` and a reason |

    `/promote override=gates reason=now` by developer:

    `promote` cannot override `gates`, only `windows`. Write it as `/hydromote promote [environment] [override=windows reason="…"]`.

    `/promote override=windows` by developer:

    `promote` needs a `reason` to override windows. Write it as `/hydromote promote [environment] [override=windows reason="…"]`.

    `/promote override=windows reason="the shop is down"` by stranger:

    `promote override=windows` needs maintain access to this repository, and stranger has write.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #2 developer: /promote override=windows
    /promote override=gates reason=now
    "#);
    world.comment_by(DEVELOPER, "prod", "/hydromote promote override=windows reason=\"the shop is down\"").await?;
    insta::assert_snapshot!(world.board().await?, @r#"
    dev      first, is verified
    prod     first, `health` has not been reported
    #2 stranger: /promote override=windows reason="the shop is down"
    #2 hydromote: This pull request has ended. **prod** runs first.

    `/hydromote promote override=windows reason="the shop is down"` by developer:

    Done: prod runs first.

    `/promote override=gates reason=now` by developer:

    `promote` cannot override `gates`, only `windows`. Write it as `/hydromote promote [environment] [override=windows reason="…"]`.

    `/promote override=windows` by developer:

    `promote` needs a `reason` to override windows. Write it as `/hydromote promote [environment] [override=windows reason="…"]`.

    `/promote override=windows reason="the shop is down"` by stranger:

    `promote override=windows` needs maintain access to this repository, and stranger has write.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    #2 developer: /promote override=windows
    /promote override=gates reason=now
    #2 developer: /hydromote promote override=windows reason="the shop is down"
    "#);
    insta::assert_snapshot!(recorded(&world).await?.join("\n"), @r#"{"gate":"window_override","of":"strategy","window":"freeze","by":"developer","reason":"the shop is down"}"#);
    let history = world.history().await?;
    let promotions = history["promotions"].as_array().ok_or("there are no promotions")?;
    let prod = promotions.iter().find(|p| p["environment"] == "prod").ok_or("there is none of prod")?;
    let told: Vec<_> = prod["gates"].as_array().into_iter().flatten().map(|gate| &gate["gate"]).collect();
    assert!(told.iter().any(|gate| *gate == "window_override"), "{prod}");
    world.finish().await
}

#[tokio::test]
async fn people_whom_the_strategy_names_override_without_maintain_access() -> TestResult {
    let permissions = "  permissions: {override: [\"user:stranger\", \"user:reader\"]}\n";
    let strategy = frozen_from(-60, "").replace("spec:\n", &format!("spec:\n{permissions}"));
    let mut world = World::with_strategy(&strategy).await?;
    world.healthy_all(&["dev"]).await?;
    let command = "/promote override=windows reason=\"the shop is down\"";
    // Who may override must also be one who may promote.
    world.comment_by(READER, "prod", command).await?;
    assert!(world.board().await?.contains("`promote` needs write access"), "{}", world.board().await?);
    world.comment_by(STRANGER, "prod", command).await?;
    let board = world.board().await?;
    assert!(board.contains("prod     first, `health` has not been reported"), "{board}");
    assert!(recorded(&world).await?[0].contains("\"by\":\"stranger\""));
    world.finish().await
}

#[tokio::test]
async fn windows_of_the_server_hold_whatever_the_strategy_says() -> TestResult {
    let mut world = World::with_environments(&["dev", "prod"]).await?;
    let (from, to) = (from_now(-60), from_now(60));
    let text = WindowText { from: Some(&from), to: Some(&to), reason: Some("year end"), ..WindowText::default() };
    let window = PolicyWindow {
        window: text.read().map_err(|wrong| format!("{wrong:?}"))?,
        repositories: PolicyWindow::pattern("acme/*").into_iter().collect(),
        environments: PolicyWindow::pattern("prod*").into_iter().collect(),
    };
    world.server_windows = ServerWindows { deny: vec![window], ..ServerWindows::default() };
    world.restart().await?;
    world.healthy_all(&["dev"]).await?;
    world.comment_by(DEVELOPER, "prod", "/promote override=windows reason=\"the shop is down\"").await?;
    insta::assert_snapshot!(world.board().await?, @r#"
    dev      first, is verified
    prod     nothing; wants first in #2
             - closed by a window of the server (year end) until (time)
    #2 developer: /promote override=windows reason="the shop is down"
    #2 hydromote: Nothing runs in **prod** yet, and first is proposed here.

    | closed gate | since | who opens it |
    |---|---|---|
    | closed by a window of the server (year end) until (time) | (time) | by itself; or whoever may override windows: `promote` with `override=windows` and a reason |

    `/promote override=windows reason="the shop is down"` by developer:

    prod is closed by a window of the server (year end) until (time), and nobody may override the windows of this server. Its operator can allow that with `policies.windows.overridable` in `hydromote.toml`.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    "#);
    world.server_windows.overridable = true;
    world.restart().await?;
    world.settle().await?;
    world.comment_by(DEVELOPER, "prod", "/promote override=windows reason=\"the shop is down\"").await?;
    let board = world.board().await?;
    assert!(board.contains("prod     first, `health` has not been reported"), "{board}");
    insta::assert_snapshot!(recorded(&world).await?.join("\n"), @r#"{"gate":"window_override","of":"server","window":"year end","by":"developer","reason":"the shop is down"}"#);
    world.finish().await
}

#[tokio::test]
async fn a_rollback_passes_a_closed_window() -> TestResult {
    let mut world = World::with_strategy(&frozen_from(60, "")).await?;
    world.healthy_all(&["dev", "prod"]).await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    world.pass_minutes(61)?;
    world.roll_back("prod", "checkout is slow").await?;
    world.push_dry("third", everywhere("v3")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      third, `health` has not been reported
             ! the verdict on what runs is overdue since (time): `health` has not been reported
    prod     first, `health` has not been reported; wants third in #7
             - waits for `health` on dev, which has not been reported
             - closed by a window (freeze) until (time)
             = developer rolled it back: checkout is slow (Next)
             ! second is kept out by the rollback of prod; it waits for a fix, a revert or `unhold prod`
             ! the verdict on what runs is overdue since (time): `health` has not been reported
    #4 hydromote: **prod** waits longer than it should.

    - the verdict on what runs is overdue since (time): `health` has not been reported

    Nothing is merged or rolled back because of it. [Status page](https://hydromote.example.com/strategies/acme/shop/shop)

    <!-- hydromote:overdue verdict%(commit) -->
    #5 hydromote: **prod** waits longer than it should.

    - the verdict on what runs is overdue since (time): `health` has not been reported

    Nothing is merged or rolled back because of it. [Status page](https://hydromote.example.com/strategies/acme/shop/shop)

    <!-- hydromote:overdue verdict%(commit) -->
    #6 hydromote: **dev** waits longer than it should.

    - the verdict on what runs is overdue since (time): `health` has not been reported

    Nothing is merged or rolled back because of it. [Status page](https://hydromote.example.com/strategies/acme/shop/shop)

    <!-- hydromote:overdue verdict%(commit) -->
    ");
    world.finish().await
}

#[tokio::test]
async fn an_override_outlives_the_database() -> TestResult {
    let mut world = frozen(", proposedCommitStatuses: [{key: change-ticket}]").await?;
    world.comment_by(DEVELOPER, "prod", "/promote override=windows reason=\"the shop is down\"").await?;
    world.restart_without_database().await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @r#"
    dev      first, is verified
    prod     nothing; wants first in #2
             - `change-ticket` has not been reported on the proposal
             ! developer overrides the windows: the shop is down
    #2 developer: /promote override=windows reason="the shop is down"
    #2 hydromote: Nothing runs in **prod** yet, and first is proposed here.

    | closed gate | since | who opens it |
    |---|---|---|
    | `change-ticket` has not been reported on the proposal | (time) | whoever reports `change-ticket` on the head of the pull request |

    > developer overrides the windows: the shop is down

    `/promote override=windows reason="the shop is down"` by developer:

    This was done before; what was answered has been lost together with the service's database.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    "#);
    let head = world.open_pull("prod").await?.head_sha;
    world.report_on(&head, "change-ticket", hydromote::local_forge::StatusState::Success).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @r#"
    dev      first, is verified
    prod     first, `health` has not been reported
    #2 developer: /promote override=windows reason="the shop is down"
    #2 hydromote: This pull request has ended. **prod** runs first.

    `/promote override=windows reason="the shop is down"` by developer:

    This was done before; what was answered has been lost together with the service's database.

    [Status page](https://hydromote.example.com/strategies/acme/shop/shop) · `/hydromote help` lists the commands

    <!-- hydromote:status-comment -->
    "#);
    assert!(recorded(&world).await?[0].contains("\"reason\":\"the shop is down\""));
    world.finish().await
}
