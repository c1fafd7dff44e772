//! Drift: what stands on an active branch is not what was promoted there last.
//!
//! - Somebody else's commit, a merge that gave another tree, or a forced push changed what we own.
//!   Nothing is merged over it; what others own beside it is no drift.
//! - A person adopts it, and then it runs and verifies nothing, or restores what was promoted last.
//!   Either is bound to the commit that brought what the person saw, and is off when there is another.
//! - What was said of it stands on the forge, in one commit status of ours on that commit; so it can
//!   be read back when the store is lost.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    adoption::OtherHydrator,
    ids::{ActiveSha, DrySha, ProposedSha, PullRequestNumber},
    snapshot::PostedStatus,
    status::{CommitStatus, StatusState},
};

/// A change of what we own by somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// How it came.
    #[serde(flatten)]
    pub way: DriftWay,
    /// The commit that began it.
    pub commit: ActiveSha,
    /// The commit since which the outputs are as they are now: what people say of it is bound to this one.
    pub newest: ActiveSha,
    /// Who did it; nobody knows who forced a push.
    pub author: Option<String>,
    /// The outputs that are not what was promoted.
    pub outputs: Vec<String>,
    /// What was promoted last; none where nothing ever was.
    pub promoted: Option<LastPromoted>,
    /// The other hydrator that did it, where it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hydrator: Option<OtherHydrator>,
}

/// What was promoted last to a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastPromoted {
    /// A commit that holds it.
    pub commit: ActiveSha,
    /// The dry SHA that it came from.
    pub dry: DrySha,
}

/// How drift came onto an active branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "way")]
pub enum DriftWay {
    /// By commits of somebody else.
    Commits,
    /// By the merge of a pull request of ours, which gave another tree than was composed.
    Merge {
        /// The pull request.
        number: PullRequestNumber,
    },
    /// By a forced push, which took away what was promoted last.
    ForcedPush,
}

/// A person has what was promoted last brought back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restore {
    /// The commit whose outputs the person saw: [`Drift::newest`].
    pub of: ActiveSha,
    /// Who.
    pub by: String,
    /// Why; may be empty.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// A person has taken drift as what runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adoption {
    /// Who.
    pub by: String,
    /// Why; may be empty.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// What a forced push had taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<LastPromoted>,
}

/// Somebody's commits on a branch on which we propose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignWork {
    /// The head that holds them.
    pub head: ProposedSha,
    /// Who made the newest of them.
    pub author: String,
    /// The outputs that they change.
    pub outputs: Vec<String>,
}

/// A person has somebody's commits on a proposed branch replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discard {
    /// The head that the person saw: [`ForeignWork::head`].
    pub of: ProposedSha,
    /// Who.
    pub by: String,
    /// Why; may be empty.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// What a status of ours says of drift.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DriftMark {
    /// It was adopted.
    Adopted {
        /// By whom.
        by: String,
        /// Why; the forge keeps its beginning.
        reason: String,
    },
    /// It is to be restored.
    Restoring {
        /// By whom.
        by: String,
        /// Why; the forge keeps its beginning.
        reason: String,
    },
    /// What was said of it is over.
    Over,
}

const ADOPTED_BY: &str = "Adopted by ";
const RESTORED_BY: &str = "Restored for ";
const ENDED: &str = "Ended: ";

impl Drift {
    /// Makes drift that one commit of somebody brought.
    pub fn of_commit(commit: ActiveSha, author: String, outputs: Vec<String>, promoted: Option<LastPromoted>) -> Self {
        let newest = commit.clone();
        Self { way: DriftWay::Commits, commit, newest, author: Some(author), outputs, promoted, hydrator: None }
    }

    /// Returns what a forced push took away.
    pub fn lost(&self) -> Option<&LastPromoted> {
        self.promoted.as_ref().filter(|_| self.way == DriftWay::ForcedPush)
    }

    /// Returns the status that stands on the commit that brought it, until somebody says what becomes of it.
    pub fn status(&self) -> PostedStatus {
        PostedStatus::new(StatusState::Failure, &self.to_string())
    }
}

impl Adoption {
    /// Returns the status that stands on the adopted commit.
    pub fn status(&self) -> PostedStatus {
        PostedStatus::new(StatusState::Success, &said(ADOPTED_BY, &self.by, &self.reason))
    }
}

impl Restore {
    /// Returns the status that stands on the commit of drift while it is being restored.
    pub fn status(&self) -> PostedStatus {
        PostedStatus::new(StatusState::Pending, &said(RESTORED_BY, &self.by, &self.reason))
    }

    /// Returns the status that stands there when that is over.
    pub fn ended(reason: &str) -> PostedStatus {
        PostedStatus::new(StatusState::Success, &format!("{ENDED}{reason}"))
    }
}

impl Discard {
    /// Returns the status that stands on the head until it is replaced.
    pub fn status(&self) -> PostedStatus {
        PostedStatus::new(StatusState::Pending, &said(RESTORED_BY, &self.by, &self.reason))
    }
}

