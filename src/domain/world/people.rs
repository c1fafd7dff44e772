//! What people and machines do.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::{BranchCommit, RolledBack, World, content};
use crate::domain::{
    hold::{Hold, HoldMark, HoldRule},
    ids::{ActiveSha, DrySha, EnvironmentName, StatusKey},
    ledger::Ledger,
    rejection::Rejection,
    rollback::{self, Rollback, Trigger},
    snapshot::{PromoteRequest, Proposal},
    status::{CommitStatus, StatusSource, StatusState},
};

impl World {
    /// Pushes a dry commit with these versions for the environments, in order; 0 renders nothing.
    pub(in crate::domain) fn push(&mut self, name: &str, versions: &[Option<u32>]) {
        let dry = DrySha::new(name).expect("a word");
        let environments = self.strategy.environments.iter().map(|e| e.name.clone());
        self.renderings.insert(dry.clone(), environments.zip(versions.iter().copied()).collect());
        self.line.push(dry);
        self.wait(1);
    }

    /// Replaces the newest `count` commits of the dry line by nothing.
    pub(in crate::domain) fn drop_dry(&mut self, count: usize) {
        for _ in 0..count.min(self.line.len().saturating_sub(1)) {
            let dry = self.line.pop().expect("because one more is kept");
            self.left.insert(dry, None);
        }
        let shared = self.line.last().cloned();
        let on_line = self.line.clone();
        for anchor in self.left.values_mut() {
            if anchor.as_ref().is_none_or(|a| !on_line.contains(a)) {
                anchor.clone_from(&shared);
            }
        }
    }

    pub(in crate::domain) fn head(&self, environment: &EnvironmentName) -> Option<&BranchCommit> {
        self.environments[environment].commits.as_ref()?.last()
    }

    pub(in crate::domain) fn report(&mut self, sha: &str, key: &str, state: StatusState) {
        self.next += 1;
        let status = CommitStatus {
            key: StatusKey::new(key).expect("a key"),
            state,
            source: StatusSource::Status,
            reported_at: self.now,
            id: u64::from(self.next),
            description: String::new(),
            creator: None,
        };
        self.statuses.entry(sha.to_owned()).or_default().push(status);
        if state == StatusState::Failure {
            self.disprove(sha, key);
        }
        self.wait(1);
    }

    pub(in crate::domain) fn report_health(&mut self, environment: &EnvironmentName, state: StatusState) {
        if let Some(head) = self.head(environment).map(|head| head.sha.to_string()) {
            self.report(&head, "health", state);
        }
    }

    pub(in crate::domain) fn promote(&mut self, environment: &EnvironmentName) {
        let now = self.now;
        let world = self.environments.get_mut(environment).expect("an environment");
        world.promote =
            world.proposal.as_ref().map(|p| PromoteRequest { proposed: p.sha.clone(), by: "ada".into(), at: now });
    }

    /// Somebody pushes to an active branch; `ours` says whether the commit changes our files.
    pub(in crate::domain) fn push_foreign(&mut self, environment: &EnvironmentName, ours: bool) {
        let sha = ActiveSha::new(self.fresh("foreign")).expect("a word");
        let (at, next) = (self.now, self.next);
        let Some(commits) = self.environments.get_mut(environment).and_then(|e| e.commits.as_mut()) else { return };
        let before = commits.last().map(|c| c.content.clone()).unwrap_or_default();
        let content = if ours { content(1000 + next) } else { before };
        commits.push(BranchCommit { sha, content, dry: None, restored: None, at, existed_before: false });
        self.wait(1);
    }

    /// Somebody takes foreign changes of our files back.
    pub(in crate::domain) fn restore(&mut self, environment: &EnvironmentName) {
        let sha = ActiveSha::new(self.fresh("restore")).expect("a word");
        let at = self.now;
        let Some(commits) = self.environments.get_mut(environment).and_then(|e| e.commits.as_mut()) else { return };
        let content = commits.iter().rev().find(|c| c.dry.is_some()).map(|c| c.content.clone()).unwrap_or_default();
        commits.push(BranchCommit { sha, content, dry: None, restored: None, at, existed_before: false });
        self.wait(1);
    }

    /// Somebody merges the open pull request by hand, whatever our gates say.
    pub(in crate::domain) fn merge_by_hand(&mut self, environment: &EnvironmentName) {
        let world = &self.environments[environment];
        let (Some(proposal), Some(_)) = (world.proposal.clone(), world.pull_request) else { return };
        if self.head(environment).map(|c| &c.sha) == Some(&proposal.parent) {
            self.bring(environment, &proposal);
            let brought = |entry: &&mut RolledBack| {
                entry.environment == *environment
                    && (entry.bad == proposal.dry || entry.bad_content == proposal.content)
            };
            self.rolled_back.iter_mut().filter(brought).for_each(|entry| entry.released = true);
            self.overridden.insert((environment.clone(), proposal.dry), self.rolled_back.len());
        }
    }

    /// A person holds an environment.
    pub(in crate::domain) fn hold(&mut self, environment: &EnvironmentName, seconds: Option<i64>) {
        let snapshot = self.snapshot();
        let ledger = Ledger::new(&self.strategy, &snapshot);
        let place = Self::place(environment);
        let rules = self.strategy.environment(environment).expect("an environment");
        let hold = Hold {
            rule: HoldRule::Strict,
            by: "ada".into(),
            reason: "a look at it".into(),
            at: self.now,
            expires_at: seconds.map(|s| self.now + SignedDuration::from_secs(s)),
            through: ledger.taken(rules, &place).map(|taken| taken.dry),
            target: None,
            roots: BTreeSet::new(),
        };
        let Some(active) = self.head(environment).map(|head| head.sha.clone()) else { return };
        if snapshot.places[&place].rollback.is_none() {
            self.mark_hold(environment, &active, &hold.status());
            self.world(&place).hold = Some(hold);
        }
        self.wait(1);
    }

