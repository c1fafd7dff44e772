//! Merges promotion pull requests.

use jiff::SignedDuration;

use super::{LookError, apply::Applier, record::LastDecision};
use crate::{
    domain::{
        decision::Decision,
        ids::{ActiveSha, DrySha, Place, ProposedSha, PullRequestNumber, TreeId},
        snapshot::Refusal,
    },
    forge::{ForgeError, Merge},
    git::trailers::Trailers,
    messages::DryText,
};

/// The first pause after the forge refused a merge; it doubles with each refusal.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(5);

/// The longest pause between two tries to merge.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(5);

impl Applier<'_> {
    pub(super) async fn merge(
        &mut self,
        place: &Place,
        number: PullRequestNumber,
        expected_active: &ActiveSha,
        tree: &TreeId,
        dry: &DrySha,
        decision: &Decision,
    ) -> Result<(), LookError> {
        let environment =
            self.context.strategy.environment(&place.environment).expect("because the plan is of this strategy");
        // No forge guards the base of a merge: the branch is asked for right before.
        self.check_base(&environment.branch, expected_active).await?;
        self.check_holds().await?;
        let commit = self.dry_commit(dry).await?;
        let expected_head = &decision.proposed_sha;
        let trailers = Trailers::of_promotion(dry.clone(), self.context.origin(place)).decided(decision.clone());
        let gates: Vec<String> = decision.gates.iter().map(ToString::to_string).collect();
        let message = self.context.repository.shared.messages.merge(&gates, &trailers.render())?;
        let subject = DryText::new(dry, &commit.subject, &commit.author).subject().to_owned();
        let merge = Merge {
            expected_head: expected_head.to_string(),
            method: environment.merge_method,
            title: format!("Promote {} to {place}: {subject} ({number})", dry.short()),
            message,
        };
        let store = &self.context.repository.shared.store;
        store.save_note(&self.context.id, place, &LastDecision(decision.clone())).await?;
        let forge = &self.context.repository.forge;
        let merged = self
            .intend(
                &format!("merge {number} into {place}"),
                forge.merge_pull_request(&self.context.id.repository, number, &merge),
            )
            .await;
        match merged {
            Ok(active) => {
                let now = self.now();
                self.view.note_merge(
                    &self.proposed_branch(place),
                    number,
                    &active,
                    &self.context.repository.account.login,
                    now,
                );
                let remote = self.context.remote().await?;
                let mirror = &self.context.repository.mirror;
                mirror.fetch_branches(&remote, std::slice::from_ref(&environment.branch)).await?;
                metrics::counter!("hydromote_promotions_total").increment(1);
                tracing::info!(
                    environment.name = %place.environment, dry.sha = %dry, pull_request.number = number.0,
                    active.sha = active, tree = %tree, "merged {number}: {place} runs {}", dry.short()
                );
                Ok(())
            }
            Err(ForgeError::Refused { words, .. }) => self.note_refusal(place, expected_head, words).await,
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn note_refusal(
        &self,
        place: &Place,
        proposed: &ProposedSha,
        words: String,
    ) -> Result<(), LookError> {
        let store = &self.context.repository.shared.store;
        let before: Option<Refusal> = store.note(&self.context.id, place).await?;
        let now = self.now();
        let tries = before.filter(|r| r.proposed == *proposed).map_or(0, |r| r.tries + 1);
        let pause = (0..tries).fold(FIRST_PAUSE, |pause, _| (pause * 2).min(LONGEST_PAUSE));
        tracing::info!(environment.name = %place.environment, words, "the forge refused to merge into {place}");
        let refusal = Refusal { proposed: proposed.clone(), words, retry_at: now + pause, tries };
        Ok(store.save_note(&self.context.id, place, &refusal).await?)
    }
}
