//! A made-up board with a bit of everything, for tests of whatever shows it.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch};

use super::{Readiness, ServerState, access::Access, router, sessions::Sessions, site::Site, webhooks::*};
use crate::{
    domain::{
        deployed::Deployed,
        drift::{Drift, LastPromoted},
        gate::{ClosedGate, Gate, StatusWait, Verdict},
        ids::*,
        permission::{Grantee, Permission},
        plan::{Notice, PlaceView, RunningView},
        status::CommitStatus,
    },
    forge::*,
    reconcile::{
        board::{Boards, CommitText, StrategyBoard},
        changes::Changes,
        commands::Commands,
        forges::Forges,
        hub::{self, Hub},
        repository::Message,
    },
    secret::Secret,
    store::{MergeRecord, Promotion, Store},
};

/// The bearer token of the sample.
pub(crate) const TOKEN: &str = "correct horse battery staple";

/// Proposed in prod, where a person must promote.
pub(crate) const PROD_PROPOSED: &str = "e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1";

const OLD: &str = "4f1c2a9b8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a";
const NEW: &str = "9b7d03e5c1a2f4e6d8b0a2c4e6f8a0b2c4d6e8f0";
const NEWEST: &str = "c0ffee1234567890abcdef1234567890abcdef12";

/// A service around made-up boards.
pub(crate) struct Sample {
    pub(crate) boards: Boards,
    pub(crate) store: Store,
    pub(crate) router: Router,
    pub(crate) forge: Arc<Recorder>,
    pub(crate) woken: mpsc::Receiver<Message>,
    pub(crate) readiness: watch::Sender<Readiness>,
    /// The service's data, which is removed with it.
    _data: tempfile::TempDir,
}

impl Sample {
    /// Makes one that listens on loopback.
    pub(crate) async fn new() -> Self {
        Self::listening("127.0.0.1:8080", Some(TOKEN)).await
    }

    /// Makes one that listens on `address`.
    pub(crate) async fn listening(address: &str, token: Option<&str>) -> Self {
        let store = Store::in_memory().await.expect("because memory is there");
        let (boards, forge) = (Boards::default(), Arc::new(Recorder::default()));
        let (sender, woken) = hub::channel();
        let commands = Commands {
            store: store.clone(),
            forges: Forges::of_one(forge.clone()),
            hub: Hub::new(move |_, _| Some(sender.clone())),
            boards: boards.clone(),
            clock: Arc::new(now),
            public_url: Some("https://hydromote.example.com".into()),
        };
        let (readiness, ready) = watch::channel(Readiness::Ready);
        let address = address.parse().expect("because tests write addresses");
        let access = Access::new(address, "https://hydromote.example.com", token.map(Secret::from));
        let data = tempfile::tempdir().expect("because the folder for temporary files is there");
        let changes = Changes::new(data.path().to_owned());
        let site = Site { commands, access, sessions: Sessions::default(), changes, readiness: ready.clone() };
        let receiver = Receiver::new(Default::default(), Arc::new(NoInbox), mpsc::channel(1).0, 1 << 20, Arc::new(now));
        let state = ServerState {
            receiver: Arc::new(receiver),
            receivers: None,
            readiness: ready,
            metrics: None,
            site: Some(site),
        };
        let sample = Self { boards, store, router: router(state), forge, woken, readiness, _data: data };
        sample.fill().await;
        sample
    }

    async fn fill(&self) {
        let board = board();
        for (environment, dry, number, minutes) in
            [("dev", OLD, 11, 300), ("staging", OLD, 12, 240), ("prod", OLD, 13, 180), ("dev", NEW, 14, 42)]
        {
            let promotion = Promotion {
                environment: environment_name(environment),
                lane: LaneName::single(),
                dry_sha: dry_sha(dry),
                active_sha: active_sha('a', number),
                tree: TreeId::new("7".repeat(40)).expect("an id"),
                pull_request: Some(PullRequestNumber(number)),
                merge: MergeRecord { merged_by: Some("hydromote".into()), ..MergeRecord::default() },
                at: ago(minutes),
            };
            self.store.save_promotion(&board.id, &promotion).await.expect("because memory is there");
            let place = place(environment);
            let what = format!("{environment} runs {} with #{number}", promotion.dry_sha.short());
            let event = self.store.save_event(&board.id, Some(&place), ago(minutes), "hydromote", &what);
            event.await.expect("because memory is there");
        }
        self.boards.publish(board);
    }
}

/// The time in the sample.
pub(crate) fn now() -> Timestamp {
    "2026-03-04T12:00:00Z".parse().expect("a time")
}

/// The sample's strategy.
pub(crate) fn id() -> StrategyId {
    StrategyId { repository: "acme/shop".to_owned().try_into().expect("a repository"), name: name("shop") }
}

