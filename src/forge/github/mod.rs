//! GitHub, GitHub Enterprise and the local forge, which speaks the same API.
//!
//! - No call repeats a write. A write whose answer was lost or refused is settled by reading back.
//! - Every request has a time limit; writes of one credential go out one after another.
//! - Tokens and keys never appear in errors, logs or `Debug`.

mod access;
mod app_key;
mod client;
mod comments;
mod deliveries;
mod diagnosis;
mod model;
mod people;
mod pulls;
mod reviews;
mod rules;
mod sdk;
mod statuses;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::Uri;
use jiff::Timestamp;
use octocrab::AuthState;
use secrecy::ExposeSecret;
use tokio::sync::{OnceCell, watch};

pub use self::app_key::check_private_key;
use self::{
    access::{Access, App, Credential, GitToken},
    app_key::AppKey,
    client::{Client, Octo},
    model::{AppBody, RepositoryBody, UserBody},
    sdk::sdk,
};
use super::{
    Account, Among, Comment, CommitAuthor, CredentialSeen, DeliveriesKept, DeliveriesOf, Forge, ForgeError, GitRemote,
    Merge, MissedDelivery, NewPullRequest, NewStatus, Pages, PullRequest, Reacted, Reaction, RecentComments,
    Repository, Reviews, Webhook, WebhookSeen,
    calls::{Breaker, Call, CredentialState, Outgoing, encoded, whose_token},
    github_like,
    setup::api_address,
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

/// What an address of the API looks like.
const EXAMPLE: &str = "https://api.github.com";
/// Where the API is and how to speak with it.
#[derive(Debug, Clone)]
pub struct GitHubOptions {
    /// The API's address, such as `https://api.github.com` or `https://ghe.example.com/api/v3`.
    pub api_url: String,
    /// The credentials.
    pub credentials: Credentials,
    /// Time limits.
    pub limits: Limits,
}

/// As whom we speak.
#[derive(Clone)]
pub enum Credentials {
    /// A personal access token.
    Token(Secret),
    /// A GitHub App; its installations are found per repository.
    App {
        /// The App's id.
        id: u64,
        /// The RSA private key, PEM.
        private_key: Secret,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(_) => f.write_str("Token(…)"),
            Self::App { id, .. } => write!(f, "App({id}, …)"),
        }
    }
}

/// A forge with GitHub's API.
#[derive(Debug)]
pub struct GitHub {
    credential: Credential,
    account: OnceCell<Account>,
    breaker: Arc<Breaker>,
    /// Where repositories are cloned from, as the forge last said.
    clone_urls: Mutex<BTreeMap<RepositoryId, String>>,
}

impl GitHub {
    /// Returns the adapter; sends nothing yet. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// When address or key cannot be used.
    pub fn new(options: &GitHubOptions) -> Result<Self, SetupError> {
        Self::through(options, &Network::default())
    }

    /// Returns the adapter that reaches the forge in a way of its own; sends nothing yet. Must be called inside a Tokio
    /// runtime.
    ///
    /// # Errors
    /// When address or key cannot be used.
    pub fn through(options: &GitHubOptions, network: &Network) -> Result<Self, SetupError> {
        let api = api_address(&options.api_url, EXAMPLE)?;
        let limits = options.limits;
        let breaker = Breaker::of(&api);
        let base: Uri = api.parse().map_err(|_| SetupError::Address { url: api.clone(), example: EXAMPLE })?;
        let outgoing = Outgoing::new(&api, limits.connect, network).map_err(|source| SetupError::Client { source })?;
        let credential = match &options.credentials {
            Credentials::Token(token) => {
                let octocrab = sdk(base, AuthState::None, outgoing);
                let state = Arc::new(CredentialState::new(limits, &breaker, "token"));
                let client = Arc::new(Client::new(Octo::Token { octocrab, token: token.clone() }, state));
                Credential::Token(Access { client, token: GitToken::Own(token.clone()) })
            }
            Credentials::App { id, private_key } => {
                let key = AppKey::new(*id, private_key.clone(), base, outgoing)?;
                Credential::App(Box::new(App::new(Arc::new(key), limits, Arc::clone(&breaker))))
            }
        };
        Ok(Self { credential, account: OnceCell::new(), breaker, clone_urls: Mutex::default() })
    }

    async fn client(&self, repository: &RepositoryId) -> Result<Arc<Client>, ForgeError> {
        Ok(self.credential.access(repository).await?.client)
    }

