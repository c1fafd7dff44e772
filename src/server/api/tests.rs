//! What the API answers, whom it refuses, and what it writes before it says yes.

use axum::body::Body;
use http::{Request, StatusCode, header};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::{
    domain::{plan::Notice, snapshot::PromoteRequest},
    reconcile::{attention::Attention, repository::Message},
    server::sample::{self, Sample, TOKEN},
};

const SHOP: &str = "/api/v1/strategies/acme/shop/shop";

async fn send(sample: &Sample, request: Request<Body>) -> (StatusCode, Value) {
    let response = sample.router.clone().oneshot(request).await.expect("because the router never fails");
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("because bodies are small");
    (status, serde_json::from_slice(&body).unwrap_or_else(|_| json!(String::from_utf8_lossy(&body))))
}

async fn get(sample: &Sample, path: &str) -> (StatusCode, Value) {
    send(sample, reading(path).body(Body::empty()).expect("a request")).await
}

async fn post(sample: &Sample, path: &str, token: Option<&str>, body: Value) -> (StatusCode, Value) {
    let mut request = Request::post(path).header(header::HOST, "localhost:8080");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    send(sample, request.body(Body::from(body.to_string())).expect("a request")).await
}

fn reading(path: &str) -> http::request::Builder {
    Request::get(path).header(header::HOST, "localhost:8080")
}

