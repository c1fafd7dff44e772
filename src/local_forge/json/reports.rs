//! Commit statuses, check runs and suites, deliveries, deployments.

use serde_json::{Value, json};

use super::{View, node_id};
use crate::local_forge::{
    report::{self, CheckRun, Status, StatusState},
    repository::CommitInfo,
    state::{Delivery, Deployment, Repository},
};

impl View<'_> {
    /// Returns a status as in the list of all reports, or, without its creator, as in the combined answer.
    pub(in crate::local_forge) fn status(self, repository: &Repository, status: &Status) -> Value {
        let api = self.urls.repository(&repository.full_name());
        let creator = self.user(&status.creator);
        json!({
            "url": format!("{api}/statuses/{}", status.sha),
            "avatar_url": creator["avatar_url"],
            "id": status.id,
            "node_id": node_id("StatusContext", status.id),
            "state": status.state.word(),
            "description": status.description,
            "target_url": status.target_url,
            "context": status.context,
            "created_at": status.created_at.to_string(),
            "updated_at": status.created_at.to_string(),
            "creator": creator,
        })
    }

    /// Returns what the statuses of a commit add up to; `shown` is one page of the latest ones.
    pub(in crate::local_forge) fn combined_status(self, repository: &Repository, sha: &str, shown: &[Value]) -> Value {
        let key = repository.full_name();
        let api = self.urls.repository(&key);
        let latest = report::latest_statuses(repository, sha);
        json!({
            "state": report::combined(latest.iter().map(|status| status.state)).word(),
            "statuses": shown,
            "sha": sha,
            "total_count": latest.len(),
            "repository": self.repository(repository, None),
            "commit_url": format!("{api}/commits/{sha}"),
            "url": format!("{api}/commits/{sha}/status"),
        })
    }

    /// Returns a check run.
    pub(in crate::local_forge) fn check_run(self, repository: &Repository, run: &CheckRun) -> Value {
        let key = repository.full_name();
        let url = format!("{}/check-runs/{}", self.urls.repository(&key), run.id);
        let page = format!("{}/commit/{}", self.urls.repository_page(&key), run.sha);
        json!({
            "id": run.id,
            "head_sha": run.sha,
            "node_id": node_id("CheckRun", run.id),
            "external_id": run.external_id.clone().unwrap_or_default(),
            "url": url,
            "html_url": page,
            "details_url": run.details_url.as_ref().unwrap_or(&page),
            "status": run.status,
            "conclusion": run.conclusion,
            "started_at": run.started_at.to_string(),
            "completed_at": run.completed_at.map(|at| at.to_string()),
            "output": {
                "title": run.title,
                "summary": run.summary,
                "text": run.text,
                "annotations_count": 0,
                "annotations_url": format!("{url}/annotations"),
            },
            "name": run.name,
            "check_suite": {"id": run.suite},
            "app": self.app(repository, run.app()),
            "pull_requests": self.pulls_of(repository, &run.sha),
        })
    }

    /// Returns the suite of a commit.
    pub(in crate::local_forge) fn check_suite(
        self,
        repository: &Repository,
        sha: &str,
        id: u64,
        commit: &CommitInfo,
    ) -> Value {
        let api = self.urls.repository(&repository.full_name());
        let url = format!("{api}/check-suites/{id}");
        let runs = report::latest_check_runs(repository, sha);
        let sum = report::combined(runs.iter().map(|run| run.outcome()));
        let (status, conclusion) = match sum {
            StatusState::Pending => ("in_progress", None),
            StatusState::Success => ("completed", Some("success")),
            StatusState::Failure | StatusState::Error => ("completed", Some("failure")),
        };
        let branch = repository.refs.iter().find(|(name, at)| *at == sha && name.starts_with("refs/heads/"));
        json!({
            "id": id,
            "node_id": node_id("CheckSuite", id),
            "head_branch": branch.and_then(|(name, _)| name.strip_prefix("refs/heads/")),
            "head_sha": sha,
            "status": status,
            "conclusion": conclusion,
            "url": url,
            "before": commit.parents.first(),
            "after": sha,
            "pull_requests": self.pulls_of(repository, sha),
            "app": runs.first().map(|run| self.app(repository, run.app())),
            "repository": self.repository(repository, None),
            "created_at": commit.committer.at.to_string(),
            "updated_at": runs.iter().map(|run| run.completed_at.unwrap_or(run.started_at)).max().map(|at| at.to_string()),
            "head_commit": self.simple_commit(commit),
            "latest_check_runs_count": runs.len(),
            "check_runs_url": format!("{url}/check-runs"),
        })
    }

    /// Returns the App in whose name a check run was made.
    fn app(self, repository: &Repository, slug: &str) -> Value {
        let created = repository.created_at.to_string();
        json!({
            "id": 1,
            "slug": slug,
            "node_id": node_id("App", 1),
            "owner": self.user(&repository.owner),
            "name": slug,
            "description": "Check runs of the local forge.",
            "external_url": self.urls.web(),
            "html_url": format!("{}/apps/{slug}", self.urls.web()),
            "created_at": created,
            "updated_at": created,
            "permissions": {"checks": "write", "metadata": "read"},
            "events": [],
        })
    }

    fn pulls_of(self, repository: &Repository, sha: &str) -> Vec<Value> {
        let api = self.urls.repository(&repository.full_name());
        let repo = json!({"id": repository.id, "url": api, "name": repository.name});
        let open = repository.pulls.values().filter(|pull| pull.is_open() && pull.head_sha == sha);
        open.map(|pull| {
            json!({
                "id": pull.id,
                "number": pull.number,
                "url": format!("{api}/pulls/{}", pull.number),
                "head": {"ref": pull.head, "sha": pull.head_sha, "repo": repo},
                "base": {"ref": pull.base, "sha": pull.base_sha, "repo": repo},
            })
        })
        .collect()
    }

    /// Returns a line of a hook's list of deliveries.
    pub(in crate::local_forge) fn delivery(self, repository: &Repository, delivery: &Delivery) -> Value {
        json!({
            "id": delivery.id,
            "guid": delivery.guid,
            "delivered_at": delivery.delivered_at.to_string(),
            "redelivery": delivery.redelivery,
            "duration": delivery.duration,
            "status": delivery.status,
            "status_code": delivery.status_code,
            "event": delivery.event,
            "action": delivery.action,
            "installation_id": null,
            "repository_id": repository.id,
        })
    }

    /// Returns a deployment.
    pub(in crate::local_forge) fn deployment(self, repository: &Repository, deployment: &Deployment) -> Value {
        let api = self.urls.repository(&repository.full_name());
        let url = format!("{api}/deployments/{}", deployment.id);
        json!({
            "url": url,
            "id": deployment.id,
            "node_id": node_id("Deployment", deployment.id),
            "sha": deployment.sha,
            "ref": deployment.reference,
            "task": deployment.task,
            "payload": {},
            "original_environment": deployment.environment,
            "environment": deployment.environment,
            "description": deployment.description,
            "creator": self.user(&deployment.creator),
            "created_at": deployment.created_at.to_string(),
            "updated_at": deployment.created_at.to_string(),
            "statuses_url": format!("{url}/statuses"),
            "repository_url": api,
        })
    }
}
