//! Performs what a plan says of restoring over drift.
//!
//! What was promoted last is composed on the head that is there, from the commit that held it, and
//! merged as a pull request: nothing is rendered, nothing is forced, and files of others stay.

use std::sync::Arc;

use git2::Oid;

use super::{
    LookError,
    apply::Applier,
    drifts::{self, DriftBook},
    keys::{drift_key, restore_key},
    merging::Through,
    proposals,
};
use crate::{
    domain::{
        decision::Decision,
        drift::{Drift, LastPromoted, Restore},
        ids::{ActiveSha, BranchName, Place, ProposedSha, PullRequestNumber, RootName, TreeId},
        snapshot::{Obstacle, PostedStatus},
        status::StatusState,
    },
    forge::{ForgeError, Merge, NewPullRequest, PullRequestState},
    git::{
        GitError,
        compose::Composed,
        mirror::Push,
        restore::{self, Over, Restoration},
        trailers::Trailers,
        tree::Owned,
    },
    messages::{DryText, RestoreText},
};

/// What our own status on the head of the restoring branch says, before we close its pull request.
const ENDED_BY_US: &str = "Ended by Hydromote";

impl Applier<'_> {
    pub(super) async fn bring_branch_back(
        &mut self,
        place: &Place,
        branch: &BranchName,
        at: &ActiveSha,
        restore: &Restore,
    ) -> Result<(), LookError> {
        self.check_wish(place, restore).await?;
        if !self.is_here(at).await? {
            return self.end_restore(place, restore, None, &gone(at)).await;
        }
        let new = Some(Oid::from_str(at.as_str()).map_err(GitError::from)?);
        let push = Push { branch: branch.clone(), expected: None, new };
        let mirror = &self.context.destination.mirror;
        self.intend(&format!("make {branch} again"), mirror.push(&self.context.remote().await?, &[push])).await?;
        self.tell(Some(place), &format!("made `{branch}` again at {}", at.short())).await?;
        tracing::warn!(environment.name = %place.environment, %branch, "made {branch} again at {}", at.short());
        Ok(())
    }

    pub(super) async fn propose_restore(
        &mut self,
        place: &Place,
        drift: &Drift,
        restore: &Restore,
        expected_active: &ActiveSha,
        expected_proposed: Option<&ProposedSha>,
    ) -> Result<(), LookError> {
        self.check_wish(place, restore).await?;
        let store = &self.context.shared.store;
        let promoted = promoted(place, drift)?;
        if !self.is_here(&promoted.commit).await? {
            return self.end_restore(place, restore, None, &gone(&promoted.commit)).await;
        }
        let composed = match self.compose_restored(place, drift, promoted, restore, expected_active).await {
            Ok(composed) => composed,
            Err(LookError::Git(GitError::Obstacle { message })) => {
                let (dry, active) = (promoted.dry.clone(), expected_active.clone());
                tracing::warn!(environment.name = %place.environment, message, "{place} cannot be restored");
                return Ok(store.save_note(&self.context.id, place, &Obstacle { dry, active, message }).await?);
            }
            Err(error) => return Err(error),
        };
        let proposed = ProposedSha::new(composed.commit.to_string()).expect("because git's ids are hexadecimal");
        let tree = TreeId::new(composed.tree.to_string()).expect("because git's ids are hexadecimal");
        store.save_proposal(&self.context.id, place, &proposed, &tree, &promoted.dry).await?;
        let branch = self.restore_branch(place);
        let expected = expected_proposed.and_then(|sha| Oid::from_str(sha.as_str()).ok());
        let push = Push { branch: branch.clone(), expected, new: Some(composed.commit) };
        let mirror = &self.context.destination.mirror;
        let act = format!("propose to restore {place}");
        self.intend(&act, mirror.push(&self.context.remote().await?, &[push])).await?;
        self.view.note_push(&branch, proposed.as_str());
        Ok(())
    }

    async fn compose_restored(
        &self,
        place: &Place,
        drift: &Drift,
        promoted: &LastPromoted,
        restore: &Restore,
        active: &ActiveSha,
    ) -> Result<Composed, LookError> {
        let trailers = self.restoring_trailers(place, promoted, restore).await?;
        let text = self.restore_text(place, drift, promoted, restore).await;
        let message = self.context.shared.messages.restore_commit(&text, &trailers.render())?;
        let id = |sha: &ActiveSha| Oid::from_str(sha.as_str()).map_err(GitError::from);
        let restoration = Restoration {
            parent: id(active)?,
            target: id(&promoted.commit)?,
            roots: drift.outputs.iter().filter_map(|output| RootName::new(output).ok()).collect(),
            over: Over::Promoted,
            seconds: restore.at.as_second(),
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

    pub(super) async fn open_restore(
        &mut self,
        place: &Place,
        drift: &Drift,
        restore: &Restore,
        proposed: &ProposedSha,
    ) -> Result<(), LookError> {
        self.check_wish(place, restore).await?;
        let text = self.restore_text(place, drift, promoted(place, drift)?, restore).await;
        let page = self.context.page();
        let text = self.context.shared.messages.restore_pull_request(&text, page.as_deref())?;
        let base = self.environment(place).branch.clone();
        let state = self.snapshot.places.get(place);
        if let Some(branch) = state.and_then(|state| state.branch()) {
            self.check_base(&base, &branch.head).await?;
        }
        let new = NewPullRequest { head: self.restore_branch(place), base, title: text.title, body: text.body };
        let (repository, forge) = (&self.context.destination.id, &self.context.destination.forge);
        let act = format!("open a pull request to restore {place}");
        let opened = match self.intend(&act, forge.open_pull_request(repository, &new)).await {
            Ok(opened) => opened,
            Err(error) => return self.note_unopened(std::slice::from_ref(place), proposed, error).await,
        };
        self.context.shared.store.save_described(repository, opened.number, proposed).await?;
        let number = opened.number;
        tracing::info!(
            environment.name = %place.environment, pull_request.number = number.0, "opened {number} to restore {place}"
        );
        self.view.remember_pull_request(&new.head, opened);
        Ok(())
    }

    pub(super) async fn merge_restore(
        &mut self,
        place: &Place,
        drift: &Drift,
        restore: &Restore,
        number: Option<PullRequestNumber>,
        expected_active: &ActiveSha,
        decision: &Decision,
    ) -> Result<(), LookError> {
        let environment = self.environment(place);
        let _turn = self.turn_to_merge(environment, number, expected_active).await?;
        self.check_wish(place, restore).await?;
        let promoted = promoted(place, drift)?;
        let trailers = self.restoring_trailers(place, promoted, restore).await?.decided(decision.clone());
        let text = self.restore_text(place, drift, promoted, restore).await;
        let messages = &self.context.shared.messages;
        let head = self.restore_branch(place);
        let through = Through { number, head: &head, base: expected_active };
        let merge = Merge {
            expected_head: decision.proposed_sha.to_string(),
            onto: through.onto(environment),
            method: environment.merge_method,
            title: through.title(&messages.restore_title(&text)?),
            message: messages.restore_merge(&text, &trailers.render())?,
        };
        let act = format!("{}: restore {place}", through.act());
        if let Some(active) = self.merge_as_decided(place, through, decision, &merge, &act).await? {
            let with = number.map(|number| format!(" with {number}")).unwrap_or_default();
            let what = format!("restored over {}{with}", restore.of.short());
            self.tell(Some(place), &what).await?;
            tracing::warn!(
                environment.name = %place.environment, pull_request.number = number.map(|n| n.0), active.sha = active,
                "{}: {place} is again what {} brought", through.done(), promoted.dry.short()
            );
        }
        Ok(())
    }

    pub(super) async fn end_restore(
        &mut self,
        place: &Place,
        restore: &Restore,
        pull_request: Option<PullRequestNumber>,
        reason: &str,
    ) -> Result<(), LookError> {
        let repository = &self.context.destination.id;
        if let Some(number) = pull_request {
            let forge = &self.context.destination.forge;
            let pull = forge.pull_request(repository, number).await?;
            if pull.state == PullRequestState::Merged {
                self.view.forget_pull_requests(&self.restore_branch(place));
                return Err(ForgeError::Moved { words: format!("{number} is merged already") }.into());
            }
            if pull.state == PullRequestState::Open {
                self.context.shared.store.save_closed_by_us(repository, number).await?;
                let status = PostedStatus::new(StatusState::Error, &format!("{ENDED_BY_US}: {reason}"));
                self.post(&pull.head_sha, &restore_key(place), &status).await?;
                self.intend(&format!("close {number}"), forge.close_pull_request(repository, number)).await?;
            }
            self.view.forget_pull_requests(&self.restore_branch(place));
        }
        self.post(
            restore.of.as_str(),
            &drift_key(self.context.strategy.told_apart(place), place),
            &Restore::ended(reason),
        )
        .await?;
        let end = |book: &mut DriftBook| {
            if book.restore.as_ref() == Some(restore) {
                book.restore = None;
            }
        };
        self.context.shared.store.change_note(&self.context.id, place, end).await?;
        tracing::info!(environment.name = %place.environment, "the restoring of {place} ended: {reason}");
        Ok(())
    }

    /// Fails when what a person wanted to be restored is not wanted any more.
    async fn check_wish(&self, place: &Place, restore: &Restore) -> Result<(), LookError> {
        let book = drifts::book(self.context, place).await?;
        if book.restore.as_ref() == Some(restore) {
            return Ok(());
        }
        Err(ForgeError::Moved { words: format!("what somebody wanted of {place} has changed meanwhile") }.into())
    }

    /// Brings a commit into the mirror that may be on no branch any more; says whether it is there.
    async fn is_here(&self, commit: &ActiveSha) -> Result<bool, LookError> {
        let head = ProposedSha::new(commit.as_str()).expect("because an id of one kind is one of any");
        match proposals::read(self.context, &head).await {
            Ok(_) => Ok(true),
            // The branches were read just now: the forge answers, and does not have it.
            Err(LookError::Git(error)) => {
                tracing::warn!(commit = %commit, %error, "what was promoted last cannot be read");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the trailers of what brings `promoted` back: those that it had, so that what was rolled
    /// back by it stays so.
    async fn restoring_trailers(
        &self,
        place: &Place,
        promoted: &LastPromoted,
        restore: &Restore,
    ) -> Result<Trailers, LookError> {
        let head = ProposedSha::new(promoted.commit.as_str()).expect("because an id of one kind is one of any");
        let commit = proposals::read(self.context, &head).await?;
        let origin = self.context.origin(place);
        let own = commit.merged_trailers.or(commit.trailers).and_then(|trailers| trailers.seen_from(&origin));
        let own = own.filter(|trailers| trailers.dry == promoted.dry);
        let trailers = own.unwrap_or_else(|| Trailers::of_promotion(promoted.dry.clone(), origin));
        Ok(trailers.mending(restore.clone()))
    }

    async fn restore_text(
        &self,
        place: &Place,
        drift: &Drift,
        promoted: &LastPromoted,
        restore: &Restore,
    ) -> RestoreText {
        // A commit that a forced push took off the line may be gone: its id says enough.
        let dry = match self.dry_commit(&promoted.dry).await {
            Ok(commit) => DryText::new(&promoted.dry, &commit.subject, &commit.author),
            Err(_) => DryText::new(&promoted.dry, "", ""),
        };
        RestoreText::new(place, dry, drift, restore)
    }

    fn restore_branch(&self, place: &Place) -> BranchName {
        self.environment(place).restore_branch(&place.lane)
    }
}

fn gone(commit: &ActiveSha) -> String {
    format!("the forge does not have {} any more", commit.short())
}

/// Returns what was promoted last, as the plan saw it.
fn promoted<'d>(place: &Place, drift: &'d Drift) -> Result<&'d LastPromoted, LookError> {
    let nothing = || ForgeError::Moved { words: format!("nothing was promoted to {place} that could be restored") };
    Ok(drift.promoted.as_ref().ok_or_else(nothing)?)
}
