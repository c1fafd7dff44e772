//! What a dry pull request does to strategies, as things stand now, and a person's word that it may.
//!
//! Unlike what is rendered, this is told anew at each look: holds and gates come and go.

use super::{CommentReader, dry::DryPullRequest, subject::Subject};
use crate::{
    domain::{
        comment::{Outcome, Verb},
        ids::{DrySha, HeadSha, PullRequestNumber, StrategyId},
        preview::Preview,
        status::StatusState,
        strategy::PromotionStrategy,
        strategy_change::compare,
    },
    forge::Comment,
    messages::{DryStage, StrategyOutcome, StrategySection},
    reconcile::{
        LookError,
        commands::CommandError,
        keys::preview_key,
        overriding,
        strategy_changes::{self, KeptOut, digest, nothing_stays_out},
        strategy_files::{self, File, InForce, Next},
    },
};

impl CommentReader<'_> {
    /// Returns what a dry pull request does to strategies: what its preview has of them while it is open, and what
    /// of them it brought and stays out once it is merged.
    pub(super) async fn strategies(
        &self,
        dry: &DryPullRequest,
        preview: Option<&Preview>,
    ) -> Result<Vec<StrategySection>, LookError> {
        match (&dry.stage, preview) {
            (DryStage::Open, Some(preview)) => {
                let changes = self.changes(preview).await?;
                Ok(changes.into_iter().map(|(_, section)| section).collect())
            }
            (DryStage::Merged(commit), _) => Ok(self.brought(commit)),
            _ => Ok(Vec::new()),
        }
    }

    /// Returns the strategies that a merged commit brought and that stay out.
    fn brought(&self, commit: &DrySha) -> Vec<StrategySection> {
        let kept_out = |id: &StrategyId| self.boards.get(id)?.kept_out.as_ref().filter(|out| out.commit == *commit);
        let section = |id: &StrategyId| {
            let out = kept_out(id)?;
            let (change, accepted) = (out.change.clone(), out.accepted.clone());
            Some(StrategySection { name: id.name.clone(), outcome: StrategyOutcome::Changes { change, accepted } })
        };
        self.boards.keys().filter_map(section).collect()
    }

    /// Returns what becomes of each strategy whose file a pull request changes, with the name of its text.
    async fn changes(&self, preview: &Preview) -> Result<Vec<((StrategyId, String), StrategySection)>, LookError> {
        let Some(texts) = &preview.strategy_files else { return Ok(Vec::new()) };
        let files: Vec<File> = texts.iter().map(|file| (file.path.clone(), file.text.clone().into_bytes())).collect();
        let repository = &self.context.id;
        let before = self.context.shared.store.documents(repository).await?;
        let settled = strategy_files::settle(&self.context.grounds(), &preview.dry, &files, before.clone());
        let mut changes = Vec::new();
        for one in settled.in_force {
            let id = one.document.strategy.clone();
            // What was renamed is told under the name that it has.
            let InForce { strategy, document, .. } = match one.next {
                Next::Itself => one,
                Next::Renamed(next) => *next,
                Next::Nothing => one.ended(),
            };
            let is_same = before.iter().any(|known| known.strategy == document.strategy && known.text == document.text);
            let outcome = match document.mistake {
                Some(mistakes) => StrategyOutcome::Mistakes(mistakes),
                None if is_same => continue,
                None => self.change(&id, strategy, &digest(&document.text), &preview.dry).await?,
            };
            changes.push(((id.clone(), digest(&document.text)), StrategySection { name: id.name, outcome }));
        }
        for broken in settled.broken {
            let outcome = StrategyOutcome::Mistakes(broken.mistake);
            changes.push(((broken.id.clone(), String::new()), StrategySection { name: broken.id.name, outcome }));
        }
        Ok(changes)
    }

    async fn change(
        &self,
        id: &StrategyId,
        mut strategy: PromotionStrategy,
        text: &str,
        dry: &DrySha,
    ) -> Result<StrategyOutcome, LookError> {
        let looked = self.boards.get(id).and_then(|board| board.looked.0.as_ref());
        let Some((in_force, snapshot)) = looked else { return Ok(StrategyOutcome::New) };
        let shared = &self.context.shared;
        overriding::add_server_windows(&mut strategy, &self.context.id, &shared.server_windows);
        let change = compare(in_force, &strategy, snapshot);
        let accepted = match change.losses.as_slice() {
            [] => None,
            _ => strategy_changes::accepted(self.context, id, text, dry).await?,
        };
        Ok(StrategyOutcome::Changes { change, accepted })
    }

    /// Takes a person's word that the strategies which a dry pull request changes may drop what is under way.
    pub(super) async fn override_change(
        &self,
        comment: &Comment,
        subject: &Subject,
        reason: &str,
    ) -> Result<Outcome, CommandError> {
        let Subject::Dry(dry) = subject else {
            return Err(CommandError::Refused {
                message: "Not done: this pull request changes no strategy.".to_owned(),
                help: "Windows are overridden with `/hydromote promote override=windows reason=\"…\"`.".to_owned(),
            });
        };
        let by = super::login(comment);
        let (head, texts) = match &dry.stage {
            DryStage::Open => self.seen_changes(comment, dry).await?,
            DryStage::Merged(commit) => (commit.to_string(), self.landed_changes(commit).await?),
            DryStage::Closed => return Err(nothing_stays_out()),
        };
        if texts.is_empty() {
            return Err(nothing_stays_out());
        }
        for (strategy, text) in texts {
            self.commands.override_change(&strategy, &head, &text, &by, reason).await?;
        }
        let head = HeadSha::new(head).map_err(|_| nothing_stays_out())?;
        Ok(Outcome::Overridden { head })
    }

    /// Returns the head of an open pull request and what of it needs a person's word, when its author saw that.
    async fn seen_changes(
        &self,
        comment: &Comment,
        dry: &DryPullRequest,
    ) -> Result<(String, Vec<(StrategyId, String)>), CommandError> {
        let number = comment.pull_request;
        let preview = self.context.shared.store.preview(&self.context.id, number).await?;
        let preview = preview.filter(|preview| dry.head.as_ref() == Some(&preview.head));
        let Some(preview) = preview else { return Err(not_seen()) };
        if !self.was_told(comment, &preview.head).await? {
            return Err(not_seen());
        }
        let changes = self.changes(&preview).await.map_err(as_command)?;
        let waits = |section: &StrategySection| {
            matches!(section.outcome, StrategyOutcome::Changes { .. }) && section.stays_out().is_some()
        };
        let texts = changes.into_iter().filter(|(_, section)| waits(section)).map(|(text, _)| text);
        Ok((preview.head.to_string(), texts.collect()))
    }

    /// Returns the strategies that stay out with the text that they have in a merged commit.
    async fn landed_changes(&self, commit: &DrySha) -> Result<Vec<(StrategyId, String)>, CommandError> {
        let at = commit.clone();
        let read = self.context.mirror.read(move |repository, _| strategy_files::read(repository, &at)).await;
        let files = read.map_err(|error| as_command(error.into()))?;
        let texts: Vec<String> = files.iter().map(|(_, bytes)| digest(&String::from_utf8_lossy(bytes))).collect();
        let boards = self.boards.values();
        let kept_out = boards.filter_map(|board| Some((board.id.clone(), board.kept_out.as_ref()?)));
        // What was deleted has no text there.
        let is_of_it = |out: &KeptOut| out.commit == *commit || texts.contains(&out.digest);
        Ok(kept_out.filter(|(_, out)| is_of_it(out)).map(|(id, out)| (id, out.digest.clone())).collect())
    }

    /// Says whether our verdict on a head stood when a comment was written, by the forge's clock.
    async fn was_told(&self, comment: &Comment, head: &HeadSha) -> Result<bool, CommandError> {
        let reports = self.context.forge.commit_statuses(&self.context.id, head.as_str()).await?;
        let ours = reports.iter().filter(|report| {
            report.key == preview_key()
                && report.creator == Some(self.context.account.id)
                && report.state != StatusState::Pending
        });
        let told = ours.map(|report| report.reported_at).min();
        // The forge dates in whole seconds.
        Ok(told.is_some_and(|told| told.as_second() <= comment.created_at.as_second()))
    }

    /// Reports on the head what its preview says, and first what keeps a strategy from coming into force.
    pub(super) async fn report_preview(
        &self,
        number: PullRequestNumber,
        preview: &Preview,
        strategies: &[StrategySection],
    ) -> Result<(), LookError> {
        let summary = preview.summary();
        let stays_out = strategies.iter().find_map(StrategySection::stays_out);
        match stays_out.filter(|_| summary.state == StatusState::Success) {
            Some(words) => self.report(number, &preview.head, StatusState::Failure, &words).await,
            None => self.report(number, &preview.head, summary.state, &summary.words).await,
        }
    }
}

/// Says that the head is newer than what the author can have read.
fn not_seen() -> CommandError {
    CommandError::Refused {
        message: format!("Not done: `{}` is for the head whose preview you have read.", Verb::Override),
        help: "Read what the comment says of this one, and write the command again.".to_owned(),
    }
}

fn as_command(error: LookError) -> CommandError {
    match error {
        LookError::Forge(error) => CommandError::Forge(error),
        LookError::Store(error) => CommandError::Store(error),
        error => {
            tracing::warn!(%error, "could not read what a pull request does to strategies");
            CommandError::Refused {
                message: "What it does to strategies could not be read.".to_owned(),
                help: "Write the command again in a moment.".to_owned(),
            }
        }
    }
}
