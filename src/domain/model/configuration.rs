//! What one search explores: a strategy, how the forge merges, and what may happen how often.

use jiff::SignedDuration;

use super::{
    mutant::Mutant,
    state::{Branch, Moment, Place, State, number},
};
use crate::domain::{
    ids::LaneName,
    strategy::{Environment, Newer, PromotionStrategy, StatusRule},
    world::{environment, rule, strategy},
};

/// What may happen so often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chance {
    Push,
    Drop,
    /// A first report that is a failure.
    Failure,
    /// A report after another on the same commit.
    Flip,
    /// A report that is an error or pending.
    Noise,
    /// A report on a commit that is not the head any more.
    OldHead,
    /// A report on a proposal, before it is merged.
    Early,
    Foreign,
    Drift,
    ByHand,
    Close,
    CloseRollback,
    RollbackByHand,
    Hold,
    Expiring,
    Unhold,
    Rollback,
    Reject,
    TakeBack,
    Promote,
    Loss,
    Wait,
}

const CHANCES: usize = Chance::Wait as usize + 1;

/// One search.
#[derive(Debug, Clone)]
pub(super) struct Configuration {
    pub(super) name: &'static str,
    pub(super) strategy: PromotionStrategy,
    pub(super) lanes: Vec<LaneName>,
    /// What a dry commit can change, a letter for each environment and lanes apart by `|`: see `push.rs`.
    pub(super) pushes: Vec<&'static str>,
    pub(super) chances: Vec<(Chance, u8)>,
    /// The jumps of time that can pass at once.
    pub(super) waits: Vec<Moment>,
    /// The forge merges by moving the branch to the proposed commit itself.
    pub(super) fast_forward: bool,
    /// Nothing was ever promoted at the start; else the first dry commit runs verified everywhere.
    pub(super) fresh: bool,
    /// Plans are carried on with after the world has moved.
    pub(super) late: bool,
    /// Hydrating is a step of its own; else everything is hydrated at once.
    pub(super) hydrates: bool,
    /// How many states are tried at most.
    pub(super) most: usize,
    /// One state of so many is carried on with until everything is well.
    pub(super) sample: u64,
    /// The most commits of a branch.
    pub(super) commits: usize,
    /// What adapters and commands do for the rules.
    pub(super) guards: Guards,
    /// What is broken in the rules, on purpose.
    pub(super) mutant: Option<&'static Mutant>,
}

/// What adapters and commands do for the rules; a mutant goes without one of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guards {
    /// A merge is refused when the active branch is not at the head on which it was decided.
    pub(super) merges_on_its_head: bool,
    /// A merge is refused when holds, rollbacks or rejections are not as they were seen.
    pub(super) merges_as_held: bool,
    /// What we close ourselves is no rejection.
    pub(super) knows_own_closing: bool,
    /// A rollback that was cancelled is written down.
    pub(super) remembers_cancelling: bool,
    /// A hold is on the forge before anything follows from it.
    pub(super) marks_holds: bool,
    /// A person's wish to promote is for one head.
    pub(super) promotes_one_head: bool,
    /// A pull request is opened when the active branch is where it was seen.
    pub(super) opens_on_the_seen_head: bool,
    /// The hold of a person stops everything.
    pub(super) persons_hold_strictly: bool,
}

impl Guards {
    /// All of them.
    const ALL: Self = Self {
        merges_on_its_head: true,
        merges_as_held: true,
        knows_own_closing: true,
        remembers_cancelling: true,
        marks_holds: true,
        promotes_one_head: true,
        opens_on_the_seen_head: true,
        persons_hold_strictly: true,
    };
}

impl Configuration {
    /// Returns a configuration of these environments, in which nothing happens.
    pub(super) fn new(name: &'static str, environments: Vec<Environment>) -> Self {
        Self {
            name,
            strategy: strategy(environments),
            lanes: vec![LaneName::single()],
            pushes: Vec::new(),
            chances: Vec::new(),
            waits: vec![12],
            fast_forward: false,
            fresh: false,
            late: false,
            hydrates: false,
            most: 45_000,
            sample: 64,
            commits: 6,
            guards: Guards::ALL,
            mutant: None,
        }
    }

