//! GitLab: its merge requests as pull requests, its pipelines' statuses as commit statuses, its notes as comments.
//!
//! - No call repeats a write whose answer was lost; it is settled by reading back.
//! - What a refusal means is decided by what the thing is afterwards: one code has many reasons here, and the texts are
//!   the same.
//! - The token is sent to the configured address alone, also by git.
//! - Nothing that we write is obeyed by GitLab: see `quick_actions.rs`.
//!
//! What the API really does is told where it is worked around.

mod approvals;
mod authors;
mod client;
mod diagnosis;
mod hooks;
mod merge;
mod model;
mod notes;
mod people;
mod pipelines;
mod quick_actions;
mod requests;
mod statuses;
#[cfg(test)]
mod tests;

use std::{fmt, num::NonZeroUsize, sync::Arc, time::Duration};

use async_trait::async_trait;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use tokio::sync::OnceCell;

use self::{
    client::{Api, Client, TOKEN_HEADER},
    merge::Merging,
    model::{MergeRequestBody, UserBody},
};
use super::{
    Account, Among, Comment, CommitAuthor, CredentialSeen, Forge, ForgeError, GitRemote, Merge, NewPullRequest,
    NewStatus, Pages, PullRequest, Reacted, Reaction, RecentComments, Repository, Reviews, WebhookSeen,
    calls::{Breaker, CredentialState, Http, Outgoing, TokenHeader, whose_token},
    setup::api_and_site,
};
pub use super::{SetupError, calls::Limits};
use crate::{
    domain::{
        ids::{BranchName, PullRequestNumber, RepositoryId},
        permission::{Grantee, Permission},
        status::CommitStatus,
        strategy::MergeMethod,
    },
    network::Network,
    secret::Secret,
};

/// Where the API is below the address that people open.
pub const API_PATH: &str = "/api/v4";
/// What an address of the API looks like.
const EXAMPLE: &str = "https://gitlab.com/api/v4";
/// How long a merge waits while GitLab checks whether it can be merged, which it does in the background after each push.
const MERGE_PATIENCE: Duration = Duration::from_secs(15);

/// Where the API is and how to speak with it.
#[derive(Debug, Clone)]
pub struct GitLabOptions {
    /// The API's address, such as `https://gitlab.com/api/v4`.
    pub api_url: String,
    /// A personal, project or group access token.
    pub token: Secret,
    /// Time limits.
    pub limits: Limits,
}

/// A forge with GitLab's API.
pub struct GitLab {
    client: Client,
    /// The address that people open and git uses, without a slash at its end.
    site: String,
    token: Secret,
    account: OnceCell<Account>,
    merge_patience: Duration,
}

impl fmt::Debug for GitLab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitLab").field("site", &self.site).finish_non_exhaustive()
    }
}

impl GitLab {
    /// Returns the adapter; sends nothing yet.
    ///
    /// # Errors
    /// When address or token cannot be used.
    pub fn new(options: &GitLabOptions) -> Result<Self, SetupError> {
        Self::through(options, &Network::default())
    }

    /// Returns the adapter that reaches the forge in a way of its own; sends nothing yet.
    ///
    /// # Errors
    /// When address or token cannot be used.
    pub fn through(options: &GitLabOptions, network: &Network) -> Result<Self, SetupError> {
        let (api, site) = api_and_site(&options.api_url, API_PATH, EXAMPLE)?;
        let outgoing = Outgoing::new(&api, options.limits.connect, network);
        let outgoing = outgoing.map_err(|source| SetupError::Client { source })?;
        let token = TokenHeader { name: TOKEN_HEADER, prefix: "", token: options.token.clone() };
        let transport = Http::new(&api, token, outgoing);
        let transport = transport.map_err(|source| SetupError::Client { source })?;
        Ok(Self {
            client: Client::new(
                Api(transport),
                Arc::new(CredentialState::new(options.limits, &Breaker::of(&api), "token")),
            ),
            site,
            token: options.token.clone(),
            account: OnceCell::new(),
            merge_patience: MERGE_PATIENCE,
        })
    }

    async fn read_account(&self) -> Result<Account, ForgeError> {
        Ok(self.client.get::<UserBody>(&whose_token()).await?.account())
    }
}

#[async_trait]
impl Forge for GitLab {
    async fn account(&self) -> Result<Account, ForgeError> {
        self.account.get_or_try_init(|| self.read_account()).await.cloned()
    }

    fn takes_bare_commands(&self) -> bool {
        false
    }

