//! Keeps our one comment on each pull request where somebody gave a command, or that was previewed.
//!
//! It is found by the id in the store; else by its author and its marker. While its text stays the
//! same nothing is asked of the forge.

use std::collections::BTreeSet;

use super::{
    CommentReader, CommentsView,
    dry::DryPullRequest,
    pull_requests::Need,
    subject::{Promotion, Subject},
};
use crate::{
    domain::{
        comment::Answer,
        ids::{HeadSha, PullRequestNumber},
        plan::PlaceView,
        preview::Preview,
    },
    forge::ForgeError,
    messages::{DryStage, DryStatusText, MessageError, StatusText, StrategySection, is_status_comment},
    reconcile::{LookError, board::StrategyBoard},
    store::StatusComment,
};

/// The most answers that a comment shows.
const ANSWERS_SHOWN: usize = 5;

impl CommentReader<'_> {
    /// Brings the comments up to date.
    pub async fn show(&self, view: &mut CommentsView) -> Result<(), LookError> {
        if self.boards.is_empty() {
            return Ok(());
        }
        let mut due = self.due(view.others.take_open()).await?;
        due.extend(self.previewed(view).await?);
        let (promotions, others): (Vec<_>, Vec<_>) = due.into_iter().partition(|number| self.is_ours(*number));
        let followed = view.others.follow(self.context, &others).await?;
        for number in promotions.into_iter().chain(followed) {
            match self.show_on(number, view).await {
                Err(LookError::Forge(error @ (ForgeError::Unauthorised { .. } | ForgeError::Refused { .. }))) => {
                    tracing::warn!(pull_request.number = number.0, "could not answer on {number}: {error}");
                }
                shown => shown?,
            }
        }
        Ok(())
    }

    /// Returns the pull requests whose comment may have to change: those with answers that have not
    /// ended for good, and those that are open again.
    async fn due(&self, mut open: BTreeSet<PullRequestNumber>) -> Result<BTreeSet<PullRequestNumber>, LookError> {
        let (store, repository) = (&self.context.shared.store, &self.context.id);
        let mut due: BTreeSet<_> = store.answered_pull_requests(repository).await?.into_iter().collect();
        open.extend(self.open_here());
        for number in open {
            if !due.contains(&number) && store.status_comment(repository, number).await?.is_some() {
                due.insert(number);
            }
        }
        Ok(due)
    }

    async fn show_on(&self, number: PullRequestNumber, view: &mut CommentsView) -> Result<(), LookError> {
        let (store, repository) = (&self.context.shared.store, &self.context.id);
        let Some(subject) = self.subject(&mut view.others, number, Need::Known).await? else { return Ok(()) };
        let answers = store.answers(repository, number, ANSWERS_SHOWN).await?;
        let (mut reported, mut told) = (None, Vec::new());
        let body = match &subject {
            Subject::Promotion(promotion) => self.promotion_text(promotion, &answers)?,
            Subject::Dry(dry) => {
                let preview = store.preview(repository, number).await?;
                let awaits = dry.head.as_ref().filter(|head| view.not_by_themselves.get(&number) == Some(head));
                let strategies = self.strategies(dry, preview.as_ref()).await?;
                let body = self.dry_text(dry, preview.as_ref(), &strategies, awaits, &answers)?;
                reported = preview.filter(|preview| dry.head.as_ref() == Some(&preview.head));
                reported = reported.filter(|_| dry.stage == DryStage::Open && view.previewing != Some(number));
                told = strategies;
                body
            }
        };
        let known = store.status_comment(repository, number).await?;
        if known.as_ref().is_none_or(|known| known.body != body) {
            self.write(number, known, body).await?;
        }
        if let Some(preview) = reported {
            self.report_preview(number, &preview, &told).await?;
        }
        if self.is_over(&subject) {
            store.finish_status_comment(repository, number).await?;
        }
        Ok(())
    }

    fn promotion_text(&self, promotion: &Promotion, answers: &[Answer]) -> Result<String, MessageError> {
        let page = self
            .context
            .shared
            .public_url
            .as_ref()
            .map(|url| format!("{url}/strategies/{}", promotion.strategy.path()));
        let board = self.boards.get(&promotion.strategy);
        let bundle: Vec<&PlaceView> = board.map(|board| bundled_with(board, &promotion.place)).unwrap_or_default();
        self.context.shared.messages.status_comment(&StatusText {
            place: &promotion.place,
            bundle: &bundle,
            places: board.map_or(&[], |board| &board.places),
            standing: promotion.standing,
            answers,
            bot: &self.context.account.login,
            status_url: page.as_deref(),
        })
    }

    fn dry_text(
        &self,
        dry: &DryPullRequest,
        preview: Option<&Preview>,
        strategies: &[StrategySection],
        awaits: Option<&HeadSha>,
        answers: &[Answer],
    ) -> Result<String, MessageError> {
        let mut rows = self.rows(dry);
        for row in &mut rows {
            row.foretold = preview.and_then(|preview| self.foretold(dry, preview, row));
        }
        self.context.shared.messages.dry_status_comment(&DryStatusText {
            branch: &self.context.details.default_branch,
            stage: &dry.stage,
            rows: &rows,
            preview,
            strategies,
            awaits: awaits.filter(|head| preview.is_none_or(|preview| preview.head != **head)),
            over: dry.merged().is_some() && self.is_everywhere(dry),
            answers,
            bot: &self.context.account.login,
            public_url: self.context.shared.public_url.as_deref(),
        })
    }

    /// Edits our comment, or posts it where there is none.
    async fn write(
        &self,
        pull_request: PullRequestNumber,
        known: Option<StatusComment>,
        body: String,
    ) -> Result<(), LookError> {
        let (store, forge, repository) = (&self.context.shared.store, &self.context.forge, &self.context.id);
        let known = match known {
            Some(known) => Some(known.comment),
            None => self.find(pull_request).await?,
        };
        let comment = match known {
            Some(comment) => match forge.edit_comment(repository, pull_request, comment, &body).await {
                Ok(()) => comment,
                Err(ForgeError::NotFound { .. }) => {
                    // Somebody deleted it: it is posted anew.
                    store.forget_status_comment(repository, pull_request).await?;
                    forge.post_comment(repository, pull_request, &body).await?
                }
                Err(error) => return Err(error.into()),
            },
            None => forge.post_comment(repository, pull_request, &body).await?,
        };
        Ok(store.save_status_comment(repository, &StatusComment { pull_request, comment, body }).await?)
    }

    /// Finds our comment on the forge: one whose answer to its posting was lost, or that is older than
    /// the database.
    async fn find(&self, number: PullRequestNumber) -> Result<Option<u64>, LookError> {
        let comments = self.context.forge.comments(&self.context.id, number).await?;
        let ours = comments.iter().find(|comment| {
            comment.author.as_ref().is_some_and(|author| author.id == self.context.account.id)
                && is_status_comment(&comment.body)
        });
        Ok(ours.map(|comment| comment.id))
    }
}

/// Returns the lanes that go together with a place, it among them; none where it goes by itself.
fn bundled_with<'b>(board: &'b StrategyBoard, view: &PlaceView) -> Vec<&'b PlaceView> {
    let proposer = board.proposer(&view.place);
    if proposer == view.place {
        return Vec::new();
    }
    let is_in_it = |other: &&PlaceView| other.proposed == view.proposed || view.proposed.is_none();
    board.places.iter().filter(|other| board.proposer(&other.place) == proposer).filter(is_in_it).collect()
}
