//! What is remembered of holds and rollbacks of a place, and how it is read back.
//!
//! The store has one document for each place, changed in one transaction: a hold and its rollback
//! come and go together. When the store was lost the hold is read from our own status on the
//! active branch, what was released from our statuses on restoring commits, and what was cancelled
//! from closed pull requests; that is done once.

use std::collections::{BTreeMap, BTreeSet};

use git2::Oid;
use serde::{Deserialize, Serialize};

use super::{LookError, context::StrategyContext, forge_view::ForgeView, keys::hold_key};
use crate::{
    domain::{
        hold::{Hold, HoldMark},
        ids::{ActiveSha, DrySha, Place, PullRequestNumber},
        line::DryLine,
        rollback::{self, Rollback},
        snapshot::{PlaceState, PostedStatus, Run},
        status::CommitStatus,
        strategy::Environment,
    },
    forge::{PullRequest, PullRequestState},
    git::history,
    store::{Notes, PlaceNote},
};

/// How many runs are searched for the hold on the forge when the store has none, newest first.
const RUNS_SEARCHED: usize = 3;

/// How many commits of each of them.
const COMMITS_SEARCHED: usize = 5;

/// What our own status on the head of a rollback's branch says, before we close its pull request.
pub const CANCELLED_BY_US: &str = "Cancelled by Hydromote";

/// What is remembered of holds and rollbacks of one place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldBook {
    /// The hold in force.
    pub hold: Option<Hold>,
    /// The rollback under way.
    pub rollback: Option<Rollback>,
    /// The hold of a person that was in force before the rollback, and is again when it is cancelled.
    #[serde(default)]
    pub before: Option<Hold>,
    /// Its pull request, once it is open.
    pub pull_request: Option<PullRequestNumber>,
    /// Runs, by the commit that brought them, from which a rollback was cancelled.
    pub cancelled: BTreeSet<ActiveSha>,
    /// Restoring commits whose blocks a person took back.
    pub released: BTreeSet<ActiveSha>,
}

impl HoldBook {
    /// Writes a rollback down with its hold.
    pub fn start(&mut self, rollback: Rollback, hold: Hold) {
        let before = self.hold.take().filter(|hold| hold.target.is_none());
        (self.before, self.hold, self.pull_request) = (before, Some(hold), None);
        self.cancelled.remove(&rollback.bad_commit);
        self.rollback = Some(rollback);
    }
}

impl PlaceNote for HoldBook {
    const KIND: &'static str = "holds";
}

/// What the store has of holds and rollbacks, read once the places are: somebody may have stopped one meanwhile.
pub struct Kept {
    notes: Notes,
    /// Our statuses on the heads of the active branches, by commit and key.
    posted: BTreeMap<(String, String), PostedStatus>,
}

impl Kept {
    /// Reads what there is about these places.
    pub async fn read(context: &StrategyContext, places: &BTreeMap<Place, PlaceState>) -> Result<Self, LookError> {
        let store = &context.shared.store;
        let heads: Vec<&str> = places.values().filter_map(|state| Some(state.branch()?.head.as_str())).collect();
        let notes = store.notes(&context.id).await?;
        Ok(Self { notes, posted: store.posted_on(&context.id.repository, &heads).await? })
    }
}

/// Fills in what is known of holds and rollbacks of a place.
pub async fn read(
    context: &StrategyContext,
    view: &mut ForgeView,
    environment: &Environment,
    place: &Place,
    line: &DryLine,
    kept: &Kept,
    state: &mut PlaceState,
) -> Result<(), LookError> {
    let Some(branch) = state.branch() else { return Ok(()) };
    let (head, store) = (branch.head.clone(), &context.shared.store);
    let mut book = match kept.notes.of::<HoldBook>(place)? {
        Some(book) => book,
        None => {
            let read = read_back(context, view, environment, place, line, state).await?;
            let untouched = HoldBook::default();
            // A command that came meanwhile is newer than what was read.
            store
                .change_note(&context.id, place, |book: &mut HoldBook| {
                    if *book == untouched {
                        *book = read;
                    }
                })
                .await?
        }
    };
    if book.rollback.is_some() {
        let pulls = view.pull_requests(context, &environment.rollback_branch(&place.lane), &environment.branch).await?;
        note_closed(context, &mut book, &pulls).await?;
        state.rollback_pull_request =
            pulls.iter().find(|pr| pr.state == PullRequestState::Open).and_then(super::observe::open_pull_request);
    }
    let key = hold_key(context.strategy.told_apart(place), place).to_string();
    let posted = kept.posted.get(&(head.to_string(), key)).cloned();
    state.hold_status = posted.map(|status| (head, status));
    for run in state.runs_mut() {
        let released = run.brought_by().is_some_and(|sha| book.released.contains(sha));
        if let Some(restored) = &mut run.restored {
            restored.released = released;
        }
    }
    (state.hold, state.rollback, state.cancelled) = (book.hold, book.rollback, book.cancelled);
    Ok(())
}

/// Notes that a person closed the pull request of the rollback under way.
async fn note_closed(context: &StrategyContext, book: &mut HoldBook, pulls: &[PullRequest]) -> Result<(), LookError> {
    let (Some(number), Some(rollback)) = (book.pull_request, &book.rollback) else { return Ok(()) };
    let closed = pulls.iter().any(|pr| pr.number == number && pr.state == PullRequestState::Closed);
    let by_us = context.shared.store.closed_by_us(&context.destination.id).await?.contains(&number);
    if closed && !by_us {
        book.cancelled.insert(rollback.bad_commit.clone());
    }
    Ok(())
}

