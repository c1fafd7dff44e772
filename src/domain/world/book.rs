//! The book of what was proved, held and kept out, kept apart from the rules: it knows what really
//! happened, and in which order, where the rules have only what git and the forge tell.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{BranchCommit, EnvironmentWorld, Kept, RolledBack, World};
use crate::domain::{
    content::Content,
    ids::{ActiveSha, DrySha, EnvironmentName, Place, RootName},
    line::DryLine,
    rollback::Rollback,
    status::{CommitStatus, StatusState},
};

impl Kept {
    /// Says whether `dry` is kept out, which renders to `content` in the place that keeps it out: it
    /// lies after T and not after B; or every root in which T and B differ is as in B or as in T,
    /// and one at least as in B. Where it does not render nobody knows, and it is kept out.
    fn covers(&self, dry: &DrySha, content: Option<&Content>, line: &DryLine) -> bool {
        if self.target.as_ref() == Some(dry) {
            return false;
        }
        let target = self.target.as_ref().map(|target| line.position(target)).unwrap_or_default();
        let between = line.position(dry) > target && line.position(dry) <= line.position(&self.bad);
        between || *dry == self.bad || content.is_none_or(|content| self.carries(content))
    }

    /// Says whether a content carries what is bad, by the roots in which T and B differ.
    fn carries(&self, content: &Content) -> bool {
        let (target, bad) = (&self.target_content, &self.bad_content);
        let mut roots: Vec<&RootName> = target.iter().chain(bad.iter()).map(|(root, _)| root).collect();
        roots.retain(|root| target.get(root) != bad.get(root));
        let as_in_bad = roots.iter().filter(|root| content.get(root) == bad.get(root)).count();
        let as_in_target = roots.iter().filter(|root| content.get(root) == target.get(root)).count();
        as_in_bad > 0 && as_in_bad + as_in_target == roots.len()
    }
}

impl World {
    /// Says whether an environment has proved a dry SHA by the heads of its branch and what was
    /// reported on them, without our records.
    pub(in crate::domain) fn has_proved(&self, name: &EnvironmentName, dry: &DrySha) -> bool {
        self.is_proved_in(name, dry, |world| [&world.proved, &world.stands])
    }

    /// Says whether it has proved it beyond what clocks that differ leave in doubt.
    pub(in crate::domain) fn has_plainly_proved(&self, name: &EnvironmentName, dry: &DrySha) -> bool {
        self.is_proved_in(name, dry, |world| [&world.plainly, &world.stands_plainly])
    }

    fn is_proved_in(
        &self,
        name: &EnvironmentName,
        dry: &DrySha,
        proofs: fn(&EnvironmentWorld) -> [&BTreeSet<ActiveSha>; 2],
    ) -> bool {
        let environment = self.strategy.environment(name).expect("an environment");
        let world = &self.environments[name];
        let line = self.dry_line();
        if self.is_rejected(name, dry) || self.is_rejected_everywhere(name, dry) || self.keeps_out(name, dry).is_some()
        {
            return false;
        }
        let [proved, stands] = proofs(world);
        let is_proved = |commit: &BranchCommit| commit.content.is_empty() || proved.contains(&commit.sha);
        let brought: Vec<&BranchCommit> = world.commits.iter().flatten().filter(|c| c.dry.is_some()).collect();
        // What was never hydrated was never taken.
        let rendered = world.hydrations.get(dry).and_then(|_| self.renderings[dry][name].clone());
        let upstream = || environment.depends_on.iter().all(|before| self.is_proved_in(before, dry, proofs));
        if let Some(commit) = brought.iter().rev().find(|c| c.dry.as_ref() == Some(dry)) {
            return is_proved(commit) || stands.contains(&commit.sha);
        }
        let position = line.position(dry);
        let older = |c: &&&BranchCommit| c.dry.as_ref().is_some_and(|d| line.position(d) < position);
        match brought.iter().rev().find(older) {
            Some(commit) => rendered.as_ref() == Some(&commit.content) && is_proved(commit) && upstream(),
            None => rendered == Some(Content::default()) && upstream(),
        }
    }

    /// Says whether what the commit `sha` brought is proved, and neither failed nor was left since.
    pub(in crate::domain) fn is_proved_by(&self, name: &EnvironmentName, sha: &ActiveSha) -> bool {
        let world = &self.environments[name];
        let mut brought = world.commits.iter().flatten().filter(|commit| commit.sha == *sha);
        brought.any(|commit| commit.content.is_empty() || world.proved.contains(sha))
    }

