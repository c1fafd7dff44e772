//! Stories on a real Gitea: its pull requests, merges, webhooks and rules. `make test-gitea` runs them.
//!
//! Each story has a server of its own, on the loopback interface, with its data in a folder that goes with it.

mod adapter;
mod lab;
mod rules;
pub(crate) mod shop;
mod story;
