//! Webhooks, by token or signed, with the pushes that GitLab does not tell of.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, Mac};
use hydromote::app::wall_clock;
use serde_json::{Value, json};
use sha2::Sha256;

use super::face::{PROJECT, World, sample};

/// A push that moves more branches is told of to nobody.
const PUSH_EVENT_LIMIT: usize = 3;
/// The service's address for people, to which the webhook sends as people see it.
pub(super) const PUBLIC_URL: &str = "https://hydromote.example.com";
/// No commit.
const NONE: &str = "0000000000000000000000000000000000000000";

/// Where webhooks go, and how they are proven.
#[derive(Clone)]
pub(super) struct Hook {
    pub(super) url: String,
    pub(super) proof: Proof,
}

/// How a webhook is proven.
#[derive(Clone)]
pub(super) enum Proof {
    /// By the secret itself.
    Token(String),
    /// By a signature with this key.
    Key(Vec<u8>),
}

impl Hook {
    /// Sends one delivery, and says whether it was taken; whoever does not take it hears no more of it.
    pub(super) async fn send(&self, client: &reqwest::Client, event: &str, payload: &Value) -> bool {
        let (body, id) = (payload.to_string(), uuid::Uuid::now_v7().to_string());
        let request = client.post(&self.url).header("x-gitlab-event", event).header("idempotency-key", &id);
        let request = match &self.proof {
            Proof::Token(token) => request.header("x-gitlab-token", token),
            Proof::Key(key) => {
                let timestamp = wall_clock()().as_second();
                let mac = Hmac::<Sha256>::new_from_slice(key).expect("because any length is a key");
                let mac = mac.chain_update(format!("{id}.{timestamp}.{body}"));
                let signature = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
                request
                    .header("webhook-id", &id)
                    .header("webhook-timestamp", timestamp)
                    .header("webhook-signature", signature)
            }
        };
        let answer = request.header("content-type", "application/json").body(body).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }
}

impl World {
    /// Returns the webhook as the list shows it.
    pub(super) fn shown_hook(&self) -> Value {
        let until = (self.hook_status == "temporarily_disabled").then_some("2026-01-01T00:00:00.000Z");
        json!({"id": 1, "url": format!("{PUBLIC_URL}/webhooks/acme_hub"), "project_id": PROJECT, "push_events": true,
            "merge_requests_events": true, "note_events": true, "pipeline_events": true, "job_events": true,
            "enable_ssl_verification": true, "alert_status": self.hook_status, "disabled_until": until})
    }

    /// Tells of the branches that moved, unless there are too many of them.
    pub(super) fn push_hooks(&mut self, before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) {
        let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let moved: Vec<&String> = names.into_iter().filter(|name| before.get(*name) != after.get(*name)).collect();
        if moved.len() > PUSH_EVENT_LIMIT {
            return;
        }
        for name in moved {
            let at = |heads: &BTreeMap<String, String>| heads.get(name).map_or(NONE, String::as_str).to_owned();
            let mut payload = sample(include_str!("../../data/webhooks-gitlab/push.json"));
            payload["project"]["path_with_namespace"] = json!("acme/web/shop");
            payload["ref"] = json!(format!("refs/heads/{name}"));
            (payload["before"], payload["after"]) = (json!(at(before)), json!(at(after)));
            self.deliveries.push(("Push Hook".to_owned(), payload));
        }
    }
}
