//! Commands by which people end drift: restore what was promoted last, or adopt what is there.
//!
//! A command is bound to the commit that brought what the person saw: when somebody has changed the
//! branch since, it is refused. What it says is on the forge before it is in the store, and in the
//! store before it is acknowledged; the worker does the rest.

use std::fmt;

use super::{
    board::StrategyBoard,
    commands::{CommandError, Commands, name, place_view},
    drifts::DriftBook,
    keys::drift_key,
    stopping::reason_of,
};
use crate::domain::{
    drift::{Adoption, Discard, Drift, Restore},
    gate::Gate,
    ids::{ActiveSha, EnvironmentName, LaneName, Place, ProposedSha, StrategyId},
    plan::PlaceView,
};

/// What somebody says about drift.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DriftOrder {
    /// The commit of drift as the person saw it, where that is known.
    pub seen: Option<ActiveSha>,
    /// Why; may be empty.
    pub reason: String,
}

/// A wish to restore that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreAccepted {
    /// Where.
    pub place: Place,
    /// What it is restored over.
    pub over: Over,
    /// Who asked first.
    pub by: String,
}

/// What something is restored over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Over {
    /// Drift of an active branch, by its newest commit; or the commit at which a deleted one was.
    Active(ActiveSha),
    /// Somebody's commits on a proposed branch, by their head.
    Proposed(ProposedSha),
}

impl Over {
    /// Returns the beginning of the commit's id.
    pub fn short(&self) -> &str {
        match self {
            Self::Active(sha) => sha.short(),
            Self::Proposed(sha) => sha.short(),
        }
    }
}

/// Drift that was adopted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// Where.
    pub place: Place,
    /// The commit since which it is there.
    pub commit: ActiveSha,
    /// Who adopted it.
    pub adoption: Adoption,
}

impl fmt::Display for RestoreAccepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.over {
            Over::Active(sha) => write!(f, "{} gets back what was promoted last, over {}.", self.place, sha.short()),
            Over::Proposed(sha) => write!(f, "What is proposed for {} takes the place of {}.", self.place, sha.short()),
        }
    }
}

impl fmt::Display for Adopted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, commit, .. } = self;
        write!(f, "{place} runs what {} brought. It verifies nothing; the next promotion replaces it.", commit.short())
    }
}

impl Commands {
    /// Accepts that what was promoted last to an environment is brought back over what others put there.
    ///
    /// # Errors
    /// [`CommandError::Refused`] when nothing has drifted, when nothing was ever promoted, and when it is
    /// not what was seen.
    pub async fn restore(
        &self,
        strategy: &StrategyId,
        environment: &EnvironmentName,
        lane: Option<&LaneName>,
        order: &DriftOrder,
        by: &str,
    ) -> Result<RestoreAccepted, CommandError> {
        let board = self.board(strategy)?;
        let view = place_view(&board, environment, lane)?;
        let (place, by, reason) = (view.place.clone(), name(by)?, reason_of(&order.reason)?);
        let of = match (gone(view), &view.drift, &view.foreign) {
            (Some(last), ..) => last?,
            (None, None, Some(work)) => {
                let discard = Discard { of: work.head.clone(), by, reason, at: (self.clock)() };
                return self.discard(&board, place, order, discard).await;
            }
            (None, ..) => restorable(view)?.newest.clone(),
        };
        still_stands(&place, &of, order.seen.as_ref())?;
        let restore = Restore { of, by, reason, at: (self.clock)() };
        let before: DriftBook = self.store.note(strategy, &place).await?.unwrap_or_default();
        if let Some(before) = before.restore.filter(|before| before.of == restore.of) {
            return Ok(RestoreAccepted { place, over: Over::Active(before.of), by: before.by });
        }
        let (key, status) = (drift_key(board.told_apart(&place), &place), restore.status());
        self.post(strategy, restore.of.as_str(), key, &status).await?;
        let _wakes = self.hub.waking(&strategy.repository);
        self.store.change_note(strategy, &place, |book: &mut DriftBook| book.restore = Some(restore.clone())).await?;
        let what = format!("asked to restore {place} over {}{}", restore.of.short(), because(&restore.reason));
        self.tell(strategy, Some(&place), &restore.by, &what).await?;
        tracing::warn!(environment.name = %environment, by = restore.by, "{} {what}", restore.by);
        Ok(RestoreAccepted { place, over: Over::Active(restore.of), by: restore.by })
    }

    /// Has somebody's commits on a proposed branch replaced by what is to be proposed.
    async fn discard(
        &self,
        board: &StrategyBoard,
        place: Place,
        order: &DriftOrder,
        discard: Discard,
    ) -> Result<RestoreAccepted, CommandError> {
        let seen_is_other = order.seen.as_ref().is_some_and(|seen| seen.as_str() != discard.of.as_str());
        if let Some(seen) = order.seen.as_ref().filter(|_| seen_is_other) {
            return Err(changed_again(&place, discard.of.short(), seen));
        }
        let strategy = &board.id;
        self.post(strategy, discard.of.as_str(), drift_key(board.told_apart(&place), &place), &discard.status())
            .await?;
        let _wakes = self.hub.waking(&strategy.repository);
        self.store.change_note(strategy, &place, |book: &mut DriftBook| book.discard = Some(discard.clone())).await?;
        let what =
            format!("asked to replace {} on the proposal for {place}{}", discard.of.short(), because(&discard.reason));
        self.tell(strategy, Some(&place), &discard.by, &what).await?;
        tracing::warn!(environment.name = %place.environment, by = discard.by, "{} {what}", discard.by);
        Ok(RestoreAccepted { place, over: Over::Proposed(discard.of), by: discard.by })
    }

