//! Merging: what is asked before, and what is made of refusals and lost answers.

use super::*;
use crate::domain::strategy::MergeMethod;

fn merge() -> Merge {
    Merge {
        expected_head: HEAD.into(),
        onto: Onto { branch: branch("env/dev"), head: ActiveSha::new(BASE).expect("because it is a commit") },
        method: MergeMethod::Squash,
        title: "Promote".into(),
        message: "Dry-Sha: 1".into(),
    }
}

fn is(fields: Value) -> Reply {
    Reply::json(200, pull(1, fields))
}

fn merged() -> Reply {
    Reply::json(200, recorded!("merged"))
}

fn taken_in() -> Reply {
    refs(&[(1, HEAD)])
}

/// What the forge says while it checks, of a conflict, and when there is nothing to merge.
fn later() -> Reply {
    Reply::message(405, "Please try again later")
}

/// Returns what a merge makes of these answers, and how often it was sent.
async fn merge_with(replies: Vec<Reply>) -> Result<(Result<String, ForgeError>, usize), Box<dyn std::error::Error>> {
    let server = Scripted::start(replies).await?;
    let result = forge_with(&server, Duration::from_millis(700)).merge_pull_request(&shop(), ONE, &merge()).await;
    Ok((result, server.lines().iter().filter(|line| line.starts_with("POST")).count()))
}

#[tokio::test]
async fn a_merge_names_head_method_and_message_and_keeps_the_branch() -> TestResult {
    let server = Scripted::start(vec![is(json!({})), taken_in(), Reply::empty(200), merged()]).await?;
    let sha = forge(&server).merge_pull_request(&shop(), ONE, &merge()).await?;
    assert_eq!(recorded!("merged")["merge_commit_sha"], json!(sha));
    let seen = server.seen();
    assert_eq!(seen[2].line, "POST /api/v1/repos/acme/shop/pulls/1/merge");
    let expected = json!({"Do": "squash", "head_commit_id": HEAD, "MergeTitleField": "Promote",
        "MergeMessageField": "Dry-Sha: 1", "delete_branch_after_merge": false});
    assert_eq!(seen[2].body, expected);
    Ok(())
}

#[tokio::test]
async fn a_merge_whose_answer_was_lost_is_read_back_and_never_sent_twice() -> TestResult {
    for lost in [Reply::empty(502), Reply::empty(200).too_late(), Reply::message(405, "The PR is already merged")] {
        let (result, sent) = merge_with(vec![is(json!({})), taken_in(), lost, merged(), taken_in()]).await?;
        assert!(result.is_ok(), "{result:?}");
        assert_eq!(sent, 1);
    }
    let (result, sent) = merge_with(vec![is(json!({})), taken_in(), Reply::empty(502), is(json!({}))]).await?;
    assert!(matches!(result, Err(ForgeError::Unavailable { .. })), "{result:?}");
    assert_eq!(sent, 1);
    // A success that has only scheduled it.
    let (result, sent) = merge_with(vec![is(json!({})), taken_in(), Reply::empty(201), is(json!({}))]).await?;
    assert!(matches!(result, Err(ForgeError::Unavailable { .. })), "{result:?}");
    assert_eq!(sent, 1);
    Ok(())
}

#[tokio::test]
async fn what_somebody_else_has_done_is_no_success_of_ours() -> TestResult {
    for (before, sent_at_all) in [
        (vec![merged(), refs(&[(1, "another")])], 0),
        (vec![is(json!({"state": "closed"}))], 0),
        (vec![is(json!({"head": {"label": "h", "sha": "another", "repo_id": 1}}))], 0),
        (vec![is(json!({"base": {"label": "main", "sha": BASE, "repo_id": 1}}))], 0),
        (vec![is(json!({"base": {"label": "env/dev", "sha": "another", "repo_id": 1}}))], 0),
        (vec![is(json!({})), taken_in(), Reply::message(404, "not found"), is(json!({"state": "closed"}))], 1),
        (vec![is(json!({})), taken_in(), Reply::message(409, "head out of date"), merged(), refs(&[(1, "x")])], 1),
    ] {
        let (result, sent) = merge_with(before).await?;
        assert!(matches!(result, Err(ForgeError::Moved { .. })), "{result:?}");
        assert_eq!(sent, sent_at_all);
    }
    Ok(())
}

