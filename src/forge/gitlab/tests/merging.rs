//! Writing: each request's body, and what is read back when the answer is a refusal or missing.

use super::*;

#[tokio::test]
async fn a_merge_request_is_opened_and_its_branch_kept() -> TestResult {
    let server = Scripted::start(vec![Reply::json(201, pull(1, json!({})))]).await?;
    let new = NewPullRequest { body: "What it brings:\n/merge".into(), ..new_pull() };
    assert_eq!(forge(&server).open_pull_request(&shop(), &new).await?.number, ONE);
    let seen = server.seen();
    assert_eq!(seen[0].line, "POST /api/v4/projects/acme%2Fshop/merge_requests");
    assert_eq!(
        seen[0].body,
        json!({"title": "T", "description": "What it brings:\n\\/merge",
        "source_branch": "env/dev-next", "target_branch": "env/dev", "remove_source_branch": "false"})
    );
    Ok(())
}

#[tokio::test]
async fn a_merge_request_that_is_open_already_is_found() -> TestResult {
    let exists = json!({"message": ["Another open merge request already exists for this source branch: !4"]});
    for first in [Reply::json(409, exists), Reply::empty(502)] {
        let list = Reply::json(200, json!([merged(5, "old"), pull(4, json!({}))]));
        let server = Scripted::start(vec![first, list]).await?;
        assert_eq!(forge(&server).open_pull_request(&shop(), &new_pull()).await?.number, PullRequestNumber(4));
        let posts = server.lines().iter().filter(|line| line.starts_with("POST")).count();
        assert_eq!(posts, 1);
    }
    Ok(())
}

#[tokio::test]
async fn closing_a_closed_merge_request_is_a_success() -> TestResult {
    let closed = pull(1, json!({"state": "closed"}));
    let server = Scripted::start(vec![
        Reply::json(200, closed.clone()),
        Reply::message(400, "state_event is invalid"),
        Reply::json(200, closed),
        Reply::message(400, "state_event is invalid"),
        Reply::json(200, pull(1, json!({}))),
    ])
    .await?;
    let forge = forge(&server);
    forge.close_pull_request(&shop(), ONE).await?;
    assert_eq!(server.seen()[0].body, json!({"state_event": "close"}));
    forge.close_pull_request(&shop(), ONE).await?;
    assert!(matches!(forge.close_pull_request(&shop(), ONE).await, Err(ForgeError::Refused { .. })));
    Ok(())
}

#[tokio::test]
async fn a_merge_names_its_head_and_leaves_nothing_for_later() -> TestResult {
    let server = Scripted::start(vec![project(json!({})), Reply::json(200, merged(1, "head-1"))]).await?;
    let sha = forge(&server).merge_pull_request(&shop(), ONE, &merge(MergeMethod::Squash)).await?;
    assert_eq!(sha, "merge-1");
    let seen = server.seen();
    assert_eq!(seen[1].line, "PUT /api/v4/projects/acme%2Fshop/merge_requests/1/merge");
    assert_eq!(
        seen[1].body,
        json!({"sha": "head-1", "squash": "true", "should_remove_source_branch": "false",
        "merge_commit_message": "Promote\n\nTrailer: 1", "squash_commit_message": "Promote\n\nTrailer: 1"})
    );
    Ok(())
}

/// Returns what a merge makes of a first answer and of the merge request as it then stands.
async fn merge_after(first: Reply, then: Value) -> Result<Result<String, ForgeError>, Box<dyn std::error::Error>> {
    let server = Scripted::start(vec![project(json!({})), first, Reply::json(200, then)]).await?;
    let forge = forge_with(&server, Duration::from_millis(500));
    let result = forge.merge_pull_request(&shop(), ONE, &merge(MergeMethod::Merge)).await;
    let lines = server.lines();
    assert_eq!(lines.len(), 3, "one merge, one look: {lines:?}");
    Ok(result)
}

