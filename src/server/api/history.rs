//! The documents of the API about plans, explanations, history and what commands came to.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::documents::{
    CommitView, EnvironmentView, GateView, NoticeView, OpenGateView, PullRequestView, StrategyView, tag,
};
use crate::{
    domain::{
        fate::Fate,
        hold::HoldRule,
        ids::{ActiveSha, DrySha, EnvironmentName, LaneName, ProposedSha, StatusKey, TreeId},
        rollback::Trigger,
        status::StatusState,
    },
    reconcile::board::StrategyBoard,
    store::{Event, MergeRecord, Promotion, RolledBack},
};

/// What is about to be done, and why what stands still does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanView {
    /// The strategy.
    pub strategy: String,
    /// The next actions in order; empty at rest.
    pub next: Vec<String>,
    /// When time alone changes something.
    #[schemars(with = "Option<String>")]
    pub wake_at: Option<Timestamp>,
    /// Every place.
    pub environments: Vec<EnvironmentView>,
}

/// Why each place runs what it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainView {
    /// The strategy.
    pub strategy: String,
    /// What is wrong with the newest strategy document.
    pub mistake: Option<String>,
    /// Why the last look could not be finished.
    pub trouble: Option<String>,
    /// Each place that was asked for.
    pub environments: Vec<Explanation>,
}

/// Why one place runs what it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// In sentences, the most important first.
    pub sentences: Vec<String>,
    /// What others changed in what was promoted last, resource by resource, cut where it is long; only where one
    /// environment is asked for. What a Secret says is not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift_diff: Option<String>,
    /// The place itself.
    #[serde(flatten)]
    pub environment: EnvironmentView,
}

/// What became of one commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommitFateView {
    /// The strategy.
    pub strategy: String,
    /// The commit.
    pub commit: CommitView,
    /// Each place, in the order of the strategy.
    pub environments: Vec<FateView>,
}

/// What became of a commit in one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FateView {
    /// The environment.
    pub environment: EnvironmentName,
    /// The lane.
    pub lane: LaneName,
    /// Environment and lane as people read them.
    pub place: String,
    /// In one word: `runs`, `ran`, `no_op`, `passed_over`, `proposed`, `comes_with`, `waits`, `pending`, `rejected`,
    /// `blocked`, `not_hydrated`, `not_on_line`.
    pub fate: String,
    /// The same in a sentence.
    pub words: String,
    /// The closed gates of the place, when the commit is proposed there or comes with what is.
    pub gates: Vec<GateView>,
}

/// What ran when, and what else happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryView {
    /// The strategy.
    pub strategy: String,
    /// Promotions, newest first.
    pub promotions: Vec<PromotionView>,
    /// Rollbacks, newest first.
    pub rollbacks: Vec<RolledBackView>,
    /// Events, newest first.
    pub events: Vec<EventView>,
}

/// A promotion as it stands on an active branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PromotionView {
    /// The environment.
    pub environment: EnvironmentName,
    /// The lane.
    pub lane: LaneName,
    /// The dry commit.
    pub commit: CommitView,
    /// The commit that brought the content.
    pub active_sha: ActiveSha,
    /// Its tree.
    pub tree: TreeId,
    /// The pull request.
    pub pull_request: Option<PullRequestView>,
    /// The head that was merged.
    pub proposed_sha: Option<ProposedSha>,
    /// Who merged it, where the forge says so.
    pub merged_by: Option<String>,
    /// Whether a person merged it, and not the service.
    pub by_hand: bool,
    /// When the service decided.
    #[schemars(with = "Option<String>")]
    pub decided_at: Option<Timestamp>,
    /// Who asked: a person, or `Hydromote` where nobody had to.
    pub asked_by: Option<String>,
    /// Why it was merged, in a sentence.
    pub why: String,
    /// What our own status still waited for when a person merged it by hand.
    pub overrode: Option<String>,
    /// The gates as they were open when it was merged, with their evidence.
    pub gates: Vec<OpenGateView>,
    /// How many gates more there were than the merge commit has room for.
    pub gates_left_out: usize,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
}

