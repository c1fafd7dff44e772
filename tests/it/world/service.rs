//! The service of a world: started, stopped, and waited for.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use hmac::{Hmac, Mac};
use hydrators::{Launcher, Sandbox};
use hydromote::{
    app::{self, ForgeParts, Parts, Service},
    crash::FailPoints,
    domain::{
        deployed::Tool,
        hydration::{EnvironmentHydration, RenderedRoots},
        ids::{DrySha, EnvironmentName, ForgeName, PullRequestNumber, RepositoryId},
    },
    forge::Forge,
    git::mirror::{self, Mirror},
    local_forge,
    network::Network,
    reconcile::{
        attention::Attention,
        context::{RepositoryContext, Shared, StrategyContext},
        destinations::Destinations,
        hydrate::Hydrator,
    },
    secret::Secret,
    settings::{RepositoryPattern, ServedRepositories},
    store::{CommandedComment, HydratedRoots, Progress, Store},
};
use sha2::Sha256;
use tokio::sync::OnceCell;

use super::{
    BOT, Fallible, REPOSITORY, TestResult, World,
    home::{APPS, Home, OTHER_FORGE},
    told_on::ToldOn,
};
use crate::proxy::Proxy;

/// How long anything may take to come to rest.
const SETTLE_WITHIN: Duration = Duration::from_secs(30);
/// The same on a forge that is a program of others, which starts git for much of what it does.
const SETTLE_WITHIN_ON_GITEA: Duration = Duration::from_secs(120);
/// How long the forge may take to answer; a hanging one is given up after it.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_millis(700);
/// After how long everything is read again by itself: never in a story.
const POLL: Duration = Duration::from_secs(24 * 3600);
/// The name of the forge.
pub(super) const FORGE: &str = "github";
/// The service's address for people.
pub(super) const PUBLIC_URL: &str = "https://hydromote.example.com";
/// What the deployment tools prove themselves with.
const TOOL_SECRET: &str = "a secret of the tools";
/// The largest webhook body.
const WEBHOOK_BODY: usize = 25 << 20;

/// A running service.
pub(super) struct Running {
    pub(super) service: Service,
    /// What stands before it.
    _hooks: Option<Proxy>,
}

/// Finds Helm and Kustomize once for all stories.
async fn hydrator() -> Fallible<Arc<Hydrator>> {
    static HYDRATOR: OnceCell<Arc<Hydrator>> = OnceCell::const_new();
    let found = HYDRATOR.get_or_try_init(|| async { new_hydrator().await.map(Arc::new) }).await;
    Ok(found?.clone())
}

/// Finds Helm and Kustomize for a hydrator that remembers nothing.
pub(crate) async fn new_hydrator() -> Fallible<Hydrator> {
    let launcher = Launcher {
        program: PathBuf::from(env!("CARGO_BIN_EXE_hydromote")),
        args: vec![OsString::from("launch"), OsString::from("--")],
        sandbox: Sandbox::Required,
    };
    // The second folder has another Helm, for what pins it.
    let tools = ["bin", "helm-3"].map(|folder| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".tools").join(folder));
    let found = app::hydrator_with(&tools, hydrators::Limits::default(), None, launcher).await;
    Ok(found.map_err(|error| format!("the stories need real renderers: {error:#}"))?)
}

/// Returns the secret in a file, which may be replaced.
fn secret_in(path: &Path) -> Fallible<Secret> {
    let key = path.file_name().ok_or("a file has a name")?.to_string_lossy();
    Ok(Secret::in_file(&key, path, |_| Ok(()))?)
}

impl World {
    /// Returns the file with the token of the service's account.
    pub(crate) fn token_file(&self) -> PathBuf {
        self.dir.path().join("github-token")
    }

    /// Returns the file with the webhook's secret.
    pub(crate) fn webhook_secret_file(&self) -> PathBuf {
        self.dir.path().join("github-webhook")
    }

    /// Gives the service's account another token, and revokes the one before; the service does not have it yet.
    pub(crate) async fn renew_token(&mut self) -> TestResult {
        self.bot_token = self.forge.renew_token(BOT).await?;
        Ok(())
    }

