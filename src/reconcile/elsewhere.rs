//! Other repositories into which the strategies of one promote: each is reached when it is first needed, and read again
//! when something happens there.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::Semaphore;

use super::{LookError, attention::Attention, comments::CommentsView, context::RepositoryContext, deployed_reports};
use crate::domain::{deployed::Deployed, ids::DestinationId};

/// What is known of other repositories between rounds.
#[derive(Default)]
pub struct Elsewhere {
    known: BTreeMap<DestinationId, There>,
}

/// One of them.
struct There {
    context: RepositoryContext,
    comments: CommentsView,
    /// Whether branches may be elsewhere than the mirror has them.
    stale: bool,
}

impl Elsewhere {
    /// Returns a repository, which is asked for when it is not known yet; strategies of `dry` promote into it.
    ///
    /// # Errors
    /// When it does not answer or is not there, in words that name it.
    pub async fn reach(&mut self, dry: &RepositoryContext, id: &DestinationId) -> Result<RepositoryContext, LookError> {
        if let Some(there) = self.known.get(id) {
            return Ok(there.context.clone());
        }
        let shared = &dry.shared;
        shared.destinations.note(id, &dry.id);
        let unknown = || LookError::Destination(format!("the server knows no forge `{}`", id.forge));
        let forge = shared.forges.named(&id.forge).ok_or_else(unknown)?.clone();
        let out_of_reach = |error| LookError::Destination(format!("`destination` {id} cannot be used: {error}"));
        let account = forge.account().await.map_err(out_of_reach)?;
        let details = forge.repository(&id.repository).await.map_err(out_of_reach)?;
        let context = RepositoryContext {
            id: id.repository.clone(),
            shared: shared.clone(),
            forge_name: id.forge.clone(),
            forge,
            account,
            details,
            mirror: dry.mirror.beside(&format!("{}/{}", id.forge, id.repository)),
            merging: Arc::new(Semaphore::new(1)),
        };
        let mut comments = CommentsView::default();
        comments.heed(&Attention::Everything);
        self.known.insert(id.clone(), There { context: context.clone(), comments, stale: true });
        Ok(context)
    }

    /// Returns a repository that was reached.
    pub fn get(&self, id: &DestinationId) -> Option<&RepositoryContext> {
        self.known.get(id).map(|there| &there.context)
    }

    /// Returns those that were reached.
    pub fn all(&self) -> Vec<DestinationId> {
        self.known.keys().cloned().collect()
    }

    /// Notes what may have changed in them.
    pub async fn heed(&mut self, attention: &[Attention]) -> Result<(), LookError> {
        for (id, there) in &mut self.known {
            for what in attention.iter().filter_map(|what| what.of_repository(Some(id))) {
                there.comments.heed(what);
                there.stale |= match what {
                    Attention::Deployed(told) => !deployed_reports::knows(&there.context, told).await?,
                    what => there.context.is_stale(what).await?,
                };
            }
        }
        Ok(())
    }

    /// Says whether a repository must be fetched before it is looked at.
    pub fn is_stale(&self, id: &DestinationId) -> bool {
        self.known.get(id).is_some_and(|there| there.stale)
    }

    /// Notes that the branches that are watched are no longer the same.
    pub fn watch_others(&mut self) {
        self.known.values_mut().for_each(|there| there.stale = true);
    }

    /// Notes that a repository was fetched.
    pub fn note_read(&mut self, id: &DestinationId) {
        self.known.entry(id.clone()).and_modify(|there| there.stale = false);
    }

    /// Takes what is known of the comments in a repository, to be put back with [`Self::put_comments`].
    pub fn take_comments(&mut self, id: &DestinationId) -> Option<(RepositoryContext, CommentsView)> {
        let there = self.known.get_mut(id)?;
        Some((there.context.clone(), std::mem::take(&mut there.comments)))
    }

    /// Puts back what is known of the comments in a repository.
    pub fn put_comments(&mut self, id: &DestinationId, comments: CommentsView) {
        self.known.entry(id.clone()).and_modify(|there| there.comments = comments);
    }

    /// Posts what tools told of commits there; returns what is to be read again.
    pub async fn post_deployed(&self, attention: &[Attention]) -> Result<Vec<Attention>, LookError> {
        let mut posted = Vec::new();
        for (id, there) in &self.known {
            let told: Vec<Deployed> = attention.iter().filter_map(|what| told_of(what, id)).collect();
            let read_again = deployed_reports::post(&there.context, &told).await?;
            let elsewhere = |what| Attention::Elsewhere { destination: id.clone(), what: Box::new(what) };
            posted.extend(read_again.into_iter().map(elsewhere));
        }
        Ok(posted)
    }
}

fn told_of(what: &Attention, id: &DestinationId) -> Option<Deployed> {
    match what.of_repository(Some(id))? {
        Attention::Deployed(told) => Some(told.clone()),
        _ => None,
    }
}
