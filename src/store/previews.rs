//! What dry pull requests would change, as it was rendered last.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::Row;

use super::{Store, StoreError, from_json, from_millis, to_json, to_millis};
use crate::domain::{
    ids::{HeadSha, PullRequestNumber, RepositoryId},
    preview::Preview,
};

/// How many previews of pull requests that have ended are kept in a repository.
const ENDED_KEPT: i64 = 200;

/// What is known of a pull request's preview, but for what it says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PreviewNote {
    /// The head for which a person asked for it last.
    pub asked: Option<HeadSha>,
    /// Whether that was not done yet.
    pub again: bool,
    /// The head that was rendered last.
    pub head: Option<HeadSha>,
    /// When to try again, where the installation failed.
    pub retry_at: Option<Timestamp>,
}

impl Store {
    /// Returns what is known of the previews of a repository.
    pub async fn preview_notes(
        &self,
        repository: &RepositoryId,
    ) -> Result<BTreeMap<PullRequestNumber, PreviewNote>, StoreError> {
        let rows = sqlx::query("SELECT pull_request, asked, again, head, retry_at FROM previews WHERE repository = $1")
            .bind(repository.as_str())
            .fetch_all(&self.pool)
            .await?;
        let head = |text: Option<String>| text.and_then(|text| HeadSha::new(text).ok());
        let note = |row: &sqlx::sqlite::SqliteRow| {
            let note = PreviewNote {
                asked: head(row.get(1)),
                again: row.get(2),
                head: head(row.get(3)),
                retry_at: row.get::<Option<i64>, _>(4).map(from_millis),
            };
            (PullRequestNumber(row.get::<i64, _>(0).cast_unsigned()), note)
        };
        Ok(rows.iter().map(note).collect())
    }

    /// Returns the preview of a pull request.
    pub async fn preview(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
    ) -> Result<Option<Preview>, StoreError> {
        let text: Option<Option<String>> =
            sqlx::query_scalar("SELECT preview FROM previews WHERE repository = $1 AND pull_request = $2")
                .bind(repository.as_str())
                .bind(number.0.cast_signed())
                .fetch_optional(&self.pool)
                .await?;
        text.flatten().map(|text| from_json("preview", &text)).transpose()
    }

    /// Writes that a person asked for the preview of a head.
    pub async fn ask_for_preview(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
        head: &HeadSha,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO previews (repository, pull_request, asked, again) VALUES ($1, $2, $3, 1)
             ON CONFLICT (repository, pull_request) DO UPDATE SET asked = excluded.asked, again = 1",
        )
        .bind(repository.as_str())
        .bind(number.0.cast_signed())
        .bind(head.as_str())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Writes a preview, and forgets old ones of pull requests of which all was said.
    pub async fn save_preview(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
        preview: &Preview,
        retry_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        // A wish for another head stays open.
        sqlx::query(
            "INSERT INTO previews (repository, pull_request, head, retry_at, preview) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (repository, pull_request) DO UPDATE SET again = again AND asked <> excluded.head,
                 head = excluded.head, retry_at = excluded.retry_at, preview = excluded.preview",
        )
        .bind(repository.as_str())
        .bind(number.0.cast_signed())
        .bind(preview.head.as_str())
        .bind(retry_at.map(to_millis))
        .bind(to_json(preview))
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "DELETE FROM previews WHERE repository = $1
             AND pull_request IN (SELECT pull_request FROM status_comments WHERE repository = $1 AND is_final = 1)
             AND pull_request NOT IN
                 (SELECT pull_request FROM previews WHERE repository = $1 ORDER BY pull_request DESC LIMIT $2)",
        )
        .bind(repository.as_str())
        .bind(ENDED_KEPT)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ids::DrySha, preview::Previewed};

    #[tokio::test]
    async fn a_wish_stays_open_until_its_head_is_rendered() {
        let store = Store::in_memory().await.expect("a database in memory");
        let shop = RepositoryId::new("acme/shop").expect("an owner and a name");
        let (number, head) = (PullRequestNumber(7), |id: &str| HeadSha::new(id).expect("an id"));
        let preview = |id: &str| Preview {
            head: head(id),
            dry: DrySha::new("dry-1").expect("an id"),
            strategy_files: None,
            outcome: Previewed::Conflict { paths: vec!["a".into()] },
        };
        let note = async || store.preview_notes(&shop).await.expect("is read").remove(&number).unwrap_or_default();
        store.ask_for_preview(&shop, number, &head("head-2")).await.expect("is written");
        assert_eq!(store.preview(&shop, number).await.expect("is read"), None);
        store.save_preview(&shop, number, &preview("head-1"), None).await.expect("is written");
        assert!(note().await.again, "it was asked for another head");
        store.save_preview(&shop, number, &preview("head-2"), Some(Timestamp::UNIX_EPOCH)).await.expect("is written");
        let (asked, retry_at) = (Some(head("head-2")), Some(Timestamp::UNIX_EPOCH));
        assert_eq!(note().await, PreviewNote { head: asked.clone(), asked, again: false, retry_at });
        assert_eq!(store.preview(&shop, number).await.expect("is read"), Some(preview("head-2")));
    }
}