    /// Writes into the book that nobody could have known better: what the commit `sha` brought counts as
    /// proved, because what ended it was not shown yet.
    pub(in crate::domain) fn believe(&mut self, name: &EnvironmentName, sha: &ActiveSha) {
        self.environments.get_mut(name).expect("an environment").proved.insert(sha.clone());
    }

    /// Says whether what the commit `sha` brought ever failed, there or where the same content came
    /// again, or was left by a rollback. In one second nobody knows what a failure followed.
    pub(in crate::domain) fn ever_failed(&self, name: &EnvironmentName, sha: &ActiveSha) -> bool {
        let environment = self.strategy.environment(name).expect("an environment");
        let commits = self.environments[name].commits.as_deref().unwrap_or_default();
        let Some(at) = commits.iter().position(|c| c.sha == *sha) else { return false };
        let left = commits[at + 1..].iter().find(|c| c.dry.is_some()).is_some_and(|next| next.restored.is_some());
        let listed = |s: &CommitStatus| environment.active_statuses.iter().any(|rule| rule.key == s.key);
        let same = commits[at..].iter().filter(|c| c.content == commits[at].content);
        let mut reports = same.flat_map(|c| self.statuses.get(c.sha.as_str()).into_iter().flatten());
        left || reports.any(|s| listed(s) && s.state == StatusState::Failure)
    }

    /// Says whether a listed check of what runs failed, and did not succeed later.
    pub(in crate::domain) fn has_failed(&self, name: &EnvironmentName) -> bool {
        let environment = self.strategy.environment(name).expect("an environment");
        let commits = self.environments[name].commits.as_deref().unwrap_or_default();
        let run = commits.iter().rposition(|c| c.dry.is_some()).map(|at| &commits[at..]).unwrap_or_default();
        environment.active_statuses.iter().any(|rule| {
            let decisive = run.iter().flat_map(|c| {
                let reports = self.statuses.get(c.sha.as_str()).into_iter().flatten();
                reports.filter(|s| s.key == rule.key && s.id > u64::from(c.number))
            });
            let says = [StatusState::Failure, StatusState::Success];
            let newest = decisive.filter(|s| says.contains(&s.state)).max_by_key(|s| s.id);
            newest.is_some_and(|s| s.state == StatusState::Failure)
        })
    }

    /// Says whether a person stopped an environment, and neither took that back nor gave it an end
    /// that is over.
    pub(in crate::domain) fn is_stopped(&self, name: &EnvironmentName) -> bool {
        self.environments[name].stopped.is_some_and(|until| until.is_none_or(|until| until > self.now))
    }

    /// Writes into the book that a person closed the pull request of what is proposed.
    pub(super) fn note_refusal(&mut self, name: &EnvironmentName) {
        let world = &self.environments[name];
        let Some(proposal) = &world.proposal else { return };
        // What it would have replaced; the branch may have moved on since it was proposed.
        let commits = world.commits.as_deref().unwrap_or_default();
        let proposed_on = commits.iter().position(|c| c.sha == proposal.parent);
        let replaced = proposed_on.and_then(|at| commits[..=at].iter().rev().find(|c| c.dry.is_some()));
        let kept = Kept {
            target: replaced.and_then(|c| c.dry.clone()),
            target_content: replaced.map(|c| c.content.clone()).unwrap_or_default(),
            bad: proposal.dry.clone(),
            bad_content: proposal.content.clone(),
        };
        let number = self.next;
        self.environments.get_mut(name).expect("an environment").refused.push((number, kept));
    }

    /// Says whether a person closed the pull request of `dry`, or of one that would have brought
    /// along what it carries.
    pub(in crate::domain) fn is_rejected(&self, name: &EnvironmentName, dry: &DrySha) -> bool {
        let (world, line) = (&self.environments[name], self.dry_line());
        let content = self.content_of(name, dry);
        let running = world.commits.iter().flatten().rev().find_map(|c| c.dry.as_ref());
        let is_newer = line.position(dry) > running.map(|running| line.position(running)).unwrap_or_default();
        // What left the line and is not rendered any more is not known, nor what would carry it.
        let is_known = |bad: &DrySha| self.line.contains(bad) || world.hydrations.contains_key(bad);
        let ran_since = |number: u32, bad: &DrySha| {
            world
                .commits
                .iter()
                .flatten()
                .any(|c| c.number > number && c.restored.is_none() && c.dry.as_ref() == Some(bad))
        };
        let refused =
            world.refused.iter().filter(|(number, kept)| is_known(&kept.bad) && !ran_since(*number, &kept.bad));
        // A merge by hand takes a refusal back.
        let (_, overridden) = self.overridden.get(&(name.clone(), dry.clone())).copied().unwrap_or_default();
        let mut in_force = refused.filter(|(number, _)| *number >= overridden).map(|(_, kept)| kept);
        // What was taken before somebody said no to something newer stays taken.
        in_force.any(|kept| *dry == kept.bad || (is_newer && kept.covers(dry, content.as_ref(), &line)))
    }

