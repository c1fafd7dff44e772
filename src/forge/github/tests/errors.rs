//! Each answer that is no success, by what the caller does about it; time limits, limits, pacing.

use std::time::Duration;

use super::*;
use tokio::time::Instant;

async fn error_of(reply: Reply) -> Result<ForgeError, Box<dyn std::error::Error>> {
    let server = Scripted::start(vec![reply]).await?;
    let error = server.forge().pull_request(&shop(), PullRequestNumber(1)).await.err();
    assert_eq!(server.lines().len(), 1, "nothing is asked twice");
    error.ok_or_else(|| "the answer was taken for a success".into())
}

#[tokio::test]
async fn answers_become_errors_by_reaction() -> TestResult {
    let unauthorised = |error: &ForgeError| matches!(error, ForgeError::Unauthorised { words, .. } if words == "no");
    let refused = |error: &ForgeError| matches!(error, ForgeError::Refused { words, .. } if words == "no");
    let unavailable = |error: &ForgeError| matches!(error, ForgeError::Unavailable { .. });
    let expired = error_of(Reply::message(401, "no")).await?.to_string();
    assert!(expired.contains(": no; they may have expired or been revoked: put new ones into their file"), "{expired}");
    assert!(unauthorised(&error_of(Reply::message(403, "no").with("x-ratelimit-remaining", "12")).await?));
    assert!(matches!(error_of(Reply::message(409, "no")).await?, ForgeError::Moved { words } if words == "no"));
    assert!(refused(&error_of(Reply::message(405, "no")).await?));
    assert!(refused(&error_of(Reply::message(422, "no")).await?));
    assert!(unavailable(&error_of(Reply::message(500, "no")).await?));
    assert!(unavailable(&error_of(Reply::empty(503)).await?));
    assert!(unavailable(&error_of(Reply::empty(200)).await?));
    assert!(unavailable(&error_of(Reply::empty(304)).await?));
    let missing = error_of(Reply::message(404, "Not Found")).await?;
    assert_eq!(missing.to_string(), "pull request #1 of `acme/shop` was not found on the forge");
    Ok(())
}

#[tokio::test]
async fn a_repository_that_was_renamed_is_told_with_what_to_do() -> TestResult {
    let moved = Reply::message(301, "Moved Permanently").with("location", "http://127.0.0.1:9/repositories/1");
    let server = Scripted::start(vec![moved]).await?;
    let error = server.forge().repository(&shop()).await.err().ok_or("it is at another address")?;
    let told = error.to_string();
    assert!(told.contains("if the repository was renamed or moved, write its new name into `repositories`"), "{told}");
    Ok(())
}

#[tokio::test]
async fn a_server_that_hangs_is_left_after_the_time_limit() -> TestResult {
    let server = Scripted::start(vec![Reply::empty(200).too_late(), Reply::empty(200).too_late()]).await?;
    let forge = server.forge_with(Credentials::Token("t".into()), Duration::from_millis(200));
    let begun = Instant::now();
    let read = forge.pull_request(&shop(), PullRequestNumber(1)).await;
    assert!(matches!(read, Err(ForgeError::Unavailable { .. })));
    let written = forge.edit_pull_request(&shop(), PullRequestNumber(1), "t", "b").await;
    assert!(matches!(written, Err(ForgeError::Unavailable { .. })));
    assert!(begun.elapsed() < Duration::from_secs(10));
    Ok(())
}

#[tokio::test]
async fn a_closed_port_is_unavailable() -> TestResult {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let api_url = format!("http://{}", listener.local_addr()?);
    drop(listener);
    let credentials = Credentials::Token("t".into());
    let forge = GitHub::new(&GitHubOptions { api_url, credentials, limits: Limits::default() })?;
    assert!(matches!(forge.account().await, Err(ForgeError::Unavailable { .. })));
    Ok(())
}

#[tokio::test]
async fn nothing_is_sent_while_the_forge_asks_to_wait() -> TestResult {
    let limited = || Reply::message(403, "You have exceeded a secondary rate limit").with("retry-after", "30");
    let server = Scripted::start(vec![limited(), limited()]).await?;
    let forge = server.forge();
    let first = forge.open_pull_request(&shop(), &new_pull()).await;
    assert!(matches!(first, Err(ForgeError::RateLimited { retry_after, .. }) if retry_after.as_secs() == 30));
    let second = forge.pull_request(&shop(), PullRequestNumber(1)).await;
    assert!(matches!(second, Err(ForgeError::RateLimited { retry_after, .. }) if retry_after.as_secs() >= 28));
    assert_eq!(server.lines(), ["POST /api/v3/repos/acme/shop/pulls"]);
    Ok(())
}

#[tokio::test]
async fn the_last_call_of_a_budget_succeeds_and_the_next_waits_for_the_reset() -> TestResult {
    let last = Reply::json(200, json!({"id": 7, "login": "bot"}))
        .with("x-ratelimit-remaining", "0")
        .with("x-ratelimit-reset", "1767225700")
        .with("date", "Thu, 01 Jan 2026 00:00:00 GMT");
    let server = Scripted::start(vec![last]).await?;
    let forge = server.forge();
    assert_eq!(forge.account().await?.login, "bot");
    let next = forge.repository(&shop()).await;
    assert!(matches!(next, Err(ForgeError::RateLimited { retry_after, .. }) if retry_after.as_secs() >= 95));
    assert_eq!(server.lines().len(), 1);
    Ok(())
}

#[tokio::test]
async fn writes_go_out_one_after_another_with_a_pause() -> TestResult {
    let replies = (0..3).map(|_| Reply::json(200, pull(1, json!({})))).collect();
    let server = Scripted::start(replies).await?;
    let limits = Limits { write_interval: Duration::from_millis(150), ..Limits::default() };
    let credentials = Credentials::Token("t".into());
    let forge = GitHub::new(&GitHubOptions { api_url: format!("{}/api/v3", server.url), credentials, limits })?;
    let begun = Instant::now();
    let repository = shop();
    let edit = || forge.edit_pull_request(&repository, PullRequestNumber(1), "t", "b");
    let (one, two, three) = tokio::join!(edit(), edit(), edit());
    one.and(two).and(three)?;
    assert!(begun.elapsed() >= Duration::from_millis(300));
    Ok(())
}

#[tokio::test]
async fn addresses_and_keys_that_cannot_be_used_are_named() {
    let new = |url: &str, credentials| {
        GitHub::new(&GitHubOptions { api_url: url.into(), credentials, limits: Limits::default() })
    };
    let token = || Credentials::Token("s3cret".into());
    for url in ["github.com", "ftp://github.com", "https://user:s3cret@github.com", ""] {
        assert!(matches!(new(url, token()), Err(SetupError::Address { .. })), "{url}");
    }
    let app = Credentials::App { id: 1, private_key: "no key".into() };
    assert!(matches!(new("https://api.github.com", app), Err(SetupError::PrivateKey { .. })));
    assert!(!format!("{:?}", token()).contains("s3cret"));
}
