//! Gitea, and Forgejo, which speaks the same API.
//!
//! - No call repeats a write whose answer was lost; it is settled by reading back.
//! - What an answer means is decided by what the thing is afterwards, not by the text: Gitea has one text for several
//!   reasons, and one code for many.
//! - The token is sent to the configured address alone, also by git.
//!
//! What the API really does is told where it is worked around.

mod client;
mod comments;
mod heads;
mod merge;
mod model;
mod people;
mod pulls;
mod reviews;
mod statuses;
#[cfg(test)]
mod tests;

use std::{fmt, num::NonZeroUsize, sync::Arc, time::Duration};

use async_trait::async_trait;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::header;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use tokio::sync::OnceCell;

use self::{
    client::Client,
    heads::Heads,
    merge::Merging,
    model::{RepositoryBody, UserBody},
};
use super::{
    Account, Among, Comment, CommitAuthor, CredentialSeen, Forge, ForgeError, GitRemote, Merge, NewPullRequest,
    NewStatus, Pages, PullRequest, Reacted, Reaction, RecentComments, Repository, Reviews, WebhookSeen,
    calls::{Breaker, CredentialState, Http, Outgoing, TokenHeader, parse, whose_token},
    diagnosis, github_like,
    setup::api_and_site,
};
pub use super::{SetupError, calls::Limits};
use crate::{
    domain::{
        ids::{BranchName, PullRequestNumber, RepositoryId},
        permission::{Grantee, Permission},
        status::CommitStatus,
    },
    network::Network,
    secret::Secret,
};

/// Where the API is below the address that people open.
pub const API_PATH: &str = "/api/v1";
/// What an address of the API looks like.
const EXAMPLE: &str = "https://git.example.com/api/v1";
/// How long a merge waits for the forge's own check of the pull request: its queue is looked at every two seconds by
/// default, and a push is in two of them, one after the other.
const MERGE_PATIENCE: Duration = Duration::from_secs(15);
/// What a webhook must tell of; much of it is told under more names.
const EVENTS: [&str; 3] = ["push", "status", "pull_request"];

/// Where the API is and how to speak with it.
#[derive(Debug, Clone)]
pub struct GiteaOptions {
    /// The API's address, such as `https://git.example.com/api/v1`.
    pub api_url: String,
    /// An access token.
    pub token: Secret,
    /// Time limits.
    pub limits: Limits,
}

/// A forge with Gitea's API.
pub struct Gitea {
    client: Client,
    /// The address that people open and git uses, without a slash at its end.
    site: String,
    token: Secret,
    heads: Heads,
    account: OnceCell<Account>,
    merge_patience: Duration,
}

impl fmt::Debug for Gitea {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gitea").field("site", &self.site).finish_non_exhaustive()
    }
}

impl Gitea {
    /// Returns the adapter; sends nothing yet.
    ///
    /// # Errors
    /// When address or token cannot be used.
    pub fn new(options: &GiteaOptions) -> Result<Self, SetupError> {
        Self::through(options, &Network::default())
    }

    /// Returns the adapter that reaches the forge in a way of its own; sends nothing yet.
    ///
    /// # Errors
    /// When address or token cannot be used.
    pub fn through(options: &GiteaOptions, network: &Network) -> Result<Self, SetupError> {
        let (api, site) = api_and_site(&options.api_url, API_PATH, EXAMPLE)?;
        let outgoing = Outgoing::new(&api, options.limits.connect, network);
        let outgoing = outgoing.map_err(|source| SetupError::Client { source })?;
        let token = TokenHeader { name: header::AUTHORIZATION, prefix: "token ", token: options.token.clone() };
        let transport = Http::new(&api, token, outgoing);
        let transport = transport.map_err(|source| SetupError::Client { source })?;
        Ok(Self {
            client: Client::new(transport, Arc::new(CredentialState::new(options.limits, &Breaker::of(&api), "token"))),
            site,
            token: options.token.clone(),
            heads: Heads::default(),
            account: OnceCell::new(),
            merge_patience: MERGE_PATIENCE,
        })
    }

    async fn read_account(&self) -> Result<Account, ForgeError> {
        let call = whose_token();
        let user: UserBody = self.client.get(&call).await?;
        user.account().ok_or_else(|| ForgeError::Unavailable {
            what: call.what,
            source: anyhow::anyhow!("it is the token of an account that is gone"),
        })
    }
}

#[async_trait]
impl Forge for Gitea {
    async fn account(&self) -> Result<Account, ForgeError> {
        self.account.get_or_try_init(|| self.read_account()).await.cloned()
    }

    fn writes_at_once(&self) -> NonZeroUsize {
        self.client.state.limits.writes_at_once
    }

    async fn repository(&self, repository: &RepositoryId) -> Result<Repository, ForgeError> {
        let body: RepositoryBody = github_like::repository(&self.client, repository).await?;
        let default_branch = BranchName::new(body.default_branch).map_err(|error| ForgeError::Unavailable {
            what: format!("show the repository `{repository}`"),
            source: error.into(),
        })?;
        Ok(Repository { default_branch, web_url: body.html_url, pages: Pages::Gitea })
    }

