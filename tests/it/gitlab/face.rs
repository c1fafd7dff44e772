//! The server: who asks, where an answer comes from, and what is remembered.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::State,
    http::{Method, Request, Response},
};
use hydromote::{
    app::wall_clock,
    forge::gitlab::{GitLab, GitLabOptions, Limits},
    local_forge::{LocalForge, Options, Permission, RepositoryOptions},
};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{git::Git, hooks::Hook, notes::Note, requests::MergeRequest, statuses::Reports};
use crate::world::{BOT, DEVELOPER, Fallible, READER, REPOSITORY, TestResult};

/// The project, in a group in a group.
pub(super) const PATH: &str = "acme/web/shop";
/// The project's id.
pub(super) const PROJECT: u64 = 5;
/// Accounts with their access levels; an account's id is its place, from 1 on.
const PEOPLE: [(&str, u64); 3] = [(BOT, 40), (DEVELOPER, 30), (READER, 10)];
/// The largest body that is read.
const MAX_BODY: usize = 64 << 20;

/// What an answer is made of: a code and a body.
pub(super) type Answer = (u16, Value);

/// A running server.
pub(super) struct Face {
    pub(super) dir: tempfile::TempDir,
    pub(super) url: String,
    shared: Arc<Shared>,
}

/// What every request sees.
pub(super) struct Shared {
    pub(super) forge: LocalForge,
    git_token: String,
    client: reqwest::Client,
    /// Rings when there is a webhook.
    hooked: Notify,
    state: Mutex<World>,
}

/// What is remembered.
pub(super) struct World {
    pub(super) git: Git,
    next_id: u64,
    pub(super) requests: Vec<MergeRequest>,
    pub(super) reports: Reports,
    pub(super) notes: Vec<Note>,
    /// Reactions: the comment, the account and the name.
    pub(super) awards: Vec<(u64, u64, String)>,
    /// What was taken for GitLab's own commands.
    pub(super) obeyed: Vec<String>,
    pub(super) hook: Option<Hook>,
    /// Whether GitLab sends to it: `executable`, `temporarily_disabled` or `disabled`.
    pub(super) hook_status: &'static str,
    pub(super) deliveries: Vec<(String, Value)>,
    pub(super) rules: Rules,
}

/// The project's settings.
pub(super) struct Rules {
    pub(super) merge_method: &'static str,
    /// Whether the service's account is among those *allowed to merge*.
    pub(super) bot_may_merge: bool,
    /// *Pipelines must succeed*.
    pub(super) pipeline_must_succeed: bool,
    /// *Require SHA for merge*, a setting of groups since 19.2.
    pub(super) needs_sha: bool,
    /// How many looks at a merge request pass before GitLab has checked it.
    pub(super) looks_until_checked: u32,
}

impl Face {
    /// Starts a server with [`PATH`], which is empty, and its people.
    pub(super) async fn start() -> Fallible<Self> {
        hydromote::app::install_tls();
        let dir = tempfile::tempdir()?;
        let forge = LocalForge::start(Options::new(dir.path().join("git"))).await?;
        let (_, token) = forge.create_user(BOT).await?;
        forge.create_user(DEVELOPER).await?;
        let (owner, name) = REPOSITORY.split_once('/').ok_or("the repository has no owner")?;
        forge.create_repository(owner, name, RepositoryOptions::default()).await?;
        for login in [BOT, DEVELOPER] {
            forge.grant(REPOSITORY, login, Permission::Admin).await?;
        }
        let world = World {
            git: Git::new(forge.git_dir(REPOSITORY)),
            next_id: 100,
            requests: Vec::new(),
            reports: Reports::default(),
            notes: Vec::new(),
            awards: Vec::new(),
            obeyed: Vec::new(),
            hook: None,
            hook_status: "executable",
            deliveries: Vec::new(),
            rules: Rules {
                merge_method: "merge",
                bot_may_merge: true,
                pipeline_must_succeed: false,
                needs_sha: true,
                looks_until_checked: 1,
            },
        };
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
        let git_token = token.expose().to_owned();
        let shared = Arc::new(Shared { forge, git_token, client, hooked: Notify::new(), state: Mutex::new(world) });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let app = axum::Router::new().fallback(answer).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { dir, url, shared })
    }

    /// Returns the adapter as the service has it.
    pub(super) fn adapter(&self) -> Fallible<GitLab> {
        let limits = Limits { write_interval: Duration::ZERO, ..Limits::default() };
        let api_url = format!("{}/api/v4", self.url);
        Ok(GitLab::new(&GitLabOptions { api_url, token: token(BOT).into(), limits })?)
    }

    /// Looks at what is remembered, or changes it.
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world()
    }

    /// Commits files to a branch; returns the commit.
    pub(super) fn push(&self, branch: &str, subject: &str, files: &[(String, String)]) -> Fallible<String> {
        let before = self.world().git.heads()?;
        let sha = self.world().git.commit(branch, subject, files)?;
        self.shared.pushed(&before)?;
        Ok(sha)
    }

    /// Asks the API as somebody; fails unless it is a success.
    pub(super) async fn ask(&self, login: &str, method: Method, path: &str, body: Value) -> Fallible<Value> {
        let request = self
            .shared
            .client
            .request(method, format!("{}/api/v4/projects/{}{path}", self.url, PATH.replace('/', "%2F")));
        let answer = request.header("private-token", token(login)).json(&body).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        if status.is_success() {
            Ok(serde_json::from_str(&text)?)
        } else {
            Err(format!("{path}: {status}: {text}").into())
        }
    }

    /// Has webhooks sent to this address.
    pub(super) fn tell(&self, hook: Hook) {
        self.world().hook = Some(hook);
        self.shared.hooked.notify_one();
    }
}

