//! Commit statuses and check runs, read as one.

use std::cmp::Reverse;

use jiff::Timestamp;

use super::{
    client::Client,
    model::{CheckRunBody, CheckRunsBody, StatusBody},
};
use crate::{
    domain::{ids::RepositoryId, status::CommitStatus},
    forge::{
        ForgeError,
        calls::{Call, encoded},
    },
};

/// The most pages read of each list: 1,000 reports, as many as the forge keeps per key.
const MAX_PAGES: usize = 10;

/// Returns every report about `sha`, newest first.
pub(super) async fn read(
    client: &Client,
    repository: &RepositoryId,
    sha: &str,
) -> Result<Vec<CommitStatus>, ForgeError> {
    let commit = format!("/repos/{repository}/commits/{}", encoded(sha));
    let call = |route, path| Call::new(route, path, format!("list the reports about `{sha}` of `{repository}`"));
    // A commit that was never pushed is a 404 for one of the lists, and a 422 for the other.
    let not_found = |error| match error {
        ForgeError::NotFound { .. } | ForgeError::Refused { .. } => {
            ForgeError::NotFound { what: format!("the commit `{sha}` of `{repository}`") }
        }
        other => other,
    };
    let statuses = call("/repos/{owner}/{repo}/commits/{ref}/statuses", format!("{commit}/statuses"));
    let checks = call("/repos/{owner}/{repo}/commits/{ref}/check-runs", format!("{commit}/check-runs?filter=latest"));
    let statuses = client.pages::<Vec<StatusBody>>(&statuses, MAX_PAGES).await.map_err(not_found)?;
    let checks = match client.pages::<CheckRunsBody>(&checks, MAX_PAGES).await {
        // A fine-grained token cannot be given the right to read check runs; statuses work without it. What
        // cannot be seen counts as not reported, which opens no gate.
        Err(ForgeError::Unauthorised { .. }) => {
            tracing::debug!(%repository, "check runs may not be read with these credentials; only statuses count");
            Vec::new()
        }
        checks => checks.map_err(not_found)?,
    };
    Ok(reports(statuses, checks))
}

/// Returns both kinds in one list, newest first.
fn reports(statuses: Vec<StatusBody>, checks: Vec<CheckRunBody>) -> Vec<CommitStatus> {
    let mut reports: Vec<CommitStatus> = statuses.into_iter().filter_map(StatusBody::report).collect();
    let (undated, dated): (Vec<_>, Vec<_>) = checks.into_iter().partition(CheckRunBody::is_undated);
    reports.extend(dated.into_iter().filter_map(|run| run.report(Timestamp::UNIX_EPOCH)));
    // A run that waits for its turn was asked for after those that ended: it must not look older.
    let newest = reports.iter().map(|report| report.reported_at).max().unwrap_or(Timestamp::UNIX_EPOCH);
    reports.extend(undated.into_iter().filter_map(|run| run.report(newest)));
    reports.sort_by_key(|report| Reverse((report.reported_at, report.id)));
    reports
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_waits_for_its_turn_is_newer_than_the_run_before() {
        let run = |id: u64, fields: serde_json::Value| {
            let mut run = serde_json::json!({"id": id, "name": "ci", "status": "queued"});
            run.as_object_mut()
                .expect("because it was built as an object")
                .extend(fields.as_object().expect("because the test passes objects").clone());
            serde_json::from_value(run).expect("because every required field is there")
        };
        let ended = serde_json::json!({
            "status": "completed", "conclusion": "success", "completed_at": "2026-01-01T00:00:00Z",
        });
        let reports = reports(Vec::new(), vec![run(1, ended), run(2, serde_json::json!({}))]);
        assert_eq!(reports.iter().map(|report| report.id).collect::<Vec<_>>(), [2, 1]);
    }
}
