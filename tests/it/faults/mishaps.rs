//! Decides what goes wrong in a run.
//!
//! Everything follows from the seed, from what is asked, and from how often that was asked before: not from when, since
//! a service asks for several things at once. A run has so many mishaps and no more, so that it comes to an end.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use sha2::{Digest, Sha256};

/// What is asked for, as far as it matters to what may go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Traffic {
    /// A call that changes nothing.
    Read,
    /// A call that changes something.
    Write,
    /// A fetch, or a look at the branches.
    Fetch,
    /// What leads to a push, and the push.
    Push,
    /// A webhook.
    Hook,
}

/// How many of a hundred requests go wrong: reads, writes, fetches, pushes, webhooks.
const RATES: [[u64; 5]; 6] =
    [[0; 5], [6, 15, 6, 15, 20], [0, 60, 0, 0, 10], [25, 0, 25, 0, 0], [0, 0, 30, 60, 10], [3, 5, 3, 5, 70]];
/// How many mishaps a run has: so many calls at least, so many more at most; and webhooks of their own.
const CALLS: (u64, u64) = (3, 9);
const HOOKS: u64 = 24;

/// What goes wrong in one run.
pub(super) struct Mishaps {
    seed: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    asked: BTreeMap<String, u32>,
    calls_left: u64,
    hooks_left: u64,
    told: Vec<String>,
}

/// A mishap that is to be.
pub(super) struct Mishap {
    /// What it is about.
    pub(super) what: String,
    /// Decides which one it is.
    dice: u64,
}

impl Mishap {
    /// Takes one of these.
    pub(super) fn one_of<T: Copy>(&self, kinds: &[T]) -> T {
        let at = usize::try_from(self.dice % kinds.len().max(1) as u64).unwrap_or_default();
        kinds[at]
    }

    /// Takes a number below this one, whatever was taken before.
    pub(super) fn below(&self, limit: u64) -> u64 {
        (self.dice >> 32) % limit
    }
}

impl Mishaps {
    /// Returns the mishaps of a seed; seed 0 has none.
    pub(super) fn of(seed: u64) -> Self {
        let mut mishaps = Self { seed, state: Mutex::default() };
        let calls_left = if seed == 0 { 0 } else { CALLS.0 + mishaps.throw("how many", 0) % (CALLS.1 + 1) };
        let hooks_left = if seed == 0 { 0 } else { HOOKS };
        mishaps.state = Mutex::new(State { calls_left, hooks_left, ..State::default() });
        mishaps
    }

    /// Returns what goes wrong now, and counts it.
    pub(super) fn next(&self, traffic: Traffic, what: &str) -> Option<Mishap> {
        let mut state = self.lock();
        let asked = state.asked.entry(what.to_owned()).or_default();
        *asked += 1;
        let nth = *asked;
        let left = if traffic == Traffic::Hook { &mut state.hooks_left } else { &mut state.calls_left };
        // From 1 on the rates take turns; the first of them is that of no mishaps.
        let rates = RATES[1 + usize::try_from(self.seed % (RATES.len() as u64 - 1)).unwrap_or_default()];
        let is_hit = self.throw(what, nth) % 100 < rates[traffic as usize];
        if !is_hit || *left == 0 {
            return None;
        }
        *left -= 1;
        Some(Mishap { what: format!("{what} #{nth}"), dice: self.throw(&format!("which {what}"), nth) })
    }

    /// Writes down what went wrong.
    pub(super) fn note(&self, mishap: &Mishap, words: &str) {
        self.lock().told.push(format!("{}: {words}", mishap.what));
    }

    /// Returns what went wrong, in its order.
    pub(super) fn told(&self) -> Vec<String> {
        self.lock().told.clone()
    }

    fn throw(&self, what: &str, nth: u32) -> u64 {
        let hash = Sha256::digest(format!("{} {nth} {what}", self.seed));
        u64::from_be_bytes(hash[..8].try_into().expect("because a hash has 32 bytes"))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
