//! Reviews and the service: what the forge says of a proposal that needs approvals.
//!
//! - Nothing is asked where no approvals are, or where no promotion pull request is open.
//! - Reviews are read again when an event says so, with the timer, and right before a merge. What people may do
//!   is asked only of those whose review could count, remembered for a short time, and asked anew before a merge.
//! - Who owns what is read from the mirror; who wrote what is told by the forge, once for two commits.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};

use super::{LookError, context::StrategyContext};
use crate::{
    domain::{
        approvals::{
            ApprovalRule, Authors, CODE_OWNERS_PLACES, CodeOwners, Opinion, Owned, Owner, Owners, Review, Reviewed,
            Reviewer, Standing,
        },
        ids::{DrySha, ProposedSha, PullRequestNumber, TreeId},
        permission::{Grantee, Permission},
        snapshot::{Proposal, Run},
    },
    forge::{Account, Among, COMMITS_AT_ONCE, CommitAuthor, ForgeError, Reviews},
    git::{
        changed::{self, FileText},
        history,
    },
};

/// How long it is remembered what somebody may do: not until everything is looked at again.
const REMEMBERED_FOR: SignedDuration = SignedDuration::from_mins(4);

/// How long it is remembered whether the forge shows us a team at all.
const TEAM_REMEMBERED_FOR: SignedDuration = SignedDuration::from_hours(1);

/// How many answers about people, and about authors, are remembered; beyond, all are forgotten.
const REMEMBERED: usize = 1_000;

/// The most people that are asked about for one proposal, those first who reviewed last.
const MOST_PEOPLE: usize = 50;

/// The most teams that are asked about for one proposal; the others count as not shown.
const MOST_TEAMS: usize = 50;

/// The longest `CODEOWNERS`, bytes: longer ones GitHub does not read either.
const CODE_OWNERS_LIMIT: usize = 3 << 20;

/// What was read about reviews, and nothing has made stale since.
#[derive(Debug, Default)]
pub(super) struct ReviewMemory {
    reviews: HashMap<PullRequestNumber, Reviews>,
    answers: HashMap<(u64, Question), (Among, Timestamp)>,
    written: HashMap<(Option<String>, DrySha), Written>,
}

/// What is asked about somebody.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Question {
    /// Whether the account has write access.
    Writes,
    /// Whether it is in a team.
    IsIn(Grantee),
}

/// What the forge with the dry branch says of who wrote commits.
#[derive(Debug, Clone)]
enum Written {
    /// It does not tell all of them, and reads so many at most, where there are more.
    NotTold { read: Option<usize> },
    /// These.
    By(Vec<CommitAuthor>),
}

/// A proposal in its open pull request, and what it would replace.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) number: PullRequestNumber,
    pub(super) proposal: &'a Proposal,
    /// The tree of the active branch.
    pub(super) active: &'a TreeId,
    /// What runs.
    pub(super) running: Option<&'a Run>,
}

impl ReviewMemory {
    /// Forgets the reviews of a pull request.
    pub(super) fn forget(&mut self, number: PullRequestNumber) {
        self.reviews.remove(&number);
    }

    /// Forgets all reviews, and authors whom the forge did not know; people may have been given accounts.
    pub(super) fn forget_all(&mut self) {
        self.reviews.clear();
        self.written.clear();
    }

    /// Reads all reviews again; returns the pull requests of which they differ from what was known.
    pub(super) async fn read_again(&mut self, context: &StrategyContext) -> Result<Vec<PullRequestNumber>, ForgeError> {
        let mut differing = Vec::new();
        for (number, known) in std::mem::take(&mut self.reviews) {
            let read = context.destination.forge.reviews(&context.destination.id, number).await?;
            if read != known {
                differing.push(number);
            }
            self.reviews.insert(number, read);
        }
        Ok(differing)
    }

    /// Returns what people say of a proposal; what was read before counts as long as nothing made it stale.
    pub(super) async fn read(
        &mut self,
        context: &StrategyContext,
        rule: &ApprovalRule,
        subject: Subject<'_>,
    ) -> Result<Reviewed, LookError> {
        let proposed = &subject.proposal.sha;
        let newest = Reviewed::newest_of_each(self.reviews(context, subject.number).await?);
        let owners = if rule.code_owners { owners(context, subject).await? } else { Owners::NotAsked };
        let authors = match rule.not_author {
            true => self.written(context, subject).await?.authors(context, &newest),
            false => Authors::NotAsked,
        };
        let (teams, mut unread) = teams(rule, &owners);
        let mut people = BTreeMap::new();
        for reviewer in newest.iter().rev().filter(|review| could_count(review, proposed)).take(MOST_PEOPLE) {
            let standing = self.standing(context, &reviewer.by, &teams, &mut unread).await?;
            people.insert(reviewer.by.id, standing);
        }
        let ours = &context.destination.account;
        for team in &rule.teams {
            // Nobody may have reviewed yet, and a team that is not there is told all the same.
            if self.ask(context, ours, &Question::IsIn(team.clone()), TEAM_REMEMBERED_FOR).await? == Among::Unknown {
                unread.insert(team.clone());
            }
        }
        Ok(Reviewed { proposed: proposed.clone(), newest, people, unread, owners, authors })
    }

