//! Merges promotion pull requests.

use std::collections::BTreeSet;

use git2::Oid;
use jiff::SignedDuration;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    LookError,
    apply::Applier,
    context::RepositoryContext,
    drifts::{DriftBook, Seen},
    record::LastDecision,
    reviewing,
};
use crate::{
    domain::{
        decision::{Decision, OpenGate},
        ids::{ActiveSha, BranchName, DrySha, Place, ProposedSha, PullRequestNumber, TreeId},
        snapshot::Refusal,
        strategy::Environment,
        windows::Standing,
    },
    forge::{ForgeError, Merge, Onto},
    git::{GitError, merge, mirror::Push, trailers::Trailers},
    messages::DryText,
};

/// The first pause after the forge refused a merge; it doubles with each refusal.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(5);

/// The longest pause between two tries to merge.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(5);

/// By what something is brought onto an active branch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Through<'a> {
    /// The pull request; without one the merge is made here, and pushed.
    pub(super) number: Option<PullRequestNumber>,
    /// The branch with what is proposed.
    pub(super) head: &'a BranchName,
    /// Where the active branch is to be.
    pub(super) base: &'a ActiveSha,
}

impl Through<'_> {
    /// Returns the title of the merge: with the pull request's number behind it, as forges have it.
    pub(super) fn title(&self, title: &str) -> String {
        self.number.map_or_else(|| title.to_owned(), |number| format!("{title} ({number})"))
    }

    /// Returns what is done, to be said before what for.
    pub(super) fn act(&self) -> String {
        self.number.map_or_else(|| "push the merge".to_owned(), |number| format!("merge {number}"))
    }

    /// Returns what was done, to be said before what it brought.
    pub(super) fn done(&self) -> String {
        self.number.map_or_else(|| "pushed".to_owned(), |number| format!("merged {number}"))
    }

    /// Returns the active branch where it is expected.
    pub(super) fn onto(&self, environment: &Environment) -> Onto {
        Onto { branch: environment.branch.clone(), head: self.base.clone() }
    }
}

