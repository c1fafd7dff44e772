//! Tokens that are replaced while they are used, on every forge alike.

use std::{path::Path, time::Duration};

use serde_json::json;

use super::scripted::{Reply, Scripted, Seen, TestResult};
use crate::{
    domain::ids::{PullRequestNumber, RepositoryId},
    forge::{
        Forge, ForgeError,
        calls::Limits,
        gitea::{Gitea, GiteaOptions},
        github::{Credentials, GitHub, GitHubOptions},
        gitlab::{GitLab, GitLabOptions},
    },
    secret::Secret,
};

const LIMITS: Limits = Limits {
    connect: Duration::from_secs(5),
    call: Duration::from_secs(20),
    write_interval: Duration::ZERO,
    writes_at_once: std::num::NonZeroUsize::MIN,
};

/// Returns an adapter of each kind whose token is in a file.
fn adapters(server: &Scripted, file: &Path) -> Result<[Box<dyn Forge>; 3], Box<dyn std::error::Error>> {
    let url = |path: &str| format!("{}{path}", server.url);
    let token = Secret::in_file("token_file", file, |_| Ok(()))?;
    let credentials = Credentials::Token(token.clone());
    let github = GitHub::new(&GitHubOptions { api_url: url("/api/v3"), credentials, limits: LIMITS })?;
    let gitea = Gitea::new(&GiteaOptions { api_url: url("/api/v1"), token: token.clone(), limits: LIMITS })?;
    let gitlab = GitLab::new(&GitLabOptions { api_url: url("/api/v4"), token, limits: LIMITS })?;
    Ok([Box::new(github), Box::new(gitea), Box::new(gitlab)])
}

/// Returns the token that a request brought.
fn token(seen: &Seen) -> String {
    let sent = seen.header("authorization").or(seen.header("private-token")).unwrap_or_default();
    sent.rsplit(' ').next().unwrap_or_default().to_owned()
}

fn account() -> Reply {
    Reply::json(200, json!({"id": 7, "login": "bot", "username": "bot"}))
}

#[tokio::test]
async fn a_file_that_was_replaced_is_taken_up_by_the_next_request_and_by_git() -> TestResult {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("token");
    let shop = RepositoryId::new("acme/shop")?;
    for kind in 0..3 {
        std::fs::write(&file, "before")?;
        let repository = Reply::json(200, json!({"default_branch": "main", "html_url": "u", "clone_url": "c"}));
        let server = Scripted::start(vec![account(), repository]).await?;
        let forge = adapters(&server, &file)?.into_iter().nth(kind).ok_or("there are three")?;
        forge.account().await?;
        let git = async || -> Result<_, Box<dyn std::error::Error>> {
            let authorization = forge.git_remote(&shop).await?.authorization;
            Ok(authorization.map(|header| secrecy::ExposeSecret::expose_secret(&header).to_owned()))
        };
        let before = git().await?;
        std::fs::write(&file, "fresh")?;
        assert_ne!(git().await?, before, "git has the fresh one");
        assert_eq!(token(&server.seen()[0]), "before");
        drop(forge.repository(&shop).await);
        assert_eq!(server.seen().iter().map(token).collect::<Vec<_>>(), ["fresh"]);
    }
    Ok(())
}

#[tokio::test]
async fn what_is_refused_while_the_token_is_replaced_is_said_again_with_the_fresh_one() -> TestResult {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("token");
    for kind in 0..3 {
        std::fs::write(&file, "before")?;
        let refused = Reply::message(401, "Bad credentials").after_writing(&file, "fresh");
        let server = Scripted::start(vec![refused, Reply::json(201, json!({"id": 12}))]).await?;
        let forge = adapters(&server, &file)?.into_iter().nth(kind).ok_or("there are three")?;
        let comment = forge.post_comment(&RepositoryId::new("acme/shop")?, PullRequestNumber(1), "hello").await?;
        let seen = server.seen();
        assert_eq!(comment, 12);
        assert_eq!(seen.iter().map(token).collect::<Vec<_>>(), ["before", "fresh"]);
        assert_eq!((&seen[0].line, &seen[0].body), (&seen[1].line, &seen[1].body));
    }
    Ok(())
}

#[tokio::test]
async fn a_token_that_is_still_the_same_is_not_sent_again() -> TestResult {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("token");
    for kind in 0..3 {
        std::fs::write(&file, "before")?;
        let server = Scripted::start(vec![Reply::message(401, "Bad credentials").after_writing(&file, " ")]).await?;
        let forge = adapters(&server, &file)?.into_iter().nth(kind).ok_or("there are three")?;
        let error = forge.account().await.err().ok_or("it was refused")?;
        assert!(matches!(error, ForgeError::Unauthorised { .. }), "{error:?}");
        let told = error.to_string();
        assert!(told.contains("Bad credentials; they may have expired or been revoked"), "{told}");
        assert!(!told.contains("before"), "{told}");
        assert_eq!(server.seen().len(), 1);
    }
    Ok(())
}
