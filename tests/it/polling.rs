//! No webhook tells of anything: what happens is found by reading everything again, and nothing is decided where
//! nothing is found.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use hydromote::{
    domain::ids::RepositoryId,
    local_forge::{CommitFiles, MergeOrder, NewPull, Permission, PullState, ReviewState},
    store::Store,
};
use tokio::sync::{mpsc, oneshot};

use crate::{
    program::{Served, Site, Start, until},
    proxy::{Asked, Behind, Between, Fate, Proxy},
    world::{BOT, DEVELOPER, Fallible, REPOSITORY, TestResult, everywhere, strategy},
};

/// Each kind of thing that a poll compares.
#[tokio::test]
async fn what_no_webhook_tells_is_found_by_the_next_poll() -> TestResult {
    let site = Site::new().await?;
    let served = site.serve(Start { poll: "1s", ..Start::default() }).await?;
    let one = site.push("first", first(&["dev", "staging, approvals: {count: 1}"])).await?;
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
    let one = site.push("first", first(&["dev", "staging", "prod"])).await?;
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
    let site = Site::new().await?;
    let served = site.serve(Start { poll: "1s", ..Start::default() }).await?;
    let one = site.push("first", first(&["dev", "staging"])).await?;
    served.runs("dev", &one).await?;
    waits_for(&served, "health").await?;
    at_rest(&served).await?;
    served.terminate().await?;
    site.forge.shutdown().await?;
    Ok(())
}

/// Holds back one list of what is proposed for staging.
struct Holding {
    is_armed: Arc<AtomicBool>,
    held: mpsc::UnboundedSender<oneshot::Sender<()>>,
}

#[async_trait]
impl Between for Holding {
    async fn decide(&self, asked: Asked, behind: &Arc<Behind>) -> Fate {
        if asked.path.contains("staging-next") && self.is_armed.swap(false, Ordering::SeqCst) {
            let (go_on, wait) = oneshot::channel();
            // Where nobody holds it, it goes on.
            drop(self.held.send(go_on));
            drop(wait.await);
        }
        Fate::Answered(behind.ask(&asked).await)
    }
}

/// Its branches are listed before, and its pull requests after that.
#[tokio::test]
async fn a_merge_by_hand_in_the_middle_of_a_poll_is_found_by_the_next() -> TestResult {
    let site = Site::new().await?;
    let (is_armed, (held, mut holding)) = (Arc::new(AtomicBool::new(false)), mpsc::unbounded_channel());
    let between = Arc::new(Holding { is_armed: is_armed.clone(), held });
    let proxy = Proxy::start(site.forge.url(), between).await?;
    let api = site.forge.api_url().replace(site.forge.url(), proxy.url());
    let served = site.serve_at(&api, Start { poll: "1s", ..Start::default() }).await?;
    let one = site.push("first", first(&["dev", "staging, mergeMode: link, autoMerge: false"])).await?;
    served.runs("dev", &one).await?;
    site.healthy("dev").await?;
    let (head, base) = ("env/staging-next".to_owned(), "env/staging".to_owned());
    let new = NewPull { head, base, title: "by hand".to_owned(), ..NewPull::default() };
    until("it is proposed", async || {
        Ok(site.forge.repository(REPOSITORY).await?.branch("env/staging-next").is_some().then_some(()))
    })
    .await?;
    let number = site.forge.as_user(DEVELOPER).open_pull_request(REPOSITORY, new).await?;
    until("it is known", async || Ok(staging(&served).await?["pullRequest"].is_object().then_some(()))).await?;
    at_rest(&served).await?;
    is_armed.store(true, Ordering::SeqCst);
    let go_on = holding.recv().await.ok_or("the proxy has ended")?;
    site.forge.as_user(DEVELOPER).merge(REPOSITORY, number, MergeOrder::default()).await?;
    go_on.send(()).map_err(|()| "nobody waits any more")?;
    served.runs("staging", &one).await?;
    served.terminate().await?;
    site.forge.shutdown().await?;
    Ok(())
}

#[tokio::test]
async fn a_hold_whose_mark_the_forge_refuses_is_heeded_at_once() -> TestResult {
    let site = Site::new().await?;
    let served = site.serve(Start { poll: "1h", ..Start::default() }).await?;
    site.tell(&served).await?;
    let one = site.push("first", first(&["dev", "staging"])).await?;
    served.runs("dev", &one).await?;
    waits_for(&served, "health").await?;
    site.forge.grant(REPOSITORY, BOT, Permission::Read).await?;
    let hold = serde_json::json!({"reason": "disk", "by": "Ada"});
    let (status, words) = served.act(&format!("/strategies/{REPOSITORY}/shop/hold/dev"), &hold).await?;
    assert!(status.is_success(), "{status} {words}");
    until("it is held", async || {
        let dev = served.environment("dev").await?.unwrap_or_default();
        Ok((dev["hold"]["reason"] == "disk").then_some(()))
    })
    .await?;
    served.trouble().await?;
    site.forge.grant(REPOSITORY, BOT, Permission::Write).await?;
    served.recovered().await?;
    let repository = site.forge.repository(REPOSITORY).await?;
    let marks = site.forge.statuses(REPOSITORY, repository.branch("env/dev").ok_or("it runs")?).await?;
    assert!(marks.iter().any(|mark| mark.context.starts_with("hydromote/hold")), "{marks:?}");
    served.terminate().await?;
    site.forge.shutdown().await?;
    Ok(())
}

/// From then on the branches are listed more often.
#[tokio::test]
async fn a_push_of_which_no_webhook_told_is_noted_as_one() -> TestResult {
    let site = Site::new().await?;
    let (store, repository) =
        (Store::open(&site.dir.path().join("hydromote.db")).await?, RepositoryId::new(REPOSITORY)?);
    let served = site.serve(Start { poll: "1s", ..Start::default() }).await?;
    let one = site.push("first", first(&["dev", "staging"])).await?;
    served.runs("dev", &one).await?;
    site.healthy("dev").await?;
    served.runs("staging", &one).await?;
    served.terminate().await?;
    store.save_heard(&repository).await?;
    let served = site.serve(Start { poll: "1s", ..Start::default() }).await?;
    until("it has looked", async || Ok(served.strategy().await?)).await?;
    at_rest(&served).await?;
    assert!(store.is_heard(&repository).await?, "nothing was pushed since");
    let two = site.push("second", everywhere("v2")).await?;
    served.runs("dev", &two).await?;
    until("it is noted", async || Ok((!store.is_heard(&repository).await?).then_some(()))).await?;
    served.terminate().await?;
    site.forge.shutdown().await?;
    Ok(())
}

/// Waits until polls find nothing: what a look did itself is found by the next one.
async fn at_rest(served: &Served) -> TestResult {
    until("polls find nothing", async || {
        let before = plans(served).await?;
        for _ in 0..2 {
            let looked_at = served.strategy().await?.unwrap_or_default()["lookedAt"].clone();
            until("it was polled", async || {
                Ok((served.strategy().await?.unwrap_or_default()["lookedAt"] != looked_at).then_some(()))
            })
            .await?;
        }
        Ok((plans(served).await? == before).then_some(()))
    })
    .await
}

/// Returns the files of a first commit.
fn first(environments: &[&str]) -> Vec<(String, String)> {
    let strategy = ("hydromote.yaml".to_owned(), strategy(environments));
    everywhere("v1").into_iter().chain([strategy]).collect()
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
