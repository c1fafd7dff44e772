//! A repository in which much else goes on, and a merge that somebody lets wait.

use reqwest::Method;
use serde_json::json;

use super::{
    lab::{Lab, Queue},
    rules::{begin, serve},
};
use crate::{
    program::{Served, forget, until},
    world::{DEVELOPER, Fallible, TestResult, everywhere},
};

/// More than a page of any list.
const OTHERS: usize = 35;
/// How often the service looks while the merge waits.
const LOOKS: u64 = 8;

/// Waits until a promotion to dev is proposed and its merge was refused; returns its pull request and head.
async fn refused(served: &Served) -> Fallible<(u64, String)> {
    let place = until("the merge is refused", async || {
        let place = served.environment("dev").await?.unwrap_or_default();
        Ok(place.to_string().contains("approvals").then_some(place))
    });
    let place = place.await.map_err(|error| format!("{error}\n{}", served.log()))?;
    let number = place["pullRequest"]["number"].as_u64().ok_or_else(|| format!("there is no pull request: {place}"))?;
    Ok((number, place["proposedSha"].as_str().ok_or("something is proposed")?.to_owned()))
}

/// Returns how often a merge was asked for.
async fn attempts(served: &Served) -> Fallible<u64> {
    let is_merge = |line: &str| line.contains("_forge_requests_") && line.contains("POST") && line.contains("/merge\"");
    counted(served, is_merge).await
}

/// Returns how often the service looked at the strategy.
async fn looks(served: &Served) -> Fallible<u64> {
    counted(served, |line| line.starts_with("hydromote_plans_total")).await
}

/// Returns the sum of some counters.
async fn counted(served: &Served, is_one: impl Fn(&str) -> bool) -> Fallible<u64> {
    let (_, metrics) = served.get("/metrics").await?;
    let counters = metrics.lines().filter(|line| is_one(line));
    Ok(counters.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum())
}

/// A merge that waits for an approval is asked for now and then, not all the time, and is not taken for done; among many
/// newer pull requests our own is found, also by a service that remembers nothing.
#[tokio::test]
#[ignore = "needs a real Gitea: make test-gitea"]
async fn a_merge_that_waits_for_an_approval_is_found_among_many_and_not_tried_all_the_time() -> TestResult {
    let lab = Lab::start(Queue::Fast).await?;
    let served = begin(&lab).await?;
    let first = served.environment("dev").await?.ok_or("there is a dev")?["running"].clone();
    lab.protect("env/dev", json!({"enable_push": true, "required_approvals": 1})).await?;
    let second = lab.push("main", "second", &everywhere("v2")).await?;
    let (number, head) = refused(&served).await?;
    for other in 0..OTHERS {
        lab.propose(&format!("topic-{other}"), "main").await?;
    }
    let tried = attempts(&served).await?;
    // What is reported on what runs is looked at by the next poll.
    let running = lab.head("env/dev").await?.ok_or("it runs")?;
    for number in 0..LOOKS {
        let looked = looks(&served).await?;
        lab.report(&running, &format!("report-{number}"), "success").await?;
        until("it has looked again", async || Ok((looks(&served).await? > looked).then_some(()))).await?;
    }
    let tried = attempts(&served).await? - tried;
    assert!(tried <= LOOKS / 2, "in {LOOKS} looks {tried} merges were asked for");
    let place = served.environment("dev").await?.unwrap_or_default();
    assert_eq!(place["running"]["commit"], first["commit"], "{place}");

    served.kill().await?;
    forget(lab.dir.path())?;
    let served = serve(&lab).await?;
    assert_eq!(refused(&served).await?, (number, head));
    let review = json!({"event": "APPROVED", "body": "It may go."});
    lab.by_password(DEVELOPER, &format!("/repos/acme/shop/pulls/{number}/reviews"), review).await?;
    served.runs("dev", &second).await?;
    let ours = lab.repository(Method::GET, "/pulls?state=all&limit=50", json!(null)).await?;
    let into_dev = ours.as_array().into_iter().flatten().filter(|pull| pull["base"]["ref"] == "env/dev");
    assert_eq!(into_dev.count(), 2, "one for each promotion");
    Ok(())
}
