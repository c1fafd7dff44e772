//! Situations in which users of such a service were surprised, each with the story in which it ends well:
//!
//! | situation | story |
//! |---|---|
//! | there is a forge and git, and no cluster or deployment tool | [`super::story`], and every story here |
//! | nothing is ever reported | [`environments_go_in_their_order_where_nothing_is_reported`] |
//! | a rule of the forge refuses a merge: is it done, is it tried all the time? | [`super::rules`], [`super::crowd`] |
//! | there are more open pull requests than a page of a list | [`super::crowd`] |
//! | the forge is away for seconds | [`an_outage_of_seconds_costs_seconds`] |
//! | a branch comes after the strategy | [`an_environment_that_comes_later_takes_part_at_once`] |
//! | an environment is unchanged by what later ones change by | [`super::story`]: `beside_staging` |
//! | all is in order, and nothing moves: who says why? | [`what_waits_says_for_what`] |
//! | pull requests of later environments are there before earlier ones are done | [`what_waits_says_for_what`] |
//! | somebody else sends webhooks | [`a_webhook_that_the_forge_did_not_sign_is_refused`] |
//! | webhooks come to nobody | [`super::story`]: `what_no_webhook_tells_is_found_by_polling` |
//! | what was merged is read back by people and programs | [`what_was_merged_says_what_it_brought_and_why`] |
//! | a branch is missing; what was done must be told later | [`super::story`], from its first push to its history |

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::lab::{Lab, Queue};
use crate::{
    program::{Served, Start, serve_with, until},
    proxy::{Asked, Behind, Between, Fate, Proxy, Told},
    world::{DEVELOPER, Fallible, REPOSITORY, TestResult, everywhere, strategy},
};

/// How long the forge is away.
const AWAY: Duration = Duration::from_secs(5);
/// How long after it is back everything may take: a fraction of any interval at which one would poll.
const SOON: Duration = Duration::from_secs(40);

/// A Gitea, and a service that hears of everything and polls for nothing.
struct Telling {
    lab: Lab,
    served: Served,
}

impl Telling {
    async fn begin() -> Fallible<Self> {
        let lab = Lab::start(Queue::Fast).await?;
        let api_url = lab.api_url();
        Self::through(lab, &api_url).await
    }

    /// Begins with a service that reaches the API at an address.
    async fn through(lab: Lab, api_url: &str) -> Fallible<Self> {
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
        let settings = lab.settings_of(api_url, "1h", &[REPOSITORY])?;
        let served = serve_with(lab.dir.path(), &settings, &client, Start::default()).await?;
        lab.tell(&format!("{}/webhooks/acme_hub", served.url)).await?;
        Ok(Self { lab, served })
    }

    /// Pushes a version of everything, with a strategy when there is one to be written.
    async fn push(&self, version: &str, strategy: Option<String>) -> Fallible<String> {
        let mut files = everywhere(version);
        files.extend(strategy.map(|text| ("hydromote.yaml".to_owned(), text)));
        self.lab.push("main", &format!("Bring {version}"), &files).await
    }

    /// Waits until an environment runs a dry SHA, and reports on it.
    async fn goes_through(&self, environment: &str, dry: &str, state: &str) -> TestResult {
        self.served.runs(environment, dry).await?;
        let head = self.lab.head(&format!("env/{environment}")).await?.ok_or("it runs")?;
        self.lab.report(&head, "health", state).await
    }

