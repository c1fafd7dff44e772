//! Which dry SHA an environment wants next.
//!
//! Candidates are filtered first and chosen from then: on the line, newer than what was taken,
//! hydrated without failure here, neither rejected nor blocked. The newest promotable one is proposed; when there
//! is none, the newest one, shown as waiting. Nothing moves backward.

use super::{
    broken::{self, Broken},
    content::Content,
    evidence,
    gate::{StatusWait, Verdict},
    hydration::Hydration,
    ids::{DrySha, Place},
    ledger::{Ledger, Taken},
    snapshot::{PlaceState, Proposal, Snapshot},
    strategy::{Environment, Newer},
};

/// How many promotable dry SHAs, newest first, an environment hydrates to find those that change
/// nothing for it. Older ones are passed over by newer ones.
const NO_OP_WALK: usize = 16;

/// How many dry SHAs that cannot be hydrated are passed, newest first, in search of one that can:
/// before its first promotion an environment has the whole history before it.
const FAILURES_WALK: usize = 16;

/// What an environment wants next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The dry SHA.
    pub dry: DrySha,
    /// The content that the environment would hold.
    pub content: Content,
}

/// Returns what must be hydrated before the next dry SHA can be chosen, newest first: here, and
/// where a rollback before blocks by what it renders to there.
pub fn to_hydrate(
    ledger: &Ledger<'_>,
    environment: &Environment,
    place: &Place,
    snapshot: &Snapshot,
) -> Vec<(Place, DrySha)> {
    let Some(state) = ledger.place(place) else { return Vec::new() };
    let unhydrated = |dry: &&DrySha| match state.hydrations.get(*dry) {
        None => true,
        Some(Hydration::Failed(failure)) => failure.retry_at.is_some_and(|at| at <= snapshot.now),
        Some(Hydration::Done { .. }) => false,
    };
    let judge: Vec<_> = ledger.judged_by(place).filter(unhydrated).map(|dry| (place.clone(), dry.clone())).collect();
    if !judge.is_empty() {
        return judge;
    }
    let eligible: Vec<_> = snapshot
        .line
        .newer_than(ledger.running_position(state))
        .scan(0, |failed, dry| {
            *failed += usize::from(failed_for_good(state, dry, snapshot));
            (*failed <= FAILURES_WALK).then_some(dry)
        })
        .filter(|dry| !failed_for_good(state, dry, snapshot))
        .filter(|dry| ledger.blocked(environment, place, dry).is_none_or(|blocked| !blocked.known))
        .collect();
    let walk = if state.running().is_some() { NO_OP_WALK } else { 1 };
    let unknown = eligible.iter().take(walk).filter_map(|dry| {
        let blocked = ledger.blocked(environment, place, dry)?;
        let at = Place { environment: blocked.environment, lane: place.lane.clone() };
        let missing = at != *place && !ledger.place(&at)?.hydrations.contains_key(*dry);
        missing.then(|| (at, (*dry).clone()))
    });
    let promotable = eligible.iter().filter(|dry| ledger.is_promotable(environment, &place.lane, dry)).take(walk);
    // What is proposed may have to go on, also when nothing is known of it any more.
    let proposed = eligible.iter().filter(|dry| state.proposal.as_ref().is_some_and(|proposal| proposal.dry == ***dry));
    let here = eligible.first().into_iter().chain(promotable).chain(proposed).copied().filter(unhydrated);
    let mut wanted: Vec<_> = here.map(|dry| (place.clone(), dry.clone())).chain(unknown).collect();
    wanted.dedup();
    wanted
}

fn failed_for_good(state: &PlaceState, dry: &DrySha, snapshot: &Snapshot) -> bool {
    match state.hydrations.get(dry) {
        Some(Hydration::Failed(failure)) => failure.retry_at.is_none_or(|at| at > snapshot.now),
        _ => false,
    }
}

