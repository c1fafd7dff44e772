//! Reads git, the forge and the store into a [`Snapshot`].

use std::{collections::BTreeMap, sync::Arc};

use git2::Oid;
use jiff::Timestamp;

use super::{
    LookError,
    active::{self, KnownProposals},
    bundling, closed_pull_requests, commands,
    context::StrategyContext,
    drifts::{self, DriftBook},
    forge_view::ForgeView,
    gone_lanes,
    holds::{self, Kept},
    keys::{hydrate_key, own_status_key, verified_key},
    lanes::{self, EnvironmentReading, LaneCommit},
    overriding, proposals, rejected_commits, reviewing,
};
use crate::{
    domain::{
        hydration::{EnvironmentHydration, Hydration},
        ids::{ActiveSha, BranchName, DrySha, EnvironmentName, LaneName, Place, ProposedSha, StrategyName},
        lane::Lanes,
        line::DryLine,
        run_roots,
        snapshot::{
            Active, ActiveBranch, OpenPullRequest, PlaceState, PromoteRequest, Proposal, ProposedAt, Record, Report,
            Run, Snapshot,
        },
        status::{CommitStatus, StatusState},
        strategy::Environment,
    },
    forge::{PullRequest, PullRequestState},
    git::{
        history::{self, BranchCommit, Reach},
        trailers::Trailers,
        tree::{Owned, tree_id},
    },
    store::{Notes, Proposals, Remembered},
};

/// How many commits of what runs are asked for reports, newest first.
const COMMITS_ASKED: usize = 5;

/// How many runs are asked for reports: what runs, and what ran before and may still be on its way
/// through later environments.
const RUNS_ASKED: usize = 3;

/// How many older runs are searched for records on the forge when the store has none.
pub(super) const RECORDS_SEARCHED: usize = 10;

/// The branches on which changes of a place are proposed, as git has them.
struct Heads {
    proposal: Option<Head>,
    restoration: Option<Head>,
    restoring: Option<Head>,
}

/// The head of a branch on which a change is proposed.
pub(super) struct Head {
    pub(super) commit: BranchCommit,
    pub(super) owned: Arc<Owned>,
    /// What the active branch would hold after the merge, when nothing is in conflict or meets what others have.
    pub(super) landed: Option<Arc<Owned>>,
}

/// Brings the mirror up to date with the remote.
pub async fn refresh(context: &StrategyContext) -> Result<(), LookError> {
    context.refresh().await
}

/// Observes the strategy. The mirror is read as it is; see [`refresh`].
pub async fn observe(context: &StrategyContext, view: &mut ForgeView) -> Result<Snapshot, LookError> {
    let line = dry_line(context, &BTreeMap::new()).await?;
    let mut remembered = context.shared.store.remembered(&context.id).await?;
    let mut readings = Vec::new();
    for environment in &context.strategy.environments {
        let hydrations = remembered.hydrations.remove(&environment.name).unwrap_or_default();
        readings.push(lanes::read(context, environment, &line, hydrations).await?);
    }
    let lanes = lanes::known(context, view, &readings, &line).await?;
    gone_lanes::remember(context, view, &readings, &lanes, &remembered).await?;
    let (mut places, mut bundles) = (BTreeMap::new(), BTreeMap::new());
    for (environment, reading) in context.strategy.environments.iter().zip(&readings) {
        for lane in &lanes {
            let place = Place { environment: environment.name.clone(), lane: lane.clone() };
            let state = observe_place(context, view, environment, &place, reading, &remembered).await?;
            places.insert(place, state);
        }
        if environment.is_bundle() {
            bundles.insert(environment.name.clone(), bundling::observe(context, view, environment).await?);
        }
    }
    let line = if line_has_all(&line, &places) { line } else { dry_line(context, &places).await? };
    let store = &context.shared.store;
    let kept = Kept::read(context, &places).await?;
    for environment in &context.strategy.environments {
        for (place, state) in places.iter_mut().filter(|(place, _)| place.environment == environment.name) {
            holds::read(context, view, environment, place, &line, &kept, state).await?;
        }
    }
    let reports = store.posted_statuses(&context.id.repository, &hydrate_key()).await?;
    let rejections = rejected_commits::read(context, view, &line, &places).await?;
    Ok(Snapshot {
        now: context.now(),
        line,
        places,
        bundles,
        rejections,
        mistake: context.mistake.clone(),
        closed_since: store.closed_gates(&context.id).await?,
        troubles: troubles(context).await?,
        hydrate_reports: reports.into_iter().filter_map(|(sha, s)| Some((DrySha::new(sha).ok()?, s))).collect(),
    })
}