    /// Waits until the service says something of an environment.
    async fn waits_for(&self, environment: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Fallible<Value> {
        let what = format!("{environment} is {what}");
        let asked = until(&what, async || Ok(self.served.environment(environment).await?.filter(&is_so)));
        Ok(asked.await.map_err(|error| format!("{error}\n{}", self.served.log()))?)
    }
}

#[tokio::test]
#[ignore = "needs a real Gitea: make test-gitea"]
async fn environments_go_in_their_order_where_nothing_is_reported() -> TestResult {
    let telling = Telling::begin().await?;
    let all = strategy(&["dev", "staging", "prod"]).replace("  activeCommitStatuses:\n    - key: health\n", "");
    for (version, text) in [("v1", Some(all)), ("v2", None)] {
        let dry = telling.push(version, text).await?;
        for environment in ["dev", "staging", "prod"] {
            telling.served.runs(environment, &dry).await?;
        }
    }
    let log = telling.served.log();
    let merged: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("merged #"))
        .filter_map(|line| ["dev", "staging", "prod"].into_iter().find(|name| line.contains(&format!("{name} runs"))))
        .collect();
    assert_eq!(merged, ["dev", "staging", "prod", "dev", "staging", "prod"], "{log}");
    Ok(())
}

/// The forge answers nothing but 502 for a while, from the first pull request on.
#[derive(Default)]
struct Outage(OnceLock<Instant>);

#[async_trait]
impl Between for Outage {
    async fn decide(&self, asked: Asked, behind: &Arc<Behind>) -> Fate {
        if self.0.get().is_some_and(|begun| begun.elapsed() < AWAY) {
            return Fate::Answered(Told::made_up(502, "text/html", &[], "<html>Bad Gateway</html>"));
        }
        let told = behind.ask(&asked).await;
        if asked.method == Method::POST && asked.path.ends_with("/pulls") {
            self.0.get_or_init(Instant::now);
        }
        Fate::Answered(told)
    }
}

/// It happens in the middle of a promotion, and what the forge tells meanwhile is not told again.
#[tokio::test]
#[ignore = "needs a real Gitea: make test-gitea"]
async fn an_outage_of_seconds_costs_seconds() -> TestResult {
    let lab = Lab::start(Queue::Fast).await?;
    let outage = Arc::new(Outage::default());
    let proxy = Proxy::start(lab.api_url().trim_end_matches("/api/v1"), outage.clone()).await?;
    let telling = Telling::through(lab, &format!("{}/api/v1", proxy.url())).await?;
    let dry = telling.push("v1", Some(strategy(&["dev", "staging", "prod"]))).await?;
    let trouble = telling.served.trouble().await?;
    assert!(trouble.contains("502"), "{trouble}");
    for environment in ["dev", "staging", "prod"] {
        telling.goes_through(environment, &dry, "success").await?;
    }
    let took = outage.0.get().ok_or("it was away")?.elapsed();
    assert!(took < AWAY + SOON, "it took {took:?}\n{}", telling.served.log());
    telling.served.recovered().await
}

