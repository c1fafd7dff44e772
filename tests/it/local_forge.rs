//! The local forge over real HTTP and real git, every exchange and webhook held against GitHub's description.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::http::HeaderMap;
use hydromote::local_forge::{
    CommitFiles, Fault, FaultKind, LocalForge, MergeOrder, MergeSettings, NewPull, Options, Permission, Protection,
    PullState, Release, RepositoryOptions, ReviewState, Secret, StatusState,
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::contract::Checker;

type TestResult = Result<(), Box<dyn std::error::Error>>;
type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

const REPOSITORY: &str = "acme/shop";

/// A forge with `acme/shop`, the administrator `root`, the writer `dev` and the reader `guest`.
struct Scene {
    dir: tempfile::TempDir,
    forge: LocalForge,
    checker: Checker,
    client: reqwest::Client,
    root: Secret,
    dev: Secret,
    guest: Secret,
}

/// An answer of the API.
struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Reply {
    fn number(&self, field: &str) -> u64 {
        self.body[field].as_u64().unwrap_or_default()
    }
}

impl Scene {
    async fn new() -> Fallible<Self> {
        let dir = tempfile::tempdir()?;
        let checker = Checker::new();
        let mut options = Options::new(dir.path().join("forge"));
        options.observer = Some(checker.observer());
        let forge = LocalForge::start(options).await?;
        let mut tokens = Vec::new();
        for login in ["root", "dev", "guest"] {
            tokens.push(forge.create_user(login).await?.1);
        }
        let files = vec![("README.md".to_owned(), "shop\n".to_owned()), ("app/a.yaml".to_owned(), "a: 1\n".to_owned())];
        forge.create_repository("acme", "shop", RepositoryOptions { files, ..Default::default() }).await?;
        forge.grant(REPOSITORY, "root", Permission::Admin).await?;
        forge.grant(REPOSITORY, "dev", Permission::Write).await?;
        let [root, dev, guest] = <[Secret; 3]>::try_from(tokens).map_err(|_| "three tokens")?;
        let client = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { dir, forge, checker, client, root, dev, guest })
    }

    /// Commits one file to a branch, which is made from the default branch when it is not there.
    async fn commit(&self, branch: &str, path: &str, text: &str) -> Fallible<String> {
        let repository = self.forge.repository(REPOSITORY).await?;
        if repository.branch(branch).is_none() {
            let sha = repository.branch("main").ok_or("main")?.to_owned();
            let body = json!({"ref": format!("refs/heads/{branch}"), "sha": sha});
            self.call(Method::POST, "/git/refs", Some(body), Some(&self.root)).await?;
        }
        let files = vec![(path.to_owned(), text.to_owned())];
        let commit = CommitFiles { branch: branch.to_owned(), message: format!("change {path}"), files };
        Ok(self.forge.commit_files(REPOSITORY, "root", commit).await?)
    }

    /// Opens a pull request of a new branch into `main`.
    async fn pull(&self, branch: &str, path: &str, text: &str) -> Fallible<u64> {
        self.commit(branch, path, text).await?;
        let new = NewPull {
            title: format!("Change {path}"),
            body: Some("Why.".to_owned()),
            head: branch.to_owned(),
            base: "main".to_owned(),
            draft: false,
        };
        Ok(self.forge.as_user("dev").open_pull_request(REPOSITORY, new).await?)
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>, token: Option<&Secret>) -> Fallible<Reply> {
        let url = format!("{}/repos/{REPOSITORY}{path}", self.forge.api_url());
        let mut request = self.client.request(method, url);
        if let Some(token) = token {
            request = request.bearer_auth(token.expose());
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        reply(request).await
    }

    async fn get(&self, path: &str) -> Fallible<Reply> {
        self.call(Method::GET, path, None, Some(&self.dev)).await
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> Fallible<Reply> {
        self.call(method, path, Some(body), Some(&self.dev)).await
    }

    /// Clones as a user.
    async fn clone_as(&self, login: &str, token: &Secret, folder: &str) -> Fallible<PathBuf> {
        let path = self.dir.path().join(folder);
        let url = self.forge.clone_url(REPOSITORY).replace("http://", &format!("http://{login}:{}@", token.expose()));
        run_git(self.dir.path(), &["clone", "-q", &url, folder]).await?;
        Ok(path)
    }

    async fn finish(self) -> TestResult {
        self.forge.webhooks_sent().await;
        self.checker.finish()?;
        self.forge.shutdown().await?;
        Ok(())
    }
}

async fn reply(request: reqwest::RequestBuilder) -> Fallible<Reply> {
    let response = request.timeout(Duration::from_secs(20)).send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await?;
    let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text)? };
    Ok(Reply { status, headers, body })
}

