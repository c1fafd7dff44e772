//! What a change of the strategy does to what is under way, and what of that a person must have agreed to.
//!
//! - [`compare`] is pure: two strategies and one snapshot, which was observed under the one in force.
//! - A [`Loss`] is something that stands now and that nobody would ask for any more: a hold, a rollback under
//!   way, what a rollback blocks, or a closed gate for which something waits. Everything else is an
//!   [`Effect`]: it is told, and goes into force with the commit.
//! - An environment is known by its branch: that is where things run. Under another name it begins anew,
//!   since holds, records and rollbacks are kept under the name.

mod compare;
#[cfg(test)]
mod tests;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::compare::compare;
use super::{
    gate::clock,
    hold::Hold,
    ids::{BranchName, DrySha, EnvironmentName, Place, PullRequestNumber, StrategyName},
    rollback::Rollback,
    strategy::{Destination, nearest::list},
};

/// What a change of the strategy does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StrategyChange {
    /// What becomes different, in the order of the new strategy.
    pub effects: Vec<Effect>,
    /// What is lost of that which is under way.
    pub losses: Vec<Loss>,
}

/// Something that a change of the strategy makes different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The strategy gets another name: it goes on with what runs, and what is remembered under the old name goes.
    Called {
        /// The old name.
        from: StrategyName,
        /// The new name.
        to: StrategyName,
    },
    /// The strategy was deleted, and all its environments go.
    Ended,
    /// The environments get branches in another repository: each goes, and begins there anew.
    Elsewhere {
        /// It; the dry one when absent.
        to: Option<Destination>,
    },
    /// An environment is new.
    Added {
        /// It.
        environment: EnvironmentName,
        /// Its branch.
        branch: BranchName,
        /// What it waits for.
        after: Vec<EnvironmentName>,
    },
    /// An environment goes; its branch stays as it is.
    Removed {
        /// It.
        environment: EnvironmentName,
        /// Its branch.
        branch: BranchName,
        /// Its pull requests, which are closed.
        open: Vec<PullRequestNumber>,
    },
    /// A branch gets another name: everything is promoted to it as to a new environment.
    Renamed {
        /// The old name.
        from: EnvironmentName,
        /// The new name.
        to: EnvironmentName,
        /// The branch.
        branch: BranchName,
        /// Whether anything that ran there was verified.
        verified: bool,
    },
    /// An environment gets another branch.
    Moved {
        /// The environment.
        environment: EnvironmentName,
        /// The old branch.
        from: BranchName,
        /// The new branch.
        to: BranchName,
        /// Its pull requests into the old one, which are closed.
        open: Vec<PullRequestNumber>,
    },
    /// Promotions are proposed on another branch.
    ProposedOn {
        /// The environment.
        environment: EnvironmentName,
        /// The branch.
        branch: BranchName,
        /// Its pull requests on the branch before, which are closed.
        open: Vec<PullRequestNumber>,
    },
    /// An environment waits for others than before.
    Order {
        /// The environment.
        environment: EnvironmentName,
        /// For which.
        after: Vec<EnvironmentName>,
    },
    /// The roots are divided in another way.
    Lanes {
        /// The label that divides them; none where all travel together.
        by: Option<String>,
    },
    /// What waits would be merged at once.
    Merges {
        /// Where.
        place: Place,
        /// What.
        dry: DrySha,
    },
    /// Something would be proposed where nothing is, or instead of what is.
    Proposes {
        /// Where.
        place: Place,
        /// What.
        dry: DrySha,
    },
    /// What is proposed would be closed.
    Closes {
        /// Where.
        place: Place,
        /// The pull request.
        number: PullRequestNumber,
    },
    /// What waits would wait for more.
    Waits {
        /// Where.
        place: Place,
        /// What.
        dry: DrySha,
        /// For what, in words.
        gates: Vec<String>,
    },
    /// Other people may give commands.
    Permissions,
}

/// Something under way that a change of the strategy drops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// A hold.
    Hold {
        /// Where.
        place: Place,
        /// The hold.
        hold: Box<Hold>,
    },
    /// A rollback under way.
    Rollback {
        /// Where.
        place: Place,
        /// The rollback.
        rollback: Box<Rollback>,
    },
    /// What a rollback, or a person's no, keeps out.
    Block {
        /// Where it is kept out.
        place: Place,
        /// What.
        dry: DrySha,
        /// What keeps it out, in words.
        by: String,
    },
    /// A closed gate for which something waits.
    Gate {
        /// Where it waits.
        place: Place,
        /// What waits.
        dry: DrySha,
        /// What would no longer be asked, in words.
        what: String,
    },
}

/// A person's word that a change of the strategy may drop what is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeOverride {
    /// Who gave it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

impl StrategyChange {
    /// Says whether there is nothing to tell.
    pub fn is_nothing(&self) -> bool {
        self.effects.is_empty() && self.losses.is_empty()
    }

