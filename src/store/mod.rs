//! What must survive a restart, in one SQLite file.
//!
//! The store decides nothing. What it holds about promotions is a copy of what is on the forge and
//! in git, except webhook deliveries, which are written before they are answered.

mod comments;
mod deliveries;
mod history;
mod memory;
mod previews;
mod promotions;
mod remembered;
mod renderings;
mod rollbacks;
mod upkeep;

use std::{path::Path, str::FromStr, sync::Arc, time::Duration};

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use tokio::sync::mpsc;

use crate::domain::ids::RepositoryId;

pub use comments::{CommandedComment, Progress, StatusComment};
pub use deliveries::{Delivery, NewDelivery, Recorded};
pub use history::{Event, MergeRecord, Promotion};
pub use memory::{Document, Notes, PlaceNote, StrategyNote};
pub use previews::PreviewNote;
pub use promotions::HydratedRoots;
pub use remembered::{Proposals, Remembered};
pub use renderings::StoredRendering;
pub use rollbacks::RolledBack;

/// The version of the schema, in SQLite's `user_version`.
const SCHEMA_VERSION: i64 = 8;

/// What brings the schema from each version to the next.
const STEPS: [&str; 8] = [
    include_str!("schema.sql"),
    include_str!("comments.sql"),
    include_str!("rollbacks.sql"),
    include_str!("merges.sql"),
    include_str!("lanes.sql"),
    include_str!("previews.sql"),
    include_str!("renderings.sql"),
    include_str!("heard.sql"),
];

/// How long a writer waits for another.
const BUSY_LIMIT: Duration = Duration::from_secs(10);

/// The store. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Store {
    pool: SqlitePool,
    /// To the task that writes deliveries.
    deliveries: mpsc::Sender<deliveries::ToWrite>,
}

/// Why the store did not answer; every one of these is for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database could not be read or written.
    #[error("could not use the database")]
    Database(#[from] sqlx::Error),
    /// Deliveries could not be written, which are with one commit.
    #[error("could not use the database")]
    Deliveries(#[source] Arc<sqlx::Error>),
    /// A document in the database is not what it should be.
    #[error("could not read a {kind} from the database")]
    Document {
        /// What it should be.
        kind: &'static str,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The database was written by another version.
    #[error("the database has schema version {found}, and this program knows {SCHEMA_VERSION}")]
    Version {
        /// The version found.
        found: i64,
    },
}

impl Store {
    /// Opens the database file, made when it is not there, for nobody else to read.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        // SQLite gives its other files the mode of this one.
        tokio::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
            .await
            .map_err(sqlx::Error::Io)?;
        Self::connect(SqliteConnectOptions::new().filename(path), 4).await
    }

    /// Opens a database that lives as long as the value.
    pub async fn in_memory() -> Result<Self, StoreError> {
        Self::connect(SqliteConnectOptions::from_str("sqlite::memory:")?, 1).await
    }

    async fn connect(options: SqliteConnectOptions, connections: u32) -> Result<Self, StoreError> {
        let options = options
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_LIMIT)
            .foreign_keys(true);
        // No `min_connections`: the pool would open a second connection beside the first one, and of
        // two that turn a new file to write-ahead logging at once, one is refused without a wait
        // (https://www.sqlite.org/wal.html, "Activating and configuring WAL mode").
        let pool = SqlitePoolOptions::new()
            .max_connections(connections)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await?;
        let deliveries = deliveries::start_writer(pool.clone());
        let store = Self { pool, deliveries };
        store.prepare().await?;
        Ok(store)
    }

    async fn prepare(&self) -> Result<(), StoreError> {
        let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&self.pool).await?;
        let steps =
            usize::try_from(found).ok().and_then(|done| STEPS.get(done..)).ok_or(StoreError::Version { found })?;
        for (step, version) in steps.iter().zip(found + 1..) {
            let mut transaction = self.pool.begin().await?;
            sqlx::raw_sql(*step).execute(&mut *transaction).await?;
            sqlx::raw_sql(sqlx::AssertSqlSafe(format!("PRAGMA user_version = {version}")))
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
        }
        Ok(())
    }

    /// Says whether the database answers.
    pub async fn is_ready(&self) -> bool {
        sqlx::query_scalar::<_, i64>("SELECT 1").fetch_one(&self.pool).await.is_ok()
    }

    /// Closes the database after what is under way.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Returns between what the strategies of a repository stand, in the order of their names: what begins them all, and
/// what comes behind the last one. An index finds them so, where comparing their beginnings reads every row.
fn strategies_of(repository: &RepositoryId) -> (String, String) {
    (format!("{repository}/"), format!("{repository}0"))
}

fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("because stored documents have text keys only")
}

fn from_json<T: serde::de::DeserializeOwned>(kind: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|source| StoreError::Document { kind, source })
}

fn to_millis(time: Timestamp) -> i64 {
    time.as_millisecond()
}

