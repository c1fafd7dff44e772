//! What GitHub delivered, what of it did not arrive, and having it delivered again.

use std::collections::BTreeMap;

use http::{HeaderMap, Method, header};
use jiff::Timestamp;
use serde::Deserialize;
use url::Url;

use super::client::Client;
use crate::{
    domain::ids::RepositoryId,
    forge::{
        ForgeError, MissedDelivery, Webhook, WebhookSeen,
        calls::{Call, Importance, encoded, parse},
        github_like::hooks::{self, HookBody},
    },
};

/// Entries per page, the most that GitHub gives.
const PAGE_SIZE: usize = 100;
/// The most pages that are read: a thousand deliveries.
const MAX_PAGES: usize = 10;
/// How often a delivery is attempted: whatever makes it fail then does so for good.
const MOST_ATTEMPTS: usize = 3;

/// What a webhook must tell of.
const EVENTS: [&str; 7] =
    ["push", "pull_request", "pull_request_review", "issue_comment", "status", "check_run", "check_suite"];

#[derive(Deserialize)]
struct AttemptBody {
    id: u64,
    guid: String,
    delivered_at: Timestamp,
    status_code: u16,
    event: String,
}

impl AttemptBody {
    fn has_arrived(&self) -> bool {
        (200..300).contains(&self.status_code)
    }
}

/// Returns the webhooks of a repository that send to `address`.
pub(super) async fn webhooks(
    client: &Client,
    repository: &RepositoryId,
    address: &str,
) -> Result<Vec<Webhook>, ForgeError> {
    let ours = all(client, repository).await?.into_iter().filter(|hook| hook.sends_to(address));
    Ok(ours.map(|hook| Webhook::OfRepository { repository: repository.clone(), id: hook.id }).collect())
}

/// Returns the webhooks of a repository that send to `address`, and whether they do.
pub(super) async fn seen(
    client: &Client,
    repository: &RepositoryId,
    address: &str,
) -> Result<Vec<WebhookSeen>, ForgeError> {
    Ok(hooks::seen(all(client, repository).await?, address, &EVENTS))
}

async fn all(client: &Client, repository: &RepositoryId) -> Result<Vec<HookBody>, ForgeError> {
    client.pages::<Vec<HookBody>>(&hooks::list(repository), 1).await
}

/// Returns what a webhook delivered at `since` or later and what has not arrived at all, oldest first.
pub(super) async fn missed(
    client: &Client,
    webhook: &Webhook,
    since: Timestamp,
) -> Result<Vec<MissedDelivery>, ForgeError> {
    let (route, path, what) = match webhook {
        Webhook::OfRepository { repository, id } => (
            "/repos/{owner}/{repo}/hooks/{hook_id}/deliveries",
            format!("/repos/{repository}/hooks/{id}/deliveries"),
            format!("list the deliveries of a webhook of `{repository}`"),
        ),
        Webhook::OfApp => (
            "/app/hook/deliveries",
            "/app/hook/deliveries".to_owned(),
            "list the deliveries of the App's webhook".to_owned(),
        ),
    };
    let call = Call::new(route, path, what).of(Importance::Comment);
    let mut attempts: Vec<AttemptBody> = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let after = cursor.map(|cursor| format!("&cursor={}", encoded(&cursor))).unwrap_or_default();
        let answer = client.read(&call, &format!("{}?per_page={PAGE_SIZE}{after}", call.path)).await?;
        // The newest comes first.
        let page: Vec<AttemptBody> = parse(&answer.body, &call.what)?;
        let is_old = page.last().is_none_or(|last| last.delivered_at < since);
        attempts.extend(page);
        cursor = next_cursor(&answer.headers);
        if is_old || cursor.is_none() {
            break;
        }
    }
    Ok(without_arrival(attempts, webhook, since))
}

