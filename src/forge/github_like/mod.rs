//! The part of GitHub's API that Gitea took over as it is: the same paths, fields and codes.
//!
//! A call stands here when both forges take it and answer it in the same way. What only looks alike (lists and their
//! pages, merging, who may do what) stays with each adapter. Routes are named with GitHub's placeholders.

pub(super) mod comments;
pub(super) mod hooks;
pub(super) mod pulls;
pub(super) mod statuses;

use serde::de::DeserializeOwned;

use super::{
    ForgeError,
    calls::{Call, Client, Transport, named},
};
use crate::domain::ids::RepositoryId;

/// What an account lacks that may not push.
pub(super) const LACKS_WRITE: &str = "write access, to push, merge and report";

/// Reads what the forge says about a repository.
pub(super) async fn repository<T: Transport, B: DeserializeOwned>(
    client: &Client<T>,
    repository: &RepositoryId,
) -> Result<B, ForgeError> {
    let call = Call::new(
        "/repos/{owner}/{repo}",
        format!("/repos/{repository}"),
        format!("show the repository `{repository}`"),
    );
    client.get(&call).await.map_err(|error| named(error, || format!("the repository `{repository}`")))
}
