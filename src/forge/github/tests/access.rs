//! A GitHub App: from its key to a token of the repository's installation.

use std::time::Duration;

use super::*;
use crate::forge::tests::scripted::Seen;

/// Made for these tests and used nowhere else.
const THROW_AWAY_KEY: &str = include_str!("throw-away-app-key.pem");

/// The same, for the key that comes after it.
const NEXT_KEY: &str = include_str!("other-throw-away-app-key.pem");

fn app() -> Credentials {
    Credentials::App { id: 42, private_key: THROW_AWAY_KEY.into() }
}

fn token(token: &str) -> Reply {
    Reply::json(201, json!({"token": token, "expires_at": "2999-01-01T00:00:00Z", "permissions": {}}))
}

fn repository() -> Reply {
    Reply::json(200, json!({"default_branch": "main", "html_url": "u", "clone_url": "c"}))
}

#[tokio::test]
async fn the_installation_of_a_repository_is_found_once_and_its_token_is_used() -> TestResult {
    let server =
        Scripted::start(vec![Reply::json(200, json!({"id": 99})), token("installed"), repository(), repository()])
            .await?;
    let forge = server.forge_with(app(), Duration::from_secs(20));
    forge.repository(&shop()).await?;
    let remote = forge.git_remote(&shop()).await?;
    let header = remote.authorization.as_ref().map(|header| header.expose_secret().to_owned());
    assert_eq!(header, Some(format!("Basic {}", BASE64_STANDARD.encode("x-access-token:installed"))));
    let seen = server.seen();
    let lines: Vec<_> = seen.iter().map(|seen| &*seen.line).collect();
    assert_eq!(
        lines,
        [
            "GET /api/v3/repos/acme/shop/installation",
            "POST /api/v3/app/installations/99/access_tokens",
            "GET /api/v3/repos/acme/shop",
            "GET /api/v3/repos/acme/shop",
        ]
    );
    for by_app in &seen[..2] {
        let jwt = by_app.header("authorization").and_then(|header| header.strip_prefix("Bearer "));
        assert_eq!(jwt.map(|jwt| jwt.split('.').count()), Some(3), "{}", by_app.line);
    }
    assert_eq!(seen[2].header("authorization"), Some("Bearer installed"));
    assert!(!format!("{forge:?}").contains("installed"));
    Ok(())
}

#[tokio::test]
async fn git_gets_a_new_token_after_the_old_one_was_revoked() -> TestResult {
    let server = Scripted::start(vec![
        Reply::json(200, json!({"id": 99})),
        token("revoked"),
        Reply::message(401, "Bad credentials"),
        token("fresh"),
        repository(),
    ])
    .await?;
    let remote = server.forge_with(app(), Duration::from_secs(20)).git_remote(&shop()).await?;
    let header = remote.authorization.as_ref().map(|header| header.expose_secret().to_owned());
    assert_eq!(header, Some(format!("Basic {}", BASE64_STANDARD.encode("x-access-token:fresh"))));
    assert_eq!(server.lines().len(), 5);
    Ok(())
}

#[tokio::test]
async fn a_key_that_is_replaced_while_it_is_refused_signs_the_same_request_and_renews_the_tokens() -> TestResult {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("key");
    std::fs::write(&file, THROW_AWAY_KEY)?;
    let refused = || Reply::message(401, "A JSON web token could not be decoded");
    let server = Scripted::start(vec![
        Reply::json(200, json!({"id": 99})),
        refused().after_writing(&file, NEXT_KEY),
        token("first"),
        repository(),
        // Half of a key is none.
        repository(),
        token("second"),
        repository(),
    ])
    .await?;
    let private_key = Secret::in_file("private_key_file", &file, check_private_key)?;
    let forge = server.forge_with(Credentials::App { id: 42, private_key }, Duration::from_secs(20));
    forge.repository(&shop()).await?;
    let seen = server.seen();
    let renewals: Vec<_> = seen.iter().filter(|seen| seen.line.contains("access_tokens")).collect();
    let signature = |seen: &Seen| seen.header("authorization").and_then(|jwt| jwt.rsplit('.').next()).map(str::len);
    assert_eq!(renewals.len(), 2);
    assert_ne!(renewals[0].header("authorization"), renewals[1].header("authorization"));
    assert_eq!((signature(renewals[0]), signature(renewals[1])), (Some(342), Some(342)), "both are signed");
    std::fs::write(&file, &THROW_AWAY_KEY[..200])?;
    forge.repository(&shop()).await?;
    assert_eq!(server.lines(), ["GET /api/v3/repos/acme/shop"]);
    std::fs::write(&file, THROW_AWAY_KEY)?;
    forge.repository(&shop()).await?;
    assert_eq!(
        server.lines(),
        ["POST /api/v3/app/installations/99/access_tokens", "GET /api/v3/repos/acme/shop"],
        "its installations are asked for tokens with the key that is there now"
    );
    Ok(())
}

