//! What GitLab does otherwise than one thinks, and the adapter's way around it.

use axum::http::Method;
use hydromote::{
    domain::{
        ids::{ActiveSha, BranchName, PullRequestNumber, RepositoryId, StatusKey},
        status::StatusState,
        strategy::MergeMethod,
    },
    forge::{
        Forge, ForgeError, Merge, Mergeable, NewPullRequest, NewStatus, Onto, PullRequest, PullRequestState, Reacted,
        Reaction,
    },
};
use serde_json::json;

use super::face::{Face, PATH};
use crate::world::{BOT, DEVELOPER, Fallible, TestResult};

const BASE: &str = "env/dev";
const HEAD: &str = "env/dev-next";

fn shop() -> RepositoryId {
    RepositoryId::new(PATH).expect("because it is an owner and a name")
}

fn branch(name: &str) -> BranchName {
    BranchName::new(name).expect("because the tests use plain branch names")
}

fn files(text: &str) -> Vec<(String, String)> {
    vec![("file".to_owned(), text.to_owned())]
}

fn status(state: StatusState) -> NewStatus {
    let key = StatusKey::new("hydromote/dev").expect("because it is a key");
    NewStatus { key, state, description: "Waits".into(), target_url: None }
}

fn merge(head: &str) -> Merge {
    Merge {
        expected_head: head.to_owned(),
        onto: Onto { branch: branch(BASE), head: ActiveSha::new("base").expect("because it is a word") },
        method: MergeMethod::Merge,
        title: "Promote".into(),
        message: "Trailer: 1".into(),
    }
}

/// Starts a server with a branch and what is proposed for it; returns the merge request.
async fn proposed(body: &str) -> Fallible<(Face, PullRequest)> {
    let face = Face::start().await?;
    face.push(BASE, "Begin", &files("1"))?;
    face.world().git.branch_off(HEAD, BASE)?;
    face.push(HEAD, "Propose", &files("2"))?;
    let new = NewPullRequest { head: branch(HEAD), base: branch(BASE), title: "Promote".into(), body: body.into() };
    let pull = face.adapter()?.open_pull_request(&shop(), &new).await?;
    Ok((face, pull))
}

#[tokio::test]
async fn what_gitlab_would_obey_is_written_and_not_done() -> TestResult {
    let (face, pull) = proposed("Brings:\n\n/merge\n```\n/close\n```\n~~~\n/approve\n").await?;
    let forge = face.adapter()?;
    let note = forge.post_comment(&shop(), pull.number, "because\n/close").await?;
    forge.edit_comment(&shop(), pull.number, note, "/hydromote promote\n/merge").await?;
    forge.edit_pull_request(&shop(), pull.number, "Title", "/draft").await?;
    let world = face.world();
    assert_eq!(world.obeyed, Vec::<String>::new());
    assert_eq!(world.notes[0].body, "/hydromote promote\n\\/merge", "our own command can be copied");
    assert_eq!((world.requests[0].state, world.requests[0].description.as_str()), ("opened", "\\/draft"));
    Ok(())
}

#[tokio::test]
async fn a_bare_command_reaches_nobody_and_a_prefixed_one_does() -> TestResult {
    let (face, pull) = proposed("").await?;
    let notes = format!("/merge_requests/{}/notes", pull.number.0);
    face.ask(DEVELOPER, Method::POST, &notes, json!({"body": "/promote"})).await?;
    face.ask(DEVELOPER, Method::POST, &notes, json!({"body": "/hydromote promote"})).await?;
    let forge = face.adapter()?;
    let recent = forge.comments_since(&shop(), jiff::Timestamp::UNIX_EPOCH).await?;
    let [comment] = recent.comments.as_slice() else { panic!("{recent:?}") };
    assert_eq!((comment.body.as_str(), comment.pull_request), ("/hydromote promote", pull.number));
    assert_eq!(face.world().obeyed, ["/promote"]);
    assert!(!forge.takes_bare_commands());
    assert_eq!(forge.react(&shop(), pull.number, comment.id, Reaction::Eyes).await?, Reacted::Now);
    assert_eq!(forge.react(&shop(), pull.number, comment.id, Reaction::Eyes).await?, Reacted::Before);
    Ok(())
}

#[tokio::test]
async fn a_merge_right_after_a_push_waits_until_gitlab_has_checked() -> TestResult {
    let (face, pull) = proposed("").await?;
    let head = face.push(HEAD, "Propose again", &files("3"))?;
    let forge = face.adapter()?;
    assert_eq!(forge.pull_requests(&shop(), &branch(HEAD), &branch(BASE)).await?[0].head_sha, head);
    let merged = forge.merge_pull_request(&shop(), pull.number, &merge(&head)).await?;
    assert_eq!(face.world().git.head(BASE).as_ref(), Some(&merged));
    assert_eq!(face.world().git.message(&merged)?, "Promote\n\nTrailer: 1");
    assert!(face.world().git.head(HEAD).is_some(), "the proposed branch is ours to remove");
    // Once more: it is so already.
    assert_eq!(forge.merge_pull_request(&shop(), pull.number, &merge(&head)).await?, merged);
    let pull = forge.pull_request(&shop(), pull.number).await?;
    assert_eq!(
        (pull.state, pull.merge_sha, pull.merged_by.as_deref()),
        (PullRequestState::Merged, Some(merged), Some(BOT))
    );
    Ok(())
}

#[tokio::test]
async fn a_head_that_moved_is_never_merged() -> TestResult {
    let (face, pull) = proposed("").await?;
    face.push(HEAD, "Somebody was faster", &files("3"))?;
    face.world().requests_are_checked();
    let forge = face.adapter()?;
    let result = forge.merge_pull_request(&shop(), pull.number, &merge(&pull.head_sha)).await;
    assert!(matches!(result, Err(ForgeError::Moved { .. })), "{result:?}");
    assert_eq!(forge.pull_request(&shop(), pull.number).await?.state, PullRequestState::Open);
    Ok(())
}

