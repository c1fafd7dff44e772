//! What became of a command, as it is remembered and shown.

use serde::{Deserialize, Serialize};

use super::Verb;
use crate::domain::{
    ids::{ActiveSha, DrySha, HeadSha, Place, ProposedSha, PullRequestNumber, RepositoryId},
    permission::{Grant, Permission},
};

/// The answer to one command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Who gave it: a login.
    pub by: String,
    /// The line as it was written.
    pub line: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// The gates are shown anyway.
    Status,
    /// The commands are listed.
    Help,
    /// What a promotion changes.
    Diff {
        /// Where.
        place: Place,
        /// Files that differ.
        files: usize,
        /// Lines that come.
        added: usize,
        /// Lines that go.
        removed: usize,
        /// The beginning of the differences.
        patch: String,
        /// Whether there is more.
        cut: bool,
    },
    /// A promotion was accepted for exactly this head.
    Promoting {
        /// Where.
        place: Place,
        /// The head.
        proposed: ProposedSha,
        /// What it promotes.
        dry: Option<DrySha>,
    },
    /// An environment is held.
    Held {
        /// Which.
        place: Place,
    },
    /// A hold was taken back.
    Released {
        /// Where.
        place: Place,
        /// What, in words.
        what: String,
    },
    /// A rollback was accepted.
    RollingBack {
        /// Where.
        place: Place,
        /// What it leaves.
        from: DrySha,
        /// What it goes back to.
        to: DrySha,
    },
    /// What was promoted last comes back.
    Restoring {
        /// Where.
        place: Place,
        /// The commit over which, by the beginning of its id.
        over: String,
    },
    /// What others put there runs.
    Adopted {
        /// Where.
        place: Place,
        /// The commit of drift.
        commit: ActiveSha,
    },
    /// A dry commit was rejected.
    Rejected {
        /// The commit.
        dry: DrySha,
        /// Where it runs already.
        runs_in: Vec<Place>,
    },
    /// A rejection was taken back.
    Unrejected {
        /// The commit.
        dry: DrySha,
    },
    /// What failed is tried again.
    Retried,
    /// The answer is no, or the command cannot be understood.
    Refused {
        /// Why.
        message: String,
        /// What would be right.
        help: String,
    },
    /// The author lacks the right.
    LacksRight {
        /// What was asked for.
        verb: Verb,
        /// The right that it needs.
        needs: Permission,
        /// The author's right.
        has: Permission,
        /// The key of the strategy that names people who may do it, and not the author.
        #[serde(default)]
        grant: Option<Grant>,
        /// Teams under that key that could not be read.
        #[serde(default)]
        unread: Vec<String>,
        /// The repository in which it needs it, when that is not the one of the comment.
        #[serde(default)]
        repository: Option<RepositoryId>,
    },
    /// The head is not the one that the author saw.
    Moved {
        /// Where.
        place: Place,
    },
    /// The pull request has ended.
    Ended {
        /// Where it went.
        place: Place,
        /// The pull request that is open there now.
        open: Option<PullRequestNumber>,
    },
    /// More commands than one comment may hold.
    TooMany {
        /// How many it may hold.
        limit: usize,
    },
    /// A pull request is rendered before it is merged.
    Previewing {
        /// Its head.
        head: HeadSha,
    },
    /// A change of the strategy may drop what is under way.
    Overridden {
        /// The head, or the dry commit it became, that it was said of.
        head: HeadSha,
    },
    /// The version that was asked could not do it yet.
    NotYet {
        /// What was asked for.
        verb: Verb,
    },
    /// The service stopped in the middle.
    Interrupted,
    /// It was done before the service lost its memory.
    Forgotten,
}

impl Outcome {
    /// Returns the answer to another command of the same comment, when this one says it already: its
    /// author lacks the right, and the same people are named for both. Both must be asked for in the same repository.
    pub fn refuses_too(&self, other: Verb) -> Option<Self> {
        let Self::LacksRight { verb, needs: needed, has, grant, unread, repository } = self else { return None };
        let needs = other.needs();
        // What was lacking for an override may be there for the command without one.
        (*needed == verb.needs() && *has < needs && verb.grant() == other.grant()).then(|| Self::LacksRight {
            verb: other,
            needs,
            has: *has,
            grant: *grant,
            unread: unread.clone(),
            repository: repository.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_lacks_a_right_lacks_it_for_what_needs_the_same() {
        let lacks = |verb: Verb| Outcome::LacksRight {
            verb,
            needs: verb.needs(),
            has: Permission::Triage,
            grant: None,
            unread: vec!["team:qa".into()],
            repository: None,
        };
        assert_eq!(lacks(Verb::Promote).refuses_too(Verb::Reject), Some(lacks(Verb::Reject)));
        for other in [Verb::Rollback, Verb::Hold, Verb::Status] {
            assert_eq!(lacks(Verb::Promote).refuses_too(other), None, "{other}");
        }
        assert_eq!(Outcome::Retried.refuses_too(Verb::Promote), None);
    }
}
