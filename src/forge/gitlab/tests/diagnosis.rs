//! Tokens, rules and webhooks, as `hydromote doctor` and the service look at them.

use super::*;
use crate::forge::WebhookStanding;

#[tokio::test]
async fn a_token_is_told_with_its_end_and_what_it_lacks() -> TestResult {
    let token = json!({"id": 1, "name": "x", "scopes": ["read_api"], "expires_at": "2026-12-01", "active": true});
    let server = Scripted::start(vec![
        Reply::json(200, json!({"id": 7, "username": "project_5_bot_0a"})),
        Reply::json(200, token),
    ])
    .await?;
    let seen = forge(&server).credential().await?;
    assert_eq!((seen.login.as_str(), seen.kind.as_str()), ("project_5_bot_0a", "project access token"));
    assert_eq!(seen.expires_at, "2026-12-01T00:00:00Z".parse().ok());
    assert_eq!(seen.lacks, ["the scope `api`"]);
    assert_eq!(server.lines()[1], "GET /api/v4/personal_access_tokens/self");
    Ok(())
}

#[tokio::test]
async fn rules_that_keep_us_from_merging_or_catch_our_proposals_are_told() -> TestResult {
    let levels = |level: u64| json!([{"access_level": level, "user_id": null, "group_id": null}]);
    let rules = json!([
        {"id": 1, "name": "env/dev", "push_access_levels": levels(0), "merge_access_levels": levels(40)},
        {"id": 2, "name": "env/*", "push_access_levels": levels(40), "merge_access_levels": levels(30)},
        {"id": 3, "name": "main", "push_access_levels": levels(0), "merge_access_levels": levels(0)},
    ]);
    let member = json!({"id": 7, "username": "bot", "access_level": 30, "state": "active"});
    let server = Scripted::start(vec![
        Reply::json(200, rules),
        Reply::json(200, json!({"id": 7, "username": "bot"})),
        Reply::json(200, member),
    ])
    .await?;
    let branch = |name| BranchName::new(name).expect("because it is plain");
    let found = forge(&server).rules(&shop(), &branch("env/dev"), &branch("env/dev-next"), MergeMethod::Merge).await?;
    assert_eq!(
        found,
        [
            "`bot` is not *Allowed to merge* into the protected branch `env/dev`",
            "the rule for `env/*` also protects `env/dev-next`, where proposals are pushed: allow `bot` to push and to \
             force-push there, or name the protected branches one by one",
        ]
    );
    Ok(())
}

#[tokio::test]
async fn webhooks_that_gitlab_stopped_are_seen_and_tested() -> TestResult {
    let hook = |id: u64, url: &str, status: &str, until: Option<&str>| {
        json!({"id": id, "url": url, "push_events": true, "merge_requests_events": true, "note_events": true,
            "pipeline_events": id != 3, "job_events": true, "alert_status": status, "disabled_until": until})
    };
    let ours = "https://hydromote.example.com/webhooks/gitlab";
    let server = Scripted::start(vec![
        Reply::json(
            200,
            json!([
                hook(1, ours, "disabled", None),
                hook(2, &format!("{ours}/"), "temporarily_disabled", Some("2026-01-01T00:00:00.000Z")),
                hook(3, ours, "executable", None),
                hook(4, "https://elsewhere.example.com/", "disabled", None),
            ]),
        ),
        Reply::json(201, json!({"message": "201 Created"})),
        Reply::message(422, "hook execution failed"),
    ])
    .await?;
    let forge = forge(&server);
    let seen = forge.webhooks(&shop(), ours).await?;
    let until = "2026-01-01T00:00:00Z".parse()?;
    assert_eq!(
        seen.iter().map(|hook| hook.standing).collect::<Vec<_>>(),
        [WebhookStanding::Disabled, WebhookStanding::Paused { until }, WebhookStanding::Sends]
    );
    assert_eq!(seen[2].lacks, ["Pipeline events"]);
    forge.test_webhook(&shop(), 1).await?;
    assert!(matches!(forge.test_webhook(&shop(), 1).await, Err(ForgeError::Refused { .. })));
    assert_eq!(server.lines()[1], "POST /api/v4/projects/acme%2Fshop/hooks/1/test/push_events");
    Ok(())
}