/// Returns what did not go smoothly when the strategies of the repository were hydrated, each environment
/// as a whole.
async fn troubles(
    context: &StrategyContext,
) -> Result<BTreeMap<DrySha, Vec<(StrategyName, EnvironmentName, Hydration)>>, LookError> {
    let known = context.shared.store.hydration_troubles(&context.id.repository).await?;
    let whole = |hydration: EnvironmentHydration| hydration.of_lane(&Lanes::default(), &LaneName::single());
    let troubles = known.into_iter().map(|(dry, troubles)| {
        (dry, troubles.into_iter().map(|(name, environment, trouble)| (name, environment, whole(trouble))).collect())
    });
    Ok(troubles.collect())
}

/// Returns the dry SHAs that run somewhere, or ran there not long ago.
fn running(places: &BTreeMap<Place, PlaceState>) -> impl Iterator<Item = &DrySha> {
    let branches = places.values().filter_map(PlaceState::branch);
    branches.flat_map(|branch| branch.runs.iter().take(RUNS_ASKED).map(|run| &run.dry))
}

fn line_has_all(line: &DryLine, places: &BTreeMap<Place, PlaceState>) -> bool {
    running(places).all(|dry| line.contains(dry))
}

async fn dry_line(context: &StrategyContext, places: &BTreeMap<Place, PlaceState>) -> Result<DryLine, LookError> {
    let running: Vec<DrySha> = running(places).cloned().collect();
    let branch = context.dry.mirror.local(&context.dry_branch);
    let read = |running: Vec<DrySha>| {
        let branch = branch.clone();
        context.dry.mirror.read(move |repository, _| history::dry_line(repository, &branch, &running))
    };
    let (mut line, mut reach) = read(running.clone()).await?;
    if reach == Reach::TooShort {
        context.dry.mirror.deepen(&context.dry.remote().await?, &context.dry_branch).await?;
        (line, reach) = read(running.clone()).await?;
    }
    if let Reach::Missing(missing) = &reach {
        let mut fetched = false;
        for dry in missing {
            fetched |= context.dry.mirror.seek_commit(&context.dry.remote().await?, dry.as_str()).await?;
        }
        if fetched {
            (line, reach) = read(running).await?;
        }
    }
    if let Reach::Missing(lost) = reach {
        for dry in lost {
            let before = places.values().filter_map(PlaceState::branch).flat_map(|branch| branch.ran_before(&dry));
            line.place_lost(dry.clone(), before);
        }
    }
    Ok(line)
}