/// A rollback that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolledBackView {
    /// The environment.
    pub environment: EnvironmentName,
    /// The lane.
    pub lane: LaneName,
    /// The dry commit that it left.
    pub from: CommitView,
    /// The dry commit whose content came back.
    pub to: CommitView,
    /// The tree that it left.
    pub from_tree: TreeId,
    /// The tree that the branch holds since.
    pub to_tree: TreeId,
    /// The commit that restored the content.
    pub active_sha: ActiveSha,
    /// The pull request.
    pub pull_request: Option<PullRequestView>,
    /// `person` or `automatic`.
    pub trigger: Trigger,
    /// Who asked.
    pub by: String,
    /// Why.
    pub reason: String,
    /// What it held the place with: `next` or `strict`.
    pub rule: Option<HoldRule>,
    /// When it was asked for.
    #[schemars(with = "Option<String>")]
    pub asked_at: Option<Timestamp>,
    /// The head that was merged.
    pub proposed_sha: Option<ProposedSha>,
    /// Who merged it, where the forge says so.
    pub merged_by: Option<String>,
    /// Whether a person merged it, and not the service.
    pub by_hand: bool,
    /// When the service decided.
    #[schemars(with = "Option<String>")]
    pub decided_at: Option<Timestamp>,
    /// The failure that it answers, where it started by itself.
    pub gates: Vec<OpenGateView>,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventView {
    /// Where, when it was about one environment.
    pub environment: Option<EnvironmentName>,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Who did it.
    pub who: String,
    /// What was done.
    pub what: String,
}

/// What `promote` takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PromoteRequest {
    /// The lane, where an environment has several.
    pub lane: Option<LaneName>,
    /// The proposed SHA as the caller saw it; refused when another is proposed.
    pub proposed: Option<ProposedSha>,
    /// What it goes past although it is closed: `windows`; needs a `reason`.
    #[serde(rename = "override")]
    pub overriding: Option<Overridable>,
    /// Why that is overridden.
    pub reason: Option<String>,
    /// Who asks, as the holder of the token says.
    pub by: Option<String>,
}

/// What a promotion can go past although it is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Overridable {
    /// Deployment windows.
    Windows,
}

/// What `unhold` takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct UnholdRequest {
    /// The lane, where an environment has several.
    pub lane: Option<LaneName>,
    /// When the hold was made that the caller saw; refused when another is in force.
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
    /// Who asks, as the holder of the token says.
    pub by: Option<String>,
}

/// What a command takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CommandRequest {
    /// The lane, where an environment has several.
    pub lane: Option<LaneName>,
    /// Who asks, as the holder of the token says.
    pub by: Option<String>,
}

/// What `hold` takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HoldRequest {
    /// The lane, where an environment has several.
    pub lane: Option<LaneName>,
    /// Why.
    pub reason: String,
    /// When it turns into one that newer commits end; never when absent.
    #[schemars(with = "Option<String>")]
    pub until: Option<Timestamp>,
    /// What runs as the caller saw it; refused when something else runs.
    pub running: Option<DrySha>,
    /// Who asks, as the holder of the token says.
    pub by: Option<String>,
}

/// What `restore` and `adopt` take.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DriftRequest {
    /// The lane, where an environment has several.
    pub lane: Option<LaneName>,
    /// Why.
    pub reason: String,
    /// The commit of drift as the caller saw it (`driftSha`); refused when there is another.
    pub seen: Option<ActiveSha>,
    /// Who asks, as the holder of the token says.
    pub by: Option<String>,
}

/// What `rollback` takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RollbackRequest {
    /// The lane, where an environment has several.
    pub lane: Option<LaneName>,
    /// The dry SHA whose content comes back, or its beginning; last known-good when absent.
    pub to: Option<String>,
    /// How many contents to go back, instead of `to`.
    pub steps: Option<u32>,
    /// Which roots, by their labels, such as `service=web`; all when absent.
    pub only: Option<String>,
    /// Why; it is written into the commit.
    pub reason: String,
    /// Whether content that is not known to be good may come back.
    pub force: bool,
    /// What runs as the caller saw it; refused when something else runs.
    pub running: Option<DrySha>,
    /// Who asks, as the holder of the token says.
    pub by: Option<String>,
}

/// What `reject` takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RejectRequest {
    /// The dry commit: its id, or 7 or more characters of its beginning.
    pub sha: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// Who asks, as the holder of the token says.
    pub by: Option<String>,
}