async fn try_git(folder: &Path, arguments: &[&str]) -> Fallible<(bool, String)> {
    #[expect(clippy::disallowed_methods, reason = "people use git as it is")]
    let mut command = Command::new("git");
    command.current_dir(folder).args(arguments).kill_on_drop(true);
    for (name, value) in [
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_AUTHOR_NAME", "dev"),
        ("GIT_AUTHOR_EMAIL", "dev@users.local-forge.invalid"),
        ("GIT_COMMITTER_NAME", "dev"),
        ("GIT_COMMITTER_EMAIL", "dev@users.local-forge.invalid"),
    ] {
        command.env(name, value);
    }
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(name);
    }
    let output = tokio::time::timeout(Duration::from_secs(60), command.output()).await??;
    let words = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&words).trim().to_owned()))
}

async fn run_git(folder: &Path, arguments: &[&str]) -> Fallible<String> {
    match try_git(folder, arguments).await? {
        (true, words) => Ok(words),
        (false, words) => Err(format!("git {arguments:?}: {words}").into()),
    }
}

async fn commit_file(folder: &Path, path: &str, text: &str) -> Fallible<String> {
    tokio::fs::write(folder.join(path), text).await?;
    run_git(folder, &["add", "."]).await?;
    run_git(folder, &["commit", "-q", "-m", &format!("write {path}")]).await?;
    run_git(folder, &["rev-parse", "HEAD"]).await
}

/// What a webhook's receiver got: the headers and the body.
type Received = Arc<Mutex<Vec<(HeaderMap, String)>>>;

fn events(received: &Received) -> Vec<String> {
    let received = received.lock().unwrap_or_else(PoisonError::into_inner);
    let name = |(headers, body): &(HeaderMap, String)| {
        let event = headers.get("x-github-event").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        body["action"].as_str().map_or_else(|| event.to_owned(), |action| format!("{event}.{action}"))
    };
    received.iter().map(name).collect()
}