async fn observe_place(
    context: &StrategyContext,
    view: &mut ForgeView,
    environment: &Environment,
    place: &Place,
    reading: &EnvironmentReading,
    remembered: &Remembered,
) -> Result<PlaceState, LookError> {
    let (store, notes) = (&context.shared.store, &remembered.notes);
    let proposed_branch = environment.proposed_branch(&place.lane);
    let pull_requests = view.pull_requests(context, &proposed_branch, &environment.branch).await?;
    let mut book: DriftBook = notes.of(place)?.unwrap_or_default();
    let history = reading.of_lane(&place.lane);
    let Some(newest) = history.first() else {
        let mut state = PlaceState { active: without_branch(&pull_requests, &book), ..PlaceState::default() };
        drifts::read_restoring(context, view, environment, place, book, None, &mut state).await?;
        return Ok(state);
    };
    let Proposals { trees, commits } = remembered.proposals(place);
    let mut known = KnownProposals {
        trees,
        commits,
        merged_at: merged_at(&pull_requests),
        seen_at: notes.of(place)?.unwrap_or_default(),
        hydrations: reading.hydrations_of(&place.lane),
        redivided: reading.redivided(&place.lane),
        rendered: reading.hydrations.clone(),
        adopted: book.adopted.clone(),
    };
    let pull_requests = match unseen(&history, &known) {
        unseen if unseen.is_empty() => pull_requests,
        unseen => {
            // The forge tells of a push before it tells that this merged the pull request.
            view.forget_pull_requests(&proposed_branch);
            let read = view.pull_requests(context, &proposed_branch, &environment.branch).await?;
            known.merged_at = merged_at(&read);
            let merged = |id: &String| known.merged_at.contains_key(id);
            known.seen_at.0.extend(unseen.into_iter().filter(|id| !merged(id)).map(|id| (id, context.now())));
            store.save_note(&context.id, place, &known.seen_at).await?;
            read
        }
    };
    proposals::recognise(context, place, &pull_requests, &history, &mut known).await?;
    let claimed = active::claimed(place, &history, &known);
    let mut read = active::read_branch(&context.id.name, place, &history, &known);
    drifts::explain(&mut read, &pull_requests);
    let lane = drifts::Lane { place, reading, history: &history, pull_requests: &pull_requests };
    drifts::find_forced_push(context, view, environment, &lane, &known, &mut read, &mut book).await?;
    if drifts::read_back(context, view, place, &read, &mut known, &mut book).await? {
        read = active::read_branch(&context.id.name, place, &history, &known);
    }
    active::adopt_what_was_forced(&history, &known, &mut read);
    let (head, tree) = (active::active_sha(&newest.commit), tree_id(newest.commit.tree));
    let mut runs = read.runs;
    read_reports(context, view, place, environment, &remembered.records(place), &mut runs).await?;
    run_roots::fill(&mut runs, &reading.labels(&place.lane));
    let heads = read_heads(context, environment, place, reading, newest.commit.id).await?;
    let at = At { place, head: &head, reading };
    let rival = rival(&proposed_branch, heads.proposal.as_ref().map(|head| &head.commit), runs.first());
    let proposer = &context.proposer(place);
    let proposal = heads.proposal.as_ref().and_then(|head| proposal_of(context, &at, head, &known));
    let foreign = drifts::find_foreign_work(context, view, &lane, proposal.as_ref(), &known, &book).await?;
    let own_status = match &proposal {
        Some(Proposal { sha, .. }) => {
            let posted = store.posted_status(&context.id.repository, sha.as_str(), &own_status_key(proposer)).await?;
            posted.map(|status| (sha.clone(), status))
        }
        None => None,
    };
    let proposal = match heads.proposal.filter(|_| environment.is_bundle()) {
        Some(head) => proposal.and_then(|proposal| bundling::part_of(proposal, &at, &head)),
        None => proposal,
    };
    let proposal = match proposal {
        Some(proposal) => Some(Proposal { since: proposed_since(context, proposer, &proposal.sha).await?, ..proposal }),
        None => None,
    };
    let restoration = heads.restoration.and_then(|head| proposal_of(context, &at, &head, &known));
    let mending = heads.restoring.and_then(|head| proposal_of(context, &at, &head, &known));
    let rejected = closed_pull_requests::read(context, view, place, &pull_requests, reading, &history, &known).await?;
    // A lane that is not in the bundle has no part in its pull request either.
    let has_part = !environment.is_bundle() || proposal.is_some();
    let open = pull_requests.iter().find(|pr| pr.state == PullRequestState::Open).filter(|_| has_part);
    if let (Some(open), Some(proposal)) = (open, &proposal)
        && open.head_sha != proposal.sha.as_str()
    {
        // The forge had not caught up with a push: it is asked again at the next look.
        view.forget_pull_requests(&proposed_branch);
    }
    let proposed_reports = match (&proposal, open) {
        (Some(p), Some(_)) if !environment.proposed_statuses.is_empty() => {
            view.statuses(context, p.sha.as_str()).await?
        }
        _ => Vec::new(),
    };
    let reviewed = match (&environment.approvals, &proposal, open) {
        (Some(rule), Some(proposal), Some(open)) if open.head_sha == proposal.sha.as_str() => {
            let subject = reviewing::Subject { number: open.number, proposal, active: &tree, running: runs.first() };
            Some(view.reviewing.read(context, rule, subject).await?)
        }
        _ => None,
    };
    let mut state = PlaceState {
        active: Active::Present(ActiveBranch { head, tree, drift: read.drift, runs }),
        hydrations: known.hydrations,
        claimed,
        labels: reading.labels(&place.lane),
        pull_request: match open.and_then(open_pull_request) {
            Some(pull_request) => Some(OpenPullRequest {
                described: store.described(&context.destination.id, pull_request.number).await?,
                ..pull_request
            }),
            None => None,
        },
        proposed_reports,
        rejected,
        promote: promote_request(context, view, proposer, environment, proposal.as_ref(), open, notes).await?,
        window_override: overriding::read(context, view, proposer, environment, proposal.as_ref(), open).await?,
        reviewed,
        told: notes.of(place)?.unwrap_or_default(),
        own_status,
        refusal: notes.of(place)?,
        rival,
        obstacle: notes.of(place)?,
        proposal,
        restoration,
        foreign,
        ..PlaceState::default()
    };
    drifts::read_restoring(context, view, environment, place, book, mending, &mut state).await?;
    Ok(state)
}

/// Returns when the pull request with each head was merged.
pub(super) fn merged_at(pull_requests: &[PullRequest]) -> BTreeMap<String, Timestamp> {
    let merged = pull_requests.iter().filter(|pr| pr.state == PullRequestState::Merged);
    merged.filter_map(|pr| Some((pr.head_sha.clone(), pr.ended_at?))).collect()
}