    async fn git_remote(&self, repository: &RepositoryId) -> Result<GitRemote, ForgeError> {
        // Any user name does beside a token. The address that the forge tells may be another, as its people see it:
        // the token is not for that.
        let pair = BASE64_STANDARD.encode(format!("hydromote:{}", self.token.now().expose_secret()));
        let authorization = Some(format!("Basic {pair}").into());
        Ok(GitRemote { url: format!("{}/{repository}.git", self.site), authorization })
    }

    async fn pull_requests(
        &self,
        repository: &RepositoryId,
        head: &BranchName,
        base: &BranchName,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        pulls::list(&self.client, &self.heads, repository, head, base).await
    }

    async fn pull_requests_into(
        &self,
        repository: &RepositoryId,
        base: &BranchName,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        pulls::list_into(&self.client, &self.heads, repository, base).await
    }

    async fn pull_request(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
    ) -> Result<PullRequest, ForgeError> {
        pulls::read(&self.client, &self.heads, repository, number).await
    }

    async fn open_pull_request(
        &self,
        repository: &RepositoryId,
        new: &NewPullRequest,
    ) -> Result<PullRequest, ForgeError> {
        pulls::open(&self.client, repository, new).await
    }

    async fn edit_pull_request(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
        title: &str,
        body: &str,
    ) -> Result<(), ForgeError> {
        github_like::pulls::edit(&self.client, repository, number, title, body).await
    }

    async fn close_pull_request(&self, repository: &RepositoryId, number: PullRequestNumber) -> Result<(), ForgeError> {
        let state = async { pulls::read_body(&self.client, repository, number).await.map(|body| body.state()) };
        github_like::pulls::close(&self.client, repository, number, state).await
    }

    fn looks_at_base(&self) -> bool {
        true
    }

    async fn merge_pull_request(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
        merge: &Merge,
    ) -> Result<String, ForgeError> {
        Merging { client: &self.client, repository, number, merge }.run(self.merge_patience).await
    }

    async fn commit_statuses(&self, repository: &RepositoryId, sha: &str) -> Result<Vec<CommitStatus>, ForgeError> {
        statuses::read(&self.client, repository, sha).await
    }

    async fn post_status(&self, repository: &RepositoryId, sha: &str, status: &NewStatus) -> Result<(), ForgeError> {
        statuses::post(&self.client, repository, sha, status).await
    }

    async fn comments_since(&self, repository: &RepositoryId, since: Timestamp) -> Result<RecentComments, ForgeError> {
        comments::since(&self.client, repository, since).await
    }

    async fn comments(&self, repository: &RepositoryId, number: PullRequestNumber) -> Result<Vec<Comment>, ForgeError> {
        comments::list(&self.client, repository, number).await
    }

    async fn post_comment(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
        body: &str,
    ) -> Result<u64, ForgeError> {
        github_like::comments::post(&self.client, repository, number, body).await
    }

    async fn edit_comment(
        &self,
        repository: &RepositoryId,
        _: PullRequestNumber,
        comment: u64,
        body: &str,
    ) -> Result<(), ForgeError> {
        github_like::comments::edit(&self.client, repository, comment, body).await
    }

    async fn react(
        &self,
        repository: &RepositoryId,
        _: PullRequestNumber,
        comment: u64,
        reaction: Reaction,
    ) -> Result<Reacted, ForgeError> {
        github_like::comments::react(&self.client, repository, comment, reaction).await
    }

    async fn reviews(&self, repository: &RepositoryId, number: PullRequestNumber) -> Result<Reviews, ForgeError> {
        reviews::list(&self.client, repository, number).await
    }

    async fn authors(
        &self,
        repository: &RepositoryId,
        base: Option<&str>,
        head: &str,
    ) -> Result<Vec<CommitAuthor>, ForgeError> {
        reviews::authors(&self.client, repository, base, head).await
    }

    async fn permission(&self, repository: &RepositoryId, account: &Account) -> Result<Permission, ForgeError> {
        people::permission(&self.client, repository, account).await
    }

    async fn is_among(
        &self,
        repository: &RepositoryId,
        people: &Grantee,
        account: &Account,
    ) -> Result<Among, ForgeError> {
        people::is_among(&self.client, repository, people, account).await
    }

    async fn webhooks(&self, repository: &RepositoryId, address: &str) -> Result<Vec<WebhookSeen>, ForgeError> {
        let hooks = self.client.page(&github_like::hooks::list(repository), 1).await?.entries;
        Ok(github_like::hooks::seen(hooks, address, &EVENTS))
    }

    async fn credential(&self) -> Result<CredentialSeen, ForgeError> {
        let call = whose_token();
        let answer = self.client.read(&call, &call.path).await?;
        let login = parse::<UserBody>(&answer.body, &call.what)?.login;
        let (kind, forge_time) = ("access token".to_owned(), diagnosis::time(&answer.headers));
        Ok(CredentialSeen { login, kind, expires_at: None, lacks: Vec::new(), forge_time })
    }

    async fn lacking(&self, repository: &RepositoryId) -> Result<Vec<String>, ForgeError> {
        let body: RepositoryBody = github_like::repository(&self.client, repository).await?;
        let may_push = body.permissions.is_none_or(|rights| rights.push);
        Ok(if may_push { Vec::new() } else { vec![github_like::LACKS_WRITE.to_owned()] })
    }
}
