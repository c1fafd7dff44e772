//! Performs what a plan says of holds and rollbacks.
//!
//! A rollback stands in the store and on the forge, as a hold, before its branch is pushed; what
//! it brings back is composed from the earlier commit and never rendered.

use std::{collections::BTreeSet, sync::Arc};

use git2::Oid;

use super::{
    LookError,
    apply::Applier,
    holds::{CANCELLED_BY_US, HoldBook},
    keys::{hold_key, rollback_key},
    merging::Through,
    rejected_commits::RejectionBook,
};
use crate::{
    domain::{
        decision::Decision,
        hold::Hold,
        ids::{ActiveSha, BranchName, Place, ProposedSha, PullRequestNumber, RootName, TreeId},
        rollback::{Rollback, Start, Trigger},
        snapshot::{Obstacle, PostedStatus, Run},
        status::StatusState,
    },
    forge::{ForgeError, Merge, NewPullRequest, PullRequestState},
    git::{
        GitError, history,
        mirror::Push,
        restore::{self, Over, Restoration},
        trailers::Trailers,
        tree::Owned,
    },
    messages::{DryText, RollbackText},
};

impl Applier<'_> {
    pub(super) async fn post_hold(
        &self,
        place: &Place,
        active: &ActiveSha,
        status: &PostedStatus,
    ) -> Result<(), LookError> {
        self.post(active.as_str(), &hold_key(self.context.strategy.told_apart(place), place), status).await
    }

    /// Puts what the plan says of a hold on the forge, unless a person has changed it since.
    pub(super) async fn mark_hold(
        &self,
        place: &Place,
        active: &ActiveSha,
        status: &PostedStatus,
    ) -> Result<(), LookError> {
        let book: HoldBook = self.book(place).await?;
        let stands = book.hold.as_ref().map(Hold::status);
        if stands.as_ref().is_some_and(|stands| stands != status) || (stands.is_none() && is_held(status)) {
            return Err(changed(place));
        }
        self.post_hold(place, active, status).await
    }

    /// Fails when a person has held, released, rejected or rolled anything back since the plan was made: what was
    /// acknowledged counts for the merge that is about to be done.
    pub(super) async fn check_holds(&self) -> Result<(), LookError> {
        for (place, state) in &self.snapshot.places {
            let book = self.book(place).await?;
            let same = book.hold == state.hold && book.rollback == state.rollback && book.cancelled == state.cancelled;
            // A place without a branch has no book yet.
            if !same && state.branch().is_some() {
                return Err(changed(place));
            }
        }
        let store = &self.context.shared.store;
        let rejected = store.strategy_note::<RejectionBook>(&self.context.id).await?.unwrap_or_default();
        if rejected.0 != self.snapshot.rejections {
            let words = "somebody has rejected a dry commit meanwhile, or taken that back".to_owned();
            return Err(ForgeError::Moved { words }.into());
        }
        Ok(())
    }

    async fn book(&self, place: &Place) -> Result<HoldBook, LookError> {
        Ok(self.context.shared.store.note(&self.context.id, place).await?.unwrap_or_default())
    }

    pub(super) async fn end_hold(
        &self,
        place: &Place,
        active: &ActiveSha,
        hold: &Hold,
        reason: &str,
    ) -> Result<(), LookError> {
        let mut ended = false;
        self.change(place, |book| {
            ended = book.hold.as_ref() == Some(hold);
            if ended {
                book.hold = None;
            }
        })
        .await?;
        if !ended {
            return Err(changed(place));
        }
        self.post_hold(place, active, &Hold::ended(reason)).await?;
        self.tell(Some(place), &format!("the hold ended: {reason}")).await?;
        tracing::info!(environment.name = %place.environment, "the hold of {place} ended: {reason}");
        Ok(())
    }

    pub(super) async fn start_rollback(
        &self,
        place: &Place,
        active: &ActiveSha,
        start: &Start,
    ) -> Result<(), LookError> {
        let Start { rollback, hold } = start;
        let seen = self.snapshot.places.get(place).and_then(|state| state.hold.as_ref());
        let mut as_seen = true;
        self.change(place, |book| {
            // A hold that a person gave or took back meanwhile decides how strict this one is.
            as_seen = book.rollback.is_none() && book.hold.as_ref() == seen;
            if as_seen {
                book.start(rollback.clone(), hold.clone());
            }
        })
        .await?;
        if !as_seen {
            return Err(changed(place));
        }
        self.post_hold(place, active, &hold.status()).await?;
        let (bad, target) = (rollback.bad.short(), rollback.target.dry.short());
        self.tell(Some(place), &format!("starts to roll back from {bad} to {target}: {}", rollback.reason)).await?;
        tracing::warn!(
            environment.name = %place.environment, dry.sha = %rollback.bad,
            "{place} is rolled back from {bad} to {target}: {}", rollback.reason
        );
        Ok(())
    }

    pub(super) async fn propose_rollback(
        &mut self,
        place: &Place,
        rollback: &Rollback,
        expected_active: &ActiveSha,
        expected_proposed: Option<&ProposedSha>,
    ) -> Result<(), LookError> {
        let store = &self.context.shared.store;
        let composed = match self.restore(place, rollback, expected_active).await {
            Ok(composed) => composed,
            Err(LookError::Git(GitError::Obstacle { message })) => {
                let (dry, active) = (rollback.target.dry.clone(), expected_active.clone());
                tracing::warn!(environment.name = %place.environment, message, "{place} cannot be rolled back");
                return Ok(store.save_note(&self.context.id, place, &Obstacle { dry, active, message }).await?);
            }
            Err(error) => return Err(error),
        };
        let proposed = ProposedSha::new(composed.commit.to_string()).expect("because git's ids are hexadecimal");
        let tree = TreeId::new(composed.tree.to_string()).expect("because git's ids are hexadecimal");
        store.save_proposal(&self.context.id, place, &proposed, &tree, &rollback.target.dry).await?;
        let branch = self.rollback_branch(place);
        let expected = expected_proposed.and_then(|sha| Oid::from_str(sha.as_str()).ok());
        let push = Push { branch: branch.clone(), expected, new: Some(composed.commit) };
        let mirror = &self.context.destination.mirror;
        let act = format!("propose to roll {place} back to {}", rollback.target.dry);
        self.intend(&act, mirror.push(&self.context.remote().await?, &[push])).await?;
        self.view.note_push(&branch, proposed.as_str());
        Ok(())
    }

    async fn restore(
        &self,
        place: &Place,
        rollback: &Rollback,
        active: &ActiveSha,
    ) -> Result<crate::git::compose::Composed, LookError> {
        let trailers = self.trailers(place, rollback);
        let text = self.rollback_text(place, rollback).await;
        let message = self.context.shared.messages.rollback_commit(&text, &trailers.render())?;
        let id = |sha: &ActiveSha| Oid::from_str(sha.as_str()).map_err(GitError::from);
        let restoration = Restoration {
            parent: id(active)?,
            target: id(&rollback.target.commit)?,
            roots: self.going_back(place, rollback),
            over: Over::Listed,
            seconds: rollback.at.as_second(),
            is_undivided: self.context.is_undivided(self.environment(place)),
        };
        let sharing =
            self.context.sharing(self.environment(place), self.running_content(place).iter().map(|(root, _)| root));
        let composed = self.context.destination.mirror.read(move |repository, cache| {
            let part = |owned: &Arc<Owned>| sharing.part(owned);
            restore::restore_commit(repository, &restoration, |tree| cache.read(repository, tree), part, &message)
        });
        Ok(composed.await?)
    }

    /// Returns the roots that a rollback may touch; none stands for all that are on the branch.
    fn going_back(&self, place: &Place, rollback: &Rollback) -> BTreeSet<RootName> {
        if !rollback.roots.is_empty() || self.context.strategy.lanes.label().is_none() {
            return rollback.roots.clone();
        }
        let branch = self.snapshot.places.get(place).and_then(|state| state.branch());
        let runs = branch.map(|branch| branch.runs.as_slice()).unwrap_or_default();
        let is_target = |run: &&Run| run.commits.iter().any(|commit| commit.sha == rollback.target.commit);
        let (now, then) = (runs.first(), runs.iter().find(is_target));
        now.into_iter().chain(then).flat_map(|run| run.content.iter()).map(|(root, _)| root.clone()).collect()
    }

    pub(super) async fn open_rollback(
        &mut self,
        place: &Place,
        rollback: &Rollback,
        proposed: &ProposedSha,
    ) -> Result<(), LookError> {
        let text = self.rollback_text(place, rollback).await;
        let page = self.context.page();
        let text = self.context.shared.messages.rollback_pull_request(&text, page.as_deref())?;
        let base = self.environment(place).branch.clone();
        if let Some(branch) = self.snapshot.places.get(place).and_then(|state| state.branch()) {
            self.check_base(&base, &branch.head).await?;
        }
        let new = NewPullRequest { head: self.rollback_branch(place), base, title: text.title, body: text.body };
        let forge = &self.context.destination.forge;
        let repository = &self.context.destination.id;
        let act = format!("open a pull request to roll {place} back");
        let opened = match self.intend(&act, forge.open_pull_request(repository, &new)).await {
            Ok(opened) => opened,
            Err(error) => return self.note_unopened(std::slice::from_ref(place), proposed, error).await,
        };
        self.change(place, |book| book.pull_request = Some(opened.number)).await?;
        let store = &self.context.shared.store;
        store.save_described(repository, opened.number, proposed).await?;
        let number = opened.number;
        tracing::info!(
            environment.name = %place.environment, pull_request.number = number.0,
            "opened {number} to roll {place} back to {}", rollback.target.dry.short()
        );
        self.view.remember_pull_request(&new.head, opened);
        Ok(())
    }

    pub(super) async fn merge_rollback(
        &mut self,
        place: &Place,
        rollback: &Rollback,
        number: Option<PullRequestNumber>,
        expected_active: &ActiveSha,
        decision: &Decision,
    ) -> Result<(), LookError> {
        let environment = self.environment(place);
        let _turn = self.turn_to_merge(environment, number, expected_active).await?;
        self.check_holds().await?;
        let trailers = self.trailers(place, rollback).decided(decision.clone());
        let text = self.rollback_text(place, rollback).await;
        let messages = &self.context.shared.messages;
        let head = self.rollback_branch(place);
        let through = Through { number, head: &head, base: expected_active };
        let merge = Merge {
            expected_head: decision.proposed_sha.to_string(),
            onto: through.onto(environment),
            method: environment.merge_method,
            title: through.title(&messages.rollback_title(&text)?),
            message: messages.rollback_merge(&text, &trailers.render())?,
        };
        let act = format!("{}: roll {place} back", through.act());
        if let Some(active) = self.merge_as_decided(place, through, decision, &merge, &act).await? {
            metrics::counter!("hydromote_rollbacks_total").increment(1);
            tracing::warn!(
                environment.name = %place.environment, pull_request.number = number.map(|n| n.0), active.sha = active,
                "{}: {place} is back at {}", through.done(), rollback.target.dry.short()
            );
        }
        Ok(())
    }

    pub(super) async fn finish_rollback(
        &self,
        place: &Place,
        active: &ActiveSha,
        rollback: &Rollback,
    ) -> Result<(), LookError> {
        let mut taken_back = None;
        self.change(place, |book| {
            let before = book.before.take();
            (book.rollback, book.pull_request) = (None, None);
            // A person took it back while it was merged; the hold that it was started under holds on.
            if book.cancelled.remove(&rollback.bad_commit) {
                book.hold.clone_from(&before);
                book.released.insert(active.clone());
                taken_back = Some(before);
            }
        })
        .await?;
        if let Some(before) = taken_back {
            self.post_hold(place, active, &Hold::released("a person, while it was merged")).await?;
            if let Some(before) = before {
                self.post_hold(place, active, &before.status()).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn cancel_rollback(
        &mut self,
        place: &Place,
        active: &ActiveSha,
        rollback: &Rollback,
        pull_request: Option<PullRequestNumber>,
        reason: &str,
    ) -> Result<(), LookError> {
        let repository = &self.context.destination.id;
        if let Some(number) = pull_request {
            let forge = &self.context.destination.forge;
            let pull = forge.pull_request(repository, number).await?;
            if pull.state == PullRequestState::Merged {
                return Err(ForgeError::Moved { words: format!("{number} is merged already") }.into());
            }
            if pull.state == PullRequestState::Open {
                self.context.shared.store.save_closed_by_us(repository, number).await?;
                let status = PostedStatus::new(StatusState::Error, &format!("{CANCELLED_BY_US}: {reason}"));
                self.post(&pull.head_sha, &rollback_key(place), &status).await?;
                self.intend(&format!("close {number}"), forge.close_pull_request(repository, number)).await?;
            }
            self.view.forget_pull_requests(&self.rollback_branch(place));
        }
        // A hold that was there before the rollback stays, and stands on the forge before the book says so.
        let before = self.book(place).await?.before;
        let ended = || Hold::ended(&format!("the rollback was cancelled: {reason}"));
        self.post_hold(place, active, &before.as_ref().map_or_else(ended, Hold::status)).await?;
        self.change(place, |book| {
            book.cancelled.insert(rollback.bad_commit.clone());
            (book.hold, book.rollback, book.pull_request) = (book.before.take(), None, None);
        })
        .await?;
        self.tell(Some(place), &format!("the rollback was cancelled: {reason}")).await?;
        tracing::info!(environment.name = %place.environment, "the rollback of {place} was cancelled: {reason}");
        Ok(())
    }

    fn trailers(&self, place: &Place, rollback: &Rollback) -> Trailers {
        let hold = self.snapshot.places.get(place).and_then(|state| state.hold.as_ref());
        Trailers::of_rollback(rollback, hold.map(|hold| hold.rule), self.context.origin(place))
    }

    async fn rollback_text(&self, place: &Place, rollback: &Rollback) -> RollbackText {
        let (bad, target) = (self.dry_commit(&rollback.bad).await, self.dry_commit(&rollback.target.dry).await);
        // A commit that a forced push took off the line may be gone: its id says enough.
        let text = |commit: Result<history::DryCommit, LookError>, sha| match commit {
            Ok(commit) => DryText::new(sha, &commit.subject, &commit.author),
            Err(_) => DryText::new(sha, "", ""),
        };
        RollbackText::new(
            place,
            text(bad, &rollback.bad),
            text(target, &rollback.target.dry),
            &rollback.by,
            rollback.trigger == Trigger::Automatic,
            &rollback.reason,
        )
        .only(&rollback.roots)
    }

    async fn change(&self, place: &Place, change: impl FnOnce(&mut HoldBook)) -> Result<(), LookError> {
        self.context.shared.store.change_note(&self.context.id, place, change).await?;
        Ok(())
    }

    fn rollback_branch(&self, place: &Place) -> BranchName {
        self.environment(place).rollback_branch(&place.lane)
    }
}

fn is_held(status: &PostedStatus) -> bool {
    status.state == StatusState::Pending
}

fn changed(place: &Place) -> LookError {
    ForgeError::Moved { words: format!("somebody has held, released or rolled back {place} meanwhile") }.into()
}
