//! Webhooks as the forge shows them, and deliveries that it keeps, and repeats when it is asked to.
//!
//! GitHub never delivers again by itself, and keeps what it delivered for three days:
//! <https://docs.github.com/webhooks/using-webhooks/handling-failed-webhook-deliveries>.

use jiff::{SignedDuration, Timestamp};
use url::Url;

use crate::domain::ids::RepositoryId;

/// For how long a delivery can be asked for again.
pub const DELIVERIES_KEPT: SignedDuration = SignedDuration::from_hours(3 * 24);

/// Where a forge keeps what it delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveriesKept {
    /// Nowhere, or it delivers again by itself.
    Nowhere,
    /// With the webhooks of each repository.
    ByRepository,
    /// With the one webhook of all repositories.
    Together,
}

/// Whose deliveries are meant.
#[derive(Debug, Clone, Copy)]
pub enum DeliveriesOf<'a> {
    /// Those of a repository's webhooks to this address.
    Repository {
        /// The repository.
        repository: &'a RepositoryId,
        /// Where they are sent.
        address: &'a str,
    },
    /// Those of the one webhook of all repositories.
    All,
}

/// A delivery that did not arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissedDelivery {
    /// The id that it has however often it is repeated.
    pub id: String,
    /// The forge's name of its event.
    pub event: String,
    /// The webhook that it is of.
    pub webhook: Webhook,
    /// The newest attempt, which is to be repeated.
    pub attempt: u64,
    /// When that was made.
    pub attempted_at: Timestamp,
}

/// A webhook on the forge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Webhook {
    /// One of a repository.
    OfRepository {
        /// The repository.
        repository: RepositoryId,
        /// Its id.
        id: u64,
    },
    /// The one of the App.
    OfApp,
}

/// A webhook that sends to us, as the forge shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSeen {
    /// Its id.
    pub id: u64,
    /// Whether it sends.
    pub standing: WebhookStanding,
    /// What it does not tell of and should, in the forge's words.
    pub lacks: Vec<&'static str>,
    /// What the forge says of its last delivery when that did not arrive.
    pub failed: Option<String>,
}

/// Whether a webhook sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookStanding {
    /// It does.
    Sends,
    /// Somebody has switched it off.
    SwitchedOff,
    /// The forge sends nothing until then, since deliveries failed.
    Paused {
        /// When it tries again by itself.
        until: Timestamp,
    },
    /// The forge sends nothing any more, since deliveries failed.
    Disabled,
}

/// Says whether two addresses are the same, however they are spelled.
pub(super) fn is_same_address(one: &str, other: &str) -> bool {
    let plain = |text: &str| Url::parse(text).ok().map(|url| url.as_str().trim_end_matches('/').to_owned());
    plain(one).is_some_and(|one| plain(other) == Some(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_the_same_however_they_are_spelled() {
        assert!(is_same_address(
            "https://Hydromote.example.com:443/webhooks/github/",
            "https://hydromote.example.com/webhooks/github"
        ));
        assert!(!is_same_address(
            "https://hydromote.example.com/webhooks/other",
            "https://hydromote.example.com/webhooks/github"
        ));
        assert!(!is_same_address("", ""));
    }
}
