//! Small things that are remembered between looks.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Row, SqliteExecutor};

use super::{Store, StoreError, from_json, from_millis, strategies_of, to_json, to_millis};
use crate::domain::{
    gate::GateId,
    ids::{
        DrySha, EnvironmentName, LaneName, Place, ProposedSha, PullRequestNumber, RepositoryId, StatusKey, StrategyId,
    },
    snapshot::{Obstacle, PostedStatus, PromoteRequest, ProposedAt, Refusal},
    windows::WindowOverride,
};

/// A note about one place, of which there is at most one of a kind.
pub trait PlaceNote: Serialize + DeserializeOwned {
    /// The kind's name in the database.
    const KIND: &'static str;
}

/// A note about a strategy, of which there is at most one of a kind.
pub trait StrategyNote: Serialize + DeserializeOwned {
    /// The kind's name in the database.
    const KIND: &'static str;
}

/// The notes about all places of a strategy, as they were at one moment.
#[derive(Debug, Default)]
pub struct Notes(BTreeMap<(String, String, String), String>);

/// What a note is about: an environment and a lane.
type About<'a> = (&'a str, &'a str);

/// What a note is about that is about the strategy as a whole.
const NO_PLACE: About<'static> = ("", "");

impl PlaceNote for PromoteRequest {
    const KIND: &'static str = "promote";
}

impl PlaceNote for WindowOverride {
    const KIND: &'static str = "window-override";
}

impl PlaceNote for Refusal {
    const KIND: &'static str = "refusal";
}

impl PlaceNote for ProposedAt {
    const KIND: &'static str = "proposed_at";
}

impl PlaceNote for Obstacle {
    const KIND: &'static str = "obstacle";
}

/// The last strategy document without mistakes, and what is wrong with a newer one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The strategy.
    pub strategy: StrategyId,
    /// The dry SHA that the good document was read from.
    pub dry: DrySha,
    /// The file.
    pub path: String,
    /// Its text.
    pub text: String,
    /// The mistake of the newest document, when that is not the good one.
    pub mistake: Option<String>,
}

impl Store {
    /// Returns the note of a kind about a place.
    pub async fn note<N: PlaceNote>(&self, strategy: &StrategyId, place: &Place) -> Result<Option<N>, StoreError> {
        let text = read_note(&self.pool, strategy, of_place(place), N::KIND).await?;
        text.map(|text| from_json(N::KIND, &text)).transpose()
    }

    /// Returns the notes about all places of a strategy.
    pub async fn notes(&self, strategy: &StrategyId) -> Result<Notes, StoreError> {
        let rows = sqlx::query_as("SELECT environment, lane, kind, note FROM place_notes WHERE strategy = $1")
            .bind(strategy.to_string())
            .fetch_all(&self.pool)
            .await?;
        let row = |(environment, lane, kind, note): (String, String, String, String)| ((environment, lane, kind), note);
        Ok(Notes(rows.into_iter().map(row).collect()))
    }

    /// Writes the note of a kind about a place.
    pub async fn save_note<N: PlaceNote>(
        &self,
        strategy: &StrategyId,
        place: &Place,
        note: &N,
    ) -> Result<(), StoreError> {
        Ok(write_note(&self.pool, strategy, of_place(place), N::KIND, &to_json(note)).await?)
    }

    /// Changes the note of a kind about a place, made when there is none, in one transaction: nobody
    /// else changes it in between.
    pub async fn change_note<N: PlaceNote + Default>(
        &self,
        strategy: &StrategyId,
        place: &Place,
        change: impl FnOnce(&mut N),
    ) -> Result<N, StoreError> {
        self.change_text(strategy, of_place(place), N::KIND, change).await
    }

    /// Returns the note of a kind about a strategy.
    pub async fn strategy_note<N: StrategyNote>(&self, strategy: &StrategyId) -> Result<Option<N>, StoreError> {
        let text = read_note(&self.pool, strategy, NO_PLACE, N::KIND).await?;
        text.map(|text| from_json(N::KIND, &text)).transpose()
    }

    /// Changes the note of a kind about a strategy like [`Store::change_note`].
    pub async fn change_strategy_note<N: StrategyNote + Default>(
        &self,
        strategy: &StrategyId,
        change: impl FnOnce(&mut N),
    ) -> Result<N, StoreError> {
        self.change_text(strategy, NO_PLACE, N::KIND, change).await
    }

