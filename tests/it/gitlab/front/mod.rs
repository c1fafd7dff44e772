//! GitLab before the local forge: what the service asks of GitLab is asked of the local forge, and what the local forge
//! tells is told as GitLab does. So the stories act on the one and the service on the other.
//!
//! Everything is remembered by the local forge, also its faults and rights; only what GitHub does not keep is kept here.

mod herald;
mod people;
mod reports;
mod requests;
mod talk;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use hydromote::local_forge::{Account, AccountKind};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

pub(crate) use self::herald::Herald;
use super::face::{Answer, error};
use crate::proxy::{Asked, Behind, Between, Fate, Told};

/// What begins a path of GitLab's API.
const API: &str = "/api/v4/";
/// The size of a page.
const PER_PAGE: &str = "per_page=100";

/// What translates.
pub(crate) struct Front {
    accounts: BTreeMap<u64, Account>,
    kept: Mutex<Kept>,
}

/// What GitLab keeps and GitHub does not.
#[derive(Default)]
struct Kept {
    /// The pushes to each merge request, newest first, by the repository and the number.
    versions: BTreeMap<(String, u64), Vec<Value>>,
    /// What was written by the service and taken for GitLab's own commands.
    obeyed: Vec<String>,
    /// The commands that people wrote with the prefix and would not on GitHub.
    prefixed: BTreeSet<String>,
}

/// One request of the service.
struct Request<'a> {
    front: &'a Front,
    behind: &'a Behind,
    headers: &'a HeaderMap,
    method: &'a str,
    query: BTreeMap<String, String>,
    body: Value,
}

/// An answer of the local forge, and whether there is another page.
struct Page {
    entries: Value,
    is_last: bool,
}

impl Front {
    /// Translates for these accounts.
    pub(crate) fn new(accounts: &[Account]) -> Self {
        let accounts = accounts.iter().map(|account| (account.id, account.clone())).collect();
        Self { accounts, kept: Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, asked: &Asked, rest: &str, behind: &Behind) -> Told {
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let segments: Vec<String> =
            path.split('/').map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned()).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let form = |text: &[u8]| url::form_urlencoded::parse(text).into_owned().collect::<BTreeMap<_, _>>();
        let body = serde_json::from_slice(&asked.body).unwrap_or_else(|_| json!(form(&asked.body)));
        let mut headers = HeaderMap::new();
        if let Some(token) = asked.headers.get("private-token").and_then(|token| token.to_str().ok()) {
            let bearer = HeaderValue::from_str(&format!("Bearer {token}")).expect("because it was a header");
            headers.insert("authorization", bearer);
        }
        let query = form(query.as_bytes());
        let request = Request { front: self, behind, headers: &headers, method: asked.method.as_str(), query, body };
        let (answer, is_last) = match request.answer(&segments).await {
            Ok(page) => ((if asked.method == Method::POST { 201 } else { 200 }, page.entries), page.is_last),
            Err(refused) => (refused, true),
        };
        let page = request.query.get("page").and_then(|page| page.parse::<u64>().ok()).unwrap_or(1);
        let next = if is_last { String::new() } else { (page + 1).to_string() };
        let headers = [(HeaderName::from_static("x-next-page"), next.as_str())];
        Told::made_up(answer.0, "application/json", &headers, &answer.1.to_string())
    }
}

#[async_trait]
impl Between for Front {
    async fn decide(&self, asked: Asked, behind: &Arc<Behind>) -> Fate {
        Fate::Answered(match asked.path.strip_prefix(API) {
            Some(rest) => self.answer(&asked, rest, behind).await,
            None => behind.ask(&asked).await,
        })
    }
}

