//! The documents of the API about strategies as they stand now.
//!
//! Field names are stable; fields are added, never renamed. Times are RFC 3339 in UTC.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::standing::Standing;
use crate::{
    domain::{
        decision::{OpenGate, SeenStatus},
        gate::{ClosedGate, Verdict},
        hold::{Hold, HoldRule},
        ids::{
            ActiveSha, BranchName, DrySha, EnvironmentName, ForgeName, LaneName, ProposedSha, PullRequestNumber,
            RepositoryId, StrategyName, TreeId,
        },
        plan::{Notice, PlaceView, RunningView},
        remedy,
        rollback::Trigger,
    },
    reconcile::board::{BoardDestination, Boards, StrategyBoard},
};

/// Every strategy that is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StrategiesView {
    /// In the order of their names.
    pub strategies: Vec<StrategyView>,
    /// Repositories that could not be looked at since the service has started, so that none of their strategies is known.
    #[serde(default)]
    pub troubles: Vec<TroubleView>,
}

/// A repository that could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TroubleView {
    /// The repository.
    pub repository: RepositoryId,
    /// Why.
    pub trouble: String,
}

/// One strategy as it was last looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StrategyView {
    /// `owner/repo/name`: what `--strategy` takes.
    pub strategy: String,
    /// The repository that holds it.
    pub repository: RepositoryId,
    /// Its name.
    pub name: StrategyName,
    /// The repository's page on the forge.
    pub repository_url: String,
    /// The repository with the environments' branches, when it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<DestinationView>,
    /// The dry branch.
    pub dry_branch: BranchName,
    /// Its head.
    pub dry_head: Option<CommitView>,
    /// One sentence about all of it.
    pub summary: String,
    /// The standing that needs people most.
    pub state: Standing,
    /// What is wrong with the newest strategy document; the one before it is in force.
    pub mistake: Option<String>,
    /// Why the last look could not be finished.
    pub trouble: Option<String>,
    /// Why the forge sends no webhooks, so that what happens is seen later, and what to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// One per lane of each environment, in the order of the strategy.
    pub environments: Vec<EnvironmentView>,
    /// What is about to be done; empty at rest.
    pub next: Vec<String>,
    /// When it was last looked at.
    #[schemars(with = "String")]
    pub looked_at: Timestamp,
    /// When time alone changes something.
    #[schemars(with = "Option<String>")]
    pub wake_at: Option<Timestamp>,
}

/// Another repository with the environments' branches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DestinationView {
    /// It, as `owner/name`.
    pub repository: RepositoryId,
    /// The forge that it is on, by its name in the server's settings.
    pub forge: ForgeName,
    /// Its page there.
    pub url: String,
}

/// A dry commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommitView {
    /// Its id.
    pub sha: DrySha,
    /// The usual short form.
    pub short: String,
    /// The first line of its message, as people wrote it.
    pub subject: Option<String>,
    /// Its author's name.
    pub author: Option<String>,
    /// Its page on the forge.
    pub url: String,
}

/// One lane of one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentView {
    /// The environment.
    pub environment: EnvironmentName,
    /// The lane; `default` when the strategy has one.
    pub lane: LaneName,
    /// Environment and lane as people read them.
    pub place: String,
    /// How it stands, in one word.
    pub state: Standing,
    /// The same in words.
    pub state_words: String,
    /// The active branch.
    pub branch: BranchName,
    /// Its page on the forge.
    pub branch_url: String,
    /// Its head.
    pub active_sha: Option<ActiveSha>,
    /// The head's tree.
    pub tree: Option<TreeId>,
    /// The dry SHA that runs.
    pub dry_sha: Option<DrySha>,
    /// About what runs.
    pub running: Option<RunningDocument>,
    /// The newest dry SHA that was taken: what runs, or a newer one that changed nothing.
    pub taken: Option<CommitView>,
    /// Whether it was taken as a no-op.
    pub taken_as_no_op: bool,
    /// The dry SHA that is wanted next.
    pub wanted: Option<CommitView>,
    /// The head of the proposed branch.
    pub proposed_sha: Option<ProposedSha>,
    /// The open pull request.
    pub pull_request: Option<PullRequestView>,
    /// The page on which a person opens the pull request, where the environment waits for one.
    pub open_url: Option<String>,
    /// What somebody else changed of ours on the branch, in words; nothing is merged over it.
    pub drift: Option<String>,
    /// The commit since which it is so: `adopt` and `restore` are bound to it.
    pub drift_sha: Option<ActiveSha>,
    /// Who has it restored.
    pub restored_by: Option<String>,
    /// Whether `restore` has something to bring back, or to propose anew.
    pub restorable: bool,
    /// What somebody else pushed onto the proposed branch, in words; it is neither promoted nor pushed over.
    pub foreign_work: Option<String>,
    /// The hold in force.
    pub hold: Option<HoldView>,
    /// The rollback under way.
    pub rollback: Option<RollbackView>,
    /// What it could be rolled back to, newest first.
    pub choices: Vec<ChoiceView>,
    /// Every closed gate, first asked first.
    pub gates: Vec<GateView>,
    /// Every open gate of what is wanted, with its evidence.
    #[serde(default)]
    pub open: Vec<OpenGateView>,
    /// What is reported on what runs and nobody waits for, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unasked: Vec<String>,
    /// When time alone changes something next.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub changes_at: Option<Timestamp>,
    /// What else people should know.
    pub notices: Vec<NoticeView>,
}

