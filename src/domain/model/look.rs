//! One look of the service: what it sees, and what the rules under test make of it.

use super::{
    configuration::Configuration,
    observe,
    state::{State, Step},
    steps::steps,
};
use crate::domain::{
    plan::{Action, Plan, plan},
    snapshot::Snapshot,
};

/// What the service saw and decided.
pub(super) struct Look {
    /// What was to be seen, whatever a mutant makes of it.
    pub(super) snapshot: Snapshot,
    pub(super) plan: Plan,
    /// The actions that change more than words, each with its place among the plan's actions.
    pub(super) steps: Vec<(usize, Step)>,
}

impl Look {
    /// Looks at a state.
    pub(super) fn at(of: &Configuration, state: &State) -> Self {
        let snapshot = observe::snapshot(of, state);
        let plan = match of.mutant {
            None => plan(&of.strategy, &snapshot),
            Some(mutant) => mutant.plan(&of.strategy, &snapshot),
        };
        let steps = steps(of, state, &plan.actions);
        Self { snapshot, plan, steps }
    }

    /// Returns the action of a step.
    pub(super) fn action(&self, index: usize) -> &Action {
        &self.plan.actions[index]
    }

    /// Returns the steps.
    pub(super) fn all(&self) -> impl Iterator<Item = Step> {
        self.steps.iter().map(|(_, step)| *step)
    }
}
