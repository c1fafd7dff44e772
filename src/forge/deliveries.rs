//! Deliveries of webhooks that a forge keeps, and repeats when it is asked to.
//!
//! GitHub never delivers again by itself, and keeps what it delivered for three days:
//! <https://docs.github.com/webhooks/using-webhooks/handling-failed-webhook-deliveries>.

use jiff::{SignedDuration, Timestamp};

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
