//! What people may do, who belongs to whom, who approved what, and who wrote it.

use super::*;
use crate::domain::approvals::{Opinion, Review};

fn ada() -> Account {
    Account { id: 9, login: "ada".into() }
}

fn gone() -> Reply {
    Reply::message(404, "404 Not found")
}

#[tokio::test]
async fn rights_are_asked_for_by_id_and_inherited_ones_count() -> TestResult {
    let server = Scripted::start(vec![Reply::json(200, sample!("member.all_get"))]).await?;
    assert_eq!(forge(&server).permission(&shop(), &ada()).await?, Permission::Write);
    assert_eq!(server.lines(), ["GET /api/v4/projects/acme%2Fshop/members/all/9"]);
    Ok(())
}

#[tokio::test]
async fn whoever_is_no_member_may_read_what_everybody_may_read() -> TestResult {
    for (visibility, right) in [("public", Permission::Read), ("internal", Permission::None)] {
        let server = Scripted::start(vec![gone(), project(json!({"visibility": visibility}))]).await?;
        assert_eq!(forge(&server).permission(&shop(), &ada()).await?, right, "{visibility}");
    }
    Ok(())
}

#[tokio::test]
async fn a_team_is_a_group_with_those_above_it() -> TestResult {
    let team = Grantee::Team("qa".into());
    let server = Scripted::start(vec![
        Reply::json(200, sample!("member.all_get")),
        gone(),
        Reply::json(200, json!({"id": 4})),
        gone(),
        gone(),
    ])
    .await?;
    let forge = forge(&server);
    assert_eq!(forge.is_among(&shop(), &team, &ada()).await?, Among::Yes);
    assert_eq!(forge.is_among(&shop(), &team, &ada()).await?, Among::No);
    assert_eq!(forge.is_among(&shop(), &team, &ada()).await?, Among::Unknown);
    assert_eq!(
        server.lines()[..3],
        [
            "GET /api/v4/groups/acme%2Fqa/members/all/9",
            "GET /api/v4/groups/acme%2Fqa/members/all/9",
            "GET /api/v4/groups/acme%2Fqa"
        ]
    );
    Ok(())
}

#[tokio::test]
async fn a_login_that_is_somebody_elses_by_now_is_not_meant() -> TestResult {
    let server = Scripted::start(vec![
        Reply::json(200, json!([{"id": 9, "username": "ada"}])),
        Reply::json(200, json!([{"id": 10, "username": "ada"}])),
    ])
    .await?;
    let forge = forge(&server);
    assert_eq!(forge.is_among(&shop(), &Grantee::User("Ada".into()), &ada()).await?, Among::Yes);
    assert_eq!(forge.is_among(&shop(), &Grantee::User("ada".into()), &ada()).await?, Among::No);
    assert_eq!(forge.is_among(&shop(), &Grantee::User("bob".into()), &ada()).await?, Among::No);
    assert_eq!(server.lines().len(), 2, "another login needs no question");
    Ok(())
}

#[tokio::test]
async fn approvals_are_bound_to_what_was_pushed_before_them_and_objections_to_what_is_there() -> TestResult {
    let approvals = json!({"approved": true, "approved_by": [
        {"user": {"id": 1, "username": "root"}, "approved_at": "2026-01-03T00:00:00.000Z"},
        {"user": {"id": 2, "username": "bob"}, "approved_at": "2026-01-01T12:00:00.000Z"}]});
    let reviewers = json!([
        {"user": {"id": 3, "username": "eve"}, "state": "requested_changes", "created_at": "2026-01-02T12:00:00.000Z"},
        {"user": {"id": 1, "username": "root"}, "state": "approved", "created_at": "2026-01-02T12:00:00.000Z"}]);
    let versions = json!([
        {"id": 2, "head_commit_sha": "head-2", "created_at": "2026-01-02T00:00:00.000Z"},
        {"id": 1, "head_commit_sha": "head-1", "created_at": "2026-01-01T00:00:00.000Z"}]);
    let server = Scripted::start([approvals, reviewers, versions].map(|body| Reply::json(200, body)).into()).await?;
    let Reviews::All(reviews) = forge(&server).reviews(&shop(), ONE).await? else { panic!("there are few") };
    let told = |review: &Review| (review.by.id, review.opinion, review.commit.clone());
    assert_eq!(
        reviews.iter().map(told).collect::<Vec<_>>(),
        [
            (2, Opinion::Approved, "head-1".to_owned()),
            (3, Opinion::ChangesRequested, "head-2".to_owned()),
            (1, Opinion::Approved, "head-2".to_owned()),
        ]
    );
    Ok(())
}