    /// A person takes a hold, and what rollbacks block, back.
    pub(in crate::domain) fn unhold(&mut self, environment: &EnvironmentName) {
        let Some(active) = self.head(environment).map(|head| head.sha.clone()) else { return };
        self.mark_hold(environment, &active, &Hold::released("ada"));
        let world = self.environments.get_mut(environment).expect("an environment");
        let restoring = world.commits.iter().flatten().filter(|c| c.restored.is_some());
        world.releases = restoring.map(|c| c.sha.clone()).collect();
        if let Some(rollback) = world.rollback.take() {
            world.cancelled.insert(rollback.bad_commit);
            world.rollback_pull_request = None;
        }
        world.hold = None;
        for entry in self.rolled_back.iter_mut().filter(|entry| entry.environment == *environment) {
            entry.released = true;
        }
        self.wait(1);
    }

    /// A person closes the pull request of a rollback.
    pub(in crate::domain) fn close_rollback(&mut self, environment: &EnvironmentName) {
        let world = self.environments.get_mut(environment).expect("an environment");
        if let (Some(_), Some(rollback)) = (world.rollback_pull_request.take(), &world.rollback) {
            world.cancelled.insert(rollback.bad_commit.clone());
        }
    }

    /// A person rolls an environment back: so many steps, else to last known-good.
    pub(in crate::domain) fn roll_back(&mut self, environment: &EnvironmentName, steps: Option<usize>) {
        let snapshot = self.snapshot();
        let place = Self::place(environment);
        let state = &snapshot.places[&place];
        let rules = self.strategy.environment(environment).expect("an environment");
        let choices = rollback::choices(&Ledger::new(&self.strategy, &snapshot), rules, &place, state);
        let choice = match steps {
            Some(steps) => choices.into_iter().nth(steps - 1),
            None => choices.into_iter().find(|choice| choice.known_good),
        };
        let Some(branch) = state.branch().filter(|b| b.drift.is_none() && state.rollback.is_none()) else { return };
        let (Some(choice), Some(running)) = (choice, branch.runs.first()) else { return };
        let rollback = Rollback {
            target: choice.target,
            bad: running.dry.clone(),
            bad_commit: running.brought_by().expect("a commit").clone(),
            roots: BTreeSet::new(),
            trigger: Trigger::Person,
            by: "ada".into(),
            reason: "it is slow".into(),
            at: self.now,
        };
        let start = rollback::start(rollback, state);
        self.start_rollback(&place, &branch.head.clone(), &start);
        self.wait(1);
    }

    /// A person rejects a dry commit everywhere.
    pub(in crate::domain) fn reject(&mut self, dry: &DrySha) {
        let rejection = Rejection { by: "ada".into(), reason: "it loses orders".into(), at: self.now };
        self.rejections.entry(dry.clone()).or_insert(rejection);
        self.wait(1);
    }

    /// A person takes that back.
    pub(in crate::domain) fn take_back(&mut self, dry: &DrySha) {
        self.rejections.remove(dry);
    }

    /// The database is lost, and read back from the forge and git.
    pub(in crate::domain) fn lose_the_database(&mut self) {
        let snapshot = self.snapshot();
        for environment in self.strategy.environments.clone() {
            let place = Self::place(&environment.name);
            let state = &snapshot.places[&place];
            let known: Vec<&DrySha> =
                state.branch().into_iter().flat_map(|branch| &branch.runs).map(|run| &run.dry).collect();
            let mark = self.environments[&environment.name]
                .hold_statuses
                .last()
                .and_then(|(_, status)| HoldMark::read(status, &snapshot.line, &known));
            let hold = match mark {
                Some(HoldMark::Held(hold)) => Some(*hold),
                _ => None,
            };
            let rollback = hold.as_ref().and_then(|hold| rollback::under_way(hold, state, &snapshot.line));
            let world = self.world(&place);
            (world.hold, world.rollback) = (hold, rollback);
            world.promote = None;
            world.refusal = None;
            world.hydrations.clear();
        }
    }

    /// Somebody closes the open pull request.
    pub(in crate::domain) fn close_by_hand(&mut self, environment: &EnvironmentName) {
        let world = self.environments.get_mut(environment).expect("an environment");
        if let (Some(number), Some(proposal)) = (world.pull_request.take(), &world.proposal) {
            world.rejected.insert(proposal.dry.clone(), number);
        }
    }

    pub(super) fn bring(&mut self, environment: &EnvironmentName, proposal: &Proposal) {
        let sha = if self.fast_forward { proposal.sha.to_string() } else { self.fresh("merge") };
        let (at, existed_before) = (self.now, self.fast_forward);
        let world = self.environments.get_mut(environment).expect("an environment");
        world.pull_request = None;
        world.was_promoted_to = true;
        world.commits.get_or_insert_default().push(BranchCommit {
            sha: ActiveSha::new(sha).expect("a word"),
            content: proposal.content.clone(),
            dry: Some(proposal.dry.clone()),
            restored: None,
            at,
            existed_before,
        });
        self.wait(1);
    }
}