#[tokio::test]
async fn one_text_for_three_things_is_told_apart_by_what_is_there() -> TestResult {
    let words = |result: Result<String, ForgeError>| match result {
        Err(ForgeError::Refused { words, .. }) => words,
        other => panic!("it should have been refused: {other:?}"),
    };
    // It is being checked: we wait, and send nothing meanwhile.
    let checking = || is(json!({"mergeable": false}));
    let ready = || is(json!({}));
    let (result, sent) =
        merge_with(vec![checking(), checking(), ready(), taken_in(), Reply::empty(200), merged()]).await?;
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(sent, 1);
    // The check began as we sent it.
    let again = vec![ready(), taken_in(), later(), checking(), ready(), taken_in(), Reply::empty(200), merged()];
    let (result, sent) = merge_with(again).await?;
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(sent, 2);
    // A conflict never ends.
    let (result, sent) = merge_with((0..20).map(|_| checking()).collect()).await?;
    assert_eq!(words(result), "Gitea still checks it, or it conflicts with `env/dev`; it says the same of both");
    assert_eq!(sent, 0);
    let (result, _) = merge_with(vec![is(json!({"merge_base": HEAD}))]).await?;
    assert_eq!(words(result), "Gitea finds nothing to merge: `env/dev` has this head already");
    let (result, _) = merge_with(vec![is(json!({"draft": true, "mergeable": false}))]).await?;
    assert_eq!(words(result), "Gitea takes it for a draft, by the beginning of its title");
    // The newest push waits in a queue of the forge.
    let behind = || [ready(), refs(&[(1, "before")])];
    let (result, sent) = merge_with((0..10).flat_map(|_| behind()).collect()).await?;
    assert_eq!(words(result), "Gitea has not taken in the newest push to it yet");
    assert_eq!(sent, 0);
    Ok(())
}

#[tokio::test]
async fn a_rule_is_told_from_a_lack_of_rights() -> TestResult {
    let refused = |text: &str| vec![is(json!({})), taken_in(), Reply::message(405, text), is(json!({}))];
    let rights = |push: bool| {
        let mut repository = recorded!("repository");
        repository["permissions"]["push"] = json!(push);
        Reply::json(200, repository)
    };
    let mut replies = refused("Not all required status checks successful");
    replies.push(rights(true));
    let (result, sent) = merge_with(replies).await?;
    let Err(ForgeError::Refused { words, .. }) = result else { panic!("{result:?}") };
    assert_eq!((words.as_str(), sent), ("Not all required status checks successful", 1));
    let mut replies = refused("User not allowed to merge PR");
    replies.push(rights(false));
    let (result, _) = merge_with(replies).await?;
    assert!(matches!(result, Err(ForgeError::Unauthorised { .. })), "{result:?}");
    Ok(())
}

#[tokio::test]
async fn a_merge_that_others_got_before_is_sent_again() -> TestResult {
    let out_of_date = || Reply::message(409, "PushRejected with remote message: cannot lock ref");
    let ready = || [is(json!({})), taken_in()];
    let mut replies = Vec::from(ready());
    replies.extend([out_of_date(), is(json!({}))]);
    replies.extend(ready());
    replies.extend([Reply::empty(200), merged()]);
    let (result, sent) = merge_with(replies).await?;
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(sent, 2);
    // Not for ever: a hook may refuse for good with the same code.
    let tries = (0..9).flat_map(|_| ready().into_iter().chain([out_of_date(), is(json!({}))]));
    let (result, _) = merge_with(tries.collect()).await?;
    assert!(matches!(result, Err(ForgeError::Refused { .. })), "{result:?}");
    Ok(())
}
