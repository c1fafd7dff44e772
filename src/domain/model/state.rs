//! What there is at one moment, as small as the rules can tell it apart.
//!
//! Commits, dry SHAs and places are numbers; a content is one byte, a version for each of two roots.
//! Times are milliseconds that only order what happened: everything takes one, and time that matters
//! passes in jumps of [`UNIT`].

use crate::domain::status::StatusState;

/// A time, in milliseconds.
pub(super) type Moment = u32;

/// A jump of time: longer than a soak and than the life of a hold that expires by ten seconds, so that what
/// takes milliseconds never adds up to one.
pub(super) const UNIT: Moment = 610_000;

/// A content: the versions of two roots, four bits each; 0 is none.
pub(super) type Held = u8;

/// Everything: git, the forge, our database, and what may still happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    pub(super) now: Moment,
    /// The dry line, oldest first.
    pub(super) line: Vec<u8>,
    /// Every dry commit that ever was, by its number.
    pub(super) dries: Vec<Dry>,
    /// By environment.
    pub(super) branches: Vec<Branch>,
    /// By environment and lane.
    pub(super) places: Vec<Place>,
    /// What is left of each kind of event.
    pub(super) left: Vec<u8>,
    /// The rest of a plan that was made earlier.
    pub(super) late: Vec<Step>,
}

/// A dry commit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Dry {
    /// What it renders to in each place; nothing where it does not render.
    pub(super) contents: Vec<Option<Held>>,
    /// For one that left the line: the newest commit that it shares with it.
    pub(super) shared: Option<u8>,
    /// When a person rejected it everywhere.
    pub(super) rejected: Option<Moment>,
}

/// An active branch; it has no commit while it does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Branch {
    pub(super) commits: Vec<Commit>,
    pub(super) reports: Vec<Report>,
}

/// A commit on an active branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) kind: Kind,
    /// What each lane holds.
    pub(super) contents: [Held; 2],
    /// When it came here.
    pub(super) at: Moment,
    /// Our record on it, when it brought something.
    pub(super) record: Record,
}

/// How a commit came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// We created the branch.
    First,
    /// Somebody pushed it.
    Foreign,
    /// A promotion, by us or by hand.
    Promoted { lane: u8, dry: u8, by_hand: bool },
    /// A rollback, to what the commit `to` held and stands for `dry`.
    Restored { lane: u8, dry: u8, from: u8, to: u8, automatic: bool, released: bool },
}

/// The record of verification on the forge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Record {
    None,
    Verified,
    Revoked,
}

/// A report of `health` on a commit of an active branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) commit: u8,
    pub(super) state: StatusState,
    pub(super) at: Moment,
}

/// One lane of one environment, beside its branch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Place {
    /// Dry commits that are known to be hydrated or not, one bit each.
    pub(super) hydrated: u16,
    pub(super) proposal: Option<Proposal>,
    /// Whether the pull request of the proposal is open.
    pub(super) open: bool,
    /// Our own status on the proposal: none, pending or success.
    pub(super) own: Option<bool>,
    /// What was reported on the proposal: `ticket`.
    pub(super) ticket: Option<StatusState>,
    /// When a person has promoted the proposal.
    pub(super) promoted: Option<Moment>,
    /// The forge's refusal to merge the proposal, or the rollback's, and until when it is not asked again.
    pub(super) refused: Option<(bool, Moment)>,
    /// Pull requests that a person closed.
    pub(super) closed: Vec<Closed>,
    pub(super) hold: Option<Hold>,
    /// What the forge says of holds, and on which commit.
    pub(super) mark: Option<(u8, Mark)>,
    pub(super) rollback: Option<Rollback>,
    /// The hold of a person that was in force before the rollback.
    pub(super) before: Option<Hold>,
    pub(super) restoration: Option<Proposal>,
    pub(super) rollback_open: bool,
    /// Commits whose rollback was cancelled, as the database has it, one bit each.
    pub(super) cancelled: u16,
    /// The same as the forge has it: a person closed its pull request.
    pub(super) cancelled_by_closing: u16,
    /// How often something was proposed.
    pub(super) proposals: u8,
}

