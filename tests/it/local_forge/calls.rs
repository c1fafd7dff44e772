//! Calls: operations, rights, pages of lists, limits and faults.

use std::sync::PoisonError;

use hydromote::local_forge::{
    Fault, FaultKind, LocalForge, Options, Protection, Release, RepositoryOptions, Secret, StatusState,
};
use reqwest::Method;
use serde_json::{Value, json};

use super::{REPOSITORY, Scene, TestResult, commit_file, events, receiver, reply, try_git};

#[tokio::test]
async fn every_described_operation_without_an_app_is_there() -> TestResult {
    let scene = Scene::new().await?;
    scene.commit("topic/one", "app/b.yaml", "b: 1\n").await?;
    let new = json!({"title": "One", "head": "topic/one", "base": "main", "body": "Why."});
    let number = scene.send(Method::POST, "/pulls", new).await?.number("number");
    let sha = scene.forge.pull_request(REPOSITORY, number).await?.head_sha;
    let ruleset = Protection {
        required_contexts: vec!["ci".to_owned()],
        required_approvals: 1,
        merge_queue: true,
        is_ruleset: true,
        ..Default::default()
    };
    scene.forge.protect(REPOSITORY, "release", Some(ruleset)).await?;
    scene.forge.protect(REPOSITORY, "main", Some(Protection { strict: true, ..Default::default() })).await?;
    let hook = json!({"config": {"url": "http://127.0.0.1:9/", "content_type": "json"}, "events": ["push"]});
    let hook = scene.call(Method::POST, "/hooks", Some(hook), Some(&scene.root)).await?;
    assert_eq!(hook.status, 201);
    scene.forge.webhooks_sent().await;
    let hook = hook.number("id");

    let comment = scene.send(Method::POST, &format!("/issues/{number}/comments"), json!({"body": "hello"})).await?;
    let comment = comment.number("id");
    let run = json!({"name": "build", "head_sha": sha, "status": "in_progress"});
    let run = scene.send(Method::POST, "/check-runs", run).await?.number("id");
    let status = json!({"state": "success", "context": "health", "description": "fine", "target_url": "http://x/"});
    assert_eq!(scene.send(Method::POST, &format!("/statuses/{sha}"), status).await?.status, 201);
    let deployment = json!({"ref": "main", "environment": "dev", "required_contexts": []});
    let deployment = scene.send(Method::POST, "/deployments", deployment).await?.number("id");

    let review = json!({"event": "APPROVE", "body": "fine"});
    let review = scene.call(Method::POST, &format!("/pulls/{number}/reviews"), Some(review), Some(&scene.root)).await?;
    assert_eq!(review.status, 200, "{}", review.body);
    let review = review.number("id");
    for path in [
        String::new(),
        "/pulls?state=all&head=acme:topic/one&base=main&sort=created&direction=asc".to_owned(),
        format!("/pulls/{number}"),
        format!("/pulls/{number}/commits"),
        format!("/pulls/{number}/files"),
        format!("/pulls/{number}/reviews"),
        "/issues/comments?sort=updated&direction=asc".to_owned(),
        format!("/issues/comments/{comment}"),
        format!("/issues/comments/{comment}/reactions"),
        format!("/check-runs/{run}"),
        format!("/issues/{number}/comments"),
        format!("/issues/{number}/labels"),
        format!("/commits/{sha}/status"),
        format!("/commits/{sha}/statuses"),
        "/commits/topic/one/status".to_owned(),
        "/commits/heads%2Ftopic%2Fone/status".to_owned(),
        format!("/commits/{sha}/check-runs?filter=latest"),
        format!("/commits/{sha}/check-suites"),
        format!("/commits/{sha}"),
        format!("/commits/{sha}/pulls"),
        "/branches".to_owned(),
        "/branches/topic/one".to_owned(),
        "/git/ref/heads/topic/one".to_owned(),
        "/rules/branches/release".to_owned(),
        "/compare/main...topic/one".to_owned(),
        "/collaborators/guest/permission".to_owned(),
    ] {
        assert_eq!(scene.get(&path).await?.status, 200, "GET {path}");
    }
    for (method, path, body, expected) in [
        (Method::PATCH, format!("/issues/comments/{comment}"), json!({"body": "hello again"}), 200),
        (Method::POST, format!("/issues/comments/{comment}/reactions"), json!({"content": "+1"}), 201),
        (Method::POST, format!("/issues/comments/{comment}/reactions"), json!({"content": "+1"}), 200),
        (Method::PATCH, format!("/check-runs/{run}"), json!({"status": "completed", "conclusion": "success"}), 200),
        (Method::POST, "/labels".to_owned(), json!({"name": "promotion", "color": "00ff00"}), 201),
        (Method::POST, "/labels".to_owned(), json!({"name": "promotion", "color": "00ff00"}), 422),
        (Method::POST, format!("/issues/{number}/labels"), json!({"labels": ["promotion"]}), 200),
        (Method::PUT, format!("/issues/{number}/labels"), json!({"labels": ["one", "two"]}), 200),
        (Method::POST, format!("/deployments/{deployment}/statuses"), json!({"state": "success"}), 201),
        (Method::POST, "/git/refs".to_owned(), json!({"ref": "refs/heads/spare", "sha": sha}), 201),
        (Method::PATCH, "/git/refs/heads/spare".to_owned(), json!({"sha": sha, "force": false}), 200),
        (Method::PATCH, format!("/pulls/{number}"), json!({"title": "New title", "state": "open"}), 200),
    ] {
        let reply = scene.send(method.clone(), &path, body).await?;
        assert_eq!(reply.status, expected, "{method} {path}: {}", reply.body);
    }
    for path in [format!("/issues/{number}/labels/one"), "/git/refs/heads/spare".to_owned()] {
        assert!(scene.call(Method::DELETE, &path, None, Some(&scene.dev)).await?.status < 300, "DELETE {path}");
    }
    let root = Some(&scene.root);
    assert_eq!(scene.get(&format!("/pulls/{number}/merge")).await?.status, 404, "it is not merged yet");
    let dismissal = format!("/pulls/{number}/reviews/{review}/dismissals");
    assert_eq!(scene.call(Method::PUT, &dismissal, Some(json!({"message": "not now"})), root).await?.status, 200);
    assert_eq!(scene.call(Method::GET, "/hooks", None, root).await?.status, 200);
    assert_eq!(scene.call(Method::GET, "/branches/main/protection", None, root).await?.status, 200);
    let deliveries = scene.call(Method::GET, &format!("/hooks/{hook}/deliveries"), None, root).await?;
    let delivery = deliveries.body[0]["id"].as_u64().ok_or("a delivery")?;
    let again = format!("/hooks/{hook}/deliveries/{delivery}/attempts");
    assert_eq!(scene.call(Method::POST, &again, None, root).await?.status, 202);
    scene.forge.set_team("acme", "qa", &["dev"]).await?;
    let team = ["orgs/acme/teams/qa/members?per_page=1", "orgs/acme/teams/qa/memberships/dev"];
    for path in ["user", "users/dev", "rate_limit"].into_iter().chain(team) {
        let request = scene.client.get(format!("{}/{path}", scene.forge.api_url())).bearer_auth(scene.dev.expose());
        assert_eq!(reply(request).await?.status, 200, "GET {path}");
    }
    let merged = scene.send(Method::PUT, &format!("/pulls/{number}/merge"), json!({"merge_method": "squash"})).await?;
    assert_eq!((merged.status, merged.body["merged"].as_bool()), (200, Some(true)));
    assert_eq!(scene.get(&format!("/pulls/{number}/merge")).await?.status, 204);

    let seen = scene.checker.seen();
    let missing: Vec<String> = scene.checker.described().into_iter().filter(|id| !seen.contains(id)).collect();
    assert!(missing.iter().all(|id| id.starts_with("apps/")), "never called: {missing:?}");
    scene.finish().await
}