/// What `unreject` takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UnrejectRequest {
    /// The dry commit: its id, or 7 or more characters of its beginning.
    pub sha: String,
    /// Who asks, as the holder of the token says.
    pub by: Option<String>,
}

/// What `override` takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OverrideRequest {
    /// Why the change may drop what is under way.
    #[serde(default)]
    pub reason: String,
    /// Who asks, as the holder of the token says.
    pub by: Option<String>,
}

/// What an override of a change of the strategy came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OverriddenView {
    /// What happens now, in sentences.
    pub words: String,
    /// The dry commit that brought the change.
    pub dry_sha: DrySha,
}

/// What a rejection, or its end, came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RejectedView {
    /// What happens now, in sentences.
    pub words: String,
    /// The dry commit's whole id.
    pub dry_sha: DrySha,
}

/// What a hold, its end or a rollback came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoppedView {
    /// What happens now, in one sentence.
    pub words: String,
    /// Where.
    pub place: String,
}

/// What `report` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReportRequest {
    /// The key; not one of Hydromote's own.
    pub key: String,
    /// The verdict.
    pub state: StatusState,
    /// The commit's id, or the beginning of one that the board shows.
    pub sha: String,
    /// The reporter's words.
    #[serde(default)]
    pub description: String,
    /// Who reports, as the holder of the token says.
    #[serde(default)]
    pub by: Option<String>,
}

/// A promotion that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PromotedView {
    /// What happens now, in one sentence.
    pub words: String,
    /// Where it goes.
    pub place: String,
    /// The proposed SHA that the command is bound to; when it moves, the command is dropped.
    pub proposed_sha: ProposedSha,
    /// The pull request; absent where it goes without one.
    pub pull_request: Option<PullRequestView>,
    /// Who asked first.
    pub by: String,
    /// What it still waits for; empty when it is merged next.
    pub waits: Vec<String>,
}

/// A report that was posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReportedView {
    /// What happened, in one sentence.
    pub words: String,
    /// The key.
    pub key: StatusKey,
    /// The commit's whole id.
    pub sha: String,
}

/// What `retry` came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetriedView {
    /// What happens now, in one sentence.
    pub words: String,
}

impl RolledBackView {
    /// Makes the document of a rollback.
    pub fn of(board: &StrategyBoard, rollback: RolledBack) -> Self {
        Self {
            environment: rollback.environment,
            lane: rollback.lane,
            from: CommitView::of(board, &rollback.from),
            to: CommitView::of(board, &rollback.to),
            from_tree: rollback.from_tree,
            to_tree: rollback.to_tree,
            active_sha: rollback.active_sha,
            pull_request: rollback.pull_request.map(|number| PullRequestView::of(board, number)),
            trigger: rollback.trigger,
            by: rollback.by,
            reason: rollback.reason,
            rule: rollback.rule,
            asked_at: rollback.asked_at,
            decided_at: rollback.merge.decided_at(),
            gates: rollback.merge.decision.iter().flat_map(|decision| &decision.gates).map(OpenGateView::of).collect(),
            proposed_sha: rollback.merge.proposed_sha,
            merged_by: rollback.merge.merged_by,
            by_hand: rollback.merge.by_hand,
            at: rollback.at,
        }
    }
}

impl CommitFateView {
    /// Makes the document of a commit.
    pub fn of(board: &StrategyBoard, dry: &DrySha) -> Self {
        let environments = board.fates(dry).into_iter().map(|(view, fate)| {
            let waits_here = matches!(fate, Fate::Proposed | Fate::ComesWith { .. });
            FateView {
                environment: view.place.environment.clone(),
                lane: view.place.lane.clone(),
                place: view.place.to_string(),
                fate: tag(&fate, "fate"),
                words: fate.to_string(),
                gates: view.gates.iter().filter(|_| waits_here).map(|closed| GateView::of(view, closed)).collect(),
            }
        });
        Self {
            strategy: board.id.to_string(),
            environments: environments.collect(),
            commit: CommitView::of(board, dry),
        }
    }
}

impl PlanView {
    /// Makes the document of a board.
    pub fn of(board: &StrategyBoard) -> Self {
        let StrategyView { strategy, next, wake_at, environments, .. } = StrategyView::of(board);
        Self { strategy, next, wake_at, environments }
    }
}

