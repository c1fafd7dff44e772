//! Which dry pull request is previewed next, on whose word, and what is reported of it.
//!
//! - One whose head is in the repository, by somebody who may promote, is previewed by itself; any other
//!   only for the head for which somebody asked who may.
//! - A head is rendered once. It is rendered again when somebody asks, and, where the installation failed,
//!   after a pause; not because the dry branch moved on.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{CommentReader, CommentsView, is_for_good, pull_requests::OtherPullRequest, subject::Subject};
use crate::{
    domain::{
        comment::{Outcome, Verb},
        ids::{HeadSha, PullRequestNumber, StrategyId},
        preview::{EnvironmentResult, Preview, Previewed},
        snapshot::PostedStatus,
        status::StatusState,
        strategy::PromotionStrategy,
    },
    forge::{HeadIn, NewStatus},
    messages::DryStage,
    reconcile::{
        LookError,
        commands::CommandError,
        keys::preview_key,
        previews::{PreviewOrder, PreviewWork},
    },
    store::PreviewNote,
};

/// After how long a preview is tried again that failed for a reason of the installation.
const RETRY_PAUSE: Duration = Duration::from_mins(30);

/// The heads that are not previewed by themselves, so that nobody is asked twice about their authors.
pub(super) type NotByThemselves = HashMap<PullRequestNumber, HeadSha>;

impl CommentReader<'_> {
    /// Writes down what was finished, and starts the next preview; returns when time alone makes one due.
    ///
    /// # Errors
    /// When the forge or the store does not answer. What the forge forbids is logged: the other comments do
    /// not wait for it.
    pub async fn preview(
        &self,
        view: &mut CommentsView,
        work: &mut PreviewWork,
    ) -> Result<Option<Timestamp>, LookError> {
        let next = self.preview_next(view, work).await;
        view.previewing = work.under_way().map(|order| order.number);
        match next {
            Err(LookError::Forge(error)) if is_for_good(&error) => {
                let repository = &self.context.details.web_url;
                tracing::warn!(repository, "pull requests are not previewed: {error}");
                Ok(None)
            }
            due_at => due_at,
        }
    }

    async fn preview_next(
        &self,
        view: &mut CommentsView,
        work: &mut PreviewWork,
    ) -> Result<Option<Timestamp>, LookError> {
        if let Some((number, preview)) = work.take_finished() {
            self.keep(number, &preview).await?;
        }
        let strategies = self.in_force();
        if strategies.is_empty() {
            return Ok(None);
        }
        let open = view.others.open(self.context, |number| self.is_ours(number)).await?;
        view.not_by_themselves.retain(|number, _| open.contains_key(number));
        if let Some(order) = work.under_way() {
            // It takes its time: whoever waits for the status is told.
            self.report(order.number, &order.head, StatusState::Pending, "is being rendered").await?;
            return Ok(None);
        }
        let notes = self.context.shared.store.preview_notes(&self.context.id).await?;
        let now = (self.context.shared.clock)();
        let mut wake_at: Option<Timestamp> = None;
        for (number, other) in open {
            let Some(head) = other.head.clone() else { continue };
            let note = notes.get(&number).cloned().unwrap_or_default();
            match due(&note, &head, now) {
                Due::No => continue,
                Due::At(at) => {
                    wake_at = wake_at.into_iter().chain([at]).min();
                    continue;
                }
                Due::Now => {}
            }
            if note.asked.as_ref() == Some(&head) || self.is_by_itself(view, number, &other, &head).await? {
                let Some(dry) = self.boards.values().find_map(|board| board.dry_head.clone()) else { break };
                work.start(self.context.clone(), PreviewOrder { number, head, dry, strategies });
                return Ok(None);
            }
        }
        Ok(wake_at)
    }

    /// Has the head of a dry pull request previewed, once more if need be.
    pub(super) async fn ask_for_preview(
        &self,
        number: PullRequestNumber,
        subject: &Subject,
    ) -> Result<Outcome, CommandError> {
        let Subject::Dry(dry) = subject else { return Ok(Outcome::NotYet { verb: Verb::Preview }) };
        match &dry.head {
            Some(head) if !self.in_force().is_empty() => {
                self.context.shared.store.ask_for_preview(&self.context.id, number, head).await?;
                Ok(Outcome::Previewing { head: head.clone() })
            }
            _ => Ok(Outcome::Refused {
                message: "Not done: no strategy is in force on this branch.".to_owned(),
                help: "Mend its strategy file first.".to_owned(),
            }),
        }
    }

    /// Returns the strategies in force.
    fn in_force(&self) -> Vec<(StrategyId, Arc<PromotionStrategy>)> {
        let boards = self.boards.values();
        boards.filter_map(|board| Some((board.id.clone(), board.looked.0.as_ref()?.0.clone()))).collect()
    }

    /// Returns the open dry pull requests that have a preview.
    pub(super) async fn previewed(&self, view: &CommentsView) -> Result<Vec<PullRequestNumber>, LookError> {
        let notes = self.context.shared.store.preview_notes(&self.context.id).await?;
        let is_open =
            |number: &PullRequestNumber| view.others.known(*number).is_some_and(|other| other.stage == DryStage::Open);
        Ok(notes.into_iter().filter(|(number, note)| note.head.is_some() && is_open(number)).map(|(n, _)| n).collect())
    }

    async fn keep(&self, number: PullRequestNumber, preview: &Preview) -> Result<(), LookError> {
        let now = (self.context.shared.clock)();
        let retry_at = is_to_be_tried_again(preview).then(|| now + RETRY_PAUSE);
        Ok(self.context.shared.store.save_preview(&self.context.id, number, preview, retry_at).await?)
    }

    pub(super) async fn report(
        &self,
        number: PullRequestNumber,
        head: &HeadSha,
        state: StatusState,
        words: &str,
    ) -> Result<(), LookError> {
        let (store, repository, key) = (&self.context.shared.store, &self.context.id, preview_key());
        let status = PostedStatus::new(state, words);
        if store.posted_status(repository, head.as_str(), &key).await?.as_ref() == Some(&status) {
            return Ok(());
        }
        let new = NewStatus { key: key.clone(), state, description: status.description.clone(), target_url: None };
        match self.context.forge.post_status(repository, head.as_str(), &new).await {
            Err(error) if is_for_good(&error) => {
                tracing::warn!(pull_request.number = number.0, "could not report the preview of {number}: {error}");
                Ok(())
            }
            posted => {
                posted?;
                Ok(store.save_posted_status(repository, head.as_str(), &key, &status).await?)
            }
        }
    }

    /// Says whether a head is previewed without being asked to.
    async fn is_by_itself(
        &self,
        view: &mut CommentsView,
        number: PullRequestNumber,
        other: &OtherPullRequest,
        head: &HeadSha,
    ) -> Result<bool, LookError> {
        if !view.others.is_recent(number) || view.not_by_themselves.get(&number) == Some(head) {
            return Ok(false);
        }
        let strategies: Vec<StrategyId> = self.in_force().into_iter().map(|(id, _)| id).collect();
        if other.head_in == HeadIn::Repository
            && self.who_lacks_right(other.author.as_ref(), &strategies, Verb::Preview).await?.is_none()
        {
            return Ok(true);
        }
        view.not_by_themselves.insert(number, head.clone());
        Ok(false)
    }
}

