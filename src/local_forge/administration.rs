//! What an administrator of the forge does from inside the process: accounts, repositories, rules, faults; and
//! looking at everything.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use sha2::{Digest, Sha256};

use super::{
    Account, AccountKind, CheckRun, Comment, Delivery, Fault, LocalForge, MergeSettings, Permission, Protection,
    PullRequest, Refusal, Release, Repository, Review, Secret, Status,
    hub::Desk,
    repository::{self, GitRepository},
    state::Hook,
};

/// How a repository is made.
#[derive(Debug, Clone)]
pub struct RepositoryOptions {
    /// Whether reading needs a right.
    pub private: bool,
    /// A short text.
    pub description: Option<String>,
    /// The default branch.
    pub default_branch: String,
    /// Files of a first commit on the default branch, path and text; without any, the repository stays empty.
    pub files: Vec<(String, String)>,
}

impl Default for RepositoryOptions {
    fn default() -> Self {
        Self { private: false, description: None, default_branch: "main".to_owned(), files: Vec::new() }
    }
}

/// A commit to make on a branch without a work tree; the branch is made when it is not there.
#[derive(Debug, Clone)]
pub struct CommitFiles {
    /// The branch.
    pub branch: String,
    /// The commit's message.
    pub message: String,
    /// Paths and texts; other files stay.
    pub files: Vec<(String, String)>,
}

impl LocalForge {
    /// Makes an account and returns its id and token.
    ///
    /// # Errors
    /// 422 when the login is taken or unusable.
    pub async fn create_user(&self, login: &str) -> Result<(u64, Secret), Refusal> {
        self.create_account(login, AccountKind::User).await
    }

    /// Makes the account of a program; returns its numeric id and its token.
    ///
    /// # Errors
    /// 422 when the login is taken or is none.
    pub async fn create_bot(&self, login: &str) -> Result<(u64, Secret), Refusal> {
        self.create_account(login, AccountKind::Bot).await
    }

    async fn create_account(&self, login: &str, kind: AccountKind) -> Result<(u64, Secret), Refusal> {
        let login = login.to_owned();
        self.work(move |desk| {
            let token = Secret::new(format!("lf_{}", random_token()));
            let id = desk.add_account(&login, kind, Some(token.clone()))?;
            Ok((id, token))
        })
        .await
    }

    /// Makes a repository; an owner that is not there yet becomes an organisation.
    ///
    /// # Errors
    /// 422 when the name is taken or unusable.
    pub async fn create_repository(
        &self,
        owner: &str,
        name: &str,
        options: RepositoryOptions,
    ) -> Result<Repository, Refusal> {
        let (owner, name) = (owner.to_owned(), name.to_owned());
        self.work(move |desk| desk.add_repository(&owner, &name, options)).await
    }

    /// Gives a right on `owner/name`; [`Permission::None`] takes it away.
    ///
    /// # Errors
    /// 404 when the repository is not there.
    pub async fn grant(&self, repository: &str, login: &str, permission: Permission) -> Result<(), Refusal> {
        let login = login.to_owned();
        self.change(repository, move |repository| {
            repository.permissions.insert(login, permission);
        })
        .await
    }

    /// Makes a team of an organisation with these members, or gives one other members.
    ///
    /// # Errors
    /// 404 when the organisation or a member is not there.
    pub async fn set_team(&self, organization: &str, slug: &str, members: &[&str]) -> Result<(), Refusal> {
        let key = format!("{organization}/{slug}");
        let organization = organization.to_owned();
        let members: BTreeSet<String> = members.iter().map(|login| (*login).to_owned()).collect();
        self.work(move |desk| {
            let owner = desk.state.accounts.get(&organization);
            let is_there = owner.is_some_and(|account| account.kind == AccountKind::Organization)
                && members.iter().all(|login| desk.state.accounts.contains_key(login));
            if !is_there {
                return Err(Refusal::not_found());
            }
            desk.state.teams.insert(key, members);
            desk.hub.changed.store(true, std::sync::atomic::Ordering::Release);
            Ok(())
        })
        .await
    }

