//! What happened: promotions as they stand on the branches, events for people, and open intents.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::{Row, sqlite::SqliteRow};

use super::{Store, StoreError, from_json, from_millis, to_json, to_millis};
use crate::domain::{
    decision::Decision,
    ids::{ActiveSha, DrySha, EnvironmentName, LaneName, Place, ProposedSha, PullRequestNumber, StrategyId, TreeId},
};

/// A promotion as it stands on an active branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Promotion {
    /// The environment.
    pub environment: EnvironmentName,
    /// The lane.
    pub lane: LaneName,
    /// The dry SHA.
    pub dry_sha: DrySha,
    /// The commit that brought the content.
    pub active_sha: ActiveSha,
    /// Its tree.
    pub tree: TreeId,
    /// The pull request.
    pub pull_request: Option<PullRequestNumber>,
    /// How it was merged.
    pub merge: MergeRecord,
    /// When.
    pub at: Timestamp,
}

/// How content came onto an active branch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MergeRecord {
    /// The head that was merged.
    pub proposed_sha: Option<ProposedSha>,
    /// Who merged it, where the forge says so.
    pub merged_by: Option<String>,
    /// Whether it was a person, and not the service.
    pub by_hand: bool,
    /// What our own status still waited for when a person merged it.
    pub overrode: Option<String>,
    /// On what the service decided.
    pub decision: Option<Decision>,
}

/// Something that happened, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Where, when it was about one place.
    pub environment: Option<EnvironmentName>,
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub who: String,
    /// What was done.
    pub what: String,
}

impl MergeRecord {
    /// Returns when the service decided it.
    pub fn decided_at(&self) -> Option<Timestamp> {
        self.decision.as_ref().map(|decision| decision.decided_at)
    }
}

impl Store {
    /// Writes a promotion that was seen on a branch; says whether it was new.
    pub async fn save_promotion(&self, strategy: &StrategyId, promotion: &Promotion) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "INSERT INTO promotions
                 (strategy, environment, lane, dry, brought_by, tree, pull_request, merged_by, at, merge_record)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (strategy, environment, lane, brought_by) DO NOTHING",
        )
        .bind(strategy.to_string())
        .bind(promotion.environment.as_str())
        .bind(promotion.lane.as_str())
        .bind(promotion.dry_sha.as_str())
        .bind(promotion.active_sha.as_str())
        .bind(promotion.tree.as_str())
        .bind(promotion.pull_request.map(|number| number.0.cast_signed()))
        .bind(&promotion.merge.merged_by)
        .bind(to_millis(promotion.at))
        .bind(to_json(&promotion.merge))
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Returns the promotions of a strategy in the order in which they happened, which is not the one in which they
    /// were found when the database was lost.
    pub async fn promotions(&self, strategy: &StrategyId) -> Result<Vec<Promotion>, StoreError> {
        let rows = sqlx::query(
            "SELECT environment, lane, dry, brought_by, tree, pull_request, merged_by, at, merge_record
             FROM promotions WHERE strategy = $1 ORDER BY at, id",
        )
        .bind(strategy.to_string())
        .fetch_all(&self.pool)
        .await?;
        let mut promotions: Vec<Promotion> = rows.iter().filter_map(promotion).collect();
        // A forge's times are whole seconds; within one, the order is that of the decisions.
        promotions.sort_by_key(|promotion| (promotion.at, promotion.merge.decided_at()));
        Ok(promotions)
    }

    /// Says whether the promotion or rollback that this commit brought is written down.
    pub async fn knows_run(
        &self,
        strategy: &StrategyId,
        place: &Place,
        brought_by: &ActiveSha,
    ) -> Result<bool, StoreError> {
        let found: Option<i64> = sqlx::query_scalar(
            "SELECT 1 FROM promotions WHERE strategy = $1 AND environment = $2 AND lane = $3 AND brought_by = $4
             UNION ALL
             SELECT 1 FROM rollbacks WHERE strategy = $1 AND environment = $2 AND lane = $3 AND brought_by = $4",
        )
        .bind(strategy.to_string())
        .bind(place.environment.as_str())
        .bind(place.lane.as_str())
        .bind(brought_by.as_str())
        .fetch_optional(&self.pool)
        .await?;
        Ok(found.is_some())
    }

    /// Writes down something that happened.
    pub async fn save_event(
        &self,
        strategy: &StrategyId,
        place: Option<&Place>,
        at: Timestamp,
        who: &str,
        what: &str,
    ) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO events (strategy, environment, lane, at, who, what) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(strategy.to_string())
            .bind(place.map(|place| place.environment.as_str()))
            .bind(place.map(|place| place.lane.as_str()))
            .bind(to_millis(at))
            .bind(who)
            .bind(what)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Returns what happened, newest first.
    pub async fn events(&self, strategy: &StrategyId, at_most: u32) -> Result<Vec<Event>, StoreError> {
        let rows = sqlx::query(
            "SELECT environment, at, who, what FROM events WHERE strategy = $1 ORDER BY at DESC, id DESC LIMIT $2",
        )
        .bind(strategy.to_string())
        .bind(at_most)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .iter()
            .map(|row| Event {
                environment: row.get::<Option<String>, _>(0).and_then(|name| EnvironmentName::new(name).ok()),
                at: from_millis(row.get(1)),
                who: row.get(2),
                what: row.get(3),
            })
            .collect())
    }

    /// Writes, before an outside act, that it is about to be done.
    pub async fn begin_intent(&self, strategy: &StrategyId, act: &str, now: Timestamp) -> Result<i64, StoreError> {
        let done = sqlx::query("INSERT INTO intents (strategy, act, begun_at) VALUES ($1, $2, $3)")
            .bind(strategy.to_string())
            .bind(act)
            .bind(to_millis(now))
            .execute(&self.pool)
            .await?;
        Ok(done.last_insert_rowid())
    }

    /// Writes that the outcome of an act is known.
    pub async fn end_intent(&self, intent: i64) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM intents WHERE id = $1").bind(intent).execute(&self.pool).await?;
        Ok(())
    }

    /// Returns the acts whose outcome is not known, and forgets them: the caller reads the forge anew.
    pub async fn take_open_intents(&self, strategy: &StrategyId) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar("DELETE FROM intents WHERE strategy = $1 RETURNING act")
            .bind(strategy.to_string())
            .fetch_all(&self.pool)
            .await?)
    }
}

