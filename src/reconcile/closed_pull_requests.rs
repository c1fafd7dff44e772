//! Which dry SHAs a person rejected by closing their pull request.
//!
//! The store knows which pull requests we closed, and what each proposed commit stands for. When
//! it was lost both are read back before anything is decided: our own closing left a status on
//! the head, and the head's trailers name the dry SHA.

use std::collections::BTreeMap;

use git2::Oid;

use super::{
    LookError,
    active::KnownProposals,
    context::StrategyContext,
    forge_view::ForgeView,
    keys::own_status_key,
    lanes::{EnvironmentReading, LaneCommit},
    proposals,
};
use crate::{
    domain::{
        content::Content,
        ids::{ActiveSha, DrySha, Place, ProposedSha},
        snapshot::ClosedProposal,
        status::{CommitStatus, StatusState},
    },
    forge::{PullRequest, PullRequestState},
};

/// How our own status begins on a pull request that we close, before we close it.
pub const CLOSED_BY_US: &str = "Closed by Hydromote";

/// Returns the dry SHAs that were rejected in a place, each with the pull request that was closed.
pub async fn read(
    context: &StrategyContext,
    view: &mut ForgeView,
    place: &Place,
    pull_requests: &[PullRequest],
    reading: &EnvironmentReading,
    history: &[LaneCommit],
    known: &KnownProposals,
) -> Result<BTreeMap<DrySha, ClosedProposal>, LookError> {
    let store = &context.shared.store;
    let repository = &context.destination.id;
    let ours = store.closed_by_us(repository).await?;
    let mut rejected = BTreeMap::new();
    for closed in pull_requests.iter().filter(|pr| pr.state == PullRequestState::Closed && !ours.contains(&pr.number)) {
        let Ok(head) = ProposedSha::new(closed.head_sha.clone()) else { continue };
        if store.described(repository, closed.number).await?.is_none() {
            // The store has never heard of it: it is a new one.
            let reports = view.statuses(context, head.as_str()).await?;
            if was_closed_by_us(context, place, closed, &reports) {
                store.save_closed_by_us(repository, closed.number).await?;
                continue;
            }
        }
        let commit = proposals::read(context, &head).await?;
        let dry = match known.commits.get(&head) {
            Some(dry) => Some(dry.clone()),
            None => proposals::dry_of(context, place, &head, &commit).await?,
        };
        if let Some(dry) = dry {
            let content = match known.hydrations.contains_key(&dry) {
                true => None,
                false => Some(proposed(context, place, reading, commit.tree).await?),
            };
            let parent = commit.parent.filter(|parent| history.iter().any(|seen| seen.commit.id == *parent));
            let parent = parent.and_then(|id| ActiveSha::new(id.to_string()).ok());
            rejected.entry(dry).or_insert(ClosedProposal {
                number: closed.number,
                at: closed.ended_at.unwrap_or(closed.created_at),
                parent,
                content,
            });
        }
        store.save_described(repository, closed.number, &head).await?;
    }
    Ok(rejected)
}

/// Returns what a tree that was proposed holds for a place.
async fn proposed(
    context: &StrategyContext,
    place: &Place,
    reading: &EnvironmentReading,
    tree: Oid,
) -> Result<Content, LookError> {
    let whose = reading.sharing.clone();
    let read = context.destination.mirror.read(move |repository, cache| Ok(whose.part(&cache.read(repository, tree)?)));
    Ok(reading.proposed(&place.lane, &*read.await?))
}

/// Says whether our closing words were reported while the pull request was open.
fn was_closed_by_us(context: &StrategyContext, place: &Place, closed: &PullRequest, reports: &[CommitStatus]) -> bool {
    let key = own_status_key(&context.proposer(place));
    reports.iter().any(|report| {
        report.key == key
            && report.creator == Some(context.destination.account.id)
            && report.state == StatusState::Error
            && report.description.starts_with(CLOSED_BY_US)
            && report.reported_at >= closed.created_at
            && closed.ended_at.is_none_or(|ended| report.reported_at <= ended)
    })
}
