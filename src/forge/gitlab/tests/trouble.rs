//! What goes wrong on the way: limits, refusals, and what must never be shown.

use super::*;

#[tokio::test]
async fn after_a_limit_nothing_is_sent_until_its_end() -> TestResult {
    let limited = Reply::json(429, json!({"message": {"error": "Too many requests. Please try again later."}}))
        .with("retry-after", "30")
        .with("ratelimit-remaining", "0");
    let server = Scripted::start(vec![limited]).await?;
    let forge = forge(&server);
    for _ in 0..2 {
        let result = forge.pull_request(&shop(), ONE).await;
        assert!(matches!(result, Err(ForgeError::RateLimited { retry_after, .. }) if retry_after.as_secs() >= 29));
    }
    assert_eq!(server.lines().len(), 1);
    Ok(())
}

#[tokio::test]
async fn codes_are_told_apart_by_what_the_caller_does() -> TestResult {
    let read = async |reply| -> Result<ForgeError, Box<dyn std::error::Error>> {
        let server = Scripted::start(vec![reply]).await?;
        let result = forge_with(&server, Duration::from_millis(500)).pull_request(&shop(), ONE).await;
        Ok(result.err().ok_or("an error was expected")?)
    };
    let scope = json!({"error": "insufficient_scope", "error_description": "The request requires higher privileges."});
    let error = read(Reply::json(403, scope)).await?;
    assert!(matches!(&error, ForgeError::Unauthorised { words, .. } if words.starts_with("insufficient_scope: ")));
    assert!(matches!(read(Reply::message(401, "401 Unauthorized")).await?, ForgeError::Unauthorised { .. }));
    let missing = read(Reply::message(404, "404 Project Not Found")).await?;
    assert!(matches!(missing, ForgeError::NotFound { what } if what == "pull request #1 of `acme/shop`"));
    assert!(matches!(read(Reply::empty(503)).await?, ForgeError::Unavailable { .. }));
    assert!(matches!(read(Reply::json(200, json!({})).too_late()).await?, ForgeError::Unavailable { .. }));
    let elsewhere = read(Reply::empty(301).with("location", "https://elsewhere.example.com/")).await?;
    assert!(matches!(elsewhere, ForgeError::Refused { .. }), "the token goes to no other address");
    Ok(())
}

#[tokio::test]
async fn git_uses_the_configured_address_with_the_token() -> TestResult {
    let server = Scripted::start(Vec::new()).await?;
    let remote = forge(&server).git_remote(&shop()).await?;
    assert_eq!(remote.url, format!("{}/acme/shop.git", server.url));
    assert!(!format!("{remote:?}").contains("b2F1dGgy"), "the header is masked");
    let header = remote.authorization.ok_or("there is a token")?;
    assert_eq!(header.expose_secret(), format!("Basic {}", BASE64_STANDARD.encode("oauth2:s3cret-token")));
    assert!(!format!("{:?}", forge(&server)).contains("s3cret"));
    Ok(())
}

#[tokio::test]
async fn an_address_that_is_none_of_the_api_is_refused() {
    for url in ["https://gitlab.com", "gitlab.com/api/v4", "https://u:p@gitlab.com/api/v4", "ftp://gitlab.com/api/v4"] {
        let options = GitLabOptions { api_url: url.into(), token: "t".into(), limits: Limits::default() };
        assert!(matches!(GitLab::new(&options), Err(SetupError::Address { .. })), "{url}");
    }
}

#[tokio::test]
async fn an_empty_repository_has_no_default_branch_yet() -> TestResult {
    let server = Scripted::start(vec![project(json!({"default_branch": null})), project(json!({}))]).await?;
    let forge = forge(&server);
    assert!(matches!(forge.repository(&shop()).await, Err(ForgeError::Unavailable { .. })));
    let found = forge.repository(&shop()).await?;
    assert_eq!((found.default_branch.as_str(), found.pages), ("main", Pages::GitLab));
    assert_eq!(
        found.pages.pull_request(&found.web_url, ONE),
        "https://gitlab.example.com/acme/shop/-/merge_requests/1"
    );
    Ok(())
}
