//! Commands by which people reject a dry commit, and take that back.
//!
//! The status on the dry commit comes first, then the store, then the acknowledgement. What was
//! decided before and is not merged yet is decided anew.

use std::fmt;

use super::{
    board::StrategyBoard,
    commands::{CommandError, Commands, SHORTEST_ID, name},
    rejected_commits::{RejectionBook, rejection_key},
    stopping::reason_of,
};
use crate::domain::{
    ids::{DrySha, Place, StrategyId},
    rejection::Rejection,
};

/// A rejection that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The dry commit.
    pub dry: DrySha,
    /// Where it runs already, and goes on running.
    pub runs_in: Vec<Place>,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = self.dry.short();
        write!(f, "{short} is promoted nowhere, and verified nowhere; newer commits still bring what it changed.")?;
        match self.runs_in.as_slice() {
            [] => Ok(()),
            places => {
                let names = places.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                write!(f, " It goes on running in {names}; `rollback` brings back what ran before.")
            }
        }
    }
}

impl Commands {
    /// Rejects a dry commit everywhere; `commit` is its id, or the beginning of one that the line has.
    ///
    /// # Errors
    /// [`CommandError::Unknown`] when it is not on the dry line, [`CommandError::Refused`] when it is
    /// rejected already.
    pub async fn reject(
        &self,
        strategy: &StrategyId,
        commit: &str,
        reason: &str,
        by: &str,
    ) -> Result<Rejected, CommandError> {
        let board = self.board(strategy)?;
        let (dry, by, reason) = (dry_commit(&board, commit)?, name(by)?, reason_of(reason)?);
        if let Some(before) = self.rejections(strategy).await?.0.get(&dry) {
            let message = format!("{} is rejected already, by {}.", dry.short(), before.by);
            let help = format!("`unreject {}` takes that back.", dry.short());
            return Err(CommandError::Refused { message, help });
        }
        let rejection = Rejection { by: by.clone(), reason, at: (self.clock)() };
        self.post_on_dry(strategy, dry.as_str(), rejection_key(strategy), &rejection.status()).await?;
        let (rejected, noted) = (dry.clone(), rejection.clone());
        let _wakes = self.hub.waking(&strategy.repository);
        self.store
            .change_strategy_note(strategy, |book: &mut RejectionBook| {
                book.0.insert(rejected, noted);
            })
            .await?;
        let words = if rejection.reason.is_empty() { String::new() } else { format!(": {}", rejection.reason) };
        self.tell(strategy, None, &by, &format!("rejected {}{words}", dry.short())).await?;
        tracing::info!(dry.sha = %dry, by, "{by} rejected {}{words}", dry.short());
        let runs = board.places.iter().filter(|view| view.running.as_ref().is_some_and(|run| run.dry == dry));
        Ok(Rejected { runs_in: runs.map(|view| view.place.clone()).collect(), dry })
    }

    /// Takes the rejection of a dry commit back; returns the commit.
    ///
    /// # Errors
    /// [`CommandError::Refused`] when it is not rejected.
    pub async fn unreject(&self, strategy: &StrategyId, commit: &str, by: &str) -> Result<DrySha, CommandError> {
        let board = self.board(strategy)?;
        let (dry, by) = (dry_commit(&board, commit)?, name(by)?);
        let is_rejected = self.rejections(strategy).await?.0.contains_key(&dry);
        if !is_rejected && !self.stands_on_forge(strategy, &dry).await? {
            let message = format!("{} is not rejected.", dry.short());
            let help = format!("See why it is not promoted with `hydromote explain --dry {}`.", dry.short());
            return Err(CommandError::Refused { message, help });
        }
        self.post_on_dry(strategy, dry.as_str(), rejection_key(strategy), &Rejection::taken_back(&by)).await?;
        let accepted = dry.clone();
        let _wakes = self.hub.waking(&strategy.repository);
        self.store
            .change_strategy_note(strategy, |book: &mut RejectionBook| {
                book.0.remove(&accepted);
            })
            .await?;
        self.tell(strategy, None, &by, &format!("took back the rejection of {}", dry.short())).await?;
        tracing::info!(dry.sha = %dry, by, "{by} took back the rejection of {}", dry.short());
        Ok(dry)
    }

    /// Says whether the forge has a rejection that the store does not: whoever gave it heard nothing,
    /// for the service stopped on the way, but it would be read back with a lost database.
    async fn stands_on_forge(&self, strategy: &StrategyId, dry: &DrySha) -> Result<bool, CommandError> {
        let key = rejection_key(strategy);
        let statuses = self.dry_forge(strategy)?.commit_statuses(&strategy.repository, dry.as_str()).await?;
        let newest = statuses.iter().filter(|status| status.key == key).max_by_key(|s| (s.reported_at, s.id));
        Ok(newest.and_then(Rejection::read).is_some())
    }

    async fn rejections(&self, strategy: &StrategyId) -> Result<RejectionBook, CommandError> {
        Ok(self.store.strategy_note(strategy).await?.unwrap_or_default())
    }
}

/// Finds a dry commit by its id or the beginning of it, among those on the line and those that run.
///
/// # Errors
/// [`CommandError::Unknown`] when there is none, [`CommandError::Malformed`] when there are several.
pub fn dry_commit(board: &StrategyBoard, text: &str) -> Result<DrySha, CommandError> {
    let text = text.trim().to_ascii_lowercase();
    let malformed = |message: String| CommandError::Malformed {
        message,
        help: format!("Give the id of a commit of `{}`, or its first {SHORTEST_ID} characters.", board.dry_branch),
    };
    if text.len() < SHORTEST_ID || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(malformed(format!("`{text}` is not a commit id.")));
    }
    match board.dry_beginning_with(&text).as_slice() {
        [dry] => Ok(dry.clone()),
        [] => Err(CommandError::Unknown {
            message: format!("`{text}` is not on `{}`.", board.dry_branch),
            help: "Give a commit that was pushed there; what is new is seen within a moment.".to_owned(),
        }),
        _ => Err(malformed(format!("Several commits of `{}` begin with `{text}`.", board.dry_branch))),
    }
}