    /// Returns what is lost without a person having agreed to it.
    pub fn unaccepted(&self, accepted: Option<&ChangeOverride>) -> Vec<&Loss> {
        self.losses.iter().filter(|loss| accepted.is_none_or(|accepted| !accepted.covers(loss))).collect()
    }
}

impl ChangeOverride {
    /// Says whether it is about a loss.
    ///
    /// Which gates go stands in the text that was agreed to. A hold, a rollback and what it blocks do not: only
    /// those that stood when it was given can have been meant.
    fn covers(&self, loss: &Loss) -> bool {
        match loss {
            Loss::Gate { .. } | Loss::Block { .. } => true,
            Loss::Hold { hold, .. } => hold.at <= self.at,
            Loss::Rollback { rollback, .. } => rollback.at <= self.at,
        }
    }
}

/// Returns losses as one sentence: the first of them, and how many more there are.
pub fn told(losses: &[&Loss]) -> String {
    match losses {
        [] => String::new(),
        [one] => one.to_string(),
        [first, more @ ..] => format!("{first} (and {} more)", more.len()),
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Called { from, to } => {
                write!(f, "`{from}` is called `{to}` and goes on with what runs; holds, records and blocks begin anew")
            }
            Self::Ended => f.write_str(
                "the strategy ends: nothing is promoted by it any more, and what it brought stays on its branches",
            ),
            Self::Elsewhere { to: None } => f.write_str("the environments get branches beside the dry branch"),
            Self::Elsewhere { to: Some(Destination { repository, .. }) } => {
                write!(f, "the environments get branches in {repository}")
            }
            Self::Added { environment, branch, after } if after.is_empty() => {
                write!(f, "{environment} is new, on `{branch}`, and waits for no other environment")
            }
            Self::Added { environment, branch, after } => {
                write!(f, "{environment} is new, on `{branch}`, and comes after {}", names(after))
            }
            Self::Removed { environment, branch, open } => {
                write!(f, "{environment} goes; `{branch}` stays as it is{}", left(open))
            }
            Self::ProposedOn { environment, branch, open } => {
                write!(f, "what is promoted to {environment} is proposed on `{branch}`{}", left(open))
            }
            Self::Renamed { from, to, branch, verified } => {
                write!(f, "{from} is called {to}, still on `{branch}`: it begins anew")?;
                if *verified { f.write_str(", and what was verified there must be verified again") } else { Ok(()) }
            }
            Self::Moved { environment, from, to, open } => {
                write!(f, "{environment} goes from `{from}` to `{to}`: what runs is read from there{}", left(open))
            }
            Self::Order { environment, after } if after.is_empty() => {
                write!(f, "{environment} waits for no other environment")
            }
            Self::Order { environment, after } => write!(f, "{environment} comes after {}", names(after)),
            Self::Lanes { by: Some(label) } => {
                write!(
                    f,
                    "roots travel in lanes by their `{label}`: what is proposed now is proposed anew, lane by lane"
                )
            }
            Self::Lanes { by: None } => {
                f.write_str("all roots travel together: what is proposed now is proposed anew, in one pull request")
            }
            Self::Merges { place, dry } => write!(f, "{place} would take {} at once", dry.short()),
            Self::Proposes { place, dry } => write!(f, "{} would be proposed for {place}", dry.short()),
            Self::Closes { place, number } => write!(f, "{number}, which promotes to {place}, would be closed"),
            Self::Waits { place, dry, gates } => {
                write!(f, "{} would wait for more in {place}: {}", dry.short(), gates.join("; "))
            }
            Self::Permissions => f.write_str("other people may give commands"),
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hold { place, hold } => write!(f, "{place} would no longer be held ({hold})"),
            Self::Rollback { place, rollback } => {
                let (to, by) = (rollback.target.dry.short(), &rollback.by);
                write!(f, "the rollback of {place} to {to}, which {by} asked for, would not be finished")
            }
            Self::Block { place, dry, by } => {
                write!(f, "{} would no longer be kept out of {place} by {by}", dry.short())
            }
            Self::Gate { place, dry, what } => write!(f, "{}, which waits in {place}, {what}", dry.short()),
        }
    }
}

/// Returns words for a time until which something is waited for.
fn until(at: Timestamp) -> String {
    format!("until {}", clock(at))
}

fn names(environments: &[EnvironmentName]) -> String {
    let names: Vec<&str> = environments.iter().map(EnvironmentName::as_str).collect();
    list(&names, "and")
}

/// Says which pull requests are closed, as nobody goes on with them.
fn left(open: &[PullRequestNumber]) -> String {
    let numbers: Vec<String> = open.iter().map(ToString::to_string).collect();
    match open.len() {
        0 => String::new(),
        1 => format!(", and {} is closed", numbers.join(", ")),
        _ => format!(", and {} are closed", numbers.join(", ")),
    }
}
