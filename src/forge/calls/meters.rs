//! What is counted and shown of the calls to a forge; `docs/operating.md` says what each means.

use std::time::Duration;

use http::Method;

use super::Importance;

/// Counts one request by its route, not by its path.
pub(in crate::forge) fn count(method: &Method, route: &'static str, status: &str) {
    let (method, status) = (method.as_str().to_owned(), status.to_owned());
    metrics::counter!("hydromote_forge_requests_total", "method" => method, "route" => route, "status" => status)
        .increment(1);
}

/// Shows whether a forge is left alone because it does not answer.
pub(super) fn breaker(host: &str, is_open: bool) {
    metrics::gauge!("hydromote_forge_breaker_open", "forge" => host.to_owned()).set(f64::from(u8::from(is_open)));
}

/// What is shown of one credential.
#[derive(Debug)]
pub(super) struct Meters {
    forge: String,
    credential: String,
}

impl Meters {
    pub(super) fn new(forge: &str, credential: &str) -> Self {
        Self { forge: forge.to_owned(), credential: credential.to_owned() }
    }

    /// Shows what is left of a limit until it is reset.
    pub(super) fn quota(&self, resource: &str, remaining: u64, limit: Option<u64>) {
        let (forge, credential, resource) = (self.forge.clone(), self.credential.clone(), resource.to_owned());
        let number = |calls: u64| f64::from(u32::try_from(calls).unwrap_or(u32::MAX));
        if let Some(limit) = limit {
            let (forge, credential, resource) = (forge.clone(), credential.clone(), resource.clone());
            metrics::gauge!("hydromote_forge_quota_limit", "forge" => forge, "credential" => credential, "resource" => resource)
                .set(number(limit));
        }
        metrics::gauge!("hydromote_forge_quota_remaining", "forge" => forge, "credential" => credential, "resource" => resource)
            .set(number(remaining));
    }

    /// Shows for how long the forge asked to be left alone; zero when calls go out again.
    pub(super) fn pause(&self, pause: Duration) {
        let (forge, credential) = (self.forge.clone(), self.credential.clone());
        metrics::gauge!("hydromote_forge_pause_seconds", "forge" => forge, "credential" => credential)
            .set(pause.as_secs_f64());
    }

    /// Counts a call that was not sent.
    pub(super) fn held_back(&self, by: &'static str) {
        let (forge, credential) = (self.forge.clone(), self.credential.clone());
        metrics::counter!("hydromote_forge_held_back_total", "forge" => forge, "credential" => credential, "by" => by)
            .increment(1);
    }

    /// Shows how many writes wait for their turn.
    pub(super) fn writes_waiting(&self, number: usize) {
        let (forge, credential) = (self.forge.clone(), self.credential.clone());
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        metrics::gauge!("hydromote_forge_writes_waiting", "forge" => forge, "credential" => credential)
            .set(f64::from(number));
    }

    /// Shows how long a write has waited for its turn.
    pub(super) fn waited(&self, importance: Importance, wait: Duration) {
        let forge = self.forge.clone();
        metrics::histogram!("hydromote_forge_write_wait_seconds", "forge" => forge, "importance" => importance.word())
            .record(wait.as_secs_f64());
    }
}
