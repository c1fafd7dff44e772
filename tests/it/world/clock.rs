//! The service's time, which a story moves forward.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use hydromote::{app, reconcile::context::Clock};
use jiff::SignedDuration;

/// The wall clock, and what was jumped over.
#[derive(Clone, Default)]
pub(super) struct WorldClock {
    ahead_ms: Arc<AtomicI64>,
}

impl WorldClock {
    pub(super) fn tell(&self) -> Clock {
        let (wall, ahead) = (app::wall_clock(), self.ahead_ms.clone());
        Arc::new(move || wall() + SignedDuration::from_millis(ahead.load(Ordering::Relaxed)))
    }

    pub(super) fn advance(&self, minutes: i64) {
        self.ahead_ms.fetch_add(minutes * 60_000, Ordering::Relaxed);
    }
}
