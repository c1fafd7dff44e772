//! Deliberately broken variants of the rules: the checker is worth what it catches.

use super::configuration::Guards;
use crate::domain::{
    broken::{self, Broken},
    plan::{Action, Plan, plan},
    snapshot::Snapshot,
    strategy::PromotionStrategy,
};

/// A variant of the rules that is wrong.
#[derive(Debug)]
pub(super) struct Mutant {
    /// What is wrong with it.
    pub(super) name: &'static str,
    /// The defect of an earlier draft of the rules that it brings back.
    pub(super) defect: Option<&'static str>,
    /// The configurations that are searched for it, one after the other.
    pub(super) tried_in: &'static [&'static str],
    /// What is broken.
    pub(super) breaks: Breaks,
}

/// Where a mutant is broken.
#[derive(Debug)]
pub(super) enum Breaks {
    /// A rule, from the inside.
    Rule(Broken),
    /// What the rules are told.
    Seen(fn(&mut Snapshot)),
    /// The strategy that the rules are given.
    Strategy(fn(&mut PromotionStrategy)),
    /// What the rules ask for.
    Asked(fn(&Snapshot, &mut Vec<Action>)),
    /// What adapters and commands do for the rules.
    Guards(fn(&mut Guards)),
}

/// Names a mutant.
pub(super) const fn mutant(
    name: &'static str,
    defect: Option<&'static str>,
    tried_in: &'static [&'static str],
    breaks: Breaks,
) -> Mutant {
    Mutant { name, defect, tried_in, breaks }
}

impl Mutant {
    /// Plans as this mutant does.
    pub(super) fn plan(&self, strategy: &PromotionStrategy, snapshot: &Snapshot) -> Plan {
        match self.breaks {
            Breaks::Rule(rule) => broken::with(rule, || plan(strategy, snapshot)),
            Breaks::Seen(change) => {
                let mut seen = snapshot.clone();
                change(&mut seen);
                plan(strategy, &seen)
            }
            Breaks::Strategy(change) => {
                let mut other = strategy.clone();
                change(&mut other);
                plan(&other, snapshot)
            }
            Breaks::Asked(change) => {
                let mut plan = plan(strategy, snapshot);
                change(snapshot, &mut plan.actions);
                plan
            }
            Breaks::Guards(_) => plan(strategy, snapshot),
        }
    }
}