    fn writes_at_once(&self) -> NonZeroUsize {
        self.client.state.limits.writes_at_once
    }

    async fn repository(&self, repository: &RepositoryId) -> Result<Repository, ForgeError> {
        let body = requests::project(&self.client, repository).await?;
        let unavailable = |source: anyhow::Error| ForgeError::Unavailable {
            what: format!("show the repository `{repository}`"),
            source,
        };
        let name = body.default_branch.ok_or_else(|| unavailable(anyhow::anyhow!("it has no default branch yet")))?;
        let default_branch = BranchName::new(name).map_err(|error| unavailable(error.into()))?;
        Ok(Repository { default_branch, web_url: body.web_url, pages: Pages::GitLab })
    }

    async fn git_remote(&self, repository: &RepositoryId) -> Result<GitRemote, ForgeError> {
        // Any user name does beside a token. The address that GitLab tells may be another, as its people see it: the
        // token is not for that.
        let pair = BASE64_STANDARD.encode(format!("oauth2:{}", self.token.now().expose_secret()));
        let authorization = Some(format!("Basic {pair}").into());
        Ok(GitRemote { url: format!("{}/{repository}.git", self.site), authorization })
    }

    async fn pull_requests(
        &self,
        repository: &RepositoryId,
        head: &BranchName,
        base: &BranchName,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        requests::list(&self.client, repository, head, base).await
    }

    async fn pull_requests_into(
        &self,
        repository: &RepositoryId,
        base: &BranchName,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        requests::list_into(&self.client, repository, base).await
    }

    async fn pull_request(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
    ) -> Result<PullRequest, ForgeError> {
        requests::read(&self.client, repository, number).await.map(MergeRequestBody::pull_request)
    }

    async fn open_pull_request(
        &self,
        repository: &RepositoryId,
        new: &NewPullRequest,
    ) -> Result<PullRequest, ForgeError> {
        requests::open(&self.client, repository, new).await
    }

    async fn edit_pull_request(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
        title: &str,
        body: &str,
    ) -> Result<(), ForgeError> {
        requests::edit(&self.client, repository, number, title, body).await
    }

    async fn close_pull_request(&self, repository: &RepositoryId, number: PullRequestNumber) -> Result<(), ForgeError> {
        requests::close(&self.client, repository, number).await
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
        notes::since(&self.client, repository, since).await
    }

    async fn comments(&self, repository: &RepositoryId, number: PullRequestNumber) -> Result<Vec<Comment>, ForgeError> {
        notes::list(&self.client, repository, number).await
    }

    async fn post_comment(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
        body: &str,
    ) -> Result<u64, ForgeError> {
        notes::post(&self.client, repository, number, body).await
    }

    async fn edit_comment(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
        comment: u64,
        body: &str,
    ) -> Result<(), ForgeError> {
        notes::edit(&self.client, repository, number, comment, body).await
    }

    async fn react(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
        comment: u64,
        reaction: Reaction,
    ) -> Result<Reacted, ForgeError> {
        let account = self.account().await?;
        notes::react(&self.client, repository, number, comment, reaction, &account).await
    }

    async fn reviews(&self, repository: &RepositoryId, number: PullRequestNumber) -> Result<Reviews, ForgeError> {
        approvals::list(&self.client, repository, number).await
    }

    async fn authors(
        &self,
        repository: &RepositoryId,
        base: Option<&str>,
        head: &str,
    ) -> Result<Vec<CommitAuthor>, ForgeError> {
        authors::of(&self.client, repository, base, head).await
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
        hooks::seen(&self.client, repository, address).await
    }

    fn disables_webhooks(&self) -> bool {
        true
    }

    async fn test_webhook(&self, repository: &RepositoryId, id: u64) -> Result<(), ForgeError> {
        hooks::test(&self.client, repository, id).await
    }

    async fn credential(&self) -> Result<CredentialSeen, ForgeError> {
        diagnosis::of_token(&self.client).await
    }

    async fn lacking(&self, repository: &RepositoryId) -> Result<Vec<String>, ForgeError> {
        diagnosis::lacking(&self.client, repository).await
    }

    async fn rules(
        &self,
        repository: &RepositoryId,
        base: &BranchName,
        head: &BranchName,
        _method: MergeMethod,
    ) -> Result<Vec<String>, ForgeError> {
        match diagnosis::rules(&self.client, repository, base.as_str(), head.as_str()).await {
            Err(ForgeError::NotFound { .. } | ForgeError::Unauthorised { .. }) => Ok(Vec::new()),
            rules => rules,
        }
    }
}
