//! The demo's story over this server: commits go from dev to production, a person holds and promotes, a bad one goes
//! back. Every step follows from a webhook, since nothing is polled for.

use std::time::Duration;

use axum::http::Method;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::Client;
use serde_json::{Value, json};

use super::{
    face::{Face, PATH, token},
    hooks::{Hook, PUBLIC_URL, Proof},
};
use crate::{
    gitea::shop,
    program::{API_TOKEN, Served, Start, WEBHOOK_SECRET, serve_with, until},
    world::{BOT, DEVELOPER, Fallible, READER, TestResult},
};

/// The key of signed webhooks.
const KEY: &[u8] = b"a key of twenty-four byt";

/// A server and the service beside it.
struct Telling {
    face: Face,
    served: Served,
}

impl Telling {
    async fn begin(proof: Proof) -> Fallible<Self> {
        Self::begin_with(Face::start().await?, proof).await
    }

    async fn begin_with(face: Face, proof: Proof) -> Fallible<Self> {
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
        let served = serve_with(face.dir.path(), &settings(&face)?, &client, Start::default()).await?;
        face.tell(Hook { url: format!("{}/webhooks/acme_hub", served.url), proof });
        Ok(Self { face, served })
    }

    async fn report(&self, environment: &str, state: &str) -> TestResult {
        let head = self.face.world().git.head(&format!("env/{environment}")).ok_or("nothing runs there")?;
        let body = json!({"name": "health", "state": state});
        self.face.ask(DEVELOPER, Method::POST, &format!("/statuses/{head}"), body).await.map(drop)
    }

