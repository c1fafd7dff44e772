//! One bare mirror per repository: trees and commits made in process, transfers through `git`.
//!
//! - There is no work tree and no clone per commit; objects are written from memory.
//! - Every ref of the remote is changed by compare-and-swap (`--force-with-lease`), all refs of one
//!   push or none (`--atomic`).
//! - A snapshot commit has the active head as its only parent and exactly the composed tree.

pub mod batch;
pub mod bundle;
pub mod changed;
pub mod compose;
mod fetching;
pub mod history;
mod listing;
pub mod merge;
pub mod metadata;
pub mod mirror;
pub mod other_hydrator;
pub mod patch;
pub mod program;
mod protocol;
pub mod resources;
pub mod restore;
pub mod trailers;
pub mod tree;
mod upkeep;

/// Why git did not do what was asked, by what the caller does about it.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// A ref is not where it was expected: observe again.
    #[error("`{reference}` has moved")]
    Moved {
        /// The ref.
        reference: String,
    },
    /// The remote's rules refused a push.
    #[error("the remote refused to update `{reference}`: {words}")]
    Refused {
        /// The ref.
        reference: String,
        /// The remote's words.
        words: String,
    },
    /// Something of other people is where we would write.
    #[error("{message}")]
    Obstacle {
        /// What is in the way.
        message: String,
    },
    /// The remote could not be reached, or `git` failed: try again later.
    #[error("could not {what}: {words}")]
    Transfer {
        /// What was attempted.
        what: String,
        /// What git said, without addresses and credentials.
        words: String,
    },
    /// `git` took too long, and was killed: try again later.
    #[error("could not {what}: it took longer than {} s", limit.as_secs())]
    TooSlow {
        /// What was attempted.
        what: String,
        /// How long it may take.
        limit: std::time::Duration,
    },
    /// An object is missing from the mirror.
    #[error("`{id}` is not in the mirror")]
    Missing {
        /// The object.
        id: String,
    },
    /// The mirror itself could not be read or written.
    #[error("could not use the mirror")]
    Mirror(#[source] git2::Error),
    /// The mirror's folder could not be used.
    #[error("could not use the mirror's folder")]
    Folder(#[source] std::io::Error),
}

impl From<git2::Error> for GitError {
    fn from(error: git2::Error) -> Self {
        match error.code() {
            git2::ErrorCode::NotFound => Self::Missing { id: error.message().to_owned() },
            _ => Self::Mirror(error),
        }
    }
}