/// Returns commits that came by a fast-forward at a time that nobody knows yet.
fn unseen(history: &[LaneCommit], known: &KnownProposals) -> Vec<String> {
    let commits = history.iter().map(|seen| &seen.commit);
    commits
        .filter(|commit| commit.parent.is_some() && active::came_by_fast_forward(commit, &known.commits))
        .map(|commit| commit.id.to_string())
        .filter(|id| !known.merged_at.contains_key(id) && !known.seen_at.0.contains_key(id))
        .collect()
}

/// Tells an active branch that was never there from one that somebody deleted: to that one, pull
/// requests of ours were merged.
fn without_branch(pull_requests: &[PullRequest], book: &DriftBook) -> Active {
    let merged = pull_requests.iter().find(|pr| pr.state == PullRequestState::Merged);
    let told = || merged.and_then(|pr| ActiveSha::new(pr.merge_sha.clone()?).ok());
    match (&book.promoted, merged) {
        (None, None) => Active::Missing,
        (seen, _) => Active::Gone { last: seen.as_ref().map(|seen| seen.head.clone()).or_else(told) },
    }
}

/// Returns an open pull request as plans see it.
pub(super) fn open_pull_request(pull_request: &PullRequest) -> Option<OpenPullRequest> {
    let head = ProposedSha::new(pull_request.head_sha.clone()).ok()?;
    Some(OpenPullRequest { number: pull_request.number, head, described: None })
}

/// Reads the branches on which changes of a place are proposed, and what the active branch would hold after
/// their merge.
async fn read_heads(
    context: &StrategyContext,
    environment: &Environment,
    place: &Place,
    reading: &EnvironmentReading,
    active: Oid,
) -> Result<Heads, LookError> {
    let (proposed, rollback) = (environment.proposed_branch(&place.lane), environment.rollback_branch(&place.lane));
    let restore = environment.restore_branch(&place.lane);
    let mirror = &context.destination.mirror;
    let [proposed, rollback, restore] = [&proposed, &rollback, &restore].map(|branch| mirror.local(branch));
    let whose = reading.sharing.clone();
    let now = reading.history.iter().flatten().next().map(|(_, owned)| owned.content.clone()).unwrap_or_default();
    let read = mirror.read(move |repository, cache| {
        let mut head = |branch| {
            let Some(commit) = history::head_commit(repository, branch)? else { return Ok(None) };
            let owned = cache.read(repository, commit.tree)?;
            let landed = match commit.parent {
                Some(parent) if parent == active => Some(owned.clone()),
                _ => cache.landed(repository, active, commit.id)?,
            };
            // What would stand with an output of another strategy does not fit.
            let landed = landed.filter(|landed| !whose.would_meet(&now, landed));
            let (owned, landed) = (whose.part(&owned), landed.map(|landed| whose.part(&landed)));
            let commit = whose.claim(commit);
            Ok::<_, crate::git::GitError>(Some(Head { commit, owned, landed }))
        };
        Ok(Heads { proposal: head(&proposed)?, restoration: head(&rollback)?, restoring: head(&restore)? })
    });
    Ok(read.await?)
}

/// A place and its active branch.
pub(super) struct At<'a> {
    pub(super) place: &'a Place,
    pub(super) head: &'a ActiveSha,
    pub(super) reading: &'a EnvironmentReading,
}

/// Reads the head of a proposed branch as a proposal, when it is one of ours.
fn proposal_of(context: &StrategyContext, at: &At<'_>, head: &Head, known: &KnownProposals) -> Option<Proposal> {
    let Head { commit, owned, landed } = head;
    let sha = ProposedSha::new(commit.id.to_string()).ok()?;
    let origin = context.origin(at.place);
    let ours = |trailers: &&Trailers| trailers.is_of(&origin);
    let told = || commit.trailers.as_ref().filter(ours)?.dry_of(&origin.lane).cloned();
    let dry = known.commits.get(&sha).cloned().or_else(told);
    let parent = ActiveSha::new(commit.parent?.to_string()).ok()?;
    let content = at.reading.proposed(&at.place.lane, owned);
    Some(Proposal {
        fits: parent == *at.head
            || landed.as_ref().is_some_and(|landed| at.reading.would_hold(&at.place.lane, &content, &landed.content)),
        parent,
        tree: tree_id(commit.tree),
        // A commit by somebody else on our branch proposes nothing that we want: it is replaced.
        dry: dry.unwrap_or_else(|| history::dry_sha(commit.id)),
        content,
        since: context.now(),
        composed: known.commits.contains_key(&sha),
        sha,
    })
}

