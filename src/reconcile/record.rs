//! Writes down what happened on the active branches: each promotion and each rollback, once.
//!
//! - What is written down is read from git and the forge: when the store is lost, it is read again
//!   and says the same.
//! - Who merged is what the forge says. What our trailers say of a decision counts for a merge of
//!   ours of exactly that head: people copy messages.

use serde::{Deserialize, Serialize};

use super::{LookError, context::StrategyContext, forge_view::ForgeView, keys::own_status_key};
use crate::{
    domain::{
        decision::Decision,
        ids::{ActiveSha, BranchName, Place, ProposedSha, PullRequestNumber, TreeId},
        snapshot::{Run, Snapshot},
        status::StatusState,
    },
    forge::{PullRequest, PullRequestState},
    git::{
        history::{self, BranchCommit},
        trailers::Trailers,
    },
    store::{MergeRecord, PlaceNote, Promotion, RolledBack},
};

/// Of how many runs of a place the forge is asked who merged them, newest first: a list of pull
/// requests does not say, so each is a request of its own when the store was lost.
const RUNS_ASKED: usize = 30;

/// Of how many runs the forge may not have told yet that they merged the open pull request, newest first.
const RUNS_UNNOTICED: usize = 3;

/// On what the newest merge of a place was decided, for merges whose message the forge makes itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LastDecision(pub Decision);

impl PlaceNote for LastDecision {
    const KIND: &'static str = "decision";
}

/// Writes down what is new on the branches.
pub async fn remember(context: &StrategyContext, view: &mut ForgeView, snapshot: &Snapshot) -> Result<(), LookError> {
    for (place, state) in &snapshot.places {
        let runs = state.branch().map(|branch| branch.runs.as_slice()).unwrap_or_default();
        remember_runs(context, view, place, runs).await?;
    }
    Ok(())
}

/// Writes down what is new among the runs of a place; says whether nothing is left to be written down.
pub(super) async fn remember_runs(
    context: &StrategyContext,
    view: &mut ForgeView,
    place: &Place,
    runs: &[Run],
) -> Result<bool, LookError> {
    let store = &context.shared.store;
    let mut is_all = true;
    for (age, run) in runs.iter().enumerate().rev() {
        // What came about beside the lane was no promotion of it.
        let brought_by = run.brought_by().filter(|_| !run.beside);
        let Some(brought_by) = brought_by.filter(|sha| !view.knows_promotion(place, sha.as_str())) else {
            continue;
        };
        if !store.knows_run(&context.id, place, brought_by).await? {
            let reader = Reader { context, place, run, brought_by, age };
            let Some(merge) = reader.read(view).await? else {
                is_all = false;
                continue;
            };
            match &run.restored {
                None => reader.save_promotion(merge).await?,
                Some(_) => reader.save_rollback(merge).await?,
            }
        }
        view.note_promotion(place, brought_by.as_str());
    }
    Ok(is_all)
}

/// Reads how one run came onto its branch.
struct Reader<'a> {
    context: &'a StrategyContext,
    place: &'a Place,
    run: &'a Run,
    brought_by: &'a ActiveSha,
    /// How many runs of the place are newer.
    age: usize,
}

/// How a run came onto its branch.
struct Merge {
    commit: BranchCommit,
    pull_request: Option<PullRequestNumber>,
    record: MergeRecord,
}

