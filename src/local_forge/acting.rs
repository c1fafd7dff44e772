//! Acting as one user from inside the process, under the same rights and rules as through the API.

use super::{
    CheckReport, LocalForge, MergeOrder, NewPull, NewStatus, PullChange, Refusal, ReviewState, StatusState, hub::Desk,
};

/// A user who acts.
#[derive(Clone, Copy)]
pub struct Acting<'a> {
    forge: &'a LocalForge,
    login: &'a str,
}

impl LocalForge {
    /// Acts as `login`. Every method answers with GitHub's refusals when the user lacks a right or a rule forbids it.
    pub fn as_user<'a>(&'a self, login: &'a str) -> Acting<'a> {
        Acting { forge: self, login }
    }
}

#[expect(clippy::missing_errors_doc, reason = "every method fails alike, see `LocalForge::as_user`")]
impl Acting<'_> {
    /// Opens a pull request and returns its number.
    pub async fn open_pull_request(&self, repository: &str, new: NewPull) -> Result<u64, Refusal> {
        self.act(repository, |desk, key, actor| desk.open_pull(key, actor, new)).await
    }

    /// Changes title, text, base or state.
    pub async fn edit(&self, repository: &str, number: u64, change: PullChange) -> Result<(), Refusal> {
        self.act(repository, move |desk, key, actor| desk.edit_pull(key, actor, number, change)).await
    }

    /// Closes a pull request without merging it.
    pub async fn close(&self, repository: &str, number: u64) -> Result<(), Refusal> {
        self.edit(repository, number, PullChange { open: Some(false), ..PullChange::default() }).await
    }

    /// Opens a closed pull request again.
    pub async fn reopen(&self, repository: &str, number: u64) -> Result<(), Refusal> {
        self.edit(repository, number, PullChange { open: Some(true), ..PullChange::default() }).await
    }

    /// Merges and returns the base's new tip.
    pub async fn merge(&self, repository: &str, number: u64, order: MergeOrder) -> Result<String, Refusal> {
        self.act(repository, move |desk, key, actor| desk.merge_pull(key, actor, number, &order)).await
    }

    /// Comments and returns the comment's id.
    pub async fn comment(&self, repository: &str, number: u64, body: &str) -> Result<u64, Refusal> {
        let body = body.to_owned();
        self.act(repository, move |desk, key, actor| desk.add_comment(key, actor, number, body)).await
    }

    /// Changes a comment.
    pub async fn edit_comment(&self, repository: &str, id: u64, body: &str) -> Result<(), Refusal> {
        let body = body.to_owned();
        self.act(repository, move |desk, key, actor| desk.edit_comment(key, actor, id, body)).await
    }

    /// Reviews the current head and returns the review's id.
    pub async fn review(&self, repository: &str, number: u64, state: ReviewState, body: &str) -> Result<u64, Refusal> {
        let body = body.to_owned();
        self.act(repository, move |desk, key, actor| desk.add_review(key, actor, number, state, body)).await
    }

    /// Takes the verdict of a review back.
    pub async fn dismiss_review(&self, repository: &str, number: u64, review: u64) -> Result<(), Refusal> {
        self.act(repository, move |desk, key, actor| desk.dismiss_review(key, actor, number, review)).await
    }

    /// Reports a commit status and returns its id.
    pub async fn report_status(
        &self,
        repository: &str,
        sha: &str,
        context: &str,
        state: StatusState,
    ) -> Result<u64, Refusal> {
        let (sha, context) = (sha.to_owned(), context.to_owned());
        let new = NewStatus { context, state, description: None, target_url: None };
        self.act(repository, move |desk, key, actor| desk.report_status(key, actor, &sha, new)).await
    }

    /// Makes a check run and returns its id.
    pub async fn create_check_run(&self, repository: &str, sha: &str, report: CheckReport) -> Result<u64, Refusal> {
        let sha = sha.to_owned();
        self.act(repository, move |desk, key, actor| desk.create_check_run(key, actor, &sha, report)).await
    }

    /// Changes a check run.
    pub async fn update_check_run(&self, repository: &str, id: u64, report: CheckReport) -> Result<(), Refusal> {
        self.act(repository, move |desk, key, actor| desk.update_check_run(key, actor, id, report)).await
    }

    async fn act<R: Send + 'static>(
        &self,
        repository: &str,
        act: impl FnOnce(&mut Desk<'_>, &str, Option<&str>) -> Result<R, Refusal> + Send + 'static,
    ) -> Result<R, Refusal> {
        let (key, login) = (repository.to_owned(), self.login.to_owned());
        self.forge.work(move |desk| act(desk, &key, Some(&login))).await
    }
}
