//! The service as the commands see it: `/api/v1` over HTTP.

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use http::{Method, StatusCode};
use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, de::DeserializeOwned};

use super::{Target, discovery};
use crate::{
    domain::ids::StrategyId,
    server::{api::documents::StrategiesView, problem::ProblemDocument},
};

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub(super) enum Failure {
    /// The answer is no.
    No(ProblemDocument),
    /// It could not be asked.
    CouldNot(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::CouldNot(error.into())
    }
}

/// A service that was found.
pub(super) struct Service {
    client: Client,
    url: String,
    token: Option<SecretString>,
    strategy: Option<String>,
}

impl Service {
    /// Finds the service.
    pub(super) async fn find(target: &Target) -> anyhow::Result<Self> {
        let client = client()?;
        let (url, found_token) = match &target.server {
            Some(url) => (url.clone(), discovery::token_file_of(url)),
            None => {
                let found = discovery::only(&client).await?;
                (found.url, found.token_file)
            }
        };
        let token = match target.token_file.as_ref().or(found_token.as_ref()) {
            None => None,
            Some(file) => {
                let text = std::fs::read_to_string(file)
                    .with_context(|| format!("could not read the token file `{}`", file.display()))?;
                Some(text.trim().to_owned().into())
            }
        };
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { client, url, token, strategy: target.strategy.clone() })
    }

    /// Reads `path` of the API.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.call(Method::GET, path, None::<&()>).await
    }

    /// Reads `path` of the strategy.
    pub(super) async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let strategy = self.strategy().await?;
        self.get(&format!("/strategies/{}{path}", strategy.path())).await
    }

    /// Acts on `path` of the strategy.
    pub(super) async fn act<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        let strategy = self.strategy().await?;
        self.call(Method::POST, &format!("/strategies/{}{path}", strategy.path()), Some(body)).await
    }

    /// Says whether a strategy was asked for.
    pub(super) fn names_strategy(&self) -> bool {
        self.strategy.is_some()
    }

    /// Returns the strategy that is meant: the one that was asked for, else the only one.
    async fn strategy(&self) -> Result<StrategyId, Failure> {
        let asked = self.strategy.as_deref().unwrap_or_default().trim_matches('/');
        let all: StrategiesView = self.get("/strategies").await?;
        let unknown =
            all.troubles.first().map(|one| format!("{} could not be looked at: {}", one.repository, one.trouble));
        let all: Vec<String> = all.strategies.into_iter().map(|board| board.strategy).collect();
        let fits = |id: &&String| asked.is_empty() || id.starts_with(&format!("{asked}/"));
        let whole = all.iter().find(|id| *id == asked);
        let found: Vec<&String> = whole.map_or_else(|| all.iter().filter(fits).collect(), |one| vec![one]);
        match found.as_slice() {
            [one] => {
                Ok(one.parse().with_context(|| format!("the service at {} names a strategy wrongly", self.url))?)
            }
            [] if all.is_empty() && unknown.is_some() => Err(anyhow!(unknown.unwrap_or_default()).into()),
            [] if all.is_empty() => Err(anyhow!("the service at {} has found no strategy yet", self.url).into()),
            [] => Err(anyhow!("there is no strategy `{asked}`; there is {}", all.join(", ")).into()),
            several => {
                let names = several.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", ");
                Err(anyhow!("several strategies are served; name one with `--strategy`: {names}").into())
            }
        }
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, Failure> {
        let mut request = self.client.request(method, format!("{}/api/v1{path}", self.url));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.with_context(|| format!("could not reach the service at {}", self.url))?;
        let status = response.status();
        let text = response.text().await.context("could not read the service's answer")?;
        if status.is_success() {
            return Ok(serde_json::from_str(&text).context("could not understand the service's answer")?);
        }
        let problem: ProblemDocument = match serde_json::from_str(&text) {
            Ok(problem) => problem,
            Err(_) => return Err(anyhow!("the service at {} answered {status}", self.url).into()),
        };
        match status {
            StatusCode::CONFLICT => Err(Failure::No(problem)),
            _ => Err(anyhow!("{} {}", problem.error, problem.help).into()),
        }
    }
}

/// Makes the client that everything is asked with.
pub(super) fn client() -> anyhow::Result<Client> {
    Ok(Client::builder().timeout(PATIENCE).no_proxy().redirect(reqwest::redirect::Policy::none()).build()?)
}

/// Returns a segment of a path.
pub(super) fn segment(text: &str) -> anyhow::Result<String> {
    if text.is_empty() || text == "." || text == ".." {
        bail!("`{text}` is not a name");
    }
    Ok(percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string())
}
