//! Renderings by what they follow from: the index of the cache whose objects are in the mirrors.
//!
//! A row may outlive its objects; whoever uses one looks for them first.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use sqlx::Row;

use super::{Store, StoreError, from_json, to_json, to_millis};
use crate::domain::ids::{RenderingId, RepositoryId};

/// After how long a use is written down again.
const USE_NOTED: SignedDuration = SignedDuration::from_hours(24);

/// How many renderings are known, of all repositories together.
const MOST: i64 = 200_000;

/// How many bytes the files of all known renderings have together.
const MOST_BYTES: i64 = 8 << 30;

/// A rendering that is in a mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRendering {
    /// The git tree of its files.
    pub id: RenderingId,
    /// The commands that render the same from a checkout.
    pub commands: Vec<String>,
    /// The renderer's name and version.
    pub renderer: String,
    /// The size of its files, bytes.
    pub bytes: u64,
}

impl Store {
    /// Returns the renderings that these keys have in a repository, and notes that they were used.
    pub async fn renderings(
        &self,
        repository: &RepositoryId,
        keys: &[&str],
        now: Timestamp,
    ) -> Result<BTreeMap<String, StoredRendering>, StoreError> {
        if keys.is_empty() {
            return Ok(BTreeMap::new());
        }
        let wanted = to_json(&keys);
        let rows = sqlx::query(
            "SELECT key, tree, commands, renderer, bytes, used_at FROM renderings
             WHERE repository = $1 AND key IN (SELECT value FROM json_each($2))",
        )
        .bind(repository.as_str())
        .bind(&wanted)
        .fetch_all(&self.pool)
        .await?;
        let noted = to_millis(now - USE_NOTED);
        if rows.iter().any(|row| row.get::<i64, _>(5) < noted) {
            sqlx::query(
                "UPDATE renderings SET used_at = $3
                 WHERE repository = $1 AND key IN (SELECT value FROM json_each($2)) AND used_at < $4",
            )
            .bind(repository.as_str())
            .bind(&wanted)
            .bind(to_millis(now))
            .bind(noted)
            .execute(&self.pool)
            .await?;
        }
        let mut found = BTreeMap::new();
        for row in &rows {
            // What cannot be read is rendered again.
            let Ok(id) = RenderingId::new(row.get::<String, _>(1)) else { continue };
            let commands = from_json("list of commands", row.get(2))?;
            let bytes = row.get::<i64, _>(4).cast_unsigned();
            found.insert(row.get(0), StoredRendering { id, commands, renderer: row.get(3), bytes });
        }
        Ok(found)
    }

