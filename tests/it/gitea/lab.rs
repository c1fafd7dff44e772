//! A real Gitea with an organisation, a repository and the people around it.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hydromote::{
    domain::ids::RepositoryId,
    forge::gitea::{Gitea, GiteaOptions, Limits},
};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::{
    program::{API_TOKEN, WEBHOOK_SECRET, until},
    world::{BOT, DEVELOPER, Fallible, READER, REPOSITORY, TestResult},
};

/// Who may do everything.
const ADMIN: &str = "lab-admin";
/// How often a server is started before there is none: another program may take its port first.
const STARTS: usize = 3;
/// The password of everybody.
pub(crate) const PASSWORD: &str = "a-password-of-the-lab";
/// What the service's token may do, as the documentation asks for it.
const SCOPES: [&str; 4] = ["write:repository", "write:issue", "read:user", "read:organization"];

/// How the server passes on what was pushed, and sends webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queue {
    /// At once.
    Fast,
    /// As it is unless somebody sets it: from a file that is looked at every two seconds.
    Default,
}

/// A running server.
pub(crate) struct Lab {
    pub(crate) dir: tempfile::TempDir,
    _server: Child,
    site: String,
    client: Client,
    admin_token: String,
    pub(crate) bot_token: String,
}

impl Lab {
    /// Starts a server with `acme/shop`, which is empty, and its people.
    pub(crate) async fn start(queue: Queue) -> Fallible<Self> {
        hydromote::app::install_tls();
        let dir = tempfile::tempdir()?;
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
        let work = dir.path().join("gitea");
        std::fs::create_dir(&work)?;
        let (server, site) = serve(&work, queue, &client).await?;
        let admin = ["admin", "user", "create", "--admin", "--username", ADMIN, "--password", PASSWORD];
        let token = ["--email", "admin@example.com", "--must-change-password=false", "--access-token"];
        let scopes = ["--access-token-name", "setup", "--access-token-scopes", "all"];
        let told = run(&work, &[admin.as_slice(), &token, &scopes].concat()).await?;
        let admin_token = told.split("successfully created... ").nth(1).and_then(|rest| rest.split_whitespace().next());
        let admin_token = admin_token.ok_or_else(|| format!("there is no token: {told}"))?.to_owned();
        let mut lab = Self { dir, _server: server, site, client, admin_token, bot_token: String::new() };
        lab.furnish().await?;
        Ok(lab)
    }

    /// Begins anew with a repository that is empty, for another story: it may be told by other threads than the one
    /// before, and connections do not outlive those.
    pub(crate) async fn begin_anew(&mut self) -> TestResult {
        self.client = Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
        self.repository(Method::DELETE, "", Value::Null).await?;
        self.make_repository().await
    }

    async fn furnish(&mut self) -> TestResult {
        for login in [BOT, DEVELOPER, READER] {
            self.create_user(login).await?;
        }
        let tokens = format!("/users/{BOT}/tokens");
        let made = self.by_password(BOT, &tokens, json!({"name": "service", "scopes": SCOPES})).await?;
        self.bot_token = made["sha1"].as_str().ok_or("there is no token")?.to_owned();
        self.admin(Method::POST, "/orgs", json!({"username": "acme", "visibility": "private"})).await?;
        self.make_repository().await
    }

    async fn make_repository(&self) -> TestResult {
        self.admin(
            Method::POST,
            "/orgs/acme/repos",
            json!({"name": "shop", "private": true, "default_branch": "main"}),
        )
        .await?;
        for (login, permission) in [(BOT, "admin"), (DEVELOPER, "write"), (READER, "read")] {
            self.grant(login, permission).await?;
        }
        Ok(())
    }

    /// Makes an account.
    pub(crate) async fn create_user(&self, login: &str) -> TestResult {
        let user = json!({"username": login, "email": format!("{login}@example.com"), "password": PASSWORD,
            "must_change_password": false});
        self.admin(Method::POST, "/admin/users", user).await.map(drop)
    }

    /// Gives somebody a right on the repository.
    pub(crate) async fn grant(&self, login: &str, permission: &str) -> TestResult {
        let path = format!("/repos/{REPOSITORY}/collaborators/{login}");
        self.admin(Method::PUT, &path, json!({"permission": permission})).await.map(drop)
    }

    /// Returns the address of the API.
    pub(crate) fn api_url(&self) -> String {
        format!("{}/api/v1", self.site)
    }

