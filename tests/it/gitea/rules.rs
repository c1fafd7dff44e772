//! Rules of branches: those that refuse a merge, and those that catch more than was meant.

use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::json;

use super::lab::{Lab, Queue};
use crate::{
    program::{Served, Start, serve_with, until},
    world::{Fallible, TestResult, everywhere, strategy},
};

/// Starts a service that looks again soon.
pub(super) async fn serve(lab: &Lab) -> Fallible<Served> {
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
    serve_with(lab.dir.path(), &lab.settings("1s")?, &client, Start::default()).await
}

/// A service that looks again soon, on a repository with a strategy of one environment.
pub(super) async fn begin(lab: &Lab) -> Fallible<Served> {
    let served = serve(lab).await?;
    let mut files = everywhere("v1");
    files.push(("hydromote.yaml".to_owned(), strategy(&["dev"])));
    let first = lab.push("main", "first", &files).await?;
    served.runs("dev", &first).await?;
    let head = lab.head("env/dev").await?.ok_or("it runs")?;
    lab.report(&head, "health", "success").await?;
    let verified = until("it is verified", async || {
        let place = served.environment("dev").await?.unwrap_or_default();
        Ok((place["running"]["verified"] == true).then_some(()))
    });
    verified.await.map_err(|error| format!("{error}\n{}", served.log()))?;
    Ok(served)
}

#[tokio::test]
#[ignore = "needs a real Gitea: make test-gitea"]
async fn a_merge_that_a_rule_refuses_waits_in_the_rules_words() -> TestResult {
    let lab = Lab::start(Queue::Fast).await?;
    let rule = json!({"enable_push": true, "enable_status_check": true, "status_check_contexts": ["change-ticket"]});
    let served = begin(&lab).await?;
    lab.protect("env/dev", rule).await?;
    let second = lab.push("main", "second", &everywhere("v2")).await?;
    let place = until("the merge is refused", async || {
        let place = served.environment("dev").await?.unwrap_or_default();
        Ok(place.to_string().contains("Not all required status checks successful").then_some(place))
    });
    let place = place.await.map_err(|error| format!("{error}\n{}", served.log()))?;
    let proposed = place["proposedSha"].as_str().ok_or("something is proposed")?;
    lab.report(proposed, "change-ticket", "success").await?;
    served.runs("dev", &second).await
}

/// `env/*` is for the branches that run, and fits those that are proposed as well.
#[tokio::test]
#[ignore = "needs a real Gitea: make test-gitea"]
async fn a_rule_that_catches_proposed_branches_is_named() -> TestResult {
    let lab = Lab::start(Queue::Fast).await?;
    let served = begin(&lab).await?;
    lab.protect("env/*", json!({"enable_push": false})).await?;
    let second = lab.push("main", "second", &everywhere("v2")).await?;
    let trouble = served.trouble().await.map_err(|error| format!("{error}\n{}", served.log()))?;
    assert!(trouble.contains("`env/dev-next`"), "{trouble}");
    assert!(trouble.contains("Not allowed to push to protected branch env/dev-next"), "{trouble}");
    lab.repository(Method::DELETE, "/branch_protections/env%2F*", json!({})).await?;
    lab.protect("env/dev", json!({"enable_push": false})).await?;
    served.runs("dev", &second).await?;
    served.recovered().await
}
