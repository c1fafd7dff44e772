//! The adapter against the real API: each way in which it is not as one would expect.

use hydromote::{
    domain::{
        ids::{ActiveSha, BranchName, PullRequestNumber, StatusKey},
        permission::{Grantee, Permission},
        status::StatusState,
        strategy::MergeMethod,
    },
    forge::{
        Account, Among, Forge, ForgeError, HeadIn, Merge, Mergeable, NewPullRequest, NewStatus, Onto, PullRequest,
        PullRequestState, Reacted, Reaction, Reviews, gitea::Gitea,
    },
};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::json;

use super::lab::{Lab, Queue, shop};
use crate::{
    program::until,
    world::{BOT, DEVELOPER, Fallible, READER, TestResult},
};

/// Branches to promote between, in a repository with one commit.
async fn branches(queue: Queue) -> Fallible<(Lab, Gitea)> {
    let lab = Lab::start(queue).await?;
    lab.push("main", "first", &[file("a", "1")]).await?;
    lab.branch_off("env/dev", "main").await?;
    let forge = lab.adapter()?;
    Ok((lab, forge))
}

fn file(path: &str, text: &str) -> (String, String) {
    (path.to_owned(), format!("{text}\n"))
}

fn branch(name: &str) -> BranchName {
    BranchName::new(name).expect("because the tests use plain branch names")
}

fn key(text: &str) -> StatusKey {
    StatusKey::new(text).expect("because the tests use plain keys")
}

fn new(head: &str) -> NewPullRequest {
    NewPullRequest { head: branch(head), base: branch("env/dev"), title: "Promote".into(), body: "Body".into() }
}

/// Merges a pull request into `env/dev`, as that is now, when it has this head.
async fn merge(lab: &Lab, number: PullRequestNumber, head: &str) -> Fallible<Result<String, ForgeError>> {
    let base = lab.head("env/dev").await?.ok_or("the branch is there")?;
    let onto = Onto { branch: branch("env/dev"), head: ActiveSha::new(base)? };
    let (title, message) = ("Promote".into(), "Dry-Sha: 1".into());
    let merge = Merge { expected_head: head.to_owned(), onto, method: MergeMethod::Merge, title, message };
    Ok(lab.adapter()?.merge_pull_request(&shop(), number, &merge).await)
}

/// Proposes another file on `env/dev-next`, from where `env/dev` is now; returns the pull request.
async fn propose(lab: &Lab, forge: &Gitea, path: &str) -> Fallible<PullRequest> {
    let head = proposed(lab, "env/dev-next", path).await?;
    let pull = forge.open_pull_request(&shop(), &new("env/dev-next")).await?;
    assert_eq!(pull.head_sha, head);
    Ok(pull)
}

/// Makes a branch anew from `env/dev`, with another file, as the service does: by one forced push. A branch that is
/// deleted and made again would have its next pull request closed, as soon as the forge's queue comes to the deletion.
async fn proposed(lab: &Lab, name: &str, path: &str) -> Fallible<String> {
    lab.push_anew(name, "env/dev", &format!("propose {path}"), &[file(path, "1")]).await
}

