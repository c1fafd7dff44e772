//! Every rule and every word of the field, pure: plain data in, decisions out.
//!
//! Nothing here performs I/O or reads a clock; the time is a value of the snapshot.

pub mod adoption;
pub mod approvals;
pub mod block;
mod broken;
pub mod bundle;
pub mod candidate;
pub mod chart;
pub mod comment;
pub mod content;
pub mod decision;
pub mod deployed;
pub mod drift;
pub mod evidence;
pub mod fate;
pub mod gate;
pub mod hold;
pub mod hydration;
pub mod ids;
pub mod in_use;
pub mod lane;
pub mod ledger;
pub mod line;
pub mod overdue;
pub mod permission;
pub mod plan;
pub mod preview;
pub mod rejection;
pub mod remedy;
pub mod rollback;
pub mod run_roots;
pub mod selection;
pub mod snapshot;
pub mod status;
pub mod strategy;
pub mod strategy_change;
pub mod unseen;
pub mod windows;

#[cfg(test)]
mod model;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod world;
