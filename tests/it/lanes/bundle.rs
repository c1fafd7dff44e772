//! Environments whose lanes share one pull request.

use hydromote::local_forge::{Fault, FaultKind, StatusState};

use super::{divided, service, strategy, world};
use crate::world::{BOT, DEVELOPER, Fallible, Files, TestResult, World, config};

const ALL: &str = "prod, lanes: all, autoMerge: false";

/// Changes both services.
fn both(version: &str) -> Files {
    [service("cart", version), service("pay", version)].concat()
}

/// Returns, of each promotion to an environment, its lane, its pull request and how many gates are on record.
async fn merges(world: &World, environment: &str) -> Fallible<Vec<(String, u64, usize)>> {
    let history = world.history().await?;
    let promotions = history["promotions"].as_array().ok_or("a list")?.iter();
    let mut merges: Vec<_> = promotions
        .filter(|promotion| promotion["environment"] == environment)
        .map(|promotion| {
            let number = promotion["pullRequest"]["number"].as_u64().unwrap_or_default();
            let gates = promotion["gates"].as_array().map_or(0, Vec::len);
            (promotion["lane"].as_str().unwrap_or_default().to_owned(), number, gates)
        })
        .collect();
    merges.sort();
    Ok(merges)
}

fn merge((lane, number, gates): (&str, u64, usize)) -> (String, u64, usize) {
    (lane.to_owned(), number, gates)
}

