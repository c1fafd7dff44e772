//! What each environment has taken and verified.
//!
//! Nothing is remembered here: all of it follows from the dry line, the renderings, the active
//! branches and the records on them.
//!
//! - An environment *takes* a dry SHA by a merge, or as a *no-op*: its content is the same as what
//!   runs, and everything the environment depends on has it verified now.
//! - It has *verified* a dry SHA when the run that holds its content has a record that no failure
//!   took back; a no-op also needs to be verified now in everything the environment depends on.

use super::{
    content::Content,
    evidence,
    gate::Verdict,
    ids::{DrySha, EnvironmentName, LaneName, Place, StrategyName},
    line::LinePosition,
    snapshot::{PlaceState, Record, Run, Snapshot},
    strategy::{Environment, PromotionStrategy},
};

/// Answers questions about one snapshot.
#[derive(Debug, Clone, Copy)]
pub struct Ledger<'a> {
    strategy: &'a PromotionStrategy,
    snapshot: &'a Snapshot,
}

/// The newest dry SHA that a place has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The dry SHA.
    pub dry: DrySha,
    /// Whether it changed nothing.
    pub no_op: bool,
}

impl<'a> Ledger<'a> {
    /// Opens the ledger of a snapshot.
    pub fn new(strategy: &'a PromotionStrategy, snapshot: &'a Snapshot) -> Self {
        Self { strategy, snapshot }
    }

