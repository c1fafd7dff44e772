//! The local forge over real HTTP and real git, every exchange and webhook held against GitHub's description.

mod calls;
mod independent;
mod pages;
mod pulls;
mod pushes;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::http::HeaderMap;
use hydromote::local_forge::{CommitFiles, LocalForge, NewPull, Options, Permission, RepositoryOptions, Secret};
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

    /// Returns the tip of `main`.
    async fn main(&self) -> Fallible<String> {
        Ok(self.forge.repository(REPOSITORY).await?.branch("main").ok_or("main")?.to_owned())
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