    /// Returns the same as [`Self::read`], asked anew.
    pub(super) async fn read_now(
        &mut self,
        context: &StrategyContext,
        rule: &ApprovalRule,
        subject: Subject<'_>,
    ) -> Result<Reviewed, LookError> {
        self.forget(subject.number);
        self.answers.clear();
        self.read(context, rule, subject).await
    }

    async fn reviews(
        &mut self,
        context: &StrategyContext,
        number: PullRequestNumber,
    ) -> Result<Vec<Review>, ForgeError> {
        let reviews = match self.reviews.get(&number) {
            Some(known) => known.clone(),
            None => {
                let read = context.destination.forge.reviews(&context.destination.id, number).await?;
                self.reviews.insert(number, read.clone());
                read
            }
        };
        match reviews {
            Reviews::All(reviews) => Ok(reviews),
            Reviews::TooMany => {
                tracing::warn!(pull_request.number = number.0, "{number} has too many reviews; none of them counts");
                Ok(Vec::new())
            }
        }
    }

    /// Asks what somebody may do.
    async fn standing(
        &mut self,
        context: &StrategyContext,
        who: &Reviewer,
        teams: &BTreeSet<Grantee>,
        unread: &mut BTreeSet<Grantee>,
    ) -> Result<Standing, ForgeError> {
        let account = Account { id: who.id, login: who.login.clone() };
        let writes = self.ask(context, &account, &Question::Writes, REMEMBERED_FOR).await?;
        let mut among = BTreeSet::new();
        for team in teams {
            match self.ask(context, &account, &Question::IsIn(team.clone()), REMEMBERED_FOR).await? {
                Among::Yes => drop(among.insert(team.clone())),
                Among::No => {}
                Among::Unknown => drop(unread.insert(team.clone())),
            }
        }
        Ok(Standing { may_write: writes == Among::Yes, among })
    }

    async fn ask(
        &mut self,
        context: &StrategyContext,
        account: &Account,
        question: &Question,
        remembered_for: SignedDuration,
    ) -> Result<Among, ForgeError> {
        let (key, now) = ((account.id, question.clone()), context.now());
        if let Some((answer, at)) = self.answers.get(&key)
            && now.duration_since(*at) < remembered_for
        {
            return Ok(*answer);
        }
        let (forge, repository) = (&context.destination.forge, &context.destination.id);
        let answer = match question {
            Question::Writes => match forge.permission(repository, account).await {
                Ok(permission) if permission >= Permission::Write => Among::Yes,
                Ok(_) => Among::No,
                Err(ForgeError::Unauthorised { .. }) => Among::Unknown,
                Err(error) => return Err(error),
            },
            Question::IsIn(team) => forge.is_among(repository, team, account).await?,
        };
        if self.answers.len() >= REMEMBERED {
            self.answers.clear();
        }
        self.answers.insert(key, (answer, now));
        Ok(answer)
    }

    /// Asks who wrote the commits that a proposal brings: those after what runs; where nothing runs, its newest one
    /// with what that merged.
    async fn written(&mut self, context: &StrategyContext, subject: Subject<'_>) -> Result<Written, LookError> {
        let dry = &subject.proposal.dry;
        let base = match subject.running {
            Some(run) => Some(run.dry.to_string()),
            None => parent(context, dry).await?,
        };
        let key = (base, dry.clone());
        if let Some(known) = self.written.get(&key) {
            return Ok(known.clone());
        }
        let asked = context.dry.forge.authors(&context.id.repository, key.0.as_deref(), dry.as_str()).await;
        let written = match asked {
            Ok(commits) if commits.len() >= COMMITS_AT_ONCE => Written::NotTold { read: Some(COMMITS_AT_ONCE) },
            Ok(commits) => Written::By(commits),
            // One of the two commits is not on the forge any more.
            Err(ForgeError::NotFound { .. }) => Written::NotTold { read: None },
            Err(error) => return Err(error.into()),
        };
        if self.written.len() >= REMEMBERED {
            self.written.clear();
        }
        self.written.insert(key, written.clone());
        Ok(written)
    }
}