    /// Returns the name of the strategy.
    pub fn strategy_name(&self) -> &'a StrategyName {
        &self.strategy.name
    }

    /// Returns what was observed of a place.
    pub fn place(&self, place: &Place) -> Option<&'a PlaceState> {
        self.snapshot.places.get(place)
    }

    /// Returns what is known about `dry` in one environment, for one lane.
    pub fn verdict(&self, environment: &EnvironmentName, lane: &LaneName, dry: &DrySha) -> Verdict {
        let place = Place { environment: environment.clone(), lane: lane.clone() };
        let (Some(environment), Some(state)) = (self.strategy.environment(environment), self.place(&place)) else {
            return Verdict::NotTaken;
        };
        if let Some(number) = self.rejection(state, dry) {
            return Verdict::Rejected { number };
        }
        let runs = state.branch().map(|branch| branch.runs.as_slice()).unwrap_or_default();
        if let Some(index) = runs.iter().position(|run| &run.dry == dry) {
            return self.run_verdict(environment, runs, index);
        }
        match self.held_as_no_op(state, runs, dry) {
            None => Verdict::NotTaken,
            Some(held) => match (self.upstream_wait(environment, lane, dry), held) {
                (Some(waiting), _) => Verdict::Upstream { environment: waiting },
                (None, Held::Nothing) => Verdict::Verified,
                (None, Held::Run(index)) => self.run_verdict(environment, runs, index),
            },
        }
    }

    /// Returns the verdict on the run at `index` of `runs`, newest first.
    pub fn run_verdict(&self, environment: &Environment, runs: &[Run], index: usize) -> Verdict {
        let run = &runs[index];
        let newer = index.checked_sub(1).map(|i| &runs[i]);
        let judged = evidence::judge_run(environment, run, newer.map(Run::since), self.snapshot.now);
        if judged == Verdict::Verified {
            return judged;
        }
        match (run.record, newer) {
            (Some(Record::Verified { .. }), _) if self.failed_since(environment, runs, index) => Verdict::Revoked,
            (Some(Record::Verified { .. }), _) => Verdict::Verified,
            (Some(Record::Revoked { .. }), Some(_)) => Verdict::Revoked,
            (None, Some(newer)) if judged != Verdict::Unrecorded || self.failed_since(environment, runs, index) => {
                Verdict::Overtaken { by: newer.dry.clone() }
            }
            _ => judged,
        }
    }

    /// Says whether the content of the run failed on it or on a later run with the same content.
    fn failed_since(&self, environment: &Environment, runs: &[Run], index: usize) -> bool {
        (0..=index).filter(|at| runs[*at].content == runs[index].content).any(|at| {
            let ended = at.checked_sub(1).map(|newer| runs[newer].since());
            evidence::failed_key(environment, &runs[at], ended).is_some()
        })
    }

    /// Returns the first environment before `environment` that has not verified `dry`.
    pub fn upstream_wait(&self, environment: &Environment, lane: &LaneName, dry: &DrySha) -> Option<EnvironmentName> {
        environment.depends_on.iter().find(|before| self.verdict(before, lane, dry) != Verdict::Verified).cloned()
    }

    /// Says whether everything `environment` depends on has verified `dry`.
    pub fn is_promotable(&self, environment: &Environment, lane: &LaneName, dry: &DrySha) -> bool {
        self.upstream_wait(environment, lane, dry).is_none()
    }

    /// Returns the pull request by whose closing `dry` was rejected here: it itself, or, for what is
    /// newer than what runs, another dry SHA that renders to the same content. What ran or runs is
    /// not rejected: a merge by hand takes the rejection back.
    pub fn rejection(&self, state: &PlaceState, dry: &DrySha) -> Option<super::ids::PullRequestNumber> {
        if state.rejected.is_empty() || state.branch().is_some_and(|b| b.runs.iter().any(|run| &run.dry == dry)) {
            return None;
        }
        let running = state.running_content();
        let content = |dry: &DrySha| state.hydrations.get(dry).and_then(|h| h.content_over(&running));
        let is_newer = self.snapshot.line.position(dry) > self.running_position(state);
        let own = content(dry).filter(|own| is_newer && *own != running);
        let same = |other: &DrySha| own.is_some() && content(other) == own;
        state.rejected.iter().find(|(other, _)| *other == dry || same(other)).map(|(_, number)| *number)
    }

    /// Returns where the place stands on the dry line by what was merged.
    pub fn running_position(&self, state: &PlaceState) -> LinePosition {
        state.running().map(|run| self.snapshot.line.position(&run.dry)).unwrap_or_default()
    }

    /// Returns what the place has taken: the newest no-op on what runs, else what was merged.
    pub fn taken(&self, environment: &Environment, place: &Place) -> Option<Taken> {
        let state = self.place(place)?;
        let content = state.running_content();
        let no_op = self
            .snapshot
            .line
            .newer_than(self.running_position(state))
            .find(|dry| {
                self.same_content(state, dry, &content)
                    && self.rejection(state, dry).is_none()
                    && self.is_promotable(environment, &place.lane, dry)
            })
            .map(|dry| Taken { dry: dry.clone(), no_op: true });
        no_op.or_else(|| state.running().map(|run| Taken { dry: run.dry.clone(), no_op: false }))
    }

    /// Says whether `dry` would leave the place with `content`.
    pub fn same_content(&self, state: &PlaceState, dry: &DrySha, content: &Content) -> bool {
        state.hydrations.get(dry).and_then(|hydration| hydration.content_over(content)).as_ref() == Some(content)
    }

    /// Finds what a dry SHA that was never merged here is a no-op on.
    fn held_as_no_op(&self, state: &PlaceState, runs: &[Run], dry: &DrySha) -> Option<Held> {
        let line = &self.snapshot.line;
        if !line.contains(dry) {
            return None;
        }
        let position = line.position(dry);
        let Some(index) = runs.iter().position(|run| line.position(&run.dry) < position) else {
            // Before the first promotion nothing ran, and only an empty content changed nothing.
            return self.same_content(state, dry, &Content::default()).then_some(Held::Nothing);
        };
        self.same_content(state, dry, &runs[index].content).then_some(Held::Run(index))
    }
}

/// What holds the content of a no-op.
enum Held {
    /// Nothing runs, and nothing is to run.
    Nothing,
    /// A run, by its index.
    Run(usize),
}
