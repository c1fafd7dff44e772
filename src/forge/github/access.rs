//! Which credential reaches which repository: one token for all, or an App's installation for each.
//!
//! An installation's client is renewed well before its token ends, by one task at a time, so that a
//! token handed to git lives long enough for a fetch. Pacing and kept answers survive the renewal.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Method, StatusCode};
use octocrab::models::InstallationId;
use secrecy::SecretString;
use serde::Deserialize;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use super::{
    Limits,
    app_key::AppKey,
    client::{Client, Octo, refusal},
};
use crate::{
    domain::ids::RepositoryId,
    forge::{
        ForgeError,
        calls::{Breaker, Call, CredentialState, count, lock},
    },
    secret::Secret,
};

/// Installation tokens live for an hour; a renewed one has at least ten minutes left for git.
const INSTALLATION_TOKEN_AGE: Duration = Duration::from_secs(50 * 60);
/// The route that renews them.
const TOKEN_ROUTE: &str = "/app/installations/{installation_id}/access_tokens";

/// A client and the token that it uses, for git.
#[derive(Clone)]
pub(super) struct Access {
    pub(super) client: Arc<Client>,
    pub(super) token: GitToken,
}

/// What git shows as its token.
#[derive(Clone)]
pub(super) enum GitToken {
    /// The one that the API is called with.
    Own(Secret),
    /// The installation's, as it was when it was asked for.
    Installation(SecretString),
}

impl Access {
    /// Returns the token for git as it is now.
    pub(super) async fn git_token(&self) -> SecretString {
        match &self.token {
            GitToken::Own(token) => token.now(),
            GitToken::Installation(token) => self.client.installation_token().await.unwrap_or_else(|| token.clone()),
        }
    }
}

/// The credentials of one forge.
pub(super) enum Credential {
    /// One token for every repository.
    Token(Access),
    /// An App.
    App(Box<App>),
}

/// An App and its installations.
pub(super) struct App {
    key: Arc<AppKey>,
    client: Arc<Client>,
    limits: Limits,
    breaker: Arc<Breaker>,
    ids: Mutex<HashMap<RepositoryId, u64>>,
    installations: Mutex<HashMap<u64, Installation>>,
    renewal: Semaphore,
}

/// One installation with its current token.
struct Installation {
    state: Arc<CredentialState>,
    current: Option<Current>,
}

/// A token of an installation.
struct Current {
    access: Access,
    since: Instant,
    /// Which of the App's keys it was asked for with: it is renewed with that one.
    generation: u64,
}

#[derive(Deserialize)]
struct InstallationBody {
    id: u64,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token",
            Self::App(_) => "App",
        })
    }
}

impl Credential {
    /// Returns the access to one repository.
    pub(super) async fn access(&self, repository: &RepositoryId) -> Result<Access, ForgeError> {
        match self {
            Self::Token(access) => Ok(access.clone()),
            Self::App(app) => {
                let id = app.installation_of(repository).await?;
                let error = match app.access(id).await {
                    Err(error @ (ForgeError::NotFound { .. } | ForgeError::Unauthorised { .. })) => error,
                    access => return access,
                };
                // It may be gone, and the App installed anew.
                lock(&app.ids).remove(repository);
                match app.installation_of(repository).await? {
                    other if other != id => app.access(other).await,
                    _ => Err(error),
                }
            }
        }
    }
}

impl App {
    pub(super) fn new(key: Arc<AppKey>, limits: Limits, breaker: Arc<Breaker>) -> Self {
        let state = Arc::new(CredentialState::new(limits, &breaker, "app"));
        Self {
            client: Arc::new(Client::new(Octo::App(Arc::clone(&key)), state)),
            key,
            limits,
            breaker,
            ids: Mutex::default(),
            installations: Mutex::default(),
            renewal: Semaphore::new(1),
        }
    }

    /// Returns the client that speaks as the App itself.
    pub(super) fn client(&self) -> Arc<Client> {
        Arc::clone(&self.client)
    }

    /// Returns the access to any repository, for what no installation decides.
    pub(super) async fn any_access(&self) -> Result<Access, ForgeError> {
        let call = Call::new(
            "/app/installations",
            "/app/installations?per_page=1".to_owned(),
            "list the App's installations".to_owned(),
        );
        let installations: Vec<InstallationBody> = self.client.get(&call).await?;
        let first =
            installations.first().ok_or_else(|| ForgeError::NotFound { what: "an installation of the App".into() })?;
        self.access(first.id).await
    }

    async fn installation_of(&self, repository: &RepositoryId) -> Result<u64, ForgeError> {
        if let Some(id) = lock(&self.ids).get(repository) {
            return Ok(*id);
        }
        let call = Call::new(
            "/repos/{owner}/{repo}/installation",
            format!("/repos/{repository}/installation"),
            format!("find the App's installation for `{repository}`"),
        );
        let found: InstallationBody = self.client.get(&call).await.map_err(|error| match error {
            ForgeError::NotFound { .. } => {
                ForgeError::NotFound { what: format!("an installation of the App for `{repository}`") }
            }
            other => other,
        })?;
        lock(&self.ids).insert(repository.clone(), found.id);
        Ok(found.id)
    }

