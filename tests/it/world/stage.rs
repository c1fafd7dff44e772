//! The forge on which people and checks of a story act, and on which it looks: the local forge, or a real Gitea.
//!
//! What only the local forge can do (faults, webhooks held back, rulesets, check runs) it does in any case: a story
//! that needs it is not told on the other.

use std::{
    collections::BTreeMap,
    ops::Deref,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use hydromote::local_forge::{
    Acting, Comment, CommitFiles, LocalForge, MergeMethod, MergeOrder, NewPull, PullRequest, PullState, Reaction,
    Repository, ReviewState, Status, StatusState,
};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{
    Row, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteRow},
};

use super::{DEVELOPER, Fallible, OTHER_BOT, REPOSITORY, STRANGER, TestResult};
use crate::{
    gitea::lab::{Lab, PASSWORD, Queue},
    program::until,
};

/// The most of each kind that one story brings about.
const MOST: usize = 50;

/// Says where branches are and what stands in pull requests, their conversations and reports.
const MARK: &str = "
    SELECT json_array(
        (SELECT group_concat(name || commit_id || is_deleted) FROM branch),
        (SELECT group_concat(base_branch || has_merged || merged_commit_id) FROM pull_request),
        (SELECT group_concat(name || is_closed || content) FROM issue),
        (SELECT group_concat(id || content) FROM comment),
        (SELECT count(*) FROM reaction),
        (SELECT count(*) FROM commit_status))";

/// Reads every report, oldest first.
const REPORTS: &str = "
    SELECT status.id, sha, context, state, status.description, target_url, user.name, status.created_unix
    FROM commit_status AS status JOIN user ON user.id = creator_id
    ORDER BY status.id";

/// The forge on which a story acts.
pub(crate) struct Stage {
    local: LocalForge,
    gitea: Option<GiteaStage>,
}

/// A Gitea, its database, and a copy of its repository in which git finds what is there.
struct GiteaStage {
    lab: Server,
    database: SqlitePool,
    copy: tempfile::TempDir,
}

/// Servers that go from story to story: to start one takes longer than many stories do. They end with the last story
/// that runs.
struct Pool {
    idle: Vec<Lab>,
    stories: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { idle: Vec::new(), stories: 0 });

/// The server of one story.
struct Server(Option<Lab>);

impl Server {
    /// Begins a story with a server whose repository is empty.
    async fn take() -> Fallible<Self> {
        let mut server = {
            let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
            pool.stories += 1;
            Self(pool.idle.pop())
        };
        match &mut server.0 {
            Some(lab) => lab.begin_anew().await?,
            none => {
                let lab = none.insert(Lab::start(Queue::Fast).await?);
                for login in [STRANGER, OTHER_BOT] {
                    lab.create_user(login).await?;
                }
            }
        }
        for (login, right) in [(DEVELOPER, "admin"), (STRANGER, "write"), (OTHER_BOT, "write")] {
            server.grant(login, right).await?;
        }
        Ok(server)
    }
}

impl Deref for Server {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        self.0.as_ref().expect("because it is there from its beginning to its end")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        pool.stories -= 1;
        pool.idle.extend(self.0.take());
        if pool.stories == 0 {
            pool.idle.clear();
        }
    }
}

/// Somebody, to act.
pub(crate) struct Person<'a> {
    stage: &'a Stage,
    login: &'a str,
    local: Acting<'a>,
}

impl<'a> Deref for Person<'a> {
    type Target = Acting<'a>;

    fn deref(&self) -> &Acting<'a> {
        &self.local
    }
}

impl Deref for Stage {
    type Target = LocalForge;

    fn deref(&self) -> &LocalForge {
        &self.local
    }
}

impl From<LocalForge> for Stage {
    fn from(local: LocalForge) -> Self {
        Self { local, gitea: None }
    }
}

impl Stage {
    /// Starts a Gitea with the people of every story; beside it is the local forge, on which nothing happens.
    pub(super) async fn gitea(local: LocalForge) -> Fallible<Self> {
        let lab = Server::take().await?;
        let copy = tempfile::tempdir()?;
        git2::Repository::init_bare(copy.path())?;
        let database = SqliteConnectOptions::new().filename(lab.dir.path().join("gitea/gitea.db")).read_only(true);
        let database = SqlitePool::connect_with(database).await?;
        Ok(Self { local, gitea: Some(GiteaStage { lab, database, copy }) })
    }

