//! Commit statuses, and check runs as the jobs that GitLab keeps in the same list. Each commit has one pipeline, from its
//! first report on.

use axum::http::Method;
use serde_json::{Value, json};

use super::{PER_PAGE, Page, Request};
use crate::gitlab::face::{Answer, error};

impl Request<'_> {
    pub(super) async fn reports(&self, project: &str, path: &[&str]) -> Result<Page, Answer> {
        match (self.method, path) {
            ("GET", ["pipelines"]) => {
                let sha = self.query.get("sha").map_or("", String::as_str);
                let reports = self.list(project, sha).await?;
                let one = json!({"id": pipeline(sha), "sha": sha, "ref": "main", "source": "external"});
                Ok(Page::one(if reports.is_empty() { json!([]) } else { json!([one]) }))
            }
            ("POST", ["statuses", sha]) => self.post_status(project, sha).await.map(Page::one),
            ("GET", ["repository", "commits", sha, "statuses"]) => {
                let mut page = self.page(&format!("{project}/commits/{sha}/statuses?{PER_PAGE}")).await?;
                let name = self.query.get("name");
                let fits = |report: &&Value| name.is_none_or(|name| report["context"] == name.as_str());
                let statuses = page.entries.as_array().into_iter().flatten().filter(fits);
                let mut shown: Vec<Value> = statuses.map(|status| self.shown_status(sha, status)).collect();
                if self.query.get("page").is_none_or(|page| page == "1") {
                    shown.extend(
                        self.jobs(project, sha)
                            .await?
                            .into_iter()
                            .filter(|job| name.is_none_or(|name| job["name"] == name.as_str())),
                    );
                }
                page.entries = json!(shown);
                Ok(page)
            }
            _ => Err(error(404, "404 Not Found")),
        }
    }

    async fn list(&self, project: &str, sha: &str) -> Result<Vec<Value>, Answer> {
        let list = self.get(&format!("{project}/commits/{sha}/statuses?{PER_PAGE}")).await?;
        Ok(list.as_array().cloned().unwrap_or_default())
    }

    /// Takes a report; what waits cannot begin to wait.
    async fn post_status(&self, project: &str, sha: &str) -> Result<Value, Answer> {
        let reports = self.list(project, sha).await?;
        if self.text("pipeline_id").is_some_and(|id| reports.is_empty() || id != pipeline(sha).to_string()) {
            return Err(error(404, "404 Pipeline for pipeline_id, sha and ref Not Found"));
        }
        let state = match self.text("state") {
            Some("pending" | "running") => "pending",
            Some("success") => "success",
            Some("failed") => "failure",
            _ => "error",
        };
        let context = self.text("name").unwrap_or("default");
        let newest = reports.iter().find(|report| report["context"] == context);
        if state == "pending" && newest.is_some_and(|report| report["state"] == "pending") {
            return Err(error(400, "Cannot transition status via :enqueue from :pending (Reason(s): …)"));
        }
        let body = json!({"state": state, "context": context, "description": self.text("description"),
            "target_url": self.text("target_url")});
        let posted = self.ask(Method::POST, &format!("{project}/statuses/{sha}"), &body).await?;
        Ok(self.shown_status(sha, &posted))
    }

    fn shown_status(&self, sha: &str, status: &Value) -> Value {
        let word = match status["state"].as_str() {
            Some("success") => "success",
            Some("failure") => "failed",
            Some("error") => "canceled",
            _ => "pending",
        };
        let at = &status["created_at"];
        json!({"id": status["id"], "name": status["context"], "status": word, "description": status["description"],
            "created_at": at, "started_at": null, "finished_at": if word == "pending" { &Value::Null } else { at },
            "allow_failure": false, "pipeline_id": pipeline(sha), "author": self.shown_user(&status["creator"]["id"])})
    }

    async fn jobs(&self, project: &str, sha: &str) -> Result<Vec<Value>, Answer> {
        let runs = self.get(&format!("{project}/commits/{sha}/check-runs?filter=all&{PER_PAGE}")).await?;
        let shown = |run: &Value| {
            let word = match (run["status"].as_str(), run["conclusion"].as_str()) {
                (Some("completed"), Some("success" | "neutral" | "skipped")) => "success",
                (Some("completed"), Some("cancelled" | "stale")) => "canceled",
                (Some("completed"), _) => "failed",
                _ => "running",
            };
            json!({"id": run["id"], "name": run["name"], "status": word, "description": run["output"]["title"],
                "created_at": run["started_at"], "started_at": run["started_at"], "finished_at": run["completed_at"],
                "allow_failure": false, "pipeline_id": pipeline(sha), "author": null})
        };
        Ok(runs["check_runs"].as_array().into_iter().flatten().map(shown).collect())
    }
}

/// Returns the id of the pipeline of a commit.
fn pipeline(sha: &str) -> u64 {
    u64::from_str_radix(sha.get(..12).unwrap_or_default(), 16).unwrap_or_default()
}