#[tokio::test]
async fn later_pages_carry_the_installations_token_too() -> TestResult {
    let status = json!({"id": 1, "context": "k", "state": "success", "created_at": "2026-01-01T00:00:00Z"});
    let server = Scripted::start(vec![
        Reply::json(200, json!({"id": 99})),
        token("installed"),
        Reply::json(200, Value::from(vec![status; 100])).with("link", "<http://elsewhere.example/2>; rel=\"next\""),
        Reply::json(200, json!([])),
        Reply::json(200, json!({"check_runs": []})),
    ])
    .await?;
    server.forge_with(app(), Duration::from_secs(20)).commit_statuses(&shop(), "abc").await?;
    let seen = server.seen();
    assert_eq!(seen.len(), 5);
    assert!(seen[2..].iter().all(|seen| seen.header("authorization") == Some("Bearer installed")));
    Ok(())
}

#[tokio::test]
async fn tokens_are_asked_for_once_by_many_callers() -> TestResult {
    let any_answer = || {
        Reply::json(
            200,
            json!({"id": 99, "token": "t", "expires_at": "2999-01-01T00:00:00Z", "permissions": {},
                "default_branch": "main", "html_url": "u", "clone_url": "c"}),
        )
    };
    let server = Scripted::start((0..9).map(|_| any_answer()).collect()).await?;
    let forge = server.forge_with(app(), Duration::from_secs(20));
    let shop = shop();
    let (one, two, three) = tokio::join!(forge.repository(&shop), forge.repository(&shop), forge.repository(&shop));
    one.and(two).and(three)?;
    let renewals = server.lines().iter().filter(|line| line.contains("access_tokens")).count();
    assert_eq!(renewals, 1);
    Ok(())
}

#[tokio::test]
async fn a_repository_without_the_app_is_not_found() -> TestResult {
    let server = Scripted::start(vec![Reply::message(404, "Not Found")]).await?;
    let error = server.forge_with(app(), Duration::from_secs(20)).repository(&shop()).await.err();
    let words = error.map(|error| error.to_string());
    assert_eq!(words.as_deref(), Some("an installation of the App for `acme/shop` was not found on the forge"));
    Ok(())
}

#[tokio::test]
async fn an_installation_that_was_removed_is_looked_for_again() -> TestResult {
    let server = Scripted::start(vec![
        Reply::json(200, json!({"id": 99})),
        Reply::message(404, "Not Found"),
        Reply::json(200, json!({"id": 100})),
        token("second"),
        repository(),
    ])
    .await?;
    let forge = server.forge_with(app(), Duration::from_secs(20));
    forge.repository(&shop()).await?;
    assert_eq!(server.lines()[3], "POST /api/v3/app/installations/100/access_tokens");
    Ok(())
}

#[tokio::test]
async fn an_app_that_was_installed_anew_goes_on_although_its_token_looked_good() -> TestResult {
    let server = Scripted::start(vec![
        Reply::json(200, json!({"id": 99})),
        token("first"),
        repository(),
        // The token was revoked with its installation, for which there is no other one.
        Reply::message(401, "Bad credentials"),
        Reply::message(404, "Not Found"),
        Reply::message(404, "Not Found"),
        Reply::json(200, json!({"id": 100})),
        token("second"),
        repository(),
    ])
    .await?;
    let forge = server.forge_with(app(), Duration::from_secs(20));
    forge.repository(&shop()).await?;
    assert!(matches!(forge.repository(&shop()).await, Err(ForgeError::NotFound { .. })));
    forge.repository(&shop()).await?;
    let seen = server.seen();
    assert_eq!(seen.last().and_then(|last| last.header("authorization")), Some("Bearer second"));
    let renewals = seen.iter().map(|seen| &*seen.line).filter(|line| line.contains("access_tokens"));
    let ids: Vec<_> = renewals.filter_map(|line| line.split('/').nth(5)).collect();
    assert_eq!(ids, ["99", "99", "99", "100"]);
    Ok(())
}

#[tokio::test]
async fn the_apps_account_is_its_bot() -> TestResult {
    let server = Scripted::start(vec![
        Reply::json(200, json!({"slug": "hydro"})),
        Reply::json(200, json!([{"id": 99}])),
        token("t"),
        Reply::json(200, json!({"id": 7, "login": "hydro[bot]"})),
    ])
    .await?;
    let account = server.forge_with(app(), Duration::from_secs(20)).account().await?;
    assert_eq!(account, Account { id: 7, login: "hydro[bot]".into() });
    assert_eq!(
        server.lines(),
        [
            "GET /api/v3/app",
            "GET /api/v3/app/installations?per_page=1",
            "POST /api/v3/app/installations/99/access_tokens",
            "GET /api/v3/users/hydro%5Bbot%5D",
        ]
    );
    Ok(())
}
