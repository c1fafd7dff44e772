//! What the kernel keeps a renderer from: applied by the launcher to itself, before it becomes the
//! renderer.
//!
//! Guarantees, where every layer holds:
//!
//! - It reads the program, what the program needs to start, and the files of its root: nothing else.
//! - It writes into its own scratch folder, and nowhere else.
//! - It starts no other program, opens no socket, and signals nobody.
//!
//! The layers stand by themselves, so that a kernel or a container that refuses one still has the
//! others: [`files`] is Landlock, [`calls`] is seccomp, [`namespaces`] is an empty network. None
//! needs a right. What is checked before a renderer runs does not rely on any of this.

mod calls;
mod files;
mod loader;
mod namespaces;
mod probe;

use std::path::{Path, PathBuf};

pub use probe::{Attempt, Confinement};
pub(crate) use probe::{WORD as PROBE, run as probe};

/// How much of the sandbox must hold for renderers to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sandbox {
    /// What the kernel has.
    #[default]
    Available,
    /// All of it but namespaces, which containers seldom allow and which only double another layer.
    Required,
    /// Nothing but limits, for programs that are scripts around others.
    Off,
}

/// What a program may reach.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grants<'a> {
    /// The program, and what it needs to start.
    pub(crate) program: &'a Path,
    /// Folders to read.
    pub(crate) read: &'a [PathBuf],
    /// Folders to write.
    pub(crate) write: &'a [PathBuf],
}

/// What came of the layers; an error says what is missing, and what the operator can do.
#[derive(Debug)]
pub(crate) struct Layers {
    pub(crate) files: Result<(), String>,
    pub(crate) calls: Result<(), String>,
    pub(crate) namespaces: Result<(), String>,
}

impl Layers {
    /// Gives up everything but `grants`, for ever. This process must have one thread.
    ///
    /// The order matters: a filter of system calls forbids namespaces, and those come with rights
    /// that end at the next `exec`.
    pub(crate) fn apply(grants: &Grants<'_>) -> Self {
        let namespaces = namespaces::leave();
        let files = files::restrict(grants);
        Self { files, calls: calls::refuse(), namespaces }
    }

    /// Returns what is not there, needed or not.
    pub(crate) fn absent(&self) -> impl Iterator<Item = &str> {
        [&self.files, &self.calls, &self.namespaces]
            .into_iter()
            .filter_map(|layer| layer.as_ref().err())
            .map(String::as_str)
    }

    /// Returns what is missing and was needed.
    pub(crate) fn missing(&self) -> impl Iterator<Item = &str> {
        [&self.files, &self.calls].into_iter().filter_map(|layer| layer.as_ref().err()).map(String::as_str)
    }
}
