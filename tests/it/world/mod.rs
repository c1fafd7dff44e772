//! A world to tell stories in: the local forge, the real service beside it, and the people and checks around them.
//!
//! - Nothing sleeps: [`World::settle`] waits until every webhook was delivered and the service is at rest.
//! - Every exchange and webhook is held against GitHub's description.
//! - [`World::finish`] fails when anything has happened that the last board did not show.

mod board;
mod clock;
mod dry;
pub(crate) mod home;
mod past;
mod people;
mod service;
mod stage;
mod takeover;
pub(crate) mod told_on;
mod traces;

use std::sync::Arc;

use hydromote::{
    charts::Charts,
    domain::{
        ids::{RepositoryId, StrategyId, StrategyName},
        windows::ServerWindows,
    },
    local_forge::{LocalForge, Options, Secret},
    messages::Messages,
};

pub(crate) use self::dry::{Files, config, everywhere, only, strategy};
pub(crate) use self::service::new_hydrator;
use self::{
    clock::WorldClock,
    home::{Home, OtherForge},
    service::Running,
    stage::Stage,
    told_on::{ToldOn, Translators},
};
use crate::{
    contract::Checker,
    gitlab::front::Front,
    proxy::{Between, Proxy},
};

pub(crate) type TestResult = Result<(), Box<dyn std::error::Error>>;
pub(crate) type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// The repository of every story.
pub(crate) const REPOSITORY: &str = "acme/shop";
/// Who pushes dry commits, reports and merges by hand.
pub(crate) const DEVELOPER: &str = "developer";
/// Who pushes to environment branches.
pub(crate) const STRANGER: &str = "stranger";
/// Who may read the repository, and nothing else.
pub(crate) const READER: &str = "reader";
/// A program that comments.
pub(crate) const OTHER_BOT: &str = "other-bot";
/// The account of the service.
pub(crate) const BOT: &str = "hydromote";

/// The local forge, the service, and who acts on them.
pub(crate) struct World {
    dir: tempfile::TempDir,
    pub(crate) forge: Stage,
    told_on: ToldOn,
    home: Home,
    other: Option<OtherForge>,
    checker: Checker,
    clock: WorldClock,
    bot_token: Secret,
    developer_token: Secret,
    webhook_secret: Secret,
    id: StrategyId,
    service: Option<Running>,
    /// What stands between the service and the forge, in each direction.
    calls: Option<Proxy>,
    hooks: Option<Arc<dyn Between>>,
    /// What the forge is told through, on GitLab.
    front: Option<Arc<Front>>,
    messages: Messages,
    /// The service's address for people; where it listens when absent.
    public_url: Option<String>,
    /// The windows of the server, from its next start on.
    pub(crate) server_windows: ServerWindows,
    /// From where charts come, from its next start on.
    pub(crate) charts: Option<Charts>,
    /// Dry commits with their subjects, oldest first.
    dry: Vec<(String, String)>,
    /// What the story looked at last.
    seen: Option<String>,
}

impl World {
    /// Starts the forge with an empty repository, and the service.
    pub(crate) async fn empty() -> Fallible<Self> {
        Self::with_messages(Messages::built_in()).await
    }

    /// Starts with an empty repository, and a service that says these things.
    pub(crate) async fn with_messages(messages: Messages) -> Fallible<Self> {
        let mut world = Self::unserved(messages).await?;
        world.start().await?;
        Ok(world)
    }

    /// Starts with an empty repository, and a service between which and the forge these stand: one where the service
    /// calls the forge, one where the forge tells the service.
    pub(crate) async fn behind(calls: Arc<dyn Between>, hooks: Arc<dyn Between>) -> Fallible<Self> {
        let mut world = Self::unserved_on(ToldOn::LocalForge, Home::of_run(), Messages::built_in()).await?;
        world.calls = Some(Proxy::start(world.forge.url(), calls).await?);
        world.hooks = Some(hooks);
        world.start().await?;
        Ok(world)
    }

    /// Starts with an empty repository, of which the environments are there.
    pub(crate) async fn in_home(home: Home) -> Fallible<Self> {
        let mut world = Self::unserved_on(ToldOn::of_run(), home, Messages::built_in()).await?;
        world.start().await?;
        Ok(world)
    }

