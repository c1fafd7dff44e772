//! Comments, reactions and rights: each request, and what is made of the answers.

use super::*;
use crate::{
    domain::permission::Permission,
    forge::{COMMENTS_AT_ONCE, Reacted, Reaction},
};

const ONE: PullRequestNumber = PullRequestNumber(1);

/// Returns a comment as the forge tells it, with fields replaced.
fn comment(id: u64, fields: Value) -> Value {
    let mut body = json!({
        "id": id, "body": "/promote", "html_url": format!("https://forge/acme/shop/pull/1#issuecomment-{id}"),
        "user": {"id": 7, "login": "ada", "type": "User"},
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
    });
    let object = body.as_object_mut().expect("because it was built as an object");
    object.extend(fields.as_object().expect("because the tests pass objects").clone());
    body
}

fn ada() -> Account {
    Account { id: 7, login: "ada".into() }
}

#[tokio::test]
async fn new_comments_of_a_repository_are_read_with_one_call_oldest_change_first() -> TestResult {
    let on_an_issue = json!({"html_url": "https://forge/acme/shop/issues/2#issuecomment-2",
        "updated_at": "2026-01-03T00:00:00Z"});
    let of_nobody = json!({"user": null, "body": null});
    let bot = json!({"user": {"id": 8, "login": "ci[bot]", "type": "Bot"}});
    let server = Scripted::start(vec![Reply::json(
        200,
        json!([comment(1, json!({})), comment(4, bot), comment(3, of_nobody), comment(2, on_an_issue)]),
    )])
    .await?;
    let recent = server.forge().comments_since(&shop(), time("2026-01-01T00:00:00.9Z")).await?;
    assert_eq!(
        server.lines(),
        [
            "GET /api/v3/repos/acme/shop/issues/comments?sort=updated&direction=asc&since=2026-01-01T00%3A00%3A00Z&per_page=100&page=1"
        ]
    );
    assert_eq!((recent.read_to, recent.more), (Some(time("2026-01-03T00:00:00Z")), false));
    let shown: Vec<_> = recent.comments.iter().map(|one| (one.id, one.pull_request.0, one.by_bot)).collect();
    assert_eq!(shown, [(1, 1, false), (4, 1, true), (3, 1, false)]);
    assert_eq!(recent.comments[0].author, Some(ada()));
    assert_eq!((&recent.comments[2].author, &*recent.comments[2].body), (&None, ""));
    Ok(())
}

#[tokio::test]
async fn what_is_too_much_to_be_read_at_once_is_left_for_the_next_time() -> TestResult {
    let full = || Reply::json(200, Value::from(vec![comment(1, json!({})); 100]));
    let server = Scripted::start((0..20).map(|_| full()).collect()).await?;
    let recent = server.forge().comments_since(&shop(), time("2026-01-01T00:00:00Z")).await?;
    assert_eq!((recent.comments.len(), recent.more), (COMMENTS_AT_ONCE, true));
    assert_eq!(server.lines().len(), COMMENTS_AT_ONCE / 100);
    Ok(())
}

#[tokio::test]
async fn the_same_comments_cost_nothing_again() -> TestResult {
    let server = Scripted::start(vec![
        Reply::json(200, json!([comment(1, json!({}))])).with("etag", "\"a\""),
        Reply::empty(304),
    ])
    .await?;
    let (forge, since) = (server.forge(), time("2026-01-01T00:00:00Z"));
    let first = forge.comments_since(&shop(), since).await?;
    assert_eq!(forge.comments_since(&shop(), since).await?, first);
    assert_eq!(server.seen()[1].header("if-none-match"), Some("\"a\""));
    Ok(())
}

#[tokio::test]
async fn a_comment_is_posted_edited_and_listed() -> TestResult {
    let server = Scripted::start(vec![
        Reply::json(201, comment(9, json!({}))),
        Reply::json(200, comment(9, json!({}))),
        Reply::json(200, json!([comment(9, json!({}))])),
        Reply::message(404, "Not Found"),
    ])
    .await?;
    let forge = server.forge();
    assert_eq!(forge.post_comment(&shop(), ONE, "Text").await?, 9);
    forge.edit_comment(&shop(), ONE, 9, "New").await?;
    assert_eq!(forge.comments(&shop(), ONE).await?.len(), 1);
    assert!(matches!(forge.edit_comment(&shop(), ONE, 9, "Newer").await, Err(ForgeError::NotFound { .. })));
    let seen = server.seen();
    assert_eq!(seen[0].line, "POST /api/v3/repos/acme/shop/issues/1/comments");
    assert_eq!(seen[0].body, json!({"body": "Text"}));
    assert_eq!(seen[1].line, "PATCH /api/v3/repos/acme/shop/issues/comments/9");
    assert_eq!(seen[1].body, json!({"body": "New"}));
    assert_eq!(seen[2].line, "GET /api/v3/repos/acme/shop/issues/1/comments?per_page=100&page=1");
    Ok(())
}

#[tokio::test]
async fn a_reaction_says_whether_it_is_new() -> TestResult {
    let server =
        Scripted::start(vec![Reply::json(201, json!({})), Reply::json(200, json!({})), Reply::empty(502)]).await?;
    let forge = server.forge();
    assert_eq!(forge.react(&shop(), ONE, 9, Reaction::Eyes).await?, Reacted::Now);
    assert_eq!(forge.react(&shop(), ONE, 9, Reaction::Eyes).await?, Reacted::Before);
    assert!(matches!(forge.react(&shop(), ONE, 9, Reaction::Eyes).await, Err(ForgeError::Unavailable { .. })));
    let seen = server.seen();
    assert_eq!(seen[0].line, "POST /api/v3/repos/acme/shop/issues/comments/9/reactions");
    assert_eq!(seen[0].body, json!({"content": "eyes"}));
    Ok(())
}

#[tokio::test]
async fn a_right_is_read_by_role_and_belongs_to_an_id() -> TestResult {
    let answer = |permission: &str, role: Value, id: u64| {
        Reply::json(200, json!({"permission": permission, "role_name": role, "user": {"id": id, "login": "ada"}}))
    };
    for (reply, right) in [
        (answer("write", json!("maintain"), 7), Permission::Maintain),
        (answer("read", json!("triage"), 7), Permission::Triage),
        (answer("write", json!("an organisation's own role"), 7), Permission::Write),
        (answer("admin", Value::Null, 7), Permission::Admin),
        (answer("none", json!("none"), 7), Permission::None),
        (answer("new-word", json!("new-word"), 7), Permission::None),
        // Somebody else has the login now.
        (answer("admin", json!("admin"), 8), Permission::None),
        (Reply::json(200, json!({"permission": "admin", "user": null})), Permission::None),
        (Reply::message(404, "ada is not a user"), Permission::None),
    ] {
        let server = Scripted::start(vec![reply]).await?;
        assert_eq!(server.forge().permission(&shop(), &ada()).await?, right);
        assert_eq!(server.lines(), ["GET /api/v3/repos/acme/shop/collaborators/ada/permission"]);
    }
    let server = Scripted::start(vec![Reply::message(403, "Must have push access")]).await?;
    assert!(matches!(server.forge().permission(&shop(), &ada()).await, Err(ForgeError::Unauthorised { .. })));
    Ok(())
}
