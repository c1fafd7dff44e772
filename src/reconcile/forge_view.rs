//! What was read from the forge and nothing has made stale since.
//!
//! Webhooks say what to read again; the timer has everything read again, so a lost webhook costs
//! time and nothing else: what differs then is heeded as the webhook would have been.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;

use super::{attention::Attention, context::StrategyContext, deployed_reports, reviewing::ReviewMemory};
use crate::{
    domain::{
        ids::{BranchName, DrySha, LaneName, Place, PullRequestNumber, StatusKey},
        status::CommitStatus,
        strategy::key_pattern::OWN_PREFIX,
    },
    forge::{ForgeError, PullRequest, PullRequestState},
};

/// The forge as it was last read.
#[derive(Debug, Default)]
pub struct ForgeView {
    pull_requests: HashMap<BranchName, PullRequests>,
    statuses: HashMap<String, Statuses>,
    promotions: HashSet<(Place, String)>,
    gone: HashSet<Place>,
    /// What this look has pushed.
    pushed: HashSet<String>,
    /// The branches whose pull requests were asked for since the last observation began.
    branches_asked: HashSet<BranchName>,
    /// The commits whose statuses were.
    commits_asked: HashSet<String>,
    /// What was read about reviews.
    pub(super) reviewing: ReviewMemory,
}

/// The pull requests from one branch.
#[derive(Debug)]
struct PullRequests {
    /// The branch that they are merged into.
    base: BranchName,
    /// In every state, newest first.
    all: Vec<PullRequest>,
}

/// What was reported on one commit.
#[derive(Debug)]
struct Statuses {
    /// Which repository has the commit.
    of: Whose,
    all: Vec<CommitStatus>,
}

#[derive(Debug, Clone, Copy)]
enum Whose {
    /// The dry one.
    Dry,
    /// The one with the environments' branches.
    Destination,
}

impl ForgeView {
    /// Notes that an observation begins.
    pub fn begin_observation(&mut self) {
        self.branches_asked.clear();
        self.commits_asked.clear();
    }

    /// Reads everything again that the last observation asked for, and forgets the rest; returns what differs from what
    /// was known of it.
    pub async fn read_again(&mut self, context: &StrategyContext) -> Result<Vec<Attention>, ForgeError> {
        self.pull_requests.retain(|head, _| self.branches_asked.contains(head));
        self.statuses.retain(|sha, _| self.commits_asked.contains(sha));
        let mut differing = Vec::new();
        // What cannot be read is read by the next look.
        for (head, known) in std::mem::take(&mut self.pull_requests) {
            let read = self.pull_requests(context, &head, &known.base).await?;
            differing.extend(changed(&known.all, &read).into_iter().map(|pull_request| Attention::PullRequest {
                number: pull_request.number,
                head: Some(pull_request.head_sha.clone()),
                state: Some(word(pull_request.state).to_owned()),
            }));
        }
        for (sha, known) in std::mem::take(&mut self.statuses) {
            let read = self.statuses_in(context, known.of, &sha).await?;
            let one_sided = read.iter().filter(|one| !known.all.contains(one));
            let keys = one_sided.chain(known.all.iter().filter(|one| !read.contains(one))).map(|one| &one.key);
            let of_key = |key: &StatusKey| Attention::Commit { sha: sha.clone(), key: Some(key.to_string()) };
            differing.extend(keys.collect::<BTreeSet<_>>().into_iter().map(of_key));
        }
        let reviewed = self.reviewing.read_again(context).await?;
        let changed = |number| Attention::PullRequest { number, head: None, state: None };
        differing.extend(reviewed.into_iter().map(changed));
        Ok(differing)
    }

    /// Forgets what `attention` makes stale.
    pub fn forget(&mut self, attention: &Attention) {
        match attention {
            Attention::Branch { .. }
            | Attention::Comment { .. }
            | Attention::Deployed(_)
            | Attention::Elsewhere { .. }
            | Attention::Command => {}
            Attention::Commit { key: Some(key), .. } if key.starts_with(OWN_PREFIX) => {}
            Attention::Commit { sha, .. } => {
                self.statuses.remove(sha);
            }
            Attention::PullRequest { number, head, state } => {
                self.reviewing.forget(*number);
                self.forget_pull_request(*number, head.as_deref(), state.as_deref());
            }
            Attention::Everything => {
                self.pull_requests.clear();
                self.statuses.clear();
                self.reviewing.forget_all();
            }
        }
    }

    /// Forgets the pull requests from the branch that has this one, unless they say the same of it; from
    /// every branch, when none has it.
    fn forget_pull_request(&mut self, number: PullRequestNumber, head: Option<&str>, state: Option<&str>) {
        let find = |known: &PullRequests| known.all.iter().find(|pr| pr.number == number).cloned();
        match self.pull_requests.values().find_map(find) {
            Some(known) if Some(known.head_sha.as_str()) == head && Some(word(known.state)) == state => {}
            Some(_) => self.pull_requests.retain(|_, known| find(known).is_none()),
            None => self.pull_requests.clear(),
        }
    }

    /// Returns the branch that a pull request was read from, and whether it is open.
    pub fn branch_of(&self, number: PullRequestNumber) -> Option<(&BranchName, PullRequestState)> {
        self.pull_requests.iter().find_map(|(branch, known)| {
            let found = known.all.iter().find(|pull_request| pull_request.number == number)?;
            Some((branch, found.state))
        })
    }

