//! `hydromote serve`: it starts from a file, promotes, survives being killed, and keeps secrets.

use std::sync::Arc;

use hydromote::local_forge::{Fault, FaultKind, Observed, Observer, PullState};

use crate::{
    program::{API_TOKEN, Site, Start, WEBHOOK_SECRET, until},
    world::{REPOSITORY, TestResult, config, everywhere, strategy},
};

/// Returns the files of a first commit.
fn first(environments: &[&str]) -> Vec<(String, String)> {
    let mut files = everywhere("v1");
    files.push(("hydromote.yaml".to_owned(), strategy(environments)));
    files
}

#[tokio::test]
async fn the_service_starts_from_a_file_hears_webhooks_and_ends_on_a_signal() -> TestResult {
    let site = Site::new().await?;
    let served = site.serve(Start::default()).await?;
    assert_eq!(served.get("/healthz").await?, (200.try_into()?, "ok\n".to_owned()));
    assert_eq!(served.get("/readyz").await?, (200.try_into()?, "ready\n".to_owned()));
    site.tell(&served).await?;
    let one = site.push("first", first(&["dev", "staging"])).await?;
    served.runs("dev", &one).await?;
    site.healthy("dev").await?;
    served.runs("staging", &one).await?;
    site.healthy("dev").await?;
    let two = site.push("second", everywhere("v2")).await?;
    served.runs("dev", &two).await?;
    assert_eq!(site.file("dev", "shop/manifest.yaml").await?, Some(config("v2")));
    let (_, metrics) = served.get("/metrics").await?;
    assert!(metrics.contains("hydromote_webhook_deliveries_total"), "{metrics}");
    let (ended, log) = served.terminate().await?;
    assert_eq!(ended.code(), Some(0), "{log}");
    assert!(log.contains("stopping") && !log.contains("ERROR"), "{log}");
    site.forge.shutdown().await?;
    Ok(())
}

#[tokio::test]
async fn a_push_without_a_webhook_is_found_by_polling() -> TestResult {
    let site = Site::new().await?;
    let served = site.serve(Start { poll: "1s", ..Start::default() }).await?;
    let one = site.push("first", first(&["dev"])).await?;
    served.runs("dev", &one).await?;
    site.healthy("dev").await?;
    let two = site.push("second", everywhere("v2")).await?;
    served.runs("dev", &two).await?;
    served.terminate().await?;
    site.forge.shutdown().await?;
    Ok(())
}

/// Nobody tells the service of a repository that it knows only because it was told once.
#[tokio::test]
async fn a_repository_that_was_found_by_a_pattern_goes_on_after_a_restart() -> TestResult {
    let site = Site::new().await?;
    let owner = format!("{}/*", REPOSITORY.split('/').next().unwrap_or_default());
    let start = Start { served: &owner, ..Start::default() };
    let served = site.serve(start).await?;
    site.tell(&served).await?;
    let one = site.push("first", first(&["dev"])).await?;
    served.runs("dev", &one).await?;
    site.healthy("dev").await?;
    served.terminate().await?;
    let two = site.push("second", everywhere("v2")).await?;
    let served = site.serve(start).await?;
    served.runs("dev", &two).await?;
    served.terminate().await?;
    site.forge.shutdown().await?;
    Ok(())
}

