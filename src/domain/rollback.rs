//! Rollbacks: what an environment goes back to, and when it does by itself.
//!
//! - A rollback goes to content that ran here before, of an older dry SHA, which is not the same as
//!   what runs. Last known-good is the newest such content on the branch that is verified and not
//!   blocked. The empty first commit is never a target.
//! - A rollback that starts by itself needs last known-good, and every guard open ([`Guard`]). An
//!   error of a check is not a failure and starts nothing.
//! - Whoever asks, the hold and the block come first ([`Start`]), then the rollback.

use std::{collections::BTreeSet, fmt};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    broken::{self, Broken},
    content::Content,
    evidence,
    gate::{Verdict, clock},
    hold::{Hold, HoldRule},
    ids::{ActiveSha, DrySha, Place, RootName},
    ledger::Ledger,
    line::DryLine,
    snapshot::{PlaceState, Record, Run},
    strategy::Environment,
};

/// A failure that is older starts no rollback: whoever was to react has, or something else is wrong.
const FAILURE_AGE: SignedDuration = SignedDuration::from_mins(20);

/// The time between two rollbacks of one place that start by themselves.
const AUTOMATIC_PAUSE: SignedDuration = SignedDuration::from_hours(1);

/// Who holds a place after a rollback that started by itself.
pub const AUTOMATIC: &str = "Hydromote";

/// A rollback that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    /// What it goes back to.
    pub target: Target,
    /// The dry SHA that runs when it starts.
    pub bad: DrySha,
    /// The commit that brought what runs; when another run has begun, the rollback is overtaken.
    pub bad_commit: ActiveSha,
    /// The roots that go back; all that differ when there are none.
    pub roots: BTreeSet<RootName>,
    /// Why it started.
    pub trigger: Trigger,
    /// Who asked, or [`AUTOMATIC`].
    pub by: String,
    /// Why, in words.
    pub reason: String,
    /// When it was accepted.
    pub at: Timestamp,
}

/// Earlier content of a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The dry SHA that it stands for.
    pub dry: DrySha,
    /// A commit of the active branch that holds it.
    pub commit: ActiveSha,
}

/// Why a rollback started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// A person asked.
    Person,
    /// A commit status failed.
    Automatic,
}

impl Trigger {
    /// Returns the word used in trailers and documents.
    pub fn word(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Automatic => "automatic",
        }
    }
}

/// How a run came about that a rollback brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The dry SHA that ran before.
    pub from: DrySha,
    /// The roots that went back; all that differ when there are none.
    pub roots: BTreeSet<RootName>,
    /// Why it started.
    pub trigger: Trigger,
    /// Who asked.
    pub by: String,
    /// Whether a person has taken back what it blocks.
    pub released: bool,
}

/// A rollback and its hold, to be written down and put on the forge before anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The rollback.
    pub rollback: Rollback,
    /// The hold.
    pub hold: Hold,
}

/// One thing that a place could go back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// What it is.
    #[serde(flatten)]
    pub target: Target,
    /// When it came onto the branch.
    pub since: Timestamp,
    /// Whether it is verified and not blocked.
    pub known_good: bool,
}

/// Why a failure starts no rollback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "guard")]
pub enum Guard {
    /// What runs was restored itself.
    Restored,
    /// Nothing that ran before is verified, of an older dry SHA and not blocked.
    NoTarget,
    /// What runs was adopted.
    Adopted,
    /// The same content was rolled back here before.
    Once,
    /// A rollback of it was cancelled.
    Cancelled,
    /// The last one started too short a time ago.
    Pause {
        /// Until when.
        until: Timestamp,
    },
    /// The failure is too old.
    Age {
        /// When it was reported.
        failed_at: Timestamp,
    },
}

/// What a failure leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reaction {
    /// A rollback starts.
    Start(Box<Start>),
    /// A guard is closed.
    Guarded(Guard),
}