#[tokio::test]
async fn an_account_is_an_author_when_gitlab_vouches_for_the_address() -> TestResult {
    let commit = |sha: &str, address: &str| json!({"id": sha, "author_name": "Ada", "author_email": address});
    let profile = |id: u64, login: &str, shown: &str| {
        Reply::json(200, json!({"id": id, "username": login, "public_email": shown}))
    };
    let server = Scripted::start(vec![
        Reply::json(
            200,
            json!([
                commit("a", "9-ada@users.noreply.gitlab.com"),
                commit("b", "bob@example.com"),
                commit("c", "Bob@example.com"),
            ]),
        ),
        profile(9, "ada", ""),
        Reply::json(200, json!([{"id": 11, "username": "mallory"}, {"id": 10, "username": "bob"}])),
        profile(11, "mallory", ""),
        profile(10, "bob", "bob@example.com"),
    ])
    .await?;
    let authors = forge(&server).authors(&shop(), Some("base"), "head").await?;
    let ids: Vec<_> = authors.iter().map(|author| author.account.as_ref().map(|account| account.id)).collect();
    assert_eq!(ids, [Some(9), Some(10), Some(10)]);
    let lines = server.lines();
    assert!(lines[0].contains("/repository/commits?ref_name=base..head&"), "{}", lines[0]);
    assert_eq!(lines.len(), 5, "an address is asked for once");
    Ok(())
}

#[tokio::test]
async fn a_reaction_is_asked_for_before_it_is_given() -> TestResult {
    let me = || Reply::json(200, sample!("user.get"));
    let eyes = |user: u64| json!([{"id": 4, "name": "eyes", "user": {"id": user, "username": "x"}}]);
    let server = Scripted::start(vec![
        me(),
        Reply::json(200, eyes(7)),
        Reply::json(201, json!({})),
        Reply::json(200, eyes(1)),
        Reply::json(200, json!([])),
        Reply::message(404, "404 Award Emoji Name has already been taken Not Found"),
        Reply::json(200, eyes(1)),
        Reply::json(200, json!([])),
        gone(),
        Reply::json(200, json!([])),
    ])
    .await?;
    let forge = forge(&server);
    assert_eq!(forge.react(&shop(), ONE, 5, Reaction::Eyes).await?, Reacted::Now);
    assert_eq!(forge.react(&shop(), ONE, 5, Reaction::Eyes).await?, Reacted::Before);
    assert_eq!(forge.react(&shop(), ONE, 5, Reaction::Eyes).await?, Reacted::Before);
    assert!(matches!(forge.react(&shop(), ONE, 5, Reaction::Confused).await, Err(ForgeError::NotFound { .. })));
    let seen = server.seen();
    assert_eq!(seen[2].line, "POST /api/v4/projects/acme%2Fshop/merge_requests/1/notes/5/award_emoji");
    assert_eq!(seen[2].body, json!({"name": "eyes"}));
    Ok(())
}

#[tokio::test]
async fn a_reaction_whose_answer_was_lost_was_made_now() -> TestResult {
    let eyes = json!([{"id": 4, "name": "eyes", "user": {"id": 1, "username": "root"}}]);
    let replies = [(200, json!([])), (502, json!({})), (200, eyes)].map(|(code, body)| Reply::json(code, body));
    let me = Reply::json(200, sample!("user.get"));
    let server = Scripted::start([me].into_iter().chain(replies).collect()).await?;
    assert_eq!(forge(&server).react(&shop(), ONE, 5, Reaction::Eyes).await?, Reacted::Now);
    Ok(())
}