impl Request<'_> {
    async fn answer(&self, path: &[&str]) -> Result<Page, Answer> {
        match (self.method, path) {
            ("GET", ["user"]) => Ok(Page::one(self.shown_user(&self.get("/user").await?["id"]))),
            (_, ["users" | "groups", ..]) => self.people(path).await,
            (_, ["projects", project, rest @ ..]) => self.of_project(&format!("/repos/{project}"), rest).await,
            _ => Err(error(404, "404 Not Found")),
        }
    }

    async fn of_project(&self, project: &str, path: &[&str]) -> Result<Page, Answer> {
        match (self.method, path) {
            ("GET", []) => self.project(project).await.map(Page::one),
            ("GET", ["members", ..]) => self.member(project, path).await.map(Page::one),
            (_, ["merge_requests", iid, "notes", rest @ ..]) => self.notes(project, iid, rest).await,
            ("GET", ["events"]) => self.events(project).await,
            (_, ["merge_requests", rest @ ..]) => self.merge_requests(project, rest).await,
            (_, ["pipelines" | "statuses", ..] | ["repository", "commits", _, "statuses"]) => {
                self.reports(project, path).await
            }
            ("GET", ["repository", rest @ ..]) => self.code(project, rest).await,
            _ => Err(error(404, "404 Not Found")),
        }
    }

    async fn project(&self, project: &str) -> Result<Value, Answer> {
        let body = self.get(project).await?;
        let allows = |method: &str| body[method].as_bool().unwrap_or(true);
        let (merge, squash) = (allows("allow_merge_commit"), allows("allow_squash_merge"));
        Ok(json!({"id": body["id"], "path_with_namespace": body["full_name"],
        "default_branch": body["default_branch"], "web_url": body["html_url"],
        "visibility": if body["private"] == true { "private" } else { "public" },
        "merge_method": if merge || !allows("allow_rebase_merge") { "merge" } else { "ff" },
        "squash_option": match (squash, merge) {
            (false, _) => "never",
            (true, false) if !allows("allow_rebase_merge") => "always",
            _ => "default_off",
        }}))
    }

    async fn code(&self, project: &str, path: &[&str]) -> Result<Page, Answer> {
        match path {
            ["branches", name] => {
                let branch = self.get(&format!("{project}/branches/{name}")).await?;
                Ok(Page::one(json!({"name": name, "commit": {"id": branch["commit"]["sha"]}})))
            }
            ["commits"] => {
                let range = self.query.get("ref_name").map_or("", String::as_str).replace("..", "...");
                let mut page = self.page(&format!("{project}/compare/{range}?{PER_PAGE}")).await?;
                page.entries = page.entries["commits"].as_array().into_iter().flatten().rev().map(commit).collect();
                Ok(page)
            }
            ["commits", sha] => Ok(Page::one(commit(&self.get(&format!("{project}/commits/{sha}")).await?))),
            ["commits", sha, "merge_requests"] => {
                let page = self.page(&format!("{project}/commits/{sha}/pulls?{PER_PAGE}")).await?;
                self.shown_requests(project, page).await
            }
            ["commits", sha, "refs"] => {
                let mut page = self.page(&format!("{project}/branches?{PER_PAGE}")).await?;
                let all = page.entries.as_array().into_iter().flatten();
                let at = all.filter(|branch| branch["commit"]["sha"] == *sha);
                page.entries = at.map(|branch| json!({"type": "branch", "name": branch["name"]})).collect();
                Ok(page)
            }
            _ => Err(error(404, "404 Not Found")),
        }
    }

    /// Asks the local forge for something.
    async fn get(&self, path: &str) -> Result<Value, Answer> {
        self.ask(Method::GET, path, &Value::Null).await
    }

    /// Asks the local forge for the page that the service asks for.
    async fn page(&self, path: &str) -> Result<Page, Answer> {
        let (joint, page) =
            (if path.contains('?') { '&' } else { '?' }, self.query.get("page").map_or("1", String::as_str));
        let told = self.told(Method::GET, &format!("{path}{joint}page={page}"), &Value::Null).await;
        let links = told.headers.get("link").and_then(|links| links.to_str().ok()).unwrap_or_default();
        let is_last = !links.contains("rel=\"next\"");
        Ok(Page { entries: read(&told)?, is_last })
    }

    /// Asks the local forge in the name of whoever asks; refuses what it refuses.
    async fn ask(&self, method: Method, path: &str, body: &Value) -> Result<Value, Answer> {
        read(&self.told(method, path, body).await)
    }

    async fn told(&self, method: Method, path: &str, body: &Value) -> Told {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let (path, headers) = (format!("/api/v3{path}"), self.headers.clone());
        self.behind.ask(&Asked { method, path, headers, body: body.into() }).await
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.body[name].as_str()
    }
}

impl Page {
    /// Is all there is.
    fn one(entries: Value) -> Self {
        Self { entries, is_last: true }
    }
}

/// Returns the body of an answer, or the refusal with its code.
fn read(told: &Told) -> Result<Value, Answer> {
    let body: Value = serde_json::from_slice(&told.body).unwrap_or_default();
    if told.status.is_success() { Ok(body) } else { Err(error(told.status.as_u16(), body["message"].clone())) }
}

fn commit(body: &Value) -> Value {
    let author = &body["commit"]["author"];
    json!({"id": body["sha"], "author_name": author["name"], "author_email": author["email"]})
}

/// Returns what somebody is called: GitLab tells by the name that an account is a program's.
fn username(account: &Account) -> String {
    match account.kind {
        AccountKind::Bot => format!("project_1_bot_{}", account.login),
        AccountKind::User | AccountKind::Organization => account.login.clone(),
    }
}
