//! At most so many promotion pull requests are open in an environment; whoever waits longest is next.

use crate::domain::{
    gate::{Gate, GateId},
    ids::Place,
    plan::{Action, FORGE_LAG, Plan, Planner, earlier},
    snapshot::PlaceState,
    strategy::Environment,
};

impl Planner<'_> {
    /// Returns the gate of a lane that has no pull request while as many are open as may be, or while others have
    /// waited longer for those that may still be opened.
    pub(super) fn most_open(
        &self,
        environment: &Environment,
        place: &Place,
        state: &PlaceState,
        plan: &mut Plan,
    ) -> Option<Gate> {
        let most = environment.most_open?.get();
        if state.pull_request.is_some() {
            return None;
        }
        let id = Gate::MostOpen { open: most }.id();
        let since = |place: &Place| {
            let key: (Place, GateId) = (place.clone(), id.clone());
            self.snapshot.closed_since.get(&key).copied()
        };
        let (mut open, mut earlier_ones) = (0, 0);
        for (other, state) in self.snapshot.places_of(&environment.name) {
            if state.pull_request.is_some() || plan.actions.iter().any(|action| opens(action, other)) {
                open += 1;
            } else if other != place && since(other).is_some_and(|at| since(place).is_none_or(|own| at < own)) {
                earlier_ones += 1;
            }
        }
        if open + earlier_ones < most {
            return None;
        }
        if open < most {
            // One that waited may want nothing any more; that is known when it was looked at once.
            plan.wake_at = earlier(plan.wake_at, Some(self.snapshot.now + FORGE_LAG));
        }
        Some(Gate::MostOpen { open: most })
    }
}

/// Says whether an action leads to a pull request for a place that has none.
fn opens(action: &Action, at: &Place) -> bool {
    matches!(action, Action::Propose { place, .. } | Action::OpenPullRequest { place, .. } if place == at)
}