#[tokio::test]
#[ignore = "needs a real Gitea: make test-gitea"]
async fn a_pull_request_is_opened_reported_on_and_merged() -> TestResult {
    let (lab, forge) = branches(Queue::Fast).await?;
    assert_eq!(forge.account().await?.login, BOT);
    let repository = forge.repository(&shop()).await?;
    assert_eq!(repository.default_branch, branch("main"));
    let opened = propose(&lab, &forge, "b").await?;
    assert_eq!((opened.state, opened.head_in, opened.draft), (PullRequestState::Open, HeadIn::Repository, false));
    assert_eq!((opened.author, opened.base.as_str()), (Some(forge.account().await?), "env/dev"));
    let again = forge.open_pull_request(&shop(), &new("env/dev-next")).await?;
    assert_eq!(again.number, opened.number);
    let status = NewStatus {
        key: key("hydromote/dev"),
        state: StatusState::Pending,
        description: "ü".repeat(200),
        target_url: Some("https://hydromote.example.com/x".into()),
    };
    for state in [StatusState::Pending, StatusState::Success, StatusState::Failure, StatusState::Error] {
        forge.post_status(&shop(), &opened.head_sha, &NewStatus { state, ..status.clone() }).await?;
    }
    // Within one second or not: the newest comes first.
    let reports = forge.commit_statuses(&shop(), &opened.head_sha).await?;
    let states: Vec<_> = reports.iter().map(|report| report.state).collect();
    let newest_first = [StatusState::Error, StatusState::Failure, StatusState::Success, StatusState::Pending];
    assert_eq!(states, newest_first);
    assert_eq!(reports[0].description.chars().count(), 140);
    assert_eq!(reports[0].creator, Some(forge.account().await?.id));
    forge.edit_pull_request(&shop(), opened.number, "Promote more", "Other body").await?;
    let merged = merge(&lab, opened.number, &opened.head_sha).await??;
    assert_eq!(lab.head("env/dev").await?.as_deref(), Some(merged.as_str()));
    let read = forge.pull_request(&shop(), opened.number).await?;
    assert_eq!((read.state, read.merge_sha.as_deref()), (PullRequestState::Merged, Some(merged.as_str())));
    assert_eq!((read.title.as_str(), read.merged_by.as_deref()), ("Promote more", Some(BOT)));
    // Again is a success, with another head it is not.
    let again = merge(&lab, opened.number, &opened.head_sha).await??;
    assert_eq!(again, merged);
    let other = merge(&lab, opened.number, &merged).await?;
    assert!(matches!(other, Err(ForgeError::Moved { .. })), "{other:?}");
    assert!(lab.head("env/dev-next").await?.is_some(), "the branch is left");
    Ok(())
}

/// The forge tells the head of a merged pull request as its branch is now.
#[tokio::test]
#[ignore = "needs a real Gitea: make test-gitea"]
async fn what_a_pull_request_held_is_known_after_its_branch_went_on() -> TestResult {
    let (lab, forge) = branches(Queue::Fast).await?;
    let mut held = Vec::new();
    for path in ["b", "c", "d", "e", "f", "g"] {
        let pull = propose(&lab, &forge, path).await?;
        if path == "e" {
            forge.close_pull_request(&shop(), pull.number).await?;
            forge.close_pull_request(&shop(), pull.number).await?;
        } else if path != "g" {
            merge(&lab, pull.number, &pull.head_sha).await??;
        }
        held.push((pull.number, pull.head_sha));
    }
    held.reverse();
    let heads = |pulls: Vec<PullRequest>| -> Vec<_> { pulls.into_iter().map(|p| (p.number, p.head_sha)).collect() };
    let states = |pulls: &[PullRequest]| -> Vec<_> { pulls.iter().map(|p| p.state).collect() };
    // With nothing remembered, and with all of it.
    let fresh = lab.adapter()?;
    for forge in [&forge, &fresh, &fresh] {
        let pulls = forge.pull_requests(&shop(), &branch("env/dev-next"), &branch("env/dev")).await?;
        use PullRequestState::{Closed, Merged, Open};
        assert_eq!(states(&pulls), [Open, Merged, Closed, Merged, Merged, Merged]);
        assert_eq!(heads(pulls), held);
    }
    for (number, head) in &held {
        assert_eq!(lab.adapter()?.pull_request(&shop(), *number).await?.head_sha, *head);
    }
    let mut into = heads(forge.pull_requests_into(&shop(), &branch("env/dev")).await?);
    into.sort();
    held.sort();
    assert_eq!(into, held);
    // Its branch is gone, and it is still found by it.
    lab.repository(Method::DELETE, "/branches/env%2Fdev-next", json!({})).await?;
    let pulls = until("the forge has closed it with its branch", async || {
        let pulls = forge.pull_requests(&shop(), &branch("env/dev-next"), &branch("env/dev")).await?;
        Ok((pulls[0].state == PullRequestState::Closed).then_some(pulls))
    })
    .await?;
    assert_eq!(pulls.len(), held.len());
    Ok(())
}

