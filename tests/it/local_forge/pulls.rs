//! Pull requests: opened, mergeable, merged.

use hydromote::local_forge::{MergeOrder, MergeSettings, Protection, PullState, ReviewState, StatusState};
use reqwest::Method;
use serde_json::{Value, json};

use super::{REPOSITORY, Scene, TestResult};

#[tokio::test]
async fn a_pull_request_that_cannot_be_opened_is_refused_in_githubs_words() -> TestResult {
    let scene = Scene::new().await?;
    scene.pull("topic", "app/b.yaml", "b: 1\n").await?;
    scene.send(Method::POST, "/git/refs", json!({"ref": "refs/heads/same", "sha": scene.main().await?})).await?;
    let open = async |head: &str, base: &str| {
        let body = json!({"title": "t", "head": head, "base": base});
        scene.send(Method::POST, "/pulls", body).await
    };
    let twice = open("topic", "main").await?;
    assert_eq!(twice.status, 422);
    assert_eq!(twice.body["message"], "Validation Failed");
    assert_eq!(twice.body["errors"][0]["message"], "A pull request already exists for acme:topic.");
    let same = open("same", "main").await?;
    assert_eq!(same.body["errors"][0]["message"], "No commits between main and same");
    let absent = open("absent", "main").await?;
    assert_eq!(absent.body["errors"][0], json!({"resource": "PullRequest", "field": "head", "code": "invalid"}));
    scene.finish().await
}

#[tokio::test]
async fn mergeable_is_unknown_first_and_again_after_every_change() -> TestResult {
    let scene = Scene::new().await?;
    let number = scene.pull("topic", "app/a.yaml", "a: 2\n").await?;
    let standing = async || {
        let pull = scene.get(&format!("/pulls/{number}")).await?.body;
        Ok::<_, Box<dyn std::error::Error>>((pull["mergeable"].clone(), pull["mergeable_state"].clone()))
    };
    assert_eq!(standing().await?, (Value::Null, json!("unknown")));
    assert_eq!(standing().await?, (json!(true), json!("clean")));
    let sha = scene.forge.pull_request(REPOSITORY, number).await?.head_sha;
    scene.forge.as_user("dev").report_status(REPOSITORY, &sha, "health", StatusState::Pending).await?;
    assert_eq!(standing().await?, (json!(true), json!("unstable")));
    let rules = Protection { required_contexts: vec!["health".to_owned()], ..Default::default() };
    scene.forge.protect(REPOSITORY, "main", Some(rules)).await?;
    assert_eq!(standing().await?, (json!(true), json!("blocked")));
    scene.commit("main", "app/a.yaml", "a: 3\n").await?;
    assert_eq!(standing().await?, (Value::Null, json!("unknown")));
    assert_eq!(standing().await?, (json!(false), json!("dirty")));
    scene.finish().await
}

#[tokio::test]
async fn merge_is_refused_when_the_head_moved() -> TestResult {
    let scene = Scene::new().await?;
    let number = scene.pull("topic", "app/b.yaml", "b: 1\n").await?;
    let seen = scene.forge.pull_request(REPOSITORY, number).await?.head_sha;
    let now = scene.commit("topic", "app/b.yaml", "b: 2\n").await?;
    let path = format!("/pulls/{number}/merge");
    let stale = scene.send(Method::PUT, &path, json!({"sha": seen})).await?;
    assert_eq!(stale.status, 409);
    assert_eq!(stale.body["message"], "Head branch was modified. Review and try the merge again.");
    assert_eq!(scene.send(Method::PUT, &path, json!({"sha": now})).await?.status, 200);
    let again = scene.send(Method::PUT, &path, json!({"sha": now})).await?;
    assert_eq!((again.status, again.body["message"].as_str()), (405, Some("Pull Request is not mergeable")));
    scene.finish().await
}