    /// Starts with an empty repository, and a service that is known by the address where it listens: to the forge, its
    /// webhook is one of ours.
    pub(crate) async fn at_its_own_address() -> Fallible<Self> {
        let mut world = Self::unserved(Messages::built_in()).await?;
        world.public_url = None;
        world.start().await?;
        Ok(world)
    }

    /// Starts the forge with an empty repository.
    async fn unserved(messages: Messages) -> Fallible<Self> {
        Self::unserved_on(ToldOn::of_run(), Home::of_run(), messages).await
    }

    async fn unserved_on(told_on: ToldOn, home: Home, messages: Messages) -> Fallible<Self> {
        hydromote::app::install_tls();
        let dir = tempfile::tempdir()?;
        let checker = Checker::new();
        let mut options = Options::new(dir.path().join("forge"));
        options.observer = Some(checker.observer());
        let forge = LocalForge::start(options).await?;
        let (_, mut bot_token) = forge.create_user(BOT).await?;
        let (_, developer_token) = forge.create_user(DEVELOPER).await?;
        forge.create_user(STRANGER).await?;
        forge.create_user(READER).await?;
        forge.create_bot(OTHER_BOT).await?;
        home::repository(&forge, REPOSITORY).await?;
        let mut options = Options::new(dir.path().join("other"));
        options.observer = Some(checker.observer());
        let other = home::make(home, &forge, options).await?;
        let forge = match told_on {
            ToldOn::Gitea => Stage::gitea(forge).await?,
            _ => forge.into(),
        };
        if let Some((_, token)) = forge.gitea_access() {
            bot_token = Secret::new(token);
        }
        let webhook_secret = Secret::new("a secret of the webhook");
        let Translators { calls, hooks, front } = told_on.before(&forge, webhook_secret.expose()).await?;
        let world = Self {
            dir,
            forge,
            told_on,
            home,
            other,
            checker,
            clock: WorldClock::default(),
            bot_token,
            developer_token,
            webhook_secret,
            id: StrategyId { repository: RepositoryId::new(REPOSITORY)?, name: StrategyName::new("shop")? },
            service: None,
            calls,
            hooks,
            front,
            messages,
            public_url: Some(service::PUBLIC_URL.to_owned()),
            server_windows: ServerWindows::default(),
            charts: None,
            dry: Vec::new(),
            seen: None,
        };
        world.hand_over_token()?;
        world.hand_over_webhook_secret()?;
        Ok(world)
    }

    /// Starts with the commit `first`: a strategy of these environments, each a name and perhaps more fields
    /// (`"prod, soak: 10m"`), and one plain folder for each; and lets everything happen.
    pub(crate) async fn with_environments(environments: &[&str]) -> Fallible<Self> {
        Self::with_strategy(&strategy(environments)).await
    }

    /// Starts with the commit `first`: this strategy, and one plain folder for dev, staging and prod.
    pub(crate) async fn with_strategy(strategy: &str) -> Fallible<Self> {
        let mut world = Self::empty().await?;
        world.begin(strategy).await?;
        Ok(world)
    }

    /// Pushes the commit `first`, and lets everything happen.
    pub(crate) async fn begin(&mut self, strategy: &str) -> TestResult {
        let mut files = everywhere("v1");
        files.push(("hydromote.yaml".to_owned(), strategy.to_owned()));
        self.push_dry("first", files).await?;
        self.settle().await
    }

    /// Fails on anything that GitHub would not have said, that nobody looked at, or that must never be.
    pub(crate) async fn finish(mut self) -> TestResult {
        self.settle().await?;
        let seen = self.seen.take().unwrap_or_default();
        let now = self.board().await?;
        if seen != now {
            return Err(format!("nobody looked at what is there in the end:\n{now}\n\nlast seen:\n{seen}").into());
        }
        self.check_traces().await?;
        if let Some(running) = self.service.take() {
            running.service.stop().await;
        }
        self.forge.shutdown().await?;
        if let Some(other) = self.other.take() {
            other.forge.shutdown().await?;
        }
        Ok(self.checker.finish()?)
    }
}