/// Returns the deliveries of which no attempt has arrived.
fn without_arrival(attempts: Vec<AttemptBody>, webhook: &Webhook, since: Timestamp) -> Vec<MissedDelivery> {
    let mut by_id: BTreeMap<String, Vec<AttemptBody>> = BTreeMap::new();
    for attempt in attempts {
        by_id.entry(attempt.guid.clone()).or_default().push(attempt);
    }
    let mut missed: Vec<MissedDelivery> = by_id
        .into_iter()
        .filter(|(_, attempts)| attempts.len() < MOST_ATTEMPTS && !attempts.iter().any(AttemptBody::has_arrived))
        .filter_map(|(id, attempts)| {
            let newest = attempts.into_iter().max_by_key(|attempt| (attempt.delivered_at, attempt.id))?;
            let (event, attempt, attempted_at) = (newest.event, newest.id, newest.delivered_at);
            Some(MissedDelivery { id, event, webhook: webhook.clone(), attempt, attempted_at })
        })
        .filter(|delivery| delivery.attempted_at >= since)
        .collect();
    missed.sort_by_key(|delivery| (delivery.attempted_at, delivery.attempt));
    missed
}

/// Returns where the next page begins. The address itself is not followed: credentials are for our own alone.
fn next_cursor(headers: &HeaderMap) -> Option<String> {
    let links = headers.get(header::LINK)?.to_str().ok()?;
    let next = links.split(',').find(|link| link.contains("rel=\"next\""))?;
    let url = Url::parse(next.split_once('<')?.1.split_once('>')?.0).ok()?;
    url.query_pairs().find(|(name, _)| name == "cursor").map(|(_, cursor)| cursor.into_owned())
}

/// Has a delivery repeated.
pub(super) async fn repeat(client: &Client, delivery: &MissedDelivery) -> Result<(), ForgeError> {
    let attempt = delivery.attempt;
    let (route, path) = match &delivery.webhook {
        Webhook::OfRepository { repository, id } => (
            "/repos/{owner}/{repo}/hooks/{hook_id}/deliveries/{delivery_id}/attempts",
            format!("/repos/{repository}/hooks/{id}/deliveries/{attempt}/attempts"),
        ),
        Webhook::OfApp => {
            ("/app/hook/deliveries/{delivery_id}/attempts", format!("/app/hook/deliveries/{attempt}/attempts"))
        }
    };
    let what = format!("deliver a `{}` once more", delivery.event);
    client.write(Method::POST, &Call::new(route, path, what).of(Importance::Comment), &()).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(id: u64, guid: &str, minute: i64, status_code: u16) -> AttemptBody {
        let delivered_at = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_mins(minute);
        AttemptBody { id, guid: guid.to_owned(), delivered_at, status_code, event: "push".to_owned() }
    }

    #[test]
    fn what_never_arrived_is_missed_and_what_arrived_later_is_not() {
        let attempts = vec![
            attempt(9, "again", 9, 0),
            attempt(8, "given-up", 8, 500),
            attempt(7, "given-up", 7, 500),
            attempt(6, "given-up", 6, 500),
            attempt(5, "later", 5, 202),
            attempt(4, "once", 4, 504),
            attempt(3, "later", 3, 502),
            attempt(2, "again", 2, 0),
            attempt(1, "old", 1, 0),
        ];
        let since = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_mins(2);
        let missed = without_arrival(attempts, &Webhook::OfApp, since);
        let told: Vec<_> = missed.iter().map(|one| (one.id.as_str(), one.attempt)).collect();
        assert_eq!(told, [("once", 4), ("again", 9)]);
    }

    #[test]
    fn the_next_page_is_known_by_its_cursor_alone() {
        let link = |text: &str| HeaderMap::from_iter([(header::LINK, text.parse().expect("because it is plain"))]);
        let next = "<https://elsewhere.example/hooks/1/deliveries?per_page=100&cursor=v1_%2B2>; rel=\"next\"";
        assert_eq!(next_cursor(&link(next)).as_deref(), Some("v1_+2"));
        assert_eq!(next_cursor(&link("<https://api.github.com/x?cursor=1>; rel=\"prev\"")), None);
        assert_eq!(next_cursor(&HeaderMap::new()), None);
    }
}
