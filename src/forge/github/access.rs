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

use http::Method;
use octocrab::{Octocrab, models::InstallationId};
use secrecy::SecretString;
use serde::Deserialize;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use super::{
    Limits,
    client::{Client, Octo, refusal},
};
use crate::{
    domain::ids::RepositoryId,
    forge::{
        ForgeError,
        calls::{Breaker, Call, CredentialState, count, lock},
    },
};

/// Installation tokens live for an hour; a renewed one has at least ten minutes left for git.
const INSTALLATION_TOKEN_AGE: Duration = Duration::from_secs(50 * 60);
/// The route that renews them.
const TOKEN_ROUTE: &str = "/app/installations/{installation_id}/access_tokens";

/// A client and the token that it uses, for git.
#[derive(Clone)]
pub(super) struct Access {
    pub(super) client: Arc<Client>,
    pub(super) token: SecretString,
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
    octocrab: Octocrab,
    client: Client,
    limits: Limits,
    breaker: Arc<Breaker>,
    ids: Mutex<HashMap<RepositoryId, u64>>,
    installations: Mutex<HashMap<u64, Installation>>,
    renewal: Semaphore,
}

/// One installation with its current token.
struct Installation {
    state: Arc<CredentialState>,
    current: Option<(Access, Instant)>,
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
                app.access(id).await.inspect_err(|error| app.forget_missing(repository, error))
            }
        }
    }
}

impl App {
    pub(super) fn new(octocrab: Octocrab, limits: Limits, breaker: Arc<Breaker>) -> Self {
        let state = Arc::new(CredentialState::new(limits, &breaker, "app"));
        Self {
            client: Client::new(Octo(octocrab.clone()), state),
            octocrab,
            limits,
            breaker,
            ids: Mutex::default(),
            installations: Mutex::default(),
            renewal: Semaphore::new(1),
        }
    }

    /// Returns the client that speaks as the App itself.
    pub(super) fn client(&self) -> &Client {
        &self.client
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
        let (access, since) = installations.get(&id)?.current.as_ref()?;
        (since.elapsed() < INSTALLATION_TOKEN_AGE).then(|| access.clone())
    }

    async fn renew(&self, id: u64, what: &str) -> Result<Access, ForgeError> {
        let state = self.state(id);
        let call = Call::new(TOKEN_ROUTE, String::new(), what.to_owned());
        let permit = state.admit(&call)?;
        let renewed = self.octocrab.installation_and_token(InstallationId(id)).await.map_err(refusal);
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
        let access = Access { client: Arc::new(Client::new(Octo(octocrab), Arc::clone(&state))), token };
        let current = Some((access.clone(), Instant::now()));
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

    /// Forgets an installation that is gone, so that the next call looks for the new one.
    fn forget_missing(&self, repository: &RepositoryId, error: &ForgeError) {
        if matches!(error, ForgeError::NotFound { .. } | ForgeError::Unauthorised { .. }) {
            lock(&self.ids).remove(repository);
        }
    }
}