    /// Puts the token of the service's account into its file.
    pub(crate) fn hand_over_token(&self) -> TestResult {
        Ok(std::fs::write(self.token_file(), self.bot_token.expose())?)
    }

    /// Has the forge sign with another secret; the service does not have it yet.
    pub(crate) async fn renew_webhook_secret(&mut self, secret: &str) -> TestResult {
        self.webhook_secret = local_forge::Secret::new(secret);
        self.forge.set_webhook_secret(REPOSITORY, self.webhook_secret.clone()).await?;
        Ok(())
    }

    /// Puts the webhook's secret into its file.
    pub(crate) fn hand_over_webhook_secret(&self) -> TestResult {
        Ok(std::fs::write(self.webhook_secret_file(), self.webhook_secret.expose())?)
    }

    /// Starts the service on what is in its folder.
    pub(crate) async fn start(&mut self) -> TestResult {
        let data = self.data();
        std::fs::create_dir_all(&data)?;
        let served = [REPOSITORY, APPS].iter().filter_map(|text| RepositoryPattern::parse(text)).collect();
        let webhook_secret = secret_in(&self.webhook_secret_file())?;
        let forge = |forge, told_on: ToldOn, repositories| ForgeParts {
            forge,
            dialect: told_on.dialect(),
            webhook_secrets: vec![webhook_secret.clone()],
            repositories: ServedRepositories(repositories),
        };
        let mut forges = BTreeMap::from([(ForgeName::new(FORGE)?, forge(self.adapter()?, self.told_on, served))]);
        if let Some(other) = &self.other {
            let told_on = ToldOn::LocalForge;
            let adapter = told_on.adapter(other.forge.url(), other.bot_token.expose().into())?;
            forges.insert(ForgeName::new(OTHER_FORGE)?, forge(adapter, told_on, Vec::new()));
        }
        let service = Service::start(Parts {
            listen: ([127, 0, 0, 1], 0).into(),
            public_url: self.public_url.clone(),
            store: Store::open(&data.join("hydromote.db")).await?,
            data,
            forges,
            destinations: self.home.allowed()?,
            receivers: self.receivers(),
            webhook_body: WEBHOOK_BODY,
            network: Network::default(),
            hydrator: self.hydrator().await?,
            messages: self.messages.clone(),
            server_windows: Arc::new(self.server_windows.clone()),
            poll: POLL,
            api_token: None,
            clock: self.clock.tell(),
            fail_points: FailPoints::default(),
        })
        .await?;
        let own = format!("http://{}", service.address);
        let hooks = match &self.hooks {
            Some(between) => Some(Proxy::start(&own, between.clone()).await?),
            None => None,
        };
        let url = |forge: &str| format!("{}/webhooks/{forge}", hooks.as_ref().map_or(&*own, Proxy::url));
        self.forge.add_webhook(REPOSITORY, &url(FORGE), Some(self.webhook_secret.clone()), &["*"]).await?;
        if self.home != Home::Beside {
            let name = if self.other.is_some() { OTHER_FORGE } else { FORGE };
            let secret = Some(self.webhook_secret.clone());
            self.home().add_webhook(self.home_name(), &url(name), secret, &["*"]).await?;
        }
        self.service = Some(Running { service, _hooks: hooks });
        Ok(())
    }

    /// Returns what renders, with charts from elsewhere where the story has some.
    async fn hydrator(&self) -> Fallible<Arc<Hydrator>> {
        match &self.charts {
            None => hydrator().await,
            Some(charts) => Ok(Arc::new(new_hydrator().await?.with_charts(charts.clone()))),
        }
    }

    /// The secrets of the deployment tools.
    fn receivers(&self) -> BTreeMap<Tool, Vec<Secret>> {
        Tool::ALL.map(|tool| (tool, vec![TOOL_SECRET.into()])).into()
    }