    /// Says whether a person rejected the dry commit, and nobody has merged it here by hand since.
    pub(in crate::domain) fn is_rejected_everywhere(&self, name: &EnvironmentName, dry: &DrySha) -> bool {
        let Some(rejection) = self.rejections.get(dry) else { return false };
        let brought = |c: &&BranchCommit| c.dry.as_ref() == Some(dry) && c.restored.is_none() && c.at > rejection.at;
        self.environments[name].commits.iter().flatten().find(brought).is_none()
    }

    /// Returns what `dry` holds in an environment: what ran there, else what it renders to.
    fn content_of(&self, name: &EnvironmentName, dry: &DrySha) -> Option<Content> {
        let ran = self.environments[name].commits.iter().flatten().rev().find(|c| c.dry.as_ref() == Some(dry));
        ran.map(|commit| commit.content.clone()).or_else(|| self.renderings[dry].get(name).cloned().flatten())
    }

    /// Writes into the book what is proved at this moment by what runs.
    pub(super) fn prove(&mut self) {
        let (now, forge_now) = (self.now, self.forge_now());
        for environment in &self.strategy.environments {
            let world = &self.environments[&environment.name];
            let Some(commits) = &world.commits else { continue };
            let Some(at) = commits.iter().rposition(|c| c.dry.is_some()) else { continue };
            let run = &commits[at..];
            let drifted = commits.last().map(|c| &c.content) != Some(&run[0].content);
            let soaked = run[0].at + environment.soak;
            let succeeded = |by: Timestamp, counts: &dyn Fn(&BranchCommit, &CommitStatus) -> bool| {
                environment.active_statuses.iter().all(|rule| {
                    let newest = run
                        .iter()
                        .filter(|c| c.content == run[0].content)
                        .flat_map(|c| {
                            let reports = self.statuses.get(c.sha.as_str()).into_iter().flatten();
                            reports.filter(|s| s.key == rule.key && counts(c, s))
                        })
                        .max_by_key(|s| s.id);
                    newest.is_some_and(|s| s.state == StatusState::Success && s.reported_at <= by)
                })
            };
            // What came first is told by what happened, not by clocks.
            let healthy = succeeded(Timestamp::MAX, &|commit, status| status.id > u64::from(commit.number));
            let plainly = succeeded(now, &|commit, status| {
                status.id > u64::from(commit.number) && (!commit.existed_before || status.reported_at > commit.at)
            });
            let sha = run[0].sha.clone();
            let world = self.environments.get_mut(&environment.name).expect("an environment");
            if healthy && now.max(forge_now) >= soaked {
                world.proved_under_drift.insert(sha.clone());
            }
            if drifted {
                continue;
            }
            if world.proved_under_drift.contains(&sha) {
                world.proved.insert(sha.clone());
            }
            if plainly && now.min(forge_now) >= soaked {
                world.plainly.insert(sha);
            }
        }
        self.doubt_what_ended();
    }

    /// Takes out of what nobody can doubt: runs on which something was reported in the second in which
    /// they ended.
    fn doubt_what_ended(&mut self) {
        for world in self.environments.values_mut() {
            let commits = world.commits.as_deref().unwrap_or_default();
            for (at, brought) in commits.iter().enumerate().filter(|(_, commit)| commit.dry.is_some()) {
                let run = commits[at..].iter().take_while(|c| c.content == brought.content);
                let Some(end) = commits[at..].iter().find(|c| c.content != brought.content) else { continue };
                let mut reports = run.flat_map(|c| self.statuses.get(c.sha.as_str()).into_iter().flatten());
                if reports.any(|status| status.reported_at == end.at) {
                    world.plainly.remove(&brought.sha);
                }
            }
        }
    }

    /// Says whether anything was reported on a commit.
    pub(in crate::domain) fn is_reported(&self, sha: &str) -> bool {
        self.statuses.contains_key(sha)
    }

    /// Says whether the newest report on what runs is a success.
    pub(in crate::domain) fn is_healthy(&self, name: &EnvironmentName) -> bool {
        let commits = self.environments[name].commits.iter().flatten();
        let reports = commits.flat_map(|c| self.statuses.get(c.sha.as_str()).into_iter().flatten());
        reports.max_by_key(|s| s.id).is_some_and(|s| s.state == StatusState::Success)
    }

