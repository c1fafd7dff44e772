//! Wires the parts together: the only file that names concrete adapters.

mod inbox;
mod process;
mod renderers;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use jiff::SignedDuration;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{inbox::Inbox, process::outlive_file_limits, renderers::check_sandbox};
pub use self::{
    process::{Verbosity, end_of_service, environment, install_tls, metrics_handle, telemetry, wall_clock},
    renderers::{hydrator, hydrator_with, launcher},
};
use crate::{
    charts::{Cache, Charts},
    cli::client::discovery::{self, Announcement},
    crash::FailPoints,
    domain::{
        deployed::Tool,
        ids::{ForgeName, RepositoryId},
        windows::ServerWindows,
    },
    forge::{
        SharedForge,
        crashing::Crashing,
        gitea::{Gitea, GiteaOptions},
        github::{Credentials, GitHub, GitHubOptions, Limits},
        gitlab::{GitLab, GitLabOptions},
        webhook::Dialect,
    },
    git::mirror::{self, Mirror},
    messages::Messages,
    network::Network,
    reconcile::{
        board::Boards,
        changes::Changes,
        commands::Commands,
        context::{Clock, Shared},
        destinations::Destinations,
        forges::{Forges, ServedForge},
        hub::{self, Hub},
        hydrate::Hydrator,
        redelivery::Redelivery,
        repository::RepositoryWorker,
        webhook_watch::{WATCHED, WebhookWatch},
    },
    secret::Secret,
    server::{
        self, Readiness, ServerState,
        access::Access,
        receivers::Receivers,
        sessions::Sessions,
        site::Site,
        webhooks::{Receiver, WebhookSource},
    },
    settings::{
        AllowedDestination, Database, ForgeCredentials, ForgeKind, ForgeSettings, RepositoryPattern,
        ServedRepositories, Settings, SettingsError,
    },
    store::Store,
};

/// How long the service may take to end what it has begun.
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// What a service is made of, when not from a settings file.
pub struct Parts {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The address that people use; where it listens when absent.
    pub public_url: Option<String>,
    /// The store.
    pub store: Store,
    /// The folder of mirrors.
    pub data: PathBuf,
    /// The forges, by the name that stands in the webhook's path and in the store.
    pub forges: BTreeMap<ForgeName, ForgeParts>,
    /// Which repositories may be promoted into which others.
    pub destinations: Vec<AllowedDestination>,
    /// The active secrets of deployment tools; whoever has none is not heard.
    pub receivers: BTreeMap<Tool, Vec<Secret>>,
    /// The largest webhook body, bytes.
    pub webhook_body: usize,
    /// How the remotes of git are reached.
    pub network: Network,
    /// Renders.
    pub hydrator: Arc<Hydrator>,
    /// What pull requests, comments and commits say.
    pub messages: Messages,
    /// When the server lets promotions be merged.
    pub server_windows: Arc<ServerWindows>,
    /// After how long everything is read again without being told.
    pub poll: Duration,
    /// The bearer token of everything that acts.
    pub api_token: Option<Secret>,
    /// Tells the time.
    pub clock: Clock,
    /// Where a test ends the process.
    pub fail_points: FailPoints,
}

/// What is to be known of one forge.
pub struct ForgeParts {
    /// Reaches it.
    pub forge: SharedForge,
    /// How its deliveries are signed and what they are called.
    pub dialect: Dialect,
    /// The secrets of its webhook.
    pub webhook_secrets: Vec<Secret>,
    /// The repositories to serve.
    pub repositories: ServedRepositories,
}

/// A running service.
pub struct Service {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its address for people, without a slash at its end.
    pub url: String,
    /// Reaches the workers.
    pub hub: Hub,
    /// The latest plans.
    pub boards: Boards,
    /// The store.
    pub store: Store,
    /// Takes what people tell the service.
    pub commands: Commands,
    stop: CancellationToken,
    workers: TaskTracker,
    server: JoinHandle<()>,
    readiness: watch::Sender<Readiness>,
    /// Commands on this machine find the service by it.
    announcement: Option<Announcement>,
}