    /// Returns the Gitea's address and the token of the service's account there.
    pub(super) fn gitea_access(&self) -> Option<(String, &str)> {
        self.gitea.as_ref().map(|gitea| (gitea.lab.api_url(), gitea.lab.bot_token.as_str()))
    }

    /// Returns what changes with everything that people see on a forge which tells the service of nothing; nothing on
    /// one that does.
    pub(super) async fn mark(&self) -> Fallible<Option<String>> {
        let Some(gitea) = &self.gitea else { return Ok(None) };
        Ok(Some(sqlx::query_scalar(MARK).fetch_one(&gitea.database).await?))
    }

    /// Ends it.
    pub(crate) async fn shutdown(self) -> TestResult {
        Ok(self.local.shutdown().await?)
    }

    /// Returns somebody, to act.
    pub(crate) fn as_user<'a>(&'a self, login: &'a str) -> Person<'a> {
        Person { stage: self, login, local: self.local.as_user(login) }
    }

    /// Commits files to a branch, in somebody's name; returns the commit.
    pub(crate) async fn commit_files(&self, repository: &str, login: &str, commit: CommitFiles) -> Fallible<String> {
        match &self.gitea {
            None => Ok(self.local.commit_files(repository, login, commit).await?),
            Some(gitea) => gitea.lab.push_as(login, &commit.branch, &commit.message, &commit.files).await,
        }
    }

    /// Has the forge notice what somebody has moved in [`Self::git_dir`].
    pub(crate) async fn refresh(&self, repository: &str, login: &str) -> TestResult {
        match &self.gitea {
            None => Ok(self.local.refresh(repository, login).await?),
            Some(gitea) => gitea.git(login, &["push", "--quiet", "--force", "--prune"], &["refs/heads/*:refs/heads/*"]),
        }
    }

    /// Returns where git finds the repository as it is on the forge now.
    pub(crate) fn git_dir(&self, repository: &str) -> Fallible<PathBuf> {
        let Some(gitea) = &self.gitea else { return Ok(self.local.git_dir(repository)) };
        let all = ["+refs/heads/*:refs/heads/*", "+refs/pull/*:refs/pull/*"];
        gitea.git(DEVELOPER, &["fetch", "--quiet", "--force", "--prune", "--no-tags"], &all)?;
        Ok(gitea.copy.path().to_owned())
    }

    /// Returns everything that is in a repository.
    pub(crate) async fn repository(&self, repository: &str) -> Fallible<Repository> {
        let empty = self.local.repository(repository).await?;
        match &self.gitea {
            None => Ok(empty),
            Some(gitea) => gitea.repository(empty, &self.git_dir(repository)?).await,
        }
    }

    /// Returns the pull requests of a repository.
    pub(crate) async fn pull_requests(&self, repository: &str) -> Fallible<Vec<PullRequest>> {
        Ok(self.repository(repository).await?.pulls.into_values().collect())
    }

    /// Returns a pull request.
    pub(crate) async fn pull_request(&self, repository: &str, number: u64) -> Fallible<PullRequest> {
        let found = self.repository(repository).await?.pulls.remove(&number);
        Ok(found.ok_or_else(|| format!("there is no pull request #{number}"))?)
    }

    /// Returns the comments on a pull request, oldest first.
    pub(crate) async fn comments(&self, repository: &str, number: u64) -> Fallible<Vec<Comment>> {
        let all = self.repository(repository).await?.comments;
        Ok(all.into_iter().filter(|comment| comment.number == number).collect())
    }
}