/// Says that another hydrator wrote the proposed branch after what runs came here. What it proposed before
/// a branch was taken over is left from its time, and is replaced.
fn rival(branch: &BranchName, head: Option<&BranchCommit>, running: Option<&Run>) -> Option<String> {
    let head = head.filter(|head| running.is_none_or(|run| head.committed_at > run.since()))?;
    let commit = history::dry_sha(head.id);
    Some(head.hydrator?.on_proposed(branch.as_str(), commit.short()))
}

/// Returns since when a commit is proposed, as far as the store knows: else since now.
async fn proposed_since(
    context: &StrategyContext,
    place: &Place,
    proposed: &ProposedSha,
) -> Result<Timestamp, LookError> {
    let store = &context.shared.store;
    let noted: Option<ProposedAt> = store.note(&context.id, place).await?;
    if let Some(noted) = noted.filter(|noted| noted.proposed == *proposed) {
        return Ok(noted.at);
    }
    let at = context.now();
    store.save_note(&context.id, place, &ProposedAt { proposed: proposed.clone(), at }).await?;
    Ok(at)
}

/// Returns a person's wish to promote: from the store, else from what was accepted on the forge
/// before the store was lost.
async fn promote_request(
    context: &StrategyContext,
    view: &mut ForgeView,
    place: &Place,
    environment: &Environment,
    proposal: Option<&Proposal>,
    open: Option<&PullRequest>,
    notes: &Notes,
) -> Result<Option<PromoteRequest>, LookError> {
    let (Some(proposal), Some(_)) = (proposal, open) else { return Ok(notes.of(place)?) };
    let store = &context.shared.store;
    let noted: Option<PromoteRequest> = store.note(&context.id, place).await?;
    let is_asked = !environment.auto_merge || !environment.windows.is_empty();
    if !is_asked || noted.as_ref().is_some_and(|noted| noted.proposed == proposal.sha) {
        return Ok(noted);
    }
    let reports = view.statuses(context, proposal.sha.as_str()).await?;
    let account = context.destination.account.id;
    let accepted = commands::accepted_on_forge(place, &proposal.sha, &reports, account);
    if let Some(accepted) = &accepted {
        store.save_note(&context.id, place, accepted).await?;
    }
    Ok(accepted.or(noted))
}

/// Fills in what was reported on the commits of runs, and their records.
async fn read_reports(
    context: &StrategyContext,
    view: &mut ForgeView,
    place: &Place,
    environment: &Environment,
    records: &BTreeMap<String, Record>,
    runs: &mut [Run],
) -> Result<(), LookError> {
    let store = &context.shared.store;
    for (index, run) in runs.iter_mut().enumerate() {
        run.record = run.brought_by().and_then(|sha| records.get(sha.as_str())).copied();
        // Where nothing is asked for, what is reported on the head is shown: it may be what was meant.
        let asked = index < RUNS_ASKED && (!environment.active_statuses.is_empty() || index == 0);
        let lost = run.record.is_none() && index < RECORDS_SEARCHED && records.is_empty();
        if !asked && !lost {
            continue;
        }
        let commits = if environment.active_statuses.is_empty() && !lost { 1 } else { COMMITS_ASKED };
        for commit in run.commits.iter().take(commits).cloned().collect::<Vec<_>>() {
            let statuses = view.statuses(context, commit.sha.as_str()).await?;
            run.reports.extend(statuses.into_iter().map(|status| Report { commit: commit.sha.clone(), status }));
        }
        if run.record.is_none() {
            run.record = record_on_forge(context, place, &run.reports);
            if let (Some(record), Some(sha)) = (&run.record, run.brought_by()) {
                store.save_record(&context.id, place, sha.as_str(), record).await?;
            }
        }
    }
    Ok(())
}

/// Reads the record of verification that we wrote to the forge.
fn record_on_forge(context: &StrategyContext, place: &Place, reports: &[Report]) -> Option<Record> {
    let key = verified_key(context.strategy.told_apart(place), place);
    let ours = |status: &&CommitStatus| status.key == key && status.creator == Some(context.destination.account.id);
    let newest = reports.iter().map(|r| &r.status).filter(ours).max_by_key(|s| (s.reported_at, s.id))?;
    match newest.state {
        StatusState::Success => Some(Record::Verified { at: newest.reported_at }),
        StatusState::Failure => Some(Record::Revoked { at: newest.reported_at }),
        StatusState::Pending | StatusState::Error => None,
    }
}