    /// Waits until an environment runs a dry SHA, and reports that it is healthy.
    async fn goes_through(&self, environment: &str, dry: &str) -> TestResult {
        self.served.runs(environment, dry).await.map_err(|error| format!("{error}\n{}", self.served.log()))?;
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

    /// Waits until prod waits for a person with this dry SHA; returns its merge request.
    async fn prod_waits(&self, dry: &str) -> Fallible<u64> {
        let is_so = |place: &Value| place["state"] == "needsPerson" && place["wanted"]["sha"] == dry;
        let place = self.waits_for("prod", "waiting for a person", is_so).await?;
        Ok(place["pullRequest"]["number"].as_u64().ok_or("it has a pull request")?)
    }

    async fn comment(&self, login: &str, number: u64, text: &str) -> TestResult {
        let path = format!("/merge_requests/{number}/notes");
        self.face.ask(login, Method::POST, &path, json!({"body": text})).await.map(drop)
    }

    async fn promote_prod(&self, dry: &str) -> TestResult {
        let number = self.prod_waits(dry).await?;
        self.comment(DEVELOPER, number, "/hydromote promote").await?;
        self.goes_through("prod", dry).await
    }

    async fn everywhere(&self, dry: &str) -> TestResult {
        self.goes_through("dev", dry).await?;
        self.goes_through("staging", dry).await?;
        self.promote_prod(dry).await
    }

    /// Waits until a comment on a merge request holds this.
    async fn is_answered(&self, words: &str) -> TestResult {
        let what = format!("somebody is told of `{words}`");
        let answered = until(&what, async || {
            Ok(self.face.world().notes.iter().any(|note| note.body.contains(words)).then_some(()))
        });
        answered.await.map_err(|error| format!("{error}\n{}", self.served.log()).into())
    }
}

fn settings(face: &Face) -> Fallible<String> {
    let write = |name: &str, text: &str| std::fs::write(face.dir.path().join(name), text);
    write("token", &token(BOT))?;
    write("webhook-secret", WEBHOOK_SECRET)?;
    write("webhook-key", &format!("whsec_{}", BASE64_STANDARD.encode(KEY)))?;
    write("api-token", API_TOKEN)?;
    // Only where it matters: under another name the pages are for those who come by it.
    let known_as = match face.world().hook_status {
        "executable" => String::new(),
        _ => format!("public_url = '{PUBLIC_URL}'\n"),
    };
    Ok(format!(
        "[server]
listen = '127.0.0.1:0'
{known_as}[forges.acme_hub]
kind = 'gitlab'
api_url = '{}/api/v4'
token_file = 'token'
webhook_secret_files = ['webhook-secret', 'webhook-key']
repositories = ['acme/**', '{PATH}']
[limits]
poll_interval = '1h'
forge_write_interval = '0s'
forge_writes_at_once = 4
[service]
api_token_file = 'api-token'
",
        face.url
    ))
}

#[tokio::test]
async fn the_story_is_told_to_its_end() -> TestResult {
    let telling = Telling::begin(Proof::Key(KEY.to_vec())).await?;
    let first = telling.face.push("main", "Begin", &shop::all()?)?;
    telling.everywhere(&first).await?;

    let files = [shop::web("1.1.0")?, shop::api("1.1.0")?].concat();
    let image = telling.face.push("main", "Bring image 1.1.0", &files)?;
    telling.goes_through("dev", &image).await?;
    telling.goes_through("staging", &image).await?;
    let number = telling.prod_waits(&image).await?;
    // GitLab keeps the bare word for itself; who may only read is told so; a hold keeps what was asked for waiting.
    telling.comment(DEVELOPER, number, "/promote").await?;
    telling.comment(READER, number, "/hydromote promote").await?;
    telling.is_answered("needs").await?;
    telling.comment(DEVELOPER, number, "/hydromote hold prod reason=\"a party\"").await?;
    telling.waits_for("prod", "held", |place| !place["hold"].is_null()).await?;
    telling.comment(DEVELOPER, number, &format!("@{BOT} unhold prod")).await?;
    telling.waits_for("prod", "held no more", |place| place["hold"].is_null()).await?;
    telling.promote_prod(&image).await?;

    // A bad image goes back by itself, and what works again goes everywhere.
    let before = telling.served.environment("staging").await?.ok_or("there is a staging")?;
    let bad = telling.face.push("main", "Bring image 1.2.0", &shop::web("1.2.0")?)?;
    telling.goes_through("dev", &bad).await?;
    telling.served.runs("staging", &bad).await?;
    telling.report("staging", "failed").await?;
    let is_back = |place: &Value| place["tree"] == before["tree"] && place["rollback"].is_null();
    telling.waits_for("staging", "rolled back", is_back).await?;
    telling.report("staging", "success").await?;
    let fixed = telling.face.push("main", "Bring image 1.2.1", &shop::web("1.2.1")?)?;
    telling.everywhere(&fixed).await?;

    let place = telling.served.environment("prod").await?.ok_or("there is a prod")?;
    assert_eq!(place["branchUrl"], "https://gitlab.example.com/acme/web/shop/-/tree/env/prod");
    // In paths, too, the project is in a group in a group.
    let strategy = "/strategies/acme%2Fweb/shop/shop";
    assert_eq!(telling.served.api(&format!("{strategy}/history")).await?["strategy"], "acme/web/shop/shop");
    let (_, page) = telling.served.get(strategy).await?;
    let whole = format!("href=\"{}/history\"", strategy.replacen("/shop", "&#x2f;shop", 2));
    assert!(page.contains(&whole), "{whole} is not in {page}");
    let world = telling.face.world();
    assert!(world.requests.iter().all(|request| request.state != "opened"));
    assert_eq!(world.obeyed, ["/promote"], "nothing that the service wrote was obeyed");
    Ok(())
}

#[tokio::test]
async fn deliveries_are_proven_by_a_token_as_well() -> TestResult {
    let telling = Telling::begin(Proof::Token(WEBHOOK_SECRET.to_owned())).await?;
    let first = telling.face.push("main", "Begin", &shop::all()?)?;
    telling.goes_through("dev", &first).await?;
    let (_, metrics) = telling.served.get("/metrics").await?;
    assert!(metrics.contains("outcome=\"accepted\"") && !metrics.contains("outcome=\"unsigned\""), "{metrics}");
    Ok(())
}

#[tokio::test]
async fn a_webhook_that_gitlab_has_switched_off_is_tested_and_sends_again() -> TestResult {
    let face = Face::start().await?;
    face.world().hook_status = "disabled";
    let telling = Telling::begin_with(face, Proof::Token(WEBHOOK_SECRET.to_owned())).await?;
    let is_on = async || Ok((telling.face.world().hook_status == "executable").then_some(()));
    until("the webhook is on again", is_on).await?;
    // Nothing is polled for: it is the webhook that tells of the push.
    let first = telling.face.push("main", "Begin", &shop::all()?)?;
    telling.goes_through("dev", &first).await?;
    Ok(())
}

#[tokio::test]
async fn a_webhook_that_stays_off_is_told_with_what_to_do() -> TestResult {
    let face = Face::start().await?;
    face.world().hook_status = "temporarily_disabled";
    face.push("main", "Begin", &shop::all()?)?;
    let telling = Telling::begin_with(face, Proof::Token("another secret".to_owned())).await?;
    let told = until("the board tells of the webhook", async || {
        let all = telling.served.api("/strategies").await?;
        Ok(all["strategies"][0]["webhook"].as_str().map(str::to_owned))
    });
    let told = told.await.map_err(|error| format!("{error}\n{}", telling.served.log()))?;
    assert_eq!(
        told,
        "The forge sends no webhooks until 2026-01-01T00:00:00Z, since deliveries failed, and a test of it failed (the \
         forge refused to test the webhook 1 of `acme/web/shop`: hook execution failed). What happens is found by polling until it sends \
         again. See that the forge reaches https://hydromote.example.com/webhooks/acme_hub and has the right secret, then \
         test the webhook in its settings; it is also tried again here every 60 minutes."
    );
    assert!(telling.served.log().contains("The forge sends no webhooks until"), "{}", telling.served.log());
    Ok(())
}
