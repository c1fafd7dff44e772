//! The stage: the local forge, the service beside it, and what people and checks do on it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, bail};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use super::{Narrator, example::Files};
use crate::{
    app::{self, ForgeParts, Parts, Service},
    crash::FailPoints,
    domain::{
        gate::{Gate, StatusWait, Verdict},
        ids::{ActiveSha, EnvironmentName, ForgeName, RepositoryId, StatusKey, StrategyId, StrategyName},
        plan::PlaceView,
        snapshot::PromoteRequest,
    },
    forge::{
        github::{Credentials, GitHub, GitHubOptions, Limits},
        webhook::Dialect,
    },
    git::mirror::Remote,
    local_forge::{CommitFiles, LocalForge, Options, Permission, RepositoryOptions, Secret, StatusState},
    messages::Messages,
    network::Network,
    reconcile::{attention::Attention, board::StrategyBoard, context::Clock},
    settings::{RepositoryPattern, ServedRepositories},
    store::Store,
};

/// The owner of the demo's repository.
pub(super) const OWNER: &str = "demo";
/// Who pushes, reports health and promotes in the demo.
pub(super) const DEVELOPER: &str = "developer";
/// The forge's name.
const FORGE: &str = "github";
/// The account of the service.
const BOT: &str = "hydromote";
/// The largest webhook body.
const WEBHOOK_BODY: usize = 25 << 20;
/// After how long everything is read again: webhooks do the work here.
const POLL: Duration = Duration::from_secs(30);
/// After how long the demo's own check looks at what runs.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// The local forge and the service.
pub(super) struct Stage {
    pub(super) forge: LocalForge,
    pub(super) service: Service,
    pub(super) folder: PathBuf,
    narrator: Narrator,
    clock: DemoClock,
    developer_token: Secret,
    webhook_secret: Secret,
}

/// Makes sure that a folder is there and holds nothing.
pub(super) fn empty_folder(dir: &Path) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(dir).with_context(|| format!("could not make the folder `{}`", dir.display()))?;
    let mut entries = std::fs::read_dir(dir).with_context(|| format!("could not read `{}`", dir.display()))?;
    if entries.next().is_some() {
        bail!("the folder `{}` is not empty; name a new one, so that nothing is mixed up", dir.display());
    }
    dir.canonicalize().with_context(|| format!("could not find `{}`", dir.display()))
}

impl Stage {
    /// Starts the forge and the service.
    pub(super) async fn set(folder: &Path, tools: Option<&Path>, narrator: Narrator) -> anyhow::Result<Self> {
        let forge = LocalForge::start(Options::new(folder)).await?;
        let (_, bot_token) = forge.create_user(BOT).await?;
        let (_, developer_token) = forge.create_user(DEVELOPER).await?;
        let webhook_secret = Secret::new(uuid::Uuid::now_v7().simple().to_string());
        let adapter = GitHub::new(&GitHubOptions {
            api_url: forge.api_url(),
            credentials: Credentials::Token(bot_token.expose().into()),
            // The forge is ours: it needs no pauses between writes.
            limits: Limits { write_interval: Duration::ZERO, ..Limits::default() },
        })?;
        let clock = DemoClock::default();
        let pattern = RepositoryPattern::parse(&format!("{OWNER}/*")).context("the demo's owner is no pattern")?;
        let folders: Vec<PathBuf> = tools.map(Path::to_owned).into_iter().collect();
        let parts = ForgeParts {
            forge: Arc::new(adapter),
            dialect: Dialect::GitHub,
            webhook_secrets: vec![webhook_secret.expose().into()],
            repositories: ServedRepositories(vec![pattern]),
        };
        let service = Service::start(Parts {
            listen: ([127, 0, 0, 1], 0).into(),
            public_url: None,
            store: Store::open(&folder.join("hydromote.db")).await?,
            data: folder.to_owned(),
            forges: BTreeMap::from([(ForgeName::new(FORGE)?, parts)]),
            destinations: Vec::new(),
            receivers: BTreeMap::new(),
            webhook_body: WEBHOOK_BODY,
            network: Network::default(),
            hydrator: Arc::new(app::hydrator(&folders, hydrators::Limits::default(), None).await?),
            messages: Messages::built_in(),
            server_windows: Arc::default(),
            poll: POLL,
            // Commands on this machine find it by themselves.
            api_token: Some(uuid::Uuid::now_v7().simple().to_string().into()),
            clock: clock.tell(),
            fail_points: FailPoints::default(),
        })
        .await?;
        narrator.say(format_args!("The forge:        {}", forge.url()));
        narrator.say(format_args!("The status page:  {}", service.url));
        if let Some(file) = service.token_file() {
            narrator.say(format_args!("To act on it, sign in with the token in {}", file.display()));
        }
        Ok(Self { forge, service, folder: folder.to_owned(), narrator, clock, developer_token, webhook_secret })
    }

