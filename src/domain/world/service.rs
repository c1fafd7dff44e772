//! How the service sees and changes the world.

use std::collections::{BTreeMap, BTreeSet};

use super::{BranchCommit, EnvironmentWorld, Late, Performed, Unseen, World};
use crate::domain::{
    content::Content,
    drift::Drift,
    hold::Hold,
    hydration::{Hydration, HydrationFailure},
    ids::{ActiveSha, DrySha, EnvironmentName, Place, ProposedSha, PullRequestNumber, StatusKey, StrategyName, TreeId},
    line::DryLine,
    plan::{Action, Plan, plan},
    rollback::{Restored, Rollback, Start},
    snapshot::{
        Active, ActiveBranch, ActiveCommit, OpenPullRequest, PlaceState, PostedStatus, Proposal, Record, Refusal,
        Report, Run, Snapshot,
    },
    status::{CommitStatus, StatusSource, StatusState},
};

impl World {
    pub(in crate::domain) fn snapshot(&self) -> Snapshot {
        let places = self.environments.iter().map(|(n, e)| (Self::place(n), self.observe(e))).collect();
        Snapshot {
            now: self.now,
            line: self.dry_line(),
            places,
            troubles: self.troubles(),
            hydrate_reports: self.hydrate_reports.clone(),
            rejections: self.rejections.clone(),
            ..Snapshot::default()
        }
    }

    /// Returns what did not render, by dry SHA.
    fn troubles(&self) -> BTreeMap<DrySha, Vec<(StrategyName, EnvironmentName, Hydration)>> {
        let mut troubles: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (name, world) in &self.environments {
            for (dry, hydration) in world.hydrations.iter().filter(|(_, h)| matches!(h, Hydration::Failed(_))) {
                let trouble = (self.strategy.name.clone(), name.clone(), hydration.clone());
                troubles.entry(dry.clone()).or_default().push(trouble);
            }
        }
        troubles
    }

    pub(super) fn dry_line(&self) -> DryLine {
        DryLine::new(self.line.clone(), self.left.iter().map(|(dry, shared)| (dry.clone(), shared.clone())))
    }

    pub(super) fn observe(&self, world: &EnvironmentWorld) -> PlaceState {
        PlaceState {
            rival: None,
            active: match &world.commits {
                // The forge still shows the branch as it was.
                Some(commits) if world.unseen == Unseen::Head && commits.len() > 1 => {
                    self.observe_branch(world, &commits[..commits.len() - 1])
                }
                Some(commits) => self.observe_branch(world, commits),
                None if world.was_promoted_to => Active::Gone { last: None },
                None => Active::Missing,
            },
            hydrations: world.hydrations.clone(),
            claimed: BTreeSet::new(),
            labels: BTreeMap::new(),
            proposal: world.proposal.clone().map(|proposal| self.placed(world, proposal)),
            pull_request: match &world.unseen {
                Unseen::End(ended) => Some(ended.clone()),
                Unseen::Nothing | Unseen::Head => {
                    world.pull_request.zip(world.proposal.as_ref()).map(|(number, proposal)| OpenPullRequest {
                        number,
                        head: proposal.sha.clone(),
                        described: world.described.clone(),
                    })
                }
            },
            proposed_reports: world
                .proposal
                .iter()
                .flat_map(|p| self.statuses.get(p.sha.as_str()).into_iter().flatten().cloned())
                .collect(),
            rejected: world.rejected.clone(),
            promote: world.promote.clone(),
            window_override: world.window_override.clone(),
            reviewed: world.reviewed.clone(),
            told: world.told.clone(),
            own_status: world.own_status.clone(),
            refusal: world.refusal.clone(),
            obstacle: None,
            drift_status: world.drift_status.clone(),
            restoring: None,
            foreign: None,
            hold: world.hold.clone(),
            hold_status: world.hold_statuses.last().map(|(sha, status)| {
                (sha.clone(), PostedStatus { state: status.state, description: status.description.clone() })
            }),
            rollback: world.rollback.clone(),
            restoration: world.restoration.clone().map(|restoration| self.placed(world, restoration)),
            rollback_pull_request: world.rollback_pull_request.zip(world.restoration.as_ref()).map(
                |(number, restoration)| OpenPullRequest { number, head: restoration.sha.clone(), described: None },
            ),
            cancelled: match &world.rollback {
                Some(rollback) if world.closed_rollbacks.contains(&rollback.bad_commit) => {
                    world.cancelled.iter().chain([&rollback.bad_commit]).cloned().collect()
                }
                _ => world.cancelled.clone(),
            },
        }
    }