impl Explanation {
    /// Explains a place.
    pub fn of(environment: EnvironmentView) -> Self {
        let place = &environment.place;
        let mut sentences = vec![match &environment.running {
            Some(running) => {
                // A key is what the words are about; everything else is about what runs.
                let it = if running.words.starts_with('`') { "" } else { "it " };
                format!("{place} runs {}{}; {it}{}.", running.commit.short, quoted(&running.commit), running.words)
            }
            None => format!("{place} runs nothing yet."),
        }];
        if let Some(taken) = environment.taken.as_ref().filter(|_| environment.taken_as_no_op) {
            sentences.push(format!("{}{} changed nothing here and was taken.", taken.short, quoted(taken)));
        }
        if let Some(hold) = &environment.hold {
            sentences.push(format!("It is held: {}.", hold.words));
        }
        if let Some(words) = environment.drift_alone() {
            sentences.push(format!("It has drifted: {words}. Nothing is merged over it."));
        }
        let keeps_out = |notice: &NoticeView| notice.keeps_out(environment.dry_sha.as_ref());
        match (&environment.wanted, environment.gates.as_slice()) {
            (None, _) if environment.rollback.is_some() => sentences.push("It is being rolled back.".into()),
            (None, _) if environment.notices.iter().any(keeps_out) => {
                sentences.push("What is newer cannot come:".into());
            }
            (None, _) => sentences.push("Nothing newer waits.".into()),
            (Some(wanted), []) => sentences.push(format!("{}{} is on its way.", wanted.short, quoted(wanted))),
            (Some(wanted), gates) => {
                let count = if gates.len() == 1 { "one gate is".into() } else { format!("{} gates are", gates.len()) };
                sentences.push(format!("{}{} is next, and {count} closed.", wanted.short, quoted(wanted)));
            }
        }
        Self { sentences, drift_diff: None, environment }
    }
}

impl PromotionView {
    /// Makes the document of a promotion.
    pub fn of(board: &StrategyBoard, promotion: Promotion) -> Self {
        Self {
            commit: CommitView::of(board, &promotion.dry_sha),
            pull_request: promotion.pull_request.map(|number| PullRequestView::of(board, number)),
            environment: promotion.environment,
            lane: promotion.lane,
            active_sha: promotion.active_sha,
            tree: promotion.tree,
            asked_by: asked_by(&promotion.merge),
            why: why(&promotion.merge),
            decided_at: promotion.merge.decided_at(),
            gates: promotion.merge.decision.iter().flat_map(|decision| &decision.gates).map(OpenGateView::of).collect(),
            gates_left_out: promotion.merge.decision.as_ref().map_or(0, |decision| decision.left_out),
            proposed_sha: promotion.merge.proposed_sha,
            merged_by: promotion.merge.merged_by,
            by_hand: promotion.merge.by_hand,
            overrode: promotion.merge.overrode,
            at: promotion.at,
        }
    }
}

/// Returns who asked for a merge; whoever merges by hand asks nobody.
fn asked_by(merge: &MergeRecord) -> Option<String> {
    let asked = merge.decision.as_ref().map(|decision| decision.asked_by.clone());
    asked.or_else(|| merge.merged_by.clone().filter(|_| merge.by_hand))
}

/// Says in a sentence why a promotion was merged.
fn why(merge: &MergeRecord) -> String {
    let Some(decision) = &merge.decision else {
        return match (merge.by_hand, &merge.overrode) {
            (true, Some(words)) => format!("merged by hand, although it said: {words}"),
            (true, None) => "merged by hand".to_owned(),
            (false, _) => "not recorded".to_owned(),
        };
    };
    let gates: Vec<String> = decision.gates.iter().map(ToString::to_string).collect();
    if gates.is_empty() { "nothing to wait for".to_owned() } else { gates.join("; ") }
}

impl From<Event> for EventView {
    fn from(event: Event) -> Self {
        Self { environment: event.environment, at: event.at, who: event.who, what: event.what }
    }
}

fn quoted(commit: &CommitView) -> String {
    commit.subject.as_ref().map(|subject| format!(" ({subject})")).unwrap_or_default()
}
