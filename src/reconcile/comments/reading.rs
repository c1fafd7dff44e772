//! Which comments are read: those that are new, and where nobody knows which are, those that may wait.

use jiff::{SignedDuration, Timestamp};

use super::{Acted, CommentReader, CommentsView, is_for_good, pull_requests::OtherPullRequests};
use crate::{forge::Comment, reconcile::LookError};

/// How far back comments are read at the first time, when nothing says where to begin.
const FIRST_READING: SignedDuration = SignedDuration::from_hours(24);

/// How much is read again: forges show new comments late, and not in their order.
const OVERLAP: SignedDuration = SignedDuration::from_mins(1);

/// The most dry pull requests, those that changed last, whose comments are read at the first time: it
/// takes one call for each.
const DRY_READ_AT_FIRST: usize = 20;

/// The most comments with commands that are handled in one look; the others are next.
const HANDLED_AT_ONCE: usize = 20;

impl CommentReader<'_> {
    /// Does what new comments ask for.
    ///
    /// # Errors
    /// When the forge or the store does not answer. What the forge forbids is logged: promotions do
    /// not wait for it.
    pub async fn read(&self, view: &mut CommentsView) -> Result<Acted, LookError> {
        view.account = Some(self.context.account.id);
        if !view.due || self.boards.is_empty() {
            return Ok(Acted::No);
        }
        match self.read_new(view).await {
            Err(LookError::Forge(error)) if is_for_good(&error) => {
                (view.due, view.more) = (false, false);
                let repository = &self.context.details.web_url;
                tracing::warn!(repository, "comments are not read: {error}");
                Ok(Acted::No)
            }
            read => read,
        }
    }

    async fn read_new(&self, view: &mut CommentsView) -> Result<Acted, LookError> {
        let (store, repository) = (&self.context.shared.store, self.repository());
        let read_to = store.comments_read_to(repository).await?;
        let since = match (view.goes_on_at, read_to) {
            (Some(at), _) => Ok(at),
            (None, Some(read_to)) => read_to.checked_sub(OVERLAP),
            (None, None) => (self.context.shared.clock)().checked_sub(FIRST_READING),
        };
        let since = since.unwrap_or(Timestamp::UNIX_EPOCH);
        let recent = self.context.forge.comments_since(repository, since).await?;
        let next = recent.more.then(|| after(since, recent.read_to));
        let mut comments = recent.comments;
        if read_to.is_none() || recent.skipped || next.is_some_and(|(_, skips)| skips) {
            comments.extend(self.comments_where_some_may_wait(&mut view.others).await?);
        }
        comments.sort_by_key(|comment| comment.id);
        comments.dedup_by_key(|comment| comment.id);
        let (mut acted, mut handled) = (Acted::No, 0);
        for comment in &comments {
            if handled == HANDLED_AT_ONCE {
                view.more = true;
                return Ok(acted);
            }
            if self.handle_or_pass(comment, &mut view.others).await? == Acted::Yes {
                (acted, handled) = (Acted::Yes, handled + 1);
            }
        }
        // Where nothing was ever said the next reading begins where this one did.
        let now_read_to = recent.read_to.max(read_to).unwrap_or(since);
        if read_to != Some(now_read_to) {
            store.save_comments_read_to(repository, now_read_to).await?;
        }
        view.goes_on_at = next.map(|(at, _)| at);
        (view.due, view.more) = (recent.more, recent.more);
        Ok(acted)
    }

    /// Returns the comments on the promotions that are open now, and on the dry pull requests that are
    /// under way: after the loss of the database, commands may wait there, and comments of our own that
    /// are to be found again.
    async fn comments_where_some_may_wait(&self, others: &mut OtherPullRequests) -> Result<Vec<Comment>, LookError> {
        let mut numbers = self.open_here();
        let dry = match self.at {
            None => others.latest(self.context).await?.into_iter(),
            Some(_) => Vec::new().into_iter(),
        };
        let under_way = dry.filter(|(_, other)| self.dry(other.clone()).is_some_and(|dry| !self.is_told(&dry)));
        numbers.extend(under_way.map(|(number, _)| number).take(DRY_READ_AT_FIRST));
        let mut comments = Vec::new();
        for number in numbers {
            comments.extend(self.context.forge.comments(self.repository(), number).await?);
        }
        Ok(comments)
    }
}

/// Returns where to go on after as many comments as are read at once, those since `since` up to `read_to`; and whether some
/// are passed over: more than those changed in one second, and nobody can be asked for parts of a second.
fn after(since: Timestamp, read_to: Option<Timestamp>) -> (Timestamp, bool) {
    match read_to.filter(|read_to| read_to.as_second() > since.as_second()) {
        Some(read_to) => (read_to, false),
        None => (since.checked_add(SignedDuration::from_secs(1)).unwrap_or(Timestamp::MAX), true),
    }
}
