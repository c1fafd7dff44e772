//! What is forgotten, so that a look takes as long after years as on the first day.
//!
//! It is found again where it is asked for: in git, on the forge, or by hydrating once more.

use std::collections::BTreeSet;

use super::{Store, StoreError, strategies_of};
use crate::domain::ids::{DrySha, RepositoryId};

/// Of how many dry SHAs of a repository it is known what came of hydrating them, beside those in use. They are forgotten
/// for all strategies together: what is reported on a dry commit sums them up.
const HYDRATED: i64 = 64;

/// How many proposals of a place are known.
const PROPOSED: i64 = 2_000;

/// How many records of a place are known.
const RECORDED: i64 = 1_000;

/// How many statuses of ours with one key are known in a repository, beside those on dry commits that are known hydrated:
/// what is not known is reported again.
const POSTED: i64 = 1_000;

/// How much is forgotten at once: others wait to write meanwhile.
const AT_ONCE: i64 = 200;

impl Store {
    /// Forgets what is older than what is asked for.
    pub async fn forget_old(&self) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        let newest_of_each = [
            ("proposals", "strategy, environment, lane", "TRUE", PROPOSED),
            ("records", "strategy, environment, lane", "TRUE", RECORDED),
            ("posted_statuses", "repository, key", "sha NOT IN (SELECT dry FROM hydrations)", POSTED),
        ];
        for (table, each, may_go, kept) in newest_of_each {
            let old = format!(
                "DELETE FROM {table} WHERE rowid IN (
                    SELECT row FROM (
                        SELECT rowid AS row, row_number() OVER (PARTITION BY {each} ORDER BY rowid DESC) AS position
                        FROM {table} WHERE {may_go}
                    ) WHERE position > $1 LIMIT $2
                )"
            );
            forgotten +=
                self.in_portions(|| sqlx::query(sqlx::AssertSqlSafe(old.clone())).bind(kept).bind(AT_ONCE)).await?;
        }
        Ok(forgotten)
    }

    /// Forgets what came of hydrating dry SHAs for a repository, but for those in use and for the newest of the others.
    pub async fn forget_hydrations(
        &self,
        repository: &RepositoryId,
        used: &BTreeSet<&DrySha>,
    ) -> Result<u64, StoreError> {
        let (prefix, behind) = strategies_of(repository);
        let used = super::to_json(used);
        self.in_portions(|| {
            sqlx::query(
                "WITH unused AS (
                    SELECT dry, max(rowid) AS row FROM hydrations
                    WHERE strategy > $1 AND strategy < $2 AND dry NOT IN (SELECT value FROM json_each($3))
                    GROUP BY dry ORDER BY row DESC LIMIT -1 OFFSET $4
                 )
                 DELETE FROM hydrations WHERE rowid IN (
                    SELECT rowid FROM hydrations
                    WHERE strategy > $1 AND strategy < $2 AND dry IN (SELECT dry FROM unused) LIMIT $5
                 )",
            )
            .bind(prefix.clone())
            .bind(behind.clone())
            .bind(used.clone())
            .bind(HYDRATED)
            .bind(AT_ONCE)
        })
        .await
    }

    /// Deletes by a statement that takes so many at once, until there are no more; returns how many there were.
    async fn in_portions<'q>(
        &self,
        statement: impl Fn() -> sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>,
    ) -> Result<u64, StoreError> {
        let mut deleted = 0;
        loop {
            let done = statement().execute(&self.pool).await?.rows_affected();
            deleted += done;
            if done < AT_ONCE.unsigned_abs() {
                return Ok(deleted);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{
            hydration::{EnvironmentHydration, RenderedRoots},
            ids::{EnvironmentName, LaneName, Place, ProposedSha, StatusKey, StrategyId, StrategyName, TreeId},
            snapshot::PostedStatus,
            status::StatusState,
        },
        store::{Document, HydratedRoots},
    };

    fn strategy(repository: &str, name: &str) -> StrategyId {
        let repository = RepositoryId::new(repository).expect("a name");
        StrategyId { repository, name: StrategyName::new(name).expect("a name") }
    }

    fn dry(number: i64) -> DrySha {
        DrySha::new(format!("{number:040x}")).expect("hexadecimal digits")
    }

    async fn known(store: &Store, strategy: &StrategyId, environment: &EnvironmentName) -> Vec<DrySha> {
        let mut remembered = store.remembered(strategy).await.expect("is read");
        remembered.hydrations.remove(environment).unwrap_or_default().into_keys().collect()
    }

    #[tokio::test]
    async fn of_hydrations_the_newest_of_a_repository_stay_in_all_environments() {
        let store = Store::in_memory().await.expect("a database in memory");
        let (shop, web, other) = (strategy("acme/shop", "shop"), strategy("acme/shop", "web"), strategy("acme/s", "s"));
        let [dev, prod] = ["dev", "prod"].map(|name| EnvironmentName::new(name).expect("a name"));
        for strategy in [&shop, &other] {
            let (path, text) = ("hydromote.yaml".to_owned(), String::new());
            let document = Document { strategy: strategy.clone(), dry: dry(0), path, text, mistake: None };
            store.save_document(&document).await.expect("is written");
        }
        let hydration = EnvironmentHydration::Done(RenderedRoots::default());
        let save = async |strategy: &StrategyId, environment: &EnvironmentName, number| {
            let (dry, roots) = (dry(number), HydratedRoots::new());
            store.save_hydration(strategy, environment, &dry, &hydration, &roots).await.expect("is written");
        };
        save(&other, &dev, 1).await;
        for number in 1..=HYDRATED + 10 {
            save(&shop, &dev, number).await;
            save(&web, &dev, number).await;
        }
        // One of long ago is still in use, and one is asked for again in one place.
        store.forget_hydration(&shop, &prod, &dry(2)).await.expect("is written");
        save(&shop, &prod, 2).await;
        let in_use = dry(5);
        let forget = async || {
            let used = BTreeSet::from([&in_use]);
            store.forget_hydrations(&shop.repository, &used).await.expect("is written")
        };
        forget().await;
        assert_eq!(known(&store, &shop, &prod).await, [dry(2)]);
        // Among the newest of the others is the one that was asked for again.
        let expected: Vec<DrySha> = [2, 5].into_iter().chain(12..=HYDRATED + 10).map(dry).collect();
        assert_eq!(known(&store, &shop, &dev).await, expected);
        assert_eq!(known(&store, &web, &dev).await, expected);
        assert_eq!(known(&store, &other, &dev).await, [dry(1)], "another repository is counted by itself");
        assert_eq!(forget().await, 0);
    }

    #[tokio::test]
    async fn statuses_on_what_is_known_hydrated_stay_and_of_the_others_the_newest() {
        let store = Store::in_memory().await.expect("a database in memory");
        let shop = strategy("acme/shop", "shop");
        let dev = EnvironmentName::new("dev").expect("a name");
        let hydration = EnvironmentHydration::Done(RenderedRoots::default());
        store.save_hydration(&shop, &dev, &dry(1), &hydration, &HydratedRoots::new()).await.expect("is written");
        let key = StatusKey::new("hydromote/hydrate").expect("a key");
        let status = PostedStatus { state: StatusState::Success, description: String::new() };
        for number in 1..=POSTED + 3 {
            let sha = dry(number);
            store.save_posted_status(&shop.repository, sha.as_str(), &key, &status).await.expect("is written");
        }
        assert_eq!(store.forget_old().await.expect("is written"), 2);
        let known = store.posted_statuses(&shop.repository, &key).await.expect("is read");
        assert!(known.contains_key(dry(1).as_str()) && !known.contains_key(dry(3).as_str()));
    }

    #[tokio::test]
    async fn of_proposals_the_newest_of_each_place_stay() {
        let store = Store::in_memory().await.expect("a database in memory");
        let shop = strategy("acme/shop", "shop");
        let [dev, prod] = ["dev", "prod"].map(|name| {
            let environment = EnvironmentName::new(name).expect("a name");
            Place { environment, lane: LaneName::single() }
        });
        let save = async |place: &Place, number: i64| {
            let id = format!("{number:040x}");
            let (proposed, tree) = (ProposedSha::new(id.clone()).expect("an id"), TreeId::new(id).expect("an id"));
            store.save_proposal(&shop, place, &proposed, &tree, &dry(number)).await.expect("is written");
        };
        save(&prod, 1).await;
        for number in 1..=PROPOSED + 3 {
            save(&dev, number).await;
        }
        // What is proposed once more is the newest.
        save(&dev, 2).await;
        assert_eq!(store.forget_old().await.expect("is written"), 3);
        let known = store.remembered(&shop).await.expect("is read");
        let kept: BTreeSet<DrySha> = known.proposals(&dev).trees.into_values().collect();
        assert_eq!(kept.into_iter().take(2).collect::<Vec<_>>(), [dry(2), dry(5)]);
        assert_eq!(known.proposals(&prod).trees.len(), 1);
    }
}