fn not_allowed() -> Reply {
    Reply::message(405, "405 Method Not Allowed")
}

#[tokio::test]
async fn a_merge_that_happened_already_is_a_success() -> TestResult {
    for first in [
        not_allowed(),
        Reply::message(406, "Branch cannot be merged"),
        Reply::message(409, "SHA does not match HEAD of source branch: head-0"),
        Reply::empty(502),
        Reply::json(200, json!({})).too_late(),
    ] {
        assert_eq!(merge_after(first, merged(1, "head-1")).await??, "merge-1");
    }
    Ok(())
}

#[tokio::test]
async fn a_merge_of_another_head_is_no_success_of_ours() -> TestResult {
    let conflict = || Reply::message(409, "SHA does not match HEAD of source branch: head-2");
    let other = pull(1, json!({"sha": "head-2"}));
    assert!(matches!(merge_after(conflict(), other).await?, Err(ForgeError::Moved { .. })));
    assert!(matches!(merge_after(not_allowed(), merged(1, "head-2")).await?, Err(ForgeError::Moved { .. })));
    let closed = pull(1, json!({"state": "closed"}));
    assert!(matches!(merge_after(not_allowed(), closed).await?, Err(ForgeError::Moved { .. })));
    Ok(())
}

#[tokio::test]
async fn what_a_refusal_means_is_read_from_the_merge_request() -> TestResult {
    let words = |result| match result {
        Err(ForgeError::Refused { words, .. }) => words,
        other => panic!("{other:?}"),
    };
    let is = |word: &str| pull(1, json!({"detailed_merge_status": word}));
    let told = words(merge_after(not_allowed(), is("ci_must_pass")).await?);
    assert_eq!(told, "the project asks for a pipeline that succeeded (`ci_must_pass`)");
    for code in [405, 406, 422] {
        let told = words(merge_after(Reply::message(code, "Branch cannot be merged"), is("conflict")).await?);
        assert_eq!(told, "it conflicts with `env/dev`", "{code}");
    }
    let failed = pull(1, json!({"merge_error": "a hook said no"}));
    assert_eq!(words(merge_after(not_allowed(), failed).await?), "a hook said no");
    Ok(())
}

#[tokio::test]
async fn a_401_is_about_the_branch_when_the_token_is_good_for_the_rest() -> TestResult {
    let unauthorised = Reply::message(401, "401 Unauthorized");
    let kept_out = pull(1, json!({"user": {"can_merge": false}}));
    let Err(ForgeError::Unauthorised { words, .. }) = merge_after(unauthorised, kept_out).await? else {
        panic!("whoever may not merge must be told so");
    };
    assert_eq!(
        words,
        "the account of the service may not merge into `env/dev`; see *Allowed to merge* of the protected branch"
    );
    Ok(())
}

#[tokio::test]
async fn a_lost_answer_is_never_followed_by_another_merge() -> TestResult {
    let open = pull(1, json!({}));
    assert!(matches!(merge_after(Reply::empty(502), open).await?, Err(ForgeError::Unavailable { .. })));
    Ok(())
}

#[tokio::test]
async fn a_merge_waits_while_gitlab_checks_and_is_sent_again_then() -> TestResult {
    let is = |word: &str| Reply::json(200, pull(1, json!({"detailed_merge_status": word})));
    let server = Scripted::start(vec![
        project(json!({})),
        not_allowed(),
        is("checking"),
        is("mergeable"),
        Reply::json(200, merged(1, "head-1")),
    ])
    .await?;
    assert_eq!(forge(&server).merge_pull_request(&shop(), ONE, &merge(MergeMethod::Merge)).await?, "merge-1");
    let verbs: Vec<_> = server.lines().iter().map(|line| line[..3].to_owned()).collect();
    assert_eq!(verbs, ["GET", "PUT", "GET", "GET", "PUT"]);
    Ok(())
}