/// What runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunningDocument {
    /// The dry commit of its content.
    pub commit: CommitView,
    /// Since when.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// Whether it is verified.
    pub verified: bool,
    /// Whether it failed.
    pub failed: bool,
    /// The verdict in words.
    pub words: String,
    /// When the verdict changes by itself.
    #[schemars(with = "Option<String>")]
    pub until: Option<Timestamp>,
    /// The number of roots.
    pub roots: usize,
}

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PullRequestView {
    /// Its number.
    pub number: PullRequestNumber,
    /// Its page on the forge.
    pub url: String,
}

/// A hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HoldView {
    /// `next`: it ends with the first newer commit that is not blocked; `strict`: a person ends it.
    pub rule: HoldRule,
    /// Whose it is.
    pub by: String,
    /// Why.
    pub reason: String,
    /// The same in one sentence.
    pub words: String,
    /// Since when.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// When a strict one turns into `next`.
    #[schemars(with = "Option<String>")]
    pub until: Option<Timestamp>,
}

/// A rollback under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RollbackView {
    /// The dry commit that it leaves.
    pub from: CommitView,
    /// The dry commit whose content comes back.
    pub to: CommitView,
    /// `person` or `automatic`.
    pub trigger: Trigger,
    /// Who asked.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// Something that an environment could be rolled back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChoiceView {
    /// The dry commit.
    pub commit: CommitView,
    /// When its content came there.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// Whether it is verified and not blocked; anything else needs `force`.
    pub known_good: bool,
}

/// A closed gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GateView {
    /// Its kind: `strategy`, `branch_gone`, `drift`, `foreign_work`, `rollback`, `hold`, `obstacle`, `depends_on`,
    /// `settling`, `window`, `most_open`, `proposed_status`, `approvals`, `promote`, `forge`.
    pub gate: String,
    /// Why it is closed.
    pub words: String,
    /// Who can open it, and how.
    pub remedy: String,
    /// The newest report of the commit status that it waits for, where it waits for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<SeenStatus>,
    /// Since when.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// When it opens or is asked again by itself.
    #[schemars(with = "Option<String>")]
    pub until: Option<Timestamp>,
    /// Until when it may be closed before people are told.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub deadline: Option<Timestamp>,
    /// Whether that time has come.
    #[serde(default)]
    pub overdue: bool,
}

/// A gate that was open, with its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenGateView {
    /// The evidence, as it stands in the merge commit.
    #[serde(flatten)]
    pub gate: OpenGate,
    /// The same in words.
    pub words: String,
}

/// Something that people should know though no gate waits for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NoticeView {
    /// Its kind: `hydration_failed`, `rejected`, `blocked`, `windows_overridden`, `overdue`, `guarded`, `kept`.
    pub notice: String,
    /// What happened.
    pub words: String,
    /// The dry SHA that it is about, where it is about one.
    pub dry_sha: Option<DrySha>,
    /// When it is tried again by itself.
    #[schemars(with = "Option<String>")]
    pub retry_at: Option<Timestamp>,
}

impl StrategiesView {
    /// Makes the document of everything that is published.
    pub fn of(boards: &Boards) -> Self {
        let trouble = |(repository, trouble)| TroubleView { repository, trouble };
        Self {
            strategies: boards.all().values().map(StrategyView::of).collect(),
            troubles: boards.troubles().into_iter().map(trouble).collect(),
        }
    }
}

