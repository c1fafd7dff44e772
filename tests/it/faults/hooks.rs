//! What goes wrong between the forge and the service: webhooks that are lost, doubled, late, out of order or forged.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

use super::mishaps::{Mishaps, Traffic};
use crate::proxy::{Asked, Behind, Between, Fate, Told};

const ID: HeaderName = HeaderName::from_static("x-github-delivery");
const EVENT: HeaderName = HeaderName::from_static("x-github-event");
const SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature-256");

/// What can happen to a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Lost,
    /// It comes, and the forge is told that it did not.
    LostAnswer,
    Doubled,
    /// It comes after some of those that follow, which it says nothing new to then.
    Late,
    /// Somebody claims its id before it comes, with another text.
    Forged,
}

const KINDS: [Kind; 6] = [Kind::Lost, Kind::LostAnswer, Kind::Doubled, Kind::Late, Kind::Late, Kind::Forged];
/// After how many others one comes at most that is late.
const LATE: u64 = 12;

/// What stands between the forge and the service.
pub(super) struct Hooks {
    mishaps: Arc<Mishaps>,
    late: Mutex<Vec<Late>>,
    troubles: Mutex<Vec<String>>,
}

struct Late {
    after: u64,
    asked: Asked,
    behind: Arc<Behind>,
}

impl Hooks {
    pub(super) fn new(mishaps: Arc<Mishaps>) -> Self {
        Self { mishaps, late: Mutex::default(), troubles: Mutex::default() }
    }

    /// Passes on all that is late; says whether anything was.
    pub(super) async fn hurry(&self) -> bool {
        let late = std::mem::take(&mut *self.late());
        for Late { asked, behind, .. } in &late {
            self.pass(asked, behind).await;
        }
        !late.is_empty()
    }

    /// Returns what the service should not have answered.
    pub(super) fn troubles(&self) -> Vec<String> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Passes on what has been late for long enough.
    async fn pass_late(&self) {
        let due: Vec<Late> = {
            let mut late = self.late();
            late.iter_mut().for_each(|one| one.after = one.after.saturating_sub(1));
            late.extract_if(.., |one| one.after == 0).collect()
        };
        for Late { asked, behind, .. } in &due {
            self.pass(asked, behind).await;
        }
    }

    /// Passes a genuine one on, which must be taken.
    async fn pass(&self, asked: &Asked, behind: &Behind) -> Told {
        let told = behind.ask(asked).await;
        if !told.status.is_success() {
            let words = String::from_utf8_lossy(&told.body).into_owned();
            self.trouble(format!("a genuine {} was answered with {}: {words}", of(asked), told.status));
        }
        told
    }

    /// Sends somebody else's text under the id of a webhook, which must be refused.
    async fn forge(&self, asked: &Asked, behind: &Behind) {
        let body = String::from_utf8_lossy(&asked.body).replace("shop", "shed");
        let mut forged = Asked { body: Bytes::from(body), ..asked.clone() };
        // With the signature of the genuine one, and with none.
        for signature in [asked.headers.get(SIGNATURE).cloned(), Some(HeaderValue::from_static("sha256=00")), None] {
            forged.headers.remove(SIGNATURE);
            forged.headers.extend(signature.map(|signature| (SIGNATURE, signature)));
            let told = behind.ask(&forged).await;
            if told.status != StatusCode::UNAUTHORIZED {
                self.trouble(format!("a forged {} was answered with {}", of(asked), told.status));
            }
        }
    }

    fn trouble(&self, words: String) {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).push(words);
    }

    fn late(&self) -> MutexGuard<'_, Vec<Late>> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Between for Hooks {
    async fn decide(&self, asked: Asked, behind: &Arc<Behind>) -> Fate {
        let taken = || Told::made_up(202, "text/plain", &[], "");
        let lost = || Told::made_up(504, "text/plain", &[], "");
        let mishap = self.mishaps.next(Traffic::Hook, &format!("webhook {}", of(&asked)));
        let kind = mishap.as_ref().map(|mishap| mishap.one_of(&KINDS));
        if let (Some(mishap), Some(kind)) = (&mishap, kind) {
            self.mishaps.note(
                mishap,
                &format!("{kind:?} {}", asked.headers.get(ID).map_or("", |id| id.to_str().unwrap_or(""))),
            );
        }
        let told = match kind {
            None => self.pass(&asked, behind).await,
            Some(Kind::Lost) => lost(),
            Some(Kind::LostAnswer) => {
                self.pass(&asked, behind).await;
                lost()
            }
            Some(Kind::Doubled) => {
                self.pass(&asked, behind).await;
                self.pass(&asked, behind).await
            }
            Some(Kind::Late) => {
                let after = 1 + mishap.as_ref().map_or(0, |mishap| mishap.below(LATE));
                self.late().push(Late { after: after + 1, asked, behind: behind.clone() });
                taken()
            }
            Some(Kind::Forged) => {
                self.forge(&asked, behind).await;
                self.pass(&asked, behind).await
            }
        };
        self.pass_late().await;
        Fate::Answered(told)
    }
}

/// Returns the event that a webhook is about.
fn of(asked: &Asked) -> &str {
    asked.headers.get(EVENT).and_then(|event| event.to_str().ok()).unwrap_or("webhook")
}
