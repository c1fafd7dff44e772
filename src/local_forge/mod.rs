//! A forge on one machine: GitHub's REST API over bare repositories, for the demo and the tests.
//!
//! It knows accounts, repositories, pull requests and reports, and nothing of what they are used for. It listens on
//! the loopback interface only.
//!
//! - `<url>/api/v3/…` speaks GitHub's REST API, as GitHub Enterprise does.
//! - `<url>/<owner>/<name>.git` is git over HTTP.
//! - `<url>/` has pages to look at everything and to act on it.

mod acting;
mod administration;
mod api;
mod apps;
mod clock;
mod credentials;
mod details;
mod discussion;
mod faults;
mod git_http;
mod hub;
mod json;
mod merge;
mod pages;
mod protection;
mod pull_request;
mod pulls;
mod pushes;
mod rate_limit;
mod refusal;
mod report;
mod reporting;
mod repository;
mod server;
mod state;
mod talking;
mod telling;
mod tokens;
mod urls;
mod webhook_sender;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Duration,
};

use anyhow::Context;
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub use self::{
    acting::Acting,
    administration::{CommitFiles, RepositoryOptions},
    discussion::{Comment, Reaction, Review, ReviewState},
    faults::{Fault, FaultKind},
    pull_request::{MergeMethod, Mergeability, PullRequest, PullState},
    pulls::{MergeOrder, NewPull, PullChange},
    refusal::Refusal,
    report::{CheckRun, Status, StatusState},
    reporting::{CheckReport, NewStatus},
    state::{
        Account, AccountKind, Delivery, Deployment, Hook, Label, MergeSettings, Permission, Protection, Repository,
        Secret,
    },
    webhook_sender::Release,
};
use self::{
    hub::{Desk, Hub},
    urls::Urls,
    webhook_sender::Outbox,
};

/// How long after a change `forge.json` is written.
const SAVE_AFTER: Duration = Duration::from_millis(300);
/// How long requests may take to end when the forge is shut down.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Something that a test may want to hold against GitHub's description.
#[derive(Debug, Clone, PartialEq)]
pub enum Observed {
    /// A call and its answer.
    Exchange(Exchange),
    /// A webhook, as it happened; whether anybody receives it is another matter.
    Webhook {
        /// The event's name.
        event: String,
        /// The payload.
        payload: Value,
    },
}

/// A call and its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// The method, in capitals.
    pub method: String,
    /// The path without `/api/v3`, as it came.
    pub path: String,
    /// The query, as it came.
    pub query: String,
    /// The body, if it was JSON.
    pub request_body: Option<Value>,
    /// The answer's status.
    pub status: u16,
    /// The answer's body.
    pub response_body: Option<Value>,
}

/// Is shown everything, in the thread where it happens and before anybody else may act: it must not call the forge.
pub type Observer = Arc<dyn Fn(&Observed) + Send + Sync>;

/// How to start.
#[derive(Clone)]
pub struct Options {
    /// The folder of `forge.json` and of all repositories.
    pub dir: PathBuf,
    /// Where to listen; a loopback address. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// How it is reached, without a slash at the end, when something stands in front of it; where it listens unless set.
    pub url: Option<String>,
    /// Who is shown every exchange and webhook.
    pub observer: Option<Observer>,
    /// The git program.
    pub git: PathBuf,
}

impl Options {
    /// Returns options for a folder: a free port of 127.0.0.1, no observer, `git` from the search path.
    pub fn new(dir: impl AsRef<Path>) -> Self {
        Self {
            dir: dir.as_ref().to_owned(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            url: None,
            observer: None,
            git: PathBuf::from("git"),
        }
    }
}

/// A running forge.
pub struct LocalForge {
    hub: Arc<Hub>,
    address: SocketAddr,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl LocalForge {
    /// Starts a forge on a folder; what an earlier one left there is loaded.
    ///
    /// # Errors
    /// When the address is not a loopback one or is taken, and when the folder cannot be used.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        anyhow::ensure!(options.listen.ip().is_loopback(), "the local forge listens on loopback addresses only");
        let git_root = options.dir.join("git");
        tokio::fs::create_dir_all(&git_root).await.context("could not make the local forge's folder")?;
        let state = load(&options.dir).await?;
        let listener = TcpListener::bind(options.listen).await.context("could not listen for the local forge")?;
        let address = listener.local_addr()?;
        let urls = Urls::new(options.url.unwrap_or_else(|| format!("http://{address}")));
        let (outbox, queue) = Outbox::new();
        let dir = tokio::fs::canonicalize(&options.dir).await.context("could not find the local forge's folder")?;
        let hub = Arc::new(Hub {
            urls,
            dir,
            // By its path it is started without a copy of this process's page tables.
            git_program: which::which(&options.git).unwrap_or(options.git),
            outbox,
            faults: faults::Faults::default(),
            rate_limit: rate_limit::RateLimit::default(),
            observer: options.observer,
            page_key: administration::random_token(),
            state: Mutex::new(state),
            changed: AtomicBool::new(false),
        });
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
        let stop = CancellationToken::new();
        let tasks = vec![
            tokio::spawn(server::run(Arc::clone(&hub), listener, stop.clone())),
            tokio::spawn(webhook_sender::run(Arc::clone(&hub), client, queue, stop.clone())),
            tokio::spawn(save_now_and_then(Arc::clone(&hub), stop.clone())),
        ];
        Ok(Self { hub, address, stop, tasks })
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address of the pages, without a slash at the end.
    pub fn url(&self) -> &str {
        self.hub.urls.web()
    }

    /// Returns the address of the REST API, `<url>/api/v3`.
    pub fn api_url(&self) -> String {
        self.hub.urls.api()
    }

    /// Returns where git clones a repository from.
    pub fn clone_url(&self, repository: &str) -> String {
        self.hub.urls.clone(repository)
    }

    /// Returns a repository's folder, for looking at it without HTTP.
    pub fn git_dir(&self, repository: &str) -> PathBuf {
        self.hub.git_root().join(format!("{repository}.git"))
    }

    /// Stops serving and sending, and writes `forge.json`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn shutdown(mut self) -> anyhow::Result<()> {
        self.stop.cancel();
        for task in self.tasks.drain(..) {
            let abort = task.abort_handle();
            if tokio::time::timeout(STOP_WITHIN, task).await.is_err() {
                abort.abort();
            }
        }
        let hub = Arc::clone(&self.hub);
        tokio::task::spawn_blocking(move || hub.save()).await?
    }

    async fn work<R: Send + 'static>(&self, work: impl FnOnce(&mut Desk<'_>) -> R + Send + 'static) -> R {
        self.hub.work(work).await
    }
}

impl Drop for LocalForge {
    /// A forge that is dropped stops serving, without waiting for anything.
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn load(dir: &Path) -> anyhow::Result<state::State> {
    let state: state::State = match tokio::fs::read(dir.join("forge.json")).await {
        Ok(text) => serde_json::from_slice(&text).context("could not read `forge.json`")?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => state::State::default(),
        Err(error) => return Err(error).context("could not read `forge.json`"),
    };
    for repository in state.repositories.values() {
        let path = repository::path_of(&dir.join("git"), &repository.owner, &repository.name);
        repository::write_hook(&path).with_context(|| format!("could not use `{}`", repository.full_name()))?;
    }
    Ok(state)
}

async fn save_now_and_then(hub: Arc<Hub>, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(SAVE_AFTER)).await.is_some() {
        let saving = Arc::clone(&hub);
        match tokio::task::spawn_blocking(move || saving.save()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(error = format!("{error:#}"), "could not write `forge.json`"),
            Err(_) => return,
        }
    }
}
