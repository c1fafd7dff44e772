//! Commit statuses in their pipelines.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::face::{Answer, World, error, now, sample, user};

/// Every pipeline and every report.
#[derive(Default)]
pub(super) struct Reports {
    pub(super) pipelines: Vec<Pipeline>,
    all: Vec<Report>,
}

/// One pipeline.
pub(super) struct Pipeline {
    pub(super) id: u64,
    pub(super) sha: String,
    pub(super) branch: String,
    pub(super) source: &'static str,
}

struct Report {
    id: u64,
    pipeline: u64,
    by: u64,
    name: String,
    state: String,
    description: String,
    created_at: String,
    finished_at: Option<String>,
}

impl Reports {
    /// Returns the pipelines of a commit, newest first.
    pub(super) fn pipelines(&self, query: &BTreeMap<String, String>) -> Answer {
        let fits = |pipeline: &&Pipeline| query.get("sha").is_none_or(|sha| *sha == pipeline.sha);
        let shown = |pipeline: &Pipeline| {
            json!({"id": pipeline.id, "sha": pipeline.sha, "ref": pipeline.branch, "source": pipeline.source,
                "status": self.pipeline_state(pipeline.id)})
        };
        (200, self.pipelines.iter().rev().filter(fits).map(shown).collect())
    }

    fn pipeline_state(&self, id: u64) -> &'static str {
        let states: Vec<&str> = self.latest(id).iter().map(|report| report.state.as_str()).collect();
        let is = |wanted: &str| states.contains(&wanted);
        if is("failed") {
            "failed"
        } else if states.is_empty() || is("pending") || is("running") {
            "pending"
        } else {
            "success"
        }
    }

    fn latest(&self, pipeline: u64) -> Vec<&Report> {
        let mut latest: BTreeMap<&str, &Report> = BTreeMap::new();
        for report in self.all.iter().filter(|report| report.pipeline == pipeline) {
            latest.insert(&report.name, report);
        }
        latest.into_values().collect()
    }

    /// Says whether the newest pipeline of a commit succeeded.
    pub(super) fn has_succeeded(&self, sha: &str) -> bool {
        let newest = self.pipelines.iter().rev().find(|pipeline| pipeline.sha == sha);
        newest.is_some_and(|pipeline| self.pipeline_state(pipeline.id) == "success")
    }

    /// Returns the reports about a commit, over all its pipelines, newest first.
    pub(super) fn list(&self, sha: &str, query: &BTreeMap<String, String>) -> Answer {
        let of_commit: Vec<&Pipeline> = self.pipelines.iter().filter(|pipeline| pipeline.sha == sha).collect();
        let fits = |report: &&Report| {
            of_commit.iter().any(|pipeline| pipeline.id == report.pipeline)
                && query.get("name").is_none_or(|name| *name == report.name)
        };
        (200, self.all.iter().rev().filter(fits).map(Report::shown).collect())
    }
}

impl World {
    /// Makes a pipeline; returns its id.
    pub(super) fn make_pipeline(&mut self, sha: &str, branch: &str, source: &'static str) -> u64 {
        let id = self.id();
        self.reports.pipelines.push(Pipeline { id, sha: sha.to_owned(), branch: branch.to_owned(), source });
        id
    }

    /// Takes a report, into the pipeline that is named, or the newest that fits, or one that is made for it.
    pub(super) fn post_status(&mut self, by: u64, sha: &str, body: &Value) -> Answer {
        let text = |name: &str| body[name].as_str();
        let wanted = text("pipeline_id").map(|id| id.parse::<u64>().unwrap_or_default());
        let fits = |pipeline: &&Pipeline| {
            pipeline.sha == sha
                && wanted.is_none_or(|id| id == pipeline.id)
                && text("ref").is_none_or(|branch| branch == pipeline.branch)
        };
        let pipeline = match self.reports.pipelines.iter().rev().find(fits) {
            Some(pipeline) => pipeline.id,
            None if wanted.is_some() => return error(404, "404 Pipeline for pipeline_id, sha and ref Not Found"),
            None => {
                let holding = self.git.branches_with(sha);
                let Some(branch) = text("ref").or(holding[0]["name"].as_str()) else {
                    return error(404, "404 References for commit Not Found");
                };
                self.make_pipeline(sha, branch, "external")
            }
        };
        let (name, state) = (text("name").unwrap_or("default"), text("state").unwrap_or_default());
        let is_over = !matches!(state, "pending" | "running");
        let unfinished =
            |report: &&mut Report| report.pipeline == pipeline && report.name == name && report.finished_at.is_none();
        let report = match self.reports.all.iter_mut().find(unfinished) {
            Some(report) if state == "pending" || report.state == state => {
                let words = format!("Cannot transition status via :enqueue from :{} (Reason(s): …)", report.state);
                return error(400, words);
            }
            Some(report) => {
                report.state = state.to_owned();
                report.finished_at = is_over.then(now);
                report.shown()
            }
            None => {
                let report = Report {
                    id: self.id(),
                    pipeline,
                    by,
                    name: name.to_owned(),
                    state: state.to_owned(),
                    description: text("description").unwrap_or_default().to_owned(),
                    created_at: now(),
                    finished_at: is_over.then(now),
                };
                let shown = report.shown();
                self.reports.all.push(report);
                shown
            }
        };
        let mut payload = sample(include_str!("../../data/webhooks-gitlab/pipeline.json"));
        payload["project"]["path_with_namespace"] = json!("acme/web/shop");
        payload["object_attributes"]["sha"] = json!(sha);
        self.deliveries.push(("Pipeline Hook".to_owned(), payload));
        (201, report)
    }
}

impl Report {
    fn shown(&self) -> Value {
        json!({"id": self.id, "name": self.name, "status": self.state, "description": self.description,
            "created_at": self.created_at, "started_at": null, "finished_at": self.finished_at,
            "allow_failure": false, "pipeline_id": self.pipeline, "author": user(self.by)})
    }
}
