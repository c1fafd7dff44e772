//! What a place shows: what runs there, and what people should know.

use std::collections::BTreeMap;

use crate::domain::{
    block::BlockCause,
    hydration::Hydration,
    ids::{DrySha, Place},
    ledger::{Blocked, Taken},
    plan::{Notice, PlaceView, Planner, RunningView, windows},
    rollback,
    snapshot::{PlaceState, Run},
    strategy::Environment,
};

impl Planner<'_> {
    pub(super) fn view(
        &self,
        environment: &Environment,
        place: &Place,
        state: &PlaceState,
        taken: Option<&Taken>,
    ) -> PlaceView {
        let branch = state.branch();
        let runs = branch.map(|branch| branch.runs.as_slice()).unwrap_or_default();
        PlaceView {
            place: place.clone(),
            branch: environment.branch.clone(),
            active: branch.map(|branch| branch.head.clone()),
            tree: branch.map(|branch| branch.tree.clone()),
            running: runs.first().zip(self.ledger.running_verdict(environment, state)).map(|(run, verdict)| {
                let (dry, since, roots) = (run.dry.clone(), run.since(), run.content.len());
                RunningView { dry, since, verdict, roots, adopted: run.adopted.clone() }
            }),
            taken: taken.map(|taken| taken.dry.clone()),
            taken_as_no_op: taken.is_some_and(|taken| taken.no_op),
            wanted: None,
            proposed: state.proposal.as_ref().map(|proposal| proposal.sha.clone()),
            pull_request: state.pull_request.as_ref().map(|pull_request| pull_request.number),
            drift: branch.and_then(|branch| branch.drift.clone()),
            restore: state.restoring.as_ref().map(|restoring| restoring.restore.clone()),
            foreign: state.foreign.clone(),
            brought_by: runs.first().and_then(Run::brought_by).cloned(),
            restoring: runs
                .iter()
                .filter(|run| run.restored.as_ref().is_some_and(|restored| !restored.released))
                .filter_map(|run| run.brought_by().cloned())
                .collect(),
            hold: state.hold.clone(),
            rollback: state.rollback.clone(),
            choices: rollback::choices(&self.ledger, environment, place, state),
            gates: Vec::new(),
            open: Vec::new(),
            seen: BTreeMap::new(),
            unasked: Self::unasked(environment, state),
            changes_at: None,
            notices: self.notices(environment, place, state, taken),
        }
    }

    fn notices(
        &self,
        environment: &Environment,
        place: &Place,
        state: &PlaceState,
        taken: Option<&Taken>,
    ) -> Vec<Notice> {
        let position = taken.map(|taken| self.snapshot.line.position(&taken.dry)).unwrap_or_default();
        let mut notices: Vec<Notice> = taken.and_then(|taken| kept(state, &taken.dry)).into_iter().collect();
        notices.extend(state.running().and_then(|run| self.rejected(state, &run.dry)));
        notices.extend(state.running().and_then(partly_back));
        notices.extend(self.adopted(state));
        notices.extend(self.rolled_back_before(environment, place, state));
        notices.extend(windows::overridden(environment, state, self.snapshot.now));
        for dry in self.snapshot.line.newer_than(position) {
            let dry_sha = dry.clone();
            let blocked = self.ledger.blocked(environment, place, dry);
            match blocked.filter(|blocked| self.ledger.is_kept_out(place, dry, blocked)) {
                Some(Blocked { cause: BlockCause::ClosedPullRequest(number), .. }) => {
                    notices.push(Notice::Rejected { dry: dry_sha, number });
                }
                Some(Blocked { cause: BlockCause::Rollback, environment, .. }) => {
                    notices.push(Notice::Blocked { dry: dry_sha, environment });
                }
                Some(Blocked { cause: BlockCause::RejectedCommit, .. }) => notices.extend(self.rejected(state, dry)),
                None => {}
            }
            match state.hydrations.get(dry) {
                Some(Hydration::Failed(failure)) => notices.push(Notice::HydrationFailed {
                    dry: dry.clone(),
                    message: failure.to_string(),
                    retry_at: failure.retry_at,
                }),
                Some(Hydration::Done { .. }) => notices.extend(kept(state, dry)),
                None => {}
            }
        }
        notices.extend(self.guarded(environment, place, state));
        notices
    }

    /// Returns what people should know of a dry commit that somebody rejected.
    fn rejected(&self, state: &PlaceState, dry: &DrySha) -> Option<Notice> {
        let rejection = self.ledger.rejection(state, dry)?.clone();
        Some(Notice::RejectedCommit { dry: dry.clone(), by: rejection.by, reason: rejection.reason })
    }
}

/// Returns the notice about roots that keep their last good rendering in a dry SHA.
fn kept(state: &PlaceState, dry: &DrySha) -> Option<Notice> {
    let Hydration::Done { kept, .. } = state.hydrations.get(dry)? else { return None };
    let (root, reason) = kept.iter().next()?;
    Some(Notice::Kept { dry: dry.clone(), roots: kept.len(), message: format!("`{root}`: {reason}") })
}

/// Says that a rollback brought only some roots of what runs back.
fn partly_back(run: &Run) -> Option<Notice> {
    let restored = run.restored.as_ref()?;
    let (dry, rest, first) = (run.dry.clone(), restored.from.clone(), restored.roots.first()?.clone());
    Some(Notice::PartlyBack { dry, rest, count: restored.roots.len(), first })
}
