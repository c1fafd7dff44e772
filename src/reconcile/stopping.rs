//! Commands by which people stop an environment and take it back: hold, unhold, rollback.
//!
//! A command is written to the store in one transaction and then to the forge, before it is
//! acknowledged; the worker does the rest, also where the forge does not take it: what a forge that
//! fails cannot note is held all the same. `unhold` goes the other way round: what was taken back
//! half-way is still held in the store, and can be taken back again. A command is bound to what the
//! board showed: a rollback of what does not run any more is overtaken and does nothing.

use std::{collections::BTreeSet, fmt};

use jiff::Timestamp;

use super::{
    board::StrategyBoard,
    commands::{CommandError, Commands, name, place_view},
    holds::HoldBook,
    keys::hold_key,
};
use crate::domain::{
    gate::clock,
    hold::{Hold, HoldRule},
    ids::{ActiveSha, DrySha, EnvironmentName, LaneName, Place, RootName, StrategyId},
    plan::PlaceView,
    rollback::{self, Choice, Rollback, Target, Trigger},
    selection::Selection,
    snapshot::PostedStatus,
};

/// The most characters of a reason that are kept.
const REASON_LIMIT: usize = 500;

/// What a rollback goes back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// The newest content that is verified and not blocked.
    LastKnownGood,
    /// The content of this dry SHA, or of the only one that ran here and begins so.
    To(String),
    /// The content so many changes ago.
    Steps(u32),
}

/// A rollback that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollbackOrder {
    /// Where to.
    pub destination: Destination,
    /// Which roots, by their labels; all when absent.
    pub only: Option<String>,
    /// Why.
    pub reason: String,
    /// Whether content that is not known to be good may come back.
    pub force: bool,
    /// What runs as the person saw it, where that is known.
    pub running: Option<DrySha>,
}

/// A hold that somebody asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HoldOrder {
    /// Until when, unless it is taken back before; without an end when absent.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: String,
    /// What runs as the person saw it, where that is known.
    pub running: Option<DrySha>,
}

/// A hold that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Where.
    pub place: Place,
    /// The hold.
    pub hold: Hold,
    /// The hold that was in force before, and is not any more.
    pub before: Option<Hold>,
}

/// A hold that was taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// Where.
    pub place: Place,
    /// What is not held any more, in words.
    pub what: String,
}

/// A rollback that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollbackAccepted {
    /// Where.
    pub place: Place,
    /// The rollback.
    pub rollback: Rollback,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.hold.expires_at {
            Some(until) => write!(f, "{} is held until {}; `unhold` ends it before.", self.place, clock(until))?,
            None => write!(f, "{} is held until somebody takes it back with `unhold`.", self.place)?,
        }
        match &self.before {
            Some(before) => write!(f, " It takes the place of this hold: {before}."),
            None => Ok(()),
        }
    }
}

impl Commands {
    /// Stops everything in an environment, until its end or until it is taken back.
    ///
    /// # Errors
    /// [`CommandError::Refused`] while it is being rolled back, where nothing was promoted yet, and
    /// when something else runs than was seen.
    pub async fn hold(
        &self,
        strategy: &StrategyId,
        environment: &EnvironmentName,
        lane: Option<&LaneName>,
        order: &HoldOrder,
        by: &str,
    ) -> Result<Held, CommandError> {
        let board = self.board(strategy)?;
        let view = place_view(&board, environment, lane)?;
        let (place, by, reason) = (view.place.clone(), name(by)?, reason_of(&order.reason)?);
        let (now, until) = ((self.clock)(), order.until);
        if let Some(until) = until.filter(|until| *until <= now) {
            let message = format!("{until} is over.");
            return Err(CommandError::Malformed { message, help: "Give a time to come, or none.".to_owned() });
        }
        let active = active(view)?;
        still_runs(view, order.running.as_ref(), "hold")?;
        let hold = Hold {
            rule: HoldRule::Strict,
            by: by.clone(),
            reason,
            at: now,
            expires_at: until,
            through: view.taken.clone(),
            target: None,
            roots: BTreeSet::new(),
        };
        let (mut rolling, mut before) = (None, None);
        let change = |book: &mut HoldBook| {
            rolling.clone_from(&book.rollback);
            if book.rollback.is_none() {
                before = book.hold.replace(hold.clone());
            }
        };
        let _wakes = self.hub.waking(&strategy.repository);
        self.store.change_note(strategy, &place, change).await?;
        if let Some(rollback) = rolling {
            return Err(under_way(&place, &rollback));
        }
        self.mark(&board, &place, &active, &hold.status()).await?;
        let words = if hold.reason.is_empty() { String::new() } else { format!(": {}", hold.reason) };
        self.tell(strategy, Some(&place), &by, &format!("holds {place}{words}")).await?;
        tracing::info!(environment.name = %environment, by, "{by} holds {place}{words}");
        Ok(Held { place, hold, before })
    }

