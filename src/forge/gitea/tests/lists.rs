//! Reading: which pages are asked for, and what is made of them.

use super::*;
use crate::{
    domain::status::StatusState,
    forge::{PullRequestState, Reacted, Reaction},
};

fn total(reply: Reply, total: usize) -> Reply {
    reply.with("x-total-count", total.to_string())
}

#[tokio::test]
async fn the_account_and_the_repository_are_read() -> TestResult {
    let server =
        Scripted::start(vec![Reply::json(200, recorded!("user")), Reply::json(200, recorded!("repository"))]).await?;
    let forge = forge(&server);
    assert_eq!(forge.account().await?.login, "lab-admin");
    assert_eq!(forge.account().await?.id, 1);
    let repository = forge.repository(&shop()).await?;
    assert_eq!((repository.default_branch.as_str(), repository.pages), ("main", Pages::Gitea));
    // Git uses the configured address, whatever the forge says that its own is.
    let remote = forge.git_remote(&shop()).await?;
    assert_eq!(remote.url, format!("{}/acme/shop.git", server.url));
    assert!(!format!("{remote:?} {forge:?}").contains("s3cret"));
    let seen = server.seen();
    assert_eq!(
        seen.iter().map(|seen| &*seen.line).collect::<Vec<_>>(),
        ["GET /api/v1/user", "GET /api/v1/repos/acme/shop"]
    );
    assert_eq!(seen[0].header("authorization"), Some("token s3cret-token"));
    Ok(())
}

#[tokio::test]
async fn pull_requests_are_found_by_their_branch_among_others() -> TestResult {
    let from = |label: &str, repository: i64| json!({"head": {"label": label, "ref": label, "sha": HEAD, "repo_id": repository}});
    let all = json!([
        pull(9, from("env/dev-next-web", 1)),
        pull(8, from("env/dev-next", 77)),
        pull(7, from("env/dev-next", 1)),
        recorded!("merged"),
    ]);
    let server =
        Scripted::start(vec![total(Reply::json(200, all), 4), Reply::json(200, recorded!("refs_head"))]).await?;
    let found = forge(&server).pull_requests(&shop(), &branch("env/dev-next"), &branch("env/dev")).await?;
    let told: Vec<_> = found.iter().map(|pull| (pull.number.0, pull.state, pull.head_sha.as_str())).collect();
    // The recorded answer tells the head of the merged one as that of its branch, which went on.
    assert_ne!(recorded!("merged")["head"]["sha"], HEAD);
    assert_eq!(told, [(7, PullRequestState::Open, HEAD), (1, PullRequestState::Merged, HEAD)]);
    assert_eq!(
        server.lines(),
        [
            "GET /api/v1/repos/acme/shop/pulls?state=all&base_branch=env%2Fdev&limit=50&page=1",
            "GET /api/v1/repos/acme/shop/git/refs/pull/1/head",
        ]
    );
    Ok(())
}

#[tokio::test]
async fn the_heads_of_many_are_read_at_once_and_remembered() -> TestResult {
    let closed = |number| pull(number, json!({"state": "closed", "closed_at": "2026-01-01T00:00:00Z"}));
    let all = || Reply::json(200, json!([closed(5), closed(4), closed(3), closed(2)]));
    // The last has none, and one more was opened again and closed later.
    let again = json!({"state": "closed", "closed_at": "2026-01-02T00:00:00Z"});
    let server = Scripted::start(vec![
        total(all(), 4),
        refs(&[(5, "five"), (4, "four"), (3, "three"), (40, "forty")]),
        total(Reply::json(200, json!([pull(5, again), closed(4), closed(3)])), 3),
        refs(&[(5, "five-2"), (50, "fifty")]),
    ])
    .await?;
    let forge = forge(&server);
    let heads = async || -> Result<Vec<String>, ForgeError> {
        let pulls = forge.pull_requests_into(&shop(), &branch("env/dev")).await?;
        Ok(pulls.into_iter().map(|pull| pull.head_sha).collect())
    };
    assert_eq!(heads().await?, ["five", "four", "three", ""]);
    assert_eq!(heads().await?, ["five-2", "four", "three"]);
    let lines = server.lines();
    assert_eq!(lines[1], "GET /api/v1/repos/acme/shop/git/refs/pull");
    assert_eq!(lines[3], "GET /api/v1/repos/acme/shop/git/refs/pull/5/head");
    Ok(())
}

/// A server may give fewer entries per page than it is asked for.
#[tokio::test]
async fn a_short_page_is_not_the_last_one() -> TestResult {
    let status = |id: u64| {
        let mut status = recorded!("statuses")[0].clone();
        status["id"] = json!(id);
        status
    };
    let server = Scripted::start(vec![
        total(Reply::json(200, json!([status(3), status(2)])), 3),
        total(Reply::json(200, json!([status(1)])), 3),
        // Nothing said of a total: until a page is empty.
        Reply::json(200, json!([status(1)])),
        Reply::json(200, json!(null)),
    ])
    .await?;
    let forge = forge(&server);
    let reports = forge.commit_statuses(&shop(), HEAD).await?;
    assert_eq!(reports.iter().map(|report| report.id).collect::<Vec<_>>(), [3, 2, 1]);
    assert_eq!((reports[0].state, reports[0].key.as_str()), (StatusState::Success, "health"));
    assert_eq!(forge.commit_statuses(&shop(), HEAD).await?.len(), 1);
    let path = format!("GET /api/v1/repos/acme/shop/statuses/{HEAD}?sort=leastindex&limit=50");
    let pages = [1, 2, 1, 2].map(|page| format!("{path}&page={page}"));
    assert_eq!(server.lines(), pages);
    Ok(())
}

#[tokio::test]
async fn comments_elsewhere_and_of_people_who_are_gone_do_no_harm() -> TestResult {
    let mut comments = recorded!("comments");
    comments[0]["user"] = json!({"id": -1, "login": "Ghost"});
    let server = Scripted::start(vec![
        total(Reply::json(200, comments.clone()), 2),
        // Not paged: the forge sends all, whichever page is asked for.
        total(Reply::json(200, comments), 2),
        Reply::json(201, json!({})),
        Reply::json(200, json!({})),
    ])
    .await?;
    let forge = forge(&server);
    let recent = forge.comments_since(&shop(), "2026-01-01T00:00:00.7Z".parse()?).await?;
    assert_eq!(recent.comments.len(), 1);
    assert_eq!((recent.comments[0].pull_request, recent.comments[0].author.as_ref()), (ONE, None));
    assert_eq!(recent.comments[0].body, "/promote");
    assert!(recent.read_to.is_some_and(|read_to| read_to >= recent.comments[0].updated_at));
    forge.comments(&shop(), ONE).await?;
    assert_eq!(forge.react(&shop(), ONE, 3, Reaction::Eyes).await?, Reacted::Now);
    assert_eq!(forge.react(&shop(), ONE, 3, Reaction::Eyes).await?, Reacted::Before);
    let lines = server.lines();
    assert_eq!(lines[0], "GET /api/v1/repos/acme/shop/issues/comments?since=2026-01-01T00%3A00%3A00Z&limit=50&page=1");
    assert_eq!(lines[1], "GET /api/v1/repos/acme/shop/issues/1/comments");
    assert_eq!(lines[2], "POST /api/v1/repos/acme/shop/issues/comments/3/reactions");
    Ok(())
}
