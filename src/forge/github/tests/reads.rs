//! Reading: repositories, lists, reports, conditional requests, paging.

use super::*;
use crate::domain::status::{StatusSource, StatusState};

#[tokio::test]
async fn every_request_names_media_type_version_and_token() -> TestResult {
    let server = Scripted::start(vec![Reply::json(200, json!({"id": 7, "login": "bot"}))]).await?;
    let forge = server.forge();
    assert_eq!(forge.account().await?, Account { id: 7, login: "bot".into() });
    assert_eq!(forge.account().await?.id, 7);
    let seen = server.seen();
    assert_eq!(seen.len(), 1, "the account is asked for once");
    assert_eq!(seen[0].line, "GET /api/v3/user");
    assert_eq!(seen[0].header("accept"), Some("application/vnd.github+json"));
    assert_eq!(seen[0].header("x-github-api-version"), Some("2022-11-28"));
    assert_eq!(seen[0].header("authorization"), Some("Bearer s3cret-token"));
    Ok(())
}

#[tokio::test]
async fn git_gets_the_address_that_the_forge_tells_and_basic_credentials() -> TestResult {
    let body = json!({"default_branch": "main", "html_url": "https://forge/acme/shop", "clone_url": "https://git/acme/shop.git"});
    let server = Scripted::start(vec![Reply::json(200, body.clone()), Reply::json(200, body)]).await?;
    let forge = server.forge();
    let repository = forge.repository(&shop()).await?;
    assert_eq!((repository.default_branch.as_str(), &*repository.web_url), ("main", "https://forge/acme/shop"));
    let remote = forge.git_remote(&shop()).await?;
    assert_eq!(remote.url, "https://git/acme/shop.git");
    let header = remote.authorization.as_ref().map(|header| header.expose_secret().to_owned());
    assert_eq!(header.as_deref(), Some("Basic eC1hY2Nlc3MtdG9rZW46czNjcmV0LXRva2Vu"));
    assert!(!format!("{remote:?} {forge:?}").contains("3cret"));
    assert_eq!(server.lines(), ["GET /api/v3/repos/acme/shop", "GET /api/v3/repos/acme/shop"]);
    Ok(())
}

#[tokio::test]
async fn an_unchanged_answer_is_taken_from_memory() -> TestResult {
    let body = json!({"default_branch": "main", "html_url": "u", "clone_url": "c"});
    let server = Scripted::start(vec![
        Reply::json(200, body).with("etag", "W/\"one\""),
        Reply::empty(304),
        Reply::json(200, json!({"default_branch": "trunk", "html_url": "u", "clone_url": "c"})),
    ])
    .await?;
    let forge = server.forge();
    assert_eq!(forge.repository(&shop()).await?.default_branch.as_str(), "main");
    assert_eq!(forge.repository(&shop()).await?.default_branch.as_str(), "main");
    assert_eq!(forge.repository(&shop()).await?.default_branch.as_str(), "trunk");
    let tags: Vec<_> = server.seen().iter().map(|seen| seen.header("if-none-match").map(str::to_owned)).collect();
    assert_eq!(tags, [None, Some("W/\"one\"".to_owned()), Some("W/\"one\"".to_owned())]);
    Ok(())
}

#[tokio::test]
async fn pull_requests_are_listed_by_head_with_owner_and_by_base() -> TestResult {
    let other = pull(2, json!({"head": {"ref": "other", "sha": "s"}}));
    let listed = pull(1, json!({"mergeable": null, "mergeable_state": null}));
    let server = Scripted::start(vec![Reply::json(200, json!([other, merged(3, "head-3"), listed]))]).await?;
    let found = server.forge().pull_requests(&shop(), &branch("env/dev-next"), &branch("env/dev")).await?;
    let expected = "GET /api/v3/repos/acme/shop/pulls?state=all&head=acme%3Aenv%2Fdev-next&base=env%2Fdev\
                    &sort=created&direction=desc&per_page=100&page=1";
    assert_eq!(server.lines(), [expected]);
    let numbers: Vec<_> = found.iter().map(|pull| (pull.number.0, pull.state)).collect();
    assert_eq!(numbers, [(3, PullRequestState::Merged), (1, PullRequestState::Open)]);
    assert_eq!(found[1].mergeable, Mergeable::Unknown);
    Ok(())
}

#[tokio::test]
async fn pull_requests_into_a_branch_are_listed_the_last_changed_first() -> TestResult {
    let from_a_fork = pull(1, json!({"head": {"ref": "env/dev", "sha": "s", "repo": null}}));
    let elsewhere = pull(2, json!({"base": {"ref": "env/prod", "sha": "s"}}));
    let server = Scripted::start(vec![Reply::json(200, json!([merged(3, "head-3"), elsewhere, from_a_fork]))]).await?;
    let found = server.forge().pull_requests_into(&shop(), &branch("env/dev")).await?;
    let expected = "GET /api/v3/repos/acme/shop/pulls?state=all&base=env%2Fdev&sort=updated&direction=desc\
                    &per_page=100&page=1";
    assert_eq!(server.lines(), [expected]);
    let numbers: Vec<_> = found.iter().map(|pull| (pull.number.0, pull.base.as_str())).collect();
    assert_eq!(numbers, [(3, "env/dev"), (1, "env/dev")]);
    Ok(())
}

