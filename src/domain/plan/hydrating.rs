//! What must be hydrated, and what is reported of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{
    candidate,
    hydration::Hydration,
    ids::{DrySha, EnvironmentName, Place, StrategyName},
    plan::{Action, Plan, Planner},
    snapshot::PostedStatus,
    status::StatusState,
    strategy::Environment,
};

/// What did not go smoothly when one dry SHA was hydrated, in an order that every strategy of the repository sees.
type Troubles<'a> = BTreeMap<(&'a StrategyName, &'a EnvironmentName), &'a Hydration>;

impl Planner<'_> {
    /// Asks for what must be hydrated before anything can be chosen; says whether there is any.
    pub(super) fn hydrate_first(&self, environment: &Environment, place: &Place, plan: &mut Plan) -> bool {
        if self.snapshot.mistake.is_some() {
            return false;
        }
        let missing = candidate::to_hydrate(&self.ledger, environment, place, self.snapshot);
        let any = !missing.is_empty();
        for (Place { environment, .. }, dry) in missing {
            let hydrate = Action::Hydrate { environment, dry };
            if !plan.actions.contains(&hydrate) {
                plan.actions.push(hydrate);
            }
        }
        any
    }

    /// Reports on each dry SHA that was hydrated whether that worked everywhere it was tried.
    pub(super) fn report_hydrations(&self, plan: &mut Plan) {
        let hydrated = self.snapshot.places.values().flat_map(|state| state.hydrations.keys());
        let on_line: BTreeSet<&DrySha> = hydrated.filter(|dry| self.snapshot.line.contains(dry)).collect();
        for dry in on_line {
            let troubles = self.snapshot.troubles.get(dry).into_iter().flatten();
            let troubles = troubles.map(|(strategy, environment, hydration)| ((strategy, environment), hydration));
            let status = hydrate_status(&troubles.collect());
            if self.snapshot.hydrate_reports.get(dry) != Some(&status) {
                plan.actions.push(Action::ReportHydration { dry: dry.clone(), status });
            }
        }
    }
}

/// Returns what is reported on a dry SHA: the first failure, else success.
fn hydrate_status(troubles: &Troubles<'_>) -> PostedStatus {
    let failure = troubles.iter().find_map(|((_, environment), hydration)| match hydration {
        Hydration::Failed(failure) => Some((environment, failure)),
        Hydration::Done { .. } => None,
    });
    let kept = troubles.iter().find_map(|((_, environment), hydration)| match hydration {
        Hydration::Done { kept, .. } => kept.iter().next().map(|(root, reason)| (environment, root, reason)),
        Hydration::Failed(_) => None,
    });
    match (failure, kept) {
        (Some((environment, failure)), _) => {
            let state = if failure.retry_at.is_some() { StatusState::Error } else { StatusState::Failure };
            PostedStatus::new(state, &format!("{environment}: {failure}"))
        }
        (None, Some((environment, root, reason))) => PostedStatus::new(
            StatusState::Success,
            &format!("Hydrated; in {environment} `{root}` keeps its last good rendering: {reason}"),
        ),
        (None, None) => PostedStatus::new(StatusState::Success, "Hydrated"),
    }
}