/// Returns what the place wants next, or nothing when it has all there is.
pub fn choose(
    ledger: &Ledger<'_>,
    environment: &Environment,
    place: &Place,
    taken: Option<&Taken>,
    snapshot: &Snapshot,
) -> Option<Wish> {
    let state = ledger.place(place)?;
    let running = state.running_content();
    let taken = taken.filter(|_| !broken::is(Broken::Forward));
    let forward = |taken: &Taken| snapshot.line.position(&taken.dry).max(ledger.running_position(state));
    let position = taken.map(forward).unwrap_or_default();
    let candidates: Vec<Wish> = snapshot
        .line
        .newer_than(position)
        .filter(|dry| ledger.blocked(environment, place, dry).is_none() || broken::is(Broken::Filter))
        .filter_map(|dry| {
            let content = state.hydrations.get(dry)?.content_over(&running)?;
            Some(Wish { dry: dry.clone(), content })
        })
        .collect();
    let is_promotable = |wish: &Wish| ledger.is_promotable(environment, &place.lane, &wish.dry);
    let promotable: Vec<&Wish> = candidates.iter().filter(|wish| is_promotable(wish)).collect();
    // The newest of all may change nothing and wait to be taken: then there is nothing to propose.
    let newest = promotable.first().copied().or(candidates.first()).filter(|wish| wish.content != running)?;
    let changing: Vec<&Wish> = promotable.iter().filter(|wish| wish.content != running).copied().collect();
    let newest = prefer(ledger, environment, place, &changing).unwrap_or(newest);

    let proposed = state.proposal.as_ref().and_then(|proposal| candidates.iter().find(|w| w.dry == proposal.dry));
    match (proposed, &state.proposal) {
        (Some(stays), Some(proposal)) if is_promotable(stays) && goes_on(environment, state, proposal, snapshot) => {
            Some(stays.clone())
        }
        (Some(stays), _) if stays.content == newest.content && (is_promotable(stays) || promotable.is_empty()) => {
            Some(stays.clone())
        }
        _ => Some(newest.clone()),
    }
}

/// Returns which of the promotable wishes, newest first, an environment prefers. Where an environment after
/// it depends on others too, it waits for what all of them have verified: so they prefer what the others
/// have verified, then what they run, then the newest.
fn prefer<'w>(
    ledger: &Ledger<'_>,
    environment: &Environment,
    place: &Place,
    promotable: &[&'w Wish],
) -> Option<&'w Wish> {
    let siblings: Vec<_> = ledger
        .siblings(environment)
        .map(|environment| Place { environment: environment.clone(), lane: place.lane.clone() })
        .collect();
    let of_all = |holds: &dyn Fn(&Place, &DrySha) -> bool| {
        promotable.iter().find(|wish| siblings.iter().all(|sibling| holds(sibling, &wish.dry)))
    };
    let verified = |at: &Place, dry: &DrySha| ledger.verdict(&at.environment, &at.lane, dry) == Verdict::Verified;
    let runs =
        |at: &Place, dry: &DrySha| ledger.place(at).and_then(PlaceState::running).is_some_and(|run| run.dry == *dry);
    of_all(&verified).or_else(|| of_all(&runs)).or(promotable.first()).copied()
}

/// Says whether a proposal goes on though something newer may be promoted: a person has promoted or approved exactly
/// this one, or its environment finishes what it began. A failed check ends either, and so does the deadline,
/// which runs anew from when a person promoted it: a check that is never reported keeps no fix out.
pub(super) fn goes_on(environment: &Environment, state: &PlaceState, proposal: &Proposal, snapshot: &Snapshot) -> bool {
    let promoted = state.promote.as_ref().filter(|promote| promote.proposed == proposal.sha);
    let reviewed = state.reviewed.as_ref().filter(|reviewed| reviewed.proposed == proposal.sha);
    let approvals = environment.approvals.as_ref().zip(reviewed);
    let approved = approvals.is_some_and(|(rule, reviewed)| !rule.opening(reviewed).is_empty());
    let reports: Vec<_> = state.proposed_reports.iter().collect();
    let failed = environment
        .proposed_statuses
        .iter()
        .any(|rule| evidence::status_wait(rule, &reports, snapshot.now) == Some(StatusWait::Failed));
    let since = promoted.map_or(proposal.since, |promote| promote.at.max(proposal.since));
    let is_overdue = snapshot.now >= since + environment.finish_deadline() && !broken::is(Broken::FinishEnd);
    let stays = promoted.is_some() || approved || environment.newer == Newer::Finish;
    stays && !is_overdue && !failed
}

#[cfg(test)]
mod tests;
