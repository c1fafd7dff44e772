//! Lanes that are gone: no branch has anything of theirs any more, and nothing is planned for them.
//!
//! What was promoted to them stays in the history, and is read back when the store was lost: also the promotion that
//! took the last of them away. Each lane is read once after it has gone; the forge is asked only of what the store does
//! not know.

use std::collections::BTreeSet;

use super::{
    LookError,
    active::{self, KnownProposals},
    context::StrategyContext,
    forge_view::ForgeView,
    lanes::EnvironmentReading,
    observe, proposals, record,
};
use crate::{
    domain::{
        ids::{LaneName, Place},
        snapshot::Run,
        strategy::Environment,
    },
    store::{Proposals, Remembered},
};

/// Writes down what was promoted to lanes that are not among those there are.
pub(super) async fn remember(
    context: &StrategyContext,
    view: &mut ForgeView,
    readings: &[EnvironmentReading],
    lanes: &BTreeSet<LaneName>,
    remembered: &Remembered,
) -> Result<(), LookError> {
    view.note_lanes(lanes);
    for (environment, reading) in context.strategy.environments.iter().zip(readings) {
        for lane in reading.ever().difference(lanes) {
            let place = Place { environment: environment.name.clone(), lane: lane.clone() };
            if view.knows_gone(&place) {
                continue;
            }
            let runs = runs(context, view, environment, &place, reading, remembered.proposals(&place)).await?;
            if record::remember_runs(context, view, &place, &runs).await? {
                view.note_gone(&place);
            }
        }
    }
    Ok(())
}

/// Returns what ran in a lane, newest first; nothing when the store knows all of it.
async fn runs(
    context: &StrategyContext,
    view: &mut ForgeView,
    environment: &Environment,
    place: &Place,
    reading: &EnvironmentReading,
    Proposals { trees, commits }: Proposals,
) -> Result<Vec<Run>, LookError> {
    let store = &context.shared.store;
    let history = reading.of_lane(&place.lane);
    let mut known = KnownProposals {
        trees,
        commits,
        hydrations: reading.hydrations_of(&place.lane),
        redivided: reading.redivided(&place.lane),
        rendered: reading.hydrations.clone(),
        ..KnownProposals::default()
    };
    let read = active::read_branch(&context.id.name, place, &history, &known).runs;
    let mut is_known = true;
    for brought_by in read.iter().filter(|run| !run.beside).filter_map(Run::brought_by) {
        is_known = is_known && store.knows_run(&context.id, place, brought_by).await?;
    }
    if is_known {
        return Ok(Vec::new());
    }
    let head = environment.proposed_branch(&place.lane);
    let pull_requests = view.pull_requests(context, &head, &environment.branch).await?;
    known.merged_at = observe::merged_at(&pull_requests);
    proposals::recognise(context, place, &pull_requests, &history, &mut known).await?;
    Ok(active::read_branch(&context.id.name, place, &history, &known).runs)
}
