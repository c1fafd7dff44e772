//! Webhooks are hints: lost, doubled or out of order they change nothing but the delay.

use hydromote::local_forge::{Delivery, Fault, FaultKind, MergeMethod, Permission, Release, RepositoryOptions};

use crate::{
    program::{Site, Start, until},
    world::{BOT, DEVELOPER, REPOSITORY, TestResult, World, everywhere, strategy},
};

#[tokio::test]
async fn a_push_whose_webhook_is_lost_is_found_by_the_timer() -> TestResult {
    let mut world = World::with_environments(&["dev"]).await?;
    world.healthy_all(&["dev"]).await?;
    world.forge.lose_webhooks(1);
    world.push_dry("second", everywhere("v2")).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      first, is verified");
    world.ring_the_timer()?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      second, `health` has not been reported");
    world.finish().await
}

#[tokio::test]
async fn a_report_whose_webhook_is_lost_is_found_by_the_timer() -> TestResult {
    let mut world = World::with_environments(&["dev"]).await?;
    world.forge.lose_webhooks(1);
    world.healthy("dev").await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      first, `health` has not been reported");
    world.ring_the_timer()?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      first, is verified");
    world.finish().await
}

#[tokio::test]
async fn a_merge_by_hand_of_which_only_the_push_is_heard_is_not_taken_for_a_leftover() -> TestResult {
    let mut world = World::with_environments(&["dev, autoMerge: false"]).await?;
    world.forge.lose_webhooks(1);
    world.merge_by_hand("dev", MergeMethod::Merge).await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      first, `health` has not been reported");
    world.finish().await
}

#[tokio::test]
async fn webhooks_that_come_twice_change_nothing() -> TestResult {
    after_a_release(Release::Doubled).await
}

#[tokio::test]
async fn webhooks_out_of_order_change_nothing() -> TestResult {
    after_a_release(Release::Reversed).await
}