/// Its branch may come from a person before the strategy names it, or from us.
#[tokio::test]
#[ignore = "needs a real Gitea: make test-gitea"]
async fn an_environment_that_comes_later_takes_part_at_once() -> TestResult {
    let telling = Telling::begin().await?;
    let dry = telling.push("v1", Some(strategy(&["dev"]))).await?;
    telling.goes_through("dev", &dry, "success").await?;
    telling.lab.branch_off("env/staging", "main").await?;
    let dry = telling.push("v2", Some(strategy(&["dev", "staging", "prod"]))).await?;
    for environment in ["dev", "staging", "prod"] {
        // What runs elsewhere by then may come there first.
        until("it runs there", async || {
            let Some(head) = telling.lab.head(&format!("env/{environment}")).await? else { return Ok(None) };
            telling.lab.report(&head, "health", "success").await?;
            let place = telling.served.environment(environment).await?.unwrap_or_default();
            Ok((place["drySha"] == dry.as_str()).then_some(()))
        })
        .await?;
        telling.goes_through(environment, &dry, "success").await?;
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs a real Gitea: make test-gitea"]
async fn what_waits_says_for_what() -> TestResult {
    let telling = Telling::begin().await?;
    let first = telling.push("v1", Some(strategy(&["dev", "staging", "prod"]))).await?;
    for environment in ["dev", "staging", "prod"] {
        telling.goes_through(environment, &first, "success").await?;
    }
    let second = telling.push("v2", None).await?;
    telling.goes_through("dev", &second, "failure").await?;
    let says = |words: &'static str| move |place: &Value| place["gates"].to_string().contains(words);
    let failed = "`health` on dev, which failed";
    let staging = telling.waits_for("staging", "waiting for dev", says(failed)).await?;
    telling.waits_for("prod", "waiting for staging", says("staging")).await?;
    // The same is said on its pull request, which tells in its title what it brings.
    let number = staging["pullRequest"]["number"].as_u64().ok_or_else(|| format!("it has none: {staging:#}"))?;
    let pull = telling.lab.repository(Method::GET, &format!("/pulls/{number}"), Value::Null).await?;
    assert_eq!(pull["title"], format!("Promote {} to staging: Bring v2", &second[..7]));
    let head = pull["head"]["sha"].as_str().ok_or("it has a head")?;
    until("the commit status says it", async || {
        let statuses = telling.lab.repository(Method::GET, &format!("/commits/{head}/status"), Value::Null).await?;
        Ok(statuses.to_string().contains("health").then_some(()))
    })
    .await
}

#[tokio::test]
#[ignore = "needs a real Gitea: make test-gitea"]
async fn a_webhook_that_the_forge_did_not_sign_is_refused() -> TestResult {
    let telling = Telling::begin().await?;
    let dry = telling.push("v1", Some(strategy(&["dev"]))).await?;
    telling.goes_through("dev", &dry, "success").await?;
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
    let body = json!({"ref": "refs/heads/main", "after": dry, "repository": {"full_name": REPOSITORY}}).to_string();
    for signature in [None, Some("0".repeat(64)), Some(String::new())] {
        let mut request = client.post(format!("{}/webhooks/acme_hub", telling.served.url)).body(body.clone());
        request = request.header("x-gitea-event", "push").header("x-gitea-delivery", "forged");
        if let Some(signature) = &signature {
            request = request.header("x-gitea-signature", signature);
        }
        let answer = request.send().await?;
        assert_eq!(answer.status(), 401, "{signature:?}");
    }
    Ok(())
}

/// The words of a merge are git's trailers to programs, and the history knows who did it.
#[tokio::test]
#[ignore = "needs a real Gitea: make test-gitea"]
async fn what_was_merged_says_what_it_brought_and_why() -> TestResult {
    let telling = Telling::begin().await?;
    let dry = telling.push("v1", Some(strategy(&["dev, autoMerge: false", "staging"]))).await?;
    let waits = |place: &Value| place["state"] == "needsPerson" && place["pullRequest"]["number"].is_u64();
    let place = telling.waits_for("dev", "waiting for a person", waits).await?;
    let number = place["pullRequest"]["number"].as_u64().ok_or("it has a pull request")?;
    telling.lab.comment(DEVELOPER, number, "/promote").await?;
    telling.goes_through("dev", &dry, "success").await?;
    telling.served.runs("staging", &dry).await?;
    let head = telling.lab.head("env/dev").await?.ok_or("it runs")?;
    let commit = telling.lab.repository(Method::GET, &format!("/git/commits/{head}"), Value::Null).await?;
    let message = commit["commit"]["message"].as_str().ok_or("it has a message")?;
    let title = format!("Promote {} to dev: Bring v1 (#{number})", &dry[..7]);
    assert_eq!(message.lines().next(), Some(title.as_str()), "{message}");
    let trailers = git2::message_trailers_strs(message)?;
    assert!(trailers.iter().any(|(_, value)| value == dry), "{message}");
    let history = telling.served.api("/strategies/acme/shop/shop/history").await?;
    let promotions = history["promotions"].as_array().cloned().unwrap_or_default();
    let of_dev = promotions.iter().find(|one| one["environment"] == "dev").ok_or("it is told")?;
    assert!(of_dev.to_string().contains(DEVELOPER), "{of_dev:#}");
    Ok(())
}