    /// Returns the page of the repository.
    pub(crate) fn page(&self) -> String {
        format!("{}/{REPOSITORY}", self.site)
    }

    /// Returns the adapter as the service has it.
    pub(crate) fn adapter(&self) -> Fallible<Gitea> {
        self.adapter_of(&self.bot_token)
    }

    /// Returns the adapter with another token.
    pub(crate) fn adapter_of(&self, token: &str) -> Fallible<Gitea> {
        let limits = Limits { write_interval: Duration::ZERO, ..Limits::default() };
        Ok(Gitea::new(&GiteaOptions { api_url: self.api_url(), token: token.into(), limits })?)
    }

    /// Returns a token of the service's account that may do this alone.
    pub(crate) async fn bot_token_for(&self, name: &str, scopes: &[&str]) -> Fallible<String> {
        let path = format!("/users/{BOT}/tokens");
        let made = self.by_password(BOT, &path, json!({"name": name, "scopes": scopes})).await?;
        Ok(made["sha1"].as_str().ok_or("there is no token")?.to_owned())
    }

    /// Asks the API as the administrator; fails unless it is a success.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: Value) -> Fallible<Value> {
        let request = self.client.request(method, format!("{}{path}", self.api_url()));
        told(path, request.header("authorization", format!("token {}", self.admin_token)).json(&body)).await
    }

    /// Asks for something of the repository as the administrator.
    pub(crate) async fn repository(&self, method: Method, path: &str, body: Value) -> Fallible<Value> {
        self.admin(method, &format!("/repos/{REPOSITORY}{path}"), body).await
    }

    /// Posts as somebody who has signed in.
    pub(crate) async fn by_password(&self, login: &str, path: &str, body: Value) -> Fallible<Value> {
        self.ask_as(login, Method::POST, path, body).await
    }

    /// Asks the API as somebody who has signed in.
    pub(crate) async fn ask_as(&self, login: &str, method: Method, path: &str, body: Value) -> Fallible<Value> {
        let request = self.client.request(method, format!("{}{path}", self.api_url()));
        told(path, request.basic_auth(login, Some(PASSWORD)).json(&body)).await
    }

    /// Commits files to a branch that is there, or to the first one; returns the commit.
    pub(crate) async fn push(&self, branch: &str, subject: &str, files: &[(String, String)]) -> Fallible<String> {
        self.push_as(DEVELOPER, branch, subject, files).await
    }

    /// Commits files to a branch in somebody's name; returns the commit.
    pub(crate) async fn push_as(
        &self,
        login: &str,
        branch: &str,
        subject: &str,
        files: &[(String, String)],
    ) -> Fallible<String> {
        self.commit(login, json!({"branch": branch, "message": subject, "files": uploads(files)})).await
    }

    /// Commits files to what is on one branch, and forces another one there; returns the commit.
    pub(crate) async fn push_anew(
        &self,
        branch: &str,
        from: &str,
        subject: &str,
        files: &[(String, String)],
    ) -> Fallible<String> {
        let files = uploads(files);
        let body =
            json!({"branch": from, "new_branch": branch, "force_push": true, "message": subject, "files": files});
        self.commit(DEVELOPER, body).await
    }

    async fn commit(&self, login: &str, body: Value) -> Fallible<String> {
        let answer = self.by_password(login, &format!("/repos/{REPOSITORY}/contents"), body).await?;
        Ok(answer["commit"]["sha"].as_str().ok_or("there is no commit")?.to_owned())
    }

    /// Makes a branch from another.
    pub(crate) async fn branch_off(&self, new: &str, from: &str) -> TestResult {
        let body = json!({"new_branch_name": new, "old_ref_name": from});
        self.repository(Method::POST, "/branches", body).await.map(drop)
    }

    /// Proposes a file of its own from a new branch.
    pub(crate) async fn propose(&self, head: &str, base: &str) -> TestResult {
        let file =
            json!({"operation": "create", "path": format!("{head}.txt"), "content": BASE64_STANDARD.encode(head)});
        let body = json!({"branch": base, "new_branch": head, "message": head, "files": [file]});
        self.by_password(DEVELOPER, &format!("/repos/{REPOSITORY}/contents"), body).await?;
        let pull = json!({"base": base, "head": head, "title": head});
        self.by_password(DEVELOPER, &format!("/repos/{REPOSITORY}/pulls"), pull).await.map(drop)
    }

    /// Returns the head of a branch, when there is one.
    pub(crate) async fn head(&self, branch: &str) -> Fallible<Option<String>> {
        let answer = self.client.get(format!("{}/repos/{REPOSITORY}/branches/{branch}", self.api_url()));
        let answer = answer.header("authorization", format!("token {}", self.admin_token)).send().await?;
        if answer.status() == 404 {
            return Ok(None);
        }
        let body: Value = serde_json::from_str(&answer.error_for_status()?.text().await?)?;
        Ok(body["commit"]["id"].as_str().map(str::to_owned))
    }

    /// Reports on a commit.
    pub(crate) async fn report(&self, sha: &str, key: &str, state: &str) -> TestResult {
        let path = format!("/repos/{REPOSITORY}/statuses/{sha}");
        self.by_password(DEVELOPER, &path, json!({"context": key, "state": state})).await.map(drop)
    }

    /// Comments on a pull request.
    pub(crate) async fn comment(&self, login: &str, number: u64, text: &str) -> Fallible<u64> {
        let path = format!("/repos/{REPOSITORY}/issues/{number}/comments");
        let answer = self.by_password(login, &path, json!({"body": text})).await?;
        Ok(answer["id"].as_u64().ok_or("there is no comment")?)
    }

    /// Has webhooks sent to this address, and to no other.
    pub(crate) async fn tell(&self, url: &str) -> TestResult {
        self.tell_nobody().await?;
        self.tell_of(REPOSITORY, url).await
    }

    /// Has webhooks of a repository sent to this address, too.
    pub(crate) async fn tell_of(&self, repository: &str, url: &str) -> TestResult {
        let config = json!({"url": url, "content_type": "json", "secret": WEBHOOK_SECRET});
        let events = ["push", "delete", "status", "pull_request", "issue_comment"];
        let hook = json!({"type": "gitea", "active": true, "branch_filter": "*", "config": config, "events": events});
        self.admin(Method::POST, &format!("/repos/{repository}/hooks"), hook).await.map(drop)
    }

    /// Has webhooks sent to nobody.
    pub(crate) async fn tell_nobody(&self) -> TestResult {
        let hooks = self.repository(Method::GET, "/hooks", Value::Null).await?;
        for hook in hooks.as_array().into_iter().flatten() {
            self.repository(Method::DELETE, &format!("/hooks/{}", hook["id"]), Value::Null).await?;
        }
        Ok(())
    }

    /// Protects branches whose name is this, or fits it.
    pub(crate) async fn protect(&self, rule: &str, more: Value) -> TestResult {
        let mut body = json!({"rule_name": rule, "block_admin_merge_override": true});
        let fields = body.as_object_mut().ok_or("it is an object")?;
        fields.extend(more.as_object().cloned().unwrap_or_default());
        self.repository(Method::POST, "/branch_protections", body).await.map(drop)
    }

    /// Returns the settings of a service that serves the repository, and writes their secrets into the folder.
    pub(crate) fn settings(&self, poll: &str) -> Fallible<String> {
        self.settings_of(&self.api_url(), poll, &[REPOSITORY])
    }

    /// Returns the settings of a service that serves these repositories through an address of the API.
    pub(crate) fn settings_of(&self, api_url: &str, poll: &str, repositories: &[&str]) -> Fallible<String> {
        let write = |name: &str, text: &str| std::fs::write(self.dir.path().join(name), text);
        write("token", &self.bot_token)?;
        write("webhook-secret", WEBHOOK_SECRET)?;
        write("api-token", API_TOKEN)?;
        Ok(format!(
            "[server]
listen = '127.0.0.1:0'
[forges.acme_hub]
kind = 'gitea'
api_url = '{api_url}'
token_file = 'token'
webhook_secret_files = ['webhook-secret']
repositories = {repositories:?}
[limits]
poll_interval = '{poll}'
forge_write_interval = '0s'
forge_writes_at_once = 4
[service]
api_token_file = 'api-token'
"
        ))
    }
}

