//! Webhook deliveries: written before they are answered, done when a look has begun after them; and whose branches they
//! tell of, which is known for longer than they are.
//!
//! One task writes them, as many with one commit as have come while it wrote those before: a commit waits for the disk,
//! and where everybody commits alone they wait for each other.

use std::sync::Arc;

use jiff::Timestamp;
use sqlx::{Row, SqlitePool};
use tokio::sync::{mpsc, oneshot};

use super::{Store, StoreError, from_millis, to_millis};
use crate::domain::ids::RepositoryId;

/// How many are written with one commit.
const WRITTEN_AT_ONCE: usize = 256;
/// How many may wait to be written; who comes then waits to be let in.
const WAITING_LIMIT: usize = 1024;
/// How many open ones of a repository are told apart. Where there are more, everything is read again, which takes less
/// than to heed each of them.
const TOLD_APART: i64 = 2_000;

/// A delivery to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// The forge's name.
    pub forge: String,
    /// The forge's id of the delivery; the same when it is delivered again.
    pub delivery: String,
    /// `owner/name`.
    pub repository: String,
    /// What it is about, as a document of the receiver.
    pub hint: String,
    /// When it came.
    pub received_at: Timestamp,
}

/// A delivery that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The row.
    pub id: i64,
    /// `owner/name`.
    pub repository: String,
    /// What it is about.
    pub hint: String,
    /// When it came.
    pub received_at: Timestamp,
}

/// Whether a delivery was seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It was not.
    New,
    /// It was.
    Duplicate,
}

impl Store {
    /// Writes a delivery, durably.
    pub async fn record_delivery(&self, new: &NewDelivery) -> Result<Recorded, StoreError> {
        let (done, answer) = oneshot::channel();
        let gone = || StoreError::Database(sqlx::Error::WorkerCrashed);
        self.deliveries.send(ToWrite { new: new.clone(), done }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Returns the deliveries about a repository that wait, oldest first. Of very many, one that stands for all: it
    /// has no hint.
    pub async fn open_deliveries(&self, repository: &str) -> Result<Vec<Delivery>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, repository, hint, received_at FROM deliveries
             WHERE repository = $1 AND done_at IS NULL ORDER BY id DESC LIMIT $2",
        )
        .bind(repository)
        .bind(TOLD_APART + 1)
        .fetch_all(&self.pool)
        .await?;
        let mut open: Vec<Delivery> = rows
            .into_iter()
            .map(|row| Delivery {
                id: row.get(0),
                repository: row.get(1),
                hint: row.get(2),
                received_at: from_millis(row.get(3)),
            })
            .collect();
        if i64::try_from(open.len()).is_ok_and(|count| count > TOLD_APART) {
            open.truncate(1);
            open.iter_mut().for_each(|newest| newest.hint.clear());
        }
        open.reverse();
        Ok(open)
    }

    /// Says whether a delivery has arrived, of those that are remembered.
    pub async fn has_delivery(&self, forge: &str, delivery: &str) -> Result<bool, StoreError> {
        let found = sqlx::query("SELECT 1 FROM deliveries WHERE forge = $1 AND delivery = $2")
            .bind(forge)
            .bind(delivery)
            .fetch_optional(&self.pool)
            .await?;
        Ok(found.is_some())
    }

    /// Returns when the last delivery of a forge came, of those that are remembered.
    pub async fn last_delivery(&self, forge: &str) -> Result<Option<Timestamp>, StoreError> {
        let row = sqlx::query("SELECT max(received_at) FROM deliveries WHERE forge = $1")
            .bind(forge)
            .fetch_one(&self.pool)
            .await?;
        Ok(row.get::<Option<i64>, _>(0).map(from_millis))
    }

    /// Says whether webhooks told of a repository's branches the last time.
    pub async fn is_heard(&self, repository: &RepositoryId) -> Result<bool, StoreError> {
        let found = sqlx::query("SELECT 1 FROM heard WHERE repository = $1")
            .bind(repository.as_str())
            .fetch_optional(&self.pool)
            .await?;
        Ok(found.is_some())
    }

    /// Writes down that webhooks told of a repository's branches.
    pub async fn save_heard(&self, repository: &RepositoryId) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO heard (repository) VALUES ($1) ON CONFLICT DO NOTHING")
            .bind(repository.as_str())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Writes down that no webhook told of a repository's branches.
    pub async fn save_unheard(&self, repository: &RepositoryId) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM heard WHERE repository = $1").bind(repository.as_str()).execute(&self.pool).await?;
        Ok(())
    }

    /// Marks the deliveries about a repository up to `last` as done.
    pub async fn finish_deliveries(&self, repository: &str, last: i64, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query("UPDATE deliveries SET done_at = $1 WHERE repository = $2 AND id <= $3 AND done_at IS NULL")
            .bind(to_millis(now))
            .bind(repository)
            .bind(last)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Forgets deliveries that were done before `before`.
    pub async fn prune_deliveries(&self, before: Timestamp) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM deliveries WHERE done_at < $1").bind(to_millis(before)).execute(&self.pool).await?;
        Ok(())
    }
}

/// A delivery on its way to the disk.
#[derive(Debug)]
pub(super) struct ToWrite {
    new: NewDelivery,
    done: oneshot::Sender<Result<Recorded, StoreError>>,
}

