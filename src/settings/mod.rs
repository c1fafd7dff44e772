//! The server's settings: `hydromote.toml`, then environment variables, checked before anything runs.
//!
//! - The file is read by itself first, so that a mistake in it has a line and a column.
//! - `HYDROMOTE__SECTION__KEY` overrides `key` of `[section]`; the environment is an argument.
//! - Every mistake is found at once, and names its place, its key and the remedy.
//! - Secrets come from files or the environment, and are never echoed, not in mistakes either.

mod charts;
mod check;
mod destinations;
mod file;
mod mistake;
mod network;
mod receivers;
mod repositories;
#[cfg(test)]
mod tests;
mod windows;

use std::{collections::BTreeMap, fmt, net::SocketAddr, num::NonZeroUsize, path::Path, path::PathBuf, time::Duration};

use config::{Config, Environment, File, FileFormat};
use hydrators::Sandbox;
use url::Url;

use self::mistake::Mistakes;
pub use self::{
    destinations::AllowedDestination,
    file::SettingsFile,
    mistake::{Mistake, SettingsError},
    repositories::{RepositoryPattern, ServedRepositories},
};
use crate::{
    charts::ChartSettings,
    domain::{deployed::Tool, ids::ForgeName, windows::ServerWindows},
    network::Network,
    secret::Secret,
};

/// What begins the name of every variable.
const PREFIX: &str = "HYDROMOTE";
/// What stands between the parts of a variable's name.
const SEPARATOR: &str = "__";

/// The settings, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The address that people and forges use.
    pub public_url: Url,
    /// The database.
    pub database: Database,
    /// The folder of mirrors and caches.
    pub data: PathBuf,
    /// The forges by name.
    pub forges: BTreeMap<ForgeName, ForgeSettings>,
    /// Which repositories may be promoted into which others.
    pub destinations: Vec<AllowedDestination>,
    /// The active secrets of deployment tools, at most two each; whoever has none is not heard.
    pub receivers: BTreeMap<Tool, Vec<Secret>>,
    /// Limits and intervals.
    pub limits: Limits,
    /// The programs that render.
    pub renderers: Renderers,
    /// The folder of texts in place of the built-in ones.
    pub templates: Option<PathBuf>,
    /// When the server lets promotions be merged.
    pub windows: ServerWindows,
    /// How the world outside is reached.
    pub network: Network,
    /// From where charts are fetched.
    pub charts: ChartSettings,
    /// The bearer token of everything that acts; without one nobody may act over HTTP.
    pub api_token: Option<Secret>,
}

/// The database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// A file of SQLite.
    Sqlite(PathBuf),
}

/// One forge.
#[derive(Debug, Clone)]
pub struct ForgeSettings {
    /// Its kind.
    pub kind: ForgeKind,
    /// The address of its API.
    pub api_url: Url,
    /// As whom the service acts.
    pub credentials: ForgeCredentials,
    /// The active secrets of its webhook, at most two; with none every delivery is refused.
    pub webhook_secrets: Vec<Secret>,
    /// The repositories that may be served.
    pub repositories: ServedRepositories,
}

/// The kinds of forges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForgeKind {
    /// GitHub, and GitHub Enterprise Server.
    GitHub,
    /// Gitea, and Forgejo.
    Gitea,
    /// GitLab, hosted or self-managed.
    GitLab,
}

/// As whom the service acts on a forge.
#[derive(Clone)]
pub enum ForgeCredentials {
    /// A token.
    Token(Secret),
    /// A GitHub App.
    App {
        /// Its id.
        id: u64,
        /// Its private key, PEM.
        private_key: Secret,
    },
}

impl fmt::Debug for ForgeCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(_) => f.write_str("Token(…)"),
            Self::App { id, .. } => write!(f, "App({id}, …)"),
        }
    }
}

/// Limits and intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest webhook body, bytes.
    pub webhook_body: usize,
    /// How often everything is looked at without a webhook.
    pub poll_interval: Duration,
    /// How long one request to a forge may take.
    pub forge_timeout: Duration,
    /// The pause between two writes with one credential of a forge.
    pub forge_write_interval: Duration,
    /// How many writes with one credential of a forge are under way at once.
    pub forge_writes_at_once: NonZeroUsize,
    /// How long rendering one root may take.
    pub render_timeout: Duration,
    /// How much memory rendering one root may take, bytes.
    pub render_memory: u64,
    /// How much one root may render to, bytes.
    pub render_output: u64,
    /// How many roots are rendered at once; the number of processors when it is not set.
    pub render_parallelism: Option<NonZeroUsize>,
}

/// The programs that render; what is not set is looked for in the `PATH`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Renderers {
    /// Helm.
    pub helm: Option<PathBuf>,
    /// Kustomize.
    pub kustomize: Option<PathBuf>,
    /// Folders with other versions of them.
    pub more: Vec<PathBuf>,
    /// What the kernel must do to keep them in.
    pub sandbox: Sandbox,
}