/// A board with a bit of everything.
pub(crate) fn board() -> StrategyBoard {
    let health = |waits| Verdict::Status { key: StatusKey::new("health").expect("a key"), waits };
    let mut dev = view("dev", Some((NEW, 42, health(StatusWait::Pending))));
    dev.notices.push(Notice::HydrationFailed {
        dry: dry_sha(NEWEST),
        message: "charts/web/values-dev.yaml:14: could not find expected ':'".into(),
        retry_at: None,
    });
    let mut staging = view("staging", Some((OLD, 240, Verdict::Verified)));
    staging.wanted = Some(dry_sha(NEW));
    staging.pull_request = Some(PullRequestNumber(15));
    staging.proposed = Some(ProposedSha::new("d".repeat(40)).expect("an id"));
    let waits = health(StatusWait::Pending);
    staging.gates = vec![closed(Gate::DependsOn { environment: environment_name("dev"), waits }, 42, None)];
    let mut canary = view("canary", Some((OLD, 200, Verdict::Soak { until: ahead(20) })));
    canary.wanted = Some(dry_sha(NEW));
    let (author, outputs) = ("somebody <script>alert(1)</script>".into(), vec!["web".into(), "worker".into()]);
    let promoted = LastPromoted { commit: active_sha('a', 14), dry: dry_sha(OLD) };
    let drift = Drift { promoted: Some(promoted), ..Drift::of_commit(active_sha('b', 77), author, outputs, None) };
    canary.drift = Some(drift.clone());
    canary.gates = vec![
        closed(drift.into(), 9, None),
        closed(Gate::Settling { waits: Verdict::Soak { until: ahead(20) } }, 42, Some(20)),
    ];
    let mut prod = view("prod", Some((OLD, 180, Verdict::Verified)));
    prod.wanted = Some(dry_sha(NEW));
    prod.proposed = Some(ProposedSha::new(PROD_PROPOSED).expect("an id"));
    prod.pull_request = Some(PullRequestNumber(16));
    prod.gates = vec![closed(Gate::Promote, 30, None)];
    let text = |subject: &str, author: &str| CommitText { subject: subject.into(), author: author.into() };
    StrategyBoard {
        id: id(),
        dry_branch: BranchName::new("main").expect("a branch"),
        dry_head: Some(dry_sha(NEWEST)),
        repository_url: "https://github.example.com/acme/shop".into(),
        pages: Pages::GitHub,
        destination: None,
        mistake: None,
        kept_out: None,
        trouble: None,
        webhook: None,
        places: vec![dev, staging, canary, prod],
        next: vec![],
        looked_at: ago(1),
        wake_at: Some(ahead(20)),
        looked: Default::default(),
        commits: [
            (dry_sha(OLD), text("Raise the memory limit of checkout to 512Mi", "developer")),
            (dry_sha(NEW), text("Bump web to 2.14.0 <img src=x onerror=alert(1)>", "developer")),
            (dry_sha(NEWEST), text("Add the feature flag for gift cards", "developer")),
        ]
        .into(),
    }
}

/// A board where everything is well.
pub(crate) fn calm(strategy: &str) -> StrategyBoard {
    let places = ["dev", "staging", "prod"];
    let views = places.map(|name| view(name, Some((OLD, 180, Verdict::Verified))));
    let id = StrategyId { name: name(strategy), ..id() };
    StrategyBoard { id, places: views.into(), dry_head: Some(dry_sha(OLD)), ..board() }
}

/// Makes a place.
pub(crate) fn place(environment: &str) -> Place {
    Place { environment: environment_name(environment), lane: LaneName::single() }
}

fn view(environment: &str, runs: Option<(&str, i64, Verdict)>) -> PlaceView {
    PlaceView {
        active: Some(active_sha('a', 14)),
        tree: Some(TreeId::new("7".repeat(40)).expect("an id")),
        taken: runs.as_ref().map(|(dry, ..)| dry_sha(dry)),
        running: runs.map(|(dry, minutes, verdict)| RunningView {
            dry: dry_sha(dry),
            since: ago(minutes),
            verdict,
            roots: 6,
            adopted: None,
        }),
        ..PlaceView::empty(place(environment), BranchName::new(format!("env/{environment}")).expect("a branch"))
    }
}

fn closed(gate: Gate, minutes: i64, until: Option<i64>) -> ClosedGate {
    ClosedGate { gate, since: ago(minutes), until: until.map(ahead), deadline: None, is_overdue: false }
}

fn ago(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}

fn ahead(minutes: i64) -> Timestamp {
    now() + SignedDuration::from_mins(minutes)
}

fn dry_sha(text: &str) -> DrySha {
    DrySha::new(text).expect("an id")
}

fn active_sha(letter: char, number: u64) -> ActiveSha {
    ActiveSha::new(format!("{number:02}{}", letter.to_string().repeat(38))).expect("an id")
}