impl StrategyView {
    /// Makes the document of a board.
    pub fn of(board: &StrategyBoard) -> Self {
        let environments: Vec<_> = board.places.iter().map(|view| EnvironmentView::of(board, view)).collect();
        let worst = environments.iter().map(|environment| environment.state).max();
        let state = match worst {
            _ if board.mistake.is_some() => Standing::Stopped.max(worst.unwrap_or(Standing::Stopped)),
            worst => worst.unwrap_or(Standing::Empty),
        };
        Self {
            strategy: board.id.to_string(),
            repository: board.id.repository.clone(),
            name: board.id.name.clone(),
            repository_url: board.repository_url.clone(),
            destination: board.destination.as_ref().map(DestinationView::of),
            dry_branch: board.dry_branch.clone(),
            dry_head: board.dry_head.as_ref().map(|dry| CommitView::of(board, dry)),
            summary: summary(&environments, board),
            state,
            mistake: board.mistake.clone(),
            trouble: board.trouble.clone(),
            webhook: board.webhook.clone(),
            environments,
            next: board.next.clone(),
            looked_at: board.looked_at,
            wake_at: board.wake_at,
        }
    }
}

impl DestinationView {
    /// Makes the document of another repository.
    pub fn of(there: &BoardDestination) -> Self {
        Self { repository: there.id.repository.clone(), forge: there.id.forge.clone(), url: there.url.clone() }
    }
}

impl CommitView {
    /// Makes the document of a dry commit that the board may know.
    pub fn of(board: &StrategyBoard, dry: &DrySha) -> Self {
        let text = board.commits.get(dry);
        Self {
            sha: dry.clone(),
            short: dry.short().to_owned(),
            subject: text.map(|text| text.subject.clone()),
            author: text.map(|text| text.author.clone()),
            url: board.pages.commit(&board.repository_url, dry.as_str()),
        }
    }
}

impl EnvironmentView {
    /// Makes the document of a place.
    pub fn of(board: &StrategyBoard, view: &PlaceView) -> Self {
        let state = Standing::of(view);
        let (there, pages) = board.promotions();
        let commit = |dry: &DrySha| CommitView::of(board, dry);
        Self {
            environment: view.place.environment.clone(),
            lane: view.place.lane.clone(),
            place: view.place.to_string(),
            state,
            state_words: state.words().to_owned(),
            branch: view.branch.clone(),
            branch_url: pages.branch(there, &view.branch),
            active_sha: view.active.clone(),
            tree: view.tree.clone(),
            dry_sha: view.running.as_ref().map(|running| running.dry.clone()),
            running: view.running.as_ref().map(|running| RunningDocument::of(board, running, state)),
            taken: view.taken.as_ref().map(commit),
            taken_as_no_op: view.taken_as_no_op,
            wanted: view.wanted.as_ref().map(commit),
            proposed_sha: view.proposed.clone(),
            pull_request: view.pull_request.map(|number| PullRequestView::of(board, number)),
            open_url: board.to_open(view),
            drift: view.drift.as_ref().map(ToString::to_string),
            drift_sha: view.drift.as_ref().map(|drift| drift.newest.clone()),
            restored_by: view.restore.as_ref().map(|restore| restore.by.clone()),
            restorable: view.restore.is_none()
                && (view.foreign.is_some() || view.drift.as_ref().is_some_and(|drift| drift.promoted.is_some())),
            foreign_work: view.foreign.as_ref().map(ToString::to_string),
            hold: view.hold.as_ref().map(HoldView::of),
            rollback: view.rollback.as_ref().map(|rollback| RollbackView {
                from: commit(&rollback.bad),
                to: commit(&rollback.target.dry),
                trigger: rollback.trigger,
                by: rollback.by.clone(),
                reason: rollback.reason.clone(),
            }),
            choices: view
                .choices
                .iter()
                .map(|choice| ChoiceView {
                    commit: commit(&choice.target.dry),
                    since: choice.since,
                    known_good: choice.known_good,
                })
                .collect(),
            gates: view.gates.iter().map(|closed| GateView::of(view, closed)).collect(),
            open: view.open.iter().map(OpenGateView::of).collect(),
            changes_at: view.changes_at,
            unasked: view.unasked.iter().map(ToString::to_string).collect(),
            notices: view.notices.iter().map(NoticeView::of).collect(),
        }
    }
}