    async fn change_text<N: Serialize + DeserializeOwned + Default>(
        &self,
        strategy: &StrategyId,
        about: About<'_>,
        kind: &'static str,
        change: impl FnOnce(&mut N),
    ) -> Result<N, StoreError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let text = read_note(&mut *transaction, strategy, about, kind).await?;
        let mut note = text.map_or_else(|| Ok(N::default()), |text| from_json(kind, &text))?;
        change(&mut note);
        write_note(&mut *transaction, strategy, about, kind, &to_json(&note)).await?;
        transaction.commit().await?;
        Ok(note)
    }

    /// Forgets the notes of a kind about every place of a strategy.
    pub async fn forget_notes<N: PlaceNote>(&self, strategy: &StrategyId) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM place_notes WHERE strategy = $1 AND kind = $2")
            .bind(strategy.to_string())
            .bind(N::KIND)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Forgets the notes about every place of a strategy, of all kinds: its environments are somewhere else.
    pub async fn forget_places(&self, strategy: &StrategyId) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM place_notes WHERE strategy = $1")
            .bind(strategy.to_string())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Returns since when gates are closed.
    pub async fn closed_gates(
        &self,
        strategy: &StrategyId,
    ) -> Result<BTreeMap<(Place, GateId), Timestamp>, StoreError> {
        let rows = sqlx::query("SELECT environment, lane, gate, since FROM closed_gates WHERE strategy = $1")
            .bind(strategy.to_string())
            .fetch_all(&self.pool)
            .await?;
        Ok(rows
            .iter()
            .filter_map(|row| {
                let environment = EnvironmentName::new(row.get::<String, _>(0)).ok()?;
                let lane = LaneName::new(row.get::<String, _>(1)).ok()?;
                Some(((Place { environment, lane }, GateId(row.get(2))), from_millis(row.get(3))))
            })
            .collect())
    }

    /// Writes which gates are closed now, and since when.
    pub async fn save_closed_gates(
        &self,
        strategy: &StrategyId,
        gates: &BTreeMap<(Place, GateId), Timestamp>,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("DELETE FROM closed_gates WHERE strategy = $1")
            .bind(strategy.to_string())
            .execute(&mut *transaction)
            .await?;
        for ((place, gate), since) in gates {
            sqlx::query(
                "INSERT INTO closed_gates (strategy, environment, lane, gate, since) VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(strategy.to_string())
            .bind(place.environment.as_str())
            .bind(place.lane.as_str())
            .bind(&gate.0)
            .bind(to_millis(*since))
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Returns our statuses of one key, by commit.
    pub async fn posted_statuses(
        &self,
        repository: &RepositoryId,
        key: &StatusKey,
    ) -> Result<BTreeMap<String, PostedStatus>, StoreError> {
        let rows = sqlx::query("SELECT sha, status FROM posted_statuses WHERE repository = $1 AND key = $2")
            .bind(repository.as_str())
            .bind(key.as_str())
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(|row| Ok((row.get(0), from_json("status", row.get(1))?))).collect()
    }

    /// Returns our status of one key on one commit.
    pub async fn posted_status(
        &self,
        repository: &RepositoryId,
        sha: &str,
        key: &StatusKey,
    ) -> Result<Option<PostedStatus>, StoreError> {
        let text: Option<String> =
            sqlx::query_scalar("SELECT status FROM posted_statuses WHERE repository = $1 AND sha = $2 AND key = $3")
                .bind(repository.as_str())
                .bind(sha)
                .bind(key.as_str())
                .fetch_optional(&self.pool)
                .await?;
        text.map(|text| from_json("status", &text)).transpose()
    }

    /// Returns our statuses on these commits, by commit and key.
    pub async fn posted_on(
        &self,
        repository: &RepositoryId,
        shas: &[&str],
    ) -> Result<BTreeMap<(String, String), PostedStatus>, StoreError> {
        let rows = sqlx::query(
            "SELECT sha, key, status FROM posted_statuses
             WHERE repository = $1 AND sha IN (SELECT value FROM json_each($2))",
        )
        .bind(repository.as_str())
        .bind(to_json(&shas))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| Ok(((row.get(0), row.get(1)), from_json("status", row.get(2))?))).collect()
    }

    /// Writes that a status of ours stands on the forge.
    pub async fn save_posted_status(
        &self,
        repository: &RepositoryId,
        sha: &str,
        key: &StatusKey,
        status: &PostedStatus,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO posted_statuses (repository, sha, key, status) VALUES ($1, $2, $3, $4)
             ON CONFLICT (repository, sha, key) DO UPDATE SET status = excluded.status",
        )
        .bind(repository.as_str())
        .bind(sha)
        .bind(key.as_str())
        .bind(to_json(status))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Writes which head the title and body of a pull request describe.
    pub async fn save_described(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
        proposed: &ProposedSha,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO pull_requests (repository, number, described) VALUES ($1, $2, $3)
             ON CONFLICT (repository, number) DO UPDATE SET described = excluded.described",
        )
        .bind(repository.as_str())
        .bind(number.0.cast_signed())
        .bind(proposed.as_str())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Returns which head the title and body of a pull request describe.
    pub async fn described(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
    ) -> Result<Option<ProposedSha>, StoreError> {
        let text: Option<Option<String>> =
            sqlx::query_scalar("SELECT described FROM pull_requests WHERE repository = $1 AND number = $2")
                .bind(repository.as_str())
                .bind(number.0.cast_signed())
                .fetch_optional(&self.pool)
                .await?;
        Ok(text.flatten().and_then(|text| ProposedSha::new(text).ok()))
    }

    /// Writes, before the act, that we close a pull request; such a closing is never a rejection.
    pub async fn save_closed_by_us(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO pull_requests (repository, number, closed_by_us) VALUES ($1, $2, 1)
             ON CONFLICT (repository, number) DO UPDATE SET closed_by_us = 1",
        )
        .bind(repository.as_str())
        .bind(number.0.cast_signed())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Says whether anything is written down about a pull request.
    pub async fn knows_pull_request(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
    ) -> Result<bool, StoreError> {
        let found: Option<i64> =
            sqlx::query_scalar("SELECT number FROM pull_requests WHERE repository = $1 AND number = $2")
                .bind(repository.as_str())
                .bind(number.0.cast_signed())
                .fetch_optional(&self.pool)
                .await?;
        Ok(found.is_some())
    }

    /// Returns the pull requests that we closed.
    pub async fn closed_by_us(&self, repository: &RepositoryId) -> Result<Vec<PullRequestNumber>, StoreError> {
        let numbers: Vec<i64> =
            sqlx::query_scalar("SELECT number FROM pull_requests WHERE repository = $1 AND closed_by_us = 1")
                .bind(repository.as_str())
                .fetch_all(&self.pool)
                .await?;
        Ok(numbers.into_iter().map(|number| PullRequestNumber(number.cast_unsigned())).collect())
    }

    /// Writes the last good document of a strategy.
    pub async fn save_document(&self, document: &Document) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO strategies (strategy, dry, path, document, mistake) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (strategy) DO UPDATE SET dry = excluded.dry, path = excluded.path,
                 document = excluded.document, mistake = excluded.mistake",
        )
        .bind(document.strategy.to_string())
        .bind(document.dry.as_str())
        .bind(&document.path)
        .bind(&document.text)
        .bind(&document.mistake)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Returns the repositories that have a strategy.
    pub async fn repositories(&self) -> Result<Vec<RepositoryId>, StoreError> {
        let strategies: Vec<String> =
            sqlx::query_scalar("SELECT strategy FROM strategies ORDER BY strategy").fetch_all(&self.pool).await?;
        let names = strategies.iter().filter_map(|strategy| Some(strategy.rsplit_once('/')?.0));
        let mut repositories: Vec<_> = names.filter_map(|name| RepositoryId::new(name).ok()).collect();
        repositories.dedup();
        Ok(repositories)
    }

    /// Forgets the document of a strategy that another one has taken the place of.
    pub async fn forget_document(&self, strategy: &StrategyId) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM strategies WHERE strategy = $1")
            .bind(strategy.to_string())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Returns the last good documents of a repository's strategies.
    pub async fn documents(&self, repository: &RepositoryId) -> Result<Vec<Document>, StoreError> {
        let (prefix, behind) = strategies_of(repository);
        let rows = sqlx::query(
            "SELECT strategy, dry, path, document, mistake FROM strategies
             WHERE strategy > $1 AND strategy < $2 ORDER BY strategy",
        )
        .bind(&prefix)
        .bind(&behind)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .iter()
            .filter_map(|row| {
                let strategy: String = row.get(0);
                let name = strategy.strip_prefix(&prefix)?;
                Some(Document {
                    strategy: StrategyId { repository: repository.clone(), name: name.to_owned().try_into().ok()? },
                    dry: DrySha::new(row.get::<String, _>(1)).ok()?,
                    path: row.get(2),
                    text: row.get(3),
                    mistake: row.get(4),
                })
            })
            .collect())
    }
}

