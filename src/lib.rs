//! Hydromote hydrates dry manifests per environment and promotes them by pull request.
//!
//! One loop: *observe* git, the forge and the store into a snapshot, *plan* with a pure function,
//! *apply* the actions, each a compare-and-swap. Webhooks, timers, comments and commands only say
//! that a strategy is to be looked at again.

pub mod adopt;
pub mod app;
mod blocking;
pub mod charts;
pub mod cli;
pub mod crash;
pub mod domain;
pub mod forge;
pub mod git;
pub mod local_forge;
pub mod messages;
pub mod network;
pub mod reconcile;
pub mod secret;
pub mod server;
pub mod settings;
pub mod store;
