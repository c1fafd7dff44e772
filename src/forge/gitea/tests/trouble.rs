//! Each answer that is no success, by what the caller does about it; limits of time and size.

use super::*;
use crate::{
    domain::{ids::StatusKey, status::StatusState},
    forge::HeadIn,
};

fn new_pull() -> NewPullRequest {
    NewPullRequest { head: branch("env/dev-next"), base: branch("env/dev"), title: "T".into(), body: "B".into() }
}

async fn error_of(reply: Reply) -> Result<ForgeError, Box<dyn std::error::Error>> {
    let server = Scripted::start(vec![reply]).await?;
    let error = forge_with(&server, Duration::from_millis(700)).pull_request(&shop(), ONE).await.err();
    assert_eq!(server.lines().len(), 1, "nothing is asked twice");
    error.ok_or_else(|| "the answer was taken for a success".into())
}

#[tokio::test]
async fn answers_become_errors_by_reaction() -> TestResult {
    let not_found = Reply::json(404, recorded!("notfound"));
    assert!(matches!(error_of(not_found).await?, ForgeError::NotFound { what } if what.contains("pull request")));
    for code in [401, 403] {
        let error = error_of(Reply::message(code, "no")).await?;
        assert!(matches!(&error, ForgeError::Unauthorised { words, .. } if words.starts_with("no")), "{error:?}");
    }
    for code in [307, 405, 412, 422, 423] {
        assert!(matches!(error_of(Reply::message(code, "no")).await?, ForgeError::Refused { .. }), "{code}");
    }
    assert!(matches!(error_of(Reply::message(409, "no")).await?, ForgeError::Moved { .. }));
    for broken in [
        Reply::empty(502),
        Reply::message(500, "no"),
        Reply::empty(200),
        Reply::json(200, json!({"number": "one"})),
        Reply::json(200, json!({})).too_late(),
        Reply::json(200, json!("x".repeat(33 << 20))),
    ] {
        assert!(matches!(error_of(broken).await?, ForgeError::Unavailable { .. }));
    }
    let limited = error_of(Reply::message(429, "slow down").with("retry-after", "7")).await?;
    assert!(matches!(limited, ForgeError::RateLimited { retry_after, .. } if retry_after.as_secs() == 7));
    Ok(())
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_named_as_such() -> TestResult {
    let error = error_of(Reply::json(200, json!("x".repeat(33 << 20)))).await?;
    let source = std::error::Error::source(&error).map(ToString::to_string);
    assert_eq!(source.as_deref(), Some("the answer is larger than 32 MiB"));
    Ok(())
}

#[tokio::test]
async fn a_redirect_gets_no_token() -> TestResult {
    let elsewhere = Scripted::start(vec![Reply::json(200, recorded!("repository"))]).await?;
    let moved = Reply::empty(307).with("location", format!("{}/api/v1/repos/acme/other", elsewhere.url));
    let server = Scripted::start(vec![moved]).await?;
    let error = forge(&server).repository(&shop()).await.err();
    assert!(matches!(&error, Some(ForgeError::Refused { words, .. }) if words.contains("renamed")), "{error:?}");
    assert!(elsewhere.lines().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_pull_request_that_exists_is_found_and_one_whose_answer_was_lost_too() -> TestResult {
    for first in [Reply::json(409, recorded!("exists")), Reply::empty(502)] {
        let open = Reply::json(200, json!([recorded!("opened")])).with("x-total-count", "1");
        let server = Scripted::start(vec![first, open]).await?;
        let found = forge(&server).open_pull_request(&shop(), &new_pull()).await?;
        assert_eq!((found.number, found.head_in, found.head_sha.as_str()), (ONE, HeadIn::Repository, HEAD));
        let seen = server.seen();
        assert_eq!(seen[0].body, json!({"title": "T", "body": "B", "head": "env/dev-next", "base": "env/dev"}));
        assert!(seen[1].line.contains("state=open"), "{}", seen[1].line);
    }
    let server =
        Scripted::start(vec![Reply::empty(502), Reply::json(200, json!([])), Reply::json(200, json!([]))]).await?;
    let lost = forge(&server).open_pull_request(&shop(), &new_pull()).await;
    assert!(matches!(lost, Err(ForgeError::Unavailable { .. })), "{lost:?}");
    Ok(())
}

#[tokio::test]
async fn closing_a_merged_one_is_a_success() -> TestResult {
    let server = Scripted::start(vec![
        Reply::message(412, "cannot change state of this pull request, it was already merged"),
        Reply::json(200, recorded!("merged")),
    ])
    .await?;
    forge(&server).close_pull_request(&shop(), ONE).await?;
    assert_eq!(server.seen()[0].body, json!({"state": "closed"}));
    Ok(())
}

#[tokio::test]
async fn a_status_on_no_commit_is_told_from_a_forge_in_trouble() -> TestResult {
    let status = NewStatus {
        key: StatusKey::new("hydromote/dev")?,
        state: StatusState::Pending,
        description: "ü".repeat(200),
        target_url: None,
    };
    let server = Scripted::start(vec![
        Reply::message(500, "object does not exist"),
        Reply::json(404, recorded!("notfound")),
        Reply::message(500, "database is locked"),
        Reply::json(200, json!({"sha": HEAD})),
    ])
    .await?;
    let forge = forge(&server);
    let nowhere = forge.post_status(&shop(), HEAD, &status).await;
    assert!(matches!(nowhere, Err(ForgeError::NotFound { .. })), "{nowhere:?}");
    let trouble = forge.post_status(&shop(), HEAD, &status).await;
    assert!(matches!(trouble, Err(ForgeError::Unavailable { .. })), "{trouble:?}");
    let description = format!("{}…", "ü".repeat(139));
    let expected = json!({"state": "pending", "context": "hydromote/dev", "description": description});
    assert_eq!(server.seen()[0].body, expected);
    Ok(())
}
