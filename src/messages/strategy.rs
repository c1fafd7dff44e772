//! What a dry pull request does to the strategy, in the comment on it.

use serde_json::{Value, json};

use super::comment::cell;
use crate::domain::{
    ids::StrategyName,
    strategy_change::{ChangeOverride, StrategyChange, told},
};

/// The most lines of one sort that are told; the rest is counted.
const LINES_TOLD: usize = 30;

/// What becomes of one strategy.
#[derive(Debug, Clone)]
pub struct StrategySection {
    /// Its name, or that of its file.
    pub name: StrategyName,
    /// What becomes of it.
    pub outcome: StrategyOutcome,
}

/// What becomes of a strategy.
#[derive(Debug, Clone)]
pub enum StrategyOutcome {
    /// It cannot be used, and the one in force stays.
    Mistakes(String),
    /// It is new: nothing is under way.
    New,
    /// It takes the place of the one in force.
    Changes {
        /// What that does.
        change: StrategyChange,
        /// A person's word that it may.
        accepted: Option<ChangeOverride>,
    },
}

impl StrategySection {
    /// Says in one line what keeps it from coming into force; nothing when nothing does.
    pub fn stays_out(&self) -> Option<String> {
        match &self.outcome {
            StrategyOutcome::Mistakes(mistakes) => Some(mistakes.lines().next().unwrap_or_default().to_owned()),
            StrategyOutcome::New => None,
            StrategyOutcome::Changes { change, accepted } => {
                let losses = change.unaccepted(accepted.as_ref());
                (!losses.is_empty()).then(|| format!("needs `/hydromote override`: {}", told(&losses)))
            }
        }
    }
}

/// Returns what the comment may say of strategies.
pub(super) fn strategies_context(sections: &[StrategySection]) -> Value {
    sections.iter().map(section).collect()
}

fn section(section: &StrategySection) -> Value {
    let (mut mistakes, mut effects, mut losses, mut word) = (Vec::new(), Vec::new(), Vec::new(), None);
    match &section.outcome {
        StrategyOutcome::Mistakes(words) => mistakes = lines(words.lines().map(str::trim)),
        StrategyOutcome::New => effects = vec!["it is new".to_owned()],
        StrategyOutcome::Changes { change, accepted } => {
            effects = lines(change.effects.iter());
            losses = lines(change.losses.iter());
            let covers_all = change.unaccepted(accepted.as_ref()).is_empty();
            word = accepted.as_ref().filter(|_| covers_all);
        }
    }
    json!({
        "name": section.name,
        "mistakes": mistakes,
        "effects": effects,
        "losses": losses,
        "accepted_by": word.map(|word| cell(&word.by)),
        "reason": word.map(|word| cell(&word.reason)),
    })
}

fn lines(words: impl Iterator<Item = impl ToString>) -> Vec<String> {
    let all: Vec<String> = words.map(|line| cell(&line.to_string())).collect();
    let more = all.len().saturating_sub(LINES_TOLD);
    let told = all.into_iter().take(LINES_TOLD);
    told.chain((more > 0).then(|| format!("and {more} more"))).collect()
}
