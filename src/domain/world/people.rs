//! What people and machines do.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::{BranchCommit, Late, ROOTS, Unseen, World, content, rendering, root_name};
use crate::domain::{
    content::Content,
    hold::{Hold, HoldMark, HoldRule},
    ids::{ActiveSha, DrySha, EnvironmentName, StatusKey},
    in_use::hydrations_in_use,
    ledger::Ledger,
    rejection::Rejection,
    rollback::{self, Rollback, Trigger},
    snapshot::{ClosedProposal, OpenPullRequest, PromoteRequest, Proposal},
    status::{CommitStatus, StatusSource, StatusState},
};

impl World {
    /// Pushes a dry commit with these versions for the environments, in order; 0 renders nothing.
    pub(in crate::domain) fn push(&mut self, name: &str, versions: &[Option<u32>]) {
        self.push_contents(name, versions.iter().map(|version| version.map(content)));
    }

    /// Pushes a dry commit that renders to these contents in the environments, in order.
    pub(in crate::domain) fn push_contents(&mut self, name: &str, contents: impl IntoIterator<Item = Option<Content>>) {
        let dry = DrySha::new(name).expect("a word");
        let environments = self.strategy.environments.iter().map(|e| e.name.clone());
        self.renderings.insert(dry.clone(), environments.zip(contents).collect());
        self.line.push(dry);
        self.tick();
    }

