//! Webhook deliveries: written before they are answered, done when a look has begun after them.

use jiff::Timestamp;
use sqlx::Row;

use super::{Store, StoreError, from_millis, to_millis};

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
        let done = sqlx::query(
            "INSERT INTO deliveries (forge, delivery, repository, hint, received_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (forge, delivery) DO NOTHING",
        )
        .bind(&new.forge)
        .bind(&new.delivery)
        .bind(&new.repository)
        .bind(&new.hint)
        .bind(to_millis(new.received_at))
        .execute(&self.pool)
        .await?;
        Ok(if done.rows_affected() == 0 { Recorded::Duplicate } else { Recorded::New })
    }

    /// Returns the deliveries about a repository that wait, oldest first.
    pub async fn open_deliveries(&self, repository: &str) -> Result<Vec<Delivery>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, repository, hint, received_at FROM deliveries
             WHERE repository = $1 AND done_at IS NULL ORDER BY id",
        )
        .bind(repository)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| Delivery {
                id: row.get(0),
                repository: row.get(1),
                hint: row.get(2),
                received_at: from_millis(row.get(3)),
            })
            .collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_delivery_counts_once_and_waits_until_it_is_done() {
        let store = Store::in_memory().await.expect("a database in memory");
        let new = NewDelivery {
            forge: "github".into(),
            delivery: "1".into(),
            repository: "a/b".into(),
            hint: "{}".into(),
            received_at: Timestamp::UNIX_EPOCH,
        };
        assert_eq!(store.record_delivery(&new).await.expect("is written"), Recorded::New);
        assert_eq!(store.record_delivery(&new).await.expect("is written"), Recorded::Duplicate);
        let open = store.open_deliveries("a/b").await.expect("is read");
        assert_eq!(open.len(), 1);
        store.finish_deliveries("a/b", open[0].id, Timestamp::UNIX_EPOCH).await.expect("is written");
        assert!(store.open_deliveries("a/b").await.expect("is read").is_empty());
        assert_eq!(store.record_delivery(&new).await.expect("is written"), Recorded::Duplicate);
    }
}