/// The forge has done it, the service does not know, and is killed at once.
#[tokio::test]
async fn a_service_that_is_killed_in_the_middle_goes_on_where_it_was() -> TestResult {
    let (told, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let observer: Observer = Arc::new(move |observed| {
        if let Observed::Exchange(exchange) = observed
            && exchange.status == 502
        {
            // Nobody listens any more when the story is over.
            drop(told.send(format!("{} {}", exchange.method, exchange.path)));
        }
    });
    let site = Site::observed(Some(observer)).await?;
    let dry = site.push("first", first(&["dev", "staging"])).await?;
    for (method, path) in [("POST", "/pulls"), ("POST", "/statuses"), ("PUT", "/merge")] {
        let fault = Fault {
            method: Some(method.to_owned()),
            path_contains: path.to_owned(),
            times: 1,
            kind: FaultKind::AnswerLost(502),
        };
        site.forge.fail(fault);
        let served = site.serve(Start::default()).await?;
        let lost = tokio::time::timeout(std::time::Duration::from_secs(30), seen.recv()).await;
        let lost = lost.map_err(|_| format!("{method} {path} was never called\n{}", served.log()))?;
        assert!(lost.is_some_and(|call| call.starts_with(method)));
        served.kill().await?;
        site.forge.clear_faults();
    }
    let served = site.serve(Start::default()).await?;
    site.tell(&served).await?;
    served.runs("dev", &dry).await?;
    site.healthy("dev").await?;
    served.runs("staging", &dry).await?;
    let pulls = site.forge.pull_requests(REPOSITORY).await?;
    let told: Vec<_> = pulls.iter().map(|pull| (pull.base.as_str(), pull.state == PullState::Merged)).collect();
    assert!(told.iter().all(|(_, merged)| *merged), "{told:?}");
    assert_eq!(told.iter().map(|(base, _)| *base).collect::<Vec<_>>(), ["env/dev", "env/staging"]);
    for pull in &pulls {
        let git = git2::Repository::open_bare(site.forge.git_dir(REPOSITORY))?;
        let tree = |sha: &str| Ok::<_, git2::Error>(git.find_commit(git2::Oid::from_str(sha)?)?.tree_id());
        let merged = pull.merge_commit_sha.as_deref().ok_or("it is merged")?;
        assert_eq!(tree(merged)?, tree(&pull.head_sha)?);
    }
    let history = served.api("/strategies/acme/shop/shop/history").await?;
    assert_eq!(history["promotions"].as_array().map(Vec::len), Some(pulls.len()), "{history:#}");
    served.terminate().await?;
    site.forge.shutdown().await?;
    Ok(())
}

#[tokio::test]
async fn no_secret_is_told_anywhere() -> TestResult {
    let site = Site::new().await?;
    let served = site.serve(Start { log: Some("trace"), ..Start::default() }).await?;
    site.tell(&served).await?;
    let one = site.push("first", first(&["dev", "prod, autoMerge: false"])).await?;
    served.runs("dev", &one).await?;
    let fault = |kind| Fault { method: None, path_contains: "/statuses".to_owned(), times: 1, kind };
    site.forge.fail(fault(FaultKind::Status(401)));
    site.forge.fail(fault(FaultKind::Status(500)));
    site.healthy("dev").await?;
    let pull_request = until("prod waits for a person", async || {
        let place = served.environment("prod").await?.unwrap_or_default();
        Ok((place["state"] == "needsPerson").then(|| place["pullRequest"].clone()))
    })
    .await?;
    assert!(pull_request["number"].is_u64());
    let client = reqwest::Client::builder().no_proxy().build()?;
    let promote = format!("{}/api/v1/strategies/acme/shop/shop/promote/prod", served.url);
    let answer = client.post(&promote).bearer_auth("wrong").json(&serde_json::json!({})).send().await?;
    assert_eq!(answer.status(), 401);
    let answer = client.post(&promote).bearer_auth(API_TOKEN).json(&serde_json::json!({"by": "ada"})).send().await?;
    assert_eq!(answer.status(), 200);
    let mut texts = vec![answer.text().await?];
    served.runs("prod", &one).await?;
    let strategy = "/strategies/acme/shop/shop";
    for path in ["", "/plan", "/explain", "/history"] {
        texts.push(served.get(&format!("/api/v1{strategy}{path}")).await?.1);
    }
    for path in ["/", strategy, "/metrics", "/api/v1/strategies", "/api/v1/openapi.json", "/readyz"] {
        texts.push(served.get(path).await?.1);
    }
    texts.push(served.arguments()?);
    let repository = site.forge.repository(REPOSITORY).await?;
    for pull in repository.pulls.values() {
        texts.extend([pull.title.clone(), pull.body.clone().unwrap_or_default()]);
    }
    texts.extend(repository.comments.iter().map(|comment| comment.body.clone()));
    texts.extend(repository.statuses.iter().filter_map(|status| status.description.clone()));
    let (_, log) = served.terminate().await?;
    assert!(log.contains("TRACE"), "the log is as talkative as it can be");
    texts.push(log);
    for secret in [site.bot_token.expose(), WEBHOOK_SECRET, API_TOKEN] {
        let encoded = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, format!("x-access-token:{secret}"));
        for text in &texts {
            let line = text.lines().find(|line| line.contains(secret) || line.contains(&encoded));
            assert_eq!(line, None);
        }
    }
    site.forge.shutdown().await?;
    Ok(())
}
