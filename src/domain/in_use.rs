//! Of which dry SHAs the rules may ask what came of hydrating them.
//!
//! Everything else may be forgotten: a place moves forward only, so what is older than what runs everywhere is asked for
//! no more, unless it runs, is proposed, or something goes back to it.

use std::collections::BTreeSet;

use super::{
    ids::DrySha,
    ledger::Ledger,
    snapshot::{PlaceState, Snapshot},
    strategy::PromotionStrategy,
};

/// Of how many dry SHAs, newest first, that some place has yet to take it is known what came of hydrating them. Where a
/// place is further behind, it goes to one of these.
pub const AHEAD: usize = 256;

/// How many of the newest runs of a place count: older ones neither come back nor are judged.
const RUNS: usize = 16;

/// Returns these dry SHAs; of those that places have yet to take, the newest `ahead`.
pub fn hydrations_in_use(strategy: &PromotionStrategy, snapshot: &Snapshot, ahead: usize) -> BTreeSet<DrySha> {
    let ledger = Ledger::new(strategy, snapshot);
    let lowest = snapshot.places.values().map(|state| ledger.running_position(state)).min().unwrap_or_default();
    let mut used: BTreeSet<DrySha> = snapshot.line.newer_than(lowest).take(ahead).cloned().collect();
    // Lanes are those of the newest that is hydrated, also where everything runs it already.
    used.extend(snapshot.line.head().cloned());
    for state in snapshot.places.values() {
        used.extend(of_place(state).cloned());
    }
    used
}

/// Returns the dry SHAs that have a part in a place.
fn of_place(state: &PlaceState) -> impl Iterator<Item = &DrySha> {
    let runs = state.branch().map(|branch| branch.runs.as_slice()).unwrap_or_default();
    let proposed = state.proposal.iter().chain(&state.restoration).map(|proposal| &proposal.dry);
    let back = state.rollback.iter().flat_map(|rollback| [&rollback.bad, &rollback.target.dry]);
    let held = state.hold.iter().flat_map(|hold| hold.through.iter().chain(&hold.target));
    runs.iter().take(RUNS).map(|run| &run.dry).chain(proposed).chain(back).chain(held).chain(&state.claimed)
}
