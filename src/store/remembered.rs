//! What is remembered of all places of a strategy, read with one query for each kind: a look needs all of it, and most
//! of what a look costs at rest is asking.

use std::collections::BTreeMap;

use sqlx::{Row, sqlite::SqliteRow};

use super::{
    Notes, Store, StoreError, from_json,
    promotions::{dry, id},
};
use crate::domain::{
    hydration::EnvironmentHydration,
    ids::{DrySha, EnvironmentName, LaneName, Place, ProposedSha, StrategyId, TreeId},
    snapshot::Record,
};

/// What is remembered of all places of a strategy.
#[derive(Debug, Default)]
pub struct Remembered {
    /// The notes.
    pub notes: Notes,
    /// What came of hydrating dry SHAs for each environment.
    pub hydrations: BTreeMap<EnvironmentName, BTreeMap<DrySha, EnvironmentHydration>>,
    proposals: BTreeMap<Place, Proposals>,
    records: BTreeMap<Place, BTreeMap<String, Record>>,
}

/// What was proposed in a place.
#[derive(Debug, Clone, Default)]
pub struct Proposals {
    /// The dry SHA that each proposed tree stands for; the newest proposal wins.
    pub trees: BTreeMap<TreeId, DrySha>,
    /// The dry SHA that each proposed commit stands for.
    pub commits: BTreeMap<ProposedSha, DrySha>,
}

impl Remembered {
    /// Returns what was proposed in a place.
    pub fn proposals(&self, place: &Place) -> Proposals {
        self.proposals.get(place).cloned().unwrap_or_default()
    }

    /// Returns the records of verification of a place by the commit that brought the content.
    pub fn records(&self, place: &Place) -> BTreeMap<String, Record> {
        self.records.get(place).cloned().unwrap_or_default()
    }
}

impl Store {
    /// Returns what is remembered of all places of a strategy.
    pub async fn remembered(&self, strategy: &StrategyId) -> Result<Remembered, StoreError> {
        Ok(Remembered {
            notes: self.notes(strategy).await?,
            hydrations: self.hydrations(strategy).await?,
            proposals: self.proposals(strategy).await?,
            records: self.records(strategy).await?,
        })
    }

    async fn hydrations(
        &self,
        strategy: &StrategyId,
    ) -> Result<BTreeMap<EnvironmentName, BTreeMap<DrySha, EnvironmentHydration>>, StoreError> {
        let mut hydrations: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        let query = "SELECT environment, dry, hydration FROM hydrations WHERE strategy = $1";
        for row in self.rows(query, strategy).await? {
            let Ok(environment) = EnvironmentName::new(row.get::<String, _>(0)) else { continue };
            let of = hydrations.entry(environment).or_default();
            of.insert(dry(&row, 1)?, from_json("hydration", row.get(2))?);
        }
        Ok(hydrations)
    }

    async fn proposals(&self, strategy: &StrategyId) -> Result<BTreeMap<Place, Proposals>, StoreError> {
        let mut proposals: BTreeMap<Place, Proposals> = BTreeMap::new();
        let query = "SELECT environment, lane, proposed, tree, dry FROM proposals WHERE strategy = $1 ORDER BY rowid";
        for row in self.rows(query, strategy).await? {
            let Some(place) = place(&row) else { continue };
            let (of, dry) = (proposals.entry(place).or_default(), dry(&row, 4)?);
            of.commits.insert(id(&row, 2, ProposedSha::new)?, dry.clone());
            of.trees.insert(id(&row, 3, TreeId::new)?, dry);
        }
        Ok(proposals)
    }

    async fn records(&self, strategy: &StrategyId) -> Result<BTreeMap<Place, BTreeMap<String, Record>>, StoreError> {
        let mut records: BTreeMap<Place, BTreeMap<String, Record>> = BTreeMap::new();
        let query = "SELECT environment, lane, brought_by, record FROM records WHERE strategy = $1";
        for row in self.rows(query, strategy).await? {
            let Some(place) = place(&row) else { continue };
            records.entry(place).or_default().insert(row.get(2), from_json("record", row.get(3))?);
        }
        Ok(records)
    }

    async fn rows(&self, query: &'static str, strategy: &StrategyId) -> Result<Vec<SqliteRow>, StoreError> {
        Ok(sqlx::query(query).bind(strategy.to_string()).fetch_all(&self.pool).await?)
    }
}

/// Returns the place that the first two columns name; none where they are no names any more.
fn place(row: &SqliteRow) -> Option<Place> {
    let environment = EnvironmentName::new(row.get::<String, _>(0)).ok()?;
    let lane = LaneName::new(row.get::<String, _>(1)).ok()?;
    Some(Place { environment, lane })
}