#[tokio::test]
async fn a_strategy_shows_what_runs_and_every_closed_gate_in_words() {
    let sample = Sample::new().await;
    let (status, board) = get(&sample, SHOP).await;
    assert_eq!(status, 200);
    let told: Vec<String> = board["environments"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|e| {
            let gates = e["gates"].as_array().expect("a list");
            let words: Vec<_> = gates.iter().filter_map(|gate| gate["words"].as_str()).collect();
            format!("{} [{}] {}: {}", e["environment"], e["state"], e["running"]["words"], words.join("; "))
        })
        .collect();
    insta::assert_snapshot!(told.join("\n").replace('"', ""), @"
    dev [stopped] `health` is pending: 
    staging [waiting] is verified: waits for `health` on dev, which is pending
    canary [drifted] soaks until 2026-03-04 12:20:00Z: somebody <script>alert(1)</script> changed `web`, `worker` on the branch in 77bbbbb; what runs here soaks until 2026-03-04 12:20:00Z
    prod [needsPerson] is verified: waits for a person to promote it
    ");
    insta::assert_snapshot!(serde_json::to_string_pretty(&board["environments"][3]).expect("JSON"), @r#"
    {
      "environment": "prod",
      "lane": "default",
      "place": "prod",
      "state": "needsPerson",
      "stateWords": "waits for a person",
      "branch": "env/prod",
      "branchUrl": "https://github.example.com/acme/shop/tree/env/prod",
      "activeSha": "14aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
      "tree": "7777777777777777777777777777777777777777",
      "drySha": "4f1c2a9b8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a",
      "running": {
        "commit": {
          "sha": "4f1c2a9b8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a",
          "short": "4f1c2a9",
          "subject": "Raise the memory limit of checkout to 512Mi",
          "author": "developer",
          "url": "https://github.example.com/acme/shop/commit/4f1c2a9b8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a"
        },
        "since": "2026-03-04T09:00:00Z",
        "verified": true,
        "failed": false,
        "words": "is verified",
        "until": null,
        "roots": 6
      },
      "taken": {
        "sha": "4f1c2a9b8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a",
        "short": "4f1c2a9",
        "subject": "Raise the memory limit of checkout to 512Mi",
        "author": "developer",
        "url": "https://github.example.com/acme/shop/commit/4f1c2a9b8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a"
      },
      "takenAsNoOp": false,
      "wanted": {
        "sha": "9b7d03e5c1a2f4e6d8b0a2c4e6f8a0b2c4d6e8f0",
        "short": "9b7d03e",
        "subject": "Bump web to 2.14.0 <img src=x onerror=alert(1)>",
        "author": "developer",
        "url": "https://github.example.com/acme/shop/commit/9b7d03e5c1a2f4e6d8b0a2c4e6f8a0b2c4d6e8f0"
      },
      "proposedSha": "e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1",
      "pullRequest": {
        "number": 16,
        "url": "https://github.example.com/acme/shop/pull/16"
      },
      "openUrl": null,
      "drift": null,
      "driftSha": null,
      "restoredBy": null,
      "restorable": false,
      "foreignWork": null,
      "hold": null,
      "rollback": null,
      "choices": [],
      "gates": [
        {
          "gate": "promote",
          "words": "waits for a person to promote it",
          "remedy": "whoever may promote: `promote`, or a merge by hand",
          "since": "2026-03-04T11:30:00Z",
          "until": null,
          "deadline": null,
          "overdue": false
        }
      ],
      "open": [],
      "changesAt": null,
      "notices": []
    }
    "#);
}

#[tokio::test]
async fn explanations_and_plans_are_about_the_environment_that_was_asked_for() {
    let sample = Sample::new().await;
    let (_, explained) = get(&sample, &format!("{SHOP}/explain/prod")).await;
    let sentences = explained["environments"][0]["sentences"].as_array().expect("a list");
    assert_eq!(explained["environments"].as_array().map(Vec::len), Some(1));
    insta::assert_snapshot!(sentences.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n"), @"
    prod runs 4f1c2a9 (Raise the memory limit of checkout to 512Mi); it is verified.
    9b7d03e (Bump web to 2.14.0 <img src=x onerror=alert(1)>) is next, and one gate is closed.
    ");
    let (_, plan) = get(&sample, &format!("{SHOP}/plan")).await;
    assert_eq!(plan["wakeAt"], "2026-03-04T12:20:00Z");
    let (status, problem) = get(&sample, &format!("{SHOP}/explain/production")).await;
    assert_eq!(status, 404);
    insta::assert_snapshot!(problem, @r#"{"error":"There is no environment `production` in `acme/shop/shop`.","help":"There is `dev`, `staging`, `canary`, `prod`."}"#);
}

#[tokio::test]
async fn what_runs_and_was_rejected_keeps_nothing_newer_out() {
    let sample = Sample::new().await;
    let mut board = sample::calm("shop");
    let prod = &mut board.places[2];
    let dry = prod.running.as_ref().expect("it runs something").dry.clone();
    prod.notices.push(Notice::RejectedCommit { dry, by: "ada".into(), reason: String::new() });
    sample.boards.publish(board);
    let (_, explained) = get(&sample, &format!("{SHOP}/explain/prod")).await;
    assert_eq!(explained["environments"][0]["sentences"][1], "Nothing newer waits.");
}

#[tokio::test]
async fn history_is_newest_first_and_can_be_narrowed() {
    let sample = Sample::new().await;
    let (_, all) = get(&sample, &format!("{SHOP}/history")).await;
    assert_eq!(all["promotions"].as_array().map(Vec::len), Some(4));
    assert_eq!(all["promotions"][0]["pullRequest"]["number"], 14);
    let (_, prod) = get(&sample, &format!("{SHOP}/history?environment=prod&limit=1")).await;
    assert_eq!(prod["events"].as_array().map(Vec::len), Some(1));
    assert_eq!(prod["promotions"][0]["pullRequest"]["url"], "https://github.example.com/acme/shop/pull/13");
    let (status, _) = get(&sample, &format!("{SHOP}/history?limit=many")).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn an_unknown_strategy_is_answered_with_those_that_there_are() {
    let (status, problem) = get(&Sample::new().await, "/api/v1/strategies/acme/shop/shoop").await;
    assert_eq!(status, 404);
    insta::assert_snapshot!(problem, @r#"{"error":"There is no strategy `acme/shop/shoop`.","help":"There is `acme/shop/shop`."}"#);
}

#[tokio::test]
async fn a_promotion_stands_on_the_forge_and_in_the_store_before_it_is_acknowledged() {
    let mut sample = Sample::new().await;
    let (status, promoted) =
        post(&sample, &format!("{SHOP}/promote/prod"), Some(TOKEN), json!({"by": "some\nbody"})).await;
    assert_eq!(status, 200, "{promoted}");
    assert_eq!(promoted["words"], "9b7d03e is promoted to prod with #16: it is merged next.");
    assert_eq!(sample.forge.posted(), ["e1e1e1e hydromote/promote/prod success Promoted by some body"]);
    let noted: Option<PromoteRequest> =
        sample.store.note(&sample::id(), &sample::place("prod")).await.expect("a store");
    assert_eq!(noted.map(|note| note.proposed.to_string()).as_deref(), Some(sample::PROD_PROPOSED));
    assert!(matches!(sample.woken.try_recv(), Ok(Message::Heed(Attention::Command))));
    let events = sample.store.events(&sample::id(), 1).await.expect("a store");
    assert_eq!(format!("{} {}", events[0].who, events[0].what), "some body asked to promote 9b7d03e to prod");
    // Again is no second promotion.
    let (_, again) = post(&sample, &format!("{SHOP}/promote/prod"), Some(TOKEN), json!({"by": "other"})).await;
    assert_eq!(again["by"], "some body");
    assert_eq!(sample.forge.posted().len(), 1);
}

#[tokio::test]
async fn a_promotion_is_refused_where_nothing_waits() {
    let sample = Sample::new().await;
    let (status, problem) = post(&sample, &format!("{SHOP}/promote/dev"), Some(TOKEN), json!({})).await;
    assert_eq!(status, 409);
    insta::assert_snapshot!(problem, @r#"{"error":"dev runs 9b7d03e, and nothing waits to be promoted there.","help":"Commit to the dry branch; what is newer is proposed by itself."}"#);
    assert!(sample.forge.posted().is_empty());
}

#[tokio::test]
async fn an_override_needs_a_reason_and_something_to_override() {
    let sample = Sample::new().await;
    let path = format!("{SHOP}/promote/prod");
    let mut told = Vec::new();
    for body in [
        json!({"override": "windows"}),
        json!({"override": "windows", "reason": " \n"}),
        json!({"override": "approvals", "reason": "hot-fix"}),
        json!({"reason": "hot-fix"}),
        json!({"override": "windows", "reason": "hot-fix"}),
    ] {
        let (status, problem) = post(&sample, &path, Some(TOKEN), body).await;
        told.push(format!("{status} {problem}"));
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    400 Bad Request {"error":"An override needs a reason.","help":"Say why it cannot wait; it is written into the commit."}
    400 Bad Request {"error":"An override needs a reason.","help":"Say why it cannot wait; it is written into the commit."}
    400 Bad Request {"error":"The body cannot be read: unknown variant `approvals`, expected `windows` at line 1 column 23.","help":"The documents that are taken stand in `/api/v1/openapi.json`."}
    400 Bad Request {"error":"A promotion has a reason only when it overrides.","help":"Add `\"override\": \"windows\"`, or leave the reason out."}
    409 Conflict {"error":"There are no windows on prod that could be overridden.","help":"Promote it without an override."}
    "#);
    assert!(sample.forge.posted().is_empty());
}

#[tokio::test]
async fn a_report_is_posted_unless_its_key_is_our_own() {
    let mut sample = Sample::new().await;
    let report = |key: &str, sha: &str| json!({"key": key, "state": "success", "sha": sha, "description": "200 OK"});
    let (status, _) = post(&sample, &format!("{SHOP}/report"), Some(TOKEN), report("health", "14aaaaa")).await;
    assert_eq!(status, 200);
    assert_eq!(sample.forge.posted(), ["14aaaaa health success 200 OK"]);
    assert!(matches!(sample.woken.try_recv(), Ok(Message::Heed(Attention::Commit { sha, .. })) if sha.len() == 40));
    for (key, sha) in [("hydromote/prod", "14aaaaa"), ("health", "14a"), ("health", "fffffff"), ("", "14aaaaa")] {
        let (status, problem) = post(&sample, &format!("{SHOP}/report"), Some(TOKEN), report(key, sha)).await;
        assert_eq!(status, 400, "{problem}");
    }
    assert_eq!(sample.forge.posted().len(), 1);
}

#[tokio::test]
async fn retry_draws_attention_to_everything() {
    let mut sample = Sample::new().await;
    let (status, _) = post(&sample, &format!("{SHOP}/retry"), Some(TOKEN), json!({})).await;
    assert_eq!(status, 200);
    assert!(matches!(sample.woken.try_recv(), Ok(Message::Heed(Attention::Everything))));
}

#[tokio::test]
async fn acting_needs_the_token_everywhere() {
    let sample = Sample::new().await;
    for token in [None, Some(""), Some("correct horse battery stapl"), Some("wrong")] {
        let (status, _) = post(&sample, &format!("{SHOP}/promote/prod"), token, json!({})).await;
        assert_eq!(status, 401, "{token:?}");
    }
    assert!(sample.forge.posted().is_empty());
    let closed = Sample::listening("127.0.0.1:1", None).await;
    let (status, problem) = post(&closed, &format!("{SHOP}/retry"), Some(""), json!({})).await;
    assert_eq!(status, 403);
    insta::assert_snapshot!(problem, @r#"{"error":"Nobody may act over HTTP: no API token is configured.","help":"Set `api_token_file` under `[service]` in the settings."}"#);
}

#[tokio::test]
async fn reading_is_free_on_this_machine_only() {
    let sample = Sample::new().await;
    let status = async |sample: &Sample, headers: &[(&str, &str)]| {
        let mut request = Request::get(SHOP);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(sample, request.body(Body::empty()).expect("a request")).await.0.as_u16()
    };
    let bearer = format!("Bearer {TOKEN}");
    assert_eq!(status(&sample, &[("host", "127.0.0.1:8080")]).await, 200);
    assert_eq!(status(&sample, &[("host", "[::1]:8080")]).await, 200);
    assert_eq!(status(&sample, &[("host", "evil.example.com")]).await, 403, "a name of somebody else");
    assert_eq!(status(&sample, &[]).await, 403, "no name at all");
    assert_eq!(status(&sample, &[("host", "localhost"), ("x-forwarded-for", "203.0.113.7")]).await, 401, "a proxy");
    assert_eq!(status(&sample, &[("host", "hydromote.example.com")]).await, 401, "the public name");
    assert_eq!(status(&sample, &[("host", "hydromote.example.com"), ("authorization", &bearer)]).await, 200);
    assert_eq!(status(&sample, &[("host", "localhost"), ("origin", "https://evil.example.com")]).await, 403);
    assert_eq!(status(&sample, &[("host", "localhost"), ("origin", "null")]).await, 403);
    assert_eq!(status(&sample, &[("host", "localhost"), ("origin", "http://localhost")]).await, 200);
    let open = Sample::listening("0.0.0.0:8080", Some(TOKEN)).await;
    assert_eq!(status(&open, &[("host", "localhost")]).await, 401);
    assert_eq!(status(&open, &[("host", "anything"), ("authorization", &bearer)]).await, 200);
    let closed = Sample::listening("0.0.0.0:8080", None).await;
    assert_eq!(status(&closed, &[("host", "localhost")]).await, 403);
}

#[tokio::test]
async fn bodies_are_limited_and_unknown_fields_refused() {
    let sample = Sample::new().await;
    let (status, _) = post(&sample, &format!("{SHOP}/retry"), Some(TOKEN), json!({"by": "x".repeat(70_000)})).await;
    assert_eq!(status, 413);
    let (status, _) = post(&sample, &format!("{SHOP}/retry"), Some(TOKEN), json!({"who": "x"})).await;
    assert_eq!(status, 400);
    let (status, problem) = get(&sample, "/api/v1/nothing").await;
    assert_eq!((status.as_u16(), problem["error"].as_str()), (404, Some("There is no such route.")));
    let (status, problem) = post(&sample, "/api/v1/strategies", Some(TOKEN), json!({})).await;
    assert_eq!((status.as_u16(), problem["help"].is_string()), (405, true));
}

#[tokio::test]
async fn the_description_names_every_route_and_resolves() {
    let (status, api) = get(&Sample::new().await, "/api/v1/openapi.json").await;
    assert_eq!(status, 200);
    let routes: Vec<_> = api["paths"].as_object().expect("paths").keys().map(String::as_str).collect();
    insta::assert_snapshot!(routes.join("\n"), @"
    /api/v1/strategies
    /api/v1/strategies/{owner}/{repo}/{name}
    /api/v1/strategies/{owner}/{repo}/{name}/plan
    /api/v1/strategies/{owner}/{repo}/{name}/explain
    /api/v1/strategies/{owner}/{repo}/{name}/explain/{environment}
    /api/v1/strategies/{owner}/{repo}/{name}/commits/{sha}
    /api/v1/strategies/{owner}/{repo}/{name}/history
    /api/v1/strategies/{owner}/{repo}/{name}/promote/{environment}
    /api/v1/strategies/{owner}/{repo}/{name}/hold/{environment}
    /api/v1/strategies/{owner}/{repo}/{name}/unhold/{environment}
    /api/v1/strategies/{owner}/{repo}/{name}/rollback/{environment}
    /api/v1/strategies/{owner}/{repo}/{name}/restore/{environment}
    /api/v1/strategies/{owner}/{repo}/{name}/adopt/{environment}
    /api/v1/strategies/{owner}/{repo}/{name}/reject
    /api/v1/strategies/{owner}/{repo}/{name}/unreject
    /api/v1/strategies/{owner}/{repo}/{name}/override
    /api/v1/strategies/{owner}/{repo}/{name}/report
    /api/v1/strategies/{owner}/{repo}/{name}/retry
    ");
    let text = api.to_string();
    for reference in text.split("\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(api["components"]["schemas"][reference].is_object(), "{reference}");
    }
}