impl Settings {
    /// Reads the settings from `path` and from `variables`; without a path, from variables alone.
    ///
    /// # Errors
    /// With every mistake, when there are any.
    pub fn load(
        path: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let Some(path) = path else { return Self::parse("hydromote.toml", "", Path::new(""), variables) };
        Self::parse(&path.display().to_string(), &read(path)?, path.parent().unwrap_or(Path::new("")), variables)
    }

    /// Reads only how charts are fetched, from a file that need not hold more.
    ///
    /// # Errors
    /// With every mistake, when there are any.
    pub fn load_charts(
        path: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(ChartSettings, Network), SettingsError> {
        let (name, text) = match path {
            Some(path) => (path.display().to_string(), read(path)?),
            None => ("hydromote.toml".to_owned(), String::new()),
        };
        let folder = path.and_then(Path::parent).unwrap_or(Path::new(""));
        let variables: Vec<_> = variables.into_iter().filter(|(name, _)| is_ours(name)).collect();
        let mut mistakes = Mistakes::new(&name, &text, &variables);
        let file = read_file(&name, &text, &variables, &mut mistakes)?;
        let data = folder.join(file.store.data.unwrap_or_else(|| PathBuf::from("data")));
        let network = network::network(file.network, folder, &data, &mut mistakes);
        let charts = charts::charts(file.charts, folder, &mut mistakes);
        mistakes.finish()?;
        Ok((charts, network))
    }

    /// Checks `text`, with `folder` as the start of relative paths; reads the files of secrets.
    ///
    /// # Errors
    /// With every mistake, when there are any.
    pub fn parse(
        name: &str,
        text: &str,
        folder: &Path,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let variables: Vec<_> = variables.into_iter().filter(|(name, _)| is_ours(name)).collect();
        let mut mistakes = Mistakes::new(name, text, &variables);
        let layered = read_file(name, text, &variables, &mut mistakes)?;
        let settings = check::settings(layered, folder, &mut mistakes);
        mistakes.finish()?;
        Ok(settings)
    }
}

fn read(path: &Path) -> Result<String, SettingsError> {
    std::fs::read_to_string(path).map_err(|error| SettingsError {
        mistakes: vec![Mistake {
            place: path.display().to_string(),
            key: String::new(),
            text: format!("cannot be read ({error}); name an existing file with `--config`"),
        }],
    })
}

/// Reads the file by itself, and then under the variables.
fn read_file(
    name: &str,
    text: &str,
    variables: &[(String, String)],
    mistakes: &mut Mistakes<'_>,
) -> Result<SettingsFile, SettingsError> {
    let alone: SettingsFile = match toml::from_str(text) {
        Ok(alone) => alone,
        Err(error) => {
            mistakes.add_toml(&error);
            mistakes.finish()?;
            SettingsFile::default()
        }
    };
    check::no_tokens(&alone, name, text)?;
    match layered(text, variables) {
        Ok(layered) => Ok(layered),
        Err(error) => {
            blame(text, variables, &error, mistakes);
            mistakes.finish()?;
            Ok(alone)
        }
    }
}

/// Returns the variable that overrides a key.
fn variable(key: &str) -> String {
    format!("{PREFIX}{SEPARATOR}{}", key.replace('.', SEPARATOR).to_uppercase())
}

/// Says whether a variable is meant for the settings; `HYDROMOTE_…` with one `_` belongs to commands.
fn is_ours(name: &str) -> bool {
    name.to_uppercase().starts_with(&format!("{PREFIX}{SEPARATOR}"))
}

/// Returns the file's settings under those of the variables.
fn layered(text: &str, variables: &[(String, String)]) -> Result<SettingsFile, config::ConfigError> {
    let environment = Environment::with_prefix(PREFIX)
        .prefix_separator(SEPARATOR)
        .separator(SEPARATOR)
        .source(Some(variables.iter().cloned().collect()));
    Config::builder()
        .add_source(File::from_str(text, FileFormat::Toml))
        .add_source(environment)
        .build()?
        .try_deserialize()
}

/// Finds the variables that cannot be used; the file was read already, so it is one of them.
///
/// Their values are not shown: any of them may be a secret in the wrong place.
fn blame(text: &str, variables: &[(String, String)], error: &config::ConfigError, mistakes: &mut Mistakes<'_>) {
    let wrong: Vec<_> =
        variables.iter().filter(|variable| layered(text, std::slice::from_ref(variable)).is_err()).collect();
    for (name, _) in &wrong {
        let key = name.to_lowercase().get(PREFIX.len() + SEPARATOR.len()..).unwrap_or_default().replace(SEPARATOR, ".");
        mistakes.add(&key, "is no setting, or its value has another form; see the example for its name and form");
    }
    if wrong.is_empty() {
        tracing::debug!(error = %error, "no single variable is at fault");
        mistakes.add("", "the environment variables contradict each other; unset them one by one");
    }
}
