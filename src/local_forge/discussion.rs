//! Comments with their reactions, and reviews.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The reactions that GitHub knows.
pub(super) const REACTIONS: [&str; 8] = ["+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"];

/// A reaction to a comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// The numeric id.
    pub id: u64,
    /// Who reacted.
    pub user: String,
    /// One of GitHub's eight words.
    pub content: String,
    /// When.
    pub created_at: Timestamp,
}

/// A comment on a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    /// The numeric id.
    pub id: u64,
    /// The pull request's number.
    pub number: u64,
    /// Who wrote it.
    pub author: String,
    /// The text.
    pub body: String,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Reactions, oldest first.
    pub reactions: Vec<Reaction>,
}

/// What a review says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReviewState {
    /// Yes.
    Approved,
    /// No.
    ChangesRequested,
    /// Neither.
    Commented,
    /// It was a yes or no that does not count any more.
    Dismissed,
}

impl ReviewState {
    /// Returns the word in GitHub's REST answers.
    pub fn word(self) -> &'static str {
        match self {
            Self::Approved => "APPROVED",
            Self::ChangesRequested => "CHANGES_REQUESTED",
            Self::Commented => "COMMENTED",
            Self::Dismissed => "DISMISSED",
        }
    }
}

/// A review of a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// The numeric id.
    pub id: u64,
    /// The pull request's number.
    pub number: u64,
    /// Who reviewed.
    pub author: String,
    /// What it says.
    pub state: ReviewState,
    /// The text.
    pub body: String,
    /// The head that was reviewed.
    pub commit_id: String,
    /// When.
    pub submitted_at: Timestamp,
}
