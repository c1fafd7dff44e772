//! The requests that the adapter sends, and what it makes of the answers, over real HTTP.
//!
//! What is in `recorded` was answered by a Gitea 1.26.0. What needs the forge's own behaviour is told in
//! `tests/it/gitea`, on a real one.

mod lists;
mod merging;
mod trouble;

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::{
    domain::ids::ActiveSha,
    forge::{
        Onto,
        tests::scripted::{Reply, Scripted, TestResult},
    },
};

macro_rules! recorded {
    ($name:literal) => {
        serde_json::from_str::<serde_json::Value>(include_str!(concat!("recorded/", $name, ".json")))
            .expect("because a forge has answered it")
    };
}
use recorded;

/// The head of the recorded pull request.
const HEAD: &str = "478f1359db41f9da9a25d5d4a0dec65543eb6948";
/// Where its base is.
const BASE: &str = "abe578c7848ceded9cb3ad9446ff2d0fbd401995";
const ONE: PullRequestNumber = PullRequestNumber(1);

/// Returns an adapter with short time limits.
fn forge(server: &Scripted) -> Gitea {
    forge_with(server, Duration::from_secs(20))
}

fn forge_with(server: &Scripted, call: Duration) -> Gitea {
    let limits = Limits { connect: Duration::from_secs(5), call, write_interval: Duration::ZERO, ..Limits::default() };
    let api_url = format!("{}/api/v1", server.url);
    let mut forge = Gitea::new(&GiteaOptions { api_url, token: "s3cret-token".into(), limits })
        .expect("because the address and the token are well formed");
    // Long enough for three looks on a machine that is busy.
    forge.merge_patience = Duration::from_secs(3);
    forge
}

fn shop() -> RepositoryId {
    RepositoryId::new("acme/shop").expect("because it is an owner and a name")
}

fn branch(name: &str) -> BranchName {
    BranchName::new(name).expect("because the tests use plain branch names")
}

/// Returns the recorded pull request with fields replaced.
fn pull(number: u64, fields: Value) -> Value {
    let mut body = recorded!("opened");
    let object = body.as_object_mut().expect("because it is an object");
    object.insert("number".into(), json!(number));
    object.extend(fields.as_object().expect("because the tests pass objects").clone());
    body
}

/// Returns what the forge keeps of the heads of pull requests.
fn refs(heads: &[(u64, &str)]) -> Reply {
    let head = |(number, sha): &(u64, &str)| json!({"ref": format!("refs/pull/{number}/head"), "object": {"type": "commit", "sha": sha}});
    Reply::json(200, heads.iter().map(head).collect())
}