    /// Forgets the pull requests from a branch.
    pub fn forget_pull_requests(&mut self, head: &BranchName) {
        self.pull_requests.remove(head);
    }

    /// Remembers a pull request that was just opened or read.
    pub fn remember_pull_request(&mut self, head: &BranchName, pull_request: PullRequest) {
        let Some(known) = self.pull_requests.get_mut(head) else { return };
        known.all.retain(|other| other.number != pull_request.number);
        known.all.insert(0, pull_request);
    }

    /// Notes that a look begins.
    pub fn begin_look(&mut self) {
        self.pushed.clear();
    }

    /// Says whether this look has pushed a commit: then nobody has merged it before.
    pub fn has_pushed(&self, head: &str) -> bool {
        self.pushed.contains(head)
    }

    /// Notes that our push moved a branch, and with it the head of its open pull request.
    pub fn note_push(&mut self, branch: &BranchName, head: &str) {
        self.pushed.insert(head.to_owned());
        for pull_request in self.from(branch) {
            if pull_request.state == PullRequestState::Open {
                head.clone_into(&mut pull_request.head_sha);
            }
        }
    }

    /// Says whether the promotion that this commit brought to a place is written down.
    pub fn knows_promotion(&self, place: &Place, brought_by: &str) -> bool {
        self.promotions.contains(&(place.clone(), brought_by.to_owned()))
    }

    /// Notes that the promotion that this commit brought to a place is written down.
    pub fn note_promotion(&mut self, place: &Place, brought_by: &str) {
        self.promotions.insert((place.clone(), brought_by.to_owned()));
    }

    /// Says whether everything is written down that was promoted to a lane that is gone.
    pub fn knows_gone(&self, place: &Place) -> bool {
        self.gone.contains(place)
    }

    /// Notes that it is.
    pub fn note_gone(&mut self, place: &Place) {
        self.gone.insert(place.clone());
    }

    /// Forgets of the lanes that are there what was noted when they were gone.
    pub fn note_lanes(&mut self, lanes: &BTreeSet<LaneName>) {
        self.gone.retain(|place| !lanes.contains(&place.lane));
    }

    /// Notes that we merged a pull request.
    pub fn note_merge(&mut self, head: &BranchName, number: PullRequestNumber, sha: &str, by: &str, at: Timestamp) {
        for known in self.from(head).filter(|pr| pr.number == number) {
            known.state = PullRequestState::Merged;
            known.merge_sha = Some(sha.to_owned());
            known.merged_by = Some(by.to_owned());
            known.ended_at = Some(at);
        }
    }

    fn from(&mut self, head: &BranchName) -> impl Iterator<Item = &mut PullRequest> {
        self.pull_requests.get_mut(head).into_iter().flat_map(|known| &mut known.all)
    }

    /// Returns the pull requests from a branch in every state, newest first.
    pub async fn pull_requests(
        &mut self,
        context: &StrategyContext,
        head: &BranchName,
        base: &BranchName,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        self.branches_asked.insert(head.clone());
        if let Some(known) = self.pull_requests.get(head) {
            return Ok(known.all.clone());
        }
        let read = context.destination.forge.pull_requests(&context.destination.id, head, base).await?;
        self.pull_requests.insert(head.clone(), PullRequests { base: base.clone(), all: read.clone() });
        Ok(read)
    }

    /// Returns what was reported on a commit of the environments.
    pub async fn statuses(&mut self, context: &StrategyContext, sha: &str) -> Result<Vec<CommitStatus>, ForgeError> {
        self.statuses_in(context, Whose::Destination, sha).await
    }

    /// Returns what was reported on a dry commit.
    pub async fn dry_statuses(
        &mut self,
        context: &StrategyContext,
        dry: &DrySha,
    ) -> Result<Vec<CommitStatus>, ForgeError> {
        self.statuses_in(context, Whose::Dry, dry.as_str()).await
    }

    async fn statuses_in(
        &mut self,
        context: &StrategyContext,
        of: Whose,
        sha: &str,
    ) -> Result<Vec<CommitStatus>, ForgeError> {
        self.commits_asked.insert(sha.to_owned());
        if let Some(known) = self.statuses.get(sha) {
            return Ok(known.all.clone());
        }
        let repository = match of {
            Whose::Dry => &context.dry,
            Whose::Destination => &context.destination,
        };
        let mut read = repository.forge.commit_statuses(&repository.id, sha).await?;
        deployed_reports::name_tools(&mut read, repository.account.id);
        self.statuses.insert(sha.to_owned(), Statuses { of, all: read.clone() });
        Ok(read)
    }
}

/// Returns the pull requests that are only in one of two lists, or not the same in both; as they are now, where they are.
fn changed<'a>(before: &'a [PullRequest], now: &'a [PullRequest]) -> Vec<&'a PullRequest> {
    let is_gone = |known: &&PullRequest| now.iter().all(|other| other.number != known.number);
    now.iter().filter(|read| !before.contains(read)).chain(before.iter().filter(is_gone)).collect()
}

/// Returns the forge's word for a state.
fn word(state: PullRequestState) -> &'static str {
    match state {
        PullRequestState::Open => "open",
        PullRequestState::Closed => "closed",
        PullRequestState::Merged => "merged",
    }
}
