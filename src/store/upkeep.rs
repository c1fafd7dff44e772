//! What is forgotten, so that a look takes as long after years as on the first day.
//!
//! All of it follows from git and the forge, and is found again where it is asked for: what is still in use is written
//! anew, and is then among the newest.

use super::{Store, StoreError, strategies_of};
use crate::domain::ids::RepositoryId;

/// Of how many dry SHAs of a repository it is known what came of hydrating them. They are forgotten for all strategies
/// together: what is reported on a dry commit sums them up.
const HYDRATED: i64 = 64;

/// How many of the newest proposals and of the newest promotions of each place keep what is known of hydrating them: what
/// waits there for long, and what runs.
const IN_USE: i64 = 5;

/// How many proposals of a place are known.
const PROPOSED: i64 = 2_000;

/// How many records of a place are known.
const RECORDED: i64 = 1_000;

/// How many statuses of ours with one key are known in a repository.
const POSTED: i64 = 1_000;

impl Store {
    /// Forgets what is older than what is asked for.
    pub async fn forget_old(&self) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        for repository in self.repositories().await? {
            forgotten += self.forget_old_hydrations(&repository).await?;
        }
        let newest_of_each = [
            ("proposals", "strategy, environment, lane", PROPOSED),
            ("records", "strategy, environment, lane", RECORDED),
            ("posted_statuses", "repository, key", POSTED),
        ];
        for (table, each, kept) in newest_of_each {
            let old = format!(
                "DELETE FROM {table} WHERE rowid IN (
                    SELECT row FROM (
                        SELECT rowid AS row, row_number() OVER (PARTITION BY {each} ORDER BY rowid DESC) AS position
                        FROM {table}
                    ) WHERE position > $1
                )"
            );
            let done = sqlx::query(sqlx::AssertSqlSafe(old)).bind(kept).execute(&self.pool).await?;
            forgotten += done.rows_affected();
        }
        Ok(forgotten)
    }

    async fn forget_old_hydrations(&self, repository: &RepositoryId) -> Result<u64, StoreError> {
        let (prefix, behind) = strategies_of(repository);
        let done = sqlx::query(
            "WITH
                hydrated AS (SELECT dry, rowid AS row FROM hydrations WHERE strategy > $1 AND strategy < $2),
                in_use AS (
                    SELECT dry, row_number() OVER (PARTITION BY strategy, environment, lane ORDER BY rowid DESC) AS position
                    FROM proposals WHERE strategy > $1 AND strategy < $2
                    UNION ALL
                    SELECT dry, row_number() OVER (PARTITION BY strategy, environment, lane ORDER BY id DESC)
                    FROM promotions WHERE strategy > $1 AND strategy < $2
                )
             DELETE FROM hydrations WHERE strategy > $1 AND strategy < $2
             AND dry NOT IN (SELECT dry FROM hydrated GROUP BY dry ORDER BY max(row) DESC LIMIT $3)
             AND dry NOT IN (SELECT dry FROM in_use WHERE position <= $4)",
        )
        .bind(&prefix)
        .bind(&behind)
        .bind(HYDRATED)
        .bind(IN_USE)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{
            hydration::{EnvironmentHydration, RenderedRoots},
            ids::{DrySha, EnvironmentName, LaneName, Place, ProposedSha, StrategyId, StrategyName, TreeId},
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
        // One of long ago still waits for a person, and one is asked for again in one place.
        let place = Place { environment: prod.clone(), lane: LaneName::single() };
        let (proposed, tree) = (ProposedSha::new("1").expect("an id"), TreeId::new("2").expect("an id"));
        store.save_proposal(&web, &place, &proposed, &tree, &dry(5)).await.expect("is written");
        store.forget_hydration(&shop, &prod, &dry(2)).await.expect("is written");
        save(&shop, &prod, 2).await;
        store.forget_old().await.expect("is written");
        assert_eq!(known(&store, &shop, &prod).await, [dry(2)]);
        let expected: Vec<DrySha> = [2, 5].into_iter().chain(12..=HYDRATED + 10).map(dry).collect();
        assert_eq!(known(&store, &shop, &dev).await, expected);
        assert_eq!(known(&store, &web, &dev).await, expected);
        assert_eq!(known(&store, &other, &dev).await, [dry(1)], "another repository is counted by itself");
        assert_eq!(store.forget_old().await.expect("is written"), 0);
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
        assert_eq!(store.forget_old().await.expect("is written"), 3);
        let known = store.remembered(&shop).await.expect("is read");
        assert_eq!(known.proposals(&dev).trees.values().min(), Some(&dry(4)));
        assert_eq!(known.proposals(&prod).trees.len(), 1);
    }
}