/// Reads the book back from the forge and git.
async fn read_back(
    context: &StrategyContext,
    view: &mut ForgeView,
    environment: &Environment,
    place: &Place,
    line: &DryLine,
    state: &PlaceState,
) -> Result<HoldBook, LookError> {
    let runs = state.branch().map(|branch| branch.runs.clone()).unwrap_or_default();
    let mut book = HoldBook::default();
    let Some(head) = state.branch().map(|branch| branch.head.clone()) else { return Ok(book) };
    let newest = runs.iter().take(RUNS_SEARCHED).flat_map(|run| run.commits.iter().take(COMMITS_SEARCHED));
    let mut commits: Vec<ActiveSha> = newest.map(|commit| commit.sha.clone()).collect();
    if commits.is_empty() {
        // A lane may be held before anything runs in it, on a branch that others move.
        commits = newest_commits(context, environment).await?;
    }
    commits.insert(0, head);
    let mut marks = Vec::new();
    for sha in &commits {
        marks.extend(our_marks(context, place, &view.statuses(context, sha.as_str()).await?));
    }
    let known: Vec<&DrySha> = runs.iter().map(|run| &run.dry).collect();
    let newest = marks.iter().max_by_key(|status| (status.reported_at, status.id));
    if let Some(HoldMark::Held(hold)) = newest.and_then(|status| HoldMark::read(status, line, &known)) {
        book.rollback = rollback::under_way(&hold, state, line);
        book.before = book.rollback.as_ref().and_then(|_| rollback::held_before(&hold));
        book.hold = Some(*hold);
    }
    for run in runs.iter().filter(|run| run.restored.is_some()) {
        if let Some(sha) = released(context, view, place, line, run).await? {
            book.released.insert(sha);
        }
    }
    let pulls = view.pull_requests(context, &environment.rollback_branch(&place.lane), &environment.branch).await?;
    book.pull_request = pulls.iter().find(|pr| pr.state == PullRequestState::Open).map(|pr| pr.number);
    // Whoever closed it: what was cancelled does not start again by itself. One that was asked for later may.
    let asked_again = book.rollback.as_ref().map(|rollback| (rollback.bad_commit.clone(), rollback.at));
    for closed in pulls.iter().filter(|pr| pr.state == PullRequestState::Closed) {
        let Some(sha) = left_by(context, closed, &runs).await? else { continue };
        let is_older = asked_again.as_ref().is_some_and(|(bad, at)| *bad == sha && closed.created_at < *at);
        if !is_older {
            book.cancelled.insert(sha);
        }
    }
    let running = runs.first().filter(|run| run.restored.is_none() && book.rollback.is_none());
    if let Some(run) = running
        && released(context, view, place, line, run).await?.is_some()
    {
        // It was to be rolled back, and a person took that back.
        book.cancelled.extend(run.brought_by().cloned());
    }
    Ok(book)
}

/// Returns the newest commits of an active branch.
async fn newest_commits(context: &StrategyContext, environment: &Environment) -> Result<Vec<ActiveSha>, LookError> {
    let branch = context.destination.mirror.local(&environment.branch);
    let read = context.destination.mirror.read(move |repository, _| history::active_history(repository, &branch));
    let newest = read.await?.unwrap_or_default().into_iter().take(COMMITS_SEARCHED);
    Ok(newest.filter_map(|commit| ActiveSha::new(commit.id.to_string()).ok()).collect())
}

fn our_marks(context: &StrategyContext, place: &Place, statuses: &[CommitStatus]) -> Vec<CommitStatus> {
    let (key, account) = (hold_key(context.strategy.told_apart(place), place), context.destination.account.id);
    statuses.iter().filter(|status| status.key == key && status.creator == Some(account)).cloned().collect()
}

/// Returns the commit that brought the run when a person took back what its rollback blocks.
async fn released(
    context: &StrategyContext,
    view: &mut ForgeView,
    place: &Place,
    line: &DryLine,
    run: &Run,
) -> Result<Option<ActiveSha>, LookError> {
    let Some(sha) = run.brought_by() else { return Ok(None) };
    let marks = our_marks(context, place, &view.statuses(context, sha.as_str()).await?);
    let released = |status: &CommitStatus| HoldMark::read(status, line, &[]) == Some(HoldMark::Released);
    Ok(marks.iter().any(released).then(|| sha.clone()))
}

/// Returns the run, by the commit that brought it, that the closed pull request was to leave: the
/// one that its head was composed on.
async fn left_by(
    context: &StrategyContext,
    closed: &PullRequest,
    runs: &[Run],
) -> Result<Option<ActiveSha>, LookError> {
    let mirror = &context.destination.mirror;
    let id = closed.head_sha.clone();
    let is_here = mirror.read(move |repository, _| Ok(repository.find_commit(Oid::from_str(&id)?).is_ok())).await?;
    if !is_here {
        mirror.fetch_commit(&context.remote().await?, &closed.head_sha).await?;
    }
    let id = closed.head_sha.clone();
    let commit = mirror.read(move |repository, _| history::commit_by_id(repository, &id)).await?;
    let Some(parent) = commit.parent.map(|id| id.to_string()) else { return Ok(None) };
    let left = runs.iter().find(|run| run.commits.iter().any(|commit| commit.sha.as_str() == parent));
    Ok(left.and_then(Run::brought_by).cloned())
}
