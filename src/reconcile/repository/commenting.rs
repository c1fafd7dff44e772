//! Reads the comments of the dry repository and of those into which its strategies promote.

use super::{RepositoryWorker, State};
use crate::reconcile::{
    LookError,
    comments::{Acted, CommentReader, CommentsView},
    context::RepositoryContext,
};

impl RepositoryWorker {
    /// Does what new comments ask for, starts the next preview, and says how it stands; also while a strategy
    /// is in trouble.
    pub(super) async fn read_comments(&self, state: &mut State) -> Result<(), LookError> {
        let Some(context) = state.context.clone() else { return Ok(()) };
        let mut here = std::mem::take(&mut state.comments);
        let read = self.read_comments_in(state, &context, &context, &mut here).await;
        let previewed = match read {
            Ok(()) => self.preview(state, &context, &mut here).await,
            Err(error) => Err(error),
        };
        state.comments = here;
        previewed?;
        // What keeps comments from being read on one forge keeps back none on another.
        let mut outcome = Ok(());
        for id in state.elsewhere.all() {
            let Some((there, mut comments)) = state.elsewhere.take_comments(&id) else { continue };
            let mut read = self.read_comments_in(state, &context, &there, &mut comments).await;
            if read.is_ok() {
                read = self.reader(state, &there).show(&mut comments).await;
            }
            state.elsewhere.put_comments(&id, comments);
            outcome = outcome.and(read);
        }
        outcome
    }

    /// Does what new comments in one repository ask for.
    pub(super) async fn read_comments_in(
        &self,
        state: &mut State,
        context: &RepositoryContext,
        there: &RepositoryContext,
        comments: &mut CommentsView,
    ) -> Result<(), LookError> {
        if self.reader(state, there).read(comments).await? == Acted::Yes {
            self.admit_and_look(state, context).await?;
        }
        if comments.has_more() {
            state.wake_at = Some((self.shared.clock)());
        }
        Ok(())
    }

    /// Starts the next preview, and brings our comments in the dry repository up to date.
    pub(super) async fn preview(
        &self,
        state: &mut State,
        context: &RepositoryContext,
        comments: &mut CommentsView,
    ) -> Result<(), LookError> {
        let mut previews = std::mem::take(&mut state.previews);
        let reader = self.reader(state, context);
        let due_at = reader.preview(comments, &mut previews).await;
        let shown = match &due_at {
            Ok(_) => reader.show(comments).await,
            Err(_) => Ok(()),
        };
        state.previews = previews;
        state.wake_at = state.wake_at.into_iter().chain(due_at?).min();
        shown
    }

    /// Returns who reads the comments in a repository: the dry one, or another one.
    pub(super) fn reader<'a>(&'a self, state: &'a State, there: &'a RepositoryContext) -> CommentReader<'a> {
        let boards = state.workers.keys().filter_map(|id| Some((id.clone(), self.boards.of(id)?)));
        let boards = state.ended.clone().into_iter().chain(boards).collect();
        CommentReader {
            context: there,
            commands: &self.commands,
            workers: &state.workers,
            boards,
            elsewhere: &state.elsewhere,
            at: (there.id != self.repository || there.forge_name != self.forge_name).then(|| there.destination_id()),
        }
    }
}
