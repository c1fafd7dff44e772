//! A world in memory for tests of the rules: git, a forge, people and time as plain data.
//!
//! It performs actions the way the adapters do, refuses what has moved, and keeps its own book of
//! what was proved where ([`World::has_proved`]) to hold the planner against.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{
    content::{Content, Hydration, HydrationFailure},
    hold::{Hold, HoldMark, HoldRule},
    ids::{
        ActiveSha, BranchName, DrySha, EnvironmentName, LaneName, Place, ProposedSha, PullRequestNumber, RenderingId,
        RootName, StatusKey, StrategyName, TreeId,
    },
    ledger::Ledger,
    line::DryLine,
    plan::{Action, Plan, plan},
    rollback::{self, Restored, Rollback, Start, Trigger},
    snapshot::{
        Active, ActiveBranch, ActiveCommit, Drift, OpenPullRequest, PlaceState, PostedStatus, PromoteRequest, Proposal,
        Record, Refusal, Report, Run, Snapshot,
    },
    status::{CommitStatus, StatusSource, StatusState},
    strategy::{Environment, MergeMethod, PromotionStrategy, RenderOptions, Sources, StatusRule},
};

/// What a dry commit renders to in each environment; absent where it cannot be rendered.
pub(super) type Renderings = BTreeMap<EnvironmentName, Option<u32>>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BranchCommit {
    pub(super) sha: ActiveSha,
    pub(super) content: Content,
    /// The dry SHA, for commits that brought a proposal.
    pub(super) dry: Option<DrySha>,
    /// What the trailers of a rollback's commit say.
    pub(super) restored: Option<Restored>,
    pub(super) at: Timestamp,
    pub(super) existed_before: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct EnvironmentWorld {
    pub(super) commits: Option<Vec<BranchCommit>>,
    pub(super) proposal: Option<Proposal>,
    pub(super) pull_request: Option<PullRequestNumber>,
    pub(super) described: Option<ProposedSha>,
    pub(super) own_status: Option<(ProposedSha, PostedStatus)>,
    pub(super) hydrations: BTreeMap<DrySha, Hydration>,
    pub(super) records: BTreeMap<ActiveSha, Record>,
    pub(super) promote: Option<PromoteRequest>,
    pub(super) rejected: BTreeMap<DrySha, PullRequestNumber>,
    pub(super) refusal: Option<Refusal>,
    /// What the store holds of a hold and a rollback.
    pub(super) hold: Option<Hold>,
    pub(super) rollback: Option<Rollback>,
    pub(super) restoration: Option<Proposal>,
    pub(super) rollback_pull_request: Option<PullRequestNumber>,
    pub(super) cancelled: BTreeSet<ActiveSha>,
    /// Restoring commits on which a status of ours says that a person released them: on the forge.
    pub(super) releases: BTreeSet<ActiveSha>,
    /// What our own status says of holds, oldest first: this is on the forge.
    pub(super) hold_statuses: Vec<(ActiveSha, CommitStatus)>,
    /// Whether a pull request was ever merged here.
    was_promoted_to: bool,
    /// Runs, by the commit that brought them, whose content was proved and has not failed since.
    proved: BTreeSet<ActiveSha>,
    /// Restoring commits whose dry SHA was proved before, and has not failed since.
    stands: BTreeSet<ActiveSha>,
}

#[derive(Clone)]
pub(super) struct World {
    pub(super) strategy: PromotionStrategy,
    pub(super) now: Timestamp,
    pub(super) line: Vec<DrySha>,
    left: BTreeMap<DrySha, Option<DrySha>>,
    pub(super) renderings: BTreeMap<DrySha, Renderings>,
    pub(super) environments: BTreeMap<EnvironmentName, EnvironmentWorld>,
    statuses: BTreeMap<String, Vec<CommitStatus>>,
    hydrate_reports: BTreeMap<DrySha, PostedStatus>,
    pub(super) merges: Vec<(EnvironmentName, DrySha)>,
    /// What was rolled back, as the book has it.
    pub(super) rolled_back: Vec<RolledBack>,
    /// What people merged by hand, with the number of rollbacks before.
    overridden: BTreeMap<(EnvironmentName, DrySha), usize>,
    /// The forge merges by moving the branch to the proposed commit itself.
    pub(super) fast_forward: bool,
    next: u32,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.strategy.environments.iter().map(|e| e.name.as_str()).collect();
        write!(f, "World of {}, fast-forward {}", names.join(", "), self.fast_forward)
    }
}

