//! Writing commit statuses.

use http::Method;
use serde::Serialize;

use crate::{
    domain::ids::RepositoryId,
    forge::{
        ForgeError, NewStatus,
        calls::{Call, Client, Importance, Transport, encoded},
    },
};

#[derive(Serialize)]
struct StatusRequest<'a> {
    state: &'static str,
    context: &'a str,
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_url: Option<&'a str>,
}

/// Posts a commit status.
pub(in crate::forge) async fn post<T: Transport>(
    client: &Client<T>,
    repository: &RepositoryId,
    sha: &str,
    status: &NewStatus,
) -> Result<(), ForgeError> {
    let call = Call::new(
        "/repos/{owner}/{repo}/statuses/{sha}",
        format!("/repos/{repository}/statuses/{}", encoded(sha)),
        format!("post the status `{}` on `{sha}` of `{repository}`", status.key),
    )
    .of(Importance::Status);
    let request = StatusRequest {
        state: status.state.word(),
        context: status.key.as_str(),
        description: status.short_description(),
        target_url: status.target_url.as_deref(),
    };
    client.write(Method::POST, &call, &request).await.map(drop)
}
