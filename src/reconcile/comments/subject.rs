//! What a pull request is about: the place that it promotes to, or the dry commit that it becomes.
//!
//! Promotion pull requests are known from the looks at their strategies.

use super::{
    CommentReader,
    dry::DryPullRequest,
    pull_requests::{Need, OtherPullRequest, OtherPullRequests},
};
use crate::{
    domain::{
        comment::{Command, Outcome, Verb},
        ids::{PullRequestNumber, StrategyId},
        plan::PlaceView,
    },
    forge::PullRequestState,
    messages::Standing,
    reconcile::LookError,
};

/// What a pull request with commands is about.
pub(super) enum Subject {
    /// It promotes to a place.
    Promotion(Box<Promotion>),
    /// It is merged into the dry branch.
    Dry(DryPullRequest),
}

/// What a promotion pull request is about.
pub(super) struct Promotion {
    pub(super) strategy: StrategyId,
    pub(super) place: PlaceView,
    pub(super) standing: Standing,
}

impl Subject {
    /// Returns the strategies that it concerns.
    pub(super) fn strategies(&self) -> &[StrategyId] {
        match self {
            Self::Promotion(promotion) => std::slice::from_ref(&promotion.strategy),
            Self::Dry(dry) => &dry.strategies,
        }
    }

    /// Returns the answer to a command that makes no sense on a pull request as it stands.
    pub(super) fn refuses(&self, command: &Command) -> Option<Outcome> {
        match self {
            Self::Promotion(_) if *command == Command::Preview => Some(Outcome::Refused {
                message: "Not done: a promotion is rendered already.".to_owned(),
                help: "`/hydromote diff` shows what it changes; `preview` is for pull requests into the dry branch."
                    .to_owned(),
            }),
            Self::Promotion(promotion) => promotion.refuses(command.verb()),
            Self::Dry(dry) if *command == Command::Preview => dry.refuses_preview(),
            Self::Dry(dry) if needs_commit(command) => dry.refuses(),
            Self::Dry(_) => None,
        }
    }
}

impl Promotion {
    fn refuses(&self, verb: Verb) -> Option<Outcome> {
        let place = &self.place;
        let is_over = self.standing == Standing::Ended && !is_about_more(verb);
        is_over.then(|| Outcome::Ended { place: place.place.clone(), open: place.pull_request })
    }
}

impl CommentReader<'_> {
    /// Returns what a pull request is about; nothing when it is none of ours.
    pub(super) async fn subject(
        &self,
        others: &mut OtherPullRequests,
        number: PullRequestNumber,
        need: Need,
    ) -> Result<Option<Subject>, LookError> {
        if let Some(promotion) = self.promotion(number) {
            return Ok(Some(Subject::Promotion(Box::new(promotion))));
        }
        let other = others.find(self.context, number, need).await?;
        Ok(other.and_then(|other| self.dry(other)).map(Subject::Dry))
    }

    /// Returns a pull request as a dry one, when there are strategies on the branch that it is merged into.
    pub(super) fn dry(&self, other: OtherPullRequest) -> Option<DryPullRequest> {
        if self.at.is_some() {
            return None;
        }
        let on_it = self.boards.values().filter(|board| board.dry_branch.as_str() == other.base);
        DryPullRequest::new(on_it.map(|board| board.id.clone()).collect(), other)
    }

    /// Says whether a pull request is a promotion of ours; nobody is asked.
    pub(super) fn is_ours(&self, number: PullRequestNumber) -> bool {
        self.promotion(number).is_some()
    }

    fn promotion(&self, number: PullRequestNumber) -> Option<Promotion> {
        let open = self.boards.values().filter(|board| self.promotes_here(board)).find_map(|board| {
            let place = board.places.iter().find(|place| place.pull_request == Some(number))?;
            Some(Promotion { strategy: board.id.clone(), place: place.clone(), standing: Standing::Open })
        });
        open.or_else(|| {
            self.workers.iter().find_map(|(strategy, worker)| {
                let (place, state) = worker.place_of(number)?;
                let board = self.boards.get(strategy).filter(|board| self.promotes_here(board))?;
                let place = board.places.iter().find(|view| view.place == *place)?;
                let standing = if state == PullRequestState::Open { Standing::Open } else { Standing::Ended };
                Some(Promotion { strategy: strategy.clone(), place: place.clone(), standing })
            })
        })
    }

    /// Says whether our comment on a pull request says all there is to say.
    pub(super) fn is_over(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Promotion(promotion) => promotion.standing == Standing::Ended,
            Subject::Dry(dry) => self.is_told(dry),
        }
    }
}

/// Says whether a command makes sense where the promotion has ended.
fn is_about_more(verb: Verb) -> bool {
    !matches!(verb, Verb::Promote | Verb::Diff)
}

/// Says whether a command is about the dry commit that a pull request becomes.
fn needs_commit(command: &Command) -> bool {
    match command {
        Command::Promote { .. } | Command::Diff { .. } => true,
        Command::Reject { dry, .. } | Command::Unreject { dry } => dry.is_none(),
        _ => false,
    }
}
