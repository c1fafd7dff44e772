//! Reaches the workers: who has something to say to a repository says it here.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{mpsc, oneshot};

use super::{attention::Attention, repository::Message};
use crate::domain::ids::RepositoryId;

/// How many messages may wait for one worker. More are dropped: whoever waits looks at everything
/// that is in the store.
const WAITING_LIMIT: usize = 64;

/// Starts the worker of a repository, or says by nothing that it is not served.
type Start = dyn Fn(&Hub, &RepositoryId) -> Option<mpsc::Sender<Message>> + Send + Sync;

/// The workers of all repositories. Cloning is cheap.
#[derive(Clone)]
pub struct Hub {
    workers: Arc<Mutex<BTreeMap<RepositoryId, mpsc::Sender<Message>>>>,
    start: Arc<Start>,
}

/// Draws a worker's attention to the store when it is dropped.
#[must_use]
pub struct Waking<'a> {
    hub: &'a Hub,
    repository: &'a RepositoryId,
}

impl Drop for Waking<'_> {
    fn drop(&mut self) {
        self.hub.heed(self.repository, Attention::Command);
    }
}

/// Makes the channel of one worker.
pub fn channel() -> (mpsc::Sender<Message>, mpsc::Receiver<Message>) {
    mpsc::channel(WAITING_LIMIT)
}

impl Hub {
    /// Makes a hub; `start` starts the worker of a served repository when it is first heard of, and
    /// gives it the hub, so that commands in comments are taken like all others.
    pub fn new(start: impl Fn(&Self, &RepositoryId) -> Option<mpsc::Sender<Message>> + Send + Sync + 'static) -> Self {
        Self { workers: Arc::default(), start: Arc::new(start) }
    }

    /// Wakes a worker: deliveries wait in the store.
    pub fn wake(&self, repository: &RepositoryId) {
        self.send(repository, Message::Wake);
    }

    /// Draws a worker's attention to something.
    pub fn heed(&self, repository: &RepositoryId, attention: Attention) {
        self.send(repository, Message::Heed(attention));
    }

    /// Has a worker look once what is returned is dropped: a command has changed the store then, whatever became of the rest
    /// of it.
    pub fn waking<'a>(&'a self, repository: &'a RepositoryId) -> Waking<'a> {
        Waking { hub: self, repository }
    }

    /// Has a repository looked at now; returns when everything in it is at rest.
    ///
    /// # Errors
    /// When it could not be looked at, in words.
    pub async fn look_now(&self, repository: &RepositoryId) -> Result<(), String> {
        let worker = self.worker(repository).ok_or_else(|| format!("{repository} is not served"))?;
        let (reply, answer) = oneshot::channel();
        let stopped = || format!("the worker of {repository} has stopped");
        worker.send(Message::LookNow(reply)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    fn worker(&self, repository: &RepositoryId) -> Option<mpsc::Sender<Message>> {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(worker) = workers.get(repository) {
            return Some(worker.clone());
        }
        let worker = (self.start)(self, repository)?;
        workers.insert(repository.clone(), worker.clone());
        Some(worker)
    }

    fn send(&self, repository: &RepositoryId, message: Message) {
        if let Some(worker) = self.worker(repository)
            && worker.try_send(message).is_err()
        {
            tracing::debug!(%repository, "the worker has enough to look at already");
        }
    }
}