/// Returns the content that a rollback of `running` to `target` brings: of the named roots, else of all.
pub fn restored(running: &Content, target: &Content, roots: &BTreeSet<RootName>) -> Content {
    if roots.is_empty() {
        return target.clone();
    }
    let stays = running.iter().filter(|(root, _)| !roots.contains(*root));
    let back = target.iter().filter(|(root, _)| roots.contains(*root));
    stays.chain(back).map(|(root, rendering)| (root.clone(), rendering.clone())).collect()
}

/// Returns what a place could go back to, newest first. What a rollback of some roots made is the
/// content of no dry SHA, and nothing to go back to.
pub fn choices(ledger: &Ledger<'_>, environment: &Environment, place: &Place, state: &PlaceState) -> Vec<Choice> {
    let runs = state.branch().map(|branch| branch.runs.as_slice()).unwrap_or_default();
    let Some((running, earlier)) = runs.split_first() else { return Vec::new() };
    let line = ledger.line();
    let mut choices: Vec<Choice> = Vec::new();
    for (offset, run) in earlier.iter().enumerate() {
        let older = line.position(&run.dry) < line.position(&running.dry);
        let seen = earlier[..offset].iter().any(|newer| newer.content == run.content);
        let is_mixed = run.is_mixed() && run.adopted.is_none();
        if !older || seen || is_mixed || run.content.is_empty() || run.content == running.content {
            continue;
        }
        let Some(commit) = run.commits.first() else { continue };
        let known_good = known_good(ledger, environment, place, state, offset + 1);
        // What was adopted is of no dry SHA, but for one that turned out to hold the very same.
        if run.adopted.is_some() && known_good.is_none() {
            continue;
        }
        choices.push(Choice {
            target: Target { dry: known_good.clone().unwrap_or_else(|| run.dry.clone()), commit: commit.sha.clone() },
            since: run.since(),
            known_good: known_good.is_some(),
        });
    }
    choices
}

/// Returns the newest dry SHA whose verdict stands on the run at `index` and that is not blocked:
/// its own, or one that was taken as a no-op on it.
fn known_good(
    ledger: &Ledger<'_>,
    environment: &Environment,
    place: &Place,
    state: &PlaceState,
    index: usize,
) -> Option<DrySha> {
    let line = ledger.line();
    let runs = &state.branch()?.runs;
    let (run, next) = (&runs[index], &runs[index - 1]);
    if ledger.standing_verdict(environment, &place.lane, runs, index) != Verdict::Verified {
        return None;
    }
    let before_the_next = |dry: &&DrySha| line.position(dry) < line.position(&next.dry);
    let no_ops = line.newer_than(line.position(&run.dry)).filter(before_the_next).filter(|dry| {
        ledger.same_content(state, dry, &run.content)
            && ledger.verdict(&place.environment, &place.lane, dry) == Verdict::Verified
    });
    let own = run.adopted.is_none().then_some(&run.dry);
    no_ops.chain(own).find(|dry| !ledger.is_no_target(environment, place, dry)).cloned()
}

/// Returns what the failure of what runs leads to, or nothing when nothing has failed.
pub fn react(
    ledger: &Ledger<'_>,
    environment: &Environment,
    place: &Place,
    state: &PlaceState,
    now: Timestamp,
) -> Option<Reaction> {
    let runs = state.branch().filter(|branch| branch.drift.is_none()).map(|branch| branch.runs.as_slice())?;
    let running = runs.first()?;
    let failed = &evidence::failure(environment, running)?.status;
    let failed_at = failed.reported_at;
    let known_good = |choice: &Choice| choice.known_good || broken::is(Broken::KnownGood);
    let good = choices(ledger, environment, place, state).into_iter().find(known_good);
    let guard = guard(runs, state, failed_at, now);
    Some(match (guard, good) {
        (Some(guard), _) => Reaction::Guarded(guard),
        (None, None) => Reaction::Guarded(Guard::NoTarget),
        (None, Some(good)) => {
            let rollback = Rollback {
                target: good.target,
                bad: running.dry.clone(),
                bad_commit: running.brought_by()?.clone(),
                roots: BTreeSet::new(),
                trigger: Trigger::Automatic,
                by: AUTOMATIC.to_owned(),
                reason: format!("`{}` failed", failed.key),
                at: now,
            };
            Reaction::Start(Box::new(start(rollback, state)))
        }
    })
}