impl DriftMark {
    /// Reads what a status of ours says; nothing when it is not one of those above.
    pub fn read(status: &CommitStatus) -> Option<Self> {
        let text = &status.description;
        match status.state {
            StatusState::Success => match text.strip_prefix(ADOPTED_BY).map(who_and_why) {
                Some((by, reason)) => Some(Self::Adopted { by, reason }),
                None => text.starts_with(ENDED).then_some(Self::Over),
            },
            StatusState::Pending => {
                let (by, reason) = who_and_why(text.strip_prefix(RESTORED_BY)?);
                Some(Self::Restoring { by, reason })
            }
            StatusState::Failure | StatusState::Error => None,
        }
    }
}

/// Returns who and why in one line; a name with a colon would end too early.
fn said(verb: &str, by: &str, reason: &str) -> String {
    let by = by.replace(": ", " ");
    if reason.is_empty() { format!("{verb}{by}") } else { format!("{verb}{by}: {reason}") }
}

fn who_and_why(text: &str) -> (String, String) {
    let (by, reason) = text.split_once(": ").unwrap_or((text, ""));
    (by.to_owned(), reason.to_owned())
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let author = self.author.as_deref().unwrap_or("somebody unknown");
        let outputs = list(&self.outputs);
        if let Some(hydrator) = self.hydrator {
            return write!(
                f,
                "{hydrator} still writes this branch: it changed {outputs} in {}; {}, then revert that commit",
                self.commit.short(),
                hydrator.remedy()
            );
        }
        match self.way {
            DriftWay::Commits => write!(f, "{author} changed {outputs} on the branch in {}", self.commit.short())?,
            DriftWay::Merge { number } => write!(
                f,
                "the merge of {number} by {author} gave {outputs} other than proposed, in {}",
                self.commit.short()
            )?,
            DriftWay::ForcedPush => {
                write!(f, "{author} changed {outputs} with a forced push")?;
                return self
                    .promoted
                    .as_ref()
                    .map_or(Ok(()), |lost| write!(f, ", which took {} away", lost.commit.short()));
            }
        }
        if self.newest == self.commit { Ok(()) } else { write!(f, ", and again in {}", self.newest.short()) }
    }
}

impl fmt::Display for ForeignWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { head, author, outputs } = self;
        match outputs.as_slice() {
            [] => write!(f, "{author} pushed {} onto the proposal", head.short()),
            outputs => write!(f, "{author} pushed {} onto the proposal, which changes {}", head.short(), list(outputs)),
        }
    }
}

/// Returns at most three names, and how many more there are.
fn list(names: &[String]) -> String {
    let shown = names.iter().take(3).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(3) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ids::StatusKey, status::StatusSource};

    fn active(name: &str) -> ActiveSha {
        ActiveSha::new(name).expect("a word")
    }

    fn drift() -> Drift {
        let outputs = ["api", "shop", "web", "worker"].map(str::to_owned).to_vec();
        let promoted = LastPromoted { commit: active("merge-1"), dry: DrySha::new("dry-1").expect("a word") };
        Drift::of_commit(active("foreign"), "eve".into(), outputs, Some(promoted))
    }

    fn read(status: PostedStatus) -> Option<DriftMark> {
        DriftMark::read(&CommitStatus {
            key: StatusKey::new("hydromote/drift/dev").expect("a key"),
            state: status.state,
            source: StatusSource::Status,
            reported_at: Timestamp::UNIX_EPOCH,
            id: 1,
            description: status.description,
            creator: Some(1),
            reporter: None,
        })
    }

    #[test]
    fn it_says_who_did_what_and_how() {
        insta::assert_snapshot!(drift(), @"eve changed `api`, `shop`, `web` and 1 more on the branch in foreign");
        let again = Drift { newest: active("later"), outputs: vec!["shop".into()], ..drift() };
        insta::assert_snapshot!(again, @"eve changed `shop` on the branch in foreign, and again in later");
        let merge =
            Drift { way: DriftWay::Merge { number: PullRequestNumber(3) }, newest: active("foreign"), ..again.clone() };
        insta::assert_snapshot!(merge, @"the merge of #3 by eve gave `shop` other than proposed, in foreign");
        let forced = Drift { way: DriftWay::ForcedPush, author: None, ..again };
        insta::assert_snapshot!(forced, @"somebody unknown changed `shop` with a forced push, which took merge-1 away");
    }

    #[test]
    fn what_was_said_of_it_is_read_back_from_the_forge() {
        for (by, reason, whole) in [("ada", "it is a hotfix: keep it", true), ("ada", "", true), ("a: b", "", false)] {
            let (by, reason, at) = (by.to_owned(), reason.to_owned(), Timestamp::UNIX_EPOCH);
            let adoption = Adoption { by: by.clone(), reason: reason.clone(), at, lost: None };
            let restore = Restore { of: active("foreign"), by: by.clone(), reason: reason.clone(), at };
            let by = if whole { by } else { "a b".to_owned() };
            let adopted = DriftMark::Adopted { by: by.clone(), reason: reason.clone() };
            assert_eq!(read(adoption.status()), Some(adopted));
            assert_eq!(read(restore.status()), Some(DriftMark::Restoring { by, reason }));
        }
        assert_eq!(read(Restore::ended("it is restored")), Some(DriftMark::Over));
        assert_eq!(read(PostedStatus::new(StatusState::Failure, "Adopted by eve")), None);
    }
}
