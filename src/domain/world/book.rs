//! The book of what was proved and what was rolled back, kept apart from the rules.

use super::{BranchCommit, EnvironmentWorld, RolledBack, World, content};
use crate::domain::{
    content::Content,
    ids::{ActiveSha, DrySha, EnvironmentName, Place},
    rollback::Rollback,
    status::{CommitStatus, StatusState},
};

impl World {
    /// Says whether an environment has proved a dry SHA by the heads of its branch and what was
    /// reported on them, without our records.
    pub(in crate::domain) fn has_proved(&self, name: &EnvironmentName, dry: &DrySha) -> bool {
        let environment = self.strategy.environment(name).expect("an environment");
        let world = &self.environments[name];
        let line = self.dry_line();
        if self.is_rejected(name, dry) || self.is_rejected_everywhere(name, dry) || self.keeps_out(name, dry).is_some()
        {
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

    pub(super) fn is_proved(&self, world: &EnvironmentWorld, commit: &BranchCommit) -> bool {
        commit.content.is_empty() || world.proved.contains(&commit.sha)
    }

    /// Says whether a person closed the pull request of `dry`, or of a newer one that would have
    /// brought it along.
    pub(super) fn is_rejected(&self, name: &EnvironmentName, dry: &DrySha) -> bool {
        let (world, line) = (&self.environments[name], self.dry_line());
        let position = |dry: &DrySha| line.position(dry);
        let running = world.commits.iter().flatten().rev().find_map(|c| c.dry.as_ref()).map(position);
        let rejected = world.rejected.keys().filter(|bad| !self.ran(name, bad));
        rejected
            .into_iter()
            .any(|bad| bad == dry || (position(dry) > running.unwrap_or_default() && position(dry) <= position(bad)))
    }

    /// Says whether a person rejected the dry commit, and nobody has merged it here by hand since.
    pub(in crate::domain) fn is_rejected_everywhere(&self, name: &EnvironmentName, dry: &DrySha) -> bool {
        let Some(rejection) = self.rejections.get(dry) else { return false };
        let brought = |c: &&BranchCommit| c.dry.as_ref() == Some(dry) && c.restored.is_none() && c.at > rejection.at;
        self.environments[name].commits.iter().flatten().find(brought).is_none()
    }

    pub(super) fn ran(&self, name: &EnvironmentName, dry: &DrySha) -> bool {
        self.environments[name].commits.iter().flatten().any(|c| c.dry.as_ref() == Some(dry))
    }

    /// Writes into the book what is proved at this moment by what runs.
    pub(super) fn prove(&mut self) {
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
    pub(in crate::domain) fn is_healthy(&self, name: &EnvironmentName) -> bool {
        let commits = self.environments[name].commits.iter().flatten();
        let reports = commits.flat_map(|c| self.statuses.get(c.sha.as_str()).into_iter().flatten());
        reports.max_by_key(|s| s.id).is_some_and(|s| s.state == StatusState::Success)
    }

    /// Takes out of the book what this failure disproves: the run, and earlier ones with its content.
    pub(super) fn disprove(&mut self, sha: &str, key: &str) {
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

    /// Writes a rollback into the book: what it leaves is disproved, and what was proved of the
    /// content that it restores stands.
    pub(super) fn write_down(&mut self, place: &Place, rollback: &Rollback, restoring: &ActiveSha) {
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
    pub(in crate::domain) fn keeps_out(&self, name: &EnvironmentName, dry: &DrySha) -> Option<&RolledBack> {
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
}