fn guard(runs: &[Run], state: &PlaceState, failed_at: Timestamp, now: Timestamp) -> Option<Guard> {
    let (running, earlier) = runs.split_first()?;
    if running.restored.is_some() && !broken::is(Broken::GuardRestored) {
        return Some(Guard::Restored);
    }
    if running.adopted.is_some() {
        return Some(Guard::Adopted);
    }
    if running.brought_by().is_some_and(|sha| state.cancelled.contains(sha)) {
        return Some(Guard::Cancelled);
    }
    let automatic = |run: &Run| run.restored.as_ref().is_some_and(|restored| restored.trigger == Trigger::Automatic);
    let rolled_back = earlier.windows(2).any(|pair| automatic(&pair[0]) && pair[1].content == running.content);
    if rolled_back && !broken::is(Broken::GuardOnce) {
        return Some(Guard::Once);
    }
    if now > failed_at + FAILURE_AGE && !broken::is(Broken::GuardAge) {
        return Some(Guard::Age { failed_at });
    }
    let until = earlier.iter().find(|run| automatic(run)).map(|run| run.since() + AUTOMATIC_PAUSE)?;
    (until > now && !broken::is(Broken::GuardPause)).then_some(Guard::Pause { until })
}

/// Adds the hold to a rollback: `next`, but `strict` under a strict hold, and when the one before,
/// which started by itself too, was followed by no verified promotion.
pub fn start(rollback: Rollback, state: &PlaceState) -> Start {
    let runs = state.branch().map(|branch| branch.runs.as_slice()).unwrap_or_default();
    let again = rollback.trigger == Trigger::Automatic && is_second_in_a_row(runs);
    let hold = hold_of(&rollback, state.hold.as_ref(), again);
    Start { rollback, hold }
}

/// Returns the hold of a rollback over the hold `before`: a strict one stays, with its owner.
pub fn hold_of(rollback: &Rollback, before: Option<&Hold>, again: bool) -> Hold {
    let before = before.filter(|hold| hold.stops_everything(rollback.at));
    Hold {
        rule: if before.is_some() || again { HoldRule::Strict } else { HoldRule::Next },
        by: before.map_or_else(|| rollback.by.clone(), |hold| hold.by.clone()),
        reason: match before {
            Some(hold) if !hold.reason.is_empty() => format!("{}; {}", rollback.reason, hold.reason),
            _ => rollback.reason.clone(),
        },
        at: rollback.at,
        expires_at: before.and_then(|hold| hold.expires_at).filter(|_| !again),
        through: Some(rollback.bad.clone()),
        target: Some(rollback.target.dry.clone()),
        roots: rollback.roots.clone(),
    }
}

/// Returns the hold of a person that the strict hold of a rollback goes on with, when the store was
/// lost: a rollback that a person asked for is strict for no other reason, and one that started by
/// itself is then held in the name of that person. It is in force again when the rollback is cancelled.
pub fn held_before(hold: &Hold) -> Option<Hold> {
    let goes_on = hold.target.is_some() && hold.rule == HoldRule::Strict && hold.by != AUTOMATIC;
    goes_on.then(|| Hold { target: None, roots: BTreeSet::new(), ..hold.clone() })
}

