//! Comments that gave commands, and our own comments that answer them.

use jiff::Timestamp;
use sqlx::Row;

use super::{Store, StoreError, from_json, from_millis, to_json, to_millis};
use crate::domain::{
    comment::Answer,
    ids::{PullRequestNumber, RepositoryId},
};

/// How far a comment's commands have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Our reaction is about to be set; nothing was done yet.
    Claiming,
    /// The next command is being done; after a crash nobody knows whether it was.
    Acting,
    /// Everything was done and answered.
    Done,
}

/// A comment that gave commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandedComment {
    /// Its id.
    pub comment: u64,
    /// The pull request.
    pub pull_request: PullRequestNumber,
    /// How far its commands have come.
    pub progress: Progress,
    /// What was answered, in the order of the commands.
    pub answers: Vec<Answer>,
}

/// Our one comment on a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusComment {
    /// The pull request.
    pub pull_request: PullRequestNumber,
    /// The comment's id.
    pub comment: u64,
    /// Its text as it stands on the forge.
    pub body: String,
}

impl Progress {
    fn word(self) -> &'static str {
        match self {
            Self::Claiming => "claiming",
            Self::Acting => "acting",
            Self::Done => "done",
        }
    }

    fn from_word(word: &str) -> Self {
        [Self::Claiming, Self::Acting].into_iter().find(|progress| progress.word() == word).unwrap_or(Self::Done)
    }
}

impl Store {
    /// Returns up to which time comments were read; nothing before the first time.
    pub async fn comments_read_to(&self, repository: &RepositoryId) -> Result<Option<Timestamp>, StoreError> {
        let millis: Option<i64> = sqlx::query_scalar("SELECT read_to FROM comments_read WHERE repository = $1")
            .bind(repository.as_str())
            .fetch_optional(&self.pool)
            .await?;
        Ok(millis.map(from_millis))
    }

