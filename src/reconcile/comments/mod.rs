//! Commands in comments: which comments hold some, that each is done once, and what is answered.
//!
//! - A webhook or the timer only says that there may be new comments. They are read since the last
//!   time, for the whole repository with one call; at rest nothing is asked.
//! - Only comments that nobody has edited count, by people, on promotion pull requests of ours and on
//!   those into the dry branch.
//! - Our reaction is on a comment before its first command is done. One that has it already, and is
//!   not known to be ours to finish, was done before the database was lost: it is never done again.
//! - A command is bound to the head that its author saw, and dropped when there is a newer one.

mod act;
mod dry;
mod preview;
mod pull_requests;
mod reading;
mod rejecting;
mod status;
mod strategy;
mod subject;

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use self::{
    preview::NotByThemselves,
    pull_requests::{Need, OtherPullRequests},
    subject::Subject,
};
use super::{
    LookError,
    attention::Attention,
    board::StrategyBoard,
    commands::{CommandError, Commands},
    context::RepositoryContext,
    elsewhere::Elsewhere,
    worker::StrategyWorker,
};
use crate::{
    domain::{
        comment::{self, Answer, COMMANDS_LIMIT, Outcome, Request, Spelling, TooMuch},
        ids::{DestinationId, PullRequestNumber, RepositoryId, StrategyId},
    },
    forge::{Comment, ForgeError, Reacted, Reaction},
    messages::is_status_comment,
    store::{CommandedComment, Progress, StatusComment},
};

/// What is known of a repository's comments between looks.
#[derive(Debug, Default)]
pub struct CommentsView {
    /// Whether there may be new ones.
    due: bool,
    /// Whether there were too many for one look.
    more: bool,
    /// From when on the next ones are read, where there were too many for one reading.
    goes_on_at: Option<Timestamp>,
    /// Our account; its own comments draw no attention.
    account: Option<u64>,
    /// Pull requests that promote nothing, and may be dry ones.
    others: OtherPullRequests,
    /// Those of them that are previewed only when somebody asks.
    not_by_themselves: NotByThemselves,
    /// The one that is being rendered: what is known of it from before is not reported meanwhile.
    previewing: Option<PullRequestNumber>,
}

impl CommentsView {
    /// Notes what may have brought new comments.
    pub fn heed(&mut self, attention: &Attention) {
        self.due |= match attention {
            Attention::Comment { author, .. } => author.is_none() || *author != self.account,
            Attention::Everything => true,
            _ => false,
        };
        self.others.heed(attention);
    }

    /// Says whether there were too many for one look.
    pub fn has_more(&self) -> bool {
        self.more
    }
}

/// Whether commands were done, so that strategies must be looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acted {
    /// Some were.
    Yes,
    /// None.
    No,
}

/// Reads and answers the comments of one repository.
pub struct CommentReader<'a> {
    /// The repository.
    pub context: &'a RepositoryContext,
    /// Takes the commands.
    pub commands: &'a Commands,
    /// Who look at its strategies, and know its pull requests.
    pub workers: &'a HashMap<StrategyId, StrategyWorker>,
    /// Its strategies as they were looked at just now.
    pub boards: BTreeMap<StrategyId, StrategyBoard>,
    /// Other repositories into which they promote.
    pub elsewhere: &'a Elsewhere,
    /// Which of these is read; none where it is the dry repository.
    pub at: Option<DestinationId>,
}

