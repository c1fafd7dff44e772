//! Rejects the dry commit that a comment is about, and takes that back.

use super::{
    CommentReader,
    subject::{Promotion, Subject},
};
use crate::{
    domain::{
        comment::Outcome,
        ids::{DrySha, Place},
    },
    forge::Comment,
    messages::Standing,
    reconcile::commands::CommandError,
};

impl CommentReader<'_> {
    /// Rejects a commit in every strategy that the pull request concerns.
    pub(super) async fn reject(
        &self,
        comment: &Comment,
        subject: &Subject,
        named: Option<&str>,
        reason: Option<&str>,
    ) -> Result<Outcome, CommandError> {
        let commit = match self.commit(comment, subject, named).await? {
            Ok(commit) => commit,
            Err(moved) => return Ok(moved),
        };
        let (by, reason) = (super::login(comment), reason.unwrap_or_default());
        let mut done: Option<(DrySha, Vec<Place>)> = None;
        let mut refused = None;
        for strategy in subject.strategies() {
            match self.commands.reject(strategy, &commit, reason, &by).await {
                Ok(rejected) => done.get_or_insert((rejected.dry, Vec::new())).1.extend(rejected.runs_in),
                Err(error) => refused = Some(only_a_refusal(error)?),
            }
        }
        match (done, refused) {
            (Some((dry, runs_in)), _) => Ok(Outcome::Rejected { dry, runs_in }),
            (None, refused) => Err(refused.expect("because a pull request concerns at least one strategy")),
        }
    }

    /// Takes a rejection back in every strategy that the pull request concerns.
    pub(super) async fn unreject(
        &self,
        comment: &Comment,
        subject: &Subject,
        named: Option<&str>,
    ) -> Result<Outcome, CommandError> {
        let commit = match self.commit(comment, subject, named).await? {
            Ok(commit) => commit,
            Err(moved) => return Ok(moved),
        };
        let by = super::login(comment);
        let (mut done, mut refused) = (None, None);
        for strategy in subject.strategies() {
            match self.commands.unreject(strategy, &commit, &by).await {
                Ok(dry) => done = Some(dry),
                Err(error) => refused = Some(only_a_refusal(error)?),
            }
        }
        match (done, refused) {
            (Some(dry), _) => Ok(Outcome::Unrejected { dry }),
            (None, refused) => Err(refused.expect("because a pull request concerns at least one strategy")),
        }
    }

    /// Returns the dry commit that a command is about: the one that it names, else the one that a dry
    /// pull request became, or that a promotion proposes; an answer when that is not what the author saw.
    async fn commit(
        &self,
        comment: &Comment,
        subject: &Subject,
        named: Option<&str>,
    ) -> Result<Result<String, Outcome>, CommandError> {
        if let Some(named) = named {
            return Ok(Ok(named.to_owned()));
        }
        let Promotion { strategy, place, standing } = match subject {
            Subject::Promotion(promotion) => &**promotion,
            Subject::Dry(dry) => return Ok(Ok(self.commit_on_line(dry)?.to_string())),
        };
        let proposed = place.wanted.as_ref().filter(|_| *standing == Standing::Open && place.proposed.is_some());
        let Some(dry) = proposed else {
            let message = format!("Nothing waits to be promoted to {}.", place.place);
            return Err(CommandError::Refused { message, help: "Name the commit.".to_owned() });
        };
        let together = self.boards[strategy].places.iter().filter(|view| view.pull_request == place.pull_request);
        if together.filter_map(|view| view.wanted.as_ref()).any(|wanted| wanted != dry) {
            let message = format!("Several commits wait to be promoted to {} together.", place.place.environment);
            return Err(CommandError::Refused { message, help: "Name the one that is meant.".to_owned() });
        }
        let is_seen = self.is_what_the_author_saw(comment, strategy, place).await?;
        Ok(if is_seen { Ok(dry.to_string()) } else { Err(Outcome::Moved { place: place.place.clone() }) })
    }
}

/// Returns a refusal: another strategy may take the command all the same.
///
/// # Errors
/// When the forge or the store did not answer.
fn only_a_refusal(error: CommandError) -> Result<CommandError, CommandError> {
    match error {
        CommandError::Forge(_) | CommandError::Store(_) => Err(error),
        refused => Ok(refused),
    }
}