    /// Takes a hold back, and what rollbacks of this environment keep out; a rollback that is under
    /// way is cancelled. `seen` is when the hold was made that the person saw, where that is known.
    ///
    /// # Errors
    /// [`CommandError::Refused`] when nothing is held or kept out, and when another hold is in force
    /// than was seen.
    pub async fn unhold(
        &self,
        strategy: &StrategyId,
        environment: &EnvironmentName,
        lane: Option<&LaneName>,
        seen: Option<Timestamp>,
        by: &str,
    ) -> Result<Released, CommandError> {
        let board = self.board(strategy)?;
        let view = place_view(&board, environment, lane)?;
        let (place, by) = (view.place.clone(), name(by)?);
        let active = active(view)?;
        let other = |book: &HoldBook| seen.is_some() && seen != book.hold.as_ref().map(|hold| hold.at);
        let before: HoldBook = self.store.note(strategy, &place).await?.unwrap_or_default();
        if other(&before) {
            return Err(another_hold(&place, before.hold.as_ref()));
        }
        let newly: Vec<&ActiveSha> = view.restoring.iter().filter(|sha| !before.released.contains(*sha)).collect();
        if before.hold.is_none() && before.rollback.is_none() && newly.is_empty() {
            let message = format!("{place} is not held, and no rollback of it keeps anything out.");
            let help = "See what it waits for with `hydromote explain`.".to_owned();
            return Err(CommandError::Refused { message, help });
        }
        let status = Hold::released(&by);
        let marked: BTreeSet<&ActiveSha> = newly.iter().copied().chain([&active]).collect();
        for sha in &marked {
            self.post(strategy, sha.as_str(), hold_key(board.told_apart(&place), &place), &status).await?;
        }
        // The hold that the rollback was started under holds on, also when the store is lost before it is seen.
        let stays = before.rollback.as_ref().and(before.before.as_ref()).map(Hold::status);
        if let Some(stays) = &stays {
            self.post(strategy, active.as_str(), hold_key(board.told_apart(&place), &place), stays).await?;
        }
        let release = |book: &mut HoldBook| {
            book.released.extend(view.restoring.iter().cloned());
            match &book.rollback {
                // The worker closes its pull request, and the hold goes with it.
                Some(rollback) => {
                    book.cancelled.insert(rollback.bad_commit.clone());
                }
                None => book.hold = None,
            }
        };
        let _wakes = self.hub.waking(&strategy.repository);
        self.store.change_note(strategy, &place, release).await?;
        // Noted only now: whoever sees another status than that of the hold in force puts that one back.
        for sha in &marked {
            let stands = stays.as_ref().filter(|_| **sha == active).unwrap_or(&status);
            self.store
                .save_posted_status(
                    &strategy.repository,
                    sha.as_str(),
                    &hold_key(board.told_apart(&place), &place),
                    stands,
                )
                .await?;
        }
        let what = match (&before.rollback, &before.hold) {
            (Some(rollback), _) => format!("the rollback to {} and its hold", rollback.target.dry.short()),
            (None, Some(hold)) if newly.is_empty() => format!("the hold of {}", hold.by),
            (None, Some(hold)) => format!("the hold of {}, and what its rollbacks keep out", hold.by),
            (None, None) => "what its rollbacks keep out".to_owned(),
        };
        self.tell(strategy, Some(&place), &by, &format!("took back {what}")).await?;
        tracing::info!(environment.name = %environment, by, "{by} took back {what} of {place}");
        Ok(Released { place, what })
    }