/// What a proposed branch holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Proposal {
    pub(super) id: u8,
    pub(super) parent: u8,
    pub(super) dry: u8,
    pub(super) content: Held,
    pub(super) since: Moment,
    /// Reported on it before it was merged: counts for nothing, though a fast-forward brings it along.
    pub(super) early: Option<(StatusState, Moment)>,
}

/// A pull request that a person closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) dry: u8,
    pub(super) content: Held,
    pub(super) at: Moment,
    pub(super) parent: u8,
}

/// A hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Hold {
    pub(super) strict: bool,
    /// Whose: Hydromote's, or that of a person.
    pub(super) automatic: bool,
    pub(super) at: Moment,
    pub(super) expires: Option<Moment>,
    pub(super) through: Option<u8>,
    pub(super) target: Option<u8>,
}

/// What the forge says of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Mark {
    Held(Hold),
    Ended,
    Released,
}

/// A rollback under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Rollback {
    pub(super) dry: u8,
    pub(super) to: u8,
    pub(super) bad: u8,
    pub(super) bad_commit: u8,
    pub(super) automatic: bool,
    pub(super) at: Moment,
}

/// An action of a plan, with what it expects to find. `place` counts environments and lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Step {
    CreateBranch { environment: u8 },
    Hydrate { environment: u8, dry: u8 },
    Propose { place: u8, dry: u8, content: Held, parent: u8, over: Option<u8> },
    Open { place: u8, parent: u8 },
    Close { place: u8 },
    Report { place: u8, id: u8, ready: bool },
    Record { place: u8, commit: u8 },
    Revoke { place: u8, commit: u8 },
    Merge { place: u8, id: u8, dry: u8, parent: u8, held: u64 },
    PostHold { place: u8, commit: u8, mark: Mark },
    EndHold { place: u8, commit: u8, hold: Hold },
    StartRollback { place: u8, commit: u8, rollback: Rollback, hold: Hold, seen: Option<Hold> },
    ProposeRollback { place: u8, rollback: Rollback, parent: u8, over: Option<u8> },
    OpenRollback { place: u8, parent: u8 },
    MergeRollback { place: u8, rollback: Rollback, id: u8, parent: u8, held: u64 },
    FinishRollback { place: u8, commit: u8, rollback: Rollback },
    CancelRollback { place: u8, commit: u8, rollback: Rollback, open: bool },
}

impl Commit {
    /// Returns the lane and the dry commit of what it brought.
    pub(super) fn brought(&self) -> Option<(u8, u8)> {
        match self.kind {
            Kind::First | Kind::Foreign => None,
            Kind::Promoted { lane, dry, .. } | Kind::Restored { lane, dry, .. } => Some((lane, dry)),
        }
    }

    /// Says whether it brought something to `lane`.
    pub(super) fn brings_to(&self, lane: u8) -> bool {
        self.brought().is_some_and(|(to, _)| to == lane)
    }
}

impl Branch {
    /// Returns the number of its head.
    pub(super) fn head(&self) -> Option<u8> {
        self.commits.len().checked_sub(1).map(number)
    }

    /// Says whether `commit` is its head.
    pub(super) fn is_at(&self, commit: u8) -> bool {
        self.head() == Some(commit)
    }

    /// Says whether merging a proposal gives exactly its content in `lane`: nothing that it would write has changed
    /// since, or it has changed to the same.
    pub(super) fn fits(&self, lane: u8, proposal: Proposal) -> bool {
        let of = |commit: u8| self.commits[usize::from(commit)].contents[usize::from(lane)];
        let Some(head) = self.head().map(of) else { return false };
        let base = of(proposal.parent);
        [0x0f, 0xf0].into_iter().all(|root| head & root == base & root || head & root == proposal.content & root)
    }

    /// Returns the number of the commit that brought what runs in `lane`.
    pub(super) fn running(&self, lane: u8) -> Option<u8> {
        self.commits.iter().rposition(|commit| commit.brings_to(lane)).map(number)
    }
}

impl Hold {
    /// Says whether it stops everything.
    pub(super) fn stops(&self, now: Moment) -> bool {
        self.strict && self.expires.is_none_or(|expiry| expiry > now)
    }
}

/// Returns a position in a list as the number of what is there.
pub(super) fn number(index: usize) -> u8 {
    u8::try_from(index).expect("because a configuration bounds every list")
}

/// Returns the set with the one element.
pub(super) fn bit(number: u8) -> u16 {
    1 << number
}
