//! Commit statuses: read with the jobs of pipelines, which GitLab keeps in the same list; written by name.

use std::{borrow::Cow, cmp::Reverse, collections::HashMap, convert::Infallible, time::Duration};

use gitlab::api::{
    BodyError, Endpoint, FormParams,
    common::SortOrder,
    projects::repository::commits::{CommitStatuses, CommitStatusesOrderBy},
};
use http::Method;
use jiff::Timestamp;
use tokio::time::sleep;

use super::{
    client::{Client, reading, writing},
    model::StatusBody,
    pipelines::{self, Target},
};
use crate::{
    domain::{
        ids::{RepositoryId, StatusKey},
        status::{CommitStatus, StatusState},
    },
    forge::{
        ForgeError, NewStatus,
        calls::{Call, Importance, encoded, is_worth_reading_back, named},
    },
};

/// The most pages read of the list: 1,000 reports.
const MAX_PAGES: usize = 10;
/// The longest address that GitLab takes beside a status, characters.
const MAX_URL: usize = 255;
/// How often a status is sent that GitLab refuses because another was just being posted.
const MOST_TRIES: u32 = 5;
/// The pause after such a refusal, and how much it grows each time.
const PAUSE: Duration = Duration::from_millis(200);

/// A status to post.
///
/// The SDK has such an endpoint, but takes the limit of 255 characters for bytes: it would refuse descriptions that GitLab
/// takes.
struct PostStatus<'a> {
    repository: &'a RepositoryId,
    sha: &'a str,
    status: &'a NewStatus,
    target: &'a Target,
}

impl Endpoint for PostStatus<'_> {
    fn method(&self) -> Method {
        Method::POST
    }

    fn endpoint(&self) -> Cow<'static, str> {
        format!("projects/{}/statuses/{}", encoded(self.repository.as_str()), encoded(self.sha)).into()
    }

    fn body(&self) -> Result<Option<(&'static str, Vec<u8>)>, BodyError> {
        let mut form = FormParams::default();
        form.push("state", state_word(self.status.state))
            .push("name", self.status.key.as_str())
            .push("description", self.status.short_description());
        if let Some(url) = self.status.target_url.as_deref().filter(|url| url.chars().count() <= MAX_URL) {
            form.push("target_url", url);
        }
        match self.target {
            Target::Pipeline(id) => form.push("pipeline_id", *id),
            Target::Branch(name) => form.push("ref", name.as_str()),
            Target::Anywhere => &mut form,
        };
        form.into_body()
    }
}

/// Returns every report about `sha`, newest first.
pub(super) async fn read(
    client: &Client,
    repository: &RepositoryId,
    sha: &str,
) -> Result<Vec<CommitStatus>, ForgeError> {
    let bodies = client.pages(&list(repository, sha, None)?, MAX_PAGES).await;
    Ok(reports(bodies.map_err(|error| named(error, || format!("the commit `{sha}` of `{repository}`")))?))
}

/// Describes the list of reports, newest first, also of runs that were repeated.
fn list(repository: &RepositoryId, sha: &str, name: Option<&StatusKey>) -> Result<Call, ForgeError> {
    let mut endpoint = CommitStatuses::builder();
    endpoint
        .project(repository.as_str())
        .commit(sha)
        .all(true)
        .order_by(CommitStatusesOrderBy::Id)
        .sort(SortOrder::Descending);
    if let Some(name) = name {
        endpoint.name(name.as_str());
    }
    let what = format!("list the reports about `{sha}` of `{repository}`");
    reading(endpoint.build(), "/projects/{id}/repository/commits/{sha}/statuses", what)
}

/// Returns the reports newest first.
///
/// A report's id rises with each run, and its time changes with its state: one that waits has only the time at which it
/// was made. It must not look older than the end of the run before it.
fn reports(bodies: Vec<StatusBody>) -> Vec<CommitStatus> {
    let mut reports: Vec<CommitStatus> = bodies.into_iter().filter_map(StatusBody::report).collect();
    reports.sort_by_key(|report| report.id);
    let mut newest: HashMap<StatusKey, Timestamp> = HashMap::new();
    for report in &mut reports {
        let newest = newest.entry(report.key.clone()).or_insert(report.reported_at);
        report.reported_at = report.reported_at.max(*newest);
        *newest = report.reported_at;
    }
    reports.sort_by_key(|report| Reverse((report.reported_at, report.id)));
    reports
}

/// Posts a commit status.
pub(super) async fn post(
    client: &Client,
    repository: &RepositoryId,
    sha: &str,
    status: &NewStatus,
) -> Result<(), ForgeError> {
    let mut tries = 1;
    loop {
        // Each time anew: the refusal may have come from a pipeline that was made meanwhile.
        let target = pipelines::target(client, repository, sha).await;
        let target = target.map_err(|error| named(error, || format!("the commit `{sha}` of `{repository}`")))?;
        let endpoint = PostStatus { repository, sha, status, target: &target };
        let what = format!("post the status `{}` on `{sha}` of `{repository}`", status.key);
        let write =
            writing(Ok::<_, Infallible>(endpoint), "/projects/{id}/statuses/{sha}", what)?.of(Importance::Status);
        let error = match client.perform(&write).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        // A status that is in this state already is refused, with a code that says anything (`Cannot transition status
        // via :enqueue from :pending`); its description stays as it was.
        if is_worth_reading_back(&error)
            && let Ok(Some(state)) = newest(client, repository, sha, &status.key).await
            && state == status.state
        {
            return Ok(());
        }
        if !matches!(error, ForgeError::Moved { .. }) || tries >= MOST_TRIES {
            return Err(error);
        }
        sleep(PAUSE * tries).await;
        tries += 1;
    }
}

/// Returns the state of the newest report with this name.
async fn newest(
    client: &Client,
    repository: &RepositoryId,
    sha: &str,
    name: &StatusKey,
) -> Result<Option<StatusState>, ForgeError> {
    let bodies: Vec<StatusBody> = client.pages(&list(repository, sha, Some(name))?, MAX_PAGES).await?;
    Ok(bodies.iter().max_by_key(|body| body.id).map(StatusBody::state))
}

/// Returns GitLab's word. It has none for a check that broke; what was cancelled says nothing of the content either, while
/// `failed` would.
fn state_word(state: StatusState) -> &'static str {
    match state {
        StatusState::Pending => "pending",
        StatusState::Success => "success",
        StatusState::Failure => "failed",
        StatusState::Error => "canceled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_waits_is_newer_than_the_run_before_also_when_that_ended_later() {
        let body = |id: u64, status: &str, created: &str, finished: Option<&str>| {
            let body = serde_json::json!({"id": id, "name": "ci", "status": status, "created_at": created,
                "started_at": null, "finished_at": finished});
            serde_json::from_value(body).expect("because every required field is there")
        };
        let ended = body(1, "success", "2026-01-01T00:00:00Z", Some("2026-01-01T00:10:00Z"));
        let waits = body(2, "pending", "2026-01-01T00:05:00Z", None);
        let reports = reports(vec![waits, ended]);
        assert_eq!(
            reports.iter().map(|report| (report.id, report.state)).collect::<Vec<_>>(),
            [(2, StatusState::Pending), (1, StatusState::Success)]
        );
    }
}