    /// Prints one line of the story.
    pub(super) fn say(&self, line: impl std::fmt::Display) {
        self.narrator.say(line);
    }

    /// Makes a repository with these files as its first commit, and has its webhooks sent to the
    /// service.
    pub(super) async fn create_repository(&self, name: &str, files: Files) -> anyhow::Result<RepositoryId> {
        let repository = format!("{OWNER}/{name}");
        let options = RepositoryOptions { files, ..RepositoryOptions::default() };
        self.forge.create_repository(OWNER, name, options).await?;
        self.forge.grant(&repository, BOT, Permission::Write).await?;
        self.forge.grant(&repository, DEVELOPER, Permission::Admin).await?;
        let url = format!("{}/webhooks/{FORGE}", self.service.url);
        self.forge.add_webhook(&repository, &url, Some(self.webhook_secret.clone()), &["*"]).await?;
        Ok(RepositoryId::new(repository)?)
    }

    /// Pushes a commit to the dry branch.
    pub(super) async fn push(&self, repository: &RepositoryId, message: &str, files: Files) -> anyhow::Result<String> {
        let commit = CommitFiles { branch: "main".to_owned(), message: message.to_owned(), files };
        Ok(self.forge.commit_files(repository.as_str(), DEVELOPER, commit).await?)
    }

    /// Returns the repository as the developer pushes to it.
    pub(super) fn developer_remote(&self, repository: &RepositoryId) -> Remote {
        use base64::Engine;
        let pair = format!("{DEVELOPER}:{}", self.developer_token.expose());
        let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
        Remote { url: self.forge.clone_url(repository.as_str()), authorization: Some(SecretString::from(basic)) }
    }

    /// Waits until the service has heard of everything and is at rest.
    pub(super) async fn settle(&self, repository: &RepositoryId) -> anyhow::Result<()> {
        self.forge.webhooks_sent().await;
        self.service.hub.look_now(repository).await.map_err(anyhow::Error::msg)
    }

    /// Returns the board of the strategy, which must be there.
    pub(super) fn board(&self, repository: &RepositoryId, name: &StrategyName) -> anyhow::Result<StrategyBoard> {
        let id = StrategyId { repository: repository.clone(), name: name.clone() };
        let board = self.service.boards.of(&id).with_context(|| format!("the strategy {id} is not served"))?;
        if let Some(mistake) = &board.mistake {
            bail!("the strategy {id} has a mistake:\n{mistake}");
        }
        Ok(board)
    }

    /// Reports a key as success on a commit, as a check would.
    pub(super) async fn report(&self, repository: &RepositoryId, sha: &str, key: &StatusKey) -> anyhow::Result<()> {
        self.report_as(repository, sha, key, StatusState::Success).await
    }

    /// Reports a key on a commit.
    pub(super) async fn report_as(
        &self,
        repository: &RepositoryId,
        sha: &str,
        key: &StatusKey,
        state: StatusState,
    ) -> anyhow::Result<()> {
        self.forge.as_user(DEVELOPER).report_status(repository.as_str(), sha, key.as_str(), state).await?;
        Ok(())
    }

    /// Has the forge deliver the webhook of the newest push again.
    pub(super) async fn deliver_again(&self, repository: &RepositoryId) -> anyhow::Result<()> {
        Ok(self.forge.redeliver_newest(repository.as_str(), "push").await?)
    }

