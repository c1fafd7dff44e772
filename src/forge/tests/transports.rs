//! What holds for the way to every forge: nothing is sent to another address, and what is no answer is told as such.

use std::time::Duration;

use serde_json::json;

use super::scripted::{Reply, Scripted, TestResult};
use crate::{
    domain::ids::RepositoryId,
    forge::{
        Forge, ForgeError, LimitedBy,
        calls::Limits,
        gitea::{Gitea, GiteaOptions},
        github::{Credentials, GitHub, GitHubOptions},
        gitlab::{GitLab, GitLabOptions},
    },
};

const LIMITS: Limits = Limits {
    connect: Duration::from_secs(5),
    call: Duration::from_secs(20),
    write_interval: Duration::ZERO,
    writes_at_once: std::num::NonZeroUsize::MIN,
};

/// An adapter with its name.
type Named = (&'static str, Box<dyn Forge>);

/// Returns an adapter of each kind for a server.
fn adapters(server: &Scripted) -> Result<[Named; 3], Box<dyn std::error::Error>> {
    let url = |path: &str| format!("{}{path}", server.url);
    let credentials = Credentials::Token("s3cret".into());
    let github = GitHub::new(&GitHubOptions { api_url: url("/api/v3"), credentials, limits: LIMITS })?;
    let gitea = Gitea::new(&GiteaOptions { api_url: url("/api/v1"), token: "s3cret".into(), limits: LIMITS })?;
    let gitlab = GitLab::new(&GitLabOptions { api_url: url("/api/v4"), token: "s3cret".into(), limits: LIMITS })?;
    Ok([("github", Box::new(github)), ("gitea", Box::new(gitea)), ("gitlab", Box::new(gitlab))])
}

fn shop() -> RepositoryId {
    RepositoryId::new("acme/shop").expect("because it is an owner and a name")
}

/// Returns what reading a repository ends with, on each forge with a server of its own.
async fn errors(
    reply: impl Fn() -> Reply,
) -> Result<Vec<(&'static str, ForgeError, usize)>, Box<dyn std::error::Error>> {
    let mut errors = Vec::new();
    for kind in 0..3 {
        let server = Scripted::start(vec![reply()]).await?;
        let (name, forge) = adapters(&server)?.into_iter().nth(kind).ok_or("there are three")?;
        let error = forge.repository(&shop()).await.err().ok_or("an error was expected")?;
        errors.push((name, error, server.seen().len()));
    }
    Ok(errors)
}

fn told(error: ForgeError) -> String {
    format!("{:#}", anyhow::Error::new(error))
}

#[tokio::test]
async fn a_redirect_to_another_host_is_not_followed() -> TestResult {
    for code in [301, 302, 307, 308] {
        let elsewhere = Scripted::start(vec![Reply::json(200, json!({"default_branch": "main"}))]).await?;
        let target = format!("{}/stolen", elsewhere.url.replace("127.0.0.1", "localhost"));
        for (name, error, asked) in errors(|| Reply::empty(code).with("location", target.clone())).await? {
            assert!(matches!(error, ForgeError::Refused { .. }), "{name} {code}: {error:?}");
            assert_eq!(asked, 1, "{name} {code}");
        }
        assert!(elsewhere.seen().is_empty(), "nothing came, with credentials or without");
    }
    Ok(())
}

#[tokio::test]
async fn a_redirect_of_a_write_is_not_followed_either() -> TestResult {
    for kind in 0..3 {
        let elsewhere = Scripted::start(Vec::new()).await?;
        let target = format!("{}/stolen", elsewhere.url);
        let server = Scripted::start(vec![Reply::empty(307).with("location", target)]).await?;
        let (name, forge) = adapters(&server)?.into_iter().nth(kind).ok_or("there are three")?;
        let number = crate::domain::ids::PullRequestNumber(1);
        let error = forge.post_comment(&shop(), number, "hello").await.err();
        assert!(matches!(error, Some(ForgeError::Refused { .. })), "{name}: {error:?}");
        assert!(elsewhere.seen().is_empty(), "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn a_web_page_in_place_of_json_is_told_as_such() -> TestResult {
    for code in [200, 403, 404] {
        let page = || Reply::text(code, "<!DOCTYPE html><title>Sign in</title>").with("content-type", "text/html");
        for (name, error, _) in errors(page).await? {
            assert!(matches!(error, ForgeError::Unavailable { .. }), "{name}: {code}: {error:?}");
            let told = told(error);
            assert!(
                told.contains("it answered with a web page; is `api_url` the address of its API"),
                "{name}: {told}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() -> TestResult {
    for (name, error, _) in errors(|| Reply::text(200, &"x".repeat(33 << 20))).await? {
        let told = told(error);
        assert!(told.contains("the answer is larger than 32 MiB"), "{name}: {told}");
    }
    Ok(())
}

#[tokio::test]
async fn after_five_failures_in_a_row_a_forge_is_left_alone() -> TestResult {
    for kind in 0..3 {
        let mut replies: Vec<Reply> = (0..4).map(|_| Reply::empty(502)).collect();
        // A refusal in between is an answer.
        replies.push(Reply::message(404, "Not Found"));
        replies.extend((0..5).map(|_| Reply::empty(502)));
        let server = Scripted::start(replies).await?;
        let (name, forge) = adapters(&server)?.into_iter().nth(kind).ok_or("there are three")?;
        for _ in 0..10 {
            assert!(forge.repository(&shop()).await.is_err());
        }
        assert_eq!(server.seen().len(), 10, "{name}: all were sent");
        let error = forge.repository(&shop()).await.err().ok_or("an error was expected")?;
        assert!(matches!(error, ForgeError::Unavailable { .. }), "{name}: {error:?}");
        let told = told(error);
        assert!(told.contains("gave no usable answer to 5 calls in a row"), "{name}: {told}");
        assert!(server.seen().is_empty(), "{name}: it is left alone");
    }
    Ok(())
}

#[tokio::test]
async fn comments_wait_when_little_of_the_limit_is_left_and_statuses_go_on() -> TestResult {
    let few = |reply: Reply| {
        reply
            .with("x-ratelimit-limit", "5000")
            .with("x-ratelimit-remaining", "480")
            .with("x-ratelimit-reset", "1767226800")
            .with("date", "Thu, 01 Jan 2026 00:00:00 GMT")
    };
    for kind in 0..3 {
        let account = json!({"id": 7, "login": "bot", "username": "bot"});
        let server =
            Scripted::start(vec![few(Reply::json(200, account.clone())), few(Reply::json(200, account))]).await?;
        let (name, forge) = adapters(&server)?.into_iter().nth(kind).ok_or("there are three")?;
        forge.account().await?;
        let number = crate::domain::ids::PullRequestNumber(1);
        let held = forge.post_comment(&shop(), number, "hello").await.err().ok_or("an error was expected")?;
        let by = LimitedBy::Reserve { remaining: 480, limit: 5000 };
        let is_held = |error: &ForgeError| {
            matches!(error, ForgeError::RateLimited { retry_after, by: who }
                if *who == by && (1195..=1200).contains(&retry_after.as_secs()))
        };
        assert!(is_held(&held), "{name}: {held:?}");
        let listed = forge.comments(&shop(), number).await.err();
        assert!(listed.as_ref().is_some_and(is_held), "{name}: {listed:?}");
        assert_eq!(server.seen().len(), 1, "{name}: neither was sent");
        // What merges need goes on; that this answer is none of a merge request is another matter.
        assert!(forge.close_pull_request(&shop(), number).await.is_ok(), "{name}");
        assert_eq!(server.seen().len(), 1, "{name}: it was sent");
        let words = held.to_string();
        assert!(
            words.starts_with("only 480 of 5000 calls to the forge are left, which are kept for merges"),
            "{words}"
        );
    }
    Ok(())
}