#[tokio::test]
async fn a_merge_that_gitlab_only_checks_ends_with_patience() -> TestResult {
    let checking = pull(1, json!({"detailed_merge_status": "unchecked"}));
    let server = Scripted::start(vec![project(json!({})), not_allowed(), Reply::json(200, checking)]).await?;
    let mut forge = forge(&server);
    forge.merge_patience = Duration::ZERO;
    let result = forge.merge_pull_request(&shop(), ONE, &merge(MergeMethod::Merge)).await;
    assert!(matches!(result, Err(ForgeError::Refused { words, .. }) if words.contains("still checks")));
    Ok(())
}

#[tokio::test]
async fn a_method_that_the_project_does_not_have_is_said_before_anything_is_merged() -> TestResult {
    let refused = async |method, fields| -> Result<String, Box<dyn std::error::Error>> {
        let server = Scripted::start(vec![project(fields)]).await?;
        let result = forge(&server).merge_pull_request(&shop(), ONE, &merge(method)).await;
        assert_eq!(server.lines().len(), 1);
        match result {
            Err(ForgeError::Refused { words, .. }) => Ok(words),
            other => panic!("{other:?}"),
        }
    };
    let words = refused(MergeMethod::Merge, json!({"merge_method": "ff"})).await?;
    assert!(words.contains("fast-forward") && words.contains("`mergeMethod: rebase`"), "{words}");
    let words = refused(MergeMethod::Rebase, json!({})).await?;
    assert!(words.contains("`mergeMethod: merge`"), "{words}");
    let words = refused(MergeMethod::Merge, json!({"squash_option": "always"})).await?;
    assert!(words.contains("`mergeMethod: squash`"), "{words}");
    let words = refused(MergeMethod::Squash, json!({"squash_option": "never"})).await?;
    assert!(words.contains("does not squash"), "{words}");
    Ok(())
}

#[tokio::test]
async fn a_status_goes_to_the_pipeline_of_the_merge_request() -> TestResult {
    let server = Scripted::start(vec![
        pipelines(&[(42, "push"), (41, "merge_request_event")]),
        Reply::json(201, report(93, "hydromote/dev", "success")),
    ])
    .await?;
    forge(&server).post_status(&shop(), "abc", &status(StatusState::Success)).await?;
    let seen = server.seen();
    insta::assert_snapshot!(seen[0].line, @"GET /api/v4/projects/acme%2Fshop/pipelines?sha=abc&order_by=id&sort=desc&per_page=100&page=1");
    assert_eq!(seen[1].line, "POST /api/v4/projects/acme%2Fshop/statuses/abc");
    assert_eq!(
        seen[1].body,
        json!({"state": "success", "name": "hydromote/dev", "description": "Waits",
        "target_url": "https://hydromote/x", "pipeline_id": "41"})
    );
    Ok(())
}

#[tokio::test]
async fn without_a_pipeline_the_proposed_branch_is_named() -> TestResult {
    let open = pull(1, json!({"sha": "abc"}));
    let server = Scripted::start(vec![
        pipelines(&[]),
        Reply::json(200, json!([merged(2, "abc"), open])),
        Reply::json(201, report(93, "hydromote/dev", "canceled")),
    ])
    .await?;
    let long = NewStatus { target_url: Some(format!("https://{}", "x".repeat(250))), ..status(StatusState::Error) };
    forge(&server).post_status(&shop(), "abc", &long).await?;
    assert_eq!(
        server.seen()[2].body,
        json!({"state": "canceled", "name": "hydromote/dev", "description": "Waits", "ref": "env/dev-next"})
    );
    Ok(())
}

