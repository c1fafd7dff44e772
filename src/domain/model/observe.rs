//! What the service sees of a state, in the words of the rules, and the numbers of what they answer.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    configuration::Configuration,
    names::{PERSON, REASON, active, content, dry, hold, place, posted, rollback, time, triggered},
    state::{self, Branch, Kind, Moment, State, bit, number},
};
use crate::domain::{
    content::Content,
    drift::Drift,
    hold::{Hold, HoldMark},
    hydration::{Hydration, HydrationFailure},
    ids::{DrySha, ProposedSha, PullRequestNumber, StatusKey, TreeId},
    line::DryLine,
    rejection::Rejection,
    rollback::Restored,
    snapshot::{
        Active, ActiveBranch, ActiveCommit, ClosedProposal, OpenPullRequest, PlaceState, PostedStatus, PromoteRequest,
        Proposal, Record, Refusal, Report, Run, Snapshot,
    },
    status::{CommitStatus, StatusSource, StatusState},
};

/// Returns what the service sees.
pub(super) fn snapshot(of: &Configuration, state: &State) -> Snapshot {
    let shared = |id: u8| state.dries[usize::from(id)].shared.map(dry);
    let gone = (0..number(state.dries.len())).filter(|id| !state.line.contains(id));
    let rejected = |(id, rejected): (usize, Option<Moment>)| {
        let rejection = Rejection { by: PERSON.into(), reason: REASON.into(), at: time(rejected?) };
        Some((dry(number(id)), rejection))
    };
    Snapshot {
        now: time(state.now),
        line: DryLine::new(state.line.iter().copied().map(dry).collect(), gone.map(|id| (dry(id), shared(id)))),
        places: of.places().map(|at| (place(of, at), observe(of, state, at))).collect(),
        rejections: state.dries.iter().map(|dry| dry.rejected).enumerate().filter_map(rejected).collect(),
        ..Snapshot::default()
    }
}

fn observe(of: &Configuration, state: &State, at: u8) -> PlaceState {
    let (environment, lane) = of.of(at);
    let (branch, place) = (&state.branches[usize::from(environment)], &state.places[usize::from(at)]);
    let active = |commit: u8| active(environment, commit);
    let commits = |set: u16| (0..16).filter(move |commit| set & bit(*commit) != 0).map(active).collect();
    let proposal = place.proposal.as_ref().map(|p| proposal(of, at, "proposed", *p, branch));
    let restoration = place.restoration.as_ref().map(|p| self::proposal(of, at, "restoring", *p, branch));
    let closed = place.closed.iter().map(|closed| {
        let parent = Some(active(closed.parent));
        let (number, at) = (pull_request(at, false), time(closed.at));
        (dry(closed.dry), ClosedProposal { number, at, parent, content: None })
    });
    let cancelled_here = place
        .rollback
        .filter(|rollback| place.cancelled_by_closing & bit(rollback.bad_commit) != 0)
        .map_or(0, |rollback| bit(rollback.bad_commit));
    let open =
        |number, head: &Proposal| OpenPullRequest { number, head: head.sha.clone(), described: Some(head.sha.clone()) };
    PlaceState {
        active: if branch.commits.is_empty() { Active::Missing } else { observe_branch(of, branch, environment, lane) },
        hydrations: hydrations(of, state, at),
        pull_request: proposal.as_ref().filter(|_| place.open).map(|p| open(pull_request(at, false), p)),
        proposed_reports: place
            .ticket
            .into_iter()
            .map(|state| report("ticket", state, Timestamp::UNIX_EPOCH, 1))
            .collect(),
        rejected: closed.collect(),
        promote: proposal.as_ref().zip(place.promoted).map(|(p, at)| PromoteRequest {
            proposed: p.sha.clone(),
            by: PERSON.into(),
            at: time(at),
        }),
        own_status: proposal.as_ref().zip(place.own).map(|(p, ready)| {
            let state = if ready { StatusState::Success } else { StatusState::Pending };
            (p.sha.clone(), PostedStatus::new(state, "in some words"))
        }),
        refusal: place.refused.and_then(|(rollback, until)| {
            let refused = if rollback { &restoration } else { &proposal };
            let (proposed, words) = (refused.as_ref()?.sha.clone(), "it is closed".into());
            Some(Refusal { proposed, words, retry_at: time(until), tries: 0 })
        }),
        hold: place.hold.map(hold),
        hold_status: place.mark.map(|(commit, mark)| (active(commit), posted(mark))),
        rollback: place.rollback.map(|r| rollback(environment, r)),
        rollback_pull_request: restoration
            .as_ref()
            .filter(|_| place.rollback_open)
            .map(|p| open(pull_request(at, true), p)),
        cancelled: commits(place.cancelled | cancelled_here),
        proposal,
        restoration,
        ..PlaceState::default()
    }
}