impl Person<'_> {
    async fn ask(&self, method: Method, path: &str, body: Value) -> Fallible<Value> {
        let gitea = self.stage.gitea.as_ref().ok_or("it is not told on Gitea")?;
        gitea.lab.ask_as(self.login, method, &format!("/repos/{REPOSITORY}{path}"), body).await
    }

    fn local(&self) -> Option<&Acting<'_>> {
        self.stage.gitea.is_none().then_some(&self.local)
    }

    /// Opens a pull request; returns its number.
    pub(crate) async fn open_pull_request(&self, repository: &str, new: NewPull) -> Fallible<u64> {
        if let Some(local) = self.local() {
            return Ok(local.open_pull_request(repository, new).await?);
        }
        let pull = json!({"base": new.base, "head": new.head, "title": new.title, "body": new.body});
        Ok(self.ask(Method::POST, "/pulls", pull).await?["number"].as_u64().ok_or("it has a number")?)
    }

    /// Closes a pull request.
    pub(crate) async fn close(&self, repository: &str, number: u64) -> TestResult {
        match self.local() {
            Some(local) => Ok(local.close(repository, number).await?),
            None => self.ask(Method::PATCH, &format!("/pulls/{number}"), json!({"state": "closed"})).await.map(drop),
        }
    }

    /// Opens a closed pull request again.
    pub(crate) async fn reopen(&self, repository: &str, number: u64) -> TestResult {
        match self.local() {
            Some(local) => Ok(local.reopen(repository, number).await?),
            None => self.ask(Method::PATCH, &format!("/pulls/{number}"), json!({"state": "open"})).await.map(drop),
        }
    }

    /// Merges a pull request; returns the commit that it made.
    pub(crate) async fn merge(&self, repository: &str, number: u64, order: MergeOrder) -> Fallible<String> {
        if let Some(local) = self.local() {
            return Ok(local.merge(repository, number, order).await?);
        }
        let way = match order.method {
            MergeMethod::Merge => "merge",
            MergeMethod::Squash => "squash",
            MergeMethod::Rebase => "rebase",
        };
        let merge = json!({"Do": way, "MergeTitleField": order.title, "MergeMessageField": order.message});
        // The forge refuses while it checks, as its page does.
        until("it is merged", async || {
            match self.ask(Method::POST, &format!("/pulls/{number}/merge"), merge.clone()).await {
                Err(error) if error.to_string().contains("try again later") => Ok(None),
                merged => merged.map(Some),
            }
        })
        .await?;
        let pull = self.ask(Method::GET, &format!("/pulls/{number}"), Value::Null).await?;
        Ok(pull["merge_commit_sha"].as_str().ok_or("it was merged as a commit")?.to_owned())
    }

    /// Reviews a pull request; returns the review's id.
    pub(crate) async fn review(&self, repository: &str, number: u64, state: ReviewState, body: &str) -> Fallible<u64> {
        if let Some(local) = self.local() {
            return Ok(local.review(repository, number, state, body).await?);
        }
        let event = match state {
            ReviewState::Approved => "APPROVED",
            ReviewState::ChangesRequested => "REQUEST_CHANGES",
            ReviewState::Commented | ReviewState::Dismissed => "COMMENT",
        };
        let review = json!({"event": event, "body": body});
        let review = self.ask(Method::POST, &format!("/pulls/{number}/reviews"), review).await?;
        Ok(review["id"].as_u64().ok_or("it has an id")?)
    }

    /// Dismisses a review.
    pub(crate) async fn dismiss_review(&self, repository: &str, number: u64, review: u64) -> TestResult {
        if let Some(local) = self.local() {
            return Ok(local.dismiss_review(repository, number, review).await?);
        }
        let words = json!({"message": "It does not count any more."});
        self.ask(Method::POST, &format!("/pulls/{number}/reviews/{review}/dismissals"), words).await.map(drop)
    }

    /// Comments on a pull request; returns the comment's id.
    pub(crate) async fn comment(&self, repository: &str, number: u64, body: &str) -> Fallible<u64> {
        if let Some(local) = self.local() {
            return Ok(local.comment(repository, number, body).await?);
        }
        let comment = self.ask(Method::POST, &format!("/issues/{number}/comments"), json!({"body": body})).await?;
        Ok(comment["id"].as_u64().ok_or("it has an id")?)
    }

    /// Reports on a commit.
    pub(crate) async fn report_status(
        &self,
        repository: &str,
        sha: &str,
        context: &str,
        state: StatusState,
    ) -> TestResult {
        if let Some(local) = self.local() {
            return Ok(local.report_status(repository, sha, context, state).await.map(drop)?);
        }
        let status = json!({"context": context, "state": state.word()});
        self.ask(Method::POST, &format!("/statuses/{sha}"), status).await.map(drop)
    }
}