#[tokio::test]
async fn without_a_merge_request_the_branch_is_named_that_has_the_commit_as_its_head() -> TestResult {
    let server = Scripted::start(vec![
        pipelines(&[]),
        Reply::json(200, json!([])),
        Reply::json(200, json!([{"type": "branch", "name": "archive"}, {"type": "branch", "name": "env/dev"}])),
        Reply::json(200, json!({"name": "archive", "commit": {"id": "newer"}})),
        Reply::json(200, json!({"name": "env/dev", "commit": {"id": "abc"}})),
        Reply::json(201, report(93, "hydromote/dev", "success")),
    ])
    .await?;
    forge(&server).post_status(&shop(), "abc", &status(StatusState::Success)).await?;
    assert_eq!(server.seen()[5].body["ref"], "env/dev");
    Ok(())
}

#[tokio::test]
async fn a_long_description_of_any_script_is_taken() -> TestResult {
    let server = Scripted::start(vec![pipelines(&[(41, "push")]), Reply::json(201, json!({}))]).await?;
    let long = NewStatus { description: "語".repeat(200), ..status(StatusState::Pending) };
    forge(&server).post_status(&shop(), "abc", &long).await?;
    assert_eq!(server.seen()[1].body["description"], format!("{}…", "語".repeat(139)));
    Ok(())
}

fn cannot_transition() -> Reply {
    Reply::message(400, "Cannot transition status via :enqueue from :running (Reason(s): …)")
}

#[tokio::test]
async fn a_status_that_is_so_already_is_a_success() -> TestResult {
    let server = Scripted::start(vec![
        pipelines(&[(41, "push")]),
        cannot_transition(),
        Reply::json(200, json!([report(9, "hydromote/dev", "running"), report(8, "hydromote/dev", "success")])),
    ])
    .await?;
    forge(&server).post_status(&shop(), "abc", &status(StatusState::Pending)).await?;
    assert!(server.lines()[2].contains("/statuses?name=hydromote%2Fdev&all=true"));
    Ok(())
}

#[tokio::test]
async fn a_status_that_is_otherwise_stays_refused() -> TestResult {
    let server = Scripted::start(vec![
        pipelines(&[(41, "push")]),
        cannot_transition(),
        Reply::json(200, json!([report(9, "hydromote/dev", "failed")])),
    ])
    .await?;
    let result = forge(&server).post_status(&shop(), "abc", &status(StatusState::Pending)).await;
    assert!(matches!(result, Err(ForgeError::Refused { words, .. }) if words.contains("Cannot transition")));
    Ok(())
}

#[tokio::test]
async fn a_status_is_posted_again_when_another_was_in_the_way() -> TestResult {
    let server = Scripted::start(vec![
        pipelines(&[]),
        Reply::json(200, json!([pull(1, json!({"sha": "abc"}))])),
        Reply::message(409, "Conflict"),
        Reply::json(200, json!([])),
        pipelines(&[(41, "external")]),
        Reply::json(201, json!({})),
    ])
    .await?;
    forge(&server).post_status(&shop(), "abc", &status(StatusState::Pending)).await?;
    assert_eq!(server.seen()[5].body["pipeline_id"], "41", "the pipeline that the other one made");
    Ok(())
}

#[tokio::test]
async fn comments_are_written_so_that_gitlab_obeys_nothing_in_them() -> TestResult {
    let note = json!({"id": 302, "body": "x"});
    let server = Scripted::start(vec![Reply::json(201, note.clone()), Reply::json(200, note)]).await?;
    let forge = forge(&server);
    assert_eq!(forge.post_comment(&shop(), ONE, "reason:\n/merge").await?, 302);
    forge.edit_comment(&shop(), ONE, 302, "/approve").await?;
    let seen = server.seen();
    assert_eq!(seen[0].line, "POST /api/v4/projects/acme%2Fshop/merge_requests/1/notes");
    assert_eq!(seen[0].body, json!({"body": "reason:\n\\/merge"}));
    assert_eq!(seen[1].line, "PUT /api/v4/projects/acme%2Fshop/merge_requests/1/notes/302");
    assert_eq!(seen[1].body, json!({"body": "\\/approve"}));
    Ok(())
}