impl Service {
    /// Starts a service.
    pub async fn start(mut parts: Parts) -> anyhow::Result<Self> {
        if parts.fail_points.are_armed() {
            for one in parts.forges.values_mut() {
                one.forge = Arc::new(Crashing { forge: one.forge.clone(), points: parts.fail_points.clone() });
            }
        }
        let listener =
            TcpListener::bind(parts.listen).await.with_context(|| format!("could not listen on {}", parts.listen))?;
        let address = listener.local_addr()?;
        let url = parts.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let url = url.trim_end_matches('/').to_owned();
        let boards = Boards::default();
        let (stop, workers) = (CancellationToken::new(), TaskTracker::new());
        let shared = Shared {
            store: parts.store.clone(),
            messages: parts.messages.clone(),
            hydrator: parts.hydrator.clone(),
            forges: forges(&parts),
            destinations: Destinations::default(),
            server_windows: parts.server_windows.clone(),
            clock: parts.clock.clone(),
            public_url: Some(url.clone()),
        };
        let mut redeliveries = Vec::new();
        for redelivery in redelivering(&parts, &url) {
            // Before anything new can arrive.
            redeliveries.push((redelivery.arrived_until().await, redelivery));
        }
        let hub = workers_hub(&parts, &shared, &boards, &stop, &workers);
        // What was found by a pattern before goes on by itself; the hub leaves out what is not served any more.
        let known = parts.store.repositories().await?;
        let named = parts.forges.values().flat_map(|one| &one.repositories.0).filter_map(RepositoryPattern::exact);
        for repository in named.chain(known) {
            hub.wake(&repository);
        }
        let commands = commands(&shared, &hub, &boards);
        let (readiness, ready) = watch::channel(Readiness::Ready);
        let site = Site {
            commands: commands.clone(),
            access: Access::new(address, &url, parts.api_token.clone()),
            sessions: Sessions::default(),
            changes: Changes::new(parts.data.clone()),
            readiness: ready.clone(),
        };
        let wake = passed_on(hub.clone());
        let state = ServerState {
            receiver: Arc::new(receiver(&parts, &shared, wake.clone())),
            receivers: Some(Arc::new(receivers(&parts, &shared, wake))),
            readiness: ready,
            metrics: metrics_handle(),
            site: Some(site),
        };
        let router = server::router(state);
        workers.spawn(forget_what_is_old(parts.store.clone(), parts.clock.clone(), stop.clone()));
        let announcement = discovery::announce(address, parts.api_token.as_ref())
            .inspect_err(|error| tracing::warn!("commands on this machine need `--server`: {error:#}"))
            .ok();
        for (arrived_until, redelivery) in redeliveries {
            workers.spawn(redelivery.run(arrived_until, stop.clone()));
        }
        for watch in watching(&parts, &url, &boards) {
            workers.spawn(watch.run(stop.clone()));
        }
        let stopping = stop.clone();
        let server = tokio::spawn(async move {
            let service = router.into_make_service_with_connect_info::<SocketAddr>();
            let served = axum::serve(listener, service).with_graceful_shutdown(stopping.cancelled_owned()).await;
            if let Err(error) = served {
                tracing::error!(%error, "the server has ended");
            }
        });
        Ok(Self {
            address,
            url,
            hub,
            boards,
            store: parts.store,
            commands,
            stop,
            workers,
            server,
            readiness,
            announcement,
        })
    }

    /// Returns a file on this machine with the API token, for whoever started the service.
    pub fn token_file(&self) -> Option<&Path> {
        self.announcement.as_ref()?.token_file()
    }

    /// Ends what was begun, and stops.
    pub async fn stop(self) {
        drop(self.announcement);
        // Nobody may be left to be told.
        self.readiness.send_replace(Readiness::Stopping);
        self.stop.cancel();
        self.workers.close();
        let ended = async {
            self.workers.wait().await;
            drop(self.server.await);
        };
        if tokio::time::timeout(STOP_WITHIN, ended).await.is_err() {
            tracing::warn!("not everything has ended in time");
        }
        self.store.close().await;
    }
}

/// How long a delivery is known after it was worked on: forges deliver again for a few days at most.
const DELIVERIES_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How long a rendering is known after it was used last.
const RENDERINGS_KEPT: SignedDuration = SignedDuration::from_hours(60 * 24);