#[tokio::test]
async fn teams_show_their_members_to_those_with_an_account() -> TestResult {
    let scene = Scene::new().await?;
    scene.forge.set_team("acme", "qa", &["dev"]).await?;
    for (path, is_signed_in, expected) in [
        ("QA/memberships/dev", true, 200),
        ("qa/memberships/guest", true, 404),
        ("gone/memberships/dev", true, 404),
        ("qa/members", true, 200),
        ("gone/members", true, 404),
        ("qa/members", false, 401),
    ] {
        let request = scene.client.get(format!("{}/orgs/acme/teams/{path}", scene.forge.api_url()));
        let request = if is_signed_in { request.bearer_auth(scene.dev.expose()) } else { request };
        assert_eq!(reply(request).await?.status, expected, "{path}");
    }
    assert!(scene.forge.set_team("dev", "qa", &["dev"]).await.is_err(), "a person has no teams");
    assert!(scene.forge.set_team("acme", "qa", &["nobody"]).await.is_err(), "nobody is a member");
    scene.finish().await
}

#[tokio::test]
async fn rights_are_asked_for() -> TestResult {
    let scene = Scene::new().await?;
    let number = scene.pull("topic", "app/b.yaml", "b: 1\n").await?;
    let wrong = scene.call(Method::GET, "", None, Some(&Secret::new("wrong"))).await?;
    assert_eq!((wrong.status, wrong.body["message"].as_str()), (401, Some("Bad credentials")));
    assert_eq!(scene.call(Method::GET, "/pulls", None, None).await?.status, 200);
    let merge = format!("/pulls/{number}/merge");
    assert_eq!(scene.call(Method::PUT, &merge, Some(json!({})), None).await?.status, 401);
    assert_eq!(scene.call(Method::PUT, &merge, Some(json!({})), Some(&scene.guest)).await?.status, 403);
    scene.forge.create_repository("acme", "hidden", RepositoryOptions { private: true, ..Default::default() }).await?;
    let hidden = scene.client.get(format!("{}/repos/acme/hidden", scene.forge.api_url()));
    assert_eq!(reply(hidden.bearer_auth(scene.guest.expose())).await?.status, 404);
    let clone = scene.clone_as("guest", &scene.guest, "guest").await?;
    commit_file(&clone, "x", "x").await?;
    assert!(!try_git(&clone, &["push", "origin", "HEAD:refs/heads/x"]).await?.0);
    scene.finish().await
}

