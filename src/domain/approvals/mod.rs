//! What an environment asks of people before a promotion is merged, and whose word counts.
//!
//! - A person's newest review counts, and no other; a comment without a verdict changes nothing.
//! - An approval counts on exactly the proposed SHA that it was given on. An objection keeps the gate closed
//!   on whatever head it was made, until the same person approves or somebody dismisses it.
//! - Whoever has write access may approve; where teams are named, their members and nobody else.
//! - Where authors may not approve, the approval of whoever wrote a dry commit that the promotion brings does
//!   not count. What the forge does not tell of authors and teams counts against the promotion, and is said.

mod owners;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use self::owners::{CODE_OWNERS_PLACES, CodeOwners, Owner, TooManyOwners};
use super::{
    ids::{DrySha, ProposedSha},
    permission::Grantee,
};

/// What an environment asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalRule {
    /// How many people must approve.
    pub count: usize,
    /// Whose approvals count; those of everybody with write access where none are named.
    pub teams: Vec<Grantee>,
    /// Whether each changed file that has owners on the active branch needs the approval of one of them.
    pub code_owners: bool,
    /// Whether the approvals of those who wrote what is promoted do not count.
    pub not_author: bool,
    /// After how long of waiting people are told.
    pub deadline: Option<SignedDuration>,
}

/// Somebody who reviewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reviewer {
    /// The numeric id of the account, which survives renaming.
    pub id: u64,
    /// The login.
    pub login: String,
}

/// A verdict about a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opinion {
    /// Yes.
    Approved,
    /// No.
    ChangesRequested,
    /// It was one of both, and somebody took it back.
    Dismissed,
}

/// A review that has a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Orders the reviews of one person: the forge's own rising id.
    pub id: u64,
    /// Who.
    pub by: Reviewer,
    /// What.
    pub opinion: Opinion,
    /// The head that was reviewed.
    pub commit: String,
    /// When.
    pub at: Timestamp,
}

/// What is known of the reviews of one proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reviewed {
    /// The proposal.
    pub proposed: ProposedSha,
    /// The newest review of each person.
    pub newest: Vec<Review>,
    /// What those may do whose word could count here, by their account's id.
    pub people: BTreeMap<u64, Standing>,
    /// Teams that the forge does not show, or does not have.
    pub unread: BTreeSet<Grantee>,
    /// Who owns what the proposal changes.
    pub owners: Owners,
    /// Who wrote what it brings.
    pub authors: Authors,
}

/// What somebody may do now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Whether it is an account with write access.
    pub may_write: bool,
    /// The teams that it is in, of those that matter here.
    pub among: BTreeSet<Grantee>,
}

/// What the active branch says of who owns the changed files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owners {
    /// Nobody asked.
    NotAsked,
    /// The branch has no file that says it.
    NoFile,
    /// The file is too long to be read.
    TooLong,
    /// The changed files that have owners.
    Known(Vec<Owned>),
}

/// Changed files with the same owners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// The first of them.
    pub path: String,
    /// How many more there are.
    pub more: usize,
    /// Their owners, any of whom may approve.
    pub owners: Vec<Owner>,
}

/// Who wrote the dry commits that a promotion brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authors {
    /// Nobody asked.
    NotAsked,
    /// The forge does not tell all of them.
    NotTold {
        /// How many commits are read at most, where there are more.
        read: Option<usize>,
    },
    /// These.
    Known {
        /// A commit of each account, by the account's id.
        accounts: BTreeMap<u64, DrySha>,
        /// A commit whose author is no account of the forge, and the author's name.
        unknown: Option<(DrySha, String)>,
    },
}

/// What is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "wait")]
pub enum ApprovalWait {
    /// Somebody who may approve asks for changes.
    ChangesRequested {
        /// Who.
        by: String,
        /// The head that the person saw, where it is another.
        on: Option<String>,
    },
    /// Too few have approved.
    Count {
        /// How many it takes.
        needed: usize,
        /// Whose approvals count; everybody's with write access where none are named.
        from: Vec<String>,
        /// Who has approved.
        given: Vec<String>,
        /// Whose approval does not count, and why.
        passed_over: Vec<PassedOver>,
    },
    /// No owner of some changed files has approved.
    CodeOwners {
        /// The first of the files.
        path: String,
        /// How many more there are.
        more: usize,
        /// Their owners.
        owners: Vec<String>,
    },
    /// The active branch has no file that names owners.
    NoCodeOwners,
    /// That file is too long.
    LongCodeOwners,
    /// The forge does not show a team whose word would count.
    UnreadTeam {
        /// The team.
        team: String,
    },
    /// A commit is by nobody whom the forge knows: it may be by whoever approves.
    UnknownAuthor {
        /// The commit.
        dry: DrySha,
        /// The author's name.
        name: String,
    },
    /// The forge does not tell the authors of all commits.
    UntoldAuthors {
        /// How many commits are read at most, where there are more.
        read: Option<usize>,
    },
}