/// How often older ones are forgotten.
const SWEPT: Duration = Duration::from_secs(60 * 60);

async fn forget_what_is_old(store: Store, clock: Clock, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(SWEPT)).await.is_some() {
        if let Err(error) = store.prune_deliveries(clock() - DELIVERIES_KEPT).await {
            tracing::warn!(%error, "could not forget old deliveries");
        }
        if let Err(error) = store.prune_renderings(clock() - RENDERINGS_KEPT).await {
            tracing::warn!(%error, "could not forget old renderings");
        }
        if let Err(error) = store.forget_old().await {
            tracing::warn!(%error, "could not forget what is not asked for any more");
        }
    }
}

/// Makes the hub that starts a worker for each served repository when it is first heard of.
fn workers_hub(
    parts: &Parts,
    shared: &Shared,
    boards: &Boards,
    stop: &CancellationToken,
    workers: &TaskTracker,
) -> Hub {
    let (data, poll) = (parts.data.clone(), parts.poll);
    let (shared, boards, stop, workers) = (shared.clone(), boards.clone(), stop.clone(), workers.clone());
    let (fail_points, network) = (parts.fail_points.clone(), parts.network.clone());
    Hub::new(move |hub: &Hub, repository: &RepositoryId| {
        let (forge_name, forge) = shared.forges.serving(repository)?;
        if stop.is_cancelled() {
            return None;
        }
        let opened = Mirror::open(&mirror::folder(&data, repository));
        let mirror = match opened.and_then(|mirror| mirror.let_go().map(|()| mirror)) {
            Ok(mirror) => mirror.with_fail_points(fail_points.clone()).with_network(network.clone()),
            Err(error) => {
                tracing::error!(%repository, %error, "could not open the mirror");
                return None;
            }
        };
        let (sender, messages) = hub::channel();
        let worker = RepositoryWorker {
            repository: repository.clone(),
            shared: shared.clone(),
            forge_name: forge_name.clone(),
            forge: forge.clone(),
            mirror,
            boards: boards.clone(),
            commands: commands(&shared, hub, &boards),
            poll,
        };
        workers.spawn(worker.run(messages, stop.clone()));
        Some(sender)
    })
}

/// Returns what takes commands, from wherever they come.
fn commands(shared: &Shared, hub: &Hub, boards: &Boards) -> Commands {
    Commands {
        store: shared.store.clone(),
        forges: shared.forges.clone(),
        hub: hub.clone(),
        boards: boards.clone(),
        clock: wall_clock(),
        public_url: shared.public_url.clone(),
    }
}

/// Passes on who was told of, so that nobody who delivers waits for a worker.
fn passed_on(hub: Hub) -> mpsc::Sender<RepositoryId> {
    let (wake, mut woken) = mpsc::channel::<RepositoryId>(WAKES);
    tokio::spawn(async move {
        while let Some(repository) = woken.recv().await {
            hub.wake(&repository);
        }
    });
    wake
}

/// Returns the forges as the workers know them.
fn forges(parts: &Parts) -> Forges {
    let served = |one: &ForgeParts| ServedForge { forge: one.forge.clone(), repositories: one.repositories.clone() };
    let forges = parts.forges.iter().map(|(name, one)| (name.clone(), served(one))).collect();
    Forges::new(forges, parts.destinations.clone())
}

/// Returns what asks for deliveries again that did not arrive, of each forge whose deliveries are accepted.
fn redelivering(parts: &Parts, url: &str) -> Vec<Redelivery> {
    let accepted = parts.forges.iter().filter(|(_, one)| !one.webhook_secrets.is_empty());
    let redelivery = |(name, one): (&ForgeName, &ForgeParts)| Redelivery {
        forge: one.forge.clone(),
        forge_name: name.to_string(),
        address: format!("{url}/webhooks/{name}"),
        repositories: ServedRepositories([one.repositories.0.clone(), destinations_on(parts, name).0].concat()),
        store: parts.store.clone(),
        clock: parts.clock.clone(),
    };
    accepted.map(redelivery).collect()
}