/// The forge has one route for a pair of branches, and it finds an old pull request.
#[tokio::test]
#[ignore = "needs a real Gitea: make test-gitea"]
async fn of_several_pull_requests_the_open_one_is_found() -> TestResult {
    let (lab, forge) = branches(Queue::Fast).await?;
    let first = propose(&lab, &forge, "b").await?;
    merge(&lab, first.number, &first.head_sha).await??;
    // Beside those of another head into the same base.
    proposed(&lab, "env/dev-next-web", "web").await?;
    let web = forge.open_pull_request(&shop(), &new("env/dev-next-web")).await?;
    let second = propose(&lab, &forge, "c").await?;
    let found = forge.open_pull_request(&shop(), &new("env/dev-next")).await?;
    assert_eq!(found.number, second.number);
    let by_pair = lab.repository(Method::GET, "/pulls/env%2Fdev/env%2Fdev-next", json!({})).await?;
    assert_eq!(by_pair["number"], first.number.0, "when this fails, the route has become usable");
    let pulls = forge.pull_requests(&shop(), &branch("env/dev-next"), &branch("env/dev")).await?;
    assert_eq!(pulls.iter().map(|pull| pull.number).collect::<Vec<_>>(), [second.number, first.number]);
    let pulls = forge.pull_requests(&shop(), &branch("env/dev-next-web"), &branch("env/dev")).await?;
    assert_eq!(pulls.iter().map(|pull| pull.number).collect::<Vec<_>>(), [web.number]);
    let missing = forge.open_pull_request(&shop(), &new("env/nowhere")).await;
    assert!(matches!(missing, Err(ForgeError::NotFound { .. })), "{missing:?}");
    Ok(())
}

fn words(refused: Result<String, ForgeError>) -> String {
    match refused {
        Err(ForgeError::Refused { words, .. }) => words,
        other => panic!("it should have been refused: {other:?}"),
    }
}

/// One code and one text for three things.
#[tokio::test]
#[ignore = "needs a real Gitea: make test-gitea"]
async fn a_refused_merge_is_understood_by_what_the_pull_request_is() -> TestResult {
    let (lab, forge) = branches(Queue::Fast).await?;
    let (repository, try_to_merge) =
        (shop(), async |pull: &PullRequest| merge(&lab, pull.number, &pull.head_sha).await);
    // It conflicts.
    let conflicting = propose(&lab, &forge, "b").await?;
    lab.push("env/dev", "in between", &[file("b", "2")]).await?;
    let refused = words(try_to_merge(&conflicting).await?);
    assert_eq!(refused, "Gitea still checks it, or it conflicts with `env/dev`; it says the same of both");
    let read = forge.pull_request(&repository, conflicting.number).await?;
    assert_eq!(read.mergeable, Mergeable::Unknown);
    // It was closed.
    forge.close_pull_request(&repository, conflicting.number).await?;
    let closed = try_to_merge(&conflicting).await?;
    assert!(matches!(closed, Err(ForgeError::Moved { .. })), "{closed:?}");
    // There is nothing to merge.
    lab.branch_off("env/dev-same", "env/dev").await?;
    let empty = forge.open_pull_request(&repository, &new("env/dev-same")).await?;
    let refused = words(try_to_merge(&empty).await?);
    assert_eq!(refused, "Gitea finds nothing to merge: `env/dev` has this head already");
    // Its title makes it a draft.
    let draft = propose(&lab, &forge, "c").await?;
    forge.edit_pull_request(&repository, draft.number, "WIP: not yet", "").await?;
    let refused = words(try_to_merge(&draft).await?);
    assert_eq!(refused, "Gitea takes it for a draft, by the beginning of its title");
    forge.edit_pull_request(&repository, draft.number, "Now", "").await?;
    // It has another head by now.
    lab.push("env/dev-next", "one more", &[file("c", "2")]).await?;
    let moved = try_to_merge(&draft).await?;
    assert!(matches!(moved, Err(ForgeError::Moved { .. })), "{moved:?}");
    // A rule of the branch asks for something.
    let rule = json!({"enable_status_check": true, "status_check_contexts": ["ci"]});
    lab.protect("env/dev", rule).await?;
    let now = forge.pull_request(&repository, draft.number).await?;
    let refused = words(try_to_merge(&now).await?);
    assert_eq!(refused, "Not all required status checks successful");
    lab.report(&now.head_sha, "ci", "success").await?;
    // We may not.
    lab.grant(BOT, "read").await?;
    let denied = try_to_merge(&now).await?;
    assert!(matches!(denied, Err(ForgeError::Unauthorised { .. })), "{denied:?}");
    lab.grant(BOT, "admin").await?;
    // The repository is archived.
    lab.repository(Method::PATCH, "", json!({"archived": true})).await?;
    let refused = words(try_to_merge(&now).await?);
    assert!(refused.contains("archived"), "{refused}");
    lab.repository(Method::PATCH, "", json!({"archived": false})).await?;
    try_to_merge(&now).await??;
    Ok(())
}