    /// Writes up to which time comments were read.
    pub async fn save_comments_read_to(&self, repository: &RepositoryId, to: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO comments_read (repository, read_to) VALUES ($1, $2)
             ON CONFLICT (repository) DO UPDATE SET read_to = excluded.read_to",
        )
        .bind(repository.as_str())
        .bind(to_millis(to))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Returns a comment that gave commands.
    pub async fn commanded_comment(
        &self,
        repository: &RepositoryId,
        comment: u64,
    ) -> Result<Option<CommandedComment>, StoreError> {
        let row = sqlx::query(
            "SELECT pull_request, progress, answers FROM commanded_comments WHERE repository = $1 AND comment = $2",
        )
        .bind(repository.as_str())
        .bind(comment.cast_signed())
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| {
            Ok(CommandedComment {
                comment,
                pull_request: PullRequestNumber(row.get::<i64, _>(0).cast_unsigned()),
                progress: Progress::from_word(row.get(1)),
                answers: from_json("list of answers", row.get(2))?,
            })
        })
        .transpose()
    }

    /// Writes how far a comment's commands have come; what was answered makes our own comment due again.
    pub async fn save_commanded_comment(
        &self,
        repository: &RepositoryId,
        commanded: &CommandedComment,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query(
            "INSERT INTO commanded_comments (repository, comment, pull_request, progress, answers)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (repository, comment) DO UPDATE SET progress = excluded.progress, answers = excluded.answers",
        )
        .bind(repository.as_str())
        .bind(commanded.comment.cast_signed())
        .bind(commanded.pull_request.0.cast_signed())
        .bind(commanded.progress.word())
        .bind(to_json(&commanded.answers))
        .execute(&mut *transaction)
        .await?;
        sqlx::query("UPDATE status_comments SET is_final = 0 WHERE repository = $1 AND pull_request = $2")
            .bind(repository.as_str())
            .bind(commanded.pull_request.0.cast_signed())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Returns the pull requests whose commands were answered, without those that have ended and were
    /// commented on for the last time.
    pub async fn answered_pull_requests(
        &self,
        repository: &RepositoryId,
    ) -> Result<Vec<PullRequestNumber>, StoreError> {
        let numbers: Vec<i64> = sqlx::query_scalar(
            "SELECT pull_request FROM commanded_comments WHERE repository = $1 AND answers <> '[]'
             UNION SELECT pull_request FROM status_comments WHERE repository = $1
             EXCEPT SELECT pull_request FROM status_comments WHERE repository = $1 AND is_final = 1",
        )
        .bind(repository.as_str())
        .fetch_all(&self.pool)
        .await?;
        Ok(numbers.into_iter().map(|number| PullRequestNumber(number.cast_unsigned())).collect())
    }

    /// Returns the newest answers given on a pull request, at most `limit`, newest first.
    pub async fn answers(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
        limit: usize,
    ) -> Result<Vec<Answer>, StoreError> {
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT answers FROM commanded_comments WHERE repository = $1 AND pull_request = $2 AND answers <> '[]'
             ORDER BY comment DESC LIMIT $3",
        )
        .bind(repository.as_str())
        .bind(number.0.cast_signed())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await?;
        let mut newest = Vec::new();
        for row in rows {
            let answers: Vec<Answer> = from_json("list of answers", &row)?;
            newest.extend(answers.into_iter().rev());
        }
        newest.truncate(limit);
        Ok(newest)
    }

    /// Returns our comment on a pull request.
    pub async fn status_comment(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
    ) -> Result<Option<StatusComment>, StoreError> {
        let row = sqlx::query("SELECT comment, body FROM status_comments WHERE repository = $1 AND pull_request = $2")
            .bind(repository.as_str())
            .bind(number.0.cast_signed())
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(|row| StatusComment {
            pull_request: number,
            comment: row.get::<i64, _>(0).cast_unsigned(),
            body: row.get(1),
        }))
    }

    /// Writes how our comment on a pull request stands on the forge.
    pub async fn save_status_comment(
        &self,
        repository: &RepositoryId,
        status: &StatusComment,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO status_comments (repository, pull_request, comment, body) VALUES ($1, $2, $3, $4)
             ON CONFLICT (repository, pull_request)
             DO UPDATE SET comment = excluded.comment, body = excluded.body, is_final = 0",
        )
        .bind(repository.as_str())
        .bind(status.pull_request.0.cast_signed())
        .bind(status.comment.cast_signed())
        .bind(&status.body)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Writes that our comment on a pull request that has ended says all there is to say.
    pub async fn finish_status_comment(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE status_comments SET is_final = 1 WHERE repository = $1 AND pull_request = $2")
            .bind(repository.as_str())
            .bind(number.0.cast_signed())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Forgets our comment on a pull request: somebody deleted it.
    pub async fn forget_status_comment(
        &self,
        repository: &RepositoryId,
        number: PullRequestNumber,
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM status_comments WHERE repository = $1 AND pull_request = $2")
            .bind(repository.as_str())
            .bind(number.0.cast_signed())
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::comment::Outcome;

    const ONE: PullRequestNumber = PullRequestNumber(1);

    fn commanded(comment: u64, lines: &[&str]) -> CommandedComment {
        let answer = |line: &&str| Answer { by: "ada".into(), line: (*line).into(), outcome: Outcome::Status };
        CommandedComment {
            comment,
            pull_request: ONE,
            progress: Progress::Acting,
            answers: lines.iter().map(answer).collect(),
        }
    }

    #[tokio::test]
    async fn a_pull_request_waits_for_our_comment_until_it_is_final_and_again_after_a_new_answer() {
        let store = Store::in_memory().await.expect("a database in memory");
        let shop = RepositoryId::new("acme/shop").expect("an owner and a name");
        let waiting = async || store.answered_pull_requests(&shop).await.expect("is read");
        store.save_commanded_comment(&shop, &commanded(1, &[])).await.expect("is written");
        assert_eq!(waiting().await, [], "a comment without commands needs no answer");
        store.save_commanded_comment(&shop, &commanded(2, &["a", "b"])).await.expect("is written");
        store.save_commanded_comment(&shop, &commanded(3, &["c"])).await.expect("is written");
        assert_eq!(waiting().await, [ONE]);
        let newest = store.answers(&shop, ONE, 2).await.expect("is read");
        assert_eq!(newest.iter().map(|answer| &*answer.line).collect::<Vec<_>>(), ["c", "b"]);
        let status = StatusComment { pull_request: ONE, comment: 9, body: "text".into() };
        store.save_status_comment(&shop, &status).await.expect("is written");
        assert_eq!(store.status_comment(&shop, ONE).await.expect("is read"), Some(status));
        store.finish_status_comment(&shop, ONE).await.expect("is written");
        assert_eq!(waiting().await, []);
        store.save_commanded_comment(&shop, &commanded(4, &["d"])).await.expect("is written");
        assert_eq!(waiting().await, [ONE]);
        let again = store.commanded_comment(&shop, 2).await.expect("is read");
        assert_eq!(again, Some(commanded(2, &["a", "b"])));
    }
}