/// Returns somebody's token.
pub(super) fn token(login: &str) -> String {
    format!("glpat-{login}")
}

/// Returns a user as lists and details show one.
pub(super) fn user(id: u64) -> Value {
    let login =
        usize::try_from(id).ok().and_then(|place| PEOPLE.get(place.checked_sub(1)?)).map_or("ghost", |person| person.0);
    json!({"id": id, "username": login, "name": login, "state": "active", "public_email": format!("{login}@example.com")})
}

/// Returns an error with a message.
pub(super) fn error(code: u16, message: impl Into<Value>) -> Answer {
    (code, json!({"message": message.into()}))
}

impl Shared {
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of the branches that moved, and takes the pushes into their merge requests.
    fn pushed(&self, before: &BTreeMap<String, String>) -> TestResult {
        let mut world = self.world();
        let after = world.git.heads()?;
        world.push_hooks(before, &after);
        world.take_in_pushes(&after);
        drop(world);
        self.deliver();
        Ok(())
    }

    /// Sends what is to be delivered, one after another.
    fn deliver(&self) {
        let mut world = self.world();
        let deliveries = std::mem::take(&mut world.deliveries);
        let is_sent = !deliveries.is_empty() && world.hook_status == "executable";
        let Some(hook) = world.hook.clone().filter(|_| is_sent) else { return };
        let client = self.client.clone();
        tokio::spawn(async move {
            for (event, payload) in deliveries {
                hook.send(&client, &event, &payload).await;
            }
        });
    }

    /// Sends a push to the webhook as a test, which switches it on when it arrives.
    async fn test_hook(&self) -> Answer {
        let hook = loop {
            let hook = self.world().hook.clone();
            match hook {
                Some(hook) => break hook,
                None => self.hooked.notified().await,
            }
        };
        let mut payload = sample(include_str!("../../data/webhooks-gitlab/push.json"));
        payload["project"]["path_with_namespace"] = json!(PATH);
        match hook.send(&self.client, "Push Hook", &payload).await {
            true => {
                self.world().hook_status = "executable";
                (201, json!({"message": "201 Created"}))
            }
            false => error(422, "hook execution failed"),
        }
    }
}

impl World {
    /// Returns an id that nothing had.
    pub(super) fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Returns the project as it is shown.
    fn project(&self) -> Value {
        json!({"id": PROJECT, "path_with_namespace": PATH, "default_branch": "main", "visibility": "private",
            "web_url": format!("https://gitlab.example.com/{PATH}"), "merge_method": self.rules.merge_method,
            "squash_option": "default_off"})
    }

    /// Answers one request below `/api/v4`.
    fn answer(
        &mut self,
        by: u64,
        method: &str,
        path: &[&str],
        query: &BTreeMap<String, String>,
        body: &Value,
    ) -> Answer {
        match (method, path) {
            ("GET", ["user"]) => (200, user(by)),
            ("GET", ["users"]) => {
                let all = (1..).zip(PEOPLE).map(|(id, _)| user(id));
                let wanted = query.get("username");
                (200, all.filter(|user| wanted.is_some_and(|login| user["username"] == login.as_str())).collect())
            }
            ("GET", ["users", id]) => {
                id.parse().map_or_else(|_| error(404, "404 User Not Found"), |id| (200, user(id)))
            }
            (_, ["projects", project, rest @ ..]) if *project == PATH => self.of_project(by, method, rest, query, body),
            _ => error(404, "404 Project Not Found"),
        }
    }