#[tokio::test]
async fn what_each_lane_has_verified_goes_as_one_pull_request() -> TestResult {
    let mut world = world(&["dev", ALL]).await?;
    world.healthy_all(&["dev"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified
    dev/pay  first, is verified
    prod/cart nothing; wants first in #3
             - waits for a person to promote it
    prod/pay nothing; wants first in #3
             - waits for a person to promote it
    ");
    world.promote("prod").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified
    dev/pay  first, is verified
    prod/cart first, `health` has not been reported
    prod/pay first, `health` has not been reported
    ");
    let head = world.branch("env/prod").await?;
    assert_eq!(merges(&world, "prod").await?, [("cart", 3, 2), ("pay", 3, 2)].map(merge));
    world.restart_without_database().await?;
    world.settle().await?;
    assert_eq!(world.branch("env/prod").await?, head);
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified
    dev/pay  first, is verified
    prod/cart first, `health` has not been reported
    prod/pay first, `health` has not been reported
    ");
    assert_eq!(merges(&world, "prod").await?, [("cart", 3, 2), ("pay", 3, 2)].map(merge));
    world.healthy_all(&["prod"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified
    dev/pay  first, is verified
    prod/cart first, is verified
    prod/pay first, is verified
    ");
    world.finish().await
}

#[tokio::test]
async fn a_lane_that_is_held_or_does_not_render_is_left_out_and_joins_later() -> TestResult {
    let mut world = world(&["dev", ALL]).await?;
    world.healthy_all(&["dev"]).await?;
    world.hold_lane("prod", "pay", "month end").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified
    dev/pay  first, is verified
    prod/cart nothing; wants first in #3
             - waits for a person to promote it
    prod/pay nothing; wants first
             - developer holds it: month end
             = developer holds it: month end (Strict)
    ");
    let mut files = both("v2");
    files[0].1 = "kind: [".to_owned();
    world.push_dry("half", files).await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    world.unhold_lane("prod", "pay").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified
             ! half could not be hydrated: services/cart/dev/config.yaml:1: `cart`: unclosed bracket '['
    dev/pay  half, is verified
    prod/cart nothing; wants first in #3
             - waits for a person to promote it
    prod/pay nothing; wants half in #3
             - waits for a person to promote it
    hydromote/hydrate on half: dev: services/cart/dev/config.yaml:1: `cart`: unclosed bracket '['
    ");
    world.promote("prod").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified
             ! half could not be hydrated: services/cart/dev/config.yaml:1: `cart`: unclosed bracket '['
    dev/pay  half, is verified
    prod/cart first, `health` has not been reported; wants half
             - waits for dev, which does not run it yet
             - what runs here is not settled: `health` has not been reported
    prod/pay half, `health` has not been reported
    hydromote/hydrate on half: dev: services/cart/dev/config.yaml:1: `cart`: unclosed bracket '['
    ");
    world.finish().await
}

#[tokio::test]
async fn a_lane_that_becomes_ready_during_a_review_does_not_move_the_head() -> TestResult {
    let mut world = world(&["dev", "prod, lanes: all, proposedCommitStatuses: [{key: ticket}]"]).await?;
    world.healthy_all(&["dev"]).await?;
    let first = world.branch("env/prod-next").await?;
    world.report_on(&first, "ticket", StatusState::Success).await?;
    world.settle().await?;
    world.healthy_all(&["prod"]).await?;
    world.push_dry("cart 2", service("cart", "v2")).await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    let reviewed = world.branch("env/prod-next").await?;
    assert_ne!(first, reviewed);
    world.push_dry("pay 2", service("pay", "v2")).await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    assert_eq!(world.branch("env/prod-next").await?, reviewed);
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart cart 2, is verified; pay 2 changes nothing
    dev/pay  pay 2, is verified
    prod/cart first, is verified; wants cart 2 in #5
             - `ticket` has not been reported on the proposal
    prod/pay first, is verified; cart 2 changes nothing; wants pay 2
             - goes in the pull request after #5
    ");
    world.report_on(&reviewed, "ticket", StatusState::Success).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart cart 2, is verified; pay 2 changes nothing
    dev/pay  pay 2, is verified
    prod/cart cart 2, `health` has not been reported; pay 2 changes nothing
    prod/pay first, is verified; cart 2 changes nothing; wants pay 2 in #7
             - `ticket` has not been reported on the proposal
    ");
    world.finish().await
}

#[tokio::test]
async fn closing_the_pull_request_rejects_each_part() -> TestResult {
    let mut world = world(&["dev", ALL]).await?;
    world.healthy_all(&["dev"]).await?;
    let number = world.close_by_hand("prod").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified
    dev/pay  first, is verified
    prod/cart nothing
             ! first was rejected by closing #3; reopen it to take that back
    prod/pay nothing
             ! first was rejected by closing #3; reopen it to take that back
    #3 was closed: Promote cart first, pay first to prod
    ");
    world.restart_without_database().await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified
    dev/pay  first, is verified
    prod/cart nothing
             ! first was rejected by closing #3; reopen it to take that back
    prod/pay nothing
             ! first was rejected by closing #3; reopen it to take that back
    #3 was closed: Promote cart first, pay first to prod
    ");
    world.reopen(number).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified
    dev/pay  first, is verified
    prod/cart nothing; wants first in #3
             - waits for a person to promote it
    prod/pay nothing; wants first in #3
             - waits for a person to promote it
    ");
    world.finish().await
}

#[tokio::test]
async fn a_rollback_brings_back_one_lane_and_the_others_go_on() -> TestResult {
    let mut world = world(&["dev", ALL]).await?;
    world.healthy_all(&["dev"]).await?;
    world.promote("prod").await?;
    world.settle().await?;
    world.healthy_all(&["prod"]).await?;
    world.push_dry("second", both("v2")).await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    world.promote("prod").await?;
    world.settle().await?;
    world.healthy_all(&["prod"]).await?;
    world.push_dry("third", both("v3")).await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    world.roll_back_lane("prod", "cart", "orders are lost").await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart third, is verified
    dev/pay  third, is verified
    prod/cart first, `health` has not been reported; wants third in #9
             - waits for a person to promote it
             = developer rolled it back: orders are lost (Next)
             ! second is kept out by the rollback of prod; it waits for a fix, a revert or `unhold prod`
    prod/pay second, is verified; wants third in #9
             - waits for a person to promote it
    hydromote/verified/cart on (commit): second is no longer verified in prod/cart: it was rolled back
    ");
    world.promote("prod").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart third, is verified
    dev/pay  third, is verified
    prod/cart third, `health` has not been reported
    prod/pay third, `health` has not been reported
    hydromote/verified/cart on (commit): second is no longer verified in prod/cart: it was rolled back
    ");
    world.finish().await
}

#[tokio::test]
async fn what_a_person_promoted_is_not_replaced_and_loses_nothing_with_the_database() -> TestResult {
    let mut world =
        world(&["dev", "prod, lanes: all, autoMerge: false, proposedCommitStatuses: [{key: ticket}]"]).await?;
    world.healthy_all(&["dev"]).await?;
    world.promote_lane("prod", "pay").await?;
    let promoted = world.branch("env/prod-next").await?;
    world.push_dry("cart 2", service("cart", "v2")).await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    assert_eq!(world.branch("env/prod-next").await?, promoted);
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart cart 2, is verified
    dev/pay  first, is verified; cart 2 changes nothing
    prod/cart nothing; wants first in #3
             - `ticket` has not been reported on the proposal
    prod/pay nothing; wants first in #3
             - `ticket` has not been reported on the proposal
    ");
    world.restart_without_database().await?;
    world.settle().await?;
    assert_eq!(world.branch("env/prod-next").await?, promoted);
    world.report_on(&promoted, "ticket", StatusState::Success).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart cart 2, is verified
    dev/pay  first, is verified; cart 2 changes nothing
    prod/cart first, `health` has not been reported; wants cart 2
             - what runs here is not settled: `health` has not been reported
    prod/pay first, `health` has not been reported; cart 2 changes nothing
    ");
    world.finish().await
}

#[tokio::test]
async fn what_a_person_squashes_in_own_words_is_known_in_each_lane() -> TestResult {
    let mut world = world(&["dev", ALL]).await?;
    world.healthy_all(&["dev"]).await?;
    world.squash_in_own_words("prod").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified
    dev/pay  first, is verified
    prod/cart first, `health` has not been reported
    prod/pay first, `health` has not been reported
    ");
    world.restart_without_database().await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified
    dev/pay  first, is verified
    prod/cart first, `health` has not been reported
    prod/pay first, `health` has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn after_a_bundle_it_goes_on_lane_by_lane() -> TestResult {
    let mut world = World::empty().await?;
    let mut files = Files::new();
    for environment in ["dev", "staging", "prod"] {
        for name in ["cart", "pay"] {
            files.push((format!("services/{name}/{environment}/config.yaml"), config("v1")));
        }
    }
    files.push(("hydromote.yaml".to_owned(), strategy(&["dev", "staging, lanes: all", "prod"])));
    world.push_dry("first", files).await?;
    world.settle().await?;
    world.healthy_all(&["dev", "staging"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified
    dev/pay  first, is verified
    staging/cart first, is verified
    staging/pay first, is verified
    prod/cart first, `health` has not been reported
    prod/pay first, `health` has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn lanes_are_bundled_and_taken_apart_while_pull_requests_are_open() -> TestResult {
    let mut world = world(&["dev", "prod, autoMerge: false"]).await?;
    world.healthy_all(&["dev"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified
    dev/pay  first, is verified
    prod/cart nothing; wants first in #3
             - waits for a person to promote it
    prod/pay nothing; wants first in #4
             - waits for a person to promote it
    ");
    world.push_dry("bundle", vec![("hydromote.yaml".to_owned(), strategy(&["dev", ALL]))]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified; bundle changes nothing
    dev/pay  first, is verified; bundle changes nothing
    prod/cart nothing; wants bundle in #5
             - waits for a person to promote it
    prod/pay nothing; wants bundle in #5
             - waits for a person to promote it
    #3 was closed: Promote first to prod/cart: first
    #4 was closed: Promote first to prod/pay: first
    hydromote/prod/cart on (commit): Closed by Hydromote: all lanes of prod share one pull request now
    hydromote/prod/pay on (commit): Closed by Hydromote: all lanes of prod share one pull request now
    ");
    let apart = divided("  lanes: {by: service}\n", &["dev", "prod, autoMerge: false"]);
    world.push_dry("apart", vec![("hydromote.yaml".to_owned(), apart)]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified; apart changes nothing
    dev/pay  first, is verified; apart changes nothing
    prod/cart nothing; wants first in #6
             - waits for a person to promote it
    prod/pay nothing; wants first in #7
             - waits for a person to promote it
    #3 was closed: Promote first to prod/cart: first
    #4 was closed: Promote first to prod/pay: first
    #5 was closed: Promote cart bundle, pay bundle to prod
    hydromote/prod on (commit): Closed by Hydromote: nothing is left to promote
    ");
    world.finish().await
}

#[tokio::test]
async fn a_bundle_that_the_forge_refused_to_merge_is_tried_again_when_something_is_reported_on_it() -> TestResult {
    let mut world = world(&["dev", ALL]).await?;
    world.healthy_all(&["dev"]).await?;
    world.stop_the_clock();
    world.refuse_merges(1);
    world.promote("prod").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified
    dev/pay  first, is verified
    prod/cart nothing; wants first in #3
             - the forge does not merge it: Server Error
    prod/pay nothing; wants first in #3
             - the forge does not merge it: Server Error
    ");
    let head = world.branch("env/prod-next").await?;
    world.report_on(&head, "scan", StatusState::Success).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified
    dev/pay  first, is verified
    prod/cart first, `health` has not been reported
    prod/pay first, `health` has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn a_bundle_whose_pull_request_the_forge_does_not_take_waits_with_its_words_and_holds_up_nobody_else()
-> TestResult {
    let mut world = world(&["dev", ALL]).await?;
    world.stop_the_clock();
    world.home().fail(Fault {
        method: Some("POST".to_owned()),
        path_contains: "/pulls".to_owned(),
        times: 1,
        kind: FaultKind::Status(422),
    });
    world.healthy_all(&["dev"]).await?;
    world.push_dry("second", service("cart", "v2")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart second, `health` has not been reported
    dev/pay  first, is verified; second changes nothing
    prod/cart nothing; wants first
             - waits for a person to promote it
             - the forge does not merge it: no pull request could be opened: Server Error
    prod/pay nothing; wants first
             - waits for a person to promote it
             - the forge does not merge it: no pull request could be opened: Server Error
    ");
    world.pass_minutes(1)?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart second, `health` has not been reported
    dev/pay  first, is verified; second changes nothing
    prod/cart nothing; wants first in #4
             - waits for a person to promote it
    prod/pay nothing; wants first in #4
             - waits for a person to promote it
    ");
    world.finish().await
}

#[tokio::test]
async fn what_others_push_onto_a_bundle_or_its_branch_is_restored() -> TestResult {
    let mut world = world(&["dev", ALL]).await?;
    world.healthy_all(&["dev"]).await?;
    world.push_to("env/prod-next", vec![("cart/manifest.yaml".to_owned(), config("by hand"))]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified
    dev/pay  first, is verified
    prod/cart nothing; wants first
             - stranger pushed (commit) onto the proposal, which changes `cart`; `restore` proposes anew
    prod/pay nothing; wants first
             - stranger pushed (commit) onto the proposal; `restore` proposes anew
    #3 is open: Promote cart first, pay first to prod
    ");
    world.restore_lane("prod", "cart", "nobody may write there").await?;
    world.settle().await?;
    world.promote("prod").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart first, is verified
    dev/pay  first, is verified
    prod/cart first, `health` has not been reported
    prod/pay first, `health` has not been reported
    ");
    world.push_to("env/prod", vec![("pay/manifest.yaml".to_owned(), config("by hand"))]).await?;
    world.push_dry("second", both("v2")).await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart second, is verified
    dev/pay  second, is verified
    prod/cart first, `health` has not been reported; wants second
             - what runs here is not settled: `health` has not been reported
    prod/pay first, `health` has not been reported; wants second
             - stranger changed `pay` on the branch in (commit)
             - what runs here is not settled: `health` has not been reported
    hydromote/drift/prod/pay on (commit): stranger changed `pay` on the branch in (commit)
    ");
    world.restore_lane("prod", "pay", "it was a test").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev/cart second, is verified
    dev/pay  second, is verified
    prod/cart first, `health` has not been reported; wants second
             - what runs here is not settled: `health` has not been reported
    prod/pay first, `health` has not been reported; wants second
             - what runs here is not settled: `health` has not been reported
    ");
    assert_eq!(world.file("env/prod", "pay/manifest.yaml").await?, Some(config("v1")));
    world.finish().await
}

#[tokio::test]
async fn the_comment_on_a_bundle_tells_how_each_lane_stands() -> TestResult {
    let mut world = world(&["dev", ALL]).await?;
    world.healthy_all(&["dev"]).await?;
    world.comment_by(DEVELOPER, "prod", "/hydromote diff").await?;
    world.settle().await?;
    world.hold_lane("prod", "pay", "the bank is away").await?;
    world.settle().await?;
    world.board().await?;
    let forge = world.on_forge().await?;
    let ours: Vec<_> = forge.comments.iter().filter(|comment| comment.author == BOT).collect();
    assert_eq!(ours.len(), 1);
    let told = world.in_words(&ours[0].body);
    insta::assert_snapshot!(told.split("`/hydromote diff`").next().unwrap_or_default(), @"
    Several lanes go to **prod** together.

    | lane of prod | runs | proposed |
    |---|---|---|
    | cart | nothing | first |

    | closed gate | since | who opens it |
    |---|---|---|
    | waits for a person to promote it | (time) | whoever may promote: `promote`, or a merge by hand |
    ");
    world.finish().await
}