/// An approval that does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOver {
    /// Whose.
    pub by: String,
    /// Why.
    #[serde(flatten)]
    pub because: Because,
}

/// Why an approval does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "because")]
pub enum Because {
    /// It was given on another head.
    OtherHead,
    /// The person is not among those whose approval counts.
    NotAmong,
    /// The person wrote a commit that is promoted.
    Author {
        /// The commit.
        dry: DrySha,
    },
}

/// How many heads of owners, or approvals that do not count, are named at most.
const NAMED: usize = 5;

impl ApprovalRule {
    /// Returns what is missing before a proposal may be merged; nothing when that is all there.
    pub fn waits(&self, reviewed: Option<&Reviewed>) -> Vec<ApprovalWait> {
        let Some(reviewed) = reviewed else { return vec![self.count(Vec::new(), Vec::new())] };
        let mut waits: Vec<ApprovalWait> = self.objections(reviewed).collect();
        let given = self.counting(reviewed);
        if given.len() < self.count {
            let given = given.iter().map(|review| review.by.login.clone()).collect();
            waits.push(self.count(given, self.passed_over(reviewed)));
        }
        waits.extend(self.unapproved(reviewed));
        if !waits.is_empty() {
            let unread = reviewed.unread.iter().take(NAMED);
            waits.extend(unread.map(|team| ApprovalWait::UnreadTeam { team: team.to_string() }));
        }
        waits.extend(self.doubts(reviewed));
        waits
    }

    /// Returns the approvals that count for the proposal, oldest first.
    pub fn counting<'a>(&self, reviewed: &'a Reviewed) -> Vec<&'a Review> {
        let mut counting: Vec<_> =
            reviewed.approvals().filter(|review| self.doubt(reviewed, review).is_none()).collect();
        counting.sort_by_key(|review| (review.at, review.id));
        counting
    }

    /// Returns the approvals that open the gate: those that count, and those of owners.
    pub fn opening<'a>(&self, reviewed: &'a Reviewed) -> Vec<&'a Review> {
        let is_owner = |review: &&Review| {
            self.code_owners && self.may_speak_for_owners(reviewed, review) && reviewed.owns_any(&review.by)
        };
        let mut opening: Vec<_> =
            reviewed.approvals().filter(|review| self.doubt(reviewed, review).is_none() || is_owner(review)).collect();
        opening.sort_by_key(|review| (review.at, review.id));
        opening
    }

    fn count(&self, given: Vec<String>, passed_over: Vec<PassedOver>) -> ApprovalWait {
        let from = self.teams.iter().map(ToString::to_string).collect();
        ApprovalWait::Count { needed: self.count, from, given, passed_over }
    }

    /// Says why an approval does not count, if it does not.
    fn doubt(&self, reviewed: &Reviewed, review: &Review) -> Option<Because> {
        if review.commit != reviewed.proposed.as_str() {
            return Some(Because::OtherHead);
        }
        if !self.is_among(reviewed, &review.by) {
            return Some(Because::NotAmong);
        }
        self.wrote(reviewed, &review.by).map(|dry| Because::Author { dry: dry.clone() })
    }

    fn is_among(&self, reviewed: &Reviewed, who: &Reviewer) -> bool {
        let Some(standing) = reviewed.people.get(&who.id) else { return false };
        if self.teams.is_empty() { standing.may_write } else { self.teams.iter().any(|t| standing.among.contains(t)) }
    }

    fn wrote<'a>(&self, reviewed: &'a Reviewed, who: &Reviewer) -> Option<&'a DrySha> {
        match &reviewed.authors {
            Authors::Known { accounts, .. } if self.not_author => accounts.get(&who.id),
            _ => None,
        }
    }

    /// An owner's approval counts for the files, whether or not the person is in one of the teams.
    fn may_speak_for_owners(&self, reviewed: &Reviewed, review: &Review) -> bool {
        let may_write = reviewed.people.get(&review.by.id).is_some_and(|standing| standing.may_write);
        may_write && review.commit == reviewed.proposed.as_str() && self.wrote(reviewed, &review.by).is_none()
    }

    fn objections(&self, reviewed: &Reviewed) -> impl Iterator<Item = ApprovalWait> {
        let counts = |review: &&Review| {
            let owns = self.code_owners && reviewed.owns_any(&review.by);
            let may_write = reviewed.people.get(&review.by.id).is_some_and(|standing| standing.may_write);
            self.is_among(reviewed, &review.by) || (owns && may_write)
        };
        let newest = reviewed.newest.iter();
        newest.filter(|review| review.opinion == Opinion::ChangesRequested).filter(counts).map(|review| {
            let is_other = review.commit != reviewed.proposed.as_str();
            let on = is_other.then(|| review.commit.chars().take(7).collect());
            ApprovalWait::ChangesRequested { by: review.by.login.clone(), on }
        })
    }

    fn passed_over(&self, reviewed: &Reviewed) -> Vec<PassedOver> {
        let doubtful =
            |review: &Review| Some(PassedOver { by: review.by.login.clone(), because: self.doubt(reviewed, review)? });
        reviewed.approvals().filter_map(doubtful).take(NAMED).collect()
    }

    /// Returns the changed files whose owners have not approved.
    fn unapproved(&self, reviewed: &Reviewed) -> Vec<ApprovalWait> {
        match &reviewed.owners {
            _ if !self.code_owners => Vec::new(),
            // Where nobody looked, nobody can have approved for the owners.
            Owners::NoFile | Owners::NotAsked => vec![ApprovalWait::NoCodeOwners],
            Owners::TooLong => vec![ApprovalWait::LongCodeOwners],
            Owners::Known(owned) => {
                let has_approval = |owned: &&Owned| {
                    let speaks = |review: &Review| {
                        self.may_speak_for_owners(reviewed, review) && reviewed.owns(&review.by, &owned.owners)
                    };
                    reviewed.approvals().any(speaks)
                };
                let missing = owned.iter().filter(|owned| !has_approval(owned)).take(NAMED);
                let wait = |owned: &Owned| ApprovalWait::CodeOwners {
                    path: owned.path.clone(),
                    more: owned.more,
                    owners: owned.owners.iter().map(|owner| owner.text.clone()).collect(),
                };
                missing.map(wait).collect()
            }
        }
    }

    /// Returns what is not known of who wrote what.
    fn doubts(&self, reviewed: &Reviewed) -> Option<ApprovalWait> {
        match &reviewed.authors {
            _ if !self.not_author => None,
            Authors::NotTold { read } => Some(ApprovalWait::UntoldAuthors { read: *read }),
            Authors::Known { unknown: Some((dry, name)), .. } => {
                Some(ApprovalWait::UnknownAuthor { dry: dry.clone(), name: name.clone() })
            }
            // Where nobody looked, the count was not asked either.
            Authors::Known { unknown: None, .. } | Authors::NotAsked => None,
        }
    }
}