    /// Returns a chain of the first so many environments.
    pub(super) fn chain(name: &'static str, length: usize) -> Self {
        let names = ["dev", "staging", "prod", "edge"];
        let chain = (0..length).map(|i| environment(names[i], if i == 0 { &[] } else { &names[i - 1..i] }));
        Self::new(name, chain.collect())
    }

    /// Returns a diamond of four environments.
    pub(super) fn diamond(name: &'static str) -> Self {
        let environments = vec![
            environment("dev", &[]),
            environment("eu", &["dev"]),
            environment("us", &["dev"]),
            environment("prod", &["eu", "us"]),
        ];
        Self::new(name, environments)
    }

    pub(super) fn pushing(mut self, pushes: &[&'static str]) -> Self {
        self.pushes = pushes.to_vec();
        self
    }

    pub(super) fn with(mut self, chances: &[(Chance, u8)]) -> Self {
        self.chances = chances.to_vec();
        self
    }

    pub(super) fn most(mut self, most: usize, sample: u64) -> Self {
        (self.most, self.sample) = (most, sample);
        self
    }

    pub(super) fn each(mut self, change: impl Fn(&mut Environment)) -> Self {
        self.strategy.environments.iter_mut().for_each(change);
        self
    }

    pub(super) fn automatic(self) -> Self {
        self.each(|environment| environment.automatic_rollback = true)
    }

    /// The last environment merges only when a person asks, and when a ticket is there.
    pub(super) fn by_hand(mut self, newer: Newer) -> Self {
        let last = self.strategy.environments.last_mut().expect("an environment");
        (last.auto_merge, last.newer) = (false, newer);
        last.proposed_statuses = vec![StatusRule { deadline: Some(SignedDuration::from_hours(1)), ..rule("ticket") }];
        self
    }

    /// There are two lanes.
    pub(super) fn in_lanes(mut self) -> Self {
        self.lanes = ["cart", "shop"].map(|lane| LaneName::new(lane).expect("a name")).to_vec();
        self
    }

    /// The first environment soaks.
    pub(super) fn soaking(mut self) -> Self {
        self.strategy.environments[0].soak = SignedDuration::from_mins(10);
        self.waits = vec![1, 12];
        self
    }

    pub(super) fn environments(&self) -> u8 {
        number(self.strategy.environments.len())
    }

    /// Returns the environments and lanes as one number each.
    pub(super) fn places(&self) -> std::ops::Range<u8> {
        0..self.environments() * self.lane_count()
    }

    pub(super) fn lane_count(&self) -> u8 {
        number(self.lanes.len())
    }

    pub(super) fn place(&self, environment: u8, lane: u8) -> u8 {
        environment * self.lane_count() + lane
    }

    /// Returns the environment and the lane of a place.
    pub(super) fn of(&self, place: u8) -> (u8, u8) {
        (place / self.lane_count(), place % self.lane_count())
    }

    pub(super) fn rules(&self, environment: u8) -> &Environment {
        &self.strategy.environments[usize::from(environment)]
    }

    /// Returns what an environment depends on.
    pub(super) fn before(&self, environment: u8) -> impl Iterator<Item = u8> {
        self.rules(environment).depends_on.iter().map(|name| {
            let is_it = |other: &Environment| other.name == *name;
            number(self.strategy.environments.iter().position(is_it).expect("an environment"))
        })
    }

    /// Returns the world before anything happened.
    pub(super) fn empty(&self) -> State {
        let mut left = vec![0; CHANCES];
        for (chance, count) in &self.chances {
            left[*chance as usize] = *count;
        }
        State {
            now: 0,
            line: Vec::new(),
            dries: Vec::new(),
            branches: vec![Branch::default(); usize::from(self.environments())],
            places: vec![Place::default(); usize::from(self.places().end)],
            left,
            late: Vec::new(),
        }
    }
}

impl State {
    /// Says whether something may still happen.
    pub(super) fn may(&self, chance: Chance) -> bool {
        self.left[chance as usize] > 0
    }

    /// Uses one chance up.
    pub(super) fn spend(&mut self, chance: Chance) {
        self.left[chance as usize] -= 1;
    }
}