/// Returns what looks whether each forge still sends webhooks.
fn watching(parts: &Parts, url: &str, boards: &Boards) -> Vec<WebhookWatch> {
    let watch = |redelivery: Redelivery| WebhookWatch {
        forge: redelivery.forge,
        address: redelivery.address,
        repositories: redelivery.repositories,
        store: redelivery.store,
        boards: boards.clone(),
        every: parts.poll.max(WATCHED),
    };
    redelivering(parts, url).into_iter().map(watch).collect()
}

/// Returns the repositories on a forge into which strategies of others may promote.
fn destinations_on(parts: &Parts, name: &ForgeName) -> ServedRepositories {
    // Without a forge of its own it is on any on which something is served.
    let is_there = |allowed: &&AllowedDestination| allowed.forge.as_ref().is_none_or(|forge| forge == name);
    let destinations = parts.destinations.iter().filter(is_there).flat_map(|allowed| allowed.to.0.clone());
    ServedRepositories(destinations.collect())
}

fn inbox(parts: &Parts, shared: &Shared) -> Inbox {
    Inbox {
        store: parts.store.clone(),
        clock: parts.clock.clone(),
        forges: shared.forges.clone(),
        destinations: shared.destinations.clone(),
    }
}

fn receivers(parts: &Parts, shared: &Shared, wake: mpsc::Sender<RepositoryId>) -> Receivers {
    let served = parts.forges.values().map(|one| &one.repositories);
    let heard = served.chain(parts.destinations.iter().map(|allowed| &allowed.to));
    let heard = ServedRepositories(heard.flat_map(|patterns| patterns.0.clone()).collect());
    Receivers::new(parts.receivers.clone(), heard, Arc::new(inbox(parts, shared)), wake, parts.clock.clone())
}

fn receiver(parts: &Parts, shared: &Shared, wake: mpsc::Sender<RepositoryId>) -> Receiver {
    let source = |(name, one): (&ForgeName, &ForgeParts)| {
        let source = WebhookSource {
            dialect: one.dialect,
            secrets: one.webhook_secrets.clone(),
            repositories: one.repositories.clone(),
            destinations: destinations_on(parts, name),
        };
        (name.to_string(), source)
    };
    let inbox = inbox(parts, shared);
    let sources = parts.forges.iter().map(source).collect();
    Receiver::new(sources, Arc::new(inbox), wake, parts.webhook_body, parts.clock.clone())
}

/// How many wakes may wait to be passed on.
const WAKES: usize = 1024;

/// Runs the service from a settings file until a signal ends it.
pub async fn serve(config: Option<&Path>) -> anyhow::Result<()> {
    telemetry(Verbosity::Service);
    // Before the parts are made, which show how they are from the beginning.
    metrics_handle();
    install_tls();
    outlive_file_limits();
    let settings = settings(config)?;
    let service = Service::start(parts(&settings).await?).await?;
    tracing::info!(url = service.url, "serving on {}", service.address);
    match &settings.api_token {
        Some(_) => tracing::info!("people sign in at {}/sign-in with the API token, to act on the page", service.url),
        None => tracing::info!("nobody can act over HTTP: no `api_token_file` is configured"),
    }
    end_of_service().await;
    tracing::info!("stopping");
    service.stop().await;
    Ok(())
}