/// One rollback, as the book has it.
#[derive(Debug, Clone)]
pub(super) struct RolledBack {
    pub(super) environment: EnvironmentName,
    pub(super) target: DrySha,
    pub(super) bad: DrySha,
    bad_content: Content,
    released: bool,
}

/// Whether an action was performed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Performed {
    Done,
    Moved,
}

pub(super) fn environment(name: &str, depends_on: &[&str]) -> Environment {
    let name_of = |name: &str| EnvironmentName::new(name).expect("a name");
    Environment {
        name: name_of(name),
        branch: BranchName::new(format!("env/{name}")).expect("a branch"),
        depends_on: depends_on.iter().map(|name| name_of(name)).collect(),
        auto_merge: true,
        soak: SignedDuration::ZERO,
        active_statuses: vec![rule("health")],
        proposed_statuses: Vec::new(),
        merge_method: MergeMethod::Merge,
        automatic_rollback: false,
    }
}

pub(super) fn rule(key: &str) -> StatusRule {
    StatusRule { key: StatusKey::new(key).expect("a key"), settle: SignedDuration::ZERO, deadline: None }
}

pub(super) fn strategy(environments: Vec<Environment>) -> PromotionStrategy {
    PromotionStrategy {
        name: StrategyName::new("shop").expect("a name"),
        dry_branch: None,
        destination: None,
        sources: Sources {
            sources: Vec::new(),
            vars: BTreeMap::new(),
            environment_vars: BTreeMap::new(),
            render: RenderOptions::default(),
            environment_render: BTreeMap::new(),
        },
        environments,
    }
}

pub(super) fn content(version: u32) -> Content {
    let root = RootName::new("shop").expect("a folder");
    let rendering = RenderingId::new(format!("v{version}")).expect("a word");
    (version > 0).then_some((root, rendering)).into_iter().collect()
}

impl World {
    pub(super) fn new(strategy: PromotionStrategy) -> Self {
        let environments = strategy.environments.iter().map(|e| (e.name.clone(), Default::default())).collect();
        Self {
            strategy,
            now: Timestamp::from_second(1_000_000).expect("a time"),
            line: Vec::new(),
            left: BTreeMap::new(),
            renderings: BTreeMap::new(),
            environments,
            statuses: BTreeMap::new(),
            hydrate_reports: BTreeMap::new(),
            merges: Vec::new(),
            rolled_back: Vec::new(),
            overridden: BTreeMap::new(),
            fast_forward: false,
            next: 1,
        }
    }

    pub(super) fn chain(names: &[&str]) -> Self {
        let environments = names
            .iter()
            .enumerate()
            .map(|(i, name)| environment(name, if i == 0 { &[] } else { &names[i - 1..i] }))
            .collect();
        Self::new(strategy(environments))
    }

    pub(super) fn name(name: &str) -> EnvironmentName {
        EnvironmentName::new(name).expect("a name")
    }

    pub(super) fn place(name: &EnvironmentName) -> Place {
        Place { environment: name.clone(), lane: LaneName::single() }
    }

    fn fresh(&mut self, kind: &str) -> String {
        self.next += 1;
        format!("{kind}-{}", self.next)
    }

    pub(super) fn wait(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
        self.prove();
    }

    // ---- people and machines ----

    /// Pushes a dry commit with these versions for the environments, in order; 0 renders nothing.
    pub(super) fn push(&mut self, name: &str, versions: &[Option<u32>]) {
        let dry = DrySha::new(name).expect("a word");
        let environments = self.strategy.environments.iter().map(|e| e.name.clone());
        self.renderings.insert(dry.clone(), environments.zip(versions.iter().copied()).collect());
        self.line.push(dry);
        self.wait(1);
    }

