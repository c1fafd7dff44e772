//! Reviews with a verdict, and who wrote what is between two commits.

use super::*;
use crate::{
    domain::approvals::Opinion,
    forge::{CommitAuthor, Reviews},
};

fn review(id: u64, state: &str) -> serde_json::Value {
    json!({"id": id, "user": {"id": 7, "login": "ada"}, "state": state, "commit_id": "head-1",
        "submitted_at": "2026-03-01T10:00:00Z"})
}

#[tokio::test]
async fn only_reviews_with_a_verdict_are_returned() -> TestResult {
    let mut bodies = vec![review(1, "APPROVED"), review(2, "COMMENTED"), review(3, "DISMISSED")];
    bodies.extend([
        review(4, "CHANGES_REQUESTED"),
        json!({"id": 5, "user": null, "state": "APPROVED", "commit_id": null}),
    ]);
    // A draft that only its author sees has no time.
    bodies.push(json!({"id": 6, "user": {"id": 1, "login": "bot"}, "state": "PENDING", "commit_id": "head-1"}));
    let server = Scripted::start(vec![Reply::json(200, json!(bodies))]).await?;
    let Reviews::All(found) = server.forge().reviews(&shop(), PullRequestNumber(2)).await? else {
        panic!("there are few");
    };
    let told: Vec<_> = found.iter().map(|r| (r.id, r.by.id, r.opinion, r.commit.as_str())).collect();
    let opinions = [(1, Opinion::Approved), (3, Opinion::Dismissed), (4, Opinion::ChangesRequested)];
    assert_eq!(told, opinions.map(|(id, opinion)| (id, 7, opinion, "head-1")));
    assert_eq!(server.lines(), ["GET /api/v3/repos/acme/shop/pulls/2/reviews?per_page=100&page=1"]);
    Ok(())
}

#[tokio::test]
async fn reviews_that_are_too_many_are_not_taken_for_all() -> TestResult {
    let page = || Reply::json(200, json!((1..=100).map(|id| review(id, "APPROVED")).collect::<Vec<_>>()));
    let server = Scripted::start((0..20).map(|_| page()).collect()).await?;
    assert_eq!(server.forge().reviews(&shop(), PullRequestNumber(2)).await?, Reviews::TooMany);
    assert_eq!(server.lines().len(), 20);
    Ok(())
}

#[tokio::test]
async fn authors_are_accounts_where_the_forge_knows_them() -> TestResult {
    let commit = |sha: &str, author: serde_json::Value, committer: &str, parents: usize| {
        json!({"sha": sha, "commit": {"author": {"name": "Ada", "email": "ada@example.com"}}, "author": author,
            "committer": {"id": 9, "login": committer}, "parents": vec![json!({"sha": "p"}); parents]})
    };
    let ada = || json!({"id": 7, "login": "ada"});
    let commits = [
        commit("c1", ada(), "ada", 1),
        commit("c2", serde_json::Value::Null, "ada", 1),
        commit("c3", ada(), "web-flow", 2),
        commit("c4", ada(), "web-flow", 1),
        commit("c5", ada(), "ada", 2),
    ];
    let answer = Reply::json(200, json!({"total_commits": 5, "commits": commits}));
    let single = Reply::json(200, commit("c1", ada(), "ada", 0));
    let server = Scripted::start(vec![answer, single, Reply::message(404, "Not Found")]).await?;
    let found = server.forge().authors(&shop(), Some("a1"), "b2").await?;
    let told: Vec<_> =
        found.iter().map(|c| (c.sha.as_str(), c.account.as_ref().map(|a| a.id), c.merged_by_forge)).collect();
    let ada = Some(7);
    assert_eq!(
        told,
        [("c1", ada, false), ("c2", None, false), ("c3", ada, true), ("c4", ada, false), ("c5", ada, false)]
    );
    let alone = server.forge().authors(&shop(), None, "c1").await?;
    let account = Some(Account { id: 7, login: "ada".into() });
    assert_eq!(alone, [CommitAuthor { sha: "c1".into(), account, name: "Ada".into(), merged_by_forge: false }]);
    let gone = server.forge().authors(&shop(), Some("gone"), "b2").await;
    assert!(matches!(gone, Err(ForgeError::NotFound { .. })), "{gone:?}");
    let lines = ["compare/a1...b2?per_page=100&page=1", "commits/c1", "compare/gone...b2?per_page=100&page=1"];
    assert_eq!(server.lines(), lines.map(|line| format!("GET /api/v3/repos/acme/shop/{line}")));
    Ok(())
}