    /// Accepts a rollback of what runs in an environment.
    ///
    /// # Errors
    /// [`CommandError::Refused`] when there is nothing to go back to, when one is under way and under
    /// drift; [`CommandError::Unknown`] when the dry SHA did not run there.
    pub async fn rollback(
        &self,
        strategy: &StrategyId,
        environment: &EnvironmentName,
        lane: Option<&LaneName>,
        order: &RollbackOrder,
        by: &str,
    ) -> Result<RollbackAccepted, CommandError> {
        let board = self.board(strategy)?;
        let view = place_view(&board, environment, lane)?;
        let (place, by, reason) = (view.place.clone(), name(by)?, reason_of(&order.reason)?);
        if reason.is_empty() {
            let message = format!("A rollback of {place} needs a reason.");
            let help = "Say why, such as `--reason \"checkout is slow\"`; it is written into the commit.".to_owned();
            return Err(CommandError::Malformed { message, help });
        }
        let (active, target) = (active(view)?, target(view, order)?);
        let (Some(running), Some(bad_commit)) = (&view.running, &view.brought_by) else {
            return Err(nothing_runs(&place));
        };
        still_runs(view, order.running.as_ref(), "roll back")?;
        let roots =
            order.only.as_ref().map(|only| roots(&board, &place, &target, only)).transpose()?.unwrap_or_default();
        let rollback = Rollback {
            target,
            bad: running.dry.clone(),
            bad_commit: bad_commit.clone(),
            roots,
            trigger: Trigger::Person,
            by: by.clone(),
            reason,
            at: (self.clock)(),
        };
        let mut hold = None;
        let mut rolling = None;
        let change = |book: &mut HoldBook| {
            rolling.clone_from(&book.rollback);
            if rolling.is_none() {
                let made = rollback::hold_of(&rollback, book.hold.as_ref(), false);
                book.start(rollback.clone(), made.clone());
                hold = Some(made);
            }
        };
        let _wakes = self.hub.waking(&strategy.repository);
        self.store.change_note(strategy, &place, change).await?;
        let Some(hold) = hold else {
            return Err(rolling.map_or_else(|| nothing_runs(&place), |rollback| under_way(&place, &rollback)));
        };
        self.mark(&board, &place, &active, &hold.status()).await?;
        let (from, to) = (rollback.bad.short(), rollback.target.dry.short());
        let what = format!("asked to roll {place} back from {from} to {to}: {}", rollback.reason);
        self.tell(strategy, Some(&place), &by, &what).await?;
        tracing::warn!(environment.name = %environment, by, "{by} rolls {place} back from {from} to {to}");
        Ok(RollbackAccepted { place, rollback })
    }