    /// Sets the rules of a branch; none lifts its protection.
    ///
    /// # Errors
    /// 404 when the repository is not there.
    pub async fn protect(&self, repository: &str, branch: &str, rules: Option<Protection>) -> Result<(), Refusal> {
        let branch = branch.to_owned();
        self.change(repository, move |repository| {
            match rules {
                Some(rules) => repository.protections.insert(branch, rules),
                None => repository.protections.remove(&branch),
            };
        })
        .await
    }

    /// Makes a pull request a draft, or ready for review again, of which nobody is told.
    ///
    /// # Errors
    /// 404 when it is not there.
    pub async fn set_draft(&self, repository: &str, number: u64, draft: bool) -> Result<(), Refusal> {
        let key = repository.to_owned();
        self.work(move |desk| {
            desk.repository_mut(&key)?.pulls.get_mut(&number).ok_or_else(Refusal::not_found)?.draft = draft;
            Ok(())
        })
        .await
    }

    /// Sets which merges are allowed.
    ///
    /// # Errors
    /// 404 when the repository is not there.
    pub async fn set_merge_settings(&self, repository: &str, settings: MergeSettings) -> Result<(), Refusal> {
        self.change(repository, move |repository| repository.settings = settings).await
    }

    /// Adds a webhook and returns its id; it is sent a `ping`.
    ///
    /// # Errors
    /// 404 when the repository is not there, 422 when the URL is unusable.
    pub async fn add_webhook(
        &self,
        repository: &str,
        url: &str,
        secret: Option<Secret>,
        events: &[&str],
    ) -> Result<u64, Refusal> {
        let (key, url) = (repository.to_owned(), url.to_owned());
        let events = events.iter().map(|event| (*event).to_owned()).collect();
        self.work(move |desk| desk.add_hook(&key, None, &url, secret, events)).await
    }

    /// Commits files to a branch as `login`, as if pushed, and returns the new tip.
    ///
    /// # Errors
    /// 404 when the repository is not there, 401, 403 and so on when `login` may not write.
    pub async fn commit_files(&self, repository: &str, login: &str, commit: CommitFiles) -> Result<String, Refusal> {
        let (key, login) = (repository.to_owned(), login.to_owned());
        self.work(move |desk| desk.commit_files(&key, &login, &commit)).await
    }

    /// Takes over what was done to a repository's refs from outside, as a push of `login`.
    ///
    /// # Errors
    /// 404 when the repository is not there.
    pub async fn refresh(&self, repository: &str, login: &str) -> Result<(), Refusal> {
        let (key, login) = (repository.to_owned(), login.to_owned());
        self.work(move |desk| desk.take_refs(&key, &login)).await
    }

    /// Returns everything about a repository.
    ///
    /// # Errors
    /// 404 when it is not there.
    pub async fn repository(&self, repository: &str) -> Result<Repository, Refusal> {
        let key = repository.to_owned();
        self.work(move |desk| desk.repository(&key).cloned()).await
    }

    /// Returns every account.
    pub async fn accounts(&self) -> Vec<Account> {
        self.work(|desk| desk.state.accounts.values().cloned().collect()).await
    }

    /// Returns all pull requests, oldest first.
    ///
    /// # Errors
    /// 404 when the repository is not there.
    pub async fn pull_requests(&self, repository: &str) -> Result<Vec<PullRequest>, Refusal> {
        Ok(self.repository(repository).await?.pulls.into_values().collect())
    }

    /// Returns a pull request.
    ///
    /// # Errors
    /// 404 when it is not there.
    pub async fn pull_request(&self, repository: &str, number: u64) -> Result<PullRequest, Refusal> {
        let key = repository.to_owned();
        self.work(move |desk| desk.pull(&key, number).cloned()).await
    }

    /// Returns the comments of a pull request, oldest first.
    ///
    /// # Errors
    /// 404 when the repository is not there.
    pub async fn comments(&self, repository: &str, number: u64) -> Result<Vec<Comment>, Refusal> {
        let all = self.repository(repository).await?.comments;
        Ok(all.into_iter().filter(|comment| comment.number == number).collect())
    }

