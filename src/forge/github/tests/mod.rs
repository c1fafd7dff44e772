//! The requests that the adapter sends, and what it makes of the answers, over real HTTP.

mod access;
mod comments;
mod deliveries;
mod errors;
mod people;
mod pulls;
mod reads;
mod reviews;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::{
    domain::ids::ActiveSha,
    forge::{
        Mergeable, Onto, PullRequestState,
        tests::scripted::{Reply, Scripted, TestResult},
    },
};

impl Scripted {
    /// Returns an adapter with a token and short time limits.
    fn forge(&self) -> GitHub {
        self.forge_with(Credentials::Token("s3cret-token".into()), Duration::from_secs(20))
    }

    fn forge_with(&self, credentials: Credentials, call: Duration) -> GitHub {
        let limits =
            Limits { connect: Duration::from_secs(5), call, write_interval: Duration::ZERO, ..Limits::default() };
        GitHub::new(&GitHubOptions { api_url: format!("{}/api/v3", self.url), credentials, limits })
            .expect("because the address and the credentials are well formed")
    }
}

fn shop() -> RepositoryId {
    RepositoryId::new("acme/shop").expect("because it is an owner and a name")
}

fn branch(name: &str) -> BranchName {
    BranchName::new(name).expect("because the tests use plain branch names")
}

/// Returns a pull request as the forge tells it, with fields replaced.
fn pull(number: u64, fields: Value) -> Value {
    let mut body = json!({
        "number": number, "state": "open", "title": "Promote dev", "html_url": format!("https://forge/pull/{number}"),
        "draft": false, "created_at": "2026-01-01T00:00:00Z", "closed_at": null, "merged_at": null,
        "merge_commit_sha": null, "mergeable": true, "mergeable_state": "clean",
        "head": {"ref": "env/dev-next", "sha": "head-1"}, "base": {"ref": "env/dev", "sha": "base-1"},
    });
    let object = body.as_object_mut().expect("because it was built as an object");
    object.extend(fields.as_object().expect("because the tests pass objects").clone());
    body
}

fn merged(number: u64, head: &str) -> Value {
    pull(
        number,
        json!({
            "state": "closed", "merged_at": "2026-01-02T00:00:00Z", "closed_at": "2026-01-02T00:00:00Z",
            "merge_commit_sha": "merge-1", "merged_by": {"id": 7, "login": "ada"}, "mergeable": null,
            "head": {"ref": "env/dev-next", "sha": head},
        }),
    )
}

fn merge() -> Merge {
    Merge {
        expected_head: "head-1".into(),
        onto: Onto { branch: branch("env/dev"), head: ActiveSha::new("base-1").expect("because it is a word") },
        method: crate::domain::strategy::MergeMethod::Squash,
        title: "Promote".into(),
        message: "Trailer: 1".into(),
    }
}

fn new_pull() -> NewPullRequest {
    NewPullRequest { head: branch("env/dev-next"), base: branch("env/dev"), title: "T".into(), body: "B".into() }
}

fn time(text: &str) -> Timestamp {
    text.parse().expect("because the tests use RFC 3339")
}