    /// Puts what is true of a hold on the forge, and notes that it stands there. Where the forge refuses, the worker
    /// goes on trying, and says so.
    async fn mark(
        &self,
        board: &StrategyBoard,
        place: &Place,
        active: &ActiveSha,
        status: &PostedStatus,
    ) -> Result<(), CommandError> {
        let (strategy, key) = (&board.id, hold_key(board.told_apart(place), place));
        match self.post(strategy, active.as_str(), key.clone(), status).await {
            Ok(()) => Ok(self.store.save_posted_status(&strategy.repository, active.as_str(), &key, status).await?),
            Err(CommandError::Forge(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(environment.name = %place.environment, error, "the forge has not noted yet that {place} is held");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// Returns the roots that a rollback is about, which must differ between what runs and what comes back.
fn roots(
    board: &StrategyBoard,
    place: &Place,
    target: &Target,
    only: &str,
) -> Result<BTreeSet<RootName>, CommandError> {
    let selection = Selection::parse(only).map_err(|error| CommandError::Malformed {
        message: format!("{error}."),
        help: "Such as `service=web,team=shop`; `output=FOLDER` names one by its folder.".to_owned(),
    })?;
    let state = board.looked.0.as_ref().and_then(|(_, snapshot)| snapshot.places.get(place));
    let Some((state, branch)) = state.and_then(|state| Some((state, state.branch()?))) else {
        return Err(nothing_runs(place));
    };
    let running = state.running_content();
    let goes_back = branch.runs.iter().find(|run| run.commits.iter().any(|commit| commit.sha == target.commit));
    let earlier = goes_back.map(|run| run.content.clone()).unwrap_or_default();
    let differ = running.differing(&earlier);
    let selected = selection.select(differ.iter().copied(), &state.labels);
    if selected.is_empty() {
        let short = target.dry.short();
        let names: Vec<String> = differ.iter().take(5).map(|root| format!("`{root}`")).collect();
        return Err(CommandError::Refused {
            message: format!("No root of {place} that {short} had otherwise is `{selection}`."),
            help: format!("These differ: {}.", names.join(", ")),
        });
    }
    // All that differ are what a rollback without a selection is about.
    Ok(if selected.len() == differ.len() { BTreeSet::new() } else { selected })
}

/// Finds what a rollback goes back to among what ran there.
fn target(view: &PlaceView, order: &RollbackOrder) -> Result<Target, CommandError> {
    let place = &view.place;
    if let Some(drift) = &view.drift {
        return Err(CommandError::Refused {
            message: format!("{place} is not rolled back: {drift}."),
            help: format!("End that first: `hydromote restore {0}`, or `hydromote adopt {0}`.", place.environment),
        });
    }
    let choice = match &order.destination {
        Destination::LastKnownGood => view.choices.iter().find(|choice| choice.known_good),
        Destination::Steps(steps) => {
            usize::try_from(*steps).ok().and_then(|s| s.checked_sub(1)).and_then(|s| view.choices.get(s))
        }
        Destination::To(sha) => Some(find(view, sha)?),
    };
    match choice {
        Some(choice) if choice.known_good || order.force => Ok(choice.target.clone()),
        Some(choice) => Err(CommandError::Refused {
            message: format!("{} was not verified in {place}, or is blocked.", choice.target.dry.short()),
            help: "Add `--force` to bring it back nevertheless.".to_owned(),
        }),
        None => Err(CommandError::Refused {
            message: format!("There is nothing to roll {place} back to."),
            help: offered(view),
        }),
    }
}

fn find<'a>(view: &'a PlaceView, text: &str) -> Result<&'a Choice, CommandError> {
    let (place, text) = (&view.place, text.trim().to_ascii_lowercase());
    let begins = |sha: &DrySha| !text.is_empty() && sha.as_str().starts_with(&text);
    if view.running.as_ref().is_some_and(|running| begins(&running.dry)) {
        let message = format!("{text} runs in {place} already.");
        return Err(CommandError::Refused { message, help: offered(view) });
    }
    let mut found = view.choices.iter().filter(|choice| begins(&choice.target.dry));
    match (found.next(), found.next()) {
        (Some(choice), None) => Ok(choice),
        (Some(_), Some(_)) => Err(CommandError::Malformed {
            message: format!("Several commits that ran in {place} begin with `{text}`."),
            help: offered(view),
        }),
        (None, _) => Err(CommandError::Unknown {
            message: format!("`{text}` did not run in {place} before what runs now."),
            help: offered(view),
        }),
    }
}

fn offered(view: &PlaceView) -> String {
    let shown: Vec<String> = view
        .choices
        .iter()
        .take(5)
        .map(|choice| {
            let doubt = if choice.known_good { "" } else { " (not known to be good)" };
            format!("`{}`{doubt}", choice.target.dry.short())
        })
        .collect();
    match shown.as_slice() {
        [] => "Nothing else ran there of an older dry SHA; push a fix or a revert.".to_owned(),
        shown => format!("It ran {}.", shown.join(", ")),
    }
}

fn active(view: &PlaceView) -> Result<ActiveSha, CommandError> {
    view.active.clone().ok_or_else(|| nothing_runs(&view.place))
}

/// Checks that what a person saw still runs.
fn still_runs(view: &PlaceView, seen: Option<&DrySha>, what: &str) -> Result<(), CommandError> {
    let (place, now) = (&view.place, view.running.as_ref().map(|running| &running.dry));
    let Some(seen) = seen.filter(|seen| Some(*seen) != now) else { return Ok(()) };
    let now = now.map_or("nothing", DrySha::short);
    Err(CommandError::Refused {
        message: format!("{place} runs {now} now, and no longer {}.", seen.short()),
        help: format!("Look again before you {what} it."),
    })
}

/// Says which hold is in force instead of the one that was seen.
fn another_hold(place: &Place, hold: Option<&Hold>) -> CommandError {
    let message = match hold {
        Some(hold) => format!("{place} is held by another hold now: {hold}."),
        None => format!("{place} is not held any more."),
    };
    CommandError::Refused { message, help: "Look again before you release it.".to_owned() }
}

fn nothing_runs(place: &Place) -> CommandError {
    CommandError::Refused {
        message: format!("Nothing was promoted to {place} yet."),
        help: "Wait for its first promotion.".to_owned(),
    }
}

fn under_way(place: &Place, rollback: &Rollback) -> CommandError {
    CommandError::Refused {
        message: format!("{place} is being rolled back to {} already ({}).", rollback.target.dry.short(), rollback.by),
        help: format!("Wait for it, or cancel it with `hydromote unhold {}`.", place.environment),
    }
}

/// Returns a reason on one line.
pub(super) fn reason_of(text: &str) -> Result<String, CommandError> {
    let mut reason = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // It is shown on terminals and in logs as well.
    reason.retain(|c| !c.is_control());
    if reason.chars().count() > REASON_LIMIT {
        return Err(CommandError::Malformed {
            message: format!("The reason is longer than {REASON_LIMIT} characters."),
            help: "Say it in fewer words, and link to the rest.".to_owned(),
        });
    }
    Ok(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_that_commands_no_terminal() {
        let reason = reason_of(" it\nloses \u{1b}[31m\u{9b}orders\0\u{7}\t");
        assert_eq!(reason.expect("is short enough"), "it loses [31morders");
    }
}