/// Returns the repository.
pub(crate) fn shop() -> RepositoryId {
    RepositoryId::new(REPOSITORY).expect("because it is an owner and a name")
}

/// Sends a request; returns what is answered to a success.
async fn told(path: &str, request: reqwest::RequestBuilder) -> Fallible<Value> {
    let answer = request.send().await?;
    let (status, text) = (answer.status(), answer.text().await?);
    if !status.is_success() {
        return Err(format!("{path}: {status}: {text}").into());
    }
    Ok(if text.is_empty() { Value::Null } else { serde_json::from_str(&text)? })
}

/// Returns where `make test-gitea` has put the server.
fn installed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/gitea")
}

/// Returns the program in its folder.
fn program(work: &Path) -> Command {
    #[expect(clippy::disallowed_methods, reason = "a server of somebody else's is started here")]
    let mut command = Command::new(installed().join("gitea"));
    command
        .arg("--config")
        .arg(work.join("app.ini"))
        .arg("--work-path")
        .arg(work)
        .current_dir(work)
        .env_clear()
        .env("HOME", work)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// Runs a command of the program to its end; returns what it prints.
async fn run(work: &Path, arguments: &[&str]) -> Fallible<String> {
    let mut command = program(work);
    let output = command.args(arguments).output().await;
    let output = output.map_err(|error| format!("there is no Gitea, `make test-gitea` brings one: {error}"))?;
    let told = String::from_utf8(output.stdout)? + &String::from_utf8(output.stderr)?;
    if output.status.success() { Ok(told) } else { Err(told.into()) }
}

/// Starts the server on a port that is free; returns it with its address.
async fn serve(work: &Path, queue: Queue, client: &Client) -> Fallible<(Child, String)> {
    for _ in 0..STARTS {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        std::fs::write(work.join("app.ini"), app_ini(work, port, queue))?;
        run(work, &["migrate"]).await?;
        let log = std::fs::File::create(work.join("output"))?;
        let mut server = program(work).arg("web").stdout(log.try_clone()?).stderr(log).spawn()?;
        let (site, pid) = (format!("http://127.0.0.1:{port}"), server.id().unwrap_or_default());
        let listens = until("the server listens", async || {
            if let Some(ended) = server.try_wait()? {
                return Err(format!("it ended with {ended}").into());
            }
            let healthy = client.get(format!("{site}/api/healthz")).send().await.is_ok_and(|a| a.status() == 200);
            // Where another program has taken the port, it may be healthy as well.
            let told = std::fs::read_to_string(work.join("log/gitea.log")).unwrap_or_default();
            if told.contains("address already in use") {
                return Ok(Some(false));
            }
            Ok((healthy && pid != 0).then_some(true))
        })
        .await;
        match listens {
            Ok(true) => return Ok((server, site)),
            Ok(false) => server.kill().await?,
            Err(error) => return Err(format!("{error}\n{}", std::fs::read_to_string(work.join("output"))?).into()),
        }
    }
    Err("there is no free port for the server".into())
}

/// Returns the server's configuration: the loopback interface, SQLite, and nothing that promotions do not need.
fn app_ini(work: &Path, port: u16, queue: Queue) -> String {
    let work = work.display();
    let queue = match queue {
        Queue::Fast => "[queue]\nTYPE = channel\n",
        Queue::Default => "",
    };
    format!(
        "APP_NAME = lab
RUN_MODE = prod
WORK_PATH = {work}
; It would refuse to run as root, as which tests in containers run.
I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true
[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = {port}
ROOT_URL = http://127.0.0.1:{port}/
STATIC_ROOT_PATH = {static}
DISABLE_SSH = true
LFS_START_SERVER = false
OFFLINE_MODE = true
[database]
DB_TYPE = sqlite3
PATH = {work}/gitea.db
SQLITE_JOURNAL_MODE = WAL
[security]
INSTALL_LOCK = true
; People sign in with each request; what that costs elsewhere is no use here.
PASSWORD_HASH_ALGO = pbkdf2$1$8
[service]
DISABLE_REGISTRATION = true
[webhook]
; It would refuse to send to its own machine.
ALLOWED_HOST_LIST = loopback
[actions]
ENABLED = false
[packages]
ENABLED = false
[repository]
DEFAULT_BRANCH = main
[indexer]
ISSUE_INDEXER_TYPE = db
[session]
PROVIDER = memory
[log]
MODE = file
LEVEL = Info
ROOT_PATH = {work}/log
[cron]
ENABLED = false
[cron.update_checker]
ENABLED = false
{queue}",
        static = installed().join("static").display(),
    )
}

/// Files as the API takes them, whether they are there already or not.
fn uploads(files: &[(String, String)]) -> Vec<Value> {
    let upload = |(path, text): &(String, String)| json!({"operation": "upload", "path": path, "content": BASE64_STANDARD.encode(text)});
    files.iter().map(upload).collect()
}