/// Starts the task that writes deliveries, which ends with the last store that knows it.
pub(super) fn start_writer(pool: SqlitePool) -> mpsc::Sender<ToWrite> {
    let (sender, mut waiting) = mpsc::channel(WAITING_LIMIT);
    tokio::spawn(async move {
        let mut batch: Vec<ToWrite> = Vec::new();
        while waiting.recv_many(&mut batch, WRITTEN_AT_ONCE).await > 0 {
            let written = write(&pool, &batch).await;
            answer(batch.drain(..), written);
        }
    });
    sender
}

/// Writes deliveries with one commit.
async fn write(pool: &SqlitePool, batch: &[ToWrite]) -> Result<Vec<Recorded>, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let mut recorded = Vec::with_capacity(batch.len());
    for ToWrite { new, .. } in batch {
        let done = sqlx::query(
            "INSERT INTO deliveries (forge, delivery, repository, hint, received_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (forge, delivery) DO NOTHING",
        )
        .bind(&new.forge)
        .bind(&new.delivery)
        .bind(&new.repository)
        .bind(&new.hint)
        .bind(to_millis(new.received_at))
        .execute(&mut *transaction)
        .await?;
        recorded.push(if done.rows_affected() == 0 { Recorded::Duplicate } else { Recorded::New });
    }
    transaction.commit().await?;
    Ok(recorded)
}

/// Tells each what became of it; who waits no more is not told.
fn answer(batch: impl Iterator<Item = ToWrite>, written: Result<Vec<Recorded>, sqlx::Error>) {
    match written {
        Ok(recorded) => batch.zip(recorded).for_each(|(one, recorded)| drop(one.done.send(Ok(recorded)))),
        Err(error) => {
            let error = Arc::new(error);
            batch.for_each(|one| drop(one.done.send(Err(StoreError::Deliveries(error.clone())))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(delivery: &str) -> NewDelivery {
        NewDelivery {
            forge: "github".into(),
            delivery: delivery.into(),
            repository: "a/b".into(),
            hint: "{}".into(),
            received_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[tokio::test]
    async fn a_delivery_counts_once_and_waits_until_it_is_done() {
        let store = Store::in_memory().await.expect("a database in memory");
        let new = new("1");
        assert_eq!(store.last_delivery("github").await.expect("is read"), None);
        assert!(!store.has_delivery("github", "1").await.expect("is read"));
        assert_eq!(store.record_delivery(&new).await.expect("is written"), Recorded::New);
        assert!(store.has_delivery("github", "1").await.expect("is read"));
        assert_eq!(store.last_delivery("github").await.expect("is read"), Some(Timestamp::UNIX_EPOCH));
        assert_eq!(store.last_delivery("argocd").await.expect("is read"), None);
        assert_eq!(store.record_delivery(&new).await.expect("is written"), Recorded::Duplicate);
        let open = store.open_deliveries("a/b").await.expect("is read");
        assert_eq!(open.len(), 1);
        store.finish_deliveries("a/b", open[0].id, Timestamp::UNIX_EPOCH).await.expect("is written");
        assert!(store.open_deliveries("a/b").await.expect("is read").is_empty());
        assert_eq!(store.record_delivery(&new).await.expect("is written"), Recorded::Duplicate);
    }

    #[tokio::test]
    async fn that_a_repository_is_heard_outlives_its_deliveries() {
        let store = Store::in_memory().await.expect("a database in memory");
        let [shop, other] = ["a/b", "a/other"].map(|name| RepositoryId::new(name).expect("an owner and a name"));
        store.record_delivery(&new("1")).await.expect("is written");
        store.save_heard(&shop).await.expect("is written");
        store.save_heard(&shop).await.expect("is written");
        store.finish_deliveries("a/b", 1, Timestamp::UNIX_EPOCH).await.expect("is written");
        store.prune_deliveries(Timestamp::MAX).await.expect("is written");
        assert!(!store.has_delivery("github", "1").await.expect("is read"));
        assert!(store.is_heard(&shop).await.expect("is read"));
        assert!(!store.is_heard(&other).await.expect("is read"));
        store.save_unheard(&shop).await.expect("is written");
        assert!(!store.is_heard(&shop).await.expect("is read"));
    }

    #[tokio::test]
    async fn of_many_that_come_at_once_each_is_told_what_became_of_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("hydromote.db")).await.expect("because the file is new");
        let all: Vec<NewDelivery> = (0..300).map(|number| new(&(number % 200).to_string())).collect();
        let recorded = futures::future::join_all(all.iter().map(|new| store.record_delivery(new))).await;
        let count = |wanted| recorded.iter().filter(|one| matches!(one, Ok(is) if *is == wanted)).count();
        assert_eq!((count(Recorded::New), count(Recorded::Duplicate)), (200, 100));
        assert_eq!(store.open_deliveries("a/b").await.expect("is read").len(), 200);
        store.close().await;
        assert!(store.record_delivery(&new("late")).await.is_err(), "nothing may be taken that is on no disk");
    }

    #[tokio::test]
    async fn very_many_that_wait_are_one_without_a_hint() {
        let store = Store::in_memory().await.expect("a database in memory");
        let many = usize::try_from(TOLD_APART).expect("because it is not large") + 1;
        let all: Vec<NewDelivery> = (0..many).map(|number| new(&number.to_string())).collect();
        futures::future::join_all(all.iter().map(|new| store.record_delivery(new))).await;
        let [newest] = &store.open_deliveries("a/b").await.expect("is read")[..] else { panic!("it stands for all") };
        assert_eq!(newest.hint, "");
        store.finish_deliveries("a/b", newest.id, Timestamp::UNIX_EPOCH).await.expect("is written");
        assert!(store.open_deliveries("a/b").await.expect("is read").is_empty());
    }
}