    /// Returns the client that may see what a webhook delivered.
    async fn webhook_client(&self, webhook: &Webhook) -> Result<Arc<Client>, ForgeError> {
        match (webhook, &self.credential) {
            (Webhook::OfRepository { repository, .. }, _) => self.client(repository).await,
            (Webhook::OfApp, Credential::App(app)) => Ok(app.client()),
            (Webhook::OfApp, Credential::Token(_)) => {
                Err(ForgeError::NotFound { what: "an App, whose webhook this would be,".to_owned() })
            }
        }
    }

    async fn read_account(&self) -> Result<Account, ForgeError> {
        let call = |route, path, what: &str| Call::new(route, path, what.to_owned());
        let user: UserBody = match &self.credential {
            Credential::Token(access) => access.client.get(&whose_token()).await?,
            Credential::App(app) => {
                let body: AppBody = app.client().get(&call("/app", "/app".into(), "say which App this is")).await?;
                let path = format!("/users/{}%5Bbot%5D", encoded(&body.slug));
                let call = call("/users/{username}", path, "find the App's account");
                app.any_access().await?.client.get(&call).await?
            }
        };
        Ok(Account { id: user.id, login: user.login })
    }
}

#[async_trait]
impl Forge for GitHub {
    async fn account(&self) -> Result<Account, ForgeError> {
        self.account.get_or_try_init(|| self.read_account()).await.cloned()
    }

    async fn repository(&self, repository: &RepositoryId) -> Result<Repository, ForgeError> {
        let body: RepositoryBody = github_like::repository(&*self.client(repository).await?, repository).await?;
        let default_branch = BranchName::new(body.default_branch).map_err(|error| ForgeError::Unavailable {
            what: format!("show the repository `{repository}`"),
            source: error.into(),
        })?;
        Ok(Repository { default_branch, web_url: body.html_url, pages: Pages::GitHub })
    }

    async fn git_remote(&self, repository: &RepositoryId) -> Result<GitRemote, ForgeError> {
        let access = self.credential.access(repository).await?;
        let known = self.clone_urls.lock().unwrap_or_else(PoisonError::into_inner).get(repository).cloned();
        let url = match known {
            Some(url) => url,
            None => {
                let body: RepositoryBody = github_like::repository(&access.client, repository).await?;
                let url = body.clone_url;
                let mut urls = self.clone_urls.lock().unwrap_or_else(PoisonError::into_inner);
                urls.entry(repository.clone()).or_insert(url).clone()
            }
        };
        let token = access.git_token().await;
        let pair = BASE64_STANDARD.encode(format!("x-access-token:{}", token.expose_secret()));
        Ok(GitRemote { url, authorization: Some(format!("Basic {pair}").into()) })
    }

    async fn pull_requests(
        &self,
        repository: &RepositoryId,
        head: &BranchName,
        base: &BranchName,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        pulls::list(&*self.client(repository).await?, repository, head, base).await
    }

    async fn pull_requests_into(
        &self,
        repository: &RepositoryId,
        base: &BranchName,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        pulls::list_into(&*self.client(repository).await?, repository, base).await
    }

    async fn pull_request(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
    ) -> Result<PullRequest, ForgeError> {
        pulls::read(&*self.client(repository).await?, repository, number).await
    }

    async fn open_pull_request(
        &self,
        repository: &RepositoryId,
        new: &NewPullRequest,
    ) -> Result<PullRequest, ForgeError> {
        pulls::open(&*self.client(repository).await?, repository, new).await
    }

    async fn edit_pull_request(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
        title: &str,
        body: &str,
    ) -> Result<(), ForgeError> {
        github_like::pulls::edit(&*self.client(repository).await?, repository, number, title, body).await
    }

    async fn close_pull_request(&self, repository: &RepositoryId, number: PullRequestNumber) -> Result<(), ForgeError> {
        let client = self.client(repository).await?;
        let state = async { pulls::read(&client, repository, number).await.map(|pull| pull.state) };
        github_like::pulls::close(&client, repository, number, state).await
    }

    async fn merge_pull_request(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
        merge: &Merge,
    ) -> Result<String, ForgeError> {
        pulls::merge(&*self.client(repository).await?, repository, number, merge).await
    }

    async fn commit_statuses(&self, repository: &RepositoryId, sha: &str) -> Result<Vec<CommitStatus>, ForgeError> {
        statuses::read(&*self.client(repository).await?, repository, sha).await
    }

    async fn post_status(&self, repository: &RepositoryId, sha: &str, status: &NewStatus) -> Result<(), ForgeError> {
        github_like::statuses::post(&*self.client(repository).await?, repository, sha, status).await
    }