#[tokio::test]
async fn lists_have_pages_and_unchanged_answers_cost_nothing() -> TestResult {
    let scene = Scene::new().await?;
    let number = scene.pull("topic", "app/b.yaml", "b: 1\n").await?;
    for text in ["one", "two", "three"] {
        scene.forge.as_user("guest").comment(REPOSITORY, number, text).await?;
    }
    let first = scene.get(&format!("/issues/{number}/comments?per_page=2")).await?;
    let link = first.headers["link"].to_str()?.to_owned();
    let next = link.split(';').next().ok_or("a link")?.trim_matches(['<', '>']).to_owned();
    assert!(link.contains("rel=\"next\""), "{link}");
    let second = reply(scene.client.get(next)).await?;
    assert_eq!(second.body[0]["body"], "three");
    let url = format!("{}/repos/{REPOSITORY}/issues/{number}/comments?per_page=2", scene.forge.api_url());
    let known = scene.client.get(&url).bearer_auth(scene.dev.expose());
    let unchanged = reply(known.header("if-none-match", first.headers["etag"].clone())).await?;
    assert_eq!(unchanged.status, 304);
    assert_eq!(unchanged.headers["x-ratelimit-used"], first.headers["x-ratelimit-used"]);
    scene.finish().await
}

#[tokio::test]
async fn a_status_can_be_reported_a_thousand_times_and_not_once_more() -> TestResult {
    let scene = Scene::new().await?;
    let sha = scene.main().await?;
    for _ in 0..1_000 {
        scene.forge.as_user("dev").report_status(REPOSITORY, &sha, "noisy", StatusState::Pending).await?;
    }
    let body = json!({"state": "success", "context": "noisy"});
    assert_eq!(scene.send(Method::POST, &format!("/statuses/{sha}"), body).await?.status, 422);
    let body = json!({"state": "success", "context": "quiet"});
    assert_eq!(scene.send(Method::POST, &format!("/statuses/{sha}"), body).await?.status, 201);
    assert_eq!(scene.get(&format!("/commits/{sha}/status")).await?.body["state"], "pending");
    scene.finish().await
}

