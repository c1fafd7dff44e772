//! The demo's story with its people, told on a real Gitea: commits go from dev to production, a bad one goes back.

use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::{
    lab::{Lab, Queue},
    shop,
};
use crate::{
    program::{Served, Start, serve_with, until},
    world::{DEVELOPER, Fallible, READER, TestResult},
};

/// A Gitea and a service beside it.
struct Telling {
    lab: Lab,
    client: Client,
    served: Served,
}

impl Telling {
    async fn begin(queue: Queue) -> Fallible<Self> {
        let lab = Lab::start(queue).await?;
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
        let served = serve(&lab, &client, "1h").await?;
        lab.tell(&format!("{}/webhooks/acme_hub", served.url)).await?;
        Ok(Self { lab, client, served })
    }

    /// Kills the service, and starts another on what it left.
    async fn kill(self) -> Fallible<Self> {
        let Self { lab, client, served } = self;
        served.kill().await?;
        let served = serve(&lab, &client, "1h").await?;
        lab.tell(&format!("{}/webhooks/acme_hub", served.url)).await?;
        Ok(Self { lab, client, served })
    }

    async fn push(&self, subject: &str, files: &shop::Files) -> Fallible<String> {
        self.lab.push("main", subject, files).await
    }

    async fn report(&self, environment: &str, state: &str) -> TestResult {
        let head = self.lab.head(&format!("env/{environment}")).await?.ok_or("nothing runs there")?;
        self.lab.report(&head, "health", state).await
    }

    /// Waits until an environment runs a dry SHA, and reports that it is healthy.
    async fn goes_through(&self, environment: &str, dry: &str) -> TestResult {
        self.served.runs(environment, dry).await?;
        self.report(environment, "success").await?;
        self.waits_for(environment, "verified", |place| place["running"]["verified"] == true).await.map(drop)
    }