impl Applier<'_> {
    pub(super) async fn merge(
        &mut self,
        place: &Place,
        number: Option<PullRequestNumber>,
        expected_active: &ActiveSha,
        tree: &TreeId,
        dry: &DrySha,
        decision: &Decision,
    ) -> Result<(), LookError> {
        let environment = self.environment(place);
        let _turn = self.turn_to_merge(environment, number, expected_active).await?;
        self.check_holds().await?;
        self.check_windows(place, decision)?;
        if let Some(number) = number {
            self.check_approvals(place, number).await?;
        }
        let commit = self.dry_commit(dry).await?;
        let trailers = Trailers::of_promotion(dry.clone(), self.context.origin(place)).decided(decision.clone());
        let gates: Vec<String> = decision.gates.iter().map(ToString::to_string).collect();
        let message = self.context.shared.messages.merge(&gates, &trailers.render())?;
        let subject = DryText::new(dry, &commit.subject, &commit.author).subject().to_owned();
        let head = self.proposed_branch(place);
        let through = Through { number, head: &head, base: expected_active };
        let merge = Merge {
            expected_head: decision.proposed_sha.to_string(),
            onto: through.onto(environment),
            method: environment.merge_method,
            title: through.title(&format!("Promote {} to {place}: {subject}", dry.short())),
            message,
        };
        let act = format!("{} into {place}", through.act());
        if let Some(active) = self.merge_as_decided(place, through, decision, &merge, &act).await? {
            metrics::counter!("hydromote_promotions_total").increment(1);
            tracing::info!(
                environment.name = %place.environment, dry.sha = %dry, pull_request.number = number.map(|n| n.0),
                active.sha = active, tree = %tree, "{}: {place} runs {}", through.done(), dry.short()
            );
        }
        Ok(())
    }

    /// Waits for the turn to merge into the branch of an environment, and fails when that is not where the plan expects
    /// it. Strategies that share it go one after the other: what they bring may fit each by itself, and not together.
    ///
    /// No forge takes the base of a merge from us. Where the adapter looks at it right before, and for a push, which has
    /// its lease, the branch is not asked for here.
    pub(super) async fn turn_to_merge(
        &self,
        environment: &Environment,
        number: Option<PullRequestNumber>,
        expected: &ActiveSha,
    ) -> Result<Option<OwnedSemaphorePermit>, LookError> {
        let is_shared = self.context.others.values().any(|branches| branches.contains(&environment.branch));
        let turn = match is_shared {
            // It fails only once it is closed, which nobody does.
            true => self.context.destination.merging.clone().acquire_owned().await.ok(),
            false => None,
        };
        if number.is_some() && !self.context.destination.forge.looks_at_base() {
            self.check_base(&environment.branch, expected).await?;
        }
        Ok(turn)
    }

    /// Merges what is proposed and reads the branch that it went into; returns the commit that it made, or nothing when
    /// the forge refused.
    pub(super) async fn merge_as_decided(
        &mut self,
        place: &Place,
        through: Through<'_>,
        decision: &Decision,
        merge: &Merge,
        act: &str,
    ) -> Result<Option<String>, LookError> {
        self.merge_parts(&[(place.clone(), decision.clone())], through, merge, act).await
    }

    /// Merges what brings something to each of these places of one environment.
    pub(super) async fn merge_parts(
        &mut self,
        parts: &[(Place, Decision)],
        through: Through<'_>,
        merge: &Merge,
        act: &str,
    ) -> Result<Option<String>, LookError> {
        let context = self.context;
        let RepositoryContext { shared, forge, mirror, account, .. } = &context.destination;
        if let Some(number) = through.number.filter(|_| !forge.looks_at_base()) {
            self.check_destination(number, &merge.onto.branch).await?;
        }
        for (place, decision) in parts {
            shared.store.save_note(&context.id, place, &LastDecision(decision.clone())).await?;
        }
        let branches: BTreeSet<BranchName> =
            parts.iter().map(|(place, _)| self.environment(place).branch.clone()).collect();
        let merged: Result<String, LookError> = match through.number {
            Some(number) => {
                let merging = forge.merge_pull_request(&context.destination.id, number, merge);
                self.intend(act, merging).await.map_err(LookError::from)
            }
            None => self.intend(act, self.push_merge(&branches, through, merge)).await,
        };
        match merged {
            Ok(active) => {
                let now = self.now();
                if let Ok(commit) = ActiveSha::new(active.as_str()) {
                    // Somebody may force a push before anybody looks.
                    let seen = Seen { head: commit.clone(), commit };
                    for (place, _) in parts {
                        let note = |book: &mut DriftBook| book.promoted = Some(seen.clone());
                        shared.store.change_note(&context.id, place, note).await?;
                    }
                }
                if let Some(number) = through.number {
                    self.view.note_merge(through.head, number, &active, &account.login, now);
                    mirror.fetch_branches(&context.remote().await?, &Vec::from_iter(branches)).await?;
                }
                Ok(Some(active))
            }
            Err(
                LookError::Forge(ForgeError::Refused { words, .. }) | LookError::Git(GitError::Refused { words, .. }),
            ) => {
                for (place, decision) in parts {
                    self.note_refusal(place, &decision.proposed_sha, words.clone()).await?;
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Makes the merge of what is proposed here, and pushes it; returns it. The forge guards the base by the lease.
    async fn push_merge(
        &self,
        branches: &BTreeSet<BranchName>,
        through: Through<'_>,
        merge: &Merge,
    ) -> Result<String, LookError> {
        let mirror = &self.context.destination.mirror;
        let (base, head) = (through.base.to_string(), merge.expected_head.clone());
        let (message, seconds) = (format!("{}\n\n{}", merge.title, merge.message), self.now().as_second());
        let (base, commit) = mirror
            .read(move |repository, _| {
                let (base, head) = (Oid::from_str(&base)?, Oid::from_str(&head)?);
                Ok((base, merge::merge_commit(repository, base, head, &message, seconds)?))
            })
            .await?;
        let push = |branch: &BranchName| Push { branch: branch.clone(), expected: Some(base), new: Some(commit) };
        mirror.push(&self.context.remote().await?, &branches.iter().map(push).collect::<Vec<_>>()).await?;
        Ok(commit.to_string())
    }

    /// Fails when a pull request does not go where it was opened for: whoever may write can have it go into any branch,
    /// the dry one too, and no forge lets a merge say where.
    async fn check_destination(&self, number: PullRequestNumber, branch: &BranchName) -> Result<(), LookError> {
        let destination = &self.context.destination;
        let pull = destination.forge.pull_request(&destination.id, number).await?;
        match pull.base == branch.as_str() {
            true => Ok(()),
            false => Err(ForgeError::Moved { words: format!("{number} goes into `{}` by now", pull.base) }.into()),
        }
    }

    /// Fails when a window has closed since the merge was decided: what came before it may have taken long.
    pub(super) fn check_windows(&self, place: &Place, decision: &Decision) -> Result<(), LookError> {
        let is_overridden = |of| {
            let overrides = |gate: &OpenGate| matches!(gate, OpenGate::WindowOverride { of: gate, .. } if *gate == of);
            decision.gates.iter().any(overrides)
        };
        let closed = self
            .environment(place)
            .windows
            .standings(self.now())
            .find(|(of, standing)| matches!(standing, Standing::Closed { .. }) && !is_overridden(*of));
        match closed {
            Some(_) => Err(ForgeError::Moved { words: format!("a window of {place} has closed meanwhile") }.into()),
            None => Ok(()),
        }
    }

    /// Fails when an approval that the merge was decided on does not count any more, as the forge has it now.
    pub(super) async fn check_approvals(&mut self, place: &Place, number: PullRequestNumber) -> Result<(), LookError> {
        let Some(rule) = &self.environment(place).approvals else { return Ok(()) };
        let state = self.snapshot.places.get(place);
        let parts = state.and_then(|state| Some((state.branch()?, state.proposal.as_ref()?)));
        let (branch, proposal) = parts.expect("because a merge is planned of a proposal on a branch");
        let subject = reviewing::Subject { number, proposal, active: &branch.tree, running: branch.runs.first() };
        let reviewed = self.view.reviewing.read_now(self.context, rule, subject).await?;
        match rule.waits(Some(&reviewed)).first() {
            Some(wait) => Err(ForgeError::Moved { words: format!("{place} is not approved any more: {wait}") }.into()),
            None => Ok(()),
        }
    }

    /// Has what the forge does not let us open wait in these places, with its words, as what it does not let us merge;
    /// other environments do not wait for that.
    pub(super) async fn note_unopened(
        &self,
        places: &[Place],
        proposed: &ProposedSha,
        error: ForgeError,
    ) -> Result<(), LookError> {
        let ForgeError::Refused { words, .. } = error else { return Err(error.into()) };
        for place in places {
            self.note_refusal(place, proposed, format!("no pull request could be opened: {words}")).await?;
        }
        Ok(())
    }

    pub(super) async fn note_refusal(
        &self,
        place: &Place,
        proposed: &ProposedSha,
        words: String,
    ) -> Result<(), LookError> {
        let store = &self.context.shared.store;
        let before: Option<Refusal> = store.note(&self.context.id, place).await?;
        let now = self.now();
        let tries = before.filter(|r| r.proposed == *proposed).map_or(0, |r| r.tries + 1);
        let pause = (0..tries).fold(FIRST_PAUSE, |pause, _| (pause * 2).min(LONGEST_PAUSE));
        tracing::info!(environment.name = %place.environment, words, "the forge refuses what is proposed for {place}");
        let refusal = Refusal { proposed: proposed.clone(), words, retry_at: now + pause, tries };
        Ok(store.save_note(&self.context.id, place, &refusal).await?)
    }
}