impl Reviewed {
    /// Returns the newest review of each person, oldest first.
    pub fn newest_of_each(mut reviews: Vec<Review>) -> Vec<Review> {
        reviews.sort_by_key(|review| (review.at, review.id));
        let mut newest: BTreeMap<u64, Review> = BTreeMap::new();
        for review in reviews {
            newest.insert(review.by.id, review);
        }
        let mut newest: Vec<_> = newest.into_values().collect();
        newest.sort_by_key(|review| (review.at, review.id));
        newest
    }

    fn approvals(&self) -> impl Iterator<Item = &Review> {
        self.newest.iter().filter(|review| review.opinion == Opinion::Approved)
    }

    fn owns_any(&self, who: &Reviewer) -> bool {
        match &self.owners {
            Owners::Known(owned) => owned.iter().any(|owned| self.owns(who, &owned.owners)),
            Owners::NotAsked | Owners::NoFile | Owners::TooLong => false,
        }
    }

    fn owns(&self, who: &Reviewer, owners: &[Owner]) -> bool {
        let is_in = |team: &Grantee| self.people.get(&who.id).is_some_and(|standing| standing.among.contains(team));
        owners.iter().filter_map(|owner| owner.people.as_ref()).any(|people| match people {
            Grantee::User(login) => login.eq_ignore_ascii_case(&who.login),
            Grantee::Team(_) => is_in(people),
        })
    }
}

impl ApprovalWait {
    /// Returns the name under which the wait is remembered.
    pub fn id(&self) -> String {
        match self {
            Self::ChangesRequested { by, .. } => format!("objection:{by}"),
            Self::Count { .. } => "count".into(),
            Self::CodeOwners { owners, .. } => format!("owners:{}", owners.join(",")),
            Self::NoCodeOwners | Self::LongCodeOwners => "owners".into(),
            Self::UnreadTeam { team } => team.clone(),
            Self::UnknownAuthor { .. } | Self::UntoldAuthors { .. } => "authors".into(),
        }
    }
}