    async fn access(&self, id: u64) -> Result<Access, ForgeError> {
        if let Some(access) = self.current(id) {
            return Ok(access);
        }
        let what = "renew the token of the App's installation";
        let unavailable = |source: anyhow::Error| ForgeError::Unavailable { what: what.to_owned(), source };
        let exchange = async {
            let _turn = self.renewal.acquire().await.map_err(|closed| unavailable(closed.into()))?;
            match self.current(id) {
                Some(access) => Ok(access),
                None => self.renew(id, what).await,
            }
        };
        timeout(self.limits.call, exchange)
            .await
            .unwrap_or_else(|_| Err(unavailable(anyhow::anyhow!("no answer within the time limit"))))
    }

    fn current(&self, id: u64) -> Option<Access> {
        let installations = lock(&self.installations);
        let current = installations.get(&id)?.current.as_ref()?;
        let is_good = current.since.elapsed() < INSTALLATION_TOKEN_AGE
            && current.generation == self.key.speaker().generation
            && !current.access.client.transport.is_gone();
        is_good.then(|| current.access.clone())
    }

    async fn renew(&self, id: u64, what: &str) -> Result<Access, ForgeError> {
        let state = self.state(id);
        let call = Call::new(TOKEN_ROUTE, String::new(), what.to_owned());
        let permit = state.admit(&call)?;
        let mut speaker = self.key.speaker();
        let renewed = loop {
            let renewed = speaker.octocrab.installation_and_token(InstallationId(id)).await.map_err(refusal);
            let is_refused = matches!(&renewed, Err(Ok(answer)) if answer.status == StatusCode::UNAUTHORIZED);
            match is_refused.then(|| self.key.instead_of(&speaker)).flatten() {
                Some(newer) => speaker = newer,
                None => break renewed,
            }
        };
        let (octocrab, token) = match renewed {
            Ok(renewed) => renewed,
            Err(Ok(answer)) => {
                count(&Method::POST, TOKEN_ROUTE, answer.status.as_str());
                state.note(&call, permit, &answer)?;
                return Err(answer.error(what));
            }
            Err(Err(source)) => {
                count(&Method::POST, TOKEN_ROUTE, "none");
                permit.failed();
                return Err(ForgeError::Unavailable { what: what.to_owned(), source });
            }
        };
        count(&Method::POST, TOKEN_ROUTE, "201");
        permit.answered();
        let client = Arc::new(Client::new(Octo::installation(octocrab), Arc::clone(&state)));
        let access = Access { client, token: GitToken::Installation(token) };
        let (since, generation) = (Instant::now(), speaker.generation);
        let current = Some(Current { access: access.clone(), since, generation });
        lock(&self.installations).insert(id, Installation { state, current });
        Ok(access)
    }

    /// Returns what is remembered about an installation, whatever its token is.
    fn state(&self, id: u64) -> Arc<CredentialState> {
        let mut installations = lock(&self.installations);
        let installation = installations.entry(id).or_insert_with(|| {
            let name = format!("installation-{id}");
            Installation { state: Arc::new(CredentialState::new(self.limits, &self.breaker, &name)), current: None }
        });
        Arc::clone(&installation.state)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use serde_json::json;

    use super::*;
    use crate::forge::{
        Forge,
        github::{Credentials, GitHub, GitHubOptions},
        tests::scripted::{Reply, Scripted, TestResult},
    };

    #[tokio::test]
    async fn a_token_is_renewed_while_it_is_still_good_for_git() -> TestResult {
        let token = |token: &str| Reply::json(201, json!({"token": token, "permissions": {}}));
        let repository = Reply::json(200, json!({"default_branch": "main", "html_url": "u", "clone_url": "c"}));
        let server =
            Scripted::start(vec![Reply::json(200, json!({"id": 99})), token("first"), repository, token("second")])
                .await?;
        let private_key = include_str!("tests/throw-away-app-key.pem").into();
        let (api_url, credentials) = (format!("{}/api/v3", server.url), Credentials::App { id: 42, private_key });
        let forge = GitHub::new(&GitHubOptions { api_url, credentials, limits: Limits::default() })?;
        let shop = RepositoryId::new("acme/shop")?;
        let git = async || -> Result<_, Box<dyn std::error::Error>> {
            let header = forge.git_remote(&shop).await?.authorization;
            Ok(header.map(|header| header.expose_secret().to_owned()))
        };
        let first = git().await?;
        assert_eq!(git().await?, first, "it is kept");
        let Credential::App(app) = &forge.credential else { return Err("it is an App".into()) };
        // The clock of a test cannot be moved; the age of a token can.
        if let Some(current) = lock(&app.installations).get_mut(&99).and_then(|one| one.current.as_mut()) {
            current.since = current.since.checked_sub(INSTALLATION_TOKEN_AGE).ok_or("the machine is older")?;
        }
        assert_ne!(git().await?, first, "it has ten minutes left, which a push may take");
        let renewals = server.lines().iter().filter(|line| line.ends_with("/99/access_tokens")).count();
        assert_eq!(renewals, 2);
        Ok(())
    }
}