fn hydrations(of: &Configuration, state: &State, at: u8) -> BTreeMap<DrySha, Hydration> {
    let known = |id: &u8| state.places[usize::from(at)].hydrated & bit(*id) != 0;
    let outcome = |id: u8| match state.dries[usize::from(id)].contents[usize::from(at)] {
        Some(held) => {
            Hydration::Done { content: content(of, at, held), kept: BTreeMap::new(), elsewhere: BTreeSet::new() }
        }
        None => Hydration::Failed(HydrationFailure::of_author("does not render".into())),
    };
    (0..number(state.dries.len())).filter(known).map(|id| (dry(id), outcome(id))).collect()
}

/// Reads a branch as one lane sees it.
fn observe_branch(of: &Configuration, branch: &Branch, environment: u8, lane: u8) -> Active {
    let mut runs: Vec<Run> = Vec::new();
    let mut drift = None;
    for (index, commit) in branch.commits.iter().enumerate() {
        let sha = active(environment, number(index));
        let existed_before = of.fast_forward && commit.brought().is_some();
        let seen = ActiveCommit { sha: sha.clone(), arrived_at: time(commit.at), existed_before };
        let content = content(of, of.place(environment, lane), commit.contents[usize::from(lane)]);
        if commit.brings_to(lane) {
            drift = None;
            if let Some(before) = runs.last_mut() {
                before.ended_at.get_or_insert(time(commit.at));
            }
            let (dry, restored) = match commit.kind {
                Kind::Restored { dry: id, from, automatic, released, .. } => {
                    let (trigger, by) = triggered(automatic);
                    (dry(id), Some(Restored { from: dry(from), roots: BTreeSet::new(), trigger, by, released }))
                }
                _ => (dry(commit.brought().expect("because it brings to this lane").1), None),
            };
            let record = match commit.record {
                state::Record::None => None,
                state::Record::Verified => Some(Record::Verified { at: time(commit.at) }),
                state::Record::Revoked => Some(Record::Revoked { at: time(commit.at) }),
            };
            let (commits, reports) = (vec![seen], Vec::new());
            runs.push(Run {
                dry,
                content,
                commits,
                record,
                reports,
                roots: Vec::new(),
                ended_at: None,
                restored,
                beside: false,
                adopted: None,
                taken_over: None,
            });
        } else if runs.last().map(|run| &run.content).unwrap_or(&Content::default()) == &content {
            drift = None;
            if let Some(run) = runs.last_mut() {
                run.ended_at = None;
                run.commits.insert(0, seen);
            }
        } else {
            if let Some(run) = runs.last_mut() {
                run.ended_at.get_or_insert(time(commit.at));
            }
            let promoted = runs.last().and_then(Run::as_promoted);
            drift.get_or_insert(Drift::of_commit(sha, "eve".into(), vec!["shop".into()], promoted));
        }
    }
    for run in &mut runs {
        for (id, said) in (1..).zip(&branch.reports) {
            let commit = active(environment, said.commit);
            if run.commits.iter().any(|held| held.sha == commit) {
                run.reports.push(Report { commit, status: report("health", said.state, time(said.at), id) });
            }
        }
    }
    runs.reverse();
    let head = active(environment, branch.head().expect("because it exists"));
    Active::Present(ActiveBranch { tree: tree(), drift, runs, head })
}

fn report(key: &str, state: StatusState, reported_at: Timestamp, id: u64) -> CommitStatus {
    CommitStatus {
        key: StatusKey::new(key).expect("a key"),
        state,
        source: StatusSource::Status,
        reported_at,
        id,
        description: String::new(),
        creator: None,
        reporter: None,
    }
}

fn proposal(of: &Configuration, at: u8, kind: &str, proposal: state::Proposal, branch: &Branch) -> Proposal {
    Proposal {
        sha: ProposedSha::new(format!("{kind}-{at}-{}", proposal.id)).expect("a word"),
        parent: active(of.of(at).0, proposal.parent),
        tree: tree(),
        dry: dry(proposal.dry),
        content: content(of, at, proposal.content),
        since: time(proposal.since),
        composed: true,
        fits: branch.fits(of.of(at).1, proposal),
    }
}

fn tree() -> TreeId {
    TreeId::new("tree").expect("a word")
}

fn pull_request(at: u8, rollback: bool) -> PullRequestNumber {
    PullRequestNumber(u64::from(at) * 2 + 1 + u64::from(rollback))
}

/// Returns the hold that the forge tells of, when the database is lost.
pub(super) fn read_back(mark: state::Mark, at: Moment, snapshot: &Snapshot, known: &[&DrySha]) -> Option<Hold> {
    let posted = posted(mark);
    let mut status = report("hydromote/hold", posted.state, time(at), 1);
    status.description = posted.description;
    match HoldMark::read(&status, &snapshot.line, known) {
        Some(HoldMark::Held(hold)) => Some(*hold),
        _ => None,
    }
}
