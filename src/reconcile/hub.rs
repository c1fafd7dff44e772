//! Reaches the workers: who has something to say to a repository says it here.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::{mpsc, oneshot};

use super::{attention::Attention, repository::Message};
use crate::domain::ids::RepositoryId;

/// How many messages may wait for one worker. More are dropped: whoever waits looks at everything
/// that is in the store.
const WAITING_LIMIT: usize = 64;

/// The workers of all repositories. Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub struct Hub {
    workers: Arc<BTreeMap<RepositoryId, mpsc::Sender<Message>>>,
}

/// Makes the channel of one worker.
pub fn channel() -> (mpsc::Sender<Message>, mpsc::Receiver<Message>) {
    mpsc::channel(WAITING_LIMIT)
}

impl Hub {
    /// Makes a hub of these workers.
    pub fn new(workers: BTreeMap<RepositoryId, mpsc::Sender<Message>>) -> Self {
        Self { workers: Arc::new(workers) }
    }

    /// Returns the served repositories.
    pub fn repositories(&self) -> impl Iterator<Item = &RepositoryId> {
        self.workers.keys()
    }

    /// Says whether the repository is served.
    pub fn serves(&self, repository: &RepositoryId) -> bool {
        self.workers.contains_key(repository)
    }

    /// Wakes a worker: deliveries wait in the store.
    pub fn wake(&self, repository: &RepositoryId) {
        self.send(repository, Message::Wake);
    }

    /// Draws a worker's attention to something.
    pub fn heed(&self, repository: &RepositoryId, attention: Attention) {
        self.send(repository, Message::Heed(attention));
    }

    /// Has a repository looked at now; returns when everything in it is at rest.
    ///
    /// # Errors
    /// When it could not be looked at, in words.
    pub async fn look_now(&self, repository: &RepositoryId) -> Result<(), String> {
        let worker = self.workers.get(repository).ok_or_else(|| format!("{repository} is not served"))?;
        let (reply, answer) = oneshot::channel();
        let stopped = || format!("the worker of {repository} has stopped");
        worker.send(Message::LookNow(reply)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    fn send(&self, repository: &RepositoryId, message: Message) {
        if let Some(worker) = self.workers.get(repository)
            && worker.try_send(message).is_err()
        {
            tracing::debug!(%repository, "the worker has enough to look at already");
        }
    }
}