fn from_millis(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{Place, StrategyId, StrategyName};

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_new_database_is_opened_by_one_connection_first() {
        let folder = tempfile::tempdir().expect("a folder");
        for number in 0..50 {
            let store =
                Store::open(&folder.path().join(format!("{number}.db"))).await.expect("because the file is new");
            store.close().await;
        }
    }

    #[tokio::test]
    async fn a_database_of_the_version_before_is_brought_up_to_date() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("hydromote.db");
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let old = SqlitePool::connect_with(options).await.expect("a database");
        sqlx::raw_sql(STEPS[0]).execute(&old).await.expect("is written");
        sqlx::raw_sql("PRAGMA user_version = 1").execute(&old).await.expect("is written");
        old.close().await;
        let store = Store::open(&path).await.expect("because the version is known");
        let repository = RepositoryId::new("acme/shop").expect("an owner and a name");
        assert_eq!(store.comments_read_to(&repository).await.expect("is read"), None);
        sqlx::raw_sql("PRAGMA user_version = 99").execute(&store.pool).await.expect("is written");
        store.close().await;
        assert!(matches!(Store::open(&path).await, Err(StoreError::Version { found: 99 })));
    }

    #[tokio::test]
    async fn what_was_written_before_merges_had_records_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("hydromote.db");
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let old = SqlitePool::connect_with(options).await.expect("a database");
        for step in &STEPS[..3] {
            sqlx::raw_sql(*step).execute(&old).await.expect("is written");
        }
        sqlx::raw_sql(
            r#"PRAGMA user_version = 3;
            INSERT INTO promotions (strategy, environment, lane, dry, brought_by, tree, pull_request, merged_by, at)
            VALUES ('acme/shop/shop', 'dev', 'default', 'dry-1', 'active-1', 'tree-1', 7, 'ada', 1000);
            INSERT INTO rollbacks (strategy, environment, lane, brought_by, rollback)
            VALUES ('acme/shop/shop', 'dev', 'default', 'active-2',
                '{"environment":"dev","lane":"default","fromTree":"tree-1","toTree":"tree-0","from":"dry-1",
                "to":"dry-0","activeSha":"active-2","pullRequest":8,"trigger":"person","by":"ada","reason":"slow",
                "at":"1970-01-01T00:00:02Z"}');"#,
        )
        .execute(&old)
        .await
        .expect("is written");
        old.close().await;

        let store = Store::open(&path).await.expect("because the version is known");
        let repository = RepositoryId::new("acme/shop").expect("an owner and a name");
        let strategy = StrategyId { repository, name: StrategyName::new("shop").expect("a name") };
        let [promotion] = store.promotions(&strategy).await.expect("is read").try_into().expect("there is one");
        assert_eq!(promotion.merge, MergeRecord { merged_by: Some("ada".into()), ..MergeRecord::default() });
        let [rollback] = store.rollbacks(&strategy).await.expect("is read").try_into().expect("there is one");
        assert_eq!((rollback.by.as_str(), rollback.reason.as_str(), rollback.asked_at), ("ada", "slow", None));
        assert_eq!((rollback.rule, rollback.merge), (None, MergeRecord::default()));
        let place = Place { environment: promotion.environment, lane: promotion.lane };
        for active in [promotion.active_sha, rollback.active_sha] {
            assert!(store.knows_run(&strategy, &place, &active).await.expect("is read"), "{active} is asked for again");
        }
    }

    #[tokio::test]
    async fn whoever_was_told_of_before_that_was_remembered_is_heard() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("hydromote.db");
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let old = SqlitePool::connect_with(options).await.expect("a database");
        for step in &STEPS[..7] {
            sqlx::raw_sql(*step).execute(&old).await.expect("is written");
        }
        sqlx::raw_sql(
            r#"PRAGMA user_version = 7;
            INSERT INTO deliveries (forge, delivery, repository, hint, received_at) VALUES
            ('hub', '1', 'acme/shop', '{"branch":{"branch":"main","after":null}}', 0),
            ('hub', '2', 'acme/shop', '{"branch":{"branch":"env/dev","after":null}}', 0),
            ('hub', '3', 'acme/reports', '{"commit":{"sha":"1","key":null}}', 0),
            ('hub', '4', 'acme/commands', '"everything"', 0),
            ('hub', '5', 'acme/none', '', 0);"#,
        )
        .execute(&old)
        .await
        .expect("is written");
        old.close().await;

        let store = Store::open(&path).await.expect("because the version is known");
        for (name, expected) in [("shop", true), ("reports", false), ("commands", false), ("none", false)] {
            let repository = RepositoryId::new(format!("acme/{name}")).expect("an owner and a name");
            assert_eq!(store.is_heard(&repository).await.expect("is read"), expected, "{name}");
        }
    }

    #[tokio::test]
    async fn a_new_database_is_for_nobody_else_to_read() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let _store = Store::open(&folder.path().join("hydromote.db")).await.expect("because the file is new");
        for file in ["hydromote.db", "hydromote.db-wal"] {
            let mode = std::fs::metadata(folder.path().join(file)).expect("a file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    }
}