impl Notes {
    /// Returns the note of a kind about a place.
    pub fn of<N: PlaceNote>(&self, place: &Place) -> Result<Option<N>, StoreError> {
        let (environment, lane) = of_place(place);
        let text = self.0.get(&(environment.to_owned(), lane.to_owned(), N::KIND.to_owned()));
        text.map(|text| from_json(N::KIND, text)).transpose()
    }
}

fn of_place(place: &Place) -> About<'_> {
    (place.environment.as_str(), place.lane.as_str())
}

async fn read_note(
    database: impl SqliteExecutor<'_>,
    strategy: &StrategyId,
    (environment, lane): About<'_>,
    kind: &str,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT note FROM place_notes WHERE strategy = $1 AND environment = $2 AND lane = $3 AND kind = $4",
    )
    .bind(strategy.to_string())
    .bind(environment)
    .bind(lane)
    .bind(kind)
    .fetch_optional(database)
    .await
}

async fn write_note(
    database: impl SqliteExecutor<'_>,
    strategy: &StrategyId,
    (environment, lane): About<'_>,
    kind: &str,
    note: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO place_notes (strategy, environment, lane, kind, note) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (strategy, environment, lane, kind) DO UPDATE SET note = excluded.note",
    )
    .bind(strategy.to_string())
    .bind(environment)
    .bind(lane)
    .bind(kind)
    .bind(note)
    .execute(database)
    .await?;
    Ok(())
}