/// Says whether it matters what somebody may do: an approval of this head, or an objection.
fn could_count(review: &Review, proposed: &ProposedSha) -> bool {
    match review.opinion {
        Opinion::Approved => review.commit == proposed.as_str(),
        Opinion::ChangesRequested => true,
        Opinion::Dismissed => false,
    }
}

/// Returns the teams whose members count or own something, and those that are too many to be asked about.
fn teams(rule: &ApprovalRule, owners: &Owners) -> (BTreeSet<Grantee>, BTreeSet<Grantee>) {
    let owned: &[Owned] = if let Owners::Known(owned) = owners { owned } else { &[] };
    let owners = owned.iter().flat_map(|owned| &owned.owners).filter_map(|owner| owner.people.clone());
    let owners = owners.filter(|people| matches!(people, Grantee::Team(_)));
    let (mut asked, mut left) = (BTreeSet::new(), BTreeSet::new());
    for team in rule.teams.iter().cloned().chain(owners) {
        if asked.len() < MOST_TEAMS || asked.contains(&team) {
            asked.insert(team)
        } else {
            left.insert(team)
        };
    }
    (asked, left)
}

impl Written {
    /// Returns who wrote it, by the accounts of the forge on which it is reviewed.
    fn authors(self, context: &StrategyContext, reviews: &[Review]) -> Authors {
        let commits = match self {
            Self::NotTold { read } => return Authors::NotTold { read },
            Self::By(commits) => commits,
        };
        let is_one_forge = context.dry.forge_name == context.destination.forge_name;
        let (mut accounts, mut unknown) = (BTreeMap::new(), None);
        for commit in commits.into_iter().filter(|commit| !commit.merged_by_forge) {
            let Ok(sha) = DrySha::new(commit.sha) else { continue };
            let id = match commit.account {
                Some(account) if is_one_forge => account.id,
                // Another forge numbers people in its own way: all that both have in common is what people are called.
                Some(account) => match reviews.iter().find(|one| one.by.login.eq_ignore_ascii_case(&account.login)) {
                    Some(review) => review.by.id,
                    None => continue,
                },
                None => {
                    unknown = unknown.or(Some((sha, commit.name)));
                    continue;
                }
            };
            accounts.entry(id).or_insert(sha);
        }
        Authors::Known { accounts, unknown }
    }
}

/// Returns the commit before a dry commit on the line, if there is one.
async fn parent(context: &StrategyContext, dry: &DrySha) -> Result<Option<String>, LookError> {
    let dry = dry.clone();
    let read = context.dry.mirror.read(move |repository, _| history::commit_by_id(repository, dry.as_str()));
    Ok(read.await?.parent.map(|parent| parent.to_string()))
}

/// Reads who owns what a proposal changes, as the active branch says.
async fn owners(context: &StrategyContext, subject: Subject<'_>) -> Result<Owners, LookError> {
    let organisation = context.destination.id.owner().to_owned();
    // What others have changed on the branch since is no change of the proposal.
    let (parent, proposed) = (subject.proposal.parent.to_string(), subject.proposal.tree.to_string());
    let active = subject.active.to_string();
    let read = context.destination.mirror.read(move |repository, _| {
        let text = changed::first_text(repository, &active, &CODE_OWNERS_PLACES, CODE_OWNERS_LIMIT)?;
        let paths = changed::paths(repository, &parent, &proposed)?;
        Ok(match text {
            FileText::Missing => Owners::NoFile,
            FileText::TooLong => Owners::TooLong,
            FileText::Text(text) => match CodeOwners::parse(&text, &organisation) {
                Ok(owners) => Owners::Known(grouped(&owners, &paths)),
                Err(_) => Owners::TooLong,
            },
        })
    });
    Ok(read.await?)
}

/// Puts the files together that have the same owners; those without are left out.
fn grouped(owners: &CodeOwners, paths: &[String]) -> Vec<Owned> {
    let mut groups: BTreeMap<Vec<Owner>, Owned> = BTreeMap::new();
    for path in paths {
        let of = owners.of(path);
        if of.is_empty() {
            continue;
        }
        match groups.get_mut(of) {
            Some(owned) => owned.more += 1,
            None => {
                let owned = Owned { path: path.clone(), more: 0, owners: of.to_vec() };
                groups.insert(of.to_vec(), owned);
            }
        }
    }
    groups.into_values().collect()
}
