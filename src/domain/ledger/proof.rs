//! What a verdict of verified rests on: the run that earned the record.

use super::{Held, Ledger};
use crate::domain::{
    gate::Verdict,
    ids::{DrySha, EnvironmentName, LaneName, Place},
    snapshot::Run,
    strategy::Environment,
};

/// Why an environment counts as having verified a dry SHA.
#[derive(Debug, Clone, Copy)]
pub struct Proof<'a> {
    /// The environment.
    pub environment: &'a Environment,
    /// The run that has the record; none where nothing runs and nothing is to run.
    pub run: Option<&'a Run>,
}

impl<'a> Ledger<'a> {
    /// Returns what proves that `environment` has verified `dry`; nothing while it has not.
    pub fn proof(&self, environment: &EnvironmentName, lane: &LaneName, dry: &DrySha) -> Option<Proof<'a>> {
        if self.verdict(environment, lane, dry) != Verdict::Verified {
            return None;
        }
        let place = Place { environment: environment.clone(), lane: lane.clone() };
        let (environment, state) = (self.strategy.environment(environment)?, self.place(&place)?);
        let runs = state.branch().map(|branch| branch.runs.as_slice()).unwrap_or_default();
        let held = match runs.iter().position(|run| run.dry == *dry && run.adopted.is_none()) {
            Some(index) => index,
            None => match self.held_as_no_op(state, runs, dry)? {
                Held::Nothing => return Some(Proof { environment, run: None }),
                Held::Run(index) => index,
            },
        };
        // What a rollback restored may stand on the record of an earlier run with its content.
        let verified = |at: &usize| {
            runs[*at].content == runs[held].content && self.run_verdict(environment, runs, *at) == Verdict::Verified
        };
        let recorded = (held..runs.len()).find(verified).unwrap_or(held);
        Some(Proof { environment, run: runs.get(recorded) })
    }
}
