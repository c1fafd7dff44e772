//! One fault: a forge that answers errors, answers nothing, or does what was asked and says nothing.

use std::time::Duration;

use hydromote::local_forge::{Fault, FaultKind, Release};

use crate::world::{REPOSITORY, TestResult, World, everywhere};

fn once(method: &str, path: &str, kind: FaultKind) -> Fault {
    Fault { method: Some(method.to_owned()), path_contains: path.to_owned(), times: 1, kind }
}

/// Until faults are cleared: the service tries again by itself, and must not use it up.
fn always(method: &str, path: &str, kind: FaultKind) -> Fault {
    Fault { times: u32::MAX, ..once(method, path, kind) }
}

#[tokio::test]
async fn a_merge_whose_answer_is_lost_is_not_made_twice() -> TestResult {
    let mut world = World::with_environments(&["dev"]).await?;
    world.healthy_all(&["dev"]).await?;
    world.forge.fail(once("PUT", "/merge", FaultKind::AnswerLost(502)));
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      second, `health` has not been reported");
    assert_eq!(world.forge.pull_requests(REPOSITORY).await?.len(), 2);
    world.finish().await
}

#[tokio::test]
async fn a_pull_request_whose_answer_is_lost_is_not_opened_twice() -> TestResult {
    let mut world = World::with_environments(&["dev"]).await?;
    world.healthy_all(&["dev"]).await?;
    world.forge.fail(once("POST", "/pulls", FaultKind::AnswerLost(502)));
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      second, `health` has not been reported");
    assert_eq!(world.forge.pull_requests(REPOSITORY).await?.len(), 2);
    world.finish().await
}

#[tokio::test]
async fn a_forge_that_answers_500_is_shown_and_stops_nothing_for_good() -> TestResult {
    let mut world = World::with_environments(&["dev"]).await?;
    world.healthy_all(&["dev"]).await?;
    world.forge.hold_webhooks();
    world.push_dry("second", everywhere("v2")).await?;
    for (method, path) in [("POST", "/pulls"), ("POST", "/statuses/"), ("PUT", "/merge")] {
        world.forge.clear_faults();
        world.forge.fail(always(method, path, FaultKind::Status(500)));
        world.ring_the_timer()?;
        world.look_in_vain().await?;
    }
    insta::assert_snapshot!(world.board().await?, @"
    dev      first, is verified; wants second in #2
    trouble: the forge did not answer while it was asked to merge pull request #2 of `acme/shop`: status 500: Server Error
    next: report `success` for dev: Ready to be promoted
    next: merge #2: second goes to dev
    ");
    world.forge.clear_faults();
    world.forge.release_webhooks(Release::InOrder);
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      second, `health` has not been reported");
    assert_eq!(world.forge.pull_requests(REPOSITORY).await?.len(), 2);
    world.finish().await
}

#[tokio::test]
async fn a_forge_that_hangs_is_given_up_and_asked_again() -> TestResult {
    let mut world = World::with_environments(&["dev"]).await?;
    world.healthy_all(&["dev"]).await?;
    world.forge.hold_webhooks();
    world.forge.fail(always("PUT", "/merge", FaultKind::Hang(Duration::from_secs(5))));
    world.push_dry("second", everywhere("v2")).await?;
    world.ring_the_timer()?;
    let words = world.look_in_vain().await?;
    assert!(words.contains("did not answer while it was asked to merge pull request #2"), "{words}");
    world.forge.clear_faults();
    world.forge.release_webhooks(Release::InOrder);
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      second, `health` has not been reported");
    world.finish().await
}

#[tokio::test]
async fn a_push_that_git_cannot_make_is_made_later() -> TestResult {
    let mut world = World::with_environments(&["dev"]).await?;
    world.healthy_all(&["dev"]).await?;
    world.forge.hold_webhooks();
    world.forge.fail(always("POST", "/git-receive-pack", FaultKind::Status(503)));
    world.push_dry("second", everywhere("v2")).await?;
    world.ring_the_timer()?;
    let words = world.look_in_vain().await?;
    assert!(words.contains("env/dev-next"), "{words}");
    world.forge.clear_faults();
    world.forge.release_webhooks(Release::InOrder);
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      second, `health` has not been reported");
    world.finish().await
}