/// Starts a receiver and returns its address.
async fn receiver() -> Fallible<(String, Received)> {
    let received = Received::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/hook", listener.local_addr()?);
    let keep = Arc::clone(&received);
    let router = axum::Router::new().fallback(move |headers: HeaderMap, body: String| async move {
        keep.lock().unwrap_or_else(PoisonError::into_inner).push((headers, body));
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok((url, received))
}

#[tokio::test]
async fn every_described_operation_without_an_app_is_there() -> TestResult {
    let scene = Scene::new().await?;
    scene.commit("topic/one", "app/b.yaml", "b: 1\n").await?;
    let new = json!({"title": "One", "head": "topic/one", "base": "main", "body": "Why."});
    let number = scene.send(Method::POST, "/pulls", new).await?.number("number");
    let sha = scene.forge.pull_request(REPOSITORY, number).await?.head_sha;
    scene.forge.protect(REPOSITORY, "main", Some(Protection { strict: true, ..Default::default() })).await?;
    let hook = json!({"config": {"url": "http://127.0.0.1:9/", "content_type": "json"}, "events": ["push"]});
    let hook = scene.call(Method::POST, "/hooks", Some(hook), Some(&scene.root)).await?;
    assert_eq!(hook.status, 201);
    scene.forge.webhooks_sent().await;
    let hook = hook.number("id");

    let comment = scene.send(Method::POST, &format!("/issues/{number}/comments"), json!({"body": "hello"})).await?;
    let comment = comment.number("id");
    let run = json!({"name": "build", "head_sha": sha, "status": "in_progress"});
    let run = scene.send(Method::POST, "/check-runs", run).await?.number("id");
    let status = json!({"state": "success", "context": "health", "description": "fine", "target_url": "http://x/"});
    assert_eq!(scene.send(Method::POST, &format!("/statuses/{sha}"), status).await?.status, 201);
    let deployment = json!({"ref": "main", "environment": "dev", "required_contexts": []});
    let deployment = scene.send(Method::POST, "/deployments", deployment).await?.number("id");

    for path in [
        String::new(),
        "/pulls?state=all&head=acme:topic/one&base=main&sort=created&direction=asc".to_owned(),
        format!("/pulls/{number}"),
        format!("/pulls/{number}/commits"),
        format!("/pulls/{number}/files"),
        format!("/pulls/{number}/reviews"),
        format!("/issues/{number}/comments"),
        format!("/issues/{number}/labels"),
        format!("/commits/{sha}/status"),
        format!("/commits/{sha}/statuses"),
        "/commits/topic/one/status".to_owned(),
        "/commits/heads%2Ftopic%2Fone/status".to_owned(),
        format!("/commits/{sha}/check-runs?filter=latest"),
        format!("/commits/{sha}/check-suites"),
        format!("/commits/{sha}"),
        format!("/commits/{sha}/pulls"),
        "/branches".to_owned(),
        "/branches/topic/one".to_owned(),
        "/git/ref/heads/topic/one".to_owned(),
        "/compare/main...topic/one".to_owned(),
        "/collaborators/guest/permission".to_owned(),
    ] {
        assert_eq!(scene.get(&path).await?.status, 200, "GET {path}");
    }
    for (method, path, body, expected) in [
        (Method::PATCH, format!("/issues/comments/{comment}"), json!({"body": "hello again"}), 200),
        (Method::POST, format!("/issues/comments/{comment}/reactions"), json!({"content": "+1"}), 201),
        (Method::POST, format!("/issues/comments/{comment}/reactions"), json!({"content": "+1"}), 200),
        (Method::PATCH, format!("/check-runs/{run}"), json!({"status": "completed", "conclusion": "success"}), 200),
        (Method::POST, "/labels".to_owned(), json!({"name": "promotion", "color": "00ff00"}), 201),
        (Method::POST, "/labels".to_owned(), json!({"name": "promotion", "color": "00ff00"}), 422),
        (Method::POST, format!("/issues/{number}/labels"), json!({"labels": ["promotion"]}), 200),
        (Method::PUT, format!("/issues/{number}/labels"), json!({"labels": ["one", "two"]}), 200),
        (Method::POST, format!("/deployments/{deployment}/statuses"), json!({"state": "success"}), 201),
        (Method::POST, "/git/refs".to_owned(), json!({"ref": "refs/heads/spare", "sha": sha}), 201),
        (Method::PATCH, "/git/refs/heads/spare".to_owned(), json!({"sha": sha, "force": false}), 200),
        (Method::PATCH, format!("/pulls/{number}"), json!({"title": "New title", "state": "open"}), 200),
    ] {
        let reply = scene.send(method.clone(), &path, body).await?;
        assert_eq!(reply.status, expected, "{method} {path}: {}", reply.body);
    }
    for path in [format!("/issues/{number}/labels/one"), "/git/refs/heads/spare".to_owned()] {
        assert!(scene.call(Method::DELETE, &path, None, Some(&scene.dev)).await?.status < 300, "DELETE {path}");
    }
    let root = Some(&scene.root);
    assert_eq!(scene.call(Method::GET, "/branches/main/protection", None, root).await?.status, 200);
    let deliveries = scene.call(Method::GET, &format!("/hooks/{hook}/deliveries"), None, root).await?;
    let delivery = deliveries.body[0]["id"].as_u64().ok_or("a delivery")?;
    let again = format!("/hooks/{hook}/deliveries/{delivery}/attempts");
    assert_eq!(scene.call(Method::POST, &again, None, root).await?.status, 202);
    for path in ["user", "rate_limit"] {
        let request = scene.client.get(format!("{}/{path}", scene.forge.api_url())).bearer_auth(scene.dev.expose());
        assert_eq!(reply(request).await?.status, 200, "GET {path}");
    }
    let merged = scene.send(Method::PUT, &format!("/pulls/{number}/merge"), json!({"merge_method": "squash"})).await?;
    assert_eq!((merged.status, merged.body["merged"].as_bool()), (200, Some(true)));

    let seen = scene.checker.seen();
    let missing: Vec<String> = scene.checker.described().into_iter().filter(|id| !seen.contains(id)).collect();
    assert!(missing.iter().all(|id| id.starts_with("apps/")), "never called: {missing:?}");
    scene.finish().await
}

#[tokio::test]
async fn a_pull_request_that_cannot_be_opened_is_refused_in_githubs_words() -> TestResult {
    let scene = Scene::new().await?;
    scene.pull("topic", "app/b.yaml", "b: 1\n").await?;
    scene.send(Method::POST, "/git/refs", json!({"ref": "refs/heads/same", "sha": scene.main().await?})).await?;
    let open = async |head: &str, base: &str| {
        let body = json!({"title": "t", "head": head, "base": base});
        scene.send(Method::POST, "/pulls", body).await
    };
    let twice = open("topic", "main").await?;
    assert_eq!(twice.status, 422);
    assert_eq!(twice.body["message"], "Validation Failed");
    assert_eq!(twice.body["errors"][0]["message"], "A pull request already exists for acme:topic.");
    let same = open("same", "main").await?;
    assert_eq!(same.body["errors"][0]["message"], "No commits between main and same");
    let absent = open("absent", "main").await?;
    assert_eq!(absent.body["errors"][0], json!({"resource": "PullRequest", "field": "head", "code": "invalid"}));
    scene.finish().await
}

#[tokio::test]
async fn mergeable_is_unknown_first_and_again_after_every_change() -> TestResult {
    let scene = Scene::new().await?;
    let number = scene.pull("topic", "app/a.yaml", "a: 2\n").await?;
    let standing = async || {
        let pull = scene.get(&format!("/pulls/{number}")).await?.body;
        Ok::<_, Box<dyn std::error::Error>>((pull["mergeable"].clone(), pull["mergeable_state"].clone()))
    };
    assert_eq!(standing().await?, (Value::Null, json!("unknown")));
    assert_eq!(standing().await?, (json!(true), json!("clean")));
    let sha = scene.forge.pull_request(REPOSITORY, number).await?.head_sha;
    scene.forge.as_user("dev").report_status(REPOSITORY, &sha, "health", StatusState::Pending).await?;
    assert_eq!(standing().await?, (json!(true), json!("unstable")));
    let rules = Protection { required_contexts: vec!["health".to_owned()], ..Default::default() };
    scene.forge.protect(REPOSITORY, "main", Some(rules)).await?;
    assert_eq!(standing().await?, (json!(true), json!("blocked")));
    scene.commit("main", "app/a.yaml", "a: 3\n").await?;
    assert_eq!(standing().await?, (Value::Null, json!("unknown")));
    assert_eq!(standing().await?, (json!(false), json!("dirty")));
    scene.finish().await
}

#[tokio::test]
async fn merge_is_refused_when_the_head_moved() -> TestResult {
    let scene = Scene::new().await?;
    let number = scene.pull("topic", "app/b.yaml", "b: 1\n").await?;
    let seen = scene.forge.pull_request(REPOSITORY, number).await?.head_sha;
    let now = scene.commit("topic", "app/b.yaml", "b: 2\n").await?;
    let path = format!("/pulls/{number}/merge");
    let stale = scene.send(Method::PUT, &path, json!({"sha": seen})).await?;
    assert_eq!(stale.status, 409);
    assert_eq!(stale.body["message"], "Head branch was modified. Review and try the merge again.");
    assert_eq!(scene.send(Method::PUT, &path, json!({"sha": now})).await?.status, 200);
    let again = scene.send(Method::PUT, &path, json!({"sha": now})).await?;
    assert_eq!((again.status, again.body["message"].as_str()), (405, Some("Pull Request is not mergeable")));
    scene.finish().await
}

#[tokio::test]
async fn merge_is_refused_for_conflicts_drafts_and_missing_approvals() -> TestResult {
    let scene = Scene::new().await?;
    let conflict = scene.pull("conflict", "app/a.yaml", "a: 2\n").await?;
    let blocked = scene.pull("blocked", "app/c.yaml", "c: 1\n").await?;
    scene.commit("main", "app/a.yaml", "a: 3\n").await?;
    scene.commit("draft", "app/d.yaml", "d: 1\n").await?;
    let draft = json!({"title": "Draft", "head": "draft", "base": "main", "draft": true});
    let draft = scene.send(Method::POST, "/pulls", draft).await?.number("number");
    let merge = async |number: u64| scene.send(Method::PUT, &format!("/pulls/{number}/merge"), json!({})).await;
    assert_eq!(merge(conflict).await?.status, 405);
    assert_eq!(merge(draft).await?.status, 405);
    let rules = Protection { required_approvals: 1, dismiss_stale_reviews: true, ..Default::default() };
    scene.forge.protect(REPOSITORY, "main", Some(rules)).await?;
    assert_eq!(merge(blocked).await?.status, 405);
    let own = scene.forge.as_user("dev").review(REPOSITORY, blocked, ReviewState::Approved, "").await;
    assert_eq!(own.map_err(|refusal| refusal.status), Err(422));
    scene.forge.as_user("root").review(REPOSITORY, blocked, ReviewState::Approved, "fine").await?;
    scene.commit("blocked", "app/c.yaml", "c: 2\n").await?;
    assert_eq!(merge(blocked).await?.status, 405, "the approval was for an earlier head");
    scene.forge.as_user("root").review(REPOSITORY, blocked, ReviewState::Approved, "fine").await?;
    assert_eq!(merge(blocked).await?.status, 200);
    scene.finish().await
}

#[tokio::test]
async fn merged_commits_carry_githubs_messages_or_the_callers() -> TestResult {
    let scene = Scene::new().await?;
    let message = async |sha: &str| {
        let commit = scene.get(&format!("/commits/{sha}")).await?.body;
        Ok::<_, Box<dyn std::error::Error>>(commit["commit"]["message"].as_str().unwrap_or_default().to_owned())
    };
    let merge = scene.pull("one", "app/1.yaml", "x: 1\n").await?;
    let sha = scene.forge.as_user("dev").merge(REPOSITORY, merge, MergeOrder::default()).await?;
    assert_eq!(message(&sha).await?, format!("Merge pull request #{merge} from acme/one\n\nChange app/1.yaml"));
    let squash = scene.pull("two", "app/2.yaml", "x: 1\n").await?;
    let body = json!({"merge_method": "squash"});
    let sha = scene.send(Method::PUT, &format!("/pulls/{squash}/merge"), body).await?.body["sha"].clone();
    assert_eq!(message(sha.as_str().ok_or("sha")?).await?, format!("change app/2.yaml (#{squash})"));
    let own = scene.pull("three", "app/3.yaml", "x: 1\n").await?;
    let body = json!({"commit_title": "Promote", "commit_message": "Dry-Sha: 1"});
    let sha = scene.send(Method::PUT, &format!("/pulls/{own}/merge"), body).await?.body["sha"].clone();
    assert_eq!(message(sha.as_str().ok_or("sha")?).await?, "Promote\n\nDry-Sha: 1");
    scene.finish().await
}

#[tokio::test]
async fn a_push_moves_the_head_and_a_deleted_branch_closes_its_pull_request() -> TestResult {
    let scene = Scene::new().await?;
    let (url, received) = receiver().await?;
    let secret = Secret::new("hook-secret");
    scene.forge.add_webhook(REPOSITORY, &url, Some(secret), &["*"]).await?;
    let clone = scene.clone_as("dev", &scene.dev, "work").await?;
    run_git(&clone, &["switch", "-q", "-c", "topic"]).await?;
    let first = commit_file(&clone, "app/b.yaml", "b: 1\n").await?;
    run_git(&clone, &["push", "-q", "origin", "topic"]).await?;
    let body = json!({"title": "Topic", "head": "acme:topic", "base": "main"});
    let number = scene.send(Method::POST, "/pulls", body).await?.number("number");
    let second = commit_file(&clone, "app/b.yaml", "b: 2\n").await?;
    run_git(&clone, &["push", "-q", "origin", "topic"]).await?;
    let pull = scene.forge.pull_request(REPOSITORY, number).await?;
    assert_eq!(pull.head_sha, second);
    assert_ne!(first, second);
    let kept = run_git(&clone, &["ls-remote", "origin", &format!("refs/pull/{number}/head")]).await?;
    assert!(kept.starts_with(&second));
    run_git(&clone, &["push", "-q", "origin", ":topic"]).await?;
    assert_eq!(scene.forge.pull_request(REPOSITORY, number).await?.state, PullState::Closed);
    scene.forge.webhooks_sent().await;
    assert_eq!(
        events(&received),
        ["ping", "push", "pull_request.opened", "push", "pull_request.synchronize", "push", "pull_request.closed"],
    );
    let guids: Vec<_> = scene.forge.deliveries(REPOSITORY).await?.into_iter().map(|one| one.guid).collect();
    assert_eq!(guids.len(), 7);
    {
        let received = received.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(received.iter().all(|(headers, _)| headers.contains_key("x-hub-signature-256")));
        assert!(received.iter().zip(&guids).all(|((headers, _), guid)| headers["x-github-delivery"] == *guid));
    }
    scene.finish().await
}

#[tokio::test]
async fn a_merge_deletes_the_head_branch_when_the_repository_says_so() -> TestResult {
    let scene = Scene::new().await?;
    let settings = MergeSettings { delete_branch_on_merge: true, allow_rebase_merge: false, ..Default::default() };
    scene.forge.set_merge_settings(REPOSITORY, settings).await?;
    let number = scene.pull("topic", "app/b.yaml", "b: 1\n").await?;
    let merge = format!("/pulls/{number}/merge");
    assert_eq!(scene.send(Method::PUT, &merge, json!({"merge_method": "rebase"})).await?.status, 405);
    assert_eq!(scene.send(Method::PUT, &merge, json!({"merge_method": "merge"})).await?.status, 200);
    assert_eq!(scene.forge.repository(REPOSITORY).await?.branch("topic"), None);
    assert_eq!(scene.forge.pull_request(REPOSITORY, number).await?.state, PullState::Merged);
    let pull = scene.get(&format!("/pulls/{number}")).await?.body;
    assert_eq!((pull["merged"].clone(), pull["changed_files"].clone()), (json!(true), json!(1)));
    scene.finish().await
}

#[tokio::test]
async fn a_push_counts_although_its_answer_was_lost() -> TestResult {
    let scene = Scene::new().await?;
    let clone = scene.clone_as("dev", &scene.dev, "work").await?;
    let tip = commit_file(&clone, "app/b.yaml", "b: 1\n").await?;
    scene.forge.fail(Fault {
        method: Some("POST".to_owned()),
        path_contains: "/git-receive-pack".to_owned(),
        times: 1,
        kind: FaultKind::AnswerLost(502),
    });
    assert!(!try_git(&clone, &["push", "origin", "main"]).await?.0);
    assert_eq!(scene.main().await?, tip);
    scene.finish().await
}

#[tokio::test]
async fn a_push_that_is_larger_than_gits_buffer_arrives_in_chunks() -> TestResult {
    let scene = Scene::new().await?;
    let clone = scene.clone_as("dev", &scene.dev, "work").await?;
    // Lines that do not compress, so that the pack stays above the buffer of 64 KiB.
    let text: String = (0..20_000_u64).map(|n| format!("{:x}\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    let tip = commit_file(&clone, "large.txt", &text).await?;
    run_git(&clone, &["-c", "http.postBuffer=65536", "push", "-q", "origin", "main"]).await?;
    assert_eq!(scene.main().await?, tip);
    let again = scene.clone_as("guest", &scene.guest, "again").await?;
    assert_eq!(tokio::fs::read_to_string(again.join("large.txt")).await?, text);
    scene.finish().await
}

#[tokio::test]
async fn of_two_pushes_with_the_same_lease_one_wins() -> TestResult {
    let scene = Scene::new().await?;
    let base = scene.commit("env", "app/a.yaml", "a: 0\n").await?;
    let one = scene.clone_as("dev", &scene.dev, "one").await?;
    let two = scene.clone_as("root", &scene.root, "two").await?;
    let mut tips = Vec::new();
    for (clone, text) in [(&one, "a: 1\n"), (&two, "a: 2\n")] {
        run_git(clone, &["switch", "-q", "env"]).await?;
        tips.push(commit_file(clone, "app/a.yaml", text).await?);
    }
    let lease = format!("--force-with-lease=env:{base}");
    let arguments = ["push", "-q", "--atomic", &lease, "origin", "env"];
    let (first, second) = tokio::join!(try_git(&one, &arguments), try_git(&two, &arguments));
    let outcomes = [first?.0, second?.0];
    assert_eq!(outcomes.iter().filter(|won| **won).count(), 1, "{outcomes:?}");
    let winner = if outcomes[0] { &tips[0] } else { &tips[1] };
    assert_eq!(scene.forge.repository(REPOSITORY).await?.branch("env"), Some(winner.as_str()));
    scene.finish().await
}

#[tokio::test]
async fn a_protected_branch_refuses_a_push_and_with_it_an_atomic_one() -> TestResult {
    let scene = Scene::new().await?;
    scene
        .forge
        .protect(REPOSITORY, "main", Some(Protection { require_pull_request: true, ..Default::default() }))
        .await?;
    let clone = scene.clone_as("dev", &scene.dev, "work").await?;
    commit_file(&clone, "app/b.yaml", "b: 1\n").await?;
    let main = scene.main().await?;
    let (pushed, words) =
        try_git(&clone, &["push", "--atomic", "origin", "HEAD:refs/heads/main", "HEAD:refs/heads/free"]).await?;
    assert!(!pushed && words.contains("GH006"), "{words}");
    assert_eq!(scene.main().await?, main);
    assert_eq!(scene.forge.repository(REPOSITORY).await?.branch("free"), None);
    let (pushed, _) = try_git(&clone, &["push", "origin", "HEAD:refs/heads/main", "HEAD:refs/heads/free"]).await?;
    assert!(!pushed);
    assert!(scene.forge.repository(REPOSITORY).await?.branch("free").is_some());
    let admin = scene.clone_as("root", &scene.root, "admin").await?;
    commit_file(&admin, "app/c.yaml", "c: 1\n").await?;
    run_git(&admin, &["push", "-q", "origin", "main"]).await?;
    let (pushed, words) = try_git(&clone, &["push", "origin", "HEAD:refs/pull/1/head"]).await?;
    assert!(!pushed, "{words}");
    scene.finish().await
}

#[tokio::test]
async fn rights_are_asked_for() -> TestResult {
    let scene = Scene::new().await?;
    let number = scene.pull("topic", "app/b.yaml", "b: 1\n").await?;
    let wrong = scene.call(Method::GET, "", None, Some(&Secret::new("wrong"))).await?;
    assert_eq!((wrong.status, wrong.body["message"].as_str()), (401, Some("Bad credentials")));
    assert_eq!(scene.call(Method::GET, "/pulls", None, None).await?.status, 200);
    let merge = format!("/pulls/{number}/merge");
    assert_eq!(scene.call(Method::PUT, &merge, Some(json!({})), None).await?.status, 401);
    assert_eq!(scene.call(Method::PUT, &merge, Some(json!({})), Some(&scene.guest)).await?.status, 403);
    scene.forge.create_repository("acme", "hidden", RepositoryOptions { private: true, ..Default::default() }).await?;
    let hidden = scene.client.get(format!("{}/repos/acme/hidden", scene.forge.api_url()));
    assert_eq!(reply(hidden.bearer_auth(scene.guest.expose())).await?.status, 404);
    let clone = scene.clone_as("guest", &scene.guest, "guest").await?;
    commit_file(&clone, "x", "x").await?;
    assert!(!try_git(&clone, &["push", "origin", "HEAD:refs/heads/x"]).await?.0);
    scene.finish().await
}

#[tokio::test]
async fn lists_have_pages_and_unchanged_answers_cost_nothing() -> TestResult {
    let scene = Scene::new().await?;
    let number = scene.pull("topic", "app/b.yaml", "b: 1\n").await?;
    for text in ["one", "two", "three"] {
        scene.forge.as_user("guest").comment(REPOSITORY, number, text).await?;
    }
    let first = scene.get(&format!("/issues/{number}/comments?per_page=2")).await?;
    let link = first.headers["link"].to_str()?.to_owned();
    let next = link.split(';').next().ok_or("a link")?.trim_matches(['<', '>']).to_owned();
    assert!(link.contains("rel=\"next\""), "{link}");
    let second = reply(scene.client.get(next)).await?;
    assert_eq!(second.body[0]["body"], "three");
    let url = format!("{}/repos/{REPOSITORY}/issues/{number}/comments?per_page=2", scene.forge.api_url());
    let known = scene.client.get(&url).bearer_auth(scene.dev.expose());
    let unchanged = reply(known.header("if-none-match", first.headers["etag"].clone())).await?;
    assert_eq!(unchanged.status, 304);
    assert_eq!(unchanged.headers["x-ratelimit-used"], first.headers["x-ratelimit-used"]);
    scene.finish().await
}

#[tokio::test]
async fn a_status_can_be_reported_a_thousand_times_and_not_once_more() -> TestResult {
    let scene = Scene::new().await?;
    let sha = scene.main().await?;
    for _ in 0..1_000 {
        scene.forge.as_user("dev").report_status(REPOSITORY, &sha, "noisy", StatusState::Pending).await?;
    }
    let body = json!({"state": "success", "context": "noisy"});
    assert_eq!(scene.send(Method::POST, &format!("/statuses/{sha}"), body).await?.status, 422);
    let body = json!({"state": "success", "context": "quiet"});
    assert_eq!(scene.send(Method::POST, &format!("/statuses/{sha}"), body).await?.status, 201);
    assert_eq!(scene.get(&format!("/commits/{sha}/status")).await?.body["state"], "pending");
    scene.finish().await
}

#[tokio::test]
async fn calls_and_webhooks_go_wrong_when_asked_to() -> TestResult {
    let scene = Scene::new().await?;
    let (url, received) = receiver().await?;
    let fault = |kind| Fault { method: None, path_contains: "/pulls".to_owned(), times: 1, kind };
    scene.forge.fail(fault(FaultKind::RateLimited { retry_after: 7 }));
    let limited = scene.get("/pulls").await?;
    assert_eq!((limited.status, limited.headers["retry-after"].to_str()?), (429, "7"));
    assert_eq!(scene.get("/pulls").await?.status, 200);
    scene.commit("topic", "app/b.yaml", "b: 1\n").await?;
    scene.forge.fail(fault(FaultKind::AnswerLost(502)));
    let body = json!({"title": "Topic", "head": "topic", "base": "main"});
    assert_eq!(scene.send(Method::POST, "/pulls", body).await?.status, 502);
    assert_eq!(scene.forge.pull_requests(REPOSITORY).await?.len(), 1);

    let hook = scene.forge.add_webhook(REPOSITORY, &url, None, &["status"]).await?;
    scene.forge.webhooks_sent().await;
    let sha = scene.main().await?;
    let report = async |context: &str| {
        scene.forge.as_user("dev").report_status(REPOSITORY, &sha, context, StatusState::Success).await
    };
    scene.forge.lose_webhooks(1);
    report("lost").await?;
    scene.forge.hold_webhooks();
    report("first").await?;
    report("second").await?;
    scene.forge.webhooks_sent().await;
    assert_eq!(events(&received), ["ping"]);
    assert_eq!(scene.forge.release_webhooks(Release::Reversed), 2);
    scene.forge.webhooks_sent().await;
    let lost = scene.forge.deliveries(REPOSITORY).await?.into_iter().find(|one| one.status_code == 0).ok_or("lost")?;
    let again = format!("/hooks/{hook}/deliveries/{}/attempts", lost.id);
    assert_eq!(scene.call(Method::POST, &again, None, Some(&scene.root)).await?.status, 202);
    scene.forge.webhooks_sent().await;
    {
        let received = received.lock().unwrap_or_else(PoisonError::into_inner);
        let contexts: Vec<Value> = received
            .iter()
            .skip(1)
            .filter_map(|(_, body)| serde_json::from_str::<Value>(body).ok())
            .map(|body| body["context"].clone())
            .collect();
        assert_eq!(contexts, ["second", "first", "lost"]);
        assert!(received.last().is_some_and(|(headers, _)| headers["x-github-delivery"] == lost.guid));
    }
    scene.finish().await
}

#[tokio::test]
async fn a_forge_is_found_again_in_its_folder() -> TestResult {
    let scene = Scene::new().await?;
    let number = scene.pull("topic", "app/b.yaml", "b: 1\n").await?;
    scene.forge.as_user("guest").comment(REPOSITORY, number, "hello").await?;
    let before = scene.forge.repository(REPOSITORY).await?;
    scene.checker.finish()?;
    scene.forge.shutdown().await?;
    let again = LocalForge::start(Options::new(scene.dir.path().join("forge"))).await?;
    let after = again.repository(REPOSITORY).await?;
    assert_eq!((after.pulls, after.comments, after.refs), (before.pulls, before.comments, before.refs));
    let request = reqwest::Client::builder().no_proxy().build()?.get(format!("{}/user", again.api_url()));
    assert_eq!(reply(request.bearer_auth(scene.dev.expose())).await?.body["login"], "dev");
    again.shutdown().await?;
    Ok(())
}

#[tokio::test]
async fn octocrabs_own_models_read_the_answers() -> TestResult {
    let scene = Scene::new().await?;
    let number = scene.pull("topic", "app/b.yaml", "b: 1\n").await?;
    let sha = scene.forge.pull_request(REPOSITORY, number).await?.head_sha;
    scene.forge.as_user("dev").report_status(REPOSITORY, &sha, "health", StatusState::Success).await?;
    let github = octocrab::Octocrab::builder()
        .base_uri(scene.forge.api_url())?
        .personal_token(scene.dev.expose())
        .add_retry_config(octocrab::service::middleware::retry::RetryConfig::None)
        .build()?;
    let repository = github.repos("acme", "shop").get().await?;
    assert_eq!(repository.default_branch.as_deref(), Some("main"));
    let pulls = github.pulls("acme", "shop").list().head("acme:topic").base("main").send().await?;
    assert_eq!(pulls.items.len(), 1);
    assert_eq!(github.pulls("acme", "shop").get(number).await?.head.sha, sha);
    let reference = octocrab::params::repos::Reference::Branch("topic".to_owned());
    let combined = github.repos("acme", "shop").combined_status_for_ref(&reference).await?;
    assert_eq!(combined.statuses[0].context.as_deref(), Some("health"));
    let merged =
        github.pulls("acme", "shop").merge(number).sha("0000000000000000000000000000000000000000").send().await;
    assert!(matches!(merged, Err(octocrab::Error::GitHub { source, .. }) if source.status_code.as_u16() == 409));
    assert_eq!(github.current().user().await?.login, "dev");
    scene.finish().await
}

/// A visitor of the pages.
struct Browser<'a> {
    scene: &'a Scene,
    cookie: String,
}

impl Browser<'_> {
    async fn open(&self, path: &str) -> Fallible<(u16, String)> {
        let request = self.scene.client.get(format!("{}{path}", self.scene.forge.url())).header("cookie", &self.cookie);
        let response = request.send().await?;
        Ok((response.status().as_u16(), response.text().await?))
    }

    /// Sends a form with the token of the page at `from`.
    async fn submit(&mut self, from: &str, path: &str, fields: &str) -> Fallible<u16> {
        let page = self.open(from).await?.1;
        let token = page.split("name=\"form_token\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        self.send(path, &format!("form_token={}&{fields}", token.ok_or("a form")?), self.scene.forge.url()).await
    }

    async fn send(&mut self, path: &str, body: &str, origin: &str) -> Fallible<u16> {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
        let request = client
            .post(format!("{}{path}", self.scene.forge.url()))
            .header("cookie", &self.cookie)
            .header("origin", origin)
            .header("content-type", "application/x-www-form-urlencoded");
        let response = request.body(body.to_owned()).send().await?;
        if let Some(cookie) = response.headers().get("set-cookie") {
            self.cookie = cookie.to_str()?.split(';').next().unwrap_or_default().to_owned();
        }
        Ok(response.status().as_u16())
    }
}

#[tokio::test]
async fn a_person_can_look_and_act_on_the_pages() -> TestResult {
    let scene = Scene::new().await?;
    let number = scene.pull("topic/one", "app/b.yaml", "b: <script>\n").await?;
    let sha = scene.forge.pull_request(REPOSITORY, number).await?.head_sha;
    scene.forge.as_user("guest").comment(REPOSITORY, number, "<img src=x> & more").await?;
    let pull = format!("/{REPOSITORY}/pull/{number}");
    let mut browser = Browser { scene: &scene, cookie: String::new() };
    for path in [
        "/".to_owned(),
        format!("/{REPOSITORY}"),
        pull.clone(),
        format!("/{REPOSITORY}/commit/{sha}"),
        format!("/{REPOSITORY}/tree/topic/one"),
        format!("/{REPOSITORY}/tree/topic/one/app/b.yaml"),
    ] {
        let (status, page) = browser.open(&path).await?;
        assert_eq!(status, 200, "{path}: {page}");
        assert!(!page.contains("<script>") && !page.contains("<img"), "{path}");
    }
    assert_eq!(browser.open(&format!("/{REPOSITORY}/pull/99")).await?.0, 404);
    assert_eq!(browser.submit("/", "/-/login", "login=dev").await?, 303);
    assert!(browser.open(&pull).await?.1.contains("You are <strong>dev</strong>"));
    assert_eq!(browser.submit(&pull, &format!("{pull}/comment"), "text=looks+good").await?, 303);
    assert_eq!(browser.send(&format!("{pull}/close"), "form_token=guessed", scene.forge.url()).await?, 403);
    assert_eq!(browser.submit(&pull, &format!("{pull}/close"), "").await?, 303);
    assert_eq!(browser.submit(&pull, &format!("{pull}/reopen"), "").await?, 303);
    assert_eq!(browser.submit(&pull, &format!("{pull}/merge"), "method=merge&sha=old").await?, 409);
    assert_eq!(browser.submit(&pull, &format!("{pull}/merge"), &format!("method=squash&sha={sha}")).await?, 303);
    assert!(browser.open(&pull).await?.1.contains("Merged as"));
    let foreign = scene.client.get(scene.forge.url()).header("host", "evil.example.com").send().await?;
    assert_eq!(foreign.status().as_u16(), 421);
    scene.finish().await
}

impl Scene {
    /// Returns the tip of `main`.
    async fn main(&self) -> Fallible<String> {
        Ok(self.forge.repository(REPOSITORY).await?.branch("main").ok_or("main")?.to_owned())
    }
}