impl CommentReader<'_> {
    /// Handles one comment; what the forge forbids there, such as reacting in a locked conversation,
    /// holds up no other.
    async fn handle_or_pass(&self, comment: &Comment, others: &mut OtherPullRequests) -> Result<Acted, LookError> {
        match self.handle(comment, others).await {
            Err(LookError::Forge(error)) if is_for_good(&error) => {
                let (id, number) = (comment.id, comment.pull_request);
                tracing::warn!(pull_request.number = number.0, "the comment {id} on {number} gets no answer: {error}");
                let known = self.context.shared.store.commanded_comment(self.repository(), id).await?;
                self.save(&mut known.unwrap_or_else(|| new(comment)), Progress::Done).await?;
                Ok(Acted::No)
            }
            handled => handled,
        }
    }

    /// Does what one comment asks for, unless that was done before.
    async fn handle(&self, comment: &Comment, others: &mut OtherPullRequests) -> Result<Acted, LookError> {
        let (store, repository, ours) = (&self.context.shared.store, self.repository(), &self.context.account);
        let Some(author) = &comment.author else { return Ok(Acted::No) };
        if author.id == ours.id {
            self.recognise(comment, others).await?;
            return Ok(Acted::No);
        }
        let known = store.commanded_comment(repository, comment.id).await?;
        let is_done = known.as_ref().is_some_and(|known| known.progress == Progress::Done);
        let is_edited = comment.updated_at > comment.created_at;
        if comment.by_bot || is_done || (known.is_none() && is_edited) {
            return Ok(Acted::No);
        }
        let requests = match comment::parse(&comment.body, &ours.login, self.spelling(comment)) {
            Ok(requests) => requests.into_iter().map(Some).collect(),
            Err(TooMuch::Many) => vec![None],
            Err(TooMuch::Long { .. }) => Vec::new(),
        };
        if requests.is_empty() {
            // Whatever is written into it later does not count.
            if self.is_ours(comment.pull_request) {
                self.save(&mut new(comment), Progress::Done).await?;
            }
            return Ok(Acted::No);
        }
        let subject = self.subject(others, comment.pull_request, Need::Now).await?;
        let Some(subject) = subject else { return Ok(Acted::No) };
        if let Some(known) = known.clone().filter(|known| known.progress == Progress::Acting || is_edited) {
            // Nobody knows how far it came, or what it said when it was begun.
            self.close(comment, known, Some(Outcome::Interrupted)).await?;
            return Ok(Acted::Yes);
        }
        let Some(mut commanded) = self.claim(comment, known, &subject).await? else { return Ok(Acted::Yes) };
        for request in requests.iter().skip(commanded.answers.len()) {
            self.save(&mut commanded, Progress::Acting).await?;
            match self.answer(comment, &subject, request.as_ref(), &commanded.answers).await {
                Ok(answer) => commanded.answers.push(answer),
                Err(LookError::Forge(error)) if is_for_good(&error) => {
                    commanded.answers.push(refused_by_the_forge(comment, request.as_ref(), &error));
                }
                Err(error) => {
                    // It is known not to be done, and can be tried again.
                    self.save(&mut commanded, Progress::Claiming).await?;
                    return Err(error);
                }
            }
        }
        self.save(&mut commanded, Progress::Done).await?;
        Ok(Acted::Yes)
    }

    /// Sets our reaction; returns what is to be done, or nothing when it was done before.
    async fn claim(
        &self,
        comment: &Comment,
        known: Option<CommandedComment>,
        subject: &Subject,
    ) -> Result<Option<CommandedComment>, LookError> {
        let is_new = known.is_none();
        let mut commanded = known.unwrap_or_else(|| new(comment));
        self.save(&mut commanded, Progress::Claiming).await?;
        match self.context.forge.react(self.repository(), comment.pull_request, comment.id, Reaction::Eyes).await {
            Ok(Reacted::Before) if is_new => {
                // Where our comment has said all there is to say, it may say so for good.
                let outcome = Some(Outcome::Forgotten).filter(|_| !self.is_over(subject));
                self.close(comment, commanded, outcome).await?;
                Ok(None)
            }
            Ok(_) => Ok(Some(commanded)),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes down that nothing more is done for a comment, and why.
    async fn close(
        &self,
        comment: &Comment,
        mut commanded: CommandedComment,
        outcome: Option<Outcome>,
    ) -> Result<(), LookError> {
        let requests =
            comment::parse(&comment.body, &self.context.account.login, self.spelling(comment)).unwrap_or_default();
        let undone = requests.into_iter().nth(commanded.answers.len());
        if let (Some(Request { line, .. }), Some(outcome)) = (undone, outcome) {
            commanded.answers.push(Answer { by: login(comment), line, outcome });
        }
        self.save(&mut commanded, Progress::Done).await
    }

    async fn save(&self, commanded: &mut CommandedComment, progress: Progress) -> Result<(), LookError> {
        commanded.progress = progress;
        Ok(self.context.shared.store.save_commanded_comment(self.repository(), commanded).await?)
    }

    /// Finds a status comment of ours again that the database has lost.
    async fn recognise(&self, comment: &Comment, others: &mut OtherPullRequests) -> Result<(), LookError> {
        let (store, number) = (&self.context.shared.store, comment.pull_request);
        if !is_status_comment(&comment.body) || store.status_comment(self.repository(), number).await?.is_some() {
            return Ok(());
        }
        let Some(subject) = self.subject(others, number, Need::Known).await? else { return Ok(()) };
        if self.is_over(&subject) {
            return Ok(());
        }
        let found = StatusComment { pull_request: number, comment: comment.id, body: comment.body.clone() };
        Ok(store.save_status_comment(self.repository(), &found).await?)
    }

    /// Returns the answer to one request, after those `before` it in the comment; nothing stands for more
    /// than a comment may hold.
    async fn answer(
        &self,
        comment: &Comment,
        subject: &Subject,
        request: Option<&Request>,
        before: &[Answer],
    ) -> Result<Answer, LookError> {
        let (line, outcome) = match request {
            None => ("…".to_owned(), Outcome::TooMany { limit: COMMANDS_LIMIT }),
            Some(Request { line, asks: Err(mistake) }) => {
                let (message, help) = (mistake.message.clone(), mistake.help.clone());
                (line.clone(), Outcome::Refused { message, help })
            }
            Some(Request { line, asks: Ok(command) }) => {
                // Each team costs questions, and anybody may write comments.
                let refused = before.iter().find_map(|answer| {
                    let Outcome::LacksRight { verb, .. } = &answer.outcome else { return None };
                    let verbs = [*verb, command.verb()];
                    self.are_asked_alike(subject, verbs).then(|| answer.outcome.refuses_too(command.verb()))?
                });
                let outcome = match refused {
                    Some(refused) => refused,
                    None => self.act(comment, subject, command).await?,
                };
                (line.clone(), outcome)
            }
        };
        Ok(Answer { by: login(comment), line, outcome })
    }

    /// Returns how commands may be written where a comment stands.
    fn spelling(&self, comment: &Comment) -> Spelling {
        match self.context.forge.takes_bare_commands() {
            false => Spelling::Prefixed,
            true if self.is_ours(comment.pull_request) => Spelling::Bare,
            true => Spelling::Own,
        }
    }

    /// Says whether a strategy proposes in the repository that is read.
    fn promotes_here(&self, board: &StrategyBoard) -> bool {
        board.destination_id() == self.at.as_ref()
    }

    /// Returns the promotions that are open in the repository that is read.
    fn open_here(&self) -> Vec<PullRequestNumber> {
        let here = self.boards.values().filter(|board| self.promotes_here(board));
        here.flat_map(|board| &board.places).filter_map(|place| place.pull_request).collect()
    }

    /// Returns the repository in which a strategy proposes.
    fn home(&self, strategy: &StrategyId) -> &RepositoryContext {
        let board = self.boards.get(strategy).filter(|board| !self.promotes_here(board));
        let elsewhere = board.and_then(|board| self.elsewhere.get(board.destination_id()?));
        elsewhere.unwrap_or(self.context)
    }

    fn repository(&self) -> &RepositoryId {
        &self.context.id
    }
}

impl From<CommandError> for Outcome {
    /// Returns the answer to a command that was not accepted.
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Unknown { message, help }
            | CommandError::Malformed { message, help }
            | CommandError::Refused { message, help } => Self::Refused { message, help },
            CommandError::Forge(_) | CommandError::Store(_) => Self::Interrupted,
        }
    }
}

