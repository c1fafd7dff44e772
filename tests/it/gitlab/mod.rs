//! Stories on a server that behaves as GitLab does where that matters to us: its answers have the shape of GitLab's own
//! samples, its merges and branches are real git.

mod face;
pub(crate) mod front;
mod git;
mod hooks;
mod notes;
mod requests;
mod statuses;
mod story;
mod told;
mod traps;