    /// Dates a comment so long before now, as if nobody had heard of it until now.
    ///
    /// # Errors
    /// 404 when the repository is not there.
    pub async fn backdate_comment(&self, repository: &str, id: u64, by: SignedDuration) -> Result<(), Refusal> {
        self.change(repository, move |repository| {
            for comment in repository.comments.iter_mut().filter(|comment| comment.id == id) {
                comment.created_at -= by;
                comment.updated_at -= by;
            }
        })
        .await
    }

    /// Returns the reviews of a pull request, oldest first.
    ///
    /// # Errors
    /// 404 when the repository is not there.
    pub async fn reviews(&self, repository: &str, number: u64) -> Result<Vec<Review>, Refusal> {
        let all = self.repository(repository).await?.reviews;
        Ok(all.into_iter().filter(|review| review.number == number).collect())
    }

    /// Returns the commit statuses of a SHA, oldest first.
    ///
    /// # Errors
    /// 404 when the repository is not there.
    pub async fn statuses(&self, repository: &str, sha: &str) -> Result<Vec<Status>, Refusal> {
        let all = self.repository(repository).await?.statuses;
        Ok(all.into_iter().filter(|status| status.sha == sha).collect())
    }

    /// Returns the check runs of a SHA, oldest first.
    ///
    /// # Errors
    /// 404 when the repository is not there.
    pub async fn check_runs(&self, repository: &str, sha: &str) -> Result<Vec<CheckRun>, Refusal> {
        let all = self.repository(repository).await?.check_runs;
        Ok(all.into_iter().filter(|run| run.sha == sha).collect())
    }

    /// Returns the webhook deliveries of a repository, oldest first.
    ///
    /// # Errors
    /// 404 when it is not there.
    pub async fn deliveries(&self, repository: &str) -> Result<Vec<Delivery>, Refusal> {
        Ok(self.repository(repository).await?.deliveries)
    }

    /// Has the newest webhook of an event delivered once more, under its GUID.
    ///
    /// # Errors
    /// 404 when the repository is not there, or none was delivered.
    pub async fn redeliver_newest(&self, repository: &str, event: &str) -> Result<(), Refusal> {
        let (key, event) = (repository.to_owned(), event.to_owned());
        self.work(move |desk| desk.deliver_again(&key, |earlier| earlier.event == event)).await
    }

    /// Lets calls go wrong.
    pub fn fail(&self, fault: Fault) {
        self.hub.faults.add(fault);
    }

    /// Counts so many calls of an account as made in this hour.
    pub fn spend_calls(&self, login: &str, count: u64) {
        self.hub.rate_limit.spend(login, count, super::clock::now());
    }

    /// Forgets every fault that has not happened yet.
    pub fn clear_faults(&self) {
        self.hub.faults.clear();
    }

    /// Loses the next `count` webhooks; they are listed as failed and can be sent again.
    pub fn lose_webhooks(&self, count: u32) {
        self.hub.outbox.lose_next(count);
    }

    /// Holds webhooks back from now on.
    pub fn hold_webhooks(&self) {
        self.hub.outbox.hold();
    }

    /// Lets go what was held back and holds nothing more; returns how many were held.
    pub fn release_webhooks(&self, how: Release) -> usize {
        self.hub.outbox.release(how)
    }

    /// Waits until no webhook is under way; those held back do not count.
    pub async fn webhooks_sent(&self) {
        self.hub.outbox.drained().await;
    }

    async fn change(
        &self,
        repository: &str,
        change: impl FnOnce(&mut Repository) + Send + 'static,
    ) -> Result<(), Refusal> {
        let key = repository.to_owned();
        self.work(move |desk| desk.repository_mut(&key).map(change)).await
    }
}

