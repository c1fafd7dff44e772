//! Sends webhooks from one task, in the order in which they were put into the outbox.
//!
//! Nothing is ever sent again by itself, as on GitHub: a delivery that failed is listed and can be asked for again,
//! under the same GUID. Tests can lose, hold back, double and reorder deliveries.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use hmac::{Hmac, Mac};
use sha2::Sha256;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    hub::Hub,
    state::{DELIVERIES_KEPT, Delivery, Hook},
};

/// How long a receiver may take, as on GitHub.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A webhook on its way.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    /// The attempt's id.
    pub(super) id: u64,
    pub(super) repository: String,
    pub(super) hook: Hook,
    pub(super) guid: String,
    pub(super) event: String,
    pub(super) action: Option<String>,
    pub(super) payload: String,
    pub(super) redelivery: bool,
    /// It is recorded as failed and never sent.
    pub(super) is_lost: bool,
}

/// How webhooks that were held back are let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// As they happened.
    InOrder,
    /// The last one first.
    Reversed,
    /// Each one twice, with the same GUID.
    Doubled,
    /// Never.
    Dropped,
}

#[derive(Debug, Default)]
struct Gate {
    lose: u32,
    held: Option<Vec<Outgoing>>,
}

/// Where webhooks are put.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: mpsc::UnboundedSender<Outgoing>,
    gate: Mutex<Gate>,
    under_way: watch::Sender<usize>,
}

impl Outbox {
    /// Returns an outbox and the end that [`run`] empties.
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Outgoing>) {
        let (queue, receiver) = mpsc::unbounded_channel();
        (Self { queue, gate: Mutex::default(), under_way: watch::Sender::new(0) }, receiver)
    }

    /// Sends a webhook soon, unless webhooks are lost or held back now.
    pub(super) fn put(&self, mut outgoing: Outgoing) {
        {
            let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
            if gate.lose > 0 {
                gate.lose -= 1;
                outgoing.is_lost = true;
            } else if let Some(held) = &mut gate.held {
                held.push(outgoing);
                return;
            }
        }
        self.send(outgoing);
    }

    fn send(&self, outgoing: Outgoing) {
        self.under_way.send_modify(|count| *count += 1);
        if self.queue.send(outgoing).is_err() {
            self.under_way.send_modify(|count| *count -= 1);
        }
    }

    /// Loses the next `count` webhooks.
    pub(super) fn lose_next(&self, count: u32) {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner).lose = count;
    }

    /// Holds webhooks back from now on.
    pub(super) fn hold(&self) {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner).held.get_or_insert_default();
    }

    /// Lets go what was held back, and holds nothing more. Returns how many were held.
    pub(super) fn release(&self, how: Release) -> usize {
        let mut held = {
            let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
            gate.held.take().unwrap_or_default()
        };
        let count = held.len();
        match how {
            Release::InOrder => {}
            Release::Reversed => held.reverse(),
            Release::Doubled => held = held.into_iter().flat_map(|one| [one.clone(), one]).collect(),
            Release::Dropped => held.clear(),
        }
        for outgoing in held {
            self.send(outgoing);
        }
        count
    }

    /// Waits until nothing is under way.
    pub(super) async fn drained(&self) {
        let mut under_way = self.under_way.subscribe();
        // The sender lives in `self`, so waiting can only end by the count.
        let _ = under_way.wait_for(|count| *count == 0).await;
    }
}

/// Sends what is put into the outbox until `stop`.
pub(super) async fn run(
    hub: Arc<Hub>,
    client: reqwest::Client,
    mut queue: mpsc::UnboundedReceiver<Outgoing>,
    stop: CancellationToken,
) {
    while let Some(Some(outgoing)) = stop.run_until_cancelled(queue.recv()).await {
        let began = Instant::now();
        let answer = if outgoing.is_lost {
            Err("lost".to_owned())
        } else {
            match stop.run_until_cancelled(deliver(&client, &outgoing)).await {
                Some(answer) => answer,
                None => return,
            }
        };
        record(&hub, outgoing, answer, began.elapsed());
        hub.outbox.under_way.send_modify(|count| *count -= 1);
    }
}

async fn deliver(client: &reqwest::Client, outgoing: &Outgoing) -> Result<u16, String> {
    let hook = &outgoing.hook;
    let mut request = client
        .post(&hook.url)
        .timeout(ANSWER_WITHIN)
        .header("content-type", "application/json")
        .header("user-agent", "GitHub-Hookshot/local-forge")
        .header("x-github-event", &outgoing.event)
        .header("x-github-delivery", &outgoing.guid)
        .header("x-github-hook-id", hook.id)
        .header("x-github-hook-installation-target-type", "repository");
    if let Some(secret) = &hook.secret {
        request = request.header("x-hub-signature-256", signature(secret.expose(), outgoing.payload.as_bytes()));
    }
    match request.body(outgoing.payload.clone()).send().await {
        Ok(response) => Ok(response.status().as_u16()),
        Err(error) if error.is_timeout() => Err("timed out".to_owned()),
        Err(_) => Err("failed to connect to host".to_owned()),
    }
}

fn record(hub: &Hub, outgoing: Outgoing, answer: Result<u16, String>, took: Duration) {
    let (status_code, status) = match answer {
        Ok(code) if (200..300).contains(&code) => (code, "OK".to_owned()),
        Ok(code) => (code, format!("Invalid HTTP Response: {code}")),
        Err(reason) => (0, reason),
    };
    let mut state = hub.lock();
    let Some(repository) = state.repositories.get_mut(&outgoing.repository) else { return };
    repository.deliveries.push(Delivery {
        id: outgoing.id,
        guid: outgoing.guid,
        hook: outgoing.hook.id,
        event: outgoing.event,
        action: outgoing.action,
        payload: outgoing.payload,
        redelivery: outgoing.redelivery,
        delivered_at: super::clock::now(),
        duration: took.as_secs_f64(),
        status_code,
        status,
    });
    let surplus = repository.deliveries.len().saturating_sub(DELIVERIES_KEPT);
    repository.deliveries.drain(..surplus);
}

/// Returns the `X-Hub-Signature-256` header of a body.
pub(super) fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac =
        <Hmac<Sha256> as Mac>::new_from_slice(secret.as_bytes()).expect("because HMAC takes a key of any length");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::signature;

    /// The example of GitHub's "Validating webhook deliveries".
    #[test]
    fn the_signature_is_the_one_that_github_documents() {
        assert_eq!(
            signature("It's a Secret to Everybody", b"Hello, World!"),
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        );
    }
}
