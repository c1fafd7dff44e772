//! Writing: each request's body, and what is read back when the answer is a refusal or missing.

use std::time::Duration;

use super::*;
use crate::domain::{ids::StatusKey, status::StatusState};

const ONE: PullRequestNumber = PullRequestNumber(1);

#[tokio::test]
async fn a_pull_request_is_opened_with_head_and_base() -> TestResult {
    let server = Scripted::start(vec![Reply::json(201, pull(1, json!({})))]).await?;
    assert_eq!(server.forge().open_pull_request(&shop(), &new_pull()).await?.number, ONE);
    let seen = server.seen();
    assert_eq!(seen[0].line, "POST /api/v3/repos/acme/shop/pulls");
    assert_eq!(seen[0].body, json!({"title": "T", "body": "B", "head": "env/dev-next", "base": "env/dev"}));
    assert_eq!(seen[0].header("content-type"), Some("application/json"));
    Ok(())
}

#[tokio::test]
async fn a_pull_request_that_exists_is_found_by_head_and_base() -> TestResult {
    let exists = json!({"message": "Validation Failed", "errors": [
        {"message": "A pull request already exists for acme:env/dev-next."}]});
    let server = Scripted::start(vec![
        Reply::json(422, exists),
        Reply::json(200, json!([merged(5, "old"), pull(4, json!({}))])),
    ])
    .await?;
    assert_eq!(server.forge().open_pull_request(&shop(), &new_pull()).await?.number, PullRequestNumber(4));
    assert!(server.lines()[1].contains("head=acme%3Aenv%2Fdev-next&base=env%2Fdev"));
    Ok(())
}

#[tokio::test]
async fn a_pull_request_whose_answer_was_lost_is_found_and_never_posted_twice() -> TestResult {
    let server = Scripted::start(vec![Reply::empty(502), Reply::json(200, json!([pull(4, json!({}))]))]).await?;
    assert_eq!(server.forge().open_pull_request(&shop(), &new_pull()).await?.number, PullRequestNumber(4));
    let posts = server.lines().iter().filter(|line| line.starts_with("POST")).count();
    assert_eq!(posts, 1);
    Ok(())
}

#[tokio::test]
async fn nothing_to_merge_is_a_refusal_in_the_forges_words() -> TestResult {
    let body = json!({"message": "Validation Failed", "errors": [{"message": "No commits between a and b"}]});
    let server = Scripted::start(vec![Reply::json(422, body)]).await?;
    let error = server.forge().open_pull_request(&shop(), &new_pull()).await.err();
    let Some(ForgeError::Refused { words, .. }) = error else { panic!("{error:?}") };
    assert_eq!(words, "Validation Failed: No commits between a and b");
    assert_eq!(server.lines().len(), 1);
    Ok(())
}

#[tokio::test]
async fn title_and_body_are_replaced() -> TestResult {
    let server = Scripted::start(vec![Reply::json(200, pull(1, json!({})))]).await?;
    server.forge().edit_pull_request(&shop(), ONE, "New", "Text").await?;
    let seen = server.seen();
    assert_eq!(seen[0].line, "PATCH /api/v3/repos/acme/shop/pulls/1");
    assert_eq!(seen[0].body, json!({"title": "New", "body": "Text"}));
    Ok(())
}

#[tokio::test]
async fn closing_a_closed_pull_request_is_a_success() -> TestResult {
    let closed = pull(1, json!({"state": "closed", "closed_at": "2026-01-02T00:00:00Z"}));
    let server = Scripted::start(vec![
        Reply::json(200, closed.clone()),
        Reply::message(422, "Validation Failed"),
        Reply::json(200, closed),
        Reply::message(422, "Validation Failed"),
        Reply::json(200, pull(1, json!({}))),
    ])
    .await?;
    let forge = server.forge();
    forge.close_pull_request(&shop(), ONE).await?;
    assert_eq!(server.seen()[0].body, json!({"state": "closed"}));
    forge.close_pull_request(&shop(), ONE).await?;
    assert!(matches!(forge.close_pull_request(&shop(), ONE).await, Err(ForgeError::Refused { .. })));
    Ok(())
}