/// Reads a rollback that is under way back from its hold, when the store was lost: what runs is
/// still what it was to leave.
pub fn under_way(hold: &Hold, state: &PlaceState, line: &DryLine) -> Option<Rollback> {
    let (target, bad) = (hold.target.as_ref()?, hold.through.as_ref()?);
    let runs = &state.branch()?.runs;
    let (running, earlier) = runs.split_first()?;
    if running.dry != *bad {
        return None;
    }
    // The target may be a dry SHA that was taken as a no-op on the run.
    let can_be = |run: &&Run| !run.is_mixed() && run.content != running.content;
    let holds_it = |run: &&Run| can_be(run) && line.position(&run.dry) <= line.position(target);
    let exact = earlier.iter().find(|run| run.dry == *target && can_be(run));
    let run = exact.or_else(|| earlier.iter().find(holds_it))?;
    Some(Rollback {
        target: Target { dry: target.clone(), commit: run.commits.first()?.sha.clone() },
        bad: bad.clone(),
        bad_commit: running.brought_by()?.clone(),
        roots: hold.roots.clone(),
        trigger: if hold.by == AUTOMATIC { Trigger::Automatic } else { Trigger::Person },
        by: hold.by.clone(),
        reason: hold.reason.clone(),
        at: hold.at,
    })
}

fn is_second_in_a_row(runs: &[Run]) -> bool {
    let automatic = |run: &Run| run.restored.as_ref().is_some_and(|restored| restored.trigger == Trigger::Automatic);
    let Some(last) = runs.iter().position(automatic) else { return false };
    let verified = |run: &Run| run.restored.is_none() && matches!(run.record, Some(Record::Verified { .. }));
    !runs[..last].iter().any(verified) && !broken::is(Broken::SecondInARow)
}

impl Rollback {
    /// Says whether this rollback brought the newest of `runs`: it stands on what was to be left.
    pub fn brought(&self, runs: &[Run]) -> bool {
        let [newest, left, ..] = runs else { return false };
        newest.restored.as_ref().is_some_and(|restored| restored.from == self.bad)
            && left.brought_by() == Some(&self.bad_commit)
    }
}

impl Guard {
    /// Returns the time at which it opens by itself.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Pause { until } => Some(*until),
            _ => None,
        }
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restored => f.write_str("what runs was restored by a rollback itself"),
            Self::Adopted => f.write_str("what runs was adopted, and is of no promotion"),
            Self::NoTarget => f.write_str("nothing that ran here before is verified"),
            Self::Once => f.write_str("the same content was rolled back here before"),
            Self::Cancelled => f.write_str("a rollback of it was cancelled"),
            Self::Pause { until } => write!(f, "the last rollback was less than an hour ago; until {}", clock(*until)),
            Self::Age { failed_at } => write!(f, "it failed more than 20 minutes ago, at {}", clock(*failed_at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rollback(by: &str, trigger: Trigger) -> Rollback {
        let dry = |name: &str| DrySha::new(name).expect("a word");
        let commit = |name: &str| ActiveSha::new(name).expect("a word");
        Rollback {
            target: Target { dry: dry("dry-1"), commit: commit("merge-1") },
            bad: dry("dry-2"),
            bad_commit: commit("merge-2"),
            roots: BTreeSet::new(),
            trigger,
            by: by.into(),
            reason: "it is slow".into(),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_rollback_goes_on_with_the_strict_hold_of_a_person_and_tells_it_again() {
        let person = Hold {
            rule: HoldRule::Strict,
            by: "eve".into(),
            reason: "a look at it".into(),
            at: Timestamp::UNIX_EPOCH,
            expires_at: None,
            through: None,
            target: None,
            roots: BTreeSet::new(),
        };
        for rollback in [rollback("ada", Trigger::Person), rollback(AUTOMATIC, Trigger::Automatic)] {
            let goes_on = hold_of(&rollback, Some(&person), false);
            let before = held_before(&goes_on).expect("the hold of a person");
            assert_eq!((before.rule, before.by.as_str(), before.target), (HoldRule::Strict, "eve", None));
        }
        assert_eq!(held_before(&hold_of(&rollback("ada", Trigger::Person), None, false)), None, "its own");
        assert_eq!(held_before(&hold_of(&rollback(AUTOMATIC, Trigger::Automatic), None, true)), None, "the second");
        assert_eq!(held_before(&person), None, "no rollback");
    }
}