impl EnvironmentView {
    /// Returns the words about drift that no closed gate says.
    pub fn drift_alone(&self) -> Option<&str> {
        self.drift.as_deref().filter(|_| !self.gates.iter().any(|gate| gate.gate == "drift"))
    }
}

impl RunningDocument {
    fn of(board: &StrategyBoard, running: &RunningView, state: Standing) -> Self {
        Self {
            commit: CommitView::of(board, &running.dry),
            since: running.since,
            verified: running.verdict == Verdict::Verified,
            failed: state == Standing::Failed,
            words: running.verdict.to_string(),
            until: running.verdict.until(),
            roots: running.roots,
        }
    }
}

impl PullRequestView {
    /// Makes the document of a pull request.
    pub fn of(board: &StrategyBoard, number: PullRequestNumber) -> Self {
        let (there, pages) = board.promotions();
        Self { number, url: pages.pull_request(there, number) }
    }
}

impl HoldView {
    /// Makes the document of a hold.
    pub fn of(hold: &Hold) -> Self {
        Self {
            rule: hold.rule,
            by: hold.by.clone(),
            reason: hold.reason.clone(),
            words: hold.to_string(),
            since: hold.at,
            until: hold.expires_at,
        }
    }
}

impl GateView {
    /// Makes the document of a closed gate.
    pub fn of(view: &PlaceView, closed: &ClosedGate) -> Self {
        Self {
            gate: tag(&closed.gate, "gate"),
            words: closed.to_string(),
            remedy: remedy::of(&closed.gate, &view.place),
            seen: view.seen.get(&closed.gate.id()).cloned(),
            since: closed.since,
            until: closed.until,
            deadline: closed.deadline,
            overdue: closed.is_overdue,
        }
    }
}

impl OpenGateView {
    /// Makes the document of an open gate.
    pub fn of(gate: &OpenGate) -> Self {
        Self { words: gate.to_string(), gate: gate.clone() }
    }
}

impl NoticeView {
    /// Says whether it keeps a commit from coming that is newer than the one that runs.
    pub fn keeps_out(&self, running: Option<&DrySha>) -> bool {
        let is_about_newer = self.dry_sha.as_ref() != running;
        is_about_newer
            && matches!(self.notice.as_str(), "hydration_failed" | "rejected" | "rejected_commit" | "blocked")
    }

    fn of(notice: &Notice) -> Self {
        let (dry, retry_at) = match notice {
            Notice::HydrationFailed { dry, retry_at, .. } => (Some(dry), *retry_at),
            Notice::Rejected { dry, .. }
            | Notice::RejectedCommit { dry, .. }
            | Notice::RunsBlocked { dry, .. }
            | Notice::PartlyBack { dry, .. }
            | Notice::Blocked { dry, .. }
            | Notice::Kept { dry, .. } => (Some(dry), None),
            Notice::WindowsOverridden { .. }
            | Notice::Restoring { .. }
            | Notice::Adopted { .. }
            | Notice::Overdue { .. } => (None, None),
            Notice::Guarded { guard } => (None, guard.until()),
        };
        Self { notice: tag(notice, "notice"), words: notice.to_string(), dry_sha: dry.cloned(), retry_at }
    }
}

/// Returns the name under which serde writes the kind of `value`.
pub(super) fn tag(value: &impl Serialize, field: &str) -> String {
    let json = serde_json::to_value(value).unwrap_or_default();
    json[field].as_str().unwrap_or_default().to_owned()
}

/// Returns one sentence about all environments, what needs people most first.
fn summary(environments: &[EnvironmentView], board: &StrategyBoard) -> String {
    if environments.is_empty() {
        return if board.mistake.is_some() { "The strategy has a mistake." } else { "Nothing was looked at yet." }
            .into();
    }
    if environments.iter().all(|environment| environment.state == Standing::Verified) {
        return "Everything is verified.".into();
    }
    let mut states: Vec<Standing> = environments.iter().map(|environment| environment.state).collect();
    states.sort_by_key(|state| std::cmp::Reverse(*state));
    states.dedup();
    let told: Vec<String> = states
        .into_iter()
        .filter(|state| *state != Standing::Verified)
        .map(|state| {
            let places: Vec<&str> = environments
                .iter()
                .filter(|e| e.state == state)
                .map(|environment| environment.place.as_str())
                .collect();
            format!("{}: {}", places.join(", "), state.words())
        })
        .collect();
    format!("{}.", told.join("; "))
}