fn environment_name(text: &str) -> EnvironmentName {
    EnvironmentName::new(text).expect("a name")
}

fn name(text: &str) -> StrategyName {
    StrategyName::new(text).expect("a name")
}

/// A forge that keeps what is posted.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    posted: Mutex<Vec<(String, NewStatus)>>,
}

impl Recorder {
    /// Returns what was posted: commit, key, state, description.
    pub(crate) fn posted(&self) -> Vec<String> {
        let posted = self.posted.lock().expect("because nobody panics with the lock");
        let line = |(sha, status): &(String, NewStatus)| {
            format!("{} {} {} {}", &sha[..7], status.key, status.state.word(), status.description)
        };
        posted.iter().map(line).collect()
    }
}

fn absent<T>() -> Result<T, ForgeError> {
    Err(ForgeError::NotFound { what: "it".into() })
}

#[async_trait]
impl Forge for Recorder {
    async fn account(&self) -> Result<Account, ForgeError> {
        Ok(Account { id: 1, login: "hydromote".into() })
    }
    async fn repository(&self, _: &RepositoryId) -> Result<Repository, ForgeError> {
        absent()
    }
    async fn git_remote(&self, _: &RepositoryId) -> Result<GitRemote, ForgeError> {
        absent()
    }
    async fn pull_requests(
        &self,
        _: &RepositoryId,
        _: &BranchName,
        _: &BranchName,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        absent()
    }
    async fn pull_requests_into(&self, _: &RepositoryId, _: &BranchName) -> Result<Vec<PullRequest>, ForgeError> {
        absent()
    }
    async fn pull_request(&self, _: &RepositoryId, _: PullRequestNumber) -> Result<PullRequest, ForgeError> {
        absent()
    }
    async fn open_pull_request(&self, _: &RepositoryId, _: &NewPullRequest) -> Result<PullRequest, ForgeError> {
        absent()
    }
    async fn edit_pull_request(
        &self,
        _: &RepositoryId,
        _: PullRequestNumber,
        _: &str,
        _: &str,
    ) -> Result<(), ForgeError> {
        absent()
    }
    async fn close_pull_request(&self, _: &RepositoryId, _: PullRequestNumber) -> Result<(), ForgeError> {
        absent()
    }
    async fn merge_pull_request(
        &self,
        _: &RepositoryId,
        _: PullRequestNumber,
        _: &Merge,
    ) -> Result<String, ForgeError> {
        absent()
    }
    async fn commit_statuses(&self, _: &RepositoryId, _: &str) -> Result<Vec<CommitStatus>, ForgeError> {
        absent()
    }
    async fn post_status(&self, _: &RepositoryId, sha: &str, status: &NewStatus) -> Result<(), ForgeError> {
        let mut posted = self.posted.lock().expect("because nobody panics with the lock");
        posted.push((sha.to_owned(), status.clone()));
        Ok(())
    }
    async fn comments_since(&self, _: &RepositoryId, _: Timestamp) -> Result<RecentComments, ForgeError> {
        absent()
    }
    async fn comments(&self, _: &RepositoryId, _: PullRequestNumber) -> Result<Vec<Comment>, ForgeError> {
        absent()
    }
    async fn post_comment(&self, _: &RepositoryId, _: PullRequestNumber, _: &str) -> Result<u64, ForgeError> {
        absent()
    }
    async fn edit_comment(&self, _: &RepositoryId, _: PullRequestNumber, _: u64, _: &str) -> Result<(), ForgeError> {
        absent()
    }
    async fn react(&self, _: &RepositoryId, _: PullRequestNumber, _: u64, _: Reaction) -> Result<Reacted, ForgeError> {
        absent()
    }
    async fn reviews(&self, _: &RepositoryId, _: PullRequestNumber) -> Result<Reviews, ForgeError> {
        absent()
    }
    async fn authors(&self, _: &RepositoryId, _: Option<&str>, _: &str) -> Result<Vec<CommitAuthor>, ForgeError> {
        absent()
    }
    async fn permission(&self, _: &RepositoryId, _: &Account) -> Result<Permission, ForgeError> {
        absent()
    }
    async fn is_among(&self, _: &RepositoryId, _: &Grantee, _: &Account) -> Result<Among, ForgeError> {
        absent()
    }
}

struct NoInbox;

#[async_trait]
impl DeliveryInbox for NoInbox {
    async fn record(&self, _: Delivery) -> Result<Recorded, InboxError> {
        Ok(Recorded::Duplicate)
    }
    async fn spelled(&self, repository: RepositoryId) -> Result<RepositoryId, InboxError> {
        Ok(repository)
    }
    async fn record_deployed(&self, _: String, _: &RepositoryId, _: Deployed) -> Result<Recorded, InboxError> {
        Ok(Recorded::Duplicate)
    }
}