#[tokio::test]
async fn who_may_not_merge_is_told_where_that_is_said() -> TestResult {
    let (face, pull) = proposed("").await?;
    face.world().rules.bot_may_merge = false;
    face.world().requests_are_checked();
    let forge = face.adapter()?;
    let result = forge.merge_pull_request(&shop(), pull.number, &merge(&pull.head_sha)).await;
    assert!(
        matches!(&result, Err(ForgeError::Unauthorised { words, .. }) if words.contains("Allowed to merge")),
        "{result:?}"
    );
    let told = forge.pull_request(&shop(), pull.number).await?.mergeable;
    assert!(matches!(&told, Mergeable::Blocked(words) if words.contains("Allowed to merge")), "{told:?}");
    Ok(())
}

#[tokio::test]
async fn a_conflict_is_one_also_behind_a_code_that_says_nothing() -> TestResult {
    let (face, pull) = proposed("").await?;
    face.push(BASE, "Something else", &files("other"))?;
    face.world().requests_are_checked();
    let forge = face.adapter()?;
    let result = forge.merge_pull_request(&shop(), pull.number, &merge(&pull.head_sha)).await;
    assert!(
        matches!(&result, Err(ForgeError::Refused { words, .. }) if words == "it conflicts with `env/dev`"),
        "{result:?}"
    );
    assert_eq!(forge.pull_request(&shop(), pull.number).await?.mergeable, Mergeable::Conflict);
    Ok(())
}

#[tokio::test]
async fn a_project_that_asks_for_a_pipeline_takes_our_statuses_for_it() -> TestResult {
    let (face, pull) = proposed("").await?;
    face.world().rules.pipeline_must_succeed = true;
    face.world().requests_are_checked();
    let forge = face.adapter()?;
    let result = forge.merge_pull_request(&shop(), pull.number, &merge(&pull.head_sha)).await;
    assert!(
        matches!(&result, Err(ForgeError::Refused { words, .. }) if words.contains("`ci_must_pass`")),
        "{result:?}"
    );
    forge.post_status(&shop(), &pull.head_sha, &status(StatusState::Success)).await?;
    forge.merge_pull_request(&shop(), pull.number, &merge(&pull.head_sha)).await?;
    Ok(())
}

#[tokio::test]
async fn a_status_is_posted_where_it_counts() -> TestResult {
    let (face, pull) = proposed("").await?;
    let forge = face.adapter()?;
    // Another branch has the same commit, and comes first by the alphabet.
    face.world().git.branch_off("archive", HEAD)?;
    forge.post_status(&shop(), &pull.head_sha, &status(StatusState::Pending)).await?;
    assert_eq!(face.world().reports.pipelines[0].branch, HEAD);
    // A pipeline of the merge request, and a newer one that is not.
    let of_request = face.world().make_pipeline(&pull.head_sha, "refs/merge-requests/1/head", "merge_request_event");
    face.world().make_pipeline(&pull.head_sha, "archive", "push");
    forge.post_status(&shop(), &pull.head_sha, &status(StatusState::Success)).await?;
    let posted =
        face.ask(BOT, Method::GET, &format!("/repository/commits/{}/statuses", pull.head_sha), json!({})).await?;
    assert_eq!((&posted[0]["status"], &posted[0]["pipeline_id"]), (&json!("success"), &json!(of_request)));
    Ok(())
}

#[tokio::test]
async fn the_same_state_twice_is_no_error() -> TestResult {
    let (face, pull) = proposed("").await?;
    let forge = face.adapter()?;
    for state in [StatusState::Pending, StatusState::Pending, StatusState::Success, StatusState::Success] {
        forge.post_status(&shop(), &pull.head_sha, &status(state)).await?;
    }
    forge.post_status(&shop(), &pull.head_sha, &status(StatusState::Error)).await?;
    let states: Vec<_> = forge.commit_statuses(&shop(), &pull.head_sha).await?.iter().map(|s| s.state).collect();
    assert_eq!(states, [StatusState::Error, StatusState::Success, StatusState::Success]);
    Ok(())
}

#[tokio::test]
async fn opening_twice_finds_the_first_and_closing_twice_is_done() -> TestResult {
    let (face, pull) = proposed("").await?;
    let forge = face.adapter()?;
    let new = NewPullRequest { head: branch(HEAD), base: branch(BASE), title: "Again".into(), body: String::new() };
    assert_eq!(forge.open_pull_request(&shop(), &new).await?.number, pull.number);
    forge.close_pull_request(&shop(), pull.number).await?;
    forge.close_pull_request(&shop(), pull.number).await?;
    assert_eq!(forge.open_pull_request(&shop(), &new).await?.number, PullRequestNumber(2));
    Ok(())
}

#[tokio::test]
async fn an_approval_is_bound_to_the_head_of_its_time() -> TestResult {
    use hydromote::forge::Reviews;
    let (face, pull) = proposed("").await?;
    face.ask(DEVELOPER, Method::POST, &format!("/merge_requests/{}/approve", pull.number.0), json!({})).await?;
    let head = face.push(HEAD, "Propose again", &files("3"))?;
    let Reviews::All(reviews) = face.adapter()?.reviews(&shop(), pull.number).await? else { panic!("there is one") };
    assert_ne!(reviews[0].commit, head);
    assert_eq!((reviews[0].commit.as_str(), reviews[0].by.login.as_str()), (pull.head_sha.as_str(), DEVELOPER));
    Ok(())
}
