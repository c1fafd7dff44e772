//! Reading lists: what is asked for, what is left out, and where a list ends.

use super::*;

#[tokio::test]
async fn merge_requests_are_found_by_both_branches_and_never_in_forks() -> TestResult {
    let fork = pull(3, json!({"source_project_id": 9}));
    let server = Scripted::start(vec![Reply::json(200, json!([fork, merged(2, "old"), pull(1, json!({}))]))]).await?;
    let found = forge(&server).pull_requests(&shop(), &branch("env/dev-next"), &branch("env/dev")).await?;
    assert_eq!(found.iter().map(|pull| pull.number.0).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(found[0].state, PullRequestState::Merged);
    assert_eq!(found[0].merged_by.as_deref(), Some("ada"));
    assert!(found.iter().all(|pull| pull.mergeable == Mergeable::Unknown), "lists say what was, long ago");
    insta::assert_snapshot!(server.lines()[0], @"GET /api/v4/projects/acme%2Fshop/merge_requests?scope=all&source_branch=env%2Fdev-next&target_branch=env%2Fdev&order_by=created_at&sort=desc&per_page=100&page=1");
    Ok(())
}

#[tokio::test]
async fn merge_requests_into_a_branch_tell_where_their_head_is() -> TestResult {
    let fork = pull(3, json!({"source_project_id": 9}));
    let server = Scripted::start(vec![Reply::json(200, json!([fork, pull(1, json!({}))]))]).await?;
    let found = forge(&server).pull_requests_into(&shop(), &branch("env/dev")).await?;
    let heads: Vec<_> = found.iter().map(|pull| (pull.number.0, pull.head_in)).collect();
    assert_eq!(heads, [(3, HeadIn::Fork), (1, HeadIn::Repository)]);
    assert!(server.lines()[0].contains("order_by=updated_at"));
    Ok(())
}

#[tokio::test]
async fn a_page_that_is_not_full_is_not_the_last() -> TestResult {
    let server = Scripted::start(vec![
        Reply::json(200, json!([report(9, "ci", "success")])).with("x-next-page", "2"),
        Reply::json(200, json!([report(8, "hydromote/dev", "pending")])).with("x-next-page", ""),
    ])
    .await?;
    let found = forge(&server).commit_statuses(&shop(), "abc").await?;
    assert_eq!(found.iter().map(|status| status.id).collect::<Vec<_>>(), [9, 8]);
    assert_eq!(found[0].creator, Some(28));
    let lines = server.lines();
    assert_eq!(lines.len(), 2);
    insta::assert_snapshot!(lines[0], @"GET /api/v4/projects/acme%2Fshop/repository/commits/abc/statuses?all=true&order_by=id&sort=desc&per_page=100&page=1");
    Ok(())
}

#[tokio::test]
async fn what_did_not_change_is_not_sent_again() -> TestResult {
    let server =
        Scripted::start(vec![Reply::json(200, pull(1, json!({}))).with("etag", "W/\"1\""), Reply::empty(304)]).await?;
    let forge = forge(&server);
    let first = forge.pull_request(&shop(), ONE).await?;
    assert_eq!(forge.pull_request(&shop(), ONE).await?, first);
    let seen = server.seen();
    assert_eq!(seen[1].header("if-none-match"), Some("W/\"1\""));
    assert_eq!(seen[1].header("private-token"), Some("s3cret-token"));
    Ok(())
}

fn event(id: u64, at: &str, fields: Value) -> Value {
    let mut note = json!({"id": id, "type": null, "body": "hello", "author": {"id": 9, "username": "ada"},
        "created_at": at, "updated_at": at, "system": false, "noteable_type": "MergeRequest", "noteable_iid": 7});
    let object = note.as_object_mut().expect("because it was built as an object");
    object.extend(fields.as_object().expect("because the tests pass objects").clone());
    json!({"id": id, "action_name": "commented on", "created_at": at, "note": note})
}

#[tokio::test]
async fn comments_are_found_in_what_happened_and_only_those_on_merge_requests() -> TestResult {
    let (early, late) = ("2026-01-02T10:00:00.000Z", "2026-01-02T11:00:00.000Z");
    let server = Scripted::start(vec![
        Reply::json(
            200,
            json!([
                event(5, late, json!({"noteable_type": "Issue"})),
                event(4, late, json!({"author": {"id": 12, "username": "project_5_bot_9f"}})),
            ]),
        )
        .with("x-next-page", "2"),
        Reply::json(200, json!([event(3, early, json!({})), event(2, "2026-01-02T08:00:00.000Z", json!({}))]))
            .with("x-next-page", "3"),
    ])
    .await?;
    let recent = forge(&server).comments_since(&shop(), time("2026-01-02T09:00:00Z")).await?;
    let found: Vec<_> = recent.comments.iter().map(|c| (c.id, c.pull_request.0, c.by_bot)).collect();
    assert_eq!(found, [(3, 7, false), (4, 7, true)]);
    assert_eq!((recent.read_to, recent.more), (Some(time(late)), false));
    let lines = server.lines();
    assert_eq!(lines.len(), 2, "what is older than asked for ends the reading: {lines:?}");
    insta::assert_snapshot!(lines[0], @"GET /api/v4/projects/acme%2Fshop/events?action=commented&target_type=note&after=2025-12-31&sort=desc&per_page=100&page=1");
    Ok(())
}

#[tokio::test]
async fn what_gitlab_notes_itself_is_no_comment() -> TestResult {
    let note = |id: u64, system: bool| {
        json!({"id": id, "body": "added 1 commit", "author": {"id": 9, "username": "ada"}, "system": system,
            "created_at": "2026-01-02T10:00:00Z", "updated_at": null, "noteable_type": "MergeRequest", "noteable_iid": 1})
    };
    let server = Scripted::start(vec![Reply::json(200, json!([note(1, true), note(2, false)]))]).await?;
    let found = forge(&server).comments(&shop(), ONE).await?;
    assert_eq!(found.iter().map(|comment| comment.id).collect::<Vec<_>>(), [2]);
    assert!(server.lines()[0].contains("activity_filter=only_comments"));
    Ok(())
}
