//! The requests that the adapter sends, and what it makes of the answers, over real HTTP.
//!
//! Answers have the shape of the samples in `tests/data/gitlab`, with fields replaced. What needs GitLab's own behaviour
//! is told in `tests/it/gitlab`, on a server that has it.

mod diagnosis;
mod lists;
mod merging;
mod people;
mod trouble;

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::{
    domain::{
        ids::{ActiveSha, StatusKey},
        status::StatusState,
        strategy::MergeMethod,
    },
    forge::{
        HeadIn, Mergeable, Onto, PullRequestState,
        tests::scripted::{Reply, Scripted, TestResult},
    },
};

macro_rules! sample {
    ($name:literal) => {
        serde_json::from_str::<serde_json::Value>(include_str!(concat!(
            "../../../../tests/data/gitlab/",
            $name,
            ".json"
        )))
        .expect("because the sample is JSON")
    };
}
use sample;

const ONE: PullRequestNumber = PullRequestNumber(1);

/// Returns an adapter with short time limits.
fn forge(server: &Scripted) -> GitLab {
    forge_with(server, Duration::from_secs(20))
}

fn forge_with(server: &Scripted, call: Duration) -> GitLab {
    let limits = Limits { connect: Duration::from_secs(5), call, write_interval: Duration::ZERO, ..Limits::default() };
    let api_url = format!("{}/api/v4", server.url);
    GitLab::new(&GitLabOptions { api_url, token: "s3cret-token".into(), limits })
        .expect("because the address and the token are well formed")
}

fn shop() -> RepositoryId {
    RepositoryId::new("acme/shop").expect("because it is an owner and a name")
}

fn branch(name: &str) -> BranchName {
    BranchName::new(name).expect("because the tests use plain branch names")
}

/// Returns the sample of a merge request, mergeable and with fields replaced.
fn pull(number: u64, fields: Value) -> Value {
    let mut body = sample!("merge_request.get");
    let object = body.as_object_mut().expect("because it is an object");
    let ours = json!({"iid": number, "sha": "head-1", "source_branch": "env/dev-next", "target_branch": "env/dev",
        "draft": false, "user": {"can_merge": true}, "merge_commit_sha": null, "squash_commit_sha": null});
    for fields in [&ours, &fields] {
        object.extend(fields.as_object().expect("because the tests pass objects").clone());
    }
    body
}

fn merged(number: u64, head: &str) -> Value {
    pull(
        number,
        json!({"state": "merged", "sha": head, "merge_commit_sha": "merge-1",
        "merged_at": "2026-01-02T00:00:00.000Z", "merge_user": {"id": 7, "username": "ada"}}),
    )
}

fn project(fields: Value) -> Reply {
    let mut body = json!({"id": 5, "default_branch": "main", "web_url": "https://gitlab.example.com/acme/shop",
        "visibility": "private", "merge_method": "merge", "squash_option": "default_off"});
    let object = body.as_object_mut().expect("because it was built as an object");
    object.extend(fields.as_object().expect("because the tests pass objects").clone());
    Reply::json(200, body)
}

fn merge(method: MergeMethod) -> Merge {
    let onto = Onto { branch: branch("env/dev"), head: ActiveSha::new("base-1").expect("because it is a word") };
    Merge { expected_head: "head-1".into(), onto, method, title: "Promote".into(), message: "Trailer: 1".into() }
}

fn new_pull() -> NewPullRequest {
    NewPullRequest { head: branch("env/dev-next"), base: branch("env/dev"), title: "T".into(), body: "B".into() }
}

fn status(state: StatusState) -> NewStatus {
    let key = StatusKey::new("hydromote/dev").expect("because it is a key");
    NewStatus { key, state, description: "Waits".into(), target_url: Some("https://hydromote/x".into()) }
}

fn report(id: u64, name: &str, state: &str) -> Value {
    json!({"id": id, "sha": "abc", "ref": "env/dev-next", "status": state, "name": name, "target_url": null,
        "description": "ok", "created_at": "2026-01-19T09:05:50.355Z", "started_at": null, "finished_at": null,
        "allow_failure": false, "author": {"id": 28, "username": "hydromote-bot"}})
}

fn pipelines(list: &[(u64, &str)]) -> Reply {
    let one = |(id, source): &(u64, &str)| json!({"id": id, "iid": 3, "project_id": 1, "sha": "abc", "ref": "env/dev-next", "status": "success", "source": source});
    Reply::json(200, list.iter().map(one).collect())
}

fn time(text: &str) -> Timestamp {
    text.parse().expect("because the tests use RFC 3339")
}