/// Whether a preview is to be rendered.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    /// Now.
    Now,
    /// Then, unless something changes before.
    At(Timestamp),
    /// What was rendered says all.
    No,
}

fn due(note: &PreviewNote, head: &HeadSha, now: Timestamp) -> Due {
    let is_wished = note.again && note.asked.as_ref() == Some(head);
    if note.head.as_ref() != Some(head) || is_wished {
        return Due::Now;
    }
    match note.retry_at {
        Some(at) if at > now => Due::At(at),
        Some(_) => Due::Now,
        None => Due::No,
    }
}

/// Says whether the same head may render another time, because the installation failed it.
fn is_to_be_tried_again(preview: &Preview) -> bool {
    match &preview.outcome {
        Previewed::Unavailable { .. } => true,
        Previewed::Conflict { .. } => false,
        Previewed::Rendered { environments, .. } => environments.iter().any(|one| match &one.result {
            EnvironmentResult::Failed { failure } => failure.retry_at.is_some(),
            _ => false,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(id: &str) -> HeadSha {
        HeadSha::new(id).expect("an id")
    }

    #[test]
    fn a_head_is_due_once_until_somebody_asks_or_the_pause_is_over() {
        let now = Timestamp::UNIX_EPOCH + RETRY_PAUSE;
        let rendered = PreviewNote { head: Some(head("head-1")), ..PreviewNote::default() };
        assert_eq!(due(&PreviewNote::default(), &head("head-1"), now), Due::Now);
        assert_eq!(due(&rendered, &head("head-1"), now), Due::No);
        assert_eq!(due(&rendered, &head("head-2"), now), Due::Now);
        let asked = |id: &str| PreviewNote { asked: Some(head(id)), again: true, ..rendered.clone() };
        assert_eq!(due(&asked("head-1"), &head("head-1"), now), Due::Now);
        assert_eq!(due(&asked("head-0"), &head("head-1"), now), Due::No, "it was asked for an older head");
        let failed = |at| PreviewNote { retry_at: Some(at), ..rendered.clone() };
        assert_eq!(due(&failed(now), &head("head-1"), now), Due::Now);
        assert_eq!(due(&failed(now + RETRY_PAUSE), &head("head-1"), now), Due::At(now + RETRY_PAUSE));
    }
}