    /// Takes out of the book what the newest failure disproves: the run, and earlier ones with its
    /// content.
    pub(super) fn disprove(&mut self, sha: &str, key: &str) {
        let number = self.next;
        for environment in &self.strategy.environments {
            let world = self.environments.get_mut(&environment.name).expect("an environment");
            let commits = world.commits.as_deref().unwrap_or_default();
            let listed = environment.active_statuses.iter().any(|rule| rule.key.as_str() == key);
            let Some(at) = commits.iter().position(|c| c.sha.as_str() == sha).filter(|_| listed) else { continue };
            let run = commits[..=at].iter().rev().find(|c| c.dry.is_some());
            let Some(run) = run.filter(|run| run.content == commits[at].content && number > commits[at].number) else {
                continue;
            };
            let disproved = commits[..=at].iter().filter(|c| c.dry.is_some() && c.content == run.content);
            for sha in disproved.map(|c| c.sha.clone()).collect::<Vec<_>>() {
                world.proved.remove(&sha);
                world.proved_under_drift.remove(&sha);
                world.plainly.remove(&sha);
                world.stands.remove(&sha);
                world.stands_plainly.remove(&sha);
            }
        }
    }

    /// Writes a rollback into the book that was accepted: from now on it keeps out what it leaves.
    pub(super) fn note_rollback(&mut self, place: &Place, rollback: &Rollback) {
        let content = |sha: &ActiveSha| self.run_of(place, sha).content.clone();
        let kept = Kept {
            target: Some(rollback.target.dry.clone()),
            target_content: content(&rollback.target.commit),
            bad: rollback.bad.clone(),
            bad_content: content(&rollback.bad_commit),
        };
        let (environment, left) = (place.environment.clone(), rollback.bad_commit.clone());
        self.rolled_back.push(RolledBack { environment, kept, left, released: false });
    }

    /// Writes into the book that a rollback was cancelled: nobody is kept out by it.
    pub(super) fn note_cancelled(&mut self, place: &Place, left: &ActiveSha) {
        let under_way = |entry: &&mut RolledBack| entry.environment == place.environment && entry.left == *left;
        if let Some(entry) = self.rolled_back.iter_mut().rev().find(under_way) {
            entry.released = true;
        }
    }

    fn run_of(&self, place: &Place, sha: &ActiveSha) -> &BranchCommit {
        let commits = self.environments[&place.environment].commits.as_deref().unwrap_or_default();
        let at = commits.iter().position(|c| c.sha == *sha).expect("a commit of the branch");
        commits[..=at].iter().rev().find(|c| c.dry.is_some()).expect("a run")
    }

    /// Writes into the book that a rollback was merged: what it leaves is disproved, and what was
    /// proved of the content that it restores stands.
    pub(super) fn note_restored(&mut self, place: &Place, rollback: &Rollback, restoring: &ActiveSha) {
        let bad = self.run_of(place, &rollback.bad_commit).sha.clone();
        let target = self.run_of(place, &rollback.target.commit).sha.clone();
        let world = self.environments.get_mut(&place.environment).expect("an environment");
        let sets = [(&mut world.proved, &mut world.stands), (&mut world.plainly, &mut world.stands_plainly)];
        for (proved, stands) in sets {
            let is_proved = proved.contains(&target) || stands.contains(&target);
            proved.remove(&bad);
            stands.remove(&bad);
            if is_proved {
                stands.insert(restoring.clone());
            }
        }
    }

    /// Writes into the book that a person merged by hand: that takes back what kept it out there.
    pub(super) fn note_override(&mut self, name: &EnvironmentName, dry: &DrySha, content: &Content) {
        for entry in self.rolled_back.iter_mut().filter(|entry| entry.environment == *name) {
            entry.released |= entry.kept.bad == *dry || entry.kept.carries(content);
        }
        self.overridden.insert((name.clone(), dry.clone()), (self.rolled_back.len(), self.next));
    }

    /// Returns the rollback that keeps `dry` out of an environment: its own, or one of an environment
    /// before it, by what `dry` holds there.
    pub(in crate::domain) fn keeps_out(&self, name: &EnvironmentName, dry: &DrySha) -> Option<&RolledBack> {
        let line = self.dry_line();
        let mut before = vec![name.clone()];
        let mut next = 0;
        while let Some(environment) = before.get(next).and_then(|name| self.strategy.environment(name)) {
            before.extend(environment.depends_on.iter().cloned());
            next += 1;
        }
        let (rollbacks, _) = self.overridden.get(&(name.clone(), dry.clone())).copied().unwrap_or_default();
        let in_force = self.rolled_back.iter().skip(rollbacks);
        in_force.filter(|entry| !entry.released && before.contains(&entry.environment)).find(|entry| {
            let content = self.content_of(&entry.environment, dry);
            entry.kept.covers(dry, content.as_ref(), &line)
        })
    }
}