#[tokio::test]
async fn one_pull_request_is_read_in_full() -> TestResult {
    let server = Scripted::start(vec![
        Reply::json(200, merged(3, "head-1")),
        Reply::json(200, pull(4, json!({"mergeable_state": "blocked"}))),
    ])
    .await?;
    let forge = server.forge();
    let read = forge.pull_request(&shop(), PullRequestNumber(3)).await?;
    assert_eq!(read.merge_sha.as_deref(), Some("merge-1"));
    assert_eq!(read.merged_by.as_deref(), Some("ada"));
    assert_eq!(read.ended_at, Some(time("2026-01-02T00:00:00Z")));
    let blocked = forge.pull_request(&shop(), PullRequestNumber(4)).await?;
    assert!(matches!(blocked.mergeable, Mergeable::Blocked(words) if words.contains("blocked")));
    assert_eq!(server.lines(), ["GET /api/v3/repos/acme/shop/pulls/3", "GET /api/v3/repos/acme/shop/pulls/4"]);
    Ok(())
}

#[tokio::test]
async fn reports_are_paged_by_number_and_come_newest_first() -> TestResult {
    let status = |id: u64| {
        json!({"id": id, "context": "health", "state": "success", "description": null,
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "creator": {"id": 9}})
    };
    let full: Vec<_> = (2..=101).rev().map(status).collect();
    let runs = json!({"total_count": 2, "check_runs": [
        {"id": 5, "name": "ci", "status": "completed", "conclusion": "failure", "completed_at": "2026-01-03T00:00:00Z",
         "started_at": "2026-01-02T00:00:00Z", "output": {"title": "3 tests failed"}},
        {"id": 6, "name": "lint", "status": "in_progress", "conclusion": null, "completed_at": null,
         "started_at": "2026-01-02T00:00:00Z", "output": {"title": null}}]});
    let server = Scripted::start(vec![
        Reply::json(200, full.into()).with("link", "<http://elsewhere.example/next>; rel=\"next\""),
        Reply::json(200, json!([status(1)])),
        Reply::json(200, runs),
    ])
    .await?;
    let reports = server.forge().commit_statuses(&shop(), "abc").await?;
    assert_eq!(
        server.lines(),
        [
            "GET /api/v3/repos/acme/shop/commits/abc/statuses?per_page=100&page=1",
            "GET /api/v3/repos/acme/shop/commits/abc/statuses?per_page=100&page=2",
            "GET /api/v3/repos/acme/shop/commits/abc/check-runs?filter=latest&per_page=100&page=1",
        ]
    );
    assert_eq!(reports.len(), 103);
    let first = &reports[0];
    assert_eq!((first.source, first.state), (StatusSource::CheckRun, StatusState::Failure));
    assert_eq!((first.reported_at, &*first.description), (time("2026-01-03T00:00:00Z"), "3 tests failed"));
    assert_eq!((reports[1].state, &*reports[1].description), (StatusState::Pending, "in_progress"));
    assert_eq!((reports[2].id, reports[2].creator), (101, Some(9)));
    assert_eq!(reports[102].id, 1);
    Ok(())
}

#[tokio::test]
async fn a_commit_that_was_never_pushed_is_not_found() -> TestResult {
    let unknown = Reply::message(422, "No commit found for SHA: abc");
    let server = Scripted::start(vec![Reply::message(404, "Not Found"), Reply::json(200, json!([])), unknown]).await?;
    let forge = server.forge();
    for _ in 0..2 {
        let words = forge.commit_statuses(&shop(), "abc").await.err().map(|error| error.to_string());
        assert_eq!(words.as_deref(), Some("the commit `abc` of `acme/shop` was not found on the forge"));
    }
    Ok(())
}

#[tokio::test]
async fn a_list_without_end_is_read_for_ten_pages() -> TestResult {
    let status = json!({"id": 1, "context": "k", "state": "error", "created_at": "2026-01-01T00:00:00Z"});
    let page = Value::from(vec![status; 100]);
    let mut replies: Vec<_> = (0..10).map(|_| Reply::json(200, page.clone())).collect();
    replies.push(Reply::json(200, json!({"check_runs": []})));
    let server = Scripted::start(replies).await?;
    assert_eq!(server.forge().commit_statuses(&shop(), "abc").await?.len(), 1000);
    assert_eq!(server.lines().len(), 11);
    Ok(())
}

#[tokio::test]
async fn requests_are_counted_by_route_and_status() -> TestResult {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let _counting = metrics::set_default_local_recorder(&recorder);
    let server = Scripted::start(vec![Reply::message(404, "Not Found"), Reply::json(201, json!({}))]).await?;
    let forge = server.forge();
    assert!(forge.pull_request(&shop(), PullRequestNumber(12)).await.is_err());
    forge.close_pull_request(&shop(), PullRequestNumber(12)).await?;
    let shown = recorder.handle().render();
    for (method, status) in [("GET", "404"), ("PATCH", "201")] {
        let route = "/repos/{owner}/{repo}/pulls/{pull_number}";
        let labels = format!(r#"{{method="{method}",route="{route}",status="{status}"}} 1"#);
        assert!(shown.contains(&format!("hydromote_forge_requests_total{labels}")), "{shown}");
    }
    Ok(())
}

#[tokio::test]
async fn without_the_right_to_read_check_runs_only_statuses_count() -> TestResult {
    let status = json!([{"id": 1, "context": "health", "state": "success", "created_at": "2026-01-01T00:00:00Z"}]);
    let refused = json!({"message": "Resource not accessible by personal access token"});
    let server = Scripted::start(vec![Reply::json(200, status), Reply::json(403, refused)]).await?;
    let reports = server.forge().commit_statuses(&shop(), "abc").await?;
    assert_eq!(reports.iter().map(|report| report.key.as_str()).collect::<Vec<_>>(), ["health"]);
    Ok(())
}
