//! What a promotion waits for: statuses, check runs, the forge's own conditions.

use hydromote::local_forge::{CheckReport, Fault, FaultKind, MergeMethod, Protection, ReviewState, StatusState};

use crate::world::{DEVELOPER, TestResult, World, everywhere, strategy};

#[tokio::test]
async fn a_check_run_counts_as_a_status_does() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging"]).await?;
    let sha = world.branch("env/dev").await?;
    let queued = CheckReport { name: Some("health".to_owned()), ..CheckReport::default() };
    let run = world.home().as_user(DEVELOPER).create_check_run(world.home_name(), &sha, queued).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, `health` is pending
    staging  nothing; wants first in #2
             - waits for `health` on dev, which is pending
    ");
    let done = CheckReport { conclusion: Some("success".to_owned()), ..CheckReport::default() };
    world.home().as_user(DEVELOPER).update_check_run(world.home_name(), run, done).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified
    staging  first, `health` has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn a_failure_takes_the_record_back_and_a_fix_goes_on() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging, autoMerge: false"]).await?;
    world.healthy_all(&["dev"]).await?;
    world.report("dev", "health", StatusState::Failure).await?;
    world.promote("staging").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, `health` failed
    staging  nothing; wants first in #2
             - waits for `health` on dev, which failed
    hydromote/verified on (commit): first is no longer verified in dev: `health` failed
    ");
    world.push_dry("fix", everywhere("v2")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      fix, `health` has not been reported
    staging  nothing; wants fix in #2
             - waits for `health` on dev, which has not been reported
             - waits for a person to promote it
    hydromote/verified on (commit): first is no longer verified in dev: `health` failed
    ");
    world.finish().await
}

#[tokio::test]
async fn a_gate_on_the_proposal_is_bound_to_that_proposal() -> TestResult {
    let gated = "staging, proposedCommitStatuses: [{key: change-ticket}]";
    let mut world = World::with_environments(&["dev", gated]).await?;
    let first = world.open_pull("staging").await?.head_sha;
    world.report_on(&first, "change-ticket", StatusState::Success).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    staging  first, is verified; wants second in #4
             - `change-ticket` has not been reported on the proposal
    ");
    let second = world.open_pull("staging").await?.head_sha;
    world.report_on(&second, "change-ticket", StatusState::Pending).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    staging  first, is verified; wants second in #4
             - `change-ticket` is pending on the proposal
    ");
    world.report_on(&second, "change-ticket", StatusState::Success).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    staging  second, `health` has not been reported
    ");
    world.finish().await
}

#[tokio::test]
async fn our_own_status_may_be_required_by_the_forge() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging, autoMerge: false"]).await?;
    for environment in ["dev", "staging"] {
        let rules = Protection {
            required_contexts: vec![format!("hydromote/{environment}")],
            enforce_admins: true,
            ..Protection::default()
        };
        world.home().protect(world.home_name(), &format!("env/{environment}"), Some(rules)).await?;
    }
    let refused = world.merge_by_hand("staging", MergeMethod::Merge).await;
    assert!(refused.is_err(), "nobody may merge before dev is healthy");
    world.healthy_all(&["dev"]).await?;
    world.merge_by_hand("staging", MergeMethod::Merge).await?;
    world.settle().await?;
    world.healthy_all(&["staging"]).await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, `health` has not been reported
    staging  first, is verified; wants second in #4
             - waits for `health` on dev, which has not been reported
             - waits for a person to promote it
    ");
    world.finish().await
}

#[tokio::test]
async fn a_merge_that_the_forge_refuses_is_tried_again_when_its_conditions_change() -> TestResult {
    let mut world = World::empty().await?;
    let rules = Protection { required_approvals: 1, enforce_admins: true, ..Protection::default() };
    world.begin(&strategy(&["dev"])).await?;
    world.healthy_all(&["dev"]).await?;
    world.home().protect(world.home_name(), "env/dev", Some(rules)).await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified; wants second in #2
             - the forge does not merge it: Pull Request is not mergeable
    ");
    let number = world.open_pull("dev").await?.number;
    world.home().as_user(DEVELOPER).review(world.home_name(), number, ReviewState::Approved, "").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      second, `health` has not been reported");
    world.finish().await
}

#[tokio::test]
async fn what_waits_for_its_check_is_finished_and_what_comes_meanwhile_follows() -> TestResult {
    let mut world = World::with_environments(&["dev", "prod, proposedCommitStatuses: [{key: ticket}]"]).await?;
    world.healthy("dev").await?;
    world.settle().await?;
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    world.healthy_all(&["dev"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    prod     nothing; wants first in #2
             - `ticket` has not been reported on the proposal
    ");
    let proposed = world.branch("env/prod-next").await?;
    world.report_on(&proposed, "ticket", StatusState::Success).await?;
    world.settle().await?;
    world.healthy_all(&["prod"]).await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, is verified
    prod     first, is verified; wants second in #4
             - `ticket` has not been reported on the proposal
    ");
    world.finish().await
}

#[tokio::test]
async fn a_pull_request_that_the_forge_does_not_take_waits_with_its_words_and_holds_up_nobody_else() -> TestResult {
    let mut world = World::with_environments(&["dev", "staging, dependsOn: []"]).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.stop_the_clock();
    world.home().fail(Fault {
        method: Some("POST".to_owned()),
        path_contains: "/pulls".to_owned(),
        times: 1,
        kind: FaultKind::Status(422),
    });
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified; wants second
             - the forge does not merge it: no pull request could be opened: Server Error
    staging  second, `health` has not been reported
    ");
    world.pass_minutes(1)?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"
    dev      second, `health` has not been reported
    staging  second, `health` has not been reported
    ");
    world.finish().await
}
