//! GitHub's representations of what the forge holds.
//!
//! Complete enough for GitHub's published description and for clients with strict models, and no more.

mod commit;
mod pull;
mod reports;
mod repository;
pub(super) mod rulesets;

use serde_json::{Value, json};

use super::{
    state::{AccountKind, Hook, Repository, State},
    urls::Urls,
};

/// State and addresses, to be shown as JSON.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) urls: &'a Urls,
    pub(super) state: &'a State,
}

/// Returns a GraphQL-like id; clients only compare it.
pub(super) fn node_id(kind: &str, id: u64) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(format!("{kind}{id}"))
}

impl View<'_> {
    /// Returns an account; one that is gone looks like GitHub's ghost.
    pub(super) fn user(self, login: &str) -> Value {
        let account = self.state.accounts.get(login);
        let id = account.map_or(1, |account| account.id);
        let kind = match account.map(|account| account.kind) {
            Some(AccountKind::Organization) => "Organization",
            Some(AccountKind::Bot) => "Bot",
            _ => "User",
        };
        // The login of an App has brackets.
        let path = login.replace('[', "%5B").replace(']', "%5D");
        let api = format!("{}/users/{path}", self.urls.api());
        json!({
            "login": login,
            "id": id,
            "node_id": node_id("User", id),
            "avatar_url": format!("{}/avatars/{id}", self.urls.web()),
            "gravatar_id": "",
            "url": api,
            "html_url": format!("{}/{path}", self.urls.web()),
            "followers_url": format!("{api}/followers"),
            "following_url": format!("{api}/following{{/other_user}}"),
            "gists_url": format!("{api}/gists{{/gist_id}}"),
            "starred_url": format!("{api}/starred{{/owner}}{{/repo}}"),
            "subscriptions_url": format!("{api}/subscriptions"),
            "organizations_url": format!("{api}/orgs"),
            "repos_url": format!("{api}/repos"),
            "events_url": format!("{api}/events{{/privacy}}"),
            "received_events_url": format!("{api}/received_events"),
            "type": kind,
            "site_admin": false,
        })
    }

    /// Returns an account with its profile.
    pub(super) fn profile(self, login: &str) -> Value {
        let mut user = self.user(login);
        let created = self.state.accounts.get(login).map(|account| account.created_at.to_string());
        let owned = self.state.repositories.values().filter(|repository| repository.owner == login).count();
        let profile = json!({
            "name": login,
            "company": null,
            "blog": "",
            "location": null,
            "email": null,
            "hireable": null,
            "bio": null,
            "public_repos": owned,
            "public_gists": 0,
            "followers": 0,
            "following": 0,
            "created_at": created,
            "updated_at": created,
        });
        extend(&mut user, profile);
        user
    }

    /// Returns a webhook; the secret is never shown.
    pub(super) fn hook(self, repository: &Repository, hook: &Hook) -> Value {
        let url = format!("{}/hooks/{}", self.urls.repository(&repository.full_name()), hook.id);
        let mut config = json!({"url": hook.url, "content_type": "json", "insecure_ssl": "0"});
        if hook.secret.is_some() {
            config["secret"] = json!("********");
        }
        json!({
            "type": "Repository",
            "id": hook.id,
            "name": "web",
            "active": hook.active,
            "events": hook.events,
            "config": config,
            "updated_at": hook.created_at.to_string(),
            "created_at": hook.created_at.to_string(),
            "url": url,
            "test_url": format!("{url}/test"),
            "ping_url": format!("{url}/pings"),
            "deliveries_url": format!("{url}/deliveries"),
            "last_response": {"code": null, "status": "unused", "message": null},
        })
    }
}

/// Adds the fields of `more`.
pub(super) fn extend(value: &mut Value, more: Value) {
    if let (Some(value), Value::Object(more)) = (value.as_object_mut(), more) {
        value.extend(more);
    }
}