    /// Pushes a dry commit that leaves each root of each environment as it is on the line, or gives
    /// it another version; it does not render where nothing is given.
    pub(in crate::domain) fn push_changes(&mut self, name: &str, changes: &[Option<Vec<Option<u32>>>]) {
        let before = |name: &EnvironmentName| {
            let rendered = self.line.iter().rev().find_map(|dry| self.renderings[dry].get(name).cloned().flatten());
            rendered.unwrap_or_default()
        };
        let changed = |name: &EnvironmentName, changes: &[Option<u32>]| -> Content {
            let (before, roots) = (before(name), ROOTS.iter().take(self.roots).zip(changes));
            let root = |(root, change): (&&str, &Option<u32>)| match change {
                None => Some((root_name(root), before.get(&root_name(root))?.clone())),
                Some(version) => (*version > 0).then(|| (root_name(root), rendering(*version))),
            };
            roots.filter_map(root).collect()
        };
        let environments = self.strategy.environments.iter().zip(changes);
        let contents: Vec<_> =
            environments.map(|(e, changes)| changes.as_ref().map(|changes| changed(&e.name, changes))).collect();
        self.push_contents(name, contents);
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
            reported_at: self.forge_now(),
            id: u64::from(self.next),
            description: String::new(),
            creator: None,
            reporter: None,
        };
        self.statuses.entry(sha.to_owned()).or_default().push(status);
        if state == StatusState::Failure {
            self.disprove(sha, key);
        }
        self.tick();
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
        let (at, next) = (self.forge_now(), self.next);
        let Some(commits) = self.environments.get_mut(environment).and_then(|e| e.commits.as_mut()) else { return };
        let mut content = commits.last().map(|c| c.content.clone()).unwrap_or_default();
        if ours {
            content.insert(root_name(ROOTS[0]), rendering(1000 + next));
        }
        commits.push(BranchCommit::foreign(sha, content, at, next));
        self.tick();
    }

    /// Somebody takes foreign changes of our files back.
    pub(in crate::domain) fn restore(&mut self, environment: &EnvironmentName) {
        let sha = ActiveSha::new(self.fresh("restore")).expect("a word");
        let (at, next) = (self.forge_now(), self.next);
        let Some(commits) = self.environments.get_mut(environment).and_then(|e| e.commits.as_mut()) else { return };
        let content = commits.iter().rev().find(|c| c.dry.is_some()).map(|c| c.content.clone()).unwrap_or_default();
        commits.push(BranchCommit::foreign(sha, content, at, next));
        self.tick();
    }

    /// Somebody merges the open pull request by hand, whatever our gates say.
    pub(in crate::domain) fn merge_by_hand(&mut self, environment: &EnvironmentName) {
        let world = &self.environments[environment];
        let (Some(proposal), Some(number)) = (world.proposal.clone(), world.pull_request) else { return };
        if self.head(environment).map(|c| &c.sha) == Some(&proposal.parent) {
            let late = self.late.take();
            self.bring(environment, &proposal);
            let described = self.environments[environment].described.clone();
            self.environments.get_mut(environment).expect("an environment").unseen = match late {
                Some(Late::PullRequest) => {
                    Unseen::End(OpenPullRequest { number, head: proposal.sha.clone(), described })
                }
                Some(Late::Branch) => Unseen::Head,
                None => Unseen::Nothing,
            };
            self.note_override(environment, &proposal.dry, &proposal.content);
        }
    }

    /// Somebody merges the open pull request of a rollback by hand.
    pub(in crate::domain) fn merge_rollback_by_hand(&mut self, environment: &EnvironmentName) {
        let world = &self.environments[environment];
        let (Some(restoration), Some(_), Some(rollback)) =
            (world.restoration.clone(), world.rollback_pull_request, world.rollback.clone())
        else {
            return;
        };
        if self.head(environment).map(|c| &c.sha) == Some(&restoration.parent) {
            self.bring_back(&Self::place(environment), &rollback, &restoration);
        }
    }

    /// The forge shows everything again.
    pub(in crate::domain) fn catch_up(&mut self) {
        self.environments.values_mut().for_each(|world| world.unseen = Unseen::Nothing);
        self.late = None;
    }

    /// Returns the world as the forge shows it.
    pub(in crate::domain) fn as_shown(&self) -> Self {
        let mut shown = self.clone();
        for world in shown.environments.values_mut().filter(|world| world.unseen == Unseen::Head) {
            world.commits.as_mut().and_then(Vec::pop);
        }
        shown
    }

    /// Says whether the forge is late to show something.
    pub(in crate::domain) fn is_late(&self) -> bool {
        self.environments.values().any(|world| world.unseen != Unseen::Nothing)
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
            let world = self.world(&place);
            world.stopped = Some(hold.expires_at);
            world.hold = Some(hold);
        }
        self.tick();
    }

    /// A person takes a hold, and what rollbacks block, back.
    pub(in crate::domain) fn unhold(&mut self, environment: &EnvironmentName) {
        let Some(active) = self.head(environment).map(|head| head.sha.clone()) else { return };
        let world = &self.environments[environment];
        let restoring = world.commits.iter().flatten().filter(|c| c.restored.is_some());
        let restoring: BTreeSet<ActiveSha> = restoring.map(|c| c.sha.clone()).collect();
        if world.hold.is_none() && world.rollback.is_none() && restoring.is_subset(&world.releases) {
            return;
        }
        self.mark_hold(environment, &active, &Hold::released("ada"));
        // What a rollback was started under holds on.
        let before = self.environments[environment].before.as_ref().map(Hold::status);
        if let Some(status) = before {
            self.mark_hold(environment, &active, &status);
        }
        let world = self.environments.get_mut(environment).expect("an environment");
        world.releases = restoring;
        match &world.rollback {
            // The next look closes its pull request, and its hold goes with it.
            Some(rollback) => {
                world.cancelled.insert(rollback.bad_commit.clone());
                if world.before.is_none() {
                    world.stopped = None;
                }
            }
            None => (world.hold, world.stopped) = (None, None),
        }
        for entry in self.rolled_back.iter_mut().filter(|entry| entry.environment == *environment) {
            entry.released = true;
        }
        self.tick();
    }

    /// A person closes the pull request of a rollback.
    pub(in crate::domain) fn close_rollback(&mut self, environment: &EnvironmentName) {
        let world = self.environments.get_mut(environment).expect("an environment");
        if let (Some(_), Some(rollback)) = (world.rollback_pull_request.take(), &world.rollback) {
            let left = rollback.bad_commit.clone();
            world.closed_rollbacks.insert(left.clone());
            self.note_cancelled(&Self::place(environment), &left);
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
        self.tick();
    }

    /// A person rejects a dry commit everywhere.
    pub(in crate::domain) fn reject(&mut self, dry: &DrySha) {
        let rejection = Rejection { by: "ada".into(), reason: "it loses orders".into(), at: self.now };
        self.rejections.entry(dry.clone()).or_insert(rejection);
        self.tick();
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
            let before = hold.as_ref().filter(|_| rollback.is_some()).and_then(rollback::held_before);
            let world = self.world(&place);
            world.before = before;
            (world.hold, world.rollback) = (hold, rollback);
            world.cancelled.append(&mut world.closed_rollbacks);
            world.promote = None;
            world.window_override = None;
            world.refusal = None;
            world.hydrations.clear();
        }
    }

    /// The service forgets what came of hydrating dry commits that are not in use; of those that places have yet to take,
    /// all but the newest `ahead`.
    pub(in crate::domain) fn forget_hydrations(&mut self, ahead: usize) {
        let kept = hydrations_in_use(&self.strategy, &self.snapshot(), ahead);
        for world in self.environments.values_mut() {
            world.hydrations.retain(|dry, _| kept.contains(dry));
        }
    }

    /// Somebody closes the open pull request.
    pub(in crate::domain) fn close_by_hand(&mut self, environment: &EnvironmentName) {
        if self.environments[environment].pull_request.is_none() {
            return;
        }
        self.note_refusal(environment);
        let at = self.forge_now();
        let world = self.environments.get_mut(environment).expect("an environment");
        if let (Some(number), Some(proposal)) = (world.pull_request.take(), &world.proposal) {
            let (parent, content) = (Some(proposal.parent.clone()), Some(proposal.content.clone()));
            world.rejected.insert(proposal.dry.clone(), ClosedProposal { number, at, parent, content });
        }
    }

    /// Brings what is proposed onto the branch, the way the forge merges.
    pub(super) fn bring(&mut self, environment: &EnvironmentName, proposal: &Proposal) {
        let sha = self.arrival("merge", proposal);
        let (at, existed_before, number) = (self.forge_now(), self.fast_forward, self.next);
        let world = self.environments.get_mut(environment).expect("an environment");
        self.merged.extend(world.pull_request.take());
        world.was_promoted_to = true;
        world.commits.get_or_insert_default().push(BranchCommit {
            sha,
            content: proposal.content.clone(),
            dry: Some(proposal.dry.clone()),
            restored: None,
            at,
            existed_before,
            number,
        });
        self.tick();
    }

    /// Names the commit that comes onto a branch.
    pub(super) fn arrival(&mut self, kind: &str, proposal: &Proposal) -> ActiveSha {
        let fresh = self.fresh(kind);
        ActiveSha::new(if self.fast_forward { proposal.sha.to_string() } else { fresh }).expect("a word")
    }
}

impl BranchCommit {
    /// A commit by somebody else.
    fn foreign(sha: ActiveSha, content: Content, at: jiff::Timestamp, number: u32) -> Self {
        Self { sha, content, dry: None, restored: None, at, existed_before: false, number }
    }
}