    /// Writes renderings whose objects are in the mirror of a repository.
    pub async fn save_renderings(
        &self,
        repository: &RepositoryId,
        renderings: &[(&str, &StoredRendering)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        for (key, rendering) in renderings {
            sqlx::query(
                "INSERT INTO renderings (repository, key, tree, commands, renderer, bytes, used_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)
                 ON CONFLICT (repository, key) DO UPDATE SET tree = excluded.tree, commands = excluded.commands,
                 renderer = excluded.renderer, bytes = excluded.bytes, used_at = excluded.used_at",
            )
            .bind(repository.as_str())
            .bind(key)
            .bind(rendering.id.as_str())
            .bind(to_json(&rendering.commands))
            .bind(&rendering.renderer)
            .bind(rendering.bytes.cast_signed())
            .bind(to_millis(now))
            .execute(&mut *transaction)
            .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Returns the trees of all renderings that are known in a repository.
    pub async fn known_renderings(&self, repository: &RepositoryId) -> Result<Vec<RenderingId>, StoreError> {
        let trees: Vec<String> = sqlx::query_scalar("SELECT DISTINCT tree FROM renderings WHERE repository = $1")
            .bind(repository.as_str())
            .fetch_all(&self.pool)
            .await?;
        Ok(trees.into_iter().filter_map(|tree| RenderingId::new(tree).ok()).collect())
    }

    /// Forgets renderings whose objects are gone or damaged.
    pub async fn forget_renderings(&self, repository: &RepositoryId, trees: &[RenderingId]) -> Result<(), StoreError> {
        let trees: Vec<&str> = trees.iter().map(RenderingId::as_str).collect();
        sqlx::query("DELETE FROM renderings WHERE repository = $1 AND tree IN (SELECT value FROM json_each($2))")
            .bind(repository.as_str())
            .bind(to_json(&trees))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Forgets renderings that were last used before a time, and then the oldest ones beyond what is kept.
    pub async fn prune_renderings(&self, before: Timestamp) -> Result<u64, StoreError> {
        let old = sqlx::query("DELETE FROM renderings WHERE used_at < $1")
            .bind(to_millis(before))
            .execute(&self.pool)
            .await?;
        let beyond = sqlx::query(
            "DELETE FROM renderings WHERE (repository, key) IN (
                SELECT repository, key FROM (
                    SELECT repository, key, row_number() OVER newest AS position, sum(bytes) OVER newest AS size
                    FROM renderings WINDOW newest AS (ORDER BY used_at DESC, repository, key)
                ) WHERE position > $1 OR size > $2
            )",
        )
        .bind(MOST)
        .bind(MOST_BYTES)
        .execute(&self.pool)
        .await?;
        Ok(old.rows_affected() + beyond.rows_affected())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn repository() -> RepositoryId {
        RepositoryId::new("acme/shop").expect("a name")
    }

    fn rendering(digit: char, bytes: u64) -> StoredRendering {
        let id = RenderingId::new(digit.to_string().repeat(40)).expect("an id");
        StoredRendering { id, commands: vec!["kustomize build app".into()], renderer: "kustomize v5".into(), bytes }
    }

    fn day(day: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * day)
    }

    async fn keys(store: &Store) -> Vec<String> {
        let found = store.renderings(&repository(), &["a", "b", "c"], Timestamp::UNIX_EPOCH).await.expect("read");
        found.into_keys().collect()
    }

    #[tokio::test]
    async fn renderings_are_found_by_key_in_their_own_repository() {
        let store = Store::in_memory().await.expect("a store");
        let (one, other) = (rendering('1', 10), rendering('2', 10));
        store.save_renderings(&repository(), &[("a", &one), ("b", &one)], day(1)).await.expect("written");
        store.save_renderings(&repository(), &[("a", &other)], day(1)).await.expect("written");
        let found = store.renderings(&repository(), &["a", "c"], day(1)).await.expect("read");
        assert_eq!(found, BTreeMap::from([("a".to_owned(), other)]));
        let elsewhere = RepositoryId::new("acme/other").expect("a name");
        assert!(store.renderings(&elsewhere, &["a"], day(1)).await.expect("read").is_empty());
        let known = async || {
            let known = store.known_renderings(&repository()).await.expect("read");
            known.iter().map(|tree| tree.as_str()[..1].to_owned()).collect::<BTreeSet<_>>()
        };
        assert_eq!(known().await, BTreeSet::from(["1".to_owned(), "2".to_owned()]));
        assert!(store.known_renderings(&elsewhere).await.expect("read").is_empty());
        store.forget_renderings(&repository(), &[one.id]).await.expect("forgotten");
        assert_eq!(known().await, BTreeSet::from(["2".to_owned()]));
    }

    #[tokio::test]
    async fn those_that_nobody_used_for_long_are_forgotten() {
        let store = Store::in_memory().await.expect("a store");
        let one = rendering('1', 10);
        store.save_renderings(&repository(), &[("a", &one), ("b", &one)], day(1)).await.expect("written");
        store.renderings(&repository(), &["b"], day(9)).await.expect("read");
        assert_eq!(store.prune_renderings(day(5)).await.expect("pruned"), 1);
        assert_eq!(keys(&store).await, ["b"]);
    }

    #[tokio::test]
    async fn the_oldest_go_when_all_are_too_large() {
        let store = Store::in_memory().await.expect("a store");
        let half = rendering('1', MOST_BYTES.cast_unsigned() / 2);
        for (key, used) in [("a", 3), ("b", 1), ("c", 2)] {
            store.save_renderings(&repository(), &[(key, &half)], day(used)).await.expect("written");
        }
        assert_eq!(store.prune_renderings(day(0)).await.expect("pruned"), 1);
        assert_eq!(keys(&store).await, ["a", "c"]);
    }
}
