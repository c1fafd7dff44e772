//! Stories on a real Gitea: its pull requests, merges, webhooks and rules. `make test-gitea` runs them, and
//! `make bench-gitea` measures what promotions cost there.
//!
//! Each story here has a server of its own, on the loopback interface, with its data in a folder that goes with it.

mod adapter;
mod cost;
mod crowd;
mod fleet;
pub(crate) mod lab;
mod rules;
pub(crate) mod shop;
mod story;
mod surprises;
