//! What each environment has taken and verified.
//!
//! Nothing is remembered here: all of it follows from the dry line, the renderings, the active
//! branches and the records on them.
//!
//! - An environment *takes* a dry SHA by a merge, or as a *no-op*: its content is the same as what
//!   runs, and everything the environment depends on has it verified now.
//! - It has *verified* a dry SHA when the run that holds its content has a record that no failure
//!   took back; a no-op also needs to be verified now in everything the environment depends on.
//! - What a rollback or a rejection blocks is taken and verified nowhere where it is blocked: a
//!   rollback blocks in its environment and in every one after it, a closed pull request in its own
//!   alone, a rejected commit everywhere.

mod proof;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{
    adoption::TakenOver,
    block::{Block, BlockCause},
    broken::{self, Broken},
    content::Content,
    evidence,
    gate::Verdict,
    hydration::Hydration,
    ids::{DrySha, EnvironmentName, LaneName, Place, StrategyName},
    line::{DryLine, LinePosition},
    rejection::Rejection,
    snapshot::{PlaceState, Record, Run, Snapshot},
    strategy::{Environment, PromotionStrategy},
};
pub use proof::Proof;

/// Answers questions about one snapshot.
#[derive(Debug, Clone)]
pub struct Ledger<'a> {
    strategy: &'a PromotionStrategy,
    snapshot: &'a Snapshot,
    blocks: BTreeMap<&'a Place, Vec<Standing>>,
}

