//! The heads of pull requests that have ended.
//!
//! Gitea tells the head of a pull request from its branch, as the branch is *now*. The proposed branch of an
//! environment goes on to the next proposal, so every earlier pull request would seem to hold that one. What a pull
//! request held is kept by the forge in `refs/pull/N/head`, which it moves only while the pull request is open.

use std::{collections::HashMap, sync::Mutex};

use jiff::Timestamp;
use serde::Deserialize;

use super::{client::Client, model::PullBody};
use crate::{
    domain::ids::{PullRequestNumber, RepositoryId},
    forge::{
        ForgeError, PullRequest, PullRequestState,
        calls::{Call, lock},
    },
};

/// The most heads that are remembered; all are forgotten when there are more.
const REMEMBERED: usize = 20_000;
/// From so many unknown ones on, all are asked for at once.
const ALL_FROM: usize = 4;

/// Heads that do not change any more, unless the pull request is opened again.
#[derive(Debug, Default)]
pub(super) struct Heads {
    ended: Mutex<HashMap<(RepositoryId, u64), Ended>>,
}

/// How a pull request ended.
#[derive(Debug)]
struct Ended {
    /// When; another time shows that it was opened again in between.
    at: Option<Timestamp>,
    head: String,
}

/// References are listed by prefix; an exact one may also come alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum RefsBody {
    One(RefBody),
    Many(Vec<RefBody>),
}

#[derive(Deserialize)]
struct RefBody {
    #[serde(rename = "ref")]
    name: String,
    object: ObjectBody,
}

#[derive(Deserialize)]
struct ObjectBody {
    sha: String,
}

impl Heads {
    /// Returns the pull requests with the heads that they have, or had when they ended.
    pub(super) async fn resolve(
        &self,
        client: &Client,
        repository: &RepositoryId,
        bodies: Vec<PullBody>,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        let unknown: Vec<u64> = bodies
            .iter()
            .filter(|body| body.state() != PullRequestState::Open && self.known(repository, body).is_none())
            .map(|body| body.number)
            .collect();
        let mut read = HashMap::new();
        if unknown.len() >= ALL_FROM {
            read = heads(client, repository, "pull").await?;
        } else {
            for number in unknown {
                read.extend(heads(client, repository, &format!("pull/{number}/head")).await?);
            }
        }
        let resolved = bodies.into_iter().map(|body| {
            let head = match body.state() {
                PullRequestState::Open => body.head.sha.clone(),
                // Without its reference nobody knows what it held.
                _ => match self.known(repository, &body) {
                    Some(known) => known,
                    None => self.remember(repository, &body, read.get(&body.number).cloned().unwrap_or_default()),
                },
            };
            body.pull_request(head)
        });
        Ok(resolved.collect())
    }

    fn known(&self, repository: &RepositoryId, body: &PullBody) -> Option<String> {
        let ended = lock(&self.ended);
        let known = ended.get(&(repository.clone(), body.number)).filter(|known| known.at == body.closed_at)?;
        Some(known.head.clone())
    }

    fn remember(&self, repository: &RepositoryId, body: &PullBody, head: String) -> String {
        let mut ended = lock(&self.ended);
        if ended.len() >= REMEMBERED {
            ended.clear();
        }
        ended.insert((repository.clone(), body.number), Ended { at: body.closed_at, head: head.clone() });
        head
    }
}

/// Returns the head that the forge itself has taken in for a pull request; none when it has taken in none.
pub(super) async fn taken_in(
    client: &Client,
    repository: &RepositoryId,
    number: PullRequestNumber,
) -> Result<Option<String>, ForgeError> {
    let mut found = heads(client, repository, &format!("pull/{}/head", number.0)).await?;
    Ok(found.remove(&number.0))
}

/// Reads the heads of pull requests by number, from the references with this prefix.
async fn heads(client: &Client, repository: &RepositoryId, prefix: &str) -> Result<HashMap<u64, String>, ForgeError> {
    let call = Call::new(
        "/repos/{owner}/{repo}/git/refs/{ref}",
        format!("/repos/{repository}/git/refs/{prefix}"),
        format!("list the heads of pull requests of `{repository}`"),
    );
    let refs = match client.get(&call).await {
        Ok(RefsBody::One(one)) => vec![one],
        Ok(RefsBody::Many(many)) => many,
        Err(ForgeError::NotFound { .. }) => Vec::new(),
        Err(error) => return Err(error),
    };
    let number = |name: &str| name.strip_prefix("refs/pull/")?.strip_suffix("/head")?.parse().ok();
    Ok(refs.into_iter().filter_map(|head| Some((number(&head.name)?, head.object.sha))).collect())
}
