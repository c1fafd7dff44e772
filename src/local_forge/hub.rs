//! The one owner of the forge's state, and the desk at which it is worked on.
//!
//! - All state is behind one lock; work on it runs on a blocking thread, never across an `.await`.
//! - Whoever changes a ref tells [`Desk::take_refs`] in the same piece of work, so that webhooks leave in the order
//!   in which things happened.
//! - `forge.json` is replaced atomically, shortly after a change and once more at the end.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool, atomic::Ordering},
};

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Observed, Observer,
    faults::Faults,
    json::View,
    rate_limit::RateLimit,
    refusal::Refusal,
    repository::{self, GitRepository},
    state::{Account, Permission, Repository, State},
    urls::Urls,
    webhook_sender::{Outbox, Outgoing},
};

/// What every part of the forge shares.
pub(super) struct Hub {
    pub(super) urls: Urls,
    pub(super) dir: PathBuf,
    pub(super) git_program: PathBuf,
    pub(super) outbox: Outbox,
    pub(super) faults: Faults,
    pub(super) rate_limit: RateLimit,
    pub(super) observer: Option<Observer>,
    /// What cookies and form tokens are signed with, new with each start.
    pub(super) page_key: String,
    pub(super) state: Mutex<State>,
    pub(super) changed: AtomicBool,
}

impl Hub {
    /// Runs `work` at the desk, on a blocking thread.
    pub(super) async fn work<R: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Desk<'_>) -> R + Send + 'static,
    ) -> R {
        let hub = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || {
            let mut state = hub.lock();
            work(&mut Desk { hub: &hub, state: &mut state })
        });
        done.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }

    /// Locks the state; a panic while it was locked does not make it unusable.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the folder of all repositories.
    pub(super) fn git_root(&self) -> PathBuf {
        self.dir.join("git")
    }

    /// Tells the observer.
    pub(super) fn observe(&self, observed: &Observed) {
        if let Some(observer) = &self.observer {
            observer(observed);
        }
    }

    /// Writes `forge.json` if anything changed since it was last written; when that fails, it is tried again.
    pub(super) fn save(&self) -> anyhow::Result<()> {
        if !self.changed.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let written = self.write();
        if written.is_err() {
            self.changed.store(true, Ordering::Release);
        }
        written
    }

    fn write(&self) -> anyhow::Result<()> {
        let text = serde_json::to_vec(&*self.lock())?;
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        std::io::Write::write_all(&mut file, &text)?;
        file.persist(self.dir.join("forge.json"))?;
        Ok(())
    }
}

/// The state, locked, with what acting on it needs.
pub(super) struct Desk<'a> {
    pub(super) hub: &'a Hub,
    pub(super) state: &'a mut State,
}

impl Desk<'_> {
    /// Returns the time, to the second, as GitHub shows it.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_second(super::clock::now().as_second()).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Returns a repository.
    pub(super) fn repository(&self, key: &str) -> Result<&Repository, Refusal> {
        self.state.repositories.get(key).ok_or_else(Refusal::not_found)
    }

    /// Returns a repository to change; it will be saved.
    pub(super) fn repository_mut(&mut self, key: &str) -> Result<&mut Repository, Refusal> {
        self.hub.changed.store(true, Ordering::Release);
        self.state.repositories.get_mut(key).ok_or_else(Refusal::not_found)
    }

    /// Opens a repository's git side.
    pub(super) fn git(&self, key: &str) -> Result<GitRepository, Refusal> {
        let repository = self.repository(key)?;
        Ok(GitRepository::open(&repository::path_of(&self.hub.git_root(), &repository.owner, &repository.name))?)
    }

    /// Returns the acting account if it has the right.
    ///
    /// # Errors
    /// 404 when it may not even read, 401 when nobody acts, 403 when the right is too small.
    pub(super) fn require(&self, key: &str, actor: Option<&str>, need: Permission) -> Result<Account, Refusal> {
        let has = self.repository(key)?.permission(actor);
        if has < Permission::Read {
            return Err(Refusal::not_found());
        }
        let account = actor.and_then(|login| self.state.accounts.get(login));
        let account = account.ok_or_else(Refusal::requires_authentication)?;
        if has < need {
            return Err(Refusal::forbidden());
        }
        Ok(account.clone())
    }

    /// Fails with 404 unless `actor` may read.
    pub(super) fn require_read(&self, key: &str, actor: Option<&str>) -> Result<(), Refusal> {
        let has = self.repository(key)?.permission(actor);
        if has < Permission::Read { Err(Refusal::not_found()) } else { Ok(()) }
    }

    /// Returns the representations of what is on the desk.
    pub(super) fn view(&self) -> View<'_> {
        View { urls: &self.hub.urls, state: self.state }
    }

    /// Sends a webhook to every hook of the repository that wants the event.
    pub(super) fn emit(&mut self, key: &str, event: &str, payload: &Value) -> Result<(), Refusal> {
        self.emit_to(key, None, event, payload)
    }

    /// Sends a webhook to the one hook that is named.
    pub(super) fn emit_to(
        &mut self,
        key: &str,
        only: Option<u64>,
        event: &str,
        payload: &Value,
    ) -> Result<(), Refusal> {
        let action = payload["action"].as_str().map(str::to_owned);
        self.hub.observe(&Observed::Webhook { event: event.to_owned(), payload: payload.clone() });
        let body = payload.to_string();
        let repository = self.repository(key)?;
        let hooks: Vec<_> = repository.hooks.iter().filter(|hook| hook.wants(event)).cloned().collect();
        let hooks = hooks.into_iter().filter(|hook: &super::state::Hook| only.is_none_or(|id| id == hook.id));
        for hook in hooks {
            self.hub.outbox.put(Outgoing {
                id: self.state.new_id(),
                repository: key.to_owned(),
                guid: uuid::Uuid::now_v7().to_string(),
                event: event.to_owned(),
                action: action.clone(),
                payload: body.clone(),
                redelivery: false,
                is_lost: false,
                hook,
            });
        }
        Ok(())
    }

    /// Sends the newest delivery that fits once more, under its GUID.
    pub(super) fn deliver_again(
        &mut self,
        key: &str,
        fits: impl Fn(&super::state::Delivery) -> bool,
    ) -> Result<(), Refusal> {
        let repository = self.repository(key)?;
        let earlier = repository.deliveries.iter().rev().find(|one| fits(one)).ok_or_else(Refusal::not_found)?.clone();
        let hook = repository.hooks.iter().find(|one| one.id == earlier.hook).ok_or_else(Refusal::not_found)?.clone();
        self.hub.outbox.put(Outgoing {
            id: self.state.new_id(),
            repository: key.to_owned(),
            hook,
            guid: earlier.guid,
            event: earlier.event,
            action: earlier.action,
            payload: earlier.payload,
            redelivery: true,
            is_lost: false,
        });
        Ok(())
    }

    /// Returns whether anybody would see this event.
    pub(super) fn is_heard(&self, key: &str, event: &str) -> bool {
        self.hub.observer.is_some()
            || self.repository(key).is_ok_and(|repository| repository.hooks.iter().any(|hook| hook.wants(event)))
    }
}