    fn of_project(
        &mut self,
        by: u64,
        method: &str,
        path: &[&str],
        query: &BTreeMap<String, String>,
        body: &Value,
    ) -> Answer {
        match (method, path) {
            ("GET", []) => (200, self.project()),
            ("GET", ["members", "all", id]) => {
                let id: usize = id.parse().unwrap_or_default();
                match id.checked_sub(1).and_then(|place| PEOPLE.get(place)) {
                    Some((_, level)) => {
                        let mut member = sample(include_str!("../../data/gitlab/member.all_get.json"));
                        member["access_level"] = json!(level);
                        (200, member)
                    }
                    None => error(404, "404 Not found"),
                }
            }
            ("GET", ["events"]) => (200, self.events()),
            ("GET", ["hooks"]) => (200, json!([self.shown_hook()])),
            ("GET", ["pipelines"]) => self.reports.pipelines(query),
            ("POST", ["statuses", sha]) => self.post_status(by, sha, body),
            ("GET", ["repository", "commits", sha, "statuses"]) => self.reports.list(sha, query),
            ("GET", ["repository", "commits", sha, "merge_requests"]) => self.requests_of(sha),
            ("GET", ["repository", "commits", sha, "refs"]) => (200, self.git.branches_with(sha)),
            ("GET", ["repository", "branches", name]) => match self.git.head(name) {
                Some(sha) => (200, json!({"name": name, "commit": {"id": sha}})),
                None => error(404, "404 Branch Not Found"),
            },
            ("GET", ["repository", "commits"]) => {
                (200, self.git.commits(query.get("ref_name").map_or("", String::as_str)))
            }
            (_, ["merge_requests", rest @ ..]) => self.merge_requests(by, method, rest, query, body),
            _ => error(404, "404 Not Found"),
        }
    }
}

/// Returns one of the samples.
pub(super) fn sample(text: &str) -> Value {
    serde_json::from_str(text).expect("because the samples are JSON")
}

/// Returns the time as GitLab writes it.
pub(super) fn now() -> String {
    wall_clock()().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await.unwrap_or_default();
    let path = parts.uri.path().to_owned();
    let Some(path) = path.strip_prefix("/api/v4/") else { return by_git(&shared, &parts, body).await };
    let sent = parts.headers.get("private-token").and_then(|token| token.to_str().ok()).unwrap_or_default();
    let by = (1u64..).zip(PEOPLE).find(|(_, (login, _))| token(login) == sent).map(|(id, _)| id);
    let (code, answer) = match by {
        None => error(401, "401 Unauthorized"),
        Some(by) => {
            let segments: Vec<String> =
                path.split('/').map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned()).collect();
            let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
            let query = parts.uri.query().unwrap_or_default();
            let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            let body = serde_json::from_slice(&body).unwrap_or_default();
            match segments.as_slice() {
                ["projects", PATH, "hooks", "1", "test", "push_events"] => shared.test_hook().await,
                segments => shared.world().answer(by, parts.method.as_str(), segments, &query, &body),
            }
        }
    };
    shared.deliver();
    let answer = match answer {
        // Nothing here is long enough for a second page.
        Value::Array(list)
            if parts.uri.query().is_some_and(|query| query.contains("page=") && !query.ends_with("page=1")) =>
        {
            json!(list.get(..0))
        }
        answer => answer,
    };
    Response::builder()
        .status(code)
        .header("content-type", "application/json")
        .header("x-next-page", "")
        .body(Body::from(answer.to_string()))
        .expect("because the codes are real")
}

/// Passes git on to the repositories' own server, with its token for ours.
async fn by_git(shared: &Shared, parts: &axum::http::request::Parts, body: Bytes) -> Response<Body> {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let sent = parts.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let expected = format!("Basic {}", BASE64_STANDARD.encode(format!("oauth2:{}", token(BOT))));
    let refused = |code: u16| Response::builder().status(code).body(Body::empty()).expect("because the code is real");
    if sent != expected {
        return refused(401);
    }
    let before = shared.world().git.heads().unwrap_or_default();
    let path_and_query = parts.uri.path_and_query().map_or("/", |path| path.as_str()).replace(PATH, REPOSITORY);
    let mut request = shared.client.request(parts.method.clone(), format!("{}{path_and_query}", shared.forge.url()));
    for name in ["content-type", "accept", "git-protocol", "content-encoding"] {
        if let Some(value) = parts.headers.get(name) {
            request = request.header(name, value);
        }
    }
    let answer = request.basic_auth("x-access-token", Some(&shared.git_token)).body(body).send().await;
    let Ok(answer) = answer else { return refused(502) };
    let (status, kind) = (answer.status(), answer.headers().get("content-type").cloned());
    let Ok(bytes) = answer.bytes().await else { return refused(502) };
    if shared.pushed(&before).is_err() {
        return refused(500);
    }
    let mut response = Response::builder().status(status);
    if let Some(kind) = kind {
        response = response.header("content-type", kind);
    }
    response.body(Body::from(bytes)).expect("because the answer was one")
}
