//! Pushes: what they move, and what refuses them.

use std::sync::PoisonError;

use hydromote::local_forge::{Fault, FaultKind, Protection, PullState, Secret};
use reqwest::Method;
use serde_json::json;

use super::{REPOSITORY, Scene, TestResult, commit_file, events, receiver, run_git, try_git};

#[tokio::test]
async fn a_push_moves_the_head_and_a_deleted_branch_closes_its_pull_request() -> TestResult {
    let scene = Scene::new().await?;
    let (url, received) = receiver().await?;
    let secret = Secret::new("hook-secret");
    scene.forge.add_webhook(REPOSITORY, &url, Some(secret), &["*"]).await?;
    let clone = scene.clone_as("dev", &scene.dev, "work").await?;
    run_git(&clone, &["switch", "-q", "-c", "topic"]).await?;
    let first = commit_file(&clone, "app/b.yaml", "b: 1\n").await?;
    run_git(&clone, &["push", "-q", "origin", "topic"]).await?;
    let body = json!({"title": "Topic", "head": "acme:topic", "base": "main"});
    let number = scene.send(Method::POST, "/pulls", body).await?.number("number");
    let second = commit_file(&clone, "app/b.yaml", "b: 2\n").await?;
    run_git(&clone, &["push", "-q", "origin", "topic"]).await?;
    let pull = scene.forge.pull_request(REPOSITORY, number).await?;
    assert_eq!(pull.head_sha, second);
    assert_ne!(first, second);
    let kept = run_git(&clone, &["ls-remote", "origin", &format!("refs/pull/{number}/head")]).await?;
    assert!(kept.starts_with(&second));
    run_git(&clone, &["push", "-q", "origin", ":topic"]).await?;
    assert_eq!(scene.forge.pull_request(REPOSITORY, number).await?.state, PullState::Closed);
    scene.forge.webhooks_sent().await;
    assert_eq!(
        events(&received),
        ["ping", "push", "pull_request.opened", "push", "pull_request.synchronize", "push", "pull_request.closed"],
    );
    let guids: Vec<_> = scene.forge.deliveries(REPOSITORY).await?.into_iter().map(|one| one.guid).collect();
    assert_eq!(guids.len(), 7);
    {
        let received = received.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(received.iter().all(|(headers, _)| headers.contains_key("x-hub-signature-256")));
        assert!(received.iter().zip(&guids).all(|((headers, _), guid)| headers["x-github-delivery"] == *guid));
    }
    scene.finish().await
}

#[tokio::test]
async fn a_push_counts_although_its_answer_was_lost() -> TestResult {
    let scene = Scene::new().await?;
    let clone = scene.clone_as("dev", &scene.dev, "work").await?;
    let tip = commit_file(&clone, "app/b.yaml", "b: 1\n").await?;
    scene.forge.fail(Fault {
        method: Some("POST".to_owned()),
        path_contains: "/git-receive-pack".to_owned(),
        times: 1,
        kind: FaultKind::AnswerLost(502),
    });
    assert!(!try_git(&clone, &["push", "origin", "main"]).await?.0);
    assert_eq!(scene.main().await?, tip);
    scene.finish().await
}

#[tokio::test]
async fn a_push_that_is_larger_than_gits_buffer_arrives_in_chunks() -> TestResult {
    let scene = Scene::new().await?;
    let clone = scene.clone_as("dev", &scene.dev, "work").await?;
    // Lines that do not compress, so that the pack stays above the buffer of 64 KiB.
    let text: String = (0..20_000_u64).map(|n| format!("{:x}\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    let tip = commit_file(&clone, "large.txt", &text).await?;
    run_git(&clone, &["-c", "http.postBuffer=65536", "push", "-q", "origin", "main"]).await?;
    assert_eq!(scene.main().await?, tip);
    let again = scene.clone_as("guest", &scene.guest, "again").await?;
    assert_eq!(tokio::fs::read_to_string(again.join("large.txt")).await?, text);
    scene.finish().await
}

#[tokio::test]
async fn of_two_pushes_with_the_same_lease_one_wins() -> TestResult {
    let scene = Scene::new().await?;
    let base = scene.commit("env", "app/a.yaml", "a: 0\n").await?;
    let one = scene.clone_as("dev", &scene.dev, "one").await?;
    let two = scene.clone_as("root", &scene.root, "two").await?;
    let mut tips = Vec::new();
    for (clone, text) in [(&one, "a: 1\n"), (&two, "a: 2\n")] {
        run_git(clone, &["switch", "-q", "env"]).await?;
        tips.push(commit_file(clone, "app/a.yaml", text).await?);
    }
    let lease = format!("--force-with-lease=env:{base}");
    let arguments = ["push", "-q", "--atomic", &lease, "origin", "env"];
    let (first, second) = tokio::join!(try_git(&one, &arguments), try_git(&two, &arguments));
    let outcomes = [first?.0, second?.0];
    assert_eq!(outcomes.iter().filter(|won| **won).count(), 1, "{outcomes:?}");
    let winner = if outcomes[0] { &tips[0] } else { &tips[1] };
    assert_eq!(scene.forge.repository(REPOSITORY).await?.branch("env"), Some(winner.as_str()));
    scene.finish().await
}

#[tokio::test]
async fn a_protected_branch_refuses_a_push_and_with_it_an_atomic_one() -> TestResult {
    let scene = Scene::new().await?;
    scene
        .forge
        .protect(REPOSITORY, "main", Some(Protection { require_pull_request: true, ..Default::default() }))
        .await?;
    let clone = scene.clone_as("dev", &scene.dev, "work").await?;
    commit_file(&clone, "app/b.yaml", "b: 1\n").await?;
    let main = scene.main().await?;
    let (pushed, words) =
        try_git(&clone, &["push", "--atomic", "origin", "HEAD:refs/heads/main", "HEAD:refs/heads/free"]).await?;
    assert!(!pushed && words.contains("GH006"), "{words}");
    assert_eq!(scene.main().await?, main);
    assert_eq!(scene.forge.repository(REPOSITORY).await?.branch("free"), None);
    let (pushed, _) = try_git(&clone, &["push", "origin", "HEAD:refs/heads/main", "HEAD:refs/heads/free"]).await?;
    assert!(!pushed);
    assert!(scene.forge.repository(REPOSITORY).await?.branch("free").is_some());
    let admin = scene.clone_as("root", &scene.root, "admin").await?;
    commit_file(&admin, "app/c.yaml", "c: 1\n").await?;
    run_git(&admin, &["push", "-q", "origin", "main"]).await?;
    let (pushed, words) = try_git(&clone, &["push", "origin", "HEAD:refs/pull/1/head"]).await?;
    assert!(!pushed, "{words}");
    scene.finish().await
}
