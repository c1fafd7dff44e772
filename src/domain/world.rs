//! A world in memory for tests of the rules: git, a forge, people and time as plain data.
//!
//! It performs actions the way the adapters do, refuses what has moved, and keeps its own book of
//! what was proved where ([`World::has_proved`]) to hold the planner against.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{
    content::{Content, Hydration, HydrationFailure},
    ids::{
        ActiveSha, BranchName, DrySha, EnvironmentName, LaneName, Place, ProposedSha, PullRequestNumber, RenderingId,
        RootName, StatusKey, StrategyName, TreeId,
    },
    line::DryLine,
    plan::{Action, Plan, plan},
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
    /// Whether a pull request was ever merged here.
    was_promoted_to: bool,
    /// Runs, by the commit that brought them, whose content was proved and has not failed since.
    proved: BTreeSet<ActiveSha>,
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

fn content(version: u32) -> Content {
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
        commits.push(BranchCommit { sha, content, dry: None, at, existed_before: false });
        self.wait(1);
    }

    /// Somebody takes foreign changes of our files back.
    pub(super) fn restore(&mut self, environment: &EnvironmentName) {
        let sha = ActiveSha::new(self.fresh("restore")).expect("a word");
        let at = self.now;
        let Some(commits) = self.environments.get_mut(environment).and_then(|e| e.commits.as_mut()) else { return };
        let content = commits.iter().rev().find(|c| c.dry.is_some()).map(|c| c.content.clone()).unwrap_or_default();
        commits.push(BranchCommit { sha, content, dry: None, at, existed_before: false });
        self.wait(1);
    }

    /// Somebody merges the open pull request by hand, whatever our gates say.
    pub(super) fn merge_by_hand(&mut self, environment: &EnvironmentName) {
        let world = &self.environments[environment];
        let (Some(proposal), Some(_)) = (world.proposal.clone(), world.pull_request) else { return };
        if self.head(environment).map(|c| &c.sha) == Some(&proposal.parent) {
            self.bring(environment, &proposal);
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
                let (dry, content) = (dry.clone(), commit.content.clone());
                runs.push(Run { dry, content, commits: vec![seen], record: None, reports: Vec::new() });
            } else if runs.last().map(|run| &run.content).unwrap_or(&Content::default()) == &commit.content {
                drift = None;
                if let Some(run) = runs.last_mut() {
                    run.commits.insert(0, seen);
                }
            } else {
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
                let first =
                    BranchCommit { sha, content: Content::default(), dry: None, at: self.now, existed_before: false };
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
        }
        Performed::Done
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
        if world.rejected.contains_key(dry) && !self.ran(name, dry) {
            return false;
        }
        let line = self.dry_line();
        let brought: Vec<&BranchCommit> = world.commits.iter().flatten().filter(|c| c.dry.is_some()).collect();
        // What was never hydrated was never taken.
        let rendered = world.hydrations.get(dry).and_then(|_| self.renderings[dry][name]).map(content);
        let upstream = || environment.depends_on.iter().all(|before| self.has_proved(before, dry));
        if let Some(commit) = brought.iter().rev().find(|c| c.dry.as_ref() == Some(dry)) {
            return self.is_proved(world, commit);
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
            }
        }
    }
}