#[tokio::test]
async fn calls_and_webhooks_go_wrong_when_asked_to() -> TestResult {
    let scene = Scene::new().await?;
    let (url, received) = receiver().await?;
    let fault = |kind| Fault { method: None, path_contains: "/pulls".to_owned(), times: 1, kind };
    scene.forge.fail(fault(FaultKind::RateLimited { retry_after: 7 }));
    let limited = scene.get("/pulls").await?;
    assert_eq!((limited.status, limited.headers["retry-after"].to_str()?), (429, "7"));
    assert_eq!(scene.get("/pulls").await?.status, 200);
    scene.commit("topic", "app/b.yaml", "b: 1\n").await?;
    scene.forge.fail(fault(FaultKind::AnswerLost(502)));
    let body = json!({"title": "Topic", "head": "topic", "base": "main"});
    assert_eq!(scene.send(Method::POST, "/pulls", body).await?.status, 502);
    assert_eq!(scene.forge.pull_requests(REPOSITORY).await?.len(), 1);

    let hook = scene.forge.add_webhook(REPOSITORY, &url, None, &["status"]).await?;
    scene.forge.webhooks_sent().await;
    let sha = scene.main().await?;
    let report = async |context: &str| {
        scene.forge.as_user("dev").report_status(REPOSITORY, &sha, context, StatusState::Success).await
    };
    scene.forge.lose_webhooks(1);
    report("lost").await?;
    scene.forge.hold_webhooks();
    report("first").await?;
    report("second").await?;
    scene.forge.webhooks_sent().await;
    assert_eq!(events(&received), ["ping"]);
    assert_eq!(scene.forge.release_webhooks(Release::Reversed), 2);
    scene.forge.webhooks_sent().await;
    let lost = scene.forge.deliveries(REPOSITORY).await?.into_iter().find(|one| one.status_code == 0).ok_or("lost")?;
    let again = format!("/hooks/{hook}/deliveries/{}/attempts", lost.id);
    assert_eq!(scene.call(Method::POST, &again, None, Some(&scene.root)).await?.status, 202);
    scene.forge.webhooks_sent().await;
    {
        let received = received.lock().unwrap_or_else(PoisonError::into_inner);
        let contexts: Vec<Value> = received
            .iter()
            .skip(1)
            .filter_map(|(_, body)| serde_json::from_str::<Value>(body).ok())
            .map(|body| body["context"].clone())
            .collect();
        assert_eq!(contexts, ["second", "first", "lost"]);
        assert!(received.last().is_some_and(|(headers, _)| headers["x-github-delivery"] == lost.guid));
    }
    scene.finish().await
}

#[tokio::test]
async fn a_forge_is_found_again_in_its_folder() -> TestResult {
    let scene = Scene::new().await?;
    let number = scene.pull("topic", "app/b.yaml", "b: 1\n").await?;
    scene.forge.as_user("guest").comment(REPOSITORY, number, "hello").await?;
    let before = scene.forge.repository(REPOSITORY).await?;
    scene.checker.finish()?;
    scene.forge.shutdown().await?;
    let again = LocalForge::start(Options::new(scene.dir.path().join("forge"))).await?;
    let after = again.repository(REPOSITORY).await?;
    assert_eq!((after.pulls, after.comments, after.refs), (before.pulls, before.comments, before.refs));
    let request = reqwest::Client::builder().no_proxy().build()?.get(format!("{}/user", again.api_url()));
    assert_eq!(reply(request.bearer_auth(scene.dev.expose())).await?.body["login"], "dev");
    again.shutdown().await?;
    Ok(())
}

#[tokio::test]
async fn octocrabs_own_models_read_the_answers() -> TestResult {
    let scene = Scene::new().await?;
    let number = scene.pull("topic", "app/b.yaml", "b: 1\n").await?;
    let sha = scene.forge.pull_request(REPOSITORY, number).await?.head_sha;
    scene.forge.as_user("dev").report_status(REPOSITORY, &sha, "health", StatusState::Success).await?;
    let github = octocrab::Octocrab::builder()
        .base_uri(scene.forge.api_url())?
        .personal_token(scene.dev.expose())
        .build_with_reqwest(reqwest::Client::builder().no_proxy().build()?)?;
    let repository = github.repos("acme", "shop").get().await?;
    assert_eq!(repository.default_branch.as_deref(), Some("main"));
    let pulls = github.pulls("acme", "shop").list().head("acme:topic").base("main").send().await?;
    assert_eq!(pulls.items.len(), 1);
    assert_eq!(github.pulls("acme", "shop").get(number).await?.head.sha, sha);
    let reference = octocrab::params::repos::Reference::Branch("topic".to_owned());
    let combined = github.repos("acme", "shop").combined_status_for_ref(&reference).await?;
    assert_eq!(combined.statuses[0].context.as_deref(), Some("health"));
    let merged =
        github.pulls("acme", "shop").merge(number).sha("0000000000000000000000000000000000000000").send().await;
    assert!(matches!(merged, Err(octocrab::Error::GitHub { source, .. }) if source.status_code.as_u16() == 409));
    assert_eq!(github.current().user().await?.login, "dev");
    scene.finish().await
}