    /// Says of a proposal whether it still stands on the active head that is seen.
    fn placed(&self, world: &EnvironmentWorld, proposal: Proposal) -> Proposal {
        let seen = world.commits.as_ref().and_then(|commits| match world.unseen {
            Unseen::Head if commits.len() > 1 => commits.get(commits.len() - 2),
            _ => commits.last(),
        });
        Proposal { fits: seen.is_some_and(|head| head.sha == proposal.parent), ..proposal }
    }

    pub(super) fn observe_branch(&self, world: &EnvironmentWorld, commits: &[BranchCommit]) -> Active {
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
                    roots: Vec::new(),
                    ended_at: None,
                    restored,
                    beside: false,
                    adopted: None,
                    taken_over: None,
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
                let promoted = runs.last().and_then(Run::as_promoted);
                drift.get_or_insert(Drift::of_commit(commit, author, vec!["shop".into()], promoted));
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

    pub(in crate::domain) fn plan(&self) -> Plan {
        plan(&self.strategy, &self.snapshot())
    }

    /// Performs an action of a plan of this moment.
    pub(in crate::domain) fn perform(&mut self, action: &Action) -> Performed {
        let seen = self.snapshot();
        self.perform_as_seen(&seen, action)
    }

    /// Performs an action of a plan for what was seen. It refuses what the adapters refuse, for the
    /// reasons that they have, and nothing else; after a refusal everything is read again.
    pub(in crate::domain) fn perform_as_seen(&mut self, seen: &Snapshot, action: &Action) -> Performed {
        let performed = self.try_to(seen, action);
        if performed == Performed::Moved {
            self.environments.values_mut().for_each(|world| world.unseen = Unseen::Nothing);
        }
        performed
    }

    /// Says whether holds, rollbacks and rejections are as they were seen, everywhere.
    fn is_held_as(&self, seen: &Snapshot) -> bool {
        let same = |(place, state): (&Place, &PlaceState)| {
            let world = &self.environments[&place.environment];
            let same =
                world.hold == state.hold && world.rollback == state.rollback && world.cancelled == state.cancelled;
            same || state.branch().is_none()
        };
        seen.places.iter().all(same) && seen.rejections == self.rejections
    }

    fn is_at(&self, name: &EnvironmentName, expected: &ActiveSha) -> bool {
        self.head(name).map(|c| &c.sha) == Some(expected)
    }

    fn try_to(&mut self, seen: &Snapshot, action: &Action) -> Performed {
        let now = self.now;
        match action {
            Action::CreateBranch { environment, .. } => {
                if self.environments[environment].commits.is_some() {
                    return Performed::Moved;
                }
                let sha = ActiveSha::new(self.fresh("first")).expect("a word");
                let first = BranchCommit {
                    sha,
                    content: Content::default(),
                    dry: None,
                    restored: None,
                    at: self.forge_now(),
                    existed_before: false,
                    number: self.next,
                };
                self.environments.get_mut(environment).expect("an environment").commits = Some(vec![first]);
            }
            Action::Hydrate { environment, dry } => {
                let rendered = self.renderings[dry][environment].clone();
                let hydration = rendered.map_or_else(
                    || {
                        let message = "does not render".to_owned();
                        Hydration::Failed(HydrationFailure { file: None, line: None, message, retry_at: None })
                    },
                    |content| Hydration::Done { content, kept: BTreeMap::new(), elsewhere: BTreeSet::new() },
                );
                self.environments
                    .get_mut(environment)
                    .expect("an environment")
                    .hydrations
                    .insert(dry.clone(), hydration);
            }
            Action::Propose { place, dry, content, expected_active, expected_proposed } => {
                let sha = ProposedSha::new(self.fresh("proposed")).expect("a word");
                let world = self.world(place);
                // Only the proposed branch is compared: on another head it is made again.
                if world.proposal.as_ref().map(|p| &p.sha) != expected_proposed.as_ref() {
                    return Performed::Moved;
                }
                let tree = TreeId::new(format!("tree-{sha}")).expect("a word");
                let (parent, dry, content) = (expected_active.clone(), dry.clone(), content.clone());
                world.proposal =
                    Some(Proposal { sha, parent, tree, dry, content, since: now, fits: true, composed: true });
            }
            Action::OpenPullRequest { place, proposed, .. } => {
                let base = seen.places[place].branch().map(|branch| &branch.head);
                if base.is_some_and(|base| !self.is_at(&place.environment, base)) {
                    return Performed::Moved;
                }
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
                if !self.is_at(name, expected_active) || !self.is_held_as(seen) {
                    return Performed::Moved;
                }
                let world = &self.environments[name];
                let Some(proposal) = world.proposal.clone().filter(|p| p.sha == *expected_head) else {
                    return Performed::Moved;
                };
                if world.pull_request != *number {
                    self.refuse(place, expected_head);
                    return Performed::Done;
                }
                self.bring(name, &proposal);
                if self.late.take() == Some(Late::Branch) {
                    self.world(place).unseen = Unseen::Head;
                }
                self.merges.push((name.clone(), dry.clone()));
            }
            Action::PostHold { place, active, status } => {
                let stands = self.environments[&place.environment].hold.as_ref().map(Hold::status);
                let is_over = status.state != StatusState::Pending;
                if stands.is_some_and(|stands| stands != *status) || (self.world(place).hold.is_none() && !is_over) {
                    return Performed::Moved;
                }
                self.mark_hold(&place.environment, active, status);
            }
            Action::TellOverdue { place, overdue, .. } => {
                self.world(place).told.note(overdue.iter().map(|overdue| overdue.wait.clone()));
            }
            Action::EndHold { place, active, hold, reason } => {
                if self.world(place).hold.as_ref() != Some(hold) {
                    return Performed::Moved;
                }
                self.world(place).hold = None;
                self.mark_hold(&place.environment, active, &Hold::ended(reason));
            }
            Action::StartRollback { place, active, start } => {
                let world = self.world(place);
                if world.rollback.is_some() || world.hold != seen.places[place].hold {
                    return Performed::Moved;
                }
                self.start_rollback(place, active, start);
            }
            Action::ProposeRollback { place, rollback, expected_active, expected_proposed } => {
                let sha = ProposedSha::new(self.fresh("restoration")).expect("a word");
                let world = self.world(place);
                if world.restoration.as_ref().map(|p| &p.sha) != expected_proposed.as_ref() {
                    return Performed::Moved;
                }
                let target = world.commits.iter().flatten().find(|c| c.sha == rollback.target.commit);
                let content = target.expect("because it was on the branch").content.clone();
                let tree = TreeId::new(format!("tree-{sha}")).expect("a word");
                let (parent, dry) = (expected_active.clone(), rollback.target.dry.clone());
                world.restoration =
                    Some(Proposal { sha, parent, tree, dry, content, since: now, fits: true, composed: true });
            }
            Action::OpenRollback { place, .. } => {
                let base = seen.places[place].branch().map(|branch| &branch.head);
                if base.is_some_and(|base| !self.is_at(&place.environment, base)) {
                    return Performed::Moved;
                }
                self.next += 1;
                let number = PullRequestNumber(u64::from(self.next));
                let world = self.world(place);
                assert_eq!(world.rollback_pull_request, None, "one open rollback per place");
                world.rollback_pull_request = Some(number);
            }
            Action::MergeRollback { place, rollback, number, expected_head, expected_active, .. } => {
                let name = &place.environment;
                if !self.is_at(name, expected_active) || !self.is_held_as(seen) {
                    return Performed::Moved;
                }
                let world = &self.environments[name];
                let Some(restoration) = world.restoration.clone().filter(|p| p.sha == *expected_head) else {
                    return Performed::Moved;
                };
                if world.rollback_pull_request != *number {
                    self.refuse(place, expected_head);
                    return Performed::Done;
                }
                self.bring_back(place, rollback, &restoration);
            }
            Action::FinishRollback { place, active, rollback } => {
                let world = self.world(place);
                // A person took it back while it was merged.
                let taken_back = world.cancelled.remove(&rollback.bad_commit);
                let before = world.before.take();
                world.rollback = None;
                if taken_back {
                    world.hold = before.clone();
                    world.releases.insert(active.clone());
                    self.mark_hold(&place.environment, active, &Hold::released("ada"));
                    // What it was started under holds on.
                    if let Some(before) = before {
                        self.mark_hold(&place.environment, active, &before.status());
                    }
                }
            }
            Action::Bundle { .. } => unreachable!("because these worlds have one lane"),
            Action::CancelRollback { place, active, rollback, pull_request, .. } => {
                if pull_request.is_some_and(|number| self.merged.contains(&number)) {
                    return Performed::Moved;
                }
                let ended = || Hold::ended("the rollback was cancelled");
                let before = self.world(place).before.as_ref().map_or_else(ended, Hold::status);
                self.mark_hold(&place.environment, active, &before);
                self.note_cancelled(place, &rollback.bad_commit);
                let world = self.world(place);
                world.cancelled.insert(rollback.bad_commit.clone());
                world.rollback_pull_request = None;
                (world.hold, world.rollback) = (world.before.take(), None);
            }
            Action::PostDrift { place, status, .. } => self.world(place).drift_status = Some(status.clone()),
            Action::BringBranchBack { .. }
            | Action::ProposeRestore { .. }
            | Action::OpenRestore { .. }
            | Action::MergeRestore { .. }
            | Action::EndRestore { .. } => unreachable!("because people of this world take drift back by hand"),
        }
        Performed::Done
    }

    /// The forge does not merge what is closed, and is asked again later.
    fn refuse(&mut self, place: &Place, proposed: &ProposedSha) {
        let retry_at = self.now + jiff::SignedDuration::from_secs(5);
        let words = "Pull Request is not mergeable".to_owned();
        self.world(place).refusal = Some(Refusal { proposed: proposed.clone(), words, retry_at, tries: 0 });
    }

    /// Writes a rollback down with its hold, and puts the hold on the forge.
    pub(super) fn start_rollback(&mut self, place: &Place, active: &ActiveSha, start: &Start) {
        self.note_rollback(place, &start.rollback);
        let world = self.world(place);
        world.before = world.hold.take().filter(|hold| hold.target.is_none());
        world.cancelled.remove(&start.rollback.bad_commit);
        world.closed_rollbacks.remove(&start.rollback.bad_commit);
        (world.hold, world.rollback) = (Some(start.hold.clone()), Some(start.rollback.clone()));
        self.mark_hold(&place.environment, active, &start.hold.status());
    }

    pub(super) fn bring_back(&mut self, place: &Place, rollback: &Rollback, restoration: &Proposal) {
        let sha = self.arrival("restored", restoration);
        let (at, existed_before, number) = (self.forge_now(), self.fast_forward, self.next);
        self.note_restored(place, rollback, &sha);
        let open = self.world(place).rollback_pull_request.take();
        self.merged.extend(open);
        self.world(place).commits.get_or_insert_default().push(BranchCommit {
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
            existed_before,
            number,
        });
        self.tick();
    }

    pub(super) fn mark_hold(&mut self, environment: &EnvironmentName, active: &ActiveSha, status: &PostedStatus) {
        self.next += 1;
        let status = CommitStatus {
            key: StatusKey::new(format!("hydromote/hold/{environment}")).expect("a key"),
            state: status.state,
            source: StatusSource::Status,
            reported_at: self.forge_now(),
            id: u64::from(self.next),
            description: status.description.clone(),
            creator: Some(1),
            reporter: None,
        };
        let world = self.environments.get_mut(environment).expect("an environment");
        world.hold_statuses.push((active.clone(), status));
    }

    pub(super) fn world(&mut self, place: &Place) -> &mut EnvironmentWorld {
        self.environments.get_mut(&place.environment).expect("an environment")
    }

    /// Plans and performs until there is nothing to do.
    pub(in crate::domain) fn settle(&mut self) -> Plan {
        for _ in 0..200 {
            let seen = self.snapshot();
            let plan = plan(&self.strategy, &seen);
            if plan.actions.is_empty() {
                return plan;
            }
            for action in &plan.actions {
                if self.perform_as_seen(&seen, action) == Performed::Moved {
                    break;
                }
            }
        }
        panic!("does not come to rest: {:#?}", self.plan().actions);
    }
}
