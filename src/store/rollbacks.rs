//! Rollbacks as they stand on the active branches.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{MergeRecord, Store, StoreError, from_json, to_json};
use crate::domain::{
    hold::HoldRule,
    ids::{ActiveSha, DrySha, EnvironmentName, LaneName, PullRequestNumber, StrategyId, TreeId},
    rollback::Trigger,
};

/// A rollback that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolledBack {
    /// The environment.
    pub environment: EnvironmentName,
    /// The lane.
    pub lane: LaneName,
    /// The tree that it left.
    pub from_tree: TreeId,
    /// The tree that the branch holds since.
    pub to_tree: TreeId,
    /// The dry SHA that it left.
    pub from: DrySha,
    /// The dry SHA that it went back to.
    pub to: DrySha,
    /// The commit that restored the content.
    pub active_sha: ActiveSha,
    /// Its pull request.
    pub pull_request: Option<PullRequestNumber>,
    /// Why it started.
    pub trigger: Trigger,
    /// Who asked.
    pub by: String,
    /// Why, in words.
    pub reason: String,
    /// What it held the place with.
    #[serde(default)]
    pub rule: Option<HoldRule>,
    /// When it was asked for.
    #[serde(default)]
    pub asked_at: Option<Timestamp>,
    /// How it was merged.
    #[serde(default)]
    pub merge: MergeRecord,
    /// When.
    pub at: Timestamp,
}

impl Store {
    /// Writes a rollback that was done; says whether it was new.
    pub async fn save_rollback(&self, strategy: &StrategyId, rollback: &RolledBack) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "INSERT INTO rollbacks (strategy, environment, lane, brought_by, rollback) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (strategy, environment, lane, brought_by) DO NOTHING",
        )
        .bind(strategy.to_string())
        .bind(rollback.environment.as_str())
        .bind(rollback.lane.as_str())
        .bind(rollback.active_sha.as_str())
        .bind(to_json(rollback))
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Returns the rollbacks of a strategy in the order in which they happened, which is not the one in which they
    /// were found when the database was lost.
    pub async fn rollbacks(&self, strategy: &StrategyId) -> Result<Vec<RolledBack>, StoreError> {
        let rows: Vec<String> = sqlx::query_scalar("SELECT rollback FROM rollbacks WHERE strategy = $1 ORDER BY id")
            .bind(strategy.to_string())
            .fetch_all(&self.pool)
            .await?;
        let found: Result<Vec<RolledBack>, _> = rows.iter().map(|text| from_json("rollback", text)).collect();
        let mut found = found?;
        found.sort_by_key(|rollback| (rollback.at, rollback.merge.decided_at()));
        Ok(found)
    }
}