fn promotion(row: &SqliteRow) -> Option<Promotion> {
    Some(Promotion {
        environment: EnvironmentName::new(row.get::<String, _>(0)).ok()?,
        lane: LaneName::new(row.get::<String, _>(1)).ok()?,
        dry_sha: DrySha::new(row.get::<String, _>(2)).ok()?,
        active_sha: ActiveSha::new(row.get::<String, _>(3)).ok()?,
        tree: TreeId::new(row.get::<String, _>(4)).ok()?,
        pull_request: row.get::<Option<i64>, _>(5).map(|number| PullRequestNumber(number.cast_unsigned())),
        merge: match row.get::<Option<String>, _>(8) {
            Some(text) => from_json("record of a merge", &text).ok()?,
            None => MergeRecord { merged_by: row.get(6), ..MergeRecord::default() },
        },
        at: from_millis(row.get(7)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{RepositoryId, StrategyName};

    #[tokio::test]
    async fn what_is_found_late_stands_where_it_happened() {
        let store = Store::in_memory().await.expect("a database");
        let repository = RepositoryId::new("acme/shop").expect("a repository");
        let strategy = StrategyId { repository, name: StrategyName::new("shop").expect("a name") };
        for (environment, second) in [("staging", 2), ("prod", 3), ("dev", 1)] {
            let at = Timestamp::from_second(second).expect("a time");
            let promotion = Promotion {
                environment: EnvironmentName::new(environment).expect("a name"),
                lane: LaneName::single(),
                dry_sha: DrySha::new("dry-1").expect("a SHA"),
                active_sha: ActiveSha::new(format!("{environment}-1")).expect("a SHA"),
                tree: TreeId::new("tree-1").expect("a tree"),
                pull_request: None,
                merge: MergeRecord::default(),
                at,
            };
            store.save_promotion(&strategy, &promotion).await.expect("saved");
            store.save_event(&strategy, None, at, "hydromote", environment).await.expect("saved");
        }
        let promotions = store.promotions(&strategy).await.expect("read");
        let order: Vec<_> = promotions.iter().map(|promotion| promotion.environment.as_str()).collect();
        assert_eq!(order, ["dev", "staging", "prod"]);
        let events = store.events(&strategy, 2).await.expect("read");
        assert_eq!(events.iter().map(|event| event.what.as_str()).collect::<Vec<_>>(), ["prod", "staging"]);
    }
}