impl Reader<'_> {
    /// Returns how the run came about; nothing while the forge has not noticed the merge.
    async fn read(&self, view: &mut ForgeView) -> Result<Option<Merge>, LookError> {
        let Some(environment) = self.context.strategy.environment(&self.place.environment) else { return Ok(None) };
        let commit = self.commit(self.brought_by).await?;
        let trailers = commit.merged_trailers.as_ref().or(commit.trailers.as_ref());
        let head = match self.run.restored {
            _ if trailers.is_some_and(|trailers| trailers.mends.is_some()) => {
                environment.restore_branch(&self.place.lane)
            }
            None => environment.proposed_branch(&self.place.lane),
            Some(_) => environment.rollback_branch(&self.place.lane),
        };
        let known = view.pull_requests(self.context, &head, &environment.branch).await?;
        let mut found = known.iter().find(|pull| self.is_of(pull, &commit)).cloned();
        let open = known.iter().find(|pull| pull.state == PullRequestState::Open);
        if self.age < RUNS_UNNOTICED
            && found.as_ref().is_none_or(|pull| pull.state == PullRequestState::Open)
            && let Some(open) = open
        {
            // The forge tells of a push before it tells that this merged the pull request.
            let now = self.ask(view, &head, open.number).await?;
            found = Some(now).filter(|pull| self.is_of(pull, &commit));
        }
        if self.age < RUNS_UNNOTICED && found.as_ref().is_some_and(|pull| pull.state == PullRequestState::Open) {
            return Ok(None);
        }
        let mut pull = found.filter(|pull| pull.state == PullRequestState::Merged);
        if let Some(merged) = pull.as_ref().filter(|pull| pull.merged_by.is_none() && self.may_ask()) {
            pull = Some(self.ask(view, &head, merged.number).await?);
        }
        let record = self.record(pull.as_ref(), &commit).await?;
        Ok(Some(Merge { commit, pull_request: pull.map(|pull| pull.number), record }))
    }

    /// Says whether the forge may be asked about this run alone.
    fn may_ask(&self) -> bool {
        self.age < RUNS_ASKED
    }

    fn is_of(&self, pull: &PullRequest, commit: &BranchCommit) -> bool {
        let merged = commit.merged.map(|id| id.to_string());
        pull.merge_sha.as_deref() == Some(self.brought_by.as_str())
            || merged.as_ref() == Some(&pull.head_sha)
            || pull.head_sha == self.brought_by.as_str()
    }

    async fn ask(
        &self,
        view: &mut ForgeView,
        head: &BranchName,
        number: PullRequestNumber,
    ) -> Result<PullRequest, LookError> {
        let pull = self.context.destination.forge.pull_request(&self.context.destination.id, number).await?;
        view.remember_pull_request(head, pull.clone());
        Ok(pull)
    }

    async fn record(&self, pull: Option<&PullRequest>, commit: &BranchCommit) -> Result<MergeRecord, LookError> {
        let merged = commit.merged.map(|id| id.to_string());
        let proposed = pull.map(|pull| pull.head_sha.clone()).or(merged);
        let proposed_sha = proposed.and_then(|sha| ProposedSha::new(sha).ok());
        let merged_by = pull.and_then(|pull| pull.merged_by.clone());
        let ours = merged_by.as_ref().is_none_or(|login| *login == self.context.destination.account.login);
        let decision = match &proposed_sha {
            Some(proposed) if ours => self.decision(proposed, commit).await?,
            _ => None,
        };
        let by_hand = !ours || (merged_by.is_none() && decision.is_none());
        let overrode = match (pull, by_hand && self.may_ask() && self.run.restored.is_none()) {
            (Some(pull), true) => self.overrode(pull).await?,
            _ => None,
        };
        Ok(MergeRecord { proposed_sha, merged_by, by_hand, overrode, decision })
    }

    /// Returns on what the merge of this head was decided, as its message says it.
    async fn decision(&self, proposed: &ProposedSha, commit: &BranchCommit) -> Result<Option<Decision>, LookError> {
        let told = commit.trailers.as_ref().filter(|trailers| self.is_ours(trailers));
        let told = told.and_then(|trailers| trailers.decision_of(&self.place.lane));
        if let Some(decision) = told.filter(|decision| decision.proposed_sha == *proposed) {
            return Ok(Some(decision));
        }
        let store = &self.context.shared.store;
        let last = store.note::<LastDecision>(&self.context.id, self.place).await?;
        Ok(last.map(|last| last.0).filter(|decision| decision.proposed_sha == *proposed))
    }

    fn is_ours(&self, trailers: &Trailers) -> bool {
        let origin = self.context.origin(self.place);
        trailers.is_of(&origin) && trailers.dry_of(&origin.lane) == Some(&self.run.dry)
    }

    /// Returns what our own status still waited for when a person merged, in its words.
    async fn overrode(&self, pull: &PullRequest) -> Result<Option<String>, LookError> {
        let (key, account) = (own_status_key(&self.context.proposer(self.place)), self.context.destination.account.id);
        let forge = &self.context.destination.forge;
        let statuses = forge.commit_statuses(&self.context.destination.id, &pull.head_sha).await?;
        let newest = statuses
            .into_iter()
            .filter(|status| status.key == key && status.creator == Some(account))
            .filter(|status| pull.ended_at.is_none_or(|end| status.reported_at <= end))
            .max_by_key(|status| (status.reported_at, status.id));
        Ok(newest.filter(|status| status.state == StatusState::Pending).map(|status| status.description))
    }

    async fn save_promotion(&self, merge: Merge) -> Result<(), LookError> {
        let (store, place) = (&self.context.shared.store, self.place);
        let promotion = Promotion {
            environment: place.environment.clone(),
            lane: place.lane.clone(),
            dry_sha: self.run.dry.clone(),
            active_sha: self.brought_by.clone(),
            tree: tree(&merge.commit),
            pull_request: merge.pull_request,
            merge: merge.record,
            at: self.run.since(),
        };
        if store.save_promotion(&self.context.id, &promotion).await? {
            let with = promotion.pull_request.map(|number| format!(" with {number}")).unwrap_or_default();
            let (short, by_hand) = (self.run.dry.short(), promotion.merge.by_hand);
            let who = promotion.merge.merged_by.filter(|_| by_hand);
            let (who, how) = match &who {
                Some(person) => (person.as_str(), ", merged by hand"),
                None => ("hydromote", ""),
            };
            let what = format!("{place} runs {short}{with}{how}");
            store.save_event(&self.context.id, Some(place), promotion.at, who, &what).await?;
        }
        Ok(())
    }

    async fn save_rollback(&self, merge: Merge) -> Result<(), LookError> {
        let (store, place) = (&self.context.shared.store, self.place);
        let Some(restored) = &self.run.restored else { return Ok(()) };
        let told = [&merge.commit.trailers, &merge.commit.merged_trailers].into_iter().flatten();
        let cause = told.filter(|trailers| self.is_ours(trailers)).find_map(|trailers| trailers.cause.clone());
        let left = match merge.commit.parent.map(|id| ActiveSha::new(id.to_string())) {
            Some(Ok(parent)) => self.commit(&parent).await?,
            _ => merge.commit.clone(),
        };
        let rollback = RolledBack {
            environment: place.environment.clone(),
            lane: place.lane.clone(),
            from_tree: tree(&left),
            to_tree: tree(&merge.commit),
            from: restored.from.clone(),
            to: self.run.dry.clone(),
            active_sha: self.brought_by.clone(),
            pull_request: merge.pull_request,
            trigger: restored.trigger,
            by: restored.by.clone(),
            reason: cause.as_ref().map(|cause| cause.reason.clone()).unwrap_or_default(),
            rule: cause.as_ref().and_then(|cause| cause.rule),
            asked_at: cause.map(|cause| cause.asked_at),
            merge: merge.record,
            at: self.run.since(),
        };
        if store.save_rollback(&self.context.id, &rollback).await? {
            let with = rollback.pull_request.map(|number| format!(" with {number}")).unwrap_or_default();
            let what = format!("{place} is back at {}{with}: {}", rollback.to.short(), rollback.reason);
            store.save_event(&self.context.id, Some(place), rollback.at, &rollback.by, &what).await?;
        }
        Ok(())
    }

    async fn commit(&self, sha: &ActiveSha) -> Result<BranchCommit, LookError> {
        let id = sha.as_str().to_owned();
        let mirror = &self.context.destination.mirror;
        Ok(mirror.read(move |repository, _| history::commit_by_id(repository, &id)).await?)
    }
}

fn tree(commit: &BranchCommit) -> TreeId {
    TreeId::new(commit.tree.to_string()).expect("because git's ids are hexadecimal")
}
