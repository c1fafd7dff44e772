//! What a dry commit changes, written as a letter for each environment.

use super::{
    configuration::Configuration,
    state::{Dry, Held, State, bit, number},
};

/// What a dry commit does in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// `s`: it leaves it as it is.
    Same,
    /// `n`: the first root gets a new version.
    New,
    /// `m`: the second root gets a new version.
    Second,
    /// `f`: every root gets a new version.
    All,
    /// `o`: what was there before the newest dry commit.
    Old,
    /// `e`: nothing is left.
    Empty,
    /// `x`: it does not render.
    Fails,
}

impl Change {
    fn of(letter: char) -> Self {
        match letter {
            's' => Self::Same,
            'n' => Self::New,
            'm' => Self::Second,
            'f' => Self::All,
            'o' => Self::Old,
            'e' => Self::Empty,
            'x' => Self::Fails,
            _ => unreachable!("`{letter}` is no change"),
        }
    }
}

impl Configuration {
    /// Adds a dry commit to the line.
    pub(super) fn push(&self, state: &mut State, changes: &str) {
        let id = number(state.dries.len());
        let version = id + 1;
        let lanes: Vec<Vec<char>> = changes.split('|').map(|lane| lane.chars().collect()).collect();
        let contents = self.places().map(|place| {
            let (environment, lane) = self.of(place);
            let letters = lanes.get(usize::from(lane)).or(lanes.first()).expect("because there is one");
            let rendered = |back: usize| {
                let mut on_line = state.line.iter().rev().skip(back);
                on_line.find_map(|dry| state.dries[usize::from(*dry)].contents[usize::from(place)]).unwrap_or_default()
            };
            let was: Held = rendered(0);
            match Change::of(letters[usize::from(environment)]) {
                Change::Same => Some(was),
                Change::New => Some((was & 0xf0) | version),
                Change::Second => Some((was & 0x0f) | (version << 4)),
                Change::All if self.pushes.iter().any(|push| push.contains('m')) => Some(version | (version << 4)),
                Change::All => Some(version),
                Change::Old => Some(rendered(1)),
                Change::Empty => Some(0),
                Change::Fails => None,
            }
        });
        let contents = contents.collect();
        state.dries.push(Dry { contents, shared: None, rejected: None });
        state.line.push(id);
        if !self.hydrates {
            state.places.iter_mut().for_each(|place| place.hydrated |= bit(id));
        }
    }

    /// Returns the letters of a dry commit that changes everything everywhere.
    pub(super) fn everything(&self) -> String {
        let count = usize::from(self.environments());
        let lanes = vec!["f".repeat(count); self.lanes.len()];
        lanes.join("|")
    }
}
