//! Webhooks as GitLab sends them.

use std::sync::Arc;

use async_trait::async_trait;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::{Front, requests::state};
use crate::{
    gitlab::face::sample,
    proxy::{Asked, Behind, Between, Fate, Told},
};

/// Stands where the local forge tells the service, and tells it as GitLab does.
pub(crate) struct Herald {
    pub(crate) front: Arc<Front>,
    /// The path that is told so; what is told elsewhere is passed on as it is.
    pub(crate) path: String,
    /// The secret, which GitLab sends.
    pub(crate) token: String,
}

#[async_trait]
impl Between for Herald {
    async fn decide(&self, asked: Asked, behind: &Arc<Behind>) -> Fate {
        if asked.path != self.path {
            return Fate::Answered(behind.ask(&asked).await);
        }
        let header = |name: &str| asked.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (event, id) = (header("x-github-event"), header("x-github-delivery").to_owned());
        let payload: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        let Some((event, body)) = self.translated(event, &payload) else {
            return Fate::Answered(Told::made_up(200, "text/plain", &[], "GitLab does not tell of this"));
        };
        let mut headers = HeaderMap::new();
        for (name, value) in [("x-gitlab-event", event), ("idempotency-key", &id), ("x-gitlab-token", &self.token)] {
            let value = HeaderValue::from_str(value).expect("because these are plain words");
            headers.insert(HeaderName::from_static(name), value);
        }
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        let (method, path) = (asked.method.clone(), asked.path.clone());
        Fate::Answered(behind.ask(&Asked { method, path, headers, body: body.to_string().into() }).await)
    }
}

impl Herald {
    /// Returns GitLab's name of an event and its payload; none when GitLab has no such event.
    fn translated(&self, event: &str, told: &Value) -> Option<(&'static str, Value)> {
        let (name, mut payload) = match event {
            "push" => ("Push Hook", push(told)),
            "pull_request" => {
                self.front.note_head(&told["pull_request"]);
                let action = match (told["action"].as_str(), told["pull_request"]["merged_at"].is_null()) {
                    (Some("opened"), _) => "open",
                    (Some("reopened"), _) => "reopen",
                    (Some("closed"), true) => "close",
                    (Some("closed"), false) => "merge",
                    _ => "update",
                };
                ("Merge Request Hook", merge_request(&told["pull_request"], action))
            }
            "pull_request_review" => {
                let action = match told["review"]["state"].as_str() {
                    Some("approved") => "approved",
                    Some("dismissed") => "unapproved",
                    _ => "update",
                };
                ("Merge Request Hook", merge_request(&told["pull_request"], action))
            }
            "issue_comment" => ("Note Hook", note(told)),
            "status" => ("Pipeline Hook", pipeline(&told["sha"])),
            "check_run" => ("Job Hook", job(&told["check_run"])),
            _ => return None,
        };
        payload["project"]["path_with_namespace"] = told["repository"]["full_name"].clone();
        Some((name, payload))
    }
}

fn push(told: &Value) -> Value {
    let mut payload = sample(include_str!("../../../data/webhooks-gitlab/push.json"));
    for field in ["ref", "before", "after"] {
        payload[field] = told[field].clone();
    }
    payload
}

fn merge_request(pull: &Value, action: &str) -> Value {
    let mut payload = sample(include_str!("../../../data/webhooks-gitlab/merge_request.json"));
    let fields = json!({"iid": pull["number"], "state": state(pull), "action": action,
        "source_branch": pull["head"]["ref"], "target_branch": pull["base"]["ref"],
        "last_commit": {"id": pull["head"]["sha"]}});
    let attributes = payload["object_attributes"].as_object_mut().expect("because the sample has them");
    attributes.extend(fields.as_object().expect("because it was built as an object").clone());
    payload
}

fn note(told: &Value) -> Value {
    let mut payload = sample(include_str!("../../../data/webhooks-gitlab/note_merge_request.json"));
    let author = &told["comment"]["user"];
    payload["user"] = json!({"id": author["id"], "username": author["login"], "name": author["login"]});
    payload["merge_request"]["iid"] = told["issue"]["number"].clone();
    payload["object_attributes"]["id"] = told["comment"]["id"].clone();
    payload["object_attributes"]["action"] = json!(if told["action"] == "created" { "create" } else { "update" });
    payload
}

fn pipeline(sha: &Value) -> Value {
    let mut payload = sample(include_str!("../../../data/webhooks-gitlab/pipeline.json"));
    payload["object_attributes"]["sha"] = sha.clone();
    payload
}

fn job(run: &Value) -> Value {
    let mut payload = sample(include_str!("../../../data/webhooks-gitlab/build.json"));
    (payload["sha"], payload["build_name"]) = (run["head_sha"].clone(), run["name"].clone());
    payload
}