/// Says whether asking again would be answered the same. Credentials that are not valid are replaced some day.
fn is_for_good(error: &ForgeError) -> bool {
    match error {
        ForgeError::Unauthorised { invalid, .. } => !invalid,
        ForgeError::NotFound { .. } | ForgeError::Refused { .. } => true,
        ForgeError::Moved { .. } | ForgeError::RateLimited { .. } | ForgeError::Unavailable { .. } => false,
    }
}

/// Returns the answer to a request of which the forge does not let us do what it asks.
fn refused_by_the_forge(comment: &Comment, request: Option<&Request>, error: &ForgeError) -> Answer {
    let line = request.map(|request| request.line.clone()).unwrap_or_default();
    tracing::warn!(line, "the forge does not let a command be done: {error}");
    let help = "See what the service may do there with `hydromote doctor --config`.".to_owned();
    Answer { by: login(comment), line, outcome: Outcome::Refused { message: format!("Not done: {error}."), help } }
}

/// Returns a comment of which nothing is done yet.
fn new(comment: &Comment) -> CommandedComment {
    CommandedComment {
        comment: comment.id,
        pull_request: comment.pull_request,
        progress: Progress::Claiming,
        answers: Vec::new(),
    }
}

fn login(comment: &Comment) -> String {
    comment.author.as_ref().map(|author| author.login.clone()).unwrap_or_default()
}
