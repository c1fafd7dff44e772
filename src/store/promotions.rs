//! Hydrations, proposals and records: copies that save rendering and reading again.

use std::collections::BTreeMap;

use sqlx::{Row, sqlite::SqliteRow};

use super::{Store, StoreError, from_json, strategies_of, to_json};
use crate::domain::{
    hydration::{EnvironmentHydration, RootInfo},
    ids::{DrySha, EnvironmentName, Place, ProposedSha, RepositoryId, RootName, StrategyId, StrategyName, TreeId},
    snapshot::Record,
};

/// Who rendered the roots of a hydration, and how.
pub type HydratedRoots = BTreeMap<RootName, RootInfo>;

impl Store {
    /// Returns what did not go smoothly when the strategies of a repository were hydrated.
    pub async fn hydration_troubles(
        &self,
        repository: &RepositoryId,
    ) -> Result<BTreeMap<DrySha, Vec<(StrategyName, EnvironmentName, EnvironmentHydration)>>, StoreError> {
        let (prefix, behind) = strategies_of(repository);
        let rows = sqlx::query(
            "SELECT dry, hydration, strategy, environment FROM hydrations
             WHERE strategy > $1 AND strategy < $2
             AND (hydration ->> 'outcome' = 'failed' OR hydration ->> 'failed' <> '{}' OR hydration ->> 'kept' <> '{}')",
        )
        .bind(&prefix)
        .bind(&behind)
        .fetch_all(&self.pool)
        .await?;
        let mut troubles: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for row in &rows {
            let name = StrategyName::new(row.get::<String, _>(2).trim_start_matches(&prefix));
            let environment = EnvironmentName::new(row.get::<String, _>(3));
            let (Ok(name), Ok(environment)) = (name, environment) else { continue };
            let hydration = from_json("hydration", row.get(1))?;
            troubles.entry(dry(row, 0)?).or_default().push((name, environment, hydration));
        }
        Ok(troubles)
    }

    /// Returns who rendered the roots of one hydration.
    pub async fn hydrated_roots(
        &self,
        strategy: &StrategyId,
        environment: &EnvironmentName,
        dry: &DrySha,
    ) -> Result<HydratedRoots, StoreError> {
        let text: Option<String> =
            sqlx::query_scalar("SELECT roots FROM hydrations WHERE strategy = $1 AND environment = $2 AND dry = $3")
                .bind(strategy.to_string())
                .bind(environment.as_str())
                .bind(dry.as_str())
                .fetch_optional(&self.pool)
                .await?;
        text.map_or_else(|| Ok(HydratedRoots::default()), |text| from_json("list of roots", &text))
    }

    /// Writes what came of hydrating a dry SHA.
    pub async fn save_hydration(
        &self,
        strategy: &StrategyId,
        environment: &EnvironmentName,
        dry: &DrySha,
        hydration: &EnvironmentHydration,
        roots: &HydratedRoots,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO hydrations (strategy, environment, dry, hydration, roots) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (strategy, environment, dry)
             DO UPDATE SET hydration = excluded.hydration, roots = excluded.roots",
        )
        .bind(strategy.to_string())
        .bind(environment.as_str())
        .bind(dry.as_str())
        .bind(to_json(hydration))
        .bind(to_json(roots))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Forgets a hydration whose objects are gone.
    pub async fn forget_hydration(
        &self,
        strategy: &StrategyId,
        environment: &EnvironmentName,
        dry: &DrySha,
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM hydrations WHERE strategy = $1 AND environment = $2 AND dry = $3")
            .bind(strategy.to_string())
            .bind(environment.as_str())
            .bind(dry.as_str())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Forgets failed hydrations, so that they are tried again.
    pub async fn forget_failed_hydrations(&self, strategy: &StrategyId) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "DELETE FROM hydrations WHERE strategy = $1
             AND (hydration ->> 'outcome' = 'failed' OR hydration ->> 'failed' <> '{}')",
        )
        .bind(strategy.to_string())
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected())
    }

    /// Writes that a commit of ours proposes a dry SHA with this tree. It is the newest proposal by that, also when the
    /// same was proposed before.
    pub async fn save_proposal(
        &self,
        strategy: &StrategyId,
        place: &Place,
        proposed: &ProposedSha,
        tree: &TreeId,
        dry: &DrySha,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT OR REPLACE INTO proposals (strategy, environment, lane, proposed, tree, dry)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(strategy.to_string())
        .bind(place.environment.as_str())
        .bind(place.lane.as_str())
        .bind(proposed.as_str())
        .bind(tree.as_str())
        .bind(dry.as_str())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Returns the proposed commits of a place with the dry SHAs that they stand for.
    pub async fn proposed_commits(
        &self,
        strategy: &StrategyId,
        place: &Place,
    ) -> Result<BTreeMap<ProposedSha, DrySha>, StoreError> {
        let rows =
            sqlx::query("SELECT proposed, dry FROM proposals WHERE strategy = $1 AND environment = $2 AND lane = $3")
                .bind(strategy.to_string())
                .bind(place.environment.as_str())
                .bind(place.lane.as_str())
                .fetch_all(&self.pool)
                .await?;
        rows.iter().map(|row| Ok((id(row, 0, ProposedSha::new)?, dry(row, 1)?))).collect()
    }

    /// Writes a record of verification.
    pub async fn save_record(
        &self,
        strategy: &StrategyId,
        place: &Place,
        brought_by: &str,
        record: &Record,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO records (strategy, environment, lane, brought_by, record) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (strategy, environment, lane, brought_by) DO UPDATE SET record = excluded.record",
        )
        .bind(strategy.to_string())
        .bind(place.environment.as_str())
        .bind(place.lane.as_str())
        .bind(brought_by)
        .bind(to_json(record))
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

pub(super) fn dry(row: &SqliteRow, column: usize) -> Result<DrySha, StoreError> {
    id(row, column, DrySha::new)
}

pub(super) fn id<T, E: std::fmt::Display>(
    row: &SqliteRow,
    column: usize,
    make: fn(String) -> Result<T, E>,
) -> Result<T, StoreError> {
    let invalid = |e: E| StoreError::Document { kind: "commit id", source: serde::de::Error::custom(e) };
    make(row.get::<String, _>(column)).map_err(invalid)
}