    async fn comments_since(&self, repository: &RepositoryId, since: Timestamp) -> Result<RecentComments, ForgeError> {
        comments::since(&*self.client(repository).await?, repository, since).await
    }

    async fn comments(&self, repository: &RepositoryId, number: PullRequestNumber) -> Result<Vec<Comment>, ForgeError> {
        comments::list(&*self.client(repository).await?, repository, number).await
    }

    async fn post_comment(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
        body: &str,
    ) -> Result<u64, ForgeError> {
        github_like::comments::post(&*self.client(repository).await?, repository, number, body).await
    }

    async fn edit_comment(
        &self,
        repository: &RepositoryId,
        _: PullRequestNumber,
        comment: u64,
        body: &str,
    ) -> Result<(), ForgeError> {
        github_like::comments::edit(&*self.client(repository).await?, repository, comment, body).await
    }

    async fn react(
        &self,
        repository: &RepositoryId,
        _: PullRequestNumber,
        comment: u64,
        reaction: Reaction,
    ) -> Result<Reacted, ForgeError> {
        github_like::comments::react(&*self.client(repository).await?, repository, comment, reaction).await
    }

    async fn reviews(&self, repository: &RepositoryId, number: PullRequestNumber) -> Result<Reviews, ForgeError> {
        reviews::list(&*self.client(repository).await?, repository, number).await
    }

    async fn authors(
        &self,
        repository: &RepositoryId,
        base: Option<&str>,
        head: &str,
    ) -> Result<Vec<CommitAuthor>, ForgeError> {
        reviews::authors(&*self.client(repository).await?, repository, base, head).await
    }

    async fn permission(&self, repository: &RepositoryId, account: &Account) -> Result<Permission, ForgeError> {
        comments::permission(&*self.client(repository).await?, repository, account).await
    }

    async fn is_among(
        &self,
        repository: &RepositoryId,
        people: &Grantee,
        account: &Account,
    ) -> Result<Among, ForgeError> {
        people::is_among(&*self.client(repository).await?, repository, people, account).await
    }

    fn deliveries_kept(&self) -> DeliveriesKept {
        match &self.credential {
            Credential::Token(_) => DeliveriesKept::ByRepository,
            Credential::App(_) => DeliveriesKept::Together,
        }
    }

    async fn missed_deliveries(
        &self,
        of: DeliveriesOf<'_>,
        since: Timestamp,
    ) -> Result<Vec<MissedDelivery>, ForgeError> {
        let (client, webhooks) = match of {
            DeliveriesOf::All => (self.webhook_client(&Webhook::OfApp).await?, vec![Webhook::OfApp]),
            DeliveriesOf::Repository { repository, address } => {
                let client = self.client(repository).await?;
                let webhooks = deliveries::webhooks(&client, repository, address).await?;
                (client, webhooks)
            }
        };
        let mut missed = Vec::new();
        for webhook in &webhooks {
            missed.extend(deliveries::missed(&client, webhook, since).await?);
        }
        Ok(missed)
    }

    async fn redeliver(&self, delivery: &MissedDelivery) -> Result<(), ForgeError> {
        deliveries::repeat(&*self.webhook_client(&delivery.webhook).await?, delivery).await
    }

    async fn webhooks(&self, repository: &RepositoryId, address: &str) -> Result<Vec<WebhookSeen>, ForgeError> {
        deliveries::seen(&*self.client(repository).await?, repository, address).await
    }

    async fn credential(&self) -> Result<CredentialSeen, ForgeError> {
        match &self.credential {
            Credential::Token(access) => diagnosis::of_token(&access.client, &access.git_token().await).await,
            Credential::App(app) => diagnosis::of_app(&app.client()).await,
        }
    }

    async fn lacking(&self, repository: &RepositoryId) -> Result<Vec<String>, ForgeError> {
        match &self.credential {
            Credential::Token(access) => diagnosis::lacking(&access.client, repository).await,
            Credential::App(app) => diagnosis::lacking_of_app(&app.client(), repository).await,
        }
    }

    async fn rules(
        &self,
        repository: &RepositoryId,
        base: &BranchName,
        _head: &BranchName,
        method: MergeMethod,
    ) -> Result<Vec<String>, ForgeError> {
        rules::asked(&*self.client(repository).await?, repository, base.as_str(), method).await
    }

    fn outages(&self) -> watch::Receiver<u64> {
        self.breaker.outages()
    }
}