    /// Promotes what waits in an environment, as a person does.
    pub(super) async fn promote(&self, id: &StrategyId, environment: &EnvironmentName) -> anyhow::Result<()> {
        let board = self.board(&id.repository, &id.name)?;
        let view = board.places.iter().find(|view| view.place.environment == *environment);
        let view = view.with_context(|| format!("there is no environment {environment}"))?;
        let proposed = view.proposed.clone().with_context(|| format!("nothing waits in {environment}"))?;
        let at = (self.clock.tell())();
        let request = PromoteRequest { proposed, by: DEVELOPER.to_owned(), at };
        self.service.store.save_note(id, &view.place, &request).await?;
        self.service.hub.heed(&id.repository, Attention::Command);
        Ok(())
    }

    /// Reports every key that something waits for as success, and promotes what waits for a person;
    /// says whether there was any.
    pub(super) async fn do_what_is_waited_for(&self, id: &StrategyId) -> anyhow::Result<bool> {
        let board = self.board(&id.repository, &id.name)?;
        let mut any = false;
        for view in &board.places {
            if let Some((sha, key)) = awaited_on_active(view) {
                self.report(&id.repository, sha.as_str(), key).await?;
                any = true;
            }
            for gate in &view.gates {
                match (&gate.gate, &view.proposed) {
                    (Gate::ProposedStatus { key, waits: StatusWait::Missing | StatusWait::Pending }, Some(sha)) => {
                        self.report(&id.repository, sha.as_str(), key).await?;
                        any = true;
                    }
                    (Gate::Promote, Some(_)) if view.gates.len() == 1 => {
                        self.promote(id, &view.place.environment).await?;
                        any = true;
                    }
                    _ => {}
                }
            }
        }
        Ok(any)
    }

    /// Lets the service's time jump to when time alone changes something; says whether it did.
    pub(super) async fn let_time_pass(&self, id: &StrategyId) -> anyhow::Result<bool> {
        let Some(wake_at) = self.board(&id.repository, &id.name)?.wake_at else { return Ok(false) };
        self.clock.jump_to(wake_at);
        self.service.hub.heed(&id.repository, Attention::Command);
        Ok(true)
    }

    /// Stays up until a signal: what is pushed is promoted, and the demo's check reports health.
    pub(super) async fn stay_up(&self) -> anyhow::Result<()> {
        self.say("");
        self.say("It stays up. Clone the repository, push to main, and watch the status page:");
        for id in self.service.boards.all().into_keys() {
            let address = self.forge.clone_url(id.repository.as_str());
            let with_token = address.replacen("://", &format!("://{DEVELOPER}:{}@", self.developer_token.expose()), 1);
            self.say(format_args!("  git clone {with_token}"));
        }
        self.say("The demo's own check reports `health` on whatever runs. Ctrl-C ends it.");
        tokio::select! {
            checked = self.check_health() => checked,
            () = app::end_of_service() => Ok(()),
        }
    }

    async fn check_health(&self) -> anyhow::Result<()> {
        loop {
            for (id, board) in self.service.boards.all() {
                for (sha, key) in board.places.iter().filter_map(awaited_on_active) {
                    self.report(&id.repository, sha.as_str(), key).await?;
                }
            }
            tokio::time::sleep(CHECK_EVERY).await;
        }
    }

    /// Stops the service and the forge.
    pub(super) async fn strike(self) -> anyhow::Result<()> {
        self.service.stop().await;
        self.forge.shutdown().await
    }
}

/// The wall clock, and what was jumped over: a demo does not sit through soaks.
#[derive(Debug, Clone, Default)]
struct DemoClock {
    ahead_ms: Arc<AtomicI64>,
}

impl DemoClock {
    fn tell(&self) -> Clock {
        let (wall, ahead) = (app::wall_clock(), self.ahead_ms.clone());
        Arc::new(move || wall() + SignedDuration::from_millis(ahead.load(Ordering::Relaxed)))
    }

    fn jump_to(&self, time: Timestamp) {
        let missing = time.duration_since((self.tell())()).as_millis();
        let missing = i64::try_from(missing).unwrap_or(i64::MAX).max(0);
        self.ahead_ms.fetch_add(missing.saturating_add(1), Ordering::Relaxed);
    }
}

/// Returns the key that what runs waits for, when nothing was reported.
fn awaited_on_active(view: &PlaceView) -> Option<(&ActiveSha, &StatusKey)> {
    match (&view.running.as_ref()?.verdict, &view.active) {
        (Verdict::Status { key, waits: StatusWait::Missing }, Some(sha)) => Some((sha, key)),
        _ => None,
    }
}