    /// Takes what others put into an environment as what runs there.
    ///
    /// # Errors
    /// [`CommandError::Refused`] when nothing has drifted, while it is being restored, and when it is not
    /// what was seen.
    pub async fn adopt(
        &self,
        strategy: &StrategyId,
        environment: &EnvironmentName,
        lane: Option<&LaneName>,
        order: &DriftOrder,
        by: &str,
    ) -> Result<Adopted, CommandError> {
        let board = self.board(strategy)?;
        let view = place_view(&board, environment, lane)?;
        let (place, by, reason) = (view.place.clone(), name(by)?, reason_of(&order.reason)?);
        let drift = adoptable(view)?;
        still_stands(&place, &drift.newest, order.seen.as_ref())?;
        let commit = drift.newest.clone();
        let adoption = Adoption { by, reason, at: (self.clock)(), lost: drift.lost().cloned() };
        let before: DriftBook = self.store.note(strategy, &place).await?.unwrap_or_default();
        if let Some(adoption) = before.adopted.get(&commit).cloned() {
            return Ok(Adopted { place, commit, adoption });
        }
        if let Some(restore) = before.restore.filter(|restore| restore.of == commit) {
            return Err(being_restored(&place, &restore));
        }
        let (key, status) = (drift_key(board.told_apart(&place), &place), adoption.status());
        self.post(strategy, commit.as_str(), key, &status).await?;
        let mut restoring = None;
        let adopt = |book: &mut DriftBook| {
            restoring = book.restore.clone().filter(|restore| restore.of == commit);
            if restoring.is_none() {
                book.adopted.insert(commit.clone(), adoption.clone());
            }
        };
        let _wakes = self.hub.waking(&strategy.repository);
        self.store.change_note(strategy, &place, adopt).await?;
        if let Some(restore) = restoring {
            // Whoever was first is obeyed, also when the store is lost.
            self.post(strategy, commit.as_str(), drift_key(board.told_apart(&place), &place), &restore.status())
                .await?;
            return Err(being_restored(&place, &restore));
        }
        let what = format!("adopted {} in {place}{}", commit.short(), because(&adoption.reason));
        self.tell(strategy, Some(&place), &adoption.by, &what).await?;
        tracing::warn!(environment.name = %environment, by = adoption.by, "{} {what}", adoption.by);
        Ok(Adopted { place, commit, adoption })
    }
}

/// Returns the commit at which a deleted branch was last promoted to; nothing when it is there.
fn gone(view: &PlaceView) -> Option<Result<ActiveSha, CommandError>> {
    view.gates.iter().find_map(|closed| match &closed.gate {
        Gate::BranchGone { last: Some(last), .. } => Some(Ok(last.clone())),
        Gate::BranchGone { branch, last: None } => Some(Err(CommandError::Refused {
            message: format!("Nobody knows at which commit `{branch}` was."),
            help: "Push it again from a clone that has it.".to_owned(),
        })),
        _ => None,
    })
}

/// Returns drift over something that was promoted.
fn restorable(view: &PlaceView) -> Result<&Drift, CommandError> {
    let drift = view.drift.as_ref().ok_or_else(|| nothing_drifted(view, "restore"))?;
    if drift.promoted.is_none() {
        return Err(CommandError::Refused {
            message: format!("Nothing was promoted to {} yet.", view.place),
            help: "There is nothing to restore; take out by hand what is in the way.".to_owned(),
        });
    }
    Ok(drift)
}

/// Returns drift that can be what runs.
fn adoptable(view: &PlaceView) -> Result<&Drift, CommandError> {
    if gone(view).is_some() {
        return Err(CommandError::Refused {
            message: format!("`{}` is not there, so there is nothing to adopt.", view.branch),
            help: format!("`hydromote restore {}` makes it again where it was.", view.place.environment),
        });
    }
    if view.drift.is_none() && view.foreign.is_some() {
        return Err(CommandError::Refused {
            message: format!("What others pushed onto the proposal for {} cannot be promoted.", view.place),
            help: format!(
                "Commit it to the dry branch, then `hydromote restore {}` proposes anew.",
                view.place.environment
            ),
        });
    }
    view.drift.as_ref().ok_or_else(|| nothing_drifted(view, "adopt"))
}

/// Checks that what a person saw is still what is there.
fn still_stands(place: &Place, newest: &ActiveSha, seen: Option<&ActiveSha>) -> Result<(), CommandError> {
    let Some(seen) = seen.filter(|seen| *seen != newest) else { return Ok(()) };
    Err(changed_again(place, newest.short(), seen))
}

fn changed_again(place: &Place, newest: &str, seen: &ActiveSha) -> CommandError {
    CommandError::Refused {
        message: format!("Somebody changed {place} again, in {newest}; you saw {}.", seen.short()),
        help: "Look at it again before you decide.".to_owned(),
    }
}

fn nothing_drifted(view: &PlaceView, what: &str) -> CommandError {
    CommandError::Refused {
        message: format!("Nobody has changed what Hydromote owns in {}: there is nothing to {what}.", view.place),
        help: "See what it waits for with `hydromote explain`.".to_owned(),
    }
}

fn being_restored(place: &Place, restore: &Restore) -> CommandError {
    CommandError::Refused {
        message: format!("{place} is being restored already ({}).", restore.by),
        help: "Close the pull request that restores it to stop that.".to_owned(),
    }
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}