impl GiteaStage {
    /// Runs git between the copy and the forge, as somebody.
    fn git(&self, login: &str, command: &[&str], refs: &[&str]) -> TestResult {
        let url = self.lab.page().replace("http://", &format!("http://{login}:{PASSWORD}@"));
        #[expect(clippy::disallowed_methods, reason = "people push with git")]
        let mut git = std::process::Command::new("git");
        git.arg("--git-dir").arg(self.copy.path()).args(command).arg(format!("{url}.git")).args(refs);
        let output = git.output()?;
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
        }
    }

    /// Fills a repository with what is on the forge, and in its copy.
    async fn repository(&self, empty: Repository, copy: &Path) -> Fallible<Repository> {
        let git = git2::Repository::open_bare(copy)?;
        let mut refs = BTreeMap::new();
        for reference in git.references_glob("refs/heads/*")? {
            let reference = reference?;
            refs.insert(reference.name()?.to_owned(), reference.peel_to_commit()?.id().to_string());
        }
        if refs.is_empty() {
            // It lists nothing of a repository without commits.
            return Ok(empty);
        }
        let mut pulls = BTreeMap::new();
        for told in self.list("/pulls?state=all").await? {
            let pull = self.pull(&git, &told)?;
            pulls.insert(pull.number, pull);
        }
        let mut comments = Vec::new();
        for told in self.list("/issues/comments?").await? {
            comments.push(self.comment(&told).await?);
        }
        comments.sort_by_key(|comment| comment.id);
        let statuses = self.statuses().await?;
        Ok(Repository { refs, pulls, comments, statuses, ..empty })
    }

    async fn list(&self, path: &str) -> Fallible<Vec<Value>> {
        let told = self.lab.repository(Method::GET, &format!("{path}&limit={MOST}"), Value::Null).await?;
        let list = told.as_array().cloned().unwrap_or_default();
        if list.len() == MOST { Err("there is more of it".into()) } else { Ok(list) }
    }

    fn pull(&self, git: &git2::Repository, told: &Value) -> Fallible<PullRequest> {
        let number = told["number"].as_u64().ok_or("it has a number")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let state = match (told["merged"] == true, told["state"] == "open") {
            (true, _) => PullState::Merged,
            (false, true) => PullState::Open,
            (false, false) => PullState::Closed,
        };
        // What the forge tells of one that has ended is where its branch is now.
        let kept = git.refname_to_id(&format!("refs/pull/{number}/head")).map(|id| id.to_string());
        let head_sha = match state {
            PullState::Open => text(&told["head"]["sha"]),
            _ => kept.unwrap_or_default(),
        };
        Ok(PullRequest {
            id: told["id"].as_u64().unwrap_or_default(),
            number,
            title: text(&told["title"]),
            body: told["body"].as_str().map(str::to_owned),
            author: text(&told["user"]["login"]),
            head: text(&told["head"]["label"]),
            base: text(&told["base"]["label"]),
            head_sha,
            base_sha: text(&told["base"]["sha"]),
            state,
            draft: told["draft"] == true,
            created_at: text(&told["created_at"]).parse()?,
            updated_at: text(&told["updated_at"]).parse()?,
            closed_at: told["closed_at"].as_str().map(str::parse).transpose()?,
            merged_at: told["merged_at"].as_str().map(str::parse).transpose()?,
            merged_by: told["merged_by"]["login"].as_str().map(str::to_owned),
            merge_commit_sha: told["merge_commit_sha"].as_str().map(str::to_owned),
            labels: Vec::new(),
            mergeability: None,
        })
    }

    async fn comment(&self, told: &Value) -> Fallible<Comment> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let id = told["id"].as_u64().ok_or("it has an id")?;
        let number = text(&told["pull_request_url"]).rsplit('/').next().unwrap_or_default().parse()?;
        let path = format!("/issues/comments/{id}/reactions");
        let given = self.lab.repository(Method::GET, &path, Value::Null).await?;
        let reaction = |one: &Value| {
            let created_at = text(&one["created_at"]).parse()?;
            Ok(Reaction { id: 0, user: text(&one["user"]["login"]), content: text(&one["content"]), created_at })
        };
        Ok(Comment {
            id,
            number,
            author: text(&told["user"]["login"]),
            body: text(&told["body"]),
            created_at: text(&told["created_at"]).parse()?,
            updated_at: text(&told["updated_at"]).parse()?,
            reactions: given.as_array().into_iter().flatten().map(reaction).collect::<Fallible<_>>()?,
        })
    }

    /// Returns what was reported, oldest first.
    async fn statuses(&self) -> Fallible<Vec<Status>> {
        let status = |row: &SqliteRow| {
            let told: i64 = row.get(7);
            Ok(Status {
                id: row.get::<i64, _>(0).unsigned_abs(),
                sha: row.get(1),
                context: row.get(2),
                state: match row.get::<&str, _>(3) {
                    "success" => StatusState::Success,
                    "failure" => StatusState::Failure,
                    "pending" => StatusState::Pending,
                    _ => StatusState::Error,
                },
                description: row.get(4),
                target_url: row.get(5),
                creator: row.get(6),
                created_at: Timestamp::from_second(told)?,
            })
        };
        sqlx::query(REPORTS).fetch_all(&self.database).await?.iter().map(status).collect()
    }
}
