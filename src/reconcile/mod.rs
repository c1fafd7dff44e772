//! Observe, plan, apply: in which order effects happen, what is retried, what is logged.
//!
//! - One strategy is looked at by one worker at a time.
//! - Nothing is decided in a handler: webhooks, timers and commands only draw attention.
//! - Applying stops at the first action whose world has moved; the next look decides anew.
//! - An intent is written before each outside act. Whatever a crash leaves open is resolved by
//!   looking again, since every act is a compare-and-swap or a repeatable write.

pub mod active;
pub mod apply;
pub mod attention;
pub mod board;
mod bundling;
pub mod changes;
pub mod charts;
pub mod closed_pull_requests;
pub mod commands;
pub mod comments;
pub mod context;
mod deployed_reports;
pub mod destinations;
pub mod drifts;
pub mod earlier_names;
mod elsewhere;
pub mod forge_view;
pub mod forges;
mod going_back;
mod gone_lanes;
pub mod holds;
pub mod hub;
pub mod hydrate;
mod keys;
pub mod lanes;
mod leaving;
pub mod mending;
mod merging;
pub mod observe;
mod overdue;
mod overriding;
pub mod previews;
pub mod proposals;
mod proposing;
pub mod record;
pub mod redelivery;
pub mod rejected_commits;
pub mod rejecting;
pub mod renderings;
pub mod repository;
mod restoring;
mod reviewing;
pub mod sharing;
pub mod source_tree;
pub mod sources;
pub mod stopping;
pub mod strategy_changes;
pub mod strategy_files;
pub mod webhook_watch;
pub mod worker;

use crate::{forge::ForgeError, git::GitError, messages::MessageError, store::StoreError};

/// Why a look could not be finished; it is repeated after a pause.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// Git, or the remote repository.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The forge.
    #[error(transparent)]
    Forge(#[from] ForgeError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A template.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The renderers cannot run at all; the operator must act.
    #[error("could not render: {0}")]
    Renderers(String),
    /// Where a strategy promotes to cannot be reached or may not be used.
    #[error("{0}")]
    Destination(String),
    /// Some strategies of a repository; what of each is on its board.
    #[error("{0}")]
    Strategies(String),
    /// The plan did not come to rest.
    #[error("did not come to rest after {rounds} rounds")]
    Restless {
        /// How many rounds were made.
        rounds: usize,
    },
}

impl LookError {
    /// Says whether only the world has moved on: what was decided is to be decided again.
    pub fn is_moved(&self) -> bool {
        matches!(self, Self::Git(GitError::Moved { .. }) | Self::Forge(ForgeError::Moved { .. }))
    }
}
