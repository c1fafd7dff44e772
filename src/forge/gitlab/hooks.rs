//! Webhooks of a project, which GitLab stops sending to when deliveries fail: for a while after four in a row, longer each
//! time, and in the end for good. A test that arrives begins it again:
//! <https://docs.gitlab.com/user/project/integrations/webhooks/#auto-disabled-webhooks>.

use std::collections::BTreeMap;

use http::Method;
use jiff::Timestamp;
use serde::Deserialize;

use super::client::Client;
use crate::{
    domain::ids::RepositoryId,
    forge::{
        ForgeError, WebhookSeen, WebhookStanding,
        calls::{Call, Importance, encoded},
        deliveries::is_same_address,
    },
};

/// The most pages of webhooks.
const MAX_PAGES: usize = 2;

#[derive(Deserialize)]
struct HookBody {
    id: u64,
    url: String,
    #[serde(default)]
    push_events: bool,
    #[serde(default)]
    merge_requests_events: bool,
    #[serde(default)]
    note_events: bool,
    #[serde(default)]
    pipeline_events: bool,
    #[serde(default)]
    job_events: bool,
    /// Since GitLab 15.
    alert_status: Option<String>,
    disabled_until: Option<Timestamp>,
}

/// Returns the webhooks of a project that send to `address`; whoever is no maintainer is not shown them.
pub(super) async fn seen(
    client: &Client,
    repository: &RepositoryId,
    address: &str,
) -> Result<Vec<WebhookSeen>, ForgeError> {
    let path = format!("/projects/{}/hooks", encoded(repository.as_str()));
    let call = Call::new("/projects/{id}/hooks", path, format!("list the webhooks of `{repository}`"));
    let hooks: Vec<HookBody> = client.pages(&call.of(Importance::Comment), MAX_PAGES).await?;
    let ours = hooks.into_iter().filter(|hook| is_same_address(&hook.url, address));
    Ok(ours.map(HookBody::seen).collect())
}

impl HookBody {
    fn seen(self) -> WebhookSeen {
        let triggers = [
            ("Push events", self.push_events),
            ("Comments", self.note_events),
            ("Merge request events", self.merge_requests_events),
            ("Pipeline events", self.pipeline_events),
            ("Job events", self.job_events),
        ];
        let standing = match (self.alert_status.as_deref(), self.disabled_until) {
            (Some("disabled"), _) => WebhookStanding::Disabled,
            (Some("temporarily_disabled"), Some(until)) => WebhookStanding::Paused { until },
            _ => WebhookStanding::Sends,
        };
        let lacks = triggers.into_iter().filter(|(_, is_on)| !is_on).map(|(name, _)| name).collect();
        WebhookSeen { id: self.id, standing, lacks, failed: None }
    }
}

/// Has GitLab send a push to a webhook, as a test; when it arrives, the webhook is on again.
pub(super) async fn test(client: &Client, repository: &RepositoryId, id: u64) -> Result<(), ForgeError> {
    let call = Call::new(
        "/projects/{id}/hooks/{hook_id}/test/{trigger}",
        format!("/projects/{}/hooks/{id}/test/push_events", encoded(repository.as_str())),
        format!("test the webhook {id} of `{repository}`"),
    );
    client.write(Method::POST, &call.of(Importance::Comment), &BTreeMap::<String, String>::new()).await.map(drop)
}