    /// Waits until the service says something of an environment.
    async fn waits_for(&self, environment: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Fallible<Value> {
        let what = format!("{environment} is {what}");
        let asked = until(&what, async || Ok(self.served.environment(environment).await?.filter(&is_so)));
        match asked.await {
            Ok(place) => Ok(place),
            Err(error) => {
                let place = self.served.environment(environment).await?.unwrap_or_default();
                Err(format!("{error}\n{place:#}\n{}", self.served.log()).into())
            }
        }
    }

    /// Waits until prod waits for a person with this dry SHA; returns its pull request.
    async fn prod_waits(&self, dry: &str) -> Fallible<u64> {
        let is_so = |place: &Value| place["state"] == "needsPerson" && place["wanted"]["sha"] == dry;
        let place = self.waits_for("prod", "waiting for a person", is_so).await?;
        let number = place["pullRequest"]["number"].as_u64().ok_or("it has a pull request")?;
        assert_eq!(place["pullRequest"]["url"], format!("{}/pulls/{number}", self.lab.page()));
        Ok(number)
    }

    /// Has a person promote prod by a comment.
    async fn promote_prod(&self, dry: &str) -> TestResult {
        let number = self.prod_waits(dry).await?;
        self.lab.comment(DEVELOPER, number, "/promote").await?;
        self.goes_through("prod", dry).await
    }

    async fn everywhere(&self, dry: &str) -> TestResult {
        self.goes_through("dev", dry).await?;
        self.goes_through("staging", dry).await?;
        self.promote_prod(dry).await
    }

    /// Waits until somebody's comment on a pull request got an answer that holds this.
    async fn is_answered(&self, number: u64, words: &str) -> TestResult {
        let what = format!("somebody is told of `{words}`");
        until(&what, async || {
            let comments = self.lab.repository(Method::GET, &format!("/issues/{number}/comments"), json!({})).await?;
            let bodies = comments.as_array().cloned().unwrap_or_default();
            let mut bodies = bodies.iter().filter_map(|comment| comment["body"].as_str());
            Ok(bodies.any(|body| body.contains(words)).then_some(()))
        })
        .await
        .map_err(|error| format!("{error}\n{}", self.served.log()).into())
    }
}

async fn serve(lab: &Lab, client: &Client, poll: &str) -> Fallible<Served> {
    serve_with(lab.dir.path(), &lab.settings(poll)?, client, Start::default()).await
}

/// Tells the whole story; every step follows from a webhook, since nothing is polled for.
async fn tell(queue: Queue) -> TestResult {
    let mut telling = Telling::begin(queue).await?;
    // The first hydration: branches from nothing, and a pull request for each.
    let first = telling.push("Begin", &shop::all()?).await?;
    telling.everywhere(&first).await?;

    // An image. The service is killed while staging waits for dev, and while prod waits for a person.
    let image = telling.push("Bring image 1.1.0", &[shop::web("1.1.0")?, shop::api("1.1.0")?].concat()).await?;
    telling.served.runs("dev", &image).await?;
    telling = telling.kill().await?;
    telling.goes_through("dev", &image).await?;
    telling.goes_through("staging", &image).await?;
    let number = telling.prod_waits(&image).await?;
    telling = telling.kill().await?;
    // Who may only read is told so, and a hold keeps what was asked for waiting.
    telling.lab.comment(READER, number, "/promote").await?;
    telling.is_answered(number, "needs").await?;
    telling.lab.comment(DEVELOPER, number, "/hold prod reason=\"a party\"").await?;
    telling.waits_for("prod", "held", |place| !place["hold"].is_null()).await?;
    telling.lab.comment(DEVELOPER, number, "/unhold prod").await?;
    telling.waits_for("prod", "held no more", |place| place["hold"].is_null()).await?;
    telling.promote_prod(&image).await?;

    // Nothing changes in staging: no pull request there.
    let beside = telling.push("Log less in prod", &shop::beside_staging()?).await?;
    telling.goes_through("dev", &beside).await?;
    telling.waits_for("staging", "passed", |place| place["taken"]["sha"] == beside.as_str()).await?;
    telling.promote_prod(&beside).await?;

    // A bad image goes back, and stays out also below an unrelated commit.
    let before = telling.served.environment("staging").await?.ok_or("there is a staging")?;
    let bad = telling.push("Bring image 1.2.0", &shop::web("1.2.0")?).await?;
    telling.goes_through("dev", &bad).await?;
    telling.served.runs("staging", &bad).await?;
    telling.report("staging", "failure").await?;
    let is_back = |place: &Value| place["tree"] == before["tree"] && place["rollback"].is_null();
    let back = telling.waits_for("staging", "rolled back", is_back).await?;
    assert_ne!(back["activeSha"], before["activeSha"], "a rollback is a new commit");
    telling.report("staging", "success").await?;
    let unrelated = telling.push("Bring API 1.1.1", &shop::api("1.1.1")?).await?;
    telling.goes_through("dev", &unrelated).await?;
    let kept_out = |place: &Value| place["notices"].as_array().is_some_and(|notices| !notices.is_empty());
    let staging = telling.waits_for("staging", "kept free of it", kept_out).await?;
    assert_eq!((&staging["drySha"], &staging["tree"]), (&back["drySha"], &back["tree"]));

    // What works again goes everywhere by itself.
    let fixed = telling.push("Bring image 1.2.1", &shop::web("1.2.1")?).await?;
    telling.everywhere(&fixed).await?;
    assert_ended_well(&telling).await
}

/// Each pull request that was merged brought exactly what it proposed, and none is left open.
async fn assert_ended_well(telling: &Telling) -> TestResult {
    let pulls = telling.lab.repository(Method::GET, "/pulls?state=all&limit=50", json!({})).await?;
    let pulls = pulls.as_array().cloned().unwrap_or_default();
    assert!(pulls.iter().all(|pull| pull["state"] == "closed"), "{pulls:#?}");
    let merged: Vec<&Value> = pulls.iter().filter(|pull| pull["merged"] == true).collect();
    for pull in &merged {
        // A merge may be a squash: what was proposed stands where the forge keeps it.
        let kept = format!("/git/refs/pull/{}/head", pull["number"]);
        let kept = telling.lab.repository(Method::GET, &kept, json!({})).await?;
        // Where the forge names the tree of a commit it says the commit's own id: the entries are compared.
        let tree = async |sha: &Value| {
            let path = format!("/git/trees/{}", sha.as_str().unwrap_or_default());
            let entries = telling.lab.repository(Method::GET, &path, json!({})).await?["tree"].take();
            if entries.as_array().is_none_or(Vec::is_empty) {
                Err("it holds nothing".into())
            } else {
                Fallible::Ok(entries)
            }
        };
        let (merged, proposed) = (tree(&pull["merge_commit_sha"]).await?, tree(&kept[0]["object"]["sha"]).await?);
        assert_eq!(merged, proposed, "{}", pull["title"]);
    }
    // Links lead to pages of this forge, once anybody may see them.
    telling.lab.admin(Method::PATCH, "/orgs/acme", json!({"visibility": "public"})).await?;
    telling.lab.repository(Method::PATCH, "", json!({"private": false})).await?;
    let place = telling.served.environment("staging").await?.ok_or("there is a staging")?;
    for url in [&place["branchUrl"], &place["running"]["commit"]["url"]] {
        let url = url.as_str().ok_or("it is an address")?;
        let answer = telling.client.get(url).send().await?;
        assert_eq!(answer.status(), 200, "{url}");
    }
    let history = telling.served.api("/strategies/acme/shop/shop/history").await?;
    let promotions = history["promotions"].as_array().map(Vec::len).unwrap_or_default();
    assert!(promotions > 0 && promotions <= merged.len(), "{history:#}");
    Ok(())
}

#[tokio::test]
#[ignore = "needs a real Gitea: make test-gitea"]
async fn the_story_is_told_to_its_end() -> TestResult {
    tell(Queue::Fast).await
}

/// Webhooks come seconds late, and the forge refuses merges for as long.
#[tokio::test]
#[ignore = "needs a real Gitea: make test-gitea"]
async fn the_story_is_told_to_its_end_with_the_forges_own_slow_queue() -> TestResult {
    tell(Queue::Default).await
}

/// The forge sends a webhook once, whatever is answered: what was lost is found by polling.
#[tokio::test]
#[ignore = "needs a real Gitea: make test-gitea"]
async fn what_no_webhook_tells_is_found_by_polling() -> TestResult {
    let lab = Lab::start(Queue::Fast).await?;
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
    let served = serve(&lab, &client, "2s").await?;
    let telling = Telling { lab, client, served };
    let first = telling.push("Begin", &shop::all()?).await?;
    telling.everywhere(&first).await?;
    let (_, metrics) = telling.served.get("/metrics").await?;
    assert!(!metrics.contains("hydromote_webhook_deliveries_total"), "{metrics}");
    Ok(())
}
