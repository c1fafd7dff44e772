//! Webhooks of a repository, which GitHub and Gitea list alike.

use serde::Deserialize;

use crate::{
    domain::ids::RepositoryId,
    forge::{
        WebhookSeen, WebhookStanding,
        calls::{Call, Importance},
        deliveries::is_same_address,
    },
};

/// A webhook.
#[derive(Deserialize)]
pub(in crate::forge) struct HookBody {
    pub(in crate::forge) id: u64,
    #[serde(default)]
    config: ConfigBody,
    #[serde(default)]
    active: Option<bool>,
    #[serde(default)]
    events: Vec<String>,
    /// GitHub alone tells it.
    last_response: Option<ResponseBody>,
}

#[derive(Deserialize, Default)]
struct ConfigBody {
    url: Option<String>,
}

#[derive(Deserialize)]
struct ResponseBody {
    code: Option<u16>,
    message: Option<String>,
}

impl HookBody {
    /// Says whether it sends to this address.
    pub(in crate::forge) fn sends_to(&self, address: &str) -> bool {
        self.config.url.as_deref().is_some_and(|url| is_same_address(url, address))
    }
}

/// Returns the call that lists the webhooks of a repository.
pub(in crate::forge) fn list(repository: &RepositoryId) -> Call {
    Call::new(
        "/repos/{owner}/{repo}/hooks",
        format!("/repos/{repository}/hooks"),
        format!("list the webhooks of `{repository}`"),
    )
    .of(Importance::Comment)
}

/// Returns those that send to `address`; each must tell of `events`.
pub(in crate::forge) fn seen(hooks: Vec<HookBody>, address: &str, events: &'static [&'static str]) -> Vec<WebhookSeen> {
    let ours = hooks.into_iter().filter(|hook| hook.sends_to(address));
    ours.map(|hook| {
        let tells = |event: &&&str| hook.events.iter().any(|told| told == *event || told == "*");
        WebhookSeen {
            id: hook.id,
            standing: if hook.active == Some(false) { WebhookStanding::SwitchedOff } else { WebhookStanding::Sends },
            lacks: events.iter().filter(|event| !tells(event)).copied().collect(),
            failed: hook.last_response.and_then(ResponseBody::failure),
        }
    })
    .collect()
}

impl ResponseBody {
    /// Returns what it says when the delivery did not arrive; without a code nothing was delivered yet.
    fn failure(self) -> Option<String> {
        let code = self.code.filter(|code| !(200..300).contains(code))?;
        let words = self.message.filter(|words| !words.is_empty()).unwrap_or_else(|| "no answer".to_owned());
        Some(if code == 0 { words } else { format!("{code}: {words}") })
    }
}