#[tokio::test]
async fn a_merge_names_head_method_and_message() -> TestResult {
    let answer = json!({"sha": "merge-1", "merged": true, "message": "Pull Request successfully merged"});
    let server = Scripted::start(vec![Reply::json(200, answer)]).await?;
    assert_eq!(server.forge().merge_pull_request(&shop(), ONE, &merge()).await?, "merge-1");
    let seen = server.seen();
    assert_eq!(seen[0].line, "PUT /api/v3/repos/acme/shop/pulls/1/merge");
    let expected = json!({
        "sha": "head-1", "merge_method": "squash", "commit_title": "Promote", "commit_message": "Trailer: 1"});
    assert_eq!(seen[0].body, expected);
    Ok(())
}

/// Returns what a merge makes of a first answer and of the pull request as it then stands.
async fn merge_after(first: Reply, then: Value) -> Result<Result<String, ForgeError>, Box<dyn std::error::Error>> {
    let server = Scripted::start(vec![first, Reply::json(200, then)]).await?;
    let forge = server.forge_with(Credentials::Token("t".into()), Duration::from_millis(500));
    let result = forge.merge_pull_request(&shop(), ONE, &merge()).await;
    let lines = server.lines();
    let asked = lines.iter().filter(|line| line.contains("/pulls/")).count();
    assert_eq!(asked, 2, "one merge, one look: {lines:?}");
    Ok(result)
}

#[tokio::test]
async fn a_merge_that_happened_already_is_a_success() -> TestResult {
    for first in [
        Reply::message(405, "Pull Request is not mergeable"),
        Reply::message(409, "Head branch was modified. Review and try the merge again."),
        Reply::empty(502),
        Reply::empty(200),
        Reply::json(200, json!({})).too_late(),
    ] {
        assert_eq!(merge_after(first, merged(1, "head-1")).await??, "merge-1");
    }
    Ok(())
}

#[tokio::test]
async fn a_merge_of_another_head_is_no_success_of_ours() -> TestResult {
    let not_mergeable = || Reply::message(405, "Pull Request is not mergeable");
    let other = pull(1, json!({"head": {"ref": "env/dev-next", "sha": "head-2"}}));
    assert!(matches!(merge_after(not_mergeable(), merged(1, "head-2")).await?, Err(ForgeError::Moved { .. })));
    assert!(matches!(merge_after(not_mergeable(), other).await?, Err(ForgeError::Moved { .. })));
    Ok(())
}

#[tokio::test]
async fn a_refused_merge_keeps_the_forges_words() -> TestResult {
    let refused = Reply::message(405, "At least 1 approving review is required");
    let Err(ForgeError::Refused { words, .. }) = merge_after(refused, pull(1, json!({}))).await? else {
        panic!("a merge without its reviews must be refused");
    };
    assert_eq!(words, "At least 1 approving review is required");
    let base = Reply::message(405, "Base branch was modified. Review and try the merge again.");
    assert!(matches!(merge_after(base, pull(1, json!({}))).await?, Err(ForgeError::Moved { .. })));
    let head = Reply::message(409, "Head branch was modified. Review and try the merge again.");
    assert!(matches!(merge_after(head, pull(1, json!({}))).await?, Err(ForgeError::Moved { .. })));
    Ok(())
}

#[tokio::test]
async fn a_status_is_posted_with_a_description_that_fits() -> TestResult {
    let server = Scripted::start(vec![Reply::json(201, json!({})), Reply::json(201, json!({}))]).await?;
    let forge = server.forge();
    let mut status = NewStatus {
        key: StatusKey::new("hydromote/dev")?,
        state: StatusState::Pending,
        description: "ü".repeat(200),
        target_url: None,
    };
    forge.post_status(&shop(), "abc", &status).await?;
    status.description = "Waits".into();
    status.target_url = Some("https://hydromote/x".into());
    forge.post_status(&shop(), "abc", &status).await?;
    let seen = server.seen();
    assert_eq!(seen[0].line, "POST /api/v3/repos/acme/shop/statuses/abc");
    let cut = format!("{}…", "ü".repeat(139));
    assert_eq!(seen[0].body, json!({"state": "pending", "context": "hydromote/dev", "description": cut}));
    assert_eq!(seen[1].body["target_url"], "https://hydromote/x");
    Ok(())
}
