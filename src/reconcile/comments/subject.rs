//! What a pull request is about.

use super::CommentReader;
use crate::{
    domain::{
        ids::{PullRequestNumber, StrategyId},
        plan::PlaceView,
    },
    forge::PullRequestState,
    messages::Standing,
};

/// What a promotion pull request is about.
pub(super) struct Subject {
    pub(super) strategy: StrategyId,
    pub(super) place: PlaceView,
    pub(super) standing: Standing,
}

impl CommentReader<'_> {
    /// Returns what a pull request is about; nothing when it is none of ours.
    pub(super) fn subject(&self, number: PullRequestNumber) -> Option<Subject> {
        let open = self.boards.values().find_map(|board| {
            let place = board.places.iter().find(|place| place.pull_request == Some(number))?;
            Some(Subject { strategy: board.id.clone(), place: place.clone(), standing: Standing::Open })
        });
        open.or_else(|| {
            self.workers.iter().find_map(|(strategy, worker)| {
                let (place, state) = worker.place_of(number)?;
                let place = self.boards.get(strategy)?.places.iter().find(|view| view.place == *place)?;
                let standing = if state == PullRequestState::Open { Standing::Open } else { Standing::Ended };
                Some(Subject { strategy: strategy.clone(), place: place.clone(), standing })
            })
        })
    }
}