/// A block and since when it stands.
#[derive(Debug, Clone)]
struct Standing {
    block: Block,
    since: jiff::Timestamp,
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
        let mut ledger = Self { strategy, snapshot, blocks: BTreeMap::new() };
        ledger.blocks = snapshot.places.iter().map(|(place, state)| (place, ledger.standing_blocks(state))).collect();
        ledger
    }

    /// Returns the dry line.
    pub fn line(&self) -> &'a DryLine {
        &self.snapshot.line
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
        if let Some(blocked) = self.blocked(environment, &place, dry) {
            return self.keeps_out(dry, blocked);
        }
        let runs = state.branch().map(|branch| branch.runs.as_slice()).unwrap_or_default();
        // What a rollback of some roots made says nothing of the dry SHA that they came from.
        if let Some(index) = runs.iter().position(|run| &run.dry == dry && !run.is_mixed()) {
            return self.standing_verdict(environment, lane, runs, index);
        }
        match self.held_as_no_op(state, runs, dry) {
            None => Verdict::NotTaken,
            Some(held) => {
                match (self.upstream_wait(environment, lane, dry).filter(|_| !broken::is(Broken::NoOpChain)), held) {
                    (Some(waiting), _) => Verdict::Upstream { environment: waiting },
                    (None, Held::Nothing) => Verdict::Verified,
                    (None, Held::Run(_)) if broken::is(Broken::NoOpHead) => Verdict::Verified,
                    (None, Held::Run(index)) => self.run_verdict(environment, runs, index),
                }
            }
        }
    }

    /// Returns the verdict on what runs in a place, as people are told.
    pub fn running_verdict(&self, environment: &Environment, state: &PlaceState) -> Option<Verdict> {
        let runs = &state.branch()?.runs;
        let running = runs.first()?;
        if let Some(adoption) = &running.adopted {
            return Some(Verdict::Adopted { by: adoption.by.clone() });
        }
        let rejected = self.rejection(state, &running.dry);
        let verdict = self.run_verdict(environment, runs, 0);
        Some(match rejected {
            // That it failed asks for more than that nobody wants it.
            Some(rejection) if !verdict.is_failed() => Verdict::RejectedCommit { by: rejection.by.clone() },
            _ => verdict,
        })
    }

    /// Returns the verdict on what is kept out.
    fn keeps_out(&self, dry: &DrySha, blocked: Blocked) -> Verdict {
        match blocked.cause {
            BlockCause::ClosedPullRequest(number) => Verdict::Rejected { number },
            BlockCause::Rollback => Verdict::Blocked { environment: blocked.environment },
            BlockCause::RejectedCommit => {
                let by = self.snapshot.rejections.get(dry).map(|rejection| rejection.by.clone());
                Verdict::RejectedCommit { by: by.unwrap_or_default() }
            }
        }
    }

    /// Returns the verdict on the run at `index` of `runs`, newest first.
    pub fn run_verdict(&self, environment: &Environment, runs: &[Run], index: usize) -> Verdict {
        let run = &runs[index];
        let newer = index.checked_sub(1).map(|i| &runs[i]);
        let left = newer.is_some_and(|newer| newer.restored.is_some()) && !broken::is(Broken::LeftStaysVerified);
        if left && !run.content.is_empty() {
            // What a rollback leaves is revoked for good.
            return Verdict::Revoked;
        }
        if run.taken_over == Some(TakenOver::Differing) {
            return Verdict::TakenOver;
        }
        let judged = evidence::judge_run(environment, run, self.snapshot.now);
        if judged == Verdict::Verified {
            return judged;
        }
        let failed = self.failed_since(environment, runs, index);
        let earned = judged == Verdict::Unrecorded && !failed;
        match (run.record, newer) {
            (Some(Record::Verified { .. }), _) if failed => Verdict::Revoked,
            (Some(Record::Verified { .. }), _) => Verdict::Verified,
            (Some(Record::Revoked { .. }), Some(_)) if !earned => Verdict::Revoked,
            (None, Some(Run { adopted: Some(adoption), .. })) if !earned => {
                Verdict::Adopted { by: adoption.by.clone() }
            }
            (None, Some(newer)) if !earned => Verdict::Overtaken { by: newer.dry.clone() },
            _ => judged,
        }
    }

    /// Says whether the content of the run failed on it, or ever on a later run with the same content.
    fn failed_since(&self, environment: &Environment, runs: &[Run], index: usize) -> bool {
        let later = runs[..index].iter().filter(|run| run.content == runs[index].content);
        evidence::failed_key(environment, &runs[index]).is_some()
            || later
                .into_iter()
                .any(|run| evidence::ever_failed(environment, run) && !broken::is(Broken::RestoredFails))
    }

    /// Returns the first environment before `environment` that has not verified `dry`.
    pub fn upstream_wait(&self, environment: &Environment, lane: &LaneName, dry: &DrySha) -> Option<EnvironmentName> {
        environment.depends_on.iter().find(|before| self.verdict(before, lane, dry) != Verdict::Verified).cloned()
    }

    /// Says whether everything `environment` depends on has verified `dry`.
    pub fn is_promotable(&self, environment: &Environment, lane: &LaneName, dry: &DrySha) -> bool {
        self.upstream_wait(environment, lane, dry).is_none()
    }

    /// Returns the verdict on the run at `index` as later environments see it: until what a rollback
    /// restored fails, what was recorded for it before stands.
    pub fn standing_verdict(&self, environment: &Environment, lane: &LaneName, runs: &[Run], index: usize) -> Verdict {
        // What a rollback leaves is revoked for good, be it restored itself.
        let was_left = index.checked_sub(1).is_some_and(|newer| runs[newer].restored.is_some());
        let earlier = self.earlier_record(environment, lane, runs, index).filter(|_| !was_left);
        earlier.unwrap_or_else(|| self.run_verdict(environment, runs, index))
    }

    fn earlier_record(
        &self,
        environment: &Environment,
        lane: &LaneName,
        runs: &[Run],
        index: usize,
    ) -> Option<Verdict> {
        let run = runs.get(index).filter(|run| run.restored.is_some())?;
        let line = &self.snapshot.line;
        let was_brought = runs[index + 1..].iter().any(|earlier| earlier.dry == run.dry && earlier.is_promoted());
        // It may have been taken as a no-op on the content that is back, unless it came by itself.
        let no_op = |earlier: &Run| {
            !was_brought
                && line.position(&earlier.dry) < line.position(&run.dry)
                && self.is_promotable(environment, lane, &run.dry)
        };
        (index + 1..runs.len())
            .filter(|at| runs[*at].content == run.content && (runs[*at].dry == run.dry || no_op(&runs[*at])))
            .any(|earlier| self.run_verdict(environment, runs, earlier) == Verdict::Verified)
            .then_some(Verdict::Verified)
    }

    /// Returns the rejection of `dry` by command that stands in a place.
    pub fn rejection(&self, state: &PlaceState, dry: &DrySha) -> Option<&'a Rejection> {
        self.snapshot.rejections.get(dry).filter(|rejection| !is_overridden(state, dry, rejection.at))
    }

    /// Returns what blocks `dry` in a place: a rejection, or a rollback there or in an environment
    /// before it.
    pub fn blocked(&self, environment: &Environment, place: &Place, dry: &DrySha) -> Option<Blocked> {
        let state = self.place(place)?;
        if self.rejection(state, dry).is_some() {
            let (environment, cause) = (place.environment.clone(), BlockCause::RejectedCommit);
            return Some(Blocked { environment, cause, known: true });
        }
        let is_newer = self.snapshot.line.position(dry) > self.running_position(state);
        self.upstream(environment).into_iter().find_map(|name| {
            let at = Place { environment: name.clone(), lane: place.lane.clone() };
            let content = self.content_in(&at, dry);
            let own = at == *place;
            if !own && broken::is(Broken::BlockHere) {
                return None;
            }
            let covers = |standing: &&Standing| {
                let in_scope = match standing.block.cause {
                    BlockCause::Rollback | BlockCause::RejectedCommit => true,
                    // What was taken before somebody said no to something newer stays taken.
                    BlockCause::ClosedPullRequest(_) => own && (*dry == standing.block.bad || is_newer),
                };
                in_scope
                    && !is_overridden(state, dry, standing.since)
                    && standing.block.covers(dry, content.as_ref(), &self.snapshot.line)
            };
            let standing = self.blocks.get(&at)?.iter().find(covers)?;
            let known = content.is_some() || standing.block.covers_by_place(dry, &self.snapshot.line);
            Some(Blocked { environment: name, cause: standing.block.cause, known })
        })
    }

    /// Says whether what blocks `dry` will not go away by looking again: it is certain, or `dry` renders here
    /// and not where it would be judged.
    pub fn is_kept_out(&self, place: &Place, dry: &DrySha, blocked: &Blocked) -> bool {
        let fails = |place: &Place| {
            let hydration = self.place(place).and_then(|state| state.hydrations.get(dry));
            matches!(hydration, Some(Hydration::Failed(failure)) if failure.retry_at.is_none())
        };
        let there = Place { environment: blocked.environment.clone(), lane: place.lane.clone() };
        blocked.known || (fails(&there) && !fails(place))
    }

    /// Says whether a rollback of `place` may not go back to `dry`. What an environment before
    /// blocks counts only after the target of that block: else older known-goods would vanish.
    pub fn is_no_target(&self, environment: &Environment, place: &Place, dry: &DrySha) -> bool {
        let line = &self.snapshot.line;
        if self.place(place).is_some_and(|state| self.rejection(state, dry).is_some()) {
            return true;
        }
        self.upstream(environment).into_iter().any(|name| {
            let at = Place { environment: name, lane: place.lane.clone() };
            let content = self.content_in(&at, dry);
            self.blocks.get(&at).into_iter().flatten().any(|standing| {
                let counts = at == *place || standing.block.is_after_target(dry, line);
                counts && standing.block.covers(dry, content.as_ref(), line)
            })
        })
    }

    /// Returns dry SHAs whose renderings decide whether they or others are blocked in a place.
    pub fn judged_by(&self, place: &Place) -> impl Iterator<Item = &DrySha> {
        let bad = self.blocks.get(place).into_iter().flatten().filter(|standing| standing.block.bad_content.is_none());
        bad.map(|standing| &standing.block.bad).filter(|bad| self.snapshot.line.contains(bad))
    }

    /// Returns `environment` and everything that it depends on, itself first.
    pub fn upstream(&self, environment: &Environment) -> Vec<EnvironmentName> {
        let mut found = vec![environment.name.clone()];
        let mut seen = BTreeSet::from([environment.name.clone()]);
        let mut next = 0;
        while let Some(environment) = found.get(next).and_then(|name| self.strategy.environment(name)) {
            found.extend(environment.depends_on.iter().filter(|before| seen.insert((*before).clone())).cloned());
            next += 1;
        }
        found
    }

    /// Returns the environments that something depends on together with `environment`.
    pub fn siblings(&self, environment: &Environment) -> impl Iterator<Item = &'a EnvironmentName> {
        let after = self.strategy.environments.iter().filter(|after| after.depends_on.contains(&environment.name));
        let all: BTreeSet<_> = after.flat_map(|after| &after.depends_on).collect();
        let own = environment.name.clone();
        all.into_iter().filter(move |name| **name != own)
    }

    /// Returns what `dry` holds in a place: what ran there, else what it renders to.
    fn content_in(&self, place: &Place, dry: &DrySha) -> Option<Content> {
        let state = self.place(place)?;
        let ran =
            state.branch().and_then(|branch| branch.runs.iter().find(|run| run.dry == *dry && run.adopted.is_none()));
        match (state.hydrations.get(dry), ran) {
            (_, Some(run)) => Some(run.content.clone()),
            (Some(hydration), None) => hydration.content_over(&state.running_content()),
            (None, None) => None,
        }
    }

    /// Reads the blocks of a place off its branch and its closed pull requests.
    fn standing_blocks(&self, state: &PlaceState) -> Vec<Standing> {
        let mut blocks = Vec::new();
        let Some(branch) = state.branch() else { return blocks };
        for (index, run) in branch.runs.iter().enumerate() {
            let Some(restored) = run.restored.as_ref().filter(|restored| !restored.released) else { continue };
            let block = Block {
                cause: BlockCause::Rollback,
                target: (Some(run.dry.clone()), run.content.clone()),
                bad: restored.from.clone(),
                bad_content: branch.runs.get(index + 1).map(|left| left.content.clone()),
                roots: restored.roots.clone(),
            };
            // Whoever merged by hand what it keeps out has taken it back.
            let by_hand = |newer: &Run| newer.is_promoted() && block.was_brought_by(&newer.dry, &newer.content);
            if !branch.runs[..index].iter().any(by_hand) {
                blocks.push(Standing { block, since: run.since() });
            }
        }
        if let Some(rollback) = &state.rollback {
            let target = branch.runs.iter().find(|run| run.commits.iter().any(|c| c.sha == rollback.target.commit));
            let bad = branch.runs.iter().find(|run| run.brought_by() == Some(&rollback.bad_commit));
            let block = Block {
                cause: BlockCause::Rollback,
                target: (Some(rollback.target.dry.clone()), target.map(|run| run.content.clone()).unwrap_or_default()),
                bad: rollback.bad.clone(),
                bad_content: bad.map(|run| run.content.clone()),
                roots: rollback.roots.clone(),
            };
            blocks.push(Standing { block, since: rollback.at });
        }
        for (bad, closed) in &state.rejected {
            let replaced = match &closed.parent {
                Some(parent) => branch.runs.iter().find(|run| run.commits.iter().any(|c| c.sha == *parent)),
                None => state.running(),
            };
            let content = replaced.map(|run| run.content.clone()).unwrap_or_default();
            let hydrated = state.hydrations.get(bad).and_then(|hydration| hydration.content_over(&content));
            let block = Block {
                cause: BlockCause::ClosedPullRequest(closed.number),
                bad_content: hydrated.or_else(|| closed.content.clone()),
                target: (replaced.map(|run| run.dry.clone()), content),
                bad: bad.clone(),
                roots: BTreeSet::new(),
            };
            // A merge by hand takes the rejection back.
            if !is_overridden(state, bad, closed.at) {
                blocks.push(Standing { block, since: closed.at });
            }
        }
        blocks
    }

    /// Returns where the place stands on the dry line by what was merged.
    ///
    /// What came about beside the lane, as where lanes were turned off, is of several dry SHAs: it stands where the newest
    /// of them does, or a root of that would go back to an older one.
    pub fn running_position(&self, state: &PlaceState) -> LinePosition {
        let runs = state.branch().map(|branch| branch.runs.as_slice()).unwrap_or_default();
        let whole = runs.iter().position(|run| !run.beside).unwrap_or(runs.len());
        runs.iter().take(whole + 1).map(|run| self.snapshot.line.position(&run.dry)).max().unwrap_or_default()
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
                    && !is_stopped(state, dry, self.snapshot)
                    && self.blocked(environment, place, dry).is_none()
                    && (self.is_promotable(environment, &place.lane, dry) || broken::is(Broken::NoOpOrder))
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

/// What blocks a dry SHA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// The environment that was rolled back, or in which it was rejected.
    pub environment: EnvironmentName,
    /// What left the block.
    pub cause: BlockCause,
    /// Whether that is certain; otherwise it is not rendered there yet.
    pub known: bool,
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            BlockCause::Rollback => write!(f, "kept out by the rollback of {}", self.environment),
            BlockCause::ClosedPullRequest(number) => write!(f, "rejected by closing {number}"),
            BlockCause::RejectedCommit => f.write_str("its dry commit was rejected"),
        }
    }
}

/// Says whether a person has merged `dry` here since it is kept out: that lifts it here.
fn is_overridden(state: &PlaceState, dry: &DrySha, since: jiff::Timestamp) -> bool {
    let runs = state.branch().map(|branch| branch.runs.as_slice()).unwrap_or_default();
    runs.iter().any(|run| run.dry == *dry && run.is_promoted() && run.since() > since)
}

/// Says whether a hold stops the place from taking `dry` as a no-op.
fn is_stopped(state: &PlaceState, dry: &DrySha, snapshot: &Snapshot) -> bool {
    let line = &snapshot.line;
    state.hold.as_ref().is_some_and(|hold| {
        let newer = hold.through.as_ref().is_none_or(|through| line.position(dry) > line.position(through));
        hold.stops_everything(snapshot.now) && newer
    })
}

/// What holds the content of a no-op.
enum Held {
    /// Nothing runs, and nothing is to run.
    Nothing,
    /// A run, by its index.
    Run(usize),
}