impl Desk<'_> {
    fn add_account(&mut self, login: &str, kind: AccountKind, token: Option<Secret>) -> Result<u64, Refusal> {
        if !is_usable(login) {
            return Err(Refusal::invalid("User", "login"));
        }
        if self.state.accounts.contains_key(login) {
            return Err(Refusal::already_exists("User", "login"));
        }
        let account = Account { id: self.state.new_id(), login: login.to_owned(), kind, token, created_at: self.now() };
        let id = account.id;
        self.state.accounts.insert(login.to_owned(), account);
        self.hub.changed.store(true, std::sync::atomic::Ordering::Release);
        Ok(id)
    }

    fn add_repository(&mut self, owner: &str, name: &str, options: RepositoryOptions) -> Result<Repository, Refusal> {
        if !is_usable(name) || name.ends_with(".git") {
            return Err(Refusal::invalid("Repository", "name"));
        }
        let key = format!("{owner}/{name}");
        if self.state.repositories.contains_key(&key) {
            return Err(Refusal::already_exists("Repository", "name"));
        }
        if !self.state.accounts.contains_key(owner) {
            self.add_account(owner, AccountKind::Organization, None)?;
        }
        let path = repository::path_of(&self.hub.git_root(), owner, name);
        GitRepository::create(&path, &options.default_branch)
            .map_err(|error| Refusal::new(500, format!("could not make the repository: {error:#}")))?;
        let now = self.now();
        let repository = Repository {
            id: self.state.new_id(),
            owner: owner.to_owned(),
            name: name.to_owned(),
            private: options.private,
            description: options.description,
            default_branch: options.default_branch.clone(),
            created_at: now,
            pushed_at: now,
            settings: MergeSettings::default(),
            permissions: [(owner.to_owned(), Permission::Admin)].into(),
            protections: Default::default(),
            refs: Default::default(),
            pulls: Default::default(),
            comments: Vec::new(),
            reviews: Vec::new(),
            statuses: Vec::new(),
            check_runs: Vec::new(),
            suites: Default::default(),
            labels: Vec::new(),
            hooks: Vec::new(),
            deployments: Vec::new(),
            deliveries: Vec::new(),
        };
        self.state.repositories.insert(key.clone(), repository);
        if !options.files.is_empty() {
            let branch = options.default_branch;
            let commit = CommitFiles { branch, message: "Initial commit".to_owned(), files: options.files };
            self.commit_files(&key, owner, &commit)?;
        }
        self.repository_mut(&key).cloned()
    }

    fn commit_files(&mut self, key: &str, login: &str, commit: &CommitFiles) -> Result<String, Refusal> {
        let account = self.require(key, Some(login), Permission::Write)?;
        let git = self.git(key)?;
        let parent = self.repository(key)?.branch(&commit.branch).and_then(|sha| git.resolve(sha));
        let who = git2::Signature::now(login, &account.email())?;
        let tip = git.commit_files(parent, &commit.files, &commit.message, &who)?;
        let name = format!("refs/heads/{}", commit.branch);
        match parent {
            Some(parent) => git.move_ref(&name, tip, parent)?,
            None => git.create_ref(&name, tip)?,
        }
        self.take_refs(key, login)?;
        Ok(tip.to_string())
    }

    /// Adds a webhook and pings it.
    pub(super) fn add_hook(
        &mut self,
        key: &str,
        actor: Option<&str>,
        url: &str,
        secret: Option<Secret>,
        events: Vec<String>,
    ) -> Result<u64, Refusal> {
        if !url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
            return Err(Refusal::invalid("Hook", "url"));
        }
        let (id, created_at) = (self.state.new_id(), self.now());
        let hook = Hook { id, url: url.to_owned(), secret, events, active: true, created_at };
        self.repository_mut(key)?.hooks.push(hook);
        self.tell_ping(key, id, actor)?;
        Ok(id)
    }
}

/// Logins and names become parts of paths: letters, digits, `-`, `_` and `.`, not at the beginning.
fn is_usable(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= 100 && !name.starts_with(['.', '-']) && name.chars().all(is_plain)
}

/// Returns 40 hexadecimal digits that nobody can guess.
pub(super) fn random_token() -> String {
    let mut hash = Sha256::new();
    // Each of these has 74 random bits.
    for _ in 0..4 {
        hash.update(uuid::Uuid::now_v7().as_bytes());
    }
    hex::encode(&hash.finalize()[..20])
}