#[tokio::test]
async fn merge_is_refused_for_conflicts_drafts_and_missing_approvals() -> TestResult {
    let scene = Scene::new().await?;
    let conflict = scene.pull("conflict", "app/a.yaml", "a: 2\n").await?;
    let blocked = scene.pull("blocked", "app/c.yaml", "c: 1\n").await?;
    scene.commit("main", "app/a.yaml", "a: 3\n").await?;
    scene.commit("draft", "app/d.yaml", "d: 1\n").await?;
    let draft = json!({"title": "Draft", "head": "draft", "base": "main", "draft": true});
    let draft = scene.send(Method::POST, "/pulls", draft).await?.number("number");
    let merge = async |number: u64| scene.send(Method::PUT, &format!("/pulls/{number}/merge"), json!({})).await;
    assert_eq!(merge(conflict).await?.status, 405);
    assert_eq!(merge(draft).await?.status, 405);
    let rules = Protection { required_approvals: 1, dismiss_stale_reviews: true, ..Default::default() };
    scene.forge.protect(REPOSITORY, "main", Some(rules)).await?;
    assert_eq!(merge(blocked).await?.status, 405);
    let own = scene.forge.as_user("dev").review(REPOSITORY, blocked, ReviewState::Approved, "").await;
    assert_eq!(own.map_err(|refusal| refusal.status), Err(422));
    scene.forge.as_user("root").review(REPOSITORY, blocked, ReviewState::Approved, "fine").await?;
    scene.commit("blocked", "app/c.yaml", "c: 2\n").await?;
    assert_eq!(merge(blocked).await?.status, 405, "the approval was for an earlier head");
    scene.forge.as_user("root").review(REPOSITORY, blocked, ReviewState::Approved, "fine").await?;
    assert_eq!(merge(blocked).await?.status, 200);
    scene.finish().await
}

#[tokio::test]
async fn merged_commits_carry_githubs_messages_or_the_callers() -> TestResult {
    let scene = Scene::new().await?;
    let message = async |sha: &str| {
        let commit = scene.get(&format!("/commits/{sha}")).await?.body;
        Ok::<_, Box<dyn std::error::Error>>(commit["commit"]["message"].as_str().unwrap_or_default().to_owned())
    };
    let merge = scene.pull("one", "app/1.yaml", "x: 1\n").await?;
    let sha = scene.forge.as_user("dev").merge(REPOSITORY, merge, MergeOrder::default()).await?;
    assert_eq!(message(&sha).await?, format!("Merge pull request #{merge} from acme/one\n\nChange app/1.yaml"));
    let squash = scene.pull("two", "app/2.yaml", "x: 1\n").await?;
    let body = json!({"merge_method": "squash"});
    let sha = scene.send(Method::PUT, &format!("/pulls/{squash}/merge"), body).await?.body["sha"].clone();
    assert_eq!(message(sha.as_str().ok_or("sha")?).await?, format!("change app/2.yaml (#{squash})"));
    let own = scene.pull("three", "app/3.yaml", "x: 1\n").await?;
    let body = json!({"commit_title": "Promote", "commit_message": "Dry-Sha: 1"});
    let sha = scene.send(Method::PUT, &format!("/pulls/{own}/merge"), body).await?.body["sha"].clone();
    assert_eq!(message(sha.as_str().ok_or("sha")?).await?, "Promote\n\nDry-Sha: 1");
    scene.finish().await
}

#[tokio::test]
async fn a_merge_deletes_the_head_branch_when_the_repository_says_so() -> TestResult {
    let scene = Scene::new().await?;
    let settings = MergeSettings { delete_branch_on_merge: true, allow_rebase_merge: false, ..Default::default() };
    scene.forge.set_merge_settings(REPOSITORY, settings).await?;
    let number = scene.pull("topic", "app/b.yaml", "b: 1\n").await?;
    let merge = format!("/pulls/{number}/merge");
    assert_eq!(scene.send(Method::PUT, &merge, json!({"merge_method": "rebase"})).await?.status, 405);
    assert_eq!(scene.send(Method::PUT, &merge, json!({"merge_method": "merge"})).await?.status, 200);
    assert_eq!(scene.forge.repository(REPOSITORY).await?.branch("topic"), None);
    assert_eq!(scene.forge.pull_request(REPOSITORY, number).await?.state, PullState::Merged);
    let pull = scene.get(&format!("/pulls/{number}")).await?.body;
    assert_eq!((pull["merged"].clone(), pull["changed_files"].clone()), (json!(true), json!(1)));
    scene.finish().await
}