/// A push and a report are held back, and let go in an odd way.
async fn after_a_release(how: Release) -> TestResult {
    let mut world = World::with_environments(&["dev", "staging"]).await?;
    world.healthy_all(&["dev", "staging"]).await?;
    world.forge.hold_webhooks();
    world.push_dry("second", everywhere("v2")).await?;
    world.push_dry("third", everywhere("v3")).await?;
    assert!(world.forge.release_webhooks(how) >= 2);
    world.settle().await?;
    world.forge.hold_webhooks();
    world.healthy("dev").await?;
    world.forge.release_webhooks(how);
    world.settle().await?;
    let board = world.board().await?;
    insta::allow_duplicates! {
        insta::assert_snapshot!(board, @"
        dev      third, is verified
        staging  third, `health` has not been reported
        ");
    }
    assert_eq!(world.forge.pull_requests(REPOSITORY).await?.len(), 4);
    world.finish().await
}

/// Returns the deliveries that never arrived, by their ids.
fn never_arrived(deliveries: &[Delivery]) -> Vec<String> {
    let arrived = |id: &str| deliveries.iter().any(|one| one.guid == id && one.status == "OK");
    let mut missed: Vec<String> = deliveries.iter().map(|one| one.guid.clone()).filter(|id| !arrived(id)).collect();
    missed.sort();
    missed.dedup();
    missed
}

/// The service is away while somebody pushes and comments; the next look at everything is an hour away.
#[tokio::test]
async fn what_failed_while_the_service_was_away_is_asked_for_again_when_it_is_back() -> TestResult {
    let site = Site::new().await?;
    site.forge.grant(REPOSITORY, BOT, Permission::Admin).await?;
    let served = site.serve(Start::default()).await?;
    let listen = served.url.trim_start_matches("http://").to_owned();
    let environment = [("HYDROMOTE__SERVER__LISTEN", listen.as_str())];
    let same_place = Start { environment: &environment, ..Start::default() };
    served.terminate().await?;
    let served = site.serve(same_place).await?;
    site.tell(&served).await?;
    let mut files = everywhere("v1");
    files.push(("hydromote.yaml".to_owned(), strategy(&["dev", "prod, autoMerge: false"])));
    let one = site.push("first", files).await?;
    served.runs("dev", &one).await?;
    site.healthy("dev").await?;
    let number = until("prod waits for a person", async || {
        let place = served.environment("prod").await?.unwrap_or_default();
        Ok(if place["state"] == "needsPerson" { place["pullRequest"]["number"].as_u64() } else { None })
    })
    .await?;
    site.forge.webhooks_sent().await;
    served.terminate().await?;
    let two = site.push("second", everywhere("v2")).await?;
    site.forge.as_user(DEVELOPER).comment(REPOSITORY, number, "/hold prod not now").await?;
    site.forge.webhooks_sent().await;
    let missed = never_arrived(&site.forge.deliveries(REPOSITORY).await?);
    assert!(missed.len() >= 2, "the push and the comment: {missed:?}");
    let served = site.serve(same_place).await?;
    let all_arrived = until("everything has arrived", async || {
        let deliveries = site.forge.deliveries(REPOSITORY).await?;
        let repeated: Vec<&Delivery> = deliveries.iter().filter(|one| one.redelivery).collect();
        let all = missed.iter().all(|id| repeated.iter().any(|one| one.guid == *id && one.status == "OK"));
        Ok(all.then_some(repeated.len()))
    });
    let repeated = all_arrived.await.map_err(|error| format!("{error}\n{}", served.log()))?;
    let deliveries = site.forge.deliveries(REPOSITORY).await?;
    for again in deliveries.iter().filter(|one| one.redelivery) {
        // One more may have failed while it started.
        let has_failed = |one: &&Delivery| one.guid == again.guid && !one.redelivery && one.status != "OK";
        assert!(deliveries.iter().any(|one| has_failed(&one)), "{} had arrived", again.event);
    }
    served.runs("dev", &two).await?;
    let (_, log) = served.terminate().await?;
    assert!(log.contains("deliveries again that did not arrive"), "{log}");
    // What has arrived by then is not asked for once more.
    let served = site.serve(same_place).await?;
    site.healthy("dev").await?;
    until("the report has been heard of", async || {
        let place = served.environment("dev").await?.unwrap_or_default();
        Ok((place["state"] == "verified").then_some(()))
    })
    .await?;
    let deliveries = site.forge.deliveries(REPOSITORY).await?;
    assert!(deliveries.iter().filter(|one| one.redelivery && missed.contains(&one.guid)).count() <= repeated);
    served.terminate().await?;
    site.forge.shutdown().await?;
    Ok(())
}

/// Of the first of two repositories the webhooks cannot be read, time and again.
#[tokio::test]
async fn a_repository_whose_webhooks_cannot_be_read_keeps_no_other_one_from_being_asked_for() -> TestResult {
    let site = Site::new().await?;
    let broken = "acme/broken";
    site.forge.create_repository("acme", "broken", RepositoryOptions::default()).await?;
    for repository in [broken, REPOSITORY] {
        site.forge.grant(repository, BOT, Permission::Admin).await?;
    }
    let path_contains = format!("/repos/{broken}/hooks");
    site.forge.fail(Fault { method: None, path_contains, times: u32::MAX, kind: FaultKind::Status(502) });
    let both = Start { served: &format!("{broken}', '{REPOSITORY}"), ..Start::default() };
    let served = site.serve(both).await?;
    let listen = served.url.trim_start_matches("http://").to_owned();
    site.tell(&served).await?;
    served.terminate().await?;
    let mut files = everywhere("v1");
    files.push(("hydromote.yaml".to_owned(), strategy(&["dev"])));
    site.push("first", files).await?;
    site.forge.webhooks_sent().await;
    let missed = never_arrived(&site.forge.deliveries(REPOSITORY).await?);
    assert!(!missed.is_empty());
    let environment = [("HYDROMOTE__SERVER__LISTEN", listen.as_str())];
    let served = site.serve(Start { environment: &environment, ..both }).await?;
    let all_arrived = until("everything has arrived", async || {
        let still_missed = never_arrived(&site.forge.deliveries(REPOSITORY).await?);
        Ok(still_missed.is_empty().then_some(()))
    });
    all_arrived.await.map_err(|error| format!("{error}\n{}", served.log()))?;
    served.terminate().await?;
    site.forge.shutdown().await?;
    Ok(())
}

#[tokio::test]
async fn what_failed_during_an_outage_of_the_forge_is_asked_for_again_after_it() -> TestResult {
    let mut world = World::at_its_own_address().await?;
    world.begin(&strategy(&["dev"])).await?;
    world.healthy_all(&["dev"]).await?;
    // Only now may it see its webhooks: what was not allowed at the start is asked for again.
    world.forge.grant(REPOSITORY, BOT, Permission::Admin).await?;
    world.forge.lose_webhooks(1);
    world.push_dry("second", everywhere("v2")).await?;
    world.forge.webhooks_sent().await;
    let [missed] = &never_arrived(&world.forge.deliveries(REPOSITORY).await?)[..] else {
        return Err("one delivery is lost".into());
    };
    let (method, path_contains) = (Some("GET".to_owned()), format!("/repos/{REPOSITORY}"));
    world.forge.fail(Fault { method, path_contains, times: 1_000, kind: FaultKind::Status(502) });
    world.ring_the_timer()?;
    until("the forge is left alone", async || {
        let trouble = world.look().await?.err().unwrap_or_default();
        Ok(trouble.contains("it is left alone").then_some(()))
    })
    .await?;
    world.forge.clear_faults();
    until("the forge answers again", async || Ok(world.look().await?.ok())).await?;
    until("what was lost has arrived", async || {
        let deliveries = world.forge.deliveries(REPOSITORY).await?;
        let has_arrived = |one: &Delivery| one.redelivery && one.guid == *missed && one.status == "OK";
        Ok(deliveries.iter().any(has_arrived).then_some(()))
    })
    .await?;
    world.settle().await?;
    insta::assert_snapshot!(world.board().await?, @"dev      second, `health` has not been reported");
    world.finish().await
}

/// Nobody has set a webhook up, and the next look at everything is an hour away.
#[tokio::test]
async fn a_push_of_which_no_webhook_ever_tells_is_found_long_before_everything_is_read_again() -> TestResult {
    let site = Site::new().await?;
    let served = site.serve(Start { poll: "1h", ..Start::default() }).await?;
    let mut files = everywhere("v1");
    files.push(("hydromote.yaml".to_owned(), strategy(&["dev"])));
    let one = site.push("first", files).await?;
    served.runs("dev", &one).await?;
    site.healthy("dev").await?;
    let two = site.push("second", everywhere("v2")).await?;
    served.runs("dev", &two).await?;
    served.terminate().await?;
    site.forge.shutdown().await?;
    Ok(())
}

/// Whoever may not see the webhooks finds everything by polling, and is told once.
#[tokio::test]
async fn without_the_right_to_see_webhooks_nothing_is_asked_for_and_the_log_says_so() -> TestResult {
    let site = Site::new().await?;
    let served = site.serve(Start { poll: "1s", ..Start::default() }).await?;
    let mut files = everywhere("v1");
    files.push(("hydromote.yaml".to_owned(), strategy(&["dev"])));
    let one = site.push("first", files).await?;
    served.runs("dev", &one).await?;
    let told = until("it is told", async || {
        let log = served.log();
        let lines: Vec<String> =
            log.lines().filter(|line| line.contains("not ours to see")).map(str::to_owned).collect();
        Ok((!lines.is_empty()).then_some(lines))
    })
    .await?;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains(&format!("the webhooks of `{REPOSITORY}` are not ours to see")), "{told:?}");
    served.terminate().await?;
    site.forge.shutdown().await?;
    Ok(())
}