    /// Tells the service what a deployment tool tells; returns what it answers.
    pub(crate) async fn tell(&self, tool: Tool, body: &str) -> Fallible<(u16, String)> {
        let address = self.service()?.address;
        let request = reqwest::Client::new().post(format!("http://{address}/webhooks/{}", tool.word()));
        let request = match tool {
            Tool::ArgoCd => request.bearer_auth(TOOL_SECRET),
            Tool::Flux => {
                let mac = Hmac::<Sha256>::new_from_slice(TOOL_SECRET.as_bytes())?.chain_update(body);
                request.header("x-signature", format!("sha256={}", hex::encode(mac.finalize().into_bytes())))
            }
        };
        let response = request.body(body.to_owned()).send().await?;
        Ok((response.status().as_u16(), response.text().await?.trim_end().to_owned()))
    }

    fn adapter(&self) -> Fallible<Arc<dyn Forge>> {
        let url = match (&self.calls, self.forge.gitea_access()) {
            (Some(calls), _) => calls.url().to_owned(),
            (None, Some((url, _))) => url,
            (None, None) => self.forge.url().to_owned(),
        };
        self.told_on.adapter(&url, secret_in(&self.token_file())?)
    }

    /// Returns the folder of the service: its database and its mirrors.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("service")
    }

    /// Returns the folder of the mirror.
    pub(crate) fn mirror(&self) -> PathBuf {
        mirror::folder(&self.data(), &self.id.repository)
    }

    /// Returns how often each operation of the forge's API was called, and each event was told.
    pub(crate) fn calls(&self) -> BTreeMap<String, usize> {
        self.checker.tally()
    }

    /// Returns what the worker of the strategy works with.
    pub(crate) async fn strategy_context(&self) -> Fallible<StrategyContext> {
        let service = self.service()?;
        let looked = service.boards.of(&self.id).and_then(|board| board.looked.0);
        let (strategy, _) = looked.ok_or("the strategy was never looked at")?;
        let forge = self.adapter()?;
        let (account, details) = (forge.account().await?, forge.repository(&self.id.repository).await?);
        let shared = Shared {
            store: service.store.clone(),
            messages: self.messages.clone(),
            hydrator: hydrator().await?,
            forges: service.commands.forges.clone(),
            destinations: Destinations::default(),
            server_windows: Arc::new(self.server_windows.clone()),
            clock: self.clock.tell(),
            public_url: self.public_url.clone(),
        };
        let mirror = Mirror::open(&self.mirror())?;
        let dry_branch = details.default_branch.clone();
        let repository = self.id.repository.clone();
        let merging = Arc::new(tokio::sync::Semaphore::new(1));
        let dry = RepositoryContext {
            id: repository,
            shared: shared.clone(),
            forge_name: ForgeName::new(FORGE)?,
            forge,
            account,
            details,
            mirror,
            merging,
        };
        let others = service.boards.all().into_keys().filter(|id| *id != self.id).map(|id| (id.name, BTreeSet::new()));
        let (id, others) = (self.id.clone(), Arc::new(others.collect()));
        Ok(StrategyContext {
            shared,
            destination: dry.clone(),
            dry,
            id,
            dry_branch,
            strategy,
            others,
            earlier: Arc::default(),
            mistake: None,
            kept_out: None,
        })
    }

    /// Stops the service; what happens now it hears nothing of.
    pub(crate) async fn stop(&mut self) {
        if let Some(running) = self.service.take() {
            running.service.stop().await;
        }
    }

    /// Stops the service and starts a new one on the same folder.
    pub(crate) async fn restart(&mut self) -> TestResult {
        self.stop().await;
        self.start().await
    }

    /// Stops the service, loses its whole folder, and starts a new one.
    pub(crate) async fn restart_without_database(&mut self) -> TestResult {
        self.stop().await;
        std::fs::remove_dir_all(self.dir.path().join("service"))?;
        self.start().await
    }

    /// Has the service forget what came of hydrating everything that is not asked for, at a restart: so much was hydrated
    /// since that is not asked for, either.
    pub(crate) async fn forget_hydrations(&mut self) -> TestResult {
        self.stop().await;
        let store = Store::open(&self.data().join("hydromote.db")).await?;
        let (dev, hydration) = (EnvironmentName::new("dev")?, EnvironmentHydration::Done(RenderedRoots::default()));
        for number in 0..100 {
            let dry = DrySha::new(format!("{number:040x}"))?;
            store.save_hydration(&self.id, &dev, &dry, &hydration, &HydratedRoots::new()).await?;
        }
        store.close().await;
        self.start().await
    }

    pub(crate) fn service(&self) -> Fallible<&Service> {
        Ok(&self.service.as_ref().ok_or("the service is stopped")?.service)
    }

    /// Waits until the service has heard of everything and is at rest.
    pub(crate) async fn settle(&mut self) -> TestResult {
        let within = if self.told_on == ToldOn::Gitea { SETTLE_WITHIN_ON_GITEA } else { SETTLE_WITHIN };
        let trouble = match tokio::time::timeout(within, self.come_to_rest()).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it does not come to rest".to_owned(),
        };
        Err(format!("{trouble}\n{}", self.render_board().await?).into())
    }

    /// Has the service look once, which must fail; returns why.
    pub(crate) async fn look_in_vain(&mut self) -> Fallible<String> {
        self.forge.webhooks_sent().await;
        let looked = tokio::time::timeout(SETTLE_WITHIN, self.service()?.hub.look_now(&self.id.repository)).await?;
        Ok(self.in_words(&looked.err().ok_or("the look should have failed")?))
    }

    /// Has the service look once; returns what went wrong.
    pub(crate) async fn look(&self) -> Fallible<Result<(), String>> {
        Ok(tokio::time::timeout(SETTLE_WITHIN, self.service()?.hub.look_now(&self.id.repository)).await?)
    }

    /// Has the service look at another repository until it is at rest.
    pub(crate) async fn look_at(&self, repository: &str) -> TestResult {
        self.forge.webhooks_sent().await;
        Ok(self.service()?.hub.look_now(&RepositoryId::new(repository)?).await?)
    }

    /// At rest: a look has led to no webhook. Where none are sent, at rest is a forge that a look at everything has left
    /// as it was.
    pub(crate) async fn come_to_rest(&self) -> TestResult {
        while let Some(before) = self.forge.mark().await? {
            self.ring_the_timer()?;
            self.service()?.hub.look_now(&self.id.repository).await?;
            if self.forge.mark().await?.as_ref() == Some(&before) {
                return Ok(());
            }
        }
        loop {
            let before = self.deliveries().await?;
            self.service()?.hub.look_now(&self.id.repository).await?;
            if self.deliveries().await? == before {
                return Ok(());
            }
        }
    }

    /// Waits until the service was told of everything; returns of how much.
    async fn deliveries(&self) -> Fallible<usize> {
        self.forge.webhooks_sent().await;
        self.home().webhooks_sent().await;
        let mut told = self.forge.deliveries(REPOSITORY).await?.len();
        if self.home != Home::Beside {
            told += self.home().deliveries(self.home_name()).await?.len();
        }
        Ok(told)
    }

    /// Leaves a comment as a service does that was killed while it did the command.
    pub(crate) async fn leave_half_done(&self, comment: u64, number: u64) -> TestResult {
        let (pull_request, progress) = (PullRequestNumber(number), Progress::Acting);
        let half_done = CommandedComment { comment, pull_request, progress, answers: Vec::new() };
        let repository = RepositoryId::new(self.home_name())?;
        Ok(self.service()?.store.save_commanded_comment(&repository, &half_done).await?)
    }

    /// Lets the timer ring that has everything read again.
    pub(crate) fn ring_the_timer(&self) -> TestResult {
        self.service()?.hub.heed(&self.id.repository, Attention::Everything);
        Ok(())
    }

    /// Has the service's time stand still, but for the minutes that a story lets pass.
    pub(crate) fn stop_the_clock(&self) {
        self.clock.stop();
    }

    /// Lets so many minutes pass for the service.
    pub(crate) fn pass_minutes(&self, minutes: i64) -> TestResult {
        self.clock.advance(minutes);
        self.service()?.hub.heed(&self.id.repository, Attention::Command);
        Ok(())
    }
}
