//! No webhook tells of anything: what happens is found by reading everything again, and nothing is decided where
//! nothing is found.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use hydromote::local_forge::{CommitFiles, Observed, Observer, PullState, ReviewState};

use crate::{
    program::{Served, Site, Start, until},
    world::{DEVELOPER, Fallible, REPOSITORY, TestResult, everywhere, strategy},
};

/// Each kind of thing that a poll compares.
#[tokio::test]
async fn what_no_webhook_tells_is_found_by_the_next_poll() -> TestResult {
    let site = Site::new().await?;
    let served = site.serve(Start { poll: "1s", ..Start::default() }).await?;
    let mut files = everywhere("v1");
    files.push(("hydromote.yaml".to_owned(), strategy(&["dev", "staging, approvals: {count: 1}"])));
    let one = site.push("first", files).await?;
    served.runs("dev", &one).await?;
    waits_for(&served, "health").await?;
    site.healthy("dev").await?;
    waits_for(&served, "approval").await?;
    let open = open_pull(&site).await?;
    site.forge.as_user(DEVELOPER).review(REPOSITORY, open, ReviewState::Approved, "").await?;
    served.runs("staging", &one).await?;

    let two = site.push("second", everywhere("v2")).await?;
    served.runs("dev", &two).await?;
    site.healthy("staging").await?;
    site.healthy("dev").await?;
    waits_for(&served, "approval").await?;
    let open = open_pull(&site).await?;
    site.forge.as_user(DEVELOPER).close(REPOSITORY, open).await?;
    until("the rejection is known", async || Ok(staging(&served).await?["pullRequest"].is_null().then_some(())))
        .await?;
    site.forge.as_user(DEVELOPER).reopen(REPOSITORY, open).await?;
    until("it is taken back", async || Ok(staging(&served).await?["pullRequest"].is_object().then_some(()))).await?;

    let files = vec![("shop/manifest.yaml".to_owned(), "kind: Nothing\n".to_owned())];
    let commit = CommitFiles { branch: "env/staging".to_owned(), message: "by hand".to_owned(), files };
    site.forge.commit_files(REPOSITORY, DEVELOPER, commit).await?;
    until("the drift is known", async || Ok(staging(&served).await?["drift"].is_string().then_some(()))).await?;
    served.terminate().await?;
    site.forge.shutdown().await?;
    Ok(())
}

/// One thing leads to another: a push to a promotion, that to a report, and that to the next promotion.
#[tokio::test]
async fn where_no_webhook_tells_polls_follow_what_happened_although_they_are_rare() -> TestResult {
    let site = Site::new().await?;
    let served = site.serve(Start { poll: "1h", ..Start::default() }).await?;
    let mut files = everywhere("v1");
    files.push(("hydromote.yaml".to_owned(), strategy(&["dev", "staging", "prod"])));
    let one = site.push("first", files).await?;
    for environment in ["dev", "staging", "prod"] {
        served.runs(environment, &one).await?;
        site.healthy(environment).await?;
    }
    served.terminate().await?;
    site.forge.shutdown().await?;
    Ok(())
}

#[tokio::test]
async fn where_nothing_differs_nothing_is_decided() -> TestResult {
    let polls = Arc::new(AtomicUsize::new(0));
    let counted = polls.clone();
    let observer: Observer = Arc::new(move |observed| {
        if let Observed::Exchange(exchange) = observed
            && exchange.path.ends_with("/pulls")
            && exchange.query.contains("head=")
            && exchange.query.contains("dev")
        {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let site = Site::observed(Some(observer)).await?;
    let served = site.serve(Start { poll: "1s", ..Start::default() }).await?;
    let mut files = everywhere("v1");
    files.push(("hydromote.yaml".to_owned(), strategy(&["dev", "staging"])));
    let one = site.push("first", files).await?;
    served.runs("dev", &one).await?;
    waits_for(&served, "health").await?;
    // What the last look did itself is found by the next poll, and looked at once more.
    until("polls find nothing", async || {
        let (before, wanted) = (plans(&served).await?, polls.load(Ordering::Relaxed) + 3);
        until("it was polled", async || Ok((polls.load(Ordering::Relaxed) >= wanted).then_some(()))).await?;
        Ok((plans(&served).await? == before).then_some(()))
    })
    .await?;
    served.terminate().await?;
    site.forge.shutdown().await?;
    Ok(())
}

async fn staging(served: &Served) -> Fallible<serde_json::Value> {
    Ok(served.environment("staging").await?.unwrap_or_default())
}

/// Waits until staging waits for such a thing.
async fn waits_for(served: &Served, gate: &str) -> TestResult {
    let what = format!("staging waits for {gate}");
    until(&what, async || {
        let gates = staging(served).await?["gates"].to_string();
        Ok(gates.contains(gate).then_some(()))
    })
    .await
    .map_err(|error| format!("{error}\n{}", served.log()).into())
}

async fn open_pull(site: &Site) -> Fallible<u64> {
    let pulls = site.forge.pull_requests(REPOSITORY).await?;
    let open = pulls.iter().find(|pull| pull.state == PullState::Open).ok_or("none is open")?;
    Ok(open.number)
}

/// Returns how many plans were made.
async fn plans(served: &Served) -> Fallible<String> {
    let (_, metrics) = served.get("/metrics").await?;
    let line = metrics.lines().find(|line| line.starts_with("hydromote_plans_total"));
    Ok(line.ok_or("plans are counted")?.to_owned())
}