/// Each push has to pass two queues before the forge merges it.
#[tokio::test]
#[ignore = "needs a real Gitea: make test-gitea"]
async fn a_merge_waits_for_the_forges_own_check() -> TestResult {
    for queue in [Queue::Fast, Queue::Default] {
        let (lab, forge) = branches(queue).await?;
        for path in ["b", "c", "d", "e"] {
            let pull = propose(&lab, &forge, path).await?;
            // The forge takes this in some time later.
            let head = lab.push("env/dev-next", "one more", &[file(path, "2")]).await?;
            let merged = merge(&lab, pull.number, &head).await??;
            assert_eq!(lab.head("env/dev").await?, Some(merged), "{queue:?}");
            assert_eq!(lab.adapter()?.pull_request(&shop(), pull.number).await?.head_sha, head);
        }
    }
    Ok(())
}

/// The forge lets one of them through, and refuses the others as out of date.
#[tokio::test]
#[ignore = "needs a real Gitea: make test-gitea"]
async fn merges_into_one_branch_at_once_are_all_done() -> TestResult {
    let (lab, forge) = branches(Queue::Fast).await?;
    let mut pulls = Vec::new();
    for name in ["one", "two", "three", "four"] {
        proposed(&lab, &format!("env/dev-next-{name}"), name).await?;
        pulls.push(forge.open_pull_request(&shop(), &new(&format!("env/dev-next-{name}"))).await?);
    }
    // Each with an adapter of its own: one sends its writes one after another.
    let merging = pulls.iter().map(async |pull| {
        // Where the others were faster, the service looks at the base again.
        until("it is merged", async || match merge(&lab, pull.number, &pull.head_sha).await? {
            Err(ForgeError::Refused { .. } | ForgeError::Moved { .. }) => Ok(None),
            merged => Ok(Some(merged?)),
        })
        .await
    });
    for merged in futures::future::join_all(merging).await {
        merged?;
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs a real Gitea: make test-gitea"]
async fn comments_are_told_in_the_order_of_their_changes() -> TestResult {
    let (lab, forge) = branches(Queue::Fast).await?;
    let pull = propose(&lab, &forge, "b").await?;
    let issue = lab.repository(Method::POST, "/issues", json!({"title": "An issue"})).await?;
    lab.comment(DEVELOPER, issue["number"].as_u64().ok_or("it has a number")?, "/promote").await?;
    let first = forge.post_comment(&shop(), pull.number, "<!-- hidden --> first").await?;
    // More than a page.
    let mut others = Vec::new();
    for n in 0..60 {
        others.push(lab.comment(DEVELOPER, pull.number.0, &format!("comment {n}")).await?);
    }
    let all = forge.comments(&shop(), pull.number).await?;
    assert_eq!(all.len(), 61);
    assert_eq!((all[0].id, all[0].body.as_str()), (first, "<!-- hidden --> first"));
    assert_eq!(all[1].author.as_ref().map(|author| author.login.as_str()), Some(DEVELOPER));
    // Written first, changed last.
    until_the_next_second(&lab, all[60].updated_at).await?;
    forge.edit_comment(&shop(), pull.number, first, "changed").await?;
    let recent = forge.comments_since(&shop(), Timestamp::UNIX_EPOCH).await?;
    assert_eq!((recent.comments.len(), recent.more), (61, false), "those on issues are not among them");
    let last = recent.comments.last().ok_or("there are comments")?;
    assert_eq!((last.id, last.body.as_str(), Some(last.updated_at)), (first, "changed", recent.read_to));
    let newest = forge.comments_since(&shop(), last.updated_at).await?;
    assert_eq!(newest.comments.iter().map(|comment| comment.id).collect::<Vec<_>>(), [first]);
    assert_eq!(forge.react(&shop(), pull.number, others[0], Reaction::Eyes).await?, Reacted::Now);
    assert_eq!(forge.react(&shop(), pull.number, others[0], Reaction::Eyes).await?, Reacted::Before);
    assert_eq!(forge.react(&shop(), pull.number, others[0], Reaction::Confused).await?, Reacted::Now);
    lab.repository(Method::DELETE, &format!("/issues/comments/{first}"), json!({})).await?;
    let gone = forge.edit_comment(&shop(), pull.number, first, "again").await;
    assert!(matches!(gone, Err(ForgeError::NotFound { .. })), "{gone:?}");
    Ok(())
}

/// Comments by which the clock of the forge goes on.
async fn until_the_next_second(lab: &Lab, after: Timestamp) -> TestResult {
    until("a second has passed", async || {
        let issue = lab.repository(Method::POST, "/issues", json!({"title": "tick"})).await?;
        let at: Timestamp = issue["created_at"].as_str().unwrap_or_default().parse()?;
        Ok((at > after).then_some(()))
    })
    .await
}

#[tokio::test]
#[ignore = "needs a real Gitea: make test-gitea"]
async fn reviews_belong_to_the_commit_that_they_saw() -> TestResult {
    let (lab, forge) = branches(Queue::Fast).await?;
    let pull = propose(&lab, &forge, "b").await?;
    let reviews = format!("/repos/{}/pulls/{}/reviews", shop(), pull.number.0);
    lab.by_password(READER, &reviews, json!({"event": "COMMENT", "body": "hm"})).await?;
    lab.by_password(DEVELOPER, &reviews, json!({"event": "REQUEST_CHANGES", "body": "no"})).await?;
    let approved = lab.by_password(DEVELOPER, &reviews, json!({"event": "APPROVED", "body": "yes"})).await?;
    let told = async |forge: &Gitea| match forge.reviews(&shop(), pull.number).await? {
        Reviews::All(all) => Fallible::Ok(
            all.into_iter()
                .map(|review| format!("{} {:?} {}", review.by.login, review.opinion, review.commit == pull.head_sha))
                .collect::<Vec<_>>(),
        ),
        Reviews::TooMany => Err("there are few".into()),
    };
    // The forge itself takes back what somebody said before.
    let both = [format!("{DEVELOPER} Dismissed true"), format!("{DEVELOPER} Approved true")];
    assert_eq!(told(&forge).await?, both);
    lab.push("env/dev-next", "one more", &[file("c", "1")]).await?;
    assert_eq!(told(&forge).await?, both);
    let dismissal = format!("/pulls/{}/reviews/{}/dismissals", pull.number.0, approved["id"]);
    lab.repository(Method::POST, &dismissal, json!({"message": "no more"})).await?;
    assert_eq!(told(&forge).await?[1], format!("{DEVELOPER} Dismissed true"));
    let base = lab.head("env/dev").await?.ok_or("there is one")?;
    let head = lab.head("env/dev-next").await?.ok_or("there is one")?;
    let authors = forge.authors(&shop(), Some(&base), &head).await?;
    let logins: Vec<_> = authors.iter().filter_map(|a| Some(a.account.as_ref()?.login.as_str())).collect();
    assert_eq!(logins, [DEVELOPER, DEVELOPER]);
    assert_eq!(forge.authors(&shop(), None, &head).await?, [authors[0].clone()]);
    let nowhere = forge.authors(&shop(), None, &"1".repeat(40)).await;
    assert!(matches!(nowhere, Err(ForgeError::NotFound { .. })), "{nowhere:?}");
    Ok(())
}

#[tokio::test]
#[ignore = "needs a real Gitea: make test-gitea"]
async fn rights_and_teams_are_those_of_an_account_by_its_id() -> TestResult {
    let (lab, forge) = branches(Queue::Fast).await?;
    let account = async |login: &str| {
        let user = lab.admin(Method::GET, &format!("/users/{login}"), json!({})).await?;
        Fallible::Ok(Account { id: user["id"].as_u64().ok_or("it has an id")?, login: login.to_owned() })
    };
    let developer = account(DEVELOPER).await?;
    assert_eq!(forge.permission(&shop(), &developer).await?, Permission::Write);
    assert_eq!(forge.permission(&shop(), &account(READER).await?).await?, Permission::Read);
    assert_eq!(forge.permission(&shop(), &account("lab-admin").await?).await?, Permission::Admin);
    let taken_over = Account { id: developer.id + 1_000, ..developer.clone() };
    assert_eq!(forge.permission(&shop(), &taken_over).await?, Permission::None);
    let nobody = Account { id: 77, login: "nobody-here".into() };
    assert_eq!(forge.permission(&shop(), &nobody).await?, Permission::None);
    let among = async |who: &Grantee, account: &Account| forge.is_among(&shop(), who, account).await;
    let user = |login: &str| Grantee::User(login.to_owned());
    assert_eq!(among(&user(DEVELOPER), &developer).await?, Among::Yes);
    assert_eq!(among(&user(DEVELOPER), &taken_over).await?, Among::No);
    assert_eq!(among(&user(READER), &developer).await?, Among::No);
    // Teams are shown to members of the organisation alone.
    let team = Grantee::Team("qa".to_owned());
    assert_eq!(among(&team, &developer).await?, Among::Unknown);
    let units = json!({"repo.code": "read", "repo.pulls": "read"});
    let body = |name: &str| json!({"name": name, "permission": "read", "units_map": units.clone()});
    lab.admin(Method::POST, "/orgs/acme/teams", body("qa-leads")).await?;
    let qa = lab.admin(Method::POST, "/orgs/acme/teams", body("QA")).await?["id"].clone();
    lab.admin(Method::PUT, &format!("/teams/{qa}/members/{DEVELOPER}"), json!({})).await?;
    assert_eq!(among(&team, &developer).await?, Among::Unknown);
    let owners = lab.admin(Method::GET, "/orgs/acme/teams/search?q=Owners", json!({})).await?["data"][0]["id"].clone();
    lab.admin(Method::PUT, &format!("/teams/{owners}/members/{BOT}"), json!({})).await?;
    assert_eq!(among(&team, &developer).await?, Among::Yes);
    assert_eq!(among(&team, &taken_over).await?, Among::No);
    assert_eq!(among(&team, &account(READER).await?).await?, Among::No);
    assert_eq!(among(&Grantee::Team("nobody".into()), &developer).await?, Among::Unknown);
    Ok(())
}

#[tokio::test]
#[ignore = "needs a real Gitea: make test-gitea"]
async fn what_the_token_may_not_do_is_said() -> TestResult {
    let (lab, forge) = branches(Queue::Fast).await?;
    let pull = propose(&lab, &forge, "b").await?;
    let one = PullRequestNumber(pull.number.0);
    let wrong = lab.adapter_of("0123456789abcdef0123456789abcdef01234567")?.account().await;
    assert!(matches!(wrong, Err(ForgeError::Unauthorised { .. })), "{wrong:?}");
    let narrow = lab.adapter_of(&lab.bot_token_for("narrow", &["write:repository"]).await?)?;
    let Err(ForgeError::Unauthorised { words, .. }) = narrow.account().await else { panic!("it may not") };
    assert!(words.contains("read:user"), "{words}");
    let Err(ForgeError::Unauthorised { words, .. }) = narrow.post_comment(&shop(), one, "x").await else {
        panic!("it may not")
    };
    assert!(words.contains("write:issue"), "{words}");
    // Who does not administer the repository is not told what others may do.
    lab.grant(BOT, "write").await?;
    let developer = lab.admin(Method::GET, &format!("/users/{DEVELOPER}"), json!({})).await?;
    let developer = Account { id: developer["id"].as_u64().ok_or("it has an id")?, login: DEVELOPER.into() };
    let untold = forge.permission(&shop(), &developer).await;
    assert!(matches!(untold, Err(ForgeError::Unauthorised { .. })), "{untold:?}");
    // A commit that was never pushed is no trouble of the forge.
    let status = NewStatus { key: key("k"), state: StatusState::Success, description: String::new(), target_url: None };
    let nowhere = "1".repeat(40);
    for answer in [
        forge.post_status(&shop(), &nowhere, &status).await.err(),
        forge.commit_statuses(&shop(), &nowhere).await.err(),
    ] {
        assert!(matches!(answer, Some(ForgeError::NotFound { .. })), "{answer:?}");
    }
    assert_eq!(forge.commit_statuses(&shop(), &pull.head_sha).await?, []);
    lab.repository(Method::DELETE, &format!("/collaborators/{BOT}"), json!({})).await?;
    let hidden = forge.repository(&shop()).await;
    assert!(matches!(hidden, Err(ForgeError::NotFound { .. })), "{hidden:?}");
    Ok(())
}