    /// Replaces the newest `count` commits of the dry line by nothing.
    pub(super) fn drop_dry(&mut self, count: usize) {
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

    pub(super) fn head(&self, environment: &EnvironmentName) -> Option<&BranchCommit> {
        self.environments[environment].commits.as_ref()?.last()
    }

    pub(super) fn report(&mut self, sha: &str, key: &str, state: StatusState) {
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

    pub(super) fn report_health(&mut self, environment: &EnvironmentName, state: StatusState) {
        if let Some(head) = self.head(environment).map(|head| head.sha.to_string()) {
            self.report(&head, "health", state);
        }
    }

    pub(super) fn promote(&mut self, environment: &EnvironmentName) {
        let now = self.now;
        let world = self.environments.get_mut(environment).expect("an environment");
        world.promote =
            world.proposal.as_ref().map(|p| PromoteRequest { proposed: p.sha.clone(), by: "ada".into(), at: now });
    }

    /// Somebody pushes to an active branch; `ours` says whether the commit changes our files.
    pub(super) fn push_foreign(&mut self, environment: &EnvironmentName, ours: bool) {
        let sha = ActiveSha::new(self.fresh("foreign")).expect("a word");
        let (at, next) = (self.now, self.next);
        let Some(commits) = self.environments.get_mut(environment).and_then(|e| e.commits.as_mut()) else { return };
        let before = commits.last().map(|c| c.content.clone()).unwrap_or_default();
        let content = if ours { content(1000 + next) } else { before };
        commits.push(BranchCommit { sha, content, dry: None, restored: None, at, existed_before: false });
        self.wait(1);
    }

    /// Somebody takes foreign changes of our files back.
    pub(super) fn restore(&mut self, environment: &EnvironmentName) {
        let sha = ActiveSha::new(self.fresh("restore")).expect("a word");
        let at = self.now;
        let Some(commits) = self.environments.get_mut(environment).and_then(|e| e.commits.as_mut()) else { return };
        let content = commits.iter().rev().find(|c| c.dry.is_some()).map(|c| c.content.clone()).unwrap_or_default();
        commits.push(BranchCommit { sha, content, dry: None, restored: None, at, existed_before: false });
        self.wait(1);
    }

    /// Somebody merges the open pull request by hand, whatever our gates say.
    pub(super) fn merge_by_hand(&mut self, environment: &EnvironmentName) {
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
    pub(super) fn hold(&mut self, environment: &EnvironmentName, seconds: Option<i64>) {
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
        };
        let Some(active) = self.head(environment).map(|head| head.sha.clone()) else { return };
        if snapshot.places[&place].rollback.is_none() {
            self.mark_hold(environment, &active, &hold.status());
            self.world(&place).hold = Some(hold);
        }
        self.wait(1);
    }

    /// A person takes a hold, and what rollbacks block, back.
    pub(super) fn unhold(&mut self, environment: &EnvironmentName) {
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
    pub(super) fn close_rollback(&mut self, environment: &EnvironmentName) {
        let world = self.environments.get_mut(environment).expect("an environment");
        if let (Some(_), Some(rollback)) = (world.rollback_pull_request.take(), &world.rollback) {
            world.cancelled.insert(rollback.bad_commit.clone());
        }
    }

    /// A person rolls an environment back: so many steps, else to last known-good.
    pub(super) fn roll_back(&mut self, environment: &EnvironmentName, steps: Option<usize>) {
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

    /// The database is lost, and read back from the forge and git.
    pub(super) fn lose_the_database(&mut self) {
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
    pub(super) fn close_by_hand(&mut self, environment: &EnvironmentName) {
        let world = self.environments.get_mut(environment).expect("an environment");
        if let (Some(number), Some(proposal)) = (world.pull_request.take(), &world.proposal) {
            world.rejected.insert(proposal.dry.clone(), number);
        }
    }

    fn bring(&mut self, environment: &EnvironmentName, proposal: &Proposal) {
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

    // ---- the service ----

    pub(super) fn snapshot(&self) -> Snapshot {
        let places = self.environments.iter().map(|(n, e)| (Self::place(n), self.observe(e))).collect();
        Snapshot {
            now: self.now,
            line: self.dry_line(),
            places,
            hydrations_elsewhere: BTreeMap::new(),
            hydrate_reports: self.hydrate_reports.clone(),
            ..Snapshot::default()
        }
    }

    fn dry_line(&self) -> DryLine {
        DryLine::new(self.line.clone(), self.left.iter().map(|(dry, shared)| (dry.clone(), shared.clone())))
    }

    fn observe(&self, world: &EnvironmentWorld) -> PlaceState {
        PlaceState {
            active: match &world.commits {
                Some(commits) => self.observe_branch(world, commits),
                None if world.was_promoted_to => Active::Gone { last: None },
                None => Active::Missing,
            },
            hydrations: world.hydrations.clone(),
            proposal: world.proposal.clone(),
            pull_request: world.pull_request.zip(world.proposal.as_ref()).map(|(number, proposal)| OpenPullRequest {
                number,
                head: proposal.sha.clone(),
                described: world.described.clone(),
            }),
            proposed_reports: world
                .proposal
                .iter()
                .flat_map(|p| self.statuses.get(p.sha.as_str()).into_iter().flatten().cloned())
                .collect(),
            rejected: world.rejected.clone(),
            promote: world.promote.clone(),
            own_status: world.own_status.clone(),
            refusal: world.refusal.clone(),
            obstacle: None,
            hold: world.hold.clone(),
            hold_status: world.hold_statuses.last().map(|(sha, status)| {
                (sha.clone(), PostedStatus { state: status.state, description: status.description.clone() })
            }),
            rollback: world.rollback.clone(),
            restoration: world.restoration.clone(),
            rollback_pull_request: world.rollback_pull_request.zip(world.restoration.as_ref()).map(
                |(number, restoration)| OpenPullRequest { number, head: restoration.sha.clone(), described: None },
            ),
            cancelled: world.cancelled.clone(),
        }
    }

    fn observe_branch(&self, world: &EnvironmentWorld, commits: &[BranchCommit]) -> Active {
        let mut runs: Vec<Run> = Vec::new();
        let mut drift = None;
        for commit in commits {
            let seen =
                ActiveCommit { sha: commit.sha.clone(), arrived_at: commit.at, existed_before: commit.existed_before };
            if let Some(dry) = &commit.dry {
                drift = None;
                if let Some(before) = runs.last_mut() {
                    before.ended_at.get_or_insert(commit.at);
                }
                let (dry, content) = (dry.clone(), commit.content.clone());
                let restored = commit
                    .restored
                    .clone()
                    .map(|restored| Restored { released: world.releases.contains(&commit.sha), ..restored });
                runs.push(Run {
                    dry,
                    content,
                    commits: vec![seen],
                    record: None,
                    reports: Vec::new(),
                    ended_at: None,
                    restored,
                });
            } else if runs.last().map(|run| &run.content).unwrap_or(&Content::default()) == &commit.content {
                drift = None;
                if let Some(run) = runs.last_mut() {
                    run.ended_at = None;
                    run.commits.insert(0, seen);
                }
            } else {
                if let Some(run) = runs.last_mut() {
                    run.ended_at.get_or_insert(commit.at);
                }
                let (commit, author) = (commit.sha.clone(), "eve".to_owned());
                drift.get_or_insert(Drift { commit, author, outputs: vec!["shop".into()] });
            }
        }
        for run in &mut runs {
            run.record = run.brought_by().and_then(|sha| world.records.get(sha)).copied();
            for commit in run.commits.clone() {
                let reported = self.statuses.get(commit.sha.as_str()).into_iter().flatten().cloned();
                run.reports.extend(reported.map(|status| Report { commit: commit.sha.clone(), status }));
            }
        }
        runs.reverse();
        let head = commits.last().map(|c| c.sha.clone()).expect("because a branch has a first commit");
        let tree = TreeId::new(format!("tree-{head}")).expect("a word");
        Active::Present(ActiveBranch { head, tree, drift, runs })
    }

    pub(super) fn plan(&self) -> Plan {
        plan(&self.strategy, &self.snapshot())
    }

    pub(super) fn perform(&mut self, action: &Action) -> Performed {
        match action {
            Action::CreateBranch { environment, .. } => {
                let sha = ActiveSha::new(self.fresh("first")).expect("a word");
                let first = BranchCommit {
                    sha,
                    content: Content::default(),
                    dry: None,
                    restored: None,
                    at: self.now,
                    existed_before: false,
                };
                self.environments.get_mut(environment).expect("an environment").commits.get_or_insert(vec![first]);
            }
            Action::Hydrate { place, dry } => {
                let rendered = self.renderings[dry][&place.environment];
                let hydration = rendered.map_or_else(
                    || {
                        let message = "does not render".to_owned();
                        Hydration::Failed(HydrationFailure { file: None, line: None, message, retry_at: None })
                    },
                    |version| Hydration::Done { content: content(version), kept: BTreeMap::new() },
                );
                self.world(place).hydrations.insert(dry.clone(), hydration);
            }
            Action::Propose { place, dry, content, expected_active, expected_proposed } => {
                let head = self.head(&place.environment).map(|c| c.sha.clone());
                let sha = ProposedSha::new(self.fresh("proposed")).expect("a word");
                let world = self.world(place);
                let moved = head.as_ref() != Some(expected_active)
                    || world.proposal.as_ref().map(|p| &p.sha) != expected_proposed.as_ref();
                if moved {
                    return Performed::Moved;
                }
                let tree = TreeId::new(format!("tree-{sha}")).expect("a word");
                let (parent, dry, content) = (expected_active.clone(), dry.clone(), content.clone());
                world.proposal = Some(Proposal { sha, parent, tree, dry, content, composed: true });
            }
            Action::OpenPullRequest { place, proposed, .. } => {
                self.next += 1;
                let number = PullRequestNumber(u64::from(self.next));
                let world = self.world(place);
                assert_eq!(world.pull_request, None, "one open pull request per place");
                world.pull_request = Some(number);
                world.described = Some(proposed.clone());
            }
            Action::DescribePullRequest { place, proposed, .. } => {
                self.world(place).described = Some(proposed.clone());
            }
            Action::ClosePullRequest { place, number, .. } => {
                if self.world(place).pull_request != Some(*number) {
                    return Performed::Moved;
                }
                self.world(place).pull_request = None;
            }
            Action::PostStatus { place, proposed, status } => {
                self.world(place).own_status = Some((proposed.clone(), status.clone()));
            }
            Action::ReportHydration { dry, status } => {
                self.hydrate_reports.insert(dry.clone(), status.clone());
            }
            Action::RecordVerified { place, brought_by, .. } => {
                let at = self.now;
                self.world(place).records.insert(brought_by.clone(), Record::Verified { at });
            }
            Action::Revoke { place, brought_by, .. } => {
                let at = self.now;
                self.world(place).records.insert(brought_by.clone(), Record::Revoked { at });
            }
            Action::Merge { place, number, expected_head, expected_active, dry, .. } => {
                let name = &place.environment;
                let world = &self.environments[name];
                let Some(proposal) = world.proposal.clone().filter(|p| p.sha == *expected_head) else {
                    return Performed::Moved;
                };
                let base_moved = self.head(name).map(|c| &c.sha) != Some(expected_active);
                if base_moved || world.pull_request != Some(*number) {
                    return Performed::Moved;
                }
                self.bring(name, &proposal);
                self.merges.push((name.clone(), dry.clone()));
            }
            Action::PostHold { place, active, status } => self.mark_hold(&place.environment, active, status),
            Action::EndHold { place, active, reason, .. } => {
                self.mark_hold(&place.environment, active, &Hold::ended(reason));
                self.world(place).hold = None;
            }
            Action::StartRollback { place, active, start } => self.start_rollback(place, active, start),
            Action::ProposeRollback { place, rollback, expected_active, expected_proposed } => {
                let sha = ProposedSha::new(self.fresh("restoration")).expect("a word");
                let head = self.head(&place.environment).map(|c| c.sha.clone());
                let world = self.world(place);
                let moved = head.as_ref() != Some(expected_active)
                    || world.restoration.as_ref().map(|p| &p.sha) != expected_proposed.as_ref();
                if moved {
                    return Performed::Moved;
                }
                let target = world.commits.iter().flatten().find(|c| c.sha == rollback.target.commit);
                let content = target.expect("because it was on the branch").content.clone();
                let tree = TreeId::new(format!("tree-{sha}")).expect("a word");
                let (parent, dry) = (expected_active.clone(), rollback.target.dry.clone());
                world.restoration = Some(Proposal { sha, parent, tree, dry, content, composed: true });
            }
            Action::OpenRollback { place, .. } => {
                self.next += 1;
                let number = PullRequestNumber(u64::from(self.next));
                let world = self.world(place);
                assert_eq!(world.rollback_pull_request, None, "one open rollback per place");
                world.rollback_pull_request = Some(number);
            }
            Action::MergeRollback { place, rollback, number, expected_head, expected_active, .. } => {
                let name = &place.environment;
                let world = &self.environments[name];
                let Some(restoration) = world.restoration.clone().filter(|p| p.sha == *expected_head) else {
                    return Performed::Moved;
                };
                let base_moved = self.head(name).map(|c| &c.sha) != Some(expected_active);
                if base_moved || world.rollback_pull_request != Some(*number) {
                    return Performed::Moved;
                }
                self.bring_back(place, rollback, &restoration);
            }
            Action::FinishRollback { place, .. } => self.world(place).rollback = None,
            Action::CancelRollback { place, active, rollback, .. } => {
                self.mark_hold(&place.environment, active, &Hold::ended("the rollback was cancelled"));
                let world = self.world(place);
                world.cancelled.insert(rollback.bad_commit.clone());
                world.rollback_pull_request = None;
                world.rollback = None;
                world.hold = None;
            }
        }
        Performed::Done
    }

    fn start_rollback(&mut self, place: &Place, active: &ActiveSha, start: &Start) {
        self.mark_hold(&place.environment, active, &start.hold.status());
        let world = self.world(place);
        (world.hold, world.rollback) = (Some(start.hold.clone()), Some(start.rollback.clone()));
    }

    fn bring_back(&mut self, place: &Place, rollback: &Rollback, restoration: &Proposal) {
        let sha = ActiveSha::new(self.fresh("restored")).expect("a word");
        let at = self.now;
        self.write_down(place, rollback, &sha);
        let world = self.world(place);
        world.rollback_pull_request = None;
        world.commits.get_or_insert_default().push(BranchCommit {
            sha,
            content: restoration.content.clone(),
            dry: Some(restoration.dry.clone()),
            restored: Some(Restored {
                from: rollback.bad.clone(),
                roots: rollback.roots.clone(),
                trigger: rollback.trigger,
                by: rollback.by.clone(),
                released: false,
            }),
            at,
            existed_before: false,
        });
        self.wait(1);
    }

    /// Writes a rollback into the book: what it leaves is disproved, and what was proved of the
    /// content that it restores stands.
    fn write_down(&mut self, place: &Place, rollback: &Rollback, restoring: &ActiveSha) {
        let world = self.environments.get_mut(&place.environment).expect("an environment");
        let commits = world.commits.as_deref().unwrap_or_default();
        let run_of = |sha: &ActiveSha| {
            let at = commits.iter().position(|c| c.sha == *sha)?;
            commits[..=at].iter().rev().find(|c| c.dry.is_some())
        };
        let bad = run_of(&rollback.bad_commit).expect("a run").clone();
        let target = run_of(&rollback.target.commit).expect("a run");
        let stands = world.proved.contains(&target.sha) || world.stands.contains(&target.sha);
        world.proved.remove(&bad.sha);
        world.stands.remove(&bad.sha);
        if stands {
            world.stands.insert(restoring.clone());
        }
        self.rolled_back.push(RolledBack {
            environment: place.environment.clone(),
            target: rollback.target.dry.clone(),
            bad: rollback.bad.clone(),
            bad_content: bad.content,
            released: false,
        });
    }

    /// Returns the rollback that keeps `dry` out of an environment, by the book: it lies between
    /// target and bad, or renders to the bad content where that was rolled back.
    pub(super) fn keeps_out(&self, name: &EnvironmentName, dry: &DrySha) -> Option<&RolledBack> {
        let line = self.dry_line();
        let mut before = vec![name.clone()];
        let mut next = 0;
        while let Some(environment) = before.get(next).and_then(|name| self.strategy.environment(name)) {
            before.extend(environment.depends_on.iter().cloned());
            next += 1;
        }
        let overridden = self.overridden.get(&(name.clone(), dry.clone())).copied().unwrap_or_default();
        self.rolled_back
            .iter()
            .skip(overridden)
            .filter(|entry| !entry.released && before.contains(&entry.environment))
            .find(|entry| {
                let position = line.position(dry);
                let between = position > line.position(&entry.target) && position <= line.position(&entry.bad);
                let rendered = self.renderings[dry].get(&entry.environment).copied().flatten().map(content);
                *dry != entry.target && (between || rendered.as_ref() == Some(&entry.bad_content))
            })
    }

    fn mark_hold(&mut self, environment: &EnvironmentName, active: &ActiveSha, status: &PostedStatus) {
        self.next += 1;
        let status = CommitStatus {
            key: StatusKey::new(format!("hydromote/hold/{environment}")).expect("a key"),
            state: status.state,
            source: StatusSource::Status,
            reported_at: self.now,
            id: u64::from(self.next),
            description: status.description.clone(),
            creator: Some(1),
        };
        let world = self.environments.get_mut(environment).expect("an environment");
        world.hold_statuses.push((active.clone(), status));
    }

    fn world(&mut self, place: &Place) -> &mut EnvironmentWorld {
        self.environments.get_mut(&place.environment).expect("an environment")
    }

    /// Plans and performs until there is nothing to do.
    pub(super) fn settle(&mut self) -> Plan {
        for _ in 0..200 {
            let plan = self.plan();
            if plan.actions.is_empty() {
                return plan;
            }
            for action in &plan.actions {
                if self.perform(action) == Performed::Moved {
                    break;
                }
            }
        }
        panic!("does not come to rest: {:#?}", self.plan().actions);
    }

    // ---- the book of what was proved ----

    /// Says whether an environment has proved a dry SHA by the heads of its branch and what was
    /// reported on them, without our records.
    pub(super) fn has_proved(&self, name: &EnvironmentName, dry: &DrySha) -> bool {
        let environment = self.strategy.environment(name).expect("an environment");
        let world = &self.environments[name];
        let line = self.dry_line();
        if self.is_rejected(name, dry) || self.keeps_out(name, dry).is_some() {
            return false;
        }
        let brought: Vec<&BranchCommit> = world.commits.iter().flatten().filter(|c| c.dry.is_some()).collect();
        // What was never hydrated was never taken.
        let rendered = world.hydrations.get(dry).and_then(|_| self.renderings[dry][name]).map(content);
        let upstream = || environment.depends_on.iter().all(|before| self.has_proved(before, dry));
        if let Some(commit) = brought.iter().rev().find(|c| c.dry.as_ref() == Some(dry)) {
            return self.is_proved(world, commit) || world.stands.contains(&commit.sha);
        }
        let position = line.position(dry);
        let older = |c: &&&BranchCommit| c.dry.as_ref().is_some_and(|d| line.position(d) < position);
        match brought.iter().rev().find(older) {
            Some(commit) => rendered.as_ref() == Some(&commit.content) && self.is_proved(world, commit) && upstream(),
            None => rendered == Some(Content::default()) && upstream(),
        }
    }

    fn is_proved(&self, world: &EnvironmentWorld, commit: &BranchCommit) -> bool {
        commit.content.is_empty() || world.proved.contains(&commit.sha)
    }

    /// Says whether a person closed the pull request of `dry`, or of a newer one that would have
    /// brought it along.
    fn is_rejected(&self, name: &EnvironmentName, dry: &DrySha) -> bool {
        let (world, line) = (&self.environments[name], self.dry_line());
        let position = |dry: &DrySha| line.position(dry);
        let running = world.commits.iter().flatten().rev().find_map(|c| c.dry.as_ref()).map(position);
        let rejected = world.rejected.keys().filter(|bad| !self.ran(name, bad));
        rejected
            .into_iter()
            .any(|bad| bad == dry || (position(dry) > running.unwrap_or_default() && position(dry) <= position(bad)))
    }

    fn ran(&self, name: &EnvironmentName, dry: &DrySha) -> bool {
        self.environments[name].commits.iter().flatten().any(|c| c.dry.as_ref() == Some(dry))
    }

    /// Writes into the book what is proved at this moment by what runs.
    fn prove(&mut self) {
        let now = self.now;
        for environment in &self.strategy.environments {
            let world = &self.environments[&environment.name];
            let Some(commits) = &world.commits else { continue };
            let Some(at) = commits.iter().rposition(|c| c.dry.is_some()) else { continue };
            let run = &commits[at..];
            if commits.last().map(|c| &c.content) != Some(&run[0].content) {
                continue;
            }
            let soaked = now >= run[0].at + environment.soak;
            let healthy = environment.active_statuses.iter().all(|rule| {
                let newest = run
                    .iter()
                    .filter(|c| c.content == run[0].content)
                    .flat_map(|c| {
                        let after = move |s: &&CommitStatus| {
                            if c.existed_before { s.reported_at > c.at } else { s.reported_at >= c.at }
                        };
                        self.statuses.get(c.sha.as_str()).into_iter().flatten().filter(after)
                    })
                    .filter(|s| s.key == rule.key)
                    .max_by_key(|s| s.id);
                newest.is_some_and(|s| s.state == StatusState::Success)
            });
            if soaked && healthy {
                let sha = run[0].sha.clone();
                self.environments.get_mut(&environment.name).expect("an environment").proved.insert(sha);
            }
        }
    }

    /// Says whether the newest report on what runs is a success.
    pub(super) fn is_healthy(&self, name: &EnvironmentName) -> bool {
        let commits = self.environments[name].commits.iter().flatten();
        let reports = commits.flat_map(|c| self.statuses.get(c.sha.as_str()).into_iter().flatten());
        reports.max_by_key(|s| s.id).is_some_and(|s| s.state == StatusState::Success)
    }

    /// Takes out of the book what this failure disproves: the run, and earlier ones with its content.
    fn disprove(&mut self, sha: &str, key: &str) {
        let now = self.now;
        for environment in &self.strategy.environments {
            let world = self.environments.get_mut(&environment.name).expect("an environment");
            let commits = world.commits.as_deref().unwrap_or_default();
            let listed = environment.active_statuses.iter().any(|rule| rule.key.as_str() == key);
            let Some(at) = commits.iter().position(|c| c.sha.as_str() == sha).filter(|_| listed) else { continue };
            let run = commits[..=at].iter().rev().find(|c| c.dry.is_some());
            let early = commits[at].existed_before && now <= commits[at].at;
            let Some(run) = run.filter(|run| run.content == commits[at].content && !early) else { continue };
            let disproved = commits[..=at].iter().filter(|c| c.dry.is_some() && c.content == run.content);
            for sha in disproved.map(|c| c.sha.clone()).collect::<Vec<_>>() {
                world.proved.remove(&sha);
                world.stands.remove(&sha);
            }
        }
    }
}