async fn parts(settings: &Settings) -> anyhow::Result<Parts> {
    std::fs::create_dir_all(&settings.data)
        .with_context(|| format!("could not use the data folder `{}`", settings.data.display()))?;
    settings.network.prepare().context("could not write the root certificates for git into the data folder")?;
    let Database::Sqlite(path) = &settings.database;
    let store = Store::open(path).await.with_context(|| format!("could not open the database `{}`", path.display()))?;
    let folders: Vec<PathBuf> = [&settings.renderers.helm, &settings.renderers.kustomize]
        .into_iter()
        .flatten()
        .filter_map(|program| program.parent().map(Path::to_owned))
        .chain(settings.renderers.more.iter().cloned())
        .collect();
    let limits = hydrators::Limits {
        wall: settings.limits.render_timeout,
        cpu: settings.limits.render_timeout,
        memory_bytes: settings.limits.render_memory,
        stdout_bytes: usize::try_from(settings.limits.render_output).unwrap_or(usize::MAX),
        ..hydrators::Limits::default()
    };
    let parallelism = settings.limits.render_parallelism;
    // Mistakes in texts are told before anything is tried.
    let messages = messages(settings.templates.as_deref())?;
    let launcher = launcher(settings.renderers.sandbox)?;
    check_sandbox(&launcher).await?;
    Ok(Parts {
        listen: settings.listen,
        public_url: Some(settings.public_url.to_string()),
        store,
        data: settings.data.clone(),
        forges: settings
            .forges
            .iter()
            .map(|(name, forge)| Ok((name.clone(), forge_parts(forge, settings)?)))
            .collect::<anyhow::Result<_>>()?,
        destinations: settings.destinations.clone(),
        receivers: settings.receivers.clone(),
        webhook_body: settings.limits.webhook_body,
        network: settings.network.clone(),
        hydrator: Arc::new(hydrator_with(&folders, limits, parallelism, launcher).await?.with_charts(charts(settings))),
        messages,
        server_windows: Arc::new(settings.windows.clone()),
        poll: settings.limits.poll_interval,
        api_token: settings.api_token.clone(),
        clock: wall_clock(),
        fail_points: FailPoints::from_environment(&environment())?,
    })
}

/// Returns what pull requests, comments and commits say: the built-in texts, but for those in a folder.
pub fn messages(templates: Option<&Path>) -> anyhow::Result<Messages> {
    Ok(templates.map_or_else(|| Ok(Messages::built_in()), Messages::with_overrides)?)
}

fn forge_parts(forge: &ForgeSettings, settings: &Settings) -> anyhow::Result<ForgeParts> {
    Ok(ForgeParts {
        forge: adapter(forge, settings)?,
        dialect: match forge.kind {
            ForgeKind::GitHub => Dialect::GitHub,
            ForgeKind::Gitea => Dialect::Gitea,
            ForgeKind::GitLab => Dialect::GitLab,
        },
        webhook_secrets: forge.webhook_secrets.clone(),
        repositories: forge.repositories.clone(),
    })
}

/// Reads the settings as the service does.
///
/// # Errors
/// With every mistake, when there are any.
pub fn settings(config: Option<&Path>) -> Result<Settings, SettingsError> {
    Settings::load(config, environment())
}

/// Returns the adapter for a forge of the settings; sends nothing yet.
///
/// # Errors
/// When address or credentials cannot be used.
pub fn adapter(forge: &ForgeSettings, settings: &Settings) -> anyhow::Result<SharedForge> {
    let limits = Limits {
        call: settings.limits.forge_timeout,
        write_interval: settings.limits.forge_write_interval,
        writes_at_once: settings.limits.forge_writes_at_once,
        ..Limits::default()
    };
    let network = &settings.network;
    let api_url = forge.api_url.as_str().trim_end_matches('/').to_owned();
    let credentials = match (forge.kind, &forge.credentials) {
        (ForgeKind::Gitea, ForgeCredentials::Token(token)) => {
            return Ok(Arc::new(Gitea::through(&GiteaOptions { api_url, token: token.clone(), limits }, network)?));
        }
        (ForgeKind::GitLab, ForgeCredentials::Token(token)) => {
            return Ok(Arc::new(GitLab::through(&GitLabOptions { api_url, token: token.clone(), limits }, network)?));
        }
        (ForgeKind::Gitea | ForgeKind::GitLab, ForgeCredentials::App { .. }) => {
            anyhow::bail!("only GitHub has Apps: this forge is reached with a token")
        }
        (ForgeKind::GitHub, ForgeCredentials::Token(token)) => Credentials::Token(token.clone()),
        (ForgeKind::GitHub, ForgeCredentials::App { id, private_key }) => {
            Credentials::App { id: *id, private_key: private_key.clone() }
        }
    };
    Ok(Arc::new(GitHub::through(&GitHubOptions { api_url, credentials, limits }, network)?))
}

/// Returns what brings charts from elsewhere to the service.
fn charts(settings: &Settings) -> Charts {
    let cache = Cache::new(settings.data.join("charts"), settings.charts.cache_bytes);
    Charts::new(cache, Some(settings.charts.listed(settings.network.clone())))
}
